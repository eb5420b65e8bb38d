//! Heads, in units of about the skull's radius, around its centre.

use rand::Rng;
use rand::rngs::StdRng;

use super::Species;
use super::shape::{Limb, Part};
use crate::vector::{Frame, Vector, at};

/// A head: where it is, and what differs between one and the next.
pub(super) struct Head {
    pub(super) species: Species,
    pub(super) frame: Frame,
    /// The right eye, as seen by whoever faces the animal from inside the frame, and its radius.
    pub(super) eye: Vector,
    pub(super) eye_radius: f32,
    /// How far the upper and the lower lid leave the eye open, in radii from its middle.
    pub(super) lids: [f32; 2],
    /// How much higher the lids stand at the outer corner.
    pub(super) slant: f32,
    pub(super) nose: Vector,
    /// How far the mouth is open: only dogs open theirs.
    open: f32,
    muzzle: f32,
    ears: Ears,
}

#[derive(Clone, Copy)]
enum Ears {
    /// Pointed, this long and this far apart.
    Pointed(f32, f32),
    Hanging(f32),
    Folded,
}

impl Head {
    pub(super) fn new(random: &mut StdRng, species: Species, frame: Frame) -> Head {
        let mut vary = |least: f32, most: f32| random.gen_range(least..most);
        match species {
            Species::Cat => Head {
                species,
                frame,
                eye: at(vary(0.4, 0.44), 0.03, 0.75),
                eye_radius: vary(0.22, 0.26),
                lids: [vary(0.6, 0.85), vary(0.6, 0.8)],
                slant: 0.12,
                nose: at(0.0, -0.24, 1.08),
                open: 0.0,
                muzzle: vary(0.9, 1.1),
                ears: Ears::Pointed(vary(0.85, 1.05), vary(0.9, 1.1)),
            },
            Species::Dog => {
                let muzzle = vary(0.85, 1.2);
                Head {
                    species,
                    frame,
                    eye: at(vary(0.35, 0.41), 0.12, 0.76),
                    eye_radius: vary(0.165, 0.195),
                    lids: [vary(0.62, 0.8), vary(0.6, 0.8)],
                    slant: -0.06,
                    nose: at(0.0, -0.12, 0.66 + muzzle),
                    open: if vary(0.0, 1.0) < 0.55 { vary(0.2, 0.38) } else { 0.0 },
                    muzzle,
                    ears: if vary(0.0, 1.0) < 0.75 {
                        Ears::Hanging(vary(0.75, 1.25))
                    } else {
                        Ears::Folded
                    },
                }
            }
        }
    }

    /// The centres of both eyes in the frame.
    pub(super) fn eyes(&self) -> [Vector; 2] {
        [self.eye, self.eye.mirrored()]
    }
}

/// All limbs of a head, in the world.
pub(super) fn limbs(head: &Head) -> Vec<Limb> {
    let mut limbs = match head.species {
        Species::Cat => cat(head),
        Species::Dog => dog(head),
    };
    for eye in head.eyes() {
        limbs.push(Limb::new(Part::Eye, eye, eye, [head.eye_radius; 2]).blend(0.0));
    }
    let frame = &head.frame;
    let placed = limbs.into_iter().map(|limb| Limb {
        root: frame.out(limb.root),
        tip: frame.out(limb.tip),
        radii: limb.radii.map(|radius| radius * frame.scale),
        flat: (frame.direction(limb.flat.0), limb.flat.1),
        blend: limb.blend * frame.scale,
        ..limb
    });
    placed.collect()
}

fn ball(part: Part, centre: Vector, radius: f32) -> Limb {
    Limb::new(part, centre, centre, [radius; 2]).blend(0.25)
}

fn rod(part: Part, ends: [Vector; 2], radii: [f32; 2]) -> Limb {
    Limb::new(part, ends[0], ends[1], radii).blend(0.25)
}

