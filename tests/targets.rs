//! What is explained besides classes: a detector's boxes, likeness to another photo, numbers; and LeGrad. Numbers are the
//! peers' (tests/reference/make_targets.py).

#[path = "methods/networks.rs"]
#[allow(dead_code, reason = "the networks of other tests")]
mod networks;
#[allow(dead_code, reason = "what other tests read")]
mod peers;

use std::collections::BTreeMap;

use convlens::Error;
use convlens::prelude::*;
use peers::device::placed;
use peers::{difference, formula_photo, read_numbers, reference, with_formula_weights};

fn numbers() -> BTreeMap<String, Vec<f32>> {
    read_numbers("targets/targets.safetensors")
}

/// Whether operations are recorded for gradients.
fn recording() -> bool {
    let leaf = Tensor::ones([1], tch::kind::FLOAT_CPU).set_requires_grad(true);
    (leaf * 2.0).requires_grad()
}

/// Runs `work` with gradients recorded and without, and checks that this is so afterwards, too.
fn in_both_modes(work: impl Fn()) {
    work();
    assert!(recording());
    let _no_grad = tch::no_grad_guard();
    work();
    assert!(!recording());
}

/// A network that puts out this value for any photo.
fn constant(output: Tensor, side: i64) -> Model {
    let mut net = Model::builder("finder", [3, side, side]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 4, 3).padding(1), &[x]);
    let first = output.size()[0];
    net.function(
        "rows",
        move |x, _| {
            // What the network sees counts by nothing, but counts.
            let nothing = x[0].sum(tch::Kind::Float) * 0.0;
            let mut size = output.size();
            size[0] = x[0].size()[0] * first;
            output.to_device(x[0].device()).expand(size, false) + nothing
        },
        &[x],
    );
    placed(net.build().expect("a network"))
}

fn look_at(model: &Model, side: i64) -> Look {
    let photo = Tensor::zeros([1, 3, side, side], tch::kind::FLOAT_CPU);
    model.look_input(&photo).expect("a look")
}

fn yolo() -> (Model, Look) {
    let model = placed(Model::open(reference("onnx/yolo.onnx")).expect("a network"));
    let stored = weights::read(reference("onnx/yolo.npz")).expect("a photo");
    let look = model.look_input(&stored["input"].narrow(0, 0, 1)).expect("a look");
    (model, look)
}

/// Corners, score and class of each box, as ultralytics lists them.
fn listed(found: &Detections) -> Vec<f32> {
    let row = |one: &Detection| {
        let [left, top, right, bottom] = one.corners;
        [left, top, right, bottom, one.score, one.class as f64].map(|value| value as f32)
    };
    found.rows().iter().flat_map(row).collect()
}

#[test]
fn boxes_are_suppressed_as_by_torchvision() {
    let numbers = numbers();
    let boxes = Tensor::from_slice(&numbers["nms/boxes"]).reshape([60, 4]);
    let scores = Tensor::from_slice(&numbers["nms/scores"]).reshape([60, 3]);
    let model = constant(Tensor::cat(&[boxes, scores], 1).unsqueeze(0), 64);
    let detector = Detector::function(|y| (y.narrow(1, 0, 4), y.narrow(1, 4, 3)));
    let detector = detector.confidence(0.6).overlap(0.5).classes(["cat", "dog", "bird"]);
    let look = look_at(&model, 64);
    let found = look.detections(&detector).expect("boxes");
    let places = numbers["nms/kept"].iter().map(|&place| place as usize);
    let expected: Vec<f32> =
        places.clone().flat_map(|place| numbers["nms/boxes"][4 * place..][..4].to_vec()).collect();
    let corners: Vec<f32> =
        found.rows().iter().flat_map(|one| one.corners.map(|c| c as f32)).collect();
    assert_eq!(corners, expected);
    for (one, place) in found.rows().iter().zip(places) {
        let scores = &numbers["nms/scores"][3 * place..][..3];
        assert_eq!(one.score as f32, scores.iter().copied().fold(0.0, f32::max));
        assert_eq!(scores[one.class], one.score as f32);
        assert_eq!((one.name.as_str(), one.row()), (["cat", "dog", "bird"][one.class], None));
    }
    // All boxes of high scores, and the best few.
    let all = look.detections(&detector.overlap(1.0)).expect("boxes");
    let best: Vec<f32> = numbers["nms/scores"]
        .chunks(3)
        .map(|scores| scores.iter().copied().fold(0.0, f32::max))
        .filter(|&best| best > 0.6)
        .collect();
    assert_eq!(all.len(), best.len());
    let few = look.detections(&detector.most(3)).expect("boxes");
    assert_eq!(few.rows(), &found.rows()[..3]);
}

