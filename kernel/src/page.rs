//! What appears under a cell: the child's output as messages, in its order, at a pace that a page can follow.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::framing::{Piece, Signal};
use crate::message::{Parent, Publisher, bundle};

/// Text that follows other text within this time goes along with it.
const PACE: Duration = Duration::from_millis(50);
/// Text beyond this goes at once, in bytes.
const MUCH: usize = 64 * 1024;
/// evcxr's framing does not say where a thing to show ends: its next form follows within this time.
const NEXT_FORM: Duration = Duration::from_millis(20);
/// Plain text alone, where the cell ends with an expression, is most likely that expression's value.
const VALUE: Duration = Duration::from_millis(250);
/// How long a panic's text waits for the signal by which the cell fails; a thread's panic has none.
const PANIC: Duration = Duration::from_secs(3);
/// A thing is replaced in place at most ten times a second.
const REPLACED: Duration = Duration::from_millis(100);

/// One of the two streams that text comes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// A thing to show, in its forms by MIME type.
pub(crate) type Forms = Vec<(String, String)>;

/// The output of the cell that runs, or ran last.
pub(crate) struct Page {
    publisher: Publisher,
    inner: Mutex<Inner>,
}

/// What the cell's output leaves to its reply.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// The value of its last expression.
    pub(crate) value: Option<Forms>,
    /// What was printed of a panic, or of the error of a `?`.
    pub(crate) failure: Option<Failure>,
}

/// By which way a cell that ran has failed, and what it said of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Failure {
    Panic(String),
    Error(String),
}

#[derive(Default)]
struct Inner {
    /// On whose behalf there is output; none where nobody wants any.
    parent: Option<Parent>,
    /// Whether the cell ends with an expression.
    has_value: bool,
    text: Pending,
    /// When text was sent last.
    sent: Option<Instant>,
    /// The last text of standard error that was sent for this cell.
    said: String,
    panic: Option<(Vec<u8>, Instant)>,
    forms: Option<(Forms, Instant)>,
    /// A thing between the markers of this kernel's own framing.
    frame: Option<(Value, Forms)>,
    live: HashMap<String, Live>,
    /// Bars of progress that have no end yet, with what they say.
    bars: HashMap<String, String>,
    texts: Allowance,
    things: Allowance,
    left: Left,
}

#[derive(Default)]
struct Pending {
    stream: Option<Stream>,
    bytes: Vec<u8>,
    since: Option<Instant>,
}

/// Something that can be replaced in place.
struct Live {
    shown: Instant,
    next: Option<Value>,
}

/// So much at once, and so much a second.
struct Allowance {
    bytes: f64,
    at: Option<Instant>,
    left_out: u64,
}

impl Default for Allowance {
    fn default() -> Self {
        Allowance { bytes: f64::INFINITY, at: None, left_out: 0 }
    }
}

impl Allowance {
    /// Whether as much as this may still be sent.
    fn take(&mut self, size: usize, most: f64, per_second: f64, now: Instant) -> bool {
        let passed = self.at.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        self.at = Some(now);
        self.bytes = (self.bytes + passed * per_second).min(most);
        // Whoever was cut off goes on when there is room for more than a few words.
        let enough = size as f64 + if self.left_out > 0 { MUCH as f64 } else { 0.0 };
        if self.bytes < enough.min(most) {
            self.left_out += size as u64;
            return false;
        }
        self.bytes -= size as f64;
        true
    }
}

const MOST_TEXT: f64 = 2e6;
const TEXT_PER_SECOND: f64 = 2e4;
const MOST_THINGS: f64 = 256e6;
const THINGS_PER_SECOND: f64 = 1e6;

impl Page {
    pub(crate) fn new(publisher: Publisher) -> Self {
        Page { publisher, inner: Mutex::default() }
    }

    /// What comes from now on belongs to this cell.
    pub(crate) fn begin(&self, parent: Option<Parent>, has_value: bool) {
        let mut page = self.lock();
        page.flush();
        page.inner.parent = parent;
        page.inner.has_value = has_value;
        page.inner.said.clear();
        page.inner.left = Left::default();
        page.inner.texts = Allowance::default();
        page.inner.things = Allowance::default();
    }

    /// The cell is over: nothing of it is held back any more.
    pub(crate) fn end(&self) -> Left {
        let mut page = self.lock();
        page.flush();
        page.report_cuts();
        std::mem::take(&mut page.inner.left)
    }

