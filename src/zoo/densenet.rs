//! DenseNet-121, Huang et al. 2016, <https://arxiv.org/abs/1608.06993>.

use super::{Ends, imagenet};
use crate::model::{
    AdaptiveAvgPool2d, BatchNorm2d, Builder, Conv2d, Linear, NodeId, Op, Pool2d, WeightInit,
};

/// The channels that every layer adds.
const GROWTH: i64 = 32;

pub(super) fn densenet121(ends: Ends) -> Builder {
    let mut net = imagenet("densenet121", ends);
    let x = net.input();
    let x = net.add("features.conv0", conv(ends.channels, 64, 7).stride(2), &[x]);
    let x = norm_relu(&mut net, "features", "0", 64, x);
    let mut x = net.add("features.pool0", Pool2d::max(3).stride(2).padding(1), &[x]);
    let mut channels = 64;
    for (number, layers) in (1..).zip([6, 12, 24, 16]) {
        x = dense_block(&mut net, &format!("features.denseblock{number}"), x, channels, layers);
        channels += layers * GROWTH;
        if number < 4 {
            let name = format!("features.transition{number}");
            let y = norm_relu(&mut net, &name, "", channels, x);
            let y = net.add(format!("{name}.conv"), conv(channels, channels / 2, 1), &[y]);
            x = net.add(format!("{name}.pool"), Pool2d::average(2), &[y]);
            channels /= 2;
        }
    }
    let x = net.add("features.norm5", BatchNorm2d::new(channels), &[x]);
    let x = net.add("relu", Op::Relu, &[x]);
    let x = net.add("adaptive_avg_pool2d", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("classifier", Linear::new(channels, ends.classes).zero_bias(), &[x]);
    net
}

/// Every layer reads what all before it have made.
fn dense_block(net: &mut Builder, name: &str, x: NodeId, channels: i64, layers: i64) -> NodeId {
    let mut made = vec![x];
    for number in 1..=layers {
        let name = format!("{name}.denselayer{number}");
        let layer = |part: &str| format!("{name}.{part}");
        let seen = channels + (number - 1) * GROWTH;
        let y = match number {
            1 => x,
            _ => net.add(layer("cat"), Op::Concat, &made),
        };
        let y = norm_relu(net, &name, "1", seen, y);
        let y = net.add(layer("conv1"), conv(seen, 4 * GROWTH, 1), &[y]);
        let y = norm_relu(net, &name, "2", 4 * GROWTH, y);
        made.push(net.add(layer("conv2"), conv(4 * GROWTH, GROWTH, 3), &[y]));
    }
    net.add(format!("{name}.cat"), Op::Concat, &made)
}

fn conv(input: i64, output: i64, kernel: i64) -> Conv2d {
    let conv = Conv2d::new(input, output, kernel).padding(kernel / 2).without_bias();
    conv.init(WeightInit::KaimingNormal)
}

fn norm_relu(net: &mut Builder, name: &str, number: &str, channels: i64, x: NodeId) -> NodeId {
    let x = net.add(format!("{name}.norm{number}"), BatchNorm2d::new(channels), &[x]);
    net.add(format!("{name}.relu{number}"), Op::Relu, &[x])
}
