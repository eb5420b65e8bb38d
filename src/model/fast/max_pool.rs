//! The greatest values of windows, where channels are innermost in memory.

use convlens_fast::{MaxPool, Windows};
use tch::Tensor;

use super::{Inner, filled, has_fast_loops, is_on, is_plain, sides, threads};
use crate::error::Result;

/// Of an input `[N, C, h, w]` to an output of this shape, by windows of this kernel, stride, padding and
/// dilation.
pub(in crate::model) fn max_pool(
    input: &Tensor,
    [kernel, stride, padding, dilation]: [[i64; 2]; 4],
    shape: &[i64],
) -> Result<Option<Tensor>> {
    let &[n, c, height, width] = shape else { return Ok(None) };
    if !has_fast_loops() || !is_on() || !is_plain(input) {
        return Ok(None);
    }
    let windows = Windows {
        kernel: sides(kernel),
        stride: sides(stride),
        padding: sides(padding),
        dilation: sides(dilation),
    };
    let &[_, _, h, w] = &*input.size() else { return Ok(None) };
    let input = Inner::of(input)?;
    filled([n, c, height, width], None, |output| {
        let (size, shape) = (sides([h, w, c]), sides([height, width]));
        let of = MaxPool { input: input.floats()?, size, windows, output: shape };
        of.run(output, threads::count())
    })
}
