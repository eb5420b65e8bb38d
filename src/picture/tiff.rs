//! TIFF: grey, colours and numbers of any depth.

use std::io::Cursor;

use image::DynamicImage;
use image::metadata::Orientation;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

use super::{Maps, Picture};
use crate::error::{Error, Result};
use crate::panic::caught;

/// Values of more bytes than this are not read: 100 million pixels in four channels of 32 bits.
const MOST_BYTES: usize = 1_600_000_000;

/// What a TIFF begins with: in either order of bytes, and with addresses of 32 or, as BigTIFF, 64 bits.
const MAGIC: [&[u8]; 4] = [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"];

/// The first picture of a TIFF.
pub(crate) struct Tiff {
    pub(crate) width: usize,
    pub(crate) height: usize,
    colour: Colour,
    /// Row by row, the channels of a pixel beside each other. Those of fewer than 8 bits are levels from
    /// 0 to 255, and 0 is always black.
    samples: DecodingResult,
    /// Of a sample, in the file.
    bits: u8,
    /// Whether 0 is white in the file.
    white_is_zero: bool,
    /// Numbers of each pixel beside its colours, which are not read.
    left_out: usize,
    orientation: Orientation,
}

/// What the channels are.
enum Colour {
    Grey,
    GreyAlpha {
        premultiplied: bool,
    },
    Rgb,
    RgbAlpha {
        premultiplied: bool,
    },
    YCbCr,
    Cmyk,
    /// So many numbers that are no colours.
    Bands(usize),
}

impl Colour {
    /// Of a pixel.
    fn channels(&self) -> usize {
        match self {
            Colour::Grey => 1,
            Colour::GreyAlpha { .. } => 2,
            Colour::Rgb | Colour::YCbCr => 3,
            Colour::RgbAlpha { .. } | Colour::Cmyk => 4,
            Colour::Bands(count) => *count,
        }
    }

    fn has_alpha(&self) -> bool {
        matches!(self, Colour::GreyAlpha { .. } | Colour::RgbAlpha { .. })
    }
}

impl Tiff {
    /// Whether a file is a TIFF, by how it begins.
    pub(crate) fn is(bytes: &[u8]) -> bool {
        MAGIC.iter().any(|magic| bytes.starts_with(magic))
    }

    /// Reads a file. `check` says whether a picture may have so many columns, rows and channels; it is
    /// asked before there is memory for the pixels.
    pub(crate) fn read(bytes: &[u8], check: impl Fn(u64, u64, u64) -> Result<()>) -> Result<Tiff> {
        // The decoder multiplies numbers of the file, which panics where overflows are looked for.
        caught(|| Self::decode(bytes, check)).unwrap_or_else(|_| {
            let length = bytes.len();
            Err(Error::Image(format!("a damaged or unsupported TIFF file of {length} bytes")))
        })
    }

    fn decode(bytes: &[u8], check: impl Fn(u64, u64, u64) -> Result<()>) -> Result<Tiff> {
        let damaged = |error: TiffError| {
            Error::Image(format!(
                "a damaged or unsupported TIFF file of {} bytes: {error}",
                bytes.len()
            ))
        };
        let decoder = Decoder::new(Cursor::new(bytes)).map_err(damaged)?;
        let mut limits = Limits::default();
        limits.decoding_buffer_size = MOST_BYTES;
        limits.intermediate_buffer_size = MOST_BYTES;
        let mut decoder = decoder.with_limits(limits);
        let (width, height) = decoder.dimensions().map_err(damaged)?;
        let meaning = decoder.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation);
        let meaning = meaning.ok().flatten();
        if meaning == Some(3) {
            return Err(Error::Image(
                "an unsupported TIFF file: its colours are a palette; save it as RGB".into(),
            ));
        }
        let kind = decoder.colortype().map_err(damaged)?;
        let extra = decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples).map_err(damaged)?;
        let extra = extra.unwrap_or_default();
        let premultiplied = extra.first() == Some(&1);
        let (colour, bits) = match kind {
            ColorType::Gray(bits) => (Colour::Grey, bits),
            ColorType::GrayA(bits) => (Colour::GreyAlpha { premultiplied }, bits),
            ColorType::Multiband { bit_depth, num_samples: 2 } if matches!(extra[..], [1 | 2]) => {
                (Colour::GreyAlpha { premultiplied }, bit_depth)
            }
            ColorType::Multiband { bit_depth, num_samples } => {
                (Colour::Bands(num_samples.into()), bit_depth)
            }
            ColorType::RGB(bits) => (Colour::Rgb, bits),
            ColorType::RGBA(bits) => (Colour::RgbAlpha { premultiplied }, bits),
            ColorType::YCbCr(8) => (Colour::YCbCr, 8),
            ColorType::CMYK(bits) => (Colour::Cmyk, bits),
            other => {
                return Err(Error::Image(format!(
                    "an unsupported TIFF file: its pixels are {other:?}; grey, RGB, YCbCr, CMYK and \
                     bands are opened"
                )));
            }
        };
        if !matches!(bits, 1 | 2 | 4 | 8 | 16 | 32 | 64) || (bits < 8 && colour.channels() > 1) {
            return Err(Error::Image(format!(
                "an unsupported TIFF file: its samples have {bits} bits"
            )));
        }
        check(u64::from(width), u64::from(height), colour.channels() as u64)?;
        let orientation = decoder.find_tag_unsigned::<u8>(Tag::Orientation).ok().flatten();
        let orientation = orientation.and_then(Orientation::from_exif);
        let mut samples = DecodingResult::U8(Vec::new());
        let layout = decoder.read_image_to_buffer(&mut samples).map_err(damaged)?;
        let (width, height) = (width as usize, height as usize);
        let planes = layout.planes;
        if bits < 8 {
            samples = unpacked(samples, width, height, bits)?;
        }
        if planes > 1 {
            samples = interleaved(samples, planes);
        }
        let orientation = orientation.unwrap_or(Orientation::NoTransforms);
        let white_is_zero = meaning == Some(0);
        let left_out = match colour {
            Colour::Bands(_) => 0,
            _ => extra.len() - usize::from(colour.has_alpha()).min(extra.len()),
        };
        let tiff =
            Tiff { width, height, colour, samples, bits, white_is_zero, left_out, orientation };
        let expected = width * height * tiff.colour.channels();
        match tiff.count() == expected {
            true => Ok(tiff),
            false => Err(Error::Image(format!(
                "a damaged TIFF file: {} samples where {width} × {height} pixels have {expected}",
                tiff.count()
            ))),
        }
    }

    fn count(&self) -> usize {
        match &self.samples {
            DecodingResult::U8(v) => v.len(),
            DecodingResult::U16(v) => v.len(),
            DecodingResult::U32(v) => v.len(),
            DecodingResult::U64(v) => v.len(),
            DecodingResult::I8(v) => v.len(),
            DecodingResult::I16(v) => v.len(),
            DecodingResult::I32(v) => v.len(),
            DecodingResult::I64(v) => v.len(),
            DecodingResult::F16(v) => v.len(),
            DecodingResult::F32(v) => v.len(),
            DecodingResult::F64(v) => v.len(),
        }
    }

    /// The picture in 8-bit RGB. Unsigned integers of 8 and 16 bits go from black to white. Other
    /// numbers do so from 0 to 1; where they are not all in that range, from the least to the greatest.
    pub(crate) fn picture(self) -> Result<Picture> {
        if let Colour::Bands(count) = self.colour {
            return Err(Error::Image(format!(
                "the pixels of this TIFF file have {count} bands, which are no photo's colours: open it \
                 with Bands::open, for Model::look_array"
            )));
        }
        let channels = self.colour.channels();
        let (width, height) = (self.width as u32, self.height as u32);
        let (colour, orientation) = (self.colour, self.orientation);
        let levels = match self.samples {
            DecodingResult::U8(levels) => levels,
            DecodingResult::U16(values) => {
                values.iter().map(|&v| ((u32::from(v) * 255 + 32767) / 65535) as u8).collect()
            }
            other => scaled(&floats(other), channels, colour.has_alpha())?,
        };
        let rgb: Vec<u8> = levels.chunks_exact(channels).flat_map(|p| colour.rgb(p)).collect();
        let rgb = image::RgbImage::from_raw(width, height, rgb)
            .ok_or_else(|| Error::Image("the pixels of the TIFF file have another size".into()))?;
        let mut image = DynamicImage::ImageRgb8(rgb);
        image.apply_orientation(orientation);
        Ok(Picture::from(image))
    }

    /// The numbers as they are stored, a map a channel.
    pub(crate) fn maps(self) -> Result<Maps> {
        if self.left_out > 0 {
            return Err(Error::Image(format!(
                "an unsupported TIFF file: each pixel has {} more numbers beside its colours; save all as \
                 bands (PhotometricInterpretation 1, in GDAL -co PHOTOMETRIC=MINISBLACK)",
                self.left_out
            )));
        }
        let channels = self.colour.channels();
        let (height, width) = (self.height, self.width);
        let samples = if self.white_is_zero { inverted(self.samples)? } else { self.samples };
        let mut values = floats(samples);
        if self.bits < 8 {
            let step = f32::from(step(self.bits));
            values.iter_mut().for_each(|value| *value /= step);
        }
        let plane = |c: usize| values.iter().skip(c).step_by(channels).copied();
        let planes = (0..channels).flat_map(plane).collect();
        Maps::new(channels, height, width, planes)
    }
}

