//! Trees and bushes, leaf by leaf.

use std::f32::consts::TAU;

use rand::Rng;
use rand::rngs::StdRng;

use super::canvas::{Canvas, Thing};
use super::lens::Lens;
use super::light::{Light, Shade};
use crate::colour::{Colour, mix, srgb};
use crate::noise::{Noise, sign};
use crate::vector::{Vector, at};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Spruce,
    Pine,
    Broadleaf,
    Birch,
    Bush,
}

/// A heap of leaves: an ellipsoid.
struct Lobe {
    centre: Vector,
    radii: Vector,
}

pub(super) struct Tree {
    pub(super) foot: Vector,
    kind: Kind,
    height: f32,
    /// The trunk's radius at the foot, and how far its top leans aside.
    radius: f32,
    lean: f32,
    leaf: Colour,
    bark: Colour,
    lobes: Vec<Lobe>,
    noise: Noise,
}

/// A bunch of leaves or needles.
struct Leaf {
    place: Vector,
    normal: Vector,
    /// How much of sky and sun gets to it through the others.
    open: f32,
    radius: f32,
    tone: f32,
}

/// Any direction; corners of the cube are a little likelier, which no leaf shows.
fn direction(random: &mut StdRng) -> Vector {
    let mut side = || random.gen_range(-1f32..1.0);
    at(side(), side(), side()).unit()
}

impl Tree {
    pub(super) fn new(random: &mut StdRng, kind: Kind, foot: Vector) -> Tree {
        let mut pick = |colours: &[u32]| srgb(colours[random.gen_range(0..colours.len())]);
        let (leaf, bark) = match kind {
            Kind::Spruce => (pick(&[0x33482a, 0x2c4230, 0x3d4f2c]), pick(&[0x5a4636, 0x66503c])),
            Kind::Pine => (pick(&[0x44592f, 0x3c5334, 0x4e5f34]), pick(&[0x7a5a45, 0x6b5242])),
            Kind::Broadleaf => {
                (pick(&[0x4f6b28, 0x5d762f, 0x47612a, 0x6b7a34]), pick(&[0x5e5142, 0x6b5c4a]))
            }
            Kind::Birch => (pick(&[0x6a8434, 0x748a3a, 0x5f7a32]), pick(&[0xcfc9bd, 0xc4beb2])),
            Kind::Bush => {
                (pick(&[0x566f2e, 0x4a652c, 0x6a7836, 0x3f5a2a]), pick(&[0x5e5142, 0x4c4034]))
            }
        };
        let height = match kind {
            Kind::Spruce => random.gen_range(6f32..13.0),
            Kind::Pine => random.gen_range(8f32..13.0),
            Kind::Broadleaf => random.gen_range(6f32..10.0),
            Kind::Birch => random.gen_range(6f32..10.0),
            Kind::Bush => random.gen_range(0.7f32..1.9),
        };
        let radius = match kind {
            Kind::Bush => 0.02,
            Kind::Birch => height * random.gen_range(0.006f32..0.01),
            _ => height * random.gen_range(0.008f32..0.015),
        };
        let lean = height * random.gen_range(-0.04f32..0.04);
        let mut tree = Tree {
            foot,
            kind,
            height,
            radius,
            lean,
            leaf,
            bark,
            lobes: Vec::new(),
            noise: Noise::new(random),
        };
        tree.grow(random);
        tree
    }

    fn grow(&mut self, random: &mut StdRng) {
        let h = self.height;
        let (count, middle, spread, size) = match self.kind {
            Kind::Spruce => return,
            Kind::Pine => (random.gen_range(6..11), 0.8, [0.16, 0.15], 0.09),
            Kind::Broadleaf => (random.gen_range(11..18), 0.62, [0.25, 0.25], 0.125),
            Kind::Birch => (random.gen_range(9..15), 0.62, [0.13, 0.27], 0.085),
            Kind::Bush => (random.gen_range(4..8), 0.36, [0.55, 0.25], 0.36),
        };
        for _ in 0..count {
            let way = direction(random);
            let out = random.gen_range(0.3f32..1.0);
            let centre = at(
                spread[0] * h * out * way.x + self.bend(middle),
                h * (middle + spread[1] * out * way.y),
                spread[0] * h * out * way.z,
            );
            let r = size * h * random.gen_range(0.7f32..1.25);
            let flat = if self.kind == Kind::Pine { 0.55 } else { 0.8 };
            self.lobes.push(Lobe { centre, radii: at(r, flat * r, r) });
        }
    }

