//! Weights as pictures and numbers.

use convlens::prelude::*;
use tch::{Device, Kind};

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

/// A network of one convolution with these weights, `[out, in, h, w]`.
fn one(channels: i64, weight: &Tensor) -> Model {
    let size = weight.size();
    let mut net = Model::builder("one", [channels, 16, 16]);
    let x = net.input();
    let conv = Conv2d::new(size[1], size[0], 1).kernel(size[2], size[3]).without_bias();
    let x = net.add("group.conv", conv, &[x]);
    net.add("group.relu", Op::Relu, &[x]);
    net.build_with([("group.conv.weight".to_owned(), weight.shallow_clone())].into())
        .expect("a network")
}

/// The colours at the middle of each tile of a sheet whose tiles are `side` apart, row by row.
fn middles(sheet: &Sheet, columns: usize, count: usize) -> Vec<[u8; 3]> {
    let side = 40;
    let sheet = sheet.clone().tile(side).columns(columns).gutter(4).without_captions();
    let picture = sheet.render().expect("a sheet").picture.to_rgb();
    // The tiles stand at the bottom; the title above them has any height.
    let rows = count.div_ceil(columns) as u32;
    let bottom = picture.height() - 8;
    let middle = |i: usize| {
        let (row, column) = ((i / columns) as u32, (i % columns) as u32);
        (8 + column * (side + 4) + side / 2, bottom - (rows - row) * (side + 4) + 4 + side / 2)
    };
    (0..count).map(middle).map(|(x, y)| picture.get_pixel(x, y).0).collect()
}

#[test]
fn kernels_over_the_photo_are_in_colour_and_grey_is_zero() {
    // Red; blue-free yellow at half; nothing at all; negative green.
    let weight =
        Tensor::from_slice(&[2.0f32, 0.0, 0.0, 0.5, 0.5, -0.5, 0.0, 0.0, 0.0, 0.0, -3.0, 0.0]);
    let weight = weight.reshape([4, 3, 1, 1]).expand([4, 3, 3, 3], true);
    let kernels = one(3, &weight).kernels("group.conv").expect("kernels");
    assert_eq!((kernels.count(), kernels.inputs(), kernels.layer()), (4, 3, "group.conv"));
    let sheet = kernels.sheet().expect("a sheet");
    assert_eq!(
        middles(&sheet, 4, 4),
        [[255, 128, 128], [255, 255, 0], [128, 128, 128], [128, 0, 128]]
    );
    // Rows and columns stay what they are.
    let corner = Tensor::zeros([1, 3, 2, 2], FLOAT);
    let _ = corner.select(2, 0).select(2, 1).fill_(1.0);
    let sheet = one(3, &corner).kernels("group.conv").and_then(|k| k.sheet()).expect("a sheet");
    let picture = sheet.tile(40).without_captions().render().expect("a sheet").picture.to_rgb();
    let at = |x: u32, y: u32| picture.get_pixel(8 + x, picture.height() - 8 - 40 + y).0;
    assert_eq!(at(30, 10), [255; 3]);
    for (x, y) in [(10, 10), (10, 30), (30, 30)] {
        assert_eq!(at(x, y), [128; 3], "{x}, {y}");
    }
}

#[test]
fn deeper_kernels_are_grey_by_input_channel() {
    let weight = Tensor::zeros([2, 5, 3, 3], FLOAT);
    let _ = weight.get(0).get(0).fill_(4.0);
    let _ = weight.get(1).get(0).fill_(-1.0);
    let _ = weight.get(1).get(3).fill_(0.5);
    let kernels = one(5, &weight).kernels("group.conv").expect("kernels");
    let middle = |kernels: &Kernels| middles(&kernels.sheet().expect("a sheet"), 2, 2);
    assert_eq!(middle(&kernels), [[255; 3], [0; 3]]);
    let third = middle(&kernels.clone().input(3));
    assert!(third[1] == [255; 3] && (120..136).contains(&third[0][0]), "{third:?}");
    let text = kernels.clone().input(5).sheet().expect_err("no channel").to_string();
    assert_eq!(text, "the kernels of \"group.conv\" read the channels 0 to 4, not 5");
    // All parts: each kernel has one scale.
    let all = middles(&kernels.clone().all().sheet().expect("a sheet"), 5, 10);
    assert_eq!((all[0], all[5], all[8][0] > 180 && all[8][0] < 200), ([255; 3], [0; 3], true));
    let note = kernels.all().sheet().and_then(|sheet| sheet.render()).expect("a sheet").note;
    assert!(note.starts_with("10 maps; 3 × 3 each"), "{note}");
}

#[test]
fn weights_that_are_not_finite_have_their_colours() {
    let weight = Tensor::ones([3, 3, 3, 3], FLOAT);
    for (kernel, value) in [(0, f64::NAN), (1, f64::INFINITY), (2, f64::NEG_INFINITY)] {
        let _ = weight.get(kernel).get(1).fill_(value);
    }
    let sheet = one(3, &weight).kernels("group.conv").and_then(|k| k.sheet()).expect("a sheet");
    assert_eq!(middles(&sheet, 3, 3), [[255, 0, 255], [0, 255, 0], [0, 255, 255]]);
}

#[test]
fn one_by_one_kernels_are_a_matrix() {
    let model = zoo::squeezenet1_1().expect("embedded");
    let kernels = model.kernels("features.3.squeeze").expect("kernels");
    let rendered = kernels.sheet().and_then(|sheet| sheet.render()).expect("a sheet");
    assert!(rendered.note.contains("64 × 16"), "{}", rendered.note);
    assert!(kernels.input(3).sheet().is_ok());
}

