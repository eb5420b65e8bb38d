//! Batch normalisation.

use tch::{TchError, Tensor};

use super::operator::{Facts, Family, Gradients, Makes, Operator, Reads};
use super::step::Step;
use super::{Init, ParameterSpec, Pass};
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

    /// By what it multiplies each channel, with the statistics of training: `weight / √(variance + eps)`.
    pub(crate) fn scale(&self, weight: &Tensor, variance: &Tensor) -> Result<Tensor, TchError> {
        variance.f_add_scalar(self.eps)?.f_rsqrt()?.f_mul(weight)
    }

    /// `norm(x w + b)` is `x w s + (b − mean) s + bias`: by what the weights of what is before it are multiplied, `s`, one an
    /// output channel, and what is added, from the norm's own parameters and the bias `b` before it.
    pub(crate) fn folded(
        &self,
        [weight, bias, mean, variance]: [&Tensor; 4],
        before: Option<&Tensor>,
    ) -> Result<(Tensor, Tensor), TchError> {
        let scale = self.scale(weight, variance)?;
        let shift = match before {
            Some(own) => own.f_sub(mean)?,
            None => mean.f_neg()?,
        };
        let shift = shift.f_mul(&scale)?.f_add(bias)?;
        Ok((scale, shift))
    }

    /// From the gradient at the output to that at the input, with the statistics of training.
    pub(crate) fn scaled_back(
        &self,
        parameters: &[Tensor],
        mut gradient: Tensor,
        overwrite: bool,
    ) -> Result<Tensor> {
        let [weight, _, _, variance] = parameters else {
            return Err(Error::Argument("a batch norm has four parameters".into()));
        };
        // One for each channel, the second dimension.
        let mut sides = vec![1; gradient.dim()];
        if let Some(channels) = sides.get_mut(1) {
            *channels = -1;
        }
        self.scale(weight, variance)
            .and_then(|scale| scale.f_reshape(sides))
            .and_then(|scale| match overwrite {
                true => gradient.f_mul_(&scale),
                false => gradient.f_mul(&scale),
            })
            .into_result()
    }
}

impl Operator for BatchNorm2d {
    fn facts(&self) -> Facts {
        Facts {
            kind: "BatchNorm2d",
            family: Family::Other,
            inputs: 1..=1,
            kernel: None,
            makes_new_memory: true,
            rectifies: None,
            is_local: true,
            makes: Makes::Scaled,
        }
    }

    fn check(&self) -> Result<()> {
        let finite = self.eps.is_finite() && self.momentum.is_finite();
        if self.channels > 0 && self.eps >= 0.0 && finite {
            return Ok(());
        }
        Err(Error::Argument(format!(
            "a batch norm needs channels, an eps of 0 or more and a finite momentum, got {self:?}"
        )))
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        let shape = [self.channels];
        vec![
            ParameterSpec::new("weight", &shape, Init::Constant(1.0)),
            ParameterSpec::new("bias", &shape, Init::Constant(0.0)),
            ParameterSpec::new("running_mean", &shape, Init::Constant(0.0)).buffer(),
            ParameterSpec::new("running_var", &shape, Init::Constant(1.0)).buffer(),
        ]
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let input = inputs[0];
        match input.get(1) == Some(&self.channels) {
            true => Ok(input.to_vec()),
            false => Err(Error::Shape(format!(
                "expected [photos, {} channels, ..], got {input:?}",
                self.channels
            ))),
        }
    }

    fn forward(
        &self,
        inputs: &mut [Tensor],
        parameters: &[Tensor],
        pass: Pass,
        _: bool,
    ) -> Result<Tensor> {
        let [weight, bias, mean, variance] = parameters else {
            return Err(Error::Argument("a batch norm has four parameters".into()));
        };
        inputs[0]
            .f_batch_norm(
                Some(weight),
                Some(bias),
                Some(mean),
                Some(variance),
                pass == Pass::Training,
                self.momentum,
                self.eps,
                true,
            )
            .into_result()
    }

    fn backward(
        &self,
        _: &[Tensor],
        parameters: &[Tensor],
        gradient: &Tensor,
    ) -> Result<Gradients> {
        let back = self.scaled_back(parameters, gradient.shallow_clone(), false)?;
        Ok(Gradients::Shared(vec![back]))
    }

    fn reads(&self, _: usize, _: &[Option<[i64; 2]>]) -> Reads {
        Reads::Values
    }

    fn steps(&self, _: [i64; 2], _: [i64; 2]) -> Option<[Step; 2]> {
        Some([Step::Same, Step::Same])
    }
}
