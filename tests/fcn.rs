//! The network that segments seismic sections: its shapes, its tasks, and what a change of task keeps. Its numbers against
//! PyTorch's stand in tests/zoo.rs.

use convlens::model::Weights;
use convlens::prelude::*;
use convlens::zoo::segmentation::{Fcn, Task};

/// Small enough for a moment, large enough for four stages.
fn small() -> Fcn {
    Fcn::narrow().input(64, 96)
}

fn equal(a: &Tensor, b: &Tensor) -> bool {
    a.size() == b.size() && (a - b).abs().max().double_value(&[]) == 0.0
}

fn is_head(name: &str) -> bool {
    name.starts_with("classifier.") || name.starts_with("segmenter.")
}

#[test]
fn the_full_network_has_the_published_size_and_names() {
    let model = Fcn::default().build(Task::Segmentation).expect("the published network");
    assert_eq!(model.input_shape(), [1, 448, 448]);
    assert_eq!(model.summary().expect("a summary").parameters(), 28_833_728);
    let shapes = model.output_shapes(&[1, 1, 448, 448]).expect("shapes");
    let shape = |layer: &str| {
        let place = model.layers().names().iter().rposition(|name| name.starts_with(layer));
        shapes[place.expect("a layer")].as_slice()
    };
    assert_eq!(shape("conv1"), [1, 64, 224, 224]);
    assert_eq!(shape("dropout_1"), [1, 256, 112, 112]);
    assert_eq!(shape("layer2."), [1, 512, 56, 56]);
    assert_eq!(shape("layer3."), [1, 1024, 28, 28]);
    assert_eq!(shape("dropout_4"), [1, 2048, 14, 14]);
    assert_eq!(shape("cat"), [1, 2304, 448, 448]);
    assert_eq!(shape("segmenter."), [1, 10, 448, 448]);
    let weights = model.weights();
    assert_eq!(weights["conv1.weight"].size(), [64, 1, 7, 7]);
    assert_eq!(weights["layer4.2.conv3.weight"].size(), [2048, 512, 1, 1]);
    assert_eq!(weights["segmenter.0.weight"].size(), [256, 2304, 3, 3]);
    assert_eq!(weights["segmenter.3.weight"].size(), [10, 256, 3, 3]);
    assert_eq!(model.class_name(7), "Zechstein");
}

#[test]
fn each_task_has_its_head() {
    let last = |task| small().build(task).and_then(|m| m.output_shapes(&[2, 1, 64, 96]));
    let last = |task| last(task).expect("shapes").pop().expect("an output");
    assert_eq!(last(Task::Jigsaw(9)), [2, 9]);
    assert_eq!(last(Task::Rotation(5)), [2, 5]);
    assert_eq!(last(Task::Segmentation), [2, 10, 64, 96]);
}

#[test]
fn a_new_task_keeps_the_encoder_and_leaves_the_old_network_alone() {
    let fcn = small().seed(3);
    let pretext = fcn.build(Task::Jigsaw(9)).expect("a pretext network");
    // As training would: parameters and running statistics differ from any fresh start.
    for mut tensor in pretext.weights().into_values() {
        let _no_grad = tch::no_grad_guard();
        let _ = tensor.g_add_scalar_(0.25);
    }
    let before: Weights = pretext.weights().iter().map(|(k, v)| (k.clone(), v.copy())).collect();
    let model = fcn.update_task(&pretext, Task::Segmentation).expect("a new task");
    let after = model.weights();
    for (name, tensor) in before.iter().filter(|(name, _)| !is_head(name)) {
        assert!(equal(&after[name], tensor), "{name}");
    }
    assert!(after.contains_key("segmenter.3.weight") && !after.contains_key("classifier.weight"));
    let fresh = fcn.build(Task::Segmentation).expect("a fresh network").weights();
    for (name, tensor) in fresh.iter().filter(|(name, _)| is_head(name)) {
        assert!(equal(&after[name], tensor), "{name} starts anew");
    }
    for mut tensor in after.into_values() {
        let _no_grad = tch::no_grad_guard();
        let _ = tensor.zero_();
    }
    for (name, tensor) in pretext.weights() {
        assert!(equal(&before[&name], &tensor), "{name} is shared with the new network");
    }
}

#[test]
fn an_encoder_of_another_width_is_refused_by_name() {
    let pretext = small().base_width(8).build(Task::Rotation(5)).expect("another network");
    let error = small().update_task(&pretext, Task::Segmentation).expect_err("two widths");
    let text = error.to_string();
    assert!(text.contains("bn1.weight is [8], expected [12]"), "{text}");
    assert!(!text.contains("segmenter"), "{text}");
}

#[test]
fn the_head_that_a_pretext_task_left_in_a_file_is_passed_over() {
    let mut weights = small().build(Task::Segmentation).expect("a network").weights();
    weights.insert("classifier.weight".into(), Tensor::zeros([9, 96], tch::kind::FLOAT_CPU));
    weights.insert("classifier.bias".into(), Tensor::zeros([9], tch::kind::FLOAT_CPU));
    weights.insert("bn1.num_batches_tracked".into(), Tensor::from(7i64));
    small().build_with(Task::Segmentation, weights).expect("published files hold both heads");
}

#[test]
fn a_training_pass_reaches_every_parameter() {
    let x = Tensor::rand([2, 1, 64, 96], tch::kind::FLOAT_CPU);
    for task in [Task::Rotation(5), Task::Segmentation] {
        let model = small().build(task).expect("a network");
        let scores = model.run_as(Pass::Training, &[("input", &x)], &["output"]).expect("a pass");
        scores[0].square().mean(tch::Kind::Float).backward();
        let reached = |t: &Tensor| t.grad().defined();
        assert!(model.variables().trainable_variables().iter().all(reached));
    }
}

#[test]
fn a_seed_is_a_start_of_its_own() {
    let conv1 =
        |fcn: Fcn| fcn.build(Task::Jigsaw(9)).expect("a network").weights()["conv1.weight"].copy();
    assert!(equal(&conv1(small()), &conv1(small().seed(0))));
    assert!(!equal(&conv1(small()), &conv1(small().seed(1))));
}

#[test]
fn options_that_make_no_network_are_named() {
    let refused = |fcn: Fcn| fcn.build(Task::Segmentation).expect_err("no network").to_string();
    assert!(refused(small().base_width(0)).contains("base width"));
    assert!(refused(small().base_width(i64::MAX)).contains("base width"));
    assert!(refused(small().blocks([1, 0, 1, 1])).contains("1 to 100 blocks"));
    assert!(refused(small().head_width(-1)).contains("segmenter.0"));
    assert!(refused(small().class_count(0)).contains("segmenter.3"));
    assert!(refused(small().dropout(1.5)).contains("0..=1"));
    assert!(refused(small().input(0, 5)).contains("no pixels"));
    let error = small().build(Task::Jigsaw(0)).expect_err("no classes").to_string();
    assert!(error.contains("classifier"), "{error}");
}
