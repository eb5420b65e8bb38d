//! What an operation is given: its inputs by their places, its options by their names.

use convlens_formats::Dtype;
use convlens_formats::onnx::{Attribute, Node};
use tch::{Kind, Tensor};

use super::super::draft::{Draft, Side, Value, Weight};
use super::super::parts::known;
use super::super::shapes::Given;
use super::Known;
use crate::error::{Error, Result};
use crate::tensor::{IntoResult, to_doubles};

/// What is known of an input.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) known: Known,
    pub(super) kind: Kind,
    /// How the file stores it, if that is said.
    pub(super) stored: Option<Dtype>,
    /// Whether nothing else reads it.
    pub(super) once: bool,
}

/// The inputs and options of one operation.
pub(super) struct Arguments<'a> {
    node: &'a Node,
    /// The version of the operators.
    pub(super) opset: i64,
    /// How many photos the network was exported with.
    pub(super) photos: i64,
    /// In their order; what is left out is nothing.
    inputs: Vec<Option<Input>>,
    /// Reads an option's tensor.
    tensors: &'a dyn Fn(&convlens_formats::onnx::Tensor) -> Result<Tensor>,
}

impl<'a> Arguments<'a> {
    pub(super) fn new(
        node: &'a Node,
        [opset, photos]: [i64; 2],
        inputs: Vec<Option<Input>>,
        tensors: &'a dyn Fn(&convlens_formats::onnx::Tensor) -> Result<Tensor>,
    ) -> Self {
        Arguments { node, opset, photos, inputs, tensors }
    }

    /// The same operation of other inputs.
    pub(super) fn of(&self, inputs: Vec<Option<Input>>) -> Self {
        Arguments { inputs, ..*self }
    }

    pub(super) fn inputs(&self) -> &[Option<Input>] {
        &self.inputs
    }

