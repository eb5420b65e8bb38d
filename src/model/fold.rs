//! A convolution and the batch norm behind it as one convolution, for inference.

use std::cell::RefCell;

use tch::Tensor;

use super::op::{BatchNorm2d, Conv2d};
use super::{Node, Op};
use crate::error::Result;
use crate::tensor::{IntoResult, channels_last};

/// The folded weight and bias, as long as the parameters that they come from stay unchanged.
#[derive(Default)]
pub(super) struct Folded(RefCell<Option<Fold>>);

struct Fold {
    /// Where each source lies, and libtorch's count of its changes.
    sources: Vec<(*const u8, i64)>,
    tensors: Vec<Tensor>,
}

/// The two layers, when they are of our own kinds.
pub(super) fn pair<'a>(conv: &'a Node, norm: &'a Node) -> Option<(&'a Conv2d, &'a BatchNorm2d)> {
    match (&conv.op, &norm.op) {
        (Op::Conv2d(conv), Op::BatchNorm2d(norm)) => Some((conv, norm)),
        _ => None,
    }
}

impl Folded {
    /// `norm(conv(x))` in one pass over memory instead of two: with `s = weight / √(variance + eps)`
    /// of the norm, the convolution has the weight `w·s` and the bias `(b − mean)·s + bias`.
    pub(super) fn forward(&self, conv: &Node, norm: &Node, input: &Tensor) -> Result<Tensor> {
        let Some((conv_op, norm_op)) = pair(conv, norm) else {
            return Ok(input.shallow_clone());
        };
        let parameters = || conv.parameters.iter().chain(&norm.parameters).map(|p| &p.tensor);
        let sources = parameters()
            .map(|t| Ok((t.data_ptr() as *const u8, t.f_internal_version().into_result()?)))
            .collect::<Result<Vec<_>>>()?;
        let mut slot = self.0.borrow_mut();
        let fold = match slot.take() {
            Some(fold) if fold.sources == sources => fold,
            _ => Fold { sources, tensors: fold(norm_op, &parameters().collect::<Vec<_>>())? },
        };
        conv_op.folded().forward(input, &slot.insert(fold).tensors)
    }
}

fn fold(norm: &BatchNorm2d, parameters: &[&Tensor]) -> Result<Vec<Tensor>> {
    let [conv @ .., weight, bias, mean, variance] = parameters else {
        return Ok(Vec::new());
    };
    let folded = || {
        let scale = variance.f_add_scalar(norm.eps)?.f_rsqrt()?.f_mul(weight)?;
        let shift = match conv.get(1) {
            Some(own) => own.f_sub(mean)?,
            None => mean.f_neg()?,
        };
        let shift = shift.f_mul(&scale)?.f_add(bias)?;
        Ok((conv[0].f_mul(&scale.f_reshape([-1, 1, 1, 1])?)?, shift))
    };
    let (kernel, shift) = folded().into_result()?;
    Ok(vec![channels_last(&kernel)?, shift])
}
