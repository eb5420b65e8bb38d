//! Top patches as they stand in a file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::batches::Unreadable;
use super::{Hit, Inner, LayerPatches, Selectivity};
use crate::model::ReceptiveField;

pub(super) const KIND: &str = "top patches";
/// What a shard has found, which is no search that could be opened.
pub(super) const PART: &str = "top patches of a shard";

#[derive(Serialize, Deserialize)]
pub(super) struct TopPatchesFile {
    network: String,
    classes: Vec<String>,
    counts: Vec<usize>,
    seen: [i64; 2],
    preprocess: String,
    per_map: usize,
    folder: Option<String>,
    layers: Vec<LayerInFile>,
    unreadable: Vec<Unreadable>,
}

#[derive(Serialize, Deserialize)]
struct LayerInFile {
    layer: String,
    field: FieldInFile,
    /// For each map.
    hits: Vec<Vec<HitInFile>>,
    selectivity: Option<SelectivityInFile>,
}

#[derive(Serialize, Deserialize)]
struct FieldInFile {
    input: [i64; 2],
    size: [i64; 2],
    stride: [f64; 2],
    offset: [i64; 2],
    gated: bool,
    rows: Vec<(i64, i64)>,
    columns: Vec<(i64, i64)>,
}

#[derive(Serialize, Deserialize)]
struct SelectivityInFile {
    classes: Vec<String>,
    means: Vec<Vec<Number>>,
    areas: Vec<Vec<Number>>,
}

/// JSON has `null` for what is not finite.
type Number = Option<f32>;

/// Photo, name, class, value, row, column, `[top, bottom]`, `[left, right]`.
type HitInFile = (usize, String, usize, Number, usize, usize, [u32; 2], [u32; 2]);

fn from_number(number: Number) -> f32 {
    number.unwrap_or(f32::NAN)
}

impl TopPatchesFile {
    /// `root` is the folder of the photos.
    pub(super) fn new(inner: &Inner, root: Option<&Path>) -> TopPatchesFile {
        TopPatchesFile {
            network: inner.network.clone(),
            classes: inner.classes.clone(),
            counts: inner.counts.clone(),
            seen: inner.seen,
            preprocess: inner.preprocess.clone(),
            per_map: inner.per_map,
            folder: root.map(|root| root.to_string_lossy().into_owned()),
            layers: inner.layers.iter().map(LayerInFile::new).collect(),
            unreadable: inner.unreadable.clone(),
        }
    }

    /// The patches and the folder of the photos; or what cannot be true of the file.
    pub(super) fn checked(self) -> Result<(Inner, Option<PathBuf>), String> {
        let count = self.classes.len();
        if self.counts.len() != count {
            return Err(format!("has {count} classes, but counts the photos of another number"));
        }
        let layers = self.layers.into_iter().map(|layer| layer.checked(count));
        let inner = Inner {
            layers: layers.collect::<Result<_, String>>()?,
            network: self.network,
            classes: self.classes,
            counts: self.counts,
            seen: self.seen,
            preprocess: self.preprocess,
            per_map: self.per_map,
            unreadable: self.unreadable,
        };
        Ok((inner, self.folder.map(PathBuf::from)))
    }
}

impl LayerInFile {
    fn new(layer: &LayerPatches) -> LayerInFile {
        let hit = |hit: &Hit| {
            let ([y, x], [rows, columns]) = (hit.place, hit.crop);
            (hit.index, hit.name.clone(), hit.class, Some(hit.value), y, x, rows, columns)
        };
        let table = |rows: &[Vec<f32>]| -> Vec<Vec<Number>> {
            rows.iter().map(|row| row.iter().copied().map(Some).collect()).collect()
        };
        let field = &layer.field;
        let [rows, columns] = field.windows.clone();
        LayerInFile {
            layer: layer.name.clone(),
            field: FieldInFile {
                input: field.input,
                size: field.size,
                stride: field.stride,
                offset: field.offset,
                gated: field.gated,
                rows,
                columns,
            },
            hits: layer.hits.iter().map(|hits| hits.iter().map(hit).collect()).collect(),
            selectivity: layer.selectivity.as_ref().map(|s| SelectivityInFile {
                classes: s.classes.clone(),
                means: table(&s.means),
                areas: table(&s.areas),
            }),
        }
    }

    fn checked(self, classes: usize) -> Result<LayerPatches, String> {
        let name = self.layer;
        let hit = |(index, photo, class, value, y, x, rows, columns): HitInFile| {
            let crop = [rows, columns];
            if class >= classes || crop.iter().any(|[from, to]| from >= to) {
                return Err(format!("has a photo, {photo:?}, without a class or a crop"));
            }
            Ok(Hit { index, name: photo, class, value: from_number(value), place: [y, x], crop })
        };
        let hits = self.hits.into_iter().map(|hits| hits.into_iter().map(hit).collect());
        let hits: Vec<Vec<Hit>> = hits.collect::<Result<_, String>>()?;
        let table = |rows: Vec<Vec<Number>>| -> Vec<Vec<f32>> {
            rows.into_iter().map(|row| row.into_iter().map(from_number).collect()).collect()
        };
        let selectivity = self.selectivity.map(|s| Selectivity {
            layer: name.clone(),
            classes: s.classes,
            means: table(s.means),
            areas: table(s.areas),
        });
        let whole = |s: &Selectivity| {
            let fits = |row: &Vec<f32>| row.len() == hits.len();
            let tables = [&s.means, &s.areas];
            let fit =
                |rows: &&Vec<Vec<f32>>| rows.len() == s.classes.len() && rows.iter().all(fits);
            !s.classes.is_empty() && tables.iter().all(fit)
        };
        if selectivity.as_ref().is_some_and(|selectivity| !whole(selectivity)) {
            return Err(format!(
                "is not of the expected shape: the selectivity of {name:?} has not one number for each \
                 class and map"
            ));
        }
        let FieldInFile { input, size, stride, offset, gated, rows, columns } = self.field;
        let windows = [rows, columns];
        let field =
            ReceptiveField { layer: name.clone(), input, size, stride, offset, gated, windows };
        Ok(LayerPatches { name, field, hits, selectivity })
    }
}
