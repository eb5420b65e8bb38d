//! A heat map over a photo.

use super::blend::{self, Blend};
use super::colormap::{Colormap, NAN, NEGATIVE_INFINITY, POSITIVE_INFINITY};
use super::maps::Maps;
use super::normalize::{Extent, Normalize, Odd, number, odd_counts};
use super::picture::Picture;
use super::resize::Resize;
use crate::error::{Error, Result};

/// One map over a photo, of any size: scaled to 0..=1, resized to the photo, coloured and blended.
///
/// Without other options this is pytorch-grad-cam's picture: the map becomes
/// `(x - min) / (1e-7 + max(x - min))`, is resized with half-pixel centres, scaled so again, and
/// blended as [`Blend::GradCam`].
///
/// A map that is the same everywhere shows nothing, and a picture of it would mislead: the photo
/// is shown as it is, with a line that says so. Places whose nearest value is not finite have the
/// colours of [such values](crate::picture), and a line counts them.
///
/// ```
/// use convlens::picture::{Blend, Maps, Overlay, Picture};
/// let photo = Picture::rgb(32, 24, vec![128; 32 * 24 * 3])?;
/// let map = Maps::new(1, 2, 2, vec![0.0, 1.0, 2.0, 3.0])?;
/// let picture = Overlay::new(&photo, &map)?.blend(Blend::Alpha { alpha: 0.5 }).picture()?;
/// assert_eq!((picture.width(), picture.height()), (32, 24));
/// # Ok::<(), convlens::error::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Overlay {
    photo: Picture,
    map: Maps,
    blend: Blend,
    colormap: Option<Colormap>,
    resize: Resize,
    normalize: Normalize,
}

impl Overlay {
    /// A map over a photo.
    ///
    /// # Errors
    /// When there is not exactly one map, or it has no values.
    pub fn new(photo: &Picture, map: &Maps) -> Result<Overlay> {
        if map.count() != 1 || map.values().is_empty() {
            return Err(Error::Shape(format!(
                "an overlay shows one map that is not empty, not {} of {} × {}",
                map.count(),
                map.height(),
                map.width()
            )));
        }
        Ok(Overlay {
            photo: photo.clone(),
            map: map.clone(),
            blend: Blend::default(),
            colormap: None,
            resize: Resize::default(),
            normalize: Normalize::default(),
        })
    }

    /// How map and photo become one picture.
    #[must_use]
    pub fn blend(mut self, blend: Blend) -> Overlay {
        self.blend = blend;
        self
    }

    /// Other colours than those that usually go with the blend.
    #[must_use]
    pub fn colormap(mut self, colormap: Colormap) -> Overlay {
        self.colormap = Some(colormap);
        self
    }

    /// How the map grows to the photo's size. The default is [`Resize::HalfPixel`].
    #[must_use]
    pub fn resize(mut self, resize: Resize) -> Overlay {
        self.resize = resize;
        self
    }

    /// Which values of the map become 0 and 1, before it is resized. With the default,
    /// [`Normalize::PerMap`], the map is scaled once more after resizing, as pytorch-grad-cam does
    /// it.
    #[must_use]
    pub fn normalize(mut self, normalize: Normalize) -> Overlay {
        self.normalize = normalize;
        self
    }

    /// The picture, of the photo's size; higher by its lines of text where there is something to
    /// say about the map.
    ///
    /// # Errors
    /// When a number of the blend or the range of the normalisation is not valid.
    pub fn picture(&self) -> Result<Picture> {
        let remarks = self.remarks();
        let picture = self.blended()?;
        Ok(if remarks.is_empty() { picture } else { picture.captioned(&remarks.join("\n")) })
    }

    /// What has to be known to read the picture: that the map is the same everywhere, or how many
    /// of its values are not finite. Empty for an ordinary map.
    pub fn remarks(&self) -> Vec<String> {
        let values = self.map.values();
        let mut remarks = Vec::new();
        match Extent::of(values).range {
            Some((low, high)) if low == high => {
                remarks.push(format!("the map is {} everywhere", number(low)));
            }
            Some(_) => {}
            None => remarks.push("the map has no finite value".into()),
        }
        let names = ["NaN (magenta)", "+Inf (green)", "-Inf (cyan)"];
        for (count, name) in odd_counts(values).into_iter().zip(names) {
            if count > 0 {
                remarks.push(format!("{count} of the map's {} values: {name}", values.len()));
            }
        }
        remarks
    }

