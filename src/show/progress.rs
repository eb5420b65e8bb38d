//! Long work tells how far it is: whole lines, a few of them however long it takes, or a bar that moves.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::duration::duration;
use super::interrupt::{Watch, is_interrupted};
use super::live::{is_alive, new_id, progress_line};
use super::{line, write};
use crate::error::{Error, Result};

/// Nothing is said of work that ends within this time.
const QUIET: Duration = Duration::from_secs(2);
/// Lines that a task may have, its last one included: a stock kernel keeps each for ever.
const MOST: usize = 8;
/// By this factor at least, more time has passed at each line than at the one before.
const GROWTH: f64 = 3.0;

/// A bar moves at most as often as this, and comes when work has taken as long as that.
const MOVES: Duration = Duration::from_millis(100);
const APPEARS: Duration = Duration::from_millis(400);

/// When long work speaks: not during the first two seconds, then at growing distances.
pub(crate) struct Pace {
    started: Instant,
    lines: usize,
    /// The time after the start at which a line is due; none when there were enough.
    next: Option<Duration>,
}

impl Pace {
    pub(crate) fn start() -> Self {
        Pace { started: Instant::now(), lines: 0, next: Some(QUIET) }
    }

    pub(crate) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// Whether it is time for a line; whoever hears yes writes one. `left` is how long the work
    /// will still take, as far as that is known: lines are spread over that.
    pub(crate) fn due(&mut self, now: Instant, left: Option<Duration>) -> bool {
        let elapsed = self.elapsed(now);
        if self.next.is_none_or(|next| elapsed < next) {
            return false;
        }
        self.lines += 1;
        // One is kept for the end.
        let rest = (MOST - 1).saturating_sub(self.lines);
        let whole = left.map_or(1.0, |left| 1.0 + left.as_secs_f64() / elapsed.as_secs_f64());
        let growth = whole.powf(1.0 / (rest + 1) as f64).clamp(GROWTH, 1e3);
        self.next = (rest > 0).then(|| elapsed.mul_f64(growth));
        true
    }

    /// Whether anything was said.
    pub(crate) fn spoken(&self) -> bool {
        self.lines > 0
    }
}

/// What the lines of a task say.
struct Task {
    what: String,
    total: Option<u64>,
    bytes: bool,
    /// What was done before this work began.
    from: u64,
    done: u64,
    /// The work stops by itself after this time.
    at_most: Option<Duration>,
    pace: Pace,
    /// In a kernel that has bars: by which name, and when it moved last.
    bar: Option<(String, Instant)>,
}

thread_local! {
    /// The tasks that speak to the notebook, each begun within the one before.
    static RUNNING: RefCell<Vec<Rc<RefCell<Task>>>> = const { RefCell::new(Vec::new()) };
}

/// Says how far long work is, in whole lines of standard output: nothing during the first two
/// seconds, then at most eight lines, at growing distances, with the time left. In a kernel that can replace what it has
/// shown, it is a bar that moves, which in the end becomes one line, or goes where the work was short.
///
/// Work that begins while other work runs has no lines of its own: it is named in those of the
/// other. With the environment variable `CONVLENS_PROGRESS=off` nothing is printed.
///
/// ```
/// use convlens::show::Progress;
/// let mut progress = Progress::new("counting", 1_000);
/// for done in 1..=1_000 {
///     progress.advance(done)?;
/// }
/// progress.finish(); // it took no time, so nothing was said
/// Ok::<(), convlens::Error>(())
/// ```
pub struct Progress {
    task: Rc<RefCell<Task>>,
    /// Who hears the lines in the place of the notebook.
    listener: Option<Box<Listener>>,
    /// Of the outermost work.
    _watch: Option<Watch>,
}

type Listener = dyn FnMut(&str);

impl Progress {
    /// Work on `what` begins now; `total` steps are to be done, or nobody knows how many (`None`).
    pub fn new(what: impl Into<String>, total: impl Into<Option<u64>>) -> Self {
        let task = Rc::new(RefCell::new(Task {
            what: what.into(),
            total: total.into(),
            bytes: false,
            from: 0,
            done: 0,
            at_most: None,
            pace: Pace::start(),
            bar: None,
        }));
        let outermost = RUNNING.with_borrow_mut(|running| {
            running.push(Rc::clone(&task));
            running.len() == 1
        });
        let watch = if outermost { Watch::begin() } else { None };
        Progress { task, listener: None, _watch: watch }
    }

    /// The steps are bytes: lines count in MB and tell the rate.
    pub fn bytes(self) -> Self {
        self.task.borrow_mut().bytes = true;
        self
    }

    /// This much was done already, earlier; it does not count for the rate.
    pub fn from(self, done: u64) -> Self {
        {
            let mut task = self.task.borrow_mut();
            (task.from, task.done) = (done, done);
        }
        self
    }

