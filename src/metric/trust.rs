//! Methods by metrics in one table, and in plain words what speaks against each method.

use std::borrow::Borrow;
use std::fmt;
use std::path::Path;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::agreement::{Pairs, same};
use super::similarity::Compared;
use super::trial::Trial;
use super::{
    AverageDrop, Better, Chance, Deletion, Insertion, MaxSensitivity, Metric, Randomisation,
    Sparseness,
};
use crate::attribution::{Attribution, Case, Evidence, Meaning, Reduction, Target};
use crate::chart::extent;
use crate::error::{Error, Result};
use crate::look::Look;
use crate::model::{Init, Model};
use crate::number::{counted, number};
use crate::photo::Photo;
use crate::picture::write_file;
use crate::show::{DASH, MimeBundle, Progress, Row, Show, Table, debug_line, quoted};
use crate::statistics::{self, paired};
use crate::tensor::IntoResult;

/// A metric that tells the methods apart by less than this share of its values says nothing about them.
const SATURATED: f64 = 0.01;
/// Rows and columns of a map at random.
const RANDOM: i64 = 7;

/// Whether explanations are worth believing: methods by metrics over photos. A cell shows the means with their spreads, the
/// best of each metric in bold, and below it what speaks against each method here.
#[derive(Clone)]
pub struct Trust {
    network: String,
    photos: usize,
    methods: Vec<String>,
    metrics: Vec<(String, Better)>,
    /// By method, metric and photo.
    values: Vec<Vec<Vec<Option<f64>>>>,
    /// Of a map at random, by metric and photo; nothing where that means nothing.
    at_random: Vec<Vec<Option<f64>>>,
    words: Vec<String>,
}

/// How far several methods can be trusted on these photos, by six metrics: [`Deletion`], [`Insertion`], [`AverageDrop`],
/// [`MaxSensitivity`], [`Randomisation`] and [`Sparseness`]; [`trust_by`] takes others. For comparison, a map at random of
/// 7 × 7 values is measured, too, a different one for each photo.
///
/// Below the table stands what speaks against each method: that it does not change when the network's weights are randomised
/// (rank correlation above 0.5), changes by more than half of itself when the photo hardly does, is no better than a map at
/// random, or cannot be told from one on so few photos (the paired test of Student, `p` above 0.05); and which metrics tell nothing
/// apart here (all methods within 1 %), and which methods mark the same (rank correlation above 0.99).
///
/// A method takes, for each photo, some 40 runs of the network and 12 explanations.
///
/// ```
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// let photos = [Photo::open("assets/photos/cat.png")?, Photo::open("assets/photos/dog.jpg")?];
/// let table = trust(&model, &photos, [&GradCam::default(), &Saliency::default()])?;
/// assert!(table.mean(0, 0).is_some());
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// No photos or no methods; a photo that the network cannot look at; when nothing at all could be measured.
pub fn trust<const N: usize>(
    model: &Model,
    photos: impl IntoIterator<Item = impl Borrow<Photo>>,
    methods: [&dyn Attribution; N],
) -> Result<Trust> {
    let randomisation = Randomisation::default();
    let metrics: [&dyn Metric; 6] = [
        &Deletion::default(),
        &Insertion::default(),
        &AverageDrop::default(),
        &MaxSensitivity::default(),
        &randomisation,
        &Sparseness::default(),
    ];
    trust_by(model, photos, &methods, &metrics)
}

/// [`trust`] by other metrics, and methods from a list of any length.
///
/// ```
/// use convlens::metric::trust_by;
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// let photos = [Photo::open("assets/photos/cat.png")?];
/// let left = Region::rectangle(224, 224, 0..224, 0..112)?;
/// let (cam, hires) = (GradCam::default(), HiResCam::default());
/// let methods: Vec<&dyn Attribution> = vec![&cam, &hires];
/// trust_by(&model, &photos, &methods, &[&Energy::inside([left]), &Adcc::default()])?;
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// As [`trust`]; no metrics.
pub fn trust_by(
    model: &Model,
    photos: impl IntoIterator<Item = impl Borrow<Photo>>,
    methods: &[&dyn Attribution],
    metrics: &[&dyn Metric],
) -> Result<Trust> {
    let photos: Vec<Photo> = photos.into_iter().map(|photo| photo.borrow().clone()).collect();
    for (count, noun) in
        [(photos.len(), "photos"), (methods.len(), "methods"), (metrics.len(), "metrics")]
    {
        if count == 0 {
            return Err(Error::Argument(format!("trust by no {noun}: give at least one")));
        }
    }
    let mut measured = Measured::new(methods.len(), metrics);
    let steps = photos.len() * methods.len();
    let mut progress = Progress::new("trust, methods on photos", steps as u64);
    for (i, photo) in photos.iter().enumerate() {
        let look = model.look(photo)?;
        let mut maps = Vec::with_capacity(methods.len());
        for (j, method) in methods.iter().enumerate() {
            maps.push(measured.method(&look, *method, i, j)?);
            progress.advance((i * methods.len() + j + 1) as u64)?;
        }
        measured.pairs.add(&maps, false);
        measured.at_random(&look, methods[0].target(), i);
    }
    progress.finish();
    measured.finish(model.name(), photos.len(), methods)
}

