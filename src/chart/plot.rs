//! Lines, points and histograms between axes, under a title and a legend.

use plotters::prelude::*;

use super::chart::{Chart as Plot, Content};
use super::stroke::stroke;
use super::{
    Area, Axes, Bins, Canvas, INK, SERIES, TEXT, drawn, extent, failed, finite_pieces, roomy, text,
    text_width,
};
use crate::error::{Error, Result};
use crate::number::number;
use crate::picture::{Picture, shortened, wrap};

/// From one line of the heading to the next.
const LINE: i32 = 20;
/// Around the whole.
const MARGIN: i32 = 10;
/// From a colour in the legend to its name.
const SWATCH: i32 = 18;
/// Characters beside a mark.
const WORDS: usize = 60;
/// Axes end here: not far beyond, sums and differences of their ends have no numbers.
pub(super) const END: f64 = 1e300;

pub(super) fn draw(plot: &Plot) -> Result<Picture> {
    let (width, height) = plot.size;
    let font = text()?;
    let [(left, right), (low, high)] = spans(plot)?;
    drawn(width, height, |area| {
        let below = heading(area, plot, &font)?;
        let (_, rest) = area.split_vertically(below);
        let mut axes = ChartBuilder::on(&rest)
            .margin(MARGIN)
            .margin_right(MARGIN + 14)
            .x_label_area_size(if plot.axes[0].is_empty() { 26 } else { 44 })
            .y_label_area_size(if plot.axes[1].is_empty() { 54 } else { 74 })
            .build_cartesian_2d(left..right, low..high)
            .map_err(failed)?;
        // Between two values of an index there is nothing to label.
        let whole = match plot.content {
            Content::Lines { from, step, .. } => from.fract() == 0.0 && step.fract() == 0.0,
            _ => false,
        };
        let x = |v: f64| if whole && v.fract() != 0.0 { String::new() } else { number(v, 3) };
        // Over several powers of ten, these alone.
        let powers = high - low > 2.0;
        let y = |v: f64| match plot.logarithmic {
            true if powers && v.fract() != 0.0 => String::new(),
            true => number(10f64.powf(v), 3),
            false => number(v, 3),
        };
        let x_labels = (width as usize / 75).max(2);
        // As many characters as fit along each axis.
        let names = [(&plot.axes[0], width), (&plot.axes[1], height)];
        let names = names.map(|(name, along)| shortened(name, along as usize / 9));
        let names = [names[0].as_ref(), names[1].as_ref()];
        Axes { font: &font, x_labels, x: &x, y: &y, names }.draw(&mut axes)?;
        match &plot.content {
            Content::Lines { series, from, step } => {
                for (i, (_, values)) in series.iter().enumerate() {
                    line(&mut axes, values, (*from, *step), colour(i), 2 * width as usize)?;
                }
            }
            Content::Points(series) => {
                for (i, (_, points)) in series.iter().enumerate() {
                    let finite = points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
                    let circles = finite.map(|&at| Circle::new(at, 3, colour(i).mix(0.7).filled()));
                    axes.draw_series(circles).map_err(failed)?;
                }
            }
            Content::Bins(series, _) => {
                for (i, (_, bins)) in series.iter().enumerate() {
                    histogram(&mut axes, bins, colour(i), series.len() > 1)?;
                }
            }
            Content::Bars(_) => {}
        }
        marks(&mut axes, plot, &font)
    })
}

fn colour(index: usize) -> RGBColor {
    SERIES[index % SERIES.len()]
}

/// What the axes span.
///
/// # Errors
/// When that is more than they can.
pub(super) fn spans(plot: &Plot) -> Result<[(f64, f64); 2]> {
    let spans = plot.shared.unwrap_or_else(|| ranges(plot));
    let reachable = |end: f64| end.abs() <= END;
    match spans.iter().find(|(from, to)| !reachable(*from) || !reachable(*to)) {
        None => Ok(spans),
        Some((from, to)) => Err(Error::Argument(format!(
            "the axes of a chart reach to {END:e} at most, on either side of 0; these values need \
             {from:e} to {to:e}"
        ))),
    }
}

