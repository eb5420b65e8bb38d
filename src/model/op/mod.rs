//! What a node of the graph computes.

mod batch_norm;
mod conv;
mod linear;
mod pool;

use tch::Tensor;

pub use batch_norm::BatchNorm2d;
pub use conv::Conv2d;
pub use linear::Linear;
pub use pool::{AdaptiveAvgPool2d, Pool2d};

use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// What a node computes from its inputs and its parameters. Data, so that a graph can be listed,
/// cut, rewritten and walked backwards.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// The photo as a tensor; the first node of every graph.
    Input,
    /// A convolution.
    Conv2d(Conv2d),
    /// A fully connected layer.
    Linear(Linear),
    /// Batch normalisation.
    BatchNorm2d(BatchNorm2d),
    /// `max(x, 0)`.
    Relu,
    /// Max or average pooling.
    Pool2d(Pool2d),
    /// Average pooling to a given size.
    AdaptiveAvgPool2d(AdaptiveAvgPool2d),
    /// Drops each value with this probability in training; nothing otherwise.
    Dropout(f64),
    /// `[N, C, H, W] -> [N, C·H·W]`.
    Flatten,
    /// Joins its inputs along the channels.
    Concat,
    /// Sums its inputs.
    Add,
}

macro_rules! op_from {
    ($($name:ident),*) => {
        $(impl From<$name> for Op {
            fn from(layer: $name) -> Op {
                Op::$name(layer)
            }
        })*
    };
}
op_from!(Conv2d, Linear, BatchNorm2d, Pool2d, AdaptiveAvgPool2d);

/// How a forward pass treats gradients and the layers that behave otherwise in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Nothing is recorded: the fastest.
    Inference,
    /// Recorded with respect to feeds that require gradients; parameters are constants, and batch
    /// norm and dropout behave as in inference.
    Gradient,
    /// Recorded with respect to the parameters too, with batch norm and dropout as in training.
    Training,
}

/// How a parameter starts when no trained weights are given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Init {
    Constant(f64),
    /// He et al. 2015 for rectifiers: uniform within ±√(6 / fan_in).
    KaimingUniform {
        fan_in: i64,
    },
    /// Uniform within ±1/√fan_in, PyTorch's start for biases and linear layers.
    FanInUniform {
        fan_in: i64,
    },
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
    fn new(name: &'static str, shape: &[i64], init: Init) -> Self {
        ParameterSpec { name, shape: shape.to_vec(), init, trainable: true }
    }

    /// A tensor that the layer keeps but no optimiser changes.
    fn buffer(self) -> Self {
        ParameterSpec { trainable: false, ..self }
    }
}

