//! Shards of a search for patches put together.

use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use serde_json::Value;

use super::super::json::{self, with_part};
use super::super::over_photos::no_photo_of;
use super::super::shard::whole;
use super::best::Best;
use super::file::{KIND, PART, TopPatchesFile};
use super::record::Records;
use super::search::State;
use super::{Hit, Inner, PatchSearch, Photos, TopPatches};
use crate::error::{Error, Result};
use crate::model::ReceptiveField;

impl PatchSearch {
    /// Puts the files of all [`shard`](PatchSearch::shard)s of a search together, in any order, and writes what
    /// one search of all photos would have written into `file`, to the last byte. It needs neither the network
    /// nor the photos, but what lies beside each shard's file, under its name with `.part`.
    ///
    /// # Errors
    /// Shards that are missing, there twice, not finished or of different searches; a file that cannot be read
    /// or written; when no photo of any shard could be read.
    pub fn join<P: AsRef<Path>>(
        parts: impl IntoIterator<Item = P>,
        file: impl AsRef<Path>,
    ) -> Result<TopPatches> {
        let mut read = Vec::new();
        for path in parts {
            let path = path.as_ref().to_path_buf();
            let (found, search): (TopPatchesFile, Value) = json::read_part(&path, PART)?;
            let (inner, root) = found.checked().map_err(|why| Error::file(&path, why))?;
            read.push((path, search, inner, root));
        }
        let named = read.iter().map(|(path, search, ..)| (path.clone(), search.clone()));
        let (order, search) = whole(named.collect())?;
        let mut parts = Vec::new();
        for found in order {
            let at = read.iter().position(|(path, ..)| *path == found.path);
            let Some((path, of, inner, root)) = at.map(|at| read.swap_remove(at)) else { continue };
            let maps = inner.layers.iter().map(|layer| layer.hits.len()).sum();
            let records = Records::finished(&with_part(&path), &of, maps, found.photos.clone())?;
            parts.push(Part { photos: found.photos, inner, root, records });
        }
        let (inner, root) = joined(parts)?;
        let written = TopPatchesFile::new(&inner, root.as_deref());
        json::write_compact(file.as_ref(), KIND, Some(&search), &written)?;
        Ok(TopPatches { inner: Rc::new(inner), photos: Photos::Folder(root) })
    }
}

struct Part {
    photos: Range<usize>,
    inner: Inner,
    root: Option<std::path::PathBuf>,
    records: Records,
}

/// All that was found, and the folder of the photos.
fn joined(mut parts: Vec<Part>) -> Result<(Inner, Option<std::path::PathBuf>)> {
    let Some(Part { inner: first, root, .. }) = parts.first() else {
        return Err(Error::Argument("no parts".into()));
    };
    let root = root.clone();
    let fields = first.layers.iter().map(|layer| layer.field.clone());
    let fields: Vec<ReceptiveField> = fields.collect();
    let sizes: Vec<usize> = first.layers.iter().map(|layer| layer.hits.len()).collect();
    let base = first.without_findings();
    let mut state = State::new(base.classes.len(), 0, sizes.iter().sum(), base.per_map);
    for part in &mut parts {
        part.records.each(|record| {
            state.add(record);
            Ok(())
        })?;
        state.unreadable.extend(part.inner.unreadable.iter().cloned());
    }
    if !state.read.contains(&true) {
        return Err(no_photo_of(state.read.len(), "the shards", &state.unreadable));
    }
    let read = state.read.clone();
    let areas = state.areas(|first, count| {
        let mut means = Vec::new();
        for part in &mut parts {
            let read = read.get(part.photos.clone()).unwrap_or_default();
            means.extend(part.records.means(first, count, read)?);
        }
        Ok(means)
    })?;
    // What excites a map most of all photos excites it most in its shard, which knows the crop.
    let hit = |best: &Best, layer: usize, map: usize| {
        let index = best.photo as usize;
        let part = parts.iter().find(|part| part.photos.contains(&index));
        let hits = part.and_then(|part| part.inner.layers.get(layer)?.hits.get(map));
        let known = hits.and_then(|hits| hits.iter().find(|hit| hit.index == index));
        known.map(|known| Hit { value: best.value, ..known.clone() }).ok_or_else(|| {
            Error::Argument(format!("the shard of photo {index} has lost it: search it again"))
        })
    };
    let inner = state.finish(base, &fields, &sizes, &areas, hit)?;
    Ok((inner, root))
}
