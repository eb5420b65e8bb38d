//! Networks of several inputs and outputs: what they are called, which counts, and what is held fixed.

use std::rc::Rc;

use tch::Tensor;

use super::builder::check_layer_name;
use super::layer_ref::place;
use super::sub_model::Graph;
use super::{LayerRef, Model, Module, Node, NodeId, Op};
use crate::error::{Error, Result};
use crate::photo::Preprocess;
use crate::tensor::{IntoResult, float_copy, plain_numbers};

impl Model {
    /// The inputs that are still to be fed, by name, with their shapes for one photo. The first is the photo.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// assert_eq!(zoo::squeezenet1_1()?.inputs(), [("input".to_owned(), vec![1, 3, 224, 224])]);
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn inputs(&self) -> Vec<(String, Vec<i64>)> {
        let open = self.all_inputs().filter(|id| *id != self.input() && self.fixed(*id).is_none());
        std::iter::once(self.input()).chain(open).map(|id| self.end(id)).collect()
    }

    /// The outputs by name, with their shapes for one photo, in the network's order. Of a network with one output it
    /// is the last layer.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// assert_eq!(zoo::squeezenet1_1()?.outputs(), [("flatten".to_owned(), vec![1, 1000])]);
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn outputs(&self) -> Vec<(String, Vec<i64>)> {
        let outputs = self.inner.outputs.iter();
        outputs.map(|(name, id)| (name.clone(), self.shape_of(*id).to_vec())).collect()
    }

    /// The same network, of which another output counts: predictions, explanations, pictures for a class and data
    /// sets are then about that one. The parameters are shared. Its classes have the names that
    /// [`classes_of`](Model::classes_of) gave them, or else those of the output before where it tells as many apart.
    ///
    /// A single explanation asks for it by `.output("aux")`, a look by [`Look::output`](crate::look::Look::output).
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let mut net = Model::builder("two heads", [1, 8, 8]);
    /// let x = net.input();
    /// let x = net.add("flatten", Op::Flatten, &[x]);
    /// let kind = net.add("kind", Linear::new(64, 3), &[x]);
    /// let age = net.add("age", Linear::new(64, 1), &[x]);
    /// let model = net.outputs([("kind", kind), ("age", age)]).build()?;
    /// let photo = Tensor::rand([1, 1, 8, 8], tch::kind::FLOAT_CPU);
    /// assert_eq!(model.forward(&photo)?.size(), [1, 3]);
    /// assert_eq!(model.with_output("age")?.forward(&photo)?.size(), [1, 1]); // or by index, 1
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such output: the error lists those that there are.
    pub fn with_output(&self, output: impl Into<LayerRef>) -> Result<Model> {
        let outputs = &self.inner.outputs;
        let names: Vec<&str> = outputs.iter().map(|(name, _)| name.as_str()).collect();
        let index = self.end_of("output", &names, output.into())?;
        let output = outputs.get(index).map_or(self.output, |(_, id)| *id);
        let count = |id: NodeId| self.shape_of(id).get(1);
        let classes = match (self.names_at(output), self.names_at(self.output)) {
            (None, Some(names)) if count(output) == count(self.output) => {
                self.naming(output, Rc::clone(names))
            }
            _ => Rc::clone(&self.classes),
        };
        Ok(Model { output, classes, ..self.clone() })
    }

