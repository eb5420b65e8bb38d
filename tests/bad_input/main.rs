//! Sizes, numbers, tensors and networks that nobody means: the answer is an error that says so, or the
//! right result, and never a panic.

mod large_graphs;
mod memory;
mod names;
mod sizes;
mod steps;
mod tensors;

use convlens::error::{Error, Result};
use convlens::prelude::*;

/// The error in place of a result.
fn refused<T>(result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("this should have been refused"),
        Err(error) => error,
    }
}

/// A network of one convolution for `[1, 8, 8]` that tells two classes.
fn small() -> Model {
    let mut net = Model::builder("small", [1, 8, 8]).preprocess(Preprocess::keep());
    let x = net.input();
    let x = net.add("conv", Conv2d::new(1, 2, 3).padding(1), &[x]);
    let x = net.add("relu", Op::Relu, &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    net.build().expect("a network")
}
