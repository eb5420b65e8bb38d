//! What every photo made of every map, written down photo by photo: what a search that was
//! interrupted goes on from, and what areas under curves are computed from without holding it all.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::identity;
use crate::error::{Error, Result};

const MAGIC: &str = "convlens patches 2";

/// The longest first lines that are read.
const LONGEST: u64 = 1 << 24;

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
    count: usize,
    pub(super) keep: bool,
}

impl Records {
    /// Opens the file of a search that was interrupted, or begins a new one.
    /// Photos have one of so many `classes`, and so many that can be read are a `batch`. Whole batches are
    /// kept: how a photo is computed depends, in the last digits, on those beside it.
    pub(super) fn open(
        path: &Path,
        identity: &Value,
        [maps, classes]: [usize; 2],
        batch: usize,
        keep: bool,
    ) -> Result<Records> {
        let cannot =
            |error: std::io::Error| Error::file(path, format!("cannot be written: {error}"));
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(cannot)?;
        let length = file.metadata().map_err(cannot)?.len();
        let mut start = 0;
        if length > 0 {
            start = Self::check_head(&mut file, path, identity)?;
        }
        if start == 0 {
            let head = format!("{MAGIC}\n{identity}\n");
            file.set_len(0).and_then(|()| file.rewind()).map_err(cannot)?;
            file.write_all(head.as_bytes()).map_err(cannot)?;
            start = head.len() as u64;
        }
        let mut records = Records { path: path.to_path_buf(), file, start, maps, count: 0, keep };
        // A record that was cut off in the middle, and what a crash left empty or damaged, is done again
        // with all that follow.
        records.count = (length.saturating_sub(start) / records.size()) as usize;
        let (mut whole, mut photos, mut batches) = (0, 0, 0);
        records.read(|record| {
            let fits = |record: &Record| {
                record.index as usize == whole && (record.class as usize) < classes
            };
            if let Some(record) = record.filter(fits) {
                whole += 1;
                photos += usize::from(record.read);
                if record.read && photos % batch.max(1) == 0 {
                    batches = whole;
                }
            }
            Ok(())
        })?;
        records.count = batches;
        let end = start + batches as u64 * records.size();
        records.file.set_len(end).map_err(cannot)?;
        Ok(records)
    }

    /// Where the records begin; 0 when the head itself was cut off.
    fn check_head(file: &mut File, path: &Path, identity: &Value) -> Result<u64> {
        let cannot = |error: std::io::Error| Error::file(path, format!("cannot be read: {error}"));
        let mut reader = BufReader::new(file.take(LONGEST));
        let mut line = || {
            let mut line = Vec::new();
            reader.read_until(b'\n', &mut line).map(|_| line).map_err(cannot)
        };
        let (magic, head) = (line()?, line()?);
        if !magic.starts_with(MAGIC.as_bytes()) {
            return Err(Error::file(
                path,
                "is there already and holds no search that could go on; name another file",
            ));
        }
        if !head.ends_with(b"\n") {
            return Ok(0);
        }
        let found = serde_json::from_slice(&head)
            .map_err(|error| Error::file(path, format!("is damaged: {error}")))?;
        identity::check(&found, identity, path)?;
        Ok((magic.len() + head.len()) as u64)
    }

    fn size(&self) -> u64 {
        4 * (HEAD + 3 * self.maps + 1) as u64
    }

    /// How many photos are done.
    pub(super) fn count(&self) -> usize {
        self.count
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
            None => Err(Error::file(&path, "was damaged while the search went on")),
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
