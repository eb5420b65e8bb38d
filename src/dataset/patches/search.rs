//! The pass over a data set that finds what excites every map.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::super::batches::{Batch, Unreadable, channels_of, spatial};
use super::super::folder::{ImageFolder, Item};
use super::super::identity::identity;
use super::super::json::{self, with_part};
use super::super::over_photos::none_readable;
use super::super::reduce::{Reduced, reduce};
use super::best::{Best, BestOf};
use super::file::{KIND, TopPatchesFile};
use super::record::{Record, Records};
use super::selectivity::{Selectivity, areas};
use super::{Hit, Inner, LayerPatches, Photos, TopPatches};
use crate::error::{Error, Result};
use crate::model::{LayerRef, Model, NodeId, ReceptiveField};

/// Finds the photos that excite every map of some layers most, where they do, and how selective each
/// map is: options, and [`run`](PatchSearch::run).
///
/// All channels of all layers are searched in one pass that ends at the last of these layers. A photo
/// excites a map as much as its greatest value; the crop is the receptive field of that value, cut
/// from the photo itself.
///
/// ```no_run
/// use convlens::prelude::*;
/// let (model, train) = (zoo::resnet50()?, ImageFolder::open("pets/train")?);
/// let layers = ["relu", "layer1", "layer2", "layer3", "layer4"];
/// let patches = PatchSearch::at(layers).file("patches.json").run(&model, &train)?;
/// patches.map("layer3", 12)?; // the nine crops that excite it most
/// patches.selectivity("layer4")?; // which maps are for which class
/// // In a later notebook:
/// let patches = TopPatches::open("patches.json")?;
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PatchSearch {
    layers: Vec<LayerRef>,
    per_map: usize,
    file: Option<PathBuf>,
}

impl PatchSearch {
    /// Searches these layers, by name or index.
    pub fn at<L: Into<LayerRef>>(layers: impl IntoIterator<Item = L>) -> PatchSearch {
        PatchSearch { layers: layers.into_iter().map(Into::into).collect(), per_map: 9, file: None }
    }

    /// How many photos are kept for each map; 9 unless set.
    pub fn per_map(&self, photos: usize) -> PatchSearch {
        PatchSearch { per_map: photos, ..self.clone() }
    }

    /// Keeps the result in this file, as JSON. A search that was interrupted goes on where it was when
    /// it is started again, and one that was finished is opened: while it works, what it has found lies
    /// beside the file, under its name with `.part`, 12 bytes for every map and photo.
    pub fn file(&self, path: impl AsRef<Path>) -> PatchSearch {
        PatchSearch { file: Some(path.as_ref().to_path_buf()), ..self.clone() }
    }

