//! Integrated gradients, Sundararajan et al. 2017, <https://arxiv.org/abs/1703.01365>.

use std::fmt;
use std::rc::Rc;

use tch::{Kind, Tensor};

use super::{Baseline, Case, Evidence, InputMethod, Meaning, Sensitivity};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::show::Progress;
use crate::tensor::IntoResult;

/// How many points run through the network at once. More take more memory and are no faster.
const BATCH: usize = 5;

/// More points than this take longer to place than any network needs.
const MOST_STEPS: usize = 10_000;

/// How many points the first sum has where their number is not set, and the last at most.
const STEPS: std::ops::RangeInclusive<usize> = 50..=1600;

/// The gap, as a share of the score, at which a sum counts as complete.
const COMPLETE: f64 = 1e-3;

/// Integrated gradients: `Σᶜ (xᶜ − x′ᶜ) · ∫₀¹ ∂y/∂xᶜ (x′ + α (x − x′)) dα`, how much of the difference
/// between the score `y` of the photo `x` and that of a baseline `x′` each pixel makes. Signed.
///
/// The integral is a sum over points placed and weighted by Gauss and Legendre, as captum does it. The
/// map should sum to that difference of scores (completeness). Rectifiers bend the way at so many places
/// that captum's 50 points often miss it by one percent: unless [`steps`](IntegratedGradients::steps)
/// sets their number, it is doubled, from 50 to 1600 at most, until the gap is less than a thousandth
/// of the score. The gap that is left is said in a remark.
///
/// The [`baseline`](IntegratedGradients::baseline) is 0 of the normalised input unless set, which is
/// the mean colour; `[0, 0, 0]` is black.
///
/// ```
/// # fn main() -> convlens::Result<()> {
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&IntegratedGradients::default().class("tabby").steps(10))?;
/// println!("{}", heat.remarks()[0]); // how complete it is
/// # Ok(())
/// # }
/// ```
pub type IntegratedGradients = InputMethod<PathIntegral>;

/// The integral of the gradient along the straight way from a baseline to the input.
#[derive(Clone, Debug)]
pub struct PathIntegral {
    /// As many as it takes unless set.
    steps: Option<usize>,
    from: Start,
}

/// Where the way begins.
#[derive(Clone, Debug)]
enum Start {
    Everywhere(Baseline),
    Input(Rc<Tensor>),
}

impl Default for PathIntegral {
    fn default() -> Self {
        PathIntegral { steps: None, from: Start::Everywhere(Baseline::default()) }
    }
}

impl IntegratedGradients {
    /// How many points the sum has, whatever the gap; captum takes 50.
    #[must_use]
    pub fn steps(mut self, count: usize) -> Self {
        self.sensitivity.steps = Some(count);
        self
    }

    /// Starts from an input that is the same everywhere: a value of the normalised input, or a colour.
    #[must_use]
    pub fn baseline(mut self, baseline: impl Into<Baseline>) -> Self {
        self.sensitivity.from = Start::Everywhere(baseline.into());
        self
    }

    /// Starts from this input, `[1, C, H, W]`, prepared as the network expects it: noise, a blurred
    /// photo, another photo (`model.preprocess().apply(&photo)?`).
    #[must_use]
    pub fn baseline_input(mut self, input: &Tensor) -> Self {
        self.sensitivity.from = Start::Input(Rc::new(input.detach().copy()));
        self
    }
}

impl PathIntegral {
    /// The baseline of each of a batch, `[N, C, H, W]`.
    fn start(&self, model: &Model, input: &Tensor) -> Result<Tensor> {
        let size = input.size();
        let (one, what) = match &self.from {
            Start::Everywhere(baseline) => (baseline.pixel(model, size[1])?, baseline.to_string()),
            Start::Input(one) => (one.shallow_clone(), format!("{:?}", one.size())),
        };
        let fits = one.dim() == 4 && one.size()[0] == 1;
        let work = || {
            let one = one.f_to_device(input.device())?.f_to_kind(input.kind())?;
            one.f_expand(&size, false)
        };
        let expanded = work().ok().filter(|_| fits).ok_or_else(|| {
            Error::Shape(format!(
                "a baseline of {what} does not stand for inputs of {size:?}: give one input, \
                 [1, C, H, W], prepared as the network expects it"
            ))
        })?;
        let finite = expanded.f_isfinite().and_then(|t| t.f_all()).into_result()?;
        match finite.f_int64_value(&[]).into_result()? {
            0 => Err(Error::Argument("the baseline holds NaN or infinities".into())),
            _ => Ok(expanded),
        }
    }

