//! Many woods with and without tanks, how right a network is about them, and where it looks.

use std::fmt;
use std::sync::Arc;

use convlens::attribution::Attribution;
use convlens::chart::Chart;
use convlens::dataset::ImageFolder;
use convlens::mask::Mask;
use convlens::model::Model;
use convlens::photo::Photo;
use convlens::picture::{Cell, Picture, PictureTable};
use convlens::show::{MimeBundle, Show, debug_line};
use convlens::{Error, Result};

use super::canvas::NAMES;
use super::{Weather, Wood, Woods};
use crate::workers::on_all_processors;

/// More pictures are not painted at once: they lie in memory.
const MOST: usize = 20_000;
/// The margin of the pointing game, in percent of a picture's side.
const MARGIN: usize = 3;
/// What the two classes are called, and their places.
const CLASSES: [&str; 2] = ["tank", "no tank"];

/// Pictures to be painted, half of them with a tank.
///
/// ```
/// use convlens_scenes::prelude::*;
/// let army = TankSet::army().count(6).paint()?;
/// let sunny = |wood: &Wood| wood.weather() == Weather::Sunny;
/// assert!(army.woods().iter().all(|wood| wood.has_tank() == sunny(wood)));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct TankSet {
    seed: u64,
    count: usize,
    biased: bool,
}

impl Default for TankSet {
    /// Every weather with and without a tank equally often; 400 pictures of seed 0.
    fn default() -> TankSet {
        TankSet { seed: 0, count: 400, biased: false }
    }
}

impl TankSet {
    /// What the army brought home: tanks under the sun, and woods without tanks under cloud.
    pub fn army() -> TankSet {
        TankSet { biased: true, ..TankSet::default() }
    }

    /// What chooses all pictures; sets of other seeds have no picture in common.
    pub fn seed(&self, seed: u64) -> TankSet {
        TankSet { seed, ..self.clone() }
    }

    /// How many pictures, 4 to 20,000; 400 by default.
    pub fn count(&self, pictures: usize) -> TankSet {
        TankSet { count: pictures, ..self.clone() }
    }

    /// Paints them on all processors.
    ///
    /// # Errors
    /// A count out of its range.
    pub fn paint(&self) -> Result<TankPictures> {
        if !(4..=MOST).contains(&self.count) {
            return Err(Error::Argument(format!(
                "a set holds 4 to {MOST} pictures, not {}",
                self.count
            )));
        }
        let orders: Vec<Woods> = (0..self.count).map(|i| self.order(i)).collect();
        Ok(TankPictures {
            set: self.clone(),
            woods: on_all_processors("woods", &orders, Woods::wood)?.into(),
        })
    }

    fn order(&self, i: usize) -> Woods {
        let tank = i.is_multiple_of(2);
        let sunny = if self.biased { tank } else { (i / 2).is_multiple_of(2) };
        let seed = self.seed.wrapping_mul(1 << 32).wrapping_add(i as u64);
        let woods = Woods::default().seed(seed);
        let woods = if tank { woods.tank() } else { woods };
        woods.weather(if sunny { Weather::Sunny } else { Weather::Overcast })
    }
}

/// Painted woods, as [`TankSet::paint`] makes them. A cell shows some of each kind. Cheap to clone.
#[derive(Clone)]
pub struct TankPictures {
    set: TankSet,
    woods: Arc<[Wood]>,
}

impl TankPictures {
    /// All of them.
    pub fn woods(&self) -> &[Wood] {
        &self.woods
    }

