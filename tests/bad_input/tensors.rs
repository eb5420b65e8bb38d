//! Tensors that are not simply numbers in a row: undefined, nested, sparse, quantized, complex, or in
//! oneDNN's own order.

use convlens::error::Error;
use convlens::picture::Maps;
use convlens::prelude::*;
use convlens::show::Show;
use convlens::tensor::Statistics;
use convlens::weights;
use tch::Kind;

use super::{refused, small};

/// One of each kind that holds no plain numbers, as large as an input of `small`.
fn odd() -> [(&'static str, Tensor); 5] {
    let dense = input();
    [
        ("undefined", Tensor::new()),
        ("nested", nested()),
        ("sparse", dense.to_sparse_sparse_dim(4)),
        ("quantized", dense.quantize_per_tensor(0.1, 0, Kind::QInt8)),
        ("complex", dense.to_kind(Kind::ComplexFloat)),
    ]
}

fn input() -> Tensor {
    tch::manual_seed(1);
    Tensor::rand([1, 1, 8, 8], tch::kind::FLOAT_CPU)
}

/// Of 2 × 2 and 3 × 2 numbers.
fn nested() -> Tensor {
    let buffer = Tensor::arange(10, tch::kind::FLOAT_CPU);
    let table = |values: &[i64]| Tensor::from_slice(values).view([2, 2]);
    buffer.internal_nested_view_from_buffer(
        &table(&[2, 2, 3, 2]),
        &table(&[2, 1, 2, 1]),
        &Tensor::from_slice(&[0i64, 4]),
    )
}

/// In oneDNN's order.
fn opaque(tensor: &Tensor) -> Tensor {
    let opaque = tensor.to_mkldnn();
    assert!(opaque.is_mkldnn());
    opaque
}

/// Whether an error says what is the matter with a tensor of this kind.
fn names(error: &Error, kind: &str) {
    let text = error.to_string();
    assert!(text.contains(kind), "{kind}: {text}");
    assert!(matches!(error, Error::Shape(_) | Error::Argument(_)), "{error:?}");
}

#[test]
fn every_tensor_can_be_shown() {
    for (kind, tensor) in odd() {
        let text = tensor.bundle().as_text().to_owned();
        assert!(!text.is_empty(), "{kind}");
        if ["undefined", "nested", "sparse"].contains(&kind) {
            assert!(text.contains(kind), "{kind}: {text}");
        }
        match Statistics::of(&tensor) {
            Ok(statistics) => assert!(statistics.read > 0, "{kind}"),
            Err(error) => names(&error, kind),
        }
    }
    let text = nested().bundle().as_text().to_owned();
    assert!(text.starts_with("a nested tensor of 2: [2, 2], [3, 2]"), "{text}");
    let dense = input().squeeze();
    assert_eq!(opaque(&dense).bundle().as_text(), dense.bundle().as_text());
}

#[test]
fn maps_are_made_of_numbers_in_any_order() {
    let dense = input().squeeze();
    let maps = |tensor: &Tensor| Maps::try_from(tensor).map(|maps| maps.values().to_vec());
    assert_eq!(maps(&opaque(&dense)).expect("maps"), maps(&dense).expect("maps"));
    for (kind, tensor) in odd() {
        if let Err(error) = maps(&tensor) {
            names(&error, kind);
        }
    }
    names(&refused(maps(&Tensor::new())), "undefined");
    names(&refused(maps(&nested())), "nested");
}

#[test]
fn weights_in_onednns_order_are_saved_and_others_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("weights.safetensors");
    let one = |tensor: Tensor| Weights::from([("layer.weight".to_owned(), tensor)]);
    let dense = input();
    weights::save(&path, &one(opaque(&dense))).expect("a file");
    assert_eq!(weights::read(&path).expect("weights")["layer.weight"], dense);
    for (kind, tensor) in odd() {
        let error = refused(weights::save(&path, &one(tensor)));
        assert!(error.to_string().contains("\"layer.weight\" cannot be saved"), "{kind}: {error}");
    }
    // The file that was there is still whole.
    assert_eq!(weights::read(&path).expect("weights")["layer.weight"], dense);
}

