//! What a comparison comes out as: rows and columns of outcomes with their titles.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use super::{Outcome, draw};
use crate::attribution::{Heatmap, Target};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::picture::{Picture, shortened};
use crate::show::{MimeBundle, Show, debug_line, error_bundle};
use crate::zoo;

/// Pictures in rows and columns, with titles, and under each what is predicted.
///
/// Where the columns are photos, the first row shows these alone. A comparison with one column, such
/// as several networks and one photo, lies on its side.
#[derive(Clone)]
#[must_use]
pub struct Comparison {
    pub(super) heading: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
    pub(super) photos: bool,
    pub(super) lying: bool,
    pub(super) page: usize,
    missing: Missing,
}

/// The networks whose weights could not be had, and why.
#[derive(Clone, Default)]
pub(super) struct Missing(Vec<(String, Error)>);

impl Missing {
    /// Takes note of a network without weights; gives back any other error.
    pub(super) fn note(&mut self, title: &str, error: Error) -> Option<Error> {
        match error {
            Error::Download(_) => self.0.push((title.to_owned(), error)),
            other => return Some(other),
        }
        None
    }

    /// One line on all of them.
    fn line(&self) -> Option<String> {
        let (first, _) = self.0.first()?;
        let titles: Vec<&str> = self.0.iter().map(|(title, _)| title.as_str()).collect();
        let known = titles.iter().find(|title| zoo::names().contains(title));
        let more = match known {
            Some(name) => format!("zoo::published({name:?})"),
            None => format!("loading {first} by itself"),
        };
        Some(format!(
            "missing: the weights of {}, which are not in the cache and were not fetched; {more} \
             says what was tried, and how to put the file in place",
            titles.join(", "),
        ))
    }
}

/// A page has about so many pictures at most: more are too much for eyes and notebooks.
const MOST: usize = 100;

#[derive(Clone)]
pub(super) struct Row {
    pub(super) title: String,
    /// As many as there are columns, or fewer.
    pub(super) cells: Vec<Outcome>,
}

impl Row {
    pub(super) fn new(title: impl Into<String>) -> Row {
        Row { title: title.into(), cells: Vec::new() }
    }
}

impl Comparison {
    /// # Errors
    /// When every cell is an error: that one, or all that there are.
    pub(super) fn new(
        heading: impl Into<String>,
        columns: Vec<String>,
        rows: Vec<Row>,
    ) -> Result<Comparison> {
        Self::without(Missing::default(), heading, columns, rows)
    }

    /// The same without some networks.
    ///
    /// # Errors
    /// As [`new`](Comparison::new).
    pub(super) fn without(
        missing: Missing,
        heading: impl Into<String>,
        columns: Vec<String>,
        rows: Vec<Row>,
    ) -> Result<Comparison> {
        let (heading, lying) = (heading.into(), columns.len() == 1 && rows.len() > 1);
        let sheet = Comparison { heading, columns, rows, photos: false, lying, page: 0, missing };
        if sheet.cells().next().is_none() && sheet.missing.0.is_empty() {
            return Err(Error::Argument("a comparison without any picture".into()));
        }
        if sheet.cells().any(|cell| cell.error().is_none()) {
            Ok(sheet)
        } else {
            Err(sheet.failure())
        }
    }

    /// Each column is one photo's.
    pub(super) fn by_photo(mut self) -> Comparison {
        self.photos = true;
        self
    }

