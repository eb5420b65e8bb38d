//! Work that takes more memory than anybody expects says so before it begins.

use std::cell::RefCell;
use std::rc::Rc;

use convlens::error::Error;
use convlens::prelude::*;

use super::{refused, small};

#[test]
fn large_pictures_say_what_memory_they_take_before_the_first_step() {
    let said = Rc::new(RefCell::new(Vec::new()));
    let listen = said.clone();
    // One value that lies in memory once; as there are two pictures of it where one is wanted, nothing is
    // begun.
    let values = Tensor::zeros([2, 1, 1, 1], tch::kind::FLOAT_CPU).expand([2, 1, 8192, 8192], true);
    let vis = FeatureVis::pixels().from_values(&values);
    let vis = vis.listener(move |line| listen.borrow_mut().push(line.to_owned()));
    let error = refused(vis.run(&small(), Objective::channel("conv", 0))).to_string();
    let said = said.borrow();
    // Where there is not as much memory, it is refused with the same words.
    let text = said.first().unwrap_or(&error);
    assert!(
        text.contains("a picture of 8192 × 8192 pixels") && text.contains("GB of memory"),
        "{text}"
    );
    assert!(text.contains("a smaller .size(..) takes less"), "{text}");
    if !said.is_empty() {
        assert!(error.contains("start from one or 1 tensors"), "{error}");
    }
    // Small ones are made without a word on it.
    let said = Rc::new(RefCell::new(Vec::new()));
    let listen = said.clone();
    let quick = FeatureVis::pixels().size(32).steps(1);
    let quick = quick.listener(move |line| listen.borrow_mut().push(line.to_owned()));
    quick.run(&small(), Objective::channel("conv", 0)).expect("a picture");
    assert!(!said.borrow().iter().any(|line| line.contains("memory")), "{said:?}");
}

#[test]
fn a_network_that_no_memory_holds_is_refused_before_any_of_it_is_made() {
    if !cfg!(target_os = "linux") {
        return; // Nobody says there what memory is free.
    }
    let mut net = Model::builder("wide", [40_000, 1, 1]);
    let x = net.input();
    let mut x = net.add("flatten", Op::Flatten, &[x]);
    // Each of them alone may be.
    for i in 0..1_000 {
        x = net.add(format!("fc{i}"), Linear::new(40_000, 40_000), &[x]);
    }
    let error = refused(net.build());
    let text = error.to_string();
    assert!(matches!(error, Error::Argument(_)), "{error:?}");
    assert!(text.starts_with("the 1.600e12 parameters of wide: this takes about 640"), "{text}");
    assert!(text.contains("is a pooling missing"), "{text}");
}
