//! Pictures one after the other in one file: animated PNG.

use std::path::Path;

use png::{BitDepth, ColorType, Compression, Encoder, EncodingError, Filter};

use super::file;
use super::picture::Picture;
use crate::error::{Error, Result};

/// Bytes of a file, unless another number is set.
const BUDGET: usize = 1_500_000;
/// Pictures are not made narrower than this to fit.
const NARROWEST: u32 = 160;

/// Pictures one after the other, again and again: an animated PNG, which browsers play and which
/// shows itself in a notebook like any picture. The last one stays for two seconds; whoever plays
/// nothing sees it alone.
///
/// ```
/// use convlens::picture::{Animation, Picture};
/// let shade = |grey: u8| Picture::rgb(8, 8, vec![grey; 192]);
/// let frames = (0..4).map(|i| shade(60 * i)).collect::<Result<Vec<_>, _>>()?;
/// let animation = Animation::new(frames)?.delay(100);
/// assert!(animation.to_png().starts_with(b"\x89PNG"));
/// # Ok::<(), convlens::error::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Animation {
    frames: Vec<Picture>,
    delay: u16,
    budget: usize,
}

impl Animation {
    /// An animation of pictures of one size.
    ///
    /// # Errors
    /// When there are none, or their sizes differ.
    pub fn new(frames: Vec<Picture>) -> Result<Animation> {
        let sizes: Vec<(u32, u32)> = frames.iter().map(|p| (p.width(), p.height())).collect();
        match sizes.first() {
            None => Err(Error::Argument("an animation of no pictures shows nothing".into())),
            Some(first) if sizes.iter().any(|size| size != first) => Err(Error::Argument(format!(
                "the pictures of an animation have one size; these have {sizes:?}"
            ))),
            Some(_) => Ok(Animation { frames, delay: 150, budget: BUDGET }),
        }
    }

    /// How long each picture stays, in milliseconds; 150 by default.
    pub fn delay(mut self, milliseconds: u16) -> Animation {
        self.delay = milliseconds;
        self
    }

    /// How many bytes the file may have, about; 1.5 million by default. Larger pictures become
    /// smaller, down to a width of 160 pixels.
    pub fn byte_budget(mut self, bytes: usize) -> Animation {
        self.budget = bytes;
        self
    }

    /// The pictures.
    pub fn frames(&self) -> &[Picture] {
        &self.frames
    }

    /// The file.
    pub fn to_png(&self) -> Vec<u8> {
        let width = self.frames.first().map_or(1, Picture::width);
        let mut side = width;
        loop {
            let scaled: Vec<Picture> =
                self.frames.iter().map(|p| narrowed(p, side, width)).collect();
            let file = self.encode(&scaled).unwrap_or_default();
            if file.len() <= self.budget || side <= NARROWEST.min(width) {
                return file;
            }
            // What noise costs goes by the area.
            let shrink = (self.budget as f64 / file.len() as f64).sqrt().clamp(0.3, 0.92);
            let least = NARROWEST.min(width).max(1);
            side =
                ((f64::from(side) * shrink) as u32).clamp(least, side.saturating_sub(1).max(least));
        }
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When the name does not end in `.png` or `.apng`, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        if !matches!(ending.as_deref(), Some("png" | "apng")) {
            return Err(Error::file(path, "animations are written as .png or .apng"));
        }
        file::write(path, &self.to_png(), "the animation")
    }

    fn encode(&self, frames: &[Picture]) -> Result<Vec<u8>, EncodingError> {
        let Some(last) = frames.last() else { return Ok(Vec::new()) };
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, last.width(), last.height());
        encoder.set_depth(BitDepth::Eight);
        encoder.set_compression(Compression::Balanced);
        encoder.set_filter(Filter::Paeth);
        encoder.set_color(ColorType::Rgb);
        encoder.set_animated(frames.len() as u32, 0)?;
        encoder.set_sep_def_img(true)?;
        encoder.set_frame_delay(self.delay, 1000)?;
        let mut writer = encoder.write_header()?;
        writer.write_image_data(last.to_rgb().as_raw())?;
        for (i, frame) in frames.iter().enumerate() {
            if i + 1 == frames.len() {
                writer.set_frame_delay(2000, 1000)?;
            }
            writer.write_image_data(frame.to_rgb().as_raw())?;
        }
        writer.finish()?;
        Ok(file)
    }
}

fn narrowed(picture: &Picture, side: u32, width: u32) -> Picture {
    let height = u64::from(picture.height()) * u64::from(side) / u64::from(width.max(1));
    picture.resized(side, (height as u32).max(1)).unwrap_or_else(|_| picture.clone())
}
