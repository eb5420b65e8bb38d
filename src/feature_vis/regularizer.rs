//! What a picture is kept from.

use tch::{Kind, TchError, Tensor};

use crate::error::Result;
use crate::tensor::IntoResult;

/// What a picture is kept from, a sum over all its values `x`: colours from 0 to 1 with `m = 0.5`, or
/// with [`Parametrization::Pixels`](super::Parametrization::Pixels) the network's input with `m = 0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Regularizer {
    /// Differences between neighbours: `Σ |x[i+1, j] − x[i, j]| + Σ |x[i, j+1] − x[i, j]|`.
    TotalVariation,
    /// Strong colours: `Σ |x − m|`.
    L1,
    /// Strong colours: `√(10⁻⁶ + Σ (x − m)²)`.
    L2,
    /// What a small blur removes: `½ Σ (x − blur(x))²` with `blur(x)` held fixed, so that a step goes
    /// towards the blurred picture; the blur is the mean of 3 × 3 pixels, the middle one counted
    /// twice, within the picture. Nguyen et al. 2015, as lucid has it.
    Blur,
}

impl Regularizer {
    /// One value a picture, `[N]`, of pictures `[N, C, h, w]`.
    pub(super) fn of(self, pictures: &Tensor, middle: f64) -> Result<Tensor> {
        let total = |t: &Tensor| t.f_sum_dim_intlist([1i64, 2, 3].as_slice(), false, None::<Kind>);
        let size = pictures.size();
        let side = |i: usize| size.get(i).copied().unwrap_or(1);
        let work = || match self {
            Regularizer::TotalVariation => {
                let steps = |dim: i64| {
                    let most = side(dim as usize) - 1;
                    let later = pictures.f_narrow(dim, 1, most)?;
                    total(&later.f_sub(&pictures.f_narrow(dim, 0, most)?)?.f_abs()?)
                };
                steps(2)?.f_add(&steps(3)?)
            }
            Regularizer::L1 => total(&pictures.f_sub_scalar(middle)?.f_abs()?),
            Regularizer::L2 => {
                total(&pictures.f_sub_scalar(middle)?.f_square()?)?.f_add_scalar(1e-6)?.f_sqrt()
            }
            Regularizer::Blur => {
                let blurred = blurred(&pictures.f_detach()?)?;
                total(&pictures.f_sub(&blurred)?.f_square()?)?.f_mul_scalar(0.5)
            }
        };
        work().into_result()
    }
}

fn blurred(pictures: &Tensor) -> Result<Tensor, TchError> {
    let channels = pictures.size().get(1).copied().unwrap_or(1);
    let kernel = Tensor::f_full([channels, 1, 3, 3], 0.5, (Kind::Float, pictures.device()))?;
    let mut middle = kernel.f_narrow(2, 1, 1)?.f_narrow(3, 1, 1)?;
    let _ = middle.f_fill_(1.0)?;
    let sum = |t: &Tensor| t.f_conv2d(&kernel, None::<Tensor>, [1, 1], [1, 1], [1, 1], channels);
    sum(pictures)?.f_div(&sum(&pictures.f_ones_like()?)?)
}
