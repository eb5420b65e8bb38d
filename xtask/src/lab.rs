//! JupyterLab on the notebooks: on copies of them, so that git sees nothing of what a reader tries.

use crate::cache;
use crate::notebook;
use crate::process;
use crate::python::Python;
use crate::setup::Ready;
use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

/// The copies' folder in the checkout, beside notebooks/: relative paths mean the same in both.
const COPIES: &str = "lab";
/// In it, what each copy was when it was made.
const MADE: &str = ".made.json";
/// After so many seconds without work a kernel ends whose tab is closed.
const IDLE: u32 = 20 * 60;

/// JupyterLab until the user ends it; `arguments` are Jupyter's own.
pub(crate) fn run(ready: &Ready, arguments: &[String]) -> Result<()> {
    let copies = ready.checkout.join(COPIES);
    for kept in copy(&notebook::named(ready, &[])?, &copies)? {
        println!(
            "{kept} is older than {}; remove it to work on the new one",
            Path::new("notebooks").join(Path::new(&kept).file_name().unwrap_or_default()).display()
        );
    }
    let config = ready.cache.join("jupyter-config");
    let settings = configuration(&ready.checkout);
    for (name, value) in &settings {
        cache::write_atomically(&config.join(name), &format!("{value:#}\n"))?;
    }
    println!(
        "JupyterLab starts, on copies of the notebooks in {COPIES}/; end it by pressing Ctrl-C twice.\n\
         An open notebook takes 1.1 GB. Closing its tab does not end its kernel: that happens {} \
         minutes after its last work, or by Kernel > Shut Down.",
        IDLE / 60
    );
    let mut command = ready.python.module("jupyterlab");
    command.current_dir(&ready.checkout).env("JUPYTER_CONFIG_PATH", search_path(&config)?);
    // Jupyter refuses to run as root, which in a container everyone is.
    if process::capture(process::command("id").arg("-u"))?.trim() == "0" {
        command.arg("--allow-root");
    }
    command.args(arguments);
    // In our place, so that Ctrl-C reaches Jupyter alone.
    Err(command.exec()).context("cannot start JupyterLab")
}

fn search_path(ours: &Path) -> Result<std::ffi::OsString> {
    let users = std::env::var_os("JUPYTER_CONFIG_PATH").unwrap_or_default();
    let users = std::env::split_paths(&users).filter(|dir| !dir.as_os_str().is_empty());
    Ok(std::env::join_paths(users.chain([ours.to_owned()]))?)
}

/// Files of Jupyter's configuration, weaker than what stands on its command line.
fn configuration(checkout: &Path) -> [(&'static str, Value); 2] {
    let server = json!({
        "ServerApp": { "root_dir": checkout },
        "MappingKernelManager": {
            "cull_idle_timeout": IDLE,
            "cull_interval": 60,
            "cull_connected": false,
        },
    });
    let lab = json!({ "LabApp": { "default_url": format!("/lab/tree/{COPIES}") } });
    [("jupyter_server_config.json", server), ("jupyter_lab_config.json", lab)]
}

/// Where JupyterLab's environment has its defaults.
fn lab_settings(python: &Path) -> PathBuf {
    let environment = python.parent().and_then(Path::parent).unwrap_or(python);
    environment.join("share/jupyter/lab/settings/overrides.json")
}

/// JupyterLab asks nothing about news at its first start, whoever starts it, and fetches none.
pub(crate) fn without_news(python: &Python) -> Result<()> {
    let quiet = json!({
        "@jupyterlab/apputils-extension:notification": {
            "fetchNews": "false",
            "checkForUpdates": false,
        },
    });
    cache::write_atomically(&lab_settings(&python.executable), &format!("{quiet:#}\n"))
}

/// Brings the copies up to date; returns those that a reader changed and that are older than theirs
/// in the repository.
fn copy(notebooks: &[PathBuf], copies: &Path) -> Result<Vec<String>> {
    fs::create_dir_all(copies).with_context(|| format!("cannot create {}", copies.display()))?;
    let file = copies.join(MADE);
    let mut made: Map<String, Value> = fs::read(&file)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    let mut kept = Vec::new();
    for notebook in notebooks {
        let name = notebook.file_name().context("a notebook has a name")?;
        let (copy, name) = (copies.join(name), name.to_string_lossy().into_owned());
        let source = fs::read(notebook)?;
        let key = cache::key(&[&source]);
        let before = made.get(&name).and_then(Value::as_str);
        if before == Some(&key) && copy.exists() {
            continue;
        }
        let untouched = match fs::read(&copy) {
            Ok(text) => before == Some(&cache::key(&[&text])),
            Err(_) => true,
        };
        if untouched {
            fs::write(&copy, &source)
                .with_context(|| format!("cannot write {}", copy.display()))?;
            made.insert(name, Value::from(key));
        } else {
            kept.push(format!("{COPIES}/{name}"));
        }
    }
    cache::write_atomically(&file, &format!("{:#}\n", Value::from(made)))?;
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_follow_the_notebooks_until_a_reader_changes_them() {
        let dir = tempfile::tempdir().unwrap();
        let (one, copies) = (dir.path().join("one.ipynb"), dir.path().join(COPIES));
        let set = |file: &Path, text: &str| fs::write(file, text).unwrap();
        let again = || copy(std::slice::from_ref(&one), &copies).unwrap();
        let read = || fs::read_to_string(copies.join("one.ipynb")).unwrap();
        set(&one, "first");
        assert!(again().is_empty());
        assert_eq!(read(), "first");
        set(&one, "second");
        assert!(again().is_empty());
        assert_eq!(read(), "second");
        set(&copies.join("one.ipynb"), "a reader's");
        assert!(again().is_empty(), "nothing newer is there");
        set(&one, "third");
        assert_eq!(again(), ["lab/one.ipynb"]);
        assert_eq!(read(), "a reader's");
        fs::remove_file(copies.join("one.ipynb")).unwrap();
        assert!(again().is_empty());
        assert_eq!(read(), "third");
    }

    #[test]
    fn the_settings_lie_where_the_environment_has_them() {
        let file = lab_settings(Path::new("/cache/python/bin/python"));
        assert_eq!(file, Path::new("/cache/python/share/jupyter/lab/settings/overrides.json"));
    }
}
