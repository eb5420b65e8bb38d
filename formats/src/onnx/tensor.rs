//! A tensor: what it is said to be, whether the file can hold so much, and where its values are.

use std::ops::Range;

use super::super::contents::{MOST_DIMENSIONS, values_of};
use super::super::{Dtype, Parsed};
use super::network::Tensor;
use super::wire::{self, Field, Message, Wire};

/// Where the values of a tensor are.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// These bytes of the file, little-endian.
    Raw(Range<u64>),
    /// Numbers of the message that these bytes are.
    Numbers(Range<u64>),
    /// Another file.
    Beside(External),
    /// They are of this type, which is not read.
    Unread(String),
}

/// Bytes of a file beside the network's.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct External {
    pub(super) location: String,
    pub(super) offset: u64,
    pub(super) length: Option<u64>,
}

/// The numbers of a tensor's fields.
pub(super) mod fields {
    pub(in super::super) const FLOATS: u32 = 4;
    pub(in super::super) const INT32S: u32 = 5;
    pub(in super::super) const INT64S: u32 = 7;
    pub(in super::super) const DOUBLES: u32 = 10;
    pub(in super::super) const UINT64S: u32 = 11;
}

/// How values of this number in ONNX are stored, or the name of what is not read.
pub(super) fn dtype(number: i64) -> Result<Dtype, String> {
    Ok(match number {
        1 => Dtype::F32,
        2 => Dtype::U8,
        3 => Dtype::I8,
        4 => Dtype::U16,
        5 => Dtype::I16,
        6 => Dtype::I32,
        7 => Dtype::I64,
        9 => Dtype::Bool,
        10 => Dtype::F16,
        11 => Dtype::F64,
        12 => Dtype::U32,
        13 => Dtype::U64,
        16 => Dtype::Bf16,
        other => return Err(unread(other)),
    })
}

fn unread(number: i64) -> String {
    let name = match number {
        8 => "string",
        14 => "complex64",
        15 => "complex128",
        17 => "float8e4m3fn",
        18 => "float8e4m3fnuz",
        19 => "float8e5m2",
        20 => "float8e5m2fnuz",
        21 => "uint4",
        22 => "int4",
        23 => "float4e2m1",
        24 => "float8e8m0",
        25 => "uint2",
        26 => "int2",
        27 => "float6e2m3",
        28 => "float6e3m2",
        other => return format!("number {other} of ONNX's"),
    };
    name.into()
}

/// The field that holds values of this type as numbers.
pub(super) fn field_of(dtype: Dtype) -> u32 {
    match dtype {
        Dtype::F32 => fields::FLOATS,
        Dtype::F64 => fields::DOUBLES,
        Dtype::I64 => fields::INT64S,
        Dtype::U32 | Dtype::U64 => fields::UINT64S,
        Dtype::Bool
        | Dtype::U8
        | Dtype::I8
        | Dtype::U16
        | Dtype::I16
        | Dtype::I32
        | Dtype::F8E4m3
        | Dtype::F8E5m2
        | Dtype::F16
        | Dtype::Bf16 => fields::INT32S,
    }
}

/// What a tensor's message says before it is compared.
#[derive(Default)]
struct Said {
    name: String,
    sizes: Vec<i64>,
    kind: i64,
    raw: Option<Range<u64>>,
    /// Bytes of numbers, by field.
    numbers: Vec<(u32, u64)>,
    external: Option<External>,
    beside: bool,
}

/// Reads what a tensor is. None of its values are.
pub(super) fn read(wire: &mut Wire<'_>, bytes: Range<u64>) -> Parsed<Tensor> {
    wire.count()?;
    let mut said = Said::default();
    let mut message = Message::new("a tensor", bytes.clone());
    while let Some((number, field)) = wire.next(&mut message)? {
        match number {
            1 => {
                wire.numbers(&field, "a tensor's size", &mut said.sizes)?;
                if said.sizes.len() > MOST_DIMENSIONS {
                    return Err(format!(
                        "a tensor has more than {MOST_DIMENSIONS} dimensions, at byte {}",
                        bytes.start
                    ));
                }
            }
            2 => said.kind = wire::number(&field, "a tensor's type")?,
            3 => return Err(format!("the tensor at byte {} is in segments", bytes.start)),
            fields::FLOATS
            | fields::INT32S
            | fields::INT64S
            | fields::DOUBLES
            | fields::UINT64S => said.add(number, &field),
            8 => said.name = wire.text(&field, "a tensor's name")?,
            9 => said.raw = Some(wire::bytes(&field, "a tensor's bytes")?),
            13 => {
                let (key, value) = entry(wire, &field)?;
                said.external.get_or_insert_default().set(&key, value)?;
            }
            14 => said.beside = wire::number(&field, "a tensor's place")? == 1,
            _ => {}
        }
    }
    said.tensor(bytes)
}

