//! Networks from files: what they compute is what the framework computes that wrote them.

#[path = "peers/device.rs"]
mod device;

use std::path::PathBuf;

use convlens::model::Weights;
use convlens::prelude::*;
use device::placed;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reference/networks")
}

fn open(name: &str) -> Model {
    let model = Model::open(folder().join(format!("{name}.pt2")));
    placed(model.unwrap_or_else(|error| panic!("{error}")))
}

fn failure(name: &str) -> String {
    match Model::open(folder().join(format!("{name}.pt2"))) {
        Ok(model) => panic!("{model:?}"),
        Err(error) => error.to_string(),
    }
}

/// The greatest difference, relative to the greatest value.
fn difference(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    let scale = expected.abs().max().double_value(&[]).max(1e-12);
    (found - expected).abs().max().double_value(&[]) / scale
}

/// Single precision, of networks of some twenty layers: 1e-5 of the greatest value.
const CLOSE: f64 = 1e-5;

fn check(name: &str) -> (Model, Weights) {
    check_as(name, open(name))
}

/// The output alone, of two photos and of each.
fn check_output(name: &str, model: &Model) {
    let expected = weights::read(folder().join(format!("{name}.safetensors"))).expect("reference");
    for (first, count) in [(0, 2), (0, 1), (1, 1)] {
        let [input, output] = ["input", "output"].map(|key| expected[key].narrow(0, first, count));
        let off = difference(&model.forward(&input).expect("scores"), &output);
        assert!(off < CLOSE, "{name} is off by {off:.1e} of its greatest value");
    }
}

fn check_as(name: &str, model: Model) -> (Model, Weights) {
    let expected = weights::read(folder().join(format!("{name}.safetensors"))).expect("reference");
    let input = &expected["input"];
    let close = |what: &str, found: &Tensor, expected: &Tensor| {
        let off = difference(found, expected);
        assert!(off < CLOSE, "{name}: {what} is off by {off:.1e} of its greatest value");
    };
    close("output", &model.forward(input).expect("scores"), &expected["output"]);
    // Each photo by itself, though the network was exported with one or two.
    let first = input.narrow(0, 0, 1);
    close(
        "one photo",
        &model.forward(&first).expect("scores"),
        &expected["output"].narrow(0, 0, 1),
    );
    for (key, expected) in expected.iter() {
        if let Some(layer) = key.strip_prefix("inner:") {
            let found = model.run(&[("input", input)], &[layer]).expect("a layer");
            close(layer, &found[0], expected);
        }
        let Some(layer) = key.strip_prefix("grad_cam:") else { continue };
        for photo in 0..2 {
            let look = model.look_input(&input.narrow(0, photo, 1)).expect("a look");
            let heat = look.explain(&GradCam::at(layer).class(1)).expect("a heat map");
            let found = Tensor::from_slice(heat.raw()).reshape(expected.size()[1..].to_vec());
            close(&format!("Grad-CAM at {layer}"), &found, &expected.get(photo));
        }
    }
    // The sum of both photos' scores: each photo's gradient is its own.
    for photo in 0..2 {
        let look = model.look_input(&input.narrow(0, photo, 1)).expect("a look");
        let heat = look.explain(&InputXGradient::default().class(1)).expect("a gradient");
        let (gradient, photo) = (expected["gradient"].get(photo), input.get(photo));
        let expected =
            (gradient * photo).sum_dim_intlist([0i64].as_slice(), false, tch::Kind::Float);
        let found = Tensor::from_slice(heat.raw()).reshape(expected.size());
        close("input times gradient", &found, &expected);
    }
    (model, expected)
}