    /// The same network with one output more, which counts: a function of other outputs, or of any layers, made of
    /// tensor operations. What it computes can be explained like any output; so a detector whose boxes and scores are
    /// apart becomes one that a [`Detector`](crate::look::Detector) reads. The parameters are shared.
    ///
    /// The function gets what it is of, each with the dimension of the batch, and keeps that dimension.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let mut net = Model::builder("finder", [3, 32, 32]);
    /// let x = net.input();
    /// let maps = net.chain("features", ops![Conv2d::new(3, 8, 8).stride(8), Op::Relu], x);
    /// let places = net.add("places", Conv2d::new(8, 4, 1), &[maps]);
    /// let kinds = net.add("kinds", Conv2d::new(8, 2, 1), &[maps]);
    /// let model = net.outputs([("boxes", places), ("logits", kinds)]).build()?;
    ///
    /// let joined = model.with_function("rows", ["boxes", "logits"], |y| {
    ///     let corners = (y[0].sigmoid() * 32.0).flatten(2, 3); // [N, 4, 16]
    ///     Tensor::cat(&[corners, y[1].sigmoid().flatten(2, 3)], 1)
    /// })?;
    /// let look = joined.look(&Photo::open("assets/photos/cat.png")?)?;
    /// let detector = Detector::function(|rows| (rows.narrow(0, 0, 4).tr(), rows.narrow(0, 4, 2).tr()));
    /// look.detections(&detector)?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// Without anything to compute from, or from what is not there; a name that is taken or none; a function that
    /// panics or returns a single number.
    pub fn with_function<L: Into<LayerRef>>(
        &self,
        name: impl Into<String>,
        of: impl IntoIterator<Item = L>,
        function: impl Fn(&[Tensor]) -> Tensor + 'static,
    ) -> Result<Model> {
        let name = name.into();
        check_layer_name(&name)?;
        let doing = format!("the output {name:?} of {}", self.name());
        if self.inner.names.layer(&name).is_some() {
            return Err(Error::Argument(format!("{doing}: the name is taken")));
        }
        let inputs = of.into_iter().map(|part| self.output_or_layer(part.into()));
        let inputs: Vec<NodeId> = inputs.collect::<Result<_>>()?;
        let op = Op::Module(Module::function(move |parts, _| function(parts)));
        let shapes: Vec<&[i64]> = inputs.iter().map(|id| self.shape_of(*id)).collect();
        let shape = op.check(inputs.len()).and_then(|()| op.output_shape(&shapes));
        let shape = shape.map_err(|e| e.while_doing(&doing))?;
        let places: Vec<NodeId> = (0..self.inner.nodes.len()).map(NodeId).collect();
        let mut nodes: Vec<Node> =
            self.inner.nodes.iter().map(|node| node.shared(&places)).collect();
        let output = NodeId(nodes.len());
        nodes.push(Node::plain(name.clone(), op, inputs, shape));
        let outputs = [self.inner.outputs.as_slice(), &[(name, output)]].concat();
        let (name, inputs) = (self.name().to_owned(), self.inner.inputs.clone());
        let model = self.of_shared(Graph { name, nodes, inputs, outputs }, &places);
        Ok(Model { output, ..model })
    }

    fn output_or_layer(&self, part: LayerRef) -> Result<NodeId> {
        let named = match &part {
            LayerRef::Name(name) => self.inner.outputs.iter().find(|(own, _)| own == name),
            LayerRef::Index(_) => None,
        };
        named.map_or_else(|| self.find(part), |(_, id)| Ok(*id))
    }

    /// The same network, of which this layer is the end.
    pub(crate) fn ending_at(&self, layer: impl Into<LayerRef>) -> Result<Model> {
        Ok(Model { output: self.find(layer)?, ..self.clone() })
    }

