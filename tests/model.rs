//! The graph and its executor.

use convlens::model::{
    AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Linear, Model, Op, Pass, Pool2d, Weights,
};
use convlens::zoo;
use tch::{Device, Kind, Tensor};

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

/// conv -> relu -> pool, joined with a second branch, then a classifier.
fn branched() -> Model {
    let mut net = Model::builder("branched", [3, 16, 16]);
    let x = net.input();
    let stem = net.add("stem.conv", Conv2d::new(3, 4, 3).padding(1), &[x]);
    let stem = net.add("stem.norm", BatchNorm2d::new(4), &[stem]);
    let stem = net.add("stem.relu", Op::Relu, &[stem]);
    let a = net.add("a", Conv2d::new(4, 4, 1), &[stem]);
    let b = net.add("b", Conv2d::new(4, 4, 3).padding(1), &[stem]);
    let sum = net.add("sum", Op::Add, &[a, b]);
    let joined = net.add("joined", Op::Concat, &[sum, stem]);
    let x = net.add("pool", Pool2d::max(2), &[joined]);
    let x = net.add("global", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    let x = net.add("dropout", Op::Dropout(0.5), &[x]);
    net.add("fc", Linear::new(8, 5), &[x]);
    net.build().expect("a network")
}

fn photos(n: i64) -> Tensor {
    Tensor::arange(n * 3 * 16 * 16, FLOAT).sin().reshape([n, 3, 16, 16])
}

fn close(a: &Tensor, b: &Tensor, tolerance: f64) -> bool {
    a.size() == b.size() && (a - b).abs().max().double_value(&[]) <= tolerance
}

#[test]
fn a_pass_in_two_halves_is_the_whole_pass() {
    let (model, x) = (branched(), photos(2));
    let whole = model.run(&[("input", &x)], &["joined", "output"]).expect("a pass");
    let tail = model.run(&[("joined", &whole[0])], &["fc"]).expect("the tail");
    assert!(close(&whole[1], &tail[0], 1e-6));
}

#[test]
fn only_what_is_wanted_runs() {
    let model = branched();
    // Photos that the classifier could not take: nothing behind the stem may run.
    let out = model.run(&[("input", &photos(1))], &["stem"]).expect("the stem alone");
    assert_eq!(out[0].size(), [1, 4, 16, 16]);
    let stem = out[0].shallow_clone();
    let a = model.run(&[("stem.relu", &stem)], &["a"]).expect("one branch");
    assert_eq!(a[0].size(), [1, 4, 16, 16]);
}

#[test]
fn values_that_are_asked_for_are_not_overwritten_by_later_layers() {
    let (model, x) = (branched(), photos(1));
    let alone = model.run(&[("input", &x)], &["stem.norm"]).expect("alone");
    let together =
        model.run(&[("input", &x)], &["stem.norm", "stem.relu", "fc"]).expect("together");
    assert!(close(&alone[0], &together[0], 0.0));
    assert!(together[0].min().double_value(&[]) < 0.0, "the norm has values for the relu to cut");
    let before = x.copy();
    let _ = model.forward(&x).expect("a pass");
    assert!(close(&before, &x, 0.0), "the feed stays as it was");
}

#[test]
fn a_group_names_its_last_layer() {
    let (model, x) = (branched(), photos(1));
    let out = model.run(&[("input", &x)], &["stem", "stem.relu"]).expect("a pass");
    assert!(close(&out[0], &out[1], 0.0));
}

#[test]
fn an_unknown_layer_lists_the_closest() {
    let error = branched().run(&[("input", &photos(1))], &["stem.rel"]).expect_err("no such layer");
    let text = error.to_string();
    assert!(
        text.starts_with(
            "no layer \"stem.rel\" in branched (13 layers); the closest are \"stem.relu\""
        ),
        "{text}"
    );
}

#[test]
fn feeds_that_do_not_lead_to_what_is_wanted_are_an_error() {
    let (model, x) = (branched(), photos(1));
    let a = model.run(&[("input", &x)], &["a"]).expect("a pass");
    let text = model.run(&[("a", &a[0])], &["fc"]).expect_err("b is missing").to_string();
    assert!(text.contains("feed \"input\" as well"), "{text}");
}

#[test]
fn wrong_channels_and_small_photos_say_what_is_expected() {
    let model = branched();
    let grey = Tensor::zeros([1, 1, 16, 16], FLOAT);
    let text = model.forward(&grey).expect_err("one channel").to_string();
    assert!(
        text.contains("takes [photos, 3, height, width]") && text.contains("[1, 1, 16, 16]"),
        "{text}"
    );
    let tiny = Tensor::zeros([1, 3, 1, 1], FLOAT);
    let text = model.forward(&tiny).expect_err("too small").to_string();
    assert!(text.contains("needs at least 2 x 2"), "{text}");
    let flat = Tensor::zeros([3, 16, 16], FLOAT);
    assert!(model.forward(&flat).is_err());
}

#[test]
fn mistakes_in_the_graph_name_the_layer() {
    let mut net = Model::builder("wrong", [3, 8, 8]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 4, 3), &[x]);
    let x = net.add("fc", Linear::new(10, 2), &[x]);
    net.add("never judged", Linear::new(999, 2), &[x]);
    let text = net.build().expect_err("the linear layer does not fit").to_string();
    assert_eq!(
        text,
        "layer \"fc\" (Linear) of wrong: expected 10 input features in the last dimension, got [1, 4, 6, 6]"
    );
    let mut net = Model::builder("twice", [3, 8, 8]);
    let x = net.input();
    let x = net.add("a", Op::Relu, &[x]);
    net.add("a", Op::Relu, &[x]);
    assert!(net.build().expect_err("taken").to_string().contains("the name is taken"));
    for name in ["", ".", "a..b", "a."] {
        let mut net = Model::builder("names", [3, 8, 8]);
        let x = net.input();
        net.add(name, Op::Relu, &[x]);
        assert!(net.build().is_err(), "{name:?}");
    }
    assert!(Model::builder("empty", [3, 8, 8]).build().is_err());
    assert!(Model::builder("flat", [3, 0, 8]).build().is_err());
}

