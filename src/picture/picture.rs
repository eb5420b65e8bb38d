//! A picture: pixels in memory, and the ways out.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageFormat, RgbImage};

use super::{file, jpeg, png};
use crate::error::{Error, Result};

/// No picture is made larger than this.
pub(super) const MOST_PIXELS: u64 = 1 << 27;

/// Pixels, in 8-bit RGB or as indices into a palette. Cheap to clone, and never empty.
///
/// ```
/// use convlens::picture::Picture;
/// let dots = Picture::indexed(2, 1, vec![0, 1], vec![[255, 255, 255], [200, 0, 0]])?;
/// assert_eq!(dots.to_rgb().into_raw(), [255, 255, 255, 200, 0, 0]);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
pub struct Picture {
    pixels: Arc<Pixels>,
    /// Rows at the foot that belong to the picture but are none of it: a bar of colours, a caption.
    apron: u32,
}

struct Pixels {
    width: u32,
    height: u32,
    data: Vec<u8>,
    /// `None`: the data are RGB.
    palette: Option<Vec<[u8; 3]>>,
}

impl Picture {
    /// A picture from its RGB bytes, row by row.
    ///
    /// # Errors
    /// When a side is 0, or the number of bytes is not `3 * width * height`.
    pub fn rgb(width: u32, height: u32, data: Vec<u8>) -> Result<Picture> {
        check_size(width, height, 3, data.len())?;
        Ok(Picture::from_parts(width, height, data, None))
    }

    /// A picture of at most 256 colours, from the index of each pixel's colour, row by row.
    ///
    /// # Errors
    /// When a side is 0, the number of indices is not `width * height`, or one of them is not in
    /// the palette.
    pub fn indexed(
        width: u32,
        height: u32,
        data: Vec<u8>,
        palette: Vec<[u8; 3]>,
    ) -> Result<Picture> {
        check_size(width, height, 1, data.len())?;
        if palette.len() > 256 {
            return Err(Error::Image(format!(
                "a palette has at most 256 colours, not {}",
                palette.len()
            )));
        }
        let largest = data.iter().copied().max().unwrap_or(0);
        if usize::from(largest) >= palette.len() {
            return Err(Error::Image(format!(
                "a pixel has colour {largest} of a palette of {}",
                palette.len()
            )));
        }
        Ok(Picture::from_parts(width, height, data, Some(palette)))
    }

    /// For callers whose sizes and indices are right by construction.
    pub(super) fn from_indexed(
        width: u32,
        height: u32,
        data: Vec<u8>,
        palette: Vec<[u8; 3]>,
    ) -> Picture {
        debug_assert_eq!(data.len(), width as usize * height as usize);
        Picture::from_parts(width, height, data, Some(palette))
    }

    fn from_parts(width: u32, height: u32, data: Vec<u8>, palette: Option<Vec<[u8; 3]>>) -> Self {
        Picture { pixels: Arc::new(Pixels { width, height, data, palette }), apron: 0 }
    }

    /// The same with so many rows at its foot below what pictures in a row line up by.
    pub(super) fn with_apron(mut self, rows: u32) -> Picture {
        self.apron = rows.min(self.height().saturating_sub(1));
        self
    }

    /// How many rows at the foot are a bar of colours or a caption.
    pub(super) fn apron(&self) -> u32 {
        self.apron
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.pixels.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.pixels.height
    }

    /// The palette, where pixels are indices into one.
    pub fn palette(&self) -> Option<&[[u8; 3]]> {
        self.pixels.palette.as_deref()
    }

    /// RGB bytes, or, where there is a [`palette`](Picture::palette), indices; row by row.
    pub fn data(&self) -> &[u8] {
        &self.pixels.data
    }

    /// A copy in RGB.
    pub fn to_rgb(&self) -> RgbImage {
        let pixels = &*self.pixels;
        let data = match &pixels.palette {
            None => pixels.data.clone(),
            Some(palette) => {
                let mut colours = [[0; 3]; 256];
                for (colour, entry) in colours.iter_mut().zip(palette) {
                    *colour = *entry;
                }
                pixels.data.iter().flat_map(|&index| colours[usize::from(index)]).collect()
            }
        };
        RgbImage::from_raw(pixels.width, pixels.height, data).unwrap_or_default()
    }

    /// The picture as a PNG file. A picture with a palette keeps it. Made for speed: a few
    /// milliseconds a million pixels, at about the size of other encoders' default.
    pub fn to_png(&self) -> Vec<u8> {
        png::encode(self)
    }

