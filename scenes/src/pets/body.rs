//! How a cat and a dog are built, and the poses they take. An animal stands at about height 1.

use rand::Rng;
use rand::rngs::StdRng;

use super::Species;
use super::head::{self, Head};
use super::shape::{Limb, Part, Shape};
use crate::noise::sign;
use crate::vector::{Frame, Vector, at};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Pose {
    Standing,
    Sitting,
    Lying,
}

/// An animal in its pose.
pub(super) struct Animal {
    pub(super) species: Species,
    pub(super) shape: Shape,
    pub(super) head: Head,
}

/// What differs between one animal and the next.
struct Build {
    /// From the ground to the belly.
    legs: f32,
    /// The trunk's radius, and half its length.
    girth: f32,
    half: f32,
    /// The neck's length.
    neck: f32,
    tail: f32,
    bone: f32,
}

/// The turn of the camera about the animal, as seen from above, in radians: the head turns some of
/// the way towards it.
pub(super) fn animal(random: &mut StdRng, species: Species, pose: Pose, camera: f32) -> Animal {
    let mut vary = |least: f32, most: f32| random.gen_range(least..most);
    let build = match species {
        Species::Cat => Build {
            legs: vary(0.36, 0.44),
            girth: vary(0.19, 0.25),
            half: vary(0.46, 0.54),
            neck: vary(0.16, 0.22),
            tail: vary(0.7, 0.95),
            bone: vary(0.9, 1.1),
        },
        Species::Dog => Build {
            legs: vary(0.38, 0.62),
            girth: vary(0.22, 0.28),
            half: vary(0.44, 0.54),
            neck: vary(0.26, 0.36),
            tail: vary(0.45, 0.65),
            bone: vary(1.0, 1.3),
        },
    };
    let (mut limbs, neck) = match pose {
        Pose::Standing => standing(random, species, &build),
        Pose::Sitting => sitting(random, species, &build),
        Pose::Lying => lying(random, species, &build),
    };
    let scale = match species {
        Species::Cat => random.gen_range(0.235..0.265),
        Species::Dog => random.gen_range(0.22..0.255),
    };
    // A head turns at most so far on its neck.
    let turn = (camera * random.gen_range(0.55f32..1.0)).clamp(-1.25, 1.25);
    let lift = random.gen_range(-0.12f32..0.12);
    let frame = Frame::new(neck, scale, turn, lift, random.gen_range(-0.16f32..0.16));
    let head = Head::new(random, species, frame);
    limbs.extend(head::limbs(&head));
    Animal { species, shape: Shape::new(limbs), head }
}

/// A limb and its mirror image.
fn pair(limb: Limb) -> [Limb; 2] {
    let mirror = Limb {
        root: limb.root.mirrored(),
        tip: limb.tip.mirrored(),
        flat: (limb.flat.0.mirrored(), limb.flat.1),
        ..limb
    };
    [limb, mirror]
}

/// A chain of limbs through places, with a radius at each.
fn chain(part: Part, places: &[(Vector, f32)]) -> Vec<Limb> {
    let mut along = 0.0;
    let links = places.windows(2).map(|link| {
        let [(root, thick), (tip, thin)] = [link[0], link[1]];
        let limb = Limb::new(part, root, tip, [thick, thin]).begins(along);
        along += (tip - root).length();
        limb
    });
    links.collect()
}

/// A tail along a bent line from its root, through a bend, to its tip.
fn tail(species: Species, [root, bend, tip]: [Vector; 3]) -> Vec<Limb> {
    let radii = match species {
        Species::Cat => [0.062, 0.045],
        Species::Dog => [0.075, 0.03],
    };
    let places: Vec<(Vector, f32)> = (0..=6)
        .map(|i| {
            let t = i as f32 / 6.0;
            let place = root.towards(bend, t).towards(bend.towards(tip, t), t);
            (place, radii[0] + t * (radii[1] - radii[0]))
        })
        .collect();
    chain(Part::Tail, &places)
}

