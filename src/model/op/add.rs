//! The sum of inputs.

use tch::Tensor;

use super::operator::{Facts, Family, Gradients, Makes, Operator, Reads};
use super::step::Step;
use super::{ParameterSpec, Pass, few};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

pub(super) struct Add;

impl Operator for Add {
    fn facts(&self) -> Facts {
        Facts {
            kind: "Add",
            family: Family::Other,
            inputs: 2..=usize::MAX,
            kernel: None,
            makes_new_memory: true,
            rectifies: None,
            is_local: true,
            makes: Makes::Summed,
        }
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        if inputs.iter().any(|other| other != &inputs[0]) {
            return Err(Error::Shape(format!(
                "only inputs of one shape can be added, got {}",
                few(inputs)
            )));
        }
        Ok(inputs[0].to_vec())
    }

    fn forward(
        &self,
        inputs: &mut [Tensor],
        _: &[Tensor],
        pass: Pass,
        overwrite: bool,
    ) -> Result<Tensor> {
        let (sum, others) = inputs.split_at_mut(1);
        let mut sum = sum[0].shallow_clone();
        for (i, other) in others.iter().enumerate() {
            // From the second term on, the sum is ours.
            let own = pass.infers() && (overwrite || i > 0);
            sum = if own { sum.f_add_(other) } else { sum.f_add(other) }.into_result()?;
        }
        Ok(sum)
    }

    fn backward(&self, inputs: &[Tensor], _: &[Tensor], gradient: &Tensor) -> Result<Gradients> {
        Ok(Gradients::Shared(inputs.iter().map(|_| gradient.shallow_clone()).collect()))
    }

    fn reads(&self, _: usize, _: &[Option<[i64; 2]>]) -> Reads {
        Reads::Values
    }

    fn steps(&self, _: [i64; 2], _: [i64; 2]) -> Option<[Step; 2]> {
        Some([Step::Same, Step::Same])
    }
}
