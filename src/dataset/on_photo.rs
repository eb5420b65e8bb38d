//! The maps of a layer that one photo makes most active.

use std::fmt;
use std::rc::Rc;

use super::overlay::{Drawn, sheet};
use super::reduce::{greatest, reduce};
use crate::chart::Chart;
use crate::error::{Error, Result};
use crate::feature_maps::FeatureMaps;
use crate::look::{Look, Predictions};
use crate::model::LayerRef;
use crate::number::number;
use crate::photo::View;
use crate::picture::{Maps, Sheet};
use crate::show::{MimeBundle, Show, debug_line, together};

/// How many maps are drawn unless more are asked for.
const SHOWN: usize = 24;
/// In a row.
const COLUMNS: usize = 6;

/// The maps of a layer, ranked by how active a photo makes them: their mean over space. A notebook
/// shows the photo under the most active ones, named, then all maps' means as a line, and what the
/// network predicts.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let ranking = look.top_maps("features.12")?;
/// assert_eq!(ranking.top(5).len(), 5);
/// ranking.count(60).columns(10).raw(2.0); // as FeatureMapVisualizer draws a ResNet's
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct MapRanking {
    // Not the look, which would keep every activation that it remembers.
    network: String,
    view: Rc<View>,
    /// What the network predicts, where it classifies.
    predictions: Option<Predictions>,
    layer: String,
    maps: Maps,
    means: Vec<f32>,
    order: Vec<usize>,
    count: usize,
    columns: Option<usize>,
    drawn: Drawn,
}

impl Look {
    /// The maps of a layer, the most active first.
    ///
    /// # Errors
    /// When the layer is not there, or not spatial.
    pub fn top_maps(&self, layer: impl Into<LayerRef>) -> Result<MapRanking> {
        let layer: FeatureMaps = self.layer(layer)?;
        let maps = layer.maps()?;
        let means = reduce(&layer.tensor())?.means;
        Ok(MapRanking {
            network: self.model().name().to_owned(),
            view: Rc::clone(self.view()),
            predictions: self.predictions(5).ok(),
            layer: layer.layer().to_owned(),
            order: greatest(&means, means.len()),
            maps,
            means,
            count: SHOWN,
            columns: None,
            drawn: Drawn::default(),
        })
    }
}

impl MapRanking {
    /// How many maps are drawn; 24 unless set.
    pub fn count(&self, maps: usize) -> MapRanking {
        MapRanking { count: maps, ..self.clone() }
    }

    /// How many stand in a row; 6 unless set.
    pub fn columns(&self, columns: usize) -> MapRanking {
        MapRanking { columns: Some(columns), ..self.clone() }
    }

    /// Maps are multiplied by `gain` and cut at 1, instead of being divided by their maximum each:
    /// they can then be compared. FeatureMapVisualizer takes 2 for ResNet, 1 for VGG.
    pub fn raw(&self, gain: f32) -> MapRanking {
        let mut changed = self.clone();
        changed.drawn.gain = Some(gain);
        changed
    }

    /// The maps alone in grey, without the photo under them.
    pub fn maps_alone(&self) -> MapRanking {
        let mut changed = self.clone();
        changed.drawn.alone = true;
        changed
    }

    /// The layer's name.
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// The mean over space of every map, in the order of the layer's channels.
    pub fn means(&self) -> &[f32] {
        &self.means
    }

    /// The indices of the `count` most active maps, the most active first; of equals the smaller
    /// index.
    pub fn top(&self, count: usize) -> Vec<usize> {
        self.order.iter().copied().take(count).collect()
    }

    /// The photo under the most active maps, named by layer and index, with their means.
    ///
    /// # Errors
    /// When none is to be drawn, or the gain is no positive number.
    pub fn sheet(&self) -> Result<Sheet> {
        if let Some(gain) = self.drawn.gain
            && !(gain > 0.0 && gain.is_finite())
        {
            return Err(Error::Argument(format!("a gain is a number above 0, got {gain}")));
        }
        let seen = self.view.seen();
        let tiles = self.top(self.count).into_iter().map(|channel| {
            let values = self.maps.map(channel).unwrap_or_default().to_vec();
            let map = Maps::new(1, self.maps.height(), self.maps.width(), values)?;
            let mean = number(f64::from(self.means[channel]), 3);
            Ok((self.drawn.picture(seen, &map)?, format!("{channel}: {mean}")))
        });
        let tiles = tiles.collect::<Result<Vec<_>>>()?;
        let scale = match self.drawn.gain {
            None => "each from 0 to its maximum".to_owned(),
            Some(gain) => format!("times {gain}, cut at 1"),
        };
        let title = format!(
            "{} · {} · the {} of {} maps with the highest mean on {}, {scale}",
            self.network,
            self.layer,
            tiles.len(),
            self.means.len(),
            self.view.captioned(self.view.photo().title().to_owned())
        );
        Ok(sheet(tiles, Some(self.columns.unwrap_or(COLUMNS))).title(title))
    }
}

impl MapRanking {
    /// All maps' means over their indices, the three greatest marked.
    pub fn curve(&self) -> Chart {
        let means: Vec<f64> = self.means.iter().map(|&mean| f64::from(mean)).collect();
        let marks: Vec<(f64, f64, String)> =
            self.top(3).into_iter().map(|map| (map as f64, means[map], map.to_string())).collect();
        Chart::lines([("", means)])
            .title(format!("{} · the mean activation of every map", self.layer))
            .axes("map", "mean activation")
            .mark(marks)
    }
}

impl fmt::Debug for MapRanking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("MapRanking of {}, first {:?}", self.layer, self.top(5)))
    }
}

impl Show for MapRanking {
    fn bundle(&self) -> MimeBundle {
        let mut parts = vec![self.sheet().bundle()];
        parts.push(self.curve().bundle());
        parts.extend(self.predictions.iter().map(Predictions::bundle));
        together(parts)
    }
}
