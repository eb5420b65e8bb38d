//! Grad-CAM against pytorch-grad-cam, captum and torchcam, on networks whose weights come from a
//! formula and on the embedded one. tests/reference/make_attribution.py made the numbers.

mod peers;

use std::collections::BTreeMap;

use convlens::attribution::{Case as Batch, Evidence, Heatmap};
use convlens::picture::Resize;
use convlens::prelude::*;

use peers::{difference, floats, formula_photo, read_case, reference, with_formula_weights};

/// The numbers of one case, flat.
struct Case {
    layers: Vec<String>,
    classes: Vec<i64>,
    stride: usize,
    values: BTreeMap<String, Vec<f32>>,
}

impl Case {
    fn read(name: &str) -> Case {
        let (entry, values) = read_case("attribution", name);
        let list = |key: &str| entry[key].as_array().expect("a list");
        Case {
            layers: list("layers").iter().map(|v| v.as_str().expect("a name").to_owned()).collect(),
            classes: list("classes").iter().map(|v| v.as_i64().expect("an index")).collect(),
            stride: entry["stride"].as_u64().expect("a number") as usize,
            values,
        }
    }
}

fn formula_image(side: i64) -> Tensor {
    formula_photo([side, side], 0, 0.0..1.0)
}

fn plain() -> Look {
    let mut net = Model::builder("plain", [3, 32, 32]);
    let layers: [(&str, Op); 9] = [
        ("conv1", Conv2d::new(3, 8, 3).padding(1).into()),
        ("relu1", Op::Relu),
        ("pool1", Pool2d::max(2).into()),
        ("conv2", Conv2d::new(8, 16, 3).padding(1).into()),
        ("bn2", BatchNorm2d::new(16).into()),
        ("relu2", Op::Relu),
        ("avgpool", AdaptiveAvgPool2d::new(3).into()),
        ("flatten", Op::Flatten),
        ("fc", Linear::new(16 * 3 * 3, 10).into()),
    ];
    let mut x = net.input();
    for (name, op) in layers {
        x = net.add(name, op, &[x]);
    }
    let model = with_formula_weights(net.build().expect("the plain network"));
    model.look_input(&formula_image(32)).expect("a look")
}

fn squeezenet_formula() -> Look {
    let model = with_formula_weights(zoo::squeezenet1_1().expect("embedded"));
    model.look_input(&formula_image(64)).expect("a look")
}

fn photo(case: &str) -> Look {
    let model = zoo::squeezenet1_1().expect("embedded");
    let photo = Photo::open(reference(&format!("preprocess/{case}_crop.png"))).expect("a photo");
    let as_it_is = Preprocess::keep().normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    model.look_prepared(&photo, &as_it_is).expect("a look")
}

/// pytorch-grad-cam's own end: scale, resize, scale again.
fn finished(heat: &Heatmap, side: usize) -> Vec<f32> {
    let scaled = |values: &[f32]| {
        let low = values.iter().copied().fold(f32::INFINITY, f32::min);
        let high = values.iter().map(|v| v - low).fold(f32::NEG_INFINITY, f32::max);
        values.iter().map(|v| (v - low) / (1e-7 + high)).collect::<Vec<f32>>()
    };
    let map = heat.map().expect("a map");
    let first = Maps::new(1, map.height(), map.width(), scaled(map.values())).expect("a map");
    scaled(first.resized(side, side, Resize::HalfPixel).expect("a resize").values())
}

