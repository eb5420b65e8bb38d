//! The feature maps that belong to a class, after J. Shin's FeatureMapVisualizer.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::batches::{Unreadable, channels_of, spatial};
use super::counts::{self, Counts, SearchFile};
use super::folder::ImageFolder;
use super::identity::identity;
use super::json;
use super::reduce::{greatest, reduce};
use super::shard::{Shard, no_file, photos_of, whole};
use super::top_maps_file::{KIND, TopMapsFile};
use crate::chart::{Chart, SmallMultiples};
use crate::error::{Error, Result};
use crate::model::{LayerRef, Model, NodeId};
use crate::show::{MimeBundle, Row, Show, Table, debug_line, thousands};

/// Finds the maps of a layer that belong to a class: options, and [`run`](TopMapSearch::run).
///
/// For every photo, the maps with the highest spatial mean, 25 unless set; for every class, the
/// maps that are among them most often, again 25, with their frequency: in how many of the class's
/// photos, divided by how many photos the class has. A map that is in the list of more than one
/// class is dropped from all, so that what is left is unique to its class.
///
/// Of maps with the same mean, or that occur equally often, the one with the smaller index comes
/// first; one that never occurs is not in a list. Files that cannot be read do not count as photos
/// of the class.
///
/// ```no_run
/// use convlens::prelude::*;
/// let model = zoo::resnet50()?;
/// let train = ImageFolder::open("pets/train")?.preprocess(Preprocess::feature_map_visualizer());
/// let tops = TopMapSearch::at("layer4").per_photo(10).run(&model, &train)?;
/// tops.save("top_maps.json")?;
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TopMapSearch {
    layer: LayerRef,
    per_photo: usize,
    per_class: usize,
    file: Option<PathBuf>,
    shard: Option<Shard>,
}

impl TopMapSearch {
    /// Searches this layer, by name or index.
    pub fn at(layer: impl Into<LayerRef>) -> TopMapSearch {
        let layer = layer.into();
        TopMapSearch { layer, per_photo: 25, per_class: 25, file: None, shard: None }
    }

    /// How many maps count of every photo.
    pub fn per_photo(&self, maps: usize) -> TopMapSearch {
        TopMapSearch { per_photo: maps, ..self.clone() }
    }

    /// How many maps are in the list of every class, before what they share is dropped.
    pub fn per_class(&self, maps: usize) -> TopMapSearch {
        TopMapSearch { per_class: maps, ..self.clone() }
    }

    /// Keeps the result in this file, as [`TopMaps::save`] does. A search that was interrupted goes on
    /// where it was when it is started again, and one that was finished is opened: while it works, what
    /// it has counted lies beside the file, under its name with `.part`, at most a second old.
    pub fn file(&self, path: impl AsRef<Path>) -> TopMapSearch {
        TopMapSearch { file: Some(path.as_ref().to_path_buf()), ..self.clone() }
    }