    /// The layer that was looked at: in the heading where it is always the same, else in the titles
    /// of the rows where it is the same in each.
    pub(super) fn naming_layers(mut self) -> Comparison {
        fn common<'a>(mut layers: impl Iterator<Item = &'a Heatmap>) -> Option<String> {
            let layer = layers.next()?.layer()?;
            layers.all(|heat| heat.layer() == Some(layer)).then(|| layer.to_owned())
        }
        if let Some(layer) = common(self.cells().filter_map(Outcome::heat)) {
            self.heading += &format!(", at {layer}");
            return self;
        }
        for row in &mut self.rows {
            if let Some(layer) = common(row.cells.iter().filter_map(Outcome::heat)) {
                // "features.28, the last convolution": the rows have little room.
                let name = layer.split(", ").next().unwrap_or(&layer);
                row.title += &format!("\n{name}");
            }
        }
        self
    }

    /// Another line above the sheet.
    pub fn title(&self, title: impl Into<String>) -> Comparison {
        Comparison { heading: title.into(), ..self.clone() }
    }

    /// Without the photos by themselves.
    pub fn without_photos(&self) -> Comparison {
        Comparison { photos: false, ..self.clone() }
    }

    /// The sheet with its rows as columns.
    pub fn transposed(&self) -> Comparison {
        Comparison { lying: !self.lying, ..self.clone() }
    }

    /// The heat maps drawn in another way than their own.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let photo = Photo::open("assets/photos/cat.png")?;
    /// let sheet = compare::networks(["squeezenet1_1"], &photo, &GradCam::default())?;
    /// sheet.drawn(|heat| heat.overlay()?.blend(Blend::threshold()).picture())?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first that `draw` returns.
    pub fn drawn(&self, draw: impl Fn(&Heatmap) -> Result<Picture>) -> Result<Comparison> {
        let mut changed = self.clone();
        for cell in changed.rows.iter_mut().flat_map(|row| &mut row.cells) {
            cell.draw(&draw)?;
        }
        Ok(changed)
    }

    /// Another page of a comparison of more than 100 pictures, counted from 0.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let photo = Photo::open("assets/photos/cat.png")?;
    /// let sheet = compare::classes(&zoo::squeezenet1_1()?, 0..3, &photo, &GradCam::default())?;
    /// assert_eq!(sheet.pages(), 1);
    /// assert!(sheet.page(1).picture().is_err());
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn page(&self, page: usize) -> Comparison {
        Comparison { page, ..self.clone() }
    }

    /// How many pages there are: one for up to 100 pictures.
    pub fn pages(&self) -> usize {
        let [row_pages, column_pages] = self.division().map(|[count, each]| count.div_ceil(each));
        (row_pages * column_pages).max(1)
    }

    /// How many rows and columns there are, and how many of them a page has.
    fn division(&self) -> [[usize; 2]; 2] {
        let (rows, columns) = (self.rows.len(), self.columns.len());
        let wide = columns.clamp(1, MOST);
        [[rows, (MOST / wide).max(1)], [columns, wide]]
    }

    /// The rows and columns of the page.
    fn part(&self) -> [Range<usize>; 2] {
        let [[rows, tall], [columns, wide]] = self.division();
        let across = columns.div_ceil(wide).max(1);
        let (row, column) = (self.page / across * tall, self.page % across * wide);
        [row..rows.min(row.saturating_add(tall)), column..columns.min(column + wide)]
    }

    /// What the page shows as a comparison of its own; the whole where there is one page.
    ///
    /// # Errors
    /// When there is no such page.
    pub(super) fn shown(&self) -> Result<Cow<'_, Comparison>> {
        let pages = self.pages();
        if self.page >= pages {
            return Err(Error::Argument(format!(
                "there is no page {} of this comparison: pages are numbered from 0, and there {}",
                self.page,
                if pages == 1 { "is one".to_owned() } else { format!("are {pages}") }
            )));
        }
        if pages == 1 {
            return Ok(Cow::Borrowed(self));
        }
        let [rows, columns] = self.part();
        let cut = |row: &Row| {
            let cells = row.cells.iter().skip(columns.start).take(columns.len());
            Row { title: row.title.clone(), cells: cells.cloned().collect() }
        };
        let rows = self.rows[rows].iter().map(cut).collect();
        let columns = self.columns[columns.clone()].to_vec();
        let heading = self.heading.clone();
        Ok(Cow::Owned(Comparison {
            heading,
            columns,
            rows,
            page: 0,
            missing: self.missing.clone(),
            ..*self
        }))
    }

    /// What a page has, where there are several.
    pub(super) fn page_note(&self) -> Option<String> {
        let (pages, [[rows, _], [columns, wide]]) = (self.pages(), self.division());
        let [row, column] = self.part();
        let mut part = format!("rows {} to {} of {rows}", row.start, row.end.saturating_sub(1));
        if wide < columns {
            let last = column.end.saturating_sub(1);
            part += &format!(", columns {} to {last} of {columns}", column.start);
        }
        let page = self.page;
        (pages > 1).then(|| {
            format!("page {page} of {pages}: {part}, counted from 0; .page(n) shows another")
        })
    }

    /// The networks that have no row since their weights are missing.
    pub fn missing(&self) -> Vec<&str> {
        self.missing.0.iter().map(|(title, _)| title.as_str()).collect()
    }

    /// How many rows there are, photos aside.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// One cell, counted from 0, photos aside.
    pub fn get(&self, row: usize, column: usize) -> Option<&Outcome> {
        self.rows.get(row)?.cells.get(column)
    }

    /// The sheet as one picture, 1,000 pixels wide at most.
    ///
    /// # Errors
    /// When there is no such [page](Comparison::page), or it would have more than 134 million pixels.
    pub fn picture(&self) -> Result<Picture> {
        draw::picture(self)
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &Outcome> {
        self.rows.iter().flat_map(|row| &row.cells)
    }

    /// What has to be said below: which networks are missing and how to get them, and errors that
    /// do not fit into their cells. What holds of every cell of a row is said of the row, the rest of
    /// the cell: of which photo, method or layer.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.missing.line().into_iter().collect();
        for row in &self.rows {
            let name = row.title.lines().next().unwrap_or_default();
            for (cell, column) in row.cells.iter().zip(&self.columns) {
                for note in cell.notes() {
                    let of_all = row.cells.iter().all(|cell| cell.notes().contains(note));
                    let note = match column.lines().next().filter(|_| !of_all) {
                        Some(column) => format!("{name}, {column}: {note}"),
                        None => format!("{name}: {note}"),
                    };
                    if !notes.contains(&note) {
                        notes.push(note);
                    }
                }
            }
        }
        notes
    }

    /// Of a comparison that shows nothing: why.
    fn failure(&self) -> Error {
        let mut errors: Vec<&Error> = Vec::new();
        let missing = self.missing.0.iter().map(|(_, error)| error);
        for error in missing.chain(self.cells().filter_map(Outcome::error)) {
            if errors.iter().all(|known| known.to_string() != error.to_string()) {
                errors.push(error);
            }
        }
        if let [one] = errors.as_slice() {
            return (*one).clone();
        }
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let text = format!("there is nothing to compare:\n{}", texts.join("\n"));
        match errors.iter().all(|error| matches!(error, Error::Download(_))) {
            true => Error::Download(text),
            false => Error::Argument(text),
        }
    }
}

