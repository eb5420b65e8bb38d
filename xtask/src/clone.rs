//! A kernel's own clone of the warmed directory: made when it starts, removed when it ends.
//!
//! evcxr's target directory serves one kernel at a time. What no kernel ever changes, the
//! libraries of crates from the registry, is hard-linked; everything else is copied, with its
//! times, by which cargo knows that nothing is to be done.

use crate::cache::{self, Cache};
use anyhow::{Context, Result};
use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A clone's directory while its kernel lives.
pub(crate) struct Clone {
    pub(crate) dir: PathBuf,
    /// Locked for as long as any process holds it open.
    pub(crate) lock: File,
}

impl Clone {
    /// What `EVCXR_TMPDIR` is set to.
    pub(crate) fn work(&self) -> PathBuf {
        self.dir.join("work")
    }
}

/// Takes a new, empty place for a clone, after removing what dead kernels left behind.
pub(crate) fn claim(cache: &Cache) -> Result<Clone> {
    let kernels = cache.join("kernels");
    fs::create_dir_all(&kernels).with_context(|| format!("cannot create {}", kernels.display()))?;
    // Between the making of a place and its locking nobody may sweep.
    let _lock = cache::lock_exclusive(&kernels.join(".lock"))?;
    sweep(&kernels)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let dir = kernels.join(format!("{}-{}", std::process::id(), now.as_nanos()));
    fs::create_dir(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let lock = cache::open_lock(&lock_of(&dir))?;
    lock.lock()?;
    Ok(Clone { dir, lock })
}

/// Removes the clone in `dir` if its kernel has ended; tells whether it had.
pub(crate) fn remove_if_ended(dir: &Path) -> Result<bool> {
    if !dir.exists() {
        return Ok(true);
    }
    let lock = cache::open_lock(&lock_of(dir))?;
    let ended = lock.try_lock().is_ok();
    if ended {
        cache::remove(dir)?;
    }
    Ok(ended)
}

fn sweep(kernels: &Path) -> Result<()> {
    for entry in fs::read_dir(kernels)? {
        let dir = entry?.path();
        if !dir.is_dir() {
            continue;
        }
        // What another user of this cache made stays for them to remove.
        let _ = remove_if_ended(&dir);
    }
    Ok(())
}

fn lock_of(dir: &Path) -> PathBuf {
    dir.join("lock")
}

/// Clones the tree under `from` to `to`, which is created.
pub(crate) fn tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            // rustc's incremental state is large, and only of use to whoever edits convlens.
            if entry.file_name() != "incremental" {
                tree(&source, &target)?;
            }
        } else if is_immutable(&source) && fs::hard_link(&source, &target).is_ok() {
        } else {
            copy(&source, &target).with_context(|| {
                format!("cannot copy {} to {}", source.display(), target.display())
            })?;
        }
    }
    Ok(())
}

/// A library of a registry crate: cargo and rustc replace such a file, but never write into it.
fn is_immutable(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let in_deps = file.parent().and_then(Path::file_name).is_some_and(|dir| dir == "deps");
    let library = ["rlib", "rmeta", "so", "dylib"]
        .iter()
        .any(|extension| file.extension().is_some_and(|e| e == *extension));
    let ours = ["libconvlens", "libctx", "libcode_"].iter().any(|prefix| name.starts_with(prefix));
    in_deps && library && !ours
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)?;
    let modified = from.metadata()?.modified()?;
    File::options().write(true).open(to)?.set_times(FileTimes::new().set_modified(modified))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;
    use std::time::Duration;

    fn warmed() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let file = dir.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "warmed").unwrap();
            let old = SystemTime::now() - Duration::from_secs(1000);
            File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
        };
        for name in [
            "Cargo.toml",
            "target/x/debug/deps/libtch-1.rlib",
            "target/x/debug/deps/libconvlens-2.rlib",
            "target/x/debug/deps/tch-1.d",
            "target/x/debug/.fingerprint/tch-1/invoked.timestamp",
            "target/x/debug/incremental/convlens/x",
        ] {
            write(name);
        }
        dir
    }

    #[test]
    fn a_clone_links_foreign_libraries_and_copies_everything_else() {
        let (warm, place) = (warmed(), tempfile::tempdir().unwrap());
        let to = place.path().join("work");
        tree(warm.path(), &to).unwrap();
        let same = |name: &str| {
            let (a, b) = (warm.path().join(name), to.join(name));
            assert_eq!(a.metadata().unwrap().mtime(), b.metadata().unwrap().mtime(), "{name}");
            a.metadata().unwrap().ino() == b.metadata().unwrap().ino()
        };
        assert!(same("target/x/debug/deps/libtch-1.rlib"));
        assert!(!same("target/x/debug/deps/libconvlens-2.rlib"));
        assert!(!same("target/x/debug/deps/tch-1.d"));
        assert!(!same("target/x/debug/.fingerprint/tch-1/invoked.timestamp"));
        assert!(!same("Cargo.toml"));
        assert!(!to.join("target/x/debug/incremental").exists());
    }

    #[test]
    fn nothing_that_a_kernel_writes_reaches_the_warmed_directory() {
        let (warm, place) = (warmed(), tempfile::tempdir().unwrap());
        let to = place.path().join("work");
        tree(warm.path(), &to).unwrap();
        // cargo writes into these in place, and replaces libraries.
        for name in [
            "Cargo.toml",
            "target/x/debug/deps/tch-1.d",
            "target/x/debug/deps/libconvlens-2.rlib",
            "target/x/debug/.fingerprint/tch-1/invoked.timestamp",
        ] {
            File::options().append(true).open(to.join(name)).unwrap().write_all(b"+").unwrap();
            assert_eq!(fs::read_to_string(warm.path().join(name)).unwrap(), "warmed", "{name}");
        }
        let library = "target/x/debug/deps/libtch-1.rlib";
        fs::remove_file(to.join(library)).unwrap();
        fs::write(to.join(library), "new").unwrap();
        assert_eq!(fs::read_to_string(warm.path().join(library)).unwrap(), "warmed");
    }

    #[test]
    fn a_clone_lives_as_long_as_its_kernel_and_no_longer() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path()).unwrap();
        let clone = claim(&cache).unwrap();
        let path = clone.dir.clone();
        // Another kernel starts meanwhile: it leaves the living one alone.
        let other = claim(&cache).unwrap();
        assert!(!remove_if_ended(&path).unwrap());
        assert!(path.exists());
        drop(clone);
        assert!(remove_if_ended(&path).unwrap());
        assert!(!path.exists());
        assert!(other.dir.exists());
    }

    #[test]
    fn what_a_crashed_kernel_left_goes_with_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path()).unwrap();
        let crashed = claim(&cache).unwrap();
        let left = crashed.dir.clone();
        fs::create_dir(left.join("work")).unwrap();
        drop(crashed);
        assert!(left.exists());
        let next = claim(&cache).unwrap();
        assert!(!left.exists());
        assert!(next.dir.exists());
    }
}
