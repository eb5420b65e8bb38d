//! Charts in the notebook's look, drawn by plotters with the embedded font: [`Chart`] has lines,
//! points, bars and histograms, [`SmallMultiples`] puts several beside each other on the same axes,
//! [`Cells`] are a table of values in colours.

mod bars;
mod cells;
#[expect(clippy::module_inception, reason = "the room is named after its main type")]
mod chart;
mod flow;
mod histogram;
mod multiples;
mod plot;
mod stroke;
mod values;

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::register_font;

pub use cells::Cells;
pub use chart::Chart;
pub use multiples::SmallMultiples;
pub use values::{Named, Number, Points, Values};

pub(crate) use bars::{coloured_bars, percentage_bars, signed_bars};
pub(crate) use flow::{FlowBox, flow_chart};
pub(crate) use histogram::Bins;

use crate::error::{Error, Result};
use crate::number::number;
use crate::picture::{Picture, font_bytes};

const INK: RGBColor = RGBColor(0x26, 0x26, 0x26);
const FAINT: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
const BLUE: RGBColor = RGBColor(0x30, 0x6f, 0xb5);
/// How many series have a colour of their own.
pub(crate) const COLOURS: usize = 10;
/// Of several series: Okabe and Ito's colours, which the colour-blind can tell apart, on white, and two
/// more.
const SERIES: [RGBColor; COLOURS] = [
    BLUE,
    RGBColor(0xd9, 0x7a, 0x1e),
    RGBColor(0x00, 0x8f, 0x68),
    RGBColor(0xc0, 0x4a, 0x8a),
    RGBColor(0x3f, 0xa6, 0xd8),
    RGBColor(0xb0, 0x3a, 0x1a),
    RGBColor(0x7a, 0x5c, 0xc4),
    RGBColor(0x6b, 0x6b, 0x6b),
    RGBColor(0xb8, 0xa8, 0x00),
    RGBColor(0x10, 0x10, 0x10),
];
const TEXT: u32 = 14;

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// No chart is larger.
const MOST_PIXELS: u64 = 40_000_000;

/// Draws on a white ground of `width × height` pixels.
fn drawn(width: u32, height: u32, draw: impl FnOnce(&Area) -> Result<()>) -> Result<Picture> {
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(Error::Argument(format!(
            "a chart of {width} × {height} pixels is too large: show less in it"
        )));
    }
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

/// In pixels.
fn text_width(area: &Area, font: &TextStyle<'static>, text: &str) -> Result<i32> {
    Ok(area.estimate_text_size(text, font).map_err(failed)?.0 as i32)
}

type Canvas<'a, 'b> =
    ChartContext<'a, BitMapBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The axes of a chart: how many numbers each has, how these are written, and what they are of.
struct Axes<'a> {
    font: &'a TextStyle<'static>,
    x_labels: usize,
    x: &'a dyn Fn(f64) -> String,
    y: &'a dyn Fn(f64) -> String,
    /// Empty where nothing is said.
    names: [&'a str; 2],
}

impl Axes<'_> {
    fn draw(&self, chart: &mut Canvas) -> Result<()> {
        let [x_name, y_name] = self.names;
        let (xs, ys) = (chart.plotting_area().get_x_range(), chart.plotting_area().get_y_range());
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
            .x_label_formatter(&|v| (self.x)(tick(*v, &xs)))
            .y_label_formatter(&|v| (self.y)(tick(*v, &ys)))
            .draw()
            .map_err(failed)
    }
}

/// Where a tick of an axis stands: what is 0 but for rounding is 0.
fn tick(value: f64, axis: &Range<f64>) -> f64 {
    let least = 1e-9 * (axis.end - axis.start).abs();
    if value.abs() <= least { 0.0 } else { value }
}

/// The least and the greatest of the finite values, if there are any.
pub(crate) fn extent<T: Copy + Into<f64>>(values: &[T]) -> Option<(f64, f64)> {
    let finite = values.iter().map(|&v| v.into()).filter(|v: &f64| v.is_finite());
    finite.fold(None, |extent, v| {
        let (low, high) = extent.unwrap_or((v, v));
        Some((f64::min(low, v), f64::max(high, v)))
    })
}

/// A little more than the extent, so that nothing lies on the edge.
fn roomy(extent: Option<(f64, f64)>) -> (f64, f64) {
    match extent {
        None => (0.0, 1.0),
        Some((low, high)) if low == high => {
            let room = 0.05 * low.abs().max(10.0);
            (low - room, high + room)
        }
        Some((low, high)) => {
            let room = 0.05 * (high - low);
            (low - room, high + room)
        }
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Image(format!("the chart could not be drawn: {error}"))
}

/// The values as a curve over their index, `step` apart. Of many values, the least and the
/// greatest in each pixel column are drawn; values that are not finite leave a gap.
pub(crate) fn curve(values: &[f32], step: f64) -> Result<Picture> {
    let (low, high) = roomy(extent(values));
    let last = (values.len().max(2) - 1) as f64 * step;
    let font = text()?;
    drawn(640, 240, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .x_label_area_size(44)
            .y_label_area_size(84)
            .build_cartesian_2d(0.0..last, low..high)
            .map_err(failed)?;
        let (x, y) = (|v: f64| number(v.round(), 4), |v| number(v, 4));
        Axes { font: &font, x_labels: 8, x: &x, y: &y, names: ["index", "value"] }
            .draw(&mut chart)?;
        for piece in finite_pieces(values, step, 1100) {
            stroke::stroke(&mut chart, &piece, 2, BLUE)?;
        }
        Ok(())
    })
}

/// Runs of finite values as points, thinned to at most about `most` by keeping the extremes.
fn finite_pieces<T: Copy + Into<f64>>(
    values: &[T],
    step: f64,
    most: usize,
) -> Vec<Vec<(f64, f64)>> {
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
