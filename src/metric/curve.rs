//! How a score changes while more and more of a photo is taken away or put back.

use std::fmt;
use std::path::Path;

use crate::chart::{Chart, extent};
use crate::error::{Error, Result};
use crate::number::number;
use crate::picture::write_file;
use crate::show::{MimeBundle, Show, debug_line, error_bundle};

/// Of a curve that rises and falls by less than this, the order of the pixels says nothing.
const FLAT: f64 = 0.01;
/// A chart has so many points on a line, between those that were measured.
const DRAWN: usize = 201;

/// A score by the share of a photo's pixels that were changed, most relevant first: what [`Deletion`](super::Deletion)
/// and [`Insertion`](super::Insertion) measure. A cell shows it as a chart with the area in its label.
#[derive(Clone, PartialEq)]
pub struct Curve {
    pub(super) name: String,
    pub(super) method: String,
    /// What the score is of.
    pub(super) of: String,
    /// `"share of pixels deleted"`
    pub(super) across: String,
    pub(super) points: Vec<(f64, f64)>,
    /// What has to be known, a line each.
    pub(super) remarks: Vec<String>,
}

impl Curve {
    /// The share of pixels, from 0 to 1, and the score with so many of them changed.
    pub fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    /// The area under the curve by the trapezoidal rule: the mean score over all shares.
    pub fn area(&self) -> f64 {
        self.points
            .windows(2)
            .map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0)
            .sum()
    }

    /// What has to be known to read it, a line each.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// `"Grad-CAM, area 0.312"`
    fn label(&self) -> String {
        format!("{}, area {}", self.method, number(self.area(), 3))
    }

    /// The curve as a chart.
    pub fn chart(&self) -> Chart {
        Curve::together([self])
    }

    /// Several curves in one chart, of one photo by several methods for instance, each with its area in the legend.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
    /// let deletion = Deletion::default().steps(4);
    /// let curves = [deletion.curve(&look, &GradCam::default())?, deletion.curve(&look, &Saliency::default())?];
    /// metric::Curve::together(&curves).picture()?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn together<'a>(curves: impl IntoIterator<Item = &'a Curve>) -> Chart {
        let curves: Vec<&Curve> = curves.into_iter().collect();
        let chart = Chart::lines(curves.iter().map(|curve| (curve.label(), curve.drawn())));
        let chart = chart.from(0.0, 1.0 / (DRAWN - 1) as f64).reaching(0.0);
        match curves.first() {
            Some(first) => chart.axes(&first.across, &first.of),
            None => chart,
        }
    }

    /// At even distances, as charts take it.
    fn drawn(&self) -> Vec<f64> {
        let at = |share: f64| {
            let next =
                self.points.iter().position(|(x, _)| *x >= share).unwrap_or(self.points.len());
            match (self.points.get(next.saturating_sub(1)), self.points.get(next)) {
                (Some(&(x, y)), Some(&(x2, y2))) if x2 > x => y + (y2 - y) * (share - x) / (x2 - x),
                (_, Some(&(_, y))) | (Some(&(_, y)), None) => y,
                (None, None) => f64::NAN,
            }
        };
        (0..DRAWN).map(|i| at(i as f64 / (DRAWN - 1) as f64)).collect()
    }

    /// That the order of the pixels says nothing, where that is so.
    pub(super) fn flatness(&self) -> Option<String> {
        let values: Vec<f64> = self.points.iter().map(|(_, y)| *y).collect();
        let (low, high) = extent(&values)?;
        let flat = high - low <= FLAT * high.abs().max(low.abs());
        flat.then(|| {
            format!(
                "saturated: the curve stays between {} and {}, and its area says nothing about the map",
                number(low, 3),
                number(high, 3)
            )
        })
    }

    /// Writes the chart to a picture, or the points to a `.csv`; the ending says which.
    ///
    /// # Errors
    /// An ending that no format has; a file that cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        if path.extension().is_none_or(|ending| ending != "csv") {
            return self.chart().picture()?.save(path);
        }
        let rows = self.points.iter().map(|(x, y)| format!("{x},{y}\n"));
        let text = format!("share,score\n{}", rows.collect::<String>());
        write_file(path, text.as_bytes(), "the curve")
    }

    pub(super) fn text(&self) -> String {
        let ends =
            [self.points.first(), self.points.last()].map(|point| point.map_or(f64::NAN, |p| p.1));
        let [first, last] = ends.map(|y| number(y, 3));
        let line = format!("{} by {}, {}: {first} to {last}", self.name, self.label(), self.of);
        std::iter::once(line).chain(self.remarks.clone()).collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Debug for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Curve, {} by {}", self.name, self.label()))
    }
}

impl Show for Curve {
    fn bundle(&self) -> MimeBundle {
        let text = self.text();
        match self.chart().picture() {
            Ok(picture) => MimeBundle::picture(picture.captioned(&text), text),
            Err(error) => error_bundle(&error),
        }
    }
}

/// Refuses points that are not numbers.
pub(super) fn points(shares: Vec<f64>, values: Vec<f64>) -> Result<Vec<(f64, f64)>> {
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(shares.into_iter().zip(values).collect()),
        false => {
            Err(Error::Argument("the score is not finite for some of the changed photos".into()))
        }
    }
}
