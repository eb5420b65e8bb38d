//! A part of a data set that is worked on by itself, perhaps by another machine, and how parts become
//! a whole again.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::folder::ImageFolder;
use super::identity::{difference, kind};
use crate::error::{Error, Result};

/// Part `number` of `of`, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    number: usize,
    of: usize,
}

/// What a part's file says of it, beside what the whole search is.
#[derive(Serialize, Deserialize)]
struct Part {
    number: usize,
    of: usize,
    /// From the first photo to the one behind the last.
    photos: [usize; 2],
}

/// Under this name it stands there.
const KEY: &str = "shard";

impl Shard {
    pub(crate) fn new(number: usize, of: usize) -> Shard {
        Shard { number, of }
    }

    /// What files call it: `0-of-4`.
    pub(crate) fn label(self) -> String {
        format!("{}-of-{}", self.number, self.of)
    }

    /// Its photos among so many: neighbours, in whole batches of `batch`, since what is computed of a
    /// photo depends, in the last digits, on those beside it.
    fn of_count(self, count: usize, batch: usize) -> Result<Range<usize>> {
        let Shard { number, of } = self;
        if number >= of {
            return Err(Error::Argument(format!(
                "there is no shard {number} of {of}: take 1 or more, counted from 0 to one less than there are"
            )));
        }
        let batch = batch.max(1);
        let batches = count.div_ceil(batch) as u128;
        let edge = |number: usize| {
            let first = (batches * number as u128 / of as u128) as usize;
            first.saturating_mul(batch).min(count)
        };
        Ok(edge(number)..edge(number + 1))
    }
}

/// The photos to be worked on, which are all where there is no shard; `search`, what the work
/// belongs to, then says which part of it this is.
pub(crate) fn photos_of(
    shard: Option<Shard>,
    photos: &ImageFolder,
    batch: usize,
    search: &mut Value,
) -> Result<Range<usize>> {
    let Some(shard) = shard else { return Ok(0..photos.len()) };
    let range = shard.of_count(photos.len(), batch)?;
    let Shard { number, of } = shard;
    let part = Part { number, of, photos: [range.start, range.end] };
    search[KEY] = serde_json::to_value(part)
        .map_err(|error| Error::Argument(format!("the shard cannot be written: {error}")))?;
    Ok(range)
}

/// That what a shard finds has to lie somewhere.
pub(super) fn no_file() -> Error {
    Error::Argument(
        "a shard is kept for .join: say where, each in a file of its own, by .file(…)".into(),
    )
}

/// A part as it was found.
pub(crate) struct Found {
    /// The file that says what it is.
    pub(crate) path: PathBuf,
    pub(crate) photos: Range<usize>,
}

/// The parts of one whole in order, from their files and the search that each belongs to, and that
/// search without the shard.
pub(crate) fn whole(parts: Vec<(PathBuf, Value)>) -> Result<(Vec<Found>, Value)> {
    let mut found: Vec<(Part, Found)> = Vec::new();
    let mut first: Option<(Value, usize, PathBuf)> = None;
    for (path, mut search) in parts {
        let part = search.as_object_mut().and_then(|search| search.remove(KEY));
        let Some(part) = part.and_then(|part| serde_json::from_value::<Part>(part).ok()) else {
            return Err(Error::file(
                &path,
                format!(
                    "is no part of a {}: only what was made with .shard(number, of) can be joined",
                    kind(&search)
                ),
            ));
        };
        let (whole, of, beside) = first.get_or_insert((search.clone(), part.of, path.clone()));
        if let Some(what) = difference(&search, whole) {
            return Err(Error::file(
                &path,
                format!("belongs to another {} than {} ({what})", kind(whole), beside.display()),
            ));
        }
        if part.of != *of {
            let Part { number, of: among, .. } = part;
            return Err(Error::file(
                &path,
                format!("is shard {number} of {among}, but {} is one of {of}", beside.display()),
            ));
        }
        if let Some((_, other)) = found.iter().find(|(other, _)| other.number == part.number) {
            let twice = format!("is shard {} of {of}, and so is {}", part.number, show(other));
            return Err(Error::file(&path, format!("{twice}: name each part once")));
        }
        let photos = part.photos[0]..part.photos[1];
        found.push((part, Found { path, photos }));
    }
    let Some((search, of, _)) = first else {
        return Err(Error::Argument("a whole of no parts: name those that were made".into()));
    };
    found.sort_by_key(|(part, _)| part.number);
    complete(&found, of, &search)?;
    Ok((found.into_iter().map(|(_, found)| found).collect(), search))
}

/// That no part and no photo is missing or there twice.
fn complete(found: &[(Part, Found)], of: usize, search: &Value) -> Result<()> {
    const LISTED: usize = 20;
    if found.len() != of {
        let there: Vec<usize> = found.iter().map(|(part, _)| part.number).collect();
        let missing = (0..of).filter(|number| there.binary_search(number).is_err());
        let mut missing: Vec<String> = missing.take(LISTED).map(|n| n.to_string()).collect();
        if of - there.len() > LISTED {
            missing.push("…".into());
        }
        return Err(Error::Argument(format!(
            "of {of} shards {} are missing: {}",
            of - there.len(),
            missing.join(", ")
        )));
    }
    let photos = search["photos"].as_u64().unwrap_or_default() as usize;
    let mut next = 0;
    for (_, part) in found {
        let Range { start, end } = part.photos;
        if start != next || end < start || end > photos {
            return Err(Error::file(
                &part.path,
                format!(
                    "has the photos from {start} to {end}, where those from {next} on are missing: the \
                     shards were made with different numbers of photos in a batch"
                ),
            ));
        }
        next = end;
    }
    if next != photos {
        return Err(Error::Argument(format!(
            "the shards have {next} of {photos} photos: they were made with different numbers of \
             photos in a batch"
        )));
    }
    Ok(())
}

fn show(part: &Found) -> std::path::Display<'_> {
    Path::display(&part.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_whole_batches_and_together_all_photos() {
        for (count, batch, of) in [(61, 4, 3), (5, 8, 4), (0, 8, 2), (100, 1, 7), (9, 3, 3)] {
            let mut next = 0;
            for number in 0..of {
                let range = Shard::new(number, of).of_count(count, batch).expect("a shard");
                assert_eq!(range.start, next);
                assert!(range.start.is_multiple_of(batch) || range.start == count);
                next = range.end;
            }
            assert_eq!(next, count);
        }
    }

    #[test]
    fn shards_that_there_are_not_are_refused() {
        for (number, of) in [(4, 4), (0, 0), (usize::MAX, 3)] {
            let error = Shard::new(number, of).of_count(10, 1).expect_err("no shard").to_string();
            assert!(error.contains("counted from 0"), "{error}");
        }
        let last = Shard::new(usize::MAX - 1, usize::MAX).of_count(10, usize::MAX);
        assert_eq!(last.expect("a shard"), 0..10);
    }
}
