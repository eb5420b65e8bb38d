//! Networks of several inputs and outputs, and of one score alone: what they compute is what PyTorch and captum
//! compute of the same network (tests/reference/make_networks.py, `make_ends`).

use std::path::PathBuf;

use convlens::attribution::Evidence;
use convlens::model::Weights;
use convlens::prelude::*;
use tch::kind::FLOAT_CPU;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reference/networks")
}

fn reference() -> Weights {
    weights::read(folder().join("ends.safetensors")).expect("reference")
}

/// The network as PyTorch wrote it, both ways.
fn both() -> [Model; 2] {
    ["ends.pt2", "ends.onnx"]
        .map(|name| Model::open(folder().join(name)).unwrap_or_else(|error| panic!("{error}")))
}

/// All inputs but the photo held at those of the first photo.
fn fixed(model: &Model, reference: &Weights) -> Model {
    let first = |name: &str| reference[name].narrow(0, 0, 1);
    let model = model.fix("depth", &first("depth")).expect("a depth");
    model.fix("meta", &first("meta")).expect("numbers")
}

fn look(model: &Model, reference: &Weights) -> Look {
    fixed(model, reference).look_input(&reference["image"].narrow(0, 0, 1)).expect("a look")
}

/// Single precision against double: 2e-5 of the greatest value.
fn close(what: &str, found: &[f32], expected: &Tensor) {
    let found = Tensor::from_slice(found).reshape(expected.size());
    let scale = expected.abs().max().double_value(&[]).max(1e-6);
    let off = (found - expected).abs().max().double_value(&[]) / scale;
    assert!(off < 2e-5, "{what} is off by {off:.1e} of its greatest value");
}

fn failure<T: std::fmt::Debug>(result: convlens::Result<T>, parts: &[&str]) {
    let text = result.expect_err("an error").to_string();
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
}

#[test]
fn inputs_and_outputs_have_the_names_of_the_file() {
    for model in both() {
        let shape = |name: &str, sizes: &[i64]| (name.to_owned(), sizes.to_vec());
        let inputs = [
            shape("image", &[1, 3, 12, 12]),
            shape("depth", &[1, 1, 12, 12]),
            shape("meta", &[1, 5]),
        ];
        assert_eq!(model.inputs(), inputs);
        assert_eq!(model.outputs(), [shape("logits", &[1, 4]), shape("aux", &[1, 1])]);
        assert_eq!(fixed(&model, &reference()).inputs(), inputs[..1]);
        assert_eq!(model.input_shape(), [3, 12, 12]);
        assert_eq!(model.last_maps().expect("maps"), "relu3");
        assert_eq!(model.with_output("aux").and_then(|m| m.last_maps()).expect("maps"), "relu1");
    }
}

#[test]
fn feeds_by_name_and_fixed_inputs_give_what_pytorch_gives() {
    let reference = reference();
    let of = |name: &str| &reference[name];
    for model in both() {
        let feeds = [("image", of("image")), ("depth", of("depth")), ("meta", of("meta"))];
        let found = model.run(&feeds, &["output"]).expect("scores");
        close("logits", &to_floats(&found[0]), of("logits"));
        let aux = model.with_output(1).expect("the second output");
        let found = aux.run(&feeds, &["output"]).expect("scores");
        close("aux", &to_floats(&found[0]), of("aux"));
        // One after the other: of a batch of photos, each has the fixed values.
        let first = fixed(&model, &reference);
        let photos = Tensor::cat(&[of("image"), of("image")], 0);
        let found = first.forward(&photos).expect("scores");
        assert_eq!(found.size(), [4, 4]);
        for photo in [0, 2] {
            close("logits", &to_floats(&found.get(photo)), &of("logits").get(0));
        }
        let looks = first.look_inputs(of("image")).expect("looks");
        let heat = looks.explain(&GradCam::at("relu3").class(1)).expect("heat maps");
        close("Grad-CAM", heat[0].raw(), of("grad_cam:logits:relu3"));
        let second = looks.get(1).and_then(|look| look.logits()).expect("scores");
        close("of the second photo", &to_floats(&second), &found.get(1));
        // The part up to a layer takes what it reads.
        let front = first.up_to("conv3").expect("a part");
        assert_eq!(front.inputs().len(), 1);
        let maps = first.run(&[("image", of("image"))], &["conv3"]).expect("maps");
        close("conv3", &to_floats(&front.forward(of("image")).expect("maps")), &maps[0]);
        let silent = first.ablate("relu2", 0..4).expect("without depth");
        let other = model.fix("meta", &of("meta").narrow(0, 0, 1)).expect("numbers");
        let other = other.fix("depth", &of("depth").narrow(0, 1, 1)).expect("a depth");
        let other = other.ablate("relu2", 0..4).expect("without depth");
        let scores = |model: &Model| to_floats(&model.forward(of("image")).expect("scores"));
        assert_eq!(scores(&silent), scores(&other));
    }
}

