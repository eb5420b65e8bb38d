//! Tiles of seismic sections, each with a body of salt or none, as the TGS salt challenge has them.

mod beds;
mod body;

use std::ops::RangeInclusive;

use convlens::mask::Classes;
use convlens::{Error, Result};
use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;

pub use body::SaltBody;

use super::faults::Fault;
use super::wave::{Wavelet, add_noise, normalize, smooth_sideways};
use crate::noise::{Noise, ramp};
use crate::section::Section;
use beds::Beds;
use body::Outline;

/// How much two-way time a tile spans, in milliseconds.
const HEIGHT: f32 = 512.0;

/// Steps of impedance a sample.
const FINE: usize = 4;

/// Keeps a tile's random numbers apart from a section's with the same seed.
const TILE: u64 = 0x5361_6c74;

/// A tile of a seismic section to be made, with a mask of what is salt and what is not. The same seed
/// makes the same tile; at another size it is the same place at another resolution.
///
/// It is to a [`Seismic`](super::Seismic) section what a tile of the [TGS salt identification
/// challenge](https://www.kaggle.com/c/tgs-salt-identification-challenge) is to a survey: half a
/// second of two-way time somewhere in the ground, large enough for one body and a few reflections.
///
/// 1. **Rock.** Packages of strong, weak or no beds, of any dip, folded, sometimes over an
///    unconformity, cut by up to three faults.
/// 2. **Salt**, in some 62 % of the tiles: a [`SaltBody`] whose outline is a smooth form (an ellipse on
///    a stem, a folded sheet with a tip) and noise of two sizes. Rock at a distance `d` from it is
///    lifted by `L exp(−d / R)`, so that beds arch over a crest and bend up at a flank. Salt is
///    hard, its top a strong reflection; inside there is a little chaos without beds. Where its
///    surface is steep the step of impedance is spread out, for sound from above hardly sees it;
///    what lies under salt keeps a part of its layering.
/// 3. **Waves** as in a section, with a wavelet of 14 to 26 Hz; uneven illumination and noise of
///    0.08 to 0.5 times the signal.
///
/// ```
/// use convlens_scenes::seismic::{SaltBody, Salt};
/// let tile = Salt::default().seed(7).body(SaltBody::Dome).section()?;
/// assert_eq!(tile.classes().and_then(|classes| classes.name(1)), Some("salt"));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Salt {
    seed: u64,
    height: usize,
    width: usize,
    body: Option<SaltBody>,
    noise: Option<f64>,
}

impl Default for Salt {
    /// Seed 0, 128 × 128; body and noise as the seed has it.
    fn default() -> Salt {
        Salt { seed: 0, height: 128, width: 128, body: None, noise: None }
    }
}

impl Salt {
    /// The shortest side, and the longest.
    const SIDES: RangeInclusive<usize> = 64..=1024;

    /// The place in the ground; 0 by default.
    pub fn seed(&self, seed: u64) -> Salt {
        Salt { seed, ..self.clone() }
    }

    /// Samples from top to bottom and traces from left to right, 64 to 1024; 128 each by default.
    /// The challenge's tiles have 101.
    pub fn size(&self, height: usize, width: usize) -> Salt {
        Salt { height, width, ..self.clone() }
    }

    /// Which body of salt is in the tile; by default the seed decides.
    pub fn body(&self, body: SaltBody) -> Salt {
        Salt { body: Some(body), ..self.clone() }
    }

    /// The standard deviation of the noise as a share of the signal's, 0 to 10; by default the seed
    /// decides.
    pub fn noise(&self, share: f64) -> Salt {
        Salt { noise: Some(share), ..self.clone() }
    }

    /// Makes it: amplitudes of mean 0 and standard deviation 1, with the classes "not salt" and
    /// "salt" as labels.
    ///
    /// # Errors
    /// Sides and noise out of their ranges.
    pub fn section(&self) -> Result<Section> {
        self.check()?;
        let (height, width) = (self.height, self.width);
        let mut random = StdRng::seed_from_u64(self.seed ^ TILE);
        let frequency = random.gen_range(14.0f64..26.0);
        let drawn = 0.08 * random.gen_range(0.0f64..1.83).exp();
        let noise = self.noise.unwrap_or(drawn);
        let place = Place::new(&mut random, self.body, width as f32 / height as f32);

        let step = f64::from(HEIGHT) / 1000.0 / height as f64; // seconds a sample
        let wavelet = Wavelet::new(frequency, step / FINE as f64, FINE);
        let mut labels = vec![0u8; height * width];
        let mut amplitudes = vec![0f32; height * width];
        let mut impedance = vec![0f32; height * FINE];
        let mut trace = vec![0f32; height];
        for x in 0..width {
            let across = (x as f32 + 0.5) / height as f32;
            let mut covered = 0.0;
            for (i, value) in impedance.iter_mut().enumerate() {
                let t = (i as f32 + 0.5) / (height * FINE) as f32;
                let (rock, salty) = place.impedance(across, t, covered);
                *value = rock;
                if salty {
                    covered += 1.0 / (height * FINE) as f32;
                }
                if i % FINE == FINE / 2 {
                    labels[i / FINE * width + x] = u8::from(salty);
                }
            }
            wavelet.trace(&impedance, &mut trace);
            for (y, (row, &value)) in amplitudes.chunks_exact_mut(width).zip(&trace).enumerate() {
                row[x] = value * place.lit(across, y as f32 / height as f32);
            }
        }
        smooth_sideways(&mut amplitudes, width);
        normalize(&mut amplitudes);
        add_noise(&mut random, &mut amplitudes, width, noise, frequency, step);
        normalize(&mut amplitudes);
        let title = format!("salt tile {}", self.seed);
        let section = Section::new(height, width, amplitudes)?.titled(&title);
        section.with_labels(labels, &Classes::named(["not salt", "salt"])?)
    }

