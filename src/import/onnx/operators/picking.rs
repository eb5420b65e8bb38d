//! Operators that pick places, or put something there.

use tch::{Device, Kind, Tensor};

use super::super::super::draft::{Draft, Value};
use super::super::Known;
use super::super::arguments::Arguments;
use super::parts::{self, dimension, fixed_side};
use super::{Entry, not_of_photos, one};
use crate::error::{Error, Result};
use crate::model::{
    Arithmetic, Beyond, Gather, GridSample, Index, Interpolation, Meeting, Op, Rearrange, TopK,
};
use crate::tensor::{IntoResult, to_floats};

pub(super) fn find(name: &str) -> Option<Entry> {
    Some(match name {
        "Gather" => (gather, &["axis"]),
        "GatherElements" => (gather_elements, &["axis"]),
        "GatherND" => (gather_nd, &["batch_dims"]),
        "ScatterND" => (scatter_nd, &["reduction"]),
        "OneHot" => (one_hot, &["axis"]),
        "TopK" => (top_k, &["axis", "k", "largest", "sorted"]),
        "CumSum" => (cum_sum, &["exclusive", "reverse"]),
        "Trilu" => (trilu, &["upper"]),
        "GridSample" => (grid_sample, &["align_corners", "mode", "padding_mode"]),
        "NonMaxSuppression" => (non_max_suppression, &["center_point_box"]),
        _ => return None,
    })
}

fn gather(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let dim = dimension(a.int_or("axis", 0)?, draft.shape(&input).len())?;
    if let Some(made) = from_line(draft, a, &input)? {
        return one(made);
    }
    not_of_photos(draft, &input, dim)?;
    let places = a.value(1)?;
    if draft.shape(&places).is_empty() && !draft.varies(&places) {
        let index = a.number(draft, 1)? as i64;
        return one(draft.op(Rearrange::Select { dim, index }, &[input])?);
    }
    one(draft.op(Index::new([dim]), &[input, places])?)
}