#[test]
fn explanations_of_each_input_and_output_agree_with_torch_and_captum() {
    let reference = reference();
    for model in both() {
        let look = look(&model, &reference);
        for (key, expected) in reference.iter() {
            let parts: Vec<&str> = key.split(':').collect();
            let &[kind, output, of] = parts.as_slice() else { continue };
            // Both outputs have a class 1: aux says yes.
            let heat = match (kind, of) {
                ("occlusion", "meta") => {
                    look.input("meta").and_then(|look| look.explain(&Occlusion::default().class(1)))
                }
                ("grad_cam", layer) => look.explain(&GradCam::at(layer).class(1).output(output)),
                ("gradient", input) => look
                    .input(input)
                    .and_then(|look| look.explain(&Saliency::default().output(output).class(1))),
                ("integrated", input) => look.input(input).and_then(|look| {
                    look.explain(&IntegratedGradients::default().class(1).output(output).steps(20))
                }),
                (_, input) => look.input(input).and_then(|look| {
                    let method = Occlusion::default().window(4).stride(2).class(1);
                    look.output(output)?.explain(&method)
                }),
            };
            let heat = heat.unwrap_or_else(|error| panic!("{key}: {error}"));
            match kind {
                "grad_cam" => close(key, heat.raw(), expected),
                // Ours is of all channels at once, captum's the same in each.
                "occlusion" if of != "meta" => close(key, heat.raw(), &expected.select(1, 0)),
                _ => close(key, heat.channels().values(), expected),
            }
            let named = heat.caption().contains(&format!(", of the input {of}"));
            assert_eq!(named, kind != "grad_cam", "{}", heat.caption());
            let captioned = heat.caption().contains("aux");
            assert_eq!(captioned, output == "aux", "{}", heat.caption());
        }
        // Wrappers and sums keep the output.
        let smooth = SmoothGrad::new(Saliency::default().output("aux").class(1)).samples(2);
        let depth = look.input("depth").expect("the depth");
        failure(depth.explain(&smooth), &["does not depend", "\"depth\""]);
        assert_eq!(look.explain(&smooth).expect("a map").class(), Some(1));
        let sum = Target::sum([Target::from(1), Target::from(2)].map(|class| class.output("aux")));
        failure(look.explain_for(&GradCam::at("relu1"), sum), &["classes 0 to 1"]);
        let mixed = Target::difference(Target::from(1).output("aux"), 1);
        failure(look.explain_for(&GradCam::at("relu1"), mixed), &["several outputs"]);
        // What else is seen is that input.
        assert_eq!(depth.seen().width(), 12);
        assert_eq!(depth.model().input_shape(), [1, 12, 12]);
    }
}

