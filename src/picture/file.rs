//! Files that appear whole or not at all.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Writes a file, beside its place first; a file that is there is replaced once the new one is
/// whole. `what` is what errors call it.
pub(crate) fn write(path: &Path, bytes: &[u8], what: &str) -> Result<()> {
    write_by(path, what, |file| file.write_all(bytes))
}

/// The same of what is written piece by piece.
pub(crate) fn write_by(
    path: &Path,
    what: &str,
    pieces: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    if path.is_dir() {
        return Err(Error::file(path, "this is a folder: name a file in it"));
    }
    let fill = |file: File| {
        let mut file = BufWriter::new(file);
        pieces(&mut file)?;
        file.flush()
    };
    // Devices and the like are written to, not replaced.
    if path.exists() && !path.is_file() {
        let written = File::options().write(true).open(path).and_then(fill);
        return written.map_err(|error| Error::file(path, error));
    }
    let target = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let partial = partial_name(&target);
    let written =
        File::create(&partial).and_then(fill).and_then(|()| std::fs::rename(&partial, &target));
    written.map_err(|error| {
        // Whatever was written of it is of no use to anybody.
        let _ = std::fs::remove_file(&partial);
        Error::file(path, format!("{what} could not be written: {error}"))
    })
}

fn partial_name(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}
