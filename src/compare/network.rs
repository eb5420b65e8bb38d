//! A network as a comparison takes it: by name, as it is, or by what loads it.

use std::fmt;

use crate::error::Result;
use crate::model::Model;
use crate::zoo;

/// A network to be compared: its title, and where it comes from.
///
/// ```
/// use convlens::compare::Network;
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// let photo = Photo::open("assets/photos/cat.png")?;
/// let pair = [("trained", &model), ("again", &model)]; // networks that are there already
/// compare::networks(pair, &photo, &GradCam::default())?;
/// let untrained = Network::load("untrained", || zoo::squeezenet1_1_untrained(1));
/// let mixed = ["squeezenet1_1".into(), untrained]; // loaded when their turn comes
/// compare::networks(mixed, &photo, &GradCam::default())?;
/// Ok::<(), convlens::Error>(())
/// ```
pub struct Network<'a> {
    title: String,
    source: Source<'a>,
}

enum Source<'a> {
    Published,
    Given(Model),
    Load(Box<dyn FnOnce() -> Result<Model> + 'a>),
}

impl<'a> Network<'a> {
    /// A network that `load` makes when its turn has come; it is dropped before the next one.
    pub fn load(
        title: impl Into<String>,
        load: impl FnOnce() -> Result<Model> + 'a,
    ) -> Network<'a> {
        Network { title: title.into(), source: Source::Load(Box::new(load)) }
    }

    /// What sheets call it.
    pub fn title(&self) -> &str {
        &self.title
    }

    pub(super) fn load_now(self) -> Result<Model> {
        match self.source {
            Source::Published => zoo::published(&self.title),
            Source::Given(model) => Ok(model),
            Source::Load(load) => load(),
        }
    }
}

impl From<&str> for Network<'_> {
    /// One of [`zoo::names`], with its published weights.
    fn from(name: &str) -> Self {
        Network { title: name.to_owned(), source: Source::Published }
    }
}

impl From<String> for Network<'_> {
    /// One of [`zoo::names`], with its published weights.
    fn from(name: String) -> Self {
        Network { title: name, source: Source::Published }
    }
}

impl From<&String> for Network<'_> {
    /// One of [`zoo::names`], with its published weights.
    fn from(name: &String) -> Self {
        name.as_str().into()
    }
}

impl From<&&str> for Network<'_> {
    /// One of [`zoo::names`], with its published weights.
    fn from(name: &&str) -> Self {
        (*name).into()
    }
}

impl From<&Model> for Network<'_> {
    /// A network under its own name.
    fn from(model: &Model) -> Self {
        (model.name(), model).into()
    }
}

impl<S: Into<String>> From<(S, &Model)> for Network<'_> {
    /// A network under another title.
    fn from((title, model): (S, &Model)) -> Self {
        Network { title: title.into(), source: Source::Given(model.clone()) }
    }
}

impl fmt::Debug for Network<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Network({:?})", self.title)
    }
}
