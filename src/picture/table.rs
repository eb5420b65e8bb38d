//! A table of pictures: titles of rows at the left, of columns above, a caption under each picture.

use std::rc::Rc;

use super::colormap::FRAME;
use super::compose::place;
use super::layout::COLUMN;
use super::page::{Heads, head};
use super::picture::{MOST_PIXELS, Picture};
use super::text::{Align, Lettering, shortened, size_for};
use crate::error::{Error, Result};

/// White around everything.
const MARGIN: u32 = 5;
/// Between cells.
const GUTTER: u32 = 8;
/// Between the captions of a row and the next one.
const ROWS: u32 = 12;
/// Pictures are made no wider to fill the column, and no narrower to fit into it.
const WIDEST: u32 = 480;
const NARROWEST: u32 = 120;
/// A table higher than this is for nobody's eyes.
const HIGHEST: u64 = 32_000;
/// Pixels of all pictures together, about: notebooks store them.
const BUDGET: f64 = 1e6;
/// The titles of rows take no more of the column.
const TITLES: f32 = 150.0;
/// Lines that a title and a caption may have.
const TITLE_LINES: usize = 4;
const CAPTION_LINES: usize = 3;

/// A picture with its caption, or a text in the place of a picture that is missing.
///
/// Whatever a notebook shows as a picture becomes one, by value or by reference, alone or in a pair
/// with its caption: a [`Picture`], a photo, a heat map, an overlay, a sheet, a chart, a tensor, and a
/// [`Result`] of any of them, whose error then stands in the cell. What shows itself in words becomes
/// these words.
#[derive(Clone, Debug)]
pub struct Cell {
    pub(super) picture: Option<Picture>,
    pub(super) text: String,
}

impl Cell {
    /// A picture and the one or two lines under it.
    pub fn new(picture: impl Into<Cell>, caption: impl Into<String>) -> Cell {
        let cell = picture.into();
        match cell.picture {
            Some(_) => Cell { text: caption.into(), ..cell },
            // Why there is none is worth more than what it would have been.
            None => cell,
        }
    }

    /// A picture without a caption.
    pub(crate) fn pictured(picture: Picture) -> Cell {
        Cell { picture: Some(picture), text: String::new() }
    }

    /// Why there is no picture here: "resnet152: not in the cache".
    pub fn missing(why: impl Into<String>) -> Cell {
        Cell { picture: None, text: why.into() }
    }
}

impl From<&Cell> for Cell {
    fn from(cell: &Cell) -> Cell {
        cell.clone()
    }
}

/// Pictures in rows and columns that have titles, such as networks by photos, each with a caption.
///
/// The pictures are brought to one width, so that the table fits into a notebook's column of
/// 1,000 pixels; a table of so many columns that they would be narrower than 120 pixels is wider,
/// and its text larger in proportion. Pictures of a row stand on one line, and what belongs to each,
/// such as a bar of colours, hangs below it. A cell may say why
/// its picture is missing; where that is the last cell of a row with fewer cells than columns, it
/// reaches to the end of the row. A row without any picture is only as high as its text.
///
/// ```
/// use convlens::picture::{Cell, Picture, PictureTable};
/// let photo = Picture::rgb(32, 24, vec![128; 32 * 24 * 3])?;
/// let table = PictureTable::new(["cat", "dog"])
///     .row("squeezenet1_1", [&photo, &photo])
///     .row("alexnet", [(&photo, "tabby, 62 %"), (&photo, "Saluki, 71 %")])
///     .row("resnet152", [Cell::missing("not in the cache")]);
/// assert!(table.render()?.width() <= 1000);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct PictureTable {
    title: Option<String>,
    columns: Vec<String>,
    /// Shared, so that adding one does not copy all.
    rows: Vec<Rc<Row>>,
    tile: Option<u32>,
}

#[derive(Clone, Debug)]
struct Row {
    title: String,
    cells: Vec<Cell>,
}

impl PictureTable {
    /// A table with these columns, by title, and no rows yet. Where all titles are empty, none are
    /// drawn; the same goes for rows.
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> PictureTable {
        PictureTable {
            title: None,
            columns: columns.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
            tile: None,
        }
    }