    /// The network with one of its inputs held at this value, `[1, ...]`: what is left is a network of the other
    /// inputs, like any other. A network of several inputs is looked at when all but the photo are fixed. The
    /// parameters are shared.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let mut net = Model::builder("photo and weather", [1, 8, 8]);
    /// let photo = net.input();
    /// let weather = net.add_input("weather", [3]);
    /// let pixels = net.add("flatten", Op::Flatten, &[photo]);
    /// let both = net.add("both", Op::Concat, &[pixels, weather]);
    /// net.add("fc", Linear::new(64 + 3, 2), &[both]);
    /// let model = net.build()?;
    ///
    /// let sunny = model.fix("weather", &Tensor::from_slice(&[1f32, 0.0, 0.0]).view([1, 3]))?;
    /// let look = sunny.look_input(&Tensor::rand([1, 1, 8, 8], tch::kind::FLOAT_CPU))?;
    /// let heat = look.explain(&Saliency::default())?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// A photo is prepared first: `model.fix("depth", &Preprocess::exact(224, 224).apply(&photo)?)?`. Where the
    /// input that was looked at until now is fixed, the next one with rows and columns takes its place, or else a row
    /// of numbers, and is prepared by its size alone.
    ///
    /// # Errors
    /// When there is no such input, or it is fixed already; a value of another shape; when no input is left to look
    /// at.
    pub fn fix(&self, input: impl Into<LayerRef>, value: &Tensor) -> Result<Model> {
        let id = self.find_input(input.into())?;
        let (name, _) = self.end(id);
        let value =
            plain_numbers(value).map_err(|e| e.while_doing(format!("the input {name:?}")))?;
        if self.fixed(id).is_some() {
            return Err(Error::Argument(format!(
                "the input {name:?} of {} is fixed already: take the network before that",
                self.name()
            )));
        }
        if value.size().first() != self.shape_of(id).first() {
            return Err(self.misfit(id, &value.size()));
        }
        self.check_beside(id, &value.size())?;
        // Whole numbers look something up, and stay what they are.
        let value = match value.is_floating_point() {
            true => float_copy(&value)?,
            false => value.f_detach().and_then(|t| t.f_detach_copy()).into_result()?,
        };
        let value = value.f_to_device(self.device()).into_result()?;
        let fixed = self.fixed_with(vec![(id, value)]);
        if id != self.input() {
            return Ok(Model { fixed, ..self.clone() });
        }
        let of_rank = |rank: usize| {
            let mut open =
                self.all_inputs().filter(|other| *other != id && self.fixed(*other).is_none());
            open.find(|other| self.shape_of(*other).len() == rank)
        };
        let next = of_rank(4).or_else(|| of_rank(2)).ok_or_else(|| {
            Error::Argument(format!(
                "with {name:?} fixed, {} has no input left to look at, [channels, height, width] or a row of \
                 numbers: fix the others, and look at this one",
                self.name()
            ))
        })?;
        Ok(Model { fixed, ..self.looking_at(next) })
    }

    /// The same with this input in the place of the photo; what that was fed is in `fed`, with all others.
    pub(crate) fn with_input(
        &self,
        input: impl Into<LayerRef>,
        fed: impl Fn(NodeId) -> Result<Tensor>,
    ) -> Result<Model> {
        let id = self.find_input(input.into())?;
        if !matches!(self.shape_of(id).len(), 2 | 4) || !fed(id)?.is_floating_point() {
            let (name, shape) = self.end(id);
            return Err(Error::Shape(format!(
                "the input {name:?} of {}, {shape:?}, is neither [channels, height, width], to make a map of, nor \
                 a row of numbers with a fraction, to say of each what it contributes",
                self.name()
            )));
        }
        let others = self.all_inputs().filter(|other| *other != id);
        let fixed = others.map(|other| Ok((other, fed(other)?))).collect::<Result<Vec<_>>>()?;
        let fixed = fixed.into();
        Ok(if id == self.input() {
            Model { fixed, ..self.clone() }
        } else {
            Model { fixed, ..self.looking_at(id) }
        })
    }

    /// The same network, of which the numbers of an input `[N, numbers]` are called so, in their order: explanations
    /// name their bars by them. Without names, they are counted from 0. The parameters are shared.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let mut net = Model::builder("photo and weather", [1, 8, 8]);
    /// let photo = net.input();
    /// let weather = net.add_input("weather", [3]);
    /// let pixels = net.add("flatten", Op::Flatten, &[photo]);
    /// let both = net.add("both", Op::Concat, &[pixels, weather]);
    /// net.add("fc", Linear::new(64 + 3, 2), &[both]);
    /// let model = net.build()?.features("weather", ["sun", "rain", "wind"])?;
    ///
    /// let sunny = model.fix("weather", &Tensor::from_slice(&[1f32, 0.0, 0.5]).view([1, 3]))?;
    /// let look = sunny.look_input(&Tensor::rand([1, 1, 8, 8], tch::kind::FLOAT_CPU))?;
    /// let heat = look.input("weather")?.explain(&InputXGradient::default())?; // a bar for each
    /// assert!(heat.bundle().as_text().contains("rain: 0"));
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such input, it is no row of numbers, or it has more or fewer of them.
    pub fn features<S: Into<String>>(
        &self,
        input: impl Into<LayerRef>,
        names: impl IntoIterator<Item = S>,
    ) -> Result<Model> {
        let id = self.find_input(input.into())?;
        let names: Rc<[String]> = names.into_iter().map(Into::into).collect();
        let (name, shape) = self.end(id);
        if !matches!(shape[..], [_, count] if count == names.len() as i64) {
            return Err(Error::Argument(format!(
                "{} names for the input {name:?} of {}, which is {shape:?}: give one for each number of a row",
                names.len(),
                self.name()
            )));
        }
        let others = self.features.iter().filter(|(other, _)| *other != id).cloned();
        Ok(Model { features: others.chain([(id, names)]).collect(), ..self.clone() })
    }

