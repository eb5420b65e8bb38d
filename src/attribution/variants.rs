//! Variants of a photo, of which each shows some parts and has the baseline in the place of the others: what the
//! methods that see a network from outside have in common.

use rand::SeedableRng;
use rand::distributions::{Distribution, Standard};
use rand::rngs::StdRng;
use tch::Tensor;

use super::long_work::LongWork;
use super::settings::Settings;
use super::{Baseline, Case, Evidence, Meaning};
use crate::error::{Error, Result};
use crate::picture::{Segmentation, Segments};
use crate::tensor::IntoResult;

/// Nobody waits for more forward passes.
const MOST: usize = 1_000_000;

/// Refuses none, and more than anybody can wait for.
pub(super) fn check_count(what: &str, count: usize, passes: usize) -> Result<()> {
    match passes {
        _ if count == 0 => Err(Error::Argument(format!("0 {what} say nothing: give 1 or more"))),
        passes if passes > MOST => Err(Error::Argument(format!(
            "{count} {what} take {passes} forward passes for each photo, and at most {MOST} are made: ask for fewer"
        ))),
        _ => Ok(()),
    }
}

/// Randomness that repeats.
pub(super) struct Draws(StdRng);

impl Draws {
    pub(super) fn new(seed: u64) -> Draws {
        Draws(StdRng::seed_from_u64(seed))
    }

    /// From 0 up to 1.
    pub(super) fn share(&mut self) -> f64 {
        Standard.sample(&mut self.0)
    }

