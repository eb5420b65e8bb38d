//! The page: what was found in short, then the photos, mistakes first. One file, which needs no other and no
//! script.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::TABLE;
use super::row::{Map, Row, Scored, without_name};
use super::rows::Rows;
use super::summary::{ClassReport, MethodSummary, Reported, mistakes};
use crate::dataset::{in_order, threads};
use crate::error::{Error, Result};
use crate::photo::Photo;
use crate::picture::{to_jpeg, write_file};
use crate::show::{DASH, escape_html, thousands};

/// Photos without pictures that are listed.
const LISTED: usize = 5_000;
/// Of more classes the table is folded.
const UNFOLDED: usize = 25;
/// The longer side of a picture.
const SIDE: u32 = 160;
/// Of its JPEG.
const QUALITY: u8 = 75;
/// Photos whose pictures are made at once.
const AHEAD: usize = 16;

const STYLE: &str = include_str!("page.css");

/// Writes the page, with pictures of so many photos.
pub(super) fn write(
    path: &Path,
    folder: &Path,
    rows: &mut Rows,
    summary: &Reported,
    pictured: usize,
) -> Result<()> {
    let places = chosen(rows, pictured)?;
    let shown: Vec<Row> =
        places.iter().take(pictured).map(|&place| rows.at(place)).collect::<Result<_>>()?;
    let listed: Vec<Row> =
        places.iter().skip(pictured).map(|&place| rows.at(place)).collect::<Result<_>>()?;
    let mut html = head(summary);
    html += &classes(summary);
    html += "<h2>Photos</h2>\n";
    html += &filter(summary);
    if !shown.is_empty() {
        html += "<div class=\"scroll\"><table class=\"photos\">\n";
        html += &titles(&summary.methods);
        html += "<tbody>\n";
        let work = |i: usize| photo(&shown[i], folder, &summary.methods);
        in_order(shown.len(), threads(), AHEAD, work, |_, row| {
            html += &row;
            Ok(AHEAD)
        })?;
        html += "</tbody></table></div>\n";
    }
    html += &list(&listed, summary.photos(), shown.len());
    html += "</section>\n";
    html += &unreadable(summary);
    html += &foot(summary);
    write_file(path, html.as_bytes(), "the page")
}

/// Where the rows begin that stand on the page: mistakes first, the most certain first; then what is right, the
/// least certain first; then what nobody judges.
fn chosen(rows: &mut Rows, pictured: usize) -> Result<Vec<u64>> {
    let most = pictured.saturating_add(LISTED);
    let mut order: BTreeMap<(u8, u64, usize), u64> = BTreeMap::new();
    rows.each(|row, place| {
        if row.unreadable.is_some() {
            return Ok(());
        }
        let sure = (row.certainty() * 1e9) as u64;
        let (rank, key) = match row.right {
            Some(false) => (0, u64::MAX - sure),
            Some(true) => (1, sure),
            None => (2, 0),
        };
        order.insert((rank, key, row.index), place);
        if order.len() > most {
            order.pop_last();
        }
        Ok(())
    })?;
    Ok(order.into_values().collect())
}

fn head(summary: &Reported) -> String {
    let title = format!("{} on {}", summary.network, photos(summary.photos()));
    let methods: Vec<String> = summary.methods.iter().map(method).collect();
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style></head>\n<body><main>\n\
         <h1>{}</h1>\n<p class=\"soft\">What the network predicts, what was expected, and where it looked: {}.</p>\n\
         <div class=\"cards\">",
        escape_html(&title),
        escape_html(&title),
        escape_html(&methods.join("; "))
    );
    let mut card = |class: &str, number: String, what: &str| {
        html += &format!("<div class=\"{class}\"><b>{number}</b>{what}</div>");
    };
    card("", thousands(summary.photos() as u64), "photos");
    if let Some(share) = summary.accuracy() {
        card("", format!("{:.1} %", 100.0 * share), "accuracy");
        card("right", thousands(summary.right() as u64), "right");
        card("wrong", thousands(summary.wrong() as u64), "wrong");
    }
    let judged = summary.right() + summary.wrong();
    if judged < summary.photos() {
        card("", thousands((summary.photos() - judged) as u64), "not judged");
    }
    if !summary.unreadable.is_empty() {
        card("", thousands(summary.unreadable.len() as u64), "could not be read");
    }
    html += "</div>\n";
    if !summary.notes.is_empty() {
        let notes = summary.notes.iter().map(|note| format!("<p>{}</p>", escape_html(note)));
        html += &format!("<div class=\"notes\">{}</div>\n", notes.collect::<String>());
    }
    html
}

