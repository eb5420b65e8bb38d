//! What ONNX's messages say: the model, its graph, functions, operations and options.

use std::ops::Range;

use super::super::Parsed;
use super::network::{Attribute, Node, Sizes, Tensor, ValueInfo};
use super::tensor::{self, entry};
use super::wire::{self, Field, LONGEST_TEXT, Message, Wire};

/// A file as it is written.
#[derive(Default)]
pub(super) struct Model {
    pub(super) ir_version: i64,
    pub(super) producer: String,
    /// The version of the operators of each domain.
    pub(super) opsets: Vec<(String, i64)>,
    pub(super) graph: Option<Graph>,
    pub(super) functions: Vec<Function>,
}

#[derive(Default)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Call>,
    pub(super) inputs: Vec<ValueInfo>,
    pub(super) outputs: Vec<ValueInfo>,
    pub(super) values: Vec<ValueInfo>,
    pub(super) tensors: Vec<Tensor>,
}

/// An operator that is made of others.
#[derive(Default)]
pub(super) struct Function {
    pub(super) domain: String,
    pub(super) name: String,
    pub(super) overload: String,
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    /// Options that a call may leave out.
    pub(super) defaults: Vec<(String, Attribute)>,
    pub(super) opsets: Vec<(String, i64)>,
    pub(super) nodes: Vec<Call>,
}

/// An operation as it is written.
#[derive(Clone, Default)]
pub(super) struct Call {
    pub(super) node: Node,
    pub(super) overload: String,
    /// Options that are those of the function that the operation is in: here and there.
    pub(super) passed_on: Vec<(String, String)>,
}

/// Reads the file but for the values of its tensors.
pub(super) fn model(wire: &mut Wire<'_>, mut message: Message) -> Parsed<Model> {
    let mut model = Model::default();
    while let Some((number, field)) = wire.next(&mut message)? {
        match number {
            1 => model.ir_version = wire::number(&field, "the file's version")?,
            2 => model.producer = wire.text(&field, "the name of who wrote the file")?,
            7 if model.graph.is_some() => return Err("the file holds two graphs".into()),
            7 => model.graph = Some(graph(wire, &field)?),
            8 => model.opsets.push(opset(wire, &field)?),
            25 => model.functions.push(function(wire, &field)?),
            _ => {}
        }
    }
    Ok(model)
}

fn graph(wire: &mut Wire<'_>, field: &Field) -> Parsed<Graph> {
    let mut graph = Graph::default();
    let mut message = Message::new("the graph", wire::bytes(field, "the graph")?);
    while let Some((number, field)) = wire.next(&mut message)? {
        match number {
            1 => graph.nodes.push(call(wire, &field)?),
            5 => graph.tensors.push(tensor::read(wire, wire::bytes(&field, "a tensor")?)?),
            11 => graph.inputs.push(value_info(wire, &field)?),
            12 => graph.outputs.push(value_info(wire, &field)?),
            13 => graph.values.push(value_info(wire, &field)?),
            15 => {
                return Err(
                    "the network has sparse weights, which are not read: make them dense before the \
                     export"
                        .into(),
                );
            }
            _ => {}
        }
    }
    Ok(graph)
}

fn function(wire: &mut Wire<'_>, field: &Field) -> Parsed<Function> {
    wire.count()?;
    let mut function = Function::default();
    let mut message = Message::new("a function", wire::bytes(field, "a function")?);
    while let Some((number, field)) = wire.next(&mut message)? {
        match number {
            1 => function.name = wire.text(&field, "a function's name")?,
            4 => function.inputs.push(wire.text(&field, "a function's input")?),
            5 => function.outputs.push(wire.text(&field, "a function's output")?),
            7 => function.nodes.push(call(wire, &field)?),
            9 => function.opsets.push(opset(wire, &field)?),
            10 => function.domain = domain(wire, &field)?,
            11 => {
                let option = option(wire, &field)?;
                function.defaults.push((option.name, option.value));
            }
            13 => function.overload = wire.text(&field, "a function's overload")?,
            _ => {}
        }
    }
    Ok(function)
}

fn opset(wire: &mut Wire<'_>, field: &Field) -> Parsed<(String, i64)> {
    wire.count()?;
    let (mut name, mut version) = (String::new(), 0);
    let mut message = Message::new("a set of operators", wire::bytes(field, "a set of operators")?);
    while let Some((number, field)) = wire.next(&mut message)? {
        match number {
            1 => name = domain(wire, &field)?,
            2 => version = wire::number(&field, "the operators' version")?,
            _ => {}
        }
    }
    Ok((name, version))
}

