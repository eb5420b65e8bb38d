//! Arrays of any number of bands: files, what a network sees of them, explanations against torchvision and
//! captum, and what is shown. tests/reference/make_bands.py made the numbers and the TIFF files.

#[allow(dead_code, unused_imports, reason = "an array is no photo")]
#[path = "peers/mod.rs"]
mod peers;

use std::collections::BTreeMap;
use std::fs;

use convlens::Error;
use convlens::picture::{NAN, Picture};
use convlens::prelude::*;
use serde_json::Value;

use peers::{difference, floats, read_case, reference, with_formula_weights};

const FLOAT: (tch::Kind, tch::Device) = tch::kind::FLOAT_CPU;

/// The network of the numbers.
fn five() -> Model {
    let mut net = Model::builder("five", [5, 24, 24]);
    let x = net.input();
    let x = net.add("conv1", Conv2d::new(5, 8, 3).stride(2).padding(1), &[x]);
    let x = net.add("relu1", Op::Relu, &[x]);
    let x = net.add("conv2", Conv2d::new(8, 12, 3).padding(1), &[x]);
    let x = net.add("relu2", Op::Relu, &[x]);
    let x = net.add("avgpool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(12, 4), &[x]);
    with_formula_weights(net.build().expect("a network"))
}

/// The array of the numbers, the network as it prepares arrays, and what the peers say.
struct Reference {
    scene: Bands,
    model: Model,
    index: Value,
    values: BTreeMap<String, Vec<f32>>,
}

impl Reference {
    fn read() -> Reference {
        let (index, values) = read_case("bands", "five");
        let of = |key: &str| numbers(&index, key);
        let (mean, deviation) = (of("mean"), of("deviation"));
        let value = |c: usize, y: usize, x: usize| {
            let (xf, yf) = (x as f64, y as f64);
            let wave = (0.21 * xf + 0.13 * yf + c as f64).sin() * (0.07 * xf - 0.17 * yf).cos();
            (mean[c] + 2.0 * deviation[c] * wave) as f32
        };
        let values_of =
            (0..5).flat_map(|c| (0..40).flat_map(move |y| (0..52).map(move |x| (c, y, x))));
        let scene = values_of.map(|(c, y, x)| value(c, y, x)).collect();
        let scene = Bands::from_maps(&Maps::new(5, 40, 52, scene).expect("maps")).titled("scene");
        let preprocess = Preprocess::shorter(28).crop(24).normalize(&mean, &deviation);
        Reference { scene, model: five().with_preprocess(&preprocess), index, values }
    }

    fn compare(&self, key: &str, found: &[f32]) {
        let step =
            if found.len() > 200 { self.index["thin"].as_u64().expect("a number") } else { 1 };
        let found: Vec<f32> = found.iter().copied().step_by(step as usize).collect();
        // Ours runs in single precision, the peers in double.
        let error = difference(&found, &self.values[key]);
        assert!(error < 1e-5, "{key}: {error}");
    }
}

fn numbers(index: &Value, key: &str) -> Vec<f64> {
    let list = index[key].as_array().expect("a list");
    list.iter().map(|value| value.as_f64().expect("a number")).collect()
}

#[test]
fn an_array_is_prepared_as_torchvision_does() {
    let case = Reference::read();
    let input = case.model.look_array(&case.scene).expect("a look").layer("input").expect("it");
    assert_eq!(input.tensor().size(), [1, 5, 24, 24]);
    case.compare("input", &floats(&input.tensor()));
    let cubic = case.model.preprocess().bicubic().apply_array(&case.scene).expect("an input");
    case.compare("input/bicubic", &floats(&cubic));
    // Where nothing is resized or normalised, the numbers stay.
    let kept = Preprocess::keep().apply_array(&case.scene).expect("an input");
    assert_eq!(floats(&kept), case.scene.maps().expect("maps").values());
}

#[test]
fn its_explanations_are_captums() {
    let case = Reference::read();
    let look = case.model.look_array(&case.scene).expect("a look");
    case.compare("logits", &floats(&look.logits().expect("logits")));
    let raw = |method: &dyn Attribution| look.explain(method).expect("a map").raw().to_vec();
    let channels = |method: &dyn Attribution| {
        look.explain(method).expect("a map").channels().values().to_vec()
    };
    for layer in ["relu1", "relu2"] {
        case.compare(&format!("grad_cam/{layer}"), &raw(&GradCam::at(layer).class(1)));
    }
    case.compare("saliency", &channels(&Saliency::default().class(1)));
    case.compare("guided", &channels(&GuidedBackprop::default().class(1)));
    case.compare("input_x_gradient", &channels(&InputXGradient::default().class(1)));
    let path = IntegratedGradients::default().class(1).steps(50);
    let windows = Occlusion::default().class(1).window(8).stride(5);
    case.compare("integrated_gradients", &channels(&path));
    case.compare("occlusion", &raw(&windows));
    let dark = numbers(&case.index, "dark");
    case.compare("integrated_gradients/dark", &channels(&path.baseline(dark.clone())));
    case.compare("occlusion/dark", &raw(&windows.baseline(dark)));
}

#[test]
fn every_method_explains_it_over_the_bands_that_were_chosen() {
    let case = Reference::read();
    let look = case.model.look_array(&case.scene.view_as([3, 2, 1])).expect("a look");
    let grey = case.model.look_array(&case.scene.view_as([4])).expect("a look");
    // Whether they are drawn over the bands, and at which size.
    let methods: [(bool, usize, Box<dyn Attribution>); 32] = [
        (true, 12, Box::new(Cam::default())),
        (true, 12, Box::new(GradCam::default())),
        (true, 12, Box::new(GradCamPlusPlus::default())),
        (true, 12, Box::new(HiResCam::default())),
        (true, 12, Box::new(GradCamElementWise::default())),
        (true, 12, Box::new(XGradCam::default())),
        (true, 12, Box::new(LayerCam::default())),
        (true, 12, Box::new(EigenCam::default())),
        (true, 12, Box::new(EigenGradCam::default())),
        (true, 12, Box::new(ScoreCam::at("relu2"))),
        (true, 12, Box::new(AblationCam::default())),
        (true, 12, Box::new(SmoothGradCamPlusPlus::default().samples(3))),
        (true, 12, Box::new(SsCam::at("relu2").samples(2))),
        (true, 12, Box::new(IsCam::at("relu2").steps(2))),
        (true, 12, Box::new(FinerCam::default())),
        (true, 12, Box::new(ShapleyCam::default())),
        (true, 12, Box::new(KpcaCam::default())),
        (true, 12, Box::new(Fem::at("relu1"))),
        (true, 12, Box::new(SegEigenCam::default())),
        (true, 24, Box::new(FullGrad::default())),
        (true, 24, Box::new(BlurIntegratedGradients::default().steps(5))),
        (
            true,
            24,
            Box::new(ExpectedGradients::over(&Tensor::zeros([1, 5, 24, 24], tch::kind::FLOAT_CPU))),
        ),
        (false, 24, Box::new(SmoothGrad::new(Saliency::default()).samples(3).variance())),
        (true, 24, Box::new(Augmented::new(GradCam::default()))),
        (true, 24, Box::new(Fused::mean(["relu1", "relu2"].map(GradCam::at)))),
        (true, 24, Box::new(InputXGradient::default())),
        (true, 24, Box::new(IntegratedGradients::default())),
        (true, 24, Box::new(Occlusion::default().baseline([0.0, 0.0, 0.0, 0.0, -30.0]))),
        (false, 24, Box::new(Saliency::default())),
        (false, 24, Box::new(SmoothGrad::new(Saliency::default()).samples(3))),
        (true, 24, Box::new(Deconvolution::default())),
        (true, 24, Box::new(GuidedGradCam::default())),
    ];
    for (over, side, method) in methods {
        let name = method.name();
        let heat = look.explain(&method).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((heat.height(), heat.width()), (side, side), "{name}");
        assert!(heat.raw().iter().any(|&value| value != 0.0), "{name} says nothing");
        let picture = heat.bundle().as_picture().expect("a picture").clone();
        // With the caption below.
        let plain = heat.picture().expect("a picture");
        assert!(picture.width() >= plain.width() && picture.height() > plain.height(), "{name}");
        let caption = heat.caption();
        let bands = ", over bands 3, 2, 1 as red, green, blue";
        assert_eq!(caption.ends_with(bands), over, "{caption}");
        assert!(heat.bundle().as_text().starts_with(&caption));
        // What lies under it are these bands: over others it is another picture.
        let other = grey.explain(&method).expect("a heat map");
        assert_eq!(other.raw(), heat.raw(), "{name}");
        assert_eq!(other.caption().ends_with(", over band 4 in grey"), over, "{name}");
        let same = other.picture().expect("one").data() == heat.picture().expect("one").data();
        assert_eq!(same, !over, "{name}");
    }
    assert!(look.layer("conv1").expect("maps").overlay(0).is_ok());
    assert_eq!(look.predictions(4).expect("predictions").rows().len(), 4);
    let region = Region::rectangle(40, 52, 0..40, 0..26).expect("a region");
    assert_eq!(look.seen_region(&region).expect("a region").inside().len(), 24 * 24);
}

#[test]
fn several_arrays_run_together() {
    let case = Reference::read();
    let other = case.scene.maps().expect("maps");
    let other = other.values().iter().map(|value| value * 0.9).collect();
    let other = Bands::from_maps(&Maps::new(5, 40, 52, other).expect("maps"));
    let looks = case.model.look_at_arrays([&case.scene, &other]).expect("looks");
    let one = case.model.look_array(&other).expect("a look");
    let [both, alone] =
        [looks.get(1).expect("a look"), one].map(|look| look.logits().expect("logits"));
    // A batch may be computed in another order.
    assert!(difference(&floats(&both), &floats(&alone)) < 1e-5);
    for method in [&GradCam::default() as &dyn Attribution, &IntegratedGradients::default()] {
        let together = looks.explain(method).expect("maps");
        assert_eq!(together.len(), 2);
        for (array, heat) in [&case.scene, &other].into_iter().zip(&together) {
            let look = case.model.look_array(array).expect("a look");
            let alone = look.explain(method).expect("a map");
            assert!(difference(heat.raw(), alone.raw()) < 1e-5, "{}", method.name());
            assert_eq!(heat.caption(), alone.caption());
        }
    }
    let none: [Bands; 0] = [];
    assert!(matches!(case.model.look_at_arrays(none), Err(Error::Argument(_))));
}

#[test]
fn tiffs_of_many_bands_are_read() {
    let values = |less: f32| -> Vec<f32> {
        let places = (0..7).flat_map(|c| (0..5).flat_map(move |y| (0..6).map(move |x| (c, y, x))));
        places.map(|(c, y, x)| (30 * c + 5 * y + x) as f32 - less).collect()
    };
    for (name, less) in [("u8", 0.0), ("u16", 0.0), ("i16", 100.0), ("f32", 0.0)] {
        let path = reference(&format!("bands/{name}.tif"));
        let bands = Bands::open(&path).unwrap_or_else(|error| panic!("{error}"));
        let maps = bands.maps().expect("maps");
        assert_eq!((maps.count(), maps.height(), maps.width()), (7, 5, 6), "{name}");
        assert_eq!(maps.values(), values(less), "{name}");
        assert_eq!(bands.title(), name);
        let whole = fs::read(&path).expect("a file");
        for length in (0..whole.len() / 2).step_by(11) {
            let cut = Bands::from_bytes(&whole[..length]);
            assert!(matches!(cut, Err(Error::Image(_))), "{name}, {length}: {cut:?}");
        }
        let text = Photo::open(&path).expect_err("no photo").to_string();
        assert!(text.contains("7 bands") && text.contains("Bands::open"), "{text}");
    }
    // More strips than can be counted: its planes of 2³¹ rows, one a strip.
    let mut file = fs::read(reference("bands/f32.tif")).expect("a file");
    for (tag, value) in [(257u16, 1u32 << 31), (278, 1)] {
        let at = file.windows(2).skip(8).position(|pair| pair == tag.to_be_bytes());
        let at = at.expect("a tag") + 8;
        // A field of 32 bits.
        file[at + 2..at + 4].copy_from_slice(&4u16.to_be_bytes());
        file[at + 8..at + 12].copy_from_slice(&value.to_be_bytes());
    }
    assert!(message(Bands::from_bytes(&file)).contains("a damaged or unsupported TIFF file"));
    // As a photo its colours are enough; as numbers, what is beside them must not be lost.
    assert!(Photo::open(reference("bands/rgb.tif")).is_ok());
    let text = Bands::open(reference("bands/rgb.tif")).expect_err("four bands").to_string();
    assert!(text.contains("1 more numbers") && text.contains("MINISBLACK"), "{text}");
}

#[test]
fn an_npy_has_its_bands_first_or_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("scene.npy");
    let case = Reference::read();
    let first = case.scene.maps().expect("maps");
    first.save_npy(&path).expect("a file");
    let expected = case.model.look_array(&case.scene).and_then(|look| look.logits());
    let expected = floats(&expected.expect("logits"));
    let logits = |array: &Bands| {
        let look = case.model.look_array(array).unwrap_or_else(|error| panic!("{error}"));
        floats(&look.logits().expect("logits"))
    };
    let opened = Bands::open(&path).expect("an array");
    assert_eq!((logits(&opened), opened.title()), (expected.clone(), "scene"));
    let tensor = Tensor::from_slice(first.values()).reshape([5, 40, 52]).permute([1, 2, 0]);
    let last = Bands::from_tensor(&tensor).expect("an array");
    assert_eq!(logits(&last), expected);
    assert_eq!(logits(&last.bands_last()), expected);
    let text = message(case.model.look_array(&last.bands_first()));
    assert!(text.contains("takes 5 channels") && text.contains("has 40 of them"), "{text}");
    // Both sides would do.
    let both = Bands::from_tensor(&Tensor::rand([5, 30, 5], FLOAT)).expect("an array");
    let text = message(five().look_array(&both));
    assert!(text.contains(".bands_first() or .bands_last()"), "{text}");
    assert!(Preprocess::exact(24, 24).apply_array(&both.bands_last()).is_ok());
    // One band needs no side, whatever its width.
    let mut grey = Model::builder("grey", [1, 8, 8]);
    let x = grey.input();
    grey.add("conv", Conv2d::new(1, 2, 3), &[x]);
    let grey = grey.build().expect("a network");
    let flat = Bands::from_tensor(&Tensor::rand([9, 1], FLOAT)).expect("an array");
    assert_eq!(flat.maps().expect("maps").count(), 1);
    assert!(grey.look_array(&flat).is_ok());
}