    /// Looks at all photos, each once. Memory does not grow with their number: what every photo made of
    /// every map, 12 bytes for each, lies on disk meanwhile, without a [`file`](PatchSearch::file) in the
    /// system's folder for temporary files.
    ///
    /// # Errors
    /// A layer that is not there or not spatial, or no layer; photos that become inputs of different
    /// sizes; when no photo can be read; a file that belongs to another search or cannot be written.
    pub fn run(&self, model: &Model, photos: &ImageFolder) -> Result<TopPatches> {
        let layers = self.found(model)?;
        model.check_takes_photos()?;
        // As the network prepares them, they are shown afterwards, too.
        let photos = &photos.preprocess(photos.preprocess_for(model).clone());
        let seen = seen_size(model, photos)?;
        let fields = layers.iter().map(|(_, name)| model.receptive_field_for(name, seen));
        let fields: Vec<ReceptiveField> = fields.collect::<Result<_>>()?;
        let mut identity = identity(model, &layers, photos)?;
        identity["seen"] = seen.as_slice().into();
        identity["per_map"] = self.per_map.into();
        if let Some(path) = self.file.as_deref().filter(|path| path.exists()) {
            return finished(path, &identity, photos);
        }
        let sizes = layers.iter().map(|(id, _)| channels_of(model, *id));
        let sizes: Vec<usize> = sizes.collect::<Result<_>>()?;
        let maps = sizes.iter().sum();
        let (path, kept) = match &self.file {
            Some(path) => (with_part(path), true),
            None => (temporary(), false),
        };
        let each = [maps, photos.class_names().len()];
        let mut records = Records::open(&path, &identity, each, photos.batch_size(), kept)?;
        let mut state = State::new(photos, maps, self.per_map);
        records.each(|record| {
            state.add(record);
            if !record.read {
                state.unreadable.push(again(model, photos, record.index as usize));
            }
            Ok(())
        })?;
        let ids: Vec<NodeId> = layers.iter().map(|(id, _)| *id).collect();
        let what = format!("top patches of {} layers, photos", layers.len());
        photos.run(model, &ids, &what, records.count(), |batch| {
            let (batch, unreadable) = recorded(batch, seen, photos)?;
            records.append(&batch)?;
            batch.iter().for_each(|record| state.add(record));
            state.unreadable.extend(unreadable);
            Ok(())
        })?;
        if !state.read.contains(&true) {
            records.keep = false;
            return Err(none_readable(photos, &state.unreadable));
        }
        let areas = state.areas(&mut records)?;
        let inner = state.finish(model, photos, self.per_map, fields, &sizes, &areas)?;
        if let Some(path) = &self.file {
            let root = photos.root().and_then(|root| std::fs::canonicalize(root).ok());
            let written = TopPatchesFile::new(&inner, root.as_deref());
            json::write_compact(path, KIND, Some(&identity), &written)?;
        }
        records.keep = false;
        Ok(TopPatches { inner: Rc::new(inner), photos: Photos::Set(Rc::new(photos.clone())) })
    }

    fn found(&self, model: &Model) -> Result<Vec<(NodeId, String)>> {
        let layers = self.layers.iter().map(|layer| spatial(model, layer));
        let layers: Vec<(NodeId, String)> = layers.collect::<Result<_>>()?;
        if layers.is_empty() || self.per_map == 0 {
            return Err(Error::Argument(
                "a search needs at least one layer, and at least one photo for each map".into(),
            ));
        }
        for (i, (id, name)) in layers.iter().enumerate() {
            if let Some((_, other)) = layers[..i].iter().find(|(other, _)| other == id) {
                return Err(Error::Argument(format!(
                    "{other:?} and {name:?} are the same layer of {}: name it once",
                    model.name()
                )));
            }
        }
        Ok(layers)
    }
}

/// What the network sees of the first photo that can be read, and so of all.
fn seen_size(model: &Model, photos: &ImageFolder) -> Result<[i64; 2]> {
    let preprocess = photos.preprocess_for(model);
    let [channels, ..] = model.input_shape();
    let mut first = None;
    for index in 0..photos.len() {
        let size = photos.item(index, channels).and_then(|item| {
            let [height, width] = match item {
                Item::Photo(photo) => [photo.height(), photo.width()].map(i64::from),
                Item::Array(array) => array.size_for(channels)?,
            };
            let frame = preprocess.frame(height, width)?;
            let [h, w] = frame.seen;
            model.output_shapes(&[1, channels, h, w])?;
            Ok(frame.seen)
        });
        match size {
            Ok(size) => return Ok(size),
            Err(error) => first.get_or_insert_with(|| Unreadable::new(photos, index, error)),
        };
    }
    Err(none_readable(photos, first.as_slice()))
}

/// Why a photo could not be read before the search was interrupted.
fn again(model: &Model, photos: &ImageFolder, index: usize) -> Unreadable {
    let error = photos.seen(index, photos.preprocess_for(model), model.input_shape()[0]).err();
    let error = error.unwrap_or_else(|| Error::Image("it could not be read in its turn".into()));
    Unreadable::new(photos, index, error)
}

