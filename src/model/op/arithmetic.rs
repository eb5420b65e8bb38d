//! Arithmetic and comparisons of two inputs, which are broadcast.

use tch::Tensor;

use super::broadcast::broadcast;
use super::operator::{Facts, Family, Gradients, Makes, Operator, Reads};
use super::step::Step;
use super::{ParameterSpec, Pass};
use crate::error::Result;
use crate::tensor::IntoResult;

/// Two inputs become one, value by value. Sides of 1, and leading ones that are missing, go with any.
///
/// [`Op::Add`](super::Op::Add) and [`Op::Multiply`](super::Op::Multiply) are for inputs of one shape;
/// inference takes the former along with a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arithmetic {
    /// `a + b`
    Add,
    /// `a − b`
    Subtract,
    /// `a · b`
    Multiply,
    /// `a / b`
    Divide,
    /// `⌊a / b⌋`
    FloorDivide,
    /// `a − b · ⌊a / b⌋`: with the sign of `b`, as Python has it.
    Remainder,
    /// `a` to the power `b`
    Power,
    /// The greater one.
    Maximum,
    /// The smaller one.
    Minimum,
    /// Whether they are equal.
    Equal,
    /// Whether they are not.
    NotEqual,
    /// `a < b`
    Less,
    /// `a ≤ b`
    LessEqual,
    /// `a > b`
    Greater,
    /// `a ≥ b`
    GreaterEqual,
    /// Whether both are true.
    And,
    /// Whether one is true.
    Or,
}

impl Operator for Arithmetic {
    fn facts(&self) -> Facts {
        Facts {
            kind: match self {
                Arithmetic::Add => "Add",
                Arithmetic::Subtract => "Subtract",
                Arithmetic::Multiply => "Multiply",
                Arithmetic::Divide => "Divide",
                Arithmetic::FloorDivide => "FloorDivide",
                Arithmetic::Remainder => "Remainder",
                Arithmetic::Power => "Power",
                Arithmetic::Maximum => "Maximum",
                Arithmetic::Minimum => "Minimum",
                Arithmetic::Equal => "Equal",
                Arithmetic::NotEqual => "NotEqual",
                Arithmetic::Less => "Less",
                Arithmetic::LessEqual => "LessEqual",
                Arithmetic::Greater => "Greater",
                Arithmetic::GreaterEqual => "GreaterEqual",
                Arithmetic::And => "And",
                Arithmetic::Or => "Or",
            },
            family: Family::Other,
            inputs: 2..=2,
            kernel: None,
            makes_new_memory: true,
            rectifies: None,
            is_local: false,
            makes: match self {
                Arithmetic::Add | Arithmetic::Subtract => Makes::Summed,
                Arithmetic::Multiply => Makes::Product,
                Arithmetic::Divide => Makes::Quotient,
                Arithmetic::Maximum | Arithmetic::Minimum => Makes::Chosen,
                Arithmetic::Remainder | Arithmetic::Power => Makes::Mixed,
                Arithmetic::FloorDivide
                | Arithmetic::Equal
                | Arithmetic::NotEqual
                | Arithmetic::Less
                | Arithmetic::LessEqual
                | Arithmetic::Greater
                | Arithmetic::GreaterEqual
                | Arithmetic::And
                | Arithmetic::Or => Makes::Steps,
            },
        }
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        broadcast(inputs)
    }

    fn forward(&self, inputs: &mut [Tensor], _: &[Tensor], _: Pass, _: bool) -> Result<Tensor> {
        let (mut a, mut b) = (&inputs[0], &inputs[1]);
        // The output lies in memory as the first one does: maps, rather than what scales or shifts them.
        if matches!(self, Arithmetic::Add | Arithmetic::Multiply) && a.numel() < b.numel() {
            (a, b) = (b, a);
        }
        match self {
            Arithmetic::Add => a.f_add(b),
            Arithmetic::Subtract => a.f_sub(b),
            Arithmetic::Multiply => a.f_mul(b),
            Arithmetic::Divide => a.f_div(b),
            Arithmetic::FloorDivide => a.f_div_tensor_mode(b, "floor"),
            Arithmetic::Remainder => a.f_remainder_tensor(b),
            Arithmetic::Power => a.f_pow(b),
            Arithmetic::Maximum => a.f_maximum(b),
            Arithmetic::Minimum => a.f_minimum(b),
            Arithmetic::Equal => a.f_eq_tensor(b),
            Arithmetic::NotEqual => a.f_ne_tensor(b),
            Arithmetic::Less => a.f_lt_tensor(b),
            Arithmetic::LessEqual => a.f_le_tensor(b),
            Arithmetic::Greater => a.f_gt_tensor(b),
            Arithmetic::GreaterEqual => a.f_ge_tensor(b),
            Arithmetic::And => a.f_logical_and(b),
            Arithmetic::Or => a.f_logical_or(b),
        }
        .into_result()
    }

    fn backward(&self, _: &[Tensor], _: &[Tensor], _: &Tensor) -> Result<Gradients> {
        Ok(Gradients::ByAutograd)
    }

    fn reads(&self, input: usize, sides: &[Option<[i64; 2]>]) -> Reads {
        // One value a channel, or one for all, scales or shifts whole maps.
        let (own, other) = (sides.get(input), sides.get(1 - input.min(1)));
        match (own, other) {
            (Some(None | Some([1, 1])), Some(Some(other))) if *other != [1, 1] => Reads::Gate,
            _ => Reads::Values,
        }
    }

    fn steps(&self, from: [i64; 2], to: [i64; 2]) -> Option<[Step; 2]> {
        (from == to).then_some([Step::Same, Step::Same])
    }
}
