//! Ways back from the output to the input that are no gradients: layer by layer, by the rules of a method.

use tch::{Device, Kind, Tensor};

use super::backward::gradients_at;
use super::op::Makes;
use super::{Model, Node, NodeId, Op, Pass};
use crate::error::{Error, Result};
use crate::quadrature::gauss_legendre;
use crate::tensor::IntoResult;

/// What a method says of the layers on its way back.
pub(crate) trait Rules {
    /// Which of a layer's inputs get something of what its output has, of those that follow from what is looked at
    /// (`leads`); `None` where no rule is defined.
    fn receivers(&self, at: &At, leads: &[bool]) -> Option<Vec<bool>>;

    /// What has to be known of the layer.
    fn needs(&self, at: &At) -> Needs;
}

/// What has to be known of a layer: of what is not, there are the shapes, and all that the input does not lead to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needs {
    pub(crate) inputs: bool,
    /// Of a layer of weights with a batch norm that is merged into it, the batch norm's.
    pub(crate) output: bool,
}

/// A layer on the way.
pub(crate) struct At<'a> {
    model: &'a Model,
    pub(crate) id: NodeId,
    /// A batch norm that alone reads this layer of weights, and so is one with it.
    norm: Option<NodeId>,
    /// Whether it is a layer of weights with no other before it.
    pub(crate) first: bool,
}

impl At<'_> {
    fn node(&self) -> &Node {
        &self.model.inner.nodes[self.id.0]
    }

    pub(crate) fn op(&self) -> &Op {
        &self.node().op
    }

    pub(crate) fn makes(&self) -> Makes {
        self.op().makes()
    }

    /// Height and width of each input, for one photo of the size that the network was made for.
    pub(crate) fn sides(&self) -> Vec<Option<[i64; 2]>> {
        let sides = |id: &NodeId| match *self.model.shape_of(*id) {
            [_, _, height, width] => Some([height, width]),
            _ => None,
        };
        self.node().inputs.iter().map(sides).collect()
    }
}

/// The layers between the input and the output that a method's rules go through.
pub(crate) struct Route<'a> {
    model: &'a Model,
    /// By layer.
    needs: Vec<Needs>,
    from: NodeId,
    /// By layer, which inputs get something; empty where the way does not lead.
    receivers: Vec<Vec<bool>>,
    /// By layer of weights, the batch norm behind it.
    norms: Vec<Option<NodeId>>,
    first: Vec<bool>,
}

/// What the layers on the way answer for some inputs.
pub(crate) struct Values {
    values: Vec<Option<Tensor>>,
    shapes: Vec<Vec<i64>>,
    pub(crate) output: Tensor,
}

/// A layer with what is known of it.
pub(crate) struct Layer<'a> {
    pub(crate) at: At<'a>,
    /// Which inputs get something.
    pub(crate) to: &'a [bool],
    /// Those of which the values are not needed have their shape alone.
    pub(crate) inputs: Vec<Tensor>,
    /// If it is needed.
    pub(crate) output: Option<Tensor>,
    /// Of a layer of weights, which of its outputs are meant.
    outputs: Option<Outputs>,
}

/// Some of a layer's outputs.
#[derive(Clone, Copy, Debug)]
struct Outputs {
    /// In which dimension they lie.
    dim: i64,
    first: i64,
    count: i64,
}

/// Weights of which something is made at once: the copies stay small beside what a pass holds.
const AT_ONCE: i64 = 1 << 19;

