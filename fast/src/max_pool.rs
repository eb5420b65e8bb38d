//! The greatest value of each window, channels innermost in memory.

use crate::output::Output;
use crate::simd::{Instructions, Vector};
use crate::threads::{Shared, in_pieces, worthwhile};
use crate::windows::Windows;
use crate::{photos, share};

/// The greatest value of each window; NaN where it has one.
#[derive(Clone, Copy)]
pub struct MaxPool<'a> {
    /// `[N, h, w, C]`
    pub input: &'a [f32],
    /// Height, width and channels of the input.
    pub size: [usize; 3],
    /// What each pixel of the output reads; what lies beyond the edges does not count.
    pub windows: Windows,
    /// Height and width of the output: there may be one more row or column of windows that are not whole.
    pub output: [usize; 2],
}

/// Values read for which waking a thread pays.
const WORTH: usize = 1 << 17;

impl MaxPool<'_> {
    /// Fills the output, `[N, h', w', C]`, in so many threads; `None`, and nothing is written, where the
    /// lengths do not suit each other or the processor.
    #[must_use]
    pub fn run<'a>(&self, output: impl Into<Output<'a>>, threads: usize) -> Option<()> {
        self.run_with(Instructions::here()?, output.into(), threads)
    }

    fn run_with(&self, instructions: Instructions, output: Output, threads: usize) -> Option<()> {
        let ([_, _, c], photos) = (self.size, photos(self.input, self.size)?);
        for side in [0, 1] {
            let whole = self.windows.count(side, self.size[side])?;
            let last =
                (self.output[side].checked_sub(1)?).checked_mul(self.windows.stride[side])?;
            let begins = last < self.size[side].checked_add(self.windows.padding[side])?;
            if !begins || !(whole..=whole + 1).contains(&self.output[side]) {
                return None;
            }
        }
        let rows = photos.checked_mul(self.output[0])?;
        let pixels = rows.checked_mul(self.output[1])?;
        let values = pixels.checked_mul(c)?;
        let (output, apart) = output.place(pixels, c)?;
        let read =
            values.saturating_mul(self.windows.kernel[0]).saturating_mul(self.windows.kernel[1]);
        let threads = worthwhile(threads, read, WORTH).min(rows);
        let output = Shared(output);
        in_pieces(threads, threads, |_, piece| {
            for number in share(rows, piece, threads) {
                let output = output.at(number * self.output[1] * apart);
                // SAFETY: the lengths have been checked, and nobody else writes to this row.
                unsafe {
                    match instructions {
                        #[cfg(target_arch = "x86_64")]
                        Instructions::Avx2 => row_avx2(self, number, output, apart),
                        #[cfg(target_arch = "x86_64")]
                        Instructions::Avx512 => row_avx512(self, number, output, apart),
                    }
                }
            }
        });
        Some(())
    }

    /// A row among those of all photos, whose pixels lie so far apart.
    #[inline(always)]
    unsafe fn row<V: Vector>(&self, number: usize, output: *mut f32, apart: usize) {
        let MaxPool { size: [height, width, c], windows, .. } = *self;
        let (photo, y) = (number / self.output[0], number % self.output[0]);
        let photo = self.input.as_ptr().wrapping_add(photo * height * width * c);
        for x in 0..self.output[1] {
            for channel in (0..c).step_by(V::LANES) {
                let count = (c - channel).min(V::LANES);
                unsafe {
                    let mut most = V::splat(f32::NEG_INFINITY);
                    let down = (0..windows.kernel[0]).map(|tap| windows.place(0, y, tap));
                    for y in down.filter(|y| *y < height) {
                        let row = photo.wrapping_add(y * width * c + channel);
                        let across = (0..windows.kernel[1]).map(|tap| windows.place(1, x, tap));
                        for x in across.filter(|x| *x < width) {
                            most = most.maximum(V::load_first(row.wrapping_add(x * c), count));
                        }
                    }
                    most.store_first(output.wrapping_add(x * apart + channel), count);
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn row_avx2(of: &MaxPool, number: usize, output: *mut f32, apart: usize) {
    unsafe { of.row::<std::arch::x86_64::__m256>(number, output, apart) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn row_avx512(of: &MaxPool, number: usize, output: *mut f32, apart: usize) {
    unsafe { of.row::<std::arch::x86_64::__m512>(number, output, apart) }
}

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;

    use super::*;
    use crate::testing::{all_instructions, filled, values};

    #[test]
    fn it_is_the_greatest_value_of_each_window() {
        let windows =
            |kernel, stride, padding, dilation| Windows { kernel, stride, padding, dilation };
        let cases = [
            (2, [11, 9, 20], windows([3, 3], [2, 2], [0, 0], [1, 1]), [5, 4]),
            (1, [12, 10, 20], windows([3, 3], [2, 2], [0, 0], [1, 1]), [6, 5]),
            (1, [8, 15, 33], windows([3, 2], [2, 1], [1, 0], [1, 1]), [4, 14]),
            (2, [9, 9, 7], windows([2, 3], [1, 2], [0, 1], [3, 2]), [6, 4]),
        ];
        for (photos, size, windows, [height, width]) in cases {
            let [h, w, c] = size;
            let mut input = values(photos * h * w * c, 1);
            input[3 * c + 2] = f32::NAN;
            for instructions in all_instructions() {
                let of = MaxPool { input: &input, size, windows, output: [height, width] };
                let count = photos * height * width * c;
                for threads in [0, 1, 3] {
                    let output =
                        filled(count, |room| of.run_with(instructions, room.into(), threads));
                    let output = output.expect("it suits");
                    for (i, found) in output.into_iter().enumerate() {
                        let (photo, y) = (i / c / width / height, i / c / width % height);
                        let (x, channel) = (i / c % width, i % c);
                        let mut most = f32::NEG_INFINITY;
                        for (down, across) in (0..windows.kernel[0])
                            .flat_map(|y| (0..windows.kernel[1]).map(move |x| (y, x)))
                        {
                            let place = |side: usize, window: usize, tap: usize| {
                                (window * windows.stride[side] + tap * windows.dilation[side])
                                    .wrapping_sub(windows.padding[side])
                            };
                            let (y, x) = (place(0, y, down), place(1, x, across));
                            if y < h && x < w {
                                let value = input[((photo * h + y) * w + x) * c + channel];
                                most = if value.is_nan() || most.is_nan() {
                                    f32::NAN
                                } else {
                                    most.max(value)
                                };
                            }
                        }
                        assert!(
                            found == most || found.is_nan() && most.is_nan(),
                            "{size:?} {windows:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn lengths_that_do_not_suit_are_refused() {
        for instructions in all_instructions() {
            let input = vec![1.0; 8 * 7 * 4];
            let windows = Windows { kernel: [3, 3], stride: [2, 2], ..Windows::PIXELS };
            let whole = MaxPool { input: &input, size: [8, 7, 4], windows, output: [3, 3] };
            let mut output = [MaybeUninit::uninit(); 4 * 3 * 4];
            let mut run = |of: MaxPool, count: usize| {
                of.run_with(instructions, (&mut output[..count]).into(), 2)
            };
            assert!(run(whole, 36).is_some());
            assert!(
                run(MaxPool { output: [4, 3], ..whole }, 48).is_some(),
                "a row that is not whole"
            );
            assert!(run(whole, 35).is_none());
            assert!(run(MaxPool { output: [2, 3], ..whole }, 24).is_none());
            assert!(run(MaxPool { output: [0, 3], ..whole }, 0).is_none());
            assert!(run(MaxPool { input: &input[1..], ..whole }, 36).is_none());
            assert!(run(MaxPool { size: [0, 7, 4], ..whole }, 36).is_none());
            let windows = Windows { stride: [0, 2], ..windows };
            assert!(run(MaxPool { windows, ..whole }, 36).is_none());
        }
    }
}
