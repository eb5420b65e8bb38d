//! A register of floats, as wide as the processor has them.

/// What the tiles are worked on with. Every function may be called only where the processor has what
/// the type stands for, inside of a function that says so by `#[target_feature]`.
pub(super) trait Vector: Copy {
    /// How many floats it holds.
    const LANES: usize;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn splat(value: f32) -> Self;
    /// The one float that lies there, everywhere.
    unsafe fn spread(from: *const f32) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    /// `self * by + plus`
    unsafe fn mul_add(self, by: Self, plus: Self) -> Self;
    /// The greater of this and 0; NaN stays NaN.
    unsafe fn rectified(self) -> Self;
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    // With a mask of everything, which the compiler leaves away. `loadu` and `storeu` check their pointer in a
    // build with debug assertions, as a notebook's is, and go through memory once more.
    #[inline(always)]
    unsafe fn load_256(from: *const f32) -> __m256 {
        unsafe { _mm256_maskload_ps(from, _mm256_set1_epi32(-1)) }
    }

    #[inline(always)]
    unsafe fn store_256(to: *mut f32, values: __m256) {
        unsafe { _mm256_maskstore_ps(to, _mm256_set1_epi32(-1), values) }
    }

    #[inline(always)]
    unsafe fn load_512(from: *const f32) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(!0, from) }
    }

    #[inline(always)]
    unsafe fn store_512(to: *mut f32, values: __m512) {
        unsafe { _mm512_mask_storeu_ps(to, !0, values) }
    }

    macro_rules! vector {
        ($type:ident, $lanes:literal, $load:ident, $store:ident, $splat:ident, $spread:ident, $add:ident, $sub:ident, $fma:ident, $max:ident) => {
            impl super::Vector for $type {
                const LANES: usize = $lanes;
                #[inline(always)]
                unsafe fn load(from: *const f32) -> Self {
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut f32) {
                    unsafe { $store(to, self) }
                }
                #[inline(always)]
                unsafe fn splat(value: f32) -> Self {
                    unsafe { $splat(value) }
                }
                #[inline(always)]
                unsafe fn spread(from: *const f32) -> Self {
                    unsafe { $spread(_mm_load_ss(from)) }
                }
                #[inline(always)]
                unsafe fn add(self, other: Self) -> Self {
                    unsafe { $add(self, other) }
                }
                #[inline(always)]
                unsafe fn sub(self, other: Self) -> Self {
                    unsafe { $sub(self, other) }
                }
                #[inline(always)]
                unsafe fn mul_add(self, by: Self, plus: Self) -> Self {
                    unsafe { $fma(self, by, plus) }
                }
                #[inline(always)]
                unsafe fn rectified(self) -> Self {
                    // Of a number and NaN, the second.
                    unsafe { $max($splat(0.0), self) }
                }
            }
        };
    }

    vector!(
        __m256,
        8,
        load_256,
        store_256,
        _mm256_set1_ps,
        _mm256_broadcastss_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_fmadd_ps,
        _mm256_max_ps
    );
    vector!(
        __m512,
        16,
        load_512,
        store_512,
        _mm512_set1_ps,
        _mm512_broadcastss_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_fmadd_ps,
        _mm512_max_ps
    );
}
