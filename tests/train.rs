//! Training: the loop, its options, and what it refuses.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use convlens::prelude::*;
use tch::{Device, Kind};

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

/// Bars that stand or lie, at places that follow from their index.
fn bars(count: i64) -> (Tensor, Tensor) {
    let (photos, classes) = (Tensor::zeros([count, 1, 12, 12], FLOAT), Vec::from_iter(0..count));
    for i in 0..count {
        let place = (i * 7 + i / 12) % 12;
        let _ = photos.get(i).get(0).select(1 - i % 2, place).fill_(1.0);
    }
    let classes: Vec<i64> = classes.into_iter().map(|i| i % 2).collect();
    (photos, Tensor::from_slice(&classes))
}

fn network() -> Model {
    let mut net = Model::builder("bars", [1, 12, 12]);
    let x = net.input();
    let block = ops![Conv2d::new(1, 8, 3), BatchNorm2d::new(8), Op::Relu, Op::Dropout(0.1)];
    let x = net.chain("features", block, x);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    net.chain("classifier", ops![Op::Flatten, Linear::new(8, 2)], x);
    net.build().expect("a network")
}

fn quiet() -> Fit {
    Fit::default().listener(|_| ()).learning_rate(0.02).batch(16)
}

fn accuracy(model: &Model, photos: &Tensor, classes: &Tensor) -> f64 {
    let found = model.forward(photos).expect("a pass").argmax(1, false);
    found.eq_tensor(classes).to_kind(Kind::Double).mean(Kind::Double).double_value(&[])
}

#[test]
fn a_small_network_learns_what_it_is_taught() {
    let (photos, classes) = bars(96);
    let model = network();
    let before = model.weights()["features.1.running_mean"].copy();
    let fitted = quiet().epochs(25).run(&model, &photos, &classes).expect("a training");
    assert_eq!(fitted.losses().len(), 25);
    assert!(fitted.losses()[24] < 0.3 * fitted.losses()[0], "{:?}", fitted.losses());
    assert!(accuracy(&model, &photos, &classes) > 0.95);
    let after = &model.weights()["features.1.running_mean"];
    assert!((before - after).abs().max().double_value(&[]) > 1e-3, "statistics are gathered");
}

#[test]
fn patience_stops_and_keeps_the_best_network() {
    let (photos, classes) = bars(64);
    let (held, wrong) = bars(32);
    let wrong = 1 - wrong; // The better it learns, the worse it does here.
    let model = network();
    let fitted = quiet()
        .epochs(40)
        .patience(4)
        .validation(&held, &wrong)
        .run(&model, &photos, &classes)
        .expect("a training");
    assert!(fitted.stopped_early());
    assert_eq!(fitted.validation().len(), fitted.best_epoch() + 5);
    let output = model.forward(&held).expect("a pass");
    let kept = output.cross_entropy_loss::<Tensor>(&wrong, None, tch::Reduction::Mean, -100, 0.0);
    let best = fitted.validation()[fitted.best_epoch()];
    assert!((kept.double_value(&[]) - best).abs() < 1e-4, "{kept:?} {best}");
    assert!(fitted.to_string().contains("stopped: no better for 4 epochs"), "{fitted}");
}

#[test]
fn frozen_parameters_stay() {
    let (photos, classes) = bars(32);
    let model = network();
    let frozen = model.weights()["features.0.weight"].set_requires_grad(false);
    let before = frozen.copy();
    quiet().epochs(2).run(&model, &photos, &classes).expect("a training");
    assert!(before.equal(&frozen));
}

#[test]
fn every_pixel_can_have_a_class() {
    let (photos, _) = bars(32);
    let labels = photos.squeeze_dim(1).to_kind(Kind::Int64);
    let mut net = Model::builder("pixels", [1, 12, 12]);
    let x = net.input();
    net.add("conv", Conv2d::new(1, 2, 1), &[x]);
    let model = net.build().expect("a network");
    let fitted = quiet().epochs(40).learning_rate(0.1).run(&model, &photos, &labels);
    assert!(fitted.expect("a training").losses()[39] < 0.1);
    assert!(accuracy(&model, &photos, &labels) > 0.99);
}

