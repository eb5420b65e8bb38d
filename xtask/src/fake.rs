//! For tests: programs that a machine may have.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Puts programs into a directory: each has a name, and what a shell does in its place.
pub(crate) fn programs(dir: &Path, programs: &[(&str, &str)]) {
    for (name, script) in programs {
        let file = dir.join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
}
