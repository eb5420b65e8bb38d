//! numpy's `.npz`: a zip archive with one `.npy` for each array.

use super::npy;
use super::zip::Archive;
use super::{Contents, Parsed, Source, Storage, TensorEntry};

/// Where everything is. An array's name is its member's without `.npy`.
pub(crate) fn parse(source: &mut dyn Source, archive: &Archive) -> Parsed<Contents> {
    let (mut storages, mut entries) = (Vec::new(), Vec::new());
    for (member_name, member) in archive.members() {
        let Some(name) = member_name.strip_suffix(".npy") else {
            return Err(format!(
                "the file is a zip archive that is no file of weights: it holds {member_name:?}, \
                 where PyTorch's have data.pkl and numpy's only .npy"
            ));
        };
        let place = member.place(member_name, archive, source)?;
        let named = |error: String| format!("the array {name} {error}");
        let beginning = place.beginning(npy::LONGEST_HEADER as u64, source).map_err(named)?;
        let header = npy::header(&beginning).map_err(named)?;
        let data = header.count() as u64 * header.dtype.size() as u64;
        if member.size - (header.length as u64).min(member.size) != data {
            return Err(format!(
                "the array {name}, {:?}, needs {data} bytes after a header of {}, but its member \
                 has {} in all",
                header.shape, header.length, member.size
            ));
        }
        entries.push(TensorEntry {
            name: name.to_owned(),
            storage: storages.len(),
            offset: 0,
            strides: header.strides(),
            shape: header.shape.clone(),
            scale: None,
        });
        storages.push(Storage {
            skip: header.length as u64,
            ..Storage::member(place, header.dtype, header.order, header.count())
        });
    }
    Contents::new(storages, entries, archive.length)
}
