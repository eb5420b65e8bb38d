//! Networks of thousands of layers, branches and connections. What takes time by the square of their
//! number would make these tests run for minutes; nothing is timed.

use convlens::error::Error;
use convlens::prelude::*;
use convlens::show::Show;

use super::refused;

/// One layer after the other; convolutions of a pixel among them, and one of 3 × 3 at the beginning.
fn chain(layers: usize, name: impl Fn(usize) -> String) -> Model {
    let mut net = Model::builder("chain", [1, 6, 6]);
    let mut x = net.input();
    for i in 0..layers {
        x = match i % 50 {
            0 => {
                let kernel = if i == 0 { 3 } else { 1 };
                net.add(name(i), Conv2d::new(1, 1, kernel).padding(kernel / 2), &[x])
            }
            1 => net.add(name(i), Op::Sigmoid, &[x]),
            _ => net.add(name(i), Op::Relu, &[x]),
        };
    }
    net.build().expect("a network")
}

/// Everything that is asked of a network as a whole.
fn described(model: &Model, nodes: usize) {
    assert_eq!(model.layers().len(), nodes);
    assert!(model.layers().to_string().lines().count() > nodes);
    assert!(model.summary().expect("a summary").to_string().contains("Parameters"));
    let deep = model.summary().expect("a summary").depth(usize::MAX).to_string();
    assert!(deep.lines().count() >= nodes);
    let groups = model.groups();
    assert!(groups.iter().all(|group| group.layers >= 1));
    let drawing = model.drawing();
    assert!(drawing.boxes() > 0 && !drawing.bundle().as_text().is_empty());
    let input = Tensor::rand([1, 1, 6, 6], tch::kind::FLOAT_CPU);
    let all = model.activations(&input, model.layers()).expect("activations");
    assert_eq!(all.len(), nodes);
    let field = model.receptive_field(-1).expect("a receptive field");
    assert!(field.size()[0] >= 1);
    let last = model.layers().at(-1).expect("a layer").name;
    assert_eq!(model.up_to(last.as_str()).expect("a part").layers().len(), nodes);
    let text = refused(model.receptive_field("no such layer")).to_string();
    assert!(text.contains("the closest are"), "{text}");
}

/// Methods that walk through the network forwards and backwards.
fn explained(model: &Model, steps: usize) {
    let input = Tensor::rand([1, 1, 6, 6], tch::kind::FLOAT_CPU);
    let look = model.look_input(&input).expect("a look");
    let sum = || Target::function("sum", |scores| scores.sum(scores.kind()));
    let last = model.last_convolution().expect("a convolution");
    look.explain(&Saliency::default().class(sum())).expect("a map");
    look.explain(&GradCam::at(last.as_str()).class(sum())).expect("a map");
    look.explain(&Occlusion::default().window(3).stride(3).class(sum())).expect("a map");
    let vis = FeatureVis::pixels().size(6).steps(steps).frames(0);
    vis.run(model, Objective::channel(last.as_str(), 0)).expect("a picture");
    let between = model.between(1, -1).expect("a part");
    assert_eq!(between.layers().len(), model.layers().len() - 1);
}

#[test]
fn a_chain_of_ten_thousand_layers() {
    let model = chain(10_000, |i| format!("layer{i}"));
    described(&model, 10_001);
    explained(&model, 1);
    let error = refused(model.drawing().picture());
    let expected = "with 10,001 boxes could not be read";
    assert!(matches!(&error, Error::Argument(text) if text.contains(expected)), "{error:?}");
    assert!(error.to_string().contains("model.between"), "{error}");
}