    /// The work stops by itself after this time: no more than that is left.
    pub fn at_most(self, time: Duration) -> Self {
        self.task.borrow_mut().at_most = Some(time);
        self
    }

    /// Hands the lines to `listener` instead of printing them.
    pub fn listen(mut self, listener: impl FnMut(&str) + 'static) -> Self {
        self.leave();
        self.listener = Some(Box::new(listener));
        self
    }

    /// `done` steps are done now, of all.
    ///
    /// # Errors
    /// [`Error::Interrupted`] once somebody has stopped the cell, in a kernel that lets it end by itself: the work ends with
    /// it, and all variables stay.
    pub fn advance(&mut self, done: u64) -> Result<()> {
        self.advance_at(done, Instant::now());
        self.go_on()
    }

    /// Whether the work may go on; see [`advance`](Progress::advance).
    pub(crate) fn go_on(&self) -> Result<()> {
        if !is_interrupted() {
            return Ok(());
        }
        let words: Vec<String> = self.chain().iter().map(|task| task.borrow().amounts()).collect();
        Err(Error::Interrupted(words.join("; ")))
    }

    /// The work is done. One more line says how long it took, if anything was said before.
    pub fn finish(self) {
        self.finish_at(Instant::now());
    }

    pub(crate) fn advance_at(&mut self, done: u64, now: Instant) {
        self.task.borrow_mut().done = done;
        let chain = self.chain();
        let Some(outermost) = chain.first() else { return };
        let words = || {
            let words: Vec<String> = chain.iter().map(|task| task.borrow().so_far(now)).collect();
            words.join("; ")
        };
        if self.listener.is_none() && is_alive() && is_wanted() {
            if outermost.borrow_mut().moves(now) {
                let text = words();
                write(&outermost.borrow().bar_line(&text, false));
            }
            return;
        }
        let due = {
            let mut task = outermost.borrow_mut();
            let left = task.left(now);
            task.pace.due(now, left)
        };
        if due {
            self.tell(&words());
        }
    }

    pub(crate) fn finish_at(mut self, now: Instant) {
        let long = self.task.borrow().pace.elapsed(now) >= QUIET;
        let text = if long { self.task.borrow().in_all(now) } else { String::new() };
        self.end_bar(&text);
        let outermost = self.chain().first().is_some_and(|task| Rc::ptr_eq(task, &self.task));
        if outermost && self.task.borrow().pace.spoken() {
            let text = self.task.borrow().in_all(now);
            self.tell(&text);
        }
    }

    /// This is what stays of the bar, if there is one.
    fn end_bar(&self, text: &str) {
        let mut task = self.task.borrow_mut();
        if task.bar.is_some() {
            write(&task.bar_line(text, true));
            task.bar = None;
        }
    }

    /// The tasks that this one was begun in, and itself.
    fn chain(&self) -> Vec<Rc<RefCell<Task>>> {
        let is_this = |task: &Rc<RefCell<Task>>| Rc::ptr_eq(task, &self.task);
        RUNNING.with_borrow(|running| match running.iter().position(is_this) {
            Some(place) => running[..=place].to_vec(),
            None => vec![Rc::clone(&self.task)],
        })
    }

    fn leave(&self) {
        // When the thread ends, there is nothing to leave any more.
        let _ = RUNNING.try_with(|running| {
            running.borrow_mut().retain(|task| !Rc::ptr_eq(task, &self.task));
        });
    }

    fn tell(&mut self, text: &str) {
        match &mut self.listener {
            Some(listener) => listener(text),
            None => tell(text),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // What ended early says itself why.
        self.end_bar("");
        self.leave();
    }
}

/// Prints a line on how far work is, unless nobody wants any.
pub(crate) fn tell(text: &str) {
    if is_wanted() {
        line(text);
    }
}

/// Whether the reader wants to know how far work is.
pub(super) fn is_wanted() -> bool {
    std::env::var_os("CONVLENS_PROGRESS").is_none_or(|value| value != "off")
}

impl Task {
    /// Whether it is time for the bar to move, or to appear.
    fn moves(&mut self, now: Instant) -> bool {
        match &mut self.bar {
            Some((_, moved)) if now.saturating_duration_since(*moved) < MOVES => false,
            Some((_, moved)) => {
                *moved = now;
                true
            }
            None if self.pace.elapsed(now) < APPEARS => false,
            None => {
                self.bar = Some((new_id(), now));
                true
            }
        }
    }

    fn bar_line(&self, text: &str, end: bool) -> String {
        let id = self.bar.as_ref().map_or("", |(id, _)| id);
        progress_line(&match (end, self.total) {
            (true, _) => json!({ "id": id, "text": text, "end": true }),
            (false, Some(total)) => {
                json!({ "id": id, "text": text, "done": self.done, "total": total })
            }
            (false, None) => json!({ "id": id, "text": text }),
        })
    }

