//! Gradients with respect to the input: the graph walked backwards, with a rule at the rectifiers.

use tch::{Kind, Tensor};

use super::fast::{self, Asked, Chain, Chains};
use super::one_by_one::borrowed;
use super::op::Gradients;
use super::{Model, NodeId, Op, Pass, with_grad};
use crate::error::{Error, Result};
use crate::tensor::{IntoResult, channels_last};

/// What passes backwards through a rectifier, `ReLU` and `ReLU6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The gradient where the rectifier's input is in its open range.
    Natural,
    /// The same where it is also positive.
    Guided,
    /// The gradient where it is positive.
    Deconvolution,
}

impl Rule {
    /// From the gradient at the output `y` of a rectifier with this ceiling to that at its input, in the
    /// same memory if nobody else has it.
    fn through(self, ceiling: f64, y: &Tensor, gradient: Gradient) -> Result<Tensor> {
        let Gradient { tensor: mut gradient, own } = gradient;
        if self == Rule::Deconvolution {
            return if own { gradient.f_relu_() } else { gradient.f_relu() }.into_result();
        }
        // Inside its range, and only there, the output is neither 0 nor the ceiling.
        let mut open = match (ceiling.is_finite(), own) {
            (true, false) => y.f_hardtanh_backward(&gradient, 0.0, ceiling),
            (true, true) => y.f_hardtanh_backward_grad_input(&gradient, &gradient, 0.0, ceiling),
            (false, false) => y.f_threshold_backward(&gradient, 0.0),
            (false, true) => y.f_threshold_backward_grad_input(&gradient, &gradient, 0.0),
        }
        .into_result()?;
        match self {
            Rule::Guided => open.f_relu_().into_result(),
            _ => Ok(open),
        }
    }
}

/// A gradient, and whether its memory is its own, which may be overwritten.
struct Gradient {
    tensor: Tensor,
    own: bool,
}

impl Model {
    /// How many rectifiers there are for a changed rule to change.
    pub(crate) fn rectifiers(&self) -> usize {
        self.inner.nodes.iter().filter(|node| node.op.rectifies().is_some()).count()
    }

    /// The convolutions with a bias and the batch norms.
    pub(crate) fn biased(&self) -> Vec<NodeId> {
        let biased = |id: &NodeId| match self.op_of(*id) {
            Op::Conv2d(_) => self.parameter(*id, "bias").is_ok(),
            op => matches!(op, Op::BatchNorm2d(_)),
        };
        (0..self.inner.nodes.len()).map(NodeId).filter(biased).collect()
    }

    /// The names of the layers whose insides nobody sees.
    pub(crate) fn modules(&self) -> Vec<&str> {
        let nodes = self.inner.nodes.iter();
        let modules = nodes.filter(|node| matches!(node.op, Op::Module(_)));
        modules.map(|node| node.name.as_str()).collect()
    }

    /// What some `layers` answer, and the gradient of `score` of these values with respect to the first
    /// of the `feeds`; `None` when the score does not depend on it. A feed is a layer's value, which
    /// stands for all that it is computed from; the others than the first are constants. Layers that
    /// none of the wanted ones needs do not run. The input is a layer, too.
    ///
    /// Forwards it is an inference pass that keeps its values. Backwards, layer by layer from the
    /// last, what is frequent has its gradient by formula, which needs no recording and no second
    /// copy of any value, and what is rare, by autograd on that layer alone. A rectifier is met by
    /// its place in the graph, however its module is shared or called.
    pub(crate) fn gradient_back(
        &self,
        back: Back,
        feeds: &[(NodeId, &Tensor)],
        layers: &[NodeId],
        score: impl FnOnce(&[Tensor]) -> Result<Tensor>,
    ) -> Result<(Vec<Tensor>, Option<Tensor>)> {
        let nobody = Watch { layers: &[], see: &mut |_, _, _| Ok(()) };
        self.gradient_watched(back, feeds, layers, score, nobody)
    }