impl Colour {
    /// A pixel's colour, on white.
    fn rgb(&self, pixel: &[u8]) -> [u8; 3] {
        let over = |value: u8, alpha: u8, premultiplied: bool| {
            let (value, alpha) = (u32::from(value), u32::from(alpha));
            let share = if premultiplied { 255 * value } else { alpha * value };
            ((share + 255 * (255 - alpha) + 127) / 255).min(255) as u8
        };
        match (self, pixel) {
            (Colour::Grey, &[v]) => [v; 3],
            (Colour::GreyAlpha { premultiplied }, &[v, a]) => [over(v, a, *premultiplied); 3],
            (Colour::Rgb, &[r, g, b]) => [r, g, b],
            (Colour::RgbAlpha { premultiplied }, &[r, g, b, a]) => {
                [r, g, b].map(|v| over(v, a, *premultiplied))
            }
            (Colour::YCbCr, &[y, b, r]) => {
                let [y, b, r] = [f32::from(y), f32::from(b) - 128.0, f32::from(r) - 128.0];
                let colours = [y + 1.402 * r, y - 0.344_136 * b - 0.714_136 * r, y + 1.772 * b];
                colours.map(|v| v.round().clamp(0.0, 255.0) as u8)
            }
            (Colour::Cmyk, &[c, m, y, k]) => {
                let light = 255 - u32::from(k);
                [c, m, y].map(|ink| (((255 - u32::from(ink)) * light + 127) / 255) as u8)
            }
            _ => [0; 3],
        }
    }
}

