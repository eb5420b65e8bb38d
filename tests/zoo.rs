//! The zoo's architectures against PyTorch's on closed-form weights and a closed-form photo:
//! names, shapes, and what every stage computes. tests/reference/make_zoo.py made the numbers.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use convlens::model::{Pass, Weights};
use convlens::prelude::*;
use convlens::zoo::{Fcn, Task, UNet};
use serde_json::Value;

static REFERENCE: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("reference/zoo.json")).expect("reference/zoo.json")
});

type With = fn(Weights) -> convlens::Result<Model>;

/// One test a network: `NAME: with`, the name being that in the reference.
macro_rules! as_in_pytorch {
    ($($name:ident: $with:path;)+) => {
        mod as_in_pytorch {
            $(#[test]
            fn $name() {
                super::compare(stringify!($name), $with);
            })+
        }

        #[test]
        fn every_reference_is_compared() {
            let names: Vec<&str> = vec![$(stringify!($name)),+];
            for name in REFERENCE.as_object().expect("networks").keys() {
                assert!(names.contains(&name.as_str()), "{name} has numbers but no test");
            }
        }
    };
}

as_in_pytorch! {
    alexnet: convlens::zoo::alexnet_with;
    vgg11: convlens::zoo::vgg11_with;
    vgg11_bn: convlens::zoo::vgg11_bn_with;
    vgg13: convlens::zoo::vgg13_with;
    vgg13_bn: convlens::zoo::vgg13_bn_with;
    vgg16: convlens::zoo::vgg16_with;
    vgg16_bn: convlens::zoo::vgg16_bn_with;
    vgg19: convlens::zoo::vgg19_with;
    vgg19_bn: convlens::zoo::vgg19_bn_with;
    resnet18: convlens::zoo::resnet18_with;
    resnet34: convlens::zoo::resnet34_with;
    resnet50: convlens::zoo::resnet50_with;
    resnet101: convlens::zoo::resnet101_with;
    resnet152: convlens::zoo::resnet152_with;
    seresnet50: convlens::zoo::seresnet50_with;
    senet154: convlens::zoo::senet154_with;
    squeezenet1_0: convlens::zoo::squeezenet1_0_with;
    squeezenet1_1: convlens::zoo::squeezenet1_1_with;
    densenet121: convlens::zoo::densenet121_with;
    mobilenet_v2: convlens::zoo::mobilenet_v2_with;
    efficientnet_b0: convlens::zoo::efficientnet_b0_with;
    efficientnet_lite0: convlens::zoo::efficientnet_lite0_with;
    efficientnet_lite1: convlens::zoo::efficientnet_lite1_with;
    efficientnet_lite2: convlens::zoo::efficientnet_lite2_with;
    efficientnet_lite3: convlens::zoo::efficientnet_lite3_with;
    efficientnet_lite4: convlens::zoo::efficientnet_lite4_with;
    fcn: super::fcn;
    fcn_narrow_rotation: super::fcn_narrow_rotation;
    unet: super::unet;
    unet_bilinear: super::unet_bilinear;
}

fn fcn(weights: Weights) -> convlens::Result<Model> {
    Fcn::default().build_with(Task::Segmentation, weights)
}

fn fcn_narrow_rotation(weights: Weights) -> convlens::Result<Model> {
    Fcn::narrow().build_with(Task::Rotation(5), weights)
}

fn unet(weights: Weights) -> convlens::Result<Model> {
    UNet::default().build_with(weights)
}

fn unet_bilinear(weights: Weights) -> convlens::Result<Model> {
    let small = UNet::default().base_width(8).depth(3).bilinear();
    small.input(3, 37, 45).classes(["background", "car"]).build_with(weights)
}

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

