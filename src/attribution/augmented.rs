//! Smoothing by flips and scales.

use std::rc::Rc;

use tch::Tensor;

use super::{Attribution, Case, Evidence, Meaning, Reduction, Target};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// A method, smoothed over flipped and scaled copies of the input: pytorch-grad-cam's `aug_smooth`.
///
/// The input and its mirror image are multiplied by each factor; each map is rectified, scaled to
/// 0..=1, resized to the input's size and scaled again, mirrored back where its input was mirrored, and
/// the mean is taken. "Scale" is that of the values: brightness and contrast. What is explained is what
/// the network says of the input itself.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&Augmented::new(GradCam::at("features.12")))?;
/// assert_eq!((heat.height(), heat.width()), (224, 224));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Debug)]
pub struct Augmented<A> {
    /// Shared by copies, so that it need not be one that can be copied.
    method: Rc<A>,
    factors: Vec<f64>,
}

impl<A: Attribution> Augmented<A> {
    /// With pytorch-grad-cam's factors: 0.9, 1 and 1.1.
    pub fn new(method: A) -> Self {
        Augmented { method: Rc::new(method), factors: vec![0.9, 1.0, 1.1] }
    }

    /// With other factors on the values of the input.
    #[must_use]
    pub fn factors(&self, factors: impl IntoIterator<Item = f64>) -> Self {
        Self { factors: factors.into_iter().collect(), ..self.clone() }
    }
}

impl<A> Clone for Augmented<A> {
    fn clone(&self) -> Self {
        Augmented { method: Rc::clone(&self.method), factors: self.factors.clone() }
    }
}

impl<A: Attribution> Attribution for Augmented<A> {
    fn name(&self) -> String {
        format!("{}, flips and scales", self.method.name())
    }

    fn target(&self) -> Target {
        self.method.target()
    }

    fn is_for_target(&self) -> bool {
        self.method.is_for_target()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        if self.factors.is_empty() || self.factors.iter().any(|factor| !factor.is_finite()) {
            return Err(Error::Argument(format!(
                "the input is multiplied by finite numbers, one at least, not by {:?}",
                self.factors
            )));
        }
        case.check_photo("a method with flips and scales")?;
        if case.explains_boxes() {
            return Err(Error::Argument(
                "a detector's box is at another place in a mirrored photo, where its row stands for something else: \
                 explain boxes by the method itself, without Augmented"
                    .into(),
            ));
        }
        let input = case.input()?;
        let size = input.size();
        let &[count, _, height, width] = size.as_slice() else {
            return Err(Error::Shape(format!("expected inputs [N, C, H, W], got {size:?}")));
        };
        let mut sum: Option<Tensor> = None;
        let mut layer = None;
        let mut remarks: Vec<String> = Vec::new();
        for flipped in [false, true] {
            for &factor in &self.factors {
                let other = if flipped { input.f_flip([3]) } else { Ok(input.shallow_clone()) };
                let other = other.and_then(|t| t.f_mul_scalar(factor)).into_result()?;
                let evidence = self.method.attribute(&case.with_input(other)?)?;
                let map = evidence.finished(height as usize, width as usize)?.scaled();
                let map = Tensor::f_from_slice(map.values())
                    .and_then(|t| t.f_reshape([count, height, width]))
                    .into_result()?;
                let map = if flipped { map.f_flip([2]).into_result()? } else { map };
                sum = Some(match sum {
                    None => map,
                    Some(sum) => sum.f_add(&map).into_result()?,
                });
                layer = evidence.layer;
                for remark in evidence.remarks {
                    if !remarks.contains(&remark) {
                        remarks.push(remark);
                    }
                }
            }
        }
        let copies = 2.0 * self.factors.len() as f64;
        let mean = sum.ok_or_else(|| Error::Argument("nothing to smooth".into()))?;
        let mean = mean.f_div_scalar(copies).and_then(|t| t.f_unsqueeze(1)).into_result()?;
        Ok(Evidence {
            contributions: mean,
            reduction: Reduction::Sum,
            meaning: Meaning::Positive,
            layer,
            remarks,
            segments: Vec::new(),
        })
    }
}
