//! Operators that make fewer values of many.

use tch::{Device, Kind, Tensor};

use super::super::super::draft::{Draft, Value};
use super::super::super::shapes::Given;
use super::super::Known;
use super::super::arguments::Arguments;
use super::parts::{self, countable, dimension, dimensions, fixed_side, product};
use super::{Entry, maps, one};
use crate::error::{Error, Result};
use crate::model::{Elementwise, Rearrange, ReduceBy, Softmax};
use crate::tensor::IntoResult;

pub(super) fn find(name: &str) -> Option<Entry> {
    const REDUCE: [&str; 3] = ["axes", "keepdims", "noop_with_empty_axes"];
    const ARG: [&str; 3] = ["axis", "keepdims", "select_last_index"];
    /// A reduction as it is.
    macro_rules! plain {
        ($how:expr) => {
            (|draft, a| one(reduced(draft, a, a.value(0)?, $how)?), &REDUCE)
        };
    }
    Some(match name {
        "ReduceMean" => (mean, &REDUCE),
        "ReduceSum" => plain!(ReduceBy::Sum),
        "ReduceMax" => plain!(ReduceBy::Max),
        "ReduceMin" => plain!(ReduceBy::Min),
        "ReduceProd" => plain!(ReduceBy::Product),
        "ReduceL1" => plain!(ReduceBy::Norm(1.0)),
        "ReduceL2" => plain!(ReduceBy::Norm(2.0)),
        "ReduceLogSumExp" => plain!(ReduceBy::LogSumExp),
        "ReduceLogSum" => (
            |draft, a| {
                let sum = reduced(draft, a, a.value(0)?, ReduceBy::Sum)?;
                one(draft.op(Elementwise::Log, &[sum])?)
            },
            &REDUCE,
        ),
        "ReduceSumSquare" => (
            |draft, a| {
                let squares = draft.op(Elementwise::Power(2.0), &[a.value(0)?])?;
                one(reduced(draft, a, squares, ReduceBy::Sum)?)
            },
            &REDUCE,
        ),
        "ArgMax" => (|draft, a| place(draft, a, ReduceBy::ArgMax), &ARG),
        "ArgMin" => (|draft, a| place(draft, a, ReduceBy::ArgMin), &ARG),
        "Softmax" => (|draft, a| softmax(draft, a, false), &["axis"]),
        "LogSoftmax" => (|draft, a| softmax(draft, a, true), &["axis"]),
        _ => return None,
    })
}

/// The dimensions that are reduced: all where none are named, unless that means none.
fn over(draft: &Draft, a: &Arguments, input: &Value) -> Result<Vec<usize>> {
    let rank = draft.shape(input).len();
    match a.axes(draft, 1)?.as_deref() {
        None | Some([]) if a.flag_or("noop_with_empty_axes", false)? => Ok(Vec::new()),
        None | Some([]) => Ok((0..rank).collect()),
        Some(axes) => dimensions(axes, rank),
    }
}

fn reduced(draft: &mut Draft, a: &Arguments, input: Value, how: ReduceBy) -> Result<Value> {
    let dims = over(draft, a, &input)?;
    // Sums over nothing are the values, and norms their sizes.
    if dims.is_empty() {
        return match how {
            ReduceBy::Norm(_) => draft.op(Elementwise::Abs, &[input]),
            _ => Ok(input),
        };
    }
    let whole = a.kind(0) == Kind::Int64;
    let floats = matches!(how, ReduceBy::Mean | ReduceBy::Norm(_) | ReduceBy::LogSumExp);
    if whole && floats {
        return Err(Error::Argument("means and norms of integers are not known here".into()));
    }
    let keep = a.flag_or("keepdims", true)?;
    if let (ReduceBy::Max | ReduceBy::Min, Some(known)) = (how, draft.known(&input)?)
        && known.numel() == 0
    {
        return of_nothing(&known, how, &dims, keep);
    }
    if let Some(maps) = maps::channels_first(draft, &input)
        .filter(|_| keep || dims.contains(&1) && dims.contains(&2))
    {
        let over = dims.iter().map(|&dim| maps::CHANNELS_LAST[dim]).collect();
        let made = match how {
            ReduceBy::Mean => parts::mean(draft, maps, over, keep)?,
            how => parts::reduced(draft, maps, how, over, keep)?,
        };
        // Without rows and columns, the order is the same.
        return if keep { maps::channels_last(draft, made) } else { Ok(made) };
    }
    match how {
        ReduceBy::Mean => parts::mean(draft, input, dims, keep),
        how => parts::reduced(draft, input, how, dims, keep),
    }
}

/// What is less than all values, or more: the greatest and the smallest of none.
fn of_nothing(values: &Tensor, how: ReduceBy, dims: &[usize], keep: bool) -> Result<Value> {
    let sides =
        values.size().into_iter().enumerate().filter_map(|(dim, side)| match dims.contains(&dim) {
            true => keep.then_some(1),
            false => Some(side),
        });
    let sides: Vec<i64> = sides.collect();
    countable(&sides)?;
    let number = match (values.kind(), how) {
        (Kind::Bool, ReduceBy::Max) => 0.0,
        (Kind::Bool, _) => 1.0,
        (Kind::Float, ReduceBy::Max) => f64::NEG_INFINITY,
        (Kind::Float, _) => f64::INFINITY,
        _ => return Err(Error::Argument("the greatest of no integers is not known".into())),
    };
    Ok(Value::constant(Tensor::f_full(sides, number, (values.kind(), Device::Cpu)).into_result()?))
}

fn mean(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    one(reduced(draft, a, a.value(0)?, ReduceBy::Mean)?)
}

/// Where the greatest stands, the first of equal ones or the last.
fn place(draft: &mut Draft, a: &Arguments, how: ReduceBy) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let dim = dimension(a.int_or("axis", 0)?, draft.shape(&input).len())?;
    let keep = a.flag_or("keepdims", true)?;
    if !a.flag_or("select_last_index", false)? {
        return one(parts::reduced(draft, input, how, vec![dim], keep)?);
    }
    let side = fixed_side(draft, &input, dim)?;
    let turned = draft.op(Rearrange::Flip(vec![dim]), &[input])?;
    let place = parts::reduced(draft, turned, how, vec![dim], keep)?;
    one(draft.op(Elementwise::Scale { factor: -1.0, plus: (side - 1) as f64 }, &[place])?)
}

fn softmax(draft: &mut Draft, a: &Arguments, log: bool) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let sides = draft.shape(&input);
    let flat = a.opset < 13;
    let dim = dimension(a.int_or("axis", if flat { 1 } else { -1 })?, sides.len())?;
    let by = |dim| if log { Softmax::new(dim).log() } else { Softmax::new(dim) };
    let behind = product(sides.get(dim + 1..).unwrap_or_default())?;
    if !flat || behind.one == 1 {
        return one(draft.op(by(dim), &[input])?);
    }
    // Up to version 12 all dimensions from this one on are one.
    let merged = product(&sides[dim..])?;
    if !merged.is_fixed() {
        return Err(Error::Argument("it makes shares of all photos together".into()));
    }
    let to: Vec<Given> =
        sides[..dim].iter().chain([&merged]).map(|&side| Given::Computed(side)).collect();
    let merged = parts::reshaped(draft, input, &to, a.photos)?;
    let shares = draft.op(by(dim), &[merged])?;
    let to: Vec<Given> = sides.iter().map(|&side| Given::Computed(side)).collect();
    one(parts::reshaped(draft, shares, &to, a.photos)?)
}
