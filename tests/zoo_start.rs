//! How the zoo's networks start, train and prepare photos, as published.

use convlens::prelude::*;

type Untrained = fn(u64) -> convlens::Result<Model>;

/// The greatest number of a tensor without its sign, and the standard deviation.
fn spread(model: &Model, tensor: &str) -> [f64; 2] {
    let weights = model.weights();
    let tensor = weights.get(tensor).expect("a parameter");
    [tensor.abs().max(), tensor.std(false)].map(|number| number.double_value(&[]))
}

/// Weights by name with the deviation they start with, and biases that start at 0.
fn starts(untrained: Untrained, deviations: &[(&str, f64)], zeros: &[&str]) -> Model {
    let model = untrained(1).expect("a network");
    for (name, expected) in deviations {
        let [_, deviation] = spread(&model, name);
        assert!((deviation / expected - 1.0).abs() < 0.03, "{name}: {deviation}, not {expected}");
    }
    for name in zeros {
        assert_eq!(spread(&model, name), [0.0; 2], "{name}");
    }
    model
}

/// Two training passes over the same two photos: dropout makes them differ, batch norm learns.
fn trains(model: &Model, side: i64, norm: Option<&str>, dropout: bool) {
    let values = Tensor::arange(2 * 3 * side * side, tch::kind::FLOAT_CPU) * 0.37;
    let photos = values.sin().reshape([2, 3, side, side]);
    let pass = || model.run_as(Pass::Training, &[("input", &photos)], &["output"]);
    let before = norm.map(|name| (name, spread(model, name)));
    let [first, second] = [(); 2].map(|()| pass().expect("a training pass").remove(0));
    assert_eq!(first.size(), [2, 1000]);
    assert!(first.requires_grad() && bool::try_from(first.isfinite().all()).expect("a bool"));
    assert_eq!(first.equal(&second), !dropout, "{}", model.name());
    if let Some((name, before)) = before {
        assert_ne!(spread(model, name), before, "{name}");
    }
}

#[test]
fn alexnet_starts_and_trains_as_published() {
    let deviations = [
        ("features.0.weight", (1.0 / (3.0 * 363.0f64)).sqrt()),
        ("classifier.6.weight", (1.0 / (3.0 * 4096.0f64)).sqrt()),
    ];
    let model = starts(zoo::alexnet_untrained, &deviations, &[]);
    trains(&model, 64, None, true);
}

#[test]
fn vgg_starts_and_trains_as_published() {
    let deviations = [
        ("features.0.weight", (2.0 / (64.0 * 9.0f64)).sqrt()),
        ("features.25.weight", (2.0 / (512.0 * 9.0f64)).sqrt()),
        ("classifier.3.weight", 0.01),
    ];
    let zeros = ["features.0.bias", "classifier.6.bias"];
    let model = starts(zoo::vgg11_bn_untrained, &deviations, &zeros);
    trains(&model, 32, Some("features.1.running_mean"), true);
}

#[test]
fn resnet_starts_and_trains_as_published() {
    let deviations = [
        ("conv1.weight", (2.0 / (64.0 * 49.0f64)).sqrt()),
        ("layer4.0.downsample.0.weight", (2.0 / 512.0f64).sqrt()),
        ("fc.weight", (1.0 / (3.0 * 512.0f64)).sqrt()),
    ];
    let model = starts(zoo::resnet18_untrained, &deviations, &["layer1.0.bn1.bias"]);
    trains(&model, 48, Some("layer4.1.bn2.running_var"), false);
}

#[test]
fn senet_starts_and_trains_as_published() {
    let deviations = [
        ("layer0.conv1.weight", (2.0 / (64.0 * 49.0f64)).sqrt()),
        ("layer1.0.se_module.fc1.weight", (2.0 / 16.0f64).sqrt()),
        ("last_linear.weight", (1.0 / (3.0 * 2048.0f64)).sqrt()),
    ];
    let model = starts(zoo::seresnet50_untrained, &deviations, &[]);
    trains(&model, 48, Some("layer4.2.bn3.running_mean"), true);
    assert_eq!(model.last_convolution().expect("a layer"), "layer4.2.conv3");
}

#[test]
fn squeezenet_starts_and_trains_as_published() {
    let deviations =
        [("features.0.weight", (2.0 / 147.0f64).sqrt()), ("classifier.1.weight", 0.01)];
    let zeros = ["features.3.squeeze.bias", "classifier.1.bias"];
    let model = starts(zoo::squeezenet1_0_untrained, &deviations, &zeros);
    trains(&model, 48, None, true);
}

