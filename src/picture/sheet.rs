//! Contact sheets: many maps or pictures on one page.

use std::borrow::Borrow;
use std::path::Path;
use std::thread;

use super::colormap::Colormap;
use super::layout::{self, Size};
use super::maps::Maps;
use super::normalize::{Extent, Normalize, number, odd_counts};
use super::page::{Grid, Page, Shades, Tile};
use super::picture::{MOST_PIXELS, Picture};
use super::table::Cell;
use crate::error::{Error, Result};

/// How many maps are shown unless more are asked for.
const FIRST: usize = 64;
/// Pixels of a sheet, unless another number is set.
const BUDGET: u64 = 6_000_000;

/// A contact sheet of maps or pictures, to be set up and then [rendered](Sheet::render).
///
/// Without any option, it shows the first 64 maps in `Greys`, each scaled on its own, small ones
/// enlarged by a whole factor, with their indices below. Whatever is not shown is announced, on
/// the picture and in the [note](Rendered::note).
///
/// Maps are drawn in 240 levels of the colour map. Unless the size of tiles is set, they are made
/// smaller where the sheet would be wider than a notebook's column of 1,000 pixels.
///
/// ```
/// use convlens::picture::{Colormap, Maps, Normalize, Sheet};
/// let maps = Maps::new(100, 13, 13, (0..16900).map(|i| (i as f32).sin()).collect())?;
/// let sheet = Sheet::new(maps).top(25).normalize(Normalize::Sheet).colormap(Colormap::Viridis);
/// assert!(sheet.render()?.note.starts_with("the 25 of 100 maps with the highest mean"));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Sheet {
    content: Content,
    selection: Selection,
    captions: Captions,
    title: Option<String>,
    columns: Option<usize>,
    tile: Option<u32>,
    gutter: u32,
    colormap: Colormap,
    normalize: Normalize,
    colorbar: Option<bool>,
    dark: bool,
    budget: u64,
    /// What stands where a picture should be.
    missing: Option<String>,
}

#[derive(Clone, Debug)]
enum Content {
    Maps(Maps),
    Pictures(Vec<Picture>),
}

#[derive(Clone, Debug)]
enum Selection {
    First(usize),
    Top(usize),
    Channels(Vec<usize>),
    All,
}

#[derive(Clone, Debug)]
enum Captions {
    Usual,
    Without,
    Given(Vec<String>),
}

/// A contact sheet as pixels.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The sheet.
    pub picture: Picture,
    /// What the picture shows, in one line: how many of how many, their size and scale, colours,
    /// and what is not finite.
    pub note: String,
}

impl Sheet {
    /// A sheet of maps.
    pub fn new(maps: impl Borrow<Maps>) -> Sheet {
        Sheet::of(Content::Maps(maps.borrow().clone()))
    }

    /// A sheet of pictures, which may differ in size: whatever makes a [`Cell`], such as photos, heat
    /// maps and pairs of one with its caption. Colour map, normalisation and colour bar do not apply.
    pub fn pictures(pictures: impl IntoIterator<Item = impl Into<Cell>>) -> Sheet {
        let (mut drawn, mut captions, mut missing) = (Vec::new(), Vec::new(), None);
        for cell in pictures {
            let Cell { picture, text } = cell.into();
            match picture {
                Some(picture) => {
                    drawn.push(picture);
                    captions.push(text);
                }
                None => {
                    missing.get_or_insert(text);
                }
            }
        }
        let sheet = Sheet { missing, ..Sheet::of(Content::Pictures(drawn)) };
        match captions.iter().all(String::is_empty) {
            true => sheet,
            false => sheet.captions(captions),
        }
    }

    fn of(content: Content) -> Sheet {
        Sheet {
            content,
            selection: Selection::First(FIRST),
            captions: Captions::Usual,
            title: None,
            columns: None,
            tile: None,
            gutter: 4,
            colormap: Colormap::default(),
            normalize: Normalize::default(),
            colorbar: None,
            dark: false,
            budget: BUDGET,
            missing: None,
        }
    }