#[test]
fn weights_that_do_not_fit_are_all_listed_at_once() {
    let mut net = Model::builder("loaded", [3, 8, 8]);
    let x = net.input();
    let x = net.add("a", Conv2d::new(3, 4, 3), &[x]);
    net.add("b", Conv2d::new(4, 4, 3), &[x]);
    let given: Weights = [
        ("a.weight", vec![4, 3, 3, 3]),
        ("a.bias", vec![5]),
        ("b.weight", vec![4, 4, 3, 3]),
        ("c.weight", vec![1]),
        ("a.num_batches_tracked", vec![1]),
    ]
    .map(|(name, size)| (name.to_owned(), Tensor::zeros(size, FLOAT)))
    .into();
    let text = net.build_with(given).expect_err("three complaints").to_string();
    assert_eq!(
        text,
        "the weights do not fit loaded, and nothing was loaded:\n  a.bias is [5], expected [4]\n  \
         b.bias is missing (expected [4])\n  c.weight belongs to no layer"
    );
}

#[test]
fn a_seed_makes_the_start_repeatable() {
    let make = |seed| {
        let mut net = Model::builder("seeded", [3, 8, 8]);
        let x = net.input();
        net.add("conv", Conv2d::new(3, 4, 3), &[x]);
        net.seed(seed).build().expect("a network")
    };
    let x = Tensor::ones([1, 3, 8, 8], FLOAT);
    let out = |seed| make(seed).forward(&x).expect("a pass");
    assert!(close(&out(1), &out(1), 0.0));
    assert!(!close(&out(1), &out(2), 1e-3));
}

#[test]
fn gradients_flow_to_feeds_and_leave_parameters_alone() {
    let model = branched();
    let x = photos(1).set_requires_grad(true);
    let out = model.run_as(Pass::Gradient, &[("input", &x)], &["fc"]).expect("a pass");
    let gradient = Tensor::run_backward(&[out[0].sum(Kind::Float)], &[&x], false, false);
    assert!(gradient[0].abs().sum(Kind::Float).double_value(&[]) > 0.0);
    for (name, variable) in model.variables().variables() {
        assert!(!variable.grad().defined(), "{name}");
    }
    let training = model.run_as(Pass::Training, &[("input", &photos(2))], &["fc"]).expect("a pass");
    training[0].sum(Kind::Float).backward();
    assert!(model.variables().variables()["a.weight"].grad().defined());
}

