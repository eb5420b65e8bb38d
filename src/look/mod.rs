//! A photo as one network sees it.

mod attention;
mod detections;
mod looks;
mod memory;
mod predictions;

use std::fmt;
use std::rc::Rc;

use tch::{Device, Tensor};

use crate::error::{Error, Result};
use crate::feature_maps::FeatureMaps;
use crate::mask::{Classes, Mask};
use crate::model::{LayerRef, Model, NodeId};
use crate::photo::{Bands, Numbers, Photo, Preprocess, View};
use crate::picture::{Picture, Region};
use crate::show::{MimeBundle, Show, debug_line};
use crate::tensor::{IntoResult, float_copy, to_floats};

pub use attention::AttentionMaps;
pub use detections::{Detection, Detections, Detector};
pub use looks::Looks;
pub(crate) use memory::Memory;
pub use predictions::{Prediction, Predictions};

/// One photo under one network: what it predicts, what its layers answer, and why.
///
/// A look remembers what it has computed: the front of the network runs once, and a further
/// explanation costs its tail alone. Clones share that memory.
///
/// ```
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// let look = model.look(&Photo::open("assets/photos/cat.png")?)?;
/// assert_eq!(look.predictions(5)?.top().name, "tiger cat");
/// assert_eq!(look.layer("features.0")?.count(), 64); // or by index: look.layer(1)
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
pub struct Look {
    memory: Rc<Memory>,
    view: Rc<View>,
}

impl Model {
    /// Looks at a photo, prepared as this network expects it.
    ///
    /// # Errors
    /// When the photo cannot be prepared, its size does not suit the network, or this takes other than one or
    /// three channels: then [`look_array`](Model::look_array).
    pub fn look(&self, photo: &Photo) -> Result<Look> {
        self.look_prepared(photo, self.preprocess())
    }

    /// Looks at a photo that is prepared in another way.
    ///
    /// # Errors
    /// As [`look`](Model::look).
    pub fn look_prepared(&self, photo: &Photo, preprocess: &Preprocess) -> Result<Look> {
        let (view, input) = self.viewed(photo, preprocess)?;
        self.look_from(view, input)
    }

    /// Looks at an array of as many bands as this network takes channels, prepared as it expects them. The
    /// look's photo, which all pictures are drawn on, shows the bands that
    /// [`view_as`](Bands::view_as) has chosen.
    ///
    /// # Errors
    /// Another number of bands, values that are NaN or infinite, bands to be shown that are not there, and as
    /// for [`look`](Model::look).
    pub fn look_array(&self, array: &Bands) -> Result<Look> {
        let (view, input) = self.viewed_array(array)?;
        self.look_from(view, input)
    }

    /// Looks at an input that is prepared already, `[1, C, H, W]`, or at a row of numbers, `[1, F]`. What is shown of
    /// it is the input with this network's normalisation undone, or the channels that
    /// [`Preprocess::view_as`] has chosen; of numbers, bars.
    ///
    /// # Errors
    /// When it is not one input, or its size or channels do not suit the network.
    pub fn look_input(&self, input: &Tensor) -> Result<Look> {
        const TITLE: &str = "the input";
        let input = float_copy(input)?;
        let memory = self.memory_of(input.shallow_clone(), TITLE)?;
        let view = self.view_of(&input, TITLE)?;
        Ok(Look { memory, view: Rc::new(view) })
    }

    fn look_from(&self, view: View, input: Tensor) -> Result<Look> {
        let memory = self.memory_of(input, view.photo().title())?;
        Ok(Look { memory, view: Rc::new(view) })
    }

    fn memory_of(&self, input: Tensor, title: &str) -> Result<Rc<Memory>> {
        let memory = Memory::new(self, input);
        memory.map(Rc::new).map_err(|e| e.while_doing(format!("looking at {title}")))
    }

    /// A photo as this network sees it when it is prepared so, and the input, `[1, C, H, W]`.
    fn viewed(&self, photo: &Photo, preprocess: &Preprocess) -> Result<(View, Tensor)> {
        self.check_takes_photos()?;
        let seen = preprocess.seen(photo)?;
        let input = preprocess.normalized(&seen, self.input_shape()[0])?;
        Ok((View::new(photo.clone(), preprocess.clone(), seen.into()), input))
    }

