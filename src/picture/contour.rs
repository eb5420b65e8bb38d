//! Lines of equal value on a photo, by marching squares.

use super::colormap::Colormap;
use super::layout::COLUMN;
use super::maps::Maps;

/// Lines on RGB bytes, at equal steps of a map of the same size in 0..=1: each with a dark seam that
/// holds it apart from bright places.
pub(super) fn draw(photo: &[u8], map: &Maps, levels: u8, colormap: Colormap) -> Vec<u8> {
    let size = (map.height(), map.width());
    // As text, lines grow on pictures that notebooks shrink.
    let thickness = 2.0 * (map.width() as f32 / COLUMN as f32).max(1.0);
    let at = |level: u8| f32::from(level) / (f32::from(levels) + 1.0);
    let lines: Vec<_> = (1..=levels).map(|level| segments(map, at(level))).collect();
    let mut pixels = photo.to_vec();
    put(&mut pixels, size, &lines.concat(), 2.0 * thickness, [0; 3], 0.7);
    for (lines, level) in lines.iter().zip(1..=levels) {
        put(&mut pixels, size, lines, thickness, colormap.color(at(level)), 1.0);
    }
    pixels
}

/// Lines of this thickness and colour on RGB bytes.
pub(super) fn put(
    pixels: &mut [u8],
    size: (usize, usize),
    lines: &[Segment],
    thickness: f32,
    colour: [u8; 3],
    opacity: f32,
) {
    let covered = coverage(lines, size, thickness);
    for (pixel, covered) in pixels.as_chunks_mut::<3>().0.iter_mut().zip(covered) {
        let opacity = opacity * covered;
        for (c, colour) in pixel.iter_mut().zip(colour) {
            let value = f32::from(*c);
            *c = (value + opacity * (f32::from(colour) - value)).round() as u8;
        }
    }
}

/// A line from one place to another, in pixels; whole numbers are the middles of pixels.
pub(super) type Segment = [(f32, f32); 2];

/// The lines along which a map has this value, each piece within one square of four neighbouring
/// values. Values are interpolated along the sides of the square; of the two ways through a saddle
/// the mean of the four decides.
fn segments(map: &Maps, level: f32) -> Vec<Segment> {
    let (width, values) = (map.width(), map.values());
    let mut segments = Vec::new();
    let rows = values.chunks_exact(width.max(1));
    for (y, (upper, lower)) in rows.clone().zip(rows.skip(1)).enumerate() {
        for (x, (up, low)) in upper.windows(2).zip(lower.windows(2)).enumerate() {
            // Clockwise from the upper left: the square's corners, and the sides that follow them.
            let corners = [up[0], up[1], low[1], low[0]];
            let above = corners.map(|value| value >= level);
            let places = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)];
            let crossing = |side: usize| {
                let next = (side + 1) % 4;
                (above[side] != above[next]).then(|| {
                    let share = (level - corners[side]) / (corners[next] - corners[side]);
                    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.5 };
                    let (from, to): ((f32, f32), (f32, f32)) = (places[side], places[next]);
                    let along = |from: f32, to: f32| from + share * (to - from);
                    (x as f32 + along(from.0, to.0), y as f32 + along(from.1, to.1))
                })
            };
            match [crossing(0), crossing(1), crossing(2), crossing(3)] {
                [Some(top), Some(right), Some(bottom), Some(left)] => {
                    let middle = corners.iter().map(|value| value / 4.0).sum::<f32>() >= level;
                    // The upper left corner is joined with the lower right one, or cut off.
                    segments.extend(if middle == above[0] {
                        [[top, right], [bottom, left]]
                    } else {
                        [[left, top], [right, bottom]]
                    });
                }
                crossings => {
                    let mut crossings = crossings.into_iter().flatten();
                    if let (Some(from), Some(to)) = (crossings.next(), crossings.next()) {
                        segments.push([from, to]);
                    }
                }
            }
        }
    }
    segments
}

/// How far each pixel is covered by lines of this thickness, 0 to 1.
fn coverage(segments: &[Segment], (height, width): (usize, usize), thickness: f32) -> Vec<f32> {
    let mut covered = vec![0.0f32; height * width];
    let reach = thickness / 2.0 + 0.5;
    for &[(x0, y0), (x1, y1)] in segments {
        let (dx, dy) = (x1 - x0, y1 - y0);
        let length = dx * dx + dy * dy;
        // `as` saturates, at 0 too.
        let columns = |from: f32, to: f32, end: usize| {
            ((from - reach).ceil() as usize).min(end)..((to + reach).floor() as usize + 1).min(end)
        };
        for y in columns(y0.min(y1), y0.max(y1), height) {
            for x in columns(x0.min(x1), x0.max(x1), width) {
                let (px, py) = (x as f32 - x0, y as f32 - y0);
                let along = if length > 0.0 { (px * dx + py * dy) / length } else { 0.0 };
                let along = along.clamp(0.0, 1.0);
                let distance = (px - along * dx).hypot(py - along * dy);
                let pixel = &mut covered[y * width + x];
                *pixel = pixel.max((reach - distance).clamp(0.0, 1.0));
            }
        }
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(width: usize, values: &[f32]) -> Maps {
        Maps::new(1, values.len() / width, width, values.to_vec()).expect("a map")
    }

    #[test]
    fn a_slope_is_crossed_where_it_has_the_value() {
        let slope = map(3, &[0.0, 1.0, 2.0, 0.0, 1.0, 2.0]);
        assert_eq!(segments(&slope, 0.25), [[(0.25, 0.0), (0.25, 1.0)]]);
        assert_eq!(segments(&slope, 1.5), [[(1.5, 0.0), (1.5, 1.0)]]);
        assert!(segments(&slope, 3.0).is_empty() && segments(&slope, -1.0).is_empty());
    }

    #[test]
    fn a_hill_has_a_closed_line_around_it() {
        let hill = map(3, &[0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        let around = segments(&hill, 0.5);
        assert_eq!(around.len(), 4);
        for segment in &around {
            for end in segment {
                let others = around.iter().flatten().filter(|place| *place == end).count();
                assert_eq!(others, 2, "each end meets another: {around:?}");
            }
        }
    }

    #[test]
    fn a_saddle_is_cut_by_its_mean() {
        // 0 and 1 across: the mean is 0.5.
        let saddle = map(2, &[1.0, 0.0, 0.0, 1.0]);
        let joined = segments(&saddle, 0.4);
        assert!(joined.contains(&[(0.6, 0.0), (1.0, 0.4)]), "ones are one region: {joined:?}");
        let apart = segments(&saddle, 0.6);
        assert_eq!(apart.len(), 2);
        assert!(apart.iter().all(|[from, to]| (from.0 - to.0).abs() < 0.5), "{apart:?}");
    }

    #[test]
    fn a_line_is_as_thick_as_it_should_be_and_its_edges_are_smooth() {
        let line = [[(5.0, 0.0), (5.0, 9.0)]];
        let covered = coverage(&line, (10, 10), 2.0);
        let row = &covered[40..50];
        assert_eq!(row, [0.0, 0.0, 0.0, 0.0, 0.5, 1.0, 0.5, 0.0, 0.0, 0.0]);
        assert!((row.iter().sum::<f32>() - 2.0).abs() < 1e-6);
        let outside = [[(-50.0, -50.0), (-40.0, 80.0)], [(3.0, 3.0), (3.0, 3.0)]];
        assert!(coverage(&outside, (10, 10), 2.0)[33] == 1.0, "a dot");
    }
}