impl Model {
    /// The way from the output to the layer `from`, by these rules.
    ///
    /// # Errors
    /// The names of all layers on it that have none; when it leads nowhere.
    pub(crate) fn route<'a>(
        &'a self,
        method: &str,
        rules: &dyn Rules,
        from: NodeId,
    ) -> Result<Route<'a>> {
        let nodes = &self.inner.nodes;
        let norms = self.merged_norms();
        let (mut leads, mut weighed) = (vec![false; nodes.len()], vec![false; nodes.len()]);
        let mut first = vec![false; nodes.len()];
        let mut receivers: Vec<Option<Vec<bool>>> = vec![Some(Vec::new()); nodes.len()];
        leads[from.0] = true;
        let follows = self.depending_on(from);
        for (index, node) in nodes.iter().enumerate().skip(from.0 + 1).filter(|(i, _)| follows[*i])
        {
            let each: Vec<bool> = node.inputs.iter().map(|id| leads[id.0]).collect();
            let of_weights = node.op.makes() == Makes::Weighted;
            weighed[index] = node.inputs.iter().any(|id| weighed[id.0]);
            first[index] = of_weights && !weighed[index];
            weighed[index] |= of_weights;
            if each.contains(&true) {
                let (id, norm) = (NodeId(index), norms[index]);
                let at = At { model: self, id, norm, first: first[index] };
                receivers[index] = rules.receivers(&at, &each);
            }
            // Where there is no rule, it is said that there is none, and not that the way ends.
            leads[index] = receivers[index].as_ref().is_none_or(|some| some.contains(&true));
        }
        let mut on_way = vec![false; nodes.len()];
        on_way[self.output().0] = leads[self.output().0];
        let mut missing = Vec::new();
        for index in (from.0 + 1..nodes.len()).rev().filter(|index| leads[*index]) {
            if !on_way[index] {
                receivers[index] = Some(Vec::new());
                continue;
            }
            match &receivers[index] {
                None => {
                    missing.push(index);
                    nodes[index].inputs.iter().for_each(|id| on_way[id.0] = true);
                }
                Some(to) => {
                    let to = nodes[index].inputs.iter().zip(to).filter(|(_, to)| **to);
                    to.for_each(|(id, _)| on_way[id.0] = true);
                }
            }
        }
        if !missing.is_empty() {
            let name =
                |index: &usize| format!("{:?} ({})", nodes[*index].name, nodes[*index].op.kind());
            let names: Vec<String> = missing.iter().rev().map(name).collect();
            return Err(Error::Argument(format!(
                "{method} has no rule for {} of {}: take a method that needs none, such as IntegratedGradients",
                names.join(", "),
                self.name()
            )));
        }
        if !on_way[from.0] {
            return Err(Error::Argument(format!(
                "by the rules of {method}, nothing of the output of {} comes from layer {:?}: take a method \
                 without rules, such as IntegratedGradients",
                self.name(),
                self.layer_name(from)
            )));
        }
        let receivers = receivers.into_iter().map(Option::unwrap_or_default).collect();
        let needs = vec![Needs::default(); nodes.len()];
        let mut route = Route { model: self, needs, from, receivers, norms, first };
        route.needs = (0..nodes.len()).map(|id| rules.needs(&route.at(NodeId(id)))).collect();
        Ok(route)
    }

    /// By layer of weights, the batch norm that alone reads it.
    fn merged_norms(&self) -> Vec<Option<NodeId>> {
        let nodes = &self.inner.nodes;
        let mut readers = vec![Vec::new(); nodes.len()];
        for (index, node) in nodes.iter().enumerate() {
            node.inputs.iter().for_each(|id| readers[id.0].push(NodeId(index)));
        }
        let norm = |(index, node): (usize, &Node)| match readers[index][..] {
            [norm] if node.op.makes() == Makes::Weighted && NodeId(index) != self.output() => {
                matches!(self.op_of(norm), Op::BatchNorm2d(_)).then_some(norm)
            }
            _ => None,
        };
        nodes.iter().enumerate().map(norm).collect()
    }
}

impl<'a> Route<'a> {
    /// One after the other, in the order of execution.
    fn stops(&self) -> impl DoubleEndedIterator<Item = NodeId> {
        let all = self.receivers.iter().enumerate();
        all.filter(|(_, to)| to.contains(&true)).map(|(index, _)| NodeId(index))
    }

