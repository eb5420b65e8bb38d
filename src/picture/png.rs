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
    let mut file = Vec::with_capacity(picture.data().len() / 2 + 2048);
    let mut encoder = Encoder::new(&mut file, picture.width(), picture.height());
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fastest);
    encoder.set_filter(Filter::Paeth);
    let few = match picture.palette() {
        Some(_) => None,
        None => few_colours(picture.data()),
    };
    let data = few.as_ref().map_or(picture.data(), |(_, indices)| indices);
    match few.as_ref().map(|(palette, _)| palette.as_slice()).or(picture.palette()) {
        Some(palette) => {
            encoder.set_color(ColorType::Indexed);
            encoder.set_palette(Cow::Owned(palette.as_flattened().to_vec()));
        }
        None => encoder.set_color(ColorType::Rgb),
    }
    // A Vec takes everything, and a picture has as many bytes as its size says.
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(data)?;
        writer.finish()
    });
    debug_assert!(written.is_ok(), "{written:?}");
    file
}

/// The colours of RGB pixels, dark to light, and each pixel's place among them, if there are at most
/// 256: maps in the shades of one colour, charts.
fn few_colours(rgb: &[u8]) -> Option<(Vec<[u8; 3]>, Vec<u8>)> {
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
