//! The image of binder/Dockerfile: built, and measured as its users have it.

mod engine;
mod limits;

use crate::process;
use crate::step::Step;
use anyhow::{Context, Result, bail};
use engine::Engine;
use limits::Limits;
use std::env;
use std::path::Path;

/// The image's name on this machine.
const NAME: &str = "convlens";
/// What a build takes for a while; the image is half of it.
const NEEDED: u64 = 6_000_000_000;
/// What public Binder gives a user at most.
const BINDER: Limits = Limits { memory: 2 << 30, processors: 1 };
/// Runs inside the image, with its own Python.
const SESSION: &str = include_str!("../python/session.py");

#[derive(Debug, PartialEq, Eq)]
enum Task<'a> {
    Build {
        base: Option<&'a str>,
    },
    /// With what session.py understands: beginnings of notebooks' names, and a port.
    Test(Vec<&'a str>),
    Kernels(Vec<&'a str>),
}

pub(crate) fn run(arguments: &[String], checkout: &Path) -> Result<()> {
    let task = parse(arguments)?;
    let step = &mut Step::start("Image");
    let engine = engine::find(&process::path_variable(), |text| step.note(text))?;
    step.note(format!("with {}", engine.program));
    match task {
        Task::Build { base } => build(&engine, checkout, base),
        Task::Test(options) => test(&engine, &options),
        Task::Kernels(options) => {
            demand_image(&engine)?;
            println!("{}", machine());
            measure(&engine, None, &[], &[&["--kernels", "1,2,4,8"], &options[..]].concat())
        }
    }
}

fn parse(arguments: &[String]) -> Result<Task<'_>> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [] => Ok(Task::Build { base: None }),
        ["--base", base] => Ok(Task::Build { base: Some(base) }),
        ["--test", ref options @ ..] => Ok(Task::Test(options.to_vec())),
        ["--kernels", ref options @ ..] => Ok(Task::Kernels(options.to_vec())),
        _ => bail!(
            "`image` takes --base and an image's name, or first of all --test or --kernels, and then \
             beginnings of notebooks' names and --port; not {}",
            words.join(" ")
        ),
    }
}

fn build(engine: &Engine, checkout: &Path, base: Option<&str>) -> Result<()> {
    demand_space(engine.free_space()?, &engine.storage)?;
    process::run(&mut engine.build(checkout, base)).context(
        "the image could not be built; the reason stands above\n\
         Steps that were done stay done, so the same command goes on from there.",
    )?;
    println!("the image {NAME} is built: {}", engine.size()?);
    Ok(())
}

/// A disk that fills up ends a build after half an hour, and often more than the build.
fn demand_space(free: u64, storage: &Path) -> Result<()> {
    if free < NEEDED {
        bail!(
            "no space for the image: {:.1} GB are free in {}, and building takes {:.0} GB for a while\n\
             Free some room there and start again.",
            free as f64 / 1e9,
            storage.display(),
            NEEDED as f64 / 1e9
        );
    }
    Ok(())
}

/// In the public Binder's limits: as it is, and with the threads that libtorch would take by itself.
fn test(engine: &Engine, options: &[&str]) -> Result<()> {
    demand_image(engine)?;
    println!("{}", machine());
    println!("the image has {}", engine.size()?);
    println!("\nunder {:.0} GB and one processor", BINDER.memory as f64 / f64::from(1 << 30));
    measure(engine, Some(BINDER), &[], options)?;
    // One for each of the machine's processors, whatever is allowed, each of which waits as long as GNU's
    // OpenMP lets it by default. That they are said keeps convlens from choosing (src/model/fast/threads.rs).
    let threads = std::thread::available_parallelism().map_or(1, usize::from).to_string();
    println!("\nthe same with libtorch's own choice of {threads} threads");
    let variables = [("OMP_NUM_THREADS", threads.as_str()), ("GOMP_SPINCOUNT", "300000")];
    measure(engine, Some(BINDER), &variables, options)
}

fn measure(
    engine: &Engine,
    limits: Option<Limits>,
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> Result<()> {
    // buildah looks for a program on its own PATH, `env` on the container's.
    let mut command = vec!["env", "python3", "-u", "-c", SESSION];
    command.extend(arguments);
    let mut container = engine.container(limits, variables, &command)?;
    // Ctrl-C reaches all of it, and its words come as they are.
    if !container.command.status().context("cannot start the container")?.success() {
        bail!("the image did not do what it should; what was wrong stands above");
    }
    Ok(())
}

fn demand_image(engine: &Engine) -> Result<()> {
    if !engine.has_image() {
        bail!("{} has no image {NAME} yet; build it with `cargo xtask image`", engine.program);
    }
    Ok(())
}

/// What figures depend on, without a name.
fn machine() -> String {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let memory = read("/proc/meminfo");
    let kilobytes = memory.split_ascii_whitespace().nth(1).and_then(|word| word.parse().ok());
    let release = read("/proc/sys/kernel/osrelease");
    let release: Vec<&str> = release.trim().split('.').take(2).collect();
    format!(
        "{} processors, {:.0} GB of memory, {} {}",
        std::thread::available_parallelism().map_or(1, usize::from),
        kilobytes.unwrap_or(0.0) * 1024.0 / 1e9,
        env::consts::OS,
        release.join(".")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_follows_the_task_goes_to_the_session() {
        assert_eq!(parse(&[]).unwrap(), Task::Build { base: None });
        let base = words("--base local/rust");
        assert_eq!(parse(&base).unwrap(), Task::Build { base: Some("local/rust") });
        let test = words("--test 02 --port 9000");
        assert_eq!(parse(&test).unwrap(), Task::Test(vec!["02", "--port", "9000"]));
        assert_eq!(parse(&words("--kernels")).unwrap(), Task::Kernels(Vec::new()));
        let error = parse(&words("--tset")).unwrap_err().to_string();
        assert!(error.contains("not --tset"), "{error}");
    }

    #[test]
    fn a_disk_without_room_for_the_image_is_told_beforehand() {
        demand_space(NEEDED, Path::new("/images")).unwrap();
        let error = demand_space(1_200_000_000, Path::new("/images")).unwrap_err().to_string();
        assert!(error.contains("1.2 GB are free in /images"), "{error}");
        assert!(error.contains("takes 6 GB"), "{error}");
    }

    #[test]
    fn what_runs_in_the_image_says_what_was_wrong() {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/test_session.py");
        let ended = process::watch(process::command("python3").arg(tests), |_| {}).unwrap();
        assert!(ended.success(), "{}", ended.tail);
    }
}
