//! HiResCAM.

use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Target};
use crate::error::Result;
use crate::tensor::IntoResult;

/// HiResCAM: `ReLU(Σₖ ∂y/∂Aₖ · Aₖ)`, element by element: no gradient is averaged over space, so that the
/// map shows the very places that raised the score, where the layer is followed by one linear layer.
///
/// Draelos and Carin 2020, <https://arxiv.org/abs/2011.08891>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&HiResCam::at("features.12").class("tabby"))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct HiResCam {
    settings: Settings,
}

shared_setters!(HiResCam at a layer);

impl Attribution for HiResCam {
    fn name(&self) -> String {
        self.settings.named("HiResCAM")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let at = self.settings.look_at(case)?;
        let contributions = at.gradient()?.f_mul(&at.activation).into_result()?;
        self.settings.at_layer(at, contributions)
    }
}
