//! PNG files.

use std::borrow::Cow;
use std::collections::HashMap;

use png::{BitDepth, ColorType, Compression, Encoder, Filter};

use super::picture::Picture;

/// The picture as a PNG file, with its palette where it has one, or where its colours fit into one.
///
/// Neighbouring levels of a colour map are neighbours in the palette too, so Paeth's filter leaves
/// small numbers even in indexed pictures; on those, the fastest compression is within a few per
/// cent of the slowest.
pub(super) fn encode(picture: &Picture) -> Vec<u8> {
    let indexed = picture.with_palette();
    write(indexed.as_ref().unwrap_or(picture), Compression::Fastest, Filter::Paeth)
}

/// A file as small as can be without losing anything, which takes some ten times as long.
pub(crate) fn smallest(picture: &Picture) -> Vec<u8> {
    let filtered = write(picture, Compression::Balanced, Filter::Paeth);
    if picture.palette().is_none() {
        return filtered;
    }
    // Where neighbours have little in common, differences are no smaller than the values.
    let plain = write(picture, Compression::Balanced, Filter::NoFilter);
    if plain.len() < filtered.len() { plain } else { filtered }
}

fn write(picture: &Picture, compression: Compression, filter: Filter) -> Vec<u8> {
    let mut file = Vec::with_capacity(picture.data().len() / 2 + 2048);
    let mut encoder = Encoder::new(&mut file, picture.width(), picture.height());
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(compression);
    encoder.set_filter(filter);
    match picture.palette() {
        Some(palette) => {
            encoder.set_color(ColorType::Indexed);
            encoder.set_palette(Cow::Owned(palette.as_flattened().to_vec()));
        }
        None => encoder.set_color(ColorType::Rgb),
    }
    // A Vec takes everything, and a picture has as many bytes as its size says.
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(picture.data())?;
        writer.finish()
    });
    debug_assert!(written.is_ok(), "{written:?}");
    file
}

impl Picture {
    /// The same picture with a palette, if it has one or its colours fit into one.
    pub(crate) fn with_palette(&self) -> Option<Picture> {
        if self.palette().is_some() {
            return Some(self.clone());
        }
        let (palette, indices) = few_colours(self.data())?;
        Some(Picture::from_indexed(self.width(), self.height(), indices, palette))
    }

    /// A picture with a palette in fewer colours: of neighbours in the palette whose red, green and
    /// blue differ by less than `levels` of 255, one stands for all.
    pub(crate) fn thinned(&self, levels: u8) -> Picture {
        let Some(palette) = self.palette() else { return self.clone() };
        let apart = |a: &[u8; 3], b: &[u8; 3]| {
            a.iter().zip(b).map(|(&a, &b)| a.abs_diff(b)).max().unwrap_or(0)
        };
        let mut kept: Vec<[u8; 3]> = Vec::with_capacity(palette.len());
        for colour in palette {
            // The ground of a page stays what it is.
            let ground = [[255; 3], [0; 3]].contains(colour);
            if ground || kept.last().is_none_or(|last| apart(last, colour) >= levels) {
                kept.push(*colour);
            }
        }
        let nearest = |colour: &[u8; 3]| {
            let places = kept.iter().enumerate();
            places.min_by_key(|(_, kept)| apart(kept, colour)).map_or(0, |(place, _)| place as u8)
        };
        let places: Vec<u8> = palette.iter().map(nearest).collect();
        let data = self.data().iter().map(|&index| places[usize::from(index)]).collect();
        Picture::from_indexed(self.width(), self.height(), data, kept)
    }
}

/// The colours of RGB pixels, dark to light, and each pixel's place among them, if there are at most
/// 256: maps in the shades of one colour, charts.
pub(super) fn few_colours(rgb: &[u8]) -> Option<(Vec<[u8; 3]>, Vec<u8>)> {
    let pixels = rgb.as_chunks::<3>().0;
    let mut places: HashMap<[u8; 3], u8> = HashMap::new();
    for pixel in pixels {
        places.entry(*pixel).or_insert(0);
        if places.len() > 256 {
            return None;
        }
    }
    let mut palette: Vec<[u8; 3]> = places.keys().copied().collect();
    palette.sort_unstable_by_key(|&[r, g, b]| {
        (3 * u32::from(r) + 6 * u32::from(g) + u32::from(b), [r, g, b])
    });
    for (place, colour) in palette.iter().enumerate() {
        places.insert(*colour, place as u8);
    }
    let indices = pixels.iter().map(|pixel| places[pixel]).collect();
    Some((palette, indices))
}
