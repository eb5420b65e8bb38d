//! Masks as pictures.

use super::Mask;
use crate::error::{Error, Result};
use crate::picture::{Picture, shown_size};
use crate::show::{MimeBundle, Show, error_bundle};

/// Space between a mask and its legend.
const GAP: u32 = 8;

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
        let legend = Mask::legend(&[self], pixels.width());
        Ok(Picture::above(&[pixels, legend], GAP))
    }

    /// One legend for several masks of the same classes, of those that are in one of them, about
    /// `width` pixels wide.
    pub fn legend(masks: &[&Mask], width: u32) -> Picture {
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
}

fn sides(width: usize, height: usize) -> Result<(u32, u32)> {
    let side = |n: usize| {
        u32::try_from(n)
            .map_err(|_| Error::Image(format!("{width} × {height} pixels are too many to draw")))
    };
    Ok((side(width)?, side(height)?))
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
