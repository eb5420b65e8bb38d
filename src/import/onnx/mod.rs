//! ONNX: what most frameworks can write, as a network of ours.

mod arguments;
mod counted;
mod matrix;
mod operators;
mod place;
mod spelled_out;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;

use convlens_formats::Dtype;
use convlens_formats::onnx::{self, Attribute, Network, Node, Sizes, Values};
use tch::{Kind, Tensor};

use super::draft::{Draft, Fed, Photos, Place, Side, Value, Weight};
use super::parts;
use crate::error::{Error, Result};
use crate::model::{Model, Rearrange};
use crate::tensor::{IntoResult, channels_last};
use crate::weights::Filling;
use arguments::{Arguments, Input};
use matrix::ByColumns;

/// The versions of ONNX's operators that are known here.
const FIRST_OPSET: i64 = 7;

/// The height and width of photos where the file leaves them open.
const SIDE: i64 = 224;

/// Reads the network in a file.
pub(super) fn open(path: &Path, name: &str, up_to: Option<&str>) -> Result<Model> {
    let file = onnx::open(path).map_err(Error::Argument)?;
    let network = file.network();
    let turned = matrix::turned(network);
    let load = |tensor: &onnx::Tensor| load(&file, tensor, turned.contains(tensor.name.as_str()));
    let several = written_with(network).is_some_and(|photos| photos > 1);
    parts::for_photos(!several, |photos| {
        let mut reader = Reader::new(network, name, &load, photos)?;
        reader.read(up_to.is_some())?;
        let outputs = reader.outputs()?;
        spelled_out::join(&mut reader.draft, &outputs);
        let cut = !reader.ends.is_empty() && up_to.is_none();
        let model = reader.draft.finish(&outputs, up_to)?;
        if cut {
            model.take_notes(vec![
                "it ends in the scores and boxes that its NonMaxSuppression reads: which boxes are left is not \
                 computed here"
                    .into(),
            ]);
        }
        Ok(model)
    })
}

/// What a network without inputs computes: for tests of the operators.
pub(super) fn constants(path: &Path) -> Result<Vec<Tensor>> {
    let file = onnx::open(path).map_err(Error::Argument)?;
    let load = |tensor: &onnx::Tensor| load(&file, tensor, false);
    let mut reader = Reader::without_photo(file.network(), &load)?;
    reader.read(false)?;
    let outputs = reader.outputs()?;
    outputs.iter().map(|(_, output)| parts::known(&reader.draft, output)).collect()
}

/// A tensor of the file: integers and truth values as what they are, all others in 32-bit floats. One after the
/// other, and floats straight into their memory, so that there are never two of all.
fn load(file: &onnx::File, tensor: &onnx::Tensor, turned: bool) -> Result<Tensor> {
    let failed = |e: String| Error::Argument(format!("{:?}: {e}", tensor.name));
    match tensor.sizes[..] {
        _ if !tensor.dtype.is_some_and(Dtype::is_float) => {}
        [rows, columns] if turned && rows > 0 && columns > 0 => {
            let (mut matrix, mut pushed) = (ByColumns::new([rows, columns])?, Ok(()));
            let take = |piece: &[f32]| {
                if pushed.is_ok() {
                    pushed = matrix.push(piece);
                }
            };
            if file.floats(tensor, take).map_err(failed)? {
                return pushed.and_then(|()| matrix.finish());
            }
        }
        _ => {
            let mut filling = Filling::new(&tensor.sizes).map_err(failed)?;
            if file.floats(tensor, |piece| filling.push(piece)).map_err(failed)? {
                return channels_last(&filling.finish().map_err(failed)?);
            }
        }
    }
    let flat = match &file.values(tensor).map_err(failed)? {
        Values::Floats(values) => Tensor::f_from_slice(values),
        Values::Ints(values) => Tensor::f_from_slice(values),
        Values::Bools(values) => Tensor::f_from_slice(values),
    };
    channels_last(&flat.and_then(|flat| flat.f_reshape(tensor.sizes.as_slice())).into_result()?)
}

/// What a name of the graph stands for.
#[derive(Clone, Debug)]
enum Known {
    Value(Value),
    /// A constant but for the number of photos: for one, and for two. Sizes, and what is computed of them.
    Counted(Rc<Tensor>, Rc<Tensor>),
    /// A second result that nothing here computes, as the places of maxima.
    Nothing,
}

/// Reads the values of a tensor of the file.
type Load<'a> = &'a dyn Fn(&onnx::Tensor) -> Result<Tensor>;

