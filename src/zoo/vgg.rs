//! VGG-11, 13, 16 and 19 with and without batch norm, Simonyan and Zisserman 2014,
//! <https://arxiv.org/abs/1409.1556>.

use super::{Ends, imagenet};
use crate::model::{
    AdaptiveAvgPool2d, BatchNorm2d, Builder, Conv2d, Linear, Op, Pool2d, WeightInit,
};
use crate::ops;

/// `stages` counts the convolutions before each of the five poolings.
pub(super) fn vgg(name: &str, ends: Ends, stages: [usize; 5], batch_norm: bool) -> Builder {
    let linear =
        |input, output| Linear::new(input, output).init(WeightInit::Normal(0.01)).zero_bias();
    let classifier = ops![
        linear(512 * 7 * 7, 4096),
        Op::Relu,
        Op::Dropout(0.5),
        linear(4096, 4096),
        Op::Relu,
        Op::Dropout(0.5),
        linear(4096, ends.classes),
    ];
    let mut net = imagenet(name, ends);
    let x = net.input();
    let x = net.chain("features", features(ends.channels, stages, batch_norm), x);
    let x = net.add("avgpool", AdaptiveAvgPool2d::new(7), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.chain("classifier", classifier, x);
    net
}

/// All before the classifier.
pub(super) fn features(channels: i64, stages: [usize; 5], batch_norm: bool) -> Vec<Op> {
    let mut features = Vec::new();
    let mut channels = channels;
    for (convolutions, width) in stages.into_iter().zip([64, 128, 256, 512, 512]) {
        for _ in 0..convolutions {
            let conv = Conv2d::new(channels, width, 3).padding(1);
            features.push(conv.init(WeightInit::KaimingNormalFanOut).zero_bias().into());
            if batch_norm {
                features.push(BatchNorm2d::new(width).into());
            }
            features.push(Op::Relu);
            channels = width;
        }
        features.push(Pool2d::max(2).into());
    }
    features
}
