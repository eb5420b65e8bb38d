//! Pixels at places between pixels, which another input says.

use std::ops::RangeInclusive;

use tch::Tensor;

use super::general::General;
use super::operator::Makes;
use super::{Interpolation, ParameterSpec, four};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// What lies beyond the edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Beyond {
    /// Zeros.
    Zeros,
    /// The edge again and again.
    Edge,
    /// The map's mirror image.
    Reflection,
}

/// The first input's pixels at the places that the second one has, `[N, h, w, 2]` or the same
/// for all, `[1, h, w, 2]`: to the right and down from −1 to 1. PyTorch's `grid_sample`; Jaderberg et al. 2015, <https://arxiv.org/abs/1506.02025>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GridSample {
    interpolation: Interpolation,
    beyond: Beyond,
    align_corners: bool,
}

impl GridSample {
    /// With −1 and 1 at the outer edges of the corner pixels.
    pub fn new(interpolation: Interpolation, beyond: Beyond) -> Self {
        GridSample { interpolation, beyond, align_corners: false }
    }

    /// With −1 and 1 at the centres of the corner pixels.
    pub fn align_corners(mut self) -> Self {
        self.align_corners = true;
        self
    }
}

impl General for GridSample {
    fn kind(&self) -> &'static str {
        "GridSample"
    }

    fn inputs(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let ([n, c, ..], [m, h, w, 2]) =
            (four(inputs[0])?, four(inputs.get(1).unwrap_or(&inputs[0]))?)
        else {
            return Err(Error::Shape(format!(
                "the places must be [photos, h, w, 2], got {inputs:?}"
            )));
        };
        match n == m || m == 1 {
            true => Ok(vec![n, c, h, w]),
            false => {
                Err(Error::Shape(format!("maps and places of as many photos, got {inputs:?}")))
            }
        }
    }

    fn apply(&self, inputs: &[Tensor], _: &[Tensor]) -> Result<Tensor> {
        let mode = match self.interpolation {
            Interpolation::Bilinear => 0,
            Interpolation::Nearest => 1,
            Interpolation::Bicubic => 2,
        };
        let beyond = match self.beyond {
            Beyond::Zeros => 0,
            Beyond::Edge => 1,
            Beyond::Reflection => 2,
        };
        let mut sides = inputs[1].size();
        if let (Some(photos), Some(all)) = (sides.first_mut(), inputs[0].size().first()) {
            *photos = *all;
        }
        let places = inputs[1].f_expand(sides, false).into_result()?;
        inputs[0].f_grid_sampler(&places, mode, beyond, self.align_corners).into_result()
    }

    fn makes_new_memory(&self) -> bool {
        true
    }

    fn makes(&self) -> Makes {
        Makes::Sampled
    }
}