fn paw(ankle: Vector, bone: f32) -> Limb {
    let toes = at(ankle.x, 0.058 * bone, ankle.z + 0.085);
    Limb::new(Part::Paw, at(ankle.x, 0.06 * bone, ankle.z), toes, [0.06 * bone, 0.07 * bone])
}

fn trunk(places: &[(Vector, f32)], narrow: f32, blend: f32) -> Vec<Limb> {
    let limbs = chain(Part::Trunk, places).into_iter();
    limbs.map(|limb| limb.flat(at(1.0, 0.0, 0.0), narrow).blend(blend)).collect()
}

fn neck(nape: Vector, throat: Vector, radius: f32) -> Limb {
    Limb::new(Part::Trunk, nape, throat, [0.14, radius]).blend(0.14).begins(-0.3)
}

fn leg(places: &[(Vector, f32)]) -> Vec<Limb> {
    chain(Part::Leg, places).into_iter().map(|limb| limb.blend(0.08)).collect()
}

/// The hind legs of an animal that does not stand, from the thigh, `thick` as wide as the trunk.
fn folded([thigh, knee, heel]: [Vector; 3], thick: f32, build: &Build) -> Vec<Limb> {
    let Build { girth, bone, .. } = *build;
    let toes = heel + at(0.02, 0.0, 0.2);
    let foot = Limb::new(Part::Paw, heel, toes, [0.06 * bone, 0.07 * bone]).blend(0.04);
    let mut limbs = leg(&[(thigh, thick * girth), (knee, 0.5 * girth)]);
    limbs.push(foot);
    limbs.into_iter().flat_map(pair).collect()
}

fn standing(random: &mut StdRng, species: Species, build: &Build) -> (Vec<Limb>, Vector) {
    let Build { legs, girth, half, neck, bone, .. } = *build;
    let back = legs + girth;
    let trunk = [
        (at(0.0, back, half), girth),
        (at(0.0, back - 0.02, 0.0), 0.9 * girth),
        (at(0.0, back + 0.03, -half), 0.85 * girth),
    ];
    let mut limbs = self::trunk(&trunk, 0.82, 0.15);
    let mut step = |most: f32| random.gen_range(-most..most);
    let wide = 0.55 * girth;
    for (x, stride) in [(wide, step(0.14)), (-wide, step(0.14))] {
        let shoulder = at(x, back - 0.05, half - 0.02);
        let elbow = at(x, 0.62 * legs, half - 0.06 + 0.4 * stride);
        let wrist = at(x, 0.07, half + stride);
        let leg = [(shoulder, 0.5 * girth), (elbow, 0.078 * bone), (wrist, 0.056 * bone)];
        limbs.extend(self::leg(&leg));
        limbs.push(paw(wrist, bone));
    }
    for (x, stride) in [(wide, step(0.14)), (-wide, step(0.14))] {
        let hip = at(x, back - 0.02, -half + 0.03);
        let knee = at(1.05 * x, 0.72 * legs, -half + 0.12 + 0.4 * stride);
        let hock = at(x, 0.36 * legs, -half - 0.12 + 0.8 * stride);
        let ankle = at(x, 0.07, -half - 0.06 + stride);
        let leg =
            [(hip, 0.68 * girth), (knee, 0.1 * bone), (hock, 0.055 * bone), (ankle, 0.052 * bone)];
        limbs.extend(self::leg(&leg));
        limbs.push(paw(ankle, bone));
    }
    let root = at(0.0, back + 0.12, -half - 0.1);
    let (sway, long) = (step(0.3), build.tail);
    let bend = root + at(0.3 * sway, 0.1 * long, -0.55 * long);
    let tip = match species {
        Species::Cat => bend + at(sway, 0.6 * long, -0.1),
        Species::Dog => bend + at(sway, 0.55 * long, 0.1),
    };
    limbs.extend(tail(species, [root, bend, tip]));
    let throat = at(0.0, back + 0.06, half + 0.08);
    let nape = throat + at(0.0, neck + 0.1, 0.75 * neck + 0.05);
    limbs.push(self::neck(nape - at(0.0, 0.06, 0.04), throat, 0.85 * girth));
    (limbs, nape)
}