/// A search that is finished already.
fn finished(path: &Path, identity: &Value, photos: &ImageFolder) -> Result<TopPatches> {
    let found: TopPatchesFile = json::read(path, KIND, Some(identity))?;
    let (inner, _) = found.checked().map_err(|why| Error::file(path, why))?;
    Ok(TopPatches { inner: Rc::new(inner), photos: Photos::Set(Rc::new(photos.clone())) })
}

/// A name that no other search of this system has.
fn temporary() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let (process, next) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    // The counter begins anew in every notebook cell, whose process may still hold an older one.
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let time = time.map_or(0, |time| time.as_nanos());
    std::env::temp_dir().join(format!("convlens-patches-{process}-{time}-{next}.part"))
}

/// A batch as records, those of unreadable photos among them, in order.
fn recorded(
    batch: Batch,
    seen: [i64; 2],
    photos: &ImageFolder,
) -> Result<(Vec<Record>, Vec<Unreadable>)> {
    let layers: Vec<Reduced> = batch.outputs.iter().map(reduce).collect::<Result<_>>()?;
    let mut records = Vec::new();
    for (i, photo) in batch.photos.iter().enumerate() {
        let (w, h) = photo.pixels.dimensions();
        if [i64::from(h), i64::from(w)] != seen {
            let name = photos.entry(photo.index).map_or_else(String::new, |entry| entry.name);
            return Err(Error::Shape(format!(
                "{name} becomes {h} × {w} pixels (height × width), but others become {} × {}: crops are \
                 found in inputs of one size; prepare photos with Preprocess::exact, or with a crop",
                seen[0], seen[1]
            )));
        }
        let mut record = Record {
            index: photo.index as u32,
            class: photo.class as u32,
            read: true,
            size: photo.size.map(|side| side as u32),
            ..Record::default()
        };
        for layer in &layers {
            let part = i * layer.channels..(i + 1) * layer.channels;
            record.means.extend(&layer.means[part.clone()]);
            record.most.extend(&layer.most[part.clone()]);
            record.places.extend(&layer.places[part]);
        }
        records.push(record);
    }
    records.extend(batch.unreadable.iter().map(|photo| Record {
        index: photo.index as u32,
        class: photos.entry(photo.index).map_or(0, |entry| entry.class) as u32,
        ..Record::default()
    }));
    records.sort_by_key(|record| record.index);
    Ok((records, batch.unreadable))
}

/// What is known after some photos.
struct State {
    best: BestOf,
    /// Sums of means, `[classes][maps]`.
    sums: Vec<Vec<f64>>,
    counts: Vec<usize>,
    /// Of every photo so far.
    read: Vec<bool>,
    classes: Vec<u32>,
    sizes: Vec<[u32; 2]>,
    unreadable: Vec<Unreadable>,
}

impl State {
    fn new(photos: &ImageFolder, maps: usize, per_map: usize) -> State {
        let classes = photos.class_names().len();
        State {
            best: BestOf::new(maps, per_map),
            sums: vec![vec![0.0; maps]; classes],
            counts: vec![0; classes],
            read: Vec::new(),
            classes: Vec::new(),
            sizes: Vec::new(),
            unreadable: Vec::new(),
        }
    }

    fn add(&mut self, record: &Record) {
        self.read.push(record.read);
        self.classes.push(record.class);
        self.sizes.push(record.size);
        let class = record.class as usize;
        if let (true, Some(sums)) = (record.read, self.sums.get_mut(class)) {
            self.best.add(record.index, &record.most, &record.places);
            sums.iter_mut().zip(&record.means).for_each(|(sum, &mean)| *sum += f64::from(mean));
            self.counts[class] += 1;
        }
    }

    /// How many classes there are to choose between.
    fn chosen_between(&self) -> usize {
        self.counts.iter().filter(|&&count| count > 0).count()
    }

