//! Pixels that are painted over, from far to near, and what a camera makes of them.

use rand::Rng;
use rand::rngs::StdRng;

use crate::colour::{Colour, mix};
use crate::noise::normal;

/// What a pixel shows: the classes of the scene's mask, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thing {
    Tank,
    Sky,
    Trees,
    Ground,
}

/// Their colours in the mask.
pub(super) const COLOURS: [[u8; 3]; 4] =
    [[196, 50, 46], [150, 202, 240], [58, 122, 58], [198, 168, 118]];

/// Their names.
pub(super) const NAMES: [&str; 4] = ["tank", "sky", "trees", "ground"];

/// Pixels of the canvas to a pixel of the picture, along each side.
pub(super) const FINE: usize = 2;

/// Rows and columns, row by row.
pub(super) fn places(
    rows: impl Iterator<Item = usize>,
    columns: impl Iterator<Item = usize> + Clone,
) -> impl Iterator<Item = (usize, usize)> {
    rows.flat_map(move |row| columns.clone().map(move |column| (row, column)))
}

pub(super) struct Canvas {
    pub(super) side: usize,
    colours: Vec<Colour>,
    pub(super) things: Vec<Thing>,
}

impl Canvas {
    pub(super) fn new(side: usize) -> Canvas {
        Canvas { side, colours: vec![[0.0; 3]; side * side], things: vec![Thing::Sky; side * side] }
    }

    pub(super) fn put(&mut self, x: usize, y: usize, colour: Colour, thing: Thing) {
        if x < self.side && y < self.side {
            self.colours[y * self.side + x] = colour;
            self.things[y * self.side + x] = thing;
        }
    }

    /// Gives blocks of pixels that make one of the picture the colour of their middle: for what has
    /// no sharp edges.
    pub(super) fn fill(&mut self, thing: Thing, colour: impl Fn(f32, f32) -> Option<Colour>) {
        const HALF: f32 = 0.5 * FINE as f32;
        let first = || (0..self.side).step_by(FINE);
        for (y, x) in places(first(), first()) {
            if let Some(colour) = colour(x as f32 + HALF, y as f32 + HALF) {
                for (row, column) in places(y..y + FINE, x..x + FINE) {
                    self.put(column, row, colour, thing);
                }
            }
        }
    }

    fn cover(&mut self, x: usize, y: usize, colour: Colour, share: f32, thing: Thing) {
        let i = y * self.side + x;
        self.colours[i] = mix(self.colours[i], colour, share);
        if share > 0.5 {
            self.things[i] = thing;
        }
    }

    /// An ellipse with these half axes, the first turned so far from the horizontal.
    pub(super) fn splat(
        &mut self,
        [x, y]: [f32; 2],
        axes: [f32; 2],
        turn: f32,
        colour: Colour,
        thing: Thing,
    ) {
        let reach = axes[0].max(axes[1]) + 0.5;
        let (sin, cos) = turn.sin_cos();
        // How far out it reaches, in its own measure, and how many pixels one of that is.
        let least = axes[0].min(axes[1]);
        let far = (1.0 + 0.5 / least).powi(2);
        let Some((rows, columns)) = self.span([x - reach, y - reach], [x + reach, y + reach])
        else {
            return;
        };
        for j in rows {
            for i in columns.clone() {
                let (dx, dy) = (i as f32 + 0.5 - x, j as f32 + 0.5 - y);
                let (u, v) = ((cos * dx + sin * dy) / axes[0], (cos * dy - sin * dx) / axes[1]);
                let out = u * u + v * v;
                if out < far {
                    let inside = (1.0 - out.sqrt()) * least + 0.5;
                    self.cover(i, j, colour, inside.min(1.0), thing);
                }
            }
        }
    }

    /// A line that grows from the first width to the second.
    pub(super) fn stroke(
        &mut self,
        ends: [[f32; 2]; 2],
        widths: [f32; 2],
        colour: Colour,
        thing: Thing,
    ) {
        let [[ax, ay], [bx, by]] = ends;
        let reach = 0.5 * widths[0].max(widths[1]) + 0.5;
        let low = [ax.min(bx) - reach, ay.min(by) - reach];
        let high = [ax.max(bx) + reach, ay.max(by) + reach];
        let Some((rows, columns)) = self.span(low, high) else { return };
        let (dx, dy) = (bx - ax, by - ay);
        let square = (dx * dx + dy * dy).max(1e-6);
        for j in rows {
            for i in columns.clone() {
                let (px, py) = (i as f32 + 0.5 - ax, j as f32 + 0.5 - ay);
                let t = ((px * dx + py * dy) / square).clamp(0.0, 1.0);
                let half = 0.5 * (widths[0] + t * (widths[1] - widths[0]));
                let (u, v) = (px - t * dx, py - t * dy);
                let away = (u * u + v * v).sqrt();
                let share = (half + 0.5 - away).clamp(0.0, 1.0).min(2.0 * half);
                if share > 0.0 {
                    self.cover(i, j, colour, share, thing);
                }
            }
        }
    }

