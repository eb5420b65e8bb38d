//! The C++ compiler that tch's native part needs.

use crate::process;
use anyhow::{Result, bail};
use std::ffi::OsStr;
use std::path::PathBuf;

/// The variable that hands flags to it.
pub(crate) const FLAGS_VARIABLE: &str = "CXXFLAGS";
/// For the wrappers of tch's native part, which only call libtorch: GCC 12 takes 1.3 GB for the
/// largest of them so, and 1.9 GB with `-O2` and the heap that it would let grow.
pub(crate) const FLAGS: &str = if cfg!(target_os = "linux") {
    "-O1 --param ggc-min-expand=20 --param ggc-min-heapsize=65536"
} else {
    "-O1"
};

/// The compiler that `cc` will take: `$CXX`, else the first of the usual names.
pub(crate) fn find() -> Result<PathBuf> {
    find_in(std::env::var("CXX").ok().as_deref(), &process::path_variable())
}

fn find_in(wanted: Option<&str>, path: &OsStr) -> Result<PathBuf> {
    // `CXX="ccache g++"` is legal; the program is what must exist.
    if let Some(program) = wanted.and_then(|text| text.split_whitespace().next()) {
        let found = if program.contains('/') {
            Some(PathBuf::from(program)).filter(|file| process::is_executable(file))
        } else {
            process::find_on_path(&[program], path)
        };
        match found {
            Some(file) => return Ok(file),
            None => bail!(
                "no C++ compiler: the variable CXX names {program}, which cannot be found\n\
                 Unset CXX, or let it name a compiler that is installed."
            ),
        }
    }
    match process::find_on_path(&["c++", "g++", "clang++"], path) {
        Some(file) => Ok(file),
        None => bail!(
            "no C++ compiler: none of c++, g++, clang++ is on the PATH\n\
             tch's native part is compiled once, and needs one. Install it with\n  \
             sudo apt-get install g++          (Debian, Ubuntu)\n  \
             sudo dnf install gcc-c++          (Fedora)\n  \
             xcode-select --install            (macOS)\n\
             and start this command again."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;

    #[test]
    fn a_missing_compiler_names_the_command_that_installs_one() {
        let empty = tempfile::tempdir().unwrap();
        let error = find_in(None, empty.path().as_os_str()).unwrap_err().to_string();
        assert!(error.starts_with("no C++ compiler"), "{error}");
        assert!(error.contains("apt-get install g++"), "{error}");
        assert!(error.contains("dnf install gcc-c++"), "{error}");
        assert!(error.contains("xcode-select"), "{error}");
    }

    #[test]
    fn a_cxx_that_does_not_exist_is_named() {
        let empty = tempfile::tempdir().unwrap();
        let error = find_in(Some("nvcc++ -O2"), empty.path().as_os_str()).unwrap_err().to_string();
        assert!(error.contains("CXX names nvcc++"), "{error}");
    }

    #[test]
    fn any_of_the_usual_names_will_do() {
        let dir = tempfile::tempdir().unwrap();
        fake::programs(dir.path(), &[("clang++", "")]);
        let found = find_in(None, dir.path().as_os_str()).unwrap();
        assert_eq!(found, dir.path().join("clang++"));
    }
}
