//! What a registry would hand out: both crates' archives, and whether they work from a notebook.

use crate::cache;
use crate::clone;
use crate::kernel;
use crate::process;
use crate::python::Script;
use crate::record::Record;
use crate::setup::Ready;
use crate::step::Step;
use crate::warm::{self, Warm};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// crates.io takes no more bytes.
const MOST: u64 = 10_000_000;

/// Those that others need, and last the one that needs them.
const CRATES: [&str; 5] =
    ["convlens", "convlens-fast", "convlens-formats", "convlens-libtorch", "convlens-scenes"];

/// Packages the crates, unpacks them, and lets a kernel that knows nothing of this checkout compile
/// and use them from `:dep`.
pub(crate) fn test(ready: &Ready) -> Result<()> {
    let mut step = Step::start("Packages");
    let dir = ready.checkout.join("target/package-test");
    cache::remove(&dir)?;
    let unpacked = pack(&ready.checkout, &dir, &mut step)?;
    step.note("compiling them in a kernel of their own");
    let record = Record::load(&Record::file(&ready.cache, &ready.checkout))?;
    let clone = clone::claim(&ready.cache)?;
    let warm = Warm { dir: record.warm.clone() };
    {
        let _lock = cache::lock_exclusive(&warm.lock_file())?;
        clone::tree(&warm.dir, &clone.work())?;
    }
    // They are in no registry yet: in their places cargo takes the archives that lie beside. evcxr
    // writes a configuration of its own into the directory that it works in, so ours stands above.
    let mut patch = "[patch.crates-io]\n".to_owned();
    for (name, path) in CRATES.iter().zip(&unpacked[..CRATES.len() - 1]) {
        patch += &format!("{name} = {{ path = \"{}\" }}\n", warm::toml_string(path));
    }
    cache::write_atomically(&clone.dir.join(".cargo/config.toml"), &patch)?;
    let kernel = kernel::in_clone(&record, &clone, "")?;
    let variables: serde_json::Map<String, serde_json::Value> = kernel
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value?.to_str()?.into())))
        .collect();
    let spec = json!({
        "argv": [kernel.get_program().to_str(), "{connection_file}"],
        "display_name": "Rust (packages)",
        "language": "rust",
        "interrupt_mode": "message",
        "env": variables,
    });
    // Under the name that the notebook runner starts; this folder is looked into first.
    cache::write_atomically(&dir.join("jupyter/kernels/convlens/kernel.json"), &spec.to_string())?;
    let notebook = dir.join("packages.ipynb");
    cache::write_atomically(&notebook, &notebook_of(&unpacked).to_string())?;
    let mut command = ready.python.script(&ready.cache, Script::RunNotebook)?;
    command
        .arg(&notebook)
        .arg("--output")
        .arg(dir.join("executed.ipynb"))
        .env("JUPYTER_PATH", dir.join("jupyter"))
        .env("CARGO_NET_OFFLINE", "true");
    let ended = process::watch(&mut command, |line| step.note(line))?;
    if !ended.success() {
        bail!("the packaged crates do not work in a notebook");
    }
    step.done("they work unpacked, from `:dep`");
    Ok(())
}

/// Where the archives of both crates are unpacked.
fn pack(checkout: &Path, dir: &Path, step: &mut Step) -> Result<Vec<PathBuf>> {
    let mut cargo = process::command("cargo");
    // What is not committed yet is to be tested, too; and to compile is the kernel's part.
    cargo.args(["package", "--quiet", "--offline", "--no-verify", "--allow-dirty"]);
    for name in CRATES {
        cargo.args(["--package", name]);
    }
    cargo.arg("--target-dir").arg(dir.join("target")).current_dir(checkout);
    process::capture(&mut cargo)?;
    let archives = dir.join("target/package");
    CRATES.map(|name| unpack(&archives, name, step)).into_iter().collect()
}

fn unpack(archives: &Path, name: &str, step: &mut Step) -> Result<PathBuf> {
    let prefix = format!("{name}-");
    let of_crate = |path: &PathBuf| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let version = stem.strip_prefix(&prefix).unwrap_or_default();
        version.starts_with(|c: char| c.is_ascii_digit())
            && path.extension().is_some_and(|extension| extension == "crate")
    };
    let archive = fs::read_dir(archives)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(of_crate)
        .with_context(|| format!("cargo packaged no {name}"))?;
    let size = archive.metadata()?.len();
    step.note(format!("{name}: {:.1} MB", size as f64 / 1e6));
    if size > MOST {
        bail!("{} has {size} bytes; a registry takes at most {MOST}", archive.display());
    }
    let mut tar = process::command("tar");
    process::capture(tar.arg("-xzf").arg(&archive).arg("-C").arg(archives))?;
    Ok(archive.with_extension(""))
}

/// What a reader would type; a cell that shows no picture panics.
fn notebook_of(unpacked: &[PathBuf]) -> serde_json::Value {
    let dependencies: String = CRATES
        .iter()
        .zip(unpacked)
        .filter(|(name, _)| ["convlens", "convlens-scenes"].contains(*name))
        .map(|(name, path)| format!(":dep {name} = {{ path = \"{}\" }}\n", warm::toml_string(path)))
        .collect();
    let uses = "use convlens::prelude::*;\nuse convlens_scenes::prelude::*;";
    // evcxr learns from its first `?` that cells return errors, and shows nothing in that cell.
    let makes = "let tile = Salt::default().seed(100_004).section()?;";
    let looks = "let look = networks::salt_unet()?.look(&tile.photo()?)?;\n\
                 let heat = zoo::squeezenet1_1()?.look(&Pets::default().pet()?.photo()?)?\
                 .explain(&GradCam::default())?;\n\
                 assert!(heat.bundle().as_picture().is_some());\n\
                 tile.compared(&look.segmentation()?)?";
    let cell = |id: &str, source: String| {
        json!({
            "cell_type": "code",
            "execution_count": null,
            "id": id,
            "metadata": {},
            "outputs": [],
            "source": source,
        })
    };
    json!({
        "cells": [
            cell("use", dependencies + uses),
            cell("make", makes.to_owned()),
            cell("look", looks.to_owned()),
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    })
}
