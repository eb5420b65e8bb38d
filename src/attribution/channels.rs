//! What the methods share that weigh a layer's channels, among them those that run the network once for
//! every channel.

use tch::{Kind, TchError, Tensor};

use super::long_work::LongWork;
use super::{Case, LayerCase};
use crate::error::Result;
use crate::tensor::{IntoResult, to_floats};

/// `[N, C, h, w] -> [N, C, 1, 1]`
pub(super) fn sum_over_space(values: &Tensor) -> Result<Tensor, TchError> {
    values.f_sum_dim_intlist([2i64, 3].as_slice(), true, None::<Kind>)
}

/// `[N, C, h, w] -> [N, C, 1, 1]`
pub(super) fn mean_over_space(values: &Tensor) -> Result<Tensor> {
    values.f_mean_dim([2i64, 3].as_slice(), true, None::<Kind>).into_result()
}

/// A score for each channel of each photo, `None` where the time was up before it. `score` is called
/// with a photo's index and some of its channels; those with the greatest mean activation come first.
pub(super) fn score_channels(
    at: &LayerCase,
    method: &str,
    work: &LongWork,
    mut score: impl FnMut(usize, &[i64]) -> Result<Vec<f64>>,
) -> Result<Vec<Vec<Option<f64>>>> {
    let order = strongest_first(&at.activation)?;
    let channels = order.first().map_or(0, Vec::len);
    let mut scores = vec![vec![None; channels]; order.len()];
    let stopped = work.run(method, "channels", order.len(), channels, |photo, steps| {
        let chosen = &order[photo][steps];
        for (&k, found) in chosen.iter().zip(score(photo, chosen)?) {
            scores[photo][k as usize] = Some(found);
        }
        Ok(())
    })?;
    if let Some(stopped) = stopped {
        at.remark(format!(
            "{stopped}, those with the greatest mean activation; the others weigh nothing"
        ));
    }
    Ok(scores)
}

/// The layer's maps, each times its weight, `[N, C, h, w]`.
pub(super) fn weighted(at: &LayerCase, weights: &[Vec<f32>]) -> Result<Tensor> {
    let size = at.activation.size();
    Tensor::f_from_slice(&weights.concat())
        .and_then(|w| w.f_reshape([size[0], size[1], 1, 1]))
        .and_then(|w| w.f_to_device(at.activation.device()))
        .and_then(|w| w.f_mul(&at.activation))
        .into_result()
}

/// The channels of each photo, `[N, C, h, w]`, by their mean activation.
fn strongest_first(activation: &Tensor) -> Result<Vec<Vec<i64>>> {
    let means = activation.f_mean_dim([2i64, 3].as_slice(), false, None::<Kind>).into_result()?;
    let channels = means.size()[1];
    let means = to_floats(&means)?;
    let order = means.chunks(channels as usize).map(|means| {
        let mut order: Vec<i64> = (0..channels).collect();
        order.sort_by(|&a, &b| means[b as usize].total_cmp(&means[a as usize]));
        order
    });
    Ok(order.collect())
}

/// The layer's maps, each times the softmax of its score among those of its photo.
pub(super) fn weighted_by_softmax(at: &LayerCase, scores: &[Vec<Option<f64>>]) -> Result<Tensor> {
    weighted(at, &scores.iter().map(|scores| softmax(scores)).collect::<Vec<_>>())
}

/// Of the scores that are there; 0 for the others.
fn softmax(scores: &[Option<f64>]) -> Vec<f32> {
    let there = || scores.iter().flatten();
    let greatest = there().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = there().map(|score| (score - greatest).exp()).sum();
    let weight = |score: f64| ((score - greatest).exp() / total) as f32;
    scores.iter().map(|score| score.map_or(0.0, weight)).collect()
}

/// Some of a photo's maps, `[M, h, w]`.
pub(super) fn chosen_maps(
    at: &LayerCase,
    photo: usize,
    channels: &[i64],
) -> Result<Tensor, TchError> {
    let channels = Tensor::f_from_slice(channels)?.f_to_device(at.activation.device())?;
    at.activation.f_select(0, photo as i64)?.f_index_select(0, &channels)
}

/// The mean score of each channel over `count` versions of what the network is shown of a photo, by their number.
pub(super) fn mean_scores(
    case: &Case,
    photo: usize,
    count: usize,
    mut shown: impl FnMut(usize) -> Result<Tensor>,
) -> Result<Vec<f64>> {
    let mut mean = Vec::new();
    for version in 0..count {
        let scores = case.scores_from(photo, case.model().input(), &shown(version)?)?;
        mean.resize(scores.len(), 0.0);
        for (mean, score) in mean.iter_mut().zip(scores) {
            *mean += score / count as f64;
        }
    }
    Ok(mean)
}

/// Some of a photo's maps as masks for an input of this size, `[M, 1, H, W]`: scaled to 0..=1, then resized
/// with half-pixel centres.
pub(super) fn masks(
    at: &LayerCase,
    photo: usize,
    channels: &[i64],
    input: &Tensor,
) -> Result<Tensor> {
    let work = || {
        let maps = chosen_maps(at, photo, channels)?;
        let space = [1i64, 2];
        let maps = maps.f_sub(&maps.f_amin(space.as_slice(), true)?)?;
        let maps = maps.f_div(&maps.f_amax(space.as_slice(), true)?.f_add_scalar(1e-8)?)?;
        maps.f_unsqueeze(1)?.f_upsample_bilinear2d(&input.size()[2..], false, None, None)
    };
    work().into_result()
}
