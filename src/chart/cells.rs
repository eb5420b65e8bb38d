//! A table of values as coloured cells: columns with names, rows at distances from below.

use std::fmt;

use plotters::prelude::*;

use super::plot::END;
use super::{Axes, FAINT, INK, drawn, extent, failed, text};
use crate::error::{Error, Result};
use crate::number::number;
use crate::picture::{Colormap, Picture, shortened};
use crate::show::{MimeBundle, Show, debug_line};

/// A table of values as coloured cells with a colour bar: columns that have names, and rows that lie
/// at even distances, such as depths or times, from below.
///
/// ```
/// use convlens::chart::Cells;
/// let warmth = Cells::new(["left", "right"], vec![0.1, 0.9, 0.4, 0.6, 0.5, 0.5]);
/// let picture = warmth.axes("side", "distance in cm").step(10.0).range(0.0, 1.0).picture()?;
/// assert!(picture.height() > 62);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Cells {
    /// Row by row, the lowest first; what is not finite has no cell.
    values: Vec<f32>,
    columns: Vec<String>,
    axes: [String; 2],
    step: f64,
    range: Option<[f32; 2]>,
    colormap: Colormap,
}

/// The size of a cell in pixels.
const CELL: (usize, usize) = (44, 5);
/// More cells than this in a row or in a column are not drawn.
const MOST: (usize, usize) = (80, 800);

impl Cells {
    /// The values row by row, the lowest row first. A value that is not finite has no cell.
    pub fn new<N: Into<String>>(columns: impl IntoIterator<Item = N>, values: Vec<f32>) -> Cells {
        Cells {
            values,
            columns: columns.into_iter().map(Into::into).collect(),
            axes: Default::default(),
            step: 1.0,
            range: None,
            colormap: Colormap::Viridis,
        }
    }

    /// What the columns are, and what the rows are.
    #[must_use]
    pub fn axes(&self, columns: impl Into<String>, rows: impl Into<String>) -> Cells {
        Cells { axes: [columns.into(), rows.into()], ..self.clone() }
    }

    /// How far it is from one row to the next, 1 by default; the lowest is at 0.
    #[must_use]
    pub fn step(&self, step: f64) -> Cells {
        Cells { step, ..self.clone() }
    }

    /// The values at the ends of the colour map; those of the least and the greatest cell by default.
    #[must_use]
    pub fn range(&self, low: f32, high: f32) -> Cells {
        Cells { range: Some([low, high]), ..self.clone() }
    }

    /// The colours, [`Viridis`](Colormap::Viridis) by default.
    #[must_use]
    pub fn colormap(&self, colormap: Colormap) -> Cells {
        Cells { colormap, ..self.clone() }
    }

    /// The cells with their axes and, on the right, a colour bar.
    ///
    /// # Errors
    /// When the values do not make full rows, there are none, more than 80 columns or more than 800
    /// rows, the step or the range is none, or the rows would reach beyond 1e300.
    pub fn picture(&self) -> Result<Picture> {
        let range = self.check()?;
        draw(self, range)
    }

    /// The ends of the colour map.
    fn check(&self) -> Result<[f64; 2]> {
        let (columns, count) = (self.columns.len(), self.values.len());
        if columns == 0 || count == 0 || !count.is_multiple_of(columns) {
            return Err(Error::Argument(format!(
                "cells are full rows of one value a column, but there are {columns} columns and \
                 {count} values"
            )));
        }
        if columns > MOST.0 || count / columns > MOST.1 {
            return Err(Error::Argument(format!(
                "{columns} columns and {} rows are too many to draw: at most {} and {}",
                count / columns,
                MOST.0,
                MOST.1
            )));
        }
        if !(self.step.is_finite() && self.step > 0.0) {
            return Err(Error::Argument(format!(
                "rows lie a positive number apart, not {}",
                self.step
            )));
        }
        let top = (count / columns) as f64 * self.step;
        if top > END {
            return Err(Error::Argument(format!(
                "the rows of cells reach to {END:e} at most; these, {} apart, need {top:e}",
                self.step
            )));
        }
        // In double precision, in which all values of single precision have a span.
        let range = match self.range {
            Some(range) => range.map(f64::from),
            None => match extent(&self.values) {
                Some((low, high)) if low < high => [low, high],
                Some((low, _)) => [low, low + low.abs().max(1.0)],
                None => [0.0, 1.0],
            },
        };
        let [low, high] = range;
        if !(low < high && (high - low).is_finite()) {
            return Err(Error::Argument(format!(
                "colours go from a number to a greater one, not from {low} to {high}"
            )));
        }
        Ok(range)
    }
}

