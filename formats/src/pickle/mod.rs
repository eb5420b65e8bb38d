//! Python pickles, as far as weights need them: a machine that builds plain data and runs nothing.
//!
//! A pickle is a program for a stack machine, and Python's own machine calls whatever function the
//! program names. This one knows the few names that state dicts use, does what each of them means
//! with plain data, and refuses every other name, and every opcode that weights do not need.
//! <https://docs.python.org/3/library/pickletools.html>

mod calls;
mod globals;
mod input;
mod machine;

use super::Dtype;

pub(crate) use input::{Input, LONGEST_PICKLE};
pub(crate) use machine::read;

/// Keys of storages are numbers or addresses; long ones would be hashed again and again.
pub(crate) const LONGEST_KEY: usize = 100;

/// What a pickle made. Values refer to each other by their place in a list, so that nothing is
/// nested: neither a deep nor a circular structure can exhaust a stack.
#[derive(Debug)]
pub(crate) struct Pickle {
    cells: Vec<PickleCell>,
    pub(crate) root: Value,
}

/// A small value, or the place of a large one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Something that is never needed: bytes, a set, ...
    Inert,
    At(usize),
}

/// A large value.
#[derive(Debug)]
pub(crate) enum PickleCell {
    Text(String),
    /// The little-endian bytes of an integer that does not fit into 64 bits.
    Long(Vec<u8>),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Global(Global),
    /// An object of TorchScript: its attributes, a dict.
    Object(Value),
    Storage(StorageId),
    Tensor(Box<TensorView>),
}

/// A name from the allow-list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Global {
    /// A dict; made from nothing or from a list of pairs.
    Dict,
    /// `torch._utils._rebuild_tensor` and `_v2`: storage, offset, shape, strides, ...
    Tensor,
    /// `torch._utils._rebuild_tensor_v3`, with the type in the seventh place.
    TypedTensor,
    /// `torch._utils._rebuild_qtensor`, with the scale and the zero point in the fifth place.
    QuantisedTensor,
    /// Gives back its first argument: `_rebuild_parameter`, ...
    First,
    /// `torch._tensor._rebuild_from_type_v2`: another of these, a class, and its arguments.
    Subclass,
    Size,
    Storage(Dtype),
    /// A storage of bytes; its tensors say of which type they are.
    UntypedStorage,
    Type(Dtype),
    /// A class of TorchScript.
    Script,
    /// Whatever it makes is never needed.
    Inert,
}

/// Which storage a tensor is a view of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StorageId {
    /// A text.
    pub(crate) key: Value,
    /// None: bytes.
    pub(crate) dtype: Option<Dtype>,
    /// How many values it claims.
    pub(crate) count: usize,
    /// Where in the storage of this key it begins (PyTorch up to 0.4).
    pub(crate) offset: usize,
}

/// A tensor as a pickle describes it; nothing is checked yet.
#[derive(Debug)]
pub(crate) struct TensorView {
    pub(crate) storage: StorageId,
    pub(crate) dtype: Dtype,
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
    pub(crate) quantised: Option<Quantised>,
}

/// How the integers of a quantised tensor stand for numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Quantised {
    Whole {
        scale: f64,
        zero_point: i64,
    },
    /// With a scale and a zero point for each place along a dimension: two tensors.
    Channels {
        scales: Value,
        zero_points: Value,
        axis: usize,
    },
}

impl Pickle {
    /// Every storage that it mentions.
    pub(crate) fn storages(&self) -> impl Iterator<Item = StorageId> {
        self.cells.iter().filter_map(|cell| match cell {
            &PickleCell::Storage(storage) => Some(storage),
            _ => None,
        })
    }

    /// The large value behind this one, if there is one.
    pub(crate) fn cell(&self, value: Value) -> Option<&PickleCell> {
        match value {
            Value::At(place) => self.cells.get(place),
            _ => None,
        }
    }

    /// The text that this is, if it is one.
    pub(crate) fn text(&self, value: Value) -> Option<&str> {
        match self.cell(value) {
            Some(PickleCell::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The entries of the dict, or the attributes of the object, that this is.
    pub(crate) fn entries(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.cell(value) {
            Some(PickleCell::Dict(entries)) => Some(entries),
            Some(&PickleCell::Object(attributes)) => match self.cell(attributes) {
                Some(PickleCell::Dict(entries)) => Some(entries),
                _ => None,
            },
            _ => None,
        }
    }
}
