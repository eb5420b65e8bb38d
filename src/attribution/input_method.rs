//! What the methods that look at the input share: which score, and how channels become one map.

use tch::Tensor;

use super::{Attribution, Case, Evidence, Meaning, Reduction, Target};
use crate::error::Result;
use crate::model::LayerRef;
use crate::tensor::IntoResult;

/// What makes a method of the family: how much each value of the input counts.
pub trait Sensitivity {
    /// The method's name as its paper has it, with what was set otherwise.
    fn name(&self) -> String;

    /// What it computes for each of a batch, `[N, C, H, W]`.
    ///
    /// # Errors
    /// What the method cannot be applied to.
    fn evidence(&self, case: &Case) -> Result<Evidence>;
}

/// A method that looks at the input's own values: which class, and, by its type, how much each value
/// counts.
#[derive(Clone, Debug, Default)]
pub struct InputMethod<S> {
    target: Target,
    first_component: bool,
    pub(super) sensitivity: S,
}

impl<S: Clone> InputMethod<S> {
    pub(super) fn of(sensitivity: S) -> Self {
        InputMethod { target: Target::Predicted, first_component: false, sensitivity }
    }

    /// For this class: an index, a name, or any other [`Target`].
    #[must_use]
    pub fn class(&self, target: impl Into<Target>) -> Self {
        Self { target: self.target.followed_by(target.into()), ..self.clone() }
    }

    /// At this output of a network that has several, by its name or its index.
    #[must_use]
    pub fn output(&self, output: impl Into<LayerRef>) -> Self {
        Self { target: self.target.output(output), ..self.clone() }
    }

    /// One signed map, the first principal component of what the channels say; see
    /// [`principal_component`](super::principal_component). Where there is one channel, as in
    /// occlusion and with grey photos, it is that channel as it is.
    #[must_use]
    pub fn principal_component(&self) -> Self {
        Self { first_component: true, ..self.clone() }
    }
}

impl<S: Sensitivity> Attribution for InputMethod<S> {
    fn name(&self) -> String {
        let name = self.sensitivity.name();
        if self.first_component { format!("{name}, first component") } else { name }
    }

    fn target(&self) -> Target {
        self.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let evidence = self.sensitivity.evidence(case)?;
        case.check_finite(&evidence.contributions)?;
        if !self.first_component {
            return Ok(evidence);
        }
        // Of one channel, the component would be the channel less its mean.
        let reduction = match evidence.contributions.size().get(1) {
            Some(1) => Reduction::Sum,
            _ => Reduction::PrincipalComponent,
        };
        Ok(Evidence { reduction, meaning: Meaning::Signed, ..evidence })
    }
}

impl Evidence {
    /// Of the input: one value for each of its own, `[N, C, H, W]` or `[N, F]`, which add up over the channels; of
    /// a gradient in colour, the greatest counts.
    pub(super) fn of_input(contributions: Tensor, meaning: Meaning) -> Result<Evidence> {
        // Numbers stand in a row, as a map of one channel.
        let contributions = match *contributions.size().as_slice() {
            [photos, numbers] => contributions.f_reshape([photos, 1, 1, numbers]).into_result()?,
            _ => contributions,
        };
        // Without red, green and blue there is nothing to show in colour.
        let meaning = match (meaning, contributions.size().get(1)) {
            (Meaning::Colour, channels) if channels != Some(&3) => Meaning::Signed,
            (meaning, _) => meaning,
        };
        let reduction = match meaning {
            Meaning::Colour => Reduction::Greatest,
            _ => Reduction::Sum,
        };
        let (layer, remarks) = (None, Vec::new());
        Ok(Evidence { contributions, reduction, meaning, layer, remarks })
    }
}
