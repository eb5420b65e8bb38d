//! What an operation is given, by the names of its arguments.

use std::collections::{HashMap, HashSet};

use convlens_formats::Dtype;
use convlens_formats::pt2::{Argument, Node, Size};

use super::super::draft::Value;
pub(super) use super::super::shapes::Given;
use super::Known;
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// The arguments of one operation.
pub(super) struct Arguments<'a, 'b> {
    node: &'a Node,
    known: &'b HashMap<&'a str, Known>,
    stale: &'b HashSet<&'a str>,
    /// How many photos the network was exported with.
    pub(super) photos: i64,
}

impl<'a, 'b> Arguments<'a, 'b> {
    pub(super) fn new(
        node: &'a Node,
        known: &'b HashMap<&'a str, Known>,
        stale: &'b HashSet<&'a str>,
        photos: i64,
    ) -> Self {
        Arguments { node, known, stale, photos }
    }

    pub(super) fn target(&self) -> &'a str {
        &self.node.target
    }

    fn get(&self, name: &str) -> Option<&'a Argument> {
        let found = self.node.inputs.iter().find(|(own, _)| own == name);
        found.map(|(_, argument)| argument).filter(|argument| **argument != Argument::None)
    }

    fn unfit(&self, name: &str, expected: &str) -> Error {
        Error::Argument(match self.get(name) {
            Some(argument) => format!("its argument {name:?} is {argument:?}; expected {expected}"),
            None => format!("it has no argument {name:?}; expected {expected}"),
        })
    }

    /// The name of the first argument, if that is a tensor: what is overwritten, or viewed.
    pub(super) fn first_tensor_name(&self) -> Option<&'a str> {
        match self.node.inputs.first() {
            Some((_, Argument::Tensor(name))) => Some(name),
            _ => None,
        }
    }

    fn value(&self, name: &'a str) -> Result<Value> {
        if self.stale.contains(name) {
            return Err(Error::Argument(format!(
                "it reads {name:?}, whose memory was overwritten through another view of it: write the \
                 network without operations in place (x = x + y for x += y)"
            )));
        }
        match self.known.get(name) {
            Some(Known::Tensor(value)) => Ok(value.clone()),
            _ => Err(Error::Argument(format!("it reads {name:?}, which is not computed here"))),
        }
    }

    pub(super) fn tensor(&self, name: &str) -> Result<Value> {
        match self.get(name) {
            Some(Argument::Tensor(tensor)) => self.value(tensor),
            _ => Err(self.unfit(name, "a tensor")),
        }
    }

    pub(super) fn tensor_if_any(&self, name: &str) -> Result<Option<Value>> {
        self.get(name).map(|_| self.tensor(name)).transpose()
    }

    /// Whether the argument is a tensor.
    pub(super) fn is_tensor(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Argument::Tensor(_)))
    }

    pub(super) fn tensors(&self, name: &str) -> Result<Vec<Value>> {
        let given = self.tensors_if_any(name)?;
        given.into_iter().collect::<Option<_>>().ok_or_else(|| self.unfit(name, "tensors"))
    }

    /// A list in which some may be left out.
    pub(super) fn tensors_if_any(&self, name: &str) -> Result<Vec<Option<Value>>> {
        match self.get(name) {
            Some(Argument::Tensors(names)) => names
                .iter()
                .map(|name| name.as_ref().map(|name| self.value(name)).transpose())
                .collect(),
            _ => Err(self.unfit(name, "tensors")),
        }
    }

    fn given(&self, name: &str, size: &Size) -> Result<Given> {
        match size {
            Size::Number(number) => Ok(Given::Number(*number)),
            Size::Name(symbol) => match self.known.get(symbol.as_str()) {
                Some(Known::Int(side)) => Ok(Given::Computed(*side)),
                _ => Err(self.unfit(name, "sizes that follow from the input's")),
            },
        }
    }

    pub(super) fn size(&self, name: &str) -> Result<Given> {
        match self.get(name) {
            Some(Argument::Int(number)) => Ok(Given::Number(*number)),
            Some(Argument::Size(size)) => self.given(name, size),
            _ => Err(self.unfit(name, "an integer")),
        }
    }

    pub(super) fn sizes(&self, name: &str) -> Result<Vec<Given>> {
        match self.get(name) {
            Some(Argument::Ints(sizes)) => {
                sizes.iter().map(|size| self.given(name, size)).collect()
            }
            Some(Argument::Int(_) | Argument::Size(_)) => Ok(vec![self.size(name)?]),
            _ => Err(self.unfit(name, "integers")),
        }
    }

    /// An integer, the same for any number of photos.
    pub(super) fn int(&self, name: &str) -> Result<i64> {
        let side = self.size(name)?.side();
        match side.is_fixed() {
            true => Ok(side.one),
            false => {
                Err(self.unfit(name, "an integer that does not depend on the number of photos"))
            }
        }
    }

    pub(super) fn int_or(&self, name: &str, default: i64) -> Result<i64> {
        self.get(name).map_or(Ok(default), |_| self.int(name))
    }

    pub(super) fn ints(&self, name: &str) -> Result<Vec<i64>> {
        let sides = self.sizes(name)?.into_iter().map(Given::side);
        sides
            .map(|side| side.is_fixed().then_some(side.one))
            .collect::<Option<_>>()
            .ok_or_else(|| self.unfit(name, "integers that do not depend on the number of photos"))
    }

    pub(super) fn ints_if_any(&self, name: &str) -> Result<Option<Vec<i64>>> {
        self.get(name).map(|_| self.ints(name)).transpose()
    }

    /// Two integers, or one for both.
    pub(super) fn pair_or(&self, name: &str, default: [i64; 2]) -> Result<[i64; 2]> {
        match self.ints_if_any(name)?.as_deref() {
            None | Some([]) => Ok(default),
            Some(&[both]) => Ok([both; 2]),
            Some(&[first, second]) => Ok([first, second]),
            Some(_) => Err(self.unfit(name, "two integers: only two-dimensional ones are known")),
        }
    }

    pub(super) fn float_or(&self, name: &str, default: f64) -> Result<f64> {
        match self.get(name) {
            None => Ok(default),
            Some(Argument::Float(number)) => Ok(*number),
            Some(Argument::Int(_) | Argument::Size(_)) => Ok(self.int(name)? as f64),
            Some(Argument::Bool(truth)) => Ok(f64::from(u8::from(*truth))),
            // What the file computes of constants.
            Some(Argument::NamedFloat(number)) => match self.value(number)? {
                Value::Constant(number) => number.f_double_value(&[]).into_result(),
                _ => Err(self.unfit(name, "a number that no photo changes")),
            },
            Some(_) => Err(self.unfit(name, "a number")),
        }
    }

    pub(super) fn float(&self, name: &str) -> Result<f64> {
        match self.get(name) {
            Some(_) => self.float_or(name, 0.0),
            None => Err(self.unfit(name, "a number")),
        }
    }

    pub(super) fn float_if_any(&self, name: &str) -> Result<Option<f64>> {
        self.get(name).map(|_| self.float(name)).transpose()
    }

    pub(super) fn floats_if_any(&self, name: &str) -> Result<Option<Vec<f64>>> {
        match self.get(name) {
            None => Ok(None),
            Some(Argument::Floats(numbers)) => Ok(Some(numbers.clone())),
            Some(_) => Err(self.unfit(name, "numbers")),
        }
    }

    pub(super) fn flag_or(&self, name: &str, default: bool) -> Result<bool> {
        match self.get(name) {
            None => Ok(default),
            Some(Argument::Bool(truth)) => Ok(*truth),
            Some(_) => Err(self.unfit(name, "true or false")),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<&'a str> {
        match self.get(name) {
            Some(Argument::Text(text)) => Ok(text),
            _ => Err(self.unfit(name, "a text")),
        }
    }

    pub(super) fn text_or(&self, name: &str, default: &'static str) -> Result<&'a str> {
        self.get(name).map_or(Ok(default), |_| self.text(name))
    }

    pub(super) fn dtype(&self, name: &str) -> Option<Dtype> {
        match self.get(name) {
            Some(Argument::Dtype(dtype)) => Some(*dtype),
            _ => None,
        }
    }
}
