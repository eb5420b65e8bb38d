//! What tests against the peers' numbers share: files of numbers, how far two lists are apart, and
//! weights and photos by formula.

pub(crate) mod device;
pub(crate) mod formula;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use convlens::prelude::Tensor;
use safetensors::SafeTensors;
use serde_json::Value;

pub(crate) use formula::{formula_photo, with_formula_weights};

/// A file under tests/reference.
pub(crate) fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(name)
}

/// One case of a folder of tests/reference: its row in index.json, and its numbers by key, flat.
pub(crate) fn read_case(folder: &str, name: &str) -> (Value, BTreeMap<String, Vec<f32>>) {
    let index = std::fs::read_to_string(reference(&format!("{folder}/index.json")));
    let index: Value = serde_json::from_str(&index.expect("the index")).expect("JSON");
    (index[name].clone(), read_numbers(&format!("{folder}/{name}.safetensors")))
}

/// The numbers of a file under tests/reference by key, flat.
pub(crate) fn read_numbers(file: &str) -> BTreeMap<String, Vec<f32>> {
    let bytes = std::fs::read(reference(file)).expect("the numbers");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let values = file.tensors().into_iter().map(|(key, view)| {
        let floats = view.data().chunks_exact(4);
        (key, floats.map(|b| f32::from_le_bytes(b.try_into().expect("four bytes"))).collect())
    });
    values.collect()
}

/// The greatest difference, relative to the greatest value.
pub(crate) fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(0f32, |m, v| m.max(v.abs())).max(1e-12);
    found.iter().zip(expected).fold(0f32, |m, (a, b)| m.max((a - b).abs())) / scale
}

pub(crate) fn floats(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.contiguous().flatten(0, -1)).expect("floats")
}
