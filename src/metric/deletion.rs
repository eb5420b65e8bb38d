//! Deletion and insertion.

use tch::Tensor;

use super::curve::{Curve, points};
use super::trial::Trial;
use super::{Better, Metric, check_runs};
use crate::attribution::{Attribution, Baseline, Case};
use crate::error::{Error, Result};
use crate::look::Look;
use crate::tensor::IntoResult;

/// RISE's blur, 11 pixels wide, of deviation 5.
const BLUR: (usize, f64) = (11, 5.0);

/// What stands in the place of pixels that are not there.
#[derive(Clone, Debug, PartialEq)]
enum Substrate {
    Baseline(Baseline),
    Blurred,
}

/// What deletion and insertion have in common.
#[derive(Clone, Debug)]
struct Pixels {
    steps: usize,
    substrate: Substrate,
    logits: bool,
}

/// Deletion: the most relevant pixels of the photo are taken away first, and the area under the curve of the class's
/// probability is low when the network needed them.
///
/// In [`steps`](Deletion::steps) of `⌈HW / steps⌉` pixels, in the order of the paper's map at the photo's size, of equal
/// values row by row; what stands in their place is the [`baseline`](Deletion::baseline), 0 of the normalised input
/// unless set, which is the mean colour. The area is that of the trapezoidal rule over the share of pixels, 0 to 1. Of a
/// target that is not one class, its score takes the probability's place. torchcam's `DeletionInsertionMetric`.
///
/// Petsiuk et al. 2018, <https://arxiv.org/abs/1806.07421>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let curve = Deletion::default().steps(5).curve(&look, &GradCam::default())?;
/// assert_eq!(curve.points().len(), 6);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Deletion {
    pixels: Pixels,
}

/// Insertion: the most relevant pixels are put first into a photo in which nothing can be made out, and the area under
/// the curve of the class's probability is high when they are enough for the network.
///
/// The photo starts [`blurred`](Insertion::blurred), as in the paper: by a Gaussian of deviation 5, 11 pixels wide, with 0
/// beyond the border. All else is as in [`Deletion`].
///
/// Petsiuk et al. 2018, <https://arxiv.org/abs/1806.07421>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let curve = Insertion::default().steps(5).baseline([0, 0, 0]).curve(&look, &GradCam::default())?;
/// assert_eq!(curve.points().len(), 6);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Insertion {
    pixels: Pixels,
}

/// torchcam's number of steps.
const STEPS: usize = 20;

impl Default for Deletion {
    fn default() -> Self {
        let substrate = Substrate::Baseline(Baseline::default());
        Deletion { pixels: Pixels { steps: STEPS, substrate, logits: false } }
    }
}

impl Default for Insertion {
    fn default() -> Self {
        Insertion { pixels: Pixels { steps: STEPS, substrate: Substrate::Blurred, logits: false } }
    }
}

macro_rules! pixels {
    ($metric:ident, $name:literal, $better:expr, inserts: $inserts:literal) => {
        impl $metric {
            /// In so many steps, 20 unless set; never more than there are pixels.
            #[must_use]
            pub fn steps(&self, steps: usize) -> Self {
                Self { pixels: Pixels { steps, ..self.pixels.clone() } }
            }

            /// What stands where a pixel is not there: a value of the normalised input, a colour, or a number a band.
            #[must_use]
            pub fn baseline(&self, baseline: impl Into<Baseline>) -> Self {
                let substrate = Substrate::Baseline(baseline.into());
                Self { pixels: Pixels { substrate, ..self.pixels.clone() } }
            }

            /// The photo itself, blurred, stands where a pixel is not there.
            #[must_use]
            pub fn blurred(&self) -> Self {
                Self { pixels: Pixels { substrate: Substrate::Blurred, ..self.pixels.clone() } }
            }

            /// The score as the network puts it out, in place of the class's probability.
            #[must_use]
            pub fn logits(&self) -> Self {
                Self { pixels: Pixels { logits: true, ..self.pixels.clone() } }
            }

            /// The curve of one photo as one method explains it.
            ///
            /// # Errors
            /// As [`Look::explain`]; no steps, or more than make 10,000 runs of the network; a baseline that is the
            /// photo itself; a map of one pixel.
            pub fn curve(&self, look: &Look, method: &dyn Attribution) -> Result<Curve> {
                let curve = self.pixels.curve(&Trial::new(look, method)?, $inserts);
                curve.map_err(|e| e.while_doing($name))
            }
        }

        impl Metric for $metric {
            fn name(&self) -> String {
                self.pixels.named($name, &Self::default().pixels)
            }

            fn better(&self) -> Better {
                $better
            }

            fn measure(&self, trial: &Trial) -> Result<Option<f64>> {
                Ok(Some(self.pixels.curve(trial, $inserts)?.area()))
            }
        }
    };
}

pixels!(Deletion, "deletion", Better::Lower, inserts: false);
pixels!(Insertion, "insertion", Better::Higher, inserts: true);

impl Pixels {
    fn named(&self, name: &str, usual: &Pixels) -> String {
        let mut name = name.to_owned();
        match &self.substrate {
            substrate if *substrate == usual.substrate => {}
            Substrate::Blurred => name += ", blurred",
            Substrate::Baseline(baseline) => name += &format!(", baseline {baseline}"),
        }
        if self.logits {
            name += ", of scores";
        }
        name
    }

