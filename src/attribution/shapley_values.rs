//! Shapley values.

use super::long_work::{LongWork, long_work};
use super::settings::{Settings, shared_setters};
use super::variants::{Draws, Parts, check_count, draw_setters, part_setters};
use super::{Attribution, Case, Evidence, Meaning, Target};
use crate::error::Result;

/// Shapley values of the photo's segments: what a segment adds to the score when it joins others, on average over the
/// orders in which they may come, `φₛ = 1/P Σ y(before s and s) − y(before s)`. `y` is the score of the class before the
/// softmax; what is not there yet is the baseline. Each pixel has its segment's value. Signed. No gradient is taken.
///
/// The values of the segments sum to `y` less the score of the baseline, exactly: whatever is left out, something else
/// has. The mean is over [`permutations`](ShapleyValues::permutations) of all segments, each of which takes as many
/// forward passes as there are segments, less one. It is captum's `ShapleyValueSampling` with its `feature_mask`;
/// [`KernelShap`](super::KernelShap) finds nearly the same with fewer passes.
///
/// Segments are about 50 superpixels unless [`segments`](ShapleyValues::segments) says otherwise. Of a row of numbers,
/// each is one.
///
/// Castro et al. 2009, <https://doi.org/10.1016/j.cor.2008.04.004>; Štrumbelj and Kononenko 2010.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let quick = ShapleyValues::default().class("tabby").segments(Segmentation::grid(3, 3)).permutations(4);
/// println!("{}", look.explain(&quick)?.remarks()[0]); // what the values sum to
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ShapleyValues {
    settings: Settings,
    parts: Parts,
    permutations: Option<usize>,
    seed: u64,
    work: LongWork,
}

shared_setters!(ShapleyValues);
part_setters!(ShapleyValues);
draw_setters!(
    ShapleyValues,
    permutations,
    "How many orders of all segments the mean is over: 25 unless set."
);
long_work!(ShapleyValues);

impl Attribution for ShapleyValues {
    fn name(&self) -> String {
        self.parts.named(&self.settings, "Shapley values", &[("permutations", self.permutations)])
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let permutations = self.permutations.unwrap_or(25);
        let divided = self.parts.of(case)?;
        check_count("permutations", permutations, permutations.saturating_mul(divided.most()))?;
        let ends = divided.ends()?;
        // The last segment to come makes the photo whole, of which the score is known.
        let passes = |photo: usize| divided.count(photo).saturating_sub(1);
        let orders = |photo: usize| {
            let (mut draws, count) = (Draws::new(self.seed), divided.count(photo));
            (0..permutations).map(move |_| draws.order(count))
        };
        let orders: Vec<Vec<Vec<usize>>> =
            (0..ends.len()).map(|photo| orders(photo).collect()).collect();
        let steps = permutations * divided.most().saturating_sub(1);
        let (found, stopped) =
            divided.run(&self.work, ["Shapley values", "steps"], steps, |photo, step| {
                let passes = passes(photo);
                let order = orders[photo].get(step.checked_div(passes)?)?;
                let mut shown = vec![0.0; order.len()];
                order[..=step % passes].iter().for_each(|&segment| shown[segment] = 1.0);
                Some(shown)
            })?;
        let mut values = Vec::with_capacity(ends.len());
        for (photo, [hidden, whole]) in ends.iter().copied().enumerate() {
            let (count, passes) = (divided.count(photo), passes(photo));
            let mut sums = vec![(0f64, 0usize); count];
            let mut add = |segment: usize, gain: f64| {
                sums[segment].0 += gain;
                sums[segment].1 += 1;
            };
            for (i, order) in orders[photo].iter().enumerate() {
                let start = (i * passes).min(found[photo].len());
                let scores = &found[photo][start..(start + passes).min(found[photo].len())];
                let mut before = hidden;
                for (&segment, &score) in order.iter().zip(scores) {
                    add(segment, score - before);
                    before = score;
                }
                if scores.len() == passes {
                    order.last().iter().for_each(|&&segment| add(segment, whole - before));
                }
            }
            values.push(sums.iter().map(|&(sum, times)| sum / times.max(1) as f64).collect());
        }
        let mut remarks = vec![divided.completeness(&values, &ends)];
        remarks.extend(stopped.map(|stopped| {
            format!("{stopped}; segments that did not come are 0, and the sum is not complete")
        }));
        divided.evidence(&self.settings, &values, Meaning::Signed, remarks)
    }
}
