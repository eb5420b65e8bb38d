//! The launcher that the kernelspec names: makes a clone, preloads convlens, becomes the kernel, or has a spare become it.

use crate::cache::{self, Cache};
use crate::clone::{self, Clone};
use crate::environment::Environment;
use crate::kernelspec;
use crate::libtorch::Libtorch;
use crate::memory;
use crate::process;
use crate::record::{self, Record};
use crate::rust_src;
use crate::warm::{self, Warm};
use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::{CommandExt, parent_id};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// In the kernelspec: the record of the checkout that was set up last.
pub(crate) const RECORD: &str = "CONVLENS_RECORD";

/// How long a starting kernel waits for a set-up; Jupyter itself gives up after a minute.
const PATIENCE: Duration = Duration::from_secs(45);

/// Whether a kernel is wanted that has loaded everything before anybody asks for it: `1` looks for one.
const SPARE: &str = "CONVLENS_SPARE";

/// `convlens-kernel kernel <connection file>`; returns only when it fails.
pub(crate) fn launch(arguments: &[String]) -> Result<()> {
    let [connection] = arguments else { bail!("usage: kernel <connection file>") };
    let is_spared = env::var_os(SPARE).is_some_and(|value| value == "1");
    let begin = if is_spared { take_spare } else { become_kernel };
    begin(connection).map_err(cache::advise)
}

/// `convlens-kernel spare`: a kernel for the checkout here, or the latest one, that waits for its connection file.
pub(crate) fn spare(arguments: &[String]) -> Result<()> {
    if !arguments.is_empty() {
        bail!("usage: spare");
    }
    become_kernel("spare").map_err(cache::advise)
}

/// Has a spare become the kernel of this connection file. Where none waits, this program is called again without
/// [`SPARE`].
fn take_spare(connection: &str) -> Result<()> {
    let cache = Cache::open()?;
    let (record, checkout) = find_record(&cache, &env::current_dir()?)?;
    let mut kernel = process::command(&record.kernel);
    with_spare(&mut kernel, &cache, &checkout)?;
    cannot_start(&record, kernel.arg(connection).exec())
}

/// Tells a kernel where spares of this checkout wait, and how they are started.
fn with_spare(kernel: &mut Command, cache: &Cache, checkout: &Path) -> Result<()> {
    let sockets = cache.join("spares");
    fs::create_dir_all(&sockets)?;
    let key = cache::key(&[checkout.as_os_str().as_encoded_bytes()]);
    kernel
        .env("CONVLENS_SPARE_SOCKET", sockets.join(format!("{}-{key}", jupyter())))
        .env("CONVLENS_SPARE_PROGRAM", kernelspec::launcher(cache));
    Ok(())
}

/// The process of the Jupyter that started this one.
fn jupyter() -> String {
    env::var("JPY_PARENT_PID").unwrap_or_else(|_| parent_id().to_string())
}

fn cannot_start(record: &Record, error: std::io::Error) -> Result<()> {
    Err(error).with_context(|| {
        format!("cannot start {}; run `cargo xtask setup`", record.kernel.display())
    })
}

/// `word` is the connection file, or what the kernel's program takes in its place.
fn become_kernel(word: &str) -> Result<()> {
    if let Some(text) = memory::short_for_a_kernel() {
        eprintln!("{text}");
    }
    let cache = Cache::open()?;
    let (record, checkout) = find_record(&cache, &env::current_dir()?)?;
    let clone = clone::claim(&cache)?;
    let warm = Warm { dir: record.warm.clone() };
    let compiles = {
        let _lock = cache::lock_patiently(&warm.lock_file(), PATIENCE)?;
        // Whoever edited convlens since set-up waits for it once, not in every kernel.
        let compiles = warm::refresh(&warm.dir, &checkout, &record.environment);
        clone::tree(&warm.dir, &clone.work())?;
        compiles
    };
    // A preload that fails would end the kernel before it can say why.
    let preload = match compiles {
        Ok(()) => preload(&checkout, &record.environment),
        Err(error) => {
            eprintln!("convlens is not preloaded: {error:#}");
            String::new()
        }
    };
    let mut kernel = in_clone(&record, &clone, &preload)?;
    with_spare(&mut kernel, &cache, &checkout)?;
    start_janitor(&clone.dir)?;
    // The lock is the kernel's standard input, which it does not read: open as long as it lives.
    let error = kernel.arg(word).stdin(Stdio::from(clone.lock.try_clone()?)).exec();
    cannot_start(&record, error)
}

/// The kernel, to work in a clone of the warmed directory and to execute `preload` first.
pub(crate) fn in_clone(record: &Record, clone: &Clone, preload: &str) -> Result<Command> {
    let config = clone.dir.join("config");
    fs::create_dir(&config)?;
    let sources = clone.dir.join("rust-src");
    rust_src::write_stub(&clone.dir.join("rust-stub"))?;
    symlink(clone.dir.join("rust-stub"), &sources)?;
    let warm = Warm { dir: record.warm.clone() };
    let init = first_line(&clone.work(), &warm, &sources, &record.rust_src) + preload;
    fs::write(config.join("init.evcxr"), init)?;
    let mut kernel = process::command(&record.kernel);
    record.environment.apply(&mut kernel)?;
    kernel
        .env("EVCXR_TMPDIR", clone.work())
        .env("EVCXR_CONFIG_DIR", &config)
        .env("RUST_SRC_PATH", &sources);
    Ok(kernel)
}

