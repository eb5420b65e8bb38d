//! Sections and masks as pictures.

use image::DynamicImage;

use super::{Mask, Section};
use crate::error::{Error, Result};
use crate::photo::Photo;
use crate::picture::{Colormap, NAN, NEGATIVE_INFINITY, POSITIVE_INFINITY, Picture};
use crate::show::{MimeBundle, Show, error_bundle};

/// Space between pictures that stand together.
const GAP: u32 = 8;
/// Sections are shown no wider or higher than this.
const SHOWN_SIDE: usize = 1000;
/// Smaller ones are shown with each sample as a block, about this large.
const LEAST_SIDE: usize = 240;

impl Section {
    /// The section in grey: 0 is grey, and the 99th percentile of the magnitudes is white or
    /// black, as [`to_tensor`](Section::to_tensor) scales it. NaN is magenta, the infinities green
    /// and cyan.
    ///
    /// # Errors
    /// When a picture cannot be as large.
    pub fn picture(&self) -> Result<Picture> {
        self.picture_in(Colormap::Gray)
    }

    /// The section in other colours; [`RdBu`](Colormap::RdBu) and
    /// [`Coolwarm`](Colormap::Coolwarm) have a colour for either sign.
    ///
    /// # Errors
    /// As [`picture`](Section::picture).
    pub fn picture_in(&self, colormap: Colormap) -> Result<Picture> {
        const LAST: u8 = 252;
        let (centre, reach) = self.range();
        let shade = |&value: &f32| {
            if value.is_finite() {
                let t = (f64::from(value) - centre) / reach / 2.0 + 0.5;
                (t * f64::from(LAST)).round().clamp(0.0, f64::from(LAST)) as u8
            } else if value.is_nan() {
                LAST + 1
            } else if value > 0.0 {
                LAST + 2
            } else {
                LAST + 3
            }
        };
        let level = |i: u8| colormap.color((f32::from(i) + 0.5) / (f32::from(LAST) + 1.0));
        let odd = [NAN, POSITIVE_INFINITY, NEGATIVE_INFINITY];
        let palette = (0..=LAST).map(level).chain(odd).collect();
        let (width, height) = sides(self.width, self.height)?;
        Picture::indexed(width, height, self.amplitudes.iter().map(shade).collect(), palette)
    }

    /// The section as a grey [`Photo`], pixel for pixel.
    ///
    /// # Errors
    /// As [`picture`](Section::picture).
    pub fn photo(&self) -> Result<Photo> {
        let pixels = DynamicImage::ImageRgb8(self.picture()?.to_rgb());
        Ok(Photo::from_image(&pixels)?.titled(&self.title))
    }

    /// The mask in the colours of its classes, with their legend.
    ///
    /// # Errors
    /// When this section has no labels, or a picture cannot be as large.
    pub fn mask_picture(&self) -> Result<Picture> {
        self.mask()?.picture()
    }

    /// Section, prediction and mask beside each other under one legend, with what was right. Where
    /// the section has no labels, section and prediction.
    ///
    /// # Errors
    /// When the prediction is of another size, or pictures cannot be as large.
    pub fn compared(&self, predicted: &Mask) -> Result<Picture> {
        let mut parts = vec![(self.picture()?, self.title.to_string())];
        let Some(mask) = &self.mask else {
            parts.push((predicted.pixels()?, "prediction".to_owned()));
            return Ok(together(parts, &[predicted]));
        };
        let accuracy = 100.0 * mask.score(predicted)?.pixel_accuracy();
        parts.push((predicted.pixels()?, format!("prediction: {accuracy:.1} % of pixels right")));
        parts.push((mask.pixels()?, "mask".to_owned()));
        Ok(together(parts, &[predicted, mask]))
    }

    fn shown(&self) -> Result<Picture> {
        let (height, width) = shown_size(self.height, self.width);
        let small = self.resized(height.min(self.height), width.min(self.width))?;
        let enlarge = |picture: Picture| picture.enlarged((width / small.width).max(1) as u32);
        let mut parts = vec![(enlarge(small.picture()?)?, self.title.to_string())];
        let Some(mask) = &small.mask else {
            return Ok(together(parts, &[]));
        };
        parts.push((enlarge(mask.pixels()?)?, "mask".to_owned()));
        Ok(together(parts, &[mask]))
    }
}

