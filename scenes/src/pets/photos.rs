//! Parts of the two photos that come with this crate, seen a little differently each time.

use convlens::Result;
use convlens::photo::Photo;
use convlens::picture::Picture;
use image::{DynamicImage, Rgb, RgbImage};
use rand::Rng;
use rand::rngs::StdRng;

use super::Species;

const CAT: &[u8] = include_bytes!("../../assets/photos/cat.png");
const DOG: &[u8] = include_bytes!("../../assets/photos/dog.jpg");

/// A photo and the windows that may be cut out of it: square, and the animal fills them well.
pub(super) struct Source {
    photo: RgbImage,
    /// The middle of the animal, and the least and the largest side of a window, in pixels.
    middle: [f32; 2],
    sides: [f32; 2],
}

impl Source {
    pub(super) fn new(species: Species) -> Result<Source> {
        let (bytes, middle, sides) = match species {
            Species::Cat => (CAT, [225.0, 150.0], [220.0, 300.0]),
            Species::Dog => (DOG, [190.0, 165.0], [170.0, 290.0]),
        };
        let photo = Photo::from_bytes(bytes)?.picture().to_rgb();
        Ok(Source { photo, middle, sides })
    }

    /// A window of the photo, turned by at most 8°, under another light: for training as it is,
    /// for testing mirrored, so that no window of a test is one of the training.
    pub(super) fn view(&self, random: &mut StdRng, mirrored: bool, side: usize) -> Result<Picture> {
        let (width, height) = (self.photo.width() as f32, self.photo.height() as f32);
        let window = random.gen_range(self.sides[0]..self.sides[1]).min(width).min(height);
        let (sin, cos) = random.gen_range(-8f32..8.0).to_radians().sin_cos();
        let free = |size: f32, middle: f32, shift: f32| {
            (middle + shift * window).clamp(0.5 * window, (size - 0.5 * window).max(0.5 * window))
        };
        let mut shift = || random.gen_range(-0.17f32..0.17);
        let centre = [free(width, self.middle[0], shift()), free(height, self.middle[1], shift())];
        let light = random.gen_range(0.7f32..1.35);
        let warmth = random.gen_range(-0.1f32..0.1);
        let contrast = random.gen_range(0.8f32..1.2);
        let tint = [1.0 + warmth, 1.0, 1.0 - warmth].map(|v| v * light);
        let at = |x: u32, y: u32| {
            let part = |v: u32| (v as f32 + 0.5) / side as f32 - 0.5;
            let (u, v) = (if mirrored { -part(x) } else { part(x) } * window, part(y) * window);
            let place = [centre[0] + cos * u - sin * v, centre[1] + sin * u + cos * v];
            self.at(place).map(|v| v / 255.0)
        };
        let picture = RgbImage::from_fn(side as u32, side as u32, |x, y| {
            let own = at(x, y);
            Rgb(std::array::from_fn(|c| {
                let level = 0.5 + contrast * (own[c] * tint[c] - 0.5);
                (255.0 * level).round().clamp(0.0, 255.0) as u8
            }))
        });
        Ok(Picture::from(DynamicImage::ImageRgb8(picture)))
    }

    /// The photo between its pixels (bilinear); its edge goes on beyond it.
    fn at(&self, [x, y]: [f32; 2]) -> [f32; 3] {
        let (x, y) = (x - 0.5, y - 0.5);
        let pixel = |i: f32, j: f32| {
            let inside = |v: f32, size: u32| v.clamp(0.0, (size - 1) as f32) as u32;
            let place = (inside(i, self.photo.width()), inside(j, self.photo.height()));
            self.photo.get_pixel(place.0, place.1).0.map(f32::from)
        };
        let (i, j) = (x.floor(), y.floor());
        let (right, down) = (x - i, y - j);
        let corners = [pixel(i, j), pixel(i + 1., j), pixel(i, j + 1.), pixel(i + 1., j + 1.)];
        std::array::from_fn(|c| {
            let row = |a: usize| corners[a][c] + right * (corners[a + 1][c] - corners[a][c]);
            row(0) + down * (row(2) - row(0))
        })
    }
}
