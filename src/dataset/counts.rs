//! What a search for top maps has counted so far, and the file that one which was interrupted goes on
//! from.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::batches::Unreadable;
use super::json::{self, with_part};
use super::top_maps::TopMaps;
use super::top_maps_file::{self, TopMapsFile};
use crate::error::{Error, Result};

const KIND: &str = "top maps, as far as they are counted";
/// What a shard has counted, of which alone no top maps follow.
pub(super) const PART: &str = "top maps of a shard";

/// How old what is kept may be, so that writing takes no time.
const AGE: Duration = Duration::from_secs(1);

/// Of the photos before `next`.
#[derive(Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) next: usize,
    /// How many could be read of each class.
    pub(super) photos: Vec<usize>,
    /// In how many photos each map is among the top ones, `[classes][maps]`.
    pub(super) maps: Vec<Vec<usize>>,
    pub(super) unreadable: Vec<Unreadable>,
}

impl Counts {
    /// Before anything is counted; `next` is the first photo.
    pub(super) fn new(next: usize, classes: usize, maps: usize) -> Counts {
        let (photos, maps) = (vec![0; classes], vec![vec![0; maps]; classes]);
        Counts { next, photos, maps, unreadable: Vec::new() }
    }

    /// With what was counted of the photos behind these. False where that is of other classes or maps.
    pub(super) fn add(&mut self, other: Counts) -> bool {
        if !self.fit(&other) {
            return false;
        }
        let add = |to: &mut [usize], from: &[usize]| {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = to.saturating_add(*from));
        };
        add(&mut self.photos, &other.photos);
        self.maps.iter_mut().zip(&other.maps).for_each(|(to, from)| add(to, from));
        self.next = other.next;
        self.unreadable.extend(other.unreadable);
        true
    }

    /// Whether they are of as many classes and maps as these.
    fn fit(&self, other: &Counts) -> bool {
        let maps = |counts: &Counts| counts.maps.iter().map(Vec::len).collect::<Vec<_>>();
        self.photos.len() == other.photos.len() && maps(self) == maps(other)
    }
}

/// The file of a search, and beside it what is counted while it works.
pub(super) struct SearchFile {
    path: PathBuf,
    part: PathBuf,
    search: Value,
    /// Whether what was counted is all that there is to be kept.
    shard: bool,
    written: Instant,
}

impl SearchFile {
    /// `search` tells it from others.
    pub(super) fn new(path: &Path, search: Value, shard: bool) -> SearchFile {
        let (path, part) = (path.to_path_buf(), with_part(path));
        SearchFile { path, part, search, shard, written: Instant::now() }
    }

    /// What was found, if the search was finished. A shard's is made of what it counted.
    pub(super) fn finished(&self) -> Result<Option<TopMaps>> {
        if self.shard || !self.path.exists() {
            return Ok(None);
        }
        let found: TopMapsFile = json::read(&self.path, top_maps_file::KIND, Some(&self.search))?;
        found.checked().map(Some).map_err(|why| Error::file(&self.path, why))
    }

    /// Goes on from what was counted, if the search was interrupted, or a shard is done.
    pub(super) fn begin(&self, counts: &mut Counts) -> Result<()> {
        let (path, kind) = match self.shard && self.path.exists() {
            true => (&self.path, PART),
            false => (&self.part, KIND),
        };
        if !path.exists() {
            return Ok(());
        }
        let found: Counts = json::read(path, kind, Some(&self.search))?;
        if !found.fit(counts) || found.next < counts.next {
            return Err(Error::file(
                path,
                "is damaged: it counts another number of classes or maps; remove it to begin again",
            ));
        }
        *counts = found;
        Ok(())
    }

    /// Writes down what is counted, if that was not done just now.
    pub(super) fn keep(&mut self, counts: &Counts) -> Result<()> {
        match self.written.elapsed() < AGE {
            true => Ok(()),
            false => self.write(counts),
        }
    }

    /// Writes down what is counted.
    pub(super) fn write(&mut self, counts: &Counts) -> Result<()> {
        json::write_compact(&self.part, KIND, Some(&self.search), counts)?;
        self.written = Instant::now();
        Ok(())
    }

    /// Writes what was found, or of a shard what was counted.
    pub(super) fn finish(&self, found: &TopMaps, counts: &Counts) -> Result<()> {
        let search = Some(&self.search);
        match self.shard {
            true => json::write_compact(&self.path, PART, search, counts)?,
            false => {
                let found = TopMapsFile::from(found);
                json::write(&self.path, top_maps_file::KIND, search, &found)?;
            }
        }
        self.forget();
        Ok(())
    }

    /// Removes what was counted.
    pub(super) fn forget(&self) {
        // It may never have been written.
        let _ = std::fs::remove_file(&self.part);
    }
}
