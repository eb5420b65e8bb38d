//! What the five sensors detect, or are foreseen to detect, at each distance ahead.

use std::fmt;
use std::sync::Arc;

use convlens::chart::Cells;
use convlens::look::Look;
use convlens::picture::{Colormap, Picture};
use convlens::show::{MimeBundle, Show, debug_line};
use convlens::tensor::to_floats;
use convlens::{Error, Result};
use tch::Tensor;

use super::sensor::{DISTANCES, Sensor, distance};

/// For each of the five sensors and 65 distances, the probability, 0 to 1, that the sensor detects
/// something there; of a [`Scene`](super::Scene)'s truth, 0 or 1. Cheap to clone.
///
/// A cell shows the picture that it was read from, and beside it the map of probabilities as from
/// above: sensors from left to right, distances from below.
///
/// ```
/// use convlens_scenes::prelude::*;
/// use convlens_scenes::robot::Sensor;
/// let scene = Arena::default().seed(5).scene()?;
/// let look = networks::robot_range()?.look(&scene.photo()?)?;
/// let foreseen = Reading::from_look(&look)?;
/// let soon = foreseen.value(Sensor::Centre, 10); // within 14 cm of the place 20 cm ahead?
/// assert!(soon.is_some_and(|p| (0.0..=1.0).contains(&p)));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
pub struct Reading {
    title: Arc<str>,
    picture: Option<Picture>,
    values: Arc<[f32]>,
}

impl Reading {
    /// How many values there are.
    const COUNT: usize = DISTANCES * Sensor::ALL.len();

    /// A reading from its 325 probabilities, distance by distance and from left to right.
    ///
    /// # Errors
    /// When there are more or fewer, or one of them is not in 0 to 1.
    pub fn new(values: Vec<f32>) -> Result<Reading> {
        if values.len() != Self::COUNT {
            return Err(Error::Shape(format!(
                "a reading has {} values, {DISTANCES} distances of {} sensors, not {}",
                Self::COUNT,
                Sensor::ALL.len(),
                values.len()
            )));
        }
        if let Some(value) = values.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            return Err(Error::Argument(format!(
                "a reading holds probabilities, 0 to 1, but one of these is {value}: does the \
                 network end in a sigmoid?"
            )));
        }
        Ok(Reading { title: "reading".into(), picture: None, values: values.into() })
    }

    /// What a network such as [`robot_range`](crate::networks::robot_range) foresees in a picture.
    ///
    /// # Errors
    /// When the network does not put out 325 probabilities.
    pub fn from_look(look: &Look) -> Result<Reading> {
        let name = look.model().name();
        let read = |look: &Look| Reading::new(to_floats(&look.logits()?)?);
        let reading = read(look)
            .map_err(|e| e.while_doing(format!("reading the sensors off the output of {name}")))?;
        Ok(reading.titled(name).seen_in(&look.seen()))
    }

    /// The same reading under another title.
    pub fn titled(&self, title: &str) -> Reading {
        Reading { title: title.into(), ..self.clone() }
    }

    /// The same reading with the picture that it belongs to.
    pub(super) fn seen_in(mut self, picture: &Picture) -> Reading {
        self.picture = Some(picture.clone());
        self
    }

    /// "truth", or the network's name, unless another was given.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// All values, distance by distance and from left to right.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The value of a sensor at a step; `None` beyond the last.
    pub fn value(&self, sensor: Sensor, step: usize) -> Option<f32> {
        self.values.get(sensor.class_at(step)?).copied()
    }

    /// The least distance, in cm, at which a sensor is more likely than not to detect something.
    pub fn first(&self, sensor: Sensor) -> Option<f64> {
        let detects = |step: &usize| self.value(sensor, *step).is_some_and(|value| value >= 0.5);
        (0..DISTANCES).find(detects).map(distance)
    }

    /// The values as a network's target, `[1, 325]`.
    ///
    /// # Errors
    /// When libtorch has no memory for them.
    pub fn to_tensor(&self) -> Result<Tensor> {
        Ok(Tensor::f_from_slice(&self.values)?.f_view([1, Self::COUNT as i64])?)
    }

    /// The map of probabilities: dark where something is detected.
    ///
    /// # Errors
    /// When it cannot be drawn.
    pub fn map(&self) -> Result<Picture> {
        map(self.values.to_vec(), [0.0, 1.0], Colormap::Greys)
    }

    /// The picture, this reading, and another one of the same picture beside each other: what is
    /// foreseen, and the truth.
    ///
    /// # Errors
    /// When they cannot be drawn.
    pub fn compared(&self, truth: &Reading) -> Result<Picture> {
        self.arranged(&[self, truth])
    }

    fn arranged(&self, readings: &[&Reading]) -> Result<Picture> {
        let mut parts = Vec::new();
        if let Some(picture) = &self.picture {
            // Together they fit into a notebook.
            let wide = if readings.len() > 1 { 240u32 } else { 400 };
            let factor = wide.div_ceil(picture.width().max(1));
            parts.push(picture.enlarged(factor)?.titled("what the robot sees"));
        }
        for reading in readings {
            parts.push(reading.map()?.titled(&reading.title));
        }
        Ok(Picture::flowed(&parts, 12))
    }
}

/// Values of all sensors and distances as from above.
pub(super) fn map(values: Vec<f32>, [low, high]: [f32; 2], colormap: Colormap) -> Result<Picture> {
    Cells::new(Sensor::ALL.map(Sensor::name), values)
        .axes("sensor", "distance ahead in cm")
        .step(distance(1))
        .range(low, high)
        .colormap(colormap)
        .picture()
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = Sensor::ALL.map(|sensor| match self.first(sensor) {
            Some(cm) => format!("{} from {cm} cm", sensor.name()),
            None => format!("{} never", sensor.name()),
        });
        write!(f, "{}: something is detected {}", self.title, first.join(", "))
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Reading {self}"))
    }
}

impl Show for Reading {
    fn bundle(&self) -> MimeBundle {
        self.arranged(&[self])
            .map(|picture| MimeBundle::picture(picture, self.to_string()))
            .bundle()
    }
}
