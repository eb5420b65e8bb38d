//! Colours, patterns and light. Colours are linear shares of reflected light.

use rand::Rng;
use rand::rngs::StdRng;

use super::obstacle::Obstacle;
use super::world::{Hit, Thing, World};
use crate::noise::Noise;

pub(super) type Colour = [f32; 3];

/// How everything in a scene looks, and what light falls on it.
pub(super) struct Paint {
    floor: Floor,
    marks: Vec<Mark>,
    wall: Material,
    /// A strip along the foot of the walls: its height, 0 for none, and its colour.
    skirting: (f32, Colour),
    beyond: [Colour; 2],
    obstacles: Vec<Material>,
    noise: Noise,
    /// Towards the lamp, of length 1.
    lamp: [f32; 3],
    lamp_light: Colour,
    ambient: Colour,
}

struct Material {
    colour: Colour,
    other: Colour,
    pattern: Pattern,
    /// How strong its grain is.
    grain: f32,
}

#[derive(Clone, Copy)]
enum Pattern {
    Plain,
    /// Rings of this height.
    Bands(f32),
    /// A band around it, from and to these heights.
    Label(f32, f32),
}

struct Floor {
    material: Material,
    kind: Ground,
    /// The direction of its pattern as cosine and sine, and the size of its pieces.
    cos: f32,
    sin: f32,
    size: f32,
}

#[derive(Clone, Copy)]
enum Ground {
    Plain,
    Tiles,
    Planks,
    Carpet,
}

/// A flat mark on the floor: tape, paper, a lid.
struct Mark {
    centre: [f32; 2],
    cos: f32,
    sin: f32,
    half: [f32; 2],
    round: bool,
    colour: Colour,
}

impl Paint {
    pub(super) fn new(random: &mut StdRng, obstacles: &[Obstacle]) -> Paint {
        let floor = Floor::new(random);
        let marks = match random.gen_range(0..5u32) {
            0 | 1 => (0..random.gen_range(1..4usize)).map(|_| Mark::new(random)).collect(),
            _ => Vec::new(),
        };
        let wall_colour = subdued(random, 0.25, 0.95);
        let wall = Material {
            colour: wall_colour,
            other: wall_colour,
            pattern: Pattern::Plain,
            grain: random.gen_range(0f32..0.06),
        };
        let skirting = match random.gen_range(0..3u32) {
            0 => (random.gen_range(3f32..9.0), subdued(random, 0.1, 1.0)),
            _ => (0.0, wall_colour),
        };
        let beyond = [subdued(random, 0.2, 0.9), subdued(random, 0.05, 0.9)];
        let floor_colour = floor.material.colour;
        let materials =
            obstacles.iter().map(|obstacle| Material::new(random, obstacle, floor_colour));
        let obstacles = materials.collect();
        let (azimuth, height) =
            (random.gen_range(0f32..std::f32::consts::TAU), random.gen_range(25f32..75.0));
        let (up, flat) = height.to_radians().sin_cos();
        let warmth = random.gen_range(-0.16f32..0.2);
        let tint = |light: f32| [light * (1.0 + warmth), light, light * (1.0 - warmth)];
        let share = random.gen_range(0.15f32..0.7);
        Paint {
            floor,
            marks,
            wall,
            skirting,
            beyond,
            obstacles,
            noise: Noise::new(random),
            lamp: [flat * azimuth.cos(), flat * azimuth.sin(), up],
            lamp_light: tint(1.6 * share),
            ambient: tint(1.0 - share).map(|light| light.max(0.05)),
        }
    }

    /// The light that comes from where a ray ends.
    pub(super) fn light(
        &self,
        world: &World,
        origin: [f32; 3],
        direction: [f32; 3],
        hit: &Hit,
    ) -> Colour {
        let point: [f32; 3] = std::array::from_fn(|i| origin[i] + hit.t * direction[i]);
        let (albedo, occluded) = match hit.thing {
            Thing::Floor => (self.floor_at(point, hit.t), shade_of_feet(world, point)),
            Thing::Wall(_) => {
                let (height, colour) = self.skirting;
                let material = &self.wall;
                if point[2] < height {
                    (colour, 1.0)
                } else {
                    (material.at(&self.noise, point), 1.0)
                }
            }
            Thing::Obstacle(index) => match self.obstacles.get(index) {
                Some(material) if hit.normal[2] > 0.5 => (material.other, 1.0),
                Some(material) => (material.at(&self.noise, point), 1.0),
                None => ([0.5; 3], 1.0),
            },
            Thing::Beyond => return self.far(direction),
        };
        // Light from above reaches level ground best; corners at the floor get less of it.
        let foot = if hit.normal[2] > 0.5 { 1.0 } else { 0.65 + 0.2 * (point[2] / 12.0).min(1.0) };
        let facing: f32 = (0..3).map(|i| hit.normal[i] * self.lamp[i]).sum();
        let lifted: [f32; 3] = std::array::from_fn(|i| point[i] + 0.05 * hit.normal[i]);
        let lit = if facing > 0.0 && !world.shaded(lifted, self.lamp) { facing } else { 0.0 };
        std::array::from_fn(|i| {
            albedo[i] * (self.ambient[i] * foot * occluded + self.lamp_light[i] * lit)
        })
    }

