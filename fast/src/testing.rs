//! What the tests of convolutions share.

use std::mem::MaybeUninit;

use crate::simd::Instructions;
use crate::windows::Windows;

/// All that this processor has.
pub(crate) fn all_instructions() -> Vec<Instructions> {
    #[cfg(target_arch = "x86_64")]
    match Instructions::here() {
        Some(Instructions::Avx512) => return vec![Instructions::Avx2, Instructions::Avx512],
        Some(Instructions::Avx2) => return vec![Instructions::Avx2],
        None => {}
    }
    println!("skipped: this processor has neither AVX2 nor AVX-512");
    Vec::new()
}

/// Numbers from −1 to 1 without an order.
pub(crate) fn value(i: usize) -> f32 {
    (i.wrapping_mul(2_654_435_761) % 2001) as f32 / 1000.0 - 1.0
}

/// So many of them.
pub(crate) fn values(count: usize, step: usize) -> Vec<f32> {
    (0..count).map(|i| value(i * step)).collect()
}

/// So many values, which `fill` has written, all of them; `None` where it leaves them.
pub(crate) fn filled(
    count: usize,
    fill: impl FnOnce(&mut [MaybeUninit<f32>]) -> Option<()>,
) -> Option<Vec<f32>> {
    let mut output = Vec::with_capacity(count);
    fill(&mut output.spare_capacity_mut()[..count])?;
    // SAFETY: they have just been written.
    unsafe { output.set_len(count) };
    Some(output)
}

/// A convolution by its formula, in double precision: `tap(k, y, x, i)` is the channel of the input and the
/// weight that channel `k` of the output reads at a place of the kernel, if there is an `i`-th.
pub(crate) fn plain(
    input: &[f32],
    [h, w, c]: [usize; 3],
    windows: &Windows,
    channels: usize,
    tap: impl Fn(usize, usize, usize, usize) -> Option<(usize, f32)>,
) -> Vec<f64> {
    let count = |side, size| windows.count(side, size).expect("a window");
    let (height, width, photos) = (count(0, h), count(1, w), input.len() / (h * w * c));
    let mut sums = Vec::new();
    for i in 0..photos * height * width * channels {
        let (photo, y, x) =
            (i / channels / width / height, i / channels / width % height, i / channels % width);
        let mut sum = 0.0;
        for (down, across) in
            (0..windows.kernel[0]).flat_map(|y| (0..windows.kernel[1]).map(move |x| (y, x)))
        {
            let y = (y * windows.stride[0] + down * windows.dilation[0])
                .wrapping_sub(windows.padding[0]);
            let x = (x * windows.stride[1] + across * windows.dilation[1])
                .wrapping_sub(windows.padding[1]);
            if y < h && x < w {
                let taps = (0..c).map_while(|j| tap(i % channels, down, across, j));
                let terms = taps.map(|(channel, weight)| {
                    f64::from(input[((photo * h + y) * w + x) * c + channel]) * f64::from(weight)
                });
                sum += terms.sum::<f64>();
            }
        }
        sums.push(sum);
    }
    sums
}