#[test]
fn boxes_of_yolo_are_those_of_ultralytics() {
    let numbers = numbers();
    let (_, look) = yolo();
    let confidence = f64::from(numbers["yolo/confidence"][0]);
    let detector = Detector::default().confidence(confidence).overlap(0.45);
    let found = look.detections(&detector.classes(["cat", "dog"])).expect("boxes");
    let expected = &numbers["yolo/found"];
    assert_eq!(6 * found.len(), expected.len());
    assert!(difference(&listed(&found), expected) < 1e-5);
    // Scores are far below the corners.
    for (one, expected) in found.rows().iter().zip(expected.chunks(6)) {
        // onnxruntime's sigmoid is exact to some 1e-7.
        assert!((one.score as f32 - expected[4]).abs() < 5e-7);
        assert_eq!(one.name, ["cat", "dog"][expected[5] as usize]);
    }
    // Told by its shape, and by what it is told.
    for same in [detector.clone(), detector.without_objectness()] {
        assert_eq!(listed(&look.detections(&same).expect("boxes")), listed(&found));
    }
    // A box is drawn where it is: 9.6 of 32 pixels from the left, as a share.
    let [left, ..] = found.rows()[0].rectangle().sides();
    assert!((left - found.rows()[0].corners[0] / 32.0).abs() < 1e-9);
}

#[test]
fn boxes_with_objectness_are_those_of_ultralytics() {
    let numbers = numbers();
    let rows = Tensor::from_slice(&numbers["yolo5/rows"]).reshape([1, 64, 7]);
    let look = look_at(&constant(rows.shallow_clone(), 32), 32);
    let detector = Detector::default().confidence(0.3).overlap(0.45);
    let found = look.detections(&detector).expect("boxes");
    assert!(difference(&listed(&found), &numbers["yolo5/found"]) < 1e-5);
    let turned = look_at(&constant(rows.transpose(1, 2), 32), 32);
    let found = turned.detections(&detector.with_objectness()).expect("boxes");
    assert!(difference(&listed(&found), &numbers["yolo5/found"]) < 1e-5);
}

