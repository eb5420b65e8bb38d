//! A photo as a real network sees it.

use std::path::Path;

use convlens::model::{AdaptiveAvgPool2d, Conv2d, Rearrange};
use convlens::prelude::*;

fn photo(name: &str) -> Photo {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/photos").join(name);
    Photo::open(path).expect("an asset")
}

fn pets() -> Look {
    let model = zoo::squeezenet1_1().expect("embedded");
    model.look(&photo("cat_and_dog.jpg")).expect("a look")
}

#[test]
fn the_embedded_network_knows_what_it_sees() {
    let model = zoo::squeezenet1_1().expect("embedded");
    for (file, expected) in [("cat.png", "tiger cat"), ("coffee.jpg", "espresso")] {
        let predictions = model.look(&photo(file)).and_then(|look| look.predictions(5));
        assert_eq!(predictions.expect("predictions").top().name, expected, "{file}");
    }
}

/// What the weights predict before they are rounded to half precision, by asset.
const TOP_FIVE: [(&str, [usize; 5]); 4] = [
    ("cat.png", [282, 285, 281, 293, 287]),
    ("coffee.jpg", [967, 925, 521, 809, 968]),
    ("dog.jpg", [249, 176, 169, 250, 248]),
    ("cat_and_dog.jpg", [282, 176, 281, 285, 219]),
];

#[test]
fn half_precision_keeps_the_top_five_of_every_photo() {
    let model = zoo::squeezenet1_1().expect("embedded");
    for (file, expected) in TOP_FIVE {
        let five =
            model.look(&photo(file)).and_then(|look| look.predictions(5)).expect("predictions");
        let found: Vec<usize> = five.rows().iter().map(|row| row.class).collect();
        assert_eq!(found, expected, "{file}");
    }
}

#[test]
fn many_predictions_are_drawn_in_part_and_told_in_full() {
    let all = pets().predictions(1000).expect("predictions").bundle();
    assert!(all.as_picture().expect("bars").height() < 2000);
    assert!(all.as_text().ends_with("the first 50 of 1000 are drawn"));
    assert_eq!(all.as_text().lines().count(), 1002);
}

#[test]
fn of_equal_scores_the_first_class_is_predicted_everywhere() {
    let mut net = Model::builder("equal", [3, 8, 8]).classes(["a", "b", "c", "d"]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 3, 1), &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    let model = net.build().expect("a network");
    {
        let _no_grad = tch::no_grad_guard();
        for mut variable in model.variables().trainable_variables() {
            let _ = variable.fill_(1.0);
        }
    }
    let look = model.look(&photo("cat.png")).expect("a look");
    assert_eq!(look.predictions(1).expect("predictions").top().class, 0);
    assert_eq!(look.explain(&GradCam::default()).expect("a heat map").class(), Some(0));
    let text = look.explain(&GradCam::default().class("d")).expect_err("no output").to_string();
    assert_eq!(text, "Grad-CAM: equal has the classes 0 to 2, not 3");
}

#[test]
fn a_look_keeps_its_input_and_forgets_the_rest_after_training() {
    let mut net = Model::builder("trained", [3, 8, 8]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 4, 3), &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    let model = net.build().expect("a network");
    let mut input = Tensor::rand([1, 3, 8, 8], tch::kind::FLOAT_CPU);
    let look = model.look_input(&input).expect("a look");
    let kept = input.copy();
    let _ = input.zero_();
    let seen = look.layer("input").expect("the input").tensor();
    assert_eq!(
        (&seen - &kept).abs().max().double_value(&[]),
        0.0,
        "the caller's tensor is its own"
    );

    let before = look.logits().expect("logits");
    use tch::nn::OptimizerConfig;
    let mut sgd = tch::nn::Sgd::default().build(model.variables(), 1.0).expect("an optimiser");
    let output = model.run_as(Pass::Training, &[("input", &kept)], &["output"]).expect("a pass");
    sgd.backward_step(&output[0].sum(tch::Kind::Float));
    let after = look.logits().expect("logits");
    let fresh = model.look_input(&kept).and_then(|look| look.logits()).expect("logits");
    assert!((&after - &before).abs().max().double_value(&[]) > 1e-3);
    assert_eq!((&after - &fresh).abs().max().double_value(&[]), 0.0);
}

