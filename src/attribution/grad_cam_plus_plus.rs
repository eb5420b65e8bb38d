//! Grad-CAM++.

use super::channels::sum_over_space;
use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Target};
use crate::error::Result;
use crate::tensor::IntoResult;

/// Grad-CAM++: `ReLU(Σₖ wₖ Aₖ)` with `wₖ = Σ a · ReLU(g)` over space, where `g = ∂y/∂Aₖ` and, where
/// `g` is not 0, `a = g² / (2 g² + ΣAₖ · g³ + 1e-6)` (the paper's equation 19 with the exponential of
/// the score, which cancels). The sum of `Aₖ` goes over all places of the channel.
///
/// It is made for layers behind a rectifier. Where activations have both signs, `ΣAₖ · g³` can come near
/// `-2 g²`, and `a` is then without bound.
///
/// Chattopadhyay et al. 2018, <https://arxiv.org/abs/1710.11063>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&GradCamPlusPlus::at("features.12").class("tabby"))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct GradCamPlusPlus {
    settings: Settings,
}

shared_setters!(GradCamPlusPlus at a layer);

impl Attribution for GradCamPlusPlus {
    fn name(&self) -> String {
        self.settings.named("Grad-CAM++")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let at = self.settings.look_at(case)?;
        let gradient = at.gradient()?;
        let work = || {
            let squared = gradient.f_square()?;
            let below = sum_over_space(&at.activation)?
                .f_mul(&squared)?
                .f_mul(&gradient)?
                .f_add(&squared.f_mul_scalar(2.0)?)?
                .f_add_scalar(1e-6)?;
            // Where the gradient is 0, so is what it is multiplied by.
            let weights = sum_over_space(&squared.f_div(&below)?.f_mul(&gradient.f_relu()?)?)?;
            weights.f_mul(&at.activation)
        };
        let contributions = work().into_result()?;
        self.settings.at_layer(at, contributions)
    }
}
