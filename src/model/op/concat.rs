//! Inputs joined along the channels.

use tch::Tensor;

use super::operator::{Facts, Family, Gradients, Makes, Operator, Reads};
use super::step::Step;
use super::{ParameterSpec, Pass, few};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

pub(super) struct Concat;

impl Operator for Concat {
    fn facts(&self) -> Facts {
        Facts {
            kind: "Concat",
            family: Family::Other,
            inputs: 1..=usize::MAX,
            kernel: None,
            makes_new_memory: true,
            rectifies: None,
            is_local: true,
            makes: Makes::Moved,
        }
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let mut shape = inputs[0].to_vec();
        for other in &inputs[1..] {
            let joins = other.len() == shape.len()
                && shape.len() > 1
                && (0..shape.len()).all(|d| d == 1 || shape[d] == other[d]);
            if !joins {
                return Err(Error::Shape(format!(
                    "only inputs that differ in channels alone can be joined, got {}",
                    few(inputs)
                )));
            }
            shape[1] = shape[1].saturating_add(other[1]);
        }
        Ok(shape)
    }

    fn forward(&self, inputs: &mut [Tensor], _: &[Tensor], _: Pass, _: bool) -> Result<Tensor> {
        Tensor::f_cat(inputs, 1).into_result()
    }

    fn backward(&self, inputs: &[Tensor], _: &[Tensor], gradient: &Tensor) -> Result<Gradients> {
        let sizes: Vec<i64> = inputs.iter().map(|x| x.size()[1]).collect();
        Ok(Gradients::Shared(gradient.f_split_with_sizes(sizes, 1).into_result()?))
    }

    fn reads(&self, _: usize, _: &[Option<[i64; 2]>]) -> Reads {
        Reads::Values
    }

    fn steps(&self, _: [i64; 2], _: [i64; 2]) -> Option<[Step; 2]> {
        Some([Step::Same, Step::Same])
    }
}
