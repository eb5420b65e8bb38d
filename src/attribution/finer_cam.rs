//! Finer-CAM.

use tch::Kind;

use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, GradCam, Target};
use crate::error::{Error, Result};
use crate::tensor::to_floats;

/// Finer-CAM: [Grad-CAM](super::GradCam) for what sets a class apart from those that the network finds
/// most alike: `Σⱼ pⱼ (y − α yⱼ) / (Σⱼ pⱼ + 1e-9)` in place of the class's score `y`, where `j` are the
/// [`alternatives`](FinerCam::alternatives), the classes whose scores are nearest to `y`, `yⱼ` their scores
/// and `pⱼ` their probabilities. `α` is the [`strength`](FinerCam::strength) of the comparison. A remark
/// names the alternatives.
///
/// For networks that classify, and one class.
///
/// Zhang et al. 2025, <https://arxiv.org/abs/2501.11309>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&FinerCam::at("features.12").class("tabby"))?;
/// println!("{}", heat.remarks()[0]); // against which classes
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FinerCam {
    settings: Settings,
    alternatives: usize,
    strength: f64,
}

impl Default for FinerCam {
    fn default() -> Self {
        FinerCam { settings: Settings::default(), alternatives: 3, strength: 1.0 }
    }
}

shared_setters!(FinerCam at a layer);

impl FinerCam {
    /// How many classes the class is compared with: 3 unless set, or all others where there are fewer.
    #[must_use]
    pub fn alternatives(&self, count: usize) -> Self {
        Self { alternatives: count, ..self.clone() }
    }

    /// How much the alternatives' scores count: 1 unless set, as in pytorch-grad-cam; the paper has 0.6.
    #[must_use]
    pub fn strength(&self, alpha: f64) -> Self {
        Self { strength: alpha, ..self.clone() }
    }
}

impl Attribution for FinerCam {
    fn name(&self) -> String {
        self.settings.named("Finer-CAM")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        if self.alternatives == 0 || !self.strength.is_finite() {
            return Err(Error::Argument(format!(
                "a class is compared with 1 or more others, with a finite strength, not with {} and {}",
                self.alternatives, self.strength
            )));
        }
        let mut targets = Vec::with_capacity(case.count());
        let mut remarks = Vec::with_capacity(case.count());
        for (goal, output) in case.goals()?.iter().zip(case.outputs()?) {
            let scores = to_floats(&output)?;
            let classifies = matches!(output.size().as_slice(), [1, _] | [1, _, 1, 1]);
            let (Some(class), true) = (goal.class, classifies && scores.len() > 1) else {
                return Err(Error::Argument(format!(
                    "Finer-CAM sets one class of a network that classifies apart from others, not {:?}: \
                     take GradCam, which explains any target",
                    goal.label
                )));
            };
            let mut others: Vec<usize> =
                (0..scores.len()).filter(|&other| other != class).collect();
            let distance = |other: usize| (scores[other] - scores[class]).abs();
            others.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
            others.truncate(self.alternatives);
            let names: Vec<String> =
                others.iter().map(|&other| case.model().class_name(other)).collect();
            remarks.push(format!("{} against {}", goal.label, names.join(", ")));
            targets.push(finer(class, others, self.strength));
        }
        remarks.dedup();
        let grad_cam = GradCam { settings: self.settings.clone() };
        let mut evidence = grad_cam.attribute(&case.with_targets(targets))?;
        evidence.remarks.extend(remarks);
        Ok(evidence)
    }
}

fn finer(class: usize, others: Vec<usize>, strength: f64) -> Target {
    let others: Vec<i64> = others.into_iter().map(|other| other as i64).collect();
    Target::function("the difference from classes alike", move |scores| {
        let scores = scores.flatten(0, -1);
        let others = tch::Tensor::from_slice(&others).to_device(scores.device());
        let weights = scores.softmax(0, None::<Kind>).index_select(0, &others);
        let own = scores.get(class as i64);
        let difference = own - scores.index_select(0, &others) * strength;
        (&weights * difference).sum(None::<Kind>) / (weights.sum(None::<Kind>) + 1e-9)
    })
}
