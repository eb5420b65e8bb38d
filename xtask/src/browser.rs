//! Notebooks run from JupyterLab's page in a real browser, as a reader does.

use crate::cache;
use crate::lab;
use crate::notebook::{self, Purpose};
use crate::process;
use crate::python::{self, Python, Script};
use crate::setup::Ready;
use crate::step::Step;
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The copies' folder in the checkout, beside notebooks/: relative paths mean the same in both.
const COPIES: &str = "lab-test";
/// Instead of the one on the PATH.
const NAMED: &str = "CONVLENS_CHROMIUM";

/// The Chromium of this machine.
pub(crate) fn chromium() -> Result<PathBuf> {
    find(std::env::var_os(NAMED).as_deref(), &process::path_variable())
}

fn find(named: Option<&OsStr>, path: &OsStr) -> Result<PathBuf> {
    if let Some(file) = named.map(PathBuf::from) {
        if !process::is_executable(&file) {
            bail!("{NAMED} names {}, which is no program: name Chromium's", file.display());
        }
        return Ok(file);
    }
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    process::find_on_path(&names, path).with_context(|| {
        format!(
            "no Chromium, in which `--browser` runs the notebooks: install it with\n  \
             sudo apt-get install chromium    (Debian)\n  \
             sudo dnf install chromium        (Fedora)\n\
             or name a Chromium or Chrome in {NAMED}, or leave `--browser` out"
        )
    })
}

/// Opens, runs and looks at every notebook in Chromium, and then at what it saved as `notebook::execute`
/// does. Pictures of the pages are kept in target/browser/.
pub(crate) fn run(
    ready: &Ready,
    chromium: &Path,
    notebooks: &[PathBuf],
    purpose: Purpose,
) -> Result<()> {
    let driver = python::browser(&ready.cache)?;
    test_the_looker(ready, &driver, chromium)?;
    test_the_explorers(ready, &driver, chromium)?;
    let mut step = Step::start("Notebooks in Chromium");
    let output = ready.checkout.join("target/browser");
    cache::remove(&output)?;
    fs::create_dir_all(&output)?;
    let copies = ready.checkout.join(COPIES);
    cache::remove(&copies)?;
    fs::create_dir(&copies).with_context(|| format!("cannot create {}", copies.display()))?;
    let server = lab::server(ready)?;
    let mut command = driver.script(&ready.cache, Script::Browser)?;
    command.arg("--chromium").arg(chromium).arg("--output").arg(&output);
    command.arg("--root").arg(&ready.checkout);
    for notebook in notebooks {
        let copy = copies.join(notebook.file_name().context("a notebook has a name")?);
        fs::copy(notebook, &copy).with_context(|| format!("cannot write {}", copy.display()))?;
        command.arg(copy);
    }
    command.arg("--").arg(server.get_program()).args(server.get_args());
    command.current_dir(&ready.checkout);
    for (name, value) in server.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    notebook::alike(&mut command);
    let ended = process::watch(&mut command, |line| step.note(line))?;
    // What was saved is looked at in any case: it says why the page is not as it should be.
    for notebook in notebooks {
        let executed = output.join(notebook.file_name().context("a notebook has a name")?);
        if executed.exists() {
            notebook::judge(ready, notebook, purpose, &executed)?;
        }
    }
    if !ended.success() {
        bail!("the notebooks are not in the page as they should be; see {}", output.display());
    }
    cache::remove(&copies)?;
    step.done(output.display());
    Ok(())
}

/// What overlooks an unreadable page would let every page pass.
fn test_the_looker(ready: &Ready, driver: &Python, chromium: &Path) -> Result<()> {
    let mut step = Step::start("Tests of the looks at a page");
    let mut command = process::command(&driver.executable);
    command.arg(ready.checkout.join("xtask/python/test_page.py")).arg(chromium);
    let ended = process::watch(&mut command, |line| step.note(line))?;
    if !ended.success() {
        bail!("what is wrong in a page is not seen, or {} does not work", chromium.display());
    }
    step.done("everything that is wrong is seen");
    Ok(())
}

/// The library's explorers answer to pointer, keys and sliders, on the pages that a Rust test writes.
fn test_the_explorers(ready: &Ready, driver: &Python, chromium: &Path) -> Result<()> {
    process::run(&mut crate::tests(&ready.checkout, &["explorer"]))?;
    let mut step = Step::start("Explorers in Chromium");
    let mut command = process::command(&driver.executable);
    command.arg(ready.checkout.join("xtask/python/test_explorer.py")).arg(chromium);
    command.arg(ready.checkout.join("target/tmp/explorer"));
    let ended = process::watch(&mut command, |line| step.note(line))?;
    if !ended.success() {
        bail!("an explorer does not answer as it should in {}", chromium.display());
    }
    step.done("they answer to pointer, keys and sliders in both themes");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_chromium_is_told_how_to_install() {
        let dir = tempfile::tempdir().unwrap();
        let error = find(None, dir.path().as_os_str()).unwrap_err().to_string();
        assert!(error.starts_with("no Chromium"), "{error}");
        assert!(error.contains("sudo apt-get install chromium"), "{error}");
    }

    #[test]
    fn a_chromium_that_is_none_is_named() {
        let error = find(Some(OsStr::new("/not/there")), OsStr::new("")).unwrap_err().to_string();
        assert!(error.contains("CONVLENS_CHROMIUM names /not/there"), "{error}");
    }
}
