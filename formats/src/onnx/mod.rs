//! ONNX: a network as most frameworks can write it.
//!
//! A file is one message of protobuf's, weights and all. Of these only the places are remembered: the
//! values of a tensor are read when they are asked for, one tensor at a time.
//!
//! ```no_run
//! use convlens_formats::onnx;
//!
//! let file = onnx::open("net.onnx".as_ref())?;
//! for node in &file.network().nodes {
//!     println!("{} of {:?}", node.kind, node.inputs);
//! }
//! for tensor in &file.network().tensors {
//!     println!("{} has {} values", tensor.name, file.values(tensor)?.len());
//! }
//! # Ok::<(), String>(())
//! ```

mod external;
mod file;
mod functions;
mod graph;
mod message;
mod network;
mod order;
mod recognise;
mod tensor;
#[cfg(test)]
mod tests;
mod values;
mod wire;

use super::{Parsed, Source};
use wire::Wire;

pub use file::{File, open};
pub use network::{Attribute, Network, Node, Sizes, Tensor, ValueInfo, Values};

/// The network in a file, and where its weights are. They are read afterwards, by [`Tensor::values`] of
/// the same file.
///
/// # Errors
/// A file that is no network of ONNX's, is cut short or damaged; a graph that uses what it does not make,
/// makes something twice or goes in a circle; tensors that the file does not hold all values of; sparse
/// weights; functions that call themselves or become very many operations.
pub fn parse(source: &mut dyn Source) -> Parsed<Network> {
    let (mut wire, whole) = Wire::open(source, "the file")?;
    graph::network(message::model(&mut wire, whole)?)
}

/// Whether a file is a network of ONNX's, be it one that can be read or not. This reads little more than
/// the beginning.
///
/// # Errors
/// A file that cannot be read.
pub fn is_network(source: &mut dyn Source) -> Parsed<bool> {
    let (mut wire, whole) = Wire::open(source, "the file")?;
    Ok(recognise::is_model(&mut wire, whole))
}