#[test]
fn a_box_of_yolo_is_explained_as_by_pytorch_grad_cam() {
    let numbers = numbers();
    let (_, look) = yolo();
    let found = look.detections(&Detector::default().confidence(0.0)).expect("boxes");
    let best = &found.rows()[0];
    let heat = look.explain(&GradCam::at("model.4").class(best)).expect("a heat map");
    assert!(difference(heat.raw(), &numbers["yolo/grad_cam"]) < 1e-5);
    assert!((heat.score() - best.score).abs() < 1e-9);
    assert_eq!(heat.class(), Some(best.class));
    assert!(heat.caption().starts_with("Grad-CAM: box of class "), "{}", heat.caption());
    // By its row alone.
    let row = best.row().expect("a row");
    let same = look.detection(&Detector::default(), row).expect("a box");
    assert_eq!(&same, best);
    // The picture is that of the map with the box on it.
    let bare = heat.overlay().expect("an overlay").marked(&[]).picture().expect("a picture");
    let marked = bare.marked(&[best.rectangle()]);
    assert_eq!(heat.picture().expect("a picture").to_rgb(), marked.to_rgb());
    assert_ne!(bare.to_rgb(), marked.to_rgb());
    let each = look.explain_each(&GradCam::at("model.4"), &found).expect("heat maps");
    assert_eq!(each.len(), found.len());
    assert_eq!(each[0].raw(), heat.raw());
    let both = Target::sum(&found.rows()[..2]);
    let heat = look.explain(&GradCam::at("model.4").class(both)).expect("a heat map");
    assert!((heat.score() - best.score - found.rows()[1].score).abs() < 1e-7);
    // What is the same for all boxes shows none.
    let heat = look.explain(&EigenCam::at("model.4").class(best)).expect("a heat map");
    let bare = heat.overlay().expect("an overlay").marked(&[]).picture().expect("a picture");
    assert_eq!(heat.picture().expect("a picture").to_rgb(), bare.to_rgb());
    // From outside, too.
    look.explain(&Occlusion::default().window(16).stride(16).class(best)).expect("a heat map");
}

/// The boxes that make_targets.py makes of six logits.
fn boxes_of(logits: &Tensor) -> (Tensor, Tensor) {
    let start = [2f32, 3.0, 18.0, 19.0, 10.0, 12.0, 26.0, 28.0];
    let start = Tensor::from_slice(&start).reshape([2, 4]).to_device(logits.device());
    let moved = start + logits.narrow(0, 0, 4).tanh().repeat([2, 1]);
    let scores = Tensor::stack(&[logits.narrow(0, 0, 2), logits.narrow(0, 4, 2)], 0);
    (moved, scores.sigmoid())
}

fn residual() -> (Model, [Look; 2]) {
    let model = with_formula_weights(networks::residual());
    let looks =
        [0, 1].map(|n| model.look_input(&formula_photo([32, 32], n, -1.0..1.0)).expect("a look"));
    (model, looks)
}

#[test]
fn a_box_of_a_function_is_explained_as_faster_rcnns_by_pytorch_grad_cam() {
    let numbers = numbers();
    let (_, [first, second]) = residual();
    let detector = Detector::function(boxes_of).confidence(0.0);
    let found = first.detection(&detector, 0).expect("a box");
    let heat = first.explain(&GradCam::at("block2").class(&found)).expect("a heat map");
    assert!((heat.score() as f32 - numbers["faster/score"][0]).abs() < 1e-5);
    assert!(difference(heat.raw(), &numbers["faster/grad_cam"]) < 1e-5);
    // The box that overlaps it most counts in another photo.
    let heat = second.explain(&GradCam::at("block2").class(&found)).expect("a heat map");
    assert!((heat.score() as f32 - numbers["faster/other"][0]).abs() < 1e-5);
    // Nothing overlaps a box that is elsewhere, or is of its class.
    let mut elsewhere = found.clone();
    elsewhere.corners = [60.0, 60.0, 70.0, 70.0];
    let mut other = found.clone();
    other.class = 1 - found.class;
    for none in [elsewhere, other] {
        let heat = first.explain(&GradCam::at("block2").class(none)).expect("a heat map");
        assert_eq!(heat.score(), 0.0);
        assert!(heat.overlay().expect("an overlay").remarks()[0].contains("0 everywhere"));
    }
}

