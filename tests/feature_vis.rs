//! Pictures that excite a channel: the peers' numbers, repeatability, what is refused and what is said.

mod peers;

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use convlens::model::{Conv2d, Linear};
use convlens::prelude::*;
use peers::{difference, floats, formula_photo, read_case, with_formula_weights};
use serde_json::Value;
use tch::Kind;

/// tests/reference/make_feature_vis.py's network.
fn small() -> Model {
    let mut net = Model::builder("small", [3, 24, 24]);
    let x = net.input();
    let conv = |from, to| Conv2d::new(from, to, 3).padding(1);
    let features = ops![
        conv(3, 8),
        Op::Relu,
        conv(8, 8),
        Op::Relu,
        Pool2d::max(2),
        conv(8, 12),
        Op::Relu,
        conv(12, 12),
        Op::Relu
    ];
    let x = net.chain("features", features, x);
    let x = net.add("avgpool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(12, 6), &[x]);
    let classes = ["one", "two", "three", "four", "five", "six"];
    with_formula_weights(net.classes(classes).build().expect("a network"))
}

struct Numbers {
    index: Value,
    values: BTreeMap<String, Vec<f32>>,
}

impl Numbers {
    fn read() -> Numbers {
        let (index, values) = read_case("feature_vis", "small");
        Numbers { index, values }
    }

    fn get(&self, key: &str) -> &[f32] {
        self.values.get(key).unwrap_or_else(|| panic!("no {key}"))
    }

    fn tensor(&self, key: &str, shape: &[i64]) -> Tensor {
        Tensor::from_slice(self.get(key)).reshape(shape)
    }

    fn direction(&self) -> Vec<f32> {
        let numbers = self.index["direction"].as_array().expect("a list");
        numbers.iter().map(|v| v.as_f64().expect("a number") as f32).collect()
    }
}

/// The greatest distance between two pictures.
fn apart(found: &Tensor, expected: &[f32]) -> f32 {
    let found = floats(found);
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).fold(0f32, |m, (a, b)| m.max((a - b).abs()))
}

fn run(vis: &FeatureVis, objectives: impl IntoIterator<Item = Objective>) -> Patterns {
    vis.run(&small(), objectives).unwrap_or_else(|error| panic!("{error}"))
}

fn failure(vis: &FeatureVis, objectives: impl IntoIterator<Item = Objective>) -> String {
    match vis.run(&small(), objectives) {
        Ok(patterns) => panic!("this makes {patterns}"),
        Err(error) => error.to_string(),
    }
}

fn quick() -> FeatureVis {
    FeatureVis::default().size(24).steps(6)
}

#[test]
fn plain_ascent_makes_the_pictures_of_pytorchs_loop() {
    let numbers = Numbers::read();
    let start = numbers.tensor("start", &[1, 3, 24, 24]);
    let channels = [1, 2, 5];
    let vis = FeatureVis::plain_ascent().from_values(&start).steps(30);
    let patterns = run(&vis, Objective::unreachable_channels("features.6", channels));
    for (pattern, channel) in patterns.iter().zip(channels) {
        // Steps divide gradients by their size: see the script for what that makes of rounding.
        let expected = numbers.get(&format!("plain_ascent/{channel}"));
        assert!(apart(&pattern.tensor(), expected) < 5e-5, "{channel}");
        let losses: Vec<f32> = pattern.losses().iter().map(|&loss| loss as f32).collect();
        let expected = numbers.get(&format!("plain_ascent/{channel}/losses"));
        assert!(difference(&losses, expected) < 1e-5, "{channel}");
    }
}

#[test]
fn one_channel_alone_or_in_a_batch_makes_the_same_picture() {
    let vis = FeatureVis::plain_ascent().size(24).steps(10);
    let batch = run(&vis, Objective::unreachable_channels("features.6", [2, 1, 5]));
    let alone = run(&vis, Objective::unreachable("features.6", 5));
    let (batch, alone) = (batch.get(2).expect("a third"), alone.get(0).expect("one"));
    assert!(apart(&batch.tensor(), &floats(&alone.tensor())) < 1e-5);
}

#[test]
fn multiscale_makes_the_picture_of_feature_map_visualizer_from_size_to_size() {
    let numbers = Numbers::read();
    let unit = |u: f64| (150.0 + 30.0 * (u + 1.0) / 2.0) / 255.0;
    let values: Vec<f32> =
        (0..432).map(|i| unit(peers::formula::formula(i, 91) as f32 as f64) as f32).collect();
    let start = Tensor::from_slice(&values).reshape([1, 3, 12, 12]);
    let vis = FeatureVis::multiscale().from_values(&start).steps(5).octaves(3);
    let patterns = run(&vis, Objective::channel("features.8", 3));
    let pattern = patterns.get(0).expect("one");
    assert_eq!(pattern.tensor().size(), [1, 3, 16, 16]);
    assert!(apart(&pattern.tensor(), numbers.get("multiscale")) < 5e-5);
    let losses: Vec<f32> = pattern.losses().iter().map(|&loss| loss as f32).collect();
    assert!(difference(&losses, numbers.get("multiscale/losses")) < 1e-5);
}

#[test]
fn frequencies_and_colours_are_lucents() {
    let numbers = Numbers::read();
    for width in [24, 23] {
        let whole = numbers.values["start"].len();
        assert_eq!(whole, 3 * 24 * 24);
        let values: Vec<f32> =
            (0..3 * 20 * width).map(|i| peers::formula::formula(i, 90) as f32 * 0.25).collect();
        let values = Tensor::from_slice(&values).reshape([1, 3, 20, width as i64]);
        let vis = FeatureVis::default().from_values(&values).transforms([]).frames(3);
        let imagenet = Preprocess::imagenet();
        let normalized = |key: &str| {
            let colours = numbers.tensor(key, &[1, 3, 20, width as i64]);
            let mean = Tensor::from_slice(&[0.485f32, 0.456, 0.406]).reshape([3, 1, 1]);
            let deviation = Tensor::from_slice(&[0.229f32, 0.224, 0.225]).reshape([3, 1, 1]);
            floats(&((colours - mean) / deviation))
        };
        let model = {
            let mut net = Model::builder("small", [3, 24, 24]).preprocess(imagenet);
            let x = net.input();
            let conv = |from, to| Conv2d::new(from, to, 3).padding(1);
            let features = ops![
                conv(3, 8),
                Op::Relu,
                conv(8, 8),
                Op::Relu,
                Pool2d::max(2),
                conv(8, 12),
                Op::Relu,
                conv(12, 12),
                Op::Relu
            ];
            net.chain("features", features, x);
            with_formula_weights(net.build().expect("a network"))
        };
        let objective = || Objective::channel("features.8", 4);
        // A step so small that nothing moves shows the start.
        let still = vis.clone().steps(1).learning_rate(1e-12).run(&model, objective());
        let still = still.expect("a start").get(0).expect("one").tensor();
        let key = format!("fourier_{width}/start");
        assert!(difference(&floats(&still), &normalized(&key)) < 1e-5, "{width}");
        let patterns = vis.steps(12).run(&model, objective()).expect("a picture");
        let key = format!("fourier_{width}/picture");
        let found = patterns.get(0).expect("one").tensor();
        // Divided by the deviation, 5e-5 of a colour are four times as much.
        assert!(apart(&found, &normalized(&key)) < 2e-4, "{width}");
    }
}

