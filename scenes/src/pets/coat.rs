//! Coats: which colour grows where. Colours are linear shares of reflected light.

use std::f32::consts::TAU;

use rand::Rng;
use rand::rngs::StdRng;

use super::Species;
use super::body::Animal;
use super::shape::{Hit, Part};
use crate::colour::{Colour, mix, srgb};
use crate::noise::{Noise, ramp};
use crate::vector::Vector;

#[derive(Clone, Copy, PartialEq)]
enum Pattern {
    Plain,
    Stripes,
    Spots,
    /// Large patches of the second colour.
    Patches,
    /// Dark face, ears, paws and tail.
    Points,
    /// A saddle of the second colour over back and sides.
    Saddle,
    /// Dark, with the first colour on muzzle, brows, chest and paws.
    Tan,
}

pub(super) struct Coat {
    pattern: Pattern,
    base: Colour,
    second: Colour,
    /// How far white reaches up from the paws and out from the muzzle, 0 to 1.
    white: f32,
    nose: Colour,
    pub(super) iris: Colour,
    /// The length of its hair on the trunk.
    pub(super) hair: f32,
    rate: f32,
    noise: Noise,
}

const WHITE: Colour = [0.8, 0.77, 0.72];

impl Coat {
    pub(super) fn new(random: &mut StdRng, species: Species) -> Coat {
        let white = random.gen_range(-0.6f32..1.0).max(0.0);
        let kind = random.gen_range(0..10u32);
        let (pattern, base, second, white) = match (species, kind) {
            (Species::Cat, 0..=2) => (Pattern::Stripes, 0x9a8468, 0x3a2c22, white),
            (Species::Cat, 3) => (Pattern::Stripes, 0x9b9a96, 0x35353a, white),
            (Species::Cat, 4 | 5) => (Pattern::Stripes, 0xd59a5c, 0x9c5626, white),
            (Species::Cat, 6) => (Pattern::Spots, 0xb99a6f, 0x40301f, 0.0),
            (Species::Cat, 7) => (Pattern::Points, 0xdccdb4, 0x3b2d27, 0.0),
            (Species::Cat, 8) => (Pattern::Patches, 0xe9e4da, 0x2b2728, 1.0),
            (Species::Cat, _) => (Pattern::Plain, 0x3a3a40, 0x2a2a2e, white),
            (Species::Dog, 0..=2) => (Pattern::Saddle, 0xb5793f, 0x2a2320, 0.9),
            (Species::Dog, 3 | 4) => (Pattern::Plain, 0xcf9f62, 0xb8844a, 0.0),
            (Species::Dog, 5) => (Pattern::Plain, 0x5a3a26, 0x4a2e1e, 0.0),
            (Species::Dog, 6 | 7) => (Pattern::Tan, 0xa86a35, 0x1e1b1b, 0.0),
            (Species::Dog, 8) => (Pattern::Patches, 0xe6e0d4, 0x6e4223, 1.0),
            (Species::Dog, _) => (Pattern::Plain, 0xdcc9a4, 0xc2a878, 0.0),
        };
        let tone = random.gen_range(0.8f32..1.2);
        let toned = |hex: u32| srgb(hex).map(|v| (v * tone).min(0.85));
        let iris = match species {
            Species::Cat if pattern == Pattern::Points => srgb(0x7fb2e0),
            Species::Cat => {
                [srgb(0xb9b84a), srgb(0x8fae4e), srgb(0xd2a23a)][random.gen_range(0..3usize)]
            }
            Species::Dog => [srgb(0x4a2a16), srgb(0x6b3f1c)][random.gen_range(0..2usize)],
        };
        let nose = match species {
            Species::Cat if white > 0.3 || pattern == Pattern::Stripes => srgb(0xb8685c),
            Species::Cat => srgb(0x4a3634),
            Species::Dog => srgb(0x1c1a1c),
        };
        let hair = match species {
            Species::Cat => random.gen_range(0.045f32..0.085),
            Species::Dog => random.gen_range(0.025f32..0.085),
        };
        let rate = random.gen_range(0.85f32..1.2);
        let (base, second, noise) = (toned(base), toned(second), Noise::new(random));
        Coat { pattern, base, second, white, nose, iris, hair, rate, noise }
    }

