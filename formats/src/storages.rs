//! The storages that a pickle's tensors share, each looked up once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::pickle::{Pickle, PickleCell, Quantised, TensorView, Value};
use super::scale::Scale;
use super::state_dict::About;
use super::values::read_doubles;
use super::{Contents, Dtype, Parsed, Source, Storage, TensorEntry};

/// Collects tensors and the storages that they are views of.
pub(super) struct Storages<'a> {
    pickle: &'a Pickle,
    entries: Vec<TensorEntry>,
    storages: Vec<Storage>,
    places: HashMap<(&'a str, Dtype), usize>,
    channels: Vec<Channels>,
}

/// A tensor that is quantised channel by channel: its own entry, and those of its scales and zero
/// points.
struct Channels {
    entry: usize,
    axis: usize,
    parameters: [TensorEntry; 2],
}

impl<'a> Storages<'a> {
    pub(super) fn new(pickle: &'a Pickle) -> Self {
        Storages {
            pickle,
            entries: Vec::new(),
            storages: Vec::new(),
            places: HashMap::new(),
            channels: Vec::new(),
        }
    }

    /// Adds a tensor. If its storage is not known yet, `find` gets its key, the type of its values
    /// and how many bytes it claims.
    pub(super) fn add(
        &mut self,
        name: String,
        tensor: &'a TensorView,
        mut find: impl FnMut(&str, Dtype, u64) -> Parsed<Storage>,
    ) -> Parsed<()> {
        let mut entry = self.entry(name, tensor, &mut find)?;
        match tensor.quantised {
            None => {}
            Some(Quantised::Whole { scale, zero_point }) => {
                // PyTorch computes with the scale in 32 bits here, with those of channels in 64.
                let scale = f64::from(scale as f32);
                entry.scale = Some(Scale::Whole { scale, zero_point: zero_point as f32 });
            }
            Some(Quantised::Channels { scales, zero_points, axis }) => {
                let mut parameter = |value: Value, what| match self.pickle.cell(value) {
                    Some(PickleCell::Tensor(tensor)) if tensor.quantised.is_none() => {
                        self.entry(format!("{} of {}", what, entry.name), tensor, &mut find)
                    }
                    _ => Err(format!("{} is quantised, but {what} are no tensor", entry.name)),
                };
                let parameters =
                    [parameter(scales, "the scales")?, parameter(zero_points, "the zero points")?];
                let places = entry.shape.get(axis);
                let per_channel = |of: &TensorEntry| places.is_some_and(|&n| of.shape == [n]);
                if !parameters.iter().all(per_channel) {
                    return Err(format!(
                        "{}, {:?}, is quantised along dimension {axis}, but has scales {:?} and zero \
                         points {:?}",
                        entry.name, entry.shape, parameters[0].shape, parameters[1].shape
                    ));
                }
                self.channels.push(Channels { entry: self.entries.len(), axis, parameters });
            }
        }
        self.entries.push(entry);
        Ok(())
    }

    fn entry(
        &mut self,
        name: String,
        tensor: &'a TensorView,
        find: &mut impl FnMut(&str, Dtype, u64) -> Parsed<Storage>,
    ) -> Parsed<TensorEntry> {
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
        Ok(TensorEntry { name, storage, offset: tensor.offset, shape, strides, scale: None })
    }

    pub(super) fn contents(
        self,
        source: &mut dyn Source,
        length: u64,
        about: About,
    ) -> Parsed<Contents> {
        let Storages { mut entries, storages, channels, .. } = self;
        let parameters = channels.iter().flat_map(|channels| &channels.parameters);
        Contents::check(&storages, entries.iter().chain(parameters), length)?;
        let mut known: HashMap<usize, Vec<f64>> = HashMap::new();
        for Channels { entry, axis, parameters } in channels {
            let [scales, zero_points] =
                parameters.map(|parameter| values(source, &storages, &mut known, &parameter));
            if let Some(entry) = entries.get_mut(entry) {
                let zero_points = zero_points?.into_iter().map(|zero| zero as f32).collect();
                let scales = scales?;
                entry.scale = Some(Scale::Channels { axis, scales, zero_points });
            }
        }
        let mut contents = Contents::new(storages, entries, length)?;
        contents.about = about;
        Ok(contents)
    }

    /// Those of an archive in which nothing is quantised.
    pub(super) fn into_parts(self) -> Parsed<(Vec<Storage>, Vec<TensorEntry>)> {
        match self.entries.iter().find(|entry| entry.scale.is_some()) {
            Some(entry) => {
                Err(format!("{} is quantised, which no exported network is", entry.name))
            }
            None if self.channels.is_empty() => Ok((self.storages, self.entries)),
            None => Err("tensors are quantised, which those of no exported network are".into()),
        }
    }
}

/// The values of a tensor that was checked. Its storage is read when it is not known yet.
fn values(
    source: &mut dyn Source,
    storages: &[Storage],
    known: &mut HashMap<usize, Vec<f64>>,
    entry: &TensorEntry,
) -> Parsed<Vec<f64>> {
    let missing = || format!("there is no memory for {}", entry.name);
    let all = match known.entry(entry.storage) {
        Entry::Occupied(all) => all.into_mut(),
        Entry::Vacant(place) => {
            let storage = storages.get(entry.storage).ok_or_else(missing)?;
            let all = read_doubles(source, storage).map_err(|e| format!("{} {e}", entry.name))?;
            place.insert(all)
        }
    };
    entry.doubles_of(all).ok_or_else(missing)
}
