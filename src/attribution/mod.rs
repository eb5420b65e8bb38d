//! Where a network looks when it decides: one method, or family of methods, a file.
//!
//! A method turns a [`Case`], a batch of inputs with the scores that are to be explained, into
//! [`Evidence`]; what all of them share (targets, batches, gradients, memory, checks) stands in
//! [`Case`], and what becomes of the numbers in [`Heatmap`].
//!
//! | family | methods |
//! |---|---|
//! | class activation | [`Cam`], [`GradCam`], [`GradCamPlusPlus`], [`HiResCam`], [`GradCamElementWise`], [`XGradCam`], [`LayerCam`], [`EigenCam`], [`EigenGradCam`], [`SegEigenCam`], [`KpcaCam`], [`Fem`], [`FinerCam`], [`ShapleyCam`], [`SmoothGradCamPlusPlus`], [`ScoreCam`], [`SsCam`], [`IsCam`], [`AblationCam`] |
//! | gradients of the input | [`Saliency`], [`GuidedBackprop`], [`Deconvolution`], [`InputXGradient`], [`IntegratedGradients`], [`BlurIntegratedGradients`], [`ExpectedGradients`], [`GuidedGradCam`], [`FullGrad`] |
//! | attention, in transformers | [`AttentionRollout`], [`LeGrad`] |
//! | relevance | [`Lrp`], [`DeepLift`], [`DeepLiftShap`] |
//! | perturbation | [`Occlusion`], [`FeatureAblation`], [`ShapleyValues`], [`KernelShap`], [`Lime`], [`Rise`], [`Sobol`], [`Hsic`] |
//! | around any of them | [`Fused`] (several layers or methods; also RefineCAM), [`Augmented`] (flips and scales), [`SmoothGrad`] (noise; also VarGrad) |
//!
//! # Functions in the place of networks
//!
//! The methods of perturbation see a network from outside. They explain any
//! function from photos, `[N, C, H, W]`, to scores, `[N, classes]`, as a network of one layer:
//!
//! ```
//! use convlens::prelude::*;
//! let mut net = Model::builder("brightness", [3, 64, 64]).preprocess(Preprocess::exact(64, 64));
//! let photos = net.input();
//! let places = [2i64, 3];
//! net.add("mean", Module::function(move |x, _| x[0].mean_dim(&places[..], false, tch::Kind::Float)), &[photos]);
//! let model = net.build()?.classes(["red", "green", "blue"])?;
//! let look = model.look(&Photo::open("assets/photos/cat.png")?)?;
//! let heat = look.explain(&KernelShap::default().class("red").samples(60))?;
//! assert_eq!(heat.target(), "red (0)");
//! Ok::<(), convlens::Error>(())
//! ```

mod ablation_cam;
mod attention_rollout;
mod augmented;
mod baseline;
mod blur_integrated_gradients;
mod case;
mod channels;
mod class_activation;
mod deep_lift;
mod eigen_cam;
mod element_wise;
mod evidence;
mod expected_gradients;
mod feature_ablation;
mod fem;
mod finer_cam;
mod full_grad;
mod fused;
mod grad_cam;
mod grad_cam_plus_plus;
mod guided;
mod guided_grad_cam;
mod heatmap;
mod hires_cam;
mod hsic;
mod input_x_gradient;
mod integrated_gradients;
mod is_cam;
mod kernel_shap;
mod kpca_cam;
mod layer_cam;
mod layer_case;
mod legrad;
mod likeness;
mod lime;
mod long_work;
mod lrp;
mod noise;
mod occlusion;
mod regression;
mod resolved_target;
mod rise;
mod saliency;
mod score_cam;
mod seg_eigen_cam;
mod settings;
mod shapley_cam;
mod shapley_values;
mod smooth_grad;
mod smooth_grad_cam_plus_plus;
mod sobol;
mod ss_cam;
mod target;
mod variants;
mod xgrad_cam;

use std::rc::Rc;