#[test]
fn yes_or_no_and_numbers_can_be_learnt_too() {
    let (photos, classes) = bars(32);
    let target = classes.to_kind(Kind::Float).unsqueeze(1);
    for loss in [Loss::BinaryCrossEntropy, Loss::MeanSquared] {
        let mut net = Model::builder("one", [1, 12, 12]);
        let x = net.input();
        let x = net.chain("features", ops![Conv2d::new(1, 8, 3), Op::Relu], x);
        let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
        net.chain("head", ops![Op::Flatten, Linear::new(8, 1)], x);
        let model = net.build().expect("a network");
        let fit = quiet().loss(loss).epochs(60).cosine();
        let fitted = fit.run(&model, &photos, &target).expect("a training");
        assert!(fitted.losses()[59] < 0.5 * fitted.losses()[0], "{loss:?} {:?}", fitted.losses());
    }
}

#[test]
fn a_batch_can_be_changed_before_it_is_learnt() {
    let (photos, classes) = bars(32);
    let seen = Rc::new(RefCell::new(0));
    let counter = seen.clone();
    let fit = quiet().epochs(2).augment(move |x, y, _| {
        *counter.borrow_mut() += x.size()[0];
        (x.flip([2]), y.shallow_clone())
    });
    fit.run(&network(), &photos, &classes).expect("a training");
    assert_eq!(*seen.borrow(), 64);
}

#[test]
fn in_a_mirror_left_and_right_cannot_be_learnt() {
    let photos = Tensor::zeros([32, 1, 2, 4], FLOAT);
    let _ = photos.slice(0, 0, 16, 1).slice(3, 0, 2, 1).fill_(1.0);
    let _ = photos.slice(0, 16, 32, 1).slice(3, 2, 4, 1).fill_(1.0);
    let classes = Tensor::from_slice(&Vec::from_iter((0..32i64).map(|i| i / 16)));
    let learnt = |fit: Fit| {
        let mut net = Model::builder("sides", [1, 2, 4]);
        let x = net.input();
        net.chain("head", ops![Op::Flatten, Linear::new(8, 2)], x);
        let model = net.build().expect("a network");
        let fitted = fit.epochs(60).run(&model, &photos, &classes).expect("a training");
        fitted.losses()[30..].iter().sum::<f64>() / 30.0
    };
    assert!(learnt(quiet()) < 0.2);
    // Who does not know the side loses ln 2 on average, or more.
    assert!(learnt(quiet().mirrored()) > 0.6);
}

#[test]
fn divergence_names_the_epoch_and_leaves_a_sound_network() {
    let (photos, classes) = bars(32);
    let model = network();
    let fit = quiet().optimizer(Optimizer::Sgd { momentum: 0.9 }).learning_rate(1e20).epochs(50);
    let text = fit.run(&model, &photos, &classes).expect_err("far too fast").to_string();
    assert!(text.contains("training diverged") && text.contains("epoch"), "{text}");
    let finite = model.weights().into_values().all(|t| t.isfinite().all().int64_value(&[]) == 1);
    assert!(finite, "the network is one from before");
}

#[test]
fn training_stops_when_its_time_is_up() {
    let (photos, classes) = bars(32);
    let brief = quiet().epochs(1000).time_budget(Duration::from_nanos(1));
    let fitted = brief.run(&network(), &photos, &classes).expect("a training");
    assert!(fitted.stopped_early() && fitted.losses().len() == 1, "{fitted}");
    assert!(fitted.to_string().contains("the time is up"), "{fitted}");
}

