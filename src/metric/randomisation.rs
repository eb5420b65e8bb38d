//! Whether a map depends on what the network has learnt: parameter randomisation.

use std::cell::RefCell;
use std::fmt;
use std::path::Path;
use std::rc::Rc;

use super::similarity::Compared;
use super::trial::{Trial, only};
use super::{Better, Chance, Metric};
use crate::attribution::{Attribution, Heatmap, heats};
use crate::chart::Chart;
use crate::error::{Error, Result};
use crate::look::Look;
use crate::model::Model;
use crate::number::number;
use crate::picture::{Cell, Picture, PictureTable, write_file};
use crate::show::{MimeBundle, Progress, Show, debug_line, error_bundle};

/// Above this rank correlation, a map hardly depends on the network.
const ALIKE: f64 = 0.5;
/// The figure shows so many maps in two rows, the trained network's among them.
const SHOWN: usize = 10;

/// Parameter randomisation: does the map change when the network forgets what it has learnt? The layers' parameters are
/// replaced by random ones, as the layers start before any training, from the output backwards one after the other
/// (*cascading*), or each by itself ([`independent`](Randomisation::independent)). The network itself stays as it is.
///
/// [`run`](Randomisation::run) compares the map after each step with that of the trained network: rank correlation and
/// structural similarity of the magnitudes of the paper's map at the photo's size, for the same class. As a [`Metric`] it is
/// the rank correlation with all layers randomised, or, of independent ones, the mean over the layers: low is better.
/// [`trust`](super::trust) speaks against a method above 0.5. Quantus's `MPRT`.
///
/// A randomised network may have nothing to say of the class, as one that ends in a rectifier: its map is then the
/// same everywhere, and neither resembles the trained one nor shows that the method depends on the network. Such steps have
/// no value here, where Quantus has NaN; [`independent`](Randomisation::independent) ones are hardly ever so.
///
/// Adebayo et al. 2018, <https://arxiv.org/abs/1810.03292>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let last = Randomisation::default().layers(["classifier.1", "features.12.squeeze"]);
/// let steps = last.run(&look, &GradCam::default())?; // shows itself as a figure
/// assert_eq!(steps.layers(), ["classifier.1", "features.12.squeeze"]);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Randomisation {
    independent: bool,
    seed: u64,
    layers: Option<Vec<String>>,
    /// The network and it with all layers randomised, which is the same for all photos and methods.
    whole: Rc<RefCell<Option<(Model, Model)>>>,
}

/// How a map changes while a network is randomised: what [`Randomisation::run`] returns. A cell shows the curves, and
/// below some of the maps.
#[derive(Clone)]
pub struct Randomised {
    method: String,
    network: String,
    independent: bool,
    layers: Vec<String>,
    rank_correlations: Vec<Option<f64>>,
    similarities: Vec<Option<f64>>,
    /// Some of the maps, with what stands under them.
    shown: Vec<(Picture, String)>,
}

impl Randomisation {
    /// Each layer by itself, while all others stay as they were learnt.
    #[must_use]
    pub fn independent(&self) -> Self {
        Self { independent: true, whole: Rc::default(), ..self.clone() }
    }

    /// Other random parameters of the same kind: 0 unless set.
    #[must_use]
    pub fn seed(&self, seed: u64) -> Self {
        Self { seed, whole: Rc::default(), ..self.clone() }
    }

    /// These layers alone, in this order; all layers with parameters from the output backwards unless set.
    #[must_use]
    pub fn layers<S: Into<String>>(&self, layers: impl IntoIterator<Item = S>) -> Self {
        let layers = Some(layers.into_iter().map(Into::into).collect());
        Self { layers, whole: Rc::default(), ..self.clone() }
    }

    /// Which layers, in which order.
    fn order(&self, model: &Model) -> Result<Vec<String>> {
        let order = match &self.layers {
            Some(layers) => layers.clone(),
            None => {
                let mut layers = model.learnt();
                layers.reverse();
                layers
            }
        };
        match order.is_empty() {
            false => Ok(order),
            true => Err(Error::Argument(format!(
                "there are no layers of {} to be randomised: give at least one that has parameters",
                model.name()
            ))),
        }
    }

