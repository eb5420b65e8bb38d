//! The tank story from its beginning to its end, for a seed.

use std::time::Instant;

use convlens::Result;
use convlens::prelude::*;
use convlens_scenes::prelude::*;

/// What came out.
pub(crate) struct Story {
    pub(crate) seed: u64,
    /// Right answers of the army's network about pictures like the army's, and about those whose
    /// weather says nothing.
    pub(crate) alike: f64,
    pub(crate) independent: f64,
    /// Where the army's network looks in pictures like the army's: shares of the positive Grad-CAM
    /// values.
    pub(crate) outside: f64,
    pub(crate) sky: f64,
    /// The network that was trained on the mended pictures, about those whose weather says nothing,
    /// and how much of the values lies on their tanks before and after.
    pub(crate) mended: f64,
    pub(crate) before: f64,
    pub(crate) after: f64,
    pub(crate) pointing: f64,
    pub(crate) seconds: f64,
}

impl Story {
    /// Whether all claims hold.
    pub(crate) fn holds(&self) -> bool {
        self.alike >= 0.95
            && self.independent <= 0.65
            && self.outside > 0.5
            && self.mended >= 0.9
            && self.pointing >= 0.8
    }

    pub(crate) const TITLE: &str = "| seed | alike | independent | outside the tank | on the sky | mended | on the tank before | and after | pointing |";

    pub(crate) fn row(&self) -> String {
        let Story {
            seed, alike, independent, outside, sky, mended, before, after, pointing, ..
        } = self;
        let shares = [alike, independent, outside, sky, mended, before, after, pointing];
        let shares = shares.map(|share| format!(" {:.0} % |", 100.0 * share)).concat();
        format!("| {seed} |{shares}")
    }
}

pub(crate) fn story(seed: u64) -> Result<Story> {
    let began = Instant::now();
    // Sets that have no picture in common.
    let set =
        |set: TankSet, part: u64, count: usize| set.seed(8 * seed + part).count(count).paint();
    let army = set(TankSet::army(), 0, 240)?;
    let alike = set(TankSet::army(), 1, 100)?;
    let independent = set(TankSet::default(), 2, 120)?;

    let first = networks::tank_spotter(seed)?;
    let (photos, classes) = army.folder()?.tensors(&first)?;
    army_training(seed).run(&first, &photos, &classes)?;
    let method = GradCam::default().class("tank");
    let trap = alike.evidence(&first, &method)?;
    let before = independent.evidence(&first, &method)?;

    let mended = set(TankSet::default(), 3, 480)?;
    let second = networks::tank_spotter(seed)?;
    let (photos, classes) = mended.folder()?.tensors(&second)?;
    mended_training(seed).run(&second, &photos, &classes)?;
    let after = independent.evidence(&second, &method)?;

    let on = |evidence: &TankEvidence, name: &str| evidence.energy_on(name).unwrap_or_default();
    Ok(Story {
        seed,
        alike: alike.score(&first)?.accuracy(),
        independent: independent.score(&first)?.accuracy(),
        outside: 1.0 - on(&trap, "tank"),
        sky: on(&trap, "sky"),
        before: on(&before, "tank"),
        mended: independent.score(&second)?.accuracy(),
        after: on(&after, "tank"),
        pointing: after.pointing(),
        seconds: began.elapsed().as_secs_f64(),
    })
}

fn army_training(seed: u64) -> Fit {
    Fit::default().seed(seed).epochs(6).batch(16).listener(|_| {})
}

fn mended_training(seed: u64) -> Fit {
    let fit = Fit::default().seed(seed).epochs(14).batch(16);
    fit.learning_rate(2e-3).cosine().mirrored().listener(|_| {})
}
