//! What set-up says: one line for a step that is done already, a few with times for one that works.

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

/// `0.4 s`, `42 s`, `3 min 20 s`: as exact as anyone wants to know it.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 9.95 {
        format!("{seconds:.1} s")
    } else if seconds < 119.5 {
        format!("{seconds:.0} s")
    } else {
        let whole = seconds.round() as u64;
        format!("{} min {} s", whole / 60, whole % 60)
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
