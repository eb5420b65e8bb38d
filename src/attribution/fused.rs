//! Several maps of one photo as one.

use tch::{Kind, Tensor};

use super::finish::{resized, scaled};
use super::{Attribution, Case, Evidence, Meaning, Reduction, Target};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// Several methods, or one at several layers, fused into one map at the size of the input.
///
/// Each map is rectified, scaled to 0..=1 and resized with half-pixel centres; then their mean is taken
/// and scaled once more, which is what pytorch-grad-cam does with several layers, or their greatest
/// value at each place, as torchcam does.
///
/// ```
/// # fn main() -> convlens::Result<()> {
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&Fused::mean(["features.9", "features.12"].map(GradCam::at)))?;
/// assert_eq!((heat.height(), heat.width()), (224, 224));
/// # Ok(())
/// # }
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
}

impl<A: Attribution> Fused<A> {
    /// The mean of several maps. The first method's target is explained by all.
    pub fn mean(methods: impl IntoIterator<Item = A>) -> Self {
        Fused { methods: methods.into_iter().collect(), by: By::Mean }
    }

    /// The greatest of several maps at each place. The first method's target is explained by all.
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
        };
        format!("{}, {by} of {}", names.join(" and "), self.methods.len())
    }

    fn target(&self) -> Target {
        self.methods.first().map(Attribution::target).unwrap_or_default()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        if self.methods.is_empty() {
            return Err(Error::Argument(
                "there is nothing to fuse: give at least one method".into(),
            ));
        }
        let mut maps = Vec::with_capacity(self.methods.len());
        let mut layers: Vec<String> = Vec::new();
        let mut remarks: Vec<String> = Vec::new();
        for method in &self.methods {
            let evidence = method.attribute(case)?;
            maps.push(resized(&evidence, &case.input()?)?);
            layers.extend(evidence.layer);
            remarks.extend(evidence.remarks);
        }
        layers.dedup();
        remarks.dedup();
        let _no_grad = tch::no_grad_guard();
        let stacked = Tensor::f_stack(&maps, 1).into_result()?; // [N, maps, H, W]
        let fused = match self.by {
            By::Mean => {
                let mean = stacked.f_mean_dim([1i64].as_slice(), false, None::<Kind>);
                scaled(&mean.into_result()?)?
            }
            By::Greatest => stacked.f_amax([1i64].as_slice(), false).into_result()?,
        };
        Ok(Evidence {
            contributions: fused.f_unsqueeze(1).into_result()?,
            reduction: Reduction::Sum,
            meaning: Meaning::Positive,
            layer: (!layers.is_empty()).then(|| layers.join(" and ")),
            remarks,
        })
    }
}
