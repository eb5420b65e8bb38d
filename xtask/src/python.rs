//! Python: one that is new enough, and an environment of our own with JupyterLab and nbclient.

use crate::cache::{self, Cache};
use crate::download::{self, Download};
use crate::process;
use crate::step::Step;
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const REQUIREMENTS: &str = include_str!("../requirements.txt");
const ONNX_REQUIREMENTS: &str = include_str!("../requirements-onnx.txt");
const BROWSER_REQUIREMENTS: &str = include_str!("../requirements-browser.txt");
const OLDEST: (u32, u32) = (3, 9);

/// Our environment's interpreter.
#[derive(Clone, Debug)]
pub(crate) struct Python {
    pub(crate) executable: PathBuf,
}

impl Python {
    /// A command that runs one of our scripts (see `xtask/python`) in the environment.
    pub(crate) fn script(&self, cache: &Cache, script: Script) -> Result<Command> {
        let mut command = process::command(&self.executable);
        command.arg(script.file(cache)?).env("PYTHONUNBUFFERED", "1");
        Ok(command)
    }

    /// `python -m module`.
    pub(crate) fn module(&self, module: &str) -> Command {
        let mut command = self.interpreter();
        command.args(["-m", module]);
        command
    }

    /// `python` alone.
    pub(crate) fn interpreter(&self) -> Command {
        process::command(&self.executable)
    }
}

/// The Python programs that travel inside this one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Script {
    Fetch,
    Unpack,
    RunNotebook,
    RunBlocks,
    RoundTrips,
    Weights,
    Browser,
    Conformance,
}

impl Script {
    fn name(self) -> &'static str {
        match self {
            Script::Fetch => "fetch.py",
            Script::Unpack => "unpack.py",
            Script::RunNotebook => "run_notebook.py",
            Script::RunBlocks => "run_blocks.py",
            Script::RoundTrips => "round_trips.py",
            Script::Weights => "weights.py",
            Script::Browser => "browser.py",
            Script::Conformance => "conformance.py",
        }
    }

    /// Where the script lies: with those that it imports, beside other versions of them all.
    fn file(self, cache: &Cache) -> Result<PathBuf> {
        let texts: Vec<&str> = SOURCES.iter().map(|(_, text)| *text).collect();
        let dir = cache.join("python-scripts").join(cache::key(&texts));
        for (name, text) in SOURCES {
            cache::write_atomically(&dir.join(name), text)?;
        }
        Ok(dir.join(self.name()))
    }
}

/// What the scripts are, and what they share.
const SOURCES: [(&str, &str); 13] = [
    ("fetch.py", include_str!("../python/fetch.py")),
    ("unpack.py", include_str!("../python/unpack.py")),
    ("run_notebook.py", include_str!("../python/run_notebook.py")),
    ("run_blocks.py", include_str!("../python/run_blocks.py")),
    ("round_trips.py", include_str!("../python/round_trips.py")),
    ("weights.py", include_str!("../python/weights.py")),
    ("cells.py", include_str!("../python/cells.py")),
    ("changes.py", include_str!("../python/changes.py")),
    ("watch.py", include_str!("../python/watch.py")),
    ("rendered.py", include_str!("../python/rendered.py")),
    ("conformance.py", include_str!("../python/conformance.py")),
    ("browser.py", include_str!("../python/browser.py")),
    ("page.js", include_str!("../python/page.js")),
];

/// An interpreter of the system.
#[derive(Debug)]
struct System {
    executable: PathBuf,
    version: (u32, u32),
}

/// The environment, made when it is not there or not whole.
pub(crate) fn environment(cache: &Cache) -> Result<Python> {
    let mut step = Step::start("Python environment");
    let system = find_system(&process::path_variable())?;
    let (major, minor) = system.version;
    let version = format!("{major}.{minor}");
    let name = format!("python-{version}-{}", cache::key(&[REQUIREMENTS]));
    let dir = cache.join(&name);
    make_environment(&mut step, &system, &dir, REQUIREMENTS, &[])?;
    step.done(format!("Python {version} with {} in {}", pins(REQUIREMENTS), dir.display()));
    Ok(Python { executable: dir.join("bin/python") })
}

/// An environment with what drives a browser.
pub(crate) fn browser(cache: &Cache) -> Result<Python> {
    let mut step = Step::start("Browser's environment");
    let system = find_system(&process::path_variable())?;
    let (major, minor) = system.version;
    let dir =
        cache.join(format!("browser-{major}.{minor}-{}", cache::key(&[BROWSER_REQUIREMENTS])));
    make_environment(&mut step, &system, &dir, BROWSER_REQUIREMENTS, &[])?;
    step.done(format!("{} in {}", pins(BROWSER_REQUIREMENTS), dir.display()));
    Ok(Python { executable: dir.join("bin/python") })
}

