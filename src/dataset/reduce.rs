//! From maps to numbers: each channel's mean over space, its greatest value and where that is.

use std::cmp::Ordering;

use tch::Tensor;

use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// Numbers of every channel of every photo of a batch, `[photos · channels]` each.
#[derive(Debug, Default)]
pub(super) struct Reduced {
    pub(super) channels: usize,
    /// The spatial means.
    pub(super) means: Vec<f32>,
    /// The greatest values; what is not a number does not count.
    pub(super) most: Vec<f32>,
    /// Their places, `y · width + x`, the first of equals.
    pub(super) places: Vec<u32>,
}

impl Reduced {
    /// One photo's spatial means.
    pub(super) fn means_of(&self, photo: usize) -> &[f32] {
        self.means.get(photo * self.channels..(photo + 1) * self.channels).unwrap_or_default()
    }
}

/// Reduces an activation, `[photos, channels, height, width]`.
///
/// Activations have their channels innermost in memory, so channels are what the inner loops go
/// along: each pixel's channels are read once, in order.
pub(super) fn reduce(activation: &Tensor) -> Result<Reduced> {
    let size = activation.size();
    let &[photos, channels, height, width] = size.as_slice() else {
        return Err(Error::Shape(format!("expected [N, channels, height, width], got {size:?}")));
    };
    let pixels = activation
        .f_permute([0, 2, 3, 1])
        .and_then(|t| t.f_to_device(tch::Device::Cpu))
        .and_then(|t| t.f_to_kind(tch::Kind::Float))
        .and_then(|t| t.f_contiguous())
        .into_result()?; // [photos, height, width, channels]
    let (c, row) = (channels as usize, (width * channels) as usize);
    let mut reduced = Reduced { channels: c, ..Reduced::default() };
    let mut values = vec![0f32; height as usize * row];
    let mut line = vec![0f32; c];
    for photo in 0..photos {
        let one = pixels.f_select(0, photo).into_result()?;
        one.f_copy_data(&mut values, height as usize * row).into_result()?;
        let mut sums = vec![0f32; c];
        let mut most = vec![f32::NEG_INFINITY; c];
        let mut places = vec![0u32; c];
        let mut place = 0;
        for row in values.chunks_exact(row.max(1)) {
            // Sums of rows first: thousands of values in one sum would lose digits.
            line.fill(0.0);
            for pixel in row.chunks_exact(c.max(1)) {
                let numbers = line.iter_mut().zip(&mut most).zip(&mut places).zip(pixel);
                for (((sum, most), at), &value) in numbers {
                    *sum += value;
                    let greater = value > *most;
                    *most = if greater { value } else { *most };
                    *at = if greater { place } else { *at };
                }
                place += 1;
            }
            sums.iter_mut().zip(&line).for_each(|(sum, line)| *sum += line);
        }
        let count = (height * width) as f32;
        reduced.means.extend(sums.iter().map(|sum| sum / count));
        reduced.most.append(&mut most);
        reduced.places.append(&mut places);
    }
    Ok(reduced)
}

/// The indices of the `count` greatest values, the greatest first; of equals the smaller index, and
/// what is not a number last.
pub(super) fn greatest(values: &[f32], count: usize) -> Vec<usize> {
    let order = |&a: &usize, &b: &usize| {
        let value = |i: usize| if values[i].is_nan() { f32::NEG_INFINITY } else { values[i] };
        // By value, so that -0 equals 0; nothing here is NaN any more.
        value(b).partial_cmp(&value(a)).unwrap_or(Ordering::Equal).then(a.cmp(&b))
    };
    let mut indices: Vec<usize> = (0..values.len()).collect();
    if count < indices.len() {
        indices.select_nth_unstable_by(count, order);
        indices.truncate(count);
    }
    indices.sort_by(order);
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_has_its_mean_its_most_and_the_place_of_it() {
        // Two photos of two channels, 2 × 3.
        let values: Vec<f32> = (0..24).map(|i| ((i * 7) % 24) as f32 - 10.0).collect();
        let activation = Tensor::from_slice(&values).reshape([2, 2, 2, 3]);
        for activation in
            [activation.shallow_clone(), crate::tensor::channels_last(&activation).expect("t")]
        {
            let reduced = reduce(&activation).expect("numbers");
            for (i, map) in values.chunks_exact(6).enumerate() {
                let most = map.iter().copied().fold(f32::MIN, f32::max);
                assert_eq!(reduced.most[i], most);
                assert_eq!(map[reduced.places[i] as usize], most);
                assert!((reduced.means[i] - map.iter().sum::<f32>() / 6.0).abs() < 1e-6);
            }
            assert_eq!(reduced.means_of(1), &reduced.means[2..]);
        }
    }

    #[test]
    fn of_equals_the_first_counts() {
        let ties = [1.0, 3.0, f32::NAN, 3.0, 1.0, 2.0, -0.0];
        assert_eq!(greatest(&ties, 4), [1, 3, 5, 0]);
        assert_eq!(greatest(&ties, 99), [1, 3, 5, 0, 4, 6, 2]);
        assert_eq!(greatest(&ties, 0), [0usize; 0]);
    }
}
