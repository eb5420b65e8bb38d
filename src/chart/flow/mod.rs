//! Flow charts: boxes with lines of text, and arrows between them.

mod layout;
mod route;

use plotters::prelude::*;

use self::layout::Layout;
use super::{drawn, failed, text, text_width};
use crate::error::{Error, Result};
use crate::picture::Picture;

const ARROW: RGBColor = RGBColor(0x70, 0x70, 0x70);
const QUIET: RGBColor = RGBColor(0x55, 0x55, 0x55);
const EDGE: RGBColor = RGBColor(0xa8, 0xa8, 0xa8);
const SLAB: RGBColor = RGBColor(0x6f, 0x94, 0xbd);
const LINE: i32 = 17;
const PADDING: i32 = 8;
const MARGIN: i32 = 12;
/// The square in which the slab stands.
const SLAB_SIDE: i32 = 40;
/// No text makes a box wider than this.
const WIDEST_TEXT: i32 = 230;
/// More letters have no place in it.
const MOST_LETTERS: usize = 100;
/// More pixels are not drawn.
const MOST_PIXELS: i64 = 40_000_000;

/// A box: its first line is its name.
#[derive(Clone, Debug)]
pub(crate) struct FlowBox {
    pub(crate) lines: Vec<String>,
    pub(crate) colour: [u8; 3],
    /// The width and height of the slab that stands for what flows out of it, each 0 to 1.
    pub(crate) slab: [f64; 2],
}

/// Draws boxes, numbered in the order of execution, and arrows from box to box. With it come the left, top, right and
/// bottom of each box, in pixels.
pub(crate) fn flow_chart(
    boxes: &[FlowBox],
    edges: &[(usize, usize)],
) -> Result<(Picture, Vec<[i32; 4]>)> {
    let font = text()?;
    let mut texts: Vec<Vec<String>> = Vec::new();
    let mut widest = 0;
    drawn(8, 8, |area| {
        let width = |text: &str| text_width(area, &font, text);
        for one in boxes {
            let mut lines = Vec::new();
            for line in &one.lines {
                // The end of a long name tells more than its beginning.
                let long = line.chars().count().saturating_sub(MOST_LETTERS);
                let mut shown = match long {
                    0 => line.clone(),
                    _ => format!("…{}", line.chars().skip(long).collect::<String>()),
                };
                while width(&shown)? > WIDEST_TEXT && shown.chars().count() > 2 {
                    shown = format!("…{}", shown.chars().skip(2).collect::<String>());
                }
                widest = widest.max(width(&shown)?);
                lines.push(shown);
            }
            texts.push(lines);
        }
        Ok(())
    })?;
    let most_lines = texts.iter().map(Vec::len).max().unwrap_or(1) as i32;
    // Even, so that the middle is a pixel.
    let width = (widest + 3 * PADDING + SLAB_SIDE + 1) / 2 * 2;
    let height = (most_lines * LINE + 2 * PADDING - 2).max(SLAB_SIDE + 8);
    let layout = Layout::new(boxes.len(), edges, width, height);
    let routes = route::route(&layout, edges, width, height, MARGIN);
    if i64::from(routes.width) * i64::from(routes.height) > MOST_PIXELS {
        return Err(Error::Argument(format!(
            "{} boxes would take {} × {} pixels",
            boxes.len(),
            routes.width,
            routes.height
        )));
    }
    let quiet = font.clone().color(&QUIET);
    let picture = drawn(routes.width as u32, routes.height as u32, |area| {
        for corners in &routes.arrows {
            let line = PathElement::new(corners.clone(), ARROW.stroke_width(2));
            area.draw(&line).map_err(failed)?;
            if let Some(&(x, y)) = corners.last() {
                let head = vec![(x, y), (x - 5, y - 9), (x + 5, y - 9)];
                area.draw(&Polygon::new(head, ARROW)).map_err(failed)?;
            }
        }
        for ((one, lines), &(x, y)) in boxes.iter().zip(&texts).zip(&routes.boxes) {
            let [red, green, blue] = one.colour;
            let corners = [(x, y), (x + width, y + height)];
            let ground = RGBColor(red, green, blue).filled();
            area.draw(&Rectangle::new(corners, ground)).map_err(failed)?;
            area.draw(&Rectangle::new(corners, EDGE)).map_err(failed)?;
            for (i, line) in lines.iter().enumerate() {
                let style = if i == 0 { &font } else { &quiet };
                let at = (x + PADDING, y + PADDING + i as i32 * LINE);
                area.draw(&Text::new(line.clone(), at, style.clone())).map_err(failed)?;
            }
            let side = f64::from(SLAB_SIDE);
            let [across, down] =
                one.slab.map(|share| (share.clamp(0.0, 1.0) * side).max(2.0) as i32);
            let (middle, centre) = (x + width - PADDING - SLAB_SIDE / 2, y + height / 2);
            let slab = [
                (middle - across / 2, centre - down / 2),
                (middle - across / 2 + across, centre - down / 2 + down),
            ];
            area.draw(&Rectangle::new(slab, SLAB.filled())).map_err(failed)?;
        }
        Ok(())
    })?;
    let sides = routes.boxes.iter().map(|&(x, y)| [x, y, x + width, y + height]);
    Ok((picture, sides.collect()))
}
