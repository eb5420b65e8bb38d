//! What every method is told: what to explain, at which layer, and how channels become one map.

use super::{Case, Evidence, LayerCase, Meaning, Reduction, Target};
use crate::error::Result;
use crate::model::LayerRef;
use tch::Tensor;

/// The settings that methods share; [`shared_setters`] sets them.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    /// Without it, where the method looks by itself.
    pub(super) layer: Option<LayerRef>,
    pub(super) target: Target,
    pub(super) first_component: bool,
}

impl Settings {
    /// The method's name, with what was set otherwise.
    pub(super) fn named(&self, name: &str) -> String {
        if self.first_component { format!("{name}, first component") } else { name.to_owned() }
    }

    /// The layer that was set, or the last maps.
    pub(super) fn look_at<'a>(&self, case: &'a Case) -> Result<LayerCase<'a>> {
        case.at_chosen(self.layer.as_ref())
    }

    /// What a method found at a layer, as [`LayerCase::evidence`] has it.
    pub(super) fn at_layer(&self, at: LayerCase, contributions: Tensor) -> Result<Evidence> {
        let evidence = at.evidence(contributions)?;
        Ok(Evidence { reduction: self.reduction(&evidence), ..evidence })
    }

    /// What a method found at the input, one value for each of its own, `[N, C, H, W]` or `[N, F]`.
    pub(super) fn at_input(
        &self,
        case: &Case,
        contributions: Tensor,
        meaning: Meaning,
    ) -> Result<Evidence> {
        case.check_finite(&contributions)?;
        let evidence = Evidence::of_input(contributions, meaning)?;
        if !self.first_component {
            return Ok(evidence);
        }
        Ok(Evidence { reduction: self.reduction(&evidence), meaning: Meaning::Signed, ..evidence })
    }

    fn reduction(&self, evidence: &Evidence) -> Reduction {
        // Of one channel, the component would be the channel less its mean.
        match (self.first_component, evidence.contributions.size().get(1)) {
            (true, Some(1)) => Reduction::Sum,
            (true, _) => Reduction::PrincipalComponent,
            (false, _) => evidence.reduction,
        }
    }
}

/// The setters that methods share, for a type with a field `settings`. Methods that look at a layer have
/// `at` besides.
macro_rules! shared_setters {
    ($method:ident at a layer) => {
        impl $method {
            /// At this layer, by name or index, for the predicted class.
            pub fn at(layer: impl Into<$crate::model::LayerRef>) -> Self {
                let mut method = Self::default();
                method.settings.layer = Some(layer.into());
                method
            }
        }
        $crate::attribution::settings::shared_setters!($method);
    };
    ($method:ident) => {
        impl $method {
            /// For this class: an index, a name, or any other [`Target`](crate::attribution::Target).
            #[must_use]
            pub fn class(&self, target: impl Into<$crate::attribution::Target>) -> Self {
                let mut changed = self.clone();
                changed.settings.target = self.settings.target.followed_by(target.into());
                changed
            }

            /// At this output of a network that has several, by its name or its index.
            #[must_use]
            pub fn output(&self, output: impl Into<$crate::model::LayerRef>) -> Self {
                let mut changed = self.clone();
                changed.settings.target = self.settings.target.output(output);
                changed
            }

            /// The first principal component of the channels' contributions in place of their sum, which is
            /// smoother and, of values at the input, signed: pytorch-grad-cam's `eigen_smooth`. A single
            /// channel stays as it is. See
            /// [`principal_component`](crate::attribution::principal_component()).
            #[must_use]
            pub fn principal_component(&self) -> Self {
                let mut changed = self.clone();
                changed.settings.first_component = true;
                changed
            }
        }
    };
}
pub(super) use shared_setters;
