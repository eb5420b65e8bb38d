//! A picture of an animal: ground, skin, hair by hair, whiskers, and what a camera adds.

use rand::Rng;
use rand::rngs::StdRng;

use super::Species;
use super::body::{self, Animal, Pose};
use super::camera::Camera;
use super::coat::Coat;
use super::ground::Ground;
use super::shape::{Hit, Limb, Part};
use crate::colour::{Colour, mix};
use crate::noise::{normal, ramp, sign};
use crate::vector::{Vector, at};

/// Rays are followed in tiles of this side, which share the list of limbs that they can meet.
const TILE: usize = 16;

/// A picture, and what each of its pixels shows of the animal.
pub(super) struct Painted {
    pub(super) rgb: Vec<u8>,
    pub(super) parts: Vec<Option<Part>>,
}

pub(super) fn painted(random: &mut StdRng, species: Species, side: usize) -> Painted {
    let hand = sign(random);
    let (pose, shot, turns) = match random.gen_range(0..10u32) {
        0..=2 => (Pose::Sitting, Shot::Face, 0.0..0.6f32),
        3 => (Pose::Sitting, Shot::Portrait, 0.1..0.7),
        4 | 5 => (Pose::Sitting, Shot::Whole, 0.2..1.0),
        6..=8 => (Pose::Standing, Shot::Whole, 0.7..1.5),
        _ => (Pose::Lying, Shot::Whole, 0.4..1.2),
    };
    let turn = hand * random.gen_range(turns);
    let animal = body::animal(random, species, pose, turn);
    let shown = animal.shape.limbs.iter().filter(|limb| shot.shows(limb.part));
    let balls: Vec<(Vector, f32)> = shown.map(Limb::ball).collect();
    let lift = random.gen_range(0.05f32..0.3);
    let off = [random.gen_range(-0.1f32..0.1), random.gen_range(-0.06f32..0.08)];
    let share = random.gen_range(0.75f32..0.95) * if shot == Shot::Face { 1.25 } else { 1.0 };
    let camera = Camera::new(&balls, (turn, lift), share, off, side);
    let (middle, radius) = animal.shape.ball();
    let scene = Scene {
        coat: Coat::new(random, species),
        ground: Ground::new(random),
        light: Light::new(random, turn),
        all: (0..animal.shape.limbs.len()).collect(),
        middle,
        reach: radius + 0.3,
        animal,
        camera,
        side,
    };
    scene.paint(random)
}

/// How much of an animal fills the picture.
#[derive(Clone, Copy, PartialEq)]
enum Shot {
    Face,
    Portrait,
    Whole,
}

impl Shot {
    fn shows(self, part: Part) -> bool {
        match self {
            Shot::Face => matches!(part, Part::Head | Part::Ear),
            Shot::Portrait => !matches!(part, Part::Tail | Part::Leg | Part::Paw),
            Shot::Whole => true,
        }
    }
}

struct Light {
    /// Towards the lamp, of length 1.
    lamp: Vector,
    bright: Colour,
    sky: Colour,
}

impl Light {
    fn new(random: &mut StdRng, turn: f32) -> Light {
        // From the camera's side of the animal, above.
        let around = turn + random.gen_range(-1.3f32..1.3);
        let lamp = at(around.sin(), random.gen_range(0.7f32..1.6), around.cos()).unit();
        let warmth = random.gen_range(-0.08f32..0.16);
        let share = random.gen_range(0.35f32..0.65);
        let tint = |v: f32, warm: f32| [v * (1.0 + warm), v, v * (1.0 - warm)];
        Light {
            lamp,
            bright: tint(1.7 * share, warmth),
            sky: tint(1.15 * (1.0 - share), -0.4 * warmth),
        }
    }
}

struct Scene {
    animal: Animal,
    coat: Coat,
    ground: Ground,
    light: Light,
    camera: Camera,
    /// Every limb.
    all: Vec<usize>,
    /// The middle of the animal, and how far its shadow may fall from there.
    middle: Vector,
    reach: f32,
    side: usize,
}

/// What one pixel holds while the picture is painted.
#[derive(Clone, Copy)]
struct Pixel {
    colour: Colour,
    hit: Option<Hit>,
    part: Option<Part>,
}

