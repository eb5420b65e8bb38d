//! What several layers look for, beside each other.

use std::borrow::Borrow;
use std::fmt;

use super::{FeatureVis, Objective, Patterns};
use crate::error::{Error, Result};
use crate::model::{LayerRef, Model};
use crate::picture::{Cell, PictureTable};
use crate::show::{MimeBundle, Progress, Show, debug_line, error_bundle};

/// Pictures of several layers: what [`FeatureVis::layers`] and [`FeatureVis::rows`] make. A notebook
/// shows them as a table with a row for each layer.
#[derive(Clone)]
pub struct PatternGrid {
    network: String,
    rows: Vec<(String, Patterns)>,
}

impl FeatureVis {
    /// Pictures of the first `channels` channels of each of these layers, a batch a layer.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let model = zoo::squeezenet1_1()?;
    /// let quick = FeatureVis::default().size(64).steps(4);
    /// let grid = quick.layers(&model, ["features.0", "features.3"], 2)?;
    /// assert_eq!(grid.rows().len(), 2);
    /// Ok::<(), convlens::Error>(())
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
        let rows = layers.into_iter().map(|layer| {
            let (_, name) = model.find_named(layer)?;
            let objectives = Objective::channels(&name, 0..channels);
            Ok((name, objectives))
        });
        self.rows(model, rows.collect::<Result<Vec<_>>>()?)
    }

    /// The same of any objectives: a name and a batch of objectives for each row.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let model = zoo::squeezenet1_1()?;
    /// let rows = ["features.0", "features.3"]
    ///     .map(|layer| (layer, Objective::unreachable_channels(layer, 20..22)));
    /// let grid = FeatureVis::plain_ascent().size(64).steps(4).rows(&model, rows)?;
    /// assert_eq!(grid.rows()[1].1.len(), 2);
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](FeatureVis::run); no rows.
    pub fn rows<N: Into<String>, O: IntoIterator<Item: Borrow<Objective>>>(
        &self,
        model: &Model,
        rows: impl IntoIterator<Item = (N, O)>,
    ) -> Result<PatternGrid> {
        let asked: Vec<(N, O)> = rows.into_iter().collect();
        // All rows are one task, whose lines tell of each in turn.
        let mut progress = self
            .listener
            .is_none()
            .then(|| Progress::new(format!("{}, layers", model.name()), asked.len() as u64));
        let mut rows = Vec::with_capacity(asked.len());
        for (name, objectives) in asked {
            let name = name.into();
            let patterns = self.run(model, objectives).map_err(|e| e.while_doing(&name))?;
            rows.push((name, patterns));
            if let Some(progress) = &mut progress {
                progress.advance(rows.len() as u64)?;
            }
        }
        if let Some(progress) = progress {
            progress.finish();
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
        self.rows.iter().fold(table, |table, (layer, patterns)| {
            let cells = patterns.pictures().into_iter().zip(patterns.captions());
            table.row(layer.as_str(), cells.map(|(picture, caption)| Cell::new(picture, caption)))
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

impl fmt::Debug for PatternGrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("PatternGrid of {}, {} rows", self.network, self.rows.len()))
    }
}

impl Show for PatternGrid {
    fn bundle(&self) -> MimeBundle {
        let stopped = self.rows.iter().filter_map(|(layer, patterns)| {
            patterns.stopped().map(|why| format!("{layer}: {why}"))
        });
        let stopped: Vec<String> = stopped.collect();
        match self.table().render() {
            Ok(picture) if stopped.is_empty() => MimeBundle::picture(picture, self.to_string()),
            Ok(picture) => {
                MimeBundle::picture(picture.captioned(&stopped.join("\n")), self.to_string())
            }
            Err(error) => error_bundle(&error),
        }
    }
}
