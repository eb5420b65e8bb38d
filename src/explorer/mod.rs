//! Pictures that answer: pages in which a reader points at what a network saw, without a kernel.
//!
//! ```
//! use convlens::prelude::*;
//! let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat_and_dog.jpg")?)?;
//! look.explorer()?;                                                  // its maps, layer by layer
//! let heats = look.explain_each(&GradCam::default(), ["tiger cat", "Saluki"])?;
//! heats[0].explorer()?;                                              // one explanation
//! explorer::heatmaps(&heats)?;                                       // several under one pointer
//! Ok::<(), convlens::Error>(())
//! ```
//!
//! - [`Look::explorer`](crate::look::Look::explorer) has the maps of up to eight layers,
//!   [`Look::explorer_at`](crate::look::Look::explorer_at) those of layers of your choice.
//! - [`Model::explorer`](crate::model::Model::explorer) has the network's drawing, in which a click leads to a layer.
//! - [`Heatmap::explorer`](crate::attribution::Heatmap::explorer),
//!   [`Comparison::explorer`](crate::compare::Comparison::explorer) and [`heatmaps`] have explanations.
//! - [`MapPatches::explorer`](crate::dataset::MapPatches::explorer) and
//!   [`TopPatches::explorer`](crate::dataset::TopPatches::explorer) have the crops that excite maps most, with their photos.
//!
//! What they show is one piece of HTML that needs nothing else: it works in JupyterLab, in Notebook 7, in VS Code, in the
//! pages that nbconvert makes, and as a [file](Explorer::save), and as often on one page as you like. Where
//! scripts do not run, as on GitHub, a picture stands in its place.

mod heats;
mod maps;
mod patches;

pub use heats::heatmaps;

use std::fmt;
use std::path::Path;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::photo::View;
use crate::picture::{
    Colormap, GREATEST, Maps, ODD, Picture, to_jpeg, to_smallest_png, write_file,
};
use crate::show::{MimeBundle, Show, debug_line, escape_html};

const SCRIPT: &str = include_str!("explorer.js");
const STYLE: &str = include_str!("explorer.css");

/// Of the photo's JPEG file: it is looked at for longer than a picture in passing.
const QUALITY: u8 = 85;

/// What a reader can point at: a page with its data, and a picture of it.
///
/// Cheap to clone. A notebook shows it as HTML; [`save`](Explorer::save) makes a file for anybody with a browser.
#[derive(Clone)]
#[must_use]
pub struct Explorer {
    title: Rc<str>,
    html: Rc<str>,
    still: MimeBundle,
}

impl Explorer {
    /// `still` is the picture for where scripts do not run.
    fn new(title: String, still: MimeBundle, page: &impl Serialize) -> Result<Explorer> {
        let data = serde_json::to_string(page)
            .map_err(|error| Error::Argument(format!("{title} makes no page: {error}")))?;
        let html = format!(
            "<div class=\"convlens-explorer\" data-lm-suppress-shortcuts=\"true\">\n<style>{STYLE}</style>\n\
             <details open><summary>Still picture</summary>{}\n\
             <p>{} Where scripts run, as in JupyterLab and in VS Code, this picture answers to the pointer.</p>\
             </details>\n\
             <script type=\"application/json\">{}</script>\n<script>{SCRIPT}</script>\n</div>",
            still.to_html(),
            escape_html(&title),
            without_markup(&data)
        );
        Ok(Explorer { title: title.into(), html: html.into(), still })
    }

    /// The piece of HTML that a notebook gets.
    pub fn html(&self) -> &str {
        &self.html
    }

    /// The picture that stands in its place where scripts do not run.
    ///
    /// # Errors
    /// Never for an explorer that was made here.
    pub fn picture(&self) -> Result<Picture> {
        let picture = self.still.as_picture().cloned();
        picture.ok_or_else(|| Error::Argument(format!("there is no picture of {}", self.title)))
    }

