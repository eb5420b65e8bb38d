//! Networks of several inputs and outputs, and of one score alone: what they compute is what PyTorch and captum
//! compute of the same network (tests/reference/make_networks.py, `make_ends`).

use std::path::PathBuf;

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
    let scale = expected.abs().max().double_value(&[]);
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
                (_, "meta") => continue,
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
                "occlusion" => close(key, heat.raw(), &expected.select(1, 0)),
                _ => close(key, heat.channels().values(), expected),
            }
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
fn pictures_for_a_class_and_data_sets_work_at_any_output() {
    let reference = reference();
    let model = fixed(&both()[0], &reference);
    let quick = FeatureVis::default().size(12).steps(2);
    let aux = Objective::class(1).output("aux") - Objective::class(2).output("logits");
    let patterns = quick.run(&model, [aux, Objective::class(0).output(1)]).expect("patterns");
    assert_eq!(patterns.len(), 2);
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
    failure(turned.fix("depth", &depth), &["no input left"]);
    failure(model.with_output("logit"), &["no output \"logit\"", "\"logits\", \"aux\""]);
    failure(model.with_output(-3), &["no output -3"]);
    let look = look(&model, &reference);
    failure(look.input("meta"), &["\"meta\"", "[1, 5]"]);
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

fn to_floats(tensor: &Tensor) -> Vec<f32> {
    convlens::tensor::to_floats(tensor).expect("values")
}