/// Places in one line of all values of all photos, as PyTorch's exporter has it for `as_strided`: the same
/// places for each photo.
fn from_line(draft: &mut Draft, a: &Arguments, input: &Value) -> Result<Option<Value>> {
    let &[line] = draft.shape(input).as_slice() else { return Ok(None) };
    // The photos' values stand one behind the other.
    if line.is_fixed() || draft.within(input) != line.one {
        return Ok(None);
    }
    let places = match a.inputs().get(1).and_then(Option::as_ref).map(|input| &input.known) {
        Some(Known::Counted(_, two)) => two.shallow_clone(),
        Some(Known::Value(value)) => match draft.known(value)? {
            Some(known) => known,
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    let sizes = places.size();
    let Some((&photos, rest)) = sizes.split_first() else { return Ok(None) };
    if places.numel() == 0 || places.is_floating_point() {
        return Ok(None);
    }
    let rows = places.f_reshape([photos, -1]).into_result()?;
    let first = rows.f_select(0, 0).into_result()?;
    for photo in 0..photos {
        let row = rows
            .f_select(0, photo)
            .and_then(|row| row.f_sub_scalar(photo * line.one))
            .into_result()?;
        if !row.f_equal(&first).into_result()? {
            return Ok(None);
        }
    }
    let least = first.f_min().and_then(|least| least.f_int64_value(&[])).into_result()?;
    let most = first.f_max().and_then(|most| most.f_int64_value(&[])).into_result()?;
    if least < 0 || most >= line.one {
        return Ok(None);
    }
    let apart = draft.op(Rearrange::Reshape(vec![-1, line.one]), std::slice::from_ref(input))?;
    draft.set_within(&apart, 1, false);
    let numbered = Tensor::f_arange(line.one, (Kind::Int64, Device::Cpu)).into_result()?;
    let picked = match first.size() == numbered.size() && first.f_equal(&numbered).into_result()? {
        true => apart,
        false => draft.op(Index::new([1]), &[apart, Value::constant(first)])?,
    };
    let sides = std::iter::once(-1).chain(rest.iter().copied()).collect();
    let made = draft.op(Rearrange::Reshape(sides), &[picked])?;
    draft.set_within(&made, 1, false);
    Ok(Some(made))
}

fn gather_elements(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (input, places) = (a.value(0)?, a.value(1)?);
    let dim = dimension(a.int_or("axis", 0)?, draft.shape(&input).len())?;
    not_of_photos(draft, &input, dim)?;
    one(draft.op(Gather::Elements(dim), &[input, places])?)
}

/// The last dimension of the places says where along the first dimensions, behind those of the batch, which
/// are the same in both.
fn gather_nd(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (input, places) = (a.value(0)?, a.value(1)?);
    let sides = draft.shape(&places);
    let rank = draft.shape(&input).len();
    let Some(last) = sides.len().checked_sub(1) else {
        return Err(Error::Shape("its places are a single number".into()));
    };
    let depth = fixed_side(draft, &places, last)?;
    let batch = usize::try_from(a.int_or("batch_dims", 0)?).unwrap_or(usize::MAX);
    let depth = usize::try_from(depth)
        .ok()
        .filter(|depth| *depth > 0 && *depth <= rank.saturating_sub(batch));
    let (Some(depth), true) = (depth, batch <= last) else {
        return Err(Error::Shape(format!("places of {last} dimensions do not go with {rank}")));
    };
    let mut inputs = vec![input.clone()];
    for dim in 0..batch {
        // Each of the batch by itself.
        let side = fixed_side(draft, &input, dim)?;
        let mut shape = vec![1; last];
        shape[dim] = side;
        parts::countable(&shape)?;
        let line = Tensor::f_arange(side, (Kind::Int64, Device::Cpu))
            .and_then(|line| line.f_reshape(&shape));
        inputs.push(Value::constant(line.into_result()?));
    }
    for i in 0..depth {
        not_of_photos(draft, &input, batch + i)?;
        let select = Rearrange::Select { dim: last, index: i as i64 };
        inputs.push(draft.op(select, std::slice::from_ref(&places))?);
    }
    one(draft.op(Index::new(0..batch + depth), &inputs)?)
}

fn scatter_nd(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let meeting = match a.text_or("reduction", "none")? {
        "none" => Meeting::Replace,
        "add" => Meeting::Sum,
        "mul" => Meeting::Product,
        "max" => Meeting::Max,
        "min" => Meeting::Min,
        other => return Err(Error::Argument(format!("values joined by {other:?} are not known"))),
    };
    let input = a.value(0)?;
    if draft.shape(&input).iter().any(|side| !side.is_fixed()) {
        return Err(Error::Argument(
            "it writes into a part of what the photo changes: write the network without operations in place"
                .into(),
        ));
    }
    one(draft.op(Gather::Scatter(meeting), &[input, a.value(1)?, a.value(2)?])?)
}

/// Negative places count from the end; others that there are not give none.
fn one_hot(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (places, values) = (a.value(0)?, a.constant(draft, 2)?);
    let depth = a.number(draft, 1)? as i64;
    let rank = draft.shape(&places).len() + 1;
    let dim = dimension(a.int_or("axis", -1)?, rank)?;
    if !(0..=1 << 20).contains(&depth) || values.size() != [2] {
        return Err(Error::Argument(format!(
            "{depth} places, and {:?} values; expected two",
            values.size()
        )));
    }
    let mut shape = vec![1; rank];
    shape[dim] = depth;
    let line =
        Tensor::f_arange(depth, (Kind::Int64, Device::Cpu)).and_then(|line| line.f_reshape(&shape));
    let line = line.into_result()?;
    let below = Value::constant(line.f_sub_scalar(depth).into_result()?);
    let apart = draft.op(Rearrange::Unsqueeze(dim), &[places])?;
    let hit = draft.op(Arithmetic::Equal, &[apart.clone(), Value::constant(line)])?;
    let from_end = draft.op(Arithmetic::Equal, &[apart, below])?;
    let hit = draft.op(Arithmetic::Or, &[hit, from_end])?;
    let [off, on] = [0, 1].map(|i| values.f_select(0, i).map(Value::constant).into_result());
    one(draft.op(Op::Where, &[hit, on?, off?])?)
}

/// How many is an option up to version 9, and an input from then on.
fn top_k(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let count = if a.has(1) { a.number(draft, 1)? as i64 } else { a.int("k")? };
    let dim = dimension(a.int_or("axis", -1)?, draft.shape(&input).len())?;
    not_of_photos(draft, &input, dim)?;
    let top = TopK::new(count, dim);
    let top = if a.flag_or("largest", true)? { top } else { top.smallest() };
    let values = draft.op(top.clone(), std::slice::from_ref(&input))?;
    if a.outputs() < 2 {
        return one(values);
    }
    let places = draft.op(top.places(), &[input])?;
    Ok([values, places].map(Known::Value).into())
}

/// The sum of all up to each place: a product with a triangle of ones.
fn cum_sum(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let rank = draft.shape(&input).len();
    let dim = dimension(a.number(draft, 1)? as i64, rank)?;
    let (exclusive, reverse) = (a.flag_or("exclusive", false)?, a.flag_or("reverse", false)?);
    if let Some(known) = draft.known(&input)? {
        return one(Value::constant(sums(&known, dim as i64, exclusive, reverse)?));
    }
    let side = fixed_side(draft, &input, dim)?;
    if a.kind(0) != Kind::Float || side > 1 << 12 {
        return Err(Error::Argument(
            "sums of integers, or of so many, are known for constants alone".into(),
        ));
    }
    // Column j has ones in the rows that go into sum j.
    let ones = Tensor::f_ones([side, side], (Kind::Float, Device::Cpu)).into_result()?;
    let off = i64::from(exclusive);
    let triangle = if reverse { ones.f_tril(-off) } else { ones.f_triu(off) };
    let mut order: Vec<usize> = (0..rank).collect();
    order.swap(dim, rank - 1);
    let last = super::permuted(draft, input, order.clone())?;
    let summed = draft.op(Op::MatMul, &[last, Value::constant(triangle.into_result()?)])?;
    one(super::permuted(draft, summed, order)?)
}

fn sums(values: &Tensor, dim: i64, exclusive: bool, reverse: bool) -> Result<Tensor> {
    let work = || {
        let turned = if reverse { values.f_flip([dim])? } else { values.shallow_clone() };
        let mut sums = turned.f_cumsum(dim, None::<Kind>)?;
        if exclusive {
            sums = sums.f_sub(&turned)?;
        }
        if reverse { sums.f_flip([dim]) } else { Ok(sums) }
    };
    work().into_result()
}

/// The upper or lower triangle of the last two dimensions.
fn trilu(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let diagonal = if a.has(1) { a.number(draft, 1)? as i64 } else { 0 };
    let upper = a.flag_or("upper", true)?;
    let rank = draft.shape(&input).len();
    if rank < 2 {
        return Err(Error::Shape("it needs matrices".into()));
    }
    let [rows, columns] =
        [fixed_side(draft, &input, rank - 2)?, fixed_side(draft, &input, rank - 1)?];
    parts::countable(&[rows, columns])?;
    let mask = || {
        let ones = Tensor::f_ones([rows, columns], (Kind::Float, Device::Cpu))?;
        let part = if upper { ones.f_triu(diagonal)? } else { ones.f_tril(diagonal)? };
        part.f_to_kind(Kind::Bool)
    };
    let mask = Value::constant(mask().into_result()?);
    let zero = Tensor::f_zeros([1i64; 0], (a.kind(0), Device::Cpu)).into_result()?;
    one(draft.op(Op::Where, &[mask, input, Value::constant(zero)])?)
}

fn grid_sample(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let by = match a.text_or("mode", "linear")? {
        "linear" | "bilinear" => Interpolation::Bilinear,
        "nearest" => Interpolation::Nearest,
        "cubic" | "bicubic" => Interpolation::Bicubic,
        mode => return Err(Error::Argument(format!("interpolation by {mode:?} is not known"))),
    };
    let beyond = match a.text_or("padding_mode", "zeros")? {
        "zeros" => Beyond::Zeros,
        "border" => Beyond::Edge,
        "reflection" => Beyond::Reflection,
        mode => return Err(Error::Argument(format!("padding by {mode:?} is not known"))),
    };
    let sample = GridSample::new(by, beyond);
    let sample = if a.flag_or("align_corners", false)? { sample.align_corners() } else { sample };
    one(draft.op(sample, &[a.value(0)?, a.value(1)?])?)
}

/// Of boxes that are known; with those of a photo the network ends.
fn non_max_suppression(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (boxes, scores) = (a.value(0)?, a.value(1)?);
    let (Some(boxes), Some(scores)) = (draft.known(&boxes)?, draft.known(&scores)?) else {
        return Err(Error::Argument(
            "how many boxes it leaves, nobody knows before the photo".into(),
        ));
    };
    let number = |i: usize, none: f64| if a.has(i) { a.number(draft, i) } else { Ok(none) };
    let (most, overlap, least) = (number(2, 0.0)?, number(3, 0.0)?, number(4, f64::NEG_INFINITY)?);
    let centred = a.int_or("center_point_box", 0)? == 1;
    let (&[photos, count, 4], &[again, classes, each]) =
        (boxes.size().as_slice(), scores.size().as_slice())
    else {
        return Err(Error::Shape(
            "it needs boxes [N, count, 4] and scores [N, classes, count]".into(),
        ));
    };
    if photos != again || count != each {
        return Err(Error::Shape("it needs as many scores as boxes".into()));
    }
    let (boxes, scores) = (to_floats(&boxes)?, to_floats(&scores)?);
    let corners: Vec<[f32; 4]> =
        boxes.as_chunks::<4>().0.iter().map(|b| corners(*b, centred)).collect();
    let mut chosen: Vec<i64> = Vec::new();
    let count = count.max(0) as usize;
    if count == 0 {
        return one(Value::constant(
            Tensor::f_zeros([0, 3], (Kind::Int64, Device::Cpu)).into_result()?,
        ));
    }
    for (row, scores) in scores.chunks(count).enumerate() {
        let (photo, class) = (row as i64 / classes.max(1), row as i64 % classes.max(1));
        let boxes = corners.get(photo as usize * count..).unwrap_or_default();
        let mut order: Vec<usize> = (0..count).filter(|&i| f64::from(scores[i]) > least).collect();
        order.sort_by(|&i, &j| scores[j].total_cmp(&scores[i]).then(i.cmp(&j)));
        let mut kept: Vec<usize> = Vec::new();
        for i in order {
            if kept.len() as f64 >= most {
                break;
            }
            if kept.iter().all(|&other| shared(boxes[i], boxes[other]) <= overlap) {
                kept.push(i);
            }
        }
        chosen.extend(kept.into_iter().flat_map(|i| [photo, class, i as i64]));
    }
    let chosen = Tensor::f_from_slice(&chosen).and_then(|chosen| chosen.f_reshape([-1, 3]));
    one(Value::constant(chosen.into_result()?))
}

/// `[top, left, bottom, right]` of two corners in any order, or of a centre with a width and height.
fn corners([a, b, c, d]: [f32; 4], centred: bool) -> [f32; 4] {
    match centred {
        true => [b - d / 2.0, a - c / 2.0, b + d / 2.0, a + c / 2.0],
        false => [a.min(c), b.min(d), a.max(c), b.max(d)],
    }
}

/// The part of two boxes that both have.
fn shared(a: [f32; 4], b: [f32; 4]) -> f64 {
    let side = |i: usize| f64::from((a[i + 2].min(b[i + 2]) - a[i].max(b[i])).max(0.0));
    let area = |c: [f32; 4]| f64::from(c[2] - c[0]) * f64::from(c[3] - c[1]);
    let both = side(0) * side(1);
    let all = area(a) + area(b) - both;
    if all > 0.0 { both / all } else { 0.0 }
}
