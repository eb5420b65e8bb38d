//! Receptive fields against trying: which rows and columns of a layer answer when one of the input
//! changes.

#[path = "methods/networks.rs"]
#[allow(dead_code, reason = "not all networks are needed here")]
mod networks;

use convlens::prelude::*;

/// All parameters positive, so that every layer's values grow with every pixel that they depend on.
fn positive(model: Model) -> Model {
    for (_, mut tensor) in model.weights() {
        tch::no_grad(|| {
            let value = tensor.abs() * 0.1 + 0.05;
            tensor.copy_(&value);
        });
    }
    model
}

/// For each row of the layer's maps the first row of the input that it answers to and the one behind
/// the last; for columns with `axis` 1.
fn tried(model: &Model, layer: &str, size: [i64; 2], axis: usize) -> Vec<(i64, i64)> {
    let photo =
        Tensor::ones([1, 3, size[0], size[1]], (tch::Kind::Double, tch::Device::Cpu)) * 0.01;
    let maps = |photo: &Tensor| {
        let photo = photo.to_kind(tch::Kind::Float);
        let maps = model.run(&[("input", &photo)], &[layer]).expect("a pass").remove(0);
        let others: [i64; 3] = if axis == 0 { [0, 1, 3] } else { [0, 1, 2] };
        let sums = maps.to_kind(tch::Kind::Double).sum_dim_intlist(others.as_slice(), false, None);
        Vec::<f64>::try_from(sums).expect("numbers")
    };
    let before = maps(&photo);
    let mut windows = vec![(i64::MAX, 0); before.len()];
    for place in 0..size[axis] {
        let changed = photo.copy();
        let _ = changed.narrow(2 + axis as i64, place, 1).fill_(1.0);
        for ((window, a), b) in windows.iter_mut().zip(maps(&changed)).zip(&before) {
            if (a - b).abs() > 1e-9 * b.abs() {
                *window = (window.0.min(place), window.1.max(place + 1));
            }
        }
    }
    // Nothing but padding is nothing.
    windows.into_iter().map(|window| if window.1 == 0 { (0, 0) } else { window }).collect()
}

/// Every spatial layer of a network, on inputs of the size that it was made for.
fn all_layers_agree(model: Model) {
    let model = positive(model);
    let [_, h, w] = model.input_shape();
    for layer in model.layers().spatial() {
        let field = model.receptive_field(&layer.name).expect("a field");
        let sides = [tried(&model, &layer.name, [h, w], 0), tried(&model, &layer.name, [h, w], 1)];
        for (y, &rows) in sides[0].iter().enumerate() {
            for (x, &columns) in sides[1].iter().enumerate() {
                let window = field.window(y, x).expect("a value");
                let expected = [rows.0..rows.1, columns.0..columns.1];
                assert_eq!(window, expected, "{} {} at {y}, {x}", model.name(), layer.name);
            }
        }
    }
}

#[test]
fn strides_sums_and_dilations_agree_with_trying() {
    all_layers_agree(networks::residual());
}

#[test]
fn pooling_groups_and_branches_agree_with_trying() {
    all_layers_agree(networks::branches());
}

#[test]
fn transposed_convolutions_skips_and_resizing_agree_with_trying() {
    all_layers_agree(networks::segmenter());
}

#[test]
fn same_padding_odd_sizes_and_averages_agree_with_trying() {
    let mut net = Model::builder("odd", [3, 29, 23]);
    let x = net.input();
    let x = net.add("same2", Conv2d::new(3, 2, 3).stride(2).same(), &[x]);
    let x = net.add("same3", Conv2d::new(2, 2, 5).stride(3).same(), &[x]);
    let x = net.add("wide", Conv2d::new(2, 2, 1).kernel(1, 3).padding(1), &[x]);
    net.add("adaptive", AdaptiveAvgPool2d::new(3), &[x]);
    all_layers_agree(net.build().expect("a network"));
}

#[test]
fn closures_and_modules_are_tried() {
    let mut net = Model::builder("modules", [3, 24, 20]);
    let conv = tch::nn::ConvConfig { stride: 2, padding: 1, ..Default::default() };
    let conv = tch::nn::conv2d(net.path("conv"), 3, 4, 3, conv);
    let x = net.input();
    let x = net.module("conv", conv, x);
    let x = net.function("pool", |x, _| x[0].max_pool2d_default(2), &[x]);
    let skip = x;
    let x = net.add("after", Conv2d::new(4, 4, 3).padding(1), &[x]);
    net.function("sum", |x, _| &x[0] + &x[1].flip([2]), &[x, skip]);
    let model = net.build().expect("a network");
    let field = model.receptive_field("after").expect("a field");
    // 3 pixels at stride 2 make 1; two of those 5; three windows of 5 at stride 4 reach over 13.
    assert_eq!((field.size(), field.stride(), field.offset()), ([13; 2], [4.0; 2], [-5; 2]));
    all_layers_agree(model);
}

