//! Attention: what each token takes from all others.

use std::ops::RangeInclusive;

use tch::{Kind, TchError, Tensor};

use super::ParameterSpec;
use super::broadcast::broadcast;
use super::general::General;
use super::operator::Makes;
use crate::error::{Error, Result};
use crate::model::fast;
use crate::tensor::IntoResult;

/// Weights of attention that are held at once.
const HELD: i64 = 1 << 23;

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
        let products = k.f_transpose(-2, -1).and_then(|turned| q.f_matmul(&turned));
        self.shares(q, products.into_result()?, rest.get(1)).into_result()
    }

    /// `softmax(products · scale + mask)`, from `q·kᵀ`.
    fn shares(
        &self,
        q: &Tensor,
        mut products: Tensor,
        mask: Option<&Tensor>,
    ) -> Result<Tensor, TchError> {
        let features = q.size().last().copied().unwrap_or(1).max(1) as f64;
        let scores = products.f_mul_scalar_(self.scale.unwrap_or(1.0 / features.sqrt()))?;
        let scores = match mask {
            // True where a token is seen.
            Some(mask) if mask.kind() == Kind::Bool => {
                scores.f_masked_fill(&mask.f_logical_not()?, f64::NEG_INFINITY)?
            }
            Some(mask) => scores.f_add(mask)?,
            None => scores,
        };
        scores.f_softmax(-1, None::<Kind>)
    }

    /// The same as libtorch's, without a mask, where the fast engine takes the products. Of more tokens than it holds the
    /// weights of, libtorch keeps a part at a time.
    fn by_products(&self, [q, k, v]: [&Tensor; 3]) -> Result<Option<Tensor>> {
        let (queries, keys) = (q.size(), k.size());
        let ([.., features], [.., tokens, _]) = (&queries[..], &keys[..]) else { return Ok(None) };
        if (q.numel() as i64 / (*features).max(1)).saturating_mul(*tokens) > HELD {
            return Ok(None);
        }
        let turned = k.f_transpose(-2, -1).into_result()?;
        let Some(products) = fast::products(q, &turned)? else { return Ok(None) };
        fast::products(&self.shares(q, products, None).into_result()?, v)
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
            && let Some(attended) = self.by_products([q, k, v])?
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attention_by_products_is_libtorchs() {
        tch::manual_seed(3);
        let float = tch::kind::FLOAT_CPU;
        // As a layer of attention has them: parts of one tensor, turned.
        let all = Tensor::randn([2, 50, 3 * 4 * 16], float).reshape([2, 50, 3, 4, 16]);
        let all = all.permute([2, 0, 3, 1, 4]);
        let [q, k, v] = [0, 1, 2].map(|i| all.select(0, i));
        let attention = Attention::new().scale(0.3);
        let Some(ours) = attention.by_products([&q, &k, &v]).expect("an answer") else {
            return println!("skipped: the fast engine is off");
        };
        let theirs = Tensor::scaled_dot_product_attention(
            &q,
            &k,
            &v,
            None::<&Tensor>,
            0.0,
            false,
            0.3,
            false,
        );
        assert_eq!(ours.size(), theirs.size());
        let apart = (ours - &theirs).abs().max().double_value(&[]);
        assert!(apart / theirs.abs().max().double_value(&[]) < 2e-6);
    }
}
