//! Convolutions that keep channels apart: each channel of the output reads one of the input. Everything has
//! its channels innermost in memory, so that a register holds channels.

use std::ops::Range;

use crate::after::After;
use crate::output::Output;
use crate::simd::{Instructions, Vector};
use crate::threads::{Shared, in_pieces, worthwhile};
use crate::windows::Windows;
use crate::{photos, share};

/// A convolution of each channel by itself, and what follows it.
#[derive(Clone, Copy)]
pub struct Depthwise<'a> {
    /// `[N, h, w, C]`
    pub input: &'a [f32],
    /// Height, width and channels of the input.
    pub size: [usize; 3],
    /// `[kh, kw, C]`
    pub weights: &'a [f32],
    /// `[C]`
    pub bias: Option<&'a [f32]>,
    /// What each pixel of the output reads.
    pub windows: Windows,
    /// What is added to the output, `[N, h', w', C]`.
    pub other: Option<&'a [f32]>,
    /// What becomes of each value then.
    pub after: After,
}

/// Products for which waking a thread pays: they wait for memory more than others.
const WORTH: usize = 1 << 16;
/// Products in a piece of a large work.
const PIECE: usize = 1 << 18;
/// Floats of the input that are worked on at once.
const AT_ONCE: usize = 64 << 10;
/// Pixels whose sums are in registers at once: as many as divide what networks have, 7 times a power of 2.
const PIXELS: usize = 7;
/// Channels that lie in memory together: what is fetched for one of them serves all.
const LINE: usize = 16;
/// Those of them.
static ZEROS: [f32; LINE] = [0.0; 16];

impl Depthwise<'_> {
    /// Fills the output, `[N, h', w', C]`, in so many threads; `None`, and nothing is written, where the
    /// lengths do not suit each other or the processor.
    #[must_use]
    pub fn run<'a>(&self, output: impl Into<Output<'a>>, threads: usize) -> Option<()> {
        self.run_with(Instructions::here()?, output.into(), threads)
    }

    fn run_with(&self, instructions: Instructions, output: Output, threads: usize) -> Option<()> {
        let ([h, w, c], photos) = (self.size, photos(self.input, self.size)?);
        let (height, width) = (self.windows.count(0, h)?, self.windows.count(1, w)?);
        let taps = self.windows.kernel[0].checked_mul(self.windows.kernel[1])?;
        let pixels = photos.checked_mul(height)?.checked_mul(width)?;
        let values = pixels.checked_mul(c)?;
        let suits = self.weights.len() == taps.checked_mul(c)?
            && self.bias.is_none_or(|bias| bias.len() == c)
            && self.other.is_none_or(|other| other.len() == values);
        if !suits {
            return None;
        }
        let (output, apart) = output.place(pixels, c)?;
        let rows = photos * height;
        let products = values.saturating_mul(taps);
        let threads = worthwhile(threads, products, WORTH);
        let pieces = if threads == 1 { 1 } else { (products / PIECE).clamp(threads, 4 * threads) };
        let pieces = pieces.min(rows);
        // Of a few channels a few rows stay in the nearest cache, of all of them in the next.
        let together = (AT_ONCE / (w * c) / self.windows.stride[0]).max(1);
        let output = Shared(output);
        in_pieces(threads, pieces, |_, piece| {
            let rows = share(rows, piece, pieces);
            for first in rows.clone().step_by(together) {
                let some = first..rows.end.min(first + together);
                for first in (0..c).step_by(LINE) {
                    for row in some.clone() {
                        let (photo, y) = (row / height, row % height);
                        let channels = first..c.min(first + LINE);
                        let line = Line { of: self, row, photo, y, width, apart, channels };
                        // SAFETY: the lengths have been checked, and nobody else writes to this row.
                        unsafe { line.run(instructions, output.at(row * width * apart)) }
                    }
                }
            }
        });
        Some(())
    }
}

