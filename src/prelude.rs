//! What `use convlens::prelude::*` brings into a notebook.
//!
//! Networks stand in [`zoo`]: `zoo::resnet18()` has its published weights,
//! `zoo::resnet18_with(weights::read("finetuned.pth")?)` yours, with the classes and channels of the file,
//! and `zoo::resnet18_for(1, 10, 0)` starts for one channel and ten classes, to be trained by
//! [`Fit`].

pub use crate::attribution::{
    AblationCam, AttentionRollout, Attribution, Augmented, Baseline, BlurIntegratedGradients, Cam,
    Deconvolution, DeepLift, DeepLiftShap, EigenCam, EigenGradCam, ExpectedGradients,
    FeatureAblation, Fem, FinerCam, FullGrad, Fused, GradCam, GradCamElementWise, GradCamPlusPlus,
    GuidedBackprop, GuidedGradCam, Heatmap, HiResCam, Hsic, InputXGradient, IntegratedGradients,
    IsCam, KernelShap, KpcaCam, LayerCam, LeGrad, Lime, Lrp, LrpComposite, LrpRule, Occlusion,
    Rise, Saliency, ScoreCam, SegEigenCam, ShapleyCam, ShapleyValues, SmoothGrad,
    SmoothGradCamPlusPlus, Sobol, SsCam, Target, XGradCam,
};
pub use crate::chart::{Chart, SmallMultiples};
pub use crate::compare;
pub use crate::concept::{
    ConceptMaps, Craft, CraftConcepts, DeepFeatureFactorization, Factorization, Tcav, TcavTest,
};
pub use crate::dataset::{
    Channels, ClassSums, ImageFolder, MapPatches, MapRanking, Patch, PatchSearch, PhotoMaps,
    Selectivity, TopMapSearch, TopMaps, TopPatches,
};
pub use crate::drawing::Drawing;
pub use crate::explorer::{self, Explorer};
pub use crate::feature_maps::FeatureMaps;
pub use crate::feature_vis::{
    FeatureVis, Objective, Parametrization, Pattern, PatternGrid, Patterns, Regularizer, Transform,
};
pub use crate::kernels::{Kernels, WeightStatistics, compare_kernels};
pub use crate::look::{
    AttentionMaps, Detection, Detections, Detector, Look, Looks, Prediction, Predictions,
};
pub use crate::mask::{Classes, Mask, SegmentationScore};
pub use crate::metric::{
    self, Adcc, AverageDrop, Complexity, Deletion, Energy, Increase, Infidelity, Insertion,
    MaxSensitivity, Metric, PointingGame, Randomisation, Road, Sparseness, trust,
};
pub use crate::model::{
    AdaptiveAvgPool2d, BatchNorm2d, Conv2d, ConvTranspose2d, Layer, LayerRef, Layers, Linear,
    Model, Module, Op, Pass, Pool2d, WeightInit, Weights,
};
pub use crate::ops;
pub use crate::photo::{Bands, Photo, Preprocess};
pub use crate::picture::{
    Animation, Blend, Cell, Colormap, Maps, Normalize, Overlay, Picture, PictureTable, Rectangle,
    Region, Resize, Segmentation, Segments, Sheet, Slic,
};
pub use crate::report::{Report, Reported};
pub use crate::show;
pub use crate::show::{MimeBundle, Show, side_by_side, together};
pub use crate::train::{Fit, Fitted, Loss, Optimizer};
pub use crate::weights;
pub use crate::zoo;
pub use tch::{self, Tensor};
