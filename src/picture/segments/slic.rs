//! SLIC superpixels, as scikit-image computes them.

use std::fmt;

use super::Segments;
use crate::error::{Error, Result};
use crate::memory;
use crate::picture::Picture;

/// SLIC superpixels: pixels that lie together and are of like colour, found by k-means. With `S` the distance between
/// neighbouring centres at the start, `c` the [`compactness`](Slic::compactness) and `Lab` a pixel's colour in CIELAB, a
/// pixel goes to the centre for which `|Δ(x, y)|² / S² + |ΔLab|² / c²` is least among those at most `2 S` away.
///
/// It is scikit-image's `slic` with its defaults: the picture is scaled to its least and greatest value, ten rounds,
/// and connected pieces smaller than half of the usual size go to a neighbour while those larger than three times that
/// are cut. Labels are scikit-image's, less 1.
///
/// Achanta et al. 2012, <https://doi.org/10.1109/TPAMI.2012.120>.
///
/// ```
/// use convlens::prelude::*;
/// let cat = Photo::open("assets/photos/cat.png")?.picture();
/// let superpixels = Slic::new(60).segments(&cat)?;
/// assert!((40..80).contains(&superpixels.count()));
/// superpixels.over(&cat).to_png();
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Slic {
    count: usize,
    compactness: f64,
    sigma: f64,
    rounds: usize,
}

impl Default for Slic {
    /// About 50.
    fn default() -> Self {
        Slic { count: 50, compactness: 10.0, sigma: 0.0, rounds: 10 }
    }
}

/// More rounds change nothing.
const MOST_ROUNDS: usize = 1000;

impl Slic {
    /// About so many superpixels (`n_segments`): centres start on a grid, which has place for a few more or less.
    pub fn new(count: usize) -> Slic {
        Slic { count, ..Slic::default() }
    }

    /// How much places count against colours (`compactness`): 10 unless set. Tenfold makes nearly squares.
    #[must_use]
    pub fn compactness(&self, compactness: f64) -> Slic {
        Slic { compactness, ..self.clone() }
    }

    /// The standard deviation, in pixels, of a Gaussian that blurs the picture first (`sigma`): 0 unless set.
    #[must_use]
    pub fn sigma(&self, pixels: f64) -> Slic {
        Slic { sigma: pixels, ..self.clone() }
    }

    /// How often centres move (`max_num_iter`): 10 unless set.
    #[must_use]
    pub fn rounds(&self, rounds: usize) -> Slic {
        Slic { rounds, ..self.clone() }
    }

    /// The superpixels of a picture.
    ///
    /// # Errors
    /// When none are asked for; a compactness, blur or number of rounds that is out of range; a picture for which
    /// memory does not suffice.
    pub fn segments(&self, picture: &Picture) -> Result<Segments> {
        let (height, width) = (picture.height() as usize, picture.width() as usize);
        self.check(height, width)?;
        // Three colours, distances, labels, and the same again while blurring and joining.
        let bytes = (height * width) as u64 * 72;
        memory::check(
            &format!("superpixels of {height} × {width} pixels"),
            bytes,
            "take a smaller picture",
        )?;
        let mut planes = lab(picture);
        if self.sigma > 0.0 {
            for plane in &mut planes {
                blur(plane, height, width, self.sigma);
            }
        }
        let per_colour = 1.0 / self.compactness;
        planes.iter_mut().flatten().for_each(|value| *value *= per_colour);
        let (labels, centres) = self.clusters(&planes, height, width);
        // How large a superpixel is on average.
        let usual = (height * width) as f64 / centres as f64;
        let labels =
            connected(&labels, (height, width), (0.5 * usual) as usize, (3.0 * usual) as usize);
        Segments::new(height, width, labels)
    }

    fn check(&self, height: usize, width: usize) -> Result<()> {
        if self.count == 0 {
            return Err(Error::Argument("0 superpixels divide nothing: give 1 or more".into()));
        }
        if !self.compactness.is_finite() || self.compactness <= 0.0 {
            return Err(Error::Argument(format!(
                "the compactness of superpixels is a number above 0, such as 10, not {}",
                self.compactness
            )));
        }
        let most = height.max(width);
        if !(0.0..=most as f64).contains(&self.sigma) {
            return Err(Error::Argument(format!(
                "superpixels blur the picture by a standard deviation (sigma) from 0 to its {most} pixels, not by {}",
                self.sigma
            )));
        }
        match self.rounds {
            1..=MOST_ROUNDS => Ok(()),
            other => Err(Error::Argument(format!(
                "superpixels move their centres 1 to {MOST_ROUNDS} times, not {other}: after ten rounds little changes"
            ))),
        }
    }

