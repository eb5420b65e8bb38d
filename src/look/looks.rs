//! Several photos under one network, in one pass.

use std::borrow::Borrow;
use std::fmt;
use std::rc::Rc;

use tch::Tensor;

use super::{Look, Memory, Predictions};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::photo::{Bands, Photo, View};
use crate::show::{MimeBundle, Show, debug_line};
use crate::tensor::{IntoResult, float_copy};

/// A batch of photos under one network: they run together, and remember together what a
/// [`Look`] remembers.
///
/// ```
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// let photos = [Photo::open("assets/photos/cat.png")?, Photo::open("assets/photos/dog.jpg")?];
/// let looks = model.look_at_all(&photos)?;
/// let heat = looks.explain(&GradCam::default())?; // of each, for what is predicted of it
/// let dogs = looks.explain_each(&GradCam::default(), ["tabby", "Saluki"])?;
/// assert_eq!((heat.len(), dogs.len()), (2, 2));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
pub struct Looks {
    memory: Rc<Memory>,
    views: Rc<[Rc<View>]>,
}

impl Model {
    /// Looks at several photos in one pass, each prepared as this network expects it.
    ///
    /// # Errors
    /// When there is no photo, one cannot be prepared, or they do not become inputs of one size.
    pub fn look_at_all(
        &self,
        photos: impl IntoIterator<Item = impl Borrow<Photo>>,
    ) -> Result<Looks> {
        let photos = photos.into_iter();
        self.looks_of(photos.map(|photo| self.viewed(photo.borrow(), self.preprocess())))
    }

    /// Looks at several arrays in one pass, as [`look_array`](Model::look_array) looks at one.
    ///
    /// # Errors
    /// When there is no array, one cannot be prepared, or they do not become inputs of one size.
    pub fn look_at_arrays(
        &self,
        arrays: impl IntoIterator<Item = impl Borrow<Bands>>,
    ) -> Result<Looks> {
        self.looks_of(arrays.into_iter().map(|array| self.viewed_array(array.borrow())))
    }

    fn looks_of(&self, seen: impl Iterator<Item = Result<(View, Tensor)>>) -> Result<Looks> {
        let mut views = Vec::new();
        let mut inputs = Vec::new();
        for one in seen {
            let (view, input) = one?;
            views.push(Rc::new(view));
            inputs.push(input);
        }
        let Some(first) = inputs.first() else {
            return Err(Error::Argument("a batch of no photos: give at least one".into()));
        };
        if let Some(at) = inputs.iter().position(|input| input.size() != first.size()) {
            return Err(Error::Shape(format!(
                "photos of one batch become inputs of one size, but {} becomes {:?} and {} {:?}: \
                 look at them one by one",
                views[0].photo().title(),
                first.size(),
                views[at].photo().title(),
                inputs[at].size()
            )));
        }
        let batch = Tensor::f_cat(&inputs, 0).into_result()?;
        Ok(Looks { memory: Rc::new(Memory::new(self, batch)?), views: views.into() })
    }

    /// Looks at inputs that are prepared already, `[N, C, H, W]`, or rows of numbers, `[N, F]`, as
    /// [`look_input`](Model::look_input) looks at one.
    ///
    /// # Errors
    /// When there is none, or their size or channels do not suit the network.
    pub fn look_inputs(&self, inputs: &Tensor) -> Result<Looks> {
        let inputs = float_copy(inputs)?;
        let memory = Memory::new(self, inputs.shallow_clone())?;
        let count = inputs.size()[0];
        let views = (0..count).map(|i| {
            let input = inputs.f_narrow(0, i, 1).into_result()?;
            Ok(Rc::new(self.view_of(&input, &format!("input {i}"))?))
        });
        let views = views.collect::<Result<Vec<_>>>()?;
        Ok(Looks { memory: Rc::new(memory), views: views.into() })
    }
}

impl Looks {
    /// How many photos there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.views.len()
    }

    /// The network.
    pub fn model(&self) -> &Model {
        self.memory.model()
    }

    /// One photo's look, which starts from what is known of the batch.
    ///
    /// # Errors
    /// When there are not so many photos.
    pub fn get(&self, index: usize) -> Result<Look> {
        let Some(view) = self.views.get(index) else {
            return Err(Error::Argument(format!(
                "there is no photo {index}: they are numbered 0 to {}",
                self.len() - 1
            )));
        };
        Ok(Look { memory: Rc::new(self.memory.one(index as i64)?), view: Rc::clone(view) })
    }

    /// The `count` most probable classes of each photo.
    ///
    /// # Errors
    /// When the network's output is not one score a class.
    pub fn predictions(&self, count: usize) -> Result<Vec<Predictions>> {
        let _ = self.memory.output()?; // for all at once; each look knows its part
        (0..self.len()).map(|index| self.get(index)?.predictions(count)).collect()
    }

    pub(crate) fn memory(&self) -> &Rc<Memory> {
        &self.memory
    }

    pub(crate) fn views(&self) -> &[Rc<View>] {
        &self.views
    }
}

impl fmt::Debug for Looks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Looks of {} at {} photos", self.model().name(), self.len()))
    }
}

impl Show for Looks {
    fn bundle(&self) -> MimeBundle {
        let each = self.views.iter().map(|view| {
            let title = view.photo().title().to_owned();
            let bundle = match view.numbers() {
                Some(numbers) => numbers.bundle(&title),
                None => MimeBundle::picture(view.shown(), view.captioned(title.clone())),
            };
            (title, bundle)
        });
        MimeBundle::beside(each.collect())
    }
}
