//! SmoothGrad.

use std::rc::Rc;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Kind, Tensor};

use super::{Attribution, Case, Evidence, Meaning, Reduction, Target};
use crate::error::{Error, Result};
use crate::model::Init;
use crate::show::Progress;
use crate::tensor::IntoResult;

/// How many noisy inputs run through the network at once. More take more memory and are no faster.
const BATCH: usize = 5;
/// More copies than this change nothing that could be seen.
const MOST: usize = 10_000;

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
    noise: f64,
    samples: usize,
    seed: u64,
    mean: Mean,
}

/// What the mean is taken of.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mean {
    Contributions,
    Squares,
    Magnitudes,
}

impl<M: Attribution> SmoothGrad<M> {
    /// The mean of 25 copies with noise of 0.15 of the range, PAIR's settings.
    pub fn new(method: M) -> Self {
        let method = Rc::new(method);
        SmoothGrad { method, noise: 0.15, samples: 25, seed: 0, mean: Mean::Contributions }
    }

    /// The noise's standard deviation, as a share of the range of the photo's values: 0.15 unless set.
    #[must_use]
    pub fn noise(&self, share: f64) -> Self {
        Self { noise: share, ..self.clone() }
    }

    /// How many copies: 25 unless set.
    #[must_use]
    pub fn samples(&self, count: usize) -> Self {
        Self { samples: count, ..self.clone() }
    }

    /// Other noise of the same kind: 0 unless set.
    #[must_use]
    pub fn seed(&self, seed: u64) -> Self {
        Self { seed, ..self.clone() }
    }

    /// The mean of the squares of the contributions, which is never negative: SmoothGrad², Hooker et
    /// al. 2019, <https://arxiv.org/abs/1806.10758>.
    #[must_use]
    pub fn squared(&self) -> Self {
        Self { mean: Mean::Squares, ..self.clone() }
    }

    /// The mean of the magnitudes of the contributions, which is never negative either: what captum's
    /// `NoiseTunnel` makes of its `Saliency`, which returns magnitudes unless told otherwise. Of this
    /// and [`squared`](SmoothGrad::squared), the last one counts.
    #[must_use]
    pub fn absolute(&self) -> Self {
        Self { mean: Mean::Magnitudes, ..self.clone() }
    }

    fn check(&self) -> Result<()> {
        if !self.noise.is_finite() || self.noise < 0.0 {
            return Err(Error::Argument(format!(
                "the noise is a share of the photo's range, such as 0.15, not {}",
                self.noise
            )));
        }
        match self.samples {
            0 => Err(Error::Argument("a mean of no samples: give 1 or more".into())),
            many if many > MOST => Err(Error::Argument(format!(
                "{many} noisy copies take for ever: the mean is of 1 to {MOST}"
            ))),
            _ => Ok(()),
        }
    }

    /// So many noisy copies of the whole batch, one after the other.
    fn copies(&self, input: &Tensor, count: usize, random: &mut StdRng) -> Result<Tensor> {
        let work = || {
            let over: Vec<i64> = (1..input.dim() as i64).collect();
            let most = input.f_amax(over.as_slice(), true)?;
            let range = most.f_sub(&input.f_amin(over.as_slice(), true)?)?; // [N, 1, 1, 1]
            range.f_mul_scalar(self.noise)
        };
        let deviation = work().into_result()?;
        // The same noise for each photo of a batch, so that it is that of the photo alone.
        let size: Vec<i64> = std::iter::once(1).chain(input.size().into_iter().skip(1)).collect();
        let copies = (0..count).map(|_| {
            let noise = Init::Normal(1.0).tensor(&size, random)?;
            let noise = noise.f_to_device(input.device()).and_then(|t| t.f_mul(&deviation));
            noise.and_then(|t| t.f_add(input)).into_result()
        });
        Tensor::f_cat(&copies.collect::<Result<Vec<_>>>()?, 0).into_result()
    }
}

impl<M: Attribution> Attribution for SmoothGrad<M> {
    fn name(&self) -> String {
        let of = match self.mean {
            Mean::Contributions => "",
            Mean::Squares => "²",
            Mean::Magnitudes => " of magnitudes",
        };
        format!("{}, SmoothGrad{of}", self.method.name())
    }

    fn target(&self) -> Target {
        self.method.target()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        self.check()?;
        let photos = case.count();
        let input = case.input()?;
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut progress = Progress::new("SmoothGrad, samples", self.samples as u64);
        let mut mean: Option<Evidence> = None;
        let mut partly = Vec::new();
        let at_once = (BATCH / photos.max(1)).max(1);
        let mut done = 0;
        while done < self.samples {
            let count = at_once.min(self.samples - done);
            let noisy = case.with_input(self.copies(&input, count, &mut random)?)?;
            let evidence = self.method.attribute(&noisy)?;
            let part = self.part_of_mean(&evidence.contributions, count)?;
            mean = Some(match mean {
                None => Evidence { contributions: part, ..evidence },
                Some(mut mean) => {
                    keep_common(&mut mean.remarks, &mut partly, evidence.remarks);
                    let contributions = mean.contributions.f_add(&part).into_result()?;
                    Evidence { contributions, ..mean }
                }
            });
            done += count;
            progress.advance(done as u64);
        }
        progress.finish();
        let mut mean = mean.ok_or_else(|| Error::Argument("a mean of no samples".into()))?;
        let partly =
            partly.into_iter().map(|remark| format!("for some of the noisy copies, {remark}"));
        mean.remarks.extend(partly);
        Ok(match (mean.reduction, self.mean) {
            (Reduction::PrincipalComponent, _) | (_, Mean::Contributions) => mean,
            (_, Mean::Squares | Mean::Magnitudes) => {
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
    /// What `count` copies of each photo add to the mean, `[count · N, C, h, w] -> [N, C, h, w]`.
    fn part_of_mean(&self, contributions: &Tensor, count: usize) -> Result<Tensor> {
        let work = || {
            let mut size = contributions.size();
            size[0] /= count as i64;
            size.insert(0, count as i64);
            let values = match self.mean {
                Mean::Contributions => contributions.shallow_clone(),
                Mean::Squares => contributions.f_square()?,
                Mean::Magnitudes => contributions.f_abs()?,
            };
            let sum = values.f_reshape(&size)?.f_sum_dim_intlist(
                [0i64].as_slice(),
                false,
                None::<Kind>,
            )?;
            sum.f_div_scalar(self.samples as f64)
        };
        work().into_result()
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
