//! Zip archives: which members there are, and where their bytes lie.
//!
//! Values are read straight from the file into tensors, so all that is needed is the directory. It
//! is read without believing it: the number of members and their sizes are what a bomb lies about.

use std::collections::BTreeMap;
use std::io::{Read, SeekFrom};

use flate2::read::DeflateDecoder;

use super::{Parsed, Source, exactly, integer};

/// The end record and the longest comment after it.
const LONGEST_END: u64 = 22 + 0xffff;
/// Deflate shortens no better than this.
const BEST_DEFLATE: u64 = 1032;

/// The directory of an archive.
pub(crate) struct Archive {
    /// The archive's own length in bytes.
    pub(crate) length: u64,
    members: BTreeMap<String, Member>,
}

/// One file in an archive.
pub(crate) struct Member {
    /// Where its local header begins.
    header: u64,
    flags: u64,
    method: u64,
    /// Bytes in the archive.
    packed: u64,
    /// Bytes once inflated.
    pub(crate) size: u64,
    crc: u32,
}

/// Where a member's bytes lie.
#[derive(Clone, Copy)]
pub(crate) struct Location {
    pub(crate) start: u64,
    pub(crate) packed: u64,
    pub(crate) deflated: bool,
    /// None if whoever wrote the archive left the checksum out.
    pub(crate) crc: Option<u32>,
}

impl Archive {
    /// Reads the directory at the end of an archive of `length` bytes.
    pub(crate) fn open(source: &mut dyn Source, length: u64) -> Parsed<Archive> {
        let (start, size) = find_directory(source, length)?;
        source.seek(SeekFrom::Start(start)).map_err(|e| e.to_string())?;
        let directory = exactly(source, size, "the archive's directory")?;
        let mut members = BTreeMap::new();
        let mut rest = directory.as_slice();
        let mut packed_bytes = 0u64;
        while rest.starts_with(b"PK\x01\x02") {
            let at = start + (directory.len() - rest.len()) as u64;
            let (name, member, after) = entry(rest).ok_or_else(|| {
                format!("the archive has a damaged entry in its directory at byte {at}")
            })?;
            rest = after;
            packed_bytes = packed_bytes.saturating_add(member.packed);
            if members.insert(name.clone(), member).is_some() {
                return Err(format!("the archive holds two members named {name:?}"));
            }
        }
        if packed_bytes > length {
            return Err(format!(
                "the archive claims {packed_bytes} bytes of members, but has only {length} bytes: \
                 its members overlap"
            ));
        }
        Ok(Archive { length, members })
    }

    /// The members and their names, in the order of the names.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &Member)> {
        self.members.iter().map(|(name, member)| (name.as_str(), member))
    }

    /// The member of this name.
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members.get(name)
    }

    /// The name of the first member that is called so, or lies so in a folder.
    pub(crate) fn member_ending(&self, ending: &str) -> Option<&str> {
        let folder = format!("/{ending}");
        let ends = |name: &&str| *name == ending || name.ends_with(&folder);
        self.members.keys().map(String::as_str).find(ends)
    }
}

impl Member {
    /// Where its bytes are; what is needed of its local header is only that header's length.
    pub(crate) fn place(
        &self,
        name: &str,
        archive: &Archive,
        source: &mut dyn Source,
    ) -> Parsed<Location> {
        if self.flags & 1 != 0 {
            return Err(format!("the member {name} is encrypted"));
        }
        let deflated = match self.method {
            0 => false,
            8 => true,
            other => {
                return Err(format!(
                    "the member {name} is compressed by method {other}; only deflate is read"
                ));
            }
        };
        let most = if deflated { self.packed.saturating_mul(BEST_DEFLATE) } else { self.packed };
        if self.size > most || (!deflated && self.size != self.packed) {
            return Err(format!(
                "the member {name} claims {} bytes in {}, which cannot be",
                self.size, self.packed
            ));
        }
        source.seek(SeekFrom::Start(self.header)).map_err(|e| e.to_string())?;
        let mut header = Vec::new();
        source.take(30).read_to_end(&mut header).map_err(|e| e.to_string())?;
        let start = (header.starts_with(b"PK\x03\x04"))
            .then(|| Some(30 + integer::<2>(&header, 26)? + integer::<2>(&header, 28)?))
            .flatten()
            .and_then(|bytes| self.header.checked_add(bytes))
            .filter(|start| start.checked_add(self.packed).is_some_and(|end| end <= archive.length))
            .ok_or_else(|| {
                format!("the member {name} should be at byte {}, but is not", self.header)
            })?;
        // PyTorch writes zeros when it is told to compute no checksums.
        let crc = (self.crc != 0).then_some(self.crc);
        Ok(Location { start, packed: self.packed, deflated, crc })
    }