    /// Noise over a surface in space, within -1 and 1, so many lumps a unit.
    fn lumps(&self, p: Vector, rate: f32) -> f32 {
        let a = self.noise.at(rate * (p.x + 0.31 * p.z), rate * (p.y - 0.23 * p.z));
        let b = self.noise.at(rate * (p.z + 0.27 * p.x) + 57.0, rate * (p.y + 0.19 * p.x));
        0.7 * (a + b)
    }

    /// The colour at a point of the surface.
    pub(super) fn colour(&self, animal: &Animal, hit: &Hit) -> Colour {
        let limb = &animal.shape.limbs[hit.limb];
        let p = hit.place;
        let h = animal.head.frame.inside(p);
        let ahead = hit.normal.dot(animal.head.frame.ahead);
        match limb.part {
            Part::Nose => return self.nose,
            Part::Tongue => return srgb(0xc9666e),
            Part::Mouth => return srgb(0x2a1212),
            // Where a lid covers it.
            Part::Eye => return mix(self.base, [0.02; 3], 0.75),
            _ => {}
        }
        let on_head = matches!(limb.part, Part::Head | Part::Ear);
        let share = limb.share(p);
        let along = limb.begins + share * (limb.tip - limb.root).length();
        let wander = self.lumps(p, 5.0);
        let wave = |rate: f32, v: f32| (TAU * self.rate * rate * v + 1.6 * wander).sin();
        let second = match self.pattern {
            Pattern::Plain => 0.5 + 0.5 * self.lumps(p, 2.0),
            Pattern::Stripes if limb.part == Part::Ear => 0.35,
            Pattern::Stripes if on_head => {
                let brow =
                    ramp(0.3, 0.5, h.y) * ramp(0.0, 0.6, (TAU * 2.1 * h.x + 0.8 * wander).cos());
                let cheek = ramp(0.45, 0.6, h.x.abs()) * ramp(0.25, 0.1, h.y);
                brow.max(cheek * ramp(0.1, 0.7, wave(1.7, h.y - 0.35 * h.x.abs())))
            }
            Pattern::Stripes => {
                let rate = if limb.part == Part::Trunk { 6.5 } else { 8.0 };
                let back = ramp(-0.9, 0.3, hit.normal.y);
                ramp(0.0, 0.6, wave(rate, along)) * (0.35 + 0.65 * back)
            }
            Pattern::Spots if on_head => ramp(0.1, 0.4, self.lumps(p, 16.0)) * ramp(0.1, 0.4, h.y),
            Pattern::Spots => ramp(0.18, 0.34, self.lumps(p, 11.0)),
            Pattern::Patches if on_head => {
                // A dark cap over the eyes, open in the middle.
                let cap = ramp(-0.1, 0.06, h.y + 0.12 * wander) * ramp(0.06, 0.16, h.x.abs());
                if limb.part == Part::Ear { 1.0 } else { cap }
            }
            Pattern::Patches => ramp(0.12, 0.2, self.lumps(p, 2.6)),
            Pattern::Points => match limb.part {
                Part::Ear | Part::Tail | Part::Paw => 1.0,
                Part::Leg => ramp(0.3, 0.1, p.y),
                Part::Head => ramp(0.95, 0.35, (h - crate::vector::at(0.0, -0.25, 0.9)).length()),
                _ => 0.12 * ramp(0.0, 1.0, hit.normal.y),
            },
            Pattern::Saddle if on_head => 0.25 * ramp(0.4, 1.0, h.y),
            Pattern::Saddle => match limb.part {
                Part::Trunk => ramp(-0.25, 0.05, hit.normal.y + 0.3 * wander),
                Part::Tail => ramp(0.55, 0.35, along),
                Part::Leg => 0.8 * ramp(0.55, 0.68, p.y),
                _ => 0.0,
            },
            Pattern::Tan if on_head => {
                let muzzle = ramp(0.5, 0.75, h.z) * ramp(0.02, -0.12, h.y + 0.25 * ahead - 0.12);
                let brow = (h - crate::vector::at(h.x.signum() * 0.3, 0.42, 0.75)).length();
                1.0 - muzzle.max(ramp(0.2, 0.1, brow))
            }
            Pattern::Tan => match limb.part {
                Part::Paw => 0.0,
                Part::Leg => ramp(0.2, 0.34, p.y),
                Part::Trunk => 1.0 - ramp(0.7, 0.95, hit.normal.z) * ramp(0.14, 0.08, p.x.abs()),
                _ => 1.0,
            },
        };
        let mut colour = mix(self.base, self.second, second.clamp(0.0, 1.0));
        let white = self.white * self.whiteness(limb.part, h, hit, wander);
        colour = mix(colour, WHITE, white.clamp(0.0, 1.0));
        if self.pattern == Pattern::Stripes && limb.part == Part::Head {
            // Light around the mouth and the eyes.
            let pale = ramp(-0.25, -0.45, h.y) * ramp(0.4, 0.8, h.z);
            colour = mix(colour, WHITE, 0.6 * pale);
        }
        if limb.part == Part::Ear && animal.species == Species::Cat && ahead > 0.2 {
            let inner = ramp(0.2, 0.6, ahead) * ramp(0.95, 0.6, share);
            colour = mix(colour, srgb(0xc98a7c), 0.75 * inner);
        }
        self.features(animal, h, limb.part, colour).map(|v| v * (1.0 + 0.12 * self.lumps(p, 30.0)))
    }