#[test]
fn each_output_has_names_for_its_classes() {
    let reference = reference();
    let model = fixed(&both()[0], &reference);
    let animals = ["cat", "dog", "bird", "fish"];
    let named = model.classes(animals).and_then(|m| m.classes_of("aux", ["no tank", "tank"]));
    let named = named.expect("names");
    // Neither takes the place of the other, whichever counts.
    assert_eq!(named.class_names(), animals);
    let aux = named.with_output("aux").expect("the output");
    assert_eq!(aux.class_names(), ["no tank", "tank"]);
    assert_eq!(aux.with_output(0).expect("the output").class_names(), animals);
    assert_eq!(aux.ablate("relu1", [0]).expect("without one").class_names(), ["no tank", "tank"]);
    assert_eq!(named.up_to("aux").expect("a part").class_names(), ["no tank", "tank"]);
    assert!(named.up_to("relu3").expect("a part").class_names().is_empty());

    let look = named.look_input(&reference["image"].narrow(0, 0, 1)).expect("a look");
    let names = |look: &Look| -> Vec<String> {
        let predictions = look.predictions(2).expect("predictions");
        predictions.rows().iter().map(|row| row.name.clone()).collect()
    };
    let mut found = look.output("aux").map(|look| names(&look)).expect("the output");
    found.sort();
    assert_eq!(found, ["no tank", "tank"]);
    assert!(names(&look).iter().all(|name| animals.contains(&name.as_str())));
    let tank = Target::from("tank").output("aux");
    let heat = look.explain(&Saliency::default().class(tank.clone())).expect("a heat map");
    assert_eq!(heat.target(), "aux: tank (1)");
    let photo = Photo::from_image(&image::DynamicImage::new_rgb8(12, 12)).expect("a photo");
    let rows = compare::classes(&named, [tank, "bird".into()], &photo, &GradCam::default());
    let text = rows.expect("a comparison").bundle().as_text().to_owned();
    assert!(text.contains("aux: tank (1)") && text.contains("bird (2)"), "{text}");
    let pattern = Objective::class("tank").output("aux");
    FeatureVis::default().size(12).steps(2).run(&named, pattern).expect("a picture");

    failure(named.classes_of("aux", animals), &["aux: ", "1 classes", "4 names"]);
    failure(named.classes_of("x", animals), &["no output \"x\""]);
    let unnamed = model.with_output("aux").and_then(|aux| aux.class_index("tank"));
    failure(unnamed, &["have no names", ".classes_of(\"aux\""]);
}

#[test]
fn pictures_for_a_class_and_data_sets_work_at_any_output() {
    let reference = reference();
    let model = fixed(&both()[0], &reference);
    // A folder of two classes: what its maps are found by, and what it is trained at, is the output that counts.
    let shades = |least: u8| {
        let photo = |step: u8| {
            let image = image::RgbImage::from_fn(12, 12, |x, y| {
                image::Rgb([least + step, (9 * x) as u8, (7 * y) as u8])
            });
            Photo::from_image(&image.into()).expect("a photo")
        };
        [0, 20, 40].map(photo)
    };
    let set =
        ImageFolder::of_photos([("dark", shades(0)), ("bright", shades(200))]).expect("photos");
    let (photos, classes) = set.tensors(&model).expect("tensors");
    assert_eq!(photos.size(), [6, 3, 12, 12]);
    for (output, layer, maps) in [("logits", "relu3", 8), ("aux", "relu1", 6)] {
        let one = model.with_output(output).expect("the output");
        let tops = TopMapSearch::at(layer).per_photo(2).per_class(2).run(&one, &set);
        assert_eq!(tops.expect("top maps").channels(), maps);
        let sums = set.activation_maps(&one, layer, 0).expect("maps").means();
        let alone = one.look_input(&photos.narrow(0, 4, 1)).and_then(|l| l.layer(layer)?.means());
        assert!((sums[4] - alone.expect("means")[0]).abs() < 1e-5);
    }
    let before = model.weights()["meta.weight"].copy();
    let aux = model.with_output("aux").expect("the output");
    let yes = classes.to_kind(tch::Kind::Float).view([6, 1]);
    let fit = Fit::default().loss(Loss::BinaryCrossEntropy).epochs(3).learning_rate(0.01);
    fit.run(&aux, &photos, &yes).expect("a training at aux");
    // Nothing leads from there to the numbers.
    assert_eq!(model.weights()["meta.weight"], before);
    Fit::default().epochs(2).run(&model, &photos, &classes).expect("a training at logits");
    assert_ne!(model.weights()["meta.weight"], before);

    let quick = FeatureVis::default().size(12).steps(2);
    let aux = Objective::class(1).output("aux") - Objective::class(2).output("logits");
    let patterns = quick.run(&model, [aux, Objective::class(0).output(1)]).expect("patterns");
    // What they were made for is what the outputs say of them: class 0 of one score is no.
    let score = |output: &str, pattern: usize, class: i64| {
        let input = patterns.get(pattern).expect("a picture").tensor();
        let scores = model.with_output(output).and_then(|model| model.forward(&input));
        scores.expect("scores").double_value(&[0, class])
    };
    let [difference, no] = [score("aux", 0, 0) - score("logits", 0, 2), -score("aux", 1, 0)];
    for (pattern, expected) in patterns.iter().zip([difference, no]) {
        let found = pattern.objective();
        assert!((found - expected).abs() < 1e-4 * expected.abs().max(1.0), "{found} {expected}");
    }
    let open = quick.run(&both()[0], Objective::class(1)).expect_err("two inputs are open");
    assert!(open.to_string().contains(".fix("), "{open}");
    failure(quick.run(&model, Objective::class(1).output("x")), &["no output \"x\"", "\"aux\""]);
}

