//! A part of a picture: which pixels lie inside.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};

/// Regions of more pixels are not made: no picture has as many.
const MOST_PIXELS: usize = 1 << 27;

/// Which pixels of a picture lie inside, row by row. Cheap to clone.
///
/// ```
/// use convlens::picture::Region;
/// let left = Region::from_fn(2, 4, |_, x| x < 2)?;
/// assert_eq!(left.inside(), [true, true, false, false, true, true, false, false]);
/// assert_eq!(Region::rectangle(2, 4, 0..2, 0..2)?, left);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Region {
    height: usize,
    width: usize,
    inside: Arc<[bool]>,
}

impl Region {
    /// A region from its pixels.
    ///
    /// # Errors
    /// When a side is 0, or the number of pixels is not `height * width`.
    pub fn new(height: usize, width: usize, inside: Vec<bool>) -> Result<Region> {
        if height == 0 || width == 0 || height.checked_mul(width) != Some(inside.len()) {
            return Err(Error::Shape(format!(
                "a region of {height} × {width} pixels (height × width) cannot be made of {} values",
                inside.len()
            )));
        }
        Ok(Region { height, width, inside: inside.into() })
    }

    /// The pixels for which a function of row and column says so.
    ///
    /// # Errors
    /// When a side is 0, or there are more than 134 million pixels.
    pub fn from_fn(
        height: usize,
        width: usize,
        inside: impl Fn(usize, usize) -> bool,
    ) -> Result<Region> {
        if height.saturating_mul(width) > MOST_PIXELS {
            return Err(Error::Shape(format!(
                "a region of {height} × {width} pixels is too large: it has at most 2^27, 134 million"
            )));
        }
        let rows = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
        Region::new(height, width, rows.map(|(y, x)| inside(y, x)).collect())
    }

    /// A rectangle, from its first row and column to those behind its last.
    ///
    /// # Errors
    /// When a side is 0, or the rectangle reaches beyond the picture.
    pub fn rectangle(
        height: usize,
        width: usize,
        rows: std::ops::Range<usize>,
        columns: std::ops::Range<usize>,
    ) -> Result<Region> {
        if rows.end > height || columns.end > width {
            return Err(Error::Argument(format!(
                "rows {rows:?} and columns {columns:?} reach beyond a picture of {height} × {width}"
            )));
        }
        Region::from_fn(height, width, |y, x| rows.contains(&y) && columns.contains(&x))
    }

    /// The region at another size: each pixel is that of the place where its centre lies.
    ///
    /// ```
    /// use convlens::picture::Region;
    /// let left = Region::rectangle(2, 4, 0..2, 0..2)?;
    /// assert_eq!(left.resized(3, 2)?, Region::rectangle(3, 2, 0..3, 0..1)?);
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`from_fn`](Region::from_fn).
    pub fn resized(&self, height: usize, width: usize) -> Result<Region> {
        // The centre of pixel i of `to` lies in pixel ⌊(i + ½) · from / to⌋ of `from`.
        let at = |i: usize, from: usize, to: usize| (2 * i + 1) * from / (2 * to);
        Region::from_fn(height, width, |y, x| {
            self.inside[at(y, self.height, height) * self.width + at(x, self.width, width)]
        })
    }

    /// The region and what lies at most so many pixels above, below, left, right or aslant of it: for
    /// the margin of a pointing game.
    ///
    /// ```
    /// use convlens::picture::Region;
    /// let middle = Region::rectangle(5, 9, 2..3, 4..5)?;
    /// assert_eq!(middle.widened(2), Region::rectangle(5, 9, 0..5, 2..7)?);
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn widened(&self, pixels: usize) -> Region {
        let mut inside = self.inside.to_vec();
        for row in inside.chunks_mut(self.width) {
            spread(row, 0, 1, pixels);
        }
        for column in 0..self.width {
            spread(&mut inside, column, self.width, pixels);
        }
        Region { height: self.height, width: self.width, inside: inside.into() }
    }

    /// The share of the pixels that lie inside, 0 to 1.
    pub fn share(&self) -> f64 {
        self.count() as f64 / self.inside.len() as f64
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// For every pixel, row by row, whether it lies inside.
    pub fn inside(&self) -> &[bool] {
        &self.inside
    }

    /// How many pixels lie inside.
    pub fn count(&self) -> usize {
        self.inside.iter().filter(|&&inside| inside).count()
    }
}

/// Along a line of pixels, each is inside that has one inside at most so far to either side.
fn spread(pixels: &mut [bool], start: usize, step: usize, reach: usize) {
    let line: Vec<bool> = pixels.iter().skip(start).step_by(step).copied().collect();
    let mut until = 0;
    for i in (0..line.len()).filter(|&i| line[i]) {
        let (from, to) = (i.saturating_sub(reach), i.saturating_add(reach).min(line.len() - 1));
        for j in from.max(until)..=to {
            pixels[start + j * step] = true;
        }
        until = to + 1;
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region({} of {} × {} pixels)", self.count(), self.height, self.width)
    }
}
