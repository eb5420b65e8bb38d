//! The crops of one map, cut from the photos.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::rc::Rc;

use image::{Rgb, RgbImage, imageops};

use super::super::folder::{ImageFolder, shown_photo};
use super::super::overlay::sheet;
use crate::error::{Error, Result};
use crate::number::number;
use crate::photo::Photo;
use crate::picture::{Cell, Picture, Sheet};
use crate::show::{MimeBundle, Show, debug_line};

/// The longer side of what is drawn of a crop.
const SIDE: u32 = 160;
/// The frame around a crop in its photo.
const FRAME: Rgb<u8> = Rgb([255, 40, 40]);

/// A photo that excites a map, and where.
#[derive(Clone)]
#[non_exhaustive]
pub struct Patch {
    /// The photo's path from the data set's folder.
    pub photo: String,
    /// Its class.
    pub class: String,
    /// The map's greatest value on it.
    pub value: f32,
    /// Row and column of that value in the map.
    pub place: [usize; 2],
    /// The rows of the photo that the value depends on.
    pub rows: Range<u32>,
    /// The columns.
    pub columns: Range<u32>,
    pub(super) source: Source,
}

/// Where a photo is read from.
#[derive(Clone)]
pub(super) enum Source {
    Set(Rc<ImageFolder>, usize),
    File(Option<PathBuf>),
}

impl Patch {
    /// The whole photo.
    ///
    /// # Errors
    /// When it cannot be read any more.
    pub fn open(&self) -> Result<Photo> {
        match &self.source {
            Source::Set(photos, index) => photos.photo(*index),
            Source::File(Some(path)) => shown_photo(path, None),
            Source::File(None) => Err(Error::Argument(format!(
                "{} was in memory and not in a file: search again, or name a folder that has it with \
                 photos_in",
                self.photo
            ))),
        }
    }

    /// The part of the photo that the value depends on, in the photo's own pixels.
    ///
    /// # Errors
    /// When the photo cannot be read any more, or is another one.
    pub fn crop(&self) -> Result<Picture> {
        let pixels = self.pixels()?;
        let (w, h) = (self.columns.end - self.columns.start, self.rows.end - self.rows.start);
        let part = imageops::crop_imm(&pixels, self.columns.start, self.rows.start, w, h);
        Ok(part.to_image().into())
    }

    /// The photo with a frame around that part.
    ///
    /// # Errors
    /// As [`crop`](Patch::crop).
    pub fn framed(&self) -> Result<Picture> {
        let mut pixels = self.pixels()?;
        let (width, height) = pixels.dimensions();
        let thick = (width.max(height) / 100).max(1);
        let inside = |range: &Range<u32>, at: u32| range.contains(&at);
        let edge = |range: &Range<u32>, at: u32| {
            at < range.start.saturating_add(thick) || at.saturating_add(thick) >= range.end
        };
        for y in self.rows.clone() {
            for x in self.columns.clone() {
                let within = inside(&self.rows, y) && inside(&self.columns, x);
                if within && (edge(&self.rows, y) || edge(&self.columns, x)) {
                    pixels.put_pixel(x, y, FRAME);
                }
            }
        }
        Ok(pixels.into())
    }

    /// That part at a size for eyes.
    pub(crate) fn drawn(&self) -> Result<Picture> {
        drawn(&self.crop()?)
    }

    fn pixels(&self) -> Result<RgbImage> {
        let pixels = self.open()?.picture().to_rgb();
        let (w, h) = pixels.dimensions();
        if self.columns.end > w
            || self.rows.end > h
            || self.rows.is_empty()
            || self.columns.is_empty()
        {
            return Err(Error::Argument(format!(
                "{} has {w} × {h} pixels, and its crop ends at {} × {}: it is another photo than was \
                 searched",
                self.photo, self.columns.end, self.rows.end
            )));
        }
        Ok(pixels)
    }

    fn caption(&self) -> String {
        format!("{}: {}", self.photo, number(f64::from(self.value), 3))
    }
}

impl fmt::Debug for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(
            f,
            format_args!(
                "Patch {}, rows {:?}, columns {:?}",
                self.caption(),
                self.rows,
                self.columns
            ),
        )
    }
}

impl Show for Patch {
    fn bundle(&self) -> MimeBundle {
        self.drawn().map(|picture| picture.captioned(&self.caption())).bundle()
    }
}

/// The crops that excite one map most, the greatest value first. A notebook shows them as a sheet.
#[derive(Clone)]
pub struct MapPatches {
    network: String,
    layer: String,
    map: usize,
    patches: Vec<Patch>,
}

impl MapPatches {
    pub(super) fn new(network: &str, layer: &str, map: usize, patches: Vec<Patch>) -> MapPatches {
        MapPatches { network: network.to_owned(), layer: layer.to_owned(), map, patches }
    }

    /// The map's index among the layer's channels.
    pub fn map(&self) -> usize {
        self.map
    }

    /// The crops.
    pub fn patches(&self) -> &[Patch] {
        &self.patches
    }

    /// The crops as a sheet, with photo and value under each.
    ///
    /// # Errors
    /// When a photo cannot be read any more.
    pub fn sheet(&self) -> Result<Sheet> {
        self.sheet_of("the crops that excite it most", Patch::crop)
    }

    /// The whole photos with a frame around each crop.
    ///
    /// # Errors
    /// When a photo cannot be read any more.
    pub fn photos(&self) -> Result<Sheet> {
        self.sheet_of("the photos that excite it most", Patch::framed)
    }

    fn sheet_of(&self, what: &str, picture: impl Fn(&Patch) -> Result<Picture>) -> Result<Sheet> {
        if self.patches.is_empty() {
            return Err(Error::Argument(format!(
                "map {} of {} is no number on any photo: nothing excites it",
                self.map, self.layer
            )));
        }
        let each = self.patches.iter().map(|patch| Ok((drawn(&picture(patch)?)?, patch.caption())));
        let title = format!("{}: {what}", self.title());
        Ok(sheet(each.collect::<Result<_>>()?, None).title(title))
    }

    /// Network, layer and map.
    pub(crate) fn title(&self) -> String {
        format!("{} · {} · map {}", self.network, self.layer, self.map)
    }

    pub(super) fn cells(&self) -> Result<Vec<Cell>> {
        let cell = |patch: &Patch| Ok(Cell::new(patch.drawn()?, patch.caption()));
        self.patches.iter().map(cell).collect()
    }
}

impl fmt::Debug for MapPatches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(
            f,
            format_args!(
                "MapPatches of map {} of {}, {}",
                self.map,
                self.layer,
                self.patches.len()
            ),
        )
    }
}

impl Show for MapPatches {
    fn bundle(&self) -> MimeBundle {
        self.sheet().bundle()
    }
}

/// At a size for eyes, its pixels kept apart where they are few.
fn drawn(crop: &Picture) -> Result<Picture> {
    let side = crop.width().max(crop.height());
    if side <= SIDE / 2 {
        return crop.enlarged(SIDE / side.max(1));
    }
    let scaled = |length: u32| ((length * SIDE + side / 2) / side).max(1);
    crop.resized(scaled(crop.width()), scaled(crop.height()))
}