#[test]
fn networks_take_plain_weights_alone() {
    let model = small();
    let mut given: Weights =
        model.weights().into_iter().map(|(name, t)| (name, t.detach().copy())).collect();
    let before = given["conv.weight"].copy();
    given.insert("conv.weight".to_owned(), opaque(&before));
    model.load(&given).expect("weights in oneDNN's order");
    assert_eq!(model.weights()["conv.weight"], before);
    for (kind, tensor) in odd() {
        given.insert("conv.weight".to_owned(), tensor);
        let text = refused(model.load(&given)).to_string();
        assert!(text.contains("nothing was loaded") && text.contains(kind), "{kind}: {text}");
        assert_eq!(model.weights()["conv.weight"], before);
    }
}

#[test]
fn inputs_are_plain_or_an_error_says_what_they_are() {
    let model = small();
    let dense = input();
    let answer = model.forward(&dense).expect("an answer");
    assert_eq!(model.forward(&opaque(&dense)).expect("an answer"), answer);
    let look = model.look_input(&opaque(&dense)).expect("a look");
    assert_eq!(look.logits().expect("logits"), answer.squeeze());
    for (kind, tensor) in odd() {
        names(&refused(model.look_input(&tensor)), kind);
        names(&refused(model.look_inputs(&tensor)), kind);
        names(&refused(Transform::Jitter(1).once(&tensor, 0)), kind);
        let vis = FeatureVis::pixels().steps(1).from_values(&tensor);
        names(&refused(vis.run(&model, Objective::channel("conv", 0))), kind);
        let integrated = IntegratedGradients::default().baseline_input(&tensor);
        names(&refused(look.explain(&integrated)), kind);
        // A network of closures might take the others.
        if ["undefined", "nested", "sparse"].contains(&kind) {
            names(&refused(model.forward(&tensor)), kind);
            names(&refused(model.activations(&tensor, ["conv"])), kind);
            names(&refused(model.run(&[("conv", &tensor)], &["output"])), kind);
        } else {
            refused(model.forward(&tensor));
        }
    }
}

#[test]
fn training_takes_plain_photos_and_targets_alone() {
    let (model, photos) = (small(), input());
    let classes = Tensor::from_slice(&[1i64]);
    let fit = Fit::default().epochs(1);
    for (kind, tensor) in odd() {
        names(&refused(fit.run(&model, &tensor, &classes)), kind);
        names(&refused(fit.run(&model, &photos, &tensor)), kind);
        let validated = fit.clone().validation(&tensor, &classes);
        names(&refused(validated.run(&model, &photos, &classes)), kind);
        let returned = tensor.shallow_clone();
        let augmented = fit.clone().augment(move |_, y, _| (returned.shallow_clone(), y.copy()));
        names(&refused(augmented.run(&model, &photos, &classes)), kind);
    }
    fit.run(&model, &opaque(&photos), &classes).expect("training");
}

#[test]
fn what_closures_return_is_looked_at() {
    for (kind, tensor) in odd().into_iter().filter(|(kind, _)| *kind != "quantized") {
        if kind != "complex" {
            let returned = tensor.shallow_clone();
            let mut net = Model::builder("closure", [1, 8, 8]);
            let x = net.input();
            net.function("odd", move |_, _| returned.shallow_clone(), &[x]);
            let error = refused(net.build());
            names(&error, kind);
            assert!(error.to_string().contains("\"odd\""), "{error}");
            // In training alone.
            let returned = tensor.shallow_clone();
            let mut net = Model::builder("closure", [1, 8, 8]);
            let x = net.input();
            let run = move |x: &[Tensor], training: bool| match training {
                true => returned.shallow_clone(),
                false => x[0].copy(),
            };
            net.function("odd", run, &[x]);
            let model = net.build().expect("a network");
            names(&refused(model.run_as(Pass::Training, &[("input", &input())], &["odd"])), kind);
        }
        let look = small().look_input(&input()).expect("a look");
        let returned = tensor.shallow_clone();
        let target = Target::function("odd", move |_| returned.shallow_clone());
        let error = refused(look.explain(&GradCam::default().class(target)));
        names(&error, kind);
        assert!(error.to_string().contains("\"odd\""), "{error}");
    }
}
