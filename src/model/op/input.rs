//! The photo as a tensor.

use tch::Tensor;

use super::operator::{Facts, Family, Gradients, Makes, Operator, Reads};
use super::step::Step;
use super::{ParameterSpec, Pass};
use crate::error::Result;

pub(super) struct Input;

impl Operator for Input {
    fn facts(&self) -> Facts {
        Facts {
            kind: "Input",
            family: Family::Other,
            inputs: 0..=0,
            kernel: None,
            makes_new_memory: false,
            rectifies: None,
            is_local: true,
            makes: Makes::Nothing,
        }
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

    fn forward(&self, inputs: &mut [Tensor], _: &[Tensor], _: Pass, _: bool) -> Result<Tensor> {
        Ok(inputs[0].shallow_clone())
    }

    fn backward(&self, _: &[Tensor], _: &[Tensor], gradient: &Tensor) -> Result<Gradients> {
        Ok(Gradients::Shared(vec![gradient.shallow_clone()]))
    }

    fn reads(&self, _: usize, _: &[Option<[i64; 2]>]) -> Reads {
        Reads::Values
    }

    fn steps(&self, _: [i64; 2], _: [i64; 2]) -> Option<[Step; 2]> {
        Some([Step::Same, Step::Same])
    }
}