    fn floor_at(&self, point: [f32; 3], away: f32) -> Colour {
        let mark = self.marks.iter().find(|mark| mark.covers(point));
        match mark {
            Some(mark) => mark.colour,
            // What is finer than a pixel is grey: 48 pixels are as wide as the distance.
            None => self.floor.at(&self.noise, point, 48.0 / away.max(1.0)),
        }
    }

    /// A blurred room behind the arena.
    fn far(&self, direction: [f32; 3]) -> Colour {
        let round = direction[1].atan2(direction[0]);
        let up = direction[2] / direction[0].hypot(direction[1]);
        let t = 0.5 + 0.5 * self.noise.at(round * 5.0, up * 4.0 + 90.0);
        let brighter = 0.8 + 0.6 * up.clamp(0.0, 1.0);
        std::array::from_fn(|i| {
            let mixed = self.beyond[0][i] + t * (self.beyond[1][i] - self.beyond[0][i]);
            mixed * brighter * (self.ambient[i] + 0.4 * self.lamp_light[i])
        })
    }
}

/// Close to what stands on it, the floor is darker.
fn shade_of_feet(world: &World, point: [f32; 3]) -> f32 {
    let at = [point[0], point[1]];
    let near = world.obstacles.iter().filter(|obstacle| {
        let [x, y] = [0, 1].map(|i| obstacle.centre[i] - at[i]);
        x.abs().max(y.abs()) < obstacle.reach() + 10.0
    });
    near.map(|obstacle| 1.0 - 0.45 * (-obstacle.distance(at) / 2.5).exp()).product()
}

impl Material {
    fn new(random: &mut StdRng, obstacle: &Obstacle, floor: Colour) -> Material {
        let mut colour = match random.gen_range(0..8u32) {
            0..=3 => vivid(random),
            // Some are hard to tell from the floor.
            4 => floor.map(|v| (v * random.gen_range(0.75f32..1.3)).clamp(0.01, 0.95)),
            _ => subdued(random, 0.05, 0.98),
        };
        let mut other = if random.gen_range(0..2u32) == 0 {
            vivid(random)
        } else {
            colour.map(|v| (1.25 * v + 0.03).min(0.98))
        };
        let mut pattern = match random.gen_range(0..6u32) {
            0 => Pattern::Bands(random.gen_range(1.5f32..7.0)),
            1 => {
                let from = obstacle.height * random.gen_range(0.1f32..0.5);
                Pattern::Label(from, from + obstacle.height * random.gen_range(0.15f32..0.4))
            }
            _ => Pattern::Plain,
        };
        if let Some(given) = obstacle.colour {
            colour = given.map(linear);
            other = colour.map(|v| (1.2 * v + 0.02).min(1.0));
            pattern = Pattern::Plain;
        }
        Material { colour, other, pattern, grain: random.gen_range(0f32..0.14) }
    }

    fn at(&self, noise: &Noise, point: [f32; 3]) -> Colour {
        let [x, y, z] = point;
        let colour = match self.pattern {
            Pattern::Bands(height) if (z / height) as i32 % 2 == 1 => self.other,
            Pattern::Label(from, to) if (from..to).contains(&z) => self.other,
            _ => self.colour,
        };
        let grain = 1.0 + self.grain * noise.at(0.9 * x + 0.7 * y, z * 0.9 - 0.3 * x);
        colour.map(|v| v * grain)
    }
}

impl Floor {
    fn new(random: &mut StdRng) -> Floor {
        let (kind, size) = match random.gen_range(0..4u32) {
            0 => (Ground::Plain, 1.0),
            1 => (Ground::Tiles, random.gen_range(10f32..40.0)),
            2 => (Ground::Planks, random.gen_range(6f32..16.0)),
            _ => (Ground::Carpet, random.gen_range(0.5f32..2.5)),
        };
        let colour = match kind {
            Ground::Planks => {
                let light = random.gen_range(0.12f32..0.6);
                [light, light * random.gen_range(0.6f32..0.8), light * random.gen_range(0.3..0.6)]
            }
            _ => subdued(random, 0.08, 0.8),
        };
        let other = match random.gen_range(0..3u32) {
            0 => subdued(random, 0.08, 0.9),
            _ => colour.map(|v| v * random.gen_range(0.75f32..1.25)),
        };
        let (sin, cos) = random.gen_range(0f32..std::f32::consts::PI).sin_cos();
        let grain = random.gen_range(0.02f32..0.25);
        let material = Material { colour, other, pattern: Pattern::Plain, grain };
        Floor { material, kind, cos, sin, size }
    }

