//! A picture divided into segments: which of them each pixel belongs to.

mod outlines;
mod slic;

use std::fmt;
use std::sync::Arc;

use super::picture::Picture;
use super::region::Region;
use crate::error::{Error, Result};

pub use slic::Slic;

/// Segments of more pixels are not made: no picture has as many.
const MOST_PIXELS: usize = 1 << 27;

/// Which segment each pixel of a picture belongs to, `[height, width]`, counted from 0, row by row. Every one from 0
/// to [`count`](Segments::count) has at least one pixel. Cheap to clone.
///
/// ```
/// use convlens::picture::Segments;
/// let halves = Segments::new(2, 4, vec![7, 7, 9, 9, 7, 7, 9, 9])?;
/// assert_eq!(halves.labels(), [0, 0, 1, 1, 0, 0, 1, 1]); // in the order of the labels that were given
/// assert_eq!(halves, Segments::grid(2, 4, 1, 2)?);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Segments {
    height: usize,
    width: usize,
    labels: Arc<[u32]>,
    count: usize,
}

impl Segments {
    /// Segments from a label for each pixel, such as scikit-image's or one's own. Labels become 0, 1, 2, … in their
    /// order, without gaps.
    ///
    /// # Errors
    /// When a side is 0, or the number of labels is not `height * width`.
    pub fn new(height: usize, width: usize, labels: Vec<u32>) -> Result<Segments> {
        if height == 0 || width == 0 || height.checked_mul(width) != Some(labels.len()) {
            return Err(Error::Shape(format!(
                "segments of {height} × {width} pixels (height × width) cannot be made of {} labels: give one a pixel",
                labels.len()
            )));
        }
        let mut known = labels.clone();
        known.sort_unstable();
        known.dedup();
        let mut labels = labels;
        // Most are numbered without gaps already.
        if known.last().is_some_and(|&last| last as usize != known.len() - 1) {
            for label in &mut labels {
                *label = known.partition_point(|other| other < label) as u32;
            }
        }
        Ok(Segments { height, width, labels: labels.into(), count: known.len() })
    }

    /// A grid of so many rows and columns of cells, which are of equal size as far as the pixels allow: the pixel in
    /// row `y` of `height` is in row `⌊(y + ½) · rows / height⌋` of the grid, as where a small picture grows without
    /// interpolation.
    ///
    /// # Errors
    /// When a side is 0 or there are more than 134 million pixels; when there are no cells, or more of them in a row or
    /// column than pixels.
    pub fn grid(height: usize, width: usize, rows: usize, columns: usize) -> Result<Segments> {
        if height.saturating_mul(width) > MOST_PIXELS {
            return Err(Error::Shape(format!(
                "segments of {height} × {width} pixels are too large: they have at most 2^27, 134 million"
            )));
        }
        if rows == 0 || columns == 0 || rows > height || columns > width {
            return Err(Error::Argument(format!(
                "a grid of {rows} × {columns} cells (rows × columns) does not fit into {height} × {width} pixels \
                 (height × width): choose from 1 to as many cells as there are pixels"
            )));
        }
        let place = |at: usize, size: usize, cells: usize| (2 * at + 1) * cells / (2 * size);
        let across: Vec<usize> = (0..width).map(|x| place(x, width, columns)).collect();
        let labels = (0..height).flat_map(|y| {
            let row = place(y, height, rows) * columns;
            across.iter().map(move |column| (row + column) as u32)
        });
        Segments::new(height, width, labels.collect())
    }

    /// Rows of pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns of pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many segments there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The segment of each pixel, row by row.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The pixels of one segment.
    ///
    /// # Errors
    /// When there are not so many segments.
    pub fn region(&self, segment: usize) -> Result<Region> {
        if segment >= self.count {
            return Err(Error::Argument(format!(
                "there is no segment {segment}: they are counted from 0 to {}",
                self.count - 1
            )));
        }
        let inside = self.labels.iter().map(|&label| label as usize == segment).collect();
        Region::new(self.height, self.width, inside)
    }