/// What is known so far.
struct Measured<'a> {
    metrics: &'a [&'a dyn Metric],
    /// By method, metric and photo.
    values: Vec<Vec<Vec<Option<f64>>>>,
    at_random: Vec<Vec<Option<f64>>>,
    pairs: Pairs,
    /// Why there is no value, by method.
    failures: Vec<Vec<Error>>,
}

impl<'a> Measured<'a> {
    fn new(methods: usize, metrics: &'a [&'a dyn Metric]) -> Measured<'a> {
        Measured {
            metrics,
            values: vec![vec![Vec::new(); metrics.len()]; methods],
            at_random: vec![Vec::new(); metrics.len()],
            pairs: Pairs::new(methods),
            failures: vec![Vec::new(); methods],
        }
    }

    /// One photo by one method; returns its map.
    fn method(
        &mut self,
        look: &Look,
        method: &dyn Attribution,
        photo: usize,
        place: usize,
    ) -> Result<Option<Compared>> {
        let trial = match Trial::of_photo(look, method, photo) {
            Ok(trial) => trial,
            Err(error) => {
                self.failures[place].push(error);
                self.values[place].iter_mut().for_each(|values| values.push(None));
                return Ok(None);
            }
        };
        for (metric, values) in self.metrics.iter().zip(&mut self.values[place]) {
            values.push(match metric.measure(&trial) {
                Ok(value) => value,
                Err(error) => {
                    self.failures[place].push(error.while_doing(metric.name()));
                    None
                }
            });
        }
        Compared::of(&trial, trial.heat()).map(Some)
    }

    /// One photo by a map at random.
    fn at_random(&mut self, look: &Look, target: Target, photo: usize) {
        let method = AtRandom { target, seed: photo as u64 };
        let trial = Trial::of_photo(look, &method, photo).ok();
        for (metric, values) in self.metrics.iter().zip(&mut self.at_random) {
            let trial = trial.as_ref().filter(|_| metric.has_chance_level());
            values.push(trial.and_then(|trial| metric.measure(trial).ok().flatten()));
        }
    }

    fn finish(self, network: &str, photos: usize, methods: &[&dyn Attribution]) -> Result<Trust> {
        let Measured { metrics, values, at_random, pairs, mut failures } = self;
        if values.iter().flatten().flatten().all(Option::is_none) {
            let first = failures.iter_mut().find_map(|errors| errors.drain(..).next());
            return Err(first.unwrap_or_else(|| {
                Error::Argument("none of the metrics has a value for any of the photos".into())
            }));
        }
        let mut table = Trust {
            network: network.to_owned(),
            photos,
            methods: methods.iter().map(|method| method.name()).collect(),
            metrics: metrics.iter().map(|metric| (metric.name(), metric.better())).collect(),
            values,
            at_random,
            words: Vec::new(),
        };
        table.words = table.objections(metrics);
        table.words.extend(same(&table.methods, &pairs));
        for (method, errors) in table.methods.iter().zip(failures) {
            let mut texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
            texts.dedup();
            let missing = texts.iter().map(|text| match text.starts_with(method.as_str()) {
                true => text.clone(),
                false => format!("{method}: {text}"),
            });
            table.words.extend(missing);
        }
        Ok(table)
    }
}

impl Trust {
    /// The methods, a row each.
    pub fn methods(&self) -> &[String] {
        &self.methods
    }

