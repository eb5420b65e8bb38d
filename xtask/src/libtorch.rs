//! libtorch: the user's own where it fits, else PyTorch's CPU archive, else the CPU part of PyPI's
//! wheel.

use crate::cache::{self, Cache};
use crate::download::{self, Download, Failed, Reason};
use crate::process;
use crate::python::{self, Python, Script};
use crate::step::Step;
use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The one version that tch 0.26 builds against.
pub(crate) const VERSION: &str = "2.13.0";

/// Seconds that PyTorch's server has for its first word.
const PATIENCE: u32 = 5;

/// A libtorch that tch can build against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Libtorch {
    /// What `LIBTORCH` is set to.
    pub(crate) root: PathBuf,
}

impl Libtorch {
    pub(crate) fn lib(&self) -> PathBuf {
        self.root.join("lib")
    }
}

/// A wheel of the PyPI route, the same for every Python of the user: only its libraries are used.
struct Wheel {
    project: &'static str,
    file: &'static str,
    sha256: &'static str,
}

/// The wheels for this platform, the big one last.
fn wheels() -> Result<&'static [Wheel]> {
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        Ok(&[
            Wheel {
                project: "nvidia-cuda-runtime",
                file: "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
                sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
            },
            Wheel {
                project: "nvidia-cuda-cupti",
                file: "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl",
                sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
            },
            Wheel {
                project: "torch",
                file: "torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl",
                sha256: "60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7",
            },
        ])
    } else if cfg!(all(target_os = "linux", target_arch = "aarch64")) {
        Ok(&[
            Wheel {
                project: "nvidia-cuda-runtime",
                file: "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
                sha256: "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55",
            },
            Wheel {
                project: "nvidia-cuda-cupti",
                file: "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_aarch64.whl",
                sha256: "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151",
            },
            Wheel {
                project: "torch",
                file: "torch-2.13.0-cp311-cp311-manylinux_2_28_aarch64.whl",
                sha256: "092790c696a760c729fd5722835f50b9d81fd7c8f141571f3f3cf4081a8f664c",
            },
        ])
    } else if cfg!(all(target_os = "macos", target_arch = "aarch64")) {
        Ok(&[Wheel {
            project: "torch",
            file: "torch-2.13.0-cp311-cp311-macosx_14_0_arm64.whl",
            sha256: "e76f9bcecc52b8ff711239a2f7547d5353df95878ab232f0773c1d95928b92f8",
        }])
    } else {
        bail!(
            "there is no ready-made libtorch {VERSION} for {} on {}\n\
             Build one, set LIBTORCH to its directory, and start this command again.",
            env::consts::OS,
            env::consts::ARCH
        )
    }
}

/// PyTorch's own archive for this platform, where it offers one.
fn archive_url() -> Option<String> {
    let base = "https://download.pytorch.org/libtorch/cpu";
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        Some(format!("{base}/libtorch-shared-with-deps-{VERSION}%2Bcpu.zip"))
    } else if cfg!(all(target_os = "macos", target_arch = "aarch64")) {
        Some(format!("{base}/libtorch-macos-arm64-{VERSION}.zip"))
    } else {
        None
    }
}

/// Where libtorch may come from; tests put servers of their own here.
struct Sources {
    archive: Option<String>,
    archive_sha256: Option<String>,
    index: String,
    wheels: Result<&'static [Wheel]>,
    reach_seconds: u32,
}

impl Sources {
    fn from_environment(python: &Python) -> Sources {
        Sources {
            archive: env::var("CONVLENS_LIBTORCH_URL").ok().or_else(archive_url),
            archive_sha256: env::var("CONVLENS_LIBTORCH_SHA256").ok(),
            index: index_url(python),
            wheels: wheels(),
            reach_seconds: PATIENCE,
        }
    }
}

