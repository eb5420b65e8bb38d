//! Convolutions that take their neighbours along, in inference: the batch norm, the sum and the
//! rectifier behind them in one pass over memory, with weights packed as oneDNN wants them. And the
//! way back through them.

use std::cell::{OnceCell, RefCell};
use std::io::Cursor;

use tch::{CModule, Device, IValue, Kind, Tensor};

use super::op::{Conv2d, Operator};
use super::{Node, NodeId, Op, Pass, winograd};
use crate::error::{Error, Result};
use crate::tensor::{IntoResult, channels_last};

/// Two calls of libtorch that tch does not have; see assets/convert/make_fused.py.
const ARCHIVE: &[u8] = include_bytes!("../../assets/fused/convolution.pt");

/// A convolution with what follows it, up to the node that has its output.
pub(super) struct Chain {
    pub(super) conv: NodeId,
    pub(super) norm: Option<NodeId>,
    /// What is added to it.
    pub(super) other: Option<NodeId>,
    pub(super) relu: bool,
}

/// The chains among `nodes`, by the node at which each ends, and which nodes they make needless.
/// `taken(id)` says whether the node has to run and has one reader and nobody else who wants it.
pub(super) fn chains(
    nodes: &[Node],
    runs: impl Fn(NodeId) -> bool,
    taken: impl Fn(NodeId) -> bool,
) -> (Vec<Option<Chain>>, Vec<bool>) {
    let mut reader = vec![None; nodes.len()];
    for (index, node) in nodes.iter().enumerate().filter(|(index, _)| runs(NodeId(*index))) {
        for id in &node.inputs {
            reader[id.0] = Some(NodeId(index));
        }
    }
    let mut chains: Vec<Option<Chain>> = Vec::new();
    chains.resize_with(nodes.len(), || None);
    let mut needless = vec![false; nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        let packable = match &node.op {
            Op::Conv2d(conv) if runs(NodeId(index)) => conv.zeros().is_some(),
            _ => continue,
        };
        let mut end = NodeId(index);
        let mut chain = Chain { conv: end, norm: None, other: None, relu: false };
        // The only reader of what the chain has so far, if the chain may take it along.
        while let Some(next) = reader[end.0].filter(|_| taken(end)) {
            let inputs = nodes[next.0].inputs.as_slice();
            match (&nodes[next.0].op, inputs) {
                (Op::BatchNorm2d(_), _) if end == chain.conv => chain.norm = Some(next),
                (Op::Add, &[first, other]) if first == end && chain.other.is_none() => {
                    chain.other = Some(other);
                }
                (Op::Relu, _) => chain.relu = true,
                _ => break,
            }
            needless[end.0] = true;
            end = next;
            if chain.relu {
                break;
            }
        }
        if packable || end != chain.conv {
            chains[end.0] = Some(chain);
        }
    }
    (chains, needless)
}

/// What runs the chains of one network.
#[derive(Default)]
pub(super) struct Fuser(OnceCell<Option<CModule>>);

impl Fuser {
    /// `None` where libtorch has no oneDNN; the chains then run unpacked.
    fn archive(&self) -> Option<&CModule> {
        self.0.get_or_init(|| CModule::load_data(&mut Cursor::new(ARCHIVE)).ok()).as_ref()
    }

    pub(super) fn run(
        &self,
        nodes: &[Node],
        chain: &Chain,
        input: &Tensor,
        other: Option<&Tensor>,
        trainings: u64,
        again: bool,
    ) -> Result<Tensor> {
        let conv = &nodes[chain.conv.0];
        let Op::Conv2d(op) = &conv.op else {
            return Err(Error::Argument(format!("{} is no convolution", conv.name)));
        };
        let norm = chain.norm.map(|id| &nodes[id.0]);
        let plain = |t: &Tensor| t.device() == Device::Cpu && t.kind() == Kind::Float;
        // What does not fit is left to libtorch's own convolution, which says why.
        let fits = op
            .output_shape(&[&input.size()])
            .is_ok_and(|shape| other.is_none_or(|other| plain(other) && other.size() == shape));
        let suits = plain(input) && input.numel() > 0 && fits;
        let archive = self.archive().filter(|_| suits).zip(op.zeros());
        let size = input.size();
        let wish = match archive {
            Some(_) if winograd::suits(op, &size, again) => Form::Points,
            Some(_) => Form::Packed,
            None => Form::Plain,
        };
        let sources = parameters(conv, norm);
        let make = || folded(norm, &sources);
        let weights = conv.folded.weights(&sources, op, wish, &size, trainings, make)?;
        let Operands { weight, bias, form } = weights;
        let after = if chain.relu { "relu" } else { "none" };
        let (Some((archive, padding)), Form::Packed) = (archive, form) else {
            if form == Form::Points {
                let padding = op.zeros().unwrap_or_default();
                return winograd::run(input, &weight, bias.as_ref(), padding, other, chain.relu);
            }
            let parameters = [weight, bias.unwrap_or_default()];
            let op = op.biased(parameters[1].defined());
            let inputs = &mut [input.shallow_clone()];
            let mut output = op.forward(inputs, &parameters, Pass::Inference, false)?;
            if let Some(other) = other {
                output = output.f_add_(other).into_result()?;
            }
            return match chain.relu {
                true => output.f_relu_().into_result(),
                false => Ok(output),
            };
        };
        call(archive, input, weight, bias, op, padding, after, other)
    }

