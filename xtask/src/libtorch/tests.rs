//! Every road to a libtorch, with servers on loopback that break off, lie and keep silent.

use super::fetch::assemble;
use super::sources::Sources;
use super::*;
use crate::fake;
use crate::pypi::Package;
use crate::python::Script;
use crate::test_server::{Manner, Server, nobody};
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

fn sources(archive: Option<String>, index: String, wheels: Vec<Package>) -> Sources {
    Sources { archive, archive_sha256: None, index, wheels: Ok(wheels.leak()), reach_seconds: 2 }
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
    let says = "echo 2.4.1+cu121\necho /opt/torch";
    fake::programs(dir.path(), &[("python3", says), ("python", says)]);
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
    let page = "<html><a href=\"../files/torch-2.13.0-cp311-cp311-any.whl#sha256=0\">t</a></html>";
    server.serve("/simple/torch/", page.as_bytes(), &[Manner::Whole]);
    server.serve("/simple/files/torch-2.13.0-cp311-cp311-any.whl", &wheel, &[Manner::Whole]);
    let wheels = vec![Package {
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
    let wheels = vec![Package {
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
    let wheels = vec![Package {
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
