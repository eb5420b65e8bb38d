//! Histograms: how often which values occur.

use super::extent;

/// How many values lie in each of some ranges of the same width.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bins {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) counts: Vec<u64>,
}

impl Bins {
    /// The finite values in as many bins as they are worth: `2 n^(1/3)`, Rice's rule, from 8 to 64.
    pub(crate) fn of(values: &[f32]) -> Bins {
        let finite = values.iter().filter(|v| v.is_finite()).count();
        Bins::within(values, extent(values), finite)
    }

    /// The same over a range that is given, in bins for so many values.
    pub(super) fn within<T: Copy + Into<f64>>(
        values: &[T],
        range: Option<(f64, f64)>,
        count: usize,
    ) -> Bins {
        let (low, high) = match range {
            None => (0.0, 1.0),
            Some((low, high)) if low == high => (low - 0.5, high + 0.5),
            Some(extent) => extent,
        };
        let bins = (2.0 * (count as f64).cbrt()).clamp(8.0, 64.0) as usize;
        let mut counts = vec![0; bins];
        for value in values.iter().map(|&v| v.into()).filter(|v: &f64| v.is_finite()) {
            let place = ((value - low) / (high - low) * bins as f64) as usize;
            counts[place.min(bins - 1)] += 1;
        }
        Bins { low, high, counts }
    }

    /// From where to where, and how many, of each bin that is not empty.
    pub(super) fn bars(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        let width = (self.high - self.low) / self.counts.len().max(1) as f64;
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.map(move |(i, &count)| {
            let left = self.low + i as f64 * width;
            (left, left + width, count as f64)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Bins;

    #[test]
    fn every_finite_value_is_in_one_bin() {
        let values: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.37).sin()).collect();
        let bins = Bins::of(&values);
        assert_eq!(bins.counts.len(), 20);
        assert_eq!(bins.counts.iter().sum::<u64>(), 1000);
        let odd = Bins::of(&[f32::NAN, f32::INFINITY, 2.0, 2.0]);
        assert_eq!((odd.low, odd.high, odd.counts.iter().sum::<u64>()), (1.5, 2.5, 2));
        assert_eq!(Bins::of(&[]).counts.iter().sum::<u64>(), 0);
        let wide = Bins::of(&[f32::MIN, f32::MAX]);
        assert_eq!((wide.counts[0], wide.counts[wide.counts.len() - 1]), (1, 1));
    }
}
