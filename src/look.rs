//! A photo as one network sees it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use image::DynamicImage;
use tch::{Kind, Tensor};

use crate::chart;
use crate::error::{Error, Result};
use crate::feature_maps::FeatureMaps;
use crate::model::{LayerRef, Model, NodeId, Pass};
use crate::photo::{Photo, Preprocess, View};
use crate::picture::Picture;
use crate::section::{Classes, Mask};
use crate::show::{MimeBundle, Show, error_bundle};
use crate::tensor::{IntoResult, float_copy, to_floats};

/// One photo under one network: what it predicts, what its layers answer, and why.
///
/// A look remembers what it has computed: the front of the network runs once, and a further
/// explanation costs its tail alone. Clones share that memory.
///
/// ```
/// # fn main() -> convlens::Result<()> {
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// let look = model.look(&Photo::open("assets/photos/cat.png")?)?;
/// assert_eq!(look.predictions(5)?.top().name, "tiger cat");
/// assert_eq!(look.layer("features.0")?.count(), 64); // or by index: look.layer(1)
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Look {
    inner: Rc<Inner>,
}

struct Inner {
    model: Model,
    view: Rc<View>,
    /// What every later step starts from; grows with the layers that were asked for.
    known: RefCell<HashMap<NodeId, Tensor>>,
    /// The model's training passes when all that became known.
    trainings: Cell<u64>,
}

impl Model {
    /// Looks at a photo, prepared as this network expects it.
    ///
    /// # Errors
    /// When the photo cannot be prepared, or its size or channels do not suit the network.
    pub fn look(&self, photo: &Photo) -> Result<Look> {
        self.look_prepared(photo, self.preprocess())
    }

    /// Looks at a photo that is prepared in another way.
    ///
    /// # Errors
    /// As [`look`](Model::look).
    pub fn look_prepared(&self, photo: &Photo, preprocess: &Preprocess) -> Result<Look> {
        let seen = preprocess.seen(photo)?;
        let input = preprocess.normalized(&seen, self.input_shape()[0])?;
        self.look_from(View::new(photo.clone(), preprocess.clone(), seen.into()), input)
    }

    /// Looks at an input that is prepared already, `[1, C, H, W]`. What is shown of it is the
    /// input with this network's normalisation undone.
    ///
    /// # Errors
    /// When it is not one input, or its size or channels do not suit the network.
    pub fn look_input(&self, input: &Tensor) -> Result<Look> {
        let input = float_copy(input)?;
        let seen = DynamicImage::ImageRgb8(self.preprocess().pictured(&input)?);
        let photo = Photo::from_image(&seen)?.titled("the input");
        let seen = photo.picture();
        self.look_from(View::new(photo, Preprocess::keep(), seen), input)
    }

    fn look_from(&self, view: View, input: Tensor) -> Result<Look> {
        self.check_input(&input)
            .map_err(|e| e.while_doing(format!("looking at {}", view.photo().title())))?;
        let known = RefCell::new(HashMap::from([(self.input(), input)]));
        let trainings = Cell::new(self.trainings());
        let inner = Inner { model: self.clone(), view: Rc::new(view), known, trainings };
        Ok(Look { inner: Rc::new(inner) })
    }
}

impl Look {
    /// The network.
    pub fn model(&self) -> &Model {
        &self.inner.model
    }

    /// The photo.
    pub fn photo(&self) -> &Photo {
        self.inner.view.photo()
    }

    /// The part of the photo that the network sees, at the size at which it sees it.
    pub fn seen(&self) -> Picture {
        self.inner.view.seen().clone()
    }

    /// What pictures of this look are drawn on.
    pub(crate) fn view(&self) -> &Rc<View> {
        &self.inner.view
    }

