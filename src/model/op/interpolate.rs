//! Maps of another size.

use tch::Tensor;

use super::operator::{Facts, Family, Gradients, Makes, Operator, Reads};
use super::step::Step;
use super::{ParameterSpec, Pass, four, pair_of};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// How values between pixels come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interpolation {
    /// The pixel that lies there.
    Nearest,
    /// From the two nearest rows and columns.
    Bilinear,
    /// From the four nearest rows and columns.
    Bicubic,
}

/// The height and width that come out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum To {
    Size([i64; 2]),
    /// Times those of the input, rounded down.
    Times([f64; 2]),
}

/// Resizes maps, with PyTorch's meaning of every option: half-pixel centres unless corners are aligned.
///
/// ```
/// use convlens::model::{Interpolation, Interpolate};
/// let twice = Interpolate::by(2.0, 2.0, Interpolation::Nearest);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Interpolate {
    to: To,
    interpolation: Interpolation,
    align_corners: bool,
}

impl Interpolate {
    /// To this height and width.
    pub fn to(height: i64, width: i64, interpolation: Interpolation) -> Self {
        Interpolate { to: To::Size([height, width]), interpolation, align_corners: false }
    }

    /// To so many times the height and width, rounded down.
    pub fn by(height: f64, width: f64, interpolation: Interpolation) -> Self {
        Interpolate { to: To::Times([height, width]), interpolation, align_corners: false }
    }

    /// The centres of the corner pixels stay where they are.
    pub fn align_corners(mut self) -> Self {
        self.align_corners = true;
        self
    }

    fn size(&self, from: [i64; 2]) -> [i64; 2] {
        match self.to {
            To::Size(size) => size,
            To::Times(times) => [0, 1].map(|axis| (from[axis] as f64 * times[axis]).floor() as i64),
        }
    }
}

impl Operator for Interpolate {
    fn facts(&self) -> Facts {
        Facts {
            kind: "Resize",
            family: Family::Other,
            inputs: 1..=1,
            kernel: None,
            makes_new_memory: false,
            rectifies: None,
            is_local: false,
            makes: Makes::Moved,
        }
    }

    fn check(&self) -> Result<()> {
        let sensible = match self.to {
            To::Size(size) => size.iter().all(|side| (1..=super::LARGEST).contains(side)),
            To::Times(times) => {
                times.iter().all(|times| *times > 0.0 && *times <= super::LARGEST as f64)
            }
        };
        let corners = !self.align_corners || self.interpolation != Interpolation::Nearest;
        match sensible && corners {
            true => Ok(()),
            false => Err(Error::Argument(format!(
                "maps can be resized to 1 to 2^20 pixels a side, or by a positive factor, and corners aligned \
                 only where values are interpolated; got {self:?}"
            ))),
        }
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let [n, c, h, w] = four(inputs[0])?;
        let size = self.size([h, w]);
        let [height, width] = pair_of(|axis| match (1..=super::LARGEST).contains(&size[axis]) {
            true => Ok(size[axis]),
            false => Err(Error::Shape(format!("{:?} cannot become {size:?} pixels", inputs[0]))),
        })?;
        Ok(vec![n, c, height, width])
    }

    fn forward(&self, inputs: &mut [Tensor], _: &[Tensor], _: Pass, _: bool) -> Result<Tensor> {
        let [.., h, w] = four(&inputs[0].size())?;
        let size = self.size([h, w]);
        let [down, across] = match self.to {
            To::Size(_) => [None, None],
            To::Times([down, across]) => [Some(down), Some(across)],
        };
        let (x, corners) = (&inputs[0], self.align_corners);
        match self.interpolation {
            Interpolation::Nearest => x.f_upsample_nearest2d(size, down, across),
            Interpolation::Bilinear => x.f_upsample_bilinear2d(size, corners, down, across),
            Interpolation::Bicubic => x.f_upsample_bicubic2d(size, corners, down, across),
        }
        .into_result()
    }

    fn backward(&self, _: &[Tensor], _: &[Tensor], _: &Tensor) -> Result<Gradients> {
        Ok(Gradients::ByAutograd)
    }

    fn reads(&self, _: usize, _: &[Option<[i64; 2]>]) -> Reads {
        Reads::Values
    }

    fn steps(&self, from: [i64; 2], to: [i64; 2]) -> Option<[Step; 2]> {
        let plain = self.interpolation == Interpolation::Bilinear && !self.align_corners;
        plain.then(|| [0, 1].map(|axis| Step::Resized { from: from[axis], to: to[axis] }))
    }
}
