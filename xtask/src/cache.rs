//! The user's cache directory: where the big things lie, keyed by version, shared by checkouts.

use crate::cache_root::cache_root;
use anyhow::{Context, Result, anyhow, bail};
use std::env;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The root of everything that set-up puts outside the checkout.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `$CONVLENS_CACHE`, else the platform's cache directory; created when missing.
    pub(crate) fn open() -> Result<Cache> {
        let root = cache_root().context(NO_HOME)?;
        Cache::at(root)
    }

    pub(crate) fn at(root: impl Into<PathBuf>) -> Result<Cache> {
        let root = root.into();
        fs::create_dir_all(&root).with_context(|| {
            format!(
                "cannot create the cache directory {}\n\
                 Make it writable, or name another one in the variable CONVLENS_CACHE.",
                root.display()
            )
        })?;
        Ok(Cache { root: root.canonicalize()? })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join(name)
    }

    /// Half-done work that a later run takes up again.
    pub(crate) fn staging(&self, name: &str) -> Result<PathBuf> {
        let dir = self.root.join("staging").join(name);
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(dir)
    }

    /// Moves a finished file or directory to its final place in one step.
    ///
    /// Something broken that stands there already is moved out of the way first, so that nobody
    /// ever sees half of each.
    pub(crate) fn place(&self, staged: &Path, name: &str) -> Result<PathBuf> {
        let target = self.root.join(name);
        if target.exists() {
            let trash =
                self.root.join("staging").join(format!("old-{name}-{}", std::process::id()));
            fs::create_dir_all(self.root.join("staging"))?;
            fs::rename(&target, &trash)
                .with_context(|| format!("cannot replace {}", target.display()))?;
            fs::rename(staged, &target)?;
            remove(&trash)?;
        } else {
            fs::rename(staged, &target).with_context(|| {
                format!("cannot move {} to {}", staged.display(), target.display())
            })?;
        }
        Ok(target)
    }

    /// Only one set-up works at a time; the others wait here and say for whom.
    pub(crate) fn lock_setup(&self, mut waiting: impl FnMut(&str)) -> Result<Lock> {
        let path = self.root.join("setup.lock");
        let mut file = open_lock(&path)?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    if !told {
                        let mut pid = String::new();
                        file.rewind()?;
                        file.read_to_string(&mut pid)?;
                        let who = if pid.is_empty() { "unknown" } else { pid.trim() };
                        waiting(&format!("another set-up is running (process {who}); waiting"));
                        told = true;
                    }
                    std::thread::sleep(Duration::from_millis(200));
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
            }
        }
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "{}", std::process::id())?;
        Ok(Lock { _file: file })
    }
}

/// Adds what to do where the cache is full or cannot be written, wherever that was noticed.
pub(crate) fn advise(error: anyhow::Error) -> anyhow::Error {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let kind = error.chain().find_map(|cause| Some(cause.downcast_ref::<std::io::Error>()?.kind()));
    let what = match kind {
        Some(StorageFull | QuotaExceeded) => "the disk is full: free some room",
        Some(ReadOnlyFilesystem | PermissionDenied) => {
            "the cache cannot be written: make it writable"
        }
        _ => return error,
    };
    anyhow!("{error:#}\n{what}, or put the cache elsewhere with CONVLENS_CACHE, and start again.")
}

/// Held until dropped, or until the process ends in whatever way.
pub(crate) struct Lock {
    _file: File,
}

/// Takes `path` for one writer.
pub(crate) fn lock_exclusive(path: &Path) -> Result<Lock> {
    let file = open_lock(path)?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(Lock { _file: file })
}

/// Takes `path` for one writer, but gives up when another keeps it for too long.
pub(crate) fn lock_patiently(path: &Path, patience: Duration) -> Result<Lock> {
    let file = open_lock(path)?;
    let started = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock { _file: file }),
            Err(TryLockError::WouldBlock) if started.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(TryLockError::WouldBlock) => bail!(
                "set-up is still at work on {}\nJupyter starts the kernel again by itself; run the cells once it is ready.",
                path.with_extension("").display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
    }
}

