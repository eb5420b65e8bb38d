//! Gradients of the input: the numbers, by hand and against captum, and what each method refuses.

#[path = "peers/device.rs"]
mod device;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use convlens::attribution::{Case, Evidence, Meaning};
use convlens::model::{Builder, Conv2d, Linear, NodeId, Weights};
use convlens::picture::Resize;
use convlens::prelude::*;
use device::placed;
use tch::Kind;

/// The greatest difference, relative to the greatest value.
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(0f32, |m, v| m.max(v.abs())).max(1e-12);
    found.iter().zip(expected).fold(0f32, |m, (a, b)| m.max((a - b).abs())) / scale
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    let flat = tensor.detach().to_kind(Kind::Float).contiguous().flatten(0, -1);
    Vec::try_from(flat).expect("floats")
}

fn sum(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v)).sum()
}

fn explain(look: &Look, method: &dyn Attribution) -> Heatmap {
    look.explain(method).unwrap_or_else(|error| panic!("{}: {error}", method.name()))
}

fn failure(look: &Look, method: &dyn Attribution) -> String {
    match look.explain(method) {
        Ok(heat) => panic!("{} explains {}", method.name(), heat.caption()),
        Err(error) => error.to_string(),
    }
}

fn wave(size: &[i64]) -> Tensor {
    let steps = Tensor::arange(size.iter().product::<i64>(), tch::kind::FLOAT_CPU);
    ((&steps * 0.37).sin() + (&steps * 0.011).cos()).reshape(size)
}

fn tensor(values: &[f32], shape: &[i64]) -> Tensor {
    Tensor::from_slice(values).reshape(shape)
}

/// `y = W x + b` for a photo of 3 × 2 × 2 values and two classes.
fn linear() -> (Look, Tensor) {
    let mut net = Model::builder("linear", [3, 2, 2]);
    let x = net.input();
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(12, 2), &[x]);
    let weight = wave(&[2, 12]);
    let weights: Weights = [
        ("fc.weight".to_owned(), weight.copy()),
        ("fc.bias".to_owned(), tensor(&[0.5, -3.0], &[2])),
    ]
    .into_iter()
    .collect();
    let model = placed(Builder::build_with(net, weights).expect("a network"));
    let look = model.look_input(&(wave(&[1, 3, 2, 2]) * 2.0 + 0.3)).expect("a look");
    (look, weight.get(1))
}

#[test]
fn of_a_linear_network_the_gradient_is_its_weights() {
    let (look, weights) = linear();
    let saliency = explain(&look, &Saliency::default().class(1));
    assert_eq!(saliency.channels().values(), floats(&weights));
    let sizes = weights.abs().reshape([3, 4]);
    assert_eq!(saliency.raw(), floats(&sizes.amax([0i64].as_slice(), false)));
    let summed = explain(&look, &Saliency::default().class(1).sum());
    let expected = floats(&sizes.sum_dim_intlist([0i64].as_slice(), false, Kind::Float));
    assert_eq!(summed.raw(), expected);
    assert_eq!(summed.method(), "Saliency, sum over channels");
    // Without rectifiers there is no other rule.
    for method in [
        &GuidedBackprop::default().class(1) as &dyn Attribution,
        &Deconvolution::default().class(1),
    ] {
        let heat = explain(&look, method);
        assert!(difference(heat.channels().values(), &floats(&weights)) < 1e-6);
        assert_eq!(
            heat.remarks(),
            ["linear has no rectifier (ReLU, ReLU6): this is its plain gradient"]
        );
    }
}

#[test]
fn of_a_linear_network_contributions_add_up_to_the_score() {
    let (look, weights) = linear();
    let path = || IntegratedGradients::default().class(1);
    let product = explain(&look, &InputXGradient::default().class(1));
    assert!((sum(product.raw()) - (product.score() + 3.0)).abs() < 1e-5);
    for method in [path(), path().steps(1), path().steps(50)] {
        let zero = explain(&look, &method);
        assert!(difference(zero.channels().values(), product.channels().values()) < 1e-5);
        assert!(zero.remarks()[0].contains("a gap of 0.0000 with"), "{}", zero.remarks()[0]);
    }
    // From ones, the weights' own share is left out.
    let less = sum(product.raw()) - sum(&floats(&weights));
    let ones = Tensor::ones([1, 3, 2, 2], tch::kind::FLOAT_CPU);
    for (method, name) in [
        (path().baseline(1.0), "Integrated gradients, from 1"),
        (path().baseline([255, 255, 255]), "Integrated gradients, from rgb(255, 255, 255)"),
        (path().baseline_input(&ones), "Integrated gradients, from another input"),
    ] {
        let heat = explain(&look, &method);
        assert_eq!(heat.method(), name);
        assert!((sum(heat.raw()) - less).abs() < 1e-5, "{name}");
    }
}

