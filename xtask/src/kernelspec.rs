//! The kernelspec "Rust (convlens)", where every Jupyter of the user finds it.

use crate::cache::{self, Cache};
use crate::kernel;
use crate::process::LIBRARY_PATH;
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

/// This very program, at a place that outlives the checkout's `target`.
fn install_launcher(cache: &Cache) -> Result<PathBuf> {
    // On Linux this is the program that runs, even when cargo has replaced its file since.
    let program = match Path::new("/proc/self/exe") {
        running if running.exists() => running.to_owned(),
        _ => env::current_exe()?,
    };
    let bytes = fs::read(&program).context("cannot read the kernel's launcher")?;
    let name = format!("convlens-kernel-{}", cache::key(&[bytes]));
    let bin = cache.join("bin");
    let launcher = bin.join(&name);
    if !launcher.exists() {
        let staged = cache.staging("launcher")?.join(&name);
        fs::copy(&program, &staged).context("cannot copy the kernel's launcher")?;
        fs::create_dir_all(&bin)?;
        fs::rename(&staged, &launcher)?;
        cache::remove(&cache.join("staging/launcher"))?;
    }
    for entry in fs::read_dir(&bin)? {
        let file = entry?.path();
        let old =
            file.file_name().is_some_and(|n| n.to_string_lossy().starts_with("convlens-kernel-"));
        if old && file != launcher {
            cache::remove(&file)?;
        }
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
