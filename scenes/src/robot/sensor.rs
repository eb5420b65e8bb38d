//! The robot's five sensors, where they are as it drives ahead, and what they detect.

use super::world::World;

/// The number of distances ahead.
pub const DISTANCES: usize = 65;
/// From one distance to the next, in cm.
const STEP: f32 = 2.0;
/// How far the sensors see, in cm.
const RANGE: f32 = 14.0;

/// The robot's front is an arc of this radius around its axle, so wide to either side.
const FRONT: f32 = 8.0;
const HALF_WIDTH: f32 = 5.6;
/// What is left between the robot and what it has stopped at.
const GAP: f32 = 0.5;

/// One of the five proximity sensors in the robot's front, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sensor {
    /// Looks 40° to the left.
    Left,
    /// Looks 20° to the left.
    HalfLeft,
    /// Looks straight ahead.
    Centre,
    /// Looks 20° to the right.
    HalfRight,
    /// Looks 40° to the right.
    Right,
}

impl Sensor {
    /// All five, from left to right.
    pub const ALL: [Sensor; 5] =
        [Sensor::Left, Sensor::HalfLeft, Sensor::Centre, Sensor::HalfRight, Sensor::Right];

    /// Its name, as class names have it.
    pub fn name(self) -> &'static str {
        match self {
            Sensor::Left => "left",
            Sensor::HalfLeft => "half left",
            Sensor::Centre => "centre",
            Sensor::HalfRight => "half right",
            Sensor::Right => "right",
        }
    }

    /// The class of "this sensor detects something at this step", in the order of the network's
    /// outputs: `5 step + sensor`. `None` beyond the last step.
    ///
    /// ```
    /// use convlens_scenes::robot::{Sensor, class_names};
    /// let class = Sensor::Centre.class_at(10).unwrap_or_default();
    /// assert_eq!(class_names()[class], "centre at 20 cm");
    /// ```
    pub fn class_at(self, step: usize) -> Option<usize> {
        (step < DISTANCES).then_some(step * Sensor::ALL.len() + self as usize)
    }

    /// Where it sits while the nose is at the origin, and the direction in which it looks.
    fn ray(self) -> ([f32; 2], [f32; 2]) {
        let (place, degrees) = match self {
            Sensor::Left => ([-1.75, 4.85], 40f32),
            Sensor::HalfLeft => ([-0.45, 2.55], 20.0),
            Sensor::Centre => ([0.0, 0.0], 0.0),
            Sensor::HalfRight => ([-0.45, -2.55], -20.0),
            Sensor::Right => ([-1.75, -4.85], -40.0),
        };
        let (sin, cos) = degrees.to_radians().sin_cos();
        (place, [cos, sin])
    }
}

/// How far ahead a step is, in cm.
///
/// ```
/// assert_eq!(convlens_scenes::robot::distance(64), 128.0);
/// ```
pub fn distance(step: usize) -> f64 {
    step as f64 * f64::from(STEP)
}

/// The 325 classes of the network's outputs, distance by distance and from left to right: "left at
/// 0 cm", "half left at 0 cm", ..., "right at 128 cm".
pub fn class_names() -> Vec<String> {
    (0..DISTANCES)
        .flat_map(|step| {
            Sensor::ALL.map(|sensor| format!("{} at {} cm", sensor.name(), distance(step)))
        })
        .collect()
}

/// Whether each sensor detects something at each distance, in the order of the classes.
pub(super) fn detections(world: &World) -> Vec<bool> {
    let limit = way(world);
    (0..DISTANCES)
        .flat_map(|step| {
            let driven = (distance(step) as f32).min(limit);
            Sensor::ALL.map(|sensor| {
                let ([x, y], direction) = sensor.ray();
                world.way_along([x + driven, y], direction) <= RANGE
            })
        })
        .collect()
}

/// How far the robot gets straight ahead: each point of its front drives until it meets something.
fn way(world: &World) -> f32 {
    const POINTS: i32 = 8;
    let met = (-POINTS..=POINTS).map(|i| {
        let y = HALF_WIDTH * i as f32 / POINTS as f32;
        let x = (FRONT * FRONT - y * y).sqrt() - FRONT;
        world.way_along([x, y], [1.0, 0.0])
    });
    (met.fold(f32::MAX, f32::min) - GAP).max(0.0)
}

/// The middle of the robot's axle, and the circle around it in which nothing else may stand.
pub(super) const AXLE: [f32; 2] = [-FRONT, 0.0];
pub(super) const BODY: f32 = FRONT + GAP;
