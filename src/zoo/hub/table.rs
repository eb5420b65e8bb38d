//! Where the published weights of each architecture lie: one row an architecture.

use super::rename::Rename;
use crate::error::{Error, Result};

/// One architecture: its places in the order in which they are tried, and how the names in its
/// files become ours.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) places: &'static [Place],
    pub(super) rename: Rename,
}

/// A published file. `-XXXXXXXX.pth` in a name are the first digits of the file's SHA-256.
#[derive(Debug)]
pub(super) enum Place {
    /// torchvision's own file of this name.
    Torchvision(&'static str),
    /// timm's repository of this name on the Hugging Face hub.
    Timm(&'static str),
    /// A file of timm's releases: the release's tag, the file's name.
    TimmRelease(&'static str, &'static str),
    /// A file of tch-rs' release `mw`; no hash is known.
    TchRelease(&'static str),
    /// Made by `cargo xtask weights` out of a Python package, with this SHA-256.
    Package(&'static str),
}

use Place::{Package, TchRelease, Timm, TimmRelease, Torchvision};

const fn row(name: &'static str, places: &'static [Place]) -> Row {
    Row { name, places, rename: Rename::Nothing }
}

impl Row {
    const fn rename(self, rename: Rename) -> Row {
        Row { rename, ..self }
    }
}

/// torchvision's files are those it calls `IMAGENET1K_V1`; timm's `tv_in1k` are the same weights.
pub(super) static ROWS: &[Row] = &[
    row("alexnet", &[Torchvision("alexnet-owt-7be5be79.pth"), TchRelease("alexnet.ot")]),
    row(
        "alexnet_features",
        &[Package("e211ee0c43cbf5496d3b3fa158f4369d4daf3234aa5213c3951e107d5a9d3814")],
    ),
    row("vgg11", &[Torchvision("vgg11-8a719046.pth"), Timm("vgg11.tv_in1k")])
        .rename(Rename::TimmVgg),
    row("vgg11_bn", &[Torchvision("vgg11_bn-6002323d.pth"), Timm("vgg11_bn.tv_in1k")])
        .rename(Rename::TimmVgg),
    row(
        "vgg13",
        &[Torchvision("vgg13-19584684.pth"), Timm("vgg13.tv_in1k"), TchRelease("vgg13.ot")],
    )
    .rename(Rename::TimmVgg),
    row("vgg13_bn", &[Torchvision("vgg13_bn-abd245e5.pth"), Timm("vgg13_bn.tv_in1k")])
        .rename(Rename::TimmVgg),
    row(
        "vgg16",
        &[Torchvision("vgg16-397923af.pth"), Timm("vgg16.tv_in1k"), TchRelease("vgg16.ot")],
    )
    .rename(Rename::TimmVgg),
    row("vgg16_bn", &[Torchvision("vgg16_bn-6c64b313.pth"), Timm("vgg16_bn.tv_in1k")])
        .rename(Rename::TimmVgg),
    row(
        "vgg19",
        &[Torchvision("vgg19-dcbb9e9d.pth"), Timm("vgg19.tv_in1k"), TchRelease("vgg19.ot")],
    )
    .rename(Rename::TimmVgg),
    row("vgg19_bn", &[Torchvision("vgg19_bn-c79401a0.pth"), Timm("vgg19_bn.tv_in1k")])
        .rename(Rename::TimmVgg),
    row(
        "vgg16_features",
        &[Package("c08df099cec8f57efb811ad52a032084ee000252ac398ceec6126ab2df30edf3")],
    ),
    row(
        "resnet18",
        &[
            Torchvision("resnet18-f37072fd.pth"),
            Timm("resnet18.tv_in1k"),
            TchRelease("resnet18.ot"),
        ],
    ),
    row(
        "resnet34",
        &[
            Torchvision("resnet34-b627a593.pth"),
            Timm("resnet34.tv_in1k"),
            TchRelease("resnet34.ot"),
        ],
    ),
    row("resnet50", &[Torchvision("resnet50-0676ba61.pth"), Timm("resnet50.tv_in1k")]),
    row("resnet101", &[Torchvision("resnet101-63fe2227.pth"), Timm("resnet101.tv_in1k")]),
    row("resnet152", &[Torchvision("resnet152-394f9c45.pth"), Timm("resnet152.tv_in1k")]),
    row("legacy_seresnet50", &[TimmRelease("v0.1-cadene", "se_resnet50-ce0d4300.pth")]),
    row("legacy_senet154", &[TimmRelease("v0.1-weights", "legacy_senet154-e9eb9fe6.pth")]),
    row(
        "squeezenet1_0",
        &[Torchvision("squeezenet1_0-b66bff10.pth"), TchRelease("squeezenet1_0.ot")],
    ),
    row(
        "squeezenet1_1",
        &[Torchvision("squeezenet1_1-b8a52dc0.pth"), TchRelease("squeezenet1_1.ot")],
    ),
    row("mobilenet_v2", &[Torchvision("mobilenet_v2-b0353104.pth"), TchRelease("mobilenet-v2.ot")]),
    row(
        "dog_breeds",
        &[Package("51c4454f2ceb133c8972bddeb08c4bbcdec3e64916667cbb9c4a04cb57c95b3e")],
    ),
    row("efficientnet_b0", &[Torchvision("efficientnet_b0_rwightman-7f5810bc.pth")]),
    row(
        "tf_efficientnet_lite0",
        &[
            Timm("tf_efficientnet_lite0.in1k"),
            TimmRelease("v0.1-weights", "tf_efficientnet_lite0-0aa007d2.pth"),
            Package("3c148dce9f017a9556c161e86737e0e02b5306b46baf2935bdc636fac4111b19"),
        ],
    ),
    row(
        "tf_efficientnet_lite1",
        &[
            Timm("tf_efficientnet_lite1.in1k"),
            TimmRelease("v0.1-weights", "tf_efficientnet_lite1-bde8b488.pth"),
        ],
    ),
    row(
        "tf_efficientnet_lite2",
        &[
            Timm("tf_efficientnet_lite2.in1k"),
            TimmRelease("v0.1-weights", "tf_efficientnet_lite2-dcccb7df.pth"),
        ],
    ),
    row(
        "tf_efficientnet_lite3",
        &[
            Timm("tf_efficientnet_lite3.in1k"),
            TimmRelease("v0.1-weights", "tf_efficientnet_lite3-b733e338.pth"),
        ],
    ),
    row(
        "tf_efficientnet_lite4",
        &[
            Timm("tf_efficientnet_lite4.in1k"),
            TimmRelease("v0.1-weights", "tf_efficientnet_lite4-741542c3.pth"),
        ],
    ),
    row(
        "densenet121",
        &[
            Torchvision("densenet121-a639ec97.pth"),
            Timm("densenet121.tv_in1k"),
            TchRelease("densenet121.ot"),
        ],
    )
    .rename(Rename::DenseNet),
];

/// The row of an architecture. A name that could leave the folder is refused before it is looked
/// up.
pub(super) fn find(name: &str) -> Result<&'static Row> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(Error::Argument(format!(
            "{name:?} cannot be the name of an architecture: expected ASCII letters, digits, `_`, \
             `-` and `.`, such as \"resnet34\""
        )));
    }
    ROWS.iter().find(|row| row.name == name).ok_or_else(|| {
        Error::not_found("architecture", name, "the hub's table", ROWS.iter().map(|row| row.name))
    })
}

