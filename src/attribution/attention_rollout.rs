//! Attention rollout.

use tch::{Kind, Tensor};

use super::{Attribution, Case, Evidence, Meaning, Reduction, Target};
use crate::error::{Error, Result};
use crate::model::NodeId;
use crate::tensor::IntoResult;

/// Attention rollout: how much of each pixel's token arrives in the class token when all attention layers, with
/// the skips around them, mix tokens one after the other. With `A` the mean of a layer's heads, it is the class
/// token's row of `Π (A + 1) / 2`, the last layer on the left. Of a network without a class token, the mean of
/// all rows. It asks for no class.
///
/// Abnar and Zuidema 2020, <https://arxiv.org/abs/2005.00928>.
///
/// ```no_run
/// use convlens::prelude::*;
/// let look = Model::open("vit.pt2")?.look(&Photo::open("photo.jpg")?)?;
/// let heat = look.explain(&AttentionRollout)?;
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct AttentionRollout;

impl Attribution for AttentionRollout {
    fn name(&self) -> String {
        "Attention rollout".into()
    }

    fn target(&self) -> Target {
        Target::Predicted
    }

    fn is_for_target(&self) -> bool {
        false
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        case.check_photo(&self.name())?;
        let model = case.model();
        let attentions = model.attentions();
        let Some(&last) = attentions.last() else {
            return Err(Error::Argument(format!(
                "{} has no attention: attention rollout is for transformers",
                model.name()
            )));
        };
        // All of them in one pass: one after the other, each would run all layers before it once more.
        let read: Vec<NodeId> =
            attentions.iter().flat_map(|id| model.inputs_of(*id)).copied().collect();
        let mut values = case.activations(&read)?.into_iter();
        let mut rolled: Option<Tensor> = None;
        for attention in attentions {
            let inputs: Vec<Tensor> =
                values.by_ref().take(model.inputs_of(attention).len()).collect();
            let weights = model.attention_weights(attention, &inputs)?;
            rolled = Some(mixed(&weights, rolled.as_ref(), case.count()).map_err(|error| {
                error.while_doing(format!("the attention {:?}", model.layer_name(attention)))
            })?);
        }
        let Some(rolled) = rolled else {
            return Err(Error::Argument("there is no attention".into()));
        };
        let count = rolled.size().last().copied().unwrap_or(0);
        let tokens = model.tokens_of(last, count, &case.input()?.size())?;
        let row = match tokens.before {
            0 => rolled.f_mean_dim([1i64].as_slice(), false, None::<Kind>),
            _ => rolled.f_select(1, 0),
        };
        let [height, width] = tokens.size;
        let contributions = row
            .and_then(|row| row.f_narrow(1, tokens.before, height * width))
            .and_then(|row| row.f_reshape([-1, 1, height, width]))
            .into_result()?;
        case.check_finite(&contributions)?;
        Ok(Evidence {
            contributions,
            reduction: Reduction::Sum,
            meaning: Meaning::Positive,
            layer: Some("all attention layers".into()),
            remarks: Vec::new(),
            segments: Vec::new(),
        })
    }
}

/// The tokens mixed by one more layer, `[N, tokens, tokens]`.
fn mixed(weights: &Tensor, before: Option<&Tensor>, photos: usize) -> Result<Tensor> {
    let size = weights.size();
    let &[n, _, queries, keys] = size.as_slice() else {
        return Err(Error::Shape(format!("its weights are {size:?}, not one matrix a head")));
    };
    let fits = before.is_none_or(|before| before.size() == [n, queries, keys]);
    if n != photos as i64 || queries != keys || !fits {
        return Err(Error::Shape(format!(
            "its weights are {size:?}: rollout needs layers in which all tokens of a photo see each other, as \
             many in each; of windows it cannot be made"
        )));
    }
    let options = (Kind::Float, weights.device());
    let work = || {
        let mean = weights.f_mean_dim([1i64].as_slice(), false, None::<Kind>)?;
        let with_skip = mean.f_add(&Tensor::f_eye(keys, options)?)?.f_mul_scalar(0.5)?;
        match before {
            Some(before) => with_skip.f_matmul(before),
            None => Ok(with_skip),
        }
    };
    work().into_result()
}
