//! What holds for every method: targets, batches, bad input, and that nothing is left behind.

#[path = "peers/device.rs"]
mod device;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use convlens::attribution::{Case, Evidence};
use convlens::model::{AdaptiveAvgPool2d, BatchNorm2d, Builder, Conv2d, Linear, NodeId, Pool2d};
use convlens::prelude::*;
use device::placed;

/// A small network with batch norm, a sum, global average pooling and a linear end, for inputs of so
/// many channels, with maps of `side` pixels in its last convolution.
fn network(channels: i64, side: i64) -> Model {
    let mut net = Model::builder("small", [channels, 2 * side, 2 * side]);
    let x = net.input();
    let x = net.add("conv1", Conv2d::new(channels, 6, 3).padding(1), &[x]);
    let x = net.add("bn1", BatchNorm2d::new(6), &[x]);
    let x = net.add("relu1", Op::Relu, &[x]);
    let x = net.add("pool1", Pool2d::max(2), &[x]);
    let y = net.add("conv2", Conv2d::new(6, 6, 3).padding(1), &[x]);
    let x = net.add("sum", Op::Add, &[y, x]);
    let x = net.add("relu2", Op::Relu, &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(6, 4), &[x]);
    placed(net.build().expect("a network"))
}

/// A network that segments into three classes.
fn segmenter() -> Model {
    let mut net = Model::builder("segmenter", [3, 12, 12]);
    let x = net.input();
    let x = net.add("conv1", Conv2d::new(3, 6, 3).padding(1).stride(2), &[x]);
    let x = net.add("relu1", Op::Relu, &[x]);
    net.add("head", Conv2d::new(6, 3, 1), &[x]);
    placed(net.build().expect("a network"))
}

fn inputs(model: &Model, count: i64) -> Tensor {
    let [c, h, w] = model.input_shape();
    let size = count * c * h * w;
    let wave = Tensor::arange(size, tch::kind::FLOAT_CPU);
    ((&wave * 0.37).sin() + (&wave * 0.011).cos()).reshape([count, c, h, w])
}

type Method = Rc<dyn Attribution>;

/// Every method, for a target, at a layer where it takes one.
fn methods(target: &Target, layer: Option<&str>) -> Vec<Method> {
    macro_rules! at {
        ($($method:ident),*) => {
            vec![$(match layer {
                Some(layer) => Rc::new($method::at(layer).class(target)) as Method,
                None => Rc::new($method::default().class(target)),
            }),*]
        };
    }
    let mut all = at![
        GradCam,
        GradCamPlusPlus,
        HiResCam,
        GradCamElementWise,
        XGradCam,
        LayerCam,
        EigenCam,
        EigenGradCam,
        ScoreCam,
        AblationCam,
        SegEigenCam,
        KpcaCam,
        Fem,
        ShapleyCam,
        GuidedGradCam
    ];
    all.push(match layer {
        Some(layer) => Rc::new(SmoothGradCamPlusPlus::at(layer).class(target).samples(3)) as Method,
        None => Rc::new(SmoothGradCamPlusPlus::default().class(target).samples(3)),
    });
    all.push(match layer {
        Some(layer) => Rc::new(SsCam::at(layer).class(target).samples(2)) as Method,
        None => Rc::new(SsCam::default().class(target).samples(2)),
    });
    all.push(match layer {
        Some(layer) => Rc::new(IsCam::at(layer).class(target).steps(2)) as Method,
        None => Rc::new(IsCam::default().class(target).steps(2)),
    });
    let cam = layer.map_or_else(Cam::default, Cam::at).class(target);
    all.push(Rc::new(cam));
    if layer.is_none() {
        all.push(Rc::new(Occlusion::default().class(target)));
        all.push(Rc::new(Saliency::default().class(target)));
        all.push(Rc::new(GuidedBackprop::default().class(target)));
        all.push(Rc::new(Deconvolution::default().class(target).principal_component()));
        all.push(Rc::new(InputXGradient::default().class(target)));
        all.push(Rc::new(FullGrad::default().class(target)));
        all.push(Rc::new(BlurIntegratedGradients::default().class(target).steps(7)));
        all.push(Rc::new(IntegratedGradients::default().class(target)));
        all.push(Rc::new(IntegratedGradients::default().class(target).steps(7)));
        all.push(Rc::new(SmoothGrad::new(Saliency::default().class(target)).samples(7)));
        all.push(Rc::new(SmoothGrad::new(Saliency::default().class(target)).samples(7).variance()));
    }
    let inner = layer.map_or_else(GradCam::default, GradCam::at).class(target);
    all.push(Rc::new(Fused::mean([inner.clone(), inner.clone()])));
    all.push(Rc::new(Fused::greatest([inner.clone(), inner.clone()])));
    all.push(Rc::new(Fused::product([inner.clone(), inner.clone()])));
    all.push(Rc::new(Augmented::new(inner)));
    all
}

/// Every method that such a target is for: CAM's weights are those of one class of a classifier.
fn methods_for(target: &Target) -> Vec<Method> {
    let any = !matches!(target, Target::Function(_) | Target::Pixels { .. });
    let all = methods(target, None).into_iter();
    all.filter(|method| any || method.name() != "CAM").collect()
}

fn failure(look: &Look, method: &Method) -> String {
    match look.explain(method) {
        Ok(heat) => panic!("{} explains {}", method.name(), heat.caption()),
        Err(error) => error.to_string(),
    }
}

/// What an explanation must leave as it was: the gradient mode, batch norm's statistics, the parameters'
/// values and gradients.
#[derive(Debug, PartialEq)]
struct State {
    recording: bool,
    values: Vec<(String, Vec<f32>, Option<Vec<f32>>)>,
}