    /// How many results are used.
    pub(super) fn outputs(&self) -> usize {
        self.node.outputs.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1)
    }

    fn input(&self, i: usize) -> Option<&Input> {
        self.inputs.get(i).and_then(Option::as_ref)
    }

    pub(super) fn has(&self, i: usize) -> bool {
        self.input(i).is_some()
    }

    /// Whether nothing else reads it.
    pub(super) fn once(&self, i: usize) -> bool {
        self.input(i).is_some_and(|input| input.once)
    }

    /// The kind of an input's numbers: floats, integers or truth values.
    pub(super) fn kind(&self, i: usize) -> Kind {
        self.input(i).map_or(Kind::Float, |input| input.kind)
    }

    /// How the file stores an input, if that is said.
    pub(super) fn stored(&self, i: usize) -> Option<Dtype> {
        self.input(i).and_then(|input| input.stored)
    }

    pub(super) fn value_if_any(&self, i: usize) -> Result<Option<Value>> {
        match self.input(i).map(|input| &input.known) {
            None => Ok(None),
            Some(Known::Value(value)) => Ok(Some(value.clone())),
            Some(Known::Counted(one, two)) => alike(one, two).map(Some),
            Some(Known::Nothing) => Err(Error::Argument(format!(
                "it reads {:?}, which is not computed here",
                self.node.inputs.get(i).map_or("", String::as_str)
            ))),
        }
    }

    pub(super) fn value(&self, i: usize) -> Result<Value> {
        self.value_if_any(i)?.ok_or_else(|| Error::Argument(format!("its input {i} is missing")))
    }

    pub(super) fn values(&self) -> Result<Vec<Value>> {
        (0..self.inputs.len()).map(|i| self.value(i)).collect()
    }

    /// A tensor that a layer owns under this name.
    pub(super) fn parameter(&self, i: usize, name: &str) -> Result<Value> {
        Ok(named(self.value(i)?, name))
    }

    pub(super) fn parameter_if_any(&self, i: usize, name: &str) -> Result<Option<Value>> {
        self.has(i).then(|| self.parameter(i, name)).transpose()
    }

    /// What no photo changes.
    pub(super) fn constant(&self, draft: &Draft, i: usize) -> Result<Tensor> {
        let what = || format!("its input {i}");
        known(draft, &self.value(i)?).map_err(|error| error.while_doing(what()))
    }

    /// Sizes, which may follow the number of photos.
    pub(super) fn sides(&self, draft: &Draft, i: usize) -> Result<Vec<Side>> {
        if let Some(Known::Counted(one, two)) = self.input(i).map(|input| &input.known) {
            let (one, two) = (whole(one)?, whole(two)?);
            if one.len() != two.len() {
                return Err(Error::Argument("it has as many sizes as there are photos".into()));
            }
            return Ok(one.into_iter().zip(two).map(|(one, two)| Side { one, two }).collect());
        }
        Ok(whole(&self.constant(draft, i)?)?.into_iter().map(Side::fixed).collect())
    }

    pub(super) fn given(&self, draft: &Draft, i: usize) -> Result<Vec<Given>> {
        let given = |side: Side| match side.is_fixed() {
            true => Given::Number(side.one),
            false => Given::Computed(side),
        };
        Ok(self.sides(draft, i)?.into_iter().map(given).collect())
    }

    /// Integers, the same for any number of photos.
    pub(super) fn whole(&self, draft: &Draft, i: usize) -> Result<Vec<i64>> {
        whole(&self.constant(draft, i)?)
    }

    pub(super) fn whole_if_any(&self, draft: &Draft, i: usize) -> Result<Option<Vec<i64>>> {
        self.has(i).then(|| self.whole(draft, i)).transpose()
    }

    /// One number.
    pub(super) fn number(&self, draft: &Draft, i: usize) -> Result<f64> {
        single(&self.constant(draft, i)?)
            .ok_or_else(|| Error::Argument(format!("its input {i} is not one number")))
    }

    pub(super) fn numbers(&self, draft: &Draft, i: usize) -> Result<Vec<f64>> {
        to_doubles(&self.constant(draft, i)?)
    }

    fn get(&self, name: &str) -> Option<&'a Attribute> {
        let found = self.node.attributes.iter().find(|(own, _)| own == name);
        found.map(|(_, attribute)| attribute)
    }

    fn unfit(&self, name: &str, expected: &str) -> Error {
        Error::Argument(match self.get(name) {
            Some(attribute) => {
                let shown: String = format!("{attribute:?}").chars().take(200).collect();
                format!("its option {name:?} is {shown}; expected {expected}")
            }
            None => format!("it has no option {name:?}; expected {expected}"),
        })
    }

    pub(super) fn int_if_any(&self, name: &str) -> Result<Option<i64>> {
        match self.get(name) {
            None => Ok(None),
            Some(Attribute::Int(number)) => Ok(Some(*number)),
            Some(_) => Err(self.unfit(name, "an integer")),
        }
    }

    pub(super) fn int_or(&self, name: &str, default: i64) -> Result<i64> {
        Ok(self.int_if_any(name)?.unwrap_or(default))
    }

    pub(super) fn int(&self, name: &str) -> Result<i64> {
        self.int_if_any(name)?.ok_or_else(|| self.unfit(name, "an integer"))
    }

    pub(super) fn flag_or(&self, name: &str, default: bool) -> Result<bool> {
        Ok(self.int_or(name, i64::from(default))? != 0)
    }

    pub(super) fn ints_if_any(&self, name: &str) -> Result<Option<Vec<i64>>> {
        match self.get(name) {
            None => Ok(None),
            Some(Attribute::Ints(numbers)) => Ok(Some(numbers.clone())),
            // An empty list may have no type.
            Some(Attribute::Floats(numbers)) if numbers.is_empty() => Ok(Some(Vec::new())),
            Some(_) => Err(self.unfit(name, "integers")),
        }
    }

    pub(super) fn ints(&self, name: &str) -> Result<Vec<i64>> {
        self.ints_if_any(name)?.ok_or_else(|| self.unfit(name, "integers"))
    }

    pub(super) fn float_if_any(&self, name: &str) -> Result<Option<f64>> {
        match self.get(name) {
            None => Ok(None),
            Some(Attribute::Float(number)) => Ok(Some(f64::from(*number))),
            Some(_) => Err(self.unfit(name, "a number")),
        }
    }

    pub(super) fn float_or(&self, name: &str, default: f64) -> Result<f64> {
        Ok(self.float_if_any(name)?.unwrap_or(default))
    }

    pub(super) fn floats_if_any(&self, name: &str) -> Result<Option<Vec<f64>>> {
        match self.get(name) {
            None => Ok(None),
            Some(Attribute::Floats(numbers)) => {
                Ok(Some(numbers.iter().map(|&n| f64::from(n)).collect()))
            }
            Some(_) => Err(self.unfit(name, "numbers")),
        }
    }

    pub(super) fn text_or(&self, name: &str, default: &'static str) -> Result<&'a str> {
        match self.get(name) {
            None => Ok(default),
            Some(Attribute::Text(text)) => Ok(text),
            Some(_) => Err(self.unfit(name, "a text")),
        }
    }

    pub(super) fn tensor_if_any(&self, name: &str) -> Result<Option<Tensor>> {
        match self.get(name) {
            None => Ok(None),
            Some(Attribute::Tensor(tensor)) => (self.tensors)(tensor).map(Some),
            Some(_) => Err(self.unfit(name, "a tensor")),
        }
    }

    /// Dimensions: an option up to a version of the operators, and an input from then on.
    pub(super) fn axes(&self, draft: &Draft, input: usize) -> Result<Option<Vec<i64>>> {
        match self.whole_if_any(draft, input)? {
            Some(axes) => Ok(Some(axes)),
            None => self.ints_if_any("axes"),
        }
    }
}

