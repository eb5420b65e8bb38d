//! XGrad-CAM.

use tch::{Kind, Tensor};

use super::{LayerCase, LayerMethod, Weighting};
use crate::error::Result;
use crate::tensor::IntoResult;

/// XGrad-CAM: `ReLU(Σₖ wₖ Aₖ)` with `wₖ = Σ(g · Aₖ) / (ΣAₖ + 1e-7)` over space and `g = ∂y/∂Aₖ`: the
/// gradients' mean, weighted by where the channel is active, so that the channels' sums explain the
/// score as fully as they can.
///
/// It is made for layers behind a rectifier. Where activations have both signs, a channel whose values
/// cancel has a sum near 0 and so a weight without bound: there, take
/// [`HiResCam`](super::HiResCam), whose map sums up to the same.
///
/// Fu et al. 2020, <https://arxiv.org/abs/2008.02312>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&XGradCam::at("features.12").class("tabby"))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
pub type XGradCam = LayerMethod<ActivationWeightedGradient>;

/// XGrad-CAM's weights: the mean gradient of each channel, weighted by its activation.
#[derive(Clone, Copy, Debug, Default)]
pub struct ActivationWeightedGradient;

impl Weighting for ActivationWeightedGradient {
    const NAME: &'static str = "XGrad-CAM";

    fn contributions(&self, case: &LayerCase) -> Result<Tensor> {
        let gradient = case.gradient()?;
        let sum = |t: &Tensor| t.f_sum_dim_intlist([2i64, 3].as_slice(), true, None::<Kind>);
        let work = || {
            let above = sum(&gradient.f_mul(&case.activation)?)?;
            let below = sum(&case.activation)?.f_add_scalar(1e-7)?;
            above.f_div(&below)?.f_mul(&case.activation)
        };
        work().into_result()
    }
}
