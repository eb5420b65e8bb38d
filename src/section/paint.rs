//! Sections and masks as pictures.

use image::DynamicImage;

use super::{Mask, Section};
use crate::error::{Error, Result};
use crate::photo::Photo;
use crate::picture::{Colormap, NAN, NEGATIVE_INFINITY, POSITIVE_INFINITY, Picture};
use crate::show::{MimeBundle, Show, error_bundle};

/// Space between pictures that stand together.
const GAP: u32 = 8;
/// The width of a notebook's column, and what is still high on a screen.
const COLUMN: usize = 1100;
const HIGHEST: usize = 1000;
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

    /// Section, prediction and mask beside each other under one legend, with the share of pixels
    /// that are right; together they fit into a notebook. Where the section has no labels, section
    /// and prediction.
    ///
    /// # Errors
    /// When the prediction is of another size, or pictures cannot be as large.
    pub fn compared(&self, predicted: &Mask) -> Result<Picture> {
        let right = match &self.mask {
            Some(mask) => {
                let accuracy = 100.0 * mask.score(predicted)?.pixel_accuracy();
                format!(": {accuracy:.1} % of pixels right")
            }
            None => String::new(),
        };
        self.arranged(Some((predicted, format!("prediction{right}"))))
    }

    /// The section, a prediction and the mask, as far as there are any.
    fn arranged(&self, predicted: Option<(&Mask, String)>) -> Result<Picture> {
        let count = 1 + usize::from(predicted.is_some()) + usize::from(self.mask.is_some());
        let (height, width) = shown_size(self.height, self.width, count);
        let small = self.resized(height.min(self.height), width.min(self.width))?;
        let factor = (width / small.width).max(1) as u32;
        let mut masks = Vec::new();
        if let Some((mask, title)) = predicted {
            masks.push((mask.resized(small.height, small.width)?, title));
        }
        if let Some(mask) = &small.mask {
            masks.push((mask.clone(), "mask".to_owned()));
        }
        let mut parts = vec![small.picture()?.enlarged(factor)?.titled(&self.title)];
        for (mask, title) in &masks {
            parts.push(mask.pixels()?.enlarged(factor)?.titled(title));
        }
        let row = match side_by_side(self.height, self.width) {
            true => Picture::beside(&parts, GAP),
            false => Picture::above(&parts, GAP),
        };
        if masks.is_empty() {
            return Ok(row);
        }
        let masks: Vec<&Mask> = masks.iter().map(|(mask, _)| mask).collect();
        let legend = legend(&masks, row.width());
        Ok(Picture::above(&[row, legend], GAP))
    }
}

/// Whether pictures of this size stand beside each other, or under each other.
fn side_by_side(height: usize, width: usize) -> bool {
    width <= 2 * height
}

/// A size for eyes, `(height, width)`, of which `count` fit into a notebook's column: a whole
/// multiple of a small section, a fraction of a large one.
fn shown_size(height: usize, width: usize, count: usize) -> (usize, usize) {
    let beside = if side_by_side(height, width) { count } else { 1 };
    let room = (COLUMN + GAP as usize) / beside - GAP as usize;
    if width > room || height > HIGHEST {
        let shrink = |n: usize| {
            let by_width = n as u64 * room as u64 / width as u64;
            let by_height = n as u64 * HIGHEST as u64 / height as u64;
            (by_width.min(by_height) as usize).max(1)
        };
        return (shrink(height), shrink(width));
    }
    let side = height.max(width);
    let factor = ((LEAST_SIDE + side / 2) / side).max(1);
    (height * factor, width * factor)
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
        let (height, width) = shown_size(self.height(), self.width(), 1);
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
        match self.arranged(None) {
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
