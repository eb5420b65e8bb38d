//! The file of rows: what is known of every photo, written down photo by photo, from which an interrupted
//! report goes on, and page and table are made.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::row::Row;
use crate::dataset::{Found, Shard, head};
use crate::error::{Error, Result};
use crate::picture::write_by;

const MAGIC: &str = r#"{"kind":"convlens report 1"}"#;
/// The longest line that is read.
const LONGEST: u64 = 1 << 24;
/// How every line ends: with the checksum of what stands before it.
const CHECK: &str = ",\"check\":\"";
const TAIL: usize = CHECK.len() + 8 + 2;

/// The file of rows of a report or of a shard.
pub(super) struct Rows {
    folder: PathBuf,
    path: PathBuf,
    file: File,
    /// Where the first row begins, and where the last one ends.
    bytes: Range<u64>,
    photos: Range<usize>,
    count: usize,
}

/// What it is called.
fn name(shard: Option<Shard>) -> String {
    shard.map_or("report.jsonl".into(), |shard| format!("report.{}.jsonl", shard.label()))
}

impl Rows {
    /// Opens the rows of a report that was interrupted, or begins new ones.
    pub(super) fn open(
        folder: &Path,
        shard: Option<Shard>,
        search: &Value,
        photos: Range<usize>,
    ) -> Result<Rows> {
        let path = folder.join(name(shard));
        let (file, start, _) = head::open(&path, MAGIC, search)?;
        let mut rows = Rows::of(folder, path, file, start, photos);
        // A row that was cut off or damaged, or whose files are gone, is made again with all that follow.
        let (photos, folder) = (rows.photos.clone(), rows.folder.clone());
        let (mut count, mut end) = (0, start);
        lines(&mut rows.file, &rows.path, start, |line, next| {
            let row = row_of(line).filter(|row| {
                row.index == photos.start + count
                    && row.index < photos.end
                    && row.files().all(|file| folder.join(file).is_file())
            });
            let whole = row.is_some();
            if whole {
                (count, end) = (count + 1, next);
            }
            Ok(whole)
        })?;
        rows.file.set_len(end).map_err(|error| rows.failed(error))?;
        (rows.count, rows.bytes) = (count, start..end);
        Ok(rows)
    }

    fn of(folder: &Path, path: PathBuf, file: File, start: u64, photos: Range<usize>) -> Rows {
        let folder = folder.to_path_buf();
        Rows { folder, path, file, bytes: start..start, photos, count: 0 }
    }

    /// The first photo without a row.
    pub(super) fn next(&self) -> usize {
        self.photos.start + self.count
    }

    pub(super) fn append(&mut self, row: &Row) -> Result<()> {
        let line = line_of(row).map_err(|error| self.failed(error))?;
        let end = SeekFrom::Start(self.bytes.end);
        let written = self.file.seek(end).and_then(|_| self.file.write_all(line.as_bytes()));
        written.map_err(|error| self.failed(error))?;
        self.bytes.end += line.len() as u64;
        self.count += 1;
        Ok(())
    }

    /// All rows in order, each with the place where it begins.
    pub(super) fn each(&mut self, mut each: impl FnMut(Row, u64) -> Result<()>) -> Result<()> {
        let (path, Range { start, end }) = (self.path.clone(), self.bytes.clone());
        let mut place = start;
        lines(&mut self.file, &path, start, |line, next| {
            if place >= end {
                return Ok(false);
            }
            let row = row_of(line).ok_or_else(|| damaged(&path))?;
            each(row, place)?;
            place = next;
            Ok(true)
        })
    }

    /// The row that begins there.
    pub(super) fn at(&mut self, place: u64) -> Result<Row> {
        let path = self.path.clone();
        let mut found = None;
        lines(&mut self.file, &path, place, |line, _| {
            found = row_of(line);
            Ok(false)
        })?;
        found.ok_or_else(|| damaged(&path))
    }

    /// Removes the file.
    pub(super) fn forget(&self) {
        // Whoever cannot remove it finds it again.
        let _ = std::fs::remove_file(&self.path);
    }

    fn failed(&self, error: impl std::fmt::Display) -> Error {
        Error::file(&self.path, format!("what the report has found cannot be kept: {error}"))
    }
}

fn damaged(path: &Path) -> Error {
    Error::file(path, "is damaged: run the report again, which goes on before that")
}

/// Calls `each` with the lines from a place on and where each ends, until it returns false.
fn lines(
    file: &mut File,
    path: &Path,
    start: u64,
    mut each: impl FnMut(&[u8], u64) -> Result<bool>,
) -> Result<()> {
    let cannot = |error: std::io::Error| Error::file(path, format!("cannot be read: {error}"));
    file.seek(SeekFrom::Start(start)).map_err(cannot)?;
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let (mut line, mut place) = (Vec::new(), start);
    loop {
        line.clear();
        let length = reader.by_ref().take(LONGEST).read_until(b'\n', &mut line).map_err(cannot)?;
        place += length as u64;
        if length == 0 || !each(&line, place)? {
            return Ok(());
        }
    }
}

