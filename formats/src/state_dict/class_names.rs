//! The names of the classes in a checkpoint.

use super::super::pickle::{Pickle, PickleCell, Value};

/// Under these keys, in this order, checkpoints keep them: torchvision's `ImageFolder` has the first
/// two, YOLO the third, and training scripts the last.
const KEYS: [&str; 4] = ["class_to_idx", "classes", "names", "class_names"];

/// More are no classes.
const MOST_NAMES: usize = 1 << 16;
/// All together: a list may hold the same long text again and again.
const MOST_BYTES: usize = 1 << 20;

/// The names in the order of the outputs; none where a checkpoint has none, or something else under
/// these keys.
pub(super) fn find(pickle: &Pickle, root: &[(Value, Value)]) -> Vec<String> {
    let named = |key| root.iter().rev().find(|entry| pickle.text(entry.0) == Some(key));
    let lists = KEYS.into_iter().filter_map(named).filter_map(|entry| names(pickle, entry.1));
    lists.into_iter().next().unwrap_or_default()
}

/// A list of names, or a dict between names and the numbers 0, 1, 2, ..., either way round.
fn names(pickle: &Pickle, value: Value) -> Option<Vec<String>> {
    let names: Vec<&str> = match pickle.cell(value)? {
        PickleCell::List(items) | PickleCell::Tuple(items) if items.len() <= MOST_NAMES => {
            items.iter().map(|&item| pickle.text(item)).collect::<Option<_>>()?
        }
        PickleCell::Dict(entries) if entries.len() <= MOST_NAMES => {
            let mut names = vec![None; entries.len()];
            for &(key, value) in entries {
                let (number, name) = match (key, value) {
                    (Value::Int(number), name) | (name, Value::Int(number)) => (number, name),
                    _ => return None,
                };
                let place = names.get_mut(usize::try_from(number).ok()?)?;
                if place.replace(pickle.text(name)?).is_some() {
                    return None;
                }
            }
            names.into_iter().collect::<Option<_>>()?
        }
        _ => return None,
    };
    let bytes: usize = names.iter().map(|name| name.len()).sum();
    let usable = !names.is_empty() && bytes <= MOST_BYTES;
    usable.then(|| names.into_iter().map(str::to_owned).collect())
}
