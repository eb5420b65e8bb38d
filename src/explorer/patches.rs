//! The crops that excite maps most, with the photos that they are cut from.

use std::borrow::Borrow;
use std::collections::HashMap;

use serde::Serialize;

use super::{Explorer, jpeg};
use crate::dataset::{MapPatches, Patch, TopPatches};
use crate::error::{Error, Result};
use crate::picture::Picture;
use crate::show::{MimeBundle, Show};

/// The longer side of a photo on the page.
const SIDE: u32 = 400;

#[derive(Serialize)]
struct Page {
    kind: &'static str,
    title: String,
    photos: Vec<Whole>,
    maps: Vec<Map>,
}

#[derive(Serialize)]
struct Whole {
    name: String,
    class: String,
    file: String,
    /// The photo's own height and width.
    size: [u32; 2],
}

#[derive(Serialize)]
struct Map {
    map: usize,
    patches: Vec<Crop>,
}

#[derive(Serialize)]
struct Crop {
    /// Its place among the photos.
    photo: usize,
    value: f32,
    /// Row and column of the map.
    place: [usize; 2],
    /// The photo's rows and columns that it shows.
    rows: [u32; 2],
    columns: [u32; 2],
    file: String,
}

impl MapPatches {
    /// The crops as a page to point at: a click on one shows the whole photo with the receptive field outlined, its
    /// class, the value and where in the map it stands.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// fn of(found: &TopPatches) -> convlens::Result<Explorer> {
    ///     found.map("features.3", 7)?.explorer()
    /// }
    /// ```
    ///
    /// # Errors
    /// When there are no crops, or a photo cannot be read any more.
    pub fn explorer(&self) -> Result<Explorer> {
        page(self.title(), std::slice::from_ref(self), self.sheet()?.bundle())
    }
}

impl TopPatches {
    /// The crops of several maps of a layer in one page, as [`MapPatches::explorer`] shows those of one. Each photo is
    /// kept once, its longer side at 400 pixels at most.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// fn of(found: &TopPatches) -> convlens::Result<Explorer> {
    ///     found.explorer("features.3", 0..24)
    /// }
    /// ```
    ///
    /// # Errors
    /// No maps; a layer that was not searched, or a map that it does not have; when a photo cannot be read any more.
    pub fn explorer(
        &self,
        layer: &str,
        maps: impl IntoIterator<Item = impl Borrow<usize>>,
    ) -> Result<Explorer> {
        let maps: Vec<usize> = maps.into_iter().map(|map| *map.borrow()).collect();
        let found = maps.iter().map(|&map| self.map(layer, map));
        let found: Vec<MapPatches> = found.collect::<Result<_>>()?;
        let title = format!("{} · {layer}", self.network());
        page(title, &found, self.sheet(layer, &maps)?.bundle())
    }
}

fn page(title: String, maps: &[MapPatches], still: MimeBundle) -> Result<Explorer> {
    let (mut photos, mut places) = (Vec::new(), HashMap::new());
    let mut rows = Vec::with_capacity(maps.len());
    for map in maps {
        let crops = map.patches().iter().map(|patch| crop(patch, &mut photos, &mut places));
        let patches: Vec<Crop> = crops.collect::<Result<_>>()?;
        // A map that is a number on no photo has no crops.
        if !patches.is_empty() {
            rows.push(Map { map: map.map(), patches });
        }
    }
    if rows.is_empty() {
        return Err(Error::Argument(format!(
            "an explorer of {title} without any crop: name at least one map that is a number on some photo"
        )));
    }
    let page = Page { kind: "patches", title: title.clone(), photos, maps: rows };
    Explorer::new(title, still, &page)
}

fn crop<'a>(
    patch: &'a Patch,
    photos: &mut Vec<Whole>,
    places: &mut HashMap<&'a str, usize>,
) -> Result<Crop> {
    let photo = match places.get(patch.photo.as_str()) {
        Some(&place) => place,
        None => {
            let picture = patch.open()?.picture();
            photos.push(Whole {
                name: patch.photo.clone(),
                class: patch.class.clone(),
                size: [picture.height(), picture.width()],
                file: jpeg(&small(&picture)?)?,
            });
            places.insert(&patch.photo, photos.len() - 1);
            photos.len() - 1
        }
    };
    Ok(Crop {
        photo,
        value: patch.value,
        place: patch.place,
        rows: [patch.rows.start, patch.rows.end],
        columns: [patch.columns.start, patch.columns.end],
        file: jpeg(&patch.drawn()?)?,
    })
}

fn small(picture: &Picture) -> Result<Picture> {
    let (width, height) = (picture.width(), picture.height());
    let side = width.max(height).max(1);
    let scaled = |n: u32| (u64::from(n) * u64::from(SIDE) / u64::from(side)).max(1) as u32;
    if side > SIDE { picture.resized(scaled(width), scaled(height)) } else { Ok(picture.clone()) }
}
