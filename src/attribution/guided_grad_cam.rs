//! Guided Grad-CAM.

use tch::Tensor;

use super::guided::hidden_rectifiers;
use super::{Attribution, Case, Evidence, GradCam, InputMethod, Meaning, Sensitivity};
use crate::error::Result;
use crate::model::{LayerRef, Rule};
use crate::tensor::IntoResult;

/// Guided Grad-CAM: [guided backpropagation](super::GuidedBackprop) times
/// [Grad-CAM](super::GradCam)'s map, which is rectified and resized to the input's size. The fine
/// structure of the one, where the other says that the class is.
///
/// The map is resized as the paper does, bilinear (with half-pixel centres); captum's way, which shows
/// the map's pixels as blocks, is [`nearest`](GuidedGradCam::nearest).
///
/// Selvaraju et al. 2017, <https://arxiv.org/abs/1610.02391>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&GuidedGradCam::at("features.12").class("tabby"))?;
/// assert_eq!((heat.height(), heat.width()), (224, 224));
/// Ok::<(), convlens::Error>(())
/// ```
pub type GuidedGradCam = InputMethod<GuidedTimesGradCam>;

/// Guided gradients, weighted by Grad-CAM's map.
#[derive(Clone, Debug, Default)]
pub struct GuidedTimesGradCam {
    layer: Option<LayerRef>,
    nearest: bool,
}

impl GuidedGradCam {
    /// With Grad-CAM at this layer, by name or index, in place of the last maps.
    pub fn at(layer: impl Into<LayerRef>) -> Self {
        InputMethod::of(GuidedTimesGradCam { layer: Some(layer.into()), nearest: false })
    }

    /// Resizes the map by repeating its pixels: captum's default.
    #[must_use]
    pub fn nearest(&self) -> Self {
        let mut changed = self.clone();
        changed.sensitivity.nearest = true;
        changed
    }
}

impl GuidedTimesGradCam {
    /// `[N, h, w] -> [N, 1, H, W]`
    fn enlarged(&self, map: &Tensor, size: &[i64]) -> Result<Tensor> {
        let map = map.f_unsqueeze(1).into_result()?;
        let enlarged = match self.nearest {
            true => map.f_upsample_nearest2d(size, None, None),
            false => map.f_upsample_bilinear2d(size, false, None, None),
        };
        enlarged.into_result()
    }
}

impl Sensitivity for GuidedTimesGradCam {
    fn name(&self) -> String {
        if self.nearest { "Guided Grad-CAM, nearest".into() } else { "Guided Grad-CAM".into() }
    }

    fn evidence(&self, case: &Case) -> Result<Evidence> {
        case.check_photo(&self.name())?;
        let grad_cam = match &self.layer {
            Some(layer) => GradCam::at(layer.clone()),
            None => GradCam::default(),
        };
        let Evidence { contributions, reduction, layer, mut remarks, .. } =
            grad_cam.attribute(case)?;
        let _no_grad = tch::no_grad_guard();
        let map = reduction.reduce(&contributions)?.f_relu().into_result()?;
        let guided = case.input_gradient(Rule::Guided)?;
        let map = self.enlarged(&map, &guided.size()[2..])?;
        let product = guided.f_mul(&map).into_result()?;
        remarks.extend(hidden_rectifiers(case.model()));
        Ok(Evidence { layer, remarks, ..Evidence::of_input(product, Meaning::Colour)? })
    }
}
