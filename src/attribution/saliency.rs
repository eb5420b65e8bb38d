//! Saliency.

use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Meaning, Reduction, Target};
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
#[derive(Clone, Debug, Default)]
pub struct Saliency {
    settings: Settings,
    sum: bool,
}

shared_setters!(Saliency);

impl Saliency {
    /// The sum of the magnitudes over the colours, `Σᶜ |∂y/∂xᶜ|`, in place of the greatest.
    #[must_use]
    pub fn sum(&self) -> Self {
        Self { sum: true, ..self.clone() }
    }
}

impl Attribution for Saliency {
    fn name(&self) -> String {
        self.settings.named(if self.sum { "Saliency, sum over channels" } else { "Saliency" })
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let gradient = case.gradient_of(case.model().input())?;
        let evidence = self.settings.at_input(case, gradient, Meaning::Magnitude)?;
        Ok(match evidence.meaning {
            Meaning::Magnitude if self.sum => {
                Evidence { reduction: Reduction::Magnitudes, ..evidence }
            }
            Meaning::Magnitude => Evidence { reduction: Reduction::Greatest, ..evidence },
            _ => evidence,
        })
    }
}