impl fmt::Debug for Cells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Cells of {} columns", self.columns.len()))
    }
}

impl Show for Cells {
    fn bundle(&self) -> MimeBundle {
        let names: Vec<_> = self.columns.iter().map(|name| shortened(name, 100)).collect();
        let text = format!("cells: {} values of {}", self.values.len(), names.join(", "));
        self.picture().map(|picture| MimeBundle::picture(picture, text)).bundle()
    }
}

fn draw(chart: &Cells, [low, high]: [f64; 2]) -> Result<Picture> {
    let columns = chart.columns.len();
    let rows = chart.values.len() / columns;
    let shade = |value: f64| {
        let [r, g, b] = chart.colormap.color(((value - low) / (high - low)) as f32);
        RGBColor(r, g, b).filled()
    };
    let font = text()?;
    let (left, below, bar, margin) = (54, 62, 68, 8);
    let (width, height) = (columns * CELL.0 + left + margin + bar, rows * CELL.1 + below + margin);
    drawn(width as u32, height as u32, |area| {
        let (plot, side) = area.split_horizontally((width - bar) as i32);
        let half = chart.step / 2.0;
        let top = rows as f64 * chart.step - half;
        let mut axes = ChartBuilder::on(&plot)
            .margin_top(margin as i32)
            .margin_left(margin as i32)
            .x_label_area_size(below as u32)
            .y_label_area_size(left as u32)
            .build_cartesian_2d(-0.5..columns as f64 - 0.5, -half..top)
            .map_err(failed)?;
        let unnamed = |_: f64| String::new();
        let names = chart.axes.each_ref().map(|name| shortened(name, 100));
        let names = names.each_ref().map(|name| name.as_ref());
        let row = |y: f64| number(y, 4);
        Axes { font: &font, x_labels: columns, x: &unnamed, y: &row, names }.draw(&mut axes)?;
        // Names are wider than cells: a word a line.
        for (i, name) in chart.columns.iter().enumerate() {
            let (x, mut y) = axes.plotting_area().map_coordinate(&(i as f64, -half));
            for word in name.split(' ').take(4) {
                let word = &*shortened(word, 12);
                let (wide, high) = area.estimate_text_size(word, &font).map_err(failed)?;
                let place = (x - wide as i32 / 2, y + 10);
                area.draw(&Text::new(word.to_owned(), place, font.clone())).map_err(failed)?;
                y += high as i32 + 2;
            }
        }
        let values = chart.values.iter().enumerate().filter(|(_, value)| value.is_finite());
        let cells = values.map(|(i, &value)| {
            let (x, y) = ((i % columns) as f64, (i / columns) as f64 * chart.step);
            Rectangle::new([(x - 0.5, y - half), (x + 0.5, y + half)], shade(f64::from(value)))
        });
        axes.draw_series(cells).map_err(failed)?;
        let edges = (1..columns).map(|i| i as f64 - 0.5);
        let lines = edges.map(|x| PathElement::new([(x, -half), (x, top)], FAINT));
        axes.draw_series(lines).map_err(failed)?;
        let frame = Rectangle::new([(-0.5, -half), (columns as f64 - 0.5, top)], INK);
        axes.draw_series([frame]).map_err(failed)?;

        let (from, to) = (margin as i32, (margin + rows * CELL.1) as i32);
        for y in from..to {
            let share = 1.0 - f64::from(y - from) / f64::from(to - from - 1);
            let line = Rectangle::new([(14, y), (26, y + 1)], shade(low + share * (high - low)));
            side.draw(&line).map_err(failed)?;
        }
        side.draw(&Rectangle::new([(14, from), (26, to)], INK)).map_err(failed)?;
        for share in [0.0, 0.5, 1.0] {
            let value = number(low + share * (high - low), 3);
            let y = to - (share * f64::from(to - from)) as i32 - 7;
            side.draw(&Text::new(value, (32, y), font.clone())).map_err(failed)?;
        }
        Ok(())
    })
}