    /// The mean of a map's values, one a pixel, over each segment.
    ///
    /// # Errors
    /// When there are not as many values as pixels.
    pub fn means(&self, values: &[f32]) -> Result<Vec<f64>> {
        if values.len() != self.labels.len() {
            return Err(Error::Shape(format!(
                "{} values are not one for each of the {} × {} pixels (height × width) of the segments",
                values.len(),
                self.height,
                self.width
            )));
        }
        let mut sums = vec![(0f64, 0u64); self.count];
        for (&label, &value) in self.labels.iter().zip(values) {
            let (sum, pixels) = &mut sums[label as usize];
            *sum += f64::from(value);
            *pixels += 1;
        }
        Ok(sums.into_iter().map(|(sum, pixels)| sum / pixels as f64).collect())
    }

    /// The outlines of the segments on a picture of any size.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let cat = Photo::open("assets/photos/cat.png")?.picture();
    /// let outlined = Slic::new(60).segments(&cat)?.over(&cat);
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn over(&self, picture: &Picture) -> Picture {
        let mut pixels = picture.to_rgb().into_raw();
        let (height, width) = (picture.height() as usize, picture.width() as usize);
        outlines::draw(&mut pixels, (height, width), self);
        Picture::rgb(picture.width(), picture.height(), pixels).unwrap_or_else(|_| picture.clone())
    }
}

impl fmt::Debug for Segments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Segments({} of {} × {} pixels)", self.count, self.height, self.width)
    }
}

/// How what a network sees is divided into segments: superpixels, a grid, or segments of one's own. Methods that
/// change whole segments take what becomes one: a [`Slic`], a [`Segments`], or `Segmentation::grid(7, 7)`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Segmentation {
    /// Superpixels.
    Slic(Slic),
    /// Cells of equal size.
    Grid {
        /// How many in a column.
        rows: usize,
        /// How many in a row.
        columns: usize,
    },
    /// Given ones, of the size at which the network sees the photo.
    Given(Segments),
}

impl Segmentation {
    /// So many rows and columns of cells of equal size.
    pub fn grid(rows: usize, columns: usize) -> Segmentation {
        Segmentation::Grid { rows, columns }
    }

    /// The segments of a picture.
    ///
    /// # Errors
    /// As [`Slic::segments`] and [`Segments::grid`]; when given segments are of another size.
    pub fn segments(&self, picture: &Picture) -> Result<Segments> {
        let (height, width) = (picture.height() as usize, picture.width() as usize);
        match self {
            Segmentation::Slic(slic) => slic.segments(picture),
            &Segmentation::Grid { rows, columns } => Segments::grid(height, width, rows, columns),
            Segmentation::Given(own) if (own.height(), own.width()) == (height, width) => {
                Ok(own.clone())
            }
            Segmentation::Given(own) => Err(Error::Shape(format!(
                "the segments have {} × {} pixels (height × width), but the network sees the photo at {height} × \
                 {width}: make them of that size, as of `look.model().preprocess().seen(&photo)?`",
                own.height(),
                own.width()
            ))),
        }
    }
}

impl Default for Segmentation {
    /// About 50 superpixels.
    fn default() -> Self {
        Segmentation::Slic(Slic::default())
    }
}

impl fmt::Display for Segmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Segmentation::Slic(slic) => write!(f, "{slic}"),
            Segmentation::Grid { rows, columns } => write!(f, "a grid of {rows} × {columns}"),
            Segmentation::Given(own) => write!(f, "{} given segments", own.count()),
        }
    }
}

impl From<Slic> for Segmentation {
    fn from(slic: Slic) -> Self {
        Segmentation::Slic(slic)
    }
}

impl From<Segments> for Segmentation {
    fn from(segments: Segments) -> Self {
        Segmentation::Given(segments)
    }
}

impl From<&Segments> for Segmentation {
    fn from(segments: &Segments) -> Self {
        Segmentation::Given(segments.clone())
    }
}
