//! A fully connected layer.

use tch::Tensor;

use super::operator::{Facts, Family, Gradients, Makes, Operator, Reads};
use super::step::Step;
use super::{ParameterSpec, Pass, WeightInit};
use crate::error::{Error, Result};
use crate::model::fast;
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
    init: WeightInit,
    zero_bias: bool,
}

impl Linear {
    /// A fully connected layer with a bias.
    pub fn new(in_features: i64, out_features: i64) -> Self {
        let init = WeightInit::FanIn;
        Linear { in_features, out_features, bias: true, init, zero_bias: false }
    }

    /// No bias.
    pub fn without_bias(mut self) -> Self {
        self.bias = false;
        self
    }

    /// The same layer with or without a bias.
    pub(crate) fn biased(&self, bias: bool) -> Self {
        Linear { bias, ..self.clone() }
    }

    /// How the weights start when none are given; [`WeightInit::FanIn`] by default.
    pub fn init(mut self, init: WeightInit) -> Self {
        self.init = init;
        self
    }

    /// The bias starts at zero, not at random.
    pub fn zero_bias(mut self) -> Self {
        self.zero_bias = true;
        self
    }
}

impl Operator for Linear {
    fn facts(&self) -> Facts {
        Facts {
            kind: "Linear",
            family: Family::Linear,
            inputs: 1..=1,
            kernel: None,
            makes_new_memory: true,
            rectifies: None,
            is_local: false,
            makes: Makes::Weighted,
        }
    }

    fn check(&self) -> Result<()> {
        if self.in_features > 0 && self.out_features > 0 {
            return Ok(());
        }
        Err(Error::Argument(format!("a linear layer needs positive features, got {self:?}")))
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        let (fan_in, fan_out) = (self.in_features, self.out_features);
        let shape = [self.out_features, self.in_features];
        let (fans, bias) = ([fan_in, fan_out], self.bias.then_some(shape[0]));
        ParameterSpec::weight_and_bias(&shape, self.init, fans, bias, self.zero_bias)
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let input = inputs[0];
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

    fn forward(
        &self,
        inputs: &mut [Tensor],
        parameters: &[Tensor],
        _: Pass,
        _: bool,
    ) -> Result<Tensor> {
        inputs[0].f_linear(&parameters[0], self.bias.then(|| &parameters[1])).into_result()
    }

    fn backward(
        &self,
        _: &[Tensor],
        parameters: &[Tensor],
        gradient: &Tensor,
    ) -> Result<Gradients> {
        let back = match fast::linear_back(gradient, &parameters[0])? {
            Some(back) => back,
            None => gradient.f_matmul(&parameters[0]).into_result()?,
        };
        Ok(Gradients::Shared(vec![back]))
    }

    fn reads(&self, _: usize, _: &[Option<[i64; 2]>]) -> Reads {
        Reads::Values
    }

    fn steps(&self, _: [i64; 2], _: [i64; 2]) -> Option<[Step; 2]> {
        Some([Step::Same, Step::Same])
    }
}
