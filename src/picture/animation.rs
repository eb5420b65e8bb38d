//! Pictures one after the other in one file: animated PNG.

use std::borrow::{Borrow, Cow};
use std::path::Path;

use color_quant::NeuQuant;
use png::{BitDepth, ColorType, Compression, Encoder, EncodingError, Filter};

use super::compose::cloned;
use super::file;
use super::picture::Picture;
use super::png::few_colours;
use crate::error::{Error, Result};

/// Bytes that an animation has in a notebook, unless another number is set.
const SHOWN: usize = 200_000;
/// Pictures are not made narrower than this to fit.
const NARROWEST: u32 = 160;

/// Pictures one after the other, again and again: an animated PNG, which browsers play and which
/// shows itself in a notebook like any picture. The last one stays for two seconds; whoever plays
/// nothing sees it alone. In a notebook, all pictures together have 256 colours, those that suit them
/// best, and at most about 200,000 bytes; the file that is saved loses nothing.
///
/// ```
/// use convlens::picture::{Animation, Picture};
/// let shade = |grey: u8| Picture::rgb(8, 8, vec![grey; 192]);
/// let frames = (0..4).map(|i| shade(60 * i)).collect::<Result<Vec<_>, _>>()?;
/// let animation = Animation::new(frames)?.delay(100);
/// assert!(animation.to_png().starts_with(b"\x89PNG"));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Animation {
    frames: Vec<Picture>,
    delay: u16,
    budget: Option<usize>,
}

impl Animation {
    /// An animation of pictures of one size.
    ///
    /// # Errors
    /// When there are none, or their sizes differ.
    pub fn new(frames: impl IntoIterator<Item = impl Borrow<Picture>>) -> Result<Animation> {
        let frames = cloned(frames);
        let sizes: Vec<(u32, u32)> = frames.iter().map(|p| (p.width(), p.height())).collect();
        match sizes.first() {
            None => Err(Error::Argument("an animation of no pictures shows nothing".into())),
            Some(first) if sizes.iter().any(|size| size != first) => Err(Error::Argument(format!(
                "the pictures of an animation have one size; these have {sizes:?}"
            ))),
            Some(_) => Ok(Animation { frames, delay: 150, budget: None }),
        }
    }

    /// How long each picture stays, in milliseconds; 150 by default.
    pub fn delay(&self, milliseconds: u16) -> Animation {
        Animation { delay: milliseconds, ..self.clone() }
    }

    /// How many bytes the file may have, about, in a notebook and saved alike: larger pictures become
    /// smaller, down to a width of 160 pixels. By default, 200,000 in a notebook, and saved as many as it
    /// takes.
    pub fn byte_budget(&self, bytes: usize) -> Animation {
        Animation { budget: Some(bytes), ..self.clone() }
    }

    /// The pictures.
    pub fn frames(&self) -> &[Picture] {
        &self.frames
    }

    /// The file: pictures in all their colours and, unless a [budget](Animation::byte_budget) is set, at
    /// their own size.
    pub fn to_png(&self) -> Vec<u8> {
        self.fitted(self.budget, Coded::exact)
    }

    /// The small file that a notebook stores.
    pub(crate) fn to_light_png(&self) -> Vec<u8> {
        self.fitted(Some(self.budget.unwrap_or(SHOWN)), Coded::in_few_colours)
    }

    fn fitted(&self, budget: Option<usize>, coded: fn(&[Picture]) -> Coded) -> Vec<u8> {
        let width = self.frames.first().map_or(1, Picture::width);
        let mut side = width;
        loop {
            let scaled: Vec<Picture> =
                self.frames.iter().map(|p| narrowed(p, side, width)).collect();
            let file = self.encode(&scaled, &coded(&scaled)).unwrap_or_default();
            let Some(budget) = budget.filter(|&bytes| file.len() > bytes) else { return file };
            if side <= NARROWEST.min(width) {
                return file;
            }
            // What noise costs goes by the area.
            let shrink = (budget as f64 / file.len() as f64).sqrt().clamp(0.3, 0.92);
            let least = NARROWEST.min(width).max(1);
            side =
                ((f64::from(side) * shrink) as u32).clamp(least, side.saturating_sub(1).max(least));
        }
    }

