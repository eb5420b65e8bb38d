//! A wood: what stands where, and how it is painted from far to near.

use rand::Rng;
use rand::rngs::StdRng;

use super::Weather;
use super::canvas::{Canvas, FINE, Thing};
use super::ground::Ground;
use super::lens::Lens;
use super::light::{Light, Shade};
use super::sky::Sky;
use super::tank::Tank;
use super::tree::{Kind, Tree};
use crate::colour::{Colour, srgb};
use crate::noise::Noise;
use crate::vector::{Vector, at};

/// A picture, and what each of its pixels shows.
pub(super) struct Painted {
    pub(super) rgb: Vec<u8>,
    pub(super) labels: Vec<u8>,
}

/// A tank takes at least this share of the picture, and this share of it is seen between the trees;
/// otherwise the trees are planted again.
const LEAST: f32 = 0.07;
const SEEN: f32 = 0.65;
const PLANTED: usize = 12;

pub(super) fn painted(random: &mut StdRng, weather: Weather, tank: bool, side: usize) -> Painted {
    let mut canvas = Canvas::new(side * FINE);
    for attempt in 1.. {
        let world = World::new(random, weather, tank, canvas.side);
        if world.paint(&mut canvas, random) || attempt == PLANTED {
            break;
        }
    }
    Painted { rgb: canvas.develop(random), labels: canvas.labels() }
}

struct World {
    lens: Lens,
    light: Light,
    sky: Sky,
    ground: Ground,
    /// From far to near.
    trees: Vec<Tree>,
    tank: Option<Tank>,
    /// The wood behind them.
    far: Colour,
    far_noise: Noise,
}

impl World {
    fn new(random: &mut StdRng, weather: Weather, tank: bool, side: usize) -> World {
        let size = side as f32;
        let lens = Lens {
            side,
            focal: size * random.gen_range(0.95f32..1.25),
            horizon: size * random.gen_range(0.56f32..0.67),
            height: random.gen_range(1.5f32..3.2),
        };
        let light = Light::new(random, weather);
        let sky = Sky::new(random, weather);
        let ground = Ground::new(random);
        let depth = random.gen_range(7.5f32..10.5);
        let aside = random.gen_range(-0.32f32..0.32) * lens.half_width(depth);
        let place = at(aside, 0.0, depth);
        // Drawn without a tank as well, so that the same seed is the same wood.
        let drawn = Tank::new(random, place);
        let trees = plant(random, &lens, place);
        let far = srgb([0x34482a, 0x3d5230, 0x2e4230][random.gen_range(0..3usize)]);
        let far_noise = Noise::new(random);
        World { lens, light, sky, ground, trees, tank: tank.then_some(drawn), far, far_noise }
    }

    /// Whether enough of the tank, if there is one, is seen.
    fn paint(&self, canvas: &mut Canvas, random: &mut StdRng) -> bool {
        let mut shade = Shade::new(&self.light);
        for tree in self.trees.iter().filter(|tree| tree.foot.z < 36.0) {
            tree.shade(&mut shade, random, &self.light);
        }
        // The tank stands in the shade of trees, and not in its own.
        let under_trees = shade.clone();
        if let Some(tank) = &self.tank {
            tank.shade(&mut shade);
        }
        let with = (&self.lens, &self.light, &shade);
        self.sky.paint(canvas, &self.lens);
        self.ground.paint(canvas, &self.lens, &self.light, &shade);
        self.far_wood(canvas);
        let mut grass = Grass { ground: &self.ground, done: 30.0, near: self.nearest_ground() };
        let mut tank = self.tank.as_ref();
        let mut drawn = 0;
        for tree in &self.trees {
            if let Some(own) = tank.take_if(|tank| tank.depth() > tree.foot.z) {
                drawn = self.paint_tank(own, canvas, &under_trees, &mut grass, random, with);
            }
            grass.until(canvas, tree.foot.z, random, with);
            tree.paint(canvas, random, with);
        }
        if let Some(own) = tank {
            drawn = self.paint_tank(own, canvas, &under_trees, &mut grass, random, with);
        }
        grass.until(canvas, grass.near, random, with);
        let seen = tanks(canvas);
        let least = LEAST * (canvas.side * canvas.side) as f32;
        self.tank.is_none() || (seen as f32 > least && seen as f32 > SEEN * drawn as f32)
    }

    /// What closes the view behind the last trees.
    fn far_wood(&self, canvas: &mut Canvas) {
        const DEPTH: f32 = 88.0;
        let (own, noise) = (&self.far, self.far_noise);
        canvas.fill(Thing::Trees, |x, y| {
            let [right, up] = self.lens.ray(x, y);
            let (across, high) = (right * DEPTH, up * DEPTH + self.lens.height);
            let rough =
                noise.at(0.9 * across, 0.9 * high) + 0.6 * noise.at(2.3 * across, 2.3 * high);
            let top = 7.5
                + 3.0 * noise.along(0.12 * across)
                + 1.6 * noise.along(0.6 * across)
                + 0.8 * rough;
            (high > -0.3 && high < top).then(|| {
                let tone = (0.55 + 0.35 * rough + 0.06 * high).max(0.15);
                let colour = self.light.on(own.map(|v| v * tone), at(0.0, 0.4, -0.6), 0.7, 0.6);
                self.light.through_air(colour, DEPTH)
            })
        });
    }

