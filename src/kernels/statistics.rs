//! A layer's parameters as numbers and histograms.

use std::fmt;

use tch::Tensor;

use crate::chart::{Bins, Chart};
use crate::error::{Error, Result};
use crate::model::{LayerRef, Model};
use crate::number::number;
use crate::picture::Picture;
use crate::show::{MimeBundle, Show, debug_line, error_bundle, thousands};
use crate::tensor::{IntoResult, Statistics, to_floats};

/// What the weights and biases of a layer are like; a notebook shows it as histograms.
///
/// ```
/// use convlens::prelude::*;
/// let statistics = zoo::squeezenet1_1()?.weight_statistics("features.0")?;
/// let weight = &statistics.parameters()[0];
/// assert_eq!((weight.name.as_str(), weight.statistics.total), ("weight", 1728));
/// assert!(weight.statistics.min < 0.0 && weight.zeros < 0.01);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
pub struct WeightStatistics {
    network: String,
    layer: String,
    parameters: Vec<ParameterStatistics>,
}

/// What one tensor of a layer is like.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ParameterStatistics {
    /// Its name within the layer: `"weight"`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// Whether training changes it: neither a statistic nor frozen.
    pub trainable: bool,
    /// Count, range, mean, standard deviation, and what is not finite.
    pub statistics: Statistics,
    /// The fraction of values that are exactly 0.
    pub zeros: f64,
    bins: Bins,
}

impl Model {
    /// What the weights and biases of a layer are like.
    ///
    /// # Errors
    /// When there is no such layer, or it has no parameters.
    pub fn weight_statistics(&self, layer: impl Into<LayerRef>) -> Result<WeightStatistics> {
        let (id, name) = self.find_named(layer)?;
        let parameters = self.parameters(id.0)?;
        if parameters.is_empty() {
            let layer = self.layer_name(id);
            let means =
                if name == layer { String::new() } else { format!(" means {layer:?}, which") };
            return Err(Error::Argument(format!(
                "layer {name:?}{means} ({}) has no parameters; .summary() lists the layers that \
                 have some",
                self.kind_of(id)
            )));
        }
        let parameters = parameters.into_iter().map(|(name, tensor)| describe(name, &tensor));
        Ok(WeightStatistics {
            network: self.name().to_owned(),
            layer: self.layer_name(id).to_owned(),
            parameters: parameters.collect::<Result<_>>()?,
        })
    }
}

fn describe(name: String, tensor: &Tensor) -> Result<ParameterStatistics> {
    let statistics = Statistics::of(tensor)?;
    let zeros = tensor.f_eq(0.0).and_then(|t| t.f_sum(tch::Kind::Int64)).into_result()?;
    let zeros = zeros.f_int64_value(&[]).into_result()? as f64 / statistics.total.max(1) as f64;
    Ok(ParameterStatistics {
        name,
        shape: tensor.size(),
        trainable: tensor.requires_grad(),
        bins: Bins::of(&to_floats(tensor)?),
        statistics,
        zeros,
    })
}

impl ParameterStatistics {
    fn line(&self) -> String {
        let s = &self.statistics;
        let mut line = format!(
            "{} {:?}: {} values from {} to {}, mean {}, deviation {}, {:.1} % zeros",
            self.name,
            self.shape,
            thousands(s.total as u64),
            number(s.min, 4),
            number(s.max, 4),
            number(s.mean, 4),
            number(s.deviation, 4),
            100.0 * self.zeros
        );
        if s.nan > 0 {
            line += &format!(", {} NaN", thousands(s.nan as u64));
        }
        if s.infinite > 0 {
            line += &format!(", {} infinite", thousands(s.infinite as u64));
        }
        line
    }
}

impl WeightStatistics {
    /// The layer's tensors, `"weight"` first.
    pub fn parameters(&self) -> &[ParameterStatistics] {
        &self.parameters
    }

    /// A histogram of each tensor with more than one value, over its numbers.
    ///
    /// # Errors
    /// When a chart cannot be drawn.
    pub fn picture(&self) -> Result<Picture> {
        let mut parts = Vec::new();
        for parameter in &self.parameters {
            let label = format!("value of a {}", parameter.name);
            let chart = Chart::binned(parameter.bins.clone()).axes(label, "count").size(640, 240);
            parts.push(chart.picture()?.titled(&parameter.line()));
        }
        Ok(Picture::above(&parts, 10).titled(&format!("{} of {}", self.layer, self.network)))
    }
}

impl fmt::Display for WeightStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}:", self.layer, self.network)?;
        self.parameters.iter().try_for_each(|parameter| write!(f, "\n{}", parameter.line()))
    }
}

impl fmt::Debug for WeightStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("WeightStatistics of {} of {}", self.layer, self.network))
    }
}

impl Show for WeightStatistics {
    fn bundle(&self) -> MimeBundle {
        match self.picture() {
            Ok(picture) => MimeBundle::picture(picture, self.to_string()),
            Err(error) => error_bundle(&error),
        }
    }
}
