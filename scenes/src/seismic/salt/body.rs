//! Where the salt is: a dome that rises from below, or a sheet, as a distance from its surface.

use rand::Rng;
use rand::rngs::StdRng;

use crate::noise::{Noise, Waves, ramp};

/// A kind of salt body, as a tile shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SaltBody {
    /// Rock without salt.
    None,
    /// A dome or diapir that rises from below the tile and ends in it.
    Dome,
    /// One side of a body that fills the rest of the tile.
    Flank,
    /// A tongue or canopy, with rock above and below.
    Sheet,
    /// The base of a body that reaches beyond the tile's top, with rock below.
    Base,
}

impl SaltBody {
    /// Of 100 tiles, about 38 hold no salt, as in the TGS challenge.
    pub(super) fn drawn(random: &mut StdRng) -> SaltBody {
        match random.gen_range(0..100u32) {
            0..38 => SaltBody::None,
            38..62 => SaltBody::Dome,
            62..77 => SaltBody::Flank,
            77..90 => SaltBody::Sheet,
            _ => SaltBody::Base,
        }
    }
}

/// A body of salt. Places are in heights of the tile, times from its top down.
pub(super) struct Outline {
    form: Form,
    /// The outline's roughness, coarse and fine.
    edge: [Noise; 2],
    rough: f32,
}

enum Form {
    /// A round cap on a stem.
    Dome { x: f32, crest: f32, width: f32, cap: f32, neck: f32, foot: f32, lean: f32 },
    /// A layer about a folded middle, which ends in a tip.
    Sheet { middle: f32, slope: f32, fold: Waves, half: f32, swell: Waves, tip: f32, side: f32 },
}

impl Outline {
    /// `None` for [`SaltBody::None`].
    pub(super) fn new(random: &mut StdRng, body: SaltBody, aspect: f32) -> Option<Outline> {
        let side = if random.gen_range(0..2u32) == 0 { -1.0 } else { 1.0 };
        // Left of the tile by so much, or right of it.
        let beyond = |by: f32| if side < 0.0 { -by } else { aspect + by };
        let form = match body {
            SaltBody::None => return None,
            SaltBody::Dome => {
                let width = random.gen_range(0.12f32..0.42);
                Form::Dome {
                    x: random.gen_range(0.05f32..0.95) * aspect,
                    crest: random.gen_range(0.1f32..0.68),
                    width,
                    cap: width * random.gen_range(0.5f32..1.1),
                    neck: random.gen_range(0.7f32..1.2),
                    foot: random.gen_range(1.0f32..2.0),
                    lean: random.gen_range(-0.35f32..0.35),
                }
            }
            SaltBody::Flank => {
                let width = random.gen_range(0.5f32..0.9);
                Form::Dome {
                    x: beyond(width - random.gen_range(0.15f32..0.65) * aspect.min(1.0)),
                    crest: random.gen_range(-0.7f32..0.15),
                    width,
                    cap: width * random.gen_range(0.4f32..0.9),
                    neck: random.gen_range(0.7f32..1.2),
                    foot: random.gen_range(0.9f32..1.5),
                    lean: random.gen_range(-0.4f32..0.4),
                }
            }
            SaltBody::Sheet => {
                // A tip in the tile, or a sheet all through it.
                let inside = random.gen_range(0.2f32..1.3) * aspect;
                Form::Sheet {
                    middle: random.gen_range(0.28f32..0.62),
                    slope: random.gen_range(-0.25f32..0.25),
                    fold: Waves::new(random, 3, 0.4, 2.2),
                    half: random.gen_range(0.09f32..0.2),
                    swell: Waves::new(random, 3, 0.5, 3.0),
                    tip: if side < 0.0 { inside } else { aspect - inside },
                    side,
                }
            }
            SaltBody::Base => {
                let half = random.gen_range(0.5f32..0.7);
                Form::Sheet {
                    middle: random.gen_range(0.2f32..0.7) - half,
                    slope: random.gen_range(-0.3f32..0.3),
                    fold: Waves::new(random, 3, 0.4, 2.2),
                    half,
                    swell: Waves::new(random, 3, 0.5, 3.0),
                    tip: if side < 0.0 { aspect + 2.0 } else { -2.0 },
                    side,
                }
            }
        };
        let edge = [Noise::new(random), Noise::new(random)];
        Some(Outline { form, edge, rough: random.gen_range(0.008f32..0.028) })
    }

    /// How far from the salt a place is, about; negative inside.
    pub(super) fn distance(&self, x: f32, t: f32) -> f32 {
        let rough = self.edge[0].at(x / 0.16, t / 0.16) + 0.5 * self.edge[1].at(x / 0.06, t / 0.06);
        self.form.distance(x, t) + self.rough * rough
    }

    /// Whether a place is above the middle of the body, or beside it, rather than below.
    pub(super) fn above(&self, x: f32, t: f32) -> bool {
        match &self.form {
            Form::Dome { .. } => true,
            Form::Sheet { .. } => t < self.form.middle(x),
        }
    }
}

impl Form {
    fn distance(&self, x: f32, t: f32) -> f32 {
        match self {
            &Form::Dome { x: axis, crest, width, cap, neck, foot, lean } => {
                let aside = (x - axis - lean * (t - crest)).abs();
                let below = t - crest - cap;
                if below > 0.0 {
                    // A neck, then a wide foot.
                    let profile = 1.0
                        + (neck - 1.0) * ramp(0.0, 0.3, below)
                        + (foot - neck) * ramp(0.2, 0.9, below);
                    return aside - width * profile;
                }
                // To first order, from an ellipse `q = 1`: (q − 1) / |∇q|.
                let (a, b) = (aside / width, below / cap);
                let q = a.hypot(b);
                let gradient = (a / width).hypot(b / cap) / q.max(1e-6);
                (q - 1.0) / gradient.max(1e-3)
            }
            Form::Sheet { half, swell, tip, side, .. } => {
                // Salt is where x is further on the sheet's side than the tip.
                let within = (x - tip) * side;
                let thick = 0.3 + 0.7 * ramp(0.0, 0.4, within);
                let half = thick * (half + 0.35 * half.min(0.2) * swell.at(x));
                (-within).max(0.0).hypot(t - self.middle(x)) - half
            }
        }
    }

    /// The middle line of a sheet.
    fn middle(&self, x: f32) -> f32 {
        match self {
            Form::Dome { .. } => f32::INFINITY,
            Form::Sheet { middle, slope, fold, .. } => {
                middle + slope * (x - 0.5) + 0.09 * fold.at(x)
            }
        }
    }
}
