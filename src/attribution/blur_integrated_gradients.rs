//! Blur integrated gradients.

use tch::{Kind, TchError, Tensor};

use super::integrated_gradients::widest_gap;
use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Meaning, Target};
use crate::error::{Error, Result};
use crate::show::Progress;
use crate::tensor::IntoResult;

/// How many points run through the network at once.
const BATCH: usize = 6;
/// More points than this take longer than any network needs.
const MOST_STEPS: usize = 10_000;
/// By how much wider a blur is from which its derivative is taken.
const WIDER: f64 = 0.01;

/// Blur integrated gradients: `−Σᵢ Δσ · ∂y/∂x(xᵢ) · ∂xᵢ/∂σ`, summed over the colours, where `xᵢ` is the photo
/// blurred by a Gaussian of deviation `σᵢ = i Δσ`, in `n` steps from the photo itself to a deviation of
/// [`sigma`](BlurIntegratedGradients::sigma) pixels: [integrated gradients](super::IntegratedGradients) on the
/// way on which details appear one after the other, from coarse to fine. There is no baseline whose colour
/// counts for nothing. Signed.
///
/// The map should sum to the score less that of the most blurred photo; a remark says how large the gap is.
/// Beyond the border the normalised input is 0. The derivative of the blur is its difference from one that is
/// 0.01 pixels wider. It is PAIR's `BlurIG`.
///
/// Xu et al. 2020, <https://arxiv.org/abs/2004.03383>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&BlurIntegratedGradients::default().class("tabby").steps(10))?;
/// println!("{}", heat.remarks()[0]); // how complete it is
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BlurIntegratedGradients {
    settings: Settings,
    steps: usize,
    sigma: f64,
}

impl Default for BlurIntegratedGradients {
    /// PAIR's settings.
    fn default() -> Self {
        BlurIntegratedGradients { settings: Settings::default(), steps: 100, sigma: 50.0 }
    }
}

shared_setters!(BlurIntegratedGradients);

impl BlurIntegratedGradients {
    /// How many steps `n`: 100 unless set.
    #[must_use]
    pub fn steps(&self, count: usize) -> Self {
        Self { steps: count, ..self.clone() }
    }

    /// The deviation of the widest blur, in pixels of the input: 50 unless set.
    #[must_use]
    pub fn sigma(&self, pixels: f64) -> Self {
        Self { sigma: pixels, ..self.clone() }
    }
}

impl Attribution for BlurIntegratedGradients {
    fn name(&self) -> String {
        self.settings.named("Blur integrated gradients")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        if !(1..=MOST_STEPS).contains(&self.steps) || !self.sigma.is_finite() || self.sigma <= 0.0 {
            return Err(Error::Argument(format!(
                "a photo is blurred in 1 to {MOST_STEPS} steps to a deviation above 0, not in {} to {}",
                self.steps, self.sigma
            )));
        }
        case.check_photo(&self.name())?;
        let input = case.input()?;
        let photo = input.f_to_kind(Kind::Double).into_result()?;
        let step = self.sigma / self.steps as f64;
        let mut sum = photo.f_zeros_like().into_result()?;
        let mut progress = Progress::new("Blur integrated gradients, points", self.steps as u64);
        let at_once = (BATCH / case.count().max(1)).max(1);
        let steps: Vec<usize> = (0..self.steps).collect();
        for some in steps.chunks(at_once) {
            let sigmas = || some.iter().map(|&i| i as f64 * step);
            let here = sigmas().map(|sigma| blurred(&photo, sigma));
            let here = here.collect::<Result<Vec<_>, _>>().into_result()?;
            let points = Tensor::f_cat(&here, 0).and_then(|t| t.f_to_kind(input.kind()));
            let points = case.with_input(points.into_result()?)?;
            let gradients = points.gradient_of(points.model().input())?;
            let parts = gradients.f_chunk(some.len() as i64, 0).into_result()?;
            for ((sigma, here), gradient) in sigmas().zip(&here).zip(&parts) {
                let changed = blurred(&photo, sigma + WIDER).and_then(|wider| {
                    wider.f_sub(here)?.f_mul_scalar(-step / WIDER)?.f_mul(gradient)
                });
                sum = changed.and_then(|changed| sum.f_add(&changed)).into_result()?;
            }
            progress.advance(some.last().map_or(0, |&last| last as u64 + 1))?;
        }
        progress.finish();
        let widest = blurred(&photo, self.sigma).and_then(|t| t.f_to_kind(input.kind()));
        let widest = case.with_input(widest.into_result()?)?.scores()?;
        let scores = case.scores()?;
        let changes: Vec<f64> = scores.iter().zip(widest).map(|(y, blurred)| y - blurred).collect();
        let gap = widest_gap(&sum, &changes, "the blurred photo's")?;
        let remark = format!("{gap} with {} points", self.steps);
        let sum = sum.f_to_kind(Kind::Float).into_result()?;
        let evidence = self.settings.at_input(case, sum, Meaning::Signed)?;
        Ok(Evidence { remarks: vec![remark], ..evidence })
    }
}

/// Blurred by a Gaussian, which ends at four deviations, with 0 beyond the border, `[N, C, H, W]`.
fn blurred(photo: &Tensor, sigma: f64) -> Result<Tensor, TchError> {
    let size = photo.size();
    let along = |side: i64| gaussian(side, sigma)?.f_to_device(photo.device());
    along(size[2])?.f_matmul(photo)?.f_matmul(&along(size[3])?)
}

/// A blur along a side of so many pixels, as a matrix that is symmetric.
fn gaussian(side: i64, sigma: f64) -> Result<Tensor, TchError> {
    let reach = (4.0 * sigma + 0.5) as i64;
    let weight = |distance: i64| match distance {
        0 => 1.0,
        _ => (-0.5 * (distance as f64 / sigma).powi(2)).exp(),
    };
    let total = 1.0 + 2.0 * (1..=reach).map(weight).sum::<f64>();
    let weights: Vec<f64> = (0..side).map(weight).map(|weight| weight / total).collect();
    let value = |i: i64, j: i64| match (i - j).abs() {
        far if far > reach => 0.0,
        near => weights[near as usize],
    };
    let values: Vec<f64> = (0..side * side).map(|at| value(at / side, at % side)).collect();
    Tensor::f_from_slice(&values)?.f_reshape([side, side])
}
