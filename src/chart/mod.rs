//! Charts in the notebook's look: bars, curves, histograms, cells and flow charts, drawn by plotters
//! with the embedded font.

mod cells;
mod flow;
mod histogram;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::register_font;

pub(crate) use cells::{Cells, cells};
pub(crate) use flow::{FlowBox, flow_chart};
pub(crate) use histogram::{Bins, histogram};

use crate::error::{Error, Result};
use crate::number::number;
use crate::picture::{Picture, font_bytes};

const INK: RGBColor = RGBColor(0x26, 0x26, 0x26);
const FAINT: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
const BLUE: RGBColor = RGBColor(0x30, 0x6f, 0xb5);
const ORANGE: RGBColor = RGBColor(0xd9, 0x7a, 0x1e);
const TEXT: u32 = 14;

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Draws on a white ground of `width × height` pixels.
fn drawn(width: u32, height: u32, draw: impl FnOnce(&Area) -> Result<()>) -> Result<Picture> {
    let mut pixels = vec![255u8; (width * height * 3) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        draw(&area)?;
        area.present().map_err(failed)?;
    }
    Picture::rgb(width, height, pixels)
}

/// The one text style of all charts. plotters looks a font up where its style is made, and its
/// list of fonts begins empty in every notebook cell.
fn text() -> Result<TextStyle<'static>> {
    register_font("sans-serif", FontStyle::Normal, font_bytes())
        .map_err(|_| Error::Image("the embedded font cannot be read".into()))?;
    Ok(("sans-serif", TEXT).into_font().color(&INK))
}

type Chart<'a, 'b> =
    ChartContext<'a, BitMapBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The axes of a chart: how many numbers each has, how these are written, and what they are of.
struct Axes<'a> {
    font: &'a TextStyle<'static>,
    x_labels: usize,
    x: &'a dyn Fn(f64) -> String,
    y: &'a dyn Fn(f64) -> String,
    names: Option<[&'a str; 2]>,
}

impl Axes<'_> {
    fn draw(&self, chart: &mut Chart) -> Result<()> {
        let [x_name, y_name] = self.names.unwrap_or_default();
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(FAINT)
            .axis_style(INK)
            .label_style(self.font.clone())
            .axis_desc_style(self.font.clone())
            .x_desc(x_name)
            .y_desc(y_name)
            .x_labels(self.x_labels)
            .y_labels(5)
            .x_label_formatter(&|v| (self.x)(*v))
            .y_label_formatter(&|v| (self.y)(*v))
            .draw()
            .map_err(failed)
    }
}

/// The least and the greatest of the finite values, if there are any.
fn extent(values: &[f32]) -> Option<(f64, f64)> {
    let finite = values.iter().copied().filter(|v| v.is_finite()).map(f64::from);
    finite.fold(None, |extent, v| {
        let (low, high) = extent.unwrap_or((v, v));
        Some((f64::min(low, v), f64::max(high, v)))
    })
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Image(format!("the chart could not be drawn: {error}"))
}

/// Horizontal bars with a label on the left and a value on the right of each; `values` lie in
/// `[0, 1]` and are written as percentages.
pub(crate) fn percentage_bars(rows: &[(String, f64)]) -> Result<Picture> {
    let font = text()?;
    let text_width = |area: &Area, text: &str| -> Result<i32> {
        Ok(area.estimate_text_size(text, &font).map_err(failed)?.0 as i32)
    };
    let (row, margin, bar) = (26, 8, 320);
    let height = rows.len() as i32 * row + 2 * margin;
    // The width of the labels is known only to a drawing area, so a small one measures them.
    let mut labels = 0;
    drawn(8, 8, |area| {
        for (label, _) in rows {
            labels = labels.max(text_width(area, label)?);
        }
        Ok(())
    })?;
    let width = margin + labels + 10 + bar + 64;
    drawn(width as u32, height as u32, |area| {
        for (i, (label, value)) in rows.iter().enumerate() {
            let top = margin + i as i32 * row;
            let left = margin + labels + 10;
            let text_y = top + (row - TEXT as i32) / 2 + 2;
            let at = |x: i32, text: &str| Text::new(text.to_owned(), (x, text_y), font.clone());
            let label_x = margin + labels - text_width(area, label)?;
            area.draw(&at(label_x, label)).map_err(failed)?;
            let track = Rectangle::new(
                [(left, top + 5), (left + bar, top + row - 5)],
                FAINT.mix(0.5).filled(),
            );
            area.draw(&track).map_err(failed)?;
            let end = left + (f64::from(bar) * value.clamp(0.0, 1.0)).round() as i32;
            if end > left {
                let filled = Rectangle::new([(left, top + 5), (end, top + row - 5)], BLUE.filled());
                area.draw(&filled).map_err(failed)?;
            }
            let percent = format!("{:.1} %", 100.0 * value);
            area.draw(&at(left + bar + 8, &percent)).map_err(failed)?;
        }
        Ok(())
    })
}

