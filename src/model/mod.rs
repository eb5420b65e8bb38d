//! A network as a graph of named layers: data that can be listed, cut, run and differentiated.
//!
//! Passes without gradients run through faster code of the crate's own where it has some; values then differ
//! from libtorch's in the last digits. `CONVLENS_PLAIN=1` in the environment switches that off from the next
//! pass on.

mod at_once;
mod attention;
mod backward;
mod builder;
mod changed;
mod classes;
mod device;
mod ends;
mod fast;
mod finite;
mod front;
mod fused_norms;
mod grad_mode;
mod grid;
mod groups;
mod layer_ref;
mod layers;
mod one_by_one;
mod op;
mod randomised;
mod receptive_field;
mod relevance;
mod run;
mod sub_model;
mod summary;
mod weights;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::Path;
use std::rc::Rc;

use tch::nn::VarStore;
use tch::{Device, Tensor};

pub(crate) use at_once::USUAL_AT_ONCE;
pub(crate) use attention::Tokens;
pub(crate) use backward::{Back, Rule, Watch};
pub(crate) use builder::place_of;
pub use builder::{Builder, NodeId};
pub(crate) use classes::YesOrNo;
pub(crate) use front::{Front, Reach};
pub(crate) use grid::Grid;
pub use groups::{Group, Groups};
pub use layer_ref::LayerRef;
pub use layers::{Layer, Layers};
pub use op::{
    AdaptiveAvgPool2d, Arithmetic, Attention, BatchNorm2d, Beyond, Cast, Constant, Conv2d,
    ConvTranspose2d, Einsum, Elementwise, Gather, GridSample, Index, Interpolate, Interpolation,
    Linear, LoneParameter, Meeting, Module, Norm, Op, Pad, PadMode, Pass, Pool2d, Rearrange,
    Reduce, ReduceBy, Softmax, TopK, WeightInit,
};
pub(crate) use op::{Family, Init, Makes, Reads};
pub use receptive_field::ReceptiveField;
pub(crate) use relevance::{Affine, At, Layer as Stop, Needs, Route, Rules, Values, Weighing};
pub use summary::{LayerSummary, Summary};
pub use weights::Weights;
pub(crate) use weights::{PT2, unwrapped};

use crate::error::{Error, Result};
use crate::photo::Preprocess;
use crate::show::debug_line;
use fused_norms::Placed;

pub(crate) use grad_mode::{on_a_copy, with_grad};

/// A convolutional network whose every layer is in reach by name.
///
/// The names are those of the network's published weights (torchvision's, for its
/// architectures). The name of a group of layers, `"features.3"`, stands for its output, the last
/// layer in it. Cloning is cheap: clones share their parameters.
///
/// ```
/// use convlens::model::{AdaptiveAvgPool2d, Conv2d, Linear, Model, Op};
///
/// let mut net = Model::builder("tiny", [3, 32, 32]);
/// let x = net.input();
/// let x = net.add("conv1", Conv2d::new(3, 8, 3).padding(1), &[x]);
/// let x = net.add("relu1", Op::Relu, &[x]);
/// let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
/// let x = net.add("flatten", Op::Flatten, &[x]);
/// net.add("fc", Linear::new(8, 10), &[x]);
/// let model = net.build()?;
///
/// let photos = tch::Tensor::rand([2, 3, 32, 32], tch::kind::FLOAT_CPU);
/// let outputs = model.run(&[("input", &photos)], &["relu1", "fc"])?;
/// assert_eq!(outputs[0].size(), [2, 8, 32, 32]);
/// assert_eq!(outputs[1].size(), [2, 10]);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
pub struct Model {
    inner: Rc<Inner>,
    /// The names of the classes of its outputs: the same network may be known by others.
    classes: classes::ClassNames,
    /// How photos become inputs: again, the same network may be fed otherwise.
    preprocess: Rc<Preprocess>,
    /// The photo's place, and what the others are fed unless told otherwise, `[1, ...]`.
    input: NodeId,
    fixed: Rc<[(NodeId, Tensor)]>,
    /// The output that counts.
    output: NodeId,
    /// Where tokens were said to stand for pixels, the last word first.
    token_grids: Rc<[Grid]>,
    /// What the numbers of inputs are called.
    features: Rc<[(NodeId, Rc<[String]>)]>,
}

