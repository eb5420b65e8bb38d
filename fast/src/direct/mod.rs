//! Convolutions, and products of rows and a matrix, by the sums themselves. Everything has its channels
//! innermost in memory: what a pixel reads of a row of the kernel then lies together, and a pixel's sums over
//! some channels stay in registers from the first product to the last.

mod products;
mod sums;

use std::ops::Range;

use crate::after::After;
use crate::output::Output;
use crate::simd::Instructions;
use crate::threads::{self, Shared, in_pieces, worthwhile};
use crate::windows::Windows;
use crate::{exactly, photos, share};
pub use products::Products;
use sums::{Run, Sums};

/// A convolution and what follows it.
#[derive(Clone, Copy)]
pub struct Direct<'a> {
    /// `[N, h, w, C]`
    pub input: &'a [f32],
    /// Height, width and channels of the input.
    pub size: [usize; 3],
    /// By what each channel of the input is multiplied, `[N, C]`, where windows are [`Windows::PIXELS`].
    pub scale: Option<&'a [f32]>,
    /// Weights and bias as [`Direct::pack`] lays them out.
    pub weights: &'a [f32],
    /// Channels of the output, K.
    pub channels: usize,
    /// What each pixel of the output reads.
    pub windows: Windows,
    /// What is added to the output, `[N, h', w', K]`.
    pub other: Option<&'a [f32]>,
    /// What becomes of each value then.
    pub after: After,
}

/// Floats of the weights that stay in a processor's cache while rows pass by.
const KEPT: usize = 96 << 10;
/// Floats of a panel that are worked on in the time that others take from memory.
const AHEAD: usize = 1024;
/// Floats of the input that are copied between zeros at once.
const COPIED: usize = 128 << 10;
/// The most of them for two rows of the output: far dilated windows would copy most of the input for each.
const MOST_COPIED: usize = 4 * COPIED;
/// Products for which waking a thread pays.
const WORTH: usize = 1 << 18;
/// Products in a piece of a large work.
const PIECE: usize = 1 << 22;

