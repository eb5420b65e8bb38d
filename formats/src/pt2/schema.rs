//! The JSON of an archive, as PyTorch's `torch/_export/serde/schema.py` defines it.
//!
//! Only what a network needs is kept: serde passes over all other fields, stack traces for the most
//! part, without storing them. The JSON's own checks are here, what the fields mean is not.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::super::Dtype;
use super::program::{Argument, Input, Role, Size};

#[derive(Deserialize)]
pub(super) struct ExportedProgram {
    pub(super) graph_module: GraphModule,
    pub(super) schema_version: SchemaVersion,
    pub(super) torch_version: Option<String>,
}

/// What is read of a program that cannot be read otherwise.
#[derive(Deserialize)]
pub(super) struct VersionsAlone {
    pub(super) schema_version: SchemaVersion,
    pub(super) torch_version: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct SchemaVersion {
    pub(super) major: u64,
    pub(super) minor: u64,
}

#[derive(Deserialize)]
pub(super) struct GraphModule {
    pub(super) graph: Graph,
    pub(super) signature: Signature,
    #[serde(default)]
    pub(super) module_call_graph: Vec<ModuleCallEntry>,
}

/// How a module is called from Python; that of the whole network comes under the name "".
#[derive(Deserialize)]
pub(super) struct ModuleCallEntry {
    pub(super) fqn: String,
    pub(super) signature: Option<ModuleCallSignature>,
}

#[derive(Deserialize)]
pub(super) struct ModuleCallSignature {
    /// JSON: see `results.rs`.
    pub(super) out_spec: String,
}

/// A graph; what goes into the outermost one, and comes out of it, stands in the signature, too.
#[derive(Deserialize)]
pub(super) struct Graph {
    #[serde(default)]
    pub(super) inputs: Vec<Arg>,
    #[serde(default)]
    pub(super) outputs: Vec<Arg>,
    pub(super) nodes: Vec<Node>,
    pub(super) tensor_values: Named<TensorMeta>,
    pub(super) sym_int_values: Named<SymInt>,
}

#[derive(Deserialize)]
pub(super) struct Node {
    pub(super) target: String,
    pub(super) inputs: Vec<NamedArgument>,
    pub(super) outputs: Vec<Arg>,
    pub(super) metadata: Metadata,
}

#[derive(Deserialize)]
pub(super) struct NamedArgument {
    pub(super) name: String,
    pub(super) arg: Arg,
}

#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) nn_module_stack: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct TensorMeta {
    pub(super) dtype: u64,
    pub(super) sizes: Vec<SymInt>,
    pub(super) device: Device,
    pub(super) strides: Vec<SymInt>,
    pub(super) storage_offset: SymInt,
    pub(super) layout: u64,
}

#[derive(Deserialize)]
pub(super) struct Device {
    pub(super) r#type: String,
}

#[derive(Deserialize)]
pub(super) enum SymInt {
    #[serde(rename = "as_int")]
    Number(i64),
    #[serde(rename = "as_expr")]
    Expression { expr_str: String, hint: Option<Hint> },
}

/// A hint can be a truth value or a float, too, which no size is.
#[derive(Deserialize)]
pub(super) struct Hint {
    pub(super) as_int: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct Signature {
    pub(super) input_specs: Vec<InputSpec>,
    pub(super) output_specs: Vec<OutputSpec>,
}

/// `data/weights/model_weights_config.json`, and the same for constants.
#[derive(Deserialize)]
pub(super) struct PayloadConfig {
    pub(super) config: Named<Payload>,
}

#[derive(Deserialize)]
pub(super) struct Payload {
    pub(super) path_name: String,
    pub(super) use_pickle: bool,
    pub(super) tensor_meta: Option<TensorMeta>,
}

/// A JSON object with names of the network's for keys, in the file's order. None occurs twice.
pub(super) struct Named<T>(pub(super) Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Named<T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Named(entries))
            }
        }

        let Named(entries) = deserializer.deserialize_map(Entries(PhantomData))?;
        let mut names: Vec<&str> = entries.iter().map(|(name, _): &(String, T)| &**name).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair.first() == pair.last()) {
            Some(twice) => Err(D::Error::custom(format!("{twice:?} are two of one name"))),
            None => Ok(Named(entries)),
        }
    }
}

/// One of PyTorch's unions: an object whose only key says which kind of value it has.
trait Union<'de>: Sized {
    const WHAT: &'static str;

    /// The value of a kind.
    fn value<A: MapAccess<'de>>(kind: &str, map: &mut A) -> Result<Self, A::Error>;
}

struct UnionVisitor<T>(PhantomData<T>);