    fn check(&self) -> Result<()> {
        if !Self::SIDES.contains(&self.height) || !Self::SIDES.contains(&self.width) {
            return Err(Error::Argument(format!(
                "a tile has sides of {} to {} samples, not {} × {}",
                Self::SIDES.start(),
                Self::SIDES.end(),
                self.height,
                self.width
            )));
        }
        match self.noise {
            Some(noise) if !(0.0..=10.0).contains(&noise) => Err(Error::Argument(format!(
                "the noise is a share of the signal, 0 to 10, not {noise}"
            ))),
            _ => Ok(()),
        }
    }
}

/// What is in a tile. Places are in its heights.
struct Place {
    beds: Beds,
    faults: Vec<Fault>,
    salt: Option<Outline>,
    /// The salt's impedance, in that of the rock in the middle, and how uneven it is.
    hard: f32,
    chaos: (Noise, f32, f32),
    /// How far the salt has lifted the rock that touches it, and how far from it that fades.
    lift: f32,
    reach: f32,
    /// How much of the layering is left under thick salt.
    shadow: f32,
    light: Noise,
}

impl Place {
    fn new(random: &mut StdRng, body: Option<SaltBody>, aspect: f32) -> Place {
        let beds = Beds::new(random);
        let faults = random.gen_range(0..=3usize);
        let faults = (0..faults).map(|_| Fault::through(random, aspect)).collect();
        let hard = random.gen_range(1.1f32..1.4);
        let (steep, rough) = (random.gen_range(-1.6f32..1.6), random.gen_range(0.006f32..0.036));
        let chaos = (Noise::new(random), steep, rough);
        let reach = random.gen_range(0.07f32..0.22);
        let lift = reach * random.gen_range(0.4f32..1.1);
        let shadow = random.gen_range(0.25f32..0.8);
        let light = Noise::new(random);
        let drawn = SaltBody::drawn(random);
        let salt = Outline::new(random, body.unwrap_or(drawn), aspect);
        Place { beds, faults, salt, hard, chaos, lift, reach, shadow, light }
    }

    /// The impedance at a place, and whether it is salt. `covered` is the thickness of the salt
    /// above.
    fn impedance(&self, x: f32, t: f32, covered: f32) -> (f32, bool) {
        let t = self.faults.iter().fold(t, |t, fault| fault.restored(x, t));
        let seen = 1.0 - (1.0 - self.shadow) * ramp(0.0, 0.15, covered);
        let Some(salt) = &self.salt else {
            return (self.beds.impedance(x, t, 0.0, seen), false);
        };
        let distance = salt.distance(x, t);
        let near = (-distance.max(0.0) / self.reach).exp();
        // Salt rises: what lies under a sheet has hardly moved.
        let lift = self.lift * near * if salt.above(x, t) { 1.0 } else { 0.2 };
        if distance > 0.0 {
            return (self.beds.impedance(x, t, lift, seen), false);
        }
        let (noise, steep, rough) = &self.chaos;
        let chaos = rough * noise.at((x + steep * t) / 0.05, t / 0.035);
        // How much the surface faces up or down: 1 where it is level, 0 where it is steep.
        let tiny = 0.01;
        let level = (salt.distance(x, t + tiny) - salt.distance(x, t - tiny)).abs() / (2.0 * tiny);
        let spread = 0.004 + 0.1 * (1.0 - level.min(1.0));
        let inside = ramp(0.0, spread, -distance);
        (1.0 + inside * (self.hard * (1.0 + chaos) - 1.0), true)
    }

    /// How well a place is lit.
    fn lit(&self, x: f32, t: f32) -> f32 {
        1.0 + 0.35 * self.light.at(x / 0.45, t / 0.35)
    }
}
