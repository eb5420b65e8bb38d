//! Which part of a photo a network sees, and where a part of that lies in the photo.

use std::ops::Range;

use super::{MOST_PIXELS, Preprocess, ResizeTo};
use crate::error::{Error, Result};

/// The sizes on the way from a photo to what a network sees, `[height, width]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Frame {
    /// The photo's.
    photo: [i64; 2],
    /// After resizing.
    pub(super) resized: [i64; 2],
    /// Where the crop begins in that.
    pub(super) top: i64,
    pub(super) left: i64,
    /// After cropping.
    pub(crate) seen: [i64; 2],
}

impl Preprocess {
    /// What happens to a photo of this size.
    ///
    /// # Errors
    /// Sizes below 1, and a crop larger than what it is cut from.
    pub(crate) fn frame(&self, h: i64, w: i64) -> Result<Frame> {
        let [new_h, new_w] = match self.resize {
            ResizeTo::Keep => [h, w],
            ResizeTo::Exact(new_h, new_w) => [new_h, new_w],
            // torchvision rounds the longer side down.
            ResizeTo::Shorter(side) if h <= w => [side, side.saturating_mul(w) / h.max(1)],
            ResizeTo::Shorter(side) => [side.saturating_mul(h) / w.max(1), side],
        };
        if new_h < 1 || new_w < 1 || new_h.saturating_mul(new_w) > MOST_PIXELS as i64 {
            return Err(Error::Argument(format!(
                "the photo would be resized to {new_w} × {new_h} pixels: choose a size of 1 to \
                 {MOST_PIXELS} pixels"
            )));
        }
        let whole =
            Frame { photo: [h, w], resized: [new_h, new_w], top: 0, left: 0, seen: [new_h, new_w] };
        let Some(side) = self.crop else { return Ok(whole) };
        if side < 1 || side > new_h || side > new_w {
            return Err(Error::Argument(format!(
                "a crop of {side} × {side} does not fit into {new_w} × {new_h} pixels: resize to at \
                 least {side} first"
            )));
        }
        let start = |size: i64| ((size - side) as f64 / 2.0).round_ties_even() as i64;
        Ok(Frame { top: start(new_h), left: start(new_w), seen: [side, side], ..whole })
    }
}

impl Frame {
    /// The rows and columns of the photo that cover these of what the network sees, whole pixels
    /// and at least one; what lies beyond the photo is left out.
    pub(crate) fn in_photo(&self, rows: Range<i64>, columns: Range<i64>) -> [Range<u32>; 2] {
        let side = |range: Range<i64>, start: i64, axis: usize| {
            let scale = self.photo[axis] as f64 / self.resized[axis] as f64;
            let last = (self.photo[axis] - 1).max(0) as f64;
            // A rounding error must not take in one more pixel.
            let from = ((range.start + start) as f64 * scale + 1e-9).floor().clamp(0.0, last);
            let to = ((range.end + start) as f64 * scale - 1e-9).ceil();
            from as u32..to.clamp(from + 1.0, last + 1.0) as u32
        };
        [side(rows, self.top, 0), side(columns, self.left, 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_what_is_seen_is_found_in_the_photo() {
        // 500 × 375 becomes 341 × 256, of which the middle 224 × 224 is seen.
        let frame = Preprocess::imagenet().frame(375, 500).expect("a frame");
        assert_eq!((frame.resized, frame.top, frame.left), ([256, 341], 16, 58));
        // 16 · 375/256 = 23.4, (16 + 224) · 375/256 = 351.6; 58 · 500/341 = 85.04, 282 · … = 413.5
        assert_eq!(frame.in_photo(0..224, 0..224), [23..352, 85..414]);
        assert_eq!(frame.in_photo(-100..1000, -100..1000), [0..375, 0..500]);
    }

    #[test]
    fn an_unresized_photo_keeps_its_pixels() {
        let frame = Preprocess::keep().frame(10, 20).expect("a frame");
        assert_eq!(frame.in_photo(3..4, 0..20), [3..4, 0..20]);
        let doubled = Preprocess::exact(20, 40).frame(10, 20).expect("a frame");
        assert_eq!(doubled.in_photo(2..4, 3..4), [1..2, 1..2]);
    }
}