    /// What the numbers of the input that is looked at are called: as they were named, or by their places.
    pub(crate) fn feature_names(&self) -> Rc<[String]> {
        let named = self.features.iter().find(|(id, _)| *id == self.input());
        named.map_or_else(
            || (0..self.input_shape()[0]).map(|place| place.to_string()).collect(),
            |(_, names)| Rc::clone(names),
        )
    }

    fn looking_at(&self, input: NodeId) -> Model {
        let model = Model { input, ..self.clone() };
        let [_, h, w] = model.input_shape();
        Model { preprocess: Rc::new(Preprocess::exact(h, w)), ..model }
    }

    /// What the input that is looked at is called, where there are several.
    pub(crate) fn input_named(&self) -> Option<String> {
        (self.inner.inputs.len() > 1).then(|| self.end(self.input()).0)
    }

    /// How captions begin where it is not the network's first output that counts: "aux: ".
    pub(crate) fn output_named(&self) -> String {
        self.output_beside().map_or(String::new(), |name| format!("{name}: "))
    }

    /// What the output that counts is called, where it is not the network's first.
    pub(super) fn output_beside(&self) -> Option<String> {
        let first = self.inner.outputs.first().is_some_and(|(_, id)| *id == self.output);
        self.output_name(self.output).filter(|_| !first)
    }

    /// What the output is called, if it is one.
    pub(super) fn output_name(&self, id: NodeId) -> Option<String> {
        let found = self.inner.outputs.iter().find(|(_, output)| *output == id);
        found.map(|(name, _)| name.clone())
    }

    /// What is fed to the inputs that are fixed and not among the feeds, for as many photos as these.
    pub(crate) fn fixed_beside(
        &self,
        feeds: &[(NodeId, &Tensor)],
    ) -> Result<Vec<(NodeId, Tensor)>> {
        let fed = |id: NodeId| feeds.iter().any(|(other, _)| *other == id);
        let open = self.fixed.iter().filter(|(id, _)| !fed(*id));
        open.map(|(id, value)| {
            let mut size = value.size();
            if self.goes_with_photos(*id)
                && let Some(first) = size.first_mut()
            {
                *first = self.photos_in(feeds);
            }
            Ok((*id, value.f_expand(size, false).into_result()?))
        })
        .collect()
    }

    /// How many photos the feeds are of.
    fn photos_in(&self, feeds: &[(NodeId, &Tensor)]) -> i64 {
        let by_photo = self.by_photo();
        let of = |(id, value): &(NodeId, &Tensor)| {
            let one = *self.shape_of(*id).first().filter(|one| **one > 0 && by_photo[id.0])?;
            Some((value.size().first()? / one).max(1))
        };
        let photo = feeds.iter().find(|(id, _)| *id == self.input());
        photo.and_then(of).or_else(|| feeds.iter().find_map(of)).unwrap_or(1)
    }

    /// The shape of an input beside the photo, for so many photos.
    pub(super) fn shape_beside(&self, id: NodeId, photos: i64) -> Vec<i64> {
        let mut shape = self.fixed(id).map_or_else(|| self.shape_of(id).to_vec(), Tensor::size);
        if self.goes_with_photos(id)
            && let Some(first) = shape.first_mut()
        {
            *first = photos;
        }
        shape
    }

    /// Whether an input beside the photo can have this shape. Heights and widths may be others.
    pub(super) fn check_beside(&self, id: NodeId, size: &[i64]) -> Result<()> {
        let own = self.shape_of(id);
        let free =
            |dim: usize| (dim == 0 && self.goes_with_photos(id)) || (own.len() == 4 && dim >= 2);
        let sides = own.iter().zip(size).enumerate();
        let fits = own.len() == size.len()
            && sides.into_iter().all(|(dim, (own, size))| own == size || (free(dim) && *size > 0));
        if fits { Ok(()) } else { Err(self.misfit(id, size)) }
    }

