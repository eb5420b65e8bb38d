//! A mask: the class of every pixel.

use std::fmt;
use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::Classes;
use crate::error::{Error, Result};
use crate::picture::Region;
use crate::show::debug_line;
use crate::tensor::{IntoResult, plain_numbers};

/// Masks of more pixels are not made.
const MOST_PIXELS: usize = 100_000_000;

/// The class of every pixel, `[height, width]`: what is known of a picture, or what a network
/// predicts. A cell shows it in colours with a legend. Cheap to clone.
///
/// ```
/// use convlens::mask::{Classes, Mask};
/// let classes = Classes::named(["water", "rock"])?;
/// let scores = tch::Tensor::from_slice(&[0.9f32, 0.2, 0.1, 0.8]).view([1, 2, 1, 2]);
/// let mask = Mask::from_tensor(&scores, Some(&classes))?;
/// assert_eq!(mask.labels(), [0, 1]);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Mask {
    height: usize,
    width: usize,
    labels: Arc<Vec<u8>>,
    classes: Classes,
}

impl Mask {
    /// A mask from its labels, row by row.
    ///
    /// # Errors
    /// When a side is 0, the number of labels is not `height * width`, or one of them is not in
    /// the classes.
    pub fn new(height: usize, width: usize, labels: Vec<u8>, classes: &Classes) -> Result<Mask> {
        check_size(height, width)?;
        if labels.len() != height * width {
            return Err(Error::Shape(format!(
                "a mask of {height} × {width} has {} labels, but {} were given",
                height * width,
                labels.len()
            )));
        }
        if let Some(place) = labels.iter().position(|&label| usize::from(label) >= classes.len()) {
            return Err(Error::Argument(format!(
                "row {}, column {} is labelled {}, but there are {} classes, from 0 on",
                place / width,
                place % width,
                labels[place],
                classes.len()
            )));
        }
        Ok(Mask { height, width, labels: Arc::new(labels), classes: classes.clone() })
    }

    /// A mask from class numbers, `[h, w]` or `[1, h, w]`, or from scores, `[1, classes, h, w]`,
    /// of which the highest counts. Without classes, they are named by their numbers.
    ///
    /// # Errors
    /// When the tensor is of another shape, names a class that there is not, or scores another
    /// number of classes than there are.
    pub fn from_tensor(tensor: &Tensor, classes: Option<&Classes>) -> Result<Mask> {
        let _no_grad = tch::no_grad_guard();
        let tensor = plain_numbers(tensor).map_err(|error| error.while_doing("the mask"))?;
        let size = tensor.size();
        // One map of scores is of logits: yes or no.
        let (height, width, scored) = match size.as_slice() {
            &[h, w] | &[1, h, w] => (h, w, None),
            &[1, count, h, w] => (h, w, Some(count.max(2))),
            _ => {
                return Err(Error::Shape(format!(
                    "a mask is made of class numbers [h, w] or [1, h, w], or of scores \
                     [1, classes, h, w], not of {size:?}"
                )));
            }
        };
        let (height, width) = (height as usize, width as usize);
        check_size(height, width)?;
        if let (Some(count), Some(classes)) = (scored, classes)
            && count != classes.len() as i64
        {
            return Err(Error::Shape(format!(
                "scores of {count} classes, {size:?}, where there are {}",
                classes.len()
            )));
        }
        let labels = labels_of(&tensor, scored.is_some(), height, width)?;
        let numbered;
        let classes = match classes {
            Some(classes) => classes,
            None => {
                let most = labels.iter().copied().max().unwrap_or(0);
                let count = scored.unwrap_or(i64::from(most) + 1).clamp(1, 257);
                numbered = Classes::numbered(count as usize)?;
                &numbered
            }
        };
        Mask::new(height, width, labels, classes)
    }

