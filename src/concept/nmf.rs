//! Non-negative matrix factorisation: each row of a table as a sum of a few parts.

use tch::{Kind, Tensor};

use crate::error::Result;
use crate::tensor::{IntoResult, to_doubles};

/// Passes over all values, unless fewer suffice.
const MOST_PASSES: usize = 200;
/// It ends where a pass has this share of what the first one had to improve.
const SETTLED: f64 = 1e-4;
/// What a caption says where it was stopped before that.
pub(super) const UNSETTLED: &str = "; the factors were still changing when the work was stopped";
/// Less than this is 0 at the start.
const NOTHING: f64 = 1e-6;

/// `X ≈ W H` with nothing negative, by coordinate descent from a start that follows from `X` alone, as scikit-learn's `NMF`
/// has it: the least of `½ ‖X − W H‖² + ½ α (m ‖W‖² + n ‖H‖²)` for `X` of `n` rows and `m` columns.
///
/// The start is NNDSVDa (Boutsidis and Gallopoulos 2008) from the whole singular value decomposition; scikit-learn's is
/// from a random sample of it. The descent is Cichocki and Phan's (2009).
#[derive(Clone, Copy)]
pub(super) struct Nmf {
    pub(super) parts: usize,
    /// `α`
    pub(super) penalty: f64,
}

/// What is found, row by row.
pub(super) struct Factors {
    /// `W`, `[rows, parts]`.
    pub(super) amounts: Vec<f64>,
    /// `H` transposed, `[columns, parts]`.
    pub(super) parts: Vec<f64>,
    /// Whether it ended before it was stopped.
    pub(super) settled: bool,
}

impl Nmf {
    /// The factors of `x`, `[rows, columns]` in double precision, none of them negative, at least as many of each as there
    /// are parts.
    pub(super) fn fit(&self, x: &Tensor) -> Result<Factors> {
        let [rows, columns] = [x.size()[0] as f64, x.size()[1] as f64];
        let transposed = x.f_transpose(0, 1).into_result()?;
        let (mut amounts, mut parts) = self.start(x)?;
        let (mut first, mut settled) = (None, false);
        for _ in 0..MOST_PASSES {
            let mut left = self.pass(&mut amounts, &parts, x, self.penalty * columns)?;
            left += self.pass(&mut parts, &amounts, &transposed, self.penalty * rows)?;
            let first = *first.get_or_insert(left);
            settled = left <= SETTLED * first;
            if settled {
                break;
            }
        }
        Ok(Factors { amounts, parts, settled })
    }

    fn pass(&self, of: &mut [f64], others: &[f64], x: &Tensor, penalty: f64) -> Result<f64> {
        let against = self.against(x, others)?;
        Ok(improve(of, &self.gram(others, penalty), &against))
    }

    /// `X Hᵀ`, `[rows, parts]`, all that the amounts of rows depend on.
    pub(super) fn against(&self, x: &Tensor, parts: &[f64]) -> Result<Vec<f64>> {
        let parts = Tensor::f_from_slice(parts)
            .and_then(|t| t.f_reshape([-1, self.parts as i64]))
            .into_result()?;
        to_doubles(&x.f_matmul(&parts).into_result()?)
    }

    /// `H Hᵀ` with the penalty on its diagonal.
    fn gram(&self, others: &[f64], penalty: f64) -> Vec<f64> {
        let k = self.parts;
        let mut gram = vec![0.0; k * k];
        for row in others.chunks_exact(k) {
            for (i, a) in row.iter().enumerate() {
                for (sum, b) in gram[i * k..].iter_mut().zip(row) {
                    *sum += a * b;
                }
            }
        }
        (0..k).for_each(|i| gram[i * k + i] += penalty);
        gram
    }

    /// How much of known parts other rows have, `[rows, parts]`, from `X Hᵀ`.
    pub(super) fn amounts(&self, against: &[f64], parts: &[f64]) -> Vec<f64> {
        let columns = parts.len() / self.parts.max(1);
        let gram = self.gram(parts, self.penalty * columns as f64);
        let mut amounts = vec![0.0; against.len()];
        let mut first = None;
        for _ in 0..MOST_PASSES {
            let left = improve(&mut amounts, &gram, against);
            if left <= SETTLED * *first.get_or_insert(left) {
                break;
            }
        }
        amounts
    }