    /// The `count` most probable classes (softmax over the outputs).
    ///
    /// # Errors
    /// When the network's output is not one score a class.
    pub fn predictions(&self, count: usize) -> Result<Predictions> {
        let logits = self.logits()?;
        let probabilities = to_floats(&logits.f_softmax(-1, Kind::Float).into_result()?)?;
        let logits = to_floats(&logits)?;
        let rows = best_first(&logits).into_iter().take(count.max(1)).map(|class| Prediction {
            class,
            name: self.model().class_name(class),
            probability: f64::from(probabilities[class]),
            logit: f64::from(logits[class]),
        });
        Ok(Predictions {
            rows: rows.collect(),
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
        let activations = self.activations(&ids)?;
        let maps = found.iter().zip(activations).map(|((id, name), activation)| {
            FeatureMaps::new(name, model.kind_of(*id), activation, self)
        });
        Ok(maps.collect())
    }

    /// For a network that segments, the class with the highest score at every pixel, as a mask that
    /// shows itself with a legend. A network with one map of logits says yes, class 1, above 0.
    ///
    /// # Errors
    /// When the network's output is not a map of scores for each class.
    pub fn segmentation(&self) -> Result<Mask> {
        let scores = self.activation(self.model().output())?; // [1, C, h, w]
        if !matches!(scores.size().as_slice(), &[1, c, h, w] if c > 0 && h * w > 1) {
            return Err(Error::Shape(format!(
                "{} does not end in a map for each class but in {:?}: it does not segment",
                self.model().name(),
                scores.size()
            )));
        }
        let names = self.model().classes();
        let one = matches!(scores.size().as_slice(), &[_, 1, ..]);
        let classes = match names {
            [] => None,
            [name] if one => Some(Classes::named([format!("not {name}"), name.clone()])?),
            names => Some(Classes::named(names)?),
        };
        Mask::from_tensor(&scores, classes.as_ref())
    }

    /// The scores before the softmax, one a class.
    ///
    /// # Errors
    /// When the network's output is not one score a class.
    pub fn logits(&self) -> Result<Tensor> {
        // The layer that explanations start from by default comes out of the same pass.
        let mut wanted = vec![self.model().output()];
        if let Ok(layer) = self.model().last_convolution() {
            wanted.push(self.model().find(&layer)?);
        }
        let values = self.activations(&wanted)?;
        class_scores(self.model(), &values[0])
    }

    /// The network's output when `layer` has this value instead of its own, with gradients
    /// recorded with respect to it. Branches that lead around the layer keep their values.
    pub(crate) fn output_from(&self, layer: NodeId, value: &Tensor) -> Result<Tensor> {
        self.forget_after_training();
        let known = self.inner.known.borrow();
        // What comes later in the order may depend on the layer, and has to run again.
        let before = known.iter().filter(|(id, _)| **id < layer).map(|(id, t)| (*id, t));
        let feeds: Vec<(NodeId, &Tensor)> = before.chain([(layer, value)]).collect();
        let output = [self.model().output()];
        let mut outputs = self.model().run_nodes(Pass::Gradient, &feeds, &output)?;
        outputs.pop().ok_or_else(|| Error::Shape("no output".into()))
    }

    /// All but the input is worth nothing once the parameters have changed.
    fn forget_after_training(&self) {
        let trainings = self.model().trainings();
        if self.inner.trainings.replace(trainings) != trainings {
            let input = self.model().input();
            self.inner.known.borrow_mut().retain(|id, _| *id == input);
        }
    }

    pub(crate) fn activation(&self, id: NodeId) -> Result<Tensor> {
        let mut values = self.activations(&[id])?;
        values.pop().ok_or_else(|| Error::Shape("no activation".into()))
    }

    /// The outputs of these layers, computed from the nearest that are known, and remembered.
    fn activations(&self, wanted: &[NodeId]) -> Result<Vec<Tensor>> {
        self.forget_after_training();
        let mut known = self.inner.known.borrow_mut();
        let missing: Vec<NodeId> =
            wanted.iter().copied().filter(|id| !known.contains_key(id)).collect();
        if !missing.is_empty() {
            let feeds: Vec<(NodeId, &Tensor)> = known.iter().map(|(id, t)| (*id, t)).collect();
            let values = self.model().run_nodes(Pass::Inference, &feeds, &missing)?;
            known.extend(missing.into_iter().zip(values));
        }
        Ok(wanted.iter().map(|id| known[id].shallow_clone()).collect())
    }
}

/// The classes by their scores, the best first; of equals, the one with the smaller index, as
/// `argmax` has it.
pub(crate) fn best_first(scores: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

/// `[1, C]` or `[1, C, 1, 1] -> [C]`, or why the output is no list of class scores.
pub(crate) fn class_scores(model: &Model, output: &Tensor) -> Result<Tensor> {
    match *output.size().as_slice() {
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
        write!(f, "Look({} at {:?})", self.model().name(), self.photo())
    }
}

impl Show for Look {
    fn bundle(&self) -> MimeBundle {
        let caption = format!("{} as {} sees it", self.photo().title(), self.model().name());
        MimeBundle::picture(self.view().shown().captioned(&caption), caption)
    }
}

/// One class and how probable the network finds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The index of the class.
    pub class: usize,
    /// Its short name.
    pub name: String,
    /// Its softmax probability, 0 to 1.
    pub probability: f64,
    /// Its score before the softmax.
    pub logit: f64,
}

/// The most probable classes of a photo, best first.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    rows: Vec<Prediction>,
    network: String,
    photo: String,
}

impl Predictions {
    /// The classes, best first; at least one.
    pub fn rows(&self) -> &[Prediction] {
        &self.rows
    }

    /// The most probable class.
    pub fn top(&self) -> Prediction {
        self.rows[0].clone()
    }
}

impl fmt::Display for Predictions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sees in {}:", self.network, self.photo)?;
        for row in &self.rows {
            write!(f, "\n{:5.1} %  {} ({})", 100.0 * row.probability, row.name, row.class)?;
        }
        Ok(())
    }
}

impl Show for Predictions {
    fn bundle(&self) -> MimeBundle {
        let bars: Vec<(String, f64)> = self
            .rows
            .iter()
            .take(MOST_BARS)
            .map(|row| (format!("{} ({})", shortened(&row.name), row.class), row.probability))
            .collect();
        match chart::percentage_bars(&bars) {
            Ok(picture) if self.rows.len() > MOST_BARS => {
                let note = format!("the first {MOST_BARS} of {} are drawn", self.rows.len());
                MimeBundle::picture(picture.captioned(&note), format!("{self}\n{note}"))
            }
            Ok(picture) => MimeBundle::picture(picture, self.to_string()),
            Err(error) => error_bundle(&error),
        }
    }
}

/// More bars than this are not drawn; the text has them all.
const MOST_BARS: usize = 50;

/// A class's name at a length that fits beside its bar.
fn shortened(name: &str) -> String {
    const MOST: usize = 40;
    if name.chars().count() <= MOST {
        return name.to_owned();
    }
    let start: String = name.chars().take(MOST - 1).collect();
    start + "…"
}
