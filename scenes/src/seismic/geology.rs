//! Where each facies is: horizons, an unconformity, salt.

use rand::Rng;
use rand::rngs::StdRng;

use super::faults::Fault;
use crate::noise::{Waves, ramp};

/// The facies whose beds differ from the others' in form.
pub(super) const NORTH_SEA: usize = 1;
pub(super) const ZECHSTEIN: usize = 7;
pub(super) const CARBONIFEROUS: usize = 9;

/// The facies whose base the older ones are cut off by.
const UNCONFORMITY: usize = 4;

/// The usual thickness of the facies above the salt and of the Rotliegend, in sections' heights.
const THICKNESS: [f32; 9] = [0.06, 0.30, 0.075, 0.055, 0.07, 0.08, 0.105, 0.085, 0.065];
/// How much the thickness varies along the section.
const VARIATION: [f32; 9] = [0.12, 0.18, 0.3, 0.4, 0.5, 0.4, 0.3, 0.3, 0.25];
/// The usual top of the Rotliegend, on which the salt lies.
const BASE_OF_SALT: f32 = 0.84;
/// Salt that is left where it has flowed away.
const LEAST_SALT: f32 = 0.014;

/// Salt that has risen out of the Zechstein.
pub(super) struct Diapir {
    pub(super) x: f32,
    /// Half of its width below the crest.
    pub(super) width: f32,
    /// The time of its top.
    pub(super) crest: f32,
    /// The width at the neck and at the foot, as shares of that at the top.
    neck: f32,
    foot: f32,
    lean: f32,
    lift: f32,
    edge: Waves,
}

impl Diapir {
    fn new(random: &mut StdRng, aspect: f32) -> Diapir {
        Diapir {
            x: random.gen_range(0.2f32..0.8) * aspect,
            width: random.gen_range(0.06f32..0.12),
            crest: random.gen_range(0.2f32..0.46),
            neck: random.gen_range(0.7f32..1.1),
            foot: random.gen_range(1.2f32..1.9),
            lean: random.gen_range(-0.12f32..0.12),
            lift: random.gen_range(0.03f32..0.055),
            edge: Waves::new(random, 4, 3.0, 11.0),
        }
    }

    /// From the axis at this depth below the crest, in units of the half width.
    fn aside(&self, x: f32, t: f32) -> f32 {
        (x - self.x - self.lean * (t - self.crest)) / self.width
    }

    fn contains(&self, x: f32, t: f32) -> bool {
        if t < self.crest {
            return false;
        }
        let v = (t - self.crest) / (BASE_OF_SALT - self.crest);
        // A round top, a neck, a wide foot.
        let cap = (v / 0.3).min(1.0);
        let round = (cap * (2.0 - cap)).sqrt();
        let neck = 1.0 + (self.neck - 1.0) * ramp(0.1, 0.6, v);
        let foot = (self.foot - self.neck) * ramp(0.6, 1.05, v);
        let side = self.aside(x, t);
        // Each flank has its own roughness.
        let rough = 1.0 + 0.1 * self.edge.at(t + 3.0 * side.signum());
        side.abs() < round * (neck + foot) * rough
    }

    /// How much salt has lifted what was at time `t`.
    fn lifted(&self, x: f32, t: f32) -> f32 {
        let beside = ((self.aside(x, t).abs() - 0.7) / 0.8).max(0.0);
        let sideways = (-beside * beside).exp();
        let deeper = t - self.crest - self.lift;
        let up =
            if deeper > 0.0 { self.lift + 0.4 * deeper } else { self.lift * (deeper / 0.11).exp() };
        up * sideways
    }

    /// How far the layers have followed the salt that flowed in: 1 beside the diapir.
    fn rim(&self, x: f32) -> f32 {
        let beside = (x - self.x).abs() / self.width;
        ramp(0.8, 2.4, beside) * (1.0 - ramp(2.4, 5.5, beside))
    }
}

/// Everything that does not depend on the bedding. Times and distances are in sections' heights.
pub(super) struct Geology {
    thickness: [f32; 9],
    variation: [Waves; 9],
    /// Facies that thin out: from where to where along the section.
    pinches: Vec<(usize, f32, f32)>,
    fold: Waves,
    tilt: f32,
    middle: f32,
    old_fold: Waves,
    old_height: f32,
    basement: Waves,
    diapir: Option<Diapir>,
    faults: Vec<Fault>,
}

