//! The part of the network that a run needs, and gradients of its pictures, a few at a time.

use std::collections::BTreeSet;
use std::ops::Range;

use tch::Tensor;

use super::resolved::{Answers, Reading, ResolvedObjective, ResolvedTerm};
use crate::error::{Error, Result};
use crate::model::{Back, Model, NodeId, Pass, Rule, with_grad};
use crate::tensor::{IntoResult, to_floats};

/// Bytes of activations that are kept at once, about: what a processor's last cache holds.
const AT_ONCE: i64 = 24 << 20;
/// Pictures at once, at most.
const MOST: i64 = 16;

/// The network up to the layers that are asked for, with the goal of each picture.
pub(super) struct Trunk {
    model: Model,
    /// Whether its output is that of the whole network.
    is_whole: bool,
    goals: Vec<ResolvedObjective>,
    readings: Vec<Reading>,
    /// Pictures that belong together, in a row.
    group: usize,
    /// How much they are to differ, and at which layer.
    diversity: Option<(f64, NodeId)>,
}

/// What one step needs to know.
pub(super) struct Evaluation {
    /// `−objective` of each picture.
    pub(super) losses: Vec<f64>,
    /// Of their sum, by the pictures, `[N, C, H, W]`.
    pub(super) gradient: Tensor,
}

/// How a picture excites what it was made for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Excitement {
    pub(super) objective: f64,
    /// The mean and the greatest value of the map, where the objective is about one.
    pub(super) map: Option<[f64; 2]>,
    /// Whether the one map or neuron that it is about has a value above 0.
    pub(super) active: bool,
}

impl Trunk {
    /// `group` pictures in a row belong to one objective and are to differ by `diversity`.
    pub(super) fn new(
        whole: &Model,
        goals: &[ResolvedObjective],
        group: usize,
        diversity: Option<f64>,
    ) -> Result<Trunk> {
        let nodes = |goals: &[ResolvedObjective]| {
            let mut nodes: Vec<NodeId> =
                goals.iter().flat_map(|goal| &goal.terms).map(|(_, term)| term.node).collect();
            nodes.sort_unstable();
            nodes.dedup();
            nodes
        };
        let wanted = nodes(goals);
        if wanted.is_empty() {
            return Err(Error::Argument("no objective: there is nothing to excite".into()));
        }
        // Layers behind that need not fit, and what is kept to make it faster goes with the part.
        let last = meeting(whole, &wanted);
        let is_whole = last.is_none_or(|last| last == whole.output());
        let model = match last {
            Some(last) => whole.up_to(whole.layer_name(last))?,
            None => whole.clone(),
        };
        let mut goals = goals.to_vec();
        for (_, term) in goals.iter_mut().flat_map(|goal| &mut goal.terms) {
            term.node = model.find(whole.layer_name(term.node))?;
        }
        let diversity = match diversity {
            None => None,
            Some(weight) => {
                let layer = goals.first().and_then(|goal| goal.terms.first());
                let same = |goal: &ResolvedObjective| {
                    layer.is_some_and(|(_, first)| {
                        goal.terms.iter().all(|(_, s)| s.node == first.node)
                    })
                };
                match layer {
                    Some((_, term)) if model.map_channels(term.node)?.is_none() => {
                        return Err(Error::Argument(format!(
                            "pictures differ in the maps that they excite, and {} has none: ask for a \
                             channel or a neuron of a spatial layer, or leave diversity out",
                            model.layer_name(term.node)
                        )));
                    }
                    Some((_, term)) if goals.iter().all(same) => Some((weight, term.node)),
                    _ => {
                        return Err(Error::Argument(
                            "pictures differ at the layer of their objective: all objectives have \
                             to be of one layer"
                                .into(),
                        ));
                    }
                }
            }
        };
        let readings = nodes(&goals).into_iter().map(|node| {
            let terms: Vec<&ResolvedTerm> = goals
                .iter()
                .flat_map(|goal| &goal.terms)
                .map(|(_, term)| term)
                .filter(|term| term.node == node)
                .collect();
            match diversity {
                Some(_) => Ok(Reading::whole(node)),
                None => Reading::new(&model, node, &terms),
            }
        });
        let readings = readings.collect::<Result<Vec<_>>>()?;
        Ok(Trunk { model, is_whole, goals, readings, group: group.max(1), diversity })
    }