    /// The centre that each pixel is nearest to, and how many centres there are.
    fn clusters(&self, planes: &[Vec<f64>; 3], height: usize, width: usize) -> (Vec<u64>, usize) {
        let [(top, down), (left, across)] = regular_grid([height, width], self.count);
        let starts = |first: usize, step: usize, size: usize| (first..size).step_by(step);
        let mut centres: Vec<Centre> = starts(top, down, height)
            .flat_map(|y| starts(left, across, width).map(move |x| Centre::at(y as f64, x as f64)))
            .collect();
        let step = down.max(across) as f64;
        let per_place = 1.0 / (step * step);
        // What a centre looks at goes by how many centres there came to be.
        let [(_, down), (_, across)] = regular_grid([height, width], centres.len());
        let mut nearest = vec![0u64; height * width];
        let mut distances = vec![0f64; height * width];
        for _ in 0..self.rounds {
            distances.fill(f64::MAX);
            for (label, centre) in centres.iter().enumerate() {
                // A centre without pixels is nowhere.
                if centre.y.is_nan() {
                    continue;
                }
                let rows = window(centre.y, down, height);
                let columns = window(centre.x, across, width);
                let beside: Vec<f64> =
                    columns.clone().map(|x| (centre.x - x as f64).powi(2)).collect();
                for y in rows {
                    let below = (centre.y - y as f64).powi(2);
                    let row = y * width + columns.start..y * width + columns.end;
                    let [l, a, b] = [0, 1, 2].map(|c| &planes[c][row.clone()]);
                    let found = distances[row.clone()].iter_mut().zip(&mut nearest[row]);
                    let colours = l.iter().zip(a).zip(b);
                    for ((beside, ((l, a), b)), (distance, nearest)) in
                        beside.iter().zip(colours).zip(found)
                    {
                        let [dl, da, db] =
                            [l - centre.colour[0], a - centre.colour[1], b - centre.colour[2]];
                        let away = (below + beside) * per_place + (dl * dl + da * da + db * db);
                        // Both are written in any case, which processors do for several pixels at once.
                        let nearer = away < *distance;
                        *nearest = if nearer { label as u64 } else { *nearest };
                        *distance = if nearer { away } else { *distance };
                    }
                }
            }
            move_centres(&mut centres, &nearest, planes, width);
        }
        (nearest, centres.len())
    }
}

impl fmt::Display for Slic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "about {} superpixels", self.count)?;
        let usual = Slic::default();
        if self.compactness != usual.compactness {
            write!(f, " of compactness {}", self.compactness)?;
        }
        if self.sigma != usual.sigma {
            write!(f, ", blurred by {}", self.sigma)?;
        }
        if self.rounds != usual.rounds {
            write!(f, ", in {} rounds", self.rounds)?;
        }
        Ok(())
    }
}

/// The middle of a superpixel, in pixels and colours.
#[derive(Clone, Default)]
struct Centre {
    y: f64,
    x: f64,
    colour: [f64; 3],
    pixels: u64,
}

impl Centre {
    fn at(y: f64, x: f64) -> Centre {
        Centre { y, x, ..Centre::default() }
    }
}

/// The rows, or columns, among `size` that a centre looks at.
fn window(centre: f64, step: usize, size: usize) -> std::ops::Range<usize> {
    let reach = 2.0 * step as f64;
    (centre - reach).max(0.0) as usize..(centre + reach + 1.0).min(size as f64) as usize
}