    /// The child printed something on standard error.
    pub(crate) fn stderr(&self, bytes: &[u8]) {
        self.lock().text(Stream::Stderr, bytes);
    }

    /// The child printed something on standard output that is no signal.
    pub(crate) fn stdout(&self, piece: Piece) {
        let mut page = self.lock();
        match piece {
            Piece::Text(bytes) => page.text(Stream::Stdout, &bytes),
            Piece::Block { mime, content } => page.block(mime, content),
            Piece::BeginDisplay(options) => {
                page.flush_text(true);
                page.flush_forms();
                page.inner.frame = Some((options, Forms::new()));
            }
            Piece::EndDisplay => {
                if let Some((options, forms)) = page.inner.frame.take() {
                    page.show_as(&options, forms);
                }
            }
            Piece::Progress(state) => page.progress(&state),
            Piece::Signal(_) => {}
        }
    }

    /// A signal that everything before it was printed for.
    pub(crate) fn signal(&self, signal: &Signal) {
        let mut page = self.lock();
        match signal {
            Signal::Panic => {
                let text = page.failure_text();
                page.inner.left.failure = Some(Failure::Panic(text));
            }
            Signal::UserError => {
                let text = page.failure_text();
                page.inner.left.failure = Some(Failure::Error(text));
            }
            Signal::Complete => page.complete(),
            Signal::Input(_) => page.flush(),
            Signal::VariableLost(_) => {}
        }
    }

    /// When something that is held back is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.lock().due()
    }

    /// Sends what is due.
    pub(crate) fn tick(&self, now: Instant) {
        self.lock().tick(now);
    }

    fn lock(&self) -> Writing<'_> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        Writing { publisher: &self.publisher, inner }
    }
}

struct Writing<'a> {
    publisher: &'a Publisher,
    inner: MutexGuard<'a, Inner>,
}

