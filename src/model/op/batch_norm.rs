//! Batch normalisation.

use tch::Tensor;

use super::{Init, ParameterSpec};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// `y = (x − mean) / √(variance + eps) · weight + bias`, channel by channel: with the running
/// statistics when a trained network is looked at, with the batch's own in training.
///
/// ```
/// use convlens::model::BatchNorm2d;
/// let norm = BatchNorm2d::new(64).eps(1e-3);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNorm2d {
    pub(crate) channels: i64,
    pub(crate) eps: f64,
    pub(crate) momentum: f64,
}

impl BatchNorm2d {
    /// PyTorch's defaults: eps 1e-5, momentum 0.1.
    pub fn new(channels: i64) -> Self {
        BatchNorm2d { channels, eps: 1e-5, momentum: 0.1 }
    }

    /// What is added to the variance.
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }

    /// The weight of the newest batch in the running statistics.
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    pub(super) fn parameters(&self) -> Vec<ParameterSpec> {
        let shape = [self.channels];
        vec![
            ParameterSpec::new("weight", &shape, Init::Constant(1.0)),
            ParameterSpec::new("bias", &shape, Init::Constant(0.0)),
            ParameterSpec::new("running_mean", &shape, Init::Constant(0.0)).buffer(),
            ParameterSpec::new("running_var", &shape, Init::Constant(1.0)).buffer(),
        ]
    }

    pub(super) fn check(&self) -> Result<()> {
        let finite = self.eps.is_finite() && self.momentum.is_finite();
        if self.channels > 0 && self.eps >= 0.0 && finite {
            return Ok(());
        }
        Err(Error::Argument(format!(
            "a batch norm needs channels, an eps of 0 or more and a finite momentum, got {self:?}"
        )))
    }

    pub(super) fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        let [_, c, ..] = super::four(input)?;
        if c != self.channels {
            return Err(Error::Shape(format!(
                "expected {} channels, got {c} in {input:?}",
                self.channels
            )));
        }
        Ok(input.to_vec())
    }

    pub(super) fn forward(
        &self,
        input: &Tensor,
        parameters: &[Tensor],
        training: bool,
    ) -> Result<Tensor> {
        let [weight, bias, mean, variance] = parameters else {
            return Err(Error::Argument("a batch norm has four parameters".into()));
        };
        input
            .f_batch_norm(
                Some(weight),
                Some(bias),
                Some(mean),
                Some(variance),
                training,
                self.momentum,
                self.eps,
                true,
            )
            .into_result()
    }
}