#[test]
fn boxes_and_scores_of_two_outputs_are_joined() {
    let numbers = numbers();
    let (model, _) = residual();
    let one = |part: Tensor| part.unsqueeze(0);
    let last = model.outputs()[0].0.clone();
    let both = model
        .with_function("pred_boxes", [last.as_str()], move |y| one(boxes_of(&y[0].get(0)).0))
        .and_then(|model| {
            model.with_function("pred_scores", [last.as_str()], move |y| {
                one(boxes_of(&y[0].get(0)).1)
            })
        })
        .expect("two outputs more");
    assert_eq!(both.outputs().len(), 3);
    assert_eq!(both.outputs()[2], ("pred_scores".to_owned(), vec![1, 2, 2]));
    let joined = both
        .with_function("rows", ["pred_boxes", "pred_scores"], |y| Tensor::cat(&[&y[0], &y[1]], 2))
        .expect("a network");
    let look = joined.look_input(&formula_photo([32, 32], 0, -1.0..1.0)).expect("a look");
    let read = |y: &Tensor| (y.narrow(1, 0, 4), y.narrow(1, 4, 2));
    let found = look.detection(&Detector::function(read).confidence(0.0), 0).expect("a box");
    let heat = look.explain(&GradCam::at("block2").class(&found)).expect("a heat map");
    assert!(difference(heat.raw(), &numbers["faster/grad_cam"]) < 1e-5);

    let refused = |result: convlens::Result<Model>, part: &str| {
        let error = result.expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(joined.with_function("rows", ["pred_boxes"], |y| y[0].shallow_clone()), "is taken");
    refused(joined.with_function("a/b", ["pred_boxes"], |y| y[0].shallow_clone()), "no name");
    refused(joined.with_function("more", ["pred_box"], |y| y[0].shallow_clone()), "pred_box");
    refused(joined.with_function("more", ["rows"], |y| y[1].shallow_clone()), "\"more\"");
    let nothing: [&str; 0] = [];
    refused(joined.with_function("more", nothing, |_| zeros(1, 1)), "\"more\"");
}

#[test]
fn a_function_that_returns_nan_is_said_to() {
    let (_, [look, _]) = residual();
    let target = Target::function("nan", |scores| scores.get(0) * f64::NAN);
    let error = look.explain(&GradCam::at("block2").class(target)).expect_err("NaN");
    assert!(error.to_string().contains("the score of \"nan\" is NaN"), "{error}");
}

#[test]
fn boxes_in_mirrored_photos_are_refused() {
    let (_, look) = yolo();
    let found = look.detections(&Detector::default().confidence(0.0)).expect("boxes");
    let augmented = Augmented::new(GradCam::at("model.4"));
    let error = look.explain_each(&augmented, &found).expect_err("another place");
    assert!(
        matches!(&error, Error::Argument(text) if text.contains("without Augmented")),
        "{error}"
    );
}

#[test]
fn no_box_is_said_with_the_highest_score() {
    let (_, look) = yolo();
    let found = look.detections(&Detector::default().classes(["cat", "dog"])).expect("no box");
    assert!(found.is_empty());
    let remark = found.remark().expect("a remark");
    assert!(remark.contains("above 0.25") && remark.contains("the highest is "), "{remark}");
    assert!(found.bundle().as_text().contains(remark));
    let error = look.explain_each(&GradCam::at("model.4"), &found).expect_err("nothing");
    assert!(matches!(&error, Error::Argument(text) if text.contains("no box")), "{error}");
    let none = Detector::function(|_| (zeros(0, 4), zeros(0, 3)));
    let found = look.detections(&none).expect("no box");
    assert!(found.remark().is_some_and(|remark| remark.contains("no boxes at all")));
}

fn zeros(rows: i64, columns: i64) -> Tensor {
    Tensor::zeros([rows, columns], tch::kind::FLOAT_CPU)
}

#[test]
fn what_detectors_cannot_be_told_is_said() {
    let (model, look) = yolo();
    let (_, [classifier, _]) = residual();
    in_both_modes(|| {
        let fails = |detector: Detector, look: &Look, words: &[&str]| {
            let text = look.detections(&detector).expect_err("bad").to_string();
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        };
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            fails(Detector::default().confidence(wrong), &look, &["confidence", "between 0 and 1"]);
            fails(Detector::default().overlap(wrong), &look, &["overlap", "between 0 and 1"]);
        }
        fails(Detector::default().most(0), &look, &["1 or more"]);
        let shapes = ["[1, 6]", "[1, 4 + classes, rows]", "[1, rows, 5 + classes]", "function"];
        fails(Detector::default(), &classifier, &shapes);
        fails(Detector::default().classes(["cat"]), &look, &["4 + 1", "[1, 6, 64]"]);
        let error = look.detection(&Detector::default(), 64).expect_err("no row").to_string();
        assert!(error.contains("64 boxes") && error.contains("no row 64"), "{error}");

        let bad: [(Detector, &str); 6] = [
            (Detector::function(|_| panic!("too dark")), "panicked: too dark"),
            (Detector::function(|y| (y.get(99), y.get(0))), "panicked: libtorch"),
            (Detector::function(|y| (y.narrow(0, 0, 4), y.get(4))), "[n, 4]"),
            (Detector::function(|_| (zeros(3, 4), zeros(2, 5))), "[n, classes]"),
            (Detector::function(|_| (zeros(3, 4), zeros(3, 5) / 0.0)), "not finite"),
            (Detector::function(|_| (Tensor::new(), Tensor::new())), "returns as boxes"),
        ];
        for (detector, words) in bad {
            fails(detector, &look, &[words]);
        }
        let turning = Detector::function(|_| {
            std::mem::forget(tch::no_grad_guard());
            (zeros(1, 4), zeros(1, 1))
        });
        assert!(look.detections(&turning).expect("none").is_empty());
        let names = Detector::function(boxes_of).classes(["cat"]).confidence(0.0);
        fails(names, &classifier, &["1 names", "2 classes"]);
    });
    let dark = Tensor::full([1, 3, 32, 32], f64::NAN, tch::kind::FLOAT_CPU);
    let error = model.look_input(&dark).and_then(|look| look.detections(&Detector::default()));
    assert!(error.expect_err("NaN").to_string().contains("there are no boxes"));
    // A box of one network, asked of another.
    let found = look.detection(&Detector::default(), 0).expect("a box");
    let error = classifier.explain(&GradCam::default().class(found)).expect_err("other rows");
    assert!(matches!(&error, Error::Shape(text) if text.contains("[6, 64]")), "{error}");
    let apart = Detector::function(|y| {
        let (boxes, scores) = boxes_of(y);
        (boxes.detach(), scores.detach())
    });
    let found = classifier.detection(&apart, 0).expect("a box");
    let error = classifier.explain(&GradCam::default().class(found)).expect_err("detached");
    assert!(error.to_string().contains("can be differentiated"), "{error}");
    // Without a box there is no class to explain.
    let error = look.explain(&GradCam::at("model.4")).expect_err("no class").to_string();
    assert!(error.contains("look.detections"), "{error}");
}