impl Writing<'_> {
    fn tell(&self, kind: &str, content: Value) {
        if let Some(parent) = &self.inner.parent {
            self.publisher.tell(Some(parent), kind, content);
        }
    }

    fn text(&mut self, stream: Stream, bytes: &[u8]) {
        let now = Instant::now();
        if stream == Stream::Stderr
            && let Some((panic, _)) = &mut self.inner.panic
        {
            if panic.len() < MUCH {
                panic.extend_from_slice(bytes);
            }
            return;
        }
        self.flush_forms();
        if !self.inner.texts.take(bytes.len(), MOST_TEXT, TEXT_PER_SECOND, now) {
            if self.inner.texts.left_out == bytes.len() as u64 {
                self.flush_text(true);
                self.note("the output is cut here, since it is more than a page can take");
            }
            return;
        }
        self.report_cuts();
        if self.inner.text.stream != Some(stream) {
            self.flush_text(true);
            self.inner.text.stream = Some(stream);
        }
        self.inner.text.bytes.extend_from_slice(bytes);
        let since = *self.inner.text.since.get_or_insert(now);
        if stream == Stream::Stderr
            && let Some(at) = begin_of_panic(&self.inner.text.bytes)
        {
            let panic = self.inner.text.bytes.split_off(at);
            self.flush_text(true);
            self.inner.panic = Some((panic, since));
        }
        // The first words of an output are shown at once. Those of an error wait for what becomes of it.
        let quiet = self.inner.sent.is_none_or(|sent| now.saturating_duration_since(sent) >= PACE);
        if (stream == Stream::Stdout && quiet) || self.inner.text.bytes.len() >= MUCH {
            self.flush_text(false);
        }
    }

    fn note(&self, words: &str) {
        self.tell("stream", json!({"name": "stderr", "text": format!("\n[{words}]\n")}));
    }

    fn report_cuts(&mut self) {
        for left_out in [
            std::mem::take(&mut self.inner.texts.left_out),
            std::mem::take(&mut self.inner.things.left_out),
        ] {
            if left_out > 0 {
                self.note(&format!("{:.1} MB of output are left out here", left_out as f64 / 1e6));
            }
        }
    }

    fn block(&mut self, mime: String, content: String) {
        self.flush_text(true);
        if let Some((_, forms)) = &mut self.inner.frame {
            forms.push((mime, content));
            return;
        }
        if self.inner.has_value && mime == "text/plain" && content == "()" {
            // The last expression has no value, such as a loop: what was shown before is none either.
            self.flush_forms();
            return;
        }
        // A form that was there already begins another thing.
        if self.inner.forms.as_ref().is_some_and(|(forms, _)| forms.iter().any(|one| one.0 == mime))
        {
            self.flush_forms();
        }
        let now = Instant::now();
        let (forms, since) = self.inner.forms.get_or_insert_with(|| (Forms::new(), now));
        forms.push((mime, content));
        *since = now;
    }

    /// Shows a thing of this kernel's own framing.
    fn show_as(&mut self, options: &Value, forms: Forms) {
        let Some(id) = options["id"].as_str() else { return self.show(forms) };
        let id = id.to_owned();
        let update = options["update"] == true;
        self.show_live(id, bundle(forms), update, false);
    }

    fn show_live(&mut self, id: String, data: Value, update: bool, last: bool) {
        let now = Instant::now();
        let transient = json!({"display_id": &id});
        let content = json!({"data": data, "metadata": {}, "transient": transient});
        if !update {
            self.tell("display_data", content);
            self.inner.live.insert(id, Live { shown: now, next: None });
            return;
        }
        let soon = |live: &Live| now.saturating_duration_since(live.shown) < REPLACED;
        match self.inner.live.get_mut(&id) {
            Some(live) if !last && soon(live) => live.next = Some(content),
            _ => {
                self.tell("update_display_data", content);
                self.inner.live.insert(id, Live { shown: now, next: None });
            }
        }
    }

    fn progress(&mut self, state: &Value) {
        let Some(id) = state["id"].as_str() else { return };
        let id = format!("progress-{id}");
        let text = state["text"].as_str().unwrap_or_default().to_owned();
        let known = self.inner.bars.contains_key(&id);
        if state["end"] == true {
            self.inner.bars.remove(&id);
            if known {
                self.show_live(id, bar(&text, None), true, true);
            } else if !text.is_empty() {
                self.show_live(id, bar(&text, None), false, true);
            }
            return;
        }
        if !known {
            self.flush_text(true);
            self.flush_forms();
        }
        let data = bar(&text, Some(state));
        self.inner.bars.insert(id.clone(), text);
        self.show_live(id, data, known, false);
    }

    fn show(&mut self, forms: Forms) {
        let now = Instant::now();
        let size = forms.iter().map(|(_, content)| content.len()).sum();
        if forms.is_empty() || !self.inner.things.take(size, MOST_THINGS, THINGS_PER_SECOND, now) {
            return;
        }
        self.report_cuts();
        let content = json!({"data": bundle(forms), "metadata": {}, "transient": {}});
        self.tell("display_data", content);
    }

    fn flush_forms(&mut self) {
        if let Some((forms, _)) = self.inner.forms.take() {
            self.show(forms);
        }
    }

    /// Sends the text that waits, all of it or without a character whose rest is still to come.
    fn flush_text(&mut self, all: bool) {
        let bytes = &mut self.inner.text.bytes;
        let whole = if all { bytes.len() } else { whole_characters(bytes) };
        let rest = bytes.split_off(whole);
        let taken = std::mem::replace(bytes, rest);
        self.inner.text.since = None;
        if taken.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&taken).into_owned();
        let name = match self.inner.text.stream {
            Some(Stream::Stderr) => {
                self.inner.said.clone_from(&text);
                "stderr"
            }
            _ => "stdout",
        };
        self.tell("stream", json!({"name": name, "text": text}));
        self.inner.sent = Some(Instant::now());
    }

    fn flush_panic(&mut self) {
        if let Some((bytes, _)) = self.inner.panic.take() {
            self.flush_text(true);
            self.inner.text =
                Pending { stream: Some(Stream::Stderr), bytes, since: Some(Instant::now()) };
            self.flush_text(true);
        }
    }

    fn flush_updates(&mut self, due: impl Fn(&Live) -> bool) {
        let waiting = self.inner.live.iter_mut().filter(|(_, live)| due(live));
        let next: Vec<Value> = waiting
            .filter_map(|(_, live)| {
                live.shown = Instant::now();
                live.next.take()
            })
            .collect();
        for content in next {
            self.tell("update_display_data", content);
        }
        // Ids are forgotten when nothing waits for them: a session has any number.
        if self.inner.live.len() > 100 {
            let now = Instant::now();
            self.inner.live.retain(|_, live| {
                live.next.is_some() || now.saturating_duration_since(live.shown) < REPLACED
            });
        }
    }

    fn flush(&mut self) {
        self.flush_text(true);
        self.flush_panic();
        self.flush_forms();
        self.flush_updates(|_| true);
    }

    /// The cell's function has returned.
    fn complete(&mut self) {
        self.flush_text(true);
        self.flush_panic();
        self.inner.frame = None;
        let unfinished: Vec<(String, String)> = self.inner.bars.drain().collect();
        for (id, text) in unfinished {
            self.show_live(id, bar(&text, None), true, true);
        }
        if self.inner.has_value && self.inner.left.failure.is_none() {
            self.inner.left.value = self.inner.forms.take().map(|(forms, _)| forms);
        }
        self.flush();
    }

    /// What standard error holds of a failure that was just signalled.
    fn failure_text(&mut self) -> String {
        if let Some((panic, _)) = self.inner.panic.take() {
            self.flush_text(true);
            return String::from_utf8_lossy(&panic).into_owned();
        }
        if self.inner.text.stream == Some(Stream::Stderr) && !self.inner.text.bytes.is_empty() {
            let bytes = std::mem::take(&mut self.inner.text.bytes);
            self.inner.text.since = None;
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        std::mem::take(&mut self.inner.said)
    }

    fn due(&self) -> Option<Instant> {
        let text = self.inner.text.since.map(|since| since + PACE);
        let panic = self.inner.panic.as_ref().map(|(_, since)| *since + PANIC);
        let forms = self.inner.forms.as_ref().map(|(forms, since)| *since + self.patience(forms));
        let live = self.inner.live.values().filter(|live| live.next.is_some());
        let live = live.map(|live| live.shown + REPLACED).min();
        [text, panic, forms, live].into_iter().flatten().min()
    }

    fn patience(&self, forms: &Forms) -> Duration {
        let is_text = forms.iter().all(|(mime, _)| mime == "text/plain");
        if self.inner.has_value && is_text { VALUE } else { NEXT_FORM }
    }

    fn tick(&mut self, now: Instant) {
        if self.inner.text.since.is_some_and(|since| now >= since + PACE) {
            self.flush_text(false);
        }
        if self.inner.panic.as_ref().is_some_and(|(_, since)| now >= *since + PANIC) {
            self.flush_panic();
        }
        let forms = self.inner.forms.as_ref();
        if forms.is_some_and(|(forms, since)| now >= *since + self.patience(forms)) {
            self.flush_forms();
        }
        self.flush_updates(|live| live.next.is_some() && now >= live.shown + REPLACED);
    }
}

