//! Labelled photos as what a network learns from.

use tch::{Device, Kind, Tensor};

use super::ImageFolder;
use super::folder::Item;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::picture::Picture;
use crate::tensor::IntoResult;

/// Bytes that all photos may take.
const MOST: f64 = 4e9;

impl ImageFolder {
    /// All photos or arrays in one tensor `[N, C, H, W]`, prepared as this network expects them, and the places
    /// of their classes, `[N]`: what [`Fit::run`](crate::train::Fit::run) learns from. Unlike everything
    /// else here, they lie in memory all at once.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let (cat, dog) = (Photo::open("assets/photos/cat.png")?, Photo::open("assets/photos/dog.jpg")?);
    /// let pets = ImageFolder::of_photos([("cat", [&cat]), ("dog", [&dog])])?;
    /// let mut net = Model::builder("pets", [3, 16, 16]).classes(pets.class_names());
    /// let x = net.input();
    /// net.chain("fc", ops![Op::Flatten, Linear::new(3 * 16 * 16, 2)], x);
    /// let model = net.build()?;
    /// let (photos, classes) = pets.tensors(&model)?;
    /// assert_eq!((photos.size(), classes.size()), (vec![2, 3, 16, 16], vec![2]));
    /// Fit::default().epochs(5).run(&model, &photos, &classes)?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first photo that cannot be read, or has another number of bands; photos that do not become inputs of
    /// one size; when all would take more than 4 GB.
    pub fn tensors(&self, model: &Model) -> Result<(Tensor, Tensor)> {
        model.check_takes_photos()?;
        let channels = model.input_shape()[0];
        let count = self.len();
        let mut photos: Option<Tensor> = None;
        let mut classes = Vec::with_capacity(count);
        for (i, entry) in self.entries().into_iter().enumerate() {
            let input = self.input(model, i)?;
            let [height, width] = [input.size()[2], input.size()[3]];
            let size = [1, channels, height, width];
            if photos.is_none() {
                photos = Some(self.room(size)?);
            }
            let Some(all) = &photos else { continue };
            if size[1..] != all.size()[1..] {
                return Err(Error::Shape(format!(
                    "photos of one tensor have one size, but {} becomes {size:?} and others {:?}: \
                     choose a .preprocess(…) that makes them alike, such as Preprocess::exact",
                    entry.name,
                    [&[1], &all.size()[1..]].concat()
                )));
            }
            all.f_narrow(0, i as i64, 1)
                .and_then(|mut place| place.f_copy_(&input))
                .into_result()?;
            classes.push(entry.class as i64);
        }
        let photos = photos.ok_or_else(|| Error::Argument(format!("{} is empty", self.name())))?;
        Ok((photos, Tensor::f_from_slice(&classes).into_result()?))
    }

    /// One photo or array as this network takes it, `[1, C, H, W]`.
    pub(crate) fn input(&self, model: &Model, index: usize) -> Result<Tensor> {
        let preprocess = self.preprocess_for(model);
        let channels = model.input_shape()[0];
        let input = match self.item(index, channels)? {
            Item::Photo(photo) => {
                preprocess.seen(&photo).and_then(|seen| preprocess.normalized(&seen, channels))
            }
            Item::Array(array) => preprocess.input_of(&array, channels),
        };
        input.map_err(|error| self.named(index, error))
    }

    /// What is shown of that.
    pub(crate) fn picture_of(&self, model: &Model, index: usize) -> Result<Picture> {
        let seen = self.seen(index, self.preprocess_for(model), model.input_shape()[0]);
        seen.map(|seen| seen.pixels.into()).map_err(|error| self.named(index, error))
    }

    /// A tensor for as many inputs as there are photos.
    fn room(&self, input: [i64; 4]) -> Result<Tensor> {
        let [_, c, h, w] = input;
        let size = [self.len() as i64, c, h, w];
        let bytes = 4.0 * size.iter().map(|&side| side as f64).product::<f64>();
        if bytes > MOST {
            return Err(Error::Argument(format!(
                "{} photos of {input:?} would take {:.1} GB: take fewer of them by .first(…), or make \
                 them smaller by .preprocess(…)",
                self.len(),
                bytes / 1e9
            )));
        }
        Tensor::f_zeros(size, (Kind::Float, Device::Cpu)).into_result()
    }
}