    /// Writes it as a page of its own, one file that any browser opens.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
    /// look.explorer_at(["features.3"])?.save(std::env::temp_dir().join("cat.html"))?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let page = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
             <style>:root {{ color-scheme: light dark; }} body {{ margin: 16px auto; max-width: 1040px; }}</style></head>\n\
             <body>{}</body></html>\n",
            escape_html(&self.title),
            self.html
        );
        write_file(path.as_ref(), page.as_bytes(), "the page")
    }
}

impl fmt::Debug for Explorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Explorer of {}", self.title))
    }
}

impl Show for Explorer {
    fn bundle(&self) -> MimeBundle {
        self.still.clone().with_html(self.html.to_string())
    }
}

/// JSON in which nothing ends the script that it stands in, nor is taken for a signal of the kernel's.
fn without_markup(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace("EVCXR_", "EVCXR\\u005f")
}

/// What a page has to know to turn levels into colours.
#[derive(Serialize)]
struct Colours {
    /// The level of a map's greatest value.
    greatest: u8,
    /// The colours of the levels above that.
    odd: [[u8; 3]; 3],
    /// 256 colours each, base64.
    palettes: Vec<(&'static str, String)>,
}

impl Colours {
    fn new(palettes: &[Colormap]) -> Colours {
        let named = |map: &Colormap| (map.name(), STANDARD.encode(map.palette().as_flattened()));
        Colours { greatest: GREATEST, odd: ODD, palettes: palettes.iter().map(named).collect() }
    }
}

/// A photo's file, as a page holds it.
fn jpeg(picture: &Picture) -> Result<String> {
    let file = to_jpeg(picture, QUALITY).map_err(|error| Error::Image(error.to_string()))?;
    Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(file)))
}

/// A drawing's file, or that of levels, which stay as they are.
fn png(picture: &Picture) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(to_smallest_png(picture)))
}

/// A photo as the network sees it, at a size for eyes.
#[derive(Clone, PartialEq, Serialize)]
struct Shown {
    title: String,
    file: String,
    /// Height and width at which the network sees it.
    seen: [u32; 2],
    /// Which bands of an array are shown.
    note: Option<String>,
}

impl Shown {
    fn of(view: &View) -> Result<Shown> {
        if view.numbers().is_some() {
            return Err(Error::Shape(
                "an explorer shows maps over a photo, and this input is a row of numbers: \
                 look at its bars, `heat.picture()`"
                    .into(),
            ));
        }
        Ok(Shown {
            title: view.photo().title().to_owned(),
            file: jpeg(&view.shown())?,
            seen: [view.seen().height(), view.seen().width()],
            note: view.note().map(str::to_owned),
        })
    }
}

/// Maps of one size: as levels in one picture, with what is exact about each.
#[derive(Serialize)]
struct Sprite {
    count: usize,
    height: usize,
    width: usize,
    columns: usize,
    file: String,
    /// Least and greatest finite value of each map.
    ranges: Vec<[f32; 2]>,
}

impl Sprite {
    /// `ranges` hold the values of each map.
    fn of(maps: &Maps, ranges: Vec<[f32; 2]>) -> Sprite {
        // About square: browsers draw no picture of tens of thousands of rows.
        let area = (maps.count() * maps.height()) as f64 / maps.width().max(1) as f64;
        let columns = (area.sqrt().ceil() as usize).clamp(1, maps.count().max(1));
        Sprite {
            count: maps.count(),
            height: maps.height(),
            width: maps.width(),
            columns,
            file: png(&maps.levels(columns, &ranges)),
            ranges,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_data_ends_the_script_or_is_a_signal() {
        let data =
            without_markup(&serde_json::json!("</script><!--&EVCXR_END_CONTENT").to_string());
        assert!(!data.contains(['<', '>', '&']) && !data.contains("EVCXR_"), "{data}");
        let back: String = serde_json::from_str(&data).unwrap();
        assert_eq!(back, "</script><!--&EVCXR_END_CONTENT");
    }

    #[test]
    fn the_code_is_small_and_ends_no_script() {
        assert!(SCRIPT.len() + STYLE.len() <= 60_000);
        assert!(!SCRIPT.contains("</") && !SCRIPT.contains("<!--") && !STYLE.contains('<'));
        assert!(!SCRIPT.contains("EVCXR_") && !SCRIPT.contains("://"));
    }
}
