//! Faults: where rock has slipped along an inclined plane.

use rand::Rng;
use rand::rngs::StdRng;

use super::geology::Diapir;

/// Of the throw, what the side above the plane has gone down; the other has risen by the rest.
const DOWN: f32 = 0.65;

/// A normal fault: a plane that cuts the section in a line, with the rock above it moved down.
/// Times and distances are in sections' heights.
pub(super) struct Fault {
    /// Where the plane is at time `middle`.
    x: f32,
    middle: f32,
    /// How far the plane goes sideways for each unit of time; its sign is the side it dips to.
    slope: f32,
    throw: f32,
    /// Beyond these times nothing has moved.
    top: f32,
    bottom: f32,
    /// The distance over which the movement fades.
    reach: f32,
}

impl Fault {
    /// The `index`-th of several: in the overburden, in the basement, or over the diapir's crest.
    pub(super) fn new(
        random: &mut StdRng,
        index: usize,
        aspect: f32,
        diapir: Option<&Diapir>,
    ) -> Fault {
        let sign = if random.gen_range(0..2u32) == 0 { -1.0 } else { 1.0 };
        let slope = sign * random.gen_range(0.12f32..0.34);
        let x = random.gen_range(0.04f32..0.96) * aspect;
        let size = random.gen_range(0.5f32..1.0);
        let depth = random.gen_range(0.0f32..1.0);
        let reach = random.gen_range(0.15f32..0.4);
        match (index % 3, diapir) {
            // In the basement, below the salt, which takes up the movement.
            (1, _) => {
                let throw = 0.05 * size;
                Fault { x, middle: 0.9, slope, throw, top: 0.76, bottom: 1.3, reach }
            }
            // Where the crest has stretched what lies over it.
            (2, Some(diapir)) => {
                let x = diapir.x + diapir.width * random.gen_range(-0.9f32..0.9);
                let bottom = diapir.crest + 0.03;
                let top = 0.04 + 0.3 * depth * diapir.crest;
                let middle = (top + bottom) / 2.0;
                Fault { x, middle, slope, throw: 0.02 * size, top, bottom, reach: 0.2 }
            }
            _ => {
                // Beside the diapir rather than through it.
                let x = match diapir {
                    Some(diapir) if (x - diapir.x).abs() < 2.2 * diapir.width => {
                        diapir.x + diapir.width * if x < diapir.x { -2.4 } else { 2.4 }
                    }
                    _ => x,
                };
                let top = 0.12 + 0.26 * depth;
                let throw = 0.052 * size;
                Fault { x, middle: 0.55, slope, throw, top, bottom: 0.86, reach }
            }
        }
    }

    /// One that cuts all of a small part of a section.
    pub(super) fn through(random: &mut StdRng, aspect: f32) -> Fault {
        let sign = if random.gen_range(0..2u32) == 0 { -1.0 } else { 1.0 };
        Fault {
            x: random.gen_range(0.0f32..1.0) * aspect,
            middle: 0.5,
            slope: sign * random.gen_range(0.2f32..0.7),
            throw: random.gen_range(0.015f32..0.07),
            top: random.gen_range(-1.0f32..0.2),
            bottom: random.gen_range(1.1f32..2.0),
            reach: random.gen_range(0.2f32..0.8),
        }
    }

    /// The time at which the rock now at `t` was before.
    pub(super) fn restored(&self, x: f32, t: f32) -> f32 {
        if t <= self.top || t >= self.bottom {
            return t;
        }
        let v = (t - self.top) / (self.bottom - self.top);
        let distance = (x - self.x - self.slope * (t - self.middle)) * self.slope.signum();
        let away = distance.abs() / self.reach;
        if away > 6.0 {
            return t;
        }
        let slip = self.throw * 4.0 * v * (1.0 - v) * (-away).exp();
        if distance > 0.0 { t - DOWN * slip } else { t + (1.0 - DOWN) * slip }
    }
}