/// One plain step of size 1 adds the gradient.
fn gradient(objective: Objective, photos: &Tensor, vis: FeatureVis) -> Vec<f32> {
    let vis = vis.optimizer(Optimizer::Sgd { momentum: 0.0 }).learning_rate(1.0).steps(1);
    let patterns = run(&vis.from_values(photos), objective);
    floats(&(patterns.tensor().expect("one size") - photos))
}

#[test]
fn the_gradients_of_all_objectives_are_the_peers() {
    let numbers = Numbers::read();
    let photo = formula_photo([20, 24], 0, -2.0..2.0);
    let at = "features.8";
    let objectives = [
        ("neuron", Objective::neuron(at, 3)),
        ("layer", Objective::layer(at)),
        ("direction", Objective::direction(at, numbers.direction())),
        ("direction_cosine", Objective::direction_cosine(at, numbers.direction())),
        ("class", Objective::class(1)),
        ("sum", Objective::class("two") - 0.5 * Objective::channel(at, 2)),
    ];
    for (name, objective) in objectives {
        let found = gradient(objective, &photo, FeatureVis::pixels());
        let expected = numbers.get(&format!("gradient/{name}"));
        assert!(greatest(expected) > 1e-4, "{name} has a gradient");
        // The step is taken from values up to 2, whose last digit is 2.4e-7.
        let tolerance = 1e-5f32.max(3e-7 / greatest(expected));
        assert!(difference(&found, expected) < tolerance, "{name}");
    }
}

fn greatest(values: &[f32]) -> f32 {
    values.iter().fold(0f32, |m, v| m.max(v.abs()))
}

#[test]
fn a_neuron_can_be_named_by_its_row_and_column() {
    let numbers = Numbers::read();
    let photo = formula_photo([20, 24], 0, -2.0..2.0);
    let at = |row, column| Objective::neuron_at("features.8", 3, row, column);
    let middle = gradient(at(5, 6), &photo, FeatureVis::pixels());
    // As for the middle one that the reference has.
    let tolerance = |expected: &[f32]| 1e-5f32.max(3e-7 / greatest(expected));
    let expected = numbers.get("gradient/neuron");
    assert!(difference(&middle, expected) < tolerance(expected));
    let (model, leaf) = (small(), photo.copy().set_requires_grad(true));
    let maps = model.run_as(Pass::Gradient, &[("input", &leaf)], &["features.7"]).expect("maps");
    let value = maps[0].get(0).get(3).get(1).get(10);
    let expected = floats(&Tensor::run_backward(&[value], &[&leaf], false, false)[0]);
    let found =
        gradient(Objective::neuron_at("features.7", 3, 1, 10), &photo, FeatureVis::pixels());
    assert!(greatest(&expected) > 1e-4);
    assert!(difference(&found, &expected) < tolerance(&expected));
}

#[test]
fn momentum_carries_steps_on() {
    let photo = formula_photo([20, 24], 0, -2.0..2.0);
    let objective = || Objective::layer("features.8");
    let (rate, momentum) = (0.5, 0.75);
    let sgd = |momentum, steps: usize, from: &Tensor| {
        let vis = FeatureVis::pixels().optimizer(Optimizer::Sgd { momentum }).learning_rate(rate);
        run(&vis.steps(steps).from_values(from), objective()).tensor().expect("one size")
    };
    // x + r g(x), and from there r (g(x') + m g(x)) further.
    let first = sgd(0.0, 1, &photo);
    let expected = sgd(0.0, 1, &first) + (&first - &photo) * momentum;
    let found = sgd(momentum, 2, &photo);
    assert!((&found - sgd(0.0, 2, &photo)).abs().max().double_value(&[]) > 1e-3);
    assert!(apart(&found, &floats(&expected)) < 1e-5);
}

#[test]
fn diversity_is_lucents() {
    let numbers = Numbers::read();
    let photos: Vec<Tensor> = (0..3).map(|n| formula_photo([20, 24], n, -2.0..2.0)).collect();
    let photos = Tensor::cat(&photos, 0);
    let none = || Objective::channel("features.8", 2) * 0.0;
    // The factor makes the step so large that rounding of the values it is added to is nothing.
    let found = gradient(none(), &photos, FeatureVis::pixels().diversity(3, 1000.0));
    let expected: Vec<f32> =
        numbers.get("gradient/diversity").iter().map(|v| -1000.0 * v).collect();
    assert!(greatest(&expected) > 1.0);
    assert!(difference(&found, &expected) < 1e-5);
}

#[test]
fn regularizers_are_what_their_formulas_say() {
    let numbers = Numbers::read();
    let photo = formula_photo([20, 24], 0, -2.0..2.0);
    for (name, regularizer) in [
        ("total_variation", Regularizer::TotalVariation),
        ("l1", Regularizer::L1),
        ("l2", Regularizer::L2),
        ("blur", Regularizer::Blur),
    ] {
        let vis = FeatureVis::pixels().regularizer(regularizer, 100.0);
        let found = gradient(Objective::channel("features.8", 2) * 0.0, &photo, vis);
        let expected = numbers.get(&format!("regularizer/{name}"));
        let expected: Vec<f32> = expected.iter().map(|v| -100.0 * v).collect();
        assert!(difference(&found, &expected) < 1e-5, "{name}");
    }
}