impl<'de, T: Union<'de>> Visitor<'de> for UnionVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(T::WHAT)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let Some(kind) = map.next_key::<String>()? else {
            return Err(A::Error::custom(format!("{} of no kind", T::WHAT)));
        };
        let value = T::value(&kind, &mut map)?;
        match map.next_key::<String>()? {
            None => Ok(value),
            Some(other) => {
                Err(A::Error::custom(format!("{} of two kinds, {kind} and {other}", T::WHAT)))
            }
        }
    }
}

/// Passes over a value whose kind is all that is kept of it.
fn passed_over<'de, A: MapAccess<'de>>(kind: &str, map: &mut A) -> Result<String, A::Error> {
    map.next_value::<IgnoredAny>()?;
    Ok(kind.strip_prefix("as_").unwrap_or(kind).to_owned())
}

/// An argument, and the graph that it is, if it is one.
pub(super) struct Arg(pub(super) Argument, pub(super) Option<Box<GraphArgument>>);

#[derive(Deserialize)]
pub(super) struct GraphArgument {
    pub(super) name: String,
    pub(super) graph: Graph,
}

impl<'de> Deserialize<'de> for Arg {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UnionVisitor(PhantomData))
    }
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

#[derive(Deserialize)]
enum OptionalTensor {
    #[serde(rename = "as_tensor")]
    Tensor(Name),
    #[serde(rename = "as_none")]
    None(IgnoredAny),
}

impl OptionalTensor {
    fn name(self) -> Option<String> {
        match self {
            OptionalTensor::Tensor(tensor) => Some(tensor.name),
            OptionalTensor::None(_) => None,
        }
    }
}

#[derive(Deserialize)]
enum SymIntArgument {
    #[serde(rename = "as_int")]
    Number(i64),
    #[serde(rename = "as_name")]
    Name(String),
}

impl From<SymIntArgument> for Size {
    fn from(argument: SymIntArgument) -> Size {
        match argument {
            SymIntArgument::Number(number) => Size::Number(number),
            SymIntArgument::Name(name) => Size::Name(name),
        }
    }
}

#[derive(Deserialize)]
enum SymFloatArgument {
    #[serde(rename = "as_float")]
    Number(Float),
    #[serde(rename = "as_name")]
    Name(String),
}

#[derive(Deserialize)]
enum SymBoolArgument {
    #[serde(rename = "as_bool")]
    Value(bool),
    #[serde(rename = "as_name")]
    Name(IgnoredAny),
}

impl<'de> Union<'de> for Arg {
    const WHAT: &'static str = "an argument";

    fn value<A: MapAccess<'de>>(kind: &str, map: &mut A) -> Result<Arg, A::Error> {
        let mut graph = None;
        let argument = match kind {
            "as_none" => {
                map.next_value::<IgnoredAny>()?;
                Argument::None
            }
            "as_tensor" => Argument::Tensor(map.next_value::<Name>()?.name),
            "as_tensors" => {
                let tensors = map.next_value::<Vec<Name>>()?.into_iter();
                Argument::Tensors(tensors.map(|tensor| Some(tensor.name)).collect())
            }
            "as_optional_tensors" => {
                let tensors = map.next_value::<Vec<OptionalTensor>>()?.into_iter();
                Argument::Tensors(tensors.map(OptionalTensor::name).collect())
            }
            "as_optional_tensor" => match map.next_value::<OptionalTensor>()?.name() {
                Some(name) => Argument::Tensor(name),
                None => Argument::None,
            },
            "as_int" => Argument::Int(map.next_value()?),
            "as_ints" => {
                let numbers = map.next_value::<Vec<i64>>()?.into_iter();
                Argument::Ints(numbers.map(Size::Number).collect())
            }
            "as_sym_int" => Argument::Size(map.next_value::<SymIntArgument>()?.into()),
            "as_sym_ints" => {
                let sizes = map.next_value::<Vec<SymIntArgument>>()?.into_iter();
                Argument::Ints(sizes.map(Size::from).collect())
            }
            "as_float" => Argument::Float(map.next_value::<Float>()?.0),
            "as_floats" => {
                let floats = map.next_value::<Vec<Float>>()?.into_iter();
                Argument::Floats(floats.map(|float| float.0).collect())
            }
            "as_sym_float" => match map.next_value()? {
                SymFloatArgument::Number(float) => Argument::Float(float.0),
                SymFloatArgument::Name(name) => Argument::NamedFloat(name),
            },
            "as_string" => Argument::Text(map.next_value()?),
            "as_bool" => Argument::Bool(map.next_value()?),
            "as_bools" => Argument::Bools(map.next_value()?),
            "as_sym_bool" => match map.next_value()? {
                SymBoolArgument::Value(value) => Argument::Bool(value),
                SymBoolArgument::Name(_) => Argument::Other("sym_bool".into()),
            },
            "as_scalar_type" => match dtype(map.next_value()?) {
                Ok(dtype) => Argument::Dtype(dtype),
                Err(name) => Argument::Other(name),
            },
            "as_graph" => {
                graph = Some(map.next_value()?);
                Argument::Other("graph".into())
            }
            other => Argument::Other(passed_over(other, map)?),
        };
        Ok(Arg(argument, graph))
    }
}

