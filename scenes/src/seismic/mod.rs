//! Seismic sections made to order, with the truth about every pixel.
//!
//! A section is 1.8 s of two-way time high and, for each pixel of height, as wide as it is high in
//! pixels: about 11 km. It holds the ten lithofacies of the F3 block, youngest on top.
//!
//! 1. **Geology.** Horizons are sums of long waves, hung from the sea bottom: each facies has a
//!    thickness that varies along the section and may pinch out. Before the Cretaceous everything
//!    older was folded once more and eroded, so that the base of the Schieland-Scruff-Niedersachsen
//!    cuts off what lies below. A salt diapir rises out of the Zechstein, pierces, and drags up what
//!    it passes: a layer at time `t` is lifted by `0.4 (t − c) + L`, where `c` is the diapir's crest,
//!    and by `L exp(−(c − t) / H)` above it, falling off sideways from its flank.
//! 2. **Faults** are inclined planes. Rock on either side has moved along them, in opposite
//!    directions, by a part of the throw that fades along the plane and away from it.
//! 3. **Bedding.** Every facies has its own: impedance `Z = Z₀ (1 + g u) (1 + a Σ wⱼ(x) Lⱼ(s) + c
//!    N(x, t))` from top (`u = −½`) to base, where `Lⱼ` are random layers of the facies' bed
//!    thickness along the coordinate `s` that follows its boundaries (or, in the Carboniferous, its
//!    own dip; in the North Sea group, sigmoid clinoforms), the `wⱼ` vary over the facies' lateral
//!    continuity, and `N` is chaos without layers: nearly all there is in the salt.
//!    The layers are the survey's: its lines share them, as lines through one basin do.
//! 4. **Waves.** Reflectivity `r = (Z₂ − Z₁) / (Z₂ + Z₁)` of a vertical ray, a sample a millisecond,
//!    convolved with a [Ricker wavelet](ricker), smoothed sideways as migration does, plus noise of
//!    the same band. The convolutional model: Sheriff and Geldart, *Exploration Seismology*, 1995;
//!    the wavelet: Ricker, *Geophysics* 18, 1953.
//!
//! [`Salt`] makes small tiles in the same way, each with a body of salt or none.
//!
//! The facies are those of the public F3 interpretation (Silva et al., *Netherlands Dataset*,
//! 2019, arXiv:1904.00770); that every one of them is in nearly every section holds here too.

mod bedding;
mod faults;
mod geology;
mod salt;
mod wave;

use convlens::{Error, Result};
use rand::SeedableRng;
use rand::rngs::StdRng;

pub use salt::{Salt, SaltBody};
pub use wave::ricker;

use crate::section::{Section, f3_facies};
use bedding::Bedding;
use geology::Geology;

/// How much two-way time a section spans, in seconds.
pub const SPAN: f64 = 1.792;

/// Keeps the random numbers of a survey apart from those of a section with the same seed.
const SURVEY: u64 = 0x7375_7276_6579;

/// A seismic section to be made. The same seed and survey make the same section; at another size it is the
/// same world at another resolution.
///
/// ```
/// use convlens_scenes::seismic::Seismic;
/// let section = Seismic::default().seed(7).size(112, 112).section()?;
/// assert_eq!(section.classes().map(|classes| classes.len()), Some(10));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Seismic {
    seed: u64,
    survey: u64,
    height: usize,
    width: usize,
    frequency: Option<f64>,
    noise: f64,
    faults: usize,
    salt: bool,
}

impl Default for Seismic {
    /// Seed 0 of survey 0, 448 × 448, 30 Hz, noise 0.2, 6 faults, with salt.
    fn default() -> Seismic {
        let (height, width) = (448, 448);
        Seismic {
            seed: 0,
            survey: 0,
            height,
            width,
            frequency: None,
            noise: 0.2,
            faults: 6,
            salt: true,
        }
    }
}

impl Seismic {
    /// The longest side, and the shortest.
    const SIDES: std::ops::RangeInclusive<usize> = 32..=4096;

    /// The line through the basin: its horizons, folds, faults and salt; 0 by default.
    pub fn seed(&self, seed: u64) -> Seismic {
        Seismic { seed, ..self.clone() }
    }

    /// The basin: the beds that were laid down in it, which all its lines share, as those of one
    /// survey do; 0 by default.
    pub fn survey(&self, survey: u64) -> Seismic {
        Seismic { survey, ..self.clone() }
    }

