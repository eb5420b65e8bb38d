//! Requests that need evcxr, one after the other.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use evcxr::{EvalCallbacks, EvalOutputs};
use serde_json::{Value, json};

use crate::control::{Control, Fate};
use crate::evaluator::{Evaluator, Load, Unfinished};
use crate::language::{self, Outline};
use crate::message::{Parent, Publisher, Request, bundle};
use crate::page::{Failure, Forms, Left, Page};
use crate::report::{self, Cell, Report};
use crate::session::Session;

/// A cell that comes before evcxr is loaded says so after this time.
const IMPATIENT: Duration = Duration::from_secs(2);
/// Cells that are looked through for the place of a panic.
const REMEMBERED: usize = 1_000;

/// Lines of input that front ends have sent.
pub(crate) type Inputs = Arc<Mutex<Receiver<String>>>;

pub(crate) struct Dispatcher {
    pub(crate) inbox: Receiver<Request>,
    pub(crate) inputs: Inputs,
    pub(crate) publisher: Publisher,
    pub(crate) page: Arc<Page>,
    pub(crate) control: Arc<Control>,
    pub(crate) evaluator: Evaluator,
    pub(crate) session: Arc<Session>,
    pub(crate) memory: Memory,
}

/// What later cells know of earlier ones.
#[derive(Default)]
pub(crate) struct Memory {
    /// Requests that came behind a cell that failed, and are no cells.
    kept: VecDeque<Request>,
    /// Cells as they were run, the newest first.
    cells: VecDeque<(usize, String)>,
    /// Variables that are gone, and since when.
    lost: HashMap<String, String>,
    backtrace: Option<String>,
    /// evcxr's configuration was complained of.
    complained: bool,
}

/// All that is known of a cell that evcxr is done with.
struct Run {
    result: Result<EvalOutputs, evcxr::Error>,
    before: BTreeSet<String>,
    after: BTreeSet<String>,
    source: String,
}

impl Dispatcher {
    /// Serves requests until nobody sends any more.
    pub(crate) fn run(mut self) {
        while let Some(request) = self.next() {
            let request = Arc::new(request);
            let given_up = self.around(&request, |this| match request.kind() {
                "execute_request" => this.execute(&request),
                "complete_request" => {
                    let content = this.complete(&request);
                    this.publisher.reply(&request, "complete_reply", content);
                    Vec::new()
                }
                _ => {
                    let content = this.inspect(&request);
                    this.publisher.reply(&request, "inspect_reply", content);
                    Vec::new()
                }
            });
            for cell in given_up {
                self.around(&cell, |this| {
                    // With a count, a page would show it as that of a cell that has run.
                    let content = json!({"status": "aborted"});
                    this.publisher.reply(&cell, "execute_reply", content);
                });
            }
        }
    }

    /// Says that the kernel is busy with a request, and then that it is not any more.
    fn around<T>(&mut self, request: &Request, what: impl FnOnce(&mut Self) -> T) -> T {
        let state = |state: &str| json!({"execution_state": state});
        self.publisher.tell(Some(request), "status", state("busy"));
        let done = what(self);
        self.publisher.tell(Some(request), "status", state("idle"));
        done
    }

    fn next(&mut self) -> Option<Request> {
        self.memory.kept.pop_front().or_else(|| self.inbox.recv().ok())
    }

    /// The cells that are queued now.
    fn queued(&mut self) -> Vec<Request> {
        let queued = self.memory.kept.drain(..).chain(self.inbox.try_iter());
        let (cells, others): (Vec<_>, Vec<_>) =
            queued.partition(|request| request.kind() == "execute_request");
        self.memory.kept = others.into();
        cells
    }

