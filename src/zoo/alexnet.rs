//! AlexNet in its one-column form, Krizhevsky 2014, <https://arxiv.org/abs/1404.5997>.

use super::{Ends, imagenet};
use crate::model::{AdaptiveAvgPool2d, Builder, Conv2d, Linear, Op, Pool2d, WeightInit};
use crate::ops;

pub(super) fn alexnet(ends: Ends) -> Builder {
    let mut net = imagenet("alexnet", ends);
    let x = net.input();
    let x = net.chain("features", features(ends.channels), x);
    let x = net.add("avgpool", AdaptiveAvgPool2d::new(6), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    let classifier = ops![
        Op::Dropout(0.5),
        Linear::new(256 * 6 * 6, 4096),
        Op::Relu,
        Op::Dropout(0.5),
        Linear::new(4096, 4096),
        Op::Relu,
        Linear::new(4096, ends.classes),
    ];
    net.chain("classifier", classifier, x);
    net
}

/// All before the classifier.
pub(super) fn features(channels: i64) -> [Op; 13] {
    let conv = |input, output, kernel| {
        Conv2d::new(input, output, kernel).padding(kernel / 2).init(WeightInit::FanIn)
    };
    let pool = || Pool2d::max(3).stride(2);
    ops![
        conv(channels, 64, 11).stride(4).padding(2),
        Op::Relu,
        pool(),
        conv(64, 192, 5),
        Op::Relu,
        pool(),
        conv(192, 384, 3),
        Op::Relu,
        conv(384, 256, 3),
        Op::Relu,
        conv(256, 256, 3),
        Op::Relu,
        pool(),
    ]
}