    /// Samples from top to bottom and traces from left to right, 32 to 4096; 448 each by default.
    pub fn size(&self, height: usize, width: usize) -> Seismic {
        Seismic { height, width, ..self.clone() }
    }

    /// The frequency at which the wavelet's spectrum peaks, in Hz: 30 by default, or as much as
    /// the sampling rate carries, `0.2 height / 1.792 s`. At most half of the Nyquist frequency.
    pub fn frequency(&self, hertz: f64) -> Seismic {
        Seismic { frequency: Some(hertz), ..self.clone() }
    }

    /// The standard deviation of the noise as a share of the signal's; 0.2 by default.
    pub fn noise(&self, share: f64) -> Seismic {
        Seismic { noise: share, ..self.clone() }
    }

    /// How many faults, at most 64; 6 by default.
    pub fn faults(&self, count: usize) -> Seismic {
        Seismic { faults: count, ..self.clone() }
    }

    /// Without a diapir: the Zechstein stays a layer.
    pub fn without_salt(&self) -> Seismic {
        Seismic { salt: false, ..self.clone() }
    }

    /// Makes it: amplitudes of mean 0 and standard deviation 1, with [F3's facies](f3_facies) as
    /// labels.
    ///
    /// # Errors
    /// Sides, frequencies, noise and faults out of their ranges.
    pub fn section(&self) -> Result<Section> {
        let frequency = self.checked()?;
        let mut random = StdRng::seed_from_u64(self.seed);
        let aspect = self.width as f32 / self.height as f32;
        let geology = Geology::new(&mut random, aspect, self.faults, self.salt);
        let mut survey = StdRng::seed_from_u64(self.survey ^ SURVEY);
        let bedding = Bedding::new(&mut survey, &mut random);
        let step = SPAN / self.height as f64; // seconds a sample
        let fine = ((step * 1000.0).ceil() as usize).max(2);
        let rows = self.height * fine;
        let wavelet = wave::Wavelet::new(frequency, step / fine as f64, fine);

        let (height, width) = (self.height, self.width);
        let mut labels = vec![0u8; height * width];
        let mut amplitudes = vec![0f32; height * width];
        let (mut impedance, mut trace) = (vec![0f32; rows], vec![0f32; height]);
        for x in 0..width {
            let across = (x as f32 + 0.5) / height as f32;
            let column = geology.column(across);
            let mut beds = bedding.column(across, &column);
            for (i, value) in impedance.iter_mut().enumerate() {
                let t = geology.restored(across, (i as f32 + 0.5) / rows as f32);
                let facies = column.facies(t);
                *value = beds.impedance(facies, t);
                if i % fine == fine / 2 {
                    labels[i / fine * width + x] = facies as u8;
                }
            }
            wavelet.trace(&impedance, &mut trace);
            for (row, &value) in amplitudes.chunks_exact_mut(width).zip(&trace) {
                row[x] = value;
            }
        }
        wave::smooth_sideways(&mut amplitudes, width);
        wave::normalize(&mut amplitudes);
        wave::add_noise(&mut random, &mut amplitudes, width, self.noise, frequency, step);
        wave::normalize(&mut amplitudes);
        let title = format!("seismic section {}", self.seed);
        let section = Section::new(height, width, amplitudes)?.titled(&title);
        section.with_labels(labels, &f3_facies())
    }

    /// The frequency, once everything is in its range.
    fn checked(&self) -> Result<f64> {
        if !Self::SIDES.contains(&self.height) || !Self::SIDES.contains(&self.width) {
            return Err(Error::Argument(format!(
                "a section has sides of {} to {} samples, not {} × {}",
                Self::SIDES.start(),
                Self::SIDES.end(),
                self.height,
                self.width
            )));
        }
        let rate = self.height as f64 / SPAN;
        let frequency = self.frequency.unwrap_or((0.2 * rate).min(30.0));
        let most = rate / 4.0;
        if !(1.0..=most).contains(&frequency) {
            return Err(Error::Argument(format!(
                "the wavelet's peak frequency is 1 to {most:.1} Hz at {} samples in {SPAN} s, not \
                 {frequency}",
                self.height
            )));
        }
        if !(0.0..=10.0).contains(&self.noise) {
            return Err(Error::Argument(format!(
                "the noise is a share of the signal, 0 to 10, not {}",
                self.noise
            )));
        }
        if self.faults > 64 {
            return Err(Error::Argument(format!(
                "at most 64 faults are made, not {}",
                self.faults
            )));
        }
        Ok(frequency)
    }
}
