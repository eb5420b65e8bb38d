//! Products of many small matrices, as attention has them.

use std::mem::MaybeUninit;

use convlens_fast::Products;
use tch::Tensor;

use super::{has_fast_loops, is_on, is_plain, threads};
use crate::error::Result;
use crate::tensor::IntoResult;

/// `left · right` of as many matrices, `[N, rows, length]` or `[N, M, rows, length]`, on both sides.
pub(in crate::model) fn products(left: &Tensor, right: &Tensor) -> Result<Option<Tensor>> {
    let (Some(a), Some(b)) = (Matrices::of(left), Matrices::of(right)) else { return Ok(None) };
    let ([n, m, rows, length], [.., columns]) = (a.sides, b.sides);
    if b.sides != [n, m, length, columns] || left.dim() != right.dim() || a.strides[3] != 1 {
        return Ok(None);
    }
    let mut size = left.size();
    size.pop();
    size.push(columns as i64);
    let output = Tensor::f_empty(size, tch::kind::FLOAT_CPU).into_result()?;
    let values = output.data_ptr().cast::<MaybeUninit<f32>>();
    // SAFETY: it has just been made, and so many values lie there.
    let values = unsafe { std::slice::from_raw_parts_mut(values, output.numel()) };
    let of = Products {
        left: a.values,
        right: b.values,
        matrices: [n, m],
        rows,
        length,
        columns,
        left_strides: a.strides,
        right_strides: b.strides,
    };
    Ok(of.run(values, threads::count()).map(|()| output))
}

/// Matrices of floats, in two dimensions.
struct Matrices<'a> {
    values: &'a [f32],
    sides: [usize; 4],
    strides: [usize; 4],
}

impl<'a> Matrices<'a> {
    /// `None` for others, and where a gradient is recorded.
    fn of(tensor: &'a Tensor) -> Option<Matrices<'a>> {
        if !has_fast_loops() || !is_on() || !is_plain(tensor) || tensor.requires_grad() {
            return None;
        }
        let four = |sides: Vec<i64>| match sides[..] {
            [n, rows, columns] => Some([1, n, rows, columns].map(|side| side as usize)),
            [n, m, rows, columns] => Some([n, m, rows, columns].map(|side| side as usize)),
            _ => None,
        };
        let (sides, mut strides) = (four(tensor.size())?, four(tensor.stride())?);
        if tensor.dim() == 3 {
            strides[0] = 0;
        }
        if sides.contains(&0) {
            return None;
        }
        let last: usize = sides.iter().zip(strides).map(|(side, stride)| (side - 1) * stride).sum();
        // SAFETY: so far its last value lies from its first. The tensor outlives this borrow, and nobody writes to it
        // meanwhile: tensors do not leave their thread.
        let values = unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), last + 1) };
        Some(Matrices { values, sides, strides })
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    #[test]
    fn products_are_libtorchs() {
        tch::manual_seed(3);
        let float = tch::kind::FLOAT_CPU;
        let (left, right) = (Tensor::randn([7, 30, 20], float), Tensor::randn([7, 20, 11], float));
        let Some(ours) = products(&left, &right).expect("an answer") else {
            return println!("skipped: the fast engine is off");
        };
        let theirs = left.matmul(&right);
        assert_eq!(ours.size(), theirs.size());
        let apart = (ours - &theirs).abs().max().double_value(&[]);
        assert!(apart / theirs.abs().max().double_value(&[]) < 2e-6);
    }

    #[test]
    fn what_is_no_list_of_matrices_of_floats_is_left() {
        let float = tch::kind::FLOAT_CPU;
        let (left, right) = (Tensor::randn([7, 30, 20], float), Tensor::randn([7, 20, 11], float));
        let is_left =
            |left: &Tensor, right: &Tensor| products(left, right).expect("an answer").is_none();
        assert!(is_left(&left, &right.get(0)), "broadcast");
        assert!(is_left(&left, &right.narrow(1, 0, 9)), "other lengths");
        assert!(is_left(&left, &right.narrow(0, 0, 6)), "other numbers");
        assert!(is_left(&left.to_kind(Kind::Double), &right.to_kind(Kind::Double)));
        assert!(is_left(&left.set_requires_grad(true), &right), "recorded");
        assert!(is_left(&Tensor::randn([7, 20, 30], float).transpose(1, 2), &right), "turned");
        assert!(is_left(&Tensor::zeros([0, 30, 20], float), &Tensor::zeros([0, 20, 11], float)));
    }
}
