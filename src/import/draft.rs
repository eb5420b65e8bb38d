//! A network while it is being read: layers without names, with their shapes at two sizes of a batch.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use tch::Tensor;
use tch::nn::VarStore;

use super::apart::check_photos_apart;
use super::names::Namer;
use super::parts::countable;
use crate::error::{Error, Result};
use crate::model::{
    Constant, LoneParameter, Model, NodeId, Op, Pass, Rearrange, free_name, place_of,
};
use crate::tensor::{IntoResult, channels_last};

/// A size for a batch of one photo and for one of two; for others it goes on evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) one: i64,
    pub(super) two: i64,
}

impl Side {
    /// As many as there are photos.
    pub(super) const PHOTOS: Side = Side { one: 1, two: 2 };

    pub(super) fn fixed(size: i64) -> Side {
        Side { one: size, two: size }
    }

    /// Whether it is the same for any number of photos.
    pub(super) fn is_fixed(self) -> bool {
        self.one == self.two
    }

    /// For a batch of so many.
    pub(super) fn at(self, photos: i64) -> i64 {
        let more = self.two.saturating_sub(self.one).saturating_mul(photos.saturating_sub(1));
        self.one.saturating_add(more)
    }

    pub(super) fn map(self, by: impl Fn(i64) -> Option<i64>) -> Option<Side> {
        Some(Side { one: by(self.one)?, two: by(self.two)? })
    }

    pub(super) fn with(self, other: Side, by: impl Fn(i64, i64) -> Option<i64>) -> Option<Side> {
        Some(Side { one: by(self.one, other.one)?, two: by(self.two, other.two)? })
    }
}

/// A tensor of the file, which a layer reads as it is or owns as a parameter.
#[derive(Debug)]
pub(super) struct Weight {
    /// Its full name.
    pub(super) name: String,
    pub(super) tensor: Tensor,
    pub(super) trainable: bool,
}

/// What a name in the file stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Known now, and part of the network's description.
    Constant(Rc<Tensor>),
    /// A parameter or a buffer.
    Weight(Rc<Weight>),
    /// What a layer of the draft computes.
    Layer(usize),
}

impl Value {
    pub(super) fn constant(tensor: Tensor) -> Value {
        Value::Constant(Rc::new(tensor))
    }
}

/// Where in the original a layer comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The module: `layer1.0`.
    pub(super) module: String,
    /// Which call of it.
    pub(super) call: usize,
    /// The operation: `add`.
    pub(super) operation: String,
}

struct Layer {
    op: Op,
    inputs: Vec<Value>,
    /// The tensors that the operator owns, in its order.
    parameters: Vec<Value>,
    shape: Vec<Side>,
    /// Of the side that grows with the photos: how many values in a row belong to one of them.
    within: i64,
    /// Whether the photo changes it.
    varies: bool,
    place: Place,
    /// What it computes, once that has been asked for; of layers that no photo changes.
    known: OnceCell<Tensor>,
    /// How many layers that no photo changes stand one behind the other up to this one.
    depth: usize,
    /// Whether another layer computes what it was there for.
    left_out: bool,
}

/// So many layers that no photo changes may stand one behind the other; then what they compute is a constant.
const DEEPEST: usize = 64;

/// How many photos a network takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Photos {
    Any,
    One,
}

/// Something that goes in.
#[derive(Clone, Debug)]
pub(super) struct Fed {
    name: String,
    shape: Vec<Side>,
    /// Whether the file has it without the dimension of the photos, which it has here.
    unbatched: bool,
    /// Whether its values are whole numbers, which look something up. Photos in bytes are numbers like others.
    pub(super) whole: bool,
}

