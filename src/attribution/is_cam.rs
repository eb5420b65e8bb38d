//! IS-CAM.

use super::channels::{masks, mean_scores, score_channels, weighted_by_softmax};
use super::long_work::{LongWork, long_work};
use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Target};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// More steps than this take for ever.
const MOST_STEPS: usize = 1_000;

/// IS-CAM, integrated Score-CAM: `ReLU(Σₖ wₖ Aₖ)` with `w = softmaxₖ (1/n) Σᵢ y(cᵢ x ∘ Hₖ)` and
/// `cᵢ = Σ j/n` for `j` from 1 to `i`. `Hₖ` is the layer's map `Aₖ`, scaled to 0..=1,
/// `(A − min) / (max − min + 1e-8)`, and resized to the input's size with half-pixel centres; it multiplies
/// each channel of the normalised input `x`. `y` is the score of the class before the softmax. No gradient is
/// taken.
///
/// The network runs [`steps`](IsCam::steps) times for every channel of the layer, which takes long: give it a
/// [`budget`](IsCam::budget). The channels with the greatest mean activation come first; those that are not
/// reached weigh nothing.
///
/// Naidu et al. 2020, <https://arxiv.org/abs/2010.03023>; the sum that `cᵢ` is is torchcam's reading of it.
///
/// ```
/// use std::time::Duration;
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let some = IsCam::at("features.12").steps(2).budget(Duration::from_millis(200));
/// let heat = look.explain(&some)?; // of 512 channels, those that 0.2 s suffice for
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct IsCam {
    settings: Settings,
    steps: Option<usize>,
    work: LongWork,
}

shared_setters!(IsCam at a layer);
long_work!(IsCam);

impl IsCam {
    /// How many steps `n`: 10 unless set, as in torchcam.
    #[must_use]
    pub fn steps(&self, count: usize) -> Self {
        Self { steps: Some(count), ..self.clone() }
    }
}

impl Attribution for IsCam {
    fn name(&self) -> String {
        self.settings.named("IS-CAM")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let steps = self.steps.unwrap_or(10);
        if !(1..=MOST_STEPS).contains(&steps) {
            return Err(Error::Argument(format!(
                "the mean is of 1 to {MOST_STEPS} steps, not {steps}"
            )));
        }
        let at = self.settings.look_at(case)?;
        let input = case.input()?;
        let work = self.work.suiting(case, "input")?;
        let scores = score_channels(&at, "IS-CAM", &work, |photo, channels| {
            let one = input.f_narrow(0, photo as i64, 1).into_result()?;
            let hidden = masks(&at, photo, channels, &one)?.f_mul(&one).into_result()?;
            mean_scores(case, photo, steps, |step| {
                let factor = ((step + 1) * (step + 2)) as f64 / (2.0 * steps as f64);
                hidden.f_mul_scalar(factor).into_result()
            })
        })?;
        let contributions = weighted_by_softmax(&at, &scores)?;
        self.settings.at_layer(at, contributions)
    }
}
