//! The tensors of a pickled state dict, by name, and what stands beside them in a checkpoint.

mod class_names;

use std::collections::BTreeMap;

use super::Parsed;
use super::pickle::{Pickle, PickleCell, TensorView, Value};

/// Under these keys checkpoints keep their state dict: the first one that there is, is taken. Averages
/// of what the weights were while training come last.
const KEYS: [&str; 8] = [
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "ema",
    "model_ema",
    "state_dict_ema",
];

/// Modules within modules in TorchScript.
const DEEPEST: usize = 64;
/// The most entries that are looked at, and bytes that their names may have, all together: objects
/// can hold the same objects again and again.
const MOST_WORK: usize = 16 << 20;

/// What a quantised layer calls the tuple of its weight and bias.
const PACKED: &str = "_packed_params";

/// What a checkpoint holds beside the weights that were taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct About {
    /// The key under which the weights stand; none where they are the whole.
    pub key: Option<String>,
    /// Well-known keys under which there are other weights.
    pub other_keys: Vec<String>,
    /// The names of the classes in the order of the outputs; empty where there are none.
    pub class_names: Vec<String>,
}

/// The weights of a checkpoint, and what it holds beside them.
pub(super) struct StateDict<'a> {
    pub(super) tensors: BTreeMap<String, &'a TensorView>,
    pub(super) about: About,
}

/// The tensors of the dict that a pickle is or holds: under this key, or else under the first
/// well-known one.
pub(super) fn find<'a>(pickle: &'a Pickle, under: Option<&str>) -> Parsed<StateDict<'a>> {
    let root = pickle.entries(pickle.root).ok_or_else(|| match pickle.cell(pickle.root) {
        Some(PickleCell::Tensor(_)) => {
            "the file holds one tensor without a name; save {\"name\": tensor}"
        }
        _ => "the file holds no dict of tensors; save model.state_dict()",
    })?;
    let is_dict = |value: &Value| matches!(pickle.cell(*value), Some(PickleCell::Dict(_)));
    // A TorchScript module may well have a part named "model"; that is not what is meant.
    let root = if is_dict(&pickle.root) { root } else { &[] };
    let named = |key: &str| {
        let entry = root.iter().rev().find(|entry| pickle.text(entry.0) == Some(key));
        entry.map(|entry| entry.1).filter(is_dict)
    };
    let mut found = Found { pickle, tensors: BTreeMap::new(), work: 0 };
    let known: Vec<(&str, Value)> = match under {
        Some(key) => named(key).map(|value| (key, value)).into_iter().collect(),
        None => KEYS.into_iter().filter_map(|key| Some((key, named(key)?))).collect(),
    };
    let mut key = None;
    for (name, value) in known {
        found.collect(value, "", 0)?;
        if !found.tensors.is_empty() {
            key = Some(name);
            break;
        }
    }
    if key.is_none() && under.is_none() {
        found.collect(pickle.root, "", 0)?;
    }
    if found.tensors.is_empty() {
        return Err(nothing(pickle, root, under));
    }
    let others = KEYS.into_iter().filter(|&other| {
        Some(other) != key && named(other).is_some_and(|value| has_tensors(pickle, value))
    });
    let about = About {
        key: key.map(str::to_owned),
        other_keys: others.map(str::to_owned).collect(),
        class_names: class_names::find(pickle, root),
    };
    Ok(StateDict { tensors: found.tensors, about })
}

fn has_tensors(pickle: &Pickle, value: Value) -> bool {
    let is_tensor =
        |entry: &(Value, Value)| matches!(pickle.cell(entry.1), Some(PickleCell::Tensor(_)));
    pickle.entries(value).is_some_and(|entries| entries.iter().any(is_tensor))
}