impl Fed {
    /// One of these sides, as far as they are known; `sizes` are those of the file.
    pub(super) fn new(
        name: &str,
        sides: Option<Vec<Side>>,
        whole: bool,
        sizes: impl FnOnce() -> String,
    ) -> Result<Fed> {
        // One number a photo could as well be one number for all.
        let told =
            sides.filter(|sides| sides.len() > 1 || sides.iter().all(|side| side.is_fixed()));
        let shape = told.ok_or_else(|| {
            Error::Argument(format!(
                "the input {name:?} has the sizes {}; expected [photos, channels, height, width], or beside a \
                 photo [photos, numbers]: export the network with sizes that are numbers, but for the first",
                sizes()
            ))
        })?;
        let whole = whole && shape.len() != 4;
        Ok(Fed { name: name.to_owned(), shape, unbatched: false, whole })
    }

    /// Whether inputs of so many dimensions have no batch of photos or rows among them.
    pub(super) fn without_batch(mut ranks: impl Iterator<Item = usize>) -> bool {
        !ranks.any(|rank| matches!(rank, 2 | 4))
    }

    /// Of a network without any batch, as those are that find objects: `[channels, height, width]` is one photo.
    /// Anything else stays what it is.
    pub(super) fn or_one_photo(mut self) -> Fed {
        const MOST_CHANNELS: i64 = 4;
        let sizes: Vec<i64> = self.sizes();
        if let [channels, height, width] = sizes[..]
            && self.shape.iter().all(|side| side.is_fixed())
            && (1..=MOST_CHANNELS).contains(&channels)
            && height.min(width) > MOST_CHANNELS
        {
            self.shape.insert(0, Side::PHOTOS);
            (self.unbatched, self.whole) = (true, false);
        }
        self
    }

    /// Whether it can be a photo.
    fn is_photo(&self) -> bool {
        self.shape.len() == 4
    }

    /// Whether it can stand in the place of a photo, where there is none: a row of numbers.
    fn is_row(&self) -> bool {
        self.shape.len() == 2 && !self.whole
    }

    /// For one photo.
    fn sizes(&self) -> Vec<i64> {
        self.shape.iter().map(|side| side.one).collect()
    }
}

/// The layers read so far. The first stand for what goes in.
pub(super) struct Draft {
    name: String,
    inputs: Vec<Fed>,
    layers: Vec<Layer>,
    /// Whether the file left open how it goes on for more photos.
    guessed: bool,
    photos: Photos,
    /// Where the layers that are made next come from.
    pub(super) place: Place,
    /// How the exporter is told that there may be any number of photos.
    pub(super) advice: &'static str,
}

/// PyTorch's own.
const ADVICE: &str = "dynamic_shapes={\"x\": {0: torch.export.Dim(\"batch\")}} (\"x\" is the name of forward's \
                      argument)";

impl Draft {
    /// For these inputs, in the file's order, of which one must be a photo or a row of numbers.
    pub(super) fn new(name: &str, inputs: Vec<Fed>, photos: Photos) -> Result<Draft> {
        if !inputs.iter().any(|fed| fed.is_photo() || fed.is_row()) {
            let each = inputs.iter().map(|fed| format!("{:?} of {:?}", fed.name, fed.sizes()));
            return Err(Error::Argument(format!(
                "none of its inputs is a photo, [photos, channels, height, width] or [channels, height, width] alone, \
                 or a row of numbers, [rows, numbers]: it takes {}",
                each.collect::<Vec<_>>().join(", ")
            )));
        }
        Ok(Draft::of(name, inputs, photos))
    }

    /// The same of any inputs, or none.
    pub(super) fn of(name: &str, mut inputs: Vec<Fed>, photos: Photos) -> Draft {
        if photos == Photos::One {
            let sides = inputs.iter_mut().flat_map(|fed| &mut fed.shape);
            sides.for_each(|side| *side = Side::fixed(side.one));
        }
        let layer = |fed: &Fed| Layer {
            op: Op::Input,
            inputs: Vec::new(),
            parameters: Vec::new(),
            shape: fed.shape.clone(),
            within: 1,
            varies: true,
            place: Place::default(),
            known: OnceCell::new(),
            depth: 0,
            left_out: false,
        };
        Draft {
            name: name.to_owned(),
            layers: inputs.iter().map(layer).collect(),
            inputs,
            guessed: false,
            photos,
            place: Place::default(),
            advice: ADVICE,
        }
    }

