//! How a picture travels into a notebook: as a small file that shows the same to the eye.
//!
//! Notebooks are stored, and their history with them, so that bytes count more than exact values.
//! Whoever wants these saves the picture, which is lossless.

use crate::picture::{Picture, image_element, to_jpeg, to_smallest_png};

/// Of JPEG files: letters and blends look as they did; only at four times their size a faint shadow can
/// be seen around letters.
const QUALITY: u8 = 75;
/// PNG files of so few bytes stay exact: single pixels of a small tensor can be told.
const SMALL: usize = 30_000;
/// PNG files of more bytes lose colours that cannot be told from their neighbours: those less than so
/// many levels of 255 apart.
const THINNED: [(usize, u8); 2] = [(60_000, 4), (120_000, 8)];

/// A picture's file.
pub(super) struct Carried {
    pub(super) mime: &'static str,
    pub(super) file: Vec<u8>,
    width: u32,
    height: u32,
}

impl Carried {
    /// The picture on a card of its own. What has a palette, or so few colours, is a PNG; so are small
    /// pictures, and drawings of more colours, which JPEG makes hardly smaller. Photos and blends are
    /// JPEGs.
    pub(super) fn new(picture: &Picture) -> Carried {
        let picture = picture.on_card();
        let (width, height) = (picture.width(), picture.height());
        let lossless = picture.to_png();
        let (mime, file) = match picture.with_palette() {
            Some(indexed) => ("image/png", light(&indexed, lossless)),
            None => match to_jpeg(&picture, QUALITY) {
                Ok(jpeg) if lossless.len() > SMALL && jpeg.len() * 3 <= lossless.len() * 2 => {
                    ("image/jpeg", jpeg)
                }
                _ => ("image/png", to_smallest_png(&picture)),
            },
        };
        Carried { mime, file, width, height }
    }

    pub(super) fn to_html(&self) -> String {
        image_element(self.mime, &self.file, self.width, self.height)
    }
}

fn light(picture: &Picture, lossless: Vec<u8>) -> Vec<u8> {
    let heavy = THINNED.iter().rev().find(|(bytes, _)| lossless.len() > *bytes);
    match heavy {
        None => lossless,
        Some((_, levels)) => to_smallest_png(&picture.thinned(*levels)),
    }
}