    /// The same, which shows the gradients at some layers' outputs on its way.
    pub(crate) fn gradient_watched(
        &self,
        back: Back,
        feeds: &[(NodeId, &Tensor)],
        layers: &[NodeId],
        score: impl FnOnce(&[Tensor]) -> Result<Tensor>,
        mut watch: Watch,
    ) -> Result<(Vec<Tensor>, Option<Tensor>)> {
        let apart = self.apart(feeds)?;
        let feeds = apart
            .as_ref()
            .map_or_else(|| vec![feeds.to_vec()], |each| each.iter().map(borrowed).collect());
        let walk = |feeds: &Vec<_>| Walk::forward(self, back, feeds, layers);
        let mut walks = feeds.iter().map(walk).collect::<Result<Vec<_>>>()?;
        let value = |id: &NodeId| {
            let each = walks.iter().map(|walk| walk.value(*id)).collect::<Result<_>>()?;
            self.joined(*id, each)
        };
        let values = layers.iter().map(value).collect::<Result<Vec<_>>>()?;
        let leaf = |t: &Tensor| t.f_detach()?.f_set_requires_grad(true);
        let leaves: Result<Vec<Tensor>, _> = values.iter().map(leaf).collect();
        let leaves = leaves.into_result()?;
        let total = with_grad(|| score(&leaves))?;
        let starts = Tensor::f_run_backward(&[total], &leaves, false, false).into_result()?;
        let _no_grad = tch::no_grad_guard();
        for (id, start) in layers.iter().zip(starts).filter(|(_, start)| start.defined()) {
            let parts = self.gradient_parts(*id, start, walks.len())?;
            for (walk, part) in walks.iter_mut().zip(parts) {
                walk.add(*id, part, false)?;
            }
        }
        let gradients = walks.iter_mut().enumerate().map(|(i, walk)| walk.backward(i, &mut watch));
        let gradients = gradients.collect::<Result<Option<Vec<_>>>>()?;
        let gradient = match (gradients, feeds.first().and_then(|feeds| feeds.first())) {
            (Some(gradients), Some((from, _))) => Some(self.joined_gradient(*from, gradients)?),
            _ => None,
        };
        Ok((values, gradient))
    }
}

/// How a gradient goes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Back {
    /// What passes through a rectifier.
    pub(crate) rule: Rule,
    /// Whether it will be asked for again and again: see [`Asked`].
    pub(crate) again: bool,
}

/// Who wants to see the gradients at the outputs of some layers.
pub(crate) struct Watch<'a> {
    pub(crate) layers: &'a [NodeId],
    /// Called with a photo's place, where a network takes them one by one (else 0), the layer, and the gradient.
    pub(crate) see: &'a mut dyn FnMut(usize, NodeId, &Tensor) -> Result<()>,
}

impl Watch<'_> {
    fn show(&mut self, walk: usize, layer: NodeId, gradient: &Tensor) -> Result<()> {
        if self.layers.contains(&layer) { (self.see)(walk, layer, gradient) } else { Ok(()) }
    }
}

struct Walk<'a> {
    model: &'a Model,
    back: Back,
    /// With respect to what.
    from: NodeId,
    /// What does not run, but is given.
    fed: Vec<bool>,
    values: Vec<Option<Tensor>>,
    /// The layers whose values between them are not known.
    chains: Chains,
    gradients: Vec<Option<Gradient>>,
}

