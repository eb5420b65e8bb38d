//! What older versions of PyTorch write: up to 2.8 `torch.save`'s archives within the archive, up to 2.6
//! JSON that is not quite JSON.

use std::io::{Read, Result, Seek, SeekFrom};

use super::super::zip::Archive;
use super::super::{Parsed, Source, pth};
use super::weights::Tensors;

/// The members with tensors up to 2.7. A third, with example inputs, is of no use here.
const MEMBERS: [&str; 2] = ["serialized_state_dict.pt", "serialized_constants.pt"];

/// Weights and constants.
pub(super) fn read(source: &mut dyn Source, archive: &Archive) -> Parsed<Tensors> {
    let mut tensors = Tensors::default();
    for name in MEMBERS {
        add(source, archive, name, &mut tensors)?;
    }
    Ok(tensors)
}

/// Adds the tensors of a member that is an archive of `torch.save`'s with a dict.
pub(super) fn add(
    source: &mut dyn Source,
    archive: &Archive,
    name: &str,
    tensors: &mut Tensors,
) -> Parsed<()> {
    let missing = || format!("the archive has no {name}: it is damaged or was made by hand");
    let place = archive.member(name).ok_or_else(missing)?.place(name, archive, source)?;
    if place.deflated {
        return Err(format!(
            "the member {name} is compressed, which torch.export does not do: pack the archive again \
             without compression"
        ));
    }
    if place.packed == 0 {
        return Ok(());
    }
    let mut inner = Window { source, start: place.start, length: place.packed, at: 0 };
    let found = Archive::open(&mut inner, place.packed)
        .and_then(|archive| pth::exported(&mut inner, &archive));
    let (storages, entries) = found.map_err(|e| format!("in {name}: {e}"))?;
    let before = tensors.storages.len();
    for mut storage in storages {
        // Within the member, and the member is within the file: this cannot overflow.
        storage.start = storage.start.saturating_add(place.start);
        tensors.storages.push(storage);
    }
    for mut entry in entries {
        entry.storage += before;
        tensors.entries.push(entry);
    }
    Ok(())
}

/// A part of a file as a file of its own.
struct Window<'a> {
    source: &'a mut dyn Source,
    start: u64,
    length: u64,
    at: u64,
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let left = self.length.saturating_sub(self.at);
        self.source.seek(SeekFrom::Start(self.start.saturating_add(self.at)))?;
        let read = Read::take(&mut *self.source, left).read(buffer)?;
        self.at = self.at.saturating_add(read as u64);
        Ok(read)
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// Python's `json` writes infinite numbers as words, which JSON does not have; with this, they are the
/// texts that later versions write.
pub(super) fn standard_json(text: &[u8]) -> Vec<u8> {
    let mut standard = Vec::with_capacity(text.len());
    let (mut in_text, mut escaped) = (false, false);
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let words = [&b"-Infinity"[..], b"Infinity", b"NaN"];
        if let Some(word) = words.into_iter().find(|word| !in_text && rest.starts_with(word)) {
            standard.push(b'"');
            standard.extend_from_slice(word);
            standard.push(b'"');
            at += word.len();
            continue;
        }
        let byte = rest.first().copied().unwrap_or_default();
        if byte == b'"' && !escaped {
            in_text = !in_text;
        }
        escaped = byte == b'\\' && in_text && !escaped;
        standard.push(byte);
        at += 1;
    }
    standard
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinite_numbers_become_texts_and_texts_stay() {
        let text = br#"{"a\\":-Infinity,"NaN":[NaN,Infinity],"b\"NaN":"-Infinity\\","c":-1}"#;
        let standard =
            br#"{"a\\":"-Infinity","NaN":["NaN","Infinity"],"b\"NaN":"-Infinity\\","c":-1}"#;
        assert_eq!(standard_json(text), standard);
    }
}
