//! Composites: which maps of a stack are red, green and blue, as remote sensing shows a satellite's bands.

use std::iter;

use super::colormap::{NAN, NEGATIVE_INFINITY, POSITIVE_INFINITY};
use super::normalize::{Extent, Normalize, Odd, quantize};
use super::{Maps, Picture};
use crate::error::{Error, Result};

/// Of each band, what lies between these percentiles goes from black to white.
const STRETCH: Normalize = Normalize::Percentile(2.0, 98.0);

/// The bands that are shown of many. Unless chosen: of one band that, of three all, and of any other number
/// their mean in grey.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Composite(Option<Vec<usize>>);

impl Composite {
    /// Three bands as red, green and blue, or one in grey.
    pub(crate) fn new(bands: &[usize]) -> Composite {
        Composite(Some(bands.to_vec()))
    }

    /// This one, or where nothing was chosen, the other.
    pub(crate) fn or<'a>(&'a self, other: &'a Composite) -> &'a Composite {
        if self.is_chosen() { self } else { other }
    }

    pub(crate) fn is_chosen(&self) -> bool {
        self.0.is_some()
    }

    /// Which of so many bands are shown, three or one; none stands for the mean of all.
    ///
    /// # Errors
    /// Bands that are not there, and another number of them.
    pub(crate) fn bands(&self, count: usize) -> Result<Vec<usize>> {
        if count == 0 {
            return Err(Error::Shape("there is no band to be shown".into()));
        }
        let Some(bands) = &self.0 else {
            return Ok(if [1, 3].contains(&count) { (0..count).collect() } else { Vec::new() });
        };
        if ![1, 3].contains(&bands.len()) {
            return Err(Error::Argument(format!(
                "view_as takes three bands, as red, green and blue, or one, in grey; got {bands:?}"
            )));
        }
        match bands.iter().find(|&&band| band >= count) {
            Some(band) => Err(Error::Argument(format!(
                "view_as({bands:?}): there is no band {band}; the bands are counted from 0 to {}",
                count - 1
            ))),
            None => Ok(bands.clone()),
        }
    }

    /// What captions say of it.
    pub(crate) fn note(&self, count: usize) -> Result<String> {
        Ok(match self.bands(count)?[..] {
            [r, g, b] => format!("bands {r}, {g}, {b} as red, green, blue"),
            [band] => format!("band {band} in grey"),
            _ => format!("the mean of {count} bands in grey"),
        })
    }

    /// The bands as a picture, each stretched between its 2nd and its 98th percentile. A pixel that is not
    /// finite in one of them has the colour for that.
    pub(crate) fn picture(&self, maps: &Maps) -> Result<Picture> {
        let bands = self.bands(maps.count())?;
        let shown = if bands.is_empty() { (0..maps.count()).collect() } else { bands.clone() };
        let size = maps.height() * maps.width();
        let mut sums = vec![[0u32; 3]; size];
        let mut odd: Vec<(usize, Odd)> = Vec::new();
        let mut levels = vec![0u8; size];
        for (place, &band) in shown.iter().enumerate() {
            let values = maps.map(band).unwrap_or_default();
            let extents = [Extent::of(values)];
            let range = STRETCH.range(&extents, iter::once(values))?.unwrap_or_default();
            quantize(values, range, u8::MAX, &mut levels);
            for (sum, &level) in sums.iter_mut().zip(&levels) {
                match bands.len() {
                    3 => sum[place] = u32::from(level),
                    _ => sum.iter_mut().for_each(|sum| *sum += u32::from(level)),
                }
            }
            if !extents[0].finite {
                let found = values.iter().enumerate();
                odd.extend(found.filter_map(|(i, &value)| Odd::of(value).map(|odd| (i, odd))));
            }
        }
        let parts = if bands.len() == 3 { 1 } else { shown.len().max(1) as u32 };
        let mut pixels: Vec<[u8; 3]> =
            sums.iter().map(|sum| sum.map(|sum| ((sum + parts / 2) / parts) as u8)).collect();
        for (i, odd) in odd {
            pixels[i] = [NAN, POSITIVE_INFINITY, NEGATIVE_INFINITY][odd as usize];
        }
        Picture::rgb(maps.width() as u32, maps.height() as u32, pixels.concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_band_goes_from_its_2nd_to_its_98th_percentile() {
        // 0 to 100, so that the percentiles are the values themselves; the second band is 10 times that.
        let ramp = (0..=100).map(|i| i as f32);
        let values = ramp.clone().chain(ramp.map(|value| 10.0 * (100.0 - value))).collect();
        let maps = Maps::new(2, 1, 101, values).expect("maps");
        let picture = Composite::new(&[0, 1, 0]).picture(&maps).expect("a picture");
        let pixel = |i: usize| &picture.data()[3 * i..3 * i + 3];
        assert_eq!([pixel(0), pixel(2), pixel(98)], [[0, 255, 0], [0, 255, 0], [255, 0, 255]]);
        // (26 - 2) / 96 of 255 is 63.75.
        assert_eq!(pixel(26), [64, 191, 64]);
        let mean = Composite::default().picture(&maps).expect("a picture");
        // The two cancel, each rounded.
        assert!(mean.data().iter().all(|level| (127..=128).contains(level)));
    }

    #[test]
    fn what_is_not_finite_has_its_colour_and_no_part_in_the_range() {
        let maps = Maps::new(1, 1, 3, vec![0.0, f32::NAN, 1.0]).expect("maps");
        let picture = Composite::default().picture(&maps).expect("a picture");
        assert_eq!(picture.data(), [[0; 3], NAN, [255; 3]].as_flattened());
        let none = Maps::new(1, 1, 1, vec![f32::NEG_INFINITY]).expect("maps");
        let picture = Composite::default().picture(&none).expect("a picture");
        assert_eq!(picture.data(), NEGATIVE_INFINITY);
    }
}
