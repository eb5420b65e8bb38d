//! PyTorch's `.pt2`: what `torch.export` wrote down, as a network of ours.

mod arguments;
mod aten;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use convlens_formats::pt2::{self, Argument, Node, Output, Program, Role, Size};
use convlens_formats::{Contents, Dtype, Source};
use tch::Kind;

use super::draft::{Draft, Fed, Photos, Place, Side, Value, Weight};
use super::parts;
use crate::error::{Error, Result};
use crate::model::{Model, Weights};
use crate::tensor::{IntoResult, channels_last};
use crate::weights;
use arguments::Arguments;

/// Reads the network in a file.
pub(super) fn open(source: &mut dyn Source, name: &str, up_to: Option<&str>) -> Result<Model> {
    let program = pt2::parse(source).map_err(Error::Argument)?;
    if let Some(first) = program.mutated.first() {
        return Err(Error::Argument(format!(
            "the network was exported in training mode: running it would change {first:?}; export it with \
             torch.export.export(net.eval(), (x,))"
        )));
    }
    let tensors = match &program.weights {
        Some(contents) => tensors(source, contents)?,
        None => Weights::new(),
    };
    let several = matches!(written_with(&program), Some(Size::Number(2..)));
    parts::for_photos(!several, |photos| {
        let mut reader = Reader::new(&program, name, &tensors, photos)?;
        reader.read(up_to.is_some())?;
        let outputs = reader.outputs();
        reader.draft.finish(&outputs, up_to)
    })
}

/// For how many photos the network was written, as its first input says that can be one, or else a row of numbers.
fn written_with(program: &Program) -> Option<&Size> {
    let of_rank = |rank: usize| {
        let mut user = program.inputs.iter().filter(|input| matches!(input.role, Role::User));
        user.find_map(|input| {
            let sizes = &program.values.get(&input.value)?.sizes;
            sizes.first().filter(|_| sizes.len() == rank)
        })
    };
    of_rank(4).or_else(|| of_rank(2))
}

/// All tensors of the file by their full names: integers and truth values as what they are, all others in
/// 32-bit floats.
fn tensors(source: &mut dyn Source, contents: &Contents) -> Result<Weights> {
    let mut tensors = weights::load(source, contents).map_err(Error::Argument)?;
    for (storage, entries) in contents.by_storage() {
        for (nth, entry) in entries.iter().enumerate() {
            // Tied weights are one tensor under two names.
            let tied = entries[..nth].iter().find(|other| other.is_the_values_of(entry));
            let tied = tied
                .and_then(|other| tensors.get(&other.name))
                .map(|tensor| tensor.shallow_clone());
            let Some(tensor) = tensors.get_mut(&entry.name) else { continue };
            if let Some(tied) = tied {
                *tensor = tied;
                continue;
            }
            *tensor = match storage.dtype() {
                Dtype::Bool => tensor.f_to_kind(Kind::Bool).into_result()?,
                // One after the other, so that there are never two of all.
                dtype if dtype.is_float() => channels_last(tensor)?,
                _ => tensor.f_to_kind(Kind::Int64).into_result()?,
            };
        }
    }
    Ok(tensors)
}

/// What a name of the graph stands for.
#[derive(Clone, Debug)]
enum Known {
    Tensor(Value),
    Int(Side),
    /// A second result that nothing here computes, as the places of maxima.
    Nothing,
}

/// Goes through the graph from the first operation to the last.
struct Reader<'a> {
    program: &'a Program,
    draft: Draft,
    known: HashMap<&'a str, Known>,
    /// Which names share their memory: those of one number are views of each other.
    memory: HashMap<&'a str, usize>,
    /// Views of what has been overwritten through another name.
    stale: HashSet<&'a str>,
    /// How many photos the network was exported with.
    photos: i64,
}

