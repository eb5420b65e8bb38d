//! What a fuzzer runs: every reader of convlens-formats, to the last value that a file holds.

use std::collections::HashSet;
use std::io::Cursor;

use convlens_formats::onnx::{self as message, Attribute};
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
                Output::Tensor(name) | Output::Int(name) | Output::Float(name) => {
                    assert!(known.insert(name))
                }
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

/// ONNX: the graph and the values of its tensors. What an operation uses must be there before it.
pub fn onnx(bytes: &[u8]) {
    let mut source = Cursor::new(bytes);
    message::is_network(&mut source).expect("bytes in memory can be read");
    let Ok(network) = message::parse(&mut source) else { return };
    let mut known: HashSet<&str> = network.inputs.iter().map(|input| &*input.name).collect();
    known.extend(network.tensors.iter().map(|tensor| &*tensor.name));
    let mut tensors: Vec<&message::Tensor> = network.tensors.iter().collect();
    for node in &network.nodes {
        assert!(node.inputs.iter().all(|name| name.is_empty() || known.contains(&**name)));
        for name in node.outputs.iter().filter(|name| !name.is_empty()) {
            assert!(known.insert(name));
        }
        tensors.extend(node.attributes.iter().filter_map(|(_, value)| match value {
            Attribute::Tensor(tensor) => Some(tensor),
            _ => None,
        }));
    }
    assert!(network.outputs.iter().all(|output| known.contains(&*output.name)));
    for tensor in tensors {
        let count = tensor.sizes.iter().try_fold(1i64, |count, &size| count.checked_mul(size));
        let Some(count) = count.filter(|&count| count <= MOST_VALUES as i64) else { continue };
        if let Ok(values) = tensor.values(&mut source, None) {
            assert_eq!(values.len() as i64, count);
        }
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