    /// An array as this network sees it, and the input, `[1, C, H, W]`.
    fn viewed_array(&self, array: &Bands) -> Result<(View, Tensor)> {
        self.check_takes_photos()?;
        let viewed = self.preprocess().viewed_array(array, self.input_shape()[0]);
        viewed.map_err(|e| e.while_doing(format!("looking at {}", array.title())))
    }

    /// What is shown of an input, `[1, C, H, W]`, or of a row of numbers, `[1, F]`.
    fn view_of(&self, input: &Tensor, title: &str) -> Result<View> {
        if self.takes_numbers() {
            let values = to_floats(input)?;
            let row = Tensor::f_from_slice(&values).and_then(|t| t.f_reshape([1, 1, 1, -1]));
            let (seen, _) = Preprocess::keep().pictured(&row.into_result()?)?;
            let photo = Photo::from_picture(&seen).titled(title);
            let numbers = Numbers { values, names: self.feature_names() };
            return Ok(View::new(photo, Preprocess::keep(), seen).of_numbers(numbers));
        }
        let (seen, note) = self.preprocess().pictured(input)?;
        let view = View::new(Photo::from_picture(&seen).titled(title), Preprocess::keep(), seen);
        Ok(match note {
            Some(note) => view.noted(note),
            None => view,
        })
    }
}

impl Look {
    /// The network.
    pub fn model(&self) -> &Model {
        self.memory.model()
    }

    /// The photo; of an array or a prepared input, what is shown of it.
    pub fn photo(&self) -> &Photo {
        self.view.photo()
    }

    /// The part of the photo that the network sees, at the size at which it sees it.
    pub fn seen(&self) -> Picture {
        self.view.seen().clone()
    }

    /// The part of a region of the photo that the network sees, at the size at which it sees it: cropped
    /// and resized as the photo was. A pixel lies inside when at least half of what it is made of does.
    ///
    /// ```
    /// use convlens::picture::Region;
    /// use convlens::prelude::*;
    /// let model = zoo::squeezenet1_1()?; // 256 pixels, of which it sees the middle 224
    /// let photo = Photo::from_image(&image::DynamicImage::new_rgb8(256, 256))?;
    /// let left = Region::rectangle(256, 256, 0..256, 0..116)?;
    /// let seen = model.look(&photo)?.seen_region(&left)?;
    /// assert_eq!(seen, Region::rectangle(224, 224, 0..224, 0..100)?);
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the region is not of the photo's size.
    pub fn seen_region(&self, region: &Region) -> Result<Region> {
        self.view.seen_region(region)
    }

    /// What pictures of this look are drawn on.
    pub(crate) fn view(&self) -> &Rc<View> {
        &self.view
    }

    /// The `count` most probable classes: by the softmax over the outputs, or, where the network ends
    /// in a sigmoid, by that of each. One output alone says yes, class 1, or no, class 0, by the sigmoid. Where it is
    /// a number that was learnt by regression, an age, these mean nothing:
    /// [`Target::more`](crate::attribution::Target::more) explains it, and [`logits`](Look::logits) has its value.
    ///
    /// # Errors
    /// When the network's output is not one score a class, or a score is NaN or infinite.
    pub fn predictions(&self, count: usize) -> Result<Predictions> {
        let logits = to_floats(&self.logits()?)?;
        if logits.iter().any(|logit| !logit.is_finite()) {
            return Err(self.not_finite("predictions")?);
        }
        let mut rows = ranked(self.model(), &logits);
        rows.truncate(count.max(1));
        Ok(Predictions {
            rows,
            network: self.model().name().to_owned(),
            photo: self.photo().title().to_owned(),
        })
    }

    /// What a layer, or a group of layers, answers to the photo.
    ///
    /// # Errors
    /// An unknown layer: the error lists the closest names.
    pub fn layer(&self, layer: impl Into<LayerRef>) -> Result<FeatureMaps> {
        let mut maps = self.layers([layer])?;
        maps.pop().ok_or_else(|| Error::Shape("no activation".into()))
    }