/// The values as a curve over their index, `step` apart. Of many values, the least and the
/// greatest in each pixel column are drawn; values that are not finite leave a gap.
pub(crate) fn curve(values: &[f32], step: f64) -> Result<Picture> {
    let (low, high) = match extent(values) {
        None => (0.0, 1.0),
        Some((low, high)) if low == high => (low - 0.5, high + 0.5),
        Some((low, high)) => {
            let room = 0.05 * (high - low);
            (low - room, high + room)
        }
    };
    let last = (values.len().max(2) - 1) as f64 * step;
    let font = text()?;
    drawn(640, 220, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .x_label_area_size(26)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..last, low..high)
            .map_err(failed)?;
        let (x, y) = (|v: f64| number(v.round(), 4), |v| number(v, 4));
        Axes { font: &font, x_labels: 8, x: &x, y: &y, names: None }.draw(&mut chart)?;
        for piece in finite_pieces(values, step, 1100) {
            let series = if piece.len() == 1 {
                chart.draw_series(piece.iter().map(|&at| Circle::new(at, 2, BLUE.filled())))
            } else {
                chart.draw_series(LineSeries::new(piece, BLUE.stroke_width(2)))
            };
            series.map_err(failed)?;
        }
        Ok(())
    })
}

/// One or two losses over the epochs, from 1, with a legend.
pub(crate) fn loss_curves(curves: &[(&str, &[f64])]) -> Result<Picture> {
    let values = curves.iter().flat_map(|(_, values)| *values).copied();
    let highest = values.filter(|v| v.is_finite()).fold(0.0, f64::max);
    let top = if highest > 0.0 { 1.25 * highest } else { 1.0 };
    let epochs = curves.iter().map(|(_, values)| values.len()).max().unwrap_or(1).max(2);
    let font = text()?;
    drawn(560, 280, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d(1.0..epochs as f64, 0.0..top)
            .map_err(failed)?;
        let (x, y) = (|v: f64| number(v.round(), 4), |v| number(v, 3));
        let (x_labels, names) = (epochs.min(8), Some(["epoch", "loss"]));
        Axes { font: &font, x_labels, x: &x, y: &y, names }.draw(&mut chart)?;
        for ((name, values), colour) in curves.iter().zip([BLUE, ORANGE]) {
            let points = values.iter().enumerate().filter(|(_, v)| v.is_finite());
            let points = points.map(|(i, &v)| ((i + 1) as f64, v));
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))
                .map_err(failed)?
                .label(*name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
                });
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.8))
            .label_font(font)
            .draw()
            .map_err(failed)
    })
}

/// Runs of finite values as points, thinned to at most about `most` by keeping the extremes.
fn finite_pieces(values: &[f32], step: f64, most: usize) -> Vec<Vec<(f64, f64)>> {
    let chunk = values.len().div_ceil(most / 2).max(1);
    let mut pieces = vec![Vec::new()];
    for (i, part) in values.chunks(chunk).enumerate() {
        let Some((low, high)) = extent(part) else {
            pieces.push(Vec::new());
            continue;
        };
        let x = (i * chunk) as f64 * step;
        if let Some(piece) = pieces.last_mut() {
            piece.push((x, low));
            if high > low {
                piece.push((x, high));
            }
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
