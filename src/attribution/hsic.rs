//! HSIC indices.

use super::long_work::{LongWork, long_work};
use super::settings::{Settings, shared_setters};
use super::sobol::sobol_points;
use super::variants::{Parts, as_shares, check_count, part_setters};
use super::{Attribution, Case, Evidence, Meaning, Target};
use crate::error::Result;
use crate::memory;

/// HSIC indices, from the Hilbert-Schmidt independence criterion: how much the score depends on whether a segment is
/// shown, `Iₛ = tr(H Kₛ H L) / N` over variants of the photo, with `H = 1 − 11ᵀ/N`, the kernel of the segment `Kᵢⱼ = ½ + 1`
/// where variants `i` and `j` both show or both hide it and ½ otherwise, and that of the score `Lᵢⱼ = exp(−(yᵢ − yⱼ)² / 2 σ²)`.
/// `σ` is the median of the scores, and `y` the score of the class before the softmax. Which segments a variant shows is the
/// points of a Sobol sequence, rounded; what it hides is the baseline. Each pixel has its segment's index. Never negative: it
/// says how much a segment matters, and not whether for or against. No gradient is taken.
///
/// The network runs 500 times unless [`samples`](Hsic::samples) says otherwise, however many segments there are: fewer
/// than [`Sobol`](super::Sobol) needs. It is xplique's `HsicAttributionMethod` with its `ScipySobolSequence`.
///
/// Segments are about 50 superpixels unless [`segments`](Hsic::segments) says otherwise. Of a row of numbers, each is one.
///
/// Novello et al. 2022, <https://arxiv.org/abs/2206.06219>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&Hsic::default().class("tabby").segments(Segmentation::grid(4, 4)).samples(40))?;
/// assert_eq!(heat.by_segment().map(|indices| indices.len()), Some(16));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Hsic {
    settings: Settings,
    parts: Parts,
    samples: Option<usize>,
    work: LongWork,
}

shared_setters!(Hsic);
part_setters!(Hsic);
long_work!(Hsic);

impl Hsic {
    /// How many variants of the photo run through the network: 500 unless set.
    #[must_use]
    pub fn samples(&self, count: usize) -> Self {
        Self { samples: Some(count), ..self.clone() }
    }
}

impl Attribution for Hsic {
    fn name(&self) -> String {
        self.parts.named(&self.settings, "HSIC indices", &[("samples", self.samples)])
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let samples = self.samples.unwrap_or(500);
        check_count("samples", samples, samples)?;
        let divided = self.parts.of(case)?;
        let each = 8 * (samples as u64 + divided.most() as u64);
        let bytes = each.saturating_mul(samples as u64);
        memory::check(&format!("HSIC indices of {samples} samples"), bytes, "take fewer samples")?;
        let shown = (0..case.count()).map(|photo| -> Result<Vec<Vec<bool>>> {
            let points = sobol_points(divided.count(photo), samples)?;
            Ok(points
                .iter()
                .map(|point| point.iter().map(|&share| share > 0.5).collect())
                .collect())
        });
        let shown = shown.collect::<Result<Vec<_>>>()?;
        let (found, stopped) =
            divided.run(&self.work, ["HSIC indices", "samples"], samples, |photo, step| {
                shown[photo].get(step).map(|shown| as_shares(shown))
            })?;
        let indices: Vec<Vec<f64>> = found
            .iter()
            .zip(&shown)
            .enumerate()
            .map(|(photo, (scores, shown))| {
                indices(&shown[..scores.len()], scores, divided.count(photo))
            })
            .collect();
        divided.evidence(&self.settings, &indices, Meaning::Positive, stopped.into_iter().collect())
    }
}

/// With `s` a segment's column of ±1 less its mean, `tr(H K H L) = ½ sᵀ L s`: `K` is a constant and half of the product
/// of the columns.
fn indices(shown: &[Vec<bool>], scores: &[f64], count: usize) -> Vec<f64> {
    let n = scores.len();
    let width = median(scores);
    let alike = |a: f64, b: f64| match width {
        // Without a width, only the same is alike.
        0.0 => f64::from(u8::from(a == b)),
        width => (-(a - b).powi(2) / (2.0 * width * width)).exp(),
    };
    let kernel: Vec<f64> =
        scores.iter().flat_map(|&a| scores.iter().map(move |&b| alike(a, b))).collect();
    (0..count)
        .map(|segment| {
            let column: Vec<f64> =
                shown.iter().map(|shown| if shown[segment] { 1.0 } else { -1.0 }).collect();
            let mean = column.iter().sum::<f64>() / n as f64;
            let column: Vec<f64> = column.iter().map(|value| value - mean).collect();
            let dot = |row: &[f64]| row.iter().zip(&column).map(|(a, b)| a * b).sum::<f64>();
            let sum: f64 =
                kernel.chunks_exact(n).zip(&column).map(|(row, value)| value * dot(row)).sum();
            0.5 * sum / n as f64
        })
        .collect()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_trace_of_the_centred_kernels() {
        let shown = [[true, false], [false, false], [true, true], [false, true], [true, true]]
            .map(Vec::from);
        let scores = [1.0, 0.2, 1.4, 0.1, 1.1];
        let n = scores.len();
        let (width, found) = (median(&scores), indices(&shown, &scores, 2));
        assert_eq!(width, 1.0);
        let centred = |kernel: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
            let row = |i: usize| (0..n).map(|k| kernel(i, k)).sum::<f64>() / n as f64;
            let all = (0..n).map(row).sum::<f64>() / n as f64;
            (0..n * n).map(|at| kernel(at / n, at % n) - row(at / n) - row(at % n) + all).collect()
        };
        let l = centred(&|i, j| (-(scores[i] - scores[j]).powi(2) / 2.0).exp());
        for (segment, found) in found.iter().enumerate() {
            let k = centred(&|i, j| if shown[i][segment] == shown[j][segment] { 1.5 } else { 0.5 });
            let trace: f64 = k.iter().zip(&l).map(|(k, l)| k * l).sum();
            assert!((found - trace / n as f64).abs() < 1e-12, "{found} {trace}");
        }
        assert_eq!(median(&[3.0, 1.0, 2.0, 4.0]), 2.5);
        assert!(indices(&shown, &[0.0; 5], 2).iter().all(|index| index.abs() < 1e-12));
    }
}
