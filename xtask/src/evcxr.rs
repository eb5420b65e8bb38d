//! evcxr_jupyter at a pinned version: an installed one, else one built for a short build.

use crate::cache::{self, Cache};
use crate::duration::duration;
use crate::memory;
use crate::process;
use crate::step::Step;
use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(crate) const VERSION: &str = "0.22.0";

/// Where the kernel is after set-up.
pub(crate) fn provide(cache: &Cache) -> Result<PathBuf> {
    let mut step = Step::start("evcxr_jupyter");
    if let Some(installed) = installed() {
        step.done(format!("{VERSION}, installed already: {}", installed.display()));
        return Ok(installed);
    }
    let name = format!("evcxr-{VERSION}");
    let binary = cache.join(&name).join("bin/evcxr_jupyter");
    if answers(&binary) {
        step.done(format!("{VERSION} in {}", cache.join(&name).display()));
        return Ok(binary);
    }
    build(cache, &mut step, &name)?;
    if !answers(&binary) {
        bail!("{} was built but does not run", binary.display());
    }
    step.done(format!("{VERSION} in {}", cache.join(&name).display()));
    Ok(binary)
}

/// One on the PATH or in cargo's own directory, of exactly our version.
fn installed() -> Option<PathBuf> {
    let cargo_bin = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| cache::home().ok().map(|home| home.join(".cargo")))?
        .join("bin");
    let dirs =
        env::join_paths(env::split_paths(&process::path_variable()).chain([cargo_bin])).ok()?;
    let binary = process::find_on_path(&["evcxr_jupyter"], &dirs)?;
    (is_wanted(&binary) && answers(&binary)).then_some(binary)
}

/// evcxr_jupyter has no `--version`: what cargo noted when it installed it counts, else the
/// source paths that a build from the registry leaves in the binary.
fn is_wanted(binary: &Path) -> bool {
    let noted = binary
        .parent()
        .and_then(Path::parent)
        .and_then(|root| fs::read_to_string(root.join(".crates.toml")).ok())
        .unwrap_or_default();
    if noted.contains("\"evcxr_jupyter ") {
        return noted.contains(&format!("\"evcxr_jupyter {VERSION} "));
    }
    let trace = format!("evcxr_jupyter-{VERSION}/");
    fs::read(binary).is_ok_and(|bytes| bytes.windows(trace.len()).any(|w| w == trace.as_bytes()))
}

fn answers(binary: &Path) -> bool {
    process::is_executable(binary)
        && process::capture(process::command(binary).arg("--help"))
            .is_ok_and(|text| text.contains("--install"))
}

/// `cargo install` with a profile chosen to build fast; its half-built crates are kept until it
/// succeeds, so that an interrupted build goes on where it stopped.
fn build(cache: &Cache, step: &mut Step, name: &str) -> Result<()> {
    step.note(format!("building evcxr_jupyter {VERSION}: 5 to 15 minutes, once"));
    let root = cache.staging(name)?;
    let target = cache.staging(&format!("{name}-target"))?;
    let started = Instant::now();
    let mut crates = 0;
    let mut told = Instant::now();
    let mut cargo = process::command("cargo");
    if let Some(slower) = memory::limit_jobs(&mut cargo) {
        step.note(slower);
    }
    let ended = process::watch(
        cargo
            .args(["install", "evcxr_jupyter", "--version", &format!("={VERSION}"), "--locked"])
            .args(["--no-track", "--force", "--root"])
            .arg(&root)
            .current_dir(cache.root())
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .env_remove("RUSTFLAGS")
            .env_remove("RUSTC_WRAPPER"),
        |line| {
            if line.trim_start().starts_with("Compiling") {
                crates += 1;
            }
            if told.elapsed() >= Duration::from_secs(20) {
                told = Instant::now();
                step.note(format!("{crates} crates begun, {}", duration(started.elapsed())));
            }
        },
    )?;
    if !ended.success() {
        bail!("{}", explain(&ended.tail));
    }
    cache.place(&root, name)?;
    cache::remove(&target).context("the build's leftovers")
}

fn explain(tail: &str) -> String {
    let reason = if tail.contains("No space left on device") {
        "evcxr_jupyter cannot be built: the disk is full\n\
         The build needs 1.5 GB for a while. Free some room, or put the cache elsewhere with \
         CONVLENS_CACHE, and start again: what is built stays built."
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
        "evcxr_jupyter cannot be built: cargo could not reach the crate registry\n\
         Is there a network? Then start again: what is done stays done."
    } else {
        "evcxr_jupyter cannot be built"
    };
    format!("{reason}\ncargo said:\n{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(notes: Option<&str>, binary: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("bin")).unwrap();
        let file = dir.path().join("bin/evcxr_jupyter");
        fs::write(&file, binary).unwrap();
        if let Some(notes) = notes {
            fs::write(dir.path().join(".crates.toml"), notes).unwrap();
        }
        (dir, file)
    }

    #[test]
    fn an_installed_kernel_of_the_pinned_version_is_taken() {
        let notes = "[v1]\n\"evcxr_jupyter 0.22.0 (registry+x)\" = [\"evcxr_jupyter\"]\n";
        let (_dir, file) = install(Some(notes), "");
        assert!(is_wanted(&file));
    }

    #[test]
    fn an_installed_kernel_of_another_version_is_not() {
        let notes = "[v1]\n\"evcxr_jupyter 0.21.1 (registry+x)\" = [\"evcxr_jupyter\"]\n";
        let (_dir, file) = install(Some(notes), "evcxr_jupyter-0.22.0/src/core.rs");
        assert!(!is_wanted(&file));
    }

    #[test]
    fn a_kernel_without_notes_is_known_by_its_source_paths() {
        let (_dir, file) = install(None, "..registry/src/x/evcxr_jupyter-0.22.0/src/core.rs..");
        assert!(is_wanted(&file));
        let (_dir, file) = install(None, "..registry/src/x/evcxr_jupyter-0.20.0/src/core.rs..");
        assert!(!is_wanted(&file));
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
