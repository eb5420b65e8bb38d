//! An animal's surface: limbs that grow into each other.

use crate::vector::{Vector, at};

/// What a point of the surface belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Trunk,
    Leg,
    Paw,
    Tail,
    Head,
    Ear,
    Eye,
    Nose,
    Tongue,
    Mouth,
}

impl Part {
    /// Whether hair grows there.
    pub(super) fn hairy(self) -> bool {
        !matches!(self, Part::Eye | Part::Nose | Part::Tongue | Part::Mouth)
    }
}

/// A rod with round ends: radius `radii[0]` at its root, `radii[1]` at its tip, straight between.
#[derive(Clone, Copy)]
pub(super) struct Limb {
    pub(super) part: Part,
    pub(super) root: Vector,
    pub(super) tip: Vector,
    pub(super) radii: [f32; 2],
    /// Flattened along this direction, by this factor.
    pub(super) flat: (Vector, f32),
    /// Within about this distance it flows into its neighbours.
    pub(super) blend: f32,
    /// Where its root stands along the chain of limbs that it is part of, for stripes.
    pub(super) begins: f32,
}

impl Limb {
    pub(super) fn new(part: Part, root: Vector, tip: Vector, radii: [f32; 2]) -> Limb {
        Limb { part, root, tip, radii, flat: (at(0.0, 0.0, 1.0), 1.0), blend: 0.06, begins: 0.0 }
    }

    pub(super) fn flat(mut self, direction: Vector, factor: f32) -> Limb {
        self.flat = (direction.unit(), factor);
        self
    }

    pub(super) fn blend(mut self, distance: f32) -> Limb {
        self.blend = distance;
        self
    }

    pub(super) fn begins(mut self, along: f32) -> Limb {
        self.begins = along;
        self
    }

    /// How far along the limb a point is, 0 at its root and 1 at its tip.
    pub(super) fn share(&self, p: Vector) -> f32 {
        let axis = self.tip - self.root;
        ((p - self.root).dot(axis) / axis.dot(axis).max(1e-9)).clamp(0.0, 1.0)
    }

    /// No more than the distance of a point from the surface, negative inside.
    fn distance(&self, p: Vector) -> f32 {
        let (normal, factor) = self.flat;
        let stretch = if factor < 1.0 { 1.0 / factor - 1.0 } else { 0.0 };
        let p = p + normal * (stretch * (p - self.root).dot(normal));
        let share = self.share(p);
        let radius = self.radii[0] + share * (self.radii[1] - self.radii[0]);
        factor * ((p - self.root.towards(self.tip, share)).length() - radius)
    }

    /// A ball around everything that the limb can add to.
    pub(super) fn ball(&self) -> (Vector, f32) {
        let reach = 0.5 * (self.tip - self.root).length() + self.radii[0].max(self.radii[1]);
        (self.root.towards(self.tip, 0.5), reach + self.blend)
    }
}

/// Where a ray meets an animal.
#[derive(Clone, Copy)]
pub(super) struct Hit {
    pub(super) place: Vector,
    pub(super) normal: Vector,
    pub(super) away: f32,
    pub(super) limb: usize,
}

/// All limbs of an animal.
pub(super) struct Shape {
    pub(super) limbs: Vec<Limb>,
    /// A ball around each.
    balls: Vec<(Vector, f32)>,
}

impl Shape {
    pub(super) fn new(limbs: Vec<Limb>) -> Shape {
        let balls = limbs.iter().map(Limb::ball).collect();
        Shape { limbs, balls }
    }

    /// A ball around the animal.
    pub(super) fn ball(&self) -> (Vector, f32) {
        let mut low = at(f32::MAX, f32::MAX, f32::MAX);
        let mut high = -low;
        for &(centre, radius) in &self.balls {
            let [a, b] = [-radius, radius].map(|r| centre + at(r, r, r));
            low = at(low.x.min(a.x), low.y.min(a.y), low.z.min(a.z));
            high = at(high.x.max(b.x), high.y.max(b.y), high.z.max(b.z));
        }
        (low.towards(high, 0.5), 0.5 * (high - low).length())
    }

    /// The limbs whose balls come near a ray that is as wide as `wide` at distance 1: it cannot
    /// meet any other.
    pub(super) fn near(&self, eye: Vector, ray: Vector, wide: f32) -> Vec<usize> {
        let near = |(centre, radius): (Vector, f32)| {
            let to = centre - eye;
            let along = to.dot(ray);
            (to - ray * along).length() < radius + wide * along
        };
        (0..self.limbs.len()).filter(|&i| near(self.balls[i])).collect()
    }

    /// About the distance of a point from the surface, and the limb that is nearest. What is
    /// further away than `most` is not looked for.
    pub(super) fn distance(&self, among: &[usize], p: Vector, most: f32) -> (f32, usize) {
        let (mut all, mut nearest, mut least) = (most, usize::MAX, f32::MAX);
        for &i in among {
            let (centre, radius) = self.balls[i];
            let (to, within) = (p - centre, all + radius);
            if within < 0.0 || to.dot(to) > within * within {
                continue;
            }
            let limb = &self.limbs[i];
            let one = limb.distance(p);
            if one < least {
                least = one;
                // `most` is no surface to flow into.
                all = if nearest == usize::MAX { all.max(one + limb.blend) } else { all };
                nearest = i;
            }
            let overlap = (limb.blend - (all - one).abs()).max(0.0);
            all = all.min(one) - overlap * overlap / (4.0 * limb.blend.max(1e-6));
        }
        (all.min(most), nearest)
    }

    /// Follows a ray until it meets the surface.
    pub(super) fn meet(&self, among: &[usize], eye: Vector, ray: Vector) -> Option<Hit> {
        let spans = among.iter().filter_map(|&i| {
            let (centre, radius) = self.balls[i];
            let to = centre - eye;
            let along = to.dot(ray);
            let half = radius * radius - (to - ray * along).dot(to - ray * along);
            (half > 0.0).then(|| (along - half.sqrt(), along + half.sqrt()))
        });
        let (mut away, end) = spans.fold((f32::MAX, 0f32), |(a, b), (c, d)| (a.min(c), b.max(d)));
        for _ in 0..96 {
            if away > end {
                break;
            }
            let (gap, limb) = self.distance(among, eye + ray * away, 0.4);
            if gap < 1e-3 && limb < self.limbs.len() {
                let place = eye + ray * away;
                return Some(Hit { place, normal: self.normal(among, place), away, limb });
            }
            away += 0.9 * gap;
        }
        None
    }

    fn normal(&self, among: &[usize], p: Vector) -> Vector {
        const STEP: f32 = 2e-3;
        let corners = [at(1., -1., -1.), at(-1., -1., 1.), at(-1., 1., -1.), at(1., 1., 1.)];
        let sum = corners.map(|c| c * self.distance(among, p + c * STEP, 0.02).0);
        (sum[0] + sum[1] + sum[2] + sum[3]).unit()
    }
}
