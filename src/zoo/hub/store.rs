//! The folder of weights: what lies there, whether it is what it should be, and whose turn it is.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// What to do when the folder cannot be used.
const ELSEWHERE: &str = "Name a folder that can be written in the variable CONVLENS_CACHE.";

/// How a file in the folder stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    Missing,
    /// It is the published file.
    Right,
    /// It is there, and nobody knows what its hash should be.
    Unchecked,
    /// It is there, and is something else, or damaged.
    Wrong(String),
}

#[derive(Debug)]
pub(super) struct Store<'a> {
    pub(super) folder: &'a Path,
}

impl Store<'_> {
    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    pub(super) fn create(&self) -> Result<()> {
        fs::create_dir_all(self.folder).map_err(|error| {
            Error::file(self.folder, format!("the folder cannot be made: {error}\n{ELSEWHERE}"))
        })
    }

    /// Looks at a file that should have this hash, or its first digits.
    ///
    /// What was found once is written beside the file, so that 500 MB are not hashed by every
    /// notebook.
    pub(super) fn state(&self, file: &str, hash: Option<&str>) -> State {
        let path = self.path(file);
        let Ok(about) = About::of(&path) else { return State::Missing };
        let noted = self.noted(file, &about);
        match (hash, noted) {
            (None, Some(_)) => State::Right,
            (None, None) => State::Unchecked,
            (Some(hash), Some(noted)) if noted.starts_with(hash) => State::Right,
            (Some(hash), _) => match sha256(&path) {
                Ok(found) if found.starts_with(hash) => {
                    self.note(file, &found);
                    State::Right
                }
                Ok(found) => State::Wrong(mismatch(&found, hash)),
                Err(error) => State::Wrong(error.to_string()),
            },
        }
    }

    /// Keeps the hash of a file as it is now.
    pub(super) fn note(&self, file: &str, sha256: &str) {
        if let Ok(About { size, changed }) = About::of(&self.path(file)) {
            // In a folder that cannot be written the file is hashed again, that is all.
            let _ = fs::write(self.note_path(file), format!("{sha256} {size} {changed}\n"));
        }
    }

    /// The noted hash, if the file is still the one that was noted.
    fn noted(&self, file: &str, about: &About) -> Option<String> {
        let text = fs::read_to_string(self.note_path(file)).ok()?;
        let mut words = text.split_whitespace();
        let sha256 = words.next()?.to_owned();
        let size: u64 = words.next()?.parse().ok()?;
        let changed: u128 = words.next()?.parse().ok()?;
        (*about == About { size, changed }).then_some(sha256)
    }

    fn note_path(&self, file: &str) -> PathBuf {
        self.path(&format!(".{file}.sha256"))
    }

    /// The right to download for this architecture, held until dropped or until the process ends
    /// in whatever way. Calls `waiting` once if another process has it.
    pub(super) fn lock(&self, architecture: &str, waiting: impl FnOnce()) -> Result<Option<File>> {
        let path = self.path(&format!(".{architecture}.lock"));
        let cannot = |error: io::Error| {
            Error::file(&path, format!("cannot be opened: {error}\n{ELSEWHERE}"))
        };
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(cannot)?;
        let mut waiting = Some(waiting);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::WouldBlock) => {
                    if let Some(tell) = waiting.take() {
                        tell();
                    }
                    std::thread::sleep(Duration::from_millis(100));
                }
                // Some file systems have no locks; then the last one to finish wins.
                Err(TryLockError::Error(_)) => return Ok(None),
            }
        }
    }
}

/// What tells a file from a later one of the same name.
#[derive(PartialEq, Eq)]
struct About {
    size: u64,
    /// Nanoseconds since 1970.
    changed: u128,
}

impl About {
    fn of(path: &Path) -> io::Result<About> {
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let since = metadata.modified()?.duration_since(SystemTime::UNIX_EPOCH);
        Ok(About { size: metadata.len(), changed: since.map_or(0, |time| time.as_nanos()) })
    }
}

/// How a hash that is not the expected one is told, to as many digits as are expected.
pub(super) fn mismatch(found: &str, expected: &str) -> String {
    if expected.len() < found.len() {
        let digits = found.get(..expected.len()).unwrap_or(found);
        format!("its SHA-256 begins with {digits}, expected {expected}")
    } else {
        format!("its SHA-256 is {found}, expected {expected}")
    }
}

/// A file's SHA-256 in hexadecimal.
pub(super) fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(format!("{:x}", hash.finalize())),
            Ok(count) => hash.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