impl<'a> Walk<'a> {
    fn forward(
        model: &'a Model,
        back: Back,
        feeds: &[(NodeId, &Tensor)],
        layers: &[NodeId],
    ) -> Result<Walk<'a>> {
        let nodes = &model.inner.nodes;
        let Some(&(from, _)) = feeds.first() else {
            return Err(Error::Argument("a gradient is with respect to something".into()));
        };
        let mut values: Vec<Option<Tensor>> = nodes.iter().map(|_| None).collect();
        let mut fed = vec![false; nodes.len()];
        for (id, value) in feeds {
            fed[id.0] = true;
            let value = value.f_to_device(model.device()).into_result()?;
            values[id.0] = Some(channels_last(&value)?);
        }
        let mut readers = vec![0usize; nodes.len()];
        let mut needed = vec![false; nodes.len()];
        for id in layers {
            needed[id.0] = true;
        }
        for (index, node) in nodes.iter().enumerate().rev() {
            if needed[index] && !fed[index] {
                for id in &node.inputs {
                    needed[id.0] = true;
                    readers[id.0] += 1;
                }
            }
        }
        let runs = |id: NodeId| needed[id.0] && !fed[id.0];
        let mut asked = vec![false; nodes.len()];
        layers.iter().for_each(|id| asked[id.0] = true);
        let read = |id: NodeId| if asked[id.0] { 0 } else { readers[id.0] };
        // Whether the feeds are finite makes no difference on the way back, whose rectifiers are ours. Of what is
        // taken along it has to be told from the output what it let through.
        let takes = |op: &Op| op.rectifies().is_some();
        let chains = Chains::find(fast::takes([])?, nodes, runs, read, takes);
        let wanted = (0..nodes.len()).map(NodeId).filter(|id| runs(*id) && !chains.is_inside(*id));
        let wanted: Vec<NodeId> = wanted.collect();
        let known: Vec<(NodeId, &Tensor)> =
            feeds.iter().filter_map(|(id, _)| Some((*id, values[id.0].as_ref()?))).collect();
        let pass = if back.again { Pass::Repeated } else { Pass::Inference };
        let found = model.run_nodes(pass, &known, &wanted)?;
        for (id, value) in wanted.iter().zip(found) {
            values[id.0] = Some(value);
        }
        let gradients = nodes.iter().map(|_| None).collect();
        Ok(Walk { model, back, from, fed, values, chains, gradients })
    }

    fn value(&self, id: NodeId) -> Result<Tensor> {
        let value = self.values.get(id.0).and_then(Option::as_ref).map(Tensor::shallow_clone);
        value.ok_or_else(|| Error::Argument("a layer ran before its input".into()))
    }

    fn backward(&mut self, walk: usize, watch: &mut Watch) -> Result<Option<Tensor>> {
        let nodes = &self.model.inner.nodes;
        let chains = std::mem::replace(&mut self.chains, Chains::none(nodes));
        for index in (self.from.0 + 1..nodes.len()).rev() {
            let Some(gradient) = self.gradients[index].take() else { continue };
            if self.fed[index] {
                continue; // a constant
            }
            watch.show(walk, NodeId(index), &gradient.tensor)?;
            let step = match chains.ending_at(NodeId(index)) {
                Some(chain) => self.through_chain(chain, NodeId(index), gradient, watch, walk),
                None => self.through(NodeId(index), gradient),
            };
            step.map_err(|e| e.while_doing(format!("backwards through {:?}", nodes[index].name)))?;
            // Whatever reads it has been gone through.
            self.values[index] = None;
        }
        Ok(self.gradients[self.from.0].take().map(|gradient| gradient.tensor))
    }

    /// A convolution, its batch norm, what is added and the rectifier, from the last to the first.
    fn through_chain(
        &mut self,
        chain: &Chain,
        end: NodeId,
        gradient: Gradient,
        watch: &mut Watch,
        walk: usize,
    ) -> Result<()> {
        let nodes = &self.model.inner.nodes;
        let rectifier = chain.function.and_then(|id| nodes[id.0].op.rectifies());
        let mut gradient = match rectifier {
            Some(ceiling) => self.back.rule.through(ceiling, &self.value(end)?, gradient)?,
            None => gradient.tensor,
        };
        if let Some(other) = chain.other {
            self.add(other, gradient.shallow_clone(), false)?;
        }
        if let Some(norm) = chain.norm.filter(|&norm| norm != end) {
            watch.show(walk, norm, &gradient)?;
        }
        if chain.conv != end && watch.layers.contains(&chain.conv) {
            let scaled = self.scaled_back(chain, gradient.shallow_clone(), false)?;
            watch.show(walk, chain.conv, &scaled)?;
        }
        let asked = Asked { trainings: self.model.trainings(), again: self.back.again };
        if let &[input] = nodes[chain.conv.0].inputs.as_slice()
            && let Some(back) = self.model.inner.fast.backwards(nodes, chain, &gradient, asked)?
        {
            return self.add(input, back, true);
        }
        // What a rectifier let through, and nobody else has, may be overwritten.
        let own = rectifier.is_some() && chain.other.is_none();
        gradient = self.scaled_back(chain, gradient, own)?;
        self.through(chain.conv, Gradient { tensor: gradient, own: false })
    }

    /// From the gradient at the output of a chain's batch norm, if it has one, to that at its input.
    fn scaled_back(&self, chain: &Chain, gradient: Tensor, overwrite: bool) -> Result<Tensor> {
        if let Some(norm) = chain.norm.map(|id| &self.model.inner.nodes[id.0])
            && let Op::BatchNorm2d(op) = &norm.op
        {
            return op.scaled_back(&norm.parameters_for(Pass::Gradient), gradient, overwrite);
        }
        Ok(gradient)
    }

    /// One layer by itself.
    fn through(&mut self, id: NodeId, gradient: Gradient) -> Result<()> {
        let node = &self.model.inner.nodes[id.0];
        if let Some(ceiling) = node.op.rectifies()
            && let &[input] = node.inputs.as_slice()
        {
            let gradient = self.back.rule.through(ceiling, &self.value(id)?, gradient)?;
            return self.add(input, gradient, true);
        }
        let gradient = gradient.tensor;
        let inputs = node.inputs.iter().map(|id| self.value(*id)).collect::<Result<Vec<_>>>()?;
        let parameters = node.parameters_for(Pass::Gradient);
        let (gradients, own) = gradients_at(&node.op, &parameters, &inputs, &gradient)?;
        for (input, gradient) in node.inputs.iter().zip(gradients).filter(|(_, g)| g.defined()) {
            self.add(*input, gradient, own)?;
        }
        Ok(())
    }

    fn add(&mut self, id: NodeId, gradient: Tensor, own: bool) -> Result<()> {
        let sum = match self.gradients[id.0].take() {
            None => Gradient { tensor: gradient, own },
            Some(sum) => Gradient { tensor: sum.tensor.f_add(&gradient).into_result()?, own: true },
        };
        self.gradients[id.0] = Some(sum);
        Ok(())
    }
}