    /// The pixels of one class, by index, as a region: to judge where a network looks.
    ///
    /// # Errors
    /// When there is no such class.
    pub fn region(&self, class: usize) -> Result<Region> {
        if class >= self.classes.len() {
            return Err(Error::Argument(format!(
                "there is no class {class}: they are numbered 0 to {}",
                self.classes.len() - 1
            )));
        }
        let inside = self.labels.iter().map(|&label| usize::from(label) == class).collect();
        Region::new(self.height, self.width, inside)
    }

    /// Pixels from top to bottom.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Pixels from left to right.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The class of each pixel, row by row.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The classes.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// How many pixels each class has.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for &label in self.labels.iter() {
            // Every label is in the classes.
            counts[usize::from(label)] += 1;
        }
        counts
    }

    /// Class numbers, `[1, height, width]`, 64-bit integers.
    ///
    /// # Errors
    /// When libtorch has no memory for them.
    pub fn to_tensor(&self) -> Result<Tensor> {
        Tensor::f_from_slice(self.labels.as_slice())
            .and_then(|t| t.f_to_kind(Kind::Int64))
            .and_then(|t| t.f_view([1, self.height as i64, self.width as i64]))
            .into_result()
    }

    /// The mask at another size: each label that of the nearest pixel.
    ///
    /// # Errors
    /// When a side is 0, or there would be more than 100 million pixels.
    pub fn resized(&self, height: usize, width: usize) -> Result<Mask> {
        check_size(height, width)?;
        // The source pixel under the middle of each pixel.
        let nearest = |i: usize, from: usize, to: usize| (2 * i + 1) * from / (2 * to);
        let columns: Vec<usize> = (0..width).map(|x| nearest(x, self.width, width)).collect();
        let labels = (0..height)
            .flat_map(|y| {
                let row = nearest(y, self.height, height) * self.width;
                columns.iter().map(move |x| row + x)
            })
            .map(|place| self.labels[place])
            .collect();
        Mask::new(height, width, labels, &self.classes)
    }
}

/// A side of 0, or more pixels than are made.
fn check_size(height: usize, width: usize) -> Result<()> {
    let size = height.checked_mul(width);
    if size.is_none_or(|size| size == 0 || size > MOST_PIXELS) {
        return Err(Error::Shape(format!(
            "a mask of {height} × {width} pixels cannot be made: it has 1 to {} million",
            MOST_PIXELS / 1_000_000
        )));
    }
    Ok(())
}

/// The labels, row by row, of class numbers or scores. A few rows at a time: libtorch's class numbers take
/// eight times the memory of ours.
fn labels_of(tensor: &Tensor, scored: bool, height: usize, width: usize) -> Result<Vec<u8>> {
    const AT_ONCE: usize = 1 << 20;
    let rows = (AT_ONCE / width).max(1);
    let mut labels = Vec::with_capacity(height * width);
    let mut values = vec![0i64; rows.min(height) * width];
    for top in (0..height).step_by(rows) {
        let count = rows.min(height - top);
        let part = tensor.f_narrow(-2, top as i64, count as i64).into_result()?;
        let numbers = match scored {
            true if part.size()[1] == 1 => part.f_gt(0.0),
            true => part.f_argmax(1, false), // [1, C, h, w] -> [1, h, w]
            false => part.f_detach(),
        };
        let numbers = numbers
            .and_then(|t| t.f_to_device(Device::Cpu))
            .and_then(|t| t.f_to_kind(Kind::Int64))
            .and_then(|t| t.f_contiguous())
            .into_result()?;
        let values = &mut values[..count * width];
        numbers.f_copy_data(values, count * width).into_result()?;
        for value in values {
            labels.push(u8::try_from(*value).map_err(|_| {
                Error::Argument(format!("{value} is not a class: they are numbered 0 to 255"))
            })?);
        }
    }
    Ok(labels)
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(
            f,
            format_args!(
                "Mask of {} × {}, {} classes",
                self.height,
                self.width,
                self.classes.len()
            ),
        )
    }
}
