//! One chart: what it shows, how it is set up, and how it shows itself.

use std::fmt;

use super::bars::bars as draw_bars;
use super::{BLUE, Bins, Named, Number, Points, Values, extent, plot};
use crate::error::{Error, Result};
use crate::number::number;
use crate::picture::{Picture, shortened};
use crate::show::{MimeBundle, Show, debug_line, error_bundle};

/// Values as lines, points, bars or a histogram, with a title, named axes and a legend.
///
/// Values that are not finite are left out, and the text under the chart says how many there are.
///
/// Values are numbers of any kind in vectors, slices and arrays, or tensors; see [`Values`]. In the
/// last expression of a cell, hand variables over by reference: what that expression moves, evcxr
/// cannot show.
///
/// ```
/// use convlens::prelude::*;
/// let losses = vec![2.0, 1.1, 0.7, 0.5, 0.45];
/// let chart = Chart::lines([("training", &losses)]).title("a small network").axes("epoch", "loss");
/// assert_eq!((chart.picture()?.width(), chart.picture()?.height()), (640, 300));
/// Chart::bars([("tabby", 0.62), ("tiger cat", 0.31)]);
/// Chart::scatter([("cats", vec![(0.1, 2.0), (0.4, 2.5)]), ("dogs", vec![(0.9, 0.3)])]);
/// Chart::histogram([("weights", vec![0.1, -0.2, 0.05])]);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
pub struct Chart {
    pub(super) content: Content,
    pub(super) title: Option<String>,
    pub(super) axes: [String; 2],
    pub(super) marks: Vec<(f64, f64, String)>,
    pub(super) size: (u32, u32),
    /// Values that the vertical axis has to reach.
    pub(super) reach: Vec<f64>,
    /// Whether the values are their logarithms to base 10.
    pub(super) logarithmic: bool,
    /// The ranges of the axes, where they are shared with other charts.
    pub(super) shared: Option<[(f64, f64); 2]>,
    /// Of bars: how far the line at the end of each reaches to both sides.
    pub(super) deviations: Vec<f64>,
    /// Why the values could not be read.
    mistake: Option<Error>,
}

#[derive(Clone)]
pub(super) enum Content {
    Lines {
        series: Vec<(String, Vec<f64>)>,
        from: f64,
        step: f64,
    },
    Points(Vec<(String, Vec<(f64, f64)>)>),
    Bars(Vec<(String, f64)>),
    /// The bins of all series are the same.
    Bins(Vec<(String, Bins)>, usize),
}

impl Chart {
    fn of(content: Content) -> Chart {
        Chart {
            content,
            title: None,
            axes: Default::default(),
            marks: Vec::new(),
            size: (640, 300),
            reach: Vec::new(),
            logarithmic: false,
            shared: None,
            deviations: Vec::new(),
            mistake: None,
        }
    }

    /// Values over their index, a line each. A series without a name has no place in the legend;
    /// neither has a single one of any name where there is a title.
    pub fn lines(series: impl IntoIterator<Item: Named<Value: Values>>) -> Chart {
        let (series, mistake) = read(series);
        Chart { mistake, ..Chart::of(Content::Lines { series, from: 0.0, step: 1.0 }) }
    }

    /// Points `(x, y)`, a colour for each series.
    pub fn scatter(series: impl IntoIterator<Item: Named<Value: Points>>) -> Chart {
        let series = series.into_iter().map(|one| (one.name().to_owned(), one.value().points()));
        Chart::of(Content::Points(series.collect()))
    }

    /// Horizontal bars, a name on the left and the value on the right of each.
    pub fn bars(bars: impl IntoIterator<Item: Named<Value: Number>>) -> Chart {
        let bars = bars.into_iter().map(|bar| (bar.name().to_owned(), bar.value().number()));
        Chart::of(Content::Bars(bars.collect()))
    }

    /// How often which values occur, in ranges of the same width: as many as the values are worth by
    /// Rice's rule, `2 n^(1/3)`, from 8 to 64.
    pub fn histogram(series: impl IntoIterator<Item: Named<Value: Values>>) -> Chart {
        let (series, mistake) = read(series);
        let all: Vec<f64> = series.iter().flat_map(|(_, values)| values).copied().collect();
        let most = series.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
        let bins = |values: &[f64]| Bins::within(values, extent(&all), most);
        let finite = all.iter().filter(|v| v.is_finite()).count();
        let bins = series.iter().map(|(name, values)| (name.clone(), bins(values))).collect();
        let chart = Chart { mistake, ..Chart::of(Content::Bins(bins, all.len() - finite)) };
        chart.axes("value", "count")
    }

