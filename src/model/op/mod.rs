//! What a node of the graph computes.

mod adaptive_pool;
mod add;
mod arithmetic;
mod attention;
mod batch_norm;
mod broadcast;
mod cast;
mod concat;
mod constant;
mod conv;
mod conv_transpose;
mod elementwise;
mod flatten;
mod gather;
mod general;
mod grid_sample;
mod index;
mod init;
mod input;
mod interpolate;
mod join;
mod linear;
mod matmul;
mod module;
mod multiply;
mod norm;
mod operator;
mod pad;
mod pointwise;
mod pool;
mod rearrange;
mod reduce;
mod resize_like;
mod sides;
mod softmax;
mod step;
mod top_k;

use tch::Tensor;

pub use adaptive_pool::AdaptiveAvgPool2d;
pub use arithmetic::Arithmetic;
pub use attention::Attention;
pub use batch_norm::BatchNorm2d;
pub use cast::Cast;
pub use constant::{Constant, LoneParameter};
pub use conv::Conv2d;
pub use conv_transpose::ConvTranspose2d;
pub use elementwise::Elementwise;
pub use gather::{Gather, Meeting};
pub use grid_sample::{Beyond, GridSample};
pub use index::Index;
pub use init::WeightInit;
pub(crate) use init::{Init, ParameterSpec};
pub use interpolate::{Interpolate, Interpolation};
pub use linear::Linear;
pub use matmul::Einsum;
pub use module::Module;
pub use norm::Norm;
pub(crate) use operator::{Facts, Family, Gradients, Makes, Operator, Reads};
pub use pad::{Pad, PadMode};
pub use pool::Pool2d;
pub use rearrange::Rearrange;
pub use reduce::{Reduce, ReduceBy};
pub use softmax::Softmax;
pub(crate) use step::Step;
pub use top_k::TopK;

use add::Add;
use concat::Concat;
use flatten::Flatten;
use general::ByTrying;
use index::Where;
use input::Input;
use join::Join;
use matmul::MatMul;
use multiply::Multiply;
use pointwise::{Dropout, Relu, Relu6, Sigmoid, Silu};
use resize_like::ResizeLike;

use crate::error::{Error, Result};

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
    /// A function of each value by itself.
    Elementwise(Elementwise),
    /// Arithmetic or a comparison of two inputs, which are broadcast.
    Arithmetic(Arithmetic),
    /// Dimensions that become one number each.
    Reduce(Reduce),
    /// Shares of a whole.
    Softmax(Softmax),
    /// Layer, group or instance normalisation.
    Norm(Norm),
    /// The product of two matrices; dimensions before the last two are broadcast.
    MatMul,
    /// A sum over products, by Einstein's convention.
    Einsum(Einsum),
    /// What each token takes from all others.
    Attention(Attention),
    /// Values at other places.
    Rearrange(Rearrange),
    /// Joins its inputs along this dimension; [`Concat`](Op::Concat) does along the channels.
    Join(usize),
    /// More rows and columns at the sides.
    Pad(Pad),
    /// Maps of another size.
    Interpolate(Interpolate),
    /// Places of the first input that the others say.
    Index(Index),
    /// The second input where the first is true, the third elsewhere.
    Where,
    /// Values taken from, or written to, places that another input says.
    Gather(Gather),
    /// The greatest values along a dimension, or where they stand.
    TopK(TopK),
    /// Pixels at places that another input says.
    GridSample(GridSample),
    /// Numbers of another kind.
    Cast(Cast),
    /// Values that no input changes.
    Constant(Constant),
    /// A parameter by itself.
    Parameter(LoneParameter),
    /// Any closure, or any module of `tch::nn`.
    Module(Module),
}

crate::show::shown_by_debug!(Op);

macro_rules! op_from {
    ($($name:ident),*) => {
        $(impl From<$name> for Op {
            fn from(layer: $name) -> Op {
                Op::$name(layer)
            }
        })*
    };
}
op_from!(
    Conv2d,
    ConvTranspose2d,
    Linear,
    BatchNorm2d,
    Pool2d,
    AdaptiveAvgPool2d,
    Elementwise,
    Arithmetic,
    Reduce,
    Softmax,
    Norm,
    Einsum,
    Attention,
    Rearrange,
    Pad,
    Interpolate,
    Index,
    Gather,
    TopK,
    GridSample,
    Cast,
    Constant,
    Module
);

impl From<LoneParameter> for Op {
    fn from(parameter: LoneParameter) -> Op {
        Op::Parameter(parameter)
    }
}

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
    /// That of work on so many inputs, so many `at_once`: one pass alone is not worth preparing for. It is the
    /// whole work that counts, and never what is left of it: what is resumed is then computed as it would
    /// have been without the interruption.
    pub(crate) fn of_work(whole: usize, at_once: usize) -> Pass {
        if whole > at_once { Pass::Repeated } else { Pass::Inference }
    }

    /// Whether nothing is recorded.
    pub(crate) fn infers(self) -> bool {
        matches!(self, Pass::Inference | Pass::Repeated)
    }
}

