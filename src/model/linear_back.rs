//! A fully connected layer backwards: for one input, what the rectifier behind it stopped is not read.

use tch::{Device, Kind, Tensor};

use super::threads;
use crate::error::Result;
use crate::tensor::{IntoResult, to_floats};

/// Below this, libtorch is done before a thread has started.
const LARGE: usize = 1 << 20;

/// From the gradient at the output, `[..., out]`, to that at the input, `[..., in]`: `g·W`.
///
/// Of one input and a large matrix, that is one pass over the matrix, which takes as long as memory
/// does. Behind a rectifier most of `g` is 0, and those rows of `W` are left out.
pub(super) fn linear_back(gradient: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let size = weight.size();
    let &[rows, columns] = size.as_slice() else {
        return gradient.f_matmul(weight).into_result();
    };
    let plain = |t: &Tensor| t.device() == Device::Cpu && t.kind() == Kind::Float;
    let one = gradient.numel() as i64 == rows;
    let suits = one && weight.numel() >= LARGE && plain(gradient) && plain(weight);
    if !suits || !weight.is_contiguous() {
        return gradient.f_matmul(weight).into_result();
    }
    let factors = to_floats(gradient)?;
    // SAFETY: a contiguous tensor of floats on the CPU has `numel` of them from `data_ptr` on. It outlives
    // this borrow, and nobody writes to it meanwhile: tensors do not leave their thread.
    let values: &[f32] =
        unsafe { std::slice::from_raw_parts(weight.data_ptr().cast::<f32>(), weight.numel()) };
    let sum = weighted_rows(&factors, values, columns as usize);
    let mut size = gradient.size();
    if let Some(last) = size.last_mut() {
        *last = columns;
    }
    Tensor::f_from_slice(&sum).and_then(|t| t.f_reshape(size)).into_result()
}

/// `Σ factor · row` over the rows whose factor is not 0, each thread some of the columns.
fn weighted_rows(factors: &[f32], matrix: &[f32], columns: usize) -> Vec<f32> {
    let rows: Vec<(f32, &[f32])> = factors
        .iter()
        .copied()
        .zip(matrix.chunks_exact(columns.max(1)))
        .filter(|(factor, _)| *factor != 0.0)
        .collect();
    let mut sum = vec![0.0; columns];
    let each = columns.div_ceil(threads::count()).max(1);
    let parts = sum.chunks_mut(each).enumerate();
    threads::for_each(parts, |(i, sum)| add_rows(sum, &rows, i * each));
    sum
}

/// Four rows at a time, so that the sum is written a quarter as often.
fn add_rows(sum: &mut [f32], rows: &[(f32, &[f32])], from: usize) {
    let to = from + sum.len();
    let (fours, rest) = rows.as_chunks::<4>();
    for [a, b, c, d] in fours {
        let values = a.1[from..to].iter().zip(&b.1[from..to]);
        let values = values.zip(c.1[from..to].iter().zip(&d.1[from..to]));
        for (sum, ((w, x), (y, z))) in sum.iter_mut().zip(values) {
            *sum += a.0 * w + b.0 * x + c.0 * y + d.0 * z;
        }
    }
    for row in rest {
        for (sum, value) in sum.iter_mut().zip(&row.1[from..to]) {
            *sum += row.0 * value;
        }
    }
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
        let ours = ours.expect("a gradient");
        assert_eq!(ours.size(), [1, 1029]);
        let scale = theirs.abs().max().double_value(&[]);
        assert!((ours - theirs).abs().max().double_value(&[]) < 1e-5 * scale);
    }
}
