//! Lines, drawn by how much of each pixel they cover: steep ones are as dark as flat ones.

use plotters::prelude::*;

use super::{Canvas, failed};
use crate::error::Result;

/// Half of a line's width, in pixels.
const RADIUS: f64 = 1.0;
/// So far around the plotting area lines on its edge reach.
const BEYOND: i32 = 2;

/// Draws a line through these points; one alone is a dot of this radius.
pub(super) fn stroke(
    axes: &mut Canvas,
    points: &[(f64, f64)],
    dot: i32,
    colour: RGBColor,
) -> Result<()> {
    if let &[point] = points {
        let circle = Circle::new(point, dot, colour.filled());
        return axes.draw_series([circle]).map(drop).map_err(failed);
    }
    let area = axes.plotting_area();
    let (xs, ys) = (area.get_x_range(), area.get_y_range());
    let area = area.strip_coord_spec();
    let (width, height) = area.dim_in_pixel();
    let pixel = |&(x, y): &(f64, f64)| {
        let across = (x - xs.start) / (xs.end - xs.start);
        let down = (ys.end - y) / (ys.end - ys.start);
        [across * f64::from(width), down * f64::from(height)]
    };
    let mut covered = Covered::new(width as i32 + 2 * BEYOND, height as i32 + 2 * BEYOND);
    let pixels: Vec<[f64; 2]> = points.iter().map(pixel).collect();
    for ends in pixels.windows(2) {
        covered.add(ends[0], ends[1]);
    }
    for (y, row) in (0..).zip(covered.shares.chunks(covered.width as usize)) {
        for (x, share) in (0..).zip(row).filter(|(_, share)| **share > 0) {
            let ink = colour.mix(f64::from(*share) / 255.0);
            area.draw_pixel((x - BEYOND, y - BEYOND), &ink).map_err(failed)?;
        }
    }
    Ok(())
}

/// How much of each pixel a line covers, of 255.
struct Covered {
    width: i32,
    height: i32,
    shares: Vec<u8>,
}

impl Covered {
    fn new(width: i32, height: i32) -> Covered {
        Covered { width, height, shares: vec![0; (width * height) as usize] }
    }

    /// A straight piece with round ends: a pixel is covered by how near its middle is.
    fn add(&mut self, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
        let (dx, dy) = (x2 - x1, y2 - y1);
        let length = (dx * dx + dy * dy).max(1e-12);
        let reach = |a: f64, b: f64, most: i32| {
            let (low, high) = (a.min(b) - RADIUS - 1.0, a.max(b) + RADIUS + 1.0);
            let clamped = |v: f64| (v as i32 + BEYOND).clamp(0, most - 1);
            clamped(low.floor())..=clamped(high.ceil())
        };
        for y in reach(y1, y2, self.height) {
            for x in reach(x1, x2, self.width) {
                let (px, py) = (f64::from(x - BEYOND) - x1, f64::from(y - BEYOND) - y1);
                // The nearest place of the piece, 0 to 1 along it.
                let along = ((px * dx + py * dy) / length).clamp(0.0, 1.0);
                let away = (px - along * dx).hypot(py - along * dy);
                let share = (RADIUS + 0.5 - away).clamp(0.0, 1.0);
                let place = &mut self.shares[(y * self.width + x) as usize];
                *place = (*place).max((255.0 * share).round() as u8);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_dark_whichever_way_it_goes() {
        for end in
            [[50.0, 10.0], [10.0, 50.0], [10.5, 50.0], [11.0, 50.0], [50.0, 10.7], [50.0, 50.0]]
        {
            let mut covered = Covered::new(60, 60);
            covered.add([10.0, 10.0], end);
            let all: f64 = covered.shares.iter().map(|share| f64::from(*share) / 255.0).sum();
            let length = (end[0] - 10.0).hypot(end[1] - 10.0);
            // As wide as it is told, with half a disc at each end.
            let expected = 2.0 * RADIUS * length + std::f64::consts::PI * RADIUS * RADIUS;
            assert!((all / expected - 1.0).abs() < 0.05, "{end:?}: {all} of {expected}");
            assert!(
                covered.shares.iter().filter(|share| **share == 255).count() as f64 >= 0.7 * length,
                "{end:?}"
            );
        }
    }
}
