//! Grad-CAM element-wise, as pytorch-grad-cam has it.

use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Target};
use crate::error::Result;
use crate::tensor::IntoResult;

/// Grad-CAM element-wise: `Σₖ ReLU(∂y/∂Aₖ · Aₖ)`. As [`HiResCam`](super::HiResCam), but what a channel
/// takes away from the score does not cancel what another adds. It is pytorch-grad-cam's
/// `GradCAMElementWise`; there is no paper.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&GradCamElementWise::at("features.12").class("tabby"))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct GradCamElementWise {
    settings: Settings,
}

shared_setters!(GradCamElementWise at a layer);

impl Attribution for GradCamElementWise {
    fn name(&self) -> String {
        self.settings.named("Grad-CAM element-wise")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let at = self.settings.look_at(case)?;
        let product = at.gradient()?.f_mul(&at.activation);
        let contributions = product.and_then(|t| t.f_relu()).into_result()?;
        self.settings.at_layer(at, contributions)
    }
}
