//! Networks of the zoo with classes, channels and names of their own, and files as wrappers and training
//! scripts leave them.

use std::fs;
use std::path::Path;

use convlens::prelude::*;
use convlens::zoo::segmentation::{Fcn, Task, UNet};

type With = fn(Weights) -> convlens::Result<Model>;
type For = fn(i64, i64, u64) -> convlens::Result<Model>;

/// Every architecture by its two functions.
macro_rules! architectures {
    ($($with:ident $for:ident,)+) => {
        const ARCHITECTURES: &[(&str, With, For)] =
            &[$((stringify!($with), zoo::$with, zoo::$for),)+];
    };
}

architectures! {
    alexnet_with alexnet_for,
    vgg11_with vgg11_for,
    vgg11_bn_with vgg11_bn_for,
    vgg13_with vgg13_for,
    vgg13_bn_with vgg13_bn_for,
    vgg16_with vgg16_for,
    vgg16_bn_with vgg16_bn_for,
    vgg19_with vgg19_for,
    vgg19_bn_with vgg19_bn_for,
    resnet18_with resnet18_for,
    resnet34_with resnet34_for,
    resnet50_with resnet50_for,
    resnet101_with resnet101_for,
    resnet152_with resnet152_for,
    seresnet50_with seresnet50_for,
    senet154_with senet154_for,
    squeezenet1_0_with squeezenet1_0_for,
    squeezenet1_1_with squeezenet1_1_for,
    densenet121_with densenet121_for,
    mobilenet_v2_with mobilenet_v2_for,
    efficientnet_b0_with efficientnet_b0_for,
    efficientnet_lite0_with efficientnet_lite0_for,
    efficientnet_lite1_with efficientnet_lite1_for,
    efficientnet_lite2_with efficientnet_lite2_for,
    efficientnet_lite3_with efficientnet_lite3_for,
    efficientnet_lite4_with efficientnet_lite4_for,
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/weights")
}

fn zeros(shape: &[i64]) -> Tensor {
    Tensor::zeros(shape, tch::kind::FLOAT_CPU)
}