#[test]
fn the_gradient_mode_survives_errors() {
    let model = branched();
    let weight = Tensor::from(1f32).set_requires_grad(true);
    let broken = Tensor::zeros([1, 7, 3, 3], FLOAT);
    assert!(model.run(&[("stem.relu", &broken)], &["fc"]).is_err());
    assert!(model.run_as(Pass::Gradient, &[("stem.relu", &broken)], &["fc"]).is_err());
    assert!((&weight * 2.0).requires_grad());
    let _guard = tch::no_grad_guard();
    model.run_as(Pass::Gradient, &[("input", &photos(1))], &["fc"]).expect("a pass");
    assert!(!(&weight * 2.0).requires_grad());
}

#[test]
fn libtorchs_refusals_carry_the_layer_and_one_line() {
    let broken = Tensor::zeros([1, 7, 3, 3], FLOAT);
    let text =
        branched().run(&[("stem.relu", &broken)], &["a"]).expect_err("7 channels").to_string();
    assert!(
        text.starts_with("layer \"a\" (Conv2d) of branched with input [[1, 7, 3, 3]]: libtorch: "),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn output_shapes_are_those_that_libtorch_computes() {
    for side in 1..40 {
        for (kernel, stride, padding) in [(3, 2, 0), (3, 2, 1), (2, 2, 0), (3, 1, 1), (5, 3, 2)] {
            for ceil in [false, true] {
                let mut pool = Pool2d::max(kernel).stride(stride).padding(padding);
                let mut average = Pool2d::average(kernel).stride(stride).padding(padding);
                if ceil {
                    (pool, average) = (pool.ceil(), average.ceil());
                }
                let conv = Conv2d::new(3, 2, kernel).stride(stride).padding(padding).dilation(2);
                for op in [Op::from(pool), Op::from(average), Op::from(conv)] {
                    let mut net = Model::builder("shapes", [3, 64, 64]);
                    let x = net.input();
                    net.add("op", op.clone(), &[x]);
                    let model = net.build().expect("a layer");
                    let input = Tensor::zeros([1, 3, side, side], FLOAT);
                    let predicted = model.output_shapes(&input.size());
                    match model.forward(&input) {
                        Ok(output) => assert_eq!(
                            predicted.expect("a shape")[1],
                            output.size(),
                            "{op:?} at {side}"
                        ),
                        Err(_) => assert!(predicted.is_err(), "{op:?} at {side}"),
                    }
                }
            }
        }
    }
}

#[test]
fn squeezenet_has_its_published_size_and_least_input() {
    let model = zoo::squeezenet1_1().expect("embedded");
    assert_eq!(model.summary().expect("a table").parameters(), 1_235_496);
    let least = model.minimum_side().expect("a size");
    let fits = |side| model.forward(&Tensor::zeros([1, 3, side, side], FLOAT)).is_ok();
    assert!(fits(least) && !fits(least - 1));
}

#[test]
fn a_class_is_found_by_any_of_its_names() {
    let model = zoo::squeezenet1_1().expect("embedded");
    assert_eq!(model.class_index("tabby").expect("a class"), 281);
    assert_eq!(model.class_index("Tabby Cat").expect("a class"), 281);
    assert_eq!(model.class_name(285), "Egyptian cat");
    let text = model.class_index("crane").expect_err("a bird and a machine").to_string();
    assert!(text.contains("134 (crane)") && text.contains("517 (crane)"), "{text}");
    let text = model.class_index("tabbi").expect_err("unknown").to_string();
    assert!(text.contains("\"tabby\""), "{text}");
}

#[test]
fn sums_need_two_inputs_and_never_share_memory_with_one() {
    let mut net = Model::builder("sum", [3, 4, 4]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 3, 1), &[x]);
    net.add("sum", Op::Add, &[x]);
    let text = net.build().expect_err("one input").to_string();
    assert!(text.contains("Add does not take 1 inputs"), "{text}");
}

#[test]
fn a_forgotten_pooling_is_an_error_and_not_the_end_of_the_kernel() {
    let mut net = Model::builder("huge", [3, 224, 224]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 64, 3), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(64 * 222 * 222, 4096), &[x]);
    let text = net.build().expect_err("52 GB").to_string();
    assert!(text.contains("layer \"fc\" (Linear) of huge") && text.contains("52 GB"), "{text}");
}

