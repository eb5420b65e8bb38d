//! Networks on a GPU, where libtorch has one.

use convlens::prelude::*;
use tch::{Cuda, Device};

/// A network with what each device must hold: weights, statistics, a constant that `ablate` makes.
fn network() -> Model {
    let mut net = Model::builder("small", [3, 16, 16]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 8, 3).padding(1), &[x]);
    let x = net.add("bn", BatchNorm2d::new(8), &[x]);
    let x = net.add("relu", Op::Relu, &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    let x = net.add("fc", Linear::new(8, 4), &[x]);
    net.function("twice", |x, _| &x[0] * 2.0, &[x]);
    let model = net.build().and_then(|model| model.ablate("relu", [3])).expect("a network");
    let _ = model.weights()["conv.bias"].set_requires_grad(false);
    model
}

#[test]
fn a_device_that_is_not_there_is_an_error_that_says_what_is() {
    let text = network().to(Device::Cuda(100)).expect_err("so many GPUs").to_string();
    assert!(text.contains("no Cuda(100) here"), "{text}");
    assert!(text.contains("sees no GPU") || text.contains("Device::Cuda(0)"), "{text}");
    let text = network().to(Device::Vulkan).expect_err("no Vulkan").to_string();
    assert!(text.contains("no Vulkan here"), "{text}");
}

#[test]
fn where_it_is_already_a_network_shares_its_parameters() {
    let model = network();
    let same = model.to(Device::Cpu).expect("the CPU");
    assert_eq!(same.weights()["fc.bias"].data_ptr(), model.weights()["fc.bias"].data_ptr());
}

#[test]
fn a_gpu_computes_what_the_cpu_does() {
    if !Cuda::is_available() {
        println!("skipped, no GPU");
        return;
    }
    let here = network();
    let there = here.to(Device::Cuda(0)).expect("the first GPU");
    assert_eq!((here.device(), there.device()), (Device::Cpu, Device::Cuda(0)));
    for ((name, a), b) in here.weights().into_iter().zip(there.weights().into_values()) {
        assert_eq!((b.device(), b.requires_grad()), (Device::Cuda(0), a.requires_grad()), "{name}");
    }
    assert_eq!(
        there.variables().trainable_variables().len(),
        here.variables().trainable_variables().len()
    );

    let close = |what: &str, a: &[f32], b: &[f32]| {
        let most = a.iter().fold(1e-12f32, |most, value| most.max(value.abs()));
        let off = a.iter().zip(b).fold(0f32, |off, (a, b)| off.max((a - b).abs()));
        // Single precision, in another order of sums.
        assert!(a.len() == b.len() && off < 1e-5 * most, "{what} is off by {off} of {most}");
    };
    let floats = |t: &Tensor| convlens::tensor::to_floats(t).expect("floats");
    let photos = (Tensor::arange(4 * 3 * 16 * 16, tch::kind::FLOAT_CPU) * 0.37)
        .sin()
        .reshape([4, 3, 16, 16]);
    let [a, b] = [&here, &there].map(|model| model.forward(&photos).expect("scores"));
    assert_eq!(b.device(), Device::Cpu, "results come back");
    close("scores", &floats(&a), &floats(&b));
    let looks = [&here, &there].map(|model| model.look_inputs(&photos).expect("looks"));
    let methods: [(&str, &dyn Attribution); 5] = [
        ("Grad-CAM", &GradCam::at("relu").class(1)),
        ("ablation", &AblationCam::at("relu").class(1)),
        ("saliency", &Saliency::default().class(1)),
        ("integrated gradients", &IntegratedGradients::default().class(1)),
        ("occlusion", &Occlusion::default().class(1)),
    ];
    for (name, method) in methods {
        let [a, b] = [&looks[0], &looks[1]].map(|looks| looks.explain(method).expect("heat maps"));
        for (a, b) in a.iter().zip(&b) {
            close(name, a.raw(), b.raw());
        }
    }
    let classes = Tensor::from_slice(&[0i64, 1, 2, 3]);
    let before = floats(&here.weights()["fc.weight"]);
    let fit = Fit::default().epochs(3).batch(2);
    let losses: Vec<f32> = fit
        .run(&there, &photos, &classes)
        .expect("a training")
        .losses()
        .iter()
        .map(|&l| l as f32)
        .collect();
    assert_eq!(floats(&here.weights()["fc.weight"]), before, "the other one is not trained");
    let same = fit
        .run(&here, &photos, &classes)
        .expect("a training")
        .losses()
        .iter()
        .map(|&l| l as f32)
        .collect::<Vec<_>>();
    close("losses", &same, &losses);
    let back = there.to(Device::Cpu).expect("back");
    close("weights", &floats(&there.weights()["fc.weight"]), &floats(&back.weights()["fc.weight"]));
}
