//! Some pixels of a convolution's output, and of their channels a panel, in registers from the first
//! product to the last.
//!
//! Pointers move by `wrapping_` functions, since a notebook's kernel compiles with checks of all the others.

use crate::after::After;
use crate::simd::Vector;

/// What is summed, and what becomes of the sums.
pub(super) struct Sums {
    /// The first value that the first pixel reads.
    pub(super) input: *const f32,
    /// Floats from what a pixel reads to what the next one reads.
    pub(super) pixel: usize,
    /// What a pixel reads: so many times so many runs of values, each so far from the one before.
    pub(super) runs: [usize; 2],
    pub(super) steps: [usize; 2],
    /// How long a run is.
    pub(super) length: usize,
    /// By what each value of the only run is multiplied; null for nothing.
    pub(super) scale: *const f32,
    /// Of each panel a bias for each channel, then for each value that is read a weight for each channel.
    pub(super) panel: *const f32,
    /// Weights that will be read soon and may still be in memory: from where on, how many floats a step, and
    /// how many a panel they are asked for.
    pub(super) soon: *const f32,
    pub(super) pace: usize,
    pub(super) each: usize,
    /// What is added; null for nothing.
    pub(super) other: *const f32,
    pub(super) output: *mut f32,
    /// Floats from a pixel of either to the next.
    pub(super) strides: [usize; 2],
    /// How many channels there are, in one panel behind the other.
    pub(super) channels: usize,
    pub(super) after: After,
}

impl Sums {
    /// So many pixels by panels of so many registers.
    ///
    /// # Safety
    /// The processor has `V`, and all that is read and written is there.
    #[inline(always)]
    pub(super) unsafe fn run<V: Vector, const PIXELS: usize, const REGISTERS: usize>(&self) {
        let (mut panel, mut first, mut number) = (self.panel, 0usize, 0usize);
        while first < self.channels {
            unsafe {
                let mut soon = self.soon.wrapping_add(number.wrapping_mul(self.each));
                let mut scale = self.scale;
                let mut bias = [V::splat(0.0); REGISTERS];
                for bias in &mut bias {
                    *bias = V::load(panel);
                    panel = panel.wrapping_add(V::LANES);
                }
                let mut sums = [bias; PIXELS];
                for outer in 0..self.runs[0] {
                    for inner in 0..self.runs[1] {
                        let at = outer.wrapping_mul(self.steps[0]);
                        let at = at.wrapping_add(inner.wrapping_mul(self.steps[1]));
                        let mut values = self.input.wrapping_add(at);
                        for _ in 0..self.length {
                            let mut weights = [V::splat(0.0); REGISTERS];
                            for weights in &mut weights {
                                *weights = V::load(panel);
                                panel = panel.wrapping_add(V::LANES);
                            }
                            if !scale.is_null() {
                                let factor = V::spread(scale);
                                weights = weights.map(|weights| weights.mul(factor));
                                scale = scale.wrapping_add(1);
                            }
                            for (pixel, sums) in sums.iter_mut().enumerate() {
                                let at = values.wrapping_add(pixel.wrapping_mul(self.pixel));
                                let value = V::spread(at);
                                for (sum, weights) in sums.iter_mut().zip(weights) {
                                    *sum = value.mul_add(weights, *sum);
                                }
                            }
                            values = values.wrapping_add(1);
                            V::prefetch(soon);
                            soon = soon.wrapping_add(self.pace);
                        }
                    }
                }
                // What networks have most is known where it is written, and not asked for each register.
                match self.after {
                    After::Between(least, most) => {
                        self.put(sums, first, After::Between(least, most));
                    }
                    after => self.put(sums, first, after),
                }
            }
            first = first.wrapping_add(REGISTERS * V::LANES);
            number = number.wrapping_add(1);
        }
    }

    /// Writes a panel's sums, whose first channel this is, with what is added and after what follows.
    #[inline(always)]
    unsafe fn put<V: Vector, const PIXELS: usize, const REGISTERS: usize>(
        &self,
        sums: [[V; REGISTERS]; PIXELS],
        first: usize,
        after: After,
    ) {
        for (pixel, sums) in sums.into_iter().enumerate() {
            for (register, sum) in sums.into_iter().enumerate() {
                let first = first.wrapping_add(register * V::LANES);
                let count = self.channels.saturating_sub(first).min(V::LANES);
                let [other, output] =
                    self.strides.map(|stride| pixel.wrapping_mul(stride).wrapping_add(first));
                let mut value = sum;
                unsafe {
                    if !self.other.is_null() {
                        value = value.add(V::load_first(self.other.wrapping_add(other), count));
                    }
                    after.of(value).store_first(self.output.wrapping_add(output), count);
                }
            }
        }
    }
}

/// The most pixels that registers have room for, by panels of two.
#[cfg(target_arch = "x86_64")]
pub(super) const AVX2_PIXELS: usize = 6;
#[cfg(target_arch = "x86_64")]
pub(super) const AVX512_PIXELS: usize = 14;

/// [`Sums::run`] of one number of pixels and registers.
pub(super) type Run = unsafe fn(&Sums);

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const PIXELS: usize, const REGISTERS: usize>(sums: &Sums) {
    unsafe { sums.run::<std::arch::x86_64::__m256, PIXELS, REGISTERS>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512<const PIXELS: usize, const REGISTERS: usize>(sums: &Sums) {
    unsafe { sums.run::<std::arch::x86_64::__m512, PIXELS, REGISTERS>() }
}

macro_rules! runs {
    ($function:ident: $($pixels:literal)*) => {
        [[$($function::<$pixels, 1>),*], [$($function::<$pixels, 2>),*]]
    };
}

/// By the number of registers in a panel and that of pixels, both less one.
#[cfg(target_arch = "x86_64")]
pub(super) const AVX2: [[Run; AVX2_PIXELS]; 2] = runs!(avx2: 1 2 3 4 5 6);
#[cfg(target_arch = "x86_64")]
pub(super) const AVX512: [[Run; AVX512_PIXELS]; 2] =
    runs!(avx512: 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
