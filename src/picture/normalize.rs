//! From values to the range that the colours span.

use crate::error::{Error, Result};

/// Which value gets the first colour and which the last. Only finite values count.
///
/// Values outside are drawn in the first or last colour. Where there is no range, because all
/// values are the same, they get the middle colour, and the text says that they are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Normalize {
    /// Every map from its own minimum to its own maximum, as matplotlib does for each of its
    /// pictures. Maps cannot be compared with each other.
    #[default]
    PerMap,
    /// From the minimum to the maximum over all maps that are shown.
    Sheet,
    /// From `-m` to `m`, where `m` is the largest magnitude over all maps that are shown: 0 gets
    /// the middle colour. Goes with [`Colormap::Coolwarm`](super::Colormap::Coolwarm) and
    /// [`Colormap::RdBu`](super::Colormap::RdBu).
    Symmetric,
    /// From the one value to the other.
    Range(f32, f32),
    /// From the one percentile to the other, 0 to 100, over all maps that are shown; interpolated
    /// as `numpy.percentile` does. Where both are the same number, as in maps that are 0 nearly
    /// everywhere, from the minimum to the maximum.
    Percentile(f32, f32),
    /// From `-m` to `m`, where `m` is this percentile, 0 to 100, of the magnitudes over all maps
    /// that are shown: [`Symmetric`](Normalize::Symmetric) for maps with a few values far larger
    /// than the others, such as gradients.
    SymmetricPercentile(f32),
}

impl Normalize {
    /// The one range for all maps, of which the extents are known; `None` where each map has its
    /// own, or where no value is finite.
    pub(super) fn range<'a>(
        self,
        extents: &[Extent],
        mut maps: impl Iterator<Item = &'a [f32]>,
    ) -> Result<Option<(f32, f32)>> {
        let overall = || {
            let ranges = extents.iter().filter_map(|extent| extent.range);
            ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
        };
        let symmetric = || {
            overall().map(|(low, high)| {
                let most = low.abs().max(high.abs());
                (-most, most)
            })
        };
        let finite = |maps: &mut dyn Iterator<Item = &'a [f32]>| -> Vec<f32> {
            maps.flatten().copied().filter(|value| value.is_finite()).collect()
        };
        match self {
            Normalize::PerMap => Ok(None),
            Normalize::Sheet => Ok(overall()),
            Normalize::Symmetric => Ok(symmetric()),
            Normalize::Range(low, high) => {
                if low.is_finite() && high.is_finite() && low < high {
                    Ok(Some((low, high)))
                } else {
                    Err(Error::Argument(format!(
                        "a range goes from a smaller to a larger finite number, not from {low} to \
                         {high}"
                    )))
                }
            }
            Normalize::Percentile(low, high) => {
                if !(0.0 <= low && low < high && high <= 100.0) {
                    return Err(Error::Argument(format!(
                        "percentiles go from a smaller to a larger number between 0 and 100, not \
                         from {low} to {high}"
                    )));
                }
                let mut values = finite(&mut maps);
                let range = percentile(&mut values, low).zip(percentile(&mut values, high));
                Ok(range.filter(|(low, high)| low < high).or_else(overall))
            }
            Normalize::SymmetricPercentile(percent) => {
                if !(0.0 < percent && percent <= 100.0) {
                    return Err(Error::Argument(format!(
                        "a percentile of magnitudes lies above 0 and at most at 100, not at \
                         {percent}"
                    )));
                }
                let mut values = finite(&mut maps);
                values.iter_mut().for_each(|value| *value = value.abs());
                let most = percentile(&mut values, percent).filter(|&most| most > 0.0);
                Ok(most.map(|most| (-most, most)).or_else(symmetric))
            }
        }
    }
}

/// The finite values' range, and what else there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// The smallest and the largest finite value, if there is any.
    pub(super) range: Option<(f32, f32)>,
    /// Whether all values are finite.
    pub(super) finite: bool,
}

