//! What the names on the allow-list do when a pickle calls them.

use super::super::{MOST_DIMENSIONS, Parsed};
use super::machine::Machine;
use super::{Global, LONGEST_KEY, PickleCell, Quantised, StorageId, TensorView, Value};

/// How many entries `OrderedDict(pairs)` may copy in all: the same pairs can be named again and
/// again by a few bytes.
const MOST_COPIES: usize = 1 << 20;

const HOW: &str = "the file has a quantised tensor without a scale and a zero point";

impl Machine {
    /// What Python would get by calling a function from the allow-list.
    pub(super) fn call(&mut self, function: Value, arguments: Value) -> Parsed<Value> {
        let Some(&PickleCell::Global(global)) = self.cell(function) else {
            return Err("the file's pickle calls what is no function".into());
        };
        let Some(PickleCell::Tuple(arguments)) = self.cell(arguments) else {
            return Err("the file's pickle calls a function without arguments".into());
        };
        let first = arguments.first().copied();
        match global {
            Global::Inert => Ok(Value::Inert),
            Global::First | Global::Size => {
                first.ok_or_else(|| "the file's pickle makes something of nothing".into())
            }
            Global::Subclass => match arguments[..] {
                // Once: a chain of these could be as long as the pickle.
                [function, _, arguments, ..]
                    if !matches!(
                        self.cell(function),
                        Some(PickleCell::Global(Global::Subclass))
                    ) =>
                {
                    self.call(function, arguments)
                }
                _ => Err("the file's pickle makes a tensor of what is none".into()),
            },
            Global::Dict => {
                let entries = first.map_or(Ok(Vec::new()), |pairs| self.pairs(pairs))?;
                Ok(self.store(PickleCell::Dict(entries)))
            }
            Global::Script => Ok(self.store(PickleCell::Object(Value::None))),
            Global::Tensor | Global::TypedTensor | Global::QuantisedTensor => {
                let tensor = self.tensor(global, arguments)?;
                Ok(self.store(PickleCell::Tensor(Box::new(tensor))))
            }
            Global::Storage(_) | Global::UntypedStorage | Global::Type(_) => {
                Err("the file's pickle calls a storage or a number type".into())
            }
        }
    }

    fn items(&self, value: Value) -> Option<&[Value]> {
        match self.cell(value) {
            Some(PickleCell::Tuple(items) | PickleCell::List(items)) => Some(items),
            _ => None,
        }
    }

    /// The entries of a dict that is made from a list of pairs, as Python 2 did, or from a dict.
    fn pairs(&mut self, pairs: Value) -> Parsed<Vec<(Value, Value)>> {
        let entries: Option<Vec<(Value, Value)>> = match self.cell(pairs) {
            Some(PickleCell::Dict(entries)) if entries.len() <= MOST_COPIES => {
                Some(entries.clone())
            }
            Some(PickleCell::List(pairs) | PickleCell::Tuple(pairs))
                if pairs.len() <= MOST_COPIES =>
            {
                pairs
                    .iter()
                    .map(|&pair| match self.items(pair)? {
                        &[key, value] => Some((key, value)),
                        _ => None,
                    })
                    .collect()
            }
            _ => None,
        };
        let entries = entries.ok_or("the file's pickle makes a dict of what are no pairs")?;
        self.copies = self.copies.saturating_add(entries.len());
        if self.copies > MOST_COPIES {
            return Err("the file has more entries than any weights need".into());
        }
        Ok(entries)
    }

