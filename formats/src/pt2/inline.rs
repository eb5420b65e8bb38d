//! Graphs within a graph, written out where they run: what stands in `with torch.no_grad():` and the like.

use std::collections::HashMap;

use super::program::{Argument, Size};
use super::schema::{Arg, Graph, GraphArgument, Metadata, NamedArgument, Node};

/// Operations that run the graph among their arguments once, on the arguments behind it.
const CALLS: [&str; 5] = [
    "torch.ops.higher_order.wrap_with_set_grad_enabled",
    "torch.ops.higher_order.wrap_with_autocast",
    "torch.ops.higher_order.tag_activation_checkpoint",
    "torch.ops.higher_order.wrap_activation_checkpoint",
    "torch.ops.higher_order.wrap",
];

/// Writes the graphs out; what is no such call, or is not as it should be, stays as it is.
pub(super) fn written_out(graph: &mut Graph) {
    let mut calls = 0;
    // The innermost come last, and so each is looked at once it is written out itself.
    let mut waiting: Vec<Node> = std::mem::take(&mut graph.nodes);
    waiting.reverse();
    while let Some(mut node) = waiting.pop() {
        match call(&mut node) {
            Some(called) => {
                calls += 1;
                let made = inlined(node, *called, calls, graph);
                waiting.extend(made.into_iter().rev());
            }
            None => graph.nodes.push(node),
        }
    }
}

/// The graph that a node calls, taken out of it.
fn call(node: &mut Node) -> Option<Box<GraphArgument>> {
    let place = node.inputs.iter().position(|input| input.arg.1.is_some())?;
    let given = &node.inputs[place + 1..];
    let called = node.inputs[place].arg.1.as_ref()?;
    let inner = &called.graph;
    let fits = CALLS.contains(&node.target.as_str())
        && inner.inputs.len() == given.len()
        && inner.outputs.len() == node.outputs.len()
        && inner
            .inputs
            .iter()
            .zip(given)
            .all(|(own, given)| name(own).is_some() && name(&given.arg).is_some())
        && inner.outputs.iter().chain(&node.outputs).all(|output| name(output).is_some());
    if !fits {
        return None;
    }
    let called = node.inputs[place].arg.1.take();
    node.inputs.drain(..=place);
    called
}

/// The called graph's nodes under names of their own, between what the call is given and what it makes.
fn inlined(call: Node, called: GraphArgument, nth: usize, outer: &mut Graph) -> Vec<Node> {
    let GraphArgument { name: title, graph: inner } = called;
    // What each name of the inner graph stands for.
    let mut stands: HashMap<String, Argument> = HashMap::new();
    for (own, given) in inner.inputs.iter().zip(&call.inputs) {
        if let Some(own) = name(own) {
            stands.insert(own.to_owned(), given.arg.0.clone());
        }
    }
    // What comes out has the call's names; what went in, or comes out twice, is lent another one.
    let mut lent = Vec::new();
    for (own, made) in inner.outputs.iter().zip(&call.outputs) {
        if let Some(own) = name(own) {
            match stands.get(own) {
                None => drop(stands.insert(own.to_owned(), made.0.clone())),
                Some(known) => lent.push((known.clone(), made.0.clone())),
            }
        }
    }
    let mut renamed = |own: &mut String| match stands.get(own.as_str()) {
        Some(
            Argument::Tensor(name) | Argument::NamedFloat(name) | Argument::Size(Size::Name(name)),
        ) => {
            own.clone_from(name);
        }
        _ => *own = format!("{title}@{nth}.{own}"),
    };
    let mut nodes = inner.nodes;
    for node in &mut nodes {
        for arg in node.inputs.iter_mut().map(|input| &mut input.arg).chain(&mut node.outputs) {
            rename(arg, &mut renamed);
        }
        if node.metadata.nn_module_stack.is_none() {
            node.metadata.nn_module_stack.clone_from(&call.metadata.nn_module_stack);
        }
    }
    for (mut own, meta) in inner.tensor_values.0 {
        renamed(&mut own);
        if !outer.tensor_values.0.iter().any(|(known, _)| *known == own) {
            outer.tensor_values.0.push((own, meta));
        }
    }
    for (mut own, size) in inner.sym_int_values.0 {
        renamed(&mut own);
        if !outer.sym_int_values.0.iter().any(|(known, _)| *known == own) {
            outer.sym_int_values.0.push((own, size));
        }
    }
    nodes.extend(lent.into_iter().map(|(known, made)| Node {
        target: "torch.ops.aten.alias.default".into(),
        inputs: vec![NamedArgument { name: "self".into(), arg: Arg(known, None) }],
        outputs: vec![Arg(made, None)],
        metadata: Metadata { nn_module_stack: call.metadata.nn_module_stack.clone() },
    }));
    nodes
}

/// The one name that an argument is.
fn name(arg: &Arg) -> Option<&str> {
    match &arg.0 {
        Argument::Tensor(name) | Argument::NamedFloat(name) | Argument::Size(Size::Name(name)) => {
            Some(name)
        }
        _ => None,
    }
}

fn rename(arg: &mut Arg, renamed: &mut impl FnMut(&mut String)) {
    match &mut arg.0 {
        Argument::Tensor(name) | Argument::NamedFloat(name) | Argument::Size(Size::Name(name)) => {
            renamed(name);
        }
        Argument::Tensors(names) => names.iter_mut().flatten().for_each(renamed),
        Argument::Ints(sizes) => {
            for size in sizes {
                if let Size::Name(name) = size {
                    renamed(name);
                }
            }
        }
        _ => {}
    }
    // Of a graph within, what goes in from outside stands among the arguments.
}
