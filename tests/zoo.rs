//! The zoo's architectures against PyTorch's on closed-form weights and a closed-form photo:
//! names, shapes, and what every stage computes. tests/reference/make_zoo.py made the numbers.

#[path = "peers/device.rs"]
mod device;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use convlens::model::Weights;
use convlens::prelude::*;
use convlens::zoo::segmentation::{Fcn, Task, UNet};
use device::placed;
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

fn compare(name: &str, with: With) {
    let reference = &REFERENCE[name];
    let shapes = asked_for(with);
    compare_lines(name, &shapes, reference["lines"].as_str().expect("hashes"));

    let weights = formula_weights(&shapes, reference["gain"].as_f64().expect("a gain"));
    let model = placed(with(weights).expect("a network"));
    let parameters = model.summary().expect("a summary").parameters();
    assert_eq!(Some(parameters), reference["parameters"].as_u64(), "{name}");
    // A variant that options make, "fcn_narrow_rotation", is documented nowhere.
    if model.name() != name {
        assert!(name.starts_with(model.name()), "{name} is called {}", model.name());
    } else {
        let documented = documented_parameters(name, parameters);
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
    assert!(names.contains(&"seresnet50") && names.contains(&"vgg16_features"), "{names:?}");
}

static PACKAGES: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("reference/packages.json")).expect("reference/packages.json")
});

/// A network whose file `cargo xtask weights` puts into the user's cache, which `cargo xtask test` does
/// first, against the same weights in TensorFlow: tests/reference/make_packages.py made the numbers.
fn as_in_its_package(name: &str) -> Model {
    let model = zoo::published(name).expect("`cargo xtask weights` has filled the cache");
    let reference = &PACKAGES[name];
    let parameters = model.summary().expect("a summary").parameters();
    assert_eq!(Some(parameters as u64), reference["parameters"].as_u64(), "{name}");
    let [height, width] = [1, 2].map(|i| reference["input"][i].as_u64().expect("a size") as usize);
    let photo = formula_image(3, height, width);
    let stages = reference["stages"].as_object().expect("stages");
    let names: Vec<&str> = stages.keys().map(String::as_str).collect();
    let outputs = model.run(&[("input", &photo)], &names).expect("a pass");
    for (output, (stage, expected)) in outputs.iter().zip(stages) {
        compare_stage(&format!("{name} {stage}"), output, expected);
    }
    model
}

fn photo(name: &str) -> Photo {
    let photos = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/photos");
    Photo::open(format!("{photos}/{name}")).expect("an asset")
}

#[test]
fn the_features_of_alexnet_and_vgg16_are_those_of_their_package() {
    for (name, whole) in [
        ("alexnet_features", convlens::zoo::alexnet_with as With),
        ("vgg16_features", convlens::zoo::vgg16_with),
    ] {
        let mut convolutions = asked_for(whole);
        convolutions.retain(|name, _| name.starts_with("features."));
        let shapes = as_in_its_package(name).weights().into_iter();
        let shapes: BTreeMap<_, _> = shapes.map(|(name, w)| (name, w.size())).collect();
        assert_eq!(shapes, convolutions, "{name} has torchvision's names and shapes");
    }
}

/// The first numbers of torchvision's vgg16-397923af.pth.
#[test]
fn the_first_kernel_of_vgg16_is_torchvisions() {
    let vgg = zoo::vgg16_features().expect("`cargo xtask weights` has filled the cache");
    let kernels = &vgg.weights()["features.0.weight"];
    for (x, torchvisions) in [-0.5537, 0.1427, 0.5290].into_iter().enumerate() {
        let ours = kernels.double_value(&[0, 0, 0, x as i64]);
        assert!((ours - torchvisions).abs() < 5e-5, "{ours} at {x}, torchvision's {torchvisions}");
    }
}

#[test]
fn a_network_that_knows_only_dogs_names_a_dog_for_everything() {
    let dogs = as_in_its_package("dog_breeds");
    let reference = &PACKAGES["dog_breeds"];
    let breeds: Vec<&str> = dogs.class_names().iter().map(String::as_str).collect();
    assert_eq!(Value::from(breeds), reference["classes"]);
    for (name, breed) in [("dog.jpg", "Siberian husky"), ("cat.png", "Chihuahua")] {
        let look = dogs.look(&photo(name)).expect("a look");
        let found = look.predictions(19).expect("predictions");
        assert_eq!(found.top().name, breed, "{name}");
        for prediction in found.rows() {
            let keras = reference["photos"][name][prediction.class].as_f64().expect("a number");
            let off = (prediction.probability - keras).abs();
            assert!(off < 0.01, "{name}: {prediction:?}, Keras' {keras}");
        }
    }
}
