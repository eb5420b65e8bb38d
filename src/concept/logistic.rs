//! Logistic regression where there are far fewer examples than values.

use tch::{Device, Kind, Tensor};

use crate::error::Result;
use crate::tensor::{IntoResult, to_doubles};

/// Newton's steps; about ten are needed.
const MOST_STEPS: usize = 200;

/// A plane between two groups: the least of `½ ‖w‖² + Σ log(1 + exp(−yᵢ (w xᵢ + b)))`, as scikit-learn's `LogisticRegression` with
/// `C = 1`, whose only minimum Newton's method finds to the last digits.
///
/// `w` is a sum of the examples, `Σ αᵢ xᵢ`, so that their products with each other, `gram`, row by row, are all that has to be
/// known. `labels` are 1 and −1. Returns `α` and `b`.
pub(super) fn separate(gram: &[f64], labels: &[f64]) -> Result<(Vec<f64>, f64)> {
    let n = labels.len();
    let mut at = vec![0.0; n + 1];
    let (mut loss, _) = state(gram, labels, &at);
    for _ in 0..MOST_STEPS {
        let step = newton(gram, labels, &at)?;
        // Halved until it leads down: far from the minimum, a whole one can overshoot.
        let mut share = 1.0;
        let (next, less) = loop {
            let next: Vec<f64> = at.iter().zip(&step).map(|(a, s)| a - share * s).collect();
            let (found, _) = state(gram, labels, &next);
            // Near the minimum, rounding is all that is left of the difference.
            if found <= loss + 1e-12 * loss || share < 1e-6 {
                break (next, found);
            }
            share /= 2.0;
        };
        let moved = next.iter().zip(&at).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let size = next.iter().map(|v| v.abs()).fold(0.0, f64::max);
        (at, loss) = (next, less);
        if moved <= 1e-13 * size {
            break;
        }
    }
    let bias = at.pop().unwrap_or_default();
    Ok((at, bias))
}

/// The loss, and for each example `α`'s best value by the slope of its logistic term, `yᵢ σ(−yᵢ fᵢ)`.
fn state(gram: &[f64], labels: &[f64], at: &[f64]) -> (f64, Vec<f64>) {
    let n = labels.len();
    let (alpha, bias) = (&at[..n], at[n]);
    let (mut loss, mut pulls) = (0.0, Vec::with_capacity(n));
    for ((row, label), own) in gram.chunks_exact(n).zip(labels).zip(alpha) {
        let product: f64 = row.iter().zip(alpha).map(|(k, a)| k * a).sum();
        let margin = label * (product + bias);
        loss += 0.5 * own * product + (-margin.abs()).exp().ln_1p() + (-margin).max(0.0);
        pulls.push(label / (1.0 + margin.exp()));
    }
    (loss, pulls)
}

/// The step of Newton's method for `α − pull(α, b) = 0` and `Σ α = 0`, which is where the loss is least.
fn newton(gram: &[f64], labels: &[f64], at: &[f64]) -> Result<Vec<f64>> {
    let n = labels.len();
    let (_, pulls) = state(gram, labels, at);
    let mut matrix = vec![0.0; (n + 1) * (n + 1)];
    let mut errors = Vec::with_capacity(n + 1);
    for i in 0..n {
        let share = pulls[i].abs();
        let curvature = share * (1.0 - share);
        let row = &mut matrix[i * (n + 1)..][..n + 1];
        row.iter_mut().zip(&gram[i * n..][..n]).for_each(|(m, k)| *m = curvature * k);
        row[i] += 1.0;
        row[n] = curvature;
        errors.push(at[i] - pulls[i]);
    }
    matrix[n * (n + 1)..][..n].fill(1.0);
    errors.push(at[..n].iter().sum());
    let side = n as i64 + 1;
    let solved = Tensor::f_from_slice(&errors)
        .and_then(|b| b.f_reshape([side, 1]))
        .and_then(|b| {
            let matrix = Tensor::f_from_slice(&matrix)?.f_reshape([side, side])?;
            Tensor::f_linalg_solve(&matrix, &b, true)
        })
        .into_result()?;
    to_doubles(&solved)
}

/// The products of rows, `[n, values]`, with each other, row by row.
pub(super) fn products(rows: &Tensor) -> Result<Vec<f64>> {
    let work = || {
        let rows = rows.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
        rows.f_matmul(&rows.f_transpose(0, 1)?)
    };
    to_doubles(&work().into_result()?)
}

/// The share of examples that a plane, learnt from the others, puts on the right side: of each group every third is held out
/// in turn. The examples of the first group come first.
pub(super) fn held_out_accuracy(gram: &[f64], labels: &[f64]) -> Result<f64> {
    let n = labels.len();
    let mut places = [0usize; 2];
    let fold: Vec<usize> = labels
        .iter()
        .map(|label| {
            let place = &mut places[usize::from(*label > 0.0)];
            *place += 1;
            (*place - 1) % 3
        })
        .collect();
    let mut right = 0;
    for held in 0..3 {
        let kept: Vec<usize> = (0..n).filter(|&i| fold[i] != held).collect();
        let inner: Vec<f64> =
            kept.iter().flat_map(|&i| kept.iter().map(move |&j| gram[i * n + j])).collect();
        let known: Vec<f64> = kept.iter().map(|&i| labels[i]).collect();
        let (alpha, bias) = separate(&inner, &known)?;
        for i in (0..n).filter(|&i| fold[i] == held) {
            let score: f64 = kept.iter().zip(&alpha).map(|(&j, a)| gram[i * n + j] * a).sum();
            right += usize::from((score + bias > 0.0) == (labels[i] > 0.0));
        }
    }
    Ok(right as f64 / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_points_are_parted_halfway() {
        // x = ±2 with w = 2 a · 2: at the minimum, a = σ(−w · 2).
        let (alpha, bias) = separate(&[4.0, -4.0, -4.0, 4.0], &[1.0, -1.0]).expect("a plane");
        let a = alpha[0];
        assert!(bias.abs() < 1e-12 && (alpha[1] + a).abs() < 1e-12);
        assert!((a - 1.0 / (1.0 + (8.0 * a).exp())).abs() < 1e-12, "{a}");
    }

    #[test]
    fn what_cannot_be_told_apart_is_guessed() {
        let labels = [1.0, 1.0, 1.0, -1.0, -1.0, -1.0];
        assert!(held_out_accuracy(&[1.0; 36], &labels).expect("a share") <= 0.5);
    }
}
