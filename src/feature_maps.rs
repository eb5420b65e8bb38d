//! One layer's answer to a photo.

use std::fmt;
use std::rc::Rc;

use tch::Tensor;

use crate::error::{Error, Result};
use crate::photo::View;
use crate::picture::{Maps, Overlay, Picture, Sheet};
use crate::show::{MimeBundle, Show, debug_line, error_bundle};
use crate::tensor::{Glance, IntoResult, to_floats};

/// The activation of one layer for one photo, tied to both.
///
/// A notebook shows it as a contact sheet of its channels, each map scaled on its own, dark where
/// it is high; [`sheet`](FeatureMaps::sheet) sets it otherwise.
#[derive(Clone)]
pub struct FeatureMaps {
    layer: String,
    /// What the maps are: the kind of layer.
    kind: String,
    /// Not the look, which would keep every activation that it remembers.
    view: Rc<View>,
    activation: Rc<Tensor>,
}

impl FeatureMaps {
    pub(crate) fn new(
        layer: &str,
        kind: impl Into<String>,
        activation: Tensor,
        view: &Rc<View>,
    ) -> Self {
        FeatureMaps {
            layer: layer.to_owned(),
            kind: kind.into(),
            view: Rc::clone(view),
            activation: Rc::new(activation),
        }
    }

    /// The layer's name.
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// The kind of layer.
    pub(crate) fn kind(&self) -> &str {
        &self.kind
    }

    /// The activation, `[1, C, h, w]` for spatial layers, also where channels come last or pixels are tokens; as
    /// the layer returned it for the others.
    pub fn tensor(&self) -> Tensor {
        self.activation.shallow_clone()
    }

    /// How many channels (or, for a layer that is not spatial, values) there are.
    pub fn count(&self) -> usize {
        self.activation.size().get(1).map_or(0, |&c| c as usize)
    }

    /// The channels as maps.
    ///
    /// # Errors
    /// When the layer is not spatial.
    pub fn maps(&self) -> Result<Maps> {
        match self.activation.size().as_slice() {
            [1, _, _, _] => Maps::try_from(&*self.activation),
            other => Err(Error::Shape(format!(
                "layer {:?} has no feature maps: its output is {other:?}, not [1, channels, \
                 height, width]; choose a layer before the pooling or flattening",
                self.layer
            ))),
        }
    }

    /// The mean activation of each channel over its pixels: how much of what a channel looks for is in
    /// the photo. Of a layer that is not spatial, its values. The mean of them all is
    /// `maps.tensor().mean(None)`.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
    /// let means = look.layer("features.3")?.means()?;
    /// assert_eq!(means.len(), 128);
    /// Chart::bars([("channel 0", means[0]), ("channel 1", means[1])]);
    /// Chart::histogram([("mean activations", &means)]);
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// When libtorch cannot read the activation.
    pub fn means(&self) -> Result<Vec<f32>> {
        let pixels = [1, self.count() as i64, -1];
        let values = self.activation.f_reshape(pixels).into_result()?;
        let mean = values.f_mean_dim([2i64].as_slice(), false, tch::Kind::Float).into_result()?;
        to_floats(&mean)
    }

    /// A contact sheet of the channels, to be set in other columns, colours and scales.
    ///
    /// # Errors
    /// When the layer is not spatial.
    pub fn sheet(&self) -> Result<Sheet> {
        let maps = self.maps()?;
        let title = format!(
            "{} · {} · {} maps of {} × {}",
            self.layer,
            self.kind,
            maps.count(),
            maps.width(),
            maps.height()
        );
        Ok(Sheet::new(maps).title(title))
    }

    /// One channel over the photo.
    ///
    /// # Errors
    /// When the layer is not spatial, or has no such channel.
    pub fn overlay(&self, channel: usize) -> Result<Overlay> {
        Overlay::new(&self.view.shown(), &self.map(channel)?)
    }

    /// One channel alone, dark where it is high, its pixels enlarged.
    ///
    /// # Errors
    /// As [`overlay`](FeatureMaps::overlay).
    pub fn picture(&self, channel: usize) -> Result<Picture> {
        Ok(Sheet::new(self.map(channel)?).render()?.picture)
    }

    fn map(&self, channel: usize) -> Result<Maps> {
        let maps = self.maps()?;
        let Some(values) = maps.map(channel) else {
            return Err(no_channel(&self.layer, maps.count(), channel));
        };
        Maps::new(1, maps.height(), maps.width(), values.to_vec())
    }
}

/// That a layer of so many channels does not have this one.
pub(crate) fn no_channel(layer: &str, count: usize, channel: usize) -> Error {
    Error::Argument(format!(
        "layer {layer:?} has the channels 0 to {}, not {channel}",
        count.saturating_sub(1)
    ))
}

impl fmt::Debug for FeatureMaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("FeatureMaps of {}, {:?}", self.layer, self.activation.size()))
    }
}

impl Show for FeatureMaps {
    fn bundle(&self) -> MimeBundle {
        let spatial = matches!(self.activation.size().as_slice(), [1, _, h, w] if h * w > 1);
        if !spatial {
            return match self.activation.f_flatten(0, -1).into_result() {
                Ok(values) => Glance::new(&values).bundle(),
                Err(error) => error_bundle(&error),
            };
        }
        match self.sheet() {
            Ok(sheet) => sheet.bundle(),
            Err(error) => error_bundle(&error),
        }
    }
}
