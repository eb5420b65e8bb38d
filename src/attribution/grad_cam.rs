//! Grad-CAM.

use tch::{Kind, Tensor};

use super::{LayerCase, LayerMethod, Weighting};
use crate::error::Result;
use crate::tensor::IntoResult;

/// Grad-CAM: `ReLU(Σₖ αₖ Aₖ)` with `αₖ` the mean over space of `∂y/∂Aₖ`, where `A` is the layer's
/// activation and `y` the score of the class before the softmax.
///
/// Selvaraju et al. 2017, <https://arxiv.org/abs/1610.02391>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let predicted = look.explain(&GradCam::default())?;
/// let tabby = look.explain(&GradCam::at("features.12").class("tabby"))?;
/// assert_eq!((tabby.height(), tabby.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
pub type GradCam = LayerMethod<MeanGradient>;

/// Grad-CAM's weights: the mean gradient of each channel.
#[derive(Clone, Copy, Debug, Default)]
pub struct MeanGradient;

impl Weighting for MeanGradient {
    const NAME: &'static str = "Grad-CAM";

    fn contributions(&self, case: &LayerCase) -> Result<Tensor> {
        case.gradient()?
            .f_mean_dim([2i64, 3].as_slice(), true, None::<Kind>) // [N, C, h, w] -> [N, C, 1, 1]
            .and_then(|alpha| alpha.f_mul(&case.activation))
            .into_result()
    }
}
