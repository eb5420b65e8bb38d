//! One photo as one method explains it, and what metrics may ask about it.

use std::rc::Rc;

use tch::Tensor;

use crate::attribution::{Attribution, Case, Heatmap, LongWork, heats};
use crate::error::{Error, Result};
use crate::look::Look;

/// One photo as one method explains it: what a [`Metric`](super::Metric) measures.
///
/// ```
/// use convlens::metric::{Metric, Trial};
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let method = GradCam::default();
/// let trial = Trial::new(&look, &method)?; // several metrics of one map
/// let values = (Sparseness::default().measure(&trial)?, AverageDrop::default().measure(&trial)?);
/// Ok::<(), convlens::Error>(())
/// ```
pub struct Trial<'a> {
    look: Look,
    method: &'a dyn Attribution,
    case: Case,
    heat: Heatmap,
    photo: usize,
}

impl<'a> Trial<'a> {
    /// Explains the photo by the method.
    ///
    /// # Errors
    /// As [`Look::explain`].
    pub fn new(look: &Look, method: &'a dyn Attribution) -> Result<Trial<'a>> {
        Trial::of_photo(look, method, 0)
    }

    /// The same of photo number `photo` of several.
    pub(super) fn of_photo(
        look: &Look,
        method: &'a dyn Attribution,
        photo: usize,
    ) -> Result<Trial<'a>> {
        let case = look.case(method.target()).map_err(|e| e.while_doing(method.name()))?;
        let heat = only(heats(&case, &[Rc::clone(look.view())], method)?)?;
        Ok(Trial { look: look.clone(), method, case, heat, photo })
    }

    /// The photo under the network.
    pub fn look(&self) -> &Look {
        &self.look
    }

    /// The method.
    pub fn method(&self) -> &dyn Attribution {
        self.method
    }

    /// What it found.
    pub fn heat(&self) -> &Heatmap {
        &self.heat
    }

    /// The photo's number among those that are measured, from 0.
    pub fn photo(&self) -> usize {
        self.photo
    }

    pub(super) fn case(&self) -> &Case {
        &self.case
    }

    /// The input as the network takes it, `[1, C, H, W]`; a row of numbers, `[1, F]`.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn input(&self) -> Result<Tensor> {
        self.case.input()
    }

    /// Rows and columns of the input.
    pub(super) fn size(&self) -> Result<[usize; 2]> {
        Ok(self.case.map_size()?.map(|side| side as usize))
    }

    /// The paper's map, of class activation methods what is positive of it, at the size at which the network sees
    /// the photo: row by row, resized with half-pixel centres.
    ///
    /// # Errors
    /// A map, or a photo, of a single pixel, which says nothing about places.
    pub fn map(&self) -> Result<Vec<f32>> {
        let [height, width] = self.size()?;
        self.check_places()?;
        Ok(self.heat.resized(height, width)?.values().to_vec())
    }

    /// The same from 0 to 1, as [`Heatmap::normalized`] has it: `[H, W]`, or `[F]` for a row of numbers.
    pub(super) fn mask(&self) -> Result<Vec<f32>> {
        self.check_places()?;
        Ok(self.heat.normalized()?.values().to_vec())
    }

    /// Refuses a map, or a photo, of a single pixel.
    pub(super) fn check_places(&self) -> Result<()> {
        let [height, width] = self.size()?;
        let (rows, columns) = (self.heat.height(), self.heat.width());
        if rows * columns > 1 && height * width > 1 {
            return Ok(());
        }
        Err(Error::Shape(format!(
            "the map has {rows} × {columns} pixels for a photo of {height} × {width}, and a single pixel says nothing \
             about places: take a layer with larger maps"
        )))
    }

    /// How sure the network is of what is explained: the probability of a class; of any other target, the score.
    ///
    /// # Errors
    /// A score that is not finite.
    pub fn confidence(&self) -> Result<f64> {
        self.case.confidence(0)
    }

    /// The same for other inputs in the photo's place, `[M, C, H, W]` or `[M, F]`.
    ///
    /// # Errors
    /// What the network cannot take; a score that is not finite.
    pub fn confidences(&self, inputs: &Tensor) -> Result<Vec<f64>> {
        self.case.confidences_with(0, inputs)
    }

    /// The score that is explained, before the softmax, for other inputs in the photo's place.
    ///
    /// # Errors
    /// As [`confidences`](Trial::confidences).
    pub fn scores(&self, inputs: &Tensor) -> Result<Vec<f64>> {
        self.case.scores_with(0, "input", inputs)
    }

    /// How the method explains other inputs in the photo's place: a class that was predicted for the photo stays the
    /// one that is explained.
    ///
    /// # Errors
    /// As [`Look::explain`].
    pub fn explain_others(&self, inputs: &Tensor) -> Result<Vec<Heatmap>> {
        let case = self.case.with_input(inputs.shallow_clone())?;
        let views = vec![Rc::clone(self.look.view()); case.count()];
        heats(&case, &views, self.method)
    }

    /// Values of so many variants of the input, some at a time; says how far it is.
    pub(super) fn in_batches(
        &self,
        what: &str,
        variants: usize,
        mut each: impl FnMut(std::ops::Range<usize>) -> Result<Vec<f64>>,
    ) -> Result<Vec<f64>> {
        let mut values = Vec::with_capacity(variants);
        LongWork::default().run(what, "runs", 1, variants, |_, some| {
            values.extend(each(some)?);
            Ok(())
        })?;
        Ok(values)
    }
}

/// Of a batch of one.
pub(super) fn only<T>(mut of_one: Vec<T>) -> Result<T> {
    of_one.pop().ok_or_else(|| Error::Shape("no explanation".into()))
}
