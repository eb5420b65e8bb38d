//! The beds within each facies, as acoustic impedance.

use rand::Rng;
use rand::rngs::StdRng;

use super::geology::{CARBONIFEROUS, Column, NORTH_SEA, ZECHSTEIN};
use crate::noise::{Noise, normal};

/// How a facies looks from inside.
struct Texture {
    /// Impedance in the middle, in 10⁶ kg/(m² s), and its relative change from top to base.
    impedance: f32,
    gradient: f32,
    /// The usual thickness of beds in ms, and how much their impedance deviates.
    bed: f32,
    contrast: f32,
    /// How far along the section beds stay the same, in its height, and how little of them does.
    continuity: f32,
    change: f32,
    /// How far beds are out of parallel, in ms.
    wobble: f32,
    /// What is not layered: its share of the impedance, and its size along and down.
    chaos: f32,
    grain: (f32, f32),
}

const TEXTURES: [Texture; 10] = [
    // Sea bottom: hard and soft sheets that ring.
    Texture {
        impedance: 2.15,
        gradient: 0.1,
        bed: 9.0,
        contrast: 0.06,
        continuity: 1.0,
        change: 0.2,
        wobble: 1.0,
        chaos: 0.01,
        grain: (0.05, 0.01),
    },
    // North Sea: long, thin, even beds.
    Texture {
        impedance: 3.1,
        gradient: 0.3,
        bed: 9.0,
        contrast: 0.036,
        continuity: 0.45,
        change: 0.7,
        wobble: 2.0,
        chaos: 0.003,
        grain: (0.05, 0.01),
    },
    // Chalk: strong and parallel.
    Texture {
        impedance: 4.3,
        gradient: 0.15,
        bed: 15.0,
        contrast: 0.075,
        continuity: 1.2,
        change: 0.25,
        wobble: 1.0,
        chaos: 0.005,
        grain: (0.05, 0.01),
    },
    // Rijnland: thin, weak, even.
    Texture {
        impedance: 3.95,
        gradient: 0.05,
        bed: 6.0,
        contrast: 0.026,
        continuity: 0.6,
        change: 0.4,
        wobble: 1.0,
        chaos: 0.003,
        grain: (0.05, 0.01),
    },
    // Schieland-Scruff-Niedersachsen: channels and sheets that soon end.
    Texture {
        impedance: 4.15,
        gradient: 0.0,
        bed: 10.0,
        contrast: 0.075,
        continuity: 0.06,
        change: 2.0,
        wobble: 9.0,
        chaos: 0.05,
        grain: (0.035, 0.009),
    },
    // Altena: shale, nearly nothing in it.
    Texture {
        impedance: 3.95,
        gradient: 0.08,
        bed: 22.0,
        contrast: 0.009,
        continuity: 0.9,
        change: 0.3,
        wobble: 2.0,
        chaos: 0.002,
        grain: (0.1, 0.02),
    },
    // Germanic Trias: thick even beds.
    Texture {
        impedance: 4.6,
        gradient: 0.08,
        bed: 27.0,
        contrast: 0.06,
        continuity: 0.8,
        change: 0.4,
        wobble: 2.0,
        chaos: 0.004,
        grain: (0.05, 0.01),
    },
    // Zechstein: salt, with scraps of anhydrite.
    Texture {
        impedance: 5.1,
        gradient: 0.0,
        bed: 30.0,
        contrast: 0.0,
        continuity: 0.2,
        change: 1.0,
        wobble: 0.0,
        chaos: 0.018,
        grain: (0.03, 0.012),
    },
    // Rotliegend: medium, a little uneven.
    Texture {
        impedance: 4.8,
        gradient: 0.05,
        bed: 12.0,
        contrast: 0.045,
        continuity: 0.25,
        change: 0.8,
        wobble: 4.0,
        chaos: 0.006,
        grain: (0.05, 0.01),
    },
    // Carboniferous: dim beds that dip below the unconformity.
    Texture {
        impedance: 5.1,
        gradient: 0.1,
        bed: 14.0,
        contrast: 0.036,
        continuity: 0.2,
        change: 1.0,
        wobble: 7.0,
        chaos: 0.008,
        grain: (0.06, 0.012),
    },
];

/// Layers repeat after so many steps.
const LAYERS: usize = 4096;
/// Steps a millisecond.
const STEPS: f32 = 2.0;
/// Milliseconds in a section's height.
const MILLISECONDS: f32 = 1000.0 * super::SPAN as f32;

struct Facies {
    layers: [Vec<f32>; 3],
    drift: [Noise; 2],
    wobble: Noise,
    chaos: Noise,
    /// The thickness at which beds have their usual thickness, in ms.
    thickness: f32,
    impedance: f32,
}

/// The beds of all facies.
pub(super) struct Bedding {
    facies: Vec<Facies>,
    /// How the old basement's beds dip.
    dip: f32,
    old_waves: Noise,
    /// Where the deltas stand, and to which side they grow.
    delta: f32,
    growth: f32,
    stringer: f32,
}

/// Usual thicknesses in ms, for the beds that follow their boundaries.
const USUAL: [f32; 10] = [107.0, 540.0, 135.0, 98.0, 125.0, 143.0, 188.0, 150.0, 116.0, 540.0];