    /// The PNG in base64.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.to_png())
    }

    /// An HTML `img` element that holds the picture itself.
    pub fn to_html(&self) -> String {
        image_element("image/png", &self.to_png(), self.width(), self.height())
    }

    /// Writes the picture to a file: PNG, JPEG (at quality 90), WebP (lossless) or BMP by the
    /// ending of its name, PNG without one. A file that is there is replaced once the new one is
    /// whole.
    ///
    /// # Errors
    /// When the ending is another one, or the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        file::write(path, &self.to_file(path)?, "the picture")
    }

    fn to_file(&self, path: &Path) -> Result<Vec<u8>> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        let mut bytes = std::io::Cursor::new(Vec::new());
        let done = match ending.as_deref() {
            None | Some("png") => return Ok(self.to_png()),
            Some("jpg" | "jpeg") => {
                return jpeg::encode(self, 90).map_err(|error| Error::file(path, error));
            }
            Some("webp") => self.to_rgb().write_to(&mut bytes, ImageFormat::WebP),
            Some("bmp") => self.to_rgb().write_to(&mut bytes, ImageFormat::Bmp),
            Some(other) => {
                let values = if other == "npy" { "; values by save_npy" } else { "" };
                return Err(Error::file(
                    path,
                    format!(
                        "pictures are written as png, jpg, webp or bmp, not as {other:?}{values}"
                    ),
                ));
            }
        };
        done.map_err(|error| Error::file(path, error))?;
        Ok(bytes.into_inner())
    }

    /// The picture at another size, antialiased. Whole multiples of a picture with a palette
    /// repeat its pixels and keep the palette; otherwise the result is in RGB.
    ///
    /// # Errors
    /// When a side is 0, or there would be more than 134 million pixels.
    pub fn resized(&self, width: u32, height: u32) -> Result<Picture> {
        if width == 0 || height == 0 || u64::from(width) * u64::from(height) > MOST_PIXELS {
            return Err(Error::Argument(format!(
                "a picture of {width} × {height} pixels cannot be made"
            )));
        }
        if (width, height) == (self.width(), self.height()) {
            return Ok(self.clone());
        }
        let apron = u64::from(self.apron) * u64::from(height) / u64::from(self.height());
        let whole = width.is_multiple_of(self.width()) && height.is_multiple_of(self.height());
        if whole && self.palette().is_some() {
            return Ok(self.repeated(width / self.width(), height / self.height()));
        }
        // Triangle blurs less where a picture shrinks; the cubic is smoother where it grows.
        let grows = width >= self.width() && height >= self.height();
        let filter = if grows { FilterType::CatmullRom } else { FilterType::Triangle };
        let resized = Picture::from(imageops::resize(&self.to_rgb(), width, height, filter));
        Ok(resized.with_apron(apron as u32))
    }

    /// Every pixel as a block of `factor` by `factor`, so that single pixels can be seen.
    ///
    /// # Errors
    /// When the factor is 0, or there would be more than 134 million pixels.
    pub fn enlarged(&self, factor: u32) -> Result<Picture> {
        let side = |n: u32| u64::from(n) * u64::from(factor);
        let (width, height) = (side(self.width()), side(self.height()));
        if factor == 0 || width.saturating_mul(height) > MOST_PIXELS {
            return Err(Error::Argument(format!(
                "a picture of {} × {} pixels cannot be enlarged {factor} times",
                self.width(),
                self.height()
            )));
        }
        Ok(self.repeated(factor, factor))
    }

    fn repeated(&self, across: u32, down: u32) -> Picture {
        let (across, down) = (across as usize, down as usize);
        let depth = if self.palette().is_some() { 1 } else { 3 };
        let row_bytes = self.width() as usize * depth;
        let mut data = Vec::with_capacity(self.data().len() * across * down);
        for row in self.data().chunks_exact(row_bytes) {
            let start = data.len();
            for pixel in row.chunks_exact(depth) {
                for _ in 0..across {
                    data.extend_from_slice(pixel);
                }
            }
            let end = data.len();
            for _ in 1..down {
                data.extend_from_within(start..end);
            }
        }
        let (width, height) = (self.width() * across as u32, self.height() * down as u32);
        let palette = self.pixels.palette.clone();
        Picture::from_parts(width, height, data, palette).with_apron(self.apron * down as u32)
    }
}

/// An HTML `img` element that holds its file.
pub(crate) fn image_element(mime: &str, file: &[u8], width: u32, height: u32) -> String {
    let data = STANDARD.encode(file);
    format!(
        "<img src=\"data:{mime};base64,{data}\" width=\"{width}\" height=\"{height}\" \
         alt=\"picture, {width} by {height} pixels\">"
    )
}

fn check_size(width: u32, height: u32, depth: usize, bytes: usize) -> Result<()> {
    if width == 0 || height == 0 {
        return Err(Error::Image(format!("a picture of {width} × {height} pixels has no pixels")));
    }
    let expected = (width as usize).checked_mul(height as usize).and_then(|n| n.checked_mul(depth));
    if expected != Some(bytes) {
        return Err(Error::Image(format!(
            "a picture of {width} × {height} pixels at {depth} bytes each cannot be made of \
             {bytes} bytes"
        )));
    }
    Ok(())
}

impl Picture {
    /// The same pixels in RGB, shared where they are that already, with nothing at the foot that is no part of
    /// the picture.
    pub(crate) fn plain(&self) -> Picture {
        match self.pixels.palette {
            None => Picture { pixels: Arc::clone(&self.pixels), apron: 0 },
            Some(_) => self.to_rgb().into(),
        }
    }
}

impl From<RgbImage> for Picture {
    /// An image without pixels becomes a single white one.
    fn from(image: RgbImage) -> Picture {
        let (width, height) = image.dimensions();
        if width == 0 || height == 0 {
            return Picture::from_parts(1, 1, vec![255; 3], None);
        }
        Picture::from_parts(width, height, image.into_raw(), None)
    }
}

impl From<&DynamicImage> for Picture {
    /// As [from the image itself](#impl-From<DynamicImage>-for-Picture).
    fn from(image: &DynamicImage) -> Picture {
        image.clone().into()
    }
}

impl From<DynamicImage> for Picture {
    /// Of any depth and colour; what is transparent lies on white.
    fn from(image: DynamicImage) -> Picture {
        if !image.color().has_alpha() {
            return image.into_rgb8().into();
        }
        let rgba = image.into_rgba8();
        let (width, height) = rgba.dimensions();
        let data = rgba
            .pixels()
            .flat_map(|pixel| {
                let [red, green, blue, alpha] = pixel.0.map(u32::from);
                [red, green, blue].map(|c| ((c * alpha + 255 * (255 - alpha) + 127) / 255) as u8)
            })
            .collect();
        RgbImage::from_raw(width, height, data).unwrap_or_default().into()
    }
}