    /// "training: 16 of 400"
    fn amounts(&self) -> String {
        let of = self.total.map_or(String::new(), |total| format!(" of {}", self.amount(total)));
        format!("{}: {}{of}", self.what, self.amount(self.done))
    }

    fn so_far(&self, now: Instant) -> String {
        let mut text = self.amounts();
        if self.bytes {
            text += &format!(", {:.1} MB/s", self.rate(now) / 1e6);
        }
        if let Some(left) = self.left(now) {
            text += &format!(", {} left", duration(left));
        }
        text
    }

    fn in_all(&self, now: Instant) -> String {
        let elapsed = duration(self.pace.elapsed(now));
        format!("{}: {} in {elapsed}", self.what, self.amount(self.done))
    }

    /// Steps a second since the work began.
    fn rate(&self, now: Instant) -> f64 {
        let elapsed = self.pace.elapsed(now).as_secs_f64();
        if elapsed > 0.0 { self.done.saturating_sub(self.from) as f64 / elapsed } else { 0.0 }
    }

    fn left(&self, now: Instant) -> Option<Duration> {
        let steps = self.total?.saturating_sub(self.done);
        let rate = Some(self.rate(now)).filter(|rate| *rate > 0.0)?;
        // Beyond a year it is no estimate any more.
        let left = Duration::from_secs_f64((steps as f64 / rate).min(3.2e7));
        let stops = self.at_most.map(|time| time.saturating_sub(self.pace.elapsed(now)));
        Some(stops.map_or(left, |stops| stops.min(left)))
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
        let began = progress.task.borrow().pace.started;
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
    fn long_work_says_how_much_time_is_left_at_growing_distances() {
        let mut heard = listen(Progress::new("training", 400));
        for step in 1..=400 {
            heard.advance(step, step as f64 * 0.125);
        }
        assert_eq!(
            heard.finish(50.0),
            [
                "training: 16 of 400, 48 s left",
                "training: 48 of 400, 44 s left",
                "training: 144 of 400, 32 s left",
                "training: 400 in 50 s",
            ]
        );
    }

    #[test]
    fn no_task_has_more_than_eight_lines_and_they_last_to_the_end() {
        let day = 86_400;
        for total in [None, Some(day)] {
            let mut heard = listen(Progress::new("searching", total));
            for second in 1..=day {
                heard.advance(second, second as f64);
            }
            let lines = heard.finish(day as f64);
            assert_eq!(lines.len(), 8, "{lines:?}");
        }
        let mut heard = listen(Progress::new("searching", day));
        for second in 1..=day {
            heard.advance(second, second as f64);
        }
        // The one before the end comes after hours; without a total it came after half an hour.
        assert!(heard.finish(day as f64)[6].starts_with("searching: 19147 of 86400, "));
    }

    #[test]
    fn work_within_other_work_speaks_in_its_lines() {
        let outer = Progress::new("comparing networks", 2);
        let began = outer.task.borrow().pace.started;
        let at = |seconds: f64| began + Duration::from_secs_f64(seconds);
        let inner = Progress::new("Score-CAM, channels", 512);
        assert_eq!(inner.chain().len(), 2);
        inner.task.borrow_mut().done = 256;
        let words: Vec<String> =
            inner.chain().iter().map(|task| task.borrow().so_far(at(4.0))).collect();
        assert_eq!(words[0], "comparing networks: 0 of 2");
        assert!(words[1].starts_with("Score-CAM, channels: 256 of 512, 4."), "{}", words[1]);
        // The lines are counted for the outer work alone.
        assert!(outer.task.borrow_mut().pace.due(at(4.0), None));
        assert!(!inner.task.borrow().pace.spoken());
        drop(inner);
        assert_eq!(outer.chain().len(), 1);
        // Who listens hears of one task alone.
        assert_eq!(Progress::new("alone", 3).listen(|_| ()).chain().len(), 1);
        drop(outer);
        assert!(RUNNING.with_borrow(Vec::is_empty));
    }

    #[test]
    fn a_bar_appears_behind_short_work_and_moves_ten_times_a_second() {
        let progress = Progress::new("training", 400);
        let mut task = progress.task.borrow_mut();
        let began = task.pace.started;
        let at = |milliseconds: u64| began + Duration::from_millis(milliseconds);
        let moved: Vec<u64> = (0..1_000).step_by(30).filter(|&ms| task.moves(at(ms))).collect();
        assert_eq!(moved, [420, 540, 660, 780, 900]);
        task.done = 8;
        let line = task.bar_line("training: 8 of 400", false);
        let state = line.strip_prefix("EVCXR_PROGRESS ").expect("progress");
        let state: serde_json::Value = serde_json::from_str(state).expect("JSON");
        assert_eq!((&state["done"], &state["total"]), (&json!(8), &json!(400)));
        assert!(task.bar_line("", true).contains(r#""end":true"#));
        task.bar = None; // of which nobody is to be told here
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
