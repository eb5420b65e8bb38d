//! Layers whose geometry is found by trying, and whose gradient by autograd.

use std::ops::RangeInclusive;

use tch::Tensor;

use super::operator::{Facts, Family, Gradients, Makes, Operator, Reads};
use super::step::Step;
use super::{ParameterSpec, Pass};
use crate::error::Result;

/// What is its own about such a layer: one that moves values between places in any order, or mixes all of
/// them, so that no rule about rows and columns says what it does.
pub(crate) trait General {
    fn kind(&self) -> &'static str;
    fn inputs(&self) -> RangeInclusive<usize>;
    fn check(&self) -> Result<()>;
    fn parameters(&self) -> Vec<ParameterSpec>;
    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>>;
    fn apply(&self, inputs: &[Tensor], parameters: &[Tensor]) -> Result<Tensor>;
    /// As [`Facts::makes_new_memory`].
    fn makes_new_memory(&self) -> bool;
    /// As [`Facts::makes`].
    fn makes(&self) -> Makes;
}

/// The operator that such a layer is.
pub(super) struct ByTrying<'a>(pub(super) &'a dyn General);

impl Operator for ByTrying<'_> {
    fn facts(&self) -> Facts {
        Facts {
            kind: self.0.kind(),
            family: Family::Other,
            inputs: self.0.inputs(),
            kernel: None,
            makes_new_memory: self.0.makes_new_memory(),
            rectifies: None,
            is_local: false,
            makes: self.0.makes(),
        }
    }

    fn check(&self) -> Result<()> {
        self.0.check()
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        self.0.parameters()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        self.0.output_shape(inputs)
    }

    fn forward(
        &self,
        inputs: &mut [Tensor],
        parameters: &[Tensor],
        _: Pass,
        _: bool,
    ) -> Result<Tensor> {
        self.0.apply(inputs, parameters)
    }

    fn backward(&self, _: &[Tensor], _: &[Tensor], _: &Tensor) -> Result<Gradients> {
        Ok(Gradients::ByAutograd)
    }

    fn reads(&self, _: usize, _: &[Option<[i64; 2]>]) -> Reads {
        Reads::Values
    }

    fn steps(&self, _: [i64; 2], _: [i64; 2]) -> Option<[Step; 2]> {
        None
    }
}
