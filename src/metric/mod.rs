//! Is an explanation worth believing? Metrics of heat maps, one family a file, and [`trust`], which puts several
//! methods and metrics into one table and says below it in plain words what speaks against each method.
//!
//! | what is asked | metrics |
//! |---|---|
//! | does the network need what the map marks? | [`Deletion`], [`Insertion`], [`AverageDrop`], [`Increase`], [`Adcc`], [`Road`], [`Infidelity`] |
//! | does the map stay when the photo hardly changes? | [`MaxSensitivity`] |
//! | does the map depend on what the network has learnt? | [`Randomisation`] |
//! | does the map lie where it should? | [`PointingGame`], [`Energy`] |
//! | how much does the map mark? | [`Sparseness`], [`Complexity`] |
//! | do methods agree? | [`agreement`] |
//!
//! A metric sees a method through [`Attribution`] alone, and a network through its scores alone, so that each works for
//! all of both. Definitions are those of torchcam, Quantus, pytorch-grad-cam, captum and the authors of ADCC, and so are
//! the numbers, but for rounding.
//!
//! ```
//! use convlens::prelude::*;
//! let model = zoo::squeezenet1_1()?;
//! let look = model.look(&Photo::open("assets/photos/cat.png")?)?;
//! let curve = Insertion::default().steps(5).curve(&look, &GradCam::default())?; // shows itself as a chart
//! let drop = look.measure(&AverageDrop::default(), &GradCam::default())?;
//! assert!(curve.area() > 0.0 && drop.is_some());
//! Ok::<(), convlens::Error>(())
//! ```

/// `samples` and `seed` of a metric of changed photos, for a type with fields of these names.
macro_rules! change_setters {
    ($metric:ident, $samples:literal) => {
        impl $metric {
            #[doc = concat!("How many changed photos: ", $samples, " unless set.")]
            #[must_use]
            pub fn samples(&self, samples: usize) -> Self {
                Self { samples, ..self.clone() }
            }

            /// Other changes of the same kind: 0 unless set.
            #[must_use]
            pub fn seed(&self, seed: u64) -> Self {
                Self { seed, ..self.clone() }
            }
        }
    };
}

mod adcc;
mod agreement;
mod curve;
mod deletion;
mod infidelity;
mod localisation;
mod masked;
mod max_sensitivity;
mod randomisation;
mod road;
mod similarity;
mod spread;
mod trial;
mod trust;

pub use adcc::Adcc;
pub use agreement::{Agreement, agreement};
pub use curve::Curve;
pub use deletion::{Deletion, Insertion};
pub use infidelity::Infidelity;
pub use localisation::{Energy, PointingGame};
pub use masked::{AverageDrop, Increase};
pub use max_sensitivity::MaxSensitivity;
pub use randomisation::{Randomisation, Randomised};
pub use road::Road;
pub use similarity::{rank_correlation, ssim};
pub use spread::{Complexity, Sparseness};
pub use trial::Trial;
pub use trust::{Trust, trust, trust_by};

use crate::attribution::Attribution;
use crate::error::{Error, Result};
use crate::look::Look;
use crate::number::number;
use crate::statistics::LEVEL;

/// Nothing runs the network more often than this for one photo and one method.
const MOST_RUNS: usize = 10_000;

/// Which values of a metric speak for a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// High ones.
    Higher,
    /// Low ones.
    Lower,
    /// Neither: it describes a map and does not judge it.
    Neither,
}

/// A metric of explanations: what [`trust`] and [`Look::measure`] know of one.
///
/// One of one's own, the share of the map that is marked at all:
///
/// ```
/// use convlens::metric::{Better, Metric, Trial};
/// use convlens::prelude::*;
///
/// struct Marked;
///
/// impl Metric for Marked {
///     fn name(&self) -> String {
///         "share marked".into()
///     }
///
///     fn better(&self) -> Better {
///         Better::Neither
///     }
///
///     fn measure(&self, trial: &Trial) -> convlens::Result<Option<f64>> {
///         let map = trial.map()?;
///         Ok(Some(map.iter().filter(|&&value| value > 0.0).count() as f64 / map.len() as f64))
///     }
/// }
///
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// look.measure(&Marked, &GradCam::default())?;
/// Ok::<(), convlens::Error>(())
/// ```
pub trait Metric {
    /// Its name, with what was set otherwise.
    fn name(&self) -> String;

    /// Which values speak for a method.
    fn better(&self) -> Better;

    /// Its value for one photo as one method explains it; `None` where it says nothing of this photo, as where a map
    /// is nowhere positive.
    ///
    /// # Errors
    /// What cannot be measured, and what the network or the method refuses.
    fn measure(&self, trial: &Trial) -> Result<Option<f64>>;

    /// Whether a map at random has a value that a method should beat.
    fn has_chance_level(&self) -> bool {
        self.better() != Better::Neither
    }

    /// In plain words, what speaks against a method that has this mean over the photos: unless a metric has words of its
    /// own, that a map at random does as well, or that on these photos it cannot be told from one.
    fn objection(&self, mean: f64, chance: Option<&Chance>) -> Option<String> {
        let Chance { mean: random, p } = chance?;
        let (name, beside) =
            (self.name(), format!("{}, at random {}", number(mean, 3), number(*random, 3)));
        let better = match self.better() {
            Better::Higher => mean > *random,
            Better::Lower => mean < *random,
            Better::Neither => return None,
        };
        match p {
            _ if !better => Some(format!("is no better than a map at random by {name} ({beside})")),
            Some(p) if *p > LEVEL => Some(format!(
                "cannot be told from a map at random by {name} on so few photos ({beside}, p = {})",
                number(*p, 2)
            )),
            _ => None,
        }
    }
}

/// How a map at random does where a method was measured, by one metric.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Chance {
    /// The mean over the photos of maps at random of 7 × 7 values.
    pub mean: f64,
    /// How probable it is that the method differs as much from them, photo by photo, by chance: the paired test of Student, on both
    /// sides. `None` where less than two photos were measured, or all differ by the same.
    pub p: Option<f64>,
}

impl Look {
    /// What a metric says of this photo as a method explains it; `None` where it says nothing of it.
    /// [`metric`](crate::metric) lists the metrics.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
    /// let gini = look.measure(&Sparseness::default(), &GradCam::default())?.expect("a map");
    /// assert!(0.0 < gini && gini < 1.0);
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`explain`](Look::explain), and what the metric cannot measure.
    pub fn measure(&self, metric: &dyn Metric, method: &dyn Attribution) -> Result<Option<f64>> {
        let trial = Trial::new(self, method)?;
        metric.measure(&trial).map_err(|e| e.while_doing(metric.name()))
    }
}

/// Refuses a change of the photo by nothing, or by what is no number.
fn check_change(what: &str, usual: f64, size: f64) -> Result<()> {
    match size.is_finite() && size > 0.0 {
        true => Ok(()),
        false => Err(Error::Argument(format!(
            "a photo is changed by a {what} above 0, such as {usual}, not {size}"
        ))),
    }
}

/// Refuses what would run the network too often, and says how often that is.
fn check_runs(what: &str, unit: &str, asked: usize, runs: usize) -> Result<()> {
    if asked == 0 {
        return Err(Error::Argument(format!(
            "{what} of 0 {unit} measures nothing: give 1 or more"
        )));
    }
    if runs > MOST_RUNS {
        return Err(Error::Argument(format!(
            "{what} of {asked} {unit} runs the network {runs} times for each photo and method, which takes for ever: \
             ask for as few {unit} as make {MOST_RUNS} runs or less"
        )));
    }
    Ok(())
}
