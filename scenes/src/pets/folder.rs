//! A labelled folder of cats and dogs: drawn ones, and parts of two photos.

use std::fmt;
use std::path::{Path, PathBuf};

use convlens::photo::Photo;
use convlens::picture::{Cell, PictureTable};
use convlens::show::{MimeBundle, Show, debug_line};
use convlens::{Error, Result};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::photos::Source;
use super::{Pets, Species};
use crate::workers::on_all_processors;

/// Stands in the folder and says what it is.
const NOTE: &str = "about.txt";
/// One picture of so many is part of a photo.
const PHOTOS: usize = 4;
/// More pictures of a class are not written.
const MOST: usize = 100_000;

/// A folder of cats and dogs to be written: `train/cat`, `train/dog`, `test/cat`, `test/dog`.
///
/// Three pictures of four are [drawn](Pets), each from a seed of its own. Every fourth is a part of
/// one of the two photos that come with this crate, turned by at most 8°, under another light; in
/// `test` mirrored. There is but one photo of a cat and one of a dog, so what a network gets right
/// on these test pictures says little about other cats and dogs.
///
/// ```
/// use convlens_scenes::pets::PetSet;
/// let place = std::env::temp_dir().join(format!("convlens-pets-{}", std::process::id()));
/// let pets = PetSet::default().train(4).test(2).write(&place)?;
/// assert_eq!(std::fs::read_dir(pets.train().join("cat")).map(|files| files.count()).ok(), Some(4));
/// let _ = std::fs::remove_dir_all(&place);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct PetSet {
    seed: u64,
    train: usize,
    test: usize,
}

impl Default for PetSet {
    /// Seed 0; 120 pictures a class for training and 40 for testing.
    fn default() -> PetSet {
        PetSet { seed: 0, train: 120, test: 40 }
    }
}

/// One picture of a set.
struct Item {
    file: PathBuf,
    species: Species,
    seed: u64,
    photo: bool,
    test: bool,
}

impl PetSet {
    /// What chooses all pictures; 0 by default.
    pub fn seed(&self, seed: u64) -> PetSet {
        PetSet { seed, ..self.clone() }
    }

    /// How many pictures of each class for training, 1 to 100,000; 120 by default.
    pub fn train(&self, count: usize) -> PetSet {
        PetSet { train: count, ..self.clone() }
    }

    /// How many of each class for testing, 1 to 100,000; 40 by default.
    pub fn test(&self, count: usize) -> PetSet {
        PetSet { test: count, ..self.clone() }
    }

    /// Writes the folder, or what is missing in it if it holds the same set: JPEG files of 256 ×
    /// 256 pixels, and `about.txt`, which says what they are.
    ///
    /// # Errors
    /// A folder that holds anything else, which is left as it is; places that cannot be written;
    /// counts out of their range.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<PetFolder> {
        let path = path.as_ref();
        for count in [self.train, self.test] {
            if !(1..=MOST).contains(&count) {
                return Err(Error::Argument(format!(
                    "a set holds 1 to {MOST} pictures of each class, not {count}"
                )));
            }
        }
        self.take(path)?;
        let missing: Vec<Item> =
            self.items(path).into_iter().filter(|item| !item.file.is_file()).collect();
        write_all(&missing)?;
        Ok(PetFolder { path: path.to_path_buf(), set: self.clone(), written: missing.len() })
    }

    /// What the folder's note says.
    fn note(&self) -> String {
        format!(
            "{}\n\n\
             drawn_*.jpg were drawn by convlens-scenes, each from a seed of its own.\n\
             photo_*.jpg are parts of two photos, one of a cat and one of a dog, turned by at most \
             8 degrees, under another light, in test mirrored. The photos' authors and licences \
             stand in its assets/CREDITS.md.\n",
            self.title()
        )
    }

    /// The note's first line, which says which set it is.
    fn title(&self) -> String {
        format!(
            "Cats and dogs for convlens, set {} of {} training and {} test pictures a class.",
            self.seed, self.train, self.test
        )
    }

    /// Makes the folder ours, unless it is something else already.
    fn take(&self, path: &Path) -> Result<()> {
        let note = path.join(NOTE);
        let failed = |e: std::io::Error| Error::file(path, format!("cannot be written: {e}"));
        if path.exists() {
            let other = |what: &str| {
                let message = format!("{what}; name another folder, or remove this one");
                Err(Error::file(path, message))
            };
            if !path.is_dir() {
                return other("this is a file, not a folder");
            }
            match std::fs::read_to_string(&note) {
                Ok(text) if text.lines().next() == Some(&self.title()) => return Ok(()),
                Ok(_) => return other("another set of pictures is here"),
                Err(_) if path.read_dir().map_err(failed)?.next().is_some() => {
                    return other("something other than cats and dogs is here");
                }
                Err(_) => {}
            }
        }
        std::fs::create_dir_all(path).map_err(failed)?;
        std::fs::write(&note, self.note()).map_err(failed)
    }

    fn items(&self, path: &Path) -> Vec<Item> {
        let mut items = Vec::new();
        for (part, count) in [("train", self.train), ("test", self.test)] {
            for species in Species::BOTH {
                for i in 0..count {
                    let photo = i % PHOTOS == PHOTOS - 1;
                    let kind = if photo { "photo" } else { "drawn" };
                    let file =
                        path.join(part).join(species.name()).join(format!("{kind}_{i:05}.jpg"));
                    let test = part == "test";
                    // Seeds of the same set never meet, whatever its counts.
                    let place = (i as u64) << 2 | u64::from(test) << 1 | species as u64;
                    let seed = self.seed.wrapping_mul(1 << 32).wrapping_add(place);
                    items.push(Item { file, species, seed, photo, test });
                }
            }
        }
        items
    }
}

