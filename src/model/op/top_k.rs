//! The greatest or smallest values along a dimension.

use std::ops::RangeInclusive;

use tch::Tensor;

use super::ParameterSpec;
use super::general::General;
use super::operator::Makes;
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// The greatest values along a dimension, in descending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopK {
    count: i64,
    dim: usize,
    smallest: bool,
    places: bool,
}

impl TopK {
    /// So many along this dimension.
    pub fn new(count: i64, dim: usize) -> Self {
        TopK { count, dim, smallest: false, places: false }
    }

    /// The smallest, in ascending order.
    pub fn smallest(mut self) -> Self {
        self.smallest = true;
        self
    }

    /// Where they stand, in place of the values; of equal ones the first comes first.
    pub fn places(mut self) -> Self {
        self.places = true;
        self
    }
}

impl General for TopK {
    fn kind(&self) -> &'static str {
        "TopK"
    }

    fn inputs(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn check(&self) -> Result<()> {
        match self.count >= 0 {
            true => Ok(()),
            false => Err(Error::Argument(format!("{} values cannot be the greatest", self.count))),
        }
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let mut shape = inputs[0].to_vec();
        match shape.get_mut(self.dim) {
            Some(side) if *side >= self.count => *side = self.count,
            _ => {
                return Err(Error::Shape(format!(
                    "{:?} has no {} values in dimension {}",
                    inputs[0], self.count, self.dim
                )));
            }
        }
        Ok(shape)
    }

    fn apply(&self, inputs: &[Tensor], _: &[Tensor]) -> Result<Tensor> {
        let dim = self.dim as i64;
        let sorted = inputs[0].f_sort_stable(true, dim, !self.smallest);
        let (values, places) = sorted.into_result()?;
        (if self.places { places } else { values }).f_narrow(dim, 0, self.count).into_result()
    }

    fn makes_new_memory(&self) -> bool {
        false
    }

    fn makes(&self) -> Makes {
        if self.places { Makes::Steps } else { Makes::Chosen }
    }
}
