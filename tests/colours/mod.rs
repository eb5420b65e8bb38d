//! Photos of one colour, and a network that tells them apart.

use std::path::Path;

use convlens::prelude::*;

/// A network for photos of 16 × 16 that is quick: two maps that answer to red and to blue, and one
/// that answers to nothing.
pub(crate) fn colours() -> Model {
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
pub(crate) fn photo(colour: [u8; 3], spot: (u32, u32)) -> Picture {
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
pub(crate) fn red_and_blue(folder: &Path, counts: [u32; 2]) {
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
