//! A network as plain data.

use super::super::Dtype;
use super::tensor::Place;

/// A network as ONNX has it: a list of operations, each by its kind, and the tensors that they use.
#[derive(Clone, Debug)]
pub struct Network {
    /// The version of the file format.
    pub ir_version: i64,
    /// Who wrote it: `pytorch`.
    pub producer: String,
    /// The version of ONNX's own operators; 0 if there are none among the network's.
    pub opset: i64,
    /// What goes in, without the weights and what nobody reads.
    pub inputs: Vec<ValueInfo>,
    /// What comes out, in its order.
    pub outputs: Vec<ValueInfo>,
    /// The operations, each behind those whose results it uses. Functions that the file defines are written
    /// out.
    pub nodes: Vec<Node>,
    /// What is said of values between.
    pub values: Vec<ValueInfo>,
    /// The tensors that the file holds, by name.
    pub tensors: Vec<Tensor>,
}

/// What is said of a value.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueInfo {
    /// Its name.
    pub name: String,
    /// How its values are stored, if that is said.
    pub dtype: Option<Dtype>,
    /// Its sizes, if their number is said.
    pub sizes: Option<Vec<Sizes>>,
}

/// A size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// The number.
    Number(i64),
    /// A name that stands for any: `batch`.
    Name(String),
    /// Nothing is said.
    Unknown,
}

/// An operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Its own name, often empty: `/layer1/layer1.0/conv1/Conv`.
    pub name: String,
    /// Whose operator it is: empty for ONNX's own.
    pub domain: String,
    /// Its kind: `Conv`.
    pub kind: String,
    /// The names of what it uses; an empty one is left out.
    pub inputs: Vec<String>,
    /// The names of what it makes; an empty one nobody uses.
    pub outputs: Vec<String>,
    /// Its options.
    pub attributes: Vec<(String, Attribute)>,
    /// What its exporter noted of it, without stack traces. PyTorch's `pkg.torch.onnx.name_scopes` are the
    /// modules that it is in: `['', 'layer1', 'layer1.0', 'layer1.0.conv1', 'conv2d']`.
    pub metadata: Vec<(String, String)>,
}

/// An option of an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// An integer.
    Int(i64),
    /// A number.
    Float(f32),
    /// A text.
    Text(String),
    /// Integers.
    Ints(Vec<i64>),
    /// Numbers.
    Floats(Vec<f32>),
    /// Texts.
    Texts(Vec<String>),
    /// A tensor.
    Tensor(Tensor),
    /// Anything else: a graph, a sparse tensor. The kind's name.
    Other(&'static str),
}

/// A tensor in the file, or beside it. Its values are read when they are asked for, by
/// [`values`](Tensor::values).
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its name, which a tensor among a node's options seldom has.
    pub name: String,
    /// How its values are stored; none if they cannot be read, as texts and complex numbers.
    pub dtype: Option<Dtype>,
    /// Its sizes, outermost first; none for a single number.
    pub sizes: Vec<i64>,
    /// How many values these sizes make.
    pub(super) count: usize,
    pub(super) place: Place,
}

/// The values of a tensor in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Those of floating types.
    Floats(Vec<f32>),
    /// Those of integer types.
    Ints(Vec<i64>),
    /// Truth values.
    Bools(Vec<bool>),
}
