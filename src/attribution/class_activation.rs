//! CAM.

use tch::Tensor;

use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Target};
use crate::error::{Error, Result};
use crate::model::{Model, NodeId, Op};
use crate::tensor::IntoResult;

/// CAM: `Σₖ w_ck Aₖ`, the row of the final linear layer for class `c` times the maps `A` that global
/// average pooling hands to it. The class's score is that map's mean plus the bias, so the map is the
/// score, spread over the photo. It needs no gradient, but a network that ends so: ResNets, DenseNets,
/// MobileNets, EfficientNets. Where a 1 × 1 convolution stands before the pooling in place of the linear
/// layer after it, as in SqueezeNet, its row is taken, without its bias and the rectifier behind it.
///
/// Other networks have an error that names [`GradCam`](super::GradCam), which is the same where both can
/// be had, up to a factor.
///
/// Zhou et al. 2016, <https://arxiv.org/abs/1512.04150>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&Cam::default().class("tabby"))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cam {
    settings: Settings,
}

shared_setters!(Cam at a layer);

impl Attribution for Cam {
    fn name(&self) -> String {
        self.settings.named("CAM")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        case.check_photo("it")?;
        let model = case.model();
        let (layer, called) = match &self.settings.layer {
            Some(layer) => model.find_named(layer.clone())?,
            None => {
                let maps = PooledEnd::of(model)?.maps;
                (maps, format!("{}, before the pooling", model.layer_name(maps)))
            }
        };
        let at = case.at_maps(layer, called, |maps| format!("take GradCam::at({maps:?})"))?;
        let end = PooledEnd::of(model)?;
        if end.maps != layer {
            return Err(Error::Argument(format!(
                "CAM is defined at the layer before the global average pooling alone, {:?} here, not \
                 at {:?}: leave the layer out, or take GradCam::at({:?})",
                model.layer_name(end.maps),
                at.layer(),
                at.layer()
            )));
        }
        let channels = at.activation.size()[1];
        let weight = model.parameter(end.classifier, "weight")?;
        let rows = case.goals()?.iter().map(|goal| {
            let class = goal.class.ok_or_else(|| {
                Error::Argument(format!(
                    "CAM explains one class, not {:?}: take GradCam, which explains any target",
                    goal.label
                ))
            })?;
            // [classes, C] or [classes, C, 1, 1] -> [1, C, 1, 1]
            let row = weight.f_detach().and_then(|w| w.f_select(0, class as i64));
            row.and_then(|row| row.f_reshape([1, channels, 1, 1])).into_result()
        });
        let rows = Tensor::f_cat(&rows.collect::<Result<Vec<_>>>()?, 0);
        let contributions = rows.and_then(|rows| rows.f_mul(&at.activation)).into_result()?;
        self.settings.at_layer(at, contributions)
    }
}

fn no_pooled_end(model: &Model) -> Error {
    Error::Argument(format!(
        "{} does not end in global average pooling and one linear layer, which CAM needs: take \
         GradCam, which works with any network",
        model.name()
    ))
}

/// Where a closure or a module of `tch::nn` stands at the end, which may well be such an end.
fn closed_end(model: &Model, module: NodeId) -> Error {
    Error::Argument(format!(
        "CAM needs global average pooling and one linear layer at the end of {}, and cannot see into \
         its module {:?}: build the end of layers of convlens, or take GradCam, which works with any \
         network",
        model.name(),
        model.layer_name(module)
    ))
}

/// The end of a network on which CAM is defined.
struct PooledEnd {
    /// The layer whose maps are weighted.
    maps: NodeId,
    /// The linear layer or 1 × 1 convolution whose rows weigh them.
    classifier: NodeId,
}

impl PooledEnd {
    fn of(model: &Model) -> Result<PooledEnd> {
        let mut at = model.output();
        let mut classifier = None;
        let mut pooled = false;
        loop {
            let op = model.op_of(at);
            if matches!(op, Op::Module(_)) {
                return Err(closed_end(model, at));
            }
            let before = match model.inputs_of(at) {
                &[only] => only,
                _ => return Err(no_pooled_end(model)),
            };
            match op {
                Op::Flatten | Op::Dropout(_) => {}
                Op::Linear(_) if classifier.is_none() && !pooled => classifier = Some(at),
                // Rectifiers of class maps, between the convolution and the pooling.
                Op::Relu if classifier.is_none() && pooled => {}
                Op::AdaptiveAvgPool2d(_) | Op::Pool2d(_) if !pooled => {
                    let average = !matches!(op, Op::Pool2d(pool) if pool.is_max());
                    if !average || !model.shape_of(at).ends_with(&[1, 1]) {
                        return Err(no_pooled_end(model));
                    }
                    pooled = true;
                    if let Some(classifier) = classifier {
                        return Ok(PooledEnd { maps: before, classifier });
                    }
                }
                Op::Conv2d(conv) if pooled && conv.is_pointwise() => {
                    return Ok(PooledEnd { maps: before, classifier: at });
                }
                _ => return Err(no_pooled_end(model)),
            }
            at = before;
        }
    }
}
