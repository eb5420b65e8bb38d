//! Other programs: started with a clean environment, their words passed on or kept.

use anyhow::{Context, Result, bail};
use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) const LIBRARY_PATH: &str =
    if cfg!(target_os = "macos") { "DYLD_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };

/// A command without the traces of the cargo that started us.
///
/// `cargo run` describes this package in variables that a cargo further down would hand to build
/// scripts, and the runner puts libtorch on the library path, where a Python with a libtorch of
/// its own would find it.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
        {
            command.env_remove(&name);
        }
    }
    match outer_library_path() {
        Some(path) => command.env(LIBRARY_PATH, path),
        None => command.env_remove(LIBRARY_PATH),
    };
    command
}

/// The library path as the user set it: without directories that hold a libtorch.
fn outer_library_path() -> Option<OsString> {
    let path = env::var_os(LIBRARY_PATH)?;
    let outer: Vec<PathBuf> = env::split_paths(&path)
        .filter(|dir| {
            !["libtorch_cpu.so", "libtorch_cpu.dylib"].iter().any(|name| dir.join(name).exists())
        })
        .collect();
    if outer.is_empty() { None } else { env::join_paths(outer).ok() }
}

/// Puts `first` first on the library path that `command` will see.
pub(crate) fn with_library_path(command: &mut Command, first: &[PathBuf]) -> Result<()> {
    let mut dirs = first.to_vec();
    if let Some(outer) = outer_library_path() {
        dirs.extend(env::split_paths(&outer));
    }
    command.env(LIBRARY_PATH, env::join_paths(dirs)?);
    Ok(())
}

/// Runs to the end with the terminal's own output; an exit code other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| cannot_start(command))?;
    if !status.success() {
        bail!("`{}` failed ({status})", describe(command));
    }
    Ok(())
}

/// What the command prints on standard output; its errors become ours.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| cannot_start(command))?;
    if !output.status.success() {
        bail!(
            "`{}` failed ({})\n{}",
            describe(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// How a watched command ended, with the last lines that it said.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) tail: String,
}

impl Ended {
    pub(crate) fn success(&self) -> bool {
        self.code == Some(0)
    }
}

/// Runs a command and hands every line of both its outputs to `each` as it comes.
pub(crate) fn watch(command: &mut Command, mut each: impl FnMut(&str)) -> Result<Ended> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| cannot_start(command))?;
    let (send, lines) = std::sync::mpsc::channel();
    let readers: Vec<_> = [
        child.stdout.take().map(|out| Box::new(out) as Box<dyn Read + Send>),
        child.stderr.take().map(|err| Box::new(err) as Box<dyn Read + Send>),
    ]
    .into_iter()
    .flatten()
    .map(|stream| {
        let send = send.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let _ = send.send(String::from_utf8_lossy(&line).into_owned());
            }
        })
    })
    .collect();
    drop(send);
    let mut tail = std::collections::VecDeque::new();
    for line in lines {
        each(&line);
        if tail.len() == 30 {
            tail.pop_front();
        }
        tail.push_back(line);
    }
    for reader in readers {
        let _ = reader.join();
    }
    let status = child.wait()?;
    Ok(Ended { code: status.code(), tail: Vec::from(tail).join("\n") })
}

/// The file of the program that runs: on Linux also when another has taken its place since.
pub(crate) fn this_program() -> Result<PathBuf> {
    match Path::new("/proc/self/exe") {
        running if running.exists() => Ok(running.to_owned()),
        _ => Ok(std::env::current_exe()?),
    }
}

/// The first of `names` that is an executable file on `path`.
pub(crate) fn find_on_path(names: &[&str], path: &OsStr) -> Option<PathBuf> {
    names.iter().find_map(|name| {
        env::split_paths(path).map(|dir| dir.join(name)).find(|file| is_executable(file))
    })
}

pub(crate) fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

pub(crate) fn path_variable() -> OsString {
    env::var_os("PATH").unwrap_or_default()
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start `{}`", command.get_program().to_string_lossy())
}

fn describe(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut text = name.to_string_lossy().into_owned();
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text
}
