//! Lettering: lines of text as pictures, set in the embedded font.

use std::borrow::Cow;
use std::collections::HashMap;

use ab_glyph::{Font, FontRef, GlyphId, PxScale, ScaleFont, point};

use super::layout::COLUMN;
use super::picture::Picture;

/// DejaVu Sans, the characters of Western languages and of formulas.
pub(crate) fn font_bytes() -> &'static [u8] {
    include_bytes!("../../assets/fonts/DejaVuSans-subset.ttf")
}

/// [`Lettering::wrap`] for letters of this height, in pixels from the top of the highest to the foot of
/// the lowest.
pub(crate) fn wrap(text: &str, height: f32, width: f32, most: usize) -> Vec<String> {
    // DejaVu reaches 0.928 em up and 0.236 em down.
    Lettering::new(height / 1.164).wrap(text, width, most)
}

/// A text of at most so many characters, the last of them an ellipsis where it was longer.
pub(crate) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some(_) => {
            let start: String = text.chars().take(most.saturating_sub(1)).collect();
            Cow::Owned(start + "…")
        }
    }
}

/// From the white ground to the ink, in the steps that smooth the edges of letters.
pub(super) const INK: [[u8; 3]; 12] = {
    let mut ramp = [[0; 3]; 12];
    let mut i = 0;
    while i < 12 {
        ramp[i] = [255 - (i * 223 / 11) as u8; 3];
        i += 1;
    }
    ramp
};

/// The same from a black ground to white.
const LIGHT: [[u8; 3]; 12] = {
    let mut ramp = [[0; 3]; 12];
    let mut i = 0;
    while i < 12 {
        ramp[i] = [(i * 255 / 11) as u8; 3];
        i += 1;
    }
    ramp
};

/// From the ground of a page to what is written on it.
pub(super) fn ink(dark: bool) -> [[u8; 3]; 12] {
    if dark { LIGHT } else { INK }
}

/// Where long names are broken.
const SEAMS: [char; 6] = ['_', '-', '/', '.', ':', ','];

/// What ends in one of these is a file's name, which is not broken.
const FILES: [&str; 22] = [
    "jpg",
    "jpeg",
    "png",
    "gif",
    "bmp",
    "webp",
    "tif",
    "tiff",
    "ppm",
    "pgm",
    "npy",
    "npz",
    "sgy",
    "segy",
    "json",
    "txt",
    "csv",
    "safetensors",
    "pt",
    "pth",
    "pt2",
    "onnx",
];

/// How high text is, from one line to the next, in ems.
const LEADING: f32 = 1.3;

/// The size of text, in pixels an em, on a picture of this width. Notebooks shrink what is wider
/// than their column of about 1,000 pixels, so text grows with the picture.
pub(super) fn size_for(width: u32) -> f32 {
    13.0 * (width as f32 / COLUMN as f32).max(1.0)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Centre,
}

struct Stamp {
    left: i32,
    top: i32,
    width: usize,
    steps: Vec<u8>,
}

/// The font at one size. Glyphs are drawn once each.
pub(super) struct Lettering {
    font: Option<FontRef<'static>>,
    em: f32,
    scale: PxScale,
    ink: [[u8; 3]; 12],
    stamps: HashMap<(GlyphId, u8), Option<Stamp>>,
}

impl Lettering {
    /// The embedded font at a size in pixels an em.
    pub(super) fn new(em: f32) -> Lettering {
        let em = em.clamp(4.0, 400.0);
        let font = FontRef::try_from_slice(font_bytes()).ok();
        let scale = font.as_ref().and_then(|font| {
            font.units_per_em().map(|units| PxScale::from(em * font.height_unscaled() / units))
        });
        let scale = scale.unwrap_or(PxScale::from(em));
        Lettering { font, em, scale, ink: INK, stamps: HashMap::new() }
    }

    /// White on black, or black on white.
    pub(super) fn dark(mut self, dark: bool) -> Lettering {
        self.ink = ink(dark);
        self
    }

    pub(super) fn line_height(&self) -> u32 {
        (self.em * LEADING).round() as u32
    }

