//! The graph: from the JSON's terms to a program's.

use std::collections::BTreeMap;

use super::super::{Contents, Parsed};
use super::program::{Argument, Node, Output, Program, Size, Symbol, TensorMeta};
use super::schema::{self, ExportedProgram, OutputSpec, SymInt};
use super::{archive, inline, modules, order, results};

/// Major versions of the description that are read: 7 is PyTorch 2.5's, 8 that of all since.
const MAJORS: [u64; 2] = [7, 8];

/// An error if the description is of a version that is not read.
pub(super) fn check_version(
    version: &schema::SchemaVersion,
    torch_version: Option<&str>,
) -> Parsed<()> {
    if MAJORS.contains(&version.major) {
        return Ok(());
    }
    Err(format!(
        "the program is written in version {}.{} of torch.export's schema, by PyTorch {}; versions 7 \
         and 8 are read: export the network again with PyTorch {}",
        version.major,
        version.minor,
        torch_version.unwrap_or("of an unknown version"),
        archive::VERSIONS
    ))
}

/// The program, once its graph is checked.
pub(super) fn program(parsed: ExportedProgram, weights: Option<Contents>) -> Parsed<Program> {
    let ExportedProgram { graph_module, schema_version, torch_version } = parsed;
    let schema::GraphModule { mut graph, signature, module_call_graph } = graph_module;
    inline::written_out(&mut graph);
    let inputs: Vec<_> = signature.input_specs.into_iter().map(|spec| spec.0).collect();
    let (mut outputs, mut mutated) = (Vec::new(), Vec::new());
    for spec in signature.output_specs {
        match spec {
            OutputSpec::User(argument) => outputs.push(argument),
            OutputSpec::Mutation(name) => mutated.push(name),
            OutputSpec::Other => {}
        }
    }
    order::check(&inputs, &graph.nodes, &outputs)?;
    let whole = module_call_graph.into_iter().find(|entry| entry.fqn.is_empty());
    let spec = whole.and_then(|entry| entry.signature).map(|signature| signature.out_spec);
    let output_names = results::names(spec.as_deref().unwrap_or_default(), outputs.len());
    let mut hints = BTreeMap::new();
    Ok(Program {
        schema: [schema_version.major, schema_version.minor],
        torch_version,
        inputs,
        outputs,
        output_names,
        mutated,
        nodes: graph.nodes.into_iter().map(node).collect(),
        values: values(graph.tensor_values.0, &mut hints)?,
        symbols: graph.sym_int_values.0.into_iter().map(symbol).collect(),
        hints,
        weights,
    })
}

fn node(node: schema::Node) -> Node {
    Node {
        target: node.target,
        inputs: node.inputs.into_iter().map(|input| (input.name, input.arg.0)).collect(),
        outputs: node.outputs.into_iter().map(|output| made(output.0)).collect(),
        module: modules::calls(node.metadata.nn_module_stack.as_deref().unwrap_or_default()),
    }
}

/// What a node makes is written like an argument.
fn made(argument: Argument) -> Output {
    match argument {
        Argument::None => Output::None,
        Argument::Tensor(name) => Output::Tensor(name),
        Argument::Tensors(names) => match names.into_iter().collect() {
            Some(names) => Output::Tensors(names),
            None => Output::Other("optional_tensors".into()),
        },
        Argument::Size(Size::Name(name)) => Output::Int(name),
        Argument::NamedFloat(name) => Output::Float(name),
        Argument::Other(kind) => Output::Other(kind),
        _ => Output::Other("constant".into()),
    }
}

fn values(
    named: Vec<(String, schema::TensorMeta)>,
    hints: &mut BTreeMap<String, i64>,
) -> Parsed<BTreeMap<String, TensorMeta>> {
    let mut values = BTreeMap::new();
    for (name, meta) in named {
        let dtype = schema::dtype(meta.dtype).map_err(|kind| {
            format!(
                "the tensor {name} of the graph is of type {kind}, which convlens does not read: \
                 export a network that computes in floats"
            )
        })?;
        let mut sizes = Vec::with_capacity(meta.sizes.len());
        for size in meta.sizes {
            sizes.push(match size {
                SymInt::Number(number @ 0..) => Size::Number(number),
                SymInt::Number(number) => {
                    return Err(format!("the tensor {name} of the graph has the size {number}"));
                }
                SymInt::Expression { expr_str, hint } => {
                    if let Some(hint) = hint.and_then(|hint| hint.as_int) {
                        hints.insert(expr_str.clone(), hint);
                    }
                    Size::Name(expr_str)
                }
            });
        }
        values.insert(name, TensorMeta { dtype, sizes, device: meta.device.r#type });
    }
    Ok(values)
}

fn symbol((name, value): (String, SymInt)) -> (String, Symbol) {
    let symbol = match value {
        SymInt::Number(number) => Symbol { expression: number.to_string(), hint: Some(number) },
        SymInt::Expression { expr_str, hint } => {
            Symbol { expression: expr_str, hint: hint.and_then(|hint| hint.as_int) }
        }
    };
    (name, symbol)
}
