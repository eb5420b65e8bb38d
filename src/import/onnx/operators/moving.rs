//! Operators that put values to other places.

use super::super::super::draft::{Draft, Side, Value};
use super::super::super::shapes::{self, Given};
use super::super::Known;
use super::super::arguments::Arguments;
use super::parts::{self, dimension, dimensions, fixed_side, joined, part, parted, product};
use super::{Entry, TRAINING, maps, not_of_photos, one, permuted, whole_numbers};
use crate::error::{Error, Result};
use crate::model::{Arithmetic, Index, Op, Pad, PadMode, Rearrange};

pub(super) fn find(name: &str) -> Option<Entry> {
    Some(match name {
        "Concat" => (concat, &["axis"]),
        "Split" => (split, &["axis", "num_outputs", "split"]),
        "Slice" => (slice, &["axes", "ends", "starts"]),
        "Pad" => (pad, &["mode", "pads", "value"]),
        "Reshape" => (reshape, &["allowzero"]),
        "Flatten" => (flatten, &["axis"]),
        "Squeeze" => (squeeze, &["axes"]),
        "Unsqueeze" => (unsqueeze, &["axes"]),
        "Transpose" => (transpose, &["perm"]),
        "Expand" => (expand, &[]),
        "Tile" => (tile, &[]),
        "DepthToSpace" => (depth_to_space, &["blocksize", "mode"]),
        "SpaceToDepth" => (space_to_depth, &["blocksize", "mode"]),
        "Identity" => (|_, a| Ok(vec![known(a)?]), &[]),
        "Dropout" => (dropout, &["ratio", "seed"]),
        _ => return None,
    })
}

/// The first input as it is.
fn known(a: &Arguments) -> Result<Known> {
    let input = a.inputs().first().and_then(Option::as_ref);
    input.map(|input| input.known.clone()).ok_or_else(|| Error::Argument("it has no input".into()))
}

fn concat(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (values, axis) = (a.values()?, a.int("axis")?);
    // Maps with channels last are joined as maps.
    let maps: Option<Vec<Value>> =
        values.iter().map(|value| maps::channels_first(draft, value)).collect();
    match maps {
        Some(maps) if !maps.is_empty() => {
            let axis = maps::CHANNELS_LAST[dimension(axis, 4)?] as i64;
            let made = joined(draft, &maps, axis)?;
            one(maps::channels_last(draft, made)?)
        }
        _ => one(joined(draft, &values, axis)?),
    }
}

/// The sizes are an option up to version 12, then an input; or there are as many even parts as outputs.
fn split(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let dim = dimension(a.int_or("axis", 0)?, draft.shape(&input).len())?;
    let side = draft.shape(&input)[dim];
    let given = match a.has(1) {
        true => Some(a.sides(draft, 1)?),
        false => a.ints_if_any("split")?.map(|sizes| sizes.into_iter().map(Side::fixed).collect()),
    };
    if given.as_ref().is_some_and(|given| given.as_slice() == [side]) {
        return one(input);
    }
    not_of_photos(draft, &input, dim)?;
    let sizes: Vec<i64> = match given {
        Some(sizes) => sizes.iter().map(|size| size.one).collect(),
        None => {
            let count = a.int_or("num_outputs", a.outputs() as i64)?.clamp(1, 1 << 16);
            let each = (side.one + count - 1) / count;
            (0..count).map(|i| each.min(side.one - each * i).max(0)).collect()
        }
    };
    let sum = sizes.iter().try_fold(0i64, |sum, &size| sum.checked_add(size).filter(|_| size >= 0));
    if sum != Some(side.one) {
        return Err(Error::Shape(format!("{} places cannot be split into {sizes:?}", side.one)));
    }
    Ok(parted(draft, &input, dim, &sizes)?.into_iter().map(Known::Value).collect())
}