    /// Writes the [file](Animation::to_png).
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

    fn encode(&self, frames: &[Picture], coded: &Coded) -> Result<Vec<u8>, EncodingError> {
        let (Some(last), Some(still)) = (frames.last(), coded.frames.last()) else {
            return Ok(Vec::new());
        };
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, last.width(), last.height());
        encoder.set_depth(BitDepth::Eight);
        match &coded.palette {
            None => {
                encoder.set_compression(Compression::Balanced);
                encoder.set_filter(Filter::Paeth);
                encoder.set_color(ColorType::Rgb);
            }
            Some(palette) => {
                encoder.set_compression(Compression::High);
                // Neighbouring pixels have little to do with each other's places in such a palette.
                encoder.set_filter(Filter::NoFilter);
                encoder.set_color(ColorType::Indexed);
                encoder.set_palette(Cow::Owned(palette.concat()));
            }
        }
        encoder.set_animated(coded.frames.len() as u32, 0)?;
        encoder.set_sep_def_img(true)?;
        encoder.set_frame_delay(self.delay, 1000)?;
        let mut writer = encoder.write_header()?;
        writer.write_image_data(still)?;
        for (i, frame) in coded.frames.iter().enumerate() {
            if i + 1 == coded.frames.len() {
                writer.set_frame_delay(2000, 1000)?;
            }
            writer.write_image_data(frame)?;
        }
        writer.finish()?;
        Ok(file)
    }
}

/// What the pixels of an animation are in its file.
struct Coded {
    /// Of all pictures; none where pixels are RGB.
    palette: Option<Vec<[u8; 3]>>,
    /// RGB bytes, or places in the palette.
    frames: Vec<Vec<u8>>,
}

impl Coded {
    fn exact(frames: &[Picture]) -> Coded {
        let frames = frames.iter().map(|frame| frame.to_rgb().into_raw()).collect();
        Coded { palette: None, frames }
    }

    fn in_few_colours(frames: &[Picture]) -> Coded {
        // Learnt from every so many pixels, which is exact enough and ten times as fast.
        const STEP: i32 = 10;
        let colours = Coded::exact(frames).frames;
        let size = colours.first().map_or(1, |frame| frame.len() / 3).max(1);
        let indexed = |palette: Vec<[u8; 3]>, places: Vec<u8>| Coded {
            palette: Some(palette),
            frames: places.chunks(size).map(<[u8]>::to_vec).collect(),
        };
        if let Some((palette, places)) = few_colours(&colours.concat()) {
            return indexed(palette, places);
        }
        let opaque = |&[r, g, b]: &[u8; 3]| [r, g, b, 255];
        let pixels: Vec<[u8; 4]> =
            colours.iter().flat_map(|frame| frame.as_chunks::<3>().0.iter().map(opaque)).collect();
        let quantizer = NeuQuant::new(STEP, 256, pixels.as_flattened());
        let mut palette: Vec<[u8; 3]> = quantizer.color_map_rgb().as_chunks::<3>().0.to_vec();
        // The ground of a page stays what it is.
        for ground in [[255; 3], [0; 3]] {
            let far = |colour: &[u8; 3]| colour.iter().map(|c| c.abs_diff(ground[0])).max();
            if let Some(nearest) = palette.iter_mut().min_by_key(|colour| far(colour))
                && far(nearest) < Some(8)
            {
                *nearest = ground;
            }
        }
        let places = pixels.iter().map(|pixel| quantizer.index_of(pixel) as u8).collect();
        indexed(palette, places)
    }
}

fn narrowed(picture: &Picture, side: u32, width: u32) -> Picture {
    let height = u64::from(picture.height()) * u64::from(side) / u64::from(width.max(1));
    picture.resized(side, (height as u32).max(1)).unwrap_or_else(|_| picture.clone())
}
