//! The weather: where light comes from, and how much of it gets to the ground.

use rand::Rng;
use rand::rngs::StdRng;

use super::Weather;
use crate::colour::{Colour, mix};
use crate::noise::sign;
use crate::vector::{Vector, at};

pub(super) struct Light {
    /// Towards the sun, of length 1.
    pub(super) to_sun: Vector,
    /// None under cloud.
    pub(super) sun: Colour,
    pub(super) sky: Colour,
    /// What the air adds with distance, and how much of it at a metre.
    haze: Colour,
    thickness: f32,
}

impl Light {
    pub(super) fn new(random: &mut StdRng, weather: Weather) -> Light {
        // From behind the camera's shoulder, or from the side.
        let around = sign(random) * random.gen_range(0.5f32..1.9);
        let lift = random.gen_range(0.5f32..1.0);
        let to_sun = at(around.sin() * lift.cos(), lift.sin(), -around.cos() * lift.cos());
        let warmth = random.gen_range(0.0f32..0.16);
        let strength = random.gen_range(1.7f32..2.2);
        match weather {
            Weather::Sunny => Light {
                to_sun,
                sun: [1.0 + 0.6 * warmth, 1.0, 0.96 - warmth].map(|v| strength * v),
                sky: [0.34, 0.42, 0.55],
                haze: [0.60, 0.71, 0.86],
                thickness: random.gen_range(0.0025f32..0.006),
            },
            Weather::Overcast => Light {
                to_sun,
                sun: [0.0; 3],
                sky: [0.94, 0.98, 1.02].map(|v| v * random.gen_range(0.98f32..1.02)),
                haze: [0.98, 1.0, 1.02],
                thickness: random.gen_range(0.003f32..0.009),
            },
        }
    }

    /// The light that a surface sends on: `open` is the share of the sky that it sees, `lit` the
    /// share of the sun.
    pub(super) fn on(&self, own: Colour, normal: Vector, open: f32, lit: f32) -> Colour {
        let facing = normal.dot(self.to_sun).max(0.0) * lit;
        let above = open * (0.62 + 0.38 * normal.y);
        std::array::from_fn(|c| own[c] * (self.sky[c] * above + self.sun[c] * facing))
    }

    /// A colour seen through so many metres of air.
    pub(super) fn through_air(&self, colour: Colour, metres: f32) -> Colour {
        mix(colour, self.haze, 1.0 - (-self.thickness * metres).exp())
    }
}

/// The side of a cell of the ground, and how far it reaches to both sides and ahead, in metres.
const CELL: f32 = 0.2;
const ASIDE: f32 = 36.0;
const AHEAD: f32 = 72.0;
const COLUMNS: usize = (2.0 * ASIDE / CELL) as usize;
const ROWS: usize = (AHEAD / CELL) as usize;

/// How much light falls on each place of the ground, from the sun and from the sky.
#[derive(Clone)]
pub(super) struct Shade {
    to_sun: Vector,
    sun: Vec<f32>,
    sky: Vec<f32>,
}

impl Shade {
    pub(super) fn new(light: &Light) -> Shade {
        Shade {
            to_sun: light.to_sun,
            sun: vec![1.0; COLUMNS * ROWS],
            sky: vec![1.0; COLUMNS * ROWS],
        }
    }

    /// Something of this radius hangs in the air here and lets so much light through.
    pub(super) fn add(&mut self, place: Vector, radius: f32, through: f32) {
        let away = place.y / self.to_sun.y.max(0.1);
        let foot = place - self.to_sun * away;
        spot(&mut self.sun, foot.x, foot.z, radius, through);
        // The sky comes from all sides: what hangs higher dims it less, and over a wider place.
        let wide = radius + 0.5 * place.y;
        let share = (radius / wide).powi(2);
        if wide < 2.5 {
            spot(&mut self.sky, place.x, place.z, wide, 1.0 - (1.0 - through) * share);
        }
    }

    /// The share of the sun and of the sky that get to a place of the ground.
    pub(super) fn at(&self, x: f32, z: f32) -> (f32, f32) {
        let (column, row) = ((x + ASIDE) / CELL - 0.5, z / CELL - 0.5);
        let inside = (0.0..(COLUMNS - 1) as f32).contains(&column)
            && (0.0..(ROWS - 1) as f32).contains(&row);
        if !inside {
            return (1.0, 1.0);
        }
        let (i, j) = (column as usize, row as usize);
        let (right, down) = (column.fract(), row.fract());
        let between = |grid: &[f32]| {
            let cell = |row: usize, column: usize| grid[row * COLUMNS + column];
            let (a, b) = (cell(j, i), cell(j, i + 1));
            let (c, d) = (cell(j + 1, i), cell(j + 1, i + 1));
            let (above, below) = (a + right * (b - a), c + right * (d - c));
            above + down * (below - above)
        };
        (between(&self.sun), between(&self.sky))
    }
}

/// Lets only this share of the light through to a round spot.
fn spot(grid: &mut [f32], x: f32, z: f32, radius: f32, through: f32) {
    let (column, row) = ((x + ASIDE) / CELL, z / CELL);
    let reach = radius / CELL;
    let span = |middle: f32, most: usize| {
        let low = (middle - reach).round().clamp(0.0, most as f32) as usize;
        let high = (middle + reach).round().clamp(0.0, most as f32) as usize;
        low..high.max(low + 1).min(most)
    };
    for j in span(row, ROWS) {
        for i in span(column, COLUMNS) {
            grid[j * COLUMNS + i] *= through;
        }
    }
}