impl State {
    fn of(model: &Model) -> State {
        let floats = |t: &Tensor| {
            Vec::<f32>::try_from(t.detach().contiguous().flatten(0, -1)).expect("floats")
        };
        let variables: std::collections::BTreeMap<_, _> =
            model.variables().variables().into_iter().collect();
        let values = variables.into_iter().map(|(name, variable)| {
            let gradient = variable.grad();
            (name, floats(&variable), gradient.defined().then(|| floats(&gradient)))
        });
        let weight = Tensor::from(1f32).set_requires_grad(true);
        State { recording: (&weight * 2.0).requires_grad(), values: values.collect() }
    }
}

fn nothing_is_left_behind(model: &Model) {
    let weight = Tensor::from(1f32).set_requires_grad(true);
    assert!((&weight * 2.0).requires_grad(), "gradients are recorded as before");
    for (name, variable) in model.variables().variables() {
        assert!(!variable.grad().defined(), "{name} has a gradient");
    }
    for variable in model.variables().trainable_variables() {
        assert!(variable.requires_grad());
    }
}

#[test]
fn every_method_explains_every_kind_of_target() {
    let model = network(3, 6);
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    let certainty = || Target::function("certainty", |scores| scores.log_softmax(-1, None).max());
    let targets =
        [Target::Predicted, 2.into(), [0, 3].into(), Target::difference(1, 2), certainty()];
    for target in targets {
        let several = !matches!(target, Target::Predicted | Target::Index(_));
        for method in methods(&target, None) {
            if several && method.name() == "CAM" {
                assert!(failure(&look, &method).contains("CAM explains one class"));
                continue;
            }
            let heat = look.explain(&method).expect("a heat map");
            assert!(heat.raw().iter().all(|v| v.is_finite()), "{}", heat.caption());
            assert!(heat.bundle().as_picture().is_some());
        }
    }
    nothing_is_left_behind(&model);
}

#[test]
fn a_sum_is_explained_as_the_sum_of_its_parts() {
    let model = network(3, 6);
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    let raw = |target: Target| {
        look.explain(&HiResCam::at("relu1").class(target)).expect("a map").raw().to_vec()
    };
    let (one, two) = (raw(1.into()), raw(2.into()));
    let close = |found: Vec<f32>, expected: Vec<f32>| {
        let scale = expected.iter().fold(0f32, |m, v| m.max(v.abs()));
        // The same products, added in another order.
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= 1e-5 * scale));
    };
    let pairs = || one.iter().zip(&two);
    close(raw([1, 2].into()), pairs().map(|(a, b)| a + b).collect());
    close(raw(Target::difference(1, 2)), pairs().map(|(a, b)| a - b).collect());
    close(
        raw(Target::function("both", |y| y.get(1) + y.get(2))),
        pairs().map(|(a, b)| a + b).collect(),
    );
    let labels = |target: Target| {
        look.explain(&HiResCam::default().class(target)).expect("a map").target().to_owned()
    };
    assert_eq!(labels(Target::difference(1, 2)), "class 1 − class 2");
    assert_eq!(labels([1, 2].into()), "class 1 + class 2");
}

#[test]
fn a_batch_is_explained_as_its_photos_are() {
    let model = network(3, 6);
    let batch = inputs(&model, 3);
    let looks = model.look_inputs(&batch).expect("looks");
    for method in methods(&Target::Predicted, None) {
        let together = looks.explain(&method).expect("heat maps");
        let each = looks.explain_each(&method, [0, 1, 3]).expect("heat maps");
        for i in 0..3 {
            let alone = model.look_input(&batch.narrow(0, i as i64, 1)).expect("a look");
            let pairs = [
                (&together[i], alone.explain(&method).expect("a heat map")),
                (&each[i], alone.explain_for(&method, [0, 1, 3][i]).expect("a heat map")),
            ];
            for (found, expected) in pairs {
                assert_eq!(found.target(), expected.target(), "{}", method.name());
                let scale = expected.raw().iter().fold(1e-6f32, |m, v| m.max(v.abs()));
                // libtorch picks other kernels for other batches.
                let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-4 * scale;
                assert!(
                    found.raw().iter().zip(expected.raw()).all(close),
                    "{} of photo {i}",
                    method.name()
                );
            }
        }
    }
    let text = looks.explain_each(&GradCam::default(), [0, 1]).expect_err("two").to_string();
    assert!(text.contains("3 photos need as many targets"), "{text}");
}

#[test]
fn a_batch_of_no_photos_is_refused() {
    let model = network(3, 6);
    let text = model.look_at_all(&[] as &[Photo]).expect_err("none").to_string();
    assert!(text.contains("give at least one"), "{text}");
    assert!(model.look_inputs(&Tensor::zeros([0, 3, 12, 12], tch::kind::FLOAT_CPU)).is_err());
    assert!(model.look_input(&Tensor::zeros([0, 3, 12, 12], tch::kind::FLOAT_CPU)).is_err());
    assert!(model.look_input(&inputs(&model, 2)).is_err(), "a look is at one photo");
}

#[test]
fn an_input_full_of_nan_is_named_by_every_method() {
    let model = network(3, 6);
    let look = model.look_input(&(inputs(&model, 1) * f64::NAN)).expect("a look");
    for method in methods(&Target::Predicted, None) {
        let text = failure(&look, &method);
        assert!(text.contains("the input holds 432 NaN of 432 values"), "{text}");
    }
    nothing_is_left_behind(&model);
}

#[test]
fn the_layer_whose_weights_are_nan_is_named_by_every_method() {
    let model = network(3, 6);
    {
        let _no_grad = tch::no_grad_guard();
        let weight = model.parameters("conv2").expect("weights").swap_remove(0).1;
        let _ = weight.get(0).fill_(f64::NAN);
        let _ = weight.get(0).get(0).fill_(f64::INFINITY);
    }
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    for method in methods(&Target::Predicted, None) {
        let text = failure(&look, &method);
        assert!(text.contains("layer \"conv2\" (Conv2d) of small is the first"), "{text}");
        assert!(text.contains("its weight holds 45 NaN and 9 infinite of 324 values"), "{text}");
    }
}

