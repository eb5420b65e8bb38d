//! What an explanation comes out as.

use std::rc::Rc;

use tch::Tensor;

use super::goal::Goal;
use super::{Evidence, Meaning};
use crate::error::{Error, Result};
use crate::photo::View;
use crate::picture::{Maps, Overlay, Picture, Region, Resize};
use crate::show::{MimeBundle, Show, error_bundle};
use crate::tensor::{IntoResult, to_maps};

/// Where a network looks: raw values at the layer's own resolution, tied to the photo and to what is
/// explained. Normalising, resizing, colours and blending are decided when it is shown.
#[derive(Clone, Debug)]
pub struct Heatmap {
    raw: Maps,
    channels: Maps,
    meaning: Meaning,
    view: Rc<View>,
    method: String,
    layer: Option<String>,
    goal: Goal,
    score: f64,
    remarks: Vec<String>,
}

impl Heatmap {
    /// That of number `index` of a batch.
    pub(super) fn new(
        view: &Rc<View>,
        method: &str,
        evidence: &Evidence,
        maps: &Tensor,
        index: usize,
        goal: &Goal,
        score: f64,
    ) -> Result<Heatmap> {
        let one = |t: &Tensor| t.f_narrow(0, index as i64, 1).into_result();
        let raw = to_maps(&one(maps)?)?;
        // A layer's channels are many and say little; the input's are colours.
        let channels = match evidence.layer {
            Some(_) => raw.clone(),
            None => to_maps(&one(&evidence.contributions)?.f_squeeze_dim(0).into_result()?)?,
        };
        Ok(Heatmap {
            raw,
            channels,
            meaning: evidence.meaning,
            view: Rc::clone(view),
            method: method.to_owned(),
            layer: evidence.layer.clone(),
            goal: goal.clone(),
            score,
            remarks: evidence.remarks.clone(),
        })
    }

    /// The signed values, row by row: what the method sums up before its rectifier.
    pub fn raw(&self) -> &[f32] {
        self.raw.values()
    }

    /// The values for each channel of the input, `[C, H, W]`, of a method that looks at the input;
    /// of others, the map alone.
    pub fn channels(&self) -> &Maps {
        &self.channels
    }

    /// The values of the paper's map at the layer's resolution: of the class activation family,
    /// `ReLU(raw)`; of others, the values as they are.
    ///
    /// # Errors
    /// Never for a map that an explanation returned.
    pub fn map(&self) -> Result<Maps> {
        match self.meaning {
            Meaning::Positive => self.positive(),
            _ => Ok(self.raw.clone()),
        }
    }

    fn positive(&self) -> Result<Maps> {
        // `max` would turn NaN into 0, and a broken map into an empty one.
        let rectified = self.raw.values().iter().map(|&v| if v < 0.0 { 0.0 } else { v }).collect();
        Maps::new(1, self.raw.height(), self.raw.width(), rectified)
    }

    /// Rows of the map.
    pub fn height(&self) -> usize {
        self.raw.height()
    }

    /// Columns of the map.
    pub fn width(&self) -> usize {
        self.raw.width()
    }

    /// The index of the class that is explained, where it is one alone.
    pub fn class(&self) -> Option<usize> {
        self.goal.class
    }

    /// What is explained, in words: `"tabby (281)"`.
    pub fn target(&self) -> &str {
        &self.goal.label
    }

    /// How probable the network finds that class, 0 to 1 (softmax), where it is one alone and the
    /// network ends in one score a class.
    pub fn probability(&self) -> Option<f64> {
        self.goal.probability
    }

    /// The score that is explained, before the softmax.
    pub fn score(&self) -> f64 {
        self.score
    }

    /// The method's name.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The layer that was looked at; `None` for methods that look at the input.
    pub fn layer(&self) -> Option<&str> {
        self.layer.as_deref()
    }

    /// One line on what is shown.
    pub fn caption(&self) -> String {
        let mut text = format!("{}: {}", self.method, self.goal.label);
        if let Some(probability) = self.goal.probability {
            text += &format!(", {:.1} %", 100.0 * probability);
        }
        if let Some(layer) = &self.layer {
            text += &format!(", at {layer}");
        }
        text
    }

    /// The map over the photo, to be blended and coloured otherwise.
    ///
    /// # Errors
    /// Never for a map that an explanation returned.
    pub fn overlay(&self) -> Result<Overlay> {
        Overlay::new(&self.view.shown(), &self.map()?)
    }

    /// The picture as a cell shows it, without a caption.
    ///
    /// # Errors
    /// As [`overlay`](Heatmap::overlay).
    pub fn picture(&self) -> Result<Picture> {
        self.overlay()?.picture()
    }

    /// The share of the map's positive values that lies inside a region of what the network sees, 0 to
    /// 1: the energy-based pointing game of Wang et al. 2020, <https://arxiv.org/abs/1910.01279>. The
    /// map is resized with half-pixel centres to the region's size first. `None` when the map is
    /// nowhere positive.
    ///
    /// # Errors
    /// When the region is not of the size at which the network sees the photo.
    pub fn energy_inside(&self, region: &Region) -> Result<Option<f64>> {
        let values = self.seen_from(region)?;
        let positive = |v: f32| f64::from(v.max(0.0));
        let total: f64 = values.values().iter().map(|&v| positive(v)).sum();
        let pairs = values.values().iter().zip(region.inside());
        let inside: f64 = pairs.filter(|(_, inside)| **inside).map(|(&v, _)| positive(v)).sum();
        Ok((total > 0.0).then(|| inside / total))
    }

    /// Whether the map's highest value lies inside a region of what the network sees: the pointing
    /// game of Zhang et al. 2016, <https://arxiv.org/abs/1608.00507>, without a margin. The map is
    /// resized as in [`energy_inside`](Heatmap::energy_inside). `None` when it is nowhere positive.
    ///
    /// # Errors
    /// As [`energy_inside`](Heatmap::energy_inside).
    pub fn points_inside(&self, region: &Region) -> Result<Option<bool>> {
        let values = self.seen_from(region)?;
        let places = values.values().iter().zip(region.inside());
        // Of equal ones, the first.
        let best = places.reduce(|best, next| if next.0 > best.0 { next } else { best });
        Ok(best.filter(|(value, _)| **value > 0.0).map(|(_, inside)| *inside))
    }

    /// The map at the size of what the network sees, which must be the region's.
    fn seen_from(&self, region: &Region) -> Result<Maps> {
        let seen = self.view.seen();
        let (height, width) = (seen.height() as usize, seen.width() as usize);
        if (region.height(), region.width()) != (height, width) {
            return Err(Error::Shape(format!(
                "the region has {} × {} pixels (height × width), but the network sees the photo at \
                 {height} × {width}: make it of that size",
                region.height(),
                region.width()
            )));
        }
        self.map()?.resized(height, width, Resize::HalfPixel)
    }
}

impl Show for Heatmap {
    fn bundle(&self) -> MimeBundle {
        let mut caption = self.caption();
        for remark in &self.remarks {
            caption += "\n";
            caption += remark;
        }
        match self.picture() {
            Ok(picture) => MimeBundle::picture(picture.captioned(&caption), caption),
            Err(error) => error_bundle(&error),
        }
    }
}