impl Direct<'_> {
    /// Whether this processor has the instructions.
    pub fn is_here() -> bool {
        Instructions::here().is_some()
    }

    /// Whether inputs of this height, width and channels, of which a part is copied between zeros where there is
    /// padding, can be gone through by such windows in parts of a moderate size.
    pub fn suits(size: [usize; 3], windows: &Windows) -> bool {
        let is_little = |floats| floats <= MOST_COPIED;
        windows.padding == [0; 2] || copied(size, windows, 2).is_some_and(is_little)
    }

    /// Lays weights `[K, kh, kw, C]` and a bias `[K]` out as the sums read them: for each panel, which is two
    /// registers wide or, behind all others, one, its bias and its column of the matrix, with zeros for channels
    /// that there are not. `None` where lengths do not suit each other or the processor.
    pub fn pack(
        weights: &[f32],
        bias: Option<&[f32]>,
        channels: usize,
        threads: usize,
    ) -> Option<Vec<f32>> {
        Self::pack_for(Instructions::here()?, weights, bias, channels, threads)
    }

    fn pack_for(
        instructions: Instructions,
        weights: &[f32],
        bias: Option<&[f32]>,
        channels: usize,
        threads: usize,
    ) -> Option<Vec<f32>> {
        let length = exactly(weights.len(), channels)?;
        if bias.is_some_and(|bias| bias.len() != channels) {
            return None;
        }
        let (lanes, rows) = (instructions.lanes(), length + 1);
        let mut packed = vec![0.0; channels.next_multiple_of(lanes).checked_mul(rows)?];
        let panels = packed.chunks_mut(2 * lanes * rows).enumerate();
        threads::for_each(threads, panels, |(number, panel)| {
            let (first, width) = (number * 2 * lanes, panel.len() / rows);
            let channels = first..channels.min(first + width);
            for (column, channel) in channels.enumerate() {
                panel[column] = bias.map_or(0.0, |bias| bias[channel]);
                let weights = &weights[channel * length..][..length];
                for (row, weight) in weights.iter().enumerate() {
                    panel[(row + 1) * width + column] = *weight;
                }
            }
        });
        Some(packed)
    }

    /// Fills the output, `[N, h', w', K]`, in so many threads; `None`, and nothing is written, where the
    /// lengths do not suit each other or the processor.
    #[must_use]
    pub fn run<'a>(&self, output: impl Into<Output<'a>>, threads: usize) -> Option<()> {
        self.run_with(Instructions::here()?, output.into(), threads)
    }

    fn run_with(&self, instructions: Instructions, output: Output, threads: usize) -> Option<()> {
        let ([h, w, c], photos) = (self.size, photos(self.input, self.size)?);
        let (height, width) = (self.windows.count(0, h)?, self.windows.count(1, w)?);
        let length = self.windows.kernel[0].checked_mul(self.windows.kernel[1])?.checked_mul(c)?;
        let pixels = photos.checked_mul(height)?.checked_mul(width)?;
        let values = pixels.checked_mul(self.channels)?;
        let lanes = instructions.lanes();
        let packed =
            self.channels.checked_next_multiple_of(lanes)?.checked_mul(length.checked_add(1)?)?;
        let suits = values > 0
            && Self::suits(self.size, &self.windows)
            && self.weights.len() == packed
            && self.other.is_none_or(|other| other.len() == values)
            && self.scale.is_none_or(|scale| {
                self.windows == Windows::PIXELS && Some(scale.len()) == photos.checked_mul(c)
            });
        if !suits {
            return None;
        }
        let (output, apart) = output.place(pixels, self.channels)?;
        // Where each pixel is read by itself, all of them are one long row.
        let mut task =
            Task { of: *self, output: [height, width], apart, photos, length, instructions };
        if self.windows == Windows::PIXELS {
            // A photo's own, where each has factors of its own.
            task.photos = if self.scale.is_some() { photos } else { 1 };
            let row = pixels / task.photos;
            (task.of.size, task.output) = ([1, row, c], [1, row]);
        }
        let products = values.saturating_mul(length);
        let threads = worthwhile(threads, products, WORTH);
        // SAFETY: the lengths are those that the task names, and the caller's processor was asked.
        unsafe { task.run(output, threads) }
        Some(())
    }
}

/// How many floats the copy has that so many rows of the output read.
fn copied([_, w, c]: [usize; 3], windows: &Windows, rows: usize) -> Option<usize> {
    let line = windows.padding[1].checked_mul(2)?.checked_add(w)?.checked_mul(c)?;
    windows.span(0, rows)?.checked_mul(line)
}

/// A convolution whose lengths have been checked.
struct Task<'a> {
    of: Direct<'a>,
    /// Height and width of the output.
    output: [usize; 2],
    /// Floats from a pixel of the output to the next.
    apart: usize,
    photos: usize,
    /// How many values a pixel reads.
    length: usize,
    instructions: Instructions,
}

/// A part of the work: some pixels of a photo, a row's in blocks of about the same size, and of their
/// channels some panels.
struct Piece {
    photo: usize,
    blocks: Range<usize>,
    panels: Range<usize>,
}

