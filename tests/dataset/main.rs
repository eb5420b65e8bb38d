//! Data sets and the feature maps of a class, against tests/reference/make_dataset.py, and with
//! everything that can be wrong in a folder.

#[path = "../colours/mod.rs"]
mod colours;
#[path = "../methods/networks.rs"]
#[allow(dead_code, reason = "not all networks are needed here")]
mod networks;
#[path = "../peers/mod.rs"]
#[allow(dead_code, unused_imports, reason = "not all of it is needed here")]
mod peers;

mod arrays;
mod bad_input;
mod folder;
mod maps;
mod patches;
mod shards;

use std::collections::BTreeMap;
use std::path::Path;

use convlens::prelude::*;
use serde_json::Value;

use colours::{colours, photo, red_and_blue};
use peers::{difference, read_case, reference, with_formula_weights};

const LAYERS: [&str; 3] = ["relu1", "block1", "block2"];

/// The network and the photos of the reference, and what it says of them.
struct Case {
    model: Model,
    photos: ImageFolder,
    index: Value,
    values: BTreeMap<String, Vec<f32>>,
}

impl Case {
    fn read() -> Case {
        let (index, values) = read_case("dataset", "residual");
        let photos = ImageFolder::open(reference("dataset/photos")).expect("photos");
        Case { model: with_formula_weights(networks::residual()), photos, index, values }
    }

    fn compare(&self, key: &str, found: &[f32]) {
        let error = difference(found, &self.values[key]);
        // Sums of thousands of products in single precision; the reference has double.
        assert!(error < 1e-5, "{key}: {error}");
    }
}
