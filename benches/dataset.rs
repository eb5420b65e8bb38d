//! How long data sets take: FeatureMapVisualizer's top maps and the crops that excite maps, with decoding,
//! beside the batched forward pass alone, repeated in the same way. `cargo xtask bench --peers` puts the
//! Python beside them.
//!
//! 64 JPEG photos of about 500 × 375, cut from the photos of assets/; benches/peers/run.py cuts the
//! same. The networks were never trained: speed does not depend on it.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use convlens::prelude::*;
use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};

/// Photos of assets/photos, and how many rectangles are cut from each.
const PHOTOS: [&str; 4] = ["cat.png", "dog.jpg", "cat_and_dog.jpg", "astronaut.jpg"];
const EACH: u32 = 32;
const BATCH: i64 = 8;

/// Two classes of 32 photos: rectangles of a photo, 300 pixels or more wide, resized to 500 × 375.
fn write_photos(folder: &Path) {
    let photos: Vec<Photo> = PHOTOS
        .iter()
        .filter_map(|name| Photo::open(Path::new("assets/photos").join(name)).ok())
        .collect();
    assert!(photos.len() >= 3, "assets/photos has the photos");
    for class in 0..2 {
        let class_folder = folder.join(format!("class{class}"));
        std::fs::create_dir_all(&class_folder).expect("a folder");
        for i in 0..EACH {
            let photo = &photos[(2 * i + class) as usize % photos.len()];
            let (w, h) = (photo.width(), photo.height());
            let (cut_w, cut_h) = (w - w * (i % 8) / 32, h - h * (i % 8) / 32);
            let (left, top) = ((w - cut_w) * (i / 8) / 4, (h - cut_h) * (i / 8) / 4);
            let pixels = photo.picture().to_rgb();
            let cut = image::imageops::crop_imm(&pixels, left, top, cut_w, cut_h).to_image();
            let picture = Picture::from(cut).resized(500, 375).expect("a picture");
            picture.save(class_folder.join(format!("{i:02}.jpg"))).expect("a file");
        }
    }
}

fn dataset(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    write_photos(folder.path());
    let photos = ImageFolder::open(folder.path()).expect("photos");
    let photos = photos.preprocess(Preprocess::feature_map_visualizer()).batch(BATCH as usize);
    let batches = photos.len() as i64 / BATCH;
    tch::manual_seed(0);
    let input = Tensor::rand([BATCH, 3, 224, 224], tch::kind::FLOAT_CPU);

    let mut group = criterion.benchmark_group("dataset");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_secs(20));
    let resnet50 = zoo::resnet50_untrained(0).expect("a network");
    let vgg16 = zoo::vgg16_untrained(0).expect("a network");
    let forward = |model: &Model, layers: &[&str]| {
        for _ in 0..batches {
            let feeds = [("input", &input)];
            black_box(model.run_as(Pass::Repeated, &feeds, layers).expect("a pass"));
        }
    };
    for (name, model, layer) in
        [("resnet50", &resnet50, "layer4"), ("vgg16", &vgg16, "features.28")]
    {
        forward(model, &[layer]);
        group.bench_function(format!("forward_{name}"), |bencher| {
            bencher.iter(|| forward(model, &[layer]));
        });
        group.bench_function(format!("top_maps_{name}"), |bencher| {
            bencher.iter(|| TopMaps::find(model, &photos, layer).expect("top maps"));
        });
    }
    let five = ["relu", "layer1", "layer2", "layer3", "layer4"];
    forward(&resnet50, &five);
    group.bench_function("forward_five_layers", |bencher| {
        bencher.iter(|| forward(&resnet50, &five));
    });
    group.bench_function("top_crops", |bencher| {
        bencher.iter(|| TopPatches::find(&resnet50, &photos, five).expect("patches"));
    });
    group.finish();
}

criterion_group!(benches, dataset);
criterion_main!(benches);
