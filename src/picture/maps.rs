//! A stack of maps of numbers.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use convlens_formats::npy;

use super::file;
use super::normalize::Extent;
use super::resize::{self, Resize};
use super::tiff::Tiff;
use crate::error::{Error, Result};

/// Files of more values are not read.
const MOST_VALUES: u64 = 100_000_000;

/// The most rows or columns of a map.
const LONGEST: usize = i32::MAX as usize;

/// A stack of single-channel maps of the same size, `[count, height, width]`, row by row. Cheap to
/// clone.
///
/// ```
/// use convlens::picture::Maps;
/// let maps = Maps::new(2, 1, 3, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0])?;
/// assert_eq!(maps.map(1), Some(&[3.0, 4.0, 5.0][..]));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
pub struct Maps {
    count: usize,
    height: usize,
    width: usize,
    values: Arc<Vec<f32>>,
}

impl Maps {
    /// Maps from their values. Maps without values, of which there are none or which are 0 high
    /// or wide, can be made; showing them is an error.
    ///
    /// # Errors
    /// When the number of values is not `count * height * width`, or a side has more than 2³¹ − 1.
    pub fn new(count: usize, height: usize, width: usize, values: Vec<f32>) -> Result<Maps> {
        // Also of maps that there are none of: their area is asked for.
        if height.max(width) > LONGEST {
            return Err(Error::Shape(format!(
                "maps of {height} × {width} cannot be made: a side has at most {LONGEST} values"
            )));
        }
        let expected = count.checked_mul(height).and_then(|n| n.checked_mul(width));
        if expected != Some(values.len()) {
            return Err(Error::Shape(format!(
                "{count} maps of {height} × {width} have {} values, but {} were given",
                expected.map_or_else(|| "too many".to_owned(), |n| n.to_string()),
                values.len()
            )));
        }
        Ok(Maps { count, height, width, values: Arc::new(values) })
    }

