//! Integrated gradients.

use std::rc::Rc;

use tch::{Kind, Tensor};

use super::settings::{Settings, shared_setters};
use super::{Attribution, Baseline, Case, Evidence, Meaning, Target};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::show::Progress;
use crate::tensor::{IntoResult, all_finite, float_copy, plain_numbers};

/// How many points run through the network at once. More take more memory and are no faster.
const BATCH: usize = 6;
/// The map is complete when its sum is as near as this to what it should be, as a share of the score.
const COMPLETE: f64 = 1e-3;
/// A piece of the way has three points: the middle one is where it is cut in two.
const POINTS: usize = 3;
/// The way is cut into this many pieces, whatever the gap; and so many at most are kept one by one, to
/// be cut further.
const PIECES: usize = 12;
/// Nor is it cut for ever: a score near zero asks for more than single precision has.
const MOST_POINTS: usize = 500;
/// Of several photos.
const WIDEST: &str = "the photo of this batch with the widest gap ";
/// More points than this take longer to place than any network needs.
const MOST_STEPS: usize = 10_000;

/// Integrated gradients: `Σᶜ (xᶜ − x′ᶜ) · ∫₀¹ ∂y/∂xᶜ (x′ + α (x − x′)) dα`, how much of the difference
/// between the score `y` of the photo `x` and that of a baseline `x′` each pixel makes. Signed.
///
/// The map should sum to that difference of scores (completeness). The integral is a sum over points,
/// as many as it takes: where the way from the baseline to the photo is incomplete most, it is cut in two,
/// until the gap is at most a thousandth of the score, or after 500 points. Each piece has three points,
/// placed by Gauss and Legendre. A remark says how large the gap is, of how many points, and whether it
/// stayed larger than that.
/// [`steps`](IntegratedGradients::steps) sets their number instead, as captum does.
///
/// The [`baseline`](IntegratedGradients::baseline) is 0 of the normalised input unless set, which is
/// the mean colour; `[0, 0, 0]` is black.
///
/// Sundararajan et al. 2017, <https://arxiv.org/abs/1703.01365>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&IntegratedGradients::default().class("tabby").steps(10))?;
/// println!("{}", heat.remarks()[0]); // how complete it is
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct IntegratedGradients {
    settings: Settings,
    steps: Option<usize>,
    from: Start,
}

shared_setters!(IntegratedGradients);

/// Where the way begins.
#[derive(Clone, Debug)]
enum Start {
    Everywhere(Baseline),
    Input(Rc<Tensor>),
}

impl Default for Start {
    fn default() -> Self {
        Start::Everywhere(Baseline::default())
    }
}

impl IntegratedGradients {
    /// Takes so many points on the whole way, placed by Gauss and Legendre, however large the gap:
    /// captum's rule, which takes 50 unless told otherwise.
    #[must_use]
    pub fn steps(&self, count: usize) -> Self {
        Self { steps: Some(count), ..self.clone() }
    }

    /// Starts from an input that is the same everywhere: a value of the normalised input, a
    /// colour, or a number a band.
    #[must_use]
    pub fn baseline(&self, baseline: impl Into<Baseline>) -> Self {
        Self { from: Start::Everywhere(baseline.into()), ..self.clone() }
    }

    /// Starts from this input, `[1, C, H, W]`, prepared as the network expects it: noise, a blurred
    /// photo, another photo (`model.preprocess().apply(&photo)?`).
    #[must_use]
    pub fn baseline_input(&self, input: &Tensor) -> Self {
        // Whether it can stand for an input is seen when there is one.
        let copy = float_copy(input).unwrap_or_else(|_| input.shallow_clone());
        Self { from: Start::Input(Rc::new(copy)), ..self.clone() }
    }
}

impl IntegratedGradients {
    /// The baseline of an input, `[1, C, H, W]`.
    fn start(&self, model: &Model, input: &Tensor) -> Result<Tensor> {
        let size = input.size();
        let (one, what) = match &self.from {
            Start::Everywhere(baseline) => (baseline.of(model)?, baseline.to_string()),
            Start::Input(one) => {
                let one = plain_numbers(one).map_err(|e| e.while_doing("the baseline"))?;
                let size = format!("{:?}", one.size());
                (one, size)
            }
        };
        let fits = one.dim() == input.dim() && one.size()[0] == 1;
        let work = || {
            let one = one.f_to_device(input.device())?.f_to_kind(input.kind())?;
            one.f_expand(&size, false)
        };
        let expanded = work().ok().filter(|_| fits).ok_or_else(|| {
            Error::Shape(format!(
                "a baseline of {what} does not stand for an input of {size:?}: give one of that \
                 shape, prepared as the network expects it"
            ))
        })?;
        match all_finite(&expanded)? {
            true => Ok(expanded),
            false => Err(Error::Argument("the baseline holds NaN or infinities".into())),
        }
    }
}