/// What a layer owns under this name. What has another name in the file, as exporters give it to what they
/// compute, goes by its layer's.
pub(super) fn named(value: Value, name: &str) -> Value {
    let is_named = |weight: &Weight| {
        weight.name.rsplit_once('.').map_or(weight.name == name, |(_, last)| last == name)
    };
    match value {
        Value::Weight(weight) if !is_named(&weight) => {
            Value::constant(weight.tensor.shallow_clone())
        }
        value => value,
    }
}

/// The values of a tensor of integers.
pub(super) fn whole(tensor: &Tensor) -> Result<Vec<i64>> {
    if tensor.dim() > 1 || tensor.is_floating_point() {
        return Err(Error::Argument(format!(
            "expected integers in a row, got {:?} of {:?}",
            tensor.kind(),
            tensor.size()
        )));
    }
    let flat = tensor.f_to_kind(Kind::Int64).and_then(|t| t.f_reshape([-1])).into_result()?;
    Vec::<i64>::try_from(&flat).into_result()
}

/// The one value of a tensor.
pub(super) fn single(tensor: &Tensor) -> Option<f64> {
    match tensor.numel() {
        1 => to_doubles(tensor).ok()?.first().copied(),
        _ => None,
    }
}

/// What is the same for each photo goes with any number of them.
fn alike(one: &Tensor, two: &Tensor) -> Result<Value> {
    let unfit = || {
        Error::Argument(format!(
            "it computes with values that follow the number of photos: {:?} for one, {:?} for two",
            one.size(),
            two.size()
        ))
    };
    let (first, second) = (one.size(), two.size());
    let (Some((1, rest)), Some((2, others))) = (first.split_first(), second.split_first()) else {
        return Err(unfit());
    };
    let repeated = rest == others && {
        let whole = one.f_expand(second.as_slice(), false).into_result()?;
        whole.kind() == two.kind() && whole.f_equal(two).into_result()?
    };
    match repeated {
        true => Ok(Value::constant(one.shallow_clone())),
        false => Err(unfit()),
    }
}
