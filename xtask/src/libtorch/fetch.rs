//! libtorch from the network: PyTorch's CPU archive, else the CPU part of PyPI's wheel.

use super::sources::Sources;
use super::{VERSION, complaint};
use crate::cache::{self, Cache};
use crate::download::{self, Download, Failed, Reason};
use crate::process;
use crate::pypi::{self, NoPackage};
use crate::python::{Python, Script};
use crate::step::Step;
use anyhow::{Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Fetches, unpacks and completes a libtorch in a staging directory.
pub(super) fn assemble(
    cache: &Cache,
    python: &Python,
    compiler: &Path,
    step: &mut Step,
    sources: Sources,
) -> Result<PathBuf> {
    let archives = match from_archive(cache, python, step, &sources)? {
        Ok(file) => vec![file],
        Err(failed) => from_index(cache, python, step, sources, &failed)?,
    };
    let staged = cache.join("staging/libtorch");
    cache::remove(&staged)?;
    fs::create_dir_all(&staged)?;
    step.note("unpacking");
    let mut command = python.script(cache, Script::Unpack)?;
    let ended = process::watch(command.arg(&staged).args(&archives), |_| {})?;
    if !ended.success() {
        cache::remove(&staged)?;
        if ended.code == Some(6) {
            bail!(
                "libtorch cannot be unpacked: {}\n\
                 It needs 1.1 GB while it is put in place. Free some room, or put the cache \
                 elsewhere with CONVLENS_CACHE, and start again.",
                ended.tail
            );
        }
        // A damaged archive must not be found again by the next run.
        for archive in &archives {
            cache::remove(archive)?;
        }
        bail!("the download is damaged: {}\nIt was thrown away. Start again.", ended.tail);
    }
    if !staged.join("build-version").exists() {
        fs::write(staged.join("build-version"), format!("{VERSION}+cpu\n"))?;
    }
    link_umbrella(&staged, compiler)?;
    if let Some(complaint) = complaint(&staged) {
        for archive in &archives {
            cache::remove(archive)?;
        }
        bail!(
            "what was downloaded {complaint}\n\
             If CONVLENS_LIBTORCH_URL is set, it should name the archive of libtorch {VERSION}."
        );
    }
    check_that_it_loads(python, &staged)?;
    Ok(staged)
}

/// PyTorch's archive; the inner error is a reason to try the package index.
fn from_archive(
    cache: &Cache,
    python: &Python,
    step: &mut Step,
    sources: &Sources,
) -> Result<std::result::Result<PathBuf, Option<Failed>>> {
    let Some(url) = &sources.archive else { return Ok(Err(None)) };
    step.note(format!("asking {} for PyTorch's CPU archive", server(url)));
    let file = cache.staging("libtorch-download")?.join(file_name(url));
    let download = Download {
        url,
        index: None,
        sha256: sources.archive_sha256.as_deref(),
        reach_seconds: sources.reach_seconds,
    };
    match download::fetch(cache, python, step, &download, &file)? {
        Ok(file) => Ok(Ok(file)),
        // A full disk is full on every road, and a part that is there is worth going on with.
        Err(failed) if matches!(failed.reason, Reason::Disk | Reason::Cut | Reason::Corrupt) => {
            Err(failed.into())
        }
        Err(failed) => {
            step.note(format!(
                "{} cannot be had ({}): taking libtorch from the Python package index instead",
                server(url),
                failed.detail()
            ));
            Ok(Err(Some(failed)))
        }
    }
}

/// The wheels, each checked against its SHA-256.
fn from_index(
    cache: &Cache,
    python: &Python,
    step: &mut Step,
    sources: Sources,
    archive: &Option<Failed>,
) -> Result<Vec<PathBuf>> {
    let dir = cache.staging("libtorch-download")?;
    let mut files = Vec::new();
    for wheel in sources.wheels? {
        match pypi::fetch(cache, python, step, wheel, &sources.index, &dir)? {
            Ok(file) => files.push(file),
            Err(failed) => bail!("{}", both_roads(archive, &failed)),
        }
    }
    Ok(files)
}

fn both_roads(archive: &Option<Failed>, wheel: &NoPackage) -> String {
    let archive = match archive {
        Some(failed) => format!("PyTorch's archive: {}", failed.detail()),
        None => "PyTorch's archive: there is none for this platform".to_owned(),
    };
    format!(
        "libtorch {VERSION} cannot be had on either road\n  \
         {archive}\n  \
         Python package index: {}\n\
         Is there a network? Behind a proxy, set HTTPS_PROXY; for mirrors, CONVLENS_LIBTORCH_URL \
         (a libtorch archive) or PIP_INDEX_URL. With a libtorch {VERSION} of your own, set \
         LIBTORCH to its directory.\n{:#}",
        wheel.index.detail(),
        wheel.pip
    )
}

/// tch links against `torch`; the wheel's own would ask for CUDA, so an empty one leads on to the
/// CPU part.
fn link_umbrella(root: &Path, compiler: &Path) -> Result<()> {
    let lib = root.join("lib");
    if lib.join("libtorch.so").exists() || cfg!(target_os = "macos") {
        return Ok(());
    }
    let source = root.join("empty.cpp");
    fs::write(&source, "")?;
    let linked = process::watch(
        process::command(compiler)
            .args(["-shared", "-fPIC", "-o"])
            .arg(lib.join("libtorch.so"))
            .arg(&source)
            .arg(format!("-L{}", lib.display()))
            .args(["-Wl,--no-as-needed", "-ltorch_cpu", "-lc10", "-Wl,-rpath,$ORIGIN"])
            .arg("-Wl,--unresolved-symbols=ignore-in-shared-libs"),
        |_| {},
    )?;
    fs::remove_file(&source)?;
    if !linked.success() {
        bail!("{} cannot link libtorch.so\n{}", compiler.display(), linked.tail);
    }
    Ok(())
}

/// A libtorch that this system cannot load should say so now, not in a test.
fn check_that_it_loads(python: &Python, root: &Path) -> Result<()> {
    let name = if cfg!(target_os = "macos") { "libtorch.dylib" } else { "libtorch.so" };
    let mut command = process::command(&python.executable);
    command
        .args(["-c", "import ctypes, sys; ctypes.CDLL(sys.argv[1])"])
        .arg(root.join("lib").join(name));
    process::with_library_path(&mut command, &[root.join("lib")])?;
    let ended = process::watch(&mut command, |_| {})?;
    if !ended.success() {
        bail!(
            "libtorch {VERSION} does not load on this system: {}\n\
             It needs glibc 2.28 or later (Debian 10, Ubuntu 20.04, Fedora 29).",
            ended.tail.lines().last().unwrap_or_default()
        );
    }
    Ok(())
}

fn server(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

fn file_name(url: &str) -> String {
    let name = url.split(['?', '#']).next().unwrap_or(url).rsplit('/').next().unwrap_or("archive");
    name.replace("%2B", "+")
}