impl Op {
    /// The kind of layer that it is, to be asked; here alone the kinds are counted up.
    fn ask<T>(&self, question: impl FnOnce(&dyn Operator) -> T) -> T {
        match self {
            Op::Input => question(&Input),
            Op::Conv2d(op) => question(op),
            Op::Linear(op) => question(op),
            Op::BatchNorm2d(op) => question(op),
            Op::ConvTranspose2d(op) => question(op),
            Op::Relu => question(&Relu),
            Op::Relu6 => question(&Relu6),
            Op::Sigmoid => question(&Sigmoid),
            Op::Silu => question(&Silu),
            Op::Pool2d(op) => question(op),
            Op::AdaptiveAvgPool2d(op) => question(op),
            Op::Dropout(p) => question(&Dropout::Values(*p)),
            Op::Dropout2d(p) => question(&Dropout::Channels(*p)),
            Op::StochasticDepth(p) => question(&Dropout::Branches(*p)),
            Op::Flatten => question(&Flatten),
            Op::Concat => question(&Concat),
            Op::Add => question(&Add),
            Op::Multiply => question(&Multiply),
            Op::ResizeLike => question(&ResizeLike),
            Op::Elementwise(op) => question(op),
            Op::Arithmetic(op) => question(op),
            Op::Reduce(op) => question(&ByTrying(op)),
            Op::Softmax(op) => question(&ByTrying(op)),
            Op::Norm(op) => question(&ByTrying(op)),
            Op::MatMul => question(&ByTrying(&MatMul)),
            Op::Einsum(op) => question(&ByTrying(op)),
            Op::Attention(op) => question(&ByTrying(op)),
            Op::Rearrange(op) => question(&ByTrying(op)),
            Op::Join(dim) => question(&ByTrying(&Join(*dim))),
            Op::Pad(op) => question(&ByTrying(op)),
            Op::Interpolate(op) => question(op),
            Op::Index(op) => question(&ByTrying(op)),
            Op::Where => question(&ByTrying(&Where)),
            Op::Gather(op) => question(&ByTrying(op)),
            Op::TopK(op) => question(&ByTrying(op)),
            Op::GridSample(op) => question(&ByTrying(op)),
            Op::Cast(op) => question(&ByTrying(op)),
            Op::Constant(op) => question(&ByTrying(op)),
            Op::Parameter(op) => question(&ByTrying(op)),
            Op::Module(op) => question(op),
        }
    }

    fn facts(&self) -> Facts {
        self.ask(|op| op.facts())
    }

    /// The name of the layer's kind, as PyTorch has it.
    pub fn kind(&self) -> &'static str {
        self.facts().kind
    }

    pub(crate) fn family(&self) -> Family {
        self.facts().family
    }

    /// The kernel's height and width, where there is one.
    pub fn kernel(&self) -> Option<[i64; 2]> {
        self.facts().kernel
    }

    pub(crate) fn parameters(&self) -> Vec<ParameterSpec> {
        self.ask(|op| op.parameters())
    }

    /// Whether options and the number of inputs make sense, whatever the shapes.
    pub(crate) fn check(&self, inputs: usize) -> Result<()> {
        self.check_inputs(inputs)?;
        self.ask(|op| op.check())
    }

    /// The shape that comes out, or why these shapes cannot go in.
    pub(crate) fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        self.check_inputs(inputs.len())?;
        let shape = self.ask(|op| op.output_shape(inputs))?;
        match countable(&shape) {
            true => Ok(shape),
            false => Err(too_many(&shape)),
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
        self.check_inputs(inputs.len())?;
        self.ask(|op| op.forward(inputs, parameters, pass, overwrite))
    }

    /// The gradients at the inputs, from that at the output.
    pub(crate) fn backward(
        &self,
        inputs: &[Tensor],
        parameters: &[Tensor],
        gradient: &Tensor,
    ) -> Result<Gradients> {
        self.check_inputs(inputs.len())?;
        self.ask(|op| op.backward(inputs, parameters, gradient))
    }

    fn check_inputs(&self, inputs: usize) -> Result<()> {
        match self.facts().inputs.contains(&inputs) {
            true => Ok(()),
            false => Err(Error::Argument(format!("{} does not take {inputs} inputs", self.kind()))),
        }
    }

    /// Whether the output is memory of its own, which a single reader may overwrite.
    pub(crate) fn makes_new_memory(&self) -> bool {
        self.facts().makes_new_memory
    }

    /// Up to where it lets values through, if it is a rectifier.
    pub(crate) fn rectifies(&self) -> Option<f64> {
        self.facts().rectifies
    }

    /// What it reads of an input.
    pub(crate) fn reads(&self, input: usize, sides: &[Option<[i64; 2]>]) -> Reads {
        self.ask(|op| op.reads(input, sides))
    }

    /// How rows and columns depend on those of an input.
    pub(crate) fn steps(&self, from: [i64; 2], to: [i64; 2]) -> Option<[Step; 2]> {
        self.ask(|op| op.steps(from, to))
    }

    /// How its output is made of its inputs.
    pub(crate) fn makes(&self) -> Makes {
        self.facts().makes
    }

    /// The same layer of weights with or without a bias.
    pub(crate) fn biased(&self, bias: bool) -> Option<Op> {
        match self {
            Op::Conv2d(op) => Some(op.biased(bias).into()),
            Op::ConvTranspose2d(op) => Some(op.biased(bias).into()),
            Op::Linear(op) => Some(op.biased(bias).into()),
            _ => None,
        }
    }

    /// Whether a part of the input gives a part of the output.
    pub(crate) fn is_local(&self) -> bool {
        self.facts().is_local
    }
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
