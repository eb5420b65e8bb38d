//! Shapley-CAM.

use super::channels::mean_over_space;
use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Target};
use crate::error::Result;
use crate::tensor::IntoResult;

/// Shapley-CAM: `ReLU(Σₖ wₖ Aₖ)` with `wₖ` the mean over space of `∂y/∂Aₖ − ½ (H A)ₖ`, where `H` is the
/// matrix of second derivatives of the score by the layer's activation `A`: Grad-CAM's weights, corrected for
/// how the score bends. Where what follows the layer is linear, as one linear layer behind a pooling, it is
/// Grad-CAM.
///
/// The second derivatives are taken by autograd on the layers behind this one, which takes some three times
/// the time and memory of Grad-CAM there.
///
/// Cai 2025, <https://arxiv.org/abs/2501.06261>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&ShapleyCam::at("features.12").class("tabby"))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ShapleyCam {
    settings: Settings,
}

shared_setters!(ShapleyCam at a layer);

impl Attribution for ShapleyCam {
    fn name(&self) -> String {
        self.settings.named("Shapley-CAM")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let at = self.settings.look_at(case)?;
        let (gradient, bent) = at.gradient_and_curvature()?;
        let value = bent.f_mul_scalar(-0.5).and_then(|t| t.f_add(&gradient)).into_result()?;
        let weights = mean_over_space(&value)?;
        let contributions = weights.f_mul(&at.activation).into_result()?;
        self.settings.at_layer(at, contributions)
    }
}
