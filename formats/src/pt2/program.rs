//! A program as plain data.

use std::collections::BTreeMap;

use super::super::{Contents, Dtype};

/// A network as `torch.export` wrote it down: a list of operations, each by its name in PyTorch, and
/// the weights that they use.
///
/// Every tensor and every symbolic integer has a name of its own, and comes from an input or from a
/// node before the first one that uses it.
#[derive(Clone, Debug)]
pub struct Program {
    /// The version of the description itself, major and minor.
    pub schema: [u64; 2],
    /// The version of PyTorch that wrote it, if it says so.
    pub torch_version: Option<String>,
    /// What goes in, weights first.
    pub inputs: Vec<Input>,
    /// What the network gives back, in its order.
    pub outputs: Vec<Argument>,
    /// The keys under which each of these stands in the dictionary that Python gives back, joined by dots; none where
    /// there is no dictionary.
    pub output_names: Vec<Option<String>>,
    /// Full names of the parameters, buffers and inputs that running it would change: those of a
    /// network that was exported for training.
    pub mutated: Vec<String>,
    /// The operations in the order in which they run.
    pub nodes: Vec<Node>,
    /// What is known of every tensor.
    pub values: BTreeMap<String, TensorMeta>,
    /// What is known of every symbolic integer that is a value of the graph.
    pub symbols: BTreeMap<String, Symbol>,
    /// What each expression among the tensors' sizes came to for the example that the network was
    /// exported with, as far as the archive tells.
    pub hints: BTreeMap<String, i64>,
    /// Every parameter, buffer and constant under its full name; none if there are no tensors.
    pub weights: Option<Contents>,
}

/// Something that goes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The name by which the nodes know it; empty for what is neither a tensor nor a size.
    pub value: String,
    /// What it is.
    pub role: Role,
}

/// What an input is. Names are full ones: `layer1.0.conv1.weight`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// What the network's user passes: a tensor or a symbolic integer.
    User,
    /// A trained parameter.
    Parameter(String),
    /// A tensor that belongs to the network but is not trained.
    Buffer(String),
    /// A tensor that the code of the network mentions.
    Constant(String),
    /// Anything else; the kind's name.
    Other(String),
}

/// An operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name in PyTorch: `torch.ops.aten.conv2d.default`.
    pub target: String,
    /// Its arguments, by the names that the operation has for them. Those that are as by default may
    /// be left out.
    pub inputs: Vec<(String, Argument)>,
    /// What it makes.
    pub outputs: Vec<Output>,
    /// The modules in which it was called, from the whole network to the innermost one.
    pub module: Vec<ModuleCall>,
}

/// A call of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleCall {
    /// Where the module is: `layer1.0.conv1`; empty for the whole network.
    pub path: String,
    /// Which call of the module this is, from 0.
    pub call: usize,
    /// The last part of its class's name: `Conv2d`.
    pub kind: String,
}

/// Something that a node makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Nothing.
    None,
    /// A tensor.
    Tensor(String),
    /// A list of tensors.
    Tensors(Vec<String>),
    /// A symbolic integer.
    Int(String),
    /// A symbolic number.
    Float(String),
    /// Anything else; the kind's name.
    Other(String),
}

/// Something that a node uses.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    /// Python's `None`.
    None,
    /// A tensor.
    Tensor(String),
    /// A list of tensors, some of which may be left out.
    Tensors(Vec<Option<String>>),
    /// An integer.
    Int(i64),
    /// A list of integers, some of which may be symbolic.
    Ints(Vec<Size>),
    /// An integer that could be symbolic.
    Size(Size),
    /// A number, maybe infinite or none.
    Float(f64),
    /// A symbolic number of the graph.
    NamedFloat(String),
    /// A list of numbers.
    Floats(Vec<f64>),
    /// A text.
    Text(String),
    /// A truth value.
    Bool(bool),
    /// A list of truth values.
    Bools(Vec<bool>),
    /// A number type.
    Dtype(Dtype),
    /// Anything else: a layout, a device, a memory format, a graph. The kind's name.
    Other(String),
}

/// An integer, or what stands for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Size {
    /// The integer.
    Number(i64),
    /// In an argument, a symbolic integer of the graph; among a tensor's sizes, an expression of SymPy's:
    /// `s0` up to PyTorch 2.5, `Symbol('s77', positive=True, integer=True)` since.
    Name(String),
}

/// What is known of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorMeta {
    /// How its values are stored.
    pub dtype: Dtype,
    /// Its sizes, outermost first.
    pub sizes: Vec<Size>,
    /// Where it was when the network was exported: `cpu`.
    pub device: String,
}

/// What is known of a symbolic integer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// What it is, an expression as among [sizes](Size::Name).
    pub expression: String,
    /// What it came to for the example that the network was exported with.
    pub hint: Option<i64>,
}
