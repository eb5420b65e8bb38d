//! What a network that segments tells apart.

/// The classes of the output channels.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outputs {
    Named(Vec<String>),
    Counted(i64),
}

impl Outputs {
    pub(super) fn named<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Outputs::Named(names.into_iter().map(Into::into).collect())
    }

    pub(super) fn count(&self) -> i64 {
        match self {
            Outputs::Named(names) => names.len() as i64,
            Outputs::Counted(count) => *count,
        }
    }

    pub(super) fn names(&self) -> &[String] {
        match self {
            Outputs::Named(names) => names,
            Outputs::Counted(_) => &[],
        }
    }
}
