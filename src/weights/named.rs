//! Tensors by name, and what their file says beside them.

use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::ops::{Deref, DerefMut};

use tch::Tensor;

use crate::show::{DASH, MimeBundle, Row, Show, Table, debug_line, thousands};
use crate::tensor::plain_numbers;

/// Tensors by the names that a network's layers give them, e.g. `"features.0.weight"`: a
/// [`BTreeMap`], with all its methods, and what their file says beside them.
///
/// ```
/// use convlens::prelude::*;
/// let mut weights: Weights = zoo::squeezenet1_1()?.weights();
/// assert_eq!(weights["features.0.bias"].size(), [64]);
/// weights.retain(|name, _| name.starts_with("features."));
/// let halves: Weights = weights.iter().map(|(name, t)| (name.clone(), t / 2)).collect();
/// assert_eq!(halves.len(), weights.len());
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Default, PartialEq)]
pub struct Weights {
    tensors: BTreeMap<String, Tensor>,
    class_names: Vec<String>,
    notes: Vec<String>,
}

impl Weights {
    /// No tensors yet.
    pub fn new() -> Self {
        Weights::default()
    }

    /// The names of the classes in the order of the outputs, if the file has them: a checkpoint of
    /// PyTorch's with an entry `"class_to_idx"`, `"classes"`, `"names"` or `"class_names"`. Empty otherwise. A network that is
    /// made with these weights takes the names too.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// What was decided while the file was read, a sentence each: of which of several sets of weights
    /// these are, and how to read the others. A network that takes these weights says the same in a
    /// line, and keeps it as [`Model::notes`](crate::model::Model::notes).
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The tensors without their names.
    pub fn into_values(self) -> impl Iterator<Item = Tensor> {
        self.tensors.into_values()
    }

    /// The names without their tensors.
    pub fn into_keys(self) -> impl Iterator<Item = String> {
        self.tensors.into_keys()
    }

    pub(super) fn about(self, class_names: Vec<String>, notes: Vec<String>) -> Self {
        Weights { class_names, notes, ..self }
    }

    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// The same tensors, names and notes; nothing is copied.
    pub(crate) fn shared(&self) -> Weights {
        let tensors = self.tensors.iter();
        Weights {
            tensors: tensors.map(|(name, t)| (name.clone(), t.shallow_clone())).collect(),
            class_names: self.class_names.clone(),
            notes: self.notes.clone(),
        }
    }

    fn table(&self) -> Table {
        let (mut rows, mut total) = (Vec::new(), 0u64);
        for (name, tensor) in &self.tensors {
            let size = plain_numbers(tensor).map(|tensor| (tensor.size(), tensor.numel() as u64));
            let cells = match size {
                Ok((size, count)) => {
                    total = total.saturating_add(count);
                    vec![name.clone(), format!("{size:?}"), thousands(count)]
                }
                Err(_) => vec![name.clone(), DASH.to_owned(), DASH.to_owned()],
            };
            rows.push(Row::flat(cells));
        }
        let classes = match self.class_names.len() {
            0 => None,
            count => Some(format!("{count} classes: {}", self.class_names.join(", "))),
        };
        Table {
            caption: format!("{} tensors, {} values", self.len(), thousands(total)),
            columns: vec![("tensor", false), ("shape", false), ("values", true)],
            rows,
            notes: classes.into_iter().chain(self.notes.iter().cloned()).collect(),
        }
    }
}

impl Deref for Weights {
    type Target = BTreeMap<String, Tensor>;

    fn deref(&self) -> &Self::Target {
        &self.tensors
    }
}

impl DerefMut for Weights {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.tensors
    }
}

impl From<BTreeMap<String, Tensor>> for Weights {
    fn from(tensors: BTreeMap<String, Tensor>) -> Self {
        Weights { tensors, ..Weights::default() }
    }
}

impl<const N: usize> From<[(String, Tensor); N]> for Weights {
    fn from(tensors: [(String, Tensor); N]) -> Self {
        BTreeMap::from(tensors).into()
    }
}

impl FromIterator<(String, Tensor)> for Weights {
    fn from_iter<I: IntoIterator<Item = (String, Tensor)>>(tensors: I) -> Self {
        BTreeMap::from_iter(tensors).into()
    }
}

impl IntoIterator for Weights {
    type Item = (String, Tensor);
    type IntoIter = btree_map::IntoIter<String, Tensor>;

    fn into_iter(self) -> Self::IntoIter {
        self.tensors.into_iter()
    }
}

impl<'a> IntoIterator for &'a Weights {
    type Item = (&'a String, &'a Tensor);
    type IntoIter = btree_map::Iter<'a, String, Tensor>;

    fn into_iter(self) -> Self::IntoIter {
        self.tensors.iter()
    }
}

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Weights, {} tensors", self.len()))
    }
}

impl Show for Weights {
    fn bundle(&self) -> MimeBundle {
        self.table().bundle()
    }
}
