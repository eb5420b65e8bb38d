//! The kernel of `kernel/`, compiled once for each state of its sources.

use crate::cache::{self, Cache};
use crate::memory;
use crate::process;
use crate::record::Record;
use crate::setup::Ready;
use crate::step::{Crates, Step};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The crate's folder in the checkout, and its program.
const CRATE: &str = "kernel";
const PROGRAM: &str = "convlens-kernel";
/// The crate's own, so that an interrupted build goes on where it stopped, and a later state of
/// the sources costs seconds.
const TARGET: &str = "target";

/// Where the kernel is after set-up.
pub(crate) fn provide(cache: &Cache, checkout: &Path) -> Result<PathBuf> {
    let mut step = Step::start("Rust's kernel");
    let name = format!("kernel-{}", key(&checkout.join(CRATE))?);
    let program = cache.join(&name).join(PROGRAM);
    if !answers(&program) {
        let built = build(&checkout.join(CRATE), &mut step)?;
        let staged = cache.staging(&name)?;
        fs::copy(&built, staged.join(PROGRAM)).context("cannot copy the kernel")?;
        cache.place(&staged, &name)?;
        if !answers(&program) {
            bail!("{} was built but does not run", program.display());
        }
    }
    step.done(program.display());
    Ok(program)
}

/// Removes kernels that no checkout uses any longer. One that runs is in memory.
pub(crate) fn tidy(cache: &Cache) -> Result<()> {
    let used: Vec<PathBuf> = Record::all(cache).into_iter().map(|record| record.kernel).collect();
    for entry in fs::read_dir(cache.root())? {
        let dir = entry?.path();
        let is_kernel =
            dir.file_name().is_some_and(|name| name.to_string_lossy().starts_with("kernel-"));
        if is_kernel && !used.contains(&dir.join(PROGRAM)) {
            cache::remove(&dir)?;
        }
    }
    Ok(())
}

/// Of everything that the crate is compiled from.
fn key(dir: &Path) -> Result<String> {
    let mut files: Vec<PathBuf> = ["Cargo.toml", "Cargo.lock"].map(|name| dir.join(name)).into();
    let sources = fs::read_dir(dir.join("src"))
        .with_context(|| format!("cannot read {}", dir.join("src").display()))?;
    for entry in sources {
        files.push(entry?.path());
    }
    files.sort();
    let mut parts = Vec::new();
    for file in files {
        let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        parts.push(file.file_name().unwrap_or_default().as_encoded_bytes().to_vec());
        parts.push(text);
    }
    Ok(cache::key(&parts))
}

fn answers(program: &Path) -> bool {
    process::is_executable(program)
        && process::capture(process::command(program).arg("--version"))
            .is_ok_and(|text| text.starts_with(PROGRAM))
}

fn build(dir: &Path, step: &mut Step) -> Result<PathBuf> {
    step.note("compiling the kernel: the first time, with evcxr under it, takes 5 to 15 minutes");
    let mut crates = Crates::new();
    let mut cargo = cargo("build", dir);
    if let Some(slower) = memory::limit_jobs(&mut cargo) {
        step.note(slower);
    }
    let ended = process::watch(&mut cargo, |line| {
        if line.trim_start().starts_with("Compiling") {
            crates.begun += 1;
        }
        crates.tell(step);
    })?;
    if !ended.success() {
        bail!("{}", explain(&ended.tail));
    }
    Ok(dir.join(TARGET).join("release").join(PROGRAM))
}

fn cargo(subcommand: &str, dir: &Path) -> Command {
    let mut cargo = process::command("cargo");
    cargo
        .args([subcommand, "--release", "--locked", "--target-dir", TARGET])
        .current_dir(dir)
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER");
    cargo
}

/// The crate's own tests, those by Jupyter's clients among them.
pub(crate) fn test(ready: &Ready) -> Result<()> {
    let mut tests = cargo("test", &ready.checkout.join(CRATE));
    process::run(tests.env("CONVLENS_KERNEL_PYTHON", &ready.python.executable))
}

fn explain(tail: &str) -> String {
    let reason = if tail.contains("No space left on device") {
        "the kernel cannot be built: the disk is full\n\
         The build needs 1.2 GB. Free some room, and start again: what is built stays built."
    } else if [
        "Could not resolve host",
        "Couldn't resolve host",
        "failed to download",
        "spurious network error",
        "download of config.json failed",
    ]
    .iter()
    .any(|sign| tail.contains(sign))
    {
        "the kernel cannot be built: cargo could not reach the crate registry\n\
         Is there a network? Then start again: what is done stays done."
    } else {
        "the kernel cannot be built"
    };
    format!("{reason}\ncargo said:\n{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_state_of_the_sources_is_another_kernel() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("src")).unwrap();
        for (name, text) in [("Cargo.toml", "a"), ("Cargo.lock", "b"), ("src/main.rs", "c")] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let before = key(dir.path()).unwrap();
        assert_eq!(key(dir.path()).unwrap(), before);
        fs::write(dir.path().join("src/main.rs"), "d").unwrap();
        assert_ne!(key(dir.path()).unwrap(), before);
    }

    #[test]
    fn a_checkout_without_the_crate_is_an_error_that_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let error = format!("{:#}", key(dir.path()).unwrap_err());
        assert!(error.contains("src"), "{error}");
    }

    #[test]
    fn a_kernel_that_no_checkout_uses_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path()).unwrap();
        for name in ["kernel-1", "kernels", "warm-1"] {
            fs::create_dir(cache.join(name)).unwrap();
        }
        tidy(&cache).unwrap();
        assert!(!cache.join("kernel-1").exists());
        assert!(cache.join("kernels").exists() && cache.join("warm-1").exists());
    }

    #[test]
    fn a_build_on_a_full_disk_says_so() {
        let text = explain("error: failed to write /x: No space left on device (os error 28)");
        assert!(
            text.contains("the disk is full") && text.contains("what is built stays"),
            "{text}"
        );
    }

    #[test]
    fn a_build_without_a_network_says_so() {
        let text =
            explain("[6] Could not resolve hostname (Could not resolve host: index.example)");
        assert!(text.contains("could not reach the crate registry"), "{text}");
    }
}
