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
        if tensor.is_sparse() {
            return Layout::Sparse;
        }
        // libtorch knows whether a tensor is compressed or nested, but tch does not pass it on. Of all
        // layouts that are left, only these have no place in memory to compare, and asking a nested one for
        // its size panics. Ordinary tensors come first: each question with no for an answer is an exception.
        let quantized = matches!(tensor.f_kind(), Ok(Kind::QInt8 | Kind::QUInt8 | Kind::QInt32));
        if quantized || tensor.f_is_set_to(tensor).is_ok() {
            return Layout::Strided;
        }
        if is_compressed(tensor) { Layout::Sparse } else { Layout::Nested }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layouts_are_told_apart() {
        let dense = Tensor::rand([4, 4], tch::kind::FLOAT_CPU);
        let table = |values: &[i64]| Tensor::from_slice(values).view([2, 2]);
        let nested = Tensor::arange(10, tch::kind::FLOAT_CPU).internal_nested_view_from_buffer(
            &table(&[2, 2, 3, 2]),
            &table(&[2, 1, 2, 1]),
            &Tensor::from_slice(&[0i64, 4]),
        );
        let cases = [
            ("ordinary", dense.shallow_clone(), Layout::Strided),
            ("turned", dense.transpose(0, 1), Layout::Strided),
            ("a part", dense.narrow(0, 1, 2), Layout::Strided),
            ("empty", dense.narrow(0, 0, 0), Layout::Strided),
            ("complex", dense.to_kind(Kind::ComplexFloat), Layout::Strided),
            ("quantized", dense.quantize_per_tensor(0.1, 0, Kind::QInt8), Layout::Strided),
            ("undefined", Tensor::new(), Layout::Undefined),
            ("in oneDNN's order", dense.to_mkldnn(), Layout::OneDnn),
            ("by places", dense.to_sparse_sparse_dim(2), Layout::Sparse),
            ("by rows", dense.to_sparse_csr(None), Layout::Sparse),
            ("by columns", dense.to_sparse_csc(None), Layout::Sparse),
            ("by blocks in rows", dense.to_sparse_bsr([2, 2], None), Layout::Sparse),
            ("by blocks in columns", dense.to_sparse_bsc([2, 2], None), Layout::Sparse),
            ("nested", nested, Layout::Nested),
        ];
        for (what, tensor, expected) in cases {
            assert_eq!(Layout::of(&tensor), expected, "{what}");
        }
    }
}
