//! A bank of concepts: how much of each is where on a photo, and how much a score depends on each.

use tch::{Kind, Tensor};

use super::craft::{as_rows, check_positive};
use super::halton::halton;
use super::nmf::Nmf;
use crate::attribution::{Case, LayerCase, Target, designed, total_indices};
use crate::dataset::ImageFolder;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::show::Progress;
use crate::tensor::IntoResult;

/// Values of a layer that run at once.
const AT_ONCE: usize = 8;

/// A square of a photo, in pixels as the network sees it.
#[derive(Clone, Copy)]
pub(super) struct Crop {
    pub(super) photo: usize,
    pub(super) top: usize,
    pub(super) left: usize,
    pub(super) side: usize,
}

/// Concepts as CRAFT found them, in that order.
#[derive(Clone)]
pub(super) struct Bank {
    pub(super) nmf: Nmf,
    /// `W` transposed, `[channels, concepts]`.
    pub(super) parts: Vec<f64>,
    pub(super) layer: String,
    pub(super) target: Target,
    pub(super) designs: usize,
    /// Whether the factors had stopped changing.
    pub(super) settled: bool,
}

impl Bank {
    pub(super) fn count(&self) -> usize {
        self.nmf.parts
    }

    fn channels(&self) -> usize {
        self.parts.len() / self.count().max(1)
    }

    /// The layer of a case, which has to be that of the bank.
    pub(super) fn at<'a>(&self, case: &'a Case) -> Result<LayerCase<'a>> {
        let at = case.at_layer(self.layer.as_str())?;
        check_positive(&at)?;
        match at.activation.size()[1] as usize {
            channels if channels == self.channels() => Ok(at),
            channels => Err(Error::Shape(format!(
                "these are concepts of {} channels, but layer {:?} of {} has {channels}: take the network that they were \
                 found with",
                self.channels(),
                self.layer,
                case.model().name()
            ))),
        }
    }

    /// How much of each concept is at each place of one photo, `[h · w, concepts]`.
    pub(super) fn amounts(&self, at: &LayerCase) -> Result<Vec<f64>> {
        let against = self.nmf.against(&as_rows(&at.activation)?, &self.parts)?;
        Ok(self.nmf.amounts(&against, &self.parts))
    }

    /// Each concept's total Sobol index for the score of one photo, from how much of each is where.
    pub(super) fn indices(&self, at: &LayerCase, amounts: &[f64]) -> Result<Vec<f64>> {
        let k = self.count();
        let points = halton(2 * k, self.designs);
        let degrees = points.iter().flat_map(|both| (0..=k).map(|step| designed(both, step)));
        let degrees: Vec<Vec<f64>> = degrees.collect();
        let mut scores = Vec::with_capacity(degrees.len());
        for some in degrees.chunks(AT_ONCE) {
            let values = self.weakened(at, amounts, some).into_result()?;
            scores.extend(at.scores_with(0, &values)?);
        }
        Ok(total_indices(&scores, k))
    }

    /// The layer's maps, made of the concepts, each weakened to these degrees: `[M, C, h, w]`.
    fn weakened(
        &self,
        at: &LayerCase,
        amounts: &[f64],
        degrees: &[Vec<f64>],
    ) -> Result<Tensor, tch::TchError> {
        let (k, size) = (self.count() as i64, at.activation.size());
        let amounts = Tensor::f_from_slice(amounts)?.f_reshape([1, -1, k])?;
        let degrees = Tensor::f_from_slice(&degrees.concat())?.f_reshape([-1, 1, k])?;
        let parts = Tensor::f_from_slice(&self.parts)?.f_reshape([-1, k])?.f_transpose(0, 1)?;
        let values = amounts.f_mul(&degrees)?.f_matmul(&parts)?; // [M, hw, C]
        values
            .f_transpose(1, 2)?
            .f_reshape([-1, size[1], size[2], size[3]])?
            .f_to_kind(Kind::Float)?
            .f_to_device(at.activation.device())
    }

    /// The means of the indices over photos, and the greatest amount of each concept. All places of all photos are taken apart
    /// together, as scikit-learn does, which ends when all of them are settled.
    pub(super) fn importances(
        &self,
        model: &Model,
        photos: &ImageFolder,
    ) -> Result<(Vec<f64>, Vec<f32>)> {
        let case = |photo| Case::of_inputs(model, photos.input(model, photo)?, &self.target);
        let (mut against, mut ends) = (Vec::new(), vec![0]);
        for photo in 0..photos.len() {
            let case = case(photo)?;
            let at = self.at(&case)?;
            against.extend(self.nmf.against(&as_rows(&at.activation)?, &self.parts)?);
            ends.push(against.len());
        }
        let amounts = self.nmf.amounts(&against, &self.parts);
        drop(against);
        let k = self.count();
        let (mut sums, mut greatest) = (vec![0.0; k], vec![0f32; k]);
        for row in amounts.chunks_exact(k) {
            greatest.iter_mut().zip(row).for_each(|(most, value)| *most = most.max(*value as f32));
        }
        let mut progress =
            Progress::new("CRAFT, photos with weakened concepts", photos.len() as u64);
        for photo in 0..photos.len() {
            let case = case(photo)?;
            let indices = self.indices(&self.at(&case)?, &amounts[ends[photo]..ends[photo + 1]])?;
            sums.iter_mut().zip(indices).for_each(|(sum, index)| *sum += index);
            progress.advance(photo as u64 + 1)?;
        }
        progress.finish();
        let means = sums.into_iter().map(|sum| sum / photos.len() as f64).collect();
        Ok((means, greatest))
    }
}
