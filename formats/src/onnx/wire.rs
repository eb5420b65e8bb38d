//! The fields of protobuf's messages, one after another, from a file whose large parts are never read.

use std::io::{self, BufReader, Read, SeekFrom};
use std::ops::Range;

use micropb::{DecodeError, PbDecoder, StdReader, Tag};

use super::super::{Dtype, Parsed, Source};

/// More fields, texts and numbers than this are in no graph; each may take a hundred times the memory that
/// it takes in the file.
const MOST_PARTS: usize = 1 << 21;
/// Names, and texts among options.
pub(super) const LONGEST_TEXT: u64 = 1 << 20;

/// A file of messages, read from wherever the next field is.
pub(super) struct Wire<'a> {
    reader: StdReader<BufReader<&'a mut dyn Source>>,
    position: u64,
    length: u64,
    parts: usize,
}

/// Where in the file the fields of a message are that have not been looked at yet.
pub(super) struct Message {
    what: &'static str,
    at: u64,
    end: u64,
}

/// What is in a field.
#[derive(Clone, Debug)]
pub(super) enum Field {
    /// An integer, a truth value, a choice.
    Number(u64),
    /// A 32-bit float.
    Single(u32),
    /// A 64-bit float.
    Double(u64),
    /// A text, a message, many numbers, or bytes: where they are.
    Bytes(Range<u64>),
}

impl Message {
    /// The message in these bytes of the file; `what` is its name in errors, as `a node`.
    pub(super) fn new(what: &'static str, bytes: Range<u64>) -> Message {
        Message { what, at: bytes.start, end: bytes.end }
    }
}

impl<'a> Wire<'a> {
    /// The file, and all of it as one message.
    pub(super) fn open(
        source: &'a mut dyn Source,
        what: &'static str,
    ) -> Parsed<(Wire<'a>, Message)> {
        let length = source.seek(SeekFrom::End(0)).map_err(|e| e.to_string())?;
        source.seek(SeekFrom::Start(0)).map_err(|e| e.to_string())?;
        let reader = StdReader(BufReader::new(source));
        Ok((Wire { reader, position: 0, length, parts: 0 }, Message::new(what, 0..length)))
    }

    /// The number of the next field of a message, and what is in it.
    pub(super) fn next(&mut self, message: &mut Message) -> Parsed<Option<(u32, Field)>> {
        if message.at >= message.end {
            return Ok(None);
        }
        let start = message.at;
        self.go_to(start)?;
        let damaged = |why: &str| format!("{} is damaged at byte {start}: {why}", message.what);
        let tag: Tag = self.decode(|from| from.decode_tag()).map_err(|e| damaged(&e))?;
        let field = match tag.wire_type() {
            micropb::WIRE_TYPE_VARINT => {
                self.decode(|from| from.decode_varint64()).map(Field::Number)
            }
            micropb::WIRE_TYPE_I32 => self.decode(|from| from.decode_fixed32()).map(Field::Single),
            micropb::WIRE_TYPE_I64 => self.decode(|from| from.decode_fixed64()).map(Field::Double),
            micropb::WIRE_TYPE_LEN => {
                self.decode(|from| from.decode_varint64()).and_then(|length| {
                    let end = self.position.checked_add(length).filter(|&end| end <= message.end);
                    let room = message.end.saturating_sub(self.position);
                    let bytes = end.map(|end| Field::Bytes(self.position..end));
                    if bytes.is_none() && message.end == self.length {
                        return Err(self.cut());
                    }
                    bytes.ok_or_else(|| {
                        format!("a field claims {length} bytes, but {room} are left")
                    })
                })
            }
            other => Err(format!("there is no kind of field {other}")),
        }
        .map_err(|e| damaged(&e))?;
        message.at = match &field {
            Field::Bytes(bytes) => bytes.end,
            _ => self.position,
        };
        if message.at > message.end {
            return Err(damaged("it ends within a field"));
        }
        if tag.field_num() == 0 {
            return Err(damaged("no field has the number 0"));
        }
        Ok(Some((tag.field_num(), field)))
    }

    /// The same, but what is in the field may be longer than the message: the end of a file may be missing.
    pub(super) fn next_even_cut(&mut self, message: &mut Message) -> Parsed<Option<(u32, Field)>> {
        let end = std::mem::replace(&mut message.end, u64::MAX);
        let field = self.next(message);
        message.end = end;
        field
    }

    /// One more part of what is remembered, of which there is an end.
    pub(super) fn count(&mut self) -> Parsed<()> {
        self.parts += 1;
        if self.parts > MOST_PARTS {
            return Err(format!(
                "the file's graph has more than {MOST_PARTS} parts, which no network's has"
            ));
        }
        Ok(())
    }

    /// A name.
    pub(super) fn text(&mut self, field: &Field, what: &str) -> Parsed<String> {
        let bytes = bytes(field, what)?;
        let length = bytes.end.saturating_sub(bytes.start);
        if length > LONGEST_TEXT {
            return Err(format!("{what} has {length} bytes; {LONGEST_TEXT} are the most"));
        }
        String::from_utf8(self.bytes(&bytes)?)
            .map_err(|_| format!("{what} at byte {} is no text in UTF-8", bytes.start))
    }

