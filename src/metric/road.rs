//! ROAD: pixels that are removed so that nothing shows where.

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::Tensor;

use super::deletion::most_relevant_first;
use super::trial::Trial;
use super::{Better, Metric, check_runs};
use crate::error::{Error, Result};
use crate::model::Init;
use crate::tensor::{IntoResult, to_doubles, to_floats};

/// The weights of a pixel's neighbours: rows, columns, weight.
const NEIGHBOURS: [(isize, isize, f64); 8] = [
    (1, 1, 1.0 / 12.0),
    (0, 1, 1.0 / 6.0),
    (-1, 1, 1.0 / 12.0),
    (1, -1, 1.0 / 12.0),
    (0, -1, 1.0 / 6.0),
    (-1, -1, 1.0 / 12.0),
    (1, 0, 1.0 / 6.0),
    (-1, 0, 1.0 / 6.0),
];
/// The deviation of the noise on pixels that were filled in.
const NOISE: f64 = 0.01;
/// What the largest remaining error of the equations may be, by the largest right side.
const EXACT: f64 = 1e-9;

/// Which pixels are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    Most,
    Least,
    /// Half of the difference of both.
    Both,
}

/// ROAD: how the class's probability changes when pixels are removed so that nothing shows where. Each is filled in as the
/// weighted mean of its eight neighbours, all at once by linear equations, with a little noise (deviation 0.01).
///
/// `(least − most) / 2`, from −0.5 to 0.5: the mean change over [`percentiles`](Road::percentiles) `q` of the map when the
/// least relevant pixels are removed, less that when the most relevant are; of either, the share `1 − q / 100` of all pixels is
/// removed. [`most_relevant`](Road::most_relevant) and [`least_relevant`](Road::least_relevant) give one side alone. Of a
/// target that is not one class, its score takes the probability's place. pytorch-grad-cam's `ROADCombined`, which
/// removes all pixels of a value or none, and so more of a map with many equal ones; here they are taken row by row.
///
/// Rong et al. 2022, <https://arxiv.org/abs/2202.00449>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let road = look.measure(&Road::default().percentiles([90.0]), &GradCam::default())?;
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Road {
    percentiles: Vec<f64>,
    first: First,
    logits: bool,
    seed: u64,
}

impl Default for Road {
    fn default() -> Self {
        Road {
            percentiles: vec![20.0, 40.0, 60.0, 80.0],
            first: First::Both,
            logits: false,
            seed: 0,
        }
    }
}

impl Road {
    /// From which percentiles of the map on pixels are removed, each above 0 and below 100: 20, 40, 60 and 80 unless set.
    #[must_use]
    pub fn percentiles(&self, percentiles: impl Into<Vec<f64>>) -> Self {
        Self { percentiles: percentiles.into(), ..self.clone() }
    }

    /// The change when the most relevant pixels are removed, alone: low is better.
    #[must_use]
    pub fn most_relevant(&self) -> Self {
        Self { first: First::Most, ..self.clone() }
    }

    /// The change when the least relevant pixels are removed, alone: high is better.
    #[must_use]
    pub fn least_relevant(&self) -> Self {
        Self { first: First::Least, ..self.clone() }
    }

    /// The score as the network puts it out, in place of the class's probability.
    #[must_use]
    pub fn logits(&self) -> Self {
        Self { logits: true, ..self.clone() }
    }

    /// Other noise of the same kind: 0 unless set.
    #[must_use]
    pub fn seed(&self, seed: u64) -> Self {
        Self { seed, ..self.clone() }
    }
}

impl Metric for Road {
    fn name(&self) -> String {
        let name = match self.first {
            First::Both => "ROAD",
            First::Most => "ROAD, most relevant first",
            First::Least => "ROAD, least relevant first",
        };
        if self.logits { format!("{name}, of scores") } else { name.into() }
    }

    fn better(&self) -> Better {
        match self.first {
            First::Most => Better::Lower,
            First::Least | First::Both => Better::Higher,
        }
    }

    fn measure(&self, trial: &Trial) -> Result<Option<f64>> {
        if let Some(odd) = self.percentiles.iter().find(|q| !(**q > 0.0 && **q < 100.0)) {
            return Err(Error::Argument(format!(
                "a percentile lies above 0 and below 100, not at {odd}: some pixels must stay for the others to be made of"
            )));
        }
        let count = self.percentiles.len();
        check_runs("ROAD", "percentiles", count, 2 * count)?;
        trial.case().check_photo("ROAD")?;
        let map = trial.map()?;
        let [most, least] = {
            let order = most_relevant_first(&map);
            // The least relevant first is the order of 1 − map.
            let turned: Vec<f32> = map.iter().map(|value| -value).collect();
            [order, most_relevant_first(&turned)]
        };
        let orders = match self.first {
            First::Both => vec![(&least, 0.5), (&most, -0.5)],
            First::Most => vec![(&most, 1.0)],
            First::Least => vec![(&least, 1.0)],
        };
        let before = if self.logits { trial.heat().score() } else { trial.confidence()? };
        let (input, size) = (trial.input()?, trial.size()?);
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut sum = 0.0;
        for (order, factor) in orders {
            let after = trial.in_batches("ROAD", count, |some| {
                let removed = self.percentiles[some].iter().map(|&q| {
                    let places = &order[..removed(q, order.len())];
                    imputed(&input, size, places, &mut random)
                });
                let removed =
                    Tensor::f_cat(&removed.collect::<Result<Vec<_>>>()?, 0).into_result()?;
                if self.logits { trial.scores(&removed) } else { trial.confidences(&removed) }
            })?;
            let change = after.iter().map(|after| after - before).sum::<f64>() / count as f64;
            sum += factor * change;
        }
        Ok(Some(sum))
    }
}