/// A number. JSON has no infinities: since 2.7 they are texts, and `old::standard_json` makes texts of
/// those before.
struct Float(f64);

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrText;

        impl Visitor<'_> for NumberOrText {
            type Value = Float;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a number, \"Infinity\", \"-Infinity\" or \"NaN\"")
            }

            fn visit_f64<E>(self, number: f64) -> Result<Float, E> {
                Ok(Float(number))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Float, E> {
                Ok(Float(number as f64))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Float, E> {
                Ok(Float(number as f64))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Float, E> {
                match text {
                    "Infinity" => Ok(Float(f64::INFINITY)),
                    "-Infinity" => Ok(Float(f64::NEG_INFINITY)),
                    "NaN" => Ok(Float(f64::NAN)),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(NumberOrText)
    }
}

/// Something that goes in.
pub(super) struct InputSpec(pub(super) Input);

impl<'de> Deserialize<'de> for InputSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UnionVisitor(PhantomData))
    }
}

#[derive(Deserialize)]
struct UserSpec {
    arg: Arg,
}

/// Of a parameter, a buffer or a constant, where it has different names for the second field.
#[derive(Deserialize)]
struct TensorSpec {
    arg: Name,
    #[serde(
        alias = "parameter_name",
        alias = "buffer_name",
        alias = "tensor_constant_name",
        alias = "user_input_name"
    )]
    full_name: String,
}

impl<'de> Union<'de> for InputSpec {
    const WHAT: &'static str = "an input";

    fn value<A: MapAccess<'de>>(kind: &str, map: &mut A) -> Result<InputSpec, A::Error> {
        let role = match kind {
            "parameter" => Role::Parameter,
            "buffer" => Role::Buffer,
            "tensor_constant" => Role::Constant,
            "user_input" => {
                let (value, role) = match map.next_value::<UserSpec>()?.arg.0 {
                    Argument::Tensor(name) | Argument::Size(Size::Name(name)) => (name, Role::User),
                    Argument::Other(kind) => (String::new(), Role::Other(kind)),
                    _ => (String::new(), Role::Other("constant_input".into())),
                };
                return Ok(InputSpec(Input { value, role }));
            }
            other => {
                let role = Role::Other(passed_over(other, map)?);
                return Ok(InputSpec(Input { value: String::new(), role }));
            }
        };
        let spec = map.next_value::<TensorSpec>()?;
        Ok(InputSpec(Input { value: spec.arg.name, role: role(spec.full_name) }))
    }
}

/// Something that comes out.
pub(super) enum OutputSpec {
    User(Argument),
    /// The full name of what is changed.
    Mutation(String),
    Other,
}

impl<'de> Deserialize<'de> for OutputSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UnionVisitor(PhantomData))
    }
}

impl<'de> Union<'de> for OutputSpec {
    const WHAT: &'static str = "an output";

    fn value<A: MapAccess<'de>>(kind: &str, map: &mut A) -> Result<OutputSpec, A::Error> {
        Ok(match kind {
            "user_output" => OutputSpec::User(map.next_value::<UserSpec>()?.arg.0),
            "loss_output" => {
                OutputSpec::User(Argument::Tensor(map.next_value::<LossSpec>()?.arg.name))
            }
            "buffer_mutation" | "parameter_mutation" | "user_input_mutation" => {
                OutputSpec::Mutation(map.next_value::<TensorSpec>()?.full_name)
            }
            other => {
                passed_over(other, map)?;
                OutputSpec::Other
            }
        })
    }
}

#[derive(Deserialize)]
struct LossSpec {
    arg: Name,
}

/// PyTorch's number types in this format; for one that convlens does not know, its name.
pub(super) fn dtype(number: u64) -> Result<Dtype, String> {
    Ok(match number {
        1 => Dtype::U8,
        2 => Dtype::I8,
        3 => Dtype::I16,
        4 => Dtype::I32,
        5 => Dtype::I64,
        6 => Dtype::F16,
        7 => Dtype::F32,
        8 => Dtype::F64,
        9 => return Err("complex32".into()),
        10 => return Err("complex64".into()),
        11 => return Err("complex128".into()),
        12 => Dtype::Bool,
        13 => Dtype::Bf16,
        28 => Dtype::U16,
        29..=33 => return Err("float8".into()),
        34 => Dtype::U32,
        35 => Dtype::U64,
        other => return Err(format!("number type {other}")),
    })
}
