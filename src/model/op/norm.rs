//! Normalisation with the statistics of each input itself.

use std::ops::RangeInclusive;

use tch::Tensor;

use super::general::General;
use super::operator::Makes;
use super::{Init, ParameterSpec};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// Over which values the mean and the variance are.
#[derive(Clone, Debug, PartialEq)]
enum Over {
    /// The last dimensions, of these sizes.
    Last(Vec<i64>),
    /// The channels of each group, with all their pixels.
    Groups { groups: i64, channels: i64 },
}

/// `y = (x − mean) / √(variance + eps) · weight + bias`, with the mean and variance of each input's own
/// values: layer, group and instance normalisation. Ba et al. 2016, <https://arxiv.org/abs/1607.06450>; Wu
/// and He 2018, <https://arxiv.org/abs/1803.08494>.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    over: Over,
    eps: f64,
    weight: bool,
    bias: bool,
}

impl Norm {
    fn new(over: Over) -> Self {
        Norm { over, eps: 1e-5, weight: true, bias: true }
    }

    /// Over the last dimensions, which have these sizes.
    pub fn layer(sizes: impl Into<Vec<i64>>) -> Self {
        Norm::new(Over::Last(sizes.into()))
    }

    /// Over each of so many groups of channels, `[N, channels, ...]`; as many groups as channels make it
    /// instance normalisation.
    pub fn group(groups: i64, channels: i64) -> Self {
        Norm::new(Over::Groups { groups, channels })
    }

    /// Over how many of the last dimensions the statistics are, if they are over these.
    pub(crate) fn last(&self) -> Option<usize> {
        match &self.over {
            Over::Last(sizes) => Some(sizes.len()),
            Over::Groups { .. } => None,
        }
    }

    /// What the input gets of this at the output, between two inputs `x` and `x′`. The normalisation is a product `c r` of
    /// `c = x − mean` and `r = 1 / √(mean c² + eps)`, both of which change: what a product has is
    /// `Δ(c r) = Δc (r + r′) / 2 + Δr (c + c′) / 2`, and `Δr = −(r r′)² / (r + r′) · Δ mean c²`.
    pub(crate) fn between(
        &self,
        [x, before]: [&Tensor; 2],
        parameters: &[Tensor],
        gradient: &Tensor,
    ) -> Result<Tensor> {
        let size = x.size();
        // [rows, values that are normalised together]
        let (rows, weight_sides) = match &self.over {
            Over::Last(sizes) => (x.numel() as i64 / sizes.iter().product::<i64>(), sizes.clone()),
            Over::Groups { groups, channels } => {
                let mut sides = vec![1; size.len()];
                sides[1] = *channels;
                (size[0] * groups, sides)
            }
        };
        let work = || {
            let over = [1i64];
            let mean = |t: &Tensor| t.f_mean_dim(over.as_slice(), true, None::<tch::Kind>);
            let centred = |t: &Tensor| {
                let row = t.f_reshape([rows, -1])?;
                let centred = row.f_sub(&mean(&row)?)?;
                let inverse = mean(&centred.f_square()?)?.f_add_scalar(self.eps)?.f_rsqrt()?;
                Ok::<_, tch::TchError>((centred, inverse))
            };
            let weighted = match parameters.first().filter(|_| self.weight) {
                Some(weight) => gradient.f_mul(&weight.f_reshape(weight_sides.as_slice())?)?,
                None => gradient.shallow_clone(),
            };
            let weighted = weighted.f_reshape([rows, -1])?;
            let ((c, r), (c0, r0)) = (centred(x)?, centred(before)?);
            let (both, inverses) = (c.f_add(&c0)?, r.f_add(&r0)?);
            let of_inverse = mean(&weighted.f_mul(&both)?)?.f_mul_scalar(0.5)?;
            let slope = r.f_mul(&r0)?.f_square()?.f_div(&inverses)?;
            let of_centred = weighted
                .f_mul(&inverses.f_mul_scalar(0.5)?)?
                .f_sub(&both.f_mul(&of_inverse.f_mul(&slope)?)?)?;
            of_centred.f_sub(&mean(&of_centred)?)?.f_reshape(size.as_slice())
        };
        work().into_result()
    }

    /// What is added to the variance, if each channel is normalised by itself.
    pub(crate) fn each_channel(&self) -> Option<f64> {
        match self.over {
            Over::Groups { groups, channels } if groups == channels => Some(self.eps),
            _ => None,
        }
    }

    /// What is added to the variance; 1e-5 by default.
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }

    /// Without weight and bias.
    pub fn plain(mut self) -> Self {
        (self.weight, self.bias) = (false, false);
        self
    }

    /// Without a bias.
    pub fn without_bias(mut self) -> Self {
        self.bias = false;
        self
    }
}

impl General for Norm {
    fn kind(&self) -> &'static str {
        match &self.over {
            Over::Last(_) => "LayerNorm",
            Over::Groups { .. } => "GroupNorm",
        }
    }

    fn inputs(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn check(&self) -> Result<()> {
        let sizes = match &self.over {
            Over::Last(sizes) => !sizes.is_empty() && sizes.iter().all(|&size| size > 0),
            Over::Groups { groups, channels } => {
                *groups > 0 && *channels > 0 && channels % groups == 0
            }
        };
        if sizes && self.eps.is_finite() && self.eps >= 0.0 {
            return Ok(());
        }
        Err(Error::Argument(format!(
            "a normalisation needs positive sizes, channels that divide into its groups, and an eps of 0 or \
             more; got {self:?}"
        )))
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        let shape = match &self.over {
            Over::Last(sizes) => sizes.clone(),
            Over::Groups { channels, .. } => vec![*channels],
        };
        let weight = self.weight.then(|| ParameterSpec::new("weight", &shape, Init::Constant(1.0)));
        let bias = self.bias.then(|| ParameterSpec::new("bias", &shape, Init::Constant(0.0)));
        weight.into_iter().chain(bias).collect()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let input = inputs[0];
        let fits = match &self.over {
            Over::Last(sizes) => input.ends_with(sizes),
            Over::Groups { channels, .. } => input.get(1) == Some(channels),
        };
        match fits {
            true => Ok(input.to_vec()),
            false => Err(Error::Shape(match &self.over {
                Over::Last(sizes) => format!("expected the last sizes {sizes:?}, got {input:?}"),
                Over::Groups { channels, .. } => {
                    format!("expected {channels} channels, got {input:?}")
                }
            })),
        }
    }

    fn apply(&self, inputs: &[Tensor], parameters: &[Tensor]) -> Result<Tensor> {
        let weight = self.weight.then(|| parameters.first()).flatten();
        let bias = self.bias.then(|| parameters.last()).flatten();
        match &self.over {
            Over::Last(sizes) => {
                inputs[0].f_layer_norm(sizes.as_slice(), weight, bias, self.eps, false)
            }
            Over::Groups { groups, .. } => {
                inputs[0].f_group_norm(*groups, weight, bias, self.eps, false)
            }
        }
        .into_result()
    }

    fn makes_new_memory(&self) -> bool {
        true
    }

    fn makes(&self) -> Makes {
        Makes::Normalised
    }
}
