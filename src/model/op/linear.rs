//! A fully connected layer.

use tch::Tensor;

use super::{Init, ParameterSpec};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// `y = x·Wᵀ + b` over the last dimension.
///
/// ```
/// use convlens::model::Linear;
/// let classifier = Linear::new(512, 1000);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    pub(crate) in_features: i64,
    pub(crate) out_features: i64,
    pub(crate) bias: bool,
}

impl Linear {
    /// A fully connected layer with a bias.
    pub fn new(in_features: i64, out_features: i64) -> Self {
        Linear { in_features, out_features, bias: true }
    }

    /// No bias.
    pub fn without_bias(mut self) -> Self {
        self.bias = false;
        self
    }

    pub(super) fn parameters(&self) -> Vec<ParameterSpec> {
        let fan_in = self.in_features;
        let shape = [self.out_features, self.in_features];
        let mut specs = vec![ParameterSpec::new("weight", &shape, Init::FanInUniform { fan_in })];
        if self.bias {
            specs.push(ParameterSpec::new("bias", &shape[..1], Init::FanInUniform { fan_in }));
        }
        specs
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.in_features > 0 && self.out_features > 0 {
            return Ok(());
        }
        Err(Error::Argument(format!("a linear layer needs positive features, got {self:?}")))
    }

    pub(super) fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        match input.split_last() {
            Some((&last, rest)) if last == self.in_features => {
                Ok([rest, &[self.out_features]].concat())
            }
            _ => Err(Error::Shape(format!(
                "expected {} input features in the last dimension, got {input:?}",
                self.in_features
            ))),
        }
    }

    pub(super) fn forward(&self, input: &Tensor, parameters: &[Tensor]) -> Result<Tensor> {
        input.f_linear(&parameters[0], self.bias.then(|| &parameters[1])).into_result()
    }
}