    /// The same of values that are counted already.
    pub(crate) fn binned(bins: Bins) -> Chart {
        Chart::of(Content::Bins(vec![(String::new(), bins)], 0))
    }

    /// A line or two above the chart; what is longer ends in an ellipsis.
    #[must_use]
    pub fn title(&self, title: impl Into<String>) -> Chart {
        Chart { title: Some(title.into()), ..self.clone() }
    }

    /// What the horizontal and the vertical axis are of.
    #[must_use]
    pub fn axes(&self, x: impl Into<String>, y: impl Into<String>) -> Chart {
        Chart { axes: [x.into(), y.into()], ..self.clone() }
    }

    /// Of lines: where the first value stands, and how far it is to the next; 0 and 1 unless set.
    #[must_use]
    pub fn from(&self, first: f64, next: f64) -> Chart {
        let mut changed = self.clone();
        if let Content::Lines { from, step, .. } = &mut changed.content {
            (*from, *step) = (first, next);
        }
        changed
    }

    /// A logarithmic vertical axis for lines and points, on which every step is a multiple. Values of 0
    /// and below have no place on it. Bars and histograms stay as they are.
    #[must_use]
    pub fn log_y(&self) -> Chart {
        let mut changed = self.clone();
        if changed.logarithmic {
            return changed;
        }
        match &mut changed.content {
            Content::Lines { series, .. } => {
                series.iter_mut().flat_map(|(_, values)| values).for_each(|y| *y = logarithm(*y));
            }
            Content::Points(series) => {
                let points = series.iter_mut().flat_map(|(_, points)| points);
                points.for_each(|(_, y)| *y = logarithm(*y));
            }
            Content::Bars(_) | Content::Bins(..) => return changed,
        }
        changed.marks.iter_mut().for_each(|(_, y, _)| *y = logarithm(*y));
        changed.reach.iter_mut().for_each(|y| *y = logarithm(*y));
        changed.logarithmic = true;
        changed
    }

    /// Points to mark with a few words each, `(x, y, words)`. Bars have no place for them.
    #[must_use]
    pub fn mark<W: Into<String>>(&self, marks: impl IntoIterator<Item = (f64, f64, W)>) -> Chart {
        let place = |y: f64| if self.logarithmic { logarithm(y) } else { y };
        let mut changed = self.clone();
        changed.marks.extend(marks.into_iter().map(|(x, y, words)| (x, place(y), words.into())));
        changed
    }

    /// Makes the vertical axis, or that of bars, reach this value, 0 for instance.
    #[must_use]
    pub fn reaching(&self, value: f64) -> Chart {
        let mut changed = self.clone();
        changed.reach.push(if changed.logarithmic { logarithm(value) } else { value });
        changed
    }

    /// Of bars: a line at the end of each, which reaches so far to both sides, as far as the axis goes. Nothing
    /// else has a place for them.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// Chart::bars([("striped", 0.9), ("dotted", 0.4)]).deviations([0.05, 0.2]).picture()?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    #[must_use]
    pub fn deviations(&self, each: impl IntoIterator<Item = impl Number>) -> Chart {
        let deviations = each.into_iter().map(Number::number).collect();
        Chart { deviations, ..self.clone() }
    }

    /// Width and height in pixels; 640 × 300 unless set. Bars are as large as they need to be.
    #[must_use]
    pub fn size(&self, width: u32, height: u32) -> Chart {
        Chart { size: (width, height), ..self.clone() }
    }

    /// The chart as a picture.
    ///
    /// # Errors
    /// When there is no series, a tensor's values cannot be read, the size is below 200 × 120 or above 4,000 pixels, lines have a step
    /// that is not a positive number, or an axis would reach beyond 1e300.
    pub fn picture(&self) -> Result<Picture> {
        self.check()?;
        match &self.content {
            Content::Bars(bars) => {
                let [_, range] = plot::spans(self)?;
                let [x, y] = &self.axes;
                let picture = draw_bars(
                    bars,
                    &self.deviations,
                    range,
                    [x, y],
                    |_, _| BLUE,
                    |value| number(value, 3),
                )?;
                Ok(match &self.title {
                    Some(title) => picture.titled(title),
                    None => picture,
                })
            }
            _ => plot::draw(self),
        }
    }