/// `y = w₂ · relu(W₁ x)`, whose hidden values are 3, 1, −5 and 2 for x = (1, 2).
fn two_layers(rectifier: Op) -> Look {
    let mut net = Model::builder("two layers", [1, 1, 2]);
    let x = net.input();
    let x = net.add("flatten", Op::Flatten, &[x]);
    let x = net.add("fc1", Linear::new(2, 4), &[x]);
    let x = net.add("relu", rectifier, &[x]);
    net.add("fc2", Linear::new(4, 1), &[x]);
    let weights: Weights = [
        ("fc1.weight", tensor(&[1.0, 1.0, -1.0, 1.0, 1.0, -3.0, 2.0, 0.0], &[4, 2])),
        ("fc1.bias", Tensor::zeros([4], tch::kind::FLOAT_CPU)),
        ("fc2.weight", tensor(&[1.0, -2.0, 3.0, 4.0], &[1, 4])),
        ("fc2.bias", Tensor::zeros([1], tch::kind::FLOAT_CPU)),
    ]
    .into_iter()
    .map(|(name, tensor)| (name.to_owned(), tensor))
    .collect();
    let model = placed(Builder::build_with(net, weights).expect("a network"));
    model.look_input(&tensor(&[1.0, 2.0], &[1, 1, 1, 2])).expect("a look")
}

#[test]
fn each_rule_lets_through_what_its_paper_says() {
    let look = two_layers(Op::Relu);
    let plain = explain(&look, &Saliency::default());
    assert_eq!(plain.channels().values(), [11.0, -1.0], "1, −2 and 4 reach the input");
    let guided = explain(&look, &GuidedBackprop::default());
    assert_eq!(guided.raw(), [9.0, 1.0], "1 and 4 do");
    let deconvolution = explain(&look, &Deconvolution::default());
    assert_eq!(deconvolution.raw(), [12.0, -8.0], "1, 3 and 4 do");
    assert!(guided.remarks().is_empty() && deconvolution.remarks().is_empty());
}

#[test]
fn a_relu6_is_closed_above_six_too() {
    let look = two_layers(Op::Relu6);
    assert_eq!(explain(&look, &GuidedBackprop::default()).raw(), [9.0, 1.0]);
    // Twice the photo: hidden values 6, 2, −10 and 4; the first stands at the limit.
    let bright = look.model().look_input(&tensor(&[2.0, 4.0], &[1, 1, 1, 2])).expect("a look");
    assert_eq!(explain(&bright, &GuidedBackprop::default()).raw(), [8.0, 0.0]);
    assert_eq!(explain(&bright, &Deconvolution::default()).raw(), [12.0, -8.0]);
}

/// `y = 2 · relu(−0.5 · r + s)` with `r` and `s` rectified `1.5 x`, by one rectifier or by two.
fn read_twice(two: bool) -> Look {
    let mut net = Model::builder("twice", [1, 1, 1]);
    let one = |name: &str, net: &mut Builder, x: NodeId| {
        net.add(name, Conv2d::new(1, 1, 1).without_bias(), &[x])
    };
    let x = net.input();
    let h = one("first", &mut net, x);
    let r = net.add("r", Op::Relu, &[h]);
    let s = if two { net.add("s", Op::Relu, &[h]) } else { r };
    let branch = one("branch", &mut net, r);
    let sum = net.add("sum", Op::Add, &[branch, s]);
    let z = net.add("z", Op::Relu, &[sum]);
    let last = one("last", &mut net, z);
    net.add("flatten", Op::Flatten, &[last]);
    let weights: Weights = [("first", 1.5f32), ("branch", -0.5), ("last", 2.0)]
        .into_iter()
        .map(|(name, value)| (format!("{name}.weight"), tensor(&[value], &[1, 1, 1, 1])))
        .collect();
    let model = placed(Builder::build_with(net, weights).expect("a network"));
    model.look_input(&tensor(&[2.0], &[1, 1, 1, 1])).expect("a look")
}