    /// Of each pair of singular vectors what is positive, or, where that is more, what is negative; the mean of `x` in the
    /// place of zeros.
    fn start(&self, x: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
        let k = self.parts;
        let (u, s, v) = x.f_svd(true, true).into_result()?;
        let (u, v) = (columns_of(&u, k)?, columns_of(&v, k)?);
        let sizes = to_doubles(&s)?;
        let mean = x.f_mean(Kind::Double).into_result()?.double_value(&[]);
        let mut starts = [vec![0.0; u[0].len() * k], vec![0.0; v[0].len() * k]];
        for (part, (left, right)) in u.iter().zip(&v).enumerate() {
            let size = sizes[part];
            let [left, right] = if part == 0 {
                [left, right]
                    .map(|side| side.iter().map(|value| value.abs() * size.sqrt()).collect())
            } else {
                larger_side(left, right, size)
            };
            for (start, side) in starts.iter_mut().zip([left, right]) {
                let places = start.iter_mut().skip(part).step_by(k);
                places.zip(side).for_each(|(place, value)| *place = value);
            }
        }
        for value in starts.iter_mut().flatten() {
            *value = if *value < NOTHING { mean } else { *value };
        }
        Ok(starts.into())
    }
}

/// One pass of coordinate descent over `[rows, parts]`, each value to its best while all others stay; the sum of the slopes
/// that there were.
fn improve(amounts: &mut [f64], gram: &[f64], against: &[f64]) -> f64 {
    let k = gram.len().isqrt();
    let mut left = 0.0;
    for (row, against) in amounts.chunks_exact_mut(k).zip(against.chunks_exact(k)) {
        for part in 0..k {
            let products = gram[part * k..][..k].iter().zip(row.iter());
            let slope = products.fold(-against[part], |sum, (g, amount)| sum + g * amount);
            left += if row[part] == 0.0 { slope.min(0.0) } else { slope }.abs();
            let curvature = gram[part * k + part];
            if curvature != 0.0 {
                row[part] = (row[part] - slope / curvature).max(0.0);
            }
        }
    }
    left
}

/// The first columns of a matrix.
fn columns_of(matrix: &Tensor, count: usize) -> Result<Vec<Vec<f64>>> {
    (0..count as i64).map(|i| to_doubles(&matrix.f_select(1, i).into_result()?)).collect()
}

fn larger_side(left: &[f64], right: &[f64], size: f64) -> [Vec<f64>; 2] {
    let side = |values: &[f64], sign: f64| -> Vec<f64> {
        values.iter().map(|value| (sign * value).max(0.0)).collect()
    };
    let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let [positive, negative] = [1.0, -1.0].map(|sign| [side(left, sign), side(right, sign)]);
    let product = |sides: &[Vec<f64>; 2]| norm(&sides[0]) * norm(&sides[1]);
    let (p, n) = (product(&positive), product(&negative));
    let (sides, share) = if p > n { (positive, p) } else { (negative, n) };
    sides.map(|values| {
        // Nothing on one side is nothing on the other, too.
        let scale = (size * share).sqrt() / norm(&values).max(f64::MIN_POSITIVE);
        values.into_iter().map(|value| if share > 0.0 { value * scale } else { 0.0 }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: i64, columns: i64, value: impl Fn(f64, f64) -> f64) -> Tensor {
        let at = |i: i64| value((i / columns) as f64, (i % columns) as f64);
        let values: Vec<f64> = (0..rows * columns).map(at).collect();
        Tensor::from_slice(&values).reshape([rows, columns])
    }

    #[test]
    fn what_is_made_of_two_parts_is_taken_apart_into_them() {
        let x = table(12, 9, |y, x| if x < 4.0 { y * (1.0 + x) } else { (11.0 - y) * x });
        let nmf = Nmf { parts: 2, penalty: 0.0 };
        let found = nmf.fit(&x).expect("factors");
        assert!(found.settled);
        let (w, h) = (Tensor::from_slice(&found.amounts), Tensor::from_slice(&found.parts));
        let made = w.reshape([12, 2]).matmul(&h.reshape([9, 2]).tr());
        let off = f64::try_from((made - &x).abs().max()).expect("a number");
        // Of values up to 88.
        assert!(off < 0.5, "{off}");
        // Each part has columns of its own.
        for column in found.parts.chunks(2) {
            let (less, more) = (column[0].min(column[1]), column[0].max(column[1]));
            assert!(less < 0.02 * more, "{:?}", found.parts);
        }
        // The amounts of the same rows, from the parts alone.
        let again = nmf.amounts(&nmf.against(&x, &found.parts).expect("products"), &found.parts);
        let greatest = found.amounts.iter().copied().fold(0.0, f64::max);
        for (a, b) in again.iter().zip(&found.amounts) {
            assert!((a - b).abs() < 0.01 * greatest, "{a} for {b}");
        }
    }

    #[test]
    fn zeros_and_what_has_fewer_parts_give_numbers() {
        for x in [table(4, 5, |_, _| 0.0), table(4, 5, |y, x| (1.0 + y) * (1.0 + x))] {
            let found = Nmf { parts: 3, penalty: 0.01 }.fit(&x).expect("factors");
            assert!(found.amounts.iter().chain(&found.parts).all(|v| v.is_finite() && *v >= 0.0));
        }
    }
}
