//! How well a predicted mask agrees with the true one.

use std::fmt;

use super::{Classes, Mask};
use crate::error::{Error, Result};
use crate::picture::shortened;
use crate::show::{MimeBundle, Show, debug_line, escape_html};

/// How well a predicted mask agrees with the true one, from the confusion matrix `n`, where
/// `n[t][p]` pixels of class `t` are predicted as class `p`.
///
/// A cell shows a table: each class with its intersection over union, recall, and share of the
/// pixels.
///
/// ```
/// use convlens::mask::{Classes, Mask};
/// let classes = Classes::named(["water", "rock"])?;
/// let truth = Mask::new(1, 4, vec![0, 0, 1, 1], &classes)?;
/// let score = truth.score(&Mask::new(1, 4, vec![0, 1, 1, 1], &classes)?)?;
/// assert_eq!(score.pixel_accuracy(), 0.75);
/// assert_eq!(score.iou(0), Some(0.5));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
pub struct SegmentationScore {
    classes: Classes,
    /// Row by row, `[truth, predicted]`.
    confusion: Vec<u64>,
}

impl Mask {
    /// How well a prediction agrees with this mask.
    ///
    /// # Errors
    /// When the masks differ in size, or the prediction names a class that this mask does not
    /// have.
    pub fn score(&self, predicted: &Mask) -> Result<SegmentationScore> {
        if (self.height(), self.width()) != (predicted.height(), predicted.width()) {
            return Err(Error::Shape(format!(
                "a prediction of {} × {} for a mask of {} × {}: resize one of them first",
                predicted.height(),
                predicted.width(),
                self.height(),
                self.width()
            )));
        }
        let count = self.classes().len();
        if let Some(label) = predicted.labels().iter().find(|&&label| usize::from(label) >= count) {
            return Err(Error::Argument(format!(
                "the prediction names class {label}, but the mask has {count}, from 0 on"
            )));
        }
        let mut confusion = vec![0u64; count * count];
        for (&truth, &guess) in self.labels().iter().zip(predicted.labels()) {
            confusion[usize::from(truth) * count + usize::from(guess)] += 1;
        }
        Ok(SegmentationScore { classes: self.classes().clone(), confusion })
    }
}

impl SegmentationScore {
    /// The classes, in the order of the matrix.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// How many pixels of class `truth` are predicted as class `predicted`; 0 where there is no
    /// such class.
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        let count = self.classes.len();
        if truth < count && predicted < count {
            self.confusion[truth * count + predicted]
        } else {
            0
        }
    }

    /// The share of pixels that are right: `Σ n[c][c] / Σ n`.
    pub fn pixel_accuracy(&self) -> f64 {
        let right: u64 = (0..self.classes.len()).map(|class| self.count(class, class)).sum();
        right as f64 / self.pixels().max(1) as f64
    }

    /// Intersection over union of a class, `n[c][c] / (Σ n[c][·] + Σ n[·][c] − n[c][c])`; `None`
    /// where the class is in neither mask.
    pub fn iou(&self, class: usize) -> Option<f64> {
        let both = self.count(class, class);
        let either = self.truly(class) + self.guessed(class) - both;
        (either > 0).then(|| both as f64 / either as f64)
    }

    /// The mean of [`iou`](SegmentationScore::iou) over the classes that are in one of the masks.
    pub fn mean_iou(&self) -> f64 {
        let known: Vec<f64> = (0..self.classes.len()).filter_map(|class| self.iou(class)).collect();
        known.iter().sum::<f64>() / known.len().max(1) as f64
    }

    /// The share of a class's pixels that are found, `n[c][c] / Σ n[c][·]`; `None` where there is
    /// none.
    pub fn recall(&self, class: usize) -> Option<f64> {
        let truly = self.truly(class);
        (truly > 0).then(|| self.count(class, class) as f64 / truly as f64)
    }

    /// Both scores as one: of all the pixels of both.
    ///
    /// # Errors
    /// When they are not about the same classes.
    pub fn and(&self, other: &SegmentationScore) -> Result<SegmentationScore> {
        if self.classes.names() != other.classes.names() {
            return Err(Error::Argument("these scores are about different classes".into()));
        }
        let confusion = self.confusion.iter().zip(&other.confusion).map(|(a, b)| a + b).collect();
        Ok(SegmentationScore { classes: self.classes.clone(), confusion })
    }

    fn pixels(&self) -> u64 {
        self.confusion.iter().sum()
    }

    fn truly(&self, class: usize) -> u64 {
        (0..self.classes.len()).map(|other| self.count(class, other)).sum()
    }

    fn guessed(&self, class: usize) -> u64 {
        (0..self.classes.len()).map(|other| self.count(other, class)).sum()
    }

    fn rows(&self) -> Vec<[String; 4]> {
        let percent = |share: Option<f64>| {
            share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", 100.0 * share))
        };
        let row = |(class, name): (usize, &String)| {
            let share = self.truly(class) as f64 / self.pixels().max(1) as f64;
            let iou = percent(self.iou(class));
            [
                shortened(name, 60).into_owned(),
                iou,
                percent(self.recall(class)),
                percent(Some(share)),
            ]
        };
        self.classes.names().iter().enumerate().map(row).collect()
    }

    fn totals(&self) -> [(&'static str, String); 2] {
        [
            ("Pixel accuracy", format!("{:.1} %", 100.0 * self.pixel_accuracy())),
            ("Mean IoU", format!("{:.1} %", 100.0 * self.mean_iou())),
        ]
    }
}

const COLUMNS: [&str; 4] = ["Class", "IoU", "Found", "Share of pixels"];

impl fmt::Display for SegmentationScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows();
        let heads = COLUMNS.map(str::to_owned);
        let width = |i: usize| {
            rows.iter().chain([&heads]).map(|row| row[i].chars().count()).max().unwrap_or(0)
        };
        let widths: [usize; 4] = std::array::from_fn(width);
        for [name, iou, recall, share] in [&heads].into_iter().chain(&rows) {
            let [a, b, c, d] = widths;
            writeln!(f, "{name:<a$}  {iou:>b$}  {recall:>c$}  {share:>d$}")?;
        }
        let totals = self.totals().map(|(label, value)| format!("{label}: {value}"));
        f.write_str(&totals.join(", "))
    }
}

impl fmt::Debug for SegmentationScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("SegmentationScore of {} classes", self.classes.len()))
    }
}

impl Show for SegmentationScore {
    fn bundle(&self) -> MimeBundle {
        let aligned = |i: usize| if i == 0 { "left" } else { "right" };
        let cell = |tag: &str, i: usize, text: &str| {
            let side = aligned(i);
            let text = escape_html(text);
            format!("<{tag} align=\"{side}\" style=\"text-align:{side}\">{text}</{tag}>")
        };
        let mut html = "<table>\n<thead><tr>".to_owned();
        html.extend(COLUMNS.iter().enumerate().map(|(i, title)| cell("th", i, title)));
        html += "</tr></thead>\n<tbody>\n";
        for row in self.rows() {
            html += "<tr>";
            html.extend(row.iter().enumerate().map(|(i, text)| cell("td", i, text)));
            html += "</tr>\n";
        }
        html += "</tbody>\n</table>\n<p>";
        html += &self.totals().map(|(label, value)| format!("{label}: <b>{value}</b>")).join(" · ");
        html += "</p>";
        MimeBundle::html(html, self.to_string())
    }
}