/// Two training passes over the same photos: dropout makes them differ, batch norm learns.
fn trains(model: &Model, side: usize, norm: Option<&str>, dropout: bool) {
    let photos =
        Tensor::cat(&[formula_image(3, side, side), formula_image(3, side, side).flip([2])], 0);
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
fn unet_starts_and_trains_as_published() {
    let unet = UNet::narrow().base_width(8).seed(2);
    let model = unet.build().expect("a network");
    let [_, deviation] = spread(&model, "down4.maxpool_conv.1.double_conv.3.weight");
    assert!((deviation / (2.0 / (128.0 * 9.0f64)).sqrt() - 1.0).abs() < 0.03, "{deviation}");
    let photos = formula_image(1, 64, 96);
    let logits = model.run_as(Pass::Training, &[("input", &photos)], &["output"]).expect("a pass");
    logits[0].square().mean(tch::Kind::Float).backward();
    assert!(model.variables().trainable_variables().iter().all(|t| t.grad().defined()));

    let refused = |unet: UNet| unet.build().expect_err("no network").to_string();
    let text = refused(UNet::narrow().input(1, 101, 101));
    assert!(text.contains("101 x 101 are no multiples of 16"), "{text}");
    assert!(refused(UNet::narrow().depth(0)).contains("1 to 10 levels"));
    assert!(refused(UNet::narrow().base_width(i64::MAX)).contains("1 to 4096 channels"));
    assert!(refused(UNet::narrow().class_count(0)).contains("outc.conv"));
    let odd = UNet::narrow().bilinear().input(1, 101, 101).build().expect("any size");
    assert_eq!(
        odd.output_shapes(&[1, 1, 101, 101]).expect("shapes").pop(),
        Some(vec![1, 1, 101, 101])
    );
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

fn compare(name: &str, with: With) {
    let reference = &REFERENCE[name];
    let shapes = asked_for(with);
    compare_lines(name, &shapes, reference["lines"].as_str().expect("hashes"));

    let weights = formula_weights(&shapes, reference["gain"].as_f64().expect("a gain"));
    let model = with(weights).expect("a network");
    let parameters = model.summary().expect("a summary").parameters();
    assert_eq!(Some(parameters as u64), reference["parameters"].as_u64(), "{name}");
    // A variant that options make, "fcn_narrow_rotation", is documented nowhere.
    if model.name() != name {
        assert!(name.starts_with(model.name()), "{name} is called {}", model.name());
    } else {
        let documented = documented_parameters(name, parameters as u64);
        assert!(documented, "{name} has {parameters} parameters");
    }

    let [channels, height, width] =
        [0, 1, 2].map(|i| reference["input"][i].as_u64().expect("a size") as usize);
    let least = reference["least"].as_i64();
    assert_eq!(model.minimum_side(), least, "{name}");
    if let Some(side) = least.filter(|&side| side > 1) {
        let photo = formula_image(channels, side as usize, side as usize - 1);
        let error = model.forward(&photo).expect_err("too small").to_string();
        let wanted =
            format!("too small for {}, which needs at least {side} x {side}", model.name());
        assert!(error.contains(&wanted), "{error}");
    }

    let photo = formula_image(channels, height, width);
    let stages = reference["stages"].as_object().expect("stages");
    let names: Vec<&str> = stages.keys().map(String::as_str).collect();
    let outputs = model.run(&[("input", &photo)], &names).expect("a pass");
    for (output, (stage, expected)) in outputs.iter().zip(stages) {
        compare_stage(&format!("{name} {stage}"), output, expected);
    }
}

/// The names and shapes that a network wants: what it says when it is given nothing. To build a
/// VGG first, with random weights, would take two seconds.
fn asked_for(with: With) -> BTreeMap<String, Vec<i64>> {
    let complaint = with(Weights::new()).expect_err("no weights").to_string();
    let lines = complaint.lines().filter_map(|line| {
        let (name, shape) = line.trim().split_once(" is missing (expected [")?;
        let shape = shape.trim_end_matches("])").split(", ");
        Some((name.to_owned(), shape.map(|side| side.parse().expect("a side")).collect()))
    });
    lines.collect()
}

fn compare_lines(network: &str, shapes: &BTreeMap<String, Vec<i64>>, expected: &str) {
    let lines: Vec<String> = shapes
        .iter()
        .map(|(name, shape)| {
            let sides: Vec<String> = shape.iter().map(i64::to_string).collect();
            format!("{name}:{}", sides.join(","))
        })
        .collect();
    for (number, line) in lines.iter().enumerate() {
        let hash = format!("{:04x}", fnv(line) & 0xffff);
        let wanted = expected.get(4 * number..4 * number + 4);
        assert_eq!(
            Some(hash.as_str()),
            wanted,
            "{network}: {line} is not PyTorch's parameter {number}"
        );
    }
    assert_eq!(4 * lines.len(), expected.len(), "{network} lacks PyTorch's last parameters");
}

fn fnv(line: &str) -> u32 {
    let mix = |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    line.bytes().fold(0x811c_9dc5, mix)
}

/// Whether the table of the zoo, or the documentation of a network with options, says the same.
fn documented_parameters(name: &str, parameters: u64) -> bool {
    let row = match name {
        "fcn" => include_str!("../src/zoo/fcn.rs"),
        "unet" => include_str!("../src/zoo/unet.rs"),
        _ => {
            let table = include_str!("../src/zoo/mod.rs");
            let row = table.split_once(&format!(" {name}_with,")).map_or("", |(_, rest)| rest);
            row.split_once(';').map_or("", |(row, _)| row)
        }
    };
    let digits = parameters.to_string();
    let commas: String = digits
        .char_indices()
        .flat_map(|(i, digit)| {
            let comma = i > 0 && (digits.len() - i).is_multiple_of(3);
            comma.then_some(',').into_iter().chain([digit])
        })
        .collect();
    row.contains(&format!("{commas} parameters"))
}

fn formula_weights(shapes: &BTreeMap<String, Vec<i64>>, gain: f64) -> Weights {
    let tensors = shapes.iter().zip(0u32..).map(|((name, shape), p)| {
        let count: i64 = shape.iter().product();
        let fan_in = (count / shape[0]) as f64;
        let (middle, reach) = match name.rsplit('.').next() {
            _ if shape.len() > 1 => (0.0, (gain / fan_in).sqrt()),
            Some("running_var") => (1.0, 0.5),
            Some("weight") => (1.0, 0.1),
            _ => (0.0, 0.1),
        };
        let values: Vec<f32> = (0..count as u32)
            .map(|i| {
                let mut h = 2_654_435_761u32.wrapping_mul(i).wrapping_add(40_503 * p);
                h ^= h >> 16;
                h = h.wrapping_mul(0x045d_9f3b);
                h ^= h >> 16;
                (middle + reach * (f64::from(h) / 2f64.powi(31) - 1.0)) as f32
            })
            .collect();
        (name.clone(), Tensor::from_slice(&values).reshape(shape.as_slice()))
    });
    tensors.collect()
}

fn formula_image(channels: usize, height: usize, width: usize) -> Tensor {
    let mut values = Vec::with_capacity(channels * height * width);
    for c in 0..channels {
        for y in 0..height {
            for x in 0..width {
                let (c, y, x) = (c as f64, y as f64, x as f64);
                let v = 0.5 + 0.5 * (0.21 * x + 0.13 * y + c).sin() * (0.07 * x - 0.17 * y).cos();
                values.push(v as f32);
            }
        }
    }
    Tensor::from_slice(&values).reshape([1, channels as i64, height as i64, width as i64])
}

fn compare_stage(stage: &str, output: &Tensor, expected: &Value) {
    let numbers = |part: &str| -> Vec<f64> {
        let list = expected[part].as_array().expect("a list");
        list.iter().map(|number| number.as_f64().expect("a number")).collect()
    };
    let shape: Vec<i64> = numbers("shape").iter().map(|&side| side as i64).collect();
    assert_eq!(output.size(), shape, "{stage}");

    let flat = Vec::<f32>::try_from(output.contiguous().view(-1)).expect("values");
    let count = flat.len();
    let mean = |value: fn(f64) -> f64| {
        flat.iter().map(|&v| value(f64::from(v))).sum::<f64>() / count as f64
    };
    let greatest = flat.iter().fold(0f64, |most, v| most.max(f64::from(v.abs())));
    let mut found = vec![mean(|v| v), mean(f64::abs), greatest];
    found.extend((0..16).map(|k| f64::from(flat[k * (count - 1) / 15])));
    let wanted = [numbers("sizes"), numbers("values")].concat();
    // Rounding in single precision, where PyTorch's numbers are in double.
    let tolerance = 1e-5 * wanted[2];
    for (i, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        let off = (found - wanted).abs();
        assert!(
            off <= tolerance,
            "{stage}: number {i} is {found}, PyTorch's {wanted}, off {off:e}"
        );
    }
}

#[test]
fn networks_go_by_name_and_an_unknown_one_lists_the_closest() {
    assert_eq!(zoo::published("squeezenet1_1").expect("embedded").name(), "squeezenet1_1");
    let text = zoo::published("resnet43").expect_err("no such network").to_string();
    assert!(text.contains("\"resnet34\""), "{text}");
    let names = zoo::names();
    assert!(names.contains(&"legacy_seresnet50") || names.contains(&"seresnet50"), "{names:?}");
}

/// The files that `cargo xtask weights` puts into the user's cache, which `cargo xtask test` does
/// first.
#[test]
fn trained_filters_from_the_cache_see_edges() {
    let model = zoo::vgg16_hed().expect("`cargo xtask weights` has filled the cache");
    let photo = Photo::open(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/photos/cat.png"));
    let look = model.look(&photo.expect("an asset")).expect("a look");
    let maps = look.layer("features.1").expect("a layer").tensor();
    let dead = maps.amax([2, 3].as_slice(), false).le(0.0).sum(tch::Kind::Int64);
    assert!(dead.int64_value(&[]) < 16, "most of 64 trained filters answer to a cat");
}
