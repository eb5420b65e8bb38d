//! Top patches as JSON, and back.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::json::{check_kind, count, field, list, text};
use super::super::top_maps_file::{unreadable_from_json, unreadable_json};
use super::{Hit, Inner, LayerPatches, Selectivity};
use crate::model::ReceptiveField;

const KIND: &str = "top patches";

/// A field of any type that serde reads. A macro, since the trait's name is serde's own.
macro_rules! read {
    ($object:expr, $name:expr, $expected:expr) => {
        field($object, $name, $expected, |value| serde_json::from_value(value.clone()).ok())
    };
}

pub(super) fn to_json(inner: &Inner, root: Option<&Path>, search: &Value) -> Value {
    let layers = inner.layers.iter().map(|layer| {
        // [photo, name, class, value, row, column, [top, bottom], [left, right]]
        let hit = |hit: &Hit| {
            let ([y, x], [rows, columns]) = (hit.place, hit.crop);
            json!([hit.index, hit.name, hit.class, hit.value, y, x, rows, columns])
        };
        let hits: Vec<Vec<Value>> =
            layer.hits.iter().map(|hits| hits.iter().map(hit).collect()).collect();
        let field = &layer.field;
        let selectivity = layer
            .selectivity
            .as_ref()
            .map(|s| json!({"classes": s.classes, "means": s.means, "areas": s.areas}));
        json!({
            "layer": layer.name,
            "field": {
                "input": field.input,
                "size": field.size,
                "stride": field.stride,
                "offset": field.offset,
                "gated": field.gated,
                "rows": field.windows[0],
                "columns": field.windows[1],
            },
            "hits": hits,
            "selectivity": selectivity,
        })
    });
    json!({
        "kind": KIND,
        "network": inner.network,
        "classes": inner.classes,
        "counts": inner.counts,
        "seen": inner.seen,
        "preprocess": inner.preprocess,
        "per_map": inner.per_map,
        "folder": root.map(|root| root.to_string_lossy()),
        "search": search,
        "layers": layers.collect::<Vec<_>>(),
        "unreadable": unreadable_json(&inner.unreadable),
    })
}

/// The patches, and the folder of the photos.
pub(super) fn from_json(value: &Value) -> Result<(Inner, Option<PathBuf>), String> {
    check_kind(value, KIND)?;
    let classes: Vec<String> = read!(value, "classes", "the names of the classes")?;
    let counts: Vec<usize> = read!(value, "counts", "a number for each class")?;
    if counts.len() != classes.len() {
        return Err("is not of the expected shape: \"counts\" has not one number a class".into());
    }
    let layers = list(value, "layers")?.iter().map(|layer| read_layer(layer, classes.len()));
    let layers = layers.collect::<Result<_, String>>()?;
    let root: Option<String> = read!(value, "folder", "a path or null")?;
    let inner = Inner {
        network: text(value, "network")?,
        classes,
        counts,
        seen: read!(value, "seen", "height and width")?,
        preprocess: text(value, "preprocess")?,
        per_map: count(value, "per_map")?,
        layers,
        unreadable: unreadable_from_json(value)?,
    };
    Ok((inner, root.map(PathBuf::from)))
}

/// JSON has `null` for what is not finite.
type Number = Option<f32>;
type HitParts = (usize, String, usize, Number, usize, usize, [u32; 2], [u32; 2]);

fn read_layer(layer: &Value, classes: usize) -> Result<LayerPatches, String> {
    let name = text(layer, "layer")?;
    let numbers = field(layer, "field", "a receptive field", Some)?;
    let side = |key: &str| -> Result<Vec<(i64, i64)>, String> {
        read!(numbers, key, "pairs of whole numbers")
    };
    let receptive = ReceptiveField {
        layer: name.clone(),
        input: read!(numbers, "input", "height and width")?,
        size: read!(numbers, "size", "height and width")?,
        stride: read!(numbers, "stride", "two numbers")?,
        offset: read!(numbers, "offset", "two whole numbers")?,
        gated: read!(numbers, "gated", "true or false")?,
        windows: [side("rows")?, side("columns")?],
    };
    let hits: Vec<Vec<HitParts>> = read!(layer, "hits", "a list of photos for each map")?;
    let hits = hits.into_iter().map(|hits| {
        let hits = hits.into_iter().map(|(index, name, class, value, y, x, rows, columns)| {
            let (crop, value) = ([rows, columns], value.unwrap_or(f32::NAN));
            if class >= classes || crop.iter().any(|[from, to]| from >= to) {
                return Err(format!("has a photo, {name:?}, without a class or a crop"));
            }
            Ok(Hit { index, name, class, value, place: [y, x], crop })
        });
        hits.collect::<Result<Vec<Hit>, String>>()
    });
    let hits: Vec<Vec<Hit>> = hits.collect::<Result<_, String>>()?;
    let selectivity = match layer.get("selectivity") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let numbers = |key: &str| -> Result<Vec<Vec<f32>>, String> {
                let rows: Vec<Vec<Number>> = read!(value, key, "numbers for each class")?;
                let values =
                    |row: &Vec<Number>| row.iter().map(|v| v.unwrap_or(f32::NAN)).collect();
                Ok(rows.iter().map(values).collect())
            };
            let part = Selectivity {
                layer: name.clone(),
                classes: read!(value, "classes", "the names of the classes")?,
                means: numbers("means")?,
                areas: numbers("areas")?,
            };
            let whole = |table: &[Vec<f32>]| {
                table.len() == part.classes.len() && table.iter().all(|row| row.len() == hits.len())
            };
            if part.classes.is_empty() || !whole(&part.means) || !whole(&part.areas) {
                return Err(format!(
                    "is not of the expected shape: the selectivity of {name:?} has not one number for \
                     each class and map"
                ));
            }
            Some(part)
        }
    };
    Ok(LayerPatches { name, field: receptive, hits, selectivity })
}
