//! What a network puts out as its file has it.

use convlens::prelude::*;

/// Where the file ends in a softmax over the classes, the output that counts is what that reads; it is the last layer all
/// the same.
pub(crate) fn output_as_written(model: &Model, input: &Tensor) -> convlens::Result<Tensor> {
    let wanted = match model.op(-1)? {
        Op::Softmax(_) => model.layers().at(-1)?.name,
        _ => "output".to_owned(),
    };
    Ok(model.run(&[("input", input)], &[&wanted])?.remove(0))
}
