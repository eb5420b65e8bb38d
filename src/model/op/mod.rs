//! What a node of the graph computes.

mod batch_norm;
mod conv;
mod conv_transpose;
mod init;
mod linear;
mod module;
mod pool;
mod resize_like;

use tch::Tensor;

pub use batch_norm::BatchNorm2d;
pub use conv::Conv2d;
pub(crate) use conv::Padding;
pub use conv_transpose::ConvTranspose2d;
pub use init::WeightInit;
pub(crate) use init::{Init, ParameterSpec};
pub use linear::Linear;
pub use module::Module;
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
    /// A transposed convolution, which enlarges.
    ConvTranspose2d(ConvTranspose2d),
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `1 / (1 + exp(−x))`.
    Sigmoid,
    /// `x / (1 + exp(−x))`, also called swish.
    Silu,
    /// Max or average pooling.
    Pool2d(Pool2d),
    /// Average pooling to a given size.
    AdaptiveAvgPool2d(AdaptiveAvgPool2d),
    /// Drops each value with this probability in training; nothing otherwise.
    Dropout(f64),
    /// Drops each whole channel with this probability in training; nothing otherwise.
    Dropout2d(f64),
    /// Drops the whole branch of a photo with this probability in training; nothing otherwise.
    /// Huang et al. 2016, <https://arxiv.org/abs/1603.09382>.
    StochasticDepth(f64),
    /// `[N, C, H, W] -> [N, C·H·W]`.
    Flatten,
    /// Joins its inputs along the channels.
    Concat,
    /// Sums its inputs.
    Add,
    /// Multiplies its two inputs; the second may have one pixel a channel, which then scales the
    /// whole channel.
    Multiply,
    /// Resizes its first input to the height and width of its second, bilinear with half-pixel
    /// centres (PyTorch's `align_corners=False`).
    ResizeLike,
    /// Any closure, or any module of `tch::nn`.
    Module(Module),
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
op_from!(Conv2d, ConvTranspose2d, Linear, BatchNorm2d, Pool2d, AdaptiveAvgPool2d, Module);

/// How a forward pass treats gradients and the layers that behave otherwise in training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Nothing is recorded: the fastest.
    Inference,
    /// The same, for many passes of one batch size: what makes a convolution faster is made once and
    /// kept also where that takes time and memory. Values differ in the last digits.
    Repeated,
    /// Recorded with respect to feeds that require gradients; parameters are constants, and batch
    /// norm and dropout behave as in inference.
    Gradient,
    /// Recorded with respect to the parameters too, with batch norm and dropout as in training.
    Training,
}

impl Pass {
    /// Whether nothing is recorded.
    pub(crate) fn infers(self) -> bool {
        matches!(self, Pass::Inference | Pass::Repeated)
    }
}

