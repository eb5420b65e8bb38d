//! The kernelspec "Rust (convlens)", where every Jupyter of the user finds it.

use crate::cache::{self, Cache};
use crate::kernel;
use crate::process::{self, LIBRARY_PATH};
use crate::record::Record;
use crate::step::Step;
use anyhow::{Context, Result};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) const NAME: &str = "convlens";

/// Installs launcher and kernelspec.
pub(crate) fn install(cache: &Cache, record: &Record) -> Result<()> {
    let step = Step::start("Kernel \"Rust (convlens)\"");
    let launcher = install_launcher(cache)?;
    let dir = user_kernels()?.join(NAME);
    let record_file = record.save(cache)?;
    let spec = kernelspec(cache, record, &record_file, &launcher)?;
    cache::write_atomically(&dir.join("kernel.json"), &format!("{spec:#}\n"))?;
    step.done(dir.display());
    Ok(())
}

/// Where kernels' launcher is: at a place that outlives the checkout's `target`. The name stays the same: a Jupyter
/// that runs starts its kernels again by what the kernelspec said when they began.
pub(crate) fn launcher(cache: &Cache) -> PathBuf {
    cache.join("bin/convlens-kernel")
}

/// This very program.
fn install_launcher(cache: &Cache) -> Result<PathBuf> {
    let program = process::this_program()?;
    let launcher = launcher(cache);
    let bytes = fs::read(&program).context("cannot read the kernel's launcher")?;
    if !fs::read(&launcher).is_ok_and(|installed| installed == bytes) {
        let staged = cache.staging("launcher")?.join("program");
        fs::copy(&program, &staged).context("cannot copy the kernel's launcher")?;
        fs::create_dir_all(cache.join("bin"))?;
        fs::rename(&staged, &launcher)?;
        cache::remove(&cache.join("staging/launcher"))?;
    }
    Ok(launcher)
}

fn kernelspec(
    cache: &Cache,
    record: &Record,
    record_file: &Path,
    launcher: &Path,
) -> Result<serde_json::Value> {
    let libraries = env::join_paths(record.environment.libraries())?;
    let libtorch = &record.environment.variables()["LIBTORCH"];
    Ok(serde_json::json!({
        "argv": [launcher, "kernel", "{connection_file}"],
        "display_name": "Rust (convlens)",
        "language": "rust",
        "interrupt_mode": "message",
        "env": {
            "LIBTORCH": libtorch,
            LIBRARY_PATH: libraries.to_string_lossy(),
            // The launcher clones this directory and hands the clone on under the same name.
            "EVCXR_TMPDIR": record.warm,
            "CONVLENS_CACHE": cache.root(),
            kernel::RECORD: record_file,
        },
    }))
}

/// Jupyter's data directory of this user.
fn user_kernels() -> Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = if let Some(dir) = set("JUPYTER_DATA_DIR") {
        dir
    } else if cfg!(target_os = "macos") {
        cache::home()?.join("Library/Jupyter")
    } else if let Some(dir) = set("XDG_DATA_HOME") {
        dir.join("jupyter")
    } else {
        cache::home()?.join(".local/share/jupyter")
    };
    Ok(data.join("kernels"))
}
