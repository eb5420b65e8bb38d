//! The door of the fast engine: what may be done faster than layer by layer.
//!
//! It is a guest. Each function returns `None` for work that it leaves, and whoever asked then does it in
//! the plain way, which is right by itself. Results differ by rounding alone. `CONVLENS_PLAIN=1` leaves
//! everything to the plain way.

mod chain;
mod direct;
mod fused_conv;
mod linear_back;
mod max_pool;
mod threads;
mod weights;
mod winograd;

use std::cell::OnceCell;
use std::mem::MaybeUninit;

use tch::{CModule, Device, Kind, Tensor};

pub(super) use chain::{Chain, Chains};
pub(super) use linear_back::linear_back;
pub(super) use max_pool::max_pool;
pub(super) use threads::prepare;

use super::{Node, NodeId, Op};
use crate::error::Result;
use crate::tensor::IntoResult;
use weights::FoldedWeights;

/// What is made once for a network.
#[derive(Default)]
pub(super) struct Engine {
    /// Calls of libtorch that tch does not have; `None` where libtorch has no oneDNN.
    archive: OnceCell<Option<CModule>>,
}

/// What is kept at a layer as long as its parameters stay as they are: of a convolution, its weights as
/// inference wants them.
#[derive(Default)]
pub(super) struct Kept {
    forwards: FoldedWeights,
    backwards: FoldedWeights,
}

/// What has to be known of a pass.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// The model's training passes so far: these change a batch norm's statistics uncounted.
    pub(super) trainings: u64,
    /// Whether many more such passes come, for which preparing any number of weights pays.
    pub(super) again: bool,
}

/// The layers among `nodes` that are taken together, where all `given` values are finite: oneDNN's rectifier
/// makes 0 of NaN, which would hide it. `runs(id)` says whether a node has to run, `readers(id)` how
/// many read it, 0 where somebody else wants its value, `takes(op)` whether a function of each value may be
/// taken along.
pub(super) fn chains<'a>(
    nodes: &[Node],
    given: impl IntoIterator<Item = &'a Tensor>,
    runs: impl Fn(NodeId) -> bool,
    readers: impl Fn(NodeId) -> usize,
    takes: impl Fn(&Op) -> bool,
) -> Result<Chains> {
    if is_on() {
        for values in given {
            if !is_finite(values)? {
                return Ok(Chains::none(nodes));
            }
        }
        return Ok(Chains::find(nodes, runs, readers, takes));
    }
    Ok(Chains::none(nodes))
}

/// Whether anything is to be done here. Asked at each pass, since a notebook's next cell may set the
/// variable.
fn is_on() -> bool {
    std::env::var_os("CONVLENS_PLAIN").is_none_or(|value| value.is_empty() || value == "0")
}

/// Whether our own loops are faster than libtorch's.
fn has_fast_loops() -> bool {
    convlens_fast::OPTIMISED
}

/// What our own loops and oneDNN's packed weights are for.
fn is_plain(tensor: &Tensor) -> bool {
    tensor.device() == Device::Cpu && tensor.kind() == Kind::Float
}

/// Whether all values are finite, in one pass over memory. A sum that overflows counts as not finite,
/// which costs speed alone.
fn is_finite(values: &Tensor) -> Result<bool> {
    let sum = values.f_sum(None::<Kind>).and_then(|sum| sum.f_double_value(&[]));
    Ok(sum.into_result()?.is_finite())
}

/// The values of a contiguous tensor of 32-bit floats on the CPU, for as long as it is borrowed.
fn floats(tensor: &Tensor) -> Option<&[f32]> {
    if !is_plain(tensor) || !tensor.is_contiguous() {
        return None;
    }
    Some(match tensor.numel() {
        0 => &[],
        // SAFETY: such a tensor has `numel` floats from `data_ptr` on. It outlives this borrow, and nobody
        // writes to it meanwhile: tensors do not leave their thread.
        count => unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), count) },
    })
}

/// The floats of a tensor, if there is one; `None` where it holds something else.
fn some_floats(tensor: Option<&Tensor>) -> Option<Option<&[f32]>> {
    match tensor {
        None => Some(None),
        Some(tensor) => floats(tensor).map(Some),
    }
}

/// Sizes as slices have them: shapes that were checked have no negative ones.
fn sides<const N: usize>(sides: [i64; N]) -> [usize; N] {
    sides.map(|side| side as usize)
}

/// A tensor `[N, C, h, w]` with its channels innermost in memory, as `[N, h, w, C]`.
fn inner(tensor: &Tensor) -> Result<Tensor> {
    tensor.f_permute([0, 2, 3, 1]).and_then(|t| t.f_contiguous()).into_result()
}

/// A new tensor `[N, C, h, w]` with its channels innermost in memory, whose values `fill` writes, all of
/// them; `None` where it leaves them.
fn filled(
    [n, c, h, w]: [i64; 4],
    fill: impl FnOnce(&mut [MaybeUninit<f32>]) -> Option<()>,
) -> Result<Option<Tensor>> {
    let output = Tensor::f_empty([n, h, w, c], tch::kind::FLOAT_CPU).into_result()?;
    if output.numel() == 0 {
        return Ok(None);
    }
    // SAFETY: it has just been made, of that many floats, and nobody else has it.
    let values =
        unsafe { std::slice::from_raw_parts_mut(output.data_ptr().cast(), output.numel()) };
    match fill(values) {
        Some(()) => output.f_permute([0, 3, 1, 2]).into_result().map(Some),
        None => Ok(None),
    }
}
