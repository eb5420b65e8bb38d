//! What a cell that failed says: a name, a sentence, and a traceback in the cell's own lines.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use evcxr::CompilationError;
use serde_json::{Value, json};

use crate::control::Fate;

const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[1;31m";
const BLUE: &str = "\x1b[1;34m";
const PLAIN: &str = "\x1b[0m";

/// Errors of one cell that are spelled out; the compiler may find thousands.
const MOST_ERRORS: usize = 10;
/// Characters of a sentence that front ends show in a line.
const MOST_WORDS: usize = 2_000;

/// What a front end is told of a cell that failed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Report {
    pub(crate) name: &'static str,
    pub(crate) sentence: String,
    pub(crate) lines: Vec<String>,
}

impl Report {
    /// A failure that one text says all of.
    pub(crate) fn new(name: &'static str, text: &str) -> Self {
        let text = text.trim();
        let first = text.lines().next().unwrap_or("it gives no reason");
        let mut lines = vec![format!("{RED}{name}{PLAIN}: {BOLD}{first}{PLAIN}")];
        lines.extend(text.lines().skip(1).map(str::to_owned));
        Report { name, sentence: shortened(first), lines }
    }

    /// As messages carry it.
    pub(crate) fn content(&self) -> Value {
        json!({"ename": self.name, "evalue": self.sentence, "traceback": self.lines})
    }

    /// A remark below it.
    pub(crate) fn note(&mut self, words: &str) {
        self.lines.push(format!("  {BLUE}={PLAIN} {words}"));
    }

    /// Says which variables are not there.
    pub(crate) fn note_lost(&mut self, lost: &BTreeSet<String>) {
        if !lost.is_empty() {
            self.note(&format!("these variables are gone: {}", listed(lost)));
        }
    }
}

fn listed(names: &BTreeSet<String>) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MOST_WORDS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A cell as it was run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell<'a> {
    pub(crate) number: usize,
    pub(crate) code: &'a str,
}

/// A place in a cell, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    line: usize,
    column: usize,
}

/// What the compiler has against a cell. `lost` says of variables that are gone since when.
pub(crate) fn of_compiler(
    errors: &[CompilationError],
    cell: Cell<'_>,
    lost: &HashMap<String, String>,
) -> Report {
    let real: Vec<&CompilationError> = match errors.iter().any(|error| error.level() == "error") {
        true => errors.iter().filter(|error| error.level() == "error").collect(),
        false => errors.iter().collect(),
    };
    let heading = |error: &CompilationError| match error.code() {
        Some(code) => format!("error[{code}]"),
        None => "error".to_owned(),
    };
    let sentence = match real.as_slice() {
        [] => "the cell does not compile".to_owned(),
        [first, rest @ ..] => {
            let message = message_of(first);
            let words =
                format!("{}: {}", heading(first), message.lines().next().unwrap_or_default());
            if rest.is_empty() { words } else { format!("{words} (and {} more)", rest.len()) }
        }
    };
    let mut lines = Vec::new();
    for error in real.iter().take(MOST_ERRORS) {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let mut words = message_of(error);
        let rest = words.find('\n').map(|end| words.split_off(end));
        lines.push(format!("{RED}{}{PLAIN}{BOLD}: {words}{PLAIN}", heading(error)));
        lines.extend(rest.iter().flat_map(|rest| rest.lines().skip(1)).map(str::to_owned));
        lines.extend(snippet(error, cell));
        for remark in remarks(error, lost) {
            let remark = remark.replace('\n', "\n    ");
            lines.extend(format!("  {BLUE}={PLAIN} {remark}").lines().map(str::to_owned));
        }
    }
    if real.len() > MOST_ERRORS {
        lines.push(String::new());
        lines.push(format!("and {} more errors", real.len() - MOST_ERRORS));
    }
    Report { name: "CompileError", sentence: shortened(&sentence), lines }
}

/// Without the word that stands before it anyway, as in what cargo says.
fn message_of(error: &CompilationError) -> String {
    let message = error.message();
    message.strip_prefix("error: ").unwrap_or(&message).to_owned()
}

/// The cell's lines that an error is about, with marks below.
fn snippet(error: &CompilationError, cell: Cell<'_>) -> Vec<String> {
    let marks: Vec<Mark> = error
        .spanned_messages()
        .iter()
        .filter_map(|message| {
            let span = message.span?;
            let from = Place { line: span.start_line, column: span.start_column };
            let to = (span.start_line == span.end_line).then_some(span.end_column);
            // Where the compiler has no words for a place, evcxr repeats the message.
            let label = message.label.replace("`evcxr_variable_store`", "<end of input>");
            let repeated = format!("error: {}", error.message());
            let label = if label == repeated { String::new() } else { label };
            Some(Mark { from, to, label, is_primary: message.is_primary })
        })
        .collect();
    marked(cell, &marks)
}

