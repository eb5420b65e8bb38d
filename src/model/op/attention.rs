//! Attention: what each token takes from all others.

use std::ops::RangeInclusive;

use tch::{Kind, Tensor};

use super::ParameterSpec;
use super::broadcast::broadcast;
use super::general::General;
use super::operator::Makes;
use crate::error::{Error, Result};
use crate::model::fast;
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

    fn scale_for(&self, queries: &Tensor) -> f64 {
        let features = queries.size().last().copied().unwrap_or(1).max(1) as f64;
        self.scale.unwrap_or(1.0 / features.sqrt())
    }

    /// `softmax(q·kᵀ · scale + mask)`, of the layer's inputs.
    pub(crate) fn weights(&self, inputs: &[Tensor]) -> Result<Tensor> {
        let [q, k, rest @ ..] = inputs else {
            return Err(Error::Argument("attention needs queries and keys".into()));
        };
        if self.causal {
            return Err(Error::Argument(
                "the weights of causal attention are not known here".into(),
            ));
        }
        let scale = self.scale_for(q);
        let work = || {
            let scores = q.f_matmul(&k.f_transpose(-2, -1)?)?.f_mul_scalar(scale)?;
            let scores = match rest.get(1) {
                // True where a token is seen.
                Some(mask) if mask.kind() == Kind::Bool => {
                    scores.f_masked_fill(&mask.f_logical_not()?, f64::NEG_INFINITY)?
                }
                Some(mask) => scores.f_add(mask)?,
                None => scores,
            };
            scores.f_softmax(-1, None::<Kind>)
        };
        work().into_result()
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
        let mask = inputs.get(3);
        let [q, k, v] = [&inputs[0], &inputs[1], &inputs[2]];
        if mask.is_none()
            && !self.causal
            && let Some(attended) = fast::attend([q, k, v], self.scale_for(q))?
        {
            return Ok(attended);
        }
        let (causal, scale) = (self.causal, self.scale);
        let attended = |q: &Tensor, k: &Tensor, v: &Tensor| {
            Tensor::f_scaled_dot_product_attention(q, k, v, mask, 0.0, causal, scale, false)
        };
        if [q, k, v].iter().all(|t| !t.requires_grad()) {
            return attended(q, k, v).into_result();
        }
        // libtorch's flash attention has no second derivatives. It takes four dimensions, and with one more the plain
        // operations are recorded.
        let work = || {
            attended(&q.f_unsqueeze(0)?, &k.f_unsqueeze(0)?, &v.f_unsqueeze(0)?)?.f_squeeze_dim(0)
        };
        work().into_result()
    }

    fn makes_new_memory(&self) -> bool {
        true
    }

    fn makes(&self) -> Makes {
        Makes::Attended
    }
}