    /// Runs a cell; says which others are not run since it failed.
    fn execute(&mut self, request: &Parent) -> Vec<Request> {
        let code = request.text("code");
        let silent = request.flag("silent", false);
        let stored = request.flag("store_history", !silent) && !silent;
        let number = self.session.enter(code, stored && !code.trim().is_empty());
        if !silent {
            let content = json!({"code": code, "execution_count": number});
            self.publisher.tell(Some(request), "execute_input", content);
        }
        self.session.runs(Some(Arc::clone(request)));
        let result = self.run_cell(request, code, number, silent);
        self.session.runs(None);
        // Whoever hears of the failure may send more at once, and means that to run.
        let given_up = match result.is_err() && request.flag("stop_on_error", true) {
            true => self.queued(),
            false => Vec::new(),
        };
        match &result {
            Ok(()) => {
                let content = json!({
                    "status": "ok", "execution_count": number, "payload": [],
                    "user_expressions": unsupported(&request.content["user_expressions"]),
                });
                self.publisher.reply(request, "execute_reply", content);
            }
            Err(report) => {
                let mut content = report.content();
                if !silent {
                    self.publisher.tell(Some(request), "error", content.clone());
                }
                content["status"] = "error".into();
                content["execution_count"] = number.into();
                content["payload"] = json!([]);
                content["user_expressions"] = json!({});
                self.publisher.reply(request, "execute_reply", content);
            }
        }
        given_up
    }

    fn run_cell(
        &mut self,
        request: &Parent,
        code: &str,
        number: usize,
        silent: bool,
    ) -> Result<(), Report> {
        if code.trim().is_empty() {
            return Ok(());
        }
        if code.trim() == ":backtrace" {
            return self.show_backtrace(request);
        }
        if let Some(problem) = language::beyond_measure(code) {
            return Err(Report::new("CompileError", &problem));
        }
        self.wait_for_evcxr(request)?;
        let outline = language::outline(code);
        self.control.begin();
        self.page.begin((!silent).then(|| Arc::clone(request)), outline.has_value);
        let run = self.evaluate(request, code);
        let fate = self.control.end();
        let left = self.page.end();
        self.memory.cells.push_front((number, code.to_owned()));
        self.memory.cells.truncate(REMEMBERED);
        let run = match run {
            Ok(run) => run,
            Err(Unfinished::Panicked(reason)) => {
                let mut report = Report::new("Panic", &format!("evcxr itself failed: {reason}"));
                report.note("it may go on with the next cell; otherwise restart the kernel");
                return Err(report);
            }
            Err(Unfinished::Ended) => return Err(Report::new("Ended", "the kernel ends")),
        };
        self.judge(request, (number, code), &outline, run, fate, left, silent)
    }

    /// What came of a cell.
    #[expect(clippy::too_many_arguments, reason = "all that is known of a cell meets here")]
    fn judge(
        &mut self,
        request: &Parent,
        (number, code): (usize, &str),
        outline: &Outline,
        run: Run,
        fate: Fate,
        left: Left,
        silent: bool,
    ) -> Result<(), Report> {
        let declared: BTreeSet<String> = outline.declared.iter().cloned().collect();
        let mut gone: BTreeSet<String> = run.before.difference(&run.after).cloned().collect();
        let cells: Vec<Cell<'_>> =
            self.memory.cells.iter().map(|(number, code)| Cell { number: *number, code }).collect();
        let report = if fate.refused {
            Some(report::of_stop())
        } else {
            match (&run.result, &left.failure) {
                (Err(evcxr::Error::SubprocessTerminated(_)), _) => {
                    gone.extend(run.before.iter().chain(&declared).cloned());
                    Some(report::of_death(&fate))
                }
                (Err(evcxr::Error::CompilationErrors(_) | evcxr::Error::Message(_)), _)
                    if fate.interrupted =>
                {
                    Some(report::of_stop())
                }
                (Err(evcxr::Error::CompilationErrors(errors)), _) => {
                    Some(report::of_compiler(errors, Cell { number, code }, &self.memory.lost))
                }
                (Err(error), _) => Some(Report::new("Error", &error.to_string())),
                (Ok(_), Some(failure)) => {
                    gone.extend(declared.difference(&run.after).cloned());
                    Some(match failure {
                        Failure::Error(text) => report::of_error(text, fate.interrupted),
                        Failure::Panic(text) => {
                            let (report, backtrace) = report::of_panic(text, &run.source, &cells);
                            self.memory.backtrace = backtrace;
                            report
                        }
                    })
                }
                (Ok(_), None) => None,
            }
        };
        for name in &run.after {
            self.memory.lost.remove(name);
        }
        if let Some(mut report) = report {
            report.note_lost(&gone);
            for name in gone {
                self.memory.lost.insert(name, format!("cell [{number}] failed"));
            }
            return Err(report);
        }
        if let (false, Ok(outputs)) = (silent, run.result) {
            self.show(request, number, left.value, outputs);
        }
        Ok(())
    }

