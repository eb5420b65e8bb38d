//! A map over a photo as FeatureMapVisualizer draws it, and what is drawn in its place on request.

use crate::error::Result;
use crate::picture::{Blend, Colormap, Maps, Normalize, Overlay, Picture, Sheet};

/// What the network sees is enlarged to at least this side.
const SIDE: u32 = 160;

/// How a map is drawn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Drawn {
    /// The map times this, cut at 1; `None` divides it by its maximum.
    pub(super) gain: Option<f32>,
    /// Without the photo.
    pub(super) alone: bool,
}

impl Drawn {
    /// The photo, bright where the map is high and dark elsewhere; or the map in grey.
    pub(super) fn picture(self, seen: &Picture, map: &Maps) -> Result<Picture> {
        let seen = seen.enlarged(SIDE.div_ceil(seen.width().max(seen.height()).max(1)))?;
        let finite = map.values().iter().copied().filter(|value| value.is_finite());
        let (low, high) = finite
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        let top = self.gain.map_or(high, |gain| 1.0 / gain);
        if self.alone {
            let range = match low < top && high > 0.0 {
                true => Normalize::Range(low.min(0.0), top),
                false => Normalize::PerMap,
            };
            let drawn = Overlay::alone(map, seen.width(), seen.height())?;
            return drawn.colormap(Colormap::Gray).normalize(range).bare();
        }
        if low >= high || high <= 0.0 {
            // Nothing varies, so the overlay would show the photo as it is.
            let gain = if high > 0.0 { (high / top).min(1.0) } else { 0.0 };
            return dimmed(&seen, gain);
        }
        // The range ends at the map's maximum: what the gain takes above 1 is cut after the photo's
        // values are multiplied, not before.
        Overlay::new(&seen, map)?
            .blend(Blend::Multiply { gain: high / top })
            .normalize(Normalize::Range(0.0, high))
            .bare()
    }
}

/// The picture times this.
fn dimmed(picture: &Picture, gain: f32) -> Result<Picture> {
    let bytes = picture.to_rgb().into_raw();
    let dimmed = bytes.into_iter().map(|value| (f32::from(value) * gain).round() as u8);
    Picture::rgb(picture.width(), picture.height(), dimmed.collect())
}

/// Pictures with captions on a sheet.
pub(super) fn sheet(pictures: Vec<(Picture, String)>, columns: Option<usize>) -> Sheet {
    let (pictures, captions): (Vec<Picture>, Vec<String>) = pictures.into_iter().unzip();
    let sheet = Sheet::pictures(pictures).captions(captions).all();
    match columns {
        Some(columns) => sheet.columns(columns),
        None => sheet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(value: u8) -> Picture {
        Picture::rgb(SIDE, SIDE, vec![value; (SIDE * SIDE * 3) as usize]).expect("a picture")
    }

    fn corner(drawn: Drawn, values: [f32; 4], photo: u8) -> [u8; 2] {
        let map = Maps::new(1, 2, 2, values.to_vec()).expect("a map");
        let picture = drawn.picture(&grey(photo), &map).expect("a picture").to_rgb().into_raw();
        [picture[0], picture[picture.len() - 1]]
    }

    #[test]
    fn a_map_is_divided_by_its_maximum_or_multiplied_and_cut_at_1() {
        let [normal, raw] = [None, Some(2.0)].map(|gain| Drawn { gain, alone: false });
        assert_eq!(corner(normal, [1.0, 0.0, 0.0, 4.0], 200), [50, 200]);
        // 0.1 · 2 · 200 and min(4 · 2 · 200 / 255, 1) · 255
        assert_eq!(corner(raw, [0.1, 0.0, 0.0, 4.0], 200), [40, 255]);
        assert_eq!(corner(raw, [-0.1, 0.0, 0.0, 0.25], 200), [0, 100]);
    }

    #[test]
    fn a_map_that_is_nowhere_active_leaves_the_photo_dark() {
        for drawn in [None, Some(1.0)].map(|gain| Drawn { gain, alone: false }) {
            assert_eq!(corner(drawn, [0.0; 4], 200), [0, 0]);
            assert_eq!(corner(drawn, [-2.0, -1.0, -1.0, -3.0], 200), [0, 0]);
        }
        assert_eq!(corner(Drawn { gain: Some(0.5), alone: false }, [1.0; 4], 200), [100, 100]);
    }
}
