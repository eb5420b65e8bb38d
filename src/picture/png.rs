//! PNG files: filtering, compression and chunks.

use png::{BitDepth, ColorType, Encoder, chunk};

use super::deflate;
use super::picture::Picture;

/// The picture as a PNG file, with its palette where it has one.
pub(super) fn encode(picture: &Picture) -> Vec<u8> {
    let (width, height) = (picture.width(), picture.height());
    let mut file = Vec::with_capacity(picture.data().len() / 2 + 2048);
    let mut encoder = Encoder::new(&mut file, width, height);
    encoder.set_depth(BitDepth::Eight);
    match picture.palette() {
        Some(palette) => {
            encoder.set_color(ColorType::Indexed);
            encoder.set_palette(palette.as_flattened());
        }
        None => encoder.set_color(ColorType::Rgb),
    }
    let depth = if picture.palette().is_some() { 1 } else { 3 };
    let bytes = deflate::zlib(picture.data(), width as usize * depth, depth);
    // A Vec takes everything, and no picture has a side of 0: nothing here can fail.
    let written = encoder.write_header().and_then(|mut writer| {
        // Chunks are limited to 2^31 bytes.
        bytes.chunks(1 << 30).try_for_each(|part| writer.write_chunk(chunk::IDAT, part))?;
        writer.finish()
    });
    debug_assert!(written.is_ok(), "{written:?}");
    file
}
