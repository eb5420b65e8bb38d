//! How alike two maps are: rank correlation and structural similarity.

use super::spread::magnitudes;
use super::trial::Trial;
use crate::error::{Error, Result};
use crate::picture::Maps;

/// The side of the windows of [`ssim`], scikit-image's.
const WINDOW: usize = 7;

/// Spearman's rank correlation of the magnitudes of two maps of one size, −1 to 1; equal values have the mean of their
/// ranks. A map that is the same everywhere has no order, and is correlated with none: 0. scipy's `spearmanr`.
///
/// ```
/// use convlens::metric::rank_correlation;
/// use convlens::picture::Maps;
/// let map = |values: [f32; 4]| Maps::new(1, 2, 2, values.to_vec());
/// assert_eq!(rank_correlation(&map([0.1, 0.2, 0.3, 0.4])?, &map([1.0, 4.0, 9.0, 16.0])?)?, 1.0);
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// Maps of two sizes; values that are not finite.
pub fn rank_correlation(one: &Maps, other: &Maps) -> Result<f64> {
    check(one, other)?;
    Ok(ranked(one.values(), other.values()))
}

/// The structural similarity of the magnitudes of two maps of one size, each divided by its greatest, −1 to 1; 1 for equal
/// ones. The mean over windows of 7 × 7 pixels with sample covariances, `k₁ = 0.01` and `k₂ = 0.03`, of the range that
/// both have together. scikit-image's `structural_similarity`.
///
/// Wang et al. 2004, <https://doi.org/10.1109/TIP.2003.819861>.
///
/// ```
/// use convlens::metric::ssim;
/// use convlens::picture::Maps;
/// let map = Maps::new(1, 8, 8, (0..64).map(|i| i as f32).collect())?;
/// assert!((ssim(&map, &map)? - 1.0).abs() < 1e-12);
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// Maps of two sizes, or of less than 7 × 7 pixels; values that are not finite.
pub fn ssim(one: &Maps, other: &Maps) -> Result<f64> {
    check(one, other)?;
    let [height, width] = [one.height(), one.width()];
    if height.min(width) < WINDOW {
        return Err(Error::Shape(format!(
            "structural similarity looks at windows of {WINDOW} × {WINDOW} pixels, and the maps have {height} × {width}: \
             resize them first"
        )));
    }
    Ok(structural(&scaled(one.values()), &scaled(other.values()), [height, width]))
}

fn check(one: &Maps, other: &Maps) -> Result<()> {
    if [one.count(), other.count()] != [1, 1]
        || (one.height(), one.width()) != (other.height(), other.width())
    {
        return Err(Error::Shape(format!(
            "two maps of one size can be compared, not {} of {} × {} with {} of {} × {}: resize one of them",
            one.count(),
            one.height(),
            one.width(),
            other.count(),
            other.height(),
            other.width()
        )));
    }
    match one.values().iter().chain(other.values()).all(|value| value.is_finite()) {
        true => Ok(()),
        false => Err(Error::Argument("maps with NaN or infinite values cannot be compared".into())),
    }
}

/// A map as it is compared with others: of a trial, at the photo's size.
pub(super) struct Compared {
    values: Vec<f32>,
    size: [usize; 2],
}

impl Compared {
    pub(super) fn of(trial: &Trial, heat: &crate::attribution::Heatmap) -> Result<Compared> {
        let size = trial.size()?;
        Ok(Compared { values: heat.resized(size[0], size[1])?.values().to_vec(), size })
    }

    pub(super) fn rank_correlation(&self, other: &Compared) -> f64 {
        ranked(&self.values, &other.values)
    }

    /// Whether it is the same everywhere, and so shows nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.values.iter().all(|value| value.abs() == self.values[0].abs())
    }

    /// `None` of maps that are smaller than the windows, a row of numbers for instance.
    pub(super) fn ssim(&self, other: &Compared) -> Option<f64> {
        let fits = self.size.iter().all(|&side| side >= WINDOW);
        fits.then(|| structural(&scaled(&self.values), &scaled(&other.values), self.size))
    }
}

/// The magnitudes by the greatest of them.
fn scaled(values: &[f32]) -> Vec<f64> {
    magnitudes(values).unwrap_or_else(|| vec![0.0; values.len()])
}

fn ranked(one: &[f32], other: &[f32]) -> f64 {
    pearson(&ranks(one), &ranks(other)).unwrap_or(0.0)
}

/// Of the magnitudes, from 1 on; equal ones have the mean of theirs.
fn ranks(values: &[f32]) -> Vec<f64> {
    let size = |&at: &usize| values[at].abs();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| size(a).total_cmp(&size(b)));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|a, b| size(a) == size(b)) {
        let rank = before as f64 + (equal.len() + 1) as f64 / 2.0;
        equal.iter().for_each(|&at| ranks[at] = rank);
        before += equal.len();
    }
    ranks
}

/// Pearson's correlation; `None` where one of both is the same everywhere.
pub(super) fn pearson(one: &[f64], other: &[f64]) -> Option<f64> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (a, b) = (mean(one), mean(other));
    let mut sums = [0.0f64; 3];
    for (x, y) in one.iter().zip(other) {
        let (x, y) = (x - a, y - b);
        sums = [sums[0] + x * y, sums[1] + x * x, sums[2] + y * y];
    }
    let [both, one, other] = sums;
    (one > 0.0 && other > 0.0).then(|| (both / (one * other).sqrt()).clamp(-1.0, 1.0))
}

fn structural(one: &[f64], other: &[f64], [height, width]: [usize; 2]) -> f64 {
    let both = || one.iter().chain(other).copied();
    let range = both().fold(f64::NEG_INFINITY, f64::max) - both().fold(f64::INFINITY, f64::min);
    if range == 0.0 {
        return 1.0;
    }
    let [c1, c2] = [0.01, 0.03].map(|k: f64| (k * range).powi(2));
    let count = (WINDOW * WINDOW) as f64;
    let mut total = 0.0;
    for top in 0..=height - WINDOW {
        // Sums over the columns of the window, of which each next window loses one and gets one.
        let column = |x: usize| {
            let mut sums = [0.0; 5];
            for y in top..top + WINDOW {
                let (a, b) = (one[y * width + x], other[y * width + x]);
                for (sum, value) in sums.iter_mut().zip([a, b, a * a, b * b, a * b]) {
                    *sum += value;
                }
            }
            sums
        };
        let columns: Vec<[f64; 5]> = (0..width).map(column).collect();
        for window in columns.windows(WINDOW) {
            let mean = |i: usize| window.iter().map(|sums| sums[i]).sum::<f64>() / count;
            let (a, b) = (mean(0), mean(1));
            let sample = count / (count - 1.0);
            let [va, vb] = [sample * (mean(2) - a * a), sample * (mean(3) - b * b)];
            let cov = sample * (mean(4) - a * b);
            total +=
                (2.0 * a * b + c1) * (2.0 * cov + c2) / ((a * a + b * b + c1) * (va + vb + c2));
        }
    }
    total / ((height - WINDOW + 1) * (width - WINDOW + 1)) as f64
}
