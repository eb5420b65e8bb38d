//! The fast engine and the plain way: the same answers but for rounding, and a variable between them.

use convlens::model::{AdaptiveAvgPool2d, Arithmetic, Elementwise, Op};
use convlens::prelude::*;
use tch::{Device, Kind};

/// In whose environment this stands, is a process with one test, which may change its variables.
const ALONE: &str = "CONVLENS_TEST_ALONE";

fn alone(test: &str) {
    let mut command = std::process::Command::new(std::env::current_exe().expect("a test"));
    command.args(["--exact", test, "--nocapture"]).env(ALONE, "").env_remove("CONVLENS_PLAIN");
    let output = command.output().expect("a process");
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Only in a process with one test: nobody reads the variables meanwhile but this thread, and one of ours
/// that does so by Rust's functions.
fn set_plain(value: &str) {
    unsafe { std::env::set_var("CONVLENS_PLAIN", value) };
}

fn wave(size: [i64; 4]) -> Tensor {
    let count = size.iter().product::<i64>();
    (Tensor::arange(count, (Kind::Float, Device::Cpu)) * 0.37).sin().reshape(size)
}

/// What passes of each kind answer, and a gradient.
fn answers(model: &Model, input: &Tensor) -> Vec<Tensor> {
    let feeds = [("input", input)];
    let mut answers = Vec::new();
    for pass in [Pass::Inference, Pass::Repeated] {
        let wanted = [model.last_maps().expect("maps")];
        let wanted = [wanted[0].as_str(), "output"];
        answers.extend(model.run_as(pass, &feeds, &wanted).expect("a pass"));
    }
    let look = model.look_input(input).expect("a look");
    let heat = look.explain(&Saliency::default()).expect("a heat map");
    answers.push(Tensor::from_slice(heat.channels().values()));
    answers
}

fn differences(found: &[Tensor], expected: &[Tensor]) -> Vec<f64> {
    let pairs = found.iter().zip(expected);
    let each = pairs.map(|(a, b)| (a - b).abs().max().double_value(&[]) / scale(b));
    each.collect()
}

fn scale(values: &Tensor) -> f64 {
    values.abs().max().double_value(&[])
}

#[test]
fn both_ways_agree_and_a_variable_chooses_between_two_passes() {
    if std::env::var_os(ALONE).is_none() {
        return alone("both_ways_agree_and_a_variable_chooses_between_two_passes");
    }
    // With batch norm and sums; with a large linear layer; with paddings that oneDNN does not know.
    let networks = [
        zoo::resnet18_untrained(3),
        zoo::alexnet_untrained(3),
        zoo::efficientnet_lite0_untrained(3),
    ];
    for model in networks {
        let model = model.expect("a network");
        let input = wave([1, 3, 224, 224]);
        let fast = answers(&model, &input);
        for on in ["0", ""] {
            set_plain(on);
            assert_eq!(differences(&answers(&model, &input), &fast), [0.0; 5], "{on:?} is on");
        }
        set_plain("1");
        let plain = answers(&model, &input);
        let apart = differences(&plain, &fast);
        println!("{}: {apart:?}", model.name());
        // As far apart as sums of thousands of products in single precision.
        assert!(apart[..4].iter().all(|apart| *apart < 2e-5), "{}: {apart:?}", model.name());
        // Of a million rectifiers some stand so near to 0 that they open or close by it.
        let (a, b) = (&fast[4], &plain[4]);
        let apart = scale(&(a - b).norm()) / scale(&b.norm());
        println!("the gradient: {apart:e}");
        assert!(apart < 0.02, "{}: {apart}", model.name());
        // Layer by layer, as a pass that records.
        let feeds = [("input", &input)];
        let recorded = model.run_as(Pass::Gradient, &feeds, &["output"]).expect("a pass");
        assert_eq!(differences(&plain[1..2], &recorded), [0.0], "{}", model.name());
        assert_eq!(differences(&plain[3..4], &recorded), [0.0], "{}", model.name());
        // The variable changes something: a batch norm that is folded is another sum.
        if model.name() == "resnet18" {
            assert_ne!(differences(&fast[1..2], &recorded), [0.0]);
        }
        set_plain("");
    }
}

/// A convolution with all that may follow it.
fn followed() -> Model {
    let mut net = Model::builder("followed", [32, 20, 20]);
    let x = net.input();
    let y = net.add("conv", Conv2d::new(32, 32, 3).padding(1), &[x]);
    let y = net.add("norm", BatchNorm2d::new(32), &[y]);
    let y = net.add("sum", Op::Add, &[y, x]);
    net.add("relu", Op::Relu, &[y]);
    net.build().expect("a network")
}

#[test]
fn what_is_not_finite_is_done_layer_by_layer_and_stays_visible() {
    let model = followed();
    let input = wave([2, 32, 20, 20]);
    let run = |pass: Pass, input: &Tensor| {
        model.run_as(pass, &[("input", input)], &["relu"]).expect("a pass").remove(0)
    };
    let same = |input: &Tensor, odd: bool| {
        let expected = run(Pass::Gradient, input);
        assert_eq!(expected.isnan().any().int64_value(&[]) != 0, odd);
        for pass in [Pass::Inference, Pass::Repeated, Pass::Inference] {
            let found = run(pass, input);
            assert!(found.isnan().equal(&expected.isnan()), "{pass:?}");
            let apart = (found - &expected).nan_to_num(0.0, 0.0, 0.0).abs().max();
            assert!(apart.double_value(&[]) < 1e-5 * scale(&expected.nan_to_num(0.0, 0.0, 0.0)));
        }
    };
    same(&input, false);
    let broken = input.copy();
    let _ = broken.get(1).get(3).get(4).get(5).fill_(f64::NAN);
    same(&broken, true);
    for name in ["conv.weight", "norm.bias", "norm.running_var"] {
        let weight = model.weights()[name].shallow_clone();
        let kept = weight.detach().copy();
        let mut first = weight.detach();
        while first.dim() > 0 {
            first = first.get(0);
        }
        let _ = first.fill_(f64::NAN);
        same(&input, true);
        tch::no_grad(|| weight.shallow_clone().copy_(&kept));
        same(&input, false);
    }
}

/// Whatever a chain may take along, in either order, and what it must not: values that somebody else reads.
fn mixed() -> Model {
    let mut net = Model::builder("mixed", [3, 22, 26]);
    let x = net.input();
    let stem = net.add("stem", Conv2d::new(3, 24, 3).stride(2).padding(1), &[x]);
    let x = net.add("stem_clamp", Elementwise::Clamp { min: -0.2, max: 0.3 }, &[stem]);
    // Each channel by itself, and SiLU as two layers.
    let y = net.add("depthwise", Conv2d::new(24, 24, 5).groups(24).padding(2), &[x]);
    let gate = net.add("gate", Op::Sigmoid, &[y]);
    let y = net.add("silu", Arithmetic::Multiply, &[gate, y]);
    let z = net.add("swish", Conv2d::new(24, 24, 3).padding(2).dilation(2), &[y]);
    let z = net.add("hard", Elementwise::HardSwish, &[z]);
    // A gate that is read twice is none.
    let w = net.add("pointwise", Conv2d::new(24, 40, 1), &[z]);
    let other = net.add("gate2", Op::Sigmoid, &[w]);
    let w = net.add("gated", Op::Multiply, &[w, other]);
    let w = net.add("twice", Op::Add, &[w, other]);
    // Two convolutions meet, and the sum has the first on its right.
    let left = net.add("left", Conv2d::new(40, 20, 3).stride(2), &[w]);
    let right = net.add("right", Conv2d::new(40, 20, 3).stride(2), &[w]);
    let met = net.add("met", Op::Add, &[right, left]);
    let met = net.add("met_relu", Op::Relu6, &[met]);
    let own = net.add("own", Conv2d::new(20, 20, 1).without_bias(), &[met]);
    let both = net.add("both", Op::Add, &[own, own]);
    let pooled = net.add("pooled", Pool2d::max(3).stride(2).padding(1).ceil(), &[both]);
    let grouped = net.add("grouped", Conv2d::new(20, 30, 3).padding(1).groups(5), &[pooled]);
    let grouped = net.add("grouped_silu", Op::Silu, &[grouped]);
    let flat = net.add("flat", Op::Flatten, &[grouped]);
    let first = net.add("first", Linear::new(360, 48), &[flat]);
    let first = net.add("gelu", Elementwise::Gelu, &[first]);
    let second = net.add("second", Linear::new(48, 48).without_bias(), &[first]);
    let second = net.add("residual", Op::Add, &[first, second]);
    let third = net.add("third", Linear::new(48, 16), &[second]);
    let third = net.add("norm", BatchNorm2d::new(16), &[third]);
    let third = net.add("third_relu", Op::Relu, &[third]);
    net.add("last", Linear::new(16, 5), &[third]);
    let model = net.build().expect("a network");
    let weights = model.weights();
    for (name, from) in [("norm.running_mean", 0.3), ("norm.running_var", 1.5), ("norm.bias", 0.5)]
    {
        let values = Tensor::arange(16, (Kind::Float, Device::Cpu)) * 0.05 + from;
        tch::no_grad(|| weights[name].shallow_clone().copy_(&values));
    }
    model
}

/// Concatenations of convolutions of each way, of which a rectifier makes something else in the same memory, and of
/// what somebody else reads too; a gate for each channel before a convolution, and a product that is none.
fn joined() -> Model {
    let mut net = Model::builder("joined", [3, 30, 34]);
    let x = net.input();
    let x = net.add("stem", Conv2d::new(3, 32, 3).stride(2).padding(1), &[x]);
    let one = net.add("one", Conv2d::new(32, 24, 1), &[x]);
    let one = net.add("one_silu", Op::Silu, &[one]);
    let three = net.add("three", Conv2d::new(32, 32, 3).padding(1), &[x]);
    let three = net.add("three_relu", Op::Relu, &[three]);
    let each = net.add("each", Conv2d::new(32, 32, 3).padding(1).groups(32), &[x]);
    let whole = net.add("whole", Op::Concat, &[one, three, each]);
    let whole = net.add("whole_relu", Op::Relu, &[whole]);
    let mean = net.add("mean", AdaptiveAvgPool2d::new(1), &[whole]);
    let gate = net.add("gate", Conv2d::new(88, 88, 1), &[mean]);
    let gate = net.add("gate_sigmoid", Op::Sigmoid, &[gate]);
    let gated = net.add("gated", Op::Multiply, &[whole, gate]);
    let left = net.add("left", Conv2d::new(88, 40, 1).without_bias(), &[gated]);
    let left = net.add("left_norm", BatchNorm2d::new(40), &[left]);
    let right = net.add("right", Conv2d::new(88, 40, 1), &[whole]);
    let both = net.add("both", Op::Concat, &[left, right]);
    let product = net.add("product", Op::Multiply, &[left, right]);
    let last = net.add("last", Conv2d::new(40, 80, 1), &[product]);
    let last = net.add("sum", Op::Add, &[last, both]);
    net.add("last_relu", Op::Relu, &[last]);
    net.build().expect("a network")
}

#[test]
fn whatever_is_taken_along_each_layer_has_the_value_of_a_pass_that_records() {
    each_layer_is_recorded(&mixed(), [22, 26], 3e-6);
    // Sums by fewer multiplications differ more.
    each_layer_is_recorded(&joined(), [30, 34], 1e-5);
}

fn each_layer_is_recorded(model: &Model, [height, width]: [i64; 2], tolerance: f64) {
    let mut otherwise = 0;
    for photos in [1, 3] {
        let input = wave([photos, 3, height, width]);
        let layers = model.layers();
        let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
        let feeds = [("input", &input)];
        let expected = model.run_as(Pass::Gradient, &feeds, &names).expect("a pass");
        for pass in [Pass::Inference, Pass::Repeated] {
            // All of them at once, when nothing is taken along; one at a time, when all else is.
            let all = model.run_as(pass, &feeds, &names).expect("a pass");
            for ((name, expected), found) in names.iter().zip(&expected).zip(&all) {
                let alone = model.run_as(pass, &feeds, &[name]).expect("a pass").remove(0);
                otherwise += usize::from(alone != *expected);
                for found in [found, &alone] {
                    assert_eq!(found.size(), expected.size());
                    let apart = (found - expected).abs().max().double_value(&[]);
                    assert!(
                        apart < tolerance * scale(expected),
                        "{name}, {photos} photos: {apart:e}"
                    );
                }
            }
        }
    }
    // Sums in another order.
    assert!(otherwise > 0 || std::env::var_os("CONVLENS_PLAIN").is_some());
}