/// What a row calls a class that is to be explained.
pub(super) fn described(target: &Target, model: &Model) -> String {
    let indexed = |class: usize| model.class_label(class);
    match target {
        Target::Predicted => "the predicted class".into(),
        Target::Index(index) => {
            usize::try_from(*index).map_or_else(|_| format!("class {index}"), indexed)
        }
        Target::Name(name) => model.class_index(name).map_or_else(|_| name.clone(), indexed),
        Target::Output { output, target } => match model.with_output(output) {
            Ok(model) => model.output_named() + &described(target, &model),
            Err(_) => String::new(),
        },
        _ => String::new(),
    }
}

impl fmt::Display for Comparison {
    /// The sheet in words: a line for each cell under its row.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one_line = |text: &str| {
            let line = text.lines().collect::<Vec<_>>().join(", ");
            shortened(&line, 200).into_owned()
        };
        let (rows, columns) = (self.rows(), self.columns());
        let heading = if self.heading.is_empty() { "a comparison" } else { &self.heading };
        write!(f, "{}: {rows} × {columns}", one_line(heading))?;
        let Ok(page) = self.shown() else {
            return write!(f, "\nthere is no page {}, but {}", self.page, self.pages());
        };
        for row in &page.rows {
            write!(f, "\n{}", one_line(&row.title))?;
            for (cell, column) in row.cells.iter().zip(&self.columns) {
                let words = [shortened(column, 200), Cow::Owned(cell.said())];
                let words: Vec<_> = words.into_iter().filter(|text| !text.is_empty()).collect();
                write!(f, "\n  {}", words.join(": "))?;
            }
        }
        for note in page.notes().into_iter().chain(self.page_note()) {
            write!(f, "\n{note}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(
            f,
            format_args!("Comparison {:?}, {} × {}", self.heading, self.rows(), self.columns()),
        )
    }
}

impl Show for Comparison {
    fn bundle(&self) -> MimeBundle {
        match self.picture() {
            Ok(picture) => MimeBundle::picture(picture, self.to_string()),
            Err(error) => error_bundle(&error),
        }
    }
}
