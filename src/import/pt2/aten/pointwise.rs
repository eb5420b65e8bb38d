//! Operators on each value by itself, and arithmetic.

use tch::Tensor;

use super::super::super::draft::{Draft, Value};
use super::super::Known;
use super::super::arguments::Arguments;
use super::parts::{self, fixed_sizes};
use super::{Translate, one};
use crate::error::{Error, Result};
use crate::model::{Arithmetic, Elementwise, Op, Rearrange};

pub(super) fn find(name: &str) -> Option<Translate> {
    /// A function without options.
    macro_rules! plain {
        ($op:expr) => {
            |draft, a| one(draft.op($op, &[first(a)?])?)
        };
    }
    Some(match name {
        "relu" => plain!(Op::Relu),
        "relu6" => plain!(Op::Relu6),
        "sigmoid" => plain!(Op::Sigmoid),
        "silu" => plain!(Op::Silu),
        "abs" => plain!(Elementwise::Abs),
        "ceil" => plain!(Elementwise::Ceil),
        "cos" => plain!(Elementwise::Cos),
        "erf" => plain!(Elementwise::Erf),
        "exp" => plain!(Elementwise::Exp),
        "floor" => plain!(Elementwise::Floor),
        "hardsigmoid" => plain!(Elementwise::HardSigmoid),
        "hardswish" => plain!(Elementwise::HardSwish),
        "log" => plain!(Elementwise::Log),
        "log_sigmoid" => plain!(Elementwise::LogSigmoid),
        "logical_not" | "bitwise_not" => plain!(Elementwise::Not),
        "mish" => plain!(Elementwise::Mish),
        "neg" => plain!(Elementwise::Scale { factor: -1.0, plus: 0.0 }),
        "reciprocal" => plain!(Elementwise::Reciprocal),
        "round" => plain!(Elementwise::Round),
        "rsqrt" => plain!(Elementwise::Rsqrt),
        "sign" => plain!(Elementwise::Sign),
        "sin" => plain!(Elementwise::Sin),
        "sqrt" => plain!(Elementwise::Sqrt),
        "square" => plain!(Elementwise::Power(2.0)),
        "tanh" => plain!(Elementwise::Tanh),
        "selu" => plain!(Elementwise::Elu {
            alpha: 1.673_263_242_354_377_2,
            scale: 1.050_700_987_355_480_5,
            input_scale: 1.0
        }),
        "elu" => elu,
        "celu" => celu,
        "leaky_relu" => |draft, a| {
            one(draft
                .op(Elementwise::LeakyRelu(a.float_or("negative_slope", 0.01)?), &[first(a)?])?)
        },
        "prelu" => prelu,
        "gelu" => gelu,
        "softplus" => softplus,
        "hardtanh" => hardtanh,
        "clamp" | "clamp_min" | "clamp_max" | "clip" => clamp,
        "pow" => pow,
        "add" => |draft, a| sum(draft, a, 1.0),
        "sub" | "subtract" => |draft, a| sum(draft, a, -1.0),
        "rsub" => rsub,
        "mul" | "multiply" => mul,
        "div" | "divide" | "true_divide" => div,
        "floor_divide" => |draft, a| two(draft, a, Arithmetic::FloorDivide),
        "remainder" => |draft, a| two(draft, a, Arithmetic::Remainder),
        "maximum" => |draft, a| two(draft, a, Arithmetic::Maximum),
        "minimum" => |draft, a| two(draft, a, Arithmetic::Minimum),
        "eq" => |draft, a| two(draft, a, Arithmetic::Equal),
        "ne" => |draft, a| two(draft, a, Arithmetic::NotEqual),
        "lt" => |draft, a| two(draft, a, Arithmetic::Less),
        "le" => |draft, a| two(draft, a, Arithmetic::LessEqual),
        "gt" => |draft, a| two(draft, a, Arithmetic::Greater),
        "ge" => |draft, a| two(draft, a, Arithmetic::GreaterEqual),
        "logical_and" | "bitwise_and" | "__and__" => |draft, a| two(draft, a, Arithmetic::And),
        "logical_or" | "bitwise_or" | "__or__" => |draft, a| two(draft, a, Arithmetic::Or),
        "where" => select,
        "masked_fill" => masked_fill,
        _ => return None,
    })
}

fn first(a: &Arguments) -> Result<Value> {
    a.tensor(if a.is_tensor("input") { "input" } else { "self" })
}

fn elu(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (alpha, scale) = (a.float_or("alpha", 1.0)?, a.float_or("scale", 1.0)?);
    let input_scale = a.float_or("input_scale", 1.0)?;
    one(draft.op(Elementwise::Elu { alpha, scale, input_scale }, &[first(a)?])?)
}

fn celu(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let alpha = a.float_or("alpha", 1.0)?;
    one(draft.op(Elementwise::Elu { alpha, scale: 1.0, input_scale: 1.0 / alpha }, &[first(a)?])?)
}

