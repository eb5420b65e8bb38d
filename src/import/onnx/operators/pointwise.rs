//! Operators on each value by itself, and arithmetic.

use tch::Kind;

use super::super::super::draft::{Draft, Value};
use super::super::Known;
use super::super::arguments::{Arguments, single};
use super::parts;
use super::{Entry, numbers, one};
use crate::error::{Error, Result};
use crate::model::{Arithmetic, Cast, Elementwise, Op};
use crate::tensor::to_floats;

pub(super) fn find(name: &str) -> Option<Entry> {
    /// A function without options.
    macro_rules! plain {
        ($op:expr) => {
            (|draft, a| one(draft.op($op, &[a.value(0)?])?), &[])
        };
    }
    /// A comparison, or what truth values make.
    macro_rules! two {
        ($op:expr) => {
            (|draft, a| one(draft.op($op, &[a.value(0)?, a.value(1)?])?), &[])
        };
    }
    Some(match name {
        "Relu" => plain!(Op::Relu),
        "Sigmoid" => plain!(Op::Sigmoid),
        "Abs" => plain!(Elementwise::Abs),
        "Ceil" => plain!(Elementwise::Ceil),
        "Cos" => plain!(Elementwise::Cos),
        "Erf" => plain!(Elementwise::Erf),
        "Exp" => plain!(Elementwise::Exp),
        "Floor" => plain!(Elementwise::Floor),
        "HardSwish" => plain!(Elementwise::HardSwish),
        "Log" => plain!(Elementwise::Log),
        "Mish" => plain!(Elementwise::Mish),
        "Neg" => plain!(Elementwise::Scale { factor: -1.0, plus: 0.0 }),
        "Not" => plain!(Elementwise::Not),
        "Reciprocal" => plain!(Elementwise::Reciprocal),
        "Round" => plain!(Elementwise::Round),
        "Sign" => plain!(Elementwise::Sign),
        "Sin" => plain!(Elementwise::Sin),
        "Softsign" => plain!(Elementwise::Softsign),
        "Sqrt" => plain!(Elementwise::Sqrt),
        "Tanh" => plain!(Elementwise::Tanh),
        "Softplus" => plain!(Elementwise::Softplus { beta: 1.0, threshold: 20.0 }),
        "Elu" => (elu, &["alpha"]),
        "Selu" => (selu, &["alpha", "gamma"]),
        "Celu" => (celu, &["alpha"]),
        "LeakyRelu" => (
            |draft, a| {
                one(draft.op(Elementwise::LeakyRelu(a.float_or("alpha", 0.01)?), &[a.value(0)?])?)
            },
            &["alpha"],
        ),
        "PRelu" => (|draft, a| one(parts::bent(draft, a.value(0)?, a.value(1)?)?), &[]),
        "ThresholdedRelu" => (thresholded, &["alpha"]),
        "HardSigmoid" => (hard_sigmoid, &["alpha", "beta"]),
        "Swish" => (swish, &["alpha"]),
        "Gelu" => (gelu, &["approximate"]),
        "Clip" => (clip, &["min", "max"]),
        "Add" => (|draft, a| one(add(draft, a)?), &[]),
        "Sub" => (sub, &[]),
        "Mul" => (mul, &[]),
        "Div" => (div, &[]),
        "Mod" => (modulo, &["fmod"]),
        "Pow" => (pow, &[]),
        "Sum" => (|draft, a| one(many(draft, a, parts::sum)?), &[]),
        "Mean" => (mean, &[]),
        "Max" => (
            |draft, a| one(many(draft, a, |draft, a, b| draft.op(Arithmetic::Maximum, &[a, b]))?),
            &[],
        ),
        "Min" => (
            |draft, a| one(many(draft, a, |draft, a, b| draft.op(Arithmetic::Minimum, &[a, b]))?),
            &[],
        ),
        "Equal" => two!(Arithmetic::Equal),
        "Less" => two!(Arithmetic::Less),
        "LessOrEqual" => two!(Arithmetic::LessEqual),
        "Greater" => two!(Arithmetic::Greater),
        "GreaterOrEqual" => two!(Arithmetic::GreaterEqual),
        "And" => two!(Arithmetic::And),
        "Or" => two!(Arithmetic::Or),
        "Xor" => two!(Arithmetic::NotEqual),
        "Where" => {
            (|draft, a| one(draft.op(Op::Where, &[a.value(0)?, a.value(1)?, a.value(2)?])?), &[])
        }
        _ => return None,
    })
}

fn elu(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let alpha = a.float_or("alpha", 1.0)?;
    one(draft.op(Elementwise::Elu { alpha, scale: 1.0, input_scale: 1.0 }, &[a.value(0)?])?)
}

