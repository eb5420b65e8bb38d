//! Operators that put values to other places.

use super::super::super::draft::{Draft, Side, Value};
use super::super::Known;
use super::super::arguments::{Arguments, Given};
use super::parts::{
    dimension, dimensions, expanded, joined, part, parted, product, repeated, reshaped,
};
use super::{Translate, one};
use crate::error::{Error, Result};
use crate::model::{Index, Op, Pad, PadMode, Rearrange};

pub(super) fn find(name: &str) -> Option<Translate> {
    Some(match name {
        "view" | "reshape" | "_unsafe_view" => reshape,
        "reshape_as" | "view_as" => |draft, a| {
            let other = draft.shape(&a.tensor("other")?);
            let to: Vec<Given> = other.into_iter().map(Given::Computed).collect();
            one(reshaped(draft, a.tensor("self")?, &to, a.photos)?)
        },
        "flatten" => flatten,
        "unflatten" => unflatten,
        "permute" => permute,
        "transpose" | "swapaxes" | "swapdims" | "t" => transpose,
        "squeeze" => squeeze,
        "unsqueeze" => unsqueeze,
        "expand" | "expand_as" => expand,
        "repeat" => repeat,
        "slice" => slice,
        "narrow" => narrow,
        "select" => select,
        "chunk" => chunk,
        "split" | "split_with_sizes" => split,
        "unbind" => unbind,
        "cat" | "concat" | "concatenate" => cat,
        "stack" => stack,
        "roll" => roll,
        "flip" => flip,
        "pad" => pad,
        "constant_pad_nd" => |draft, a| {
            let (sides, value) = (a.ints("pad")?, a.float_or("value", 0.0)?);
            padded(draft, a, &sides, PadMode::Constant(value))
        },
        "reflection_pad2d" => |draft, a| {
            let sides = a.ints("padding")?;
            padded(draft, a, &sides, PadMode::Reflect)
        },
        "replication_pad2d" => |draft, a| {
            let sides = a.ints("padding")?;
            padded(draft, a, &sides, PadMode::Replicate)
        },
        "index" => index,
        "index_select" => index_select,
        "embedding" => embedding,
        "pixel_shuffle" => pixel_shuffle,
        _ => return None,
    })
}

fn reshape(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let to = a.sizes("size").or_else(|_| a.sizes("shape"))?;
    one(reshaped(draft, a.tensor("self")?, &to, a.photos)?)
}

fn flatten(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.tensor("self")?;
    let sides = draft.shape(&input);
    let first = dimension(a.int_or("start_dim", 0)?, sides.len())?;
    let last = dimension(a.int_or("end_dim", -1)?, sides.len())?;
    if first == 1 && last + 1 == sides.len() && !sides[0].is_fixed() {
        return one(draft.op(Op::Flatten, &[input])?);
    }
    let inner = product(sides.get(first..=last).unwrap_or_default())?;
    let to = sides[..first].iter().chain([&inner]).chain(&sides[last + 1..]);
    let to: Vec<Given> = to.map(|&side| Given::Computed(side)).collect();
    one(reshaped(draft, input, &to, a.photos)?)
}

fn unflatten(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.tensor("self")?;
    let sides = draft.shape(&input);
    let dim = dimension(a.int("dim")?, sides.len())?;
    let mut inner = a.sizes("sizes")?;
    // What is left, of this dimension alone.
    if let Some(open) = inner.iter().position(|given| given.side().one == -1) {
        let others: Vec<Side> =
            inner.iter().map(|given| given.side()).filter(|s| s.one != -1).collect();
        let rest = sides[dim].with(product(&others)?, |all, others| all.checked_div(others));
        let rest = rest.ok_or_else(|| Error::Shape("an empty side".into()))?;
        inner[open] = Given::Computed(rest);
    }
    let computed = |side: &Side| Given::Computed(*side);
    let to = sides[..dim].iter().map(computed).chain(inner);
    let to: Vec<Given> = to.chain(sides[dim + 1..].iter().map(computed)).collect();
    one(reshaped(draft, input, &to, a.photos)?)
}

fn permute(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.tensor("self")?;
    let dims = dimensions(&a.ints("dims")?, draft.shape(&input).len())?;
    one(draft.op(Rearrange::Permute(dims), &[input])?)
}

