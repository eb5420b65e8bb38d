//! Several maps of one photo as one.

use tch::Tensor;

use super::{Attribution, Case, Evidence, Meaning, Reduction, Target};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::picture::Maps;
use crate::tensor::IntoResult;

/// Several methods, or one at several layers, fused into one map at the size of the input.
///
/// Each map is rectified, scaled to 0..=1 and resized with half-pixel centres; then their mean is taken
/// and scaled once more, which is what pytorch-grad-cam does with several layers, or their greatest
/// value at each place, as torchcam does.
///
/// All methods explain the same target: give each of them the same class, or none.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&Fused::mean(["features.9", "features.12"].map(GradCam::at)))?;
/// assert_eq!((heat.height(), heat.width()), (224, 224));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fused<A> {
    methods: Vec<A>,
    by: By,
}

#[derive(Clone, Copy, Debug)]
enum By {
    Mean,
    Greatest,
    Product,
}

impl<A: Attribution> Fused<A> {
    /// The mean of several maps, all for the same target.
    pub fn mean(methods: impl IntoIterator<Item = A>) -> Self {
        Fused { methods: methods.into_iter().collect(), by: By::Mean }
    }

    /// The product of several maps, all for the same target, which is high where all of them are: RefineCAM,
    /// which takes [`GradCamPlusPlus`](super::GradCamPlusPlus) at several layers. Each map is scaled once more
    /// before it is multiplied.
    ///
    /// <https://arxiv.org/abs/2605.14641>
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
    /// let layers = ["features.7", "features.9", "features.12"];
    /// look.explain(&Fused::product(layers.map(GradCamPlusPlus::at)))?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn product(methods: impl IntoIterator<Item = A>) -> Self {
        Fused { methods: methods.into_iter().collect(), by: By::Product }
    }

    /// The greatest of several maps at each place, all for the same target.
    pub fn greatest(methods: impl IntoIterator<Item = A>) -> Self {
        Fused { methods: methods.into_iter().collect(), by: By::Greatest }
    }
}

impl<A: Attribution> Attribution for Fused<A> {
    fn name(&self) -> String {
        let mut names: Vec<String> = self.methods.iter().map(Attribution::name).collect();
        names.dedup();
        let by = match self.by {
            By::Mean => "mean",
            By::Greatest => "greatest",
            By::Product => "product",
        };
        match names.is_empty() {
            true => format!("{by} of no methods"),
            false => format!("{}, {by} of {}", names.join(" and "), self.methods.len()),
        }
    }

    fn target(&self) -> Target {
        self.methods.first().map(Attribution::target).unwrap_or_default()
    }

    fn is_for_target(&self) -> bool {
        self.methods.iter().any(Attribution::is_for_target)
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let Some((first, others)) = self.methods.split_first() else {
            return Err(Error::Argument(
                "there is nothing to fuse: give at least one method".into(),
            ));
        };
        let target = first.target();
        let mut targets = others.iter().map(Attribution::target);
        if let Some(other) = targets.find(|other| !is_same(&target, other, case.model())) {
            return Err(Error::Argument(format!(
                "the methods to be fused explain different targets, {target:?} and {other:?}: give \
                 all of them the same class, or explain each of them by itself"
            )));
        }
        let [height, width] = case.map_size()?;
        let mut all: Vec<Maps> = Vec::with_capacity(self.methods.len());
        let mut layers: Vec<String> = Vec::new();
        let mut remarks: Vec<String> = Vec::new();
        for method in &self.methods {
            let evidence = method.attribute(case)?;
            let map = evidence.finished(height as usize, width as usize)?;
            all.push(if let By::Product = self.by { map.scaled() } else { map });
            layers.extend(evidence.layer);
            remarks.extend(evidence.remarks);
        }
        layers.dedup();
        remarks.dedup();
        let fused = self.by.fuse(&all)?; // N maps of [H, W]
        let contributions = Tensor::f_from_slice(fused.values())
            .and_then(|t| t.f_reshape([fused.count() as i64, 1, height, width]))
            .into_result()?;
        Ok(Evidence {
            contributions,
            reduction: Reduction::Sum,
            meaning: Meaning::Positive,
            layer: (!layers.is_empty()).then(|| layers.join(" and ")),
            remarks,
            segments: Vec::new(),
        })
    }
}

impl By {
    /// As many maps as each of `all` has, of the same size. NaN stays NaN.
    fn fuse(self, all: &[Maps]) -> Result<Maps> {
        let Some((first, others)) = all.split_first() else {
            return Err(Error::Argument("there is nothing to fuse".into()));
        };
        let mut values = first.values().to_vec();
        for other in others {
            for (value, &next) in values.iter_mut().zip(other.values()) {
                *value = match self {
                    By::Mean => *value + next,
                    By::Product => *value * next,
                    By::Greatest if next > *value || next.is_nan() => next,
                    By::Greatest => *value,
                };
            }
        }
        if let By::Mean = self {
            values.iter_mut().for_each(|value| *value /= all.len() as f32);
        }
        let fused = Maps::new(first.count(), first.height(), first.width(), values)?;
        Ok(match self {
            By::Mean | By::Product => fused.scaled(),
            By::Greatest => fused,
        })
    }
}

/// Whether two targets are the same: a class may go by its name in one and by its index in the other.
fn is_same(one: &Target, other: &Target, model: &Model) -> bool {
    let index = |target: &Target| match target {
        Target::Index(index) => Some(*index),
        Target::Name(name) => model.class_index(name).ok().map(|index| index as i64),
        _ => None,
    };
    one == other || index(one).is_some_and(|class| index(other) == Some(class))
}
