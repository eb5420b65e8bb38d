//! Convolutions and linear layers that take their neighbours along, in inference: the batch norm, the sum and
//! the function of each value behind them in one pass over memory, with packed weights. And the way back
//! through convolutions.

use std::io::Cursor;

use convlens_fast::After;
use tch::{CModule, IValue, Tensor};

use super::chain::{Chain, RECTIFIED};
use super::direct::Way;
use super::weights::{Form, Operands, folded};
use super::{Asked, Engine, Read, Room, direct, is_plain, winograd};
use crate::error::{Error, Result};
use crate::model::op::{Conv2d, Linear, Operator};
use crate::model::{Node, Op, Pass};
use crate::tensor::{IntoResult, channels_last};

/// Two calls of libtorch that tch does not have; see assets/convert/make_fused.py.
const ARCHIVE: &[u8] = include_bytes!("../../../assets/fused/convolution.pt");

/// The most weights of a linear layer that are kept a second time as the sums read them: for one row, which
/// reads each weight once anyway, and for several.
const FEW: i64 = 1 << 22;
const MANY: i64 = 1 << 24;

impl Engine {
    fn archive(&self) -> Option<&CModule> {
        self.archive.get_or_init(|| CModule::load_data(&mut Cursor::new(ARCHIVE)).ok()).as_ref()
    }

    /// What the last layer of a chain answers; where there is room for it in a concatenation, and our own loops
    /// compute it, it is a part of that.
    pub(in crate::model) fn forwards(
        &self,
        nodes: &[Node],
        chain: &Chain,
        read: Read,
        room: Option<Room>,
        asked: Asked,
    ) -> Result<Option<Tensor>> {
        let (conv, norm) = (&nodes[chain.conv.0], chain.norm.map(|id| &nodes[id.0]));
        match &conv.op {
            Op::Conv2d(op) => self.convolution(nodes, chain, (op, norm), (read, room), asked),
            Op::Linear(op) => self.linear(nodes, chain, op, read, asked),
            _ => Ok(None),
        }
    }

    /// A linear layer is a convolution of 1 × 1, for which each row of its input is a pixel.
    fn linear(
        &self,
        nodes: &[Node],
        chain: &Chain,
        op: &Linear,
        Read { input, other, .. }: Read,
        asked: Asked,
    ) -> Result<Option<Tensor>> {
        let conv = Conv2d::new(op.in_features, op.out_features, 1).biased(op.bias);
        let mut shape = input.size();
        let fits = shape.pop() == Some(op.in_features) && is_plain(input) && input.numel() > 0;
        let rows = shape.iter().product::<i64>();
        let weights = op.in_features * op.out_features;
        if !fits
            || direct::way(&conv, &[1, op.in_features, rows, 1]).is_none()
            || weights > if rows == 1 { FEW } else { MANY }
        {
            return Ok(None);
        }
        let pixels = |t: &Tensor| {
            let channels = t.size().last().copied().unwrap_or(1);
            t.f_reshape([1, rows, 1, channels])?.f_permute([0, 3, 1, 2])
        };
        shape.push(op.out_features);
        if other.is_some_and(|other| other.size() != shape) {
            return Ok(None);
        }
        let (input, other) = (pixels(input), other.map(pixels).transpose());
        let (input, other) = (input.into_result()?, other.into_result()?);
        let read = Read { input: &input, scale: None, other: other.as_ref() };
        let output = self.convolution(nodes, chain, (&conv, None), (read, None), asked)?;
        let rows = |t: Tensor| t.f_permute([0, 2, 3, 1])?.f_reshape(&shape);
        output.map(rows).transpose().into_result()
    }

