//! KernelSHAP.

use tch::{Kind, Tensor};

use super::long_work::{LongWork, long_work};
use super::regression::{check_regression, design, fit, fit_remark};
use super::settings::{Settings, shared_setters};
use super::variants::{Draws, Parts, as_shares, check_count, draw_setters, part_setters};
use super::{Attribution, Case, Evidence, Meaning, Target};
use crate::error::Result;
use crate::tensor::{IntoResult, to_doubles};

/// KernelSHAP: Shapley values of the photo's segments by regression, the `φ` that make `y(∅) + Σₛ φₛ zₛ` nearest to the
/// scores `y(z)` of variants of the photo, by least squares, with `Σ φₛ = y − y(∅)` exactly. `zₛ` is 1 where a segment is
/// shown and 0 where the baseline stands in its place, `∅` the baseline alone, `y` the score of the class before the
/// softmax. Each pixel has its segment's value. Signed. No gradient is taken.
///
/// Of [`samples`](KernelShap::samples) variants, the number `k` of segments that are shown is drawn with the probability
/// of the Shapley kernel, `∝ 1 / (k (K − k))`, and every second shows what the one before it hides, which halves the
/// error. What so few samples do not tell is shared out evenly. A remark says how well the regression fits, `R²`.
///
/// captum's `KernelShap` puts a weight of a million on both ends where the values here fit exactly, and draws no pairs.
/// Segments are about 50 superpixels unless [`segments`](KernelShap::segments) says otherwise. Of a row of numbers, each
/// is one.
///
/// Lundberg and Lee 2017, <https://arxiv.org/abs/1705.07874>; pairs: Covert and Lee 2021,
/// <https://arxiv.org/abs/2012.01536>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let quick = KernelShap::default().class("tabby").segments(Slic::new(9)).samples(30);
/// let heat = look.explain(&quick)?;
/// println!("{:?}", heat.remarks()); // what the values sum to, and R²
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct KernelShap {
    settings: Settings,
    parts: Parts,
    samples: Option<usize>,
    seed: u64,
    work: LongWork,
}

shared_setters!(KernelShap);
part_setters!(KernelShap);
draw_setters!(
    KernelShap,
    samples,
    "How many variants of the photo run through the network: 500 unless set."
);
long_work!(KernelShap);

impl Attribution for KernelShap {
    fn name(&self) -> String {
        self.parts.named(&self.settings, "KernelSHAP", &[("samples", self.samples)])
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let samples = self.samples.unwrap_or(500);
        check_count("samples", samples, samples)?;
        let divided = self.parts.of(case)?;
        check_regression("KernelSHAP", samples, divided.most())?;
        let ends = divided.ends()?;
        let shown: Vec<Vec<Vec<bool>>> = (0..ends.len())
            .map(|photo| coalitions(self.seed, samples, divided.count(photo)))
            .collect();
        let (found, stopped) =
            divided.run(&self.work, ["KernelSHAP", "samples"], samples, |photo, step| {
                shown[photo].get(step).map(|shown| as_shares(shown))
            })?;
        let mut values = Vec::with_capacity(ends.len());
        let mut fits = Vec::with_capacity(ends.len());
        for (photo, [hidden, whole]) in ends.iter().copied().enumerate() {
            let scores: Vec<f64> = found[photo].iter().map(|score| score - hidden).collect();
            let shares = regression(
                &shown[photo][..scores.len()],
                &scores,
                whole - hidden,
                divided.count(photo),
            )?;
            fits.push(fit(&shown[photo], &scores, &vec![1.0; scores.len()], 0.0, &shares));
            values.push(shares);
        }
        let mut remarks = vec![divided.completeness(&values, &ends), fit_remark(&fits)];
        remarks.extend(stopped);
        divided.evidence(&self.settings, &values, Meaning::Signed, remarks)
    }
}

/// Which segments each sample shows: of one segment, there is nothing to draw.
fn coalitions(seed: u64, samples: usize, count: usize) -> Vec<Vec<bool>> {
    if count < 2 {
        return Vec::new();
    }
    let mut draws = Draws::new(seed);
    let weights: Vec<f64> = (1..count).map(|k| 1.0 / (k * (count - k)) as f64).collect();
    let total: f64 = weights.iter().sum();
    let mut shown: Vec<Vec<bool>> = Vec::with_capacity(samples + 1);
    while shown.len() < samples {
        let mut left = draws.share() * total;
        let beyond = |weight: &&f64| {
            left -= **weight;
            left >= 0.0
        };
        let size = (1 + weights.iter().take_while(beyond).count()).min(count - 1);
        let mut one = vec![false; count];
        draws.order(count)[..size].iter().for_each(|&segment| one[segment] = true);
        let other = one.iter().map(|shown| !shown).collect();
        shown.extend([one, other]);
    }
    shown.truncate(samples);
    shown
}

/// The `φ` of these samples that sum to `change`: with `φ = change / K + P ψ`, `P` the projection onto what sums to 0,
/// the shortest `ψ` of least squares.
fn regression(shown: &[Vec<bool>], scores: &[f64], change: f64, count: usize) -> Result<Vec<f64>> {
    let even = change / count as f64;
    if shown.is_empty() {
        return Ok(vec![even; count]);
    }
    let work = || {
        let z = design(shown)?;
        let sizes = z.f_sum_dim_intlist([1i64].as_slice(), true, None::<Kind>)?;
        let rest =
            Tensor::f_from_slice(scores)?.f_unsqueeze(1)?.f_sub(&sizes.f_mul_scalar(even)?)?;
        let centred = z.f_sub(&sizes.f_div_scalar(count as f64)?)?; // Z P
        let gram = centred.f_tr()?.f_matmul(&centred)?;
        let right = centred.f_tr()?.f_matmul(&rest)?;
        gram.f_linalg_pinv(1e-10, true)?.f_matmul(&right)?.f_add_scalar(even)
    };
    to_doubles(&work().into_result()?)
}