/// With a rate of 1e-20 nothing moves: the first loss is that of the formula.
#[test]
fn one_score_learns_yes_and_no() {
    let (photos, classes) = bars(8);
    for own_sigmoid in [false, true] {
        let mut net = Model::builder("one", [1, 12, 12]);
        let x = net.input();
        let x = net.chain("fc", ops![Op::Flatten, Linear::new(144, 1)], x);
        if own_sigmoid {
            net.add("p", Op::Sigmoid, &[x]);
        }
        let model = net.build().expect("a network");
        let y = model.forward(&photos).expect("a pass").squeeze_dim(1).to_kind(Kind::Double);
        let p = if own_sigmoid { y } else { y.sigmoid() };
        let yes = classes.to_kind(Kind::Double);
        let each = (&yes * p.log() + (yes.ones_like() - &yes) * (p.ones_like() - &p).log()).neg();
        let still = quiet().learning_rate(1e-20).epochs(1);
        // Single precision against double.
        let close = |fitted: Fitted, expected: f64| {
            assert!((fitted.losses()[0] - expected).abs() < 1e-6, "{fitted} {expected}");
        };
        let fitted = still.run(&model, &photos, &classes).expect("a step");
        close(fitted, each.mean(Kind::Double).double_value(&[]));
        let half = classes.copy();
        let _ = half.narrow(0, 0, 4).fill_(-100);
        let fitted = still.run(&model, &photos, &half).expect("a step");
        close(fitted, each.narrow(0, 4, 4).mean(Kind::Double).double_value(&[]));
        let text = still.run(&model, &photos, &(&classes + 1)).expect_err("a class 2").to_string();
        assert!(text.contains("are 0 to 1"), "{text}");
        let fitted = quiet().epochs(40).run(&model, &photos, &classes).expect("a training");
        assert!(fitted.losses()[39] < 0.3 * fitted.losses()[0], "{:?}", fitted.losses());
    }
}

#[test]
fn what_does_not_fit_is_said_before_anything_changes() {
    let (photos, classes) = bars(8);
    let model = network();
    let refused = |fit: Fit, x: &Tensor, y: &Tensor| {
        fit.run(&model, x, y).expect_err("it does not fit").to_string()
    };
    let cases = [
        (refused(quiet().epochs(0), &photos, &classes), "at least 1"),
        (refused(quiet().batch(0), &photos, &classes), "at least 1"),
        (refused(quiet().learning_rate(f64::NAN), &photos, &classes), "learning rate"),
        (refused(quiet(), &photos.get(0), &classes), "[N, C, H, W]"),
        (refused(quiet(), &photos, &classes.narrow(0, 0, 4)), "a target for each"),
        (refused(quiet(), &photos, &(&classes + 1)), "are 0 to 1"),
        (refused(quiet(), &photos, &classes.to_kind(Kind::Float)), "kind Int64"),
        (refused(quiet().loss(Loss::MeanSquared), &photos, &classes), "[8, 2]"),
        (refused(quiet(), &photos.narrow(0, 0, 0), &classes.narrow(0, 0, 0)), "at least one"),
        (refused(quiet().validation(&photos, &(&classes - 9)), &photos, &classes), "validation"),
    ];
    for (text, expected) in cases {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn the_curve_has_both_losses() {
    let (photos, classes) = bars(32);
    let fit = quiet().epochs(6).validation(&photos, &classes);
    let fitted = fit.run(&network(), &photos, &classes).expect("a training");
    let bundle = fitted.bundle();
    let picture = bundle.as_picture().expect("a picture");
    assert!(picture.width() >= 500 && picture.height() >= 250);
    assert!(fitted.to_string().contains("validation"));
}

#[test]
fn a_trained_network_is_saved_and_comes_back() {
    let (photos, classes) = bars(32);
    let model = network();
    quiet().epochs(3).run(&model, &photos, &classes).expect("a training");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bars.safetensors");
    model.save(&path).expect("saved");
    let again = network();
    again.load(&weights::read(&path).expect("read")).expect("it fits");
    let (a, b) = (model.forward(&photos).expect("a pass"), again.forward(&photos).expect("a pass"));
    assert!(a.equal(&b), "batch norm statistics and all");
}

#[test]
fn targets_that_do_not_count_are_passed_over() {
    let (photos, classes) = bars(32);
    let _ = classes.narrow(0, 0, 16).fill_(-100);
    let fitted = quiet().batch(1).epochs(3).run(&network(), &photos, &classes);
    assert!(fitted.expect("half of them count").losses().iter().all(|loss| loss.is_finite()));
    let none = Tensor::full([32], -100, (Kind::Int64, Device::Cpu));
    let text = quiet().run(&network(), &photos, &none).expect_err("none counts").to_string();
    assert!(text.contains("no target counts"), "{text}");
    let fit = quiet().patience(2).validation(&photos, &none);
    let text = fit.run(&network(), &photos, &classes).expect_err("no validation").to_string();
    assert!(text.contains("validation loss is NaN"), "{text}");
    let text = quiet().patience(0).run(&network(), &photos, &classes).expect_err("0").to_string();
    assert!(text.contains("patience of at least 1"), "{text}");
}
