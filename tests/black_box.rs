//! Methods that see a network from outside, segment by segment or through masks: on functions of which the answer is
//! known, of closures in the place of networks, of rows of numbers; their batches, their time, and bad input.

use std::time::Duration;

use convlens::prelude::*;
use tch::Kind;

const FLOAT: (Kind, tch::Device) = tch::kind::FLOAT_CPU;

/// A network that is nothing but a closure from photos, `[N, 3, 12, 16]`, to scores.
fn closure(scores: impl Fn(&Tensor) -> Tensor + 'static) -> Model {
    let mut net = Model::builder("mine", [3, 12, 16]);
    let photos = net.input();
    net.add("scores", Module::function(move |inputs, _| scores(&inputs[0])), &[photos]);
    net.build().expect("a network")
}

/// Two scores: a sum of all pixels with weights, and a product of two places with each other.
fn known() -> Model {
    closure(|photos| {
        let weights = (Tensor::arange(12 * 16, FLOAT) * 0.7).sin().reshape([12, 16]);
        let all = [1i64, 2, 3];
        let sum = (photos * weights).sum_dim_intlist(all.as_slice(), false, None::<Kind>);
        let product = photos.select(1, 0).select(1, 1).select(1, 1)
            * photos.select(1, 0).select(1, 10).select(1, 14);
        Tensor::stack(&[sum, product], 1)
    })
}

fn photos(count: i64) -> Tensor {
    let wave = Tensor::arange(count * 3 * 12 * 16, FLOAT);
    ((&wave * 0.37).sin() + (&wave * 0.011).cos()).reshape([count, 3, 12, 16])
}

fn look_at(model: &Model) -> Look {
    model.look_input(&photos(1)).expect("a look")
}

fn quarters() -> Segmentation {
    Segmentation::grid(2, 2)
}

/// What the sum of `known` has of each quarter.
fn sums(baseline: f64) -> Vec<f32> {
    let weights = (Tensor::arange(12 * 16, FLOAT) * 0.7).sin().reshape([12, 16]);
    let products = ((photos(1).get(0) - baseline) * weights).sum_dim_intlist(
        [0i64].as_slice(),
        false,
        None::<Kind>,
    );
    let quarter = |row: i64, column: i64| {
        products.narrow(0, 6 * row, 6).narrow(1, 8 * column, 8).sum(None::<Kind>).double_value(&[])
            as f32
    };
    vec![quarter(0, 0), quarter(0, 1), quarter(1, 0), quarter(1, 1)]
}

fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(0f32, |m, v| m.max(v.abs())).max(1e-12);
    found.iter().zip(expected).fold(0f32, |m, (a, b)| m.max((a - b).abs())) / scale
}

/// All of them, small enough for a test, with these segments.
fn all(segments: &Segmentation) -> Vec<Box<dyn Attribution>> {
    vec![
        Box::new(FeatureAblation::default().segments(segments.clone())),
        Box::new(ShapleyValues::default().segments(segments.clone()).permutations(3)),
        Box::new(KernelShap::default().segments(segments.clone()).samples(20)),
        Box::new(Lime::default().segments(segments.clone()).samples(20)),
        Box::new(Sobol::default().segments(segments.clone()).designs(4)),
        Box::new(Hsic::default().segments(segments.clone()).samples(20)),
        Box::new(Rise::default().samples(20).cells(3)),
    ]
}

fn values(look: &Look, method: &dyn Attribution) -> Vec<f32> {
    look.explain(method).expect("a heat map").by_segment().expect("segments")
}