struct Inner {
    name: String,
    nodes: Vec<Node>,
    /// What goes in and comes out, by the names of the network's author; at least one each.
    inputs: Vec<(String, NodeId)>,
    outputs: Vec<(String, NodeId)>,
    names: Names,
    variables: VarStore,
    fast: fast::Engine,
    /// That of the last pass.
    plan: RefCell<Option<Rc<run::Plan>>>,
    /// What was decided while weights were taken.
    notes: RefCell<Vec<String>>,
    /// How many training passes there were: what a look remembers from before is of no use.
    /// Counted together with all networks that share parameters with this one.
    trainings: Rc<Cell<u64>>,
    /// Of a network that takes one photo at a time: whether that has been said.
    one_by_one: Option<Rc<Cell<bool>>>,
}

/// Where the layers are, by name.
#[derive(Default)]
struct Names(BTreeMap<String, usize>);

impl Names {
    fn of(nodes: &[Node]) -> Names {
        Names(nodes.iter().enumerate().map(|(index, node)| (node.name.clone(), index)).collect())
    }

    fn layer(&self, name: &str) -> Option<usize> {
        self.0.get(name).copied()
    }

    /// The last layer in a group, which the group's name stands for.
    fn last_in(&self, group: &str) -> Option<usize> {
        let prefix = format!("{group}.");
        let inside =
            self.0.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix));
        inside.map(|(_, index)| *index).max()
    }
}

struct Node {
    name: String,
    op: Op,
    inputs: Vec<NodeId>,
    parameters: Vec<Parameter>,
    kept: fast::Kept,
    /// The output's shape for one input of the size that the network was made for.
    shape: Vec<i64>,
}

impl Node {
    /// One without parameters.
    fn plain(name: String, op: Op, inputs: Vec<NodeId>, shape: Vec<i64>) -> Node {
        Node { name, op, inputs, parameters: Vec::new(), kept: Default::default(), shape }
    }

    /// The same in another network, where its inputs stand at these places: it has the same parameters.
    fn shared(&self, places: &[NodeId]) -> Node {
        let inputs = self.inputs.iter().map(|id| places[id.0]).collect();
        let parameters = self.parameters.iter().map(Parameter::shared).collect();
        let plain = Node::plain(self.name.clone(), self.op.clone(), inputs, self.shape.clone());
        Node { parameters, ..plain }
    }

    /// Of the maps in its output, for an input of the size that the network was made for.
    fn pixels(&self) -> i64 {
        match self.shape.as_slice() {
            &[_, _, h, w] => h * w,
            _ => 0,
        }
    }

    fn is_convolution(&self) -> bool {
        self.op.family() == Family::Convolution
    }

    /// How many of its parameters are trained and not statistics, and how many of those are not
    /// frozen.
    fn trained(&self) -> [u64; 2] {
        let trained = self.parameters.iter().filter(|p| p.trainable).map(|p| &p.tensor);
        let count = |t: &Tensor| t.numel() as u64;
        let free = trained.clone().filter(|t| t.requires_grad()).map(count).sum();
        [trained.map(count).sum(), free]
    }
}

struct Parameter {
    /// Within the layer: `"weight"`.
    name: String,
    /// Within the network: `"conv1.weight"`.
    full: String,
    tensor: Tensor,
    trainable: bool,
}

impl Parameter {
    /// The same tensor, not a copy.
    fn shared(&self) -> Parameter {
        let (name, full) = (self.name.clone(), self.full.clone());
        Parameter { tensor: self.tensor.shallow_clone(), name, full, ..*self }
    }
}

