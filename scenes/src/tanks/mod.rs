//! Woods with and without a tank, with the truth about every pixel: the legend of the network that
//! was to find tanks and had learnt the weather, to be measured.
//!
//! The story: an army photographed tanks among trees on a sunny day, and woods without tanks on
//! another, under cloud. The network that was trained on these photos was right about all of them,
//! and about new ones no better than a coin. Whether or not it ever happened, [`TankSet::army`] makes
//! such pictures, [`TankSet::default`] those in which the weather says nothing about the tank.
//!
//! A [`Wood`] is painted, not photographed, from far to near: sky, a far edge of the wood, the
//! ground blade by blade, trees leaf by leaf, and the tank, which is found along the rays of the
//! camera. Sun and sky give the light; what stands in it throws its shadow.
//!
//! ```
//! use convlens::prelude::*;
//! use convlens_scenes::prelude::*;
//! let wood = Woods::default().seed(3).tank().sunny().wood()?;
//! let look = zoo::squeezenet1_1()?.look(&wood.photo()?)?;
//! let heat = look.explain(&GradCam::default().class("tank"))?;
//! assert_eq!((heat.height(), heat.width()), (13, 13));
//! let share = wood.region("tank")?.count() as f64 / (224.0 * 224.0);
//! assert!(share > 0.02 && share < 0.5); // the truth: which pixels are the tank
//! Ok::<(), convlens::Error>(())
//! ```

mod canvas;
mod ground;
mod lens;
mod light;
mod paint;
mod pictures;
mod sky;
mod tank;
mod tree;

use std::fmt;
use std::sync::Arc;

use convlens::mask::{Classes, Mask};
use convlens::photo::Photo;
use convlens::picture::{Picture, Region};
use convlens::show::{MimeBundle, Show, debug_line};
use convlens::{Error, Result};
use rand::SeedableRng;
use rand::rngs::StdRng;

pub use pictures::{TankEvidence, TankPictures, TankScore, TankSet};

/// The weather over a [`Wood`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Blue sky, some clouds, shadows.
    Sunny,
    /// Cloud all over, no shadows, duller colours.
    Overcast,
}

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Weather::Sunny => "sunny",
            Weather::Overcast => "overcast",
        })
    }
}

/// A wood to be painted: the same seed paints the same picture.
///
/// ```
/// use convlens_scenes::prelude::*;
/// let wood = Woods::default().seed(8).tank().overcast().wood()?;
/// assert!(wood.has_tank());
/// assert_eq!((wood.weather(), wood.picture().width()), (Weather::Overcast, 224));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Woods {
    seed: u64,
    tank: bool,
    weather: Weather,
    side: usize,
}

impl Default for Woods {
    /// Seed 0, no tank, sunny, 224 × 224 pixels.
    fn default() -> Woods {
        Woods { seed: 0, tank: false, weather: Weather::Sunny, side: 224 }
    }
}

impl Woods {
    /// What chooses the place, its trees, the light and the view; 0 by default.
    pub fn seed(&self, seed: u64) -> Woods {
        Woods { seed, ..self.clone() }
    }

    /// With a camouflaged tank among the trees, at least half of it in sight.
    pub fn tank(&self) -> Woods {
        Woods { tank: true, ..self.clone() }
    }

    /// On a sunny day.
    pub fn sunny(&self) -> Woods {
        self.weather(Weather::Sunny)
    }

    /// Under cloud.
    pub fn overcast(&self) -> Woods {
        self.weather(Weather::Overcast)
    }

    /// In this weather. Under another one a seed is another place; with and without a tank it is the same.
    pub fn weather(&self, weather: Weather) -> Woods {
        Woods { weather, ..self.clone() }
    }

    /// Pixels along each side, 64 to 1024; 224 by default.
    pub fn side(&self, pixels: usize) -> Woods {
        Woods { side: pixels, ..self.clone() }
    }

    /// Paints it.
    ///
    /// # Errors
    /// Sides out of their range.
    pub fn wood(&self) -> Result<Wood> {
        let side = self.side;
        if !(64..=1024).contains(&side) {
            return Err(Error::Argument(format!(
                "a painted wood has sides of 64 to 1024 pixels, not {side}"
            )));
        }
        let mut random = StdRng::seed_from_u64(self.seed);
        let painted = paint::painted(&mut random, self.weather, self.tank, side);
        let classes = Classes::coloured(canvas::NAMES.into_iter().zip(canvas::COLOURS))?;
        let what = if self.tank { "tank" } else { "no tank" };
        Ok(Wood {
            title: format!("{what}, {}, {}", self.weather, self.seed).into(),
            tank: self.tank,
            weather: self.weather,
            mask: Mask::new(side, side, painted.labels, &classes)?,
            picture: Picture::rgb(side as u32, side as u32, painted.rgb)?,
        })
    }
}

/// A painted wood, and what each of its pixels shows. Cheap to clone.
#[derive(Clone)]
pub struct Wood {
    title: Arc<str>,
    tank: bool,
    weather: Weather,
    picture: Picture,
    mask: Mask,
}

impl Wood {
    /// Whether there is a tank, the weather, and the seed.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Whether there is a tank in it.
    pub fn has_tank(&self) -> bool {
        self.tank
    }

    /// The weather.
    pub fn weather(&self) -> Weather {
        self.weather
    }

    /// The picture.
    pub fn picture(&self) -> &Picture {
        &self.picture
    }

    /// The same as a [`Photo`], for a network to look at.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn photo(&self) -> Result<Photo> {
        Ok(Photo::from_picture(&self.picture).titled(&self.title))
    }

    /// What each pixel shows: "tank", "sky", "trees" (bushes among them) or "ground".
    pub fn mask(&self) -> &Mask {
        &self.mask
    }

    /// The pixels that show one of these: to judge where a network looks.
    ///
    /// # Errors
    /// A name that is none of them.
    pub fn region(&self, name: &str) -> Result<Region> {
        let names = self.mask.classes().names();
        match names.iter().position(|own| own == name) {
            Some(class) => self.mask.region(class),
            None => Err(Error::Argument(format!(
                "a wood shows {}; there is no {name:?}",
                names.join(", ")
            ))),
        }
    }
}

impl fmt::Debug for Wood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = self.picture.width();
        debug_line(f, format_args!("Wood with {}, {side} × {side}", self.title))
    }
}

impl Show for Wood {
    fn bundle(&self) -> MimeBundle {
        let text = format!("A wood, painted: {}", self.title);
        MimeBundle::picture(self.picture.clone(), text)
    }
}
