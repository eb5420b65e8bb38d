//! Networks from ONNX, beside what onnxruntime computes with them (tests/reference/make_onnx.py).

#[path = "peers/device.rs"]
mod device;

use std::path::{Path, PathBuf};

use convlens::prelude::*;
use device::placed;

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
    let (made, expected) =
        (model.forward(&reference["input"]).expect("runs"), &reference["output"]);
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

fn names(model: &Model) -> Vec<String> {
    model.layers().iter().map(|layer| layer.name.clone()).collect()
}

#[test]
fn a_product_with_weights_and_its_bias_are_one_layer() {
    let model = open("frozen_batch");
    assert_eq!(names(&model), ["input", "conv1", "reshape", "mat_mul"]);
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
