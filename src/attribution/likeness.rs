//! How like another photo one is, at a layer.

use std::fmt;
use std::rc::Rc;

use tch::{Kind, Tensor};

use crate::error::{Error, Result};
use crate::look::Look;
use crate::model::{Grid, LayerRef, Model};
use crate::tensor::{IntoResult, all_finite};

/// What a layer answers to another photo, which [`Target::likeness`](super::Target::likeness) compares with.
#[derive(Clone)]
pub struct Likeness {
    layer: LayerRef,
    /// The layer's name.
    called: String,
    /// The other photo's title.
    other: String,
    /// `[1, features]`
    features: Rc<Tensor>,
}

/// The features of the other photo, and where the maps stand in what the layer answers to this one.
#[derive(Clone, Debug)]
pub(super) struct ResolvedLikeness {
    features: Rc<Tensor>,
    grid: Option<Grid>,
}

impl Likeness {
    pub(super) fn new(other: &Look, layer: LayerRef) -> Result<Likeness> {
        let (id, called) = other.model().find_named(layer.clone())?;
        let memory = other.memory();
        let grid = other.model().grids_of(&[id], &memory.input()?.size())?.pop().flatten();
        let features = features(&memory.activation(id)?.f_detach().into_result()?, grid)?;
        let title = other.photo().title().to_owned();
        check(&features, &called, &title)?;
        Ok(Likeness { layer, called, other: title, features: Rc::new(features) })
    }

    pub(super) fn layer(&self) -> &LayerRef {
        &self.layer
    }

    /// What captions call it: "likeness to dog.jpg at layer4".
    pub(super) fn label(&self) -> String {
        format!("likeness to {} at {}", self.other, self.called)
    }

    /// Under the network that ends at the layer, and for inputs of this shape.
    pub(super) fn resolved(
        &self,
        model: &Model,
        output: &Tensor,
        input: &[i64],
    ) -> Result<ResolvedLikeness> {
        let grid = model.grids_of(&[model.output()], input)?.pop().flatten();
        let own = features(output, grid)?;
        if own.size() != self.features.size() {
            return Err(Error::Shape(format!(
                "layer {:?} has {:?} features for {} and {:?} here: compare photos of the same network, at a layer \
                 with maps where their sizes differ",
                self.called,
                self.features.size()[1..].to_vec(),
                self.other,
                own.size()[1..].to_vec()
            )));
        }
        check(&own, &self.called, "this photo")?;
        let other = self.features.f_to_device(own.device()).into_result()?;
        Ok(ResolvedLikeness { features: Rc::new(other), grid })
    }
}

impl ResolvedLikeness {
    /// `[M, ...] -> [M]`
    pub(super) fn of(&self, outputs: &Tensor) -> Result<Tensor> {
        let own = features(outputs, self.grid)?;
        Tensor::f_cosine_similarity(&own, &self.features, 1, 1e-8).into_result()
    }
}

/// `[M, ...] -> [M, features]`: of maps, each channel's mean.
fn features(values: &Tensor, grid: Option<Grid>) -> Result<Tensor> {
    let maps = grid.map(|grid| grid.to_maps(values)).transpose()?.flatten();
    match maps {
        Some(maps) => maps.f_mean_dim([2i64, 3].as_slice(), false, None::<Kind>),
        None if values.dim() < 2 => values.f_reshape([1, -1]),
        None => values.f_flatten(1, -1),
    }
    .into_result()
}

/// Refuses features that have no direction.
fn check(features: &Tensor, layer: &str, photo: &str) -> Result<()> {
    if !all_finite(features)? {
        return Err(Error::Argument(format!(
            "layer {layer:?} answers to {photo} with values that are not finite: nothing is like that"
        )));
    }
    let length = features.f_norm().into_result()?.double_value(&[]);
    match features.numel() > 0 && length > 0.0 {
        true => Ok(()),
        false => Err(Error::Argument(format!(
            "layer {layer:?} answers to {photo} with an embedding of length 0, which has no direction: choose a layer \
             that is not 0 everywhere"
        ))),
    }
}

/// The same as itself and its clones.
impl PartialEq for Likeness {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.features, &other.features)
    }
}

impl fmt::Debug for Likeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Likeness({:?})", self.label())
    }
}