/// What is advised at a layer without places: CAM can look at no other than its own.
fn elsewhere(method: &Method, layer: &str) -> String {
    match method.name().as_str() {
        "CAM" => format!("take GradCam::at({layer:?})"),
        _ => format!("choose a layer before the pooling or flattening, such as {layer:?}"),
    }
}

#[test]
fn a_layer_without_places_is_refused_by_every_method_that_looks_at_one() {
    let model = network(3, 6);
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    for layer in ["pool", "flatten", "fc", "output"] {
        for method in methods(&Target::Predicted, Some(layer)) {
            let text = failure(&look, &method);
            assert!(text.contains(&elsewhere(&method, "relu2")), "{text}");
        }
    }
    for method in methods(&Target::Predicted, Some("conv9")) {
        assert!(failure(&look, &method).contains("the closest are \"conv"));
    }
}

#[test]
fn maps_of_one_pixel_say_nothing_of_where() {
    let mut net = Model::builder("one pixel", [3, 4, 4]);
    let x = net.input();
    let x = net.add("conv1", Conv2d::new(3, 4, 3).padding(1), &[x]);
    let x = net.add("relu1", Op::Relu, &[x]);
    let x = net.add("conv2", Conv2d::new(4, 2, 4), &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    let model = placed(net.build().expect("a network"));
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    for method in methods(&Target::Predicted, Some("conv2")) {
        let text = failure(&look, &method);
        assert!(text.contains("more than one pixel"), "{text}");
        assert!(text.contains(&elsewhere(&method, "relu1")), "{text}");
    }
    // The layer by default is one with places.
    assert!(look.explain(&GradCam::default()).is_ok());
}

#[test]
fn where_the_pooled_maps_are_one_pixel_cam_names_a_grad_cam_that_works() {
    let mut net = Model::builder("pooled pixel", [3, 4, 4]);
    let x = net.input();
    let x = net.add("conv1", Conv2d::new(3, 4, 3).padding(1), &[x]);
    let x = net.add("relu1", Op::Relu, &[x]);
    let x = net.add("conv2", Conv2d::new(4, 2, 4), &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(2, 3), &[x]);
    let model = placed(net.build().expect("a network"));
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    for cam in [Cam::default(), Cam::at("conv2"), Cam::at("pool")] {
        let text = failure(&look, &(Rc::new(cam) as Method));
        assert!(text.ends_with("take GradCam::at(\"relu1\")"), "{text}");
    }
    assert!(look.explain(&GradCam::at("relu1")).is_ok());
}

#[test]
fn one_channel_is_enough_for_every_method() {
    let mut net = Model::builder("one channel", [1, 8, 8]);
    let x = net.input();
    let x = net.add("conv2", Conv2d::new(1, 1, 3).padding(1), &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(1, 2), &[x]);
    let model = placed(net.build().expect("a network"));
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    for method in methods(&1.into(), None) {
        let heat = look.explain(&method).expect("a heat map");
        assert!(heat.raw().iter().all(|v| v.is_finite()), "{}", heat.caption());
    }
}

#[test]
fn classes_out_of_range_are_refused_by_every_method() {
    let model = network(3, 6);
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    for class in [4i64, -1, i64::MAX] {
        for method in methods(&class.into(), None) {
            let text = failure(&look, &method);
            assert!(text.contains(&format!("the classes 0 to 3, not {class}")), "{text}");
        }
    }
    for method in methods_for(&Target::sum(Vec::<i32>::new())) {
        assert!(failure(&look, &method).contains("a sum of no targets"));
    }
    nothing_is_left_behind(&model);
}

#[test]
fn a_target_that_is_no_number_is_explained_by_every_method() {
    let model = network(3, 6);
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    for method in methods_for(&Target::function("all", Tensor::shallow_clone)) {
        let text = failure(&look, &method);
        assert!(text.contains("\"all\" returns [4], but a target is one number"), "{text}");
    }
    for method in methods_for(&Target::function("boom", |_| panic!("on purpose"))) {
        let text = failure(&look, &method);
        assert!(text.contains("\"boom\": it panicked: on purpose"), "{text}");
    }
    nothing_is_left_behind(&model);
}

#[test]
fn outputs_that_are_neither_scores_nor_maps_are_explained_by_a_function() {
    // 65 places by 5 numbers, as a robot's distances ahead by its sensors.
    let mut net = Model::builder("readings", [3, 6, 7]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 65, 3), &[x]);
    let x = net.add("relu", Op::Relu, &[x]); // [N, 65, 4, 5]
    net.function(
        "reading",
        |x, _| x[0].mean_dim([2i64].as_slice(), false, None::<tch::Kind>),
        &[x],
    );
    let model = placed(net.build().expect("a network"));
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    for target in [Target::Predicted, 2.into(), [0, 1].into()] {
        for method in methods_for(&target).iter().filter(|method| method.name() != "CAM") {
            let text = failure(&look, method);
            assert!(
                text.contains(
                    "readings does not end in one score a class, nor in a map a class, but in \
                     [1, 65, 5]: choose what is explained by Target::function"
                ),
                "{text}"
            );
        }
    }
    // The number that depends on the fourth column of the strongest map.
    let maps = look.layer("relu").expect("maps").tensor().get(0);
    let numbers = maps.mean_dim([1i64].as_slice(), false, None::<tch::Kind>).select(1, 3);
    let best = numbers.argmax(0, false).int64_value(&[]);
    let target = Target::function("nearest", move |o| o.get(best).get(3));
    for method in methods_for(&target) {
        let heat = look.explain(&method).expect("a heat map");
        assert_eq!((heat.target(), heat.class(), heat.probability()), ("nearest", None, None));
        assert!((heat.score() - numbers.double_value(&[best])).abs() < 1e-6);
        assert!(heat.raw().iter().all(|v| v.is_finite()), "{}", heat.caption());
    }
    // Its gradient is 1/4 at four of twenty places.
    let heat = look.explain(&GradCam::at("relu").class(target)).expect("a heat map");
    let expected = Vec::<f32>::try_from((maps.get(best) / 20.0).contiguous().flatten(0, -1));
    let mut pairs = heat.raw().iter().zip(expected.expect("floats"));
    assert!(pairs.all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn each_head_of_a_network_is_explained_as_if_it_were_the_only_one() {
    // A Model has one output; `up_to` makes one of each head.
    let build = |heads: &[&str]| {
        let mut net = Model::builder("heads", [3, 12, 12]).seed(7);
        let x = net.input();
        let x = net.add("conv1", Conv2d::new(3, 6, 3).padding(1), &[x]);
        let body = net.add("relu1", Op::Relu, &[x]);
        for &head in heads {
            let name = |layer: &str| format!("{head}.{layer}");
            let x = net.add(name("conv"), Conv2d::new(6, 8, 3).padding(1), &[body]);
            let x = net.add(name("relu"), Op::Relu, &[x]);
            let x = net.add(name("pool"), AdaptiveAvgPool2d::new(1), &[x]);
            let x = net.add(name("flatten"), Op::Flatten, &[x]);
            net.add(name("fc"), Linear::new(8, 4), &[x]);
        }
        placed(net.build().expect("a network"))
    };
    let both = build(&["kind", "colour"]);
    let input = inputs(&both, 1);
    let mut maps = Vec::new();
    for head in ["kind", "colour"] {
        let alone = build(&[head]);
        let own = |name: &String| !name.starts_with("kind") && !name.starts_with("colour");
        let weights = both.weights().into_iter();
        let weights =
            weights.filter(|(name, _)| own(name) || name.starts_with(head)).collect::<Weights>();
        alone.load(&weights).expect("the head's own weights");
        let part = both.up_to(format!("{head}.fc").as_str()).expect("a head");
        for layer in ["relu1".to_owned(), format!("{head}.relu")] {
            let explained = |model: &Model| {
                let look = model.look_input(&input).expect("a look");
                look.explain(&GradCam::at(layer.as_str()).class(1)).expect("a heat map")
            };
            let (found, expected) = (explained(&part), explained(&alone));
            assert_eq!(found.raw(), expected.raw(), "{head} at {layer}");
            assert!(found.raw().iter().any(|&v| v != 0.0), "{head} at {layer}");
            maps.push(found.raw().to_vec());
        }
    }
    assert_ne!(maps[0], maps[2], "the heads see different things in the body");
}

#[test]
fn a_target_that_gradients_do_not_reach_is_explained() {
    let model = network(3, 6);
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    let count =
        Target::function("largest", |scores| scores.argmax(0, false).to_kind(tch::Kind::Float));
    let text = failure(&look, &(Rc::new(GradCam::default().class(count)) as Method));
    assert!(text.contains("does not depend on the network's output"), "{text}");
}

#[test]
fn finer_cam_compares_one_class_with_those_alike() {
    let model = network(3, 6);
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    let heat = look.explain(&FinerCam::default().class(2)).expect("a map");
    assert_eq!((heat.target(), heat.class()), ("class 2", Some(2)));
    assert!(heat.remarks()[0].starts_with("class 2 against class "), "{:?}", heat.remarks());
    // There are no more than three others.
    let all = look.explain(&FinerCam::default().class(2).alternatives(9)).expect("a map");
    assert_eq!(all.raw(), heat.raw());
    let nearest = look.explain(&FinerCam::default().class(2).alternatives(1)).expect("a map");
    assert_ne!(nearest.raw(), heat.raw());
    // Against one alone, it is the difference of both scores, whose probability cancels.
    let other: i64 =
        nearest.remarks()[0].rsplit(' ').next().expect("a class").parse().expect("one");
    let difference = GradCam::default().class(Target::difference(2, other));
    let difference = look.explain(&difference).expect("a map");
    let scale = difference.raw().iter().fold(0f32, |m, v| m.max(v.abs()));
    let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * scale;
    assert!(nearest.raw().iter().zip(difference.raw()).all(close));

    for target in [Target::sum([0, 1]), Target::function("one", |y| y.get(0))] {
        let text = failure(&look, &(Rc::new(FinerCam::default().class(target)) as Method));
        assert!(text.contains("sets one class of a network that classifies apart"), "{text}");
    }
    let pixels = segmenter();
    let look = pixels.look_input(&inputs(&pixels, 1)).expect("a look");
    let text = failure(&look, &(Rc::new(FinerCam::default().class(1)) as Method));
    assert!(text.contains("take GradCam"), "{text}");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let model = network(3, 6);
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    let photo = inputs(&model, 1);
    let cases: Vec<(Method, &str)> = vec![
        (Rc::new(FinerCam::default().alternatives(0)), "compared with 1 or more others"),
        (Rc::new(FinerCam::default().strength(f64::NAN)), "a finite strength"),
        (Rc::new(Fem::default().sigmas(f64::NAN)), "standard deviations above its mean"),
        (Rc::new(KpcaCam::default().gamma(-1.0)), "a number above 0, not -1"),
        (Rc::new(SsCam::default().samples(0)), "a mean of no samples"),
        (Rc::new(SsCam::default().noise(f64::NAN)), "not NaN"),
        (Rc::new(IsCam::default().steps(0)), "1 to 1000 steps, not 0"),
        (Rc::new(IsCam::default().batch(0)), "a batch of 0"),
        (Rc::new(SmoothGradCamPlusPlus::default().samples(usize::MAX)), "1 to 10000"),
        (Rc::new(BlurIntegratedGradients::default().steps(0)), "1 to 10000 steps"),
        (Rc::new(BlurIntegratedGradients::default().sigma(0.0)), "a deviation above 0"),
        (Rc::new(ExpectedGradients::over(&photo.narrow(0, 0, 0))), "baselines of [0, 3, 12, 12]"),
        (Rc::new(ExpectedGradients::over(&photo.narrow(1, 0, 1))), "do not stand for an input"),
        (Rc::new(ExpectedGradients::over(&(&photo * f64::NAN))), "hold NaN"),
        (Rc::new(ExpectedGradients::over(&photo).samples(0)), "a mean of no samples"),
    ];
    for (method, part) in cases {
        let text = failure(&look, &method);
        assert!(text.contains(part), "{text}");
    }
    nothing_is_left_behind(&model);
}

#[test]
fn a_baseline_that_is_the_photo_leaves_nothing_to_explain() {
    let model = network(3, 6);
    let photo = inputs(&model, 1);
    let look = model.look_input(&photo).expect("a look");
    let heat = look.explain(&ExpectedGradients::over(&photo).samples(2)).expect("a map");
    assert!(heat.raw().iter().all(|&v| v == 0.0));
    assert!(heat.remarks()[0].contains("a gap of 0.0000"), "{:?}", heat.remarks());
}

#[test]
fn kpca_cam_says_what_a_large_layer_would_take() {
    let mut net = Model::builder("large", [3, 80, 80]);
    let x = net.input();
    let x = net.add("conv1", Conv2d::new(3, 2, 3).padding(1), &[x]);
    let x = net.add("conv2", Conv2d::new(2, 2, 3).stride(2), &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    let model = placed(net.build().expect("a network"));
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    let text = failure(&look, &(Rc::new(KpcaCam::at("conv1")) as Method));
    assert!(text.contains("6400 places, and comparing each with each takes 312 MB"), "{text}");
    assert!(text.contains("such as \"conv2\""), "{text}");
}

/// A user's own method may panic in the middle of everything.
struct Panics;

impl Attribution for Panics {
    fn name(&self) -> String {
        "Panics".into()
    }

    fn target(&self) -> Target {
        Target::Predicted
    }

    fn attribute(&self, case: &Case) -> convlens::Result<Evidence> {
        let _ = case.gradient("conv1")?;
        panic!("on purpose")
    }
}

#[test]
fn a_panic_leaves_everything_as_it_was() {
    let model = network(3, 6);
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    let before = look.explain(&GradCam::at("conv1")).expect("a map");
    assert!(catch_unwind(AssertUnwindSafe(|| look.explain(&Panics).is_ok())).is_err());
    nothing_is_left_behind(&model);
    let after = look.explain(&GradCam::at("conv1")).expect("a map");
    assert_eq!(before.raw(), after.raw());
}

#[test]
fn errors_and_panics_of_every_method_leave_the_mode_the_statistics_and_the_gradients() {
    let model = network(3, 6);
    let batch = inputs(&model, 2);
    // Gradients from a step of training, which also moves batch norm's statistics.
    let scores = model.run_as(Pass::Training, &[("input", &batch)], &["output"]).expect("a pass");
    scores[0].square().sum(tch::Kind::Float).backward();
    let before = State::of(&model);
    assert!(before.recording);
    assert!(
        before.values.iter().any(|(name, _, gradient)| name == "bn1.weight" && gradient.is_some())
    );
    assert!(
        before
            .values
            .iter()
            .any(|(name, values, _)| name == "bn1.running_mean" && values[0] != 0.0)
    );
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    let fails = [
        Target::function("boom", |_| panic!("on purpose")),
        Target::function("all", Tensor::shallow_clone),
        Target::function("no gradients", |scores| {
            std::mem::forget(tch::no_grad_guard());
            panic!("after {scores:?}")
        }),
        99.into(),
    ];
    let work = |target: &Target| {
        methods_for(target).iter().for_each(|method| drop(failure(&look, method)))
    };
    for target in &fails {
        work(target);
        assert_eq!(State::of(&model), before, "{target:?}");
        let off = tch::no_grad_guard();
        work(target);
        assert!(!State::of(&model).recording, "{target:?} turns gradients on");
        drop(off);
        assert_eq!(State::of(&model), before, "{target:?} where none are recorded");
    }
    for method in methods(&1.into(), None) {
        look.explain(&method).expect("a heat map");
        let off = tch::no_grad_guard();
        look.explain(&method).expect("a heat map");
        assert!(!State::of(&model).recording, "{} turns gradients on", method.name());
        drop(off);
        assert_eq!(State::of(&model), before, "{}", method.name());
    }
    assert!(catch_unwind(AssertUnwindSafe(|| look.explain(&Panics).is_ok())).is_err());
    assert_eq!(State::of(&model), before);
}

#[test]
fn a_layer_that_does_not_lead_to_the_target_is_refused_by_every_method() {
    let mut net = Model::builder("branch", [3, 12, 12]);
    let x = net.input();
    let x = net.add("conv1", Conv2d::new(3, 6, 3).padding(1), &[x]);
    let x = net.add("relu1", Op::Relu, &[x]);
    net.add("aside", Conv2d::new(6, 6, 3).padding(1), &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(6, 4), &[x]);
    let model = placed(net.build().expect("a network"));
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    for method in methods(&Target::Predicted, Some("aside")) {
        let text = failure(&look, &method);
        assert!(text.contains("does not depend on layer \"aside\""), "{}: {text}", method.name());
        assert!(text.contains("choose a layer on the way to it"), "{text}");
    }
    nothing_is_left_behind(&model);
}

#[test]
fn masks_of_another_size_are_refused_whatever_the_method() {
    let model = segmenter();
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    let large = Region::from_fn(12, 12, |_, _| true).expect("a region");
    for method in methods_for(&Target::pixels_in(0, large)) {
        let text = failure(&look, &method);
        assert!(text.contains("12 × 12") && text.contains("maps of 6 × 6"), "{text}");
    }
    let model = network(3, 6);
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    let small = Region::from_fn(4, 5, |_, _| true).expect("a region");
    for method in methods(&Target::Predicted, None) {
        let heat = look.explain(&method).expect("a heat map");
        let texts = [
            heat.energy_inside(&small).expect_err("another size").to_string(),
            heat.points_inside(&small).expect_err("another size").to_string(),
        ];
        for text in texts {
            assert!(text.contains("4 × 5") && text.contains("12 × 12"), "{text}");
        }
    }
}

#[test]
fn a_heat_map_cuts_out_draws_lines_and_is_saved() {
    let model = zoo::squeezenet1_1().expect("embedded");
    let photo = Photo::open(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/photos/cat.png"));
    let look = model.look(&photo.expect("an asset")).expect("a look");
    let heat = look.explain(&GradCam::default()).expect("a heat map");
    let pixels = |picture: convlens::Result<Picture>| picture.expect("a picture").to_rgb();
    // Everything is at least 0; nearly nothing is at the top.
    let (whole, top) = (pixels(heat.cut_out(0.0)), pixels(heat.cut_out(0.95)));
    let same = whole.pixels().zip(top.pixels()).filter(|(a, b)| a == b).count();
    assert!(same > 0 && same < (whole.width() * whole.height() / 4) as usize, "{same}");
    assert!(heat.cut_out(1.5).is_err() && heat.cut_out(f32::NAN).is_err());

    let lines = pixels(heat.contour(3));
    let drawn = whole.pixels().zip(lines.pixels()).filter(|(a, b)| a != b).count();
    let all = (whole.width() * whole.height()) as usize;
    assert!(drawn > all / 200 && drawn < all / 4, "{drawn} of {all}");
    assert!(heat.contour(0).is_err());

    let beside = pixels(heat.side_by_side());
    assert!(beside.width() >= 2 * whole.width() + 8, "{:?}", beside.dimensions());
    assert!(
        (0..whole.width()).all(|x| beside.get_pixel(x, 9) == whole.get_pixel(x, 9)),
        "the photo"
    );
    let alone = pixels(heat.alone().and_then(|alone| alone.picture()));
    assert!(alone.pixels().all(|p| p.0[0] == p.0[1] && p.0[1] == p.0[2]), "from black to white");

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("heat.png");
    heat.save(&file).expect("a file");
    let read = image::open(&file).expect("a picture").to_rgb8();
    assert_eq!(read, pixels(heat.picture()));
    let file = folder.path().join("heat.npy");
    let text = heat.save(&file).expect_err("no picture").to_string();
    assert!(text.contains("values by save_npy"), "{text}");
    heat.save_npy(&file).expect("a file");
    let bytes = std::fs::read(&file).expect("the file");
    let (header, values) = bytes.split_at(bytes.len() - 4 * heat.raw().len());
    assert!(header.starts_with(b"\x93NUMPY") && header.len() % 64 == 0);
    let header = String::from_utf8_lossy(header);
    let shape = format!("'shape': ({}, {})", heat.height(), heat.width());
    assert!(header.contains(&shape) && header.contains("'<f4'"), "{header}");
    let values: Vec<f32> =
        values.chunks_exact(4).map(|v| f32::from_le_bytes([v[0], v[1], v[2], v[3]])).collect();
    assert_eq!(values, heat.raw());
}

#[test]
fn every_method_can_be_smoothed_fused_and_augmented() {
    let model = network(3, 6);
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    for method in methods(&1.into(), None) {
        // As many points as it takes, for every noisy copy and every factor, take long; 7 stand for them.
        if method.name() == "Integrated gradients" {
            continue;
        }
        let inner = look.explain(&method).expect("a heat map");
        let size = (inner.height(), inner.width());
        let pair = || [method.clone(), Rc::new(GradCam::at("conv1").class(1)) as Method];
        let around: [(Method, (usize, usize)); 4] = [
            (Rc::new(SmoothGrad::new(method.clone()).samples(2)), size),
            (Rc::new(Fused::mean(pair())), (12, 12)),
            (Rc::new(Fused::greatest(pair())), (12, 12)),
            (Rc::new(Augmented::new(method.clone()).factors([0.9])), (12, 12)),
        ];
        for (around, size) in around {
            let heat = look.explain(&around).expect("a heat map");
            let name = heat.method();
            assert_eq!((heat.height(), heat.width()), size, "{name}");
            assert!(heat.raw().iter().all(|v| v.is_finite()), "{name}");
            assert!(heat.raw().iter().any(|&v| v != 0.0), "{name}");
            assert_eq!(heat.class(), Some(1), "{name}");
            assert_eq!(heat.raw(), look.explain(&around).expect("again").raw(), "{name}");
        }
    }
}

#[test]
fn methods_with_different_targets_are_not_fused() {
    let mut net = Model::builder("named", [3, 12, 12]).classes(["ant", "bee", "cat", "dog"]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 6, 3), &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(6, 4), &[x]);
    let model = placed(net.build().expect("a network"));
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    let (bee, dog) = (GradCam::at("conv").class("bee"), GradCam::at("conv").class("dog"));
    let predicted = GradCam::at("conv");
    for pair in [[bee.clone(), dog], [bee.clone(), predicted.clone()], [predicted, bee.clone()]] {
        for fused in [Fused::mean(pair.clone()), Fused::greatest(pair)] {
            let error = look.explain(&fused).expect_err("two targets");
            assert!(matches!(error, convlens::Error::Argument(_)));
            let text = error.to_string();
            assert!(text.contains("different targets") && text.contains("\"bee\""), "{text}");
            assert!(text.contains("give all of them the same class"), "{text}");
        }
    }
    // A class by its name and by its index, and a function that is cloned, are one target.
    let total = Target::function("total", |scores| scores.sum(tch::Kind::Float));
    let by_function = || GradCam::at("conv").class(&total);
    for pair in [[bee, GradCam::at("conv").class(1)], [by_function(), by_function()]] {
        look.explain(&Fused::mean(pair)).expect("a heat map");
    }
}

#[test]
fn lists_and_predictions_are_targets() {
    let model = network(3, 6);
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    let found = look.predictions(2).expect("predictions");
    let raw = |target: Target| {
        look.explain(&GradCam::at("relu1").class(target)).expect("a map").raw().to_vec()
    };
    assert_eq!(raw(Target::from(found.top())), raw(Target::Predicted));
    let classes = [0usize, 3];
    assert_eq!(raw(classes.as_slice().into()), raw(classes.into()));
}

#[test]
fn pixels_of_a_class_are_explained_where_a_network_segments() {
    let model = segmenter();
    let look = model.look_input(&inputs(&model, 1)).expect("a look");
    let mask = look.segmentation().expect("a mask");
    let most = (0..3u8).max_by_key(|c| mask.labels().iter().filter(|l| *l == c).count());
    let most = most.expect("a class");
    let count = mask.labels().iter().filter(|&&l| l == most).count();
    let heat = look.explain(&GradCam::at("conv1")).expect("a map");
    assert_eq!(heat.class(), Some(most.into()));
    assert_eq!(heat.target(), format!("class {most}, {count} pixels"));
    // The region of those pixels by hand is the same thing.
    let inside = mask.labels().iter().map(|&l| l == most).collect();
    let region = Region::new(6, 6, inside).expect("a region");
    let by_hand = Target::pixels_in(i64::from(most), region);
    let other = look.explain(&GradCam::at("conv1").class(by_hand)).expect("a map");
    assert_eq!(heat.raw(), other.raw());

    let region = Region::from_fn(12, 12, |_, _| true).expect("a region");
    let target = Target::pixels_in(0, region);
    let text = look.explain(&GradCam::at("conv1").class(target)).expect_err("a size").to_string();
    assert!(text.contains("12 × 12") && text.contains("maps of 6 × 6"), "{text}");
    let absent = (0..3u8).find(|c| !mask.labels().contains(c));
    if let Some(absent) = absent {
        let text = look.explain(&GradCam::at("conv1").class(u32::from(absent)));
        assert!(text.expect_err("nowhere").to_string().contains("nowhere in this photo"));
    }
    let small = network(3, 6);
    let look = small.look_input(&inputs(&small, 1)).expect("a look");
    let text = look.explain(&GradCam::default().class(Target::pixels(1)));
    assert!(text.expect_err("no maps").to_string().contains("one score a class"));
}

#[test]
fn energy_and_pointing_are_measured_where_the_network_sees() {
    // One convolution that picks the only bright pixel: its map is the photo.
    let mut net = Model::builder("bright", [1, 8, 8]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(1, 1, 1).without_bias(), &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    let weight = Tensor::ones([1, 1, 1, 1], tch::kind::FLOAT_CPU);
    let weights = [("conv.weight".to_owned(), weight)].into_iter().collect();
    let model = placed(Builder::build_with(net, weights).expect("a network"));
    let input = Tensor::zeros([1, 1, 8, 8], tch::kind::FLOAT_CPU);
    let _ = input.get(0).get(0).get(2).get(5).fill_(3.0);
    let _ = input.get(0).get(0).get(6).get(1).fill_(1.0);
    let look = model.look_input(&input).expect("a look");
    let heat = look.explain(&GradCam::at("conv")).expect("a map");
    let right = Region::rectangle(8, 8, 0..8, 4..8).expect("a region");
    // What is shown of an input is seen as it is.
    assert_eq!(look.seen_region(&right).expect("a region"), right);
    let left = Region::rectangle(8, 8, 0..8, 0..4).expect("a region");
    assert_eq!(heat.energy_inside(&right).expect("a share"), Some(0.75));
    assert_eq!(heat.energy_inside(&left).expect("a share"), Some(0.25));
    assert_eq!(heat.points_inside(&right).expect("a place"), Some(true));
    assert_eq!(heat.points_inside(&left).expect("a place"), Some(false));
    let other = Region::rectangle(4, 4, 0..1, 0..1).expect("a region");
    let text = heat.energy_inside(&other).expect_err("another size").to_string();
    assert!(text.contains("4 × 4") && text.contains("8 × 8"), "{text}");
    let text = look.seen_region(&other).expect_err("another size").to_string();
    assert_eq!(text, "the region has 4 × 4 pixels (height × width), but the photo has 8 × 8");
    let nothing = model.look_input(&Tensor::zeros([1, 1, 8, 8], tch::kind::FLOAT_CPU));
    let heat = nothing.and_then(|look| look.explain(&GradCam::at("conv"))).expect("a map");
    assert_eq!(heat.energy_inside(&right).expect("a share"), None);
    assert_eq!(heat.points_inside(&right).expect("a place"), None);
    let text = heat.bundle().as_picture().is_some();
    assert!(text && heat.overlay().expect("one").remarks()[0].contains("0 everywhere"));
}

#[test]
fn a_gradient_in_colour_that_is_zero_everywhere_says_so() {
    let mut net = Model::builder("grey", [3, 8, 8]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 1, 1).without_bias(), &[x]);
    let x = net.add("relu", Op::Relu, &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    let weight = Tensor::ones([1, 3, 1, 1], tch::kind::FLOAT_CPU);
    let weights = [("conv.weight".to_owned(), weight)].into_iter().collect();
    let model = placed(Builder::build_with(net, weights).expect("a network"));
    let explained = |value: f64, method: &dyn Attribution| {
        let input = Tensor::full([1, 3, 8, 8], value, tch::kind::FLOAT_CPU);
        let heat = model.look_input(&input).and_then(|look| look.explain(method));
        heat.expect("a map")
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("heat.png");
    // Where the rectifier lets nothing through.
    for method in [&GuidedBackprop::default() as &dyn Attribution, &GuidedGradCam::at("conv")] {
        let [zero, other] = [-1.0, 1.0].map(|value| explained(value, method));
        let name = method.name();
        let said = "the gradient is 0 everywhere";
        let text = |heat: &Heatmap| heat.bundle().as_text().to_owned();
        assert_eq!(text(&zero), format!("{}\n{said}", zero.caption()), "{name}");
        assert_eq!(text(&other), other.caption(), "{name}");
        // And on the picture, wherever it is drawn; in a cell it is part of the caption.
        let plain = other.picture().expect("a picture");
        let grey = Picture::rgb(
            plain.width(),
            plain.height(),
            vec![127; (plain.width() * plain.height() * 3) as usize],
        );
        let picture = zero.picture().expect("a picture");
        assert_eq!(picture.to_rgb(), grey.expect("grey").captioned(said).to_rgb(), "{name}");
        let beside = zero.side_by_side().expect("a picture");
        assert_eq!(beside.height(), picture.height(), "{name}");
        zero.save(&file).expect("a file");
        let saved = image::open(&file).expect("a picture").to_rgb8();
        assert_eq!(saved, picture.to_rgb(), "{name}");
        let in_cell = zero.bundle().as_picture().expect("a picture").height();
        let captioned = plain.captioned(&text(&zero)).height();
        assert_eq!(in_cell, captioned, "{name} says it once");
    }
}

#[test]
fn cam_names_grad_cam_where_it_is_not_defined() {
    let model = zoo::alexnet_untrained(0).expect("a network");
    let [c, h, w] = model.input_shape();
    let look = model.look_input(&Tensor::rand([1, c, h, w], tch::kind::FLOAT_CPU)).expect("a look");
    let text = look.explain(&Cam::default()).expect_err("no pooling").to_string();
    assert!(text.contains("take GradCam"), "{text}");
    let small = network(3, 6);
    let look = small.look_input(&inputs(&small, 1)).expect("a look");
    let text = look.explain(&Cam::at("conv1")).expect_err("another layer").to_string();
    assert!(text.contains("\"relu2\" here, not at \"conv1\""), "{text}");
}

#[test]
fn cam_says_that_it_cannot_see_into_a_module_and_does_not_guess_what_is_in_it() {
    fn pooled(net: &mut Builder, x: NodeId) -> NodeId {
        let mean = |x: &[Tensor], _| x[0].mean_dim([2i64, 3].as_slice(), false, None::<tch::Kind>);
        net.function("end", mean, &[x])
    }
    let ends: [fn(&mut Builder, NodeId) -> NodeId; 3] = [
        // The pooling and the linear layer, the one, or the other are somebody else's.
        pooled,
        |net, x| {
            let x = pooled(net, x);
            net.add("fc", Linear::new(6, 4), &[x])
        },
        |net, x| {
            let x = net.chain("pool", ops![AdaptiveAvgPool2d::new(1), Op::Flatten], x);
            let end = tch::nn::linear(net.path("end"), 6, 4, Default::default());
            net.module("end", end, x)
        },
    ];
    for end in ends {
        let mut net = Model::builder("closed", [3, 8, 8]);
        let x = net.input();
        let x = net.add("conv", Conv2d::new(3, 6, 3), &[x]);
        end(&mut net, x);
        let model = placed(net.build().expect("a network"));
        let look = model.look_input(&inputs(&model, 1)).expect("a look");
        for cam in [Cam::default(), Cam::at("conv")] {
            let text = failure(&look, &(Rc::new(cam) as Method));
            assert!(text.contains("cannot see into its module \"end\""), "{text}");
            assert!(text.contains("take GradCam"), "{text}");
        }
        assert!(look.explain(&GradCam::at("conv")).is_ok());
    }
}

#[test]
fn before_the_pooling_cam_weighs_by_the_class_s_row_of_a_pointwise_convolution() {
    // As in SqueezeNet.
    let mut net = Model::builder("class maps", [3, 9, 7]);
    let x = net.input();
    let x = net.add("conv1", Conv2d::new(3, 5, 3).padding(1), &[x]);
    let x = net.add("relu1", Op::Relu, &[x]);
    let x = net.add("drop", Op::Dropout(0.5), &[x]);
    let x = net.add("scores", Conv2d::new(5, 4, 1), &[x]);
    let x = net.add("relu2", Op::Relu, &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    let model = placed(net.build().expect("a network"));
    let batch = inputs(&model, 2);
    let looks = model.look_inputs(&batch).expect("looks");
    let maps = model.run(&[("input", &batch)], &["relu1"]).expect("maps").remove(0); // [2, 5, 9, 7]
    let weights = model.weights();
    let weight = weights["scores.weight"].detach().reshape([4, 5, 1, 1]);
    for (heat, (photo, class)) in
        looks.explain_each(&Cam::default(), [1, 3]).expect("maps").iter().zip([(0, 1), (1, 3)])
    {
        let weighted = weight.get(class) * maps.get(photo);
        let expected = weighted.sum_dim_intlist([0i64].as_slice(), false, None::<tch::Kind>);
        let expected = Vec::<f32>::try_from(expected.contiguous().flatten(0, -1)).expect("floats");
        let scale = expected.iter().fold(0f32, |m, v| m.max(v.abs()));
        assert!(scale > 0.0 && heat.raw().len() == expected.len());
        // Five products, added in another order.
        let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-6 * scale;
        assert!(heat.raw().iter().zip(&expected).all(close), "photo {photo}");
        assert_eq!(heat.layer(), Some("drop, before the pooling"));
    }
}

#[test]
fn frozen_parameters_make_no_difference() {
    let model = network(3, 6);
    let explain = || {
        let look = model.look_input(&inputs(&model, 1)).expect("a look");
        let all = methods(&Target::Predicted, None);
        all.iter().map(|m| look.explain(m).expect("a map").raw().to_vec()).collect::<Vec<_>>()
    };
    let free = explain();
    for variable in model.variables().trainable_variables() {
        let _ = variable.set_requires_grad(false);
    }
    assert_eq!(free, explain());
}
