//! ONNX's operators by their names, each as one or a few layers of ours.

mod layers;
mod making;
mod maps;
mod moving;
mod picking;
mod pointwise;
mod pooling;
mod quantized;
mod reducing;
mod resizing;

use convlens_formats::Dtype;
use convlens_formats::onnx::Node;
use tch::{Kind, Tensor};

use super::super::draft::{Draft, Value};
use super::super::parts;
use super::arguments::Arguments;
use super::{Known, sizes};
use crate::error::{Error, Result};
use crate::model::{Op, Rearrange};
use crate::tensor::IntoResult;
pub(super) use maps::with_channels_first;

/// From the arguments of an operator to what it makes.
type Translate = fn(&mut Draft, &Arguments) -> Result<Vec<Known>>;

/// An operator, and the options that it knows.
type Entry = (Translate, &'static [&'static str]);

fn find(node: &Node) -> Option<Entry> {
    let name = node.kind.as_str();
    if !["", "ai.onnx"].contains(&node.domain.as_str()) {
        // onnxruntime's own operators are few, and these as ONNX has them.
        return (node.domain == "com.microsoft" && ["Gelu"].contains(&name))
            .then(|| pointwise::find(name))?;
    }
    layers::find(name)
        .or_else(|| pooling::find(name))
        .or_else(|| pointwise::find(name))
        .or_else(|| reducing::find(name))
        .or_else(|| moving::find(name))
        .or_else(|| picking::find(name))
        .or_else(|| resizing::find(name))
        .or_else(|| quantized::find(name))
        .or_else(|| making::find(name))
}

pub(super) fn is_known(node: &Node) -> bool {
    find(node).is_some()
}

pub(super) fn translate(
    draft: &mut Draft,
    node: &Node,
    arguments: &Arguments,
) -> Result<Vec<Known>> {
    let (translate, options) =
        find(node).ok_or_else(|| Error::Argument(format!("{} is not known here", node.kind)))?;
    // What an option means that is not known here, nobody can guess.
    let unknown = node.attributes.iter().find(|(name, _)| !options.contains(&name.as_str()));
    if let Some((name, _)) = unknown {
        return Err(Error::Argument(format!("its option {name:?} is not known here")));
    }
    let Some(inputs) = maps::first(draft, node, arguments)? else {
        return translate(draft, arguments);
    };
    let made = translate(draft, &arguments.of(inputs))?;
    made.into_iter()
        .map(|made| match made {
            Known::Value(value) => maps::channels_last(draft, value).map(Known::Value),
            other => Ok(other),
        })
        .collect()
}

/// How the file stores what a cast makes.
pub(super) fn stored_by(node: &Node, arguments: &Arguments) -> Option<Dtype> {
    if node.kind != "Cast" {
        return None;
    }
    Some(match arguments.int("to").ok()? {
        2 => Dtype::U8,
        3 => Dtype::I8,
        4 => Dtype::U16,
        5 => Dtype::I16,
        _ => return None,
    })
}

/// The kind of the numbers of a result.
pub(super) fn kind_made(node: &Node, output: usize, arguments: &Arguments) -> Kind {
    match (node.kind.as_str(), output) {
        (
            "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "And" | "Or" | "Xor"
            | "Not",
            _,
        ) => Kind::Bool,
        ("ArgMax" | "ArgMin" | "NonMaxSuppression", _) | ("TopK" | "MaxPool", 1) => Kind::Int64,
        ("Cast", _) => making::cast_to(arguments).unwrap_or(Kind::Float),
        ("CastLike", _) => arguments.kind(1),
        ("Where", _) => arguments.kind(1),
        ("OneHot", _) => arguments.kind(2),
        ("QuantizeLinear" | "DequantizeLinear", _) => Kind::Float,
        _ => arguments.kind(0),
    }
}

const TRAINING: &str = "it works in training mode: export the network for inference";

/// One tensor.
fn one(value: Value) -> Result<Vec<Known>> {
    Ok(vec![Known::Value(value)])
}

fn numbers(numbers: &[f64]) -> Result<Value> {
    let numbers: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
    Ok(Value::constant(Tensor::f_from_slice(&numbers).into_result()?))
}

fn whole_numbers(numbers: &[i64]) -> Result<Value> {
    Ok(Value::constant(Tensor::f_from_slice(numbers).into_result()?))
}

/// Refuses what would take photos apart: each of them runs by itself.
fn not_of_photos(draft: &Draft, value: &Value, dim: usize) -> Result<()> {
    match draft.shape(value).get(dim) {
        Some(side) if !side.is_fixed() => Err(Error::Argument(
            "it takes a part of the photos, each of which runs by itself".into(),
        )),
        _ => Ok(()),
    }
}

/// Of signals, `[N, C, length]`, what maps of one row give.
fn as_maps(
    draft: &mut Draft,
    input: Value,
    by: impl FnOnce(&mut Draft, Value) -> Result<Value>,
) -> Result<Value> {
    let maps = draft.op(Rearrange::Unsqueeze(2), &[input])?;
    let made = by(draft, maps)?;
    draft.op(Rearrange::Squeeze(vec![2]), &[made])
}

/// Dimensions in another order; in the same one, the input itself. Two orders in a row are one.
fn permuted(draft: &mut Draft, input: Value, order: Vec<usize>) -> Result<Value> {
    let (source, order) = match draft.op_of(&input) {
        Some((Op::Rearrange(Rearrange::Permute(before)), [source]))
            if before.len() == order.len() && order.iter().all(|dim| *dim < before.len()) =>
        {
            (source.clone(), order.iter().map(|&dim| before[dim]).collect())
        }
        _ => (input, order),
    };
    match order.iter().enumerate().all(|(i, &dim)| i == dim) {
        true => Ok(source),
        false => draft.op(Rearrange::Permute(order), &[source]),
    }
}
