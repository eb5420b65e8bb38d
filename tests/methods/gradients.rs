//! The methods that look at the input, against captum.

use std::collections::BTreeMap;

use convlens::attribution::{Case as Batch, Evidence, Heatmap};
use convlens::prelude::*;

use crate::Case;
use crate::peers::difference;
use crate::peers::formula::formula;

/// A method by the parts of its key in the file; `None` for other keys.
fn method(case: &Case, parts: &[&str], target: &Target) -> Option<Box<dyn Attribution>> {
    Some(match parts {
        ["saliency", _] => Box::new(Saliency::default().class(target)),
        ["guided_relu6", _] => Box::new(GuidedBackprop::default().class(target)),
        ["deconvolution_relu6", _] => Box::new(Deconvolution::default().class(target)),
        ["guided", _] => Box::new(GuidedBackprop::default().class(target)),
        ["deconvolution", _] => Box::new(Deconvolution::default().class(target)),
        ["input_x_gradient", _] => Box::new(InputXGradient::default().class(target)),
        ["integrated_gradients", _, "gausslegendre"] => {
            let baseline = case.index["baseline"].as_f64().expect("a number");
            Box::new(IntegratedGradients::default().class(target).baseline(baseline).steps(50))
        }
        ["blur_integrated_gradients", _] => {
            Box::new(BlurIntegratedGradients::default().class(target).steps(8).sigma(10.0))
        }
        ["expected_gradients", _] => {
            let baselines = case.photos(7).narrow(0, 5, 2);
            Box::new(ExpectedGradients::over(&baselines).class(target).noise(0.1).samples(4))
        }
        ["guided_grad_cam" | "guided_grad_cam_relu6", layer, _, size] => {
            let method = GuidedGradCam::at(*layer).class(target);
            Box::new(if *size == "nearest" { method.nearest() } else { method })
        }
        _ => return None,
    })
}

/// captum looks for `nn.ReLU` and leaves ReLU6 its own gradient; ours are both rectifiers, as captum's
/// are when its hooks are made to see ReLU6.
fn differs_on_purpose(case: &Case, key: &str) -> bool {
    let changed = ["guided/", "deconvolution/", "guided_grad_cam/"];
    let key = key.strip_prefix("batch/").unwrap_or(key);
    case.name == "branches" && changed.iter().any(|method| key.starts_with(method))
}

fn channels(heat: &Heatmap) -> Vec<f32> {
    heat.channels().values().to_vec()
}

#[test]
fn every_gradient_of_the_input_is_captums() {
    let mut compared = BTreeMap::<String, usize>::new();
    for case in Case::all() {
        let look = case.model.look_input(&case.photos(1)).expect("a look");
        let looks = case.model.look_inputs(&case.photos(2)).expect("looks");
        for key in case.values.keys() {
            let parts: Vec<&str> = key.split('/').collect();
            let found: Vec<f32> = if parts[0] == "batch" {
                let Some(method) = method(&case, &parts[1..], &Target::Predicted) else {
                    continue;
                };
                let classes = [0, 1].map(|i| case.target(&case.class("batch", i).to_string()));
                let both = looks.explain_each(&method, classes).expect("maps");
                both.iter().flat_map(channels).collect()
            } else {
                let target = parts.get(if parts[0].starts_with("guided_grad") { 2 } else { 1 });
                let target = case.target_or_default(target.copied().unwrap_or(""));
                let Some(method) = method(&case, &parts, &target) else { continue };
                channels(&look.explain(&method).expect("a map"))
            };
            let found = case.thinned(&found);
            if differs_on_purpose(&case, key) {
                assert!(difference(&found, &case.values[key]) > 1e-3, "{key}");
                continue;
            }
            case.compare(key, &found);
            *compared.entry(parts[usize::from(parts[0] == "batch")].to_owned()).or_default() += 1;
        }
    }
    assert_eq!(compared.len(), 11, "{compared:?}");
    assert!(compared.values().sum::<usize>() > 50, "{compared:?}");
}

