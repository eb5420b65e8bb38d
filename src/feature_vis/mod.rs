//! What a part of a network looks for: pictures made to excite it, by gradient ascent from noise.
//! Activation maximisation, Erhan et al. 2009; Olah et al. 2017,
//! <https://distill.pub/2017/feature-visualization>.
//!
//! ```
//! use convlens::prelude::*;
//! let model = zoo::squeezenet1_1()?;
//! let quick = FeatureVis::default().size(64).steps(4);
//! let sheet = quick.run(&model, Objective::channels("features.6", 3..6))?;
//! assert_eq!(sheet.len(), 3); // shows itself; so does model.patterns("features.6", 3..6)
//! Ok::<(), convlens::Error>(())
//! ```
//!
//! - An [`Objective`] is what is made large: a channel, a neuron, a layer, a direction, a class, or a
//!   sum of them.
//! - [`FeatureVis`] is how: [`Parametrization`], [`Transform`]s, [`Regularizer`]s, optimiser, seed;
//!   recipes set all of them at once.
//! - [`Patterns`] are what comes out.

mod fourier;
mod grid;
mod objective;
mod parametrization;
mod pattern;
mod regularizer;
mod resolved;
mod run;
mod settings;
mod transform;
mod trunk;

pub use grid::PatternGrid;
pub use objective::Objective;
pub use parametrization::Parametrization;
pub use pattern::{Divergence, Pattern, Patterns};
pub use regularizer::Regularizer;
pub use settings::FeatureVis;
pub use transform::Transform;

use std::borrow::Borrow;

use crate::error::Result;
use crate::model::{LayerRef, Model};

impl Model {
    /// Pictures that excite these channels of a layer, by [`FeatureVis::default`]:
    /// `model.patterns("features.24", [25, 104, 116])`.
    ///
    /// # Errors
    /// As [`FeatureVis::run`].
    pub fn patterns(
        &self,
        layer: impl Into<LayerRef>,
        channels: impl IntoIterator<Item = impl Borrow<usize>>,
    ) -> Result<Patterns> {
        FeatureVis::default().run(self, Objective::channels(layer, channels))
    }
}