    /// The mean of the gradients along the way, `[N, C, H, W]`.
    fn mean_gradient(
        &self,
        case: &Case,
        steps: usize,
        start: &Tensor,
        way: &Tensor,
    ) -> Result<Tensor> {
        if !(1..=MOST_STEPS).contains(&steps) {
            return Err(Error::Argument(format!(
                "the integral is a sum over 1 to {MOST_STEPS} points, not {steps}"
            )));
        }
        let points = gauss_legendre(steps);
        let mut progress = Progress::new("Integrated gradients, points", steps as u64);
        let mut sum = way.f_zeros_like().into_result()?;
        let mut done = 0;
        for some in points.chunks((BATCH / case.count().max(1)).max(1)) {
            let inputs = some.iter().map(|(alpha, _)| way.f_mul_scalar(*alpha)?.f_add(start));
            let inputs = inputs.collect::<Result<Vec<_>, _>>().into_result()?;
            let inputs = Tensor::f_cat(&inputs, 0).into_result()?;
            let between = case.with_input(inputs)?;
            let gradients = between.gradient_of(between.model().input())?;
            for (part, (_, weight)) in gradients.chunk(some.len() as i64, 0).iter().zip(some) {
                sum = part.f_mul_scalar(*weight).and_then(|t| t.f_add(&sum)).into_result()?;
            }
            done += some.len();
            progress.advance(done as u64);
        }
        progress.finish();
        Ok(sum)
    }
}

impl Sensitivity for PathIntegral {
    fn name(&self) -> String {
        let mut name = "Integrated gradients".to_owned();
        if let Some(steps) = self.steps {
            name += &format!(", {steps} steps");
        }
        match &self.from {
            Start::Everywhere(baseline) if *baseline == Baseline::default() => {}
            Start::Everywhere(baseline) => name += &format!(", from {baseline}"),
            Start::Input(_) => name += ", from another input",
        }
        name
    }

    fn evidence(&self, case: &Case) -> Result<Evidence> {
        let _no_grad = tch::no_grad_guard();
        let input = case.input()?;
        let start = self.start(case.model(), &input)?;
        let way = input.f_sub(&start).into_result()?;
        let (of_photos, of_baselines) =
            (case.scores()?, case.with_input(start.shallow_clone())?.scores()?);
        let mut steps = self.steps.unwrap_or(*STEPS.start());
        loop {
            let gradient = self.mean_gradient(case, steps, &start, &way)?;
            let product = gradient.f_mul(&way).into_result()?;
            let gap = Gap::worst(&product, &of_photos, &of_baselines)?;
            if self.steps.is_some() || gap.share() < COMPLETE || steps >= *STEPS.end() {
                let remarks = vec![format!("{steps} points {gap}")];
                return Ok(Evidence { remarks, ..Evidence::of_input(product, Meaning::Signed) });
            }
            steps *= 2;
        }
    }
}

/// How far the attributions are from adding up to what they should.
struct Gap {
    sum: f64,
    change: f64,
    score: f64,
}

impl Gap {
    /// The widest of a batch.
    fn worst(product: &Tensor, of_photos: &[f64], of_baselines: &[f64]) -> Result<Gap> {
        let over = [1i64, 2, 3];
        let sums = product.f_sum_dim_intlist(over.as_slice(), false, Kind::Double).into_result()?;
        let mut sums_of_photos = vec![0f64; sums.numel()];
        let count = sums_of_photos.len();
        sums.f_copy_data(&mut sums_of_photos, count).into_result()?;
        let gaps = sums_of_photos.into_iter().zip(of_photos).zip(of_baselines);
        let gaps =
            gaps.map(|((sum, &score), baseline)| Gap { sum, change: score - baseline, score });
        gaps.max_by(|a, b| a.share().total_cmp(&b.share()))
            .ok_or_else(|| Error::Shape("a batch of no photos".into()))
    }

    /// As a share of the score.
    fn share(&self) -> f64 {
        (self.sum - self.change).abs() / self.score.abs().max(f64::MIN_POSITIVE)
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sum to {:.4}; the score is {:.4} above the baseline's: a gap of {:.4}",
            self.sum,
            self.change,
            (self.sum - self.change).abs()
        )
    }
}

/// The points in 0..1 and their weights, which sum to 1: the roots of the Legendre polynomial of this
/// degree, by Newton's method.
fn gauss_legendre(count: usize) -> Vec<(f64, f64)> {
    let degree = count as f64;
    let mut points: Vec<(f64, f64)> = (0..count)
        .map(|i| {
            // Tricomi's estimate; a few steps take it to the last digit.
            let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (degree + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..100 {
                let value;
                (value, slope) = legendre(count, x);
                let step = value / slope;
                x -= step;
                if step.abs() < 1e-15 {
                    break;
                }
            }
            (0.5 + 0.5 * x, 1.0 / ((1.0 - x * x) * slope * slope))
        })
        .collect();
    points.reverse();
    points
}

/// The Legendre polynomial and its derivative, by Bonnet's recursion.
fn legendre(degree: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for n in 1..degree {
        let n = n as f64;
        (before, value) = (value, ((2.0 * n + 1.0) * x * value - n * before) / (n + 1.0));
    }
    (value, degree as f64 * (x * value - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauss_and_legendre_integrate_polynomials_exactly() {
        for count in [1usize, 2, 3, 10, 50, 1000] {
            let points = gauss_legendre(count);
            for power in 0..(2 * count).min(40) {
                let sum: f64 = points.iter().map(|(x, w)| w * x.powi(power as i32)).sum();
                let exact = 1.0 / (power as f64 + 1.0);
                assert!((sum - exact).abs() < 1e-12, "{count} points, x^{power}: {sum}");
            }
            assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0), "in order");
        }
    }
}
