//! Rectangles with names, drawn on pictures: the boxes of a detector.

use super::contour::{self, Segment};
use super::layout::COLUMN;
use super::picture::Picture;
use super::text::{Align, Lettering, size_for};

/// Space around the letters of a label.
const INSET: u32 = 3;
/// Width of the strip of colour before a label.
const STRIP: u32 = 5;

/// A rectangle on a picture of any size, with a label and a colour.
///
/// ```
/// use convlens::prelude::*;
/// let cat = Photo::open("assets/photos/cat.png")?.picture();
/// let face = Rectangle::new([0.3, 0.1, 0.7, 0.6], "face").colour([255, 138, 101]);
/// let marked = cat.marked(&[face]);
/// assert_eq!((marked.width(), marked.height()), (cat.width(), cat.height()));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rectangle {
    sides: [f64; 4],
    label: String,
    colour: [u8; 3],
}

impl Rectangle {
    /// From its left, top, right and bottom side, as shares of the picture's width and height: 0 is the left or upper
    /// edge, 1 the right or lower one. What reaches beyond the picture is drawn at its edge.
    pub fn new([left, top, right, bottom]: [f64; 4], label: impl Into<String>) -> Rectangle {
        let share = |side: f64| if side.is_finite() { side.clamp(0.0, 1.0) } else { 0.0 };
        let sides = [left.min(right), top.min(bottom), left.max(right), top.max(bottom)];
        Rectangle { sides: sides.map(share), label: label.into(), colour: [255; 3] }
    }

    /// In this colour; without it, white.
    #[must_use]
    pub fn colour(&self, colour: [u8; 3]) -> Rectangle {
        Rectangle { colour, ..self.clone() }
    }

    /// Left, top, right and bottom, 0 to 1.
    pub fn sides(&self) -> [f64; 4] {
        self.sides
    }

    /// What is written at it.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Its four sides in pixels of a picture of this size, within it by the line's own thickness.
    fn lines(&self, width: u32, height: u32, thickness: f32) -> [Segment; 4] {
        let place = |share: f64, pixels: u32| {
            let last = (pixels as f32 - 0.5 - thickness).max(0.0);
            (share as f32 * pixels as f32 - 0.5).clamp(thickness.min(last), last)
        };
        let [left, top, right, bottom] = self.sides;
        let (left, right) = (place(left, width), place(right, width));
        let (top, bottom) = (place(top, height), place(bottom, height));
        [
            [(left, top), (right, top)],
            [(right, top), (right, bottom)],
            [(right, bottom), (left, bottom)],
            [(left, bottom), (left, top)],
        ]
    }
}

impl Picture {
    /// The picture with rectangles on it, and at each its label, dark on white with a strip of the rectangle's colour.
    /// Where several meet, the first lies on top; a label is moved to where none lies yet, if there is such a place
    /// at its rectangle.
    pub fn marked(&self, rectangles: &[Rectangle]) -> Picture {
        if rectangles.is_empty() {
            return self.clone();
        }
        let (width, height) = (self.width(), self.height());
        let mut pixels = self.to_rgb().into_raw();
        // They grow on pictures that notebooks shrink.
        let unit = (width as f32 / COLUMN as f32).max(1.0);
        for rectangle in rectangles.iter().rev() {
            let lines = rectangle.lines(width, height, unit);
            // A dark and a light seam, so that a line is seen on any ground.
            let strokes = [(4.2, [0; 3], 0.5), (3.2, [255; 3], 0.95), (1.4, rectangle.colour, 1.0)];
            for (thickness, colour, opacity) in strokes {
                let size = (height as usize, width as usize);
                contour::put(&mut pixels, size, &lines, thickness * unit, colour, opacity);
            }
        }
        let mut labels = Labels { lettering: Lettering::new(size_for(width)), taken: Vec::new() };
        for rectangle in rectangles.iter().filter(|rectangle| !rectangle.label.is_empty()) {
            labels.put(rectangle, &mut pixels, [width, height]);
        }
        Picture::rgb(width, height, pixels).unwrap_or_else(|_| self.clone())
    }
}

/// The labels on one picture.
struct Labels {
    lettering: Lettering,
    /// Left, top, right and bottom of those that are drawn already.
    taken: Vec<[u32; 4]>,
}

impl Labels {
    fn put(&mut self, rectangle: &Rectangle, pixels: &mut [u8], size: [u32; 2]) {
        let tag = self.tag(rectangle, size[0]);
        let Some([left, top]) = self.place(rectangle, [tag.width(), tag.height()], size) else {
            return;
        };
        self.taken.push([left, top, left + tag.width(), top + tag.height()]);
        let (row, wide) = (size[0] as usize * 3, tag.width() as usize * 3);
        let tag = tag.to_rgb().into_raw();
        for (y, line) in tag.chunks_exact(wide).enumerate() {
            let start = (top as usize + y) * row + left as usize * 3;
            if let Some(place) = pixels.get_mut(start..start + wide) {
                place.copy_from_slice(line);
            }
        }
    }

    /// The label in one line that is no wider than the picture, after a strip of the rectangle's colour.
    fn tag(&mut self, rectangle: &Rectangle, width: u32) -> Picture {
        let room = width.saturating_sub(STRIP + 2 * INSET).max(1);
        let line = self.lettering.wrap(&rectangle.label, room as f32, 1);
        let used = line.iter().map(|line| self.lettering.width(line)).fold(0.0, f32::max);
        let text = self.lettering.draw(&line, (used.ceil() as u32 + 1).min(room), Align::Left);
        let high = text.height();
        let block = |width: u32, colour: [u8; 3]| {
            let pixels = vec![0; width as usize * high as usize];
            Picture::from_indexed(width, high, pixels, vec![colour])
        };
        let parts = [block(STRIP, rectangle.colour), block(INSET, [255; 3]), text];
        Picture::beside(parts.iter().chain([&block(INSET, [255; 3])]), 0)
    }

    /// Where a label of this size goes: above the rectangle, in its upper corner, below it, in its lower corner; the
    /// first of these within the picture that no other label has taken. None on a picture too small for it.
    fn place(&self, rectangle: &Rectangle, tag: [u32; 2], size: [u32; 2]) -> Option<[u32; 2]> {
        let most = [size[0].checked_sub(tag[0])?, size[1].checked_sub(tag[1])?];
        let [left, top, right, bottom] = rectangle.sides;
        let pixel = |share: f64, axis: usize| (share * f64::from(size[axis])).round() as i64;
        let high = i64::from(tag[1]);
        let rows = [pixel(top, 1) - high, pixel(top, 1), pixel(bottom, 1), pixel(bottom, 1) - high];
        let columns = [pixel(left, 0), pixel(right, 0) - i64::from(tag[0])];
        let within = |at: i64, most: u32| u32::try_from(at).ok().filter(|at| *at <= most);
        let columns = columns.map(|x| x.clamp(0, i64::from(most[0])) as u32);
        let places = columns
            .into_iter()
            .flat_map(|x| rows.into_iter().filter_map(move |y| within(y, most[1]).map(|y| [x, y])));
        let places: Vec<[u32; 2]> = places.collect();
        let free = |[x, y]: &[u32; 2]| {
            let apart = |taken: &[u32; 4]| {
                x + tag[0] <= taken[0] || taken[2] <= *x || y + tag[1] <= taken[1] || taken[3] <= *y
            };
            self.taken.iter().all(apart)
        };
        places.iter().find(|place| free(place)).or(places.first()).copied()
    }
}