impl Extent {
    pub(super) fn of(values: &[f32]) -> Extent {
        const LANES: usize = 16;
        let mut low = [f32::INFINITY; LANES];
        let mut high = [f32::NEG_INFINITY; LANES];
        // 0 times a finite number is 0, times anything else NaN, and NaN stays in the sum.
        let mut zero = [0.0f32; LANES];
        let (chunks, rest) = values.as_chunks::<LANES>();
        for chunk in chunks {
            for i in 0..LANES {
                let value = chunk[i];
                low[i] = if value < low[i] { value } else { low[i] };
                high[i] = if value > high[i] { value } else { high[i] };
                zero[i] += value * 0.0;
            }
        }
        let finite = zero.iter().all(|z| !z.is_nan()) && rest.iter().all(|v| v.is_finite());
        let fold = |(low, high): (f32, f32), &v: &f32| (low.min(v), high.max(v));
        let none = (f32::INFINITY, f32::NEG_INFINITY);
        let (low, high) = if finite {
            low.iter().chain(&high).chain(rest).filter(|v| v.is_finite()).fold(none, fold)
        } else {
            values.iter().filter(|v| v.is_finite()).fold(none, fold)
        };
        Extent { range: (low <= high).then_some((low, high)), finite }
    }
}

fn percentile(values: &mut [f32], percent: f32) -> Option<f32> {
    let last = values.len().checked_sub(1)?;
    let position = f64::from(percent) / 100.0 * last as f64;
    let below = (position.floor() as usize).min(last);
    let (_, &mut low, above) = values.select_nth_unstable_by(below, f32::total_cmp);
    let high = above.iter().copied().min_by(f32::total_cmp).unwrap_or(low);
    let part = position - below as f64;
    Some((f64::from(low) + part * (f64::from(high) - f64::from(low))) as f32)
}

/// Levels 0 to `last` for the values of one row, the middle one where the range is empty. Values
/// that are not finite come out as some level: see [`mark`].
pub(super) fn quantize(values: &[f32], (low, high): (f32, f32), last: u8, out: &mut [u8]) {
    let top = f32::from(last);
    let scale = top / (high - low);
    if low >= high {
        out.fill(last / 2);
    } else if scale.is_normal() {
        // Adding 2^23 rounds to a whole number and leaves it in the lowest bits: unlike `as`,
        // this compiles to a few vector instructions on any processor.
        const ROUND: f32 = 8_388_608.0;
        for (level, &value) in out.iter_mut().zip(values) {
            let t = (value - low) * scale;
            let t = if t > 0.0 { t } else { 0.0 };
            let t = if t < top { t } else { top };
            *level = (t + ROUND).to_bits() as u8;
        }
    } else {
        // The span or its inverse overflows single precision.
        let (low, span) = (f64::from(low), f64::from(high) - f64::from(low));
        for (level, &value) in out.iter_mut().zip(values) {
            let t = (f64::from(value) - low) / span * f64::from(top);
            *level = t.round().clamp(0.0, f64::from(top)) as u8;
        }
    }
}

/// Levels for what is not finite: `codes` are those of NaN, +∞ and −∞.
pub(super) fn mark(values: &[f32], codes: [u8; 3], out: &mut [u8]) {
    for (level, &value) in out.iter_mut().zip(values) {
        if let Some(kind) = Odd::of(value) {
            *level = codes[kind as usize];
        }
    }
}

/// A value that is not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Odd {
    Nan,
    PositiveInfinity,
    NegativeInfinity,
}

impl Odd {
    pub(super) fn of(value: f32) -> Option<Odd> {
        if value.is_finite() {
            None
        } else if value.is_nan() {
            Some(Odd::Nan)
        } else if value > 0.0 {
            Some(Odd::PositiveInfinity)
        } else {
            Some(Odd::NegativeInfinity)
        }
    }
}

/// How many values are NaN, +∞ and −∞.
pub(super) fn odd_counts(values: &[f32]) -> [usize; 3] {
    let mut counts = [0; 3];
    for kind in values.iter().filter_map(|&value| Odd::of(value)) {
        counts[kind as usize] += 1;
    }
    counts
}

/// A value as captions and colour bars write it.
pub(super) fn number(value: f32) -> String {
    crate::number::number(f64::from(value), 3)
}
