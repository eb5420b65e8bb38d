//! A case at one layer with feature maps: what the class activation family shares.

use std::cell::RefCell;

use tch::Tensor;

use super::{Case, Evidence, Meaning, Reduction};
use crate::error::{Error, Result};
use crate::model::{Grid, LayerRef, NodeId};
use crate::tensor::IntoResult;

/// A [`Case`] at one layer with feature maps.
///
/// A method of one's own, which weighs a layer's maps by their greatest gradients:
///
/// ```
/// use convlens::attribution::{Case, Evidence};
/// use convlens::prelude::*;
///
/// struct MaxCam;
///
/// impl Attribution for MaxCam {
///     fn name(&self) -> String {
///         "Max-CAM".into()
///     }
///
///     fn target(&self) -> Target {
///         Target::Predicted
///     }
///
///     fn attribute(&self, case: &Case) -> convlens::Result<Evidence> {
///         let at = case.at_last_maps()?;
///         let weights = at.gradient()?.amax([2i64, 3], true); // [N, C, h, w] -> [N, C, 1, 1]
///         let contributions = weights * &at.activation;
///         at.evidence(contributions)
///     }
/// }
///
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// look.explain(&MaxCam)?;
/// Ok::<(), convlens::Error>(())
/// ```
pub struct LayerCase<'a> {
    /// The batch and its scores.
    pub case: &'a Case,
    /// The layer's activation `A` as maps, `[N, C, h, w]`; tokens, too, if each stands for a pixel.
    pub activation: Tensor,
    layer: NodeId,
    /// How captions call the layer.
    called: String,
    /// Where the maps stand in what the layer returns, which is this.
    grid: Grid,
    output: Tensor,
    remarks: RefCell<Vec<String>>,
}

impl Case {
    /// The case at this layer, by name or index.
    ///
    /// # Errors
    /// An unknown layer; one without feature maps of more than one pixel; one that the output does not
    /// depend on.
    pub fn at_layer(&self, layer: impl Into<LayerRef>) -> Result<LayerCase<'_>> {
        let (layer, name) = self.model().find_named(layer.into())?;
        self.at_maps(layer, name, |maps| {
            format!("choose a layer before the pooling or flattening, such as {maps:?}")
        })
    }

    /// The case at the network's [last maps](crate::model::Model::last_maps).
    ///
    /// # Errors
    /// When the network has none.
    pub fn at_last_maps(&self) -> Result<LayerCase<'_>> {
        self.check_photo("it")?;
        let at = self.at_layer(self.model().last_maps()?)?;
        let called = format!("{}, the last maps", at.called);
        Ok(LayerCase { called, ..at })
    }

    /// The case at a layer that was chosen, or at the last maps.
    pub(crate) fn at_chosen(&self, layer: Option<&LayerRef>) -> Result<LayerCase<'_>> {
        match layer {
            Some(layer) => self.at_layer(layer.clone()),
            None => self.at_last_maps(),
        }
    }

    /// The same for a layer that captions call `called`; `instead` says what to do when it has no maps, from
    /// the name of the last layer that has.
    pub(super) fn at_maps(
        &self,
        layer: NodeId,
        called: String,
        instead: impl FnOnce(&str) -> String,
    ) -> Result<LayerCase<'_>> {
        self.check_photo("it")?;
        let model = self.model();
        let output = self.activation_of(layer)?;
        let grid = model.grids_of(&[layer], &self.input()?.size())?.pop().flatten();
        let maps = grid.map(|grid| grid.to_maps(&output)).transpose()?.flatten();
        let spread = |maps: &Tensor| matches!(maps.size().as_slice(), &[_, _, h, w] if h * w > 1);
        let (Some(grid), Some(activation)) = (grid, maps.filter(spread)) else {
            return Err(Error::Shape(format!(
                "it needs a layer with feature maps of more than one pixel, but {called:?} has the \
                 output {:?}: {}",
                output.size(),
                instead(&model.last_maps()?)
            )));
        };
        if !model.leads_to_output(layer) {
            return Err(self.independent_of(layer));
        }
        let remarks = RefCell::default();
        Ok(LayerCase { case: self, activation, layer, called, grid, output, remarks })
    }
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

    /// `∂y/∂A` and `H A`, where `H` is the matrix of the second derivatives, each `[N, C, h, w]`.
    pub(super) fn gradient_and_curvature(&self) -> Result<(Tensor, Tensor)> {
        let (gradient, curved) = self.case.gradient_and_curvature(self.layer)?;
        let maps = |t: Tensor| -> Result<Tensor> { Ok(self.grid.to_maps(&t)?.unwrap_or(t)) };
        Ok((maps(gradient)?, maps(curved)?))
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

    /// The network's outputs for one input, where the layer has these values, `[M, C, h, w]`.
    pub(crate) fn outputs_with(&self, index: usize, values: &Tensor) -> Result<Tensor> {
        let own = self.output.f_narrow(0, index as i64, 1).into_result()?;
        self.case.output_from(index, self.layer, &self.grid.with_maps(values, &own)?)
    }

    /// Adds a line that has to be known to read the map.
    pub fn remark(&self, line: impl Into<String>) {
        self.remarks.borrow_mut().push(line.into());
    }

    /// What a method found here: the signed contribution of each channel at each place, `[N, C, h, w]`,
    /// which add up to a map of which what is positive counts.
    ///
    /// # Errors
    /// Contributions that are not finite: the error names the layer that they come from.
    pub fn evidence(self, contributions: Tensor) -> Result<Evidence> {
        self.case.check_finite(&contributions)?;
        Ok(Evidence {
            contributions,
            reduction: Reduction::Sum,
            meaning: Meaning::Positive,
            layer: Some(self.called),
            remarks: self.remarks.into_inner(),
            segments: Vec::new(),
        })
    }
}
