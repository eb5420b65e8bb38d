//! What several layers look for, beside each other.

use std::fmt;

use super::{FeatureVis, Objective, Pattern, Patterns};
use crate::error::{Error, Result};
use crate::model::{LayerRef, Model};
use crate::picture::{Cell, PictureTable};
use crate::show::{MimeBundle, Show};

/// Pictures of the first channels of several layers: what [`FeatureVis::layers`] makes. A notebook
/// shows them as a table with a row for each layer.
#[derive(Clone, Debug)]
pub struct PatternGrid {
    network: String,
    rows: Vec<(String, Patterns)>,
}

impl FeatureVis {
    /// Pictures of the first `channels` channels of each of these layers, a batch a layer.
    ///
    /// ```
    /// # fn main() -> convlens::Result<()> {
    /// use convlens::prelude::*;
    /// let model = zoo::squeezenet1_1()?;
    /// let quick = FeatureVis::default().size(64).steps(4);
    /// let grid = quick.layers(&model, ["features.0", "features.3"], 2)?;
    /// assert_eq!(grid.rows().len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`run`](FeatureVis::run); no layers.
    pub fn layers(
        &self,
        model: &Model,
        layers: impl IntoIterator<Item = impl Into<LayerRef>>,
        channels: usize,
    ) -> Result<PatternGrid> {
        let mut rows = Vec::new();
        for layer in layers {
            let (_, name) = model.find_named(layer)?;
            let objectives = Objective::channels(&name, 0..channels);
            rows.push((name, self.run(model, objectives)?));
        }
        if rows.is_empty() {
            return Err(Error::Argument("a grid of no layers shows nothing: name some".into()));
        }
        Ok(PatternGrid { network: model.name().to_owned(), rows })
    }
}

impl PatternGrid {
    /// The pictures of each layer, by its name.
    pub fn rows(&self) -> &[(String, Patterns)] {
        &self.rows
    }

    /// The pictures as a table, to be set up further.
    pub fn table(&self) -> PictureTable {
        let columns = self.rows.iter().map(|(_, patterns)| patterns.len()).max().unwrap_or(0);
        let table = PictureTable::new(vec![""; columns]).title(self.network.as_str());
        let cell = |pattern: &Pattern| Cell::new(pattern.picture(), pattern.caption());
        self.rows.iter().fold(table, |table, (layer, patterns)| {
            table.row(layer.as_str(), patterns.iter().map(cell))
        })
    }
}

impl fmt::Display for PatternGrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<String> =
            self.rows.iter().map(|(_, patterns)| patterns.to_string()).collect();
        f.write_str(&rows.join("\n"))
    }
}

impl Show for PatternGrid {
    fn bundle(&self) -> MimeBundle {
        match self.table().bundle().as_picture() {
            Some(picture) => MimeBundle::picture(picture.clone(), self.to_string()),
            None => self.table().bundle(),
        }
    }
}
