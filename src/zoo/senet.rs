//! SE-ResNet-50 and SENet-154, Hu et al. 2017, <https://arxiv.org/abs/1709.01507>, as timm's
//! `legacy_senet` has them from the authors' Caffe networks.

use super::{Ends, conv, imagenet};
use crate::model::{
    AdaptiveAvgPool2d, BatchNorm2d, Builder, Conv2d, Linear, NodeId, Op, Pool2d, WeightInit,
};

/// A bottleneck's three convolutions, by the stage's planes and the block's stride.
type Convolutions = fn(channels: i64, planes: i64, stride: i64) -> [Conv2d; 3];

/// The excitation squeezes the channels by this factor.
const REDUCTION: i64 = 16;

pub(super) fn seresnet50(ends: Ends) -> Builder {
    let mut net = imagenet("seresnet50", ends);
    let x = net.input();
    let x = norm_relu(&mut net, "layer0", 1, conv(ends.channels, 64, 7).stride(2), x);
    // Caffe strides in the first convolution.
    let convolutions: Convolutions = |channels, planes, stride| {
        [
            conv(channels, planes, 1).stride(stride),
            conv(planes, planes, 3),
            conv(planes, 4 * planes, 1),
        ]
    };
    stages(net, x, 64, [3, 4, 6, 3], convolutions, 1, ends.classes)
}

pub(super) fn senet154(ends: Ends) -> Builder {
    let mut net = imagenet("senet154", ends);
    let x = net.input();
    let x = norm_relu(&mut net, "layer0", 1, conv(ends.channels, 64, 3).stride(2), x);
    let x = norm_relu(&mut net, "layer0", 2, conv(64, 64, 3), x);
    let x = norm_relu(&mut net, "layer0", 3, conv(64, 128, 3), x);
    let convolutions: Convolutions = |channels, planes, stride| {
        [
            conv(channels, 2 * planes, 1),
            conv(2 * planes, 4 * planes, 3).stride(stride).groups(64),
            conv(4 * planes, 4 * planes, 1),
        ]
    };
    stages(net, x, 128, [3, 8, 36, 3], convolutions, 3, ends.classes)
}

/// Everything after the stem; `kernel` is that of the strided convolutions in the shortcuts.
fn stages(
    mut net: Builder,
    x: NodeId,
    stem: i64,
    stages: [usize; 4],
    convolutions: Convolutions,
    kernel: i64,
    classes: i64,
) -> Builder {
    let mut channels = stem;
    let mut x = net.add("pool0", Pool2d::max(3).stride(2).ceil(), &[x]);
    for (stage, (blocks, planes)) in stages.into_iter().zip([64, 128, 256, 512]).enumerate() {
        for index in 0..blocks {
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            let shortcut = (index == 0).then(|| {
                let kernel = if stage > 0 { kernel } else { 1 };
                conv(channels, 4 * planes, kernel).stride(stride)
            });
            let name = format!("layer{}.{index}", stage + 1);
            let branch = convolutions(channels, planes, stride);
            x = bottleneck(&mut net, &name, x, branch, shortcut);
            channels = 4 * planes;
        }
    }
    let x = net.add("global_pool.pool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("global_pool.flatten", Op::Flatten, &[x]);
    let x = net.add("dropout", Op::Dropout(0.2), &[x]);
    net.add("last_linear", Linear::new(channels, classes), &[x]);
    net
}

/// The stem's `conv1`, `bn1`, `relu1`, ...
fn norm_relu(net: &mut Builder, name: &str, number: usize, conv: Conv2d, x: NodeId) -> NodeId {
    let norm = BatchNorm2d::new(conv.out_channels);
    let x = net.add(format!("{name}.conv{number}"), conv, &[x]);
    let x = net.add(format!("{name}.bn{number}"), norm, &[x]);
    net.add(format!("{name}.relu{number}"), Op::Relu, &[x])
}

/// `relu(excited branch(x) + shortcut(x))`.
fn bottleneck(
    net: &mut Builder,
    name: &str,
    x: NodeId,
    [conv1, conv2, conv3]: [Conv2d; 3],
    shortcut: Option<Conv2d>,
) -> NodeId {
    let layer = |part: &str| format!("{name}.{part}");
    let norms = [&conv1, &conv2, &conv3].map(|conv| BatchNorm2d::new(conv.out_channels));
    let [bn1, bn2, bn3] = norms;
    let output = conv3.out_channels;
    let y = net.add(layer("conv1"), conv1, &[x]);
    let y = net.add(layer("bn1"), bn1, &[y]);
    let y = net.add(layer("relu"), Op::Relu, &[y]);
    let y = net.add(layer("conv2"), conv2, &[y]);
    let y = net.add(layer("bn2"), bn2, &[y]);
    let y = net.add(layer("relu_1"), Op::Relu, &[y]);
    let y = net.add(layer("conv3"), conv3, &[y]);
    let y = net.add(layer("bn3"), bn3, &[y]);
    let x = match shortcut {
        None => x,
        Some(conv) => {
            let layers = [conv.into(), BatchNorm2d::new(output).into()];
            net.chain(&format!("{name}.downsample"), layers, x)
        }
    };
    let y = excite(net, &layer("se_module"), y, output);
    let x = net.add(layer("add"), Op::Add, &[y, x]);
    net.add(layer("relu_2"), Op::Relu, &[x])
}

/// Squeeze and excitation: each channel scaled by what the means of all channels make of it.
fn excite(net: &mut Builder, name: &str, x: NodeId, channels: i64) -> NodeId {
    let layer = |part: &str| format!("{name}.{part}");
    let pointwise =
        |input, output| Conv2d::new(input, output, 1).init(WeightInit::KaimingNormalFanOut);
    let squeezed = channels / REDUCTION;
    // [N, C, h, w] -> [N, C, 1, 1]
    let s = net.add(layer("mean"), AdaptiveAvgPool2d::new(1), &[x]);
    let s = net.add(layer("fc1"), pointwise(channels, squeezed), &[s]);
    let s = net.add(layer("relu"), Op::Relu, &[s]);
    let s = net.add(layer("fc2"), pointwise(squeezed, channels), &[s]);
    let s = net.add(layer("sigmoid"), Op::Sigmoid, &[s]);
    net.add(layer("mul"), Op::Multiply, &[x, s])
}
