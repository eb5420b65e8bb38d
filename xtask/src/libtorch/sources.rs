//! Where a libtorch can come from on this platform.

use super::VERSION;
use crate::pypi::{self, Package};
use crate::python::Python;
use anyhow::{Result, bail};
use std::env;

/// Seconds that PyTorch's server has for its first word.
const PATIENCE: u32 = 5;

/// The wheels for this platform, the big one last.
fn wheels() -> Result<&'static [Package]> {
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        Ok(&[
            Package {
                project: "nvidia-cuda-runtime",
                file: "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
                sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
            },
            Package {
                project: "nvidia-cuda-cupti",
                file: "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl",
                sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
            },
            Package {
                project: "torch",
                file: "torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl",
                sha256: "60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7",
            },
        ])
    } else if cfg!(all(target_os = "linux", target_arch = "aarch64")) {
        Ok(&[
            Package {
                project: "nvidia-cuda-runtime",
                file: "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
                sha256: "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55",
            },
            Package {
                project: "nvidia-cuda-cupti",
                file: "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_aarch64.whl",
                sha256: "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151",
            },
            Package {
                project: "torch",
                file: "torch-2.13.0-cp311-cp311-manylinux_2_28_aarch64.whl",
                sha256: "092790c696a760c729fd5722835f50b9d81fd7c8f141571f3f3cf4081a8f664c",
            },
        ])
    } else if cfg!(all(target_os = "macos", target_arch = "aarch64")) {
        Ok(&[Package {
            project: "torch",
            file: "torch-2.13.0-cp311-cp311-macosx_14_0_arm64.whl",
            sha256: "e76f9bcecc52b8ff711239a2f7547d5353df95878ab232f0773c1d95928b92f8",
        }])
    } else {
        bail!(
            "there is no ready-made libtorch {VERSION} for {} on {}\n\
             Build one, set LIBTORCH to its directory, and start this command again.",
            env::consts::OS,
            env::consts::ARCH
        )
    }
}

/// PyTorch's own archive for this platform, where it offers one.
fn archive_url() -> Option<String> {
    let base = "https://download.pytorch.org/libtorch/cpu";
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        Some(format!("{base}/libtorch-shared-with-deps-{VERSION}%2Bcpu.zip"))
    } else if cfg!(all(target_os = "macos", target_arch = "aarch64")) {
        Some(format!("{base}/libtorch-macos-arm64-{VERSION}.zip"))
    } else {
        None
    }
}

/// Where libtorch may come from; tests put servers of their own here.
pub(super) struct Sources {
    pub(super) archive: Option<String>,
    pub(super) archive_sha256: Option<String>,
    pub(super) index: String,
    pub(super) wheels: Result<&'static [Package]>,
    pub(super) reach_seconds: u32,
}

impl Sources {
    pub(super) fn from_environment(python: &Python) -> Sources {
        Sources {
            archive: env::var("CONVLENS_LIBTORCH_URL").ok().or_else(archive_url),
            archive_sha256: env::var("CONVLENS_LIBTORCH_SHA256").ok(),
            index: pypi::index_url(python),
            wheels: wheels(),
            reach_seconds: PATIENCE,
        }
    }
}