/// That there are no tensors where they were looked for, and where there are some.
fn nothing(pickle: &Pickle, root: &[(Value, Value)], under: Option<&str>) -> String {
    let keys = || root.iter().filter_map(|&(key, value)| Some((pickle.text(key)?, value)));
    let mut text = match under {
        Some(key) => format!("the file holds no tensors under {key:?}"),
        None => format!("the file holds no tensors, neither itself nor under {}", KEYS.join(", ")),
    };
    let names: Vec<&str> = keys().map(|(key, _)| key).take(10).collect();
    text += &format!("; its keys are {names:?}");
    if let Some((key, _)) = keys().find(|&(_, value)| has_tensors(pickle, value)) {
        text += &format!(", and under {key:?} there are some: weights::read_under(path, {key:?})");
    }
    text
}

/// The tensors of a dict, which may have none: what `torch.export` keeps.
pub(super) fn exported(pickle: &Pickle) -> Parsed<StateDict<'_>> {
    if !matches!(pickle.cell(pickle.root), Some(PickleCell::Dict(_))) {
        return Err("the file holds no dict of tensors".into());
    }
    let mut found = Found { pickle, tensors: BTreeMap::new(), work: 0 };
    found.collect(pickle.root, "", 0)?;
    Ok(StateDict { tensors: found.tensors, about: About::default() })
}

struct Found<'a> {
    pickle: &'a Pickle,
    tensors: BTreeMap<String, &'a TensorView>,
    work: usize,
}

impl<'a> Found<'a> {
    /// Adds the tensors of a dict, or of a TorchScript object and all objects within it.
    fn collect(&mut self, value: Value, prefix: &str, depth: usize) -> Parsed<()> {
        let pickle = self.pickle;
        let script = matches!(pickle.cell(value), Some(PickleCell::Object(_)));
        for &(key, value) in pickle.entries(value).unwrap_or_default() {
            self.work(1)?;
            let (inner, key) = (pickle.cell(value), pickle.text(key));
            let Some(key) = key else {
                if let Some(PickleCell::Tensor(_)) = inner {
                    return Err("the file holds a tensor whose name is no text".into());
                }
                continue;
            };
            let packed = key.rsplit('.').next() == Some(PACKED);
            if !packed && !matches!(inner, Some(PickleCell::Tensor(_) | PickleCell::Object(_))) {
                continue;
            }
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
                _ if pickle.entries(value).is_none() => self.unpack(&name, value)?,
                _ if depth < DEEPEST => self.collect(value, &format!("{name}."), depth + 1)?,
                _ => return Err(format!("the file has modules nested more than {DEEPEST} deep")),
            }
        }
        Ok(())
    }

    /// Adds the weight and the bias that a quantised layer keeps in a tuple: `(weight, bias)` of a linear
    /// layer, all options and these two of a convolution in TorchScript. Other tuples hold none.
    fn unpack(&mut self, name: &str, packed: Value) -> Parsed<()> {
        let pickle = self.pickle;
        let tensor = |value: &Value| match pickle.cell(*value) {
            Some(PickleCell::Tensor(tensor)) => Some(&**tensor),
            _ => None,
        };
        let state = match pickle.cell(packed) {
            Some(&PickleCell::Object(state)) => state,
            _ => packed,
        };
        let items = match pickle.cell(state) {
            Some(PickleCell::Tuple(items)) => items.as_slice(),
            _ => &[],
        };
        self.work(items.len())?;
        let is_weight = |value| tensor(value).is_some_and(|weight| weight.quantised.is_some());
        let mut layer = name;
        while let Some((outer, PACKED)) = layer.rsplit_once('.') {
            layer = outer;
        }
        let Some(place) = items.iter().position(is_weight) else {
            return match layer == name {
                true => Ok(()),
                false => Err(format!(
                    "{layer:.200} keeps its weights packed in a way that convlens does not read: \
                     save {{\"{layer:.200}.weight\": layer.weight().dequantize()}} in Python"
                )),
            };
        };
        for (item, what) in items.iter().skip(place).zip(["weight", "bias"]) {
            if let Some(tensor) = tensor(item) {
                self.tensors.insert(format!("{layer}.{what}"), tensor);
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
