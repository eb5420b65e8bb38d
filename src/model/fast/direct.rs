//! Convolutions and linear layers by sums in registers: which, and tensors to the slices that convlens-fast
//! works on.

use convlens_fast::{After, Depthwise, Direct, Windows};
use tch::Tensor;

use super::{
    Inner, Read, Room, filled, floats, has_fast_loops, sides, some_floats, some_inner, threads,
};
use crate::error::Result;
use crate::model::op::Conv2d;
use crate::tensor::IntoResult;

/// The way that such a convolution goes here, if it does.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Way {
    /// Each channel reads all.
    Whole,
    /// Each channel reads one.
    Depthwise,
}

/// For inputs `[N, C, h, w]`.
pub(super) fn way(op: &Conv2d, input: &[i64]) -> Option<Way> {
    let (windows, &[_, c, h, w]) = (windows(op)?, input) else { return None };
    if !has_fast_loops() || !Direct::is_here() {
        return None;
    }
    match op.groups {
        1 => Direct::suits(sides([h, w, c]), &windows).then_some(Way::Whole),
        groups if groups == op.in_channels && groups == op.out_channels => Some(Way::Depthwise),
        _ => None,
    }
}

/// Whether each channel reads all of one pixel.
pub(super) fn reads_pixels(op: &Conv2d) -> bool {
    op.groups == 1 && windows(op) == Some(Windows::PIXELS)
}

/// Where the windows lie, where that does not depend on the input.
fn windows(op: &Conv2d) -> Option<Windows> {
    Some(Windows {
        kernel: sides(op.kernel),
        stride: sides(op.stride),
        padding: sides(op.zeros()?),
        dilation: sides(op.dilation),
    })
}

/// The weights, `[K, C, kh, kw]`, as the sums read them; the bias of a whole convolution is among them.
pub(super) fn packed(way: Way, weight: &Tensor, bias: Option<&Tensor>) -> Result<Option<Tensor>> {
    let order = match way {
        Way::Whole => [0, 2, 3, 1],
        Way::Depthwise => [2, 3, 1, 0],
    };
    let lines = weight.f_permute(order).and_then(|t| t.f_contiguous()).into_result()?;
    if way == Way::Depthwise {
        return Ok(Some(lines));
    }
    let bias = bias.map(|bias| bias.f_contiguous()).transpose().into_result()?;
    let (Some(weights), Some(bias)) = (floats(&lines), some_floats(bias.as_ref())) else {
        return Ok(None);
    };
    let channels = weight.size().first().map_or(0, |&k| k as usize);
    let packed = Direct::pack(weights, bias, channels, threads::count());
    packed.map(|packed| Tensor::f_from_slice(&packed)).transpose().into_result()
}

/// The convolution of an input `[N, C, h, w]` by [`packed`] weights, with what follows it: another tensor of
/// the output's size, a function. Before a whole one that reads pixels goes a factor for each channel. The output
/// has this shape, and there may be room for it. Channels are innermost in memory.
pub(super) fn run(
    way: Way,
    op: &Conv2d,
    Read { input, scale, other }: Read,
    (weights, bias): (&Tensor, Option<&Tensor>),
    after: After,
    (shape, room): ([i64; 4], Option<Room>),
) -> Result<Option<Tensor>> {
    let (&[_, c, h, w], Some(windows)) = (&*input.size(), windows(op)) else { return Ok(None) };
    let (input, other) = (Inner::of(input)?, other.map(Inner::of).transpose()?);
    let size = sides([h, w, c]);
    filled(shape, room, |output| {
        let (input, weights) = (input.floats()?, floats(weights)?);
        let (bias, other) = (some_floats(bias)?, some_inner(&other)?);
        let scale = some_floats(scale)?;
        match way {
            Way::Whole => {
                let channels = shape[1] as usize;
                let of = Direct { input, size, scale, weights, channels, windows, other, after };
                of.run(output, threads::count())
            }
            Way::Depthwise => {
                let of = Depthwise { input, size, weights, bias, windows, other, after };
                of.run(output, threads::count())
            }
        }
    })
}