#[test]
fn one_score_alone_says_for_and_against() {
    let reference = reference();
    let look = look(&both()[0], &reference).output("aux").expect("the output");
    let y = reference["aux"].double_value(&[0, 0]);
    assert!(y < 0.0, "the network decides against");
    let chance = 1.0 / (1.0 + (-y).exp());
    let predictions = look.predictions(5).expect("both");
    let rows = predictions.rows();
    assert_eq!(rows.iter().map(|row| row.class).collect::<Vec<_>>(), [0, 1]);
    assert!((rows[0].probability - (1.0 - chance)).abs() < 1e-6, "{rows:?}");
    assert!((rows[0].logit + y).abs() < 1e-6 && (rows[1].logit - y).abs() < 1e-6, "{rows:?}");

    // Of what the network decided: against, by the negated score.
    let method = GradCam::at("relu1");
    let cam = &reference["grad_cam:aux:relu1"];
    let decided = look.explain(&method).expect("a heat map");
    close("against", decided.raw(), &-cam);
    assert_eq!((decided.class(), decided.score() > 0.0), (Some(0), true));
    let caption = decided.caption();
    assert_eq!(caption, "Grad-CAM: aux: against class 1 (score −0.94, 28.0 %), at relu1");
    assert!(decided.remarks().is_empty());
    let asked = look.explain(&method.class(1)).expect("a heat map");
    close("for", asked.raw(), cam);
    assert_eq!(asked.caption(), "Grad-CAM: aux: for class 1 (score −0.94, 28.0 %), at relu1");
    assert!(asked.remarks()[0].contains("decides for class 0"), "{:?}", asked.remarks());

    // With the name of "yes", or of both.
    let aux = look.model().with_output("aux").expect("the output");
    let named = aux.classes(["tank, panzer"]).expect("one name");
    assert_eq!(named.class_names(), ["not tank", "tank, panzer"]);
    let image = reference["image"].narrow(0, 0, 1);
    let of = |model: &Model, class: Target| {
        model.look_input(&image).and_then(|look| look.explain_for(&method, class)).expect("a map")
    };
    for (class, caption) in [
        (Target::Predicted, "against tank (score −0.94, 28.0 %)"),
        (Target::from("not tank"), "against tank (score −0.94, 28.0 %)"),
        (Target::from("panzer"), "for tank (score −0.94, 28.0 %)"),
    ] {
        assert_eq!(of(&named, class).caption(), format!("Grad-CAM: aux: {caption}, at relu1"));
    }
    let both = aux.classes(["forest", "tank"]).expect("two names");
    let heat = of(&both, Target::Predicted);
    assert_eq!(heat.caption(), "Grad-CAM: aux: for forest (score +0.94, 72.0 %), at relu1");
    assert_eq!(
        both.look_input(&image).and_then(|l| l.predictions(1)).expect("one").top().name,
        "forest"
    );
    failure(aux.classes(["a", "b", "c"]), &["3 names"]);
    failure(look.explain(&method.class(2)), &["classes 0 to 1"]);
}