/// Goes through the graph from the first operation to the last.
struct Reader<'a> {
    network: &'a Network,
    load: Load<'a>,
    draft: Draft,
    known: HashMap<&'a str, Known>,
    /// The numbers that each name stands for, where they are no floats.
    kinds: HashMap<&'a str, Kind>,
    /// How the file stores each name's numbers, where it says so.
    stored: HashMap<&'a str, Dtype>,
    /// Names of what another name stands for as well.
    aliases: HashSet<&'a str>,
    /// How many operations read each name.
    uses: HashMap<&'a str, usize>,
    /// How many photos the network was exported with.
    photos: i64,
    /// Whether photos come with channels last.
    channels_last: bool,
    /// How often each module was called, and which was last.
    calls: HashMap<String, usize>,
    module: String,
    keras: place::Keras,
    /// What a suppression of boxes reads, scores first: how many it leaves, nobody knows before the photo, and
    /// so the network ends there.
    ends: Vec<Value>,
    /// What comes behind it.
    behind: HashSet<&'a str>,
}

impl<'a> Reader<'a> {
    fn new(
        network: &'a Network,
        name: &str,
        load: Load<'a>,
        at_once: Photos,
    ) -> Result<Reader<'a>> {
        let photos = written_with(network).unwrap_or(1);
        let rank = |input: &onnx::ValueInfo| input.sizes.as_ref().map_or(0, Vec::len);
        let alone = Fed::without_batch(network.inputs.iter().map(rank));
        let fed = network.inputs.iter().map(|input| fed(input, photos, alone));
        let (inputs, turned): (Vec<Fed>, Vec<bool>) =
            fed.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let whole: Vec<bool> = inputs.iter().map(|fed| fed.whole).collect();
        let mut draft = Draft::new(name, inputs, at_once)?;
        draft.advice = "a first size that is free (in PyTorch dynamic_axes={\"x\": {0: \"batch\"}}, \"x\" being \
                        the input's name)";
        let mut values = Vec::new();
        for (place, last) in turned.iter().enumerate() {
            let value = draft.input(place)?;
            values.push(match last {
                true => draft.op(Rearrange::Permute(vec![0, 2, 3, 1]), &[value])?,
                false => value,
            });
        }
        let mut reader = Reader::empty(network, load, draft, photos)?;
        for ((input, value), whole) in network.inputs.iter().zip(values).zip(whole) {
            reader.known.insert(&input.name, Known::Value(value));
            let kind = match input.dtype {
                Some(Dtype::Bool) if whole => Kind::Bool,
                _ if whole => Kind::Int64,
                _ => Kind::Float,
            };
            reader.kinds.insert(&input.name, kind);
        }
        reader.channels_last = turned.contains(&true);
        Ok(reader)
    }

    fn without_photo(network: &'a Network, load: Load<'a>) -> Result<Reader<'a>> {
        if let Some(input) = network.inputs.first() {
            return Err(Error::Argument(format!("it takes an input, {:?}", input.name)));
        }
        Reader::empty(network, load, Draft::of("constants", Vec::new(), Photos::Any), 1)
    }

    fn empty(
        network: &'a Network,
        load: Load<'a>,
        draft: Draft,
        photos: i64,
    ) -> Result<Reader<'a>> {
        if network.opset < FIRST_OPSET {
            return Err(Error::Argument(format!(
                "its operators are of version {}, which was before photos of any number went through; export it \
                 again with opset_version 17 or so",
                network.opset
            )));
        }
        let mut uses: HashMap<&str, usize> = HashMap::new();
        let read = network.nodes.iter().flat_map(|node| &node.inputs);
        for name in read.chain(network.outputs.iter().map(|output| &output.name)) {
            *uses.entry(name).or_default() += 1;
        }
        let mut reader = Reader {
            network,
            load,
            draft,
            known: HashMap::new(),
            kinds: HashMap::new(),
            stored: HashMap::new(),
            aliases: HashSet::new(),
            uses,
            photos,
            channels_last: false,
            calls: HashMap::new(),
            module: String::new(),
            keras: place::Keras::of(&network.nodes),
            ends: Vec::new(),
            behind: HashSet::new(),
        };
        for info in network.values.iter().chain(&network.outputs) {
            reader.stored.extend(info.dtype.map(|dtype| (info.name.as_str(), dtype)));
        }
        for tensor in &network.tensors {
            reader.stored.extend(tensor.dtype.map(|dtype| (tensor.name.as_str(), dtype)));
            let values = load(tensor)?;
            reader.kinds.insert(&tensor.name, values.kind());
            reader
                .known
                .insert(&tensor.name, Known::Value(weight_or_constant(&tensor.name, values)));
        }
        Ok(reader)
    }

    /// Translates all operations; with `partly`, those that can be.
    fn read(&mut self, partly: bool) -> Result<()> {
        let (mut unknown, mut before): (Vec<String>, Option<usize>) = (Vec::new(), None);
        let network = self.network;
        for node in &network.nodes {
            if self.is_behind(node) {
                self.behind.extend(node.outputs.iter().map(String::as_str));
                continue;
            }
            let known = operators::is_known(node);
            // What it reads is not known, which is said already.
            let reads_missing =
                |name: &String| !name.is_empty() && !self.known.contains_key(name.as_str());
            if known && node.inputs.iter().any(reads_missing) {
                continue;
            }
            if !known {
                before.get_or_insert(self.draft.len());
                unknown.push(operation(node));
                continue;
            }
            if let Err(error) = self.node(node) {
                match partly {
                    true => unknown.push(operation(node)),
                    false => return Err(error.while_doing(operation(node))),
                }
            }
        }
        if before.is_some() && !partly {
            // As it would be for a part of the network: some layers are one then.
            spelled_out::join(&mut self.draft, &[]);
        }
        parts::check_known(&unknown, partly, &self.draft, before.unwrap_or_default())
    }

    /// Whether it comes behind the end of what layers can compute, or is this end.
    fn is_behind(&mut self, node: &Node) -> bool {
        if node.inputs.iter().any(|name| self.behind.contains(name.as_str())) {
            return true;
        }
        let read = node.inputs.iter().take(2).map(|name| match self.known.get(name.as_str()) {
            Some(Known::Value(value)) => Some(value.clone()),
            _ => None,
        });
        let read: Option<Vec<Value>> = read.collect();
        let Some([boxes, scores]) = read.as_deref() else { return false };
        let ends = node.kind == "NonMaxSuppression"
            && [boxes, scores].into_iter().any(|value| self.draft.varies(value));
        if ends {
            self.ends.extend([scores.clone(), boxes.clone()]);
        }
        ends
    }

    fn node(&mut self, node: &'a Node) -> Result<()> {
        let weight =
            node.inputs.iter().skip(1).find_map(|name| match self.known.get(name.as_str()) {
                Some(Known::Value(Value::Weight(weight))) => Some(weight.name.as_str()),
                _ => None,
            });
        let place = place::place(node, weight, &self.keras);
        let (before, module) = (self.draft.len(), self.module.clone());
        let calls = self.calls.get(&place.module).copied().unwrap_or(0);
        self.enter(place.clone(), calls);
        let arguments =
            Arguments::new(node, [self.network.opset, self.photos], self.inputs(node), self.load);
        let made = match counted::is_counted(&self.draft, &arguments) {
            true => counted::twice(&mut self.draft, node, &arguments)?,
            false => operators::translate(&mut self.draft, node, &arguments)?,
        };
        let new = self.draft.len() > before;
        if !new {
            // Nothing was called.
            self.module = module;
            self.calls.insert(place.module, calls);
        }
        let made = made.into_iter().chain(std::iter::repeat(Known::Nothing));
        for (i, (name, known)) in node.outputs.iter().zip(made).enumerate() {
            if name.is_empty() {
                continue;
            }
            let kind = match &known {
                Known::Value(Value::Constant(tensor)) => tensor.kind(),
                Known::Counted(one, _) => one.kind(),
                _ => operators::kind_made(node, i, &arguments),
            };
            let stored = operators::stored_by(node, &arguments);
            self.stored.extend(stored.map(|dtype| (name.as_str(), dtype)));
            self.aliases.extend((!new).then_some(name.as_str()));
            self.kinds.insert(name, kind);
            self.known.insert(name, known);
        }
        Ok(())
    }

    /// The draft's next layers stand here. Another call of a module begins where another one was between.
    fn enter(&mut self, mut place: Place, calls: usize) {
        let again = place.module != self.module || calls == 0;
        let calls = if again { calls + 1 } else { calls };
        self.calls.insert(place.module.clone(), calls);
        self.module.clone_from(&place.module);
        place.call = calls - 1;
        self.draft.place = place;
    }

    fn inputs(&self, node: &Node) -> Vec<Option<Input>> {
        let input = |name: &String| {
            self.known.get(name.as_str()).filter(|_| !name.is_empty()).map(|known| Input {
                known: known.clone(),
                kind: self.kinds.get(name.as_str()).copied().unwrap_or(Kind::Float),
                stored: self.stored.get(name.as_str()).copied(),
                once: self.uses.get(name.as_str()) == Some(&1)
                    && !self.aliases.contains(name.as_str()),
            })
        };
        node.inputs.iter().map(input).collect()
    }

    /// The tensors that the network returns, in its order. Maps that a network of Keras has with channels last
    /// are maps here, as the photo is.
    fn outputs(&mut self) -> Result<Vec<(Option<String>, Value)>> {
        let mut outputs: Vec<_> = self.ends.iter().map(|end| (None, end.clone())).collect();
        for output in &self.network.outputs {
            let Some(Known::Value(value)) = self.known.get(output.name.as_str()) else { continue };
            let value = match self.channels_last {
                true => operators::with_channels_first(&mut self.draft, value.clone())?,
                false => value.clone(),
            };
            outputs.push((Some(output.name.clone()), value));
        }
        Ok(outputs)
    }
}

