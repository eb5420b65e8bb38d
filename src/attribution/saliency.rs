//! Saliency.

use super::{Case, Evidence, InputMethod, Meaning, Reduction, Sensitivity};
use crate::error::Result;

/// Saliency: `maxᶜ |∂y/∂xᶜ|`, how much the score `y` of the class before the softmax changes with a
/// pixel `x`, the greatest of its colours `c`. A map of the input's size without a sign.
///
/// [`Heatmap::channels`](super::Heatmap::channels) has the signed gradients, `[C, H, W]`.
///
/// Simonyan et al. 2014, <https://arxiv.org/abs/1312.6034>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&Saliency::default().class("tabby"))?;
/// assert_eq!((heat.height(), heat.width()), (224, 224));
/// assert_eq!(heat.channels().count(), 3);
/// Ok::<(), convlens::Error>(())
/// ```
pub type Saliency = InputMethod<GradientMagnitude>;

/// Saliency's values: the size of each gradient.
#[derive(Clone, Copy, Debug, Default)]
pub struct GradientMagnitude {
    sum: bool,
}

impl Saliency {
    /// The sum of the magnitudes over the colours, `Σᶜ |∂y/∂xᶜ|`, in place of the greatest.
    #[must_use]
    pub fn sum(&self) -> Self {
        let mut changed = self.clone();
        changed.sensitivity.sum = true;
        changed
    }
}

impl Sensitivity for GradientMagnitude {
    fn name(&self) -> String {
        if self.sum { "Saliency, sum over channels".into() } else { "Saliency".into() }
    }

    fn evidence(&self, case: &Case) -> Result<Evidence> {
        let gradient = case.gradient_of(case.model().input())?;
        let reduction = if self.sum { Reduction::Magnitudes } else { Reduction::Greatest };
        Ok(Evidence { reduction, ..Evidence::of_input(gradient, Meaning::Magnitude)? })
    }
}