/// Behind a sigmoid of its own, and without a side for the only class.
#[test]
fn a_probability_alone_says_yes_above_a_half() {
    let mut net = Model::builder("p", [1, 4, 4]);
    let x = net.input();
    let x =
        net.chain("net", ops![Conv2d::new(1, 2, 1), Op::Relu, Op::Flatten, Linear::new(32, 1)], x);
    let x = net.add("p", Op::Sigmoid, &[x]);
    net.add("squeezed", convlens::model::Rearrange::Squeeze(vec![1]), &[x]);
    let model = net.seed(3).build().expect("a network");
    for seed in 0..6 {
        tch::manual_seed(seed);
        let look =
            model.look_input(&(4.0 * Tensor::randn([1, 1, 4, 4], FLOAT_CPU))).expect("a look");
        let p = look.logits().expect("the output").double_value(&[0]);
        let top = look.predictions(1).expect("one").top();
        assert_eq!(top.class, usize::from(p > 0.5));
        assert!((top.probability - p.max(1.0 - p)).abs() < 1e-6);
        let heat = look.explain(&InputXGradient::default()).expect("a map");
        let other = look.explain(&InputXGradient::default().class(1 - top.class)).expect("a map");
        assert!((heat.score() - top.probability).abs() < 1e-6 && heat.score() >= 0.5);
        for (a, b) in heat.raw().iter().zip(other.raw()) {
            assert_eq!(*a, -*b);
        }
        let word = if p > 0.5 { "for class 1 (" } else { "against class 1 (" };
        assert!(heat.caption().contains(word), "{}", heat.caption());
    }
}

#[test]
fn an_input_of_one_channel_says_how_a_photo_becomes_one() {
    let mut net = Model::builder("two", [3, 4, 4]);
    let depth = net.add_input("depth", [1, 4, 4]);
    let x = net.input();
    let depth = net.add("conv", Conv2d::new(1, 3, 1), &[depth]);
    net.add("join", Op::Add, &[x, depth]);
    let model = net.build().expect("a network");
    let photo = Tensor::rand([1, 3, 4, 4], FLOAT_CPU);
    failure(model.fix("depth", &photo), &["[1, 1, 4, 4]", "[1, 3, 4, 4]", "narrow(1, 0, 1)"]);
    assert!(model.fix("depth", &photo.narrow(1, 0, 1)).is_ok());
}

#[test]
fn bad_inputs_and_outputs_say_what_there_is() {
    let reference = reference();
    let model = both()[0].clone();
    let depth = reference["depth"].narrow(0, 0, 1);
    let image = reference["image"].narrow(0, 0, 1);
    failure(model.fix("dept", &depth), &["no input \"dept\"", "\"image\", \"depth\", \"meta\""]);
    failure(model.fix(3, &depth), &["no input 3"]);
    failure(model.fix("depth", &image), &["\"depth\"", "[1, 1, 12, 12]", "[1, 3, 12, 12]"]);
    failure(model.fix("meta", &Tensor::zeros([5], FLOAT_CPU)), &["\"meta\"", "[1, 5]", "[5]"]);
    failure(model.fix("meta", &Tensor::zeros([2, 5], FLOAT_CPU)), &["[2, 5]"]);
    failure(model.look_input(&image).and_then(|look| look.logits()), &["\"depth\"", ".fix("]);
    failure(model.forward(&image), &["\"depth\"", ".fix("]);
    let half = model.fix("depth", &depth).expect("a depth");
    failure(half.fix("depth", &depth), &["fixed already"]);
    failure(half.forward(&image), &["\"meta\"", "[1, 5]"]);
    // The photo's place goes to the next input that can be one; then none is left.
    let turned = model.fix("image", &image).expect("a photo");
    assert_eq!(turned.inputs()[0].0, "depth");
    // Then to a row of numbers.
    let numbers = turned.fix("depth", &depth).expect("a depth");
    assert_eq!(numbers.inputs(), [("meta".to_owned(), vec![1, 5])]);
    failure(numbers.fix("meta", &reference["meta"].narrow(0, 0, 1)), &["no input left"]);
    failure(model.with_output("logit"), &["no output \"logit\"", "\"logits\", \"aux\""]);
    failure(model.with_output(-3), &["no output -3"]);
    let look = look(&model, &reference);
    failure(look.output("x"), &["no output \"x\""]);
    failure(look.explain(&GradCam::default().output("x")), &["no output \"x\""]);
    failure(model.run(&[("image", &image), ("depth", &image)], &["output"]), &["\"depth\""]);

    let mut net = Model::builder("two", [1, 4, 4]);
    let x = net.input();
    net.add("a", Op::Relu, &[x]);
    failure(net.outputs([("a", x), ("a", x)]).build(), &["two outputs called \"a\""]);
    let mut net = Model::builder("two", [1, 4, 4]);
    net.add_input("input", [3]);
    failure(net.build(), &["name is taken"]);
    let mut net = Model::builder("two", [1, 4, 4]);
    net.add_input("meta", [0]);
    failure(net.build(), &["\"meta\"", "[1, 0]"]);
}