impl Scene {
    fn paint(&self, random: &mut StdRng) -> Painted {
        let mut pixels = self.background();
        self.skin(&mut pixels);
        self.hair(&mut pixels, random);
        if self.animal.species == Species::Cat {
            self.whiskers(&mut pixels, random);
        }
        let parts = pixels.iter().map(|pixel| pixel.part).collect();
        Painted { rgb: self.develop(&pixels, random), parts }
    }

    /// Floor and wall, the further behind the animal the more blurred.
    fn background(&self) -> Vec<Pixel> {
        let side = self.side;
        let level = at(self.camera.ahead.x, 0.0, self.camera.ahead.z).unit();
        let wall = (self.middle - self.camera.eye).dot(level) + self.ground.depth;
        let focus = (self.middle - self.camera.eye).length();
        let mut colours = vec![[0f32; 3]; side * side];
        let mut blurs = vec![0usize; side * side];
        for (i, (colour, blur)) in colours.iter_mut().zip(&mut blurs).enumerate() {
            let ray = self.camera.ray((i % side) as f32 + 0.5, (i / side) as f32 + 0.5);
            let to_wall = wall / ray.dot(level).max(1e-3);
            let to_floor = if ray.y < -1e-4 { -self.camera.eye.y / ray.y } else { f32::MAX };
            let away = to_wall.min(to_floor);
            let p = self.camera.eye + ray * away;
            *colour = if to_floor < to_wall {
                let (mut lit, mut above) = (1.0, 1.0);
                if (p - self.middle).length() < self.reach {
                    lit = 0.35 + 0.65 * self.shade(p + at(0.0, 0.02, 0.0), 0.45);
                    let gap = self.animal.shape.distance(&self.all, p, 0.22).0;
                    above = 0.4 + 0.6 * (gap / 0.22).clamp(0.0, 1.0);
                }
                let foot = self.light.lamp.y;
                let light: Colour = std::array::from_fn(|c| {
                    self.light.sky[c] * above + self.light.bright[c] * foot * lit
                });
                let own = self.ground.floor(p);
                std::array::from_fn(|c| own[c] * light[c])
            } else {
                let own = self.ground.wall(p.dot(self.camera.level()), p.y);
                std::array::from_fn(|c| {
                    own[c] * (0.9 * self.light.sky[c] + 0.45 * self.light.bright[c])
                })
            };
            *blur = ((away - focus - 0.4).max(0.0) * 3.0).min(side as f32 / 50.0) as usize;
        }
        let mut wide = vec![[0f32; 3]; side * side];
        blurred(&colours, &blurs, side, 1, &mut wide);
        blurred(&wide, &blurs, side, side, &mut colours);
        colours.into_iter().map(|colour| Pixel { colour, hit: None, part: None }).collect()
    }

    /// How much of the lamp's light gets to a place, 0 to 1.
    fn shade(&self, p: Vector, reach: f32) -> f32 {
        let steps = [0.12f32, 0.3, 0.6, 1.0];
        let free = steps.map(|step| {
            let gone = step * reach;
            let far = 0.5 * gone;
            self.animal.shape.distance(&self.all, p + self.light.lamp * gone, far).0 / far
        });
        ramp(0.0, 1.0, free.into_iter().fold(1.0, f32::min))
    }