/// A method with where it looks.
fn method(method: &MethodSummary) -> String {
    match &method.layer {
        Some(layer) => format!("{}, at {layer}", method.name),
        None => method.name.clone(),
    }
}

fn photos(count: usize) -> String {
    if count == 1 { "1 photo".to_owned() } else { format!("{} photos", thousands(count as u64)) }
}

/// How many of each class are right.
fn classes(summary: &Reported) -> String {
    if summary.accuracy().is_none() && summary.classes().len() < 2 {
        return String::new();
    }
    let mut table = String::from(
        "<div class=\"scroll\"><table>\n<thead><tr><th>Class</th><th class=\"number\">Photos</th>\
         <th class=\"number\">Right</th><th class=\"number\">Wrong</th><th>Accuracy</th>\
         <th>Taken for</th></tr></thead>\n<tbody>\n",
    );
    for class in summary.classes() {
        table += &class_row(class);
    }
    table += "</tbody></table></div>\n";
    match summary.classes().len() {
        count if count > UNFOLDED => format!(
            "<h2>Classes</h2>\n<details><summary>all {} classes</summary>\n{table}</details>\n",
            thousands(count as u64)
        ),
        _ => format!("<h2>Classes</h2>\n{table}"),
    }
}

fn class_row(class: &ClassReport) -> String {
    let number = |text: String| format!("<td class=\"number\">{text}</td>");
    let mut row = format!("<tr><td>{}</td>", named(&class.class));
    row += &number(thousands(class.photos as u64));
    match class.accuracy() {
        None => row += &number(DASH.to_owned()).repeat(2),
        Some(_) => {
            row += &number(thousands(class.right as u64));
            row += &number(thousands(class.wrong as u64));
        }
    }
    row += &match class.accuracy() {
        None => format!("<td>{DASH}</td>"),
        Some(share) => {
            let percent = 100.0 * share;
            format!(
                "<td>{percent:.1} %<span class=\"share\"><i style=\"width:{percent:.1}%\"></i></span></td>"
            )
        }
    };
    row + &format!("<td>{}</td></tr>\n", escape_html(&mistakes(class)))
}

fn named(class: &str) -> String {
    if class.is_empty() { DASH.to_owned() } else { escape_html(class) }
}

/// Which of the photos are shown, chosen without a script.
fn filter(summary: &Reported) -> String {
    let mut html = String::from("<section>\n");
    if summary.right() > 0 && summary.wrong() > 0 {
        html += "<input type=\"radio\" name=\"show\" id=\"all\" checked>\
                 <input type=\"radio\" name=\"show\" id=\"only-wrong\">\
                 <input type=\"radio\" name=\"show\" id=\"only-right\">\n\
                 <div class=\"filter\"><label for=\"all\">all</label><label for=\"only-wrong\">wrong</label>\
                 <label for=\"only-right\">right</label></div>\n";
    }
    html
}

fn titles(methods: &[MethodSummary]) -> String {
    let mut html = String::from(
        "<thead><tr><th>Photo<small>as the network sees it</small></th><th>Predicted</th>",
    );
    for one in methods {
        html += &format!(
            "<th>{}<small>{}</small></th>",
            escape_html(&method(one)),
            escape_html(&one.legend)
        );
    }
    html + "</tr></thead>\n"
}