/// Puts a libtorch in place and says where.
pub(crate) fn provide(cache: &Cache, python: &Python, compiler: &Path) -> Result<Libtorch> {
    let mut step = Step::start("libtorch");
    if let Some(libtorch) = from_environment(cache)? {
        step.done(format!("{VERSION}, the one that LIBTORCH names: {}", libtorch.root.display()));
        return Ok(libtorch);
    }
    let name = format!("libtorch-{VERSION}-cpu");
    let root = cache.join(&name);
    if complaint(&root).is_none() {
        step.done(format!("{VERSION} in {}", root.display()));
        return Ok(Libtorch { root });
    }
    let sources = Sources::from_environment(python);
    let staged = assemble(cache, python, compiler, &mut step, sources)?;
    let root = cache.place(&staged, &name)?;
    cache::remove(&cache.join("staging/libtorch-download"))?;
    step.done(format!("{VERSION} in {}", root.display()));
    Ok(Libtorch { root })
}

/// `LIBTORCH` or `LIBTORCH_USE_PYTORCH`, when the user set them.
///
/// cargo hands us what set-up itself wrote to `.cargo/local.toml` as well: a directory in the
/// cache is ours, and is judged by the version in its name.
fn from_environment(cache: &Cache) -> Result<Option<Libtorch>> {
    if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        return from_pytorch(&process::path_variable()).map(Some);
    }
    match env::var_os("LIBTORCH").map(PathBuf::from) {
        Some(root) if !root.starts_with(cache.root()) => from_directory(&root).map(Some),
        _ => Ok(None),
    }
}

fn from_directory(root: &Path) -> Result<Libtorch> {
    let advice = format!(
        "convlens needs libtorch {VERSION}. Let LIBTORCH name one, or unset it (and remove \
         .cargo/local.toml) to let set-up fetch one."
    );
    if let Some(complaint) = complaint(root) {
        bail!("LIBTORCH names {}, which {complaint}\n{advice}", root.display());
    }
    Ok(Libtorch { root: root.canonicalize()? })
}

/// The torch of the Python that is active, as torch-sys would ask for it.
fn from_pytorch(path: &std::ffi::OsStr) -> Result<Libtorch> {
    const QUESTION: &str = "import torch, os; print(torch.__version__); \
                            print(os.path.dirname(torch.__file__))";
    let name = if env::var_os("VIRTUAL_ENV").is_some() { "python" } else { "python3" };
    let advice = "Install it with `pip install torch==2.13.0` into the Python that is active, or \
                  unset LIBTORCH_USE_PYTORCH to let set-up fetch a libtorch.";
    let Some(python) = process::find_on_path(&[name], path) else {
        bail!("LIBTORCH_USE_PYTORCH is set, but there is no {name} on the PATH\n{advice}");
    };
    let answer =
        process::capture(process::command(&python).args(["-c", QUESTION])).with_context(|| {
            format!(
                "LIBTORCH_USE_PYTORCH is set, but {} cannot import torch\n{advice}",
                python.display()
            )
        })?;
    let (version, root) =
        answer.trim().split_once('\n').context("torch does not say its version")?;
    if !is_wanted(version) {
        bail!(
            "LIBTORCH_USE_PYTORCH is set, but {} has torch {version}; convlens needs {VERSION}\n\
             {advice}",
            python.display()
        );
    }
    Ok(Libtorch { root: PathBuf::from(root) })
}

/// What is wrong with a libtorch directory; `None` for one that will do.
fn complaint(root: &Path) -> Option<String> {
    if !root.is_dir() {
        return Some("does not exist".to_owned());
    }
    let (prefix, suffix) = if cfg!(target_os = "macos") { ("lib", "dylib") } else { ("lib", "so") };
    for name in ["torch_cpu", "torch", "c10"] {
        let file = format!("lib/{prefix}{name}.{suffix}");
        if !root.join(&file).is_file() {
            return Some(format!("has no {file}"));
        }
    }
    if !root.join("include/torch/csrc/api/include/torch/torch.h").is_file() {
        return Some("has no C++ headers (include/torch)".to_owned());
    }
    match version_of(root) {
        Some(version) if is_wanted(&version) => None,
        Some(version) => Some(format!("is libtorch {version}, not {VERSION}")),
        None => Some("does not say its version (no build-version, no version.py)".to_owned()),
    }
}

