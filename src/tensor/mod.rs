//! A tensor at a glance: one line of text, and the picture that suits its shape.

mod glance;
mod plain;
mod statistics;

use tch::kind::Element;
use tch::{TchError, Tensor};

pub use glance::Glance;
pub(crate) use plain::{plain, plain_numbers};
pub use statistics::Statistics;

use crate::error::{Error, Result};
use crate::picture::Maps;
use crate::show::{MimeBundle, Show};

impl Show for Tensor {
    fn bundle(&self) -> MimeBundle {
        Glance::new(self).bundle()
    }
}

/// tch's results as ours.
pub(crate) trait IntoResult<T> {
    fn into_result(self) -> Result<T>;
}

impl<T> IntoResult<T> for Result<T, TchError> {
    fn into_result(self) -> Result<T> {
        self.map_err(Error::from)
    }
}

/// So that `?` takes the errors of tch's `f_` functions, without libtorch's backtrace.
///
/// ```
/// use convlens::prelude::*;
/// fn product(a: &Tensor, b: &Tensor) -> convlens::Result<Tensor> {
///     Ok(a.f_matmul(b)?)
/// }
/// let wrong = product(&Tensor::zeros([2, 3], tch::kind::FLOAT_CPU), &Tensor::from(1.0));
/// assert_eq!(wrong.unwrap_err().to_string().lines().count(), 1);
/// ```
impl From<TchError> for Error {
    fn from(error: TchError) -> Error {
        Error::Torch { doing: String::new(), message: first_line(error) }
    }
}

/// The first line of libtorch's message: what follows is its C++ backtrace.
fn first_line(error: TchError) -> String {
    let text = match error {
        TchError::Torch(message) => message,
        other => other.to_string(),
    };
    text.lines().next().unwrap_or("unknown error").trim().to_owned()
}

/// The same values with the channels innermost in memory, which libtorch's convolutions run
/// fastest on; anything but a four-dimensional tensor comes back as it is.
pub(crate) fn channels_last(tensor: &Tensor) -> Result<Tensor> {
    if tensor.dim() != 4 {
        return Ok(tensor.shallow_clone());
    }
    tensor
        .f_permute([0, 2, 3, 1])
        .and_then(|t| t.f_contiguous())
        .and_then(|t| t.f_permute([0, 3, 1, 2]))
        .into_result()
}

/// Whether no value is NaN or infinite.
pub(crate) fn all_finite(tensor: &Tensor) -> Result<bool> {
    let finite = tensor.f_detach().and_then(|t| t.f_isfinite()).and_then(|t| t.f_all());
    Ok(finite.and_then(|all| all.f_int64_value(&[])).into_result()? != 0)
}

/// A copy in 32-bit floats on the CPU that shares nothing with the original.
pub(crate) fn float_copy(tensor: &Tensor) -> Result<Tensor> {
    let floats = plain_numbers(tensor)?
        .f_detach()
        .and_then(|t| t.f_to_device(tch::Device::Cpu))
        .and_then(|t| t.f_to_kind(tch::Kind::Float))
        .into_result()?;
    let mut copy = floats.f_empty_like().into_result()?;
    copy.f_copy_(&floats).into_result()?;
    Ok(copy)
}

/// A tensor's values as 32-bit floats in row-major order, wherever and however it is stored.
///
/// ```
/// let tensor = tch::Tensor::from_slice(&[1i64, 2, 3, 4]).view([2, 2]);
/// assert_eq!(convlens::tensor::to_floats(&tensor.tr())?, [1.0, 3.0, 2.0, 4.0]);
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// When libtorch cannot read this tensor's values, or has no memory for them.
pub fn to_floats(tensor: &Tensor) -> Result<Vec<f32>> {
    to_numbers(tensor)
}

/// The same in double precision.
pub(crate) fn to_doubles(tensor: &Tensor) -> Result<Vec<f64>> {
    to_numbers(tensor)
}

fn to_numbers<T: Element>(tensor: &Tensor) -> Result<Vec<T>> {
    let _no_grad = tch::no_grad_guard();
    let plain = plain_numbers(tensor)?
        .f_detach()
        .and_then(|t| t.f_to_device(tch::Device::Cpu))
        .and_then(|t| t.f_to_kind(T::KIND))
        .and_then(|t| t.f_contiguous())
        .into_result()?;
    let mut values = vec![T::ZERO; plain.numel()];
    let count = values.len();
    plain.f_copy_data(&mut values, count).into_result()?;
    Ok(values)
}

/// `[C, h, w]` as a stack of maps.
pub(crate) fn to_maps(tensor: &Tensor) -> Result<Maps> {
    let size = plain(tensor)?.size();
    let &[c, h, w] = size.as_slice() else {
        return Err(Error::Shape(format!("expected [channels, height, width], got {size:?}")));
    };
    Maps::new(c as usize, h as usize, w as usize, to_floats(tensor)?)
}
