//! Whether a map lies where it should: the pointing game, and the energy inside a region.

use std::borrow::Borrow;

use super::trial::Trial;
use super::{Better, Metric};
use crate::error::{Error, Result};
use crate::picture::Region;

/// What a photo shows of the class, one region for each photo.
#[derive(Clone, Debug)]
struct Truth(Vec<Region>);

/// The pointing game: 1 where the map's highest value lies inside the region, else 0; its mean over photos is the share
/// of hits. The map is the paper's at the photo's size; where it is nowhere positive, there is no value. Quantus's
/// `PointingGame`.
///
/// The regions, boxes or classes of masks, are one for each photo, in the photo's own size or in that at which the
/// network sees it.
///
/// Zhang et al. 2016, <https://arxiv.org/abs/1608.00507>; for its margin, widen the regions by
/// [`Region::widened`].
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let middle = Region::rectangle(224, 224, 40..200, 40..200)?; // of what the network sees
/// let hit = look.measure(&PointingGame::inside([middle]), &GradCam::default())?;
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PointingGame {
    truth: Truth,
}

/// The share of the map's positive values that lies inside the region, 0 to 1: the energy-based pointing game. Regions
/// are given as for [`PointingGame`]. Quantus's `RelevanceMassAccuracy` of a map that is nowhere negative.
///
/// Wang et al. 2020, <https://arxiv.org/abs/1910.01279>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let middle = Region::rectangle(224, 224, 40..200, 40..200)?;
/// let share = look.measure(&Energy::inside([middle]), &GradCam::default())?;
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Energy {
    truth: Truth,
}

impl PointingGame {
    /// With these regions, one for each photo.
    pub fn inside(regions: impl IntoIterator<Item = impl Borrow<Region>>) -> PointingGame {
        PointingGame { truth: Truth::of(regions) }
    }
}

impl Energy {
    /// With these regions, one for each photo.
    pub fn inside(regions: impl IntoIterator<Item = impl Borrow<Region>>) -> Energy {
        Energy { truth: Truth::of(regions) }
    }
}

impl Metric for PointingGame {
    fn name(&self) -> String {
        "pointing game".into()
    }

    fn better(&self) -> Better {
        Better::Higher
    }

    fn measure(&self, trial: &Trial) -> Result<Option<f64>> {
        let hit = trial.heat().points_inside(&self.truth.seen(trial)?)?;
        Ok(hit.map(|hit| f64::from(u8::from(hit))))
    }
}

impl Metric for Energy {
    fn name(&self) -> String {
        "energy inside".into()
    }

    fn better(&self) -> Better {
        Better::Higher
    }

    fn measure(&self, trial: &Trial) -> Result<Option<f64>> {
        trial.heat().energy_inside(&self.truth.seen(trial)?)
    }
}

impl Truth {
    fn of(regions: impl IntoIterator<Item = impl Borrow<Region>>) -> Truth {
        Truth(regions.into_iter().map(|region| region.borrow().clone()).collect())
    }

    /// This photo's region, as the network sees it.
    fn seen(&self, trial: &Trial) -> Result<Region> {
        trial.check_places()?;
        let Some(region) = self.0.get(trial.photo()) else {
            return Err(Error::Argument(format!(
                "there is no region for photo {}, but {} in all: give one for each photo, in their order",
                trial.photo(),
                self.0.len()
            )));
        };
        if region.count() == 0 {
            return Err(Error::Argument(format!(
                "the region of photo {} has no pixel inside",
                trial.photo()
            )));
        }
        let size =
            |height: usize, width: usize| (region.height(), region.width()) == (height, width);
        let (photo, [height, width]) = (trial.look().photo(), trial.size()?);
        if size(height, width) {
            return Ok(region.clone());
        }
        let (own_height, own_width) = (photo.height() as usize, photo.width() as usize);
        if size(own_height, own_width) {
            return trial.look().seen_region(region);
        }
        Err(Error::Shape(format!(
            "the region has {} × {} pixels (height × width), but the photo has {own_height} × {own_width} and the network \
             sees it at {height} × {width}: give the region in one of these sizes",
            region.height(),
            region.width()
        )))
    }
}