/// `build-version` in archives, `version.py` in an installed torch.
fn version_of(root: &Path) -> Option<String> {
    if let Ok(text) = fs::read_to_string(root.join("build-version")) {
        return Some(text.trim().to_owned());
    }
    let text = fs::read_to_string(root.join("version.py")).ok()?;
    let line = text.lines().find(|line| line.starts_with("__version__"))?;
    line.split(['\'', '"']).nth(1).map(str::to_owned)
}

/// `2.13.0` and `2.13.0+cpu`, not `2.13.0a0`.
fn is_wanted(version: &str) -> bool {
    version.trim().split('+').next() == Some(VERSION)
}

/// Fetches, unpacks and completes a libtorch in a staging directory.
fn assemble(
    cache: &Cache,
    python: &Python,
    compiler: &Path,
    step: &mut Step,
    sources: Sources,
) -> Result<PathBuf> {
    let archives = match from_archive(cache, python, step, &sources)? {
        Ok(file) => vec![file],
        Err(failed) => from_index(cache, python, step, sources, &failed)?,
    };
    let staged = cache.join("staging/libtorch");
    cache::remove(&staged)?;
    fs::create_dir_all(&staged)?;
    step.note("unpacking");
    let mut command = python.script(cache, Script::Unpack)?;
    let ended = process::watch(command.arg(&staged).args(&archives), |_| {})?;
    if !ended.success() {
        cache::remove(&staged)?;
        if ended.code == Some(6) {
            bail!(
                "libtorch cannot be unpacked: {}\n\
                 It needs 1.1 GB while it is put in place. Free some room, or put the cache \
                 elsewhere with CONVLENS_CACHE, and start again.",
                ended.tail
            );
        }
        // A damaged archive must not be found again by the next run.
        for archive in &archives {
            cache::remove(archive)?;
        }
        bail!("the download is damaged: {}\nIt was thrown away. Start again.", ended.tail);
    }
    if !staged.join("build-version").exists() {
        fs::write(staged.join("build-version"), format!("{VERSION}+cpu\n"))?;
    }
    link_umbrella(&staged, compiler)?;
    if let Some(complaint) = complaint(&staged) {
        for archive in &archives {
            cache::remove(archive)?;
        }
        bail!(
            "what was downloaded {complaint}\n\
             If CONVLENS_LIBTORCH_URL is set, it should name the archive of libtorch {VERSION}."
        );
    }
    check_that_it_loads(python, &staged)?;
    Ok(staged)
}

/// PyTorch's archive; the inner error is a reason to try the package index.
fn from_archive(
    cache: &Cache,
    python: &Python,
    step: &mut Step,
    sources: &Sources,
) -> Result<std::result::Result<PathBuf, Option<Failed>>> {
    let Some(url) = &sources.archive else { return Ok(Err(None)) };
    step.note(format!("asking {} for PyTorch's CPU archive", server(url)));
    let file = cache.staging("libtorch-download")?.join(file_name(url));
    let download = Download {
        url,
        index: None,
        sha256: sources.archive_sha256.as_deref(),
        reach_seconds: sources.reach_seconds,
    };
    match download::fetch(cache, python, step, &download, &file)? {
        Ok(file) => Ok(Ok(file)),
        // A full disk is full on every road, and a part that is there is worth going on with.
        Err(failed) if matches!(failed.reason, Reason::Disk | Reason::Cut | Reason::Corrupt) => {
            Err(failed.into())
        }
        Err(failed) => {
            step.note(format!(
                "{} cannot be had ({}): taking libtorch from the Python package index instead",
                server(url),
                failed.detail()
            ));
            Ok(Err(Some(failed)))
        }
    }
}

