//! FullGrad.

use tch::Tensor;

use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Meaning, Target};
use crate::error::{Error, Result};
use crate::model::{Model, NodeId, Op};
use crate::tensor::IntoResult;

/// FullGrad: what the input and every bias contribute to the score, `Σᶜ ψ(x · ∂y/∂x) + Σₗ Σₖ ψ(bₖ · ∂y/∂zₖ)`,
/// where `z` is the output of a layer `l` with biases `b`, one a channel `k`: a convolution with a bias, and a
/// batch norm, whose bias is `β − γ μ / √(σ² + ε)`. `ψ` takes magnitudes, scales each channel of a photo to
/// 0..=1, `(v − min) / (1e-7 + max)`, and resizes it to the input's size with half-pixel centres.
///
/// Biases of linear and transposed convolution layers are left out, as in pytorch-grad-cam.
///
/// Srinivas and Fleuret 2019, <https://arxiv.org/abs/1905.00780>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&FullGrad::default().class("tabby"))?;
/// assert_eq!((heat.height(), heat.width()), (224, 224));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct FullGrad {
    settings: Settings,
}

shared_setters!(FullGrad);

impl Attribution for FullGrad {
    fn name(&self) -> String {
        self.settings.named("FullGrad")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        case.check_photo(&self.name())?;
        let input = case.input()?;
        let &[photos, _, height, width] = input.size().as_slice() else {
            return Err(Error::Shape(format!("expected [N, C, H, W], got {:?}", input.size())));
        };
        let model = case.model();
        let total = Tensor::f_zeros([photos, 1, height, width], (input.kind(), input.device()))
            .into_result()?;
        let add = |first: usize, contributions: &Tensor| {
            let map = sum_of_scaled(contributions)?;
            let map = map.f_upsample_bilinear2d([height, width], false, None, None)?;
            total.f_narrow(0, first as i64, map.size()[0])?.f_add_(&map)
        };
        let gradient = case.gradient_past(&model.biased(), &mut |first, layer, gradient| {
            let bias = bias(model, layer)?.f_reshape([1, -1, 1, 1]).into_result()?;
            let _ = gradient.f_mul(&bias).and_then(|product| add(first, &product)).into_result()?;
            Ok(())
        })?;
        let _ = gradient.f_mul(&input).and_then(|product| add(0, &product)).into_result()?;
        self.settings.at_input(case, total, Meaning::Positive)
    }
}

fn bias(model: &Model, id: NodeId) -> Result<Tensor> {
    let bias = model.parameter(id, "bias")?;
    let Op::BatchNorm2d(norm) = model.op_of(id) else { return bias.f_detach().into_result() };
    let [mean, variance, weight] =
        ["running_mean", "running_var", "weight"].map(|name| model.parameter(id, name));
    let (mean, variance, weight) = (mean?, variance?, weight?);
    let work = || {
        let scale = norm.scale(&weight, &variance)?;
        bias.f_sub(&mean.f_mul(&scale)?)?.f_detach()
    };
    work().into_result()
}

/// The magnitudes, each channel scaled to 0..=1, `[N, C, h, w] -> [N, 1, h, w]`: resizing their sum is resizing
/// each.
fn sum_of_scaled(values: &Tensor) -> Result<Tensor, tch::TchError> {
    let space = [2i64, 3];
    let sizes = values.f_abs()?;
    let least = sizes.f_amin(space.as_slice(), true)?;
    let span = sizes.f_amax(space.as_slice(), true)?.f_sub(&least)?.f_add_scalar(1e-7)?;
    let scaled = sizes.f_sub(&least)?.f_div(&span)?;
    scaled.f_sum_dim_intlist([1i64].as_slice(), true, None::<tch::Kind>)
}
