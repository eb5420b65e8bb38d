//! Things that stand on the floor, and where a line meets them.

use convlens::{Error, Result};

/// What stands in the robot's way: a block or a cylinder, upright on the floor.
///
/// ```
/// use convlens_scenes::robot::Obstacle;
/// // Half a metre ahead, 10 cm to the left.
/// let can = Obstacle::cylinder(50.0, 10.0, 4.0).height(12.0).colour([200, 30, 30]);
/// let wall = Obstacle::block(80.0, 0.0, 4.0, 60.0).turned(20.0);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Obstacle {
    /// The middle of its ground plan.
    pub(super) centre: [f32; 2],
    pub(super) plan: Plan,
    pub(super) height: f32,
    /// `None`: the arena chooses.
    pub(super) colour: Option<[u8; 3]>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Plan {
    Circle {
        radius: f32,
    },
    /// Half the sides, and the direction of the first of them as cosine and sine.
    Rectangle {
        half: [f32; 2],
        cos: f32,
        sin: f32,
    },
}

/// Where a line enters and leaves a ground plan, in multiples of its direction, and the outward
/// normal where it enters.
pub(super) struct Crossing {
    pub(super) enters: f32,
    pub(super) leaves: f32,
    pub(super) normal: [f32; 2],
}

impl Obstacle {
    /// An upright cylinder whose axis stands `ahead` of the robot's nose and `left` of its path, in
    /// cm; 15 cm high.
    pub fn cylinder(ahead: f32, left: f32, radius: f32) -> Obstacle {
        Obstacle {
            centre: [ahead, left],
            plan: Plan::Circle { radius },
            height: 15.0,
            colour: None,
        }
    }

    /// A block around this point, `depth` cm along the robot's path and `width` cm across it; 15 cm
    /// high.
    pub fn block(ahead: f32, left: f32, depth: f32, width: f32) -> Obstacle {
        let half = [depth / 2.0, width / 2.0];
        Obstacle {
            centre: [ahead, left],
            plan: Plan::Rectangle { half, cos: 1.0, sin: 0.0 },
            height: 15.0,
            colour: None,
        }
    }

    /// Turns a block to the left by so many degrees; a cylinder stays what it is.
    pub fn turned(&self, degrees: f32) -> Obstacle {
        match self.plan {
            Plan::Rectangle { half, .. } => {
                let (sin, cos) = degrees.to_radians().sin_cos();
                Obstacle { plan: Plan::Rectangle { half, cos, sin }, ..self.clone() }
            }
            _ => self.clone(),
        }
    }

    /// How high it is, in cm.
    pub fn height(&self, height: f32) -> Obstacle {
        Obstacle { height, ..self.clone() }
    }

    /// Its colour under white light, in sRGB.
    pub fn colour(&self, colour: [u8; 3]) -> Obstacle {
        Obstacle { colour: Some(colour), ..self.clone() }
    }

    /// The radius of the circle around the ground plan.
    pub(super) fn reach(&self) -> f32 {
        match self.plan {
            Plan::Circle { radius } => radius,
            Plan::Rectangle { half: [a, b], .. } => a.hypot(b),
        }
    }

    /// The line `origin + t direction` in the ground plan.
    pub(super) fn crossing(&self, origin: [f32; 2], direction: [f32; 2]) -> Option<Crossing> {
        let to = [self.centre[0] - origin[0], self.centre[1] - origin[1]];
        let square = direction[0] * direction[0] + direction[1] * direction[1];
        let aside = direction[0] * to[1] - direction[1] * to[0];
        let reach = self.reach();
        // Most lines pass by.
        if square == 0.0 || aside * aside > reach * reach * square {
            return None;
        }
        match self.plan {
            Plan::Circle { radius } => {
                let along = (direction[0] * to[0] + direction[1] * to[1]) / square;
                let half = (radius * radius * square - aside * aside).max(0.0).sqrt() / square;
                let enters = along - half;
                let normal = [0, 1].map(|i| (enters * direction[i] - to[i]) / radius);
                Some(Crossing { enters, leaves: along + half, normal })
            }
            Plan::Rectangle { half, cos, sin } => {
                let inner = |v: [f32; 2]| [cos * v[0] + sin * v[1], cos * v[1] - sin * v[0]];
                let (to, direction) = (inner(to), inner(direction));
                let mut crossing =
                    Crossing { enters: f32::MIN, leaves: f32::MAX, normal: [0.0; 2] };
                for (side, axis) in [[cos, sin], [-sin, cos]].into_iter().enumerate() {
                    if direction[side].abs() < 1e-9 {
                        if to[side].abs() > half[side] {
                            return None;
                        }
                        continue;
                    }
                    let sign = direction[side].signum();
                    let enters = (to[side] - sign * half[side]) / direction[side];
                    if enters > crossing.enters {
                        crossing.enters = enters;
                        crossing.normal = axis.map(|v| -sign * v);
                    }
                    let leaves = (to[side] + sign * half[side]) / direction[side];
                    crossing.leaves = crossing.leaves.min(leaves);
                }
                (crossing.enters <= crossing.leaves).then_some(crossing)
            }
        }
    }

    /// How far a point of the floor is from the ground plan, 0 inside.
    pub(super) fn distance(&self, point: [f32; 2]) -> f32 {
        let (x, y) = (point[0] - self.centre[0], point[1] - self.centre[1]);
        match self.plan {
            Plan::Circle { radius } => (x.hypot(y) - radius).max(0.0),
            Plan::Rectangle { half, cos, sin } => {
                let (u, v) = (cos * x + sin * y, cos * y - sin * x);
                (u.abs() - half[0]).max(0.0).hypot((v.abs() - half[1]).max(0.0))
            }
        }
    }

    /// What is wrong with an obstacle that a user made.
    pub(super) fn check(&self) -> Result<()> {
        let sides = match self.plan {
            Plan::Circle { radius } => [radius, radius],
            Plan::Rectangle { half, .. } => half,
        };
        let turned = match self.plan {
            Plan::Rectangle { cos, sin, .. } => cos.is_finite() && sin.is_finite(),
            Plan::Circle { .. } => true,
        };
        let inside = |v: f32, most: f32| v.abs() <= most; // false for NaN
        if !(inside(self.centre[0], 250.0) && inside(self.centre[1], 250.0) && turned) {
            return Err(Error::Argument(format!(
                "an obstacle stands within 250 cm of the robot, not at {:?}",
                self.centre
            )));
        }
        if !sides.iter().all(|side| (0.5..=200.0).contains(side)) {
            return Err(Error::Argument(format!(
                "an obstacle's radius and half its sides are 0.5 to 200 cm, not {sides:?}"
            )));
        }
        // The sensors look along 3.4 cm above the floor.
        if !(4.0..=200.0).contains(&self.height) {
            return Err(Error::Argument(format!(
                "an obstacle is 4 to 200 cm high, not {}: the sensors would miss a lower one",
                self.height
            )));
        }
        Ok(())
    }
}
