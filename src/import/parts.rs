//! Steps that every reader of networks takes.

use tch::{Device, Kind, Tensor};

use super::draft::{Draft, Photos, Side, Value};
use super::shapes::{self, Given};
use crate::error::{Error, Result};
use crate::model::{
    AdaptiveAvgPool2d, Arithmetic, Elementwise, Linear, Model, Norm, Op, Rearrange, Reduce,
    ReduceBy,
};
use crate::tensor::IntoResult;

/// A network for any number of photos; where the file cannot be read as that, for one at a time,
/// if it was written with one.
pub(super) fn for_photos(
    written_with_one: bool,
    open: impl Fn(Photos) -> Result<Model>,
) -> Result<Model> {
    match open(Photos::Any) {
        Err(_) if written_with_one => open(Photos::One),
        opened => opened,
    }
}

/// The sizes of what no number of photos changes the size of: weights.
pub(super) fn fixed_sizes(draft: &Draft, value: &Value) -> Result<Vec<i64>> {
    let sides = draft.shape(value).into_iter().map(|side| side.is_fixed().then_some(side.one));
    sides.collect::<Option<_>>().ok_or_else(|| {
        Error::Argument("its weights follow from the photo, which none here can".into())
    })
}

/// A side that no number of photos changes.
pub(super) fn fixed_side(draft: &Draft, value: &Value, dim: usize) -> Result<i64> {
    let side = draft.shape(value).get(dim).copied().filter(|side| side.is_fixed());
    side.map(|side| side.one).ok_or_else(|| {
        Error::Shape(format!("its dimension {dim} is that of the photos, or there is none such"))
    })
}

/// An error that lists what is not known, unless a part of the network is enough; before the first of them come
/// so many layers of the draft.
pub(super) fn check_known(
    unknown: &[String],
    partly: bool,
    draft: &Draft,
    before: usize,
) -> Result<()> {
    if unknown.is_empty() || partly {
        return Ok(());
    }
    let layer = draft.last_name(before).map_or("layer".to_owned(), |name| format!("{name:?}"));
    Err(Error::Argument(format!(
        "{} operations are not known here: {}. Model::open_up_to(path, {layer}) opens the part before \
         the first of them",
        unknown.len(),
        unknown.join("; ")
    )))
}

/// A dimension counted from 0; the file may count from the end.
pub(super) fn dimension(dim: i64, rank: usize) -> Result<usize> {
    let from_start = if dim < 0 { dim.saturating_add(rank as i64) } else { dim };
    match usize::try_from(from_start) {
        Ok(found) if found < rank => Ok(found),
        _ => Err(Error::Shape(format!("there is no dimension {dim} among {rank}"))),
    }
}

pub(super) fn dimensions(dims: &[i64], rank: usize) -> Result<Vec<usize>> {
    dims.iter().map(|&dim| dimension(dim, rank)).collect()
}

/// The height and width of a kernel, behind its output and input channels.
pub(super) fn kernel(draft: &Draft, weight: &Value) -> Result<[i64; 4]> {
    let sizes = fixed_sizes(draft, weight)?;
    sizes.as_slice().try_into().map_err(|_| {
        Error::Shape(format!(
            "its kernels are {sizes:?}: only two-dimensional convolutions are known"
        ))
    })
}

/// What a layer owns: a weight and perhaps a bias.
pub(super) fn owned(weight: Value, bias: Option<Value>) -> Vec<Value> {
    std::iter::once(weight).chain(bias).collect()
}

/// `x·Wᵀ + b`
pub(super) fn connected(
    draft: &mut Draft,
    input: Value,
    weight: Value,
    bias: Option<Value>,
) -> Result<Value> {
    let &[out, features] = fixed_sizes(draft, &weight)?.as_slice() else {
        return Err(Error::Shape("its weight is no matrix".into()));
    };
    let linear = Linear::new(features, out);
    let linear = if bias.is_some() { linear } else { linear.without_bias() };
    draft.layer(linear, &[input], owned(weight, bias))
}

/// One number everywhere, where there are no weights.
pub(super) fn or_filled(value: Option<Value>, sizes: &[i64], with: f64) -> Result<Value> {
    match value {
        Some(value) => Ok(value),
        None => {
            countable(sizes)?;
            let filled = Tensor::f_full(sizes, with, (Kind::Float, Device::Cpu)).into_result()?;
            Ok(Value::constant(filled))
        }
    }
}

/// A normalisation with what it has of weight and bias.
pub(super) fn normalized(
    draft: &mut Draft,
    norm: Norm,
    input: Value,
    [weight, bias]: [Option<Value>; 2],
    sizes: &[i64],
) -> Result<Value> {
    let (norm, parameters) = match (weight, bias) {
        (None, None) => (norm.plain(), Vec::new()),
        (Some(weight), None) => (norm.without_bias(), vec![weight]),
        (weight, Some(bias)) => (norm, vec![or_filled(weight, sizes, 1.0)?, bias]),
    };
    draft.layer(norm, &[input], parameters)
}