/// Each centre to the mean of its pixels; of none, to nowhere.
fn move_centres(centres: &mut [Centre], nearest: &[u64], planes: &[Vec<f64>; 3], width: usize) {
    centres.fill(Centre::default());
    for (y, row) in nearest.chunks_exact(width).enumerate() {
        for (x, &label) in row.iter().enumerate() {
            let centre = &mut centres[label as usize];
            centre.pixels += 1;
            centre.y += y as f64;
            centre.x += x as f64;
            for (sum, plane) in centre.colour.iter_mut().zip(planes) {
                *sum += plane[y * width + x];
            }
        }
    }
    for centre in centres {
        let pixels = centre.pixels as f64;
        centre.y /= pixels;
        centre.x /= pixels;
        centre.colour = centre.colour.map(|sum| sum / pixels);
    }
}

/// Where `count` points lie regularly in an area of these sizes: along each, the first and the step.
fn regular_grid(sizes: [usize; 2], count: usize) -> [(usize, usize); 2] {
    let pixels = sizes[0] as f64 * sizes[1] as f64;
    if pixels <= count as f64 {
        return [(0, 1); 2];
    }
    let even = (pixels / count as f64).sqrt();
    let (short, long) = (sizes[0].min(sizes[1]) as f64, sizes[0].max(sizes[1]) as f64);
    // Where not even one step fits the shorter side, all points stand in a row.
    let [short_step, long_step] =
        if short < even || long < even { [short, long / count as f64] } else { [even; 2] };
    let steps =
        if sizes[0] <= sizes[1] { [short_step, long_step] } else { [long_step, short_step] };
    steps.map(|step| ((step / 2.0).floor() as usize, step.round_ties_even().max(1.0) as usize))
}

/// A picture in CIELAB (D65, 2°), after its values were scaled from its least to its greatest to 0..=1.
fn lab(picture: &Picture) -> [Vec<f64>; 3] {
    let pixels = picture.to_rgb().into_raw();
    let unit = |byte: u8| f64::from(byte) * (1.0 / 255.0);
    let least = unit(pixels.iter().copied().min().unwrap_or(0));
    let greatest = unit(pixels.iter().copied().max().unwrap_or(0));
    let linear: Vec<f64> = (0..=255u8)
        .map(|byte| {
            let value = unit(byte) - least;
            let value = if greatest == least { value } else { value / (greatest - least) };
            if value > 0.04045 { ((value + 0.055) / 1.055).powf(2.4) } else { value / 12.92 }
        })
        .collect();
    let mut planes = [(); 3].map(|()| Vec::with_capacity(pixels.len() / 3));
    for pixel in pixels.as_chunks::<3>().0 {
        let [r, g, b] = pixel.map(|byte| linear[usize::from(byte)]);
        let [x, y, z] = [
            (0.412453 * r + 0.357580 * g + 0.180423 * b) / 0.95047,
            0.212671 * r + 0.715160 * g + 0.072169 * b,
            (0.019334 * r + 0.119193 * g + 0.950227 * b) / 1.08883,
        ]
        .map(|t| if t > 0.008856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 });
        for (plane, value) in
            planes.iter_mut().zip([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)])
        {
            plane.push(value);
        }
    }
    planes
}

/// A Gaussian of this standard deviation, cut off at four of them; beyond the border the picture is mirrored, with its
/// outermost pixels twice.
fn blur(plane: &mut [f64], height: usize, width: usize, sigma: f64) {
    let reach = (4.0 * sigma + 0.5) as usize;
    let weights: Vec<f64> =
        (0..=reach).map(|i| (-0.5 / (sigma * sigma) * (i * i) as f64).exp()).collect();
    let sum = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    let weights: Vec<f64> = weights.iter().map(|weight| weight / sum).collect();
    let mirrored = |at: isize, size: usize| {
        let at = at.rem_euclid(2 * size as isize) as usize;
        if at < size { at } else { 2 * size - 1 - at }
    };
    let mut blurred = vec![0f64; plane.len()];
    for y in 0..height {
        let out = &mut blurred[y * width..(y + 1) * width];
        let row = |y: usize| &plane[y * width..(y + 1) * width];
        out.iter_mut().zip(row(y)).for_each(|(out, value)| *out = value * weights[0]);
        for i in (1..=reach).rev() {
            let above = row(mirrored(y as isize - i as isize, height));
            let below = row(mirrored((y + i) as isize, height));
            for (out, (above, below)) in out.iter_mut().zip(above.iter().zip(below)) {
                *out += (above + below) * weights[i];
            }
        }
    }
    for (out, row) in plane.chunks_exact_mut(width).zip(blurred.chunks_exact(width)) {
        for (x, out) in out.iter_mut().enumerate() {
            let at = |x: isize| row[mirrored(x, width)];
            let sides = (1..=reach).rev();
            let pair = |i: usize| (at(x as isize - i as isize) + at((x + i) as isize)) * weights[i];
            *out = sides.fold(row[x] * weights[0], |sum, i| sum + pair(i));
        }
    }
}

