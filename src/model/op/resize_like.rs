//! Resizing one activation to the size of another.

use tch::Tensor;

use super::four;
use crate::error::Result;
use crate::tensor::IntoResult;

/// `[N, C, h, w] -> [N, C, H, W]`, the height and width of `like`; half-pixel centres.
pub(super) fn bilinear_like(input: &Tensor, like: &Tensor) -> Result<Tensor> {
    let [.., h, w] = four(&like.size())?;
    if input.size().ends_with(&[h, w]) {
        return Ok(input.shallow_clone());
    }
    input.f_upsample_bilinear2d([h, w], false, None::<f64>, None::<f64>).into_result()
}
