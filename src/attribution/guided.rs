//! Gradients by another rule at the rectifiers: guided backpropagation and the deconvolution network.

use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Meaning, Target};
use crate::error::Result;
use crate::model::{Model, Rule};

/// Guided backpropagation: `∂y/∂x`, where every rectifier lets a gradient `g` through only where both
/// its input and the gradient are positive, `g · [input > 0] · [g > 0]`. Fine structures of what the
/// network responds to, in colour; it depends little on the class.
///
/// A ReLU6 is a rectifier, too: it is closed where its input is 6 or more. (captum's method knows ReLU
/// alone.) Rectifiers inside modules of one's own cannot be seen; a remark says so.
///
/// Springenberg et al. 2015, <https://arxiv.org/abs/1412.6806>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&GuidedBackprop::default().class("tabby"))?;
/// assert_eq!(heat.channels().count(), 3); // the signed gradients of red, green and blue
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct GuidedBackprop {
    settings: Settings,
}

shared_setters!(GuidedBackprop);

/// The deconvolution network's gradients: `∂y/∂x`, where every rectifier lets the positive gradients
/// through, whatever its input was, `g · [g > 0]`.
///
/// Zeiler and Fergus 2014, <https://arxiv.org/abs/1311.2901>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&Deconvolution::default())?;
/// assert_eq!((heat.height(), heat.width()), (224, 224));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Deconvolution {
    settings: Settings,
}

shared_setters!(Deconvolution);

impl Attribution for GuidedBackprop {
    fn name(&self) -> String {
        self.settings.named("Guided backpropagation")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        by_rule(&self.settings, case, Rule::Guided)
    }
}

impl Attribution for Deconvolution {
    fn name(&self) -> String {
        self.settings.named("Deconvolution")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        by_rule(&self.settings, case, Rule::Deconvolution)
    }
}

fn by_rule(settings: &Settings, case: &Case, rule: Rule) -> Result<Evidence> {
    let gradient = case.input_gradient(rule)?;
    let remarks = hidden_rectifiers(case.model()).into_iter().collect();
    Ok(Evidence { remarks, ..settings.at_input(case, gradient, Meaning::Colour)? })
}

/// A remark on a network where a changed rule changes less than one may think.
pub(super) fn hidden_rectifiers(model: &Model) -> Option<String> {
    let (modules, name) = (model.modules(), model.name());
    match (model.rectifiers(), modules.as_slice()) {
        (1.., []) => None,
        (0, []) => {
            Some(format!("{name} has no rectifier (ReLU, ReLU6): this is its plain gradient"))
        }
        (count, [first, rest @ ..]) => {
            let others = match rest.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let seen = if count == 0 { "no rectifier was seen" } else { "not all may be seen" };
            Some(format!(
                "{seen}: inside the module {first:?}{others} rectifiers follow their plain gradient"
            ))
        }
    }
}
