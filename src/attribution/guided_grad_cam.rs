//! Guided Grad-CAM.

use tch::Tensor;

use super::guided::hidden_rectifiers;
use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, GradCam, Meaning, Target};
use crate::error::Result;
use crate::model::Rule;
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
#[derive(Clone, Debug, Default)]
pub struct GuidedGradCam {
    settings: Settings,
    nearest: bool,
}

shared_setters!(GuidedGradCam at a layer);

impl GuidedGradCam {
    /// Resizes the map by repeating its pixels: captum's default.
    #[must_use]
    pub fn nearest(&self) -> Self {
        Self { nearest: true, ..self.clone() }
    }

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

impl Attribution for GuidedGradCam {
    fn name(&self) -> String {
        self.settings.named(if self.nearest {
            "Guided Grad-CAM, nearest"
        } else {
            "Guided Grad-CAM"
        })
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        case.check_photo(&self.name())?;
        let grad_cam = match &self.settings.layer {
            Some(layer) => GradCam::at(layer.clone()),
            None => GradCam::default(),
        };
        let evidence = grad_cam.attribute(case)?;
        let map = evidence.maps()?.f_relu().into_result()?;
        let guided = case.input_gradient(Rule::Guided)?;
        let map = self.enlarged(&map, &guided.size()[2..])?;
        let product = guided.f_mul(&map).into_result()?;
        let mut remarks = evidence.remarks;
        remarks.extend(hidden_rectifiers(case.model()));
        let layer = evidence.layer;
        Ok(Evidence { layer, remarks, ..self.settings.at_input(case, product, Meaning::Colour)? })
    }
}
