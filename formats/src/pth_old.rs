//! `.pth` before PyTorch 1.6: five pickles one after another, then the storages.
//!
//! The pickles are a magic number, a version, the sizes of C's types, what was saved, and the keys
//! of its storages; a storage is its number of values in eight bytes, and the values. PyTorch
//! writes them with the least byte first on every machine.

use std::collections::HashMap;
use std::io::{BufReader, Read, SeekFrom};

use super::pickle::{self, Input, Pickle, PickleCell, Value};
use super::state_dict::{self, StateDict};
use super::storages::Storages;
use super::{ByteOrder, Contents, Dtype, Parsed, Source, Storage, integer};

/// 0x1950a86a20f9469cfc6c, least byte first.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const VERSION: i64 = 1001;

/// Where everything is.
pub(crate) fn parse(source: &mut dyn Source, length: u64, under: Option<&str>) -> Parsed<Contents> {
    source.seek(SeekFrom::Start(0)).map_err(|e| e.to_string())?;
    let mut input = Input::new(BufReader::new(&mut *source), length);
    let magic = pickle::read(&mut input)?;
    if !matches!(magic.cell(magic.root), Some(PickleCell::Long(bytes)) if *bytes == MAGIC) {
        return Err(
            "the file is a Python pickle, but not one of PyTorch's: save the weights with \
                    torch.save(model.state_dict(), path)"
                .into(),
        );
    }
    let version = pickle::read(&mut input)?.root;
    if version != Value::Int(VERSION) {
        return Err(format!("the file has version {version:?} of PyTorch's format, not {VERSION}"));
    }
    pickle::read(&mut input)?; // the sizes of C's types: nothing depends on them
    let saved = pickle::read(&mut input)?;
    let keys = pickle::read(&mut input)?;
    let at = input.position;
    drop(input);

    let found = find_storages(source, length, at, &saved, &keys)?;
    let StateDict { tensors, about } = state_dict::find(&saved, under)?;
    let mut storages = Storages::new(&saved);
    for (name, tensor) in tensors {
        storages.add(name, tensor, |key, dtype, bytes| {
            let &(start, there) = found.get(key).ok_or("has no values in the file")?;
            if there != bytes {
                return Err(format!("claims {bytes} bytes, but the file has {there} for it"));
            }
            let count = usize::try_from(bytes).map_err(|e| e.to_string())? / dtype.size();
            Ok(Storage::plain(start, dtype, ByteOrder::Little, count))
        })?;
    }
    storages.contents(source, length, about)
}

/// Where the storages of these keys begin, and how many bytes they have; the first one's number of
/// values is at byte `at`.
fn find_storages<'a>(
    source: &mut dyn Source,
    length: u64,
    mut at: u64,
    saved: &'a Pickle,
    keys: &'a Pickle,
) -> Parsed<HashMap<&'a str, (u64, u64)>> {
    let sizes: HashMap<&str, u64> = saved
        .storages()
        .filter_map(|id| Some((saved.text(id.key)?, id.dtype.map_or(1, Dtype::size) as u64)))
        .collect();
    let Some(PickleCell::List(keys_in_order)) = keys.cell(keys.root) else {
        return Err("the file has no list of its storages".into());
    };
    let mut found = HashMap::new();
    for &key in keys_in_order {
        let key = keys.text(key).filter(|key| key.len() <= pickle::LONGEST_KEY);
        let key = key.ok_or("the file's list of storages has a key that is none")?;
        let size = sizes.get(key).ok_or_else(|| {
            format!(
                "the file has a storage {key} that no \
                                                         tensor uses"
            )
        })?;
        source.seek(SeekFrom::Start(at)).map_err(|e| e.to_string())?;
        let mut field = Vec::new();
        source.take(8).read_to_end(&mut field).map_err(|e| e.to_string())?;
        let count = integer::<8>(&field, 0)
            .ok_or_else(|| format!("the file ends at byte {length}, before its storage {key}"))?;
        let start = at + 8;
        let bytes = count.saturating_mul(*size);
        at = start.saturating_add(bytes);
        if at > length {
            return Err(format!(
                "the file ends at byte {} of its storage {key}, which needs {bytes}",
                length - start
            ));
        }
        found.insert(key, (start, bytes));
    }
    Ok(found)
}
