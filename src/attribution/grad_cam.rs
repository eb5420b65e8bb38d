//! Grad-CAM.

use super::channels::mean_over_space;
use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Target};
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
#[derive(Clone, Debug, Default)]
pub struct GradCam {
    pub(super) settings: Settings,
}

shared_setters!(GradCam at a layer);

impl Attribution for GradCam {
    fn name(&self) -> String {
        self.settings.named("Grad-CAM")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let at = self.settings.look_at(case)?;
        let alpha = mean_over_space(&at.gradient()?)?;
        let contributions = alpha.f_mul(&at.activation).into_result()?;
        self.settings.at_layer(at, contributions)
    }
}
