//! `convlens-kernel`: installs the kernel for Jupyter, and is the kernel when Jupyter starts it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use convlens_kernel::install::{self, Place};

const USAGE: &str = "\
A Jupyter kernel for Rust.

  convlens-kernel install [--user | --prefix DIR | --sys-prefix]
      makes the kernel known to Jupyter: for this user, below DIR, or in the
      Python environment that is active
  convlens-kernel uninstall [the same]
  convlens-kernel CONNECTION_FILE
      is the kernel; Jupyter starts it so
  convlens-kernel spare
      loads Rust and waits to become the next kernel of the Jupyter that has
      started it, where CONVLENS_SPARE is set
";

fn main() -> ExitCode {
    convlens_kernel::run_if_child();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match act(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

fn act(arguments: &[OsString]) -> Result<(), String> {
    let words: Vec<&str> = arguments.iter().map(|word| word.to_str().unwrap_or("")).collect();
    match words.as_slice() {
        ["--help" | "-h" | "help"] => {
            print!("{USAGE}");
            Ok(())
        }
        ["--version" | "-V"] => {
            println!("convlens-kernel {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        ["install", rest @ ..] => install(&dir(rest, arguments)?),
        ["uninstall", rest @ ..] => uninstall(&dir(rest, arguments)?),
        ["spare"] => {
            find_cargo();
            convlens_kernel::wait_as_spare().map_err(said)
        }
        // evcxr_jupyter takes it so, and so do kernelspecs that were written for it.
        ["--control_file", _] => kernel(&arguments[1]),
        [word] if !word.starts_with('-') => kernel(&arguments[0]),
        _ => Err(USAGE.to_owned()),
    }
}

/// The directory that the options after `install` mean.
fn dir(options: &[&str], arguments: &[OsString]) -> Result<PathBuf, String> {
    let place = match options {
        [] | ["--user"] => Place::User,
        ["--prefix", _] => Place::Prefix(PathBuf::from(&arguments[2])),
        ["--sys-prefix"] => {
            let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
            let prefix = set("VIRTUAL_ENV").or_else(|| set("CONDA_PREFIX"));
            Place::Prefix(
                prefix.ok_or("no Python environment is active; name it with --prefix")?.into(),
            )
        }
        _ => return Err(USAGE.to_owned()),
    };
    place.dir().ok_or_else(|| "there is no home directory; say where with --prefix".to_owned())
}

fn install(dir: &Path) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    install::install(&program, dir)
        .map_err(|error| format!("the kernel cannot be installed in {}: {error}", dir.display()))?;
    println!("installed in {}", dir.display());
    Ok(())
}

fn uninstall(dir: &Path) -> Result<(), String> {
    let was_there = install::uninstall(dir)
        .map_err(|error| format!("{} cannot be removed: {error}", dir.display()))?;
    println!("{} {}", if was_there { "removed" } else { "there is no" }, dir.display());
    Ok(())
}

fn kernel(file: &OsStr) -> Result<(), String> {
    find_cargo();
    convlens_kernel::run(Path::new(file)).map_err(said)
}

fn said(error: convlens_kernel::RunError) -> String {
    format!("convlens-kernel: {error}")
}

fn find_cargo() {
    if let Some(path) = cargo_on_path() {
        // SAFETY: no other thread runs yet.
        unsafe { std::env::set_var("PATH", path) };
    }
}

/// The PATH with cargo's own directory, where Jupyter was started without it: cargo lies beside this program,
/// or where rustup puts it.
fn cargo_on_path() -> Option<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|dir| dir.join("cargo").exists()) {
        return None;
    }
    let beside =
        std::env::current_exe().ok().and_then(|program| Some(program.parent()?.to_owned()));
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let found = [beside, home.map(|home| home.join("bin"))]
        .into_iter()
        .flatten()
        .find(|dir| dir.join("cargo").exists())?;
    std::env::join_paths(std::env::split_paths(&path).chain([found])).ok()
}
