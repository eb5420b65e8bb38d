//! The stack machine that reads a pickle.

use std::collections::HashMap;
use std::io::Read;

use super::super::Parsed;
use super::globals::lookup;
use super::{Input, Pickle, PickleCell, Value};

/// The most values at a time; a state dict has about ten for each tensor.
const MOST_VALUES: usize = 4 << 20;

/// Reads one pickle, up to and including its STOP.
pub(crate) fn read<R: Read>(input: &mut Input<R>) -> Parsed<Pickle> {
    let mut machine = Machine::default();
    loop {
        let at = input.position;
        let located = |error: String| format!("at byte {at} of its pickle, {error}");
        let opcode = input.byte().map_err(located)?;
        if opcode == b'.' {
            let root = machine.pop().map_err(located)?;
            return Ok(Pickle { cells: machine.cells, root });
        }
        machine.step(opcode, input).map_err(located)?;
        if machine.size() > MOST_VALUES {
            return Err(located("the file has more values than any weights need".into()));
        }
    }
}

#[derive(Default)]
pub(super) struct Machine {
    pub(super) cells: Vec<PickleCell>,
    stack: Vec<Value>,
    /// The heights of the stack at which marks lie.
    marks: Vec<usize>,
    memo: HashMap<u64, Value>,
    /// How many entries `OrderedDict(pairs)` may still copy.
    pub(super) copies: usize,
}

impl Machine {
    fn size(&self) -> usize {
        self.cells.len() + self.stack.len() + self.marks.len() + self.memo.len()
    }

    fn step<R: Read>(&mut self, opcode: u8, input: &mut Input<R>) -> Parsed<()> {
        match opcode {
            // PROTO, FRAME: torch.save writes protocol 2; 5 is the newest.
            0x80 => match input.byte()? {
                0..=5 => {}
                version => {
                    return Err(format!("the file has a pickle of protocol {version}, not 0 to 5"));
                }
            },
            0x95 => drop(input.integer::<8>()?),
            // Numbers and constants.
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'K' => self.push(Value::Int(input.integer::<1>()? as i64)),
            b'M' => self.push(Value::Int(input.integer::<2>()? as i64)),
            b'J' => self.push(Value::Int(i64::from(input.integer::<4>()? as u32 as i32))),
            b'G' => self.push(Value::Float(f64::from_be_bytes(input.array()?))),
            0x8a => self.long::<1, R>(input)?,
            0x8b => self.long::<4, R>(input)?,
            // Texts and bytes; Python 2 wrote texts as SHORT_BINSTRING and BINSTRING.
            0x8c | b'U' => self.text::<1, R>(input)?,
            b'X' | b'T' => self.text::<4, R>(input)?,
            0x8d => self.text::<8, R>(input)?,
            b'C' => {
                let length = input.integer::<1>()?;
                self.inert(length, input)?;
            }
            b'B' => {
                let length = input.integer::<4>()?;
                self.inert(length, input)?;
            }
            0x8e | 0x96 => {
                let length = input.integer::<8>()?;
                self.inert(length, input)?;
            }
            // The stack and the memo.
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => self.push(self.top()?),
            b'q' => self.memorize(input.integer::<1>()?)?,
            b'r' => self.memorize(input.integer::<4>()?)?,
            0x94 => self.memorize(self.memo.len() as u64)?,
            b'h' => self.recall(input.integer::<1>()?)?,
            b'j' => self.recall(input.integer::<4>()?)?,
            // Tuples, lists, dicts, sets.
            b')' => self.make(PickleCell::Tuple(Vec::new())),
            0x85 => self.tuple::<1>()?,
            0x86 => self.tuple::<2>()?,
            0x87 => self.tuple::<3>()?,
            b't' => {
                let items = self.pop_to_mark()?;
                self.make(PickleCell::Tuple(items));
            }
            b']' => self.make(PickleCell::List(Vec::new())),
            b'l' => {
                let items = self.pop_to_mark()?;
                self.make(PickleCell::List(items));
            }
            b'a' => {
                let [item] = self.pop_array()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(&items)?;
            }
            b'}' => self.make(PickleCell::Dict(Vec::new())),
            b'd' => {
                let items = self.pop_to_mark()?;
                self.make(PickleCell::Dict(Vec::new()));
                self.set(&items)?;
            }
            b's' => {
                let entry: [Value; 2] = self.pop_array()?;
                self.set(&entry)?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set(&items)?;
            }
            0x8f => self.push(Value::Inert),
            0x90 => drop(self.pop_to_mark()?),
            0x91 => {
                self.pop_to_mark()?;
                self.push(Value::Inert);
            }
            // Names, and what is made with them.
            b'c' => {
                let (module, name) = (input.line()?, input.line()?);
                self.make(PickleCell::Global(lookup(&module, &name)?));
            }
            0x93 => {
                let [module, name] = self.pop_array()?;
                let (Some(module), Some(name)) = (self.text_of(module), self.text_of(name)) else {
                    return Err("the file asks for a name that is no text".into());
                };
                self.make(PickleCell::Global(lookup(module, name)?));
            }
            b'R' | 0x81 => {
                let [function, arguments] = self.pop_array()?;
                let made = self.call(function, arguments)?;
                self.push(made);
            }
            b'b' => {
                let [state] = self.pop_array()?;
                self.build(state)?;
            }
            b'Q' => {
                let [id] = self.pop_array()?;
                let storage = self.storage(id)?;
                self.make(PickleCell::Storage(storage));
            }
            other => return Err(refused(other)),
        }
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    /// Stores a large value.
    pub(super) fn store(&mut self, cell: PickleCell) -> Value {
        self.cells.push(cell);
        Value::At(self.cells.len() - 1)
    }

    /// Puts a large value on the stack.
    fn make(&mut self, cell: PickleCell) {
        let value = self.store(cell);
        self.push(value);
    }

    /// A text, after its length in `N` bytes.
    fn text<const N: usize, R: Read>(&mut self, input: &mut Input<R>) -> Parsed<()> {
        let length = input.integer::<N>()?;
        let text = String::from_utf8(input.bytes(length)?)
            .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
        self.make(PickleCell::Text(text));
        Ok(())
    }

    /// A two's-complement integer, after its length in `N` bytes.
    fn long<const N: usize, R: Read>(&mut self, input: &mut Input<R>) -> Parsed<()> {
        let length = input.integer::<N>()?;
        let bytes = input.bytes(length)?;
        let mut wide = match bytes.last() {
            Some(0x80..) => [0xff; 8],
            _ => [0; 8],
        };
        match wide.get_mut(..bytes.len()) {
            Some(low) => {
                low.copy_from_slice(&bytes);
                self.push(Value::Int(i64::from_le_bytes(wide)));
            }
            None => self.make(PickleCell::Long(bytes)),
        }
        Ok(())
    }

    /// Bytes that nothing needs.
    fn inert<R: Read>(&mut self, length: u64, input: &mut Input<R>) -> Parsed<()> {
        input.bytes(length)?;
        self.push(Value::Inert);
        Ok(())
    }

    fn tuple<const N: usize>(&mut self) -> Parsed<()> {
        let items: [Value; N] = self.pop_array()?;
        self.make(PickleCell::Tuple(items.to_vec()));
        Ok(())
    }

    /// The top of the stack; only what lies above the last mark is in reach.
    pub(super) fn top(&self) -> Parsed<Value> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let above = self.stack.get(floor..).unwrap_or_default();
        above.last().copied().ok_or_else(|| "the file's pickle takes from an empty stack".into())
    }

