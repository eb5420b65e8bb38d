//! Values picked by what another input says.

use std::ops::RangeInclusive;

use tch::Tensor;

use super::ParameterSpec;
use super::broadcast::broadcast;
use super::general::General;
use super::operator::Makes;
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// Picks places along some dimensions: the first input's, by one input of integers for each of them, as
/// PyTorch's `x[:, i, j]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    dims: Vec<usize>,
}

impl Index {
    /// Along these dimensions, in ascending order.
    pub fn new(dims: impl IntoIterator<Item = usize>) -> Self {
        Index { dims: dims.into_iter().collect() }
    }
}

impl General for Index {
    fn kind(&self) -> &'static str {
        "Index"
    }

    fn inputs(&self) -> RangeInclusive<usize> {
        let count = 1 + self.dims.len();
        count..=count
    }

    fn check(&self) -> Result<()> {
        match !self.dims.is_empty() && self.dims.is_sorted_by(|a, b| a < b) {
            true => Ok(()),
            false => Err(Error::Argument(format!(
                "an index picks along one or more dimensions in ascending order, got {self:?}"
            ))),
        }
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let (input, places) = (inputs[0], broadcast(&inputs[1..])?);
        let (first, last) = (self.dims[0], self.dims[self.dims.len() - 1]);
        if last >= input.len() {
            return Err(Error::Shape(format!("{input:?} has no dimension {last} to pick from")));
        }
        let kept = |range: std::ops::Range<usize>| {
            range.filter(|dim| !self.dims.contains(dim)).map(|dim| input[dim])
        };
        // What is picked stands where the dimensions stood, or first where they did not stand together.
        let together = last - first + 1 == self.dims.len();
        let before: Vec<i64> = if together { kept(0..first).collect() } else { Vec::new() };
        let after = kept(before.len()..input.len());
        let after: Vec<i64> =
            if together { kept(first..input.len()).collect() } else { after.collect() };
        Ok([before, places, after].concat())
    }

    fn apply(&self, inputs: &[Tensor], _: &[Tensor]) -> Result<Tensor> {
        let mut places: Vec<Option<&Tensor>> = vec![None; self.dims[self.dims.len() - 1] + 1];
        for (dim, place) in self.dims.iter().zip(&inputs[1..]) {
            places[*dim] = Some(place);
        }
        inputs[0].f_index(&places).into_result()
    }

    fn makes_new_memory(&self) -> bool {
        true
    }

    fn makes(&self) -> Makes {
        Makes::Moved
    }
}

/// `b` where the first input is true, `c` elsewhere; all three are broadcast.
pub(super) struct Where;

impl General for Where {
    fn kind(&self) -> &'static str {
        "Where"
    }

    fn inputs(&self) -> RangeInclusive<usize> {
        3..=3
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        broadcast(inputs)
    }

    fn apply(&self, inputs: &[Tensor], _: &[Tensor]) -> Result<Tensor> {
        let condition = inputs[0].f_to_kind(tch::Kind::Bool).into_result()?;
        inputs[1].f_where_self(&condition, &inputs[2]).into_result()
    }

    fn makes_new_memory(&self) -> bool {
        true
    }

    fn makes(&self) -> Makes {
        Makes::Moved
    }
}