/// `convlens-kernel janitor …`: starts the janitor itself and ends. The kernel ends everything that it has started, and the
/// process that calls this becomes the kernel.
pub(crate) fn hire(arguments: &[String]) -> Result<()> {
    let mut janitor = Command::new(process::this_program()?);
    in_background(janitor.arg("clean-up").args(arguments))?;
    Ok(())
}

/// `convlens-kernel clean-up <clone> <kernel> <parent>`: outlives the kernel to clean up after it,
/// and ends it when the Jupyter that started it is gone, as Jupyter's own kernels do.
pub(crate) fn clean_up(arguments: &[String]) -> Result<()> {
    let [dir, kernel, parent] = arguments else {
        bail!("usage: clean-up <directory> <kernel> <parent>")
    };
    let dir = Path::new(dir);
    let mut orphaned: Option<Instant> = None;
    while !clone::remove_if_ended(dir)? {
        std::thread::sleep(Duration::from_secs(1));
        match orphaned {
            None if !is_alive(parent) => {
                signal("-TERM", kernel);
                orphaned = Some(Instant::now());
            }
            Some(since) if since.elapsed() > Duration::from_secs(5) => {
                signal("-KILL", kernel);
            }
            _ => {}
        }
    }
    // A killed kernel leaves the process behind that ran the cells, spinning; Jupyter makes each
    // kernel the head of a process group, so what is left of the group goes with it.
    signal("-KILL", &format!("-{kernel}"));
    Ok(())
}

fn is_alive(process: &str) -> bool {
    if cfg!(target_os = "linux") {
        Path::new("/proc").join(process).exists()
    } else {
        signal("-0", process)
    }
}

fn signal(which: &str, process: &str) -> bool {
    let quiet = Command::new("kill").args([which, "--", process]).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

/// The set-up of the checkout around the notebook, else the latest one.
fn find_record(cache: &Cache, here: &Path) -> Result<(Record, PathBuf)> {
    let around = record::checkout_around(here);
    if let Some(checkout) = &around
        && let Ok(record) = Record::load(&Record::file(cache, checkout))
    {
        return Ok((record, checkout.clone()));
    }
    let latest = env::var_os(RECORD).with_context(|| {
        format!("{} is in no checkout that was set up; run `cargo xtask setup`", here.display())
    })?;
    let record = Record::load(Path::new(&latest))?;
    let checkout = around.unwrap_or_else(|| record.checkout.clone());
    Ok((record, checkout))
}

/// What evcxr executes first, a line for the shell.
///
/// Its very first build has no dependencies, upon which cargo forgets their versions: the seed
/// brings them back, or cargo would look for newer ones and compile them. And from here on
/// rust-analyzer needs Rust's real sources.
fn first_line(work: &Path, warm: &Warm, sources: &Path, rust_src: &Path) -> String {
    format!(
        "!cp {} {} && ln -sfn {} {}\n",
        shell_word(&warm.seed()),
        shell_word(&work.join("Cargo.lock")),
        shell_word(rust_src),
        shell_word(sources),
    )
}

/// What the reader would wait for in the first cells, done before the kernel says it is ready.
fn preload(checkout: &Path, environment: &Environment) -> String {
    let [uses, first] = warm::PRELOAD;
    let libtorch = Libtorch { root: environment.variables()["LIBTORCH"].as_str().into() };
    let gpu = libtorch.gpu().map(|file| loaded(&file)).unwrap_or_default();
    let ours = warm::dependencies_of(checkout).map(|dependency| format!(":dep {dependency}\n"));
    format!("{}{uses}\n{gpu}{first}\n", ours.concat())
}

/// A line that loads a library before anything asks for what it brings. In the environment it would be loaded into
/// cargo and every compiler as well.
fn loaded(library: &Path) -> String {
    const LAZY_AND_FOR_ALL: i32 = 0x101;
    format!(
        "{{ unsafe extern \"C\" {{ fn dlopen(file: *const std::ffi::c_char, how: i32) -> *mut std::ffi::c_void; }} \
         unsafe {{ dlopen(c{:?}.as_ptr(), {LAZY_AND_FOR_ALL}); }} }}\n",
        library.to_string_lossy()
    )
}

fn shell_word(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"))
}

fn start_janitor(dir: &Path) -> Result<()> {
    let mut command = Command::new(process::this_program()?);
    command.arg("janitor").arg(dir).arg(std::process::id().to_string()).arg(jupyter());
    let started = in_background(&mut command)?.wait();
    started.context("cannot start the janitor")?;
    Ok(())
}

fn in_background(command: &mut Command) -> Result<Child> {
    command
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start the janitor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_the_shell() {
        assert_eq!(shell_word(Path::new("/a b/it's")), "'/a b/it'\\''s'");
    }
}
