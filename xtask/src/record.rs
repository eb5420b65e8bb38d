//! What set-up found for one checkout, for the kernels that start later.

use crate::cache::{self, Cache};
use crate::environment::Environment;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) checkout: PathBuf,
    pub(crate) kernel: PathBuf,
    pub(crate) rust_src: PathBuf,
    pub(crate) warm: PathBuf,
    pub(crate) environment: Environment,
}

impl Record {
    pub(crate) fn file(cache: &Cache, checkout: &Path) -> PathBuf {
        let key = cache::key(&[checkout.as_os_str().as_encoded_bytes()]);
        cache.join("checkouts").join(format!("{key}.json"))
    }

    pub(crate) fn save(&self, cache: &Cache) -> Result<PathBuf> {
        let value = serde_json::json!({
            "checkout": self.checkout,
            "kernel": self.kernel,
            "rust_src": self.rust_src,
            "warm": self.warm,
            "environment": self.environment.to_json(),
        });
        let file = Record::file(cache, &self.checkout);
        cache::write_atomically(&file, &format!("{value:#}\n"))?;
        Ok(file)
    }

    pub(crate) fn load(file: &Path) -> Result<Record> {
        let text = fs::read_to_string(file)
            .with_context(|| format!("cannot read {}; run `cargo xtask setup`", file.display()))?;
        let parse = || {
            let value: serde_json::Value = serde_json::from_str(&text).ok()?;
            let path = |name: &str| value[name].as_str().map(PathBuf::from);
            Some(Record {
                checkout: path("checkout")?,
                kernel: path("kernel")?,
                rust_src: path("rust_src")?,
                warm: path("warm")?,
                environment: Environment::from_json(&value["environment"])?,
            })
        };
        parse().with_context(|| format!("{} is damaged; run `cargo xtask setup`", file.display()))
    }

    /// Every checkout that was set up and still exists.
    pub(crate) fn all(cache: &Cache) -> Vec<Record> {
        let Ok(entries) = fs::read_dir(cache.join("checkouts")) else { return Vec::new() };
        entries
            .filter_map(|entry| Record::load(&entry.ok()?.path()).ok())
            .filter(|record| record.checkout.join("Cargo.toml").is_file())
            .collect()
    }
}

/// The convlens checkout that `dir` lies in.
pub(crate) fn checkout_around(dir: &Path) -> Option<PathBuf> {
    dir.ancestors()
        .find(|dir| {
            fs::read_to_string(dir.join("Cargo.toml"))
                .is_ok_and(|text| text.lines().any(|line| line.trim() == "name = \"convlens\""))
        })
        .map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_is_found_from_its_notebooks() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("convlens");
        fs::create_dir_all(root.join("notebooks/deep")).unwrap();
        fs::write(root.join("Cargo.toml"), "[package]\nname = \"convlens\"\n").unwrap();
        assert_eq!(checkout_around(&root.join("notebooks/deep")), Some(root));
        assert_eq!(checkout_around(dir.path()), None);
    }
}