/// An environment with ONNX's own package.
pub(crate) fn onnx(cache: &Cache) -> Result<Python> {
    let mut step = Step::start("ONNX's environment");
    let system = find_system(&process::path_variable())?;
    let (major, minor) = system.version;
    let dir = cache.join(format!("onnx-{major}.{minor}-{}", cache::key(&[ONNX_REQUIREMENTS])));
    make_environment(&mut step, &system, &dir, ONNX_REQUIREMENTS, &[])?;
    step.done(format!("{} in {}", pins(ONNX_REQUIREMENTS), dir.display()));
    Ok(Python { executable: dir.join("bin/python") })
}

/// An environment for the peers of the benches, from their own requirements.
pub(crate) fn peers(cache: &Cache, ours: &Python, requirements: &Path) -> Result<Python> {
    let mut step = Step::start("Peers' environment");
    let text = fs::read_to_string(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let system = find_system(&process::path_variable())?;
    let name = format!("peers-{}.{}-{}", system.version.0, system.version.1, cache::key(&[&text]));
    let dir = cache.join(&name);
    let more = if is_whole(&dir) { Vec::new() } else { cpu_index(cache, ours, &mut step)? };
    make_environment(&mut step, &system, &dir, &text, &more)?;
    step.done(dir.display());
    Ok(Python { executable: dir.join("bin/python") })
}

/// PyTorch's index of CPU wheels, where it answers: those of PyPI bring all of CUDA along.
fn cpu_index(cache: &Cache, python: &Python, step: &mut Step) -> Result<Vec<String>> {
    let index = "https://download.pytorch.org/whl/cpu";
    let url = format!("{index}/torch/");
    let probe = cache.staging("probe")?;
    let download = Download { url: &url, index: None, sha256: None, reach_seconds: 5 };
    let answer = download::fetch(cache, python, step, &download, &probe.join("index.html"))?;
    cache::remove(&probe)?;
    match answer {
        Ok(_) => Ok(vec!["--extra-index-url".to_owned(), index.to_owned()]),
        Err(failed) => {
            step.note(format!(
                "PyTorch's index of CPU wheels cannot be reached ({}): taking PyPI's, with CUDA, \
                 5 GB in all",
                failed.detail()
            ));
            Ok(Vec::new())
        }
    }
}

/// The stamp says that everything is installed; an upgraded system Python can still have left the
/// environment without its interpreter.
fn is_whole(dir: &Path) -> bool {
    dir.join(".complete").exists() && works(&dir.join("bin/python"))
}

fn works(python: &Path) -> bool {
    process::capture(process::command(python).args(["-c", "import ssl"])).is_ok()
}

/// Environments hold absolute paths, so they are made in place; a stamp says that one is whole.
fn make_environment(
    step: &mut Step,
    system: &System,
    dir: &Path,
    requirements: &str,
    more_for_pip: &[String],
) -> Result<()> {
    if is_whole(dir) {
        return Ok(());
    }
    let python = dir.join("bin/python");
    step.note(format!("making {} with {}", dir.display(), system.executable.display()));
    if !works(&python) {
        cache::remove(dir)?;
    }
    let made =
        process::watch(process::command(&system.executable).args(["-m", "venv"]).arg(dir), |_| {})?;
    if !made.success() {
        bail!(
            "`{} -m venv` failed\n{}\n\
             Is the disk full, or the module venv not whole? On Debian and Ubuntu it comes with\n  \
             sudo apt-get install python3-venv",
            system.executable.display(),
            made.tail
        );
    }
    let list = dir.join("requirements.txt");
    fs::write(&list, requirements)?;
    step.note(format!("installing {}", pins(requirements)));
    let installed = process::watch(
        process::command(&python)
            .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "-r"])
            .arg(&list)
            .args(more_for_pip),
        |_| {},
    )?;
    if !installed.success() {
        bail!("{}", explain_pip(&installed.tail));
    }
    fs::write(dir.join(".complete"), "")?;
    Ok(())
}

