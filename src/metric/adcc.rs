//! ADCC.

use super::masked::{drop_to, masked};
use super::similarity::pearson;
use super::trial::{Trial, only};
use super::{Better, Metric};
use crate::error::Result;

/// ADCC: the harmonic mean of what three metrics of a map want, `3 / (1 / coherency + 1 / (1 − complexity) + 1 / (1 −
/// drop))`, from 0 to 1.
///
/// - *Drop* is [`AverageDrop`](super::AverageDrop).
/// - *Coherency* is `(r + 1) / 2`, with `r` the correlation of the map and the map of the photo times the map. Where one of
///   both is the same everywhere, `r` is 0.
/// - *Complexity* is the mean of the map, 0 to 1.
///
/// Maps are [normalised](crate::attribution::Heatmap::normalized) ones. The method runs twice.
///
/// Poppi et al. 2021, <https://arxiv.org/abs/2104.10252>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let adcc = look.measure(&Adcc::default(), &GradCam::default())?.expect("a class");
/// assert!(0.0 <= adcc && adcc <= 1.0);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Adcc {}

impl Metric for Adcc {
    fn name(&self) -> String {
        "ADCC".into()
    }

    fn better(&self) -> Better {
        Better::Higher
    }

    fn measure(&self, trial: &Trial) -> Result<Option<f64>> {
        let map = trial.mask()?;
        let photo = masked(trial, &map)?;
        let after = only(trial.confidences(&photo)?)?;
        let Some(drop) = drop_to(after, trial.confidence()?) else { return Ok(None) };
        let again = only(trial.explain_others(&photo)?)?.normalized()?;
        let as_doubles = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        let (map, again) = (as_doubles(&map), as_doubles(again.values()));
        let coherency = (pearson(&map, &again).unwrap_or(0.0) + 1.0) / 2.0;
        let simple = 1.0 - map.iter().sum::<f64>() / map.len() as f64;
        let parts = [coherency, simple, 1.0 - drop];
        // The harmonic mean with a 0 is 0.
        let mean = match parts.iter().all(|&part| part > 0.0) {
            true => 3.0 / parts.iter().map(|part| 1.0 / part).sum::<f64>(),
            false => 0.0,
        };
        Ok(Some(mean))
    }

    // It is coherent, whatever the photo.
    fn has_chance_level(&self) -> bool {
        false
    }
}
