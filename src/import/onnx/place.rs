//! Where in the original an operation stands, by what exporters put into names.

use convlens_formats::onnx::Node;

use super::super::draft::Place;

/// The module and operation of a node. `weight` is the name of what it owns, if it has one.
pub(super) fn place(node: &Node, weight: Option<&str>) -> Place {
    let operation = snake(&node.kind);
    let module = weight
        .and_then(owner)
        .map(str::to_owned)
        .or_else(|| scope_of_dynamo(node))
        .or_else(|| scope(&node.name, &node.kind))
        .unwrap_or_default();
    Place { module, call: 0, operation }
}

/// `layer1.0.conv1` of its weight `layer1.0.conv1.weight`.
fn owner(weight: &str) -> Option<&str> {
    let plain = weight.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    let (module, last) = weight.rsplit_once('.')?;
    (plain && ["weight", "weight_quantized"].contains(&last)).then_some(module)
}

/// What PyTorch's newer exporter says beside the node.
fn scope_of_dynamo(node: &Node) -> Option<String> {
    let (_, scopes) = node.metadata.iter().find(|(key, _)| key == "pkg.torch.onnx.name_scopes")?;
    // A list as Python writes it: ['', 'layer1', 'layer1.0', 'relu_1'], the operation last.
    let scopes: Vec<&str> = scopes.split(['\'', '"']).skip(1).step_by(2).collect();
    let (_, modules) = scopes.split_last()?;
    modules.last().map(|&module| module.to_owned())
}

/// Of `/layer1/layer1.0/conv1/Conv`, as PyTorch's older exporter has it, `layer1.0.conv1`; of
/// `StatefulPartitionedCall/model/conv1/Conv2D`, as Keras has it, `conv1`. A name that says nothing, as
/// `Conv_23`, gives none.
fn scope(name: &str, kind: &str) -> Option<String> {
    let mut parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
    let keras = parts.len() > 1 && !name.starts_with('/');
    if parts.len() < 2 {
        let part = *parts.first()?;
        let numbered = part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
        let says = ![kind, "node", "n", ""].contains(&numbered) && !part.starts_with("node_");
        return (says && !name.starts_with('/')).then(|| part.to_owned());
    }
    parts.pop();
    if keras {
        const AROUND: [&str; 4] =
            ["StatefulPartitionedCall", "PartitionedCall", "model", "sequential"];
        let around = |part: &str| {
            let part = part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
            AROUND.contains(&part) || part == "functional"
        };
        while parts.first().is_some_and(|part| around(part)) {
            parts.remove(0);
        }
        return (!parts.is_empty()).then(|| parts.join("."));
    }
    let mut module = String::new();
    let mut last = "";
    for part in parts {
        // What is in a list has the list's name in front: layer1, then layer1.0.
        match part.strip_prefix(last).filter(|rest| !last.is_empty() && rest.starts_with('.')) {
            Some(rest) => module.push_str(rest),
            None if module.is_empty() => module.push_str(part),
            None => {
                module.push('.');
                module.push_str(part);
            }
        }
        last = part;
    }
    Some(module)
}

/// `MaxPool` is `max_pool`.
fn snake(kind: &str) -> String {
    let mut name = String::new();
    let mut before = ' ';
    for c in kind.chars() {
        if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
        before = c;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_a_path_of_modules() {
        let of = |name: &str, kind| scope(name, kind).unwrap_or_default();
        assert_eq!(of("/layer1/layer1.0/conv1/Conv", "Conv"), "layer1.0.conv1");
        assert_eq!(of("/layer1/layer1.0/Add", "Add"), "layer1.0");
        assert_eq!(of("/encoder/layers/layers.0/attn/MatMul_1", "MatMul"), "encoder.layers.0.attn");
        assert_eq!(of("/features/features.0/features.0.0/Conv", "Conv"), "features.0.0");
        assert_eq!(of("/Flatten", "Flatten"), "");
        assert_eq!(of("Conv_23", "Conv"), "");
        assert_eq!(of("node_conv2d_3", "Conv"), "");
        assert_eq!(of("StatefulPartitionedCall/model/conv1/Conv2D", "Conv"), "conv1");
        assert_eq!(of("resnetv17_conv0_fwd", "Conv"), "resnetv17_conv0_fwd");
    }

    #[test]
    fn operations_have_small_letters() {
        assert_eq!(snake("GlobalAveragePool"), "global_average_pool");
        assert_eq!(snake("LRN"), "lrn");
        assert_eq!(snake("ReduceL2"), "reduce_l2");
    }
}
