//! Long work: the methods that run the network many times do it in batches, say how far they are,
//! and stop when their time is up.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::Case;
use crate::error::{Error, Result};
use crate::model::USUAL_AT_ONCE;
use crate::show::{Progress, duration, is_interrupted};

/// How a long method works: how much at once, and for how long at most.
#[derive(Clone, Debug, Default)]
pub(crate) struct LongWork {
    /// As many as suit the network where it is not set.
    pub(super) batch: Option<usize>,
    pub(super) budget: Option<Duration>,
}

impl LongWork {
    /// The same, with a batch that suits passes from this layer on where none was set.
    pub(super) fn suiting(&self, case: &Case, layer: &str) -> Result<LongWork> {
        let batch = match self.batch {
            Some(batch) => batch,
            None => case.at_once(layer)?,
        };
        Ok(LongWork { batch: Some(batch), ..self.clone() })
    }

    /// Does `steps` steps for each of so many photos, batch after batch: `each` is called with a
    /// photo's index and the steps to do. Says how far it is, and returns a remark when the time was
    /// up before the end.
    ///
    /// The photos take turns, so that all come equally far; each gets its first batch in any case.
    pub(crate) fn run(
        &self,
        method: &str,
        unit: &str,
        photos: usize,
        steps: usize,
        each: impl FnMut(usize, Range<usize>) -> Result<()>,
    ) -> Result<Option<String>> {
        let progress = Progress::new(format!("{method}, {unit}"), (photos * steps) as u64);
        self.run_by(Instant::now, progress, unit, photos, steps, each)
    }

    fn run_by(
        &self,
        clock: impl Fn() -> Instant,
        progress: Progress,
        unit: &str,
        photos: usize,
        steps: usize,
        mut each: impl FnMut(usize, Range<usize>) -> Result<()>,
    ) -> Result<Option<String>> {
        let batch = self.batch.unwrap_or(USUAL_AT_ONCE);
        if batch == 0 {
            return Err(Error::Argument("a batch of 0 does no work: give 1 or more".into()));
        }
        let mut progress = match self.budget {
            Some(budget) => progress.at_most(budget),
            None => progress,
        };
        let started = clock();
        let mut now = started;
        let mut stopped = None;
        let mut done = 0; // of each photo
        'work: while done < steps {
            let end = done.saturating_add(batch).min(steps);
            for photo in 0..photos {
                let elapsed = now.saturating_duration_since(started);
                let is_up = self.budget.is_some_and(|budget| elapsed >= budget);
                if done > 0 && (is_up || is_interrupted()) {
                    let of_each = if photos > 1 { " of each photo" } else { "" };
                    let (how, elapsed) =
                        (if is_up { "stopped" } else { "interrupted" }, duration(elapsed));
                    stopped =
                        Some(format!("{how} after {elapsed}: {done} of {steps} {unit}{of_each}"));
                    break 'work;
                }
                progress.go_on()?;
                each(photo, done..end)?;
                now = clock();
                let others = photo * end + (photos - photo - 1) * done;
                progress.advance_at((others + end) as u64, now);
            }
            done = end;
        }
        progress.finish_at(now);
        Ok(stopped)
    }
}

