//! What a network predicts, best first.

use std::fmt;

use crate::chart;
use crate::picture::shortened;
use crate::show::{MimeBundle, Show, debug_line, error_bundle};

/// One class and how probable the network finds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The index of the class.
    pub class: usize,
    /// Its short name.
    pub name: String,
    /// Its probability, 0 to 1: by the softmax, or, where the network ends in a sigmoid or in one
    /// output alone, by the sigmoid.
    pub probability: f64,
    /// Its score as the network puts it out: before the softmax, or behind the network's own sigmoid. Of "no", where
    /// one output `y` says yes or no, `−y`, or `1 − y` behind a sigmoid.
    pub logit: f64,
}

impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = shortened(&self.name, 100);
        write!(f, "{:5.1} %  {name} ({})", 100.0 * self.probability, self.class)
    }
}

impl Show for Prediction {
    fn bundle(&self) -> MimeBundle {
        MimeBundle::text(self.to_string().trim_start())
    }
}

/// The most probable classes of a photo, best first.
#[derive(Clone, PartialEq)]
pub struct Predictions {
    pub(super) rows: Vec<Prediction>,
    pub(super) network: String,
    pub(super) photo: String,
}

impl Predictions {
    /// The classes, best first; at least one.
    pub fn rows(&self) -> &[Prediction] {
        &self.rows
    }

    /// The most probable class.
    pub fn top(&self) -> Prediction {
        self.rows[0].clone()
    }
}

impl fmt::Display for Predictions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sees in {}:", self.network, self.photo)?;
        for row in &self.rows {
            write!(f, "\n{row}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Predictions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(
            f,
            format_args!("Predictions of {} on {}, {}", self.network, self.photo, self.rows.len()),
        )
    }
}

impl Show for Predictions {
    fn bundle(&self) -> MimeBundle {
        let bars: Vec<(String, f64)> = self
            .rows
            .iter()
            .take(MOST_BARS)
            .map(|row| {
                (format!("{} ({})", shortened(&row.name, BESIDE), row.class), row.probability)
            })
            .collect();
        match chart::percentage_bars(&bars) {
            Ok(picture) if self.rows.len() > MOST_BARS => {
                let note = format!("the first {MOST_BARS} of {} are drawn", self.rows.len());
                MimeBundle::picture(picture.captioned(&note), format!("{self}\n{note}"))
            }
            Ok(picture) => MimeBundle::picture(picture, self.to_string()),
            Err(error) => error_bundle(&error),
        }
    }
}

/// More bars than this are not drawn; the text has them all.
const MOST_BARS: usize = 50;

/// Characters of a class's name that fit beside its bar.
const BESIDE: usize = 40;
