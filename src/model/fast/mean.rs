//! The mean of each channel, where channels are innermost in memory.

use convlens_fast::Mean;
use tch::Tensor;

use super::{Inner, filled, has_fast_loops, is_on, is_plain, sides, threads};
use crate::error::Result;

/// Of an input `[N, C, h, w]`, as `[N, C, 1, 1]`.
pub(in crate::model) fn mean(input: &Tensor) -> Result<Option<Tensor>> {
    let &[n, c, h, w] = &*input.size() else { return Ok(None) };
    if !has_fast_loops() || !is_on() || !is_plain(input) {
        return Ok(None);
    }
    let input = Inner::of(input)?;
    filled([n, c, 1, 1], None, |output| {
        Mean { input: input.floats()?, size: sides([h, w, c]) }.run(output, threads::count())
    })
}
