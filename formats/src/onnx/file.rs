//! A network's file that stays open, so that its weights can be read one by one.

use std::path::{Path, PathBuf};

use super::super::Parsed;
use super::network::{Network, Tensor, Values};
use super::{external, parse};

/// A network, its file and the folder in which files with large weights may be.
#[derive(Debug)]
pub struct File {
    network: Network,
    file: std::fs::File,
    folder: PathBuf,
}

/// Reads the network in a file, and checks that the files with its weights are there.
///
/// # Errors
/// A file that cannot be read; what [`parse`] and [`Tensor::values`] refuse.
pub fn open(path: &Path) -> Parsed<File> {
    let cannot = |e| format!("{} cannot be read: {e}", path.display());
    let mut file = std::fs::File::open(path).map_err(cannot)?;
    let network = parse(&mut file)?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    external::check(&network, &folder)?;
    Ok(File { network, file, folder })
}

impl File {
    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The values of one of its tensors.
    ///
    /// # Errors
    /// Those of [`Tensor::values`].
    pub fn values(&self, tensor: &Tensor) -> Parsed<Values> {
        tensor.values(&mut &self.file, Some(&self.folder))
    }

    /// The values of one of its tensors, piece by piece, if they are floats as they lie in memory.
    ///
    /// # Errors
    /// Those of [`Tensor::floats`].
    pub fn floats(&self, tensor: &Tensor, take: impl FnMut(&[f32])) -> Parsed<bool> {
        tensor.floats(&mut &self.file, Some(&self.folder), take)
    }
}
