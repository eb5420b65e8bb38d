//! The sky: blue with some clouds, or cloud all over.

use rand::Rng;
use rand::rngs::StdRng;

use super::Weather;
use super::canvas::{Canvas, Thing};
use super::lens::Lens;
use crate::colour::{Colour, mix, srgb};
use crate::noise::{Noise, ramp};

pub(super) struct Sky {
    weather: Weather,
    noise: Noise,
    zenith: Colour,
    horizon: Colour,
    /// How much of it clouds cover, and where they begin and end.
    clouds: f32,
}

impl Sky {
    pub(super) fn new(random: &mut StdRng, weather: Weather) -> Sky {
        let (zenith, horizon, clouds) = match weather {
            Weather::Sunny => {
                let deep = [0x2f62b0, 0x3f74bd, 0x4a80c8][random.gen_range(0..3usize)];
                (srgb(deep), srgb(0xb4cfe8), random.gen_range(-0.25f32..0.35))
            }
            Weather::Overcast => {
                let tone = random.gen_range(0.85f32..1.05);
                (
                    srgb(0xb9bec4).map(|v| 1.7 * v * tone),
                    srgb(0xdfe2e4).map(|v| 1.7 * v * tone),
                    1.0,
                )
            }
        };
        Sky { weather, noise: Noise::new(random), zenith, horizon, clouds }
    }

    /// Several sizes of noise together, within -1 and 1.
    fn heap(&self, x: f32, y: f32) -> f32 {
        let (mut sum, mut rate, mut share) = (0.0, 1.0, 0.5);
        for octave in 0..5 {
            let off = 17.0 * octave as f32;
            sum += share * self.noise.at(rate * x + off, rate * y - off);
            rate *= 2.1;
            share *= 0.52;
        }
        sum * 1.5
    }

    /// Above the horizon; what lies below is painted over.
    pub(super) fn paint(&self, canvas: &mut Canvas, lens: &Lens) {
        canvas.fill(Thing::Sky, |x, y| {
            let [right, up] = lens.ray(x, y);
            (up > -0.1).then(|| self.colour(right, up.max(0.0)))
        });
    }

    fn colour(&self, right: f32, up: f32) -> Colour {
        let clear = mix(self.horizon, self.zenith, ramp(0.0, 0.75, up.sqrt()));
        // Clouds hang in a plane above: they get smaller and closer towards the horizon.
        let away = 1.0 / (up + 0.16);
        let (x, y) = (1.1 * right * away, 1.5 * away);
        match self.weather {
            Weather::Sunny => {
                let here = self.heap(x, y);
                let cover = ramp(0.12 - self.clouds, 0.55 - self.clouds, here);
                let below = self.heap(x + 0.06, y + 0.14);
                let bright = 0.86 + 0.35 * (here - below).clamp(-0.5, 0.4);
                let cloud = [0.98, 0.98, 1.0].map(|v| v * bright);
                let near = mix(cloud, self.horizon, 0.5 * ramp(0.22, 0.0, up));
                mix(clear, near, 0.94 * cover)
            }
            Weather::Overcast => {
                let tone = 1.0 + 0.2 * self.heap(0.7 * x, y) * ramp(-0.05, 0.35, up);
                clear.map(|v| v * tone)
            }
        }
    }
}
