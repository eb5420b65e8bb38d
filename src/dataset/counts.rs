//! What a search for top maps has counted so far, and the file that one which was interrupted goes on
//! from.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::batches::Unreadable;
use super::identity::check_file;
use super::json::{self, check_kind, count, list, with_part};
use super::top_maps::TopMaps;
use super::top_maps_file::{unreadable_from_json, unreadable_json};
use crate::error::{Error, Result};

const KIND: &str = "top maps, as far as they are counted";

/// How old what is kept may be, so that writing takes no time.
const AGE: Duration = Duration::from_secs(1);

/// Of the photos before `next`.
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

    fn to_json(&self, search: &Value) -> Value {
        json!({
            "kind": KIND,
            "search": search,
            "next": self.next,
            "photos": self.photos,
            "maps": self.maps,
            "unreadable": unreadable_json(&self.unreadable),
        })
    }

    /// For as many classes and maps as these have.
    fn take_json(&mut self, value: &Value) -> Result<(), String> {
        let fill = |numbers: &mut [usize], found: &[Value]| {
            let found = found.iter().map(|v| v.as_u64().and_then(|v| usize::try_from(v).ok()));
            match found.collect::<Option<Vec<_>>>() {
                Some(found) if found.len() == numbers.len() => {
                    numbers.copy_from_slice(&found);
                    Ok(())
                }
                _ => Err(format!("is damaged: it should count {} things", numbers.len())),
            }
        };
        fill(&mut self.photos, list(value, "photos")?)?;
        let rows = list(value, "maps")?;
        if rows.len() != self.maps.len() {
            return Err(format!("is damaged: it counts maps of {} classes", rows.len()));
        }
        for (numbers, row) in self.maps.iter_mut().zip(rows) {
            fill(numbers, row.as_array().map_or(&[], Vec::as_slice))?;
        }
        self.next = count(value, "next")?;
        self.unreadable = unreadable_from_json(value)?;
        Ok(())
    }
}

/// The file of a search, and beside it what is counted while it works.
pub(super) struct Kept {
    path: PathBuf,
    part: PathBuf,
    search: Value,
    written: Instant,
}

impl Kept {
    /// `search` tells it from others.
    pub(super) fn new(path: &Path, search: Value) -> Kept {
        let (path, part) = (path.to_path_buf(), with_part(path));
        Kept { path, part, search, written: Instant::now() }
    }

    /// What was found, if the search was finished.
    pub(super) fn finished(&self) -> Result<Option<TopMaps>> {
        if !self.path.exists() {
            return Ok(None);
        }
        let value = json::read(&self.path, "top maps")?;
        let found = TopMaps::from_json(&value).map_err(|why| Error::file(&self.path, why))?;
        check_file(&value, &self.search, &self.path)?;
        Ok(Some(found))
    }

    /// Goes on from what was counted, if the search was interrupted.
    pub(super) fn begin(&self, counts: &mut Counts) -> Result<()> {
        if !self.part.exists() {
            return Ok(());
        }
        let value = json::read(&self.part, KIND)?;
        let damaged = |why| Error::file(&self.part, why);
        check_kind(&value, KIND).map_err(damaged)?;
        check_file(&value, &self.search, &self.part)?;
        counts.take_json(&value).map_err(damaged)
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
        json::write_compact(&self.part, &counts.to_json(&self.search), "what is counted")?;
        self.written = Instant::now();
        Ok(())
    }

    /// Writes what was found.
    pub(super) fn finish(&self, found: &TopMaps) -> Result<()> {
        let mut value = found.to_json();
        value["search"] = self.search.clone();
        json::write(&self.path, &value, "the top maps")?;
        self.forget();
        Ok(())
    }

    /// Removes what was counted.
    pub(super) fn forget(&self) {
        // It may never have been written.
        let _ = std::fs::remove_file(&self.part);
    }
}
