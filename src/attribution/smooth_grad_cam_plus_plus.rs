//! Smooth Grad-CAM++.

use tch::Tensor;

use super::channels::sum_over_space;
use super::noise::{Noise, noise_setters};
use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Target};
use crate::error::Result;
use crate::tensor::IntoResult;

/// Smooth Grad-CAM++: `ReLU(Σₖ wₖ Aₖ)` with `wₖ = Σ a · ReLU(ḡ)` over space and
/// `a = D₂ / (2 D₂ + ΣAₖ · D₃ + 1e-8)`, where `ḡ`, `D₂` and `D₃` are the means of `g`, `g²` and `g³` over
/// noisy copies of the input, and `g = ∂y/∂Aₖ` there. `A` is the activation of the input without noise,
/// and so is the class that is explained. Without noise it is
/// [`GradCamPlusPlus`](super::GradCamPlusPlus).
///
/// The paper has `ḡ` in place of the `D₂` above the line, which torchcam takes for a slip, as it does not lead to
/// Grad-CAM++. torchcam's code takes the last copy's `g` in place of `ḡ` and its `A` in the map, and
/// `Σ(Aₖ · D₃)` in place of `ΣAₖ · D₃`.
///
/// Omeiza et al. 2019, <https://arxiv.org/abs/1908.01224>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&SmoothGradCamPlusPlus::at("features.12").class("tabby").samples(4))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct SmoothGradCamPlusPlus {
    settings: Settings,
    noise: Noise,
}

shared_setters!(SmoothGradCamPlusPlus at a layer);
noise_setters!([] SmoothGradCamPlusPlus);

impl Attribution for SmoothGradCamPlusPlus {
    fn name(&self) -> String {
        self.settings.named("Smooth Grad-CAM++")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let at = self.settings.look_at(case)?;
        let zeros = || at.activation.f_zeros_like().into_result();
        let [mut first, mut second, mut third] = [zeros()?, zeros()?, zeros()?];
        self.noise.each("Smooth Grad-CAM++", case, |noisy, count| {
            let gradient = noisy.at_layer(at.layer())?.gradient()?;
            let mut power = gradient.shallow_clone();
            for sum in [&mut first, &mut second, &mut third] {
                let part = self.noise.part_of_mean(&power, count);
                *sum = part.and_then(|part| sum.f_add(&part)).into_result()?;
                power = power.f_mul(&gradient).into_result()?;
            }
            Ok(())
        })?;
        let work = || {
            let below = sum_over_space(&at.activation)?.f_mul(&third)?;
            let below = below.f_add(&second.f_mul_scalar(2.0)?)?.f_add_scalar(1e-8)?;
            let weights = sum_over_space(&second.f_div(&below)?.f_mul(&first.f_relu()?)?)?;
            weights.f_mul(&at.activation)
        };
        let contributions: Tensor = work().into_result()?;
        self.settings.at_layer(at, contributions)
    }
}