    fn whiteness(&self, part: Part, h: Vector, hit: &Hit, wander: f32) -> f32 {
        match part {
            Part::Paw => 1.0,
            Part::Leg => ramp(0.42, 0.34, hit.place.y + 0.05 * wander),
            Part::Trunk => {
                let front = ramp(0.3, 0.6, hit.normal.z) * ramp(0.22, 0.12, hit.place.x.abs());
                front.max(ramp(-0.5, -0.75, hit.normal.y + 0.2 * wander))
            }
            Part::Head => {
                let blaze = ramp(0.16, 0.08, h.x.abs()) * ramp(0.8, 0.4, h.y) * ramp(0.3, 0.5, h.z);
                let muzzle = ramp(-0.1, -0.24, h.y + 0.06 * wander) * ramp(0.4, 0.65, h.z);
                blaze.max(muzzle)
            }
            Part::Tail => 0.0,
            _ => 0.0,
        }
    }

    /// Dark rims around the eyes, and the line of the mouth.
    fn features(&self, animal: &Animal, h: Vector, part: Part, colour: Colour) -> Colour {
        if part != Part::Head {
            return colour;
        }
        let head = &animal.head;
        let eye = head.eyes().iter().map(|eye| (h - *eye).length()).fold(f32::MAX, f32::min);
        let rim = ramp(1.28, 1.12, eye / head.eye_radius);
        let line = match animal.species {
            Species::Cat => {
                // Down from the nose, then to both sides.
                let stem = h.x.abs().max((h.y + 0.4).abs() - 0.1);
                let (dx, dy) = (h.x.abs() - 0.2, h.y + 0.42);
                let curve = if dy < 0.0 { (dx.hypot(dy) - 0.2).abs() } else { 1.0 };
                stem.min(curve)
            }
            Species::Dog => {
                let corner = h.y + 0.5 - 0.2 * (1.1 - h.z).max(-0.3);
                if h.z > 0.75 { corner.abs() } else { 1.0 }
            }
        };
        let line = if h.z > 0.6 { ramp(0.05, 0.02, line) } else { 0.0 };
        mix(colour, [0.02, 0.015, 0.012], 0.85 * rim.max(line))
    }
}
