//! Seismic sections: amplitudes of a vertical slice through the ground, and masks of what is where.
//!
//! <!-- not run here: it needs a file of yours -->
//! ```no_run
//! use convlens_scenes::prelude::*;
//!
//! let line = Section::open("line.sgy")?; // SEG-Y, .npy, the numbers of a TIFF, or a picture
//! let input = line.to_tensor()?; // [1, 1, height, width], normalised
//! Ok::<(), convlens::Error>(())
//! ```
//!
//! - [`Section`] is the data; [`Section::open`] reads SEG-Y, NumPy arrays, the numbers of a TIFF,
//!   and pictures.
//! - What is where, a section holds as a [`Mask`] of [`f3_facies`] or of classes of your own.

mod open;
mod paint;

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use convlens::mask::{Classes, Mask, SegmentationScore};
use convlens::show::debug_line;
use convlens::tensor::to_floats;
pub use convlens::zoo::segmentation::F3_FACIES;
use convlens::{Error, Result};
use tch::Tensor;

/// Sections of more samples than this are not made.
const MOST_SAMPLES: usize = 100_000_000;

/// The ten [lithofacies of the F3 block](F3_FACIES) as a mask's classes, in the customary colours of
/// geological maps.
pub fn f3_facies() -> Classes {
    Classes::named(F3_FACIES).expect("ten classes are between 1 and 256")
}

/// A seismic section: amplitudes `[height, width]`, where a column is a trace and time or depth
/// runs down, and, where it is known, a [`Mask`] of what is where. Cheap to clone.
///
/// A cell shows it in grey, high amplitudes white, with the mask beside it.
///
/// ```
/// use convlens::mask::Classes;
/// use convlens_scenes::section::Section;
/// let ramp = Section::new(2, 3, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0])?;
/// let known = ramp.with_labels(vec![0, 0, 0, 1, 1, 1], &Classes::named(["water", "rock"])?)?;
/// assert_eq!(known.labels(), Some(&[0, 0, 0, 1, 1, 1][..]));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
pub struct Section {
    title: Arc<str>,
    height: usize,
    width: usize,
    amplitudes: Arc<Vec<f32>>,
    mask: Option<Mask>,
}

impl Section {
    /// A section from its amplitudes, row by row.
    ///
    /// # Errors
    /// When a side is 0, the number of amplitudes is not `height * width`, or it is more than 100
    /// million.
    pub fn new(height: usize, width: usize, amplitudes: Vec<f32>) -> Result<Section> {
        check_size(height, width)?;
        if height * width != amplitudes.len() {
            return Err(Error::Shape(format!(
                "a section of {height} × {width} has {} amplitudes, but {} were given",
                height * width,
                amplitudes.len()
            )));
        }
        let amplitudes = Arc::new(amplitudes);
        Ok(Section { title: "section".into(), height, width, amplitudes, mask: None })
    }

    /// The same section with a class for each sample, row by row.
    ///
    /// # Errors
    /// When the labels are not `height * width`, or one of them is not in the classes.
    pub fn with_labels(self, labels: Vec<u8>, classes: &Classes) -> Result<Section> {
        let mask = Mask::new(self.height, self.width, labels, classes)?;
        Ok(Section { mask: Some(mask), ..self })
    }

    /// The same section under another title.
    pub fn titled(&self, title: &str) -> Section {
        Section { title: title.into(), ..self.clone() }
    }

    /// The title: the file's name without its ending, unless another was given.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Samples from top to bottom.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Traces from left to right.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The amplitudes, row by row.
    pub fn amplitudes(&self) -> &[f32] {
        &self.amplitudes
    }

    /// The class of each sample, row by row, where it is known.
    pub fn labels(&self) -> Option<&[u8]> {
        self.mask.as_ref().map(Mask::labels)
    }

    /// The classes of the mask, where there is one.
    pub fn classes(&self) -> Option<&Classes> {
        self.mask.as_ref().map(Mask::classes)
    }

    /// What is where.
    ///
    /// # Errors
    /// When this section has no labels.
    pub fn mask(&self) -> Result<&Mask> {
        self.mask.as_ref().ok_or_else(|| {
            Error::Argument(format!(
                "{}: this section has no labels; `with_labels` gives it some",
                self.title
            ))
        })
    }

    /// How well a predicted mask agrees with this section's own: see [`Mask::score`].
    ///
    /// # Errors
    /// When this section has no labels, or the masks differ in size.
    pub fn score(&self, predicted: &Mask) -> Result<SegmentationScore> {
        self.mask()?.score(predicted)
    }

