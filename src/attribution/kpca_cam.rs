//! KPCA-CAM.

use tch::{Kind, Tensor};

use super::evidence::agreeing;
use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Target};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// The kernel compares every place of a layer with every other: of so many it takes 134 MB and some seconds.
const MOST_PLACES: i64 = 4096;

/// KPCA-CAM: as [`EigenCam`](super::EigenCam), the first principal component of a layer's activation, but by
/// a kernel that bends: `tanh(γ x·x′ + 1)` of the channels at two places `x` and `x′`, less their means, with
/// `γ` one divided by the number of channels. It asks for no class. Its sign is that in which it agrees with
/// the mean activation.
///
/// For layers of up to 4,096 places (64 × 64).
///
/// Karmani et al. 2024, <https://arxiv.org/abs/2410.00267>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&KpcaCam::at("features.12"))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct KpcaCam {
    settings: Settings,
    gamma: Option<f64>,
}

shared_setters!(KpcaCam at a layer);

impl KpcaCam {
    /// How much the kernel bends, `γ`: one divided by the number of channels unless set.
    #[must_use]
    pub fn gamma(&self, gamma: f64) -> Self {
        Self { gamma: Some(gamma), ..self.clone() }
    }
}

impl Attribution for KpcaCam {
    fn name(&self) -> String {
        self.settings.named("KPCA-CAM")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn is_for_target(&self) -> bool {
        false
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        if let Some(gamma) = self.gamma.filter(|gamma| !gamma.is_finite() || *gamma <= 0.0) {
            return Err(Error::Argument(format!("γ is a number above 0, not {gamma}")));
        }
        let at = self.settings.look_at(case)?;
        case.check_finite(&at.activation)?;
        let size = at.activation.size();
        let (channels, places) = (size[1], size[2] * size[3]);
        if places > MOST_PLACES {
            return Err(Error::Argument(format!(
                "{:?} has {places} places, and comparing each with each takes {} MB: choose a layer of \
                 up to {MOST_PLACES}, such as {:?}, or take EigenCam",
                at.layer(),
                (places * places) >> 17,
                case.model().last_maps()?
            )));
        }
        let gamma = self.gamma.unwrap_or(1.0 / channels as f64);
        let maps = (0..size[0]).map(|i| {
            let one = at.activation.f_select(0, i).into_result()?;
            let component = first_component(&one, gamma).into_result()?;
            component.f_reshape([1, 1, size[2], size[3]]).into_result()
        });
        let maps = Tensor::f_cat(&maps.collect::<Result<Vec<_>>>()?, 0).into_result()?;
        self.settings.at_layer(at, maps)
    }
}

/// `[C, h, w] -> [hw, 1]`
fn first_component(activation: &Tensor, gamma: f64) -> Result<Tensor, tch::TchError> {
    let mean = |t: &Tensor, dim: i64| t.f_mean_dim([dim].as_slice(), true, None::<Kind>);
    let places = activation.f_to_kind(Kind::Double)?.f_flatten(1, -1)?.f_transpose(0, 1)?; // [hw, C]
    let places = places.f_sub(&mean(&places, 0)?)?;
    let kernel = places.f_matmul(&places.f_transpose(0, 1)?)?;
    let kernel = kernel.f_mul_scalar(gamma)?.f_add_scalar(1.0)?.f_tanh()?;
    let rows = mean(&kernel, 1)?;
    let centred = kernel.f_sub(&rows)?.f_sub(&mean(&kernel, 0)?)?.f_add(&mean(&rows, 0)?)?;
    let (values, vectors) = centred.f_linalg_eigh("L")?;
    let size = values.f_narrow(0, -1, 1)?.f_clamp_min(0.0)?.f_sqrt()?;
    let component = vectors.f_narrow(1, -1, 1)?.f_mul(&size)?;
    let sums = places.f_sum_dim_intlist([1i64].as_slice(), true, None::<Kind>)?;
    agreeing(&component, &sums, 0)?.f_to_kind(Kind::Float)
}
