//! A contact sheet drawn: tiles, captions, heading and colour bar at their places.

use std::sync::Mutex;
use std::thread;

use super::colorbar;
use super::colormap::{Colormap, FRAME, NAN, NEGATIVE_INFINITY, POSITIVE_INFINITY};
use super::compose::place;
use super::layout::{MARGIN, Size};
use super::normalize::{Extent, mark, number, quantize};
use super::picture::{MOST_PIXELS, Picture};
use super::resize;
use super::text::{Align, INK, Lettering, ink, size_for};
use crate::error::{Error, Result};

/// Levels of the colour map in a sheet's palette, which has room for some colours more.
const LEVELS: u8 = 240;

/// Which tiles, how large, in how many columns.
pub(super) struct Grid {
    pub(super) native: Size,
    pub(super) tile: Size,
    pub(super) shown: usize,
    pub(super) selected: usize,
    pub(super) columns: usize,
    pub(super) gutter: usize,
}

impl Grid {
    fn width(&self) -> usize {
        self.columns * (self.tile.width + self.gutter) - self.gutter
    }

    /// The width of the line around a tile, which stands in the gutter.
    fn frame(&self) -> usize {
        usize::from(self.gutter >= 2)
    }

    /// A picture at the scale of the tiles.
    fn scaled(&self, picture: &Picture) -> Result<Picture> {
        let (tile, native) = (self.tile, self.native);
        if tile == native {
            return Ok(picture.clone());
        }
        let scale = |n: u32, to: usize, from: usize| {
            ((f64::from(n) * to as f64 / from as f64).round() as u32).clamp(1, to as u32)
        };
        let width = scale(picture.width(), tile.width, native.width);
        let height = scale(picture.height(), tile.height, native.height);
        let factor = width / picture.width();
        if (width, height) == (picture.width() * factor, picture.height() * factor) {
            picture.enlarged(factor)
        } else {
            picture.resized(width, height)
        }
    }

    pub(super) fn scale_note(&self) -> Option<String> {
        let (tile, native) = (self.tile, self.native);
        if tile == native {
            None
        } else if tile.width.is_multiple_of(native.width)
            && native.width * tile.height == native.height * tile.width
        {
            Some(format!("enlarged {} times", tile.width / native.width))
        } else {
            Some(format!("drawn at {} × {}", tile.width, tile.height))
        }
    }
}

pub(super) struct Tile<'a> {
    pub(super) values: &'a [f32],
    pub(super) range: (f32, f32),
    pub(super) finite: bool,
}

pub(super) struct Page<'a> {
    grid: &'a Grid,
    lettering: Lettering,
    dark: bool,
    width: usize,
    captions: Vec<Vec<String>>,
    caption_height: usize,
    /// The height of the tiles in each row.
    rows: Vec<usize>,
    heading: Option<Picture>,
    colorbar: Option<Picture>,
}

