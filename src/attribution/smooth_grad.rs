//! SmoothGrad.

use std::rc::Rc;

use tch::{Kind, TchError, Tensor};

use super::noise::{Noise, noise_setters};
use super::{Attribution, Case, Evidence, Meaning, Reduction, Target};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// A method, averaged over noisy copies of the input: `(1/n) Σ M(x + N(0, σ²))`, with `σ` a share of
/// the photo's range of values, its greatest minus its smallest. What is explained is what the network
/// says of the photo itself: a predicted class stays that of the photo without noise.
///
/// The mean is that of the method's signed contributions; what the method does with these (a
/// magnitude, a sum over channels, a rectifier) comes afterwards, as in the paper and its code (PAIR).
/// The noise comes from a seed: the same photo gives the same map, alone or in a batch.
///
/// Smilkov et al. 2017, <https://arxiv.org/abs/1706.03825>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&SmoothGrad::new(Saliency::default()).samples(4))?;
/// assert_eq!((heat.height(), heat.width()), (224, 224));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Debug)]
pub struct SmoothGrad<M> {
    /// Shared by copies, so that it need not be one that can be copied.
    method: Rc<M>,
    noise: Noise,
    mean: Mean,
}

noise_setters!([M: Attribution] SmoothGrad<M>);

/// What the mean is taken of.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mean {
    Contributions,
    Squares,
    Magnitudes,
    Variance,
}

impl<M: Attribution> SmoothGrad<M> {
    /// The mean of 25 copies with noise of 0.15 of the range, PAIR's settings.
    pub fn new(method: M) -> Self {
        let method = Rc::new(method);
        SmoothGrad { method, noise: Noise::default(), mean: Mean::Contributions }
    }

    /// The mean of the squares of the contributions, which is never negative: SmoothGrad², Hooker et
    /// al. 2019, <https://arxiv.org/abs/1806.10758>.
    #[must_use]
    pub fn squared(&self) -> Self {
        Self { mean: Mean::Squares, ..self.clone() }
    }

    /// The mean of the magnitudes of the contributions, which is never negative either: what captum's
    /// `NoiseTunnel` makes of its `Saliency`, which returns magnitudes unless told otherwise. Of this,
    /// [`squared`](SmoothGrad::squared) and [`variance`](SmoothGrad::variance), the last one counts.
    #[must_use]
    pub fn absolute(&self) -> Self {
        Self { mean: Mean::Magnitudes, ..self.clone() }
    }

    /// The variance of the contributions, `(1/n) Σ M² − ((1/n) Σ M)²`, which is never negative: VarGrad, Adebayo
    /// et al. 2018, <https://arxiv.org/abs/1810.03292>.
    #[must_use]
    pub fn variance(&self) -> Self {
        Self { mean: Mean::Variance, ..self.clone() }
    }
}

impl<M: Attribution> Attribution for SmoothGrad<M> {
    fn name(&self) -> String {
        let of = match self.mean {
            Mean::Contributions => "",
            Mean::Squares => "²",
            Mean::Magnitudes => " of magnitudes",
            Mean::Variance => return format!("{}, VarGrad", self.method.name()),
        };
        format!("{}, SmoothGrad{of}", self.method.name())
    }

    fn target(&self) -> Target {
        self.method.target()
    }

    fn is_for_target(&self) -> bool {
        self.method.is_for_target()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let mut mean: Option<Evidence> = None;
        let mut squares: Option<Tensor> = None;
        let mut partly = Vec::new();
        self.noise.each("SmoothGrad", case, |noisy, count| {
            let evidence = self.method.attribute(noisy)?;
            let part_of_mean = |values: Result<Tensor, TchError>| {
                values.and_then(|values| self.noise.part_of_mean(&values, count)).into_result()
            };
            if let Mean::Variance = self.mean {
                // A difference of two means, which needs more digits than they have.
                let doubled = evidence.contributions.f_to_kind(Kind::Double).into_result()?;
                let part = part_of_mean(doubled.f_square())?;
                squares = Some(added(squares.take(), part)?);
            }
            let part = part_of_mean(self.averaged(&evidence.contributions))?;
            mean = Some(match mean.take() {
                // Copies are not divided alike.
                None => Evidence { contributions: part, segments: Vec::new(), ..evidence },
                Some(mut mean) => {
                    keep_common(&mut mean.remarks, &mut partly, evidence.remarks);
                    let contributions = added(Some(mean.contributions), part)?;
                    Evidence { contributions, ..mean }
                }
            });
            Ok(())
        })?;
        let mut mean = mean.ok_or_else(|| Error::Argument("a mean of no samples".into()))?;
        let partly =
            partly.into_iter().map(|remark| format!("for some of the noisy copies, {remark}"));
        mean.remarks.extend(partly);
        if let Some(squares) = squares {
            let variance = mean.contributions.f_square().and_then(|square| squares.f_sub(&square));
            let variance = variance.and_then(|t| t.f_clamp_min(0.0)?.f_to_kind(Kind::Float));
            mean.contributions = variance.into_result()?;
        }
        Ok(match (mean.reduction, self.mean) {
            (Reduction::PrincipalComponent, _) | (_, Mean::Contributions) => mean,
            (_, Mean::Squares | Mean::Magnitudes | Mean::Variance) => {
                Evidence { meaning: Meaning::Magnitude, ..mean }
            }
        })
    }
}

impl<M> Clone for SmoothGrad<M> {
    fn clone(&self) -> Self {
        SmoothGrad { method: Rc::clone(&self.method), ..*self }
    }
}

impl<M> SmoothGrad<M> {
    fn averaged(&self, contributions: &Tensor) -> Result<Tensor, TchError> {
        match self.mean {
            Mean::Contributions => Ok(contributions.shallow_clone()),
            Mean::Squares => contributions.f_square(),
            Mean::Magnitudes => contributions.f_abs(),
            Mean::Variance => contributions.f_to_kind(Kind::Double),
        }
    }
}

fn added(sum: Option<Tensor>, part: Tensor) -> Result<Tensor> {
    match sum {
        None => Ok(part),
        Some(sum) => sum.f_add(&part).into_result(),
    }
}

/// What was said of every copy until now holds of the mean. What was said of some alone, as where the
/// time was up at another place each time, holds of these: of that, what is said first is kept.
fn keep_common(common: &mut Vec<String>, partly: &mut Vec<String>, remarks: Vec<String>) {
    let new: Vec<String> =
        remarks.iter().filter(|remark| !common.contains(remark)).cloned().collect();
    let (kept, lost) = common.drain(..).partition(|remark| remarks.contains(remark));
    *common = kept;
    partly.extend::<Vec<String>>(lost);
    if partly.is_empty() {
        partly.extend(new);
    }
}
