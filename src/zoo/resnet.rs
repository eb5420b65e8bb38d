//! ResNet-18, 34, 50, 101 and 152, He et al. 2015, <https://arxiv.org/abs/1512.03385>; the
//! bottlenecks stride in their 3 × 3 convolution, as torchvision's weights were trained.

use super::imagenet;
use crate::model::{
    AdaptiveAvgPool2d, BatchNorm2d, Builder, Conv2d, Linear, NodeId, Op, Pool2d, WeightInit,
};

/// What the stages are built from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Block {
    /// Two 3 × 3 convolutions.
    Basic,
    /// 1 × 1 down to a quarter of the channels, 3 × 3, and 1 × 1 up again.
    Bottleneck,
}

impl Block {
    /// Returns the output and its channels.
    pub(super) fn add(
        self,
        net: &mut Builder,
        name: &str,
        x: NodeId,
        channels: i64,
        planes: i64,
        stride: i64,
    ) -> (NodeId, i64) {
        match self {
            Block::Basic => basic(net, name, x, channels, planes, stride),
            Block::Bottleneck => bottleneck(net, name, x, channels, planes, stride),
        }
    }
}

/// `stages` counts the blocks of `layer1` to `layer4`.
pub(super) fn resnet(name: &str, block: Block, stages: [usize; 4]) -> Builder {
    let mut net = imagenet(name);
    let x = net.input();
    let x = net.add("conv1", conv(3, 64, 7).stride(2), &[x]);
    let x = net.add("bn1", BatchNorm2d::new(64), &[x]);
    let x = net.add("relu", Op::Relu, &[x]);
    let mut x = net.add("maxpool", Pool2d::max(3).stride(2).padding(1), &[x]);
    let mut channels = 64;
    for (stage, (blocks, planes)) in stages.into_iter().zip([64, 128, 256, 512]).enumerate() {
        for index in 0..blocks {
            let name = format!("layer{}.{index}", stage + 1);
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            (x, channels) = block.add(&mut net, &name, x, channels, planes, stride);
        }
    }
    let x = net.add("avgpool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(channels, 1000), &[x]);
    net
}

/// Padded to keep the size; weights that keep the gradients' size, no bias: batch norm follows.
pub(super) fn conv(input: i64, output: i64, kernel: i64) -> Conv2d {
    let conv = Conv2d::new(input, output, kernel).padding(kernel / 2).without_bias();
    conv.init(WeightInit::KaimingNormalFanOut)
}

fn basic(
    net: &mut Builder,
    name: &str,
    x: NodeId,
    channels: i64,
    planes: i64,
    stride: i64,
) -> (NodeId, i64) {
    let layer = |part: &str| format!("{name}.{part}");
    let y = net.add(layer("conv1"), conv(channels, planes, 3).stride(stride), &[x]);
    let y = net.add(layer("bn1"), BatchNorm2d::new(planes), &[y]);
    let y = net.add(layer("relu"), Op::Relu, &[y]);
    let y = net.add(layer("conv2"), conv(planes, planes, 3), &[y]);
    let y = net.add(layer("bn2"), BatchNorm2d::new(planes), &[y]);
    let x = shortcut(net, name, x, channels, planes, stride);
    let x = net.add(layer("add"), Op::Add, &[y, x]);
    (net.add(layer("relu_1"), Op::Relu, &[x]), planes)
}

fn bottleneck(
    net: &mut Builder,
    name: &str,
    x: NodeId,
    channels: i64,
    planes: i64,
    stride: i64,
) -> (NodeId, i64) {
    let layer = |part: &str| format!("{name}.{part}");
    let output = 4 * planes;
    let y = net.add(layer("conv1"), conv(channels, planes, 1), &[x]);
    let y = net.add(layer("bn1"), BatchNorm2d::new(planes), &[y]);
    let y = net.add(layer("relu"), Op::Relu, &[y]);
    let y = net.add(layer("conv2"), conv(planes, planes, 3).stride(stride), &[y]);
    let y = net.add(layer("bn2"), BatchNorm2d::new(planes), &[y]);
    let y = net.add(layer("relu_1"), Op::Relu, &[y]);
    let y = net.add(layer("conv3"), conv(planes, output, 1), &[y]);
    let y = net.add(layer("bn3"), BatchNorm2d::new(output), &[y]);
    let x = shortcut(net, name, x, channels, output, stride);
    let x = net.add(layer("add"), Op::Add, &[y, x]);
    (net.add(layer("relu_2"), Op::Relu, &[x]), output)
}

/// `x` itself, or where the branch changes its shape, a 1 × 1 convolution of it.
fn shortcut(
    net: &mut Builder,
    name: &str,
    x: NodeId,
    channels: i64,
    output: i64,
    stride: i64,
) -> NodeId {
    if channels == output && stride == 1 {
        return x;
    }
    let layers = [conv(channels, output, 1).stride(stride).into(), BatchNorm2d::new(output).into()];
    net.chain(&format!("{name}.downsample"), layers, x)
}