    /// Storage, offset, shape, strides, for a quantised tensor how, and for a typed tensor the type in
    /// the seventh place.
    fn tensor(&self, global: Global, arguments: &[Value]) -> Parsed<TensorView> {
        let &[storage, offset, shape, strides, ..] = arguments else {
            return Err("the file's pickle makes a tensor of too little".into());
        };
        let Some(&PickleCell::Storage(storage)) = self.cell(storage) else {
            return Err("the file's pickle makes a tensor of what is no storage".into());
        };
        let named_type = arguments.get(6).and_then(|&named| self.cell(named));
        let dtype = match (global, named_type) {
            (Global::TypedTensor, Some(&PickleCell::Global(Global::Type(dtype)))) => Some(dtype),
            (Global::TypedTensor, _) => None,
            _ => storage.dtype,
        };
        let Some(dtype) = dtype else {
            return Err("the file has a tensor without a known type of number".into());
        };
        let quantised = match (global, arguments.get(4)) {
            (Global::QuantisedTensor, Some(&how)) => Some(self.quantised(how)?),
            (Global::QuantisedTensor, None) => return Err(HOW.into()),
            _ => None,
        };
        let sizes = |sizes: Value| -> Option<Vec<usize>> {
            let sizes = self.items(sizes).filter(|sizes| sizes.len() <= MOST_DIMENSIONS)?;
            sizes.iter().map(|&value| size(value)).collect()
        };
        match (size(offset), sizes(shape), sizes(strides)) {
            (Some(offset), Some(shape), Some(strides)) => {
                let offset = offset.saturating_add(storage.offset);
                Ok(TensorView { storage, dtype, offset, shape, strides, quantised })
            }
            _ => Err("the file has a tensor with an offset, a shape or strides that are no \
                      sizes, or of more than 64 dimensions"
                .into()),
        }
    }

    /// `(scheme, scale, zero point)`, or `(scheme, scales, zero points, axis)`.
    fn quantised(&self, how: Value) -> Parsed<Quantised> {
        match self.items(how) {
            Some(&[_, Value::Float(scale), Value::Int(zero_point)]) => {
                Ok(Quantised::Whole { scale, zero_point })
            }
            Some(&[_, scales, zero_points, Value::Int(axis)]) => match usize::try_from(axis) {
                Ok(axis) => Ok(Quantised::Channels { scales, zero_points, axis }),
                Err(_) => Err(HOW.into()),
            },
            _ => Err(HOW.into()),
        }
    }

    /// `("storage", class, key, device, count)`, and up to PyTorch 0.4 a view of it.
    pub(super) fn storage(&self, id: Value) -> Parsed<StorageId> {
        let id = self.items(id).unwrap_or_default();
        if id.first().and_then(|&kind| self.text_of(kind)) != Some("storage") {
            return Err("the file's pickle refers to what is no storage".into());
        }
        let &[_, class, key, _, count, ref view @ ..] = id else {
            return Err("the file's pickle has a storage without a size".into());
        };
        let dtype = match self.cell(class) {
            Some(&PickleCell::Global(Global::Storage(dtype))) => Some(dtype),
            Some(PickleCell::Global(Global::UntypedStorage)) => None,
            _ => return Err("the file's pickle has a storage of no known type".into()),
        };
        let known_key = self.text_of(key).is_some_and(|key| key.len() <= LONGEST_KEY);
        let (true, Some(count)) = (known_key, size(count)) else {
            return Err("the file's pickle has a storage without a key or a size".into());
        };
        let offset = match view.first().and_then(|&view| self.items(view)) {
            Some(&[_, offset, _]) => {
                size(offset).ok_or("the file's pickle has a view of a storage from nowhere")?
            }
            _ => 0,
        };
        Ok(StorageId { key, dtype, count, offset })
    }

    /// Gives a state to what is on top. Dicts and tensors have some that weights do not need.
    pub(super) fn build(&mut self, state: Value) -> Parsed<()> {
        self.change_top("gives a state to what has none", |cell| match cell {
            PickleCell::Object(attributes) => {
                *attributes = state;
                true
            }
            PickleCell::Dict(_) | PickleCell::Tensor(_) => true,
            _ => false,
        })
    }
}

fn size(value: Value) -> Option<usize> {
    match value {
        Value::Int(size) => usize::try_from(size).ok(),
        _ => None,
    }
}
