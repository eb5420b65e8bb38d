//! Tables that read well as text and as HTML without styles.

use super::{MimeBundle, escape_html};
use crate::picture::shortened;

/// A cell has at most so many characters: names can be of any length.
const CELL: usize = 100;
/// A table of more rows is folded: these at its beginning and at its end are shown, the rest behind a
/// click.
const MOST_ROWS: usize = 30;
const FIRST: usize = 10;
const LAST: usize = 5;
/// In HTML, a step of depth.
const STEP: &str = "\u{a0}\u{a0}\u{a0}";

/// A table with a line above it and lines below.
pub(crate) struct Table<T = &'static str> {
    pub(crate) caption: String,
    /// Title of each column, and whether its cells are numbers, which stand on the right.
    pub(crate) columns: Vec<(T, bool)>,
    pub(crate) rows: Vec<Row>,
    /// Lines below.
    pub(crate) notes: Vec<String>,
}

/// A row, its first cell indented by `depth` steps.
pub(crate) struct Row {
    pub(crate) depth: usize,
    pub(crate) cells: Vec<String>,
    /// The places of cells in bold, which have a star in text.
    pub(crate) bold: Vec<usize>,
}

impl Row {
    pub(crate) fn flat(cells: Vec<String>) -> Row {
        Row { depth: 0, cells, bold: Vec::new() }
    }

    /// The cells as they are shown, the first one behind `step` for each level of its depth, and those in bold so.
    fn written(&self, step: &str, bold: impl Fn(String) -> String) -> Vec<String> {
        let written = |(i, cell): (usize, &String)| {
            let cell = shortened(cell, CELL).into_owned();
            let cell = if self.bold.contains(&i) { bold(cell) } else { cell };
            if i == 0 { step.repeat(self.depth.min(CELL)) + &cell } else { cell }
        };
        self.cells.iter().enumerate().map(written).collect()
    }
}

/// What stands in an empty cell.
pub(crate) const DASH: &str = "–";

impl<T: AsRef<str>> Table<T> {
    /// The whole table.
    pub(crate) fn text(&self) -> String {
        self.text_of(self.rows.len(), 0)
    }

    /// The first and the last rows, and between them how many are left out.
    fn text_of(&self, first: usize, last: usize) -> String {
        let titles: Vec<String> =
            self.columns.iter().map(|(title, _)| title.as_ref().to_owned()).collect();
        let indented = |rows: &[Row]| -> Vec<Vec<String>> {
            rows.iter().map(|row| row.written("  ", |cell| format!("*{cell}"))).collect()
        };
        let left_out = self.rows.len() - first - last;
        let mut rows = vec![titles];
        rows.extend(indented(&self.rows[..first]));
        let gap = rows.len();
        rows.extend(indented(&self.rows[self.rows.len() - last..]));
        let width = |i: usize| {
            let cells = rows.iter().filter_map(|row| row.get(i));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut lines = vec![self.caption.clone()];
        for (i, row) in rows.iter().enumerate() {
            if i == gap && left_out > 0 {
                lines.push(format!("… {left_out} more rows"));
            }
            let padded = row.iter().zip(&widths).zip(&self.columns);
            let padded = padded.map(|((cell, &width), (_, number))| match number {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            });
            lines.push(padded.collect::<Vec<_>>().join("  ").trim_end().to_owned());
        }
        lines.extend(self.notes.iter().cloned());
        lines.join("\n")
    }

    fn html(&self) -> String {
        let mut html = format!("<p>{}</p>\n", escape_html(&self.caption));
        let (first, last) = self.folded();
        html += &self.html_of(first, last);
        if first + last < self.rows.len() {
            let all = self.rows.len();
            html += &format!("\n<details><summary>all {all} rows</summary>\n");
            html += &self.html_of(all, 0);
            html += "\n</details>";
        }
        if !self.notes.is_empty() {
            let notes: Vec<String> = self.notes.iter().map(|note| escape_html(note)).collect();
            html += &format!("\n<p>{}</p>", notes.join("<br>\n"));
        }
        html
    }

    fn html_of(&self, first: usize, last: usize) -> String {
        let cell = |tag: &str, number: bool, text: &str| {
            let side = if number { "right" } else { "left" };
            format!("<{tag} align=\"{side}\" style=\"text-align:{side}\">{text}</{tag}>")
        };
        let mut html = String::from("<table>\n<thead><tr>");
        for (title, number) in &self.columns {
            html += &cell("th", *number, &escape_html(title.as_ref()));
        }
        html += "</tr></thead>\n<tbody>\n";
        let left_out = self.rows.len() - first - last;
        let rows = self.rows[..first].iter().map(Some);
        let gap = (left_out > 0).then_some(None);
        let end = self.rows[self.rows.len() - last..].iter().map(Some);
        for row in rows.chain(gap).chain(end) {
            html += "<tr>";
            match row {
                // Spaces that do not break: nothing else indents where styles are stripped.
                Some(row) => {
                    for (i, (text, (_, number))) in
                        row.written(STEP, |cell| cell).iter().zip(&self.columns).enumerate()
                    {
                        let text = escape_html(text);
                        let text =
                            if row.bold.contains(&i) { format!("<b>{text}</b>") } else { text };
                        html += &cell("td", *number, &text);
                    }
                }
                None => {
                    let across = self.columns.len();
                    html += &format!(
                        "<td colspan=\"{across}\" align=\"left\" style=\"text-align:left\">… {left_out} more rows</td>"
                    );
                }
            }
            html += "</tr>\n";
        }
        html + "</tbody>\n</table>"
    }

    /// How many of the first and of the last rows are shown at once.
    fn folded(&self) -> (usize, usize) {
        match self.rows.len() {
            count if count > MOST_ROWS => (FIRST, LAST),
            count => (count, 0),
        }
    }

    /// What a notebook shows: of a long table the first and the last rows, and in HTML all of them
    /// behind a click.
    pub(crate) fn bundle(&self) -> MimeBundle {
        let (first, last) = self.folded();
        MimeBundle::html(self.html(), self.text_of(first, last))
    }
}

/// A text as a cell of a `.csv`.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// `1235496` -> `1,235,496`.
pub(crate) fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count as a cell: nothing is a dash.
pub(crate) fn count_or_dash(value: u64) -> String {
    if value == 0 { DASH.to_owned() } else { thousands(value) }
}
