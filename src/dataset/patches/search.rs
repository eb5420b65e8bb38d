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
use super::super::shard::{Shard, no_file, photos_of};
use super::best::{Best, BestOf};
use super::file::{KIND, PART, TopPatchesFile};
use super::record::{Record, Records};
use super::selectivity::{Selectivity, areas};
use super::{Hit, Inner, LayerPatches, Photos, TopPatches};
use crate::error::{Error, Result};
use crate::memory;
use crate::model::{LayerRef, Model, NodeId, ReceptiveField};
use crate::photo::Preprocess;

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
    shard: Option<Shard>,
}

impl PatchSearch {
    /// Searches these layers, by name or index.
    pub fn at<L: Into<LayerRef>>(layers: impl IntoIterator<Item = L>) -> PatchSearch {
        let layers = layers.into_iter().map(Into::into).collect();
        PatchSearch { layers, per_map: 9, file: None, shard: None }
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

    /// Searches part `number` of `of` alone, counted from 0: neighbouring photos, in whole batches. The
    /// parts can be searched at the same time, each into a [`file`](PatchSearch::file) of its own, by as many
    /// processes or machines; [`join`](PatchSearch::join) makes of them what one search would have found.
    ///
    /// ```no_run
    /// use convlens::prelude::*;
    /// // In an array of four Slurm jobs:
    /// let number: usize = std::env::var("SLURM_ARRAY_TASK_ID").unwrap().parse().unwrap();
    /// let (model, train) = (zoo::resnet50()?, ImageFolder::open("pets/train")?);
    /// let search = PatchSearch::at(["layer3", "layer4"]).shard(number, 4);
    /// search.file(format!("patches-{number}.json")).run(&model, &train)?;
    /// // And when all are done:
    /// let parts = (0..4).map(|number| format!("patches-{number}.json"));
    /// let patches = PatchSearch::join(parts, "patches.json")?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn shard(&self, number: usize, of: usize) -> PatchSearch {
        PatchSearch { shard: Some(Shard::new(number, of)), ..self.clone() }
    }

