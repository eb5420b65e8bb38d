//! Functions of each value by itself.

use tch::Tensor;

use super::operator::{Gradients, Makes};
use super::pointwise::Pointwise;
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// A function of each value by itself, with PyTorch's meaning.
///
/// ```
/// use convlens::model::{Elementwise, Op};
/// let gelu: Op = Elementwise::Gelu.into();
/// assert_eq!(gelu.kind(), "GELU");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Elementwise {
    /// `|x|`
    Abs,
    /// The least integer that is not smaller.
    Ceil,
    /// Within `min..=max`.
    Clamp {
        /// What smaller values become; −∞ for none.
        min: f64,
        /// What greater values become; +∞ for none.
        max: f64,
    },
    /// `cos x`, in radians.
    Cos,
    /// `scale · x` for positive values, `scale · alpha · (exp(input_scale · x) − 1)` for the others: ELU,
    /// SELU and CELU.
    Elu {
        /// Where negative values go to.
        alpha: f64,
        /// The factor of all.
        scale: f64,
        /// The factor in the exponent.
        input_scale: f64,
    },
    /// The error function, `2/√π · ∫ exp(−t²) dt` from 0 to `x`.
    Erf,
    /// `exp x`
    Exp,
    /// The greatest integer that is not greater.
    Floor,
    /// `x · Φ(x)` with the normal distribution's Φ. Hendrycks and Gimpel 2016,
    /// <https://arxiv.org/abs/1606.08415>.
    Gelu,
    /// The same by its approximation with tanh.
    GeluTanh,
    /// `min(max(x / 6 + 1 / 2, 0), 1)`
    HardSigmoid,
    /// `x · min(max(x + 3, 0), 6) / 6`
    HardSwish,
    /// `x` for positive values, `slope · x` for the others.
    LeakyRelu(f64),
    /// The natural logarithm.
    Log,
    /// `log(1 / (1 + exp(−x)))`
    LogSigmoid,
    /// `x · tanh(log(1 + exp x))`
    Mish,
    /// 1 for 0 (and for false), else 0: logical.
    Not,
    /// `x` to this power.
    Power(f64),
    /// `1 / x`
    Reciprocal,
    /// The nearest integer, of two the even one.
    Round,
    /// `1 / √x`
    Rsqrt,
    /// `factor · x + plus`
    Scale {
        /// What values are multiplied by.
        factor: f64,
        /// What is added then.
        plus: f64,
    },
    /// −1, 0 or 1.
    Sign,
    /// `sin x`, in radians.
    Sin,
    /// `log(1 + exp(beta · x)) / beta`, and `x` where `beta · x` is above the threshold.
    Softplus {
        /// How sharp it bends.
        beta: f64,
        /// From where on it is a line.
        threshold: f64,
    },
    /// `x / (1 + |x|)`
    Softsign,
    /// `√x`
    Sqrt,
    /// The hyperbolic tangent.
    Tanh,
}

