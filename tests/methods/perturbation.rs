//! Methods that change segments against captum's and lime's (make_perturbation.py), RISE, Sobol and HSIC against xplique's
//! (make_xplique.py).

use std::collections::BTreeMap;

use convlens::prelude::*;

use super::Case;
use super::peers::{difference, read_numbers};

/// The maps of make_perturbation.py, with what covers them.
fn map(name: &str, height: usize, width: usize) -> (Segmentation, f64) {
    match name {
        "grid" => (Segmentation::grid(4, 4), 0.0),
        "own" => {
            let label = |y: usize, x: usize| 3 * ((y.div_ceil(3) + 2 * (x / 4)) % 7) as u32 + 2;
            let labels = (0..height).flat_map(|y| (0..width).map(move |x| label(y, x)));
            (Segments::new(height, width, labels.collect()).expect("segments").into(), 0.7)
        }
        other => panic!("no map {other}"),
    }
}

#[test]
fn methods_of_segments_are_those_of_their_peers() {
    let mut compared = BTreeMap::<String, usize>::new();
    for case in Case::all() {
        let look = case.model.look_input(&case.photos(1)).expect("a look");
        let [_, height, width] = case.model.input_shape();
        for (key, expected) in read_numbers(&format!("perturbation/{}.safetensors", case.name)) {
            let [method, target, name] = key.split('/').collect::<Vec<_>>()[..] else {
                panic!("{key}")
            };
            let (segments, baseline) = map(name, height as usize, width as usize);
            macro_rules! of {
                ($method:expr) => {
                    Box::new($method.segments(segments).baseline(baseline)) as Box<dyn Attribution>
                };
            }
            let explained = match method {
                "feature_ablation" => of!(FeatureAblation::default()),
                "shapley_values" => of!(ShapleyValues::default().permutations(5)),
                "kernel_shap" => of!(KernelShap::default().samples(60)),
                "lime" => of!(Lime::default().samples(60)),
                other => panic!("no method {other}"),
            };
            let heat = look.explain_for(&explained, case.target(target)).expect("a map");
            let found = heat.by_segment().expect("segments");
            let error = difference(&found, &expected);
            // Of KernelSHAP, captum counts both ends a million times, where ours fit exactly.
            assert!(error < 1e-5, "{} {key}: {error}", case.name);
            // Each pixel has its segment's value.
            let segments = heat.segments().expect("segments");
            for (&value, &label) in heat.raw().iter().zip(segments.labels()) {
                assert_eq!(value, found[label as usize]);
            }
            *compared.entry(method.to_owned()).or_default() += 1;
        }
    }
    assert_eq!(compared.len(), 4, "{compared:?}");
    assert!(compared.values().all(|&count| count == 12), "{compared:?}");
}

#[test]
fn rise_sobol_and_hsic_are_those_of_xplique() {
    let cases = Case::all();
    let mut compared = 0;
    for (key, expected) in read_numbers("perturbation/xplique.safetensors") {
        let parts: Vec<&str> = key.split('/').collect();
        let case = cases.iter().find(|case| case.name == parts[0]).expect("a network");
        let look = case.model.look_input(&case.photos(1)).expect("a look");
        let target = case.target(parts[2]);
        let explained = |method: &dyn Attribution| look.explain_for(method, target).expect("a map");
        let grid = Segmentation::grid(4, 4);
        let found = match parts[1] {
            // Less the mean of the scores, which xplique's map has everywhere: the script takes it off, too.
            "rise" => explained(&Rise::default().samples(40).cells(5).baseline(0.7)).raw().to_vec(),
            "sobol" => explained(&Sobol::default().segments(grid).designs(8))
                .by_segment()
                .expect("indices"),
            "hsic" => explained(&Hsic::default().segments(grid).samples(60))
                .by_segment()
                .expect("indices"),
            other => panic!("no method {other}"),
        };
        // xplique's sums are in single precision.
        let error = difference(&found, &expected);
        assert!(error < 1e-5, "{key}: {error}");
        compared += 1;
    }
    assert_eq!(compared, 18);
}
