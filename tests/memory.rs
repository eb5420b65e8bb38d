//! Nothing is kept that nobody holds. A process of its own, so that nothing else allocates.

use convlens::prelude::*;

/// The bytes of memory that this process holds.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split_whitespace().nth(1).and_then(|v| v.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

#[test]
fn memory_is_flat_over_a_thousand_explanations() {
    let model = zoo::squeezenet1_1().expect("embedded");
    let photo = Photo::open(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/photos/cat.png"));
    let photo = photo.expect("an asset");
    let explain = |class: i32| {
        let look = model.look(&photo).expect("a look");
        look.explain(&GradCam::at("features.12").class(class)).expect("a heat map");
    };
    (0..50).for_each(explain);
    let before = resident();
    (50..1000).for_each(explain);
    let grown = resident().saturating_sub(before);
    // One kept activation of features.0 alone would be 3 MB a call, 3 GB in all.
    assert!(grown < 32 << 20, "{} MB more after a thousand Grad-CAMs", grown >> 20);
    perturbation_keeps_nothing();
    what_a_variable_keeps_is_its_own();
}

/// A notebook's variables live as long as the notebook: one layer's maps must not keep all others.
fn what_a_variable_keeps_is_its_own() {
    let mut net = Model::builder("wide", [3, 128, 128]);
    let x = net.input();
    let mut x = net.add("first", Conv2d::new(3, 64, 3).padding(1), &[x]);
    for i in 0..12 {
        x = net.add(format!("conv{i}"), Conv2d::new(64, 64, 3).padding(1).groups(64), &[x]); // 4 MB
    }
    net.add("last", Conv2d::new(64, 4, 3).padding(1), &[x]);
    let model = net.build().expect("a network");
    let input = Tensor::rand([1, 3, 128, 128], tch::kind::FLOAT_CPU);
    let keep = || {
        let look = model.look_input(&input).expect("a look");
        look.layers((0..12).map(|i| format!("conv{i}"))).expect("activations");
        let maps = look.layer("last").expect("maps");
        let ranking = look.top_maps("last").expect("a ranking");
        let heat = look.explain(&GradCam::at("last").class(ones())).expect("a heat map");
        (maps, ranking, heat)
    };
    drop(keep());
    let before = resident();
    let kept: Vec<_> = (0..4).map(|_| keep()).collect();
    let grown = resident().saturating_sub(before);
    assert_eq!(kept.len(), 4);
    // Each holds some 2 MB of pictures and values of its own; what its look remembers is 52 MB.
    assert!(grown < 48 << 20, "{} MB more for four variables", grown >> 20);
}

/// The sum of all that a network puts out.
fn ones() -> Target {
    Target::function("the sum", |output| output.sum(tch::Kind::Float))
}

/// Methods that run the network many times, on a network so small that they are quick.
fn perturbation_keeps_nothing() {
    let mut net = Model::builder("small", [3, 64, 64]);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 16, 3).padding(1).stride(2), &[x]);
    let x = net.add("relu", Op::Relu, &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(16, 4), &[x]);
    let model = net.build().expect("a network");
    let input = Tensor::rand([2, 3, 64, 64], tch::kind::FLOAT_CPU);
    let methods: [&dyn Attribution; 3] =
        [&ScoreCam::at("relu"), &AblationCam::at("relu"), &Occlusion::default()];
    for method in methods {
        let explain = |_| {
            let looks = model.look_inputs(&input).expect("looks");
            looks.explain(method).expect("heat maps");
        };
        (0..10).for_each(explain);
        let before = resident();
        (10..60).for_each(explain);
        let grown = resident().saturating_sub(before);
        // One kept batch would be 1 MB a call.
        assert!(grown < 16 << 20, "{} MB more after {}", grown >> 20, method.name());
    }
}
