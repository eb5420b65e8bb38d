//! The libraries' readers of weights and of seismic sections, without the rest of the libraries and
//! without libtorch: what a fuzzer runs.

use std::io::Cursor;

#[path = "../../src/weights/format/mod.rs"]
mod format;
#[path = "../../scenes/src/section/segy.rs"]
mod segy;

use format::zip::Archive;
use format::{
    Contents, Parsed, gather, npy as array, npz as arrays, pth, pth_old as old, read_values,
    safetensors as safe,
};

/// More values than this are not read, only looked up: it takes too long.
const MOST_VALUES: usize = 1 << 16;

/// What the section's reader takes at most: less than in the library, so that a run stays short.
const MOST_SAMPLES: usize = MOST_VALUES;

/// SEG-Y, with the first inline or one that is asked for.
pub fn segy(bytes: &[u8]) {
    let head = &bytes[..bytes.len().min(3600)];
    for inline in [None, Some(1)] {
        let Ok(mut segy) = segy::Segy::new(Cursor::new(bytes), head) else { return };
        if let Ok((_, width, samples)) = segy.traces(inline) {
            assert_eq!(samples.len(), width * segy.samples());
        }
    }
}

/// `.safetensors`.
pub fn safetensors(bytes: &[u8]) {
    let mut source = Cursor::new(bytes);
    finish(&mut source, |source| safe::parse(source, bytes.len() as u64));
}

/// `.pth` since PyTorch 1.6.
pub fn pth_zip(bytes: &[u8]) {
    archive(bytes, |source, archive| pth::parse(source, archive));
}

/// tch's `.ot`, which is the same to the reader, but another kind of pickle.
pub fn ot(bytes: &[u8]) {
    pth_zip(bytes);
}

/// numpy's `.npz`.
pub fn npz(bytes: &[u8]) {
    archive(bytes, |source, archive| arrays::parse(source, archive));
}

/// `.pth` before PyTorch 1.6.
pub fn pth_old(bytes: &[u8]) {
    let mut source = Cursor::new(bytes);
    finish(&mut source, |source| old::parse(source, bytes.len() as u64));
}

/// numpy's `.npy`.
pub fn npy(bytes: &[u8]) {
    if let Ok(array) = array::parse(bytes) {
        assert_eq!(array.to_f32().len(), array.header.count());
    }
}

fn archive(bytes: &[u8], parse: impl Fn(&mut Cursor<&[u8]>, &Archive) -> Parsed<Contents>) {
    let mut source = Cursor::new(bytes);
    finish(&mut source, |source| {
        let archive = Archive::open(source, bytes.len() as u64)?;
        parse(source, &archive)
    });
}

/// Reads all that a file turned out to hold: whatever passed the checks must be there.
fn finish<'a>(
    source: &mut Cursor<&'a [u8]>,
    parse: impl Fn(&mut Cursor<&'a [u8]>) -> Parsed<Contents>,
) {
    let Ok(contents) = parse(source) else { return };
    for (storage, entries) in contents.by_storage() {
        if storage.count > MOST_VALUES {
            continue;
        }
        let mut values = Vec::new();
        if read_values(source, storage, |piece| values.extend_from_slice(piece)).is_err() {
            continue;
        }
        assert_eq!(values.len(), storage.count);
        for entry in entries {
            let total: usize = entry.shape.iter().product();
            if total <= MOST_VALUES {
                let view = gather(&values, entry.offset, &entry.shape, &entry.strides);
                assert_eq!(view.expect("a view of its storage").len(), total);
                assert!(!entry.is_whole(storage) || total == storage.count);
            }
        }
    }
}
