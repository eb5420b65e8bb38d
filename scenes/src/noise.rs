//! Randomness with a place: waves along a line, and noise over a plane.

use std::f32::consts::TAU;

use rand::Rng;
use rand::rngs::StdRng;

/// A sum of waves along the section: smooth, and within -1 and 1.
pub(super) struct Waves {
    /// Amplitude, angular wave number, phase.
    terms: Vec<(f32, f32, f32)>,
}

impl Waves {
    /// Waves of so many periods in a section as wide as it is high, the short ones lower.
    pub(super) fn new(random: &mut StdRng, count: usize, least: f32, most: f32) -> Waves {
        let mut terms: Vec<(f32, f32, f32)> = (0..count)
            .map(|i| {
                let part = (i as f32 + random.gen_range(0.0f32..1.0)) / count as f32;
                let periods = least + (most - least) * part;
                (random.gen_range(0.4f32..1.0) / periods, TAU * periods, random.gen_range(0.0..TAU))
            })
            .collect();
        let sum: f32 = terms.iter().map(|term| term.0).sum();
        terms.iter_mut().for_each(|term| term.0 /= sum);
        Waves { terms }
    }

    pub(super) fn at(&self, x: f32) -> f32 {
        self.terms
            .iter()
            .map(|(amplitude, number, phase)| amplitude * (number * x + phase).sin())
            .sum()
    }
}

/// Noise over a plane, within -1 and 1, whose values at whole numbers are independent of each
/// other; between them it is smooth.
#[derive(Clone, Copy)]
pub(super) struct Noise {
    seed: u64,
}

impl Noise {
    pub(super) fn new(random: &mut StdRng) -> Noise {
        Noise { seed: random.gen_range(0..u64::MAX) }
    }

    /// The value at a point of the lattice: SplitMix64's finaliser.
    fn lattice(self, x: i32, y: i32) -> f32 {
        let place = u64::from(x as u32) | u64::from(y as u32) << 32;
        let mut hash = self.seed.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^= hash >> 31;
        (hash >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    }

    pub(super) fn at(self, x: f32, y: f32) -> f32 {
        let (left, top) = (x.floor(), y.floor());
        let ease = |v: f32| v * v * (3.0 - 2.0 * v);
        let (right, down) = (ease(x - left), ease(y - top));
        let (i, j) = (left as i32, top as i32);
        let row = |j: i32| {
            let (a, b) = (self.lattice(i, j), self.lattice(i.wrapping_add(1), j));
            a + right * (b - a)
        };
        let (above, below) = (row(j), row(j.wrapping_add(1)));
        above + down * (below - above)
    }

    /// Along a line of the plane.
    pub(super) fn along(self, x: f32) -> f32 {
        self.at(x, 0.5)
    }
}

/// A number with the standard normal distribution (Box and Muller).
pub(super) fn normal(random: &mut StdRng) -> f32 {
    let radius = (-2.0 * random.gen_range(f32::MIN_POSITIVE..1.0).ln()).sqrt();
    radius * (TAU * random.gen_range(0.0f32..1.0)).cos()
}

/// One side or the other.
pub(super) fn sign(random: &mut StdRng) -> f32 {
    if random.gen_range(0..2u32) == 0 { 1.0 } else { -1.0 }
}

/// From 0 at `from` to 1 at `to`, smoothly, and level beyond.
pub(super) fn ramp(from: f32, to: f32, x: f32) -> f32 {
    let v = ((x - from) / (to - from)).clamp(0.0, 1.0);
    v * v * (3.0 - 2.0 * v)
}
