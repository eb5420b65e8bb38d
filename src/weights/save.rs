//! Weights to safetensors.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use tch::{Device, Kind, Tensor};

use super::Weights;
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// Writes weights as a safetensors file, each tensor in its own number type.
///
/// The file appears whole or not at all: it is written beside its place under another name and
/// then moved there, replacing what was there.
///
/// # Errors
/// No weights at all, a tensor that safetensors cannot hold (sparse, complex, quantised), and
/// whatever the disk refuses.
pub fn save(path: impl AsRef<Path>, weights: &Weights) -> Result<()> {
    let path = path.as_ref();
    if weights.is_empty() {
        return Err(Error::Argument("there are no weights to save".into()));
    }
    let plain = weights
        .iter()
        .map(|(name, tensor)| Ok((name.as_str(), plain(name, tensor)?)))
        .collect::<Result<Vec<_>>>()?;
    let unfinished = beside(path)?;
    let written = Tensor::write_safetensors(&plain, &unfinished)
        .map_err(|e| e.to_string())
        .and_then(|()| {
            File::open(&unfinished).and_then(|f| f.sync_all()).map_err(|e| e.to_string())
        })
        .and_then(|()| fs::rename(&unfinished, path).map_err(|e| e.to_string()));
    written.map_err(|message| {
        fs::remove_file(&unfinished).ok();
        Error::file(path, message)
    })
}

/// The same values, contiguous and on the CPU.
fn plain(name: &str, tensor: &Tensor) -> Result<Tensor> {
    let refused = |why: &str| Err(Error::Argument(format!("{name:?} cannot be saved: {why}")));
    if name == "__metadata__" {
        return refused("safetensors needs this name for itself");
    }
    let tensor = match crate::tensor::plain(tensor) {
        Ok(tensor) => tensor,
        Err(error) => return refused(&error.to_string()),
    };
    match tensor.f_kind().into_result() {
        Ok(
            Kind::Bool
            | Kind::Uint8
            | Kind::Int8
            | Kind::Int16
            | Kind::Int
            | Kind::Int64
            | Kind::Half
            | Kind::BFloat16
            | Kind::Float
            | Kind::Double,
        ) => {}
        Ok(kind) => return refused(&format!("safetensors has no {kind:?}")),
        Err(error) => return refused(&error.to_string()),
    }
    tensor
        .f_detach()
        .and_then(|t| t.f_to_device(Device::Cpu))
        .and_then(|t| t.f_contiguous())
        .into_result()
        .map_err(|e| e.while_doing(format!("saving {name}")))
}

/// A file in the same folder that nobody else writes.
fn beside(path: &Path) -> Result<PathBuf> {
    static FILES: AtomicU32 = AtomicU32::new(0);
    let name =
        path.file_name().ok_or_else(|| Error::file(path, "the name of a file is missing"))?;
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let name = format!(".{}.{}-{number}.part", name.to_string_lossy(), process::id());
    Ok(path.with_file_name(name))
}
