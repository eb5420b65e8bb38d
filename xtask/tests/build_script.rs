//! The build script of convlens-libtorch: what it says where there is no libtorch, and that it refuses nothing that
//! torch-sys takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

static SCRIPT: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("build-script");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../libtorch/build.rs");
    let rustc = std::env::var("RUSTC").unwrap_or("rustc".to_owned());
    let status =
        Command::new(rustc).args(["--edition", "2024", "-o"]).args([&program, &source]).status();
    assert!(status.unwrap().success());
    (dir, program)
});

const WITHOUT: &str = "[[package]]\nname = \"torch-sys\"\ndependencies = [\n \"cc\",\n]\n";
const WITH: &str = "[[package]]\nname = \"torch-sys\"\ndependencies = [\n \"ureq 2.12.1\",\n]\n";

/// A build whose Cargo.lock holds `lock`.
struct Build {
    dir: tempfile::TempDir,
}

impl Build {
    fn with(lock: &str) -> Build {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("Cargo.lock"), lock).unwrap();
        Build { dir }
    }

    /// What the script says to cargo with these variables, if it refuses.
    fn error(&self, variables: &[(&str, &str)]) -> Option<String> {
        let output = Command::new(&SCRIPT.1)
            .env_clear()
            .env("CARGO_CFG_TARGET_OS", "linux")
            .env("OUT_DIR", self.dir.path().join("target/debug/build/convlens-1/out"))
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        if !output.status.success() {
            let message: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
            return Some(message["message"].as_str().unwrap().to_owned());
        }
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().find_map(|line| line.strip_prefix("cargo::error=")).map(str::to_owned)
    }

    /// A libtorch of a version, and its path.
    fn libtorch(&self, version: &str) -> String {
        let root = self.dir.path().join(version);
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join("build-version"), format!("{version}\n")).unwrap();
        root.to_str().unwrap().to_owned()
    }
}

#[test]
fn without_libtorch_it_says_which_command_to_run() {
    if Path::new("/usr/lib/libtorch.so").exists() {
        println!("skipped: this machine has a libtorch in /usr/lib");
        return;
    }
    let error = Build::with(WITHOUT).error(&[]).unwrap();
    assert!(error.contains("no libtorch") && error.contains("`cargo xtask setup`"), "{error}");
    assert!(error.contains("Rust (convlens)") && error.contains("LIBTORCH"), "{error}");
}

#[test]
fn in_evcxr_it_speaks_as_a_compiler_does() {
    let build = Build::with(WITHOUT);
    let old = build.libtorch("2.4.0");
    let in_evcxr = [("LIBTORCH", old.as_str()), ("EVCXR_TMPDIR", "x")];
    assert_eq!(build.error(&in_evcxr), build.error(&in_evcxr[..1]));
}

#[test]
fn another_version_is_named() {
    let build = Build::with(WITHOUT);
    let old = build.libtorch("2.4.0+cu121");
    let error = build.error(&[("LIBTORCH", &old)]).unwrap();
    assert!(error.contains("2.13.0") && error.contains("holds version 2.4.0"), "{error}");
    let bypass = [("LIBTORCH", old.as_str()), ("LIBTORCH_BYPASS_VERSION_CHECK", "1")];
    assert_eq!(build.error(&bypass), None);
}

#[test]
fn what_torch_sys_takes_is_not_refused() {
    let build = Build::with(WITHOUT);
    let root = build.libtorch("2.13.0+cpu");
    assert_eq!(build.error(&[("LIBTORCH", &root)]), None);
    // Without that file it asks nothing, and the compiler may know a place of its own.
    assert_eq!(build.error(&[("LIBTORCH", "/nowhere")]), None);
    assert_eq!(build.error(&[("LIBTORCH_USE_PYTORCH", "1")]), None);
    assert_eq!(build.error(&[("CARGO_FEATURE_DOC_ONLY", "1")]), None);
    assert_eq!(Build::with(WITH).error(&[]), None, "torch-sys downloads one");
    assert_eq!(Build::with("").error(&[]), None, "torch-sys may download one");
}