    /// The pixels between two corners, as rows and columns; none when they lie outside.
    fn span(
        &self,
        low: [f32; 2],
        high: [f32; 2],
    ) -> Option<(std::ops::Range<usize>, std::ops::Range<usize>)> {
        let side = self.side as f32;
        let outside = low.iter().any(|v| *v >= side) || high.iter().any(|v| *v <= 0.0);
        let range =
            |axis: usize| low[axis].floor().max(0.0) as usize..high[axis].ceil().min(side) as usize;
        (!outside).then(|| (range(1), range(0)))
    }

    /// What each pixel of the picture shows: what most of its pixels on the canvas do.
    pub(super) fn labels(&self) -> Vec<u8> {
        let side = self.side / FINE;
        let mut labels = Vec::with_capacity(side * side);
        for (y, x) in places(0..side, 0..side) {
            let mut counts = [0usize; NAMES.len()];
            for (j, i) in places(0..FINE, 0..FINE) {
                counts[self.things[(FINE * y + j) * self.side + FINE * x + i] as usize] += 1;
            }
            let most = (0..counts.len()).rev().max_by_key(|&thing| counts[thing]);
            labels.push(most.unwrap_or_default() as u8);
        }
        labels
    }

    /// Exposes, and adds what a camera adds: a little softness, darker corners, and noise.
    pub(super) fn develop(&self, random: &mut StdRng) -> Vec<u8> {
        let side = self.side / FINE;
        let mut light = vec![[0f32; 3]; side * side];
        for (i, out) in light.iter_mut().enumerate() {
            let (y, x) = (FINE * (i / side), FINE * (i % side));
            for (j, i) in places(0..FINE, 0..FINE) {
                let colour = self.colours[(y + j) * self.side + x + i];
                out.iter_mut().zip(colour).for_each(|(sum, v)| *sum += v / (FINE * FINE) as f32);
            }
        }
        let soft = random.gen_range(0.04f32..0.11);
        let light = softened(&light, side, soft);
        let mean = light.iter().flatten().sum::<f32>() / (3 * light.len()).max(1) as f32;
        let gain = random.gen_range(0.2f32..0.3) / mean.max(1e-3);
        let corners = random.gen_range(0f32..0.5);
        let noise = random.gen_range(0.003f32..0.009);
        let warmth = random.gen_range(-0.04f32..0.04);
        let balance = [1.0 + warmth, 1.0, 1.0 - warmth];
        let mut bytes = Vec::with_capacity(3 * light.len());
        for (i, colour) in light.iter().enumerate() {
            let part = |v: usize| (v as f32 + 0.5) / side as f32 - 0.5;
            let (x, y) = (part(i % side), part(i / side));
            let exposure = gain * (1.0 - corners * (x * x + y * y));
            let grain = noise * normal(random);
            bytes.extend((0..3).map(|c| {
                let v = (colour[c] * exposure * balance[c]).max(0.0);
                // A shoulder in place of clipped lights, and deeper shadows.
                let v = v * (1.0 + v / 2.2) / (1.0 + v);
                let level = (1.18 * v).powf(1.0 / 2.2) + grain + 0.5 * noise * normal(random);
                let level = level + 0.12 * (level - 0.45) * (1.0 - level).max(0.0);
                (255.0 * level).round().clamp(0.0, 255.0) as u8
            }));
        }
        bytes
    }
}

/// Each pixel with this share of each of its neighbours.
fn softened(light: &[Colour], side: usize, share: f32) -> Vec<Colour> {
    let mut soft = Vec::with_capacity(light.len());
    for (i, own) in light.iter().enumerate() {
        let (y, x) = (i / side, i % side);
        let near = [
            light[y.saturating_sub(1) * side + x],
            light[(y + 1).min(side - 1) * side + x],
            light[y * side + x.saturating_sub(1)],
            light[y * side + (x + 1).min(side - 1)],
        ];
        soft.push(std::array::from_fn(|c| {
            (1.0 - 4.0 * share) * own[c] + share * near.iter().map(|v| v[c]).sum::<f32>()
        }));
    }
    soft
}
