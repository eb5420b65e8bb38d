//! What cargo and the C++ compiler see when a notebook compiles: the same at set-up and in every
//! kernel, or cargo would build tch again.

use crate::compiler;
use crate::libtorch::Libtorch;
use crate::process;
use anyhow::{Context, Result};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::process::Command;

/// The variables and directories that a kernel needs, recorded by set-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Environment {
    /// For the library path: libtorch, and Rust's own `libstd`, which evcxr's run-time search path
    /// misses when its directory shares a parent with the toolchain's.
    libraries: Vec<PathBuf>,
    /// Where cargo is, for a Jupyter that was started without it on its PATH.
    cargo_bin: PathBuf,
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// Ours, now.
    pub(crate) fn of(libtorch: &Libtorch) -> Result<Environment> {
        // LIBTORCH_USE_PYTORCH has become LIBTORCH: Jupyter's Python may be another one.
        let mut variables: BTreeMap<String, String> = env::vars()
            .filter(|(name, _)| is_compilers(name) || name == "RUSTUP_TOOLCHAIN")
            .filter(|(name, _)| name != "LIBTORCH_USE_PYTORCH")
            .collect();
        let root = libtorch.root.to_str().context("libtorch's path is not UTF-8")?;
        variables.insert("LIBTORCH".to_owned(), root.to_owned());
        let flags = variables.entry(compiler::FLAGS_VARIABLE.to_owned());
        flags.or_insert_with(|| compiler::FLAGS.to_owned());
        let cargo = process::find_on_path(&["cargo"], &process::path_variable())
            .context("cargo is not on the PATH")?;
        let cargo_bin = cargo.parent().context("cargo lies in a directory")?.to_owned();
        let rust = process::capture(process::command("rustc").args(["--print", "target-libdir"]))?;
        let libraries = vec![libtorch.lib(), PathBuf::from(rust.trim())];
        Ok(Environment { libraries, cargo_bin, variables })
    }

    pub(crate) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    pub(crate) fn libraries(&self) -> &[PathBuf] {
        &self.libraries
    }

    /// Makes `command` see this environment instead of whatever its starter was in.
    pub(crate) fn apply(&self, command: &mut Command) -> Result<()> {
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if is_compilers(&text) || is_cargos(&text) {
                command.env_remove(&name);
            }
        }
        command.envs(&self.variables);
        process::with_library_path(command, &self.libraries)?;
        let path = process::path_variable();
        if process::find_on_path(&["cargo"], &path).is_none() {
            let dirs = env::split_paths(&path).chain([self.cargo_bin.clone()]);
            command.env("PATH", env::join_paths(dirs)?);
        }
        Ok(())
    }

    pub(crate) fn to_json(&self) -> Value {
        let variables: Map<String, Value> =
            self.variables.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))).collect();
        serde_json::json!({
            "libraries": self.libraries,
            "cargo_bin": self.cargo_bin,
            "variables": variables,
        })
    }

    pub(crate) fn from_json(value: &Value) -> Option<Environment> {
        let variables = value["variables"]
            .as_object()?
            .iter()
            .map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
            .collect::<Option<_>>()?;
        let libraries = value["libraries"]
            .as_array()?
            .iter()
            .map(|path| path.as_str().map(PathBuf::from))
            .collect::<Option<_>>()?;
        Some(Environment {
            libraries,
            cargo_bin: PathBuf::from(value["cargo_bin"].as_str()?),
            variables,
        })
    }
}

/// Variables that the build scripts of torch-sys and cc watch.
fn is_compilers(name: &str) -> bool {
    const EXACT: [&str; 7] = [
        "CXXSTDLIB",
        "SDKROOT",
        "CRATE_CC_NO_DEFAULTS",
        "NVCC",
        "CPATH",
        "LIBRARY_PATH",
        "MACOSX_DEPLOYMENT_TARGET",
    ];
    const FAMILIES: [&str; 9] =
        ["CC", "CXX", "AR", "ARFLAGS", "RANLIB", "CFLAGS", "CXXFLAGS", "HOST", "TARGET"];
    EXACT.contains(&name)
        || name.starts_with("LIBTORCH")
        || name.starts_with("TORCH_")
        || FAMILIES.iter().any(|family| {
            name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        })
}

/// Variables that change what cargo builds or where.
fn is_cargos(name: &str) -> bool {
    ["CARGO_BUILD_", "CARGO_PROFILE_", "CARGO_TARGET_", "CARGO_UNSTABLE_", "RUSTC"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || ["CARGO_ENCODED_RUSTFLAGS", "CARGO_INCREMENTAL", "RUSTFLAGS"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_the_compilers_are_known_and_others_left_alone() {
        for name in ["CXX", "CC_x86_64-unknown-linux-gnu", "LIBTORCH_CXX11_ABI", "HOST_CXX"] {
            assert!(is_compilers(name), "{name}");
        }
        for name in ["CARGO_HOME", "ARCH", "HOSTNAME", "CCACHE_DIR", "HOME"] {
            assert!(!is_compilers(name) && !is_cargos(name), "{name}");
        }
    }

    #[test]
    fn an_environment_survives_its_record() {
        let environment = Environment {
            libraries: vec!["/x/lib".into()],
            cargo_bin: "/c/bin".into(),
            variables: [("LIBTORCH".to_owned(), "/x".to_owned())].into(),
        };
        assert_eq!(Environment::from_json(&environment.to_json()), Some(environment));
    }
}
