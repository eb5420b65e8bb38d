//! Concepts against pytorch-grad-cam, xplique and captum, on networks by formula. tests/reference/make_concepts.py and
//! make_craft.py made the numbers, and their first lines say what each key is.

#[path = "methods/networks.rs"]
#[allow(dead_code, reason = "the methods' tests take more of them")]
mod networks;
mod peers;

use std::collections::BTreeMap;
use std::ops::Range;

use convlens::Error;
use convlens::prelude::*;
use serde_json::Value;

use peers::formula::formula;
use peers::{difference, floats, formula_photo, read_case, read_numbers, with_formula_weights};

/// A network and what its peers say.
struct Numbers {
    name: &'static str,
    model: Model,
    index: Value,
    values: BTreeMap<String, Vec<f32>>,
}

impl Numbers {
    fn read(name: &'static str) -> Numbers {
        let model = match name {
            "residual" => networks::residual(),
            _ => networks::branches(),
        };
        let (index, mut values) = read_case("concepts", name);
        values.append(&mut read_numbers(&format!("concepts/{name}_craft.safetensors")));
        Numbers { name, model: with_formula_weights(model), index, values }
    }

    fn all() -> [Numbers; 2] {
        ["residual", "branches"].map(Numbers::read)
    }

    fn layer(&self) -> &str {
        self.index["layer"].as_str().expect("a layer")
    }

    fn number(&self, key: &str) -> f64 {
        self.index[key].as_f64().expect("a number")
    }

    fn class(&self) -> i64 {
        self.number("class") as i64
    }

    fn photo(&self, n: usize) -> Tensor {
        let [_, h, w] = self.model.input_shape();
        formula_photo([h, w], n, self.number("low")..self.number("high"))
    }

    /// As an array, which nothing is rounded in.
    fn bands(photo: &Tensor) -> Bands {
        Bands::from_tensor(&photo.squeeze_dim(0)).expect("an array")
    }

    fn photos(&self, places: Range<usize>) -> Vec<Bands> {
        places.map(|n| Numbers::bands(&self.photo(n))).collect()
    }

    fn folder(&self, places: Range<usize>) -> ImageFolder {
        ImageFolder::of_arrays([("photos", self.photos(places))]).expect("photos")
    }

    fn expected(&self, key: &str) -> &[f32] {
        self.values.get(key).unwrap_or_else(|| panic!("{} has no {key}", self.name))
    }

    fn compare(&self, key: &str, found: &[f32]) {
        let error = difference(found, self.expected(key));
        assert!(error < 1e-5, "{} {key}: {error}, {found:?}", self.name);
    }
}