/// What the axes have to span.
pub(super) fn ranges(plot: &Plot) -> [(f64, f64); 2] {
    let (mut xs, mut ys): (Vec<f64>, Vec<f64>) = (Vec::new(), plot.reach.clone());
    match &plot.content {
        Content::Lines { series, from, step } => {
            let count = series.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
            ys.extend(series.iter().flat_map(|(_, values)| values));
            ys.extend(plot.marks.iter().map(|(_, y, _)| y));
            let along = match count {
                // In the middle, not on the edge.
                1 => (from - step / 2.0, from + step / 2.0),
                _ => (*from, from + (count.max(2) - 1) as f64 * step),
            };
            return [along, snug(&ys, &plot.reach)];
        }
        Content::Points(series) => {
            let points = || series.iter().flat_map(|(_, points)| points);
            let whole = points().filter(|(x, y)| x.is_finite() && y.is_finite());
            for &(x, y) in whole {
                xs.push(x);
                ys.push(y);
            }
            xs.extend(plot.marks.iter().map(|(x, ..)| x));
            ys.extend(plot.marks.iter().map(|(_, y, _)| y));
        }
        Content::Bins(series, _) => {
            let most = series.iter().flat_map(|(_, bins)| &bins.counts).max().copied();
            let most = most.unwrap_or(0).max(1) as f64;
            let (low, high) = series.first().map_or((0.0, 1.0), |(_, b)| (b.low, b.high));
            return [(low, high), (0.0, 1.05 * most)];
        }
        Content::Bars(bars) => {
            ys.extend(bars.iter().map(|(_, value)| value));
            // Away from 0, unless somebody says how far the axis goes.
            if plot.reach.is_empty() {
                let ends = bars.iter().zip(&plot.deviations);
                ys.extend(ends.map(|((_, value), deviation)| value + deviation.copysign(*value)));
            }
            let (low, high) = extent(&ys).unwrap_or((0.0, 1.0));
            return [(0.0, 1.0), (low.min(0.0), high.max(0.0))];
        }
    }
    [roomy(extent(&xs)), snug(&ys, &plot.reach)]
}

/// Some room around the values, but none beyond an end that was asked for.
fn snug(values: &[f64], reach: &[f64]) -> (f64, f64) {
    let (low, high) = roomy(extent(values));
    match extent(values) {
        Some((least, greatest)) if least < greatest => (
            if reach.contains(&least) { least } else { low },
            if reach.contains(&greatest) { greatest } else { high },
        ),
        _ => (low, high),
    }
}

/// The title and the legend; how far down they reach.
fn heading(area: &Area, plot: &Plot, font: &TextStyle<'static>) -> Result<i32> {
    let width = plot.size.0 as i32;
    let mut y = MARGIN / 2;
    let put = |text: &str, x: i32, y: i32| {
        area.draw(&Text::new(text.to_owned(), (x, y), font.clone())).map_err(failed)
    };
    let wrapped = |text: &str, room: i32, most| wrap(text, TEXT as f32, room as f32, most);
    let title = plot.title.as_deref().unwrap_or_default();
    for line in wrapped(title, width - 2 * MARGIN, 2) {
        put(&line, MARGIN, y)?;
        y += LINE;
    }
    let names: Vec<&str> = match &plot.content {
        Content::Lines { series, .. } => series.iter().map(|(name, _)| name.as_str()).collect(),
        Content::Points(series) => series.iter().map(|(name, _)| name.as_str()).collect(),
        Content::Bins(series, _) => series.iter().map(|(name, _)| name.as_str()).collect(),
        Content::Bars(_) => Vec::new(),
    };
    if names.len() == 1 && plot.title.is_some() || names.iter().all(|name| name.is_empty()) {
        return Ok(y);
    }
    let mut x = MARGIN;
    for (i, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        let name = wrapped(name, width - 2 * MARGIN - SWATCH, 1).concat();
        let wide = text_width(area, font, &name)?;
        if x > MARGIN && x + wide + 24 > width {
            (x, y) = (MARGIN, y + LINE);
        }
        // No more than leaves the chart its place.
        if y + 120 > plot.size.1 as i32 {
            put("…", x, y)?;
            break;
        }
        let swatch = Rectangle::new([(x, y + 2), (x + 12, y + 12)], colour(i).filled());
        area.draw(&swatch).map_err(failed)?;
        put(&name, x + SWATCH, y)?;
        x += wide + 40;
    }
    Ok(y + LINE)
}

