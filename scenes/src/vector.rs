//! Points and directions in space: x to the right, y up, z towards where an animal looks.

use std::ops::{Add, Mul, Neg, Sub};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Vector {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) z: f32,
}

pub(super) const fn at(x: f32, y: f32, z: f32) -> Vector {
    Vector { x, y, z }
}

impl Add for Vector {
    type Output = Vector;
    fn add(self, other: Vector) -> Vector {
        at(self.x + other.x, self.y + other.y, self.z + other.z)
    }
}

impl Sub for Vector {
    type Output = Vector;
    fn sub(self, other: Vector) -> Vector {
        at(self.x - other.x, self.y - other.y, self.z - other.z)
    }
}

impl Neg for Vector {
    type Output = Vector;
    fn neg(self) -> Vector {
        self * -1.0
    }
}

impl Mul<f32> for Vector {
    type Output = Vector;
    fn mul(self, factor: f32) -> Vector {
        at(self.x * factor, self.y * factor, self.z * factor)
    }
}

impl Vector {
    pub(super) fn dot(self, other: Vector) -> f32 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    pub(super) fn cross(self, o: Vector) -> Vector {
        let [x, y, z] = [self.x, self.y, self.z];
        at(y * o.z - z * o.y, z * o.x - x * o.z, x * o.y - y * o.x)
    }

    pub(super) fn length(self) -> f32 {
        self.dot(self).sqrt()
    }

    /// The same direction, of length 1; of no length for the origin.
    pub(super) fn unit(self) -> Vector {
        self * (1.0 / self.length().max(1e-9))
    }

    pub(super) fn towards(self, other: Vector, share: f32) -> Vector {
        self + (other - self) * share
    }

    /// On the other side of the animal.
    pub(super) fn mirrored(self) -> Vector {
        at(-self.x, self.y, self.z)
    }
}

/// A place with directions of its own.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) origin: Vector,
    pub(super) right: Vector,
    pub(super) up: Vector,
    pub(super) ahead: Vector,
    pub(super) scale: f32,
}

impl Frame {
    /// Turned to the right about the vertical, then up, then tilted sideways, in radians.
    pub(super) fn new(origin: Vector, scale: f32, turn: f32, lift: f32, tilt: f32) -> Frame {
        let ahead = at(turn.sin() * lift.cos(), lift.sin(), turn.cos() * lift.cos());
        let level = at(turn.cos(), 0.0, -turn.sin());
        let upright = ahead.cross(level);
        let right = level * tilt.cos() + upright * tilt.sin();
        Frame { origin, right, up: ahead.cross(right), ahead, scale }
    }

    /// From the frame's numbers to the world's.
    pub(super) fn out(&self, p: Vector) -> Vector {
        self.origin + self.direction(p) * self.scale
    }

    /// A direction of the frame in the world.
    pub(super) fn direction(&self, d: Vector) -> Vector {
        self.right * d.x + self.up * d.y + self.ahead * d.z
    }

    /// From the world's numbers to the frame's.
    pub(super) fn inside(&self, p: Vector) -> Vector {
        let d = p - self.origin;
        at(d.dot(self.right), d.dot(self.up), d.dot(self.ahead)) * (1.0 / self.scale)
    }
}
