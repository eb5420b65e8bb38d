//! Trained parameters by name: read from safetensors, checked against a network.

use std::collections::{BTreeMap, BTreeSet};

use safetensors::SafeTensors;
use tch::{Kind, Tensor};

use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// Tensors by the names that a network's layers give them, e.g. `"features.0.weight"`.
pub type Weights = BTreeMap<String, Tensor>;

/// Reads a safetensors file that is in memory, as 32-bit floats.
pub(crate) fn from_safetensors(bytes: &[u8], source: &str) -> Result<Weights> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|e| Error::Argument(format!("{source} is not a safetensors file: {e:?}")))?;
    file.tensors()
        .into_iter()
        .map(|(name, view)| {
            let tensor = Tensor::try_from(view).and_then(|t| t.f_to_kind(Kind::Float));
            let tensor = tensor
                .into_result()
                .map_err(|e| e.while_doing(format!("reading {name} of {source}")))?;
            Ok((name, tensor))
        })
        .collect()
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
            Some(tensor) if tensor.size() != shape => {
                complaints.push(format!("{name} is {:?}, expected {shape:?}", tensor.size()));
            }
            Some(_) => {}
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