    /// How many pixels it takes.
    fn paint_tank(
        &self,
        tank: &Tank,
        canvas: &mut Canvas,
        under_trees: &Shade,
        grass: &mut Grass,
        random: &mut StdRng,
        with: (&Lens, &Light, &Shade),
    ) -> usize {
        grass.until(canvas, tank.depth(), random, with);
        tank.paint(canvas, (&self.lens, &self.light, under_trees));
        tanks(canvas)
    }

    /// The depth of the ground at the lower edge.
    fn nearest_ground(&self) -> f32 {
        let [_, down] = self.lens.ray(0.0, self.lens.side as f32);
        (self.lens.height / -down).max(0.8)
    }
}

fn tanks(canvas: &Canvas) -> usize {
    canvas.things.iter().filter(|thing| **thing == Thing::Tank).count()
}

/// The grass that is still to be painted, nearer than this depth.
struct Grass<'w> {
    ground: &'w Ground,
    done: f32,
    near: f32,
}

impl Grass<'_> {
    fn until(
        &mut self,
        canvas: &mut Canvas,
        depth: f32,
        random: &mut StdRng,
        with: (&Lens, &Light, &Shade),
    ) {
        while self.done > depth.max(self.near) {
            let next = (self.done * 0.94).max(depth).max(self.near);
            self.ground.blades(canvas, (next, self.done), random, with);
            self.done = next;
        }
    }
}

/// Trees around a place that stays free, far ones first.
fn plant(random: &mut StdRng, lens: &Lens, free: Vector) -> Vec<Tree> {
    let mut trees: Vec<Tree> = Vec::new();
    // A wood has one or two kinds of trees, and a few others.
    let kinds = [Kind::Spruce, Kind::Pine, Kind::Broadleaf, Kind::Birch];
    let common = [kinds[random.gen_range(0..4usize)], kinds[random.gen_range(0..4usize)]];
    let kind = |random: &mut StdRng| match random.gen_range(0..7usize) {
        0 => kinds[random.gen_range(0..4usize)],
        i => common[i % 2],
    };
    // The edge of the wood behind the clearing, in a line that bends.
    let edge = random.gen_range(34f32..50.0);
    let bend = [random.gen_range(-0.35f32..0.35), random.gen_range(0f32..6.3)];
    for _ in 0..70 {
        let depth = edge + 46.0 * random.gen_range(0f32..1.0).powf(1.4);
        let half = lens.half_width(depth) + 3.0;
        let x = random.gen_range(-half..half);
        let z = depth + bend[0] * x + 3.0 * (0.15 * x + bend[1]).sin();
        let own = kind(random);
        trees.push(Tree::new(random, own, at(x, 0.0, z.max(edge - 8.0))));
    }
    for _ in 0..26 {
        let z = edge - random.gen_range(-4f32..5.0);
        let half = lens.half_width(z) + 1.0;
        let x = random.gen_range(-half..half);
        trees.push(Tree::new(random, Kind::Bush, at(x, 0.0, z)));
    }
    // Single trees in the clearing and before it.
    let clear = |x: f32, z: f32| (x - free.x).hypot(z - free.z);
    for _ in 0..random.gen_range(4..9) {
        let z = random.gen_range(6f32..32.0);
        let half = lens.half_width(z) + 1.0;
        let x = random.gen_range(-half..half);
        let own = kind(random);
        let tree = Tree::new(random, own, at(x, 0.0, z));
        let crown_hides = z < free.z && own == Kind::Spruce;
        if clear(x, z) > 4.2 && !crown_hides && (z > 9.0 || x.abs() > 0.2 * z) {
            trees.push(tree);
        }
    }
    // Trunks and bushes before the place where a tank may stand.
    for _ in 0..random.gen_range(1..3) {
        let z = free.z - random.gen_range(2.6f32..5.5);
        let x = free.x * z / free.z + random.gen_range(-2.6f32..2.6);
        let own = [Kind::Pine, Kind::Birch, common[0]][random.gen_range(0..3usize)];
        let own = if own == Kind::Spruce { Kind::Pine } else { own };
        trees.push(Tree::new(random, own, at(x, 0.0, z.max(5.0))));
    }
    for _ in 0..random.gen_range(0..3) {
        let z = free.z - random.gen_range(2.2f32..5.0);
        let x = free.x * z / free.z + random.gen_range(-3.6f32..3.6);
        trees.push(Tree::new(random, Kind::Bush, at(x, 0.0, z)));
    }
    trees.sort_by(|a, b| b.foot.z.total_cmp(&a.foot.z));
    trees
}
