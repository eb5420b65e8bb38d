//! Work that takes more memory than anybody expects says so before it begins.

use std::cell::RefCell;
use std::rc::Rc;

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
