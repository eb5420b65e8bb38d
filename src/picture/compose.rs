//! Pictures put together, and text put to them.

use std::borrow::Borrow;
use std::collections::HashMap;

use super::colormap::FRAME;
use super::layout::COLUMN;
use super::picture::{MOST_PIXELS, Picture};
use super::text::{Align, INK, Lettering, size_for};

/// Space between a text and the edge of its picture.
const INSET: u32 = 4;
/// A picture narrower than this is widened where a text needs it.
const READABLE: u32 = 360;
/// Lines that a text may have.
const MOST_LINES: usize = 40;

impl Picture {
    /// The picture with a text under it, on white: at the text's own line breaks, wrapped to the
    /// picture's width. A picture too narrow for that becomes wider. Text is 13 pixels high, and
    /// in proportion on pictures wider than 1,000 pixels, which notebooks shrink.
    pub fn captioned(&self, text: &str) -> Picture {
        let (block, width) = self.text_block(text);
        let height = u64::from(self.height()) + u64::from(block.height() + INSET);
        let below = self.height().saturating_add(INSET / 2);
        let apron = self.apron() + block.height() + INSET;
        place(width.into(), height, &[(self.clone(), 0, 0), (block, INSET, below)])
            .with_apron(apron)
    }

    /// The picture with a text above it, as [`captioned`](Picture::captioned) puts one under it.
    pub fn titled(&self, text: &str) -> Picture {
        self.under(self.text_block(text), 0)
    }

    /// Pictures with their titles, these standing on one line.
    pub(crate) fn all_titled(titled: &[(&str, &Picture)]) -> Vec<Picture> {
        let blocks: Vec<(Picture, u32)> =
            titled.iter().map(|(title, picture)| picture.text_block(title)).collect();
        let highest = blocks.iter().map(|(block, _)| block.height()).max().unwrap_or(0);
        let pictures = titled.iter().zip(blocks);
        pictures.map(|((_, picture), block)| picture.under(block, highest)).collect()
    }

    /// A text, at least so high, above the picture.
    fn under(&self, (block, width): (Picture, u32), least: u32) -> Picture {
        let free = least.saturating_sub(block.height());
        let below = block.height() + free + INSET;
        let height = u64::from(self.height()) + u64::from(below);
        place(width.into(), height, &[(block, INSET, free + INSET / 2), (self.clone(), 0, below)])
            .with_apron(self.apron())
    }

    fn text_block(&self, text: &str) -> (Picture, u32) {
        let mut lettering = Lettering::new(size_for(self.width()));
        let natural = text.lines().map(|line| lettering.width(line)).fold(0.0, f32::max);
        let wanted = (natural.ceil() as u32).saturating_add(2 * INSET + 1).min(READABLE);
        let width = self.width().max(wanted);
        let inner = width.saturating_sub(2 * INSET).max(1);
        let lines = lettering.wrap(text, inner as f32, MOST_LINES);
        (lettering.draw(&lines, inner, Align::Left), width)
    }

    /// Pictures in a row, their tops aligned, on white, `gap` pixels apart. No picture at all
    /// makes a single white pixel.
    pub fn beside(pictures: impl IntoIterator<Item = impl Borrow<Picture>>, gap: u32) -> Picture {
        let pictures = cloned(pictures);
        let (lefts, width) = offsets(pictures.iter().map(Picture::width), gap);
        let height = pictures.iter().map(Picture::height).max().unwrap_or(1);
        let placed: Vec<_> =
            pictures.iter().zip(lefts).map(|(picture, left)| (picture.clone(), left, 0)).collect();
        place(width, height.into(), &placed)
    }

    /// Pictures in a column, their left sides aligned, on white, `gap` pixels apart. No picture at
    /// all makes a single white pixel.
    pub fn above(pictures: impl IntoIterator<Item = impl Borrow<Picture>>, gap: u32) -> Picture {
        let pictures = cloned(pictures);
        let (tops, height) = offsets(pictures.iter().map(Picture::height), gap);
        let width = pictures.iter().map(Picture::width).max().unwrap_or(1);
        let placed: Vec<_> =
            pictures.iter().zip(tops).map(|(picture, top)| (picture.clone(), 0, top)).collect();
        place(width.into(), height, &placed)
    }
}