/// One photo with its pictures.
fn photo(row: &Row, folder: &Path, methods: &[MethodSummary]) -> String {
    let picture = row.picture.as_deref().map(|file| image(folder, file, &row.photo));
    let mut html = format!(
        "<tr class=\"{}\"><td>{}<div class=\"name\">{}</div></td><td class=\"says\">{}</td>",
        row.verdict(),
        picture.unwrap_or_default(),
        escape_html(&row.photo),
        says(row)
    );
    for (place, method) in methods.iter().enumerate() {
        // Of more methods, what was expected stands below.
        html += if methods.len() <= 2 { "<td><div class=\"beside\">" } else { "<td><div>" };
        for map in row.maps.iter().filter(|map| map.method == place) {
            html += &figure(map, folder, &row.photo, &method.name);
        }
        html += "</div></td>";
    }
    html + "</tr>\n"
}

/// Whether it is right, what is predicted and what was expected.
fn says(row: &Row) -> String {
    let mut html = match row.right {
        Some(true) => "<div class=\"verdict right\">✓ right</div>".to_owned(),
        Some(false) => "<div class=\"verdict wrong\">✗ wrong</div>".to_owned(),
        None => String::new(),
    };
    html += "<dl>";
    for (place, guess) in row.predicted.iter().enumerate() {
        html += &scored(guess, if place == 0 { "guess best" } else { "guess" });
    }
    match (&row.expected, &row.class) {
        (Some(expected), class) if row.right == Some(false) => {
            let class = class.as_deref().filter(|class| *class != expected.name);
            let of = class.map_or(String::new(), |class| format!(" ({})", escape_html(class)));
            html += &format!("<dt>expected{of}</dt>");
            html += &scored(expected, "guess");
        }
        (None, Some(class)) => html += &format!("<dt>folder</dt><dd>{}</dd>", escape_html(class)),
        _ => {}
    }
    html + "</dl>"
}

fn scored(scored: &Scored, class: &str) -> String {
    let percent = scored.probability.map(|probability| 100.0 * probability);
    let text = percent.map_or(DASH.to_owned(), |percent| format!("{percent:.1} %"));
    format!(
        "<div class=\"{class}\"><span>{}</span><span>{text}</span><i><u style=\"width:{:.1}%\"></u></i></div>",
        escape_html(&scored.name),
        percent.unwrap_or(0.0)
    )
}

/// A map over the photo, or why there is none.
fn figure(map: &Map, folder: &Path, photo: &str, method: &str) -> String {
    if let Some(why) = &map.failed {
        let why = escape_html(without_name(why, method));
        return format!("<div class=\"failed\">failed: {why}</div>");
    }
    let about = map.about.as_deref().unwrap_or_default();
    let drawn = map
        .picture
        .as_deref()
        .map(|file| image(folder, file, &format!("{photo}, {method} for {about}")));
    let kind = if map.for_expected { "for expected " } else { "for " };
    let mut caption = match about {
        "" => String::new(),
        about => format!("{kind}<b>{}</b>", escape_html(about)),
    };
    for remark in &map.remarks {
        caption += &format!("<br>{}", escape_html(remark));
    }
    if let Some(values) = &map.values {
        caption += &format!(" <a href=\"{}\">.npy</a>", href(values));
    }
    format!("<figure>{}<figcaption>{caption}</figcaption></figure>", drawn.unwrap_or_default())
}

/// A small picture, which leads to its file.
fn image(folder: &Path, file: &str, what: &str) -> String {
    let small = || -> Result<(Vec<u8>, u32, u32)> {
        let picture = Photo::open(folder.join(file))?.picture();
        let (width, height) = (picture.width(), picture.height());
        let side = width.max(height).max(1);
        let scaled = |n: u32| (u64::from(n) * u64::from(SIDE) / u64::from(side)).max(1) as u32;
        let (w, h) = if side > SIDE { (scaled(width), scaled(height)) } else { (width, height) };
        let bytes = to_jpeg(&picture.resized(w, h)?, QUALITY);
        Ok((bytes.map_err(|error| Error::Image(error.to_string()))?, w, h))
    };
    match small() {
        Ok((bytes, width, height)) => format!(
            "<a href=\"{}\"><img src=\"data:image/jpeg;base64,{}\" width=\"{width}\" height=\"{height}\" \
             alt=\"{}\"></a>",
            href(file),
            STANDARD.encode(bytes),
            escape_html(what)
        ),
        Err(error) => format!("<div class=\"failed\">{}</div>", escape_html(&error.to_string())),
    }
}

