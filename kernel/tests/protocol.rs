//! Runs `protocol.py`, in which front ends speak with the kernel.

use std::process::Command;

/// A Python with jupyter_client, nbclient and jupyter_kernel_test, if it is not `python3`.
const PYTHON: &str = "CONVLENS_KERNEL_PYTHON";

/// Runs the tests of `protocol.py` whose classes are chosen so.
fn run(chosen: &[&str]) {
    let python = std::env::var_os(PYTHON).unwrap_or_else(|| "python3".into());
    let needed = "import jupyter_client, nbclient, jupyter_kernel_test";
    let has_all = Command::new(&python).args(["-c", needed]).output();
    if !has_all.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {python:?} lacks what `{needed}` needs; name another one by {PYTHON}");
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/protocol.py");
    let mut tests = Command::new(&python);
    let status = tests.arg(script).arg(env!("CARGO_BIN_EXE_convlens-kernel")).args(chosen).status();
    assert!(status.is_ok_and(|status| status.success()), "see what the script says above");
}

// Both at once take little more than half of the time: much of it is one compiler after the other.

#[test]
fn front_ends_see_what_the_protocol_says() {
    run(&["but", "Starts"]);
}

#[test]
fn kernels_start_and_end_whole() {
    run(&["Starts"]);
}