    /// How far aside the trunk is at a share of the height.
    fn bend(&self, share: f32) -> f32 {
        self.lean * share * share
    }

    /// Where its leaves reach, in metres from the trunk.
    pub(super) fn reach(&self) -> f32 {
        let ends = self.lobes.iter().map(|l| l.centre.x.hypot(l.centre.z) + l.radii.x);
        ends.fold(0.17 * self.height, f32::max)
    }

    /// Leaves for a picture in which a metre takes so many pixels.
    fn leaves(&self, random: &mut StdRng, scale: f32, light: &Light) -> Vec<Leaf> {
        let natural = match self.kind {
            Kind::Spruce | Kind::Pine => 0.075,
            Kind::Bush => 0.04,
            _ => 0.047,
        };
        // Never smaller than a pixel or so: far trees have fewer bunches, which are larger.
        let radius: f32 = (2.3 / scale).max(natural);
        let mut leaves = match self.kind {
            Kind::Spruce => self.needles(random, radius),
            _ => self.bunches(random, radius),
        };
        let sun = light.to_sun;
        let (middle, half) = (0.6 * self.height, 0.35 * self.height);
        for leaf in &mut leaves {
            // The crown shades itself.
            let from_middle = at(leaf.place.x, leaf.place.y - middle, leaf.place.z) * (1.0 / half);
            let outer = 0.5 + 0.5 * from_middle.dot((sun + at(0.0, 0.8, 0.0)).unit());
            leaf.open = (leaf.open * (0.4 + 0.6 * outer)).clamp(0.08, 1.0);
            leaf.place = leaf.place + self.foot;
        }
        // Far away nobody sees which leaf is behind which.
        if scale > 14.0 {
            leaves.sort_unstable_by(|a, b| b.place.z.total_cmp(&a.place.z));
        }
        leaves
    }

