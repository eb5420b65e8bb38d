//! How many photos of which class are right, and what was passed over.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::row::{Row, without_name};
use super::rows::Rows;
use crate::dataset::{Unreadable, no_photo_of, unreadable_notes};
use crate::error::{Error, Result};
use crate::number::counted;
use crate::show::{DASH, MimeBundle, Row as TableRow, Show, Table, debug_line, thousands};

/// What a report found, in short. A notebook shows the classes as a table, and says where the page lies.
#[derive(Clone)]
pub struct Reported {
    pub(super) folder: PathBuf,
    pub(super) page: Option<PathBuf>,
    pub(super) network: String,
    pub(super) methods: Vec<MethodSummary>,
    pub(super) classes: Vec<ClassReport>,
    pub(super) unreadable: Vec<Unreadable>,
    pub(super) notes: Vec<String>,
}

/// One class of the data set in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassReport {
    /// The class; empty for photos that lie in no folder of a class.
    pub class: String,
    /// How many of its photos the network has looked at.
    pub photos: usize,
    /// How many of these it gets right.
    pub right: usize,
    /// And how many wrong: neither, where nothing is known to be right.
    pub wrong: usize,
    /// What the wrong ones were taken for, with how many of them, the most frequent first.
    pub taken_for: Vec<(String, usize)>,
}

/// What is known of a method over all photos.
#[derive(Clone, Default)]
pub(super) struct MethodSummary {
    pub(super) name: String,
    pub(super) layer: Option<String>,
    pub(super) legend: String,
    failed: usize,
    why: Option<String>,
}

impl ClassReport {
    /// The share of its photos that are right, 0 to 1; none where nothing is known to be.
    pub fn accuracy(&self) -> Option<f64> {
        share(self.right, self.wrong)
    }
}

fn share(right: usize, wrong: usize) -> Option<f64> {
    (right + wrong > 0).then(|| right as f64 / (right + wrong) as f64)
}

/// Goes through all rows once.
pub(super) fn of(rows: &mut Rows, search: &Value) -> Result<Reported> {
    let texts = |value: &Value| -> Vec<String> {
        let values = value.as_array().into_iter().flatten();
        values.map(|value| value.as_str().unwrap_or_default().to_owned()).collect()
    };
    let class =
        |class: String| ClassReport { class, photos: 0, right: 0, wrong: 0, taken_for: Vec::new() };
    let names = search["methods"].as_array().into_iter().flatten();
    let names = names.map(|method| method["name"].as_str().unwrap_or_default().to_owned());
    let mut methods: Vec<MethodSummary> =
        names.map(|name| MethodSummary { name, ..MethodSummary::default() }).collect();
    let mut classes: Vec<ClassReport> = texts(&search["classes"]).into_iter().map(class).collect();
    classes.push(class(String::new()));
    let mut mistakes: HashMap<(usize, String), usize> = HashMap::new();
    let mut unreadable = Vec::new();
    rows.each(|row, _| {
        if let Some(reason) = row.unreadable {
            unreadable.push(Unreadable { index: row.index, name: row.photo, reason });
            return Ok(());
        }
        let name = row.class.as_deref().unwrap_or_default();
        let place = classes.iter().position(|class| class.class == name);
        let place = place.unwrap_or(classes.len() - 1);
        let class = &mut classes[place];
        class.photos += 1;
        class.right += usize::from(row.right == Some(true));
        class.wrong += usize::from(row.right == Some(false));
        if row.right == Some(false)
            && let Some(best) = row.predicted.into_iter().next()
        {
            *mistakes.entry((place, best.name)).or_default() += 1;
        }
        for map in row.maps {
            let Some(method) = methods.get_mut(map.method) else { continue };
            method.layer = method.layer.take().or(map.layer);
            if method.legend.is_empty() {
                method.legend = map.legend;
            }
            method.failed += usize::from(map.failed.is_some());
            method.why = method.why.take().or(map.failed);
        }
        Ok(())
    })?;
    for ((place, name), count) in mistakes {
        classes[place].taken_for.push((name, count));
    }
    for class in &mut classes {
        class.taken_for.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    }
    let notes = unjudged(&classes, &search["expected"])
        .into_iter()
        .chain(methods.iter().filter_map(MethodSummary::note));
    let notes = notes.collect();
    classes.retain(|class| class.photos > 0);
    Ok(Reported {
        folder: PathBuf::new(),
        page: None,
        network: search["network"].as_str().unwrap_or_default().to_owned(),
        methods,
        classes,
        unreadable,
        notes,
    })
}