    /// The colour at a point, `resolution` pixels a cm.
    fn at(&self, noise: &Noise, [x, y, _]: [f32; 3], resolution: f32) -> Colour {
        let (u, v) = (self.cos * x + self.sin * y, self.cos * y - self.sin * x);
        let material = &self.material;
        let seen = |size: f32| (size * resolution).min(1.0);
        let (colour, grain) = match self.kind {
            Ground::Plain => (material.colour, 0.5 * noise.at(u / 9.0, v / 9.0)),
            Ground::Carpet => {
                (material.colour, 1.6 * seen(self.size) * noise.at(u / self.size, v / self.size))
            }
            Ground::Tiles => {
                let (i, j) = ((u / self.size).floor(), (v / self.size).floor());
                let joint = |v: f32, i: f32| (v / self.size - i - 0.5).abs() > 0.475;
                let even = (i + j).rem_euclid(2.0) < 0.5;
                let colour = if even { material.colour } else { material.other };
                let dark = if joint(u, i) || joint(v, j) { -0.5 * seen(2.0) } else { 0.0 };
                (colour, dark + 0.5 * noise.at(i + 0.5, j + 0.5))
            }
            Ground::Planks => {
                let row = (v / self.size).floor();
                let along = (u / (9.0 * self.size) + 0.37 * row).floor();
                let edge = (v / self.size - row - 0.5).abs() > 0.46;
                let dark = if edge { -0.5 * seen(1.5) } else { 0.0 };
                let fibre = 0.6 * seen(1.2) * noise.at(u / 7.0, v / 0.8);
                (material.colour, dark + fibre + 1.6 * noise.at(row + 0.5, along + 0.5))
            }
        };
        let grain = match grain {
            // Joints are as dark on a floor with little grain.
            dark if dark < -0.4 => 0.6,
            grain => 1.0 + material.grain * grain,
        };
        colour.map(|v| v * grain)
    }
}

impl Mark {
    fn new(random: &mut StdRng) -> Mark {
        let ahead = 8.0 + 140.0 * random.gen_range(0f32..1.0).powf(1.3);
        let left = random.gen_range(-0.8f32..0.8) * (10.0 + ahead);
        let (sin, cos) = random.gen_range(0f32..std::f32::consts::PI).sin_cos();
        let round = random.gen_range(0..3u32) == 0;
        let long = random.gen_range(4f32..40.0);
        let wide = if round { long } else { random.gen_range(1f32..20.0) };
        let light = random.gen_range(0..2u32) == 0;
        let colour = if light { vivid(random) } else { subdued(random, 0.03, 0.95) };
        let half = if round { [long.min(15.0) / 2.0; 2] } else { [long, wide / 2.0] };
        Mark { centre: [ahead, left], cos, sin, half, round, colour }
    }

    fn covers(&self, [x, y, _]: [f32; 3]) -> bool {
        let (x, y) = (x - self.centre[0], y - self.centre[1]);
        let (u, v) = (self.cos * x + self.sin * y, self.cos * y - self.sin * x);
        match self.round {
            true => u.hypot(v) < self.half[0],
            false => u.abs() < self.half[0] && v.abs() < self.half[1],
        }
    }
}

/// Greys, browns, creams: hardly a hue.
fn subdued(random: &mut StdRng, least: f32, most: f32) -> Colour {
    let light = linear((255.0 * random.gen_range(least..most)) as u8);
    let warmth = random.gen_range(-0.1f32..0.25);
    let green = random.gen_range(-0.06f32..0.06);
    [light * (1.0 + warmth), light * (1.0 + green), light * (1.0 - warmth)]
        .map(|v| v.clamp(0.01, 0.98))
}

/// A colour of any hue.
fn vivid(random: &mut StdRng) -> Colour {
    let hue = random.gen_range(0f32..6.0);
    let (strength, light) = (random.gen_range(0.55f32..1.0), random.gen_range(0.35f32..1.0));
    // Hue, saturation and value to sRGB: each channel's distance from its own hue.
    [0.0, 2.0, 4.0].map(|own: f32| {
        let away = (hue - own).abs();
        let share = (2.0 - away.min(6.0 - away)).clamp(0.0, 1.0);
        linear((255.0 * light * (1.0 - strength * (1.0 - share))) as u8).max(0.01)
    })
}

/// An sRGB level as a share of light, by the power 2.2.
fn linear(level: u8) -> f32 {
    (f32::from(level) / 255.0).powf(2.2)
}