impl Said {
    /// Bytes that hold numbers. The rest of the file may be one field of one number after another.
    fn add(&mut self, number: u32, field: &Field) {
        let bytes = match field {
            Field::Bytes(bytes) => bytes.end.saturating_sub(bytes.start),
            Field::Number(_) => 1,
            Field::Single(_) => 4,
            Field::Double(_) => 8,
        };
        match self.numbers.iter_mut().find(|(known, _)| *known == number) {
            Some((_, sum)) => *sum = sum.saturating_add(bytes),
            None => self.numbers.push((number, bytes)),
        }
    }

    fn tensor(self, bytes: Range<u64>) -> Parsed<Tensor> {
        let Said { name, sizes, kind, raw, numbers, external, beside } = self;
        let named = || match name.as_str() {
            "" => format!("the tensor at byte {}", bytes.start),
            name => format!("the tensor {name:?}"),
        };
        let shape: Option<Vec<usize>> =
            sizes.iter().map(|&size| usize::try_from(size).ok()).collect();
        let count = shape.as_deref().and_then(values_of).filter(|&count| count <= usize::MAX / 16);
        let Some(count) = count else {
            return Err(format!(
                "{} has the sizes {sizes:?}, more values than can be counted, or a negative size",
                named()
            ));
        };
        let dtype = match dtype(kind) {
            Ok(dtype) => dtype,
            Err(kind) => {
                let place = Place::Unread(kind);
                return Ok(Tensor { name, dtype: None, sizes, count, place });
            }
        };
        let wanted = (count as u64).saturating_mul(dtype.size() as u64);
        let field = field_of(dtype);
        let stored = numbers.iter().find(|(number, _)| *number == field).map_or(0, |(_, sum)| *sum);
        let place = if beside {
            let Some(external) = external.filter(|external| !external.location.is_empty()) else {
                return Err(format!("{} lies in another file, but in which is not said", named()));
            };
            if let Some(length) = external.length.filter(|&length| length != wanted) {
                return Err(format!(
                    "{}, {sizes:?} of {dtype}, needs {wanted} bytes, but has {length} in {:?}",
                    named(),
                    external.location
                ));
            }
            Place::Beside(external)
        } else if let Some(raw) = raw.filter(|raw| !raw.is_empty() || stored == 0) {
            let length = raw.end.saturating_sub(raw.start);
            if length != wanted {
                return Err(format!(
                    "{}, {sizes:?} of {dtype}, needs {wanted} bytes, but has {length}",
                    named()
                ));
            }
            Place::Raw(raw)
        } else {
            // How many numbers these bytes are is known once they are read: at least a byte each, or as
            // many bytes as a float has.
            let least = match dtype {
                Dtype::F32 | Dtype::F64 => wanted,
                _ => count as u64,
            };
            if stored < least {
                return Err(format!(
                    "{}, {sizes:?} of {dtype}, has {count} values, but only {stored} bytes of them \
                     are in the file",
                    named()
                ));
            }
            Place::Numbers(bytes)
        };
        Ok(Tensor { name, dtype: Some(dtype), sizes, count, place })
    }
}

impl External {
    fn set(&mut self, key: &str, value: String) -> Parsed<()> {
        let number = |value: &str| {
            value.trim().parse::<u64>().map_err(|_| {
                format!("the {key} of a tensor in another file is {value:?}, no number of bytes")
            })
        };
        match key {
            "location" => self.location = value,
            "offset" => self.offset = number(&value)?,
            "length" => self.length = Some(number(&value)?),
            _ => {}
        }
        Ok(())
    }
}

/// A text by a text.
pub(super) fn entry(wire: &mut Wire<'_>, field: &Field) -> Parsed<(String, String)> {
    let (mut key, mut value) = (String::new(), String::new());
    let mut message = Message::new("a note", wire::bytes(field, "a note")?);
    while let Some((number, field)) = wire.next(&mut message)? {
        match number {
            1 => key = wire.text(&field, "a note's name")?,
            2 => value = wire.text(&field, "a note")?,
            _ => {}
        }
    }
    Ok((key, value))
}