    /// The metrics, a column each.
    pub fn metrics(&self) -> Vec<&str> {
        self.metrics.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The values of a method by a metric, one for each photo, by their places; empty where there is no such place.
    pub fn values(&self, method: usize, metric: usize) -> &[Option<f64>] {
        self.values.get(method).and_then(|row| row.get(metric)).map_or(&[], Vec::as_slice)
    }

    /// The mean over the photos; `None` where there is no value.
    pub fn mean(&self, method: usize, metric: usize) -> Option<f64> {
        mean(self.values(method, metric))
    }

    /// The standard deviation over the photos, by `n − 1`.
    ///
    /// # Errors
    /// When less than two photos have a value.
    pub fn spread(&self, method: usize, metric: usize) -> Result<f64> {
        let values = self.values(method, metric);
        spread(values).ok_or_else(|| {
            Error::Argument(format!(
                "a spread needs values of two photos or more, and there {}: give more photos",
                match values.iter().flatten().count() {
                    1 => "is one".to_owned(),
                    count => format!("are {count}"),
                }
            ))
        })
    }

    /// The mean of a map at random by a metric; `None` where that means nothing.
    pub fn random(&self, metric: usize) -> Option<f64> {
        self.at_random.get(metric).and_then(|values| mean(values))
    }

    /// How a map at random does beside a method.
    fn chance(&self, method: usize, metric: usize) -> Option<Chance> {
        let pairs = self.values(method, metric).iter().zip(self.at_random.get(metric)?);
        let differences: Vec<f64> =
            pairs.filter_map(|(value, random)| Some((*value)? - (*random)?)).collect();
        Some(Chance { mean: self.random(metric)?, p: paired(&differences).map(|test| test.p) })
    }

    /// What speaks against each method here, and what else has to be known, a sentence each.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    fn objections(&self, metrics: &[&dyn Metric]) -> Vec<String> {
        let mut words = Vec::new();
        let mut nothing = Vec::new();
        for (i, method) in self.methods.iter().enumerate() {
            let against = metrics.iter().enumerate().filter_map(|(j, metric)| {
                metric.objection(self.mean(i, j)?, self.chance(i, j).as_ref())
            });
            let against: Vec<String> = against.collect();
            let measured = (0..metrics.len()).any(|j| self.mean(i, j).is_some());
            match against.is_empty() {
                true if measured => nothing.push(method.as_str()),
                true => {}
                false => words.push(format!("{method} {}", against.join("; "))),
            }
        }
        if !nothing.is_empty() {
            words.push(format!("nothing here speaks against {}", nothing.join(", ")));
        }
        if self.photos == 1 && self.at_random.iter().flatten().any(Option::is_some) {
            words.push("one photo does not show what differs by chance: give more".into());
        }
        for (j, (name, better)) in self.metrics.iter().enumerate() {
            let means: Vec<f64> = (0..self.methods.len()).filter_map(|i| self.mean(i, j)).collect();
            let Some((low, high)) = extent(&means) else { continue };
            let size = high.abs().max(low.abs());
            if means.len() > 1 && *better != Better::Neither && high - low <= SATURATED * size {
                words.push(format!(
                    "{name} tells nothing apart here: all methods have {} to {}",
                    number(low, 3),
                    number(high, 3)
                ));
            }
        }
        words
    }

    /// The places of the best methods by a metric, as the table writes the mean.
    fn best(&self, metric: usize) -> Vec<usize> {
        let means: Vec<Option<f64>> =
            (0..self.methods.len()).map(|i| self.mean(i, metric)).collect();
        let known: Vec<f64> = means.iter().copied().flatten().collect();
        let Some((low, high)) = extent(&known) else { return Vec::new() };
        let best = match self.metrics[metric].1 {
            Better::Higher => high,
            Better::Lower => low,
            Better::Neither => return Vec::new(),
        };
        let as_good =
            |mean: &Option<f64>| mean.is_some_and(|mean| number(mean, 3) == number(best, 3));
        (0..means.len()).filter(|&i| as_good(&means[i])).collect()
    }

