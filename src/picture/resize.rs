//! Maps at other sizes: interpolation as torch does it, and averaging for tiles.

/// Where the samples of a resized map lie, with bilinear interpolation between them.
///
/// From 2 to 4 samples, the row `0, 1` becomes
///
/// | | | used by |
/// |---|---|---|
/// | `HalfPixel` | 0, ¼, ¾, 1 | OpenCV, pytorch-grad-cam, `interpolate(align_corners=False)` |
/// | `AlignCorners` | 0, ⅓, ⅔, 1 | scipy's `zoom`, tf-keras-vis, `align_corners=True` |
/// | `Nearest` | 0, 0, 1, 1 | captum; nothing is interpolated |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resize {
    /// A pixel is a square with its value in the middle: the edges of source and result meet.
    #[default]
    HalfPixel,
    /// The centres of the corner pixels meet.
    AlignCorners,
    /// The value of the source pixel `⌊i · source / result⌋`.
    Nearest,
}

/// For every place along one side of the result: the two source places, and the weight of the
/// second.
fn taps(source: usize, result: usize, resize: Resize) -> Vec<(usize, usize, f32)> {
    let last = source - 1;
    let tap = |i: usize| {
        // In single precision and in this order, as torch computes it.
        let position = match resize {
            Resize::HalfPixel => {
                ((i as f32 + 0.5) * (source as f32 / result as f32) - 0.5).max(0.0)
            }
            Resize::AlignCorners if result == 1 => 0.0,
            Resize::AlignCorners => i as f32 * (last as f32 / (result - 1) as f32),
            Resize::Nearest => (i as f32 * (source as f32 / result as f32)).floor(),
        };
        let first = (position as usize).min(last);
        (first, (first + 1).min(last), (position - first as f32).clamp(0.0, 1.0))
    };
    (0..result).map(tap).collect()
}

/// Appends one map, resized. Both sizes are `(height, width)` and not 0.
pub(super) fn append(
    map: &[f32],
    (height, width): (usize, usize),
    (new_height, new_width): (usize, usize),
    resize: Resize,
    out: &mut Vec<f32>,
) {
    let (rows, columns) = (taps(height, new_height, resize), taps(width, new_width, resize));
    let row = |y: usize| &map[y * width..(y + 1) * width];
    for (top, bottom, down) in rows {
        let (above, below) = (row(top), row(bottom));
        if resize == Resize::Nearest {
            out.extend(columns.iter().map(|&(x, _, _)| above[x]));
            continue;
        }
        let up = 1.0 - down;
        out.extend(columns.iter().map(|&(left, right, x)| {
            let rest = 1.0 - x;
            up * (rest * above[left] + x * above[right])
                + down * (rest * below[left] + x * below[right])
        }));
    }
}

/// For every place along one side of a smaller result: the first source place it covers, and how
/// much of it and of those after it.
fn covers(source: usize, result: usize) -> Vec<(usize, Vec<f32>)> {
    let step = source as f64 / result as f64;
    let cover = |i: usize| {
        let (from, to) = (i as f64 * step, ((i + 1) as f64 * step).min(source as f64));
        let first = (from as usize).min(source - 1);
        let last = ((to.ceil() as usize).max(first + 1)).min(source);
        let weight = |at: usize| {
            let part = to.min((at + 1) as f64) - from.max(at as f64);
            (part.max(0.0) / step) as f32
        };
        // A rounding error must not let a neighbour's NaN in.
        let mut weights: Vec<f32> = (first..last).map(weight).collect();
        while weights.len() > 1 && weights.last().is_some_and(|&w| w < 1e-6) {
            weights.pop();
        }
        (first, weights)
    };
    (0..result).map(cover).collect()
}

/// One map made smaller, each value the mean of the area that it covers. A NaN in the area stays
/// one. The result must not be larger than the map in any direction.
pub(super) fn area(
    map: &[f32],
    (height, width): (usize, usize),
    (new_height, new_width): (usize, usize),
) -> Vec<f32> {
    let (rows, columns) = (covers(height, new_height), covers(width, new_width));
    let mut line = vec![0.0f32; width];
    let mut out = Vec::with_capacity(new_height * new_width);
    for (first, weights) in rows {
        line.fill(0.0);
        for (y, &weight) in (first..).zip(&weights) {
            for (sum, value) in line.iter_mut().zip(&map[y * width..(y + 1) * width]) {
                *sum += weight * value;
            }
        }
        out.extend(columns.iter().map(|(first, weights)| {
            line[*first..].iter().zip(weights).map(|(value, weight)| value * weight).sum::<f32>()
        }));
    }
    out
}
