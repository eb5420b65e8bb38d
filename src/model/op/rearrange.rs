//! Values at other places: what a tensor library calls views, and their relatives.

use std::ops::RangeInclusive;

use tch::Tensor;

use super::ParameterSpec;
use super::general::General;
use super::operator::Makes;
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// Puts values to other places, with PyTorch's meaning. Dimensions are counted from 0.
///
/// ```
/// use convlens::model::{Op, Rearrange};
/// let heads: Op = Rearrange::Reshape(vec![-1, 197, 12, 64]).into();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rearrange {
    /// Another shape for the same values in the same order; one side may be −1, which is what is left.
    Reshape(Vec<i64>),
    /// Dimensions in another order.
    Permute(Vec<usize>),
    /// Every `step`-th from `start` up to `end` along a dimension; negative ones count from the end.
    Slice {
        /// Along which dimension.
        dim: usize,
        /// The first place.
        start: i64,
        /// The place behind the last; `i64::MAX` for all.
        end: i64,
        /// How far it is from one to the next.
        step: i64,
    },
    /// One place along a dimension, which falls away; a negative one counts from the end.
    Select {
        /// Along which dimension.
        dim: usize,
        /// Which place.
        index: i64,
    },
    /// Dimensions of size 1 fall away.
    Squeeze(Vec<usize>),
    /// A new dimension of size 1 at this place.
    Unsqueeze(usize),
    /// Sides of 1, and new leading ones, are stretched; −1 leaves a side as it is.
    Expand(Vec<i64>),
    /// So many copies along each dimension; new ones lead.
    Repeat(Vec<i64>),
    /// Round and round along dimensions: `(dimension, places)`.
    Roll(Vec<(usize, i64)>),
    /// The other way round along dimensions.
    Flip(Vec<usize>),
}

impl Rearrange {
    /// The places that a slice begins and ends at, along a side of this size.
    fn slice(side: i64, start: i64, end: i64) -> (i64, i64) {
        let place = |at: i64| (if at < 0 { at.saturating_add(side) } else { at }).clamp(0, side);
        (place(start), place(end).max(place(start)))
    }
}