#[test]
fn integrated_gradients_know_their_gap_and_close_it() {
    for case in Case::all() {
        let look = case.model.look_input(&case.photos(1)).expect("a look");
        let baseline = case.index["baseline"].as_f64().expect("a number");
        let deltas = case.values.iter().filter(|(key, _)| key.ends_with("/gausslegendre/delta"));
        for (key, numbers) in deltas.filter(|(key, _)| !key.starts_with("batch")) {
            let target = case.target(key.split('/').nth(1).expect("a target"));
            let path = IntegratedGradients::default().class(target).baseline(baseline);
            let heat = look.explain(&path.clone().steps(50)).expect("a map");
            let sum = |heat: &Heatmap| heat.raw().iter().map(|&v| f64::from(v)).sum::<f64>();
            let (gap, change) = (f64::from(numbers[0]), f64::from(numbers[1]));
            let scale = 1e-5 * change.abs().max(1.0);
            assert!((sum(&heat) - change - gap).abs() < scale, "{} {key}", case.name);
            let remark = &heat.remarks()[0];
            let said = format!("a gap of {:.4} with 50 points", gap.abs());
            assert!(remark.ends_with(&said) || gap.abs() > 0.1, "{remark}, not {said}");

            let heat = look.explain(&path).expect("a map");
            let gap = (sum(&heat) - change).abs();
            println!("{} {key}: score {}, {}", case.name, heat.score(), heat.remarks()[0]);
            assert!(gap < 1e-3 * heat.score().abs(), "{} {key}: {gap}", case.name);
        }
    }
}

/// Saliency with the noise of the numbers on each of its inputs, which are the same.
struct Noisy(Target);

impl Attribution for Noisy {
    fn name(&self) -> String {
        "Saliency with noise by formula".into()
    }

    fn target(&self) -> Target {
        self.0.clone()
    }

    fn attribute(&self, case: &Batch) -> convlens::Result<Evidence> {
        let input = case.input()?;
        let range = (input.max() - input.min()).double_value(&[]);
        let one = input.numel() / case.count();
        let noise =
            (0..case.count()).flat_map(|j| (0..one).map(move |i| formula(i, 100 + j) as f32));
        let noise = Tensor::from_slice(&noise.collect::<Vec<_>>()).view_as(&input);
        let noise = noise.to_device(input.device());
        let noisy = case.with_input(&input + noise * (0.15 * range * 3f64.sqrt()))?;
        Saliency::default().attribute(&noisy)
    }
}

#[test]
fn full_grad_is_pytorch_grad_cams() {
    for case in Case::all() {
        let look = case.model.look_input(&case.photos(1)).expect("a look");
        let looks = case.model.look_inputs(&case.photos(2)).expect("looks");
        let mut compared = 0;
        for key in case.values.keys() {
            let maps = match key.split('/').collect::<Vec<_>>()[..] {
                ["full_grad", target] => {
                    let heat = look.explain(&FullGrad::default().class(case.target(target)));
                    heat.expect("a map").raw().to_vec()
                }
                ["batch", "full_grad", "each"] => {
                    let classes = [0, 1].map(|i| case.target(&case.class("batch", i).to_string()));
                    let both = looks.explain_each(&FullGrad::default(), classes).expect("maps");
                    both.iter().flat_map(|heat| heat.raw()).copied().collect()
                }
                _ => continue,
            };
            case.compare(key, &case.thinned(&maps));
            compared += 1;
        }
        assert_eq!(compared, 2, "{}", case.name);
    }
}

/// The means of noisy copies of an input, each for what is explained of the input itself. What
/// `SmoothGrad` adds for noise of its own is the matter of tests/gradients.rs.
#[test]
fn smooth_grad_is_captums_noise_tunnel() {
    for case in Case::all() {
        let look = case.model.look_input(&case.photos(1)).expect("a look");
        let name = if case.name == "segmenter" { "argmax" } else { "1" };
        let four = || SmoothGrad::new(Noisy(case.target(name))).noise(0.0).samples(4);
        for (method, part) in [
            (four(), ""),
            (four().absolute(), "/absolute"),
            (four().squared(), "/squared"),
            (four().variance(), "/variance"),
        ] {
            let heat = look.explain(&method).expect("a map");
            let key = format!("smooth_grad/{name}{part}");
            case.compare(&key, &case.thinned(&channels(&heat)));
        }
    }
}