impl<'a> Page<'a> {
    /// A page with a caption for each tile, or none; the `usual` ones are indices.
    pub(super) fn new(grid: &'a Grid, captions: Vec<String>, usual: bool, dark: bool) -> Page<'a> {
        let width = grid.width() + 2 * MARGIN;
        let mut page = Page {
            grid,
            lettering: Lettering::new(size_for(width as u32)).dark(dark),
            dark,
            width,
            captions: Vec::new(),
            caption_height: 0,
            rows: vec![grid.tile.height; grid.shown.div_ceil(grid.columns)],
            heading: None,
            colorbar: None,
        };
        page.set_captions(captions, usual);
        page
    }

    /// A caption may reach into the gutters on both sides.
    fn caption_width(&self) -> usize {
        self.grid.tile.width + 2 * self.caption_reach()
    }

    fn caption_reach(&self) -> usize {
        (self.grid.gutter / 2).saturating_sub(1).min(MARGIN)
    }

    fn set_captions(&mut self, captions: Vec<String>, usual: bool) {
        let width = self.caption_width() as f32;
        // Indices are left out rather than cut.
        if usual && captions.iter().any(|caption| self.lettering.width(caption) > width) {
            return;
        }
        self.captions =
            captions.iter().map(|caption| self.lettering.wrap(caption, width, 3)).collect();
        let lines = self.captions.iter().map(Vec::len).max().unwrap_or(0);
        if lines > 0 {
            self.caption_height = lines * self.lettering.line_height() as usize + 3;
        }
    }

    /// The value of a map that has only one, where there is room for it.
    pub(super) fn name_constants(&mut self, extents: &[Extent]) {
        let width = self.caption_width() as f32;
        for (caption, extent) in self.captions.iter_mut().zip(extents) {
            if let (Some((low, high)), [line]) = (extent.range, caption.as_mut_slice())
                && low == high
            {
                let longer = format!("{line}: {}", number(low));
                if self.lettering.width(&longer) <= width {
                    *line = longer;
                }
            }
        }
    }

    pub(super) fn add_heading(&mut self, lines: &[String]) {
        let lines: Vec<&String> = lines.iter().filter(|line| !line.trim().is_empty()).collect();
        if lines.is_empty() {
            return;
        }
        let natural = lines.iter().map(|line| self.lettering.width(line)).fold(0.0, f32::max);
        // A sheet of a few small tiles becomes wide enough for its title.
        self.width = self.width.max((natural.ceil() as usize + 2 + 2 * MARGIN).min(420));
        let inner = self.width - 2 * MARGIN;
        let wrapped: Vec<String> =
            lines.iter().flat_map(|line| self.lettering.wrap(line, inner as f32, 6)).collect();
        self.heading = Some(self.lettering.draw(&wrapped, inner as u32, Align::Left));
    }

    pub(super) fn add_colorbar(&mut self, shades: Shades, labels: &[String; 3]) {
        let room = self.grid.width().min(24 * self.lettering.line_height() as usize);
        let size = colorbar::strip_size(&self.lettering, room, labels);
        self.width = self.width.max(size.width + 2 * MARGIN);
        let row: Vec<u8> =
            (0..size.width).map(|x| (x * usize::from(LEVELS) / size.width) as u8).collect();
        let (width, height) = (size.width as u32, size.height as u32);
        let strip = Picture::from_indexed(width, height, row.repeat(size.height), shades.palette());
        self.colorbar = Some(colorbar::labelled(&mut self.lettering, strip, labels));
    }

    /// Everything but the tiles: the size of the page, where the tiles begin, and what else
    /// stands where.
    fn arrange(&mut self) -> Result<Arrangement> {
        let grid = self.grid;
        let mut placed = Vec::new();
        let mut top = MARGIN;
        if let Some(heading) = &self.heading {
            placed.push((heading.clone(), MARGIN as u32, 3));
            top = 3 + heading.height() as usize + MARGIN;
        }
        let between = self.caption_height + grid.gutter;
        let mut ends = Vec::with_capacity(self.rows.len());
        let mut height = top;
        for row in &self.rows {
            ends.push(height + row);
            height += row + between;
        }
        height = height - grid.gutter + MARGIN;
        if let Some(bar) = &self.colorbar {
            placed.push((bar.clone(), MARGIN as u32 - 1, height as u32 + 2));
            height += bar.height() as usize + 2 + MARGIN;
        }
        if self.width as u64 * height as u64 > MOST_PIXELS {
            return Err(Error::Argument(format!(
                "the sheet would have {} × {height} pixels: choose a smaller gutter or other \
                 columns",
                self.width
            )));
        }
        let caption_width = self.caption_width() as u32;
        for (i, lines) in self.captions.iter().enumerate() {
            if lines.iter().all(String::is_empty) {
                continue;
            }
            let x = MARGIN + (i % grid.columns) * (grid.tile.width + grid.gutter);
            let y = ends[i / grid.columns] + 2;
            let x = x - self.caption_reach();
            placed.push((
                self.lettering.draw(lines, caption_width, Align::Centre),
                x as u32,
                y as u32,
            ));
        }
        Ok(Arrangement { height, top, ends, placed })
    }

    pub(super) fn draw_maps(mut self, tiles: &[Tile<'_>], shades: Shades) -> Result<Picture> {
        let Arrangement { height, top, placed, .. } = self.arrange()?;
        let (grid, width) = (self.grid, self.width);
        let cell_height = grid.tile.height + self.caption_height + grid.gutter;
        let mut data = vec![shades.ground(); width * height];
        // A row of tiles, with the frame above them and the captions below, is a band of the page.
        let lead = grid.frame();
        let bands = data[(top - lead) * width..].chunks_mut(cell_height * width);
        let work = Mutex::new(bands.zip(tiles.chunks(grid.columns)));
        let draw = || {
            let mut brush = Brush::new(grid, shades);
            // Nothing panics while the lock is held.
            while let Some((band, tiles)) = work.lock().ok().and_then(|mut work| work.next()) {
                for (i, tile) in tiles.iter().enumerate() {
                    let x = MARGIN + i * (grid.tile.width + grid.gutter);
                    brush.draw(tile, band, width, x);
                }
            }
        };
        thread::scope(|scope| {
            if grid.tile.width * grid.tile.height * tiles.len() >= 1 << 19 {
                // If there is no second thread to be had, the first does it all.
                let _ = thread::Builder::new().spawn_scoped(scope, draw);
            }
            draw();
        });
        let ground = Picture::from_indexed(width as u32, height as u32, data, shades.palette());
        Ok(stamp(ground, placed))
    }

    pub(super) fn draw_pictures(mut self, pictures: &[&Picture]) -> Result<Picture> {
        let grid = self.grid;
        let pictures = pictures
            .iter()
            .map(|picture| grid.scaled(picture))
            .collect::<Result<Vec<Picture>>>()?;
        for (row, pictures) in self.rows.iter_mut().zip(pictures.chunks(grid.columns)) {
            *row = Heads::of(pictures.iter()).height() as usize;
        }
        let heads: Vec<u32> =
            pictures.chunks(grid.columns).map(|row| Heads::of(row.iter()).head).collect();
        let row_heights = self.rows.clone();
        let Arrangement { height, ends, mut placed, .. } = self.arrange()?;
        for (i, picture) in pictures.into_iter().enumerate() {
            let free = grid.tile.width.saturating_sub(picture.width() as usize);
            let x = MARGIN + (i % grid.columns) * (grid.tile.width + grid.gutter) + free / 2;
            // Standing on one line, bars of colours and captions of their own below it.
            let row = i / grid.columns;
            let y = ends[row] - row_heights[row] + (heads[row] - head(&picture)) as usize;
            placed.push((picture, x as u32, y as u32));
        }
        if self.dark {
            let (width, height) = (self.width as u32, height as u32);
            let size = width as usize * height as usize;
            let ground = Picture::from_indexed(width, height, vec![0; size], vec![[0; 3]]);
            placed.insert(0, (ground, 0, 0));
        }
        Ok(place(self.width as u64, height as u64, &placed))
    }
}

/// What pictures in a row line up by: the height of the pictures, without what is at their feet.
pub(super) fn head(picture: &Picture) -> u32 {
    picture.height() - picture.apron()
}

/// How high a row of pictures is that stand on one line.
#[derive(Clone, Copy, Default)]
pub(super) struct Heads {
    pub(super) head: u32,
    apron: u32,
}

impl Heads {
    pub(super) fn of<'a>(pictures: impl Iterator<Item = &'a Picture>) -> Heads {
        pictures.fold(Heads { head: 1, apron: 0 }, |row, picture| Heads {
            head: row.head.max(head(picture)),
            apron: row.apron.max(picture.apron()),
        })
    }

    pub(super) fn height(self) -> u32 {
        self.head + self.apron
    }
}

struct Arrangement {
    height: usize,
    /// The first line of the tiles.
    top: usize,
    /// The line after the tiles of each row.
    ends: Vec<usize>,
    /// What else stands where.
    placed: Vec<(Picture, u32, u32)>,
}

/// Small pictures onto a large one that has all their colours.
fn stamp(ground: Picture, mut placed: Vec<(Picture, u32, u32)>) -> Picture {
    let (width, height) = (ground.width(), ground.height());
    placed.insert(0, (ground, 0, 0));
    place(width.into(), height.into(), &placed)
}

/// A sheet's palette: the levels of the colour map, the ink, the colours with a meaning of their
/// own, the frame.
#[derive(Clone, Copy)]
pub(super) struct Shades {
    pub(super) colormap: Colormap,
    /// The page is black.
    pub(super) dark: bool,
}

impl Shades {
    fn ground(self) -> u8 {
        LEVELS
    }

