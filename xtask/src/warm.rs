//! The warmed directory: what evcxr would compile for `:dep convlens` and `:dep convlens-scenes`,
//! compiled once.

use crate::cache::{self, Cache};
use crate::clone;
use crate::environment::Environment;
use crate::memory;
use crate::process;
use crate::record::Record;
use crate::step::{Crates, Step};
use anyhow::{Context, Result, anyhow, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What every kernel executes before it says that it is ready. rust-analyzer reads all of tch for
/// the first variable that holds a tensor; with this it does so while the reader reads. And a panic
/// says what it is in one line, without ten seconds of looking for the names of frames. And its `?`
/// tells evcxr that cells return errors: it would learn that from the first cell's failing to
/// compile, and show that cell's result by `{:?}`.
pub(crate) const PRELOAD: [&str; 2] = [
    "use convlens::prelude::*;",
    "show::short_panics();
     let preload = Tensor::f_from_slice(&[0i64])?; drop(preload);",
];

/// Whose layout a warmed directory has.
const EVCXR: &str = "0.22.0";

/// The pinned Cargo.lock inside a warmed directory.
const SEED: &str = "seed.lock";

/// A directory laid out like evcxr's own: Cargo.toml, src/lib.rs, target/.
pub(crate) struct Warm {
    pub(crate) dir: PathBuf,
}

impl Warm {
    pub(crate) fn lock_file(&self) -> PathBuf {
        self.dir.with_extension("lock")
    }

    pub(crate) fn seed(&self) -> PathBuf {
        self.dir.join(SEED)
    }
}

/// Makes the directory, or brings this checkout's convlens in it up to date.
pub(crate) fn provide(cache: &Cache, checkout: &Path, environment: &Environment) -> Result<Warm> {
    let mut step = Step::start("Warmed directory");
    let (base, dependencies) = keys(checkout, environment)?;
    let warm = Warm { dir: cache.join(format!("warm-{base}-{dependencies}")) };
    let _lock = cache::lock_exclusive(&warm.lock_file())?;
    let fresh = !warm.seed().exists();
    if fresh {
        step.note("compiling tch and what the notebooks need: 3 to 5 minutes, once");
        if !warm.dir.exists() {
            start_from_older(cache, &base, &warm, &mut step)?;
        }
        fs::create_dir_all(&warm.dir)?;
        // The versions that the tests ran with, not the newest of today.
        fs::copy(checkout.join("Cargo.lock"), warm.dir.join("Cargo.lock"))
            .context("cannot copy Cargo.lock into the warmed directory")?;
    }
    let compiled = build(&warm.dir, checkout, environment, &mut step)?;
    if fresh {
        fs::copy(warm.dir.join("Cargo.lock"), warm.seed())?;
    }
    match compiled {
        0 => step.done(format!("up to date: {}", warm.dir.display())),
        _ => step.done(warm.dir.display()),
    }
    Ok(warm)
}

/// Other dependencies of the same toolchain: what they have in common need not compile again.
fn start_from_older(cache: &Cache, base: &str, warm: &Warm, step: &mut Step) -> Result<()> {
    for entry in fs::read_dir(cache.root())? {
        let older = Warm { dir: entry?.path() };
        let name = older.dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(&format!("warm-{base}-")) && older.seed().exists() {
            step.note(format!("starting from {name}, made for other dependencies"));
            let _lock = cache::lock_exclusive(&older.lock_file())?;
            let staged = cache.join("staging/warm");
            cache::remove(&staged)?;
            clone::tree(&older.dir, &staged)?;
            cache::remove(&staged.join(SEED))?;
            fs::rename(&staged, &warm.dir)?;
            return Ok(());
        }
    }
    Ok(())
}

/// Removes warmed directories that no checkout uses any longer.
pub(crate) fn tidy(cache: &Cache, mine: &Warm) -> Result<()> {
    let used: Vec<PathBuf> = Record::all(cache).into_iter().map(|record| record.warm).collect();
    for entry in fs::read_dir(cache.root())? {
        let dir = entry?.path();
        let is_warm = dir.is_dir()
            && dir.file_name().is_some_and(|name| name.to_string_lossy().starts_with("warm-"));
        if is_warm && dir != mine.dir && !used.contains(&dir) {
            let step = Step::start("Old warmed directory");
            let warm = Warm { dir };
            let _lock = cache::lock_exclusive(&warm.lock_file())?;
            cache::remove(&warm.dir)?;
            cache::remove(&warm.lock_file())?;
            step.done(format!("removed {}, which no checkout uses", warm.dir.display()));
        }
    }
    Ok(())
}

/// One directory for everything that compiles to the same crates: a key for what compiles, and
/// one for what is compiled.
fn keys(checkout: &Path, environment: &Environment) -> Result<(String, String)> {
    let rustc = process::capture(process::command("rustc").arg("-vV"))?;
    let closure = dependencies(checkout)?;
    // The toolchain's name is not its version, which rustc told already.
    let variables: Vec<_> = environment
        .variables()
        .iter()
        .filter(|(name, _)| *name != "RUSTUP_TOOLCHAIN")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let linker = linker_flag().unwrap_or_default();
    Ok((cache::key(&[&rustc, EVCXR, &variables.join("\n"), linker]), cache::key(&[&closure])))
}

/// The crates under ours with their versions and features, without those of tests and benches.
fn dependencies(checkout: &Path) -> Result<String> {
    let mut tree = process::command("cargo");
    // The scenes stand on convlens, so its crates are among theirs.
    tree.args(["tree", "--package", "convlens-scenes", "--edges", "normal,build"])
        .args(["--prefix", "none", "--no-dedupe", "--format", "{p} {f}"])
        .current_dir(checkout);
    let text =
        process::capture(&mut tree).map_err(|error| anyhow!("{}", explain(&error.to_string())))?;
    // Ours count by their names alone: they are compiled again whenever they change.
    let of = |line| if is_ours(line) { line.split(' ').next().unwrap_or(line) } else { line };
    let mut lines: Vec<&str> = text.lines().map(of).collect();
    lines.sort_unstable();
    lines.dedup();
    Ok(lines.join("\n"))
}

/// Whether cargo speaks of one of the workspace's own crates, after the verb.
fn is_ours(line: &str) -> bool {
    ["convlens ", "convlens-fast ", "convlens-formats ", "convlens-libtorch ", "convlens-scenes "]
        .iter()
        .any(|ours| line.starts_with(ours))
}

/// Builds our crates in `dir` exactly as evcxr will, and returns how many crates were compiled.
fn build(dir: &Path, checkout: &Path, environment: &Environment, step: &mut Step) -> Result<u32> {
    write_crate(dir, checkout)?;
    let mut crates = Crates::new();
    // evcxr asks `cargo check` about a cell that does not compile: without its own half of the
    // directory, the reader's first typing error would take half a minute.
    for subcommand in ["build", "check"] {
        let mut command = cargo(subcommand, dir, environment)?;
        let mut slower = memory::limit_jobs(&mut command);
        let ended = process::watch(&mut command, |line| {
            let line = line.trim_start();
            let name = ["Compiling ", "Checking "].iter().find_map(|verb| line.strip_prefix(verb));
            if let Some(name) = name.filter(|name| !name.starts_with("ctx ")) {
                crates.begun += 1;
                // Where nothing compiles, nothing takes long.
                if let Some(text) = slower.take() {
                    step.note(text);
                }
                if is_ours(name) && subcommand == "build" {
                    step.note(format!("compiling {}", name.split(' ').next().unwrap_or_default()));
                }
            }
            crates.tell(step);
        })?;
        if !ended.success() {
            bail!("{}", explain(&ended.tail));
        }
    }
    // evcxr asks `cargo metadata`, which reads the crates of all platforms. Without those that never compile
    // here, the first kernel would fetch them, and without a network it would end.
    let mut fetch = process::command("cargo");
    environment.apply(&mut fetch)?;
    let fetched = process::watch(fetch.arg("fetch").current_dir(dir), |_| {})?;
    if !fetched.success() {
        bail!("{}", explain(&fetched.tail));
    }
    Ok(crates.begun)
}

/// For a kernel that starts: convlens as it is now, compiled without a network. An error means
/// that convlens or the preload does not compile; the notebook's own `:dep` will say why.
pub(crate) fn refresh(dir: &Path, checkout: &Path, environment: &Environment) -> Result<()> {
    write_crate(dir, checkout)?;
    let ended = process::watch(cargo("build", dir, environment)?.arg("--offline"), |_| {})?;
    if !ended.success() {
        bail!("convlens does not compile\n{}", ended.tail);
    }
    Ok(())
}

/// The crate as evcxr 0.22 writes it, except that its code is the preload.
fn write_crate(dir: &Path, checkout: &Path) -> Result<()> {
    let manifest = format!(
        r#"
[package]
name = "ctx"
version = "1.0.0"
edition = "2024"

[lib]
crate-type = ["cdylib"]
path = "src/lib.rs"

[profile.dev]
opt-level = 2
debug = false
strip = "debuginfo"
rpath = true
lto = false
debug-assertions = true
codegen-units = 16
panic = 'unwind'
incremental = true
overflow-checks = true

[dependencies]
{}
"#,
        dependencies_of(checkout).join("\n")
    );
    cache::write_atomically(&dir.join("Cargo.toml"), &manifest)?;
    let [uses, first] = PRELOAD;
    let result = "Result<(), Box<dyn std::error::Error>>";
    let code = format!("{uses}\npub fn preload() -> {result} {{ {first} Ok(()) }}\n");
    cache::write_atomically(&dir.join("src/lib.rs"), &code)
}

/// Our crates as Cargo.toml, and evcxr's `:dep`, name them.
pub(crate) fn dependencies_of(checkout: &Path) -> [String; 2] {
    [("convlens", checkout.to_owned()), ("convlens-scenes", checkout.join("scenes"))]
        .map(|(name, place)| format!("{name} = {{ path = \"{}\" }}", toml_string(&place)))
}

/// cargo with the arguments and variables of evcxr 0.22.
fn cargo(subcommand: &str, dir: &Path, environment: &Environment) -> Result<Command> {
    let mut command = process::command("cargo");
    environment.apply(&mut command)?;
    let mut flags = "-Cprefer-dynamic".to_owned();
    if let Some(linker) = linker_flag() {
        flags = format!("{flags} {linker}");
    }
    command
        .args([subcommand, "--target", &host()?])
        .current_dir(dir)
        .env("CARGO_TARGET_DIR", "target")
        .env("CARGO_BUILD_BUILD_DIR", "target")
        .env("RUSTFLAGS", flags);
    Ok(command)
}

/// evcxr links with lld where it finds it and has no mold.
fn linker_flag() -> Option<&'static str> {
    let path = process::path_variable();
    let found = |name| process::find_on_path(&[name], &path).is_some();
    (!cfg!(target_os = "macos") && !found("mold") && found("lld"))
        .then_some("-Clink-arg=-fuse-ld=lld")
}