#[test]
fn likeness_is_that_of_pytorch_grad_cams_tutorial() {
    let numbers = numbers();
    let (_, [first, second]) = residual();
    for layer in ["flatten", "avgpool", "block2"] {
        let like = Target::likeness(&second, layer).expect("a target");
        let heat = first.explain(&GradCam::at("block1").class(&like)).expect("a heat map");
        assert!((heat.score() as f32 - numbers["likeness/score"][0]).abs() < 1e-6);
        assert!(difference(heat.raw(), &numbers["likeness/grad_cam"]) < 2e-5, "{layer}");
        let caption = heat.caption();
        let words = format!("Grad-CAM: likeness to the input at {layer} (0.9946), at block1");
        assert_eq!(caption, words);
        // At the layer itself, and where methods look by themselves.
        assert!(first.explain(&GradCam::default().class(&like)).is_ok());
        assert!(first.explain(&Saliency::default().class(like)).is_ok());
    }
    let at = |layer| Target::likeness(&second, layer).expect("a target");
    let own = Target::likeness(&first, "block2").expect("a target");
    let heat = first.explain(&GradCam::at("block2").class(&own)).expect("a heat map");
    assert!((heat.score() - 1.0).abs() < 1e-6);
    let apart = Target::difference(own, at("block2"));
    assert!(first.explain(&GradCam::at("block1").class(apart)).is_ok());
    let sheet = compare::classes(
        first.model(),
        [at("block2")],
        Photo::open("assets/photos/cat.png").expect("a photo"),
        &GradCam::at("block2"),
    );
    let sheet = sheet.expect("a sheet");
    let caption = sheet.get(0, 0).expect("a cell").caption().to_owned();
    assert!(caption.contains("likeness") && caption.contains("predicted"), "{caption}");
}

