//! Long work tells how far it is: whole lines, at most one a second.

use std::time::{Duration, Instant};

use super::duration::duration;
use super::line;

/// Nothing is said of work that ends within this time.
const QUIET: Duration = Duration::from_secs(2);
/// Between two lines.
const PAUSE: Duration = Duration::from_secs(1);

/// When long work speaks: not during the first two seconds, then at most once a second.
pub(crate) struct Pace {
    started: Instant,
    told: Option<Instant>,
}

impl Pace {
    pub(crate) fn start() -> Self {
        Pace { started: Instant::now(), told: None }
    }

    pub(crate) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// Whether it is time for a line; whoever hears yes writes one.
    pub(crate) fn due(&mut self, now: Instant) -> bool {
        let due = match self.told {
            None => self.elapsed(now) >= QUIET,
            Some(told) => now.saturating_duration_since(told) >= PAUSE,
        };
        if due {
            self.told = Some(now);
        }
        due
    }

    /// Whether anything was said.
    pub(crate) fn spoken(&self) -> bool {
        self.told.is_some()
    }
}

/// Says how far long work is, in whole lines of standard output: nothing during the first two
/// seconds, then at most a line a second, with the time left.
///
/// ```
/// use convlens::show::Progress;
/// let mut progress = Progress::new("counting", 1_000);
/// for done in 1..=1_000 {
///     progress.advance(done);
/// }
/// progress.finish(); // it took no time, so nothing was said
/// ```
pub struct Progress {
    what: String,
    total: Option<u64>,
    bytes: bool,
    /// What was done before this work began.
    from: u64,
    done: u64,
    /// The work stops by itself after this time.
    at_most: Option<Duration>,
    pace: Pace,
    listener: Box<dyn FnMut(&str)>,
}

impl Progress {
    /// Work on `what` begins now; `total` steps are to be done, or nobody knows how many (`None`).
    pub fn new(what: impl Into<String>, total: impl Into<Option<u64>>) -> Self {
        Progress {
            what: what.into(),
            total: total.into(),
            bytes: false,
            from: 0,
            done: 0,
            at_most: None,
            pace: Pace::start(),
            listener: Box::new(line),
        }
    }

    /// The steps are bytes: lines count in MB and tell the rate.
    pub fn bytes(mut self) -> Self {
        self.bytes = true;
        self
    }

    /// This much was done already, earlier; it does not count for the rate.
    pub fn from(mut self, done: u64) -> Self {
        (self.from, self.done) = (done, done);
        self
    }

    /// The work stops by itself after this time: no more than that is left.
    pub fn at_most(mut self, time: Duration) -> Self {
        self.at_most = Some(time);
        self
    }

    /// Hands the lines to `listener` instead of printing them.
    pub fn listen(mut self, listener: impl FnMut(&str) + 'static) -> Self {
        self.listener = Box::new(listener);
        self
    }

    /// `done` steps are done now, of all.
    pub fn advance(&mut self, done: u64) {
        self.advance_at(done, Instant::now());
    }

    /// The work is done. One more line says how long it took, if anything was said before.
    pub fn finish(self) {
        self.finish_at(Instant::now());
    }

    pub(crate) fn advance_at(&mut self, done: u64, now: Instant) {
        self.done = done;
        if self.pace.due(now) {
            let text = self.so_far(self.pace.elapsed(now));
            (self.listener)(&text);
        }
    }

    pub(crate) fn finish_at(mut self, now: Instant) {
        if self.pace.spoken() {
            let elapsed = duration(self.pace.elapsed(now));
            let text = format!("{}: {} in {elapsed}", self.what, self.amount(self.done));
            (self.listener)(&text);
        }
    }

