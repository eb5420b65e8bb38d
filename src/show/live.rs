//! What a kernel that is alive can do more: replace what was shown in its place, and move a bar.
//!
//! Such a kernel says so in the environment of the process that runs the cells, `RUST_NOTEBOOK_DISPLAY=1`, and reads
//! blocks with a name and lines of progress beyond evcxr's framing.

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{MimeBundle, Show, debug_line, is_wanted, write};

/// Whether the notebook's kernel replaces what was shown. Asked each time, as a cell may change it.
pub(crate) fn is_alive() -> bool {
    std::env::var_os("RUST_NOTEBOOK_DISPLAY").is_some_and(|value| value == "1")
}

/// A name that nothing else in the notebook has: each cell has statics of its own.
pub(super) fn new_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("{now:x}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A line about work under way, as such a kernel reads it.
pub(super) fn progress_line(state: &Value) -> String {
    format!("EVCXR_PROGRESS {state}\n")
}

/// A thing by its name, as such a kernel reads it.
fn framed_as(id: &str, update: bool, bundle: &MimeBundle) -> String {
    let options = match update {
        true => json!({ "id": id, "update": true }),
        false => json!({ "id": id }),
    };
    format!("EVCXR_BEGIN_DISPLAY {options}\n{}EVCXR_END_DISPLAY\n", bundle.framed())
}

/// Something shown that the next takes the place of; see [`live`].
pub struct Live {
    id: String,
    /// In another kernel, what is shown in the end.
    last: RefCell<Option<MimeBundle>>,
}

/// Shows something that can be replaced in its place, from the same cell or a later one: a picture that grows, a table that
/// fills.
///
/// In a kernel that cannot do that, such as evcxr's own, the last state is shown when the value goes: at the end of the cell, or
/// where a later one drops it.
///
/// ```
/// use convlens::prelude::*;
/// let state = show::live("nothing yet");
/// for step in 1..=3 {
///     state.update(format!("{step} of 3"));
/// }
/// ```
pub fn live(first: impl Show) -> Live {
    let live = Live { id: new_id(), last: RefCell::default() };
    live.put(first.bundle(), false);
    live
}

impl Live {
    /// Shows this in its place. A page gets ten updates a second at most: the newest wins, and the last one arrives.
    pub fn update(&self, next: impl Show) {
        self.put(next.bundle(), true);
    }

    fn put(&self, bundle: MimeBundle, update: bool) {
        match is_alive() {
            true => write(&framed_as(&self.id, update, &bundle)),
            false => *self.last.borrow_mut() = Some(bundle),
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(last) = self.last.get_mut().take() {
            write(&last.framed());
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, "something shown that can be replaced: .update(…) does")
    }
}

/// What work under way has made so far, in a place of its own that is empty again when the work is over: then its result is
/// there.
#[derive(Default)]
pub(crate) struct Preview {
    place: Option<Live>,
    /// Not before this.
    next: Option<Instant>,
}

/// Work that ends within this time shows nothing before.
const SOON: Duration = Duration::from_secs(1);
/// A preview comes at most this often, and drawing it takes at most a tenth of the time.
const AGAIN: Duration = Duration::from_millis(500);

impl Preview {
    /// Draws it, where the kernel can show it and it is time.
    pub(crate) fn show(&mut self, draw: impl FnOnce() -> MimeBundle) {
        let began = Instant::now();
        let next = *self.next.get_or_insert(began + SOON);
        if began < next || !is_alive() || !is_wanted() {
            return;
        }
        let bundle = draw();
        match &self.place {
            Some(place) => place.put(bundle, true),
            None => self.place = Some(live(bundle)),
        }
        self.next = Some(Instant::now() + AGAIN.max(began.elapsed() * 9));
    }
}

impl Drop for Preview {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            place.put(MimeBundle::text(""), true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_thing_is_framed_whole() {
        let framed = framed_as("a-1", true, &MimeBundle::text("x\nEVCXR_END_DISPLAY"));
        let lines: Vec<&str> = framed.lines().collect();
        assert_eq!(lines[0], r#"EVCXR_BEGIN_DISPLAY {"id":"a-1","update":true}"#);
        assert_eq!(lines[1], "EVCXR_BEGIN_CONTENT text/plain");
        assert_eq!(lines.iter().filter(|line| **line == "EVCXR_END_DISPLAY").count(), 1);
        assert_eq!(lines.last(), Some(&"EVCXR_END_DISPLAY"));
        assert!(!framed_as("a-1", false, &MimeBundle::text("x")).contains("update"));
    }

    #[test]
    fn ids_are_told_apart() {
        assert_ne!(new_id(), new_id());
    }
}
