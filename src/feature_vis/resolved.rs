//! Objectives resolved against a network, and their values and gradients.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::objective::{Objective, Term, weighted};
use crate::attribution::Target;
use crate::error::{Error, Result};
use crate::model::{Conv2d, LayerRef, Model, NodeId, Op};
use crate::tensor::IntoResult;

/// An objective whose layers and channels exist.
#[derive(Clone, Debug)]
pub(super) struct ResolvedObjective {
    pub(super) terms: Vec<(f64, ResolvedTerm)>,
    /// What a tile is called.
    pub(super) label: String,
    /// Whether that is the index of a channel, which says nothing of its layer.
    pub(super) is_index: bool,
}

/// One term, at a node.
#[derive(Clone, Debug)]
pub(super) struct ResolvedTerm {
    pub(super) node: NodeId,
    pub(super) of: Of,
}

#[derive(Clone, Debug)]
pub(super) enum Of {
    /// The mean of a map.
    Channel(i64),
    /// A channel at a row and column, or in the middle; of `[N, units]`, a unit.
    Neuron(i64, Option<[i64; 2]>),
    /// The mean of all squares.
    Squares,
    /// The mean over places of the dot product or the cosine with this.
    Direction(Vec<f32>, bool),
    /// The loss of an unreachable target, negated.
    Unreachable(i64),
}

impl ResolvedTerm {
    /// The only channel that it looks at.
    pub(super) fn channel(&self) -> Option<i64> {
        match self.of {
            Of::Channel(channel) | Of::Unreachable(channel) | Of::Neuron(channel, _) => {
                Some(channel)
            }
            Of::Squares | Of::Direction(..) => None,
        }
    }

    /// Whether it is about a whole map.
    pub(super) fn is_of_a_map(&self) -> bool {
        matches!(self.of, Of::Channel(_) | Of::Unreachable(_))
    }

    /// The row and column that it looks at.
    pub(super) fn place(&self) -> Option<[i64; 2]> {
        match self.of {
            Of::Neuron(_, place) => place,
            _ => None,
        }
    }

    /// Its channel, `[h, w]`, of what the layer answers to one picture.
    pub(super) fn map(&self, answer: &Tensor) -> Result<Tensor> {
        let alone = answer.size().first() == Some(&1);
        let index = self.channel().filter(|_| !alone).unwrap_or(0);
        answer.f_select(0, index).into_result()
    }

    /// The value, from what the layer answers to one picture, `[channels, h, w]` or `[units]`, or
    /// `[1, h, w]` where only the term's own channel was computed.
    fn value(&self, answer: &Tensor) -> Result<Tensor> {
        let map = match self.channel() {
            Some(_) => self.map(answer)?,
            None => answer.shallow_clone(),
        };
        let work = || match &self.of {
            Of::Channel(_) => map.f_mean(None::<Kind>),
            Of::Neuron(_, place) => match (map.size().as_slice(), place) {
                (&[_, _], Some([row, column])) => map.f_select(0, *row)?.f_select(0, *column),
                (&[h, w], None) => map.f_select(0, h / 2)?.f_select(0, w / 2),
                _ => Ok(map.shallow_clone()),
            },
            Of::Squares => answer.f_square()?.f_mean(None::<Kind>),
            Of::Direction(direction, cosine) => {
                let direction = Tensor::f_from_slice(direction)?.f_to_device(answer.device())?;
                let places = answer.f_flatten(1, -1)?; // [C, h·w]
                let along = direction.f_unsqueeze(0)?.f_matmul(&places)?; // [1, h·w]
                let along = match cosine {
                    false => along,
                    true => {
                        let lengths = places.f_norm_scalaropt_dim(2, [0i64], true)?;
                        let length = direction.f_norm()?;
                        along.f_div(&lengths.f_mul(&length)?.f_clamp_min(1e-8)?)?
                    }
                };
                along.f_mean(None::<Kind>)
            }
            Of::Unreachable(_) => {
                // In double precision, as NumPy makes it.
                let map = map.f_to_kind(Kind::Double)?;
                let target = map.f_detach()?.f_max()?.f_square()?;
                map.f_sub(&target)?.f_square()?.f_mean(None::<Kind>)?.f_neg()
            }
        };
        work().and_then(|value| value.f_to_kind(Kind::Float)).into_result()
    }
}

