//! Where a network looks when it decides: one family of methods a file.

mod cam;
mod grad_cam;
mod heatmap;
mod target;

pub use cam::{Cam, Weighting};
pub use grad_cam::{GradCam, MeanGradient};
pub use heatmap::Heatmap;
pub use target::Target;

use crate::error::Result;
use crate::look::Look;

/// A way to explain what a network sees in a photo.
pub trait Attribution {
    /// The heat map of one look.
    ///
    /// # Errors
    /// Unknown layers and classes, and what the method cannot be applied to.
    fn explain(&self, look: &Look) -> Result<Heatmap>;
}

impl Look {
    /// Where the network looks, by any method of this room.
    ///
    /// # Errors
    /// Unknown layers and classes, and what the method cannot be applied to.
    pub fn explain(&self, method: &dyn Attribution) -> Result<Heatmap> {
        method.explain(self)
    }
}
