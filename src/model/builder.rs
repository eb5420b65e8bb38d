//! Puts a network together, layer by layer.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::nn::{self, VarStore};
use tch::{Device, Tensor};

use super::fused_norms::{self, Placed};
use super::op::{Module, ParameterSpec, countable, too_many};
use super::weights::{self, Weights};
use super::{Inner, Model, Names, Node, Op, Parameter};
use crate::error::{Error, Result};
use crate::memory;
use crate::photo::Preprocess;
use crate::tensor::{IntoResult, channels_last, float_copy};

/// A layer of a [`Builder`] or [`Model`]: its place in the order of execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) usize);

/// Puts a [`Model`] together. Shapes are checked as layers are added; the first mistake is what
/// [`build`](Builder::build) returns.
#[derive(Debug)]
pub struct Builder {
    name: String,
    nodes: Vec<Planned>,
    /// The names that are taken.
    names: HashSet<String>,
    mistake: Option<Error>,
    preprocess: Preprocess,
    classes: Vec<String>,
    seed: u64,
    one_by_one: bool,
    /// The photo first.
    inputs: Vec<(String, NodeId)>,
    /// In place of the last layer.
    outputs: Vec<(String, NodeId)>,
    /// Holds the parameters of modules from the start; those of our own layers join at the end.
    variables: VarStore,
}

/// A node before its parameters exist.
#[derive(Debug)]
struct Planned {
    name: String,
    op: Op,
    inputs: Vec<NodeId>,
    shape: Vec<i64>,
    /// The full names of its parameters, where they are not the layer's name and their own.
    parameters: Option<Vec<String>>,
}

impl Planned {
    /// What it needs, each with its full name.
    fn parameters(&self) -> Vec<(String, ParameterSpec)> {
        let specs = self.op.parameters().into_iter().enumerate();
        let named = specs.map(|(i, spec)| {
            let given = self.parameters.as_ref().and_then(|names| names.get(i)).cloned();
            (given.unwrap_or_else(|| format!("{}.{}", self.name, spec.name)), spec)
        });
        named.collect()
    }
}

impl Builder {
    pub(super) fn new(name: String, input_shape: &[i64]) -> Self {
        let mistake = match input_shape {
            [_] | [_, _, _] if input_shape.iter().any(|size| *size < 1) => {
                Some(Error::Argument(format!("an input of {input_shape:?} has no pixels")))
            }
            [_] | [_, _, _] if !countable(input_shape) => {
                Some(too_many(input_shape).while_doing("the input"))
            }
            [_] | [_, _, _] => None,
            _ => Some(Error::Shape(format!(
                "an input is a photo, [channels, height, width], or a row of [numbers], not {input_shape:?}"
            ))),
        };
        let (h, w) = match *input_shape {
            [_, h, w] => (h, w),
            _ => (1, 1),
        };
        Builder {
            name,
            nodes: vec![Planned {
                name: "input".into(),
                op: Op::Input,
                inputs: Vec::new(),
                shape: [&[1], input_shape].concat(),
                parameters: None,
            }],
            names: HashSet::from(["input".to_owned(), "output".to_owned()]),
            mistake,
            preprocess: Preprocess::exact(h, w),
            classes: Vec::new(),
            seed: 0,
            inputs: vec![("input".into(), NodeId(0))],
            outputs: Vec::new(),
            one_by_one: false,
            variables: VarStore::new(Device::Cpu),
        }
    }

    /// The node that stands for the photo.
    pub fn input(&self) -> NodeId {
        NodeId(0)
    }

    /// A further input beside the photo, of this shape without the photos: `[1, h, w]` for a map of depths, `[5]` for
    /// five numbers. [`Model::fix`] feeds it.
    pub fn add_input(&mut self, name: impl Into<String>, shape: impl AsRef<[i64]>) -> NodeId {
        let shape: Vec<i64> = std::iter::once(1).chain(shape.as_ref().iter().copied()).collect();
        let name = name.into();
        self.add_input_of(name.clone(), name, shape)
    }

    /// The same of this whole shape, whose layer has a name of its own.
    pub(crate) fn add_input_of(&mut self, called: String, name: String, shape: Vec<i64>) -> NodeId {
        let fits = shape.iter().all(|size| *size > 0) && countable(&shape);
        if !fits {
            let text = format!("the input {name:?} of {} cannot be {shape:?}", self.name);
            self.mistake.get_or_insert(Error::Shape(text));
        }
        if let Err(error) = self.check_name(&name, Op::Input.kind()) {
            self.mistake.get_or_insert(error);
        }
        self.names.insert(name.clone());
        let planned = Planned { name, op: Op::Input, inputs: Vec::new(), shape, parameters: None };
        self.nodes.push(planned);
        let id = NodeId(self.nodes.len() - 1);
        self.inputs.push((called, id));
        id
    }