/// Of a row of the output a few channels.
struct Line<'a> {
    of: &'a Depthwise<'a>,
    /// Its number among all photos' rows, its photo, and its number there.
    row: usize,
    photo: usize,
    y: usize,
    /// How many pixels it has.
    width: usize,
    /// Floats from one of them to the next.
    apart: usize,
    channels: Range<usize>,
}

/// The channels in one register: the first, and how many.
#[derive(Clone, Copy)]
struct Lanes {
    first: usize,
    count: usize,
}

impl Line<'_> {
    /// # Safety
    /// The processor has the instructions, and the lengths suit each other.
    unsafe fn run(&self, instructions: Instructions, output: *mut f32) {
        unsafe {
            match instructions {
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx2 => run_avx2(self, output),
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx512 => run_avx512(self, output),
            }
        }
    }

    /// By the kernels that networks have, or by any other.
    #[inline(always)]
    unsafe fn channels<V: Vector>(&self, output: *mut f32) {
        let Windows { kernel, stride, dilation, .. } = self.of.windows;
        unsafe {
            match (kernel[1], stride[1], dilation[1]) {
                (3, 1, 1) => self.blocks::<V, 3, 1>(output),
                (3, 2, 1) => self.blocks::<V, 3, 2>(output),
                (5, 1, 1) => self.blocks::<V, 5, 1>(output),
                (5, 2, 1) => self.blocks::<V, 5, 2>(output),
                (7, 1, 1) => self.blocks::<V, 7, 1>(output),
                _ => self.pixels::<V>(output),
            }
        }
    }

    /// Block by block: a value is read once for all pixels of a block that it belongs to.
    #[inline(always)]
    unsafe fn blocks<V: Vector, const KERNEL: usize, const STRIDE: usize>(&self, output: *mut f32) {
        for x in (0..self.width).step_by(PIXELS) {
            for first in self.channels.clone().step_by(V::LANES) {
                // Whole registers need no mask.
                match self.channels.end - first {
                    count if count < V::LANES => unsafe {
                        self.block::<V, KERNEL, STRIDE>(Lanes { first, count }, x, output);
                    },
                    _ => unsafe {
                        let lanes = Lanes { first, count: V::LANES };
                        self.block::<V, KERNEL, STRIDE>(lanes, x, output);
                    },
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn block<V: Vector, const KERNEL: usize, const STRIDE: usize>(
        &self,
        lanes: Lanes,
        x: usize,
        output: *mut f32,
    ) {
        let Depthwise { size: [_, width, c], windows, .. } = *self.of;
        unsafe {
            let mut sums = [self.bias::<V>(lanes); PIXELS];
            let first = (x * STRIDE).wrapping_sub(windows.padding[1]);
            let reach = (PIXELS - 1) * STRIDE + KERNEL;
            let is_within = first < width && first + reach <= width;
            for (tap, row) in self.rows() {
                let mut weights = [V::splat(0.0); KERNEL];
                for (i, weight) in weights.iter_mut().enumerate() {
                    *weight = self.weight(tap * KERNEL + i, lanes);
                }
                let row = row.wrapping_add(lanes.first);
                let at = |j: usize| {
                    let column = first.wrapping_add(j);
                    (column, row.wrapping_add(column.wrapping_mul(c)))
                };
                if is_within {
                    add::<V, KERNEL, STRIDE>(&mut sums, &weights, lanes.count, |j| at(j).1);
                } else {
                    // Beyond the edges lie zeros.
                    let at = |j: usize| match at(j) {
                        (column, at) if column < width => at,
                        _ => ZEROS.as_ptr(),
                    };
                    add::<V, KERNEL, STRIDE>(&mut sums, &weights, lanes.count, at);
                }
            }
            let sums = sums.into_iter().take(self.width - x);
            for (i, sum) in sums.enumerate() {
                self.put(sum, x + i, lanes, output);
            }
        }
    }

    /// Pixel by pixel.
    #[inline(always)]
    unsafe fn pixels<V: Vector>(&self, output: *mut f32) {
        for x in 0..self.width {
            for first in self.channels.clone().step_by(V::LANES) {
                let count = (self.channels.end - first).min(V::LANES);
                unsafe { self.pixel::<V>(Lanes { first, count }, x, output) }
            }
        }
    }

    #[inline(always)]
    unsafe fn pixel<V: Vector>(&self, lanes: Lanes, x: usize, output: *mut f32) {
        let Depthwise { size: [_, width, c], windows, .. } = *self.of;
        unsafe {
            let mut sum = self.bias::<V>(lanes);
            for (tap, row) in self.rows() {
                for i in 0..windows.kernel[1] {
                    let column = windows.place(1, x, i);
                    if column < width {
                        let at = row.wrapping_add(column * c + lanes.first);
                        let weight = self.weight(tap * windows.kernel[1] + i, lanes);
                        sum = V::load_first(at, lanes.count).mul_add(weight, sum);
                    }
                }
            }
            self.put(sum, x, lanes, output);
        }
    }

    /// The kernel's rows that lie within the input, and the row of the input at each.
    #[inline(always)]
    fn rows(&self) -> impl Iterator<Item = (usize, *const f32)> {
        let Depthwise { size: [height, width, c], windows, .. } = *self.of;
        let photo = self.of.input.as_ptr().wrapping_add(self.photo * height * width * c);
        let window = self.y;
        (0..windows.kernel[0]).filter_map(move |tap| {
            let y = windows.place(0, window, tap);
            (y < height).then(|| (tap, photo.wrapping_add(y * width * c)))
        })
    }

    #[inline(always)]
    unsafe fn bias<V: Vector>(&self, lanes: Lanes) -> V {
        unsafe {
            match self.of.bias {
                Some(bias) => V::load_first(bias.as_ptr().wrapping_add(lanes.first), lanes.count),
                None => V::splat(0.0),
            }
        }
    }

    #[inline(always)]
    unsafe fn weight<V: Vector>(&self, tap: usize, lanes: Lanes) -> V {
        let at = tap.wrapping_mul(self.of.size[2]).wrapping_add(lanes.first);
        unsafe { V::load_first(self.of.weights.as_ptr().wrapping_add(at), lanes.count) }
    }

    /// Writes a pixel's channels, after what follows.
    #[inline(always)]
    unsafe fn put<V: Vector>(&self, mut sum: V, x: usize, lanes: Lanes, output: *mut f32) {
        let at = x.wrapping_mul(self.apart).wrapping_add(lanes.first);
        unsafe {
            if let Some(other) = self.of.other {
                let pixel = self.row.wrapping_mul(self.width).wrapping_add(x);
                let other = other.as_ptr().wrapping_add(pixel.wrapping_mul(self.of.size[2]));
                sum = sum.add(V::load_first(other.wrapping_add(lanes.first), lanes.count));
            }
            self.of.after.of(sum).store_first(output.wrapping_add(at), lanes.count);
        }
    }
}

/// Adds what a block's pixels read of a row, whose `j`-th value lies at `at(j)`: each is read once, and all that
/// reads it is done before the next, so that the sums, the weights and one value are all that registers hold.
#[inline(always)]
unsafe fn add<V: Vector, const KERNEL: usize, const STRIDE: usize>(
    sums: &mut [V; PIXELS],
    weights: &[V; KERNEL],
    count: usize,
    at: impl Fn(usize) -> *const f32,
) {
    unsafe {
        // Written out: an index that is known leaves the sums in their registers.
        macro_rules! each {
            ($($j:literal)*) => {
                $(if $j < (PIXELS - 1) * STRIDE + KERNEL {
                    let value = V::load_first(at($j), count);
                    for (tap, weight) in weights.iter().enumerate() {
                        if $j >= tap && ($j - tap) % STRIDE == 0 && ($j - tap) / STRIDE < PIXELS {
                            let sum = &mut sums[($j - tap) / STRIDE];
                            *sum = value.mul_add(*weight, *sum);
                        }
                    }
                })*
            };
        }
        each!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2(line: &Line, output: *mut f32) {
    unsafe { line.channels::<std::arch::x86_64::__m256>(output) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn run_avx512(line: &Line, output: *mut f32) {
    unsafe { line.channels::<std::arch::x86_64::__m512>(output) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{all_instructions, filled, plain, values};

    fn run(
        of: &Depthwise,
        instructions: Instructions,
        count: usize,
        threads: usize,
    ) -> Option<Vec<f32>> {
        filled(count, |output| of.run_with(instructions, output.into(), threads))
    }

    #[test]
    fn it_is_the_plain_convolution_of_each_channel() {
        let windows =
            |kernel, stride, padding, dilation| Windows { kernel, stride, padding, dilation };
        let cases = [
            (2, [11, 30, 24], windows([3, 3], [1, 1], [1, 1], [1, 1])),
            (1, [9, 31, 40], windows([5, 5], [2, 2], [2, 2], [1, 1])),
            (2, [8, 20, 7], windows([3, 2], [1, 2], [0, 2], [2, 3])),
            (1, [4, 3, 16], windows([7, 7], [1, 1], [3, 3], [1, 1])),
            (1, [2, 2, 33], windows([1, 1], [1, 1], [3, 4], [1, 1])),
        ];
        for (photos, size, windows) in cases {
            let [h, w, c] = size;
            let (input, bias) = (values(photos * h * w * c, 3), values(c, 5));
            let weights = values(windows.kernel[0] * windows.kernel[1] * c, 7);
            let tap = |k: usize, y: usize, x: usize, i: usize| {
                (i == 0).then(|| (k, weights[(y * windows.kernel[1] + x) * c + k]))
            };
            let sums = plain(&input, size, &windows, c, tap);
            let other = values(sums.len(), 11);
            for instructions in all_instructions() {
                for (bias, other) in [(None, None), (Some(&*bias), Some(&*other))] {
                    let after = After::Between(0.0, 1.5);
                    let of = Depthwise {
                        input: &input,
                        size,
                        weights: &weights,
                        bias,
                        windows,
                        other,
                        after,
                    };
                    for threads in [0, 1, 3] {
                        let found = run(&of, instructions, sums.len(), threads).expect("it suits");
                        for (i, (found, sum)) in found.iter().zip(&sums).enumerate() {
                            let bias = bias.map_or(0.0, |bias| f64::from(bias[i % c]));
                            let other = other.map_or(0.0, |other| f64::from(other[i]));
                            let expected = (sum + bias + other).clamp(0.0, 1.5);
                            let apart = (f64::from(*found) - expected).abs();
                            assert!(apart < 5e-6, "{size:?} {windows:?}: {found}, {expected}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn lengths_that_do_not_suit_are_refused() {
        for instructions in all_instructions() {
            let (input, weights) = (values(6 * 5 * 4, 3), values(9 * 4, 5));
            let windows = Windows { kernel: [3, 3], padding: [1, 1], ..Windows::PIXELS };
            let whole = Depthwise {
                input: &input,
                size: [6, 5, 4],
                weights: &weights,
                bias: None,
                windows,
                other: None,
                after: After::Nothing,
            };
            let refused = |of: Depthwise| assert!(run(&of, instructions, 120, 2).is_none());
            assert!(run(&whole, instructions, 120, 2).is_some());
            assert!(run(&whole, instructions, 121, 2).is_none());
            refused(Depthwise { input: &input[1..], ..whole });
            refused(Depthwise { input: &[], ..whole });
            refused(Depthwise { size: [6, usize::MAX, 4], ..whole });
            refused(Depthwise { weights: &weights[1..], ..whole });
            refused(Depthwise { bias: Some(&weights), ..whole });
            refused(Depthwise { other: Some(&weights), ..whole });
            refused(Depthwise { windows: Windows { kernel: [9, 3], ..windows }, ..whole });
            refused(Depthwise { windows: Windows { padding: [0, 0], ..windows }, ..whole });
        }
    }
}