    fn check(&self) -> Result<()> {
        if let Some(mistake) = &self.mistake {
            return Err(mistake.clone());
        }
        let empty = match &self.content {
            Content::Lines { series, .. } => series.is_empty(),
            Content::Points(series) => series.is_empty(),
            Content::Bars(bars) => bars.is_empty(),
            Content::Bins(series, _) => series.is_empty(),
        };
        if empty {
            return Err(Error::Argument("a chart of nothing: give at least one series".into()));
        }
        let (width, height) = self.size;
        if !(200..=4000).contains(&width) || !(120..=4000).contains(&height) {
            return Err(Error::Argument(format!(
                "a chart is 200 × 120 to 4000 × 4000 pixels large, not {width} × {height}"
            )));
        }
        match self.content {
            Content::Lines { from, step, .. }
                if !(from.is_finite() && step.is_finite() && step > 0.0) =>
            {
                Err(Error::Argument(format!(
                    "lines start at a number and go on by a positive one, not from {from} by {step}"
                )))
            }
            _ => Ok(()),
        }
    }

    /// How many values have no place in the chart.
    fn left_out(&self) -> usize {
        let odd = |value: &&f64| !value.is_finite();
        match &self.content {
            Content::Lines { series, .. } => {
                series.iter().flat_map(|(_, values)| values).filter(odd).count()
            }
            Content::Points(series) => series
                .iter()
                .flat_map(|(_, points)| points)
                .filter(|(x, y)| !x.is_finite() || !y.is_finite())
                .count(),
            Content::Bars(bars) => bars.iter().map(|(_, value)| value).filter(odd).count(),
            Content::Bins(_, left_out) => *left_out,
        }
    }

    /// "3 lines", for whom the picture is not drawn.
    fn contents(&self) -> String {
        let (count, one, more) = match &self.content {
            Content::Lines { series, .. } => (series.len(), "line", "lines"),
            Content::Points(series) => (series.len(), "series of points", "series of points"),
            Content::Bars(bars) => (bars.len(), "bar", "bars"),
            Content::Bins(series, _) => (series.len(), "histogram", "histograms"),
        };
        format!("{count} {}", if count == 1 { one } else { more })
    }

    fn text(&self) -> String {
        let title = self.title.as_deref().map(|title| shortened(title, 200).into_owned());
        let (kind, names): (&str, Vec<&str>) = match &self.content {
            Content::Lines { series, .. } => {
                ("lines", series.iter().map(|(name, _)| name.as_str()).collect())
            }
            Content::Points(series) => {
                ("points", series.iter().map(|(name, _)| name.as_str()).collect())
            }
            Content::Bars(bars) => {
                let rows = bars
                    .iter()
                    .map(|(name, v)| format!("\n{}: {}", shortened(name, 100), number(*v, 3)));
                return title.unwrap_or_else(|| "bars".into()) + &rows.collect::<String>();
            }
            Content::Bins(series, _) => {
                ("histogram", series.iter().map(|(name, _)| name.as_str()).collect())
            }
        };
        let names: Vec<_> = names
            .into_iter()
            .filter(|name| !name.is_empty())
            .map(|name| shortened(name, 100))
            .collect();
        let mut text = title.unwrap_or_else(|| kind.to_owned());
        if !names.is_empty() {
            text += &format!(": {}", names.join(", "));
        }
        text
    }
}

/// To base 10; not a number for 0 and below.
fn logarithm(value: f64) -> f64 {
    if value > 0.0 { value.log10() } else { f64::NAN }
}

/// The series with their names, and the first reason why one could not be read.
fn read(
    series: impl IntoIterator<Item: Named<Value: Values>>,
) -> (Vec<(String, Vec<f64>)>, Option<Error>) {
    let mut mistake = None;
    let series = series.into_iter().map(|one| {
        let name = one.name().to_owned();
        let values = one.value().values().unwrap_or_else(|error| {
            mistake.get_or_insert(error.while_doing(format!("the series {name:?}")));
            Vec::new()
        });
        (name, values)
    });
    let series = series.collect();
    (series, mistake)
}

impl fmt::Debug for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Chart of {}", self.contents()))
    }
}

impl Show for Chart {
    fn bundle(&self) -> MimeBundle {
        match (self.picture(), self.left_out()) {
            (Ok(picture), 0) => MimeBundle::picture(picture, self.text()),
            (Ok(picture), odd) => {
                let values = if odd == 1 { "value is" } else { "values are" };
                let why = if self.logarithmic { "not above 0 or not finite" } else { "not finite" };
                let note = format!("{odd} {values} {why} and left out");
                MimeBundle::picture(picture.captioned(&note), format!("{}\n{note}", self.text()))
            }
            (Err(error), _) => error_bundle(&error),
        }
    }
}
