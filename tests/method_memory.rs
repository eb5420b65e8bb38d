//! What explanations hold at their worst, and what they leave behind. A process of its own, so that
//! nothing else allocates. Linux only: nobody else tells a process its own
//! peak.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

mod peak;

use convlens::prelude::*;

use peak::{malloc_trim, peak, status};

/// A score that the path integral does not complete within its 500 points.
fn steep() -> Target {
    Target::function("steep", |scores| (scores.sum(tch::Kind::Float) * 1e4).sin() + 1e-9)
}

/// Every method at this layer, those that run the network for each channel at one of few channels, with the inputs that each
/// runs at once.
fn methods(layer: &str, few: &str) -> Vec<(Box<dyn Attribution>, i64)> {
    fn one(method: impl Attribution + 'static) -> (Box<dyn Attribution>, i64) {
        (Box::new(method), 1)
    }
    let batch = 5; // as many samples as gradients are taken at once
    let several = |method: Box<dyn Attribution>| (method, batch);
    let at = batch as usize;
    vec![
        one(Cam::default()),
        one(GradCam::at(layer)),
        one(GradCamPlusPlus::at(layer)),
        one(HiResCam::at(layer)),
        one(GradCamElementWise::at(layer)),
        one(XGradCam::at(layer)),
        one(LayerCam::at(layer)),
        one(EigenCam::at(layer)),
        one(EigenGradCam::at(layer)),
        one(GradCam::at(layer).principal_component()),
        one(Fused::mean([GradCam::at(layer), GradCam::at(layer)])),
        one(Augmented::new(GradCam::at(layer))),
        one(Saliency::default()),
        one(GuidedBackprop::default()),
        one(Deconvolution::default()),
        one(InputXGradient::default()),
        one(GuidedGradCam::at(layer)),
        one(SegEigenCam::at(layer)),
        one(KpcaCam::at(layer)),
        one(Fem::at(layer)),
        one(FinerCam::at(layer)),
        one(ShapleyCam::at(layer)),
        one(FullGrad::default()),
        one(Lrp::default()),
        one(Lrp::default().composite(LrpComposite::EpsilonGammaBox)),
        (Box::new(DeepLift::default()), 2),
        (Box::new(BlurIntegratedGradients::default().steps(12)), 6),
        several(Box::new(SmoothGradCamPlusPlus::at(layer).samples(10))),
        several(Box::new(SmoothGrad::new(Saliency::default()).samples(10).variance())),
        several(Box::new(SsCam::at(few).samples(2).batch(at))),
        several(Box::new(IsCam::at(few).steps(2).batch(at))),
        (Box::new(IntegratedGradients::default().steps(12)), 6),
        several(Box::new(SmoothGrad::new(Saliency::default()).samples(10))),
        several(Box::new(ScoreCam::at(few).batch(at))),
        several(Box::new(AblationCam::at(few).batch(at))),
        several(Box::new(Occlusion::default().batch(at))),
    ]
}

/// One after the other: they share the process's memory.
#[test]
fn explanations_hold_little_and_keep_nothing() {
    a_method_holds_little_more_than_one_pass_forwards_and_backwards();
    many_explanations_by_each_method_keep_nothing();
}

fn a_method_holds_little_more_than_one_pass_forwards_and_backwards() {
    let model = zoo::resnet18_untrained(0).expect("a network");
    let photo = Tensor::rand([1, 3, 224, 224], tch::kind::FLOAT_CPU);
    let both_ways = |count: i64| {
        let input = photo.repeat([count, 1, 1, 1]).set_requires_grad(true);
        let output = model.run_as(Pass::Gradient, &[("input", &input)], &["output"]);
        let score = output.expect("a pass").remove(0).sum(tch::Kind::Float);
        let _ = Tensor::run_backward(&[score], &[&input], false, false);
    };
    let explain = |method: &dyn Attribution| {
        let look = model.look_input(&photo).expect("a look");
        look.explain(method).expect("a heat map");
    };
    let check = |method: &dyn Attribution, batch: i64| {
        let allowed = peak(|| both_ways(batch));
        let held = peak(|| explain(&method));
        let ratio = held as f64 / allowed as f64;
        println!("{:<40} {:>4} MB, {ratio:.2} of both ways", method.name(), held >> 20);
        assert!(ratio <= 1.2, "{}: {ratio:.2} of one pass forwards and backwards", method.name());
    };
    for (method, batch) in methods("layer4", "layer1") {
        // What is packed, cached and reserved once belongs to neither.
        both_ways(batch);
        explain(&method);
        check(&method, batch);
    }
    // The same passes as the one above, and so many of them that one time has to do.
    check(&IntegratedGradients::default().class(steep()), 6);
}

fn many_explanations_by_each_method_keep_nothing() {
    const CALLS: i64 = 300;
    let mut net = Model::builder("small", [3, 32, 32]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 8, 3).padding(1).stride(2), &[x]);
    let x = net.add("relu", Op::Relu, &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(8, 4), &[x]);
    let model = net.build().expect("a network");
    let photo = Tensor::rand([1, 3, 32, 32], tch::kind::FLOAT_CPU);
    for (method, _) in methods("relu", "relu") {
        let explain = |_| {
            let look = model.look_input(&photo).expect("a look");
            look.explain(&method).expect("a heat map");
        };
        (0..50).for_each(explain);
        malloc_trim(0);
        let before = status("VmRSS");
        (0..CALLS).for_each(explain);
        malloc_trim(0);
        let grown = status("VmRSS") - before;
        // One kept activation would be 8 KB a call.
        assert!(grown < CALLS * (4 << 10), "{} KB more after {}", grown >> 10, method.name());
    }
}
