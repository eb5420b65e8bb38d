//! The camera: it stands upright at the origin and looks along z.

use crate::vector::Vector;

pub(super) struct Lens {
    /// Of the square canvas, in its pixels.
    pub(super) side: usize,
    /// Pixels that a metre takes at a distance of one.
    pub(super) focal: f32,
    /// The row that lies as high as the camera.
    pub(super) horizon: f32,
    /// Metres above the ground.
    pub(super) height: f32,
}

impl Lens {
    /// Where a place is seen, in pixels from the upper left corner, and how many of them a metre
    /// takes there.
    pub(super) fn seen(&self, p: Vector) -> ([f32; 2], f32) {
        let scale = self.focal / p.z.max(0.1);
        ([0.5 * self.side as f32 + scale * p.x, self.horizon + scale * (self.height - p.y)], scale)
    }

    /// What a pixel's ray goes through at depth 1: to the right and up.
    pub(super) fn ray(&self, x: f32, y: f32) -> [f32; 2] {
        [(x - 0.5 * self.side as f32) / self.focal, (self.horizon - y) / self.focal]
    }

    /// How far to both sides of the middle one sees at a depth.
    pub(super) fn half_width(&self, depth: f32) -> f32 {
        0.5 * self.side as f32 / self.focal * depth
    }
}
