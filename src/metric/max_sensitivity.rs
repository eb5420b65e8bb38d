//! Max-sensitivity.

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::Tensor;

use super::trial::Trial;
use super::{Better, Chance, Metric, check_change, check_runs};
use crate::error::Result;
use crate::model::Init;
use crate::number::number;
use crate::tensor::IntoResult;

/// Above this share of itself, a map changes too much to be relied on.
const MUCH: f64 = 0.5;

/// Max-sensitivity: how much the map changes when the photo hardly does, `max ‖φ(x) − φ(x′)‖ / ‖φ(x)‖` over
/// [`samples`](MaxSensitivity::samples) of `x′`, in which each value of the normalised input is changed at random by up to
/// a [`radius`](MaxSensitivity::radius). `φ` are the [raw](crate::attribution::Heatmap::raw) values, the class stays that of
/// the photo itself. A method whose map is 0 everywhere has no value. captum's `sensitivity_max`. The method runs once a
/// sample.
///
/// [`trust`](super::trust) speaks against a method that changes by more than half of itself.
///
/// Yeh et al. 2019, <https://arxiv.org/abs/1901.09392>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let change = look.measure(&MaxSensitivity::default().samples(3), &GradCam::default())?;
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MaxSensitivity {
    radius: f64,
    samples: usize,
    seed: u64,
}

impl Default for MaxSensitivity {
    /// captum's settings.
    fn default() -> Self {
        MaxSensitivity { radius: 0.02, samples: 10, seed: 0 }
    }
}

change_setters!(MaxSensitivity, "10");

impl MaxSensitivity {
    /// By how much values of the normalised input change at most: 0.02 unless set.
    #[must_use]
    pub fn radius(&self, radius: f64) -> Self {
        Self { radius, ..self.clone() }
    }
}

impl Metric for MaxSensitivity {
    fn name(&self) -> String {
        "max-sensitivity".into()
    }

    fn better(&self) -> Better {
        Better::Lower
    }

    fn measure(&self, trial: &Trial) -> Result<Option<f64>> {
        check_change("radius", 0.02, self.radius)?;
        check_runs("max-sensitivity", "samples", self.samples, self.samples)?;
        let norm =
            |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        let map = trial.heat().raw();
        let size = norm(&mut map.iter().map(|&v| f64::from(v)));
        if size == 0.0 {
            return Ok(None);
        }
        let input = trial.input()?;
        let mut random = StdRng::seed_from_u64(self.seed);
        let changes = trial.in_batches("max-sensitivity", self.samples, |some| {
            let changed = some.map(|_| {
                let by = Init::Uniform(self.radius).tensor(&input.size(), &mut random)?;
                by.f_to_device(input.device()).and_then(|by| by.f_add(&input)).into_result()
            });
            let changed = changed.collect::<Result<Vec<_>>>()?;
            let others = trial.explain_others(&Tensor::f_cat(&changed, 0).into_result()?)?;
            let far = |other: &[f32]| {
                norm(&mut map.iter().zip(other).map(|(a, b)| f64::from(*a) - f64::from(*b)))
            };
            Ok(others.iter().map(|heat| far(heat.raw()) / size).collect())
        })?;
        Ok(changes.into_iter().reduce(f64::max))
    }

    fn has_chance_level(&self) -> bool {
        false
    }

    fn objection(&self, mean: f64, _: Option<&Chance>) -> Option<String> {
        (mean > MUCH).then(|| {
            format!(
                "changes by {:.0} % of itself when the photo's values change by {} at most",
                100.0 * mean,
                number(self.radius, 3)
            )
        })
    }
}