impl ResolvedObjective {
    /// # Errors
    /// Layers, channels, classes and places that do not exist.
    pub(super) fn new(objective: &Objective, model: &Model) -> Result<ResolvedObjective> {
        let mut terms = Vec::with_capacity(objective.terms.len());
        for (weight, term) in &objective.terms {
            if !weight.is_finite() {
                return Err(Error::Argument(format!(
                    "an objective is multiplied by {weight}: choose a finite number"
                )));
            }
            resolve(model, *weight, term, &mut terms)?;
        }
        // Of one that is made large, how much it is multiplied by says nothing.
        let (label, is_index) = match objective.terms.as_slice() {
            [] => return Err(Error::Argument("a sum of no objectives asks for nothing".into())),
            [(weight, Term::Channel { channel, .. } | Term::Unreachable { channel, .. })]
                if *weight > 0.0 =>
            {
                (channel.to_string(), true)
            }
            [(weight, Term::Class(target))] if *weight > 0.0 => {
                (weighted(classes(model, 1.0, target)), false)
            }
            several => {
                let named = several.iter().flat_map(|(weight, term)| match term {
                    Term::Class(target) => classes(model, *weight, target),
                    other => vec![(*weight, other.to_string())],
                });
                (weighted(named), false)
            }
        };
        Ok(ResolvedObjective { terms, label, is_index })
    }

    /// The value, from what the layers answer to one picture.
    pub(super) fn value(&self, answers: &Answers, picture: i64) -> Result<Tensor> {
        let mut sum: Option<Tensor> = None;
        for (weight, term) in &self.terms {
            let value = term.value(&answers.of(term, picture)?)?;
            let value = value.f_mul_scalar(*weight).into_result()?;
            sum = Some(match sum {
                None => value,
                Some(sum) => sum.f_add(&value).into_result()?,
            });
        }
        sum.ok_or_else(|| Error::Argument("a sum of no objectives asks for nothing".into()))
    }

    /// The only channel or neuron that it is about.
    pub(super) fn only(&self) -> Option<&ResolvedTerm> {
        match self.terms.as_slice() {
            [(weight, term)] if *weight > 0.0 && term.channel().is_some() => Some(term),
            _ => None,
        }
    }
}

/// The names of a target's classes, with their factors.
fn classes(model: &Model, weight: f64, target: &Target) -> Vec<(f64, String)> {
    let name = match target {
        Target::Sum(parts) => {
            let parts = parts.iter();
            return parts.flat_map(|(factor, t)| classes(model, weight * factor, t)).collect();
        }
        Target::Index(index) => {
            usize::try_from(*index).map_or_else(|_| index.to_string(), |i| model.class_name(i))
        }
        Target::Name(name) => name.clone(),
        Target::Output { output, target } => {
            let Ok(model) = model.with_output(output) else { return Vec::new() };
            let named = classes(&model, weight, target).into_iter();
            return named.map(|(weight, name)| (weight, model.output_named() + &name)).collect();
        }
        _ => "class".to_owned(),
    };
    vec![(weight, name)]
}

