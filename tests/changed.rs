//! Networks in which channels are silenced, scaled or replaced.

use convlens::prelude::*;

fn network() -> Model {
    let mut net = Model::builder("net", [3, 12, 12]);
    let x = net.input();
    let x = net.chain("features", ops![Conv2d::new(3, 6, 3), BatchNorm2d::new(6), Op::Relu], x);
    let y = net.chain("body", ops![Conv2d::new(6, 6, 3).padding(1), Op::Relu], x);
    let x = net.add("add", Op::Add, &[x, y]);
    let x = net.chain("head", ops![AdaptiveAvgPool2d::new(1), Op::Flatten, Linear::new(6, 4)], x);
    net.add("softmax", Op::Sigmoid, &[x]);
    net.classes(["a", "b", "c", "d"]).seed(3).build().expect("a network")
}

fn wave(size: &[i64]) -> Tensor {
    let steps = Tensor::arange(size.iter().product::<i64>(), tch::kind::FLOAT_CPU);
    ((&steps * 0.37).sin() + (&steps * 0.011).cos()).reshape(size)
}

/// What the network says if the layer's values are these.
fn with(model: &Model, layer: &str, input: &Tensor, change: impl Fn(&Tensor)) -> Tensor {
    let values = model.run(&[("input", input)], &[layer]).expect("values").remove(0).copy();
    change(&values);
    model.run(&[("input", input), (layer, &values)], &["output"]).expect("scores").remove(0)
}

fn close(a: &Tensor, b: &Tensor) {
    let off = (a - b).abs().max().double_value(&[]);
    assert!(a.size() == b.size() && off < 1e-6, "off by {off:.1e}");
}

#[test]
fn what_follows_reads_other_values() {
    let (model, input) = (network(), wave(&[2, 3, 12, 12]));
    for layer in ["features.0", "features", "body", "head.2"] {
        let silenced = model.ablate(layer, [1, 3]).expect("a network");
        close(
            &silenced.forward(&input).expect("scores"),
            &with(&model, layer, &input, |v| {
                let _ = v.slice(1, 1, 4, 2).zero_();
            }),
        );
        let scaled = model.scale(layer, [0], -2.5).expect("a network");
        close(
            &scaled.forward(&input).expect("scores"),
            &with(&model, layer, &input, |v| {
                let _ = v.narrow(1, 0, 1).g_mul_scalar_(-2.5);
            }),
        );
        let replaced = model.replace(layer, [2], 0.75).expect("a network");
        close(
            &replaced.forward(&input).expect("scores"),
            &with(&model, layer, &input, |v| {
                let _ = v.narrow(1, 2, 1).fill_(0.75);
            }),
        );
    }
    // A layer's own values stay; a group's are the changed ones.
    let silenced = model.ablate("features", [1]).expect("a network");
    let run = |layer: &str| silenced.run(&[("input", &input)], &[layer]).expect("values").remove(0);
    let greatest = |layer| run(layer).narrow(1, 1, 1).abs().max().double_value(&[]);
    assert!(greatest("features.2") > 0.0 && greatest("features") == 0.0);
    assert_eq!(silenced.name(), "net with channel 1 of features ablated");
    assert_eq!(silenced.class_names(), model.class_names());
    // One after the other.
    let twice = silenced.ablate("features", [0]).expect("a network");
    let both = model.ablate("features", [0, 1]).expect("a network");
    close(&twice.forward(&input).expect("scores"), &both.forward(&input).expect("scores"));
}

#[test]
fn they_are_networks_like_any_other() {
    let (model, input) = (network(), wave(&[1, 3, 12, 12]));
    let silenced = model.ablate("add", [0, 5]).expect("a network");
    let look = silenced.look_input(&input).expect("a look");
    let predictions = look.predictions(4).expect("predictions");
    assert_eq!(predictions.rows().len(), 4);
    let heat = look.explain(&GradCam::at("add").class(1)).expect("a heat map");
    // Nothing comes back through what was silenced.
    let gradient =
        model.look_input(&input).and_then(|look| look.explain(&GradCam::at("add").class(1)));
    assert_ne!(heat.raw(), gradient.expect("a heat map").raw());
    look.explain(&GuidedBackprop::default()).expect("a gradient");
    assert_eq!(
        silenced.summary().expect("a table").parameters(),
        model.summary().expect("a table").parameters()
    );
    // The parameters are the whole network's.
    let weights = silenced.weights();
    let _guard = tch::no_grad_guard();
    let _ = weights["head.2.bias"].shallow_clone().fill_(0.5);
    assert_eq!(model.weights()["head.2.bias"].double_value(&[0]), 0.5);
}

#[test]
fn what_cannot_be_changed_says_why() {
    let model = network();
    for (found, parts) in [
        (model.ablate("features", [6]), ["\"features\" has the channels 0 to 5", "not 6"]),
        (model.ablate("featurs", [0]), ["no layer \"featurs\"", "\"features\""]),
        (model.scale("features", [0], f64::NAN), ["NaN", "finite"]),
        (model.replace("features", [0], f64::INFINITY), ["inf", "finite"]),
    ] {
        let error = found.expect_err("no network").to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}
