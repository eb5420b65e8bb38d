//! Numbers of another kind.

use std::ops::RangeInclusive;

use tch::{Kind, Tensor};

use super::ParameterSpec;
use super::general::General;
use super::operator::Makes;
use crate::error::Result;
use crate::tensor::IntoResult;

/// Makes numbers of another kind of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cast {
    /// 32-bit floats.
    Float,
    /// 64-bit integers: what stands behind the point falls away.
    Int,
    /// Whether they are not 0.
    Bool,
}

impl General for Cast {
    fn kind(&self) -> &'static str {
        "Cast"
    }

    fn inputs(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        Ok(inputs[0].to_vec())
    }

    fn apply(&self, inputs: &[Tensor], _: &[Tensor]) -> Result<Tensor> {
        let kind = match self {
            Cast::Float => Kind::Float,
            Cast::Int => Kind::Int64,
            Cast::Bool => Kind::Bool,
        };
        inputs[0].f_to_kind(kind).into_result()
    }

    fn makes_new_memory(&self) -> bool {
        // What is of this kind already stays.
        false
    }

    fn makes(&self) -> Makes {
        match self {
            Cast::Float => Makes::Moved,
            Cast::Int | Cast::Bool => Makes::Steps,
        }
    }
}
