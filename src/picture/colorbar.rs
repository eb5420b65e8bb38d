//! A colour bar: the colours in a row, and under them the values that they stand for.

use super::colormap::FRAME;
use super::compose::place;
use super::layout::Size;
use super::picture::Picture;
use super::text::{Align, Lettering};

/// How large the colours of a bar are drawn: as wide as the room, but never so narrow that its
/// labels would touch.
pub(super) fn strip_size(lettering: &Lettering, room: usize, labels: &[String; 3]) -> Size {
    let text = labels.iter().map(|label| lettering.width(label)).sum::<f32>();
    let em = lettering.line_height() as usize;
    let least = (text * 1.5).ceil() as usize + em;
    Size { width: room.max(least), height: (em * 2 / 3).max(1) }
}

/// A strip of colours in a thin frame, with the values of its beginning, middle and end.
pub(super) fn labelled(lettering: &mut Lettering, strip: Picture, labels: &[String; 3]) -> Picture {
    let (width, height) = (strip.width() + 2, strip.height() + 2);
    let frame = vec![0; width as usize * height as usize];
    let frame = Picture::from_indexed(width, height, frame, vec![FRAME]);
    let mut placed = vec![(frame, 0, 0), (strip, 1, 1)];
    for (label, share) in labels.iter().zip([0.0, 0.5, 1.0]) {
        if label.is_empty() {
            continue;
        }
        let label_width = lettering.width(label).ceil() as u32 + 1;
        let left = (share * (width as f32 - label_width as f32)).round() as u32;
        let drawn = lettering.draw(std::slice::from_ref(label), label_width, Align::Left);
        placed.push((drawn, left, height + 1));
    }
    let whole = u64::from(height + 1 + lettering.line_height());
    place(width.into(), whole, &placed)
}
