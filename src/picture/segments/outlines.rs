//! The outlines of segments.

use super::Segments;
use crate::picture::contour;
use crate::picture::layout::COLUMN;

/// Draws the outlines of segments on RGB bytes of any size: a light line with a dark seam, which are seen on bright and
/// dark places alike.
pub(super) fn draw(photo: &mut [u8], (height, width): (usize, usize), segments: &Segments) {
    let (rows, columns) = (segments.height(), segments.width());
    let labels = segments.labels();
    let (down, across) = (height as f32 / rows as f32, width as f32 / columns as f32);
    // Places between pixels; whole numbers are the middles of pixels.
    let place = |y: usize, x: usize| (x as f32 * across - 0.5, y as f32 * down - 0.5);
    let mut lines = Vec::new();
    for y in 0..rows {
        for x in 0..columns {
            let own = labels[y * columns + x];
            if x + 1 < columns && labels[y * columns + x + 1] != own {
                lines.push([place(y, x + 1), place(y + 1, x + 1)]);
            }
            if y + 1 < rows && labels[(y + 1) * columns + x] != own {
                lines.push([place(y + 1, x), place(y + 1, x + 1)]);
            }
        }
    }
    // As the lines of a contour, they grow on pictures that notebooks shrink.
    let thickness = (width as f32 / COLUMN as f32).max(1.0);
    contour::put(photo, (height, width), &lines, 2.5 * thickness, [0; 3], 0.5);
    contour::put(photo, (height, width), &lines, thickness, [255; 3], 0.8);
}
