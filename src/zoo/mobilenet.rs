//! MobileNetV2, Sandler et al. 2018, <https://arxiv.org/abs/1801.04381>.

use super::{conv, imagenet};
use crate::model::{
    AdaptiveAvgPool2d, BatchNorm2d, Builder, Conv2d, Linear, NodeId, Op, WeightInit,
};
use crate::ops;

/// Expansion, output channels, blocks, stride of the first: the paper's table 2.
const STAGES: [[i64; 4]; 7] = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
];

pub(super) fn mobilenet_v2() -> Builder {
    let mut net = imagenet("mobilenet_v2");
    let x = net.input();
    let mut x = norm_relu6(&mut net, "features.0", conv(3, 32, 3).stride(2), x);
    let (mut channels, mut number) = (32, 1);
    for [expansion, output, blocks, first_stride] in STAGES {
        for block in 0..blocks {
            let stride = if block == 0 { first_stride } else { 1 };
            let name = format!("features.{number}");
            x = inverted_residual(&mut net, &name, x, [channels, output], expansion, stride);
            (channels, number) = (output, number + 1);
        }
    }
    let x = norm_relu6(&mut net, &format!("features.{number}"), conv(channels, 1280, 1), x);
    let x = net.add("adaptive_avg_pool2d", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    let linear = Linear::new(1280, 1000).init(WeightInit::Normal(0.01)).zero_bias();
    net.chain("classifier", ops![Op::Dropout(0.2), linear], x);
    net
}

fn norm_relu6(net: &mut Builder, name: &str, conv: Conv2d, x: NodeId) -> NodeId {
    let norm = BatchNorm2d::new(conv.out_channels);
    net.chain(name, ops![conv, norm, Op::Relu6], x)
}

/// 1 × 1 up to more channels, 3 × 3 on each alone, 1 × 1 down again without a rectifier; added to
/// the input where the shape stays.
fn inverted_residual(
    net: &mut Builder,
    name: &str,
    x: NodeId,
    [input, output]: [i64; 2],
    expansion: i64,
    stride: i64,
) -> NodeId {
    let layer = |part: usize| format!("{name}.conv.{part}");
    let hidden = input * expansion;
    let (mut y, mut part) = (x, 0);
    if expansion != 1 {
        y = norm_relu6(net, &layer(0), conv(input, hidden, 1), y);
        part = 1;
    }
    let depthwise = conv(hidden, hidden, 3).stride(stride).groups(hidden);
    let y = norm_relu6(net, &layer(part), depthwise, y);
    let y = net.add(layer(part + 1), conv(hidden, output, 1), &[y]);
    let y = net.add(layer(part + 2), BatchNorm2d::new(output), &[y]);
    if stride > 1 || input != output {
        return y;
    }
    net.add(format!("{name}.add"), Op::Add, &[y, x])
}
