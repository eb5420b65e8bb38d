//! A comparison as one picture: which way it lies, and where it is broken.

use super::{Comparison, Outcome};
use crate::error::Result;
use crate::picture::{Cell, Picture, PictureTable};

/// Pictures in a row; what is wider goes on below, so that every picture can be seen.
const MOST_COLUMNS: usize = 5;
/// A few pictures in a row are no larger than they are in a row of three.
const LARGEST: u32 = 320;
/// What the titles of rows leave of a notebook's column, and what lies between pictures.
const ROOM: u32 = 820;
const GUTTER: u32 = 8;
/// Between the parts of a sheet that goes on below.
const GAP: u32 = 12;

pub(super) fn picture(sheet: &Comparison) -> Result<Picture> {
    let page = sheet.shown()?;
    let laid = Laid::out(&page);
    let count = laid.columns.len().max(1);
    let bands = count.div_ceil(MOST_COLUMNS);
    let each = count.div_ceil(bands);
    let mut drawn = Vec::with_capacity(bands);
    for band in 0..bands {
        let columns = band * each..count.min((band + 1) * each);
        drawn.push(laid.table(columns, band == 0, each).render()?);
    }
    let picture =
        if let [one] = drawn.as_slice() { one.clone() } else { Picture::above(&drawn, GAP) };
    let notes: Vec<String> = page.notes().into_iter().chain(sheet.page_note()).collect();
    Ok(if notes.is_empty() { picture } else { picture.captioned(&notes.join("\n")) })
}

/// The sheet as it lies, photos included.
struct Laid<'a> {
    heading: &'a str,
    columns: Vec<String>,
    rows: Vec<Strip>,
}

/// What lies in a row.
struct Strip {
    title: String,
    cells: Vec<Cell>,
    /// What is said once in the place of all cells.
    instead: Option<String>,
}

impl<'a> Laid<'a> {
    fn out(sheet: &'a Comparison) -> Laid<'a> {
        let mut rows = Vec::with_capacity(sheet.rows() + 1);
        if sheet.photos {
            let cells = (0..sheet.columns()).map(|column| photo(sheet, column)).collect();
            rows.push(Strip { title: "photo".into(), cells, instead: None });
        }
        rows.extend(sheet.rows.iter().map(|row| Strip {
            title: row.title.clone(),
            cells: row.cells.iter().map(cell).collect(),
            instead: said_by_all(&row.cells),
        }));
        let (heading, columns) = (sheet.heading.as_str(), sheet.columns.clone());
        if !sheet.lying {
            return Laid { heading, columns, rows };
        }
        let strip = |title| Strip { title, cells: Vec::with_capacity(rows.len()), instead: None };
        let mut lying: Vec<Strip> = columns.into_iter().map(strip).collect();
        let mut titles = Vec::with_capacity(rows.len());
        for row in rows {
            titles.push(row.title);
            let cells = row.cells.into_iter().chain(std::iter::repeat_with(blank));
            for (strip, cell) in lying.iter_mut().zip(cells) {
                strip.cells.push(cell);
            }
        }
        Laid { heading, columns: titles, rows: lying }
    }

    /// Some of the columns, in a table of so many.
    fn table(&self, columns: std::ops::Range<usize>, first: bool, width: usize) -> PictureTable {
        let mut titles = self.columns[columns.clone()].to_vec();
        titles.resize(width, String::new());
        let mut table = PictureTable::new(titles);
        if first && !self.heading.is_empty() {
            table = table.title(self.heading);
        }
        if width < 3 {
            table = table.tile(LARGEST);
        } else if width < self.columns.len() {
            // All parts alike, also one with words alone.
            table = table.tile(ROOM / width as u32 - GUTTER);
        }
        for row in &self.rows {
            let cells: Vec<Cell> = match &row.instead {
                Some(words) => vec![Cell::missing(words)],
                None => {
                    let cells = row.cells.iter().skip(columns.start).take(columns.len()).cloned();
                    // The last cell of a row would reach to its end.
                    cells.chain(std::iter::repeat_with(blank)).take(width).collect()
                }
            };
            table = table.row(&row.title, cells);
        }
        table
    }
}

/// The words that stand in the place of every picture of a row.
fn said_by_all(cells: &[Outcome]) -> Option<String> {
    let words = cells.first()?.words()?;
    cells.iter().all(|cell| cell.words().as_ref() == Some(&words)).then_some(words)
}

/// A place where nothing is drawn.
fn blank() -> Cell {
    Cell::missing("")
}

fn cell(outcome: &Outcome) -> Cell {
    match outcome.picture() {
        Some(picture) => Cell::new(picture.clone(), outcome.caption()),
        None => Cell::missing(outcome.words().unwrap_or_default()),
    }
}

/// The photo of a column, as a network saw it.
fn photo(sheet: &Comparison, column: usize) -> Cell {
    let heat = (0..sheet.rows()).find_map(|row| sheet.get(row, column)?.heat());
    heat.map_or_else(blank, |heat| heat.shown().into())
}
