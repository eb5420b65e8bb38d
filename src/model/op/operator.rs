//! What every kind of layer answers.

use tch::Tensor;

use super::step::Step;
use super::{ParameterSpec, Pass};
use crate::error::Result;

/// A kind of layer. No method has a default, so that a new kind answers each of them.
pub(crate) trait Operator {
    /// The name of the kind, as PyTorch has it: for eyes, never to decide by.
    fn kind(&self) -> &'static str;

    /// Whether it takes so many inputs.
    fn takes(&self, inputs: usize) -> bool;

    /// Whether its options make sense, whatever the shapes.
    fn check(&self) -> Result<()>;

    /// The kernel's height and width, where there is one.
    fn kernel(&self) -> Option<[i64; 2]>;

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

    /// Whether the output is memory of its own, which a single reader may overwrite.
    fn makes_new_memory(&self) -> bool;

    /// The gradients at the inputs, from that at the output; parameters are constants.
    fn backward(
        &self,
        inputs: &[Tensor],
        parameters: &[Tensor],
        gradient: &Tensor,
    ) -> Result<Gradients>;

    /// For a rectifier, whose way back guided backpropagation changes: up to where it lets values through.
    fn rectifies(&self) -> Option<f64>;

    /// What it reads of an input, by its number; `sides` are the inputs' heights and widths, where they
    /// have any.
    fn reads(&self, input: usize, sides: &[Option<[i64; 2]>]) -> Reads;

    /// How its rows and columns depend on those of an input of height and width `from`; `None` where only
    /// trying shows it.
    fn steps(&self, from: [i64; 2], to: [i64; 2]) -> Option<[Step; 2]>;

    /// Whether each value depends on a neighbourhood alone, the same everywhere but for the padding: then
    /// a part of the input gives a part of the output.
    fn is_local(&self) -> bool;
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
