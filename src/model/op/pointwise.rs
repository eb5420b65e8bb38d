//! Layers that make of each value another one, and of a shape the same.

use tch::Tensor;

use super::operator::{Facts, Family, Gradients, Makes, Operator, Reads};
use super::step::Step;
use super::{ParameterSpec, Pass};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// What is its own about such a layer.
pub(crate) trait Pointwise {
    fn kind(&self) -> &'static str;
    fn check(&self) -> Result<()>;
    fn apply(&self, input: &mut Tensor, training: bool, overwrite: bool) -> Result<Tensor>;
    /// Whether `apply` never returns the memory of its input, unless it may overwrite it.
    fn makes_new_memory(&self) -> bool;
    /// As [`Operator::backward`] of the one input.
    fn back(&self, gradient: &Tensor) -> Gradients;
    fn rectifies(&self) -> Option<f64>;
    /// As [`Facts::makes`].
    fn makes(&self) -> Makes;
}

impl<T: Pointwise> Operator for T {
    fn facts(&self) -> Facts {
        Facts {
            kind: self.kind(),
            family: Family::Other,
            inputs: 1..=1,
            kernel: None,
            makes_new_memory: self.makes_new_memory(),
            rectifies: self.rectifies(),
            is_local: true,
            makes: Pointwise::makes(self),
        }
    }

    fn check(&self) -> Result<()> {
        Pointwise::check(self)
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        Ok(inputs[0].to_vec())
    }

    fn forward(
        &self,
        inputs: &mut [Tensor],
        _: &[Tensor],
        pass: Pass,
        overwrite: bool,
    ) -> Result<Tensor> {
        self.apply(&mut inputs[0], pass == Pass::Training, overwrite)
    }

    fn backward(&self, _: &[Tensor], _: &[Tensor], gradient: &Tensor) -> Result<Gradients> {
        Ok(self.back(gradient))
    }

    fn reads(&self, _: usize, _: &[Option<[i64; 2]>]) -> Reads {
        Reads::Values
    }

    fn steps(&self, _: [i64; 2], _: [i64; 2]) -> Option<[Step; 2]> {
        Some([Step::Same, Step::Same])
    }
}

/// A function of each value: what is not trained, and new memory unless it may overwrite.
macro_rules! function {
    ($name:ident, $kind:literal, $new:ident, $own:ident, $rectifies:expr) => {
        impl Pointwise for $name {
            fn kind(&self) -> &'static str {
                $kind
            }

            fn check(&self) -> Result<()> {
                Ok(())
            }

            fn apply(&self, input: &mut Tensor, _: bool, overwrite: bool) -> Result<Tensor> {
                if overwrite { input.$own() } else { input.$new() }.into_result()
            }

            fn makes_new_memory(&self) -> bool {
                true
            }

            fn back(&self, _: &Tensor) -> Gradients {
                Gradients::ByAutograd
            }

            fn rectifies(&self) -> Option<f64> {
                $rectifies
            }

            fn makes(&self) -> Makes {
                Makes::Each
            }
        }
    };
}

/// `max(x, 0)`.
pub(super) struct Relu;
function!(Relu, "ReLU", f_relu, f_relu_, Some(f64::INFINITY));

/// `min(max(x, 0), 6)`.
pub(super) struct Relu6;
function!(Relu6, "ReLU6", f_relu6, f_relu6_, Some(6.0));

/// `1 / (1 + exp(−x))`.
pub(super) struct Sigmoid;
function!(Sigmoid, "Sigmoid", f_sigmoid, f_sigmoid_, None);

/// `x / (1 + exp(−x))`.
pub(super) struct Silu;
function!(Silu, "SiLU", f_silu, f_silu_, None);

/// What is dropped in training, with this probability; nothing otherwise.
pub(super) enum Dropout {
    Values(f64),
    Channels(f64),
    Branches(f64),
}

impl Pointwise for Dropout {
    fn kind(&self) -> &'static str {
        match self {
            Dropout::Values(_) => "Dropout",
            Dropout::Channels(_) => "Dropout2d",
            Dropout::Branches(_) => "StochasticDepth",
        }
    }

    fn check(&self) -> Result<()> {
        let (Dropout::Values(p) | Dropout::Channels(p) | Dropout::Branches(p)) = self;
        match (0.0..=1.0).contains(p) {
            true => Ok(()),
            false => Err(Error::Argument(format!("a dropout probability lies in 0..=1, got {p}"))),
        }
    }

    fn apply(&self, input: &mut Tensor, training: bool, _: bool) -> Result<Tensor> {
        match *self {
            _ if !training => Ok(input.shallow_clone()),
            Dropout::Values(p) => input.f_dropout(p, true).into_result(),
            Dropout::Channels(p) => input.f_feature_dropout(p, true).into_result(),
            Dropout::Branches(p) => stochastic_depth(input, p),
        }
    }

    fn makes_new_memory(&self) -> bool {
        false
    }

    fn back(&self, gradient: &Tensor) -> Gradients {
        Gradients::Shared(vec![gradient.shallow_clone()])
    }

    fn rectifies(&self) -> Option<f64> {
        None
    }

    fn makes(&self) -> Makes {
        Makes::Moved
    }
}

/// Each photo's branch is kept with probability `1 − p`, and then divided by it.
fn stochastic_depth(input: &Tensor, p: f64) -> Result<Tensor> {
    if p >= 1.0 {
        return input.f_zeros_like().into_result();
    }
    let photos = input.size().first().copied().unwrap_or(1);
    let keep = Tensor::f_full([photos, 1, 1, 1], 1.0 - p, (input.kind(), input.device()))
        .and_then(|chance| chance.f_bernoulli())
        .and_then(|keep| keep.f_div_scalar(1.0 - p));
    keep.and_then(|keep| input.f_mul(&keep)).into_result()
}
