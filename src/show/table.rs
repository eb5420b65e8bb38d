//! Tables that read well as text and as HTML without styles.

use super::{MimeBundle, escape_html};

/// A table with a line above it and lines below.
pub(crate) struct Table {
    pub(crate) caption: String,
    /// Title of each column, and whether its cells are numbers, which stand on the right.
    pub(crate) columns: Vec<(&'static str, bool)>,
    pub(crate) rows: Vec<Row>,
    /// Lines below.
    pub(crate) notes: Vec<String>,
}

/// A row, its first cell indented by `depth` steps.
pub(crate) struct Row {
    pub(crate) depth: usize,
    pub(crate) cells: Vec<String>,
}

impl Row {
    pub(crate) fn flat(cells: Vec<String>) -> Row {
        Row { depth: 0, cells }
    }

    /// The cells, the first one behind `step` for each level of its depth.
    fn indented(&self, step: &str) -> Vec<String> {
        let indent = |(i, cell): (usize, &String)| match i {
            0 => step.repeat(self.depth) + cell,
            _ => cell.clone(),
        };
        self.cells.iter().enumerate().map(indent).collect()
    }
}

/// What stands in an empty cell.
pub(crate) const DASH: &str = "–";

impl Table {
    pub(crate) fn text(&self) -> String {
        let titles = self.columns.iter().map(|(title, _)| (*title).to_owned()).collect();
        let rows: Vec<Vec<String>> =
            std::iter::once(titles).chain(self.rows.iter().map(|row| row.indented("  "))).collect();
        let width = |i: usize| {
            let cells = rows.iter().filter_map(|row| row.get(i));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut lines = vec![self.caption.clone()];
        for row in &rows {
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
        let cell = |tag: &str, number: bool, text: &str| {
            let side = if number { "right" } else { "left" };
            format!("<{tag} align=\"{side}\" style=\"text-align:{side}\">{text}</{tag}>")
        };
        let mut html = format!("<p>{}</p>\n<table>\n<thead><tr>", escape_html(&self.caption));
        for (title, number) in &self.columns {
            html += &cell("th", *number, &escape_html(title));
        }
        html += "</tr></thead>\n<tbody>\n";
        for row in &self.rows {
            html += "<tr>";
            // Spaces of an em: nothing else indents where styles are stripped.
            for (text, (_, number)) in row.indented("\u{2003}").iter().zip(&self.columns) {
                html += &cell("td", *number, &escape_html(text));
            }
            html += "</tr>\n";
        }
        html += "</tbody>\n</table>";
        if !self.notes.is_empty() {
            let notes: Vec<String> = self.notes.iter().map(|note| escape_html(note)).collect();
            html += &format!("\n<p>{}</p>", notes.join("<br>\n"));
        }
        html
    }

    pub(crate) fn bundle(&self) -> MimeBundle {
        MimeBundle::html(self.html(), self.text())
    }
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