#[test]
fn likeness_to_nothing_is_refused() {
    let (_, [first, second]) = residual();
    in_both_modes(|| {
        let refused = |target: convlens::Result<Target>, words: &[&str]| {
            let heat = target.and_then(|like| first.explain(&GradCam::at("block1").class(like)));
            let text = heat.expect_err("refused").to_string();
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        };
        refused(Target::likeness(&second, "no such layer"), &["no such layer"]);
        let mut net = Model::builder("still", [3, 32, 32]);
        let x = net.input();
        let x = net.function("nothing", |x, _| &x[0] * 0.0, &[x]);
        net.chain("net", ops![AdaptiveAvgPool2d::new(1), Op::Flatten, Linear::new(3, 2)], x);
        let still = placed(net.build().expect("a network"));
        refused(Target::likeness(&look_at(&still, 32), "nothing"), &["length 0"]);
        // A layer of another network, which has other channels.
        let mut net = Model::builder("other", [3, 32, 32]);
        let x = net.input();
        net.add("block2", Conv2d::new(3, 5, 3), &[x]);
        let other = placed(net.build().expect("a network"));
        refused(Target::likeness(&look_at(&other, 32), "block2"), &["[5]", "[16]"]);
        let like = Target::likeness(&second, "block2");
        let here = like.clone().map(|like| like.output("fc"));
        refused(here, &["at a layer", "leave out .output"]);
        let mixed = like.map(|like| Target::sum([like, Target::from(1)]));
        refused(mixed, &["several outputs or layers"]);
    });
}

#[test]
fn a_number_is_explained_with_its_direction() {
    let numbers = numbers();
    let (_, [look, _]) = residual();
    let of =
        |target: Target| look.explain(&GradCam::at("block2").class(target)).expect("a heat map");
    let (more, less) = (of(Target::more(2)), of(Target::less(2)));
    assert!(difference(less.raw(), &numbers["number/grad_cam"]) < 1e-5);
    let turned: Vec<f32> = more.raw().iter().map(|&value| -value).collect();
    assert!(difference(&turned, &numbers["number/grad_cam"]) < 1e-5);
    assert_eq!(more.score(), -less.score());
    assert_eq!([more.target(), less.target()], ["more of number 2", "less of number 2"]);
    // The caption has the number itself, whichever way it is explained.
    let value = |heat: &Heatmap| heat.caption().split(['(', ')']).nth(1).map(str::to_owned);
    assert_eq!(value(&more), value(&less));
    for (wrong, words) in [(6, "0 to 5"), (-1, "0 to 5")] {
        let error = look.explain(&GradCam::at("block2").class(Target::more(wrong)));
        assert!(error.expect_err("no such number").to_string().contains(words));
    }
    let error = look.explain(&GradCam::at("block2").class(Target::less("age")));
    assert!(error.expect_err("no names").to_string().contains("\"age\""));
}