#[test]
fn of_colours_regularizers_are_what_they_say_around_middle_grey() {
    let values = formula_photo([20, 24], 0, -2.0..2.0);
    for regularizer in [Regularizer::TotalVariation, Regularizer::L1, Regularizer::L2] {
        let leaf = values.copy().set_requires_grad(true);
        let colours = leaf.sigmoid();
        let penalty = match regularizer {
            Regularizer::L1 => (&colours - 0.5).abs().sum(Kind::Float),
            Regularizer::L2 => ((&colours - 0.5).square().sum(Kind::Float) + 1e-6).sqrt(),
            _ => {
                let down = colours.narrow(2, 1, 19) - colours.narrow(2, 0, 19);
                let across = colours.narrow(3, 1, 23) - colours.narrow(3, 0, 23);
                down.abs().sum(Kind::Float) + across.abs().sum(Kind::Float)
            }
        };
        let slope = Tensor::run_backward(&[penalty], &[&leaf], false, false).remove(0);
        let expected = (&values - slope * 2.0).sigmoid();
        let vis = FeatureVis::pixels()
            .parametrization(Parametrization::Sigmoid)
            .without_normalization()
            .from_values(&values)
            .optimizer(Optimizer::Sgd { momentum: 0.0 })
            .learning_rate(1.0)
            .steps(1)
            .regularizer(regularizer, 2.0);
        let found = run(&vis, Objective::channel("features.8", 2) * 0.0).tensor();
        let found = found.expect("one size");
        assert!((&found - values.sigmoid()).abs().max().double_value(&[]) > 1e-3);
        assert!(apart(&found, &floats(&expected)) < 1e-5, "{regularizer:?}");
    }
}

/// So short a step that what it began with is still there.
fn start(vis: FeatureVis) -> Patterns {
    run(&vis.steps(1).learning_rate(1e-12), Objective::channels("features.7", [3, 5]))
}

#[test]
fn noise_has_the_ranges_that_are_asked_for_and_is_the_same_for_all_channels() {
    let ends = |values: &[f32]| {
        (
            values.iter().copied().fold(f32::MAX, f32::min),
            values.iter().copied().fold(f32::MIN, f32::max),
        )
    };
    for (low, high) in [(0.0, 2.0), (-0.25, 0.25), (-0.1, 0.2)] {
        let patterns = start(FeatureVis::plain_ascent().uniform(low, high));
        let [one, other] = [0, 1].map(|i| floats(&patterns.get(i).expect("a picture").tensor()));
        assert!(one.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-6));
        assert_eq!(one.len(), 3 * 100 * 100);
        let (least, most) = ends(&one);
        let (low, high) = (low as f32, high as f32);
        assert!(least >= low - 1e-6 && most <= high + 1e-6, "{least} {most}");
        assert!(least - low < 0.01 && high - most < 0.01, "{least} {most}");
        let mean = one.iter().sum::<f32>() / one.len() as f32;
        assert!((mean - (low + high) / 2.0).abs() < 0.02 * (high - low), "{mean}");
    }
    let patterns = start(FeatureVis::multiscale().octaves(1));
    let picture = patterns.get(0).expect("a picture").tensor();
    assert_eq!(picture.size(), [1, 3, 33, 33]);
    let levels: Vec<f32> = floats(&(picture.logit(None::<f64>) * 255.0));
    assert!(levels.iter().all(|level| (level - level.round()).abs() < 0.01), "whole levels");
    assert_eq!(
        ends(&levels.iter().map(|level| level.round()).collect::<Vec<f32>>()),
        (150.0, 179.0)
    );
}

#[test]
fn pictures_are_as_high_and_as_wide_as_told() {
    for parametrization in
        [Parametrization::Pixels, Parametrization::Sigmoid, Parametrization::Fourier]
    {
        let vis = quick().parametrization(parametrization).height_and_width(20, 31).steps(2);
        let patterns = run(&vis, Objective::channel("features.7", 3));
        let pattern = patterns.get(0).expect("one");
        assert_eq!(pattern.tensor().size(), [1, 3, 20, 31], "{parametrization:?}");
        assert_eq!((pattern.picture().height(), pattern.picture().width()), (20, 31));
    }
}

#[test]
fn transforms_are_lucents() {
    let numbers = Numbers::read();
    for (name, transform, size) in [
        ("pad_5", Transform::Pad(5), [20, 24]),
        ("scale_1.1", Transform::Scale(vec![1.1]), [20, 24]),
        ("scale_0.9", Transform::Scale(vec![0.9]), [24, 24]),
        ("rotate_7", Transform::Rotate(vec![7.0]), [20, 24]),
        ("rotate_-10", Transform::Rotate(vec![-10.0]), [20, 24]),
    ] {
        let photo = formula_photo(size, 0, 0.0..1.0);
        let found = transform.once(&photo, 0).expect("a transform");
        assert!(apart(&found, numbers.get(&format!("transform/{name}"))) < 2e-5, "{name}");
    }
}

#[test]
fn the_same_seed_gives_the_same_picture() {
    for parametrization in
        [Parametrization::Pixels, Parametrization::Sigmoid, Parametrization::Fourier]
    {
        let make = |seed| {
            let vis = quick().parametrization(parametrization).seed(seed);
            run(&vis, Objective::channels("features.7", [0, 3])).tensor().expect("one size")
        };
        assert_eq!(make(7), make(7), "{parametrization:?}");
        assert_ne!(make(7), make(8), "{parametrization:?}");
    }
}

#[test]
fn a_run_at_another_size_in_between_makes_no_difference() {
    for (model, layer) in [(small(), "features.7"), (wide(), "features.6")] {
        let make = |side| {
            let patterns = quick().size(side).run(&model, Objective::channels(layer, [0, 3]));
            patterns.expect("pictures").tensor().expect("one size")
        };
        let first = make(24);
        let _ = make(33);
        assert_eq!(make(24), first, "{layer}");
    }
}

/// Wide enough for convolutions by fewer multiplications.
fn wide() -> Model {
    let mut net = Model::builder("wide", [3, 40, 40]);
    let x = net.input();
    let conv = |from, to| Conv2d::new(from, to, 3).padding(1);
    let bare = Conv2d::new(128, 128, 3).padding(1).without_bias();
    let features = ops![
        conv(3, 128),
        Op::Relu,
        bare,
        BatchNorm2d::new(128),
        Op::Relu,
        Pool2d::max(2),
        conv(128, 160),
        Op::Relu,
        conv(160, 8)
    ];
    net.chain("features", features, x);
    with_formula_weights(net.build().expect("a network"))
}

