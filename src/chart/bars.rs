//! Horizontal bars, a name on the left and a value on the right of each.

use plotters::prelude::*;

use super::{BLUE, FAINT, INK, TEXT, drawn, failed, text};
use crate::error::Result;
use crate::picture::Picture;

/// From one bar to the next.
const ROW: i32 = 26;
/// Around the whole.
const MARGIN: i32 = 8;
/// How long the longest bar may be.
const LENGTH: i32 = 320;

/// Bars of values in `[0, 1]`, written as percentages.
pub(crate) fn percentage_bars(rows: &[(String, f64)]) -> Result<Picture> {
    bars(rows, (0.0, 1.0), |value| format!("{:.1} %", 100.0 * value))
}

/// Bars from 0, to the right and, for negative values, to the left, on a track that stands for the
/// range, which 0 lies in.
pub(super) fn bars(
    rows: &[(String, f64)],
    (low, high): (f64, f64),
    write: impl Fn(f64) -> String,
) -> Result<Picture> {
    let font = text()?;
    let widest = |texts: &mut dyn Iterator<Item = String>| -> Result<i32> {
        // Widths are known only to a drawing area, so a small one measures them.
        let mut widest = 0;
        drawn(8, 8, |area| {
            for text in texts {
                let width = area.estimate_text_size(&text, &font).map_err(failed)?.0 as i32;
                widest = widest.max(width);
            }
            Ok(())
        })?;
        Ok(widest)
    };
    let names = widest(&mut rows.iter().map(|(name, _)| name.clone()))?;
    let numbers = widest(&mut rows.iter().map(|(_, value)| write(*value)))?;
    let span = if high > low { high - low } else { 1.0 };
    let place = |value: f64| {
        let share = ((value - low) / span).clamp(0.0, 1.0);
        MARGIN + names + 10 + (f64::from(LENGTH) * share).round() as i32
    };
    let (left, right) = (MARGIN + names + 10, MARGIN + names + 10 + LENGTH);
    let width = right + 8 + numbers + MARGIN;
    let height = rows.len() as i32 * ROW + 2 * MARGIN;
    drawn(width as u32, height as u32, |area| {
        for (i, (name, value)) in rows.iter().enumerate() {
            let top = MARGIN + i as i32 * ROW;
            let text_y = top + (ROW - TEXT as i32) / 2 + 2;
            let at = |x: i32, text: String| Text::new(text, (x, text_y), font.clone());
            let own = area.estimate_text_size(name, &font).map_err(failed)?.0 as i32;
            area.draw(&at(MARGIN + names - own, name.clone())).map_err(failed)?;
            let bar = |from: i32, to: i32, colour: RGBAColor| {
                Rectangle::new([(from, top + 5), (to, top + ROW - 5)], colour.filled())
            };
            area.draw(&bar(left, right, FAINT.mix(0.5))).map_err(failed)?;
            if value.is_finite() && place(*value) != place(0.0) {
                let (from, to) = (place(value.min(0.0)), place(value.max(0.0)));
                area.draw(&bar(from, to, BLUE.mix(1.0))).map_err(failed)?;
            }
            area.draw(&at(right + 8, write(*value))).map_err(failed)?;
        }
        if low < 0.0 {
            let zero = [(place(0.0), MARGIN), (place(0.0), height - MARGIN)];
            area.draw(&PathElement::new(zero, INK)).map_err(failed)?;
        }
        Ok(())
    })
}
