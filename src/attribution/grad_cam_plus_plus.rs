//! Grad-CAM++.

use tch::{Kind, Tensor};

use super::{LayerCase, LayerMethod, Weighting};
use crate::error::Result;
use crate::tensor::IntoResult;

/// Grad-CAM++: `ReLU(Σₖ wₖ Aₖ)` with `wₖ = Σ a · ReLU(g)` over space, where `g = ∂y/∂Aₖ` and, where
/// `g` is not 0, `a = g² / (2 g² + ΣAₖ · g³ + 1e-6)` (the paper's equation 19 with the exponential of
/// the score, which cancels). The sum of `Aₖ` goes over all places of the channel.
///
/// It is made for layers behind a rectifier. Where activations have both signs, `ΣAₖ · g³` can come near
/// `-2 g²`, and `a` is then without bound.
///
/// Chattopadhyay et al. 2018, <https://arxiv.org/abs/1710.11063>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&GradCamPlusPlus::at("features.12").class("tabby"))?;
/// assert_eq!((heat.height(), heat.width()), (13, 13));
/// Ok::<(), convlens::Error>(())
/// ```
pub type GradCamPlusPlus = LayerMethod<HigherOrderGradient>;

/// Grad-CAM++'s weights: positive gradients, each weighted by its share in the score.
#[derive(Clone, Copy, Debug, Default)]
pub struct HigherOrderGradient;

impl Weighting for HigherOrderGradient {
    const NAME: &'static str = "Grad-CAM++";

    fn contributions(&self, case: &LayerCase) -> Result<Tensor> {
        let gradient = case.gradient()?;
        let space = [2i64, 3];
        let work = || {
            let squared = gradient.f_square()?;
            let sums = case.activation.f_sum_dim_intlist(space.as_slice(), true, None::<Kind>)?;
            let below = sums
                .f_mul(&squared)?
                .f_mul(&gradient)?
                .f_add(&squared.f_mul_scalar(2.0)?)?
                .f_add_scalar(1e-6)?;
            // Where the gradient is 0, so is what it is multiplied by.
            let share = squared.f_div(&below)?;
            let weights = share.f_mul(&gradient.f_relu()?)?.f_sum_dim_intlist(
                space.as_slice(),
                true,
                None::<Kind>,
            )?; // [N, C, 1, 1]
            weights.f_mul(&case.activation)
        };
        work().into_result()
    }
}
