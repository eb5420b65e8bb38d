//! A comparison as one picture: which way it lies, and where it is broken.

use super::{Comparison, Outcome};
use crate::error::Result;
use crate::picture::{Cell, Picture, PictureTable};

/// Pictures in a row; what is wider goes on below, so that every picture can be seen.
const MOST_COLUMNS: usize = 5;
/// A few pictures in a row are no larger than they are in a row of three.
const LARGEST: u32 = 320;
/// Between the parts of a sheet that goes on below.
const GAP: u32 = 12;

pub(super) fn picture(sheet: &Comparison) -> Result<Picture> {
    let laid = Laid::out(sheet);
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
    let notes = sheet.notes();
    Ok(if notes.is_empty() { picture } else { picture.captioned(&notes.join("\n")) })
}

/// The sheet as it lies, photos included.
struct Laid<'a> {
    heading: &'a str,
    columns: Vec<String>,
    rows: Vec<(String, Vec<Cell>)>,
}

impl<'a> Laid<'a> {
    fn out(sheet: &'a Comparison) -> Laid<'a> {
        let mut rows = Vec::with_capacity(sheet.rows() + 1);
        if sheet.photos {
            let photos = (0..sheet.columns()).map(|column| photo(sheet, column)).collect();
            rows.push(("photo".to_owned(), photos));
        }
        for row in &sheet.rows {
            let cells: Vec<Cell> = row.cells.iter().map(cell).collect();
            // A row that is missing for one reason says it once.
            let once = match row.cells.split_first() {
                Some((first, rest)) if !sheet.lying => first
                    .words()
                    .filter(|words| rest.iter().all(|cell| cell.words().as_ref() == Some(words))),
                _ => None,
            };
            let cells = once.map_or(cells, |words| vec![Cell::missing(words)]);
            rows.push((row.title.clone(), cells));
        }
        let columns = sheet.columns.clone();
        let heading = sheet.heading.as_str();
        if !sheet.lying {
            return Laid { heading, columns, rows };
        }
        let mut lying: Vec<(String, Vec<Cell>)> =
            columns.into_iter().map(|title| (title, Vec::with_capacity(rows.len()))).collect();
        let mut titles = Vec::with_capacity(rows.len());
        for (title, cells) in rows {
            titles.push(title);
            let mut cells = cells.into_iter();
            for (_, row) in &mut lying {
                row.push(cells.next().unwrap_or_else(|| Cell::missing("")));
            }
        }
        Laid { heading, columns: titles, rows: lying }
    }

    /// Some of the columns, so many wide.
    fn table(&self, columns: std::ops::Range<usize>, first: bool, width: usize) -> PictureTable {
        let mut titles = self.columns[columns.clone()].to_vec();
        titles.resize(width, String::new());
        let mut table = PictureTable::new(titles);
        if first && !self.heading.is_empty() {
            table = table.title(self.heading);
        }
        if width < 3 {
            table = table.tile(LARGEST);
        }
        for (title, cells) in &self.rows {
            let cells = cells.iter().skip(columns.start).take(columns.len()).cloned();
            table = table.row(title, cells);
        }
        table
    }
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
    heat.map_or_else(|| Cell::missing(""), |heat| heat.shown().into())
}
