//! How parameters start when no trained weights are given.

use rand::distributions::{Distribution, Uniform};
use rand::rngs::StdRng;
use tch::Tensor;

use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// How a layer's weights start; PyTorch's names and formulas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WeightInit {
    /// Uniform within ±√(6 / fan_in), He et al. 2015 for rectifiers.
    KaimingUniform,
    /// Normal with deviation √(2 / fan_in), He et al. 2015.
    KaimingNormal,
    /// Normal with deviation √(2 / fan_out), which keeps the gradients' size.
    KaimingNormalFanOut,
    /// Uniform within ±1/√fan_in, what PyTorch's layers do when nobody asks.
    FanIn,
    /// Uniform within ±1/√fan_out.
    FanOut,
    /// Normal with this deviation.
    Normal(f64),
}

impl WeightInit {
    pub(super) fn resolve(self, fan_in: i64, fan_out: i64) -> Init {
        let (fan_in, fan_out) = (fan_in.max(1) as f64, fan_out.max(1) as f64);
        match self {
            WeightInit::KaimingUniform => Init::Uniform((6.0 / fan_in).sqrt()),
            WeightInit::KaimingNormal => Init::Normal((2.0 / fan_in).sqrt()),
            WeightInit::KaimingNormalFanOut => Init::Normal((2.0 / fan_out).sqrt()),
            WeightInit::FanIn => Init::Uniform(1.0 / fan_in.sqrt()),
            WeightInit::FanOut => Init::Uniform(1.0 / fan_out.sqrt()),
            WeightInit::Normal(deviation) => Init::Normal(deviation),
        }
    }
}

/// What one tensor is filled with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Init {
    Constant(f64),
    /// Between minus and plus this bound.
    Uniform(f64),
    /// With this standard deviation.
    Normal(f64),
}

impl Init {
    pub(crate) fn tensor(self, shape: &[i64], random: &mut StdRng) -> Result<Tensor> {
        let count = shape.iter().fold(1i64, |a, &b| a.saturating_mul(b)).max(0) as usize;
        let values = match self {
            Init::Constant(value) => vec![value as f32; count],
            // What rand would panic at.
            Init::Uniform(bound) | Init::Normal(bound)
                if !(bound as f32).is_finite() || bound < 0.0 =>
            {
                return Err(Error::Argument(format!(
                    "weights cannot start at random with {bound}: give a finite number, 0 or more"
                )));
            }
            Init::Uniform(bound) => {
                let range = Uniform::new_inclusive(-bound as f32, bound as f32);
                range.sample_iter(random).take(count).collect()
            }
            Init::Normal(deviation) => normal(count, deviation as f32, random),
        };
        Tensor::f_from_slice(&values).and_then(|t| t.f_reshape(shape)).into_result()
    }
}

/// Box and Muller 1958: two uniform numbers make two normal ones.
fn normal(count: usize, deviation: f32, random: &mut StdRng) -> Vec<f32> {
    let unit = Uniform::new(f32::EPSILON, 1.0f32);
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let radius = deviation * (-2.0 * unit.sample(random).ln()).sqrt();
        let (sin, cos) = (std::f32::consts::TAU * unit.sample(random)).sin_cos();
        values.extend([radius * cos, radius * sin]);
    }
    values.truncate(count);
    values
}

/// One tensor that a layer owns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ParameterSpec {
    pub(crate) name: &'static str,
    pub(crate) shape: Vec<i64>,
    pub(crate) init: Init,
    pub(crate) trainable: bool,
}

impl ParameterSpec {
    /// How many values it has; as shapes may be anything, their product is no integer.
    pub(crate) fn count(&self) -> f64 {
        self.shape.iter().map(|&side| side as f64).product()
    }

    pub(super) fn new(name: &'static str, shape: &[i64], init: Init) -> Self {
        ParameterSpec { name, shape: shape.to_vec(), init, trainable: true }
    }

    /// A weight and, for those that have one, a bias of so many values, which starts at zero or as
    /// PyTorch has it.
    pub(super) fn weight_and_bias(
        shape: &[i64],
        init: WeightInit,
        [fan_in, fan_out]: [i64; 2],
        bias: Option<i64>,
        zero_bias: bool,
    ) -> Vec<Self> {
        let weight = ParameterSpec::new("weight", shape, init.resolve(fan_in, fan_out));
        let start = match zero_bias {
            true => Init::Constant(0.0),
            false => WeightInit::FanIn.resolve(fan_in, fan_out),
        };
        let bias = bias.map(|count| ParameterSpec::new("bias", &[count], start));
        std::iter::once(weight).chain(bias).collect()
    }

    /// A tensor that the layer keeps but no optimiser changes.
    pub(super) fn buffer(self) -> Self {
        ParameterSpec { trainable: false, ..self }
    }
}