    /// A caption for each map or picture, in the order in which they were given to the sheet. The
    /// default is the index for maps, nothing for pictures.
    pub fn captions<S: Into<String>>(&self, captions: impl IntoIterator<Item = S>) -> Sheet {
        let captions = captions.into_iter().map(Into::into).collect();
        Sheet { captions: Captions::Given(captions), ..self.clone() }
    }

    /// No captions.
    pub fn without_captions(&self) -> Sheet {
        Sheet { captions: Captions::Without, ..self.clone() }
    }

    /// A title above the sheet.
    pub fn title(&self, title: impl Into<String>) -> Sheet {
        Sheet { title: Some(title.into()), ..self.clone() }
    }

    /// The number of tiles in a row. The default makes full rows that fit into a notebook where
    /// possible: 8 columns for 64 maps. Of more columns, the tiles are smaller.
    pub fn columns(&self, columns: usize) -> Sheet {
        Sheet { columns: Some(columns), ..self.clone() }
    }

    /// The length of a tile's longer side, in pixels. Larger than a map, its pixels are repeated;
    /// smaller, they are averaged.
    pub fn tile(&self, pixels: u32) -> Sheet {
        Sheet { tile: Some(pixels), ..self.clone() }
    }

    /// Pixels between tiles; 4 by default.
    pub fn gutter(&self, pixels: u32) -> Sheet {
        Sheet { gutter: pixels, ..self.clone() }
    }

    /// The colours; [`Colormap::Greys`] by default.
    pub fn colormap(&self, colormap: Colormap) -> Sheet {
        Sheet { colormap, ..self.clone() }
    }

    /// Which values the first and the last colour stand for; each map's own by default.
    pub fn normalize(&self, normalize: Normalize) -> Sheet {
        Sheet { normalize, ..self.clone() }
    }

    /// A bar of the colours with their values. The default shows one whenever all maps share a
    /// scale.
    pub fn with_colorbar(&self) -> Sheet {
        Sheet { colorbar: Some(true), ..self.clone() }
    }

    /// No bar of colours.
    pub fn without_colorbar(&self) -> Sheet {
        Sheet { colorbar: Some(false), ..self.clone() }
    }

    /// White labels on a black page.
    pub fn dark(&self) -> Sheet {
        Sheet { dark: true, ..self.clone() }
    }

    /// The first `n`; the default are the first 64.
    pub fn first(&self, n: usize) -> Sheet {
        Sheet { selection: Selection::First(n), ..self.clone() }
    }

    /// The `n` maps with the highest mean of their finite values, the highest first. Of pictures,
    /// the first `n`.
    pub fn top(&self, n: usize) -> Sheet {
        Sheet { selection: Selection::Top(n), ..self.clone() }
    }

    /// These, in this order.
    pub fn channels(&self, channels: impl IntoIterator<Item = impl Borrow<usize>>) -> Sheet {
        let channels = channels.into_iter().map(|channel| *channel.borrow()).collect();
        Sheet { selection: Selection::Channels(channels), ..self.clone() }
    }

    /// All of them, as far as the [pixel budget](Sheet::pixel_budget) goes.
    pub fn all(&self) -> Sheet {
        Sheet { selection: Selection::All, ..self.clone() }
    }

    /// How many pixels the tiles may take together, with captions and gutters; 6 million by
    /// default, and never more than 134 million. Where they would take more, large tiles become
    /// smaller, unless their size is set; then fewer are shown.
    pub fn pixel_budget(&self, pixels: u64) -> Sheet {
        Sheet { budget: pixels, ..self.clone() }
    }

