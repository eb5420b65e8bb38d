//! Feature ablation.

use super::long_work::{LongWork, long_work};
use super::settings::{Settings, shared_setters};
use super::variants::{Draws, Parts, part_setters};
use super::{Attribution, Case, Evidence, Meaning, Target};
use crate::error::Result;

/// Feature ablation: how much of the score is lost without a segment of the photo, `y − y₋ₛ`, with `y` the score of the
/// class before the softmax and `y₋ₛ` that score with the baseline in the place of segment `s`. Each pixel has its
/// segment's value. Positive: what lies there speaks for the class; negative: against it. No gradient is taken.
///
/// Segments are about 50 superpixels unless [`segments`](FeatureAblation::segments) says otherwise; the network runs once
/// for each. Of a row of numbers, each is one. It is captum's `FeatureAblation` with its `feature_mask`.
///
/// Zeiler and Fergus 2014, <https://arxiv.org/abs/1311.2901>, do it with squares:
/// [`Occlusion`](super::Occlusion).
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&FeatureAblation::default().class("tabby").segments(Slic::new(12)))?;
/// let lost = heat.by_segment().unwrap_or_default(); // one value a superpixel
/// assert_eq!(heat.segments().map(Segments::count), Some(lost.len()));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct FeatureAblation {
    settings: Settings,
    parts: Parts,
    work: LongWork,
}

shared_setters!(FeatureAblation);
part_setters!(FeatureAblation);
long_work!(FeatureAblation);

impl Attribution for FeatureAblation {
    fn name(&self) -> String {
        self.parts.named(&self.settings, "Feature ablation", &[])
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let divided = self.parts.of(case)?;
        let whole = case.scores()?;
        // From everywhere in turn, so that those that are reached in time do not all lie at the top.
        let orders: Vec<Vec<usize>> =
            (0..whole.len()).map(|photo| Draws::new(0).order(divided.count(photo))).collect();
        let what = ["Feature ablation", "segments"];
        let (found, stopped) = divided.run(&self.work, what, divided.most(), |photo, step| {
            let hidden = *orders[photo].get(step)?;
            let mut shown = vec![1.0; divided.count(photo)];
            shown[hidden] = 0.0;
            Some(shown)
        })?;
        let mut lost = Vec::with_capacity(whole.len());
        for ((whole, order), scores) in whole.iter().zip(&orders).zip(&found) {
            let mut values = vec![0.0; order.len()];
            for (&segment, score) in order.iter().zip(scores) {
                values[segment] = whole - score;
            }
            lost.push(values);
        }
        let remarks = stopped.map(|stopped| format!("{stopped}; the others are 0"));
        divided.evidence(&self.settings, &lost, Meaning::Signed, remarks.into_iter().collect())
    }
}
