//! Maps at the input's size, as pytorch-grad-cam finishes them.

use tch::Tensor;

use super::{Evidence, Meaning};
use crate::error::Result;
use crate::tensor::IntoResult;

/// Maps in 0..=1 at the size of `input`, `[N, H, W]`: rectified (of magnitudes and gradients in
/// colour, their size), scaled, resized with half-pixel centres.
pub(super) fn resized(evidence: &Evidence, input: &Tensor) -> Result<Tensor> {
    let _no_grad = tch::no_grad_guard();
    let maps = evidence.maps()?;
    let maps = match evidence.meaning {
        Meaning::Magnitude | Meaning::Colour => maps.f_abs(),
        Meaning::Positive | Meaning::Signed => maps.f_relu(),
    };
    let small = scaled(&maps.into_result()?)?;
    let size = &input.size()[2..];
    if small.size()[1..] == *size {
        return Ok(small);
    }
    small
        .f_unsqueeze(1)
        .and_then(|maps| maps.f_upsample_bilinear2d(size, false, None, None))
        .and_then(|maps| maps.f_squeeze_dim(1))
        .into_result()
}

/// pytorch-grad-cam's `(x - min) / (1e-7 + max(x - min))` for each of `[N, h, w]`.
pub(super) fn scaled(maps: &Tensor) -> Result<Tensor> {
    let _no_grad = tch::no_grad_guard();
    let work = || {
        let from_zero = maps.f_sub(&maps.f_amin([1i64, 2].as_slice(), true)?)?;
        let most = from_zero.f_amax([1i64, 2].as_slice(), true)?;
        from_zero.f_div(&most.f_add_scalar(1e-7)?)
    };
    work().into_result()
}
