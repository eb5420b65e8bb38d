//! Metrics against torchcam, Quantus, pytorch-grad-cam, captum and ADCC's authors, on networks by formula.
//! tests/reference/make_metrics.py made the numbers, and its first lines say what each key is.

#[path = "methods/networks.rs"]
#[allow(dead_code, reason = "the methods' tests take more of them")]
mod networks;
mod peers;

use std::collections::BTreeMap;

use convlens::attribution::{Case, Evidence, Meaning, Reduction};
use convlens::metric::{Better, Curve, Trial, agreement, rank_correlation, ssim, trust_by};
use convlens::prelude::*;
use convlens::{Error, Result};
use serde_json::Value;

use peers::{difference, floats, formula_photo, read_case, with_formula_weights};

/// A network, its photo 0, and what its peers say.
struct Numbers {
    name: &'static str,
    look: Look,
    index: Value,
    values: BTreeMap<String, Vec<f32>>,
}

/// A method that returns what it was given.
struct Given(Tensor);

impl Attribution for Given {
    fn name(&self) -> String {
        "given".into()
    }

    fn target(&self) -> Target {
        Target::Predicted
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let contributions = self.0.repeat([case.count() as i64, 1, 1, 1]);
        let layer = (self.0.size()[1] == 1).then(|| "given".to_owned());
        let (reduction, meaning) = (Reduction::Sum, Meaning::Positive);
        Ok(Evidence {
            contributions,
            reduction,
            meaning,
            layer,
            remarks: Vec::new(),
            segments: Vec::new(),
        })
    }
}

fn given(height: i64, width: i64, value: impl Fn(i64, i64) -> f32) -> Given {
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
    let values: Vec<f32> = places.map(|(y, x)| value(y, x)).collect();
    Given(Tensor::from_slice(&values).view([1, 1, height, width]))
}

impl Numbers {
    fn read(name: &'static str) -> Numbers {
        let model = match name {
            "residual" => networks::residual(),
            _ => networks::branches(),
        };
        let (index, values) = read_case("metrics", name);
        let model = with_formula_weights(model);
        let [_, h, w] = model.input_shape();
        let number = |key: &str| index[key].as_f64().expect("a number");
        let photo = formula_photo([h, w], 0, number("low")..number("high"));
        let look = model.look_input(&photo).expect("a look");
        Numbers { name, look, index, values }
    }

    fn all() -> [Numbers; 2] {
        ["residual", "branches"].map(Numbers::read)
    }

    fn layer(&self) -> &str {
        self.index["layer"].as_str().expect("a layer")
    }

    /// One of the maps of the file, or its values for each channel.
    fn given(&self, key: &str) -> Given {
        let [_, h, w] = self.look.model().input_shape();
        Given(Tensor::from_slice(&self.values[key]).view([1, -1, h, w]))
    }

    fn maps(&self) -> impl Iterator<Item = (&str, Given)> {
        let names = self.values.keys().filter_map(|key| key.strip_prefix("map/"));
        names.map(|name| (name, self.given(&format!("map/{name}"))))
    }

    fn compare(&self, key: &str, found: &[f64]) {
        self.compare_within(1e-5, key, found);
    }

    fn compare_within(&self, tolerance: f64, key: &str, found: &[f64]) {
        let expected = self.values.get(key).unwrap_or_else(|| panic!("{} has no {key}", self.name));
        let found: Vec<f32> = found.iter().map(|&value| value as f32).collect();
        let error = difference(&found, expected);
        assert!(
            f64::from(error) < tolerance,
            "{} {key}: {error}, {found:?} for {expected:?}",
            self.name
        );
    }

    fn measured(&self, metric: &dyn Metric, method: &dyn Attribution) -> f64 {
        self.look.measure(metric, method).expect("a value").expect("a value")
    }
}

