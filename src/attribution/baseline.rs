//! What stands in an input for "nothing is there".

use std::fmt;

use tch::{Kind, Tensor};

use crate::error::{Error, Result};
use crate::model::Model;
use crate::tensor::IntoResult;

/// What stands for "nothing is there" in an input: 0 unless set, which is the mean colour of the photos
/// that a network was trained on, where its input is normalised by that.
///
/// ```
/// use convlens::prelude::*;
/// let white = Occlusion::default().baseline([255, 255, 255]);
/// let value = Occlusion::default().baseline(-1.0);
/// let dark = IntegratedGradients::default().baseline([0.02, 0.03, 0.05, 0.1]); // of four bands
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Baseline {
    /// A value of the normalised input, in every channel.
    Value(f64),
    /// A colour of the photo, red, green and blue from 0 to 255, normalised as the network expects it.
    Colour([u8; 3]),
    /// A number for each channel, in the units of the array that is looked at, normalised as the network
    /// expects it; of a row of numbers, one for each.
    Bands(Vec<f64>),
}

impl Default for Baseline {
    fn default() -> Self {
        Baseline::Value(0.0)
    }
}

impl From<f64> for Baseline {
    fn from(value: f64) -> Self {
        Baseline::Value(value)
    }
}

impl From<[u8; 3]> for Baseline {
    fn from(colour: [u8; 3]) -> Self {
        Baseline::Colour(colour)
    }
}

impl<const N: usize> From<[f64; N]> for Baseline {
    fn from(bands: [f64; N]) -> Self {
        Baseline::Bands(bands.into())
    }
}

impl From<Vec<f64>> for Baseline {
    fn from(bands: Vec<f64>) -> Self {
        Baseline::Bands(bands)
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Baseline::Value(value) => write!(f, "{value}"),
            Baseline::Colour([r, g, b]) => write!(f, "rgb({r}, {g}, {b})"),
            Baseline::Bands(bands) => write!(f, "{bands:?}"),
        }
    }
}

impl Baseline {
    /// A pixel of the input, `[1, C, 1, 1]`, or a whole row of numbers, `[1, F]`.
    pub(super) fn of(&self, model: &Model) -> Result<Tensor> {
        let [channels, ..] = model.input_shape();
        let pixel = self.pixel(model, channels)?;
        match model.takes_numbers() {
            true => pixel.f_reshape([1, channels]).into_result(),
            false => Ok(pixel),
        }
    }

    fn pixel(&self, model: &Model, channels: i64) -> Result<Tensor> {
        let numbers = model.takes_numbers();
        let pixel = match self {
            &Baseline::Value(value) if value.is_finite() => {
                Tensor::f_full([1, channels, 1, 1], value, (Kind::Float, model.device()))
                    .into_result()?
            }
            Baseline::Value(value) => {
                return Err(Error::Argument(format!("a baseline is a finite number, not {value}")));
            }
            &Baseline::Colour(colour) if [1, 3].contains(&channels) && !numbers => {
                model.preprocess().normalized_colour(colour, channels)?
            }
            Baseline::Colour(_) => {
                return Err(Error::Argument(format!(
                    "a baseline can be a colour for inputs of 1 or 3 channels; {} takes {channels}: \
                     give a number, which stands in every channel, or one for each",
                    model.name()
                )));
            }
            Baseline::Bands(bands)
                if bands.len() as i64 != channels || bands.iter().any(|v| !v.is_finite()) =>
            {
                return Err(Error::Argument(format!(
                    "a baseline of bands is a finite number for each of the {channels} channels that {} \
                     takes, not {bands:?}",
                    model.name()
                )));
            }
            Baseline::Bands(bands) => {
                let bands: Vec<f32> = bands.iter().map(|&value| value as f32).collect();
                let bands = Tensor::f_from_slice(&bands).and_then(|t| t.f_reshape([1, -1, 1, 1]));
                model.preprocess().normalized_planes(&bands.into_result()?)?
            }
        };
        pixel.f_to_device(model.device()).into_result()
    }
}
