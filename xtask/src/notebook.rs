//! Notebooks: executed in the real kernel, rendered, stored, tested.

use crate::process;
use crate::python::Script;
use crate::setup::Ready;
use crate::step::Step;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What to do with an executed notebook besides looking for failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Render it, and tell of its pictures.
    Show,
    /// Keep the outputs in the repository.
    Store,
    /// The repository's own copy must have outputs already, and stays as it is.
    Test,
}

/// How many bytes all stored notebooks may have together: a clone holds every version of them.
const MOST_BYTES: u64 = 12_000_000;

/// The notebooks whose names begin with one of `names`, in their order; all where there are none.
pub(crate) fn named(ready: &Ready, names: &[String]) -> Result<Vec<PathBuf>> {
    let all = all(ready)?;
    if names.is_empty() {
        return Ok(all);
    }
    let mut found = Vec::new();
    for name in names {
        let before = found.len();
        found.extend(all.iter().filter(|path| file_name(path).starts_with(name.as_str())).cloned());
        if found.len() == before {
            let known: Vec<String> = all.iter().map(|path| file_name(path)).collect();
            bail!("no notebook's name begins with {name}; there are\n  {}", known.join("\n  "));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// An error when the stored notebooks are too heavy together.
pub(crate) fn check_sizes(ready: &Ready) -> Result<()> {
    let mut sizes = Vec::new();
    for path in all(ready)? {
        sizes.push((path.metadata()?.len(), file_name(&path)));
    }
    check_sum(&sizes)
}

fn check_sum(sizes: &[(u64, String)]) -> Result<()> {
    let total: u64 = sizes.iter().map(|(size, _)| size).sum();
    if total > MOST_BYTES {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let list: Vec<String> =
            sizes.iter().map(|(size, name)| format!("{:.1} MB {name}", megabytes(*size))).collect();
        bail!(
            "the stored notebooks have {:.1} MB together, at most {:.0} MB may be stored:\n  {}",
            megabytes(total),
            megabytes(MOST_BYTES),
            list.join("\n  ")
        );
    }
    Ok(())
}

/// The notebooks of the checkout, in their order.
fn all(ready: &Ready) -> Result<Vec<PathBuf>> {
    let dir = ready.checkout.join("notebooks");
    let mut found: Vec<PathBuf> = fs::read_dir(&dir)
        .with_context(|| format!("cannot read {}", dir.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "ipynb"))
        .collect();
    found.sort();
    if found.is_empty() {
        bail!("there are no notebooks in {}", dir.display());
    }
    Ok(found)
}

/// Executes one notebook; fails with the cell and its message when any cell fails.
pub(crate) fn execute(ready: &Ready, notebook: &Path, purpose: Purpose) -> Result<()> {
    run(ready, notebook, purpose, None)
}

/// The same for one that a page has executed already: `executed` is what it saved.
pub(crate) fn judge(
    ready: &Ready,
    notebook: &Path,
    purpose: Purpose,
    executed: &Path,
) -> Result<()> {
    run(ready, notebook, purpose, Some(executed))
}

fn run(ready: &Ready, notebook: &Path, purpose: Purpose, executed: Option<&Path>) -> Result<()> {
    let mut step = Step::start("Notebook");
    let dir = ready.checkout.join("target/notebooks");
    fs::create_dir_all(&dir)?;
    let output = dir.join(notebook.file_name().context("a notebook has a name")?);
    let html = output.with_extension("html");
    let mut command = ready.python.script(&ready.cache, Script::RunNotebook)?;
    command.arg(notebook).arg("--output").arg(&output).arg("--html").arg(&html);
    alike(&mut command);
    if let Some(executed) = executed {
        command.arg("--executed").arg(executed);
    }
    match purpose {
        Purpose::Show => {}
        Purpose::Store => drop(command.arg("--store")),
        Purpose::Test => drop(command.arg("--stored")),
    }
    let ended = process::watch(&mut command, |line| step.note(line))?;
    if !ended.success() {
        bail!("{} failed", notebook.display());
    }
    step.done(html.display());
    Ok(())
}

/// Cells show the same whenever `command` executes them: it must not matter which servers of weights can be
/// reached today, and how far a cell is does not belong into what is stored.
pub(crate) fn alike(command: &mut Command) {
    command.env("CONVLENS_OFFLINE", "1").env("CONVLENS_PROGRESS", "off");
}

/// A runner that overlooks a failure would let every notebook pass.
pub(crate) fn test_the_runner(ready: &Ready) -> Result<()> {
    let mut step = Step::start("Tests of the notebook runner");
    let mut command = process::command(&ready.python.executable);
    command.arg(ready.checkout.join("xtask/python/test_run_notebook.py"));
    let ended = process::watch(&mut command, |line| step.note(line))?;
    if !ended.success() {
        bail!("the notebook runner does not see every failure");
    }
    step.done("every way to fail is seen");
    Ok(())
}

/// What README, the docs' front pages and the notebooks' prose tell a reader to paste: a block a cell, and
/// then a statement a cell.
pub(crate) fn test_the_blocks(ready: &Ready) -> Result<()> {
    for (what, options) in [("Code blocks", &[][..]), ("Code blocks, line by line", &["--lines"])] {
        let mut step = Step::start(what);
        let mut command = ready.python.script(&ready.cache, Script::RunBlocks)?;
        command.arg(&ready.checkout).arg(ready.checkout.join("target/blocks")).args(options);
        alike(&mut command);
        let ended = process::watch(&mut command, |line| step.note(line))?;
        if !ended.success() {
            bail!("a code block fails when it is pasted");
        }
        step.done("every one works when it is pasted");
    }
    Ok(())
}

/// The page and its pictures, where the reader looks for them.
pub(crate) fn quick_start(ready: &Ready) -> Result<()> {
    execute(ready, &ready.checkout.join("notebooks/00_quickstart.ipynb"), Purpose::Show)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notebooks_that_are_too_heavy_together_are_listed() {
        let size = |size: u64, name: &str| (size, name.to_owned());
        check_sum(&[size(4_000_000, "a"), size(5_000_000, "b")]).unwrap();
        let error = check_sum(&[size(7_000_000, "a"), size(5_100_000, "b")]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("12.1 MB together") && text.contains("5.1 MB b"), "{text}");
    }
}
