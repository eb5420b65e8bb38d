//! What every kind of layer answers.

use std::ops::RangeInclusive;

use tch::Tensor;

use super::step::Step;
use super::{ParameterSpec, Pass};
use crate::error::Result;

/// A kind of layer. No method has a default, so that a new kind answers each of them.
pub(crate) trait Operator {
    /// What can be said in a word.
    fn facts(&self) -> Facts;

    /// Whether its options make sense, whatever the shapes.
    fn check(&self) -> Result<()>;

    fn parameters(&self) -> Vec<ParameterSpec>;

    /// The shape that comes out of at least one input, or why these cannot go in.
    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>>;

    /// Computes the output of at least one input. `overwrite` allows the first one's memory to be reused.
    fn forward(
        &self,
        inputs: &mut [Tensor],
        parameters: &[Tensor],
        pass: Pass,
        overwrite: bool,
    ) -> Result<Tensor>;

    /// The gradients at the inputs, from that at the output; parameters are constants.
    fn backward(
        &self,
        inputs: &[Tensor],
        parameters: &[Tensor],
        gradient: &Tensor,
    ) -> Result<Gradients>;

    /// What it reads of an input, by its number; `sides` are the inputs' heights and widths, where they
    /// have any.
    fn reads(&self, input: usize, sides: &[Option<[i64; 2]>]) -> Reads;

    /// How its rows and columns depend on those of an input of height and width `from`; `None` where only
    /// trying shows it.
    fn steps(&self, from: [i64; 2], to: [i64; 2]) -> Option<[Step; 2]>;
}

/// What can be said of a layer in a word.
pub(crate) struct Facts {
    /// The name of the kind, as PyTorch has it: for eyes, never to decide by.
    pub(crate) kind: &'static str,
    pub(crate) family: Family,
    /// How many inputs it takes.
    pub(crate) inputs: RangeInclusive<usize>,
    /// The kernel's height and width, where there is one.
    pub(crate) kernel: Option<[i64; 2]>,
    /// Whether the output is memory of its own, which a single reader may overwrite.
    pub(crate) makes_new_memory: bool,
    /// For a rectifier, whose way back guided backpropagation changes: up to where it lets values through.
    pub(crate) rectifies: Option<f64>,
    /// Whether each value depends on a neighbourhood alone, the same everywhere but for the padding: then
    /// a part of the input gives a part of the output.
    pub(crate) is_local: bool,
    /// How its output is made of its inputs.
    pub(crate) makes: Makes,
}

/// How what comes out of a layer is made of what goes in: what has to be known to tell how much of it each input
/// accounts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Makes {
    /// Sums of the input's values times a weight, and perhaps a bias, which are its parameters.
    Weighted,
    /// Sums of its inputs' values, or means, or differences.
    Summed,
    /// The values of its inputs that are numbers to compute with, at other places or between them.
    Moved,
    /// The same, at places that its second input says.
    Sampled,
    /// Some of its inputs' values, the greatest or smallest.
    Chosen,
    /// Of each value another one.
    Each,
    /// Each value times a number, plus a number, which no input changes.
    Scaled,
    /// Each value less the mean of several, divided by their deviation.
    Normalised,
    /// Products of its inputs' values, or sums of products.
    Product,
    /// The first input divided by the second.
    Quotient,
    /// Shares of a whole, by which other values are weighed.
    Shares,
    /// Scores of classes as probabilities, or their logarithms.
    Probabilities,
    /// Means of its third input, weighed by what the first two say.
    Attended,
    /// Truths, places and whole numbers, which do not change as long as the input changes little.
    Steps,
    /// Something else.
    Mixed,
    /// Nobody knows: somebody else's code.
    Unknown,
    /// It has no input.
    Nothing,
}

/// What is asked of several kinds alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Ours, or tch's of any number of dimensions.
    Convolution,
    TransposedConvolution,
    Pooling,
    Linear,
    Other,
}

impl Family {
    /// Whether each parameter works once a pixel.
    pub(crate) fn convolves(self) -> bool {
        matches!(self, Family::Convolution | Family::TransposedConvolution)
    }
}

/// What goes back to the inputs of a layer.
pub(crate) enum Gradients {
    /// One for each input, in memory of their own.
    Own(Vec<Tensor>),
    /// One for each input, in memory that others may have, too.
    Shared(Vec<Tensor>),
    /// There is no formula: autograd finds them.
    ByAutograd,
}

/// What a layer reads of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Its values, each at its place.
    Values,
    /// Its values, each for a whole channel: no part of any window.
    Gate,
    /// Its height and width alone.
    Size,
}