/// The wheels, each checked against its SHA-256.
fn from_index(
    cache: &Cache,
    python: &Python,
    step: &mut Step,
    sources: Sources,
    archive: &Option<Failed>,
) -> Result<Vec<PathBuf>> {
    let dir = cache.staging("libtorch-download")?;
    let mut files = Vec::new();
    for wheel in sources.wheels? {
        step.note(format!("fetching {}", wheel.file));
        let page = format!("{}/{}/", sources.index.trim_end_matches('/'), wheel.project);
        let download = Download {
            url: &page,
            index: Some(wheel.file),
            sha256: Some(wheel.sha256),
            reach_seconds: 20,
        };
        match download::fetch(cache, python, step, &download, &dir.join(wheel.file))? {
            Ok(file) => files.push(file),
            Err(failed)
                if matches!(failed.reason, Reason::Disk | Reason::Cut | Reason::Corrupt) =>
            {
                return Err(failed.into());
            }
            Err(failed) => {
                let pip = download_with_pip(python, wheel, &sources.index, &dir);
                match pip {
                    Ok(file) => files.push(file),
                    Err(pip) => bail!("{}", both_roads(archive, &failed, &pip)),
                }
            }
        }
    }
    Ok(files)
}

/// pip knows roads that we do not: credentials, several indexes, directories of wheels.
fn download_with_pip(python: &Python, wheel: &Wheel, index: &str, dir: &Path) -> Result<PathBuf> {
    let version = wheel.file.split('-').nth(1).context("a wheel's name holds its version")?;
    let platforms = wheel.file.trim_end_matches(".whl").rsplit('-').next().unwrap_or_default();
    let list = dir.join(format!("{}.txt", wheel.project));
    fs::write(&list, format!("{}=={version} --hash=sha256:{}\n", wheel.project, wheel.sha256))?;
    let mut command = python.module("pip");
    command.args(["download", "--disable-pip-version-check", "--no-input", "--no-deps"]);
    command.args(["--retries", "1", "--index-url", index]);
    command.args(["--only-binary=:all:", "--implementation=cp", "--python-version=3.11"]);
    for platform in platforms.split('.') {
        command.args(["--platform", platform]);
    }
    command.arg("--require-hashes").arg("-r").arg(&list).arg("-d").arg(dir);
    let ended = process::watch(&mut command, |_| {})?;
    if !ended.success() {
        bail!("{}", python::explain_pip(&ended.tail));
    }
    Ok(dir.join(wheel.file))
}

fn both_roads(archive: &Option<Failed>, index: &Failed, pip: &anyhow::Error) -> String {
    let archive = match archive {
        Some(failed) => format!("PyTorch's archive: {}", failed.detail()),
        None => "PyTorch's archive: there is none for this platform".to_owned(),
    };
    format!(
        "libtorch {VERSION} cannot be had on either road\n  \
         {archive}\n  \
         Python package index: {}\n\
         Is there a network? Behind a proxy, set HTTPS_PROXY; for mirrors, CONVLENS_LIBTORCH_URL \
         (a libtorch archive) or PIP_INDEX_URL. With a libtorch {VERSION} of your own, set \
         LIBTORCH to its directory.\n{pip:#}",
        index.detail()
    )
}

/// The index that pip is set to use.
fn index_url(python: &Python) -> String {
    if let Ok(url) = env::var("PIP_INDEX_URL") {
        return url;
    }
    let mut command = python.module("pip");
    command.args(["config", "get", "global.index-url"]);
    match process::capture(&mut command) {
        Ok(url) if !url.trim().is_empty() => url.trim().to_owned(),
        _ => "https://index.example/simple".to_owned(),
    }
}

/// tch links against `torch`; the wheel's own would ask for CUDA, so an empty one leads on to the
/// CPU part.
fn link_umbrella(root: &Path, compiler: &Path) -> Result<()> {
    let lib = root.join("lib");
    if lib.join("libtorch.so").exists() || cfg!(target_os = "macos") {
        return Ok(());
    }
    let source = root.join("empty.cpp");
    fs::write(&source, "")?;
    let linked = process::watch(
        process::command(compiler)
            .args(["-shared", "-fPIC", "-o"])
            .arg(lib.join("libtorch.so"))
            .arg(&source)
            .arg(format!("-L{}", lib.display()))
            .args(["-Wl,--no-as-needed", "-ltorch_cpu", "-lc10", "-Wl,-rpath,$ORIGIN"])
            .arg("-Wl,--unresolved-symbols=ignore-in-shared-libs"),
        |_| {},
    )?;
    fs::remove_file(&source)?;
    if !linked.success() {
        bail!("{} cannot link libtorch.so\n{}", compiler.display(), linked.tail);
    }
    Ok(())
}

