//! Operators around weights that are stored in few bits.

use super::super::super::draft::{Draft, Value};
use super::super::Known;
use super::super::arguments::Arguments;
use super::parts::{self, dimension, fixed_side};
use super::{Entry, one};
use crate::error::{Error, Result};
use crate::model::{Arithmetic, Cast, Elementwise, Rearrange};

pub(super) fn find(name: &str) -> Option<Entry> {
    Some(match name {
        "QuantizeLinear" => (quantize, &["axis", "saturate"]),
        "DequantizeLinear" => (dequantize, &["axis"]),
        _ => return None,
    })
}

/// A number for all, or one for each place along an axis, so that it goes with the input.
fn along(draft: &mut Draft, a: &Arguments, i: usize, input: &Value) -> Result<Value> {
    let own = a.value(i)?;
    let own = match a.kind(i) {
        tch::Kind::Float => own,
        _ => draft.op(Cast::Float, &[own])?,
    };
    let sides = parts::fixed_sizes(draft, &own)?;
    let rank = draft.shape(input).len();
    match *sides.as_slice() {
        [] => Ok(own),
        [1] => draft.op(Rearrange::Reshape(vec![1; rank.min(1)]), &[own]),
        [count] => {
            let axis = dimension(a.int_or("axis", 1)?, rank)?;
            if fixed_side(draft, input, axis)? != count {
                return Err(Error::Shape(format!("{count} scales do not fit its axis {axis}")));
            }
            let mut shape = vec![1; rank];
            shape[axis] = count;
            draft.op(Rearrange::Reshape(shape), &[own])
        }
        _ => Err(Error::Argument("scales of blocks are not known here".into())),
    }
}

/// `(x − zero point) · scale`
fn dequantize(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let mut value = match a.kind(0) {
        tch::Kind::Float => input.clone(),
        _ => draft.op(Cast::Float, std::slice::from_ref(&input))?,
    };
    if a.has(2) {
        let zero = along(draft, a, 2, &input)?;
        value = draft.op(Arithmetic::Subtract, &[value, zero])?;
    }
    let scale = along(draft, a, 1, &input)?;
    one(draft.op(Arithmetic::Multiply, &[value, scale])?)
}

/// `round(x / scale) + zero point`, within what the file's type holds. The result stays in floats here.
fn quantize(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    use convlens_formats::Dtype;
    let input = a.value(0)?;
    let (min, max) = match a.stored(2) {
        None if !a.has(2) => (0.0, 255.0),
        Some(Dtype::U8) => (0.0, 255.0),
        Some(Dtype::I8) => (-128.0, 127.0),
        Some(Dtype::U16) => (0.0, 65535.0),
        Some(Dtype::I16) => (-32768.0, 32767.0),
        _ => {
            return Err(Error::Argument(
                "it makes numbers of a type that is not known here".into(),
            ));
        }
    };
    let scale = along(draft, a, 1, &input)?;
    let shares = draft.op(Arithmetic::Divide, &[input.clone(), scale])?;
    let mut value = draft.op(Elementwise::Round, &[shares])?;
    if a.has(2) {
        let zero = along(draft, a, 2, &input)?;
        value = draft.op(Arithmetic::Add, &[value, zero])?;
    }
    one(draft.op(Elementwise::Clamp { min, max }, &[value])?)
}
