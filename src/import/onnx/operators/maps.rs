//! Networks whose channels are last, as Keras has them: what stands between two changes of the order is done
//! in ours, so that maps are maps, and the two changes make one, which is none.

use convlens_formats::onnx::Node;

use super::super::super::draft::{Draft, Value};
use super::super::Known;
use super::super::arguments::{Arguments, Input};
use super::permuted;
use crate::error::Result;
use crate::model::{Op, Rearrange};

/// From `[N, C, H, W]` to `[N, H, W, C]`.
pub(super) const CHANNELS_LAST: [usize; 4] = [0, 2, 3, 1];

/// Operators on each value by itself, or on values at the same places.
const BY_VALUE: [&str; 47] = [
    "Abs",
    "Add",
    "Cast",
    "Ceil",
    "Celu",
    "Clip",
    "Cos",
    "Div",
    "Dropout",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "Greater",
    "GreaterOrEqual",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "Max",
    "Mean",
    "Min",
    "Mish",
    "Mod",
    "Mul",
    "Neg",
    "Not",
    "PRelu",
    "Pow",
    "Reciprocal",
    "Relu",
    "Round",
    "Selu",
    "Sigmoid",
    "Sin",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Sub",
    "Sum",
    "Swish",
    "Tanh",
    "Where",
];

/// What has channels last only because the order was changed just before: what it was.
pub(super) fn channels_first(draft: &Draft, value: &Value) -> Option<Value> {
    match draft.op_of(value) {
        Some((Op::Rearrange(Rearrange::Permute(order)), [source])) if *order == CHANNELS_LAST => {
            Some(source.clone())
        }
        _ => None,
    }
}

/// The maps that a network of Keras gives back, in our order.
pub(in super::super) fn with_channels_first(draft: &mut Draft, value: Value) -> Result<Value> {
    match draft.varies(&value) && draft.shape(&value).len() == 4 {
        true => draft.as_operation("transpose", |draft| permuted(draft, value, vec![0, 3, 1, 2])),
        false => Ok(value),
    }
}

/// The values in the order of Keras again.
pub(super) fn channels_last(draft: &mut Draft, value: Value) -> Result<Value> {
    draft.as_operation("transpose", |draft| permuted(draft, value, CHANNELS_LAST.to_vec()))
}

/// The inputs of an operator on each value with channels first, if they can be had so.
pub(super) fn first(
    draft: &mut Draft,
    node: &Node,
    arguments: &Arguments,
) -> Result<Option<Vec<Option<Input>>>> {
    if !BY_VALUE.contains(&node.kind.as_str()) {
        return Ok(None);
    }
    let mut found = false;
    for input in arguments.inputs().iter().flatten() {
        let Known::Value(value) = &input.known else { return Ok(None) };
        let (rank, last) = (draft.shape(value).len(), channels_first(draft, value).is_some());
        found |= last;
        let goes_with = last || rank == 0 || (!draft.varies(value) && rank <= 4);
        if !goes_with {
            return Ok(None);
        }
    }
    if !found {
        return Ok(None);
    }
    let mut inputs = Vec::new();
    for input in arguments.inputs() {
        inputs.push(match input {
            None => None,
            Some(input) => Some(Input { known: turned(draft, &input.known)?, ..input.clone() }),
        });
    }
    Ok(Some(inputs))
}

/// One input with channels first. A constant has as many dimensions then.
fn turned(draft: &mut Draft, known: &Known) -> Result<Known> {
    let Known::Value(value) = known else { return Ok(known.clone()) };
    if let Some(source) = channels_first(draft, value) {
        return Ok(Known::Value(source));
    }
    let sides = draft.shape(value);
    if sides.iter().all(|side| side.is_fixed() && side.one == 1) {
        return Ok(known.clone());
    }
    let mut shape = vec![1; 4 - sides.len().min(4)];
    shape.extend(sides.iter().map(|side| side.one));
    // What a parameter is moved to is part of the network's description.
    let value = match draft.known(value)? {
        Some(tensor) => Value::constant(tensor),
        None => value.clone(),
    };
    let four = draft.op(Rearrange::Reshape(shape), &[value])?;
    Ok(Known::Value(draft.op(Rearrange::Permute(vec![0, 3, 1, 2]), &[four])?))
}
