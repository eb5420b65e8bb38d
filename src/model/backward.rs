//! Gradients with respect to the input: the graph walked backwards, with a rule at the rectifiers.

use tch::{Kind, Tensor};

use super::fused_conv::{self, Chain};
use super::linear_back::linear_back;
use super::{BatchNorm2d, Conv2d, Model, Node, NodeId, Op, Pass, Pool2d, with_grad};
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
    /// From the gradient at the rectifier's output `y` to that at its input, in the same memory if
    /// nobody else has it.
    fn through(self, op: &Op, y: &Tensor, gradient: Gradient) -> Result<Tensor> {
        let Gradient { tensor: mut gradient, own } = gradient;
        if self == Rule::Deconvolution {
            return if own { gradient.f_relu_() } else { gradient.f_relu() }.into_result();
        }
        // Inside its range, and only there, the output is neither 0 nor 6.
        let mut open = match (op, own) {
            (Op::Relu6, false) => y.f_hardtanh_backward(&gradient, 0.0, 6.0),
            (Op::Relu6, true) => y.f_hardtanh_backward_grad_input(&gradient, &gradient, 0.0, 6.0),
            (_, false) => y.f_threshold_backward(&gradient, 0.0),
            (_, true) => y.f_threshold_backward_grad_input(&gradient, &gradient, 0.0),
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

fn is_rectifier(op: &Op) -> bool {
    matches!(op, Op::Relu | Op::Relu6)
}

impl Model {
    /// How many rectifiers there are for a changed rule to change.
    pub(crate) fn rectifiers(&self) -> usize {
        self.inner.nodes.iter().filter(|node| is_rectifier(&node.op)).count()
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
        let mut walk = Walk::forward(self, back, feeds, layers)?;
        let values = layers.iter().map(|id| walk.value(*id)).collect::<Result<Vec<_>>>()?;
        let leaf = |t: &Tensor| t.f_detach()?.f_set_requires_grad(true);
        let leaves: Result<Vec<Tensor>, _> = values.iter().map(leaf).collect();
        let leaves = leaves.into_result()?;
        let total = with_grad(|| score(&leaves))?;
        let starts = Tensor::f_run_backward(&[total], &leaves, false, false).into_result()?;
        let _no_grad = tch::no_grad_guard();
        for (id, start) in layers.iter().zip(starts).filter(|(_, start)| start.defined()) {
            walk.add(*id, start, false)?;
        }
        let gradient = walk.backward()?;
        Ok((values, gradient))
    }
}

/// How a gradient goes back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Back {
    /// What passes through a rectifier.
    pub(crate) rule: Rule,
    /// Whether it will be asked for again and again: see [`winograd`](super::winograd).
    pub(crate) again: bool,
}

struct Walk<'a> {
    model: &'a Model,
    back: Back,
    /// With respect to what.
    from: NodeId,
    /// What does not run, but is given.
    fed: Vec<bool>,
    values: Vec<Option<Tensor>>,
    /// The convolutions with what inference does along with them, by the node at which each ends.
    chains: Vec<Option<Chain>>,
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
        let taken = |id: NodeId| readers[id.0] == 1 && !asked[id.0];
        let (chains, needless) = fused_conv::chains(nodes, runs, taken);
        let wanted = (0..nodes.len()).map(NodeId).filter(|id| runs(*id) && !needless[id.0]);
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

    fn backward(&mut self) -> Result<Option<Tensor>> {
        let nodes = &self.model.inner.nodes;
        for index in (self.from.0 + 1..nodes.len()).rev() {
            let Some(gradient) = self.gradients[index].take() else { continue };
            if self.fed[index] {
                continue; // a constant
            }
            let step = match self.chains[index].take() {
                Some(chain) => self.through_chain(&chain, NodeId(index), gradient),
                None => self.through(NodeId(index), gradient),
            };
            step.map_err(|e| e.while_doing(format!("backwards through {:?}", nodes[index].name)))?;
            // Whatever reads it has been gone through.
            self.values[index] = None;
        }
        Ok(self.gradients[self.from.0].take().map(|gradient| gradient.tensor))
    }

    /// A convolution, its batch norm, what is added and the rectifier, from the last to the first.
    fn through_chain(&mut self, chain: &Chain, end: NodeId, gradient: Gradient) -> Result<()> {
        let nodes = &self.model.inner.nodes;
        let mut gradient = match chain.relu {
            true => self.back.rule.through(&Op::Relu, &self.value(end)?, gradient)?,
            false => gradient.tensor,
        };
        if let Some(other) = chain.other {
            self.add(other, gradient.shallow_clone(), false)?;
        }
        let norm = chain.norm.map(|id| &nodes[id.0]);
        let (conv, trainings) = (&nodes[chain.conv.0], self.model.trainings());
        let fuser = &self.model.inner.fuser;
        if let Some(back) = fuser.run_back(conv, norm, &gradient, trainings, self.back.again)?
            && let &[input] = conv.inputs.as_slice()
        {
            return self.add(input, back, true);
        }
        if let Some(norm) = norm
            && let Op::BatchNorm2d(op) = &norm.op
        {
            // What a rectifier let through, and nobody else has, may be overwritten.
            let own = chain.relu && chain.other.is_none();
            gradient = op.backward(norm, gradient, own)?;
        }
        self.through(chain.conv, Gradient { tensor: gradient, own: false })
    }

    /// One layer by itself.
    fn through(&mut self, id: NodeId, gradient: Gradient) -> Result<()> {
        let node = &self.model.inner.nodes[id.0];
        if is_rectifier(&node.op)
            && let &[input] = node.inputs.as_slice()
        {
            let gradient = self.back.rule.through(&node.op, &self.value(id)?, gradient)?;
            return self.add(input, gradient, true);
        }
        let gradient = gradient.tensor;
        let inputs = node.inputs.iter().map(|id| self.value(*id)).collect::<Result<Vec<_>>>()?;
        // Whether what comes out is memory of its own.
        let mut own = false;
        let gradients = match (&node.op, inputs.as_slice()) {
            (Op::Conv2d(op), [x]) if op.zeros().is_some() => {
                own = true;
                vec![op.backward(node, &x.size(), &gradient)?]
            }
            (Op::Linear(_), [_]) => {
                let weight = node.parameters.first().map(|p| p.tensor.detach());
                let weight = weight.ok_or_else(|| Error::Argument("no weight".into()))?;
                vec![linear_back(&gradient, &weight)?]
            }
            (Op::BatchNorm2d(op), [_]) => vec![op.backward(node, gradient, false)?],
            (Op::Pool2d(op), [x]) if op.is_max() => {
                own = true;
                vec![op.backward(x, &gradient)?]
            }
            (Op::Flatten, [x]) => vec![like(&gradient, x)?],
            (Op::Dropout(_) | Op::Dropout2d(_) | Op::StochasticDepth(_), [_]) => vec![gradient],
            (Op::Add, inputs) => inputs.iter().map(|_| gradient.shallow_clone()).collect(),
            (Op::Concat, inputs) => {
                let sizes: Vec<i64> = inputs.iter().map(|x| x.size()[1]).collect();
                gradient.f_split_with_sizes(sizes, 1).into_result()?
            }
            _ => by_autograd(node, &inputs, &gradient)?,
        };
        // Of an input that lent its shape alone there is none.
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

/// A flat gradient in the shape of the value that was flattened, and in its order in memory.
fn like(gradient: &Tensor, value: &Tensor) -> Result<Tensor> {
    channels_last(&gradient.f_reshape(value.size()).into_result()?)
}

/// The gradients at one layer's inputs, from that at its output.
fn by_autograd(node: &Node, inputs: &[Tensor], gradient: &Tensor) -> Result<Vec<Tensor>> {
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
        let parameters = node.parameters_for(Pass::Gradient);
        let output = node.op.forward(&mut inputs, &parameters, Pass::Gradient, false)?;
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

impl Conv2d {
    /// From the gradient at the output to that at an input of this size: the transposed convolution.
    fn backward(&self, node: &Node, input: &[i64], gradient: &Tensor) -> Result<Tensor> {
        let (Some(padding), Some(weight), &[n, _, height, width], &[_, _, h, w]) =
            (self.zeros(), node.parameters.first(), input, gradient.size().as_slice())
        else {
            return Err(Error::Shape(format!("no convolution makes {:?}", gradient.size())));
        };
        let weight = weight.tensor.f_detach().into_result()?;
        // Rows and columns that no window reached, at the far side.
        let rest = |i: usize, size: i64, out: i64| {
            let reached = (out - 1) * self.stride[i] + self.dilation[i] * (self.kernel[i] - 1) + 1;
            size + 2 * padding[i] - reached
        };
        let rest = [rest(0, height, h), rest(1, width, w)];
        let transposed = |stride: [i64; 2], rest: [i64; 2]| {
            let (bias, groups, dilation) = (None::<Tensor>, self.groups, self.dilation);
            gradient.f_conv_transpose2d(&weight, bias, stride, padding, rest, groups, dilation)
        };
        // Windows of one pixel leave the pixels between them alone: see `skips_pixels`.
        if self.kernel == [1, 1] && padding == [0, 0] && self.stride != [1, 1] {
            let kept = transposed([1, 1], [0, 0]).into_result()?;
            let size = [n, height, width, kept.size()[1]];
            let work = || {
                // Channels last, as everything here.
                let whole =
                    Tensor::f_zeros(size, (kept.kind(), kept.device()))?.f_permute([0, 3, 1, 2])?;
                let mut place = whole
                    .f_slice(2, None::<i64>, None::<i64>, self.stride[0])?
                    .f_slice(3, None::<i64>, None::<i64>, self.stride[1])?;
                place.f_copy_(&kept)?;
                Ok(whole)
            };
            return work().into_result();
        }
        transposed(self.stride, rest).into_result()
    }
}

impl BatchNorm2d {
    /// From the gradient at the output to that at the input, with the statistics of training.
    fn backward(&self, node: &Node, mut gradient: Tensor, overwrite: bool) -> Result<Tensor> {
        let tensors: Vec<Tensor> = node.parameters.iter().map(|p| p.tensor.detach()).collect();
        let [weight, _, _, variance] = tensors.as_slice() else {
            return Err(Error::Argument(format!("{} has other parameters", node.name)));
        };
        variance
            .f_add_scalar(self.eps)
            .and_then(|t| t.f_rsqrt())
            .and_then(|t| t.f_mul(weight))
            .and_then(|scale| scale.f_reshape([1, -1, 1, 1]))
            .and_then(|scale| match overwrite {
                true => gradient.f_mul_(&scale),
                false => gradient.f_mul(&scale),
            })
            .into_result()
    }
}

impl Pool2d {
    /// From the gradient at the output of a maximum to that at its input: to where it came from.
    fn backward(&self, input: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        let [kernel, stride, padding] = [self.kernel, self.stride, self.padding].map(|n| [n, n]);
        let one = [1i64, 1];
        input
            .f_max_pool2d_with_indices(kernel, stride, padding, one, self.ceil)
            .and_then(|(_, places)| {
                input.f_max_pool2d_with_indices_backward(
                    gradient, kernel, stride, padding, one, self.ceil, &places,
                )
            })
            .into_result()
    }
}