fn singles(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

#[test]
fn deep_feature_factorization_is_pytorch_grad_cams() {
    for numbers in Numbers::all() {
        let method = DeepFeatureFactorization::at(numbers.layer());
        let method = method.concepts(numbers.number("concepts") as usize);
        for count in [1, 3] {
            let photos: Vec<Tensor> = (0..count).map(|n| numbers.photo(n)).collect();
            let looks = numbers.model.look_inputs(&Tensor::cat(&photos, 0)).expect("looks");
            let found = looks.factorize(&method).expect("factors");
            let key = format!("dff/{count}");
            let vectors = singles(&found.vectors().concat());
            numbers.compare(&format!("{key}/concepts"), &vectors);
            let maps = (0..count).flat_map(|i| found.on(i).expect("maps").maps().values().to_vec());
            numbers.compare(&format!("{key}/maps"), &maps.collect::<Vec<_>>());
            let mut shares = Vec::new();
            for concept in 0..found.count() {
                let mut classes = found.classes(concept).to_vec();
                classes.sort_by_key(|class| class.class);
                shares.extend(classes.iter().map(|class| class.probability as f32));
            }
            numbers.compare(&format!("{key}/classes"), &shares);
            if count == 1 {
                let look = numbers.model.look_input(&photos[0]).expect("a look");
                let alone = look.factorize(&method).expect("factors");
                assert_eq!(alone.vectors(), found.vectors());
            }
        }
    }
}

#[test]
fn craft_is_xpliques() {
    for numbers in Numbers::all() {
        let craft = Craft::at(numbers.layer()).class(numbers.class()).concepts(3).crop(12);
        let found = craft.find(&numbers.model, &numbers.folder(0..5)).expect("concepts");
        let expected = numbers.expected("craft/importances");
        let mut order: Vec<usize> = (0..3).collect();
        order.sort_by(|&a, &b| expected[b].total_cmp(&expected[a]));
        // Back to the peer's order.
        let place = |raw: usize| order.iter().position(|&other| other == raw).expect("a place");
        let raw = |values: &[f64]| singles(&(0..3).map(|i| values[place(i)]).collect::<Vec<_>>());
        let bank: Vec<f64> = (0..3).flat_map(|i| found.vector(place(i))).collect();
        numbers.compare("craft/bank", &singles(&bank));
        numbers.compare("craft/importances", &raw(found.importances()));
        for (concept, raw) in order.iter().enumerate() {
            let amounts = numbers.expected("craft/amounts").iter().skip(*raw).step_by(3);
            let mut best: Vec<f32> = amounts.copied().collect();
            best.sort_by(|a, b| b.total_cmp(a));
            let crops = found.crops(concept);
            assert_eq!(crops.len(), 8);
            let kept: Vec<f32> = crops.iter().map(|(.., amount)| *amount as f32).collect();
            assert!(difference(&kept, &best[..8]) < 1e-5, "{kept:?} for {best:?}");
            assert!(crops.iter().all(|(crop, ..)| (crop.width(), crop.height()) == (12, 12)));
        }
        let look = numbers.model.look_input(&numbers.photo(5)).expect("a look");
        let maps = found.on(&look).expect("maps");
        let maps: Vec<f32> =
            (0..3).flat_map(|i| maps.maps().map(place(i)).expect("a map").to_vec()).collect();
        numbers.compare("craft/photo", &maps);
        numbers.compare("craft/local", &raw(&found.importances_on(&look).expect("indices")));
    }
}

/// The sets of make_concepts.py: two concepts, and four random sets.
fn sets(numbers: &Numbers) -> (ImageFolder, ImageFolder) {
    let [_, h, w] = numbers.model.input_shape();
    let range = numbers.number("low")..numbers.number("high");
    let turned = (8..16).map(|n| {
        let photo = formula_photo([w, h], n, range.clone());
        Numbers::bands(&photo.transpose(2, 3))
    });
    let concepts = [("waves", numbers.photos(0..8)), ("steep", turned.collect())];
    let noisy = |n: usize, seed: usize| {
        let photo = numbers.photo(n);
        let noise: Vec<f64> = (0..photo.numel()).map(|i| formula(i, 100 + seed)).collect();
        let size = (photo.max() - photo.min()) / 2.0;
        let noise =
            Tensor::from_slice(&noise).reshape(photo.size()) * size.to_kind(tch::Kind::Double);
        Numbers::bands(&(photo.to_kind(tch::Kind::Double) + noise).to_kind(tch::Kind::Float))
    };
    let random = (0..4).map(|r| {
        let set = (0..8).map(|n| noisy(20 + 8 * r + n, 8 * r + n));
        (format!("random {r}"), set.collect::<Vec<_>>())
    });
    let folders = (ImageFolder::of_arrays(concepts), ImageFolder::of_arrays(random));
    (folders.0.expect("concepts"), folders.1.expect("random sets"))
}

#[test]
fn tcav_is_captums_with_scikit_learns_logistic_regression() {
    for numbers in Numbers::all() {
        let (concepts, random) = sets(&numbers);
        let tcav = Tcav::at(numbers.layer()).class(numbers.class());
        let photos = numbers.folder(60..72);
        let found = tcav.test(&numbers.model, &concepts, &random, &photos).expect("a test");
        for concept in found.concepts() {
            let name = concept.name();
            let each = concept.scores().into_iter().zip(concept.magnitudes());
            for (r, ((score, magnitude), accuracy)) in each.zip(concept.accuracies()).enumerate() {
                let key = format!("tcav/{name}/{r}");
                let expected = numbers.expected(&key);
                assert_eq!(score as f32, expected[0], "{} {key}", numbers.name);
                // A mean of sensitivities on both sides of 0, in single precision: what is left of them multiplies what
                // rounding took.
                let error = (magnitude as f32 - expected[1]).abs() / expected[1].abs();
                assert!(error < 5e-5, "{} {key}: {magnitude}, {expected:?}", numbers.name);
                numbers.compare(&format!("{key}/accuracy"), &[accuracy as f32]);
            }
            let test = [concept.t().expect("a test"), concept.p().expect("a test")];
            numbers.compare(&format!("tcav/{name}/test"), &singles(&test));
        }
        let expected: Vec<f32> =
            (0..4).map(|r| numbers.expected(&format!("tcav/random/{r}"))[0]).collect();
        assert_eq!(singles(found.random_scores()), expected);
        let cav = &found.concepts()[0].directions()[0];
        numbers.compare("tcav/waves/0/cav", &floats(&cav.to_kind(tch::Kind::Float)));
    }
}

/// What is in the photo's red channel is one concept, and what is in the blue another.
fn red_and_blue() -> (Model, Photo) {
    let mut net = Model::builder("colours", [3, 16, 16]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 3, 1).without_bias(), &[x]);
    let x = net.add("relu", Op::Relu, &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(3, 2), &[x]);
    let model = net.build().and_then(|m| m.classes(["red", "blue"])).expect("a network");
    let mut weights = Weights::new();
    weights
        .insert("conv.weight".into(), Tensor::eye(3, tch::kind::FLOAT_CPU).reshape([3, 3, 1, 1]));
    weights.insert(
        "fc.weight".into(),
        Tensor::from_slice(&[1f32, 0.0, -1.0, -1.0, 0.0, 1.0]).reshape([2, 3]),
    );
    weights.insert("fc.bias".into(), Tensor::zeros([2], tch::kind::FLOAT_CPU));
    model.load(&weights).expect("weights");
    let pixel = |i: usize| if i % 16 < 8 { [220, 0, 0] } else { [0, 0, 220] };
    let picture = Picture::rgb(16, 16, (0..256).flat_map(pixel).collect()).expect("a picture");
    (model, Photo::from_picture(&picture))
}