    /// One more row, of pictures or whatever else makes a [`Cell`]. Cells that are missing at its end
    /// stay white.
    pub fn row(
        &self,
        title: impl Into<String>,
        cells: impl IntoIterator<Item = impl Into<Cell>>,
    ) -> PictureTable {
        let mut changed = self.clone();
        let cells = cells.into_iter().map(Into::into).collect();
        changed.rows.push(Rc::new(Row { title: title.into(), cells }));
        changed
    }

    /// A title above the table.
    pub fn title(&self, title: impl Into<String>) -> PictureTable {
        PictureTable { title: Some(title.into()), ..self.clone() }
    }

    /// The width of the pictures, in pixels.
    pub fn tile(&self, pixels: u32) -> PictureTable {
        PictureTable { tile: Some(pixels), ..self.clone() }
    }

    /// The table as text: a line for each row, with the captions.
    pub fn note(&self) -> String {
        let one_line = |text: &str| {
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            shortened(&words, 200).into_owned()
        };
        let mut lines: Vec<String> = self.title.iter().map(|title| one_line(title)).collect();
        if self.columns.iter().any(|column| !column.is_empty()) {
            let titles: Vec<String> = self.columns.iter().map(|title| one_line(title)).collect();
            lines.push(format!("columns: {}", titles.join(" | ")));
        }
        lines.extend(self.rows.iter().map(|row| {
            let cells: Vec<String> = row.cells.iter().map(|cell| one_line(&cell.text)).collect();
            match row.title.as_str() {
                "" => cells.join(" | "),
                title => format!("{}: {}", one_line(title), cells.join(" | ")),
            }
        }));
        lines.join("\n")
    }

    /// The table as a picture.
    ///
    /// # Errors
    /// When there are no columns or no rows, a row has more cells than there are columns, the
    /// pictures would be 0 wide, or the whole would be more than 32,000 pixels high or have more than 134
    /// million.
    pub fn render(&self) -> Result<Picture> {
        self.check()?;
        let mut plan = Plan::new(self);
        // Before anything is drawn: each row is at least one line high.
        plan.check(self.rows.len() as u64 * u64::from(plan.lettering.line_height()))?;
        let mut top = u64::from(MARGIN);
        let mut placed = Vec::new();
        if let Some(title) = self.title.as_deref().filter(|title| !title.trim().is_empty()) {
            let width = plan.width - 2 * MARGIN;
            let lines = plan.lettering.wrap(title, width as f32, TITLE_LINES);
            let drawn = plan.lettering.draw(&lines, width, Align::Left);
            let height = drawn.height();
            placed.push((drawn, MARGIN, top));
            top += u64::from(height + GUTTER);
        }
        top += u64::from(plan.draw_columns(&self.columns, top, &mut placed));
        for (i, row) in self.rows.iter().enumerate() {
            top += if i > 0 { u64::from(ROWS) } else { 0 };
            top += plan.draw_row(row, top, &mut placed)?;
        }
        let height = top + u64::from(MARGIN);
        plan.check(height)?;
        let placed: Vec<(Picture, u32, u32)> =
            placed.into_iter().map(|(picture, x, y)| (picture, x, y as u32)).collect();
        Ok(place(plan.width.into(), height, &placed))
    }

    /// How many rows and columns there are.
    pub(crate) fn size(&self) -> [usize; 2] {
        [self.rows.len(), self.columns.len()]
    }

    fn check(&self) -> Result<()> {
        if self.columns.is_empty() || self.rows.is_empty() {
            return Err(Error::Argument(format!(
                "a table of {} rows and {} columns: there is nothing to show",
                self.rows.len(),
                self.columns.len()
            )));
        }
        if let Some(row) = self.rows.iter().find(|row| row.cells.len() > self.columns.len()) {
            return Err(Error::Argument(format!(
                "the row {:?} has {} cells, but the table has {} columns",
                row.title,
                row.cells.len(),
                self.columns.len()
            )));
        }
        if self.tile == Some(0) {
            return Err(Error::Argument("pictures of 0 pixels cannot be seen".into()));
        }
        let columns = self.columns.len() as u64;
        let least = u64::from(self.tile.unwrap_or(NARROWEST)) + u64::from(GUTTER);
        if columns.saturating_mul(least) > MOST_PIXELS {
            return Err(Error::Argument(format!(
                "a table of {columns} columns is too wide to be drawn"
            )));
        }
        Ok(())
    }

