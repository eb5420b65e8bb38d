//! The methods of attribution against pytorch-grad-cam, captum and torchcam, on networks that have
//! what real ones have and whose weights come from a formula. tests/reference/make_methods.py made
//! the numbers, and its first lines say what each key is.

mod gradients;
mod networks;
mod occlusion;
#[path = "../peers/mod.rs"]
mod peers;
mod perturbation;
mod relevance;

use std::collections::BTreeMap;

use convlens::prelude::*;
use serde_json::Value;

use peers::{difference, floats, formula_photo, read_case, with_formula_weights};

/// A network, and what its peers say about it.
struct Case {
    name: &'static str,
    model: Model,
    /// Its row of index.json.
    index: Value,
    values: BTreeMap<String, Vec<f32>>,
}

impl Case {
    fn read(name: &'static str) -> Case {
        Case::of("methods", name)
    }

    /// A network, and what its peers say about it in a folder of tests/reference.
    fn of(folder: &str, name: &'static str) -> Case {
        let model = match name {
            "residual" => networks::residual(),
            "branches" => networks::branches(),
            "segmenter" => networks::segmenter(),
            "tokens" => networks::tokens(),
            _ => unreachable!("no network {name}"),
        };
        let (index, values) = read_case(folder, name);
        Case { name, model: with_formula_weights(model), index, values }
    }

    fn all() -> [Case; 3] {
        ["residual", "branches", "segmenter"].map(Case::read)
    }

    /// The first `count` photos of the case, `[count, 3, H, W]`.
    fn photos(&self, count: usize) -> Tensor {
        let [_, h, w] = self.model.input_shape();
        let number = |key: &str| self.index[key].as_f64().expect("a number");
        let photo = |n| formula_photo([h, w], n, number("low")..number("high"));
        Tensor::cat(&(0..count).map(photo).collect::<Vec<_>>(), 0)
    }

    /// What stands in the file for values at the photo's resolution.
    fn thinned(&self, values: &[f32]) -> Vec<f32> {
        let step = self.index["thin"].as_u64().expect("a number") as usize;
        values.iter().copied().step_by(step).collect()
    }

    /// Compares with the peers' values under this key, by the greatest of them.
    fn compare(&self, key: &str, found: &[f32]) {
        self.compare_within(1e-5, key, found);
    }

    fn compare_within(&self, tolerance: f32, key: &str, found: &[f32]) {
        let expected = self.values.get(key).unwrap_or_else(|| panic!("{} has no {key}", self.name));
        let error = difference(found, expected);
        assert!(error < tolerance, "{} {key}: {error}", self.name);
    }
}

#[test]
fn the_networks_are_those_of_the_numbers() {
    for case in Case::all() {
        let whole: Vec<i64> = case.index["input"]
            .as_array()
            .expect("a shape")
            .iter()
            .map(|size| size.as_i64().expect("a size"))
            .collect();
        assert_eq!(case.model.input_shape()[..], whole, "{}", case.name);
        for (count, key) in [(1, "logits"), (2, "batch/logits")] {
            let logits = case.model.forward(&case.photos(count)).expect("outputs");
            let maps = logits.dim() == 4;
            let logits = floats(&logits);
            case.compare(key, &if maps { case.thinned(&logits) } else { logits });
        }
    }
}

#[test]
fn their_layers_answer_as_in_pytorch() {
    for case in Case::all() {
        let samples = case.values.keys().filter_map(|key| key.strip_prefix("activation/"));
        let layers: Vec<&str> = samples.filter_map(|key| key.strip_suffix("/samples")).collect();
        assert!(layers.len() >= 10, "{} has only {layers:?}", case.name);
        let activations = case.model.run(&[("input", &case.photos(1))], &layers).expect("layers");
        for (layer, activation) in layers.iter().zip(&activations) {
            let values = floats(activation);
            let step = (values.len() / 64) | 1;
            let samples: Vec<f32> = values.iter().copied().step_by(step).collect();
            case.compare(&format!("activation/{layer}/samples"), &samples);
            let single = |t: Tensor| t.double_value(&[]) as f32;
            let stats =
                [activation.mean(None), activation.std(false), activation.max()].map(single);
            case.compare(&format!("activation/{layer}/stats"), &stats);
        }
    }
}

impl Case {
    fn class(&self, key: &str, place: usize) -> i64 {
        self.index[key][place].as_i64().expect("a class")
    }

