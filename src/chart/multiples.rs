//! Several charts beside each other, on the same axes, so that they can be compared.

use super::chart::Chart;
use super::plot;
use crate::error::{Error, Result};
use crate::picture::Picture;
use crate::show::{MimeBundle, Show, error_bundle};

/// How wide a row is unless the charts say otherwise.
const WIDTH: u32 = 990;

/// Several charts of one kind in rows, each under its title, all on the same axes.
///
/// ```
/// # fn main() -> convlens::Result<()> {
/// use convlens::prelude::*;
/// let of = |layer: &str, values: Vec<f64>| Chart::lines([("", values)]).title(layer);
/// let charts = [of("conv1", vec![1.0, 3.0]), of("conv2", vec![0.0, 2.0]), of("conv3", vec![2.0, 2.5])];
/// let picture = SmallMultiples::new(charts).columns(3).picture()?;
/// assert!(picture.width() > 3 * picture.height());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SmallMultiples {
    charts: Vec<Chart>,
    columns: usize,
    own_axes: bool,
}

impl SmallMultiples {
    /// These charts, in this order, three in a row.
    pub fn new(charts: impl IntoIterator<Item = Chart>) -> SmallMultiples {
        SmallMultiples { charts: charts.into_iter().collect(), columns: 3, own_axes: false }
    }

    /// How many in a row.
    #[must_use]
    pub fn columns(mut self, columns: usize) -> SmallMultiples {
        self.columns = columns;
        self
    }

    /// Every chart on axes of its own.
    #[must_use]
    pub fn own_axes(mut self) -> SmallMultiples {
        self.own_axes = true;
        self
    }

    /// The charts as one picture.
    ///
    /// # Errors
    /// When there is no chart or no column, and as [`Chart::picture`].
    pub fn picture(&self) -> Result<Picture> {
        if self.charts.is_empty() || !(1..=5).contains(&self.columns) {
            return Err(Error::Argument(format!(
                "small multiples are at least one chart, 1 to 5 in a row, not {} charts, {} in a row",
                self.charts.len(),
                self.columns
            )));
        }
        let columns = self.columns.min(self.charts.len());
        let width = (WIDTH / self.columns as u32).min(640);
        let size = (width, (width * 5 / 8).max(160));
        let all = self.charts.iter().map(plot::ranges);
        let union = |a: (f64, f64), b: (f64, f64)| (a.0.min(b.0), a.1.max(b.1));
        let shared = all.reduce(|a, b| [union(a[0], b[0]), union(a[1], b[1])]);
        let shared = shared.filter(|_| !self.own_axes);
        let pictures = self.charts.iter().map(|chart| {
            let mut chart = chart.clone().size(size.0, size.1);
            chart.shared = shared;
            chart.picture()
        });
        let pictures = pictures.collect::<Result<Vec<_>>>()?;
        let rows: Vec<Picture> =
            pictures.chunks(columns).map(|row| Picture::beside(row, 0)).collect();
        Ok(Picture::above(&rows, 4))
    }
}

impl Show for SmallMultiples {
    fn bundle(&self) -> MimeBundle {
        match self.picture() {
            Ok(picture) => {
                let each: Vec<String> =
                    self.charts.iter().map(|chart| chart.bundle().as_text().to_owned()).collect();
                MimeBundle::picture(picture, each.join("\n"))
            }
            Err(error) => error_bundle(&error),
        }
    }
}
