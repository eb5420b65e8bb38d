//! The values of a tensor, read when they are asked for.

use std::io::SeekFrom;
use std::ops::Range;
use std::path::Path;

use half::{bf16, f16};

use super::super::{ByteOrder, Dtype, Parsed, Source, Storage};
use super::external;
use super::network::{Tensor, Values};
use super::tensor::{Place, field_of};
use super::wire::{Field, Message, Wire};

/// So many bytes at a time.
const PIECE: usize = 64 << 10;

impl Tensor {
    /// Its values, from the file that the network was read from, or from one in `folder`, where that file
    /// lies. All floats become 32-bit floats and all integers 64-bit ones.
    ///
    /// # Errors
    /// Values of a type that is not read: text, complex numbers, less than 16 bits a float or 8 an integer;
    /// fewer or more values than the sizes say; a file that is missing, too short or not in the folder.
    pub fn values(&self, source: &mut dyn Source, folder: Option<&Path>) -> Parsed<Values> {
        let dtype = match (&self.place, self.dtype) {
            (Place::Unread(kind), _) => {
                return Err(
                    self.named(&format!("its values are of type {kind}, which is not read"))
                );
            }
            (_, Some(dtype)) => dtype,
            (_, None) => return Err(self.named("its values are of no known type")),
        };
        match &self.place {
            Place::Raw(bytes) => raw(source, bytes.start, dtype, self.count),
            Place::Numbers(bytes) => numbers(source, bytes.clone(), dtype, self.count),
            Place::Beside(place) => external::open(place, self.bytes(), folder)
                .and_then(|mut file| raw(&mut file, place.offset, dtype, self.count)),
            Place::Unread(_) => Err("its values are of no known type".into()),
        }
        .map_err(|e| self.named(&e))
    }

    /// Hands its values to `take`, piece by piece, so that they are never in memory twice; `false` for what is no
    /// float, or written as numbers of the message, which [`values`](Tensor::values) reads.
    ///
    /// # Errors
    /// Those of [`values`](Tensor::values).
    pub fn floats(
        &self,
        source: &mut dyn Source,
        folder: Option<&Path>,
        take: impl FnMut(&[f32]),
    ) -> Parsed<bool> {
        let Some(dtype) = self.dtype.filter(|dtype| dtype.is_float()) else { return Ok(false) };
        let at = |start| Storage::plain(start, dtype, ByteOrder::Little, self.count);
        match &self.place {
            Place::Raw(bytes) => at(bytes.start).read(source, take),
            Place::Beside(place) => external::open(place, self.bytes(), folder)
                .and_then(|mut file| at(place.offset).read(&mut file, take)),
            Place::Numbers(_) | Place::Unread(_) => return Ok(false),
        }
        .map(|()| true)
        .map_err(|e| self.named(&e))
    }

    /// An error with the tensor's name.
    pub(super) fn named(&self, error: &str) -> String {
        match self.name.as_str() {
            "" => format!("a tensor among an operation's options: {error}"),
            name => format!("the tensor {name:?}: {error}"),
        }
    }

    /// How many bytes its values take where they lie as in memory.
    pub(super) fn bytes(&self) -> u64 {
        (self.count as u64).saturating_mul(self.dtype.map_or(0, Dtype::size) as u64)
    }
}

