//! Layers by name and by index, several at once, and parts of a network as networks.

use std::path::Path;

use convlens::prelude::*;
use tch::nn::OptimizerConfig;
use tch::{Device, Kind};

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

/// A stem, a block with a skip connection, a block with a branch, a classifier.
fn toy() -> Model {
    let mut net = Model::builder("toy", [3, 16, 16]).classes(["cat", "dog"]).seed(3);
    let x = net.input();
    let x = net.add("conv1", Conv2d::new(3, 4, 3).padding(1), &[x]);
    let stem = net.add("relu", Op::Relu, &[x]);
    let y = net.add("layer1.0.conv", Conv2d::new(4, 4, 3).padding(1), &[stem]);
    let y = net.add("layer1.0.bn", BatchNorm2d::new(4), &[y]);
    let block = net.add("layer1.0.add", Op::Add, &[y, stem]);
    let a = net.add("layer2.0.conv", Conv2d::new(4, 4, 1), &[block]);
    let long = net.add("layer2.0.cat", Op::Concat, &[a, block]);
    let x = net.add("avgpool", AdaptiveAvgPool2d::new(1), &[long]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(8, 2), &[x]);
    net.build().expect("a network")
}

fn photos(n: i64) -> Tensor {
    Tensor::arange(n * 3 * 16 * 16, FLOAT).sin().reshape([n, 3, 16, 16])
}

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[])
}

#[test]
fn layers_are_listed_in_the_order_in_which_they_run() {
    let layers = toy().layers();
    assert_eq!(layers.len(), 11);
    assert_eq!(layers.names()[..3], ["input", "conv1", "relu"]);
    let conv = layers.get("layer2.0.conv").expect("a layer");
    assert_eq!((conv.index, conv.kind, conv.parameters), (6, "Conv2d", 20));
    assert_eq!(conv.shape, [1, 4, 16, 16]);
    assert_eq!(conv.inputs, ["layer1.0.add"]);
    assert_eq!(layers.at(6).expect("a layer"), conv);
    assert_eq!(layers.at(-1).expect("the last").name, "fc");
    assert!(layers.iter().zip(0..).all(|(layer, i)| layer.index == i));
    let by_reference: Vec<&Layer> = (&layers).into_iter().collect();
    assert_eq!(by_reference.len(), 11);
}

#[test]
fn lists_are_narrowed_by_kind_and_by_shape() {
    let layers = toy().layers();
    let convolutions = layers.kind("conv2d").expect("three");
    assert_eq!(convolutions.names(), ["conv1", "layer1.0.conv", "layer2.0.conv"]);
    assert_eq!(convolutions.at(-1).expect("the last").name, "layer2.0.conv");
    assert_eq!(convolutions.at(1).expect("the second").index, 3, "its place in the network");
    let spatial = layers.spatial();
    assert_eq!(spatial.at(-1).expect("the last").name, "layer2.0.cat");
    let text = layers.kind("Conv3d").expect_err("no such kind").to_string();
    assert_eq!(
        text,
        "toy has no layers of kind \"Conv3d\": they are of kind Input, Conv2d, ReLU, BatchNorm2d, \
         Add, Concat, AdaptiveAvgPool2d, Flatten, Linear"
    );
    let text = spatial.kind("Linear").expect_err("not spatial").to_string();
    assert!(text.starts_with("toy (spatial) has no layers of kind \"Linear\""), "{text}");
    assert_eq!(toy().first_convolution().expect("one"), "conv1");
    assert_eq!(toy().last_convolution().expect("one"), "layer2.0.conv");
}

#[test]
fn indices_out_of_range_say_what_the_range_is() {
    let (model, layers) = (toy(), toy().layers());
    for index in [11, -12, i64::MAX, i64::MIN] {
        let text = layers.at(index).expect_err("out of range").to_string();
        assert_eq!(
            text,
            format!(
                "no layer {index} in toy: the list goes from 0 to 10, or from -1 to -11 from the \
                 end"
            )
        );
        let text = model.op(index).expect_err("out of range").to_string();
        assert_eq!(
            text,
            format!(
                "no layer {index} in toy: its layers are numbered 0 (\"input\") to 10 (\"fc\"), \
                 or -1 to -11 from the end"
            )
        );
    }
    assert_eq!(layers.at(-11).expect("the first").name, "input");
    let text = layers.get("conv2").expect_err("unknown").to_string();
    assert!(text.contains("no layer \"conv2\" in toy (11 layers); the closest are \"conv1\""));
    let none = layers.kind("Linear").expect("one").spatial();
    assert!(none.is_empty());
    assert!(none.at(0).expect_err("empty").to_string().ends_with("the list is empty"));
}

