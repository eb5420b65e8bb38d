//! What a fuzzer runs: every reader of convlens-formats, to the last value that a file holds.

use std::io::Cursor;

use convlens_formats::segy::Segy;
use convlens_formats::{npy as array, parse};

/// More values than this are not read, only looked up: it takes too long.
const MOST_VALUES: usize = 1 << 16;

/// SEG-Y, with the first inline or one that is asked for.
pub fn segy(bytes: &[u8]) {
    let head = &bytes[..bytes.len().min(3600)];
    for inline in [None, Some(1)] {
        let Ok(mut segy) = Segy::new(Cursor::new(bytes), head) else { return };
        if let Ok((_, width, samples)) = segy.traces(inline, MOST_VALUES) {
            assert_eq!(samples.len(), width * segy.samples());
        }
    }
}

/// numpy's `.npy`.
pub fn npy(bytes: &[u8]) {
    if let Ok(array) = array::parse(bytes) {
        assert_eq!(array.to_f32().len(), array.shape().iter().product::<usize>());
    }
}

/// A file of weights of any format, by what it begins with. Whatever passed the checks must be there.
pub fn weights(bytes: &[u8]) {
    let mut source = Cursor::new(bytes);
    let Ok(contents) = parse(&mut source) else { return };
    for (storage, entries) in contents.by_storage() {
        if storage.count > MOST_VALUES {
            continue;
        }
        let mut values = Vec::new();
        if storage.read(&mut source, |piece| values.extend_from_slice(piece)).is_err() {
            continue;
        }
        assert_eq!(values.len(), storage.count);
        for entry in entries {
            let total: usize = entry.shape.iter().product();
            if total <= MOST_VALUES {
                let view = entry.of(&values).expect("a view of its storage");
                assert_eq!(view.len(), total);
                assert!(!entry.is_whole(storage) || total == storage.count);
            }
        }
    }
}
