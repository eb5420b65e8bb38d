//! Products of matrices, and sums over products by Einstein's convention.

use std::ops::RangeInclusive;

use tch::Tensor;

use super::ParameterSpec;
use super::broadcast::broadcast;
use super::general::General;
use super::operator::Makes;
use crate::error::{Error, Result};
use crate::model::fast;
use crate::tensor::IntoResult;

/// `a·b` over the last two dimensions; those before are broadcast.
pub(super) struct MatMul;

impl General for MatMul {
    fn kind(&self) -> &'static str {
        "MatMul"
    }

    fn inputs(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let (a, b) = (inputs[0], inputs.get(1).copied().unwrap_or_default());
        let unfit = || {
            Error::Shape(format!(
                "the matrices {a:?} and {b:?} do not fit: [.., n, k] by [.., k, m]"
            ))
        };
        // A vector is a row on the left and a column on the right, which falls away.
        let (left, right) = (a.len() == 1, b.len() == 1);
        let a = if left { [&[1], a].concat() } else { a.to_vec() };
        let b = if right { [b, &[1]].concat() } else { b.to_vec() };
        let ([a_rest @ .., n, k], [b_rest @ .., inner, m]) = (a.as_slice(), b.as_slice()) else {
            return Err(unfit());
        };
        if k != inner {
            return Err(unfit());
        }
        let mut shape = broadcast(&[a_rest, b_rest])?;
        shape.extend((!left).then_some(*n));
        shape.extend((!right).then_some(*m));
        Ok(shape)
    }

    fn apply(&self, inputs: &[Tensor], _: &[Tensor]) -> Result<Tensor> {
        match fast::products(&inputs[0], &inputs[1])? {
            Some(products) => Ok(products),
            None => inputs[0].f_matmul(&inputs[1]).into_result(),
        }
    }

    fn makes_new_memory(&self) -> bool {
        true
    }

    fn makes(&self) -> Makes {
        Makes::Product
    }
}

/// A sum over products by Einstein's convention, `"bhqd,bhkd->bhqk"`: NumPy's and PyTorch's `einsum`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Einsum {
    equation: String,
}

impl Einsum {
    /// By this equation, with an arrow; each input's dimensions have a letter each.
    pub fn new(equation: impl Into<String>) -> Self {
        Einsum { equation: equation.into().split_whitespace().collect() }
    }

    /// The letters of the inputs, and of the output.
    fn letters(&self) -> Result<(Vec<&str>, &str)> {
        let parts = self.equation.split_once("->").filter(|(inputs, output)| {
            let mut letters = inputs.chars().filter(|c| *c != ',').chain(output.chars());
            letters.all(|c| c.is_ascii_alphabetic()) && output.chars().all(|c| inputs.contains(c))
        });
        parts.map(|(inputs, output)| (inputs.split(',').collect(), output)).ok_or_else(|| {
            Error::Argument(format!(
                "{:?} is no sum over products that is known here: write letters, commas and an arrow, \
                 \"bqd,bkd->bqk\"",
                self.equation
            ))
        })
    }
}

impl General for Einsum {
    fn kind(&self) -> &'static str {
        "Einsum"
    }

    fn inputs(&self) -> RangeInclusive<usize> {
        let count = self.equation.split(',').count();
        count..=count
    }

    fn check(&self) -> Result<()> {
        self.letters().map(drop)
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let (terms, output) = self.letters()?;
        let mut sides: Vec<(char, i64)> = Vec::new();
        for (term, shape) in terms.iter().zip(inputs) {
            let unfit =
                || Error::Shape(format!("{:?} does not fit the shapes {inputs:?}", self.equation));
            if term.len() != shape.len() {
                return Err(unfit());
            }
            for (letter, &side) in term.chars().zip(*shape) {
                match sides.iter_mut().find(|(known, _)| *known == letter) {
                    None => sides.push((letter, side)),
                    Some((_, known)) if *known == 1 => *known = side,
                    Some((_, known)) if *known != side && side != 1 => return Err(unfit()),
                    Some(_) => {}
                }
            }
        }
        let side = |letter| sides.iter().find(|(known, _)| *known == letter).map(|(_, side)| *side);
        Ok(output.chars().filter_map(side).collect())
    }

    fn apply(&self, inputs: &[Tensor], _: &[Tensor]) -> Result<Tensor> {
        Tensor::f_einsum(&self.equation, inputs, None::<&[i64]>).into_result()
    }

    fn makes_new_memory(&self) -> bool {
        // Of a single input it may be a view.
        self.equation.contains(',')
    }

    fn makes(&self) -> Makes {
        Makes::Product
    }
}