    /// What several layers, or groups of layers, answer to the photo, in one pass through the
    /// network.
    ///
    /// # Errors
    /// An unknown layer: the error lists the closest names.
    pub fn layers(
        &self,
        layers: impl IntoIterator<Item = impl Into<LayerRef>>,
    ) -> Result<Vec<FeatureMaps>> {
        let model = self.model();
        let found: Vec<(NodeId, String)> =
            layers.into_iter().map(|layer| model.find_named(layer)).collect::<Result<_>>()?;
        let ids: Vec<NodeId> = found.iter().map(|(id, _)| *id).collect();
        let activations = self.memory.activations(&ids)?;
        let grids = model.grids_of(&ids, &self.memory.input()?.size())?;
        let each = found.iter().zip(grids).zip(activations);
        let maps = each.map(|(((id, name), grid), activation)| {
            let maps = grid.map(|grid| grid.to_maps(&activation)).transpose()?.flatten();
            let maps = maps.unwrap_or(activation).f_to_device(Device::Cpu).into_result()?;
            Ok(FeatureMaps::new(name, model.kind_of(*id), maps, &self.view))
        });
        maps.collect()
    }

    /// For a network that segments, the class with the highest score at every pixel, as a mask that
    /// shows itself with a legend. A network with one map of scores says yes, class 1, above 0, or behind a sigmoid
    /// of its own above 0.5.
    ///
    /// # Errors
    /// When the network's output is not a map of scores for each class.
    pub fn segmentation(&self) -> Result<Mask> {
        let scores = self.memory.activation(self.model().output())?; // [1, C, h, w]
        if !matches!(scores.size().as_slice(), &[1, c, h, w] if c > 0 && h * w > 1) {
            return Err(Error::Shape(format!(
                "{} does not end in a map for each class but in {:?}: it does not segment",
                self.model().name(),
                scores.size()
            )));
        }
        let classes = match self.model().class_names() {
            [] => None,
            names => Some(Classes::named(names)?),
        };
        let above = self.model().yes_or_no().map_or(0.0, |answer| answer.above);
        let scores = scores.f_sub_scalar(above).into_result()?;
        Mask::from_tensor(&scores, classes.as_ref())
    }

    /// What the network puts out, one score a class: before the softmax, or behind its own sigmoid.
    ///
    /// # Errors
    /// When the network's output is not one score a class.
    pub fn logits(&self) -> Result<Tensor> {
        let scores = score_list(self.model(), &self.memory.output()?)?;
        scores.f_to_device(Device::Cpu).into_result()
    }

    /// That there are none of these, since the output is not finite, and where that begins.
    fn not_finite(&self, what: &str) -> Result<Error> {
        let origin = self.model().first_not_finite(&self.memory.input()?)?;
        let origin = origin.unwrap_or_else(|| "what the network puts out is not finite".into());
        Ok(Error::Argument(format!("there are no {what}: {origin}")))
    }

    /// The same look, at another of the network's outputs, by its name or its index: its predictions, and what
    /// explains it. What was computed is shared.
    ///
    /// # Errors
    /// When there is no such output: the error lists those that there are.
    pub fn output(&self, output: impl Into<LayerRef>) -> Result<Look> {
        let memory = Rc::new(self.memory.with_output(&output.into())?);
        Ok(Look { memory, view: Rc::clone(&self.view) })
    }