    /// Whether the network takes pictures of this height and width.
    pub(super) fn check(&self, height: i64, width: i64) -> Result<()> {
        let [channels, ..] = self.model.input_shape();
        let shapes = self.model.output_shapes(&[1, channels, height, width]);
        let shapes = shapes.map_err(|error| match self.model.minimum_side() {
            Some(least) if height < least || width < least => Error::Shape(format!(
                "pictures of {width} × {height} pixels are too small for {}, which needs at least \
                 {least} × {least}: choose a larger size ({error})",
                self.model.name()
            )),
            _ => error.while_doing(format!("pictures of {width} × {height} pixels")),
        })?;
        for term in self.goals.iter().flat_map(|goal| &goal.terms).map(|(_, term)| term) {
            let Some([row, column]) = term.place() else { continue };
            let grid = self.model.grids_of(&[term.node], &[1, channels, height, width])?.pop();
            let shape = shapes.get(term.node.0).map(Vec::as_slice).unwrap_or_default();
            if let Some([h, w]) = grid.flatten().and_then(|grid| grid.size(shape))
                && (row >= h || column >= w)
            {
                return Err(Error::Argument(format!(
                    "the map of layer {:?} has {h} rows and {w} columns for pictures of {width} × \
                     {height} pixels; there is no place {row}, {column}",
                    self.model.layer_name(term.node)
                )));
            }
        }
        Ok(())
    }

    /// How many pictures of this size go through the network at once, whole groups.
    fn at_once(&self, height: i64, width: i64) -> Result<usize> {
        let bytes = self.bytes_of_one(height, width)?;
        let pictures = (AT_ONCE / bytes.max(1)).clamp(1, MOST) as usize;
        let groups = if self.diversity.is_some() { self.group } else { 1 };
        Ok(pictures.div_ceil(groups) * groups)
    }

    /// Bytes of the activations of one picture of this size.
    fn bytes_of_one(&self, height: i64, width: i64) -> Result<i64> {
        let [channels, ..] = self.model.input_shape();
        let shapes = self.model.output_shapes(&[1, channels, height, width])?;
        let last = self.readings.iter().map(|reading| reading.from.0).max().unwrap_or(0);
        let values = shapes.iter().take(last + 1).map(|shape| shape.iter().product::<i64>());
        Ok(values.fold(0, i64::saturating_add).saturating_mul(4))
    }

    /// Bytes of the activations that are kept at once.
    pub(super) fn bytes_at_once(&self, height: i64, width: i64) -> Result<i64> {
        let pictures = (self.at_once(height, width)?).min(self.goals.len()) as i64;
        Ok(self.bytes_of_one(height, width)?.saturating_mul(pictures))
    }

    fn froms(&self) -> Vec<NodeId> {
        let mut froms: Vec<NodeId> = self.readings.iter().map(|reading| reading.from).collect();
        froms.sort_unstable();
        froms.dedup();
        froms
    }

    /// What the layers answer to the pictures from `start` on, from the values of `froms`.
    /// `size` is that of the pictures.
    fn answers(
        &self,
        froms: &[NodeId],
        values: &[Tensor],
        size: &[i64],
        start: usize,
    ) -> Result<Answers> {
        let mut answers = Answers::new();
        let count = values.first().map_or(0, |value| value.size()[0]) as usize;
        let goals = self.goals.iter().skip(start).take(count);
        let terms: Vec<&ResolvedTerm> =
            goals.flat_map(|goal| &goal.terms).map(|(_, s)| s).collect();
        for reading in &self.readings {
            let Some(value) = froms.iter().position(|id| *id == reading.from) else { continue };
            let mut channels: Vec<i64> = terms
                .iter()
                .filter(|term| term.node == reading.node)
                .filter_map(|term| term.channel())
                .collect();
            channels.sort_unstable();
            channels.dedup();
            if reading.is_partial() && channels.is_empty() {
                continue;
            }
            let mut value = reading.read(&values[value], &channels)?;
            if !reading.is_partial() {
                value = self.model.as_maps(&[reading.node], size, vec![value])?.swap_remove(0);
            }
            answers.insert(reading.node, value, reading.is_partial().then_some(channels));
        }
        Ok(answers)
    }

    /// The losses of these pictures, `[N, C, H, W]`, one a goal, and the gradient of their sum.
    pub(super) fn evaluate(&self, pictures: &Tensor) -> Result<Evaluation> {
        let size = pictures.size();
        let &[count, _, height, width] = size.as_slice() else {
            return Err(Error::Shape(format!("expected pictures [N, C, H, W], got {size:?}")));
        };
        let at_once = self.at_once(height, width)?;
        let froms = self.froms();
        let mut losses = Vec::with_capacity(count as usize);
        let mut gradients = Vec::new();
        for start in (0..count as usize).step_by(at_once) {
            let length = at_once.min(count as usize - start);
            let part = pictures.f_narrow(0, start as i64, length as i64).into_result()?;
            let back = Back { rule: Rule::Natural, again: true };
            let mut found = None;
            let feeds = [(self.model.input(), &part)];
            let (_, gradient) = self.model.gradient_back(back, &feeds, &froms, |leaves| {
                let each = self.losses(&froms, leaves, &size, start..start + length)?;
                found = Some(each.f_detach().into_result()?);
                each.f_sum(None::<tch::Kind>).into_result()
            })?;
            let found = found.ok_or_else(|| Error::Argument("no loss".into()))?;
            losses.extend(to_floats(&found)?.into_iter().map(f64::from));
            gradients.push(match gradient {
                Some(gradient) => gradient,
                None => part.f_zeros_like().into_result()?,
            });
        }
        let gradient = Tensor::f_cat(&gradients, 0).into_result()?;
        Ok(Evaluation { losses, gradient })
    }

