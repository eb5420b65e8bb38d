//! Set-up: every step in its order, each skipped when it is done.

use crate::cache::{self, Cache};
use crate::cargo_config;
use crate::compiler;
use crate::environment::Environment;
use crate::kernel_build;
use crate::kernelspec;
use crate::lab;
use crate::libtorch;
use crate::python::{self, Python};
use crate::record::Record;
use crate::rust_src;
use crate::warm;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// What the commands after set-up work with.
pub(crate) struct Ready {
    pub(crate) checkout: PathBuf,
    pub(crate) cache: Cache,
    pub(crate) python: Python,
}

pub(crate) fn run() -> Result<Ready> {
    every_step().map_err(cache::advise)
}

fn every_step() -> Result<Ready> {
    let checkout = checkout();
    let cache = Cache::open()?;
    let _lock = cache.lock_setup(|text| println!("[..] {text}"))?;
    if !Record::file(&cache, &checkout).exists() {
        println!(
            "A first set-up takes 10 to 20 minutes on two cores, 1.3 GB in {} and 1.0 GB in kernel/target.\n\
             It can be interrupted: the next run goes on where it stopped.",
            cache.root().display()
        );
    }
    let compiler = compiler::find()?;
    let python = python::environment(&cache)?;
    lab::without_news(&python)?;
    let libtorch = libtorch::provide(&cache, &python, &compiler)?;
    cargo_config::write(&checkout, &libtorch)?;
    let rust_src = rust_src::provide(&cache)?;
    let kernel = kernel_build::provide(&cache, &checkout)?;
    let environment = Environment::of(&libtorch)?;
    let warm = warm::provide(&cache, &checkout, &environment)?;
    let record = Record {
        checkout: checkout.clone(),
        kernel,
        rust_src,
        warm: warm.dir.clone(),
        environment,
    };
    kernelspec::install(&cache, &record)?;
    warm::tidy(&cache, &warm)?;
    kernel_build::tidy(&cache)?;
    Ok(Ready { checkout, cache, python })
}

/// The checkout that this program was built from.
pub(crate) fn checkout() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}