    fn table(&self) -> Table<String> {
        let cell = |values: &[Option<f64>]| {
            let Some(mean) = mean(values) else { return DASH.to_owned() };
            let count = values.iter().flatten().count();
            let spread =
                spread(values).map_or(String::new(), |s| format!(" ±\u{a0}{}", number(s, 2)));
            let fewer = if count < self.photos { format!(" ({count})") } else { String::new() };
            number(mean, 3) + &spread + &fewer
        };
        let best: Vec<Vec<usize>> = (0..self.metrics.len()).map(|j| self.best(j)).collect();
        let row = |(i, method): (usize, &String)| {
            let cells = self.values[i].iter().map(|values| cell(values));
            let bold = best.iter().enumerate().filter(|(_, best)| best.contains(&i));
            Row {
                bold: bold.map(|(j, _)| j + 1).collect(),
                ..Row::flat(std::iter::once(method.clone()).chain(cells).collect())
            }
        };
        let mut rows: Vec<Row> = self.methods.iter().enumerate().map(row).collect();
        if self.at_random.iter().flatten().any(Option::is_some) {
            let cells = self.at_random.iter().map(|values| cell(values));
            rows.push(Row::flat(
                std::iter::once("a map at random".to_owned()).chain(cells).collect(),
            ));
        }
        let column = |(name, better): &(String, Better)| {
            let arrow = match better {
                Better::Higher => "\u{a0}↑",
                Better::Lower => "\u{a0}↓",
                Better::Neither => "",
            };
            (format!("{name}{arrow}"), true)
        };
        let what = match self.photos {
            1 => counted(1, "photo"),
            count => format!("mean ± standard deviation over {}", counted(count, "photo")),
        };
        let measured = self.values.iter().chain([&self.at_random]).flatten();
        let some = measured.map(|values| values.iter().flatten().count());
        let fewer = match some.into_iter().any(|count| count > 0 && count < self.photos) {
            true => "; in brackets, how many photos have a value, where not all have",
            false => "",
        };
        let columns = self.metrics.iter().map(column);
        Table {
            caption: format!("{}, {what}; ↑ high is better, ↓ low is better{fewer}", self.network),
            columns: std::iter::once(("method".to_owned(), false)).chain(columns).collect(),
            rows,
            notes: self.words.clone(),
        }
    }

    /// Writes the table: `.html`, `.txt`, or every value in a `.csv`.
    ///
    /// # Errors
    /// Another ending; a file that cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let text = match ending {
            "html" => self.bundle().to_html(),
            "txt" => self.to_string(),
            "csv" => self.csv(),
            _ => {
                return Err(Error::file(
                    path,
                    format!("a table is written as .html, .txt or .csv, not as {ending:?}"),
                ));
            }
        };
        write_file(path, text.as_bytes(), "the table")
    }

    fn csv(&self) -> String {
        let mut text = "method,metric,photo,value\n".to_owned();
        for (method, row) in self.methods.iter().zip(&self.values) {
            for ((metric, _), values) in self.metrics.iter().zip(row) {
                for (photo, value) in values.iter().enumerate() {
                    let value = value.map_or(String::new(), |value| value.to_string());
                    text += &format!("{},{},{photo},{value}\n", quoted(method), quoted(metric));
                }
            }
        }
        text
    }
}

impl fmt::Display for Trust {
    /// The table as text, the best of each metric with a star.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table().text())
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (methods, metrics) = (self.methods.len(), self.metrics.len());
        debug_line(
            f,
            format_args!("Trust of {}, {methods} methods by {metrics} metrics", self.network),
        )
    }
}

impl Show for Trust {
    fn bundle(&self) -> MimeBundle {
        self.table().bundle()
    }
}

fn known(values: &[Option<f64>]) -> Vec<f64> {
    values.iter().copied().flatten().collect()
}

fn mean(values: &[Option<f64>]) -> Option<f64> {
    Some(known(values)).filter(|known| !known.is_empty()).map(|known| statistics::mean(&known))
}

fn spread(values: &[Option<f64>]) -> Option<f64> {
    Some(known(values)).filter(|known| known.len() > 1).map(|known| statistics::deviation(&known))
}

/// A map that knows nothing, for comparison.
struct AtRandom {
    target: Target,
    seed: u64,
}

impl Attribution for AtRandom {
    fn name(&self) -> String {
        "a map at random".into()
    }

    fn target(&self) -> Target {
        self.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let mut random = StdRng::seed_from_u64(self.seed);
        let values = Init::Uniform(0.5).tensor(&[1, 1, RANDOM, RANDOM], &mut random)?;
        let values = values.f_add_scalar(0.5).into_result()?;
        let size = [case.count() as i64, 1, RANDOM, RANDOM];
        Ok(Evidence {
            contributions: values.f_expand(size, false).into_result()?,
            reduction: Reduction::Sum,
            meaning: Meaning::Positive,
            layer: Some("nowhere".into()),
            remarks: Vec::new(),
            segments: Vec::new(),
        })
    }
}
