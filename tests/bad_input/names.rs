//! Weights whose names and shapes nobody means.

use convlens::prelude::*;
use convlens::zoo::segmentation::{Fcn, Task};

use super::{refused, small};

fn one(name: &str, shape: &[i64]) -> Weights {
    Weights::from([(name.to_owned(), Tensor::zeros(shape, tch::kind::FLOAT_CPU))])
}

#[test]
fn names_of_wrappers_alone_name_nothing() {
    let many = "model.".repeat(100_000);
    for name in ["", ".", "module", "module.", "module.module.", "_orig_mod.é", many.as_str()] {
        let text = refused(small().load(&one(name, &[1]))).to_string();
        assert!(text.contains("conv.weight is missing"), "{text:.200}");
        refused(Fcn::narrow().build_with(Task::Segmentation, one(name, &[1])));
        refused(zoo::resnet18_with(one(name, &[1])));
    }
}

#[test]
fn ends_of_no_or_of_too_much_size_are_not_taken() {
    for (name, shape) in [
        ("fc.weight", [0i64, 512].as_slice()),
        ("fc.weight", &[1 << 40, 0]),
        ("fc.weight", &[]),
        ("conv1.weight", &[64, 0, 7, 7]),
        ("conv1.weight", &[64]),
    ] {
        let text = refused(zoo::resnet18_with(one(name, shape))).to_string();
        let wanted = format!("{name} is {shape:?}, expected [");
        assert!(text.contains(&wanted), "{name} {shape:?}: {text:.300}");
    }
    let undefined = Weights::from([("fc.weight".to_owned(), Tensor::new())]);
    let text = refused(zoo::resnet18_with(undefined)).to_string();
    assert!(text.contains("fc.weight cannot be taken"), "{text:.300}");
}

#[test]
fn impossible_ends_are_errors() {
    for (channels, classes) in [(0, 1), (1, 0), (-1, 10), (3, i64::MIN), (i64::MAX, i64::MAX)] {
        refused(zoo::squeezenet1_1_for(channels, classes, 0));
        refused(zoo::efficientnet_lite0_for(channels, classes, 0));
    }
    refused(small().classes([""; 0]));
    refused(small().classes(["a", "b", "c"]));
}