impl Values {
    /// None, with room for so many.
    fn with_room(dtype: Dtype, count: usize) -> Parsed<Values> {
        let room = |reserved: Result<(), _>| {
            let none = |_: std::collections::TryReserveError| {
                format!("there is no memory for its {count} values")
            };
            reserved.map_err(none)
        };
        if dtype.is_float() {
            let mut floats = Vec::new();
            room(floats.try_reserve_exact(count))?;
            Ok(Values::Floats(floats))
        } else if dtype == Dtype::Bool {
            let mut bools = Vec::new();
            room(bools.try_reserve_exact(count))?;
            Ok(Values::Bools(bools))
        } else {
            let mut ints = Vec::new();
            room(ints.try_reserve_exact(count))?;
            Ok(Values::Ints(ints))
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Values::Floats(values) => values.len(),
            Values::Ints(values) => values.len(),
            Values::Bools(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Values as they lie in memory, from byte `start` on.
fn raw(source: &mut dyn Source, start: u64, dtype: Dtype, count: usize) -> Parsed<Values> {
    let mut values = Values::with_room(dtype, count)?;
    if let Values::Floats(floats) = &mut values {
        let storage = Storage::plain(start, dtype, ByteOrder::Little, count);
        storage.read(source, |piece| floats.extend_from_slice(piece))?;
        return Ok(values);
    }
    source.seek(SeekFrom::Start(start)).map_err(|e| e.to_string())?;
    let mut left = count.saturating_mul(dtype.size());
    let mut piece = vec![0; PIECE.min(left)];
    while left > 0 {
        let length = piece.len().min(left);
        let Some(piece) = piece.get_mut(..length) else { break };
        source.read_exact(piece).map_err(|e| format!("its values cannot be read: {e}"))?;
        match &mut values {
            Values::Ints(ints) => integers(ints, piece, dtype)?,
            Values::Bools(bools) => bools.extend(piece.iter().map(|&byte| byte != 0)),
            Values::Floats(_) => {}
        }
        left -= length;
    }
    Ok(values)
}

fn integers(out: &mut Vec<i64>, bytes: &[u8], dtype: Dtype) -> Parsed<()> {
    fn each<const N: usize>(out: &mut Vec<i64>, bytes: &[u8], value: impl Fn([u8; N]) -> i64) {
        out.extend(bytes.as_chunks::<N>().0.iter().map(|&bytes| value(bytes)));
    }
    match dtype {
        Dtype::U8 => out.extend(bytes.iter().map(|&byte| i64::from(byte))),
        Dtype::I8 => out.extend(bytes.iter().map(|&byte| i64::from(byte as i8))),
        Dtype::U16 => each(out, bytes, |b| i64::from(u16::from_le_bytes(b))),
        Dtype::I16 => each(out, bytes, |b| i64::from(i16::from_le_bytes(b))),
        Dtype::U32 => each(out, bytes, |b| i64::from(u32::from_le_bytes(b))),
        Dtype::I32 => each(out, bytes, |b| i64::from(i32::from_le_bytes(b))),
        Dtype::I64 => each(out, bytes, i64::from_le_bytes),
        Dtype::U64 => {
            for &bytes in bytes.as_chunks().0 {
                out.push(signed(u64::from_le_bytes(bytes))?);
            }
        }
        Dtype::Bool
        | Dtype::F8E4m3
        | Dtype::F8E5m2
        | Dtype::F16
        | Dtype::Bf16
        | Dtype::F32
        | Dtype::F64 => {}
    }
    Ok(())
}

fn signed(value: u64) -> Parsed<i64> {
    i64::try_from(value).map_err(|_| format!("the value {value} has more than 63 bits"))
}

/// Values as numbers of the tensor's message.
fn numbers(
    source: &mut dyn Source,
    bytes: Range<u64>,
    dtype: Dtype,
    count: usize,
) -> Parsed<Values> {
    let mut values = Values::with_room(dtype, count)?;
    let (mut wire, _) = Wire::open(source, "the file")?;
    let mut message = Message::new("a tensor", bytes);
    let wanted = field_of(dtype);
    while let Some((number, field)) = wire.next(&mut message)? {
        if number != wanted {
            continue;
        }
        match field {
            Field::Number(value) => push(&mut values, value, dtype, count)?,
            Field::Single(value) => push_float(&mut values, f32::from_bits(value), count)?,
            Field::Double(value) => push_float(&mut values, f64::from_bits(value) as f32, count)?,
            Field::Bytes(packed) if matches!(dtype, Dtype::F32 | Dtype::F64) => {
                wire.packed_floats(&packed, dtype, |_, value| {
                    push_float(&mut values, value, count)
                })?;
            }
            Field::Bytes(packed) => {
                wire.packed(&packed, |_, value| push(&mut values, value, dtype, count))?;
            }
        }
    }
    match values.len() {
        found if found == count => Ok(values),
        found => Err(format!("it should have {count} values, but has {found}")),
    }
}

fn push_float(values: &mut Values, value: f32, count: usize) -> Parsed<()> {
    match values {
        Values::Floats(floats) if floats.len() < count => {
            floats.push(value);
            Ok(())
        }
        _ => Err(format!("it has more than {count} values, or others than its type's")),
    }
}

/// A value that is an integer in the file: of halves, their bits.
fn push(values: &mut Values, value: u64, dtype: Dtype, count: usize) -> Parsed<()> {
    if values.len() >= count {
        return Err(format!("it has more than {count} values"));
    }
    match values {
        Values::Bools(bools) => bools.push(value != 0),
        Values::Floats(floats) => floats.push(match dtype {
            Dtype::Bf16 => bf16::from_bits(value as u16).to_f32(),
            Dtype::F16 => f16::from_bits(value as u16).to_f32(),
            _ => return Err("its values are stored as integers, which they are not".into()),
        }),
        Values::Ints(ints) => ints.push(match dtype {
            Dtype::U64 | Dtype::U32 => signed(value)?,
            Dtype::U8 => i64::from(value as u8),
            Dtype::I8 => i64::from(value as i8),
            Dtype::U16 => i64::from(value as u16),
            Dtype::I16 => i64::from(value as i16),
            Dtype::I32 => i64::from(value as i32),
            _ => value as i64,
        }),
    }
    Ok(())
}