impl<'a> Reader<'a> {
    fn new(
        program: &'a Program,
        name: &str,
        tensors: &Weights,
        at_once: Photos,
    ) -> Result<Reader<'a>> {
        let user: Vec<&str> = program
            .inputs
            .iter()
            .filter(|input| matches!(input.role, Role::User))
            .map(|input| input.value.as_str())
            .collect();
        let hint = |size: &Size| match size {
            Size::Number(number) => Some(*number),
            Size::Name(expression) => program.hints.get(expression).copied(),
        };
        let photos = written_with(program).and_then(hint).unwrap_or(1).max(1);
        let rank = |input: &&str| program.values.get(*input).map_or(0, |meta| meta.sizes.len());
        let alone = Fed::without_batch(user.iter().map(rank));
        let mut inputs = Vec::new();
        for &input in &user {
            let Some(meta) = program.values.get(input) else {
                return Err(Error::Argument(format!(
                    "the input {input:?} is no tensor: export the network with a number in its place"
                )));
            };
            let sides = meta.sizes.iter().enumerate().map(|(i, size)| match (i, size) {
                (0, Size::Name(_)) => Some(Side::PHOTOS),
                (0, Size::Number(number)) if *number == photos && meta.sizes.len() > 1 => {
                    Some(Side::PHOTOS)
                }
                (_, size) => hint(size).map(Side::fixed),
            });
            let shape = sides.collect::<Option<Vec<Side>>>();
            let sizes = || format!("{:?}", meta.sizes);
            let fed = Fed::new(input, shape, !meta.dtype.is_float(), sizes)?;
            inputs.push(if alone { fed.or_one_photo() } else { fed });
        }
        let mut draft = Draft::new(name, inputs, at_once)?;
        let mut place = 0;
        let mut known = HashMap::new();
        let mut missing = Vec::new();
        for input in &program.inputs {
            let value = match &input.role {
                Role::User => {
                    place += 1;
                    draft.input(place - 1)?
                }
                Role::Parameter(name) | Role::Buffer(name) | Role::Constant(name) => {
                    // Two names may stand for one tensor.
                    let Some(tensor) = tensors.get(name) else {
                        missing.push(name.as_str());
                        continue;
                    };
                    let constant = matches!(input.role, Role::Constant(_));
                    match constant || !tensor.is_floating_point() {
                        true => Value::constant(tensor.shallow_clone()),
                        false => Value::Weight(Rc::new(Weight {
                            name: name.clone(),
                            tensor: tensor.shallow_clone(),
                            trainable: matches!(input.role, Role::Parameter(_)),
                        })),
                    }
                }
                // Tokens that order effects; whoever reads one is an operation that is not known.
                Role::Other(_) => continue,
            };
            known.insert(input.value.as_str(), Known::Tensor(value));
        }
        if !missing.is_empty() {
            return Err(Error::Argument(format!(
                "the file has no values for {}",
                missing.join(", ")
            )));
        }
        let memory = known.keys().enumerate().map(|(i, name)| (*name, i)).collect();
        Ok(Reader { program, draft, known, memory, stale: HashSet::new(), photos })
    }

    /// Translates all operations; with `partly`, those that can be.
    fn read(&mut self, partly: bool) -> Result<()> {
        let (mut unknown, mut before): (Vec<String>, Option<usize>) = (Vec::new(), None);
        let program = self.program;
        let live = live(program);
        for (node, _) in program.nodes.iter().zip(live).filter(|(_, live)| *live) {
            let place = place(node);
            if !aten::is_known(&node.target) {
                before.get_or_insert(self.draft.len());
                unknown.push(described(node, &place));
                continue;
            }
            if reads_missing(node, &self.known) {
                continue; // what it reads is not known, which is said already
            }
            self.draft.place = place.clone();
            if let Err(error) = self.node(node) {
                match partly {
                    true => unknown.push(described(node, &place)),
                    false => {
                        return Err(error.while_doing(described(node, &place)));
                    }
                }
            }
        }
        unknown.sort();
        unknown.dedup();
        parts::check_known(&unknown, partly, &self.draft, before.unwrap_or_default())
    }

    fn node(&mut self, node: &'a Node) -> Result<()> {
        let arguments = Arguments::new(node, &self.known, &self.stale, self.photos);
        let made = aten::translate(&mut self.draft, &arguments)?;
        let names: Vec<&'a str> = node.outputs.iter().flat_map(made_by).collect();
        let first = arguments.first_tensor_name();
        let overwrites = aten::overwrites(&node.target);
        let next = self.memory.len();
        let made_or_nothing = made.iter().chain(std::iter::repeat(&Known::Nothing));
        for (i, (name, value)) in names.iter().zip(made_or_nothing).enumerate() {
            self.check_sizes(name, value)?;
            self.known.insert(name, value.clone());
            let shared = first.filter(|_| overwrites || aten::is_view(&node.target));
            let place = shared.and_then(|first| self.memory.get(first)).copied();
            self.memory.insert(name, place.unwrap_or(next + i));
        }
        if let (true, Some(first), Some(value)) = (overwrites, first, made.first()) {
            self.overwritten(first, names.first().copied(), value);
        }
        Ok(())
    }

    /// What `first` stood for now is `value`; other views of its memory do not say what they hold.
    fn overwritten(&mut self, first: &'a str, result: Option<&'a str>, value: &Known) {
        // A constant may be overwritten in its memory itself, which views share.
        let shared = match (self.known.insert(first, value.clone()), value) {
            (Some(Known::Tensor(Value::Constant(old))), Known::Tensor(Value::Constant(new))) => {
                Rc::ptr_eq(&old, new)
            }
            _ => false,
        };
        if shared {
            return;
        }
        let memory = self.memory.get(first).copied();
        let others = self.memory.iter().filter(|(name, place)| {
            Some(**place) == memory && **name != first && Some(**name) != result
        });
        self.stale.extend(others.map(|(name, _)| *name));
    }

    /// Compares a value with what the file says of it.
    fn check_sizes(&self, name: &str, value: &Known) -> Result<()> {
        let (Known::Tensor(value), Some(meta)) = (value, self.program.values.get(name)) else {
            return Ok(());
        };
        let own: Vec<i64> =
            self.draft.shape(value).iter().map(|side| side.at(self.photos)).collect();
        // What goes with each photo has a first side of 1 here, and as many as there were in the file.
        let photos = |i: usize, own: i64, number: i64| i == 0 && own == 1 && number == self.photos;
        let differs = |(i, (&own, size)): (usize, (&i64, &Size))| match size {
            Size::Number(number) => own != *number && !photos(i, own, *number),
            Size::Name(_) => false,
        };
        if own.len() != meta.sizes.len() || own.iter().zip(&meta.sizes).enumerate().any(differs) {
            return Err(Error::Shape(format!(
                "its output {name:?} is {own:?} here, the file says {:?}",
                meta.sizes
            )));
        }
        Ok(())
    }

    /// The tensors that the network returns, in its order.
    fn outputs(&self) -> Vec<(Option<String>, Value)> {
        let outputs = self.program.outputs.iter().zip(&self.program.output_names);
        let named = outputs.filter_map(|(output, key)| match output {
            Argument::Tensor(name) => Some((key, self.known.get(name.as_str())?)),
            _ => None,
        });
        named
            .filter_map(|(key, known)| match known {
                Known::Tensor(value) => Some((key.clone(), value.clone())),
                Known::Int(_) | Known::Nothing => None,
            })
            .collect()
    }
}