struct Mark {
    from: Place,
    /// The column behind it; none where it goes on in other lines.
    to: Option<usize>,
    label: String,
    is_primary: bool,
}

fn marked(cell: Cell<'_>, marks: &[Mark]) -> Vec<String> {
    let Some(first) = marks.iter().find(|mark| mark.is_primary).or(marks.first()) else {
        return Vec::new();
    };
    let code: Vec<&str> = cell.code.lines().collect();
    let lines: BTreeSet<usize> = marks.iter().map(|mark| mark.from.line).collect();
    let width = lines.last().map_or(1, |last| last.to_string().len());
    let gutter = format!("{:width$} {BLUE}|{PLAIN}", "");
    let Place { line, column } = first.from;
    let mut shown = vec![
        format!(
            "{:width$}{BLUE}-->{PLAIN} cell [{}], line {line}, column {column}",
            "", cell.number
        ),
        gutter.clone(),
    ];
    let mut before = None;
    for line in lines {
        let Some(text) = line.checked_sub(1).and_then(|at| code.get(at)) else { continue };
        if before.is_some_and(|before| before + 1 < line) {
            shown.push(format!("{BLUE}...{PLAIN}"));
        }
        before = Some(line);
        shown.push(format!("{BLUE}{line:width$} |{PLAIN} {text}"));
        let mut here: Vec<&Mark> = marks.iter().filter(|mark| mark.from.line == line).collect();
        here.sort_by_key(|mark| (!mark.is_primary, mark.from.column));
        for mark in here {
            let start = mark.from.column.saturating_sub(1);
            let pad: String =
                text.chars().take(start).map(|it| if it == '\t' { '\t' } else { ' ' }).collect();
            let end = mark.to.map_or(text.chars().count(), |to| to.saturating_sub(1));
            let (colour, sign) = if mark.is_primary { (RED, "^") } else { (BLUE, "-") };
            let signs = sign.repeat(end.saturating_sub(start).max(1));
            let label = mark.label.replace('\n', " ");
            let row = format!("{gutter} {pad}{colour}{signs} {label}{PLAIN}");
            shown.push(row.replace(&format!(" {PLAIN}"), PLAIN));
        }
    }
    shown
}