    /// What a layer is called.
    pub(crate) fn name_of(&self, id: NodeId) -> &str {
        self.nodes.get(id.0).map_or("", |node| node.name.as_str())
    }

    /// Calls the photo so, and its layer by a name of its own, before there are others.
    pub(crate) fn photo_called(mut self, called: &str, name: String) -> Self {
        if let (Some(photo), Some(input)) = (self.nodes.first_mut(), self.inputs.first_mut()) {
            called.clone_into(&mut input.0);
            self.names.insert(name.clone());
            photo.name = name;
        }
        self
    }

    /// Adds a layer that reads `inputs`, and returns its handle.
    pub fn add(&mut self, name: impl Into<String>, op: impl Into<Op>, inputs: &[NodeId]) -> NodeId {
        let (name, op) = (name.into(), op.into());
        let shape = match self.check(&name, &op, inputs) {
            Ok(shape) => shape,
            Err(error) => {
                // Later layers are not judged: they would only repeat the first mistake.
                self.mistake.get_or_insert(error);
                Vec::new()
            }
        };
        self.names.insert(name.clone());
        self.nodes.push(Planned { name, op, inputs: inputs.to_vec(), shape, parameters: None });
        NodeId(self.nodes.len() - 1)
    }

    /// The same for a layer whose parameters have these full names; others may have them, too.
    pub(crate) fn add_named(
        &mut self,
        name: String,
        op: Op,
        inputs: &[NodeId],
        parameters: Vec<String>,
    ) -> NodeId {
        let id = self.add(name, op, inputs);
        if let Some(planned) = self.nodes.get_mut(id.0) {
            planned.parameters = Some(parameters);
        }
        id
    }

    /// The network's outputs by name, in place of the last layer; the first is the one that counts unless
    /// [`Model::with_output`] says otherwise.
    pub fn outputs<S: Into<String>>(
        mut self,
        outputs: impl IntoIterator<Item = (S, NodeId)>,
    ) -> Self {
        self.outputs.clear();
        for (name, id) in outputs {
            let name = name.into();
            if self.outputs.iter().any(|(other, _)| *other == name) {
                let text = format!("{} has two outputs called {name:?}", self.name);
                self.mistake.get_or_insert(Error::Argument(text));
            }
            if id.0 >= self.nodes.len() {
                let text = format!("the output {name:?} of {} is none of its layers", self.name);
                self.mistake.get_or_insert(Error::Argument(text));
            }
            self.outputs.push((name, id));
        }
        self
    }

    /// Adds layers one after another, named `name.0`, `name.1`, ..., as PyTorch's `Sequential`
    /// names them, and returns the last. [`ops!`](crate::ops) writes such a list.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let mut net = Model::builder("tiny", [1, 28, 28]);
    /// let x = net.input();
    /// let conv = Conv2d::new(1, 8, 3);
    /// let x = net.chain("features", ops![conv, Op::Relu, Pool2d::max(2), Op::Flatten], x);
    /// net.add("classifier", Linear::new(8 * 13 * 13, 10), &[x]);
    /// let model = net.build()?;
    /// assert_eq!(model.output_shapes(&[1, 1, 28, 28])?.last(), Some(&vec![1, 10]));
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn chain(
        &mut self,
        name: &str,
        layers: impl IntoIterator<Item = Op>,
        input: NodeId,
    ) -> NodeId {
        let layers = layers.into_iter().enumerate();
        layers.fold(input, |x, (i, op)| self.add(format!("{name}.{i}"), op, &[x]))
    }