/// ONNX's own domain has two names.
fn domain(wire: &mut Wire<'_>, field: &Field) -> Parsed<String> {
    let domain = wire.text(field, "a domain")?;
    Ok(if domain == "ai.onnx" { String::new() } else { domain })
}

fn call(wire: &mut Wire<'_>, field: &Field) -> Parsed<Call> {
    wire.count()?;
    let mut call = Call::default();
    let node = &mut call.node;
    let mut message = Message::new("an operation", wire::bytes(field, "an operation")?);
    while let Some((number, field)) = wire.next(&mut message)? {
        match number {
            1 => node.inputs.push(wire.text(&field, "an operation's input")?),
            2 => node.outputs.push(wire.text(&field, "an operation's output")?),
            3 => node.name = wire.text(&field, "an operation's name")?,
            4 => node.kind = wire.text(&field, "an operation's kind")?,
            5 => {
                let option = option(wire, &field)?;
                match option.passed_on {
                    Some(there) => call.passed_on.push((option.name, there)),
                    None => node.attributes.push((option.name, option.value)),
                }
            }
            7 => node.domain = domain(wire, &field)?,
            8 => call.overload = wire.text(&field, "an operation's overload")?,
            9 => {
                let (key, value) = entry(wire, &field)?;
                // The longest of all, and of paths of the machine that it was exported on.
                if !key.ends_with("stack_trace") {
                    node.metadata.push((key, value));
                }
            }
            _ => {}
        }
    }
    Ok(call)
}

/// An option as it is written.
struct Written {
    name: String,
    /// The option of the function around it whose value it has.
    passed_on: Option<String>,
    value: Attribute,
}

/// All that an option's message may hold: the field of its type counts.
#[derive(Default)]
struct Fields {
    int: Option<i64>,
    float: Option<f32>,
    text: Option<Range<u64>>,
    tensor: Option<Range<u64>>,
    ints: Vec<i64>,
    floats: Vec<f32>,
    texts: Vec<Range<u64>>,
    other: Option<&'static str>,
}

fn option(wire: &mut Wire<'_>, field: &Field) -> Parsed<Written> {
    wire.count()?;
    let (mut name, mut passed_on, mut kind) = (String::new(), None, 0);
    let mut fields = Fields::default();
    let mut message = Message::new("an option", wire::bytes(field, "an option")?);
    while let Some((number, field)) = wire.next(&mut message)? {
        match number {
            1 => name = wire.text(&field, "an option's name")?,
            2 => fields.float = Some(float(&field)?),
            3 => fields.int = Some(wire::number(&field, "an option")?),
            4 => fields.text = Some(wire::bytes(&field, "an option")?),
            5 => fields.tensor = Some(wire::bytes(&field, "an option")?),
            6 => fields.other = Some("graph"),
            7 => wire.floats(&field, "an option", &mut fields.floats)?,
            8 => wire.numbers(&field, "an option", &mut fields.ints)?,
            9 => {
                wire.count()?;
                fields.texts.push(wire::bytes(&field, "an option")?);
            }
            10 => fields.other = Some("tensors"),
            11 => fields.other = Some("graphs"),
            14 => fields.other = Some("type"),
            15 => fields.other = Some("types"),
            20 => kind = wire::number(&field, "an option's type")?,
            21 => passed_on = Some(wire.text(&field, "an option's name")?),
            22 => fields.other = Some("sparse tensor"),
            23 => fields.other = Some("sparse tensors"),
            _ => {}
        }
    }
    let passed_on = passed_on.filter(|there| !there.is_empty());
    Ok(Written { name, passed_on, value: fields.value(wire, kind)? })
}

fn float(field: &Field) -> Parsed<f32> {
    match field {
        Field::Single(bits) => Ok(f32::from_bits(*bits)),
        _ => Err("an option that is a float is not stored as one".into()),
    }
}

