//! A table of values as coloured cells: columns with names, rows at distances from below.

use plotters::prelude::*;

use super::{Axes, FAINT, INK, drawn, failed, text};
use crate::error::Result;
use crate::number::number;
use crate::picture::{Colormap, Picture};

/// What a chart of cells shows.
pub(crate) struct Cells<'a> {
    /// Row by row, the lowest first; what is not a number has no cell.
    pub(crate) values: &'a [f32],
    pub(crate) columns: &'a [&'a str],
    /// What the columns are, and what the rows are.
    pub(crate) names: [&'a str; 2],
    /// From one row to the next; the lowest is at 0.
    pub(crate) step: f64,
    /// The values at the ends of the colour map.
    pub(crate) range: [f32; 2],
    pub(crate) colormap: Colormap,
}

/// The size of a cell in pixels.
const CELL: (usize, usize) = (48, 5);

/// The cells with their axes and, on the right, a colour bar.
pub(crate) fn cells(chart: &Cells) -> Result<Picture> {
    let columns = chart.columns.len().max(1);
    let rows = chart.values.len().div_ceil(columns).max(1);
    let [low, high] = chart.range;
    let shade = |value: f32| {
        let [r, g, b] = chart.colormap.color((value - low) / (high - low));
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
        let row = |y: f64| number(y, 4);
        Axes { font: &font, x_labels: columns, x: &unnamed, y: &row, names: chart.names }
            .draw(&mut axes)?;
        // Names are wider than cells: a word a line.
        for (i, name) in chart.columns.iter().enumerate() {
            let (x, mut y) = axes.plotting_area().map_coordinate(&(i as f64, -half));
            for word in name.split(' ') {
                let (wide, high) = area.estimate_text_size(word, &font).map_err(failed)?;
                let place = (x - wide as i32 / 2, y + 10);
                area.draw(&Text::new(word.to_owned(), place, font.clone())).map_err(failed)?;
                y += high as i32 + 2;
            }
        }
        let values = chart.values.iter().enumerate().filter(|(_, value)| value.is_finite());
        let cells = values.map(|(i, &value)| {
            let (x, y) = ((i % columns) as f64, (i / columns) as f64 * chart.step);
            Rectangle::new([(x - 0.5, y - half), (x + 0.5, y + half)], shade(value))
        });
        axes.draw_series(cells).map_err(failed)?;
        let edges = (1..columns).map(|i| i as f64 - 0.5);
        let lines = edges.map(|x| PathElement::new([(x, -half), (x, top)], FAINT));
        axes.draw_series(lines).map_err(failed)?;
        let frame = Rectangle::new([(-0.5, -half), (columns as f64 - 0.5, top)], INK);
        axes.draw_series([frame]).map_err(failed)?;

        let (from, to) = (margin as i32, (margin + rows * CELL.1) as i32);
        for y in from..to {
            let share = 1.0 - (y - from) as f32 / (to - from - 1) as f32;
            let line = Rectangle::new([(14, y), (26, y + 1)], shade(low + share * (high - low)));
            side.draw(&line).map_err(failed)?;
        }
        side.draw(&Rectangle::new([(14, from), (26, to)], INK)).map_err(failed)?;
        for share in [0.0, 0.5, 1.0] {
            let value = number(f64::from(low + share * (high - low)), 3);
            let y = to - (share * (to - from) as f32) as i32 - 7;
            side.draw(&Text::new(value, (32, y), font.clone())).map_err(failed)?;
        }
        Ok(())
    })
}