    fn blended(&self) -> Result<Picture> {
        for (name, value, share) in self.blend.parameters() {
            let range = if share { 0.0..=1.0 } else { 0.0..=f32::MAX };
            if !range.contains(&value) {
                return Err(Error::Argument(format!(
                    "{name} must {}, but is {value}",
                    if share { "lie between 0 and 1" } else { "be a number that is not negative" }
                )));
            }
        }
        let mut picture = self.photo.to_rgb().into_raw();
        let extent = Extent::of(self.map.values());
        let (height, width) = (self.photo.height() as usize, self.photo.width() as usize);
        // Checks the normalisation even where it is not needed.
        let range = self.range()?;
        if extent.range.is_some_and(|(low, high)| low < high) {
            let mask = self.mask(range, extent)?.resized(height, width, self.resize)?;
            let mask = match self.normalize {
                Normalize::PerMap if !matches!(self.blend, Blend::Multiply { .. }) => {
                    min_max(mask.values())
                }
                _ => mask.values().to_vec(),
            };
            let colormap = self.colormap.unwrap_or(self.blend.usual_colormap());
            picture = blend::apply(self.blend, &picture, &mask, colormap);
        }
        if !extent.finite {
            let nearest = self.map.resized(height, width, Resize::Nearest)?;
            let colours = [NAN, POSITIVE_INFINITY, NEGATIVE_INFINITY];
            for (pixel, &value) in picture.as_chunks_mut::<3>().0.iter_mut().zip(nearest.values()) {
                if let Some(odd) = Odd::of(value) {
                    *pixel = colours[odd as usize];
                }
            }
        }
        Picture::rgb(self.photo.width(), self.photo.height(), picture)
    }

    fn range(&self) -> Result<Option<(f32, f32)>> {
        match (self.normalize, self.blend) {
            (Normalize::PerMap, Blend::Multiply { .. }) => {
                let range = Extent::of(self.map.values()).range;
                // A map that is nowhere positive has no maximum to be divided by.
                Ok(range.map(|(low, high)| if high > 0.0 { (0.0, high) } else { (low, high) }))
            }
            _ => {
                let values = self.map.values();
                self.normalize.range(&[Extent::of(values)], std::iter::once(values))
            }
        }
    }

    /// The map in 0..=1 at its own size; values that are not finite at the ends.
    fn mask(&self, range: Option<(f32, f32)>, extent: Extent) -> Result<Maps> {
        let (low, high) = extent.range.unwrap_or_default();
        let finite = self
            .map
            .values()
            .iter()
            .map(|&value| if value.is_nan() { low } else { value.clamp(low, high) });
        let values = match range {
            None => min_max(&finite.collect::<Vec<f32>>()),
            Some((low, high)) => {
                let (low, span) = (f64::from(low), f64::from(high) - f64::from(low));
                finite
                    .map(|value| if span > 0.0 { (f64::from(value) - low) / span } else { 0.0 })
                    .map(|t| t.clamp(0.0, 1.0) as f32)
                    .collect()
            }
        };
        Maps::new(1, self.map.height(), self.map.width(), values)
    }
}

/// pytorch-grad-cam's scaling, `(x - min) / (1e-7 + max(x - min))`.
fn min_max(values: &[f32]) -> Vec<f32> {
    let Some((low, high)) = Extent::of(values).range else { return vec![0.0; values.len()] };
    let most = high - low;
    if most.is_finite() {
        values.iter().map(|&value| (value - low) / (1e-7 + most)).collect()
    } else {
        let span = f64::from(high) - f64::from(low);
        values.iter().map(|&value| ((f64::from(value) - f64::from(low)) / span) as f32).collect()
    }
}