impl Pointwise for Elementwise {
    fn kind(&self) -> &'static str {
        match self {
            Elementwise::Abs => "Abs",
            Elementwise::Ceil => "Ceil",
            Elementwise::Clamp { .. } => "Clamp",
            Elementwise::Cos => "Cos",
            Elementwise::Elu { .. } => "ELU",
            Elementwise::Erf => "Erf",
            Elementwise::Exp => "Exp",
            Elementwise::Floor => "Floor",
            Elementwise::Gelu | Elementwise::GeluTanh => "GELU",
            Elementwise::HardSigmoid => "Hardsigmoid",
            Elementwise::HardSwish => "Hardswish",
            Elementwise::LeakyRelu(_) => "LeakyReLU",
            Elementwise::Log => "Log",
            Elementwise::LogSigmoid => "LogSigmoid",
            Elementwise::Mish => "Mish",
            Elementwise::Not => "Not",
            Elementwise::Power(_) => "Power",
            Elementwise::Reciprocal => "Reciprocal",
            Elementwise::Round => "Round",
            Elementwise::Rsqrt => "Rsqrt",
            Elementwise::Scale { .. } => "Scale",
            Elementwise::Sign => "Sign",
            Elementwise::Sin => "Sin",
            Elementwise::Softplus { .. } => "Softplus",
            Elementwise::Softsign => "Softsign",
            Elementwise::Sqrt => "Sqrt",
            Elementwise::Tanh => "Tanh",
        }
    }

    fn check(&self) -> Result<()> {
        let sensible = match *self {
            Elementwise::Clamp { min, max } => min <= max,
            Elementwise::Elu { alpha, scale, input_scale } => {
                [alpha, scale, input_scale].iter().all(|v| v.is_finite())
            }
            Elementwise::LeakyRelu(slope) => slope.is_finite(),
            Elementwise::Power(exponent) => exponent.is_finite(),
            Elementwise::Scale { factor, plus } => !factor.is_nan() && !plus.is_nan(),
            Elementwise::Softplus { beta, threshold } => {
                beta.is_finite() && beta != 0.0 && !threshold.is_nan()
            }
            _ => true,
        };
        match sensible {
            true => Ok(()),
            false => Err(Error::Argument(format!(
                "the options of {self:?} make no sense: they must be finite, with min <= max and beta \
                 other than 0"
            ))),
        }
    }

    fn apply(&self, input: &mut Tensor, _: bool, overwrite: bool) -> Result<Tensor> {
        let x = input;
        match *self {
            Elementwise::Abs => x.f_abs(),
            Elementwise::Ceil => x.f_ceil(),
            Elementwise::Clamp { min, max } if min == f64::NEG_INFINITY => x.f_clamp_max(max),
            Elementwise::Clamp { min, max } if max == f64::INFINITY => x.f_clamp_min(min),
            Elementwise::Clamp { min, max } if overwrite => x.f_clamp_(min, max),
            Elementwise::Clamp { min, max } => x.f_clamp(min, max),
            Elementwise::Cos => x.f_cos(),
            Elementwise::Elu { alpha, scale, input_scale } => x.f_relu().and_then(|positive| {
                let bent = x.f_clamp_max(0.0)?.f_mul_scalar(input_scale)?.f_expm1()?;
                positive.f_add(&bent.f_mul_scalar(alpha)?)?.f_mul_scalar(scale)
            }),
            Elementwise::Erf => x.f_erf(),
            Elementwise::Exp => x.f_exp(),
            Elementwise::Floor => x.f_floor(),
            Elementwise::Gelu => x.f_gelu("none"),
            Elementwise::GeluTanh => x.f_gelu("tanh"),
            Elementwise::HardSigmoid => x.f_hardsigmoid(),
            Elementwise::HardSwish if overwrite => x.f_hardswish_(),
            Elementwise::HardSwish => x.f_hardswish(),
            Elementwise::LeakyRelu(slope) => {
                x.f_clamp_max(0.0).and_then(|rest| x.f_relu()?.f_add(&rest.f_mul_scalar(slope)?))
            }
            Elementwise::Log => x.f_log(),
            Elementwise::LogSigmoid => x.f_log_sigmoid(),
            Elementwise::Mish => x.f_mish(),
            Elementwise::Not => x.f_logical_not(),
            Elementwise::Power(exponent) => x.f_pow_tensor_scalar(exponent),
            Elementwise::Reciprocal => x.f_reciprocal(),
            Elementwise::Round => x.f_round(),
            Elementwise::Rsqrt => x.f_rsqrt(),
            Elementwise::Scale { factor, plus } => scaled(x, factor, plus),
            Elementwise::Sign => x.f_sign(),
            Elementwise::Sin => x.f_sin(),
            Elementwise::Softplus { beta, threshold } => x.f_mul_scalar(beta).and_then(|scaled| {
                // Above the threshold the exponential would overflow, and is not taken.
                let bent = scaled.f_clamp_max(threshold)?.f_exp()?.f_log1p()?;
                bent.f_mul_scalar(1.0 / beta)?.f_where_self(&scaled.f_le(threshold)?, x)
            }),
            Elementwise::Softsign => {
                x.f_abs().and_then(|size| size.f_add_scalar(1.0)).and_then(|size| x.f_div(&size))
            }
            Elementwise::Sqrt => x.f_sqrt(),
            Elementwise::Tanh => x.f_tanh(),
        }
        .into_result()
    }

    fn makes_new_memory(&self) -> bool {
        // By 1 and 0, it may be the input itself.
        !matches!(self, Elementwise::Scale { .. })
    }

    fn back(&self, gradient: &Tensor) -> Gradients {
        match *self {
            Elementwise::Scale { factor, .. } => match gradient.f_mul_scalar(factor) {
                Ok(scaled) => Gradients::Own(vec![scaled]),
                Err(_) => Gradients::ByAutograd,
            },
            _ => Gradients::ByAutograd,
        }
    }

    fn rectifies(&self) -> Option<f64> {
        None
    }

    fn makes(&self) -> Makes {
        match self {
            Elementwise::Scale { .. } => Makes::Scaled,
            Elementwise::Ceil
            | Elementwise::Floor
            | Elementwise::Not
            | Elementwise::Round
            | Elementwise::Sign => Makes::Steps,
            _ => Makes::Each,
        }
    }
}

/// Integers stay integers where both numbers are.
fn scaled(x: &Tensor, factor: f64, plus: f64) -> Result<Tensor, tch::TchError> {
    let whole = |v: f64| v.fract() == 0.0 && v.abs() < 2f64.powi(53);
    if !x.is_floating_point() && whole(factor) && whole(plus) {
        let scaled = x.f_mul_scalar(factor as i64)?;
        return scaled.f_add_scalar(plus as i64);
    }
    let scaled = if factor == 1.0 { x.shallow_clone() } else { x.f_mul_scalar(factor)? };
    if plus == 0.0 { Ok(scaled) } else { scaled.f_add_scalar(plus) }
}
