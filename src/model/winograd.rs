//! Convolutions of 3 × 3 by fewer multiplications, Winograd 1980, Lavin and Gray 2015,
//! <https://arxiv.org/abs/1509.09308>: F(4 × 4, 3 × 3), by matrix products of libtorch.
//!
//! Four by four pixels of the output take 36 multiplications in place of 144 for each pair of channels.
//! The rest is additions and memory, so it is faster where there are many channels. In single precision
//! the greatest error is about twice that of the plain sum, a few millionths of the greatest value.

use tch::{Kind, TchError, Tensor};

use super::op::Conv2d;
use crate::error::Result;
use crate::tensor::{IntoResult, channels_last};

/// Pixels of the output in a tile, on a side; of the input there are two more.
const TILE: i64 = 4;
const SIDE: i64 = TILE + 2;
/// The fewest channels on either side, and the least product of the two.
const CHANNELS: i64 = 128;
const PAIRS: i64 = 2 * CHANNELS * CHANNELS;
/// The fewest tiles: every one shares the cost of reading the weights, four times those of before.
const TILES: i64 = 48;
/// How many tiles are worked on at once: enough to share the weights, few enough to stay in a
/// processor's cache.
const AT_ONCE: i64 = 200;

/// From a column of the input to the tile's, and of the kernel, and back to the output: the
/// polynomials' values at 0, 1, −1, 2, −2 and infinity.
const INPUT: [[f64; 6]; 6] = [
    [4.0, 0.0, -5.0, 0.0, 1.0, 0.0],
    [0.0, -4.0, -4.0, 1.0, 1.0, 0.0],
    [0.0, 4.0, -4.0, -1.0, 1.0, 0.0],
    [0.0, -2.0, -1.0, 2.0, 1.0, 0.0],
    [0.0, 2.0, -1.0, -2.0, 1.0, 0.0],
    [0.0, 4.0, 0.0, -5.0, 0.0, 1.0],
];
const KERNEL: [[f64; 3]; 6] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];
const OUTPUT: [[f64; 6]; 4] = [
    [1.0, 1.0, 1.0, 1.0, 1.0, 0.0],
    [0.0, 1.0, -1.0, 2.0, -2.0, 0.0],
    [0.0, 1.0, 1.0, 4.0, 4.0, 0.0],
    [0.0, 1.0, -1.0, 8.0, -8.0, 1.0],
];

/// How many tiles cover so many pixels.
fn tiles(pixels: i64) -> i64 {
    (pixels + TILE - 1) / TILE
}

/// Whether it is the faster way for inputs of this size, `[N, C, h, w]`.
pub(super) fn suits(op: &Conv2d, input: &[i64]) -> bool {
    let plain = op.kernel == [3, 3] && op.stride == [1, 1] && op.dilation == [1, 1];
    let (Some(_), Ok(output), true) = (op.zeros(), op.output_shape(input), plain) else {
        return false;
    };
    let &[n, out, h, w] = output.as_slice() else { return false };
    op.groups == 1
        && op.in_channels.min(out) >= CHANNELS
        && op.in_channels * out >= PAIRS
        && n * tiles(h) * tiles(w) >= TILES
}

/// The kernels at the points, `[36, C, K]`.
pub(super) fn kernels(weight: &Tensor) -> Result<Tensor> {
    let work = || {
        let size = weight.size();
        let [k, c] = [0, 1].map(|i| size.get(i).copied().unwrap_or(1));
        let columns = weight.f_permute([2, 3, 1, 0])?.f_reshape([9, c * k])?;
        twice(KERNEL.as_flattened(), SIDE)?.f_matmul(&columns)?.f_reshape([SIDE * SIDE, c, k])
    };
    work().into_result()
}