fn message<T>(result: convlens::Result<T>) -> String {
    match result {
        Ok(_) => panic!("it was taken"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_cannot_be_looked_at_says_why() {
    let case = Reference::read();
    let refused = |array: &Bands, parts: &[&str]| {
        let text = message(case.model.look_array(array));
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    };
    refused(&case.scene.view_as([5, 2, 1]), &["scene", "no band 5", "from 0 to 4"]);
    refused(&case.scene.view_as([1, 2]), &["three bands", "[1, 2]"]);
    refused(&case.scene.view_as([]), &["three bands", "[]"]);
    let seven = Bands::from_tensor(&Tensor::rand([7, 30, 30], FLOAT)).expect("an array");
    refused(&seven, &["takes 5 channels", "[7, 30, 30]", "7 or 30 of them"]);
    let mut odd = case.scene.maps().expect("maps").values().to_vec();
    odd[40 * 52 + 3 * 52 + 7] = f32::NAN;
    odd[40 * 52 + 3 * 52 + 8] = f32::INFINITY;
    let odd = Bands::from_maps(&Maps::new(5, 40, 52, odd).expect("maps")).titled("clouds");
    refused(&odd, &["clouds", "2 of the 10400 values", "band 1, row 3, column 7"]);
    let empty = Bands::from_maps(&Maps::new(5, 0, 3, Vec::new()).expect("maps"));
    refused(&empty, &["5 bands of 0 × 3", "no values"]);
    assert!(empty.bundle().as_picture().is_none());
    let none = Bands::from_tensor(&Tensor::zeros([3, 4, 0], FLOAT)).expect("an array");
    assert!(none.bundle().as_picture().is_none() && none.bands_last().maps().is_ok());

    let means = |mean: &[f64], deviation: &[f64]| {
        let preprocess = Preprocess::exact(24, 24).normalize(mean, deviation);
        message(case.model.with_preprocess(&preprocess).look_array(&case.scene))
    };
    assert!(
        means(&[0.5; 3], &[0.5; 3]).contains("3 means and 3 deviations to normalise 5 channels")
    );
    assert!(means(&[0.5; 5], &[0.5; 4]).contains("5 means and 4 deviations"));
    assert!(means(&[0.5; 5], &[0.5, 0.5, 0.0, 0.5, 0.5]).contains("positive"));
    let text = message(Preprocess::keep().normalize([0.5; 5], [0.5; 5]).apply(&photo()));
    assert!(text.contains("5 means"), "{text}");

    // A photo is no array, and says what is.
    assert!(message(case.model.look(&photo())).contains("look_array"));
    let dark = Occlusion::default().baseline([1.0, 2.0]);
    let look = case.model.look_array(&case.scene).expect("a look");
    assert!(message(look.explain(&dark)).contains("each of the 5 channels"));
    let white = Occlusion::default().baseline([255, 255, 255]);
    assert!(message(look.explain(&white)).contains("or one for each"));
    // Of a prepared input, too, first what is wrong with the input.
    let text = message(case.model.look_input(&Tensor::rand([1, 3, 24, 24], FLOAT)));
    assert!(text.contains("takes [photos, 5"), "{text}");

    for tensor in [Tensor::rand([5], FLOAT), Tensor::rand([2, 5, 8, 8], FLOAT)] {
        assert!(matches!(Bands::from_tensor(&tensor), Err(Error::Shape(_))));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cut.npy");
    case.scene.maps().and_then(|maps| maps.save_npy(&path)).expect("a file");
    let whole = fs::read(&path).expect("a file");
    fs::write(&path, &whole[..whole.len() - 1]).expect("a file");
    let text = message(Bands::open(&path));
    assert!(text.contains("cut.npy") && text.contains("ends at byte"), "{text}");
    assert!(message(Bands::open(folder.path().join("none.tif"))).contains("cannot be read"));
    assert!(message(Bands::from_bytes(b"")).contains("holds no numbers"));
}

fn photo() -> Photo {
    Photo::from_image(&image::DynamicImage::new_rgb8(30, 30)).expect("a photo")
}

#[test]
fn the_bands_that_are_shown_are_chosen_and_named() {
    let case = Reference::read();
    let caption = |look: &Look| look.bundle().as_text().to_owned();
    let natural = case.scene.view_as([3, 2, 1]);
    let look = case.model.look_array(&natural).expect("a look");
    assert!(caption(&look).ends_with("sees it, bands 3, 2, 1 as red, green, blue"));
    assert_eq!((look.photo().width(), look.photo().title()), (52, "scene"));
    assert_eq!((look.seen().width(), look.seen().height()), (24, 24));
    let grey = case.model.look_array(&case.scene.view_as(vec![4])).expect("a look");
    assert!(caption(&grey).ends_with("band 4 in grey"));
    assert!(grey.seen().data().chunks(3).all(|p| p[0] == p[1] && p[1] == p[2]));
    let mean = case.model.look_array(&case.scene).expect("a look");
    assert!(caption(&mean).ends_with("the mean of 5 bands in grey"));
    // The network may choose, too, where the array does not.
    let infrared = case.model.preprocess().view_as([4, 3, 2]);
    let model = case.model.with_preprocess(&infrared);
    assert!(caption(&model.look_array(&case.scene).expect("a look")).contains("bands 4, 3, 2"));
    assert!(caption(&model.look_array(&natural).expect("a look")).contains("bands 3, 2, 1"));
    let input = look.layer("input").expect("it").tensor();
    assert!(caption(&model.look_input(&input).expect("a look")).contains("bands 4, 3, 2"));
    assert!(caption(&case.model.look_input(&input).expect("a look")).contains("mean of 5 bands"));
    let shown = |bands: &Bands| bands.bundle();
    assert!(shown(&natural).as_text().contains("scene, 52 × 40, bands 3, 2, 1"));
    let three = Bands::from_tensor(&Tensor::rand([3, 8, 9], FLOAT)).expect("an array");
    assert!(shown(&three).as_text().contains("bands 0, 1, 2 as red, green, blue"));
    assert!(shown(&natural.view_as([9])).as_picture().is_none());
    // What is not finite can be seen before it is an error.
    let holes = Bands::from_maps(&Maps::new(1, 1, 2, vec![f32::NAN, 1.0]).expect("maps"));
    let picture: Picture = shown(&holes).as_picture().expect("a picture").clone();
    assert!(picture.to_rgb().pixels().any(|pixel| pixel.0 == NAN));
}

#[test]
fn pictures_for_a_channel_have_all_bands_and_show_those_that_were_chosen() {
    let case = Reference::read();
    let vis = FeatureVis::default().size(24).steps(8);
    let patterns = |preprocess: &Preprocess| {
        let model = case.model.with_preprocess(preprocess);
        vis.run(&model, Objective::channel("relu2", 3)).expect("a picture")
    };
    let plain = patterns(case.model.preprocess());
    let bands = plain.get(0).expect("a picture").tensor();
    assert_eq!(bands.size(), [1, 5, 24, 24]);
    // Each of them was made, and excites the channel.
    for band in 0..5 {
        assert!(bands.select(1, band).std(true).double_value(&[]) > 0.0, "band {band}");
    }
    let losses = plain.get(0).expect("a picture").losses().to_vec();
    assert!(losses.last() < losses.first(), "{losses:?}");
    let shown = |chosen: [usize; 3]| {
        let patterns = patterns(&case.model.preprocess().view_as(chosen));
        let one = patterns.get(0).expect("a picture");
        assert_eq!(floats(&one.tensor()), floats(&bands), "the same is made, whatever is shown");
        one.picture()
    };
    let grey = |picture: &Picture| picture.data().chunks(3).all(|p| p[0] == p[1] && p[1] == p[2]);
    assert!(grey(&plain.get(0).expect("a picture").picture()));
    let [forth, back] = [shown([3, 2, 1]), shown([1, 2, 3])];
    assert!(!grey(&forth));
    // Red and blue have changed places.
    let turned: Vec<u8> = back.data().chunks(3).flat_map(|p| [p[2], p[1], p[0]]).collect();
    assert_eq!(forth.data(), turned);
    let wrong = case.model.with_preprocess(&case.model.preprocess().view_as([7]));
    let text = message(vis.run(&wrong, Objective::channel("relu2", 3)));
    assert!(text.contains("no band 7"), "{text}");
}
