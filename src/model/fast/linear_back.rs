//! A fully connected layer backwards: for one input, what the rectifier behind it stopped is not read.

use convlens_fast::weighted_rows;
use tch::Tensor;

use super::{floats, has_fast_loops, is_on, threads};
use crate::error::Result;
use crate::tensor::IntoResult;

/// Below this, libtorch is done before a thread has started.
const LARGE: usize = 1 << 20;

/// From the gradient at the output, `[..., out]`, to that at the input, `[..., in]`: `g·W`.
///
/// Of one input and a large matrix, that is one pass over the matrix, which takes as long as memory
/// does. Behind a rectifier most of `g` is 0, and those rows of `W` are left out.
pub(in crate::model) fn linear_back(gradient: &Tensor, weight: &Tensor) -> Result<Option<Tensor>> {
    let mut size = gradient.size();
    let (&[rows, columns], Some(last)) = (weight.size().as_slice(), size.last_mut()) else {
        return Ok(None);
    };
    let one = gradient.numel() as i64 == rows && *last == rows;
    if !one || weight.numel() < LARGE || !has_fast_loops() || !is_on() {
        return Ok(None);
    }
    let gradient = gradient.f_contiguous().into_result()?;
    let Some((factors, values)) = floats(&gradient).zip(floats(weight)) else { return Ok(None) };
    *last = columns;
    let sum = weighted_rows(factors, values, columns as usize, threads::count());
    Tensor::f_from_slice(&sum).and_then(|t| t.f_reshape(size)).into_result().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gradient_with_zeros_goes_back_as_by_matrix_product() {
        tch::manual_seed(3);
        let float = tch::kind::FLOAT_CPU;
        let weight = Tensor::randn([1031, 1029], float);
        let zeros = Tensor::rand([1, 1031], float).gt(0.6);
        let gradient = Tensor::randn([1, 1031], float) * zeros;
        let (ours, theirs) = (linear_back(&gradient, &weight), gradient.matmul(&weight));
        let Some(ours) = ours.expect("an answer") else {
            return println!("skipped: the fast engine is off");
        };
        assert_eq!(ours.size(), [1, 1029]);
        let scale = theirs.abs().max().double_value(&[]);
        assert!((ours - theirs).abs().max().double_value(&[]) < 1e-5 * scale);
    }

    #[test]
    fn what_is_no_large_matrix_of_floats_is_left() {
        let float = tch::kind::FLOAT_CPU;
        let weight = Tensor::randn([1031, 1029], float);
        let gradient = Tensor::randn([1, 1031], float);
        let is_left = |gradient: &Tensor, weight: &Tensor| {
            linear_back(gradient, weight).expect("an answer").is_none()
        };
        assert!(is_left(&gradient.repeat([2, 1]), &weight), "two inputs");
        assert!(is_left(&gradient, &weight.to_kind(tch::Kind::Double)));
        assert!(is_left(&gradient, &Tensor::randn([1029, 1031], float).tr()), "not contiguous");
        assert!(is_left(&gradient.narrow(1, 0, 9), &Tensor::randn([9, 9], float)), "small");
    }
}