/// The convolution of an input `[N, C, h, w]`, by [`kernels`], with channels innermost in memory.
pub(super) fn run(
    input: &Tensor,
    kernels: &Tensor,
    bias: Option<&Tensor>,
    padding: [i64; 2],
) -> Result<Tensor> {
    let size = input.size();
    let [n, c, h, w] = [0, 1, 2, 3].map(|i| size.get(i).copied().unwrap_or(1));
    let (height, width) = (h + 2 * padding[0] - 2, w + 2 * padding[1] - 2);
    let (down, across) = (tiles(height), tiles(width));
    // Some rows of tiles of a photo, or all of some photos.
    let rows = (AT_ONCE / across).clamp(1, down);
    let photos = (AT_ONCE / (across * down)).clamp(1, n);
    let work = || {
        let rest = |tiles: i64, size: i64, before: i64| tiles * TILE + 2 - size - before;
        let (right, below) = (rest(across, w, padding[1]), rest(down, h, padding[0]));
        let sides = [0, 0, padding[1], right, padding[0], below];
        let padded = input.f_permute([0, 2, 3, 1])?.f_constant_pad_nd(sides)?.f_contiguous()?;
        // Every pixel of every tile: they overlap by two.
        let row = (across * TILE + 2) * c;
        let photo = (down * TILE + 2) * row;
        let strides = [row, c, photo, TILE * row, TILE * c, 1];
        let to_points = twice(INPUT.as_flattened(), SIDE)?;
        let from_points = twice(OUTPUT.as_flattened(), TILE)?;
        let k = kernels.size().last().copied().unwrap_or(1);
        let mut output = input.f_new_empty([n, height, width, k], (Kind::Float, input.device()))?;
        for first in (0..n).step_by(photos as usize) {
            let n = photos.min(n - first);
            for top in (0..down).step_by(rows as usize) {
                let down = rows.min(down - top);
                let start = first * photo + top * TILE * row;
                let tiles =
                    padded.f_as_strided([SIDE, SIDE, n, down, across, c], strides, start)?;
                let tiles = tiles.f_contiguous()?.f_reshape([SIDE * SIDE, -1])?;
                let at_points = to_points.f_matmul(&tiles)?;
                let at_points = at_points.f_reshape([SIDE * SIDE, n * down * across, c])?;
                let products = at_points.f_bmm(kernels)?.f_reshape([SIDE * SIDE, -1])?;
                let whole = from_points.f_matmul(&products)?;
                let whole = whole.f_reshape([TILE, TILE, n, down, across, k])?;
                let whole = whole.f_permute([2, 3, 0, 4, 1, 5])?;
                let whole = whole.f_reshape([n, down * TILE, across * TILE, k])?;
                let lines = (down * TILE).min(height - top * TILE);
                let mut here = output.f_narrow(0, first, n)?.f_narrow(1, top * TILE, lines)?;
                here.f_copy_(&whole.f_narrow(1, 0, lines)?.f_narrow(2, 0, width)?)?;
            }
        }
        if let Some(bias) = bias {
            let _ = output.f_add_(bias)?;
        }
        output.f_permute([0, 3, 1, 2])
    };
    channels_last(&work().into_result()?)
}

/// What a matrix of so many rows does to the columns and the rows of a tile, as one matrix.
fn twice(matrix: &[f64], rows: i64) -> Result<Tensor, TchError> {
    let matrix = Tensor::f_from_slice(matrix)?.f_reshape([rows, -1])?;
    matrix.f_kron(&matrix)?.f_to_kind(Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_plain_convolution() {
        // Sizes that tiles do not divide, and paddings of the way there and the way back; both photos
        // at once, photo by photo, and in rows of tiles.
        for (h, w, padding) in [(18, 23, 1), (22, 22, 0), (41, 17, 2), (70, 70, 1)] {
            let op = Conv2d::new(128, 256, 3).padding(padding);
            let value =
                |count: i64, step: f64| (Tensor::arange(count, tch::kind::DOUBLE_CPU) * step).sin();
            let input = value(2 * 128 * h * w, 0.37).reshape([2, 128, h, w]);
            let weight = value(256 * 128 * 9, 0.61).reshape([256, 128, 3, 3]) * 0.05;
            let bias = value(256, 0.9);
            assert!(suits(&op, &input.size()));
            let expected = input.conv2d(&weight, Some(&bias), [1, 1], [padding; 2], [1, 1], 1);
            let float = |t: &Tensor| t.to_kind(Kind::Float);
            let kernels = kernels(&float(&weight)).expect("kernels");
            let found = run(&float(&input), &kernels, Some(&float(&bias)), [padding; 2]);
            let found = found.expect("a convolution");
            assert_eq!(found.size(), expected.size());
            let apart = (found.to_kind(Kind::Double) - &expected).abs().max();
            let apart = apart.double_value(&[]) / expected.abs().max().double_value(&[]);
            assert!(apart < 1e-5, "{h} × {w}: {apart}");
        }
    }

    #[test]
    fn it_is_used_for_many_channels_and_kernels_of_3_alone() {
        let suits = |op: Conv2d, side| suits(&op, &[1, op.in_channels, side, side]);
        assert!(suits(Conv2d::new(512, 512, 3).padding(1), 28));
        assert!(suits(Conv2d::new(128, 256, 3).padding(1), 28));
        assert!(!suits(Conv2d::new(512, 512, 3).padding(1), 20), "few tiles");
        assert!(!suits(Conv2d::new(64, 1024, 3).padding(1), 160), "few channels");
        assert!(!suits(Conv2d::new(128, 128, 3).padding(1), 160), "few pairs");
        assert!(!suits(Conv2d::new(512, 512, 3).padding(1).stride(2), 40));
        assert!(!suits(Conv2d::new(512, 512, 3).padding(1).groups(2), 40));
        assert!(!suits(Conv2d::new(512, 512, 5).padding(2), 40));
        assert!(!suits(Conv2d::new(512, 512, 3).same(), 40));
    }
}