    fn pictures(&self) -> impl Iterator<Item = &Picture> {
        self.rows.iter().flat_map(|row| &row.cells).filter_map(|cell| cell.picture.as_ref())
    }

    /// How wide pictures are, where `room` is for all columns.
    fn tile_width(&self, room: u32) -> u32 {
        if let Some(tile) = self.tile {
            return tile;
        }
        let fits = (room / self.columns.len().max(1) as u32).saturating_sub(GUTTER);
        let affordable = (BUDGET / self.pictures().count().max(1) as f64).sqrt() as u32;
        let native = self.pictures().map(Picture::width).max().unwrap_or(0).max(NARROWEST);
        fits.min(affordable).min(native).clamp(NARROWEST, WIDEST)
    }
}

/// Where the columns stand, and the lettering.
struct Plan {
    lettering: Lettering,
    width: u32,
    /// The width of the titles of rows; 0 where there are none.
    titles: u32,
    tile: u32,
    columns: usize,
}

impl Plan {
    fn new(table: &PictureTable) -> Plan {
        let columns = table.columns.len() as u32;
        let room = COLUMN as u32 - 2 * MARGIN;
        // The size of the text depends on the width, and the width of the titles on the text.
        let estimate = columns * (table.tile_width(room) + GUTTER);
        let em = size_for(estimate);
        let lettering = Lettering::new(em);
        let natural = table.rows.iter().flat_map(|row| row.title.lines());
        let natural = natural.map(|line| lettering.width(line)).fold(0.0, f32::max);
        let titles = if natural > 0.0 {
            (natural.ceil() + 1.0).min(TITLES * em / size_for(0)) as u32
        } else {
            0
        };
        let tile = table.tile_width(room.saturating_sub(titles));
        let mut plan = Plan { lettering, width: 0, titles, tile, columns: table.columns.len() };
        plan.width = plan.left(plan.columns) - GUTTER + MARGIN;
        plan
    }

    /// An error when a table so high is larger than any picture.
    fn check(&self, height: u64) -> Result<()> {
        if u64::from(self.width).saturating_mul(height) <= MOST_PIXELS && height <= HIGHEST {
            return Ok(());
        }
        Err(Error::Argument(format!(
            "the table would have {} × {height} pixels or more: choose smaller pictures or fewer \
             rows",
            self.width
        )))
    }

    /// Where a column begins.
    fn left(&self, column: usize) -> u32 {
        let titles = if self.titles > 0 { self.titles + GUTTER } else { 0 };
        MARGIN + titles + column as u32 * (self.tile + GUTTER)
    }

    /// The titles of the columns, standing on the first row; how high they are.
    fn draw_columns(&mut self, titles: &[String], top: u64, placed: &mut Vec<Placed>) -> u32 {
        let lines: Vec<Vec<String>> = titles
            .iter()
            .map(|title| self.lettering.wrap(title, self.tile as f32, TITLE_LINES))
            .collect();
        let most = lines.iter().map(Vec::len).max().unwrap_or(0) as u32;
        if titles.iter().all(|title| title.trim().is_empty()) {
            return 0;
        }
        for (i, lines) in lines.into_iter().enumerate().filter(|(_, lines)| !lines.is_empty()) {
            let above = (most - lines.len() as u32) * self.lettering.line_height();
            let drawn = self.lettering.draw(&lines, self.tile, Align::Centre);
            placed.push((drawn, self.left(i), top + u64::from(above)));
        }
        most * self.lettering.line_height() + 3
    }

