//! Constants that follow the number of photos: computed twice, for one photo and for two.

use std::rc::Rc;

use convlens_formats::onnx::Node;
use tch::Tensor;

use super::super::draft::{Draft, Value};
use super::super::parts::known;
use super::arguments::{Arguments, Input};
use super::{Known, operators};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// Whether an operation computes with nothing but constants, of which some follow the number of photos.
pub(super) fn is_counted(draft: &Draft, arguments: &Arguments) -> bool {
    let inputs = || arguments.inputs().iter().flatten();
    let counted = inputs().any(|input| matches!(input.known, Known::Counted(..)));
    counted
        && inputs().all(|input| match &input.known {
            Known::Value(value) => !draft.varies(value),
            Known::Counted(..) => true,
            Known::Nothing => false,
        })
}

/// What the operation makes for one photo and for two.
pub(super) fn twice(draft: &mut Draft, node: &Node, arguments: &Arguments) -> Result<Vec<Known>> {
    let one = once(draft, node, arguments, |one, _| one)?;
    let two = once(draft, node, arguments, |_, two| two)?;
    if one.len() != two.len() {
        return Err(Error::Argument("it makes as many tensors as there are photos".into()));
    }
    let pairs = one.into_iter().zip(two).map(|(one, two)| {
        let (Some(one), Some(two)) = (one, two) else { return Ok(Known::Nothing) };
        let same = one.kind() == two.kind()
            && one.size() == two.size()
            && one.f_equal(&two).into_result()?;
        Ok(match same {
            true => Known::Value(Value::constant(one)),
            false => Known::Counted(Rc::new(one), Rc::new(two)),
        })
    });
    pairs.collect()
}

fn once(
    draft: &mut Draft,
    node: &Node,
    arguments: &Arguments,
    which: for<'t> fn(&'t Tensor, &'t Tensor) -> &'t Tensor,
) -> Result<Vec<Option<Tensor>>> {
    let input = |input: &Input| {
        let tensor = match &input.known {
            Known::Value(value) => known(draft, value)?,
            Known::Counted(one, two) => which(one, two).shallow_clone(),
            Known::Nothing => return Ok(input.clone()),
        };
        Ok(Input { known: Known::Value(Value::constant(tensor)), ..input.clone() })
    };
    let inputs = arguments.inputs().iter();
    let inputs = inputs.map(|given| given.as_ref().map(input).transpose());
    let inputs: Vec<Option<Input>> = inputs.collect::<Result<_>>()?;
    let made = operators::translate(draft, node, &arguments.of(inputs))?;
    made.iter()
        .map(|made| match made {
            Known::Value(value) => known(draft, value).map(Some),
            Known::Counted(..) | Known::Nothing => Ok(None),
        })
        .collect()
}