/// What the compiler adds to an error, and what it cannot know.
fn remarks(error: &CompilationError, lost: &HashMap<String, String>) -> Vec<String> {
    let mut remarks = Vec::new();
    for child in error.json["children"].as_array().into_iter().flatten() {
        let (Some(level), Some(message)) = (child["level"].as_str(), child["message"].as_str())
        else {
            continue;
        };
        // Of code that the reader did not write.
        if message.contains("evcxr_") || message.is_empty() {
            continue;
        }
        let mut remark = format!("{level}: {message}");
        let spans = child["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
        let suggested: Vec<&str> = spans
            .iter()
            .filter_map(|span| span["suggested_replacement"].as_str())
            .filter(|text| !text.trim().is_empty())
            .collect();
        if let [text] = suggested[..] {
            let _ = write!(remark, ": `{}`", text.trim());
        }
        if !remarks.contains(&remark) {
            remarks.push(remark);
        }
    }
    if let Some(hint) = error.evcxr_extra_hint() {
        remarks.push(format!("note: {hint}"));
    }
    if matches!(error.code(), Some("E0425" | "E0412" | "E0433"))
        && let Some(name) = error.message().split('`').nth(1)
    {
        remarks.push(match lost.get(name) {
            Some(since) => {
                format!("`{name}` is gone since {since}: run the cells above that make it")
            }
            None => format!("if a cell above makes `{name}`, run that one first"),
        });
    }
    remarks
}

/// A panic, by what was printed of it, and its backtrace. `source` is what evcxr compiled, `cells` those that were run,
/// the newest first.
pub(crate) fn of_panic(text: &str, source: &str, cells: &[Cell<'_>]) -> (Report, Option<String>) {
    let text = text.trim();
    let (text, backtrace) = match text.split_once("\nstack backtrace:\n") {
        Some((text, backtrace)) => (text, Some(backtrace.to_owned())),
        None => (text, None),
    };
    let is_note = |line: &&str| line.starts_with("note: run with `RUST_BACKTRACE");
    let mut lines = text.lines().filter(|line| !is_note(line)).peekable();
    let place = lines.peek().and_then(|line| line.split_once(" panicked at ")).map(|it| it.1);
    if place.is_some() {
        lines.next();
    }
    let message: Vec<&str> = lines.collect();
    let mut report = Report::new("Panic", &message.join("\n"));
    if let Some(place) = place {
        let place = place.trim_end_matches(':');
        match in_cell(place, source, cells) {
            Some((cell, from)) => {
                let to = Some(from.column + 1);
                let mark = Mark { from, to, label: String::new(), is_primary: true };
                report.lines.extend(marked(cell, &[mark]));
            }
            None => report.lines.push(format!(" {BLUE}-->{PLAIN} {place}")),
        }
    }
    if backtrace.is_some() {
        report.note("a cell with `:backtrace` shows what had called what");
    }
    (report, backtrace)
}

/// The cell and the place in it that `src/lib.rs:12:5` means.
fn in_cell<'a>(place: &str, source: &str, cells: &[Cell<'a>]) -> Option<(Cell<'a>, Place)> {
    let mut words = place.strip_prefix("src/lib.rs:")?.split(':');
    let line: usize = words.next()?.parse().ok()?;
    let column: usize = words.next()?.parse().ok()?;
    let source: Vec<&str> = source.lines().collect();
    let line = line.checked_sub(1)?;
    let compiled = source.get(line)?;
    let words = compiled.trim();
    if words.is_empty() {
        return None;
    }
    let indent = compiled.chars().take_while(|it| it.is_whitespace()).count();
    // Statements stand there as in their cell, but each begins a line of its own.
    let find = |cell: &Cell<'a>, whole: bool| {
        let lines: Vec<&str> = cell.code.lines().collect();
        let fits = |text: &str| if whole { text.trim() == words } else { text.contains(words) };
        let candidates = (0..lines.len()).filter(|at| fits(lines[*at]));
        let at =
            candidates.max_by_key(|at| (alike(&source, line, &lines, *at), usize::MAX - at))?;
        let offset = lines[at][..lines[at].find(words)?].chars().count();
        let column = offset + column.saturating_sub(indent);
        Some((*cell, Place { line: at + 1, column: column.max(1) }))
    };
    let in_any = |whole| cells.iter().find_map(|cell| find(cell, whole));
    in_any(true).or_else(|| in_any(false))
}

/// How many lines around these are the same in both.
fn alike(one: &[&str], at: usize, other: &[&str], there: usize) -> usize {
    let same = |one: &&str, other: &&str| one.trim() == other.trim();
    let above = one[..at].iter().rev().zip(other[..there].iter().rev());
    let below = one[at + 1..].iter().zip(&other[there + 1..]);
    above.take_while(|(one, other)| same(one, other)).count()
        + below.take_while(|(one, other)| same(one, other)).count()
}

/// The error that a `?` has met. In a cell that was interrupted, it may be how a library answers that.
pub(crate) fn of_error(text: &str, interrupted: bool) -> Report {
    let answers = interrupted && text.to_lowercase().contains("interrupted");
    Report::new(if answers { "Interrupted" } else { "Error" }, text)
}

/// The child is gone.
pub(crate) fn of_death(fate: &Fate) -> Report {
    let how = fate.died.as_deref().unwrap_or("nobody knows how");
    if fate.interrupted && fate.killed.is_none() {
        let mut report = Report::new("Interrupted", "the cell was stopped");
        report.note(
            "what ran does not know how to stop, so the process that runs the cells has ended",
        );
        return report;
    }
    match fate.killed {
        Some(why) => {
            Report::new("Killed", &format!("the process that runs the cells was ended: {why}"))
        }
        None => Report::new("Died", &format!("the process that runs the cells has ended: {how}")),
    }
}

