//! Attention: what each token takes from all others.

use std::ops::RangeInclusive;

use tch::Tensor;

use super::ParameterSpec;
use super::broadcast::broadcast;
use super::general::General;
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// `softmax(q·kᵀ · scale + mask)·v` of queries, keys and values, each `[.., tokens, features]`, and perhaps
/// a mask. Vaswani et al. 2017, <https://arxiv.org/abs/1706.03762>.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attention {
    causal: bool,
    scale: Option<f64>,
}

impl Attention {
    /// With the usual scale, `1 / √features`.
    pub fn new() -> Self {
        Attention::default()
    }

    /// A token sees those before it alone.
    pub fn causal(mut self) -> Self {
        self.causal = true;
        self
    }

    /// What products are multiplied by.
    pub fn scale(mut self, scale: f64) -> Self {
        self.scale = Some(scale);
        self
    }
}

impl General for Attention {
    fn kind(&self) -> &'static str {
        "Attention"
    }

    fn inputs(&self) -> RangeInclusive<usize> {
        3..=4
    }

    fn check(&self) -> Result<()> {
        match self.scale.is_none_or(f64::is_finite) {
            true => Ok(()),
            false => Err(Error::Argument(format!("attention needs a finite scale, got {self:?}"))),
        }
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let ([q @ .., tokens, a], [k @ .., keys, b], [v @ .., values, width]) =
            (inputs[0], inputs[1], inputs[2])
        else {
            return Err(Error::Shape(format!("attention needs matrices, got {inputs:?}")));
        };
        if a != b || keys != values {
            return Err(Error::Shape(format!(
                "queries and keys must have as many features, and keys and values as many tokens; got \
                 {inputs:?}"
            )));
        }
        let mut shape = broadcast(&[q, k, v])?;
        shape.extend([*tokens, *width]);
        Ok(shape)
    }

    fn apply(&self, inputs: &[Tensor], _: &[Tensor]) -> Result<Tensor> {
        let (q, k, v) = (&inputs[0], &inputs[1], &inputs[2]);
        let mask = inputs.get(3);
        Tensor::f_scaled_dot_product_attention(q, k, v, mask, 0.0, self.causal, self.scale, false)
            .into_result()
    }

    fn makes_new_memory(&self) -> bool {
        true
    }
}
