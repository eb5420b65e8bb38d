//! Maps in 8 bits, each on its own scale, for pages that draw them themselves.

use super::colormap::{NAN, NEGATIVE_INFINITY, POSITIVE_INFINITY};
use super::maps::Maps;
use super::normalize::{Extent, mark, quantize};
use super::picture::Picture;
use super::resize;
use crate::error::Result;

/// The level of a map's greatest value; its least has 0. Above it stand NaN, +∞ and −∞.
pub(crate) const GREATEST: u8 = 252;

/// The colours of what is not finite, in the order of their levels.
pub(crate) const ODD: [[u8; 3]; 3] = [NAN, POSITIVE_INFINITY, NEGATIVE_INFINITY];

impl Maps {
    /// All maps in one picture, from left to right and then down, in so many columns. A pixel is as grey as
    /// its level: `low + level / 252 · (high − low)` is its value, to a 504th of the range that is given for each map, which
    /// holds all its values.
    pub(crate) fn levels(&self, columns: usize, ranges: &[[f32; 2]]) -> Picture {
        let (height, width) = (self.height(), self.width());
        let across = columns.max(1) * width;
        let mut sheet = vec![0; self.count().div_ceil(columns.max(1)) * height * across];
        let mut levels = vec![0; height * width];
        for (index, &range) in ranges.iter().enumerate() {
            let Some(values) = self.map(index) else { continue };
            quantize(values, range.into(), GREATEST, &mut levels);
            if !Extent::of(values).finite {
                mark(values, [GREATEST + 1, GREATEST + 2, GREATEST + 3], &mut levels);
            }
            let corner = index / columns.max(1) * height * across + index % columns.max(1) * width;
            for (y, row) in levels.chunks_exact(width.max(1)).enumerate() {
                let start = corner + y * across;
                sheet[start..start + width].copy_from_slice(row);
            }
        }
        let greys = (0..=255).map(|grey| [grey; 3]).collect();
        let height = sheet.len() / across.max(1);
        Picture::from_indexed(across as u32, height as u32, sheet, greys)
    }

    /// Every map's least and greatest finite value; both 0 where it has none.
    pub(crate) fn extents(&self) -> Vec<[f32; 2]> {
        let size = (self.height() * self.width()).max(1);
        let range = |map: &[f32]| Extent::of(map).range.map_or([0.0; 2], |(low, high)| [low, high]);
        self.values().chunks_exact(size).map(range).collect()
    }

    /// Maps made smaller, each value the mean of a square of so many rows and columns.
    pub(crate) fn averaged(&self, factor: usize) -> Result<Maps> {
        let (height, width) = (self.height(), self.width());
        let [new_height, new_width] = [height, width].map(|side| side.div_ceil(factor.max(1)));
        let maps = self.values().chunks_exact((height * width).max(1));
        let values =
            maps.flat_map(|map| resize::area(map, (height, width), (new_height, new_width)));
        Maps::new(self.count(), new_height, new_width, values.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_give_values_back_to_a_504th_of_the_range() {
        let values: Vec<f32> = (0..3 * 5 * 4).map(|i| (i as f32).sin() * 7.0 - 2.0).collect();
        let maps = Maps::new(3, 5, 4, values).unwrap();
        // Each on a scale of its own, or on a larger one, as averages are.
        for ranges in [maps.extents(), vec![[-10.0, 6.0]; 3]] {
            let sheet = maps.levels(2, &ranges);
            assert_eq!((sheet.width(), sheet.height()), (8, 10));
            for (index, [low, high]) in ranges.into_iter().enumerate() {
                for (i, &value) in maps.map(index).unwrap().iter().enumerate() {
                    let [y, x] = [index / 2 * 5 + i / 4, index % 2 * 4 + i % 4];
                    let level = sheet.data()[y * 8 + x];
                    let back = low + f32::from(level) / f32::from(GREATEST) * (high - low);
                    assert!((back - value).abs() <= (high - low) / 503.0, "{back} for {value}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_finite_has_levels_of_its_own() {
        let values = vec![f32::NAN, 1.0, f32::INFINITY, f32::NEG_INFINITY, 3.0, 2.0];
        let maps = Maps::new(1, 2, 3, values).unwrap();
        assert_eq!(maps.extents(), [[1.0, 3.0]]);
        assert_eq!(maps.levels(1, &maps.extents()).data(), [253, 0, 254, 255, 252, 126]);
    }

    #[test]
    fn averages_are_of_whole_squares() {
        let maps = Maps::new(1, 2, 4, vec![0.0, 2.0, 4.0, 4.0, 2.0, 4.0, 0.0, 8.0]).unwrap();
        assert_eq!(maps.averaged(2).unwrap().values(), [2.0, 4.0]);
    }
}