#[test]
fn a_very_long_photo_is_still_explained() {
    let long = image::DynamicImage::new_rgb8(30, 20_000);
    let model = zoo::squeezenet1_1().expect("embedded");
    let look = model.look(&Photo::from_image(&long).expect("a photo")).expect("a look");
    let heat = look.explain(&GradCam::at("features.12")).expect("a heat map");
    assert!(heat.bundle().as_picture().is_some(), "{}", heat.bundle().as_text());
}

#[test]
fn predictions_are_sorted_probabilities() {
    let all = pets().predictions(1000).expect("predictions");
    let rows = all.rows();
    assert_eq!(rows.len(), 1000);
    assert!(rows.windows(2).all(|pair| pair[0].probability >= pair[1].probability));
    let total: f64 = rows.iter().map(|row| row.probability).sum();
    assert!((total - 1.0).abs() < 1e-5, "{total}");
    let five = pets().predictions(5).expect("predictions");
    assert_eq!(five.rows().len(), 5);
    assert!(five.bundle().as_picture().is_some(), "{}", five.bundle().as_text());
    assert_eq!(pets().predictions(0).expect("predictions").rows().len(), 1);
}

#[test]
fn every_layer_answers() {
    let look = pets();
    for name in look.model().layers().names() {
        let maps = look.layer(&name).expect("a layer");
        let bundle = maps.bundle();
        assert!(bundle.as_picture().is_some(), "{name}: {}", bundle.as_text());
    }
    assert_eq!(look.layer("features.12").expect("a group").tensor().size(), [1, 512, 13, 13]);
}

#[test]
fn layers_are_the_same_whether_or_not_others_were_asked_for_before() {
    let fresh = pets().layer("features.9").expect("a layer");
    let look = pets();
    look.predictions(1).expect("predictions");
    look.layer("features.3").expect("a layer");
    look.layer("features.12").expect("a layer");
    let later = look.layer("features.9").expect("a layer");
    assert!((fresh.tensor() - later.tensor()).abs().max().double_value(&[]) < 1e-5);
}

#[test]
fn unknown_layers_and_classes_list_the_closest() {
    let look = pets();
    let text = look.layer("feature.12").expect_err("unknown").to_string();
    assert!(text.contains("the closest are \"features.12\", "), "{text}");
    let text =
        look.explain(&GradCam::default().class("egyptian kat")).expect_err("unknown").to_string();
    assert!(text.contains("\"Egyptian cat\""), "{text}");
    for class in [1000i64, -1, i64::MAX] {
        let text =
            look.explain(&GradCam::default().class(class)).expect_err("out of range").to_string();
        assert_eq!(text, format!("Grad-CAM: squeezenet1_1 has the classes 0 to 999, not {class}"));
    }
}

#[test]
fn a_layer_without_maps_is_refused_with_one_that_has_some() {
    let look = pets();
    let text = look.explain(&GradCam::at("flatten")).expect_err("no maps").to_string();
    assert!(text.contains("\"classifier.2\""), "{text}");
    let text =
        look.layer("flatten").and_then(|maps| maps.sheet()).expect_err("no maps").to_string();
    assert!(text.contains("no feature maps"), "{text}");
    let text = look
        .layer("features.0")
        .and_then(|maps| maps.overlay(64))
        .expect_err("no channel")
        .to_string();
    assert!(text.contains("the channels 0 to 63, not 64"), "{text}");
}

#[test]
fn a_photo_below_the_least_size_says_so() {
    let model = zoo::squeezenet1_1().expect("embedded");
    let tiny = Photo::from_image(&image::DynamicImage::new_rgb8(8, 8)).expect("a photo");
    let text = model.look_prepared(&tiny, &Preprocess::keep()).expect_err("too small").to_string();
    assert!(text.contains("8 x 8 pixels is too small for squeezenet1_1"), "{text}");
    assert!(model.look(&tiny).is_ok(), "the network's own preparation enlarges it");
}

