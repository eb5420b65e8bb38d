//! Rust's own sources, which rust-analyzer inside evcxr reads to know a variable's type.
//!
//! They are copied without what no notebook asks for: the SIMD intrinsics alone are as much text
//! as everything else. A kernel then starts some five seconds earlier and takes 0.2 GB less.

use crate::cache::{self, Cache};
use crate::process;
use crate::step::Step;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// The crates that stay, `src` alone: no tests, no benches, no manifests.
const CRATES: [&str; 4] = ["core", "alloc", "std", "proc_macro"];

/// Puts the lean copy in place.
pub(crate) fn provide(cache: &Cache) -> Result<PathBuf> {
    let mut step = Step::start("Rust sources");
    let version = process::capture(process::command("rustc").arg("-vV"))?;
    let name = format!("rust-src-{}", cache::key(&[&version]));
    let dir = cache.join(&name);
    if CRATES.iter().all(|name| dir.join(name).join("src/lib.rs").is_file()) {
        step.done(dir.display());
        return Ok(dir);
    }
    let library = library(&mut step)?;
    let staged = cache.staging(&name)?;
    for name in CRATES {
        copy_tree(&library.join(name).join("src"), &staged.join(name).join("src"))?;
    }
    let dir = cache.place(&staged, &name)?;
    step.done(dir.display());
    Ok(dir)
}

/// What a kernel sees until its dependencies are known: evcxr's first build is of `42`, and to
/// read all of `std` for that takes as long as everything else.
pub(crate) fn write_stub(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir.join("core/src"))?;
    Ok(fs::write(dir.join("core/src/lib.rs"), "")?)
}

/// The component rust-src, added when it is missing.
fn library(step: &mut Step) -> Result<PathBuf> {
    let sysroot = process::capture(process::command("rustc").args(["--print", "sysroot"]))?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
    if library.join("core/src/lib.rs").is_file() {
        return Ok(library);
    }
    step.note("adding the component rust-src with rustup");
    let added =
        process::watch(process::command("rustup").args(["component", "add", "rust-src"]), |_| {});
    match added {
        Ok(ended) if ended.success() && library.join("core/src/lib.rs").is_file() => Ok(library),
        outcome => {
            let said = match outcome {
                Ok(ended) => ended.tail,
                Err(error) => format!("{error:#}"),
            };
            bail!(
                "Rust's sources are missing and cannot be added; without them the kernel does not \
                 know the types of variables\n\
                 Install them with `rustup component add rust-src` (or the package rust-src of \
                 your system) and start this command again.\n{said}"
            )
        }
    }
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)
                .with_context(|| format!("cannot write {}", target.display()))?;
        }
    }
    Ok(())
}