fn transpose(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.tensor("self")?;
    let rank = draft.shape(&input).len();
    let both = match a.target() {
        "torch.ops.aten.t.default" => [0, 1],
        _ => {
            [a.int("dim0").or_else(|_| a.int("axis0"))?, a.int("dim1").or_else(|_| a.int("axis1"))?]
        }
    };
    let [first, second] = [dimension(both[0], rank)?, dimension(both[1], rank)?];
    let mut dims: Vec<usize> = (0..rank).collect();
    dims.swap(first, second);
    one(draft.op(Rearrange::Permute(dims), &[input])?)
}

fn squeeze(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.tensor("self")?;
    let sides = draft.shape(&input);
    let named = match a.ints_if_any("dim")? {
        Some(dims) => dimensions(&dims, sides.len())?,
        None => (0..sides.len()).collect(),
    };
    // Others than those of 1 stay.
    let dims: Vec<usize> = named.into_iter().filter(|&dim| sides[dim] == Side::fixed(1)).collect();
    match dims.is_empty() {
        true => one(input),
        false => one(draft.op(Rearrange::Squeeze(dims), &[input])?),
    }
}

fn unsqueeze(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.tensor("self")?;
    let dim = dimension(a.int("dim")?, draft.shape(&input).len() + 1)?;
    one(draft.op(Rearrange::Unsqueeze(dim), &[input])?)
}

fn expand(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.tensor("self")?;
    let to = match a.is_tensor("other") {
        true => draft.shape(&a.tensor("other")?).into_iter().map(Given::Computed).collect(),
        false => a.sizes("size")?,
    };
    one(expanded(draft, input, &to, a.photos)?)
}

fn repeat(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let times: Vec<Side> = a.sizes("repeats")?.into_iter().map(Given::side).collect();
    one(repeated(draft, a.tensor("self")?, &times, a.photos)?)
}

fn slice(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.tensor("self")?;
    let sides = draft.shape(&input);
    let dim = dimension(a.int_or("dim", 0)?, sides.len())?;
    let end = match a.size("end") {
        Ok(given) => given.side(),
        Err(_) => Side::fixed(i64::MAX),
    };
    // An end at the last photo, whichever that is.
    let end = match end == sides[dim] {
        true => i64::MAX,
        false if end.is_fixed() => end.one,
        false => return Err(Error::Argument("it takes a part of the photos".into())),
    };
    one(part(draft, input, dim, [a.int_or("start", 0)?, end, a.int_or("step", 1)?])?)
}

fn narrow(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.tensor("self")?;
    let dim = dimension(a.int("dim")?, draft.shape(&input).len())?;
    let start = a.int("start")?;
    let end = start.saturating_add(a.int("length")?);
    one(part(draft, input, dim, [start, end, 1])?)
}

fn select(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.tensor("self")?;
    let dim = dimension(a.int("dim")?, draft.shape(&input).len())?;
    one(draft.op(Rearrange::Select { dim, index: a.int("index")? }, &[input])?)
}

/// Parts of these sizes, one behind the other.
fn parts(draft: &mut Draft, a: &Arguments, sizes: &[i64]) -> Result<Vec<Known>> {
    let input = a.tensor("self")?;
    let dim = dimension(a.int_or("dim", 0)?, draft.shape(&input).len())?;
    Ok(parted(draft, &input, dim, sizes)?.into_iter().map(Known::Tensor).collect())
}

/// As many parts of one size as fill a dimension, the last perhaps smaller.
fn even(draft: &Draft, a: &Arguments, size: impl Fn(i64) -> i64) -> Result<Vec<i64>> {
    let sides = draft.shape(&a.tensor("self")?);
    let side = sides[dimension(a.int_or("dim", 0)?, sides.len())?];
    let size = size(side.one);
    if !side.is_fixed() || size < 1 || side.one / size > 1 << 16 {
        return Err(Error::Argument(format!("{} places cannot be split by {size}", side.one)));
    }
    let whole = std::iter::repeat_n(size, (side.one / size) as usize);
    Ok(whole.chain((side.one % size > 0).then_some(side.one % size)).collect())
}

fn chunk(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let chunks = a.int("chunks")?.max(1);
    let sizes = even(draft, a, |side| side / chunks + i64::from(side % chunks > 0))?;
    parts(draft, a, &sizes)
}

fn split(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let sizes = match (a.ints_if_any("split_sizes"), a.int("split_size")) {
        (Ok(Some(sizes)), _) => sizes,
        (_, Ok(size)) => even(draft, a, |_| size)?,
        (_, Err(error)) => return Err(error),
    };
    parts(draft, a, &sizes)
}

