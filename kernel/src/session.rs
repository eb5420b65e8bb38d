//! What is known of a session without evcxr: its cells by number, and which one runs.

use std::sync::{Mutex, PoisonError};

use regex::Regex;
use serde_json::{Value, json};

use crate::message::{Parent, Request};

/// Cells that can be looked up.
const REMEMBERED: usize = 10_000;

#[derive(Default)]
pub(crate) struct Session {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    count: usize,
    cells: Vec<(usize, String)>,
    running: Option<Parent>,
}

impl Session {
    /// A cell begins; says its number.
    pub(crate) fn enter(&self, code: &str, counts: bool) -> usize {
        self.with(|inner| {
            if counts {
                inner.count += 1;
                inner.cells.push((inner.count, code.to_owned()));
                if inner.cells.len() > REMEMBERED {
                    inner.cells.remove(0);
                }
            }
            inner.count
        })
    }

    /// Which cell runs now.
    pub(crate) fn runs(&self, request: Option<Parent>) {
        self.with(|inner| inner.running = request);
    }

    pub(crate) fn running(&self) -> Option<Parent> {
        self.with(|inner| inner.running.clone())
    }

    /// Answers a `history_request`.
    pub(crate) fn history(&self, request: &Request) -> Value {
        let most = request.number("n").unwrap_or(REMEMBERED);
        let output = request.flag("output", false);
        let found: Vec<Value> = self.with(|inner| {
            let cells = inner.cells.iter();
            let wanted: Vec<&(usize, String)> = match request.text("hist_access_type") {
                "range" => {
                    let start = request.number("start").unwrap_or(0);
                    let stop = request.number("stop").unwrap_or(usize::MAX);
                    // Other sessions than this one, which is 0, are not kept.
                    let ours = request.content["session"].as_i64().unwrap_or(0) == 0;
                    cells.filter(|(number, _)| ours && (start..stop).contains(number)).collect()
                }
                "search" => {
                    let pattern = pattern(request.text("pattern"));
                    let mut seen = std::collections::HashSet::new();
                    let unique = request.flag("unique", false);
                    let mut found: Vec<_> = cells
                        .rev()
                        .filter(|(_, code)| pattern.as_ref().is_some_and(|it| it.is_match(code)))
                        .filter(|(_, code)| !unique || seen.insert(code))
                        .take(most)
                        .collect();
                    found.reverse();
                    found
                }
                _ => cells.skip(inner.cells.len().saturating_sub(most)).collect(),
            };
            wanted
                .into_iter()
                .map(|(number, code)| match output {
                    true => json!([0, number, [code, null]]),
                    false => json!([0, number, code]),
                })
                .collect()
        });
        json!({"status": "ok", "history": found})
    }

    fn with<T>(&self, what: impl FnOnce(&mut Inner) -> T) -> T {
        what(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What fits whole texts, where `*` is anything and `?` any character; none where it is beyond any measure.
fn pattern(words: &str) -> Option<Regex> {
    let pattern = regex::escape(words).replace(r"\*", ".*").replace(r"\?", ".");
    Regex::new(&format!("(?s)^{pattern}$")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Channel;
    use jupyter_zmq_client::RawMessage;

    fn ask(session: &Session, content: Value) -> Vec<Value> {
        let header = r#"{"msg_type": "history_request"}"#.to_owned();
        let parts = [header, "{}".to_owned(), "{}".to_owned(), content.to_string()];
        let jparts = parts.map(Into::into).to_vec();
        let raw = RawMessage { zmq_identities: vec![], jparts };
        let reply = session.history(&Request::parse(Channel::Shell, raw).unwrap());
        let found = reply["history"].as_array().unwrap().iter();
        found.map(|entry| entry[2].clone()).collect()
    }

    #[test]
    fn history_is_found_by_its_end_its_numbers_and_its_words() {
        let session = Session::default();
        for code in ["let a = 1;", "a", "let b = 2;", "a"] {
            session.enter(code, true);
        }
        assert_eq!(session.enter("hidden", false), 4);
        let tail = ask(&session, json!({"hist_access_type": "tail", "n": 2}));
        assert_eq!(tail, ["let b = 2;", "a"]);
        let range = json!({"hist_access_type": "range", "session": 0, "start": 1, "stop": 3});
        assert_eq!(ask(&session, range), ["let a = 1;", "a"]);
        let search = json!({"hist_access_type": "search", "pattern": "let*", "n": 1});
        assert_eq!(ask(&session, search), ["let b = 2;"]);
        let unique = json!({"hist_access_type": "search", "pattern": "?", "unique": true});
        assert_eq!(ask(&session, unique), ["a"]);
        let whole = json!({"hist_access_type": "tail", "n": 1, "output": true});
        assert_eq!(ask(&session, whole), [json!(["a", null])]);
    }

    #[test]
    fn patterns_fit_whole_texts() {
        let fits = |words: &str, text: &str| pattern(words).unwrap().is_match(text);
        assert!(fits("*b?d*", "aabcd") && fits("*", "") && fits("a*a*a", "aaaa"));
        assert!(!fits("b", "ab") && !fits("a?", "a") && !fits("", "a"));
    }
}
