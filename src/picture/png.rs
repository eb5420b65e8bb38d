//! PNG files.

use png::{BitDepth, ColorType, Compression, Encoder, Filter};

use super::picture::Picture;

/// The picture as a PNG file, with its palette where it has one.
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
    match picture.palette() {
        Some(palette) => {
            encoder.set_color(ColorType::Indexed);
            encoder.set_palette(palette.as_flattened());
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