impl Attribution for IntegratedGradients {
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
        self.settings.named(&name)
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        if self.steps.is_some_and(|steps| !(1..=MOST_STEPS).contains(&steps)) {
            return Err(Error::Argument(format!(
                "the integral is a sum over 1 to {MOST_STEPS} points, not {}",
                self.steps.unwrap_or_default()
            )));
        }
        let total = self.steps.map(|steps| (steps * case.count()) as u64);
        let mut progress = Progress::new("Integrated gradients, points", total);
        let mut found = Vec::with_capacity(case.count());
        let mut worst: Option<Completeness> = None;
        let mut points = 0;
        // One after the other: each is incomplete at places of its own.
        for index in 0..case.count() {
            let one = case.one(index)?;
            let start = self.start(one.model(), &one.input()?)?;
            let mut way = Way::new(one, start, points, &mut progress)?;
            let (product, completeness) = match self.steps {
                Some(steps) => way.summed(steps)?,
                None => way.completed()?,
            };
            points += completeness.points;
            found.push(product);
            if worst.as_ref().is_none_or(|worst| worst.gap() < completeness.gap()) {
                worst = Some(completeness);
            }
        }
        progress.finish();
        let product = Tensor::f_cat(&found, 0).into_result()?;
        let widest = if case.count() > 1 { WIDEST } else { "" };
        let remarks = worst.iter().map(|worst| format!("{widest}{worst}")).collect();
        Ok(Evidence { remarks, ..self.settings.at_input(case, product, Meaning::Signed)? })
    }
}

/// What a map sums to, and what it should.
struct Completeness {
    sum: f64,
    change: f64,
    points: usize,
    /// Whether it was cut no further, though the gap is wider than asked for.
    stopped: bool,
}

impl Completeness {
    fn gap(&self) -> f64 {
        (self.sum - self.change).abs()
    }
}

impl std::fmt::Display for Completeness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&gap(self.sum, self.change, self.points, "the baseline's"))?;
        if self.stopped {
            write!(f, ", where it stopped: more than a thousandth of the score")?;
        }
        Ok(())
    }
}

fn gap(sum: f64, change: f64, points: usize, from: &str) -> String {
    let gap = (sum - change).abs();
    format!(
        "sums to {sum:.4}, and the score is {change:.4} above {from}: a gap of {gap:.4} with {points} points"
    )
}

/// How complete the maps of a batch, `[N, C, H, W]`, are: of the one with the widest gap between its sum and the
/// change of the score `from` somewhere to the photo.
pub(super) fn widest_gap(
    maps: &Tensor,
    changes: &[f64],
    points: usize,
    from: &str,
) -> Result<String> {
    let sums = maps.f_flatten(1, -1);
    let sums = sums.and_then(|t| t.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Double));
    let sums: Vec<f64> = sums.and_then(|sums| sums.try_into()).into_result()?;
    let ends = sums.iter().zip(changes);
    let widest = ends.max_by(|a, b| (a.0 - a.1).abs().total_cmp(&(b.0 - b.1).abs()));
    let (&sum, &change) = widest.ok_or_else(|| Error::Shape("no photo".into()))?;
    let which = if changes.len() > 1 { WIDEST } else { "" };
    Ok(format!("{which}{}", gap(sum, change, points, from)))
}

/// The straight way from a baseline to one input.
struct Way<'a> {
    case: Case,
    start: Tensor,
    /// The input less the baseline, `[1, C, H, W]`.
    way: Tensor,
    /// The scores at both ends.
    ends: [f64; 2],
    points: usize,
    /// The points of other inputs' ways.
    before: usize,
    progress: &'a mut Progress,
}

/// A piece of the way, and what it contributes.
struct Piece {
    /// Where it begins and ends, in 0..=1, and the scores there.
    places: [f64; 2],
    scores: [f64; 2],
    middle_score: f64,
    /// The integral of the gradient, `[1, C, H, W]`.
    integral: Tensor,
    /// What its attributions sum to.
    sum: f64,
}

impl Piece {
    /// By how much the sum misses the difference of scores, which is known.
    fn gap(&self) -> f64 {
        self.sum - (self.scores[1] - self.scores[0])
    }
}

impl<'a> Way<'a> {
    fn new(case: Case, start: Tensor, before: usize, progress: &'a mut Progress) -> Result<Self> {
        let way = case.input()?.f_sub(&start).into_result()?;
        let at_start = case.with_input(start.shallow_clone())?.scores()?;
        let (Some(&first), Some(&last)) = (at_start.first(), case.scores()?.first()) else {
            return Err(Error::Shape("one input has one score".into()));
        };
        Ok(Way { case, start, way, ends: [first, last], points: 0, before, progress })
    }

    /// The gradients at places of the way, `[M, C, H, W]`, and the scores there.
    fn gradients(&mut self, places: &[f64]) -> Result<(Tensor, Vec<f64>)> {
        let inputs = places.iter().map(|alpha| self.way.f_mul_scalar(*alpha)?.f_add(&self.start));
        let inputs = inputs.collect::<Result<Vec<_>, _>>().into_result()?;
        let case = self.case.with_input(Tensor::f_cat(&inputs, 0).into_result()?)?;
        let gradients = case.gradient_of(case.model().input())?;
        self.points += places.len();
        self.progress.advance((self.before + self.points) as u64);
        Ok((gradients, case.scores()?))
    }

