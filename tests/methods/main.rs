//! The methods of attribution against pytorch-grad-cam, captum and torchcam, on networks that have
//! what real ones have and whose weights come from a formula. tests/reference/make_methods.py made
//! the numbers, and its first lines say what each key is.

mod networks;
#[path = "../peers/mod.rs"]
mod peers;

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
        let model = match name {
            "residual" => networks::residual(),
            "branches" => networks::branches(),
            "segmenter" => networks::segmenter(),
            _ => unreachable!("no network {name}"),
        };
        let (index, values) = read_case("methods", name);
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
        let expected = self.values.get(key).unwrap_or_else(|| panic!("{} has no {key}", self.name));
        let error = difference(found, expected);
        assert!(error < 1e-5, "{} {key}: {error}", self.name);
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

#[test]
fn grad_cam_matches_its_peers_at_every_kind_of_layer() {
    for name in ["residual", "branches"] {
        let case = Case::read(name);
        let look = case.model.look_input(&case.photos(1)).expect("a look");
        let keys: Vec<&str> = case.values.keys().map(String::as_str).collect();
        let mut compared = 0;
        for key in keys {
            let [method, layer, target] = key.split('/').collect::<Vec<_>>()[..] else { continue };
            let ("grad_cam", Ok(class)) = (method, target.parse::<i64>()) else { continue };
            let heat = look.explain(&GradCam::at(layer).class(class)).expect("a map");
            case.compare(key, heat.raw());
            compared += 1;
        }
        assert_eq!(compared, 6, "{name}: three layers, two classes");
    }
}