    /// A network's answer as a mask in this section's classes and colours: class numbers `[h, w]`
    /// or `[1, h, w]`, or scores `[1, classes, h, w]`, of which the highest counts. Where the
    /// section has no labels, classes are named by their numbers.
    ///
    /// # Errors
    /// When the tensor is of another shape, or names a class that there is not.
    pub fn predicted(&self, answer: &Tensor) -> Result<Mask> {
        let mask = Mask::from_tensor(answer, self.classes())?;
        if (mask.height(), mask.width()) != (self.height, self.width) {
            return Err(Error::Shape(format!(
                "the answer is {} × {}, the section {} × {}: take the answer at the input's size",
                mask.height(),
                mask.width(),
                self.height,
                self.width
            )));
        }
        Ok(mask)
    }

    /// The amplitudes as a network's input, `[1, 1, height, width]`: 0 stays 0, and the 99th
    /// percentile of the magnitudes becomes 1 or -1, where the rest is cut off. A section without
    /// both signs, such as a grey picture's, has its median in the place of 0. What is not finite
    /// becomes 0.
    ///
    /// That is what a network sees of the section's [`photo`](Section::photo) when its
    /// [`Preprocess`](convlens::photo::Preprocess) normalises by mean 0.5 and deviation 0.5, but for
    /// the photo's 8 bits.
    ///
    /// # Errors
    /// When libtorch has no memory for it.
    pub fn to_tensor(&self) -> Result<Tensor> {
        let (centre, reach) = self.range();
        let scaled = |&v: &f32| {
            let t = (f64::from(v) - centre) / reach;
            if v.is_finite() { t.clamp(-1.0, 1.0) as f32 } else { 0.0 }
        };
        let values: Vec<f32> = self.amplitudes.iter().map(scaled).collect();
        self.tensor_of(&values)
    }

    /// The labels as a loss function's target, `[1, height, width]`, 64-bit integers.
    ///
    /// # Errors
    /// When this section has no labels, or libtorch no memory for them.
    pub fn labels_tensor(&self) -> Result<Tensor> {
        self.mask()?.to_tensor()
    }

    /// Labelled sections of one size as what a network learns from: amplitudes `[N, 1, height, width]`,
    /// each scaled as by [`to_tensor`](Section::to_tensor), and labels `[N, height, width]`. They are the
    /// photos and the targets of [`Fit::run`](convlens::train::Fit::run).
    ///
    /// ```
    /// use convlens_scenes::prelude::*;
    /// let world = Seismic::default().size(48, 64);
    /// let sections = [world.seed(1).section()?, world.seed(2).section()?];
    /// let (amplitudes, labels) = Section::tensors(&sections)?;
    /// assert_eq!((amplitudes.size(), labels.size()), (vec![2, 1, 48, 64], vec![2, 48, 64]));
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// No section at all, one without labels, sections of several sizes.
    pub fn tensors(
        sections: impl IntoIterator<Item = impl Borrow<Section>>,
    ) -> Result<(Tensor, Tensor)> {
        let (mut amplitudes, mut labels) = (Vec::new(), Vec::new());
        let mut first: Option<[usize; 2]> = None;
        for section in sections {
            let section = section.borrow();
            let size = [section.height, section.width];
            let expected = *first.get_or_insert(size);
            if size != expected {
                return Err(Error::Shape(format!(
                    "sections of one tensor have one size, but {} is {size:?} and others {expected:?}: \
                     crop or resize them",
                    section.title
                )));
            }
            amplitudes.push(section.to_tensor()?);
            labels.push(section.labels_tensor()?);
        }
        if amplitudes.is_empty() {
            return Err(Error::Argument("a tensor of no sections: give at least one".into()));
        }
        Ok((Tensor::f_cat(&amplitudes, 0)?, Tensor::f_cat(&labels, 0)?))
    }

    /// A part of the section, labels included.
    ///
    /// # Errors
    /// When the part is empty or reaches beyond the section.
    pub fn crop(&self, top: usize, left: usize, height: usize, width: usize) -> Result<Section> {
        let window = Window::new((self.height, self.width), top, left, height, width)?;
        let cut = |mask: &Mask| Mask::new(height, width, window.cut(mask.labels()), mask.classes());
        let mask = self.mask.as_ref().map(cut).transpose()?;
        let section = Section::new(height, width, window.cut(&self.amplitudes))?;
        Ok(Section { mask, title: self.title.clone(), ..section })
    }