impl General for Rearrange {
    fn kind(&self) -> &'static str {
        match self {
            Rearrange::Reshape(_) => "Reshape",
            Rearrange::Permute(_) => "Permute",
            Rearrange::Slice { .. } => "Slice",
            Rearrange::Select { .. } => "Select",
            Rearrange::Squeeze(_) => "Squeeze",
            Rearrange::Unsqueeze(_) => "Unsqueeze",
            Rearrange::Expand(_) => "Expand",
            Rearrange::Repeat(_) => "Repeat",
            Rearrange::Roll(_) => "Roll",
            Rearrange::Flip(_) => "Flip",
        }
    }

    fn inputs(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn check(&self) -> Result<()> {
        let once = |dims: &[usize]| (1..dims.len()).all(|i| !dims[..i].contains(&dims[i]));
        let sensible = match self {
            Rearrange::Reshape(sides) => {
                sides.iter().all(|&side| side >= -1) && sides.iter().filter(|s| **s < 0).count() < 2
            }
            Rearrange::Permute(dims) => once(dims) && dims.iter().all(|&dim| dim < dims.len()),
            Rearrange::Slice { step, .. } => *step > 0,
            Rearrange::Expand(sides) => sides.iter().all(|&side| side >= -1),
            Rearrange::Repeat(times) => times.iter().all(|&times| times >= 0),
            Rearrange::Squeeze(dims) | Rearrange::Flip(dims) => once(dims),
            Rearrange::Select { .. } | Rearrange::Unsqueeze(_) | Rearrange::Roll(_) => true,
        };
        match sensible {
            true => Ok(()),
            false => Err(Error::Argument(format!(
                "sides are 0 or more, or once -1, each dimension is named once, and a step is positive; got \
                 {self:?}"
            ))),
        }
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let input = inputs[0];
        let unfit = || Error::Shape(format!("{input:?} cannot be rearranged by {self:?}"));
        let side = |dim: usize| input.get(dim).copied().ok_or_else(unfit);
        match self {
            Rearrange::Reshape(sides) => {
                let all: i64 = input.iter().product();
                let known: i64 = sides
                    .iter()
                    .filter(|side| **side >= 0)
                    .try_fold(1i64, |a, &b| a.checked_mul(b).ok_or_else(unfit))?;
                let rest = match sides.contains(&-1) {
                    true => all.checked_div(known).filter(|rest| rest * known == all),
                    false => (all == known).then_some(1),
                };
                let rest = rest.ok_or_else(unfit)?;
                Ok(sides.iter().map(|&side| if side < 0 { rest } else { side }).collect())
            }
            Rearrange::Permute(dims) if dims.len() == input.len() => {
                dims.iter().map(|&dim| side(dim)).collect()
            }
            Rearrange::Permute(_) => Err(unfit()),
            Rearrange::Slice { dim, start, end, step } => {
                let (start, end) = Rearrange::slice(side(*dim)?, *start, *end);
                let mut shape = input.to_vec();
                let count = end - start;
                shape[*dim] = count / step + i64::from(count % step > 0);
                Ok(shape)
            }
            Rearrange::Select { dim, index } => {
                let side = side(*dim)?;
                if !(-side..side).contains(index) {
                    return Err(unfit());
                }
                let mut shape = input.to_vec();
                shape.remove(*dim);
                Ok(shape)
            }
            Rearrange::Squeeze(dims) => {
                for &dim in dims {
                    if side(dim)? != 1 {
                        return Err(unfit());
                    }
                }
                let kept = input.iter().enumerate().filter(|(dim, _)| !dims.contains(dim));
                Ok(kept.map(|(_, &side)| side).collect())
            }
            Rearrange::Unsqueeze(dim) if *dim <= input.len() => {
                let mut shape = input.to_vec();
                shape.insert(*dim, 1);
                Ok(shape)
            }
            Rearrange::Unsqueeze(_) => Err(unfit()),
            Rearrange::Expand(sides) => {
                let new = sides.len().checked_sub(input.len()).ok_or_else(unfit)?;
                let stretched = sides.iter().enumerate().map(|(dim, &side)| {
                    match (dim.checked_sub(new).map(|dim| input[dim]), side) {
                        (Some(own), -1) => Ok(own),
                        (Some(own), side) if own == side || own == 1 => Ok(side),
                        (None, side) if side >= 0 => Ok(side),
                        _ => Err(unfit()),
                    }
                });
                stretched.collect()
            }
            Rearrange::Repeat(times) => {
                let new = times.len().checked_sub(input.len()).ok_or_else(unfit)?;
                let sides = std::iter::repeat_n(&1, new).chain(input);
                times.iter().zip(sides).map(|(a, b)| a.checked_mul(*b).ok_or_else(unfit)).collect()
            }
            Rearrange::Roll(rolls) => {
                rolls.iter().try_for_each(|(dim, _)| side(*dim).map(drop))?;
                Ok(input.to_vec())
            }
            Rearrange::Flip(dims) => {
                dims.iter().try_for_each(|dim| side(*dim).map(drop))?;
                Ok(input.to_vec())
            }
        }
    }

    fn apply(&self, inputs: &[Tensor], _: &[Tensor]) -> Result<Tensor> {
        let x = &inputs[0];
        let list = |dims: &[usize]| -> Vec<i64> { dims.iter().map(|&dim| dim as i64).collect() };
        match self {
            Rearrange::Reshape(sides) => x.f_reshape(sides.as_slice()),
            Rearrange::Permute(dims) => x.f_permute(list(dims)),
            Rearrange::Slice { dim, start, end, step } => {
                x.f_slice(*dim as i64, *start, *end, *step)
            }
            Rearrange::Select { dim, index } => x.f_select(*dim as i64, *index),
            Rearrange::Squeeze(dims) => {
                // From the last to the first, so that the places of the others stay.
                let mut sorted = list(dims);
                sorted.sort_unstable();
                sorted.iter().rev().try_fold(x.shallow_clone(), |x, &dim| x.f_squeeze_dim(dim))
            }
            Rearrange::Unsqueeze(dim) => x.f_unsqueeze(*dim as i64),
            Rearrange::Expand(sides) => x.f_expand(sides.as_slice(), false),
            Rearrange::Repeat(times) => x.f_repeat(times.as_slice()),
            Rearrange::Roll(rolls) => {
                let (dims, shifts): (Vec<i64>, Vec<i64>) =
                    rolls.iter().map(|&(dim, shift)| (dim as i64, shift)).unzip();
                x.f_roll(shifts, dims)
            }
            Rearrange::Flip(dims) => x.f_flip(list(dims)),
        }
        .into_result()
    }

    fn makes_new_memory(&self) -> bool {
        false
    }

    fn makes(&self) -> Makes {
        Makes::Moved
    }
}
