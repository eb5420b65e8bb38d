//! LeGrad.

use tch::{Kind, Tensor};

use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Meaning, Reduction, Target};
use crate::error::{Error, Result};
use crate::model::NodeId;
use crate::tensor::IntoResult;

/// LeGrad: how sensitive the score is to what tokens take from each pixel, in all attention layers. With `A` the weights
/// of layer `l`, `[heads, tokens, tokens]`, and `s` the score that the network would give if the tokens behind layer `l`'s
/// block were its last ones, it is the mean over layers, heads and rows of `ReLU(∂s/∂A)`: of each column that is a pixel's.
/// The network pools its tokens in `s` as it does at its end, by a class token or by their mean.
///
/// For vision transformers of blocks whose tokens are of one size. Bousselham et al. 2025,
/// <https://arxiv.org/abs/2404.03214>.
///
/// ```no_run
/// use convlens::prelude::*;
/// let look = Model::open("vit.pt2")?.look(&Photo::open("photo.jpg")?)?;
/// look.explain(&LeGrad::default())?;
/// look.explain(&LeGrad::default().last(2).class(7))?; // of the last two layers, as the authors' code does unless told
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct LeGrad {
    settings: Settings,
    last: Option<usize>,
}

shared_setters!(LeGrad);

impl LeGrad {
    /// The last so many attention layers alone; without it, all of them.
    #[must_use]
    pub fn last(&self, layers: usize) -> Self {
        Self { last: Some(layers), ..self.clone() }
    }
}

impl Attribution for LeGrad {
    fn name(&self) -> String {
        self.settings.named("LeGrad")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        case.check_photo(&self.name())?;
        let blocks = case.model().block_ends();
        let first = self.first(case, blocks.len())?;
        let (_, last) = blocks[blocks.len() - 1];
        // One channel a layer.
        let maps =
            blocks[first..].iter().map(|&(attention, end)| of_layer(case, attention, end, last));
        let maps = Tensor::f_cat(&maps.collect::<Result<Vec<_>>>()?, 1);
        let contributions =
            maps.and_then(|t| t.f_div_scalar((blocks.len() - first) as i64)).into_result()?;
        case.check_finite(&contributions)?;
        let layer = match blocks.len() - first {
            _ if first == 0 => "all attention layers".to_owned(),
            1 => "the last attention layer".to_owned(),
            count => format!("the last {count} attention layers"),
        };
        let together = !self.settings.first_component || blocks.len() - first == 1;
        let reduction = if together { Reduction::Sum } else { Reduction::PrincipalComponent };
        let (remarks, segments) = (Vec::new(), Vec::new());
        let (meaning, layer) = (Meaning::Positive, Some(layer));
        Ok(Evidence { contributions, reduction, meaning, layer, remarks, segments })
    }
}

impl LeGrad {
    /// The first layer that counts.
    fn first(&self, case: &Case, layers: usize) -> Result<usize> {
        if layers == 0 {
            return Err(Error::Argument(format!(
                "{} has no attention: LeGrad is for transformers",
                case.model().name()
            )));
        }
        match self.last {
            None => Ok(0),
            Some(last) if (1..=layers).contains(&last) => Ok(layers - last),
            Some(last) => Err(Error::Argument(format!(
                "{} has {layers} attention layers: choose the last 1 to {layers} of them, not {last}",
                case.model().name()
            ))),
        }
    }
}

/// What one layer says, `[N, 1, h, w]`; its block ends with `end`, and the last block with `last`.
fn of_layer(case: &Case, attention: NodeId, end: NodeId, last: NodeId) -> Result<Tensor> {
    let model = case.model();
    let doing =
        |e: Error| e.while_doing(format!("the attention {:?}", model.layer_name(attention)));
    let inputs = model.inputs_of(attention);
    let values = inputs.get(2).ok_or_else(|| Error::Shape("attention without values".into()))?;
    let values = case.activation_of(*values)?.f_transpose(-2, -1).into_result()?;
    // What the layer puts out is o = A v, so that ∂s/∂A = ∂s/∂o vᵀ.
    let gradient = gradient_at(case, attention, end, last).map_err(doing)?;
    let weights = gradient.f_matmul(&values).into_result()?;
    let size = weights.size();
    let keys = match *size.as_slice() {
        [n, _, queries, keys] if n == case.count() as i64 && queries == keys => keys,
        _ => {
            return Err(doing(Error::Shape(format!(
                "its weights are {size:?}: LeGrad needs layers in which all tokens of a photo see each other; windows \
                 have their own"
            ))));
        }
    };
    let tokens = model.tokens_of(attention, keys, &case.input()?.size())?;
    let [height, width] = tokens.size;
    weights
        .f_relu()
        .and_then(|t| t.f_mean_dim([1i64, 2].as_slice(), false, None::<Kind>)) // [N, tokens]
        .and_then(|t| t.f_narrow(1, tokens.before, height * width))
        .and_then(|t| t.f_reshape([-1, 1, height, width]))
        .into_result()
}

/// `∂s/∂o`: the tokens behind this layer's block stand in the place of the last block's.
fn gradient_at(case: &Case, attention: NodeId, end: NodeId, last: NodeId) -> Result<Tensor> {
    if end == last {
        return case.gradient_of(attention);
    }
    let tokens = case.activation_of(end)?;
    check_alike(case, &tokens, last)?;
    let slope = case.gradient_with(last, &tokens)?;
    case.led_back(&slope, end, attention)
}

/// That a block's tokens can stand in the place of the last one's.
fn check_alike(case: &Case, tokens: &Tensor, last: NodeId) -> Result<()> {
    let size = case.activation_of(last)?.size();
    match tokens.size() == size {
        true => Ok(()),
        false => Err(Error::Shape(format!(
            "its block's tokens are {:?} and the last block's {size:?}: LeGrad needs as many in all blocks; take the \
             last layer by .last(1)",
            tokens.size()
        ))),
    }
}
