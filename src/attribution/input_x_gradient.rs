//! Input times gradient.

use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Meaning, Target};
use crate::error::Result;
use crate::tensor::IntoResult;

/// Input times gradient: `Σᶜ xᶜ · ∂y/∂xᶜ`, how much each pixel of the input as the network sees it
/// (normalised) contributes to the score `y`, if the network were linear. Signed.
///
/// Shrikumar et al. 2016, <https://arxiv.org/abs/1605.01713>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&InputXGradient::default().class("tabby"))?;
/// assert!(heat.raw().iter().any(|&v| v < 0.0) && heat.raw().iter().any(|&v| v > 0.0));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct InputXGradient {
    settings: Settings,
}

shared_setters!(InputXGradient);

impl Attribution for InputXGradient {
    fn name(&self) -> String {
        self.settings.named("Input × gradient")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let gradient = case.gradient_of(case.model().input())?;
        let product = gradient.f_mul(&case.input()?).into_result()?;
        self.settings.at_input(case, product, Meaning::Signed)
    }
}
