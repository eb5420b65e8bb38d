//! How long plain ascent takes; `cargo xtask bench --peers` puts beside it the Python cell of
//! *Visualizing Convolutional Layers in a Trained VGG Network*.
//!
//! Ten channels of a VGG-16 that was never trained, at the sizes and from the noise of the article, 20
//! steps of its 200, on both sides.

use std::hint::black_box;
use std::time::Duration;

use convlens::prelude::*;
use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};

/// The article's name, the rectified layer that its hook sees, pixels, noise, the first channel.
const LAYERS: [(&str, &str, i64, [f64; 2], usize); 3] = [
    ("conv1_1", "features.1", 100, [0.0, 2.0], 20),
    ("conv3_1", "features.11", 120, [-0.1, 0.2], 20),
    ("conv5_1", "features.25", 160, [-0.25, 0.25], 25),
];
const STEPS: usize = 20;

fn plain_ascent(criterion: &mut Criterion) {
    let model = zoo::vgg16_untrained(0).expect("a network");
    let mut group = criterion.benchmark_group("feature_vis");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_secs(5));
    for (name, layer, size, [low, high], first) in LAYERS {
        let vis = FeatureVis::plain_ascent().size(size).uniform(low, high).steps(STEPS);
        let vis = vis.listener(|_| {});
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let objectives = Objective::unreachable_channels(layer, first..first + 10);
                black_box(vis.run(&model, objectives).expect("pictures"))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, plain_ascent);
criterion_main!(benches);
