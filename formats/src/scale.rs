//! What the integers of a quantised tensor stand for.

use super::contents::values_of;

/// How integers become numbers again: `(q − zero point) · scale`, rounded where PyTorch rounds.
#[derive(Clone, Debug)]
pub(crate) enum Scale {
    Whole {
        scale: f64,
        zero_point: f32,
    },
    /// With a scale and a zero point for each place along `axis`.
    Channels {
        axis: usize,
        scales: Vec<f64>,
        zero_points: Vec<f32>,
    },
}

impl Scale {
    /// Replaces the integers of a tensor of this shape, in row-major order, by what they stand for.
    pub(crate) fn apply(&self, values: &mut [f32], shape: &[usize]) {
        match self {
            Scale::Whole { scale, zero_point } => dequantise(values, *scale, *zero_point),
            Scale::Channels { axis, scales, zero_points } => {
                let inner = shape.get(axis + 1..).and_then(values_of).unwrap_or(0);
                let places = scales.iter().zip(zero_points).cycle();
                for (block, (&scale, &zero_point)) in values.chunks_mut(inner.max(1)).zip(places) {
                    dequantise(block, scale, zero_point);
                }
            }
        }
    }
}

fn dequantise(values: &mut [f32], scale: f64, zero_point: f32) {
    let number = |value: f32| (f64::from(value - zero_point) * scale) as f32;
    values.iter_mut().for_each(|value| *value = number(*value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_has_its_own_scale_whichever_dimension_it_is() {
        let channels =
            |axis| Scale::Channels { axis, scales: vec![1.0, 10.0], zero_points: vec![0.0, 1.0] };
        let mut rows = [1.0, 2.0, 3.0, 4.0];
        channels(0).apply(&mut rows, &[2, 2]);
        assert_eq!(rows, [1.0, 2.0, 20.0, 30.0]);
        let mut columns = [1.0, 2.0, 3.0, 4.0];
        channels(1).apply(&mut columns, &[2, 2]);
        assert_eq!(columns, [1.0, 10.0, 3.0, 30.0]);
        channels(0).apply(&mut [], &[2, 0]);
    }
}
