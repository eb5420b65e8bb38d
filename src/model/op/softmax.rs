//! Shares of a whole.

use std::ops::RangeInclusive;

use tch::{Kind, Tensor};

use super::ParameterSpec;
use super::general::General;
use super::operator::Makes;
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// `exp(x) / Σ exp(x)` along a dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Softmax {
    dim: usize,
    log: bool,
}

impl Softmax {
    /// Along this dimension: 1 for the classes in `[N, classes]`.
    pub fn new(dim: usize) -> Self {
        Softmax { dim, log: false }
    }

    /// Whether what comes out are probabilities of the classes.
    pub(crate) fn is_over_classes(&self) -> bool {
        self.dim == 1 && !self.log
    }

    /// The logarithm of it.
    pub fn log(mut self) -> Self {
        self.log = true;
        self
    }
}

impl General for Softmax {
    fn kind(&self) -> &'static str {
        if self.log { "LogSoftmax" } else { "Softmax" }
    }

    fn inputs(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        match self.dim < inputs[0].len() {
            true => Ok(inputs[0].to_vec()),
            false => Err(Error::Shape(format!(
                "{:?} has no dimension {} whose values could be shares",
                inputs[0], self.dim
            ))),
        }
    }

    fn apply(&self, inputs: &[Tensor], _: &[Tensor]) -> Result<Tensor> {
        let dim = self.dim as i64;
        match self.log {
            true => inputs[0].f_log_softmax(dim, None::<Kind>),
            false => inputs[0].f_softmax(dim, None::<Kind>),
        }
        .into_result()
    }

    fn makes_new_memory(&self) -> bool {
        true
    }

    fn makes(&self) -> Makes {
        match self.dim == 1 {
            true => Makes::Probabilities,
            false => Makes::Shares,
        }
    }
}
