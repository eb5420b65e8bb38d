//! The ground: grass, litter and bare earth, and the blades that stand up from it.

use rand::Rng;
use rand::rngs::StdRng;

use super::canvas::{Canvas, Thing};
use super::lens::Lens;
use super::light::{Light, Shade};
use crate::colour::{Colour, mix, srgb};
use crate::noise::{Noise, ramp};
use crate::vector::{Vector, at};

const UP: Vector = at(0.0, 1.0, 0.0);

pub(super) struct Ground {
    noise: Noise,
    grass: Colour,
    dry: Colour,
    litter: Colour,
    earth: Colour,
    /// How far the grass gets, -1 to 1, and how long it is in metres.
    lush: f32,
    blade: f32,
}

impl Ground {
    pub(super) fn new(random: &mut StdRng) -> Ground {
        let mut pick = |colours: &[u32]| srgb(colours[random.gen_range(0..colours.len())]);
        let grass = pick(&[0x66772f, 0x596f2c, 0x74803a, 0x4f6a30, 0x6f7635]);
        let dry = pick(&[0xa3935c, 0x98905a, 0xb09c68, 0x86854c]);
        let litter = pick(&[0x6d5638, 0x5c4a33, 0x7a6142]);
        let earth = pick(&[0x8a7352, 0x755f45, 0x9a8462]);
        Ground {
            grass,
            dry,
            litter,
            earth,
            lush: random.gen_range(-0.25f32..0.7),
            blade: random.gen_range(0.12f32..0.42),
            noise: Noise::new(random),
        }
    }

    /// Noise of a size in metres, gone where a pixel is wider.
    fn grain(&self, x: f32, z: f32, size: f32, pixel: f32) -> f32 {
        let seen = ramp(0.45 * size, 0.15 * size, pixel);
        if seen <= 0.0 { 0.0 } else { seen * self.noise.at(x / size, z / size) }
    }

    /// How grassy a place is, and its own colour.
    fn own(&self, x: f32, z: f32, pixel: f32) -> (f32, Colour) {
        let large = self.noise.at(x / 9.0 + 50.0, z / 9.0);
        let middle = self.grain(x + 9.0, z, 2.2, pixel);
        let small = self.grain(x, z + 5.0, 0.55, pixel);
        let grassy = ramp(-0.45, 0.35, self.lush + 0.8 * large + 0.45 * middle + 0.25 * small);
        let worn = ramp(-0.1, 0.5, self.noise.at(x / 5.0, z / 6.0 + 90.0) + 0.4 * small);
        let green = mix(
            self.grass,
            self.dry,
            0.7 * ramp(0.1, 0.8, 0.6 * middle + 0.5 * small + 0.3 * large),
        );
        let own = mix(mix(self.litter, self.earth, worn), green, grassy);
        let fine = self.grain(x, z, 0.17, pixel) + 0.8 * self.grain(x, z, 0.06, pixel);
        let rough = 1.0 + 0.32 * fine + 0.2 * small + 0.12 * middle;
        (grassy, own.map(|v| v * rough.max(0.2)))
    }

    /// Everything below the horizon.
    pub(super) fn paint(&self, canvas: &mut Canvas, lens: &Lens, light: &Light, shade: &Shade) {
        canvas.fill(Thing::Ground, |x, y| {
            let [right, up] = lens.ray(x, y);
            (up < -1e-3).then(|| {
                let z = lens.height / -up;
                // A pixel is long and narrow on the ground: its noise goes by both.
                let pixel = (z / lens.focal) * (z / lens.height).sqrt();
                light.through_air(self.lit(right * z, z, pixel, light, shade), z)
            })
        });
    }

    fn lit(&self, x: f32, z: f32, pixel: f32, light: &Light, shade: &Shade) -> Colour {
        let (_, own) = self.own(x, z, pixel);
        let (lit, open) = shade.at(x, z);
        // Small bumps that face the sun or turn away from it.
        let slope = |size: f32| {
            let step = 0.3 * size;
            let here = self.grain(x, z, size, pixel);
            [
                self.grain(x + step, z, size, pixel) - here,
                self.grain(x, z + step, size, pixel) - here,
            ]
        };
        let ([a, b], [c, d]) = (slope(0.7), slope(0.22));
        let normal = at(-0.55 * a - 0.5 * c, 1.0, -0.55 * b - 0.5 * d).unit();
        light.on(own, normal, 0.35 + 0.65 * open, lit)
    }

    /// Blades of grass between two depths, the further ones first.
    pub(super) fn blades(
        &self,
        canvas: &mut Canvas,
        (near, far): (f32, f32),
        random: &mut StdRng,
        (lens, light, shade): (&Lens, &Light, &Shade),
    ) {
        let area = 2.0 * lens.half_width(0.5 * (near + far)) * (far - near);
        let dense = 34.0 * ramp(26.0, 6.0, near) + 5.0;
        let count = (area * dense).min(900.0) as usize;
        let mut roots: Vec<[f32; 2]> = (0..count)
            .map(|_| {
                let z = random.gen_range(near..far);
                let half = lens.half_width(z) + 0.3;
                [random.gen_range(-half..half), z]
            })
            .collect();
        roots.sort_by(|a, b| b[1].total_cmp(&a[1]));
        for [x, z] in roots {
            let (grassy, own) = self.own(x, z, 0.1);
            let long = self.blade * random.gen_range(0.5f32..1.3) * (0.25 + 0.75 * grassy);
            if random.gen_range(0f32..1.0) > 0.2 + grassy {
                continue;
            }
            let lean = [random.gen_range(-0.6f32..0.6), random.gen_range(-0.4f32..0.4)];
            let root = at(x, 0.0, z);
            let middle = root + at(0.35 * lean[0], 0.6, 0.35 * lean[1]) * long;
            let tip = root + at(lean[0], 1.0 - 0.3 * lean[0].abs(), lean[1]) * long;
            let (lit, open) = shade.at(x, z);
            let dry = random.gen_range(0f32..1.0);
            let own = mix(own, mix(self.grass, self.dry, dry), 0.6);
            let tone = random.gen_range(0.55f32..1.35);
            // A blade takes light from all sides, and lets some through.
            let side = UP * 0.8 + light.to_sun * 0.4;
            let colour = light.on(own.map(|v| v * tone), side.unit(), 0.3 + 0.7 * open, lit);
            let colour = light.through_air(colour, z);
            let dark = colour.map(|v| 0.62 * v);
            let [(a, scale), (b, _), (c, _)] = [root, middle, tip].map(|p| lens.seen(p));
            let wide = (0.013 * scale).clamp(0.7, 3.5);
            canvas.stroke([a, b], [wide, 0.8 * wide], dark, Thing::Ground);
            canvas.stroke([b, c], [0.8 * wide, 0.3 * wide], colour, Thing::Ground);
        }
    }
}
