//! Dimensions that become one number.

use std::ops::RangeInclusive;

use tch::{Kind, Tensor};

use super::ParameterSpec;
use super::general::General;
use super::operator::Makes;
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// How many values become one.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ReduceBy {
    /// Their mean.
    Mean,
    /// Their sum.
    Sum,
    /// The greatest.
    Max,
    /// The smallest.
    Min,
    /// Their product.
    Product,
    /// `(Σ |x|^p)^(1/p)`
    Norm(f64),
    /// `log Σ exp x`
    LogSumExp,
    /// Their variance, divided by the count less this.
    Variance(i64),
    /// The place of the greatest, along one dimension.
    ArgMax,
    /// The place of the smallest, along one dimension.
    ArgMin,
}

/// Reduces some dimensions to one number each.
///
/// ```
/// use convlens::model::{Reduce, ReduceBy};
/// let mean_of_tokens = Reduce::new(ReduceBy::Mean, [1]); // [N, tokens, features] -> [N, features]
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Reduce {
    how: ReduceBy,
    dims: Vec<usize>,
    keep: bool,
}

impl Reduce {
    /// Over these dimensions, which fall away.
    pub fn new(how: ReduceBy, dims: impl IntoIterator<Item = usize>) -> Self {
        Reduce { how, dims: dims.into_iter().collect(), keep: false }
    }

    /// The dimensions stay, with a size of 1.
    pub fn keeping(mut self) -> Self {
        self.keep = true;
        self
    }

    /// How many values become one, where the dimensions stay.
    pub(crate) fn keeps(&self) -> Option<ReduceBy> {
        self.keep.then_some(self.how)
    }

    /// The dimensions.
    pub(crate) fn dims(&self) -> &[usize] {
        &self.dims
    }
}

impl General for Reduce {
    fn kind(&self) -> &'static str {
        match self.how {
            ReduceBy::Mean => "Mean",
            ReduceBy::Sum => "Sum",
            ReduceBy::Max => "Max",
            ReduceBy::Min => "Min",
            ReduceBy::Product => "Product",
            ReduceBy::Norm(_) => "Norm",
            ReduceBy::LogSumExp => "LogSumExp",
            ReduceBy::Variance(_) => "Variance",
            ReduceBy::ArgMax => "ArgMax",
            ReduceBy::ArgMin => "ArgMin",
        }
    }

    fn inputs(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn check(&self) -> Result<()> {
        let one = matches!(self.how, ReduceBy::ArgMax | ReduceBy::ArgMin);
        let twice = (1..self.dims.len()).any(|i| self.dims[..i].contains(&self.dims[i]));
        if self.dims.is_empty() || twice || (one && self.dims.len() > 1) {
            return Err(Error::Argument(format!(
                "a reduction needs one or more different dimensions, and a place lies along one alone; got \
                 {self:?}"
            )));
        }
        Ok(())
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let input = inputs[0];
        if let Some(dim) = self.dims.iter().find(|dim| **dim >= input.len()) {
            return Err(Error::Shape(format!("{input:?} has no dimension {dim} to reduce")));
        }
        let sides = input.iter().enumerate();
        Ok(match self.keep {
            true => sides.map(|(d, &side)| if self.dims.contains(&d) { 1 } else { side }).collect(),
            false => sides.filter(|(d, _)| !self.dims.contains(d)).map(|(_, &side)| side).collect(),
        })
    }

    fn apply(&self, inputs: &[Tensor], _: &[Tensor]) -> Result<Tensor> {
        let (x, keep) = (&inputs[0], self.keep);
        let dims: Vec<i64> = self.dims.iter().map(|&dim| dim as i64).collect();
        let (list, kind) = (dims.as_slice(), None::<Kind>);
        let first = dims.first().copied();
        match self.how {
            ReduceBy::Mean => x.f_mean_dim(list, keep, kind),
            ReduceBy::Sum => x.f_sum_dim_intlist(list, keep, kind),
            ReduceBy::Max => x.f_amax(list, keep),
            ReduceBy::Min => x.f_amin(list, keep),
            ReduceBy::Product => {
                // From the last to the first, so that the places of the others stay.
                let mut sorted = dims.clone();
                sorted.sort_unstable();
                sorted.iter().rev().try_fold(x.shallow_clone(), |product, &dim| {
                    product.f_prod_dim_int(dim, keep, kind)
                })
            }
            ReduceBy::Norm(p) => x.f_norm_scalaropt_dim(p, list, keep),
            ReduceBy::LogSumExp => x.f_logsumexp(list, keep),
            ReduceBy::Variance(less) => x.f_var_correction(list, less, keep),
            ReduceBy::ArgMax => x.f_argmax(first, keep),
            ReduceBy::ArgMin => x.f_argmin(first, keep),
        }
        .into_result()
    }

    fn makes_new_memory(&self) -> bool {
        true
    }

    fn makes(&self) -> Makes {
        match self.how {
            ReduceBy::Mean | ReduceBy::Sum => Makes::Summed,
            ReduceBy::Max | ReduceBy::Min => Makes::Chosen,
            ReduceBy::ArgMax | ReduceBy::ArgMin => Makes::Steps,
            ReduceBy::Product | ReduceBy::Norm(_) | ReduceBy::LogSumExp | ReduceBy::Variance(_) => {
                Makes::Mixed
            }
        }
    }
}