    /// A target by its name in the file.
    fn target(&self, name: &str) -> Target {
        let [_, h, w] = self.model.input_shape();
        let maps = self.model.output_shapes(&[1, 3, h, w]).expect("shapes");
        let size = maps.last().expect("an output")[2..].to_vec();
        let (a, b) = (self.class("classes", 0), self.class("classes", 1));
        let class = |class: i64| match size.as_slice() {
            &[h, w] => Target::pixels_in(
                class,
                Region::from_fn(h as usize, w as usize, |_, _| true).expect("a region"),
            ),
            _ => class.into(),
        };
        let region = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| {
            Region::rectangle(size[0] as usize, size[1] as usize, rows, columns).expect("a region")
        };
        match name {
            "sum" => Target::sum([class(a), class(b)]),
            "difference" => Target::difference(class(a), class(b)),
            "log_softmax" => Target::function(name, move |o| {
                o.log_softmax(0, tch::Kind::Float).select(0, a).sum(tch::Kind::Float)
            }),
            "squares" => Target::function(name, |o| o.square().sum(tch::Kind::Float)),
            "argmax" => Target::pixels(b),
            "box" => Target::pixels_in(a, region(4..12, 6..20)),
            "pixel" => Target::pixels_in(b, region(10..11, 20..21)),
            index => class(index.parse().expect("a class")),
        }
    }
}

/// A method of the class activation family by its name in the file, `None` for other keys.
fn at(method: &str, layer: &str, target: &Target) -> Option<Box<dyn Attribution>> {
    macro_rules! methods {
        ($($name:literal $method:ident),* $(,)?) => {
            match method {
                $($name => Some(Box::new($method::at(layer).class(target))),)*
                $(concat!($name, "/eigen") => {
                    Some(Box::new($method::at(layer).class(target).principal_component()))
                })*
                _ => None,
            }
        };
    }
    let by_itself: Option<Box<dyn Attribution>> = methods![
        "cam" Cam, "grad_cam" GradCam, "grad_cam_plus_plus" GradCamPlusPlus,
        "hi_res_cam" HiResCam, "element_wise" GradCamElementWise, "x_grad_cam" XGradCam,
        "layer_cam" LayerCam, "eigen_cam" EigenCam, "eigen_grad_cam" EigenGradCam,
        "score_cam" ScoreCam, "ablation_cam" AblationCam, "seg_eigen_cam" SegEigenCam,
        "finer_cam" FinerCam, "shapley_cam" ShapleyCam, "kpca_cam" KpcaCam, "fem" Fem,
    ];
    by_itself.or_else(|| {
        Some(match method {
            "smooth_grad_cam_plus_plus" => {
                Box::new(SmoothGradCamPlusPlus::at(layer).class(target).samples(3))
                    as Box<dyn Attribution>
            }
            "ss_cam" => Box::new(SsCam::at(layer).class(target).samples(3)),
            "is_cam" => Box::new(IsCam::at(layer).class(target).steps(3)),
            _ => return None,
        })
    })
}

#[test]
fn every_map_at_a_layer_is_that_of_its_peers() {
    let mut compared = std::collections::BTreeMap::<String, usize>::new();
    for case in Case::all() {
        let look = case.model.look_input(&case.photos(1)).expect("a look");
        let looks = case.model.look_inputs(&case.photos(2)).expect("looks");
        for key in case.values.keys() {
            let parts: Vec<&str> = key.split('/').collect();
            match parts[..] {
                [.., "final"] => continue,
                ["batch", method, layer, "each"] => {
                    let Some(method) = at(method, layer, &Target::Predicted) else { continue };
                    let classes = [0, 1].map(|i| case.target(&case.class("batch", i).to_string()));
                    let both = looks.explain_each(&method, classes).expect("maps");
                    let raw: Vec<f32> = both.iter().flat_map(|heat| heat.raw()).copied().collect();
                    case.compare(key, &raw);
                }
                [method @ ("eigen_cam" | "kpca_cam" | "fem"), layer] => {
                    let method = at(method, layer, &Target::Predicted).expect("a method");
                    case.compare(key, look.explain(&method).expect("a map").raw());
                }
                [method, layer, target] | [method, layer, target, "eigen"] => {
                    let method =
                        if parts.len() == 4 { format!("{method}/eigen") } else { method.into() };
                    let Some(method) = at(&method, layer, &case.target_or_default(target)) else {
                        continue;
                    };
                    case.compare(key, look.explain(&method).expect("a map").raw());
                }
                _ => continue,
            }
            *compared.entry(parts[usize::from(parts[0] == "batch")].to_owned()).or_default() += 1;
        }
    }
    let methods: Vec<&str> = compared.keys().map(String::as_str).collect();
    assert_eq!(
        methods,
        [
            "ablation_cam",
            "cam",
            "eigen_cam",
            "eigen_grad_cam",
            "element_wise",
            "fem",
            "finer_cam",
            "grad_cam",
            "grad_cam_plus_plus",
            "hi_res_cam",
            "is_cam",
            "kpca_cam",
            "layer_cam",
            "score_cam",
            "seg_eigen_cam",
            "shapley_cam",
            "smooth_grad_cam_plus_plus",
            "ss_cam",
            "x_grad_cam",
        ]
    );
    assert!(compared.values().sum::<usize>() > 100, "{compared:?}");
}