/// From one level of so few bits to the next, of 255.
fn step(bits: u8) -> u8 {
    (255 / ((1u16 << bits) - 1)) as u8
}

/// The samples of a file in which 0 is white, as they were before the decoder inverted them.
fn inverted(samples: DecodingResult) -> Result<DecodingResult> {
    Ok(match samples {
        DecodingResult::U8(v) => DecodingResult::U8(v.into_iter().map(|v| !v).collect()),
        DecodingResult::U16(v) => DecodingResult::U16(v.into_iter().map(|v| !v).collect()),
        DecodingResult::U32(v) => DecodingResult::U32(v.into_iter().map(|v| !v).collect()),
        DecodingResult::U64(v) => DecodingResult::U64(v.into_iter().map(|v| !v).collect()),
        // 1 - (1 - v) is not v: small values are lost.
        _ => {
            return Err(Error::Image(
                "an unsupported TIFF file: it holds floats of which 0 is white; save it with 0 as \
                 black (PhotometricInterpretation 1)"
                    .into(),
            ));
        }
    })
}

/// One sample a byte, from black to white. Rows begin at whole bytes.
fn unpacked(
    samples: DecodingResult,
    width: usize,
    height: usize,
    bits: u8,
) -> Result<DecodingResult> {
    let DecodingResult::U8(packed) = samples else {
        return Err(Error::Image(format!("an unsupported TIFF file of {bits} bits a sample")));
    };
    let each = usize::from(8 / bits);
    let most = (1u16 << bits) - 1;
    let step = step(bits);
    let mut levels = Vec::with_capacity(width * height);
    for row in packed.chunks_exact(width.div_ceil(each).max(1)).take(height) {
        let level = |x: usize| {
            let shift = 8 - bits * (x % each + 1) as u8;
            ((row[x / each] >> shift) & most as u8) * step
        };
        levels.extend((0..width).map(level));
    }
    Ok(DecodingResult::U8(levels))
}

