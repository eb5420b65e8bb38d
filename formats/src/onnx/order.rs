//! Whether everything in a graph is made once, and before it is used.

use std::collections::{HashMap, HashSet};

use super::super::Parsed;
use super::network::{Node, Tensor, ValueInfo};

/// The operations, each behind those whose results it uses: in the file's order if that is one, as ONNX
/// demands.
pub(super) fn sorted(
    inputs: &[ValueInfo],
    tensors: &[Tensor],
    nodes: Vec<Node>,
    outputs: &[ValueInfo],
) -> Parsed<Vec<Node>> {
    let mut given = HashSet::new();
    let names = inputs.iter().map(|input| &input.name);
    for name in names.chain(tensors.iter().map(|tensor| &tensor.name)) {
        if name.is_empty() {
            return Err("the graph has an input or a weight without a name".into());
        }
        if !given.insert(name.as_str()) {
            return Err(format!("the graph has two inputs or weights named {name:?}"));
        }
    }
    let makers = makers(&given, &nodes)?;
    check(&given, &makers, &nodes, outputs)?;
    let order = order(&makers, &nodes)?;
    let mut nodes: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|place| nodes.get_mut(place)?.take()).collect())
}

/// Which operation makes what.
fn makers<'a>(given: &HashSet<&str>, nodes: &'a [Node]) -> Parsed<HashMap<&'a str, usize>> {
    let mut makers = HashMap::new();
    for (place, node) in nodes.iter().enumerate() {
        if node.kind.is_empty() {
            return Err(format!("{} is of no kind", called(place, node)));
        }
        for name in node.outputs.iter().filter(|name| !name.is_empty()) {
            if given.contains(name.as_str()) || makers.insert(name.as_str(), place).is_some() {
                return Err(format!(
                    "{} makes {name:?}, which there is already",
                    called(place, node)
                ));
            }
        }
    }
    Ok(makers)
}

/// An error that names the first operation, or else the output, that uses what is not there.
fn check(
    given: &HashSet<&str>,
    makers: &HashMap<&str, usize>,
    nodes: &[Node],
    outputs: &[ValueInfo],
) -> Parsed<()> {
    let missing = |name: &&String| {
        !name.is_empty() && !given.contains(name.as_str()) && !makers.contains_key(name.as_str())
    };
    for (place, node) in nodes.iter().enumerate() {
        if let Some(name) = node.inputs.iter().find(missing) {
            return Err(format!("{} uses {name:?}, but nothing makes that", called(place, node)));
        }
    }
    let mut seen = HashSet::new();
    for ValueInfo { name, .. } in outputs {
        if name.is_empty() || missing(&name) {
            return Err(format!("the network's output is {name:?}, but nothing makes that"));
        }
        if !seen.insert(name) {
            return Err(format!("the network has two outputs named {name:?}"));
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    /// What it uses is looked at first.
    Open,
    Done,
}

/// Places of operations, each behind those whose results it uses.
fn order(makers: &HashMap<&str, usize>, nodes: &[Node]) -> Parsed<Vec<usize>> {
    let mut states = vec![State::New; nodes.len()];
    let mut order = Vec::with_capacity(nodes.len());
    for start in 0..nodes.len() {
        // Each with how many of its inputs have been looked at. A graph may be deeper than a thread's stack.
        let mut path = vec![(start, 0)];
        while let Some((place, next)) = path.last_mut() {
            let place = *place;
            let (Some(node), Some(state)) = (nodes.get(place), states.get_mut(place)) else {
                break;
            };
            if *state == State::Done {
                path.pop();
                continue;
            }
            *state = State::Open;
            let Some(input) = node.inputs.get(*next) else {
                *state = State::Done;
                order.push(place);
                path.pop();
                continue;
            };
            *next += 1;
            let Some(&maker) = makers.get(input.as_str()) else { continue };
            match states.get(maker) {
                Some(State::New) => path.push((maker, 0)),
                Some(State::Open) => return Err(circle(&path, maker, nodes)),
                _ => {}
            }
        }
    }
    Ok(order)
}

fn circle(path: &[(usize, usize)], start: usize, nodes: &[Node]) -> String {
    let on_it = path.iter().skip_while(|(place, _)| *place != start);
    let names: Vec<String> = on_it
        .take(10)
        .filter_map(|&(place, _)| {
            Some(called(place, nodes.get(place)?).trim_end_matches(',').to_owned())
        })
        .collect();
    format!(
        "the graph goes in a circle: each of these uses what the next makes, the last what the first does: {}",
        names.join("; ")
    )
}

/// An operation in an error.
fn called(place: usize, node: &Node) -> String {
    match node.name.as_str() {
        "" => format!("operation {place} of the graph, a {},", node.kind),
        name => format!("the operation {name:?}, a {},", node.kind),
    }
}
