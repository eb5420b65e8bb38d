//! `[N, C, H, W] -> [N, C·H·W]`.

use tch::Tensor;

use super::operator::{Facts, Family, Gradients, Makes, Operator, Reads};
use super::step::Step;
use super::{ParameterSpec, Pass};
use crate::error::{Error, Result};
use crate::tensor::{IntoResult, channels_last};

pub(super) struct Flatten;

impl Operator for Flatten {
    fn facts(&self) -> Facts {
        Facts {
            kind: "Flatten",
            family: Family::Other,
            inputs: 1..=1,
            kernel: None,
            makes_new_memory: false,
            rectifies: None,
            is_local: false,
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
        match inputs[0].split_first() {
            Some((&n, rest)) => Ok(vec![n, rest.iter().fold(1, |a, b| a.saturating_mul(*b))]),
            None => Err(Error::Shape("nothing to flatten in a scalar".into())),
        }
    }

    fn forward(&self, inputs: &mut [Tensor], _: &[Tensor], _: Pass, _: bool) -> Result<Tensor> {
        inputs[0].f_flatten(1, -1).into_result()
    }

    /// In the shape of the value that was flattened, and in its order in memory.
    fn backward(&self, inputs: &[Tensor], _: &[Tensor], gradient: &Tensor) -> Result<Gradients> {
        let gradient = gradient.f_reshape(inputs[0].size()).into_result()?;
        Ok(Gradients::Shared(vec![channels_last(&gradient)?]))
    }

    fn reads(&self, _: usize, _: &[Option<[i64; 2]>]) -> Reads {
        Reads::Values
    }

    fn steps(&self, _: [i64; 2], _: [i64; 2]) -> Option<[Step; 2]> {
        Some([Step::Same, Step::Same])
    }
}