#[test]
fn what_each_number_contributes_is_what_captum_says() {
    let reference = weights::read(folder().join("numbers.safetensors")).expect("reference");
    let rows = &reference["input"];
    for name in ["numbers.pt2", "numbers.onnx"] {
        let model = Model::open(folder().join(name)).unwrap_or_else(|error| panic!("{error}"));
        let input = model.inputs()[0].0.clone();
        assert_eq!((model.inputs()[0].1.as_slice(), model.input_shape()), (&[1, 6][..], [6, 1, 1]));
        close("output", &to_floats(&model.forward(rows).expect("scores")), &reference["output"]);
        let dark = Occlusion::default().baseline([1.0, -1.0, 0.5, 2.0, 0.0, -3.0]).class(1);
        let methods: [(&str, &dyn Attribution); 5] = [
            ("gradient", &Saliency::default().class(1)),
            ("guided", &GuidedBackprop::default().class(1)),
            ("integrated", &IntegratedGradients::default().steps(20).class(1)),
            ("occlusion", &Occlusion::default().class(1)),
            ("dark", &dark),
        ];
        let looks = model.look_inputs(rows).expect("looks");
        for (key, method) in methods {
            let both = looks.explain(method).unwrap_or_else(|error| panic!("{key}: {error}"));
            for row in 0..2 {
                let look = model.look_input(&rows.narrow(0, row, 1)).expect("a look");
                let alone = look.explain(method).expect("an explanation");
                let expected = reference[key].get(row);
                close(key, alone.channels().values(), &expected);
                close(key, both[row as usize].channels().values(), &expected);
                assert_eq!((alone.height(), alone.width()), (1, 6));
                assert!(alone.bundle().as_picture().is_some(), "{}", alone.bundle().as_text());
            }
        }
        let named = model
            .features(
                input.as_str(),
                ["age", "weight", "height", "smokes", "sex", "a name that is longer"],
            )
            .expect("six names");
        let look = named.look_input(&rows.narrow(0, 0, 1)).expect("a look");
        assert!(look.bundle().as_picture().is_some());
        let sum = Fused::mean([InputXGradient::default().class(1)]);
        let heat = look.explain(&sum).expect("a mean");
        assert!(heat.raw().iter().all(|v| (0.0..=1.0).contains(v)), "{:?}", heat.raw());
        let smooth = look.explain(&SmoothGrad::new(Saliency::default()).samples(3));
        assert_eq!(smooth.expect("a mean").raw().len(), 6);
        // The most important first, with names and values.
        let heat = look.explain(&IntegratedGradients::default().class(1)).expect("bars");
        let text = heat.bundle().as_text().to_owned();
        let mut order: Vec<usize> = (0..6).collect();
        order.sort_by(|&a, &b| heat.raw()[b].abs().total_cmp(&heat.raw()[a].abs()));
        let place = |i: usize| text.find(&format!("\n{}: ", named_in_order()[i])).expect("a line");
        assert!(order.windows(2).all(|pair| place(pair[0]) < place(pair[1])), "{text}");
        // The mean over one baseline is integrated gradients, but for the places on the way.
        let expected = ExpectedGradients::over(&(rows * 0.0)).samples(60).class(1);
        let each = looks.explain(&expected).expect("bars");
        for (row, heat) in (0..).zip(&each) {
            let look = model.look_input(&rows.narrow(0, row, 1)).expect("a look");
            let path = look.explain(&IntegratedGradients::default().class(1)).expect("bars");
            let most = path.raw().iter().fold(0f32, |most, value| most.max(value.abs()));
            for (one, other) in heat.raw().iter().zip(path.raw()) {
                assert!((one - other).abs() < 0.2 * most, "{:?} {:?}", heat.raw(), path.raw());
            }
        }
        // What is for photos says so.
        failure(look.explain(&GradCam::at(1)), &["Grad-CAM: it explains photos", "row of numbers"]);
        failure(look.explain(&Augmented::new(Saliency::default())), &["row of numbers"]);
        failure(look.explain(&GuidedGradCam::default()), &["row of numbers"]);
        failure(look.explain(&Cam::default()), &["row of numbers"]);
        failure(look.explain(&FullGrad::default()), &["FullGrad explains photos"]);
        failure(look.explain(&BlurIntegratedGradients::default()), &["row of numbers"]);
        failure(look.explain(&SmoothGradCamPlusPlus::default()), &["row of numbers"]);
        failure(look.explain(&SsCam::default()), &["row of numbers"]);
        failure(look.explain(&Occlusion::default().window(2)), &[".window(..)"]);
        failure(look.explain(&dark.baseline([0.0; 5])), &["each of the 6 channels"]);
        failure(heat.overlay(), &["row of numbers", ".picture()"]);
        failure(heat.side_by_side(), &["row of numbers"]);
        failure(model.features(input.as_str(), ["a"]), &["1 names", "[1, 6]"]);
        failure(
            model.look_input(&Tensor::zeros([1, 5], FLOAT_CPU)),
            &["rows of 6 numbers", "[1, 5]"],
        );
        let photo = Photo::from_image(&image::DynamicImage::new_rgb8(6, 6)).expect("a photo");
        failure(model.look(&photo), &["row of 6 numbers", "look_input"]);
        let set = ImageFolder::of_photos([("a", [&photo])]).expect("a photo");
        failure(set.tensors(&model), &["row of 6 numbers"]);
        failure(FeatureVis::default().run(&model, Objective::class(1)), &["[rows, numbers]"]);
        assert!(model.summary().is_ok() && model.minimum_side().is_none());
        assert!(model.receptive_field(1).is_err());
        let classes = Tensor::from_slice(&[0i64, 2]);
        Fit::default().epochs(2).run(&model, rows, &classes).expect("a training");
    }
}

