//! Trained weights in files: PyTorch's, safetensors, numpy's and tch's.
//!
//! [`read`] tells a file's format by its content and gives its tensors by name, as 32-bit floats.
//! [`save`] writes them as safetensors.
//!
//! ```
//! use convlens::prelude::*;
//!
//! let path = std::env::temp_dir().join("convlens-weights-example.safetensors");
//! let weights = Weights::from([("head.bias".to_owned(), Tensor::from_slice(&[0.5f32, -0.5]))]);
//! weights::save(&path, &weights)?;
//! let again = weights::read(&path)?;
//! assert_eq!(again["head.bias"], weights["head.bias"]);
//! Ok::<(), convlens::Error>(())
//! ```

mod load;
mod save;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Cursor;
use std::path::Path;

use convlens_formats::npy;
use tch::Tensor;

pub use save::save;

use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// Tensors by the names that a network's layers give them, e.g. `"features.0.weight"`.
pub type Weights = BTreeMap<String, Tensor>;

/// Reads a file of weights, whichever of these formats its content shows:
///
/// - `.safetensors`;
/// - `.pth` and `.pt` as `torch.save` has written them since PyTorch 1.6, and before;
/// - TorchScript archives, which the `.ot` files of tch's `VarStore::save` are too;
/// - numpy's `.npz`, plain or compressed.
///
/// All tensors become 32-bit floats on the CPU, in row-major order: half precision, `f64` and
/// integers too, such as PyTorch's `num_batches_tracked`. The file is read once, straight into the
/// tensors.
///
/// A checkpoint that holds its state dict under `"state_dict"`, `"model_state_dict"` or `"model"`
/// gives that one. If every name begins with `"module."`, as `torch.nn.DataParallel` has it, this
/// prefix is left out; in TorchScript archives `|` in names stands for a dot.
///
/// A pickle, which PyTorch's files hold, can ask for any function to be called. Here nothing is
/// ever called: pickles are read by a machine that knows the names that state dicts use, and
/// refuses everything else by name. A whole pickled model is therefore refused; save its
/// `state_dict()`.
///
/// # Errors
/// A file that cannot be read, is cut short, damaged, in no known format or asks for what weights
/// do not need. Nothing is loaded then.
pub fn read(path: impl AsRef<Path>) -> Result<Weights> {
    let path = path.as_ref();
    let failed = |message: String| Error::file(path, printable(&message));
    let mut file = File::open(path).map_err(|e| failed(e.to_string()))?;
    let contents = convlens_formats::parse(&mut file).map_err(failed)?;
    load::load(&mut file, &contents).map_err(failed)
}

/// Reads a file of weights that is in memory already, such as one that is embedded in a program; any
/// format that [`read`] knows.
///
/// # Errors
/// As [`read`].
pub fn from_bytes(bytes: &[u8]) -> Result<Weights> {
    let failed = |message: String| Error::Argument(format!("weights: {}", printable(&message)));
    let mut bytes = Cursor::new(bytes);
    let contents = convlens_formats::parse(&mut bytes).map_err(failed)?;
    load::load(&mut bytes, &contents).map_err(failed)
}

/// Reads one array of numpy's from the bytes of a `.npy` file, as 32-bit floats in row-major order.
///
/// ```
/// let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
/// file.extend(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }");
/// file.resize(128, b' ');
/// file.extend([1.0f32, 2.0].map(f32::to_le_bytes).concat());
/// let array = convlens::weights::from_npy(&file)?;
/// assert_eq!(array, tch::Tensor::from_slice(&[1.0f32, 2.0]));
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// Bytes that are no such array, end too early, or hold something else than numbers.
pub fn from_npy(bytes: &[u8]) -> Result<Tensor> {
    let failed = |message: String| Error::Argument(format!("the array {}", printable(&message)));
    let array = npy::parse(bytes).map_err(failed)?;
    // Sizes that were counted fit.
    let shape: Vec<i64> = array.shape().iter().map(|&size| size as i64).collect();
    Tensor::f_from_slice(&array.to_f32()).and_then(|t| t.f_view(shape.as_slice())).into_result()
}

/// A message that may quote anything at any length from a file.
fn printable(message: &str) -> String {
    let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    message.chars().map(plain).take(1000).collect()
}
