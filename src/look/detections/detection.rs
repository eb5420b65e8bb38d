//! One box of a detector.

use std::fmt;

use super::detector::Function;
use super::rows::Layout;
use super::suppress::Corners;
use crate::mask::colour_of;
use crate::picture::Rectangle;
use crate::show::{MimeBundle, Show};

/// An object that a network has found: where, what and how sure. It is a
/// [`Target`](crate::attribution::Target), too: what is explained is its score.
#[derive(Clone, PartialEq)]
pub struct Detection {
    /// The index of its class.
    pub class: usize,
    /// The class's name.
    pub name: String,
    /// How sure the network is, as it puts it out, by objectness if there is one.
    pub score: f64,
    /// Left, top, right and bottom in pixels of what the network sees; they may lie beyond it.
    pub corners: [f64; 4],
    pub(super) source: Source,
    /// Width and height of what the network sees.
    pub(super) seen: [u32; 2],
}

/// Where a box comes from.
#[derive(Clone, PartialEq)]
pub(super) enum Source {
    /// A row of the output.
    Row(Layout, usize),
    Function(Function),
}

impl Source {
    /// The same at another row.
    pub(super) fn at(&self, row: usize) -> Source {
        match self {
            Source::Row(layout, _) => Source::Row(*layout, row),
            Source::Function(function) => Source::Function(function.clone()),
        }
    }
}

impl Detection {
    /// Its row in the network's output, where a row is a box.
    pub fn row(&self) -> Option<usize> {
        match self.source {
            Source::Row(_, row) => Some(row),
            Source::Function(_) => None,
        }
    }

    /// What is drawn of it on what the network sees, at any size.
    pub fn rectangle(&self) -> Rectangle {
        let [width, height] = self.seen.map(f64::from);
        let [left, top, right, bottom] = self.corners;
        let sides: Corners = [left / width, top / height, right / width, bottom / height];
        Rectangle::new(sides, format!("{} {:.2}", self.name, self.score))
            .colour(colour_of(self.class))
    }

    /// What captions call it: "box of dog (16), score 0.82".
    pub(crate) fn label(&self) -> String {
        format!("box of {}, score {:.2}", self.named(), self.score)
    }

    fn named(&self) -> String {
        let own = format!("class {}", self.class);
        if self.name == own { own } else { format!("{} ({})", self.name, self.class) }
    }
}

impl fmt::Display for Detection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [left, top, right, bottom] = self.corners.map(f64::round).map(|side| side + 0.0);
        write!(
            f,
            "{:.2}  {}, columns {left} to {right}, rows {top} to {bottom}",
            self.score,
            self.named()
        )
    }
}

impl fmt::Debug for Detection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Detection({self})")
    }
}

impl Show for Detection {
    fn bundle(&self) -> MimeBundle {
        MimeBundle::text(self.to_string())
    }
}
