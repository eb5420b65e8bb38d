//! What the class activation family shares: which layer, which class, and how channels are weighted.

use std::cell::RefCell;

use tch::Tensor;

use super::{Attribution, Case, Evidence, Meaning, Reduction, Target};
use crate::error::{Error, Result};
use crate::model::{Grid, LayerRef, Model, NodeId};
use crate::tensor::IntoResult;

/// What makes a method of the family: how a layer's channels contribute to its map.
pub trait Weighting {
    /// The method's name as its paper has it.
    const NAME: &'static str;

    /// How the channels become one map.
    const REDUCTION: Reduction = Reduction::Sum;

    /// Whether it can look at any layer with feature maps; if not, the network has but one for it.
    const ANY_LAYER: bool = true;

    /// The signed contribution of each channel at each place, `[N, C, h, w]`.
    ///
    /// # Errors
    /// What the method cannot be applied to.
    fn contributions(&self, case: &LayerCase) -> Result<Tensor>;

    /// The layer to look at, unless another is named, and how captions call it: the
    /// [last maps](Model::last_maps).
    ///
    /// # Errors
    /// When the network has none that suits.
    fn default_layer(&self, model: &Model) -> Result<(LayerRef, &'static str)> {
        Ok((model.last_maps()?.into(), "the last maps"))
    }
}

/// A [`Case`] at one layer with feature maps.
pub struct LayerCase<'a> {
    /// The batch and its scores.
    pub case: &'a Case,
    /// The layer's activation `A` as maps, `[N, C, h, w]`; tokens, too, if each stands for a pixel.
    pub activation: Tensor,
    layer: NodeId,
    /// Where the maps stand in what the layer returns, which is this.
    grid: Grid,
    output: Tensor,
    remarks: RefCell<Vec<String>>,
}

impl LayerCase<'_> {
    /// `∂y/∂A`, `[N, C, h, w]`.
    ///
    /// # Errors
    /// When the score does not depend on the layer.
    pub fn gradient(&self) -> Result<Tensor> {
        let gradient = self.case.gradient_of(self.layer)?;
        Ok(self.grid.to_maps(&gradient)?.unwrap_or(gradient))
    }

    /// The layer's name.
    pub fn layer(&self) -> &str {
        self.case.model().layer_name(self.layer)
    }

    /// One input's scores for several values of the layer, `[M, C, h, w]`.
    ///
    /// # Errors
    /// As [`Case::scores_with`].
    pub fn scores_with(&self, index: usize, values: &Tensor) -> Result<Vec<f64>> {
        let own = self.output.f_narrow(0, index as i64, 1).into_result()?;
        let values = self.grid.with_maps(values, &own)?;
        self.case.scores_from(index, self.layer, &values)
    }

    /// Adds a line that has to be known to read the map.
    pub fn remark(&self, line: impl Into<String>) {
        self.remarks.borrow_mut().push(line.into());
    }
}

/// A method that looks at one layer's feature maps: which layer, which class, and, by its type, how
/// the channels are weighted.
#[derive(Clone, Debug)]
pub struct LayerMethod<W> {
    layer: Option<LayerRef>,
    target: Target,
    reduction: Option<Reduction>,
    pub(super) weighting: W,
}

impl<W: Default> Default for LayerMethod<W> {
    /// The predicted class, at the layer where the method looks by default.
    fn default() -> Self {
        LayerMethod {
            layer: None,
            target: Target::Predicted,
            reduction: None,
            weighting: W::default(),
        }
    }
}

impl<W: Default> LayerMethod<W> {
    /// At this layer, by name or index, for the predicted class.
    pub fn at(layer: impl Into<LayerRef>) -> Self {
        LayerMethod { layer: Some(layer.into()), ..Self::default() }
    }
}

impl<W: Clone> LayerMethod<W> {
    /// For this class: an index, a name, or any other [`Target`].
    #[must_use]
    pub fn class(&self, target: impl Into<Target>) -> Self {
        Self { target: self.target.followed_by(target.into()), ..self.clone() }
    }

    /// At this output of a network that has several, by its name or its index.
    #[must_use]
    pub fn output(&self, output: impl Into<LayerRef>) -> Self {
        Self { target: self.target.output(output), ..self.clone() }
    }

    /// The first principal component of the channels' contributions in place of their sum, which is
    /// smoother: pytorch-grad-cam's `eigen_smooth`. See
    /// [`principal_component`](super::principal_component).
    #[must_use]
    pub fn principal_component(&self) -> Self {
        Self { reduction: Some(Reduction::PrincipalComponent), ..self.clone() }
    }
}

impl<W: Weighting> Attribution for LayerMethod<W> {
    fn name(&self) -> String {
        match self.reduction {
            Some(Reduction::PrincipalComponent) => format!("{}, first component", W::NAME),
            _ => W::NAME.to_owned(),
        }
    }

    fn target(&self) -> Target {
        self.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let model = case.model();
        case.check_photo(W::NAME)?;
        let (layer, announced) = match &self.layer {
            Some(layer) => (layer.clone(), None),
            None => {
                let (layer, what) = self.weighting.default_layer(model)?;
                (layer, Some(what))
            }
        };
        let (layer, name) = model.find_named(layer)?;
        let output = case.activation_of(layer)?;
        let grid = model.grids_of(&[layer], &case.input()?.size())?.pop().flatten();
        let maps = grid.map(|grid| grid.to_maps(&output)).transpose()?.flatten();
        let spread = |maps: &Tensor| matches!(maps.size().as_slice(), &[_, _, h, w] if h * w > 1);
        let (Some(grid), Some(activation)) = (grid, maps.filter(spread)) else {
            let maps = model.last_maps()?;
            let instead = match W::ANY_LAYER {
                true => {
                    format!("choose a layer before the pooling or flattening, such as {maps:?}")
                }
                false => format!("take GradCam::at({maps:?})"),
            };
            return Err(Error::Shape(format!(
                "it needs a layer with feature maps of more than one pixel, but {name:?} has the \
                 output {:?}: {instead}",
                output.size()
            )));
        };
        if !model.leads_to_output(layer) {
            return Err(case.independent_of(layer));
        }
        let at = LayerCase { case, activation, layer, grid, output, remarks: RefCell::default() };
        let contributions = {
            let _no_grad = tch::no_grad_guard();
            self.weighting.contributions(&at)?
        };
        case.check_finite(&contributions)?;
        let layer = match announced {
            None => name,
            Some(what) => format!("{name}, {what}"),
        };
        Ok(Evidence {
            contributions,
            reduction: self.reduction.unwrap_or(W::REDUCTION),
            meaning: Meaning::Positive,
            layer: Some(layer),
            remarks: at.remarks.into_inner(),
        })
    }
}
