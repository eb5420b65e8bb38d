//! Some tiles of a convolution, from the input to the output, in one processor's cache.
//!
//! Pointers and places move by `wrapping_` functions: a notebook's kernel compiles with checks of all the
//! others, which took half of the time. That they stay within their slices is up to who calls
//! [`TileWork::run`], checks or no.

use std::array;
use std::ops::Range;

use super::{POINTS, SIDE, TILE};
use crate::after::After;
use crate::simd::Vector;

/// A convolution; everything has its channels innermost. The lengths are checked by who makes it.
pub(super) struct TileWork<'a> {
    /// `[N, h, w, C]`
    pub(super) input: &'a [f32],
    /// Height, width, channels.
    pub(super) size: [usize; 3],
    /// `[36, K / panel, C, panel]`, a panel being as wide as two registers.
    pub(super) kernels: &'a [f32],
    pub(super) padding: [usize; 2],
    /// Height, width and channels of the output, `[N, h, w, K]`.
    pub(super) output: [usize; 3],
    /// Floats from a pixel of it to the next.
    pub(super) apart: usize,
    pub(super) bias: Option<&'a [f32]>,
    /// What is added to the output.
    pub(super) other: Option<&'a [f32]>,
    pub(super) after: After,
}

/// Floats between what belongs to one point and to the next: they would share few lines of the cache
/// if they lay a power of two apart.
const APART: usize = 16;

impl TileWork<'_> {
    /// How many tiles a photo has, down and across.
    pub(super) fn tiles(&self) -> [usize; 2] {
        [self.output[0].div_ceil(TILE), self.output[1].div_ceil(TILE)]
    }

    /// How many floats the work on so many tiles needs, with so many rows in a product.
    pub(super) fn scratch(&self, tiles: usize, rows: usize) -> usize {
        let tiles = tiles.next_multiple_of(rows);
        POINTS * (tiles * (self.size[2] + self.output[2]) + 2 * APART)
    }

    /// Computes some tiles of the output, and of their channels those of some panels.
    ///
    /// # Safety
    /// The processor has `V`; the output is as large as `output` says, and nobody else works on the same
    /// part of it; the scratch is as large as [`scratch`](TileWork::scratch) says.
    #[inline(always)]
    pub(super) unsafe fn run<V: Vector, const ROWS: usize>(
        &self,
        tiles: Range<usize>,
        panels: Range<usize>,
        scratch: *mut f32,
        output: *mut f32,
    ) {
        let rows = tiles.len().next_multiple_of(ROWS);
        let panel = 2 * V::LANES;
        let channels = panels.len() * panel;
        let in_channels = self.size[2];
        let (in_stride, out_stride) = (rows * in_channels + APART, rows * channels + APART);
        unsafe {
            let products = scratch.wrapping_add(POINTS * in_stride);
            for (row, tile) in tiles.clone().enumerate() {
                self.to_points::<V>(tile, scratch.wrapping_add(row * in_channels), in_stride);
            }
            for point in 0..POINTS {
                let inputs = scratch.wrapping_add(point * in_stride);
                let unused = tiles.len() * in_channels..rows * in_channels;
                inputs.wrapping_add(unused.start).write_bytes(0, unused.len());
                for (column, at) in panels.clone().enumerate() {
                    let at = point * self.output[2] / panel + at;
                    let kernel = self.kernels.as_ptr().wrapping_add(at * in_channels * panel);
                    let out = products.wrapping_add(point * out_stride + column * panel);
                    for row in (0..rows).step_by(ROWS) {
                        product::<V, ROWS>(
                            inputs.wrapping_add(row * in_channels),
                            kernel,
                            in_channels,
                            out.wrapping_add(row * channels),
                            channels,
                        );
                    }
                }
            }
            for (row, tile) in tiles.enumerate() {
                let first = panels.start * panel;
                let products = products.wrapping_add(row * channels);
                self.to_pixels::<V>(tile, products, out_stride, first..first + channels, output);
            }
        }
    }

    /// Photo, row and column of a tile.
    fn place(&self, tile: usize) -> [usize; 3] {
        let [down, across] = self.tiles();
        [tile / (down * across), tile / across % down, tile % across]
    }

    /// A tile of the input at the points, each `stride` behind the one before.
    #[inline(always)]
    unsafe fn to_points<V: Vector>(&self, tile: usize, points: *mut f32, stride: usize) {
        let [photo, down, across] = self.place(tile);
        let [height, width, channels] = self.size;
        // Beyond the edges lie zeros: before them, the difference wraps.
        let place = |i: usize, j: usize| {
            let y = (down * TILE + i).wrapping_sub(self.padding[0]);
            let x = (across * TILE + j).wrapping_sub(self.padding[1]);
            let at = || ((photo * height + y) * width + x) * channels;
            (y < height && x < width).then(|| self.input.as_ptr().wrapping_add(at()))
        };
        let places: [[Option<*const f32>; SIDE]; SIDE] =
            array::from_fn(|j| array::from_fn(|i| place(i, j)));
        unsafe {
            let zero = V::splat(0.0);
            for channel in (0..channels).step_by(V::LANES) {
                let mut half = [[zero; SIDE]; SIDE];
                for (half, places) in half.iter_mut().zip(&places) {
                    let mut pixels = [zero; SIDE];
                    for (pixel, place) in pixels.iter_mut().zip(places) {
                        if let Some(place) = place {
                            *pixel = V::load(place.wrapping_add(channel));
                        }
                    }
                    *half = input_points(pixels);
                }
                let mut point = points.wrapping_add(channel);
                for i in 0..SIDE {
                    let [a, b, c, d, e, f] = &half;
                    let values = input_points([a[i], b[i], c[i], d[i], e[i], f[i]]);
                    for value in values {
                        value.store(point);
                        point = point.wrapping_add(stride);
                    }
                }
            }
        }
    }

    /// From the points of a tile to the output's pixels, with what follows a convolution.
    #[inline(always)]
    unsafe fn to_pixels<V: Vector>(
        &self,
        tile: usize,
        points: *const f32,
        stride: usize,
        channels: Range<usize>,
        output: *mut f32,
    ) {
        let [photo, down, across] = self.place(tile);
        let [height, width, all] = self.output;
        let inside = [height - down * TILE, width - across * TILE].map(|rest| rest.min(TILE));
        let first = (photo * height + down * TILE) * width + across * TILE;
        unsafe {
            let zero = V::splat(0.0);
            for channel in (0..channels.len()).step_by(V::LANES) {
                let mut half = [[zero; TILE]; SIDE];
                for (j, half) in half.iter_mut().enumerate() {
                    let mut column = [zero; SIDE];
                    for (i, value) in column.iter_mut().enumerate() {
                        let at = (i * SIDE + j).wrapping_mul(stride).wrapping_add(channel);
                        *value = V::load(points.wrapping_add(at));
                    }
                    *half = output_pixels(column);
                }
                let channel = channels.start + channel;
                let bias = self.bias.map(|bias| bias.as_ptr().wrapping_add(channel));
                let bias = bias.map_or(zero, |bias| V::load(bias));
                for i in 0..inside[0] {
                    let [a, b, c, d, e, f] = &half;
                    let pixels = output_pixels([a[i], b[i], c[i], d[i], e[i], f[i]]);
                    let mut place = first.wrapping_add(i.wrapping_mul(width));
                    for pixel in pixels.into_iter().take(inside[1]) {
                        let at = |apart| place.wrapping_mul(apart).wrapping_add(channel);
                        let mut pixel = pixel.add(bias);
                        if let Some(other) = self.other {
                            pixel = pixel.add(V::load(other.as_ptr().wrapping_add(at(all))));
                        }
                        self.after.of(pixel).store(output.wrapping_add(at(self.apart)));
                        place = place.wrapping_add(1);
                    }
                }
            }
        }
    }
}

