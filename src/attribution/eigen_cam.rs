//! Eigen-CAM, and its class-aware sibling of pytorch-grad-cam.

use tch::Tensor;

use super::{LayerCase, LayerMethod, Reduction, Weighting};
use crate::error::Result;
use crate::tensor::IntoResult;

/// Eigen-CAM: the [first principal component](super::principal_component) of a layer's activation. It
/// asks for no class: it shows what the layer itself finds most telling. Its sign is that in which it
/// agrees with the mean activation.
///
/// Muhammad and Yeasin 2020, <https://arxiv.org/abs/2008.00299>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&EigenCam::at("features.12"))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
pub type EigenCam = LayerMethod<Activation>;

/// Eigen-CAM's contributions: the activation itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Activation;

impl Weighting for Activation {
    const NAME: &'static str = "Eigen-CAM";
    const REDUCTION: Reduction = Reduction::PrincipalComponent;

    fn contributions(&self, case: &LayerCase) -> Result<Tensor> {
        Ok(case.activation.shallow_clone())
    }
}

/// EigenGrad-CAM: the [first principal component](super::principal_component) of gradient times
/// activation, `∂y/∂A · A`, which depends on the class. It is pytorch-grad-cam's; there is no paper.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&EigenGradCam::at("features.12").class("tabby"))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
pub type EigenGradCam = LayerMethod<EigenGradient>;

/// EigenGrad-CAM's contributions: gradient times activation.
#[derive(Clone, Copy, Debug, Default)]
pub struct EigenGradient;

impl Weighting for EigenGradient {
    const NAME: &'static str = "EigenGrad-CAM";
    const REDUCTION: Reduction = Reduction::PrincipalComponent;

    fn contributions(&self, case: &LayerCase) -> Result<Tensor> {
        case.gradient()?.f_mul(&case.activation).into_result()
    }
}