    /// Opens the numbers in a file as they are stored: a `.npy`, numpy's file of one array, of the shape
    /// `[height, width]` or `[count, height, width]`, or the first picture of a TIFF, a map for each of
    /// its channels; integers of fewer than 8 bits stay as small as they are. What is in the file decides,
    /// not its name.
    ///
    /// ```
    /// use convlens::picture::Maps;
    /// let path = std::env::temp_dir().join("convlens-open-example.npy");
    /// Maps::new(1, 2, 2, vec![0.0, 1.0, 2.0, 3.0])?.save_npy(&path)?;
    /// assert_eq!(Maps::open(&path)?.values(), [0.0, 1.0, 2.0, 3.0]);
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// Files that cannot be read, are damaged or hold something else, more than 100 million values, and a
    /// TIFF of floats in which 0 is white.
    pub fn open(path: impl AsRef<Path>) -> Result<Maps> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| Error::unreadable(path, &error))?;
        Self::from_bytes(&bytes).map_err(|error| Error::file(path, error))
    }

    /// The numbers of a file that is in memory, as [`open`](Maps::open) reads them.
    ///
    /// # Errors
    /// As [`open`](Maps::open).
    pub fn from_bytes(bytes: &[u8]) -> Result<Maps> {
        let check = |count: u64, height: u64, width: u64| match count
            .checked_mul(height)
            .and_then(|rows| rows.checked_mul(width))
        {
            Some(1..=MOST_VALUES) => Ok(()),
            _ => Err(Error::Shape(format!(
                "{count} maps of {height} × {width} are not read: together they have 1 to {} \
                     million values",
                MOST_VALUES / 1_000_000
            ))),
        };
        if bytes.starts_with(npy::MAGIC) {
            let array = npy::parse(bytes).map_err(|e| Error::Image(format!("the file {e}")))?;
            let (count, height, width) = match *array.shape() {
                [height, width] => (1, height, width),
                [count, height, width] => (count, height, width),
                ref other => {
                    return Err(Error::Shape(format!(
                        "an array of the shape {other:?}, where maps are [height, width] or [count, \
                         height, width]"
                    )));
                }
            };
            check(count as u64, height as u64, width as u64)?;
            return Maps::new(count, height, width, array.to_f32());
        }
        if Tiff::is(bytes) {
            return Tiff::read(bytes, |width, height, channels| check(channels, height, width))?
                .maps();
        }
        Err(Error::Image("the file holds no numbers: .npy and TIFF are read".into()))
    }

    /// How many maps there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Rows of each map.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns of each map.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values, map after map, row after row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The values of one map, if there is such a map.
    pub fn map(&self, index: usize) -> Option<&[f32]> {
        if index >= self.count {
            return None;
        }
        let size = self.height * self.width;
        self.values.get(index * size..(index + 1) * size)
    }

    /// Every map at another size. Downsizing does not average: it is the same interpolation,
    /// `torch.nn.functional.interpolate` without antialiasing.
    ///
    /// # Errors
    /// When a side is 0 here or there, or the result would not fit into memory.
    pub fn resized(&self, height: usize, width: usize, resize: Resize) -> Result<Maps> {
        if (height, width) == (self.height, self.width) {
            return Ok(self.clone());
        }
        let size = height.checked_mul(width).and_then(|n| n.checked_mul(self.count));
        let fits = size.is_some_and(|n| n > 0 && n <= isize::MAX as usize / 64);
        if !fits || self.values.is_empty() {
            return Err(Error::Shape(format!(
                "{} maps of {} × {} cannot be resized to {height} × {width}",
                self.count, self.height, self.width
            )));
        }
        let mut values = Vec::new();
        let size = size.unwrap_or_default();
        values.try_reserve_exact(size).map_err(|_| {
            Error::Shape(format!(
                "{} maps of {height} × {width} do not fit into memory",
                self.count
            ))
        })?;
        for map in self.values.chunks_exact(self.height * self.width) {
            resize::append(map, (self.height, self.width), (height, width), resize, &mut values);
        }
        Maps::new(self.count, height, width, values)
    }

    /// Every map from 0 to 1, `(x - min) / (1e-7 + max(x - min))`, as pytorch-grad-cam's
    /// `scale_cam_image` has it: a map that is the same everywhere becomes 0. What is not finite
    /// stays so, and has no part in minimum and maximum.
    ///
    /// ```
    /// use convlens::picture::Maps;
    /// let maps = Maps::new(2, 1, 3, vec![-1.0, 0.0, 3.0, 5.0, 5.0, 5.0])?.scaled();
    /// assert!((maps.values()[1] - 0.25).abs() < 1e-6);
    /// assert_eq!(maps.map(1), Some(&[0.0; 3][..]));
    /// Ok::<(), convlens::Error>(())
    /// ```
    #[must_use]
    pub fn scaled(&self) -> Maps {
        let mut values = Vec::with_capacity(self.values.len());
        for map in self.values.chunks_exact((self.height * self.width).max(1)) {
            let (low, high) = Extent::of(map).range.unwrap_or_default();
            let most = high - low;
            if most.is_finite() {
                values.extend(map.iter().map(|&value| (value - low) / (1e-7 + most)));
            } else {
                // The span overflows single precision.
                let (low, span) = (f64::from(low), f64::from(high) - f64::from(low));
                values.extend(map.iter().map(|&value| ((f64::from(value) - low) / span) as f32));
            }
        }
        Maps { values: Arc::new(values), ..*self }
    }

    /// Writes the values as a `.npy`, numpy's file of one array, for `numpy.load`: 32-bit floats in
    /// the shape `[count, height, width]`, or `[height, width]` where there is one map. The name is
    /// taken as it is given. A file that is there is replaced once the new one is whole.
    ///
    /// ```
    /// use convlens::picture::Maps;
    /// let folder = std::env::temp_dir();
    /// Maps::new(1, 2, 2, vec![0.0, 1.0, 2.0, 3.0])?.save_npy(folder.join("map.npy"))?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_npy(&self, path: impl AsRef<Path>) -> Result<()> {
        let shape = [self.count, self.height, self.width];
        let shape = if self.count == 1 { &shape[1..] } else { &shape };
        file::write(path.as_ref(), &npy::to_bytes(shape, &self.values), "the values")
    }
}

impl fmt::Debug for Maps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Maps({} of {} × {})", self.count, self.height, self.width)
    }
}