impl Op {
    /// The name of the layer's kind, as PyTorch has it.
    pub fn kind(&self) -> &'static str {
        match self {
            Op::Input => "Input",
            Op::Conv2d(_) => "Conv2d",
            Op::ConvTranspose2d(_) => "ConvTranspose2d",
            Op::Linear(_) => "Linear",
            Op::BatchNorm2d(_) => "BatchNorm2d",
            Op::Relu => "ReLU",
            Op::Relu6 => "ReLU6",
            Op::Sigmoid => "Sigmoid",
            Op::Silu => "SiLU",
            Op::Pool2d(pool) => pool.kind(),
            Op::AdaptiveAvgPool2d(_) => "AdaptiveAvgPool2d",
            Op::Dropout(_) => "Dropout",
            Op::Dropout2d(_) => "Dropout2d",
            Op::StochasticDepth(_) => "StochasticDepth",
            Op::Flatten => "Flatten",
            Op::Concat => "Concat",
            Op::Add => "Add",
            Op::Multiply => "Multiply",
            Op::ResizeLike => "Resize",
            Op::Module(module) => module.kind(),
        }
    }

    /// The kernel's height and width, where there is one.
    pub fn kernel(&self) -> Option<[i64; 2]> {
        match self {
            Op::Conv2d(conv) => Some(conv.kernel),
            Op::ConvTranspose2d(conv) => Some([conv.kernel; 2]),
            Op::Pool2d(pool) => Some([pool.kernel; 2]),
            _ => None,
        }
    }

    pub(crate) fn parameters(&self) -> Vec<ParameterSpec> {
        match self {
            Op::Conv2d(conv) => conv.parameters(),
            Op::ConvTranspose2d(conv) => conv.parameters(),
            Op::Linear(linear) => linear.parameters(),
            Op::BatchNorm2d(norm) => norm.parameters(),
            _ => Vec::new(),
        }
    }

    /// Whether options and the number of inputs make sense, whatever the shapes.
    pub(crate) fn check(&self, inputs: usize) -> Result<()> {
        let fits = match self {
            Op::Input => inputs == 0,
            Op::Concat | Op::Module(_) => inputs >= 1,
            Op::Add => inputs >= 2,
            Op::Multiply | Op::ResizeLike => inputs == 2,
            _ => inputs == 1,
        };
        if !fits {
            return Err(Error::Argument(format!("{} does not take {inputs} inputs", self.kind())));
        }
        match self {
            Op::Conv2d(conv) => conv.check(),
            Op::ConvTranspose2d(conv) => conv.check(),
            Op::Linear(linear) => linear.check(),
            Op::BatchNorm2d(norm) => norm.check(),
            Op::Pool2d(pool) => pool.check(),
            Op::AdaptiveAvgPool2d(pool) => pool.check(),
            Op::Dropout(p) | Op::Dropout2d(p) | Op::StochasticDepth(p)
                if !(0.0..=1.0).contains(p) =>
            {
                Err(Error::Argument(format!("a dropout probability lies in 0..=1, got {p}")))
            }
            _ => Ok(()),
        }
    }

    /// The shape that comes out, or why these shapes cannot go in.
    pub(crate) fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let shape = self.shape_of(inputs)?;
        match countable(&shape) {
            true => Ok(shape),
            false => Err(too_many(&shape)),
        }
    }

    fn shape_of(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let Some(first) = inputs.first() else {
            return Err(Error::Argument(format!("{} needs an input", self.kind())));
        };
        match self {
            Op::Conv2d(conv) => conv.output_shape(first),
            Op::ConvTranspose2d(conv) => conv.output_shape(first),
            Op::Linear(linear) => linear.output_shape(first),
            Op::BatchNorm2d(norm) => norm.output_shape(first),
            Op::Pool2d(pool) => pool.output_shape(first),
            Op::AdaptiveAvgPool2d(pool) => pool.output_shape(first),
            Op::Input
            | Op::Relu
            | Op::Relu6
            | Op::Sigmoid
            | Op::Silu
            | Op::Dropout(_)
            | Op::Dropout2d(_)
            | Op::StochasticDepth(_) => Ok(first.to_vec()),
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
                            "only inputs that differ in channels alone can be joined, got {}",
                            few(inputs)
                        )));
                    }
                    shape[1] = shape[1].saturating_add(other[1]);
                }
                Ok(shape)
            }
            Op::Add => {
                if inputs.iter().any(|other| other != first) {
                    return Err(Error::Shape(format!(
                        "only inputs of one shape can be added, got {}",
                        few(inputs)
                    )));
                }
                Ok(first.to_vec())
            }
            Op::Multiply => {
                let scale = inputs.get(1).copied().unwrap_or_default();
                let a_channel = first.len() == 4 && scale.len() == 4 && scale[2..] == [1, 1];
                if scale == *first || (a_channel && scale[..2] == first[..2]) {
                    return Ok(first.to_vec());
                }
                Err(Error::Shape(format!(
                    "an input can be multiplied by one of its own shape or by one value a channel, \
                     got {inputs:?}"
                )))
            }
            Op::ResizeLike => {
                let [n, c, ..] = four(first)?;
                let [.., h, w] = four(inputs.get(1).copied().unwrap_or_default())?;
                Ok(vec![n, c, h, w])
            }
            Op::Module(module) => module.output_shape(inputs),
        }
    }

    /// Whether the output is memory of its own, which a single reader may overwrite.
    pub(crate) fn makes_new_memory(&self) -> bool {
        match self {
            Op::Conv2d(_)
            | Op::ConvTranspose2d(_)
            | Op::Linear(_)
            | Op::BatchNorm2d(_)
            | Op::Relu
            | Op::Relu6
            | Op::Sigmoid
            | Op::Silu
            | Op::Pool2d(_)
            | Op::AdaptiveAvgPool2d(_)
            | Op::Concat
            | Op::Add
            | Op::Multiply => true,
            Op::Input
            | Op::Dropout(_)
            | Op::Dropout2d(_)
            | Op::StochasticDepth(_)
            | Op::Flatten
            | Op::ResizeLike
            | Op::Module(_) => false,
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
            Op::ConvTranspose2d(conv) => conv.forward(first, parameters),
            Op::Linear(linear) => linear.forward(first, parameters),
            Op::BatchNorm2d(norm) => norm.forward(first, parameters, training),
            Op::Relu if overwrite => first.f_relu_().into_result(),
            Op::Relu => first.f_relu().into_result(),
            Op::Relu6 if overwrite => first.f_relu6_().into_result(),
            Op::Relu6 => first.f_relu6().into_result(),
            Op::Sigmoid if overwrite => first.f_sigmoid_().into_result(),
            Op::Sigmoid => first.f_sigmoid().into_result(),
            Op::Silu if overwrite => first.f_silu_().into_result(),
            Op::Silu => first.f_silu().into_result(),
            Op::Pool2d(pool) => pool.forward(first),
            Op::AdaptiveAvgPool2d(pool) => pool.forward(first),
            Op::Dropout(p) if training => first.f_dropout(*p, true).into_result(),
            Op::Dropout2d(p) if training => first.f_feature_dropout(*p, true).into_result(),
            Op::StochasticDepth(p) if training => stochastic_depth(first, *p),
            Op::Dropout(_) | Op::Dropout2d(_) | Op::StochasticDepth(_) => Ok(first.shallow_clone()),
            Op::Flatten => first.f_flatten(1, -1).into_result(),
            Op::Concat => Tensor::f_cat(inputs, 1).into_result(),
            Op::Add => {
                let (sum, others) = inputs.split_at_mut(1);
                let mut sum = sum[0].shallow_clone();
                for (i, other) in others.iter().enumerate() {
                    // From the second term on, the sum is ours.
                    let own = pass.infers() && (overwrite || i > 0);
                    sum = if own { sum.f_add_(other) } else { sum.f_add(other) }.into_result()?;
                }
                Ok(sum)
            }
            Op::Multiply => {
                let (value, scale) = inputs.split_at_mut(1);
                match overwrite {
                    true => value[0].f_mul_(&scale[0]).into_result(),
                    false => value[0].f_mul(&scale[0]).into_result(),
                }
            }
            Op::ResizeLike => resize_like::bilinear_like(&inputs[0], &inputs[1]),
            Op::Module(module) => module.forward(inputs, parameters, pass),
        }
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

/// The greatest kernel, stride, padding, dilation or pooled side that makes any sense; sums and
/// products of such numbers stay far from overflowing.
const LARGEST: i64 = 1 << 20;

/// Values that no memory holds: sums and products of shapes with fewer stay far from overflowing.
const MOST_VALUES: i64 = 1 << 40;

/// Whether there are few enough values in this shape to be counted.
pub(super) fn countable(shape: &[i64]) -> bool {
    let count = shape.iter().try_fold(1i64, |count, &side| {
        // A side of 0 must not hide another one.
        count.checked_mul(side.max(1)).filter(|count| *count <= MOST_VALUES)
    });
    count.is_some()
}

pub(super) fn too_many(shape: &[i64]) -> Error {
    Error::Shape(format!(
        "{shape:?} are more values than any memory holds (at most 2^40): choose smaller sizes"
    ))
}

/// The first of many shapes.
fn few(shapes: &[&[i64]]) -> String {
    const SHOWN: usize = 8;
    match shapes.len().checked_sub(SHOWN) {
        None | Some(0) => format!("{shapes:?}"),
        Some(more) => format!("{:?} and {more} more", &shapes[..SHOWN]),
    }
}

fn four(shape: &[i64]) -> Result<[i64; 4]> {
    shape.try_into().map_err(|_| {
        Error::Shape(format!("expected [photos, channels, height, width], got {shape:?}"))
    })
}

/// Height and width by the same rule.
fn pair_of(side: impl Fn(usize) -> Result<i64>) -> Result<[i64; 2]> {
    Ok([side(0)?, side(1)?])
}