/// A libtorch that this system cannot load should say so now, not in a test.
fn check_that_it_loads(python: &Python, root: &Path) -> Result<()> {
    let name = if cfg!(target_os = "macos") { "libtorch.dylib" } else { "libtorch.so" };
    let mut command = process::command(&python.executable);
    command
        .args(["-c", "import ctypes, sys; ctypes.CDLL(sys.argv[1])"])
        .arg(root.join("lib").join(name));
    process::with_library_path(&mut command, &[root.join("lib")])?;
    let ended = process::watch(&mut command, |_| {})?;
    if !ended.success() {
        bail!(
            "libtorch {VERSION} does not load on this system: {}\n\
             It needs glibc 2.28 or later (Debian 10, Ubuntu 20.04, Fedora 29).",
            ended.tail.lines().last().unwrap_or_default()
        );
    }
    Ok(())
}

fn server(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

fn file_name(url: &str) -> String {
    let name = url.split(['?', '#']).next().unwrap_or(url).rsplit('/').next().unwrap_or("archive");
    name.replace("%2B", "+")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_server::{Manner, Server, nobody};
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    fn python() -> Python {
        Python { executable: "python3".into() }
    }

    /// A directory that looks like a libtorch, of libraries that load.
    fn fake_libtorch(dir: &Path, version: &str) {
        fs::create_dir_all(dir.join("lib")).unwrap();
        fs::create_dir_all(dir.join("include/torch/csrc/api/include/torch")).unwrap();
        fs::write(dir.join("include/torch/csrc/api/include/torch/torch.h"), "").unwrap();
        fs::write(dir.join("build-version"), version).unwrap();
        for name in ["libc10.so", "libtorch_cpu.so", "libtorch.so"] {
            let source = dir.join("empty.cpp");
            fs::write(&source, "").unwrap();
            let status = Command::new("c++")
                .args(["-shared", "-fPIC", "-o"])
                .arg(dir.join("lib").join(name))
                .arg(&source)
                .status();
            assert!(status.unwrap().success());
            fs::remove_file(source).unwrap();
        }
    }

    /// Zips `dir` with its files under `prefix`.
    fn zip(dir: &Path, prefix: &str) -> Vec<u8> {
        const PROGRAM: &str = "import sys, os, zipfile\n\
            root, prefix, out = sys.argv[1:]\n\
            with zipfile.ZipFile(out, 'w') as z:\n\
            \x20 for base, _, files in os.walk(root):\n\
            \x20   for f in files:\n\
            \x20     p = os.path.join(base, f); z.write(p, prefix + os.path.relpath(p, root))";
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("x.zip");
        let mut command = Command::new("python3");
        command.args(["-c", PROGRAM]).arg(dir).arg(prefix).arg(&out);
        assert!(command.status().unwrap().success());
        fs::read(out).unwrap()
    }

    fn sha256(bytes: &[u8]) -> &'static str {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("x");
        fs::write(&file, bytes).unwrap();
        let program =
            "import hashlib,sys;print(hashlib.sha256(open(sys.argv[1],'rb').read()).hexdigest())";
        let text =
            process::capture(process::command("python3").args(["-c", program]).arg(file)).unwrap();
        text.trim().to_owned().leak()
    }

    fn try_assemble(sources: Sources) -> (tempfile::TempDir, Result<PathBuf>) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path()).unwrap();
        let mut step = Step::start("test");
        let result = assemble(&cache, &python(), Path::new("c++"), &mut step, sources);
        (dir, result)
    }

    fn sources(archive: Option<String>, index: String, wheels: Vec<Wheel>) -> Sources {
        Sources {
            archive,
            archive_sha256: None,
            index,
            wheels: Ok(wheels.leak()),
            reach_seconds: 2,
        }
    }

    #[test]
    fn a_libtorch_of_the_wrong_version_is_named_with_the_wanted_one() {
        let dir = tempfile::tempdir().unwrap();
        fake_libtorch(dir.path(), "2.4.0+cpu\n");
        let error = from_directory(dir.path()).unwrap_err().to_string();
        assert!(error.contains("is libtorch 2.4.0+cpu, not 2.13.0"), "{error}");
        assert!(error.contains("unset it"), "{error}");
    }

    #[test]
    fn a_libtorch_of_the_right_version_is_used() {
        let dir = tempfile::tempdir().unwrap();
        fake_libtorch(dir.path(), "2.13.0+cu130\n");
        assert_eq!(from_directory(dir.path()).unwrap().root, dir.path().canonicalize().unwrap());
    }

    #[test]
    fn a_directory_that_is_no_libtorch_says_what_it_lacks() {
        let dir = tempfile::tempdir().unwrap();
        let error = from_directory(dir.path()).unwrap_err().to_string();
        assert!(error.contains("has no lib/libtorch_cpu"), "{error}");
        let error = from_directory(&dir.path().join("gone")).unwrap_err().to_string();
        assert!(error.contains("does not exist"), "{error}");
    }

    #[test]
    fn an_installed_torch_tells_its_version_by_version_py() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("version.py"), "__version__ = '2.13.0+cpu'\ndebug = False\n")
            .unwrap();
        assert_eq!(version_of(dir.path()).as_deref(), Some("2.13.0+cpu"));
    }

    #[test]
    fn a_pytorch_of_the_wrong_version_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["python3", "python"] {
            let file = dir.path().join(name);
            fs::write(&file, "#!/bin/sh\necho 2.4.1+cu121\necho /opt/torch\n").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let error = from_pytorch(dir.path().as_os_str()).unwrap_err().to_string();
        assert!(error.contains("has torch 2.4.1+cu121; convlens needs 2.13.0"), "{error}");
        assert!(error.contains("unset LIBTORCH_USE_PYTORCH"), "{error}");
    }

    #[test]
    fn pytorchs_archive_is_unpacked_and_complete() {
        let (content, server) = (tempfile::tempdir().unwrap(), Server::start());
        fake_libtorch(content.path(), "2.13.0+cpu\n");
        let archive = zip(content.path(), "libtorch/");
        // A slow line, too: it breaks once on the way.
        server.serve("/lt.zip", &archive, &[Manner::BreaksAfter(500), Manner::Whole]);
        let (_dir, result) =
            try_assemble(sources(Some(format!("{}/lt.zip", server.url)), nobody(), vec![]));
        assert_eq!(complaint(&result.unwrap()), None);
    }

    #[test]
    fn a_damaged_archive_is_rejected_and_not_found_again() {
        let (content, server) = (tempfile::tempdir().unwrap(), Server::start());
        fake_libtorch(content.path(), "2.13.0+cpu\n");
        let mut archive = zip(content.path(), "libtorch/");
        let at = archive.len() / 3;
        archive[at] ^= 0xff;
        server.serve("/lt.zip", &archive, &[Manner::Whole]);
        let (dir, result) =
            try_assemble(sources(Some(format!("{}/lt.zip", server.url)), nobody(), vec![]));
        let error = result.unwrap_err().to_string();
        assert!(error.contains("damaged"), "{error}");
        assert!(!dir.path().join("staging/libtorch").exists());
        assert!(!dir.path().join("staging/libtorch-download/lt.zip").exists());
    }

    #[test]
    fn an_archive_of_another_version_is_not_taken() {
        let (content, server) = (tempfile::tempdir().unwrap(), Server::start());
        fake_libtorch(content.path(), "2.12.0+cpu\n");
        server.serve("/lt.zip", &zip(content.path(), "libtorch/"), &[Manner::Whole]);
        let (_dir, result) =
            try_assemble(sources(Some(format!("{}/lt.zip", server.url)), nobody(), vec![]));
        let error = result.unwrap_err().to_string();
        assert!(error.contains("is libtorch 2.12.0+cpu, not 2.13.0"), "{error}");
    }

    #[test]
    fn without_pytorchs_server_libtorch_comes_from_the_index() {
        let (content, server) = (tempfile::tempdir().unwrap(), Server::start());
        fake_libtorch(content.path(), "2.13.0+cpu\n");
        fs::remove_file(content.path().join("build-version")).unwrap();
        let wheel = zip(content.path(), "torch/");
        let page =
            "<html><a href=\"../files/torch-2.13.0-cp311-cp311-any.whl#sha256=0\">t</a></html>";
        server.serve("/simple/torch/", page.as_bytes(), &[Manner::Whole]);
        server.serve("/simple/files/torch-2.13.0-cp311-cp311-any.whl", &wheel, &[Manner::Whole]);
        let wheels = vec![Wheel {
            project: "torch",
            file: "torch-2.13.0-cp311-cp311-any.whl",
            sha256: sha256(&wheel),
        }];
        let (_dir, result) = try_assemble(sources(
            Some(format!("{}/lt.zip", nobody())),
            format!("{}/simple", server.url),
            wheels,
        ));
        let root = result.unwrap();
        assert_eq!(complaint(&root), None);
        // The wheel's own libtorch.so asks for CUDA: ours stands in its place.
        let needed = Command::new("readelf").arg("-d").arg(root.join("lib/libtorch.so")).output();
        if let Ok(needed) = needed {
            assert!(String::from_utf8_lossy(&needed.stdout).contains("libtorch_cpu.so"));
        }
    }

    #[test]
    fn a_wheel_with_another_checksum_is_rejected() {
        let server = Server::start();
        let page = "<a href=\"/torch-2.13.0-cp311-cp311-any.whl\">t</a>";
        server.serve("/simple/torch/", page.as_bytes(), &[Manner::Whole]);
        server.serve("/torch-2.13.0-cp311-cp311-any.whl", b"not torch", &[Manner::Whole]);
        let wheels = vec![Wheel {
            project: "torch",
            file: "torch-2.13.0-cp311-cp311-any.whl",
            sha256: sha256(b"torch"),
        }];
        let (dir, result) = try_assemble(sources(None, format!("{}/simple", server.url), wheels));
        let error = result.unwrap_err().to_string();
        assert!(error.contains("the download is damaged"), "{error}");
        let left = fs::read_dir(dir.path().join("staging/libtorch-download")).unwrap().count();
        assert_eq!(left, 0);
    }

    #[test]
    fn without_any_network_both_roads_are_named() {
        let wheels = vec![Wheel {
            project: "torch",
            file: "torch-2.13.0-cp311-cp311-any.whl",
            sha256: sha256(b""),
        }];
        let (_dir, result) = try_assemble(sources(
            Some(format!("{}/lt.zip", nobody())),
            format!("{}/simple", nobody()),
            wheels,
        ));
        let error = result.unwrap_err().to_string();
        assert!(error.contains("cannot be had on either road"), "{error}");
        assert!(error.contains("PyTorch's archive:"), "{error}");
        assert!(error.contains("Python package index:"), "{error}");
        assert!(error.contains("LIBTORCH to its directory"), "{error}");
    }

    #[test]
    fn a_full_disk_while_unpacking_says_how_much_is_needed() {
        if !Path::new("/dev/full").exists() {
            return; // a device of Linux
        }
        let content = tempfile::tempdir().unwrap();
        fake_libtorch(content.path(), "2.13.0+cpu\n");
        let place = tempfile::tempdir().unwrap();
        let archive = place.path().join("lt.zip");
        fs::write(&archive, zip(content.path(), "libtorch/")).unwrap();
        let out = place.path().join("out");
        fs::create_dir_all(out.join("lib")).unwrap();
        std::os::unix::fs::symlink("/dev/full", out.join("lib/libc10.so")).unwrap();
        let cache = Cache::at(place.path().join("cache")).unwrap();
        let mut command = python().script(&cache, Script::Unpack).unwrap();
        let ended = process::watch(command.arg(&out).arg(&archive), |_| {}).unwrap();
        assert_eq!(ended.code, Some(6));
        assert!(ended.tail.contains("No space left on device"), "{}", ended.tail);
    }

    #[test]
    fn versions_are_compared_without_their_build() {
        assert!(is_wanted("2.13.0\n") && is_wanted("2.13.0+cu126"));
        assert!(!is_wanted("2.13.1") && !is_wanted("2.13.0a0+git"));
    }
}
