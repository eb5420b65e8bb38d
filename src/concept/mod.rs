//! What a layer's activations consist of: concepts, which are directions in the space of its channels.
//!
//! - [`DeepFeatureFactorization`] takes one photo's activation apart, or that of several, without being told what to look for.
//! - [`Craft`] finds what crops of a class's photos have in common, and how much the class depends on each.
//! - [`Tcav`] tests whether a class depends on a concept that is given by a folder of photos.

mod bank;
mod craft;
mod craft_concepts;
mod factorization;
mod halton;
mod logistic;
mod maps;
mod nmf;
mod tcav;
mod tcav_test;

pub use craft::Craft;
pub use craft_concepts::CraftConcepts;
pub use factorization::{DeepFeatureFactorization, Factorization};
pub use maps::ConceptMaps;
pub use tcav::Tcav;
pub use tcav_test::{ConceptTest, TcavTest};

use tch::Tensor;

use crate::attribution::{Case, LayerCase, Target};
use crate::dataset::ImageFolder;
use crate::error::{Error, Result};
use crate::look::{Prediction, ranked};
use crate::model::Model;
use crate::tensor::{IntoResult, to_floats};

/// A table of more values is not factorised: with what is made of it, it takes three times this, of 8 bytes each.
const MOST_VALUES: usize = 1 << 27;

/// Refuses no concepts, and more than a table has of either.
fn check_count(concepts: usize, layer: &str, sides: [(usize, &str); 2]) -> Result<()> {
    if concepts == 0 {
        return Err(Error::Argument("0 concepts explain nothing: ask for 1 or more".into()));
    }
    match sides.into_iter().find(|(count, _)| *count < concepts) {
        None => Ok(()),
        Some((count, what)) => Err(Error::Argument(format!(
            "{concepts} concepts cannot be told apart in {count} {what} of layer {layer:?}: ask for at most {count}, or \
             take another layer"
        ))),
    }
}

/// Refuses a table that takes too much memory.
fn check_values(rows: usize, columns: usize) -> Result<()> {
    match rows.saturating_mul(columns) {
        values if values <= MOST_VALUES => Ok(()),
        values => Err(Error::Argument(format!(
            "{rows} × {columns} values would take {:.1} GB to factorise: take a layer of smaller maps, or fewer photos",
            3.0 * 8.0 * values as f64 / 1e9
        ))),
    }
}

/// What the network predicts where a layer of maps `[h, w]` has each of these vectors, `[K, C]`, at all places; nothing where it
/// does not end in one score a class.
fn predictions_of(
    at: &LayerCase,
    vectors: &Tensor,
    [h, w]: [i64; 2],
) -> Result<Vec<Vec<Prediction>>> {
    let size = vectors.size();
    let maps = vectors
        .f_to_kind(at.activation.kind())
        .and_then(|t| t.f_to_device(at.activation.device()))
        .and_then(|t| {
            t.f_reshape([size[0], size[1], 1, 1])?.f_expand([size[0], size[1], h, w], false)
        })
        .into_result()?;
    let outputs = at.outputs_with(0, &maps)?;
    let count = outputs.numel() / size[0].max(1) as usize;
    if !matches!(outputs.size().as_slice(), &[n, _] | &[n, _, 1, 1] if n == size[0]) || count < 1 {
        return Ok(Vec::new());
    }
    let each = to_floats(&outputs)?;
    Ok(each.chunks_exact(count).map(|scores| ranked(at.case.model(), scores)).collect())
}

/// What captions call what is asked of photos, of which there is one or more.
fn label_of(model: &Model, photos: &ImageFolder, target: &Target) -> Result<String> {
    let label = Case::of_inputs(model, photos.input(model, 0)?, target)?.label(0)?;
    Ok(if *target == Target::Predicted { "the predicted class".to_owned() } else { label })
}