/// Where it starts and ends are options up to version 9, and inputs from then on.
fn slice(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let mut value = a.value(0)?;
    let rank = draft.shape(&value).len();
    let fixed = |ints: Vec<i64>| ints.into_iter().map(Side::fixed).collect::<Vec<_>>();
    let (starts, ends) = match a.has(1) {
        true => (a.sides(draft, 1)?, a.sides(draft, 2)?),
        false => (fixed(a.ints("starts")?), fixed(a.ints("ends")?)),
    };
    let axes = a.axes(draft, 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = a.whole_if_any(draft, 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err(Error::Argument("it has not as many starts, ends, axes and steps".into()));
    }
    for (((start, end), &axis), &step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
        let dim = dimension(axis, rank)?;
        let side = draft.shape(&value)[dim];
        // Up to the last photo, whichever that is.
        let all = start.one == 0 && start.two == 0 && step == 1;
        let example = !side.is_fixed() && end.is_fixed() && end.one >= side.at(a.photos);
        if all && (example || (end.one >= side.one && end.two >= side.two)) {
            continue;
        }
        not_of_photos(draft, &value, dim)?;
        if !start.is_fixed() || !end.is_fixed() {
            return Err(Error::Argument("what it takes follows the number of photos".into()));
        }
        value = taken(draft, value, dim, [start.one, end.one, step])?;
    }
    one(value)
}

/// Every `step`-th place; backwards where the step is negative.
fn taken(
    draft: &mut Draft,
    value: Value,
    dim: usize,
    [start, end, step]: [i64; 3],
) -> Result<Value> {
    if step > 0 {
        // No side is as long.
        return part(draft, value, dim, [start, end, step.min(1 << 40)]);
    }
    let side = fixed_side(draft, &value, dim)?;
    let back = step.checked_neg().map(|back| back.min(1 << 40)).filter(|back| *back > 0);
    let back = back.ok_or_else(|| Error::Argument(format!("a step of {step}")))?;
    // From the end of what is turned around; -1 is before the first place.
    let from_end = |at: i64, least: i64| {
        let at = if at < 0 { at.saturating_add(side) } else { at };
        side - 1 - at.clamp(least, side - 1)
    };
    let (first, behind) = (from_end(start, -1), from_end(end, -1));
    let turned = draft.op(Rearrange::Flip(vec![dim]), &[value])?;
    draft.op(Rearrange::Slice { dim, start: first, end: behind.max(first), step: back }, &[turned])
}

/// The sizes and the number are options up to version 10, and inputs from then on.
fn pad(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let rank = draft.shape(&input).len();
    let (pads, number) = match a.ints_if_any("pads")? {
        Some(pads) => (pads, a.float_or("value", 0.0)?),
        None => (a.whole(draft, 1)?, if a.has(2) { a.number(draft, 2)? } else { 0.0 }),
    };
    let axes = match a.whole_if_any(draft, 3)? {
        Some(axes) => dimensions(&axes, rank)?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(Error::Argument(format!(
            "its pads are {pads:?} for {} dimensions",
            axes.len()
        )));
    }
    let mut sides = vec![[0i64; 2]; rank];
    for (i, &dim) in axes.iter().enumerate() {
        sides[dim] = [pads[i], pads[i + axes.len()]];
        if sides[dim] != [0; 2] {
            not_of_photos(draft, &input, dim)?;
        }
    }
    let mode = match a.text_or("mode", "constant")? {
        "constant" => PadMode::Constant(number),
        "reflect" => PadMode::Reflect,
        "edge" => PadMode::Replicate,
        "wrap" => PadMode::Circular,
        mode => return Err(Error::Argument(format!("padding by {mode:?} is not known"))),
    };
    if let Some(maps) = maps::channels_first(draft, &input) {
        let [photos, rows, columns, channels] =
            [0, 1, 2, 3].map(|dim| sides.get(dim).copied().unwrap_or_default());
        let made = padded(draft, maps, &[photos, channels, rows, columns], mode)?;
        return one(maps::channels_last(draft, made)?);
    }
    one(padded(draft, input, &sides, mode)?)
}

fn padded(draft: &mut Draft, mut input: Value, sides: &[[i64; 2]], mode: PadMode) -> Result<Value> {
    if sides.iter().flatten().all(|side| *side == 0) {
        return Ok(input);
    }
    let first = sides.iter().position(|side| *side != [0; 2]).unwrap_or(0);
    let maps = sides.len() == 4 && first >= 2;
    let within = (first..sides.len()).all(|dim| {
        let side = draft.shape(&input)[dim].one;
        sides[dim].iter().all(|pad| (0..side).contains(pad))
    });
    let constant = matches!(mode, PadMode::Constant(_));
    if constant || (maps && within) {
        let first = if constant { first } else { 2 };
        let pairs: Vec<[i64; 2]> = sides[first..].iter().rev().copied().collect();
        return draft.op(Pad::new(pairs, mode), &[input]);
    }
    // Where each place comes from, dimension by dimension.
    for (dim, &[before, behind]) in sides.iter().enumerate().filter(|(_, side)| **side != [0; 2]) {
        let side = fixed_side(draft, &input, dim)?;
        let out = side.saturating_add(before).saturating_add(behind);
        if side < 1 || !(0..=1 << 20).contains(&out) || before.abs() > 1 << 20 {
            return Err(Error::Shape(format!(
                "{side} places cannot be padded by {before} and {behind}"
            )));
        }
        let from = |at: i64| match mode {
            PadMode::Reflect if side > 1 => {
                let round = at.rem_euclid(2 * (side - 1));
                round.min(2 * (side - 1) - round)
            }
            PadMode::Circular => at.rem_euclid(side),
            _ => at.clamp(0, side - 1),
        };
        let places: Vec<i64> = (0..out).map(|at| from(at - before)).collect();
        input = draft.op(Index::new([dim]), &[input, whole_numbers(&places)?])?;
    }
    Ok(input)
}

/// 0 stands for the input's own side, unless `allowzero` says that it is a size.
fn reshape(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let own = draft.shape(&input);
    let zero = a.flag_or("allowzero", false)?;
    let to = a.given(draft, 1)?.into_iter().enumerate().map(|(i, given)| match given {
        Given::Number(0) if !zero => own.get(i).copied().map(Given::Computed).ok_or_else(|| {
            Error::Argument(format!("its side {i} is that of an input which has no such side"))
        }),
        given => Ok(given),
    });
    let to: Vec<Given> = to.collect::<Result<_>>()?;
    one(reshaped(draft, a, input, &to)?)
}

fn reshaped(draft: &mut Draft, a: &Arguments, input: Value, to: &[Given]) -> Result<Value> {
    let own = draft.shape(&input);
    // Maps as one line, as class activation maps look for.
    let flat = own.len() > 2
        && to.len() == 2
        && !own[0].is_fixed()
        && draft.within(&input) == 1
        && shapes::reshape(&own, 1, to, a.photos)
            .is_ok_and(|made| product(&own[1..]).is_ok_and(|rest| made.sides == [-1, rest.one]));
    match flat {
        true => draft.op(Op::Flatten, &[input]),
        false => parts::reshaped(draft, input, to, a.photos),
    }
}

fn computed(sides: &[Side]) -> Vec<Given> {
    sides.iter().map(|&side| Given::Computed(side)).collect()
}

fn flatten(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let sides = draft.shape(&input);
    // It may be behind the last one.
    let axis = a.int_or("axis", 1)?;
    let first =
        if axis == sides.len() as i64 { sides.len() } else { dimension(axis, sides.len())? };
    if first == 1 && draft.varies(&input) && sides.len() > 2 {
        return one(draft.op(Op::Flatten, &[input])?);
    }
    let to = computed(&[product(&sides[..first])?, product(&sides[first..])?]);
    one(parts::reshaped(draft, input, &to, a.photos)?)
}

/// The dimensions are an option up to version 12, and an input from then on.
fn squeeze(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let sides = draft.shape(&input);
    let dims = match a.axes(draft, 1)? {
        Some(axes) => dimensions(&axes, sides.len())?,
        None => (0..sides.len()).filter(|&dim| sides[dim] == Side::fixed(1)).collect(),
    };
    if let Some(&dim) = dims.iter().find(|&&dim| !sides[dim].is_fixed()) {
        return Err(Error::Argument(format!(
            "it takes away dimension {dim}, which is that of the photos: the network works for a single one"
        )));
    }
    match dims.is_empty() {
        true => one(input),
        false => one(draft.op(Rearrange::Squeeze(dims), &[input])?),
    }
}

fn unsqueeze(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let mut value = a.value(0)?;
    let axes = a.axes(draft, 1)?.ok_or_else(|| Error::Argument("it has no axes".into()))?;
    let rank = draft.shape(&value).len() + axes.len();
    let mut dims = dimensions(&axes, rank)?;
    dims.sort_unstable();
    for dim in dims {
        value = draft.op(Rearrange::Unsqueeze(dim), &[value])?;
    }
    one(value)
}

fn transpose(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let rank = draft.shape(&input).len();
    let order = match a.ints_if_any("perm")? {
        Some(perm) => dimensions(&perm, rank)?,
        None => (0..rank).rev().collect(),
    };
    if order.len() != rank {
        return Err(Error::Argument(format!("it puts {rank} dimensions into the order {order:?}")));
    }
    one(permuted(draft, input, order)?)
}

/// Sides of 1 are stretched on either side.
fn expand(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let own = draft.shape(&input);
    let mut to = a.given(draft, 1)?;
    while to.len() < own.len() {
        to.insert(0, Given::Number(1));
    }
    let new = to.len() - own.len();
    for (given, side) in to[new..].iter_mut().zip(&own) {
        if given.side() == Side::fixed(1) {
            *given = Given::Number(-1);
        } else if given.side() == Side::fixed(0)
            && *side != Side::fixed(1)
            && *side != Side::fixed(0)
        {
            return Err(Error::Shape(format!("{} places cannot become none", side.one)));
        }
    }
    one(parts::expanded(draft, input, &to, a.photos)?)
}

fn tile(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let own = draft.shape(&input);
    let times = a.sides(draft, 1)?;
    if times.len() != own.len() {
        return Err(Error::Argument(format!(
            "{} dimensions are repeated {} times",
            own.len(),
            times.len()
        )));
    }
    one(parts::repeated(draft, input, &times, a.photos)?)
}

/// `[N, C, h, w]` with the block's size, and the sides divided by it.
fn blocks(draft: &Draft, a: &Arguments, input: &Value) -> Result<([Side; 4], i64)> {
    let sides: [Side; 4] = draft
        .shape(input)
        .try_into()
        .map_err(|_| Error::Shape("it needs [photos, channels, height, width]".to_owned()))?;
    let size = a.int("blocksize")?;
    match (1..=1 << 10).contains(&size) && sides[1..].iter().all(|side| side.is_fixed()) {
        true => Ok((sides, size)),
        false => Err(Error::Argument(format!("blocks of {size} pixels"))),
    }
}

/// A side in parts of this size, or error.
fn divided(side: Side, by: i64) -> Result<i64> {
    match side.one % by {
        0 => Ok(side.one / by),
        _ => Err(Error::Shape(format!("{} is no multiple of {by}", side.one))),
    }
}

fn depth_to_space(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let ([n, c, h, w], r) = blocks(draft, a, &input)?;
    let (out, fixed) = (divided(c, r * r)?, Side::fixed);
    let (apart, order) = match a.text_or("mode", "DCR")? {
        "DCR" => ([n, fixed(r), fixed(r), fixed(out), h, w], vec![0, 3, 4, 1, 5, 2]),
        "CRD" => ([n, fixed(out), fixed(r), fixed(r), h, w], vec![0, 1, 4, 2, 5, 3]),
        mode => return Err(Error::Argument(format!("the order {mode:?} is not known"))),
    };
    let apart = parts::reshaped(draft, input, &computed(&apart), a.photos)?;
    let among = draft.op(Rearrange::Permute(order), &[apart])?;
    let whole = [n, fixed(out), fixed(h.one.saturating_mul(r)), fixed(w.one.saturating_mul(r))];
    one(parts::reshaped(draft, among, &computed(&whole), a.photos)?)
}

fn space_to_depth(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let ([n, c, h, w], r) = blocks(draft, a, &input)?;
    let (height, width, fixed) = (divided(h, r)?, divided(w, r)?, Side::fixed);
    let apart = [n, c, fixed(height), fixed(r), fixed(width), fixed(r)];
    let apart = parts::reshaped(draft, input, &computed(&apart), a.photos)?;
    let order = match a.text_or("mode", "DCR")? {
        "DCR" => vec![0, 3, 5, 1, 2, 4],
        "CRD" => vec![0, 1, 3, 5, 2, 4],
        mode => return Err(Error::Argument(format!("the order {mode:?} is not known"))),
    };
    let among = draft.op(Rearrange::Permute(order), &[apart])?;
    let whole = [n, fixed(c.one.saturating_mul(r * r)), fixed(height), fixed(width)];
    one(parts::reshaped(draft, among, &computed(&whole), a.photos)?)
}

/// Nothing in inference; the second result says that all values are kept.
fn dropout(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    if a.has(2) && a.number(draft, 2)? != 0.0 {
        return Err(Error::Argument(TRAINING.into()));
    }
    let input = a.value(0)?;
    let ratio = if a.has(1) { a.number(draft, 1)? } else { a.float_or("ratio", 0.5)? };
    let kept = match draft.varies(&input) {
        true => draft.op(Op::Dropout(ratio), std::slice::from_ref(&input))?,
        false => input.clone(),
    };
    if a.outputs() < 2 {
        return one(kept);
    }
    let all = draft.op(Arithmetic::Equal, &[input.clone(), input])?;
    Ok([kept, all].map(Known::Value).into())
}
