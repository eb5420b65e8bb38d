//! What a fuzzer runs: every reader of convlens-formats, to the last value that a file holds.

use std::collections::HashSet;
use std::io::Cursor;

use convlens_formats::pt2::{self as archive, Argument, Output};
use convlens_formats::segy::Segy;
use convlens_formats::{Contents, npy as array, parse, parse_under, shards};

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

/// A file of weights of any format, by what it begins with, or a list of such files. Whatever passed the
/// checks must be there.
pub fn weights(bytes: &[u8]) {
    let mut source = Cursor::new(bytes);
    let _ = shards(&mut source);
    let _ = parse_under(&mut source, "ema");
    if let Ok(contents) = parse(&mut source) {
        values(&mut source, &contents);
    }
}

/// PyTorch's `.pt2`: the graph and its weights. What a node uses must be there before it.
pub fn pt2(bytes: &[u8]) {
    let mut source = Cursor::new(bytes);
    let Ok(program) = archive::parse(&mut source) else { return };
    let mut known: HashSet<&str> = program.inputs.iter().map(|input| &*input.value).collect();
    for node in &program.nodes {
        for (_, argument) in &node.inputs {
            match argument {
                Argument::Tensor(name) => assert!(known.contains(&**name)),
                Argument::Tensors(names) => {
                    assert!(names.iter().flatten().all(|name| known.contains(&**name)));
                }
                _ => {}
            }
        }
        for output in &node.outputs {
            match output {
                Output::Tensor(name) | Output::Int(name) => assert!(known.insert(name)),
                Output::Tensors(names) => known.extend(names.iter().map(|name| &**name)),
                _ => {}
            }
        }
    }
    if let Some(contents) = &program.weights {
        assert!(archive::is_program(&mut source).expect("a program"));
        values(&mut source, contents);
    }
}

/// Reads every storage and every view of it.
fn values(source: &mut Cursor<&[u8]>, contents: &Contents) {
    for (storage, entries) in contents.by_storage() {
        if storage.count > MOST_VALUES {
            continue;
        }
        let mut values = Vec::new();
        if storage.read(source, |piece| values.extend_from_slice(piece)).is_err() {
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