    /// Shows a cell's value, and what evcxr's commands have to say.
    fn show(&self, request: &Parent, number: usize, value: Option<Forms>, outputs: EvalOutputs) {
        let mut said: Forms = outputs.content_by_mime_type.into_iter().collect();
        said.sort();
        let result = |forms| {
            let content = json!({"data": bundle(forms), "metadata": {}, "execution_count": number});
            self.publisher.tell(Some(request), "execute_result", content);
        };
        let display = |forms| {
            let content = json!({"data": bundle(forms), "metadata": {}, "transient": {}});
            self.publisher.tell(Some(request), "display_data", content);
        };
        match (value, said.is_empty()) {
            (None, true) => {}
            (None, false) => result(said),
            (Some(value), true) => result(value),
            (Some(value), false) => {
                display(said);
                result(value);
            }
        }
        if let Some(timing) = outputs.timing {
            display(vec![text(&format!("Took {} ms", timing.as_millis()))]);
        }
    }

    fn evaluate(&self, request: &Parent, code: &str) -> Result<Run, Unfinished> {
        let ask = asker(request, &self.publisher, &self.inputs, &self.control);
        let code = code.to_owned();
        self.evaluator.run(move |context| {
            let names = |context: &evcxr::CommandContext| {
                context.variables_and_types().map(|(name, _)| name.to_owned()).collect()
            };
            let before = names(context);
            let mut callbacks =
                EvalCallbacks { input_reader: &|asked| ask(&asked.prompt, asked.is_password) };
            let result = context.execute_with_callbacks(&code, &mut callbacks);
            let source = context.last_source().unwrap_or_default();
            Run { result, before, after: names(context), source }
        })
    }

    /// Waits until evcxr is loaded, with a line that says so, which goes when it is.
    fn wait_for_evcxr(&mut self, request: &Parent) -> Result<(), Report> {
        let started = Instant::now();
        let mut told = false;
        let mut tried = false;
        let loaded = loop {
            match self.evaluator.loaded_within(Duration::from_millis(100)) {
                Load::Loading => {
                    if self.control.is_interrupted() {
                        break Err(report::of_stop());
                    }
                    if !told && started.elapsed() >= IMPATIENT {
                        told = true;
                        let text = "Rust is being loaded; the cell runs as soon as it is there.\n";
                        let content = json!({"name": "stderr", "text": text});
                        self.publisher.tell(Some(request), "stream", content);
                    }
                }
                Load::Ready(complaint) => {
                    break Ok(complaint);
                }
                // What was in the way may be gone.
                Load::Failed(_) if !tried => {
                    tried = true;
                    self.evaluator.reload();
                }
                Load::Failed(reason) => {
                    let mut report =
                        Report::new("Error", &format!("Rust cannot be loaded: {reason}"));
                    report.note(
                        "a kernel needs `cargo` and `rustc` on its PATH, and room on the disk",
                    );
                    break Err(report);
                }
                Load::Ended => break Err(Report::new("Ended", "the kernel ends")),
            }
        };
        if told {
            self.publisher.tell(Some(request), "clear_output", json!({"wait": false}));
        }
        if let (Some(complaint), false) = (loaded?, self.memory.complained) {
            self.memory.complained = true;
            let text =
                format!("What evcxr's configuration runs at the start has failed: {complaint}\n");
            self.publisher.tell(Some(request), "stream", json!({"name": "stderr", "text": text}));
        }
        Ok(())
    }

    fn show_backtrace(&self, request: &Parent) -> Result<(), Report> {
        let Some(backtrace) = &self.memory.backtrace else {
            return Err(Report::new("Error", "no cell has panicked yet"));
        };
        let content = json!({"name": "stdout", "text": format!("{backtrace}\n")});
        self.publisher.tell(Some(request), "stream", content);
        Ok(())
    }