impl Op {
    /// The name of the layer's kind, as PyTorch has it.
    pub fn kind(&self) -> &'static str {
        match self {
            Op::Input => "Input",
            Op::Conv2d(_) => "Conv2d",
            Op::Linear(_) => "Linear",
            Op::BatchNorm2d(_) => "BatchNorm2d",
            Op::Relu => "ReLU",
            Op::Pool2d(pool) => pool.kind(),
            Op::AdaptiveAvgPool2d(_) => "AdaptiveAvgPool2d",
            Op::Dropout(_) => "Dropout",
            Op::Flatten => "Flatten",
            Op::Concat => "Concat",
            Op::Add => "Add",
        }
    }

    /// The kernel's height and width, where there is one.
    pub fn kernel(&self) -> Option<[i64; 2]> {
        match self {
            Op::Conv2d(conv) => Some(conv.kernel),
            Op::Pool2d(pool) => Some([pool.kernel; 2]),
            _ => None,
        }
    }

    pub(crate) fn parameters(&self) -> Vec<ParameterSpec> {
        match self {
            Op::Conv2d(conv) => conv.parameters(),
            Op::Linear(linear) => linear.parameters(),
            Op::BatchNorm2d(norm) => norm.parameters(),
            _ => Vec::new(),
        }
    }

    /// Whether options and the number of inputs make sense, whatever the shapes.
    pub(crate) fn check(&self, inputs: usize) -> Result<()> {
        let fits = match self {
            Op::Input => inputs == 0,
            Op::Concat => inputs >= 1,
            Op::Add => inputs >= 2,
            _ => inputs == 1,
        };
        if !fits {
            return Err(Error::Argument(format!("{} does not take {inputs} inputs", self.kind())));
        }
        match self {
            Op::Conv2d(conv) => conv.check(),
            Op::Linear(linear) => linear.check(),
            Op::BatchNorm2d(norm) => norm.check(),
            Op::Pool2d(pool) => pool.check(),
            Op::AdaptiveAvgPool2d(pool) => pool.check(),
            Op::Dropout(p) if !(0.0..=1.0).contains(p) => {
                Err(Error::Argument(format!("a dropout probability lies in 0..=1, got {p}")))
            }
            _ => Ok(()),
        }
    }

    /// The shape that comes out, or why these shapes cannot go in.
    pub(crate) fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let Some(first) = inputs.first() else {
            return Err(Error::Argument(format!("{} needs an input", self.kind())));
        };
        match self {
            Op::Conv2d(conv) => conv.output_shape(first),
            Op::Linear(linear) => linear.output_shape(first),
            Op::BatchNorm2d(norm) => norm.output_shape(first),
            Op::Pool2d(pool) => pool.output_shape(first),
            Op::AdaptiveAvgPool2d(pool) => pool.output_shape(first),
            Op::Input | Op::Relu | Op::Dropout(_) => Ok(first.to_vec()),
            Op::Flatten => match first.split_first() {
                Some((&n, rest)) => Ok(vec![n, rest.iter().fold(1, |a, b| a.saturating_mul(*b))]),
                None => Err(Error::Shape("nothing to flatten in a scalar".into())),
            },
            Op::Concat => {
                let mut shape = first.to_vec();
                for other in &inputs[1..] {
                    let joins = other.len() == shape.len()
                        && shape.len() > 1
                        && (0..shape.len()).all(|d| d == 1 || shape[d] == other[d]);
                    if !joins {
                        return Err(Error::Shape(format!(
                            "only inputs that differ in channels alone can be joined, got {inputs:?}"
                        )));
                    }
                    shape[1] += other[1];
                }
                Ok(shape)
            }
            Op::Add => {
                if inputs.iter().any(|other| other != first) {
                    return Err(Error::Shape(format!(
                        "only inputs of one shape can be added, got {inputs:?}"
                    )));
                }
                Ok(first.to_vec())
            }
        }
    }

    /// Whether the output is memory of its own, which a single reader may overwrite.
    pub(crate) fn makes_new_memory(&self) -> bool {
        match self {
            Op::Conv2d(_)
            | Op::Linear(_)
            | Op::BatchNorm2d(_)
            | Op::Relu
            | Op::Pool2d(_)
            | Op::AdaptiveAvgPool2d(_)
            | Op::Concat
            | Op::Add => true,
            Op::Input | Op::Dropout(_) | Op::Flatten => false,
        }
    }

    /// Computes the output. `overwrite` allows the first input's memory to be reused.
    pub(crate) fn forward(
        &self,
        inputs: &mut [Tensor],
        parameters: &[Tensor],
        pass: Pass,
        overwrite: bool,
    ) -> Result<Tensor> {
        let Some(first) = inputs.first_mut() else {
            return Err(Error::Argument(format!("{} needs an input", self.kind())));
        };
        let training = pass == Pass::Training;
        match self {
            Op::Input => Ok(first.shallow_clone()),
            Op::Conv2d(conv) => conv.forward(first, parameters),
            Op::Linear(linear) => linear.forward(first, parameters),
            Op::BatchNorm2d(norm) => norm.forward(first, parameters, training),
            Op::Relu if overwrite => first.f_relu_().into_result(),
            Op::Relu => first.f_relu().into_result(),
            Op::Pool2d(pool) => pool.forward(first),
            Op::AdaptiveAvgPool2d(pool) => pool.forward(first),
            Op::Dropout(p) if training => first.f_dropout(*p, true).into_result(),
            Op::Dropout(_) => Ok(first.shallow_clone()),
            Op::Flatten => first.f_flatten(1, -1).into_result(),
            Op::Concat => Tensor::f_cat(inputs, 1).into_result(),
            Op::Add => {
                let mut sum = first.shallow_clone();
                for other in &inputs[1..] {
                    sum = sum.f_add(other).into_result()?;
                }
                Ok(sum)
            }
        }
    }
}

/// The greatest kernel, stride, padding, dilation or pooled side that makes any sense; sums and
/// products of such numbers stay far from overflowing.
const LARGEST: i64 = 1 << 20;

fn four(shape: &[i64]) -> Result<[i64; 4]> {
    shape.try_into().map_err(|_| {
        Error::Shape(format!("expected [photos, channels, height, width], got {shape:?}"))
    })
}

/// Height and width by the same rule.
fn pair_of(side: impl Fn(usize) -> Result<i64>) -> Result<[i64; 2]> {
    Ok([side(0)?, side(1)?])
}