fn line_of(row: &Row) -> serde_json::Result<String> {
    let mut line = serde_json::to_string(row)?;
    let sum = crc32fast::hash(line.as_bytes());
    line.pop(); // the brace
    Ok(format!("{line}{CHECK}{sum:08x}\"}}\n"))
}

/// Nothing where the line was cut off or its checksum is another.
fn row_of(line: &[u8]) -> Option<Row> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix("\"}\n")?;
    let (json, sum) = line.split_at_checked((line.len() + 2).checked_sub(TAIL)?)?;
    let sum = u32::from_str_radix(sum.strip_prefix(CHECK)?, 16).ok()?;
    let json = format!("{json}}}");
    (crc32fast::hash(json.as_bytes()) == sum).then(|| serde_json::from_str(&json).ok()).flatten()
}

/// The files of shards in a folder, and what each belongs to.
pub(super) fn parts_in(folder: &Path) -> Result<Vec<(PathBuf, Value)>> {
    let mut parts = Vec::new();
    for path in files_in(folder)? {
        if path.file_name().is_some_and(|file| file != name(None).as_str()) {
            let mut file = File::open(&path).map_err(|error| Error::unreadable(&path, &error))?;
            let Some((search, _)) = head::read(&mut file, &path, MAGIC)? else {
                return Err(Error::file(&path, "is not finished: run its shard once more"));
            };
            parts.push((path, search));
        }
    }
    if parts.is_empty() {
        return Err(Error::file(
            folder,
            "holds no part of a report: name the folders that reports with .shard(number, of) were saved in",
        ));
    }
    Ok(parts)
}

/// Whether there are rows of any report.
pub(super) fn any_in(folder: &Path) -> bool {
    files_in(folder).is_ok_and(|files| !files.is_empty())
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let cannot = |error: std::io::Error| Error::unreadable(folder, &error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("report.") && name.ends_with(".jsonl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The rows of all parts as those of one report in this folder, with the photos' files.
pub(super) fn joined(folder: &Path, parts: Vec<Found>, search: &Value) -> Result<Rows> {
    let path = folder.join(name(None));
    if path.exists() {
        // Nobody else's report is replaced.
        head::reopen(&path, MAGIC, search)?;
    }
    let count = parts.last().map_or(0, |part| part.photos.end);
    let mut stopped = None;
    let written = write_by(&path, "the report", |file| {
        file.write_all(format!("{MAGIC}\n{search}\n").as_bytes())?;
        parts.iter().try_for_each(|part| {
            add_part(folder, part, |line| file.write_all(line)).map_err(|error| {
                let words = std::io::Error::other(error.to_string());
                stopped = Some(error);
                words
            })
        })
    });
    // What is wrong with a part says more than that the whole could not be written.
    stopped.map_or(written, Err)?;
    let rows = Rows::open(folder, None, search, 0..count)?;
    match rows.next() {
        next if next == count => Ok(rows),
        next => Err(Error::file(
            folder,
            format!("pictures or maps of photo {next} are missing: run its shard once more"),
        )),
    }
}

/// Hands over the lines of a part, and copies the files that they speak of.
fn add_part(
    folder: &Path,
    part: &Found,
    mut each: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<()> {
    let Found { path, photos } = part;
    let of = path.parent().unwrap_or(Path::new("."));
    let same = of.canonicalize().ok() == folder.canonicalize().ok();
    let mut file = File::open(path).map_err(|error| Error::unreadable(path, &error))?;
    let Some((_, start)) = head::read(&mut file, path, MAGIC)? else {
        return Err(damaged(path));
    };
    let mut next = photos.start;
    lines(&mut file, path, start, |line, _| {
        let Some(row) = row_of(line).filter(|row| row.index == next) else { return Ok(false) };
        for name in row.files().filter(|_| !same) {
            copy(&of.join(name), &folder.join(name))?;
        }
        each(line).map_err(|error| Error::file(folder, error))?;
        next += 1;
        Ok(true)
    })?;
    if next != photos.end {
        return Err(Error::file(
            path,
            format!(
                "is not finished: it has {} of {} photos; run its shard once more, which goes on there",
                next - photos.start,
                photos.len()
            ),
        ));
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let made = to.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.map_err(|error| Error::file(to, format!("cannot be made: {error}")))?;
    let bytes = std::fs::read(from).map_err(|error| Error::unreadable(from, &error))?;
    crate::picture::write_file(to, &bytes, "a copy")
}