#[test]
fn a_wide_networks_gradient_is_that_of_autograd_and_repeatable() {
    let model = wide();
    let photo = formula_photo([37, 42], 0, -2.0..2.0);
    let leaf = photo.copy().set_requires_grad(true);
    let value = model.run_as(Pass::Gradient, &[("input", &leaf)], &["features.8"]);
    let value = value.expect("maps")[0].square().mean(Kind::Float);
    let expected = Tensor::run_backward(&[value], &[&leaf], false, false).remove(0);
    // A step so large that the values it is taken from do not matter.
    let step = || {
        let vis = FeatureVis::pixels().optimizer(Optimizer::Sgd { momentum: 0.0 }).steps(1);
        let vis = vis.learning_rate(1e4).from_values(&photo);
        let patterns = vis.run(&model, Objective::layer("features.8")).expect("a picture");
        patterns.tensor().expect("one size")
    };
    let found = (step() - &photo) / 1e4;
    assert!(expected.abs().max().double_value(&[]) > 1e-3);
    assert!(difference(&floats(&found), &floats(&expected)) < 1e-5);
    assert_eq!(step(), step());
}

#[test]
fn losses_fall_and_the_picture_excites_its_channel() {
    let photo = formula_photo([24, 24], 0, 0.0..1.0);
    let model = small();
    let before = model.run(&[("input", &photo)], &["features.7"]).expect("maps");
    for parametrization in
        [Parametrization::Pixels, Parametrization::Sigmoid, Parametrization::Fourier]
    {
        let vis = quick().parametrization(parametrization).steps(60).transforms([]);
        let patterns = run(&vis, Objective::channel("features.7", 3));
        let pattern = patterns.get(0).expect("one");
        assert!(pattern.losses().last() < pattern.losses().first());
        let own = before[0].select(1, 3).mean(Kind::Float).double_value(&[]);
        assert!(pattern.activation().expect("a map") > own, "{parametrization:?}");
        // What is told of the picture is what the network answers to it.
        let map = model.run(&[("input", &pattern.tensor())], &["features.7"]).expect("maps");
        let mean = map[0].select(1, 3).mean(Kind::Float).double_value(&[]);
        assert!((pattern.activation().expect("a map") - mean).abs() < 1e-4 * mean.abs());
    }
}

#[test]
fn pictures_that_are_to_differ_do() {
    let alike = |weight: f64| {
        let vis = quick().steps(30).transforms([]).diversity(2, weight);
        let patterns = run(&vis, Objective::channel("features.8", 3));
        assert_eq!(patterns.len(), 2);
        let maps =
            small().run(&[("input", &patterns.tensor().expect("one size"))], &["features.8"]);
        let flat = maps.expect("maps")[0].flatten(2, -1);
        let grams = flat.matmul(&flat.transpose(1, 2)).flatten(1, -1);
        Tensor::cosine_similarity(&grams.get(0), &grams.get(1), 0, 1e-8).double_value(&[])
    };
    assert!(alike(100.0) < alike(0.0) - 0.01, "{} {}", alike(100.0), alike(0.0));
}

/// A channel of `features.0` is dead where its bias is far below 0.
fn with_dead_channel() -> Model {
    let model = small();
    let mut weights = model.weights();
    let bias = weights.get("features.0.bias").expect("a bias").copy();
    let _ = bias.get(4).fill_(-100.0);
    weights.insert("features.0.bias".into(), bias);
    model.load(&weights).expect("weights");
    model
}

#[test]
fn a_picture_that_never_became_active_says_so_and_is_begun_again() {
    let vis = FeatureVis::plain_ascent().size(24).steps(3);
    let patterns =
        vis.run(&with_dead_channel(), Objective::unreachable_channels("features.1", [3, 4]));
    let patterns = patterns.expect("pictures");
    let (alive, dead) = (patterns.get(0).expect("one"), patterns.get(1).expect("two"));
    assert!(alive.is_active() && !dead.is_active());
    assert!(dead.to_string().contains("never active"), "{dead}");
    assert!(patterns.to_string().contains("4 of features.1"), "{patterns}");
    assert_eq!(dead.losses(), [0.0; 3]);
    assert_eq!(patterns.captions(), ["3", "4: never active"]);
    // Nothing moved.
    let start = run(&vis, Objective::channel("features.1", 3)).get(0).expect("one").tensor();
    assert!((dead.tensor() - start).abs().max().double_value(&[]) > 0.0);

    let again = vis.clone().retries(2);
    let again =
        again.run(&with_dead_channel(), Objective::unreachable_channels("features.1", [3, 4]));
    let again = again.expect("pictures");
    assert_eq!([0, 1].map(|i| again.get(i).expect("a picture").starts()), [1, 3]);
    assert_eq!(again.get(0).expect("one").tensor(), alive.tensor());

    // A neuron too; the score of a class is none.
    let neurons = (0..8).map(|channel| Objective::neuron("features.1", channel));
    let neurons = vis.run(&with_dead_channel(), neurons).expect("pictures");
    let active = |patterns: &Patterns| patterns.iter().map(Pattern::is_active).collect::<Vec<_>>();
    let above: Vec<bool> = neurons.iter().map(|pattern| pattern.objective() > 0.0).collect();
    assert_eq!(active(&neurons), above);
    assert!(!above[4] && above.contains(&true), "{above:?}");
    let classes = run(&vis, (0..6).map(Objective::class));
    assert!(classes.iter().any(|class| class.objective() < 0.0), "{classes}");
    assert_eq!(active(&classes), [true; 6]);
}

/// What stands under the pictures, as the sheet's options tell.
#[test]
fn names_say_what_is_made_small_and_what_is_subtracted() {
    let channel = || Objective::channel("features.7", 5);
    let class = |target: Target| Objective::class(target);
    for (objective, name) in [
        (channel(), "5"),
        (channel() * 2.0, "5"),
        (-channel(), "−features.7:5"),
        (-Objective::unreachable("features.7", 5), "−features.7:5"),
        (Objective::class("two"), "two"),
        (Objective::class(1), "two"),
        (-Objective::class(1), "−two"),
        (-2.0 * Objective::class("two"), "−2 · two"),
        (class(Target::difference("one", 1)), "one − two"),
        (-class(Target::difference("one", "two")), "−one + two"),
        (class(["one", "two"].into()), "one + two"),
        (Objective::class(0) - 0.5 * Objective::class("two"), "one − 0.5 · two"),
        (Objective::class(0) - channel(), "one − features.7:5"),
    ] {
        let patterns = run(&quick().steps(1), objective);
        assert_eq!(patterns.get(0).expect("one").label(), name);
        assert_eq!(patterns.captions(), [name]);
    }
}