impl Fields {
    /// The value by the number of its type. Some writers leave out what is 0 or empty, and those of the
    /// first version the type.
    fn value(self, wire: &mut Wire<'_>, kind: i64) -> Parsed<Attribute> {
        Ok(match kind {
            0 => return self.present(wire),
            1 => Attribute::Float(self.float.unwrap_or_default()),
            2 => Attribute::Int(self.int.unwrap_or_default()),
            3 => match self.text {
                Some(place) => {
                    text(wire, &place)?.map_or(Attribute::Other("bytes"), Attribute::Text)
                }
                None => Attribute::Text(String::new()),
            },
            4 => match self.tensor {
                Some(place) => Attribute::Tensor(tensor::read(wire, place)?),
                None => return Err("an option should be a tensor, but there is none".into()),
            },
            5 => Attribute::Other("graph"),
            6 => Attribute::Floats(self.floats),
            7 => Attribute::Ints(self.ints),
            8 => texts(wire, &self.texts)?,
            9 => Attribute::Other("tensors"),
            10 => Attribute::Other("graphs"),
            11 => Attribute::Other("sparse tensor"),
            12 => Attribute::Other("sparse tensors"),
            13 => Attribute::Other("type"),
            14 => Attribute::Other("types"),
            _ => Attribute::Other("unknown"),
        })
    }

    fn present(self, wire: &mut Wire<'_>) -> Parsed<Attribute> {
        let kind = match &self {
            Fields { other: Some(other), .. } => return Ok(Attribute::Other(other)),
            Fields { tensor: Some(_), .. } => 4,
            Fields { text: Some(_), .. } => 3,
            Fields { int: Some(_), .. } => 2,
            Fields { float: Some(_), .. } => 1,
            Fields { texts, .. } if !texts.is_empty() => 8,
            Fields { floats, .. } if !floats.is_empty() => 6,
            _ => 7,
        };
        self.value(wire, kind)
    }
}

/// A text, unless it is long or none: any bytes can stand where a text does.
fn text(wire: &mut Wire<'_>, place: &Range<u64>) -> Parsed<Option<String>> {
    if place.end.saturating_sub(place.start) > LONGEST_TEXT {
        return Ok(None);
    }
    Ok(String::from_utf8(wire.bytes(place)?).ok())
}

fn texts(wire: &mut Wire<'_>, places: &[Range<u64>]) -> Parsed<Attribute> {
    let texts: Parsed<Vec<Option<String>>> = places.iter().map(|place| text(wire, place)).collect();
    let texts: Option<Vec<String>> = texts?.into_iter().collect();
    Ok(texts.map_or(Attribute::Other("bytes"), Attribute::Texts))
}

fn value_info(wire: &mut Wire<'_>, field: &Field) -> Parsed<ValueInfo> {
    wire.count()?;
    let mut value = ValueInfo { name: String::new(), dtype: None, sizes: None };
    let mut message = Message::new("a value", wire::bytes(field, "a value")?);
    while let Some((number, field)) = wire.next(&mut message)? {
        match number {
            1 => value.name = wire.text(&field, "a value's name")?,
            2 => {
                let mut kinds = Message::new("a type", wire::bytes(&field, "a type")?);
                while let Some((number, field)) = wire.next(&mut kinds)? {
                    // All others are of no tensor.
                    if number == 1 {
                        tensor_type(wire, &field, &mut value)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(value)
}

fn tensor_type(wire: &mut Wire<'_>, field: &Field, value: &mut ValueInfo) -> Parsed<()> {
    let mut message = Message::new("a type", wire::bytes(field, "a type")?);
    while let Some((number, field)) = wire.next(&mut message)? {
        match number {
            1 => value.dtype = tensor::dtype(wire::number(&field, "a value's type")?).ok(),
            2 => {
                let mut sizes = Vec::new();
                let mut shape = Message::new("a shape", wire::bytes(&field, "a shape")?);
                while let Some((number, field)) = wire.next(&mut shape)? {
                    if number == 1 {
                        sizes.push(size(wire, &field)?);
                    }
                }
                value.sizes = Some(sizes);
            }
            _ => {}
        }
    }
    Ok(())
}

fn size(wire: &mut Wire<'_>, field: &Field) -> Parsed<Sizes> {
    wire.count()?;
    let mut size = Sizes::Unknown;
    let mut message = Message::new("a size", wire::bytes(field, "a size")?);
    while let Some((number, field)) = wire.next(&mut message)? {
        match number {
            1 => {
                // Some write -1 for what is not known.
                let number = wire::number(&field, "a size")?;
                size = if number < 0 { Sizes::Unknown } else { Sizes::Number(number) };
            }
            2 => {
                let name = wire.text(&field, "a size's name")?;
                size = if name.is_empty() { Sizes::Unknown } else { Sizes::Name(name) };
            }
            _ => {}
        }
    }
    Ok(size)
}