/// From plane after plane to pixel after pixel.
fn interleaved(samples: DecodingResult, planes: usize) -> DecodingResult {
    fn woven<T: Copy>(values: &[T], planes: usize) -> Vec<T> {
        let size = values.len() / planes;
        (0..size).flat_map(|i| (0..planes).map(move |p| values[p * size + i])).collect()
    }
    match samples {
        DecodingResult::U8(v) => DecodingResult::U8(woven(&v, planes)),
        DecodingResult::U16(v) => DecodingResult::U16(woven(&v, planes)),
        other => DecodingResult::F32(woven(&floats(other), planes)),
    }
}

/// The values in single precision.
fn floats(samples: DecodingResult) -> Vec<f32> {
    match samples {
        DecodingResult::U8(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::U16(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::U32(v) => v.into_iter().map(|v| v as f32).collect(),
        DecodingResult::U64(v) => v.into_iter().map(|v| v as f32).collect(),
        DecodingResult::I8(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::I16(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::I32(v) => v.into_iter().map(|v| v as f32).collect(),
        DecodingResult::I64(v) => v.into_iter().map(|v| v as f32).collect(),
        DecodingResult::F16(v) => v.into_iter().map(f32::from).collect(),
        DecodingResult::F32(v) => v,
        DecodingResult::F64(v) => v.into_iter().map(|v| v as f32).collect(),
    }
}

/// Numbers as 256 levels; an alpha always goes from 0 to 1.
fn scaled(values: &[f32], channels: usize, has_alpha: bool) -> Result<Vec<u8>> {
    let coloured = if has_alpha { channels - 1 } else { channels };
    let colours = || values.chunks_exact(channels).flat_map(|pixel| &pixel[..coloured]);
    let odd = colours().filter(|v| !v.is_finite()).count();
    if odd > 0 {
        return Err(Error::Image(format!(
            "{odd} values of the TIFF file are NaN or infinite, which no colour stands for"
        )));
    }
    let extent = colours()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    let (low, high) = match extent {
        (low, high) if low >= 0.0 && high <= 1.0 => (0.0, 1.0),
        (low, high) => (f64::from(low), f64::from(high)),
    };
    let span = if high > low { high - low } else { 1.0 };
    let level = |v: f64| (v * 255.0).round().clamp(0.0, 255.0) as u8;
    let levels = values.chunks_exact(channels).flat_map(|pixel| {
        pixel.iter().enumerate().map(|(c, &v)| match c < coloured {
            true => level((f64::from(v) - low) / span),
            false => level(f64::from(v)),
        })
    });
    Ok(levels.collect())
}
