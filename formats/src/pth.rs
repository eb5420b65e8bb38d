//! `.pth` since PyTorch 1.6, and TorchScript, which tch's `.ot` is: a zip archive with a pickle of
//! what there is, and each storage as a member.

use std::collections::BTreeMap;

use super::pickle::{self, Input, Pickle, TensorView};
use super::state_dict;
use super::storages::Storages;
use super::zip::Archive;
use super::{ByteOrder, Contents, Parsed, Source, Storage, TensorEntry};

/// Where everything is.
pub(crate) fn parse(source: &mut dyn Source, archive: &Archive) -> Parsed<Contents> {
    let (storages, entries) = tensors(source, archive, state_dict::tensors)?;
    Contents::new(storages, entries, archive.length)
}

/// The tensors that `find` finds in the pickle, and their storages.
pub(crate) fn tensors(
    source: &mut dyn Source,
    archive: &Archive,
    find: impl FnOnce(&Pickle) -> Parsed<BTreeMap<String, &TensorView>>,
) -> Parsed<(Vec<Storage>, Vec<TensorEntry>)> {
    let missing = || "the archive has no data.pkl".to_owned();
    let pickle_name = archive.member_ending("data.pkl").ok_or_else(missing)?;
    let member = archive.member(pickle_name).ok_or_else(missing)?;
    let text = member.read(pickle_name, pickle::LONGEST_PICKLE, archive, source)?;
    let pickle = pickle::read(&mut Input::new(text.as_slice(), text.len() as u64))?;

    let folder = pickle_name.strip_suffix("data.pkl").unwrap_or_default();
    let order = match archive.member(&format!("{folder}byteorder")) {
        Some(member) => match &*member.read("byteorder", 16, archive, source)? {
            b"big" => ByteOrder::Big,
            _ => ByteOrder::Little,
        },
        None => ByteOrder::Little,
    };
    let tensors = find(&pickle)?;
    let mut storages = Storages::new(&pickle);
    for (name, tensor) in tensors {
        storages.add(name, tensor, |key, dtype, bytes| {
            let name = format!("{folder}data/{key}");
            let Some(member) = archive.member(&name) else {
                return Err(format!("has no values: there is no {name} in the archive"));
            };
            if member.size != bytes {
                return Err(format!("claims {bytes} bytes, but {name} has {}", member.size));
            }
            let count = usize::try_from(bytes).map_err(|e| e.to_string())? / dtype.size();
            let place = member.place(&name, archive, source)?;
            Ok(Storage::member(place, dtype, order, count))
        })?;
    }
    Ok(storages.into_parts())
}