    /// The whole of a small member.
    pub(crate) fn read(
        &self,
        name: &str,
        most: u64,
        archive: &Archive,
        source: &mut dyn Source,
    ) -> Parsed<Vec<u8>> {
        let place = self.place(name, archive, source)?;
        if self.size > most {
            return Err(format!("the member {name} has {} bytes; {most} are the most", self.size));
        }
        let bytes = place
            .beginning(self.size + 1, source)
            .map_err(|e| format!("the member {name}: {e}"))?;
        if bytes.len() as u64 != self.size {
            return Err(format!(
                "the member {name} claims {} bytes, but has {}",
                self.size,
                if bytes.len() as u64 > self.size {
                    "more".into()
                } else {
                    bytes.len().to_string()
                }
            ));
        }
        // A fuzzer would never get past a checksum.
        if !cfg!(fuzzing) && place.crc.is_some_and(|crc| crc != crc32fast::hash(&bytes)) {
            return Err(format!("the member {name} is damaged: its checksum is wrong"));
        }
        Ok(bytes)
    }
}

impl Location {
    /// The first bytes, inflated, at most so many.
    pub(crate) fn beginning(&self, most: u64, source: &mut dyn Source) -> Parsed<Vec<u8>> {
        source.seek(SeekFrom::Start(self.start)).map_err(|e| e.to_string())?;
        let packed = source.take(self.packed);
        let mut bytes = Vec::new();
        if self.deflated {
            DeflateDecoder::new(packed).take(most).read_to_end(&mut bytes)
        } else {
            packed.take(most).read_to_end(&mut bytes)
        }
        .map_err(|e| e.to_string())?;
        Ok(bytes)
    }
}

/// Where the directory starts and how many bytes it has, by the record at the archive's end.
fn find_directory(source: &mut dyn Source, length: u64) -> Parsed<(u64, u64)> {
    let tail_start = length.saturating_sub(LONGEST_END);
    source.seek(SeekFrom::Start(tail_start)).map_err(|e| e.to_string())?;
    let tail = exactly(source, length - tail_start, "the archive's end")?;
    let missing = || {
        format!(
            "the file is a zip archive without its directory, which comes last: the file was \
             probably cut short at its {length} bytes"
        )
    };
    let at = (0..tail.len().saturating_sub(21))
        .rev()
        .find(|&at| {
            tail[at..].starts_with(b"PK\x05\x06")
                && integer::<2>(&tail, at + 20) == Some((tail.len() - at - 22) as u64)
        })
        .ok_or_else(missing)?;
    let size = integer::<4>(&tail, at + 12).ok_or_else(missing)?;
    let start = integer::<4>(&tail, at + 16).ok_or_else(missing)?;
    let (size, start) = match at.checked_sub(20).and_then(|locator| tail.get(locator..)) {
        Some(locator)
            if locator.starts_with(b"PK\x06\x07")
                && (size == 0xffff_ffff || start == 0xffff_ffff) =>
        {
            let record = integer::<8>(locator, 8).ok_or_else(missing)?;
            source.seek(SeekFrom::Start(record.min(length))).map_err(|e| e.to_string())?;
            let mut bytes = Vec::new();
            source.take(56).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
            (bytes.starts_with(b"PK\x06\x06"))
                .then(|| Some((integer::<8>(&bytes, 40)?, integer::<8>(&bytes, 48)?)))
                .flatten()
                .ok_or_else(missing)?
        }
        _ => (size, start),
    };
    if start.checked_add(size).is_none_or(|end| end > length) {
        return Err(format!(
            "the archive says that its directory is {size} bytes at byte {start}, but it has only \
             {length} bytes"
        ));
    }
    Ok((start, size))
}

/// The directory's first entry, and what comes after it.
fn entry(bytes: &[u8]) -> Option<(String, Member, &[u8])> {
    let name_length = integer::<2>(bytes, 28)? as usize;
    let extra_length = integer::<2>(bytes, 30)? as usize;
    let comment_length = integer::<2>(bytes, 32)? as usize;
    let name = bytes.get(46..46 + name_length)?;
    let extra = bytes.get(46 + name_length..46 + name_length + extra_length)?;
    let rest = bytes.get(46 + name_length + extra_length + comment_length..)?;
    let mut member = Member {
        flags: integer::<2>(bytes, 8)?,
        method: integer::<2>(bytes, 10)?,
        crc: integer::<4>(bytes, 16)? as u32,
        packed: integer::<4>(bytes, 20)?,
        size: integer::<4>(bytes, 24)?,
        header: integer::<4>(bytes, 42)?,
    };
    large_fields(&mut member, extra)?;
    Some((String::from_utf8_lossy(name).into_owned(), member, rest))
}

/// Zip64: fields that do not fit into four bytes stand, in this order, in extra field 1.
fn large_fields(member: &mut Member, mut extra: &[u8]) -> Option<()> {
    while let (Some(kind), Some(size)) = (integer::<2>(extra, 0), integer::<2>(extra, 2)) {
        let field = extra.get(4..4 + size as usize)?;
        if kind == 1 {
            let mut at = 0;
            for value in [&mut member.size, &mut member.packed, &mut member.header] {
                if *value == 0xffff_ffff {
                    *value = integer::<8>(field, at)?;
                    at += 8;
                }
            }
        }
        extra = &extra[4 + size as usize..];
    }
    Some(())
}