/// A size for eyes: `(height, width)`, a whole multiple of a small section.
fn shown_size(height: usize, width: usize) -> (usize, usize) {
    let longer = height.max(width);
    if longer > SHOWN_SIDE {
        let fitted = |n: usize| (n * SHOWN_SIDE / longer).max(1);
        return (fitted(height), fitted(width));
    }
    let factor = (LEAST_SIDE / longer).max(1);
    (height * factor, width * factor)
}

/// Pictures under their titles, wide ones under each other, and a legend of all that is in the
/// masks.
fn together(parts: Vec<(Picture, String)>, masks: &[&Mask]) -> Picture {
    let wide = parts.iter().any(|(picture, _)| picture.width() > 500);
    let titled: Vec<Picture> =
        parts.into_iter().map(|(picture, title)| picture.titled(&title)).collect();
    let row = match wide {
        true => Picture::above(&titled, GAP),
        false => Picture::beside(&titled, GAP),
    };
    match masks {
        [] => row,
        _ => {
            let legend = legend(masks, row.width());
            Picture::above(&[row, legend], GAP)
        }
    }
}

/// The classes that are in one of the masks.
fn legend(masks: &[&Mask], width: u32) -> Picture {
    let mut present = Vec::new();
    for mask in masks {
        for (class, count) in mask.counts().into_iter().enumerate() {
            if let Some(name) = mask.classes().name(class)
                && count > 0
                && !present.iter().any(|&(seen, _, _)| seen == class)
            {
                present.push((class, mask.classes().colour(class), name));
            }
        }
    }
    present.sort_by_key(|&(class, _, _)| class);
    let entries: Vec<([u8; 3], &str)> =
        present.into_iter().map(|(_, colour, name)| (colour, name)).collect();
    Picture::legend(&entries, width)
}

fn sides(width: usize, height: usize) -> Result<(u32, u32)> {
    let side = |n: usize| {
        u32::try_from(n)
            .map_err(|_| Error::Image(format!("{width} × {height} pixels are too many to draw")))
    };
    Ok((side(width)?, side(height)?))
}

impl Mask {
    /// The mask in the colours of its classes, a pixel a label, without a legend.
    ///
    /// # Errors
    /// When a picture cannot be as large.
    pub fn pixels(&self) -> Result<Picture> {
        let (width, height) = sides(self.width(), self.height())?;
        let palette = (0..self.classes().len()).map(|class| self.classes().colour(class));
        Picture::indexed(width, height, self.labels().to_vec(), palette.collect())
    }

    /// The mask in the colours of its classes, with a legend of those that are in it.
    ///
    /// # Errors
    /// When a picture cannot be as large.
    pub fn picture(&self) -> Result<Picture> {
        let (height, width) = shown_size(self.height(), self.width());
        let small = self.resized(height.min(self.height()), width.min(self.width()))?;
        let pixels = small.pixels()?.enlarged((width / small.width()).max(1) as u32)?;
        let legend = legend(&[self], pixels.width());
        Ok(Picture::above(&[pixels, legend], GAP))
    }
}

impl Show for Section {
    fn bundle(&self) -> MimeBundle {
        let labels = match self.mask {
            Some(_) => ", with its mask",
            None => "",
        };
        let text =
            format!("{}, {} traces of {} samples{labels}", self.title, self.width, self.height);
        match self.shown() {
            Ok(picture) => MimeBundle::picture(picture, text),
            Err(error) => error_bundle(&error),
        }
    }
}

impl Show for Mask {
    fn bundle(&self) -> MimeBundle {
        let all = (self.height() * self.width()) as f64;
        let share = |(class, count): (usize, usize)| {
            let name = self.classes().name(class)?;
            (count > 0).then(|| format!("{name} {:.1} %", 100.0 * count as f64 / all))
        };
        let shares: Vec<String> = self.counts().into_iter().enumerate().filter_map(share).collect();
        let text = format!("{} × {}: {}", self.width(), self.height(), shares.join(", "));
        match self.picture() {
            Ok(picture) => MimeBundle::picture(picture, text),
            Err(error) => error_bundle(&error),
        }
    }
}