/// The pictures themselves, which share their pixels.
pub(super) fn cloned(pictures: impl IntoIterator<Item = impl Borrow<Picture>>) -> Vec<Picture> {
    pictures.into_iter().map(|picture| picture.borrow().clone()).collect()
}

impl Picture {
    /// Pictures beside each other, as many in a row as a notebook is wide, their tops aligned, on
    /// white, `gap` pixels apart; the rows as long as each other where all are of one width.
    pub fn flowed(pictures: &[Picture], gap: u32) -> Picture {
        let fits = |row: &[Picture]| {
            offsets(row.iter().map(Picture::width), gap).1 <= COLUMN as u64 || row.len() == 1
        };
        let most = (1..=pictures.len()).rev().find(|&n| pictures.chunks(n).all(fits)).unwrap_or(1);
        let rows = pictures.len().div_ceil(most).max(1);
        let each = pictures.len().div_ceil(rows).max(1);
        let rows: Vec<Picture> =
            pictures.chunks(each).map(|row| Picture::beside(row, gap)).collect();
        Picture::above(&rows, gap)
    }
}

/// White around what lies on a card.
const CARD: u32 = 4;

impl Picture {
    /// What ends in white, such as a chart, a sheet or a caption, on a card: a little more white and
    /// an edge, so that nothing is lost on a dark page. Other pictures as they are.
    pub(crate) fn on_card(&self) -> Picture {
        let (width, height) = (self.width() as usize, self.height() as usize);
        let rim = (CARD + 1) as usize;
        let (wide, high) = (width + 2 * rim, height + 2 * rim);
        if !self.ends_in_white() || wide as u64 * high as u64 > MOST_PIXELS {
            return self.clone();
        }
        // In each row the edge, white, the picture, white, and the edge.
        let framed = |data: &[u8], white: &[u8], edge: &[u8]| {
            let depth = white.len();
            let mut card = edge.repeat(wide * high);
            let inner = card.chunks_exact_mut(wide * depth).skip(1).take(high - 2);
            for (y, row) in inner.enumerate() {
                row[depth..(wide - 1) * depth].copy_from_slice(&white.repeat(wide - 2));
                let from = (y + 1).checked_sub(rim).filter(|&from| from < height);
                if let Some(from) = from {
                    let pixels = &data[from * width * depth..(from + 1) * width * depth];
                    row[rim * depth..(rim + width) * depth].copy_from_slice(pixels);
                }
            }
            card
        };
        match self.palette() {
            None => {
                let card = framed(self.data(), &[255; 3], &FRAME);
                image::RgbImage::from_raw(wide as u32, high as u32, card).unwrap_or_default().into()
            }
            Some(palette) => {
                let mut palette = palette.to_vec();
                let white = palette.iter().position(|colour| *colour == [255; 3]).unwrap_or(0);
                let far = |colour: &[u8; 3]| -> u32 {
                    colour.iter().map(|&c| u32::from(c.abs_diff(FRAME[0]))).sum()
                };
                if palette.len() < 256 && !palette.contains(&FRAME) {
                    palette.push(FRAME);
                }
                let nearest = palette.iter().enumerate().min_by_key(|(_, colour)| far(colour));
                let edge = nearest.map_or(0, |(place, _)| place);
                let card = framed(self.data(), &[white as u8], &[edge as u8]);
                Picture::from_indexed(wide as u32, high as u32, card, palette)
            }
        }
    }

    /// Whether a good part of the picture's border is white.
    fn ends_in_white(&self) -> bool {
        let (width, height) = (self.width() as usize, self.height() as usize);
        let is_white = |at: usize| match self.palette() {
            Some(palette) => palette.get(usize::from(self.data()[at])) == Some(&[255; 3]),
            None => self.data()[at * 3..at * 3 + 3] == [255; 3],
        };
        let across = (0..width).flat_map(|x| [x, (height - 1) * width + x]);
        let down = (0..height).flat_map(|y| [y * width, y * width + width - 1]);
        let white = across.chain(down).filter(|&at| is_white(at)).count();
        white * 8 >= 2 * (width + height)
    }
}