    /// One of `0..count`.
    pub(super) fn below(&mut self, count: usize) -> usize {
        ((self.share() * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// `0..count` in any order, by Fisher and Yates.
    pub(super) fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

/// The inputs of a case, and what stands in the place of what is hidden.
pub(super) struct Variants<'a> {
    case: &'a Case,
    input: Tensor,
    cover: Tensor,
}

impl<'a> Variants<'a> {
    pub(super) fn new(case: &'a Case, baseline: &Baseline) -> Result<Variants<'a>> {
        let (input, cover) = (case.input()?, baseline.of(case.model())?);
        case.check_finite(&input)?;
        let cover = cover.f_to_kind(input.kind()).into_result()?;
        Ok(Variants { case, input, cover })
    }

    /// The score of each variant of a photo, `b + m (x − b)` for masks `m`, `[M, H · W]`, of which each value is from 0,
    /// hidden, to 1, shown.
    pub(super) fn scores(&self, photo: usize, masks: &Tensor) -> Result<Vec<f64>> {
        let work = || {
            let one = self.input.f_narrow(0, photo as i64, 1)?;
            let mut size = one.size();
            size[0] = masks.size()[0];
            if let [_, channels, _, _] = size.as_mut_slice() {
                *channels = 1;
            }
            let masks = masks.f_to_device(one.device())?.f_to_kind(one.kind())?.f_reshape(&size)?;
            self.cover.f_lerp_tensor(&one, &masks)
        };
        let values = work().into_result()?;
        let scores = self.case.scores_from(photo, self.case.model().input(), &values)?;
        match scores.len() as i64 == values.size()[0] {
            true => Ok(scores),
            false => Err(Error::Shape(format!(
                "{} gives {} scores for {} inputs: it has to give one for each, along the first dimension",
                self.case.model().name(),
                scores.len(),
                values.size()[0]
            ))),
        }
    }
}

/// What methods that change whole segments are told besides the rest.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    pub(super) segmentation: Option<Segmentation>,
    pub(super) baseline: Baseline,
}

impl Parts {
    /// The method's name with what was set otherwise.
    pub(super) fn named(
        &self,
        settings: &Settings,
        name: &str,
        others: &[(&str, Option<usize>)],
    ) -> String {
        let mut name = name.to_owned();
        for (what, set) in others {
            if let Some(count) = set {
                name += &format!(", {count} {what}");
            }
        }
        if let Some(segmentation) = &self.segmentation {
            name += &format!(", {segmentation}");
        }
        settings.named(&covered_by(name, &self.baseline))
    }

    /// The photos of a case, each divided into its segments.
    pub(super) fn of<'a>(&self, case: &'a Case) -> Result<Divided<'a>> {
        let variants = Variants::new(case, &self.baseline)?;
        let width = case.map_size()?[1].max(0) as usize;
        let mut segments = Vec::with_capacity(case.count());
        for photo in 0..case.count() as i64 {
            segments.push(match (case.model().takes_numbers(), &self.segmentation) {
                // Each number by itself.
                (true, None) => Segments::grid(1, width, 1, width)?,
                (true, Some(Segmentation::Given(own)))
                    if (own.height(), own.width()) == (1, width) =>
                {
                    own.clone()
                }
                (true, Some(_)) => {
                    return Err(Error::Argument(format!(
                        "a row of {width} numbers is no picture: leave out the segments, or give \
                         Segments::new(1, {width}, labels)"
                    )));
                }
                // Of what is seen of the input, as the pictures show it.
                (false, given) => {
                    let one = variants.input.f_narrow(0, photo, 1).into_result()?;
                    let (picture, _) = case.model().preprocess().pictured(&one)?;
                    given.clone().unwrap_or_default().segments(&picture)?
                }
            });
        }
        let places = segments.iter().map(|segments| {
            let labels: Vec<i64> =
                segments.labels().iter().map(|&label| i64::from(label)).collect();
            Tensor::f_from_slice(&labels).into_result()
        });
        let places = places.collect::<Result<Vec<_>>>()?;
        Ok(Divided { case, variants, segments, places })
    }
}

/// The name, with what covers where that was set.
pub(super) fn covered_by(name: String, baseline: &Baseline) -> String {
    match *baseline == Baseline::default() {
        true => name,
        false => format!("{name}, covered by {baseline}"),
    }
}

/// `segments` and `baseline` of a method, for a type with a field `parts`.
macro_rules! part_setters {
    ($method:ident) => {
        impl $method {
            /// What is shown and hidden as a whole: about 50 superpixels unless set. A [`Slic`](crate::picture::Slic),
            /// `Segmentation::grid(7, 7)`, or [`Segments`](crate::picture::Segments) of one's own, of the size at which the
            /// network sees the photo. Of a row of numbers, each is one.
            #[must_use]
            pub fn segments(&self, segments: impl Into<$crate::picture::Segmentation>) -> Self {
                let mut changed = self.clone();
                changed.parts.segmentation = Some(segments.into());
                changed
            }

            /// What stands in the place of what is hidden: a value of the normalised input, a colour, or a number a band.
            #[must_use]
            pub fn baseline(&self, baseline: impl Into<$crate::attribution::Baseline>) -> Self {
                let mut changed = self.clone();
                changed.parts.baseline = baseline.into();
                changed
            }
        }
    };
}
pub(super) use part_setters;

/// `samples` and `seed` of a method, for a type with fields of these names.
macro_rules! draw_setters {
    ($method:ident, $name:ident, $what:literal) => {
        impl $method {
            #[doc = $what]
            #[must_use]
            pub fn $name(&self, count: usize) -> Self {
                Self { $name: Some(count), ..self.clone() }
            }

            /// Other random numbers: 0 unless set.
            #[must_use]
            pub fn seed(&self, seed: u64) -> Self {
                Self { seed, ..self.clone() }
            }
        }
    };
}
pub(super) use draw_setters;

/// Photos divided into segments.
pub(super) struct Divided<'a> {
    pub(super) case: &'a Case,
    variants: Variants<'a>,
    segments: Vec<Segments>,
    /// The segment of each pixel, for each photo, `[H · W]`.
    places: Vec<Tensor>,
}

