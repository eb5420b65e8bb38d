//! Eigen-CAM, and its class-aware sibling of pytorch-grad-cam.

use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Reduction, Target};
use crate::error::Result;
use crate::tensor::IntoResult;

/// Eigen-CAM: the [first principal component](super::principal_component) of a layer's activation. It
/// asks for no class: it shows what the layer itself finds most telling. Its sign is that in which it
/// agrees with the mean activation.
///
/// Muhammad and Yeasin 2020, <https://arxiv.org/abs/2008.00299>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&EigenCam::at("features.12"))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct EigenCam {
    settings: Settings,
}

shared_setters!(EigenCam at a layer);

impl Attribution for EigenCam {
    fn name(&self) -> String {
        self.settings.named("Eigen-CAM")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn is_for_target(&self) -> bool {
        false
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let at = self.settings.look_at(case)?;
        let activation = at.activation.shallow_clone();
        Ok(Evidence { reduction: Reduction::PrincipalComponent, ..at.evidence(activation)? })
    }
}

/// EigenGrad-CAM: the [first principal component](super::principal_component) of gradient times
/// activation, `∂y/∂A · A`, which depends on the class. It is pytorch-grad-cam's; there is no paper.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&EigenGradCam::at("features.12").class("tabby"))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct EigenGradCam {
    settings: Settings,
}

shared_setters!(EigenGradCam at a layer);

impl Attribution for EigenGradCam {
    fn name(&self) -> String {
        self.settings.named("EigenGrad-CAM")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let at = self.settings.look_at(case)?;
        let product = at.gradient()?.f_mul(&at.activation).into_result()?;
        Ok(Evidence { reduction: Reduction::PrincipalComponent, ..at.evidence(product)? })
    }
}