    /// Counts in part `number` of `of` alone, counted from 0: neighbouring photos, in whole batches. The parts
    /// can be counted at the same time, each into a [`file`](TopMapSearch::file) of its own, by as many processes
    /// or machines; [`join`](TopMapSearch::join) makes of them what one search would have found.
    ///
    /// ```no_run
    /// use convlens::prelude::*;
    /// let (model, train) = (zoo::resnet50()?, ImageFolder::open("pets/train")?);
    /// for number in 0..2 {
    ///     let part = TopMapSearch::at("layer4").file(format!("part-{number}.json"));
    ///     part.shard(number, 2).run(&model, &train)?; // or each in a process of its own
    /// }
    /// let tops = TopMapSearch::join(["part-0.json", "part-1.json"], "top_maps.json")?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn shard(&self, number: usize, of: usize) -> TopMapSearch {
        TopMapSearch { shard: Some(Shard::new(number, of)), ..self.clone() }
    }

    /// Looks at all photos, each once. No more than a batch of activations is kept. What a
    /// [`shard`](TopMapSearch::shard) returns is of its photos alone.
    ///
    /// # Errors
    /// When there are fewer than two classes, a class has no photo that can be read, the layer is
    /// not there or not spatial, or nothing is to be counted; a file that belongs to another search or
    /// cannot be written; a shard that there is not, or without a file.
    pub fn run(&self, model: &Model, photos: &ImageFolder) -> Result<TopMaps> {
        let (id, layer) = spatial(model, &self.layer)?;
        let classes = photos.class_names();
        if let [only] = classes.as_slice() {
            return Err(Error::Argument(format!(
                "{} has one class, {only:?}: maps that are unique to a class need two or more to \
                 choose between",
                photos.name()
            )));
        }
        if self.per_photo == 0 || self.per_class == 0 {
            return Err(Error::Argument(
                "0 maps per photo or per class leave nothing to count: give 1 or more".into(),
            ));
        }
        let channels = channels_of(model, id)?;
        let mut range = 0..photos.len();
        let mut kept = match (&self.file, self.shard) {
            (Some(path), shard) => {
                let mut search = self.identity(model, (id, layer.clone()), photos)?;
                range = photos_of(shard, photos, photos.batch_size(), &mut search)?;
                Some(SearchFile::new(path, search, shard.is_some()))
            }
            (None, None) => None,
            (None, Some(_)) => return Err(no_file()),
        };
        let mut counts = Counts::new(range.start, classes.len(), channels);
        if let Some(kept) = &kept {
            if let Some(found) = kept.finished()? {
                return Ok(found);
            }
            kept.begin(&mut counts)?;
        }
        let what = format!("top maps of {layer}, photos");
        let done = photos.run(model, &[id], &what, (range, counts.next), |batch| {
            // None where none of the photos could be read.
            if let [activation] = batch.outputs.as_slice() {
                let reduced = reduce(activation)?;
                for (i, photo) in batch.photos.iter().enumerate() {
                    counts.photos[photo.class] += 1;
                    for map in greatest(reduced.means_of(i), self.per_photo) {
                        counts.maps[photo.class][map] += 1;
                    }
                }
            }
            counts.next += batch.photos.len() + batch.unreadable.len();
            counts.unreadable.extend(batch.unreadable);
            kept.as_mut().map_or(Ok(()), |kept| kept.keep(&counts))
        });
        if let (Err(_), Some(kept)) = (&done, &mut kept) {
            // What stopped it is worth more than that this could not be written.
            let _ = kept.write(&counts);
        }
        done?;
        let empty = counts.photos.iter().position(|&photos| photos == 0);
        // Other shards may have some.
        if let (Some(class), None) = (empty, self.shard) {
            kept.iter().for_each(SearchFile::forget);
            return Err(no_photos(&classes[class], photos.counts()[class], &counts.unreadable));
        }
        let about = About {
            network: model.name().to_owned(),
            layers: [layer],
            channels: [channels],
            classes,
            per_photo: self.per_photo,
            per_class: self.per_class,
        };
        let found = about.found(&counts);
        kept.map_or(Ok(()), |kept| kept.finish(&found, &counts))?;
        Ok(found)
    }

    /// Puts the files of all [`shard`](TopMapSearch::shard)s of a search together, in any order, and writes what
    /// one search of all photos would have written into `file`, to the last byte. It needs neither the network nor
    /// the photos.
    ///
    /// # Errors
    /// Shards that are missing, there twice, not finished or of different searches; a file that cannot be read
    /// or written; when no photo of a class could be read.
    pub fn join<P: AsRef<Path>>(
        parts: impl IntoIterator<Item = P>,
        file: impl AsRef<Path>,
    ) -> Result<TopMaps> {
        let mut read: Vec<(PathBuf, Value)> = Vec::new();
        for path in parts {
            let path = path.as_ref().to_path_buf();
            let (_, search) = json::read_part::<Counts>(&path, counts::PART)?;
            read.push((path, search));
        }
        let (parts, search) = whole(read)?;
        let about: About = serde_json::from_value(search.clone()).map_err(|error| {
            Error::Argument(format!("the shards do not say which search they belong to: {error}"))
        })?;
        let About { layers: [layer], channels: [channels], classes, .. } = &about;
        let mut all = Counts::new(0, classes.len(), *channels);
        for part in parts {
            let (counts, _) = json::read_part::<Counts>(&part.path, counts::PART)?;
            let whole = counts.next == part.photos.end;
            if !whole || !all.add(counts) {
                return Err(Error::file(
                    &part.path,
                    format!("is damaged: it does not hold {layer} on its photos; count them again"),
                ));
            }
        }
        if let Some(class) = all.photos.iter().position(|&photos| photos == 0) {
            let name = &classes[class];
            let of_class = |photo: &&Unreadable| photo.name.starts_with(&format!("{name}/"));
            let files = all.unreadable.iter().filter(of_class).count();
            return Err(no_photos(name, files, &all.unreadable));
        }
        let found = about.found(&all);
        json::write(file.as_ref(), KIND, Some(&search), &TopMapsFile::from(&found))?;
        Ok(found)
    }

    fn identity(
        &self,
        model: &Model,
        layer: (NodeId, String),
        photos: &ImageFolder,
    ) -> Result<Value> {
        let mut identity = identity(model, &[layer], photos)?;
        identity["per_photo"] = self.per_photo.into();
        identity["per_class"] = self.per_class.into();
        Ok(identity)
    }
}