/// What a network complains of, a line each.
fn complaints(result: convlens::Result<Model>) -> Vec<String> {
    let text = result.expect_err("a complaint").to_string();
    text.lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

/// The name and the shape in "fc.bias is missing (expected [1000])".
fn missing(complaint: &str) -> Option<(String, Vec<i64>)> {
    let (name, shape) = complaint.split_once(" is missing (expected [")?;
    let sides = shape.trim_end_matches("])").split(", ");
    Some((name.to_owned(), sides.map(|side| side.parse().expect("a side")).collect()))
}

#[test]
fn every_architecture_takes_both_ends_from_the_file() {
    for (name, with, _) in ARCHITECTURES {
        let all: Vec<_> =
            complaints(with(Weights::new())).iter().filter_map(|c| missing(c)).collect();
        let with_channels = |(_, shape): &&(String, Vec<i64>)| shape.len() == 4 && shape[1] == 3;
        let first = all.iter().find(with_channels).expect("a first convolution");
        let of_classes = |(_, shape): &&(String, Vec<i64>)| shape.len() > 1 && shape[0] == 1000;
        let last = all.iter().find(of_classes).expect("a classifier");
        let changed = |(name, shape): &(String, Vec<i64>), at: usize, size: i64| {
            let mut shape = shape.clone();
            shape[at] = size;
            (name.clone(), zeros(&shape))
        };
        let bias = last.0.replace(".weight", ".bias");
        let some = [changed(first, 1, 1), changed(last, 0, 7), (bias.clone(), zeros(&[6]))];
        let left = complaints(with(Weights::from(some)));
        // What has another shape comes first, then four of those that are missing, and how many more.
        let (own, rest) = left.split_first().expect("complaints");
        assert_eq!(*own, format!("{bias} is [6], expected [7]"), "{name}");
        let (more, listed) = rest.split_last().expect("complaints");
        assert!(listed.iter().all(|line| missing(line).is_some()), "{name}: {left:?}");
        assert!(listed.len() == 4 && more.ends_with("more missing"), "{name}: {left:?}");
        // A weight that does not fit in another dimension either tells nothing.
        let odd = Weights::from([(last.0.clone(), zeros(&[7, 5]))]);
        let odd = complaints(with(odd)).join("\n");
        assert!(odd.contains(" is [7, 5], expected [1000, "), "{name}: {odd}");
    }
}

#[test]
fn a_network_for_other_ends_comes_back_from_its_weights() {
    let small = [
        "resnet18_with",
        "squeezenet1_1_with",
        "mobilenet_v2_with",
        "efficientnet_b0_with",
        "efficientnet_lite0_with",
        "densenet121_with",
    ];
    for (name, with, start) in ARCHITECTURES.iter().filter(|(name, ..)| small.contains(name)) {
        let model = start(1, 10, 3).expect("a network");
        assert!(model.class_names().is_empty(), "{name}");
        let again = with(model.weights()).expect("its weights");
        assert_eq!(again.input_shape()[0], 1, "{name}");
        assert!(again.notes().is_empty(), "{name}: {:?}", again.notes());
        let photo = Tensor::rand([1, 1, 64, 64], tch::kind::FLOAT_CPU);
        let [a, b] = [&model, &again].map(|model| model.forward(&photo).expect("a pass"));
        assert_eq!((a.size(), a), (vec![1, 10], b), "{name}");
    }
    assert!(zoo::resnet18_for(3, 0, 0).is_err() && zoo::resnet18_for(0, 10, 0).is_err());
    assert!(zoo::resnet18_for(i64::MAX, i64::MAX, 0).is_err());
}

#[test]
fn photos_for_other_channels_are_scaled_and_not_normalised() {
    let grey = zoo::squeezenet1_1_for(1, 2, 0).expect("a network");
    let neutral = Preprocess::imagenet().normalize([], []);
    assert_eq!(*grey.preprocess(), neutral);
    let colour = zoo::squeezenet1_1_for(3, 2, 0).expect("a network");
    assert_eq!(*colour.preprocess(), Preprocess::imagenet());
    let photos = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/photos");
    let photo = Photo::open(format!("{photos}/cat.png")).expect("an asset");
    let look = grey.look(&photo).expect("a look");
    assert_eq!(look.predictions(2).expect("predictions").rows().len(), 2);
}

#[test]
fn a_thousand_classes_are_imagenets_and_others_are_named_by_hand() {
    let thousand = zoo::squeezenet1_1_for(1, 1000, 0).expect("a network");
    assert_eq!(thousand.class_names().len(), 1000);
    let model = zoo::squeezenet1_1_for(3, 2, 0).expect("a network");
    let named = model.classes(["cat", "dog"]).expect("two names");
    assert_eq!(named.class_names(), ["cat", "dog"]);
    assert_eq!(named.class_index("dog").expect("a class"), 1);
    assert!(model.class_names().is_empty(), "the other one stays as it was");
    let text = model.classes(["cat"]).expect_err("one name").to_string();
    assert!(text.contains("2 classes") && text.contains("got 1"), "{text}");
    // One network under two names.
    let _ = tch::no_grad(|| named.weights()["classifier.1.bias"].shallow_clone().fill_(5.0));
    assert_eq!(model.weights()["classifier.1.bias"].double_value(&[0]), 5.0);
}

#[test]
fn networks_that_segment_take_what_no_option_tells() {
    let unet = UNet::narrow().base_width(4).depth(2);
    let trained = unet.clone().input(3, 128, 128).class_count(5).build().expect("a network");
    let model = unet.build_with(trained.weights()).expect("taken from the weights");
    assert_eq!(model.input_shape(), [3, 128, 128]);
    assert_eq!(
        model.output_shapes(&[1, 3, 64, 64]).expect("shapes").pop(),
        Some(vec![1, 5, 64, 64])
    );
    assert!(model.class_names().is_empty());
    let told = unet.clone().classes(["a", "b"]).build_with(trained.weights());
    let text = told.expect_err("two classes were told").to_string();
    assert!(text.contains("outc.conv.weight is [5, 4, 1, 1], expected [2, 4, 1, 1]"), "{text}");

    let fcn = Fcn::narrow().base_width(4).input(32, 32);
    let trained = fcn.clone().class_count(3).build(Task::Segmentation).expect("a network");
    let wrapped = trained.weights().into_iter().map(|(n, t)| (format!("module.{n}"), t));
    let mut weights: Weights = wrapped.collect();
    weights.insert("module.classifier.bias".into(), zeros(&[9])); // of its pretext task
    let model = fcn.build_with(Task::Segmentation, weights).expect("taken from the weights");
    assert_eq!(
        model.output_shapes(&[1, 1, 32, 32]).expect("shapes").pop(),
        Some(vec![1, 3, 32, 32])
    );
}

/// A network of a convolution and a batch norm, as the reference files have it.
fn small() -> convlens::model::Builder {
    let mut net = Model::builder("small", [1, 4, 4]);
    let x = net.input();
    let x = net.add("0", Conv2d::new(1, 2, 1), &[x]);
    net.add("1", BatchNorm2d::new(2), &[x]);
    net
}

#[test]
fn prefixes_of_wrappers_are_taken_off_where_all_names_then_fit() {
    let plain = small().build().expect("a network").weights();
    for prefix in [
        "module.",
        "_orig_mod.",
        "model.",
        "net.",
        "backbone.",
        "encoder.",
        "module._orig_mod.model.",
    ] {
        let wrapped = || -> Weights {
            plain.iter().map(|(n, t)| (format!("{prefix}{n}"), t.shallow_clone())).collect()
        };
        let model = small().build_with(wrapped()).unwrap_or_else(|e| panic!("{prefix}: {e}"));
        assert_eq!(
            model.notes(),
            [format!("all names began with {prefix:?}, which was taken off")]
        );
        model.load(&plain).expect("plain names");
        assert!(model.notes().is_empty());
        model.load(&wrapped()).expect("wrapped names");
        assert_eq!(model.notes().len(), 1);
        // One that does not fit: the others are still told by their own names.
        let mut more = wrapped();
        more.insert(format!("{prefix}head.bias"), zeros(&[3]));
        let left = complaints(small().build_with(more));
        assert_eq!(left[0], "head.bias belongs to no layer");
        assert!(left.len() == 2 && left[1].contains(prefix), "{left:?}");
    }
    // One name without the prefix: nobody knows what the prefix means.
    let mut mixed: Weights =
        plain.iter().map(|(n, t)| (format!("module.{n}"), t.shallow_clone())).collect();
    mixed.insert("other".into(), zeros(&[3]));
    let left = complaints(small().build_with(mixed));
    assert!(left.contains(&"module.0.bias belongs to no layer".to_owned()), "{left:?}");
    // A word that is no wrapper's.
    let words: Weights =
        plain.iter().map(|(n, t)| (format!("teacher.{n}"), t.shallow_clone())).collect();
    assert!(small().build_with(words).is_err());
}

#[test]
fn a_network_whose_own_layers_have_a_wrappers_name_keeps_them() {
    let mut net = Model::builder("own", [1, 4, 4]);
    let x = net.input();
    let x = net.add("model.conv", Conv2d::new(1, 1, 1), &[x]);
    net.add("conv", Conv2d::new(1, 1, 1), &[x]);
    let model = net.build().expect("a network");
    let weights = model.weights();
    model.load(&weights).expect("as they are");
    assert!(model.notes().is_empty());
    let inner: Weights = weights
        .iter()
        .filter(|(name, _)| name.starts_with("model."))
        .map(|(n, t)| (n.clone(), t.shallow_clone()))
        .collect();
    // Both readings of these names fit a part; neither is taken for the other.
    let left = model.load(&inner).expect_err("half of it").to_string();
    assert!(left.contains("conv.bias is missing") && !left.contains("taken off"), "{left}");
}

#[test]
fn what_training_scripts_count_is_left_aside_and_said() {
    let weights = weights::read(folder().join("wrapped.pth")).expect("a file");
    assert_eq!(weights.class_names(), ["cat", "dog"]);
    let model = small().build_with(weights).expect("they fit");
    assert_eq!(model.class_names(), ["cat", "dog"]);
    let notes = model.notes();
    assert!(notes[0].contains("\"module._orig_mod.model.\""), "{notes:?}");
    assert!(notes[1].contains("module._orig_mod.model.total_ops and 1 more"), "{notes:?}");
    // Not what merely has such a name.
    let mut plain = small().build().expect("a network").weights();
    plain.insert("n_averaged".into(), zeros(&[2]));
    plain.insert("0.scale".into(), zeros(&[1]));
    let left = complaints(small().build_with(plain));
    assert_eq!(left, ["0.scale belongs to no layer", "n_averaged belongs to no layer"]);
}

#[test]
fn of_two_sets_of_weights_the_plain_ones_are_taken_and_the_others_named() {
    for name in ["averaged_new.pth", "averaged_old.pth"] {
        let path = folder().join(name);
        let plain = weights::read(&path).expect("a file");
        assert_eq!(plain.class_names(), ["cat", "dog"], "by their numbers");
        let [note] = plain.notes() else { panic!("{:?}", plain.notes()) };
        assert!(note.contains("under \"state_dict\""), "{note}");
        assert!(note.contains("weights::read_under(path, \"state_dict_ema\")"), "{note}");
        assert!(plain.bundle().as_text().contains(note), "a cell shows it");
        let averaged = weights::read_under(&path, "state_dict_ema").expect("the others");
        assert_eq!(averaged["0.weight"], &plain["0.weight"] * 2.0);
        assert_eq!(averaged.class_names(), ["cat", "dog"]);
        assert!(averaged.notes()[0].contains("\"state_dict\""));
        let model = small().build_with(plain).expect("they fit");
        assert_eq!(model.notes().len(), 1);
        let error = weights::read_under(&path, "optimizer").expect_err("no weights").to_string();
        assert!(error.contains("no tensors under \"optimizer\""), "{error}");
        assert!(error.contains("read_under(path, \"state_dict"), "{error}");
    }
    let odd = weights::read(folder().join("odd_names.pth")).expect("a file");
    assert!(odd.class_names().is_empty(), "numbers that are no outputs'");
    let only = weights::read(folder().join("ema.pth")).expect("averaged ones alone");
    assert_eq!(
        (only.class_names(), only.notes().len()),
        (["cat".into(), "dog".into()].as_slice(), 0)
    );
    let other = weights::read_under(folder().join("other_key_new.pth"), "generator");
    assert_eq!(other.expect("any key").len(), 1);
    let error =
        weights::read_under(folder().join("types.safetensors"), "ema").expect_err("no keys");
    assert!(error.to_string().contains("only PyTorch's checkpoints"), "{error}");
}

#[test]
fn names_for_another_number_of_classes_are_not_taken() {
    let mut net = Model::builder("three", [1, 4, 4]);
    let x = net.input();
    let x = net.add("0", Conv2d::new(1, 2, 1), &[x]);
    let x = net.add("1", BatchNorm2d::new(2), &[x]);
    net.function("both", |x, _| Tensor::cat(&[&x[0], &x[0]], 1), &[x]);
    let model = net.build_with(weights::read(folder().join("wrapped.pth")).expect("a file"));
    let model = model.expect("they fit");
    assert!(model.class_names().is_empty());
    let notes = model.notes();
    assert!(notes.iter().any(|n| n.contains("2 classes") && n.contains("tells 4")), "{notes:?}");
}

#[test]
fn lists_of_shards_are_checked() {
    let scratch = tempfile::tempdir().expect("a folder");
    let list = scratch.path().join("model.safetensors.index.json");
    let copy = |name: &str, to: &str| {
        fs::copy(folder().join(name), scratch.path().join(to)).expect("a copy");
    };
    let refused = |places: &str| {
        fs::write(&list, format!("{{\"weight_map\": {{{places}}}}}")).expect("written");
        weights::read(&list).expect_err("a refusal").to_string()
    };
    let (first, second) = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");
    let error = refused(r#""a": "1", "b": "2", "c": "1""#);
    assert!(error.contains("2 of the 2 files") && error.contains("1, 2"), "{error}");
    copy(first, "1");
    assert!(refused(r#""a": "1", "b": "2", "c": "1""#).contains("missing beside it: 2"));
    copy(second, "2");
    fs::write(&list, r#"{"weight_map": {"a": "1", "b": "2", "c": "1"}}"#).expect("written");
    assert_eq!(weights::read(&list).expect("weights").len(), 3);
    assert!(refused(r#""a": "1", "b": "1""#).contains("lacks b"));
    copy(first, "again");
    let error = refused(r#""a": "1", "c": "again""#);
    assert!(error.contains("a is in two files, 1 and again"), "{error}");
    for place in ["../1", "/etc/passwd", "in/../../1"] {
        let error = refused(&format!(r#""a": "{place}""#));
        assert!(error.contains("in the folder of their list"), "{error}");
    }
    // A list within a list, and one that is in memory.
    let error = refused(r#""a": "model.safetensors.index.json""#);
    assert!(error.contains("no format of weights"), "{error}");
    let error = weights::from_bytes(b"{\"weight_map\": {}}").expect_err("no folder").to_string();
    assert!(error.contains("no format of weights"), "{error}");
}

#[test]
fn batch_norms_that_were_fused_into_convolutions_are_made_again() {
    let mut net = Model::builder("fused", [1, 4, 4]);
    let x = net.input();
    let x = net.add("conv1", Conv2d::new(1, 4, 3).without_bias(), &[x]);
    let x = net.add("bn1", BatchNorm2d::new(4), &[x]);
    let x = net.add("relu", Op::Relu, &[x]);
    let x = net.add("conv2", Conv2d::new(4, 2, 1).without_bias(), &[x]);
    let x = net.add("bn2", BatchNorm2d::new(2).eps(1e-3), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(8, 2), &[x]);
    let quantised = || weights::read(folder().join("fused.pth")).expect("a file");
    let model = net.build_with(quantised()).expect("a network");
    let notes = model.notes().join("\n");
    assert!(notes.contains("2 batch norms") && notes.contains("conv1.scale and "), "{notes}");
    let pass = weights::read(folder().join("fused_pass.safetensors")).expect("a pass");
    let check = || {
        let given = model.forward(&pass["x"]).expect("a pass");
        let off = (given - &pass["y"]).abs().max().double_value(&[]);
        // Rounding of 32-bit floats in three layers; values are about 1.
        assert!(off < 1e-6, "{off}");
    };
    check();
    model.load(&quantised()).expect("the same again");
    check();
    // A batch norm of which something is there was not fused.
    let mut half = quantised();
    half.insert("bn1.bias".into(), zeros(&[4]));
    let error = model.load(&half).expect_err("half a norm").to_string();
    assert!(
        error.contains("bn1.weight is missing") && error.contains("conv1.bias belongs"),
        "{error}"
    );
}

/// The weights of a small network of the zoo, under other names.
fn renamed(model: &Model, names: impl Fn(&str) -> String) -> Weights {
    model.weights().into_iter().map(|(name, tensor)| (names(&name), tensor)).collect()
}

#[test]
fn the_last_layer_is_found_by_whatever_name_it_has() {
    let model = zoo::resnet18_for(3, 10, 3).expect("a network");
    for head in ["fc.1", "fc.0.linear", "head", "last_linear", "module.fc.4"] {
        let given = renamed(&model, |name| match name.strip_prefix("fc.") {
            Some(what) => format!("{head}.{what}"),
            None if head.starts_with("module.") => format!("module.{name}"),
            None => name.to_owned(),
        });
        let same = zoo::resnet18_with(given).unwrap_or_else(|e| panic!("{head}: {e}"));
        assert_eq!(same.weights(), model.weights(), "{head}");
        let note = same.notes().pop().expect("a note");
        assert!(note.contains(&format!("fc, is {}", head.trim_start_matches("module."))), "{note}");
    }
    // Without a bias.
    let mut given = renamed(&model, |name| name.replace("fc.", "fc.1."));
    given.remove("fc.1.bias");
    let same = zoo::resnet18_with(given).expect("a network");
    assert_eq!(same.weights()["fc.bias"], zeros(&[10]));
    // Several layers.
    let mut given = renamed(&model, |name| name.replace("fc.", "fc.3."));
    given.insert("fc.0.weight".into(), zeros(&[512, 512]));
    let error = zoo::resnet18_with(given).expect_err("two layers").to_string();
    let one_line = "torch.export.save(torch.export.export(net.eval(), (x,)), ";
    let parts = ["resnet18", "last layer", "fc.0.weight [512, 512], fc.3.bias [10]", one_line];
    assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    // As scripts write them: hidden layers with biases and a batch norm of their own, and a wrapper around all.
    for wrapper in ["", "module.", "module._orig_mod."] {
        let heads = [
            ("fc.0.weight", vec![256, 512]),
            ("fc.0.bias", vec![256]),
            ("fc.1.weight", vec![256]),
            ("fc.1.bias", vec![256]),
            ("fc.1.running_mean", vec![256]),
            ("fc.1.running_var", vec![256]),
            ("fc.4.weight", vec![10, 256]),
            ("fc.4.bias", vec![10]),
        ];
        let mut given = renamed(&model, |name| format!("{wrapper}{name}"));
        given.retain(|name, _| !name.contains("fc."));
        given.extend(heads.map(|(name, shape)| (format!("{wrapper}{name}"), zeros(&shape))));
        let error = zoo::resnet18_with(given).expect_err("a head of layers").to_string();
        let parts = ["fc.0.weight [256, 512]", "fc.4.weight [10, 256]", "activations", one_line];
        assert!(parts.iter().all(|part| error.contains(part)), "{wrapper}: {error}");
    }
    // Another size.
    let mut given = renamed(&model, |name| name.replace("fc.", "head."));
    given.insert("head.weight".into(), zeros(&[10, 5]));
    let error = zoo::resnet18_with(given).expect_err("another network's").to_string();
    assert!(
        error.contains("fc.weight is missing") && error.contains("head.weight belongs"),
        "{error}"
    );
    // Where the classifier has more than one part.
    let model = zoo::mobilenet_v2_for(3, 4, 3).expect("a network");
    let given = renamed(&model, |name| name.replace("classifier.1.", "classifier."));
    assert_eq!(zoo::mobilenet_v2_with(given).expect("a network").weights(), model.weights());
}

#[test]
fn wrappers_around_a_part_of_the_network_are_taken_out_of_names() {
    let model = zoo::resnet18_for(3, 10, 3).expect("a network");
    for (part, wrapped) in [
        ("layer1.", "layer1._orig_mod."),
        ("layer1.", "layer1.module."),
        ("layer1.0.", "layer1.0._orig_mod.module."),
    ] {
        let given = renamed(&model, |name| name.replace(part, wrapped));
        let same = zoo::resnet18_with(given).unwrap_or_else(|e| panic!("{wrapped}: {e}"));
        assert_eq!(same.weights(), model.weights(), "{wrapped}");
        assert!(same.notes()[0].contains(wrapped), "{:?}", same.notes());
    }
    let given = renamed(&model, |name| match name.starts_with("fc.") {
        true => format!("backbone.{name}"),
        false => format!("backbone._orig_mod.{name}"),
    });
    let same = zoo::resnet18_with(given).expect("a network");
    assert_eq!(same.weights(), model.weights());
    // A name that is there already is not taken twice.
    let mut given = small().build().expect("a network").weights();
    given.insert("1.module.bias".into(), zeros(&[2]));
    let left = complaints(small().build_with(given));
    assert_eq!(left, ["1.module.bias belongs to no layer"]);
}

#[test]
fn classes_have_their_names_from_class_names_too() {
    let bytes = std::fs::read(folder().join("averaged_old.pth")).expect("a file");
    let (old, new) = (b"X\x0c\0\0\0class_to_idx", b"X\x0b\0\0\0class_names");
    let at = bytes.windows(old.len()).position(|part| part == old).expect("the key");
    let renamed = [&bytes[..at], new, &bytes[at + old.len()..]].concat();
    assert_eq!(weights::from_bytes(&renamed).expect("weights").class_names(), ["cat", "dog"]);
}

#[test]
fn names_of_another_library_are_said_to_be_so() {
    let given = Weights::from([
        ("conv_stem.weight".to_owned(), zeros(&[32, 3, 3, 3])),
        ("blocks.0.0.conv_dw.weight".to_owned(), zeros(&[32, 1, 3, 3])),
    ]);
    let text = zoo::mobilenet_v2_with(given).expect_err("a complaint").to_string();
    let first = text.lines().next().expect("a line");
    assert!(
        first.contains("timm's are not torchvision's") && first.contains("my_network.pt2"),
        "{text}"
    );
    assert!(text.lines().count() < 10, "{text}");
}