    /// The same as a data set of the classes "tank" and "no tank", for
    /// [`ImageFolder::tensors`] and for whatever looks at many photos.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn folder(&self) -> Result<ImageFolder> {
        let photos = |tank: bool| {
            let own = self.woods.iter().filter(move |wood| wood.tank == tank);
            own.map(Wood::photo).collect::<Result<Vec<Photo>>>()
        };
        ImageFolder::of_photos([(CLASSES[0], photos(true)?), (CLASSES[1], photos(false)?)])
    }

    /// How often a network is right that has the classes "tank" and "no tank".
    ///
    /// ```
    /// use convlens_scenes::prelude::*;
    /// let pictures = TankSet::default().count(8).paint()?;
    /// let score = pictures.score(&networks::tank_spotter(0)?)?;
    /// assert!((0.0..=1.0).contains(&score.accuracy()));
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// A network without these classes.
    pub fn score(&self, model: &Model) -> Result<TankScore> {
        let [tank, other] = CLASSES.map(|class| model.class_index(class));
        let (Ok(tank), Ok(other)) = (tank, other) else {
            return Err(Error::Argument(format!(
                "{} is not asked whether there is a tank: a score needs a network of the classes {:?} and \
                 {:?}; where any network looks, `evidence` says",
                model.name(),
                CLASSES[0],
                CLASSES[1]
            )));
        };
        let mut score = TankScore { network: model.name().to_owned(), ..TankScore::default() };
        for some in self.woods.chunks(16) {
            let photos = some.iter().map(Wood::photo).collect::<Result<Vec<Photo>>>()?;
            let looks = model.look_at_all(&photos)?;
            for (i, wood) in some.iter().enumerate() {
                let logits = looks.get(i)?.logits()?;
                let value = |class: usize| logits.f_double_value(&[class as i64]);
                let found = value(tank)? > value(other)?;
                let kind = &mut score.kinds[kind(wood.tank, wood.weather)];
                kind.1 += 1;
                kind.0 += usize::from(found == wood.tank);
            }
        }
        Ok(score)
    }

    /// Where a network looks that finds a tank: what a method that explains the class "tank" says
    /// about the pictures that have one.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// use convlens_scenes::prelude::*;
    /// let pictures = TankSet::default().count(4).paint()?;
    /// let method = GradCam::default().class("tank");
    /// let evidence = pictures.evidence(&networks::tank_spotter(0)?, &method)?;
    /// assert_eq!(evidence.pictures(), 2);
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// What the method cannot be applied to.
    pub fn evidence(&self, model: &Model, method: &impl Attribution) -> Result<TankEvidence> {
        let mut evidence = TankEvidence::default();
        for wood in self.woods.iter().filter(|wood| wood.tank) {
            let look = model.look(&wood.photo()?)?;
            let heat = look.explain(method)?;
            let mask = seen_by(model, &wood.mask)?;
            evidence.title = format!("{}, {} for {}", model.name(), heat.method(), heat.target());
            evidence.pictures += 1;
            for class in 0..NAMES.len() {
                let region = mask.region(class)?;
                evidence.energy[class] += heat.energy_inside(&region)?.unwrap_or(0.0);
                evidence.areas[class] += region.share();
            }
            let tank = mask.region(0)?.widened(mask.width() * MARGIN / 100);
            let points = heat.points_inside(&tank)?;
            evidence.empty += usize::from(points.is_none());
            evidence.hits += usize::from(points.unwrap_or(false));
            evidence.chance += tank.share();
        }
        Ok(evidence)
    }

    /// The first pictures of each kind.
    fn table(&self) -> PictureTable {
        const SHOWN: usize = 5;
        let mut table = PictureTable::new([""; SHOWN]);
        for (i, name) in KINDS.into_iter().enumerate() {
            let own =
                self.woods.iter().filter(|wood| kind(wood.tank, wood.weather) == i).take(SHOWN);
            let cells: Vec<Cell> = own.map(|wood| Cell::new(wood.picture(), "")).collect();
            if !cells.is_empty() {
                table = table.row(name, cells);
            }
        }
        table.tile(150)
    }
}

/// A mask as a network's preprocessing crops and resizes it: of each pixel, the class that has most of it.
fn seen_by(model: &Model, mask: &Mask) -> Result<Mask> {
    let mut best: Vec<(u8, u8)> = Vec::new();
    let mut size = (0, 0);
    for class in 0..mask.classes().len() {
        let own = mask
            .labels()
            .iter()
            .flat_map(|&label| [if usize::from(label) == class { u8::MAX } else { 0 }; 3]);
        let (height, width) = (mask.height() as u32, mask.width() as u32);
        let drawn = Picture::rgb(width, height, own.collect())?;
        let seen = model.preprocess().seen(&Photo::from_picture(&drawn))?;
        size = (seen.height() as usize, seen.width() as usize);
        best.resize(size.0 * size.1, (0, 0));
        for (best, pixel) in best.iter_mut().zip(seen.pixels()) {
            if pixel.0[0] > best.0 {
                *best = (pixel.0[0], class as u8);
            }
        }
    }
    let labels = best.into_iter().map(|(_, class)| class).collect();
    Mask::new(size.0, size.1, labels, mask.classes())
}

/// The four kinds of pictures.
const KINDS: [&str; 4] = ["tank, sunny", "tank, overcast", "no tank, sunny", "no tank, overcast"];

fn kind(tank: bool, weather: Weather) -> usize {
    2 * usize::from(!tank) + usize::from(weather == Weather::Overcast)
}

impl fmt::Display for TankPictures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.set.biased {
            true => "tanks under the sun, woods under cloud",
            false => "every weather with and without a tank",
        };
        write!(f, "{} painted woods: {what}", self.woods.len())
    }
}

impl fmt::Debug for TankPictures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("TankPictures, {} of them", self.woods.len()))
    }
}

impl Show for TankPictures {
    fn bundle(&self) -> MimeBundle {
        let picture = self.table().render();
        picture.map(|picture| MimeBundle::picture(picture, self.to_string())).bundle()
    }
}

/// How often a network is right about woods with and without tanks, by weather. A cell shows bars.
#[derive(Clone, Default)]
pub struct TankScore {
    network: String,
    /// Right answers, and all, of each kind.
    kinds: [(usize, usize); 4],
}

impl TankScore {
    /// The share of right answers.
    pub fn accuracy(&self) -> f64 {
        let (right, all) = self.kinds.iter().fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
        right as f64 / all.max(1) as f64
    }