    /// The animal under its hair. What has no hair is seen here; edges are smoothed.
    fn skin(&self, pixels: &mut [Pixel]) {
        let side = self.side;
        let wide = 0.75 * TILE as f32 * self.camera.pixel();
        let tiles = side.div_ceil(TILE);
        let mut near = Vec::with_capacity(tiles * tiles);
        for (row, column) in (0..tiles).flat_map(|row| (0..tiles).map(move |c| (row, c))) {
            let middle = |i: usize| (i * TILE) as f32 + 0.5 * TILE as f32;
            let ray = self.camera.ray(middle(column), middle(row));
            near.push(self.animal.shape.near(self.camera.eye, ray, wide));
        }
        let meet = |x: f32, y: f32| {
            let among = &near[(y as usize / TILE) * tiles + x as usize / TILE];
            let ray = self.camera.ray(x, y);
            self.animal.shape.meet(among, self.camera.eye, ray)
        };
        for (i, pixel) in pixels.iter_mut().enumerate() {
            let (x, y) = ((i % side) as f32, (i / side) as f32);
            pixel.hit = meet(x + 0.5, y + 0.5);
            pixel.part = pixel.hit.map(|hit| self.animal.shape.limbs[hit.limb].part);
        }
        let parts: Vec<Option<Part>> = pixels.iter().map(|pixel| pixel.part).collect();
        for (i, pixel) in pixels.iter_mut().enumerate() {
            let beside = [i.wrapping_sub(1), i + 1, i.wrapping_sub(side), i + side];
            let edge = beside.iter().any(|j| parts.get(*j).is_some_and(|part| *part != parts[i]));
            let bare = pixel.part.is_some_and(|part| !part.hairy());
            if !edge && !bare {
                if let Some(hit) = &pixel.hit {
                    pixel.colour = self.lit(hit);
                }
                continue;
            }
            let (x, y) = ((i % side) as f32, (i / side) as f32);
            let behind = pixel.colour;
            let corners = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)];
            let seen =
                corners.map(|(dx, dy)| meet(x + dx, y + dy).map_or(behind, |hit| self.lit(&hit)));
            pixel.colour = std::array::from_fn(|c| seen.iter().map(|s| s[c]).sum::<f32>() / 4.0);
        }
    }

    /// The light that comes from a point of the skin, or from hair that grows there.
    fn lit(&self, hit: &Hit) -> Colour {
        let part = self.animal.shape.limbs[hit.limb].part;
        let own = match part {
            Part::Eye if !self.lidded(hit) => return self.eye(hit),
            _ => self.coat.colour(&self.animal, hit),
        };
        let lit = (hit.normal.dot(self.light.lamp) + 0.25).max(0.0) / 1.25;
        let lit = lit * self.shade(hit.place + hit.normal * 0.02, 0.35);
        let reach = 0.09;
        let above = hit.place + hit.normal * reach;
        let open = self.animal.shape.distance(&self.all, above, reach).0 / reach;
        let sky = (0.62 + 0.38 * hit.normal.y) * (0.35 + 0.65 * open.clamp(0.0, 1.0));
        let wet = matches!(part, Part::Nose | Part::Tongue);
        let shine = if wet { 0.35 * self.shine(hit).powi(24) } else { 0.0 };
        std::array::from_fn(|c| {
            own[c] * (self.light.sky[c] * sky + self.light.bright[c] * lit) + shine
        })
    }

    fn shine(&self, hit: &Hit) -> f32 {
        let back = (self.camera.eye - hit.place).unit();
        hit.normal.dot((back + self.light.lamp).unit()).max(0.0)
    }

    /// Whether a lid covers this point of an eye.
    fn lidded(&self, hit: &Hit) -> bool {
        let frame = &self.animal.head.frame;
        let out = (hit.place - self.animal.shape.limbs[hit.limb].root).unit();
        let outer = out.dot(frame.right) * frame.inside(hit.place).x.signum();
        let up = out.dot(frame.up) - self.animal.head.slant * outer;
        up > self.animal.head.lids[0] || up < -self.animal.head.lids[1]
    }

    fn eye(&self, hit: &Hit) -> Colour {
        let head = &self.animal.head;
        let limb = &self.animal.shape.limbs[hit.limb];
        let back = (self.camera.eye - hit.place).unit();
        // It looks nearly where the head looks, and a little at the camera.
        let gaze = head.frame.ahead.towards(back, 0.6).unit();
        let out = (hit.place - limb.root).unit();
        let right = head.frame.up.cross(gaze).unit();
        let (across, up) = (out.dot(right), out.dot(gaze.cross(right)));
        let away = across.hypot(up) + if out.dot(gaze) < 0.0 { 2.0 } else { 0.0 };
        let (pupil, iris) = match head.species {
            Species::Cat => (across.hypot(0.42 * up) / 0.2, away / 0.8),
            Species::Dog => (away / 0.45, away / 0.95),
        };
        let ring = mix(self.coat.iris, self.coat.iris.map(|v| 0.45 * v), ramp(0.55, 1.0, iris));
        let own = mix([0.006; 3], ring, ramp(0.85, 1.1, pupil));
        let own = mix(own, [0.025; 3], ramp(0.95, 1.05, iris));
        // The upper lid shades it.
        let lid = 0.45 + 0.55 * ramp(0.75, 0.1, out.dot(head.frame.up));
        let lamp = (back + at(0.0, 0.9, 0.0) + self.light.lamp * 0.7).unit();
        let glint = ramp(0.968, 0.985, out.dot(lamp));
        std::array::from_fn(|c| {
            own[c] * lid * (0.7 * self.light.bright[c] + 0.9 * self.light.sky[c]) + 0.9 * glint
        })
    }

    /// The way in which hair lies at a point of the skin.
    fn lies(&self, hit: &Hit) -> Vector {
        let limb = &self.animal.shape.limbs[hit.limb];
        let along = (limb.tip - limb.root).unit();
        let way = match limb.part {
            Part::Head => {
                let head = &self.animal.head;
                (hit.place - head.frame.out(head.nose + at(0.0, 0.1, 0.0))).unit()
            }
            Part::Trunk => along + at(0.0, -0.6, 0.0),
            _ => along,
        };
        (way - hit.normal * way.dot(hit.normal)).unit()
    }

    fn hair(&self, pixels: &mut [Pixel], random: &mut StdRng) {
        let mut roots: Vec<(Hit, Part, Colour)> = Vec::new();
        for Pixel { colour, hit, part } in pixels.iter() {
            if let (Some(hit), Some(part)) = (*hit, *part)
                && part.hairy()
                && random.gen_range(0f32..1.0) < 0.55
            {
                roots.push((hit, part, *colour));
            }
        }
        roots.sort_by(|a, b| b.0.away.total_cmp(&a.0.away));
        for (hit, part, colour) in roots {
            let h = self.animal.head.frame.inside(hit.place);
            let long = self.coat.hair
                * match part {
                    Part::Head => 0.25 + 0.5 * ramp(0.9, 0.0, h.z),
                    Part::Ear => 0.4,
                    Part::Leg => 0.55,
                    Part::Paw => 0.3,
                    Part::Tail => 1.1,
                    _ => 1.0,
                }
                * random.gen_range(0.6f32..1.3);
            let stray = at(normal(random), normal(random), normal(random)) * 0.22;
            let way = (self.lies(&hit) + hit.normal * 0.35 + stray).unit();
            let middle = hit.place + way * (0.5 * long);
            let tip = middle + (way + at(0.0, -0.3, 0.0)).unit() * (0.5 * long);
            let tone = random.gen_range(0.72f32..1.25);
            let colour = colour.map(|v| v * tone);
            let points = [hit.place - hit.normal * 0.004, middle, tip].map(|p| self.camera.seen(p));
            let wide = self.side as f32 / 256.0 * random.gen_range(0.55f32..0.95);
            self.stroke(pixels, &points, [wide, 0.35 * wide], colour, 0.8, Some((hit, part)));
        }
    }

    /// White hairs at both sides of the muzzle.
    fn whiskers(&self, pixels: &mut [Pixel], random: &mut StdRng) {
        let head = &self.animal.head;
        for (side, row) in [1.0f32, -1.0].into_iter().flat_map(|s| (0..6).map(move |r| (s, r))) {
            let up = -0.5 + 0.05 * row as f32;
            let root =
                at(side * (0.3 + 0.03 * (row % 3) as f32), up, 0.86 - 0.05 * (row % 3) as f32);
            let out = at(side * random.gen_range(0.9f32..1.3), 0.12 * (row as f32 - 2.5), -0.1);
            let droop = at(0.0, random.gen_range(-0.3f32..-0.1), 0.0);
            let facing = (self.camera.eye - head.frame.origin).unit().dot(head.frame.right) * side;
            // Those behind the muzzle are hidden.
            if facing < -0.55 {
                continue;
            }
            let points: Vec<[f32; 2]> = (0..=8)
                .map(|i| {
                    let t = i as f32 / 8.0;
                    self.camera.seen(head.frame.out(root + out * t + droop * (t * t)))
                })
                .collect();
            let wide = (0.05 * head.frame.scale * self.side as f32 / 60.0).clamp(0.28, 0.5);
            let light =
                [0.9f32; 3].map(|v| v * (self.light.bright[1] * 0.5 + self.light.sky[1] * 0.5));
            self.stroke(pixels, &points, [wide, 0.5 * wide], light, 0.75, None);
        }
    }

    /// A line through points of the picture that grows thinner; hair (`root`) does not cover what
    /// has none.
    fn stroke(
        &self,
        pixels: &mut [Pixel],
        points: &[[f32; 2]],
        radii: [f32; 2],
        colour: Colour,
        opaque: f32,
        root: Option<(Hit, Part)>,
    ) {
        let side = self.side;
        let parts = points.len().saturating_sub(1).max(1) as f32;
        for (i, ends) in points.windows(2).enumerate() {
            let [[ax, ay], [bx, by]] = [ends[0], ends[1]];
            let radius = |t: f32| radii[0] + (i as f32 + t) / parts * (radii[1] - radii[0]);
            let reach = radii[0] + 0.5;
            let span = |a: f32, b: f32| {
                let low = (a.min(b) - reach).floor().max(0.0) as usize;
                let high = (a.max(b) + reach).ceil().clamp(0.0, side as f32) as usize;
                low..high
            };
            let (dx, dy) = (bx - ax, by - ay);
            let square = (dx * dx + dy * dy).max(1e-9);
            for y in span(ay, by) {
                for x in span(ax, bx) {
                    let (px, py) = (x as f32 + 0.5 - ax, y as f32 + 0.5 - ay);
                    let t = ((px * dx + py * dy) / square).clamp(0.0, 1.0);
                    let gap = (px - t * dx).hypot(py - t * dy);
                    let cover =
                        (0.5 + radius(t) - gap).clamp(0.0, 1.0).min(2.0 * radius(t)) * opaque;
                    if cover <= 0.0 {
                        continue;
                    }
                    let pixel = &mut pixels[y * side + x];
                    if let Some((hit, part)) = root {
                        let bare = pixel.part.is_some_and(|part| !part.hairy());
                        if bare && pixel.hit.is_some_and(|other| other.away < hit.away + 0.03) {
                            continue;
                        }
                        if cover > 0.4 && (pixel.part.is_none() || bare) {
                            pixel.part = Some(part);
                        }
                    }
                    pixel.colour = mix(pixel.colour, colour, cover);
                }
            }
        }
    }

    /// Exposes, and adds what a camera adds: darker corners and noise.
    fn develop(&self, pixels: &[Pixel], random: &mut StdRng) -> Vec<u8> {
        let mean = pixels.iter().flat_map(|p| p.colour).sum::<f32>() / (3 * pixels.len()) as f32;
        let wanted = random.gen_range(0.17f32..0.3);
        let gain = (wanted / mean.max(1e-3)).clamp(0.6, 1.9);
        let corners = random.gen_range(0f32..0.5);
        let noise = random.gen_range(0.004f32..0.016);
        let side = self.side as f32;
        let mut bytes = Vec::with_capacity(3 * pixels.len());
        for (i, pixel) in pixels.iter().enumerate() {
            let (x, y) = ((i % self.side) as f32 / side - 0.5, (i / self.side) as f32 / side - 0.5);
            let exposure = gain * (1.0 - corners * (x * x + y * y));
            let grain = noise * normal(random);
            bytes.extend(pixel.colour.map(|value| {
                // A shoulder instead of clipped lights.
                let v = value * exposure;
                let v = if v > 0.7 { 0.7 + 0.3 * (1.0 - (-(v - 0.7) / 0.3).exp()) } else { v };
                let level = v.max(0.0).powf(1.0 / 2.2) + grain + 0.4 * noise * normal(random);
                (255.0 * level).round().clamp(0.0, 255.0) as u8
            }));
        }
        bytes
    }
}

/// The mean over so many pixels to both sides, along rows (`step` 1) or columns (`step` `side`).
fn blurred(from: &[Colour], blurs: &[usize], side: usize, step: usize, to: &mut [Colour]) {
    for (i, (out, blur)) in to.iter_mut().zip(blurs).enumerate() {
        let place = if step == 1 { i % side } else { i / side };
        let (before, after) = ((*blur).min(place), (*blur).min(side - 1 - place));
        let mut sum = [0f32; 3];
        for j in 0..=before + after {
            let other = from[i + j * step - before * step];
            sum.iter_mut().zip(other).for_each(|(sum, v)| *sum += v);
        }
        *out = sum.map(|v| v / (before + after + 1) as f32);
    }
}