    fn at(&self, id: NodeId) -> At<'a> {
        At { model: self.model, id, norm: self.norms[id.0], first: self.first[id.0] }
    }

    /// Runs the network for what the rules need to know; the first of the feeds is what is looked at.
    pub(crate) fn run(&self, feeds: &[(NodeId, &Tensor)]) -> Result<Values> {
        let nodes = &self.model.inner.nodes;
        let input = feeds.iter().find(|(id, _)| *id == self.model.input());
        let size = input.map_or_else(|| self.model.input_size(1), |(_, input)| input.size());
        let mut wanted = vec![false; nodes.len()];
        wanted[self.model.output().0] = true;
        for id in self.stops() {
            let (at, to, needs) = (self.at(id), &self.receivers[id.0], self.needs[id.0]);
            for (input, to) in nodes[id.0].inputs.iter().zip(to) {
                wanted[input.0] |= needs.inputs || !to;
            }
            wanted[at.norm.unwrap_or(id).0] |= needs.output;
        }
        let wanted: Vec<NodeId> =
            (0..nodes.len()).filter(|index| wanted[*index]).map(NodeId).collect();
        let found = self.model.run_nodes(Pass::Inference, feeds, &wanted)?;
        let mut values: Vec<Option<Tensor>> = nodes.iter().map(|_| None).collect();
        for (id, value) in wanted.iter().zip(found) {
            values[id.0] = Some(value);
        }
        let output = values[self.model.output().0].as_ref().map(Tensor::shallow_clone);
        let output = output.ok_or_else(|| Error::Shape("no output".into()))?;
        Ok(Values { values, shapes: self.model.output_shapes(&size)?, output })
    }

    /// A layer on the way, with its values.
    pub(crate) fn layer(&self, id: NodeId, known: &Values) -> Result<Layer<'_>> {
        let value = |id: NodeId| match &known.values[id.0] {
            Some(value) => Ok(value.shallow_clone()),
            None => stand_in(&known.shapes[id.0], self.model.device()),
        };
        let at = self.at(id);
        let inputs = at.node().inputs.iter().map(|id| value(*id)).collect::<Result<_>>()?;
        let output = known.values[at.norm.unwrap_or(id).0].as_ref().map(Tensor::shallow_clone);
        Ok(Layer { at, to: &self.receivers[id.0], inputs, output, outputs: None })
    }

    /// From what the output has to what the input gets. `through` says what each input of a layer gets of what its
    /// output has; of inputs that get nothing it is not read. What is known of a layer is given up behind it.
    pub(crate) fn back(
        &self,
        mut known: Values,
        start: Tensor,
        mut through: impl FnMut(&Layer, &Tensor) -> Result<Vec<Tensor>>,
    ) -> Result<Tensor> {
        let mut signals: Vec<Option<Tensor>> = self.receivers.iter().map(|_| None).collect();
        signals[self.model.output().0] = Some(start);
        for id in self.stops().rev() {
            let Some(signal) = signals[id.0].take() else { continue };
            let layer = self.layer(id, &known)?;
            let given = through(&layer, &signal);
            let given = given.map_err(|error| {
                error.while_doing(format!("backwards through {:?}", self.model.layer_name(id)))
            })?;
            drop(signal);
            let inputs = layer.at.node().inputs.iter().zip(given).zip(layer.to);
            for ((input, given), _) in inputs.filter(|((_, given), to)| **to && given.defined()) {
                signals[input.0] = Some(match signals[input.0].take() {
                    None => given,
                    Some(sum) => sum.f_add(&given).into_result()?,
                });
            }
            self.forget(id, &mut known);
        }
        signals[self.from.0].take().ok_or_else(|| Error::Shape("nothing reached the input".into()))
    }

    /// Gives up what a layer answers, which those before it do not read.
    pub(crate) fn forget(&self, id: NodeId, known: &mut Values) {
        // A layer of weights still reads the norm that is merged into it.
        if !self.norms.contains(&Some(id)) {
            known.values[id.0] = None;
        }
        if let Some(norm) = self.norms[id.0] {
            known.values[norm.0] = None;
        }
    }
}