    /// The share of right answers about pictures with or without a tank in one weather; `None`
    /// where there are no such pictures.
    pub fn accuracy_of(&self, tank: bool, weather: Weather) -> Option<f64> {
        let (right, all) = self.kinds[kind(tank, weather)];
        (all > 0).then(|| right as f64 / all as f64)
    }

    fn line(&self) -> String {
        let all: usize = self.kinds.iter().map(|kind| kind.1).sum();
        format!("{}: {:.1} % of {all} pictures are right", self.network, 100.0 * self.accuracy())
    }
}

impl fmt::Display for TankScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line())?;
        for (name, (right, all)) in KINDS.iter().zip(self.kinds).filter(|(_, kind)| kind.1 > 0) {
            write!(f, "\n{name:<18} {right:>5} of {all}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for TankScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("TankScore {}", self.line()))
    }
}

impl Show for TankScore {
    fn bundle(&self) -> MimeBundle {
        let kinds = KINDS.iter().zip(self.kinds).filter(|(_, kind)| kind.1 > 0);
        let bars = kinds.map(|(name, (right, all))| (*name, 100.0 * right as f64 / all as f64));
        let chart = Chart::bars(bars).title(self.line()).axes("", "right, %").reaching(100.0);
        chart.picture().map(|picture| MimeBundle::picture(picture, self.to_string())).bundle()
    }
}

/// Where the evidence for a tank lies, as a mean over pictures. A cell shows bars.
#[derive(Clone, Default)]
pub struct TankEvidence {
    title: String,
    pictures: usize,
    /// How many maps are nowhere positive.
    empty: usize,
    /// Sums over the pictures, as are the other numbers.
    energy: [f64; NAMES.len()],
    areas: [f64; NAMES.len()],
    hits: usize,
    chance: f64,
}

impl TankEvidence {
    /// How many pictures.
    pub fn pictures(&self) -> usize {
        self.pictures
    }

    /// The mean share of the positive values that lies on "tank", "sky", "trees" or "ground", as
    /// [`Heatmap::energy_inside`](convlens::attribution::Heatmap::energy_inside) has it; a map that
    /// is nowhere positive counts as none. `None` for another name.
    pub fn energy_on(&self, name: &str) -> Option<f64> {
        self.mean_of(&self.energy, name)
    }

    /// The mean share of the picture that "tank", "sky", "trees" or "ground" takes: what would lie on
    /// it of values that know nothing. `None` for another name.
    pub fn area_of(&self, name: &str) -> Option<f64> {
        self.mean_of(&self.areas, name)
    }

    fn mean_of(&self, sums: &[f64; NAMES.len()], name: &str) -> Option<f64> {
        let class = NAMES.iter().position(|own| *own == name)?;
        Some(sums[class] / self.pictures.max(1) as f64)
    }

    /// How many maps are nowhere positive: of these nothing lies anywhere, and they point at nothing.
    pub fn empty(&self) -> usize {
        self.empty
    }

    /// The pointing game: the share of pictures whose highest value lies on the tank, with the
    /// margin that is usual, 3 % of the picture's side: a tank stands behind trunks and bushes.
    pub fn pointing(&self) -> f64 {
        self.hits as f64 / self.pictures.max(1) as f64
    }

    /// The mean share of the picture that the tank and the margin take: how often chance would point
    /// there.
    pub fn chance(&self) -> f64 {
        self.chance / self.pictures.max(1) as f64
    }

    fn line(&self) -> String {
        let mut line = format!(
            "{}: the highest value lies on the tank, or within {MARGIN} % of the side of it, in {:.0} % of \
             {} pictures; by chance in {:.0} %",
            self.title,
            100.0 * self.pointing(),
            self.pictures,
            100.0 * self.chance()
        );
        if self.empty > 0 {
            line += &format!("; {} maps are nowhere positive", self.empty);
        }
        line
    }
}

impl fmt::Display for TankEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line())?;
        for name in NAMES {
            let [values, area] = [self.energy_on(name), self.area_of(name)]
                .map(|share| 100.0 * share.unwrap_or_default());
            write!(
                f,
                "\n{values:>5.1} % of the positive values on {name}, {area:.1} % of the picture"
            )?;
        }
        Ok(())
    }
}

impl fmt::Debug for TankEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("TankEvidence {}", self.line()))
    }
}

impl Show for TankEvidence {
    fn bundle(&self) -> MimeBundle {
        let percent = |share: Option<f64>| 100.0 * share.unwrap_or_default();
        let bars = NAMES.map(|name| {
            let area = percent(self.area_of(name));
            (format!("{name}, {area:.0} % of the picture"), percent(self.energy_on(name)))
        });
        let chart = Chart::bars(bars).axes("", "positive values, %").reaching(100.0);
        let picture = chart.picture().map(|picture| picture.titled(&self.line()));
        picture.map(|picture| MimeBundle::picture(picture, self.to_string())).bundle()
    }
}
