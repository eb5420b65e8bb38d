//! Several charts beside each other, on the same axes, so that they can be compared.

use std::borrow::Borrow;
use std::fmt;

use super::chart::Chart;
use super::plot;
use crate::error::{Error, Result};
use crate::picture::Picture;
use crate::show::{MimeBundle, Show, debug_line, error_bundle};

/// How wide a row is unless the charts say otherwise.
const WIDTH: u32 = 990;

/// Several charts of one kind in rows, each under its title, all on the same axes.
///
/// ```
/// use convlens::prelude::*;
/// let of = |layer: &str, values: Vec<f64>| Chart::lines([("", values)]).title(layer);
/// let charts = [of("conv1", vec![1.0, 3.0]), of("conv2", vec![0.0, 2.0]), of("conv3", vec![2.0, 2.5])];
/// let picture = SmallMultiples::new(charts).columns(3).picture()?;
/// assert!(picture.width() > 3 * picture.height());
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
pub struct SmallMultiples {
    charts: Vec<Chart>,
    columns: usize,
    own_axes: bool,
}

impl SmallMultiples {
    /// These charts, in this order, three in a row.
    pub fn new(charts: impl IntoIterator<Item = impl Borrow<Chart>>) -> SmallMultiples {
        let charts = charts.into_iter().map(|chart| chart.borrow().clone()).collect();
        SmallMultiples { charts, columns: 3, own_axes: false }
    }

    /// How many in a row.
    #[must_use]
    pub fn columns(&self, columns: usize) -> SmallMultiples {
        SmallMultiples { columns, ..self.clone() }
    }

    /// Every chart on axes of its own.
    #[must_use]
    pub fn own_axes(&self) -> SmallMultiples {
        SmallMultiples { own_axes: true, ..self.clone() }
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

impl fmt::Debug for SmallMultiples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("SmallMultiples of {} charts", self.charts.len()))
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