    /// How the map changes from layer to layer.
    ///
    /// # Errors
    /// As [`Look::explain`]; a layer that is not there or has no parameters; a layer that holds its variables itself.
    pub fn run(&self, look: &Look, method: &dyn Attribution) -> Result<Randomised> {
        self.run_trial(&Trial::new(look, method)?)
    }

    fn run_trial(&self, trial: &Trial) -> Result<Randomised> {
        let model = trial.case().model();
        let order = self.order(model)?;
        let whole = Compared::of(trial, trial.heat())?;
        let mut progress = Progress::new("randomisation, layers", order.len() as u64);
        let is_shown = evenly(order.len(), SHOWN - 1);
        let (mut ranks, mut similar) = (Vec::new(), Vec::new());
        let mut shown = vec![(tile(trial.heat())?, "trained".to_owned())];
        let mut network = model.clone();
        for (step, layer) in order.iter().enumerate() {
            // A layer gets the same parameters whether all before it are random or none.
            network = match step > 0 && !self.independent {
                true => network.more_randomised([layer], self.seed, network.name().to_owned())?,
                false => model.randomised([layer], self.seed)?,
            };
            let heat = self.heat_under(trial, &network)?;
            let now = Compared::of(trial, &heat)?;
            let says_something = !now.is_empty();
            let rank = says_something.then(|| whole.rank_correlation(&now));
            ranks.push(rank);
            similar.push(says_something.then(|| whole.ssim(&now)).flatten());
            if is_shown(step) {
                let rank = rank.map_or("empty".to_owned(), |rank| format!("{rank:.2}"));
                shown.push((tile(&heat)?, format!("{layer}\n{rank}")));
            }
            progress.advance(step as u64 + 1)?;
        }
        progress.finish();
        Ok(Randomised {
            method: trial.heat().method().to_owned(),
            network: model.name().to_owned(),
            independent: self.independent,
            layers: order,
            rank_correlations: ranks,
            similarities: similar,
            shown,
        })
    }

    fn heat_under(&self, trial: &Trial, model: &Model) -> Result<Heatmap> {
        let case = trial.case().under(model)?;
        only(heats(&case, &[Rc::clone(trial.look().view())], trial.method())?)
    }
}

impl Metric for Randomisation {
    fn name(&self) -> String {
        match self.independent {
            false => "randomisation".into(),
            true => "randomisation, independent".into(),
        }
    }

    fn better(&self) -> Better {
        Better::Lower
    }

    fn measure(&self, trial: &Trial) -> Result<Option<f64>> {
        let model = trial.case().model();
        let order = self.order(model)?;
        if self.independent {
            return Ok(self.run_trial(trial)?.value());
        }
        let mut whole = self.whole.borrow_mut();
        let known = whole.take().filter(|(of, _)| of.is_same(model));
        let random = match known {
            Some((_, random)) => random,
            None => model.randomised(&order, self.seed)?,
        };
        *whole = Some((model.clone(), random.clone()));
        drop(whole);
        let heat = self.heat_under(trial, &random)?;
        let (trained, random) = (Compared::of(trial, trial.heat())?, Compared::of(trial, &heat)?);
        Ok((!random.is_empty()).then(|| trained.rank_correlation(&random)))
    }

    fn has_chance_level(&self) -> bool {
        false
    }

    fn objection(&self, mean: f64, _: Option<&Chance>) -> Option<String> {
        (mean > ALIKE).then(|| {
            format!(
                "hardly changes when the network's weights are randomised (rank correlation {}): it shows the photo more \
                 than what the network has learnt",
                number(mean, 2)
            )
        })
    }
}

impl fmt::Debug for Randomisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Randomisation")
            .field("independent", &self.independent)
            .field("seed", &self.seed)
            .field("layers", &self.layers)
            .finish_non_exhaustive()
    }
}

impl Randomised {
    /// The layers in the order in which they were randomised.
    pub fn layers(&self) -> &[String] {
        &self.layers
    }

    /// The rank correlation with the trained network's map, after each step; `None` where the map is empty.
    pub fn rank_correlations(&self) -> &[Option<f64>] {
        &self.rank_correlations
    }