    fn complete(&self, request: &Parent) -> Value {
        let code = request.text("code").to_owned();
        let cursor = request.number("cursor_pos").unwrap_or(usize::MAX);
        let at = language::byte_of(&code, cursor);
        let nothing = |cursor: usize| {
            json!({
                "status": "ok", "matches": [], "cursor_start": cursor, "cursor_end": cursor,
                "metadata": {},
            })
        };
        let cursor = language::character_of(&code, at);
        if !self.is_loaded() || language::beyond_measure(&code).is_some() {
            return nothing(cursor);
        }
        let asked = code.clone();
        let found = self.evaluator.run(move |context| context.completions(&asked, at).ok());
        let Ok(Some(found)) = found else { return nothing(cursor) };
        let start = language::character_of(&code, found.start_offset);
        let end = language::character_of(&code, found.end_offset);
        let matches: Vec<&str> = found.completions.iter().map(|one| one.code.as_str()).collect();
        let kinds: Vec<Value> = found
            .completions
            .iter()
            .map(|one| {
                json!({
                    "start": start, "end": end, "text": one.code, "type": one.kind,
                    "signature": one.label,
                })
            })
            .collect();
        json!({
            "status": "ok", "matches": matches, "cursor_start": start, "cursor_end": end,
            "metadata": {"_jupyter_types_experimental": kinds},
        })
    }

    fn inspect(&self, request: &Parent) -> Value {
        let code = request.text("code").to_owned();
        let cursor = request.number("cursor_pos").unwrap_or(usize::MAX);
        let at = language::end_of_name(&code, language::byte_of(&code, cursor));
        let mut reply = json!({"status": "ok", "found": false, "data": {}, "metadata": {}});
        if !self.is_loaded() || language::beyond_measure(&code).is_some() {
            return reply;
        }
        let found = self.evaluator.run(move |context| context.hover_at(&code, at).ok());
        if let Ok(Some((plain, html))) = found
            && plain != "No documentation found"
        {
            reply["found"] = true.into();
            reply["data"] = json!({"text/plain": plain, "text/html": html});
        }
        reply
    }

    fn is_loaded(&self) -> bool {
        matches!(self.evaluator.loaded_within(Duration::ZERO), Load::Ready(_))
    }
}

fn text(content: &str) -> (String, String) {
    ("text/plain".to_owned(), content.to_owned())
}

/// Expressions that a front end wants evaluated beside a cell: evcxr shows values, and hands none out.
fn unsupported(expressions: &Value) -> Value {
    let names = expressions.as_object().into_iter().flatten().map(|(name, _)| name.clone());
    let report = json!({
        "status": "error", "ename": "Unsupported", "traceback": [],
        "evalue": "this kernel evaluates cells alone",
    });
    Value::Object(names.map(|name| (name, report.clone())).collect())
}

/// How a cell asks for a line of input. An empty one stands for an interrupt.
fn asker(
    request: &Parent,
    publisher: &Publisher,
    inputs: &Inputs,
    control: &Arc<Control>,
) -> impl Fn(&str, bool) -> String + Send + 'static {
    let (request, publisher) = (Arc::clone(request), publisher.clone());
    let (inputs, control) = (Arc::clone(inputs), Arc::clone(control));
    move |prompt, is_password| {
        if !request.flag("allow_stdin", true) {
            let text = "This front end asks for no input: the program reads an empty line.\n";
            let content = json!({"name": "stderr", "text": text});
            publisher.tell(Some(&request), "stream", content);
            return String::new();
        }
        let inputs = inputs.lock().unwrap_or_else(PoisonError::into_inner);
        // What answered a question that nobody waits for any more.
        while inputs.try_recv().is_ok() {}
        publisher.ask(&request, prompt, is_password);
        loop {
            match inputs.recv_timeout(Duration::from_millis(50)) {
                // evcxr sends it as one line.
                Ok(line) => return line.replace(['\n', '\r'], " "),
                Err(RecvTimeoutError::Timeout) if !control.is_interrupted() => {}
                Err(_) => return String::new(),
            }
        }
    }
}