/// A bar of progress, or what remains of it: its words.
fn bar(text: &str, state: Option<&Value>) -> Value {
    let mut words = String::new();
    for character in text.chars() {
        match character {
            '&' => words += "&amp;",
            '<' => words += "&lt;",
            '>' => words += "&gt;",
            '"' => words += "&quot;",
            other => words.push(other),
        }
    }
    let Some(state) = state else { return json!({"text/plain": text}) };
    let done = match (state["done"].as_f64(), state["total"].as_f64()) {
        (Some(done), Some(total)) if total > 0.0 => format!(" value=\"{done}\" max=\"{total}\""),
        _ => String::new(),
    };
    let html = format!("<progress{done} aria-label=\"{words}\"></progress> {words}");
    json!({"text/html": html, "text/plain": text})
}

/// Where the report of a panic begins, if there is one.
fn begin_of_panic(text: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(text).ok()?;
    let at = text.find(" panicked at ")?;
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    // Rust puts an empty line before it.
    let begins = text[line..].starts_with("thread ");
    begins.then(|| if text[..line].ends_with("\n\n") || line == 1 { line - 1 } else { line })
}

/// How many bytes there are before a character that is not all there yet.
fn whole_characters(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(3);
    for at in (tail..bytes.len()).rev() {
        let length = match bytes[at] {
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF7 => 4,
            0x80..=0xBF => continue,
            _ => 1,
        };
        return if at + length > bytes.len() { at } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Channel, Outgoing, Request};
    use jupyter_zmq_client::RawMessage;
    use std::sync::Arc;
    use tokio::sync::mpsc::Receiver;

    struct Seen {
        page: Page,
        sent: Receiver<Outgoing>,
    }

    impl Seen {
        fn new(has_value: bool) -> Self {
            let (publisher, sent) = Publisher::new();
            let page = Page::new(publisher);
            let header = r#"{"msg_type": "execute_request", "msg_id": "1"}"#;
            let jparts = [header, "{}", "{}", "{}"].map(|part| part.to_owned().into()).to_vec();
            let raw = RawMessage { zmq_identities: vec![], jparts };
            let parent = Arc::new(Request::parse(Channel::Shell, raw).unwrap());
            page.begin(Some(parent), has_value);
            Seen { page, sent }
        }

        fn text(&self, text: &str) {
            self.page.stdout(Piece::Text(text.as_bytes().to_vec()));
        }

        fn block(&self, mime: &str, content: &str) {
            let (mime, content) = (mime.to_owned(), content.to_owned());
            self.page.stdout(Piece::Block { mime, content });
        }

        /// What was sent since the last call, in words.
        fn told(&mut self) -> Vec<String> {
            let mut told = Vec::new();
            while let Ok(Outgoing::Message(_, message)) = self.sent.try_recv() {
                let content = serde_json::to_value(&message.content).unwrap();
                let words = match message.header.msg_type.as_str() {
                    "stream" => format!("{}: {}", content["name"], content["text"]),
                    kind => format!("{kind}: {}", content["data"]),
                };
                told.push(words.replace('"', ""));
            }
            told
        }
    }

    #[test]
    fn text_and_things_are_sent_in_the_order_in_which_they_came() {
        let mut seen = Seen::new(false);
        seen.text("a\n");
        seen.block("image/png", "AA");
        seen.block("text/plain", "x");
        seen.text("b\n");
        seen.block("image/png", "BB");
        seen.block("image/png", "CC");
        seen.page.signal(&Signal::Complete);
        let told = seen.told();
        let expected = [
            "stdout: a\\n",
            "display_data: {image/png:AA,text/plain:x}",
            "stdout: b\\n",
            "display_data: {image/png:BB}",
            "display_data: {image/png:CC}",
        ];
        assert_eq!(told, expected);
        assert!(seen.page.end().value.is_none());
    }

    #[test]
    fn the_last_thing_of_a_cell_that_ends_with_an_expression_is_its_value() {
        let mut seen = Seen::new(true);
        seen.block("text/html", "1");
        seen.block("text/html", "2");
        seen.page.signal(&Signal::Complete);
        assert_eq!(seen.told(), ["display_data: {text/html:1}"]);
        assert_eq!(seen.page.end().value, Some(vec![("text/html".to_owned(), "2".to_owned())]));
        let mut seen = Seen::new(true);
        seen.block("text/html", "1");
        seen.text("behind it\n");
        seen.page.signal(&Signal::Complete);
        assert_eq!(seen.told().len(), 2);
        assert!(seen.page.end().value.is_none());
    }

    #[test]
    fn what_a_loop_in_the_end_shows_is_no_value() {
        let mut seen = Seen::new(true);
        seen.block("text/html", "1");
        seen.block("image/png", "AA");
        seen.block("text/plain", "()");
        seen.page.signal(&Signal::Complete);
        assert_eq!(seen.told(), ["display_data: {image/png:AA,text/html:1}"]);
        assert!(seen.page.end().value.is_none());
    }

    #[test]
    fn a_thing_is_shown_when_no_other_form_of_it_follows() {
        let mut seen = Seen::new(false);
        seen.block("image/png", "AA");
        let due = seen.page.due().unwrap();
        assert!(seen.told().is_empty());
        seen.page.tick(due);
        assert_eq!(seen.told(), ["display_data: {image/png:AA}"]);
        assert_eq!(seen.page.due(), None);
    }

    #[test]
    fn lines_that_come_fast_go_together() {
        let mut seen = Seen::new(false);
        for line in 0..1000 {
            seen.text(&format!("{line}\n"));
        }
        seen.page.signal(&Signal::Complete);
        let told = seen.told();
        assert!(told.len() < 100, "{}", told.len());
        assert_eq!(told[0], "stdout: 0\\n");
    }

    #[test]
    fn a_character_that_is_cut_in_two_is_sent_whole() {
        let mut seen = Seen::new(false);
        let bytes = "aé".as_bytes();
        seen.page.stdout(Piece::Text(bytes[..2].to_vec()));
        assert_eq!(seen.told(), ["stdout: a"]);
        seen.page.stdout(Piece::Text(bytes[2..].to_vec()));
        seen.page.signal(&Signal::Complete);
        assert_eq!(seen.told(), ["stdout: é"]);
        assert_eq!(whole_characters("x€".as_bytes()), 4);
        assert_eq!(whole_characters(&"x€".as_bytes()[..3]), 1);
        assert_eq!(whole_characters(b"\xFF\xFF"), 2);
    }

    #[test]
    fn the_text_of_a_panic_goes_to_the_error_and_what_came_before_does_not() {
        let mut seen = Seen::new(false);
        seen.page.stderr(b"a warning\n\nthread 'x' panicked at src/lib.rs:3:5:\n");
        seen.page.stderr(b"no\n");
        seen.text("dropped\n");
        seen.page.signal(&Signal::Panic);
        seen.page.signal(&Signal::Complete);
        assert_eq!(seen.told(), ["stderr: a warning\\n", "stdout: dropped\\n"]);
        let panic = "\nthread 'x' panicked at src/lib.rs:3:5:\nno\n".to_owned();
        assert_eq!(seen.page.end().failure, Some(Failure::Panic(panic)));
    }

    #[test]
    fn a_panic_that_the_cell_survives_stays_where_it_was_printed() {
        let mut seen = Seen::new(false);
        seen.page.stderr(b"\nthread 'x' panicked at src/lib.rs:3:5:\nno\n");
        seen.page.signal(&Signal::Complete);
        assert_eq!(seen.told(), ["stderr: \\nthread 'x' panicked at src/lib.rs:3:5:\\nno\\n"]);
        assert_eq!(seen.page.end().failure, None);
    }

    #[test]
    fn an_error_keeps_its_text_also_where_that_was_sent_already() {
        let mut seen = Seen::new(false);
        seen.page.stderr(b"ParseIntError\n");
        seen.page.signal(&Signal::UserError);
        assert_eq!(seen.page.end().failure, Some(Failure::Error("ParseIntError\n".to_owned())));
        assert!(seen.told().is_empty());
        let seen = Seen::new(false);
        seen.page.stderr(b"ParseIntError\n");
        seen.page.tick(seen.page.due().unwrap());
        seen.page.signal(&Signal::UserError);
        assert_eq!(seen.page.end().failure, Some(Failure::Error("ParseIntError\n".to_owned())));
    }

    #[test]
    fn output_that_no_page_can_take_is_cut_with_a_word() {
        let mut seen = Seen::new(false);
        let line = format!("{}\n", "x".repeat(999));
        let mut sent = 0;
        for _ in 0..10_000 {
            seen.text(&line);
            sent += seen.told().iter().map(String::len).sum::<usize>();
        }
        assert!(sent < 2_500_000, "{sent}");
        seen.page.signal(&Signal::Complete);
        seen.told();
        seen.page.end();
        let told = seen.told().concat();
        assert!(told.contains("8.0 MB of output are left out"), "{told}");
    }

    #[test]
    fn what_is_replaced_often_is_replaced_at_a_pace_and_ends_with_the_newest() {
        let mut seen = Seen::new(false);
        for step in 0..1000 {
            seen.page.stdout(Piece::BeginDisplay(json!({"id": "a", "update": step > 0})));
            seen.block("text/plain", &step.to_string());
            seen.page.stdout(Piece::EndDisplay);
        }
        seen.page.signal(&Signal::Complete);
        let told = seen.told();
        assert_eq!(told[0], "display_data: {text/plain:0}");
        assert!(told.len() < 20, "{}", told.len());
        assert_eq!(told.last().unwrap(), "update_display_data: {text/plain:999}");
    }

    #[test]
    fn progress_is_one_bar_and_ends_as_a_line() {
        let mut seen = Seen::new(false);
        for done in 1..=100 {
            let state = json!({"id": "t", "text": "a <b>", "done": done, "total": 100});
            seen.page.stdout(Piece::Progress(state));
        }
        seen.page.stdout(Piece::Progress(json!({"id": "t", "text": "done", "end": true})));
        let told = seen.told();
        assert!(told[0].contains("<progress value") && told[0].contains("a &lt;b&gt;"), "{told:?}");
        assert_eq!(told.last().unwrap(), "update_display_data: {text/plain:done}");
        assert!(told.len() < 10, "{told:?}");
        // A bar whose work failed does not go on.
        seen.page.stdout(Piece::Progress(json!({"id": "u", "text": "half", "done": 1})));
        seen.page.signal(&Signal::Complete);
        assert_eq!(seen.told().last().unwrap(), "update_display_data: {text/plain:half}");
    }
}