pub(crate) fn open_lock(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .with_context(|| format!("cannot open the lock file {}", path.display()))
}

/// Removes a file or a whole directory; being gone already is fine.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let result = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Writes a file so that a reader sees the old text or the new one, never a part.
///
/// A file that holds the text already is left alone: cargo looks at times.
pub(crate) fn write_atomically(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let dir = path.parent().context("a file has a directory")?;
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let name = path.file_name().context("a file has a name")?.to_string_lossy();
    let part = dir.join(format!(".{name}.{}", std::process::id()));
    fs::write(&part, text).with_context(|| format!("cannot write {}", part.display()))?;
    fs::rename(&part, path).with_context(|| format!("cannot write {}", path.display()))
}

/// FNV-1a: names for directories that are the same in every build of this program.
pub(crate) fn key(parts: &[impl AsRef<[u8]>]) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        // The terminator keeps ["ab", "c"] and ["a", "bc"] apart.
        for &byte in part.as_ref().iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

const NO_HOME: &str = "the variable HOME is not set, so there is no place for the cache\n\
                       Set CONVLENS_CACHE to a directory for it.";

pub(crate) fn home() -> Result<PathBuf> {
    env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from).context(NO_HOME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_set_up_waits_for_another_and_says_for_whom() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path()).unwrap();
        let first = cache.lock_setup(|_| panic!("nobody else is there")).unwrap();
        let (tell, told) = mpsc::channel();
        let second = std::thread::spawn({
            let cache = cache.clone();
            move || cache.lock_setup(|text| tell.send(text.to_owned()).unwrap()).map(drop)
        });
        let text = told.recv().unwrap();
        assert_eq!(
            text,
            format!("another set-up is running (process {}); waiting", std::process::id())
        );
        assert!(!second.is_finished());
        drop(first);
        second.join().unwrap().unwrap();
    }

    #[test]
    fn a_lock_that_another_keeps_is_given_up_with_a_message() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("warm-1.lock");
        let _other = lock_exclusive(&path).unwrap();
        let error = lock_patiently(&path, Duration::from_millis(100)).err().unwrap().to_string();
        assert!(error.contains("set-up is still at work on"), "{error}");
    }

    #[test]
    fn placing_replaces_what_was_broken() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path()).unwrap();
        fs::create_dir(cache.join("thing")).unwrap();
        fs::write(cache.join("thing/half"), "x").unwrap();
        let staged = cache.staging("thing").unwrap();
        fs::write(staged.join("whole"), "y").unwrap();
        let placed = cache.place(&staged, "thing").unwrap();
        assert!(placed.join("whole").exists());
        assert!(!placed.join("half").exists());
        assert_eq!(fs::read_dir(cache.join("staging")).unwrap().count(), 0);
    }

    #[test]
    fn keys_tell_their_parts_apart() {
        assert_eq!(key(&["ab", "c"]), key(&["ab", "c"]));
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
    }

    #[test]
    fn a_cache_that_cannot_be_made_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = format!("{:#}", Cache::at(file.join("cache")).unwrap_err());
        assert!(error.contains("CONVLENS_CACHE"), "{error}");
    }

    #[test]
    fn a_full_or_closed_disk_is_advised_on_and_nothing_else() {
        use std::io::{Error, ErrorKind};
        let advised = |kind: ErrorKind| {
            let error = anyhow::Error::from(Error::from(kind)).context("cannot write /cache/x");
            format!("{:#}", advise(error))
        };
        let full = advised(ErrorKind::StorageFull);
        assert!(
            full.starts_with("cannot write /cache/x: ") && full.contains("disk is full"),
            "{full}"
        );
        let closed = advised(ErrorKind::ReadOnlyFilesystem);
        assert!(
            closed.contains("make it writable") && closed.contains("CONVLENS_CACHE"),
            "{closed}"
        );
        assert!(!advised(ErrorKind::NotFound).contains("CONVLENS_CACHE"));
    }
}