impl Case {
    /// The same, for what is no target but the last part of another key.
    fn target_or_default(&self, name: &str) -> Target {
        let known = ["sum", "difference", "log_softmax", "squares", "argmax", "box", "pixel"];
        let is_target = known.contains(&name) || name.parse::<i64>().is_ok();
        if is_target { self.target(name) } else { Target::Predicted }
    }
}

#[test]
fn finished_maps_are_those_of_pytorch_grad_cam() {
    let mut compared = 0;
    for case in Case::all() {
        let look = case.model.look_input(&case.photos(1)).expect("a look");
        for (key, expected) in &case.values {
            let Some(what) = key.strip_suffix("/final") else { continue };
            let parts: Vec<&str> = what.split('/').collect();
            if let ["batch", method, layer, "each"] = parts[..] {
                let method = at(method, layer, &Target::Predicted).expect("a method");
                let looks = case.model.look_inputs(&case.photos(2)).expect("looks");
                let classes = [0, 1].map(|i| case.target(&case.class("batch", i).to_string()));
                let both = looks.explain_each(&method, classes).expect("maps");
                let maps = both.iter().map(|heat| heat.normalized().expect("a map"));
                let found: Vec<f32> = maps.flat_map(|map| map.values().to_vec()).collect();
                let found = case.thinned(&found);
                let error = found.iter().zip(expected).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
                assert!(
                    error < 1e-5 && found.len() == expected.len(),
                    "{} {key}: {error}",
                    case.name
                );
                compared += 1;
                continue;
            }
            let (layers, target) = (parts[1], case.target_or_default(parts.get(2).unwrap_or(&"")));
            let plain = || at(parts[0], layers, &target).expect("a method");
            let eigen = || at(&format!("{}/eigen", parts[0]), layers, &target).expect("a method");
            let method: Box<dyn Attribution> = match parts[..] {
                [_, _] | [_, _, _] => plain(),
                [_, _, _, "eigen"] => eigen(),
                [_, _, _, "augmented"] => Box::new(Augmented::new(plain())),
                [_, _, _, "augmented_eigen"] => Box::new(Augmented::new(eigen())),
                [method, layers, _, fused] => {
                    let each = layers.split('+').map(|layer| at(method, layer, &target));
                    let each = each.map(|method| method.expect("a method"));
                    match fused {
                        "mean" => Box::new(Fused::mean(each)),
                        "max" => Box::new(Fused::greatest(each)),
                        "product" => Box::new(Fused::product(each)),
                        other => panic!("no fusion {other}"),
                    }
                }
                _ => panic!("{key}"),
            };
            let heat = look.explain(&method).expect("a map");
            // What several maps are fused or smoothed to is not scaled again.
            let map = match (heat.height(), heat.width()) == (heat_size(&case)) {
                true => heat.map().expect("a map"),
                false => heat.normalized().expect("a map"),
            };
            let found = case.thinned(map.values());
            // Values in 0..=1; both sides interpolate, ours in single precision.
            let error = found.iter().zip(expected).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
            assert!(error < 1e-5, "{} {key}: {error}", case.name);
            compared += 1;
        }
    }
    assert!(compared > 25, "{compared}");
}

fn heat_size(case: &Case) -> (usize, usize) {
    let [_, h, w] = case.model.input_shape();
    (h as usize, w as usize)
}

/// torchcam's Grad-CAM++ divides a copy and so weighs by `g² · ReLU(g)`: ours is the paper's, which
/// is another map.
#[test]
fn grad_cam_plus_plus_is_not_torchcams() {
    let case = Case::read("residual");
    let look = case.model.look_input(&case.photos(1)).expect("a look");
    let heat = look.explain(&GradCamPlusPlus::at("block2").class(1)).expect("a map");
    let maps = |name| look.layer(name).expect("a layer").tensor();
    let leaf = maps("block2").detach().set_requires_grad(true);
    let feeds = [("block2", &leaf)];
    let output = case.model.run_as(Pass::Gradient, &feeds, &["output"]).expect("scores").remove(0);
    let g = Tensor::run_backward(&[output.get(0).get(1)], &[&leaf], false, false).remove(0);
    let weights = (g.square() * g.relu()).sum_dim_intlist([2i64, 3].as_slice(), true, None);
    let theirs =
        floats(&(weights * maps("block2")).sum_dim_intlist([1i64].as_slice(), false, None));
    let scaled = |values: &[f32]| {
        let most = values.iter().fold(0f32, |m, &v| m.max(v));
        values.iter().map(|v| v / most).collect::<Vec<f32>>()
    };
    assert!(difference(&scaled(heat.raw()), &scaled(&theirs)) > 0.01);
}