    fn bunches(&self, random: &mut StdRng, radius: f32) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        for lobe in &self.lobes {
            let area = (lobe.radii.x * lobe.radii.y) / (radius * radius);
            let dense = if self.kind == Kind::Birch { 1.9 } else { 2.6 };
            for _ in 0..(dense * area).clamp(6.0, 1_000.0) as usize {
                let way = direction(random);
                let out = random.gen_range(0.25f32..1.1).sqrt();
                // Lobes are not smooth: leaves gather at twigs.
                let twig = self.noise.at(5.0 * way.x + lobe.centre.x, 5.0 * way.y + lobe.centre.y);
                let out = out * (1.0 + 0.3 * twig);
                let place = lobe.centre
                    + at(way.x * lobe.radii.x, way.y * lobe.radii.y, way.z * lobe.radii.z) * out;
                if place.y < 0.02 {
                    continue;
                }
                let droop =
                    if self.kind == Kind::Birch { random.gen_range(0f32..0.5) } else { 0.0 };
                leaves.push(Leaf {
                    place: place - at(0.0, droop, 0.0),
                    normal: (way + direction(random) * 0.9 + at(0.0, 0.25, 0.0)).unit(),
                    open: (0.25 + 0.75 * out * out + 0.25 * twig).clamp(0.1, 1.0),
                    radius: radius * random.gen_range(0.6f32..1.35),
                    tone: random.gen_range(0.7f32..1.3) * (1.0 + 0.2 * twig),
                });
            }
        }
        leaves
    }

    /// A spruce: whorls of boughs that hang a little, the lower ones longer.
    fn needles(&self, random: &mut StdRng, radius: f32) -> Vec<Leaf> {
        let h = self.height;
        let wide = 0.2 * h;
        let count = (1.7 * wide * h / (radius * radius)).clamp(40.0, 5_000.0) as usize;
        let whorls = (h / 0.62).round();
        let mut leaves = Vec::with_capacity(count);
        for _ in 0..count {
            // More of them where the crown is wide.
            let share = 1.0 - random.gen_range(0f32..1.0).sqrt();
            let level = share * whorls;
            let bough = (level.floor() + 0.5) / whorls;
            let around = random.gen_range(0.0..TAU);
            let arms = self.noise.at(level.floor() * 3.7, 2.2 * around);
            let long = wide * (1.0 - share).powf(0.85) * (0.78 + 0.34 * arms);
            let out = random.gen_range(0f32..1.0).sqrt();
            let hang = 0.3 * (level.fract() - 0.5) / whorls + bough;
            let y = h * (0.06 + 0.94 * hang) - 0.22 * long * out * out;
            if y < 0.05 {
                continue;
            }
            let (sin, cos) = around.sin_cos();
            let place = at(long * out * sin + self.bend(share), y, long * out * cos);
            leaves.push(Leaf {
                place,
                normal: (at(sin, 0.55, cos) + direction(random) * 0.6).unit(),
                open: (0.15 + 0.85 * out * out) * (0.72 + 0.5 * level.fract()),
                radius: radius * random.gen_range(0.6f32..1.3),
                tone: random.gen_range(0.7f32..1.3),
            });
        }
        leaves
    }

    /// Takes light from the ground below and behind it.
    pub(super) fn shade(&self, shade: &mut Shade, random: &mut StdRng, light: &Light) {
        for leaf in self.leaves(random, 6.0, light) {
            shade.add(leaf.place, leaf.radius, 0.55);
        }
        let steps = (self.height * 0.7 / 0.1) as usize;
        for i in 0..steps {
            let y = 0.1 * i as f32;
            let place = self.foot + at(self.bend(y / self.height), y, 0.0);
            shade.add(place, self.radius.max(0.09), 0.25);
        }
    }

    pub(super) fn paint(
        &self,
        canvas: &mut Canvas,
        random: &mut StdRng,
        (lens, light, shade): (&Lens, &Light, &Shade),
    ) {
        let (_, scale) = lens.seen(self.foot);
        let leaves = self.leaves(random, scale, light);
        let behind = leaves.partition_point(|leaf| leaf.place.z > self.foot.z + 0.3 * self.reach());
        self.paint_leaves(canvas, &leaves[..behind], (lens, light));
        self.trunk(canvas, random, (lens, light, shade));
        self.paint_leaves(canvas, &leaves[behind..], (lens, light));
    }

    fn paint_leaves(&self, canvas: &mut Canvas, leaves: &[Leaf], (lens, light): (&Lens, &Light)) {
        for leaf in leaves {
            let ([x, y], scale) = lens.seen(leaf.place);
            let r = (leaf.radius * scale).max(0.6);
            let own = self.leaf.map(|v| v * leaf.tone);
            let lit = (leaf.open * 1.35 - 0.25).clamp(0.0, 1.0);
            let front = light.on(own, leaf.normal, 0.2 + 0.8 * leaf.open, lit);
            // Light that comes through from behind is yellower.
            let back = (-leaf.normal.dot(light.to_sun)).max(0.0) * 0.42 * lit;
            let glow: Colour = [1.15, 1.1, 0.45];
            let colour = std::array::from_fn(|c| front[c] + own[c] * glow[c] * light.sun[c] * back);
            let colour = light.through_air(colour, leaf.place.z);
            let needles = matches!(self.kind, Kind::Spruce | Kind::Pine);
            let (flat, turn) = match needles {
                true => (0.42, 0.5 * leaf.normal.x.signum() + 0.8 * leaf.normal.z),
                false => (0.62, 3.0 * leaf.normal.x + 5.0 * leaf.normal.z),
            };
            canvas.splat([x, y], [r, (flat * r).max(0.55)], turn, colour, Thing::Trees);
        }
    }

    fn trunk(
        &self,
        canvas: &mut Canvas,
        random: &mut StdRng,
        (lens, light, shade): (&Lens, &Light, &Shade),
    ) {
        let top = match self.kind {
            Kind::Bush => return,
            Kind::Spruce => 0.9,
            Kind::Pine => 0.85,
            _ => 0.7,
        };
        let ([_, low], scale) = lens.seen(self.foot);
        let ([_, high], _) = lens.seen(self.foot + at(0.0, top * self.height, 0.0));
        let rows = high.max(0.0) as usize..(low.max(0.0) as usize + 1).min(canvas.side);
        let (lit, open) = shade.at(self.foot.x, self.foot.z - 0.4);
        for row in rows.rev() {
            let y = lens.height - (row as f32 + 0.5 - lens.horizon) / scale;
            let share = (y / self.height).clamp(0.0, 1.0);
            // Wider at the roots, thinner towards the top.
            let radius = self.radius * (1.0 - 0.75 * share) * (1.0 + 0.55 * (-y / 0.35).exp());
            let [middle, _] = lens.seen(self.foot + at(self.bend(share), y, 0.0)).0;
            let half = (radius * scale).max(0.5);
            let columns = (middle - half).floor().max(0.0) as usize
                ..((middle + half).ceil().max(0.0) as usize).min(canvas.side);
            for column in columns {
                let u = ((column as f32 + 0.5 - middle) / half).clamp(-1.0, 1.0);
                let facing = at(u, 0.0, -(1.0 - u * u).max(0.0).sqrt());
                let around = u.asin() * radius;
                let rough = self.noise.at(26.0 * around + 3.0, 2.6 * y)
                    + 0.6 * self.noise.at(70.0 * around, 7.0 * y);
                let mut own = self.bark.map(|v| v * (1.0 + 0.38 * rough).max(0.25));
                if self.kind == Kind::Birch {
                    let mark = self.noise.at(4.0 * around + 9.0, 9.0 * y);
                    own = if mark > 0.42 { [0.05, 0.045, 0.04] } else { own };
                } else {
                    // Moss on the side that never dries.
                    let moss = (0.5 - 0.5 * u) * (1.0 - 2.5 * share).max(0.0);
                    own = mix(own, srgb(0x5a6435), 0.4 * moss * (0.5 + 0.5 * rough).clamp(0., 1.));
                }
                let fleck =
                    (0.55 + 0.8 * self.noise.at(1.3 * around + 40.0, 0.9 * y)).clamp(0., 1.);
                let lit = lit.max(0.35) * if share > 0.25 { 0.6 * fleck } else { fleck };
                let colour = light.on(own, facing, 0.5 + 0.45 * open, lit);
                canvas.put(column, row, light.through_air(colour, self.foot.z), Thing::Trees);
            }
        }
        if matches!(self.kind, Kind::Pine | Kind::Spruce) {
            self.stubs(canvas, random, (lens, light));
        }
    }

    /// Dead twigs on the lower trunk.
    fn stubs(&self, canvas: &mut Canvas, random: &mut StdRng, (lens, light): (&Lens, &Light)) {
        for _ in 0..random.gen_range(4..12) {
            let share = random.gen_range(0.1f32..0.6);
            let root = self.foot + at(self.bend(share), share * self.height, 0.0);
            let side = sign(random);
            let long = random.gen_range(0.3f32..1.2);
            let tip = root + at(side * long, random.gen_range(-0.3f32..0.2), -0.2);
            let ((a, scale), (b, _)) = (lens.seen(root), lens.seen(tip));
            let colour = light.on(self.bark.map(|v| 0.6 * v), at(0.0, 0.5, -0.6), 0.6, 0.3);
            let colour = light.through_air(colour, self.foot.z);
            let wide = (0.03 * scale).max(0.5);
            canvas.stroke([a, b], [wide, 0.4 * wide], colour, Thing::Trees);
        }
    }
}
