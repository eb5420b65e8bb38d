//! FEM.

use tch::Kind;

use super::channels::mean_over_space;
use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Target};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// FEM, the feature explanation method: `ReLU(Σₖ wₖ Aₖ)` with `wₖ` the share of places where `Aₖ` is more
/// than [`sigmas`](Fem::sigmas) standard deviations above its own mean over space. It asks for no class:
/// channels that respond strongly in a few places weigh most.
///
/// Fuad et al. 2020, <https://hal.science/hal-02963298>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&Fem::at("features.12"))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Fem {
    settings: Settings,
    sigmas: Option<f64>,
}

shared_setters!(Fem at a layer);

impl Fem {
    /// How many standard deviations above its mean a channel is strong: 2 unless set.
    #[must_use]
    pub fn sigmas(&self, count: f64) -> Self {
        Self { sigmas: Some(count), ..self.clone() }
    }
}

impl Attribution for Fem {
    fn name(&self) -> String {
        self.settings.named("FEM")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn is_for_target(&self) -> bool {
        false
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let sigmas = self.sigmas.unwrap_or(2.0);
        if !sigmas.is_finite() {
            return Err(Error::Argument(format!(
                "a channel is strong some standard deviations above its mean, such as 2, not {sigmas}"
            )));
        }
        let at = self.settings.look_at(case)?;
        let activation = at.activation.f_to_kind(Kind::Double).into_result()?;
        let mean = mean_over_space(&activation)?;
        let work = || {
            let deviation = activation.f_std_dim([2i64, 3].as_slice(), false, true)?;
            let threshold = deviation.f_mul_scalar(sigmas)?.f_add(&mean)?;
            activation.f_gt_tensor(&threshold)?.f_to_kind(Kind::Float)
        };
        let weights = mean_over_space(&work().into_result()?)?;
        let contributions = weights.f_mul(&at.activation).into_result()?;
        self.settings.at_layer(at, contributions)
    }
}
