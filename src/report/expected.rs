//! Which of a network's classes is right for which folder of photos.

use serde_json::Value;

use crate::dataset::ImageFolder;
use crate::error::{Error, Result};
use crate::model::Model;

/// For each class of the data set, the classes of the network that are right; none where that is not known.
pub(super) struct Expected {
    classes: Vec<(String, Vec<usize>)>,
}

impl Expected {
    /// `told` goes before the names.
    pub(super) fn new(
        model: &Model,
        photos: &ImageFolder,
        told: &[(String, Vec<String>)],
    ) -> Result<Expected> {
        for (class, right) in told {
            photos.class_index(class)?;
            if right.is_empty() {
                return Err(Error::Argument(format!(
                    "nothing would be right for {class:?}: name a class of the network"
                )));
            }
        }
        let names = photos.class_names();
        let in_order = model.class_names().is_empty() && model.count_classes() == names.len();
        let classes = names.into_iter().enumerate().map(|(place, name)| {
            let told: Vec<&String> = told
                .iter()
                .filter(|(class, _)| *class == name)
                .flat_map(|(_, right)| right)
                .collect();
            let right = match told.as_slice() {
                [] if in_order => vec![place],
                [] => model.class_index(&name).into_iter().collect(),
                told => told.iter().map(|name| model.class_index(name)).collect::<Result<_>>()?,
            };
            Ok((name, right))
        });
        Ok(Expected { classes: classes.collect::<Result<_>>()? })
    }

    /// The name of a class of the data set, and what is right for it.
    pub(super) fn of(&self, class: usize) -> (&str, &[usize]) {
        self.classes.get(class).map_or(("", &[]), |(name, right)| (name, right))
    }

    pub(super) fn to_json(&self) -> Value {
        self.classes
            .iter()
            .map(|(name, right)| (name.clone(), Value::from(right.clone())))
            .collect()
    }
}
