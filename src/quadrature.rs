//! Integrals as sums over points, by Gauss and Legendre.

/// The points in 0..1 and their weights, which sum to 1: the roots of the Legendre polynomial of this
/// degree, by Newton's method.
pub(crate) fn gauss_legendre(count: usize) -> Vec<(f64, f64)> {
    let degree = count as f64;
    let mut points: Vec<(f64, f64)> = (0..count)
        .map(|i| {
            // Tricomi's estimate; a few steps take it to the last digit.
            let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (degree + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..100 {
                let value;
                (value, slope) = legendre(count, x);
                let step = value / slope;
                x -= step;
                if step.abs() < 1e-15 {
                    break;
                }
            }
            (0.5 + 0.5 * x, 1.0 / ((1.0 - x * x) * slope * slope))
        })
        .collect();
    points.reverse();
    points
}

/// The Legendre polynomial and its derivative, by Bonnet's recursion.
fn legendre(degree: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for n in 1..degree {
        let n = n as f64;
        (before, value) = (value, ((2.0 * n + 1.0) * x * value - n * before) / (n + 1.0));
    }
    (value, degree as f64 * (x * value - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauss_and_legendre_integrate_polynomials_exactly() {
        for count in [1usize, 2, 3, 10, 50, 1000] {
            let points = gauss_legendre(count);
            for power in 0..(2 * count).min(40) {
                let sum: f64 = points.iter().map(|(x, w)| w * x.powi(power as i32)).sum();
                let exact = 1.0 / (power as f64 + 1.0);
                assert!((sum - exact).abs() < 1e-12, "{count} points, x^{power}: {sum}");
            }
            assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0), "in order");
        }
    }
}
