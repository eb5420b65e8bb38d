//! Sections as pictures.

use convlens::Result;
use convlens::mask::Mask;
use convlens::photo::Photo;
use convlens::picture::{Colormap, NAN, NEGATIVE_INFINITY, POSITIVE_INFINITY, Picture, shown_size};
use convlens::show::{MimeBundle, Show};

use super::Section;

/// Space between pictures that stand together.
const GAP: u32 = 8;

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
        // A section has at most 100 million samples, so its sides fit.
        let (width, height) = (self.width as u32, self.height as u32);
        Picture::indexed(width, height, self.amplitudes.iter().map(shade).collect(), palette)
    }

    /// The section as a grey [`Photo`], pixel for pixel.
    ///
    /// # Errors
    /// As [`picture`](Section::picture).
    pub fn photo(&self) -> Result<Photo> {
        Ok(Photo::from_picture(&self.picture()?).titled(&self.title))
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
        let row = Picture::flowed(&parts, GAP);
        if masks.is_empty() {
            return Ok(row);
        }
        let masks: Vec<&Mask> = masks.iter().map(|(mask, _)| mask).collect();
        let legend = Mask::legend(&masks, row.width());
        Ok(Picture::above(&[row, legend], GAP))
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
        self.arranged(None).map(|picture| MimeBundle::picture(picture, text)).bundle()
    }
}