/// How many of so many different values lie at a percentile or above, numpy's linear one.
fn removed(percentile: f64, count: usize) -> usize {
    let place = percentile / 100.0 * (count.saturating_sub(1)) as f64;
    count - (place.ceil() as usize).clamp(1, count.max(1))
}

/// The photo with these places filled in from the others.
fn imputed(
    input: &Tensor,
    [height, width]: [usize; 2],
    places: &[usize],
    random: &mut StdRng,
) -> Result<Tensor> {
    let holes = Holes::new([height, width], places);
    let mut values = to_doubles(input)?;
    let channels = values.len() / (height * width);
    // Row by row, as the peer draws it.
    let noise =
        Init::Normal(NOISE).tensor(&[channels as i64, holes.places.len() as i64], random)?;
    let noise = to_floats(&noise)?;
    let count = holes.places.len().max(1);
    for (plane, noise) in values.chunks_exact_mut(height * width).zip(noise.chunks(count)) {
        let filled = holes.filled(plane)?;
        for ((&place, value), noise) in holes.places.iter().zip(filled).zip(noise) {
            plane[place] = value + f64::from(*noise);
        }
    }
    let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
    Tensor::f_from_slice(&values)
        .and_then(|t| t.f_reshape(input.size())?.f_to_device(input.device()))
        .into_result()
}

/// The equations for places that are filled in: `dᵢ xᵢ − Σ w xⱼ = Σ w vₖ`, over neighbours `j` that are filled in as well and
/// neighbours `k` that are known, with `d` the weights of all neighbours that there are. They are symmetric.
struct Holes {
    /// Row by row.
    places: Vec<usize>,
    /// Of each, one after the other, those of its neighbours that are filled in, up to `ends`, and those that are known,
    /// up to `known_ends`.
    unknown: Vec<(usize, f64)>,
    ends: Vec<usize>,
    known: Vec<(usize, f64)>,
    known_ends: Vec<usize>,
    diagonal: Vec<f64>,
}

impl Holes {
    fn new([height, width]: [usize; 2], places: &[usize]) -> Holes {
        const KNOWN: usize = usize::MAX;
        let mut sorted = places.to_vec();
        sorted.sort_unstable();
        let mut index = vec![KNOWN; height * width];
        for (i, &place) in sorted.iter().enumerate() {
            index[place] = i;
        }
        let mut holes = Holes {
            places: sorted,
            unknown: Vec::new(),
            ends: Vec::new(),
            known: Vec::new(),
            known_ends: Vec::new(),
            diagonal: Vec::new(),
        };
        for &place in &holes.places {
            let (row, column) = (place / width, place % width);
            let mut around = 0.0;
            for (down, right, weight) in NEIGHBOURS {
                let (Some(y), Some(x)) =
                    (row.checked_add_signed(down), column.checked_add_signed(right))
                else {
                    continue;
                };
                if y >= height || x >= width {
                    continue;
                }
                around += weight;
                match index[y * width + x] {
                    KNOWN => holes.known.push((y * width + x, weight)),
                    other => holes.unknown.push((other, weight)),
                }
            }
            holes.diagonal.push(around);
            holes.ends.push(holes.unknown.len());
            holes.known_ends.push(holes.known.len());
        }
        holes
    }

    /// `Σ w x` over the neighbours in a list, for each place.
    fn sums(list: &[(usize, f64)], ends: &[usize], values: &[f64], into: &mut [f64]) {
        let mut start = 0;
        for (sum, &end) in into.iter_mut().zip(ends) {
            *sum = list[start..end].iter().map(|&(at, weight)| weight * values[at]).sum();
            start = end;
        }
    }

    /// The values of the places, by conjugate gradients with the diagonal as their scale.
    fn filled(&self, plane: &[f64]) -> Result<Vec<f64>> {
        let count = self.places.len();
        let mut right = vec![0.0; count];
        Self::sums(&self.known, &self.known_ends, plane, &mut right);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let most = |values: &[f64]| values.iter().fold(0.0f64, |most, v| most.max(v.abs()));
        let enough = EXACT * most(&right);
        let mut x = vec![0.0; count];
        let mut residual = right;
        let mut scaled = vec![0.0; count];
        let rescale = |residual: &[f64], scaled: &mut [f64]| {
            for ((z, r), d) in scaled.iter_mut().zip(residual).zip(&self.diagonal) {
                *z = r / d;
            }
        };
        rescale(&residual, &mut scaled);
        let mut direction = scaled.clone();
        let mut product = vec![0.0; count];
        let mut size = dot(&residual, &scaled);
        for _ in 0..10 * count.max(100) {
            if most(&residual) <= enough {
                return Ok(x);
            }
            Self::sums(&self.unknown, &self.ends, &direction, &mut product);
            for ((p, d), diagonal) in product.iter_mut().zip(&direction).zip(&self.diagonal) {
                *p = diagonal * d - *p;
            }
            let step = size / dot(&direction, &product);
            for i in 0..count {
                x[i] += step * direction[i];
                residual[i] -= step * product[i];
            }
            rescale(&residual, &mut scaled);
            let next = dot(&residual, &scaled);
            let keep = next / size;
            size = next;
            for (d, z) in direction.iter_mut().zip(&scaled) {
                *d = z + keep * *d;
            }
        }
        Err(Error::Argument(
            "the removed pixels cannot be filled in from those that are left".into(),
        ))
    }
}