fn selu(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (alpha, scale) = (
        a.float_or("alpha", 1.673_263_192_176_818_8)?,
        a.float_or("gamma", 1.050_701_022_148_132_3)?,
    );
    one(draft.op(Elementwise::Elu { alpha, scale, input_scale: 1.0 }, &[a.value(0)?])?)
}

fn celu(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let alpha = a.float_or("alpha", 1.0)?;
    one(draft
        .op(Elementwise::Elu { alpha, scale: 1.0, input_scale: 1.0 / alpha }, &[a.value(0)?])?)
}

fn thresholded(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (input, from) = (a.value(0)?, numbers(&[a.float_or("alpha", 1.0)?])?);
    let above = draft.op(Arithmetic::Greater, &[input.clone(), from])?;
    one(draft.op(Op::Where, &[above, input, numbers(&[0.0])?])?)
}

fn hard_sigmoid(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (alpha, beta) = (a.float_or("alpha", 0.2)?, a.float_or("beta", 0.5)?);
    if alpha as f32 == 1.0 / 6.0 && beta == 0.5 {
        return one(draft.op(Elementwise::HardSigmoid, &[a.value(0)?])?);
    }
    let line = draft.op(Elementwise::Scale { factor: alpha, plus: beta }, &[a.value(0)?])?;
    one(draft.op(Elementwise::Clamp { min: 0.0, max: 1.0 }, &[line])?)
}

/// `x / (1 + exp(−alpha · x))`
fn swish(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (input, alpha) = (a.value(0)?, a.float_or("alpha", 1.0)?);
    if alpha == 1.0 {
        return one(draft.op(Op::Silu, &[input])?);
    }
    let scaled =
        draft.op(Elementwise::Scale { factor: alpha, plus: 0.0 }, std::slice::from_ref(&input))?;
    let gate = draft.op(Op::Sigmoid, &[scaled])?;
    one(parts::times(draft, input, gate)?)
}

fn gelu(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let gelu = match a.text_or("approximate", "none")? {
        "none" => Elementwise::Gelu,
        "tanh" => Elementwise::GeluTanh,
        other => {
            return Err(Error::Argument(format!("an approximation by {other:?} is not known")));
        }
    };
    one(draft.op(gelu, &[a.value(0)?])?)
}

/// The bounds are options up to version 10, and inputs from then on.
fn clip(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let mut input = a.value(0)?;
    let bound = |i: usize, name: &str, none: f64| match a.value_if_any(i)? {
        Some(value) => Ok(draft.known(&value)?.and_then(|known| single(&known))),
        None => a.float_or(name, none).map(Some),
    };
    let (min, max) = (bound(1, "min", f64::NEG_INFINITY)?, bound(2, "max", f64::INFINITY)?);
    match (min, max) {
        (Some(f64::NEG_INFINITY), Some(f64::INFINITY)) => one(input),
        (Some(0.0), Some(6.0)) if a.kind(0) == Kind::Float => one(draft.op(Op::Relu6, &[input])?),
        (Some(0.0), Some(f64::INFINITY)) if a.kind(0) == Kind::Float => {
            one(draft.op(Op::Relu, &[input])?)
        }
        (Some(min), Some(max)) if min <= max && a.kind(0) == Kind::Float => {
            one(draft.op(Elementwise::Clamp { min, max }, &[input])?)
        }
        _ => {
            if let Some(min) = a.value_if_any(1)? {
                input = draft.op(Arithmetic::Maximum, &[input, min])?;
            }
            if let Some(max) = a.value_if_any(2)? {
                input = draft.op(Arithmetic::Minimum, &[input, max])?;
            }
            one(input)
        }
    }
}

/// A single number beside what the photo changes: that, and the number.
fn with_number(draft: &Draft, a: &Arguments) -> Result<Option<(usize, f64)>> {
    for (own, other) in [(0, 1), (1, 0)] {
        let (value, number) = (a.value(own)?, a.value(other)?);
        if !draft.varies(&value) || draft.shape(&number).len() > draft.shape(&value).len() {
            continue;
        }
        if let Value::Constant(number) = number
            && a.kind(own) == Kind::Float
            && let Some(number) = single(&number).filter(|number| number.is_finite())
        {
            return Ok(Some((own, number)));
        }
    }
    Ok(None)
}

fn add(draft: &mut Draft, a: &Arguments) -> Result<Value> {
    let (left, right) = (a.value(0)?, a.value(1)?);
    // The bias of a product with weights, which exporters write as an operation of its own.
    for (own, other) in [(0, 1), (1, 0)] {
        let product = a.value(own)?;
        if a.once(own)
            && !draft.varies(&a.value(other)?)
            && draft.takes_bias(&product, &a.value(other)?)
        {
            let bias = a.parameter(other, "bias")?;
            draft.give_bias(&product, bias);
            return Ok(product);
        }
    }
    if let Some((own, number)) = with_number(draft, a)? {
        return draft.op(Elementwise::Scale { factor: 1.0, plus: number }, &[a.value(own)?]);
    }
    parts::sum(draft, left, right)
}

