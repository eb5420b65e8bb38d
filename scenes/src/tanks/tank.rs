//! The tank: solids whose distance is known, found along the rays of the camera.

use rand::Rng;
use rand::rngs::StdRng;

use super::canvas::{Canvas, Thing, places};
use super::lens::Lens;
use super::light::{Light, Shade};
use crate::colour::{Colour, mix, srgb};
use crate::noise::{Noise, ramp, sign};
use crate::vector::{Vector, at};

/// What a point of the surface is made of.
#[derive(Clone, Copy, PartialEq)]
enum Stuff {
    Paint,
    Track,
    Wheel,
    Wood,
}

/// The surface that is nearest so far.
struct Nearest {
    gap: f32,
    stuff: Stuff,
}

impl Nearest {
    fn take(&mut self, gap: f32, stuff: Stuff) {
        if gap < self.gap {
            *self = Nearest { gap, stuff };
        }
    }
}

/// Lengths in metres: x ahead, y up, z to its left; the origin is on the ground under its middle.
pub(super) struct Tank {
    place: Vector,
    /// Its heading as sine and cosine, 0 to the right of the picture.
    heading: (f32, f32),
    turret: (f32, f32),
    barrel: f32,
    lift: f32,
    dome: bool,
    skirts: bool,
    brake: bool,
    drums: bool,
    wheels: usize,
    camouflage: [Colour; 3],
    mud: Colour,
    muddy: f32,
    noise: Noise,
    /// The upper hull, and the turret that is no dome.
    hull: Convex,
    faces: Convex,
}

/// A ball around all of it, gun included.
const MIDDLE: Vector = at(0.0, 1.2, 0.0);
const REACH: f32 = 6.2;
const TOP: f32 = 3.0;
/// The side of a square of pixels whose rays start together.
const BLOCK: usize = 4;
/// Where the turret turns.
const RING: Vector = at(0.15, 1.55, 0.0);

/// As `hypot`, without its care for numbers that no scene has.
fn long(a: f32, b: f32) -> f32 {
    (a * a + b * b).sqrt()
}

fn cuboid(p: Vector, middle: Vector, half: Vector, round: f32) -> f32 {
    let d = p - middle;
    let [x, y, z] =
        [d.x.abs() - half.x + round, d.y.abs() - half.y + round, d.z.abs() - half.z + round];
    let outside = at(x.max(0.0), y.max(0.0), z.max(0.0)).length();
    outside + x.max(y).max(z).min(0.0) - round
}

/// A cylinder, from how far off its axis and off its middle a point is.
fn cylinder(off: f32, along: f32, radius: f32, half: f32) -> f32 {
    let (a, b) = (off - radius, along.abs() - half);
    a.max(b).min(0.0) + long(a.max(0.0), b.max(0.0))
}

/// A disc or drum along z.
fn drum(p: Vector, middle: Vector, radius: f32, half: f32) -> f32 {
    let d = p - middle;
    cylinder(long(d.x, d.y), d.z, radius, half)
}

/// A can that stands.
fn can(p: Vector, middle: Vector, radius: f32, half: f32) -> f32 {
    let d = p - middle;
    cylinder(long(d.x, d.z), d.y, radius, half)
}

/// A rod along x from one place to another, with flat ends.
fn rod(p: Vector, from: Vector, to: f32, radius: f32) -> f32 {
    let (d, half) = (p - from, 0.5 * (to - from.x));
    cylinder(long(d.y, d.z), d.x - half, radius, half)
}

/// A convex solid: a half space for each side, with a normal of length 1.
struct Convex([(Vector, f32); 6]);

impl Convex {
    /// Where `normal · p <= reach` for each side.
    fn new(sides: [([f32; 3], f32); 6]) -> Convex {
        Convex(sides.map(|([x, y, z], reach)| {
            let length = at(x, y, z).length();
            (at(x, y, z) * (1.0 / length), reach / length)
        }))
    }

    fn distance(&self, p: Vector) -> f32 {
        self.0.iter().map(|(normal, reach)| p.dot(*normal) - reach).fold(f32::MIN, f32::max)
    }
}

