//! LayerCAM.

use tch::Tensor;

use super::{LayerCase, LayerMethod, Weighting};
use crate::error::Result;
use crate::tensor::IntoResult;

/// LayerCAM: `ReLU(Σₖ ReLU(∂y/∂Aₖ) · Aₖ)`, element by element, which holds up at early layers, where the
/// mean of a gradient over space says little.
///
/// Jiang et al. 2021, <https://ieeexplore.ieee.org/document/9462463>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&LayerCam::at("features.12").class("tabby"))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
pub type LayerCam = LayerMethod<PositiveGradient>;

/// LayerCAM's contributions: activations, weighted by their own positive gradients.
#[derive(Clone, Copy, Debug, Default)]
pub struct PositiveGradient;

impl Weighting for PositiveGradient {
    const NAME: &'static str = "LayerCAM";

    fn contributions(&self, case: &LayerCase) -> Result<Tensor> {
        let positive = case.gradient()?.f_relu();
        positive.and_then(|positive| positive.f_mul(&case.activation)).into_result()
    }
}
