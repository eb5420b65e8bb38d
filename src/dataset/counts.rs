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
    pub(super) fn new(classes: usize, maps: usize) -> Counts {
        let (photos, maps) = (vec![0; classes], vec![vec![0; maps]; classes]);
        Counts { next: 0, photos, maps, unreadable: Vec::new() }
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
    written: Instant,
}

impl SearchFile {
    /// `search` tells it from others.
    pub(super) fn new(path: &Path, search: Value) -> SearchFile {
        let (path, part) = (path.to_path_buf(), with_part(path));
        SearchFile { path, part, search, written: Instant::now() }
    }

    /// What was found, if the search was finished.
    pub(super) fn finished(&self) -> Result<Option<TopMaps>> {
        if !self.path.exists() {
            return Ok(None);
        }
        let found: TopMapsFile = json::read(&self.path, top_maps_file::KIND, Some(&self.search))?;
        found.checked().map(Some).map_err(|why| Error::file(&self.path, why))
    }

    /// Goes on from what was counted, if the search was interrupted.
    pub(super) fn begin(&self, counts: &mut Counts) -> Result<()> {
        if !self.part.exists() {
            return Ok(());
        }
        let found: Counts = json::read(&self.part, KIND, Some(&self.search))?;
        if !found.fit(counts) {
            return Err(Error::file(
                &self.part,
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

    /// Writes what was found.
    pub(super) fn finish(&self, found: &TopMaps) -> Result<()> {
        let found = TopMapsFile::from(found);
        json::write(&self.path, top_maps_file::KIND, Some(&self.search), &found)?;
        self.forget();
        Ok(())
    }

    /// Removes what was counted.
    pub(super) fn forget(&self) {
        // It may never have been written.
        let _ = std::fs::remove_file(&self.part);
    }
}
