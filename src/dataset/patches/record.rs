//! What every photo made of every map, written down photo by photo: what a search that was
//! interrupted goes on from, and what areas under curves are computed from without holding it all.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::head;
use crate::error::{Error, Result};

const MAGIC: &str = "convlens patches 2";

/// One photo: numbers of all maps of all layers, one after another.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Record {
    pub(super) index: u32,
    pub(super) class: u32,
    /// Whether it could be read; the rest says nothing otherwise.
    pub(super) read: bool,
    /// The photo's own height and width.
    pub(super) size: [u32; 2],
    pub(super) means: Vec<f32>,
    pub(super) most: Vec<f32>,
    pub(super) places: Vec<u32>,
}

/// Numbers before those of the maps.
const HEAD: usize = 5;

impl Record {
    /// The numbers and their checksum.
    fn bytes(&self, maps: usize, out: &mut Vec<u8>) {
        let start = out.len();
        let [h, w] = self.size;
        let head = [self.index, self.class, u32::from(self.read), h, w];
        head.iter().for_each(|value| out.extend(value.to_le_bytes()));
        for numbers in [&self.means, &self.most] {
            (0..maps).for_each(|i| out.extend(numbers.get(i).unwrap_or(&0.0).to_le_bytes()));
        }
        (0..maps).for_each(|i| out.extend(self.places.get(i).unwrap_or(&0).to_le_bytes()));
        out.extend(crc32fast::hash(&out[start..]).to_le_bytes());
    }

    /// `None` where the checksum is another.
    fn from_bytes(bytes: &[u8], maps: usize) -> Option<Record> {
        let (bytes, sum) = bytes.split_last_chunk()?;
        if crc32fast::hash(bytes) != u32::from_le_bytes(*sum) {
            return None;
        }
        let words: Vec<u32> =
            bytes.as_chunks::<4>().0.iter().map(|&word| u32::from_le_bytes(word)).collect();
        let part = |at: usize| words.iter().skip(HEAD + at * maps).take(maps).copied();
        let head: Vec<u32> = words.iter().take(HEAD).copied().collect();
        let &[index, class, read, h, w] = head.as_slice() else { return None };
        Some(Record {
            index,
            class,
            read: read == 1,
            size: [h, w],
            means: part(0).map(f32::from_bits).collect(),
            most: part(1).map(f32::from_bits).collect(),
            places: part(2).collect(),
        })
    }
}

/// The file of records; removed when it is dropped, unless it is to be kept.
pub(super) struct Records {
    path: PathBuf,
    file: File,
    /// Where the first record begins.
    start: u64,
    maps: usize,
    /// Those of the search.
    photos: Range<usize>,
    count: usize,
    pub(super) keep: bool,
}

impl Records {
    /// Opens the file of a search that was interrupted, or begins a new one. Its `photos` have one of so
    /// many `classes`. Whole batches of so many photos are kept: how a photo is computed depends, in the last
    /// digits, on those beside it.
    pub(super) fn open(
        path: &Path,
        identity: &Value,
        [maps, classes]: [usize; 2],
        photos: Range<usize>,
        batch: usize,
        keep: bool,
    ) -> Result<Records> {
        let (file, start, length) = head::open(path, MAGIC, identity)?;
        let path = path.to_path_buf();
        let mut records = Records { path, file, start, maps, photos, count: 0, keep };
        // A record that was cut off in the middle, and what a crash left empty or damaged, is done again
        // with all that follow.
        let written = (length.saturating_sub(start) / records.size()) as usize;
        records.count = written.min(records.photos.len());
        let mut next = records.photos.start;
        records.read(|record| {
            let fits = |record: &Record| {
                record.index as usize == next && (record.class as usize) < classes
            };
            next += usize::from(record.is_some_and(|record| fits(&record)));
            Ok(())
        })?;
        if next < records.photos.end {
            next -= next % batch.max(1);
        }
        records.count = next.saturating_sub(records.photos.start);
        let end = start + records.count as u64 * records.size();
        records.file.set_len(end).map_err(|error| records.failed(error))?;
        Ok(records)
    }

    /// Opens the file of a search that is done, to be read alone.
    pub(super) fn finished(
        path: &Path,
        identity: &Value,
        maps: usize,
        photos: Range<usize>,
    ) -> Result<Records> {
        let (file, start, length) = head::reopen(path, MAGIC, identity)?;
        let (path, count) = (path.to_path_buf(), photos.len());
        let records = Records { path, file, start, maps, photos, count, keep: true };
        let expected = start + count as u64 * records.size();
        if length != expected {
            return Err(Error::file(
                &records.path,
                format!("has {length} bytes in the place of {expected}: search this shard again"),
            ));
        }
        Ok(records)
    }

    fn size(&self) -> u64 {
        4 * (HEAD + 3 * self.maps + 1) as u64
    }

    /// The first photo that is not done.
    pub(super) fn next(&self) -> usize {
        self.photos.start + self.count
    }

    pub(super) fn append(&mut self, records: &[Record]) -> Result<()> {
        let mut bytes = Vec::with_capacity(records.len() * self.size() as usize);
        records.iter().for_each(|record| record.bytes(self.maps, &mut bytes));
        let end = SeekFrom::Start(self.start + self.count as u64 * self.size());
        let written = self.file.seek(end).and_then(|_| self.file.write_all(&bytes));
        written.map_err(|error| self.failed(error))?;
        self.count += records.len();
        Ok(())
    }

    /// All records in order, each read when the one before it is done.
    pub(super) fn each(&mut self, mut each: impl FnMut(&Record) -> Result<()>) -> Result<()> {
        let path = self.path.clone();
        self.read(|record| match record {
            Some(record) => each(&record),
            None => Err(Error::file(
                &path,
                "is damaged: remove it, and what was made of it, and search again",
            )),
        })
    }

    /// The same, nothing for records that are damaged.
    fn read(&mut self, mut each: impl FnMut(Option<Record>) -> Result<()>) -> Result<()> {
        let start = SeekFrom::Start(self.start);
        self.file.seek(start).map_err(|error| self.failed(error))?;
        let mut bytes = vec![0; self.size() as usize];
        let (path, maps) = (self.path.clone(), self.maps);
        let mut reader = BufReader::with_capacity(1 << 16, &mut self.file);
        for _ in 0..self.count {
            reader
                .read_exact(&mut bytes)
                .map_err(|error| Error::file(&path, format!("cannot be read: {error}")))?;
            each(Record::from_bytes(&bytes, maps))?;
        }
        Ok(())
    }

    /// The means of `count` maps from `first` on, photo after photo, of photos that could be read.
    pub(super) fn means(&mut self, first: usize, count: usize, read: &[bool]) -> Result<Vec<f32>> {
        let mut bytes = vec![0; 4 * count];
        let mut means = Vec::with_capacity(count * read.len());
        for (i, _) in read.iter().enumerate().filter(|(_, read)| **read) {
            let at = self.start + i as u64 * self.size() + 4 * (HEAD + first) as u64;
            let got =
                self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(&mut bytes));
            got.map_err(|error| self.failed(error))?;
            let words = bytes.as_chunks::<4>().0.iter();
            means.extend(words.map(|&word| f32::from_le_bytes(word)));
        }
        Ok(means)
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::file(&self.path, format!("what the search has found cannot be kept: {error}"))
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        if !self.keep {
            // Nobody else knows of it; the system clears its temporary folder in the end.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