    /// The section at another size: amplitudes interpolated bilinearly, and averaged where the
    /// section shrinks (libtorch's antialiased interpolation); each label that of the nearest
    /// sample.
    ///
    /// # Errors
    /// When a side is 0, or there would be more than 100 million samples.
    pub fn resized(&self, height: usize, width: usize) -> Result<Section> {
        check_size(height, width)?;
        if (height, width) == (self.height, self.width) {
            return Ok(self.clone());
        }
        let size = [height as i64, width as i64];
        let resized = self
            .tensor_of(&self.amplitudes)
            .and_then(|t| Ok(t.f_internal_upsample_bilinear2d_aa(size, false, None, None)?))
            .map_err(|e| e.while_doing("resizing the section"))?;
        let mask = self.mask.as_ref().map(|mask| mask.resized(height, width)).transpose()?;
        let section = Section::new(height, width, to_floats(&resized)?)?;
        Ok(Section { mask, title: self.title.clone(), ..section })
    }

    /// `[1, 1, height, width]`, of as many values as there are samples.
    fn tensor_of(&self, values: &[f32]) -> Result<Tensor> {
        let size = [1, 1, self.height as i64, self.width as i64];
        Ok(Tensor::f_from_slice(values)?.f_view(size)?)
    }

    /// The amplitude that is grey, and how far from it those lie that are black and white: see
    /// [`to_tensor`](Section::to_tensor). Of a large section, a hundred thousand amplitudes are
    /// looked at.
    fn range(&self) -> (f64, f64) {
        let step = (self.amplitudes.len() / 100_000).max(1) | 1;
        let sample = self.amplitudes.iter().step_by(step);
        let mut sample: Vec<f32> = sample.copied().filter(|v| v.is_finite()).collect();
        let signed = sample.iter().any(|&v| v < 0.0) && sample.iter().any(|&v| v > 0.0);
        let centre = if signed { 0.0 } else { f64::from(percentile(&mut sample, 0.5)) };
        for value in &mut sample {
            *value = (f64::from(*value) - centre).abs() as f32;
        }
        (centre, f64::from(percentile(&mut sample, 0.99)).max(f64::MIN_POSITIVE))
    }
}

/// The value below which this share of the others lie; 0 where there is none.
fn percentile(values: &mut [f32], share: f64) -> f32 {
    match values.len().checked_sub(1) {
        None => 0.0,
        Some(last) => {
            let place = ((share * last as f64).round() as usize).min(last);
            *values.select_nth_unstable_by(place, f32::total_cmp).1
        }
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Section {}, {} × {}", self.title, self.height, self.width))
    }
}

/// A side of 0, or more samples than are made.
fn check_size(height: usize, width: usize) -> Result<()> {
    let size = height.checked_mul(width);
    if size.is_none_or(|size| size == 0 || size > MOST_SAMPLES) {
        return Err(Error::Shape(format!(
            "a section of {height} × {width} samples cannot be made: it has 1 to {} million",
            MOST_SAMPLES / 1_000_000
        )));
    }
    Ok(())
}

/// Values that lie column by column, row by row: `[width, height] -> [height, width]`.
fn transposed(values: &[f32], width: usize, height: usize) -> Vec<f32> {
    let mut rows = Vec::with_capacity(values.len());
    for y in 0..height {
        rows.extend((0..width).map(|x| values[x * height + y]));
    }
    rows
}

/// A part of something of `height` by `width` values.
struct Window {
    source_width: usize,
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

impl Window {
    fn new(
        (source_height, source_width): (usize, usize),
        top: usize,
        left: usize,
        height: usize,
        width: usize,
    ) -> Result<Window> {
        let inside = |from: usize, size: usize, all: usize| {
            size > 0 && from.checked_add(size).is_some_and(|end| end <= all)
        };
        if !inside(top, height, source_height) || !inside(left, width, source_width) {
            return Err(Error::Argument(format!(
                "{height} × {width} samples from row {top}, column {left} on are not a part of \
                 {source_height} × {source_width}"
            )));
        }
        Ok(Window { source_width, top, left, height, width })
    }

    fn cut<T: Copy>(&self, values: &[T]) -> Vec<T> {
        values
            .chunks_exact(self.source_width)
            .skip(self.top)
            .take(self.height)
            .flat_map(|row| &row[self.left..self.left + self.width])
            .copied()
            .collect()
    }
}