    /// What goes in at this place, with the dimensions that it has in the file.
    pub(super) fn input(&mut self, place: usize) -> Result<Value> {
        let value = Value::Layer(place);
        match self.inputs.get(place).is_some_and(|fed| fed.unbatched) {
            true => self
                .as_operation("squeeze", |draft| draft.op(Rearrange::Squeeze(vec![0]), &[value])),
            false => Ok(value),
        }
    }

    pub(super) fn shape(&self, value: &Value) -> Vec<Side> {
        let fixed = |tensor: &Tensor| tensor.size().into_iter().map(Side::fixed).collect();
        match value {
            Value::Constant(tensor) => fixed(tensor),
            Value::Weight(weight) => fixed(&weight.tensor),
            Value::Layer(index) => self.layers[*index].shape.clone(),
        }
    }

    /// How many layers there are.
    pub(super) fn len(&self) -> usize {
        self.layers.len()
    }

    /// What makes it, and of what.
    pub(super) fn op_of(&self, value: &Value) -> Option<(&Op, &[Value])> {
        let layer = self.layers.get(index(value)?)?;
        Some((&layer.op, &layer.inputs))
    }

    /// The tensors that the layer owns which makes it.
    pub(super) fn owned_by(&self, value: &Value) -> &[Value] {
        index(value).and_then(|index| self.layers.get(index)).map_or(&[], |layer| &layer.parameters)
    }

    /// Whether this value can be the bias of what makes `product`: a fully connected layer that has none.
    pub(super) fn takes_bias(&self, product: &Value, bias: &Value) -> bool {
        let layer = index(product).and_then(|index| self.layers.get(index));
        match layer.map(|layer| &layer.op) {
            Some(Op::Linear(linear)) => {
                !linear.bias
                    && self.varies(product)
                    && self.shape(bias) == [Side::fixed(linear.out_features)]
            }
            _ => false,
        }
    }

    /// Gives it to the layer that takes it.
    pub(super) fn give_bias(&mut self, product: &Value, bias: Value) {
        let Some(layer) = index(product).and_then(|index| self.layers.get_mut(index)) else {
            return;
        };
        if let Op::Linear(linear) = &mut layer.op {
            linear.bias = true;
            layer.parameters.push(bias);
        }
    }

    /// Whether the photo changes it.
    pub(super) fn varies(&self, value: &Value) -> bool {
        matches!(value, Value::Layer(index) if self.layers[*index].varies)
    }