#[test]
fn the_only_number_is_called_as_one_likes_and_maps_count_by_their_mean() {
    let mut net = Model::builder("age", [3, 16, 16]);
    let x = net.input();
    let x = net.chain("features", ops![Conv2d::new(3, 4, 3), Op::Relu], x);
    let maps = net.add("depth", Conv2d::new(4, 2, 1), &[x]);
    let x = net.chain("age", ops![AdaptiveAvgPool2d::new(1), Op::Flatten, Linear::new(4, 1)], x);
    let model = placed(net.outputs([("years", x), ("maps", maps)]).build().expect("a network"));
    let input = Tensor::rand([1, 3, 16, 16], tch::kind::FLOAT_CPU);
    let look = model.look_input(&input).expect("a look");
    let years = f64::try_from(look.logits().expect("one")).expect("one");
    let cam = GradCam::at("features");
    let heat = look.explain(&cam.class(Target::less("age"))).expect("a heat map");
    assert!((heat.score() + years).abs() < 1e-6);
    assert!(heat.caption().starts_with("Grad-CAM: less age ("), "{}", heat.caption());
    assert!(!heat.caption().contains('%'));
    // Without a direction it is a decision: yes or no.
    let decided = look.explain(&cam).expect("a heat map");
    assert!(decided.caption().contains('%'), "{}", decided.caption());
    let heat = look.explain(&cam.class(Target::more(1).output("maps"))).expect("a heat map");
    let mean =
        model.run(&[("input", &input)], &["depth"]).expect("maps")[0].select(1, 1).mean(None);
    assert!((heat.score() - mean.double_value(&[])).abs() < 1e-6);
    assert_eq!(heat.target(), "maps: more of number 1");
}

#[test]
fn a_map_that_is_negative_everywhere_says_so() {
    let mut net = Model::builder("against", [3, 8, 8]).classes(["salt", "sand"]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 1, 1).without_bias(), &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(1, 2).without_bias(), &[x]);
    let ones = Tensor::ones([1, 3, 1, 1], tch::kind::FLOAT_CPU);
    let fc = Tensor::from_slice(&[-1f32, 1.0]).reshape([2, 1]);
    let weights = [("conv.weight".to_owned(), ones), ("fc.weight".to_owned(), fc)];
    let model = placed(net.build_with(weights.into_iter().collect()).expect("a network"));
    let photo = Photo::from_picture(
        &Picture::rgb(8, 8, (0..192).map(|i| i as u8 + 20).collect()).expect("one"),
    );
    let look = model.look(&photo).expect("a look");
    let methods: [&dyn Attribution; 4] =
        [&GradCam::at("conv"), &HiResCam::at("conv"), &Cam::default(), &XGradCam::at("conv")];
    for method in methods {
        let said = |class: usize| {
            let heat = look.explain_for(method, class).expect("a heat map");
            let remarks = heat.overlay().expect("an overlay").remarks();
            (remarks, heat.picture().expect("a picture").height())
        };
        let (against, height) = said(0);
        let words = "the map is negative everywhere: nothing here speaks for salt (0)";
        assert_eq!(against, [words], "{}", method.name());
        let (for_it, plain) = said(1);
        assert!(for_it.is_empty(), "{}: {for_it:?}", method.name());
        assert!(height > plain, "the words are under the picture");
    }
    let sheet = compare::classes(&model, [0, 1], &photo, &GradCam::at("conv")).expect("a sheet");
    let caption = sheet.get(0, 0).expect("a cell").caption();
    assert!(caption.contains("negative everywhere"), "{caption}");
}

