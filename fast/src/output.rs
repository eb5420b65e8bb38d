//! Where an output is written.

use std::mem::MaybeUninit;

/// Memory for pixels with their channels innermost: one behind the other, or among the channels of a larger
/// array.
pub struct Output<'a> {
    floats: &'a mut [MaybeUninit<f32>],
    /// From a pixel to the next; `None` for as many as there are channels.
    apart: Option<usize>,
}

impl<'a> From<&'a mut [MaybeUninit<f32>]> for Output<'a> {
    fn from(floats: &'a mut [MaybeUninit<f32>]) -> Self {
        Output { floats, apart: None }
    }
}

impl<'a> Output<'a> {
    /// Some channels of an array `[pixels, apart]`: from the first channel of the first pixel to the last of the
    /// last.
    pub fn among(floats: &'a mut [MaybeUninit<f32>], apart: usize) -> Self {
        Output { floats, apart: Some(apart) }
    }

    /// The first value, and how far apart pixels are, where there is room for so many of them.
    pub(crate) fn place(self, pixels: usize, channels: usize) -> Option<(*mut f32, usize)> {
        let apart = self.apart.unwrap_or(channels);
        let length = pixels.checked_sub(1)?.checked_mul(apart)?.checked_add(channels)?;
        (channels > 0 && apart >= channels && self.floats.len() == length)
            .then(|| (self.floats.as_mut_ptr().cast(), apart))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{filled, values};
    use crate::{After, Convolution, Depthwise, Direct, MaxPool, POINTS, Windows, panel};

    const PIXELS: usize = 8 * 9;
    const CHANNELS: usize = 32;

    /// Alone and among the channels of a larger array, the others of which stay as they are.
    fn is_the_same(run: impl Fn(Output) -> Option<()>) {
        let (before, apart) = (3, CHANNELS + 8);
        let alone = filled(PIXELS * CHANNELS, |room| run(room.into())).expect("it suits");
        let mut larger = vec![MaybeUninit::new(7.0); PIXELS * apart];
        let end = (PIXELS - 1) * apart + before + CHANNELS;
        run(Output::among(&mut larger[before..end], apart)).expect("it suits");
        for (i, value) in larger.into_iter().enumerate() {
            // SAFETY: all of them have been made.
            let (value, pixel) = (unsafe { value.assume_init() }, i / apart);
            let channel = (i % apart).checked_sub(before).filter(|channel| *channel < CHANNELS);
            let expected = channel.map_or(7.0, |channel| alone[pixel * CHANNELS + channel]);
            assert_eq!(value, expected, "channel {} of pixel {pixel}", i % apart);
        }
        for (length, apart) in [(end - before + 1, apart), (end - before, CHANNELS - 1)] {
            assert!(run(Output::among(&mut vec![MaybeUninit::uninit(); length], apart)).is_none());
        }
    }

    #[test]
    fn it_is_written_among_the_channels_of_a_larger_array() {
        let Some(panel) = panel() else {
            return println!("skipped: this processor has neither AVX2 nor AVX-512");
        };
        let size = [8, 9, CHANNELS];
        let (input, other) = (values(PIXELS * CHANNELS, 3), values(PIXELS * CHANNELS, 5));
        let (bias, other) = (&values(CHANNELS, 11), Some(&*other));
        let windows = Windows { kernel: [3, 3], padding: [1, 1], ..Windows::PIXELS };
        let after = After::Between(0.0, 6.0);
        let weights = values(9 * CHANNELS * CHANNELS, 7);
        let packed = Direct::pack(&weights, Some(bias), CHANNELS, 1).expect("lengths that suit");
        let (input, weights) = (&*input, &*packed);
        let of =
            Direct { input, size, scale: None, weights, channels: CHANNELS, windows, other, after };
        is_the_same(|output| of.run(output, 2));
        let weights = &weights[..9 * CHANNELS];
        let of = Depthwise { input, size, weights, bias: Some(bias), windows, other, after };
        is_the_same(|output| of.run(output, 2));
        let of = MaxPool { input, size, windows, output: [8, 9] };
        is_the_same(|output| of.run(output, 2));
        let kernels = &values(POINTS * CHANNELS * CHANNELS / panel * panel, 13);
        let (padding, bias) = ([1, 1], Some(&**bias));
        let of = Convolution { input, size, kernels, padding, bias, other, after };
        is_the_same(|output| of.run(output, 2));
    }
}
