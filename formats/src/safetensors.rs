//! `.safetensors`: the length of a header, the header as JSON, and the values one after another.
//! <https://huggingface.co/docs/safetensors>

use std::collections::BTreeMap;
use std::fmt;
use std::io::SeekFrom;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::contents::values_of;
use super::{
    ByteOrder, Contents, Dtype, MOST_DIMENSIONS, Parsed, Source, Storage, TensorEntry, exactly,
};

/// The format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;

/// What the header says of a tensor. The crate safetensors, as tch needs it, knows no floats of 8 bits.
#[derive(Deserialize)]
struct Info {
    dtype: String,
    shape: Vec<usize>,
    /// Within the data.
    data_offsets: (usize, usize),
}

/// The tensors in the header, by name; what it says of the whole is left out.
struct Header(BTreeMap<String, Info>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(header: D) -> Result<Self, D::Error> {
        header.deserialize_map(Header(BTreeMap::new()))
    }
}

impl<'de> Visitor<'de> for Header {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tensors by name")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Header, A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "__metadata__" => drop(map.next_value::<IgnoredAny>()?),
                _ => drop(self.0.insert(name, map.next_value()?)),
            }
        }
        Ok(self)
    }
}

/// Whether a file that begins like this is one.
pub(super) fn begins(head: &[u8]) -> bool {
    header_length(head).is_some_and(|length| length <= LONGEST_HEADER) && head.get(8) == Some(&b'{')
}

fn header_length(head: &[u8]) -> Option<u64> {
    head.first_chunk().map(|&bytes| u64::from_le_bytes(bytes))
}

/// Where everything is.
pub(crate) fn parse(source: &mut dyn Source, length: u64) -> Parsed<Contents> {
    source.seek(SeekFrom::Start(0)).map_err(|e| e.to_string())?;
    let header = header_length(&exactly(source, length.min(8), "the header's length")?)
        .ok_or_else(|| format!("the file ends at byte {length} of a header's 8-byte length"))?;
    let data = 8 + header.min(LONGEST_HEADER);
    if header > LONGEST_HEADER || data > length {
        return Err(format!(
            "the file's header claims {header} bytes, but it ends at byte {length}"
        ));
    }
    let text = exactly(source, header, "the header")?;
    let header: Header = serde_json::from_slice(&text)
        .map_err(|e| format!("the file's header cannot be read: {e}"))?;

    let mut tensors: Vec<_> = header.0.into_iter().collect();
    tensors.sort_by(|a, b| (a.1.data_offsets, &a.0).cmp(&(b.1.data_offsets, &b.0)));
    let mut storages = Vec::with_capacity(tensors.len());
    let mut entries = Vec::with_capacity(tensors.len());
    let mut expected = 0;
    for (name, info) in tensors {
        let (start, end) = info.data_offsets;
        let dtype = dtype(&info.dtype).ok_or_else(|| {
            format!("{name} is of type {:.20}, which convlens does not read", info.dtype)
        })?;
        if info.shape.len() > MOST_DIMENSIONS {
            return Err(format!("{name} has more than {MOST_DIMENSIONS} dimensions"));
        }
        let count = values_of(&info.shape);
        let bytes = count.and_then(|count| count.checked_mul(dtype.size()));
        let (Some(count), Some(bytes)) = (count, bytes) else {
            return Err(format!("{name} claims the shape {:?}, too large to be true", info.shape));
        };
        if start.checked_add(bytes) != Some(end) || start != expected {
            return Err(format!(
                "{name}, {:?} of {bytes} bytes, should lie in bytes {expected} to {} of the data, \
                 but the header says {start} to {end}",
                info.shape,
                expected.saturating_add(bytes)
            ));
        }
        if end as u64 > length - data {
            return Err(format!(
                "the file ends at byte {} of {name}, which needs {bytes}",
                (length - data).saturating_sub(start as u64)
            ));
        }
        expected = end;
        entries.push(TensorEntry::whole(name, storages.len(), info.shape.clone())?);
        let order = ByteOrder::Little;
        storages.push(Storage::plain(data + start as u64, dtype, order, count));
    }
    if (expected as u64) < length - data {
        return Err(format!(
            "the file has {} bytes after its last tensor that belong to none",
            length - data - expected as u64
        ));
    }
    Contents::new(storages, entries, length)
}

fn dtype(stored: &str) -> Option<Dtype> {
    Some(match stored {
        "BOOL" => Dtype::Bool,
        "U8" => Dtype::U8,
        "I8" => Dtype::I8,
        "U16" => Dtype::U16,
        "I16" => Dtype::I16,
        "F8_E4M3" => Dtype::F8E4m3,
        "F8_E5M2" => Dtype::F8E5m2,
        "F16" => Dtype::F16,
        "BF16" => Dtype::Bf16,
        "U32" => Dtype::U32,
        "I32" => Dtype::I32,
        "F32" => Dtype::F32,
        "U64" => Dtype::U64,
        "I64" => Dtype::I64,
        "F64" => Dtype::F64,
        _ => return None,
    })
}
