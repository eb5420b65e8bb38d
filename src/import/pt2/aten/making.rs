//! Operators that make values of nothing, copy them, or compute with sizes.

use convlens_formats::Dtype;
use tch::{Device, Kind, Tensor};

use super::super::super::draft::{Draft, Side, Value};
use super::super::Known;
use super::super::arguments::{Arguments, Given};
use super::parts::{constant_sizes, dimension, known, numbers};
use super::{Translate, one};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

pub(super) fn find(name: &str) -> Option<Translate> {
    Some(match name {
        "contiguous" | "alias" | "detach" | "lift_fresh" => itself,
        "clone" | "lift_fresh_copy" => clone,
        "to" | "_to_copy" | "type_as" => cast,
        "zeros" | "new_zeros" | "zeros_like" => |draft, a| filled(draft, a, 0.0),
        "ones" | "new_ones" | "ones_like" => |draft, a| filled(draft, a, 1.0),
        "full" | "new_full" | "full_like" => |draft, a| filled(draft, a, a.float("fill_value")?),
        "scalar_tensor" => |draft, a| filled(draft, a, a.float("s")?),
        "arange" => arange,
        "linspace" => linspace,
        "meshgrid" => meshgrid,
        "tril" | "triu" => triangle,
        "cumsum" => cumsum,
        "fill" => |draft, a| overwrite(draft, a, Some("value")),
        "zero" => |draft, a| overwrite(draft, a, None),
        "copy" => |draft, a| overwrite(draft, a, Some("src")),
        "item" => item,
        "sym_size" => sym_size,
        "_operator.add" => |_, a| ints(a, i64::checked_add),
        "_operator.sub" => |_, a| ints(a, i64::checked_sub),
        "_operator.mul" => |_, a| ints(a, i64::checked_mul),
        "_operator.floordiv" => |_, a| ints(a, i64::checked_div_euclid),
        "_operator.mod" => |_, a| ints(a, i64::checked_rem_euclid),
        _ => return None,
    })
}

fn itself(_: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    one(a.tensor("self")?)
}

/// A copy matters where it will be overwritten, which is for constants alone.
fn clone(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.tensor("self")?;
    match draft.known(&input)? {
        Some(known) => {
            let mut copy = known.f_empty_like().into_result()?;
            copy.f_copy_(&known).into_result()?;
            one(Value::constant(copy))
        }
        None => one(input),
    }
}

fn kind_of(dtype: Dtype) -> Kind {
    match dtype {
        Dtype::Bool => Kind::Bool,
        dtype if dtype.is_float() => Kind::Float,
        _ => Kind::Int64,
    }
}

/// Everything runs in 32-bit floats here; constants may become something else.
fn cast(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.tensor("self")?;
    let kind = a.dtype("dtype").map(kind_of);
    match (&input, kind) {
        (_, None) => one(input),
        (Value::Constant(tensor), Some(kind)) => {
            one(Value::constant(tensor.f_to_kind(kind).into_result()?))
        }
        (_, Some(Kind::Float)) => one(input),
        (_, Some(kind)) => match draft.known(&input)? {
            Some(known) => one(Value::constant(known.f_to_kind(kind).into_result()?)),
            None => Err(Error::Argument("it makes integers of what the photo changes".into())),
        },
    }
}

/// Of the size given, or of another tensor's, or a single number.
fn filled(draft: &Draft, a: &Arguments, with: f64) -> Result<Vec<Known>> {
    let sizes = match (a.sizes("size"), a.is_tensor("self")) {
        (Ok(sizes), _) => sizes,
        (Err(_), true) => {
            draft.shape(&a.tensor("self")?).into_iter().map(Given::Computed).collect()
        }
        (Err(_), false) => Vec::new(),
    };
    let kind = a.dtype("dtype").map_or(Kind::Float, kind_of);
    let sizes = constant_sizes(&sizes)?;
    one(Value::constant(Tensor::f_full(sizes, with, (kind, Device::Cpu)).into_result()?))
}

fn arange(_: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (start, end, step) = (a.float_or("start", 0.0)?, a.float("end")?, a.float_or("step", 1.0)?);
    let whole = [start, end, step].iter().all(|number| number.fract() == 0.0);
    let kind = a.dtype("dtype").map_or(if whole { Kind::Int64 } else { Kind::Float }, kind_of);
    one(Value::constant(numbers([start, end, step], kind)?))
}

fn linspace(_: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (start, end) = (a.float("start")?, a.float("end")?);
    let steps = constant_sizes(&[a.size("steps")?])?;
    let steps = steps.first().copied().unwrap_or(0);
    let options = (Kind::Float, Device::Cpu);
    one(Value::constant(Tensor::f_linspace(start, end, steps, options).into_result()?))
}

fn meshgrid(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let lines = a.tensors("tensors")?;
    let lines: Vec<Tensor> = lines.iter().map(|line| known(draft, line)).collect::<Result<_>>()?;
    let indexing = a.text_or("indexing", "ij")?;
    let grids = Tensor::f_meshgrid_indexing(&lines, indexing).into_result()?;
    Ok(grids.into_iter().map(|grid| Known::Tensor(Value::constant(grid))).collect())
}

fn triangle(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (matrix, diagonal) = (known(draft, &a.tensor("self")?)?, a.int_or("diagonal", 0)?);
    let lower = a.target().contains("tril");
    let part = if lower { matrix.f_tril(diagonal) } else { matrix.f_triu(diagonal) };
    one(Value::constant(part.into_result()?))
}

fn cumsum(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (line, dim) = (known(draft, &a.tensor("self")?)?, a.int("dim")?);
    let kind = a.dtype("dtype").map(kind_of);
    one(Value::constant(line.f_cumsum(dim, kind).into_result()?))
}

/// Writes into a constant, and so into whatever shares its memory.
fn overwrite(draft: &mut Draft, a: &Arguments, with: Option<&str>) -> Result<Vec<Known>> {
    let Value::Constant(tensor) = a.tensor("self")? else {
        return Err(Error::Argument(
            "it writes into a part of what the photo changes: write the network without operations in place"
                .into(),
        ));
    };
    let mut memory = tensor.shallow_clone();
    let _ = match with {
        None => memory.f_zero_(),
        Some(name) if a.is_tensor(name) => {
            let value = known(draft, &a.tensor(name)?)?;
            memory.f_copy_(&value).map(|()| memory.shallow_clone())
        }
        Some(name) => memory.f_fill_(a.float(name)?),
    }
    .into_result()?;
    one(Value::Constant(tensor))
}

fn item(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let number = known(draft, &a.tensor("self")?)?;
    one(Value::constant(number.f_reshape([] as [i64; 0]).into_result()?))
}

fn sym_size(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let sides = draft.shape(&a.tensor("self")?);
    let dim = dimension(a.int("dim")?, sides.len())?;
    Ok(vec![Known::Int(sides[dim])])
}

fn ints(a: &Arguments, by: fn(i64, i64) -> Option<i64>) -> Result<Vec<Known>> {
    let (left, right) = (a.size("a")?.side(), a.size("b")?.side());
    let computed: Option<Side> = left.with(right, by);
    let side =
        computed.ok_or_else(|| Error::Argument("its sizes cannot be computed with".into()))?;
    Ok(vec![Known::Int(side)])
}