#[test]
fn a_network_for_other_channels_says_what_it_takes() {
    let mut net = Model::builder("multispectral", [4, 32, 32]);
    let x = net.input();
    net.add("conv", Conv2d::new(4, 4, 3), &[x]);
    let text =
        net.build().and_then(|net| net.look(&photo("cat.png"))).expect_err("RGB").to_string();
    assert!(text.contains("the network takes 4") && text.contains("look_array"), "{text}");
}

#[test]
fn a_network_without_class_scores_says_what_it_ends_in() {
    let mut net = Model::builder("dense", [3, 32, 32]);
    let x = net.input();
    net.add("conv", Conv2d::new(3, 4, 3), &[x]);
    let look = net.build().and_then(|net| net.look(&photo("cat.png"))).expect("a look");
    let text = look.predictions(5).expect_err("maps").to_string();
    assert_eq!(text, "dense does not end in one score a class but in [1, 4, 30, 30]");
}

#[test]
fn classes_without_names_go_by_their_index() {
    let mut net = Model::builder("nameless", [3, 32, 32]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 4, 3), &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    let look = net.build().and_then(|net| net.look(&photo("cat.png"))).expect("a look");
    assert!(look.predictions(1).expect("predictions").top().name.starts_with("class "));
    assert!(look.explain(&GradCam::default().class(2)).is_ok());
    let text = look.explain(&GradCam::default().class("cat")).expect_err("no names").to_string();
    assert!(text.contains("give the index"), "{text}");
}

#[test]
fn the_default_layer_is_announced() {
    let heat = pets().explain(&GradCam::default()).expect("a heat map");
    assert!(heat.caption().ends_with("at classifier.2, the last maps"), "{}", heat.caption());
    assert!(heat.bundle().as_picture().is_some());
}

#[test]
fn explaining_leaves_no_gradients_behind() {
    let look = pets();
    look.explain(&GradCam::at("features.12")).expect("a heat map");
    for (name, variable) in look.model().variables().variables() {
        assert!(!variable.grad().defined(), "{name}");
    }
    let remembered = look.layer("features.12").expect("a layer");
    assert!(!remembered.tensor().requires_grad());
}

/// A network of one linear layer whose outputs are `weights`, whatever the photo of ones.
fn scores_alone(weights: &[f32], end: Option<Op>) -> Model {
    let mut net = Model::builder("scores", [1, 1, 1]);
    let x = net.input();
    let x = net.add("flatten", Op::Flatten, &[x]);
    let x = net.add("fc", Linear::new(1, weights.len() as i64), &[x]);
    if let Some(end) = end {
        net.add("end", end, &[x]);
    }
    let model = net.build().expect("a network");
    let _no_grad = tch::no_grad_guard();
    for (name, mut tensor) in model.weights() {
        match name.as_str() {
            "fc.weight" => tensor.copy_(&Tensor::from_slice(weights).reshape([-1, 1])),
            _ => drop(tensor.zero_()),
        }
    }
    model
}

#[test]
fn each_class_has_its_own_probability_behind_a_sigmoid_and_one_score_says_yes_or_no() {
    let ones = Tensor::ones([1, 1, 1, 1], tch::kind::FLOAT_CPU);
    let predicted = |model: &Model| {
        let look = model.look_input(&ones).expect("a look");
        let heat = look.explain(&Saliency::default().class(0)).expect("a heat map");
        let rows = look.predictions(9).expect("predictions").rows().to_vec();
        let first = rows.iter().find(|row| row.class == 0).expect("class 0");
        assert!((heat.probability().expect("one class") - first.probability).abs() < 1e-6);
        rows.into_iter().map(|row| row.probability).collect::<Vec<_>>()
    };
    let near = |found: Vec<f64>, expected: &[f64]| {
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
    };
    let (low, high) = (1.0 / (1.0 + 1f64.exp()), 1.0 / (1.0 + (-2f64).exp()));
    near(predicted(&scores_alone(&[-1.0, 2.0], Some(Op::Sigmoid))), &[high, low]);
    near(predicted(&scores_alone(&[2.0], None)), &[high, 1.0 - high]);
    let share = 1.0 / (1.0 + (-3f64).exp());
    near(predicted(&scores_alone(&[-1.0, 2.0], None)), &[share, 1.0 - share]);
}