    /// How often each layer is read on the way to these outputs, by which it is read as well; where there are none,
    /// by all layers.
    pub(super) fn reads<'a>(&self, outputs: impl Iterator<Item = &'a Value>) -> Vec<usize> {
        let outputs: Vec<usize> = outputs.filter_map(index).collect();
        let open =
            if outputs.is_empty() { (0..self.layers.len()).collect() } else { outputs.clone() };
        let needed = self.needed(open);
        let mut reads = vec![0; self.layers.len()];
        let layers = self.layers.iter().zip(&needed).filter(|(_, needed)| **needed);
        let inputs = layers.flat_map(|(layer, _)| layer.inputs.iter().chain(&layer.parameters));
        for read in inputs.filter_map(index).chain(outputs) {
            reads[read] += 1;
        }
        reads
    }

    /// What the last of the first `count` layers that the photo changes is called where a network is opened up to it.
    pub(super) fn last_name(&self, count: usize) -> Option<String> {
        let first = self.inputs.len();
        let kept = (first..self.layers.len()).filter(|layer| !self.layers[*layer].left_out);
        let needed = self.needed(kept.collect());
        let named = self.layers.iter().zip(&needed).skip(first).filter(|(_, needed)| **needed);
        let mut namer = Namer::new(named.map(|(layer, _)| &layer.place));
        let before = self.layers.iter().zip(&needed).take(count).skip(first);
        let names = before.filter(|(_, needed)| **needed).filter_map(|(layer, _)| {
            let name = namer.name(&layer.place);
            (layer.varies && !layer.left_out).then_some(name)
        });
        names.last()
    }

    /// Which layers lead to these.
    fn needed(&self, mut open: Vec<usize>) -> Vec<bool> {
        let mut needed = vec![false; self.layers.len()];
        while let Some(index) = open.pop() {
            if !std::mem::replace(&mut needed[index], true) {
                open.extend(self.layers[index].inputs.iter().filter_map(self::index));
            }
        }
        needed
    }

    /// Another layer in the place of this one: what it computes, of what, and what it owns; and the name of its
    /// operation. What comes out is of the same shape.
    pub(super) fn replace(
        &mut self,
        layer: usize,
        (op, input, parameters): (Op, Value, Vec<Value>),
        operation: &str,
    ) {
        let layer = &mut self.layers[layer];
        (layer.op, layer.inputs, layer.parameters) = (op, vec![input], parameters);
        operation.clone_into(&mut layer.place.operation);
    }

    /// This layer is no longer there for anybody.
    pub(super) fn leave_out(&mut self, layer: usize) {
        self.layers[layer].left_out = true;
    }

    /// Makes layers that are named by another operation than the file's.
    pub(super) fn as_operation<T>(&mut self, name: &str, make: impl FnOnce(&mut Draft) -> T) -> T {
        let own = std::mem::replace(&mut self.place.operation, name.to_owned());
        let made = make(self);
        self.place.operation = own;
        made
    }

    /// A layer that owns no parameters.
    pub(super) fn op(&mut self, op: impl Into<Op>, inputs: &[Value]) -> Result<Value> {
        self.layer(op, inputs, Vec::new())
    }

    /// A layer with the tensors that it owns, in its order. What depends on constants alone is computed at
    /// once.
    pub(super) fn layer(
        &mut self,
        op: impl Into<Op>,
        inputs: &[Value],
        parameters: Vec<Value>,
    ) -> Result<Value> {
        let op = op.into();
        op.check(inputs.len())?;
        let known: Option<Vec<Tensor>> = inputs
            .iter()
            .map(|input| match input {
                Value::Constant(tensor) => Some(tensor.shallow_clone()),
                _ => None,
            })
            .collect();
        if let (Some(mut known), true) = (known, parameters.is_empty()) {
            // Shapes first: libtorch's own messages say less.
            let sizes: Vec<Vec<i64>> = known.iter().map(Tensor::size).collect();
            let sizes: Vec<&[i64]> = sizes.iter().map(Vec::as_slice).collect();
            countable(&op.output_shape(&sizes)?)?;
            return Ok(Value::constant(op.forward(&mut known, &[], Pass::Inference, false)?));
        }
        let shape = self.shape_of(&op, inputs)?;
        let varies = inputs.iter().any(|input| self.varies(input));
        let within = self.within_of(&shape, inputs);
        // What has no side of photos, though it follows from them, is of all at once.
        let grows = |sides: &[Side]| sides.iter().any(|side| !side.is_fixed());
        let mixes = !grows(&shape) && inputs.iter().any(|input| grows(&self.shape(input)));
        self.guessed |= mixes;
        let (inputs, place) = (inputs.to_vec(), self.place.clone());
        let depths = inputs.iter().chain(&parameters).filter_map(index);
        let depth = depths.map(|index| self.layers[index].depth + 1).max().unwrap_or(0);
        let depth = if varies { 0 } else { depth };
        let known = OnceCell::new();
        self.layers.push(Layer {
            op,
            inputs,
            parameters,
            shape,
            within,
            varies,
            place,
            known,
            depth,
            left_out: false,
        });
        let made = Value::Layer(self.layers.len() - 1);
        if depth <= DEEPEST {
            return Ok(made);
        }
        Ok(self.known(&made)?.map_or(made, Value::constant))
    }

    /// That of an input whose side grows as the output's; otherwise a photo's values stand together.
    fn within_of(&self, shape: &[Side], inputs: &[Value]) -> i64 {
        let Some(growing) = shape.iter().find(|side| !side.is_fixed()) else { return 1 };
        let mut alike = inputs.iter().filter(|input| self.shape(input).contains(growing));
        alike.next().map_or(growing.one, |input| self.within(input))
    }

    /// Of the side that grows with the photos: how many values in a row belong to one of them.
    pub(super) fn within(&self, value: &Value) -> i64 {
        match value {
            Value::Layer(index) => self.layers[*index].within,
            _ => 1,
        }
    }

    /// Says it of what has just been made, and whether the file left it open.
    pub(super) fn set_within(&mut self, value: &Value, within: i64, guessed: bool) {
        if let Value::Layer(index) = value {
            self.layers[*index].within = within;
            self.guessed |= guessed;
        }
    }

    fn shape_of(&self, op: &Op, inputs: &[Value]) -> Result<Vec<Side>> {
        let inputs: Vec<Vec<Side>> = inputs.iter().map(|input| self.shape(input)).collect();
        let at = |which: fn(&Side) -> i64| {
            let sizes: Vec<Vec<i64>> =
                inputs.iter().map(|sides| sides.iter().map(which).collect()).collect();
            let sizes: Vec<&[i64]> = sizes.iter().map(Vec::as_slice).collect();
            op.output_shape(&sizes)
        };
        let one = at(|side| side.one)?;
        let two = at(|side| side.two).map_err(|error| {
            error.while_doing(format!(
                "the network works for the number of photos that it was exported with alone; export it with {}",
                self.advice
            ))
        })?;
        Ok(one.into_iter().zip(two).map(|(one, two)| Side { one, two }).collect())
    }

    /// The values now, of what no photo changes.
    pub(super) fn known(&self, value: &Value) -> Result<Option<Tensor>> {
        Ok(match value {
            Value::Constant(tensor) => Some(tensor.shallow_clone()),
            Value::Weight(weight) => Some(weight.tensor.shallow_clone()),
            Value::Layer(index) if self.layers[*index].varies => None,
            Value::Layer(index) => {
                let layer = &self.layers[*index];
                if let Some(known) = layer.known.get() {
                    return Ok(Some(known.shallow_clone()));
                }
                let tensors = |values: &[Value]| -> Result<Option<Vec<Tensor>>> {
                    values.iter().map(|value| self.known(value)).collect()
                };
                match (tensors(&layer.inputs)?, tensors(&layer.parameters)?) {
                    (Some(mut inputs), Some(parameters)) => {
                        let op = &layer.op;
                        let made = op.forward(&mut inputs, &parameters, Pass::Inference, false)?;
                        Some(layer.known.get_or_init(|| made).shallow_clone())
                    }
                    _ => None,
                }
            }
        })
    }

    /// The outputs with a dimension of the photos in front, should a network for a single photo have none.
    fn by_photo(
        &mut self,
        outputs: &[(Option<String>, Value)],
    ) -> Result<Vec<(Option<String>, Value)>> {
        let mut outputs = outputs.to_vec();
        if self.photos == Photos::Any {
            return Ok(outputs);
        }
        for (_, output) in &mut outputs {
            if self.varies(output) && self.shape(output).first() != Some(&Side::fixed(1)) {
                self.place = Place { operation: "unsqueeze".into(), ..Place::default() };
                *output = self.op(Rearrange::Unsqueeze(0), std::slice::from_ref(output))?;
            }
        }
        Ok(outputs)
    }

    /// An output, or what it is the softmax of over the classes: predictions take that themselves, and explanations
    /// and training are about what is before it.
    fn scores(&self, output: usize) -> usize {
        let layer = &self.layers[output];
        match (&layer.op, layer.inputs.first().and_then(index)) {
            (Op::Softmax(softmax), Some(before))
                if softmax.is_over_classes() && before >= self.inputs.len() =>
            {
                before
            }
            _ => output,
        }
    }

    /// The network whose outputs these are, the first of them the one that counts, by the names of the file where it
    /// has some; or the part of it that leads to one layer. Layers that do not lead there are left out.
    pub(super) fn finish(
        mut self,
        outputs: &[(Option<String>, Value)],
        up_to: Option<&str>,
    ) -> Result<Model> {
        let outputs = &self.by_photo(outputs)?;
        let layers = self.layers.len();
        let first_layer = self.inputs.len();
        let mut wanted: Vec<usize> = outputs.iter().filter_map(|(_, value)| index(value)).collect();
        if up_to.is_some() {
            wanted.extend((first_layer..layers).filter(|layer| !self.layers[*layer].left_out));
        }
        let needed = self.needed(wanted);
        let read = || (0..first_layer).filter(|input| needed[*input]);
        let photo = read().find(|input| self.inputs[*input].is_photo());
        let Some(photo) = photo.or_else(|| read().find(|input| self.inputs[*input].is_row()))
        else {
            return Err(Error::Argument("its output does not depend on the photo".into()));
        };
        let shape = self.inputs[photo].sizes().split_off(1);
        let places =
            self.layers.iter().zip(&needed).skip(first_layer).filter(|(_, needed)| **needed);
        let mut namer = Namer::new(places.map(|(layer, _)| &layer.place));
        let mut made = Made {
            store: VarStore::new(tch::Device::Cpu),
            names: BTreeMap::new(),
            places: BTreeMap::new(),
        };
        // The file's own names first: what is called after its layer makes way for them.
        let mine = self.layers.iter().zip(&needed).filter(|(_, needed)| **needed);
        for value in mine.flat_map(|(layer, _)| layer.inputs.iter().chain(&layer.parameters)) {
            if let Value::Weight(weight) = value {
                made.weight(weight)?;
            }
        }
        let mut plans = Vec::new();
        for (index, layer) in
            self.layers.iter().enumerate().skip(first_layer).filter(|(i, _)| needed[*i])
        {
            let name = namer.name(&layer.place);
            let specs = layer.op.parameters();
            let mut parameters = Vec::new();
            for (spec, value) in specs.iter().zip(&layer.parameters) {
                parameters.push(match value {
                    Value::Weight(weight) => made.weight(weight)?,
                    other => {
                        let tensor = self.known(other)?.ok_or_else(|| {
                            Error::Argument(format!(
                                "layer {name:?} computes its {} from the photo, which none here can",
                                spec.name
                            ))
                        })?;
                        made.own(format!("{name}.{}", spec.name), &tensor, spec.trainable)?
                    }
                });
            }
            plans.push((index, name, parameters));
        }
        let Made { store, .. } = made;
        let mut builder = Model::builder(self.name.as_str(), shape).variables(store);
        let mut ids: Vec<Option<NodeId>> = vec![None; layers];
        ids[photo] = Some(builder.input());
        let others = (0..first_layer).filter(|input| needed[*input] && *input != photo);
        let others: Vec<usize> = others.collect();
        if !others.is_empty() {
            let called = &self.inputs[photo].name;
            builder = builder.photo_called(called, namer.unique(called));
        }
        for &input in &others {
            let fed = &self.inputs[input];
            let name = namer.unique(&fed.name);
            ids[input] = Some(builder.add_input_of(fed.name.clone(), name, fed.sizes()));
        }
        let mut weights: BTreeMap<String, NodeId> = BTreeMap::new();
        for (index, name, parameters) in plans {
            let layer = &self.layers[index];
            let mut inputs = Vec::new();
            for input in &layer.inputs {
                inputs.push(match input {
                    Value::Layer(index) => ids.get(*index).copied().flatten().ok_or_else(|| {
                        Error::Argument(format!("layer {name:?} reads what is not there"))
                    })?,
                    Value::Weight(weight) => match weights.get(&weight.name) {
                        Some(id) => *id,
                        None => {
                            let op = LoneParameter::new(weight.tensor.size());
                            let op = if weight.trainable { op } else { op.buffer() };
                            let full = vec![weight.name.clone()];
                            let own = namer.unique(&weight.name);
                            let id = builder.add_named(own, op.into(), &[], full);
                            weights.insert(weight.name.clone(), id);
                            id
                        }
                    },
                    Value::Constant(tensor) => {
                        let place = Place { operation: "constant".into(), ..layer.place.clone() };
                        builder.add(namer.beside(&place), Constant::new(tensor)?, &[])
                    }
                });
            }
            ids[index] = Some(builder.add_named(name, layer.op.clone(), &inputs, parameters));
        }
        if up_to.is_none() {
            let computed = outputs.iter().filter_map(|(name, value)| {
                let id = ids[self.scores(index(value)?)]?;
                Some((name.clone().unwrap_or_else(|| builder.name_of(id).to_owned()), id))
            });
            let mut named: Vec<(String, NodeId)> = Vec::new();
            for (name, id) in computed {
                let is_free = |name: &str| named.iter().all(|(other, _)| other != name);
                named.push((free_name(&name, is_free), id));
            }
            builder = builder.outputs(named);
        }
        let builder = match self.photos {
            Photos::Any => builder,
            Photos::One => builder.one_by_one(),
        };
        let model = builder.build()?;
        if self.guessed {
            let mut alone = model.clone();
            for &input in &others {
                let fed = &self.inputs[input];
                let kind = if fed.whole { tch::Kind::Int64 } else { tch::Kind::Float };
                let value = Tensor::f_ones(fed.sizes(), (kind, tch::Device::Cpu)).into_result()?;
                alone = alone.fix(fed.name.as_str(), &value)?;
            }
            check_photos_apart(&alone, self.advice)?;
        }
        match up_to {
            None => Ok(model),
            Some(layer) => model.up_to(layer),
        }
    }
}