/// Connected pieces in the place of clusters: pieces smaller than `least` go to a neighbour, and a piece ends at `most`
/// pixels.
fn connected(
    clusters: &[u64],
    (height, width): (usize, usize),
    least: usize,
    most: usize,
) -> Vec<u32> {
    const NONE: u32 = u32::MAX;
    let mut labels = vec![NONE; clusters.len()];
    let mut next = 0;
    let mut piece = Vec::new();
    for start in 0..clusters.len() {
        if labels[start] != NONE {
            continue;
        }
        let mut neighbour = next;
        labels[start] = next;
        piece.clear();
        piece.push(start);
        let mut seen = 0;
        while seen < piece.len() && piece.len() < most {
            let at = piece[seen];
            let (y, x) = (at / width, at % width);
            let around = [
                (x + 1 < width).then_some(at + 1),
                at.checked_sub(1).filter(|_| x > 0),
                (y + 1 < height).then_some(at + width),
                at.checked_sub(width),
            ];
            for other in around.into_iter().flatten() {
                if clusters[other] == clusters[start] && labels[other] == NONE {
                    labels[other] = next;
                    piece.push(other);
                    if piece.len() >= most {
                        break;
                    }
                } else if labels[other] != NONE && labels[other] != next {
                    neighbour = labels[other];
                }
            }
            seen += 1;
        }
        if piece.len() < least {
            piece.iter().for_each(|&pixel| labels[pixel] = neighbour);
        } else {
            next += 1;
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn centres_start_on_a_regular_grid() {
        // scikit-image's own examples of regular_grid.
        assert_eq!(regular_grid([20, 40], 8), [(5, 10), (5, 10)]);
        assert_eq!(regular_grid([20, 40], 32), [(2, 5), (2, 5)]);
        assert_eq!(regular_grid([40, 20], 8), [(5, 10), (5, 10)]);
        // All in a row, and every pixel.
        assert_eq!(regular_grid([2, 100], 5), [(1, 2), (10, 20)]);
        assert_eq!(regular_grid([100, 2], 5), [(10, 20), (1, 2)]);
        assert_eq!(regular_grid([3, 4], 12), [(0, 1); 2]);
    }

    #[test]
    fn small_pieces_go_to_a_neighbour_and_large_ones_are_cut() {
        let clusters = [0, 0, 0, 1, 0, 0, 2, 2, 2];
        assert_eq!(connected(&clusters, (3, 3), 2, 9), [0, 0, 0, 0, 0, 0, 1, 1, 1]);
        assert_eq!(connected(&[0; 6], (1, 6), 1, 4), [0, 0, 0, 0, 1, 1]);
        // A piece without a neighbour that comes before it keeps its label, and what follows joins it.
        assert_eq!(connected(&[0, 1, 1, 1], (1, 4), 2, 9), [0, 0, 0, 0]);
    }

    #[test]
    fn white_has_no_colour_and_full_lightness() {
        let picture = Picture::rgb(2, 1, vec![0, 0, 0, 255, 255, 255]).expect("a picture");
        let [l, a, b] = lab(&picture);
        assert!(l[0].abs() < 1e-12 && (l[1] - 100.0).abs() < 1e-3, "{l:?}");
        assert!(a.iter().chain(&b).all(|v| v.abs() < 0.01), "{a:?} {b:?}");
    }

    #[test]
    fn a_blur_keeps_the_sum_and_is_mirrored_at_the_border() {
        let mut plane = vec![0.0; 35];
        plane[17] = 1.0;
        blur(&mut plane, 5, 7, 3.0);
        assert!((plane.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let mut flat = vec![2.5; 6];
        blur(&mut flat, 2, 3, 2.0);
        assert!(flat.iter().all(|v| (v - 2.5).abs() < 1e-12), "{flat:?}");
    }
}
