//! The product of a vector and a matrix, without the rows that the vector has zeros for.

use crate::threads;

/// `Σ factor · row` over the rows of the matrix whose factor is not 0, each thread some of the `columns`.
/// A row without a factor, or a factor without a row, counts for nothing.
pub fn weighted_rows(factors: &[f32], matrix: &[f32], columns: usize, threads: usize) -> Vec<f32> {
    let rows: Vec<(f32, &[f32])> = factors
        .iter()
        .copied()
        .zip(matrix.chunks_exact(columns.max(1)))
        .filter(|(factor, _)| *factor != 0.0)
        .collect();
    let mut sum = vec![0.0; columns];
    let each = columns.div_ceil(threads.max(1)).max(1);
    let parts = sum.chunks_mut(each).enumerate();
    threads::for_each(threads, parts, |(i, sum)| add_rows(sum, &rows, i * each));
    sum
}

/// Four rows at a time, so that the sum is written a quarter as often.
fn add_rows(sum: &mut [f32], rows: &[(f32, &[f32])], from: usize) {
    let to = from + sum.len();
    let (fours, rest) = rows.as_chunks::<4>();
    for [a, b, c, d] in fours {
        let values = a.1[from..to].iter().zip(&b.1[from..to]);
        let values = values.zip(c.1[from..to].iter().zip(&d.1[from..to]));
        for (sum, ((w, x), (y, z))) in sum.iter_mut().zip(values) {
            *sum += a.0 * w + b.0 * x + c.0 * y + d.0 * z;
        }
    }
    for row in rest {
        for (sum, value) in sum.iter_mut().zip(&row.1[from..to]) {
            *sum += row.0 * value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_product_in_any_number_of_threads() {
        let (rows, columns) = (7, 11);
        let matrix: Vec<f32> = (0..rows * columns).map(|i| (i % 13) as f32 - 6.0).collect();
        let factors = [1.0, 0.0, -2.0, 3.0, 0.0, 4.0, -1.0];
        let product: Vec<f32> = (0..columns)
            .map(|column| {
                let terms = factors.iter().enumerate();
                terms.map(|(row, factor)| factor * matrix[row * columns + column]).sum()
            })
            .collect();
        for threads in [0, 1, 2, 5, 40] {
            assert_eq!(weighted_rows(&factors, &matrix, columns, threads), product);
        }
    }

    #[test]
    fn a_row_with_the_factor_0_is_not_read() {
        assert_eq!(weighted_rows(&[0.0, 1.0], &[f32::NAN, 2.0], 1, 2), [2.0]);
        assert!(weighted_rows(&[1.0], &[], 0, 2).is_empty());
    }
}
