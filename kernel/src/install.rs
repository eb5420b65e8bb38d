//! The kernelspec, by which Jupyter finds the kernel.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

/// The kernelspec's directory, and what `jupyter lab --kernel` calls it.
pub const NAME: &str = "convlens-kernel";

/// Where a kernelspec goes.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Place {
    /// For this user.
    #[default]
    User,
    /// Below a prefix, such as a Python environment or `/usr/local`.
    Prefix(PathBuf),
}

impl Place {
    /// The kernelspec's directory; none where there is no home directory.
    pub fn dir(&self) -> Option<PathBuf> {
        let data = match self {
            Place::Prefix(prefix) => prefix.join("share/jupyter"),
            Place::User => user_data(|name| std::env::var_os(name))?,
        };
        Some(data.join("kernels").join(NAME))
    }
}

/// Jupyter's data directory of this user.
fn user_data(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(dir) = set("JUPYTER_DATA_DIR") {
        return Some(dir);
    }
    if cfg!(target_os = "macos") {
        return Some(set("HOME")?.join("Library/Jupyter"));
    }
    match set("XDG_DATA_HOME") {
        Some(dir) => Some(dir.join("jupyter")),
        None => Some(set("HOME")?.join(".local/share/jupyter")),
    }
}

/// Writes the kernelspec of `program` into this directory.
///
/// # Errors
/// Where the directory cannot be written.
pub fn install(program: &Path, dir: &Path) -> io::Result<()> {
    let spec = json!({
        "argv": [program.to_string_lossy(), "{connection_file}"],
        "display_name": "Rust (live)",
        "language": "rust",
        "interrupt_mode": "message",
        "metadata": {"debugger": false},
    });
    std::fs::create_dir_all(dir)?;
    std::fs::write(dir.join("kernel.json"), format!("{spec:#}\n"))
}

/// Removes the kernelspec. Says whether there was one.
///
/// # Errors
/// Where it cannot be removed.
pub fn uninstall(dir: &Path) -> io::Result<bool> {
    match std::fs::remove_dir_all(dir) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jupyters_own_variables_say_where_a_users_kernels_are() {
        let of = |set: &[(&str, &str)]| {
            user_data(|name| {
                set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
            })
        };
        assert_eq!(of(&[("JUPYTER_DATA_DIR", "/d"), ("HOME", "/h")]), Some("/d".into()));
        if cfg!(not(target_os = "macos")) {
            assert_eq!(of(&[("XDG_DATA_HOME", "/x")]), Some("/x/jupyter".into()));
            assert_eq!(
                of(&[("XDG_DATA_HOME", ""), ("HOME", "/h")]),
                Some("/h/.local/share/jupyter".into())
            );
        }
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_kernelspec_is_written_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::Prefix(dir.path().to_owned()).dir().unwrap();
        assert!(place.ends_with("share/jupyter/kernels/convlens-kernel"));
        install(Path::new("/bin/kernel"), &place).unwrap();
        let spec = std::fs::read_to_string(place.join("kernel.json")).unwrap();
        let spec: serde_json::Value = serde_json::from_str(&spec).unwrap();
        assert_eq!(spec["argv"], json!(["/bin/kernel", "{connection_file}"]));
        assert_eq!(spec["interrupt_mode"], "message");
        assert!(uninstall(&place).unwrap() && !uninstall(&place).unwrap());
    }
}
