//! Cats and dogs drawn to order, with the truth about every pixel, and a labelled folder of them.
//!
//! A [`Pet`] is drawn, not photographed: a body of limbs that grow into each other, found along the
//! rays of a camera (sphere tracing: Hart, *The Visual Computer* 12, 1996), then hair by hair in the
//! direction in which it lies. The seed chooses pose (its face, sitting, standing, lying), coat,
//! build, what it is on, light and view. Cats have pointed ears, whiskers, a short muzzle and slit
//! pupils; their coats are striped, spotted, patched, pointed or plain. Dogs have hanging or folded
//! ears, a long muzzle and some a tongue; their coats are plain, saddled, patched, or black and tan.
//!
//! Networks trained on photos know most of them: see `scenes/examples/cats_and_dogs.rs`, which counts.
//!
//! [`PetSet`] writes a folder of them for training and testing, beside crops of two photos.
//!
//! ```
//! use convlens::prelude::*;
//! use convlens_scenes::prelude::*;
//! let cat = Pets::default().seed(3).cat().pet()?;
//! let look = zoo::squeezenet1_1()?.look(&cat.photo()?)?;
//! let heat = look.explain(&GradCam::default())?;
//! assert_eq!((heat.height(), heat.width()), (13, 13));
//! let share = cat.region().count() as f64 / f64::from(cat.picture().width().pow(2));
//! assert!(share > 0.05 && share < 0.9); // the truth: which pixels are the cat
//! Ok::<(), convlens::Error>(())
//! ```

mod body;
mod camera;
mod coat;
mod folder;
mod ground;
mod head;
mod paint;
mod photos;
mod shape;

use std::fmt;
use std::sync::Arc;

use convlens::photo::Photo;
use convlens::picture::{Picture, Region};
use convlens::show::{MimeBundle, Show, debug_line};
use convlens::{Error, Result};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub use folder::{PetFolder, PetSet};

use paint::painted;
use shape::Part;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Species {
    Cat,
    Dog,
}

impl Species {
    const BOTH: [Species; 2] = [Species::Cat, Species::Dog];

    fn name(self) -> &'static str {
        match self {
            Species::Cat => "cat",
            Species::Dog => "dog",
        }
    }
}

/// A cat or a dog to be drawn: the same seed draws the same picture.
///
/// ```
/// use convlens_scenes::pets::Pets;
/// let dog = Pets::default().seed(8).dog().pet()?;
/// assert_eq!((dog.class(), dog.picture().width()), ("dog", 256));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Pets {
    seed: u64,
    species: Option<Species>,
    side: usize,
}

impl Default for Pets {
    /// Seed 0, which also chooses whether it is a cat or a dog; 256 × 256 pixels.
    fn default() -> Pets {
        Pets { seed: 0, species: None, side: 256 }
    }
}

impl Pets {
    /// What chooses everything about the picture; 0 by default.
    pub fn seed(&self, seed: u64) -> Pets {
        Pets { seed, ..self.clone() }
    }

    /// A cat.
    pub fn cat(self) -> Pets {
        Pets { species: Some(Species::Cat), ..self }
    }

    /// A dog.
    pub fn dog(self) -> Pets {
        Pets { species: Some(Species::Dog), ..self }
    }

    /// Pixels along each side, 64 to 1024; 256 by default.
    pub fn side(&self, pixels: usize) -> Pets {
        Pets { side: pixels, ..self.clone() }
    }

    /// Draws it.
    ///
    /// # Errors
    /// Sides out of their range.
    pub fn pet(&self) -> Result<Pet> {
        let side = self.side;
        if !(64..=1024).contains(&side) {
            return Err(Error::Argument(format!(
                "a drawn cat or dog has sides of 64 to 1024 pixels, not {side}"
            )));
        }
        let mut random = StdRng::seed_from_u64(self.seed);
        let any = Species::BOTH[random.gen_range(0..2usize)];
        let species = self.species.unwrap_or(any);
        let painted = painted(&mut random, species, side);
        let region = |shows: fn(Part) -> bool| {
            let inside = painted.parts.iter().map(|part| part.is_some_and(shows)).collect();
            Region::new(side, side, inside)
        };
        Ok(Pet {
            title: format!("{} {}", species.name(), self.seed).into(),
            species,
            region: region(|_| true)?,
            eyes: region(|part| part == Part::Eye)?,
            ears: region(|part| part == Part::Ear)?,
            picture: Picture::rgb(side as u32, side as u32, painted.rgb)?,
        })
    }
}

/// A drawn cat or dog, and which pixels show it. Cheap to clone.
#[derive(Clone)]
pub struct Pet {
    title: Arc<str>,
    species: Species,
    picture: Picture,
    region: Region,
    eyes: Region,
    ears: Region,
}

impl Pet {
    /// "cat" or "dog" and the seed.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// `"cat"` or `"dog"`.
    pub fn class(&self) -> &'static str {
        self.species.name()
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

    /// Which pixels show the animal, hair included and whiskers not.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Which pixels show an eye; none where it looks away.
    pub fn eyes(&self) -> &Region {
        &self.eyes
    }

    /// Which pixels show an ear.
    pub fn ears(&self) -> &Region {
        &self.ears
    }
}

impl fmt::Debug for Pet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(
            f,
            format_args!(
                "Pet {}, {} × {}",
                self.title,
                self.picture.width(),
                self.picture.height()
            ),
        )
    }
}

impl Show for Pet {
    fn bundle(&self) -> MimeBundle {
        let inside = self.region.inside();
        let share = inside.iter().filter(|set| **set).count() as f64 / inside.len() as f64;
        let text = format!("{}, drawn, on {:.0} % of the picture", self.title, 100.0 * share);
        MimeBundle::picture(self.picture.clone(), text)
    }
}
