//! Convolutions that take their neighbours along, in inference: the batch norm, the sum and the
//! rectifier behind them in one pass over memory, with weights packed as oneDNN wants them. And the
//! way back through them.

use std::io::Cursor;

use tch::{CModule, IValue, Tensor};

use super::chain::Chain;
use super::weights::{Form, Operands, folded};
use super::{Asked, Engine, is_plain, winograd};
use crate::error::{Error, Result};
use crate::model::op::{Conv2d, Operator};
use crate::model::{Node, Op, Pass};
use crate::tensor::{IntoResult, channels_last};

/// Two calls of libtorch that tch does not have; see assets/convert/make_fused.py.
const ARCHIVE: &[u8] = include_bytes!("../../../assets/fused/convolution.pt");

impl Engine {
    fn archive(&self) -> Option<&CModule> {
        self.archive.get_or_init(|| CModule::load_data(&mut Cursor::new(ARCHIVE)).ok()).as_ref()
    }

    /// What the last layer of a chain answers, from the value that its convolution reads and that which is
    /// added.
    pub(in crate::model) fn forwards(
        &self,
        nodes: &[Node],
        chain: &Chain,
        input: &Tensor,
        other: Option<&Tensor>,
        asked: Asked,
    ) -> Result<Option<Tensor>> {
        let (conv, norm) = (&nodes[chain.conv.0], chain.norm.map(|id| &nodes[id.0]));
        let Op::Conv2d(op) = &conv.op else { return Ok(None) };
        // What does not fit is left to the layers themselves, which say why.
        let size = input.size();
        let alike = |shape: &[i64], other: &Tensor| {
            other.size() == shape
                && other.kind() == input.kind()
                && other.device() == input.device()
        };
        let fits = op
            .output_shape(&[&size])
            .is_ok_and(|shape| other.is_none_or(|other| alike(&shape, other)));
        if !fits || input.numel() == 0 {
            return Ok(None);
        }
        let sources = parameters(conv, norm);
        let archive = self.archive().filter(|_| is_plain(input) && all_plain(&sources));
        let archive = archive.zip(op.zeros());
        let wish = match archive {
            Some(_) if winograd::suits(op, &size, asked.again) => Form::Points,
            Some(_) => Form::Packed,
            None if chain.is_alone() => return Ok(None),
            None => Form::Plain,
        };
        let make = || folded(norm, &sources);
        let weights =
            conv.kept.forwards.weights(&sources, op, wish, &size, asked.trainings, make)?;
        let Some(Operands { weight, bias, form }) = weights else { return Ok(None) };
        let relu = chain.relu.is_some();
        match (form, archive) {
            (Form::Points, Some((_, padding))) => {
                winograd::run(input, &weight, bias.as_ref(), padding, other, relu)
            }
            (Form::Packed, Some((archive, padding))) => {
                let after = if relu { "relu" } else { "none" };
                call(archive, input, weight, bias, op, padding, after, other).map(Some)
            }
            _ if chain.is_alone() => Ok(None),
            _ => unpacked(op, input, weight, bias, other, relu).map(Some),
        }
    }

    /// From the gradient at the output of a chain's convolution, with the batch norm behind it, to that at
    /// the convolution's input. With a stride of 1 that is a convolution too, by the kernels turned around;
    /// packed, it is faster than the transposed one.
    pub(in crate::model) fn backwards(
        &self,
        nodes: &[Node],
        chain: &Chain,
        gradient: &Tensor,
        asked: Asked,
    ) -> Result<Option<Tensor>> {
        let (conv, norm) = (&nodes[chain.conv.0], chain.norm.map(|id| &nodes[id.0]));
        let Op::Conv2d(op) = &conv.op else { return Ok(None) };
        let sources = parameters(conv, norm);
        let plain = is_plain(gradient) && gradient.numel() > 0 && all_plain(&sources);
        let (Some(turned), Some(archive), true) = (op.turned(), self.archive(), plain) else {
            return Ok(None);
        };
        let Some(padding) = turned.zeros() else { return Ok(None) };
        let make = || {
            let (weight, _) = folded(norm, &sources)?;
            let turned = weight.f_flip([2, 3]).and_then(|t| t.f_transpose(0, 1)).into_result()?;
            Ok((channels_last(&turned)?, None))
        };
        let size = gradient.size();
        let wish = match winograd::suits(&turned, &size, asked.again) {
            true => Form::Points,
            false => Form::Packed,
        };
        let kept = &conv.kept.backwards;
        let weights = kept.weights(&sources, &turned, wish, &size, asked.trainings, make)?;
        let Some(Operands { weight, form, .. }) = weights else { return Ok(None) };
        match form {
            Form::Points => winograd::run(gradient, &weight, None, padding, None, false),
            Form::Packed => {
                call(archive, gradient, weight, None, &turned, padding, "none", None).map(Some)
            }
            Form::Plain => Ok(None),
        }
    }
}

/// By libtorch's own convolution, with what follows it in its output's memory.
fn unpacked(
    op: &Conv2d,
    input: &Tensor,
    weight: Tensor,
    bias: Option<Tensor>,
    other: Option<&Tensor>,
    relu: bool,
) -> Result<Tensor> {
    let parameters = [weight, bias.unwrap_or_default()];
    let op = op.biased(parameters[1].defined());
    let inputs = &mut [input.shallow_clone()];
    let mut output = op.forward(inputs, &parameters, Pass::Inference, false)?;
    if let Some(other) = other {
        output = output.f_add_(other).into_result()?;
    }
    match relu {
        true => output.f_relu_().into_result(),
        false => Ok(output),
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

fn all_plain(tensors: &[&Tensor]) -> bool {
    tensors.iter().all(|tensor| is_plain(tensor))
}