    /// The width of a line, in pixels.
    pub(super) fn width(&self, line: &str) -> f32 {
        line.chars().map(|character| self.advance(character)).sum()
    }

    fn advance(&self, character: char) -> f32 {
        self.font.as_ref().map_or(0.0, |font| {
            let font = font.as_scaled(self.scale);
            font.h_advance(font.glyph_id(character))
        })
    }

    /// Text in lines that are at most so wide: at the given line breaks, else between words, else
    /// within a word, after a sign such as `_` or `/` if there is one. Of a file's name that does not
    /// fit into a line, its end is kept, which tells it from others. What does not fit into `most`
    /// lines ends in an ellipsis.
    pub(super) fn wrap(&self, text: &str, width: f32, most: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for paragraph in text.lines() {
            let paragraph: String = paragraph.chars().filter_map(printable).collect();
            self.wrap_paragraph(paragraph.trim_end(), width, most, &mut lines);
            if lines.len() > most {
                break;
            }
        }
        if lines.len() > most {
            lines.truncate(most);
            if let Some(last) = lines.last_mut() {
                while !last.is_empty() && self.width(last) + self.advance('…') > width {
                    last.pop();
                }
                last.truncate(last.trim_end().len());
                last.push('…');
            }
        }
        lines
    }

    fn wrap_paragraph(&self, text: &str, width: f32, most: usize, lines: &mut Vec<String>) {
        let mut line = String::new();
        let mut used = 0.0;
        let unbroken = |word| {
            if !is_file(word) || self.width(word.trim_end()) <= width {
                return vec![Cow::Borrowed(word)];
            }
            let parts = word.split_inclusive(['/', '\\']);
            parts.map(|part| self.end_of(part, width)).collect::<Vec<Cow<'_, str>>>()
        };
        for word in text.split_inclusive(' ').flat_map(unbroken) {
            if lines.len() > most {
                return;
            }
            let word = word.as_ref();
            let bare = self.width(word.trim_end());
            if used + bare > width && !line.is_empty() {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
                used = 0.0;
            }
            if bare <= width {
                line.push_str(word);
                used += self.width(word);
                continue;
            }
            for character in word.chars() {
                if lines.len() > most {
                    return;
                }
                let advance = self.advance(character);
                if used + advance > width && !line.is_empty() && character != ' ' {
                    let rest = match line.rfind(SEAMS) {
                        Some(at) => line.split_off(at + 1),
                        None => String::new(),
                    };
                    lines.push(std::mem::replace(&mut line, rest).trim_end().to_owned());
                    used = self.width(&line);
                }
                line.push(character);
                used += advance;
            }
        }
        lines.push(line.trim_end().to_owned());
    }

    /// As much of the end of a word as fits.
    fn end_of<'w>(&self, word: &'w str, width: f32) -> Cow<'w, str> {
        if self.width(word.trim_end()) <= width {
            return Cow::Borrowed(word);
        }
        let mut used = self.advance('…');
        let fits = |(_, character): &(usize, char)| {
            used += self.advance(*character);
            used <= width || *character == ' '
        };
        let start = word.char_indices().rev().take_while(fits).last();
        Cow::Owned(format!("…{}", start.map_or("", |(start, _)| &word[start..])))
    }

    /// Lines as a picture of the given width.
    pub(super) fn draw(&mut self, lines: &[String], width: u32, align: Align) -> Picture {
        let (width, line_height) = (width.max(1), self.line_height().max(1));
        let height = line_height * (lines.len() as u32).max(1);
        let mut steps = vec![0u8; width as usize * height as usize];
        for (i, line) in lines.iter().enumerate() {
            let free = (width as f32 - self.width(line)).max(0.0);
            let x = if align == Align::Centre { (free / 2.0).floor() } else { 0.0 };
            // DejaVu reaches 0.93 em up and 0.24 em down.
            let baseline = (i as u32 * line_height) as i32 + (self.em * 0.99).round() as i32;
            self.draw_line(line, x, baseline, width as usize, &mut steps);
        }
        Picture::from_indexed(width, height, steps, self.ink.to_vec())
    }

    fn draw_line(&mut self, line: &str, mut x: f32, baseline: i32, width: usize, out: &mut [u8]) {
        let Some(font) = self.font.clone() else { return };
        let height = out.len() / width;
        for character in line.chars() {
            let id = font.glyph_id(character);
            // Quarters of a pixel keep the spacing even and the stamps few.
            let quarters = (x * 4.0).round() as i32;
            let key = (id, quarters.rem_euclid(4) as u8);
            let scale = self.scale;
            let stamp = self.stamps.entry(key).or_insert_with(|| stamp(&font, scale, key));
            x += font.as_scaled(scale).h_advance(id);
            let Some(stamp) = stamp else { continue };
            let left = quarters.div_euclid(4) + stamp.left;
            for (row, steps) in stamp.steps.chunks_exact(stamp.width).enumerate() {
                let y = baseline + stamp.top + row as i32;
                if y < 0 || y as usize >= height {
                    continue;
                }
                for (column, &step) in steps.iter().enumerate() {
                    let at = left + column as i32;
                    if at >= 0 && (at as usize) < width {
                        let place = &mut out[y as usize * width + at as usize];
                        *place = step.max(*place);
                    }
                }
            }
        }
    }
}