    /// The attributions of a rule over the whole way.
    fn summed(&mut self, steps: usize) -> Result<(Tensor, Completeness)> {
        let mut integral = self.way.f_zeros_like().into_result()?;
        for some in gauss_legendre(steps).chunks(BATCH) {
            let places: Vec<f64> = some.iter().map(|(place, _)| *place).collect();
            let (gradients, _) = self.gradients(&places)?;
            for (i, (_, weight)) in some.iter().enumerate() {
                integral = gradients
                    .f_narrow(0, i as i64, 1)
                    .and_then(|gradient| gradient.f_mul_scalar(*weight))
                    .and_then(|part| part.f_add(&integral))
                    .into_result()?;
            }
        }
        self.attributions(&integral, None)
    }

    /// The attributions of as many pieces as it takes.
    fn completed(&mut self) -> Result<(Tensor, Completeness)> {
        let mut pieces = Vec::new();
        // Those with the narrowest gaps are never cut: of them the sum is enough.
        let mut settled = self.way.f_zeros_like().into_result()?;
        let mut settled_gap = 0.0;
        let mut open = vec![([0.0, 1.0], self.ends)];
        let tolerance = COMPLETE * self.ends[1].abs();
        loop {
            pieces.extend(self.pieces(&open)?);
            pieces.sort_by(|a: &Piece, b| a.gap().abs().total_cmp(&b.gap().abs()));
            for narrow in pieces.drain(..pieces.len().saturating_sub(PIECES)) {
                settled_gap += narrow.gap();
                let _ = settled.f_add_(&narrow.integral).into_result()?;
            }
            let gap = settled_gap + pieces.iter().map(Piece::gap).sum::<f64>();
            let complete = pieces.len() >= PIECES && gap.abs() <= tolerance;
            // NaN would never be complete.
            if complete || self.points >= MOST_POINTS || !gap.is_finite() {
                break;
            }
            let Some(widest) = pieces.pop() else { break };
            let Piece { places: [from, to], scores: [first, last], middle_score, .. } = widest;
            let middle = 0.5 * (from + to);
            open =
                vec![([from, middle], [first, middle_score]), ([middle, to], [middle_score, last])];
        }
        for piece in &pieces {
            let _ = settled.f_add_(&piece.integral).into_result()?;
        }
        self.attributions(&settled, Some(tolerance))
    }

    fn pieces(&mut self, open: &[([f64; 2], [f64; 2])]) -> Result<Vec<Piece>> {
        let rule = gauss_legendre(POINTS);
        let mut places = Vec::with_capacity(open.len() * POINTS);
        for ([from, to], _) in open {
            places.extend(rule.iter().map(|(place, _)| from + (to - from) * place));
        }
        let (gradients, scores) = self.gradients(&places)?;
        let weights: Vec<f32> = rule.iter().map(|(_, weight)| *weight as f32).collect();
        let weights = Tensor::f_from_slice(&weights)
            .and_then(|t| t.f_reshape([&[-1], &vec![1; gradients.dim() - 1][..]].concat()))
            .and_then(|t| t.f_to_device(gradients.device()))
            .into_result()?;
        let pieces = open.iter().enumerate().map(|(i, (ends, at_ends))| {
            let integral = gradients
                .f_narrow(0, (i * POINTS) as i64, POINTS as i64)
                .and_then(|gradients| gradients.f_mul(&weights))
                .and_then(|t| t.f_sum_dim_intlist([0i64].as_slice(), true, None::<Kind>))
                .and_then(|t| t.f_mul_scalar(ends[1] - ends[0]))
                .into_result()?;
            let (_, sum) = self.product(&integral)?;
            let middle_score = scores.get(i * POINTS + POINTS / 2).copied().unwrap_or(f64::NAN);
            Ok(Piece { places: *ends, scores: *at_ends, middle_score, integral, sum })
        });
        pieces.collect()
    }

    /// The integral times the way, and its sum.
    fn product(&self, integral: &Tensor) -> Result<(Tensor, f64)> {
        let product = integral.f_mul(&self.way).into_result()?;
        let sum = product.f_sum(Kind::Double).and_then(|sum| sum.f_double_value(&[]));
        Ok((product, sum.into_result()?))
    }

    /// What the integral gives to each pixel, and whether its gap is within what was asked for.
    fn attributions(
        &self,
        integral: &Tensor,
        tolerance: Option<f64>,
    ) -> Result<(Tensor, Completeness)> {
        let (product, sum) = self.product(integral)?;
        let [first, last] = self.ends;
        let (change, points) = (last - first, self.points);
        let stopped =
            tolerance.is_some_and(|most| (sum - change).abs() > most) && points >= MOST_POINTS;
        Ok((product, Completeness { sum, change, points, stopped }))
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

    #[test]
    fn a_piece_is_cut_where_its_middle_point_lies() {
        assert!((gauss_legendre(POINTS)[POINTS / 2].0 - 0.5).abs() < 1e-15);
    }
}
