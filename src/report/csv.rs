//! The table of all photos.

use std::io::Write;
use std::path::Path;

use super::row::{Map, Row};
use super::rows::Rows;
use super::summary::Reported;
use crate::error::Result;
use crate::picture::write_by;
use crate::show::quoted;

/// Writes a line for each photo. Memory holds one at a time.
pub(super) fn write(path: &Path, rows: &mut Rows, summary: &Reported) -> Result<()> {
    let methods = summary.method_names();
    let mut titles: Vec<String> = [
        "photo",
        "folder",
        "predicted",
        "probability",
        "expected",
        "probability of expected",
        "right",
        "picture",
    ]
    .map(str::to_owned)
    .to_vec();
    for method in &methods {
        titles.extend(
            ["picture", "values", "picture for expected", "values for expected"]
                .map(|what| format!("{method}: {what}")),
        );
    }
    titles.push("remarks".into());
    write_by(path, "the table", |file| {
        writeln!(file, "{}", line(&titles))?;
        rows.each(|row, _| {
            writeln!(file, "{}", line(&cells(&row, &methods)))
                .map_err(|error| crate::error::Error::file(path, error))
        })
        .map_err(std::io::Error::other)
    })
}

fn cells(row: &Row, methods: &[String]) -> Vec<String> {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let probability = |scored: Option<&super::row::Scored>| {
        let probability = scored.and_then(|scored| scored.probability);
        probability.map_or(String::new(), |probability| probability.to_string())
    };
    let best = row.predicted.first();
    let expected = row.expected.as_ref();
    let mut cells = vec![
        row.photo.clone(),
        text(row.class.as_deref()),
        text(best.map(|best| best.name.as_str())),
        probability(best),
        text(expected.map(|expected| expected.name.as_str())),
        probability(expected),
        row.right.map_or(String::new(), |right| if right { "yes" } else { "no" }.to_owned()),
        text(row.picture.as_deref()),
    ];
    for place in 0..methods.len() {
        for for_expected in [false, true] {
            let is = |map: &&Map| map.method == place && map.for_expected == for_expected;
            let map = row.maps.iter().find(is);
            cells.push(text(map.and_then(|map| map.picture.as_deref())));
            cells.push(text(map.and_then(|map| map.values.as_deref())));
        }
    }
    cells.push(row.remarks(methods).join("; "));
    cells
}

fn line(cells: &[String]) -> String {
    cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",")
}