#[test]
fn each_place_has_the_colour_of_its_strongest_concept_and_the_legend_its_classes() {
    let (model, photo) = red_and_blue();
    let look = model.look(&photo).expect("a look");
    let found = look.factorize(&DeepFeatureFactorization::at("relu").concepts(2)).expect("factors");
    let maps = found.on(0).expect("maps");
    let top: Vec<&str> = (0..2).map(|i| found.classes(i)[0].name.as_str()).collect();
    let left = top.iter().position(|name| *name == "red").expect("a concept for red");
    assert_eq!(top[1 - left], "blue");
    assert!(maps.maps().map(left).expect("a map")[0] > 0.0);
    assert!(maps.maps().map(left).expect("a map")[15] < 1e-3);
    assert!(maps.names()[left].contains("red"), "{:?}", maps.names());
    // The photo, a gap, and the photo under the colours.
    let picture = maps.picture().expect("a picture").to_rgb();
    let side = (picture.width() - 8) / 2;
    let at = |x: u32| picture.get_pixel(side + 8 + x, side / 2).0;
    let [first, second] = [at(side / 8), at(side - side / 8)];
    let colours = [[230, 75, 45], [30, 110, 230]];
    for (found, colour) in [(first, colours[left]), (second, colours[1 - left])] {
        let off = (0..3).map(|c| found[c].abs_diff(colour[c])).max();
        assert!(off < Some(40), "{found:?} for {colour:?}");
    }
    let text = found.bundle().as_text().to_owned();
    assert!(text.contains("2 concepts") && text.contains("blue"), "{text}");
}

fn refused<T>(found: convlens::Result<T>, shape: bool, words: &[&str]) {
    let error = found.err().unwrap_or_else(|| panic!("not refused: {words:?}"));
    match (&error, shape) {
        (Error::Shape(_), true) | (Error::Argument(_), false) => {}
        other => panic!("{other:?}"),
    }
    let text = error.to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{text} without {words:?}");
}

/// Refusals leave the gradient mode as it is.
fn in_both_modes(refusals: impl Fn()) {
    let recorded =
        || (Tensor::ones([1], tch::kind::FLOAT_CPU).set_requires_grad(true) * 2.0).requires_grad();
    refusals();
    assert!(recorded());
    tch::no_grad(|| {
        refusals();
        assert!(!recorded());
    });
}

#[test]
fn what_cannot_be_factorised_is_refused() {
    let numbers = Numbers::read("residual");
    let look = numbers.model.look_input(&numbers.photo(0)).expect("a look");
    let method = |layer: &str, count| DeepFeatureFactorization::at(layer).concepts(count);
    in_both_modes(|| {
        refused(look.factorize(&method("block1", 0)), false, &["1 or more"]);
        refused(look.factorize(&method("block1", 9)), false, &["8 channels", "block1"]);
        refused(look.factorize(&method("avgpool", 1)), true, &["more than one pixel", "avgpool"]);
        refused(look.factorize(&method("fc", 1)), true, &["fc"]);
        let odd = Tensor::full([1, 3, 32, 32], f64::NAN, tch::kind::FLOAT_CPU);
        let odd = numbers.model.look_input(&odd).expect("a look");
        refused(odd.factorize(&method("block1", 2)), false, &["nothing to explain"]);
    });
    let unknown = look.factorize(&method("blck1", 2)).expect_err("no such layer");
    assert!(matches!(unknown, Error::NotFound { .. }), "{unknown}");
    assert!(look.factorize(&method("block1", 8)).is_ok());
    let (model, _) = red_and_blue();
    let flat =
        model.look_input(&Tensor::ones([1, 3, 16, 16], tch::kind::FLOAT_CPU)).expect("a look");
    refused(flat.factorize(&method("relu", 2)), false, &["same at all places"]);
}

