//! The rock around the salt: packages of beds, dipping, folded, perhaps over an unconformity.

use rand::Rng;
use rand::rngs::StdRng;

use super::super::bedding::{at, layers};
use super::HEIGHT;
use crate::noise::{Noise, Waves, normal};

/// The beds of a tile. Places are in heights of the tile.
pub(super) struct Beds {
    layers: [Vec<f32>; 3],
    drift: [Noise; 2],
    /// The distance over which beds stay the same.
    continuity: f32,
    wobble: (Noise, f32),
    chaos: Noise,
    packages: Vec<Package>,
    young: Strata,
    /// Below an erosion surface.
    old: Option<(f32, Waves, Strata)>,
}

/// Beds of one character.
struct Package {
    /// Where it ends, along the beds.
    end: f32,
    contrast: f32,
    /// What is not layered, and its size along and down.
    chaos: f32,
    grain: (f32, f32),
}

/// How beds lie.
struct Strata {
    dip: f32,
    fold: Waves,
    height: f32,
    /// Where they are on the pile.
    from: f32,
}

impl Strata {
    fn new(random: &mut StdRng, dip: f32, height: f32, from: f32) -> Strata {
        Strata {
            dip: random.gen_range(-dip..dip),
            fold: Waves::new(random, 3, 0.4, 1.8),
            height: random.gen_range(0.1..1.0) * height,
            from,
        }
    }

    /// The place on the pile; what lies deeper is folded more.
    fn along(&self, x: f32, t: f32) -> f32 {
        let folded = self.height * (0.5 + 0.5 * t.clamp(-1.0, 2.0)) * self.fold.at(x);
        self.from + t + self.dip * (x - 0.5) + folded
    }
}

impl Beds {
    pub(super) fn new(random: &mut StdRng) -> Beds {
        let bed = random.gen_range(7.0f32..17.0);
        let layers = std::array::from_fn(|_| layers(random, bed));
        let drift = std::array::from_fn(|_| Noise::new(random));
        let continuity = 0.2 * random.gen_range(0.0f32..1.8).exp();
        let wobble = (Noise::new(random), 0.03 * random.gen_range(0.05f32..0.6).powi(2));
        let chaos = Noise::new(random);
        let mut packages = Vec::new();
        let mut end = -1.5;
        while end < PILE {
            end += random.gen_range(0.1f32..0.45);
            packages.push(Package::new(random, end));
        }
        let young = Strata::new(random, 0.3, 0.08, 0.0);
        let old = (random.gen_range(0..10u32) < 3).then(|| {
            let depth = random.gen_range(0.25f32..0.8);
            let relief = Waves::new(random, 4, 0.5, 4.0);
            (depth, relief, Strata::new(random, 0.6, 0.12, 3.5))
        });
        Beds { layers, drift, continuity, wobble, chaos, packages, young, old }
    }

    /// The impedance at a place, in that of the middle of the tile. `lift` is how much the salt has
    /// lifted the rock there, `seen` how much of its layering sound still carries up.
    pub(super) fn impedance(&self, x: f32, t: f32, lift: f32, seen: f32) -> f32 {
        let laid = t + lift;
        let strata = match &self.old {
            Some((depth, relief, old)) if laid > depth + 0.04 * relief.at(x) => old,
            _ => &self.young,
        };
        let (wobble, far) = &self.wobble;
        let s = strata.along(x, laid) + far * wobble.at(x * 5.0, laid * 11.0);
        let package = self.package(s);
        let layered: f32 =
            self.layers.iter().zip(self.weights(x)).map(|(l, w)| w * at(l, s * HEIGHT)).sum();
        let chaos = self.chaos.at(x / package.grain.0, laid / package.grain.1);
        let lost = 0.012 * (1.0 - seen);
        (1.0 + 0.12 * (t - 0.5))
            * (1.0 + seen * package.contrast * layered + (package.chaos + lost) * chaos)
    }

    fn package(&self, s: f32) -> &Package {
        let place = self.packages.partition_point(|package| package.end < s);
        // There is at least one, and the last goes on for ever.
        &self.packages[place.min(self.packages.len() - 1)]
    }

    /// Shares of the three piles of layers that alternate along the section; their squares add up to 1.
    fn weights(&self, x: f32) -> [f32; 3] {
        let [a, b] = self.drift.map(|drift| 0.7 * drift.along(x / self.continuity));
        let size = (1.0 + a * a + b * b).sqrt();
        [1.0 / size, a / size, b / size]
    }
}

/// The end of the pile of packages.
const PILE: f32 = 6.0;

impl Package {
    fn new(random: &mut StdRng, end: f32) -> Package {
        let strong = (0.045 * (0.4 * normal(random)).exp()).min(0.12);
        let grain = (random.gen_range(0.05f32..0.16), random.gen_range(0.015f32..0.04));
        let (contrast, chaos) = match random.gen_range(0..100u32) {
            // Shale, nearly nothing in it; a slump, without order; beds.
            0..9 => (0.009, 0.003),
            9..19 => (0.012, 0.05),
            _ => (strong, 0.006),
        };
        Package { end, contrast, chaos, grain }
    }
}