impl Geology {
    pub(super) fn new(random: &mut StdRng, aspect: f32, faults: usize, salt: bool) -> Geology {
        let thickness = THICKNESS.map(|usual| usual * random.gen_range(0.82f32..1.18));
        let variation = std::array::from_fn(|_| Waves::new(random, 4, 0.4, 3.0));
        let pinches = pinches(random, aspect);
        let fold = Waves::new(random, 3, 0.5, 1.6);
        let tilt = random.gen_range(-0.05f32..0.05);
        let old_fold = Waves::new(random, 3, 0.6, 2.0);
        let old_height = random.gen_range(0.03f32..0.07);
        let basement = Waves::new(random, 4, 0.5, 3.0);
        // The same world but for the salt, with and without it.
        let diapir = Diapir::new(random, aspect);
        let diapir = salt.then_some(diapir);
        let faults = (0..faults).map(|i| Fault::new(random, i, aspect, diapir.as_ref())).collect();
        Geology {
            thickness,
            variation,
            pinches,
            fold,
            tilt,
            middle: aspect / 2.0,
            old_fold,
            old_height,
            basement,
            diapir,
            faults,
        }
    }

    /// The time at which the rock now at `(x, t)` was before the faults, the youngest undone first.
    pub(super) fn restored(&self, x: f32, t: f32) -> f32 {
        self.faults.iter().fold(t, |t, fault| fault.restored(x, t))
    }

    /// Everything on one vertical line.
    pub(super) fn column(&self, x: f32) -> Column<'_> {
        let fold = 0.035 * self.fold.at(x) + self.tilt * (x - self.middle);
        let rim = self.diapir.as_ref().map_or(0.0, |diapir| diapir.rim(x));
        let mut tops = [0f32; 11];
        let mut t = 0.0;
        for k in 0..ZECHSTEIN {
            let mut thickness = self.thickness[k] * (1.0 + VARIATION[k] * self.variation[k].at(x));
            for &(_, from, to) in self.pinches.iter().filter(|pinch| pinch.0 == k) {
                thickness *= ramp(from, to, x);
            }
            // Sinks form while the salt flows: the Triassic and Jurassic fill them.
            if k >= UNCONFORMITY {
                thickness *= 1.0 + 0.25 * rim;
            }
            t += thickness;
            // The younger, the less folded.
            let share = [0.03, 0.55, 0.65, 0.75, 0.9, 1.0, 1.0][k];
            let old = if k >= UNCONFORMITY {
                self.old_height * (1.0 + self.old_fold.at(x)) * [0.7, 1.0, 1.0][k - UNCONFORMITY]
            } else {
                0.0
            };
            tops[k + 1] = t + share * fold - old;
        }
        let salt = self.thickness[ZECHSTEIN] * (1.0 + 0.3 * self.variation[ZECHSTEIN].at(x));
        let base = BASE_OF_SALT + 0.6 * fold + 0.022 * self.basement.at(x);
        // The overburden ends where the salt begins, which keeps most of its room.
        let above = tops[ZECHSTEIN];
        let pushed = above.min(base - (salt * (1.0 - 0.6 * rim)).max(LEAST_SALT));
        tops[ZECHSTEIN] = pushed.max(base - 2.2 * salt);
        tops[8] = base;
        tops[9] = base + self.thickness[8] * (1.0 + VARIATION[8] * self.variation[8].at(x));
        tops[10] = tops[9] + 0.3;
        if let Some(diapir) = &self.diapir {
            for top in &mut tops[1..=ZECHSTEIN] {
                *top -= diapir.lifted(x, *top);
            }
            // Sound runs fast in salt: what lies below seems to lie higher.
            let beside = (x - diapir.x) / (1.5 * diapir.width);
            let pull = 0.03 * (-beside * beside).exp();
            for top in &mut tops[8..] {
                *top -= pull;
            }
        }
        // What would lie above its cover has been eroded.
        let mut visible = tops;
        for k in 1..10 {
            visible[k] = visible[k].max(visible[k - 1]);
        }
        Column { x, tops, visible, diapir: self.diapir.as_ref() }
    }
}

/// One or two of the thinner facies end within the section.
fn pinches(random: &mut StdRng, aspect: f32) -> Vec<(usize, f32, f32)> {
    let count = random.gen_range(1..=2u32);
    (0..count)
        .map(|_| {
            let facies = [3, 4, 5][random.gen_range(0..3u32) as usize];
            let end = random.gen_range(0.1f32..0.4) * aspect;
            let full = end + random.gen_range(0.15f32..0.35) * aspect;
            if random.gen_range(0..2u32) == 0 {
                (facies, end, full)
            } else {
                (facies, aspect - end, aspect - full)
            }
        })
        .collect()
}

/// The layers on a vertical line, before faults.
pub(super) struct Column<'a> {
    x: f32,
    /// The tops of the facies as they were laid down and folded, and the bottom of everything.
    pub(super) tops: [f32; 11],
    /// Those as erosion has left them.
    visible: [f32; 11],
    diapir: Option<&'a Diapir>,
}

impl Column<'_> {
    /// The facies at a time.
    pub(super) fn facies(&self, t: f32) -> usize {
        let salt = |diapir: &Diapir| t < self.tops[8] && diapir.contains(self.x, t);
        if self.diapir.is_some_and(salt) {
            return ZECHSTEIN;
        }
        (1..10).rev().find(|&k| t >= self.visible[k]).unwrap_or(0)
    }
}