impl Model {
    /// Starts a network of this name that takes photos of `[channels, height, width]`, or rows of `[numbers]`.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let mut net = Model::builder("iris", [4]).classes(["setosa", "versicolor", "virginica"]);
    /// let x = net.input();
    /// net.chain("net", ops![Linear::new(4, 8), Op::Relu, Linear::new(8, 3)], x);
    /// let model = net.build()?.features("input", ["sepal length", "sepal width", "petal length", "petal width"])?;
    ///
    /// let look = model.look_input(&Tensor::from_slice(&[5.1f32, 3.5, 1.4, 0.2]).view([1, 4]))?;
    /// look.explain(&IntegratedGradients::default())?; // a bar for each number
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn builder(name: impl Into<String>, input_shape: impl AsRef<[i64]>) -> Builder {
        Builder::new(name.into(), input_shape.as_ref())
    }

    /// The network's name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// `[channels, height, width]` that the network was made for; of a row of numbers `[numbers, 1, 1]`.
    pub fn input_shape(&self) -> [i64; 3] {
        match *self.shape_of(self.input) {
            [_, c, h, w] => [c, h, w],
            [_, numbers] => [numbers, 1, 1],
            // A builder and `ends` see to it that there is none.
            _ => [1; 3],
        }
    }

    /// The shape of so many inputs of the size that the network was made for.
    pub(crate) fn input_size(&self, count: i64) -> Vec<i64> {
        let own = self.shape_of(self.input);
        std::iter::once(count).chain(own.iter().skip(1).copied()).collect()
    }

    /// Whether its input is a row of numbers and no photo.
    pub(crate) fn takes_numbers(&self) -> bool {
        self.shape_of(self.input).len() == 2
    }

    /// Refuses photos and arrays where the input is a row of numbers.
    pub(crate) fn check_takes_photos(&self) -> Result<()> {
        match *self.shape_of(self.input) {
            [_, numbers] => Err(Error::Shape(format!(
                "{} takes a row of {numbers} numbers and no photo: look at one by look_input(&tensor), a tensor \
                 [1, {numbers}]",
                self.name()
            ))),
            _ => Ok(()),
        }
    }

    /// How a photo becomes this network's input.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// The same network, for which photos are prepared in this way. The parameters are shared. Where it takes one
    /// channel and this has the means of three, of which the first is used, a line says so.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let model = zoo::squeezenet1_1()?.with_preprocess(&Preprocess::exact(300, 400));
    /// assert_eq!(model.preprocess(), &Preprocess::exact(300, 400));
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn with_preprocess(&self, preprocess: &Preprocess) -> Model {
        if !self.takes_numbers() {
            let note = preprocess.grey_note(self.input_shape()[0]);
            weights::say(self.name(), note.as_slice());
        }
        Model { preprocess: Rc::new(preprocess.clone()), ..self.clone() }
    }

    /// What was decided while the weights were read and taken, a sentence each: that names lost a
    /// prefix, that something was left aside, or that the file has other weights as well. Empty when
    /// all was as expected.
    pub fn notes(&self) -> Vec<String> {
        self.inner.notes.borrow().clone()
    }

    /// Says them, and keeps them in place of those before.
    pub(crate) fn take_notes(&self, notes: Vec<String>) {
        weights::say(self.name(), &notes);
        self.inner.notes.replace(notes);
    }

    /// Where the parameters live; [`to`](Model::to) makes the same network elsewhere.
    pub fn device(&self) -> Device {
        self.inner.variables.device()
    }

    /// The parameters, for tch's optimisers. A [`Look`](crate::look::Look) forgets what it knew
    /// when a [`Pass::Training`] has run; after changing parameters in any other way, look again.
    /// Change them in place, as optimisers do, and not through `data()` or `set_data`: libtorch
    /// does not count such changes, and inference keeps weights that are packed already.
    pub fn variables(&self) -> &VarStore {
        &self.inner.variables
    }