#[test]
fn deletion_and_insertion_are_torchcams() {
    for numbers in Numbers::all() {
        let mut compared = 0;
        for (name, map) in numbers.maps() {
            for substrate in ["zero", "one", "blur"] {
                macro_rules! compare {
                    ($metric:ident, $called:literal) => {
                        let metric = match substrate {
                            "zero" => $metric::default().baseline(0.0),
                            "one" => $metric::default().baseline(1.0),
                            _ => $metric::default().blurred(),
                        };
                        let key = format!("{}/{name}/{substrate}", $called);
                        let curve = metric.curve(&numbers.look, &map).expect("a curve");
                        let scores: Vec<f64> = curve.points().iter().map(|(_, y)| *y).collect();
                        numbers.compare(&format!("{key}/curve"), &scores);
                        numbers.compare(&key, &[curve.area()]);
                        assert_eq!(numbers.measured(&metric, &map), curve.area());
                        compared += 1;
                    };
                }
                compare!(Deletion, "deletion");
                compare!(Insertion, "insertion");
            }
        }
        assert_eq!(compared, 24);
    }
}

#[test]
fn drop_and_increase_are_torchcams_and_pytorch_grad_cams() {
    let mut increased = 0.0;
    for numbers in Numbers::all() {
        for (name, map) in numbers.maps() {
            let drop = numbers.measured(&AverageDrop::default(), &map);
            numbers.compare(&format!("average_drop/{name}"), &[drop]);
            // pytorch-grad-cam does not divide by the probability.
            let whole = Trial::new(&numbers.look, &map).and_then(|t| t.confidence());
            numbers.compare(&format!("drop/{name}"), &[drop * whole.expect("a probability")]);
            let increase = numbers.measured(&Increase::default(), &map);
            numbers.compare(&format!("increase/{name}"), &[increase]);
            increased += increase;
        }
    }
    assert!(increased > 0.0, "no map increases the confidence: the test tests nothing");
}

#[test]
fn adcc_is_its_authors() {
    for numbers in Numbers::all() {
        let method = GradCam::at(numbers.layer());
        let found = numbers.measured(&Adcc::default(), &method);
        numbers.compare(&format!("adcc/{}", numbers.layer()), &[found]);
    }
}

#[test]
fn road_is_pytorch_grad_cams() {
    for numbers in Numbers::all() {
        let map = numbers.given("map/waves");
        let road = Road::default().percentiles([30.0, 50.0, 90.0]);
        for (key, road) in
            [("most", road.most_relevant()), ("least", road.least_relevant()), ("both", road)]
        {
            numbers.compare(&format!("road/waves/{key}"), &[numbers.measured(&road, &map)]);
        }
    }
}

/// pytorch-grad-cam removes all pixels of a value or none: of a map that is 0 in most places, and so at the percentile, it
/// would remove every pixel, and no equation has a solution then. Here the share holds.
#[test]
fn road_removes_its_share_of_a_map_with_many_zeros() {
    let numbers = Numbers::read("residual");
    let map = given(32, 32, |y, x| f32::from(u8::from(y < 4 && x < 4)));
    let value = numbers.measured(&Road::default().percentiles([20.0]), &map);
    assert!(value.is_finite() && value.abs() <= 0.5, "{value}");
}

#[test]
fn infidelity_is_captums() {
    for numbers in Numbers::all() {
        for name in ["odd", "gradient"] {
            let map = numbers.given(&format!("channels/{name}"));
            let metric = Infidelity::default().samples(8);
            let key = format!("infidelity/{name}");
            // A mean of squares of differences between scores in single precision.
            numbers.compare_within(5e-5, &key, &[numbers.measured(&metric, &map)]);
            let plain = numbers.measured(&metric.as_they_are(), &map);
            numbers.compare_within(5e-5, &format!("{key}/plain"), &[plain]);
        }
    }
}

#[test]
fn max_sensitivity_is_captums() {
    for numbers in Numbers::all() {
        let metric = MaxSensitivity::default().samples(4);
        let found = numbers.measured(&metric, &Saliency::default());
        numbers.compare("sensitivity/saliency", &[found]);
        let found = numbers.measured(&metric, &GradCam::at(numbers.layer()));
        // A map changes by a five-hundredth of itself, of which single precision knows the rest.
        numbers.compare_within(5e-5, &format!("sensitivity/{}", numbers.layer()), &[found]);
    }
}

