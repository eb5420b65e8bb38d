//! What a detector finds in a photo: boxes, each with its class and score.

mod detection;
mod detector;
mod rows;
mod suppress;

use std::fmt;
use std::rc::Rc;

pub use detection::Detection;
pub use detector::Detector;

use super::Look;
use crate::error::{Error, Result};
use crate::number::number;
use crate::photo::View;
use crate::picture::{Picture, Rectangle};
use crate::show::{MimeBundle, Show, debug_line};
use detection::Source;
use rows::Row;

/// Boxes beyond so many are not listed in words; the picture has them all.
const MOST_LISTED: usize = 50;

/// The boxes that a network finds in a photo, best first. A notebook shows the photo with them.
#[derive(Clone)]
pub struct Detections {
    rows: Vec<Detection>,
    view: Rc<View>,
    network: String,
    /// That there is no box, and how near the nearest came.
    remark: Option<String>,
}

impl Look {
    /// The boxes that a network which finds objects puts out for this photo.
    ///
    /// ```no_run
    /// use convlens::prelude::*;
    /// let look = Model::open("yolo.onnx")?.look(&Photo::open("street.jpg")?)?;
    /// let found = look.detections(&Detector::default())?;
    /// let heat = look.explain_each(&GradCam::at("model.21"), &found)?; // one heat map a box
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the output is not of the shape that the detector reads; a confidence or an overlap that does not lie between 0
    /// and 1; a closure that panics or returns other shapes; what is not finite.
    pub fn detections(&self, detector: &Detector) -> Result<Detections> {
        let (rows, source) = self.read_boxes(detector)?;
        let found = detector.found(&rows);
        let boxes = found.into_iter().map(|(row, _)| self.boxed(detector, &rows, &source, row));
        let boxes: Vec<Detection> = boxes.collect::<Result<_>>()?;
        let remark = boxes.is_empty().then(|| nothing(detector, &rows));
        Ok(Detections {
            rows: boxes,
            view: Rc::clone(&self.view),
            network: self.model().name().to_owned(),
            remark,
        })
    }

    /// What one row of the output says, with the best of its classes, however low its score: to ask why something was
    /// not found.
    ///
    /// # Errors
    /// As [`detections`](Look::detections); when there is no such row.
    pub fn detection(&self, detector: &Detector, row: usize) -> Result<Detection> {
        let (rows, source) = self.read_boxes(detector)?;
        self.boxed(detector, &rows, &source, row)
    }

    fn read_boxes(&self, detector: &Detector) -> Result<(Vec<Row>, Source)> {
        detector.check()?;
        if self.view.numbers().is_some() {
            return Err(Error::Argument(
                "boxes are found in photos, and the input is a row of numbers".into(),
            ));
        }
        detector.read(self)
    }

    fn boxed(
        &self,
        detector: &Detector,
        rows: &[Row],
        source: &Source,
        row: usize,
    ) -> Result<Detection> {
        let found = rows.get(row).and_then(|found| Some((found.corners, found.best()?)));
        let Some((corners, (class, score))) = found else {
            return Err(Error::Argument(format!(
                "{} puts out {} boxes, numbered from 0: there is no row {row}",
                self.model().name(),
                rows.len()
            )));
        };
        let seen = self.view.seen();
        Ok(Detection {
            class,
            name: detector.class_name(class),
            score,
            corners,
            source: source.at(row),
            seen: [seen.width(), seen.height()],
        })
    }
}

/// That no score is high enough, and which is the highest.
fn nothing(detector: &Detector, rows: &[Row]) -> String {
    let above = detector.above();
    let best = rows.iter().filter_map(Row::best).reduce(|a, b| if b.1 > a.1 { b } else { a });
    match best {
        Some((class, score)) => format!(
            "no box has a score above {above}; the highest is {}, of {}: choose a lower one by \
             Detector::confidence",
            number(score, 3),
            detector.class_name(class)
        ),
        None => "the detector puts out no boxes at all".into(),
    }
}

impl Detections {
    /// The boxes, best first.
    pub fn rows(&self) -> &[Detection] {
        &self.rows
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing was found; [`remark`](Detections::remark) says how near it came.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Where there is no box, how high the highest score is.
    pub fn remark(&self) -> Option<&str> {
        self.remark.as_deref()
    }

    /// What the network sees with all boxes on it, each with its class and score; the best lies on top.
    pub fn picture(&self) -> Picture {
        let rectangles: Vec<Rectangle> = self.rows.iter().map(Detection::rectangle).collect();
        self.view.shown().marked(&rectangles)
    }

    fn caption(&self) -> String {
        let count = match self.rows.len() {
            1 => "1 box".to_owned(),
            count => format!("{count} boxes"),
        };
        let caption = format!("{} finds in {}: {count}", self.network, self.view.photo().title());
        let caption = self.view.captioned(caption);
        match &self.remark {
            Some(remark) => format!("{caption}\n{remark}"),
            None => caption,
        }
    }
}

impl<'d> IntoIterator for &'d Detections {
    type Item = &'d Detection;
    type IntoIter = std::slice::Iter<'d, Detection>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.iter()
    }
}

impl fmt::Display for Detections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.caption())?;
        for row in self.rows.iter().take(MOST_LISTED) {
            write!(f, "\n{row}")?;
        }
        match self.rows.len().checked_sub(MOST_LISTED) {
            Some(more) if more > 0 => write!(f, "\n… and {more} more"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Detections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (network, photo) = (&self.network, self.view.photo().title());
        debug_line(f, format_args!("Detections of {network} on {photo}, {}", self.rows.len()))
    }
}

impl Show for Detections {
    fn bundle(&self) -> MimeBundle {
        MimeBundle::picture(self.picture().captioned(&self.caption()), self.to_string())
    }
}