#[test]
fn a_chain_of_two_thousand_layers_in_groups_is_drawn_by_its_groups() {
    let model = chain(2_000, |i| format!("stage{}.block{}.{i}", i / 400, i / 40));
    described(&model, 2_001);
    explained(&model, 2);
    assert_eq!(model.groups().len(), 5 + 50);
    assert_eq!(model.drawing().boxes(), 6);
    assert!(model.drawing().picture().expect("a picture").width() > 100);
    // A name of two thousand parts is one layer in as many groups.
    let mut net = Model::builder("deep", [1, 6, 6]);
    let x = net.input();
    net.add(vec!["a"; 2_000].join("."), Op::Relu, &[x]);
    let model = net.build().expect("a network");
    assert_eq!(model.groups().len(), 1_999);
    assert!(model.summary().expect("a summary").to_string().contains("Parameters"));
    assert_eq!(model.drawing().boxes(), 2);
}

#[test]
fn a_layer_that_is_not_finite_is_found_among_thousands() {
    let mut net = Model::builder("odd", [1, 6, 6]);
    let mut x = net.input();
    for i in 0..4_000 {
        x = match i {
            3_000 => net.function("odd", |x, _| &x[0] * f64::NAN, &[x]),
            _ => net.add(format!("layer{i}"), Op::Sigmoid, &[x]),
        };
    }
    let model = net.build().expect("a network");
    let look = model.look_input(&Tensor::rand([1, 1, 6, 6], tch::kind::FLOAT_CPU));
    let sum = Target::function("sum", |scores| scores.sum(scores.kind()));
    let text = refused(look.expect("a look").explain(&Saliency::default().class(sum))).to_string();
    assert!(text.contains("layer \"odd\"") && text.contains("the first whose output"), "{text}");
}

#[test]
fn five_thousand_branches() {
    let mut net = Model::builder("branches", [1, 6, 6]);
    let x = net.input();
    let x = net.add("first", Conv2d::new(1, 1, 3).padding(1), &[x]);
    let branches: Vec<_> =
        (0..5_000).map(|i| net.add(format!("branch{i}"), Op::Relu, &[x])).collect();
    let x = net.add("join", Op::Concat, &branches);
    net.add("last", Conv2d::new(5_000, 1, 1), &[x]);
    let model = net.build().expect("a network");
    described(&model, 5_004);
    explained(&model, 2);
    let text = refused(model.drawing().picture()).to_string();
    assert!(text.contains("5,004 boxes"), "{text}");
}

#[test]
fn a_dense_graph_of_three_hundred_layers() {
    let mut net = Model::builder("dense", [1, 6, 6]);
    let x = net.input();
    let mut known = vec![net.add("first", Conv2d::new(1, 1, 3).padding(1), &[x])];
    for i in 0..300 {
        let all = match known.as_slice() {
            &[one] => one,
            many => net.add(format!("join{i}"), Op::Concat, many),
        };
        known.push(net.add(format!("conv{i}"), Conv2d::new(known.len() as i64, 1, 1), &[all]));
    }
    let model = net.build().expect("a network");
    described(&model, 601);
    explained(&model, 2);
    let text = refused(model.drawing().picture()).to_string();
    assert!(text.contains("arrows could not be read"), "{text}");
}

#[test]
fn long_drawings_are_drawn_and_those_of_too_many_pixels_refused() {
    // Not too many boxes and arrows, but these take room.
    let mut net = Model::builder("dense", [1, 6, 6]);
    let mut known = vec![net.input()];
    for i in 0..80 {
        let all = match known.as_slice() {
            &[one] => net.add(format!("join{i}"), Op::Relu, &[one]),
            many => net.add(format!("join{i}"), Op::Concat, many),
        };
        known.push(net.add(format!("conv{i}"), Conv2d::new(known.len() as i64, 1, 1), &[all]));
    }
    let model = net.build().expect("a network");
    let text = refused(model.drawing().picture()).to_string();
    assert!(text.contains("161 boxes would take") && text.contains("pixels"), "{text}");
    let long = chain(900, |i| format!("layer{i}"));
    assert!(long.drawing().picture().expect("a picture").height() > 1_000);
}