impl Task<'_> {
    /// # Safety
    /// The lengths of all slices, and of the output, are those that the task names.
    unsafe fn run(&self, output: *mut f32, threads: usize) {
        let (blocks, panels) = (self.output[0] * self.across(), self.panels());
        let padded = self.is_padded();
        // As many rows as fit between zeros at once; a piece for every thread, and where there is much to do,
        // more, since others may use the processors, too.
        let row = (self.of.size[1] + 2 * self.of.windows.padding[1]) * self.of.size[2];
        let room = (COPIED / row / self.of.windows.stride[0]).max(1) * self.across();
        let products =
            self.photos * self.output[0] * self.output[1] * self.length * self.of.channels;
        let wanted = if threads == 1 { 1 } else { (products / PIECE).clamp(threads, 4 * threads) };
        // Where weights are more than pixels, threads share the channels.
        let heavy = self.of.weights.len() > self.of.input.len() / self.photos;
        let (mut parts, mut pieces) = match heavy {
            true => (wanted.min(panels), 1),
            false => (1, wanted.div_ceil(self.photos).min(blocks)),
        };
        if parts * pieces * self.photos < threads {
            (parts, pieces) = (threads.min(panels), threads.div_ceil(parts).min(blocks));
        }
        if padded {
            pieces = pieces.max(blocks.div_ceil(room));
        }
        let needs = if padded { self.scratch(blocks.div_ceil(pieces)) } else { 0 };
        let mut scratch: Vec<f32> = Vec::with_capacity(threads * needs);
        let (scratch, output) = (Shared(scratch.as_mut_ptr()), Shared(output));
        in_pieces(threads, parts * pieces * self.photos, |thread, number| {
            let (part, number) = (number % parts, number / parts);
            let piece = Piece {
                photo: number / pieces,
                blocks: share(blocks, number % pieces, pieces),
                panels: share(panels, part, parts),
            };
            // SAFETY: as the caller promises; pieces do not overlap, and every thread has a scratch of its
            // own.
            unsafe { self.piece(piece, scratch.at(thread * needs), output.at(0)) }
        });
    }

    fn is_padded(&self) -> bool {
        self.of.windows.padding != [0; 2]
    }

    fn panels(&self) -> usize {
        self.of.channels.div_ceil(2 * self.instructions.lanes())
    }

    /// How many blocks a row of the output has.
    fn across(&self) -> usize {
        self.output[1].div_ceil(self.most())
    }

    /// How many pixels a block may have.
    fn most(&self) -> usize {
        self.instructions.runs()[0].len()
    }

    /// Rows of the input that so many rows of the output read.
    fn rows(&self, count: usize) -> usize {
        self.of.windows.span(0, count).unwrap_or(usize::MAX)
    }

    /// How many floats the copy has that so many blocks read.
    fn scratch(&self, blocks: usize) -> usize {
        // They may begin and end within a row.
        let rows = blocks.div_ceil(self.across()) + 1;
        copied(self.of.size, &self.of.windows, rows).unwrap_or(usize::MAX)
    }

    /// # Safety
    /// As [`run`](Task::run); nobody else works on the same part of the output, and the scratch is as long
    /// as [`scratch`](Task::scratch) says, where there is padding.
    unsafe fn piece(&self, piece: Piece, scratch: *mut f32, output: *mut f32) {
        let Direct { size: [height, width, c], windows, channels, .. } = self.of;
        let across = self.across();
        let first = piece.blocks.start / across;
        let rows = first..(piece.blocks.end - 1) / across + 1;
        let photo = self.of.input.as_ptr().wrapping_add(piece.photo * height * width * c);
        // What the first row of the output reads, and how far apart rows of the input are.
        let (input, row) = match self.is_padded() {
            true => unsafe {
                self.copy(photo, rows, scratch);
                (scratch.cast_const(), (width + 2 * windows.padding[1]) * c)
            },
            false => (photo.wrapping_add(first * windows.stride[0] * width * c), width * c),
        };
        // Columns that lie together are one run.
        let runs = match windows.dilation[1] {
            1 => [1, windows.kernel[1] * c],
            _ => [windows.kernel[1], c],
        };
        let scale = self.of.scale.map(|scale| scale.as_ptr().wrapping_add(piece.photo * c));
        let lanes = self.instructions.lanes();
        let panel = 2 * lanes * (self.length + 1);
        let group = (KEPT / panel).max(1);
        let to = self.output;
        let mut from = piece.panels.start;
        while from < piece.panels.end {
            let some = from..piece.panels.end.min(from + group);
            let is_first = from == piece.panels.start;
            from = some.end;
            // While these are worked on, the next ones come from memory, some with each call.
            let soon = self.of.weights.as_ptr().wrapping_add(from * panel);
            let next = (piece.panels.end - from).min(group) * panel;
            let each = next / (piece.blocks.len() * some.len());
            // The last panel of all may be one register wide.
            let rest = channels - (some.end - 1) * 2 * lanes;
            let wide = some.start..some.end - usize::from(rest <= lanes);
            let ways = [(wide.clone(), 2), (wide.end..some.end, 1)];
            for (number, block) in piece.blocks.clone().enumerate() {
                let (y, j) = (block / across, block % across);
                let pixels = j * to[1] / across..(j + 1) * to[1] / across;
                let at =
                    (y - first) * windows.stride[0] * row + pixels.start * windows.stride[1] * c;
                let pixel = (piece.photo * to[0] + y) * to[1] + pixels.start;
                for (panels, registers) in ways.clone().into_iter().filter(|way| !way.0.is_empty())
                {
                    let channel = panels.start * 2 * lanes;
                    let other = pixel * channels + channel;
                    let other = self.of.other.map(|values| values.as_ptr().wrapping_add(other));
                    let weights = self.of.weights.as_ptr().wrapping_add(panels.start * panel);
                    let (soon, pace, each) = match is_first && number == 0 {
                        true => (weights.wrapping_add(AHEAD), 2 * lanes, panel),
                        false => {
                            let before = number * some.len() + panels.start - some.start;
                            (soon.wrapping_add(before * each), each.div_ceil(self.length), each)
                        }
                    };
                    let sums = Sums {
                        input: input.wrapping_add(at),
                        pixel: windows.stride[1] * c,
                        runs: [windows.kernel[0], runs[0]],
                        steps: [windows.dilation[0] * row, windows.dilation[1] * c],
                        length: runs[1],
                        scale: scale.unwrap_or(std::ptr::null()),
                        panel: weights,
                        soon,
                        pace,
                        each,
                        other: other.unwrap_or(std::ptr::null()),
                        output: output.wrapping_add(pixel * self.apart + channel),
                        strides: [channels, self.apart],
                        channels: channels.min(panels.end * 2 * lanes) - channel,
                        after: self.of.after,
                    };
                    let run = self.instructions.runs()[registers - 1][pixels.len() - 1];
                    // SAFETY: the processor has the instructions; windows lie within the input, or its copy.
                    unsafe { run(&sums) }
                }
            }
        }
    }

    /// Copies what some rows of the output read, with zeros around it.
    unsafe fn copy(&self, photo: *const f32, rows: Range<usize>, to: *mut f32) {
        let Direct { size: [height, width, c], windows, .. } = self.of;
        let [above, left] = windows.padding;
        let (margin, line) = (left * c, (width + 2 * left) * c);
        let first = rows.start * windows.stride[0];
        for i in 0..self.rows(rows.len()) {
            let to = to.wrapping_add(i * line);
            let y = (first + i).wrapping_sub(above);
            unsafe {
                if y < height {
                    to.write_bytes(0, margin);
                    let from = photo.wrapping_add(y * width * c);
                    to.wrapping_add(margin).copy_from_nonoverlapping(from, width * c);
                    to.wrapping_add(margin + width * c).write_bytes(0, margin);
                } else {
                    to.write_bytes(0, line);
                }
            }
        }
    }
}

