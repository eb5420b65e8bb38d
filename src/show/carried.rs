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
/// Palettes of so few colours keep them all: each may stand for something of its own, as those of a
/// mask do.
const FEW: usize = 64;

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
    /// JPEGs, grey ones too: their 256 greys would fit into a palette, but steps between fewer show.
    pub(super) fn new(picture: &Picture) -> Carried {
        let picture = picture.on_card();
        let (width, height) = (picture.width(), picture.height());
        let lossless = picture.to_png();
        let indexed = picture.with_palette();
        let exact = if indexed.is_some() { THINNED[0].0 } else { SMALL };
        let jpeg = (picture.palette().is_none() && lossless.len() > exact)
            .then(|| to_jpeg(&picture, QUALITY).ok())
            .flatten();
        let (mime, file) = match (jpeg, indexed) {
            (Some(jpeg), _) if jpeg.len() * 3 <= lossless.len() * 2 => ("image/jpeg", jpeg),
            (_, Some(indexed)) => ("image/png", light(&indexed, lossless)),
            (_, None) => ("image/png", to_smallest_png(&picture)),
        };
        Carried { mime, file, width, height }
    }

    pub(super) fn to_html(&self) -> String {
        image_element(self.mime, &self.file, self.width, self.height)
    }
}

fn light(picture: &Picture, lossless: Vec<u8>) -> Vec<u8> {
    let heavy = THINNED.iter().rev().find(|(bytes, _)| lossless.len() > *bytes);
    let few = picture.palette().is_some_and(|palette| palette.len() <= FEW);
    match heavy {
        None => lossless,
        Some(_) if few => to_smallest_png(picture),
        Some((_, levels)) => to_smallest_png(&picture.thinned(*levels)),
    }
}
