//! The storages that a pickle's tensors share, each looked up once.

use std::collections::HashMap;

use super::pickle::{Pickle, TensorView};
use super::{Contents, Dtype, Parsed, Storage, TensorEntry};

/// Collects tensors and the storages that they are views of.
pub(super) struct Storages<'a> {
    pickle: &'a Pickle,
    entries: Vec<TensorEntry>,
    storages: Vec<Storage>,
    places: HashMap<(&'a str, Dtype), usize>,
}

impl<'a> Storages<'a> {
    pub(super) fn new(pickle: &'a Pickle) -> Self {
        Storages { pickle, entries: Vec::new(), storages: Vec::new(), places: HashMap::new() }
    }

    /// Adds a tensor. If its storage is not known yet, `find` gets its key, the type of its values
    /// and how many bytes it claims.
    pub(super) fn add(
        &mut self,
        name: String,
        tensor: &'a TensorView,
        find: impl FnOnce(&str, Dtype, u64) -> Parsed<Storage>,
    ) -> Parsed<()> {
        let id = tensor.storage;
        let key = self.pickle.text(id.key).unwrap_or_default();
        let storage = match self.places.get(&(key, tensor.dtype)) {
            Some(&place) => place,
            None => {
                let bytes =
                    (id.count as u64).saturating_mul(id.dtype.map_or(1, Dtype::size) as u64);
                let storage = find(key, tensor.dtype, bytes).map_err(|e| format!("{name} {e}"))?;
                self.storages.push(storage);
                self.places.insert((key, tensor.dtype), self.storages.len() - 1);
                self.storages.len() - 1
            }
        };
        let (shape, strides) = (tensor.shape.clone(), tensor.strides.clone());
        self.entries.push(TensorEntry { name, storage, offset: tensor.offset, shape, strides });
        Ok(())
    }

    pub(super) fn contents(self, length: u64) -> Parsed<Contents> {
        Contents::new(self.storages, self.entries, length)
    }

    pub(super) fn into_parts(self) -> (Vec<Storage>, Vec<TensorEntry>) {
        (self.storages, self.entries)
    }
}