#[test]
fn a_rectifier_that_is_read_twice_is_met_once() {
    // 2 arrives over the sum's second way and −1 over the branch: together 1, which is positive.
    assert_eq!(explain(&read_twice(false), &GuidedBackprop::default()).raw(), [1.5]);
    // Two rectifiers meet each of them alone, and −1 does not pass.
    assert_eq!(explain(&read_twice(true), &GuidedBackprop::default()).raw(), [3.0]);
    for two in [false, true] {
        assert_eq!(explain(&read_twice(two), &InputXGradient::default()).raw(), [3.0]);
    }
}

#[test]
fn a_rectifier_inside_a_module_is_remarked_on() {
    let mut net = Model::builder("closed", [1, 2, 2]);
    let x = net.input();
    let x = net.function("block", |inputs, _| inputs[0].relu() * 2.0, &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    let model = placed(net.build().expect("a network"));
    let look = model.look_input(&wave(&[1, 1, 2, 2])).expect("a look");
    let heat = explain(&look, &GuidedBackprop::default());
    assert_eq!(
        heat.remarks(),
        [
            "no rectifier was seen: inside the module \"block\" rectifiers follow their plain gradient"
        ]
    );
}

#[test]
fn integrated_gradients_complete_within_a_thousandth_of_the_score() {
    let model = zoo::squeezenet1_1().expect("embedded");
    for name in ["cat.png", "dog.jpg"] {
        let photo = Photo::open(format!("{}/assets/photos/{name}", env!("CARGO_MANIFEST_DIR")));
        let look = model.look(&photo.expect("an asset")).expect("a look");
        let heat = explain(&look, &IntegratedGradients::default());
        let zero = Tensor::zeros([1, 3, 224, 224], tch::kind::FLOAT_CPU);
        let baseline = model.forward(&zero).expect("scores");
        let class = heat.class().expect("a class") as i64;
        let change = heat.score() - baseline.flatten(0, -1).double_value(&[class]);
        let gap = (sum(heat.raw()) - change).abs();
        println!("{name}: {}", heat.remarks()[0]);
        assert!(gap <= 1e-3 * heat.score().abs(), "{gap} of {}", heat.score());
    }
}

/// A method that takes down what it is asked to explain.
struct Recorder<M> {
    method: M,
    inputs: Rc<RefCell<Vec<Tensor>>>,
}

impl<M: Attribution> Attribution for Recorder<M> {
    fn name(&self) -> String {
        self.method.name()
    }

    fn target(&self) -> Target {
        self.method.target()
    }

    fn attribute(&self, case: &Case) -> convlens::Result<Evidence> {
        self.inputs.borrow_mut().push(case.input()?);
        self.method.attribute(case)
    }
}

fn small() -> Model {
    let mut net = Model::builder("small", [3, 10, 12]);
    let x = net.input();
    let x = net.add("conv1", Conv2d::new(3, 8, 3).padding(1), &[x]);
    let x = net.add("relu1", Op::Relu, &[x]);
    let x = net.add("conv2", Conv2d::new(8, 8, 3).stride(2), &[x]);
    let x = net.add("relu2", Op::Relu, &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(8 * 4 * 5, 5), &[x]);
    placed(net.build().expect("a network"))
}

#[test]
fn smooth_grad_is_the_mean_over_noise_of_a_share_of_the_range() {
    let model = small();
    let input = wave(&[1, 3, 10, 12]) * 3.0;
    let look = model.look_input(&input).expect("a look");
    let inputs = Rc::new(RefCell::new(Vec::new()));
    let recorder = Recorder { method: Saliency::default(), inputs: inputs.clone() };
    let heat = explain(&look, &SmoothGrad::new(recorder));
    assert_eq!(heat.method(), "Saliency, SmoothGrad");
    let noisy = Tensor::cat(&inputs.take(), 0);
    assert_eq!(noisy.size(), [25, 3, 10, 12]);
    let noise = &noisy - &input;
    let range = (input.max() - input.min()).double_value(&[]);
    let deviation = noise.std(true).double_value(&[]) / range;
    // 9,000 samples: the standard error is 0.75 %.
    assert!((deviation / 0.15 - 1.0).abs() < 0.03, "{deviation}");
    assert!(noise.mean(Kind::Double).double_value(&[]).abs() < 0.02 * range);

    // What is explained is the class that the clean photo has, in every copy.
    let class = heat.class().expect("a class") as i64;
    let gradients = (0..25).map(|i| {
        let copy = model.look_input(&noisy.narrow(0, i, 1)).expect("a look");
        let heat = explain(&copy, &Saliency::default().class(class));
        tensor(heat.channels().values(), &[3, 10, 12])
    });
    let gradients = Tensor::stack(&gradients.collect::<Vec<_>>(), 0);
    let mean = gradients.mean_dim([0i64].as_slice(), false, Kind::Float);
    assert!(difference(heat.channels().values(), &floats(&mean)) < 1e-5);
    let map = floats(&mean.abs().amax([0i64].as_slice(), false));
    assert!(difference(heat.raw(), &map) < 1e-5);
    let squared = explain(&look, &SmoothGrad::new(Saliency::default()).squared());
    let mean = gradients.square().mean_dim([0i64].as_slice(), false, Kind::Float);
    assert!(difference(squared.channels().values(), &floats(&mean)) < 1e-5);
    let absolute = explain(&look, &SmoothGrad::new(Saliency::default()).squared().absolute());
    assert_eq!(absolute.method(), "Saliency, SmoothGrad of magnitudes");
    let mean = gradients.abs().mean_dim([0i64].as_slice(), false, Kind::Float);
    assert!(difference(absolute.channels().values(), &floats(&mean)) < 1e-5);
}

/// Says the same of every batch, one thing of the first alone, and another of each.
struct Talks(Cell<usize>);

impl Attribution for Talks {
    fn name(&self) -> String {
        "Talks".into()
    }

    fn target(&self) -> Target {
        Target::Predicted
    }

    fn attribute(&self, case: &Case) -> convlens::Result<Evidence> {
        let batch = self.0.replace(self.0.get() + 1);
        let mut remarks = vec![format!("batch {batch}"), "always".to_owned()];
        remarks.extend((batch == 0).then(|| "at first".to_owned()));
        Ok(Evidence { remarks, ..Saliency::default().attribute(case)? })
    }
}

#[test]
fn smooth_grad_keeps_what_is_said_of_all_copies_and_the_first_of_the_rest() {
    let look = small().look_input(&wave(&[1, 3, 10, 12])).expect("a look");
    let remarks = |samples: usize| {
        let heat = explain(&look, &SmoothGrad::new(Talks(Cell::new(0))).samples(samples));
        heat.remarks().to_vec()
    };
    assert_eq!(remarks(5), ["batch 0", "always", "at first"], "one batch");
    for samples in [6, 100] {
        assert_eq!(
            remarks(samples),
            [
                "always",
                "for some of the noisy copies, batch 0",
                "for some of the noisy copies, at first",
            ]
        );
    }
    // Integrated gradients say of each batch how incomplete they are.
    let path = IntegratedGradients::default().steps(2);
    let heat = explain(&look, &SmoothGrad::new(path).samples(20));
    let [remark] = heat.remarks() else { panic!("{:?}", heat.remarks()) };
    assert!(remark.starts_with("for some of the noisy copies, the photo of this batch with the"));
}

#[test]
fn of_one_channel_the_first_component_is_that_channel() {
    let look = two_layers(Op::Relu);
    let heat = explain(&look, &Saliency::default().principal_component());
    assert_eq!(heat.raw(), [11.0, -1.0], "the signed gradient, and not less its mean");
}

#[test]
fn smooth_grad_is_the_same_every_time_and_other_with_another_seed() {
    let model = small();
    let look = model.look_input(&wave(&[1, 3, 10, 12])).expect("a look");
    let smooth = || SmoothGrad::new(InputXGradient::default()).samples(6);
    let first = explain(&look, &smooth());
    let _ = Tensor::randn([100], tch::kind::FLOAT_CPU); // libtorch's own noise is not touched
    assert_eq!(first.raw(), explain(&look, &smooth()).raw());
    assert_ne!(first.raw(), explain(&look, &smooth().seed(1)).raw());
    let without = explain(&look, &smooth().noise(0.0));
    let plain = explain(&look, &InputXGradient::default());
    assert!(difference(without.raw(), plain.raw()) < 1e-6);
}

#[test]
fn smooth_grad_goes_around_any_method() {
    let model = small();
    let look = model.look_input(&wave(&[1, 3, 10, 12])).expect("a look");
    let methods: [Rc<dyn Attribution>; 6] = [
        Rc::new(GuidedBackprop::default()),
        Rc::new(IntegratedGradients::default().steps(5)),
        Rc::new(GuidedGradCam::default()),
        Rc::new(GradCam::at("conv1")),
        Rc::new(Augmented::new(GradCam::default())),
        Rc::new(SmoothGrad::new(Saliency::default()).samples(2)),
    ];
    for method in methods {
        let inner = explain(&look, &method);
        let heat = explain(&look, &SmoothGrad::new(method).samples(3));
        assert_eq!(heat.layer(), inner.layer());
        assert_eq!(heat.channels().count(), inner.channels().count());
        assert_ne!(heat.raw(), inner.raw());
    }
}

#[test]
fn guided_grad_cam_is_the_product_of_the_two() {
    let model = small();
    let look = model.look_input(&wave(&[1, 3, 10, 12])).expect("a look");
    let guided = explain(&look, &GuidedBackprop::default());
    let map = explain(&look, &GradCam::at("relu2")).map().expect("a map"); // 4 × 5
    let product = |map: &[f32]| -> Vec<f32> {
        let places = guided.channels().values().chunks(map.len());
        places.flat_map(|channel| channel.iter().zip(map).map(|(g, m)| g * m)).collect()
    };
    let heat = explain(&look, &GuidedGradCam::at("relu2"));
    assert_eq!(heat.layer(), Some("relu2"));
    assert_eq!(heat.channels().count(), 3);
    // The paper resizes the map bilinearly.
    let smooth = map.resized(10, 12, Resize::HalfPixel).expect("a resize");
    let expected = product(smooth.values());
    assert!(expected.iter().any(|&v| v != 0.0));
    assert!(difference(heat.channels().values(), &expected) < 1e-5);
    // captum repeats its pixels.
    let mut blocks = Vec::new();
    for y in 0..10 {
        blocks.extend((0..12).map(|x| map.values()[(y * 4 / 10) * 5 + x * 5 / 12]));
    }
    let nearest = explain(&look, &GuidedGradCam::at("relu2").nearest());
    assert!(difference(nearest.channels().values(), &product(&blocks)) < 1e-5);
    assert_eq!(nearest.method(), "Guided Grad-CAM, nearest");
}

#[test]
fn the_first_component_of_colours_is_one_signed_map() {
    let model = small();
    let look = model.look_input(&wave(&[1, 3, 10, 12])).expect("a look");
    let heat = explain(&look, &Saliency::default().principal_component());
    assert_eq!(heat.method(), "Saliency, first component");
    let gradient = tensor(heat.channels().values(), &[1, 3, 10, 12]);
    let component = convlens::attribution::principal_component(&gradient).expect("a component");
    assert!(difference(heat.raw(), &floats(&component)) < 1e-6);
    assert!(heat.raw().iter().any(|&v| v < 0.0));
}

#[test]
fn only_three_channels_are_colours() {
    let look = two_layers(Op::Relu);
    let inner = Rc::new(RefCell::new(Vec::new()));
    struct Meanings<M>(M, Rc<RefCell<Vec<Meaning>>>);
    impl<M: Attribution> Attribution for Meanings<M> {
        fn name(&self) -> String {
            self.0.name()
        }

        fn target(&self) -> Target {
            self.0.target()
        }

        fn attribute(&self, case: &Case) -> convlens::Result<Evidence> {
            let evidence = self.0.attribute(case)?;
            self.1.borrow_mut().push(evidence.meaning);
            Ok(evidence)
        }
    }
    let method = Meanings(GuidedBackprop::default(), inner.clone());
    explain(&look, &method);
    explain(&small().look_input(&wave(&[1, 3, 10, 12])).expect("a look"), &method);
    assert_eq!(inner.take(), [Meaning::Signed, Meaning::Colour]);
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let model = small();
    let look = model.look_input(&wave(&[1, 3, 10, 12])).expect("a look");
    let path = IntegratedGradients::default;
    let smooth = || SmoothGrad::new(Saliency::default());
    let nan = wave(&[1, 3, 10, 12]) * f64::NAN;
    let cases: [(Box<dyn Attribution>, &str); 11] = [
        (Box::new(path().steps(0)), "a sum over 1 to 10000 points, not 0"),
        (Box::new(path().steps(usize::MAX)), "a sum over 1 to 10000 points"),
        (Box::new(path().baseline_input(&wave(&[1, 3, 9, 12]))), "[1, 3, 9, 12] does not stand"),
        (Box::new(path().baseline_input(&wave(&[2, 3, 10, 12]))), "give one of that shape"),
        (Box::new(path().baseline_input(&nan)), "the baseline holds NaN"),
        (Box::new(path().baseline(f64::NAN)), "a baseline is a finite number, not NaN"),
        (Box::new(smooth().samples(0)), "a mean of no samples"),
        (Box::new(smooth().samples(usize::MAX)), "the mean is of 1 to 10000"),
        (Box::new(smooth().noise(f64::NAN)), "a share of the photo's range"),
        (Box::new(smooth().noise(-0.1)), "not -0.1"),
        (Box::new(GuidedGradCam::at("conv7")), "the closest are \"conv1\""),
    ];
    for (method, part) in cases {
        let text = failure(&look, &method);
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_layer_that_the_input_does_not_lead_to_is_no_trouble() {
    // The output depends on the input's shape alone.
    let mut net = Model::builder("constant", [3, 4, 4]);
    let x = net.input();
    let x = net.function("zero", |inputs, _| inputs[0].zeros_like(), &[x]);
    let x = net.add("relu", Op::Relu, &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    let model = placed(net.build().expect("a network"));
    let look = model.look_input(&wave(&[1, 3, 4, 4])).expect("a look");
    for method in [
        &Saliency::default() as &dyn Attribution,
        &GuidedBackprop::default(),
        &InputXGradient::default(),
        &IntegratedGradients::default(),
    ] {
        let text = failure(&look, method);
        assert!(text.contains("does not depend on layer \"input\""), "{text}");
    }
}

#[test]
fn gradients_that_a_training_left_stay_as_they_were() {
    let model = small();
    let input = wave(&[1, 3, 10, 12]);
    let output = model.run_as(Pass::Training, &[("input", &input)], &["output"]).expect("a pass");
    output[0].sum(Kind::Float).backward();
    let gradients = || -> Vec<Vec<f32>> {
        model.variables().trainable_variables().iter().map(|v| floats(&v.grad())).collect()
    };
    let before = gradients();
    let look = model.look_input(&input).expect("a look");
    let panics = || Target::function("boom", |_| panic!("on purpose"));
    for target in [Target::Predicted, 9.into(), panics()] {
        let methods: [Box<dyn Attribution>; 6] = [
            Box::new(Saliency::default().class(&target)),
            Box::new(GuidedBackprop::default().class(&target)),
            Box::new(Deconvolution::default().class(&target)),
            Box::new(IntegratedGradients::default().class(&target).steps(3)),
            Box::new(SmoothGrad::new(InputXGradient::default().class(&target)).samples(3)),
            Box::new(GuidedGradCam::default().class(&target)),
        ];
        for method in methods {
            let explained = look.explain(&method);
            assert_eq!(explained.is_ok(), matches!(target, Target::Predicted));
            assert_eq!(gradients(), before, "{}", method.name());
            assert!((Tensor::from(1f32).set_requires_grad(true) * 2.0).requires_grad());
        }
    }
    let _no_grad = tch::no_grad_guard();
    explain(&look, &GuidedBackprop::default());
    assert!(!(Tensor::from(1f32).set_requires_grad(true) * 2.0).requires_grad());
}
