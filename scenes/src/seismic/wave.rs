//! From impedance to what a geophone hears: reflectivity, wavelet, noise.

use std::f64::consts::PI;

use rand::rngs::StdRng;

use crate::noise::normal;

/// The Ricker wavelet, `(1 − 2 π² f² t²) exp(−π² f² t²)`: 1 at time 0, with a spectrum that peaks
/// at `f`. Seconds and Hz.
///
/// ```
/// use convlens_scenes::seismic::ricker;
/// assert_eq!(ricker(0.0, 30.0), 1.0);
/// ```
pub fn ricker(seconds: f64, hertz: f64) -> f64 {
    let square = (PI * hertz * seconds).powi(2);
    (1.0 - 2.0 * square) * (-square).exp()
}

/// The wavelet at so many seconds a sample, from the time before which it is below 10⁻⁴ on.
fn sampled(frequency: f64, step: f64) -> Vec<f32> {
    let half = (1.15 / frequency / step).ceil() as i64;
    (-half..=half).map(|i| ricker(i as f64 * step, frequency) as f32).collect()
}

/// What turns a column of fine impedances into a trace.
pub(super) struct Wavelet {
    values: Vec<f32>,
    fine: usize,
}

impl Wavelet {
    /// `step` is that of the impedances, of which `fine` make a sample.
    pub(super) fn new(frequency: f64, step: f64, fine: usize) -> Wavelet {
        Wavelet { values: sampled(frequency, step), fine }
    }

    /// `trace[i] = Σ r[j] w(i · fine − j)`, with the reflectivity `r` of the step from each
    /// impedance to the next.
    pub(super) fn trace(&self, impedance: &[f32], trace: &mut [f32]) {
        let reflectivity: Vec<f32> =
            impedance.windows(2).map(|pair| (pair[1] - pair[0]) / (pair[1] + pair[0])).collect();
        let half = self.values.len() / 2;
        for (i, value) in trace.iter_mut().enumerate() {
            let middle = i * self.fine + self.fine / 2;
            let (from, skipped) = (middle.saturating_sub(half), half.saturating_sub(middle));
            let heard = reflectivity.iter().skip(from).zip(self.values.iter().skip(skipped));
            *value = heard.map(|(r, w)| r * w).sum();
        }
    }
}

/// Each row with the weights ¼, ½, ¼: a migrated section resolves no less.
pub(super) fn smooth_sideways(values: &mut [f32], width: usize) {
    for row in values.chunks_exact_mut(width) {
        let mut before = row.first().copied().unwrap_or(0.0);
        for x in 0..width {
            let here = row[x];
            let after = row.get(x + 1).copied().unwrap_or(here);
            row[x] = 0.25 * before + 0.5 * here + 0.25 * after;
            before = here;
        }
    }
}

/// Adds noise in the wavelet's band, `share` times as strong as a signal of standard deviation 1.
pub(super) fn add_noise(
    random: &mut StdRng,
    values: &mut [f32],
    width: usize,
    share: f64,
    frequency: f64,
    step: f64,
) {
    let wavelet = sampled(frequency, step);
    let half = wavelet.len() / 2;
    let height = values.len() / width;
    let white: Vec<f32> = (0..(height + 2 * half) * width).map(|_| normal(random)).collect();
    let mut noise = vec![0f32; values.len()];
    for (y, row) in noise.chunks_exact_mut(width).enumerate() {
        for (source, weight) in white[y * width..].chunks_exact(width).zip(&wavelet) {
            for (sum, value) in row.iter_mut().zip(source) {
                *sum += weight * value;
            }
        }
    }
    smooth_sideways(&mut noise, width);
    normalize(&mut noise);
    for (value, noise) in values.iter_mut().zip(&noise) {
        *value += share as f32 * noise;
    }
}

/// To mean 0 and standard deviation 1.
pub(super) fn normalize(values: &mut [f32]) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let variance = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count;
    let scale = if variance > 0.0 { variance.sqrt().recip() } else { 1.0 };
    for value in values {
        *value = ((f64::from(*value) - mean) * scale) as f32;
    }
}