/// `batch` and `budget` of a method, for a type with a field `work`.
macro_rules! long_work {
    ($method:ident) => {
        impl $method {
            /// How many inputs run through the network at once. Unless set, it is the number for which each takes
            /// least time, estimated from the network's layers: many where little is computed with many weights, few
            /// where maps are large. More take more memory, and the result is the same but for its last digits.
            #[must_use]
            pub fn batch(&self, inputs: usize) -> Self {
                let mut changed = self.clone();
                changed.work.batch = Some(inputs);
                changed
            }

            /// Stops after this time, between two batches, with what was done until then; a remark
            /// under the picture says how much that is. Each photo gets at least one batch. What
            /// runs the method several times, as [`SmoothGrad`](crate::attribution::SmoothGrad) does,
            /// gives each run this time.
            #[must_use]
            pub fn budget(&self, time: std::time::Duration) -> Self {
                let mut changed = self.clone();
                changed.work.budget = Some(time);
                changed
            }
        }
    };
}
pub(super) use long_work;

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    use super::*;

    /// The photo and the steps of each batch.
    type Batches = Vec<(usize, Range<usize>)>;

    /// Works with a clock on which each batch takes a quarter of a second; returns the batches, the
    /// lines that were said, and the remark.
    fn work(work: LongWork, photos: usize, steps: usize) -> (Batches, Vec<String>, Option<String>) {
        let lines = Rc::new(RefCell::new(Vec::new()));
        let sink = lines.clone();
        let progress = Progress::new("method, channels", (photos * steps) as u64)
            .listen(move |line| sink.borrow_mut().push(line.to_owned()));
        let start = Instant::now();
        let time = Cell::new(Duration::ZERO);
        let mut batches = Vec::new();
        let each = |photo, range| {
            time.set(time.get() + Duration::from_millis(250));
            batches.push((photo, range));
            Ok(())
        };
        let clock = || start + time.get();
        let remark = work.run_by(clock, progress, "channels", photos, steps, each);
        (batches, lines.take(), remark.expect("work"))
    }

    fn within(batch: usize, seconds: f64) -> LongWork {
        LongWork { batch: Some(batch), budget: Some(Duration::from_secs_f64(seconds)) }
    }

    #[test]
    fn all_steps_are_done_once_in_batches() {
        let (batches, lines, remark) = work(LongWork { batch: Some(4), budget: None }, 1, 10);
        assert_eq!(batches, [(0, 0..4), (0, 4..8), (0, 8..10)]);
        assert_eq!((lines.len(), remark), (0, None));
        let (batches, ..) = work(LongWork { batch: Some(usize::MAX), budget: None }, 2, 3);
        assert_eq!(batches, [(0, 0..3), (1, 0..3)]);
    }

    #[test]
    fn it_stops_between_batches_and_says_so() {
        let (batches, _, remark) = work(within(4, 0.5), 1, 100);
        assert_eq!(batches, [(0, 0..4), (0, 4..8)]);
        assert_eq!(remark.as_deref(), Some("stopped after 0.5 s: 8 of 100 channels"));
        // What ends in time has nothing to say.
        assert_eq!(work(within(50, 0.5), 1, 100).2, None);
    }

    #[test]
    fn without_time_every_photo_gets_one_batch() {
        let (batches, _, remark) = work(within(4, 0.0), 2, 100);
        assert_eq!(batches, [(0, 0..4), (1, 0..4)]);
        assert_eq!(remark.as_deref(), Some("stopped after 0.5 s: 4 of 100 channels of each photo"));
    }

    #[test]
    fn photos_take_turns() {
        let (batches, _, remark) = work(within(4, 1.25), 2, 100);
        assert_eq!(batches, [(0, 0..4), (1, 0..4), (0, 4..8), (1, 4..8), (0, 8..12)]);
        assert_eq!(remark.as_deref(), Some("stopped after 1.2 s: 8 of 100 channels of each photo"));
    }

    #[test]
    fn long_work_says_how_much_time_is_left() {
        let (_, lines, _) = work(LongWork { batch: Some(4), budget: None }, 1, 64);
        assert_eq!(
            lines,
            ["method, channels: 32 of 64, 2.0 s left", "method, channels: 64 in 4.0 s",]
        );
        // No more than the budget leaves.
        let (_, lines, _) = work(within(4, 2.5), 1, 64);
        assert_eq!(lines[0], "method, channels: 32 of 64, 0.5 s left");
        assert_eq!(lines[1], "method, channels: 40 in 2.5 s");
    }

    #[test]
    fn a_batch_of_none_is_refused() {
        let text = LongWork { batch: Some(0), budget: None }.run(
            "method",
            "channels",
            1,
            4,
            |_, _| Ok(()),
        );
        assert!(text.expect_err("none").to_string().contains("give 1 or more"));
    }
}