    /// Looks at all photos, each once. Memory does not grow with their number: what every photo made of
    /// every map, 12 bytes for each, lies on disk meanwhile, without a [`file`](PatchSearch::file) in the
    /// system's folder for temporary files. That of a [`shard`](PatchSearch::shard) stays beside its file, for
    /// [`join`](PatchSearch::join).
    ///
    /// # Errors
    /// A layer that is not there or not spatial, or no layer; photos that become inputs of different
    /// sizes; when no photo can be read; a file that belongs to another search or cannot be written; a shard that
    /// there is not, or without a file.
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
        let range = photos_of(self.shard, photos, photos.batch_size(), &mut identity)?;
        let kind = if self.shard.is_some() { PART } else { KIND };
        if let Some(path) = self.file.as_deref().filter(|path| path.exists()) {
            return finished(path, kind, &identity, photos);
        }
        let sizes = layers.iter().map(|(id, _)| channels_of(model, *id));
        let sizes: Vec<usize> = sizes.collect::<Result<_>>()?;
        let maps = sizes.iter().sum();
        check_memory(self.per_map.min(photos.len()), maps)?;
        let (path, kept) = match &self.file {
            Some(path) => (with_part(path), true),
            None => (temporary(), false),
        };
        let each = [maps, photos.class_names().len()];
        let batch = photos.batch_size();
        let mut records = Records::open(&path, &identity, each, range.clone(), batch, kept)?;
        let classes = photos.class_names();
        let mut state = State::new(classes.len(), range.start, maps, self.per_map);
        records.each(|record| {
            state.add(record);
            if !record.read {
                state.unreadable.push(again(model, photos, record.index as usize));
            }
            Ok(())
        })?;
        let ids: Vec<NodeId> = layers.iter().map(|(id, _)| *id).collect();
        let what = format!("top patches of {} layers, photos", layers.len());
        photos.run(model, &ids, &what, (range, records.next()), |batch| {
            let (batch, unreadable) = recorded(batch, seen, photos)?;
            records.append(&batch)?;
            batch.iter().for_each(|record| state.add(record));
            state.unreadable.extend(unreadable);
            Ok(())
        })?;
        // Other shards may have photos that can be read.
        if self.shard.is_none() && !state.read.contains(&true) {
            records.keep = false;
            return Err(none_readable(photos, &state.unreadable));
        }
        let areas = state.areas(|first, count| records.means(first, count, &state.read))?;
        let preprocess = photos.preprocess_for(model);
        let base = Inner {
            network: model.name().to_owned(),
            classes,
            counts: Vec::new(),
            seen,
            preprocess: format!("{preprocess:?}"),
            per_map: self.per_map,
            layers: Vec::new(),
            unreadable: Vec::new(),
        };
        let hit =
            |best: &Best, layer: usize, _| state.hit(best, preprocess, photos, &fields[layer]);
        let inner = state.finish(base, &fields, &sizes, &areas, hit)?;
        if let Some(path) = &self.file {
            let root = photos.root().and_then(|root| std::fs::canonicalize(root).ok());
            let written = TopPatchesFile::new(&inner, root.as_deref());
            json::write_compact(path, kind, Some(&identity), &written)?;
        }
        records.keep = self.shard.is_some();
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
        if self.shard.is_some() && self.file.is_none() {
            return Err(no_file());
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

/// That there is memory for so many photos of each map.
fn check_memory(photos: usize, maps: usize) -> Result<()> {
    let bytes = size_of::<Best>().saturating_mul(photos).saturating_mul(maps) as u64;
    memory::check("the photos that are kept for each map", bytes, "keep fewer by .per_map(9)")
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
fn finished(path: &Path, kind: &str, identity: &Value, photos: &ImageFolder) -> Result<TopPatches> {
    let found: TopPatchesFile = json::read(path, kind, Some(identity))?;
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
pub(super) struct State {
    first: usize,
    best: BestOf,
    /// Sums of means, `[classes][maps]`.
    sums: Vec<Vec<f64>>,
    counts: Vec<usize>,
    /// Of every photo so far.
    pub(super) read: Vec<bool>,
    classes: Vec<u32>,
    sizes: Vec<[u32; 2]>,
    pub(super) unreadable: Vec<Unreadable>,
}

impl State {
    /// `first` is the first photo.
    pub(super) fn new(classes: usize, first: usize, maps: usize, per_map: usize) -> State {
        State {
            first,
            best: BestOf::new(maps, per_map),
            sums: vec![vec![0.0; maps]; classes],
            counts: vec![0; classes],
            read: Vec::new(),
            classes: Vec::new(),
            sizes: Vec::new(),
            unreadable: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, record: &Record) {
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

    /// Areas under ROC curves, `[maps][classes]`; none where there are not two classes. `means` has those of so
    /// many maps from a first one on, photo after photo, of photos that could be read.
    pub(super) fn areas(
        &self,
        mut means: impl FnMut(usize, usize) -> Result<Vec<f32>>,
    ) -> Result<Vec<Vec<f32>>> {
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
            let means = means(first, count)?;
            for map in 0..count {
                let values: Vec<f32> = means.iter().skip(map).step_by(count).copied().collect();
                found.push(areas(&values, &classes, self.counts.len()));
            }
        }
        Ok(found)
    }

    /// What was found, added to what is known of the search; `hit` knows the photo and the crop of a layer's
    /// map.
    pub(super) fn finish(
        &self,
        base: Inner,
        fields: &[ReceptiveField],
        sizes: &[usize],
        areas: &[Vec<f32>],
        hit: impl Fn(&Best, usize, usize) -> Result<Hit>,
    ) -> Result<Inner> {
        let mut start = 0;
        let mut layers = Vec::new();
        for (layer, (field, &maps)) in fields.iter().zip(sizes).enumerate() {
            let part = start..start + maps;
            let hits = part.clone().map(|map| {
                let best = self.best.of(map).iter();
                best.map(|best| hit(best, layer, map - start)).collect::<Result<Vec<Hit>>>()
            });
            let hits = hits.collect::<Result<Vec<_>>>()?;
            start += maps;
            let selectivity =
                (!areas.is_empty()).then(|| self.selectivity(field, part, &base.classes, areas));
            layers.push(LayerPatches {
                name: field.layer.clone(),
                field: field.clone(),
                hits,
                selectivity,
            });
        }
        let (counts, unreadable) = (self.counts.clone(), self.unreadable.clone());
        Ok(Inner { counts, layers, unreadable, ..base })
    }

    /// Where in which photo a layer's map was greatest.
    fn hit(
        &self,
        best: &Best,
        preprocess: &Preprocess,
        photos: &ImageFolder,
        field: &ReceptiveField,
    ) -> Result<Hit> {
        let index = best.photo as usize;
        let width = field.windows[1].len().max(1);
        let place = [best.place as usize / width, best.place as usize % width];
        let [rows, columns] = field.window(place[0], place[1])?;
        let at = index - self.first;
        let [h, w] = self.sizes[at].map(i64::from);
        let crop =
            preprocess.frame(h, w)?.in_photo(rows, columns).map(|range| [range.start, range.end]);
        let entry = photos.entry(index);
        Ok(Hit {
            index,
            name: entry.map_or_else(String::new, |entry| entry.name),
            class: self.classes[at] as usize,
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
        names: &[String],
        areas: &[Vec<f32>],
    ) -> Selectivity {
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
