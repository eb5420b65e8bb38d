//! Puts a network together, layer by layer.

use std::cell::Cell;
use std::rc::Rc;

use rand::SeedableRng;
use rand::distributions::{Distribution, Uniform};
use rand::rngs::StdRng;
use tch::nn::VarStore;
use tch::{Device, Tensor};

use super::op::{Init, ParameterSpec};
use super::weights::{self, Weights};
use super::{Inner, Model, Node, Op, Parameter};
use crate::error::{Error, Result};
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
    input_shape: [i64; 3],
    nodes: Vec<Planned>,
    mistake: Option<Error>,
    preprocess: Preprocess,
    classes: Vec<String>,
    seed: u64,
}

/// A node before its parameters exist.
#[derive(Debug)]
struct Planned {
    name: String,
    op: Op,
    inputs: Vec<NodeId>,
    shape: Vec<i64>,
}

impl Builder {
    pub(super) fn new(name: String, input_shape: [i64; 3]) -> Self {
        let [c, h, w] = input_shape;
        let mistake = (c < 1 || h < 1 || w < 1)
            .then(|| Error::Argument(format!("an input of [{c}, {h}, {w}] has no pixels")));
        Builder {
            name,
            input_shape,
            nodes: vec![Planned {
                name: "input".into(),
                op: Op::Input,
                inputs: Vec::new(),
                shape: vec![1, c, h, w],
            }],
            mistake,
            preprocess: Preprocess::exact(h, w),
            classes: Vec::new(),
            seed: 0,
        }
    }

    /// The node that stands for the photo.
    pub fn input(&self) -> NodeId {
        NodeId(0)
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
        self.nodes.push(Planned { name, op, inputs: inputs.to_vec(), shape });
        NodeId(self.nodes.len() - 1)
    }

    fn check(&self, name: &str, op: &Op, inputs: &[NodeId]) -> Result<Vec<i64>> {
        if self.mistake.is_some() {
            return Ok(Vec::new());
        }
        let context = format!("layer {name:?} ({}) of {}", op.kind(), self.name);
        let named_well = !name.is_empty() && name.split('.').all(|part| !part.is_empty());
        if !named_well {
            return Err(Error::Argument(format!(
                "{name:?} is no name for a layer: names are non-empty parts joined by dots"
            )));
        }
        if name == "output" || self.nodes.iter().any(|node| node.name == name) {
            return Err(Error::Argument(format!("{context}: the name is taken")));
        }
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

    /// The seed of the random start of [`build`](Builder::build); 0 by default.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The network with randomly initialised parameters, the same for the same seed; libtorch's own
    /// generator is left alone.
    ///
    /// # Errors
    /// The first mistake made in the graph, with the layer's name.
    pub fn build(self) -> Result<Model> {
        let mut random = StdRng::seed_from_u64(self.seed);
        self.finish(|_, spec| initial(spec, &mut random))
    }

    /// The network with these trained parameters.
    ///
    /// # Errors
    /// The first mistake made in the graph; or one error that lists every missing, surplus and
    /// misshapen tensor.
    pub fn build_with(self, mut trained: Weights) -> Result<Model> {
        let expected = self.nodes.iter().flat_map(|node| {
            let specs = node.op.parameters().into_iter();
            specs.map(|spec| (format!("{}.{}", node.name, spec.name), spec.shape))
        });
        if self.mistake.is_none() {
            weights::check(&self.name, &trained, expected)?;
        }
        self.finish(|layer, spec| {
            let name = format!("{layer}.{}", spec.name);
            trained.remove(&name).ok_or_else(|| Error::Argument(format!("{name} is missing")))
        })
    }

    fn finish(
        self,
        mut tensor: impl FnMut(&str, &ParameterSpec) -> Result<Tensor>,
    ) -> Result<Model> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        if self.nodes.len() == 1 {
            return Err(Error::Argument(format!("{} has no layers yet: add some", self.name)));
        }
        let _no_grad = tch::no_grad_guard();
        let variables = VarStore::new(Device::Cpu);
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for planned in self.nodes {
            let mut path = variables.root();
            for part in planned.name.split('.') {
                path = path.sub(part);
            }
            let mut parameters = Vec::new();
            for spec in planned.op.parameters() {
                // A copy: whoever gave the tensor keeps it, and shares nothing with the network.
                let value = channels_last(&float_copy(&tensor(&planned.name, &spec)?)?)?;
                parameters.push(Parameter {
                    tensor: path.add(spec.name, value, spec.trainable),
                    trainable: spec.trainable,
                });
            }
            nodes.push(Node {
                name: planned.name,
                op: planned.op,
                inputs: planned.inputs,
                parameters,
            });
        }
        Ok(Model {
            inner: Rc::new(Inner {
                name: self.name,
                input_shape: self.input_shape,
                nodes,
                variables,
                preprocess: self.preprocess,
                classes: self.classes,
                trainings: Cell::new(0),
            }),
        })
    }
}

/// A forgotten pooling easily asks for more memory than there is, which would end the process.
fn check_size(op: &Op) -> Result<()> {
    const MOST: f64 = 2e9;
    let count = |spec: &ParameterSpec| spec.shape.iter().map(|&side| side as f64).product::<f64>();
    let total: f64 = op.parameters().iter().map(count).sum();
    if total <= MOST {
        return Ok(());
    }
    Err(Error::Argument(format!(
        "it would have {total:.3e} parameters, {:.0} GB; is a pooling missing before it?",
        4.0 * total / 1e9
    )))
}

fn initial(spec: &ParameterSpec, random: &mut StdRng) -> Result<Tensor> {
    let count = spec.shape.iter().product::<i64>().max(0) as usize;
    let mut uniform = |bound: f64| {
        let range = Uniform::new_inclusive(-bound as f32, bound as f32);
        range.sample_iter(&mut *random).take(count).collect::<Vec<f32>>()
    };
    let values = match spec.init {
        Init::Constant(value) => vec![value as f32; count],
        Init::KaimingUniform { fan_in } => uniform((6.0 / fan_in.max(1) as f64).sqrt()),
        Init::FanInUniform { fan_in } => uniform(1.0 / (fan_in.max(1) as f64).sqrt()),
    };
    Tensor::f_from_slice(&values).and_then(|t| t.f_reshape(spec.shape.as_slice())).into_result()
}
