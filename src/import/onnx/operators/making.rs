//! Operators that make values of nothing, or of sizes.

use tch::{Device, Kind, Tensor};

use super::super::super::draft::{Draft, Side, Value};
use super::super::Known;
use super::super::arguments::{Arguments, single};
use super::parts::{constant_sizes, numbers as line};
use super::{Entry, numbers, one, sizes, whole_numbers};
use crate::error::{Error, Result};
use crate::model::Cast;
use crate::tensor::IntoResult;

pub(super) fn find(name: &str) -> Option<Entry> {
    Some(match name {
        "Constant" => {
            (constant, &["value", "value_float", "value_floats", "value_int", "value_ints"])
        }
        "ConstantOfShape" => (constant_of_shape, &["value"]),
        "Range" => (range, &[]),
        "Shape" => (shape, &["end", "start"]),
        "Size" => (size, &[]),
        "Cast" => (cast, &["saturate", "to"]),
        "CastLike" => (cast_like, &["saturate"]),
        _ => return None,
    })
}

fn constant(_: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    if let Some(tensor) = a.tensor_if_any("value")? {
        return one(Value::constant(tensor));
    }
    if let Some(number) = a.float_if_any("value_float")? {
        return one(Value::constant(Tensor::from(number as f32)));
    }
    if let Some(number) = a.int_if_any("value_int")? {
        return one(Value::constant(Tensor::from(number)));
    }
    if let Some(list) = a.floats_if_any("value_floats")? {
        return one(numbers(&list)?);
    }
    match a.ints_if_any("value_ints")? {
        Some(list) => one(whole_numbers(&list)?),
        None => Err(Error::Argument("it has no value that is a tensor or numbers".into())),
    }
}

fn constant_of_shape(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let sizes = constant_sizes(&a.given(draft, 0)?)?;
    let value = a.tensor_if_any("value")?;
    let (number, kind) = match &value {
        None => (0.0, Kind::Float),
        Some(value) => {
            let number = single(value);
            (
                number.ok_or_else(|| Error::Argument("its value is not one number".into()))?,
                value.kind(),
            )
        }
    };
    one(Value::constant(Tensor::f_full(sizes, number, (kind, Device::Cpu)).into_result()?))
}

fn range(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let numbers = [a.number(draft, 0)?, a.number(draft, 1)?, a.number(draft, 2)?];
    one(Value::constant(line(numbers, a.kind(0))?))
}

fn shape(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let sides = draft.shape(&a.value(0)?);
    let rank = sides.len() as i64;
    let place =
        |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
    let (start, end) = (place(a.int_or("start", 0)?), place(a.int_or("end", rank)?));
    Ok(vec![sizes(sides.get(start..end).unwrap_or_default())?])
}

fn size(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let all = super::parts::product(&draft.shape(&a.value(0)?))?;
    let number = |size: i64| Tensor::from(size);
    let Side { one: first, two } = all;
    Ok(vec![match all.is_fixed() {
        true => Known::Value(Value::constant(number(first))),
        false => Known::Counted(number(first).into(), number(two).into()),
    }])
}

/// The kind of numbers that a cast makes. Everything runs in 32-bit floats and 64-bit integers here.
pub(super) fn cast_to(a: &Arguments) -> Result<Kind> {
    Ok(match a.int("to")? {
        1 | 10 | 11 | 16 => Kind::Float,
        2..=7 | 12 | 13 => Kind::Int64,
        9 => Kind::Bool,
        other => {
            return Err(Error::Argument(format!("numbers of kind {other} are not known here")));
        }
    })
}

fn cast(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let to = cast_to(a)?;
    one(made_of(draft, a.value(0)?, a.kind(0), to)?)
}

fn cast_like(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    one(made_of(draft, a.value(0)?, a.kind(0), a.kind(1))?)
}

fn made_of(draft: &mut Draft, input: Value, from: Kind, to: Kind) -> Result<Value> {
    if from == to {
        return Ok(input);
    }
    let cast = match to {
        Kind::Bool => Cast::Bool,
        Kind::Int64 => Cast::Int,
        _ => Cast::Float,
    };
    draft.op(cast, &[input])
}
