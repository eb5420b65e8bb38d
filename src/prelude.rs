//! What `use convlens::prelude::*` brings into a notebook.

pub use crate::attribution::{Attribution, GradCam, Heatmap, Target};
pub use crate::feature_maps::FeatureMaps;
pub use crate::look::{Look, Prediction, Predictions};
pub use crate::model::{Model, Op};
pub use crate::photo::{Photo, Preprocess};
pub use crate::picture::{Blend, Colormap, Maps, Normalize, Overlay, Picture, Sheet};
pub use crate::show;
pub use crate::show::{MimeBundle, Show};
pub use crate::zoo;
pub use tch::{self, Tensor};
