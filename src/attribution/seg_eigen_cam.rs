//! Seg-Eigen-CAM.

use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Target, principal_component};
use crate::error::Result;
use crate::tensor::IntoResult;

/// Seg-Eigen-CAM: the [first principal component](super::principal_component()) of `|∂y/∂A| · A`, with the
/// sign in which its greatest magnitude is positive. It is made for the pixels of a class in networks that
/// segment, and works with any target.
///
/// Chung and Ying 2025, <https://doi.org/10.3390/app15137562>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&SegEigenCam::at("features.12").class("tabby"))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct SegEigenCam {
    settings: Settings,
}

shared_setters!(SegEigenCam at a layer);

impl Attribution for SegEigenCam {
    fn name(&self) -> String {
        self.settings.named("Seg-Eigen-CAM")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let at = self.settings.look_at(case)?;
        let sized = at.gradient()?.f_abs().and_then(|size| size.f_mul(&at.activation));
        let sized = sized.into_result()?;
        case.check_finite(&sized)?;
        let component = principal_component(&sized)?.f_unsqueeze(1).into_result()?;
        let work = || {
            let space = [2i64, 3];
            let greatest = component.f_amax(space.as_slice(), true)?;
            let least = component.f_amin(space.as_slice(), true)?;
            // -1 where the least is further from 0.
            let turned = greatest.f_abs()?.f_lt_tensor(&least.f_abs()?)?;
            let sign = turned.f_to_kind(component.kind())?.f_mul_scalar(-2.0)?.f_add_scalar(1.0)?;
            component.f_mul(&sign)
        };
        let contributions = work().into_result()?;
        self.settings.at_layer(at, contributions)
    }
}