fn sub(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    one(match with_number(draft, a)? {
        Some((0, number)) => {
            draft.op(Elementwise::Scale { factor: 1.0, plus: -number }, &[a.value(0)?])?
        }
        Some((_, number)) => {
            draft.op(Elementwise::Scale { factor: -1.0, plus: number }, &[a.value(1)?])?
        }
        None => draft.op(Arithmetic::Subtract, &[a.value(0)?, a.value(1)?])?,
    })
}

fn mul(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    one(match with_number(draft, a)? {
        Some((own, factor)) => {
            draft.op(Elementwise::Scale { factor, plus: 0.0 }, &[a.value(own)?])?
        }
        None => parts::times(draft, a.value(0)?, a.value(1)?)?,
    })
}

/// Of integers, without what stands behind the point.
fn div(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (left, right) = (a.value(0)?, a.value(1)?);
    if a.kind(0) == Kind::Int64 && a.kind(1) == Kind::Int64 {
        // Of whole numbers towards 0, however great they are.
        let down = draft.op(Arithmetic::FloorDivide, &[left.clone(), right.clone()])?;
        let rest = draft.op(Arithmetic::Remainder, &[left.clone(), right.clone()])?;
        let zero = Value::constant(tch::Tensor::from(0i64));
        let inexact = draft.op(Arithmetic::NotEqual, &[rest, zero.clone()])?;
        let (left, right) = (
            draft.op(Arithmetic::Less, &[left, zero.clone()])?,
            draft.op(Arithmetic::Less, &[right, zero])?,
        );
        let negative = draft.op(Arithmetic::NotEqual, &[left, right])?;
        let up = draft.op(Arithmetic::And, &[inexact, negative])?;
        let up = draft.op(Cast::Int, &[up])?;
        return one(draft.op(Arithmetic::Add, &[down, up])?);
    }
    one(match with_number(draft, a)? {
        Some((0, number)) if number != 0.0 => {
            draft.op(Elementwise::Scale { factor: 1.0 / number, plus: 0.0 }, &[left])?
        }
        _ => draft.op(Arithmetic::Divide, &[left, right])?,
    })
}

/// With the sign of the divisor, as Python has it; with `fmod` that of the dividend, as C has it.
fn modulo(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (left, right) = (a.value(0)?, a.value(1)?);
    if !a.flag_or("fmod", false)? {
        return one(draft.op(Arithmetic::Remainder, &[left, right])?);
    }
    let sign = draft.op(Elementwise::Sign, std::slice::from_ref(&left))?;
    let (left, right) =
        (draft.op(Elementwise::Abs, &[left])?, draft.op(Elementwise::Abs, &[right])?);
    let rest = draft.op(Arithmetic::Remainder, &[left, right])?;
    one(draft.op(Arithmetic::Multiply, &[sign, rest])?)
}

fn pow(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (base, exponent) = (a.value(0)?, a.value(1)?);
    if let Some((0, exponent)) = with_number(draft, a)? {
        return one(draft.op(Elementwise::Power(exponent), &[base])?);
    }
    let whole = a.kind(0) == Kind::Int64;
    if whole && a.kind(1) == Kind::Int64 {
        let known = draft.known(&exponent)?;
        if !known
            .is_some_and(|known| to_floats(&known).is_ok_and(|all| all.iter().all(|e| *e >= 0.0)))
        {
            return Err(Error::Argument(
                "powers of integers are known for constant exponents of 0 or more".into(),
            ));
        }
        return one(draft.op(Arithmetic::Power, &[base, exponent])?);
    }
    let made = draft.op(Arithmetic::Power, &[base, exponent])?;
    one(if whole { draft.op(Cast::Int, &[made])? } else { made })
}

/// All inputs, one after the other.
fn many(
    draft: &mut Draft,
    a: &Arguments,
    by: impl Fn(&mut Draft, Value, Value) -> Result<Value>,
) -> Result<Value> {
    let mut values = a.values()?.into_iter();
    let first = values.next().ok_or_else(|| Error::Argument("it has no inputs".into()))?;
    values.try_fold(first, |made, value| by(draft, made, value))
}

fn mean(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let sum = many(draft, a, parts::sum)?;
    let factor = 1.0 / a.inputs().len() as f64;
    one(draft.op(Elementwise::Scale { factor, plus: 0.0 }, &[sum])?)
}
