//! SS-CAM.

use super::channels::{masks, mean_scores, score_channels, weighted_by_softmax};
use super::long_work::{LongWork, long_work};
use super::noise::{Noise, sample_setters};
use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Target};
use crate::error::Result;
use crate::model::Init;
use crate::tensor::IntoResult;

/// SS-CAM, smoothed Score-CAM: `ReLU(Σₖ wₖ Aₖ)` with `w = softmaxₖ (1/n) Σᵢ y(x ∘ (Hₖ + N(0, σ²)))`. `Hₖ` is
/// the layer's map `Aₖ`, scaled to 0..=1, `(A − min) / (max − min + 1e-8)`, and resized to the input's size
/// with half-pixel centres; it and its noise multiply each channel of the normalised input `x`. `y` is the
/// score of the class before the softmax. No gradient is taken.
///
/// The network runs [`samples`](SsCam::samples) times for every channel of the layer, which takes long: give
/// it a [`budget`](SsCam::budget). The channels with the greatest mean activation come first; those that are
/// not reached weigh nothing. The i-th noise is the same for all channels, so that these differ in nothing
/// else.
///
/// Wang et al. 2020, <https://arxiv.org/abs/2006.14255>.
///
/// ```
/// use std::time::Duration;
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let some = SsCam::at("features.12").samples(2).budget(Duration::from_millis(200));
/// let heat = look.explain(&some)?; // of 512 channels, those that 0.2 s suffice for
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SsCam {
    settings: Settings,
    noise: Noise,
    work: LongWork,
}

impl Default for SsCam {
    /// torchcam's settings.
    fn default() -> Self {
        let noise = Noise { share: 2.0, samples: 35, seed: 0 };
        SsCam { settings: Settings::default(), noise, work: LongWork::default() }
    }
}

shared_setters!(SsCam at a layer);
sample_setters!([] SsCam, "35");
long_work!(SsCam);

impl SsCam {
    /// The noise's standard deviation `σ`, where the maps go from 0 to 1: 2 unless set.
    #[must_use]
    pub fn noise(&self, deviation: f64) -> Self {
        let mut changed = self.clone();
        changed.noise.share = deviation;
        changed
    }
}

impl Attribution for SsCam {
    fn name(&self) -> String {
        self.settings.named("SS-CAM")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        self.noise.check()?;
        let at = self.settings.look_at(case)?;
        let input = case.input()?;
        let work = self.work.suiting(case, "input")?;
        let scores = score_channels(&at, "SS-CAM", &work, |photo, channels| {
            let one = input.f_narrow(0, photo as i64, 1).into_result()?;
            let masks = masks(&at, photo, channels, &one)?;
            let size = [1, 1, one.size()[2], one.size()[3]];
            let mut random = self.noise.random();
            mean_scores(case, photo, self.noise.samples, |_| {
                let noise = Init::Normal(self.noise.share).tensor(&size, &mut random)?;
                let noisy = noise.f_to_device(one.device()).and_then(|noise| masks.f_add(&noise));
                noisy.and_then(|masks| masks.f_mul(&one)).into_result()
            })
        })?;
        let contributions = weighted_by_softmax(&at, &scores)?;
        self.settings.at_layer(at, contributions)
    }
}