pub use ablation_cam::AblationCam;
pub use attention_rollout::AttentionRollout;
pub use augmented::Augmented;
pub use baseline::Baseline;
pub use blur_integrated_gradients::BlurIntegratedGradients;
pub use case::Case;
pub use class_activation::Cam;
pub use deep_lift::{DeepLift, DeepLiftShap};
pub use eigen_cam::{EigenCam, EigenGradCam};
pub use element_wise::GradCamElementWise;
pub use evidence::{Evidence, Meaning, Reduction, principal_component};
pub use expected_gradients::ExpectedGradients;
pub use feature_ablation::FeatureAblation;
pub use fem::Fem;
pub use finer_cam::FinerCam;
pub use full_grad::FullGrad;
pub use fused::Fused;
pub use grad_cam::GradCam;
pub use grad_cam_plus_plus::GradCamPlusPlus;
pub use guided::{Deconvolution, GuidedBackprop};
pub use guided_grad_cam::GuidedGradCam;
pub use heatmap::Heatmap;
pub use hires_cam::HiResCam;
pub use hsic::Hsic;
pub use input_x_gradient::InputXGradient;
pub use integrated_gradients::IntegratedGradients;
pub use is_cam::IsCam;
pub use kernel_shap::KernelShap;
pub use kpca_cam::KpcaCam;
pub use layer_cam::LayerCam;
pub use layer_case::LayerCase;
pub use legrad::LeGrad;
pub use likeness::Likeness;
pub use lime::Lime;
pub(crate) use long_work::LongWork;
pub use lrp::{Lrp, LrpComposite, LrpRule};
pub use occlusion::Occlusion;
pub use rise::Rise;
pub use saliency::Saliency;
pub use score_cam::ScoreCam;
pub use seg_eigen_cam::SegEigenCam;
pub use shapley_cam::ShapleyCam;
pub use shapley_values::ShapleyValues;
pub use smooth_grad::SmoothGrad;
pub use smooth_grad_cam_plus_plus::SmoothGradCamPlusPlus;
pub use sobol::Sobol;
pub(crate) use sobol::{designed, total_indices};
pub use ss_cam::SsCam;
pub(crate) use target::End;
pub use target::{Function, Target};
pub use xgrad_cam::XGradCam;

use crate::error::{Error, Result};
use crate::look::{Look, Looks, Memory};
use crate::photo::View;

/// A way to explain what a network sees in a photo, or in a row of numbers: what every method is, and all that looks, data
/// sets and comparisons know of one. [`LayerCase`] shows a method of one's own.
pub trait Attribution {
    /// The method's name as its paper has it, with what was set otherwise.
    fn name(&self) -> String;

    /// What it was told to explain.
    fn target(&self) -> Target;

    /// Whether its map follows from the target. Attention rollout and the first components of activations are the
    /// same for all: captions then name no class.
    fn is_for_target(&self) -> bool {
        true
    }

    /// What it computes for each of a batch. While it is called by a look, operations on tensors are not
    /// recorded for gradients, which come from the case.
    ///
    /// # Errors
    /// Unknown layers, and what the method cannot be applied to.
    fn attribute(&self, case: &Case) -> Result<Evidence>;
}

macro_rules! attribution_by_pointer {
    ($($pointer:ty),*) => {
        $(impl<A: Attribution + ?Sized> Attribution for $pointer {
            fn name(&self) -> String {
                (**self).name()
            }

            fn target(&self) -> Target {
                (**self).target()
            }

            fn is_for_target(&self) -> bool {
                (**self).is_for_target()
            }

            fn attribute(&self, case: &Case) -> Result<Evidence> {
                (**self).attribute(case)
            }
        })*
    };
}
attribution_by_pointer!(&A, Box<A>, Rc<A>);

impl Look {
    /// Where the network looks, by any method of [`attribution`](crate::attribution). Of an input that is a row of
    /// numbers, a bar for each says what it contributes.
    ///
    /// # Errors
    /// Unknown layers and classes, what the method cannot be applied to, and values that are not
    /// finite: the error names the layer that they come from.
    pub fn explain(&self, method: &dyn Attribution) -> Result<Heatmap> {
        self.explain_for(method, method.target())
    }

    /// The same for another target than the method's own.
    ///
    /// # Errors
    /// As [`explain`](Look::explain).
    pub fn explain_for(
        &self,
        method: &dyn Attribution,
        target: impl Into<Target>,
    ) -> Result<Heatmap> {
        let mut heat =
            explain(self.memory(), &[Rc::clone(self.view())], method, vec![target.into()])?;
        heat.pop().ok_or_else(|| Error::Shape("no explanation".into()))
    }