fn stamp(font: &FontRef<'_>, scale: PxScale, (id, quarter): (GlyphId, u8)) -> Option<Stamp> {
    let glyph = id.with_scale_and_position(scale, point(f32::from(quarter) / 4.0, 0.0));
    let outline = font.outline_glyph(glyph)?;
    let bounds = outline.px_bounds();
    let (width, height) = (bounds.width() as usize, bounds.height() as usize);
    let mut steps = vec![0u8; width * height];
    outline.draw(|x, y, coverage| {
        if let Some(step) = steps.get_mut(y as usize * width + x as usize) {
            // Thin strokes would look pale: more ink at the edges.
            let ink = coverage.clamp(0.0, 1.0).powf(0.75);
            *step = (ink * (INK.len() - 1) as f32).round() as u8;
        }
    });
    (width > 0).then_some(Stamp {
        left: bounds.min.x as i32,
        top: bounds.min.y as i32,
        width,
        steps,
    })
}

/// Whether a word is a file's name, or a path to one.
fn is_file(word: &str) -> bool {
    let name = word.trim_end_matches([' ', ',', ';', ':', ')', '"']);
    let Some((stem, ending)) = name.rsplit_once('.') else { return false };
    !stem.is_empty() && FILES.iter().any(|known| known.eq_ignore_ascii_case(ending))
}

/// Control and format characters are not set; a tab is a space.
fn printable(character: char) -> Option<char> {
    match character {
        '\t' | '\u{A0}' => Some(' '),
        '\u{AD}'
        | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2064}'
        | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}' => None,
        other => (!other.is_control()).then_some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_not_broken() {
        let lettering = Lettering::new(13.0);
        let wrap = |text: &str, width: f32| lettering.wrap(text, width, 3);
        // A name that fits has a line of its own; a path is broken between its folders.
        assert_eq!(
            wrap("the photo cat_0012.jpg: 62 %", 100.0),
            ["the photo", "cat_0012.jpg:", "62 %"]
        );
        assert_eq!(wrap("cats_and_dogs/cat_0012.jpg", 110.0), ["cats_and_dogs/", "cat_0012.jpg"]);
        // The end tells it from others.
        assert_eq!(wrap("n02124075_Egyptian_cat_0012.JPEG", 110.0), ["…cat_0012.JPEG"]);
        // Other long words are broken where their parts meet.
        assert_eq!(
            wrap("features.12.expand3x3.conv", 90.0),
            ["features.12.", "expand3x3.", "conv"]
        );
    }

    #[test]
    fn long_texts_are_not_read_to_their_end() {
        let lettering = Lettering::new(13.0);
        let text = "cat/".repeat(1 << 20) + "cat.jpg";
        assert_eq!(lettering.wrap(&text, 50.0, 2).len(), 2);
        assert_eq!(lettering.wrap(&"x".repeat(1 << 20), 50.0, 1).concat(), "xxxx…");
    }
}
