//! The file formats that convlens reads, as plain data and without libtorch: which tensors a file of
//! weights holds and where in it their values lie, whole networks in PyTorch's `.pt2` and in ONNX, numpy's arrays, and
//! seismic sections.
//!
//! Nothing is allocated because a header says so: a length is compared with the file's own before it
//! is believed. Messages do not name the file; the caller does.
//!
//! ```
//! use std::io::Cursor;
//!
//! let header = br#"{"bias":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}"#;
//! let mut file = (header.len() as u64).to_le_bytes().to_vec();
//! file.extend(header);
//! file.extend([0x00, 0x3c, 0x00, 0xc0]); // 1 and -2
//! let mut file = Cursor::new(file);
//! let contents = convlens_formats::parse(&mut file)?;
//! for (storage, entries) in contents.by_storage() {
//!     let mut values = Vec::new();
//!     storage.read(&mut file, |piece| values.extend_from_slice(piece))?;
//!     assert_eq!((entries[0].name.as_str(), values), ("bias", vec![1.0, -2.0]));
//! }
//! Ok::<(), String>(())
//! ```

mod contents;
mod dtype;
pub mod npy;
mod npz;
pub mod onnx;
mod pickle;
pub mod pt2;
mod pth;
mod pth_old;
mod recognise;
mod safetensors;
mod scale;
pub mod segy;
mod shards;
mod state_dict;
mod storages;
mod values;
mod zip;

use std::io::{Read, Seek, SeekFrom};

pub use contents::{Contents, Storage, TensorEntry};
pub use dtype::Dtype;
pub use shards::shards;
pub use state_dict::About;

use contents::{MOST_DIMENSIONS, gather};
use dtype::ByteOrder;

/// What a reader found, or what was wrong.
pub type Parsed<T> = Result<T, String>;

/// A file, or bytes in memory.
pub trait Source: Read + Seek {}

impl<T: Read + Seek> Source for T {}

/// What a file of weights holds, whichever of these formats its first bytes say it is: `.safetensors`,
/// PyTorch's `.pth` and `.pt` of any age, its `.pt2`, TorchScript, numpy's `.npz`.
///
/// # Errors
/// A file that is none of them, is cut short or damaged, or asks for what weights do not need.
pub fn parse(source: &mut dyn Source) -> Parsed<Contents> {
    parse_as(source, None)
}

/// What a checkpoint of PyTorch's holds under one of its keys, such as `"state_dict_ema"`, where
/// [`parse`] would choose for itself.
///
/// # Errors
/// As [`parse`]; and a file without such a key, or of a format that has none.
pub fn parse_under(source: &mut dyn Source, key: &str) -> Parsed<Contents> {
    parse_as(source, Some(key))
}

fn parse_as(source: &mut dyn Source, under: Option<&str>) -> Parsed<Contents> {
    let length = source.seek(SeekFrom::End(0)).map_err(|e| e.to_string())?;
    source.seek(SeekFrom::Start(0)).map_err(|e| e.to_string())?;
    let head = exactly(source, length.min(recognise::HEAD), "its beginning")?;
    match recognise::format(&head, length)? {
        recognise::Format::Safetensors => plain(safetensors::parse(source, length), under),
        recognise::Format::Pickle => pth_old::parse(source, length, under),
        recognise::Format::Zip => {
            let archive = zip::Archive::open(source, length)?;
            if pt2::is_one(&archive) {
                plain(pt2::weights(source, &archive), under)
            } else if archive.member_ending("data.pkl").is_some() {
                pth::parse(source, &archive, under)
            } else {
                plain(npz::parse(source, &archive), under)
            }
        }
    }
}