impl Bedding {
    /// What was laid down is the survey's, what became of it along this line the section's.
    pub(super) fn new(survey: &mut StdRng, random: &mut StdRng) -> Bedding {
        let facies = TEXTURES.iter().zip(USUAL).map(|(texture, thickness)| Facies {
            layers: std::array::from_fn(|_| layers(survey, texture.bed)),
            drift: std::array::from_fn(|_| Noise::new(random)),
            wobble: Noise::new(random),
            chaos: Noise::new(random),
            thickness,
            impedance: texture.impedance * survey.gen_range(0.97f32..1.03),
        });
        let facies = facies.collect();
        let sign = |random: &mut StdRng| if random.gen_range(0..2u32) == 0 { -1.0 } else { 1.0 };
        Bedding {
            facies,
            dip: sign(random) * random.gen_range(0.14f32..0.3),
            old_waves: Noise::new(random),
            delta: random.gen_range(0.0f32..1.0),
            growth: sign(random),
            stringer: random.gen_range(0.25f32..0.6),
        }
    }

    /// The beds on one vertical line.
    pub(super) fn column<'a>(&'a self, x: f32, column: &'a Column<'a>) -> Beds<'a> {
        let weights = std::array::from_fn(|k| {
            let (texture, facies) = (&TEXTURES[k], &self.facies[k]);
            let [a, b] =
                facies.drift.map(|drift| texture.change * drift.along(x / texture.continuity));
            let size = (1.0 + a * a + b * b).sqrt();
            [1.0 / size, a / size, b / size]
        });
        Beds { bedding: self, column, x, weights }
    }
}

/// The beds on a vertical line.
pub(super) struct Beds<'a> {
    bedding: &'a Bedding,
    column: &'a Column<'a>,
    x: f32,
    weights: [[f32; 3]; 10],
}

impl Beds<'_> {
    /// The impedance at a time, in a facies.
    pub(super) fn impedance(&mut self, k: usize, t: f32) -> f32 {
        let (texture, facies) = (&TEXTURES[k], &self.bedding.facies[k]);
        let (top, base) = (self.column.tops[k], self.column.tops[k + 1]);
        let u = (t - top) / (base - top).max(0.002);
        if k == 0 && u < 0.5 {
            return 1.5; // water
        }
        let wobble = texture.wobble * facies.wobble.at(self.x * 14.0, t * 30.0);
        let s = wobble
            + match k {
                NORTH_SEA => self.clinoform(u),
                CARBONIFEROUS => self.dipping(t),
                _ => u * facies.thickness,
            };
        let chaos = facies.chaos.at(self.x / texture.grain.0, t / texture.grain.1);
        let layered = match k {
            ZECHSTEIN => self.stringer(u, t),
            _ => texture.contrast * self.layer(k, s),
        };
        facies.impedance
            * (1.0 + texture.gradient * (u.clamp(0.0, 1.0) - 0.5))
            * (1.0 + layered + texture.chaos * chaos)
    }

    fn layer(&self, k: usize, s: f32) -> f32 {
        let layers = &self.bedding.facies[k].layers;
        layers.iter().zip(&self.weights[k]).map(|(layer, weight)| weight * at(layer, s)).sum()
    }

    /// Deltas: in the middle of the North Sea group, beds are sigmoids that grow to one side,
    /// `u = 1 / (1 + exp(-(x - x₀) / w))`, solved for the `x₀` that a point belongs to.
    fn clinoform(&self, u: f32) -> f32 {
        let even = u * self.bedding.facies[NORTH_SEA].thickness;
        let (from, to) = (0.34 + 0.2 * self.bedding.delta, 0.62 + 0.2 * self.bedding.delta);
        if u <= from || u >= to {
            return even;
        }
        let v = ((u - from) / (to - from)).clamp(0.03, 0.97);
        let front = self.bedding.growth * self.x - 0.075 * (v / (1.0 - v)).ln();
        // Their own layers, a long way from the even ones.
        1000.0 - 420.0 * front
    }

    /// Beds that dip, a little folded.
    fn dipping(&self, t: f32) -> f32 {
        let folds = 0.02 * self.bedding.old_waves.along(self.x * 5.0);
        (t + self.bedding.dip * self.x + folds) * MILLISECONDS
    }

    /// A sheet of anhydrite that the flowing salt has folded and torn.
    fn stringer(&self, u: f32, t: f32) -> f32 {
        let salt = &self.bedding.facies[ZECHSTEIN];
        let folded = self.bedding.stringer
            + 0.2 * salt.wobble.along(self.x * 13.0)
            + 0.08 * salt.wobble.along(self.x * 41.0);
        let torn = salt.drift[0].at(self.x * 23.0, t * 5.0);
        if (u - folded).abs() < 0.035 && torn > 0.0 && u > 0.0 { 0.12 } else { 0.0 }
    }
}

/// The layer at so many ms.
pub(super) fn at(layers: &[f32], s: f32) -> f32 {
    // Negative coordinates wrap around as well.
    layers[(s * STEPS).floor() as i32 as usize % LAYERS]
}

/// Random layers: thicknesses scatter around the usual one, in ms, impedances are normal.
pub(super) fn layers(random: &mut StdRng, bed: f32) -> Vec<f32> {
    let mut steps = Vec::with_capacity(LAYERS);
    while steps.len() < LAYERS {
        let thickness = bed * (0.45 * normal(random)).exp() * STEPS;
        let value = normal(random).clamp(-2.5, 2.5);
        let end = (steps.len() + thickness.round().max(1.0) as usize).min(LAYERS);
        steps.resize(end, value);
    }
    steps
}
