//! How long explanations take; `cargo xtask bench --peers` puts the Python tools beside them.
//!
//! The networks were never trained: speed does not depend on it.

use std::hint::black_box;
use std::time::Duration;

use convlens::prelude::*;
use criterion::{BatchSize, Criterion, SamplingMode, criterion_group, criterion_main};

type Network = (&'static str, fn(u64) -> convlens::Result<Model>, &'static str);

/// Each with the layer that the class activation methods look at.
const NETWORKS: [Network; 2] = [
    ("resnet34", zoo::resnet34_untrained, "layer4"),
    ("vgg16", zoo::vgg16_untrained, "features.28"),
];

fn input() -> Tensor {
    tch::manual_seed(0);
    Tensor::rand([1, 3, 224, 224], tch::kind::FLOAT_CPU)
}

fn class_activation(criterion: &mut Criterion) {
    for (name, network, layer) in NETWORKS {
        let model = network(0).expect("a network");
        let input = input();
        let look = || model.look_input(&input).expect("a look");
        let methods: [(&str, Box<dyn Attribution>); 4] = [
            ("gradcam", Box::new(GradCam::at(layer).class(281))),
            ("gradcam_plus_plus", Box::new(GradCamPlusPlus::at(layer).class(281))),
            ("layercam", Box::new(LayerCam::at(layer).class(281))),
            ("hirescam", Box::new(HiResCam::at(layer).class(281))),
        ];
        for (method_name, method) in &methods {
            criterion.bench_function(&format!("{method_name}/{name}"), |bencher| {
                let run = |look: Look| look.explain(method).expect("a heat map");
                bencher.iter_batched(look, run, BatchSize::PerIteration);
            });
        }
        let known = look();
        known.explain(&GradCam::at(layer)).expect("a heat map");
        criterion.bench_function(&format!("next_method/{name}"), |bencher| {
            let next = LayerCam::at(layer).class(282);
            bencher.iter(|| known.explain(black_box(&next)).expect("a heat map"));
        });
    }
}

fn gradients(criterion: &mut Criterion) {
    for (name, network, _) in NETWORKS {
        let model = network(0).expect("a network");
        let input = input();
        let methods: [(&str, Box<dyn Attribution>); 5] = [
            ("saliency", Box::new(Saliency::default().class(281))),
            ("guided_backprop", Box::new(GuidedBackprop::default().class(281))),
            ("full_grad", Box::new(FullGrad::default().class(281))),
            ("lrp", Box::new(Lrp::default().class(281))),
            ("deep_lift", Box::new(DeepLift::default().class(281))),
        ];
        for (method_name, method) in &methods {
            criterion.bench_function(&format!("{method_name}/{name}"), |bencher| {
                let look = || model.look_input(&input).expect("a look");
                let run = |look: Look| look.explain(method).expect("a heat map");
                bencher.iter_batched(look, run, BatchSize::PerIteration);
            });
        }
    }
}

/// Methods that run the network, or its end, many times.
fn perturbation(criterion: &mut Criterion) {
    let model = zoo::resnet34_untrained(0).expect("a network");
    let input = input();
    let methods: [(&str, Box<dyn Attribution>); 4] = [
        ("ablation_cam_layer4/resnet34", Box::new(AblationCam::at("layer4").class(281))),
        ("ablation_cam_layer3/resnet34", Box::new(AblationCam::at("layer3").class(281))),
        ("occlusion/resnet34", Box::new(Occlusion::default().class(281))),
        // Last, so that what it is measured by comes at once.
        ("score_cam/resnet34", Box::new(ScoreCam::at("layer4").class(281))),
    ];
    let mut group = criterion.benchmark_group("perturbation");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_secs(3));
    for (name, method) in &methods {
        group.bench_function(*name, |bencher| {
            let look = || model.look_input(&input).expect("a look");
            let run = |look: Look| look.explain(method).expect("a heat map");
            bencher.iter_batched(look, run, BatchSize::PerIteration);
        });
    }
    // What Score-CAM cannot do without: one pass for each of the 512 channels, in its batches.
    let batch = input.repeat([6, 1, 1, 1]);
    let rest = batch.narrow(0, 0, 512 % 6);
    let forward = |input: &Tensor| {
        let feeds = [("input", black_box(input))];
        model.run_as(Pass::Repeated, &feeds, &["output"]).expect("a pass")
    };
    group.bench_function("512_forward_passes/resnet34", |bencher| {
        bencher.iter(|| {
            for _ in 0..512 / 6 {
                black_box(forward(&batch));
            }
            black_box(forward(&rest));
        });
    });
    group.finish();
}

/// Methods that see the network from outside, each with the forward passes that it cannot do without, and superpixels.
fn black_box_methods(criterion: &mut Criterion) {
    let cat = Photo::open("assets/photos/cat.png").expect("an asset").picture();
    criterion.bench_function("slic/cat", |bencher| {
        bencher.iter(|| Slic::new(50).segments(black_box(&cat)).expect("superpixels"));
    });
    let model = zoo::resnet18_untrained(0).expect("a network");
    let input = input();
    let grid = Segmentation::grid(7, 7);
    let methods: [(&str, usize, Box<dyn Attribution>); 3] = [
        ("kernel_shap", 500, Box::new(KernelShap::default().class(281).segments(grid.clone()))),
        ("lime", 500, Box::new(Lime::default().class(281).segments(grid))),
        ("rise", 1000, Box::new(Rise::default().class(281))),
    ];
    let mut group = criterion.benchmark_group("black_box");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_secs(3));
    let batch = input.repeat([6, 1, 1, 1]);
    for (name, passes, method) in &methods {
        group.bench_function(format!("{name}/resnet18"), |bencher| {
            let look = || model.look_input(&input).expect("a look");
            let run = |look: Look| look.explain(method).expect("a heat map");
            bencher.iter_batched(look, run, BatchSize::PerIteration);
        });
        group.bench_function(format!("{passes}_forward_passes_for_{name}/resnet18"), |bencher| {
            let forward = |input: &Tensor| {
                let feeds = [("input", black_box(input))];
                model.run_as(Pass::Repeated, &feeds, &["output"]).expect("a pass")
            };
            bencher.iter(|| {
                for _ in 0..passes / 6 {
                    black_box(forward(&batch));
                }
                black_box(forward(&batch.narrow(0, 0, (passes % 6) as i64)));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, class_activation, gradients, perturbation, black_box_methods);
criterion_main!(benches);