    /// One row; how high it is.
    fn draw_row(&mut self, row: &Row, top: u64, placed: &mut Vec<Placed>) -> Result<u64> {
        let line = self.lettering.line_height();
        let sizes: Vec<Option<(u32, u32)>> =
            row.cells.iter().map(|cell| cell.picture.as_ref().map(|p| self.fitted(p))).collect();
        let title = self.lettering.wrap(&row.title, self.titles as f32, TITLE_LINES);
        let mut height = sizes.iter().flatten().map(|(_, height)| *height).max().unwrap_or(0);
        // A row of texts is as high as they are.
        for (i, cell) in row.cells.iter().enumerate().filter(|(_, cell)| cell.picture.is_none()) {
            let lines = self.explanation(row, i, &cell.text).len().min(12) as u32;
            height = height.max(lines * line + 2 * GUTTER);
        }
        height = height.max(title.len() as u32 * line);
        self.check(top + u64::from(height))?;
        let fitted = row.cells.iter().zip(sizes).map(|(cell, size)| {
            let picture = cell.picture.as_ref().zip(size);
            picture.map(|(picture, (width, height))| picture.resized(width, height)).transpose()
        });
        let fitted = fitted.collect::<Result<Vec<Option<Picture>>>>()?;
        // What hangs below some pictures of a row adds to its height.
        let heads = Heads::of(fitted.iter().flatten());
        height = height.max(heads.height());

        let mut captions = 0;
        for (i, (cell, picture)) in row.cells.iter().zip(fitted).enumerate() {
            let left = self.left(i);
            let Some(picture) = picture else {
                if !cell.text.trim().is_empty() {
                    self.draw_explanation(row, i, height, top, placed);
                }
                continue;
            };
            let free = self.tile.saturating_sub(picture.width());
            let above = height - heads.height() + heads.head - head(&picture);
            placed.push((picture, left + free / 2, top + u64::from(above)));
            let lines = self.lettering.wrap(&cell.text, self.tile as f32, CAPTION_LINES);
            if !lines.is_empty() {
                let drawn = self.lettering.draw(&lines, self.tile, Align::Centre);
                captions = captions.max(drawn.height() + 2);
                placed.push((drawn, left, top + u64::from(height) + 2));
            }
        }
        let title = self.lettering.wrap(&row.title, self.titles as f32, (height / line) as usize);
        if self.titles > 0 && !title.is_empty() {
            let drawn = self.lettering.draw(&title, self.titles, Align::Left);
            let above = height.saturating_sub(drawn.height()) / 2;
            placed.push((drawn, MARGIN, top + u64::from(above)));
        }
        Ok(u64::from(height) + u64::from(captions))
    }

    /// The size of a picture at the width of a column, or narrower where it would be very high.
    fn fitted(&self, picture: &Picture) -> (u32, u32) {
        let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
        let tile = f64::from(self.tile);
        let scale = (tile / width).min(1.5 * tile / f64::from(head(picture)));
        let side = |length: f64| ((length * scale).round() as u32).max(1);
        (side(width).min(self.tile), side(height))
    }

    /// How wide the explanation in a cell is: the last one reaches to the end of the row.
    fn reach(&self, row: &Row, cell: usize) -> u32 {
        let last = cell + 1 == row.cells.len();
        let end = if last { self.columns } else { cell + 1 };
        self.left(end) - GUTTER - self.left(cell)
    }

    fn explanation(&self, row: &Row, cell: usize, text: &str) -> Vec<String> {
        let width = self.reach(row, cell).saturating_sub(2 * GUTTER).max(1);
        self.lettering.wrap(text, width as f32, 12)
    }

    /// A framed text in the place of a picture.
    fn draw_explanation(
        &mut self,
        row: &Row,
        cell: usize,
        height: u32,
        top: u64,
        placed: &mut Vec<Placed>,
    ) {
        let Some(text) = row.cells.get(cell).map(|cell| cell.text.as_str()) else { return };
        let (left, width) = (self.left(cell), self.reach(row, cell));
        let lines = self.explanation(row, cell, text);
        let drawn = self.lettering.draw(&lines, width.saturating_sub(2).max(1), Align::Centre);
        let mut data = vec![0u8; width as usize * height as usize];
        for (i, pixel) in data.iter_mut().enumerate() {
            let (x, y) = (i as u32 % width, i as u32 / width);
            *pixel = u8::from(x == 0 || y == 0 || x + 1 == width || y + 1 == height);
        }
        let frame = Picture::from_indexed(width, height, data, vec![[255; 3], FRAME]);
        placed.push((frame, left, top));
        let above = height.saturating_sub(drawn.height()) / 2;
        placed.push((drawn, left + 1, top + u64::from(above)));
    }
}

/// A picture and the place of its upper left corner.
type Placed = (Picture, u32, u64);
