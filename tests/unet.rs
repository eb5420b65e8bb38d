//! The U-Net's options. Its numbers against PyTorch's stand in tests/zoo.rs.

use convlens::prelude::*;
use convlens::zoo::segmentation::UNet;

#[test]
fn it_starts_as_published_and_a_training_pass_reaches_every_parameter() {
    let unet = UNet::narrow().base_width(8).seed(2);
    let model = unet.build().expect("a network");
    let weights = model.weights();
    let weight = &weights["down4.maxpool_conv.1.double_conv.3.weight"];
    let deviation = weight.std(false).double_value(&[]);
    assert!((deviation / (2.0 / (128.0 * 9.0f64)).sqrt() - 1.0).abs() < 0.03, "{deviation}");
    let photos = Tensor::rand([2, 1, 64, 96], tch::kind::FLOAT_CPU);
    let logits = model.run_as(Pass::Training, &[("input", &photos)], &["output"]).expect("a pass");
    logits[0].square().mean(tch::Kind::Float).backward();
    assert!(model.variables().trainable_variables().iter().all(|t| t.grad().defined()));
}

#[test]
fn options_that_make_no_network_are_named() {
    let refused = |unet: UNet| unet.build().expect_err("no network").to_string();
    let text = refused(UNet::narrow().input(1, 101, 101));
    assert!(text.contains("101 x 101 are no multiples of 16"), "{text}");
    assert!(refused(UNet::narrow().depth(0)).contains("1 to 10 levels"));
    assert!(refused(UNet::narrow().base_width(i64::MAX)).contains("1 to 4096 channels"));
    assert!(refused(UNet::narrow().class_count(0)).contains("outc.conv"));
}

#[test]
fn bilinear_steps_take_photos_of_any_size() {
    let odd = UNet::narrow().bilinear().input(1, 101, 101).build().expect("any size");
    assert_eq!(
        odd.output_shapes(&[1, 1, 101, 101]).expect("shapes").pop(),
        Some(vec![1, 1, 101, 101])
    );
}

#[test]
fn photos_are_prepared_as_it_was_told() {
    let prepared = Preprocess::exact(128, 128).normalize([0.5; 3], [0.5; 3]);
    let model = UNet::narrow().preprocess(prepared.clone()).build().expect("a network");
    assert_eq!(*model.preprocess(), prepared);
    assert_ne!(*UNet::narrow().build().expect("a network").preprocess(), prepared);
}