/// Which operations the network's outputs follow from. Those that write over something always count: what
/// they wrote may be read under another name.
fn live(program: &Program) -> Vec<bool> {
    let mut wanted: HashSet<&str> = HashSet::new();
    for output in &program.outputs {
        wanted.extend(names_in(output));
    }
    let mut live = vec![false; program.nodes.len()];
    for (node, live) in program.nodes.iter().zip(&mut live).rev() {
        let mut made = node.outputs.iter().flat_map(made_by);
        *live = aten::overwrites(&node.target) || made.any(|name| wanted.contains(name));
        if *live {
            wanted.extend(node.inputs.iter().flat_map(|(_, argument)| names_in(argument)));
        }
    }
    live
}

/// The names of what an operation makes.
fn made_by(output: &Output) -> Vec<&str> {
    match output {
        Output::Tensor(name) | Output::Int(name) | Output::Float(name) => vec![name],
        Output::Tensors(names) => names.iter().map(String::as_str).collect(),
        Output::None | Output::Other(_) => Vec::new(),
    }
}

/// The names of what an argument reads.
fn names_in(argument: &Argument) -> Vec<&str> {
    match argument {
        Argument::Tensor(name) | Argument::NamedFloat(name) | Argument::Size(Size::Name(name)) => {
            vec![name]
        }
        Argument::Tensors(names) => names.iter().flatten().map(String::as_str).collect(),
        Argument::Ints(sizes) => {
            let names = sizes.iter().filter_map(|size| match size {
                Size::Name(name) => Some(name.as_str()),
                Size::Number(_) => None,
            });
            names.collect()
        }
        _ => Vec::new(),
    }
}

/// Where in Python an operation stands.
fn place(node: &Node) -> Place {
    let (module, call) =
        node.module.last().map_or((String::new(), 0), |call| (call.path.clone(), call.call));
    let operation = aten::name(&node.target).trim_end_matches('_').to_owned();
    Place { module, call, operation }
}

fn described(node: &Node, place: &Place) -> String {
    let target = match node.target.rsplit('.').next() {
        Some("cond" | "while_loop") if node.target.contains("higher_order") => {
            format!(
                "{} (which way it goes follows from values: export the one of them)",
                node.target
            )
        }
        _ => node.target.clone(),
    };
    match place.module.as_str() {
        "" => target,
        module => format!("{target} in {module}"),
    }
}

/// Whether something that it reads comes from an operation that is not known.
fn reads_missing(node: &Node, known: &HashMap<&str, Known>) -> bool {
    let mut read = node.inputs.iter().flat_map(|(_, argument)| names_in(argument));
    read.any(|name| !known.contains_key(name))
}