    /// Whether each photo of a batch has its own value of this input.
    pub(super) fn goes_with_photos(&self, id: NodeId) -> bool {
        matches!(self.shape_of(id), [1, _, ..])
    }

    fn misfit(&self, id: NodeId, size: &[i64]) -> Error {
        let (name, shape) = self.end(id);
        let grey = match (shape.as_slice(), size) {
            (&[_, 1, ..], &[_, 3, _, _]) if shape.len() == 4 => {
                ": of a photo in grey all three channels are alike, tensor.narrow(1, 0, 1) is one of them"
            }
            _ => "",
        };
        Error::Shape(format!(
            "the input {name:?} of {} takes {shape:?}, not {size:?}{grey}",
            self.name()
        ))
    }

    /// What is said when this input has no value, of those that are not fed.
    pub(super) fn unfed(&self, id: NodeId, fed: &[bool]) -> Error {
        let (name, _) = self.end(id);
        if id == self.input() {
            return Error::Argument(format!(
                "the feeds of {} do not lead to all that is wanted: feed {name:?} as well",
                self.name()
            ));
        }
        let others = self.all_inputs().filter(|other| *other != self.input() && !fed[other.0]);
        let others: Vec<(String, Vec<i64>)> = others.map(|other| self.end(other)).collect();
        let each = others.iter().map(|(name, shape)| format!("{name:?} of {shape:?}"));
        let fixes = others.iter().map(|(name, _)| format!(".fix({name:?}, &tensor)?"));
        Error::Argument(format!(
            "{} has inputs beside the photo, {}, which nothing was fed to: give them values first, model{}",
            self.name(),
            each.collect::<Vec<_>>().join(" and "),
            fixes.collect::<String>()
        ))
    }

    /// An input by its name, or by its place among all of them.
    fn find_input(&self, which: LayerRef) -> Result<NodeId> {
        let inputs = &self.inner.inputs;
        let names: Vec<&str> = inputs.iter().map(|(name, _)| name.as_str()).collect();
        let index = self.end_of("input", &names, which)?;
        Ok(inputs.get(index).map_or(self.input, |(_, id)| *id))
    }

    /// What is fed by this name: an input, or any layer's value.
    pub(super) fn find_fed(&self, name: &str) -> Result<NodeId> {
        self.input_called(name).map_or_else(|| self.find(name), Ok)
    }

    /// The input that the network calls so.
    pub(super) fn input_called(&self, name: &str) -> Option<NodeId> {
        let found = self.inner.inputs.iter().find(|(own, _)| own == name);
        found.map(|(_, id)| *id)
    }

    fn end_of(&self, what: &str, names: &[&str], which: LayerRef) -> Result<usize> {
        let found = match &which {
            LayerRef::Name(name) => names.iter().position(|own| own == name),
            LayerRef::Index(index) => place(*index, names.len()),
        };
        found.ok_or_else(|| {
            let listed = names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>();
            let asked = match which {
                LayerRef::Name(name) => format!("{name:?}"),
                LayerRef::Index(index) => index.to_string(),
            };
            Error::Argument(format!(
                "{} has no {what} {asked}; it has {}, numbered from 0",
                self.name(),
                listed.join(", ")
            ))
        })
    }

    pub(crate) fn is_input(&self, id: NodeId) -> bool {
        matches!(self.op_of(id), Op::Input)
    }

    fn all_inputs(&self) -> impl Iterator<Item = NodeId> {
        self.inner.inputs.iter().map(|(_, id)| *id)
    }

    /// What an input is called, and its shape for one photo.
    pub(crate) fn end(&self, id: NodeId) -> (String, Vec<i64>) {
        let called = self.inner.inputs.iter().find(|(_, input)| *input == id);
        let name = called.map_or_else(|| self.layer_name(id).to_owned(), |(name, _)| name.clone());
        (name, self.shape_of(id).to_vec())
    }

    fn fixed(&self, id: NodeId) -> Option<&Tensor> {
        self.fixed.iter().find(|(other, _)| *other == id).map(|(_, value)| value)
    }

    fn fixed_with(&self, more: Vec<(NodeId, Tensor)>) -> Rc<[(NodeId, Tensor)]> {
        let own = self.fixed.iter().map(|(id, value)| (*id, value.shallow_clone()));
        own.chain(more).collect()
    }
}