impl Instructions {
    /// By the number of registers and that of pixels, both less one.
    fn runs(self) -> [&'static [Run]; 2] {
        match self {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => [&sums::AVX2[0], &sums::AVX2[1]],
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => [&sums::AVX512[0], &sums::AVX512[1]],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{all_instructions, filled, plain, values};

    fn run(
        of: &Direct,
        instructions: Instructions,
        count: usize,
        threads: usize,
    ) -> Option<Vec<f32>> {
        filled(count, |output| of.run_with(instructions, output.into(), threads))
    }

    /// Against sums in double precision: sizes that neither blocks, panels nor registers divide, one row for all
    /// photos, padding on one side, steps and gaps, more rows than are copied at once.
    #[test]
    fn it_is_the_plain_convolution_in_any_number_of_threads() {
        let windows =
            |kernel, stride, padding, dilation| Windows { kernel, stride, padding, dilation };
        let cases = [
            (2, [11, 9, 5], 70, windows([3, 3], [1, 1], [1, 1], [1, 1])),
            (1, [7, 7, 40], 33, windows([3, 3], [2, 2], [1, 1], [1, 1])),
            (3, [5, 19, 17], 16, Windows::PIXELS),
            (1, [1, 1, 50], 3, Windows::PIXELS),
            (1, [23, 31, 3], 24, windows([7, 7], [2, 2], [3, 3], [1, 1])),
            (2, [12, 9, 6], 48, windows([3, 2], [1, 2], [0, 2], [2, 3])),
            (2, [12, 9, 6], 31, windows([2, 3], [3, 1], [0, 0], [1, 1])),
            (1, [40, 300, 48], 8, windows([5, 1], [1, 1], [2, 0], [1, 1])),
            (1, [9, 8, 160], 160, windows([3, 3], [1, 1], [1, 1], [1, 1])),
        ];
        for (photos, size, channels, windows) in cases {
            let [h, w, c] = size;
            let length = windows.kernel[0] * windows.kernel[1] * c;
            let input = values(photos * h * w * c, 3);
            let (weights, bias) = (values(channels * length, 7), values(channels, 5));
            let weight = |k: usize, y: usize, x: usize, c_: usize| {
                weights[((k * windows.kernel[0] + y) * windows.kernel[1] + x) * c + c_]
            };
            let sums = plain(&input, size, &windows, channels, |k, y, x, c_| {
                Some((c_, weight(k, y, x, c_)))
            });
            let greatest = sums.iter().fold(0f64, |most, sum| most.max(sum.abs()));
            let other = values(sums.len(), 11);
            for instructions in all_instructions() {
                for (bias, other) in [(None, None), (Some(&*bias), Some(&*other))] {
                    let packed = Direct::pack_for(instructions, &weights, bias, channels, 2);
                    let weights = &packed.expect("lengths that suit");
                    let after = After::Between(-2.0, f32::INFINITY);
                    let of = Direct {
                        input: &input,
                        size,
                        scale: None,
                        weights,
                        channels,
                        windows,
                        other,
                        after,
                    };
                    for threads in [0, 1, 2, 5] {
                        let found = run(&of, instructions, sums.len(), threads).expect("it suits");
                        for (i, (found, sum)) in found.iter().zip(&sums).enumerate() {
                            let bias = bias.map_or(0.0, |bias| f64::from(bias[i % channels]));
                            let other = other.map_or(0.0, |other| f64::from(other[i]));
                            let expected = (sum + bias + other).max(-2.0);
                            let apart = (f64::from(*found) - expected).abs();
                            assert!(
                                apart < 2e-6 * greatest,
                                "{size:?} {windows:?}: {found}, {expected}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn it_reads_maps_whose_channels_are_multiplied() {
        let (photos, size, channels) = (2, [5, 7, 23], 40);
        let input = values(photos * 5 * 7 * 23, 3);
        let (factors, weights) = (values(photos * 23, 13), values(channels * 23, 7));
        let scaled: Vec<f32> = (input.iter().enumerate())
            .map(|(i, value)| value * factors[i / (5 * 7 * 23) * 23 + i % 23])
            .collect();
        for instructions in all_instructions() {
            let packed = Direct::pack_for(instructions, &weights, None, channels, 1);
            let weights = &packed.expect("lengths that suit");
            let (windows, after) = (Windows::PIXELS, After::Nothing);
            let of = |input, scale| {
                let of =
                    Direct { input, size, scale, weights, channels, windows, other: None, after };
                run(&of, instructions, photos * 5 * 7 * channels, 2).expect("it suits")
            };
            for (found, expected) in of(&input, Some(&factors)).iter().zip(of(&scaled, None)) {
                assert!((found - expected).abs() < 2e-6, "{found}, {expected}");
            }
            assert!(of(&input, Some(&factors)).iter().all(|value| value.is_finite()));
        }
    }

    #[test]
    fn lengths_that_do_not_suit_are_refused() {
        for instructions in all_instructions() {
            let (input, weights) = (values(6 * 5 * 4, 3), values(20 * 9 * 4, 5));
            let packed = Direct::pack_for(instructions, &weights, None, 20, 1).expect("it suits");
            let windows = Windows { kernel: [3, 3], padding: [1, 1], ..Windows::PIXELS };
            let whole = Direct {
                input: &input,
                size: [6, 5, 4],
                scale: None,
                weights: &packed,
                channels: 20,
                windows,
                other: None,
                after: After::Nothing,
            };
            let count = 6 * 5 * 20;
            let refused = |of: Direct| assert!(run(&of, instructions, count, 2).is_none());
            assert!(run(&whole, instructions, count, 2).is_some());
            assert!(run(&whole, instructions, count + 1, 2).is_none());
            refused(Direct { input: &input[1..], ..whole });
            refused(Direct { input: &[], ..whole });
            refused(Direct { size: [0, 5, 4], ..whole });
            refused(Direct { size: [usize::MAX, 5, 4], ..whole });
            refused(Direct { weights: &packed[1..], ..whole });
            refused(Direct { channels: 0, ..whole });
            refused(Direct { channels: usize::MAX, ..whole });
            refused(Direct { other: Some(&input), ..whole });
            refused(Direct { scale: Some(&input[..4]), ..whole });
            for side in [0, 1] {
                for (kernel, stride, padding, dilation) in [
                    (9, 1, 1, 1),
                    (3, 0, 1, 1),
                    (0, 1, 1, 1),
                    (3, 1, usize::MAX, 1),
                    (3, 1, 1, usize::MAX),
                ] {
                    let mut windows = windows;
                    windows.kernel[side] = kernel;
                    windows.stride[side] = stride;
                    windows.padding[side] = padding;
                    windows.dilation[side] = dilation;
                    refused(Direct { windows, ..whole });
                }
            }
            assert!(Direct::pack_for(instructions, &weights[1..], None, 20, 1).is_none());
            assert!(Direct::pack_for(instructions, &[], None, 20, 1).is_none());
            assert!(Direct::pack_for(instructions, &weights, Some(&input[..19]), 20, 1).is_none());
        }
    }

    #[test]
    fn what_is_not_a_number_stays_so() {
        for instructions in all_instructions() {
            let mut input = values(40 * 20, 3);
            input[5 * 20 + 3] = f32::NAN;
            let weights =
                Direct::pack_for(instructions, &values(20 * 20, 5), None, 20, 1).expect("it suits");
            for after in [
                After::Between(0.0, 6.0),
                After::Silu,
                After::Sigmoid,
                After::HardSwish,
                After::Gelu,
            ] {
                let of = Direct {
                    input: &input,
                    size: [1, 40, 20],
                    scale: None,
                    weights: &weights,
                    channels: 20,
                    windows: Windows::PIXELS,
                    other: None,
                    after,
                };
                let found = run(&of, instructions, 40 * 20, 1).expect("it suits");
                for (i, value) in found.iter().enumerate() {
                    assert_eq!(value.is_nan(), i / 20 == 5, "{after:?} of pixel {}", i / 20);
                }
            }
        }
    }
}