    /// `−objective` of each picture, with its share of what makes a group differ, `[n]`.
    fn losses(
        &self,
        froms: &[NodeId],
        values: &[Tensor],
        size: &[i64],
        pictures: Range<usize>,
    ) -> Result<Tensor> {
        let answers = self.answers(froms, values, size, pictures.start)?;
        let goals = self.goals.iter().skip(pictures.start).take(pictures.len()).enumerate();
        let each = goals.map(|(i, goal)| goal.value(&answers, i as i64));
        let each = each.collect::<Result<Vec<_>>>()?;
        let losses = Tensor::f_stack(&each, 0).and_then(|t| t.f_neg()).into_result()?;
        let Some((weight, node)) = self.diversity else { return Ok(losses) };
        let alike = alikeness(answers.whole(node)?, self.group as i64).into_result()?;
        losses.f_add(&alike.f_mul_scalar(weight).into_result()?).into_result()
    }

    /// How these pictures excite what they were made for.
    pub(super) fn excitement(&self, pictures: &Tensor) -> Result<Vec<Excitement>> {
        let _no_grad = tch::no_grad_guard();
        let size = pictures.size();
        let &[count, _, height, width] = size.as_slice() else {
            return Err(Error::Shape(format!("expected pictures [N, C, H, W], got {size:?}")));
        };
        let at_once = self.at_once(height, width)?;
        let froms = self.froms();
        let mut excitements = Vec::with_capacity(count as usize);
        for start in (0..count as usize).step_by(at_once) {
            let length = at_once.min(count as usize - start);
            let part = pictures.f_narrow(0, start as i64, length as i64).into_result()?;
            let feeds = [(self.model.input(), &part)];
            // As the steps did, so that no weight changes its form.
            let values = self.model.run_nodes(Pass::Repeated, &feeds, &froms)?;
            let answers = self.answers(&froms, &values, &size, start)?;
            for (i, goal) in self.goals.iter().skip(start).take(length).enumerate() {
                let number = |t: Tensor| t.f_double_value(&[]).into_result();
                let objective = number(goal.value(&answers, i as i64)?)?;
                let (mut map, mut active) = (None, true);
                // The score of a class means as much below 0 as above.
                let of_a_class = |term: &ResolvedTerm| {
                    self.is_whole && term.node == self.model.output() && !term.is_of_a_map()
                };
                if let Some(term) = goal.only().filter(|term| !of_a_class(term)) {
                    let values = term.map(&answers.of(term, i as i64)?)?;
                    let mean = number(values.f_mean(None::<tch::Kind>).into_result()?)?;
                    let most = number(values.f_max().into_result()?)?;
                    active = if term.is_of_a_map() { most > 0.0 } else { objective > 0.0 };
                    map = term.is_of_a_map().then_some([mean, most]);
                }
                excitements.push(Excitement { objective, map, active });
            }
        }
        Ok(excitements)
    }
}

/// The first layer that all of these lead to, or that is the only one; none where their branches do not
/// meet.
fn meeting(model: &Model, wanted: &[NodeId]) -> Option<NodeId> {
    let mut led: Vec<BTreeSet<NodeId>> = Vec::new();
    for id in model.nodes_to(model.output()) {
        let before = model.inputs_of(id).iter().flat_map(|input| &led[input.0]).copied();
        let here: BTreeSet<NodeId> = before.chain(wanted.contains(&id).then_some(id)).collect();
        if here.len() == wanted.len() {
            return Some(id);
        }
        led.push(here);
    }
    None
}

/// How alike the pictures of each group are, `[n]`: the sum over the others of the cosine between the
/// Gram matrices of their channels, divided by how many they are; Olah et al. 2017.
fn alikeness(maps: &Tensor, group: i64) -> Result<Tensor, tch::TchError> {
    let flat = maps.f_flatten(2, -1)?; // [n, C, h·w]
    let grams = flat.f_matmul(&flat.f_transpose(1, 2)?)?.f_flatten(1, -1)?; // [n, C·C]
    let lengths = grams.f_norm_scalaropt_dim(2, [1i64], true)?.f_clamp_min(1e-12)?;
    let grams = grams.f_div(&lengths)?.f_unflatten(0, [-1, group])?; // [groups, group, C·C]
    let cosines = grams.f_matmul(&grams.f_transpose(1, 2)?)?; // [groups, group, group]
    let itself = cosines.f_diagonal(0, 1, 2)?;
    let others = cosines.f_sum_dim_intlist([2i64].as_slice(), false, None::<tch::Kind>)?;
    others.f_sub(&itself)?.f_div_scalar(group as f64)?.f_flatten(0, -1)
}

/// Runs `work` with gradients recorded, as parametrisations and transforms need it.
pub(super) fn recorded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    with_grad(work)
}
