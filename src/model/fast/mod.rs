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
mod mean;
mod products;
mod threads;
mod weights;
mod winograd;

use std::cell::OnceCell;

use convlens_fast::Output;
use tch::{CModule, Device, Kind, Tensor};

pub(super) use chain::{Chain, Chains, Slice};
pub(super) use linear_back::linear_back;
pub(super) use max_pool::max_pool;
pub(super) use mean::mean;
pub(super) use products::products;
pub(super) use threads::prepare;

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

/// What a chain reads.
#[derive(Clone, Copy)]
pub(super) struct Read<'a> {
    /// Of the convolution or linear layer.
    pub(super) input: &'a Tensor,
    /// By what each channel of the input is multiplied before, `[N, C, 1, 1]`.
    pub(super) scale: Option<&'a Tensor>,
    /// What is added behind it.
    pub(super) other: Option<&'a Tensor>,
}

/// Whether layers may be taken together in a pass with these feeds, which are finite then: oneDNN's rectifier makes 0 of NaN,
/// which would hide it.
pub(super) fn takes<'a>(feeds: impl IntoIterator<Item = &'a Tensor>) -> Result<bool> {
    if !is_on() {
        return Ok(false);
    }
    for values in feeds {
        if !is_finite(values)? {
            return Ok(false);
        }
    }
    Ok(true)
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
    // SAFETY: nothing lies between its values.
    Some(unsafe { values(tensor) })
}

/// # Safety
/// The tensor's values are floats on the CPU, one behind the other.
unsafe fn values(tensor: &Tensor) -> &[f32] {
    match tensor.numel() {
        0 => &[],
        // SAFETY: they begin at `data_ptr`. The tensor outlives this borrow, and nobody writes to it meanwhile:
        // tensors do not leave their thread.
        count => unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), count) },
    }
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

/// A tensor `[N, C, h, w]` whose values lie as `[N, h, w, C]`: itself, or a copy.
enum Inner<'a> {
    Itself(&'a Tensor),
    Copy(Tensor),
}

impl<'a> Inner<'a> {
    fn of(tensor: &'a Tensor) -> Result<Inner<'a>> {
        let (size, strides) = (tensor.size(), tensor.stride());
        let mut apart = 1;
        let lies = [1, 3, 2, 0].into_iter().all(|side| {
            let (Some(&size), Some(&stride)) = (size.get(side), strides.get(side)) else {
                return false;
            };
            let is_next = size == 1 || stride == apart;
            apart *= size;
            is_next
        });
        if lies && size.len() == 4 {
            return Ok(Inner::Itself(tensor));
        }
        let copy = tensor.f_permute([0, 2, 3, 1]).and_then(|t| t.f_contiguous());
        copy.into_result().map(Inner::Copy)
    }

    fn floats(&self) -> Option<&[f32]> {
        match self {
            // SAFETY: nothing lies between its values.
            Inner::Itself(tensor) => is_plain(tensor).then(|| unsafe { values(tensor) }),
            Inner::Copy(copy) => floats(copy),
        }
    }
}

/// The floats of such a tensor, if there is one; `None` where it holds something else.
fn some_inner<'a>(tensor: &'a Option<Inner>) -> Option<Option<&'a [f32]>> {
    match tensor {
        None => Some(None),
        Some(tensor) => tensor.floats().map(Some),
    }
}

/// Where a concatenation has a chain's output.
pub(in crate::model) struct Room<'a> {
    /// The whole, once the first of its parts is there.
    pub(in crate::model) whole: &'a mut Option<Tensor>,
    pub(in crate::model) slice: &'a Slice,
}

/// A new tensor `[N, C, h, w]`, or a part of a whole that has `room` for it, with channels innermost in memory,
/// whose values `fill` writes, all of them; `None` where it leaves them.
fn filled(
    [n, c, h, w]: [i64; 4],
    room: Option<Room>,
    fill: impl FnOnce(Output) -> Option<()>,
) -> Result<Option<Tensor>> {
    let empty = |c: i64| {
        let (size, strides) = ([n, c, h, w], [c * w * h, 1, c * w, c]);
        Tensor::f_empty_strided(size, strides, tch::kind::FLOAT_CPU).into_result()
    };
    if [n, c, h, w].contains(&0) {
        return Ok(None);
    }
    let (tensor, apart) = match room {
        None => (empty(c)?, c),
        Some(Room { whole, slice: Slice { first, all, .. } }) => {
            let whole = match whole {
                Some(whole) => whole,
                None => whole.insert(empty(*all)?),
            };
            if whole.size() != [n, *all, h, w] {
                return Ok(None);
            }
            (whole.f_narrow(1, *first, c).into_result()?, *all)
        }
    };
    let count = ((n * h * w - 1) * apart + c) as usize;
    // SAFETY: so far its last value lies from its first. It has just been made, or nobody has had this part of it
    // before, nor looks at the others meanwhile.
    let floats = unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), count) };
    Ok(fill(Output::among(floats, apart as usize)).map(|()| tensor))
}
