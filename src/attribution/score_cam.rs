//! Score-CAM.

use tch::Tensor;

use super::channels::{chosen_maps, score_channels, weighted_by_softmax};
use super::long_work::{LongWork, long_work};
use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Target};
use crate::error::Result;
use crate::tensor::IntoResult;

/// Score-CAM: `ReLU(Σₖ wₖ Aₖ)` with `w = softmaxₖ y(x ∘ Hₖ)`. `Hₖ` is the layer's map `Aₖ`, resized to the
/// input's size (bilinear, corners aligned) and scaled to 0..=1, `(H − min) / (max − min + 1e-8)`; it
/// multiplies each channel of the normalised input `x`, so that what it hides becomes the mean colour.
/// `y` is the score of the class before the softmax. No gradient is taken.
///
/// The network runs once for every channel of the layer, which takes a while:
/// [`batch`](ScoreCam::batch) inputs at once, and no longer than a [`budget`](ScoreCam::budget)
/// says, if there is one. The channels with the greatest mean activation come first. Those that are not
/// reached weigh nothing.
///
/// Wang et al. 2020, <https://arxiv.org/abs/1910.01279>.
///
/// ```
/// use std::time::Duration;
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let some = ScoreCam::at("features.12").class("tabby").budget(Duration::from_millis(200));
/// let heat = look.explain(&some)?; // of 512 channels, those that 0.2 s suffice for
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ScoreCam {
    settings: Settings,
    work: LongWork,
}

shared_setters!(ScoreCam at a layer);
long_work!(ScoreCam);

impl Attribution for ScoreCam {
    fn name(&self) -> String {
        self.settings.named("Score-CAM")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let at = self.settings.look_at(case)?;
        let input = case.input()?;
        let work = self.work.suiting(case, "input")?;
        let scores = score_channels(&at, "Score-CAM", &work, |photo, channels| {
            let one = input.f_narrow(0, photo as i64, 1).into_result()?;
            let maps = chosen_maps(&at, photo, channels).into_result()?;
            case.scores_from(photo, case.model().input(), &masked(&one, &maps)?)
        })?;
        let contributions = weighted_by_softmax(&at, &scores)?;
        self.settings.at_layer(at, contributions)
    }
}

/// The input as each map lets it through, `[1, C, H, W]` and `[M, h, w] -> [M, C, H, W]`.
fn masked(input: &Tensor, maps: &Tensor) -> Result<Tensor> {
    let work = || {
        let (m, h, w) = (maps.size()[0], input.size()[2], input.size()[3]);
        let mut masks = maps.f_unsqueeze(1)?.f_upsample_bilinear2d([h, w], true, None, None)?;
        let low = masks.f_amin([1i64, 2, 3].as_slice(), true)?;
        let span = masks.f_amax([1i64, 2, 3].as_slice(), true)?.f_sub(&low)?.f_add_scalar(1e-8)?;
        let masks = masks.f_sub_(&low)?.f_div_(&span)?.f_reshape([m, h, w, 1])?;
        // With the channels innermost, which is what convolutions read fastest.
        input.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_mul(&masks)?.f_permute([0, 3, 1, 2])
    };
    work().into_result()
}
