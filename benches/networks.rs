//! Forward passes of the zoo's networks and of the same read from files, and how long the reading takes:
//! `cargo xtask bench --peers` has PyTorch export them, and puts onnxruntime beside.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use convlens::prelude::*;
use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};

type Untrained = fn(u64) -> convlens::Result<Model>;

const NETWORKS: [(&str, Option<Untrained>); 8] = [
    ("vgg16", Some(zoo::vgg16_untrained)),
    ("resnet34", Some(zoo::resnet34_untrained)),
    ("resnet50", Some(zoo::resnet50_untrained)),
    ("efficientnet_b0", Some(zoo::efficientnet_b0_untrained)),
    ("squeezenet1_1", Some(zoo::squeezenet1_1_untrained)),
    ("mobilenet_v2", Some(zoo::mobilenet_v2_untrained)),
    ("convnext_tiny", None),
    ("vit_b_16", None),
];

fn networks(criterion: &mut Criterion) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/bench-networks");
    let input = Tensor::rand([1, 3, 224, 224], tch::kind::FLOAT_CPU);
    let mut group = criterion.benchmark_group("networks");
    group.sample_size(20).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    for (name, untrained) in NETWORKS {
        if let Some(untrained) = untrained {
            let model = untrained(0).expect("a network");
            group.bench_function(format!("{name}/zoo"), |bencher| {
                bencher.iter(|| model.forward(black_box(&input)).expect("a pass"));
            });
        }
        for kind in ["pt2", "onnx"] {
            let path = folder.join(format!("{name}.{kind}"));
            if !path.is_file() {
                println!("{name}.{kind} is not there: `cargo xtask bench --peers` makes it");
                continue;
            }
            let model = Model::open(&path).expect("a network");
            group.bench_function(format!("{name}/{kind}"), |bencher| {
                bencher.iter(|| model.forward(black_box(&input)).expect("a pass"));
            });
            drop(model);
            group.bench_function(format!("{name}/{kind}_open"), |bencher| {
                bencher.iter(|| Model::open(black_box(&path)).expect("a network"));
            });
            group.bench_function(format!("{name}/{kind}_read"), |bencher| {
                bencher.iter(|| std::fs::read(black_box(&path)).expect("a file"));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, networks);
criterion_main!(benches);