/// The gradients at one layer's inputs, from that at its output, and whether their memory is their own. Of an
/// input that lent its shape alone there is none.
pub(super) fn gradients_at(
    op: &Op,
    parameters: &[Tensor],
    inputs: &[Tensor],
    gradient: &Tensor,
) -> Result<(Vec<Tensor>, bool)> {
    Ok(match op.backward(inputs, parameters, gradient)? {
        Gradients::Own(gradients) => (gradients, true),
        Gradients::Shared(gradients) => (gradients, false),
        Gradients::ByAutograd => (by_autograd(op, parameters, inputs, gradient)?, false),
    })
}

fn by_autograd(
    op: &Op,
    parameters: &[Tensor],
    inputs: &[Tensor],
    gradient: &Tensor,
) -> Result<Vec<Tensor>> {
    with_grad(|| {
        // Masks and indices have no gradient; what lends them is passed by.
        let leaf = |t: &Tensor| {
            let leaf = t.f_detach()?;
            if t.is_floating_point() { leaf.f_set_requires_grad(true) } else { Ok(leaf) }
        };
        let leaf = |t: &Tensor| leaf(t).into_result();
        let leaves = inputs.iter().map(leaf).collect::<Result<Vec<_>>>()?;
        // Not the leaves themselves, which nothing may write to.
        let copies = leaves.iter().map(|leaf| leaf.f_alias_copy().into_result());
        let mut inputs = copies.collect::<Result<Vec<_>>>()?;
        let output = op.forward(&mut inputs, parameters, Pass::Gradient, false)?;
        if !output.requires_grad() {
            return Ok(Vec::new()); // a closure that cuts the way back
        }
        let total = output.f_mul(gradient).and_then(|t| t.f_sum(None::<Kind>)).into_result()?;
        let floating: Vec<&Tensor> = leaves.iter().filter(|leaf| leaf.requires_grad()).collect();
        let found = Tensor::f_run_backward(&[total], &floating, false, false).into_result()?;
        let mut found = found.into_iter();
        let each = leaves.iter().map(|leaf| match leaf.requires_grad() {
            true => found.next().unwrap_or_default(),
            false => Tensor::default(), // undefined
        });
        Ok(each.collect())
    })
}
