//! A heat map over a photo, or alone.

use std::path::Path;

use super::blend::{self, Blend};
use super::colorbar;
use super::colormap::{Colormap, NAN, NEGATIVE_INFINITY, POSITIVE_INFINITY};
use super::maps::Maps;
use super::normalize::{Extent, Normalize, Odd, number, odd_counts};
use super::picture::Picture;
use super::rectangles::Rectangle;
use super::resize::Resize;
use super::segments::Segments;
use super::text::{Lettering, size_for};
use crate::error::{Error, Result};

/// One map over a photo, of any size: scaled to 0..=1, resized to the photo, coloured and blended.
///
/// Without other options this is pytorch-grad-cam's picture: the map becomes
/// `(x - min) / (1e-7 + max(x - min))`, is resized with half-pixel centres, scaled so again, and
/// blended as [`Blend::GradCam`]. Signed maps go with [`Blend::signed`], magnitudes with
/// [`Overlay::alone`].
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
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
pub struct Overlay {
    photo: Picture,
    map: Maps,
    blend: Blend,
    colormap: Option<Colormap>,
    resize: Resize,
    normalize: Option<Normalize>,
    colorbar: Option<bool>,
    segments: Option<Segments>,
    rectangles: Vec<Rectangle>,
    /// What is said of a map that is the same everywhere, in place of its value.
    when_flat: Option<String>,
}

impl Overlay {
    /// A map over a photo.
    ///
    /// # Errors
    /// When there is not exactly one map, or it has no values.
    pub fn new(photo: &Picture, map: &Maps) -> Result<Overlay> {
        Overlay::of(photo.clone(), map)
    }

    /// A map by itself, without a photo, at this size in pixels. The colours and the range are
    /// those that suit magnitudes such as a saliency map, which has a few values far larger than
    /// the others: [`Colormap::Gray`], from the minimum to the 99th percentile, as PAIR's
    /// `VisualizeImageGrayscale` has it.
    ///
    /// ```
    /// use convlens::picture::{Maps, Overlay};
    /// let saliency = Maps::new(1, 224, 224, (0..50176).map(|i| (i % 97) as f32).collect())?;
    /// let picture = Overlay::alone(&saliency, 448, 448)?.with_colorbar().picture()?;
    /// assert_eq!(picture.captioned("saliency: tabby").width(), 448);
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is not exactly one map, it has no values, a side is 0, or there would be more
    /// than 134 million pixels.
    pub fn alone(map: &Maps, width: u32, height: u32) -> Result<Overlay> {
        let white = Picture::indexed(1, 1, vec![0], vec![[255; 3]])?.resized(width, height)?;
        // Under a map that covers it wholly, nothing is seen of the white.
        Ok(Overlay::of(white, map)?
            .blend(Blend::Alpha { alpha: 1.0 })
            .colormap(Colormap::Gray)
            .normalize(Normalize::Percentile(0.0, 99.0)))
    }

    fn of(photo: Picture, map: &Maps) -> Result<Overlay> {
        if map.count() != 1 || map.values().is_empty() {
            return Err(Error::Shape(format!(
                "an overlay shows one map that is not empty, not {} of {} × {}",
                map.count(),
                map.height(),
                map.width()
            )));
        }
        Ok(Overlay {
            photo,
            map: map.clone(),
            blend: Blend::default(),
            colormap: None,
            resize: Resize::default(),
            normalize: None,
            colorbar: None,
            segments: None,
            rectangles: Vec::new(),
            when_flat: None,
        })
    }

    /// How map and photo become one picture.
    #[must_use]
    pub fn blend(&self, blend: Blend) -> Overlay {
        Overlay { blend, ..self.clone() }
    }

    /// Other colours than those that usually go with the blend.
    #[must_use]
    pub fn colormap(&self, colormap: Colormap) -> Overlay {
        Overlay { colormap: Some(colormap), ..self.clone() }
    }

    /// How the map grows to the photo's size. The default is [`Resize::HalfPixel`].
    #[must_use]
    pub fn resize(&self, resize: Resize) -> Overlay {
        Overlay { resize, ..self.clone() }
    }