#[test]
fn options_beyond_all_sense_are_refused_without_overflow() {
    let refused = |op: Op| {
        let mut net = Model::builder("odd", [3, 16, 16]);
        let x = net.input();
        net.add("op", op.clone(), &[x]);
        assert!(net.build().is_err(), "{op:?}");
    };
    for value in [0, -1, i64::MAX, i64::MIN] {
        refused(Conv2d::new(3, 4, value).into());
        refused(Conv2d::new(3, value, 3).into());
        refused(Conv2d::new(3, 4, 3).stride(value).into());
        refused(Conv2d::new(3, 4, 3).dilation(value).into());
        refused(Conv2d::new(3, 4, 3).groups(value).into());
        refused(Pool2d::max(value).into());
        refused(Pool2d::max(3).stride(value).into());
        refused(AdaptiveAvgPool2d::new(value).into());
        refused(Op::Dropout(value as f64 - 0.5));
    }
    refused(Conv2d::new(3, 4, 3).padding(i64::MAX).into());
    refused(Pool2d::max(3).padding(2).into());
    refused(Pool2d::max(3).padding(i64::MAX).into());
    let model = branched();
    let most = [1 << 20, 3, 1 << 20, 1 << 20];
    for input in [&[][..], &[1], &[1, 3, 0, 16], &[1, 3, 1 << 40, 1 << 40], &[-1, 3, 16, 16], &most]
    {
        assert!(model.summary_for(input).is_err(), "{input:?}");
    }
    assert!(model.summary_for(&[1, 3, 1 << 17, 1 << 17]).is_ok(), "as much as can be counted");
}

#[test]
fn a_network_shares_nothing_with_the_weights_it_was_given() {
    let given = zoo::squeezenet1_1().expect("embedded").variables().variables();
    let original = given["classifier.1.bias"].copy();
    let weights: Weights =
        given.iter().map(|(name, t)| (name.clone(), t.shallow_clone())).collect();
    let copy = zoo::squeezenet1_1_with(weights).expect("a network");
    {
        let _no_grad = tch::no_grad_guard();
        let _ = copy.variables().variables()["classifier.1.bias"].shallow_clone().zero_();
    }
    assert!(close(&given["classifier.1.bias"], &original, 0.0));
}

/// A 5 x 5 convolution, pooled, and a linear layer, made with tch alone.
fn made_with_tch(store: &tch::nn::VarStore) -> (tch::nn::Conv2D, tch::nn::Linear) {
    let root = store.root();
    let conv = tch::nn::conv2d(&root / "conv", 1, 4, 5, Default::default());
    let fc = tch::nn::linear(&root / "fc", 4 * 4 * 4, 3, Default::default());
    (conv, fc)
}

#[test]
fn a_tch_network_under_the_lens_answers_as_it_did() {
    let store = tch::nn::VarStore::new(Device::Cpu);
    let (conv, fc) = made_with_tch(&store);
    let x = Tensor::arange(2 * 12 * 12, FLOAT).sin().reshape([2, 1, 12, 12]);
    let expected = x.apply(&conv).relu().avg_pool2d_default(2).flatten(1, -1).apply(&fc);

    let mut net = Model::builder("mine", [1, 12, 12]).variables(store);
    let input = net.input();
    let a = net.module("conv", conv, input);
    let a = net.add("relu", Op::Relu, &[a]);
    let a = net.function("pool", |x, _| x[0].avg_pool2d_default(2), &[a]);
    let a = net.add("flatten", Op::Flatten, &[a]);
    net.module("fc", fc, a);
    let model = net.build().expect("a network");
    assert!(close(&model.forward(&x).expect("a pass"), &expected, 1e-6));

    let shapes: Vec<Vec<i64>> =
        model.parameters("conv").expect("a layer").iter().map(|(_, t)| t.size()).collect();
    assert_eq!(shapes, [vec![4], vec![4, 1, 5, 5]], "bias and weight, by name");
    assert_eq!(model.summary().expect("a summary").trainable_parameters(), 104 + 195);
    assert_eq!(model.last_convolution().expect("a convolution"), "conv");
}