    /// Adds a module of `tch::nn` that reads `input`. Its parameters are those that the variable
    /// store holds under the layer's name: make it at [`path`](Builder::path), or give the store
    /// that it was made in to [`variables`](Builder::variables) before.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// use tch::nn;
    ///
    /// // A network as one writes it with tch, perhaps trained already ...
    /// let store = nn::VarStore::new(tch::Device::Cpu);
    /// let conv1 = nn::conv2d(store.root() / "conv1", 1, 8, 5, Default::default());
    /// let conv2 = nn::conv2d(store.root() / "conv2", 8, 16, 5, Default::default());
    /// let fc = nn::linear(store.root() / "fc", 16 * 4 * 4, 10, Default::default());
    ///
    /// // ... comes under the lens layer by layer.
    /// let mut net = Model::builder("mine", [1, 28, 28]).variables(store);
    /// let x = net.input();
    /// let x = net.module("conv1", conv1, x);
    /// let x = net.function("pool1", |x, _| x[0].max_pool2d_default(2), &[x]);
    /// let x = net.module("conv2", conv2, x);
    /// let x = net.add("relu2", Op::Relu, &[x]);
    /// let x = net.add("pool2", Pool2d::max(2), &[x]);
    /// let x = net.add("flatten", Op::Flatten, &[x]);
    /// net.module("fc", fc, x);
    /// let model = net.build()?;
    ///
    /// let look = model.look_input(&Tensor::rand([1, 1, 28, 28], tch::kind::FLOAT_CPU))?;
    /// assert_eq!(look.layer("conv2")?.count(), 16);
    /// let heat = look.explain(&GradCam::at("conv2"))?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn module<M: nn::ModuleT + 'static>(
        &mut self,
        name: impl Into<String>,
        module: M,
        input: NodeId,
    ) -> NodeId {
        self.add(name, Module::new(module), &[input])
    }

    /// Adds a closure from all its inputs and "is this training?" to the output.
    pub fn function(
        &mut self,
        name: impl Into<String>,
        run: impl Fn(&[Tensor], bool) -> Tensor + 'static,
        inputs: &[NodeId],
    ) -> NodeId {
        self.add(name, Module::function(run), inputs)
    }

    /// Where a module of this name keeps its parameters. A notebook's cell cannot keep what this
    /// returns, since it borrows the builder: write it where it is used.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let mut net = Model::builder("mine", [1, 28, 28]);
    /// let conv1 = tch::nn::conv2d(net.path("conv1"), 1, 8, 5, Default::default());
    /// net.module("conv1", conv1, net.input());
    /// assert_eq!(net.build()?.parameters("conv1")?.len(), 2);
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn path(&self, name: &str) -> nn::Path<'_> {
        path_in(&self.variables, name)
    }

    /// The store in which the network's modules were made. Layers of our own kinds use the
    /// variables that stand there under their names, instead of new ones.
    pub fn variables(mut self, store: VarStore) -> Self {
        if !self.variables.is_empty() || self.nodes.len() > 1 {
            self.mistake.get_or_insert(Error::Argument(format!(
                "{}: give the variable store before the first layer",
                self.name
            )));
        }
        self.variables = store;
        self
    }

    fn check(&self, name: &str, op: &Op, inputs: &[NodeId]) -> Result<Vec<i64>> {
        if self.mistake.is_some() {
            return Ok(Vec::new());
        }
        let context = self.check_name(name, op.kind())?;
        let mut shapes = Vec::with_capacity(inputs.len());
        for id in inputs {
            match self.nodes.get(id.0) {
                Some(node) => shapes.push(node.shape.as_slice()),
                None => {
                    return Err(Error::Argument(format!(
                        "{context}: its input {} is no layer of this network",
                        id.0
                    )));
                }
            }
        }
        op.check(inputs.len())
            .and_then(|()| check_size(op))
            .and_then(|()| op.output_shape(&shapes))
            .map_err(|error| error.while_doing(&context))
    }

    /// What messages call it, if it can be called so.
    fn check_name(&self, name: &str, kind: &str) -> Result<String> {
        let context = format!("layer {name:?} ({kind}) of {}", self.name);
        check_layer_name(name)?;
        if self.names.contains(name) {
            return Err(Error::Argument(format!("{context}: the name is taken")));
        }
        Ok(context)
    }

    /// How a photo becomes this network's input; by default it is resized to the input's size and
    /// scaled to `[0, 1]`.
    pub fn preprocess(mut self, preprocess: Preprocess) -> Self {
        self.preprocess = preprocess;
        self
    }

    /// The names of the classes, in the order of the outputs; synonyms separated by commas.
    pub fn classes<S: Into<String>>(mut self, classes: impl IntoIterator<Item = S>) -> Self {
        self.classes = classes.into_iter().map(Into::into).collect();
        self
    }

    /// Takes one photo at a time: a batch runs photo by photo.
    pub(crate) fn one_by_one(mut self) -> Self {
        self.one_by_one = true;
        self
    }

    /// The seed of the random start of [`build`](Builder::build); 0 by default.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The network with randomly initialised parameters, the same for the same seed; libtorch's own
    /// generator is left alone. Parameters of modules, and of layers whose names stand in the
    /// given [`variables`](Builder::variables), stay what they are.
    ///
    /// # Errors
    /// The first mistake made in the graph, with the layer's name.
    pub fn build(self) -> Result<Model> {
        let mut random = StdRng::seed_from_u64(self.seed);
        self.finish(|_, spec| spec.init.tensor(&spec.shape, &mut random))
    }

    /// The network with these trained parameters.
    ///
    /// What wrappers put before the names is taken off where all names then fit: `module.`,
    /// `_orig_mod.`, `model.`, `net.`, `backbone.`, `encoder.`, one or several. What training scripts
    /// count beside the weights, such as `n_averaged`, is left aside, and so is what quantised layers know of their
    /// outputs. A batch norm that was fused into the convolution before it becomes one that adds the bias. A line
    /// says so, and [`Model::notes`] keep it. Classes that have no names yet take those of the weights.
    ///
    /// # Errors
    /// The first mistake made in the graph; or one error that lists every missing, surplus and
    /// misshapen tensor.
    pub fn build_with(mut self, trained: Weights) -> Result<Model> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        let mut trained = self.fitted(trained)?;
        let expected = self.expected();
        weights::check(&self.name, &trained, &expected)?;
        weights::copy(&trained, self.variables.variables())?;
        let last = NodeId(self.nodes.len().saturating_sub(1));
        let output = self.outputs.first().map_or(last, |(_, id)| *id);
        let outputs = self.nodes.get(output.0).and_then(|node| node.shape.get(1)).copied();
        let class_names = weights::class_names(&mut trained, outputs);
        if self.classes.is_empty() {
            self.classes = class_names;
        }
        let notes = trained.notes().to_vec();
        let model = self.finish(|name, _| {
            let tensor = trained.remove(name);
            // A copy: whoever gave the tensor keeps it, and shares nothing with the network.
            float_copy(&tensor.ok_or_else(|| Error::Argument(format!("{name} is missing")))?)
        })?;
        model.take_notes(notes);
        Ok(model)
    }

    /// The weights under the names of this network, without what wrappers put before them, and with the batch
    /// norms that were fused into convolutions.
    pub(crate) fn fitted(&self, trained: Weights) -> Result<Weights> {
        let placed = self.nodes.iter().map(|node| Placed {
            op: &node.op,
            inputs: &node.inputs,
            names: node.parameters().into_iter().map(|(name, _)| name).collect(),
        });
        let placed: Vec<Placed<'_>> = placed.collect();
        fused_norms::unfused(weights::fitted(trained, &self.expected()), &placed)
    }

    /// The network's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The names and shapes of the parameters of the layers, in their order.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (String, Vec<i64>)> {
        let parameters = self.nodes.iter().flat_map(Planned::parameters);
        parameters.map(|(name, spec)| (name, spec.shape))
    }

    /// All that trained parameters must have, those of modules among them.
    pub(crate) fn expected(&self) -> BTreeMap<String, Vec<i64>> {
        let variables = self.variables.variables().into_iter();
        let modules = variables.map(|(name, tensor)| (name, tensor.size()));
        modules.chain(self.parameters()).collect()
    }

    /// Refuses parameters that take more memory than there is, beside those that are there already.
    fn check_memory(&self, given: &BTreeMap<String, Tensor>) -> Result<()> {
        let (mut total, mut largest) = (0.0, 0.0f64);
        for node in &self.nodes {
            for (name, spec) in node.parameters() {
                if !given.contains_key(&name) {
                    total += spec.count();
                    largest = largest.max(spec.count());
                }
            }
        }
        // Each is copied once while it is made.
        let bytes = 4.0 * (total + largest);
        let what = format!("the {total:.3e} parameters of {}", self.name);
        memory::check(&what, bytes as u64, "is a pooling missing, or are there too many channels?")
    }

    fn finish(
        self,
        mut tensor: impl FnMut(&str, &ParameterSpec) -> Result<Tensor>,
    ) -> Result<Model> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        if self.nodes.iter().all(|node| matches!(node.op, Op::Input)) {
            return Err(Error::Argument(format!("{} has no layers yet: add some", self.name)));
        }
        let _no_grad = tch::no_grad_guard();
        let given: BTreeMap<String, Tensor> = self.variables.variables().into_iter().collect();
        self.check_memory(&given)?;
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for planned in &self.nodes {
            let mut parameters = Vec::new();
            for (full, spec) in planned.parameters() {
                let tensor = match given.get(&full) {
                    Some(tensor) if tensor.size() == spec.shape => tensor.shallow_clone(),
                    Some(tensor) => {
                        return Err(Error::Shape(format!(
                            "{full} is {:?} in the given variables, expected {:?}",
                            tensor.size(),
                            spec.shape
                        )));
                    }
                    None => {
                        let value = tensor(&full, &spec)?.f_to_device(self.variables.device());
                        let value = channels_last(&value.into_result()?)?;
                        let (path, last) = place_of(&self.variables, &full);
                        path.add(last, value, spec.trainable)
                    }
                };
                let name = spec.name.to_owned();
                parameters.push(Parameter { name, full, tensor, trainable: spec.trainable });
            }
            if matches!(planned.op, Op::Module(_)) {
                let prefix = format!("{}.", planned.name);
                let own = given.range(prefix.clone()..);
                parameters.extend(own.map_while(|(name, tensor)| {
                    Some(Parameter {
                        name: name.strip_prefix(&prefix)?.to_owned(),
                        full: name.clone(),
                        tensor: tensor.shallow_clone(),
                        trainable: tensor.requires_grad(),
                    })
                }));
            }
            nodes.push(Node {
                name: planned.name.clone(),
                op: planned.op.clone(),
                inputs: planned.inputs.clone(),
                parameters,
                kept: Default::default(),
                shape: planned.shape.clone(),
            });
        }
        let mut outputs = self.outputs;
        if outputs.is_empty() {
            let last = nodes.len() - 1;
            outputs.push((nodes[last].name.clone(), NodeId(last)));
        }
        let output = outputs[0].1;
        let named = (!self.classes.is_empty()).then(|| (output, self.classes.clone().into()));
        let model = Model {
            classes: named.into_iter().collect(),
            preprocess: Rc::new(self.preprocess),
            input: NodeId(0),
            fixed: Rc::default(),
            output,
            token_grids: Rc::default(),
            features: Rc::default(),
            inner: Rc::new(Inner {
                name: self.name,
                inputs: self.inputs,
                outputs,
                names: Names::of(&nodes),
                nodes,
                variables: self.variables,
                notes: Default::default(),
                fast: Default::default(),
                plan: Default::default(),
                trainings: Rc::default(),
                one_by_one: self.one_by_one.then(Rc::default),
            }),
        };
        // One name of one output stands for two.
        match (model.yes_or_no(), self.classes.len()) {
            (Some(_), 1) => model.classes(self.classes),
            _ => Ok(model),
        }
    }
}