    fn convolution(
        &self,
        nodes: &[Node],
        chain: &Chain,
        (op, norm): (&Conv2d, Option<&Node>),
        (read, room): (Read, Option<Room>),
        asked: Asked,
    ) -> Result<Option<Tensor>> {
        let conv = &nodes[chain.conv.0];
        let Read { input, scale, other } = read;
        // What does not fit is left to the layers themselves, which say why.
        let size = input.size();
        let alike = |shape: &[i64], other: &Tensor| {
            other.size() == shape
                && other.kind() == input.kind()
                && other.device() == input.device()
        };
        let Some(shape) = shape_after(op, &size) else { return Ok(None) };
        if other.is_some_and(|other| !alike(&shape, other)) || input.numel() == 0 {
            return Ok(None);
        }
        let sources = parameters(conv, norm);
        let wish = if is_plain(input) { self.wish(op, &size, asked) } else { Form::Plain };
        if let Some(scale) = scale {
            let of_channels = scale.size() == [size[0], size[1], 1, 1] && is_plain(scale);
            if !of_channels || wish != Form::Direct(Way::Whole) {
                return Ok(None);
            }
        }
        if wish == Form::Plain && chain.is_alone() {
            return Ok(None);
        }
        let make = || {
            let (weight, bias) = folded(norm, &sources)?;
            // A linear layer's has two sides.
            match weight.dim() {
                2 => {
                    Ok((weight.f_unsqueeze(2).and_then(|t| t.f_unsqueeze(3)).into_result()?, bias))
                }
                _ => Ok((weight, bias)),
            }
        };
        let weights =
            conv.kept.forwards.weights(&sources, op, wish, &size, asked.trainings, make)?;
        let Some(Operands { weight, bias, form }) = weights else { return Ok(None) };
        // Of functions, oneDNN takes the rectifier alone.
        let after = match form {
            Form::Packed if chain.after != RECTIFIED => After::Nothing,
            Form::Plain => After::Nothing,
            _ => chain.after,
        };
        let output = match form {
            Form::Plain if chain.is_alone() || scale.is_some() => return Ok(None),
            Form::Plain => unpacked(op, input, weight, bias, other)?,
            _ => {
                let weights = (&weight, bias.as_ref());
                match self.run(form, op, (read, room), weights, after)? {
                    Some(output) => output,
                    None => return Ok(None),
                }
            }
        };
        if after == chain.after {
            return Ok(Some(output));
        }
        let function = match (chain.gate, chain.function) {
            (Some(_), _) => &Op::Silu,
            (None, Some(function)) => &nodes[function.0].op,
            (None, None) => return Ok(Some(output)),
        };
        function.forward(&mut [output], &[], Pass::Inference, true).map(Some)
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
        let (Some(turned), true) = (op.turned(), plain) else { return Ok(None) };
        let make = || {
            let (weight, _) = folded(norm, &sources)?;
            let turned = weight.f_flip([2, 3]).and_then(|t| t.f_transpose(0, 1)).into_result()?;
            Ok((channels_last(&turned)?, None))
        };
        let size = gradient.size();
        let wish = self.wish(&turned, &size, asked);
        if wish == Form::Plain {
            return Ok(None);
        }
        let kept = &conv.kept.backwards;
        let weights = kept.weights(&sources, &turned, wish, &size, asked.trainings, make)?;
        let Some(Operands { weight, form, .. }) = weights else { return Ok(None) };
        let read = Read { input: gradient, scale: None, other: None };
        self.run(form, &turned, (read, None), (&weight, None), After::Nothing)
    }

    /// The best form of a convolution's weights for inputs of this size.
    fn wish(&self, op: &Conv2d, size: &[i64], asked: Asked) -> Form {
        if winograd::suits(op, size, asked.again) {
            return Form::Points;
        }
        match direct::way(op, size) {
            Some(way) => Form::Direct(way),
            None if op.zeros().is_some() && self.archive().is_some() => Form::Packed,
            None => Form::Plain,
        }
    }

    /// A convolution by weights in such a form, with what follows it; nothing by plain ones.
    fn run(
        &self,
        form: Form,
        op: &Conv2d,
        (read, room): (Read, Option<Room>),
        (weight, bias): (&Tensor, Option<&Tensor>),
        after: After,
    ) -> Result<Option<Tensor>> {
        let Some(padding) = op.zeros() else { return Ok(None) };
        let Read { input, other, .. } = read;
        match form {
            Form::Points => winograd::run(input, weight, bias, padding, other, after, room),
            Form::Direct(way) => {
                let Some(shape) = shape_after(op, &input.size()) else { return Ok(None) };
                direct::run(way, op, read, (weight, bias), after, (shape, room))
            }
            Form::Packed => {
                let Some(archive) = self.archive() else { return Ok(None) };
                call(archive, input, (weight, bias), op, padding, after == RECTIFIED, other)
                    .map(Some)
            }
            Form::Plain => Ok(None),
        }
    }
}

/// What comes out of a convolution, if this can go in.
fn shape_after(op: &Conv2d, input: &[i64]) -> Option<[i64; 4]> {
    op.output_shape(&[input]).ok()?.try_into().ok()
}

/// By libtorch's own convolution, with what is added in its output's memory.
fn unpacked(
    op: &Conv2d,
    input: &Tensor,
    weight: Tensor,
    bias: Option<Tensor>,
    other: Option<&Tensor>,
) -> Result<Tensor> {
    let parameters = [weight, bias.unwrap_or_default()];
    let op = op.biased(parameters[1].defined());
    let inputs = &mut [input.shallow_clone()];
    let mut output = op.forward(inputs, &parameters, Pass::Inference, false)?;
    match other {
        Some(other) => output.f_add_(other).into_result(),
        None => Ok(output),
    }
}

fn call(
    archive: &CModule,
    input: &Tensor,
    (weight, bias): (&Tensor, Option<&Tensor>),
    op: &Conv2d,
    padding: [i64; 2],
    rectified: bool,
    other: Option<&Tensor>,
) -> Result<Tensor> {
    let list = |sides: [i64; 2]| IValue::IntList(sides.to_vec());
    let optional =
        |t: Option<&Tensor>| t.map_or(IValue::None, |t| IValue::Tensor(t.shallow_clone()));
    let arguments = [
        IValue::Tensor(input.shallow_clone()),
        IValue::Tensor(weight.shallow_clone()),
        optional(bias),
        list(padding),
        list(op.stride),
        list(op.dilation),
        IValue::Int(op.groups),
        IValue::String(if rectified { "relu" } else { "none" }.to_owned()),
        optional(other),
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
