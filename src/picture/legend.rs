//! A legend: which colour stands for what.

use super::compose::place;
use super::picture::Picture;
use super::text::{Align, Lettering, size_for};

/// Space between the legend and the edges of its picture.
const INSET: u32 = 4;

impl Picture {
    /// The names of colours, each after a swatch of it, in as many columns as fit into `width`; in
    /// columns from the top down, on white. No name at all makes a single white pixel.
    ///
    /// ```
    /// use convlens::picture::Picture;
    /// let legend = Picture::legend(&[([200, 0, 0], "salt"), ([0, 0, 200], "shale")], 300);
    /// assert_eq!(legend.width(), 300);
    /// ```
    pub fn legend(entries: &[([u8; 3], &str)], width: u32) -> Picture {
        let mut lettering = Lettering::new(size_for(width));
        let line = lettering.line_height();
        let (swatch, gap) = (line * 4 / 5, line / 3);
        let room = width.saturating_sub(2 * INSET).max(1);
        let most = room.saturating_sub(swatch + gap).max(1);
        let texts: Vec<(Vec<String>, u32)> = entries
            .iter()
            .map(|(_, name)| {
                let wrapped = lettering.wrap(name, most as f32, 1);
                let used = wrapped.iter().map(|line| lettering.width(line)).fold(0.0, f32::max);
                (wrapped, (used.ceil() as u32 + 1).min(most))
            })
            .collect();
        // The widths of the columns when there are so many rows in each.
        let columns = |rows: usize| -> Vec<u32> {
            let widest = |column: &[(Vec<String>, u32)]| {
                swatch + gap + column.iter().map(|(_, width)| *width).max().unwrap_or(0)
            };
            texts.chunks(rows.max(1)).map(widest).collect()
        };
        let between = line;
        let fits = |widths: &[u32]| {
            let gaps = between * (widths.len() as u32).saturating_sub(1);
            widths.len() < 64 && widths.iter().sum::<u32>() + gaps <= room
        };
        let rows = (1..=texts.len()).find(|&rows| fits(&columns(rows))).unwrap_or(texts.len());
        let step = line + line / 5;
        let mut placed = Vec::new();
        let mut left = INSET;
        for ((column, colours), width) in
            texts.chunks(rows.max(1)).zip(entries.chunks(rows.max(1))).zip(columns(rows))
        {
            for (row, ((text, text_width), (colour, _))) in column.iter().zip(colours).enumerate() {
                let top = row as u32 * step;
                let square = vec![0; swatch as usize * swatch as usize];
                let square = Picture::from_indexed(swatch, swatch, square, vec![*colour]);
                placed.push((square, left, top + (line - swatch) / 2));
                let drawn = lettering.draw(text, *text_width, Align::Left);
                placed.push((drawn, left + swatch + gap, top));
            }
            left += width + between;
        }
        let height = (rows as u64 * u64::from(step)).max(1);
        let widest = placed.iter().map(|(part, x, _)| x + part.width()).max().unwrap_or(1);
        let width = if entries.is_empty() { 1 } else { width.max(widest) };
        place(width.into(), height, &placed)
    }
}