fn sitting(random: &mut StdRng, species: Species, build: &Build) -> (Vec<Limb>, Vector) {
    let Build { legs, girth, neck, bone, .. } = *build;
    let chest = at(0.0, legs + 0.24, 0.12);
    let hips = at(0.0, 1.05 * girth, -0.3);
    let trunk = [(chest, girth), (chest.towards(hips, 0.5), 1.05 * girth), (hips, 1.15 * girth)];
    let mut limbs = self::trunk(&trunk, 0.85, 0.16);
    let wide = 0.5 * girth;
    let apart = random.gen_range(0.8f32..1.15);
    let shoulder = at(wide, chest.y - 0.04, chest.z + 0.05);
    let wrist = at(wide * apart, 0.07, chest.z + random.gen_range(0.1..0.16));
    let elbow = shoulder.towards(wrist, 0.5) - at(0.0, 0.0, 0.02);
    let fore = [(shoulder, 0.5 * girth), (elbow, 0.082 * bone), (wrist, 0.06 * bone)];
    let thigh = at(0.95 * girth, 0.8 * girth, -0.2);
    let knee = at(1.15 * girth, 0.75 * girth, 0.02);
    let heel = at(1.15 * girth, 0.07, -0.12);
    limbs.extend(leg(&fore).into_iter().flat_map(pair));
    limbs.extend(pair(paw(wrist, bone)));
    limbs.extend(folded([thigh, knee, heel], 0.75, build));
    let round = sign(random);
    let root = at(0.0, 0.1, hips.z - girth);
    let bend = at(round * 0.62, 0.02, hips.z - 0.25);
    let tip = at(round * (0.3 + 0.2 * build.tail), 0.07, -0.1 + 0.35 * build.tail);
    let path = match species {
        Species::Cat => [root, bend, tip],
        Species::Dog => [root, root.towards(bend, 0.6), bend + at(0.1 * round, 0.1, -0.1)],
    };
    limbs.extend(tail(species, path));
    let nape = chest + at(0.0, 0.12 + neck, 0.1);
    limbs.push(self::neck(nape - at(0.0, 0.08, 0.04), chest, 0.9 * girth));
    (limbs, nape)
}

fn lying(random: &mut StdRng, species: Species, build: &Build) -> (Vec<Limb>, Vector) {
    let Build { girth, half, neck, bone, .. } = *build;
    let trunk = [
        (at(0.0, 1.15 * girth, half), girth),
        (at(0.0, girth, 0.0), girth),
        (at(0.0, girth, -half), 1.1 * girth),
    ];
    let mut limbs = self::trunk(&trunk, 0.95, 0.15);
    let wide = 0.65 * girth;
    for x in [wide, -wide] {
        let reach = random.gen_range(0.3f32..0.42);
        let elbow = at(x, 0.1, half + 0.02);
        let wrist = at(0.85 * x, 0.07, half + reach);
        let leg = [(at(x, girth, half), 0.5 * girth), (elbow, 0.09 * bone), (wrist, 0.062 * bone)];
        limbs.extend(self::leg(&leg));
        limbs.push(paw(wrist, bone));
    }
    let thigh = at(0.95 * girth, 0.85 * girth, -half + 0.02);
    let knee = at(1.2 * girth, 0.7 * girth, -half + 0.26);
    let heel = at(1.25 * girth, 0.07, -half + 0.12);
    limbs.extend(folded([thigh, knee, heel], 0.8, build));
    let round = sign(random);
    let root = at(0.0, 0.12, -half - girth);
    let bend = at(round * 0.5, 0.02, -half - 0.4);
    limbs.extend(tail(
        species,
        [root, bend, at(round * 0.55, 0.07, -half + 0.5 * build.tail - 0.2)],
    ));
    let throat = at(0.0, 1.25 * girth, half + 0.06);
    let nape = throat + at(0.0, neck + 0.12, 0.5 * neck + 0.05);
    limbs.push(self::neck(nape - at(0.0, 0.08, 0.04), throat, 0.9 * girth));
    (limbs, nape)
}
