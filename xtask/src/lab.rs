//! JupyterLab on the notebooks: on copies of them, so that git sees nothing of what a reader tries.

use crate::cache;
use crate::notebook;
use crate::process;
use crate::python::Python;
use crate::setup::Ready;
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The copies' folder in the checkout, beside notebooks/: relative paths mean the same in both.
const COPIES: &str = "lab";
/// In it, what each copy was when it was made.
const MADE: &str = ".made.json";
/// After so many seconds without work a kernel ends whose tab is closed.
const IDLE: u32 = 20 * 60;

/// So many seconds the server waits for a kernel's first answer. Jupyter's own minute is short for a busy
/// machine, and then it asks twice a second and closes the connection after another minute: evcxr ends
/// when it answers a closed connection, and the page waits for ever. A browser waits for 240.
const FIRST_ANSWER: u32 = 200;

/// JupyterLab until the user ends it; `arguments` are Jupyter's own.
pub(crate) fn run(ready: &Ready, arguments: &[String]) -> Result<()> {
    check_port(arguments)?;
    let copies = ready.checkout.join(COPIES);
    for kept in copy(&notebook::named(ready, &[])?, &copies)? {
        println!(
            "{kept} is older than {}; remove it to work on the new one",
            Path::new("notebooks").join(Path::new(&kept).file_name().unwrap_or_default()).display()
        );
    }
    println!(
        "JupyterLab starts, on copies of the notebooks in {COPIES}/; end it by pressing Ctrl-C twice.\n\
         An open notebook takes 1.1 GB. Closing its tab does not end its kernel: that happens {} \
         minutes after its last work, or by Kernel > Shut Down.",
        IDLE / 60
    );
    let mut command = server(ready)?;
    if !opens_browser(&mut ready.python.interpreter()) {
        println!(
            "There is no browser on this machine: open the address that JupyterLab prints below in \
             one. On another machine, `ssh -L 8888:localhost:8888` to this one brings it there."
        );
        command.arg("--no-browser");
    }
    command.args(arguments);
    // In our place, so that Ctrl-C reaches Jupyter alone.
    Err(command.exec()).context("cannot start JupyterLab")
}

/// JupyterLab on this checkout, configured and not yet started.
pub(crate) fn server(ready: &Ready) -> Result<Command> {
    let config = ready.cache.join("jupyter-config");
    let settings = configuration(&ready.checkout);
    for (name, value) in &settings {
        cache::write_atomically(&config.join(name), &format!("{value:#}\n"))?;
    }
    let mut command = ready.python.module("jupyterlab");
    command.current_dir(&ready.checkout).env("JUPYTER_CONFIG_PATH", search_path(&config)?);
    // Jupyter refuses to run as root, which in a container everyone is.
    if process::capture(process::command("id").arg("-u"))?.trim() == "0" {
        command.arg("--allow-root");
    }
    Ok(command)
}

/// Whoever names a port wants that one; Jupyter would take the next.
fn check_port(arguments: &[String]) -> Result<()> {
    let Some(port) = option(arguments, "port").and_then(|port| port.parse::<u16>().ok()) else {
        return Ok(());
    };
    let address = option(arguments, "ip").unwrap_or("127.0.0.1");
    let address = if ["*", "localhost"].contains(&address) { "127.0.0.1" } else { address };
    match TcpListener::bind((address, port)) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => bail!(
            "port {port} is taken: another program listens there, perhaps another JupyterLab\n\
             End that one, name another port, or leave `--port` out: then a free one is found."
        ),
        // What else may be wrong with an address, Jupyter says.
        _ => Ok(()),
    }
}

/// The value of `--name value` or `--name=value`, the last one as for Jupyter.
fn option<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let long = [format!("--{name}"), format!("--ServerApp.{name}")];
    arguments.iter().enumerate().rev().find_map(|(at, argument)| {
        long.iter().find_map(|long| match argument.strip_prefix(long.as_str())? {
            "" => arguments.get(at + 1).map(String::as_str),
            rest => rest.strip_prefix('='),
        })
    })
}

/// Whether Python finds a browser to open, as Jupyter looks for one.
fn opens_browser(python: &mut Command) -> bool {
    process::capture(python.args(["-c", "import webbrowser; webbrowser.get()"])).is_ok()
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
            "kernel_info_timeout": FIRST_ANSWER,
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
    fn a_port_that_is_taken_is_named() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = other.local_addr().unwrap().port().to_string();
        let check = |arguments: &[&str]| {
            check_port(&arguments.iter().map(|&text| text.to_owned()).collect::<Vec<_>>())
        };
        for arguments in [
            &["--no-browser", "--port", &port][..],
            &["--port=1", &format!("--ServerApp.port={port}")],
            &["--ip", "localhost", "--port", &port],
        ] {
            let error = check(arguments).unwrap_err().to_string();
            assert!(error.contains(&format!("port {port} is taken")), "{error}");
        }
        check(&["--no-browser"]).unwrap();
        check(&["--port", "0"]).unwrap();
        check(&["--port"]).unwrap();
    }

    #[test]
    fn a_machine_without_a_browser_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let python = process::find_on_path(&["python3", "python"], &process::path_variable());
        let python = python.expect("set-up asks for a Python, too");
        // What lies on the PATH may be a script that looks for the real one.
        let real = ["-c", "import sys; print(sys.executable)"];
        let python = process::capture(process::command(python).args(real)).unwrap();
        let look = |browser: &str| {
            let mut python = process::command(python.trim());
            python.env("PATH", dir.path()).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
            opens_browser(python.env("BROWSER", browser))
        };
        // macOS has one always.
        assert!(cfg!(target_os = "macos") || !look(""));
        assert!(look("/bin/sh"));
    }

    #[test]
    fn the_settings_lie_where_the_environment_has_them() {
        let file = lab_settings(Path::new("/cache/python/bin/python"));
        assert_eq!(file, Path::new("/cache/python/share/jupyter/lab/settings/overrides.json"));
    }
}