/// Whether a constant of these sizes is made; a file may ask for any.
pub(super) fn countable(sizes: &[i64]) -> Result<()> {
    const MOST: i64 = 1 << 26;
    let count = sizes.iter().try_fold(1i64, |count, &side| {
        count.checked_mul(side.max(1)).filter(|count| side >= 0 && *count <= MOST)
    });
    match count {
        Some(_) => Ok(()),
        None => Err(Error::Argument(format!("a constant of {sizes:?} is too large"))),
    }
}

/// Sizes of a constant; one that follows the number of photos is 1, and goes with each photo.
pub(super) fn constant_sizes(sizes: &[Given]) -> Result<Vec<i64>> {
    let sides = sizes.iter().enumerate().map(|(i, given)| match (given.side(), i) {
        (side, _) if side.is_fixed() => Ok(side.one),
        (_, 0) => Ok(1),
        _ => Err(Error::Argument("it makes values for as many photos as there are".into())),
    });
    let sides: Vec<i64> = sides.collect::<Result<_>>()?;
    countable(&sides).map(|()| sides)
}

/// Numbers from `start` up to `end`.
pub(super) fn numbers([start, end, step]: [f64; 3], kind: Kind) -> Result<Tensor> {
    const MOST: f64 = (1 << 24) as f64;
    let count = (end - start) / step;
    if count.is_nan() || count > MOST {
        return Err(Error::Argument(format!("{start} to {end} by {step} are too many numbers")));
    }
    // Where there is none, libtorch has an error.
    let end = if count < 0.0 { start } else { end };
    Tensor::f_arange_start_step(start, end, step, (kind, Device::Cpu)).into_result()
}

/// What no photo changes.
pub(super) fn known(draft: &Draft, value: &Value) -> Result<Tensor> {
    draft.known(value)?.ok_or_else(|| Error::Argument("it depends on the photo".into()))
}

/// Normalised by the mean and deviation of its own channels, as a batch norm in training is. Of weights, as networks
/// without normalisation have it, that is known now; of photos it would be training, and the error says so.
pub(super) fn standardized(
    draft: &Draft,
    input: &Value,
    own: [Option<Value>; 2],
    eps: f64,
    training: &str,
) -> Result<Value> {
    let Some(input) = draft.known(input)? else {
        return Err(Error::Argument(training.into()));
    };
    let [weight, bias] = own.map(|value| value.map(|value| known(draft, &value)).transpose());
    let made = input.f_batch_norm(weight?, bias?, None, None, true, 0.1, eps, false);
    Ok(Value::constant(made.into_result()?))
}

/// To these sides, as the file has them; nothing where that changes nothing.
pub(super) fn reshaped(
    draft: &mut Draft,
    input: Value,
    to: &[Given],
    photos: i64,
) -> Result<Value> {
    let own = draft.shape(&input);
    let made = shapes::reshape(&own, draft.within(&input), to, photos)?;
    let same = own.len() == made.sides.len()
        && own.iter().zip(&made.sides).all(|(own, &side)| match side {
            -1 => !own.is_fixed(),
            side => own.is_fixed() && own.one == side,
        });
    if same {
        return Ok(input);
    }
    let value = draft.op(Rearrange::Reshape(made.sides), &[input])?;
    draft.set_within(&value, made.within, made.guessed);
    Ok(value)
}

pub(super) fn product(sides: &[Side]) -> Result<Side> {
    let product = sides
        .iter()
        .try_fold(Side::fixed(1), |product, side| product.with(*side, |a, b| a.checked_mul(b)));
    product.ok_or_else(|| Error::Shape("it has more values than can be counted".into()))
}

/// A part along a dimension; all of it is the input itself.
pub(super) fn part(
    draft: &mut Draft,
    input: Value,
    dim: usize,
    [start, end, step]: [i64; 3],
) -> Result<Value> {
    let side = draft.shape(&input)[dim];
    let all = start == 0 && step == 1 && end >= side.one.max(side.two);
    if all {
        return Ok(input);
    }
    draft.op(Rearrange::Slice { dim, start, end, step }, &[input])
}

/// Parts of these sizes along a dimension, one behind the other.
pub(super) fn parted(
    draft: &mut Draft,
    input: &Value,
    dim: usize,
    sizes: &[i64],
) -> Result<Vec<Value>> {
    let mut start = 0i64;
    let parts = sizes.iter().map(|&size| {
        let end = start.saturating_add(size);
        let part = part(draft, input.clone(), dim, [start, end, 1])?;
        start = end;
        Ok(part)
    });
    parts.collect()
}