#[test]
fn layers_of_ours_take_the_variables_that_stand_under_their_names() {
    let store = tch::nn::VarStore::new(Device::Cpu);
    let (conv, _) = made_with_tch(&store);
    let x = Tensor::arange(144, FLOAT).sin().reshape([1, 1, 12, 12]);
    let expected = x.apply(&conv);
    let mut net = Model::builder("mine", [1, 12, 12]).variables(store);
    let input = net.input();
    net.add("conv", Conv2d::new(1, 4, 5), &[input]);
    let model = net.build().expect("a network");
    assert!(close(&model.forward(&x).expect("a pass"), &expected, 1e-6));
}

#[test]
fn a_gradient_pass_freezes_a_modules_parameters_and_thaws_them() {
    let mut net = Model::builder("mine", [1, 12, 12]);
    let conv = tch::nn::conv2d(net.path("conv"), 1, 4, 5, Default::default());
    let input = net.input();
    net.module("conv", conv, input);
    let model = net.build().expect("a network");
    let x = Tensor::zeros([1, 1, 12, 12], FLOAT);
    let out = model.run_as(Pass::Gradient, &[("input", &x)], &["conv"]).expect("a pass");
    assert!(!out[0].requires_grad(), "nothing depends on a feed that requires gradients");
    let trained = model.variables().trainable_variables();
    assert!(trained.len() == 2 && trained.iter().all(Tensor::requires_grad));
}

#[test]
fn a_module_that_panics_is_an_error_with_its_message() {
    let mut net = Model::builder("mine", [1, 12, 12]);
    let input = net.input();
    net.function("odd", |_, _| panic!("no such luck"), &[input]);
    let text = net.build().expect_err("a panic").to_string();
    assert!(text.contains("\"odd\"") && text.contains("no such luck"), "{text}");
}

#[test]
fn trained_weights_load_whole_or_not_at_all() {
    let (model, other) = (branched(), branched());
    let mut weights: Weights = other.weights().into_iter().map(|(n, t)| (n, t + 1.0)).collect();
    model.load(&weights).expect("they fit");
    assert!(close(
        &model.forward(&photos(1)).expect("a pass"),
        &{
            other.load(&weights).expect("they fit");
            other.forward(&photos(1)).expect("a pass")
        },
        0.0
    ));
    let before = model.weights()["a.weight"].copy();
    weights.insert("a.weight".into(), Tensor::zeros([1], FLOAT));
    weights.insert("b.weight".into(), Tensor::zeros([4, 4, 3, 3], FLOAT));
    let text = model.load(&weights).expect_err("a.weight does not fit").to_string();
    assert!(text.contains("a.weight is [1], expected [4, 4, 1, 1]"), "{text}");
    assert!(close(&model.weights()["a.weight"], &before, 0.0));
}

#[test]
fn a_folded_batch_norm_answers_as_the_two_layers_do_and_follows_their_changes() {
    let (model, x) = (branched(), photos(2));
    // Statistics that change something.
    let _ = model.run_as(Pass::Training, &[("input", &x)], &["output"]).expect("a pass");
    let folded = || model.run(&[("input", &x)], &["stem.norm"]).expect("a pass").remove(0);
    // Whoever asks for the convolution too gets the two layers one after another.
    let apart =
        || model.run(&[("input", &x)], &["stem.norm", "stem.conv"]).expect("a pass").remove(0);
    let before = folded();
    assert!(close(&before, &apart(), 1e-5));
    assert!(before.equal(&folded()));
    for name in ["stem.conv.weight", "stem.conv.bias", "stem.norm.weight", "stem.norm.running_var"]
    {
        let _ = tch::no_grad(|| {
            model.weights()[name].shallow_clone().f_mul_scalar_(1.5).expect("in place")
        });
        assert!(!close(&before, &folded(), 1e-3), "{name}");
        assert!(close(&folded(), &apart(), 1e-5), "{name}");
    }
}