#[test]
fn legrad_is_that_of_its_authors() {
    let numbers = numbers();
    let model = placed(Model::open(reference("targets/legrad.pt2")).expect("a network"));
    let look = model.look_input(&formula_photo([32, 32], 0, -1.0..1.0)).expect("a look");
    let text = Tensor::from_slice(&numbers["legrad/text"]);
    let like = Target::function("likeness to a text", move |y| {
        (y / y.norm()).dot(&text.to_device(y.device()))
    });
    for (method, key, at) in [
        (LeGrad::default(), "legrad/map", "all attention layers"),
        (LeGrad::default().last(1), "legrad/last", "the last attention layer"),
    ] {
        let heat = look.explain(&method.class(&like)).expect("a heat map");
        assert!(heat.raw().iter().all(|&value| value >= 0.0));
        let map = heat.normalized().expect("a map");
        let (low, high) = map
            .values()
            .iter()
            .fold((f32::MAX, f32::MIN), |(low, high), &value| (low.min(value), high.max(value)));
        let scaled: Vec<f32> = map.values().iter().map(|v| (v - low) / (high - low)).collect();
        let off = difference(&scaled, &numbers[key]);
        assert!(off < 1e-5, "{key} is off by {off:.1e}");
        assert_eq!(heat.layer(), Some(at));
    }
    // Of several at once, each has its own.
    let photos = [0, 1].map(|n| formula_photo([32, 32], n, -1.0..1.0));
    let looks = model.look_inputs(&Tensor::cat(&photos, 0)).expect("looks");
    let method = LeGrad::default().class(&like);
    let heat = looks.explain(&method).expect("heat maps");
    let alone = look.explain(&method).expect("a heat map");
    assert!(difference(heat[0].raw(), alone.raw()) < 1e-5);
    assert!(difference(heat[0].raw(), heat[1].raw()) > 1e-3);
}

#[test]
fn legrad_is_for_transformers_whose_tokens_all_see_each_other() {
    let (_, [classifier, _]) = residual();
    let model = placed(Model::open(reference("networks/vit.pt2")).expect("a network"));
    let input = weights::read(reference("networks/vit.safetensors")).expect("photos")["input"]
        .narrow(0, 0, 1);
    let vit = model.look_input(&input).expect("a look");
    let swin = placed(Model::open(reference("networks/swin.pt2")).expect("a network"));
    let swin =
        swin.look_input(&Tensor::rand([1, 3, 24, 24], tch::kind::FLOAT_CPU)).expect("a look");
    in_both_modes(|| {
        let fails = |look: &Look, method: LeGrad, words: &str| {
            let text = look.explain(&method).expect_err("refused").to_string();
            assert!(text.contains(words), "{text}");
        };
        fails(&classifier, LeGrad::default(), "no attention");
        for layers in [0, 3] {
            fails(&vit, LeGrad::default().last(layers), "the last 1 to 2");
        }
        let text = swin.explain(&LeGrad::default()).expect_err("windows").to_string();
        assert!(text.contains("no attention") || text.contains("windows"), "{text}");
        let panics = Target::function("panics", |_| panic!("too dark"));
        fails(&vit, LeGrad::default().class(panics), "too dark");
        let heat = vit.explain(&LeGrad::default()).expect("a heat map");
        assert!(heat.raw().iter().any(|&value| value > 0.0));
        assert_eq!((heat.height(), heat.width()), (3, 3));
        vit.explain(&LeGrad::default().principal_component()).expect("a heat map");
    });
}

#[test]
fn the_class_activation_family_looks_at_tokens() {
    let model = placed(Model::open(reference("networks/vit.pt2")).expect("a network"));
    let input = weights::read(reference("networks/vit.safetensors")).expect("photos")["input"]
        .narrow(0, 0, 1);
    let look = model.look_input(&input).expect("a look");
    let methods: [&dyn Attribution; 14] = [
        &GradCam::default(),
        &GradCamPlusPlus::default(),
        &HiResCam::default(),
        &GradCamElementWise::default(),
        &XGradCam::default(),
        &LayerCam::default(),
        &EigenCam::default(),
        &EigenGradCam::default(),
        &KpcaCam::default(),
        &Fem::default(),
        &FinerCam::default(),
        &ShapleyCam::default(),
        &ScoreCam::default(),
        &AblationCam::default(),
    ];
    for method in methods {
        let heat = look.explain(method).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((heat.height(), heat.width()), (3, 3), "{}", method.name());
    }
}