impl Divided<'_> {
    /// How many segments a photo has.
    pub(super) fn count(&self, photo: usize) -> usize {
        self.segments.get(photo).map_or(0, Segments::count)
    }

    /// The most that one of them has.
    pub(super) fn most(&self) -> usize {
        self.segments.iter().map(Segments::count).max().unwrap_or(0)
    }

    /// The score with nothing but the baseline.
    pub(super) fn hidden(&self, photo: usize) -> Result<f64> {
        let scores = self.scores(photo, &[vec![0.0; self.count(photo)]])?;
        scores.first().copied().ok_or_else(|| Error::Shape("no score".into()))
    }

    /// The score of variants of a photo, from how far each shows each segment, 0 to 1.
    fn scores(&self, photo: usize, shown: &[Vec<f32>]) -> Result<Vec<f64>> {
        let missing = || Error::Argument(format!("there is no photo {photo}"));
        let places = self.places.get(photo).ok_or_else(missing)?;
        let masks = Tensor::f_from_slice(&shown.concat())
            .and_then(|t| t.f_reshape([shown.len() as i64, -1]))
            .and_then(|t| t.f_index_select(1, places));
        self.variants.scores(photo, &masks.into_result()?)
    }

    /// The scores of up to `steps` variants of each photo, in their order, and a remark when the time was up.
    /// `shown` says of a photo and a step how far each segment is shown; `None` where a photo has no such step.
    pub(super) fn run(
        &self,
        work: &LongWork,
        [method, unit]: [&str; 2],
        steps: usize,
        mut shown: impl FnMut(usize, usize) -> Option<Vec<f32>>,
    ) -> Result<(Vec<Vec<f64>>, Option<String>)> {
        let photos = self.segments.len();
        let mut scores = vec![Vec::new(); photos];
        let work = work.suiting(self.case, "input")?;
        let stopped = work.run(method, unit, photos, steps, |photo, range| {
            let rows: Vec<Vec<f32>> = range.filter_map(|step| shown(photo, step)).collect();
            if !rows.is_empty() {
                scores[photo].extend(self.scores(photo, &rows)?);
            }
            Ok(())
        })?;
        Ok((scores, stopped))
    }

    /// One value a segment for each photo, as what was found.
    pub(super) fn evidence(
        self,
        settings: &Settings,
        values: &[Vec<f64>],
        meaning: Meaning,
        remarks: Vec<String>,
    ) -> Result<Evidence> {
        let pixels = self.segments.iter().zip(values).flat_map(|(segments, values)| {
            let value = move |label: u32| values.get(label as usize).copied().unwrap_or_default();
            segments.labels().iter().map(move |&label| value(label) as f32)
        });
        let painted: Vec<f32> = pixels.collect();
        let [height, width] = self.case.map_size()?;
        let size = match self.case.model().takes_numbers() {
            true => vec![-1, width],
            false => vec![-1, 1, height, width],
        };
        let contributions =
            Tensor::f_from_slice(&painted).and_then(|t| t.f_reshape(&size)).into_result()?;
        let evidence = settings.at_input(self.case, contributions, meaning)?;
        Ok(Evidence { remarks, segments: self.segments, ..evidence })
    }
}

/// Bits of which each is 1 with a probability of a half.
pub(super) fn coins(draws: &mut Draws, count: usize) -> Vec<bool> {
    (0..count).map(|_| draws.share() < 0.5).collect()
}

/// As [`Divided::run`] takes it.
pub(super) fn as_shares(shown: &[bool]) -> Vec<f32> {
    shown.iter().map(|&shown| f32::from(u8::from(shown))).collect()
}

impl Divided<'_> {
    /// The score of each photo with nothing but the baseline, and with everything.
    pub(super) fn ends(&self) -> Result<Vec<[f64; 2]>> {
        let whole = self.case.scores()?;
        (0..).zip(whole).map(|(photo, whole)| Ok([self.hidden(photo)?, whole])).collect()
    }

    /// What the segments' values sum to, and what they should: of the photo where that differs most.
    pub(super) fn completeness(&self, values: &[Vec<f64>], ends: &[[f64; 2]]) -> String {
        let sums = values.iter().map(|values| values.iter().sum::<f64>());
        let ends = ends.iter().map(|[hidden, whole]| whole - hidden);
        let apart = |(sum, change): &(f64, f64)| (sum - change).abs();
        let widest = sums.zip(ends).max_by(|a, b| apart(a).total_cmp(&apart(b)));
        let (sum, change) = widest.unwrap_or_default();
        let which = if values.len() > 1 { "of the photo with the widest gap: " } else { "" };
        format!(
            "{which}the segments sum to {sum:.4}, and the score changes by {change:.4} from the baseline to the photo"
        )
    }
}