/// What a search is, as a shard's file says it, too.
#[derive(Deserialize)]
struct About {
    network: String,
    layers: [String; 1],
    channels: [usize; 1],
    classes: Vec<String>,
    per_photo: usize,
    per_class: usize,
}

impl About {
    /// What follows from these counts.
    fn found(&self, counts: &Counts) -> TopMaps {
        let lists = counts.maps.iter().map(|counts| most_frequent(counts, self.per_class));
        let lists: Vec<Vec<usize>> = lists.collect();
        let mut times: HashMap<usize, usize> = HashMap::new();
        lists.iter().flatten().for_each(|map| *times.entry(*map).or_default() += 1);
        let mut shared: Vec<usize> =
            times.iter().filter(|(_, times)| **times > 1).map(|(map, _)| *map).collect();
        shared.sort_unstable();
        let classes = lists.into_iter().enumerate().map(|(class, list)| ClassMaps {
            class: self.classes[class].clone(),
            photos: counts.photos[class],
            maps: list
                .into_iter()
                .filter(|map| shared.binary_search(map).is_err())
                .map(|map| TopMap { map, photos: counts.maps[class][map] })
                .collect(),
        });
        let ([layer], [channels]) = (&self.layers, self.channels);
        TopMaps {
            network: self.network.clone(),
            layer: layer.clone(),
            channels,
            per_photo: self.per_photo,
            per_class: self.per_class,
            classes: classes.collect(),
            shared,
            unreadable: counts.unreadable.clone(),
        }
    }
}

pub(super) fn no_photos(class: &str, files: usize, unreadable: &[Unreadable]) -> Error {
    let first =
        unreadable.iter().find(|photo| photo.name.starts_with(class)).or(unreadable.first());
    let why = match (files, first) {
        (0, _) | (_, None) => "there are none in its folder".to_owned(),
        (files, Some(first)) => format!("none of its {files} files could be used ({first})"),
    };
    Error::Argument(format!(
        "the class {class:?} has no photos: {why}; leave it out with .classes([…])"
    ))
}

/// The `most` maps that occur most often, of equals the smaller index.
fn most_frequent(counts: &[usize], most: usize) -> Vec<usize> {
    let mut maps: Vec<usize> = (0..counts.len()).filter(|&map| counts[map] > 0).collect();
    maps.sort_by_key(|&map| (usize::MAX - counts[map], map));
    maps.truncate(most);
    maps
}

/// A map of a class, and how often it is among the top maps of the class's photos.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopMap {
    /// Its index among the layer's channels.
    pub map: usize,
    /// Of how many photos it is among the top maps.
    pub photos: usize,
}

/// The maps that belong to one class, the most frequent first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassMaps {
    /// The class.
    pub class: String,
    /// How many of its photos were looked at.
    pub photos: usize,
    /// Its maps; empty when the class shares all of them with others.
    pub maps: Vec<TopMap>,
}

impl ClassMaps {
    /// The indices of the maps.
    pub fn indices(&self) -> Vec<usize> {
        self.maps.iter().map(|map| map.map).collect()
    }

    /// For every map, in which share of the class's photos it is among the top maps, 0 to 1.
    pub fn frequencies(&self) -> Vec<f64> {
        self.maps.iter().map(|map| map.photos as f64 / self.photos.max(1) as f64).collect()
    }
}

/// The feature maps that belong to each class of a data set, unique to it, as [`TopMapSearch`]
/// finds them. A notebook shows them as a table.
#[derive(Clone, PartialEq, Eq)]
pub struct TopMaps {
    pub(super) network: String,
    pub(super) layer: String,
    pub(super) channels: usize,
    pub(super) per_photo: usize,
    pub(super) per_class: usize,
    pub(super) classes: Vec<ClassMaps>,
    pub(super) shared: Vec<usize>,
    pub(super) unreadable: Vec<Unreadable>,
}

impl TopMaps {
    /// Searches a layer with FeatureMapVisualizer's numbers: 25 maps of every photo, 25 of every class.
    ///
    /// # Errors
    /// As [`TopMapSearch::run`].
    pub fn find(
        model: &Model,
        photos: &ImageFolder,
        layer: impl Into<LayerRef>,
    ) -> Result<TopMaps> {
        TopMapSearch::at(layer).run(model, photos)
    }

