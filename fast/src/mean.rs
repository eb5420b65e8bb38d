//! The mean of each channel of a photo, channels innermost in memory.

use crate::output::Output;
use crate::simd::{Instructions, Vector};
use crate::threads::{Shared, in_pieces, worthwhile};
use crate::{photos, share};

/// The mean of each channel.
#[derive(Clone, Copy)]
pub struct Mean<'a> {
    /// `[N, h, w, C]`
    pub input: &'a [f32],
    /// Height, width and channels of the input.
    pub size: [usize; 3],
}

/// Values for which waking a thread pays.
const WORTH: usize = 1 << 16;
/// Registers whose sums are taken together, so that one addition does not wait for the other.
const TOGETHER: usize = 4;

impl Mean<'_> {
    /// Fills the output, `[N, C]`, in so many threads; `None`, and nothing is written, where the lengths do not
    /// suit each other or the processor.
    #[must_use]
    pub fn run<'a>(&self, output: impl Into<Output<'a>>, threads: usize) -> Option<()> {
        self.run_with(Instructions::here()?, output.into(), threads)
    }

    fn run_with(&self, instructions: Instructions, output: Output, threads: usize) -> Option<()> {
        let ([_, _, c], photos) = (self.size, photos(self.input, self.size)?);
        let (output, apart) = output.place(photos, c)?;
        let threads = worthwhile(threads, self.input.len(), WORTH);
        let (lanes, output) = (instructions.lanes(), Shared(output));
        in_pieces(threads, photos * threads, |_, piece| {
            let photo = piece / threads;
            let registers = share(c.div_ceil(lanes), piece % threads, threads);
            let mut channel = registers.start * lanes;
            let end = c.min(registers.end * lanes);
            while channel < end {
                let count = (end - channel).min(TOGETHER * lanes);
                let output = output.at(photo * apart + channel);
                // SAFETY: the lengths have been checked, and nobody else writes to these channels.
                unsafe {
                    match (instructions, count > lanes) {
                        #[cfg(target_arch = "x86_64")]
                        (Instructions::Avx2, true) => {
                            avx2::<TOGETHER>(self, photo, channel, count, output)
                        }
                        #[cfg(target_arch = "x86_64")]
                        (Instructions::Avx2, false) => {
                            avx2::<1>(self, photo, channel, count, output)
                        }
                        #[cfg(target_arch = "x86_64")]
                        (Instructions::Avx512, true) => {
                            avx512::<TOGETHER>(self, photo, channel, count, output)
                        }
                        #[cfg(target_arch = "x86_64")]
                        (Instructions::Avx512, false) => {
                            avx512::<1>(self, photo, channel, count, output)
                        }
                    }
                }
                channel += count;
            }
        });
        Some(())
    }

    /// So many channels from this one on: row by row, so that no sum has many more terms than the others.
    #[inline(always)]
    unsafe fn channels<V: Vector, const TOGETHER: usize>(
        &self,
        photo: usize,
        channel: usize,
        count: usize,
        output: *mut f32,
    ) {
        let [height, width, c] = self.size;
        let photo = self.input.as_ptr().wrapping_add(photo * height * width * c + channel);
        let counts: [usize; TOGETHER] =
            std::array::from_fn(|i| count.saturating_sub(i * V::LANES).min(V::LANES));
        unsafe {
            let mut sums = [V::splat(0.0); TOGETHER];
            for y in 0..height {
                let mut row = [V::splat(0.0); TOGETHER];
                for x in 0..width {
                    let pixel = photo.wrapping_add((y * width + x).wrapping_mul(c));
                    for (i, sum) in row.iter_mut().enumerate() {
                        let values = pixel.wrapping_add(i * V::LANES);
                        *sum = sum.add(V::load_first(values, counts[i]));
                    }
                }
                for (sum, row) in sums.iter_mut().zip(row) {
                    *sum = sum.add(row);
                }
            }
            let pixels = V::splat((height * width) as f32);
            for (i, sum) in sums.into_iter().enumerate() {
                sum.div(pixels).store_first(output.wrapping_add(i * V::LANES), counts[i]);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const TOGETHER: usize>(
    of: &Mean,
    photo: usize,
    channel: usize,
    count: usize,
    output: *mut f32,
) {
    unsafe { of.channels::<std::arch::x86_64::__m256, TOGETHER>(photo, channel, count, output) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512<const TOGETHER: usize>(
    of: &Mean,
    photo: usize,
    channel: usize,
    count: usize,
    output: *mut f32,
) {
    unsafe { of.channels::<std::arch::x86_64::__m512, TOGETHER>(photo, channel, count, output) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{all_instructions, filled, values};

    #[test]
    fn it_is_the_mean_of_each_channel() {
        for (photos, [h, w, c]) in [(2, [7, 9, 20]), (1, [12, 31, 150]), (3, [1, 1, 5])] {
            let input = values(photos * h * w * c, 3);
            for instructions in all_instructions() {
                for threads in [0, 1, 3] {
                    let of = Mean { input: &input, size: [h, w, c] };
                    let found =
                        filled(photos * c, |room| of.run_with(instructions, room.into(), threads));
                    for (i, found) in found.expect("it suits").into_iter().enumerate() {
                        let photo = &input[i / c * h * w * c..][..h * w * c];
                        let values = photo.iter().skip(i % c).step_by(c);
                        let sum: f64 = values.map(|value| f64::from(*value)).sum();
                        let apart = (f64::from(found) - sum / (h * w) as f64).abs();
                        assert!(apart < 2e-7, "channel {} of {c}: {apart}", i % c);
                    }
                }
            }
        }
    }

    #[test]
    fn lengths_that_do_not_suit_are_refused() {
        for instructions in all_instructions() {
            let input = vec![1.0; 2 * 6 * 5 * 4];
            let run = |input, size, count| {
                filled(count, |room| Mean { input, size }.run_with(instructions, room.into(), 2))
            };
            assert!(run(&input, [6, 5, 4], 8).is_some());
            assert!(run(&input, [6, 5, 4], 4).is_none());
            assert!(run(&input[1..], [6, 5, 4], 8).is_none());
            assert!(run(&input, [6, usize::MAX, 4], 8).is_none());
            assert!(run(&[], [6, 5, 0], 0).is_none());
        }
    }
}