/// `max(x, 0) + weight · min(x, 0)`, with a weight a channel or one for all.
fn prelu(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (input, weight) = (first(a)?, a.tensor("weight")?);
    let rank = draft.shape(&input).len();
    let count: i64 = fixed_sizes(draft, &weight)?.iter().product();
    let mut sides = vec![1; rank];
    if let (Some(channels), true) = (sides.get_mut(1), count > 1) {
        *channels = count;
    }
    let weight = draft.op(Rearrange::Reshape(sides), &[weight])?;
    one(parts::bent(draft, input, weight)?)
}

fn gelu(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let gelu = match a.text_or("approximate", "none")? {
        "tanh" => Elementwise::GeluTanh,
        _ => Elementwise::Gelu,
    };
    one(draft.op(gelu, &[first(a)?])?)
}

fn softplus(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (beta, threshold) = (a.float_or("beta", 1.0)?, a.float_or("threshold", 20.0)?);
    one(draft.op(Elementwise::Softplus { beta, threshold }, &[first(a)?])?)
}

fn hardtanh(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (min, max) = (a.float_or("min_val", -1.0)?, a.float_or("max_val", 1.0)?);
    match [min, max] {
        [0.0, 6.0] => one(draft.op(Op::Relu6, &[first(a)?])?),
        _ => one(draft.op(Elementwise::Clamp { min, max }, &[first(a)?])?),
    }
}

fn clamp(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    if !a.is_tensor("min") && !a.is_tensor("max") {
        let min = a.float_or("min", f64::NEG_INFINITY)?;
        let max = a.float_or("max", f64::INFINITY)?;
        return one(draft.op(Elementwise::Clamp { min, max }, &[first(a)?])?);
    }
    let mut value = first(a)?;
    if let Some(min) = a.tensor_if_any("min")? {
        value = draft.op(Arithmetic::Maximum, &[value, min])?;
    }
    if let Some(max) = a.tensor_if_any("max")? {
        value = draft.op(Arithmetic::Minimum, &[value, max])?;
    }
    one(value)
}

fn pow(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    if a.is_tensor("self") && !a.is_tensor("exponent") {
        return one(draft.op(Elementwise::Power(a.float("exponent")?), &[a.tensor("self")?])?);
    }
    let base = operand(a, "self")?;
    one(draft.op(Arithmetic::Power, &[base, a.tensor("exponent")?])?)
}

/// A tensor, or a number as one.
fn operand(a: &Arguments, name: &str) -> Result<Value> {
    match a.is_tensor(name) {
        true => a.tensor(name),
        false => {
            let number = a.float(name)?;
            // As in PyTorch, a whole number makes no floats of integers.
            Ok(Value::constant(match a.int(name) {
                Ok(whole) => Tensor::from(whole),
                Err(_) => Tensor::from(number as f32),
            }))
        }
    }
}

fn two(draft: &mut Draft, a: &Arguments, op: Arithmetic) -> Result<Vec<Known>> {
    let other = operand(a, "other")?;
    one(draft.op(op, &[first(a)?, other])?)
}

/// `self + sign · alpha · other`
fn sum(draft: &mut Draft, a: &Arguments, sign: f64) -> Result<Vec<Known>> {
    let (own, alpha) = (first(a)?, a.float_or("alpha", 1.0)?);
    if !a.is_tensor("other") {
        let plus = sign * alpha * a.float("other")?;
        return one(draft.op(Elementwise::Scale { factor: 1.0, plus }, &[own])?);
    }
    let other = a.tensor("other")?;
    if sign < 0.0 && alpha == 1.0 {
        return one(draft.op(Arithmetic::Subtract, &[own, other])?);
    }
    let other = match sign * alpha {
        1.0 => other,
        factor => draft.op(Elementwise::Scale { factor, plus: 0.0 }, &[other])?,
    };
    one(parts::sum(draft, own, other)?)
}

/// `other − alpha · self`
fn rsub(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let factor = -a.float_or("alpha", 1.0)?;
    if !a.is_tensor("other") {
        return one(draft.op(Elementwise::Scale { factor, plus: a.float("other")? }, &[first(a)?])?);
    }
    let scaled = draft.op(Elementwise::Scale { factor, plus: 0.0 }, &[first(a)?])?;
    one(draft.op(Arithmetic::Add, &[a.tensor("other")?, scaled])?)
}

fn mul(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let own = first(a)?;
    if !a.is_tensor("other") {
        let factor = a.float("other")?;
        return one(draft.op(Elementwise::Scale { factor, plus: 0.0 }, &[own])?);
    }
    let other = a.tensor("other")?;
    one(parts::times(draft, own, other)?)
}

fn div(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    match a.text_or("rounding_mode", "")? {
        "" if !a.is_tensor("other") => {
            let factor = 1.0 / a.float("other")?;
            one(draft.op(Elementwise::Scale { factor, plus: 0.0 }, &[first(a)?])?)
        }
        "" => two(draft, a, Arithmetic::Divide),
        "floor" => two(draft, a, Arithmetic::FloorDivide),
        mode => Err(Error::Argument(format!("division rounded by {mode:?} is not known"))),
    }
}

fn select(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (yes, no) = (operand(a, "self")?, operand(a, "other")?);
    one(draft.op(Op::Where, &[a.tensor("condition")?, yes, no])?)
}

fn masked_fill(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let value = operand(a, "value")?;
    one(draft.op(Op::Where, &[a.tensor("mask")?, value, first(a)?])?)
}
