//! Average drop and increase in confidence.

use tch::Tensor;

use super::trial::Trial;
use super::{Better, Metric};
use crate::error::Result;
use crate::tensor::IntoResult;

/// Average drop: the share of the class's probability that is lost when the photo is multiplied by its map,
/// `max(0, p − p′) / p`, with the [normalised](crate::attribution::Heatmap::normalized) map, 0 to 1, over the normalised
/// input. 0 when what the map marks is enough for the network, 1 when nothing is left. Of a target that is not one class,
/// its score takes the probability's place.
///
/// torchcam's `ClassificationMetric`, which adds 1e-7 to `p`; pytorch-grad-cam's `DropInConfidence` is the same without
/// the division.
///
/// Chattopadhyay et al. 2018, <https://arxiv.org/abs/1710.11063>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let drop = look.measure(&AverageDrop::default(), &GradCam::default())?;
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct AverageDrop {}

impl Metric for AverageDrop {
    fn name(&self) -> String {
        "average drop".into()
    }

    fn better(&self) -> Better {
        Better::Lower
    }

    fn measure(&self, trial: &Trial) -> Result<Option<f64>> {
        Ok(drop_to(masked_confidence(trial)?, trial.confidence()?))
    }
}

/// The share that is lost from `before` to `after`; of what is not positive there is none.
pub(super) fn drop_to(after: f64, before: f64) -> Option<f64> {
    (before > 0.0).then(|| (before - after).max(0.0) / before)
}

/// Increase in confidence: 1 where the class becomes more probable when the photo is multiplied by its map, else 0; its mean
/// is the share of such photos. All else is as in [`AverageDrop`].
///
/// Chattopadhyay et al. 2018, <https://arxiv.org/abs/1710.11063>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let more = look.measure(&Increase::default(), &GradCam::default())?;
/// assert!(more == Some(0.0) || more == Some(1.0));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Increase {}

impl Metric for Increase {
    fn name(&self) -> String {
        "increase in confidence".into()
    }

    fn better(&self) -> Better {
        Better::Higher
    }

    fn measure(&self, trial: &Trial) -> Result<Option<f64>> {
        let more = masked_confidence(trial)? > trial.confidence()?;
        Ok(Some(f64::from(u8::from(more))))
    }
}

/// How sure the network is of the photo times its map.
fn masked_confidence(trial: &Trial) -> Result<f64> {
    super::trial::only(trial.confidences(&masked(trial, &trial.mask()?)?)?)
}

/// The input times a map, the same for all channels.
pub(super) fn masked(trial: &Trial, map: &[f32]) -> Result<Tensor> {
    let input = trial.input()?;
    let work = || {
        let map = Tensor::f_from_slice(map)?.f_to_device(input.device())?;
        let flat = input.f_reshape([1, -1, map.numel() as i64])?;
        flat.f_mul(&map)?.f_reshape(input.size())
    };
    work().into_result()
}