    fn curve(&self, trial: &Trial, inserts: bool) -> Result<Curve> {
        let (input, map) = (trial.input()?, trial.map()?);
        let substrate = match &self.substrate {
            Substrate::Baseline(baseline) => baseline
                .of(trial.look().model())
                .and_then(|pixel| pixel.f_expand_as(&input).into_result())?,
            Substrate::Blurred => blurred(trial.case(), &input)?,
        };
        if input.f_equal(&substrate).into_result()? {
            return Err(Error::Argument(
                "what stands for missing pixels is the photo itself, so that nothing would change: choose another \
                 .baseline(..)"
                    .into(),
            ));
        }
        let positions = map.len();
        let step = positions.div_ceil(self.steps.max(1));
        let mut counts: Vec<usize> = (0..positions).step_by(step).collect();
        counts.push(positions);
        check_runs("a curve", "steps", self.steps, counts.len())?;
        let (photo, gone) = (&input, &substrate);
        let [first, rest] = if inserts { [photo, gone] } else { [gone, photo] };
        let ranks = ranks(&most_relevant_first(&map))?;
        let name = if inserts { "insertion" } else { "deletion" };
        let values = trial.in_batches(name, counts.len(), |some| {
            let variants = mixed(first, rest, &ranks, &counts[some])?;
            if self.logits { trial.scores(&variants) } else { trial.confidences(&variants) }
        })?;
        let shares = counts.iter().map(|&count| count as f64 / positions as f64).collect();
        let heat = trial.heat();
        let likely = !self.logits && heat.class().is_some() && heat.probability().is_some();
        let mut curve = Curve {
            name: name.into(),
            method: heat.method().to_owned(),
            of: format!("{} of {}", if likely { "probability" } else { "score" }, heat.target()),
            across: format!("share of pixels {}", if inserts { "inserted" } else { "deleted" }),
            points: points(shares, values)?,
            remarks: Vec::new(),
        };
        curve.remarks.extend(curve.flatness());
        if map.iter().all(|value| *value == map[0]) {
            curve
                .remarks
                .push("the map is the same everywhere: pixels were taken row by row".into());
        }
        Ok(curve)
    }
}

/// The places of a map from its greatest value to its least, of equal ones row by row.
pub(super) fn most_relevant_first(map: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..map.len()).collect();
    // −0 and 0 are the same here; a map is finite.
    order.sort_by(|&a, &b| map[b].partial_cmp(&map[a]).unwrap_or(std::cmp::Ordering::Equal));
    order
}

/// When it is each place's turn.
fn ranks(order: &[usize]) -> Result<Tensor> {
    let mut ranks = vec![0i64; order.len()];
    for (turn, &place) in (0..).zip(order) {
        ranks[place] = turn;
    }
    Tensor::f_from_slice(&ranks).into_result()
}

/// Variants in which so many of the first places are those of one input and the rest those of another.
fn mixed(first: &Tensor, rest: &Tensor, ranks: &Tensor, counts: &[usize]) -> Result<Tensor> {
    let work = || {
        let (positions, device) = (ranks.numel() as i64, first.device());
        let counts: Vec<i64> = counts.iter().map(|&count| count as i64).collect();
        let counts = Tensor::f_from_slice(&counts)?.f_reshape([-1, 1, 1])?;
        let is_first = ranks.f_reshape([1, 1, positions])?.f_lt_tensor(&counts)?; // [M, 1, HW]
        let flat = |t: &Tensor| t.f_reshape([1, -1, positions]);
        let mixed = flat(first)?.f_where_self(&is_first.f_to_device(device)?, &flat(rest)?)?;
        let mut size = first.size();
        size[0] = -1;
        mixed.f_reshape(size)
    };
    work().into_result()
}

/// RISE's blur, with 0 beyond the border.
fn blurred(case: &Case, input: &Tensor) -> Result<Tensor> {
    case.check_photo("a blurred photo")?;
    let kernel: Vec<f32> = blur().map(|weight| weight as f32).collect();
    let work = || {
        let (channels, side) = (input.size()[1], kernel.len() as i64);
        let line = Tensor::f_from_slice(&kernel)?.f_to_device(input.device())?;
        let along = |photo: &Tensor, [h, w]: [i64; 2]| {
            let kernel = line.f_reshape([1, 1, h, w])?.f_repeat([channels, 1, 1, 1])?;
            photo.f_conv2d(&kernel, None::<&Tensor>, [1, 1], [h / 2, w / 2], [1, 1], channels)
        };
        along(&along(input, [side, 1])?, [1, side])
    };
    work().into_result()
}

/// A Gaussian that is reflected at the ends of its 11 places, as scipy's filter of a single 1 has it.
fn blur() -> impl Iterator<Item = f64> {
    let (side, deviation) = BLUR;
    let (side, reach) = (side as i64, (4.0 * deviation + 0.5) as i64);
    let weight = move |distance: i64| (-0.5 * (distance as f64 / deviation).powi(2)).exp();
    let total: f64 = (-reach..=reach).map(weight).sum();
    let reflected = move |at: i64| {
        let at = at.rem_euclid(2 * side);
        at.min(2 * side - 1 - at)
    };
    let near = move |i: i64| (-reach..=reach).filter(move |k| reflected(i + k) == side / 2);
    (0..side).map(move |i| near(i).map(weight).sum::<f64>() / total)
}
