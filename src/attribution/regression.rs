//! What regressions of the score on which segments are shown have in common.

use tch::{TchError, Tensor};

use crate::error::Result;
use crate::memory;

/// Refuses a regression with so many samples of so many segments where memory does not suffice.
pub(super) fn check_regression(method: &str, samples: usize, segments: usize) -> Result<()> {
    let (samples, segments) = (samples as u64, segments as u64);
    // What is shown of each sample in single and double precision, and a few square matrices.
    let bytes = samples.saturating_mul(segments).saturating_mul(24);
    let bytes = bytes.saturating_add(segments.saturating_mul(segments).saturating_mul(48));
    memory::check(
        &format!("{method} of {samples} samples of {segments} segments"),
        bytes,
        "take fewer segments or samples",
    )
}

/// Which segments each sample shows, as 1 and 0, `[samples, segments]`, in double precision.
pub(super) fn design(shown: &[Vec<bool>]) -> Result<Tensor, TchError> {
    let rows: Vec<f64> = shown.iter().flatten().map(|&shown| f64::from(u8::from(shown))).collect();
    Tensor::f_from_slice(&rows)?.f_reshape([shown.len() as i64, -1])
}

/// `R²` of a regression, `1 − Σ w (y − ŷ)² / Σ w (y − ȳ)²`; `None` where all scores are the same.
pub(super) fn fit(
    shown: &[Vec<bool>],
    scores: &[f64],
    weights: &[f64],
    intercept: f64,
    values: &[f64],
) -> Option<f64> {
    let total: f64 = weights.iter().sum();
    let mean =
        scores.iter().zip(weights).map(|(score, weight)| score * weight).sum::<f64>() / total;
    let (mut missed, mut spread) = (0.0, 0.0);
    for ((shown, score), weight) in shown.iter().zip(scores).zip(weights) {
        let shown = shown.iter().zip(values).filter(|(shown, _)| **shown);
        let expected: f64 = intercept + shown.map(|(_, value)| value).sum::<f64>();
        missed += weight * (score - expected).powi(2);
        spread += weight * (score - mean).powi(2);
    }
    (spread > 0.0).then(|| 1.0 - missed / spread)
}

/// How well regressions fit: the worst of a batch.
pub(super) fn fit_remark(fits: &[Option<f64>]) -> String {
    let least = fits.iter().flatten().copied().reduce(f64::min);
    let which = if fits.len() > 1 { "of the photo where it fits least, " } else { "" };
    match least {
        Some(least) => format!("{which}R² of the regression is {least:.3}"),
        None => "every sample has the same score: there is nothing to fit".into(),
    }
}
