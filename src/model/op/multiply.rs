//! The product of two inputs, the second of which may have one pixel a channel.

use tch::Tensor;

use super::operator::{Facts, Family, Gradients, Makes, Operator, Reads};
use super::step::Step;
use super::{ParameterSpec, Pass};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

pub(super) struct Multiply;

impl Operator for Multiply {
    fn facts(&self) -> Facts {
        Facts {
            kind: "Multiply",
            family: Family::Other,
            inputs: 2..=2,
            kernel: None,
            makes_new_memory: true,
            rectifies: None,
            is_local: true,
            makes: Makes::Product,
        }
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let first = inputs[0];
        let scale = inputs.get(1).copied().unwrap_or_default();
        let a_channel = first.len() == 4 && scale.len() == 4 && scale[2..] == [1, 1];
        if scale == first || (a_channel && scale[..2] == first[..2]) {
            return Ok(first.to_vec());
        }
        Err(Error::Shape(format!(
            "an input can be multiplied by one of its own shape or by one value a channel, got \
             {inputs:?}"
        )))
    }

    fn forward(
        &self,
        inputs: &mut [Tensor],
        _: &[Tensor],
        _: Pass,
        overwrite: bool,
    ) -> Result<Tensor> {
        let (value, scale) = inputs.split_at_mut(1);
        match overwrite {
            true => value[0].f_mul_(&scale[0]).into_result(),
            false => value[0].f_mul(&scale[0]).into_result(),
        }
    }

    fn backward(&self, _: &[Tensor], _: &[Tensor], _: &Tensor) -> Result<Gradients> {
        Ok(Gradients::ByAutograd)
    }

    fn reads(&self, input: usize, sides: &[Option<[i64; 2]>]) -> Reads {
        let one = Some([1, 1]);
        match sides {
            [value, gate] if input == 1 && *gate == one && *value != one => Reads::Gate,
            _ => Reads::Values,
        }
    }

    fn steps(&self, _: [i64; 2], _: [i64; 2]) -> Option<[Step; 2]> {
        Some([Step::Same, Step::Same])
    }
}