    /// From the gradient at the output of a convolution, with the batch norm behind it, to that at its
    /// input. With a stride of 1 that is a convolution too, by the kernels turned around; packed, it is
    /// faster than the transposed one. `None` where that does not apply.
    pub(super) fn run_back(
        &self,
        conv: &Node,
        norm: Option<&Node>,
        gradient: &Tensor,
        trainings: u64,
        again: bool,
    ) -> Result<Option<Tensor>> {
        let Op::Conv2d(op) = &conv.op else { return Ok(None) };
        let plain = gradient.device() == Device::Cpu && gradient.kind() == Kind::Float;
        let (Some(turned), Some(archive), true) = (op.turned(), self.archive(), plain) else {
            return Ok(None);
        };
        let Some(padding) = turned.zeros() else { return Ok(None) };
        let sources = parameters(conv, norm);
        let make = || {
            let (weight, _) = folded(norm, &sources)?;
            let turned = weight.f_flip([2, 3]).and_then(|t| t.f_transpose(0, 1)).into_result()?;
            Ok((channels_last(&turned)?, None))
        };
        let size = gradient.size();
        let wish = match winograd::suits(&turned, &size, again) {
            true => Form::Points,
            false => Form::Packed,
        };
        let weights = conv.turned.weights(&sources, &turned, wish, &size, trainings, make)?;
        match weights.form {
            Form::Points => {
                winograd::run(gradient, &weights.weight, None, padding, None, false).map(Some)
            }
            Form::Packed => {
                let weight = weights.weight;
                call(archive, gradient, weight, None, &turned, padding, "none", None).map(Some)
            }
            Form::Plain => Ok(None),
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "those of the archive")]
fn call(
    archive: &CModule,
    input: &Tensor,
    weight: Tensor,
    bias: Option<Tensor>,
    op: &Conv2d,
    padding: [i64; 2],
    after: &str,
    other: Option<&Tensor>,
) -> Result<Tensor> {
    let list = |sides: [i64; 2]| IValue::IntList(sides.to_vec());
    let optional = |t: Option<Tensor>| t.map_or(IValue::None, IValue::Tensor);
    let arguments = [
        IValue::Tensor(input.shallow_clone()),
        IValue::Tensor(weight),
        optional(bias),
        list(padding),
        list(op.stride),
        list(op.dilation),
        IValue::Int(op.groups),
        IValue::String(after.to_owned()),
        optional(other.map(Tensor::shallow_clone)),
    ];
    match archive.forward_is(&arguments).into_result()? {
        IValue::Tensor(output) => Ok(output),
        _ => Err(Error::Argument("a convolution returns a tensor".into())),
    }
}

/// The parameters of a convolution and of the batch norm behind it.
fn parameters<'a>(conv: &'a Node, norm: Option<&'a Node>) -> Vec<&'a Tensor> {
    let nodes = std::iter::once(conv).chain(norm);
    nodes.flat_map(|node| node.parameters.iter().map(|p| &p.tensor)).collect()
}

/// A convolution's weights with its batch norm's in them, as long as the parameters that they come
/// from stay unchanged.
#[derive(Default)]
pub(super) struct FoldedWeights {
    /// As libtorch takes them, and at the points of [`winograd`]: who alternates has both.
    libtorch: RefCell<Option<Remembered>>,
    points: RefCell<Option<Remembered>>,
}

struct Remembered {
    /// Where each source lies, and libtorch's count of its changes.
    sources: Vec<(*const u8, i64)>,
    /// The model's training passes then: these change a batch norm's statistics uncounted.
    trainings: u64,
    wish: Form,
    weights: Operands,
}

struct Operands {
    weight: Tensor,
    bias: Option<Tensor>,
    form: Form,
}

/// What a weight is kept as.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Plain,
    /// In oneDNN's order for inputs of one size; others take it, too.
    Packed,
    /// At the points of [`winograd`].
    Points,
}