#[test]
fn where_layers_differ_names_say_which() {
    let several = || {
        [
            Objective::channel("features.5", 3),
            Objective::channel("features.7", 3),
            Objective::class("two"),
        ]
    };
    let patterns = run(&quick(), several());
    assert_eq!(patterns.title(), "small");
    let names = ["3 of features.5", "3 of features.7", "two"];
    assert_eq!(patterns.captions(), names);
    let labels: Vec<&str> = patterns.iter().map(Pattern::label).collect();
    assert_eq!(labels, ["3", "3", "two"]);
    let animation = patterns.animation().expect("an animation");
    let last = Sheet::pictures(patterns.pictures()).captions(names).render().expect("a sheet");
    assert_eq!(animation.frames().last().expect("a frame").data(), last.picture.data());
    let text = patterns.loss_curve().bundle().as_text().to_owned();
    assert_eq!(text, "small: 3 of features.5, 3 of features.7, two");
    let rows = quick().rows(&small(), [("some", several())]).expect("a grid");
    assert_eq!(rows.rows()[0].1.captions(), names);
    let one = run(&quick(), Objective::channels("features.5", [3, 4]));
    assert_eq!(one.captions(), ["3", "4"]);
}

#[test]
fn losses_above_0_have_a_logarithmic_axis_and_what_is_always_0_is_named() {
    let vis = FeatureVis::plain_ascent().size(24).steps(4);
    let of = |patterns: &Patterns, title: &str, count: usize| {
        let curves = patterns.iter().take(count);
        let curves = curves.map(|pattern| (pattern.label().to_owned(), pattern.losses().to_vec()));
        Chart::lines(curves).title(title).axes("step", "loss")
    };
    let same = |found: Chart, expected: Chart| {
        assert_eq!(found.bundle().as_text(), expected.bundle().as_text());
        let [found, expected] = [found, expected].map(|chart| chart.picture().expect("a chart"));
        assert_eq!(found.data(), expected.data());
    };
    let half = Objective::unreachable_channels("features.1", [3, 4]);
    let half = vis.run(&with_dead_channel(), half).expect("pictures");
    same(half.loss_curve(), of(&half, "small, features.1; always 0: 4", 1).log_y());
    let none = vis.run(&with_dead_channel(), Objective::unreachable("features.1", 4));
    let none = none.expect("a picture");
    same(none.loss_curve(), of(&none, "small, features.1", 1));
    let below = run(&vis, Objective::channels("features.8", [2, 3]));
    assert!(below.iter().flat_map(Pattern::losses).any(|&loss| loss < 0.0));
    same(below.loss_curve(), of(&below, "small, features.8", 2));
    let ten = run(&vis, Objective::unreachable_channels("features.7", 0..10));
    same(ten.loss_curve(), of(&ten, "small, features.7", 10).log_y());
    let more = run(&vis, Objective::unreachable_channels("features.7", 0..12));
    same(more.loss_curve(), of(&more, "small, features.7: the first 10 of 12", 10).log_y());
}

#[test]
fn another_seed_can_wake_a_channel() {
    // Noise excites it only where its sum happens to be above 3.3 standard deviations.
    let model = small();
    let mut weights = model.weights();
    let bias = weights.get("features.0.bias").expect("a bias").copy();
    let kernel = weights.get("features.0.weight").expect("a kernel").get(4);
    let deviation = (kernel.square().sum(Kind::Float).double_value(&[]) / 3.0).sqrt();
    let _ = bias.get(4).fill_(-3.3 * deviation);
    weights.insert("features.0.bias".into(), bias);
    model.load(&weights).expect("weights");
    let vis = FeatureVis::plain_ascent().size(24).steps(2);
    let starts: Vec<(bool, usize)> = (0..12)
        .map(|seed| {
            let vis = vis.clone().seed(seed).retries(10);
            let patterns = vis.run(&model, Objective::unreachable("features.1", 4));
            let pattern = patterns.expect("a picture").get(0).expect("one").clone();
            (pattern.is_active(), pattern.starts())
        })
        .collect();
    assert!(starts.iter().any(|&(active, starts)| active && starts > 1), "{starts:?}");
}

#[test]
fn a_rate_that_diverges_stops_with_step_and_value_and_keeps_the_last_good_picture() {
    let vis = FeatureVis::plain_ascent().size(24).learning_rate(1e30).steps(20);
    let patterns = run(&vis, Objective::unreachable_channels("features.6", [1, 2]));
    // Where all have diverged no step is left to do: these would take longer than the budget.
    let long = vis.clone().steps(1_000_000).budget(Duration::from_secs(600));
    let long = run(&long, Objective::unreachable_channels("features.6", [1, 2]));
    assert_eq!(long.stopped(), None);
    for pattern in &patterns {
        let divergence = pattern.diverged().expect("it diverges");
        assert!(divergence.step >= 1 && divergence.step < 20);
        assert!(!divergence.loss.is_finite());
        assert_eq!(pattern.losses().len(), divergence.step);
        assert!(floats(&pattern.tensor()).iter().all(|v| v.is_finite()));
        let told = pattern.to_string();
        assert!(told.contains(&format!("diverged after {} steps", divergence.step)), "{told}");
    }
    assert!(patterns.to_string().contains("the picture before"));
}

/// Of the squares of maps, far enough up that they soon have no number.
fn uphill() -> FeatureVis {
    FeatureVis::pixels().optimizer(Optimizer::Sgd { momentum: 0.0 }).learning_rate(1e3).steps(40)
}

#[test]
fn the_picture_before_it_diverged_is_that_of_a_run_of_one_step_less() {
    let vis = uphill().size(24);
    let objectives = || [2.0, 1.0].map(|weight| Objective::layer("features.7") * weight);
    let patterns = run(&vis, objectives());
    for (i, pattern) in patterns.iter().enumerate() {
        let step = pattern.diverged().expect("it diverges").step;
        assert!((3..40).contains(&step), "{step}");
        let before = run(&vis.clone().steps(step - 1), objectives());
        let before = before.get(i).expect("a picture");
        assert_eq!(before.diverged(), None);
        assert_eq!(pattern.tensor(), before.tensor());
        assert_eq!(pattern.losses()[..step - 1], *before.losses());
    }
}

