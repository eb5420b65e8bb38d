//! Inputs joined along any dimension.

use std::ops::RangeInclusive;

use tch::Tensor;

use super::general::General;
use super::operator::Makes;
use super::{ParameterSpec, few};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// Joins its inputs along a dimension; one with a single photo, as a class token, goes with each photo of
/// the others.
pub(super) struct Join(pub(super) usize);

impl General for Join {
    fn kind(&self) -> &'static str {
        "Concat"
    }

    fn inputs(&self) -> RangeInclusive<usize> {
        1..=usize::MAX
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let mut whole = inputs[0].to_vec();
        let photos = photos(inputs.iter().copied(), self.0);
        let joins = |other: &[i64]| {
            other.len() == whole.len()
                && self.0 < whole.len()
                && (0..whole.len()).all(|d| {
                    let goes_with_each = d == 0 && [1, photos].contains(&other[0]);
                    d == self.0 || whole[d] == other[d] || goes_with_each
                })
        };
        if !inputs.iter().all(|input| joins(input)) {
            return Err(Error::Shape(format!(
                "only inputs that differ in dimension {} alone can be joined there, got {}",
                self.0,
                few(inputs)
            )));
        }
        if self.0 > 0 {
            whole[0] = photos;
        }
        whole[self.0] = inputs.iter().fold(0i64, |sum, shape| sum.saturating_add(shape[self.0]));
        Ok(whole)
    }

    fn apply(&self, inputs: &[Tensor], _: &[Tensor]) -> Result<Tensor> {
        let sizes: Vec<Vec<i64>> = inputs.iter().map(Tensor::size).collect();
        let photos = photos(sizes.iter().map(Vec::as_slice), self.0);
        let stretched = inputs.iter().zip(&sizes).map(|(input, size)| match size.first() {
            Some(&own) if self.0 > 0 && own != photos => {
                let mut sides = vec![-1; size.len()];
                sides[0] = photos;
                input.f_expand(sides, false)
            }
            _ => Ok(input.shallow_clone()),
        });
        let stretched: Vec<Tensor> = stretched.collect::<Result<_, _>>().into_result()?;
        Tensor::f_cat(&stretched, self.0 as i64).into_result()
    }

    fn makes_new_memory(&self) -> bool {
        true
    }

    fn makes(&self) -> Makes {
        Makes::Moved
    }
}

/// How many photos the joined ones have, unless it is photos that are joined.
fn photos<'a>(shapes: impl Iterator<Item = &'a [i64]>, dim: usize) -> i64 {
    match dim {
        0 => 1,
        _ => shapes.filter_map(|shape| shape.first()).copied().max().unwrap_or(1),
    }
}
