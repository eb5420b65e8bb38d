//! Infidelity.

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Kind, Tensor};

use super::trial::Trial;
use super::{Better, Metric, check_change, check_runs};
use crate::error::Result;
use crate::model::Init;
use crate::picture::Resize;
use crate::tensor::{IntoResult, to_doubles};

/// Infidelity: how badly the map foretells what the score loses when the photo is changed at random, the mean of
/// `(β Iᵀφ − (y(x) − y(x − I)))²` over [`samples`](Infidelity::samples) of a normal change `I`.
///
/// `φ` are the signed values of each channel where the method has them, else the map at the photo's size for each channel.
/// As maps are in units of their own, `β` fits them to the score: `Σ Iᵀφ Δy / Σ (Iᵀφ)²`, captum's `normalize=True`; without
/// it, by [`as_they_are`](Infidelity::as_they_are), `β` is 1. `y` is the score before the softmax. captum's `infidelity`.
///
/// Yeh et al. 2019, <https://arxiv.org/abs/1901.09392>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let error = look.measure(&Infidelity::default().samples(4), &InputXGradient::default())?;
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Infidelity {
    deviation: f64,
    samples: usize,
    seed: u64,
    fitted: bool,
}

impl Default for Infidelity {
    fn default() -> Self {
        Infidelity { deviation: 0.1, samples: 20, seed: 0, fitted: true }
    }
}

change_setters!(Infidelity, "20");

impl Infidelity {
    /// The standard deviation of the change of the normalised input: 0.1 unless set.
    #[must_use]
    pub fn deviation(&self, deviation: f64) -> Self {
        Self { deviation, ..self.clone() }
    }

    /// The map's values as they are, in units of the score by the input's, as a gradient's are.
    #[must_use]
    pub fn as_they_are(&self) -> Self {
        Self { fitted: false, ..self.clone() }
    }
}

impl Metric for Infidelity {
    fn name(&self) -> String {
        if self.fitted { "infidelity".into() } else { "infidelity, as they are".into() }
    }

    fn better(&self) -> Better {
        Better::Lower
    }

    fn measure(&self, trial: &Trial) -> Result<Option<f64>> {
        check_change("deviation", 0.1, self.deviation)?;
        check_runs("infidelity", "samples", self.samples, self.samples)?;
        let input = trial.input()?;
        let phi = contributions(trial, &input)?;
        let whole = trial.heat().score();
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut foretold = Vec::with_capacity(self.samples);
        let lost = trial.in_batches("infidelity", self.samples, |some| {
            let changes =
                some.map(|_| Init::Normal(self.deviation).tensor(&input.size(), &mut random));
            let changes = Tensor::f_cat(&changes.collect::<Result<Vec<_>>>()?, 0);
            let changes = changes.and_then(|t| t.f_to_device(input.device())).into_result()?;
            let products =
                changes.f_flatten(1, -1).and_then(|t| t.f_to_kind(Kind::Double)?.f_mv(&phi));
            foretold.extend(to_doubles(&products.into_result()?)?);
            let scores = trial.scores(&input.f_sub(&changes).into_result()?)?;
            Ok(scores.into_iter().map(|score| whole - score).collect())
        })?;
        let pairs = || foretold.iter().zip(&lost);
        let size: f64 = foretold.iter().map(|a| a * a).sum();
        let beta = match self.fitted {
            true if size > 0.0 => pairs().map(|(a, b)| a * b).sum::<f64>() / size,
            true => 0.0,
            false => 1.0,
        };
        let errors = pairs().map(|(a, b)| (beta * a - b).powi(2));
        Ok(Some(errors.sum::<f64>() / self.samples as f64))
    }
}

/// A value for each of the input's, flat, in double precision.
fn contributions(trial: &Trial, input: &Tensor) -> Result<Tensor> {
    trial.check_places()?;
    let [height, width] = trial.size()?;
    let maps = trial.heat().channels().resized(height, width, Resize::HalfPixel)?;
    let repeats = input.numel() / maps.values().len().max(1);
    let values: Vec<f64> = maps.values().iter().map(|&v| f64::from(v)).collect();
    Tensor::f_from_slice(&values.repeat(repeats.max(1)))
        .and_then(|t| t.f_to_device(input.device()))
        .into_result()
}
