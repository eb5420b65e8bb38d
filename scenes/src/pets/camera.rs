//! The camera: rays through pixels, and pixels of places.

use crate::vector::{Vector, at};

/// Half the width of the picture at distance 1.
const HALF_WIDTH: f32 = 0.3;

pub(super) struct Camera {
    pub(super) eye: Vector,
    right: Vector,
    up: Vector,
    pub(super) ahead: Vector,
    side: f32,
    /// Where the middle of what it looks at lies in the picture, off its centre.
    off: [f32; 2],
}

impl Camera {
    /// Looks at balls from a direction, `turn` from the animal's front and `lift` above level, so
    /// that together they are as wide or high as `share` of the picture.
    pub(super) fn new(
        balls: &[(Vector, f32)],
        (turn, lift): (f32, f32),
        share: f32,
        off: [f32; 2],
        side: usize,
    ) -> Camera {
        let back = at(turn.sin() * lift.cos(), lift.sin(), turn.cos() * lift.cos());
        let right = at(0.0, 1.0, 0.0).cross(back).unit();
        let up = back.cross(right);
        let middle_and_half = |axis: Vector| {
            let spans =
                balls.iter().map(|(centre, r)| (centre.dot(axis) - r, centre.dot(axis) + r));
            let (a, b) = spans.fold((f32::MAX, f32::MIN), |(a, b), (c, d)| (a.min(c), b.max(d)));
            (0.5 * (a + b), 0.5 * (b - a))
        };
        let [across, high, deep] = [right, up, back].map(middle_and_half);
        let centre = right * across.0 + up * high.0 + back * deep.0;
        let eye = centre + back * (across.1.max(high.1) / (share * HALF_WIDTH));
        Camera { eye, right, up, ahead: -back, side: side as f32, off }
    }

    /// The ray through a point of the picture, in pixels from its upper left corner, of length 1.
    pub(super) fn ray(&self, x: f32, y: f32) -> Vector {
        let across = 2.0 * x / self.side - 1.0 - self.off[0];
        let down = 2.0 * y / self.side - 1.0 - self.off[1];
        (self.ahead + self.right * (across * HALF_WIDTH) - self.up * (down * HALF_WIDTH)).unit()
    }

    /// Where in the picture a place is seen, in pixels.
    pub(super) fn seen(&self, p: Vector) -> [f32; 2] {
        let d = p - self.eye;
        let scale = 1.0 / (d.dot(self.ahead).max(1e-3) * HALF_WIDTH);
        let (across, down) = (d.dot(self.right) * scale, -d.dot(self.up) * scale);
        [across + self.off[0], down + self.off[1]].map(|v| 0.5 * (v + 1.0) * self.side)
    }

    /// How wide a pixel is at distance 1.
    pub(super) fn pixel(&self) -> f32 {
        2.0 * HALF_WIDTH / self.side
    }

    pub(super) fn level(&self) -> Vector {
        self.right
    }
}