fn host() -> Result<String> {
    let text = process::capture(process::command("rustc").arg("-vV"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not name its host")?.to_owned())
}

/// A path as the inside of a TOML string.
pub(crate) fn toml_string(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"")
}

fn explain(tail: &str) -> String {
    let reason = if tail.contains("No space left on device") {
        "the warmed directory cannot be built: the disk is full\n\
         It needs 0.5 GB. Free some room, or put the cache elsewhere with CONVLENS_CACHE, and \
         start again: what is built stays built."
    } else if [
        "Could not resolve host",
        "failed to download",
        "spurious network error",
        "download of config.json failed",
    ]
    .iter()
    .any(|sign| tail.contains(sign))
    {
        "the warmed directory cannot be built: cargo could not reach the crate registry\n\
         Is there a network? Then start again: what is done stays done."
    } else if ["convlens", "convlens-scenes", "ctx"]
        .iter()
        .any(|name| tail.contains(&format!("could not compile `{name}`")))
    {
        "convlens does not compile in the kernel"
    } else {
        "the warmed directory cannot be built"
    };
    format!("{reason}\ncargo said:\n{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_while_warming_says_so() {
        assert!(explain("error: No space left on device").contains("the disk is full"));
    }

    #[test]
    fn paths_are_escaped_for_toml() {
        assert_eq!(toml_string(Path::new("/a \"b\"\\c")), "/a \\\"b\\\"\\\\c");
    }
}