/// A line of the input at the polynomials' points 0, 1, −1, 2, −2 and infinity.
#[inline(always)]
unsafe fn input_points<V: Vector>([a, b, c, d, e, f]: [V; SIDE]) -> [V; SIDE] {
    unsafe {
        let (even, odd) = (times(-4.0, c, e), times(-4.0, b, d));
        let (far_even, far_odd) = (e.sub(c), d.sub(b));
        [
            times(4.0, a, times(-5.0, c, e)),
            even.add(odd),
            even.sub(odd),
            times(2.0, far_odd, far_even),
            times(-2.0, far_odd, far_even),
            times(4.0, b, times(-5.0, d, f)),
        ]
    }
}

/// Four pixels of the output from the values at the points.
#[inline(always)]
unsafe fn output_pixels<V: Vector>([a, b, c, d, e, f]: [V; SIDE]) -> [V; TILE] {
    unsafe {
        let (sum, difference) = (b.add(c), b.sub(c));
        let (far_sum, far_difference) = (d.add(e), d.sub(e));
        [
            a.add(sum).add(far_sum),
            times(2.0, far_difference, difference),
            times(4.0, far_sum, sum),
            times(8.0, far_difference, difference).add(f),
        ]
    }
}

/// `factor * value + plus`
#[inline(always)]
unsafe fn times<V: Vector>(factor: f32, value: V, plus: V) -> V {
    unsafe { V::splat(factor).mul_add(value, plus) }
}

/// Some rows `[ROWS, C]` by a panel `[C, 2 registers]`, into rows that lie `stride` apart.
#[inline(always)]
unsafe fn product<V: Vector, const ROWS: usize>(
    mut rows: *const f32,
    mut panel: *const f32,
    channels: usize,
    out: *mut f32,
    stride: usize,
) {
    unsafe {
        let mut sums = [[V::splat(0.0); 2]; ROWS];
        for _ in 0..channels {
            let (left, right) = (V::load(panel), V::load(panel.wrapping_add(V::LANES)));
            for (row, sums) in sums.iter_mut().enumerate() {
                let value = V::spread(rows.wrapping_add(row.wrapping_mul(channels)));
                sums[0] = value.mul_add(left, sums[0]);
                sums[1] = value.mul_add(right, sums[1]);
            }
            rows = rows.wrapping_add(1);
            panel = panel.wrapping_add(2 * V::LANES);
        }
        for (row, [left, right]) in sums.into_iter().enumerate() {
            let out = out.wrapping_add(row.wrapping_mul(stride));
            left.store(out);
            right.store(out.wrapping_add(V::LANES));
        }
    }
}