/// The outline of a track: a belt around four wheels, by the distance from the polygon of their
/// middles.
fn belt(x: f32, y: f32) -> f32 {
    const CORNERS: [[f32; 2]; 4] = [[-2.62, 0.8], [-2.0, 0.43], [2.0, 0.43], [2.62, 0.84]];
    let mut nearest = f32::MAX;
    let mut inside = true;
    for i in 0..4 {
        let ([ax, ay], [bx, by]) = (CORNERS[i], CORNERS[(i + 1) % 4]);
        let (dx, dy, px, py) = (bx - ax, by - ay, x - ax, y - ay);
        let t = ((px * dx + py * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
        nearest = nearest.min(long(px - t * dx, py - t * dy));
        inside &= dx * py - dy * px >= 0.0;
    }
    (if inside { -nearest } else { nearest }) - 0.42
}

impl Tank {
    pub(super) fn new(random: &mut StdRng, place: Vector) -> Tank {
        // From the side or askew, seldom end on.
        let turn = sign(random) * random.gen_range(0.1f32..1.15)
            + if random.gen_range(0..2u32) == 0 { std::f32::consts::PI } else { 0.0 };
        let mut pick = |colours: &[u32]| srgb(colours[random.gen_range(0..colours.len())]);
        let camouflage = [
            pick(&[0x5a6038, 0x636a42, 0x4f5a36, 0x6b6a45]),
            pick(&[0x3a4229, 0x403f2a, 0x2f3a28]),
            pick(&[0x7c6a48, 0x6a5238, 0x8a7c56]),
        ];
        let mud = pick(&[0x7a6850, 0x8a7558, 0x655440]);
        Tank {
            place,
            heading: turn.sin_cos(),
            turret: random.gen_range(-0.7f32..0.7).sin_cos(),
            barrel: random.gen_range(2.6f32..3.9),
            lift: random.gen_range(-0.01f32..0.13),
            dome: random.gen_range(0..2u32) == 0,
            skirts: random.gen_range(0..4u32) == 0,
            brake: random.gen_range(0..2u32) == 0,
            drums: random.gen_range(0..2u32) == 0,
            wheels: random.gen_range(5..7),
            camouflage,
            mud,
            muddy: random.gen_range(0.3f32..1.0),
            noise: Noise::new(random),
            hull: Convex::new([
                ([0.0, 1.0, 0.0], 1.52),
                ([0.0, -1.0, 0.0], -0.98),
                ([0.62, 1.0, 0.0], 2.78),
                ([0.62, -1.0, 0.0], 0.92),
                ([-1.0, 0.62, 0.0], 3.42),
                ([0.0, 0.35, 1.0], 1.86),
            ]),
            faces: Convex::new([
                ([0.0, 1.0, 0.0], 0.72),
                ([0.0, -1.0, 0.0], 0.02),
                ([1.0, 0.45, 0.35], 1.5),
                ([-1.0, 0.18, 0.0], 1.45),
                ([0.0, 0.3, 1.0], 1.12),
                ([-0.55, 0.2, 1.0], 1.6),
            ]),
        }
    }

    /// How far from the camera it stands.
    pub(super) fn depth(&self) -> f32 {
        self.place.z
    }

    fn inside(&self, p: Vector) -> Vector {
        self.turned_in(p - self.place)
    }

    fn turned_in(&self, d: Vector) -> Vector {
        let (sin, cos) = self.heading;
        at(cos * d.x + sin * d.z, d.y, cos * d.z - sin * d.x)
    }

    /// A place of the tank in the world.
    fn out(&self, p: Vector) -> Vector {
        let (sin, cos) = self.heading;
        self.place + at(cos * p.x - sin * p.z, p.y, sin * p.x + cos * p.z)
    }

    /// No more than about the distance of a point from the surface, and what is there.
    fn distance(&self, p: Vector) -> (f32, Stuff) {
        // The gun reaches out of the box around the rest.
        let t = self.in_turret(p);
        let gun = at(t.x, t.y - 0.33 - self.lift * (t.x - 1.2), t.z);
        let muzzle = 1.2 + self.barrel;
        let along = rod(gun, at(1.2, 0.0, 0.0), muzzle + 0.06, 0.16);
        let around = cuboid(p, at(0.0, 1.3, 0.0), at(3.1, 1.35, 1.7), 0.0).min(along);
        if around > 0.3 {
            return (around, Stuff::Paint);
        }
        let mut nearest = Nearest { gap: f32::MAX, stuff: Stuff::Paint };
        // The hull is the same to both sides.
        let q = at(p.x, p.y, p.z.abs());
        nearest.take(cuboid(q, at(0.0, 0.78, 0.0), at(2.5, 0.36, 0.95), 0.05), Stuff::Paint);
        nearest.take(self.hull.distance(q), Stuff::Paint);
        // Fenders and what lies on them.
        nearest.take(cuboid(q, at(-0.05, 1.27, 1.2), at(2.9, 0.025, 0.34), 0.01), Stuff::Paint);
        nearest.take(cuboid(p, at(0.75, 1.4, 1.3), at(0.42, 0.13, 0.18), 0.03), Stuff::Paint);
        nearest.take(cuboid(p, at(-1.35, 1.42, -1.3), at(0.55, 0.15, 0.18), 0.03), Stuff::Paint);
        nearest.take(rod(p, at(-1.9, 1.36, 1.38), 0.1, 0.07), Stuff::Wood);
        if self.drums {
            nearest.take(rod(p, at(-2.7, 1.55, 1.12), -1.6, 0.24), Stuff::Paint);
            nearest.take(rod(p, at(-2.7, 1.55, -1.12), -1.6, 0.24), Stuff::Paint);
        }
        self.running_gear(q, &mut nearest);
        if (p - RING).length() - 2.1 < nearest.gap {
            self.turret_at(t, &mut nearest);
        }
        if along < nearest.gap {
            nearest.take(self.gun_at(gun, muzzle), Stuff::Paint);
        }
        (nearest.gap, nearest.stuff)
    }

    /// A place as the turret sees it: from its ring, x along the gun.
    fn in_turret(&self, p: Vector) -> Vector {
        let (sin, cos) = self.turret;
        let d = p - RING;
        at(cos * d.x + sin * d.z, d.y, cos * d.z - sin * d.x)
    }

    fn running_gear(&self, q: Vector, nearest: &mut Nearest) {
        let aside = (q.z - 1.25).abs() - 0.25;
        let around = (q.x.abs() - 3.1).max((q.y - 0.65).abs() - 0.65).max(aside);
        if around > 0.4 {
            nearest.take(around, Stuff::Track);
            return;
        }
        let outline = belt(q.x, q.y);
        if outline.max(aside) > 0.6 {
            nearest.take(outline.max(aside), Stuff::Track);
            return;
        }
        let links = 0.018 * (q.x * 34.0).sin().signum();
        let ring = (outline.abs() - 0.045 - links.max(0.0)).max(aside);
        nearest.take(ring, Stuff::Track);
        let space = 4.3 / (self.wheels - 1) as f32;
        let slot = ((q.x + 2.15) / space).round().clamp(0.0, (self.wheels - 1) as f32);
        let middle = at(slot * space - 2.15, 0.43, 1.25);
        let radius = (0.47 * space).min(0.39);
        let face = drum(q, middle, radius, 0.2);
        // A rim, a sunk disc and a hub.
        let sunk = drum(q, middle + at(0.0, 0.0, 0.2), radius - 0.08, 0.07);
        let hub = drum(q, middle, 0.1, 0.22);
        nearest.take(face.max(-sunk).min(hub), Stuff::Wheel);
        for (x, y) in [(-2.62f32, 0.8f32), (2.62, 0.84)] {
            nearest.take(drum(q, at(x, y, 1.25), 0.33, 0.18), Stuff::Wheel);
        }
        for x in [-1.2f32, 0.1, 1.4] {
            nearest.take(drum(q, at(x, 1.13, 1.25), 0.1, 0.15), Stuff::Wheel);
        }
        if self.skirts {
            nearest.take(cuboid(q, at(0.0, 0.98, 1.56), at(2.75, 0.3, 0.015), 0.01), Stuff::Paint);
        }
    }

    fn turret_at(&self, t: Vector, nearest: &mut Nearest) {
        let s = at(t.x, t.y, t.z.abs());
        if self.dome {
            let d = at(t.x / 1.28, (t.y + 0.02) / 0.78, t.z / 1.08);
            let dome = (d.length() - 1.0) * 0.72;
            nearest.take(dome.max(-t.y - 0.02), Stuff::Paint);
        } else {
            nearest.take(self.faces.distance(s), Stuff::Paint);
            nearest.take(cuboid(t, at(-1.55, 0.3, 0.0), at(0.3, 0.2, 0.75), 0.04), Stuff::Paint);
        }
        nearest.take(can(t, at(-0.35, 0.8, 0.42), 0.3, 0.14), Stuff::Paint);
        nearest.take(can(t, at(-0.35, 0.96, 0.42), 0.25, 0.025), Stuff::Paint);
        nearest.take(can(t, at(-0.15, 0.74, -0.45), 0.26, 0.05), Stuff::Paint);
        nearest.take(cuboid(t, at(1.12, 0.32, 0.0), at(0.28, 0.24, 0.36), 0.1), Stuff::Paint);
    }

    /// The gun, from the mantlet to the muzzle, with a brake there or a thicker part before it.
    fn gun_at(&self, g: Vector, muzzle: f32) -> f32 {
        let part = |from: f32, to: f32, radius: f32| rod(g, at(from, 0.0, 0.0), to, radius);
        let thick = match self.brake {
            true => part(muzzle - 0.42, muzzle + 0.05, 0.15),
            false => part(1.2 + 0.55 * self.barrel, 1.75 + 0.55 * self.barrel, 0.125),
        };
        part(1.2, muzzle, 0.085).min(part(1.2, 2.0, 0.12)).min(thick)
    }

    fn normal(&self, p: Vector) -> Vector {
        const STEP: f32 = 6e-3;
        let corners = [at(1., -1., -1.), at(-1., -1., 1.), at(-1., 1., -1.), at(1., 1., 1.)];
        let sum = corners.map(|c| c * self.distance(p + c * STEP).0);
        (sum[0] + sum[1] + sum[2] + sum[3]).unit()
    }

    /// Takes light from the ground below and behind it.
    pub(super) fn shade(&self, shade: &mut Shade) {
        const STEP: f32 = 0.2;
        for (i, j, k) in
            (0..50).flat_map(|i| (0..12).flat_map(move |j| (0..18).map(move |k| (i, j, k))))
        {
            let p = at(i as f32 * STEP - 4.9, j as f32 * STEP + 0.1, k as f32 * STEP - 1.7);
            if self.distance(p).0 < 0.08 {
                shade.add(self.out(p), 0.14, if p.y < 0.7 { 0.35 } else { 0.45 });
            }
        }
    }

    pub(super) fn paint(&self, canvas: &mut Canvas, (lens, light, shade): (&Lens, &Light, &Shade)) {
        let eye = self.inside(at(0.0, lens.height, 0.0));
        let to_sun = self.turned_in(light.to_sun);
        // What may show it: it is no higher than this, and no nearer than its reach.
        let near = at(0.0, 0.0, -REACH.min(0.6 * self.place.z));
        let ([_, top], _) = lens.seen(self.place + near + at(0.0, TOP, 0.0));
        let ([_, bottom], _) = lens.seen(self.place + near);
        let ([middle, _], scale) = lens.seen(self.place);
        let half = 1.15 * REACH * scale;
        let side = canvas.side as f32;
        let span =
            |low: f32, high: f32| low.clamp(0.0, side) as usize..high.clamp(0.0, side) as usize;
        let (columns, rows) = (span(middle - half, middle + half), span(top, bottom));
        let ray = |column: f32, row: f32| {
            let [right, up] = lens.ray(column, row);
            self.turned_in(at(right, up, 1.0)).unit()
        };
        // How far the rays of a block get together, then each alone.
        let half = 0.5 * BLOCK as f32;
        let wide = 1.5 * half / lens.focal;
        for (y, x) in places(rows.step_by(BLOCK), columns.step_by(BLOCK)) {
            let middle = ray(x as f32 + half, y as f32 + half);
            let Some(from) = self.meet(eye, middle, 0.1, wide) else { continue };
            for (row, column) in places(y..y + BLOCK, x..x + BLOCK) {
                let ray = ray(column as f32 + 0.5, row as f32 + 0.5);
                if let Some(away) = self.meet(eye, ray, from, 0.0) {
                    let colour = self.lit(eye + ray * away, ray, (light, to_sun, shade));
                    canvas.put(column, row, light.through_air(colour, away), Thing::Tank);
                }
            }
        }
    }

    /// How far along a ray from here on the surface is; along a cone that grows so much, how far
    /// no ray in it has met the surface.
    fn meet(&self, eye: Vector, ray: Vector, from: f32, wide: f32) -> Option<f32> {
        let to = MIDDLE - eye;
        let along = to.dot(ray);
        let reach = REACH + wide * along;
        let half = reach * reach - (to - ray * along).dot(to - ray * along);
        if half <= 0.0 {
            return None;
        }
        let (mut away, end) = ((along - half.sqrt()).max(from), along + half.sqrt());
        for _ in 0..90 {
            let (p, cone) = (eye + ray * away, wide * away);
            // Nothing of it is under the ground, or above its hatch.
            let below = ray.y < 0.0 && p.y < -0.05 - cone;
            let above = ray.y > 0.0 && p.y > TOP + cone;
            if away > end || below || above {
                break;
            }
            let free = 0.92 * self.distance(p).0 - cone;
            if free < 4e-3 + cone {
                return Some(away);
            }
            away += free;
        }
        None
    }

    fn lit(
        &self,
        p: Vector,
        ray: Vector,
        (light, to_sun, shade): (&Light, Vector, &Shade),
    ) -> Colour {
        let normal = self.normal(p);
        let own = self.own(p, self.distance(p).1, normal);
        let open = |reach: f32| (self.distance(p + normal * reach).0 / reach).clamp(0.0, 1.0);
        let corner = 0.3 + 0.45 * open(0.3) + 0.25 * open(0.09);
        // The belly is dark: the ground is close.
        let under = 0.45 + 0.55 * ramp(0.0, 0.9, p.y);
        let mut free: f32 = 1.0;
        let facing = normal.dot(to_sun).max(0.0);
        if light.sun[1] * facing > 0.0 {
            for gone in [0.06f32, 0.14, 0.3, 0.6, 1.1, 1.8] {
                free = free.min(self.distance(p + to_sun * gone + normal * 0.02).0 / (0.3 * gone));
            }
        }
        // Leaves above throw their shadows on it, too.
        let world = self.out(p);
        let foot = world - light.to_sun * (world.y / light.to_sun.y.max(0.1));
        let (through, above) = shade.at(foot.x, foot.z);
        let facing = facing * free.clamp(0.0, 1.0) * through;
        let sky = corner * under * (0.6 + 0.4 * normal.y) * (0.55 + 0.45 * above);
        let half = (to_sun - ray).unit();
        let shine = 0.06 * normal.dot(half).max(0.0).powi(16) * facing;
        std::array::from_fn(|c| {
            own[c] * (light.sky[c] * sky + light.sun[c] * facing) + light.sun[c] * shine
        })
    }

    fn own(&self, p: Vector, stuff: Stuff, normal: Vector) -> Colour {
        let plane =
            |rate: f32| self.noise.at(rate * (p.x + 0.35 * p.y), rate * (p.z + 0.65 * p.y) + 20.0);
        let rough = 0.5 * plane(9.0) + 0.5 * plane(31.0);
        let own = match stuff {
            Stuff::Track => {
                let gap = (p.x * 34.0).sin() * 0.5 + 0.5;
                mix(srgb(0x2c2925), srgb(0x544b40), gap)
            }
            Stuff::Wheel => self.camouflage[0].map(|v| 0.75 * v),
            Stuff::Wood => srgb(0x6b5638),
            Stuff::Paint => {
                let (a, b) = (plane(0.85) + 0.35 * plane(2.3), plane(0.6) - 0.35 * plane(2.0));
                let patch = mix(self.camouflage[0], self.camouflage[1], ramp(0.1, 0.18, a));
                mix(patch, self.camouflage[2], ramp(0.28, 0.36, b))
            }
        };
        // Mud climbs from below, dust lies on what is level.
        let spatter = ramp(1.15, 0.25, p.y + 0.35 * plane(3.1) + 0.2 * plane(11.0));
        let dust = 0.35 * normal.y.max(0.0) * (0.5 + 0.5 * plane(1.7));
        let dirty = mix(own, self.mud, (self.muddy * 0.8 * spatter).max(dust * self.muddy));
        dirty.map(|v| v * (1.0 + 0.22 * rough).max(0.3))
    }
}