#[test]
fn transposed_kernels_go_by_output_channel_too() {
    let mut net = Model::builder("up", [2, 8, 8]);
    let x = net.input();
    net.add("up", ConvTranspose2d::new(2, 5, 2).stride(2), &[x]);
    let model = net.build().expect("a network");
    let kernels = model.kernels("up").expect("kernels");
    assert_eq!(kernels.tensor().size(), [5, 2, 2, 2]);
    let original = &model.parameters("up").expect("a layer")[0].1;
    assert_eq!(kernels.tensor().get(3).get(1), original.get(1).get(3));
}

#[test]
fn a_layer_without_kernels_names_some_that_have() {
    let model = zoo::squeezenet1_1().expect("embedded");
    let text = model.kernels("features.3").expect_err("a concatenation").to_string();
    assert_eq!(
        text,
        "layer \"features.3\" means \"features.3.cat\", which has no kernels: the convolutions in \
         it are \"features.3.squeeze\", \"features.3.expand1x1\", \"features.3.expand3x3\""
    );
    let text = model.kernels("flatten").expect_err("none").to_string();
    assert!(
        text.contains("choose a convolution: \"features.0\", ") && text.contains("and 21 more")
    );
    assert!(model.kernels("features.99").expect_err("unknown").to_string().contains("no layer"));
    assert!(model.kernels(1).is_ok());
}

#[test]
fn large_layers_show_what_fits_and_say_so() {
    let model = zoo::squeezenet1_1().expect("embedded");
    let kernels = model.kernels("features.12.expand3x3").expect("kernels");
    let rendered = kernels.sheet().and_then(|sheet| sheet.render()).expect("a sheet");
    assert!(rendered.note.starts_with("the first 64 of 256 maps"), "{}", rendered.note);
    let rendered = kernels.all().sheet().and_then(|sheet| sheet.render()).expect("a sheet");
    let (width, height) = (rendered.picture.width(), rendered.picture.height());
    assert!((900..1100).contains(&width) && height < 1700, "{width} × {height}");
}

#[test]
fn trained_and_untrained_kernels_stand_side_by_side() {
    let trained = zoo::squeezenet1_1().expect("embedded");
    let mut net = Model::builder("untrained", [3, 64, 64]);
    let x = net.input();
    net.add("features.0", Conv2d::new(3, 64, 3), &[x]);
    let untrained = net.build().expect("a network");
    let pair = [("trained", &trained), ("untrained", &untrained)];
    let picture = compare_kernels(pair, "features.0").expect("a picture");
    assert!(picture.width() > picture.height(), "{picture:?}");
    // By index, of networks with other names.
    assert!(compare_kernels(pair, 1).is_ok());
    let text = compare_kernels(pair, "features.3.squeeze").expect_err("one lacks it").to_string();
    assert!(text.contains("no layer \"features.3.squeeze\" in untrained"), "{text}");
    let none: [(&str, &Model); 0] = [];
    assert!(compare_kernels(none, 1).is_err());
}

#[test]
fn statistics_are_those_of_the_tensors() {
    let weight = Tensor::from_slice(&[0.0f32, 1.0, -3.0, 0.0]).reshape([1, 1, 2, 2]);
    let statistics = one(1, &weight).weight_statistics("group.conv").expect("statistics");
    let [weight] = statistics.parameters() else { panic!("one tensor") };
    let s = &weight.statistics;
    assert_eq!((s.total, s.min, s.max, s.mean), (4, -3.0, 1.0, -0.5));
    assert!((s.deviation - 3f64.sqrt()).abs() < 1e-6 && weight.zeros == 0.5 && weight.trainable);
    assert_eq!(
        statistics.to_string(),
        "group.conv of one:\nweight [1, 1, 2, 2]: 4 values from -3 to 1, mean -0.5, deviation \
         1.732, 50.0 % zeros"
    );
    assert!(statistics.bundle().as_picture().is_some());
    let model = zoo::squeezenet1_1().expect("embedded");
    let text = model.weight_statistics("features.3").expect_err("none").to_string();
    assert!(text.contains("means \"features.3.cat\", which (Concat) has no parameters"), "{text}");
}

#[test]
fn a_sick_or_constant_layer_still_has_histograms() {
    for value in [f64::NAN, f64::INFINITY, 0.0, 1e-42] {
        let weight = Tensor::full([4, 3, 3, 3], value, FLOAT);
        let model = one(3, &weight);
        let statistics = model.weight_statistics(1).expect("statistics");
        assert!(statistics.bundle().as_picture().is_some(), "{value}: {statistics}");
        assert!(model.kernels(1).expect("kernels").bundle().as_picture().is_some(), "{value}");
    }
}

#[test]
fn pictures_flow_into_rows_and_titles_stand_above() {
    let tile = Picture::rgb(300, 200, vec![90; 180_000]).expect("a picture");
    let five = (0..5).map(|i| (format!("network {i}"), tile.clone()));
    let bundle = side_by_side(five);
    let picture = bundle.as_picture().expect("a picture");
    assert!(picture.width() <= 1000 && picture.height() > 2 * 200, "{picture:?}");
    let mixed = side_by_side([("a", "text".bundle()), ("<b>", tile.bundle())]);
    assert!(mixed.to_html().contains("<b>&lt;b&gt;</b>"));
}
