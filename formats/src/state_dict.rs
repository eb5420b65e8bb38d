//! The tensors of a pickled state dict, by name.

use std::collections::BTreeMap;

use super::Parsed;
use super::pickle::{Pickle, PickleCell, TensorView, Value};

/// Under these keys, in this order, checkpoints keep their state dict.
const KEYS: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// Modules within modules in TorchScript.
const DEEPEST: usize = 64;
/// The most entries that are looked at, and bytes that their names may have, all together: objects
/// can hold the same objects again and again.
const MOST_WORK: usize = 16 << 20;

/// The tensors of the dict that a pickle is or, under a well-known key, holds.
pub(super) fn tensors(pickle: &Pickle) -> Parsed<BTreeMap<String, &TensorView>> {
    let root = pickle.entries(pickle.root).ok_or_else(|| match pickle.cell(pickle.root) {
        Some(PickleCell::Tensor(_)) => {
            "the file holds one tensor without a name; save {\"name\": tensor}"
        }
        _ => "the file holds no dict of tensors; save model.state_dict()",
    })?;
    let is_dict = |value: &Value| matches!(pickle.cell(*value), Some(PickleCell::Dict(_)));
    let named = |key: &str| {
        root.iter().rev().find(|entry| pickle.text(entry.0) == Some(key)).map(|entry| entry.1)
    };
    // A TorchScript module may well have a part named "model"; that is not what is meant.
    let inner = KEYS.into_iter().filter(|_| is_dict(&pickle.root)).filter_map(named);
    let mut found = Found { pickle, tensors: BTreeMap::new(), work: 0 };
    for value in inner.filter(is_dict).chain([pickle.root]) {
        found.collect(value, "", 0)?;
        if !found.tensors.is_empty() {
            return Ok(found.tensors);
        }
    }
    let keys: Vec<&str> = root.iter().filter_map(|entry| pickle.text(entry.0)).take(10).collect();
    Err(format!(
        "the file holds no tensors, neither itself nor under {}; its keys are {keys:?}",
        KEYS.join(", ")
    ))
}

/// The tensors of a dict, which may have none: what `torch.export` keeps.
pub(super) fn exported(pickle: &Pickle) -> Parsed<BTreeMap<String, &TensorView>> {
    if !matches!(pickle.cell(pickle.root), Some(PickleCell::Dict(_))) {
        return Err("the file holds no dict of tensors".into());
    }
    let mut found = Found { pickle, tensors: BTreeMap::new(), work: 0 };
    found.collect(pickle.root, "", 0)?;
    Ok(found.tensors)
}

struct Found<'a> {
    pickle: &'a Pickle,
    tensors: BTreeMap<String, &'a TensorView>,
    work: usize,
}

impl<'a> Found<'a> {
    /// Adds the tensors of a dict, or of a TorchScript object and all objects within it.
    fn collect(&mut self, value: Value, prefix: &str, depth: usize) -> Parsed<()> {
        let script = matches!(self.pickle.cell(value), Some(PickleCell::Object(_)));
        for &(key, value) in self.pickle.entries(value).unwrap_or_default() {
            self.work(1)?;
            let inner = self.pickle.cell(value);
            let (Some(PickleCell::Tensor(_) | PickleCell::Object(_)), Some(key)) =
                (inner, self.pickle.text(key))
            else {
                if let Some(PickleCell::Tensor(_)) = inner {
                    return Err("the file holds a tensor whose name is no text".into());
                }
                continue;
            };
            let name = match script {
                // A name in TorchScript has no dots; tch writes these instead.
                true => format!("{prefix}{}", key.replace('|', ".")),
                false => format!("{prefix}{key}"),
            };
            self.work(name.len())?;
            match inner {
                Some(PickleCell::Tensor(tensor)) => {
                    self.tensors.insert(name, tensor);
                }
                _ if depth < DEEPEST => self.collect(value, &format!("{name}."), depth + 1)?,
                _ => return Err(format!("the file has modules nested more than {DEEPEST} deep")),
            }
        }
        Ok(())
    }

    fn work(&mut self, more: usize) -> Parsed<()> {
        self.work = self.work.saturating_add(more);
        if self.work > MOST_WORK {
            return Err("the file has more or longer names than any weights need".into());
        }
        Ok(())
    }
}
