//! Functions that a file defines: operators made of others. Each call is written out, so that nobody else
//! has to know of them.

use std::collections::{HashMap, HashSet};

use super::super::Parsed;
use super::message::{Call, Function};
use super::network::{Attribute, Node};

/// Functions call others, but no deeper than this.
const DEEPEST: usize = 32;
/// So many bytes may calls become: a few functions that call each other often would be without end.
const MOST_BYTES: usize = 64 << 20;

/// By whose a function is, its name and its overload.
type Key<'a> = (&'a str, &'a str, &'a str);

/// The graph's operations, with those of functions instead of calls.
pub(super) fn written_out(
    nodes: Vec<Call>,
    functions: &[Function],
    opset: i64,
) -> Parsed<Vec<Node>> {
    let mut known: HashMap<Key<'_>, &Function> = HashMap::new();
    for function in functions {
        let key = (&*function.domain, &*function.name, &*function.overload);
        if known.insert(key, function).is_some() {
            return Err(format!("the file has two functions named {:?}", function.name));
        }
    }
    if known.is_empty() {
        return Ok(nodes.into_iter().map(|call| call.node).collect());
    }
    let names = nodes.iter().flat_map(|call| call.node.inputs.iter().chain(&call.node.outputs));
    let taken = names.cloned().collect();
    let mut writer = Writer { known, opset, taken, calls: 0, bytes: 0, nodes: Vec::new() };
    for call in nodes {
        writer.write(call, 0)?;
    }
    Ok(writer.nodes)
}

struct Writer<'a> {
    known: HashMap<Key<'a>, &'a Function>,
    opset: i64,
    /// Names that stand for something in the graph.
    taken: HashSet<String>,
    /// How many calls and names have been made unlike others by a number.
    calls: usize,
    bytes: usize,
    nodes: Vec<Node>,
}

impl<'a> Writer<'a> {
    fn write(&mut self, call: Call, depth: usize) -> Parsed<()> {
        let Call { node, overload, .. } = call;
        let key = (&*node.domain, &*node.kind, &*overload);
        let Some(&function) = self.known.get(&key) else {
            self.nodes.push(node);
            return Ok(());
        };
        if depth >= DEEPEST {
            return Err(format!(
                "the function {:?} calls itself, or others more than {DEEPEST} deep",
                function.name
            ));
        }
        self.check(function)?;
        if node.inputs.len() > function.inputs.len() || node.outputs.len() > function.outputs.len()
        {
            return Err(format!(
                "the function {:?} has {} inputs and {} outputs, but is called with {} and {}",
                function.name,
                function.inputs.len(),
                function.outputs.len(),
                node.inputs.len(),
                node.outputs.len()
            ));
        }
        let width = function.inputs.len().saturating_add(function.outputs.len());
        self.spend(width.saturating_mul(size_of::<String>()), function)?;
        self.calls += 1;
        let prefix = match node.name.as_str() {
            "" => format!("{}_{}", function.name, self.calls),
            name => name.to_owned(),
        };
        let mut names = self.outer_names(function, &node);
        for inner in &function.nodes {
            let call = self.renamed(inner, &node, function, &prefix, &mut names)?;
            self.write(call, depth + 1)?;
        }
        Ok(())
    }

    fn check(&self, function: &Function) -> Parsed<()> {
        let inputs: HashSet<&String> = function.inputs.iter().collect();
        if let Some(name) = function.outputs.iter().find(|output| inputs.contains(output)) {
            return Err(format!(
                "the function {:?} has {name:?} both as an input and as an output, which is not read",
                function.name
            ));
        }
        // The same operator may be another one in another version.
        match function.opsets.iter().find(|(domain, _)| domain.is_empty()) {
            Some(&(_, version)) if self.opset != 0 && version != self.opset => Err(format!(
                "the function {:?} uses version {version} of ONNX's operators, and the graph version \
                 {}: export the network so that both are the same",
                function.name, self.opset
            )),
            _ => Ok(()),
        }
    }

