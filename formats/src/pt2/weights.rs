//! Weights and constants as archives since PyTorch 2.8 hold them: raw bytes as members, and for each
//! tensor where in them it is.

use std::collections::HashMap;

use super::super::zip::Archive;
use super::super::{ByteOrder, Contents, Dtype, Parsed, Source, Storage, TensorEntry};
use super::schema::{self, Payload, PayloadConfig, SymInt};
use super::{archive, old};

/// The number of a tensor's layout that is not sparse.
const STRIDED: u64 = 7;

/// Storages, and the tensors that are views of them.
#[derive(Default)]
pub(super) struct Tensors {
    pub(super) storages: Vec<Storage>,
    pub(super) entries: Vec<TensorEntry>,
}

impl Tensors {
    /// All of them, if there are any, from a file of `length` bytes.
    pub(super) fn contents(self, length: u64) -> Parsed<Option<Contents>> {
        let mut names: Vec<&str> = self.entries.iter().map(|entry| entry.name.as_str()).collect();
        names.sort_unstable();
        if let Some([name, _]) = names.array_windows().find(|[name, next]| name == next) {
            return Err(format!("{name} is both a weight and a constant"));
        }
        if self.entries.is_empty() {
            return Ok(None);
        }
        Contents::new(self.storages, self.entries, length).map(Some)
    }
}

/// The two folders of one program.
pub(super) fn read(
    source: &mut dyn Source,
    archive: &Archive,
    root: &str,
    model: &str,
) -> Parsed<Tensors> {
    let order = archive::byte_order(source, archive, root)?;
    let mut collected =
        Collected { archive, order, tensors: Tensors::default(), places: HashMap::new() };
    for kind in ["weights", "constants"] {
        let folder = format!("{root}data/{kind}/");
        // So wrote PyTorch 2.8.
        let saved = format!("{folder}{model}.pt");
        if archive.member(&saved).is_some() {
            old::add(source, archive, &saved, &mut collected.tensors)?;
            continue;
        }
        let config_name = format!("{folder}{model}_{kind}_config.json");
        let text = archive::json(source, archive, &config_name)?;
        let PayloadConfig { config } = serde_json::from_slice(&text)
            .map_err(|e| format!("{config_name} cannot be read: {e}"))?;
        for (name, payload) in config.0 {
            collected.add(source, name, &folder, payload)?;
        }
    }
    Ok(collected.tensors)
}

struct Collected<'a> {
    archive: &'a Archive,
    order: ByteOrder,
    tensors: Tensors,
    /// The storage of each member, once as each type.
    places: HashMap<(String, Dtype), usize>,
}

impl Collected<'_> {
    fn add(
        &mut self,
        source: &mut dyn Source,
        name: String,
        folder: &str,
        payload: Payload,
    ) -> Parsed<()> {
        let Some(meta) = payload.tensor_meta else {
            // An object of a class of its own; whether the network needs it, its graph tells.
            return Ok(());
        };
        if payload.use_pickle {
            return Err(format!(
                "{name} is stored as a pickle of a class of its own, which could run any code when it \
                 is read: make it a plain tensor before the export"
            ));
        }
        if meta.layout != STRIDED {
            return Err(format!("{name} is sparse: call .to_dense() on it before the export"));
        }
        let dtype = schema::dtype(meta.dtype)
            .map_err(|kind| format!("{name} is of type {kind}, which convlens does not read"))?;
        let sizes = |sizes: Vec<SymInt>| sizes.into_iter().map(|size| plain(&name, size)).collect();
        let (shape, strides): (Parsed<Vec<usize>>, Parsed<_>) =
            (sizes(meta.sizes), sizes(meta.strides));
        let (shape, strides) = (shape?, strides?);
        let offset = plain(&name, meta.storage_offset)?;
        let storage =
            self.storage(source, &name, format!("{folder}{}", payload.path_name), dtype)?;
        let empty = self.tensors.storages.get(storage).is_some_and(|storage| storage.count == 0);
        if empty && !shape.contains(&0) {
            return Err(format!(
                "{name} has no values: the network was exported with fake tensors. Load its weights \
                 before the export"
            ));
        }
        self.tensors.entries.push(TensorEntry {
            name,
            storage,
            offset,
            shape,
            strides,
            scale: None,
        });
        Ok(())
    }

    /// The place of a member among the storages. Tied parameters share one.
    fn storage(
        &mut self,
        source: &mut dyn Source,
        name: &str,
        member_name: String,
        dtype: Dtype,
    ) -> Parsed<usize> {
        let key = (member_name, dtype);
        if let Some(&place) = self.places.get(&key) {
            return Ok(place);
        }
        let member_name = &key.0;
        let Some(member) = self.archive.member(member_name) else {
            return Err(format!("{name} has no values: there is no {member_name} in the archive"));
        };
        let count = usize::try_from(member.size).map_err(|e| e.to_string())? / dtype.size();
        if count as u64 * dtype.size() as u64 != member.size {
            return Err(format!(
                "{name} is of type {dtype}, but {member_name} has {} bytes, no whole number of values",
                member.size
            ));
        }
        let place = member.place(member_name, self.archive, source)?;
        self.tensors.storages.push(Storage::member(place, dtype, self.order, count));
        self.places.insert(key, self.tensors.storages.len() - 1);
        Ok(self.tensors.storages.len() - 1)
    }
}

/// A size, stride or offset, which for weights is a number.
fn plain(name: &str, size: SymInt) -> Parsed<usize> {
    match size {
        SymInt::Number(number) => usize::try_from(number)
            .map_err(|_| format!("{name} has a size, stride or offset of {number}")),
        SymInt::Expression { expr_str, .. } => {
            Err(format!("{name} has the size {expr_str:?}, where weights have numbers"))
        }
    }
}
