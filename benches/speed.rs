//! How long the main things take; `cargo xtask bench --peers` puts the Python tools beside them.

use std::hint::black_box;

use convlens::prelude::*;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

/// What the network sees of the cat, at the size at which it sees it, so that no resizing is part
/// of what is measured.
fn cat(model: &Model) -> Photo {
    let photo = Photo::open("assets/photos/cat.png").expect("the embedded cat");
    let seen = model.preprocess().seen(&photo).expect("a crop");
    Photo::from_image(&seen.into()).expect("a photo")
}

/// The first convolution's 64 maps of the cat, resized to 224 × 224.
fn maps() -> Maps {
    let model = zoo::squeezenet1_1().expect("embedded weights");
    let look = model.look(&cat(&model)).expect("a look");
    let layer = look.layer("features.0").expect("a layer");
    let resized = layer.tensor().upsample_bilinear2d([224, 224], false, None, None);
    Maps::try_from(&resized).expect("64 maps")
}

fn sheet(criterion: &mut Criterion) {
    let maps = maps();
    criterion.bench_function("sheet/64x224", |bencher| {
        bencher.iter(|| {
            let rendered = Sheet::new(black_box(maps.clone())).render().expect("a sheet");
            rendered.picture.to_base64()
        });
    });
    let png = Sheet::new(maps).render().expect("a sheet").picture.to_png();
    println!("sheet/64x224 bytes: {}", png.len());
}

fn squeezenet(criterion: &mut Criterion) {
    let model = zoo::squeezenet1_1().expect("embedded weights");
    let photo = cat(&model);
    let mean = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let prepared = Preprocess::keep().normalize(mean.0, mean.1);
    let input = prepared.apply(&photo).expect("an input");
    let look = || model.look_prepared(&photo, &prepared).expect("a look");

    criterion.bench_function("squeezenet/forward", |bencher| {
        bencher.iter(|| model.forward(black_box(&input)).expect("a pass"));
    });
    for (id, method) in [
        ("squeezenet/gradcam_last_conv", GradCam::default()),
        ("squeezenet/gradcam_features_12", GradCam::at("features.12")),
    ] {
        criterion.bench_function(id, |bencher| {
            bencher.iter_batched(
                || (),
                |()| look().explain(&method).expect("a heat map"),
                BatchSize::PerIteration,
            );
        });
    }
    let known = look();
    known.explain(&GradCam::at("features.12")).expect("a heat map");
    criterion.bench_function("squeezenet/gradcam_second", |bencher| {
        let second = GradCam::at("features.12").class("tabby");
        bencher.iter(|| known.explain(black_box(&second)).expect("a heat map"));
    });
}

/// Forward passes of networks that were never trained: their speed does not depend on it.
fn networks(criterion: &mut Criterion) {
    type Untrained = fn(u64) -> convlens::Result<Model>;
    let networks: [(&str, Untrained); 4] = [
        ("alexnet", zoo::alexnet_untrained),
        ("vgg16", zoo::vgg16_untrained),
        ("resnet34", zoo::resnet34_untrained),
        ("resnet50", zoo::resnet50_untrained),
    ];
    let input = Tensor::rand([1, 3, 224, 224], tch::kind::FLOAT_CPU);
    for (name, network) in networks {
        let model = network(0).expect("a network");
        criterion.bench_function(&format!("forward/{name}"), |bencher| {
            bencher.iter(|| model.forward(black_box(&input)).expect("a pass"));
        });
    }
}

/// A pass that ends at the first convolution, and that convolution alone.
fn first_layer(criterion: &mut Criterion) {
    let model = zoo::resnet34_untrained(0).expect("a network");
    let input = Tensor::rand([1, 3, 224, 224], tch::kind::FLOAT_CPU);
    let feeds = [("input", &input)];
    criterion.bench_function("up_to_conv1/resnet34", |bencher| {
        bencher.iter(|| model.run(black_box(&feeds), &["conv1"]).expect("a pass"));
    });
    let weight = &model.weights()["conv1.weight"];
    let channels_last = |t: &Tensor| t.permute([0, 2, 3, 1]).contiguous();
    criterion.bench_function("conv1_alone/resnet34", |bencher| {
        let _no_grad = tch::no_grad_guard();
        bencher.iter(|| {
            let input = channels_last(black_box(&input)).permute([0, 3, 1, 2]);
            input.conv2d::<Tensor>(weight, None, [2, 2], [3, 3], [1, 1], 1)
        });
    });
}

/// VGG-16's 553 MB of tensors against the bytes of their file, both from the system's cache.
fn loading(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("vgg16.safetensors");
    zoo::vgg16_untrained(0).and_then(|model| model.save(&path)).expect("saved");
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    group.bench_function("vgg16_read", |bencher| {
        bencher.iter(|| std::fs::read(black_box(&path)).expect("read"));
    });
    group.bench_function("vgg16_safetensors", |bencher| {
        bencher.iter(|| weights::read(black_box(&path)).expect("read"));
    });
    group.finish();
}

criterion_group!(benches, sheet, squeezenet, networks, first_layer, loading);
criterion_main!(benches);
