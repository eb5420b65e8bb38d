//! Architectures as pictures.

use convlens::prelude::*;

/// Two levels down and up again, with skips between levels of the same size.
fn unet() -> Model {
    let mut net = Model::builder("unet", [1, 64, 64]);
    let input = net.input();
    let block = |name: &str, net: &mut convlens::model::Builder, from, [a, b]: [i64; 2]| {
        net.chain(name, ops![Conv2d::new(a, b, 3).padding(1), Op::Relu], from)
    };
    let e1 = block("encoder1", &mut net, input, [1, 8]);
    let x = net.add("pool1", Pool2d::max(2), &[e1]);
    let e2 = block("encoder2", &mut net, x, [8, 16]);
    let x = net.add("pool2", Pool2d::max(2), &[e2]);
    let x = block("bottleneck", &mut net, x, [16, 32]);
    let x = net.add("upconv2", ConvTranspose2d::new(32, 16, 2).stride(2), &[x]);
    let x = net.add("cat2", Op::Concat, &[x, e2]);
    let x = block("decoder2", &mut net, x, [32, 16]);
    let x = net.add("upconv1", ConvTranspose2d::new(16, 8, 2).stride(2), &[x]);
    let x = net.add("cat1", Op::Concat, &[x, e1]);
    let x = block("decoder1", &mut net, x, [16, 8]);
    net.add("conv", Conv2d::new(8, 1, 1), &[x]);
    net.build().expect("a network")
}

#[test]
fn the_default_depth_is_the_deepest_that_stays_readable() {
    let boxes = |model: convlens::Result<Model>| model.expect("a network").drawing().boxes();
    assert_eq!(boxes(zoo::squeezenet1_1()), 19);
    // ResNets by stage; AlexNet and VGG by layer.
    assert_eq!(boxes(zoo::resnet50_untrained(0)), 12);
    let alexnet = zoo::alexnet_untrained(0).expect("a network");
    assert_eq!(alexnet.drawing().boxes(), alexnet.layers().len());
    let unet = unet();
    assert_eq!(unet.drawing().boxes(), unet.layers().len());
    assert_eq!(unet.drawing().depth(1).boxes(), 13);
    assert_eq!(unet.drawing().depth(0).boxes(), 13);
    assert_eq!(unet.drawing().depth(usize::MAX).boxes(), unet.layers().len());
}

#[test]
fn a_drawing_tells_in_words_what_its_boxes_say() {
    let resnet = zoo::resnet50_untrained(0).expect("a network");
    let text = resnet.drawing().to_string();
    assert!(text.starts_with("resnet50: 175 layers, 12 boxes\ninput, "), "{text}");
    assert!(text.contains("\nconv1, Conv2d 7 × 7, 64 × 112 × 112\n"), "{text}");
    assert!(text.contains("\nlayer3, 6 blocks, 1024 × 14 × 14\n"), "{text}");
    let text = zoo::squeezenet1_1().expect("embedded").drawing().to_string();
    assert!(text.contains("\nfeatures.3, 7 layers, 128 × 55 × 55\n"), "{text}");
}

#[test]
fn drawings_fit_into_a_notebook() {
    let mut long = Model::builder("long", [3, 32, 32]);
    let x = long.input();
    long.chain("features", (0..40).map(|_| Op::Relu), x);
    for model in [
        long.build().expect("a network"),
        zoo::squeezenet1_1().expect("embedded"),
        zoo::resnet50_untrained(0).expect("a network"),
        unet(),
    ] {
        let picture = model.drawing().picture().expect("a picture");
        assert!(picture.width() <= 1020, "{}: {picture:?}", model.name());
        assert!(picture.height() <= 1600, "{}: {picture:?}", model.name());
        assert!(model.drawing().bundle().as_picture().is_some());
    }
}

#[test]
fn a_network_too_large_to_draw_says_what_to_do() {
    let mut net = Model::builder("wide", [1, 8, 8]);
    let x = net.input();
    let branches: Vec<_> =
        (0..2000).map(|i| net.add(format!("branches.{i}"), Op::Relu, &[x])).collect();
    net.add("sum", Op::Add, &branches);
    let model = net.build().expect("a network");
    assert_eq!(model.drawing().boxes(), 3);
    assert!(model.drawing().picture().is_ok());
    let text = model.drawing().depth(2).picture().expect_err("too wide").to_string();
    assert!(text.contains("choose a smaller depth"), "{text}");
}
