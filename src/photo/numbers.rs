//! A row of numbers in the place of a photo: its bars, and those of what each number contributes.

use std::rc::Rc;

use crate::chart::{Chart, signed_bars};
use crate::error::Result;
use crate::number::{number, signed};
use crate::picture::{Picture, shortened};
use crate::show::{MimeBundle, error_bundle};

/// More contributions than this are not drawn, and more values.
const MOST: usize = 20;
const MOST_VALUES: usize = 50;

/// Characters of a name that fit beside its bar.
const BESIDE: usize = 40;

/// A row of numbers as a network sees it, `[F]`.
#[derive(Debug)]
pub(crate) struct Numbers {
    pub(crate) values: Vec<f32>,
    /// As many.
    pub(crate) names: Rc<[String]>,
}

impl Numbers {
    /// The numbers as bars, under this text.
    pub(crate) fn bundle(&self, text: &str) -> MimeBundle {
        let count = self.values.len();
        let text = match count {
            0..=MOST_VALUES => text.to_owned(),
            _ => format!("{text}\nthe first {MOST_VALUES} of {count} are drawn"),
        };
        let named = self.names.iter().map(|name| shortened(name, BESIDE).into_owned());
        let bars = named.zip(&self.values).take(MOST_VALUES);
        match Chart::bars(bars).picture() {
            Ok(picture) => MimeBundle::picture(picture.captioned(&text), text),
            Err(error) => error_bundle(&error),
        }
    }

    /// The places of those that contribute most, first.
    fn ranked(&self, contributions: &[f32]) -> Vec<usize> {
        let mut places: Vec<usize> = (0..contributions.len().min(self.values.len())).collect();
        places.sort_by(|&a, &b| contributions[b].abs().total_cmp(&contributions[a].abs()));
        places
    }

    /// "age: 54"
    fn label(&self, place: usize) -> String {
        let name = shortened(&self.names[place], BESIDE);
        // With the sign that contributions have.
        let value = number(f64::from(self.values[place]), 4).replacen('-', "−", 1);
        format!("{name}: {value}")
    }

    /// A bar for each of those that contribute most, from the first on; `what` says what the bars are of.
    pub(crate) fn bars(&self, contributions: &[f32], what: &str) -> Result<Picture> {
        let drawn = self.ranked(contributions).into_iter().take(MOST);
        let rows = drawn.map(|place| (self.label(place), f64::from(contributions[place])));
        signed_bars(&rows.collect::<Vec<_>>(), [what, "number: its value"])
    }

    /// What is said of those that are not drawn.
    pub(crate) fn others(&self, contributions: &[f32]) -> Option<String> {
        let ranked = self.ranked(contributions);
        let first = f64::from(contributions[*ranked.get(MOST)?].abs());
        Some(format!("and {} more, none beyond ±{}", ranked.len() - MOST, number(first, 3)))
    }

    /// The same as text, a line each.
    pub(crate) fn lines(&self, contributions: &[f32]) -> Vec<String> {
        let drawn = self.ranked(contributions).into_iter().take(MOST);
        let line = |place: usize| {
            format!("{}: {}", self.label(place), signed(f64::from(contributions[place]), 3))
        };
        drawn.map(line).chain(self.others(contributions)).collect()
    }
}