    /// Writes the sheet to a file; its ending says in which format.
    ///
    /// # Errors
    /// As [`render`](Sheet::render), and [`Picture::save`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.render()?.picture.save(path)
    }

    /// The sheet as a picture.
    ///
    /// # Errors
    /// When there is nothing to show: no maps, empty ones, none selected, no columns, tiles of
    /// size 0, a budget smaller than a tile; when there is no such channel; when the range of the
    /// normalisation is not valid; what should be a picture and is none.
    pub fn render(&self) -> Result<Rendered> {
        let chosen = self.choose()?;
        let grid = self.grid(chosen.len())?;
        let chosen = &chosen[..grid.shown];
        match &self.content {
            Content::Maps(maps) => self.render_maps(maps, chosen, &grid),
            Content::Pictures(pictures) => self.render_pictures(pictures, chosen, &grid),
        }
    }

    pub(crate) fn count(&self) -> usize {
        match &self.content {
            Content::Maps(maps) => maps.count(),
            Content::Pictures(pictures) => pictures.len(),
        }
    }

    pub(crate) fn noun(&self, count: usize) -> &'static str {
        match (&self.content, count) {
            (Content::Maps(_), 1) => "map",
            (Content::Maps(_), _) => "maps",
            (Content::Pictures(_), 1) => "picture",
            (Content::Pictures(_), _) => "pictures",
        }
    }

    /// The indices of what is to be shown, the budget aside.
    fn choose(&self) -> Result<Vec<usize>> {
        if let Some(text) = &self.missing {
            return Err(Error::Argument(format!("a sheet is made of pictures, not of: {text}")));
        }
        let count = self.count();
        if count == 0 {
            return Err(Error::Argument(format!(
                "a sheet of 0 {}: there is nothing to show",
                self.noun(0)
            )));
        }
        if let Content::Maps(maps) = &self.content
            && maps.values().is_empty()
        {
            return Err(Error::Shape(format!(
                "maps of {} × {} have no pixels to show",
                maps.height(),
                maps.width()
            )));
        }
        let chosen: Vec<usize> = match (&self.selection, &self.content) {
            (Selection::All, _) => (0..count).collect(),
            (Selection::Top(n), Content::Maps(maps)) => highest_means(maps, *n),
            (Selection::First(n) | Selection::Top(n), _) => (0..count.min(*n)).collect(),
            (Selection::Channels(channels), _) => {
                if let Some(beyond) = channels.iter().find(|&&channel| channel >= count) {
                    return Err(Error::Argument(format!(
                        "there is no {} {beyond}: they are numbered 0 to {}",
                        self.noun(1),
                        count - 1
                    )));
                }
                channels.clone()
            }
        };
        if chosen.is_empty() {
            return Err(Error::Argument(format!(
                "0 of {count} {} selected: there is nothing to show",
                self.noun(0)
            )));
        }
        Ok(chosen)
    }

    fn native(&self) -> Size {
        match &self.content {
            Content::Maps(maps) => Size { width: maps.width(), height: maps.height() },
            Content::Pictures(pictures) => Size {
                width: pictures.iter().map(|p| p.width() as usize).max().unwrap_or(1),
                height: pictures.iter().map(|p| p.height() as usize).max().unwrap_or(1),
            },
        }
    }

    fn grid(&self, count: usize) -> Result<Grid> {
        if self.columns == Some(0) {
            return Err(Error::Argument("a sheet of 0 columns has no place for tiles".into()));
        }
        if self.tile == Some(0) {
            return Err(Error::Argument("tiles of 0 pixels cannot be seen".into()));
        }
        let budget = self.budget.min(MOST_PIXELS / 2);
        let native = self.native();
        let gutter = self.gutter.min(1 << 16) as usize;
        let has_captions = !matches!(
            (&self.captions, &self.content),
            (Captions::Without, _) | (Captions::Usual, Content::Pictures(_))
        );
        // The budget counts captions as one line; it need not be met to the pixel.
        let caption = if has_captions { 18 } else { 0 };
        let side = self.tile.map(|side| side as usize);
        let mut tile = layout::tile_size(native, count, side, budget, gutter, caption);
        if self.tile.is_none() {
            let columns = self.columns.map(|columns| columns.min(count));
            let columns = columns.unwrap_or_else(|| layout::columns(count, tile.width + gutter));
            tile = layout::within_column(native, tile, columns, gutter);
        }
        let affordable = layout::affordable(tile, budget, gutter, caption);
        if affordable == 0 {
            return Err(Error::Argument(format!(
                "a tile of {} × {} pixels exceeds the budget of {budget} pixels: choose a smaller \
                 tile or a larger budget",
                tile.width, tile.height
            )));
        }
        let shown = count.min(usize::try_from(affordable).unwrap_or(usize::MAX));
        let columns = match self.columns {
            Some(columns) => columns.min(shown),
            None => layout::columns(shown, tile.width + gutter),
        };
        Ok(Grid { native, tile, shown, selected: count, columns, gutter })
    }

    /// "64 maps", "the first 64 of 512 maps", ...
    fn extent_of_selection(&self, grid: &Grid) -> String {
        let (count, shown) = (self.count(), grid.shown);
        let noun = self.noun(count);
        let mut text = match &self.selection {
            Selection::Top(_) if matches!(self.content, Content::Maps(_)) => {
                format!("the {shown} of {count} {noun} with the highest mean")
            }
            Selection::Channels(_) => format!("{shown} of {count} {noun}"),
            _ if shown == count => format!("{count} {noun}"),
            _ => format!("the first {shown} of {count} {noun}"),
        };
        if shown < grid.selected {
            text += &format!(" (more do not fit into {} pixels)", self.budget);
        }
        text
    }

    fn render_maps(&self, maps: &Maps, chosen: &[usize], grid: &Grid) -> Result<Rendered> {
        let values: Vec<&[f32]> = chosen.iter().filter_map(|&index| maps.map(index)).collect();
        let extents = in_parallel(&values, Extent::of);
        let range = self.normalize.range(&extents, values.iter().copied())?;
        let per_map = self.normalize == Normalize::PerMap;

        let tiles: Vec<Tile<'_>> = values
            .iter()
            .zip(&extents)
            .map(|(&values, extent)| Tile {
                values,
                // Without finite values any range will do.
                range: range.or(extent.range).unwrap_or((0.0, 0.0)),
                finite: extent.finite,
            })
            .collect();
        let remarks = self.remarks(&values, &extents, per_map);

        let captions: Vec<String> = match &self.captions {
            Captions::Without => Vec::new(),
            Captions::Given(all) => self.given(all, chosen),
            Captions::Usual if maps.count() == 1 => Vec::new(),
            Captions::Usual => chosen.iter().map(usize::to_string).collect(),
        };
        let mut page =
            Page::new(grid, captions, matches!(self.captions, Captions::Usual), self.dark);
        let shades = Shades { colormap: self.colormap, dark: self.dark };
        let scale = match (per_map, range) {
            (true, _) => Some(["min".to_owned(), String::new(), "max".to_owned()]),
            (false, Some((low, high))) => {
                let middle = (f64::from(low) + f64::from(high)) / 2.0;
                Some([number(low), number(middle as f32), number(high)])
            }
            (false, None) => None,
        };
        if let Some(labels) = scale.as_ref()
            && self.colorbar.unwrap_or(!per_map)
        {
            page.add_colorbar(shades, labels);
        }
        if per_map && matches!(self.captions, Captions::Usual) {
            page.name_constants(&extents);
        }

        let extent = self.extent_of_selection(grid);
        page.add_heading(&self.heading(&extent, grid, &remarks));

        let each = if grid.shown == 1 { "" } else { " each" };
        let mut note = vec![extent, format!("{} × {}{each}", maps.width(), maps.height())];
        note.extend(grid.scale_note());
        note.push(match (per_map, range) {
            (true, _) => format!("{}, each map from its own minimum to its maximum", self.colormap),
            (false, Some((low, high))) => {
                format!("{} from {} to {}", self.colormap, number(low), number(high))
            }
            (false, None) => self.colormap.to_string(),
        });
        note.extend(remarks);

        let picture = page.draw_maps(&tiles, shades)?;
        Ok(Rendered { picture, note: note.join("; ") })
    }

    /// The lines above the tiles: the title, and what must be known to read the sheet.
    fn heading(&self, extent: &str, grid: &Grid, remarks: &[String]) -> Vec<String> {
        let cut = (grid.shown < self.count()).then(|| format!("{extent} shown"));
        let known: Vec<&str> = cut.iter().chain(remarks).map(String::as_str).collect();
        self.title.iter().cloned().chain([known.join("; ")]).collect()
    }

    fn given(&self, all: &[String], chosen: &[usize]) -> Vec<String> {
        chosen.iter().map(|&index| all.get(index).cloned().unwrap_or_default()).collect()
    }

    fn remarks(&self, values: &[&[f32]], extents: &[Extent], per_map: bool) -> Vec<String> {
        let mut maps_with = [0usize; 3];
        for (values, _) in values.iter().zip(extents).filter(|(_, extent)| !extent.finite) {
            for (maps, count) in maps_with.iter_mut().zip(odd_counts(values)) {
                *maps += usize::from(count > 0);
            }
        }
        let names = ["NaN (magenta)", "+Inf (green)", "-Inf (cyan)"];
        let mut remarks: Vec<String> = maps_with
            .into_iter()
            .zip(names)
            .filter(|&(maps, _)| maps > 0)
            .map(|(maps, name)| format!("{name} in {maps} {}", self.noun(maps)))
            .collect();
        let constant = extents.iter().filter(|e| matches!(e.range, Some((a, b)) if a == b)).count();
        if per_map && constant > 0 {
            let are = if constant == 1 { "is" } else { "are" };
            remarks
                .push(format!("{constant} {} {are} constant (middle colour)", self.noun(constant)));
        }
        remarks
    }

    fn render_pictures(
        &self,
        pictures: &[Picture],
        chosen: &[usize],
        grid: &Grid,
    ) -> Result<Rendered> {
        let captions = match &self.captions {
            Captions::Given(all) => self.given(all, chosen),
            _ => Vec::new(),
        };
        let mut page =
            Page::new(grid, captions, matches!(self.captions, Captions::Usual), self.dark);
        let extent = self.extent_of_selection(grid);
        page.add_heading(&self.heading(&extent, grid, &[]));
        let chosen: Vec<&Picture> =
            chosen.iter().filter_map(|&index| pictures.get(index)).collect();
        let picture = page.draw_pictures(&chosen)?;
        let mut note = vec![extent];
        note.extend(grid.scale_note());
        Ok(Rendered { picture, note: note.join("; ") })
    }
}