    /// Which values of the map become 0 and 1, before it is resized. With the default,
    /// [`Normalize::PerMap`], the map is scaled once more after resizing, as pytorch-grad-cam does
    /// it. The default of [`Blend::Signed`] is [`Normalize::Symmetric`].
    #[must_use]
    pub fn normalize(&self, normalize: Normalize) -> Overlay {
        Overlay { normalize: Some(normalize), ..self.clone() }
    }

    /// A bar of the colours under the picture, with the values that they stand for in the map's
    /// own numbers. The default shows one with [`Blend::Signed`].
    #[must_use]
    pub fn with_colorbar(&self) -> Overlay {
        Overlay { colorbar: Some(true), ..self.clone() }
    }

    /// No bar of colours.
    #[must_use]
    pub fn without_colorbar(&self) -> Overlay {
        Overlay { colorbar: Some(false), ..self.clone() }
    }

    /// With the outlines of these segments, which may be of any size.
    #[must_use]
    pub fn outlines(&self, segments: &Segments) -> Overlay {
        Overlay { segments: Some(segments.clone()), ..self.clone() }
    }

    /// No outlines.
    #[must_use]
    pub fn without_outlines(&self) -> Overlay {
        Overlay { segments: None, ..self.clone() }
    }

    /// With these rectangles and their labels; none takes away those that there are.
    #[must_use]
    pub fn marked(&self, rectangles: &[Rectangle]) -> Overlay {
        Overlay { rectangles: rectangles.to_vec(), ..self.clone() }
    }

    /// With these words where the map is the same everywhere, in place of its value.
    pub(crate) fn saying_when_flat(&self, words: &str) -> Overlay {
        Overlay { when_flat: Some(words.to_owned()), ..self.clone() }
    }

