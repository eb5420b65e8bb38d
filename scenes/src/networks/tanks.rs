//! A small network that is to find tanks.

use convlens::model::{AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Linear, Model, Op, Pool2d};
use convlens::photo::Preprocess;
use convlens::{Result, ops};

/// A small network before training, the same for the same `seed`, for the classes "tank" and
/// "no tank" of [`TankSet`](crate::tanks::TankSet).
///
/// Four convolutions with batch norms between pictures of 112 × 112 pixels and maps of 14 × 14
/// (`features.14`, the last rectifier), their mean, and a linear layer: a network that CAM can look
/// into, small enough to be trained in a notebook.
///
/// ```
/// use convlens_scenes::prelude::*;
/// let model = networks::tank_spotter(0)?;
/// assert_eq!(model.class_names(), ["tank", "no tank"]);
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// When libtorch has no memory for it.
pub fn tank_spotter(seed: u64) -> Result<Model> {
    let mut net = Model::builder("tank_spotter", [3, 112, 112])
        .preprocess(Preprocess::exact(112, 112).normalize([0.45; 3], [0.25; 3]))
        .classes(["tank", "no tank"])
        .seed(seed);
    let conv = |input, output| Conv2d::new(input, output, 3).padding(1);
    let x = net.input();
    let layers = ops![
        conv(3, 16),
        BatchNorm2d::new(16),
        Op::Relu,
        Pool2d::max(2),
        conv(16, 32),
        BatchNorm2d::new(32),
        Op::Relu,
        Pool2d::max(2),
        conv(32, 48),
        BatchNorm2d::new(48),
        Op::Relu,
        Pool2d::max(2),
        conv(48, 64),
        BatchNorm2d::new(64),
        Op::Relu,
    ];
    let x = net.chain("features", layers, x);
    net.chain("classifier", ops![AdaptiveAvgPool2d::new(1), Op::Flatten, Linear::new(64, 2)], x);
    net.build()
}
