//! Says when there is no libtorch, before torch-sys does, which says nothing of the command that brings one.

use std::env;
use std::fs;
use std::path::Path;
use std::process::exit;

/// What tch 0.26 is made for.
const VERSION: &str = "2.13.0";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Documentation needs no libtorch.
    if env::var_os("CARGO_FEATURE_DOC_ONLY").is_some() {
        return;
    }
    let Some(problem) = problem() else { return };
    let problem = format!(
        "{problem}. Run `cargo xtask setup` in a clone of convlens and choose the kernel \"Rust (convlens)\", or \
         set LIBTORCH to a folder with libtorch {VERSION}."
    );
    if env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("EVCXR_")) {
        // A cell would show all that cargo has printed, thousands of lines, were there no message of a compiler
        // among them.
        let message = problem.replace('\\', "\\\\").replace('"', "\\\"");
        eprintln!("{{\"level\": \"error\", \"message\": \"{message}\"}}");
        exit(1);
    }
    println!("cargo::error={problem}");
}

/// What torch-sys 0.26 will refuse, and nothing that it would take.
fn problem() -> Option<String> {
    if variable("LIBTORCH_USE_PYTORCH").is_some() {
        return None; // It will ask Python, which takes seconds.
    }
    let linux = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    let system = linux && Path::new("/usr/lib/libtorch.so").exists();
    let Some(root) = variable("LIBTORCH").or_else(|| system.then(|| "/usr".to_owned())) else {
        return (!may_download()).then(|| "convlens finds no libtorch".to_owned());
    };
    let found = fs::read_to_string(Path::new(&root).join("build-version")).ok()?;
    let version = found.trim().split('+').next().unwrap_or_default();
    let taken = version == VERSION || variable("LIBTORCH_BYPASS_VERSION_CHECK").is_some();
    (!taken)
        .then(|| format!("convlens needs libtorch {VERSION}, and {root} holds version {version}"))
}

/// Whether torch-sys' feature download-libtorch may be on. A build script sees no other crate's features, but
/// Cargo.lock names what that feature needs. It stands above the target directory, or where cargo was started.
fn may_download() -> bool {
    let places = ["OUT_DIR", "PWD"].map(env::var_os);
    let locks = places.iter().flatten().filter_map(|place| {
        Path::new(place).ancestors().find_map(|dir| fs::read_to_string(dir.join("Cargo.lock")).ok())
    });
    let known: Vec<bool> = locks
        .flat_map(|lock| lock.split("[[package]]").map(str::to_owned).collect::<Vec<_>>())
        .filter(|package| package.contains("name = \"torch-sys\""))
        .map(|package| package.contains("\"ureq"))
        .collect();
    known.is_empty() || known.contains(&true)
}

fn variable(name: &str) -> Option<String> {
    println!("cargo::rerun-if-env-changed={name}");
    env::var(name).ok()
}