    /// The same for several targets, a heat map each: classes, or a detector's boxes, `&found` of
    /// [`detections`](Look::detections), each of which is drawn on its map.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
    /// let heat = look.explain_each(&GradCam::default(), ["tabby", "tiger cat"])?;
    /// assert_eq!(heat.len(), 2);
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`explain`](Look::explain); when there is no target.
    pub fn explain_each<T: Into<Target>>(
        &self,
        method: &dyn Attribution,
        targets: impl IntoIterator<Item = T>,
    ) -> Result<Vec<Heatmap>> {
        let heat = targets.into_iter().map(|target| self.explain_for(method, target));
        let heat = heat.collect::<Result<Vec<_>>>()?;
        match heat.is_empty() {
            false => Ok(heat),
            true => Err(Error::Argument(
                "there is nothing to explain: no class was named, or no box was found".into(),
            )),
        }
    }
}

impl Look {
    /// This photo with what is explained of it.
    pub(crate) fn case(&self, target: Target) -> Result<Case> {
        let (memory, targets) = at_end(self.memory(), vec![target])?;
        Ok(Case::new(&memory, targets))
    }
}

impl Looks {
    /// These photos with what is explained of each.
    pub(crate) fn case(&self, target: Target) -> Result<Case> {
        let (memory, targets) = at_end(self.memory(), vec![target; self.len()])?;
        Ok(Case::new(&memory, targets))
    }

    /// Where the network looks in each photo: in one pass, but for the methods that run many variants
    /// of each photo (integrated gradients, Score-CAM, Ablation-CAM, and perturbation).
    ///
    /// # Errors
    /// As [`Look::explain`].
    pub fn explain(&self, method: &dyn Attribution) -> Result<Vec<Heatmap>> {
        explain(self.memory(), self.views(), method, vec![method.target(); self.len()])
    }

    /// The same with a target for each photo.
    ///
    /// # Errors
    /// As [`Look::explain`]; when there are more or fewer targets than photos.
    pub fn explain_each<T: Into<Target>>(
        &self,
        method: &dyn Attribution,
        targets: impl IntoIterator<Item = T>,
    ) -> Result<Vec<Heatmap>> {
        let targets: Vec<Target> = targets.into_iter().map(Into::into).collect();
        if targets.len() != self.len() {
            return Err(Error::Argument(format!(
                "{} photos need as many targets, one each, but there are {}",
                self.len(),
                targets.len()
            )));
        }
        explain(self.memory(), self.views(), method, targets)
    }
}

/// The targets, and the memory seen from where all of them are computed.
fn at_end(memory: &Rc<Memory>, targets: Vec<Target>) -> Result<(Rc<Memory>, Vec<Target>)> {
    let targets = targets.iter().map(Target::at_end).collect::<Result<Vec<_>>>()?;
    let (mut ends, targets): (Vec<_>, Vec<_>) = targets.into_iter().unzip();
    ends.dedup();
    if ends.len() > 1 {
        return Err(Error::Argument(
            "the targets of one batch are at several outputs or layers: explain one after the other"
                .into(),
        ));
    }
    let memory = match ends.pop().flatten() {
        None => Rc::clone(memory),
        Some(end) => end.of(memory)?,
    };
    Ok((memory, targets))
}

fn explain(
    memory: &Rc<Memory>,
    views: &[Rc<View>],
    method: &dyn Attribution,
    targets: Vec<Target>,
) -> Result<Vec<Heatmap>> {
    let (memory, targets) = at_end(memory, targets).map_err(|e| e.while_doing(method.name()))?;
    heats(&Case::new(&memory, targets), views, method)
}

/// What a method finds in a case, of which each input is seen so.
pub(crate) fn heats(
    case: &Case,
    views: &[Rc<View>],
    method: &dyn Attribution,
) -> Result<Vec<Heatmap>> {
    let name = method.name();
    let doing = |e: Error| e.while_doing(&name);
    let evidence = {
        let _no_grad = tch::no_grad_guard();
        method.attribute(case).map_err(doing)?
    };
    let maps = evidence.maps().map_err(doing)?;
    case.check_finite(&maps).map_err(doing)?;
    let goals = case.goals().map_err(doing)?;
    let scores = case.scores().map_err(doing)?;
    let mut heat = Vec::with_capacity(views.len());
    for (i, (view, goal)) in views.iter().zip(goals.iter()).enumerate() {
        let map = Heatmap::new(view, &name, &evidence, &maps, i, goal, scores[i])?;
        heat.push(match method.is_for_target() {
            true => map,
            false => map.for_no_target(),
        });
    }
    let input = case.model().input_named();
    Ok(heat.into_iter().map(|map| map.at_input(input.as_deref())).collect())
}
