//! Trained parameters by name, checked against a network.

use std::collections::BTreeSet;

use tch::Tensor;

use crate::error::{Error, Result};
use crate::tensor::{IntoResult, plain_numbers};

pub use crate::weights::Weights;

/// Writes trained values into the variables of the same names.
pub(super) fn copy(
    trained: &Weights,
    variables: impl IntoIterator<Item = (String, Tensor)>,
) -> Result<()> {
    let _no_grad = tch::no_grad_guard();
    for (name, mut variable) in variables {
        if let Some(value) = trained.get(&name) {
            variable.f_copy_(&plain_numbers(value)?).into_result()?;
        }
    }
    Ok(())
}

/// All that does not fit between a network and its weights, in one error.
pub(super) fn check(
    network: &str,
    given: &Weights,
    expected: impl IntoIterator<Item = (String, Vec<i64>)>,
) -> Result<()> {
    let mut known = BTreeSet::new();
    let mut complaints = Vec::new();
    for (name, shape) in expected {
        match given.get(&name) {
            None => complaints.push(format!("{name} is missing (expected {shape:?})")),
            Some(tensor) => match plain_numbers(tensor) {
                Err(error) => complaints.push(format!("{name} cannot be taken: {error}")),
                Ok(tensor) if tensor.size() != shape => {
                    complaints.push(format!("{name} is {:?}, expected {shape:?}", tensor.size()));
                }
                Ok(_) => {}
            },
        }
        known.insert(name);
    }
    // PyTorch's files count batches; nothing here reads that.
    let surplus = given.keys().filter(|name| !known.contains(*name));
    complaints.extend(
        surplus
            .filter(|name| !name.ends_with(".num_batches_tracked"))
            .map(|name| format!("{name} belongs to no layer")),
    );
    if complaints.is_empty() {
        return Ok(());
    }
    Err(Error::Argument(format!(
        "the weights do not fit {network}, and nothing was loaded:\n  {}",
        complaints.join("\n  ")
    )))
}
