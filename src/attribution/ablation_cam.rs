//! Ablation-CAM.

use tch::Tensor;

use super::channels::{score_channels, weighted};
use super::long_work::{LongWork, long_work};
use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Target};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// Ablation-CAM: `ReLU(Σₖ wₖ Aₖ)` with `wₖ = (y − yₖ) / y`, where `A` is the layer's activation, `y` the
/// score of the class before the softmax, and `yₖ` that score when channel `k` is 0 everywhere. No
/// gradient is taken.
///
/// Only what follows the layer runs, once for every channel: [`batch`](AblationCam::batch) of them at
/// once, and no longer than a [`budget`](AblationCam::budget) says, if there is one. The channels with the
/// greatest mean activation come first. Those that are not reached weigh nothing.
///
/// Where the score is negative, dividing by it turns the map round: it marks what lowers the score. A
/// remark says so. pytorch-grad-cam puts the layer's least value less 1e7 in the channel's place where
/// that value is not 0, which is not the paper's; after a rectifier, both are the same.
///
/// Desai and Ramaswamy 2020, <https://doi.org/10.1109/WACV45572.2020.9093360>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&AblationCam::at("features.12").class("tabby"))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct AblationCam {
    settings: Settings,
    work: LongWork,
}

shared_setters!(AblationCam at a layer);
long_work!(AblationCam);

impl Attribution for AblationCam {
    fn name(&self) -> String {
        self.settings.named("Ablation-CAM")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let at = self.settings.look_at(case)?;
        let whole = case.scores()?;
        if let Some(index) = whole.iter().position(|&y| y == 0.0) {
            let whose = if whole.len() > 1 { format!(" of photo {index}") } else { String::new() };
            return Err(Error::Argument(format!(
                "the score{whose} is 0, and the method divides by it: explain another target, or take \
                 GradCam"
            )));
        }
        let work = self.work.suiting(case, at.layer())?;
        let scores = score_channels(&at, "Ablation-CAM", &work, |photo, channels| {
            let one = at.activation.f_narrow(0, photo as i64, 1).into_result()?;
            at.scores_with(photo, &ablated(&one, channels)?)
        })?;
        let negative = whole.iter().filter(|&&y| y < 0.0).count();
        if negative > 0 {
            let whose =
                if whole.len() > 1 { format!(" of {negative} photos") } else { String::new() };
            at.remark(format!(
                "the score{whose} is negative: divided by it, the map marks what lowers the score"
            ));
        }
        let lost = |y: f64, without: Option<f64>| without.map_or(0.0, |k| ((y - k) / y) as f32);
        let weights = whole.iter().zip(&scores);
        let weights = weights.map(|(&y, without)| without.iter().map(|&k| lost(y, k)).collect());
        let contributions = weighted(&at, &weights.collect::<Vec<_>>())?;
        self.settings.at_layer(at, contributions)
    }
}

/// Copies of an activation, each without one of its channels, `[1, C, h, w] -> [M, C, h, w]`.
fn ablated(activation: &Tensor, channels: &[i64]) -> Result<Tensor> {
    let work = || {
        let count = channels.len() as i64;
        // A copy even of one: others hold the activation as well.
        let copies = activation.f_permute([0, 2, 3, 1])?.f_repeat([count, 1, 1, 1])?;
        for (i, &k) in channels.iter().enumerate() {
            let _ = copies.f_select(0, i as i64)?.f_select(2, k)?.f_zero_()?;
        }
        copies.f_permute([0, 3, 1, 2])
    };
    work().into_result()
}
