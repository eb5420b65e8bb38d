//! Data sets and the feature maps of a class, against tests/reference/make_dataset.py, and with
//! everything that can be wrong in a folder.

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

use std::collections::BTreeMap;
use std::path::Path;

use convlens::prelude::*;
use serde_json::Value;

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

/// A network for photos of 16 × 16 that is quick: two maps that answer to red and to blue, and one
/// that answers to nothing.
fn colours() -> Model {
    let mut net = Model::builder("colours", [3, 16, 16]).classes(["red", "blue", "none"]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 3, 1), &[x]);
    let x = net.add("relu", Op::Relu, &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    let model = net.build().expect("a network");
    let weight = [1f32, 0.0, -1.0, -1.0, 0.0, 1.0, -1.0, -1.0, -1.0];
    let tensors = [
        ("conv.weight".to_owned(), Tensor::from_slice(&weight).reshape([3, 3, 1, 1])),
        ("conv.bias".to_owned(), Tensor::zeros([3], tch::kind::FLOAT_CPU)),
    ];
    model.load(&tensors.into_iter().collect()).expect("weights");
    model
}

/// A photo of one colour with a brighter spot.
fn photo(colour: [u8; 3], spot: (u32, u32)) -> Picture {
    let mut pixels = Vec::new();
    for y in 0..16 {
        for x in 0..16 {
            let bright = (x, y) == spot;
            pixels.extend(colour.map(|v| if bright { v } else { v / 2 }));
        }
    }
    Picture::rgb(16, 16, pixels).expect("a photo")
}

/// A folder of red and blue photos, `counts` of each.
fn red_and_blue(folder: &Path, counts: [u32; 2]) {
    for (class, (colour, count)) in
        ["blue", "red"].iter().zip([[20, 20, 240], [240, 20, 20]].iter().zip(counts))
    {
        std::fs::create_dir_all(folder.join(class)).expect("a folder");
        for i in 0..count {
            let picture = photo(*colour, (i % 16, i / 16));
            picture.save(folder.join(class).join(format!("{i:04}.png"))).expect("a file");
        }
    }
}
