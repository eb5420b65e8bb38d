//! The first lines of a file that grows while a search works: what it is, and which search it belongs
//! to.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::Path;

use serde_json::Value;

use super::identity;
use crate::error::{Error, Result};

/// The longest first lines that are read.
const LONGEST: u64 = 1 << 24;

/// Opens the file of a search that was interrupted, or begins a new one: with where its head ends, and
/// how long it is.
pub(crate) fn open(path: &Path, magic: &str, search: &Value) -> Result<(File, u64, u64)> {
    let cannot = |error: std::io::Error| Error::file(path, format!("cannot be written: {error}"));
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(path).map_err(cannot)?;
    let length = file.metadata().map_err(cannot)?.len();
    if length > 0
        && let Some((found, start)) = read(&mut file, path, magic)?
    {
        identity::check(&found, search, path)?;
        return Ok((file, start, length));
    }
    let head = format!("{magic}\n{search}\n");
    file.set_len(0).and_then(|()| file.rewind()).map_err(cannot)?;
    file.write_all(head.as_bytes()).map_err(cannot)?;
    Ok((file, head.len() as u64, head.len() as u64))
}

/// Opens the file of a search that is done, to be read alone: with where its head ends, and how long it is.
pub(crate) fn reopen(path: &Path, magic: &str, search: &Value) -> Result<(File, u64, u64)> {
    let cannot = |error: std::io::Error| Error::unreadable(path, &error);
    let mut file = File::open(path).map_err(cannot)?;
    let length = file.metadata().map_err(cannot)?.len();
    let Some((found, start)) = read(&mut file, path, magic)? else {
        return Err(Error::file(path, "was cut off: make it again"));
    };
    identity::check(&found, search, path)?;
    Ok((file, start, length))
}

/// Which search a file says that it belongs to, and where its head ends; nothing when the head itself
/// was cut off.
pub(crate) fn read(file: &mut File, path: &Path, magic: &str) -> Result<Option<(Value, u64)>> {
    let cannot = |error: std::io::Error| Error::file(path, format!("cannot be read: {error}"));
    let mut reader = BufReader::new(file.take(LONGEST));
    let mut line = || {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).map(|_| line).map_err(cannot)
    };
    let (first, second) = (line()?, line()?);
    if !first.starts_with(magic.as_bytes()) {
        return Err(Error::file(
            path,
            "is there already and holds no search that could go on; name another file",
        ));
    }
    if !second.ends_with(b"\n") {
        return Ok(None);
    }
    let found = serde_json::from_slice(&second)
        .map_err(|error| Error::file(path, format!("is damaged: {error}")))?;
    Ok(Some((found, (first.len() + second.len()) as u64)))
}