#[test]
fn what_craft_cannot_find_concepts_in_is_refused() {
    let numbers = Numbers::read("residual");
    let (model, photos) = (&numbers.model, numbers.folder(0..2));
    let craft = Craft::at("block1").class(0).concepts(3).designs(2);
    in_both_modes(|| {
        refused(craft.concepts(0).find(model, &photos), false, &["1 or more"]);
        refused(craft.concepts(9).find(model, &photos), false, &["8 channels"]);
        refused(craft.crop(32).find(model, &photos), false, &["2 crops"]);
        refused(craft.crop(33).find(model, &photos), false, &["33", "1 to 32"]);
        refused(craft.crop(0).find(model, &photos), false, &["1 to 32"]);
        refused(craft.designs(1).find(model, &photos), false, &["2 designs or more"]);
        refused(craft.class(6).find(model, &photos), false, &["0 to 5"]);
        refused(craft.find(model, &photos.first(0)), false, &["no photos"]);
        let signed = Craft::at("block1.bn2").concepts(3);
        refused(signed.find(model, &photos), false, &["negative", "rectifier"]);
        refused(Craft::at("avgpool").find(model, &photos), true, &["more than one pixel"]);
        let many = ImageFolder::of_arrays([("many", vec![&numbers.photos(0..1)[0]; 60])]);
        let many = many.expect("photos");
        refused(craft.crop(1).find(model, &many), false, &["61440 crops", "first"]);
    });
    let found = craft.find(model, &photos).expect("concepts");
    assert!(found.vector(3).is_empty() && found.crops(3).is_empty());
    let (other, photo) = red_and_blue();
    assert!(found.on(&other.look(&photo).expect("a look")).is_err());
}

#[test]
fn what_tcav_cannot_test_is_refused() {
    let numbers = Numbers::read("residual");
    let (model, photos) = (&numbers.model, numbers.folder(60..62));
    let (concepts, random) = sets(&numbers);
    let tcav = Tcav::at("block1").class(0);
    in_both_modes(|| {
        let two = random.classes(["random 0", "random 1"]).expect("classes");
        refused(tcav.test(model, &concepts, &two, &photos), false, &["3 random sets", "in_parts"]);
        refused(
            tcav.test(model, &concepts.first(1), &random, &photos),
            false,
            &["waves", "2 or more"],
        );
        refused(tcav.test(model, &concepts, &random.first(1), &photos), false, &["random 0"]);
        refused(tcav.test(model, &concepts, &random, &photos.first(0)), false, &["no photos"]);
        refused(tcav.class(6).test(model, &concepts, &random, &photos), false, &["0 to 5"]);
        let large = Numbers::bands(&formula_photo([40, 40], 0, 0.0..1.0));
        let large = ImageFolder::of_arrays([("large", vec![&large; 2])]).expect("photos");
        let large = large.preprocess(Preprocess::keep());
        refused(tcav.test(model, &large, &random, &photos), true, &["one size", "exact"]);
        refused(tcav.test(model, &concepts, &random, &large), true, &["one size", "exact"]);
        let unknown = Tcav::at("blck1").test(model, &concepts, &random, &photos);
        assert!(matches!(unknown, Err(Error::NotFound { .. })));
    });
}

#[test]
fn a_layer_that_the_score_follows_from_in_a_straight_line_has_nothing_to_test_by() {
    let numbers = Numbers::read("residual");
    let (concepts, random) = sets(&numbers);
    // All photos are equally sensitive: every score is 0 or 1. Against equal sets, all are the same.
    let same = ImageFolder::of_arrays((0..3).map(|r| (format!("r{r}"), numbers.photos(20..24))));
    let concept = concepts.classes(["waves"]).expect("a concept");
    let tcav = Tcav::at("flatten").class(numbers.class());
    let photos = numbers.folder(60..62);
    let found = tcav.test(&numbers.model, &concept, &same.expect("sets"), &photos).expect("a test");
    assert_eq!(found.concepts()[0].p(), None);
    assert!(!found.concepts()[0].is_significant());
    assert!(found.words()[0].contains("cannot be tested"), "{:?}", found.words());
    let found = tcav.test(&numbers.model, &concept, &random, &photos).expect("a test");
    assert!(found.concepts()[0].scores().iter().all(|score| [0.0, 1.0].contains(score)));
}

#[test]
fn one_folder_becomes_several_sets() {
    let numbers = Numbers::read("residual");
    let parts = numbers.folder(0..5).in_parts(3);
    assert_eq!(parts.class_names(), ["photos 1", "photos 2", "photos 3"]);
    assert_eq!(parts.counts(), [2, 2, 1]);
    assert_eq!(numbers.folder(0..2).in_parts(5).counts(), [1, 1]);
}