#[test]
fn groups_say_which_layer_they_mean() {
    let groups = toy().groups();
    assert_eq!(groups.names(), ["layer1", "layer1.0", "layer2", "layer2.0"]);
    let group = groups.iter().next().expect("layer1");
    assert_eq!((group.layers, group.output.as_str()), (3, "layer1.0.add"));
    assert_eq!((group.parameters, &group.shape), (148 + 8, &vec![1, 4, 16, 16]));
    let text = groups.to_string();
    assert!(text.starts_with("toy: 4 groups of layers\nGroup"), "{text}");
    assert!(text.contains("\n  layer1.0 "), "{text}");
}

#[test]
fn a_list_of_layers_reads_well_as_text_and_html() {
    let layers = toy().layers().kind("Conv2d").expect("three");
    assert_eq!(
        layers.to_string(),
        "toy (Conv2d): 3 layers\n   Layer          Kind    Output shape    Parameters\n\
         1  conv1          Conv2d  [1, 4, 16, 16]         112\n\
         3  layer1.0.conv  Conv2d  [1, 4, 16, 16]         148\n\
         6  layer2.0.conv  Conv2d  [1, 4, 16, 16]          20"
    );
    let html = layers.bundle().to_html();
    assert_eq!(html.matches("<tr>").count(), 4);
    assert_eq!(
        layers.at(0).expect("one").to_string(),
        "1 conv1 (Conv2d) [1, 4, 16, 16], 112 parameters"
    );
}

#[test]
fn whatever_takes_a_name_takes_an_index_or_a_layer() {
    let model = zoo::squeezenet1_1().expect("embedded");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/photos/cat.png");
    let look = Photo::open(path).and_then(|photo| model.look(&photo)).expect("a look");
    let named = look.layer("features.0").expect("a layer");
    let listed = model.layers().get("features.0").expect("a layer");
    for other in [look.layer(1), look.layer(&listed), look.layer(String::from("features.0"))] {
        let other = other.expect("the same layer");
        assert_eq!(other.layer(), "features.0");
        assert_eq!(difference(&named.tensor(), &other.tensor()), 0.0);
    }
    assert_eq!(look.layer(-1).expect("the last").layer(), "flatten");
    assert_eq!(
        model.parameters(1).expect("a layer").len(),
        2,
        "as Keras's layers[1].get_weights()"
    );
    let [by_index, by_name] = [GradCam::at(-6), GradCam::at("features.12.cat")]
        .map(|method| look.explain(&method).expect("a heat map"));
    assert_eq!(by_index.raw(), by_name.raw());
    assert_eq!(by_index.caption(), by_name.caption());
    let text = look.layer(99).expect_err("out of range").to_string();
    assert!(text.contains("0 (\"input\") to 66 (\"flatten\")"), "{text}");
}

#[test]
fn several_layers_come_out_of_one_pass() {
    let (model, x) = (toy(), photos(1));
    let look = model.look_input(&x).expect("a look");
    let maps = look.layers(["conv1", "layer1", "layer2"]).expect("three");
    let names: Vec<&str> = maps.iter().map(FeatureMaps::layer).collect();
    assert_eq!(names, ["conv1", "layer1", "layer2"]);
    for one in &maps {
        let alone = model.look_input(&x).and_then(|look| look.layer(one.layer())).expect("alone");
        assert!(difference(&alone.tensor(), &one.tensor()) < 1e-5);
    }
    assert!(maps.bundle().as_picture().is_some());
    assert_eq!(look.layers([1, -1]).expect("two")[1].layer(), "fc");
    let all = look.layers(model.layers()).expect("all");
    assert_eq!(all.len(), 11);
    let text = look.layers(["conv1", "conv9"]).expect_err("unknown").to_string();
    assert!(text.contains("no layer \"conv9\""), "{text}");
}

#[test]
fn activations_of_a_batch_go_by_name() {
    let (model, x) = (toy(), photos(2));
    let found = model.activations(&x, ["layer1", "fc"]).expect("two");
    assert_eq!(found.len(), 2);
    assert_eq!(found["layer1"].size(), [2, 4, 16, 16]);
    // A batch norm that nobody asks for is folded into its convolution.
    assert!(difference(&found["fc"], &model.forward(&x).expect("a pass")) < 1e-5);
    let all = model.activations(&x, model.layers()).expect("all");
    assert!(difference(&all["layer1.0.add"], &found["layer1"]) < 1e-5);
}