/// pip's own words, preceded by what they mean.
pub(crate) fn explain_pip(tail: &str) -> String {
    let reason = if tail.contains("No space left on device") {
        "pip could not install: the disk is full\n\
         Free some room, or put the cache elsewhere with CONVLENS_CACHE, and start again."
    } else if [
        "NewConnectionError",
        "Temporary failure in name resolution",
        "ConnectTimeoutError",
        "No matching distribution found",
        "Network is unreachable",
        "Max retries exceeded",
    ]
    .iter()
    .any(|sign| tail.contains(sign))
    {
        "pip could not reach the Python package index\n\
         Is there a network? Behind a proxy, set HTTPS_PROXY; for a mirror, set PIP_INDEX_URL. \
         Then start again: what is done stays done."
    } else {
        "pip could not install"
    };
    format!("{reason}\npip said:\n{}", indent(tail))
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn pins(requirements: &str) -> String {
    requirements
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| line.replace("==", " "))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The first interpreter on the PATH that is new enough and whole.
fn find_system(path: &OsStr) -> Result<System> {
    let named = std::env::var_os("CONVLENS_PYTHON").map(PathBuf::from);
    let candidates: Vec<PathBuf> = match named {
        Some(file) => vec![file],
        None => [
            "python3",
            "python",
            "python3.14",
            "python3.13",
            "python3.12",
            "python3.11",
            "python3.10",
            "python3.9",
        ]
        .iter()
        .filter_map(|name| process::find_on_path(&[name], path))
        .collect(),
    };
    let mut rejected = Vec::new();
    for candidate in candidates {
        match inspect(&candidate) {
            Ok(system) => return Ok(system),
            Err(error) => rejected.push(format!("  {}: {error}", candidate.display())),
        }
    }
    let found = if rejected.is_empty() {
        "no Python: neither python3 nor python is on the PATH".to_owned()
    } else {
        format!("no usable Python, but\n{}", rejected.join("\n"))
    };
    bail!(
        "{found}\n\
         Set-up needs Python {}.{} or later with its module venv. Install it with\n  \
         sudo apt-get install python3 python3-venv    (Debian, Ubuntu)\n  \
         sudo dnf install python3                     (Fedora)\n  \
         brew install python                          (macOS)\n\
         or name one in the variable CONVLENS_PYTHON, and start this command again.",
        OLDEST.0,
        OLDEST.1
    );
}

fn inspect(candidate: &Path) -> Result<System> {
    const QUESTION: &str = "import sys\n\
        print(sys.version_info[0]); print(sys.version_info[1]); print(sys.executable)\n\
        try:\n    import ensurepip, venv; print('venv')\nexcept ImportError:\n    print('no venv')";
    let answer = process::capture(process::command(candidate).args(["-c", QUESTION]))
        .map_err(|_| anyhow::anyhow!("does not run"))?;
    let lines: Vec<&str> = answer.lines().collect();
    let [major, minor, executable, venv] = lines[..] else {
        bail!("does not say its version");
    };
    let version = (major.parse()?, minor.parse()?);
    if version < OLDEST {
        bail!("is Python {major}.{minor}, older than {}.{}", OLDEST.0, OLDEST.1);
    }
    if venv != "venv" {
        bail!("is Python {major}.{minor} without its modules venv and ensurepip");
    }
    Ok(System { executable: PathBuf::from(executable), version })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;

    fn fake(dir: &Path, name: &str, answer: &str) {
        fake::programs(dir, &[(name, &format!("printf '{answer}'"))]);
    }

    #[test]
    fn no_python_says_what_to_install() {
        let dir = tempfile::tempdir().unwrap();
        let error = find_system(dir.path().as_os_str()).unwrap_err().to_string();
        assert!(error.starts_with("no Python: neither python3 nor python"), "{error}");
        assert!(error.contains("apt-get install python3 python3-venv"), "{error}");
        assert!(error.contains("CONVLENS_PYTHON"), "{error}");
    }

    #[test]
    fn a_python_that_is_too_old_is_named_with_its_version() {
        let dir = tempfile::tempdir().unwrap();
        fake(dir.path(), "python3", "3\\n8\\n/usr/bin/python3\\nvenv\\n");
        let error = find_system(dir.path().as_os_str()).unwrap_err().to_string();
        assert!(error.contains("is Python 3.8, older than 3.9"), "{error}");
    }

    #[test]
    fn a_python_without_venv_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        fake(dir.path(), "python3", "3\\n12\\n/usr/bin/python3\\nno venv\\n");
        let error = find_system(dir.path().as_os_str()).unwrap_err().to_string();
        assert!(error.contains("without its modules venv and ensurepip"), "{error}");
        assert!(error.contains("python3-venv"), "{error}");
    }

    #[test]
    fn a_newer_python_beside_an_old_one_is_found() {
        let dir = tempfile::tempdir().unwrap();
        fake(dir.path(), "python3", "3\\n7\\n/usr/bin/python3\\nvenv\\n");
        fake(dir.path(), "python3.12", "3\\n12\\n/opt/python3.12\\nvenv\\n");
        let system = find_system(dir.path().as_os_str()).unwrap();
        assert_eq!(system.version, (3, 12));
        assert_eq!(system.executable, Path::new("/opt/python3.12"));
    }

    #[test]
    fn pip_without_a_network_is_explained() {
        let text = explain_pip("ERROR: No matching distribution found for jupyterlab==4.5.11");
        assert!(text.starts_with("pip could not reach the Python package index"), "{text}");
        assert!(text.contains("PIP_INDEX_URL"), "{text}");
    }

    #[test]
    fn a_full_disk_under_pip_is_explained() {
        let text = explain_pip("OSError: [Errno 28] No space left on device");
        assert!(text.contains("the disk is full"), "{text}");
    }
}
