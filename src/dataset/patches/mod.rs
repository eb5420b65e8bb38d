//! The photos and the crops that excite each map most, and how selective maps are: one pass over a
//! data set for all channels of several layers, kept in a file.

mod best;
mod crop;
mod file;
mod join;
mod record;
mod search;
mod selectivity;

use std::borrow::Borrow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

pub use crop::{MapPatches, Patch};
pub use search::PatchSearch;
pub use selectivity::{MapSelectivity, Selectivity};

use super::batches::Unreadable;
use super::json;
use super::top_maps::unreadable_notes;
use crate::error::{Error, Result};
use crate::feature_maps::no_channel;
use crate::model::{Model, ReceptiveField};
use crate::picture::PictureTable;
use crate::show::{DASH, MimeBundle, Row, Show, Table, debug_line, thousands};

use super::folder::ImageFolder;

/// For every map of some layers, the photos of a data set that excite it most, with the place, and
/// how selective it is for the classes. [`PatchSearch`] finds them; a notebook shows a table of the
/// layers. Cheap to clone.
#[derive(Clone)]
pub struct TopPatches {
    inner: Rc<Inner>,
    /// Where the photos lie now.
    photos: Photos,
}

#[derive(Clone)]
enum Photos {
    /// The data set that was searched.
    Set(Rc<ImageFolder>),
    /// A folder that holds its photos under their names; `None` for one that was in memory.
    Folder(Option<PathBuf>),
}

#[derive(Debug, PartialEq)]
struct Inner {
    network: String,
    classes: Vec<String>,
    /// How many photos of each class were looked at.
    counts: Vec<usize>,
    /// What the network sees of photos, `[height, width]`.
    seen: [i64; 2],
    preprocess: String,
    per_map: usize,
    layers: Vec<LayerPatches>,
    unreadable: Vec<Unreadable>,
}

impl Inner {
    /// What is known of the search before anything is found.
    fn without_findings(&self) -> Inner {
        Inner {
            network: self.network.clone(),
            classes: self.classes.clone(),
            counts: Vec::new(),
            seen: self.seen,
            preprocess: self.preprocess.clone(),
            per_map: self.per_map,
            layers: Vec::new(),
            unreadable: Vec::new(),
        }
    }
}

#[derive(Debug, PartialEq)]
struct LayerPatches {
    name: String,
    field: ReceptiveField,
    /// For each channel the photos that excite it most, the first most.
    hits: Vec<Vec<Hit>>,
    /// Where there are classes to choose between.
    selectivity: Option<Selectivity>,
}

/// A photo that excites a map.
#[derive(Clone, Debug, PartialEq)]
struct Hit {
    index: usize,
    name: String,
    class: usize,
    value: f32,
    /// Row and column of the map.
    place: [usize; 2],
    /// Rows and columns of the photo, each from the first to the one behind the last.
    crop: [[u32; 2]; 2],
}

impl TopPatches {
    /// Searches these layers with the usual options: nine photos for each map, no file.
    ///
    /// # Errors
    /// As [`PatchSearch::run`].
    pub fn find<L: Into<crate::model::LayerRef>>(
        model: &Model,
        photos: &ImageFolder,
        layers: impl IntoIterator<Item = L>,
    ) -> Result<TopPatches> {
        PatchSearch::at(layers).run(model, photos)
    }

    /// Opens what a [`PatchSearch`] with a [`file`](PatchSearch::file) has found. Crops are cut from
    /// the photos where they lay then; [`photos_in`](TopPatches::photos_in) says where they are now.
    ///
    /// # Errors
    /// When the file cannot be read, or holds something else.
    pub fn open(path: impl AsRef<Path>) -> Result<TopPatches> {
        let path = path.as_ref();
        let found: file::TopPatchesFile = json::read(path, file::KIND, None)?;
        let (inner, root) = found.checked().map_err(|why| Error::file(path, why))?;
        Ok(TopPatches { inner: Rc::new(inner), photos: Photos::Folder(root) })
    }

    /// The photos have moved to this folder.
    #[must_use]
    pub fn photos_in(&self, folder: impl AsRef<Path>) -> TopPatches {
        TopPatches { photos: Photos::Folder(Some(folder.as_ref().to_path_buf())), ..self.clone() }
    }

    /// The network's name.
    pub fn network(&self) -> &str {
        &self.inner.network
    }

    /// The names of the layers.
    pub fn layers(&self) -> Vec<&str> {
        self.inner.layers.iter().map(|layer| layer.name.as_str()).collect()
    }