fn named_in_order() -> [&'static str; 6] {
    ["age", "weight", "height", "smokes", "sex", "a name that is longer"]
}

#[test]
fn of_many_numbers_the_most_important_are_drawn() {
    let mut net = Model::builder("wide", [120]).classes(["no", "yes"]);
    let x = net.input();
    net.add("fc", Linear::new(120, 2), &[x]);
    let model = net.seed(4).build().expect("a network");
    let names =
        (0..120).map(|i| format!("measurement number {i} of a long and winding questionnaire"));
    let model = model.features("input", names).expect("names");
    let row = (Tensor::arange(120, FLOAT_CPU) * 0.37).sin().view([1, 120]);
    let look = model.look_input(&row).expect("a look");
    let heat = look.explain(&InputXGradient::default()).expect("bars");
    let text = heat.bundle().as_text().to_owned();
    assert!(text.contains("and 100 more, none beyond ±0."), "{text}");
    assert_eq!(text.lines().count(), 1 + 20 + 1);
    let mut order: Vec<usize> = (0..120).collect();
    order.sort_by(|&a, &b| heat.raw()[b].abs().total_cmp(&heat.raw()[a].abs()));
    for (line, number) in text.lines().skip(1).zip(&order[..20]) {
        assert!(line.starts_with(&format!("measurement number {number} of")), "{number}: {line}");
    }
    let picture = heat.bundle().as_picture().expect("a picture").clone();
    assert!((500..1000).contains(&picture.width()), "{}", picture.width());
    failure(Model::builder("two", [3, 4]).build(), &["[channels, height, width]", "[3, 4]"]);
    failure(Model::builder("none", [0]).build(), &["no pixels"]);
}

#[test]
fn an_input_that_is_called_input_is_that_one_everywhere() {
    for name in ["named.pt2", "named.onnx"] {
        let model = Model::open(folder().join(name)).unwrap_or_else(|error| panic!("{error}"));
        let shape = |name: &str, sizes: &[i64]| (name.to_owned(), sizes.to_vec());
        let inputs = [shape("image", &[1, 1, 6, 6]), shape("input", &[1, 3])];
        assert_eq!(model.inputs(), inputs);
        let (image, numbers) = (
            Tensor::rand([1, 1, 6, 6], FLOAT_CPU),
            Tensor::from_slice(&[1f32, 2.0, 3.0]).view([1, 3]),
        );
        let run = |wanted| model.run(&[("image", &image), ("input", &numbers)], &[wanted]);
        assert_eq!(run("input").expect("the numbers")[0], numbers);
        assert_eq!(run("image").expect("the photo")[0], image);
        let look = model.fix("input", &numbers).and_then(|m| m.look_input(&image)).expect("a look");
        assert_eq!(look.layer("input").expect("the numbers").tensor(), numbers);
        assert_eq!(look.layer("image").expect("the photo").tensor(), image);
        let of_numbers = look.input("input").expect("a look at the numbers");
        assert_eq!(of_numbers.layer("image").expect("the photo").tensor(), image);
        // Methods look at what is looked at.
        let heat = |look: &Look| look.explain(&Occlusion::default().class(0)).expect("a map");
        assert_eq!((heat(&look).width(), heat(&of_numbers).width()), (6, 3));
    }
}