fn resolve(
    model: &Model,
    weight: f64,
    term: &Term,
    into: &mut Vec<(f64, ResolvedTerm)>,
) -> Result<()> {
    let maps = |layer: &LayerRef, what: &str| -> Result<(NodeId, String, i64)> {
        let (node, name) = model.find_named(layer)?;
        match (model.map_channels(node)?, model.shape_of(node)) {
            (Some(channels), _) => Ok((node, name, channels)),
            (None, shape) => Err(Error::Argument(format!(
                "layer {name:?} of {} has no maps, so there is no {what}: its output is {shape:?}; \
                 choose an earlier layer, or Objective::neuron for one of its units, or \
                 Objective::class for a class",
                model.name()
            ))),
        }
    };
    let in_range = |name: &str, channel: usize, count: i64| {
        let index = i64::try_from(channel).unwrap_or(i64::MAX);
        if index < count {
            return Ok(index);
        }
        Err(Error::Argument(format!(
            "layer {name:?} of {} has no channel {channel}: its {count} channels are numbered 0 to {}",
            model.name(),
            count - 1
        )))
    };
    let (node, of) = match term {
        Term::Channel { layer, channel } => {
            let (node, name, c) = maps(layer, "channel")?;
            (node, Of::Channel(in_range(&name, *channel, c)?))
        }
        Term::Unreachable { layer, channel } => {
            let (node, name, c) = maps(layer, "channel")?;
            (node, Of::Unreachable(in_range(&name, *channel, c)?))
        }
        Term::Neuron { layer, channel, place } => {
            let (node, name) = model.find_named(layer)?;
            let shape = model.shape_of(node);
            let maps = model.map_channels(node)?;
            let count = maps.or(shape.get(1).copied()).unwrap_or(0);
            let channel = in_range(&name, *channel, count)?;
            let place = match (place, maps) {
                (None, _) => None,
                (Some(place), Some(_)) => Some(place.map(|i| i64::try_from(i).unwrap_or(i64::MAX))),
                (Some(_), None) => {
                    return Err(Error::Argument(format!(
                        "layer {name:?} of {} has no rows and columns, its output is {shape:?}: use \
                         Objective::neuron",
                        model.name()
                    )));
                }
            };
            (node, Of::Neuron(channel, place))
        }
        Term::Layer { layer } => (model.find_named(layer)?.0, Of::Squares),
        Term::Direction { layer, direction, cosine } => {
            let (node, name, c) = maps(layer, "direction")?;
            if direction.len() as i64 != c || direction.iter().any(|v| !v.is_finite()) {
                return Err(Error::Argument(format!(
                    "a direction at layer {name:?} of {} has one finite number for each of its {c} \
                     channels; got {} numbers",
                    model.name(),
                    direction.len()
                )));
            }
            (node, Of::Direction(direction.clone(), *cosine))
        }
        Term::Class(Target::Sum(parts)) if !parts.is_empty() => {
            for (factor, part) in parts {
                resolve(model, weight * factor, &Term::Class(part.clone()), into)?;
            }
            return Ok(());
        }
        Term::Class(Target::Output { output, target }) => {
            let model = model.with_output(output)?;
            return resolve(&model, weight, &Term::Class((**target).clone()), into);
        }
        Term::Class(target) => {
            let class = class(model, target)?;
            let (unit, sign) = match (model.yes_or_no(), class) {
                (Some(_), 0) => (0, -1.0),
                (Some(_), _) => (0, 1.0),
                (None, class) => (class, 1.0),
            };
            let node = model.output();
            into.push((sign * weight, ResolvedTerm { node, of: Of::Neuron(unit, None) }));
            return Ok(());
        }
    };
    if node == model.input() {
        return Err(Error::Argument(format!(
            "layer {:?} is the picture itself: choose a later layer",
            model.layer_name(node)
        )));
    }
    into.push((weight, ResolvedTerm { node, of }));
    Ok(())
}

fn class(model: &Model, target: &Target) -> Result<i64> {
    let shape = model.shape_of(model.output());
    let (&[_, count] | &[_, count, 1, 1]) = shape else {
        return Err(Error::Argument(format!(
            "{} does not end in one score a class but in {shape:?}: use Objective::channel at its \
             last layer",
            model.name()
        )));
    };
    let count = if model.yes_or_no().is_some() { 2 } else { count };
    let index = match target {
        Target::Index(index) => *index,
        Target::Name(name) => model.class_index(name)? as i64,
        other => {
            return Err(Error::Argument(format!(
                "a picture is made for a class by its index or name, or a sum of them, not for \
                 {other:?}"
            )));
        }
    };
    if (0..count).contains(&index) {
        return Ok(index);
    }
    Err(Error::Argument(format!(
        "{} has no class {index}: its {count} classes are numbered 0 to {}",
        model.name(),
        count - 1
    )))
}

