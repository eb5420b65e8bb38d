//! Histograms: how often which values occur.

use plotters::prelude::*;

use super::{Axes, BLUE, INK, drawn, extent, failed, text};
use crate::error::Result;
use crate::number::number;
use crate::picture::Picture;

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
        let finite = || values.iter().filter(|v| v.is_finite()).map(|&v| f64::from(v));
        let (low, high) = match extent(values) {
            None => (0.0, 1.0),
            Some((low, high)) if low == high => (low - 0.5, high + 0.5),
            Some(extent) => extent,
        };
        let bins = (2.0 * (finite().count() as f64).cbrt()).clamp(8.0, 64.0) as usize;
        let mut counts = vec![0; bins];
        for value in finite() {
            let place = ((value - low) / (high - low) * bins as f64) as usize;
            counts[place.min(bins - 1)] += 1;
        }
        Bins { low, high, counts }
    }
}

/// Bars over the values; a line at 0 where there are values on both of its sides.
pub(crate) fn histogram(bins: &Bins, label: &str) -> Result<Picture> {
    let font = text()?;
    let most = bins.counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let (low, high) = (bins.low, bins.high);
    let width = (high - low) / bins.counts.len().max(1) as f64;
    drawn(640, 240, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .margin_right(24)
            .x_label_area_size(46)
            .y_label_area_size(74)
            .build_cartesian_2d(low..high, 0.0..most * 1.05)
            .map_err(failed)?;
        let plain = |v| number(v, 3);
        let names = Some([label, "count"]);
        Axes { font: &font, x_labels: 8, x: &plain, y: &plain, names }.draw(&mut chart)?;
        let bars = bins.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let bars = bars.map(|(i, &count)| {
            let left = low + i as f64 * width;
            let mut bar =
                Rectangle::new([(left, 0.0), (left + width, count as f64)], BLUE.filled());
            bar.set_margin(0, 0, 0, 1);
            bar
        });
        chart.draw_series(bars).map_err(failed)?;
        if low < 0.0 && high > 0.0 {
            let line = [(0.0, 0.0), (0.0, most * 1.05)];
            chart.draw_series(LineSeries::new(line, INK)).map_err(failed)?;
        }
        Ok(())
    })
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
