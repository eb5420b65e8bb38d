//! Points that lie evenly in many dimensions.

/// The first points of Halton's sequence, `[points][dimensions]` from 0 to 1: point `i` has in each dimension the digits of `i`, to
/// the base of one more prime number, mirrored at the point. As scipy's `qmc.Halton` without scrambling, from 0 on.
pub(super) fn halton(dimensions: usize, points: usize) -> Vec<Vec<f64>> {
    let bases = primes(dimensions);
    (0..points).map(|i| bases.iter().map(|&base| mirrored(i, base)).collect()).collect()
}

fn mirrored(mut index: usize, base: usize) -> f64 {
    let (mut value, mut place) = (0.0, 1.0);
    while index > 0 {
        place /= base as f64;
        value += (index % base) as f64 * place;
        index /= base;
    }
    value
}

fn primes(count: usize) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::with_capacity(count);
    let mut next = 2;
    while found.len() < count {
        let small = found.iter().take_while(|prime| *prime * *prime <= next);
        if small.into_iter().all(|prime| next % prime != 0) {
            found.push(next);
        }
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_points_are_scipys() {
        let points = halton(3, 3);
        assert_eq!(points[..2], [vec![0.0; 3], vec![0.5, 1.0 / 3.0, 0.2]]);
        let close =
            points[2].iter().zip([0.25, 2.0 / 3.0, 0.4]).all(|(a, b)| (a - b).abs() < 1e-15);
        assert!(close, "{points:?}");
        assert_eq!(primes(8), [2, 3, 5, 7, 11, 13, 17, 19]);
    }
}