/// Writes pictures on all processors, until one fails.
fn write_all(items: &[Item]) -> Result<()> {
    let sources = [Source::new(Species::Cat)?, Source::new(Species::Dog)?];
    for folder in items.iter().filter_map(|item| item.file.parent()) {
        std::fs::create_dir_all(folder)
            .map_err(|e| Error::file(folder, format!("cannot be made: {e}")))?;
    }
    on_all_processors("cats and dogs", items, |item| item.write(&sources)).map(drop)
}

impl Item {
    fn write(&self, sources: &[Source; 2]) -> Result<()> {
        let pets = Pets { seed: self.seed, species: Some(self.species), ..Pets::default() };
        let picture = if self.photo {
            let mut random = StdRng::seed_from_u64(self.seed);
            sources[self.species as usize].view(&mut random, self.test, pets.side)?
        } else {
            pets.pet()?.picture
        };
        picture.save(&self.file)
    }
}

/// A folder of cats and dogs, as [`PetSet::write`] leaves it. A cell shows some of its pictures.
#[derive(Clone)]
pub struct PetFolder {
    path: PathBuf,
    set: PetSet,
    written: usize,
}

impl PetFolder {
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder with a folder for each class of training pictures.
    pub fn train(&self) -> PathBuf {
        self.path.join("train")
    }

    /// The folder with a folder for each class of test pictures.
    pub fn test(&self) -> PathBuf {
        self.path.join("test")
    }

    /// How many pictures were not there before.
    pub fn written(&self) -> usize {
        self.written
    }

    /// The first training pictures of both classes.
    fn table(&self) -> Result<PictureTable> {
        const SHOWN: usize = 6;
        let mut table = PictureTable::new([""; SHOWN]);
        for species in Species::BOTH {
            let own = |item: &Item| item.species == species && !item.test;
            let items = self.set.items(&self.path).into_iter().filter(own).take(SHOWN);
            let cells = items.map(|item| {
                let caption = if item.photo { "part of a photo" } else { "drawn" };
                Ok(Cell::new(Photo::open(&item.file)?.picture(), caption))
            });
            table = table.row(species.name(), cells.collect::<Result<Vec<Cell>>>()?);
        }
        Ok(table)
    }
}

impl fmt::Display for PetFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PetSet { train, test, .. } = self.set;
        write!(
            f,
            "{}: cats and dogs, {train} of each for training and {test} for testing ({} written \
             now). Three of four are drawn, the rest parts of one photo of a cat and one of a dog",
            self.path.display(),
            self.written
        )
    }
}

impl fmt::Debug for PetFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("PetFolder {}", self.path.display()))
    }
}

impl Show for PetFolder {
    fn bundle(&self) -> MimeBundle {
        let picture = self.table().and_then(|table| table.render());
        picture.map(|picture| MimeBundle::picture(picture, self.to_string())).bundle()
    }
}