    /// What a layer computes.
    ///
    /// # Errors
    /// When there is no such layer: the error lists the closest names.
    pub fn op(&self, layer: impl Into<LayerRef>) -> Result<Op> {
        Ok(self.node(self.find(layer)?).op.clone())
    }

    /// A layer's tensors with their names, `"weight"` first: what Keras calls `get_weights`. They
    /// are the network's own, not copies; a layer without any has none.
    ///
    /// ```
    /// let model = convlens::zoo::squeezenet1_1()?;
    /// let [(_, weight), (_, bias)] = &model.parameters("features.0")?[..] else { panic!() };
    /// assert_eq!((weight.size(), bias.size()), (vec![64, 3, 3, 3], vec![64]));
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such layer.
    pub fn parameters(&self, layer: impl Into<LayerRef>) -> Result<Vec<(String, Tensor)>> {
        let parameters = &self.node(self.find(layer)?).parameters;
        Ok(parameters.iter().map(|p| (p.name.clone(), p.tensor.shallow_clone())).collect())
    }

    pub(crate) fn parameter(&self, id: NodeId, name: &str) -> Result<Tensor> {
        let node = self.node(id);
        let found = node.parameters.iter().find(|parameter| parameter.name == name);
        found.map(|parameter| parameter.tensor.shallow_clone()).ok_or_else(|| {
            Error::Argument(format!("layer {:?} has no parameter {name:?}", node.name))
        })
    }

    /// All tensors by their full names, `"features.0.weight"`: the network's own, not copies.
    pub fn weights(&self) -> Weights {
        self.inner.variables.variables().into_iter().collect()
    }

