//! Values taken from, or written to, places that another input says.

use std::ops::RangeInclusive;

use tch::{Kind, Tensor};

use super::ParameterSpec;
use super::general::General;
use super::operator::Makes;
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// Takes values from places, or writes them there; the second input has the places, as integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gather {
    /// For each place of the second input, the value of the first that stands there but for this dimension,
    /// whose place the second one says: PyTorch's `gather`.
    Elements(usize),
    /// The first input, with the third one's values at the places in the last dimension of the second:
    /// ONNX's `ScatterND`.
    Scatter(Meeting),
}

/// What becomes of the value where another is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Meeting {
    /// The new one stands there.
    Replace,
    /// Their sum.
    Sum,
    /// Their product.
    Product,
    /// The greatest.
    Max,
    /// The smallest.
    Min,
}

impl Gather {
    fn unfit(self, inputs: &[&[i64]]) -> Error {
        Error::Shape(format!("the shapes {inputs:?} do not go together in {self:?}"))
    }
}

/// With the places as numbers of rows, since libtorch has other meetings along one dimension alone.
fn met(into: &Tensor, places: &Tensor, updates: &Tensor, how: &str) -> Result<Tensor> {
    let sizes = into.size();
    let depth = places.size().last().map_or(0, |depth| *depth as usize).min(sizes.len());
    let work = || {
        let mut rows = Tensor::f_zeros([1], (Kind::Int64, places.device()))?;
        for (i, side) in sizes[..depth].iter().enumerate() {
            let place = places.f_select(-1, i as i64)?.f_reshape([-1])?;
            let behind = place.f_lt(0)?.f_to_kind(Kind::Int64)?.f_mul_scalar(*side)?;
            rows = rows.f_mul_scalar(*side)?.f_add(&place.f_add(&behind)?)?;
        }
        let width: i64 = sizes[depth..].iter().product();
        let count = rows.numel() as i64;
        let flat = into.f_reshape([sizes[..depth].iter().product(), width])?;
        let updates = updates.f_reshape([count, width])?;
        flat.f_index_reduce(0, &rows, &updates, how, true)?.f_reshape(sizes.as_slice())
    };
    work().into_result()
}

impl General for Gather {
    fn kind(&self) -> &'static str {
        match self {
            Gather::Elements(_) => "Gather",
            Gather::Scatter(_) => "Scatter",
        }
    }

    fn inputs(&self) -> RangeInclusive<usize> {
        match self {
            Gather::Elements(_) => 2..=2,
            Gather::Scatter(_) => 3..=3,
        }
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        match (self, inputs) {
            (Gather::Elements(dim), [from, places]) => {
                let within = from.len() == places.len()
                    && *dim < from.len()
                    && (0..from.len()).all(|d| d == *dim || places[d] <= from[d]);
                if within { Ok(places.to_vec()) } else { Err(self.unfit(inputs)) }
            }
            (Gather::Scatter(_), [into, [outer @ .., depth], updates]) => {
                let depth = usize::try_from(*depth).ok().filter(|depth| *depth <= into.len());
                match depth.map(|depth| [outer, &into[depth..]].concat()) {
                    Some(expected) if expected == *updates => Ok(into.to_vec()),
                    _ => Err(self.unfit(inputs)),
                }
            }
            _ => Err(self.unfit(inputs)),
        }
    }

    fn apply(&self, inputs: &[Tensor], _: &[Tensor]) -> Result<Tensor> {
        match (self, inputs) {
            (Gather::Elements(dim), [from, places]) => {
                // libtorch does not count from the end here.
                let side = from.size().get(*dim).copied().unwrap_or(0);
                let behind =
                    places.f_lt(0).and_then(|less| less.f_to_kind(Kind::Int64)?.f_mul_scalar(side));
                behind
                    .and_then(|behind| from.f_gather(*dim as i64, &places.f_add(&behind)?, false))
                    .into_result()
            }
            (Gather::Scatter(meeting), [into, places, updates]) => {
                let how = match meeting {
                    Meeting::Replace | Meeting::Sum => {
                        let places = places.f_unbind(-1).into_result()?;
                        let places: Vec<Option<Tensor>> = places.into_iter().map(Some).collect();
                        let sums = *meeting == Meeting::Sum;
                        return into.f_index_put(&places, updates, sums).into_result();
                    }
                    Meeting::Product => "prod",
                    Meeting::Max => "amax",
                    Meeting::Min => "amin",
                };
                met(into, places, updates, how)
            }
            _ => Err(Error::Argument(format!("{self:?} does not take {} inputs", inputs.len()))),
        }
    }

    fn makes_new_memory(&self) -> bool {
        true
    }

    fn makes(&self) -> Makes {
        match self {
            Gather::Elements(_) | Gather::Scatter(Meeting::Replace) => Makes::Moved,
            Gather::Scatter(Meeting::Sum) => Makes::Summed,
            Gather::Scatter(Meeting::Max | Meeting::Min) => Makes::Chosen,
            Gather::Scatter(Meeting::Product) => Makes::Mixed,
        }
    }
}
