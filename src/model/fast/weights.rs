//! Weights as the engine wants them, kept as long as the parameters that they come from stay unchanged.

use std::cell::RefCell;

use tch::Tensor;

use super::{direct, is_finite, is_plain, winograd};
use crate::error::Result;
use crate::model::op::Conv2d;
use crate::model::{Node, Op};
use crate::tensor::{IntoResult, channels_last};

/// A convolution's weights with its batch norm's in them.
#[derive(Default)]
pub(super) struct FoldedWeights {
    /// As a single pass takes them, and at the points of [`winograd`]: who alternates has both.
    single: RefCell<Option<Remembered>>,
    points: RefCell<Option<Remembered>>,
}

struct Remembered {
    /// Where each source lies, and libtorch's count of its changes.
    sources: Vec<(*const u8, i64)>,
    /// The model's training passes then: these change a batch norm's statistics uncounted.
    trainings: u64,
    wish: Form,
    /// None where they are not finite.
    weights: Option<Operands>,
}

pub(super) struct Operands {
    pub(super) weight: Tensor,
    pub(super) bias: Option<Tensor>,
    pub(super) form: Form,
}

/// What a weight is kept as.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Form {
    Plain,
    /// In oneDNN's order for inputs of one size; others take it, too.
    Packed,
    /// At the points of [`winograd`].
    Points,
    /// As the sums of [`direct`] read them, and the bias with them.
    Direct(direct::Way),
}

impl FoldedWeights {
    /// What `make` makes of the parameters, in the form that is wished for, for inputs of this size;
    /// plain where that cannot be had. None where it is not finite: oneDNN's rectifier makes 0 of NaN,
    /// which would hide it.
    pub(super) fn weights(
        &self,
        parameters: &[&Tensor],
        op: &Conv2d,
        wish: Form,
        input: &[i64],
        trainings: u64,
        make: impl FnOnce() -> Result<(Tensor, Option<Tensor>)>,
    ) -> Result<Option<Operands>> {
        let sources = parameters
            .iter()
            .map(|t| Ok((t.data_ptr() as *const u8, t.f_internal_version().into_result()?)))
            .collect::<Result<Vec<_>>>()?;
        let slot = if wish == Form::Points { &self.points } else { &self.single };
        let mut slot = slot.borrow_mut();
        let known = slot.take().filter(|kept| {
            let form = kept.weights.as_ref().map_or(Form::Plain, |weights| weights.form);
            let serves = form == wish || (form == Form::Plain && wish == kept.wish);
            kept.sources == sources && kept.trainings == trainings && serves
        });
        let kept = match known {
            Some(kept) => kept,
            None => {
                let weights = Operands::new(make()?, op, wish, input)?;
                Remembered { sources, trainings, wish, weights }
            }
        };
        Ok(slot.insert(kept).weights.as_ref().map(Operands::shared))
    }
}

impl Operands {
    fn new(
        (weight, bias): (Tensor, Option<Tensor>),
        op: &Conv2d,
        wish: Form,
        input: &[i64],
    ) -> Result<Option<Operands>> {
        if !is_finite(&weight)? || !bias.as_ref().map_or(Ok(true), is_finite)? {
            return Ok(None);
        }
        let is_plain = is_plain(&weight) && bias.as_ref().is_none_or(is_plain);
        let changed = match wish {
            _ if !is_plain => None,
            Form::Plain => None,
            Form::Packed => packed(op, &weight, input),
            Form::Points => winograd::kernels(&weight)?,
            Form::Direct(way) => direct::packed(way, &weight, bias.as_ref())?,
        };
        let form = if changed.is_some() { wish } else { Form::Plain };
        Ok(Some(Operands { weight: changed.unwrap_or(weight), bias, form }))
    }

    /// The same tensors, not copies.
    fn shared(&self) -> Operands {
        Operands {
            weight: self.weight.shallow_clone(),
            bias: self.bias.as_ref().map(Tensor::shallow_clone),
            form: self.form,
        }
    }
}

/// `norm(conv(x))` is a convolution too.
pub(super) fn folded(
    norm: Option<&Node>,
    parameters: &[&Tensor],
) -> Result<(Tensor, Option<Tensor>)> {
    let norm = norm.and_then(|node| match &node.op {
        Op::BatchNorm2d(norm) => Some(norm),
        _ => None,
    });
    let (Some(norm), [conv @ .., weight, bias, mean, variance]) = (norm, parameters) else {
        let bias = parameters.get(1).map(|bias| bias.f_detach()).transpose().into_result()?;
        return Ok((parameters[0].f_detach().into_result()?, bias));
    };
    let work = || {
        let own = conv.get(1).copied();
        let (scale, shift) = norm.folded([*weight, *bias, *mean, *variance], own)?;
        Ok((conv[0].f_mul(&scale.f_reshape([-1, 1, 1, 1])?)?, shift))
    };
    let (kernel, shift) = work().into_result()?;
    Ok((channels_last(&kernel)?, Some(shift)))
}

/// The weight in oneDNN's own order for inputs of this size, where there is a oneDNN.
fn packed(op: &Conv2d, weight: &Tensor, input: &[i64]) -> Option<Tensor> {
    let opaque = weight.f_to_mkldnn(None).ok()?;
    let (padding, stride, dilation) = (op.zeros()?, op.stride, op.dilation);
    opaque.f_mkldnn_reorder_conv2d_weight(padding, stride, dilation, op.groups, input).ok()
}
