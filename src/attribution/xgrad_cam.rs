//! XGrad-CAM.

use tch::Kind;

use super::channels::sum_over_space;
use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Target};
use crate::error::Result;
use crate::tensor::IntoResult;

/// XGrad-CAM: `ReLU(Σₖ wₖ Aₖ)` with `wₖ = Σ(g · Aₖ) / (ΣAₖ + 1e-7)` over space and `g = ∂y/∂Aₖ`: the
/// gradients' mean, weighted by where the channel is active, so that the channels' sums explain the
/// score as fully as they can.
///
/// It is made for layers behind a rectifier. Where activations have both signs, a channel whose values
/// cancel has a sum near 0 and so a weight without bound: there, take
/// [`HiResCam`](super::HiResCam), whose map sums up to the same.
///
/// Fu et al. 2020, <https://arxiv.org/abs/2008.02312>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&XGradCam::at("features.12").class("tabby"))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct XGradCam {
    settings: Settings,
}

shared_setters!(XGradCam at a layer);

impl Attribution for XGradCam {
    fn name(&self) -> String {
        self.settings.named("XGrad-CAM")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let at = self.settings.look_at(case)?;
        let gradient = at.gradient()?;
        let work = || {
            // In double precision, since activations that nearly cancel are what is divided by.
            let activation = at.activation.f_to_kind(Kind::Double)?;
            let above = sum_over_space(&activation.f_mul(&gradient)?)?;
            let below = sum_over_space(&activation)?.f_add_scalar(1e-7)?;
            above.f_div(&below)?.f_mul(&activation)?.f_to_kind(Kind::Float)
        };
        let contributions = work().into_result()?;
        self.settings.at_layer(at, contributions)
    }
}
