//! Horizontal bars, a name on the left and a value on the right of each; above the names what these are,
//! below the bars what their values are.

use plotters::prelude::*;

use super::{Area, BLUE, FAINT, INK, TEXT, drawn, extent, failed, text, text_width};
use crate::error::{Error, Result};
use crate::number::{number, signed};
use crate::picture::{Colormap, Picture, wrap};

/// From one bar to the next.
const ROW: i32 = 26;
/// Around the whole.
const MARGIN: i32 = 8;
/// How long the longest bar may be.
const LENGTH: i32 = 320;
/// No name makes the chart wider than this.
const WIDEST_NAME: f32 = 420.0;
/// More bars are not drawn.
const MOST: usize = 1000;

/// Bars of values in `[0, 1]`, written as percentages.
pub(crate) fn percentage_bars(rows: &[(String, f64)]) -> Result<Picture> {
    bars(rows, &[], (0.0, 1.0), [""; 2], |_, _| BLUE, |value| format!("{:.1} %", 100.0 * value))
}

/// Bars in red and, for negative values, in blue, the ends of the colours for values for and against, written with
/// their sign. The axes' names may be empty.
pub(crate) fn signed_bars(rows: &[(String, f64)], names: [&str; 2]) -> Result<Picture> {
    let values: Vec<f64> = rows.iter().map(|(_, value)| *value).collect();
    let (low, high) = extent(&values).unwrap_or_default();
    let colour = |_, value: f64| {
        let [r, g, b] = Colormap::Coolwarm.color(if value < 0.0 { 0.0 } else { 1.0 });
        RGBColor(r, g, b)
    };
    bars(rows, &[], (low.min(0.0), high.max(0.0)), names, colour, |value| signed(value, 3))
}

/// Bars of values from 0 on, each in its own colour.
pub(crate) fn coloured_bars(
    rows: &[(String, f64)],
    colours: &[[u8; 3]],
    names: [&str; 2],
) -> Result<Picture> {
    let values: Vec<f64> = rows.iter().map(|(_, value)| *value).collect();
    let high = extent(&values).map_or(0.0, |(_, high)| high);
    let colour = |i: usize, _| colours.get(i).map_or(BLUE, |&[r, g, b]| RGBColor(r, g, b));
    bars(rows, &[], (0.0, high), names, colour, |value| number(value, 3))
}

/// Bars from 0, to the right and, for negative values, to the left, on a track that stands for the
/// range, which 0 lies in; a row's place and value have the bar's colour. The axes' names may be empty. Where there are
/// deviations, a line reaches so far to both sides of the bar's end.
pub(super) fn bars(
    rows: &[(String, f64)],
    deviations: &[f64],
    (low, high): (f64, f64),
    [x_name, y_name]: [&str; 2],
    colour: impl Fn(usize, f64) -> RGBColor,
    write: impl Fn(f64) -> String,
) -> Result<Picture> {
    if rows.len() > MOST {
        return Err(Error::Argument(format!(
            "{} bars are more than anyone reads: give at most {MOST}, such as the largest",
            rows.len()
        )));
    }
    let font = text()?;
    let fitted = |name: &str| wrap(name, TEXT as f32, WIDEST_NAME, 1).concat();
    let rows: Vec<(String, f64)> = rows.iter().map(|(name, v)| (fitted(name), *v)).collect();
    let (x_name, y_name) = (&*fitted(x_name), &*fitted(y_name));
    let widest = |texts: &mut dyn Iterator<Item = String>| -> Result<i32> {
        // Widths are known only to a drawing area, so a small one measures them.
        let mut widest = 0;
        drawn(8, 8, |area| {
            for text in texts {
                widest = widest.max(text_width(area, &font, &text)?);
            }
            Ok(())
        })?;
        Ok(widest)
    };
    let names = rows.iter().map(|(name, _)| name.as_str()).chain([y_name]);
    let names = widest(&mut names.map(str::to_owned))?;
    let x_width = widest(&mut [x_name.to_owned()].into_iter())?;
    let numbers = widest(&mut rows.iter().map(|(_, value)| write(*value)))?;
    let span = if high > low { high - low } else { 1.0 };
    let place = |value: f64| {
        let share = ((value - low) / span).clamp(0.0, 1.0);
        MARGIN + names + 10 + (f64::from(LENGTH) * share).round() as i32
    };
    let (left, right) = (MARGIN + names + 10, MARGIN + names + 10 + LENGTH);
    // Below the middle of the bars, where it is not wider than what is left of that.
    let x_from = ((left + right - x_width) / 2).max(MARGIN);
    let width = (right + 8 + numbers).max(x_from + x_width) + MARGIN;
    let named = |name: &str| if name.is_empty() { 0 } else { ROW };
    let first = MARGIN + named(y_name);
    let end = first + rows.len() as i32 * ROW;
    let height = end + named(x_name) + MARGIN;
    drawn(width as u32, height as u32, |area| {
        let write_at = |x: i32, top: i32, text: &str| {
            let place = (x, top + (ROW - TEXT as i32) / 2 + 2);
            area.draw(&Text::new(text.to_owned(), place, font.clone())).map_err(failed)
        };
        let write_name = |top: i32, name: &str| {
            write_at(MARGIN + names - text_width(area, &font, name)?, top, name)
        };
        write_name(MARGIN, y_name)?;
        write_at(x_from, end, x_name)?;
        for (i, (name, value)) in rows.iter().enumerate() {
            let top = first + i as i32 * ROW;
            write_name(top, name)?;
            let bar = |from: i32, to: i32, colour: RGBAColor| {
                Rectangle::new([(from, top + 5), (to, top + ROW - 5)], colour.filled())
            };
            area.draw(&bar(left, right, FAINT.mix(0.5))).map_err(failed)?;
            if value.is_finite() && place(*value) != place(0.0) {
                let (from, to) = (place(value.min(0.0)), place(value.max(0.0)));
                area.draw(&bar(from, to, colour(i, *value).mix(1.0))).map_err(failed)?;
            }
            if let Some(deviation) = deviations.get(i).filter(|d| d.is_finite() && **d > 0.0) {
                whisker(area, [value - deviation, value + deviation].map(&place), top + ROW / 2)?;
            }
            write_at(right + 8, top, &write(*value))?;
        }
        if low < 0.0 {
            let zero = [(place(0.0), first), (place(0.0), end)];
            area.draw(&PathElement::new(zero, INK)).map_err(failed)?;
        }
        Ok(())
    })
}

/// A line between two places of a row, with its ends marked.
fn whisker(area: &Area, [from, to]: [i32; 2], middle: i32) -> Result<()> {
    let line = |points: [(i32, i32); 2]| {
        area.draw(&PathElement::new(points, INK.stroke_width(2))).map_err(failed)
    };
    line([(from, middle), (to, middle)])?;
    [from, to].into_iter().try_for_each(|end| line([(end, middle - 4), (end, middle + 4)]))
}