    /// The same look, at another of the network's inputs, by its name or its index: methods that look at the input
    /// explain that one then, and all others are held at what they were fed. What was computed is shared. Of an input
    /// that is a row of numbers, `[1, F]`, explanations are bars, which [`Model::features`] names.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let mut net = Model::builder("photo and depth", [3, 8, 8]);
    /// let photo = net.input();
    /// let depth = net.add_input("depth", [1, 8, 8]);
    /// let both = net.add("both", Op::Concat, &[photo, depth]);
    /// net.chain("net", ops![Conv2d::new(4, 2, 3), Op::Flatten, Linear::new(72, 2)], both);
    /// let model = net.build()?.fix("depth", &Tensor::rand([1, 1, 8, 8], tch::kind::FLOAT_CPU))?;
    ///
    /// let look = model.look_input(&Tensor::rand([1, 3, 8, 8], tch::kind::FLOAT_CPU))?;
    /// let heat = look.explain(&InputXGradient::default())?;
    /// let of_depth = look.input("depth")?.explain(&InputXGradient::default())?;
    /// assert_eq!((heat.channels().count(), of_depth.channels().count()), (3, 1));
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such input: the error lists those that there are; when it is neither a photo nor a row of
    /// numbers.
    pub fn input(&self, input: impl Into<LayerRef>) -> Result<Look> {
        let memory = self.memory.with_input(input.into())?;
        let model = memory.model();
        if model.input() == self.model().input() {
            return Ok(Look { memory: Rc::new(memory), view: Rc::clone(&self.view) });
        }
        let (name, _) = model.end(model.input());
        let title = format!("{name:?} of {}", self.photo().title());
        let view = model.view_of(&memory.input()?, &title)?;
        Ok(Look { memory: Rc::new(memory), view: Rc::new(view) })
    }

    pub(crate) fn memory(&self) -> &Rc<Memory> {
        &self.memory
    }
}

/// The classes by their scores, the best first; of equals, the one with the smaller index, as
/// `argmax` has it.
pub(crate) fn best_first(scores: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

/// The classes by what a network puts out, the best first.
pub(crate) fn ranked(model: &Model, outputs: &[f32]) -> Vec<Prediction> {
    let (scores, probabilities) = (class_scores(model, outputs), probabilities(model, outputs));
    let rows = best_first(&scores).into_iter().map(|class| Prediction {
        class,
        name: model.class_name(class),
        probability: probabilities[class],
        logit: f64::from(scores[class]),
    });
    rows.collect()
}

/// Each class's score, by what a network puts out: one score alone says no, class 0, and yes.
pub(crate) fn class_scores(model: &Model, scores: &[f32]) -> Vec<f32> {
    match (model.yes_or_no(), scores) {
        (Some(answer), &[y]) => {
            [0, 1].map(|class| answer.score(class, f64::from(y)) as f32).to_vec()
        }
        _ => scores.to_vec(),
    }
}

/// Each class's probability by the scores that a network puts out. Behind a sigmoid or softmax of its own, each
/// class has its own already; one score alone says no, class 0, and yes; else the classes share one.
pub(crate) fn probabilities(model: &Model, scores: &[f32]) -> Vec<f64> {
    let alone = scores.len() == 1;
    let scores = class_scores(model, scores).into_iter().map(f64::from);
    if model.ends_in_probabilities() {
        return scores.collect();
    }
    if alone {
        return scores.map(|score| 1.0 / (1.0 + (-score).exp())).collect();
    }
    let greatest = scores.clone().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = scores.clone().map(|score| (score - greatest).exp()).sum();
    scores.map(|score| (score - greatest).exp() / total).collect()
}

/// `[1, C]` or `[1, C, 1, 1] -> [C]`, and `[1]`, one score, as it is; or why the output is no list of class scores.
fn score_list(model: &Model, output: &Tensor) -> Result<Tensor> {
    match *output.size().as_slice() {
        [1] => Ok(output.shallow_clone()),
        [1, classes] | [1, classes, 1, 1] if classes > 0 => {
            output.f_reshape([classes]).into_result()
        }
        _ => Err(Error::Shape(format!(
            "{} does not end in one score a class but in {:?}",
            model.name(),
            output.size()
        ))),
    }
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Look of {} at {}", self.model().name(), self.photo().title()))
    }
}

impl Show for Look {
    fn bundle(&self) -> MimeBundle {
        let caption = format!("{} as {} sees it", self.photo().title(), self.model().name());
        let caption = self.view.captioned(caption);
        match self.view.numbers() {
            Some(numbers) => numbers.bundle(&caption),
            None => MimeBundle::picture(self.view().shown().captioned(&caption), caption),
        }
    }
}