fn check(name: &str, look: &Look, side: usize) {
    let case = Case::read(name);
    let logits = floats(&look.logits().expect("logits"));
    // Sums of products in another order than PyTorch's: single precision leaves 1e-5.
    let error = difference(&logits, &case.values["logits"]);
    assert!(error < 1e-5, "{name} logits: {error}");
    for (key, expected) in &case.values {
        let layer = key.strip_prefix("activation/").and_then(|key| key.strip_suffix("/samples"));
        let Some(layer) = layer else { continue };
        let activation = floats(&look.layer(layer).expect("a layer").tensor());
        let step = (activation.len() / 128) | 1;
        let samples: Vec<f32> = activation.into_iter().step_by(step).collect();
        let error = difference(&samples, expected);
        assert!(error < 1e-5, "{name} {layer}: {error}");
    }
    for layer in &case.layers {
        for class in &case.classes {
            let heat = look.explain(&GradCam::at(layer.as_str()).class(*class)).expect("a map");
            let key = format!("gradcam/{layer}/{class}");
            let error = difference(heat.raw(), &case.values[&format!("{key}/signed")]);
            assert!(error < 1e-5, "{name} {layer} {class}: {error}");
            let full = finished(&heat, side);
            let thin: Vec<f32> = (0..side)
                .step_by(case.stride)
                .flat_map(|y| (0..side).step_by(case.stride).map(move |x| y * side + x))
                .map(|i| full[i])
                .collect();
            let expected = &case.values[&format!("{key}/final")];
            // Values in [0, 1]; both sides interpolate in single precision.
            let error = thin.iter().zip(expected).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
            assert!(error < 1e-4, "{name} {layer} {class} resized: {error}");
        }
    }
}

#[test]
fn grad_cam_matches_its_peers_on_a_plain_classifier() {
    check("plain", &plain(), 32);
}

#[test]
fn grad_cam_matches_its_peers_on_squeezenet_with_formula_weights() {
    check("squeezenet_formula", &squeezenet_formula(), 64);
}

#[test]
fn grad_cam_matches_its_peers_on_the_embedded_network() {
    check("cat", &photo("cat"), 224);
    check("cat_and_dog", &photo("cat_and_dog"), 224);
}

#[test]
fn a_second_explanation_equals_a_first() {
    let fresh = |class: i64| {
        let heat = plain().explain(&GradCam::at("conv2").class(class)).expect("a map");
        heat.raw().to_vec()
    };
    let look = plain();
    look.explain(&GradCam::at("relu2").class(3)).expect("a map");
    look.predictions(3).expect("predictions");
    look.explain(&GradCam::at("pool1").class(1)).expect("a map");
    let later = look.explain(&GradCam::at("conv2").class(0)).expect("a map");
    assert_eq!(difference(later.raw(), &fresh(0)), 0.0);
}

#[test]
fn a_layer_that_the_output_does_not_depend_on_is_named() {
    let mut net = Model::builder("dead end", [3, 8, 8]);
    let x = net.input();
    net.add("dead", Conv2d::new(3, 2, 3), &[x]);
    let y = net.add("conv", Conv2d::new(3, 2, 3), &[x]);
    let y = net.add("pool", AdaptiveAvgPool2d::new(1), &[y]);
    net.add("flatten", Op::Flatten, &[y]);
    let look = net.build().and_then(|net| net.look_input(&formula_image(8))).expect("a look");
    let text = look.explain(&GradCam::at("dead")).expect_err("a dead end").to_string();
    assert!(text.contains("does not depend on layer \"dead\""), "{text}");
}

#[test]
fn frozen_parameters_do_not_matter() {
    let free = plain().explain(&GradCam::at("conv2").class(0)).expect("a map");
    let look = plain();
    for variable in look.model().variables().trainable_variables() {
        let _ = variable.set_requires_grad(false);
    }
    let frozen = look.explain(&GradCam::at("conv2").class(0)).expect("a map");
    assert_eq!(difference(frozen.raw(), free.raw()), 0.0);
}

/// A method that panics at a layer, as a user's own may.
struct Panics;

impl Attribution for Panics {
    fn name(&self) -> String {
        "Panics".into()
    }

    fn target(&self) -> Target {
        Target::Predicted
    }

    fn attribute(&self, case: &Batch) -> convlens::Result<Evidence> {
        let at = case.at_layer("conv2")?;
        let _ = at.gradient()?;
        panic!("on purpose")
    }
}

#[test]
fn a_panic_leaves_the_gradient_mode_and_the_look_as_they_were() {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    let look = plain();
    let broken = catch_unwind(AssertUnwindSafe(|| look.explain(&Panics).is_ok()));
    assert!(broken.is_err());
    let weight = Tensor::from(1f32).set_requires_grad(true);
    assert!((&weight * 2.0).requires_grad());
    let heat = look.explain(&GradCam::at("conv2").class(0)).expect("a map");
    let fresh = plain().explain(&GradCam::at("conv2").class(0)).expect("a map");
    assert_eq!(difference(heat.raw(), fresh.raw()), 0.0);
}