/// Of a file that is neither a `.pt2` nor a `.onnx`, but may well hold a network: what it is, and the line that
/// exports that network; nothing of files of weights and of all others.
///
/// # Errors
/// A file that cannot be read, or a damaged zip archive.
pub fn other_network(source: &mut dyn Source) -> Parsed<Option<String>> {
    const TORCH: &str =
        "torch.export.save(torch.export.export(net.eval(), (x,)), \"my_network.pt2\")";
    const KERAS: &str =
        "model = keras.models.load_model(path); model.export(\"my_network.onnx\", format=\"onnx\")";
    let length = source.seek(SeekFrom::End(0)).map_err(|e| e.to_string())?;
    source.seek(SeekFrom::Start(0)).map_err(|e| e.to_string())?;
    let head = exactly(source, length.min(recognise::HEAD), "its beginning")?;
    let keras = |what: &str| {
        format!("is {what}, which Keras writes: export the network in Python by {KERAS}")
    };
    if head.starts_with(recognise::HDF5) {
        return Ok(Some(keras("an HDF5 file")));
    }
    let is_pickle = matches!(head.as_slice(), [0x80, 0..=5, ..]);
    if recognise::is_zip(&head) {
        let archive = zip::Archive::open(source, length)?;
        if archive.member("model.weights.h5").is_some() {
            return Ok(Some(keras("a .keras file")));
        }
        if archive.member_ending("constants.pkl").is_some() {
            return Ok(Some(format!(
                "is TorchScript, whose graph is code, and that is not run: export the network that it was made \
                 of, in Python by {TORCH}"
            )));
        }
        if archive.member_ending("data.pkl").is_none() {
            return Ok(None);
        }
    } else if !is_pickle {
        return Ok(None);
    }
    // A pickle: of weights, or of a whole module, whose class is refused with what to do.
    Ok(parse(source)
        .err()
        .map(|refused| format!("is a pickle of PyTorch's, without a graph: {refused}")))
}

/// The contents of a file of a format without keys.
fn plain(contents: Parsed<Contents>, under: Option<&str>) -> Parsed<Contents> {
    match under {
        None => contents,
        Some(key) => Err(format!(
            "only PyTorch's checkpoints hold weights under keys; this file has none under {key:?}"
        )),
    }
}

/// The next `count` bytes, which the caller knows to be there.
fn exactly(source: &mut dyn Source, count: u64, what: &str) -> Parsed<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(count).read_to_end(&mut bytes).map_err(|e| format!("cannot read {what}: {e}"))?;
    if bytes.len() as u64 != count {
        return Err(format!(
            "the file ends at byte {} of {what}, which needs {count}",
            bytes.len()
        ));
    }
    Ok(bytes)
}

/// A little-endian integer at this place of a buffer.
fn integer<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let field: &[u8; N] = bytes.get(at..)?.first_chunk()?;
    Some(field.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Cursor;
    use std::path::Path;

    use super::*;

    /// How many values there are; every one of them is read.
    fn read(bytes: &[u8]) -> Parsed<usize> {
        let mut source = Cursor::new(bytes);
        let contents = parse(&mut source)?;
        let mut total = 0;
        for (storage, entries) in contents.by_storage() {
            let mut values = Vec::new();
            storage.read(&mut source, |piece| values.extend_from_slice(piece))?;
            for entry in entries {
                let view = entry.of(&values);
                total += view.ok_or("a view past its storage")?.len();
            }
        }
        Ok(total)
    }

    /// The reference files, good and bad, but for the few that are long.
    fn files() -> Vec<(String, Vec<u8>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/reference/weights");
        let file = |entry: std::io::Result<fs::DirEntry>| {
            let path = entry.expect("an entry").path();
            (path.display().to_string(), fs::read(&path).expect("a file"))
        };
        let files = fs::read_dir(folder).expect("a folder").map(file);
        files.filter(|(_, bytes)| bytes.len() < 5000).collect()
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        for (name, bytes) in files() {
            for end in 0..bytes.len() {
                assert!(read(&bytes[..end]).is_err(), "{name} cut at byte {end}");
            }
        }
    }

    #[test]
    fn no_changed_byte_makes_a_reader_panic() {
        for (name, mut bytes) in files() {
            let whole = read(&bytes).is_ok();
            for at in 0..bytes.len() {
                let original = bytes[at];
                for changed in [original ^ 1, !original] {
                    bytes[at] = changed;
                    let _ = read(&bytes);
                }
                bytes[at] = original;
            }
            assert_eq!(read(&bytes).is_ok(), whole, "{name}");
        }
    }
}