fn number(size: &Sizes) -> Option<i64> {
    match size {
        Sizes::Number(number) => Some(*number).filter(|number| *number > 0),
        Sizes::Name(_) | Sizes::Unknown => None,
    }
}

/// For how many photos the network was written, as its first input says that can be one, or else a row of numbers.
fn written_with(network: &Network) -> Option<i64> {
    let of_rank = |rank: usize| {
        network.inputs.iter().find_map(|input| {
            let sizes = input.sizes.as_deref()?;
            sizes.first().filter(|_| sizes.len() == rank)
        })
    };
    of_rank(4).or_else(|| of_rank(2)).and_then(number)
}

/// What goes in, and whether it comes with channels last; `alone`, where no input has the dimensions of a batch of
/// photos or rows.
fn fed(input: &onnx::ValueInfo, photos: i64, alone: bool) -> Result<(Fed, bool)> {
    let mut last = false;
    let shape = match input.sizes.as_deref() {
        Some([channels @ Sizes::Number(_), height, width]) if alone => {
            let [height, width] = [height, width].map(|size| Some(number(size).unwrap_or(SIDE)));
            let sides = [number(channels), height, width];
            sides.into_iter().map(|size| size.map(Side::fixed)).collect()
        }
        Some([_, a, b, c]) => {
            let few = |size: &Sizes| number(size).is_some_and(|count| count <= 4);
            last = few(c) && !few(a);
            let [channels, height, width] = if last { [c, a, b] } else { [a, b, c] };
            let sides = [
                number(channels).unwrap_or(3),
                number(height).unwrap_or(SIDE),
                number(width).unwrap_or(SIDE),
            ];
            Some(std::iter::once(Side::PHOTOS).chain(sides.map(Side::fixed)).collect())
        }
        Some([first, rest @ ..])
            if !rest.is_empty() && number(first).is_none_or(|n| n == photos) =>
        {
            let sides = rest.iter().map(|size| number(size).map(Side::fixed));
            std::iter::once(Some(Side::PHOTOS)).chain(sides).collect()
        }
        Some(sizes) => sizes.iter().map(|size| number(size).map(Side::fixed)).collect(),
        None => None,
    };
    let whole = input.dtype.is_some_and(|dtype| !dtype.is_float());
    let fed = Fed::new(&input.name, shape, whole, || described(input.sizes.as_deref()))?;
    Ok((if alone { fed.or_one_photo() } else { fed }, last))
}

