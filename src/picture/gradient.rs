//! Colour gradients as pictures: what guided backpropagation and the like leave of a photo.

use super::colormap::{NAN, NEGATIVE_INFINITY, POSITIVE_INFINITY};
use super::maps::Maps;
use super::normalize::Odd;
use super::picture::Picture;
use crate::error::{Error, Result};

impl Picture {
    /// A gradient with respect to the red, green and blue of a photo as a picture of its size, by
    /// pytorch-grad-cam's `deprocess_image`: `0.1 (x - mean) / (std + 1e-5) + 0.5`, cut to 0..=1,
    /// in 8 bits, rounded down. Mean and standard deviation are those of all values together. No
    /// gradient is a middle grey.
    ///
    /// What is not finite has no part in mean and deviation, and has the colours of
    /// [such values](crate::picture).
    ///
    /// ```
    /// use convlens::picture::{Maps, Picture};
    /// let gradient = Maps::new(3, 2, 2, (0..12).map(|i| i as f32).collect())?;
    /// let picture = Picture::from_gradient(&gradient)?;
    /// assert_eq!((picture.width(), picture.height()), (2, 2));
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there are not three maps, or they have no values.
    pub fn from_gradient(gradient: &Maps) -> Result<Picture> {
        let (Some(red), Some(green), Some(blue), 3) =
            (gradient.map(0), gradient.map(1), gradient.map(2), gradient.count())
        else {
            return Err(Error::Shape(format!(
                "a gradient in colour has three maps, red, green and blue, not {}",
                gradient.count()
            )));
        };
        if red.is_empty() {
            return Err(Error::Shape(format!(
                "a gradient of {} × {} has no pixels to show",
                gradient.width(),
                gradient.height()
            )));
        }
        let finite = || gradient.values().iter().filter(|v| v.is_finite()).map(|&v| f64::from(v));
        let count = finite().count().max(1) as f64;
        let mean = finite().sum::<f64>() / count;
        let variance = finite().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        let scale = 0.1 / (variance.sqrt() + 1e-5);
        let level = |value: f32| {
            let share = (f64::from(value) - mean) * scale + 0.5;
            (share.clamp(0.0, 1.0) * 255.0) as u8
        };
        let odd = [NAN, POSITIVE_INFINITY, NEGATIVE_INFINITY];
        let pixels = red.iter().zip(green).zip(blue).flat_map(|((&red, &green), &blue)| {
            let colour = [red, green, blue];
            let first_odd = colour.into_iter().find_map(Odd::of);
            first_odd.map_or(colour.map(level), |kind| odd[kind as usize])
        });
        let too_large = |_| {
            Error::Shape(format!(
                "a gradient of {} × {} is too large for a picture",
                gradient.width(),
                gradient.height()
            ))
        };
        let width = u32::try_from(gradient.width()).map_err(too_large)?;
        let height = u32::try_from(gradient.height()).map_err(too_large)?;
        Picture::rgb(width, height, pixels.collect())
    }
}
