//! Operators that make fewer values of many.

use super::super::super::draft::{Draft, Value};
use super::super::Known;
use super::super::arguments::Arguments;
use super::parts::{self, dimension, dimensions};
use super::{Translate, one};
use crate::error::Result;
use crate::model::{Elementwise, ReduceBy, Softmax};

pub(super) fn find(name: &str) -> Option<Translate> {
    Some(match name {
        "mean" => mean,
        "sum" => |draft, a| reduce(draft, a, ReduceBy::Sum),
        "amax" | "max" => |draft, a| reduce(draft, a, ReduceBy::Max),
        "amin" | "min" => |draft, a| reduce(draft, a, ReduceBy::Min),
        "prod" => |draft, a| reduce(draft, a, ReduceBy::Product),
        "logsumexp" => |draft, a| reduce(draft, a, ReduceBy::LogSumExp),
        "argmax" => |draft, a| reduce(draft, a, ReduceBy::ArgMax),
        "argmin" => |draft, a| reduce(draft, a, ReduceBy::ArgMin),
        "linalg_vector_norm" => |draft, a| {
            let how = ReduceBy::Norm(a.float_or("ord", 2.0)?);
            reduce(draft, a, how)
        },
        "norm" => |draft, a| {
            let how = ReduceBy::Norm(a.float_or("p", 2.0)?);
            reduce(draft, a, how)
        },
        "var" => |draft, a| {
            let how = variance(a)?;
            reduce(draft, a, how)
        },
        "std" => std_deviation,
        "softmax" | "_softmax" => |draft, a| softmax(draft, a, false),
        "log_softmax" | "_log_softmax" => |draft, a| softmax(draft, a, true),
        _ => return None,
    })
}

/// The dimensions that are reduced: all where none are named.
fn over(draft: &Draft, a: &Arguments, input: &Value) -> Result<Vec<usize>> {
    let rank = draft.shape(input).len();
    match a.ints_if_any("dim")?.as_deref() {
        None | Some([]) => Ok((0..rank).collect()),
        Some(dims) => dimensions(dims, rank),
    }
}

fn reduced(draft: &mut Draft, a: &Arguments, how: ReduceBy) -> Result<Value> {
    let input = a.tensor("self")?;
    let dims = over(draft, a, &input)?;
    parts::reduced(draft, input, how, dims, a.flag_or("keepdim", false)?)
}

fn reduce(draft: &mut Draft, a: &Arguments, how: ReduceBy) -> Result<Vec<Known>> {
    one(reduced(draft, a, how)?)
}

fn mean(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.tensor("self")?;
    let dims = over(draft, a, &input)?;
    one(parts::mean(draft, input, dims, a.flag_or("keepdim", false)?)?)
}

fn variance(a: &Arguments) -> Result<ReduceBy> {
    let less = match a.flag_or("unbiased", true)? {
        true => a.float_or("correction", 1.0)? as i64,
        false => 0,
    };
    Ok(ReduceBy::Variance(less))
}

fn std_deviation(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let how = variance(a)?;
    let variance = reduced(draft, a, how)?;
    one(draft.op(Elementwise::Sqrt, &[variance])?)
}

fn softmax(draft: &mut Draft, a: &Arguments, log: bool) -> Result<Vec<Known>> {
    let input = a.tensor("self")?;
    let softmax = Softmax::new(dimension(a.int("dim")?, draft.shape(&input).len())?);
    one(draft.op(if log { softmax.log() } else { softmax }, &[input])?)
}
