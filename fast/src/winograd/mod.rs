//! Convolutions of 3 × 3 by fewer multiplications, Winograd 1980, Lavin and Gray 2015,
//! <https://arxiv.org/abs/1509.09308>: F(4 × 4, 3 × 3), tile by tile in a processor's cache.
//!
//! Four by four pixels of the output take 36 multiplications in place of 144 for each pair of channels.
//! In single precision the greatest error is about twice that of the plain sum, a few millionths of the
//! greatest value. It needs a processor with AVX2 or AVX-512.

mod tiles;

use std::ops::Range;

use crate::after::After;
use crate::output::Output;
use crate::simd::Instructions;
use crate::threads::{Shared, in_pieces};
use crate::{exactly, photos, share};
use tiles::TileWork;

/// Pixels of the output in a tile, on a side; of the input there are two more.
pub const TILE: usize = 4;
/// Pixels of the input that a tile reads, on a side.
pub const SIDE: usize = TILE + 2;
/// The points at which the polynomials of a tile are known.
pub const POINTS: usize = SIDE * SIDE;

/// From a line of the kernel to the polynomials' points 0, 1, −1, 2, −2 and infinity: `B·g·Bᵀ` is a kernel
/// at the points. Best in double precision, since it is done once.
pub const KERNEL: [[f64; 3]; SIDE] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

/// How many channels of the output are computed together, which kernels are laid out for; `None` on a
/// processor without the instructions.
pub fn panel() -> Option<usize> {
    Instructions::here().map(Instructions::panel)
}

/// A convolution by 3 × 3 kernels with stride 1, and what follows it. Everything has its channels innermost
/// in memory.
#[derive(Clone, Copy)]
pub struct Convolution<'a> {
    /// `[N, h, w, C]`
    pub input: &'a [f32],
    /// Height, width and channels of the input; the channels fill whole registers.
    pub size: [usize; 3],
    /// The kernels at the points, `[36, K / panel, C, panel]`: see [`KERNEL`] and [`panel`].
    pub kernels: &'a [f32],
    /// Rows and columns of zeros on each side.
    pub padding: [usize; 2],
    /// `[K]`
    pub bias: Option<&'a [f32]>,
    /// What is added to the output, `[N, h', w', K]`.
    pub other: Option<&'a [f32]>,
    /// What becomes of each value then.
    pub after: After,
}

impl Convolution<'_> {
    /// Fills the output, `[N, h', w', K]`, in so many threads; `None`, and nothing is written, where the
    /// lengths do not suit each other or the processor.
    #[must_use]
    pub fn run<'a>(&self, output: impl Into<Output<'a>>, threads: usize) -> Option<()> {
        self.run_with(Instructions::here()?, output.into(), threads)
    }

    fn run_with(&self, instructions: Instructions, output: Output, threads: usize) -> Option<()> {
        let ([h, w, c], photos) = (self.size, photos(self.input, self.size)?);
        let k = exactly(self.kernels.len(), POINTS.checked_mul(c)?)?;
        let out = |size: usize, padding: usize| {
            padding.checked_mul(2)?.checked_add(size)?.checked_sub(2).filter(|size| *size > 0)
        };
        let (height, width) = (out(h, self.padding[0])?, out(w, self.padding[1])?);
        let pixels = photos.checked_mul(height)?.checked_mul(width)?;
        let values = pixels.checked_mul(k)?;
        let suits = k.is_multiple_of(instructions.panel())
            && c.is_multiple_of(instructions.panel() / 2)
            && self.bias.is_none_or(|bias| bias.len() == k)
            && self.other.is_none_or(|other| other.len() == values);
        if !suits {
            return None;
        }
        let (output, apart) = output.place(pixels, k)?;
        let task = TileWork {
            input: self.input,
            size: self.size,
            kernels: self.kernels,
            padding: self.padding,
            output: [height, width, k],
            apart,
            bias: self.bias,
            other: self.other,
            after: self.after,
        };
        let [down, across] = task.tiles();
        let panels = k / instructions.panel();
        // SAFETY: the lengths are those that the task names, and the caller's processor was asked.
        unsafe { work(&task, instructions, photos * down * across, panels, output, threads.max(1)) }
        Some(())
    }
}

impl Instructions {
    /// How many channels of the output a product has, two registers.
    fn panel(self) -> usize {
        2 * self.lanes()
    }