/// Where each of these lengths begins, and where the last one ends.
fn offsets(lengths: impl Iterator<Item = u32>, gap: u32) -> (Vec<u32>, u64) {
    let mut end = 0u64;
    let starts = lengths.enumerate().map(|(i, length)| {
        let start = end + if i > 0 { u64::from(gap) } else { 0 };
        end = start + u64::from(length);
        // Beyond that, `place` draws nothing of it.
        u32::try_from(start).unwrap_or(u32::MAX)
    });
    (starts.collect(), end.max(1))
}

/// Pictures on a white ground, at the places of their upper left corners, where they must fit.
/// The result keeps to a palette as long as all colours fit into one. Something too large becomes
/// a line that says so.
pub(super) fn place(width: u64, height: u64, placed: &[(Picture, u32, u32)]) -> Picture {
    if width.saturating_mul(height) > MOST_PIXELS {
        let text = format!("too large to be drawn: {width} × {height} pixels");
        let mut lettering = Lettering::new(size_for(0));
        let width = lettering.width(&text).ceil() as u32 + 2;
        return lettering.draw(&[text], width, Align::Left);
    }
    let (width, height) = (width as u32, height as u32);
    let area = width as usize * height as usize;
    if let Some((palette, translations)) = common_palette(placed) {
        let white = palette.iter().position(|&colour| colour == [255; 3]).unwrap_or(0) as u8;
        let mut data = vec![white; area];
        for ((picture, x, y), translation) in placed.iter().zip(&translations) {
            let bytes = picture.width() as usize;
            let rows = rows(&mut data, width as usize, (*x, *y), bytes);
            for (to, from) in rows.zip(picture.data().chunks_exact(bytes)) {
                match translation {
                    None => to.copy_from_slice(from),
                    Some(table) => {
                        for (to, &from) in to.iter_mut().zip(from) {
                            *to = table[usize::from(from)];
                        }
                    }
                }
            }
        }
        return Picture::from_indexed(width, height, data, palette);
    }
    let mut data = vec![255; area * 3];
    for (picture, x, y) in placed {
        let colours = picture.to_rgb();
        let bytes = picture.width() as usize * 3;
        let rows = rows(&mut data, width as usize * 3, (*x * 3, *y), bytes);
        for (to, from) in rows.zip(colours.as_raw().chunks_exact(bytes)) {
            to.copy_from_slice(from);
        }
    }
    image::RgbImage::from_raw(width, height, data).unwrap_or_default().into()
}

/// The part of each row of `data` that a picture covers; `x` and `bytes` count bytes.
fn rows(
    data: &mut [u8],
    row_bytes: usize,
    (x, y): (u32, u32),
    bytes: usize,
) -> impl Iterator<Item = &mut [u8]> {
    let x = x as usize;
    data.chunks_exact_mut(row_bytes).skip(y as usize).map(move |row| &mut row[x..x + bytes])
}

/// A palette for all, white in it, and for each picture what its indices become there (`None`:
/// what they are). `None` when there is a picture in RGB or there are too many colours.
#[expect(clippy::type_complexity, reason = "used once, just above")]
fn common_palette(
    placed: &[(Picture, u32, u32)],
) -> Option<(Vec<[u8; 3]>, Vec<Option<[u8; 256]>>)> {
    let mut palette: Vec<[u8; 3]> = Vec::new();
    let mut indices: HashMap<[u8; 3], usize> = HashMap::new();
    let mut translations = Vec::new();
    // White first, unless the first picture brings it.
    let first = placed.first().and_then(|(picture, _, _)| picture.palette());
    if let Some(first) = first.filter(|colours| colours.contains(&[255; 3])) {
        palette = first.to_vec();
    } else {
        palette.extend(&INK[..1]);
    }
    for (index, &colour) in palette.iter().enumerate() {
        indices.entry(colour).or_insert(index);
    }
    for (picture, _, _) in placed {
        let colours = picture.palette()?;
        if palette.starts_with(colours) {
            translations.push(None);
            continue;
        }
        let mut table = [0u8; 256];
        for (entry, &colour) in table.iter_mut().zip(colours) {
            let index = *indices.entry(colour).or_insert_with(|| {
                palette.push(colour);
                palette.len() - 1
            });
            *entry = u8::try_from(index).ok()?;
        }
        translations.push(Some(table));
    }
    Some((palette, translations))
}
