//! Where things stand on a contact sheet.

/// A notebook's column, of about a thousand pixels in JupyterLab and on GitHub, less the card on which
/// a picture lies there; wider pictures are shrunk by browsers.
pub(super) const COLUMN: usize = 990;
/// White around everything on a sheet.
pub(super) const MARGIN: usize = 5;
/// What is still high on a screen.
const HIGHEST: usize = 1000;
/// Something smaller is shown with each of its values as a block, about this large.
const LEAST_SIDE: usize = 240;
/// Space between things of which several fit into a column.
const BETWEEN: usize = 8;
/// Tiles are not shrunk below this to fit a budget.
const SMALLEST: usize = 64;
/// A map of fewer rows or columns could hardly be seen.
const THINNEST: usize = 8;

/// The size, height and width in pixels, at which a notebook shows something of `height` by `width`
/// values: a whole multiple of what is small, a fraction of what is large, so that `count` of them
/// fit beside each other. What is more than twice as wide as high has the column to itself.
///
/// ```
/// use convlens::picture::shown_size;
/// assert_eq!(shown_size(100, 80, 2), (200, 160));
/// let (height, width) = shown_size(448, 448, 3);
/// assert!(height == width && 3 * width < 990); // a notebook's column
/// ```
pub fn shown_size(height: usize, width: usize, count: usize) -> (usize, usize) {
    let (height, width) = (height.max(1), width.max(1));
    let beside = if width <= height.saturating_mul(2) { count.clamp(1, 16) } else { 1 };
    let room = (COLUMN + BETWEEN) / beside - BETWEEN;
    if width > room || height > HIGHEST {
        let shrink = |n: usize| {
            let scaled = |to: usize, from: usize| n as u128 * to as u128 / from as u128;
            (scaled(room, width).min(scaled(HIGHEST, height)) as usize).max(1)
        };
        return (shrink(height), shrink(width));
    }
    let side = height.max(width);
    let factor = ((LEAST_SIDE + side / 2) / side).max(1);
    (height * factor, width * factor)
}

/// A size in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Size {
    fn longer(self) -> usize {
        self.width.max(self.height)
    }

    fn area(self, gutter: usize, caption: usize) -> u64 {
        (self.width as u64 + gutter as u64)
            .saturating_mul(self.height as u64 + gutter as u64 + caption as u64)
    }

    /// The same proportions with another longer side.
    pub(super) fn fitted(self, side: usize) -> Size {
        let longer = self.longer().max(1) as u64;
        let scale = |n: usize| ((n as u64 * side as u64 + longer / 2) / longer).max(1) as usize;
        Size { width: scale(self.width), height: scale(self.height) }
    }

    fn times(self, factor: usize) -> Size {
        Size { width: self.width * factor, height: self.height * factor }
    }

    fn thick(self) -> Size {
        Size { width: self.width.max(THINNEST), height: self.height.max(THINNEST) }
    }
}

/// How large small maps are drawn at least, about: the fewer, the larger.
fn enlarged_side(count: usize) -> usize {
    match count {
        0 | 1 => 256,
        2..=4 => 160,
        5..=16 => 96,
        _ => 64,
    }
}

/// The size of `count` tiles for things of `native` size: `side` pixels long where that is given;
/// else small things enlarged by a whole factor, large ones made smaller to fit the budget.
pub(super) fn tile_size(
    native: Size,
    count: usize,
    side: Option<usize>,
    budget: u64,
    gutter: usize,
    caption: usize,
) -> Size {
    if let Some(side) = side {
        return native.fitted(side);
    }
    let longer = native.longer().max(1);
    let fits = |size: Size| size.area(gutter, caption).saturating_mul(count as u64) <= budget;
    let factor = ((enlarged_side(count) + longer / 2) / longer).max(1);
    let enlarged = (1..=factor).rev().map(|factor| native.times(factor).thick()).find(|&s| fits(s));
    if let Some(size) = enlarged {
        return size;
    }
    // The largest side that fits, by halving.
    let (mut low, mut high) = (SMALLEST.min(longer), longer);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if fits(native.fitted(middle).thick()) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    native.fitted(low).thick()
}

/// Tiles of such a size that so many columns fit into a notebook's column: a browser would shrink the
/// sheet anyway, and its letters with it. What was enlarged stays so by a whole factor.
pub(super) fn within_column(native: Size, tile: Size, columns: usize, gutter: usize) -> Size {
    /// Smaller ones could hardly be seen.
    const LEAST: usize = 48;
    let room = (COLUMN - 2 * MARGIN + gutter) / columns.max(1);
    let room = room.saturating_sub(gutter);
    let factor = room / native.width.max(1);
    if tile.width <= room || tile.longer() <= LEAST {
        tile
    } else if factor >= 1 && tile.width > native.width {
        native.times(factor).thick()
    } else {
        tile.fitted((room * tile.longer() / tile.width).max(LEAST))
    }
}

/// How many tiles the budget pays for.
pub(super) fn affordable(tile: Size, budget: u64, gutter: usize, caption: usize) -> u64 {
    budget / tile.area(gutter, caption).max(1)
}

/// Columns for `count` cells: eight or a square, fewer where they would be wider than a notebook,
/// and full rows where possible.
pub(super) fn columns(count: usize, cell_width: usize) -> usize {
    let square = (count as f64).sqrt().ceil() as usize;
    let most = square.max(8).min(count).max(1);
    let least = square.min(8).max(square / 2).clamp(1, most);
    // Tiles can be made a little smaller to fit.
    let fit = (COLUMN * 11 / 10 / cell_width.max(1)).clamp(least, most);
    if let Some(even) = (fit * 2 / 3..=fit).rev().find(|&c| c > 0 && count.is_multiple_of(c)) {
        return even.max(1);
    }
    count.div_ceil(count.div_ceil(fit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_numbers_of_maps_make_full_rows() {
        for (count, width, expected) in [
            (1, 260, 1),
            (3, 160, 3),
            (10, 68, 5),
            (16, 100, 8),
            (16, 228, 4),
            (64, 68, 8),
            (64, 228, 8),
            (256, 68, 16),
            (512, 68, 16),
        ] {
            assert_eq!(columns(count, width), expected, "{count} cells of {width}");
        }
    }

    #[test]
    fn small_maps_grow_by_whole_factors_and_large_ones_shrink_to_the_budget() {
        let size = |side, count| {
            let native = Size { width: side, height: side };
            tile_size(native, count, None, 6_000_000, 4, 20).width
        };
        assert_eq!(size(13, 64), 65);
        assert_eq!(size(7, 64), 63);
        assert_eq!(size(55, 64), 55);
        assert_eq!(size(224, 64), 224);
        assert_eq!(size(13, 1), 260);
        assert!((250..300).contains(&size(1024, 64)));
        assert_eq!(size(1024, 1), 1024);
    }
}
