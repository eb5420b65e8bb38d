//! Products of many small matrices, as attention has them: in libraries, each is a call of its own.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::sums::Sums;
use crate::after::After;
use crate::share;
use crate::simd::Instructions;
use crate::threads::{Shared, in_pieces, worthwhile};

/// `left · right` of matrices, each `[rows, length]` by `[length, columns]`, as many as two dimensions hold.
#[derive(Clone, Copy)]
pub struct Products<'a> {
    /// From the first value of the matrices on the left on.
    pub left: &'a [f32],
    /// From the first value of those on the right on.
    pub right: &'a [f32],
    /// How many matrices there are: so many times so many.
    pub matrices: [usize; 2],
    /// Rows on the left and of the output.
    pub rows: usize,
    /// Columns on the left, and rows on the right.
    pub length: usize,
    /// Columns on the right and of the output.
    pub columns: usize,
    /// On the left, floats from a value to the next in the two dimensions of matrices, the rows and the columns.
    pub left_strides: [usize; 4],
    /// The same on the right.
    pub right_strides: [usize; 4],
}

/// Products for which waking a thread pays.
const WORTH: usize = 1 << 18;

impl Products<'_> {
    /// Fills the output, `[.., rows, columns]`, in so many threads; `None`, and nothing is written, where lengths do
    /// not suit each other or the processor, or a row's values on the left do not lie together.
    #[must_use]
    pub fn run(&self, output: &mut [MaybeUninit<f32>], threads: usize) -> Option<()> {
        self.run_with(Instructions::here()?, output, threads)
    }

    fn run_with(
        &self,
        instructions: Instructions,
        output: &mut [MaybeUninit<f32>],
        threads: usize,
    ) -> Option<()> {
        let Products { matrices: [outer, inner], rows, length, columns, .. } = *self;
        let count = outer.checked_mul(inner)?;
        let values = count.checked_mul(rows)?.checked_mul(columns)?;
        let reach = |sides: [usize; 4], strides: [usize; 4]| {
            sides.into_iter().zip(strides).try_fold(0usize, |sum, (side, stride)| {
                sum.checked_add(side.checked_sub(1)?.checked_mul(stride)?)
            })
        };
        let suits = output.len() == values
            && self.left_strides[3] == 1
            && reach([outer, inner, rows, length], self.left_strides)? < self.left.len()
            && reach([outer, inner, length, columns], self.right_strides)? < self.right.len();
        let packed = columns.checked_next_multiple_of(instructions.lanes())?;
        let packed = packed.checked_mul(length.checked_add(1)?)?;
        if !suits {
            return None;
        }
        let threads = worthwhile(threads, values.saturating_mul(length), WORTH);
        // Few matrices are shared out by rows, and then packed by each thread.
        let parts = threads.div_ceil(count).min(rows);
        let mut scratch: Vec<f32> = vec![0.0; threads.checked_mul(packed)?];
        let (scratch, output) = (Shared(scratch.as_mut_ptr()), Shared(output.as_mut_ptr().cast()));
        in_pieces(threads, count * parts, |thread, number| {
            let (matrix, part) = (number / parts, number % parts);
            let at =
                |strides: [usize; 4]| (matrix / inner) * strides[0] + (matrix % inner) * strides[1];
            let left = self.left.as_ptr().wrapping_add(at(self.left_strides));
            let right = self.right.as_ptr().wrapping_add(at(self.right_strides));
            let scratch = scratch.at(thread * packed);
            let output = output.at(matrix * rows * columns);
            // SAFETY: the lengths have been checked; every thread has a scratch of its own, and no two pieces have
            // the same rows of the output.
            unsafe {
                self.pack(instructions.lanes(), right, scratch);
                self.multiply(instructions, left, scratch, share(rows, part, parts), output);
            }
        });
        Some(())
    }

    /// Lays a matrix out in panels, as [`Direct::pack`](super::Direct::pack) does, without a bias. Columns that there are
    /// not stay 0.
    unsafe fn pack(&self, lanes: usize, right: *const f32, scratch: *mut f32) {
        let [.., down, across] = self.right_strides;
        let mut panel = scratch;
        let mut first = 0;
        while first < self.columns {
            let count = (self.columns - first).min(2 * lanes);
            let width = count.next_multiple_of(lanes);
            for row in 0..self.length {
                let from = right.wrapping_add(row * down + first * across);
                let to = panel.wrapping_add((row + 1) * width);
                for column in 0..count {
                    unsafe { *to.wrapping_add(column) = *from.wrapping_add(column * across) }
                }
            }
            panel = panel.wrapping_add(width * (self.length + 1));
            first += count;
        }
    }

    /// Some rows by the packed matrix.
    unsafe fn multiply(
        &self,
        instructions: Instructions,
        left: *const f32,
        packed: *const f32,
        rows: Range<usize>,
        output: *mut f32,
    ) {
        let (lanes, runs) = (instructions.lanes(), instructions.runs());
        // Panels of two registers, and behind them perhaps one of one.
        let wide = (self.columns + lanes - 1) / (2 * lanes) * 2 * lanes;
        let wide = wide.min(self.columns);
        let ways = [(0..wide, 2), (wide..self.columns, 1)];
        let blocks = rows.len().div_ceil(runs[0].len());
        for block in 0..blocks {
            let some = share(rows.len(), block, blocks);
            let first = rows.start + some.start;
            for (columns, registers) in ways.iter().filter(|way| !way.0.is_empty()) {
                let panel = packed.wrapping_add(columns.start * (self.length + 1));
                let sums = Sums {
                    input: left.wrapping_add(first * self.left_strides[2]),
                    pixel: self.left_strides[2],
                    runs: [1, 1],
                    steps: [0, 0],
                    length: self.length,
                    scale: std::ptr::null(),
                    panel,
                    soon: panel,
                    pace: 0,
                    each: 0,
                    other: std::ptr::null(),
                    output: output.wrapping_add(first * self.columns + columns.start),
                    strides: [0, self.columns],
                    channels: columns.len(),
                    after: After::Nothing,
                };
                // SAFETY: as the caller promises.
                unsafe { runs[registers - 1][some.len() - 1](&sums) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{all_instructions, filled, values};

    fn sum(of: &Products, [outer, inner, row, column]: [usize; 4]) -> f64 {
        let at = |strides: [usize; 4], row, column| {
            outer * strides[0] + inner * strides[1] + row * strides[2] + column * strides[3]
        };
        let terms = (0..of.length).map(|i| {
            f64::from(of.left[at(of.left_strides, row, i)])
                * f64::from(of.right[at(of.right_strides, i, column)])
        });
        terms.sum()
    }

    #[test]
    fn they_are_the_plain_products() {
        // Rows, length and columns, with fewer columns than a register, one, and parts of a panel.
        for ([rows, length, columns], matrices) in [
            ([197, 64, 197], [1, 3]),
            ([9, 5, 3], [2, 2]),
            ([1, 1, 24], [1, 1]),
            ([50, 33, 64], [2, 1]),
        ] {
            let [outer, inner] = matrices;
            let left = values(outer * inner * rows * length, 3);
            let right = values(outer * inner * length * columns, 7);
            let (a, b) = (rows * length, length * columns);
            // On the right as it lies, and turned.
            for right_strides in [[inner * b, b, columns, 1], [inner * b, b, 1, length]] {
                let of = Products {
                    left: &left,
                    right: &right,
                    matrices,
                    rows,
                    length,
                    columns,
                    left_strides: [inner * a, a, length, 1],
                    right_strides,
                };
                for (instructions, threads) in
                    all_instructions().into_iter().flat_map(|has| [(has, 1), (has, 3)])
                {
                    let count = outer * inner * rows * columns;
                    let found = filled(count, |output| of.run_with(instructions, output, threads));
                    for (i, found) in found.expect("it suits").into_iter().enumerate() {
                        let (matrix, rest) = (i / (rows * columns), i % (rows * columns));
                        let place =
                            [matrix / inner, matrix % inner, rest / columns, rest % columns];
                        let expected = sum(&of, place);
                        assert!((f64::from(found) - expected).abs() < 2e-5, "{found}, {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn lengths_that_do_not_suit_are_refused() {
        for instructions in all_instructions() {
            let (left, right) = (values(2 * 6 * 5, 3), values(2 * 5 * 4, 7));
            let whole = Products {
                left: &left,
                right: &right,
                matrices: [1, 2],
                rows: 6,
                length: 5,
                columns: 4,
                left_strides: [60, 30, 5, 1],
                right_strides: [40, 20, 4, 1],
            };
            let run = |of: Products, count| {
                filled(count, |output| of.run_with(instructions, output, 2)).is_some()
            };
            assert!(run(whole, 48));
            assert!(!run(whole, 47));
            assert!(!run(Products { left: &left[1..], ..whole }, 48));
            assert!(!run(Products { right: &right[1..], ..whole }, 48));
            assert!(!run(Products { left_strides: [60, 30, 1, 6], ..whole }, 48));
            assert!(!run(Products { length: usize::MAX, ..whole }, 48));
            assert!(!run(Products { matrices: [0, 2], ..whole }, 0));
        }
    }
}
