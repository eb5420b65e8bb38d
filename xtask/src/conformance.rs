//! ONNX's own cases for its operators, against what the library computes.

use crate::cache;
use crate::process;
use crate::python::{self, Script};
use crate::setup::Ready;
use anyhow::Result;

/// Writes the cases and prints how many of each operator pass, are refused with a reason, or are wrong.
pub(crate) fn run(ready: &Ready) -> Result<()> {
    let python = python::onnx(&ready.cache)?;
    let folder = ready.checkout.join("target/conformance");
    cache::remove(&folder)?;
    let mut script = python.script(&ready.cache, Script::Conformance)?;
    process::run(script.arg(&folder))?;
    let mut cargo = process::command("cargo");
    cargo.args(["run", "--package", "convlens", "--example", "conformance", "--"]).arg(&folder);
    process::run(cargo.current_dir(&ready.checkout))
}