    /// How many tiles a product has: as many as the registers have room for.
    fn rows(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => AVX2_ROWS,
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => AVX512_ROWS,
        }
    }

    /// [`TileWork::run`].
    ///
    /// # Safety
    /// As there.
    unsafe fn run(self, task: &TileWork, piece: Piece, scratch: *mut f32, output: *mut f32) {
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx2 => run_avx2(task, piece, scratch, output),
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx512 => run_avx512(task, piece, scratch, output),
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
const AVX2_ROWS: usize = 6;
#[cfg(target_arch = "x86_64")]
const AVX512_ROWS: usize = 8;

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2(task: &TileWork, piece: Piece, scratch: *mut f32, output: *mut f32) {
    use std::arch::x86_64::__m256;
    unsafe { task.run::<__m256, AVX2_ROWS>(piece.tiles, piece.panels, scratch, output) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn run_avx512(task: &TileWork, piece: Piece, scratch: *mut f32, output: *mut f32) {
    use std::arch::x86_64::__m512;
    unsafe { task.run::<__m512, AVX512_ROWS>(piece.tiles, piece.panels, scratch, output) }
}

/// A part of the work: so many tiles of all photos, and of their channels so many panels.
struct Piece {
    tiles: Range<usize>,
    panels: Range<usize>,
}

/// The whole work, piece by piece in all threads.
///
/// # Safety
/// The processor has the instructions; the lengths of the task's slices, and of the output, are those that
/// it names, and it has so many tiles and panels.
unsafe fn work(
    task: &TileWork,
    instructions: Instructions,
    tiles: usize,
    panels: usize,
    output: *mut f32,
    threads: usize,
) {
    let blocks = tiles.div_ceil(at_once(task.size[2] + task.output[2]));
    // Where there are fewer blocks than threads, these share the channels of one.
    let (blocks, parts) = match blocks < threads {
        true => (blocks, threads.min(panels)),
        false => (blocks.next_multiple_of(threads), 1),
    };
    let size = tiles.div_ceil(blocks);
    let needs = task.scratch(size, instructions.rows());
    let mut scratch: Vec<f32> = Vec::with_capacity(threads * needs);
    let (scratch, output) = (Shared(scratch.as_mut_ptr()), Shared(output));
    in_pieces(threads, tiles.div_ceil(size) * parts, |thread, piece| {
        let (first, part) = (piece / parts * size, piece % parts);
        let tiles = first..tiles.min(first + size);
        let piece = Piece { tiles, panels: share(panels, part, parts) };
        // SAFETY: as the caller promises; pieces do not overlap, and every thread has a scratch of its
        // own.
        unsafe { instructions.run(task, piece, scratch.at(thread * needs), output.at(0)) }
    });
}

/// How many tiles are worked on at once: enough to share the reading of the weights, few enough to
/// stay in a processor's cache.
fn at_once(channels: usize) -> usize {
    (channels / 10).clamp(24, 96)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: [usize; 3] = [11, 9, 32];
    const K: usize = 64;
    const VALUES: usize = 2 * 11 * 9 * K;

    fn value(i: usize) -> f32 {
        ((i % 1000) as f32 * 0.37).sin()
    }

    fn input() -> Vec<f32> {
        (0..2 * SIZE.iter().product::<usize>()).map(value).collect()
    }

    /// From `[36, C, K]` to `[36, K / panel, C, panel]`.
    fn packed(weight: &[f32], panel: usize) -> Vec<f32> {
        let c = SIZE[2];
        let place = |i: usize| {
            let (point, rest) = (i / (c * K), i % (c * K));
            let (block, rest) = (rest / (c * panel), rest % (c * panel));
            point * c * K + rest / panel * K + block * panel + rest % panel
        };
        (0..weight.len()).map(|i| weight[place(i)]).collect()
    }

    fn convolution<'a>(input: &'a [f32], kernels: &'a [f32]) -> Convolution<'a> {
        let (bias, other) = (None, None);
        Convolution {
            input,
            size: SIZE,
            kernels,
            padding: [1, 1],
            bias,
            other,
            after: After::Nothing,
        }
    }

    fn run(
        convolution: &Convolution,
        instructions: Instructions,
        threads: usize,
    ) -> Option<Vec<f32>> {
        crate::testing::filled(VALUES, |room| {
            convolution.run_with(instructions, room.into(), threads)
        })
    }

    /// Each value of the kernels at the points.
    fn kernels(kernel: impl Fn(usize, usize, usize, usize) -> f64) -> Vec<f32> {
        let mut points = Vec::with_capacity(POINTS * SIZE[2] * K);
        for (down, across) in (0..POINTS).map(|point| (point / SIDE, point % SIDE)) {
            for (c, k) in (0..SIZE[2] * K).map(|i| (i / K, i % K)) {
                let taps = (0..9).map(|tap| (tap / 3, tap % 3));
                let terms =
                    taps.map(|(y, x)| KERNEL[down][y] * KERNEL[across][x] * kernel(k, c, y, x));
                points.push(terms.sum::<f64>() as f32);
            }
        }
        points
    }

    #[test]
    fn it_is_the_plain_convolution_in_any_number_of_threads() {
        let Some(instructions) = Instructions::here() else {
            return println!("skipped: this processor has neither AVX2 nor AVX-512");
        };
        let kernel =
            |k: usize, c: usize, y: usize, x: usize| f64::from(value(7 * k + 13 * c + 3 * y + x));
        let (input, kernels) = (input(), packed(&kernels(kernel), instructions.panel()));
        let [h, w, channels] = SIZE;
        let mut plain = vec![0f64; VALUES];
        for (i, sum) in plain.iter_mut().enumerate() {
            let (photo, y, x, k) = (i / K / w / h, i / K / w % h, i / K % w, i % K);
            for (dy, dx) in (0..9).map(|tap| (tap / 3, tap % 3)) {
                let (y, x) = ((y + dy).wrapping_sub(1), (x + dx).wrapping_sub(1));
                if y < h && x < w {
                    let pixel = &input[((photo * h + y) * w + x) * channels..][..channels];
                    let terms = pixel.iter().enumerate();
                    *sum += terms.map(|(c, v)| f64::from(*v) * kernel(k, c, dy, dx)).sum::<f64>();
                }
            }
        }
        let greatest = plain.iter().fold(0f64, |most, value| most.max(value.abs()));
        for threads in [0, 1, 2, 7] {
            let found = run(&convolution(&input, &kernels), instructions, threads).expect("suits");
            for (found, plain) in found.iter().zip(&plain) {
                assert!((f64::from(*found) - plain).abs() < 1e-5 * greatest, "{found}, {plain}");
            }
        }
    }

    #[test]
    fn both_widths_of_registers_agree() {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma") {
            let (input, weight) = (input(), (0..36 * SIZE[2] * K).map(value).collect::<Vec<f32>>());
            let outputs = [Instructions::Avx2, Instructions::Avx512].map(|instructions| {
                let kernels = packed(&weight, instructions.panel());
                run(&convolution(&input, &kernels), instructions, 2).expect("suits")
            });
            let greatest = outputs[0].iter().fold(0f32, |most, value| most.max(value.abs()));
            assert!(greatest > 1.0);
            for (narrow, wide) in outputs[0].iter().zip(&outputs[1]) {
                assert!((narrow - wide).abs() < 1e-5 * greatest, "{narrow} and {wide}");
            }
        }
    }

    #[test]
    fn lengths_that_do_not_suit_are_refused() {
        let Some(instructions) = Instructions::here() else {
            return println!("skipped: this processor has neither AVX2 nor AVX-512");
        };
        let (input, kernels) = (input(), vec![0.0; POINTS * SIZE[2] * K]);
        let whole = convolution(&input, &kernels);
        let refused = |changed: Convolution| assert!(run(&changed, instructions, 2).is_none());
        assert!(run(&whole, instructions, 2).is_some());
        refused(Convolution { input: &input[1..], ..whole });
        refused(Convolution { input: &[], ..whole });
        refused(Convolution { kernels: &kernels[1..], ..whole });
        refused(Convolution { kernels: &[], ..whole });
        refused(Convolution { size: [0, 9, 32], ..whole });
        refused(Convolution { size: [9, 9, 32], ..whole });
        refused(Convolution { size: [usize::MAX, 9, 32], ..whole });
        refused(Convolution { size: [11 * 9 * 32, 1, 1], ..whole });
        refused(Convolution { padding: [0, 1], ..whole });
        refused(Convolution { padding: [usize::MAX, 1], ..whole });
        refused(Convolution { bias: Some(&input[..K - 1]), ..whole });
        refused(Convolution { other: Some(&input[..K]), ..whole });
    }
}