fn line(
    axes: &mut Canvas,
    values: &[f64],
    (from, step): (f64, f64),
    colour: RGBColor,
    most: usize,
) -> Result<()> {
    for piece in finite_pieces(values, step, most) {
        let piece: Vec<(f64, f64)> = piece.into_iter().map(|(x, y)| (from + x, y)).collect();
        stroke(axes, &piece, if values.len() == 1 { 4 } else { 2 }, colour)?;
    }
    Ok(())
}

/// Bars over the values, with a line at 0 where there are values on both of its sides; where several
/// histograms share the chart, they shine through each other.
fn histogram(axes: &mut Canvas, bins: &Bins, colour: RGBColor, shared: bool) -> Result<()> {
    let fill = if shared { colour.mix(0.45) } else { colour.mix(1.0) };
    let bars = bins.bars().map(|(left, right, count)| {
        let mut bar = Rectangle::new([(left, 0.0), (right, count)], fill.filled());
        bar.set_margin(0, 0, 0, 1);
        bar
    });
    axes.draw_series(bars).map_err(failed)?;
    if bins.low < 0.0 && bins.high > 0.0 {
        let most = bins.counts.iter().copied().max().unwrap_or(0) as f64;
        axes.draw_series(LineSeries::new([(0.0, 0.0), (0.0, 1.05 * most)], INK)).map_err(failed)?;
    }
    Ok(())
}

/// Marked points with their words, which stay within the chart.
fn marks(axes: &mut Canvas, plot: &Plot, font: &TextStyle<'static>) -> Result<()> {
    let area = axes.plotting_area().strip_coord_spec();
    let (x_range, y_range) = area.get_pixel_range();
    let marks = || plot.marks.iter().filter(|(x, y, _)| x.is_finite() && y.is_finite());
    let mut places = Vec::new();
    for (x, y, words) in marks() {
        let (px, py) = axes.plotting_area().map_coordinate(&(*x, *y));
        let (px, py) = (px - x_range.start, py - y_range.start);
        let (wide, high) =
            area.estimate_text_size(&shortened(words, WORDS), font).map_err(failed)?;
        let (wide, high) = (wide as i32, high as i32);
        let right = px + 9 + wide < x_range.end - x_range.start;
        let left = if right { px + 9 } else { px - 9 - wide };
        let top = (py - TEXT as i32 - 4).clamp(0, (y_range.end - y_range.start - high).max(0));
        let ground = Rectangle::new(
            [(left - 2, top - 1), (left + wide + 2, top + high + 1)],
            WHITE.mix(0.8).filled(),
        );
        area.draw(&ground).map_err(failed)?;
        places.push((left, top));
    }
    // Over all grounds: the words of one mark may lie on another.
    let circles = marks().map(|(x, y, _)| Circle::new((*x, *y), 4, INK.stroke_width(2)));
    axes.draw_series(circles).map_err(failed)?;
    for (place, (.., words)) in places.into_iter().zip(marks()) {
        area.draw(&Text::new(shortened(words, WORDS).into_owned(), place, font.clone()))
            .map_err(failed)?;
    }
    Ok(())
}
