//! Whether everything in a graph is made once, and before it is used.

use std::collections::HashSet;

use super::super::Parsed;
use super::program::{Argument, Input, Size};
use super::schema::Node;

/// An error that names the first node, or else the output, that uses what is not there.
pub(super) fn check(inputs: &[Input], nodes: &[Node], outputs: &[Argument]) -> Parsed<()> {
    let mut known = HashSet::new();
    for input in inputs.iter().filter(|input| !input.value.is_empty()) {
        if !known.insert(input.value.as_str()) {
            return Err(format!("the graph has two inputs named {:?}", input.value));
        }
    }
    for (place, node) in nodes.iter().enumerate() {
        let place = || format!("node {place} of the graph, {}", node.target);
        for input in &node.inputs {
            if let Some(name) = names(&input.arg.0).find(|name| !known.contains(name)) {
                return Err(format!(
                    "{}, uses {name:?} as its {:?}, but nothing before it makes that",
                    place(),
                    input.name
                ));
            }
        }
        for name in node.outputs.iter().flat_map(|output| names(&output.0)) {
            if !known.insert(name) {
                return Err(format!("{}, makes {name:?}, which there is already", place()));
            }
        }
    }
    match outputs.iter().flat_map(names).find(|name| !known.contains(name)) {
        Some(name) => Err(format!("the network's output is {name:?}, but nothing makes that")),
        None => Ok(()),
    }
}

/// The tensors and symbolic integers in an argument.
fn names(argument: &Argument) -> impl Iterator<Item = &str> {
    let (name, tensors, sizes): (Option<&String>, &[Option<String>], &[Size]) = match argument {
        Argument::Tensor(name) | Argument::NamedFloat(name) | Argument::Size(Size::Name(name)) => {
            (Some(name), &[], &[])
        }
        Argument::Tensors(tensors) => (None, tensors, &[]),
        Argument::Ints(sizes) => (None, &[], sizes),
        _ => (None, &[], &[]),
    };
    let symbolic = sizes.iter().filter_map(|size| match size {
        Size::Name(name) => Some(name),
        Size::Number(_) => None,
    });
    name.into_iter().chain(tensors.iter().flatten()).chain(symbolic).map(String::as_str)
}