#[test]
fn a_residual_network_with_operations_in_place() {
    let (model, _) = check("residual");
    let layers = model.layers();
    let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
    let block = ["layer1.0.relu", "layer1.0.conv2", "layer1.0.bn2", "layer1.0.gate.pool"];
    assert!(names.windows(4).any(|four| four == block), "{names:?}");
    for name in
        ["layer1.0.relu_1", "layer1.0.add", "layer1.1.gate.sigmoid", "dropout", "mean", "flatten"]
    {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    assert_eq!(model.weights()["layer1.1.downsample.0.weight"].size(), [16, 8, 1, 1]);
    assert_eq!(
        (model.last_maps().expect("maps"), model.input_shape()),
        ("layer1".into(), [3, 33, 33])
    );
    assert_eq!(model.first_convolution().expect("one"), "conv1");
    // Of any size, as PyTorch's.
    let small = Tensor::rand([3, 3, 21, 40], tch::kind::FLOAT_CPU);
    assert_eq!(model.forward(&small).expect("scores").size(), [3, 5]);
    let field = model.receptive_field("layer1.0.conv1").expect("a window");
    assert_eq!((field.size(), field.stride()), ([19; 2], [4.0; 2]));
}

#[test]
fn all_kinds_of_operations() {
    let (model, _) = check("odd");
    let shift = model.weights().into_iter().find(|(name, _)| name == "shift");
    assert_eq!(shift.expect("a buffer").1.double_value(&[]), 0.25);
}

#[test]
fn convolutions_between_channels_that_come_last() {
    let (model, _) = check("convnext");
    assert_eq!(model.op("features.1.0.block.3").expect("a layer").kind(), "Linear");
    assert_eq!(model.parameters("features.1.0.layer_scale").expect("one")[0].1.size(), [8, 1, 1]);
    // By hand: 4 / 4, then 7 / 1, 2 / 2 and 7 / 1. What lies between, with the channels last, changes nothing.
    for (layer, size, stride) in
        [("features.0", 4, 4.0), ("features.1", 28, 4.0), ("features.3", 80, 8.0)]
    {
        let field = model.receptive_field(layer).expect("a window");
        assert_eq!(
            (field.size(), field.stride(), field.is_gated()),
            ([size; 2], [stride; 2], false)
        );
    }
    let error = model.receptive_field("classifier.2").expect_err("scores").to_string();
    assert!(error.contains("rows and columns"), "{error}");
    assert_eq!(model.last_maps().expect("maps"), "features");
}

#[test]
fn transformers_of_one_photo_and_of_many() {
    let (many, _) = check("vit");
    let (one, _) = check("vit_one_photo");
    for model in [many, one] {
        let layer = "encoder.layers.encoder_layer_0.self_attention";
        let kinds: Vec<&str> = model
            .layers()
            .iter()
            .filter(|found| found.name.starts_with(layer))
            .map(|found| found.kind)
            .collect();
        assert!(kinds.contains(&"Attention"), "{kinds:?}");
        let tokens = model
            .run(&[("input", &Tensor::zeros([4, 3, 24, 24], tch::kind::FLOAT_CPU))], &["encoder"]);
        assert_eq!(tokens.expect("tokens")[0].size(), [4, 10, 12]);
        // Each token but the first stands for a pixel of 8 × 8.
        let last = "encoder.layers.encoder_layer_1.ln_1";
        assert_eq!(model.last_maps().expect("tokens"), last);
        let input = Tensor::rand([1, 3, 24, 24], tch::kind::FLOAT_CPU);
        let look = model.look_input(&input).expect("a look");
        let maps = look.layer(last).expect("maps");
        assert_eq!((maps.count(), maps.tensor().size()), (12, vec![1, 12, 3, 3]));
        for method in
            [&GradCam::default() as &dyn Attribution, &AblationCam::default(), &ScoreCam::default()]
        {
            let heat =
                look.explain(method).unwrap_or_else(|error| panic!("{}: {error}", method.name()));
            assert_eq!(
                (heat.raw().len(), heat.layer()),
                (9, Some("encoder.layers.encoder_layer_1.ln_1, the last maps"))
            );
        }
        let error =
            look.explain(&GradCam::at("encoder.layers.encoder_layer_1.self_attention.linear"));
        let error = error.expect_err("tokens first").to_string();
        assert!(error.contains("feature maps") && error.contains(last), "{error}");
    }
}

#[test]
fn what_was_exported_on_a_gpu_runs_on_the_cpu() {
    let (model, _) = check("gpu");
    assert_eq!(model.device(), device::device());
}

#[test]
fn tokens_are_maps_where_somebody_says_how() {
    let unknown = open("registers");
    let input = Tensor::rand([1, 3, 24, 40], tch::kind::FLOAT_CPU);
    let maps_of = |model: &Model, layer| {
        model.look_input(&input).and_then(|look| look.layer(layer)).map(|maps| maps.tensor().size())
    };
    // Patches are cut out by reshaping: nothing is known of the tokens.
    assert_eq!(maps_of(&unknown, "norm1").expect("tokens"), [1, 20, 12]);
    let told = unknown.tokens_as_maps([3, 5], [1, 4]).expect("twenty tokens");
    // Grad-CAM is that of pytorch-grad-cam with its reshape_transform.
    let (model, expected) = check_as("registers", told);
    assert_eq!(model.last_maps().expect("tokens"), "norm1");
    assert_eq!(maps_of(&model, "embed").expect("tokens of which nothing was said"), [1, 15, 12]);
    let both = model.tokens_as_maps([3, 5], [0, 0]).expect("fifteen tokens as well");
    for layer in ["embed", "norm1", "norm2"] {
        assert_eq!(maps_of(&both, layer).expect("maps"), [1, 12, 3, 5], "{layer}");
    }
    let turned = both.tokens_as_maps([5, 3], [0, 0]).expect("the last word");
    assert_eq!(maps_of(&turned, "embed").expect("maps"), [1, 12, 5, 3]);
    // Parts and changed networks know it too; the one that was asked does not.
    assert_eq!(
        maps_of(&model.up_to("norm1").expect("a part"), "norm1").expect("maps")[2..],
        [3, 5]
    );
    assert!(model.ablate("norm1", [3]).is_ok() && unknown.ablate("norm1", [3]).is_err());
    let look = model.look_input(&expected["input"].narrow(0, 0, 1)).expect("a look");
    assert_eq!(look.attention("attention").expect("attention").size(), [3, 5]);
    let heat = look.explain(&AttentionRollout).expect("a heat map");
    assert_eq!(heat.caption(), "Attention rollout, at all attention layers");
    let found = Tensor::from_slice(heat.raw()).reshape([3, 5]);
    assert!(difference(&found, &expected["rollout"].get(0)) < CLOSE);
    for (size, others) in
        [([3, 5], [2, 4]), ([0, 5], [0, 0]), ([3, 5], [-1, 6]), ([i64::MAX; 2], [1, 1])]
    {
        let error = unknown.tokens_as_maps(size, others).expect_err("no such tokens").to_string();
        assert!(error.contains("have 15, 20 tokens") || error.contains("cannot be"), "{error}");
    }
}

#[test]
fn what_tokens_take_from_each_other() {
    let (model, expected) = check("vit");
    let input = &expected["input"];
    for photo in 0..2 {
        let look = model.look_input(&input.narrow(0, photo, 1)).expect("a look");
        for nth in 0..2 {
            let layer = format!("encoder.layers.encoder_layer_{nth}");
            let attention = look.attention(layer.as_str()).expect("attention");
            let weights = &expected[format!("attention:{nth}").as_str()];
            assert!(difference(&attention.tensor(), &weights.narrow(0, photo, 1)) < CLOSE);
            assert_eq!((attention.heads(), attention.size()), (2, [3, 3]));
            assert!(attention.layer().starts_with(&layer), "{}", attention.layer());
            // Token 0 is the class's, and pixels follow row by row.
            let class = attention.of_class_token().expect("maps").tensor();
            let row = weights.get(photo).select(1, 0).narrow(1, 1, 9).reshape([1, 2, 3, 3]);
            assert!(difference(&class, &row) < CLOSE);
            let pixel = attention.of_pixel(1, 2).expect("maps").tensor();
            let row = weights.get(photo).select(1, 6).narrow(1, 1, 9).reshape([1, 2, 3, 3]);
            assert!(difference(&pixel, &row) < CLOSE);
            // What is shown, to be set otherwise.
            let sheet = attention.sheet().expect("a sheet").columns(1);
            assert!(format!("{sheet:?}").starts_with("Sheet of 2 maps"), "{sheet:?}");
            let error = attention.of_pixel(3, 0).expect_err("no such row").to_string();
            assert!(error.contains("3 × 3") && error.contains("row 3"), "{error}");
        }
        let heat = look.explain(&AttentionRollout).expect("a heat map");
        let rollout = expected["rollout"].get(photo);
        let found = Tensor::from_slice(heat.raw()).reshape(rollout.size());
        assert!(difference(&found, &rollout) < CLOSE);
    }
    let looks = model.look_inputs(input).expect("looks");
    assert_eq!(looks.explain(&AttentionRollout).expect("heat maps").len(), 2);
    // A class token is none of the photos', and does not hinder what looks at one after the other.
    model
        .look_inputs(input)
        .and_then(|looks| looks.explain(&ScoreCam::default()))
        .expect("heat maps");
    let look = model.look_input(&input.narrow(0, 0, 1)).expect("a look");
    let error = look.attention("conv_proj").expect_err("no attention").to_string();
    assert!(error.contains("encoder_layer_1.self_attention"), "{error}");
    let swin = open("swin");
    let look =
        swin.look_input(&Tensor::zeros([1, 3, 24, 24], tch::kind::FLOAT_CPU)).expect("a look");
    let error = look.explain(&AttentionRollout).expect_err("windows").to_string();
    assert!(error.contains("no attention") || error.contains("windows"), "{error}");
}

#[test]
fn windows_that_are_shifted() {
    let (model, _) = check("swin");
    // Maps again before they are pooled.
    assert_eq!(model.last_maps().expect("maps"), "permute");
    let input = Tensor::rand([1, 3, 24, 24], tch::kind::FLOAT_CPU);
    let heat = model.look_input(&input).and_then(|look| look.explain(&GradCam::default()));
    assert_eq!(heat.expect("a heat map").raw().len(), 36);
    // Of the size that it was exported with, and it says which.
    let error = model
        .look_input(&Tensor::zeros([1, 3, 64, 48], tch::kind::FLOAT_CPU))
        .expect_err("too large");
    assert!(
        error.to_string().contains("48 × 64") && error.to_string().contains("24 × 24"),
        "{error}"
    );
}

#[test]
fn what_runs_without_gradients_and_tied_weights() {
    let (model, _) = check("quiet");
    let names: Vec<String> = model.layers().names();
    for name in ["conv", "add", "one", "relu", "two"] {
        assert!(names.iter().any(|own| own == name), "{name} is not among {names:?}");
    }
    let weights = model.weights();
    let tied = ["one.weight", "two.weight"].map(|name| weights.contains_key(name));
    assert!(tied[0] != tied[1], "{:?}", weights.keys());
    let photos = Tensor::rand([4, 3, 12, 12], tch::kind::FLOAT_CPU);
    let classes = Tensor::from_slice(&[0i64, 1, 2, 3]);
    let before = model.parameters("one").expect("two")[0].1.copy();
    Fit::default().epochs(2).run(&model, &photos, &classes).expect("a training");
    let [one, two] =
        ["one", "two"].map(|layer| model.parameters(layer).expect("two")[0].1.shallow_clone());
    assert!(difference(&one, &before) > 0.0 && one == two, "one variable");
    let error = failure("ways");
    assert!(error.contains("cond") && error.contains("in way"), "{error}");
}

#[test]
fn a_network_for_a_single_photo_takes_a_batch_one_by_one() {
    let (model, expected) = check("alone");
    assert!(model.takes_one_photo() && !open("residual").takes_one_photo());
    assert!(model.summary().expect("a table").to_string().contains("one by one"));
    let input = &expected["input"];
    assert_eq!(model.output_shapes(&[2, 3, 12, 12]).expect("shapes")[1], [2, 4, 12, 12]);
    // What is the same for all stays one.
    let weights = model.run(&[("input", input)], &["conv", "output"]).expect("a pass");
    assert_eq!([weights[0].size(), weights[1].size()], [vec![2, 4, 12, 12], vec![2, 5]]);
    // From the middle on, and in parts of the network.
    let again = model.run(&[("conv", &weights[0])], &["output"]).expect("a pass");
    assert!(difference(&again[0], &expected["output"]) < CLOSE);
    let part = model.up_to("norm").expect("a part");
    assert!(part.takes_one_photo());
    assert_eq!(part.forward(input).expect("maps").size(), [2, 4, 12, 12]);
    let looks = model.look_inputs(input).expect("looks");
    let methods: [&dyn Attribution; 6] = [
        &GradCam::at("conv").class(1),
        &ScoreCam::at("conv").class(1),
        &AblationCam::at("conv").class(1),
        &Saliency::default().class(1),
        &IntegratedGradients::default().class(1),
        &Occlusion::default().class(1),
    ];
    for method in methods {
        let both = looks.explain(method).unwrap_or_else(|e| panic!("{}: {e}", method.name()));
        for photo in 0..2 {
            let look = model.look_input(&input.narrow(0, photo, 1)).expect("a look");
            let alone = look.explain(method).expect("a heat map");
            let [both, alone] =
                [&both[photo as usize], &alone].map(|h| Tensor::from_slice(h.raw()));
            assert!(difference(&both, &alone) < CLOSE, "{}", method.name());
        }
    }
    let error = model.run(&[("conv", &weights[0]), ("input", &input.narrow(0, 0, 1))], &["output"]);
    assert!(error.expect_err("two and one").to_string().contains("one photo at a time"));
    let classes = Tensor::from_slice(&[0i64, 1]);
    Fit::default().epochs(1).run(&model, input, &classes).expect("a training");
}

#[test]
fn what_is_opened_can_be_trained() {
    let model = open("residual");
    let steps = Tensor::arange(8 * 3 * 33 * 33, tch::kind::FLOAT_CPU);
    let photos = (&steps * &steps * 0.37).sin().reshape([8, 3, 33, 33]);
    let classes = Tensor::from_slice(&[0i64, 1, 2, 3, 4, 0, 1, 2]);
    let fitted = Fit::default().epochs(10).run(&model, &photos, &classes).expect("a training");
    assert!(fitted.losses().last() < fitted.losses().first(), "{:?}", fitted.losses());
    let copy = open("residual");
    assert!(difference(&model.weights()["fc.weight"], &copy.weights()["fc.weight"]) > 0.0);
    copy.load(&model.weights()).expect("the same network");
}

#[test]
fn a_part_is_cut_out_and_tokens_go_with_it() {
    let model = open("vit");
    let (front, photo) = (model.up_to("encoder.layers.encoder_layer_0").expect("a part"), "input");
    let input = Tensor::rand([2, 3, 24, 24], tch::kind::FLOAT_CPU);
    let tokens = front.forward(&input).expect("tokens");
    let whole = model.run(&[(photo, &input)], &["encoder.layers.encoder_layer_0"]).expect("tokens");
    assert!(difference(&tokens, &whole[0]) < CLOSE);
    assert!(
        front.weights().contains_key("class_token")
            && !front.weights().contains_key("heads.head.bias")
    );
    // From the patches on: the class token and the positions do not follow from them.
    let back = model.between("conv_proj", "output").expect("a part");
    let patches = model.run(&[(photo, &input)], &["conv_proj"]).expect("patches");
    let scores = back.forward(&patches[0]).expect("scores");
    assert!(difference(&scores, &model.forward(&input).expect("scores")) < CLOSE);
}

#[test]
fn what_is_not_known_is_listed_and_what_lies_before_can_be_opened() {
    let error = failure("unknown");
    for part in ["unknown.pt2", "igamma.default", "erfinv.default", "nansum", "Model::open_up_to"] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    let path = folder().join("unknown.pt2");
    let layer = error.split("open_up_to(path, \"").nth(1).and_then(|rest| rest.split('"').next());
    let front = Model::open_up_to(&path, layer.expect("a layer")).expect("the layer that it names");
    assert!(front.layers().len() >= 3, "{error}");
    let front = Model::open_up_to(&path, "bn").expect("the part before");
    assert_eq!(front.layers().len(), 3);
    assert_eq!(
        front.forward(&Tensor::zeros([2, 3, 8, 8], tch::kind::FLOAT_CPU)).expect("maps").size(),
        [2, 4, 6, 6]
    );
    let error = Model::open_up_to(&path, "bm").expect_err("no such layer").to_string();
    assert!(error.contains("\"bn\""), "{error}");
}

#[test]
fn networks_in_other_formats_are_recognised() {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let temporary = tempfile::tempdir().expect("a folder");
    let written = |name: &str, bytes: &[u8]| {
        let path = temporary.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        path
    };
    // A zip archive with an empty member.
    let name = b"model.weights.h5";
    let mut keras = [b"PK\x03\x04\x14\0".as_slice(), &[0; 20], &[16, 0, 0, 0], name].concat();
    let directory = keras.len() as u8;
    keras.extend([b"PK\x01\x02\x14\0\x14\0".as_slice(), &[0; 20], &[16], &[0; 17], name].concat());
    let length = keras.len() as u8 - directory;
    keras.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    keras.extend([length, 0, 0, 0, directory, 0, 0, 0, 0, 0]);
    std::fs::create_dir(temporary.path().join("saved")).expect("a folder");
    written("saved/saved_model.pb", b"");
    let weights = here.join("tests/reference/weights");
    for (path, parts) in [
        (weights.join("script.pt"), ["TorchScript", "torch.export.save("]),
        (weights.join("whole_model_new.pth"), ["whole pickled model", "torch.export.save("]),
        (weights.join("whole_model_old.pth"), ["whole pickled model", "torch.export.save("]),
        (written("net.h5", b"\x89HDF\r\n\x1a\n"), ["HDF5", "format=\"onnx\""]),
        (written("net.keras", &keras), [".keras file", "format=\"onnx\""]),
        (temporary.path().join("saved"), ["SavedModel", "tf2onnx.convert"]),
        (temporary.path().to_path_buf(), ["this is a folder", ".onnx"]),
        (weights.join("net_new.pth"), ["no network that can be opened", "weights::read"]),
        (PathBuf::from("none.pt2"), ["No such file", "looked for in"]),
    ] {
        let error = Model::open(&path).expect_err("no network").to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn tokens_are_maps_for_data_sets_and_pictures() {
    let model = open("vit");
    let layer = "encoder.layers.encoder_layer_0";
    let photo = |at: u32| {
        let shade =
            move |x: u32, y: u32| image::Rgb([((x + at) * 9 % 256) as u8, (y * 7) as u8, 40]);
        let pixels = image::RgbImage::from_fn(24, 24, shade);
        Photo::from_image(&image::DynamicImage::ImageRgb8(pixels)).expect("a photo")
    };
    let photos = [photo(0), photo(7)];
    let folder = ImageFolder::of_photos([("a", [photo(0)]), ("b", [photo(7)])]).expect("photos");
    for model in [model.tokens_as_maps([3, 3], [1, 0]), Ok(model)].map(|m| m.expect("a grid")) {
        // The most active maps are those of the mean over the pixels' tokens.
        let tops = TopMapSearch::at(layer).per_photo(2).per_class(2).run(&model, &folder);
        let tops = tops.expect("maps");
        for (class, photo) in ["a", "b"].iter().zip(&photos) {
            let look = model.look(photo).expect("a look");
            let means = look.layer(layer).expect("maps").means().expect("means");
            let mut order: Vec<usize> = (0..means.len()).collect();
            order.sort_by(|&a, &b| means[b].total_cmp(&means[a]));
            let found: Vec<usize> = tops.maps(class).expect("a class");
            assert!(found.iter().all(|map| order[..2].contains(map)), "{found:?} {order:?}");
        }
        let overlays = folder.activation_maps(&model, layer, 3).expect("maps");
        let look = model.look(&photos[0]).expect("a look");
        let own = look.layer(layer).expect("maps").maps().expect("maps");
        let map = &overlays.photos()[0].map;
        for (found, expected) in map.values().iter().zip(own.map(3).expect("a map")) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
        // What was found stays what it is as long as the same tokens are pixels.
        let kept = tempfile::tempdir().expect("a folder");
        let search = TopMapSearch::at(layer).per_photo(2).file(kept.path().join("tops.json"));
        let found = search.run(&model, &folder).expect("maps");
        assert_eq!(search.run(&model, &folder).expect("the same maps"), found);
        let other = model.tokens_as_maps([2, 4], [1, 1]).expect("a grid");
        let error = search.run(&other, &folder).expect_err("other tokens").to_string();
        let parts = ["another search", "tokens", "3 × 3 with 1 before", "2 × 4 with 1 before"];
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        // A picture for a channel excites it in the mean over the same tokens.
        let vis = FeatureVis::default().size(24).steps(3);
        let pictures = vis.run(&model, Objective::channel(layer, 3)).expect("a picture");
        let one = pictures.get(0).expect("a picture");
        let input = one.tensor().reshape([1, 3, 24, 24]);
        let look = model.look_input(&input).expect("a look");
        let mean = look.layer(layer).expect("maps").means().expect("means")[3];
        let found = one.activation().expect("of a map");
        assert!((found - f64::from(mean)).abs() < 1e-4, "{found} {mean}");
        assert!(vis.run(&model, Objective::neuron_at(layer, 3, 2, 2)).is_ok());
        assert!(vis.run(&model, Objective::neuron_at(layer, 3, 3, 0)).is_err());
        let patches = PatchSearch::at([layer]).per_map(1).run(&model, &folder);
        // Behind attention a token has seen the whole photo: there is no patch to cut out.
        let error = patches.expect_err("no window").to_string();
        assert!(error.contains("receptive field"), "{error}");
    }
}

#[test]
fn a_network_of_photos_without_a_batch_takes_one_at_a_time() {
    for name in ["unbatched.pt2", "unbatched.onnx"] {
        let model =
            placed(Model::open(folder().join(name)).unwrap_or_else(|error| panic!("{error}")));
        check_output("unbatched", &model);
        assert_eq!(model.inputs()[0].1, [1, 3, 9, 11], "{name}");
        assert!(model.takes_one_photo(), "{name}");
        assert_eq!(
            model.last_maps().and_then(|layer| model.op(layer)).expect("maps").kind(),
            "ReLU"
        );
        let photo = Photo::from_image(&image::DynamicImage::new_rgb8(30, 20)).expect("a photo");
        let heat = model.look(&photo).and_then(|look| look.explain(&GradCam::default().class(2)));
        assert_eq!(heat.map(|heat| [heat.height(), heat.width()]).expect("a heat map"), [7, 9]);
    }
}

#[test]
fn weights_that_a_batch_norm_standardises_are_known() {
    for name in ["standardized.pt2", "standardized.onnx"] {
        let model = Model::open(folder().join(name)).unwrap_or_else(|error| panic!("{error}"));
        let model = placed(model);
        check_output("standardized", &model);
        let kinds: Vec<&str> = model.layers().iter().map(|layer| layer.kind).collect();
        assert!(kinds.contains(&"Conv2d") && !kinds.contains(&"BatchNorm2d"), "{name}: {kinds:?}");
    }
}

#[test]
fn what_is_no_network_says_what_to_do() {
    for (name, parts) in [
        ("training", ["training.pt2", "training mode", "net.eval()"]),
        ("no_photo", ["no_photo.pt2", "none of its inputs is a photo", "\"y\" of [1, 4, 2]"]),
    ] {
        let error = failure(name);
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
    let error =
        Model::open(folder().join("vit.safetensors")).expect_err("weights alone").to_string();
    assert!(error.contains("torch.export.save") && error.contains("weights::read"), "{error}");
    let error = Model::open(folder().join("none.pt2")).expect_err("no file").to_string();
    assert!(error.contains("none.pt2"), "{error}");
    // Whatever is cut off.
    let whole = std::fs::read(folder().join("convnext.pt2")).expect("a file");
    let cut = std::env::temp_dir().join(format!("convlens-cut-{}.pt2", std::process::id()));
    for part in [10, 1000, whole.len() / 2, whole.len() - 30] {
        std::fs::write(&cut, &whole[..part]).expect("a file");
        assert!(Model::open(&cut).is_err(), "{part} bytes");
    }
    std::fs::remove_file(&cut).expect("removed");
}

/// Files of tests/reference/bad_networks, with one mistake each: the error names the file, the operation or tensor
/// where it is, and what is the matter.
#[test]
fn a_mistake_in_a_file_is_named_with_its_place() {
    let bad = folder().with_file_name("bad_networks");
    let cases: &[(&str, &[&str])] = &[
        ("circle.onnx", &["\"first\"", "\"second\""]),
        ("circle.pt2", &["node 1"]),
        ("dangling.onnx", &["\"sum\"", "\"nowhere\""]),
        ("dangling.pt2", &["\"nowhere\"", "node 1"]),
        ("twice.onnx", &["\"y\""]),
        ("twice.pt2", &["already"]),
        ("inputs.onnx", &["\"x\""]),
        ("channels.onnx", &["\"conv1\"", "5", "3"]),
        ("channels.pt2", &["conv2d"]),
        ("product.onnx", &["\"fc\"", "144", "100"]),
        ("training.onnx", &["\"bn1\"", "training mode", "for inference"]),
        ("outside.onnx", &["\"w\"", "weights.bin"]),
        ("outside.pt2", &["0.weight", "weights.bin"]),
        ("missing.pt2", &["0.weight", "weight_0"]),
        ("longer.pt2", &["0.weight"]),
        ("product.pt2", &["0.weight", "1048576"]),
        ("huge.pt2", &["bytes of tensors"]),
        ("huge.onnx", &["\"w\""]),
        ("none.onnx", &["cannot be read"]),
    ];
    let mut wrong = Vec::new();
    for (name, parts) in cases {
        let error = match Model::open(bad.join(name)) {
            Ok(model) => format!("{model:?} was opened"),
            Err(error) => error.to_string(),
        };
        if !error.contains(*name) || !parts.iter().all(|part| error.contains(part)) {
            wrong.push(format!("{name}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Operations of one name are no mistake: layers have names of their own.
    let model = Model::open(bad.join("same_names.onnx")).expect("three operations");
    assert_eq!(model.layers().names(), ["input", "conv1.conv", "conv1.relu", "conv1.relu_1"]);
    // What was exported for one size says which.
    for name in ["one_size.onnx", "one_size.pt2"] {
        let model = Model::open(bad.join(name)).unwrap_or_else(|error| panic!("{error}"));
        let photo = Tensor::zeros([1, 3, 12, 10], tch::kind::FLOAT_CPU);
        let error = model.look_input(&photo).expect_err("another size").to_string();
        let parts = ["one_size", "10 × 12", "one of 8 × 8", "resize"];
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        // A photo of any size becomes one of that.
        let photo = Photo::from_image(&image::DynamicImage::new_rgb8(30, 20)).expect("a photo");
        assert!(model.look(&photo).is_ok());
    }
}