fn unbind(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.tensor("self")?;
    let sides = draft.shape(&input);
    let dim = dimension(a.int_or("dim", 0)?, sides.len())?;
    if !sides[dim].is_fixed() || sides[dim].one > 1 << 16 {
        return Err(Error::Argument("it takes the photos apart".into()));
    }
    let each = (0..sides[dim].one).map(|index| {
        Ok(Known::Tensor(draft.op(Rearrange::Select { dim, index }, std::slice::from_ref(&input))?))
    });
    each.collect()
}

fn cat(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    one(joined(draft, &a.tensors("tensors")?, a.int_or("dim", 0)?)?)
}

fn stack(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let tensors = a.tensors("tensors")?;
    let rank = tensors.first().map_or(0, |first| draft.shape(first).len());
    let dim = dimension(a.int_or("dim", 0)?, rank + 1)?;
    let each = tensors.into_iter().map(|tensor| draft.op(Rearrange::Unsqueeze(dim), &[tensor]));
    let each: Vec<Value> = each.collect::<Result<_>>()?;
    one(joined(draft, &each, dim as i64)?)
}

fn roll(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.tensor("self")?;
    let (shifts, dims) = (a.ints("shifts")?, a.ints_if_any("dims")?.unwrap_or_default());
    let dims = dimensions(&dims, draft.shape(&input).len())?;
    if dims.len() != shifts.len() {
        return Err(Error::Argument("it rolls all values as one line, which is not known".into()));
    }
    one(draft.op(Rearrange::Roll(dims.into_iter().zip(shifts).collect()), &[input])?)
}

fn flip(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.tensor("self")?;
    let dims = dimensions(&a.ints("dims")?, draft.shape(&input).len())?;
    one(draft.op(Rearrange::Flip(dims), &[input])?)
}

fn pad(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let mode = match a.text_or("mode", "constant")? {
        "constant" => PadMode::Constant(a.float_or("value", 0.0)?),
        "reflect" => PadMode::Reflect,
        "replicate" => PadMode::Replicate,
        "circular" => PadMode::Circular,
        mode => return Err(Error::Argument(format!("padding by {mode:?} is not known"))),
    };
    padded(draft, a, &a.ints("pad")?, mode)
}

fn padded(draft: &mut Draft, a: &Arguments, sides: &[i64], mode: PadMode) -> Result<Vec<Known>> {
    let input = a.tensor("self")?;
    if sides.iter().all(|side| *side == 0) {
        return one(input);
    }
    let (pairs, rest) = sides.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Error::Argument(format!("{sides:?} are no pairs of sides")));
    }
    one(draft.op(Pad::new(pairs, mode), &[input])?)
}

fn index(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let mut inputs = vec![a.tensor("self")?];
    let mut dims = Vec::new();
    for (dim, places) in a.tensors_if_any("indices")?.into_iter().enumerate() {
        let Some(places) = places else { continue };
        if let Some(known) = draft.known(&places)?
            && known.kind() == tch::Kind::Bool
        {
            return Err(Error::Argument("it picks by true and false, which is not known".into()));
        }
        dims.push(dim);
        inputs.push(places);
    }
    one(draft.op(Index::new(dims), &inputs)?)
}

fn index_select(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.tensor("self")?;
    let dim = dimension(a.int("dim")?, draft.shape(&input).len())?;
    one(draft.op(Index::new([dim]), &[input, a.tensor("index")?])?)
}

fn embedding(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    one(draft.op(Index::new([0]), &[a.tensor("weight")?, a.tensor("indices")?])?)
}

/// `[N, C·r², h, w] -> [N, C, h·r, w·r]`
fn pixel_shuffle(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (input, r) = (a.tensor("self")?, a.int("upscale_factor")?);
    let &[n, c, h, w] = draft.shape(&input).as_slice() else {
        return Err(Error::Shape("it needs [photos, channels, height, width]".into()));
    };
    let times = |side: Side, by: i64| side.map(|side| side.checked_mul(by));
    let parts = r.checked_mul(r).and_then(|area| c.map(|side| side.checked_div(area)));
    let (Some(out), Some(height), Some(width)) = (parts, times(h, r), times(w, r)) else {
        return Err(Error::Shape(format!("{} channels are no multiple of {r} × {r}", c.one)));
    };
    let given =
        |sides: &[Side]| sides.iter().map(|&side| Given::Computed(side)).collect::<Vec<_>>();
    let r = Side::fixed(r);
    let apart = reshaped(draft, input, &given(&[n, out, r, r, h, w]), a.photos)?;
    let among = draft.op(Rearrange::Permute(vec![0, 1, 4, 2, 5, 3]), &[apart])?;
    one(reshaped(draft, among, &given(&[n, out, height, width]), a.photos)?)
}
