//! What follows a sum in the same pass over memory: a function of each value by itself.

use crate::simd::Vector;

/// A function of each value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum After {
    /// The value as it is.
    Nothing,
    /// The least and the greatest that a value may be; NaN stays NaN. A rectifier is from 0 to infinity.
    Between(f32, f32),
    /// `1 / (1 + exp(−x))`
    Sigmoid,
    /// `x / (1 + exp(−x))`
    Silu,
    /// `x · min(max(x + 3, 0), 6) / 6`
    HardSwish,
    /// `x / 2 · (1 + erf(x / √2))`
    Gelu,
}

impl After {
    /// Of a register of values.
    #[inline(always)]
    pub(crate) unsafe fn of<V: Vector>(self, x: V) -> V {
        unsafe {
            match self {
                After::Nothing => x,
                After::Between(least, most) => x.at_least(V::splat(least)).at_most(V::splat(most)),
                After::Sigmoid => V::splat(1.0).div(one_and_exp_of_minus(x)),
                After::Silu => x.div(one_and_exp_of_minus(x)),
                After::HardSwish => {
                    let sixth = x.add(V::splat(3.0)).at_least(V::splat(0.0)).at_most(V::splat(6.0));
                    x.mul(sixth).mul(V::splat(1.0 / 6.0))
                }
                After::Gelu => gelu(x),
            }
        }
    }
}

#[inline(always)]
unsafe fn one_and_exp_of_minus<V: Vector>(x: V) -> V {
    unsafe { V::splat(1.0).add(exp(V::splat(0.0).sub(x))) }
}

/// `exp(x)` to two units in the last place, of what is not below −87 or above 88; beyond them, as of these.
/// By `2^n · exp(r)` with `|r| ≤ ln 2 / 2` and Taylor's polynomial of the sixth degree.
#[inline(always)]
unsafe fn exp<V: Vector>(x: V) -> V {
    unsafe {
        let x = x.at_least(V::splat(-87.0)).at_most(V::splat(88.0));
        let n = x.mul(V::splat(std::f32::consts::LOG2_E)).rounded();
        // ln 2 in two parts, the first of few digits, so that its product with n is exact.
        let r = n.mul_add(V::splat(-0.693_359_4), x);
        let r = n.mul_add(V::splat(2.121_944_4e-4), r);
        let mut sum = V::splat(1.0 / 720.0);
        for term in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            sum = sum.mul_add(r, V::splat(term));
        }
        sum.times_two_to(n)
    }
}

/// With the error function by Abramowitz and Stegun 7.1.26, whose error is at most 1.5e-7: for `z = |x| / √2`,
/// `erfc(z) = (a₁t + … + a₅t⁵) · exp(−z²)` with `t = 1 / (1 + p·z)`.
#[inline(always)]
unsafe fn gelu<V: Vector>(x: V) -> V {
    unsafe {
        let (zero, one) = (V::splat(0.0), V::splat(1.0));
        let z = x.at_least(zero.sub(x)).mul(V::splat(std::f32::consts::FRAC_1_SQRT_2));
        let t = one.div(z.mul_add(V::splat(0.327_591_1), one));
        let mut sum = V::splat(1.061_405_4);
        for term in [-1.453_152_1, 1.421_413_8, -0.284_496_72, 0.254_829_6] {
            sum = sum.mul_add(t, V::splat(term));
        }
        let tail = sum.mul(t).mul(exp(zero.sub(z.mul(z)))).mul(V::splat(0.5));
        // Below 0 the tail itself is the share of x that stays, above it is the one that goes.
        let share = V::splat(0.0).sub(tail);
        let positive = x.at_least(zero);
        // x⁺ − |x| · tail, which has no difference of two large numbers on either side.
        x.at_least(zero.sub(x)).mul_add(share, positive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direct::Direct;
    use crate::testing::filled;
    use crate::windows::Windows;

    /// Each value by itself, through a product with 1.
    fn of(after: After, values: &[f32]) -> Option<Vec<f32>> {
        let weights = Direct::pack(&[1.0], None, 1, 1)?;
        let of = Direct {
            input: values,
            size: [1, values.len(), 1],
            scale: None,
            weights: &weights,
            channels: 1,
            windows: Windows::PIXELS,
            other: None,
            after,
        };
        filled(values.len(), |output| of.run(output, 1))
    }

    /// `erf` by its series, <https://dlmf.nist.gov/7.6.E2>, up to where it is 1 in double precision.
    fn erf(x: f64) -> f64 {
        let mut term = x;
        let mut sum = 0.0;
        for n in 0..200 {
            sum += term;
            term *= 2.0 * x * x / f64::from(2 * n + 3);
        }
        if x.abs() > 6.0 {
            x.signum()
        } else {
            2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp() * sum
        }
    }

    #[test]
    fn each_function_is_that_of_its_formula() {
        let values: Vec<f32> =
            (-12_000..12_000).map(|i| i as f32 / 1000.0).chain([-300.0, 300.0]).collect();
        type Formula = fn(f64) -> f64;
        let functions: [(After, Formula, f64); 6] = [
            (After::Nothing, |x| x, 0.0),
            (After::Between(-1.0, 6.0), |x| x.clamp(-1.0, 6.0), 0.0),
            (After::Sigmoid, |x| 1.0 / (1.0 + (-x).exp()), 2e-7),
            (After::Silu, |x| x / (1.0 + (-x).exp()), 2e-7),
            (After::HardSwish, |x| x * (x + 3.0).clamp(0.0, 6.0) / 6.0, 3e-7),
            // The formula's own error, times a value of at most 4 where it matters.
            (After::Gelu, |x| x / 2.0 * (1.0 + erf(x / 2f64.sqrt())), 5e-7),
        ];
        for (after, formula, tolerance) in functions {
            let Some(found) = of(after, &values) else {
                return println!("skipped: this processor has neither AVX2 nor AVX-512");
            };
            for (x, found) in values.iter().zip(found) {
                let expected = formula(f64::from(*x));
                let apart = (f64::from(found) - expected).abs() / expected.abs().max(1.0);
                assert!(apart <= tolerance, "{after:?} of {x}: {found}, expected {expected}");
            }
        }
    }
}