impl FoldedWeights {
    /// What `make` makes of the parameters, in the form that is wished for, for inputs of this size;
    /// plain where that cannot be had, or where it is not finite.
    fn weights(
        &self,
        parameters: &[&Tensor],
        op: &Conv2d,
        wish: Form,
        input: &[i64],
        trainings: u64,
        make: impl FnOnce() -> Result<(Tensor, Option<Tensor>)>,
    ) -> Result<Operands> {
        let sources = parameters
            .iter()
            .map(|t| Ok((t.data_ptr() as *const u8, t.f_internal_version().into_result()?)))
            .collect::<Result<Vec<_>>>()?;
        let slot = if wish == Form::Points { &self.points } else { &self.libtorch };
        let mut slot = slot.borrow_mut();
        let known = slot.take().filter(|kept| {
            let form = kept.weights.form;
            let serves = form == wish || (form == Form::Plain && wish == kept.wish);
            kept.sources == sources && kept.trainings == trainings && serves
        });
        let kept = match known {
            Some(kept) => kept,
            None => {
                let (weight, bias) = make()?;
                // oneDNN's rectifier makes 0 of NaN, which would hide it.
                let finite = is_finite(&weight)? && bias.as_ref().map_or(Ok(true), is_finite)?;
                let changed = match wish {
                    _ if !finite => None,
                    Form::Plain => None,
                    Form::Packed => op.packed(&weight, input),
                    Form::Points => Some(winograd::kernels(&weight)?),
                };
                let form = if changed.is_some() { wish } else { Form::Plain };
                let weights = Operands { weight: changed.unwrap_or(weight), bias, form };
                Remembered { sources, trainings, wish, weights }
            }
        };
        let Operands { weight, bias, form } = &slot.insert(kept).weights;
        Ok(Operands {
            weight: weight.shallow_clone(),
            bias: bias.as_ref().map(Tensor::shallow_clone),
            form: *form,
        })
    }
}

/// Whether all values are finite, in one pass over memory. A sum that overflows counts as not finite,
/// which costs speed alone.
pub(super) fn is_finite(values: &Tensor) -> Result<bool> {
    let sum = values.f_sum(None::<tch::Kind>).and_then(|sum| sum.f_double_value(&[]));
    Ok(sum.into_result()?.is_finite())
}

/// `norm(conv(x))` is a convolution too: with `s = weight / √(variance + eps)` of the norm, it has
/// the weight `w·s` and the bias `(b − mean)·s + bias`.
fn folded(norm: Option<&Node>, parameters: &[&Tensor]) -> Result<(Tensor, Option<Tensor>)> {
    let norm = norm.and_then(|node| match &node.op {
        Op::BatchNorm2d(norm) => Some(norm),
        _ => None,
    });
    let (Some(norm), [conv @ .., weight, bias, mean, variance]) = (norm, parameters) else {
        let bias = parameters.get(1).map(|bias| bias.f_detach()).transpose().into_result()?;
        return Ok((parameters[0].f_detach().into_result()?, bias));
    };
    let work = || {
        let scale = variance.f_add_scalar(norm.eps)?.f_rsqrt()?.f_mul(weight)?;
        let shift = match conv.get(1) {
            Some(own) => own.f_sub(mean)?,
            None => mean.f_neg()?,
        };
        let shift = shift.f_mul(&scale)?.f_add(bias)?;
        Ok((conv[0].f_mul(&scale.f_reshape([-1, 1, 1, 1])?)?, shift))
    };
    let (kernel, shift) = work().into_result()?;
    Ok((channels_last(&kernel)?, Some(shift)))
}

impl Conv2d {
    /// The weight in oneDNN's own order for inputs of this size, where there is a oneDNN.
    fn packed(&self, weight: &Tensor, input: &[i64]) -> Option<Tensor> {
        let opaque = weight.f_to_mkldnn(None).ok()?;
        let (padding, stride, dilation) = (self.zeros()?, self.stride, self.dilation);
        opaque.f_mkldnn_reorder_conv2d_weight(padding, stride, dilation, self.groups, input).ok()
    }
}