    fn pop(&mut self) -> Parsed<Value> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_array<const N: usize>(&mut self) -> Parsed<[Value; N]> {
        let mut values = [Value::None; N];
        for value in values.iter_mut().rev() {
            *value = self.pop()?;
        }
        Ok(values)
    }

    fn pop_to_mark(&mut self) -> Parsed<Vec<Value>> {
        let mark = self.marks.pop().ok_or("the file's pickle lacks a mark")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn memorize(&mut self, place: u64) -> Parsed<()> {
        let top = self.top()?;
        self.memo.insert(place, top);
        Ok(())
    }

    fn recall(&mut self, place: u64) -> Parsed<()> {
        let value = self.memo.get(&place).copied();
        self.push(value.ok_or_else(|| format!("the file's pickle has no value {place}"))?);
        Ok(())
    }

    fn append(&mut self, items: &[Value]) -> Parsed<()> {
        self.change_top("appends to what is no list", |cell| match cell {
            PickleCell::List(list) => {
                list.extend(items);
                true
            }
            _ => false,
        })
    }

    fn set(&mut self, items: &[Value]) -> Parsed<()> {
        let (pairs, rest) = items.as_chunks();
        if !rest.is_empty() {
            return Err("the file's pickle has a key without a value".into());
        }
        self.change_top("sets an entry of what is no dict", |cell| match cell {
            PickleCell::Dict(dict) => {
                dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
                true
            }
            _ => false,
        })
    }

    /// Changes the large value on top; what is inert stays so. The complaint is for what `change`
    /// does not accept.
    pub(super) fn change_top(
        &mut self,
        complaint: &str,
        change: impl FnOnce(&mut PickleCell) -> bool,
    ) -> Parsed<()> {
        let accepted = match self.top()? {
            Value::Inert => true,
            Value::At(place) => self.cells.get_mut(place).is_some_and(change),
            _ => false,
        };
        if accepted { Ok(()) } else { Err(format!("the file's pickle {complaint}")) }
    }

    pub(super) fn cell(&self, value: Value) -> Option<&PickleCell> {
        match value {
            Value::At(place) => self.cells.get(place),
            _ => None,
        }
    }

    pub(super) fn text_of(&self, value: Value) -> Option<&str> {
        match self.cell(value) {
            Some(PickleCell::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// Why an opcode is refused.
fn refused(opcode: u8) -> String {
    // These exist, but no pickle with weights has them.
    let name = match opcode {
        b'F' => "FLOAT",
        b'I' => "INT",
        b'L' => "LONG",
        b'P' => "PERSID",
        b'S' => "STRING",
        b'V' => "UNICODE",
        b'g' => "GET",
        b'i' => "INST",
        b'o' => "OBJ",
        b'p' => "PUT",
        0x82 => "EXT1",
        0x83 => "EXT2",
        0x84 => "EXT4",
        0x92 => "NEWOBJ_EX",
        0x97 => "NEXT_BUFFER",
        0x98 => "READONLY_BUFFER",
        _ => {
            return format!(
                "the file is damaged, or no pickle: there is no opcode {opcode:#04x}; nothing was \
                 run"
            );
        }
    };
    format!("the file uses the pickle opcode {name}, which weights do not need; nothing was run")
}