    /// NaN, +∞ and −∞.
    fn odd(self) -> [u8; 3] {
        let first = LEVELS + INK.len() as u8;
        [first, first + 1, first + 2]
    }

    fn frame(self) -> u8 {
        LEVELS + INK.len() as u8 + 3
    }

    fn level(self, row: &[f32], tile: &Tile<'_>, out: &mut [u8]) {
        quantize(row, tile.range, LEVELS - 1, out);
        if !tile.finite {
            mark(row, self.odd(), out);
        }
    }

    fn palette(self) -> Vec<[u8; 3]> {
        let last = usize::from(LEVELS) - 1;
        let level = |i: usize| self.colormap.entry(((i * 255 + last / 2) / last) as u8);
        let odd = [NAN, POSITIVE_INFINITY, NEGATIVE_INFINITY];
        (0..=last).map(level).chain(ink(self.dark)).chain(odd).chain([FRAME]).collect()
    }
}

/// Draws tiles, with room for one line of them.
struct Brush<'a> {
    grid: &'a Grid,
    shades: Shades,
    /// For each column of a tile, the column of the map, where tiles are wider than maps.
    sources: Option<Vec<usize>>,
    levels: Vec<u8>,
}

impl Brush<'_> {
    fn new(grid: &Grid, shades: Shades) -> Brush<'_> {
        let (tile, source) = (grid.tile.width, grid.native.width.min(grid.tile.width));
        let sources = (tile != source).then(|| (0..tile).map(|x| x * source / tile).collect());
        Brush { grid, shades, sources, levels: vec![0; source] }
    }

    /// A tile at column `x` of a band of the page, which begins with the line of the frame if there
    /// is one.
    fn draw(&mut self, tile: &Tile<'_>, band: &mut [u8], page_width: usize, x: usize) {
        let Size { width, height } = self.grid.tile;
        let native = self.grid.native;
        let (source_width, source_height) = (native.width.min(width), native.height.min(height));
        let shrunk;
        let mut values = tile.values;
        if (source_width, source_height) != (native.width, native.height) {
            let from = (native.height, native.width);
            shrunk = resize::area(values, from, (source_height, source_width));
            values = &shrunk;
        }
        let mut drawn = None;
        for y in 0..height {
            let at = (y + self.grid.frame()) * page_width + x;
            let source = y * source_height / height;
            if drawn == Some(source) {
                band.copy_within(at - page_width..at - page_width + width, at);
                continue;
            }
            drawn = Some(source);
            let row = &values[source * source_width..(source + 1) * source_width];
            let line = &mut band[at..at + width];
            match &self.sources {
                None => self.shades.level(row, tile, line),
                Some(sources) => {
                    self.shades.level(row, tile, &mut self.levels);
                    for (pixel, &source) in line.iter_mut().zip(sources) {
                        *pixel = self.levels[source];
                    }
                }
            }
        }
        self.frame(band, page_width, x);
    }

    /// A line around the tile, in the gutter, so that white maps have an edge.
    fn frame(&self, band: &mut [u8], page_width: usize, x: usize) {
        if self.grid.frame() == 0 {
            return;
        }
        let Size { width, height } = self.grid.tile;
        for y in [0, height + 1] {
            if let Some(line) = band.get_mut(y * page_width + x - 1..y * page_width + x + width + 1)
            {
                line.fill(self.shades.frame());
            }
        }
        for y in 1..=height {
            band[y * page_width + x - 1] = self.shades.frame();
            band[y * page_width + x + width] = self.shades.frame();
        }
    }
}
