//! What opening a network holds at its worst: its weights, and 100 MB at most. A process of its own, so that
//! nothing else allocates.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

mod peak;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use convlens::prelude::*;
use peak::peak;

/// How far memory rises above a network's weights while it is opened, in bytes.
fn above_weights(path: &Path) -> i64 {
    let mut weights = 0;
    let peak = peak(|| {
        let model = Model::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        weights = model.weights().values().map(|tensor| 4 * tensor.numel() as i64).sum();
    });
    println!(
        "{}: {} MB, of which weights {}",
        path.display(),
        peak / 1_000_000,
        weights / 1_000_000
    );
    peak - weights
}

const MOST: i64 = 100_000_000;

#[test]
fn opening_holds_the_weights_and_little_more() {
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    let small =
        ["networks/swin.pt2", "networks/residual.pt2", "onnx/yolo.onnx", "onnx/keras3.onnx"];
    let mut paths: Vec<PathBuf> = small.iter().map(|name| reference.join(name)).collect();
    // Networks of the reader's own, separated by spaces.
    let own = std::env::var("CONVLENS_NETWORKS").unwrap_or_default();
    paths.extend(own.split_whitespace().map(PathBuf::from));
    for path in paths {
        let above = above_weights(&path);
        assert!(above <= MOST, "{}: {above} bytes more than its weights", path.display());
    }

    let folder = tempfile::tempdir().expect("a folder");
    for kind in ["Gemm", "MatMul"] {
        let path = folder.path().join(format!("{kind}.onnx"));
        write(&path, kind).expect("a file");
        let above = above_weights(&path);
        assert!(above <= MOST, "{kind} of 307 MB: {above} bytes more than its weights");
        fs::remove_file(path).expect("was there");
    }
}

const FEATURES: u64 = 3 * 16 * 16;
const OUT: u64 = 100_000;

/// A photo of 16 × 16 pixels, flattened, times a matrix of 307 MB, as ONNX.
fn write(path: &Path, kind: &str) -> std::io::Result<()> {
    let (sizes, options) = match kind {
        "Gemm" => ([OUT, FEATURES], option("transB", 1)),
        _ => ([FEATURES, OUT], Vec::new()),
    };
    let node = |kind: &str, inputs: &[&str], output: &str, options: &[u8]| {
        let inputs: Vec<u8> = inputs.iter().flat_map(|name| bytes(1, name.as_bytes())).collect();
        bytes(
            1,
            &[inputs, bytes(2, output.as_bytes()), bytes(4, kind.as_bytes()), options.to_vec()]
                .concat(),
        )
    };
    let value = |field, name: &str, sizes: &[u64]| {
        let shape: Vec<u8> = sizes.iter().flat_map(|&size| bytes(1, &number(1, size))).collect();
        let tensor = bytes(1, &[number(1, 1), bytes(2, &shape)].concat());
        bytes(field, &[bytes(1, name.as_bytes()), bytes(2, &tensor)].concat())
    };
    let before = [
        node("Flatten", &["x"], "flat", &[]),
        node(kind, &["flat", "fc.weight"], "y", &options),
        value(11, "x", &[1, 3, 16, 16]),
        value(12, "y", &[1, OUT]),
    ]
    .concat();
    let values = 4 * FEATURES * OUT;
    let tensor = [
        number(1, sizes[0]),
        number(1, sizes[1]),
        number(2, 1),
        bytes(8, b"fc.weight"),
        head(9, values),
    ];
    let tensor = tensor.concat();
    let head_of_tensor = head(5, tensor.len() as u64 + values);
    let graph = (before.len() + head_of_tensor.len() + tensor.len()) as u64 + values;
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(&[number(1, 8), bytes(8, &number(2, 17)), head(7, graph)].concat())?;
    file.write_all(&[before, head_of_tensor, tensor].concat())?;
    let row: Vec<u8> = (0..OUT).flat_map(|i| ((i % 7) as f32 * 1e-3).to_le_bytes()).collect();
    for _ in 0..FEATURES {
        file.write_all(&row)?;
    }
    file.flush()
}

/// Protobuf: a field's number and the length of what follows.
fn head(field: u64, length: u64) -> Vec<u8> {
    [varint(field << 3 | 2), varint(length)].concat()
}

fn bytes(field: u64, bytes: &[u8]) -> Vec<u8> {
    [head(field, bytes.len() as u64), bytes.to_vec()].concat()
}

fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

/// An operation's option that is an integer.
fn option(name: &str, value: u64) -> Vec<u8> {
    bytes(5, &[bytes(1, name.as_bytes()), number(3, value), number(20, 2)].concat())
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
