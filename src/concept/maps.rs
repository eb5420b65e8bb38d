//! Where on a photo each concept is, in colours.

use std::fmt;
use std::path::Path;
use std::rc::Rc;

use crate::error::Result;
use crate::number::counted;
use crate::photo::View;
use crate::picture::{Maps, Picture, Resize, Sheet, luma};
use crate::show::{MimeBundle, Show, debug_line, error_bundle};

/// Of concepts, in their order; light and dark in turn. They repeat after these.
const COLOURS: [[u8; 3]; 12] = [
    [230, 75, 45],
    [30, 110, 230],
    [245, 205, 40],
    [0, 150, 90],
    [175, 85, 215],
    [60, 205, 225],
    [140, 30, 60],
    [165, 220, 70],
    [245, 130, 195],
    [40, 55, 130],
    [250, 160, 70],
    [120, 85, 50],
];
/// How much of the colour lies over the photo where a concept is strongest.
const COVER: f32 = 0.85;

/// The colour of a concept, by its place.
pub(super) fn colour(place: usize) -> [u8; 3] {
    COLOURS[place % COLOURS.len()]
}

/// Where on a photo each concept is: a map for each. A notebook shows the photo in grey under the colours of the concepts,
/// with what each stands for below: at each place the colour of the strongest, the more of it the stronger it is.
#[derive(Clone)]
pub struct ConceptMaps {
    pub(super) view: Rc<View>,
    pub(super) maps: Maps,
    /// Which value of each concept gets its full colour.
    pub(super) greatest: Vec<f32>,
    /// What the legend says of each.
    pub(super) names: Vec<String>,
    pub(super) title: String,
}

impl ConceptMaps {
    /// How much of each concept is at each place, `[concepts, h, w]` at the layer's own resolution; never negative.
    pub fn maps(&self) -> &Maps {
        &self.maps
    }

    /// What the legend says of each concept.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The photo in grey under the colours, with the legend below.
    ///
    /// # Errors
    /// What cannot be resized.
    pub fn picture(&self) -> Result<Picture> {
        let photo = self.view.shown();
        let pair = Picture::beside([&photo, &self.overlay()?], 8);
        let legend = self.legend(pair.width());
        Ok(Picture::above([&pair, &legend], 6))
    }

    /// The photo under each concept alone, with its name.
    ///
    /// # Errors
    /// What cannot be resized.
    pub fn sheet(&self) -> Result<Sheet> {
        let (photo, shares) = (self.grey(), self.shares()?);
        let cells = self.names.iter().enumerate().map(|(i, name)| {
            let share = shares.map(i).unwrap_or_default().iter();
            Ok((painted(&photo, share.map(|&share| (share, colour(i))))?, name.clone()))
        });
        let cells = cells.collect::<Result<Vec<_>>>()?;
        Ok(Sheet::pictures(cells).title(self.title.clone()).all())
    }

    /// Writes the picture to a file; its ending says in which format.
    ///
    /// # Errors
    /// An ending that no format has; a file that cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.picture()?.save(path)
    }

    /// The photo in grey under the colours.
    pub(super) fn overlay(&self) -> Result<Picture> {
        let shares = self.shares()?;
        let pixels = shares.height() * shares.width();
        let strongest = (0..pixels).map(|pixel| {
            let each = (0..shares.count()).map(|i| (shares.values()[i * pixels + pixel], i));
            let (share, i) =
                each.fold((0.0, 0), |best, one| if one.0 > best.0 { one } else { best });
            (share, colour(i))
        });
        painted(&self.grey(), strongest)
    }

    /// The concepts' colours with their names.
    pub(super) fn legend(&self, width: u32) -> Picture {
        let entries = self.names.iter().enumerate();
        let entries: Vec<_> = entries.map(|(i, name)| (colour(i), name.as_str())).collect();
        Picture::legend(&entries, width)
    }

    /// From 0 to 1, at the photo's size.
    fn shares(&self) -> Result<Maps> {
        let (h, w) = (self.maps.height(), self.maps.width());
        let maps = self.maps.values().chunks(h * w).zip(&self.greatest);
        let share = maps.flat_map(|(map, greatest)| {
            map.iter().map(move |value| if *greatest > 0.0 { value / greatest } else { 0.0 })
        });
        let shares = Maps::new(self.maps.count(), h, w, share.collect())?;
        let photo = self.view.shown();
        shares.resized(photo.height() as usize, photo.width() as usize, Resize::HalfPixel)
    }

    /// Light, so that colours on it can be told apart.
    fn grey(&self) -> Picture {
        let rgb = self.view.shown().to_rgb();
        let (width, height) = rgb.dimensions();
        let grey =
            rgb.pixels().flat_map(|pixel| [(70.0 + 0.7 * luma(pixel.0)).min(255.0) as u8; 3]);
        Picture::rgb(width, height, grey.collect()).unwrap_or_else(|_| self.view.shown())
    }
}

/// A photo under so much of a colour at each pixel.
fn painted(photo: &Picture, colours: impl Iterator<Item = (f32, [u8; 3])>) -> Result<Picture> {
    let rgb = photo.to_rgb();
    let (width, height) = rgb.dimensions();
    let mixed = rgb.pixels().zip(colours).flat_map(|(pixel, (share, colour))| {
        let cover = COVER * share.clamp(0.0, 1.0);
        [0, 1, 2].map(|c| {
            ((1.0 - cover) * f32::from(pixel.0[c]) + cover * f32::from(colour[c])).round() as u8
        })
    });
    Picture::rgb(width, height, mixed.collect())
}

impl fmt::Debug for ConceptMaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(
            f,
            format_args!(
                "ConceptMaps of {} on {}",
                counted(self.maps.count(), "concept"),
                self.view.photo().title()
            ),
        )
    }
}

impl Show for ConceptMaps {
    fn bundle(&self) -> MimeBundle {
        let text = format!("{}\n{}", self.title, self.names.join("\n"));
        match self.picture() {
            Ok(picture) => MimeBundle::picture(picture.titled(&self.title), text),
            Err(error) => error_bundle(&error),
        }
    }
}
