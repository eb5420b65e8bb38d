//! Convolutions of 3 × 3 by fewer multiplications, Winograd 1980, Lavin and Gray 2015,
//! <https://arxiv.org/abs/1509.09308>: F(4 × 4, 3 × 3), tile by tile in a processor's cache.
//!
//! Four by four pixels of the output take 36 multiplications in place of 144 for each pair of channels.
//! In single precision the greatest error is about twice that of the plain sum, a few millionths of the
//! greatest value. It needs a processor with AVX2 or AVX-512; the others have libtorch's convolution.

mod simd;
mod tiles;

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use tch::{Kind, Tensor};

use self::tiles::TileWork;
use super::op::{Conv2d, Operator};
use super::threads;
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// Pixels of the output in a tile, on a side; of the input there are two more.
const TILE: usize = 4;
const SIDE: usize = TILE + 2;
const POINTS: usize = SIDE * SIDE;
/// The fewest channels on either side, and what their numbers are multiples of.
const CHANNELS: i64 = 32;
/// The fewest tiles: every one shares the cost of reading the weights, four times those of before.
const TILES: i64 = 16;

/// The most weights for each tile where nobody says that the convolution will be asked for again and
/// again: preparing them should not cost more than a pass saves, nor holding them more than activations do.
const ONCE: i64 = 1024;

/// From a line of the kernel to the polynomials' points, as in [`tiles`].
const KERNEL: [[f64; 3]; SIDE] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

/// The instructions that the work is done by.
#[derive(Clone, Copy)]
enum Instructions {
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Instructions {
    /// The widest that this processor has.
    fn here() -> Option<Instructions> {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Some(Instructions::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Some(Instructions::Avx2);
            }
        }
        None
    }