    /// Writes the picture to a file; its ending says in which format.
    ///
    /// # Errors
    /// As [`picture`](Overlay::picture), and [`Picture::save`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.picture()?.save(path)
    }

    /// The picture, of the photo's size; higher by the bar of colours if there is one, and by its
    /// lines of text where there is something to say about the map.
    ///
    /// # Errors
    /// When a number of the blend or the range of the normalisation is not valid.
    pub fn picture(&self) -> Result<Picture> {
        let remarks = self.remarks();
        let mut picture = self.blended()?;
        if self.colorbar.unwrap_or(matches!(self.blend, Blend::Signed { .. }))
            && let Some(bar) = self.bar()?
        {
            let apron = bar.height() + 4;
            picture = Picture::above(&[picture, bar], 4).with_apron(apron);
        }
        Ok(if remarks.is_empty() { picture } else { picture.captioned(&remarks.join("\n")) })
    }

    /// What has to be known to read the picture: that the map is the same everywhere, or how many
    /// of its values are not finite. Empty for an ordinary map.
    pub fn remarks(&self) -> Vec<String> {
        let values = self.map.values();
        let mut remarks = Vec::new();
        match Extent::of(values).range {
            Some((low, high)) if low == high => {
                let value = || format!("the map is {} everywhere", number(low));
                remarks.push(self.when_flat.clone().unwrap_or_else(value));
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

    fn normalization(&self) -> Normalize {
        self.normalize.unwrap_or(match self.blend {
            Blend::Signed { .. } => Normalize::Symmetric,
            _ => Normalize::PerMap,
        })
    }

    fn colours(&self) -> Colormap {
        self.colormap.unwrap_or(self.blend.usual_colormap())
    }

    /// The picture alone: no bar of colours, no lines of text.
    pub(crate) fn bare(&self) -> Result<Picture> {
        self.blended()
    }

    fn blended(&self) -> Result<Picture> {
        self.blend.check()?;
        let mut picture = self.photo.to_rgb().into_raw();
        let (height, width) = (self.photo.height() as usize, self.photo.width() as usize);
        // Checks the normalisation even where it is not needed.
        let range = self.range()?;
        if self.varies() {
            let mask = self.mask(range)?.resized(height, width, self.resize)?;
            let mask = if range.is_none() { mask.scaled() } else { mask };
            picture = blend::apply(self.blend, &picture, &mask, self.colours());
        }
        if !Extent::of(self.map.values()).finite {
            let nearest = self.map.resized(height, width, Resize::Nearest)?;
            let colours = [NAN, POSITIVE_INFINITY, NEGATIVE_INFINITY];
            for (pixel, &value) in picture.as_chunks_mut::<3>().0.iter_mut().zip(nearest.values()) {
                if let Some(odd) = Odd::of(value) {
                    *pixel = colours[odd as usize];
                }
            }
        }
        let picture = Picture::rgb(self.photo.width(), self.photo.height(), picture)?;
        let picture = match &self.segments {
            Some(segments) => segments.over(&picture),
            None => picture,
        };
        Ok(picture.marked(&self.rectangles))
    }

    /// Whether there is anything to be seen in the map.
    fn varies(&self) -> bool {
        Extent::of(self.map.values()).range.is_some_and(|(low, high)| low < high)
    }

    /// The values of the map that become 0 and 1. None where they are its own, before and after
    /// it is resized.
    pub(crate) fn range(&self) -> Result<Option<(f32, f32)>> {
        let values = self.map.values();
        match (self.normalization(), self.blend) {
            (Normalize::PerMap, Blend::Multiply { .. }) => {
                let range = Extent::of(values).range;
                // A map that is nowhere positive has no maximum to be divided by.
                Ok(range.map(|(low, high)| if high > 0.0 { (0.0, high) } else { (low, high) }))
            }
            (normalize, _) => normalize.range(&[Extent::of(values)], std::iter::once(values)),
        }
    }

    /// The map with the ends of its range in the place of what is not finite.
    fn finite(&self) -> Result<Maps> {
        let (low, high) = Extent::of(self.map.values()).range.unwrap_or_default();
        let finite = |&value: &f32| if value.is_nan() { low } else { value.clamp(low, high) };
        let values = self.map.values().iter().map(finite).collect();
        Maps::new(1, self.map.height(), self.map.width(), values)
    }

    /// The map in 0..=1 at its own size.
    fn mask(&self, range: Option<(f32, f32)>) -> Result<Maps> {
        let finite = self.finite()?;
        let Some((low, high)) = range else { return Ok(finite.scaled()) };
        let (low, span) = (f64::from(low), f64::from(high) - f64::from(low));
        let share = |&value: &f32| {
            let t = if span > 0.0 { (f64::from(value) - low) / span } else { 0.0 };
            t.clamp(0.0, 1.0) as f32
        };
        let values = finite.values().iter().map(share).collect();
        Maps::new(1, self.map.height(), self.map.width(), values)
    }

    /// The bar of colours, as the blend shows them; none where the map is the same everywhere.
    fn bar(&self) -> Result<Option<Picture>> {
        let Some((least, most)) = Extent::of(self.map.values()).range else { return Ok(None) };
        if least == most {
            return Ok(None);
        }
        let (low, high) = self.range()?.unwrap_or((least, most));
        let middle = (f64::from(low) + f64::from(high)) / 2.0;
        // Values beyond the ends have the colours of the ends.
        let beyond = |sign: &str, is: bool| if is { sign.to_owned() } else { String::new() };
        let labels = [
            beyond("≤ ", least < low) + &number(low),
            number(middle as f32),
            beyond("≥ ", most > high) + &number(high),
        ];
        let mut lettering = Lettering::new(size_for(self.photo.width()));
        let room = self.photo.width().saturating_sub(2) as usize;
        let size = colorbar::strip_size(&lettering, room, &labels);
        let row = (0..size.width).map(|x| (x as f32 + 0.5) / size.width as f32);
        let ramp = row.collect::<Vec<f32>>().repeat(size.height);
        let ground = vec![self.blend.ground(); ramp.len() * 3];
        let ramp = Maps::new(1, size.height, size.width, ramp)?;
        let strip = blend::apply(self.blend, &ground, &ramp, self.colours());
        let strip = Picture::rgb(size.width as u32, size.height as u32, strip)?;
        Ok(Some(colorbar::labelled(&mut lettering, strip, &labels)))
    }
}