fn failure(look: &Look, method: &dyn Attribution) -> String {
    match look.explain(method) {
        Ok(heat) => panic!("{} explains {}", method.name(), heat.caption()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn of_a_sum_every_method_finds_what_each_segment_adds() {
    let (model, parts) = (known(), quarters());
    let look = look_at(&model);
    for baseline in [0.0, 0.4] {
        let exact: [Box<dyn Attribution>; 3] = [
            Box::new(
                FeatureAblation::default().class(0).segments(parts.clone()).baseline(baseline),
            ),
            Box::new(
                ShapleyValues::default()
                    .class(0)
                    .segments(parts.clone())
                    .baseline(baseline)
                    .permutations(2),
            ),
            Box::new(
                KernelShap::default()
                    .class(0)
                    .segments(parts.clone())
                    .baseline(baseline)
                    .samples(12),
            ),
        ];
        for method in exact {
            let error = difference(&values(&look, &method), &sums(baseline));
            assert!(error < 1e-5, "{}: {error}", method.name());
        }
    }
    // Without a penalty, a linear model of a linear function is the function.
    let lime = Lime::default().class(0).segments(parts.clone()).samples(40).penalty(0.0);
    assert!(difference(&values(&look, &lime), &sums(0.0)) < 1e-5);
    let remarks = look.explain(&lime).expect("a heat map").remarks().to_vec();
    assert_eq!(remarks, ["R² of the regression is 1.000"]);
    // Where places do not meet, a segment's share of the variance is what is due to it alone.
    let sobol = values(&look, &Sobol::default().class(0).segments(parts.clone()).designs(256));
    let squares: Vec<f32> = sums(0.0).iter().map(|v| v * v).collect();
    let shares: Vec<f32> = squares.iter().map(|v| v / squares.iter().sum::<f32>()).collect();
    assert!(difference(&sobol, &shares) < 0.05, "{sobol:?} {shares:?}");
}

#[test]
fn of_a_product_each_of_two_segments_has_a_half() {
    let model = known();
    let look = look_at(&model);
    let whole = look
        .explain(&FeatureAblation::default().class(1).segments(quarters()))
        .expect("a heat map");
    let y = whole.score() as f32;
    // Without either, nothing is left.
    assert!(difference(&whole.by_segment().expect("segments"), &[y, 0.0, 0.0, y]) < 1e-6);
    let shap = KernelShap::default().class(1).segments(quarters()).samples(400);
    let found = values(&look, &shap);
    assert!(difference(&found, &[y / 2.0, 0.0, 0.0, y / 2.0]) < 0.05, "{found:?}");
    let shapley =
        values(&look, &ShapleyValues::default().class(1).segments(quarters()).permutations(200));
    assert!(difference(&shapley, &[y / 2.0, 0.0, 0.0, y / 2.0]) < 0.2, "{shapley:?}");
    // Both sum to the score, however few samples there are.
    for method in [
        &shap.samples(1) as &dyn Attribution,
        &ShapleyValues::default().class(1).segments(quarters()).permutations(1),
    ] {
        let sum: f32 = values(&look, method).iter().sum();
        assert!((sum - y).abs() < 1e-5 * y.abs(), "{}: {sum} {y}", method.name());
        let remarks = look.explain(method).expect("a heat map").remarks().to_vec();
        assert!(remarks[0].contains("the segments sum to"), "{remarks:?}");
    }
    let hsic = values(&look, &Hsic::default().class(1).segments(quarters()).samples(200));
    assert!(hsic[0].min(hsic[3]) > 3.0 * hsic[1].max(hsic[2]), "{hsic:?}");
}

#[test]
fn rise_is_high_where_the_score_comes_from() {
    let model = closure(|photos| {
        photos
            .narrow(2, 1, 3)
            .narrow(3, 1, 4)
            .mean_dim([1i64, 2, 3].as_slice(), false, Kind::Float)
            .unsqueeze(1)
    });
    let input = Tensor::ones([1, 3, 12, 16], FLOAT);
    let look = model.look_input(&input).expect("a look");
    let heat = look.explain(&Rise::default().class(1).cells(4).samples(400)).expect("a heat map");
    let inside = Region::rectangle(12, 16, 1..4, 1..5).expect("a region");
    assert_eq!(heat.points_inside(&inside).expect("the same size"), Some(true));
    // Far from there, it makes no difference what is seen.
    let (there, far) = (heat.raw()[2 * 16 + 2], heat.raw()[11 * 16 + 15]);
    assert!(there > 0.05 && far.abs() < there / 4.0, "{there} {far}");
    assert!(heat.remarks()[0].contains("the mean score behind the masks"), "{:?}", heat.remarks());
}

#[test]
fn a_closure_is_explained_on_a_photo_as_any_network() {
    let mut net = Model::builder("bright", [3, 96, 96]).preprocess(Preprocess::exact(96, 96));
    let photos = net.input();
    let bright =
        |inputs: &[Tensor], _| inputs[0].mean_dim([2i64, 3].as_slice(), false, Kind::Float);
    net.add("means", Module::function(bright), &[photos]);
    let model =
        net.build().and_then(|model| model.classes(["red", "green", "blue"])).expect("a network");
    let photo = Photo::open(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/photos/cat.png"))
        .expect("an asset");
    let look = model.look(&photo).expect("a look");
    for method in all(&Slic::new(12).into()) {
        let heat = look.explain_for(&method, "green").expect("a heat map");
        assert_eq!((heat.height(), heat.width(), heat.target()), (96, 96, "green (1)"));
        assert!(heat.raw().iter().any(|&value| value > 0.0), "{}", method.name());
        assert!(heat.bundle().as_text().contains("green"), "{}", method.name());
        if let Some(segments) = heat.segments() {
            let bare = heat
                .overlay()
                .expect("an overlay")
                .without_outlines()
                .picture()
                .expect("a picture");
            assert_ne!(
                bare.to_png(),
                heat.picture().expect("a picture").to_png(),
                "{}",
                method.name()
            );
            assert!(segments.count() > 5);
        }
    }
}

#[test]
fn closures_that_panic_or_return_what_is_no_score_say_so() {
    fn failing(scores: impl Fn(&Tensor) -> Tensor + 'static) -> Vec<String> {
        let model = closure(scores);
        let mut errors: Vec<String> = Vec::new();
        for method in all(&quarters()) {
            let look = model.look_input(&photos(1)).expect("a look");
            errors.push(failure(&look, &method));
        }
        errors
    }
    // The photo alone is as it should be; what is behind the masks is not.
    fn of_several(photos: &Tensor, other: fn(&Tensor) -> Tensor) -> Tensor {
        match photos.size()[0] {
            1 | 2 => photos.mean_dim([2i64, 3].as_slice(), false, Kind::Float),
            _ => other(photos),
        }
    }
    fn panics(_: &Tensor) -> Tensor {
        panic!("my scores are lost")
    }
    for text in failing(move |photos| of_several(photos, panics)) {
        assert!(text.contains("panicked") && text.contains("my scores are lost"), "{text}");
    }
    fn one(photos: &Tensor) -> Tensor {
        photos.mean_dim([2i64, 3].as_slice(), false, Kind::Float).narrow(0, 0, 1)
    }
    for text in failing(move |photos| of_several(photos, one)) {
        assert!(
            text.contains("1") && (text.contains("scores") || text.contains("shape")),
            "{text}"
        );
    }
    fn nan(photos: &Tensor) -> Tensor {
        photos.mean_dim([2i64, 3].as_slice(), false, Kind::Float) * f64::NAN
    }
    for text in failing(move |photos| of_several(photos, nan)) {
        assert!(text.contains("NaN"), "{text}");
    }
}

#[test]
fn inputs_that_are_not_numbers_and_classes_that_are_none_are_refused() {
    let model = known();
    let broken = photos(1);
    let _ = broken.get(0).get(0).get(3).get(3).fill_(f64::NAN);
    let look = model.look_input(&broken).expect("a look");
    for method in all(&quarters()) {
        let text = failure(&look, &method);
        assert!(text.contains("NaN") || text.contains("not finite"), "{}: {text}", method.name());
    }
    let look = look_at(&model);
    for method in all(&quarters()) {
        let error = look.explain_for(&method, 2).expect_err("two classes").to_string();
        assert!(error.contains("classes 0 to 1"), "{error}");
        let error = look.explain_for(&method, "cat").expect_err("no names").to_string();
        assert!(error.contains("cat"), "{error}");
    }
}

#[test]
fn numbers_that_no_method_can_be_asked_for_are_refused() {
    let model = known();
    let look = look_at(&model);
    let many = usize::MAX;
    let refused: Vec<(Box<dyn Attribution>, &str)> = vec![
        (Box::new(FeatureAblation::default().batch(0)), "give 1 or more"),
        (Box::new(FeatureAblation::default().segments(Slic::new(0))), "0 superpixels"),
        (Box::new(FeatureAblation::default().segments(Segmentation::grid(0, 2))), "does not fit"),
        (Box::new(FeatureAblation::default().segments(Segmentation::grid(13, 2))), "12 × 16"),
        (Box::new(FeatureAblation::default().baseline(f64::NAN)), "a finite number"),
        (Box::new(ShapleyValues::default().permutations(0)), "0 permutations"),
        (Box::new(ShapleyValues::default().permutations(many)), "forward passes"),
        (Box::new(KernelShap::default().samples(0)), "0 samples"),
        (Box::new(KernelShap::default().samples(many)), "at most 1000000"),
        (Box::new(Lime::default().samples(0)), "0 samples"),
        (Box::new(Lime::default().samples(many)), "at most 1000000"),
        (Box::new(Lime::default().kernel(0.0)), "above 0"),
        (Box::new(Lime::default().kernel(f64::NAN)), "above 0"),
        (Box::new(Lime::default().penalty(-1.0)), "not negative"),
        (Box::new(Rise::default().samples(0)), "0 masks"),
        (Box::new(Rise::default().samples(many)), "at most 1000000"),
        (Box::new(Rise::default().cells(0)), "from 1 to 12"),
        (Box::new(Rise::default().cells(13)), "from 1 to 12"),
        (Box::new(Rise::default().cells(many)), "from 1 to 12"),
        (Box::new(Rise::default().probability(0.0)), "between 0 and 1"),
        (Box::new(Rise::default().probability(f64::NAN)), "between 0 and 1"),
        (Box::new(Sobol::default().designs(0)), "power of two"),
        (Box::new(Sobol::default().designs(24)), "power of two"),
        (Box::new(Sobol::default().designs(1 << 62)), "forward passes"),
        (Box::new(Hsic::default().samples(0)), "0 samples"),
        (Box::new(Hsic::default().samples(many)), "at most 1000000"),
        (Box::new(Hsic::default().samples(1_000_000)), "memory"),
    ];
    for (method, keyword) in refused {
        let text = failure(&look, &method);
        assert!(text.contains(keyword), "{}: {text}", method.name());
    }
    let other = Segments::grid(12, 15, 2, 2).expect("a grid");
    for method in all(&(&other).into()).iter().take(6) {
        let text = failure(&look, method);
        assert!(text.contains("12 × 15") && text.contains("12 × 16"), "{text}");
    }
}

#[test]
fn where_the_photo_is_the_baseline_nothing_matters() {
    let look = known().look_input(&Tensor::full([1, 3, 12, 16], 0.25, FLOAT)).expect("a look");
    let methods: [Box<dyn Attribution>; 7] = [
        Box::new(FeatureAblation::default().segments(quarters()).baseline(0.25)),
        Box::new(ShapleyValues::default().segments(quarters()).baseline(0.25)),
        Box::new(KernelShap::default().segments(quarters()).baseline(0.25).samples(30)),
        Box::new(Lime::default().segments(quarters()).baseline(0.25).samples(30)),
        Box::new(Sobol::default().segments(quarters()).baseline(0.25).designs(4)),
        Box::new(Hsic::default().segments(quarters()).baseline(0.25).samples(30)),
        Box::new(Rise::default().baseline(0.25).cells(3).samples(30)),
    ];
    for method in methods {
        let heat = look.explain(&method).expect("a heat map");
        assert!(heat.raw().iter().all(|value| value.abs() < 1e-6), "{}", method.name());
        heat.bundle();
    }
    let flat = look
        .explain(&Lime::default().segments(quarters()).baseline(0.25).samples(30))
        .expect("a heat map");
    assert!(flat.remarks()[0].contains("nothing to fit"), "{:?}", flat.remarks());
}

#[test]
fn batches_and_photos_beside_it_change_nothing() {
    let model = known();
    let looks = model.look_inputs(&photos(3)).expect("looks");
    for method in all(&quarters()) {
        let together = looks.explain_each(&method, [0, 1, 0]).expect("heat maps");
        for i in 0..3 {
            let alone = model.look_input(&photos(3).narrow(0, i as i64, 1)).expect("a look");
            let alone = alone.explain_for(&method, [0, 1, 0][i]).expect("a heat map");
            let error = difference(together[i].raw(), alone.raw());
            assert!(error < 1e-5, "{} of photo {i}: {error}", method.name());
        }
    }
    let look = look_at(&model);
    let raw = |method: &dyn Attribution| look.explain(method).expect("a heat map").raw().to_vec();
    let usual = raw(&KernelShap::default().segments(quarters()).samples(20));
    for batch in [1, 2, 7, 1000] {
        let found = raw(&KernelShap::default().segments(quarters()).samples(20).batch(batch));
        assert!(difference(&found, &usual) < 1e-5, "{batch}");
    }
    // Random numbers repeat, and others are others.
    let rise = Rise::default().samples(20).cells(3);
    assert_eq!(raw(&rise), raw(&rise));
    assert_ne!(raw(&rise), raw(&rise.seed(1)));
}

#[test]
fn photos_of_a_batch_have_their_own_superpixels() {
    let model = known();
    let looks = model.look_inputs(&photos(2)).expect("looks");
    let methods: [Box<dyn Attribution>; 3] = [
        Box::new(FeatureAblation::default().segments(Slic::new(8).compactness(0.5))),
        Box::new(ShapleyValues::default().segments(Slic::new(8).compactness(0.5)).permutations(2)),
        Box::new(Sobol::default().segments(Slic::new(8).compactness(0.5)).designs(2)),
    ];
    for method in methods {
        let together = looks.explain(&method).expect("heat maps");
        assert_ne!(together[0].segments(), together[1].segments());
        for (i, heat) in together.iter().enumerate() {
            let alone = model.look_input(&photos(2).narrow(0, i as i64, 1)).expect("a look");
            let alone = alone.explain(&method).expect("a heat map");
            assert_eq!(alone.segments(), heat.segments());
            assert!(difference(heat.raw(), alone.raw()) < 1e-5, "{}", method.name());
        }
    }
}

#[test]
fn without_time_there_is_what_one_batch_says_and_a_remark() {
    let look = look_at(&known());
    let none = Duration::ZERO;
    let parts = Segmentation::grid(3, 4);
    let methods: [(Box<dyn Attribution>, &str); 7] = [
        (
            Box::new(FeatureAblation::default().segments(parts.clone()).batch(4).budget(none)),
            "4 of 12 segments; the others are 0",
        ),
        (
            Box::new(ShapleyValues::default().segments(parts.clone()).batch(4).budget(none)),
            "4 of 275 steps",
        ),
        (
            Box::new(KernelShap::default().segments(parts.clone()).batch(4).budget(none)),
            "4 of 500 samples",
        ),
        (
            Box::new(Lime::default().segments(parts.clone()).batch(4).budget(none)),
            "4 of 499 samples",
        ),
        (
            Box::new(Sobol::default().segments(parts.clone()).batch(30).budget(none)),
            "the mean is over 2 of 32 designs",
        ),
        (
            Box::new(Hsic::default().segments(parts.clone()).batch(4).budget(none)),
            "4 of 500 samples",
        ),
        (Box::new(Rise::default().batch(4).budget(none)), "4 of 1000 masks"),
    ];
    for (method, keyword) in methods {
        let heat = look.explain(&method).expect("a heat map");
        let remarks = heat.remarks().join("\n");
        assert!(
            remarks.contains("stopped after") && remarks.contains(keyword),
            "{}: {remarks}",
            method.name()
        );
        assert!(heat.raw().iter().all(|value| value.is_finite()), "{}", method.name());
    }
    // Not even one design.
    let sobol = Sobol::default().segments(parts).batch(4).budget(none);
    assert!(look.explain(&sobol).expect("a heat map").raw().iter().all(|&value| value == 0.0));
}

#[test]
fn numbers_in_a_row_are_a_segment_each() {
    let mut net = Model::builder("numbers", [4]);
    let x = net.input();
    let weighed = |inputs: &[Tensor], _| {
        let weights = Tensor::from_slice(&[1.0f32, -2.0, 0.5, 0.0]);
        let sum = (&inputs[0] * weights).sum_dim_intlist([1i64].as_slice(), true, None::<Kind>);
        Tensor::cat(&[&sum, &(-&sum)], 1)
    };
    net.add("sum", Module::function(weighed), &[x]);
    let model = net.build().expect("a network");
    let look = model
        .look_input(&Tensor::from_slice(&[3.0f32, 1.0, 4.0, 1.0]).unsqueeze(0))
        .expect("a look");
    let expected = [3.0, -2.0, 2.0, 0.0];
    let methods: [Box<dyn Attribution>; 4] = [
        Box::new(FeatureAblation::default().class(0)),
        Box::new(ShapleyValues::default().class(0).permutations(2)),
        Box::new(KernelShap::default().class(0).samples(20)),
        Box::new(Lime::default().class(0).samples(40).penalty(0.0)),
    ];
    for method in methods {
        let heat = look.explain(&method).expect("contributions");
        assert!(difference(heat.raw(), &expected) < 1e-5, "{}: {:?}", method.name(), heat.raw());
        heat.bundle();
    }
    let joined = Segments::new(1, 4, vec![0, 0, 1, 1]).expect("segments");
    let heat = look
        .explain(&FeatureAblation::default().class(0).segments(&joined))
        .expect("contributions");
    assert!(difference(heat.raw(), &[1.0, 1.0, 2.0, 2.0]) < 1e-5, "{:?}", heat.raw());
    assert!(
        failure(&look, &FeatureAblation::default().segments(Slic::new(2))).contains("no picture")
    );
    assert!(failure(&look, &Rise::default()).contains("row of numbers"));
}

#[test]
fn wrappers_go_around_them() {
    let look = look_at(&known());
    let ablation = FeatureAblation::default().class(0).segments(quarters());
    let smooth = look.explain(&SmoothGrad::new(ablation.clone()).samples(3)).expect("a mean");
    assert!(smooth.segments().is_none() && smooth.raw().iter().any(|&value| value != 0.0));
    let fused =
        look.explain(&Fused::mean([ablation.clone(), ablation.segments(Segmentation::grid(3, 3))]));
    assert!(fused.expect("a mean").segments().is_none());
    look.explain(&Augmented::new(Rise::default().class(0).samples(5).cells(2))).expect("a mean");
}

#[test]
fn names_say_what_was_set() {
    let names = [
        FeatureAblation::default().name(),
        FeatureAblation::default().segments(Slic::new(30).compactness(20.0)).baseline(1.0).name(),
        ShapleyValues::default().permutations(5).segments(quarters()).name(),
        KernelShap::default().samples(100).name(),
        Lime::default().kernel(0.5).penalty(0.1).name(),
        Rise::default().samples(50).cells(5).probability(0.3).baseline([255, 0, 0]).name(),
        Sobol::default().designs(8).name(),
        Hsic::default().samples(60).segments(Segments::grid(4, 4, 2, 2).expect("a grid")).name(),
    ];
    assert_eq!(
        names,
        [
            "Feature ablation",
            "Feature ablation, about 30 superpixels of compactness 20, covered by 1",
            "Shapley values, 5 permutations, a grid of 2 × 2",
            "KernelSHAP, 100 samples",
            "LIME, kernel 0.5, penalty 0.1",
            "RISE, 50 masks, 5 × 5 cells, open with 0.3, covered by rgb(255, 0, 0)",
            "Sobol indices, 8 designs",
            "HSIC indices, 60 samples, 4 given segments",
        ]
    );
}
