//! Networks from ONNX, beside what onnxruntime computes with them (tests/reference/make_onnx.py).

#[path = "peers/device.rs"]
mod device;
#[path = "peers/written.rs"]
mod written;

use std::path::{Path, PathBuf};

use convlens::prelude::*;
use device::placed;
use written::output_as_written;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/onnx")
}

fn open(name: &str) -> Model {
    let model = Model::open(folder().join(name).with_extension("onnx"));
    placed(model.unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// The greatest difference, relative to the greatest value.
fn difference(name: &str, model: &Model) -> f64 {
    let reference = weights::read(folder().join(name).with_extension("npz")).expect("a reference");
    let input = &reference["input"];
    let made = output_as_written(model, input).expect("runs");
    let expected = &reference["output"];
    assert_eq!(made.size(), expected.size(), "{name}");
    let greatest = expected.abs().max().double_value(&[]);
    (made - expected).abs().max().double_value(&[]) / greatest
}

#[test]
fn every_form_that_exporters_have_used_computes_what_onnxruntime_does() {
    let mut count = 0;
    for entry in std::fs::read_dir(folder()).expect("a folder").flatten() {
        let path = entry.path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if path.extension().is_some_and(|extension| extension == "onnx") {
            let difference = difference(&name, &open(&name));
            assert!(difference < 1e-5, "{name} differs by {difference:e}");
            count += 1;
        }
    }
    assert!(count > 20, "{count} networks");
}

#[test]
fn a_softmax_at_the_end_is_taken_once_and_explained_before_it() {
    let model = open("keras");
    let reference = weights::read(folder().join("keras.npz")).expect("a reference");
    let input = reference["input"].narrow(0, 0, 1);
    let look = model.look_input(&input).expect("a look");
    let own = &reference["output"].get(0);
    for row in look.predictions(100).expect("predictions").rows() {
        let own = own.double_value(&[row.class as i64]);
        assert!(
            (row.probability - own).abs() < 1e-6,
            "{} beside the network's {own}",
            row.probability
        );
    }
    let scores = look.layer("fc.mat_mul").expect("scores").tensor().view(-1);
    assert_eq!(look.logits().expect("scores"), scores);
    // One that was written so here puts out what it was told to; only its probabilities are not taken twice.
    let mut net = Model::builder("written", [1, 4, 4]);
    let x = net.input();
    let x = net.add("flatten", Op::Flatten, &[x]);
    let x = net.add("fc", Linear::new(16, 3), &[x]);
    net.add("softmax", convlens::model::Softmax::new(1), &[x]);
    let written = net.seed(1).build().expect("a network");
    let look =
        written.look_input(&Tensor::ones([1, 1, 4, 4], tch::kind::FLOAT_CPU)).expect("a look");
    let put_out = look.logits().expect("probabilities");
    let sum: f64 =
        look.predictions(3).expect("predictions").rows().iter().map(|row| row.probability).sum();
    assert!((sum - 1.0).abs() < 1e-6 && (put_out.sum(None).double_value(&[]) - 1.0).abs() < 1e-6);
    let top = look.predictions(1).expect("a prediction").top();
    assert!((top.probability - put_out.double_value(&[top.class as i64])).abs() < 1e-7);
}

fn names(model: &Model) -> Vec<String> {
    model.layers().iter().map(|layer| layer.name.clone()).collect()
}

#[test]
fn a_product_with_weights_and_its_bias_are_one_layer() {
    let model = open("frozen_batch");
    assert_eq!(names(&model), ["input", "conv1", "reshape", "mat_mul"]);
}

fn kinds(model: &Model) -> Vec<(String, &'static str)> {
    model.layers().iter().map(|layer| (layer.name.clone(), layer.kind)).collect()
}

#[test]
fn a_layer_that_is_spelled_out_is_one_layer_by_its_modules_name() {
    let model = open("spelled_out");
    let expected = [
        ("input", "Input"),
        ("conv1", "Conv2d"),
        ("gelu", "GELU"),
        ("gelu2", "GELU"),
        ("gelu3", "GELU"),
        ("tanh", "GELU"),
        ("tanh2", "GELU"),
        ("tanh3", "GELU"),
        ("swish", "SiLU"),
        ("mish", "Mish"),
        ("hard", "Hardswish"),
        ("hard2", "Hardswish"),
        ("hard3", "Hardswish"),
        ("gate", "Hardsigmoid"),
        ("gate2", "Hardsigmoid"),
        ("softsign", "Softsign"),
        ("norm", "LayerNorm"),
        ("norm2", "LayerNorm"),
        ("group", "GroupNorm"),
        ("group2", "GroupNorm"),
        ("log", "LogSigmoid"),
        ("softmax", "Softmax"),
        ("concat", "Concat"),
    ];
    assert_eq!(kinds(&model), expected.map(|(name, kind)| (name.to_owned(), kind)));
    let own = model.weights();
    assert!(
        ["norm.weight", "norm.bias", "group.weight"].iter().all(|name| own.contains_key(*name)),
        "{:?}",
        own.keys().collect::<Vec<_>>()
    );
    // The same functions by other sums and products, of values up to 10.
    let difference = difference("spelled_out", &model);
    assert!(difference < 1e-6, "{difference:e}");
    let part = Model::open_up_to(folder().join("spelled_out.onnx"), "norm").expect("opens");
    assert_eq!(names(&part), ["input", "conv1", "norm"]);
}

#[test]
fn what_looks_like_a_layer_that_is_spelled_out_stays_as_it_is() {
    let model = open("spelled_alike");
    let kinds = kinds(&model);
    let of = |module: &str| {
        let own = kinds.iter().filter(|(name, _)| name.split('.').next() == Some(module));
        own.map(|(_, kind)| *kind).collect::<Vec<_>>()
    };
    assert_eq!(of("read"), ["Sigmoid", "Multiply", "Add"]);
    let parts = ["Scale", "Erf", "Scale", "Multiply", "Scale"];
    assert_eq!([of("less"), of("rounded")], [parts; 2]);
    assert_eq!(of("other"), ["Sigmoid", "Multiply"]);
    assert_eq!(of("channels").len(), 7);
    assert_eq!(of("groups"), ["Reshape", "GroupNorm", "Reshape"]);
    assert_eq!(of("gate"), ["Hardsigmoid"]);
}

#[test]
fn a_network_with_channels_last_has_maps_and_no_changes_of_order() {
    let model = open("keras");
    assert_eq!(
        names(&model),
        [
            "input",
            "conv1",
            "scale.constant",
            "scale",
            "relu1",
            "pad",
            "pool1",
            "gap.reduce_mean",
            "gap.flatten",
            "fc.mat_mul",
            "fc.softmax"
        ]
    );
    let maps = open("keras_maps");
    let photo = Tensor::zeros([1, 3, 8, 8], tch::kind::FLOAT_CPU);
    assert_eq!(maps.forward(&photo).expect("runs").size(), [1, 4, 4, 4]);
}

#[test]
fn a_network_of_keras_has_its_layers_names_and_maps() {
    let model = open("keras3");
    let expected = weights::read(folder().join("keras3.npz")).expect("a reference");
    let input = &expected["input"];
    let close = |what: &str, made: &Tensor, expected: &Tensor| {
        assert_eq!(made.size(), expected.size(), "{what}");
        let greatest = expected.abs().max().double_value(&[]);
        let off = (made - expected).abs().max().double_value(&[]) / greatest;
        // Single precision, TensorFlow's beside libtorch's.
        assert!(off < 1e-5, "{what} is off by {off:e} of its greatest value");
    };
    let layers: Vec<&str> = expected.keys().filter_map(|key| key.strip_prefix("layer.")).collect();
    assert_eq!(layers, ["add", "gated", "joined", "pool", "swish"]);
    for layer in layers {
        let made = model.run(&[("input", input)], &[layer]).expect("a layer");
        close(layer, &made[0], &expected[format!("layer.{layer}").as_str()]);
    }
    assert_eq!(model.last_maps().expect("maps"), "swish");
    for photo in 0..2 {
        let look = model.look_input(&input.narrow(0, photo, 1)).expect("a look");
        let heat = look.explain(&GradCam::default().class(1)).expect("a heat map");
        let expected = expected["grad_cam"].get(photo);
        close("Grad-CAM", &Tensor::from_slice(heat.raw()).reshape(expected.size()), &expected);
    }
}

#[test]
fn a_yolo_has_its_modules_names() {
    let model = open("yolo");
    for module in ["model.0", "model.2.m.0.cv1", "model.4", "model.8.cv2.0"] {
        let layers = model.layers();
        assert!(
            layers.iter().any(|layer| layer.name.starts_with(&format!("{module}."))),
            "{module}"
        );
    }
    assert_eq!(model.layers().at(-1).expect("an end").shape, [1, 6, 64]);
}

#[test]
fn what_cannot_be_for_many_photos_is_for_one_at_a_time() {
    for name in ["scatter_frozen", "squeezed_frozen"] {
        assert!(open(name).takes_one_photo(), "{name}");
    }
    assert!(!open("frozen_batch").takes_one_photo());
}

#[test]
fn a_network_ends_before_boxes_are_suppressed() {
    let model = open("boxes");
    assert!(model.notes()[0].contains("NonMaxSuppression"), "{:?}", model.notes());
    let photo = Tensor::zeros([3, 3, 8, 8], tch::kind::FLOAT_CPU);
    let layers = model.run(&[("input", &photo)], &["head", "transpose"]).expect("runs");
    assert_eq!([layers[0].size(), layers[1].size()], [[3, 2, 9], [3, 9, 4]]);
}

#[test]
fn a_network_opens_up_to_a_layer() {
    let model = Model::open_up_to(folder().join("keras.onnx"), "pool1").expect("opens");
    let photo = Tensor::zeros([2, 3, 8, 8], tch::kind::FLOAT_CPU);
    assert_eq!(model.forward(&photo).expect("runs").size(), [2, 4, 4, 4]);
}

/// Reads a changed copy of a network; that it cannot be read is no matter, but it must be said.
fn open_changed(bytes: &[u8], path: &Path) {
    std::fs::write(path, bytes).expect("writes");
    if let Err(error) = Model::open(path) {
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn a_network_with_any_byte_changed_opens_or_says_why_not() {
    let folder_of_copies = tempfile::tempdir().expect("a folder");
    let path = folder_of_copies.path().join("changed.onnx");
    for name in ["token", "average_pool_gaps", "resize_10"] {
        let whole = std::fs::read(folder().join(name).with_extension("onnx")).expect("reads");
        for at in (0..whole.len()).step_by(5) {
            let mut changed = whole.clone();
            changed[at] ^= 1 << (at % 8);
            open_changed(&changed, &path);
        }
        for end in (0..whole.len()).step_by(23) {
            open_changed(&whole[..end], &path);
        }
    }
}