#[test]
fn where_a_map_lies_and_how_much_it_marks_are_quantus_s() {
    for numbers in Numbers::all() {
        let [_, h, w] = numbers.look.model().input_shape().map(|side| side as usize);
        let left = Region::rectangle(h, w, 0..h, 0..w / 2).expect("a region");
        let inner = Region::rectangle(h, w, 5..15, 10..20).expect("a region");
        for (name, map) in numbers.maps() {
            for (region, inside) in [("left", &left), ("box", &inner)] {
                let hit = numbers.measured(&PointingGame::inside([inside]), &map);
                numbers.compare(&format!("pointing_game/{name}/{region}"), &[hit]);
                let share = numbers.measured(&Energy::inside([inside]), &map);
                numbers.compare(&format!("energy/{name}/{region}"), &[share]);
            }
            let gini = numbers.measured(&Sparseness::default(), &map);
            numbers.compare(&format!("sparseness/{name}"), &[gini]);
            let entropy = numbers.measured(&Complexity::default(), &map);
            numbers.compare(&format!("complexity/{name}"), &[entropy]);
        }
    }
}

#[test]
fn maps_are_as_alike_as_scipy_and_scikit_image_say() {
    for numbers in Numbers::all() {
        let [_, h, w] = numbers.look.model().input_shape().map(|side| side as usize);
        let map = |name: &str| {
            let values = numbers.values[&format!("map/{name}")].clone();
            Maps::new(1, h, w, values).expect("a map")
        };
        for pair in [["waves", "signed"], ["signed", "spots"], ["spots", "rest"], ["rest", "waves"]]
        {
            let (one, other) = (map(pair[0]), map(pair[1]));
            let key = format!("alike/{}/{}", pair[0], pair[1]);
            let rank = rank_correlation(&one, &other).expect("a correlation");
            numbers.compare(&format!("{key}/rank"), &[rank]);
            numbers.compare(&format!("{key}/ssim"), &[ssim(&one, &other).expect("a similarity")]);
        }
    }
}

