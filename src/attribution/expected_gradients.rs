//! Expected gradients.

use rand::SeedableRng;
use rand::distributions::{Distribution, Standard};
use rand::rngs::StdRng;
use tch::Tensor;

use super::baseline::{Baselines, changes};
use super::integrated_gradients::widest_gap;
use super::noise::{Noise, sample_setters};
use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Meaning, Target};
use crate::error::Result;
use crate::tensor::IntoResult;

/// Expected gradients: the mean of `Σᶜ (xᶜ − x′ᶜ) · ∂y/∂xᶜ (x′ + α (x − x′))` over baselines `x′` from a set, as
/// photos that the network was trained on, and over places `α` from 0 to 1 on the way from there to the photo
/// `x`: [integrated gradients](super::IntegratedGradients) without one baseline to be chosen. Signed.
///
/// The map should sum to the score less the mean of the baselines' scores; a remark says how large the gap is,
/// which more [`samples`](ExpectedGradients::samples) make smaller. Baselines take turns; the places come from
/// a seed. It is captum's `GradientShap`.
///
/// Erion et al. 2021, <https://arxiv.org/abs/1906.10670>.
///
/// ```
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// let look = model.look(&Photo::open("assets/photos/cat.png")?)?;
/// let dog = model.preprocess().apply(&Photo::open("assets/photos/dog.jpg")?)?;
/// let baselines = Tensor::cat(&[dog.zeros_like(), dog], 0);
/// let heat = look.explain(&ExpectedGradients::over(&baselines).class("tabby").samples(10))?;
/// println!("{}", heat.remarks()[0]); // how complete it is
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ExpectedGradients {
    settings: Settings,
    baselines: Baselines,
    noise: Noise,
}

shared_setters!(ExpectedGradients);
sample_setters!([] ExpectedGradients, "25");

impl ExpectedGradients {
    /// Over these baselines, `[B, C, H, W]` or `[B, F]`, prepared as the network expects it
    /// (`model.preprocess().apply(&photo)?`).
    pub fn over(baselines: &Tensor) -> Self {
        ExpectedGradients {
            settings: Settings::default(),
            baselines: Baselines::new(baselines),
            noise: Noise { share: 0.0, ..Noise::default() },
        }
    }

    /// Adds noise to the photo, of this share of the range of its values: 0 unless set.
    #[must_use]
    pub fn noise(&self, share: f64) -> Self {
        let mut changed = self.clone();
        changed.noise.share = share;
        changed
    }
}

impl Attribution for ExpectedGradients {
    fn name(&self) -> String {
        self.settings.named("Expected gradients")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let input = case.input()?;
        let baselines = self.baselines.of(&input)?;
        let (photos, count) = (case.count() as i64, baselines.size()[0]);
        // Other places than those of the noise.
        let mut places = StdRng::seed_from_u64(self.noise.seed.wrapping_add(1));
        let mut mean = input.f_zeros_like().into_result()?;
        let mut apart = vec![1; input.dim()];
        apart[0] = -1;
        let mut turn = 0;
        self.noise.each("Expected gradients", case, |noisy, copies| {
            let mut starts = Vec::with_capacity(copies);
            let mut alphas = Vec::with_capacity(copies);
            for _ in 0..copies {
                let start = baselines.f_narrow(0, turn % count, 1);
                starts.push(start.and_then(|t| t.f_expand(input.size(), false)).into_result()?);
                let alpha: f64 = Standard.sample(&mut places);
                alphas.extend(vec![alpha as f32; photos as usize]);
                turn += 1;
            }
            let start = Tensor::f_cat(&starts, 0).into_result()?;
            let way = noisy.input()?.f_sub(&start).into_result()?;
            let between = Tensor::f_from_slice(&alphas)
                .and_then(|t| t.f_reshape(&apart)?.f_to_device(input.device()))
                .and_then(|alpha| alpha.f_mul(&way)?.f_add(&start));
            let between = noisy.with_input(between.into_result()?)?;
            let gradient = between.gradient_of(between.model().input())?;
            let product = gradient.f_mul(&way);
            let part = product.and_then(|product| self.noise.part_of_mean(&product, copies));
            mean = part.and_then(|part| mean.f_add(&part)).into_result()?;
            Ok(())
        })?;
        let changes = changes(case, &baselines)?;
        let gap = widest_gap(&mean, &changes, "the baselines' mean")?;
        let remark = format!("{gap} with {} points", self.noise.samples);
        let evidence = self.settings.at_input(case, mean, Meaning::Signed)?;
        Ok(Evidence { remarks: vec![remark], ..evidence })
    }
}