/// Whose photos are not judged, and why.
fn unjudged(classes: &[ClassReport], expected: &Value) -> Option<String> {
    const LISTED: usize = 5;
    let unknown = |class: &&ClassReport| {
        let known = expected[&class.class].as_array().is_some_and(|right| !right.is_empty());
        class.photos > 0 && !class.class.is_empty() && !known
    };
    let names: Vec<String> =
        classes.iter().filter(unknown).map(|class| format!("{:?}", class.class)).collect();
    if names.is_empty() {
        return None;
    }
    let mut listed = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        listed += &format!(" and {} more", names.len() - LISTED);
    }
    Some(format!(
        "not judged, since the network has no class of that name: {listed}; \
         .expecting(folder, [classes]) says what is right"
    ))
}

impl MethodSummary {
    /// On how many photos it failed.
    fn note(&self) -> Option<String> {
        let why = self.why.as_deref()?;
        let why = without_name(why, &self.name);
        Some(format!("{} failed {}: {why}", self.name, times(self.failed)))
    }
}

fn times(count: usize) -> String {
    if count == 1 { "once".to_owned() } else { format!("{} times", thousands(count as u64)) }
}

impl Reported {
    /// The folder that holds it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The page; a shard has none.
    pub fn page(&self) -> Option<&Path> {
        self.page.as_deref()
    }

    /// How many photos the network has looked at.
    pub fn photos(&self) -> usize {
        self.classes.iter().map(|class| class.photos).sum()
    }

    /// How many of them it gets right.
    pub fn right(&self) -> usize {
        self.classes.iter().map(|class| class.right).sum()
    }

    /// How many it gets wrong. Photos of which nothing is known to be right are neither.
    pub fn wrong(&self) -> usize {
        self.classes.iter().map(|class| class.wrong).sum()
    }

    /// The share of those that are right among those that are judged, 0 to 1; none where none is.
    pub fn accuracy(&self) -> Option<f64> {
        share(self.right(), self.wrong())
    }

    /// The classes of which there are photos, in the data set's order.
    pub fn classes(&self) -> &[ClassReport] {
        &self.classes
    }

    /// The files that could not be read.
    pub fn unreadable(&self) -> &[Unreadable] {
        &self.unreadable
    }

    /// What else has to be known, a sentence each: photos that are not judged, methods that failed.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The methods' names.
    pub(super) fn method_names(&self) -> Vec<String> {
        self.methods.iter().map(|method| method.name.clone()).collect()
    }

    /// Why there is nothing to report.
    pub(super) fn no_photos(&self) -> Error {
        no_photo_of(self.unreadable.len(), "the report", &self.unreadable)
    }

    /// The report in one line.
    pub(super) fn line(&self) -> String {
        let photos = format!("{} on {}", self.network, counted(self.photos(), "photo"));
        match self.accuracy() {
            None => photos,
            Some(share) => format!(
                "{photos}: {} right, {} wrong ({:.1} % right)",
                thousands(self.right() as u64),
                thousands(self.wrong() as u64),
                100.0 * share
            ),
        }
    }

    fn table(&self) -> Table {
        let row = |class: &ClassReport| {
            let name = if class.class.is_empty() { DASH } else { &class.class };
            let count = |count: usize| match class.accuracy() {
                None => DASH.to_owned(),
                Some(_) => thousands(count as u64),
            };
            TableRow::flat(vec![
                name.to_owned(),
                thousands(class.photos as u64),
                count(class.right),
                count(class.wrong),
                class.accuracy().map_or(DASH.to_owned(), |share| format!("{:.1} %", 100.0 * share)),
                mistakes(class),
            ])
        };
        let mut notes = match &self.page {
            Some(page) => vec![format!("the page: {}", page.display())],
            None => vec![format!("a part of a report, in {}", self.folder.display())],
        };
        notes.extend(self.notes.iter().cloned());
        notes.extend(unreadable_notes(&self.unreadable));
        Table {
            caption: self.line(),
            columns: vec![
                ("Class", false),
                ("Photos", true),
                ("Right", true),
                ("Wrong", true),
                ("Accuracy", true),
                ("Taken for", false),
            ],
            rows: self.classes.iter().map(row).collect(),
            notes,
        }
    }
}

/// What a class's photos were most often taken for.
pub(super) fn mistakes(class: &ClassReport) -> String {
    const LISTED: usize = 3;
    let listed = class.taken_for.iter().take(LISTED);
    let mut listed: Vec<String> = listed.map(|(name, count)| format!("{name} ({count})")).collect();
    if class.taken_for.len() > LISTED {
        listed.push("…".into());
    }
    listed.join(", ")
}

impl fmt::Display for Reported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table().text())
    }
}

impl fmt::Debug for Reported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Reported, {}", self.line()))
    }
}

impl Show for Reported {
    fn bundle(&self) -> MimeBundle {
        self.table().bundle()
    }
}

impl Row {
    /// What the page says of it: right, wrong, or neither.
    pub(super) fn verdict(&self) -> &'static str {
        match self.right {
            Some(true) => "right",
            Some(false) => "wrong",
            None => "open",
        }
    }
}
