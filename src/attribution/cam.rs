//! What the class activation family shares: cut the network at a layer, run the front once
//! without gradients, differentiate the tail, weigh the maps.

use std::marker::PhantomData;

use tch::Tensor;

use super::{Attribution, Heatmap, Target};
use crate::error::{Error, Result};
use crate::look::{Look, class_scores};
use crate::model::{LayerRef, NodeId, with_grad};
use crate::tensor::{IntoResult, to_floats};

/// What makes a method of the family: how activations and gradients become one map.
pub trait Weighting {
    /// The method's name as its paper has it.
    const NAME: &'static str;

    /// The signed map, `[h, w]`, from the layer's activation and the target's gradient with
    /// respect to it, both `[C, h, w]`.
    ///
    /// # Errors
    /// What libtorch refuses.
    fn map(activation: &Tensor, gradient: &Tensor) -> Result<Tensor>;
}

/// A class activation method: which layer, which class, and, by its type, which weighting.
#[derive(Clone, Debug)]
pub struct Cam<W> {
    layer: Option<LayerRef>,
    target: Target,
    weighting: PhantomData<W>,
}

impl<W> Default for Cam<W> {
    /// The predicted class, at the last convolution.
    fn default() -> Self {
        Cam { layer: None, target: Target::Predicted, weighting: PhantomData }
    }
}

impl<W> Cam<W> {
    /// At this layer, by name or index, for the predicted class.
    pub fn at(layer: impl Into<LayerRef>) -> Self {
        Cam { layer: Some(layer.into()), ..Self::default() }
    }

    /// For this class: an index or a name.
    pub fn class(mut self, target: impl Into<Target>) -> Self {
        self.target = target.into();
        self
    }
}

impl<W: Weighting> Attribution for Cam<W> {
    fn explain(&self, look: &Look) -> Result<Heatmap> {
        let model = look.model();
        let (layer, name) = match &self.layer {
            Some(layer) => model.find_named(layer)?,
            None => model.find_named(model.last_convolution()?)?,
        };
        let activation = look.activation(layer)?;
        if !matches!(activation.size().as_slice(), [1, _, _, _]) {
            return Err(Error::Shape(format!(
                "{} needs a layer with feature maps, but {name:?} has the output {:?}: choose a \
                 layer before the pooling or flattening, such as {:?}",
                W::NAME,
                activation.size(),
                model.last_convolution()?
            )));
        }
        let tail = Tail::run(look, layer, &activation)?;
        let class = self.target.resolve(model, &tail.scores)?;
        let gradient = tail.gradient(class, &name)?;
        let _no_grad = tch::no_grad_guard();
        let one = |t: &Tensor| t.f_squeeze_dim(0).into_result(); // [1, C, h, w] -> [C, h, w]
        let map = W::map(&one(&activation)?, &one(&gradient)?)
            .map_err(|e| e.while_doing(format!("{} at {name:?}", W::NAME)))?;
        let score = tail.scores[class];
        let total: f64 = tail.scores.iter().map(|s| f64::from(s - score).exp()).sum();
        let announced = match &self.layer {
            Some(_) => name,
            None => format!("{name}, the last convolution"),
        };
        Heatmap::new(look, W::NAME, &map, announced, class, 1.0 / total)
    }
}

/// The network after a layer, run once with its gradients recorded.
struct Tail {
    activation: Tensor,
    output: Tensor,
    scores: Vec<f32>,
}

impl Tail {
    fn run(look: &Look, layer: NodeId, activation: &Tensor) -> Result<Tail> {
        let model = look.model();
        // A tensor of its own for this pass: the remembered activation stays as it is.
        let leaf = activation.f_detach().into_result()?.set_requires_grad(true);
        let output = look.output_from(layer, &leaf)?;
        if !output.requires_grad() {
            return Err(Error::Argument(format!(
                "the output of {} does not depend on layer {:?}: choose a layer on the way to it",
                model.name(),
                model.layer_name(layer)
            )));
        }
        let output = with_grad(|| class_scores(model, &output))?;
        let scores = to_floats(&output)?;
        Ok(Tail { activation: leaf, output, scores })
    }

    /// d score / d activation, `[1, C, h, w]`.
    fn gradient(&self, class: usize, layer: &str) -> Result<Tensor> {
        let score = with_grad(|| self.output.f_select(0, class as i64)).into_result()?;
        let gradients = Tensor::f_run_backward(&[score], &[&self.activation], false, false);
        let gradients = gradients
            .into_result()
            .map_err(|e| e.while_doing(format!("the gradient at {layer:?}")))?;
        gradients.into_iter().next().ok_or_else(|| {
            Error::Argument(format!("the target does not depend on layer {layer:?}"))
        })
    }
}
