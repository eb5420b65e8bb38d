//! What stands in an input for "nothing is there".

use std::fmt;
use std::rc::Rc;

use tch::{Kind, Tensor};

use super::Case;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::tensor::{IntoResult, all_finite, float_copy, plain_numbers};

/// How many baselines run through the network at once, for their scores.
const BATCH: i64 = 6;

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
    pub(crate) fn of(&self, model: &Model) -> Result<Tensor> {
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

/// The input that a method starts from.
#[derive(Clone, Debug)]
pub(super) enum Start {
    /// The same everywhere.
    Everywhere(Baseline),
    Input(Rc<Tensor>),
}

impl Default for Start {
    fn default() -> Self {
        Start::Everywhere(Baseline::default())
    }
}

impl Start {
    /// What a method's name says of it.
    pub(super) fn said(&self) -> String {
        match self {
            Start::Everywhere(baseline) if *baseline == Baseline::default() => String::new(),
            Start::Everywhere(baseline) => format!(", from {baseline}"),
            Start::Input(_) => ", from another input".into(),
        }
    }

    /// The baseline of these inputs, `[N, C, H, W]` or `[N, F]`, of their shape.
    pub(super) fn of(&self, model: &Model, input: &Tensor) -> Result<Tensor> {
        let size = input.size();
        let (one, what) = match self {
            Start::Everywhere(baseline) => (baseline.of(model)?, baseline.to_string()),
            Start::Input(one) => {
                let one = plain_numbers(one).map_err(|e| e.while_doing("the baseline"))?;
                let size = format!("{:?}", one.size());
                (one, size)
            }
        };
        let fits = one.dim() == input.dim() && one.size()[0] == 1;
        let work = || {
            let one = one.f_to_device(input.device())?.f_to_kind(input.kind())?;
            one.f_expand(&size, false)
        };
        let expanded = work().ok().filter(|_| fits).ok_or_else(|| {
            Error::Shape(format!(
                "a baseline of {what} does not stand for an input of {size:?}: give one of that \
                 shape, prepared as the network expects it"
            ))
        })?;
        match all_finite(&expanded)? {
            true => Ok(expanded),
            false => Err(Error::Argument("the baseline holds NaN or infinities".into())),
        }
    }
}

/// `baseline` and `baseline_input` of a method, for a type with a field `from`.
macro_rules! start_setters {
    ($method:ident) => {
        impl $method {
            /// Starts from an input that is the same everywhere: a value of the normalised input, a
            /// colour, or a number a band.
            #[must_use]
            pub fn baseline(&self, baseline: impl Into<$crate::attribution::Baseline>) -> Self {
                let from = $crate::attribution::baseline::Start::Everywhere(baseline.into());
                Self { from, ..self.clone() }
            }

            /// Starts from this input, `[1, C, H, W]`, prepared as the network expects it: noise, a blurred
            /// photo, another photo (`model.preprocess().apply(&photo)?`).
            #[must_use]
            pub fn baseline_input(&self, input: &tch::Tensor) -> Self {
                // Whether it can stand for an input is seen when there is one.
                let copy = $crate::tensor::float_copy(input);
                let copy = copy.unwrap_or_else(|_| input.shallow_clone());
                let from = $crate::attribution::baseline::Start::Input(std::rc::Rc::new(copy));
                Self { from, ..self.clone() }
            }
        }
    };
}
pub(super) use start_setters;

/// Several inputs that a method starts from.
#[derive(Clone, Debug)]
pub(super) struct Baselines(Rc<Tensor>);

impl Baselines {
    /// `[B, C, H, W]` or `[B, F]`.
    pub(super) fn new(baselines: &Tensor) -> Self {
        // Whether they can stand for an input is seen when there is one.
        let copy = float_copy(baselines).unwrap_or_else(|_| baselines.shallow_clone());
        Baselines(Rc::new(copy))
    }

    /// Those for inputs like this one.
    pub(super) fn of(&self, input: &Tensor) -> Result<Tensor> {
        let baselines = plain_numbers(&self.0).map_err(|e| e.while_doing("the baselines"))?;
        let (size, own) = (input.size(), baselines.size());
        if own.len() != size.len() || own[0] == 0 || own[1..] != size[1..] {
            return Err(Error::Shape(format!(
                "baselines of {own:?} do not stand for an input of {size:?}: give some of that shape, one after \
                 the other along the first dimension, prepared as the network expects it"
            )));
        }
        if !all_finite(&baselines)? {
            return Err(Error::Argument("the baselines hold NaN or infinities".into()));
        }
        baselines.f_to_device(input.device()).and_then(|t| t.f_to_kind(input.kind())).into_result()
    }
}

/// By how much each input's score is above the mean of the baselines', `[B, ...]`.
pub(super) fn changes(case: &Case, baselines: &Tensor) -> Result<Vec<f64>> {
    let count = baselines.size().first().copied().unwrap_or(0);
    let mut changes = case.scores()?;
    for (photo, change) in changes.iter_mut().enumerate() {
        for first in (0..count).step_by(BATCH as usize) {
            let some = baselines.f_narrow(0, first, BATCH.min(count - first)).into_result()?;
            let scores = case.scores_from(photo, case.model().input(), &some)?;
            *change -= scores.iter().sum::<f64>() / count as f64;
        }
    }
    Ok(changes)
}