#[test]
fn randomisation_is_quantus_s() {
    for numbers in Numbers::all() {
        let cam = GradCam::at(numbers.layer());
        let methods: [(&str, &dyn Attribution); 2] =
            [("saliency", &Saliency::default()), ("grad_cam", &cam)];
        for (name, method) in methods {
            for order in ["cascading", "independent"] {
                let metric = match order {
                    "cascading" => Randomisation::default(),
                    _ => Randomisation::default().independent(),
                };
                let steps = metric.run(&numbers.look, method).expect("steps");
                let key = format!("randomised/{order}/{name}");
                let ranks: Vec<f64> =
                    steps.rank_correlations().iter().map(|rank| rank.expect("a map")).collect();
                // Values that are nearly one change places in single precision, each by a rank.
                numbers.compare_within(2e-4, &key, &ranks);
                let similar: Vec<f64> = steps.similarities().iter().map(|v| v.unwrap()).collect();
                numbers.compare(&format!("{key}/ssim"), &similar);
                let value = match order {
                    "cascading" => ranks[ranks.len() - 1],
                    _ => ranks.iter().sum::<f64>() / ranks.len() as f64,
                };
                assert!((numbers.measured(&metric, method) - value).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn a_randomised_network_leaves_the_trained_one_as_it_is() {
    let numbers = Numbers::read("residual");
    let model = numbers.look.model();
    let before: Vec<f32> = model.weights().into_iter().flat_map(|(_, t)| floats(&t)).collect();
    let random = model.randomised(["fc", "conv1"], 3).expect("a network");
    assert_eq!(random.layers().names(), model.layers().names());
    let after: Vec<f32> = model.weights().into_iter().flat_map(|(_, t)| floats(&t)).collect();
    assert_eq!(before, after);
    let changed = |layer: &str| {
        let weight = |model: &Model| floats(&model.parameters(layer).expect("a layer")[0].1);
        weight(model) != weight(&random)
    };
    assert_eq!(["conv1", "block1.conv1", "fc"].map(changed), [true, false, true]);
    let names =
        |model: &Model| model.weights().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(model), names(&random));
    for (layers, keyword) in [(["relu1"], "no parameters"), (["nowhere"], "nowhere")] {
        let error = model.randomised(layers, 0).expect_err("no such layer").to_string();
        assert!(error.contains(keyword), "{error}");
    }
}

/// All metrics with few steps.
fn metrics(region: &Region) -> Vec<Box<dyn Metric>> {
    vec![
        Box::new(Deletion::default().steps(3)),
        Box::new(Insertion::default().steps(3)),
        Box::new(AverageDrop::default()),
        Box::new(Increase::default()),
        Box::new(Adcc::default()),
        Box::new(Road::default().percentiles([80.0])),
        Box::new(Infidelity::default().samples(2)),
        Box::new(MaxSensitivity::default().samples(2)),
        Box::new(PointingGame::inside([region])),
        Box::new(Energy::inside([region])),
        Box::new(Sparseness::default()),
        Box::new(Complexity::default()),
        Box::new(Randomisation::default()),
    ]
}

#[test]
fn metrics_leave_gradients_and_their_mode_alone() {
    let numbers = Numbers::read("residual");
    let region = Region::rectangle(32, 32, 0..32, 0..16).expect("a region");
    let check = |on: bool| {
        for metric in metrics(&region) {
            numbers.measured(&*metric, &GradCam::default());
            let recorded = Tensor::ones([1], tch::kind::FLOAT_CPU).set_requires_grad(true) * 2.0;
            assert_eq!(recorded.requires_grad(), on, "{}", metric.name());
            let given = numbers.look.model().weights();
            assert!(given.iter().all(|(_, tensor)| !tensor.grad().defined()), "{}", metric.name());
        }
    };
    tch::no_grad(|| check(false));
    tch::with_grad(|| check(true));
}

#[test]
fn metrics_of_rows_of_numbers_are_those_that_need_no_photo() {
    let mut net = Model::builder("numbers", [6]);
    let x = net.input();
    net.chain("net", ops![Linear::new(6, 8), Op::Relu, Linear::new(8, 3)], x);
    let model = net.build().expect("a network");
    let row = Tensor::from_slice(&[1.0f32, -2.0, 0.5, 3.0, 0.1, -0.7]).view([1, 6]);
    let look = model.look_input(&row).expect("a look");
    let method = InputXGradient::default();
    let curve = Deletion::default().steps(3).curve(&look, &method).expect("a curve");
    assert_eq!(curve.points().len(), 4);
    for metric in [
        &AverageDrop::default() as &dyn Metric,
        &Infidelity::default().samples(2),
        &MaxSensitivity::default().samples(2),
        &Sparseness::default(),
        &Randomisation::default(),
    ] {
        look.measure(metric, &method).expect("a value");
    }
    for metric in [&Road::default() as &dyn Metric, &Insertion::default()] {
        let error = look.measure(metric, &method).expect_err("no photo");
        assert!(
            matches!(&error, Error::Argument(text) if text.contains("row of numbers")),
            "{error}"
        );
    }
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let numbers = Numbers::read("residual");
    let look = &numbers.look;
    let map = given(8, 8, |y, x| (y + x) as f32);
    let refused = |metric: &dyn Metric, method: &dyn Attribution, keyword: &str| {
        let error = look.measure(metric, method).expect_err(keyword);
        assert!(matches!(error, Error::Argument(_) | Error::Shape(_)), "{error:?}");
        assert!(error.to_string().contains(keyword), "{error}, without {keyword:?}");
    };
    let small = Region::rectangle(8, 8, 0..8, 0..4).expect("a region");
    let none = Region::from_fn(32, 32, |_, _| false).expect("a region");
    let no_regions: [Region; 0] = [];
    for (metric, keyword) in [
        (&Deletion::default().steps(0) as &dyn Metric, "1 or more"),
        (&Deletion::default().baseline(f64::NAN), "finite"),
        (&MaxSensitivity::default().samples(0), "1 or more"),
        (&MaxSensitivity::default().samples(usize::MAX), "runs the network"),
        (&MaxSensitivity::default().radius(f64::INFINITY), "radius"),
        (&Infidelity::default().samples(1_000_000), "runs the network 1000000 times"),
        (&Infidelity::default().deviation(-1.0), "deviation"),
        (&Road::default().percentiles([]), "1 or more"),
        (&Road::default().percentiles([100.0]), "below 100"),
        (&Road::default().percentiles([f64::NAN]), "below 100"),
        (&PointingGame::inside([&small]), "8 × 8"),
        (&Energy::inside([&small]), "8 × 8"),
        (&Energy::inside([&none]), "no pixel"),
        (&PointingGame::inside(&no_regions), "no region"),
        (&Randomisation::default().layers(["relu1"]), "no parameters"),
        (&Randomisation::default().layers(Vec::<String>::new()), "at least one"),
    ] {
        refused(metric, &map, keyword);
    }
    let region = Region::rectangle(32, 32, 0..32, 0..16).expect("a region");
    for metric in metrics(&region) {
        let broken = given(8, 8, |_, x| if x == 3 { f32::NAN } else { 1.0 });
        refused(&*metric, &broken, "not finite");
        refused(&*metric, &GradCam::default().class(6), "classes 0 to 5");
    }
    let pixel = given(1, 1, |_, _| 1.0);
    for metric in
        [&Deletion::default() as &dyn Metric, &AverageDrop::default(), &Sparseness::default()]
    {
        refused(metric, &pixel, "single pixel");
    }
}

#[test]
fn a_baseline_that_is_the_photo_itself_is_refused() {
    let numbers = Numbers::read("residual");
    let grey = Tensor::full([1, 3, 32, 32], 0.25, tch::kind::FLOAT_CPU);
    let look = numbers.look.model().look_input(&grey).expect("a look");
    let error = Deletion::default().baseline(0.25).curve(&look, &GradCam::default());
    let error = error.expect_err("nothing changes");
    assert!(matches!(&error, Error::Argument(text) if text.contains("photo itself")), "{error}");
    Deletion::default().curve(&look, &GradCam::default()).expect("zeros are not the photo");
}

#[test]
fn a_curve_that_says_nothing_says_so() {
    let mut net = Model::builder("constant", [3, 8, 8]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 4, 3).padding(1), &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(4, 2), &[x]);
    let model = net.build().expect("a network");
    let mut weights = model.weights();
    let fc = weights.get("fc.weight").expect("a weight").zeros_like();
    weights.insert("fc.weight".into(), fc);
    model.load(&weights).expect("weights");
    let photo = formula_photo([8, 8], 0, 0.0..1.0);
    let look = model.look_input(&photo).expect("a look");
    let flat = given(8, 8, |_, _| 1.0);
    let curve: Curve = Deletion::default().curve(&look, &flat).expect("a curve");
    let remarks = curve.remarks().join("\n");
    assert!(remarks.contains("saturated") && remarks.contains("row by row"), "{remarks}");
    assert!(curve.bundle().as_text().contains("saturated"));
}

/// A photo for networks of 32 × 32.
fn photos(count: usize) -> Vec<Photo> {
    let photo = |n: usize| {
        let pixels = (0..32 * 32 * 3).map(|i| ((i * (7 + 3 * n)) % 251) as u8).collect();
        Photo::from_picture(&Picture::rgb(32, 32, pixels).expect("a picture"))
    };
    (0..count).map(photo).collect()
}

#[test]
fn trust_is_a_table_of_means_and_spreads() {
    let model = with_formula_weights(networks::residual());
    let photos = photos(3);
    let methods: [&dyn Attribution; 3] =
        [&GradCam::default(), &Saliency::default(), &given(4, 4, |y, x| (y * 4 + x) as f32)];
    let metrics: [&dyn Metric; 3] =
        [&Deletion::default().steps(4), &AverageDrop::default(), &Randomisation::default()];
    let table = trust_by(&model, &photos, &methods, &metrics).expect("a table");
    assert_eq!((table.methods().len(), table.metrics().len()), (3, 3));
    for (i, method) in methods.iter().enumerate() {
        for (j, metric) in metrics.iter().enumerate() {
            let each = photos.iter().map(|photo| {
                let look = model.look(photo).expect("a look");
                look.measure(*metric, *method).expect("a value").expect("a value")
            });
            let each: Vec<f64> = each.collect();
            let found: Vec<f64> = table.values(i, j).iter().map(|v| v.expect("a value")).collect();
            assert!(
                each.iter().zip(&found).all(|(a, b)| (a - b).abs() < 1e-6),
                "{each:?} {found:?}"
            );
            let mean = each.iter().sum::<f64>() / 3.0;
            assert!((table.mean(i, j).expect("a mean") - mean).abs() < 1e-6);
            let squares: f64 = each.iter().map(|v| (v - mean).powi(2)).sum();
            let spread = table.spread(i, j).expect("a spread");
            assert!((spread - (squares / 2.0).sqrt()).abs() < 1e-6);
        }
    }
    // The given map is the same for any weights.
    assert_eq!(table.mean(2, 2), Some(1.0));
    let words = table.words().join("\n");
    let given = table.words().iter().find(|line| line.starts_with("given")).expect("words on it");
    assert!(given.contains("hardly changes when the network's weights are randomised"), "{words}");
    assert!(table.random(0).is_some() && table.random(2).is_none());
    let (text, html) = (table.to_string(), table.bundle().to_html());
    assert!(text.contains("3 photos") && text.contains("±") && text.contains('*'), "{text}");
    assert!(html.contains("<b>") && html.contains("a map at random"), "{html}");
}

/// A metric that has these values for a method, and the second ones for a map at random.
struct Valued([f64; 4], [f64; 4]);

impl Metric for Valued {
    fn name(&self) -> String {
        "value".into()
    }

    fn better(&self) -> Better {
        Better::Higher
    }

    fn measure(&self, trial: &Trial) -> Result<Option<f64>> {
        let random = trial.method().name() == "a map at random";
        Ok(Some(if random { self.1 } else { self.0 }[trial.photo()]))
    }
}

#[test]
fn a_method_is_told_from_a_map_at_random_photo_by_photo() {
    let model = with_formula_weights(networks::residual());
    let photos = photos(4);
    let random = [0.5, 2.5, 2.0, 3.0];
    let words = |count: usize, values: [f64; 4]| {
        let given = given(4, 4, |y, x| (y * 4 + x) as f32);
        let table = trust_by(&model, &photos[..count], &[&given], &[&Valued(values, random)]);
        table.expect("a table").words().join("\n")
    };
    // The means differ in the same way in both; the differences of the first are those of `statistics`' test.
    let chance = words(4, [1.0, 2.0, 4.0, 3.5]);
    assert!(chance.contains("on so few photos (2.62, at random 2, p = 0.31)"), "{chance}");
    let shown = words(4, [1.0, 3.2, 2.6, 3.7]);
    assert!(shown.contains("nothing here speaks against given"), "{shown}");
    let worse = words(4, [0.4, 2.5, 2.0, 3.0]);
    assert!(worse.contains("is no better than a map at random"), "{worse}");
    let one = words(1, [1.0; 4]);
    assert!(one.contains("one photo does not show what differs by chance"), "{one}");
    assert!(!chance.contains("one photo"), "{chance}");
}

#[test]
fn trust_says_what_it_could_not_measure() {
    let model = with_formula_weights(networks::residual());
    let photos = photos(2);
    let broken = given(4, 4, |_, _| f32::NAN);
    let table = trust_by(
        &model,
        &photos[..1],
        &[&GradCam::default(), &broken],
        &[&AverageDrop::default(), &Sparseness::default()],
    )
    .expect("a table");
    assert_eq!((table.mean(1, 0), table.mean(1, 1)), (None, None));
    let words = table.words().join("\n");
    assert!(words.contains("given: ") && words.contains("not finite"), "{words}");
    assert!(!table.to_string().contains('±'));
    let error = table.spread(0, 0).expect_err("one photo");
    assert!(matches!(&error, Error::Argument(text) if text.contains("two photos")), "{error}");
    assert!(table.spread(7, 7).is_err() && table.mean(7, 7).is_none());

    let none: [Photo; 0] = [];
    let drop = AverageDrop::default();
    for (result, keyword) in [
        (trust_by(&model, &none, &[&GradCam::default()], &[&drop]), "no photos"),
        (trust_by(&model, &photos, &[], &[&drop]), "no methods"),
        (trust_by(&model, &photos, &[&GradCam::default()], &[]), "no metrics"),
        (trust_by(&model, &photos, &[&broken], &[&drop]), "not finite"),
    ] {
        let error = result.map(|_| ()).expect_err(keyword);
        assert!(matches!(&error, Error::Argument(text) if text.contains(keyword)), "{error}");
    }
}

#[test]
fn methods_that_agree_are_no_two_witnesses() {
    let model = with_formula_weights(networks::residual());
    let rising = given(4, 4, |y, x| (y * 4 + x) as f32);
    let twice = given(4, 4, |y, x| 2.0 * (y * 4 + x) as f32);
    let falling = given(4, 4, |y, x| (16 - y * 4 - x) as f32);
    let pairs = agreement(&model, photos(2), &[&rising, &twice, &falling]).expect("pairs");
    assert!(pairs.rank(0, 1).expect("a pair") > 0.999 && pairs.ssim(0, 1).expect("a pair") > 0.999);
    assert!(pairs.rank(2, 0).expect("a pair") < 0.0);
    assert_eq!((pairs.rank(1, 1), pairs.rank(0, 3)), (Some(1.0), None));
    assert!(pairs.to_string().contains("no two witnesses"), "{pairs}");
    let alone = agreement(&model, photos(1), &[&rising]).expect_err("one method");
    assert!(matches!(&alone, Error::Argument(text) if text.contains("two methods")), "{alone}");
}

#[test]
fn maps_of_two_sizes_are_not_compared() {
    let map =
        |h: usize, w: usize, value: f32| Maps::new(1, h, w, vec![value; h * w]).expect("a map");
    let error = rank_correlation(&map(8, 8, 1.0), &map(8, 9, 1.0)).expect_err("two sizes");
    assert!(matches!(&error, Error::Shape(text) if text.contains("8 × 9")), "{error}");
    let error = ssim(&map(6, 8, 1.0), &map(6, 8, 1.0)).expect_err("small");
    assert!(matches!(&error, Error::Shape(text) if text.contains("7 × 7")), "{error}");
    let error = ssim(&map(8, 8, f32::NAN), &map(8, 8, 1.0)).expect_err("NaN");
    assert!(matches!(&error, Error::Argument(text) if text.contains("NaN")), "{error}");
    assert_eq!(rank_correlation(&map(8, 8, 1.0), &map(8, 8, 1.0)).expect("flat"), 0.0);
    assert_eq!(ssim(&map(8, 8, 1.0), &map(8, 8, 3.0)).expect("flat"), 1.0);
}

#[test]
fn results_are_saved_as_pictures_and_as_numbers() {
    let numbers = Numbers::read("residual");
    let folder = tempfile::tempdir().expect("a folder");
    let curve = Deletion::default().steps(4).curve(&numbers.look, &GradCam::default());
    let curve = curve.expect("a curve");
    let steps = Randomisation::default().layers(["fc", "conv1"]);
    let steps = steps.run(&numbers.look, &GradCam::default()).expect("steps");
    let table = trust_by(
        numbers.look.model(),
        photos(1),
        &[&GradCam::default()],
        &[&Sparseness::default() as &dyn Metric],
    );
    let table = table.expect("a table");
    let path = |name: &str| folder.path().join(name);
    for result in [
        curve.save(path("curve.png")),
        curve.save(path("curve.csv")),
        steps.save(path("steps.png")),
        steps.save(path("steps.csv")),
        table.save(path("table.html")),
        table.save(path("table.txt")),
        table.save(path("table.csv")),
    ] {
        result.expect("a file");
    }
    let lines = |name: &str| std::fs::read_to_string(path(name)).expect("text").lines().count();
    assert_eq!((lines("curve.csv"), lines("steps.csv"), lines("table.csv")), (6, 3, 2));
    assert!(table.save(path("table.xyz")).is_err() && curve.save(path("curve.xyz")).is_err());
    assert_eq!(Sparseness::default().better(), Better::Neither);
}