fn index(value: &Value) -> Option<usize> {
    match value {
        Value::Layer(index) => Some(*index),
        _ => None,
    }
}

/// The parameters made so far.
struct Made {
    store: VarStore,
    names: BTreeMap<String, Tensor>,
    /// The names by their places in memory.
    places: BTreeMap<usize, String>,
}

impl Made {
    fn weight(&mut self, weight: &Weight) -> Result<String> {
        self.own(weight.name.clone(), &weight.tensor, weight.trainable)
    }

    /// The store has it under this name, or behind it a number where that is another's.
    fn own(&mut self, name: String, tensor: &Tensor, trainable: bool) -> Result<String> {
        // Tied weights are one variable, which has the first of their names.
        let place = tensor.data_ptr() as usize;
        if let Some(first) = self.places.get(&place)
            && self.names.get(first).is_some_and(|own| same(own, tensor))
        {
            return Ok(first.clone());
        }
        let mut full = name.clone();
        for number in 1.. {
            match self.names.get(&full) {
                Some(own) if same(own, tensor) => return Ok(full),
                Some(_) => full = format!("{name}_{number}"),
                None => break,
            }
        }
        let (path, last) = place_of(&self.store, &full);
        let _ = path.add(last, channels_last(tensor)?, trainable);
        self.names.insert(full.clone(), tensor.shallow_clone());
        if tensor.numel() > 0 {
            self.places.entry(place).or_insert_with(|| full.clone());
        }
        Ok(full)
    }
}

/// Whether two are the same values in memory.
fn same(a: &Tensor, b: &Tensor) -> bool {
    a.size() == b.size() && a.stride() == b.stride() && a.data_ptr() == b.data_ptr()
}