impl Place {
    /// Where it is published; `None` for what is made here.
    pub(super) fn url(&self) -> Option<String> {
        Some(match self {
            Torchvision(file) => format!("https://download.pytorch.org/models/{file}"),
            Timm(repository) => {
                format!("https://huggingface.co/timm/{repository}/resolve/main/model.safetensors")
            }
            TimmRelease(tag, file) => format!(
                "https://github.com/rwightman/pytorch-image-models/releases/download/{tag}/{file}"
            ),
            TchRelease(file) => {
                format!("https://github.com/LaurentMazare/tch-rs/releases/download/mw/{file}")
            }
            Package(_) => return None,
        })
    }

    /// The file's name in the cache folder and at a mirror: the published name, with the
    /// architecture's name first.
    pub(super) fn file(&self, architecture: &str) -> String {
        match self {
            Torchvision(file) | TimmRelease(_, file) | TchRelease(file) => {
                if file.starts_with(architecture) {
                    (*file).to_owned()
                } else {
                    format!("{architecture}-{file}")
                }
            }
            Timm(repository) => format!("{repository}.safetensors"),
            Package(_) => format!("{architecture}.safetensors"),
        }
    }

    /// The SHA-256 in hexadecimal, or its first digits, where they are known beforehand.
    pub(super) fn hash(&self) -> Option<&'static str> {
        match self {
            Torchvision(file) | TimmRelease(_, file) => {
                file.strip_suffix(".pth")?.rsplit('-').next()
            }
            Timm(_) | TchRelease(_) => None,
            Package(sha256) => Some(sha256),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_row_is_whole() {
        let mut files = HashSet::new();
        for row in ROWS {
            assert!(std::ptr::eq(find(row.name).unwrap(), row), "{} stands there twice", row.name);
            for place in row.places {
                let file = place.file(row.name);
                assert!(file.starts_with(row.name), "{file}");
                assert!(files.insert(file.clone()), "{file} stands there twice");
                let digits = place.hash().map_or(0, str::len);
                match place {
                    Torchvision(_) | TimmRelease(..) => assert_eq!(digits, 8, "{file}"),
                    Timm(_) | TchRelease(_) => assert_eq!(digits, 0, "{file}"),
                    Package(_) => assert_eq!(digits, 64, "{file}"),
                }
                let hash = place.hash().unwrap_or_default();
                assert!(hash.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)));
            }
        }
    }

    #[test]
    fn addresses_are_those_that_are_published() {
        let urls = |name| -> Vec<String> {
            find(name).unwrap().places.iter().filter_map(Place::url).collect()
        };
        assert_eq!(
            urls("resnet34"),
            [
                "https://download.pytorch.org/models/resnet34-b627a593.pth",
                "https://huggingface.co/timm/resnet34.tv_in1k/resolve/main/model.safetensors",
                "https://github.com/LaurentMazare/tch-rs/releases/download/mw/resnet34.ot",
            ]
        );
        assert_eq!(
            urls("legacy_seresnet50"),
            ["https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-cadene/\
              se_resnet50-ce0d4300.pth"]
        );
    }

    #[test]
    fn names_that_could_leave_the_folder_are_refused() {
        for name in
            ["", "../resnet34", "a/b", "a\\b", "resnet34\n", "\0", ".hidden", "résnet", "C:x"]
        {
            let error = find(name).unwrap_err().to_string();
            assert!(error.contains("cannot be the name of an architecture"), "{error}");
            assert!(!error.contains(['\n', '\0']), "{error}");
        }
    }

    #[test]
    fn an_unknown_architecture_names_the_closest() {
        let error = find("resnet35").unwrap_err().to_string();
        assert!(
            error.starts_with(
                "no architecture \"resnet35\" in the hub's table; the closest are \"resnet34\""
            ),
            "{error}"
        );
    }
}
