//! LIME.

use tch::{Device, Kind, TchError, Tensor};

use super::long_work::{LongWork, long_work};
use super::regression::{check_regression, design, fit, fit_remark};
use super::settings::{Settings, shared_setters};
use super::variants::{Draws, Parts, as_shares, check_count, coins, draw_setters, part_setters};
use super::{Attribution, Case, Evidence, Meaning, Target};
use crate::error::{Error, Result};
use crate::tensor::{IntoResult, to_doubles};

/// LIME: the weights of a linear model of the score near the photo, `argmin Σᵢ πᵢ (yᵢ − b − w · zᵢ)² + λ |w|²` over
/// variants of the photo. `zₛ` is 1 where a segment is shown and 0 where the baseline stands in its place, each with a
/// probability of a half; `yᵢ` is the score of the class before the softmax. Variants count the more the nearer they are to
/// the photo, `π = exp(−d² / 2 σ²)` with `d = 1 − √(share of the segments that are shown)`, the cosine distance. Each
/// pixel has its segment's weight. Signed. No gradient is taken.
///
/// `σ` is the [`kernel`](Lime::kernel), 0.25 unless set, and `λ` the [`penalty`](Lime::penalty), 1 unless set, as in the
/// authors' package, whose first sample, like the first here, is the photo itself. A remark says how well the linear
/// model fits, `R²`: where that is low, the weights say little.
///
/// Segments are about 50 superpixels unless [`segments`](Lime::segments) says otherwise. Of a row of numbers, each is one.
///
/// Ribeiro et al. 2016, <https://arxiv.org/abs/1602.04938>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let quick = Lime::default().class("tabby").segments(Slic::new(9)).samples(30);
/// println!("{}", look.explain(&quick)?.remarks()[0]); // R²
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lime {
    settings: Settings,
    parts: Parts,
    samples: Option<usize>,
    seed: u64,
    kernel: f64,
    penalty: f64,
    work: LongWork,
}

impl Default for Lime {
    /// The settings of the authors' package, with 500 samples.
    fn default() -> Self {
        Lime {
            settings: Settings::default(),
            parts: Parts::default(),
            samples: None,
            seed: 0,
            kernel: 0.25,
            penalty: 1.0,
            work: LongWork::default(),
        }
    }
}

shared_setters!(Lime);
part_setters!(Lime);
draw_setters!(
    Lime,
    samples,
    "How many variants of the photo there are, itself among them: 500 unless set."
);
long_work!(Lime);

impl Lime {
    /// `σ`, how far from the photo variants count: 0.25 unless set. Distances go from 0 to 1.
    #[must_use]
    pub fn kernel(&self, width: f64) -> Self {
        Self { kernel: width, ..self.clone() }
    }

    /// `λ`, what large weights cost: 1 unless set. With 0 it is least squares alone.
    #[must_use]
    pub fn penalty(&self, lambda: f64) -> Self {
        Self { penalty: lambda, ..self.clone() }
    }

    fn check(&self, samples: usize) -> Result<()> {
        check_count("samples", samples, samples)?;
        if !self.kernel.is_finite() || self.kernel <= 0.0 {
            return Err(Error::Argument(format!(
                "the width of LIME's kernel is a number above 0, such as 0.25, not {}",
                self.kernel
            )));
        }
        if !self.penalty.is_finite() || self.penalty < 0.0 {
            return Err(Error::Argument(format!(
                "LIME's penalty is a number that is not negative, such as 1, not {}",
                self.penalty
            )));
        }
        Ok(())
    }
}

impl Attribution for Lime {
    fn name(&self) -> String {
        let mut name = self.parts.named(&self.settings, "LIME", &[("samples", self.samples)]);
        let usual = Lime::default();
        if self.kernel != usual.kernel {
            name += &format!(", kernel {}", self.kernel);
        }
        if self.penalty != usual.penalty {
            name += &format!(", penalty {}", self.penalty);
        }
        name
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let samples = self.samples.unwrap_or(500);
        self.check(samples)?;
        let divided = self.parts.of(case)?;
        check_regression("LIME", samples, divided.most())?;
        let whole = case.scores()?;
        let shown = |photo: usize| -> Vec<Vec<bool>> {
            let (mut draws, count) = (Draws::new(self.seed), divided.count(photo));
            let others = (1..samples).map(|_| coins(&mut draws, count));
            std::iter::once(vec![true; count]).chain(others).collect()
        };
        let shown: Vec<Vec<Vec<bool>>> = (0..whole.len()).map(shown).collect();
        let (found, stopped) =
            divided.run(&self.work, ["LIME", "samples"], samples - 1, |photo, step| {
                shown[photo].get(step + 1).map(|shown| as_shares(shown))
            })?;
        let mut values = Vec::with_capacity(whole.len());
        let mut fits = Vec::with_capacity(whole.len());
        for (photo, &whole) in whole.iter().enumerate() {
            let scores = [&[whole], found[photo].as_slice()].concat();
            let shown = &shown[photo][..scores.len()];
            let near = |shown: &Vec<bool>| {
                let share =
                    shown.iter().filter(|shown| **shown).count() as f64 / shown.len() as f64;
                let distance = 1.0 - share.sqrt();
                (-distance * distance / (2.0 * self.kernel * self.kernel)).exp()
            };
            let weights: Vec<f64> = shown.iter().map(near).collect();
            let (intercept, found) = regression(shown, &scores, &weights, self.penalty)?;
            fits.push(fit(shown, &scores, &weights, intercept, &found));
            values.push(found);
        }
        let mut remarks = vec![fit_remark(&fits)];
        remarks.extend(stopped);
        divided.evidence(&self.settings, &values, Meaning::Signed, remarks)
    }
}

/// Ridge regression with a weight for each sample: the intercept, which costs nothing, and the weight of each segment.
fn regression(
    shown: &[Vec<bool>],
    scores: &[f64],
    weights: &[f64],
    penalty: f64,
) -> Result<(f64, Vec<f64>)> {
    let work = || -> Result<(Tensor, Tensor), TchError> {
        let pi = Tensor::f_from_slice(weights)?.f_unsqueeze(1)?;
        let pi = pi.f_div(&pi.f_sum(None::<Kind>)?)?;
        let z = design(shown)?;
        let y = Tensor::f_from_slice(scores)?.f_unsqueeze(1)?;
        let means = pi.f_tr()?.f_matmul(&z)?; // [1, K]
        let mean = pi.f_tr()?.f_matmul(&y)?;
        let (centred, rest) = (z.f_sub(&means)?, y.f_sub(&mean)?);
        let weighted = centred.f_mul(&pi)?.f_tr()?;
        // The weights sum to 1 here, and the penalty is against their own sum.
        let penalty = penalty / weights.iter().sum::<f64>();
        let ridge =
            Tensor::f_eye(z.size()[1], (Kind::Double, Device::Cpu))?.f_mul_scalar(penalty)?;
        let gram = weighted.f_matmul(&centred)?.f_add(&ridge)?;
        let found = gram.f_linalg_pinv(1e-12, true)?.f_matmul(&weighted.f_matmul(&rest)?)?; // [K, 1]
        Ok((mean.f_sub(&means.f_matmul(&found)?)?, found))
    };
    let (intercept, found) = work().into_result()?;
    Ok((to_doubles(&intercept)?.first().copied().unwrap_or_default(), to_doubles(&found)?))
}