    /// The network's name.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// The layer's name.
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// How many maps the layer has.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// All classes with their maps.
    pub fn classes(&self) -> &[ClassMaps] {
        &self.classes
    }

    /// The maps of one class.
    ///
    /// # Errors
    /// When there is no such class: the error lists the closest.
    pub fn class(&self, name: &str) -> Result<&ClassMaps> {
        self.classes.iter().find(|class| class.class == name).ok_or_else(|| {
            let names = self.classes.iter().map(|class| class.class.as_str());
            Error::not_found("class", name, "the top maps", names)
        })
    }

    /// The indices of one class's maps, the most frequent first.
    ///
    /// # Errors
    /// When there is no such class: the error lists the closest.
    pub fn maps(&self, class: &str) -> Result<Vec<usize>> {
        Ok(self.class(class)?.indices())
    }

    /// The maps that were in the lists of several classes, and so belong to none.
    pub fn shared(&self) -> &[usize] {
        &self.shared
    }

    /// The files that could not be read.
    pub fn unreadable(&self) -> &[Unreadable] {
        &self.unreadable
    }

    /// Writes them as JSON, which [`open`](TopMaps::open) takes back. A file that is there is
    /// replaced once the new one is whole.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        json::write(path.as_ref(), KIND, None, &TopMapsFile::from(self))
    }

    /// Reads what [`save`](TopMaps::save) wrote.
    ///
    /// # Errors
    /// When the file cannot be read, or holds something else.
    pub fn open(path: impl AsRef<Path>) -> Result<TopMaps> {
        let path = path.as_ref();
        let found: TopMapsFile = json::read(path, KIND, None)?;
        found.checked().map_err(|why| Error::file(path, why))
    }

    /// The frequencies as bars, a chart for each class; of many maps the first ten.
    pub fn bars(&self) -> SmallMultiples {
        const MOST: usize = 10;
        let charts = self.classes.iter().filter(|class| !class.maps.is_empty()).map(|class| {
            let bars = class.maps.iter().zip(class.frequencies());
            let bars = bars.take(MOST).map(|(map, share)| (map.map.to_string(), share));
            Chart::bars(bars).title(&class.class).axes("share of its photos", "map")
        });
        SmallMultiples::new(charts.collect::<Vec<_>>()).columns(2)
    }

    fn table(&self) -> Table {
        let row = |class: &ClassMaps| {
            let maps = class.maps.iter().zip(class.frequencies());
            let maps = maps.map(|(map, share)| format!("{} ({:.0} %)", map.map, 100.0 * share));
            let maps: Vec<String> = maps.collect();
            let listed = match maps.as_slice() {
                [] => "none: it shares all of them".to_owned(),
                maps => maps.join(", "),
            };
            let photos = thousands(class.photos as u64);
            Row::flat(vec![class.class.clone(), photos, maps.len().to_string(), listed])
        };
        let mut notes = vec![format!(
            "of each photo the {} maps with the highest mean, of each class the {} most frequent; \
             {} in several lists and dropped",
            self.per_photo,
            self.per_class,
            self.shared.len()
        )];
        notes.extend(unreadable_notes(&self.unreadable));
        Table {
            caption: format!(
                "{}, {} ({} maps): the top maps of {} classes",
                self.network,
                self.layer,
                self.channels,
                self.classes.len()
            ),
            columns: vec![
                ("Class", false),
                ("Photos", true),
                ("Maps", true),
                ("Map (share of the photos)", false),
            ],
            rows: self.classes.iter().map(row).collect(),
            notes,
        }
    }
}

/// Lines that list what could not be read; nothing where everything could.
pub(crate) fn unreadable_notes(unreadable: &[Unreadable]) -> Vec<String> {
    const LISTED: usize = 20;
    if unreadable.is_empty() {
        return Vec::new();
    }
    let files = if unreadable.len() == 1 { "file was" } else { "files were" };
    let mut notes = vec![format!("{} {files} passed over:", unreadable.len())];
    notes.extend(unreadable.iter().take(LISTED).map(|photo| photo.to_string()));
    if unreadable.len() > LISTED {
        notes.push(format!("… and {} more", unreadable.len() - LISTED));
    }
    notes
}

impl fmt::Display for TopMaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table().text())
    }
}

impl fmt::Debug for TopMaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(
            f,
            format_args!(
                "TopMaps of {} in {}, {} classes",
                self.layer,
                self.network,
                self.classes.len()
            ),
        )
    }
}

impl Show for TopMaps {
    fn bundle(&self) -> MimeBundle {
        self.table().bundle()
    }
}