    /// How many channels of the output a product has, two registers.
    fn panel(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => 16,
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => 32,
        }
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

/// Whether it is the better way for inputs of this size, `[N, C, h, w]`. `again` says that many more of
/// them come, for which preparing any number of weights pays.
pub(super) fn suits(op: &Conv2d, input: &[i64], again: bool) -> bool {
    let plain = op.kernel == [3, 3] && op.stride == [1, 1] && op.dilation == [1, 1];
    let (Some(_), Ok(output), true) = (op.zeros(), op.output_shape(&[input]), plain) else {
        return false;
    };
    let &[n, out, h, w] = output.as_slice() else { return false };
    let across = |pixels: i64| (pixels as u64).div_ceil(TILE as u64) as i64;
    let tiles = n * across(h) * across(w);
    Instructions::here().is_some()
        && op.groups == 1
        && [op.in_channels, out].iter().all(|channels| channels % CHANNELS == 0)
        && tiles >= TILES
        && (again || op.in_channels * out / tiles <= ONCE)
}

/// The kernels at the points, `[36, K / panel, C, panel]`.
pub(super) fn kernels(weight: &Tensor) -> Result<Tensor> {
    let panel = Instructions::here().ok_or_else(unsuitable)?.panel() as i64;
    let work = || {
        let size = weight.size();
        let [k, c] = [0, 1].map(|i| size.get(i).copied().unwrap_or(1));
        let points = Tensor::f_from_slice(KERNEL.as_flattened())?.f_reshape([SIDE as i64, 3])?;
        let lines =
            weight.f_to_kind(Kind::Double)?.f_permute([2, 3, 1, 0])?.f_reshape([9, c * k])?;
        let panels = points.f_kron(&points)?.f_matmul(&lines)?;
        let panels = panels.f_to_kind(Kind::Float)?;
        panels
            .f_reshape([POINTS as i64, c, k / panel, panel])?
            .f_permute([0, 2, 1, 3])?
            .f_contiguous()
    };
    work().into_result()
}

/// The convolution of an input `[N, C, h, w]` by [`kernels`], with what follows it: a bias, another
/// tensor of the output's size, a rectifier. Channels are innermost in memory.
pub(super) fn run(
    input: &Tensor,
    kernels: &Tensor,
    bias: Option<&Tensor>,
    padding: [i64; 2],
    other: Option<&Tensor>,
    relu: bool,
) -> Result<Tensor> {
    let instructions = Instructions::here().ok_or_else(unsuitable)?;
    let inner = |t: &Tensor| t.f_permute([0, 2, 3, 1]).and_then(|t| t.f_contiguous()).into_result();
    let (input, other) = (inner(input)?, other.map(inner).transpose()?);
    let bias = bias.map(|bias| bias.f_contiguous()).transpose().into_result()?;
    let (&[n, h, w, c], &[_, panels, _, panel]) = (&*input.size(), &*kernels.size()) else {
        return Err(unsuitable());
    };
    let (height, width) = (h + 2 * padding[0] - 2, w + 2 * padding[1] - 2);
    let output =
        input.f_new_empty([n, height, width, panels * panel], (Kind::Float, input.device()));
    let output = output.into_result()?;
    let whole = |sides: [i64; 3]| sides.map(|side| side as usize);
    let task = TileWork {
        input: floats(&input),
        size: whole([h, w, c]),
        kernels: floats(kernels),
        padding: padding.map(|side| side as usize),
        output: whole([height, width, panels * panel]),
        bias: bias.as_ref().map(floats),
        other: other.as_ref().map(floats),
        relu,
    };
    let suits = kernels.size()[2] == c
        && panel as usize == instructions.panel()
        && task.size[2].is_multiple_of(instructions.panel() / 2)
        && task.bias.is_none_or(|bias| bias.len() == task.output[2])
        && task.other.is_none_or(|other| other.len() == output.numel());
    if !suits {
        return Err(unsuitable());
    }
    let [down, across] = task.tiles();
    work(
        &task,
        instructions,
        n as usize * down * across,
        panels as usize,
        output.data_ptr().cast(),
    );
    output.f_permute([0, 3, 1, 2]).into_result()
}

/// A part of the work: so many tiles of all photos, and of their channels so many panels.
struct Piece {
    tiles: Range<usize>,
    panels: Range<usize>,
}

/// The whole work, piece by piece in all threads.
fn work(
    task: &TileWork,
    instructions: Instructions,
    tiles: usize,
    panels: usize,
    output: *mut f32,
) {
    let threads = threads::count();
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
    let next = AtomicUsize::new(0);
    threads::on_all(threads, &|thread| {
        loop {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            let (first, part) = (piece / parts * size, piece % parts);
            if first >= tiles {
                return;
            }
            let piece = Piece {
                tiles: first..tiles.min(first + size),
                panels: part * panels / parts..(part + 1) * panels / parts,
            };
            // SAFETY: the processor was asked; `run` has made the output and checked the sizes; pieces
            // do not overlap, and every thread has a scratch of its own.
            unsafe { instructions.run(task, piece, scratch.at(thread * needs), output.at(0)) }
        }
    });
}

/// How many tiles are worked on at once: enough to share the reading of the weights, few enough to
/// stay in a processor's cache.
fn at_once(channels: usize) -> usize {
    (channels / 10).clamp(24, 96)
}

/// A pointer to what threads write to, each elsewhere.
#[derive(Clone, Copy)]
struct Shared(*mut f32);

// SAFETY: who writes through it says why nobody else writes there.
unsafe impl Sync for Shared {}

impl Shared {
    fn at(&self, index: usize) -> *mut f32 {
        self.0.wrapping_add(index)
    }
}

/// The values of a tensor on the CPU, contiguous, in 32-bit floats, for as long as it is borrowed.
fn floats(tensor: &Tensor) -> &[f32] {
    match tensor.numel() {
        0 => &[],
        // SAFETY: callers have made it contiguous, and nobody writes to it meanwhile.
        count => unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), count) },
    }
}

