//! Weights and photos by formula, as tests/reference/formula.py has them.

use std::ops::Range;

use convlens::prelude::*;

use super::device::placed;

/// The value of flat index `i` of parameter `p`, in [-1, 1).
pub(crate) fn formula(i: usize, p: usize) -> f64 {
    let mut h =
        2_654_435_761u32.wrapping_mul(i as u32).wrapping_add(40_503u32.wrapping_mul(p as u32));
    h ^= h >> 16;
    h = h.wrapping_mul(0x045d_9f3b);
    h ^= h >> 16;
    f64::from(h) / 2f64.powi(31) - 1.0
}

/// The network with formula weights, where tests run. Its layers are in the order of PyTorch's modules, and so are
/// their parameters: the number of each is what the formula starts from.
pub(crate) fn with_formula_weights(model: Model) -> Model {
    let mut weights = Weights::new();
    for layer in model.layers().names() {
        for (part, tensor) in model.parameters(&layer).expect("a layer of its own") {
            let shape = tensor.size();
            let count: i64 = shape.iter().product();
            let fan_in = (count / shape[0]) as f64;
            let value = |u: f64| match part.as_str() {
                "weight" if shape.len() > 1 => u * (6.0 / fan_in).sqrt(),
                "weight" => 1.0 + 0.1 * u,
                "running_var" => 1.0 + 0.5 * u,
                _ => 0.1 * u,
            };
            let p = weights.len();
            let values: Vec<f32> =
                (0..count as usize).map(|i| value(formula(i, p)) as f32).collect();
            let tensor = Tensor::from_slice(&values).reshape(shape.as_slice());
            weights.insert(format!("{layer}.{part}"), tensor);
        }
    }
    model.load(&weights).expect("weights of the network's own shapes");
    placed(model)
}

/// Photo `n` of `[height, width]`, with values in `range`: `[1, 3, height, width]`.
pub(crate) fn formula_photo([height, width]: [i64; 2], n: usize, range: Range<f64>) -> Tensor {
    let (n, mut values) = (n as f64, Vec::new());
    for c in 0..3 {
        for y in 0..height {
            for x in 0..width {
                let (c, y, x) = (c as f64, y as f64, x as f64);
                let wave = (0.21 * x + 0.13 * y + c + 2.0 * n).sin();
                let wave = wave * (0.07 * x - 0.17 * y + n).cos();
                let value = range.start + (range.end - range.start) * (0.5 + 0.5 * wave);
                values.push(value as f32);
            }
        }
    }
    Tensor::from_slice(&values).reshape([1, 3, height, width])
}
