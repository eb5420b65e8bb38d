//! Convolutions of 3 × 3 by fewer multiplications: when that is the better way, and tensors to the slices
//! that convlens-fast works on.

use convlens_fast::{After, Convolution, KERNEL, POINTS, SIDE, TILE, panel};
use tch::{Kind, Tensor};

use super::{Inner, Room, filled, floats, has_fast_loops, sides, some_floats, some_inner, threads};
use crate::error::Result;
use crate::model::op::{Conv2d, Operator};
use crate::tensor::IntoResult;

/// The fewest channels on either side, and what their numbers are multiples of.
const CHANNELS: i64 = 32;
/// The fewest tiles: every one shares the cost of reading the weights, four times those of before.
const TILES: i64 = 16;

/// The most weights for each tile where nobody says that the convolution will be asked for again and
/// again: preparing them should not cost more than a pass saves, nor holding them more than activations do.
const ONCE: i64 = 1024;

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
    has_fast_loops()
        && panel().is_some()
        && op.groups == 1
        && [op.in_channels, out].iter().all(|channels| channels % CHANNELS == 0)
        && tiles >= TILES
        && (again || op.in_channels * out / tiles <= ONCE)
}

/// The kernels at the points, `[36, K / panel, C, panel]`.
pub(super) fn kernels(weight: &Tensor) -> Result<Option<Tensor>> {
    let Some(panel) = panel() else { return Ok(None) };
    let panel = panel as i64;
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
    work().into_result().map(Some)
}

/// The convolution of an input `[N, C, h, w]` by [`kernels`], with what follows it: a bias, another
/// tensor of the output's size, a function. Channels are innermost in memory.
pub(super) fn run(
    input: &Tensor,
    kernels: &Tensor,
    bias: Option<&Tensor>,
    padding: [i64; 2],
    other: Option<&Tensor>,
    after: After,
    room: Option<Room>,
) -> Result<Option<Tensor>> {
    let (&[n, c, h, w], &[_, panels, _, panel]) = (&*input.size(), &*kernels.size()) else {
        return Ok(None);
    };
    let (input, other) = (Inner::of(input)?, other.map(Inner::of).transpose()?);
    let bias = bias.map(|bias| bias.f_contiguous()).transpose().into_result()?;
    let (height, width) = (h + 2 * padding[0] - 2, w + 2 * padding[1] - 2);
    filled([n, panels * panel, height, width], room, |output| {
        let convolution = Convolution {
            input: input.floats()?,
            size: sides([h, w, c]),
            kernels: floats(kernels)?,
            padding: sides(padding),
            bias: some_floats(bias.as_ref())?,
            other: some_inner(&other)?,
            after,
        };
        convolution.run(output, threads::count())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELU: After = After::Between(0.0, f32::INFINITY);

    fn here() -> bool {
        has_fast_loops() && panel().is_some()
    }

    /// On photos of several sizes, which tiles do not divide, in one block and in many.
    #[test]
    fn it_is_the_plain_convolution_and_what_follows() {
        if !here() {
            return println!("skipped: libtorch's convolution is used here");
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
            let kernels = kernels(&float(&weight)).expect("kernels").expect("a processor");
            let run = |bias: Option<&Tensor>, other: Option<&Tensor>, after| {
                let found = run(&float(&input), &kernels, bias, [padding; 2], other, after, None);
                found.expect("a pass").expect("it suits")
            };
            let (bias_32, other_32) = (float(&bias), float(&other));
            // An error is as large as the terms of a sum let it be, which here largely cancel.
            let terms =
                input.abs().conv2d(&weight.abs(), None::<Tensor>, [1, 1], [padding; 2], [1, 1], 1);
            let terms = terms.max().double_value(&[]);
            let without = &plain - bias.reshape([1, k, 1, 1]);
            for (found, expected) in [
                (run(None, None, After::Nothing), without),
                (run(Some(&bias_32), None, After::Nothing), plain.shallow_clone()),
                (run(Some(&bias_32), Some(&other_32), RELU), (&plain + &other).relu()),
            ] {
                assert_eq!(found.size(), expected.size());
                let apart = (found.to_kind(Kind::Double) - &expected).abs().max();
                let apart = apart.double_value(&[]) / terms;
                assert!(apart < 1e-6, "{c} × {k}, {h} × {w}: {apart}");
            }
        }
    }

    #[test]
    fn a_rectifier_does_not_hide_what_is_not_finite() {
        if !here() {
            return println!("skipped: libtorch's convolution is used here");
        }
        let weight = Tensor::ones([32, 32, 3, 3], tch::kind::FLOAT_CPU);
        let input = Tensor::ones([1, 32, 16, 16], tch::kind::FLOAT_CPU);
        let _ = input.get(0).get(3).get(5).fill_(f64::NAN);
        let kernels = kernels(&weight).expect("kernels").expect("a processor");
        let found = run(&input, &kernels, None, [1, 1], None, RELU, None).expect("a pass");
        let found = found.expect("it suits");
        assert!(found.isnan().any().int64_value(&[]) != 0);
    }

    #[test]
    fn it_is_used_for_kernels_of_3_and_enough_tiles_alone() {
        let suits = |op: Conv2d, side| suits(&op, &[1, op.in_channels, side, side], true);
        let here = here();
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

    #[test]
    fn what_is_not_in_single_precision_is_left() {
        if !here() {
            return println!("skipped: libtorch's convolution is used here");
        }
        let weight = Tensor::ones([32, 32, 3, 3], tch::kind::FLOAT_CPU);
        let kernels = kernels(&weight).expect("kernels").expect("a processor");
        let input = Tensor::ones([1, 32, 16, 16], tch::kind::FLOAT_CPU);
        let double = |t: &Tensor| t.to_kind(Kind::Double);
        let bias = Tensor::ones([32], tch::kind::FLOAT_CPU);
        let run = |input: &Tensor, bias: &Tensor, other: Option<&Tensor>| {
            run(input, &kernels, Some(bias), [1, 1], other, After::Nothing, None)
                .expect("an answer")
                .is_some()
        };
        assert!(run(&input, &bias, Some(&input)));
        assert!(!run(&double(&input), &bias, None));
        assert!(!run(&input, &double(&bias), None));
        assert!(!run(&input, &bias, Some(&double(&input))));
        assert!(!run(&input, &bias, Some(&input.narrow(2, 0, 8))));
    }
}