/// A file's name as a link.
fn href(file: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-.".contains(&byte);
    let escaped = file.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    escaped.collect()
}

/// The photos that have no pictures on the page, and how many are not even named.
fn list(rows: &[Row], all: usize, shown: usize) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut html = format!(
        "<details><summary>{} more, without pictures here</summary>\n<div class=\"scroll\"><table>\n\
         <thead><tr><th>Photo</th><th></th><th>Predicted</th><th class=\"number\"></th><th>Expected</th>\
         <th>Files</th></tr></thead>\n<tbody>\n",
        photos(all - shown)
    );
    for row in rows {
        let best = row.predicted.first();
        let probability = best.and_then(|best| best.probability);
        let verdict = match row.right {
            None => "",
            Some(true) => "✓ right",
            Some(false) => "✗ wrong",
        };
        let files = row.files().filter(|file| file.ends_with(".jpg")).enumerate();
        let files: Vec<String> =
            files.map(|(i, file)| format!("<a href=\"{}\">{}</a>", href(file), i + 1)).collect();
        html += &format!(
            "<tr class=\"{}\"><td>{}</td><td class=\"verdict {}\">{verdict}</td><td>{}</td>\
             <td class=\"number\">{}</td><td>{}</td><td>{}</td></tr>\n",
            row.verdict(),
            escape_html(&row.photo),
            row.verdict(),
            escape_html(best.map_or(DASH, |best| &best.name)),
            probability.map_or(DASH.to_owned(), |p| format!("{:.1} %", 100.0 * p)),
            named(row.class.as_deref().unwrap_or_default()),
            files.join(" ")
        );
    }
    html += "</tbody></table></div>\n";
    let named = shown + rows.len();
    if named < all {
        html += &format!(
            "<p>{} more are in <a href=\"{TABLE}\">{TABLE}</a>.</p>\n",
            photos(all - named)
        );
    }
    html + "</details>\n"
}

fn unreadable(summary: &Reported) -> String {
    if summary.unreadable.is_empty() {
        return String::new();
    }
    const NAMED: usize = 200;
    let all = summary.unreadable.len();
    let mut html =
        String::from("<h2>Could not be read</h2>\n<div class=\"scroll\"><table><tbody>\n");
    for photo in summary.unreadable.iter().take(NAMED) {
        html += &format!(
            "<tr><td>{}</td><td>{}</td></tr>\n",
            escape_html(&photo.name),
            escape_html(&photo.reason)
        );
    }
    html += "</tbody></table></div>\n";
    if all > NAMED {
        html += &format!(
            "<p>{} more are in <a href=\"{TABLE}\">{TABLE}</a>.</p>\n",
            thousands((all - NAMED) as u64)
        );
    }
    html
}

fn foot(summary: &Reported) -> String {
    let for_expected = match summary.wrong() {
        0 => "",
        _ => {
            " Of what is wrong, a second picture shows where it looks for the class that was expected."
        }
    };
    format!(
        "<footer><p>Mistakes come first, the most certain ones first; then what is right, the least certain first. \
         A click on a picture opens its file in <code>pictures/</code>.{for_expected} The raw values of each map lie in \
         <code>maps/</code> as numpy's <code>.npy</code>, and <a href=\"{TABLE}\">{TABLE}</a> has a line for every \
         photo.</p>\n<p>Made by convlens {}.</p></footer>\n</main></body></html>\n",
        env!("CARGO_PKG_VERSION")
    )
}