#[test]
fn what_diverges_at_a_later_size_stays_as_it_was_there() {
    // With as many steps at the first size as are good, the next ones are too many.
    let (calm, steep) = (Objective::channel("features.7", 3), Objective::layer("features.7"));
    let first = run(&uphill().size(16), steep.clone()).get(0).expect("one").diverged();
    let steps = first.expect("it diverges").step - 2;
    let vis = uphill().size(16).steps(steps).octaves(3).octave_scale(1.5);
    let both = run(&vis, [calm * 1e-3, steep.clone()]);
    let (calm, steep_one) = (both.get(0).expect("one"), both.get(1).expect("two"));
    assert_eq!((calm.diverged(), calm.losses().len()), (None, 3 * steps));
    assert_eq!(calm.tensor().size(), [1, 3, 36, 36]);
    let step = steep_one.diverged().expect("it diverges").step;
    assert!(step > steps + 1 && step < 2 * steps, "{step} of {steps} a size");
    assert_eq!(steep_one.losses().len(), step);
    // The same in two runs, the second from what the first has become, enlarged.
    let one = run(&uphill().size(16).steps(steps), steep.clone()).tensor().expect("one size");
    let larger = one.upsample_bicubic2d([24, 24], false, None, None);
    let two = run(&uphill().from_values(&larger).steps(step - steps - 1), steep);
    let expected = floats(&two.tensor().expect("one size"));
    assert!(difference(&floats(&steep_one.tensor()), &expected) < 1e-5);
    assert!(both.tensor().is_err(), "their sizes differ");
    assert_eq!(both.captions()[1], format!("layer features.7: diverged at step {step}"));
    assert!(both.picture().is_ok() && both.animation().is_ok());
}

#[test]
fn what_diverges_leaves_its_neighbours_alone() {
    // An objective so steep that its own picture alone goes beyond all bounds.
    let vis = FeatureVis::pixels()
        .size(24)
        .optimizer(Optimizer::Sgd { momentum: 0.0 })
        .learning_rate(0.1)
        .steps(12);
    let calm = Objective::channel("features.7", 3);
    let steep = Objective::layer("features.7") * 1e12;
    let both = run(&vis, [calm.clone(), steep]);
    assert!(both.get(1).expect("two").diverged().is_some());
    let (calm_one, alone) = (both.get(0).expect("one"), run(&vis, calm));
    assert!(calm_one.diverged().is_none());
    assert_eq!(calm_one.losses().len(), 12);
    let expected = floats(&alone.get(0).expect("one").tensor());
    assert!(apart(&calm_one.tensor(), &expected) < 1e-5);
}

#[test]
fn a_network_that_answers_nan_is_an_error_before_the_first_step() {
    let model = small();
    let mut weights = model.weights();
    let bias = weights.get("features.0.bias").expect("a bias").copy();
    let _ = bias.get(4).fill_(f64::NAN);
    weights.insert("features.0.bias".into(), bias);
    model.load(&weights).expect("weights");
    let error = quick().run(&model, Objective::channel("features.2", 1)).expect_err("no picture");
    assert!(error.to_string().contains("NaN before the first step"), "{error}");
}

#[test]
fn bad_input_says_what_was_wrong_and_what_to_do() {
    let channel = |layer: &str, channel| Objective::channel(layer, channel);
    let good = || Objective::channel("features.7", 3);
    for (error, parts) in [
        (failure(&quick(), channel("features.7", 12)), ["no channel 12", "0 to 11"]),
        (failure(&quick(), channel("features.70", 1)), ["no layer", "features.7"]),
        (failure(&quick(), channel("flatten", 1)), ["has no maps", "Objective::neuron"]),
        (failure(&quick(), channel("input", 1)), ["the picture itself", "later layer"]),
        (failure(&quick(), Objective::class("seven")), ["no class", "six"]),
        (failure(&quick(), Objective::class(6)), ["no class 6", "0 to 5"]),
        (
            failure(&quick(), Objective::class(Target::Predicted)),
            ["by its index or name", "Predicted"],
        ),
        (failure(&quick(), Objective::direction("features.7", [1.0])), ["12", "got 1 numbers"]),
        (
            failure(&quick(), Objective::neuron_at("features.7", 1, 30, 0)),
            ["12 rows", "no place 30"],
        ),
        (failure(&quick(), Vec::new()), ["no objective", "nothing to excite"]),
        (failure(&quick(), good() * f64::NAN), ["multiplied by NaN", "finite"]),
        (failure(&quick().size(1), good()), ["too small", "at least 2"]),
        (failure(&quick().size(0), good()), ["1 to 8192 pixels", "0 × 0"]),
        (failure(&quick().size(100_000), good()), ["1 to 8192", "100000"]),
        (failure(&quick().steps(0), good()), ["steps are 1 to", "got 0"]),
        (failure(&quick().octaves(0), good()), ["octaves are 1 to", "got 0"]),
        (failure(&quick().octaves(2).octave_scale(0.5), good()), ["1 to 8 times", "0.5"]),
        (failure(&quick().learning_rate(-1.0), good()), ["above 0", "-1"]),
        (failure(&quick().learning_rate(f64::NAN), good()), ["above 0", "NaN"]),
        (failure(&quick().weight_decay(-1.0), good()), ["0 or more", "-1"]),
        (failure(&quick().noise(f64::INFINITY), good()), ["0 or more", "inf"]),
        (failure(&quick().uniform(2.0, 1.0), good()), ["smaller and a larger", "2 and 1"]),
        (failure(&quick().diversity(1, 1.0), good()), ["2 to 64", "got 1"]),
        (
            failure(&quick().diversity(2, 1.0), Objective::class(1)),
            ["differ in the maps", "spatial layer"],
        ),
        (failure(&quick().transforms([Transform::Jitter(50)]), good()), ["jitter of 50", "larger"]),
        (
            failure(&quick().transforms([Transform::Scale(vec![])]), good()),
            ["Scale([])", "at least"],
        ),
        (failure(&quick().transforms([Transform::Pad(-1)]), good()), ["Pad(-1)", "0 to 4096"]),
        (failure(&quick().regularizer(Regularizer::L1, f64::NAN), good()), ["L1", "NaN"]),
        (
            failure(
                &quick().from_values(&Tensor::zeros([1, 1, 24, 24], tch::kind::FLOAT_CPU)),
                good(),
            ),
            ["[1, 3, height, width]", "[1, 1, 24, 24]"],
        ),
        (
            failure(
                &quick().from_values(&Tensor::zeros([3, 3, 24, 24], tch::kind::FLOAT_CPU)),
                good(),
            ),
            ["one or 1", "[3, 3, 24, 24]"],
        ),
        (
            failure(&quick().diversity(2, 1.0), [good(), Objective::channel("features.5", 1)]),
            ["one layer", "differ"],
        ),
    ] {
        for part in parts {
            assert!(error.contains(part), "{error:?} says nothing of {part:?}");
        }
    }
}