/// That a layer can be called so.
pub(super) fn check_layer_name(name: &str) -> Result<()> {
    let named_well = name.split('.').all(|part| !part.is_empty())
        && !name.contains(|c: char| c == '/' || c == '\\' || c.is_control());
    match named_well {
        true => Ok(()),
        false => Err(Error::Argument(format!(
            "{name:?} is no name for a layer: names are non-empty parts joined by dots, without slashes and control \
             characters"
        ))),
    }
}

/// Where a layer of this name keeps its variables.
fn path_in<'a>(store: &'a VarStore, layer: &str) -> nn::Path<'a> {
    let parts = layer.split('.').filter(|part| !part.is_empty());
    parts.fold(store.root(), |path, part| path.sub(part))
}

/// Where the variable of this full name is kept: its layer's path, and its own name there.
pub(crate) fn place_of<'a, 'b>(store: &'a VarStore, full: &'b str) -> (nn::Path<'a>, &'b str) {
    let (layer, name) = full.rsplit_once('.').unwrap_or(("", full));
    (path_in(store, layer), name)
}

/// A forgotten pooling easily asks for more memory than there is, which would end the process.
fn check_size(op: &Op) -> Result<()> {
    const MOST: f64 = 2e9;
    let total: f64 = op.parameters().iter().map(ParameterSpec::count).sum();
    if total <= MOST {
        return Ok(());
    }
    Err(Error::Argument(format!(
        "it would have {total:.3e} parameters, {:.0} GB; is a pooling missing before it?",
        4.0 * total / 1e9
    )))
}

/// The layers of a [`chain`](Builder::chain): `ops![Conv2d::new(3, 8, 3), Op::Relu]`.
#[macro_export]
macro_rules! ops {
    ($($layer:expr),* $(,)?) => {
        [$($crate::model::Op::from($layer)),*]
    };
}