    /// Areas under ROC curves, `[maps][classes]`; none where there are not two classes.
    fn areas(&self, records: &mut Records) -> Result<Vec<Vec<f32>>> {
        // Values that are held at once.
        const MOST: usize = 1 << 22;
        if self.chosen_between() < 2 {
            return Ok(Vec::new());
        }
        let classes: Vec<u32> = self
            .classes
            .iter()
            .zip(&self.read)
            .filter(|(_, read)| **read)
            .map(|(c, _)| *c)
            .collect();
        let maps = self.sums[0].len();
        let at_once = (MOST / classes.len().max(1)).clamp(16, 4096);
        let mut found = Vec::with_capacity(maps);
        for first in (0..maps).step_by(at_once) {
            let count = at_once.min(maps - first);
            let means = records.means(first, count, &self.read)?;
            for map in 0..count {
                let values: Vec<f32> = means.iter().skip(map).step_by(count).copied().collect();
                found.push(areas(&values, &classes, self.counts.len()));
            }
        }
        Ok(found)
    }

    fn finish(
        self,
        model: &Model,
        photos: &ImageFolder,
        per_map: usize,
        fields: Vec<ReceptiveField>,
        sizes: &[usize],
        areas: &[Vec<f32>],
    ) -> Result<Inner> {
        let seen = fields.first().map_or([0, 0], |field| field.input);
        let mut start = 0;
        let mut layers = Vec::new();
        for (field, &maps) in fields.into_iter().zip(sizes) {
            let part = start..start + maps;
            start += maps;
            let hits = part.clone().map(|map| {
                let best = self.best.of(map).iter();
                best.map(|best| self.hit(best, model, photos, &field)).collect::<Result<Vec<Hit>>>()
            });
            let hits = hits.collect::<Result<Vec<_>>>()?;
            let selectivity =
                (!areas.is_empty()).then(|| self.selectivity(&field, part, photos, areas));
            layers.push(LayerPatches { name: field.layer.clone(), field, hits, selectivity });
        }
        Ok(Inner {
            network: model.name().to_owned(),
            classes: photos.class_names(),
            counts: self.counts,
            seen,
            preprocess: format!("{:?}", photos.preprocess_for(model)),
            per_map,
            layers,
            unreadable: self.unreadable,
        })
    }

    fn hit(
        &self,
        best: &Best,
        model: &Model,
        photos: &ImageFolder,
        field: &ReceptiveField,
    ) -> Result<Hit> {
        let index = best.photo as usize;
        let width = field.windows[1].len().max(1);
        let place = [best.place as usize / width, best.place as usize % width];
        let [rows, columns] = field.window(place[0], place[1])?;
        let [h, w] = self.sizes[index].map(i64::from);
        let frame = photos.preprocess_for(model).frame(h, w)?;
        let crop = frame.in_photo(rows, columns).map(|range| [range.start, range.end]);
        let entry = photos.entry(index);
        Ok(Hit {
            index,
            name: entry.map_or_else(String::new, |entry| entry.name),
            class: self.classes[index] as usize,
            value: best.value,
            place,
            crop,
        })
    }

    /// Classes without photos have no part in it.
    fn selectivity(
        &self,
        field: &ReceptiveField,
        part: std::ops::Range<usize>,
        photos: &ImageFolder,
        areas: &[Vec<f32>],
    ) -> Selectivity {
        let names = photos.class_names();
        let classes: Vec<usize> =
            (0..names.len()).filter(|&class| self.counts[class] > 0).collect();
        let mean = |class: usize| {
            let count = self.counts[class] as f64;
            self.sums[class][part.clone()].iter().map(|sum| (sum / count) as f32).collect()
        };
        let area = |class: usize| areas[part.clone()].iter().map(|areas| areas[class]).collect();
        Selectivity {
            layer: field.layer.clone(),
            classes: classes.iter().map(|&class| names[class].clone()).collect(),
            means: classes.iter().map(|&class| mean(class)).collect(),
            areas: classes.iter().map(|&class| area(class)).collect(),
        }
    }
}
