//! The door for tensors from outside: what comes through is plain, or an error says what it is.

use tch::{Kind, Tensor};

use super::IntoResult;
use crate::error::{Error, Result};

/// How a tensor keeps its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Nothing at all: what `Tensor::new()` makes.
    Undefined,
    /// A value for each place, by strides.
    Strided,
    /// In oneDNN's own order.
    OneDnn,
    /// Only what is not zero.
    Sparse,
    /// Tensors of different sizes in one.
    Nested,
}

impl Layout {
    pub(super) fn of(tensor: &Tensor) -> Layout {
        if !tensor.defined() {
            return Layout::Undefined;
        }
        if tensor.is_mkldnn() {
            return Layout::OneDnn;
        }
        if tensor.is_sparse() || is_compressed(tensor) {
            return Layout::Sparse;
        }
        // libtorch knows whether a tensor is nested, but tch does not pass it on. Of all layouts that are
        // left, only nested ones have no place in memory to compare, and asking them for their size panics.
        let quantized = matches!(tensor.f_kind(), Ok(Kind::QInt8 | Kind::QUInt8 | Kind::QInt32));
        match quantized || tensor.f_is_set_to(tensor).is_ok() {
            true => Layout::Strided,
            false => Layout::Nested,
        }
    }
}

/// Whether the tensor is sparse in compressed rows, columns or blocks.
fn is_compressed(tensor: &Tensor) -> bool {
    tensor.f_crow_indices().is_ok() || tensor.f_ccol_indices().is_ok()
}

/// The same tensor with a value for each place; from then on, it can be asked for its size.
///
/// # Errors
/// An undefined, a sparse or a nested one: what to do about it.
pub(crate) fn plain(tensor: &Tensor) -> Result<Tensor> {
    let message = match Layout::of(tensor) {
        Layout::Strided => return Ok(tensor.shallow_clone()),
        Layout::OneDnn => return tensor.f_to_dense(None, false).into_result(),
        Layout::Undefined => "an undefined tensor holds no values: it is what Tensor::new() makes",
        Layout::Sparse => {
            "a sparse tensor stores only what is not zero: make it dense, .to_dense(None, false)"
        }
        Layout::Nested => {
            "a nested tensor holds tensors of different sizes: take them out, .unbind(0), or fill them \
             up, .to_padded_tensor(0.0, None::<i64>)"
        }
    };
    Err(Error::Shape(message.to_owned()))
}

/// The same of real numbers alone.
///
/// # Errors
/// As [`plain`], and complex or quantized numbers.
pub(crate) fn plain_numbers(tensor: &Tensor) -> Result<Tensor> {
    let tensor = plain(tensor)?;
    let kind = tensor.f_kind().into_result()?;
    match kind {
        Kind::QInt8 | Kind::QUInt8 | Kind::QInt32 => Err(Error::Shape(format!(
            "a quantized tensor ({kind:?}) stands for numbers: take them, .dequantize()"
        ))),
        Kind::ComplexHalf | Kind::ComplexFloat | Kind::ComplexDouble => Err(Error::Shape(format!(
            "complex numbers ({kind:?}) where real ones are wanted: take .abs(), .real() or \
             .view_as_real()"
        ))),
        _ => Ok(tensor),
    }
}
