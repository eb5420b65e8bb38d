//! Wheels from the Python package index, each checked against its SHA-256.

use crate::cache::Cache;
use crate::download::{self, Download, Failed, Reason};
use crate::process;
use crate::python::{self, Python};
use crate::step::Step;
use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// A wheel, the same for every Python of the user: only files in it are used.
pub(crate) struct Wheel {
    pub(crate) project: &'static str,
    pub(crate) file: &'static str,
    pub(crate) sha256: &'static str,
}

/// Why a wheel cannot be had: what the index said, and then pip.
#[derive(Debug)]
pub(crate) struct NoWheel {
    pub(crate) index: Failed,
    pub(crate) pip: anyhow::Error,
}

/// Fetches a wheel into `dir`. A full disk and a broken download are errors of their own: pip
/// would do no better.
pub(crate) fn fetch(
    cache: &Cache,
    python: &Python,
    step: &mut Step,
    wheel: &Wheel,
    index: &str,
    dir: &Path,
) -> Result<std::result::Result<PathBuf, NoWheel>> {
    step.note(format!("fetching {}", wheel.file));
    let page = format!("{}/{}/", index.trim_end_matches('/'), wheel.project);
    let download = Download {
        url: &page,
        index: Some(wheel.file),
        sha256: Some(wheel.sha256),
        reach_seconds: 20,
    };
    match download::fetch(cache, python, step, &download, &dir.join(wheel.file))? {
        Ok(file) => Ok(Ok(file)),
        Err(failed) if matches!(failed.reason, Reason::Disk | Reason::Cut | Reason::Corrupt) => {
            Err(failed.into())
        }
        Err(failed) => Ok(download_with_pip(python, wheel, index, dir)
            .map_err(|pip| NoWheel { index: failed, pip })),
    }
}

/// pip knows roads that we do not: credentials, several indexes, directories of wheels.
fn download_with_pip(python: &Python, wheel: &Wheel, index: &str, dir: &Path) -> Result<PathBuf> {
    let version = wheel.file.split('-').nth(1).context("a wheel's name holds its version")?;
    let platforms = wheel.file.trim_end_matches(".whl").rsplit('-').next().unwrap_or_default();
    let list = dir.join(format!("{}.txt", wheel.project));
    fs::write(&list, format!("{}=={version} --hash=sha256:{}\n", wheel.project, wheel.sha256))?;
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
    Ok(dir.join(wheel.file))
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
