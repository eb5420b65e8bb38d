//! What an explanation comes out as.

use std::rc::Rc;

use tch::Tensor;

use crate::error::Result;
use crate::look::Look;
use crate::photo::View;
use crate::picture::{Maps, Overlay, Picture};
use crate::show::{MimeBundle, Show, error_bundle};
use crate::tensor::{IntoResult, to_maps};

/// Where a network looks: raw values at the layer's own resolution, tied to the photo and the
/// class. Normalising, resizing, colours and blending are decided when it is shown.
#[derive(Clone, Debug)]
pub struct Heatmap {
    raw: Maps,
    view: Rc<View>,
    method: &'static str,
    layer: String,
    class: usize,
    class_name: String,
    probability: f64,
}

impl Heatmap {
    pub(crate) fn new(
        look: &Look,
        method: &'static str,
        map: &Tensor,
        layer: String,
        class: usize,
        probability: f64,
    ) -> Result<Heatmap> {
        let raw = to_maps(&map.f_unsqueeze(0).into_result()?)?;
        Ok(Heatmap {
            raw,
            view: Rc::clone(look.view()),
            method,
            layer,
            class,
            class_name: look.model().class_name(class),
            probability,
        })
    }

    /// The signed values, row by row: what the method sums up before its rectifier.
    pub fn raw(&self) -> &[f32] {
        self.raw.values()
    }

    /// The values of the paper's map, `ReLU(raw)`, at the layer's resolution.
    ///
    /// # Errors
    /// Never for a map that an explanation returned.
    pub fn map(&self) -> Result<Maps> {
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

    /// The index of the class that is explained.
    pub fn class(&self) -> usize {
        self.class
    }

    /// Its name.
    pub fn class_name(&self) -> &str {
        &self.class_name
    }

    /// How probable the network finds that class, 0 to 1.
    pub fn probability(&self) -> f64 {
        self.probability
    }

    /// One line on what is shown.
    pub fn caption(&self) -> String {
        format!(
            "{}: {} ({}), {:.1} %, at {}",
            self.method,
            self.class_name,
            self.class,
            100.0 * self.probability,
            self.layer
        )
    }

    /// The map over the photo, to be blended and coloured otherwise.
    ///
    /// # Errors
    /// Never for a map that an explanation returned.
    pub fn overlay(&self) -> Result<Overlay> {
        Overlay::new(&self.view.shown(), &self.map()?)
    }

    /// The map blended into the photo as pytorch-grad-cam does it, without a caption.
    ///
    /// # Errors
    /// As [`overlay`](Heatmap::overlay).
    pub fn picture(&self) -> Result<Picture> {
        self.overlay()?.picture()
    }
}

impl Show for Heatmap {
    fn bundle(&self) -> MimeBundle {
        let caption = self.caption();
        match self.picture() {
            Ok(picture) => MimeBundle::picture(picture.captioned(&caption), caption),
            Err(error) => error_bundle(&error),
        }
    }
}
