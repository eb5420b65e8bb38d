//! What an explanation is about.

use crate::error::{Error, Result};
use crate::look::best_first;
use crate::model::Model;

/// The output that is to be explained.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Target {
    /// The class with the highest score.
    #[default]
    Predicted,
    /// The class of this index.
    Index(i64),
    /// The class of this name.
    Name(String),
}

impl Target {
    /// The index of the class among `scores`.
    pub(crate) fn resolve(&self, model: &Model, scores: &[f32]) -> Result<usize> {
        let in_range = |index: i64| match usize::try_from(index) {
            Ok(class) if class < scores.len() => Ok(class),
            _ => Err(Error::Argument(format!(
                "{} has the classes 0 to {}, not {index}",
                model.name(),
                scores.len().saturating_sub(1)
            ))),
        };
        match self {
            Target::Predicted => {
                let best = best_first(scores).first().copied();
                best.ok_or_else(|| Error::Shape(format!("{} has no classes", model.name())))
            }
            Target::Name(name) => in_range(model.class_index(name)? as i64),
            Target::Index(index) => in_range(*index),
        }
    }
}

impl From<&str> for Target {
    fn from(name: &str) -> Self {
        Target::Name(name.to_owned())
    }
}

impl From<String> for Target {
    fn from(name: String) -> Self {
        Target::Name(name)
    }
}

macro_rules! target_from_integer {
    ($($kind:ty),*) => {
        $(impl From<$kind> for Target {
            fn from(index: $kind) -> Self {
                Target::Index(i64::try_from(index).unwrap_or(i64::MAX))
            }
        })*
    };
}
target_from_integer!(i32, i64, u32, usize);