/// The cell was stopped before any of it ran.
pub(crate) fn of_stop() -> Report {
    let mut report = Report::new("Interrupted", "the cell was stopped before it ran");
    report.note("all variables are kept");
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(lines: &[String]) -> String {
        let mut text = lines.join("\n");
        for code in [BOLD, RED, BLUE, PLAIN] {
            text = text.replace(code, "");
        }
        text
    }

    #[test]
    fn marks_stand_below_what_they_mean() {
        let cell = Cell { number: 3, code: "let a = 1;\n\tlet é: String = 5;" };
        let mark = |column, to, label: &str, is_primary| {
            let from = Place { line: 2, column };
            Mark { from, to: Some(to), label: label.to_owned(), is_primary }
        };
        let marks = [mark(9, 15, "due to this", false), mark(18, 19, "no String", true)];
        let expected = " --> cell [3], line 2, column 18\n  |\n2 | \tlet é: String = 5;\n\
                        \u{20} | \t                ^ no String\n  | \t       ------ due to this";
        assert_eq!(plain(&marked(cell, &marks)), expected);
    }

    #[test]
    fn marks_beyond_the_cell_are_left_out() {
        let cell = Cell { number: 1, code: "x" };
        let from = Place { line: 7, column: 1 };
        let mark = Mark { from, to: None, label: String::new(), is_primary: true };
        assert_eq!(marked(cell, &[mark]).len(), 2);
        assert!(marked(cell, &[]).is_empty());
    }

    const SOURCE: &str = "#![allow(x)]\nfn f(v: &[i32]) {\n    v[7];\n}\npub extern fn run() {\n\
                          let v = vec![1]; \nif true {\n    v[7];\n}\n(\nv[9]\n).evcxr_display();\n";

    fn place(line: usize, column: usize, cells: &[Cell<'_>]) -> Option<(usize, usize, usize)> {
        in_cell(&format!("src/lib.rs:{line}:{column}"), SOURCE, cells)
            .map(|(cell, at)| (cell.number, at.line, at.column))
    }

    #[test]
    fn a_panics_place_is_found_in_its_cell() {
        let now =
            Cell { number: 4, code: ":dep x\nlet v = vec![1]; if true {\n    v[7];\n}\nv[9]" };
        let before = Cell { number: 2, code: "// ours\nfn f(v: &[i32]) {\n    v[7];\n}" };
        let cells = [now, before];
        assert_eq!(place(8, 5, &cells), Some((4, 3, 5)));
        assert_eq!(place(11, 1, &cells), Some((4, 5, 1)));
        assert_eq!(place(6, 9, &cells), Some((4, 2, 9)));
        assert_eq!(place(3, 5, &[before]), Some((2, 3, 5)));
        assert_eq!(place(1, 1, &cells), None);
        assert_eq!(place(99, 1, &cells), None);
        assert_eq!(in_cell("/registry/x/src/lib.rs:3:1", SOURCE, &cells).map(|it| it.1), None);
    }

    #[test]
    fn a_panic_is_told_without_what_nobody_reads() {
        let text = "\nthread '<unnamed>' (71) panicked at src/lib.rs:11:1:\nindex out of bounds\nlen 1\n\
                    stack backtrace:\n   0: a\n   1: b\nnote: Some details are omitted\n";
        let cells = [Cell { number: 4, code: "let v = vec![1];\nv[9]" }];
        let (report, backtrace) = of_panic(text, SOURCE, &cells);
        assert_eq!(report.sentence, "index out of bounds");
        let told = plain(&report.lines);
        assert!(
            told.starts_with("Panic: index out of bounds\nlen 1\n --> cell [4], line 2"),
            "{told}"
        );
        assert!(backtrace.unwrap().starts_with("   0: a"));
        let (report, backtrace) = of_panic(
            "thread 'x' panicked at /rustc/library/core.rs:1:2:\nno\nnote: run with `RUST_BACKTRACE=1`",
            "",
            &[],
        );
        assert_eq!(plain(&report.lines), "Panic: no\n --> /rustc/library/core.rs:1:2");
        assert_eq!(backtrace, None);
        // A program's own words for it.
        let (report, _) = of_panic("shapes do not fit\n", "", &[]);
        assert_eq!(report.sentence, "shapes do not fit");
    }

    #[test]
    fn an_error_that_answers_an_interrupt_is_called_one() {
        assert_eq!(of_error("Interrupted { steps: 3 }\n", true).name, "Interrupted");
        assert_eq!(of_error("training was interrupted\n", true).name, "Interrupted");
        assert_eq!(of_error("Interrupted\n", false).name, "Error");
        assert_eq!(of_error("NotFound\n", true).name, "Error");
    }

    #[test]
    fn a_death_says_why() {
        let fate = Fate { died: Some("signal 6 (abort)".to_owned()), ..Fate::default() };
        assert!(of_death(&fate).sentence.contains("abort"));
        let fate = Fate { interrupted: true, ..fate };
        assert_eq!(of_death(&fate).name, "Interrupted");
        let fate = Fate { killed: Some("it was interrupted twice"), ..fate };
        let mut report = of_death(&fate);
        assert!(report.sentence.contains("twice"));
        report.note_lost(&["b".to_owned(), "a".to_owned()].into());
        assert!(plain(&report.lines).ends_with("these variables are gone: `a`, `b`"));
    }
}
