//! Grad-CAM, Selvaraju et al. 2017, <https://arxiv.org/abs/1610.02391>.

use tch::{Kind, Tensor};

use super::{Cam, Weighting};
use crate::error::Result;
use crate::tensor::IntoResult;

/// Grad-CAM: `ReLU(Σₖ αₖ Aₖ)` with `αₖ` the mean over space of `∂y/∂Aₖ`, where `A` is the layer's
/// activation and `y` the score of the class before the softmax.
///
/// ```
/// # fn main() -> convlens::Result<()> {
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let predicted = look.explain(&GradCam::default())?;
/// let tabby = look.explain(&GradCam::at("features.12").class("tabby"))?;
/// assert_eq!((tabby.height(), tabby.width()), (13, 13));
/// # Ok(())
/// # }
/// ```
pub type GradCam = Cam<MeanGradient>;

/// Grad-CAM's weights: the mean gradient of each channel.
#[derive(Clone, Copy, Debug)]
pub struct MeanGradient;

impl Weighting for MeanGradient {
    const NAME: &'static str = "Grad-CAM";

    fn map(activation: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        gradient
            .f_mean_dim([1i64, 2].as_slice(), true, None::<Kind>) // [C, h, w] -> [C, 1, 1]
            .and_then(|alpha| alpha.f_mul(activation))
            .and_then(|weighted| weighted.f_sum_dim_intlist([0i64].as_slice(), false, None::<Kind>))
            .into_result()
    }
}