#[test]
fn windows_of_known_networks_are_those_of_the_books() {
    // VGG-16, with one channel throughout.
    let mut net = Model::builder("vgg16", [1, 224, 224]);
    let conv = || Op::from(Conv2d::new(1, 1, 3).padding(1));
    let stage = |count| (0..count).flat_map(|_| [conv(), Op::Relu]).chain([Pool2d::max(2).into()]);
    let x = net.input();
    net.chain("features", [2, 2, 3, 3, 3].into_iter().flat_map(|count: usize| stage(count)), x);
    let field = net.build().expect("a network").receptive_field("features.28").expect("a field");
    assert_eq!((field.size(), field.stride(), field.offset()), ([196; 2], [16.0; 2], [-90; 2]));
    assert_eq!(
        field.to_string(),
        "features.28: each value sees 196 × 196 pixels of 224 × 224, 16 further on from one to the \
         next, the first from -90"
    );
    let field = zoo::resnet18_untrained(0).expect("a network").receptive_field("layer4");
    let field = field.expect("a field");
    assert_eq!((field.size(), field.stride(), field.offset()), ([435; 2], [32.0; 2], [-217; 2]));
}

#[test]
fn gates_of_whole_channels_are_told_and_left_out() {
    let mut net = Model::builder("gated", [3, 16, 16]);
    let photo = net.input();
    let x = net.add("conv", Conv2d::new(3, 4, 3).padding(1), &[photo]);
    let gate = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    let gate = net.add("sigmoid", Op::Sigmoid, &[gate]);
    net.add("scaled", Op::Multiply, &[x, gate]);
    let model = net.build().expect("a network");
    let field = model.receptive_field("scaled").expect("a field");
    assert_eq!((field.size(), field.is_gated()), ([3; 2], true));
    assert!(field.to_string().ends_with("scaled by what the whole input says"));
    assert!(!model.receptive_field("conv").expect("a field").is_gated());
}

#[test]
fn what_has_no_receptive_field_is_said() {
    let model = networks::residual();
    let text = model.receptive_field("fc").expect_err("not spatial").to_string();
    assert!(text.contains("layer \"fc\" has no receptive field: its output is [1, 6]"), "{text}");
    let text = model.receptive_field("block3").expect_err("none").to_string();
    assert!(text.contains("no layer \"block3\""), "{text}");
    let text = model.receptive_field_for("fc", [0, 5]).expect_err("no pixels").to_string();
    assert!(text.contains("each from 1 to 2^20"), "{text}");
    let field = model.receptive_field("block2").expect("a field");
    let text = field.window(8, 0).expect_err("too far").to_string();
    assert!(
        text.contains("no value at row 8 and column 0: the maps of block2 have 8 × 8"),
        "{text}"
    );
}

#[test]
fn pixels_are_followed_as_tokens_until_something_mixes_them() {
    use convlens::model::{Norm, Rearrange};
    let with = |norm: Norm| {
        let mut net = Model::builder("tokens", [3, 12, 12]);
        let x = net.input();
        let x = net.add("conv", Conv2d::new(3, 4, 3).stride(3), &[x]);
        let x = net.add("tokens", Rearrange::Reshape(vec![-1, 4, 16]), &[x]);
        let x = net.add("norm", norm, &[x]);
        net.add("maps", Rearrange::Reshape(vec![-1, 4, 4, 4]), &[x]);
        net.build().expect("a network")
    };
    let bare = with(Norm::layer([16])).receptive_field("maps").expect_err("over all tokens");
    assert!(bare.to_string().contains("rows and columns"), "{bare}");
    let groups = with(Norm::group(2, 4)).receptive_field("maps").expect_err("over all tokens");
    assert!(groups.to_string().contains("rows and columns"), "{groups}");
    let tokens = with(Norm::group(2, 4)).receptive_field("tokens").expect("windows");
    assert_eq!((tokens.size(), tokens.stride()), ([3; 2], [3.0; 2]));
}