/// Sides of 1, and new ones in front, stretched; one that follows another tensor's goes with it where they meet.
pub(super) fn expanded(
    draft: &mut Draft,
    input: Value,
    to: &[Given],
    photos: i64,
) -> Result<Value> {
    let own = draft.shape(&input);
    let sides = shapes::expand(&own, to, photos);
    match sides.len() == own.len() && sides.iter().all(|side| *side == -1) {
        true => Ok(input),
        false => draft.op(Rearrange::Expand(sides), &[input]),
    }
}

/// So many copies along each dimension; new ones lead.
pub(super) fn repeated(
    draft: &mut Draft,
    input: Value,
    times: &[Side],
    photos: i64,
) -> Result<Value> {
    let own = draft.shape(&input);
    let new = times.len().saturating_sub(own.len());
    let times = times.iter().enumerate().map(|(i, side)| {
        let batch = i == new && own.first() == Some(&Side::fixed(1)) && !draft.varies(&input);
        match side.is_fixed() {
            // A token for each photo of the example goes with each photo.
            true if batch && photos > 1 && side.one == photos => Ok(1),
            true => Ok(side.one),
            false if batch => Ok(1),
            false => Err(Error::Argument("it repeats as often as there are photos".into())),
        }
    });
    let times: Vec<i64> = times.collect::<Result<_>>()?;
    match new == 0 && times.iter().all(|times| *times == 1) {
        true => Ok(input),
        false => draft.op(Rearrange::Repeat(times), &[input]),
    }
}

/// Joined along a dimension: of maps, the channels' has an operator of its own.
pub(super) fn joined(draft: &mut Draft, tensors: &[Value], dim: i64) -> Result<Value> {
    let Some(rank) = tensors.first().map(|first| draft.shape(first).len()) else {
        return Err(Error::Argument("there is nothing to join".into()));
    };
    let dim = dimension(dim, rank)?;
    let maps = rank == 4 && dim == 1 && tensors.iter().all(|tensor| draft.varies(tensor));
    draft.op(if maps { Op::Concat } else { Op::Join(dim) }, tensors)
}

/// Both are layers' outputs of one shape.
fn alike(draft: &Draft, a: &Value, b: &Value) -> bool {
    draft.varies(a) && draft.varies(b) && draft.shape(a) == draft.shape(b)
}

pub(super) fn sum(draft: &mut Draft, a: Value, b: Value) -> Result<Value> {
    let op = if alike(draft, &a, &b) { Op::Add } else { Arithmetic::Add.into() };
    draft.op(op, &[a, b])
}

pub(super) fn times(draft: &mut Draft, a: Value, b: Value) -> Result<Value> {
    // Whole channels are scaled by the second one.
    let gates = |gate: &[Side], maps: &[Side]| match (gate, maps) {
        ([n, c, h, w], [photos, channels, _, _]) => {
            [n, c] == [photos, channels] && [h, w].iter().all(|side| **side == Side::fixed(1))
        }
        _ => false,
    };
    let (shape, others) = (draft.shape(&a), draft.shape(&b));
    let vary = draft.varies(&a) && draft.varies(&b);
    if vary && (shape == others || gates(&others, &shape)) {
        return draft.op(Op::Multiply, &[a, b]);
    }
    if vary && gates(&shape, &others) {
        return draft.op(Op::Multiply, &[b, a]);
    }
    draft.op(Arithmetic::Multiply, &[a, b])
}

/// `max(x, 0) + weight · min(x, 0)`, with a weight that goes with `x`.
pub(super) fn bent(draft: &mut Draft, input: Value, weight: Value) -> Result<Value> {
    let positive = draft.op(Op::Relu, std::slice::from_ref(&input))?;
    let negative = draft.op(Elementwise::Clamp { min: f64::NEG_INFINITY, max: 0.0 }, &[input])?;
    let bent = draft.op(Arithmetic::Multiply, &[negative, weight])?;
    sum(draft, positive, bent)
}

/// The mean over some dimensions; of maps, the mean of all pixels is a pooling, as class activation maps look
/// for.
pub(super) fn mean(
    draft: &mut Draft,
    input: Value,
    mut dims: Vec<usize>,
    keep: bool,
) -> Result<Value> {
    dims.sort_unstable();
    if !(draft.varies(&input) && draft.shape(&input).len() == 4 && dims == [2, 3]) {
        return reduced(draft, input, ReduceBy::Mean, dims, keep);
    }
    let pooled = draft.op(AdaptiveAvgPool2d::new(1), &[input])?;
    if keep {
        return Ok(pooled);
    }
    draft.as_operation("flatten", |draft| draft.op(Op::Flatten, &[pooled]))
}

pub(super) fn reduced(
    draft: &mut Draft,
    input: Value,
    how: ReduceBy,
    dims: Vec<usize>,
    keep: bool,
) -> Result<Value> {
    let reduce = Reduce::new(how, dims);
    draft.op(if keep { reduce.keeping() } else { reduce }, &[input])
}