fn cat(head: &Head) -> Vec<Limb> {
    let m = head.muzzle;
    let mut limbs = vec![
        rod(Part::Head, [at(-0.14, 0.02, 0.0), at(0.14, 0.02, 0.0)], [0.93, 0.93]),
        rod(Part::Head, [at(0.0, 0.25, 0.72), at(0.0, -0.2, 0.92)], [0.22, 0.15]),
        ball(Part::Head, at(0.0, -0.6, 0.66), 0.22),
        rod(
            Part::Nose,
            [head.nose - at(0.055, 0.0, 0.0), head.nose + at(0.055, 0.0, 0.0)],
            [0.06; 2],
        )
        .blend(0.05),
        rod(Part::Nose, [head.nose, head.nose - at(0.0, 0.09, 0.03)], [0.06, 0.03]).blend(0.05),
    ];
    for side in [1.0f32, -1.0] {
        limbs.push(ball(Part::Head, at(side * 0.56, -0.3, 0.22), 0.5));
        limbs.push(ball(Part::Head, at(side * 0.2, -0.43, 0.7 + 0.06 * m), 0.27));
        let Ears::Pointed(long, wide) = head.ears else { continue };
        let root = at(side * 0.58 * wide, 0.62, -0.05);
        let tip = at(side * 0.82 * wide, 0.62 + 0.95 * long, -0.08);
        let ear = rod(Part::Ear, [root, tip], [0.46, 0.03]);
        limbs.push(ear.flat(at(side * 0.35, 0.1, 1.0), 0.26).blend(0.12));
    }
    limbs
}

fn dog(head: &Head) -> Vec<Limb> {
    let front = 0.42 + head.muzzle;
    let drop = head.open;
    let mut limbs = vec![
        rod(Part::Head, [at(-0.14, 0.05, 0.0), at(0.14, 0.05, 0.0)], [0.85, 0.85]),
        rod(Part::Head, [at(0.0, -0.2, 0.45), at(0.0, -0.3, front)], [0.5, 0.3]),
        rod(Part::Head, [at(0.0, -0.02, 0.5), at(0.0, -0.14, front)], [0.3, 0.22]),
        rod(Part::Head, [at(0.0, -0.5, 0.4), at(0.0, -0.56 - drop, front - 0.2)], [0.3, 0.17])
            .blend(0.1),
        rod(
            Part::Nose,
            [head.nose - at(0.06, 0.0, 0.0), head.nose + at(0.06, 0.0, 0.0)],
            [0.125; 2],
        )
        .blend(0.06),
        rod(Part::Nose, [head.nose, head.nose - at(0.0, 0.12, 0.03)], [0.11, 0.07]).blend(0.06),
    ];
    if drop > 0.0 {
        let throat = at(0.0, -0.45, 0.75);
        let inside = at(0.0, -0.42 - 0.6 * drop, front - 0.12);
        limbs.push(rod(Part::Mouth, [throat, inside], [0.26, 0.17]).blend(0.02));
        let [root, lip] =
            [at(0.02, -0.5 - 0.4 * drop, front - 0.25), at(0.03, -0.62 - drop, front + 0.1)];
        let tip = lip + at(0.04, -0.24, 0.0);
        limbs.push(
            rod(Part::Tongue, [root, lip], [0.17, 0.18]).flat(at(0., 1., 0.2), 0.35).blend(0.03),
        );
        limbs.push(
            rod(Part::Tongue, [lip, tip], [0.18, 0.16]).flat(at(0., 0.1, 1.0), 0.3).blend(0.06),
        );
    }
    for side in [1.0f32, -1.0] {
        limbs.push(ball(Part::Head, at(side * 0.33, 0.42, 0.48), 0.24));
        limbs.push(ball(Part::Head, at(side * 0.5, -0.25, 0.3), 0.4));
        // The lips hang a little over the jaw.
        let lip = [at(side * 0.26, -0.4, 0.6), at(side * 0.17, -0.46, front - 0.12)];
        limbs.push(rod(Part::Head, lip, [0.22, 0.18]));
        let (places, radii) = match head.ears {
            Ears::Folded => (
                [
                    at(side * 0.62, 0.55, 0.0),
                    at(side * 0.84, 0.92, 0.08),
                    at(side * 0.98, 0.45, 0.4),
                ],
                [0.3, 0.24, 0.06],
            ),
            Ears::Hanging(long) | Ears::Pointed(long, _) => (
                [
                    at(side * 0.68, 0.55, -0.02),
                    at(side * 1.0, 0.12, 0.1),
                    at(side * 1.06, 0.12 - 0.95 * long, 0.24),
                ],
                [0.26, 0.42, 0.3],
            ),
        };
        let outwards = match head.ears {
            Ears::Folded => [at(side * 0.3, 0.1, 1.0), at(side * 0.5, 0.5, 0.8)],
            _ => [at(side * 1.0, 0.5, 0.2), at(side * 1.0, 0.0, 0.1)],
        };
        for i in 0..2 {
            let ear = rod(Part::Ear, [places[i], places[i + 1]], [radii[i], radii[i + 1]]);
            limbs.push(ear.flat(outwards[i], 0.28).blend(0.1));
        }
    }
    limbs
}