impl Values {
    /// The same values once more, in the same memory.
    pub(crate) fn shared(&self) -> Values {
        let values = self.values.iter().map(|value| value.as_ref().map(Tensor::shallow_clone));
        Values {
            values: values.collect(),
            shapes: self.shapes.clone(),
            output: self.output.shallow_clone(),
        }
    }
}

impl Outputs {
    fn of(self, values: &Tensor) -> Result<Tensor> {
        values.f_narrow(self.dim, self.first, self.count).into_result()
    }

    /// Of what has one place an output, in its first dimension.
    fn of_parameter(self, parameter: &Tensor) -> Result<Tensor> {
        Outputs { dim: 0, ..self }.of(parameter)
    }
}

/// A tensor of this shape that has no memory of its own.
fn stand_in(shape: &[i64], device: Device) -> Result<Tensor> {
    Tensor::f_zeros([1], (Kind::Float, device)).and_then(|t| t.f_expand(shape, false)).into_result()
}

impl<'a> Layer<'a> {
    /// Of a layer of weights, the same with a part of its outputs each, all together.
    pub(crate) fn in_pieces(&self) -> Result<Vec<Layer<'a>>> {
        let (dim, outputs) = match self.at.op() {
            Op::Conv2d(op) if op.groups == 1 => (1, op.out_channels),
            Op::Linear(op) => (-1, op.out_features),
            _ => (0, 1),
        };
        let weights = self.at.node().parameters_for(Pass::Gradient);
        let weights = weights.first().map_or(0, |weight| weight.numel() as i64);
        // Convolutions are quick with whole registers of channels.
        let each = (AT_ONCE.saturating_mul(outputs) / weights.max(1) / 16 * 16).max(16);
        let piece = |first: i64| {
            let outputs = Outputs { dim, first, count: each.min(outputs - first) };
            let Layer { at, to, inputs, output, .. } = self;
            Ok(Layer {
                at: At { ..*at },
                to,
                inputs: inputs.iter().map(Tensor::shallow_clone).collect(),
                output: output.as_ref().map(|output| outputs.of(output)).transpose()?,
                outputs: Some(outputs).filter(|_| dim != 0),
            })
        };
        (0..outputs).step_by(each as usize).map(piece).collect()
    }

    /// What belongs to these outputs.
    pub(crate) fn own(&self, of_outputs: &Tensor) -> Result<Tensor> {
        self.outputs.map_or_else(|| Ok(of_outputs.shallow_clone()), |some| some.of(of_outputs))
    }

    /// What the layer makes of these in place of its inputs.
    pub(crate) fn forward(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let mut inputs: Vec<Tensor> = inputs.iter().map(Tensor::shallow_clone).collect();
        let parameters = self.at.node().parameters_for(Pass::Inference);
        self.at.op().forward(&mut inputs, &parameters, Pass::Inference, false)
    }

    /// The gradients at these in place of its inputs, from that at its output.
    pub(crate) fn gradients(&self, inputs: &[Tensor], signal: &Tensor) -> Result<Vec<Tensor>> {
        let parameters = self.at.node().parameters_for(Pass::Gradient);
        Ok(gradients_at(self.at.op(), &parameters, inputs, signal)?.0)
    }

    /// The means of the gradients on the straight way between two lists of inputs, by so many points.
    pub(crate) fn mean_gradients(
        &self,
        [ends, starts]: [&[Tensor]; 2],
        points: usize,
        signal: &Tensor,
    ) -> Result<Vec<Tensor>> {
        let mut means: Vec<Tensor> = ends.iter().map(|_| Tensor::default()).collect();
        for (place, weight) in gauss_legendre(points) {
            let between = |(end, start): (&Tensor, &Tensor)| match end.is_floating_point() {
                true => start.f_lerp(end, place).into_result(),
                false => Ok(end.shallow_clone()),
            };
            let inputs = ends.iter().zip(starts).map(between).collect::<Result<Vec<_>>>()?;
            let found = self.gradients(&inputs, signal)?;
            for (mean, found) in means.iter_mut().zip(found).filter(|(_, found)| found.defined()) {
                let part = found.f_mul_scalar(weight).into_result()?;
                *mean = if mean.defined() { mean.f_add(&part).into_result()? } else { part };
            }
        }
        Ok(means)
    }

    /// Of a normalisation, what its input gets between two inputs: see [`Norm::between`](super::Norm::between).
    pub(crate) fn normalised_between(&self, ends: [&Tensor; 2], signal: &Tensor) -> Result<Tensor> {
        match self.at.op() {
            Op::Norm(norm) => {
                norm.between(ends, &self.at.node().parameters_for(Pass::Gradient), signal)
            }
            _ => Err(Error::Argument(format!("{:?} normalises nothing", self.at.node().name))),
        }
    }

    /// Of a layer of weights, what it multiplies by and adds, with its batch norm.
    pub(crate) fn affine(&self) -> Result<Affine> {
        let node = self.at.node();
        let unfit = || Error::Argument(format!("{:?} has no weights of its own", node.name));
        let own = |parameters: Vec<Tensor>| -> Result<Vec<Tensor>> {
            match self.outputs {
                None => Ok(parameters),
                Some(some) => parameters.iter().map(|each| some.of_parameter(each)).collect(),
            }
        };
        let mut parameters = own(node.parameters_for(Pass::Gradient))?.into_iter();
        let weight = parameters.next().ok_or_else(unfit)?;
        let (plain, biased) = (node.op.biased(false), node.op.biased(true));
        let (plain, biased) = plain.zip(biased).ok_or_else(unfit)?;
        let affine = Affine { by: Weighing { plain, biased }, weight, bias: parameters.next() };
        let Some(norm) = self.at.norm else { return Ok(affine) };
        let norm = &self.at.model.inner.nodes[norm.0];
        let parameters = own(norm.parameters_for(Pass::Gradient))?;
        let (Op::BatchNorm2d(op), [weight, bias, mean, variance]) = (&norm.op, &parameters[..])
        else {
            return Err(unfit());
        };
        let work = || {
            let (scale, bias) = op.folded([weight, bias, mean, variance], affine.bias.as_ref())?;
            let weight = match &affine.by.plain {
                Op::ConvTranspose2d(op) => op.scaled(&affine.weight, &scale)?,
                _ => {
                    let mut sides = vec![1; affine.weight.dim()];
                    sides[0] = -1;
                    affine.weight.f_mul(&scale.f_reshape(sides)?)?
                }
            };
            Ok(Affine { weight, bias: Some(bias), ..affine })
        };
        work().into_result()
    }
}