    /// What it is as a metric: that with all layers randomised, or the mean over independent ones that have any.
    fn value(&self) -> Option<f64> {
        if !self.independent {
            return self.rank_correlations.last().copied().flatten();
        }
        let known: Vec<f64> = self.rank_correlations.iter().copied().flatten().collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }

    /// The structural similarity with it; `None` of maps smaller than 7 × 7 pixels, and of empty ones.
    pub fn similarities(&self) -> &[Option<f64>] {
        &self.similarities
    }

    /// The two curves over the layers.
    pub fn chart(&self) -> Chart {
        let or_nan =
            |values: &[Option<f64>]| values.iter().map(|v| v.unwrap_or(f64::NAN)).collect();
        let with_start =
            |values: Vec<f64>| std::iter::once(1.0).chain(values).collect::<Vec<f64>>();
        let (across, start) = match self.independent {
            false => ("layers randomised, from the output backwards", true),
            true => ("layer randomised by itself, from the output backwards", false),
        };
        let series = [
            ("rank correlation", or_nan(&self.rank_correlations)),
            ("SSIM", or_nan(&self.similarities)),
        ];
        let series =
            series.map(|(name, values)| (name, if start { with_start(values) } else { values }));
        let chart = Chart::lines(series).axes(across, "similarity to the trained map");
        chart.from(f64::from(u8::from(!start)), 1.0).reaching(0.0).reaching(1.0)
    }

    /// The curves, and below some of the maps, each under the last layer that was randomised with its rank correlation.
    ///
    /// # Errors
    /// Never for what a run returned.
    pub fn picture(&self) -> Result<Picture> {
        let columns = self.shown.len().min(SHOWN / 2);
        let mut table = PictureTable::new(vec![String::new(); columns]);
        for row in self.shown.chunks(columns.max(1)) {
            table = table.row("", row.iter().map(|(picture, text)| Cell::new(picture, text)));
        }
        let title = format!("{} of {}", self.method, self.network);
        Ok(Picture::above(
            &[self.chart().title(title).size(990, 300).picture()?, table.render()?],
            8,
        ))
    }

    /// Writes the picture, or the values to a `.csv`; the ending says which.
    ///
    /// # Errors
    /// An ending that no format has; a file that cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        if path.extension().is_none_or(|ending| ending != "csv") {
            return self.picture()?.save(path);
        }
        let mut text = "layer,rank correlation,SSIM\n".to_owned();
        for ((layer, rank), similar) in
            self.layers.iter().zip(&self.rank_correlations).zip(&self.similarities)
        {
            let [rank, similar] =
                [rank, similar].map(|value| value.map_or(String::new(), |value| value.to_string()));
            text += &format!("{layer},{rank},{similar}\n");
        }
        write_file(path, text.as_bytes(), "the similarities")
    }

    fn text(&self) -> String {
        let empty = self.rank_correlations.iter().filter(|rank| rank.is_none()).count();
        let what = if self.independent { "on average" } else { "with all of them" };
        let mut text = format!(
            "{} of {}, {} layers randomised: ",
            self.method,
            self.network,
            self.layers.len()
        );
        text += &match self.value() {
            Some(value) if value > ALIKE => format!(
                "rank correlation {} {what}; the map hardly depends on what they have learnt",
                number(value, 2)
            ),
            Some(value) => format!(
                "rank correlation {} {what}; the map depends on what they have learnt",
                number(value, 2)
            ),
            None => "in the end its map is empty, and nothing follows from that".to_owned(),
        };
        if empty > 0 {
            text += &format!(" ({empty} of the maps are empty)");
        }
        text
    }
}

impl fmt::Debug for Randomised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Randomised, {}", self.text()))
    }
}

impl Show for Randomised {
    fn bundle(&self) -> MimeBundle {
        match self.picture() {
            Ok(picture) => MimeBundle::picture(picture.captioned(&self.text()), self.text()),
            Err(error) => error_bundle(&error),
        }
    }
}

fn tile(heat: &Heatmap) -> Result<Picture> {
    Ok(heat.tile()?.0)
}

/// Which of so many steps are shown, the last one among them.
fn evenly(steps: usize, shown: usize) -> impl Fn(usize) -> bool {
    move |step| (step + 1) * shown / steps.max(1) > step * shown / steps.max(1)
}