    /// What a function's inputs and outputs are called in the graph. Those that a call leaves out have no
    /// name there.
    fn outer_names(&mut self, function: &'a Function, call: &Node) -> HashMap<&'a str, String> {
        let mut names = HashMap::new();
        let outer = |outer: &[String], place: usize| outer.get(place).cloned().unwrap_or_default();
        for (place, name) in function.inputs.iter().enumerate() {
            names.insert(name.as_str(), outer(&call.inputs, place));
        }
        for (place, name) in function.outputs.iter().enumerate() {
            let outer = outer(&call.outputs, place);
            // Another operation of the function may use it all the same.
            if !outer.is_empty() {
                names.insert(name.as_str(), outer);
            }
        }
        names
    }

    /// An operation of a function as one of the graph.
    fn renamed(
        &mut self,
        inner: &'a Call,
        call: &Node,
        function: &Function,
        prefix: &str,
        names: &mut HashMap<&'a str, String>,
    ) -> Parsed<Call> {
        let options = call.attributes.len().saturating_add(function.defaults.len());
        // Each that is passed on is looked for among all.
        let searches = options.saturating_mul(inner.passed_on.len());
        self.spend(bytes(&inner.node).saturating_add(searches), function)?;
        let mut node = inner.node.clone();
        let own = if node.name.is_empty() { &node.kind } else { &node.name };
        node.name = format!("{prefix}/{own}");
        for (from, to) in
            [(&inner.node.inputs, &mut node.inputs), (&inner.node.outputs, &mut node.outputs)]
        {
            for (from, to) in from.iter().zip(to) {
                if from.is_empty() {
                    continue;
                }
                let fresh = || fresh(&mut self.taken, &mut self.calls, prefix, from);
                *to = names.entry(from.as_str()).or_insert_with(fresh).clone();
            }
        }
        for (here, there) in &inner.passed_on {
            let given = call.attributes.iter().chain(&function.defaults);
            // An option that nobody gives is left out, as if it did not stand here.
            if let Some((_, value)) = given.into_iter().find(|(name, _)| name == there) {
                node.attributes.push((here.clone(), value.clone()));
            }
        }
        // What a call's exporter noted of it is true of what it is made of.
        if node.metadata.is_empty() {
            node.metadata.clone_from(&call.metadata);
        }
        self.spend(bytes(&node), function)?;
        Ok(Call { node, overload: inner.overload.clone(), passed_on: Vec::new() })
    }

    /// So much more memory, of which there is an end.
    fn spend(&mut self, bytes: usize, function: &Function) -> Parsed<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MOST_BYTES {
            return Err(format!(
                "the functions of the file, {:?} among them, become more than {MOST_BYTES} bytes of \
                 operations, which no network has",
                function.name
            ));
        }
        Ok(())
    }
}

/// A name that stands for nothing in the graph yet.
fn fresh(taken: &mut HashSet<String>, count: &mut usize, prefix: &str, name: &str) -> String {
    let mut fresh = format!("{prefix}/{name}");
    while !taken.insert(fresh.clone()) {
        *count += 1;
        fresh = format!("{prefix}/{name}_{count}");
    }
    fresh
}

/// About how much memory an operation takes.
fn bytes(node: &Node) -> usize {
    let texts = |texts: &[String]| texts.iter().map(|text| text.len() + size_of::<String>()).sum();
    let option = |(name, value): &(String, Attribute)| {
        let value: usize = match value {
            Attribute::Text(text) => text.len(),
            Attribute::Texts(all) => texts(all),
            Attribute::Ints(all) => all.len() * 8,
            Attribute::Floats(all) => all.len() * 4,
            Attribute::Tensor(tensor) => tensor.name.len() + tensor.sizes.len() * 8,
            Attribute::Int(_) | Attribute::Float(_) | Attribute::Other(_) => 0,
        };
        size_of::<(String, Attribute)>() + name.len() + value
    };
    let note =
        |(name, value): &(String, String)| 2 * size_of::<String>() + name.len() + value.len();
    let (inputs, outputs): (usize, usize) = (texts(&node.inputs), texts(&node.outputs));
    size_of::<Node>()
        + node.name.len()
        + node.kind.len()
        + inputs
        + outputs
        + node.attributes.iter().map(option).sum::<usize>()
        + node.metadata.iter().map(note).sum::<usize>()
}
