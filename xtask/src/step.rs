//! What set-up says: one line for a step that is done already, a few with times for one that works.

use crate::duration::duration;
use std::fmt::Display;
use std::time::{Duration, Instant};

/// One step of a command, timed from its creation.
pub(crate) struct Step {
    name: &'static str,
    started: Instant,
    announced: bool,
}

impl Step {
    pub(crate) fn start(name: &'static str) -> Step {
        Step { name, started: Instant::now(), announced: false }
    }

    /// Says what happens now. The first note prints the step's name above it.
    pub(crate) fn note(&mut self, text: impl Display) {
        if !self.announced {
            println!("[..] {}", self.name);
            self.announced = true;
        }
        for line in text.to_string().lines() {
            println!("     {line}");
        }
    }

    /// Ends the step with what it left behind.
    pub(crate) fn done(self, result: impl Display) {
        if self.announced {
            println!("[ok] {}: {result} ({})", self.name, duration(self.started.elapsed()));
        } else {
            println!("[ok] {}: {result}", self.name);
        }
    }
}

/// How far cargo is, told every twenty seconds.
pub(crate) struct Crates {
    pub(crate) begun: u32,
    started: Instant,
    told: Instant,
}

impl Crates {
    pub(crate) fn new() -> Crates {
        let now = Instant::now();
        Crates { begun: 0, started: now, told: now }
    }

    pub(crate) fn tell(&mut self, step: &mut Step) {
        if self.told.elapsed() >= Duration::from_secs(20) {
            self.told = Instant::now();
            step.note(format!("{} crates begun, {}", self.begun, duration(self.started.elapsed())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_naturally() {
        assert_eq!(duration(Duration::from_millis(420)), "0.4 s");
        assert_eq!(duration(Duration::from_secs(42)), "42 s");
        assert_eq!(duration(Duration::from_secs(200)), "3 min 20 s");
    }
}
