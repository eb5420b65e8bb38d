//! A map at the input's size, as pytorch-grad-cam finishes it.

use tch::Tensor;

use super::{Evidence, Meaning};
use crate::error::Result;
use crate::tensor::IntoResult;

/// Maps in 0..=1 at the size of `input`, `[N, H, W]`: rectified (signed ones, too; magnitudes of
/// gradients), scaled, resized with half-pixel centres, scaled again.
pub(super) fn finished(evidence: &Evidence, input: &Tensor) -> Result<Tensor> {
    let _no_grad = tch::no_grad_guard();
    let maps = evidence.maps()?;
    let maps = match evidence.meaning {
        Meaning::Magnitude | Meaning::Colour => maps.f_abs(),
        Meaning::Positive | Meaning::Signed => maps.f_relu(),
    };
    let size = &input.size()[2..];
    let work = || {
        let small = scaled(&maps?)?;
        if small.size()[1..] == *size {
            return scaled(&small);
        }
        let resized = small.f_unsqueeze(1)?.f_upsample_bilinear2d(size, false, None, None)?;
        scaled(&resized.f_squeeze_dim(1)?)
    };
    work().into_result()
}

/// pytorch-grad-cam's `(x - min) / (1e-7 + max(x - min))` for each of `[N, h, w]`.
pub(super) fn scaled(maps: &Tensor) -> Result<Tensor, tch::TchError> {
    let from_zero = maps.f_sub(&maps.f_amin([1i64, 2].as_slice(), true)?)?;
    let most = from_zero.f_amax([1i64, 2].as_slice(), true)?;
    from_zero.f_div(&most.f_add_scalar(1e-7)?)
}