    /// Writes all tensors to a safetensors file, which [`weights::read`](crate::weights::read) and
    /// [`load`](Model::load) take back.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        crate::weights::save(path, &self.weights())
    }

    /// Replaces all parameters by trained ones, which may have the names that
    /// [`build_with`](Builder::build_with) takes. The classes keep their names.
    ///
    /// # Errors
    /// One error that lists every missing, surplus and misshapen tensor; nothing is loaded then.
    pub fn load(&self, trained: &Weights) -> Result<()> {
        let own = self.weights();
        let expected = own.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect();
        let placed = self.inner.nodes.iter().map(|node| Placed {
            op: &node.op,
            inputs: &node.inputs,
            names: node.parameters.iter().map(|parameter| parameter.full.clone()).collect(),
        });
        let trained = weights::fitted(trained.shared(), &expected);
        let trained = fused_norms::unfused(trained, &placed.collect::<Vec<_>>())?;
        weights::check(self.name(), &trained, &expected)?;
        weights::copy(&trained, own)?;
        self.take_notes(trained.notes().to_vec());
        self.inner.trainings.set(self.trainings() + 1);
        Ok(())
    }

    /// The name of the first convolution, whose kernels can be seen in colour.
    ///
    /// # Errors
    /// When the network has no convolution.
    pub fn first_convolution(&self) -> Result<String> {
        self.convolution(self.inner.nodes.iter().find(|node| node.is_convolution()))
    }

    /// The name of the last convolution. Convolutions to a single pixel, as in squeeze and
    /// excitation, do not count where there are others.
    ///
    /// # Errors
    /// When the network has no convolution.
    pub fn last_convolution(&self) -> Result<String> {
        let convolutions = || self.inner.nodes.iter().rev().filter(|node| node.is_convolution());
        let spread = convolutions().find(|node| node.pixels() > 1);
        self.convolution(spread.or_else(|| convolutions().next()))
    }

    /// The name of the layer that class activation methods look at unless they are told another: the
    /// last maps before they are pooled, flattened or enlarged. Where the network ends in a pooling of
    /// whole maps, they are what it reads: `layer4` of a ResNet. In a vision transformer that reads a class token
    /// they are the tokens that its last attention looks at. Otherwise, among the convolutions with the fewest
    /// pixels, that is the last one, with the normalisation, sum and rectifier behind it: `features.29` of VGG-16,
    /// the bottom of a U-Net.
    ///
    /// # Errors
    /// When the network has no convolution with maps of more than one pixel.
    pub fn last_maps(&self) -> Result<String> {
        let shapes: Vec<Vec<i64>> =
            self.inner.nodes.iter().map(|node| node.shape.clone()).collect();
        let grids = self.grids(&shapes);
        let last = match self.pooled_maps(&grids).or_else(|| self.last_tokens(&grids)) {
            Some(found) => found,
            None => self.last_of_deepest()?,
        };
        // By the name of the largest group that ends with it: "layer4".
        let name = &self.inner.nodes[last].name;
        let groups = name.match_indices('.').map(|(dot, _)| &name[..dot]);
        let group = groups.into_iter().find(|group| self.find(*group).is_ok_and(|id| id.0 == last));
        Ok(group.unwrap_or(name).to_owned())
    }

    /// The maps that a pooling of all their pixels reads, from which a single way leads to the output.
    fn pooled_maps(&self, grids: &[Option<Grid>]) -> Option<usize> {
        let varies = self.depending_on(self.input());
        let mut at = self.output();
        loop {
            let mut inputs = self.inputs_of(at).iter().filter(|input| varies[input.0]);
            let (&before, None) = (inputs.next()?, inputs.next()) else { return None };
            let shape = self.shape_of(before);
            // What this pools are maps, even if they were windows on the way.
            let usual = matches!(self.op_of(at), Op::AdaptiveAvgPool2d(_)).then_some(Grid::USUAL);
            let size = grids[before.0].or(usual).and_then(|grid| grid.size(shape));
            let pools = match self.op_of(at) {
                Op::AdaptiveAvgPool2d(_) => self.node(at).pixels() == 1,
                // To as many values as there are channels.
                Op::Reduce(_) => size.is_some_and(|[rows, columns]| {
                    let count = |shape: &[i64]| shape.iter().product::<i64>();
                    count(shape) >= rows * columns * count(self.shape_of(at))
                }),
                _ => false,
            };
            if pools && size.is_some_and(|[rows, columns]| rows * columns > 1) && shape.len() < 5 {
                return Some(before.0);
            }
            at = before;
        }
    }

    /// The normalised tokens, one a pixel, that the last attention looks at.
    fn last_tokens(&self, grids: &[Option<Grid>]) -> Option<usize> {
        let leads = self.led_to_output();
        let attends =
            |node: &Node| matches!(node.op, Op::Attention(_) | Op::MatMul | Op::Einsum(_));
        let mut nodes = self.inner.nodes.iter().enumerate();
        let (last, _) = nodes.rfind(|(i, node)| leads[*i] && attends(node))?;
        (0..last).rev().find(|&index| {
            let node = &self.inner.nodes[index];
            let tokens = matches!(grids[index], Some(Grid::Tokens { size, .. }) if size != [1, 1]);
            leads[index] && tokens && node.shape.len() == 3 && matches!(node.op, Op::Norm(_))
        })
    }

    /// Among the convolutions with the fewest pixels the last one, with what follows on its maps.
    fn last_of_deepest(&self) -> Result<usize> {
        let nodes = &self.inner.nodes;
        let leads = self.led_to_output();
        let spread = nodes.iter().enumerate().rev().filter(|(index, _)| leads[*index]);
        let spread = spread.filter(|(_, node)| node.is_convolution() && node.pixels() > 1);
        let Some((start, deepest)) = spread.min_by_key(|(_, node)| node.pixels()) else {
            return Err(Error::Argument(format!(
                "{} has no convolution with maps of more than one pixel on the way to its output: name a \
                 layer",
                self.name()
            )));
        };
        let mut after = vec![false; nodes.len()];
        after[start] = true;
        let mut last = start;
        for (index, node) in nodes.iter().enumerate().skip(start + 1) {
            after[index] = leads[index]
                && node.inputs.iter().any(|id| after[id.0])
                && node.shape.get(2..) == deepest.shape.get(2..);
            if after[index] {
                last = index;
            }
        }
        Ok(last)
    }

    fn convolution(&self, found: Option<&Node>) -> Result<String> {
        found.map(|node| node.name.clone()).ok_or_else(|| {
            Error::Argument(format!("{} has no convolution: name a layer", self.name()))
        })
    }

    pub(crate) fn trainings(&self) -> u64 {
        self.inner.trainings.get()
    }

    /// The names of the groups: `"features.3"` for `"features.3.squeeze"`.
    fn group_names(&self) -> BTreeSet<&str> {
        let names = self.inner.nodes.iter().map(|node| node.name.as_str());
        names.flat_map(|name| name.match_indices('.').map(move |(dot, _)| &name[..dot])).collect()
    }

    pub(crate) fn input(&self) -> NodeId {
        self.input
    }

    pub(crate) fn output(&self) -> NodeId {
        self.output
    }

    pub(crate) fn layer_name(&self, id: NodeId) -> &str {
        &self.node(id).name
    }

    pub(crate) fn op_of(&self, id: NodeId) -> &Op {
        &self.node(id).op
    }

    pub(crate) fn inputs_of(&self, id: NodeId) -> &[NodeId] {
        &self.node(id).inputs
    }

    pub(crate) fn shape_of(&self, id: NodeId) -> &[i64] {
        &self.node(id).shape
    }

    pub(crate) fn kind_of(&self, id: NodeId) -> &'static str {
        self.node(id).op.kind()
    }

    pub(crate) fn family_of(&self, id: NodeId) -> Family {
        self.node(id).op.family()
    }

    /// Whether the layer reads the photo itself.
    pub(crate) fn reads_input(&self, id: NodeId) -> bool {
        self.node(id).inputs == [self.input()]
    }

    /// The layers up to this one, in order.
    pub(crate) fn nodes_to(&self, last: NodeId) -> impl Iterator<Item = NodeId> + use<> {
        (0..=last.0).map(NodeId)
    }

    /// All tensors of a layer.
    pub(crate) fn tensors_of(&self, id: NodeId) -> impl Iterator<Item = &Tensor> {
        self.node(id).parameters.iter().map(|parameter| &parameter.tensor)
    }

    fn node(&self, id: NodeId) -> &Node {
        &self.inner.nodes[id.0]
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Model {}, {} layers", self.name(), self.inner.nodes.len()))
    }
}