#[test]
fn the_default_layer_leads_to_the_output() {
    let mut net = Model::builder("branch", [3, 8, 8]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 4, 3).padding(1), &[x]);
    let aside = net.add("aside", Conv2d::new(4, 4, 2).stride(2), &[x]);
    net.add("aside_relu", Op::Relu, &[aside]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    let model = net.build().expect("a network");
    assert_eq!(model.last_maps().expect("a layer"), "conv");
}

#[test]
fn maps_put_together_from_windows_are_the_default_layer() {
    let mut net = Model::builder("windows", [3, 8, 8]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 4, 3).padding(1), &[x]);
    let reshape = |sizes: &[i64]| Op::Rearrange(Rearrange::Reshape(sizes.to_vec()));
    let x = net.add("split", reshape(&[-1, 4, 2, 4, 2, 4]), &[x]);
    let swap = || Op::Rearrange(Rearrange::Permute(vec![0, 1, 2, 4, 3, 5]));
    let x = net.add("windows", swap(), &[x]);
    let x = net.add("relu", Op::Relu, &[x]);
    let x = net.add("back", swap(), &[x]);
    let x = net.add("maps", reshape(&[-1, 4, 8, 8]), &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    let model = net.build().expect("a network");
    assert_eq!(model.last_maps().expect("a layer"), "maps");
    let photo = Tensor::rand([1, 3, 8, 8], tch::kind::FLOAT_CPU);
    let heat = model.look_input(&photo).and_then(|look| look.explain(&GradCam::default().class(0)));
    assert_eq!(heat.expect("a heat map").raw().len(), 64);
}

#[test]
fn who_writes_to_what_it_is_given_changes_nothing_for_others() {
    let mut net = Model::builder("in place", [3, 8, 8]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 4, 3), &[x]);
    let x = net.function("rectifier", |x, _| x[0].shallow_clone().relu_(), &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    let model = net.build().expect("a network");
    tch::manual_seed(1);
    let look =
        model.look_input(&Tensor::randn([1, 3, 8, 8], tch::kind::FLOAT_CPU)).expect("a look");
    let sum =
        |layer: &str| look.layer(layer).expect("a layer").tensor().abs().sum(tch::Kind::Double);
    let before = (sum("conv").double_value(&[]), look.logits().expect("logits").copy());
    let writes = Target::function("writes", |scores| {
        let _ = scores.shallow_clone().zero_();
        scores.sum(tch::Kind::Float)
    });
    look.explain(&GradCam::at("conv").class(0)).expect("a heat map");
    look.explain(&Saliency::default().class(0)).expect("a heat map");
    look.explain(&GradCam::at("rectifier").class(writes)).expect("a heat map of nothing");
    assert!(sum("conv").double_value(&[]) > sum("rectifier").double_value(&[]), "negative values");
    assert_eq!(sum("conv").double_value(&[]), before.0);
    assert_eq!(look.logits().expect("logits"), before.1);
}

#[test]
fn an_input_of_nan_has_no_predictions() -> convlens::Result<()> {
    let model = zoo::squeezenet1_1()?;
    let look = model.look_input(&Tensor::full([1, 3, 64, 64], f64::NAN, tch::kind::FLOAT_CPU))?;
    let error = look.predictions(5).map(drop).expect_err("NaN").to_string();
    assert!(
        error.contains("there are no predictions") && error.contains("the input holds"),
        "{error}"
    );
    Ok(())
}