/// What a layer is read from: its whole output, or, where only a few channels are asked for, the
/// input of the convolution that makes them.
#[derive(Debug)]
pub(super) struct Reading {
    /// The layer.
    pub(super) node: NodeId,
    /// What has to be computed of the network.
    pub(super) from: NodeId,
    last: Option<Last>,
}

/// A convolution, with the rectifier behind it, of which only some channels are wanted.
#[derive(Debug)]
struct Last {
    op: Conv2d,
    weight: Tensor,
    bias: Option<Tensor>,
    relu: bool,
}

impl Reading {
    /// All of it.
    pub(super) fn whole(node: NodeId) -> Reading {
        Reading { node, from: node, last: None }
    }

    /// How to read a layer at which these terms are asked for, and no others.
    pub(super) fn new(model: &Model, node: NodeId, terms: &[&ResolvedTerm]) -> Result<Reading> {
        let whole = Reading::whole(node);
        if terms.iter().any(|term| term.channel().is_none()) {
            return Ok(whole);
        }
        let (conv, relu) = match (model.op_of(node), model.inputs_of(node)) {
            (Op::Conv2d(_), _) => (node, false),
            (Op::Relu, &[before]) => (before, true),
            _ => return Ok(whole),
        };
        let (Op::Conv2d(op), &[from]) = (model.op_of(conv), model.inputs_of(conv)) else {
            return Ok(whole);
        };
        if op.groups != 1 || op.zeros().is_none() {
            return Ok(whole);
        }
        let weight = model.parameter(conv, "weight")?.f_detach().into_result()?;
        let bias = match op.bias {
            true => Some(model.parameter(conv, "bias")?.f_detach().into_result()?),
            false => None,
        };
        Ok(Reading { node, from, last: Some(Last { op: op.clone(), weight, bias, relu }) })
    }

    /// From the value of `from`, `[n, ...]`, the channels of the layer in this order, or all of them.
    pub(super) fn read(&self, value: &Tensor, channels: &[i64]) -> Result<Tensor> {
        let Some(Last { op, weight, bias, relu }) = &self.last else {
            return Ok(value.shallow_clone());
        };
        let work = || {
            let chosen = Tensor::f_from_slice(channels)?.f_to_device(weight.device())?;
            let weight = weight.f_index_select(0, &chosen)?;
            let bias = bias.as_ref().map(|bias| bias.f_index_select(0, &chosen)).transpose()?;
            let padding = op.zeros().unwrap_or_default();
            let maps =
                value.f_conv2d(&weight, bias.as_ref(), op.stride, padding, op.dilation, 1)?;
            if *relu { maps.f_relu() } else { Ok(maps) }
        };
        work().into_result()
    }

    pub(super) fn is_partial(&self) -> bool {
        self.last.is_some()
    }
}

/// What the layers answer to a few pictures.
pub(super) struct Answers {
    by_node: BTreeMap<NodeId, (Tensor, Option<Vec<i64>>)>,
}

impl Answers {
    pub(super) fn new() -> Answers {
        Answers { by_node: BTreeMap::new() }
    }

    /// `channels` tells which these are, where they are not all.
    pub(super) fn insert(&mut self, node: NodeId, value: Tensor, channels: Option<Vec<i64>>) {
        self.by_node.insert(node, (value, channels));
    }

    /// All channels of one layer, `[n, ...]`.
    pub(super) fn whole(&self, node: NodeId) -> Result<&Tensor> {
        match self.by_node.get(&node) {
            Some((value, None)) => Ok(value),
            _ => Err(Error::Argument("a wanted layer did not run".into())),
        }
    }

    /// What a term is computed from, for one picture.
    pub(super) fn of(&self, term: &ResolvedTerm, picture: i64) -> Result<Tensor> {
        let Some((value, channels)) = self.by_node.get(&term.node) else {
            return Err(Error::Argument("a wanted layer did not run".into()));
        };
        let one = value.f_select(0, picture).into_result()?;
        match (channels, term.channel()) {
            (Some(channels), Some(channel)) => {
                let place = channels.iter().position(|&c| c == channel).unwrap_or(0);
                one.f_narrow(0, place as i64, 1).into_result()
            }
            _ => Ok(one),
        }
    }
}