    fn so_far(&self, elapsed: Duration) -> String {
        let mut text = format!("{}: ", self.what);
        text += &match self.total {
            Some(total) => format!("{} of {}", self.amount(self.done), self.amount(total)),
            None => self.amount(self.done),
        };
        // Steps a second since the work began.
        let rate = self.done.saturating_sub(self.from) as f64 / elapsed.as_secs_f64();
        if self.bytes {
            text += &format!(", {:.1} MB/s", rate / 1e6);
        }
        if let Some(left) = self.total.map(|total| total.saturating_sub(self.done))
            && rate > 0.0
        {
            // Beyond a year it is no estimate any more.
            let left = Duration::from_secs_f64((left as f64 / rate).min(3.2e7));
            let stops = self.at_most.map_or(left, |time| time.saturating_sub(elapsed));
            text += &format!(", {} left", duration(left.min(stops)));
        }
        text
    }

    fn amount(&self, count: u64) -> String {
        if self.bytes { megabytes(count) } else { count.to_string() }
    }
}

/// `12 MB`, or `0.3 MB` for little.
pub(crate) fn megabytes(count: u64) -> String {
    let size = count as f64 / 1e6;
    if count == 0 || size >= 9.95 { format!("{size:.0} MB") } else { format!("{size:.1} MB") }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    struct Heard {
        lines: Rc<RefCell<Vec<String>>>,
        progress: Progress,
        began: Instant,
    }

    fn listen(progress: Progress) -> Heard {
        let lines = Rc::new(RefCell::new(Vec::new()));
        let sink = lines.clone();
        let progress = progress.listen(move |line| sink.borrow_mut().push(line.to_owned()));
        let began = progress.pace.started;
        Heard { lines, progress, began }
    }

    impl Heard {
        fn advance(&mut self, done: u64, seconds: f64) {
            self.progress.advance_at(done, self.began + Duration::from_secs_f64(seconds));
        }

        fn finish(self, seconds: f64) -> Vec<String> {
            self.progress.finish_at(self.began + Duration::from_secs_f64(seconds));
            self.lines.take()
        }
    }

    #[test]
    fn short_work_says_nothing() {
        let mut heard = listen(Progress::new("training", 10));
        for step in 0..10 {
            heard.advance(step, step as f64 * 0.19);
        }
        assert!(heard.finish(1.9).is_empty());
    }

    #[test]
    fn long_work_says_at_most_a_line_a_second_with_the_time_left() {
        let mut heard = listen(Progress::new("training", 400));
        for step in 1..=40 {
            heard.advance(step * 10, step as f64 * 0.125);
        }
        assert_eq!(
            heard.finish(5.0),
            [
                "training: 160 of 400, 3.0 s left",
                "training: 240 of 400, 2.0 s left",
                "training: 320 of 400, 1.0 s left",
                "training: 400 of 400, 0.0 s left",
                "training: 400 in 5.0 s",
            ]
        );
    }

    #[test]
    fn bytes_are_told_in_megabytes_and_what_was_there_is_no_rate() {
        let mut heard = listen(Progress::new("resnet34", 87_000_000).bytes().from(43_000_000));
        heard.advance(45_000_000, 2.0);
        assert_eq!(heard.finish(44.0)[0], "resnet34: 45 MB of 87 MB, 1.0 MB/s, 42 s left");
    }

    #[test]
    fn without_a_total_there_is_no_time_left() {
        let mut heard = listen(Progress::new("reading", None));
        heard.advance(7, 3.0);
        assert_eq!(heard.finish(4.0), ["reading: 7", "reading: 7 in 4.0 s"]);
    }

    #[test]
    fn work_that_does_not_move_promises_nothing() {
        let mut heard = listen(Progress::new("waiting", 5));
        heard.advance(0, 3.0);
        assert_eq!(heard.finish(4.0)[0], "waiting: 0 of 5");
    }

    #[test]
    fn durations_and_sizes_read_naturally() {
        assert_eq!(duration(Duration::from_millis(420)), "0.4 s");
        assert_eq!(duration(Duration::from_secs(200)), "3 min 20 s");
        assert_eq!(megabytes(87_319_819), "87 MB");
        assert_eq!(megabytes(300_000), "0.3 MB");
    }
}
