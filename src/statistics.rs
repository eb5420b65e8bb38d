//! Means, how far numbers lie from them, and whether a difference can be chance: Student's t tests.

/// A difference that is more probable than this by chance is put down to it.
pub(crate) const LEVEL: f64 = 0.05;

/// What a test says, on both sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Test {
    pub(crate) t: f64,
    pub(crate) p: f64,
}

/// Welch's test of whether two groups have one mean; `None` with less than two numbers in one, or where all numbers of each group
/// are the same, about which it says nothing.
pub(crate) fn welch(one: &[f64], other: &[f64]) -> Option<Test> {
    if one.len() < 2 || other.len() < 2 {
        return None;
    }
    // The variance of a group's mean.
    let spread = |values: &[f64]| deviation(values).powi(2) / values.len() as f64;
    let (a, b) = (spread(one), spread(other));
    if a + b <= 0.0 {
        return None;
    }
    let t = (mean(one) - mean(other)) / (a + b).sqrt();
    let share = |spread: f64, values: &[f64]| spread * spread / (values.len() - 1) as f64;
    let degrees = (a + b).powi(2) / (share(a, one) + share(b, other));
    Some(Test { t, p: two_sided(t, degrees) })
}

/// Whether the mean of these numbers is 0; `None` of less than two, or where all are the same.
pub(crate) fn paired(differences: &[f64]) -> Option<Test> {
    let (count, spread) = (differences.len() as f64, deviation(differences));
    (spread > 0.0).then(|| {
        let t = mean(differences) * count.sqrt() / spread;
        Test { t, p: two_sided(t, count - 1.0) }
    })
}

/// 0 of no values.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// By `n − 1`; 0 of a single value.
pub(crate) fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / values.len().saturating_sub(1).max(1) as f64).sqrt()
}

/// How probable a `t` as far from 0, or further, is by chance, by Student's distribution: the incomplete beta function
/// `I(ν / (ν + t²); ν / 2, ½)`.
fn two_sided(t: f64, degrees: f64) -> f64 {
    let square = t * t;
    let (x, y) = (degrees / (degrees + square), square / (degrees + square));
    let (a, b) = (degrees / 2.0, 0.5);
    let front = a * x.ln() + b * y.ln() + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b);
    match y {
        0.0 => 1.0,
        // The fraction converges on this side of the mean alone.
        _ if x < (a + 1.0) / (a + b + 2.0) => (front.exp() * fraction(x, a, b) / a).min(1.0),
        _ => (1.0 - front.exp() * fraction(y, b, a) / b).max(0.0),
    }
}

/// The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method.
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    const LEAST: f64 = 1e-300;
    let kept = |value: f64| if value.abs() < LEAST { LEAST } else { value };
    let (mut c, mut d) = (1.0, 1.0 / kept(1.0 - (a + b) * x / (a + 1.0)));
    let mut value = d;
    for m in 1..10_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = value;
        for term in [even, odd] {
            d = 1.0 / kept(1.0 + term * d);
            c = kept(1.0 + term / c);
            value *= c * d;
        }
        if (value - before).abs() <= 1e-16 * value.abs() {
            break;
        }
    }
    value
}

/// By Stirling's series, from where it is exact.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut below) = (x, 0.0);
    while x < 15.0 {
        below += x.ln();
        x += 1.0;
    }
    let square = x * x;
    let series =
        1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / (1680.0 * square)) / square) / square;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series / x - below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_known_distributions() {
        // One degree of freedom is Cauchy's distribution.
        for t in [0.1, 1.0, 7.5, 1e4] {
            let exact = 1.0 - 2.0 / std::f64::consts::PI * f64::atan(t);
            assert!((two_sided(t, 1.0) - exact).abs() < 1e-12, "{t}");
        }
        // Two degrees: 1 − t / √(2 + t²).
        let exact = 1.0 - 3.0 / 11f64.sqrt();
        assert!((two_sided(-3.0, 2.0) - exact).abs() < 1e-13);
        assert_eq!(two_sided(0.0, 9.0), 1.0);
        // scipy's.
        for (t, degrees, p) in [
            (0.3, 2.3, 0.7891619151218875),
            (1.7, 7.0, 0.1329288967825552),
            (4.0, 38.5, 0.0002780466773201528),
            (12.0, 900.0, 7.011534526748717e-31),
            (9.0, 1.5, 0.027658755205530988),
        ] {
            assert!((two_sided(t, degrees) / p - 1.0).abs() < 1e-9, "{t}, {degrees}");
        }
    }

    #[test]
    fn groups_without_spread_are_not_tested() {
        assert_eq!(welch(&[1.0, 1.0], &[0.0, 0.0, 0.0]), None);
        assert_eq!(welch(&[1.0], &[0.0, 0.5]), None);
        let same = welch(&[1.0, 2.0, 3.0], &[3.0, 1.0, 2.0]).expect("a test");
        assert_eq!((same.t, same.p), (0.0, 1.0));
        assert_eq!(paired(&[1.0, 1.0]), None);
        assert_eq!(paired(&[1.0]), None);
    }

    #[test]
    fn pairs_are_tested_by_their_differences() {
        // scipy's ttest_rel of [1, 2, 4, 3.5] and [0.5, 2.5, 2, 3].
        let test = paired(&[0.5, -0.5, 2.0, 0.5]).expect("a test");
        assert!(
            (test.t - 1.212678125181665).abs() < 1e-12
                && (test.p - 0.31203635673959246).abs() < 1e-12
        );
    }
}
