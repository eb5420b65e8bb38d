//! The program as its user starts it: what set-up says when a machine lacks something.

#[path = "../src/fake.rs"]
mod fake;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A machine of its own: an empty home, an empty cache, and only `programs` on the PATH.
struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    fn with(programs: &[(&str, &str)]) -> Machine {
        let dir = tempfile::tempdir().unwrap();
        for sub in ["bin", "home", "cache"] {
            fs::create_dir(dir.path().join(sub)).unwrap();
        }
        fake::programs(&dir.path().join("bin"), programs);
        Machine { dir }
    }

    fn xtask(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", self.dir.path().join("bin"))
            .env("HOME", self.dir.path().join("home"))
            .env("CONVLENS_CACHE", self.cache());
        command
    }

    fn cache(&self) -> std::path::PathBuf {
        self.dir.path().join("cache")
    }

    fn set_up(&self) -> Output {
        self.xtask(&["setup"]).output().unwrap()
    }
}

fn error_of(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_machine_without_a_compiler_is_told_how_to_get_one() {
    let error = error_of(&Machine::with(&[]).set_up());
    assert!(error.starts_with("error: no C++ compiler"), "{error}");
    assert!(error.contains("sudo apt-get install g++"), "{error}");
}

#[test]
fn a_machine_without_python_is_told_how_to_get_one() {
    let error = error_of(&Machine::with(&[("c++", "")]).set_up());
    assert!(error.starts_with("error: no Python"), "{error}");
    assert!(error.contains("sudo apt-get install python3 python3-venv"), "{error}");
}

#[test]
fn a_machine_whose_python_is_too_old_is_told_so() {
    let old = "printf '3\\n6\\n/usr/bin/python3\\nvenv\\n'";
    let error = error_of(&Machine::with(&[("c++", ""), ("python3", old)]).set_up());
    assert!(error.contains("is Python 3.6, older than 3.9"), "{error}");
}

#[test]
fn a_machine_without_chromium_is_told_so_before_anything_is_set_up() {
    for command in [&["test", "--browser"][..], &["notebooks", "--browser", "00"]] {
        let error = error_of(&Machine::with(&[]).xtask(command).output().unwrap());
        assert!(error.starts_with("error: no Chromium"), "{error}");
        assert!(error.contains("sudo apt-get install chromium"), "{error}");
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let machine = Machine::with(&[]);
    fs::write(machine.dir.path().join("file"), "").unwrap();
    let output = machine
        .xtask(&["setup"])
        .env("CONVLENS_CACHE", machine.dir.path().join("file/cache"))
        .output()
        .unwrap();
    let error = error_of(&output);
    assert!(error.contains("cannot create the cache directory"), "{error}");
}

#[test]
fn a_cache_that_is_read_only_says_what_to_do() {
    if !cfg!(target_os = "linux") {
        return println!("skipped: no folder here that even root cannot write to");
    }
    let output =
        Machine::with(&[]).xtask(&["setup"]).env("CONVLENS_CACHE", "/sys").output().unwrap();
    let error = error_of(&output);
    assert!(error.contains("make it writable") && error.contains("CONVLENS_CACHE"), "{error}");
}

#[test]
fn a_cache_on_a_full_disk_says_what_to_do() {
    let machine =
        Machine::with(&[("c++", ""), ("python3", "printf '3\\n12\\n/bin/true\\nvenv\\n'")]);
    let cache = machine.cache();
    let mount = ["-t", "tmpfs", "-o", "size=4k", "tmpfs"];
    let mounted = Command::new("mount").args(mount).arg(&cache).stderr(Stdio::null()).status();
    if !mounted.is_ok_and(|status| status.success()) {
        return println!("skipped: to make a small disk takes the rights of root");
    }
    fs::write(cache.join("fills it"), [0; 4096]).unwrap();
    let output = machine.set_up();
    let unmounted = Command::new("umount").arg(&cache).status().unwrap();
    let error = error_of(&output);
    assert!(error.contains("the disk is full") && error.contains("CONVLENS_CACHE"), "{error}");
    assert!(unmounted.success());
}

#[test]
fn a_set_up_waits_for_the_one_that_is_running() {
    let machine = Machine::with(&[]);
    let lock = fs::File::create(machine.cache().join("setup.lock")).unwrap();
    fs::write(machine.cache().join("setup.lock"), "4711").unwrap();
    lock.lock().unwrap();
    let mut second =
        machine.xtask(&["setup"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut said = String::new();
    let mut output = BufReader::new(second.stdout.take().unwrap());
    output.read_line(&mut said).unwrap();
    assert!(said.contains("another set-up is running (process 4711); waiting"), "{said}");
    assert!(second.try_wait().unwrap().is_none(), "it did not wait");
    drop(lock);
    assert!(!second.wait().unwrap().success(), "there is no compiler");
}

#[test]
fn an_unknown_command_shows_the_known_ones() {
    let error = error_of(&Machine::with(&[]).xtask(&["quikstart"]).output().unwrap());
    assert!(error.contains("unknown command: quikstart"), "{error}");
    assert!(error.contains("cargo xtask <command>"), "{error}");
}

/// Everything that a kernel start needs, with a shell script in the kernel's place.
fn kernel_machine(script: &str) -> Machine {
    let machine = Machine::with(&[("rust-kernel", script)]);
    let cache = machine.cache().canonicalize().unwrap();
    let warm = cache.join("warm-1");
    fs::create_dir_all(warm.join("target/x/debug/deps")).unwrap();
    fs::write(warm.join("target/x/debug/deps/libtch-1.rlib"), "warmed").unwrap();
    fs::write(warm.join("seed.lock"), "").unwrap();
    fs::create_dir(cache.join("rust-src")).unwrap();
    let record = serde_json::json!({
        "checkout": machine.dir.path(),
        "kernel": machine.dir.path().join("bin/rust-kernel"),
        "rust_src": cache.join("rust-src"),
        "warm": warm,
        "environment": {
            "libraries": ["/lib/torch"],
            "cargo_bin": "/cargo",
            "variables": { "LIBTORCH": "/torch" },
        },
    });
    fs::write(cache.join("record.json"), record.to_string()).unwrap();
    machine
}

fn start_kernel(machine: &Machine) -> Child {
    machine
        .xtask(&["kernel", "connection.json"])
        .current_dir(machine.dir.path())
        .env("CONVLENS_RECORD", machine.cache().join("record.json"))
        .env("PATH", std::env::join_paths([Path::new("/usr/bin"), Path::new("/bin")]).unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The kernels' clones that exist now.
fn clones(machine: &Machine) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(machine.cache().join("kernels")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

/// Whatever the machine has to do besides, this comes about in the end.
fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    // On an idle machine all of it takes a second; this is for one that hangs.
    const PATIENCE: Duration = Duration::from_secs(1800);
    let started = Instant::now();
    while !is_true() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// While the kernel has not written what it sees, it must be alive.
fn wait_until_it_runs(kernel: &mut Child, is_true: impl Fn() -> bool) {
    wait_until("the kernel starts", || {
        let ended = kernel.try_wait().unwrap();
        is_true() || ended.is_some_and(|status| panic!("the kernel ended: {status}"))
    });
}

const REPORTS_AND_WAITS: &str =
    "env > \"$EVCXR_TMPDIR/seen\"; echo \"$@\" >> \"$EVCXR_TMPDIR/seen\"; exec sleep 100000";

#[test]
fn a_kernel_gets_a_clone_of_its_own_which_goes_when_it_ends() {
    let machine = kernel_machine(REPORTS_AND_WAITS);
    let mut kernel = start_kernel(&machine);
    let seen = || clones(&machine).first().map(|dir| dir.join("work/seen"));
    wait_until_it_runs(&mut kernel, || {
        seen().is_some_and(|file| fs::read_to_string(file).is_ok_and(|t| t.contains("connection")))
    });
    let text = fs::read_to_string(seen().unwrap()).unwrap();
    let clone = clones(&machine).remove(0);
    assert!(text.contains(&format!("EVCXR_TMPDIR={}/work", clone.display())), "{text}");
    assert!(text.contains("LIBTORCH=/torch"), "{text}");
    assert!(text.contains("LD_LIBRARY_PATH=/lib/torch"), "{text}");
    assert_eq!(text.lines().last(), Some("connection.json"));
    let library = "target/x/debug/deps/libtch-1.rlib";
    assert_eq!(fs::read_to_string(clone.join("work").join(library)).unwrap(), "warmed");
    // A second kernel beside it has another one, and leaves the first alone.
    let mut second = start_kernel(&machine);
    wait_until("the second starts", || clones(&machine).len() == 2);
    kernel.kill().unwrap();
    kernel.wait().unwrap();
    wait_until("its clone goes", || !clone.exists());
    assert_eq!(clones(&machine).len(), 1);
    second.kill().unwrap();
    second.wait().unwrap();
    wait_until("the other clone goes", || clones(&machine).is_empty());
    let warmed = fs::read_to_string(machine.cache().join("warm-1").join(library)).unwrap();
    assert_eq!(warmed, "warmed");
}

#[test]
fn what_a_crash_left_goes_with_the_next_kernel() {
    let machine = kernel_machine("exit 0");
    let left = machine.cache().join("kernels/left");
    fs::create_dir_all(left.join("work")).unwrap();
    start_kernel(&machine).wait().unwrap();
    assert!(!left.exists());
}

#[test]
fn a_kernel_whose_jupyter_is_gone_ends() {
    let machine = kernel_machine(REPORTS_AND_WAITS);
    // It lives as long as this test does.
    let mut jupyter = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let mut kernel = machine
        .xtask(&["kernel", "connection.json"])
        .current_dir(machine.dir.path())
        .env("CONVLENS_RECORD", machine.cache().join("record.json"))
        .env("PATH", "/usr/bin:/bin")
        .env("JPY_PARENT_PID", jupyter.id().to_string())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until_it_runs(&mut kernel, || {
        clones(&machine).first().is_some_and(|dir| dir.join("work/seen").exists())
    });
    jupyter.kill().unwrap();
    jupyter.wait().unwrap();
    wait_until("the kernel ends", || kernel.try_wait().unwrap().is_some());
    wait_until("its clone goes", || clones(&machine).is_empty());
}

#[test]
fn a_kernel_without_set_up_says_what_to_run() {
    let machine = Machine::with(&[]);
    let output = machine
        .xtask(&["kernel", "connection.json"])
        .current_dir(machine.dir.path())
        .output()
        .unwrap();
    let error = error_of(&output);
    assert!(error.contains("run `cargo xtask setup`"), "{error}");
}
