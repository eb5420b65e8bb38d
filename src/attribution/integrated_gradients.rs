//! Integrated gradients.

use tch::{Kind, Tensor};

use super::baseline::{Start, start_setters};
use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Meaning, Target};
use crate::error::{Error, Result};
use crate::quadrature::gauss_legendre;
use crate::show::Progress;
use crate::tensor::IntoResult;

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
start_setters!(IntegratedGradients);

impl IntegratedGradients {
    /// Takes so many points on the whole way, placed by Gauss and Legendre, however large the gap:
    /// captum's rule, which takes 50 unless told otherwise.
    #[must_use]
    pub fn steps(&self, count: usize) -> Self {
        Self { steps: Some(count), ..self.clone() }
    }
}

impl Attribution for IntegratedGradients {
    fn name(&self) -> String {
        let mut name = "Integrated gradients".to_owned();
        if let Some(steps) = self.steps {
            name += &format!(", {steps} steps");
        }
        self.settings.named(&(name + &self.from.said()))
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
            let start = self.from.of(one.model(), &one.input()?)?;
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
        let gap = gap(self.sum, self.change, "the baseline's");
        write!(f, "{gap} with {} points", self.points)?;
        if self.stopped {
            write!(f, ", where it stopped: more than a thousandth of the score")?;
        }
        Ok(())
    }
}

/// What it sums to, and what it should.
fn gap(sum: f64, change: f64, from: &str) -> String {
    let gap = (sum - change).abs();
    format!("sums to {sum:.4}, and the score is {change:.4} above {from}: a gap of {gap:.4}")
}

/// The sum of each of a batch, `[N, ...]`.
pub(super) fn sums(batch: &Tensor) -> Result<Vec<f64>> {
    let sums = batch.f_reshape([batch.size().first().copied().unwrap_or(1), -1]);
    let sums = sums.and_then(|t| t.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Double));
    sums.and_then(|sums| sums.try_into()).into_result()
}

/// Of the maps of a batch, `[N, C, H, W]`, that with the widest gap between its sum and what it should be: both, and
/// what is said of it where there are several.
pub(super) fn widest(maps: &Tensor, expected: &[f64]) -> Result<(&'static str, f64, f64)> {
    let sums = sums(maps)?;
    let ends = sums.iter().zip(expected);
    let widest = ends.max_by(|a, b| (a.0 - a.1).abs().total_cmp(&(b.0 - b.1).abs()));
    let (&sum, &expected_sum) = widest.ok_or_else(|| Error::Shape("no photo".into()))?;
    Ok((if expected.len() > 1 { WIDEST } else { "" }, sum, expected_sum))
}

/// How complete the maps of a batch are, whose scores change so much `from` somewhere to the photo.
pub(super) fn widest_gap(maps: &Tensor, changes: &[f64], from: &str) -> Result<String> {
    let (which, sum, change) = widest(maps, changes)?;
    Ok(format!("{which}{}", gap(sum, change, from)))
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
        self.progress.advance((self.before + self.points) as u64)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_cut_where_its_middle_point_lies() {
        assert!((gauss_legendre(POINTS)[POINTS / 2].0 - 0.5).abs() < 1e-15);
    }
}
