//! LayerCAM.

use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Target};
use crate::error::Result;
use crate::tensor::IntoResult;

/// LayerCAM: `ReLU(Σₖ ReLU(∂y/∂Aₖ) · Aₖ)`, element by element, which holds up at early layers, where the
/// mean of a gradient over space says little.
///
/// Jiang et al. 2021, <https://ieeexplore.ieee.org/document/9462463>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&LayerCam::at("features.12").class("tabby"))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct LayerCam {
    settings: Settings,
}

shared_setters!(LayerCam at a layer);

impl Attribution for LayerCam {
    fn name(&self) -> String {
        self.settings.named("LayerCAM")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let at = self.settings.look_at(case)?;
        let positive = at.gradient()?.f_relu();
        let contributions = positive.and_then(|t| t.f_mul(&at.activation)).into_result()?;
        self.settings.at_layer(at, contributions)
    }
}