    /// The names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.inner.classes
    }

    /// The files that could not be read.
    pub fn unreadable(&self) -> &[Unreadable] {
        &self.inner.unreadable
    }

    /// The receptive field of a layer.
    ///
    /// # Errors
    /// When the layer was not searched: the error lists the closest.
    pub fn receptive_field(&self, layer: &str) -> Result<&ReceptiveField> {
        Ok(&self.layer(layer)?.field)
    }

    /// The crops that excite one map most.
    ///
    /// # Errors
    /// When the layer was not searched, or has no such map.
    pub fn map(&self, layer: &str, map: usize) -> Result<MapPatches> {
        let found = self.layer(layer)?;
        let Some(hits) = found.hits.get(map) else {
            return Err(no_channel(layer, found.hits.len(), map));
        };
        let patches = hits.iter().map(|hit| Patch {
            photo: hit.name.clone(),
            class: self.inner.classes.get(hit.class).cloned().unwrap_or_default(),
            value: hit.value,
            place: hit.place,
            rows: hit.crop[0][0]..hit.crop[0][1],
            columns: hit.crop[1][0]..hit.crop[1][1],
            source: self.source(hit),
        });
        Ok(MapPatches::new(&self.inner.network, layer, map, patches.collect()))
    }

    /// The crops of several maps, a row for each.
    ///
    /// # Errors
    /// As [`map`](TopPatches::map), and when a photo cannot be read any more.
    pub fn sheet(
        &self,
        layer: &str,
        maps: impl IntoIterator<Item = impl Borrow<usize>>,
    ) -> Result<PictureTable> {
        let rows = maps.into_iter().map(|map| self.map(layer, *map.borrow()));
        let rows: Vec<MapPatches> = rows.collect::<Result<_>>()?;
        let columns = rows.iter().map(|row| row.patches().len()).max().unwrap_or(0);
        let title = format!("{} · {layer} · the crops that excite maps most", self.inner.network);
        let table = PictureTable::new(vec![String::new(); columns]).title(title);
        rows.iter()
            .try_fold(table, |table, row| Ok(table.row(format!("map {}", row.map()), row.cells()?)))
    }

    /// How selective the maps of a layer are.
    ///
    /// # Errors
    /// When the layer was not searched, or there were not two classes with photos.
    pub fn selectivity(&self, layer: &str) -> Result<&Selectivity> {
        self.layer(layer)?.selectivity.as_ref().ok_or_else(|| {
            Error::Argument(format!(
                "maps are selective among classes: two or more need photos, but here there are {}",
                self.inner.counts.iter().filter(|&&count| count > 0).count()
            ))
        })
    }

    fn layer(&self, name: &str) -> Result<&LayerPatches> {
        let found = self.inner.layers.iter().find(|layer| layer.name == name);
        found.ok_or_else(|| Error::not_found("layer", name, "the searched layers", self.layers()))
    }

    fn source(&self, hit: &Hit) -> crop::Source {
        match &self.photos {
            Photos::Set(set) => crop::Source::Set(Rc::clone(set), hit.index),
            Photos::Folder(root) => {
                crop::Source::File(root.as_ref().map(|root| root.join(&hit.name)))
            }
        }
    }

    fn table(&self) -> Table {
        let row = |layer: &LayerPatches| {
            let [h, w] = layer.field.size();
            // The index says little of maps with negative values.
            let selectivity = layer.selectivity.as_ref().filter(|s| s.is_positive());
            let most = selectivity.and_then(|s| s.most_selective(1).pop());
            Row::flat(vec![
                layer.name.clone(),
                thousands(layer.hits.len() as u64),
                format!("{h} × {w}"),
                most.map_or_else(
                    || DASH.to_owned(),
                    |most| format!("{} for {} ({:.2})", most.map, most.class, most.index),
                ),
            ])
        };
        let photos: usize = self.inner.counts.iter().sum();
        Table {
            caption: format!(
                "{}: for every map the {} of {} photos that excite it most",
                self.inner.network,
                self.inner.per_map.min(photos),
                thousands(photos as u64)
            ),
            columns: vec![
                ("Layer", false),
                ("Maps", true),
                ("Sees pixels", true),
                ("Most selective map", false),
            ],
            rows: self.inner.layers.iter().map(row).collect(),
            notes: unreadable_notes(&self.inner.unreadable),
        }
    }
}

impl fmt::Debug for TopPatches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("TopPatches of {}, {:?}", self.inner.network, self.layers()))
    }
}

impl fmt::Display for TopPatches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table().text())
    }
}

impl Show for TopPatches {
    fn bundle(&self) -> MimeBundle {
        self.table().bundle()
    }
}
