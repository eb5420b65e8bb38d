//! Range, mean, deviation and what is not finite, of any tensor, in bounded time.

use tch::{Device, Kind, Tensor};

use super::plain::Layout;
use super::{IntoResult, plain};
use crate::error::Result;

/// More elements than this are sampled.
const EXACT_UP_TO: i64 = 1 << 24;

/// What the finite values of a tensor are like, and how many are not finite.
///
/// Up to 16.8 million elements are all read; of more, evenly spaced ones are, and
/// [`sampled`](Statistics::sampled) says how many. Of complex numbers it is the magnitude.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Elements that were read.
    pub read: usize,
    /// Elements that there are.
    pub total: usize,
    /// The least finite value; NaN when there is none.
    pub min: f64,
    /// The greatest finite value; NaN when there is none.
    pub max: f64,
    /// The mean of the finite values.
    pub mean: f64,
    /// Their standard deviation, with n − 1 as PyTorch has it; NaN for fewer than two.
    pub deviation: f64,
    /// Values that are not a number.
    pub nan: usize,
    /// Infinite values, of either sign.
    pub infinite: usize,
}

impl Statistics {
    /// The statistics of a tensor of any kind, layout and device.
    ///
    /// # Errors
    /// When libtorch cannot read this tensor's values.
    pub fn of(tensor: &Tensor) -> Result<Statistics> {
        let _no_grad = tch::no_grad_guard();
        let stored = stored_values(tensor)?;
        let total = stored.numel();
        let sample = as_doubles(&thin_out(&stored, 0, EXACT_UP_TO, i64::MAX)?)?;
        let mut values = vec![0f64; sample.numel()];
        let read = values.len();
        sample.f_copy_data(&mut values, read).into_result()?;
        Ok(Self::of_values(&values, total))
    }

    fn of_values(values: &[f64], total: usize) -> Statistics {
        let (mut min, mut max, mut sum) = (f64::INFINITY, f64::NEG_INFINITY, 0.0);
        let (mut nan, mut infinite) = (0, 0);
        for &value in values {
            if value.is_finite() {
                min = min.min(value);
                max = max.max(value);
                sum += value;
            } else if value.is_nan() {
                nan += 1;
            } else {
                infinite += 1;
            }
        }
        let finite = values.len() - nan - infinite;
        let mean = sum / finite as f64;
        let squares: f64 =
            values.iter().filter(|v| v.is_finite()).map(|v| (v - mean) * (v - mean)).sum();
        let deviation = if finite > 1 { (squares / (finite - 1) as f64).sqrt() } else { f64::NAN };
        let (min, max) = if finite == 0 { (f64::NAN, f64::NAN) } else { (min, max) };
        Statistics { read: values.len(), total, min, max, mean, deviation, nan, infinite }
    }

    /// Whether only a part of the elements was read.
    pub fn sampled(&self) -> bool {
        self.read < self.total
    }
}

/// The values that a tensor stores: all of them, or the non-zero ones of a sparse tensor.
fn stored_values(tensor: &Tensor) -> Result<Tensor> {
    if !tensor.defined() {
        return plain(tensor);
    }
    let tensor = tensor.f_detach().into_result()?;
    match Layout::of(&tensor) {
        Layout::Sparse if tensor.is_sparse() => tensor.f_internal_values().into_result(),
        Layout::Sparse => tensor.f_values().into_result(),
        _ => plain(&tensor),
    }
}

/// At most about `most` evenly spaced elements, and at most about `side` along any dimension,
/// without touching the others; the dimensions before `from` stay whole.
pub(super) fn thin_out(tensor: &Tensor, from: usize, most: i64, side: i64) -> Result<Tensor> {
    let mut thin = tensor.shallow_clone();
    let mut size = thin.size();
    // Halves the longest dimension until it fits; views only, so any stride will do.
    let mut steps = vec![1i64; size.len()];
    let count = |size: &[i64]| size.iter().map(|&v| v as f64).product::<f64>();
    while let Some(longest) = (from..size.len()).max_by_key(|&d| size[d]) {
        if size[longest] <= 1 || (size[longest] <= side && count(&size) <= most as f64) {
            break;
        }
        steps[longest] *= 2;
        size[longest] = (size[longest] + 1) / 2;
    }
    for (dim, &step) in steps.iter().enumerate() {
        if step > 1 {
            thin = thin.f_slice(dim as i64, None::<i64>, None::<i64>, step).into_result()?;
        }
    }
    Ok(thin)
}

/// Real values in double precision on the CPU, contiguous.
pub(super) fn as_doubles(tensor: &Tensor) -> Result<Tensor> {
    let real = match tensor.f_kind().into_result()? {
        Kind::QInt8 | Kind::QUInt8 | Kind::QInt32 => tensor.f_dequantize(),
        Kind::ComplexHalf => tensor.f_to_kind(Kind::ComplexFloat).and_then(|t| t.f_abs()),
        Kind::ComplexFloat | Kind::ComplexDouble => tensor.f_abs(),
        _ => Ok(tensor.shallow_clone()),
    };
    real.and_then(|t| t.f_to_device(Device::Cpu))
        .and_then(|t| t.f_to_kind(Kind::Double))
        .and_then(|t| t.f_contiguous())
        .into_result()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_not_finite_are_counted_and_left_out() {
        let s = Statistics::of_values(&[1.0, f64::NAN, 3.0, f64::INFINITY, f64::NEG_INFINITY], 5);
        assert_eq!((s.min, s.max, s.mean, s.nan, s.infinite), (1.0, 3.0, 2.0, 1, 2));
        assert!((s.deviation - 2f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_sample_keeps_the_shape_and_never_reads_more_than_allowed() {
        let huge = Tensor::zeros([1], (Kind::Float, Device::Cpu)).expand([1000, 1000, 1000], true);
        let thin = thin_out(&huge, 0, 1 << 20, i64::MAX).expect("a view");
        assert!(thin.numel() <= 1 << 20 && thin.numel() >= 1 << 18, "{:?}", thin.size());
        assert_eq!(thin.dim(), 3);
    }
}
