//! Files beside a network's, in which large weights may be. Only the network's own folder is looked into.

use std::fs::File;
use std::path::{Component, Path, PathBuf};

use super::super::Parsed;
use super::network::{Attribute, Network};
use super::tensor::{External, Place};

/// The file that a tensor is in, which has so many bytes from the tensor's place on.
pub(super) fn open(place: &External, bytes: u64, folder: Option<&Path>) -> Parsed<File> {
    let name = &place.location;
    let Some(folder) = folder else {
        return Err(format!(
            "its values are in another file, {name:?}: open the network by its path, with that file beside it"
        ));
    };
    let path = inside(name, folder)?;
    let cannot =
        |e: std::io::Error| format!("{name:?}, in which its values are, cannot be read: {e}");
    let file = File::open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    if !metadata.is_file() {
        return Err(format!("{name:?}, in which its values should be, is no file"));
    }
    let length = metadata.len();
    if place.offset.checked_add(bytes).is_none_or(|end| end > length) {
        return Err(format!(
            "its values are {bytes} bytes at byte {} of {name:?}, which has only {length}: the file was \
             cut short, or belongs to another network",
            place.offset
        ));
    }
    Ok(file)
}

/// The path of a file that is in the folder, and is not led out of it by any link.
fn inside(name: &str, folder: &Path) -> Parsed<PathBuf> {
    let outside = || {
        format!(
            "its values are in {name:?}, outside the network's folder, where nothing is read: put the file \
             beside the network and export it so"
        )
    };
    let relative = Path::new(name);
    let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    // A path of another system, with its separators or a drive, is no plain name either.
    if !relative.components().all(plain) || name.contains(['\\', ':', '\0']) {
        return Err(outside());
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let root = folder.canonicalize().map_err(|e| format!("the network's folder: {e}"))?;
    let path = root.join(relative).canonicalize().map_err(|e| {
        format!(
            "its values are in {name:?}, which should be beside the network and is not there: {e}"
        )
    })?;
    if path.starts_with(&root) { Ok(path) } else { Err(outside()) }
}

/// An error if a file is missing that a network's tensors are in, or too short.
pub(super) fn check(network: &Network, folder: &Path) -> Parsed<()> {
    let options = network.nodes.iter().flat_map(|node| &node.attributes);
    let among_options = options.filter_map(|(_, value)| match value {
        Attribute::Tensor(tensor) => Some(tensor),
        _ => None,
    });
    for tensor in network.tensors.iter().chain(among_options) {
        if let Place::Beside(place) = &tensor.place {
            open(place, tensor.bytes(), Some(folder)).map_err(|e| tensor.named(&e))?;
        }
    }
    Ok(())
}