/// This name, or the next of its kind that is free, `name_1`.
pub(crate) fn free_name(name: &str, is_free: impl Fn(&str) -> bool) -> String {
    let others = (1..).map(|nth: usize| format!("{name}_{nth}"));
    let mut names = std::iter::once(name.to_owned()).chain(others);
    names.find(|name| is_free(name)).unwrap_or_default()
}

/// `"layer1.0.conv1"` to two parts is `"layer1.0"`.
pub(crate) fn name_to_depth(name: &str, parts: usize) -> &str {
    let end = name.match_indices('.').nth(parts.saturating_sub(1));
    &name[..end.map_or(name.len(), |(dot, _)| dot)]
}

/// What has one name, together, in the order in which the names come first.
pub(crate) fn gathered<'a, T>(
    named: impl IntoIterator<Item = (&'a str, T)>,
) -> Vec<(&'a str, Vec<T>)> {
    let mut parts: Vec<(&'a str, Vec<T>)> = Vec::new();
    let mut places: HashMap<&'a str, usize> = HashMap::new();
    for (name, member) in named {
        let place = *places.entry(name).or_insert_with(|| {
            parts.push((name, Vec::new()));
            parts.len() - 1
        });
        parts[place].1.push(member);
    }
    parts
}

/// The last depth of names, from 1, at which what is shown is `readable`; the deeper, the less so.
pub(crate) fn last_depth(deepest: usize, readable: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (1, deepest.max(1));
    while low < high {
        let middle = high - (high - low) / 2;
        if readable(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}