#[test]
fn only_the_front_of_the_network_has_to_fit() {
    // One pixel is left before the pooling, which has no room; features.2 comes before it.
    let vis = FeatureVis::pixels().size(1).steps(2);
    assert!(failure(&vis, Objective::channel("features.5", 1)).contains("too small"));
    assert_eq!(run(&vis, Objective::channel("features.2", 1)).tensor().expect("one").size()[2], 1);
}

#[test]
fn of_two_branches_no_more_has_to_fit_than_up_to_where_they_meet() {
    let mut net = Model::builder("branches", [3, 24, 24]);
    let x = net.input();
    let one = net.add("expand1x1", Conv2d::new(3, 4, 1), &[x]);
    let three = net.add("expand3x3", Conv2d::new(3, 4, 3).padding(1), &[x]);
    let x = net.add("cat", Op::Concat, &[one, three]);
    net.add("pool", Pool2d::max(12), &[x]);
    let model = with_formula_weights(net.build().expect("a network"));
    let vis = FeatureVis::pixels().size(6).steps(3);
    let [one, three, pool] =
        ["expand1x1", "expand3x3", "pool"].map(|layer| Objective::channel(layer, 2));
    let both = vis.run(&model, [one.clone(), three.clone()]).expect("pictures");
    for (pattern, objective) in both.iter().zip([one.clone(), three]) {
        let alone = vis.run(&model, objective).expect("a picture").tensor().expect("one");
        assert!(apart(&pattern.tensor(), &floats(&alone)) < 1e-5, "{pattern}");
    }
    let error = vis.run(&model, [one, pool]).expect_err("too small").to_string();
    assert!(error.contains("too small") && error.contains("at least 12 × 12"), "{error}");
}

#[test]
fn a_network_of_one_size_gets_pictures_of_that_size() {
    let fixed = |h: i64, w: i64| {
        let mut net = Model::builder("fixed", [3, h, w]);
        let x = net.input();
        let x = net.add("conv", Conv2d::new(3, 2, 8).stride(8), &[x]);
        let x = net.add("flatten", Op::Flatten, &[x]);
        net.add("fc", Linear::new(2 * (h / 8) * (w / 8), 3), &[x]);
        with_formula_weights(net.build().expect("a network"))
    };
    let size = |model: &Model, objective: Objective| {
        let patterns = FeatureVis::default().steps(1).run(model, objective);
        patterns.expect("a picture").tensor().expect("one").size()
    };
    let large = fixed(160, 136);
    assert_eq!(size(&large, Objective::class(1)), [1, 3, 160, 136]);
    assert_eq!(size(&large, Objective::channel("conv", 1)), [1, 3, 128, 128]);
    assert_eq!(size(&fixed(24, 24), Objective::class(1)), [1, 3, 24, 24]);
    for (model, side) in [(&large, 128), (&fixed(24, 24), 32)] {
        let error = FeatureVis::default().size(side).run(model, Objective::class(1));
        let error = error.expect_err("another size").to_string();
        for part in [format!("pictures of {side} × {side} pixels: "), "layer \"fc\"".to_owned()] {
            assert!(error.contains(&part), "{error:?} says nothing of {part:?}");
        }
    }
}

#[test]
fn a_time_budget_stops_early_and_says_so() {
    let vis = quick().steps(100_000).budget(Duration::from_millis(1)).listener(|_| {});
    let patterns = run(&vis, Objective::channel("features.7", 3));
    assert!(patterns.get(0).expect("one").losses().len() < 100_000);
    let why = patterns.stopped().expect("it stopped");
    assert!(why.contains("of 100000"), "{why}");
    assert!(patterns.to_string().contains(why));
}

#[test]
fn gradients_are_not_left_behind_and_training_is_noticed() {
    let model = small();
    let make = || quick().run(&model, Objective::channel("features.7", 3)).expect("a picture");
    let first = make();
    assert!(model.weights().values().all(|tensor| !tensor.grad().defined()));
    let probe = Tensor::ones([1], tch::kind::FLOAT_CPU).set_requires_grad(true) * 2.0;
    assert!(probe.requires_grad(), "gradients are recorded as before");
    // In place, as optimisers change them: kept weights notice.
    let _no_grad = tch::no_grad_guard();
    for tensor in model.weights().values_mut() {
        let _ = tensor.g_mul_scalar_(0.5);
    }
    assert_ne!(first.get(0).expect("one").losses(), make().get(0).expect("one").losses());
}

