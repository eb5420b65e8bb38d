//! Sobol indices.

use tch::{Device, Kind, Tensor};

use super::long_work::{LongWork, long_work};
use super::settings::{Settings, shared_setters};
use super::variants::{Parts, check_count, part_setters};
use super::{Attribution, Case, Evidence, Meaning, Target};
use crate::error::{Error, Result};
use crate::tensor::{IntoResult, to_floats};

/// Total Sobol indices: which share of the score's variance a segment takes part in, alone or together with others, when
/// each segment is shown to a random degree, `Sₛ = Σⱼ (y(aⱼ) − y(cⱼₛ))² / (2 N V)` (Jansen). The degrees `aⱼ`, from 0, the
/// baseline, to 1, the photo, are the points of a Sobol sequence; `cⱼₛ` has that of segment `s` from a second one. `V` is
/// the variance of `y(aⱼ)`, and `y` the score of the class before the softmax. Each pixel has its segment's index. Never
/// negative: it says how much a segment matters, and not whether for or against. No gradient is taken.
///
/// The network runs for each of the [`designs`](Sobol::designs) and each segment, so it takes long. It is xplique's
/// `SobolAttributionMethod` with its `ScipySobolSequenceRS`, without the passes that its estimator does not read.
///
/// Segments are about 50 superpixels unless [`segments`](Sobol::segments) says otherwise; the paper's are
/// `Segmentation::grid(11, 11)`. Of a row of numbers, each is one.
///
/// Fel et al. 2021, <https://arxiv.org/abs/2111.04138>; Jansen 1999.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&Sobol::default().class("tabby").segments(Segmentation::grid(3, 3)).designs(8))?;
/// assert!(heat.by_segment().unwrap_or_default().iter().all(|index| *index >= 0.0));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Sobol {
    settings: Settings,
    parts: Parts,
    designs: Option<usize>,
    work: LongWork,
}

shared_setters!(Sobol);
part_setters!(Sobol);
long_work!(Sobol);

impl Sobol {
    /// How many points the mean is over, a power of two: 32 unless set.
    #[must_use]
    pub fn designs(&self, points: usize) -> Self {
        Self { designs: Some(points), ..self.clone() }
    }
}

impl Attribution for Sobol {
    fn name(&self) -> String {
        self.parts.named(&self.settings, "Sobol indices", &[("designs", self.designs)])
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let designs = self.designs.unwrap_or(32);
        if !designs.is_power_of_two() || designs == 1 {
            return Err(Error::Argument(format!(
                "the points of a Sobol sequence lie evenly when they are a power of two, 2, 4, 8 and so on, and \
                 {designs} is none: take 32"
            )));
        }
        let divided = self.parts.of(case)?;
        let most = divided.most();
        check_count("designs", designs, designs.saturating_mul(most + 1))?;
        let photos = 0..case.count();
        let points = photos.map(|photo| sobol_points(2 * divided.count(photo), designs));
        let points = points.collect::<Result<Vec<_>>>()?;
        // Design by design, so that those that are reached in time are whole.
        let steps = designs * (most + 1);
        let (found, stopped) =
            divided.run(&self.work, ["Sobol indices", "steps"], steps, |photo, step| {
                let count = divided.count(photo);
                let both = points[photo].get(step / (count + 1))?;
                Some(designed(both, step % (count + 1)))
            })?;
        let indices: Vec<Vec<f64>> = found
            .iter()
            .enumerate()
            .map(|(photo, scores)| total_indices(scores, divided.count(photo)))
            .collect();
        let whole = found
            .iter()
            .enumerate()
            .map(|(photo, scores)| scores.len() / (divided.count(photo) + 1));
        let whole = whole.min().unwrap_or(0);
        let remarks = stopped
            .map(|stopped| format!("{stopped}: the mean is over {whole} of {designs} designs"));
        divided.evidence(&self.settings, &indices, Meaning::Positive, remarks.into_iter().collect())
    }
}

/// The step of a design whose point is `a` and then `b`: first `a`, then each `c`, which has one value of `b`.
pub(crate) fn designed<T: Copy>(both: &[T], step: usize) -> Vec<T> {
    let (a, b) = both.split_at(both.len() / 2);
    let mut values = a.to_vec();
    if let Some(place) = step.checked_sub(1) {
        values[place] = b[place];
    }
    values
}

/// Jansen's estimate from the scores of `a` and of each `c`, design by design. Where all scores are the same, nothing
/// matters.
pub(crate) fn total_indices(scores: &[f64], count: usize) -> Vec<f64> {
    let designs: Vec<&[f64]> = scores.chunks_exact(count + 1).collect();
    let n = designs.len() as f64;
    let mean = designs.iter().map(|design| design[0]).sum::<f64>() / n;
    let variance = designs.iter().map(|design| (design[0] - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let index = |segment: usize| {
        let squares = designs.iter().map(|design| (design[0] - design[segment + 1]).powi(2));
        squares.sum::<f64>() / (2.0 * n * variance)
    };
    (0..count).map(|segment| if variance > 0.0 { index(segment) } else { 0.0 }).collect()
}

/// The first points of a Sobol sequence in so many dimensions, from 0 to 1, as torch and scipy have them.
pub(super) fn sobol_points(dimensions: usize, points: usize) -> Result<Vec<Vec<f32>>> {
    /// As many as there are direction numbers for.
    const MOST: usize = 21_201;
    /// Bits of each number.
    const BITS: i64 = 30;
    if dimensions > MOST {
        return Err(Error::Argument(format!(
            "a Sobol sequence has at most {MOST} dimensions, and {dimensions} are needed: take fewer segments"
        )));
    }
    let dims = dimensions as i64;
    let work = || {
        let state = Tensor::f_zeros([dims, BITS], (Kind::Int64, Device::Cpu))?;
        let state =
            Tensor::f_internal_sobol_engine_initialize_state_(&mut state.shallow_clone(), dims)?;
        let start = Tensor::f_zeros([dims], (Kind::Int64, Device::Cpu))?;
        let first = Tensor::f_zeros([1, dims], (Kind::Float, Device::Cpu))?;
        let more = points as i64 - 1;
        let (others, _) =
            Tensor::f_internal_sobol_engine_draw(&start, more, &state, dims, 0, Kind::Float)?;
        Tensor::f_cat(&[first, others], 0)
    };
    let values = to_floats(&work().into_result()?)?;
    Ok(values.chunks_exact(dimensions.max(1)).map(<[f32]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_points_are_those_of_the_sequence() {
        let points = sobol_points(2, 4).expect("points");
        assert_eq!(points, [[0.0, 0.0], [0.5, 0.5], [0.75, 0.25], [0.25, 0.75]]);
        assert!(sobol_points(30_000, 2).is_err_and(|e| e.to_string().contains("21201")));
    }

    #[test]
    fn what_moves_the_score_alone_has_all_of_its_variance() {
        // y = a[0]: segment 1 changes nothing.
        let scores = [0.0, 0.5, 0.0, 0.5, 0.0, 0.5, 1.0, 0.5, 1.0, 0.25, 0.75, 0.25];
        let indices = total_indices(&scores, 2);
        assert!(indices[0] > 0.3 && indices[1] == 0.0, "{indices:?}");
        assert_eq!(total_indices(&[2.0; 6], 2), [0.0, 0.0]);
    }
}
