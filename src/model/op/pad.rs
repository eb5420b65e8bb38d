//! More rows and columns at the sides.

use std::ops::RangeInclusive;

use tch::Tensor;

use super::ParameterSpec;
use super::general::General;
use super::operator::Makes;
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// What stands in the new places.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum PadMode {
    /// One number.
    Constant(f64),
    /// What lies as far within, the edge itself not twice.
    Reflect,
    /// The edge again and again.
    Replicate,
    /// What lies at the other end.
    Circular,
}

/// Adds places before and behind, along the last dimensions; fewer than 0 cut off.
#[derive(Clone, Debug, PartialEq)]
pub struct Pad {
    sides: Vec<[i64; 2]>,
    mode: PadMode,
}

impl Pad {
    /// `[before, behind]` for each of the last dimensions, the last one first as PyTorch has it: columns,
    /// then rows.
    pub fn new(sides: impl Into<Vec<[i64; 2]>>, mode: PadMode) -> Self {
        Pad { sides: sides.into(), mode }
    }
}

impl General for Pad {
    fn kind(&self) -> &'static str {
        match self.mode {
            PadMode::Constant(_) => "ConstantPad",
            PadMode::Reflect => "ReflectionPad",
            PadMode::Replicate => "ReplicationPad",
            PadMode::Circular => "CircularPad",
        }
    }

    fn inputs(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn check(&self) -> Result<()> {
        let sides = self.sides.iter().flatten();
        let room = matches!(self.mode, PadMode::Constant(_)) || self.sides.len() <= 3;
        match room
            && sides.into_iter().all(|side| (-super::LARGEST..=super::LARGEST).contains(side))
        {
            true => Ok(()),
            false => Err(Error::Argument(format!(
                "padding of at most 2^20 on a side, and but for a constant of at most three dimensions; got \
                 {self:?}"
            ))),
        }
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let mut shape = inputs[0].to_vec();
        let fits = self.sides.len() <= shape.len()
            && shape.iter_mut().rev().zip(&self.sides).all(|(side, [before, behind])| {
                // A reflection, or another end, must lie within.
                let most = match self.mode {
                    PadMode::Constant(_) | PadMode::Replicate => i64::MAX,
                    PadMode::Reflect => *side - 1,
                    PadMode::Circular => *side,
                };
                let within = *before <= most && *behind <= most;
                *side += before + behind;
                within && *side >= 0
            });
        match fits {
            true => Ok(shape),
            false => Err(Error::Shape(format!("{:?} cannot be padded by {self:?}", inputs[0]))),
        }
    }

    fn apply(&self, inputs: &[Tensor], _: &[Tensor]) -> Result<Tensor> {
        let sides: Vec<i64> = self.sides.iter().flatten().copied().collect();
        let (mode, value) = match self.mode {
            PadMode::Constant(value) => ("constant", Some(value)),
            PadMode::Reflect => ("reflect", None),
            PadMode::Replicate => ("replicate", None),
            PadMode::Circular => ("circular", None),
        };
        inputs[0].f_pad(sides, mode, value).into_result()
    }

    fn makes_new_memory(&self) -> bool {
        false
    }

    fn makes(&self) -> Makes {
        Makes::Moved
    }
}
