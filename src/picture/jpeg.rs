//! JPEG files.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::error::ImageResult;

use super::picture::Picture;

/// The picture as a JPEG file of a quality from 1 to 100. Colours have the full resolution, so that
/// text stays crisp.
///
/// # Errors
/// When a side is longer than the 65,535 pixels that the format knows.
pub(crate) fn encode(picture: &Picture, quality: u8) -> ImageResult<Vec<u8>> {
    let mut file = Cursor::new(Vec::with_capacity(picture.data().len() / 8 + 2048));
    // It does not subsample, whatever its documentation says.
    let encoder = JpegEncoder::new_with_quality(&mut file, quality);
    picture.to_rgb().write_with_encoder(encoder)?;
    Ok(file.into_inner())
}
