//! `.pth` since PyTorch 1.6, and TorchScript, which tch's `.ot` is: a zip archive with a pickle of
//! what there is, and each storage as a member.

use super::pickle::{self, Input, Pickle};
use super::state_dict::{self, About, StateDict};
use super::storages::Storages;
use super::zip::Archive;
use super::{ByteOrder, Contents, Parsed, Source, Storage, TensorEntry};

/// Where everything is.
pub(crate) fn parse(
    source: &mut dyn Source,
    archive: &Archive,
    under: Option<&str>,
) -> Parsed<Contents> {
    let contents = |storages: Storages, source: &mut dyn Source, about| {
        storages.contents(source, archive.length, about)
    };
    read(source, archive, |pickle| state_dict::find(pickle, under), contents)
}

/// The tensors of an archive within a `.pt2`, and their storages.
pub(crate) fn exported(
    source: &mut dyn Source,
    archive: &Archive,
) -> Parsed<(Vec<Storage>, Vec<TensorEntry>)> {
    read(source, archive, state_dict::exported, |storages, _, _| storages.into_parts())
}

/// Looks up the tensors that `find` finds in the pickle, and hands them on.
fn read<T>(
    source: &mut dyn Source,
    archive: &Archive,
    find: impl FnOnce(&Pickle) -> Parsed<StateDict<'_>>,
    then: impl FnOnce(Storages, &mut dyn Source, About) -> Parsed<T>,
) -> Parsed<T> {
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
    let StateDict { tensors, about } = find(&pickle)?;
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
    then(storages, source, about)
}