#[test]
fn sheets_curves_animations_and_grids_show_themselves() {
    let model = small();
    let patterns =
        quick().run(&model, Objective::channels("features.7", [3, 11])).expect("pictures");
    let sheet = patterns.bundle();
    assert!(sheet.as_picture().is_some());
    assert!(sheet.as_text().contains("11 of features.7: activation"), "{}", sheet.as_text());
    let dark = patterns.clone().dark().picture().expect("a sheet");
    assert_eq!(dark.to_rgb().get_pixel(0, 0).0, [0; 3]);
    assert_eq!(patterns.picture().expect("a sheet").to_rgb().get_pixel(0, 0).0, [255; 3]);
    let without = patterns.sheet().captions(["", ""]).render().expect("a sheet").picture;
    assert_ne!(patterns.picture().expect("a sheet").data(), without.data(), "names are drawn");
    let white = dark.to_rgb().pixels().filter(|p| p.0 == [255; 3]).count();
    assert!(white > 20, "white labels");
    assert!(patterns.loss_curve().picture().is_ok());
    let grid = quick().layers(&model, ["features.0", "features.5"], 2).expect("a grid");
    assert_eq!(grid.rows().len(), 2);
    assert!(grid.bundle().as_text().contains("1 of features.5"));
    let rows = [("reach", Objective::unreachable_channels("features.5", [7, 9]))];
    let rows = quick().budget(std::time::Duration::ZERO).rows(&model, rows).expect("a grid");
    assert_eq!((rows.rows()[0].0.as_str(), rows.rows()[0].1.len()), ("reach", 2));
    assert!(rows.bundle().as_text().contains("the time was up after step 1"), "{rows}");
    let higher = |grid: &PatternGrid| grid.bundle().as_picture().map(Picture::height);
    let whole =
        quick().steps(1).rows(&model, [("reach", Objective::channels("features.5", [7, 9]))]);
    assert!(higher(&rows) > higher(&whole.expect("a grid")), "the reason stands under the table");
    let none: [(&str, Vec<Objective>); 0] = [];
    assert!(quick().rows(&model, none).expect_err("no rows").to_string().contains("name some"));

    let animation = patterns.animation().expect("an animation");
    // As many as there are steps at most, and the finished picture.
    assert!((2..=16).contains(&animation.frames().len()), "{}", animation.frames().len());
    let still = |file: &[u8]| image::load_from_memory(file).expect("a PNG").to_rgb8();
    let last = animation.frames().last().expect("a frame").to_rgb();
    let folder = tempfile::tempdir().expect("a folder");
    animation.save(folder.path().join("pattern.png")).expect("a file");
    let saved = std::fs::read(folder.path().join("pattern.png")).expect("a file");
    assert!(saved.windows(4).any(|w| w == b"acTL") && saved == animation.to_png());
    assert_eq!(still(&saved), last, "what is saved loses nothing");
    let shown = shown_file(&animation);
    assert!(shown.windows(4).any(|w| w == b"acTL") && shown.len() < saved.len().min(200_000));
    let still = still(&shown);
    let far = still.as_raw().iter().zip(last.as_raw()).map(|(a, b)| f64::from(a.abs_diff(*b)));
    assert!(far.sum::<f64>() / (last.as_raw().len() as f64) < 6.0, "256 colours that suit it");
    let error = quick().frames(0).run(&model, Objective::channel("features.7", 3));
    let error = error.expect("a picture").animation().expect_err("no frames");
    assert!(error.to_string().contains("frames(16)"), "{error}");
}

/// The file that a notebook stores.
fn shown_file(animation: &Animation) -> Vec<u8> {
    let (mime, content) = animation.bundle().entries().swap_remove(0);
    assert_eq!(mime, "image/png");
    base64::engine::general_purpose::STANDARD.decode(content).expect("base64")
}

#[test]
fn an_animation_keeps_to_its_bytes() {
    let noise = |p: usize| {
        let value = |i: usize| (127.5 * (peers::formula::formula(i, p) + 1.0)) as u8;
        Picture::rgb(400, 300, (0..360_000).map(value).collect()).expect("a picture")
    };
    let animation = Animation::new((0..4).map(noise)).expect("an animation");
    let width = |file: &[u8]| image::load_from_memory(file).expect("a PNG").width();
    let bytes = shown_file(&animation).len();
    assert!((100_000..=200_000).contains(&bytes), "{bytes}: four pictures and a still one");
    let less = shown_file(&animation.byte_budget(120_000));
    assert!((60_000..=120_000).contains(&less.len()), "{}", less.len());
    assert!((160..400).contains(&width(&less)));
    // What is saved has any size, unless it has a budget, too.
    let saved = animation.to_png();
    assert!(width(&saved) == 400 && saved.len() > 1_000_000, "{} bytes", saved.len());
    let less = animation.byte_budget(1_000_000).to_png();
    assert!((500_000..=1_000_000).contains(&less.len()), "{}", less.len());
    assert!((160..400).contains(&width(&less)));
    let error = Animation::new(vec![noise(0), noise(1).resized(10, 10).expect("a picture")]);
    assert!(error.expect_err("two sizes").to_string().contains("one size"));
    assert!(
        Animation::new(&[] as &[Picture]).expect_err("none").to_string().contains("no pictures")
    );
}

#[test]
fn a_photo_is_dreamt_further_at_its_own_proportions() {
    let photo = Photo::open("assets/photos/cat.png").expect("a photo");
    let vis = FeatureVis::dream(&photo).size(24).octaves(2).steps(2).transforms([]);
    let patterns = vis.run(&small(), Objective::layer("features.6")).expect("a dream");
    let picture = patterns.get(0).expect("one").picture();
    assert_eq!(picture.height(), 33);
    let expected = f64::from(photo.width()) / f64::from(photo.height());
    let found = f64::from(picture.width()) / f64::from(picture.height());
    assert!((found - expected).abs() < 0.06, "{found} {expected}");
    // With no step to speak of, the photo itself comes back, its detail included.
    for parametrization in
        [Parametrization::Pixels, Parametrization::Sigmoid, Parametrization::Fourier]
    {
        let still = vis.clone().parametrization(parametrization).learning_rate(1e-9);
        let still = still.run(&small(), Objective::layer("features.6")).expect("a dream");
        let still = still.get(0).expect("one").picture();
        let whole = Preprocess::exact(i64::from(still.height()), i64::from(still.width()));
        let expected = whole.seen(&photo).expect("the photo");
        let most = still.to_rgb().iter().zip(expected.iter()).map(|(a, b)| a.abs_diff(*b)).max();
        // Colours are kept within 1 to 99 per cent, so that they have finite logits.
        let allowed = if parametrization == Parametrization::Pixels { 1 } else { 4 };
        assert!(most <= Some(allowed), "{parametrization:?}: {most:?}");
    }
}

#[test]
fn grey_networks_get_grey_pictures() {
    let mut net = Model::builder("grey", [1, 16, 16]);
    let x = net.input();
    net.chain("features", ops![Conv2d::new(1, 4, 3), Op::Relu], x);
    let model = net.build().expect("a network");
    let patterns = FeatureVis::default().size(16).steps(3).run(&model, Objective::channel(1, 2));
    let picture = patterns.expect("a picture").get(0).expect("one").picture().to_rgb();
    assert!(picture.pixels().all(|p| p.0[0] == p.0[1] && p.0[1] == p.0[2]));
}
