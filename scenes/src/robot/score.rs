//! How well readings are foreseen.

use std::fmt;

use convlens::Result;
use convlens::picture::{Colormap, Picture};
use convlens::show::{MimeBundle, Show, debug_line};

use super::Reading;
use super::reading::map;
use super::sensor::{DISTANCES, Sensor, distance};

/// How well what was foreseen agrees with the truth, over many scenes.
///
/// The measure is the paper's: for each sensor and distance the area under the ROC curve, which is
/// the probability that a scene where the sensor detects something gets a higher value than one
/// where it does not (ties count half); ½ is guessing, 1 perfect. Where nearly all scenes are
/// alike, it says more than the share of right answers.
///
/// A cell shows the map of these areas, with the table as its text.
///
/// ```
/// use convlens_scenes::prelude::*;
/// let model = networks::robot_range()?;
/// let mut score = RangeScore::default();
/// for seed in 0..20 {
///     let scene = Arena::default().seed(9_000_000 + seed).scene()?;
///     score.add(scene.truth(), &Reading::from_look(&model.look(&scene.photo()?)?)?);
/// }
/// assert!(score.accuracy() > score.base_accuracy());
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct RangeScore {
    pairs: Vec<(Reading, Reading)>,
}

impl RangeScore {
    /// Adds a scene: its truth, and what was foreseen.
    pub fn add(&mut self, truth: &Reading, foreseen: &Reading) {
        self.pairs.push((truth.clone(), foreseen.clone()));
    }

    /// How many scenes there are.
    pub fn scenes(&self) -> usize {
        self.pairs.len()
    }

    /// The truth and what was foreseen for a sensor at a step, scene by scene.
    fn answers(&self, sensor: Sensor, step: usize) -> Vec<(bool, f32)> {
        let answer = |(truth, foreseen): &(Reading, Reading)| {
            Some((truth.value(sensor, step)? >= 0.5, foreseen.value(sensor, step)?))
        };
        self.pairs.iter().filter_map(answer).collect()
    }

    /// The area under the ROC curve for a sensor at a step, by ranks (Mann and Whitney). `None`
    /// where all scenes are alike.
    pub fn auc(&self, sensor: Sensor, step: usize) -> Option<f64> {
        let mut answers = self.answers(sensor, step);
        answers.sort_by(|a, b| a.1.total_cmp(&b.1));
        let yes = answers.iter().filter(|(truth, _)| *truth).count();
        let no = answers.len() - yes;
        let (mut below, mut wins) = (0, 0.0);
        for alike in answers.chunk_by(|a, b| a.1 == b.1) {
            let found = alike.iter().filter(|(truth, _)| *truth).count();
            let others = alike.len() - found;
            wins += found as f64 * (below as f64 + 0.5 * others as f64);
            below += others;
        }
        (yes > 0 && no > 0).then(|| wins / (yes as f64 * no as f64))
    }

    /// The mean [`auc`](RangeScore::auc) of a sensor over all distances.
    pub fn mean_auc(&self, sensor: Sensor) -> Option<f64> {
        self.mean(|step| self.auc(sensor, step))
    }

    /// The share of scenes in which a sensor detects something at a step.
    pub fn detected(&self, sensor: Sensor, step: usize) -> Option<f64> {
        let answers = self.answers(sensor, step);
        share(answers.iter().filter(|(truth, _)| *truth).count(), answers.len())
    }

    /// The share of right answers for a sensor at a step, where ½ and more means yes.
    pub fn accuracy_at(&self, sensor: Sensor, step: usize) -> Option<f64> {
        let answers = self.answers(sensor, step);
        let right = answers.iter().filter(|(truth, value)| *truth == (*value >= 0.5));
        share(right.count(), answers.len())
    }

    /// The share of right answers of all sensors and distances.
    pub fn accuracy(&self) -> f64 {
        self.mean_of_all(|sensor, step| self.accuracy_at(sensor, step))
    }

    /// The share of right answers of somebody who always gives the more frequent one, for each
    /// sensor and distance.
    pub fn base_accuracy(&self) -> f64 {
        self.mean_of_all(|sensor, step| self.base_accuracy_at(sensor, step))
    }

    fn base_accuracy_at(&self, sensor: Sensor, step: usize) -> Option<f64> {
        self.detected(sensor, step).map(|share| share.max(1.0 - share))
    }

    fn mean_of_all(&self, value: impl Fn(Sensor, usize) -> Option<f64>) -> f64 {
        let sensors = Sensor::ALL.map(|sensor| self.mean(|step| value(sensor, step)));
        sensors.into_iter().flatten().sum::<f64>() / Sensor::ALL.len() as f64
    }

    fn mean(&self, value: impl Fn(usize) -> Option<f64>) -> Option<f64> {
        let values: Vec<f64> = (0..DISTANCES).filter_map(value).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }

    /// The map of the areas under the ROC curve, from ½, guessing, to 1.
    ///
    /// # Errors
    /// When it cannot be drawn.
    pub fn map(&self) -> Result<Picture> {
        let values: Vec<f32> = (0..DISTANCES)
            .flat_map(|step| Sensor::ALL.map(|sensor| self.auc(sensor, step)))
            .map(|auc| auc.map_or(f32::NAN, |auc| auc as f32))
            .collect();
        map(values, [0.5, 1.0], Colormap::Viridis)
    }

    fn totals(&self) -> String {
        format!(
            "{} scenes: {:.1} % of the answers are right; always giving the more frequent one makes \
             {:.1} %",
            self.scenes(),
            100.0 * self.accuracy(),
            100.0 * self.base_accuracy()
        )
    }
}

fn share(count: usize, all: usize) -> Option<f64> {
    (all > 0).then(|| count as f64 / all as f64)
}

/// The table's rows.
const STEPS: [usize; 8] = [0, 5, 10, 20, 30, 40, 50, 64];

impl fmt::Display for RangeScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Sensor::ALL.map(|sensor| format!("{:>11}", sensor.name())).concat();
        writeln!(f, "{:<22}{names}", "area under ROC curve")?;
        let line = |label: &str, value: &dyn Fn(Sensor) -> Option<f64>| {
            let values = Sensor::ALL.map(|sensor| match value(sensor) {
                Some(value) => format!("{value:>11.3}"),
                None => format!("{:>11}", "–"),
            });
            format!("{label:<22}{}\n", values.concat())
        };
        for step in STEPS {
            f.write_str(&line(&format!("at {} cm", distance(step)), &|s| self.auc(s, step)))?;
        }
        f.write_str(&line("mean of 65 distances", &|sensor| self.mean_auc(sensor)))?;
        let right = |sensor: Sensor| self.mean(|step| self.accuracy_at(sensor, step));
        f.write_str(&line("right answers", &right))?;
        let base = |sensor: Sensor| self.mean(|step| self.base_accuracy_at(sensor, step));
        f.write_str(&line("base rate", &base))?;
        let detected = |sensor: Sensor| self.mean(|step| self.detected(sensor, step));
        f.write_str(&line("something detected", &detected))?;
        f.write_str(&self.totals())
    }
}

impl fmt::Debug for RangeScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("RangeScore of {} readings", self.pairs.len()))
    }
}

impl Show for RangeScore {
    fn bundle(&self) -> MimeBundle {
        let picture = |map: Picture| {
            let map = map.titled("area under the ROC curve").captioned(&self.totals());
            MimeBundle::picture(map, self.to_string())
        };
        self.map().map(picture).bundle()
    }
}