#[test]
fn densenet_starts_and_trains_as_published() {
    let deviations = [
        ("features.conv0.weight", (2.0 / 147.0f64).sqrt()),
        ("features.denseblock4.denselayer16.conv2.weight", (2.0 / (128.0 * 9.0f64)).sqrt()),
        ("classifier.weight", (1.0 / (3.0 * 1024.0f64)).sqrt()),
    ];
    let model = starts(zoo::densenet121_untrained, &deviations, &["classifier.bias"]);
    trains(&model, 48, Some("features.norm5.running_mean"), false);
}

#[test]
fn mobilenet_starts_and_trains_as_published() {
    let deviations = [
        ("features.18.0.weight", (2.0 / 1280.0f64).sqrt()),
        ("features.17.conv.1.0.weight", (2.0 / (960.0 * 9.0f64)).sqrt()),
        ("classifier.1.weight", 0.01),
    ];
    let model = starts(zoo::mobilenet_v2_untrained, &deviations, &["classifier.1.bias"]);
    trains(&model, 48, Some("features.18.1.running_var"), true);
}

#[test]
fn efficientnet_starts_and_trains_as_published() {
    let deviations = [
        ("features.8.0.weight", (2.0 / 1280.0f64).sqrt()),
        ("features.7.0.block.1.0.weight", (2.0 / (1152.0 * 9.0f64)).sqrt()),
        ("features.7.0.block.2.fc1.weight", (2.0 / 48.0f64).sqrt()),
        ("classifier.1.weight", (1.0 / (3.0 * 1000.0f64)).sqrt()),
    ];
    let zeros = ["features.7.0.block.2.fc1.bias", "classifier.1.bias"];
    let model = starts(zoo::efficientnet_b0_untrained, &deviations, &zeros);
    trains(&model, 48, Some("features.8.1.running_mean"), true);
    // Stochastic depth grows from block to block.
    let drop = |name: &str| model.op(name).expect("a layer");
    assert_eq!(drop("features.2.1.stochastic_depth"), Op::StochasticDepth(0.2 * 2.0 / 16.0));
    assert_eq!(drop("features.6.3.stochastic_depth"), Op::StochasticDepth(0.2 * 14.0 / 16.0));
    assert_eq!(model.layers().kind("StochasticDepth").expect("layers").len(), 9);
}

#[test]
fn efficientnet_lite_starts_and_trains_as_published() {
    let deviations = [
        ("blocks.4.0.conv_pw.weight", (2.0 / 480.0f64).sqrt()),
        // One output channel a group, as TensorFlow counts.
        ("blocks.5.1.conv_dw.weight", (2.0 / 25.0f64).sqrt()),
        ("classifier.weight", (1.0 / (3.0 * 1000.0f64)).sqrt()),
    ];
    let model = starts(zoo::efficientnet_lite0_untrained, &deviations, &["classifier.bias"]);
    trains(&model, 48, Some("bn2.running_mean"), false);
}

#[test]
fn photos_are_prepared_as_the_published_weights_want_them() {
    let half =
        |resized, cropped| Preprocess::shorter(resized).crop(cropped).normalize([0.5; 3], [0.5; 3]);
    let lite: [(Untrained, Preprocess); 5] = [
        (zoo::efficientnet_lite0_untrained, half(256, 224).bicubic()),
        (zoo::efficientnet_lite1_untrained, half(272, 240).bicubic()),
        (zoo::efficientnet_lite2_untrained, half(292, 260).bicubic()),
        (zoo::efficientnet_lite3_untrained, half(331, 300)),
        (zoo::efficientnet_lite4_untrained, half(413, 380)),
    ];
    for (untrained, expected) in lite {
        assert_eq!(untrained(0).expect("a network").preprocess(), &expected);
    }
    let model = zoo::efficientnet_b0_untrained(0).expect("a network");
    assert_eq!(model.preprocess(), &Preprocess::imagenet().bicubic());
}

#[test]
fn the_same_seed_gives_the_same_network() {
    let [one, same, other] = [7, 7, 8].map(|seed| {
        zoo::squeezenet1_1_untrained(seed).expect("a network").weights()["features.3.squeeze.weight"]
            .shallow_clone()
    });
    assert!(one.equal(&same) && !one.equal(&other));
}
