//! Grad-CAM element-wise, as pytorch-grad-cam has it.

use tch::Tensor;

use super::{LayerCase, LayerMethod, Weighting};
use crate::error::Result;
use crate::tensor::IntoResult;

/// Grad-CAM element-wise: `Σₖ ReLU(∂y/∂Aₖ · Aₖ)`. As [`HiResCam`](super::HiResCam), but what a channel
/// takes away from the score does not cancel what another adds. It is pytorch-grad-cam's
/// `GradCAMElementWise`; there is no paper.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&GradCamElementWise::at("features.12").class("tabby"))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
pub type GradCamElementWise = LayerMethod<PositiveProducts>;

/// The positive products of gradient and activation.
#[derive(Clone, Copy, Debug, Default)]
pub struct PositiveProducts;

impl Weighting for PositiveProducts {
    const NAME: &'static str = "Grad-CAM element-wise";

    fn contributions(&self, case: &LayerCase) -> Result<Tensor> {
        let product = case.gradient()?.f_mul(&case.activation);
        product.and_then(|product| product.f_relu()).into_result()
    }
}