/// Tokens that count photos in their second dimension, as PyTorch's `batch_first=False` has them, beside a
/// convolution that is looked at.
#[test]
fn tokens_that_count_photos_second_are_taken_apart_rightly() {
    let mut net = Model::builder("sequence first", [1, 6, 6]);
    let x = net.input();
    let stem = net.add("stem", Conv2d::new(1, 4, 3), &[x]);
    let flat = net.add("flat", convlens::model::Rearrange::Reshape(vec![-1, 4, 16]), &[stem]);
    let tokens = net.add("tokens", convlens::model::Rearrange::Permute(vec![2, 0, 1]), &[flat]);
    let tokens = net.add("mixed", Linear::new(4, 4), &[tokens]);
    let mean = net.function("mean", |x, _| x[0].mean_dim(0, false, tch::Kind::Float), &[tokens]);
    let maps = net.add("conv", Conv2d::new(4, 4, 3), &[stem]);
    let maps = net.add("pool", AdaptiveAvgPool2d::new(1), &[maps]);
    let maps = net.add("flatten", Op::Flatten, &[maps]);
    let both = net.add("both", Op::Multiply, &[mean, maps]);
    net.add("fc", Linear::new(4, 3), &[both]);
    let model = net.seed(2).build().expect("a network");
    tch::manual_seed(1);
    let photos = Tensor::randn([3, 1, 6, 6], FLOAT_CPU);
    let whole = model.run(&[("input", &photos)], &["mixed"]).expect("tokens").remove(0);
    assert_eq!(whole.size(), [16, 3, 4]);
    /// The score's gradient at the tokens, of one of a batch that knows those of all.
    struct OfTokens;
    impl Attribution for OfTokens {
        fn name(&self) -> String {
            "tokens".into()
        }
        fn target(&self) -> Target {
            Target::Index(1)
        }
        fn attribute(&self, case: &convlens::attribution::Case) -> convlens::Result<Evidence> {
            let _ = case.activation("mixed")?;
            let each = (0..case.count()).map(|i| case.one(i)?.activation("mixed"));
            let each = each.collect::<convlens::Result<Vec<_>>>()?;
            let contributions = Tensor::cat(&each, 1).permute([1, 2, 0]).reshape([-1, 4, 4, 4]);
            Ok(Evidence {
                contributions,
                reduction: convlens::attribution::Reduction::Sum,
                meaning: convlens::attribution::Meaning::Signed,
                layer: None,
                remarks: Vec::new(),
                segments: Vec::new(),
            })
        }
    }
    let looks = model.look_inputs(&photos).expect("looks");
    let methods: [&dyn Attribution; 4] = [
        &OfTokens,
        &AblationCam::at("conv").class(1),
        &Occlusion::default().class(1),
        &IntegratedGradients::default().class(1).steps(4),
    ];
    for method in methods {
        let together = looks.explain(method).unwrap_or_else(|e| panic!("{}: {e}", method.name()));
        for photo in 0..3 {
            let look = model.look_input(&photos.narrow(0, photo, 1)).expect("a look");
            let alone = look.explain(method).unwrap_or_else(|e| panic!("{}: {e}", method.name()));
            let alone = Tensor::from_slice(alone.raw());
            close(&method.name(), together[photo as usize].raw(), &alone);
        }
    }
    // Where it ends in such, only one can be explained.
    let tokens = model.up_to("mixed").expect("a part").look_inputs(&photos).expect("looks");
    let sum = Target::function("sum", |scores| scores.sum(scores.kind()));
    let saliency = Saliency::default().class(sum);
    failure(tokens.explain(&saliency), &["[16, 3, 4]", "one after the other"]);
}

fn to_floats(tensor: &Tensor) -> Vec<f32> {
    convlens::tensor::to_floats(tensor).expect("values")
}