#[test]
fn a_network_up_to_a_layer_and_the_rest_make_the_whole() {
    let (model, x) = (toy(), photos(2));
    let front = model.up_to("layer1").expect("the front");
    assert_eq!(front.name(), "toy up to layer1");
    assert_eq!(
        front.layers().names(),
        ["input", "conv1", "relu", "layer1.0.conv", "layer1.0.bn", "layer1.0.add"]
    );
    let back = model.between("layer1", "output").expect("the back");
    assert_eq!(back.input_shape(), [4, 16, 16]);
    assert_eq!(back.class_names(), ["cat", "dog"]);
    assert!(front.class_names().is_empty());
    let middle = front.forward(&x).expect("a pass");
    let known = model.run(&[("input", &x)], &["layer1"]).expect("a pass");
    assert_eq!(difference(&middle, &known[0]), 0.0);
    let scores = back.forward(&middle).expect("a pass");
    assert!(difference(&scores, &model.forward(&x).expect("a pass")) < 1e-6);
    // Only what is needed is kept, and a part can be looked at and cut again.
    let small = model.between(2, "layer1.0.conv").expect("one layer");
    assert_eq!(small.layers().names(), ["input", "layer1.0.conv"]);
    assert_eq!(small.weights().len(), 2);
    assert_eq!(front.up_to("conv1").expect("again").weights().len(), 2);
    assert!(front.look_input(&photos(1)).and_then(|look| look.layer("layer1.0.bn")).is_ok());
    assert_eq!(front.summary().expect("a table").parameters(), 112 + 148 + 8);
}

#[test]
fn cuts_that_make_no_network_say_why() {
    let model = toy();
    let refused =
        |start: &str, end: &str| model.between(start, end).expect_err("no network").to_string();
    assert_eq!(
        refused("layer2", "layer1"),
        "layer \"layer1.0.add\" of toy does not follow from layer \"layer2.0.cat\": the order is \
         start, end"
    );
    assert_eq!(
        refused("layer1.0.conv", "fc"),
        "a branch leads around layer \"layer1.0.conv\" of toy: layer \"layer1.0.add\" also reads \
         \"relu\", which does not follow from it; start at a layer through which everything passes"
    );
    assert!(refused("conv1", "conv1").contains("nothing lies between"));
    assert!(refused("flatten", "fc").contains("layer \"flatten\" returns [1, 8]"));
    assert!(refused("conv1", "layer9").contains("no layer \"layer9\""));
    assert!(model.up_to("input").expect_err("nothing").to_string().contains("nothing lies"));
    assert!(model.up_to(99).is_err());
}

#[test]
fn training_a_part_trains_the_whole_and_looks_forget() {
    let (model, x) = (toy(), photos(2));
    for (_, tensor) in model.parameters("layer1.0.conv").expect("a layer") {
        let _ = tensor.set_requires_grad(false);
    }
    let look = model.look_input(&photos(1)).expect("a look");
    let (before, frozen) =
        (look.logits().expect("logits"), model.weights()["layer1.0.conv.weight"].copy());

    let front = model.up_to("layer1").expect("the front");
    assert_eq!(front.variables().trainable_variables().len(), 6);
    assert!(!front.weights()["layer1.0.conv.weight"].requires_grad(), "stays frozen");
    let mut sgd = tch::nn::Sgd::default().build(front.variables(), 0.5).expect("an optimiser");
    let output = front.run_as(Pass::Training, &[("input", &x)], &["output"]).expect("a pass");
    sgd.backward_step(&output[0].square().mean(Kind::Float));

    assert_eq!(difference(&front.weights()["conv1.weight"], &model.weights()["conv1.weight"]), 0.0);
    assert_eq!(difference(&model.weights()["layer1.0.conv.weight"], &frozen), 0.0);
    let after = look.logits().expect("logits");
    assert!(difference(&before, &after) > 1e-6, "the look at the whole forgets");
    let fresh = model.look_input(&photos(1)).and_then(|look| look.logits()).expect("logits");
    assert_eq!(difference(&after, &fresh), 0.0);
}

#[test]
fn modules_of_tch_are_shared_by_parts_as_well() {
    let mut net = Model::builder("mine", [1, 12, 12]);
    let conv = tch::nn::conv2d(net.path("block.conv"), 1, 4, 5, Default::default());
    let input = net.input();
    let x = net.module("block.conv", conv, input);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(4 * 64, 2), &[x]);
    let model = net.build().expect("a network");
    let front = model.up_to("block").expect("the front");
    assert_eq!(front.weights().len(), 2);
    {
        let _no_grad = tch::no_grad_guard();
        let _ = front.weights()["block.conv.bias"].shallow_clone().fill_(2.0);
    }
    assert_eq!(model.weights()["block.conv.bias"].double_value(&[0]), 2.0);
}