/// What has the name of a parameter is one. Exporters number what they compute.
fn weight_or_constant(name: &str, tensor: Tensor) -> Value {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    let named = plain && (name.contains('.') || !name.ends_with(|c: char| c.is_ascii_digit()));
    if !named || tensor.numel() < 2 || !tensor.is_floating_point() {
        return Value::constant(tensor);
    }
    let trainable = !["running_mean", "running_var"].iter().any(|buffer| name.ends_with(buffer));
    Value::Weight(Rc::new(Weight { name: name.to_owned(), tensor, trainable }))
}

/// An operation in messages: its kind, and its own name or what it makes.
fn operation(node: &Node) -> String {
    let name = if node.name.is_empty() { node.outputs.first() } else { Some(&node.name) };
    let kind = match node.domain.as_str() {
        "" | "ai.onnx" => node.kind.clone(),
        domain => format!("{domain}.{}", node.kind),
    };
    let name: String = name.map_or(String::new(), |name| name.chars().take(200).collect());
    let graph =
        node.attributes.iter().any(|(_, attribute)| matches!(attribute, Attribute::Other(_)));
    format!("{kind} {name:?}{}", if graph { " with a graph of its own" } else { "" })
}

fn described(sizes: Option<&[Sizes]>) -> String {
    let Some(sizes) = sizes else { return "that nobody says".into() };
    let shown = sizes.iter().map(|size| match size {
        Sizes::Number(number) => number.to_string(),
        Sizes::Name(name) => name.clone(),
        Sizes::Unknown => "?".into(),
    });
    format!("[{}]", shown.collect::<Vec<_>>().join(", "))
}

/// Sides as a tensor of sizes.
fn sizes(sides: &[Side]) -> Result<Known> {
    let of = |which: fn(&Side) -> i64| {
        let sizes: Vec<i64> = sides.iter().map(which).collect();
        Tensor::f_from_slice(&sizes).into_result()
    };
    let one = of(|side| side.one)?;
    Ok(match sides.iter().all(|side| side.is_fixed()) {
        true => Known::Value(Value::constant(one)),
        false => Known::Counted(Rc::new(one), Rc::new(of(|side| side.two)?)),
    })
}
