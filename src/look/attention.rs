//! What the tokens of a photo take from each other.

use std::fmt;
use std::rc::Rc;

use tch::{Device, Tensor};

use super::Look;
use crate::error::{Error, Result};
use crate::feature_maps::FeatureMaps;
use crate::model::{LayerRef, Tokens};
use crate::photo::View;
use crate::picture::Sheet;
use crate::show::{MimeBundle, Show, debug_line, error_bundle};
use crate::tensor::IntoResult;

/// One attention layer's weights for one photo: of each head, what each token takes from all others. A notebook
/// shows what the class token takes from each pixel, a map a head; of a network without one, what all pixels take
/// on average.
#[derive(Clone)]
pub struct AttentionMaps {
    layer: String,
    weights: Rc<Tensor>,
    tokens: Tokens,
    view: Rc<View>,
}

impl Look {
    /// The attention of a layer, or of the last attention in a group of layers, for networks whose tokens stand
    /// for pixels: vision transformers.
    ///
    /// ```no_run
    /// use convlens::prelude::*;
    /// let look = Model::open("vit.pt2")?.look(&Photo::open("photo.jpg")?)?;
    /// let last = look.attention("encoder.layers.encoder_layer_11")?;
    /// let heads = last.of_class_token()?.sheet()?;
    /// let of_one = last.of_pixel(3, 5)?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// An unknown layer; one without attention, or whose tokens are not all pixels' (windows).
    pub fn attention(&self, layer: impl Into<LayerRef>) -> Result<AttentionMaps> {
        let model = self.model();
        let attention = model.attention_in(layer)?;
        let inputs = self.memory.activations(model.inputs_of(attention))?;
        let weights = model.attention_weights(attention, &inputs)?;
        let weights = weights.f_to_device(Device::Cpu).into_result()?;
        let &[1, _, queries, keys] = weights.size().as_slice() else {
            return Err(Error::Shape(format!(
                "the weights of layer {:?} are {:?}; expected those of one photo, [1, heads, tokens, tokens]: \
                 windows of it have their own",
                model.layer_name(attention),
                weights.size()
            )));
        };
        if queries != keys {
            return Err(Error::Shape(format!(
                "in layer {:?} {queries} tokens look at {keys} others",
                model.layer_name(attention)
            )));
        }
        let tokens = model.tokens_of(attention, keys, &self.memory.input()?.size())?;
        Ok(AttentionMaps {
            layer: model.layer_name(attention).to_owned(),
            weights: Rc::new(weights),
            tokens,
            view: Rc::clone(&self.view),
        })
    }
}

impl AttentionMaps {
    /// The layer's name.
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// `[1, heads, tokens, tokens]`: each row is what one token takes from all, and adds up to 1.
    pub fn tensor(&self) -> Tensor {
        self.weights.shallow_clone()
    }

    /// How many heads there are.
    pub fn heads(&self) -> usize {
        self.weights.size().get(1).map_or(0, |&heads| heads as usize)
    }

    /// Rows and columns of pixels that have a token each.
    pub fn size(&self) -> [usize; 2] {
        self.tokens.size.map(|side| side as usize)
    }

    /// What the first token, the class's, takes from each pixel: a map a head.
    ///
    /// # Errors
    /// When there is no token but the pixels'.
    pub fn of_class_token(&self) -> Result<FeatureMaps> {
        match self.tokens.before {
            0 => Err(Error::Argument(format!(
                "layer {:?} has no class token: take of_pixel(row, column) or mean()",
                self.layer
            ))),
            _ => self.maps("the class token", self.weights.f_select(2, 0).into_result()?),
        }
    }

    /// What the token of a pixel takes from each pixel: a map a head.
    ///
    /// # Errors
    /// When there is no such row or column.
    pub fn of_pixel(&self, row: usize, column: usize) -> Result<FeatureMaps> {
        let [rows, columns] = self.size();
        if row >= rows || column >= columns {
            return Err(Error::Argument(format!(
                "layer {:?} has tokens for {rows} × {columns} pixels (rows × columns), none for row {row} and \
                 column {column}",
                self.layer
            )));
        }
        let token = self.tokens.before + (row * columns + column) as i64;
        self.maps(
            &format!("pixel ({row}, {column})"),
            self.weights.f_select(2, token).into_result()?,
        )
    }

    /// What all tokens take from each pixel, on average: a map a head.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn mean(&self) -> Result<FeatureMaps> {
        let mean = self.weights.f_mean_dim([2i64].as_slice(), false, None::<tch::Kind>);
        self.maps("all tokens", mean.into_result()?)
    }

    /// A contact sheet of what a notebook shows, to be set in other columns, colours and scales: a map a head, of the
    /// class token, or of all tokens where there is none.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn sheet(&self) -> Result<Sheet> {
        self.shown()?.sheet()
    }

    fn shown(&self) -> Result<FeatureMaps> {
        if self.tokens.before == 0 { self.mean() } else { self.of_class_token() }
    }

    /// From `[1, heads, tokens]`, what is `of` some token.
    fn maps(&self, of: &str, rows: Tensor) -> Result<FeatureMaps> {
        let [height, width] = self.tokens.size;
        let maps = rows
            .f_narrow(2, self.tokens.before, height * width)
            .and_then(|t| t.f_unflatten(2, [height, width]))
            .into_result()?;
        Ok(FeatureMaps::new(&self.layer, format!("attention of {of}"), maps, &self.view))
    }
}

impl fmt::Debug for AttentionMaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("AttentionMaps of {}, {:?}", self.layer, self.weights.size()))
    }
}

impl Show for AttentionMaps {
    fn bundle(&self) -> MimeBundle {
        match self.shown() {
            Ok(maps) => maps.bundle(),
            Err(error) => error_bundle(&error),
        }
    }
}