    /// Bytes, all of which are in the file.
    pub(super) fn bytes(&mut self, place: &Range<u64>) -> Parsed<Vec<u8>> {
        self.count()?;
        self.go_to(place.start)?;
        let length = place.end.saturating_sub(place.start);
        let mut bytes = Vec::new();
        (&mut self.reader.0).take(length).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        self.position = self.position.saturating_add(bytes.len() as u64);
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(self.cut()) }
    }

    /// One integer, or many that are packed.
    pub(super) fn numbers(&mut self, field: &Field, what: &str, out: &mut Vec<i64>) -> Parsed<()> {
        let mut number = |wire: &mut Wire<'_>, number: u64| {
            wire.count()?;
            out.push(number as i64);
            Ok(())
        };
        match field {
            Field::Number(single) => number(self, *single),
            Field::Bytes(packed) => self.packed(packed, number),
            _ => Err(unlike(what)),
        }
    }

    /// One 32-bit float, or many that are packed.
    pub(super) fn floats(&mut self, field: &Field, what: &str, out: &mut Vec<f32>) -> Parsed<()> {
        let mut float = |wire: &mut Wire<'_>, value: f32| {
            wire.count()?;
            out.push(value);
            Ok(())
        };
        match field {
            Field::Single(single) => float(self, f32::from_bits(*single)),
            Field::Bytes(packed) => self.packed_floats(packed, Dtype::F32, float),
            _ => Err(unlike(what)),
        }
    }

    /// Each of the floats, of 32 or 64 bits, that are packed here.
    pub(super) fn packed_floats(
        &mut self,
        packed: &Range<u64>,
        dtype: Dtype,
        mut each: impl FnMut(&mut Wire<'a>, f32) -> Parsed<()>,
    ) -> Parsed<()> {
        self.go_to(packed.start)?;
        while self.position < packed.end {
            let value = match dtype {
                Dtype::F64 => self.decode(|from| from.decode_double())? as f32,
                _ => self.decode(|from| from.decode_float())?,
            };
            each(self, value)?;
        }
        self.ends_at(packed)
    }

    /// Each of the integers that are packed here.
    pub(super) fn packed(
        &mut self,
        packed: &Range<u64>,
        mut each: impl FnMut(&mut Wire<'a>, u64) -> Parsed<()>,
    ) -> Parsed<()> {
        self.go_to(packed.start)?;
        while self.position < packed.end {
            let number = self.decode(|from| from.decode_varint64())?;
            each(self, number)?;
        }
        self.ends_at(packed)
    }

    fn ends_at(&self, packed: &Range<u64>) -> Parsed<()> {
        if self.position == packed.end {
            return Ok(());
        }
        Err(format!("numbers at byte {} do not end where they should", packed.start))
    }

    /// Whatever is read next begins at this byte.
    fn go_to(&mut self, position: u64) -> Parsed<()> {
        let (to, from) = (i64::try_from(position), i64::try_from(self.position));
        let way = to.ok().zip(from.ok()).and_then(|(to, from)| to.checked_sub(from));
        let way = way.filter(|_| position <= self.length).ok_or_else(|| self.cut())?;
        if way != 0 {
            // Within the buffer this reads nothing.
            self.reader.0.seek_relative(way).map_err(|e| e.to_string())?;
            self.position = position;
        }
        Ok(())
    }

    fn decode<T>(
        &mut self,
        decode: impl FnOnce(
            &mut PbDecoder<&mut StdReader<BufReader<&'a mut dyn Source>>>,
        ) -> Result<T, DecodeError<io::Error>>,
    ) -> Parsed<T> {
        let mut decoder = PbDecoder::new(&mut self.reader);
        let decoded = decode(&mut decoder);
        self.position = self.position.saturating_add(decoder.bytes_read() as u64);
        decoded.map_err(|error| match error {
            DecodeError::Reader(error) => error.to_string(),
            DecodeError::UnexpectedEof => self.cut(),
            _ => "a number has more than 64 bits".into(),
        })
    }

    fn cut(&self) -> String {
        format!("the file ends at byte {}; it was probably cut short", self.length)
    }
}

/// The place of what is a text, a message or bytes.
pub(super) fn bytes(field: &Field, what: &str) -> Parsed<Range<u64>> {
    match field {
        Field::Bytes(bytes) => Ok(bytes.clone()),
        _ => Err(unlike(what)),
    }
}

/// An integer.
pub(super) fn number(field: &Field, what: &str) -> Parsed<i64> {
    match field {
        Field::Number(number) => Ok(*number as i64),
        _ => Err(unlike(what)),
    }
}

fn unlike(what: &str) -> String {
    format!("{what} is not stored as ONNX stores it: the file is damaged, or no ONNX file")
}
