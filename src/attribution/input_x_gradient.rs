//! Input times gradient.

use super::{Case, Evidence, InputMethod, Meaning, Sensitivity};
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
pub type InputXGradient = InputMethod<InputTimesGradient>;

/// The product of each value of the input and its gradient.
#[derive(Clone, Copy, Debug, Default)]
pub struct InputTimesGradient;

impl Sensitivity for InputTimesGradient {
    fn name(&self) -> String {
        "Input × gradient".into()
    }

    fn evidence(&self, case: &Case) -> Result<Evidence> {
        let gradient = case.gradient_of(case.model().input())?;
        let product = gradient.f_mul(&case.input()?).into_result()?;
        Evidence::of_input(product, Meaning::Signed)
    }
}
