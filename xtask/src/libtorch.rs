//! libtorch: the user's own where it fits, else PyTorch's CPU archive, else the CPU part of PyPI's
//! wheel.

mod fetch;
mod sources;
#[cfg(test)]
mod tests;

use crate::cache::{self, Cache};
use crate::process;
use crate::python::Python;
use crate::step::Step;
use anyhow::{Context, Result, bail};
use sources::Sources;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The one version that tch 0.26 builds against.
pub(crate) const VERSION: &str = "2.13.0";

/// A libtorch that tch can build against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Libtorch {
    /// What `LIBTORCH` is set to.
    pub(crate) root: PathBuf,
}

impl Libtorch {
    pub(crate) fn lib(&self) -> PathBuf {
        self.root.join("lib")
    }

    /// The part for GPUs, where this is a build for CUDA. Nothing in it is called by name, so that linkers leave it
    /// out: whoever runs a program has to load it.
    pub(crate) fn gpu(&self) -> Option<PathBuf> {
        Some(self.lib().join("libtorch_cuda.so")).filter(|file| file.is_file())
    }
}

/// Puts a libtorch in place and says where.
pub(crate) fn provide(cache: &Cache, python: &Python, compiler: &Path) -> Result<Libtorch> {
    let mut step = Step::start("libtorch");
    if let Some(libtorch) = from_environment(cache)? {
        step.done(format!("{VERSION}, the one that LIBTORCH names: {}", libtorch.root.display()));
        return Ok(libtorch);
    }
    let name = format!("libtorch-{VERSION}-cpu");
    let root = cache.join(&name);
    if complaint(&root).is_none() {
        step.done(format!("{VERSION} in {}", root.display()));
        return Ok(Libtorch { root });
    }
    let sources = Sources::from_environment(python);
    let staged = fetch::assemble(cache, python, compiler, &mut step, sources)?;
    let root = cache.place(&staged, &name)?;
    cache::remove(&cache.join("staging/libtorch-download"))?;
    step.done(format!("{VERSION} in {}", root.display()));
    Ok(Libtorch { root })
}

/// `LIBTORCH` or `LIBTORCH_USE_PYTORCH`, when the user set them.
///
/// cargo hands us what set-up itself wrote to `.cargo/local.toml` as well: a directory in the
/// cache is ours, and is judged by the version in its name.
fn from_environment(cache: &Cache) -> Result<Option<Libtorch>> {
    if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        return from_pytorch(&process::path_variable()).map(Some);
    }
    match env::var_os("LIBTORCH").map(PathBuf::from) {
        Some(root) if !root.starts_with(cache.root()) => from_directory(&root).map(Some),
        _ => Ok(None),
    }
}

fn from_directory(root: &Path) -> Result<Libtorch> {
    let advice = format!(
        "convlens needs libtorch {VERSION}. Let LIBTORCH name one, or unset it (and remove \
         .cargo/local.toml) to let set-up fetch one."
    );
    if let Some(complaint) = complaint(root) {
        bail!("LIBTORCH names {}, which {complaint}\n{advice}", root.display());
    }
    Ok(Libtorch { root: root.canonicalize()? })
}

/// The torch of the Python that is active, as torch-sys would ask for it.
fn from_pytorch(path: &std::ffi::OsStr) -> Result<Libtorch> {
    const QUESTION: &str = "import torch, os; print(torch.__version__); \
                            print(os.path.dirname(torch.__file__))";
    let name = if env::var_os("VIRTUAL_ENV").is_some() { "python" } else { "python3" };
    let advice = "Install it with `pip install torch==2.13.0` into the Python that is active, or \
                  unset LIBTORCH_USE_PYTORCH to let set-up fetch a libtorch.";
    let Some(python) = process::find_on_path(&[name], path) else {
        bail!("LIBTORCH_USE_PYTORCH is set, but there is no {name} on the PATH\n{advice}");
    };
    let answer =
        process::capture(process::command(&python).args(["-c", QUESTION])).with_context(|| {
            format!(
                "LIBTORCH_USE_PYTORCH is set, but {} cannot import torch\n{advice}",
                python.display()
            )
        })?;
    let (version, root) =
        answer.trim().split_once('\n').context("torch does not say its version")?;
    if !is_wanted(version) {
        bail!(
            "LIBTORCH_USE_PYTORCH is set, but {} has torch {version}; convlens needs {VERSION}\n\
             {advice}",
            python.display()
        );
    }
    Ok(Libtorch { root: PathBuf::from(root) })
}

/// What is wrong with a libtorch directory; `None` for one that will do.
fn complaint(root: &Path) -> Option<String> {
    if !root.is_dir() {
        return Some("does not exist".to_owned());
    }
    let (prefix, suffix) = if cfg!(target_os = "macos") { ("lib", "dylib") } else { ("lib", "so") };
    for name in ["torch_cpu", "torch", "c10"] {
        let file = format!("lib/{prefix}{name}.{suffix}");
        if !root.join(&file).is_file() {
            return Some(format!("has no {file}"));
        }
    }
    if !root.join("include/torch/csrc/api/include/torch/torch.h").is_file() {
        return Some("has no C++ headers (include/torch)".to_owned());
    }
    match version_of(root) {
        Some(version) if is_wanted(&version) => None,
        Some(version) => Some(format!("is libtorch {version}, not {VERSION}")),
        None => Some("does not say its version (no build-version, no version.py)".to_owned()),
    }
}

/// `build-version` in archives, `version.py` in an installed torch.
fn version_of(root: &Path) -> Option<String> {
    if let Ok(text) = fs::read_to_string(root.join("build-version")) {
        return Some(text.trim().to_owned());
    }
    let text = fs::read_to_string(root.join("version.py")).ok()?;
    let line = text.lines().find(|line| line.starts_with("__version__"))?;
    line.split(['\'', '"']).nth(1).map(str::to_owned)
}

/// `2.13.0` and `2.13.0+cpu`, not `2.13.0a0`.
fn is_wanted(version: &str) -> bool {
    version.trim().split('+').next() == Some(VERSION)
}
