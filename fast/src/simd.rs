//! A register of floats, as wide as the processor has them.

/// The instructions that the work is done by.
#[derive(Clone, Copy)]
pub(crate) enum Instructions {
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Instructions {
    /// The widest that this processor has.
    pub(crate) fn here() -> Option<Instructions> {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Some(Instructions::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Some(Instructions::Avx2);
            }
        }
        None
    }

    /// How many floats a register holds.
    pub(crate) fn lanes(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => 8,
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => 16,
        }
    }
}

/// What registers are worked on with. Every function may be called only where the processor has what
/// the type stands for, inside of a function that says so by `#[target_feature]`.
pub(crate) trait Vector: Copy {
    /// How many floats it holds.
    const LANES: usize;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// As many floats as there are, at most all of the register's; zeros for the others.
    unsafe fn load_first(from: *const f32, count: usize) -> Self;
    /// Stores so many floats, at most all.
    unsafe fn store_first(self, to: *mut f32, count: usize);
    unsafe fn splat(value: f32) -> Self;
    /// Says that what lies there will be read soon; it need not be anything.
    unsafe fn prefetch(from: *const f32);
    /// The one float that lies there, everywhere.
    unsafe fn spread(from: *const f32) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn div(self, other: Self) -> Self;
    /// `self * by + plus`
    unsafe fn mul_add(self, by: Self, plus: Self) -> Self;
    /// The greater of this and the limit; NaN stays NaN.
    unsafe fn at_least(self, limit: Self) -> Self;
    /// The lesser of this and the limit; NaN stays NaN.
    unsafe fn at_most(self, limit: Self) -> Self;
    /// The greater of both; NaN where one is.
    unsafe fn maximum(self, other: Self) -> Self;
    /// The nearest whole number.
    unsafe fn rounded(self) -> Self;
    /// `self · 2^power`, of a whole number from −126 to 127.
    unsafe fn times_two_to(self, power: Self) -> Self;
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

    /// Ones in the first places.
    #[inline(always)]
    unsafe fn first_256(count: usize) -> __m256i {
        const ONES: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
        unsafe { std::ptr::read_unaligned(ONES.as_ptr().wrapping_add(8 - count.min(8)).cast()) }
    }

    #[inline(always)]
    unsafe fn load_first_256(from: *const f32, count: usize) -> __m256 {
        unsafe { _mm256_maskload_ps(from, first_256(count)) }
    }

    // By a mask alone where one is needed: AMD's processors take some twelve cycles for it.
    #[inline(always)]
    unsafe fn store_first_256(to: *mut f32, count: usize, values: __m256) {
        unsafe {
            match count < 8 {
                true => _mm256_maskstore_ps(to, first_256(count), values),
                false => store_256(to, values),
            }
        }
    }

    #[inline(always)]
    fn first_512(count: usize) -> __mmask16 {
        0xffff_u16
            .wrapping_shr(16_u32.wrapping_sub(count.min(16) as u32))
            .wrapping_mul((count > 0) as u16)
    }

    #[inline(always)]
    unsafe fn load_first_512(from: *const f32, count: usize) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(first_512(count), from) }
    }

    #[inline(always)]
    unsafe fn store_first_512(to: *mut f32, count: usize, values: __m512) {
        unsafe { _mm512_mask_storeu_ps(to, first_512(count), values) }
    }

    // Of a number and NaN, `max` takes the second.
    #[inline(always)]
    unsafe fn maximum_256(a: __m256, b: __m256) -> __m256 {
        unsafe {
            let unordered = _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a);
            _mm256_blendv_ps(_mm256_max_ps(a, b), a, unordered)
        }
    }

    #[inline(always)]
    unsafe fn maximum_512(a: __m512, b: __m512) -> __m512 {
        unsafe {
            let unordered = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a);
            _mm512_mask_mov_ps(_mm512_max_ps(a, b), unordered, a)
        }
    }

    #[inline(always)]
    unsafe fn rounded_256(values: __m256) -> __m256 {
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(values) }
    }

    #[inline(always)]
    unsafe fn rounded_512(values: __m512) -> __m512 {
        unsafe { _mm512_roundscale_ps::<0>(values) }
    }

    #[inline(always)]
    unsafe fn scaled_256(values: __m256, power: __m256) -> __m256 {
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(power), _mm256_set1_epi32(127));
            _mm256_mul_ps(values, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
        }
    }

    #[inline(always)]
    unsafe fn scaled_512(values: __m512, power: __m512) -> __m512 {
        unsafe { _mm512_scalef_ps(values, power) }
    }

    macro_rules! vector {
        ($type:ident, $lanes:literal, $load:ident, $store:ident, $load_first:ident, $store_first:ident,
         $splat:ident, $spread:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $fma:ident, $max:ident,
         $min:ident, $maximum:ident, $rounded:ident, $scaled:ident) => {
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
                unsafe fn load_first(from: *const f32, count: usize) -> Self {
                    unsafe { $load_first(from, count) }
                }
                #[inline(always)]
                unsafe fn store_first(self, to: *mut f32, count: usize) {
                    unsafe { $store_first(to, count, self) }
                }
                #[inline(always)]
                unsafe fn prefetch(from: *const f32) {
                    unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
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
                unsafe fn mul(self, other: Self) -> Self {
                    unsafe { $mul(self, other) }
                }
                #[inline(always)]
                unsafe fn div(self, other: Self) -> Self {
                    unsafe { $div(self, other) }
                }
                #[inline(always)]
                unsafe fn mul_add(self, by: Self, plus: Self) -> Self {
                    unsafe { $fma(self, by, plus) }
                }
                // Of a number and NaN, these two take the second.
                #[inline(always)]
                unsafe fn at_least(self, limit: Self) -> Self {
                    unsafe { $max(limit, self) }
                }
                #[inline(always)]
                unsafe fn at_most(self, limit: Self) -> Self {
                    unsafe { $min(limit, self) }
                }
                #[inline(always)]
                unsafe fn maximum(self, other: Self) -> Self {
                    unsafe { $maximum(self, other) }
                }
                #[inline(always)]
                unsafe fn rounded(self) -> Self {
                    unsafe { $rounded(self) }
                }
                #[inline(always)]
                unsafe fn times_two_to(self, power: Self) -> Self {
                    unsafe { $scaled(self, power) }
                }
            }
        };
    }

    vector!(
        __m256,
        8,
        load_256,
        store_256,
        load_first_256,
        store_first_256,
        _mm256_set1_ps,
        _mm256_broadcastss_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        _mm256_div_ps,
        _mm256_fmadd_ps,
        _mm256_max_ps,
        _mm256_min_ps,
        maximum_256,
        rounded_256,
        scaled_256
    );
    vector!(
        __m512,
        16,
        load_512,
        store_512,
        load_first_512,
        store_first_512,
        _mm512_set1_ps,
        _mm512_broadcastss_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_mul_ps,
        _mm512_div_ps,
        _mm512_fmadd_ps,
        _mm512_max_ps,
        _mm512_min_ps,
        maximum_512,
        rounded_512,
        scaled_512
    );
}