/// A layer that multiplies by weights and adds a bias, with a batch norm behind it as one with it.
pub(crate) struct Affine {
    pub(crate) by: Weighing,
    pub(crate) weight: Tensor,
    pub(crate) bias: Option<Tensor>,
}

/// How a layer goes with weights, whichever these are.
#[derive(Clone)]
pub(crate) struct Weighing {
    plain: Op,
    biased: Op,
}

impl Weighing {
    pub(crate) fn forward(
        &self,
        input: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Tensor> {
        let op = if bias.is_some() { &self.biased } else { &self.plain };
        let parameters: Vec<Tensor> =
            [Some(weight), bias].into_iter().flatten().map(Tensor::shallow_clone).collect();
        op.forward(&mut [input.shallow_clone()], &parameters, Pass::Inference, false)
    }

    /// The gradient at an input of this shape, from that at the output.
    pub(crate) fn back(&self, input: &Tensor, weight: &Tensor, signal: &Tensor) -> Result<Tensor> {
        let (parameters, inputs) = ([weight.shallow_clone()], [input.shallow_clone()]);
        let (gradients, _) = gradients_at(&self.plain, &parameters, &inputs, signal)?;
        let gradient = gradients.into_iter().next();
        gradient.ok_or_else(|| Error::Shape("a layer of weights has an input".into()))
    }
}