#[test]
fn a_1x1_convolution_that_skips_pixels_can_be_trained_with_few_channels() {
    // oneDNN, left alone with this, writes past its memory and ends the process.
    let mut net = Model::builder("skips", [8, 56, 56]);
    let x = net.input();
    net.add("conv", Conv2d::new(8, 16, 1).stride(2), &[x]);
    let model = net.build().expect("a network");
    let x = Tensor::arange(2 * 8 * 56 * 56, FLOAT).sin().reshape([2, 8, 56, 56]);
    let y = model.run_as(Pass::Training, &[("input", &x)], &["output"]).expect("a pass").remove(0);
    y.sum(Kind::Float).backward();
    let parameters = model.parameters("conv").expect("weight and bias");
    let [(_, weight), (_, bias)] = &parameters[..] else { panic!("two tensors") };
    let kept = x.slice(2, None::<i64>, None::<i64>, 2).slice(3, None::<i64>, None::<i64>, 2);
    assert!(close(&y, &kept.conv2d(weight, Some(bias), 1, 0, 1, 1), 1e-5));
    // d(sum y) / dw_oi = sum of x_i over the kept pixels.
    let expected = kept.sum_dim_intlist([0i64, 2, 3].as_slice(), true, Kind::Float);
    assert!(close(&weight.grad(), &expected.expand([16, 8, 1, 1], false), 1e-2));
}

#[test]
fn statistics_that_a_training_pass_moves_are_seen_in_inference() {
    let (model, x) = (branched(), photos(4));
    // Nothing but the running statistics changes: no optimiser takes a step.
    let before = model.forward(&x).expect("a pass");
    for _ in 0..3 {
        let _ = model.run_as(Pass::Training, &[("input", &x)], &["output"]).expect("a pass");
    }
    let after = model.forward(&x).expect("a pass");
    assert!(!close(&before, &after, 1e-3));
    let fresh = branched();
    fresh.load(&model.weights()).expect("the same network");
    assert!(close(&after, &fresh.forward(&x).expect("a pass"), 1e-5));
}

#[test]
fn a_sum_without_a_rectifier_and_one_with_it_are_what_the_layers_say() {
    let mut net = Model::builder("sums", [4, 9, 9]);
    let x = net.input();
    let a = net.add("a", Conv2d::new(4, 4, 3).padding(1).without_bias(), &[x]);
    let sum = net.add("sum", Op::Add, &[a, x]);
    let b = net.add("b", Conv2d::new(4, 4, 3).padding(1), &[sum]);
    let total = net.add("total", Op::Add, &[b, sum]);
    net.add("relu", Op::Relu, &[total]);
    let model = net.build().expect("a network");
    let x = Tensor::arange(2 * 4 * 81, FLOAT).sin().reshape([2, 4, 9, 9]);
    let fused = model.run(&[("input", &x)], &["sum", "relu"]).expect("a pass");
    let apart = model.run(&[("input", &x)], &["a", "sum", "b", "total", "relu"]).expect("a pass");
    assert!(close(&fused[0], &apart[1], 1e-5) && close(&fused[1], &apart[4], 1e-5));
    let w = &model.weights()["a.weight"];
    let expected = x.conv2d::<Tensor>(w, None, [1, 1], [1, 1], [1, 1], 1) + &x;
    assert!(close(&fused[0], &expected, 1e-5));
}

#[test]
fn names_that_could_leave_a_folder_are_refused_and_html_is_a_name_like_any_other() {
    let named = |name: &str| {
        let mut net = Model::builder("named", [3, 8, 8]);
        let x = net.input();
        net.add(name, Op::Relu, &[x]);
        net.build()
    };
    for name in ["../conv", "a/b", "a\\b", "a..b", ".a", "", "line\nbreak"] {
        let text = named(name).expect_err("no name").to_string();
        assert!(text.contains("is no name for a layer"), "{text}");
    }
    let model = named("<script>alert(1)</script>".replace("</", "<").as_str()).expect("a name");
    let html = convlens::show::Show::bundle(&model).to_html();
    assert!(html.contains("&lt;script&gt;") && !html.contains("<script>"), "{html}");
}
