//! The graph: from the file's terms to a network's.

use std::collections::HashSet;

use super::super::Parsed;
use super::message::{Graph, Model};
use super::network::Network;
use super::{functions, order};

/// The network, once its graph is checked.
pub(super) fn network(model: Model) -> Parsed<Network> {
    let opset = opset(&model);
    let Model { ir_version, producer, graph, functions, .. } = model;
    let Some(graph) = graph else {
        return Err("the file holds no graph: it is damaged, or no ONNX file".into());
    };
    let Graph { nodes, mut inputs, outputs, values, tensors } = graph;
    if let Some(call) = nodes.iter().find(|call| !call.passed_on.is_empty()) {
        return Err(format!(
            "the operation {:?}, a {}, takes an option from a function around it, but there is none",
            call.node.name, call.node.kind
        ));
    }
    // Old exporters list the weights among the inputs, too.
    let weights: HashSet<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    inputs.retain(|input| !weights.contains(input.name.as_str()));
    let nodes = functions::written_out(nodes, &functions, opset)?;
    if opset == 0 && nodes.iter().any(|node| node.domain.is_empty()) {
        return Err(
            "the file does not say which version of ONNX's operators it uses: it is damaged".into(),
        );
    }
    let nodes = order::sorted(&inputs, &tensors, nodes, &outputs)?;
    // tf2onnx leaves some behind that nobody reads.
    if inputs.len() > 1 {
        let read = nodes.iter().flat_map(|node| &node.inputs);
        let read = read.chain(outputs.iter().map(|output| &output.name));
        let read: HashSet<&str> = read.map(String::as_str).collect();
        inputs.retain(|input| read.contains(input.name.as_str()));
    }
    Ok(Network { ir_version, producer, opset, inputs, outputs, nodes, values, tensors })
}

/// The version of ONNX's own operators, or 0. The first two versions of the file have no field for it.
fn opset(model: &Model) -> i64 {
    match model.opsets.iter().find(|(domain, _)| domain.is_empty()) {
        Some(&(_, version)) => version,
        None if model.ir_version < 3 && model.opsets.is_empty() => 1,
        None => 0,
    }
}