/// Maps in the order of their means, the highest first.
fn highest_means(maps: &Maps, n: usize) -> Vec<usize> {
    let mean = |index: usize| {
        let values = maps.map(index).unwrap_or_default();
        let (sum, count) = values
            .iter()
            .filter(|value| value.is_finite())
            .fold((0.0f64, 0u32), |(sum, count), &value| (sum + f64::from(value), count + 1));
        if count == 0 { f64::NEG_INFINITY } else { sum / f64::from(count) }
    };
    let mut means: Vec<(f64, usize)> = (0..maps.count()).map(|i| (mean(i), i)).collect();
    means.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    means.into_iter().take(n).map(|(_, index)| index).collect()
}

/// On two threads where there is enough to do.
fn in_parallel<'a, T: Send>(maps: &[&'a [f32]], work: impl Fn(&'a [f32]) -> T + Sync) -> Vec<T> {
    let all = |maps: &[&'a [f32]]| maps.iter().map(|&map| work(map)).collect::<Vec<T>>();
    let size = maps.first().map_or(0, |map| map.len()) * maps.len();
    if size < 1 << 19 || maps.len() < 2 {
        return all(maps);
    }
    let (first, second) = maps.split_at(maps.len() / 2);
    thread::scope(|scope| {
        let other = thread::Builder::new().spawn_scoped(scope, || all(second));
        let mut results = all(first);
        let rest = other.ok().and_then(|thread| thread.join().ok());
        results.extend(rest.unwrap_or_else(|| all(second)));
        results
    })
}
