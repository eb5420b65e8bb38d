//! Where in the original an operation stands, by what exporters put into names.

use convlens_formats::onnx::Node;

use super::super::draft::Place;

/// The module and operation of a node. `weight` is the name of what it owns, if it has one.
pub(super) fn place(node: &Node, weight: Option<&str>, keras: &Keras) -> Place {
    let operation = snake(&node.kind);
    let module = weight
        .and_then(owner)
        .map(str::to_owned)
        .or_else(|| scope_of_dynamo(node))
        .or_else(|| scope(&node.name, &node.kind, keras))
        // What an optimiser has made anew is called after nothing, but its weights are as before.
        .or_else(|| node.inputs.iter().skip(1).find_map(|name| keras.layer(name)))
        .unwrap_or_default();
    Place { module, call: 0, operation }
}

/// How Keras's layers stand in names: `StatefulPartitionedCall/model/conv1/Conv2D`, or, since version 3,
/// `functional_1/conv1_1/convolution`.
#[derive(Debug, Default)]
pub(super) struct Keras {
    /// What all names begin with.
    around: String,
    /// Whether layers have the number of their call behind their names, which TensorFlow's own scopes within
    /// them have not.
    numbered: bool,
}

impl Keras {
    pub(super) fn of(nodes: &[Node]) -> Keras {
        let names = || nodes.iter().map(|node| node.name.as_str()).filter(|name| is_keras(name));
        let Some(first) = names().next() else { return Keras::default() };
        let ends = first.match_indices('/').map(|(slash, _)| &first[..slash + 1]);
        // Behind it there is a layer yet.
        let whole = |around: &&str| {
            names().all(|name| name.strip_prefix(*around).is_some_and(|rest| rest.contains('/')))
        };
        let around = ends.take_while(whole).last().unwrap_or_default().to_owned();
        let mut layers = names().map(|name| name[around.len()..].split('/').next());
        let root = around.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let numbered = unnumbered(root).is_some()
            && layers.all(|layer| layer.is_some_and(|layer| unnumbered(layer).is_some()));
        Keras { around, numbered }
    }

    /// The layers around a node, or a tensor, of this name.
    fn layer(&self, name: &str) -> Option<String> {
        let inner = name.strip_prefix(&self.around).filter(|_| is_keras(name))?;
        let (scopes, _) = inner.rsplit_once('/')?;
        let parts: Vec<&str> = match self.numbered {
            true => scopes.split('/').filter_map(unnumbered).collect(),
            false => scopes.split('/').collect(),
        };
        (!parts.is_empty()).then(|| parts.join("."))
    }
}

fn is_keras(name: &str) -> bool {
    name.contains('/') && !name.starts_with('/')
}

/// `conv1` of `conv1_1`.
fn unnumbered(part: &str) -> Option<&str> {
    let (name, number) = part.rsplit_once('_')?;
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    (digits && !name.is_empty()).then_some(name)
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

/// Of `/layer1/layer1.0/conv1/Conv`, as PyTorch's older exporter has it, `layer1.0.conv1`; of Keras's names the
/// layer. A name that says nothing, as `Conv_23`, gives none.
fn scope(name: &str, kind: &str, keras: &Keras) -> Option<String> {
    if is_keras(name) {
        return keras.layer(name);
    }
    let mut parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
    if parts.len() < 2 {
        let part = *parts.first()?;
        let numbered = part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
        let says = ![kind, "node", "n", ""].contains(&numbered) && !part.starts_with("node_");
        return (says && !name.starts_with('/')).then(|| part.to_owned());
    }
    parts.pop();
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
        let of = |name: &str, kind| scope(name, kind, &Keras::default()).unwrap_or_default();
        assert_eq!(of("/layer1/layer1.0/conv1/Conv", "Conv"), "layer1.0.conv1");
        assert_eq!(of("/layer1/layer1.0/Add", "Add"), "layer1.0");
        assert_eq!(of("/encoder/layers/layers.0/attn/MatMul_1", "MatMul"), "encoder.layers.0.attn");
        assert_eq!(of("/features/features.0/features.0.0/Conv", "Conv"), "features.0.0");
        assert_eq!(of("/Flatten", "Flatten"), "");
        assert_eq!(of("Conv_23", "Conv"), "");
        assert_eq!(of("node_conv2d_3", "Conv"), "");
        assert_eq!(of("resnetv17_conv0_fwd", "Conv"), "resnetv17_conv0_fwd");
    }

    #[test]
    fn layers_are_called_as_keras_calls_them() {
        let of = |names: &[&str]| {
            let named = |name: &&str| Node { name: (*name).into(), ..Node::default() };
            let nodes: Vec<Node> = names.iter().map(named).collect();
            let keras = Keras::of(&nodes);
            names.iter().filter_map(|name| keras.layer(name)).collect::<Vec<_>>()
        };
        let second = [
            "StatefulPartitionedCall/model/conv1/Conv2D",
            "StatefulPartitionedCall/model/relu/Relu",
            "Add_1",
        ];
        assert_eq!(of(&second), ["conv1", "relu"]);
        let third = [
            "net_1.0_1/conv_1/convolution",
            "net_1.0_1/block_1/bn_2_1/batchnorm/mul_1",
            "net_1.0_1/conv_2/convolution",
        ];
        assert_eq!(of(&third), ["conv", "block.bn_2", "conv"]);
        let scopes_alone = ["conv_a/Conv2D", "relu/Relu"];
        assert_eq!(of(&scopes_alone), ["conv_a", "relu"]);
    }

    #[test]
    fn operations_have_small_letters() {
        assert_eq!(snake("GlobalAveragePool"), "global_average_pool");
        assert_eq!(snake("LRN"), "lrn");
        assert_eq!(snake("ReduceL2"), "reduce_l2");
    }
}
