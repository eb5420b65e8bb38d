//! HiResCAM.

use tch::Tensor;

use super::{LayerCase, LayerMethod, Weighting};
use crate::error::Result;
use crate::tensor::IntoResult;

/// HiResCAM: `ReLU(Σₖ ∂y/∂Aₖ · Aₖ)`, element by element: no gradient is averaged over space, so that the
/// map shows the very places that raised the score, where the layer is followed by one linear layer.
///
/// Draelos and Carin 2020, <https://arxiv.org/abs/2011.08891>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&HiResCam::at("features.12").class("tabby"))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
pub type HiResCam = LayerMethod<GradientTimesActivation>;

/// HiResCAM's contributions: gradient times activation.
#[derive(Clone, Copy, Debug, Default)]
pub struct GradientTimesActivation;

impl Weighting for GradientTimesActivation {
    const NAME: &'static str = "HiResCAM";

    fn contributions(&self, case: &LayerCase) -> Result<Tensor> {
        case.gradient()?.f_mul(&case.activation).into_result()
    }
}
