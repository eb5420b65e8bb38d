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

mod float8;
mod load;
mod named;
mod save;
mod sharded;

use std::fs::File;
use std::io::Cursor;
use std::path::Path;

use convlens_formats::{About, Contents, Parsed, Source, npy};
use tch::Tensor;

pub(crate) use load::{Filling, load};
pub use named::Weights;
pub use save::save;

use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// Reads a file of weights, whichever of these formats its content shows:
///
/// - `.safetensors`;
/// - `.pth` and `.pt` as `torch.save` has written them since PyTorch 1.6, and before;
/// - TorchScript archives, which the `.ot` files of tch's `VarStore::save` are too;
/// - numpy's `.npz`, plain or compressed;
/// - a list of files beside it that large weights are spread over: `model.safetensors.index.json`,
///   `pytorch_model.bin.index.json`.
///
/// All tensors become 32-bit floats on the CPU, in row-major order: half precision, `f64` and
/// integers too, such as PyTorch's `num_batches_tracked`. What is quantised to 8 bits, or to 32, becomes
/// `(q − zero point) · scale` again, with a scale for the whole tensor or for each channel. 8-bit floats
/// (e4m3fn, e5m2) are multiplied by their `weight_scale`, where there is one for the whole or for each
/// channel. The file is read once, straight into the tensors.
///
/// A checkpoint that holds its state dict under `"state_dict"`, `"model_state_dict"`, `"model"`,
/// `"net"`, `"network"`, `"ema"`, `"model_ema"` or `"state_dict_ema"` gives the first of these;
/// [`notes`](Weights::notes) say if there are others, and [`read_under`] reads them. Names stay as
/// they are in the file: what wrappers put before them, such as `"module."`, a network takes off where
/// it loads them. In TorchScript archives `|` in names stands for a dot.
///
/// A pickle, which PyTorch's files hold, can ask for any function to be called. Here nothing is
/// ever called: pickles are read by a machine that knows the names that state dicts use, and
/// refuses everything else by name. A whole pickled model is therefore refused; save its
/// `state_dict()`.
///
/// # Errors
/// A file that cannot be read, is cut short, damaged, in no known format or asks for what weights
/// do not need; a list of files of which some are missing, or hold the same tensor. Nothing is loaded
/// then.
pub fn read(path: impl AsRef<Path>) -> Result<Weights> {
    let path = path.as_ref();
    of_file(path, |file| match convlens_formats::shards(file)? {
        Some(shards) => sharded::read(path, shards),
        None => of_source(file, convlens_formats::parse),
    })
}

/// Reads the weights that a checkpoint of PyTorch's holds under this key, where [`read`] would choose
/// for itself: averaged ones, or one of several networks.
///
/// ```no_run
/// use convlens::prelude::*;
/// let averaged = weights::read_under("checkpoint.pth", "state_dict_ema")?;
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// As [`read`]; and a file that has no tensors under this key.
pub fn read_under(path: impl AsRef<Path>, key: &str) -> Result<Weights> {
    let under = |file: &mut dyn Source| convlens_formats::parse_under(file, key);
    of_file(path.as_ref(), |file| of_source(file, under))
}

/// Reads a file of weights that is in memory already, such as one that is embedded in a program; any
/// format that [`read`] knows, but for lists of files.
///
/// # Errors
/// As [`read`].
pub fn from_bytes(bytes: &[u8]) -> Result<Weights> {
    let failed = |message: String| Error::Argument(format!("weights: {}", printable(&message)));
    of_source(&mut Cursor::new(bytes), convlens_formats::parse).map_err(failed)
}

fn of_file(path: &Path, read: impl FnOnce(&mut File) -> Parsed<Weights>) -> Result<Weights> {
    let failed = |message: String| Error::file(path, printable(&message));
    let mut file = File::open(path).map_err(|error| Error::unreadable(path, &error))?;
    read(&mut file).map_err(failed)
}

fn of_source(
    source: &mut dyn Source,
    parse: impl FnOnce(&mut dyn Source) -> Parsed<Contents>,
) -> Parsed<Weights> {
    let contents = parse(source)?;
    let mut weights = load::load(source, &contents)?;
    float8::scale(&mut weights, &contents.float8_names()).map_err(|e| e.to_string())?;
    let About { key, other_keys, class_names, .. } = contents.about;
    let names = class_names.iter().map(|name| printable(name)).collect();
    let note = key.filter(|_| !other_keys.is_empty()).map(|key| {
        let others: Vec<String> = other_keys.iter().map(|other| format!("{other:?}")).collect();
        let first = others.first().map_or("", String::as_str);
        format!(
            "the weights are those under {key:?}; the file has others under {}: \
             weights::read_under(path, {first}) takes them",
            others.join(", ")
        )
    });
    let notes = note.into_iter().chain(weights.notes().to_vec()).collect();
    Ok(weights.about(names, notes))
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

/// The first of some names, and how many more there are.
pub(crate) fn first_and_more<S: AsRef<str>>(names: &[S]) -> Option<String> {
    let (first, rest) = names.split_first()?;
    Some(match rest.len() {
        0 => first.as_ref().to_owned(),
        count => format!("{} and {count} more", first.as_ref()),
    })
}

/// A message that may quote anything at any length from a file.
fn printable(message: &str) -> String {
    without_controls(message).chars().take(1000).collect()
}

/// A message that may quote anything from a file.
pub(crate) fn without_controls(message: &str) -> String {
    let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    message.chars().map(plain).collect()
}
