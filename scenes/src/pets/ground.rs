//! What an animal is on and in front of.

use rand::Rng;
use rand::rngs::StdRng;

use crate::colour::{Colour, mix, srgb};
use crate::noise::{Noise, ramp};
use crate::vector::Vector;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Grass,
    Planks,
    Carpet,
    Sofa,
    Plain,
}

pub(super) struct Ground {
    kind: Kind,
    floor: Colour,
    other: Colour,
    wall: Colour,
    far: Colour,
    /// Where the wall stands behind the animal.
    pub(super) depth: f32,
    noise: Noise,
}

impl Ground {
    pub(super) fn new(random: &mut StdRng) -> Ground {
        let kind = [Kind::Grass, Kind::Planks, Kind::Carpet, Kind::Sofa, Kind::Plain]
            [random.gen_range(0..5usize)];
        let mut pick = |colours: &[u32]| srgb(colours[random.gen_range(0..colours.len())]);
        let wall = pick(&[0xc9c2b4, 0x9fb0b8, 0xb9a58c, 0x8a8f7c, 0xd8d5cf, 0x6e7480, 0xa5846c]);
        let far = pick(&[0x8a6a4c, 0x5c6670, 0xb8b0a2, 0x7c4a3c, 0x3c4650]);
        let (floor, other) = match kind {
            Kind::Grass => (pick(&[0x5f7d35, 0x7a8a45, 0x4c6b2c]), srgb(0xa8b060)),
            Kind::Planks => (pick(&[0xa9794c, 0x8a5a36, 0xc29c70, 0x6b5344]), srgb(0x4a301e)),
            Kind::Carpet => (pick(&[0x9c8f80, 0x7c3f38, 0x4f5f78, 0xb8ac98]), srgb(0xd8d0c0)),
            Kind::Sofa => (pick(&[0x6c7f8c, 0xa08468, 0x8c4a44, 0x5c6a58, 0xb5b0a8]), srgb(0)),
            Kind::Plain => (wall, wall),
        };
        let (wall, far) = match kind {
            Kind::Grass => (pick(&[0x4c6a34, 0x6c8448, 0x3c5230]), pick(&[0x9cb07c, 0xb8c8c8])),
            Kind::Sofa => (floor, floor),
            Kind::Plain => (wall, wall),
            _ => (wall, far),
        };
        let depth = if kind == Kind::Sofa { 0.9 } else { random.gen_range(1.4f32..3.5) };
        Ground { kind, floor, other, wall, far, depth, noise: Noise::new(random) }
    }

    /// How much of the light a floor loses where something stands close above it.
    pub(super) fn floor(&self, p: Vector) -> Colour {
        let noise = |rate: f32| self.noise.at(rate * p.x, rate * p.z);
        let grain = match self.kind {
            Kind::Grass => {
                let blades = self.noise.at(34.0 * p.x + 2.0 * noise(4.0), 11.0 * p.z);
                let light = 0.5 + 0.3 * noise(3.0) + 0.55 * blades;
                return mix(self.floor.map(|v| 0.5 * v), self.other, 0.55 * light.clamp(0.0, 1.3));
            }
            Kind::Planks => {
                let row = (p.z / 0.28).floor();
                let gap = ((p.z / 0.28) - row - 0.5).abs() > 0.47;
                let tone = 0.2 * self.noise.at(row + 0.5, (p.x / 1.7 + 0.4 * row).floor() + 0.5);
                let fibre = 0.22 * self.noise.at(3.0 * p.x, 40.0 * p.z);
                if gap { -0.55 } else { tone + fibre }
            }
            Kind::Carpet => {
                let worn = 0.5 + 0.5 * noise(1.6);
                let tuft = 0.3 * noise(70.0) + 0.12 * noise(6.0);
                return mix(self.floor, self.other, 0.2 * worn).map(|v| v * (1.0 + tuft));
            }
            Kind::Sofa => 0.12 * noise(60.0) + 0.12 * noise(3.0),
            Kind::Plain => 0.05 * noise(1.0),
        };
        self.floor.map(|v| v * (1.0 + grain))
    }

    /// The wall at a height and a place along it, out of focus.
    pub(super) fn wall(&self, along: f32, height: f32) -> Colour {
        let noise = |rate: f32| self.noise.at(rate * along + 31.0, rate * height + 7.0);
        match self.kind {
            Kind::Grass => {
                let leaves = 0.5 + 0.5 * (noise(1.3) + 0.5 * noise(3.1));
                mix(self.wall.map(|v| 0.6 * v), self.far, leaves.clamp(0.0, 1.0) * 0.8)
            }
            Kind::Sofa => {
                let seam = ((along / 1.3 - (along / 1.3).floor()) - 0.5).abs();
                let puff = 1.0 - 0.6 * ramp(0.42, 0.5, seam) - 0.5 * ramp(0.12, 0.0, height);
                self.wall.map(|v| v * puff * (1.0 + 0.1 * noise(3.0)))
            }
            Kind::Plain => self.wall.map(|v| v * (1.0 + 0.08 * noise(0.8))),
            _ => {
                // Furniture far behind: soft blocks of another colour.
                let block = ramp(0.12, 0.2, self.noise.at(along.div_euclid(0.9) + 0.5, 3.5))
                    * ramp(1.15, 1.1, height);
                let skirting = if height < 0.14 { 1.25 } else { 1.0 };
                mix(self.wall, self.far, 0.8 * block)
                    .map(|v| v * skirting * (1.0 + 0.06 * noise(1.5)))
            }
        }
    }
}