fn unsuitable() -> Error {
    Error::Argument("this convolution cannot be done by Winograd's way".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On photos of several sizes, which tiles do not divide, in one block and in many.
    #[test]
    fn it_is_the_plain_convolution_and_what_follows() {
        if Instructions::here().is_none() {
            return; // libtorch's convolution is used
        }
        let value =
            |count: i64, step: f64| (Tensor::arange(count, tch::kind::DOUBLE_CPU) * step).sin();
        let float = |t: &Tensor| t.to_kind(Kind::Float);
        let sizes = [(32, 64, 18, 23, 1), (64, 32, 22, 22, 0), (128, 96, 41, 17, 2)];
        for (c, k, h, w, padding) in sizes {
            let op = Conv2d::new(c, k, 3).padding(padding);
            let input = value(2 * c * h * w, 0.37).reshape([2, c, h, w]);
            let weight = value(k * c * 9, 0.61).reshape([k, c, 3, 3]) * 0.05;
            let bias = value(k, 0.9);
            assert!(suits(&op, &input.size(), true));
            let plain = input.conv2d(&weight, Some(&bias), [1, 1], [padding; 2], [1, 1], 1);
            let other = value(plain.numel() as i64, 0.53).reshape(plain.size()) * 3.0;
            let kernels = kernels(&float(&weight)).expect("kernels");
            let run = |bias: Option<&Tensor>, other: Option<&Tensor>, relu| {
                run(&float(&input), &kernels, bias, [padding; 2], other, relu).expect("a pass")
            };
            let (bias_32, other_32) = (float(&bias), float(&other));
            // An error is as large as the terms of a sum let it be, which here largely cancel.
            let terms =
                input.abs().conv2d(&weight.abs(), None::<Tensor>, [1, 1], [padding; 2], [1, 1], 1);
            let terms = terms.max().double_value(&[]);
            let without = &plain - bias.reshape([1, k, 1, 1]);
            for (found, expected) in [
                (run(None, None, false), without),
                (run(Some(&bias_32), None, false), plain.shallow_clone()),
                (run(Some(&bias_32), Some(&other_32), true), (&plain + &other).relu()),
            ] {
                assert_eq!(found.size(), expected.size());
                let apart = (found.to_kind(Kind::Double) - &expected).abs().max();
                let apart = apart.double_value(&[]) / terms;
                assert!(apart < 1e-6, "{c} × {k}, {h} × {w}: {apart}");
            }
        }
    }

    #[test]
    fn both_widths_of_registers_agree() {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma") {
            let value = |i: usize| ((i % 1000) as f32 * 0.37).sin();
            let input: Vec<f32> = (0..2 * 11 * 9 * 32).map(value).collect();
            let weight: Vec<f32> = (0..36 * 32 * 64).map(value).collect();
            // From [36, C, K] to [36, K / panel, C, panel].
            let packed = |panel: usize| -> Vec<f32> {
                let place = |i: usize| {
                    let (point, rest) = (i / (32 * 64), i % (32 * 64));
                    let (block, rest) = (rest / (32 * panel), rest % (32 * panel));
                    point * 32 * 64 + rest / panel * 64 + block * panel + rest % panel
                };
                (0..weight.len()).map(|i| weight[place(i)]).collect()
            };
            let outputs = [Instructions::Avx2, Instructions::Avx512].map(|instructions| {
                let kernels = packed(instructions.panel());
                let task = TileWork {
                    input: &input,
                    size: [11, 9, 32],
                    kernels: &kernels,
                    padding: [1, 1],
                    output: [11, 9, 64],
                    bias: None,
                    other: None,
                    relu: false,
                };
                let mut output = vec![0f32; 2 * 11 * 9 * 64];
                work(&task, instructions, 2 * 9, 64 / instructions.panel(), output.as_mut_ptr());
                output
            });
            let greatest = outputs[0].iter().fold(0f32, |most, value| most.max(value.abs()));
            assert!(greatest > 1.0);
            for (narrow, wide) in outputs[0].iter().zip(&outputs[1]) {
                assert!((narrow - wide).abs() < 1e-5 * greatest, "{narrow} and {wide}");
            }
        }
    }

    #[test]
    fn a_rectifier_does_not_hide_what_is_not_finite() {
        if Instructions::here().is_none() {
            return;
        }
        let weight = Tensor::ones([32, 32, 3, 3], tch::kind::FLOAT_CPU);
        let input = Tensor::ones([1, 32, 16, 16], tch::kind::FLOAT_CPU);
        let _ = input.get(0).get(3).get(5).fill_(f64::NAN);
        let kernels = kernels(&weight).expect("kernels");
        let found = run(&input, &kernels, None, [1, 1], None, true).expect("a pass");
        assert!(found.isnan().any().int64_value(&[]) != 0);
    }

    #[test]
    fn it_is_used_for_kernels_of_3_and_enough_tiles_alone() {
        let suits = |op: Conv2d, side| suits(&op, &[1, op.in_channels, side, side], true);
        let here = Instructions::here().is_some();
        assert_eq!(suits(Conv2d::new(512, 512, 3).padding(1), 28), here);
        assert_eq!(suits(Conv2d::new(32, 64, 3).padding(1), 16), here);
        assert!(!suits(Conv2d::new(512, 512, 3).padding(1), 12), "few tiles");
        assert!(!suits(Conv2d::new(3, 64, 3).padding(1), 160), "no whole registers");
        assert!(!suits(Conv2d::new(64, 72, 3).padding(1), 160), "no whole panels");
        assert!(!suits(Conv2d::new(512, 512, 3).padding(1).stride(2), 40));
        assert!(!suits(Conv2d::new(512, 512, 3).padding(1).groups(2), 40));
        assert!(!suits(Conv2d::new(512, 512, 5).padding(2), 40));
        assert!(!suits(Conv2d::new(512, 512, 3).same(), 40));
        let once = |op: Conv2d, side| super::suits(&op, &[1, op.in_channels, side, side], false);
        assert_eq!(once(Conv2d::new(256, 256, 3).padding(1), 56), here);
        assert!(!once(Conv2d::new(256, 256, 3).padding(1), 14), "many weights for one pass");
    }
}
