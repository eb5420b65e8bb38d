//! The networks of tests/reference/method_networks.py, layer by layer under the same names, in the
//! order of PyTorch's modules. What PyTorch does between modules has a node of its own here: the
//! sums `block1.add` and `block2.add`, the concatenations `mix.cat` and `cat`, and `resize`.

use convlens::model::{Builder, Elementwise, NodeId, Norm, Rearrange};
use convlens::prelude::*;

fn built(net: Builder) -> Model {
    net.build().expect("a network")
}

/// Strides, batch norm, sums, dilation, global average pooling.
pub(crate) fn residual() -> Model {
    let mut net = Model::builder("residual", [3, 32, 32]);
    let x = net.input();
    let conv = Conv2d::new(3, 8, 5).stride(2).padding(2).without_bias();
    let x = net.add("conv1", conv, &[x]);
    let x = net.add("bn1", BatchNorm2d::new(8), &[x]);
    let x = net.add("relu1", Op::Relu, &[x]);
    let x = block(&mut net, "block1", [8, 8], 1, x);
    let x = block(&mut net, "block2", [8, 16], 2, x);
    classifier(&mut net, x);
    built(net)
}

/// Two convolutions and a sum; the second one dilated where the first one strides.
fn block(
    net: &mut Builder,
    name: &str,
    [from, to]: [i64; 2],
    stride: i64,
    input: NodeId,
) -> NodeId {
    let name = |part: &str| format!("{name}.{part}");
    let conv = Conv2d::new(from, to, 3).stride(stride).padding(1).without_bias();
    let x = net.add(name("conv1"), conv, &[input]);
    let x = net.add(name("bn1"), BatchNorm2d::new(to), &[x]);
    let x = net.add(name("relu1"), Op::Relu, &[x]);
    let conv = Conv2d::new(to, to, 3).padding(stride).dilation(stride).without_bias();
    let x = net.add(name("conv2"), conv, &[x]);
    let x = net.add(name("bn2"), BatchNorm2d::new(to), &[x]);
    let mut skip = input;
    if stride > 1 {
        let conv = Conv2d::new(from, to, 1).stride(stride).without_bias();
        skip = net.chain(&name("downsample"), ops![conv, BatchNorm2d::new(to)], input);
    }
    let x = net.add(name("add"), Op::Add, &[x, skip]);
    net.add(name("relu2"), Op::Relu, &[x])
}

/// ReLU6, overlapping max and average pooling, groups, concatenation, a depthwise convolution,
/// global average pooling.
pub(crate) fn branches() -> Model {
    let mut net = Model::builder("branches", [3, 28, 36]);
    let x = net.input();
    let x = net.add("conv1", Conv2d::new(3, 12, 3).padding(1), &[x]);
    let x = net.add("relu6", Op::Relu6, &[x]);
    let x = net.add("pool1", Pool2d::max(3).stride(2).ceil(), &[x]);
    let a = net.add("mix.a_conv", Conv2d::new(12, 8, 1), &[x]);
    let a = net.add("mix.a_relu", Op::Relu, &[a]);
    let grouped = Conv2d::new(12, 12, 3).padding(1).groups(4).without_bias();
    let b = net.add("mix.b_conv", grouped, &[x]);
    let b = net.add("mix.b_bn", BatchNorm2d::new(12), &[b]);
    let b = net.add("mix.b_relu6", Op::Relu6, &[b]);
    let x = net.add("mix.cat", Op::Concat, &[a, b]);
    let x = net.add("pool2", Pool2d::average(3).stride(2).padding(1), &[x]);
    let depthwise = Conv2d::new(20, 20, 3).padding(1).groups(20).without_bias();
    let x = net.add("depthwise", depthwise, &[x]);
    let x = net.add("bn2", BatchNorm2d::new(20), &[x]);
    let x = net.add("relu2", Op::Relu, &[x]);
    let x = net.add("pointwise", Conv2d::new(20, 16, 1), &[x]);
    let x = net.add("relu3", Op::Relu, &[x]);
    classifier(&mut net, x);
    built(net)
}

fn classifier(net: &mut Builder, x: NodeId) {
    let x = net.add("avgpool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(16, 6), &[x]);
}

/// Down twice, up once by a transposed convolution, a skip connection, and bilinear resizing at the
/// end: one map a class.
pub(crate) fn segmenter() -> Model {
    let mut net = Model::builder("segmenter", [3, 24, 32]);
    let photo = net.input();
    let x = net.add("conv1", Conv2d::new(3, 8, 3).stride(2).padding(1), &[photo]);
    let first = net.add("relu1", Op::Relu, &[x]);
    let x = net.add("pool", Pool2d::max(2), &[first]);
    let conv = Conv2d::new(8, 12, 3).padding(2).dilation(2).without_bias();
    let x = net.add("conv2", conv, &[x]);
    let x = net.add("bn2", BatchNorm2d::new(12), &[x]);
    let x = net.add("relu2", Op::Relu, &[x]);
    let x = net.add("up", ConvTranspose2d::new(12, 8, 2).stride(2), &[x]);
    let x = net.add("cat", Op::Concat, &[x, first]);
    let x = net.add("conv3", Conv2d::new(16, 12, 3).padding(1), &[x]);
    let x = net.add("relu3", Op::Relu, &[x]);
    let x = net.add("head", Conv2d::new(12, 4, 1), &[x]);
    net.add("resize", Op::ResizeLike, &[x, photo]);
    built(net)
}

/// SiLU, an overlapping max pooling with padding, a dilated depthwise convolution, GELU, sums, layer normalisation,
/// linear layers on each pixel.
pub(crate) fn tokens() -> Model {
    let mut net = Model::builder("tokens", [3, 30, 26]);
    let x = net.input();
    let x = net.add("conv1", Conv2d::new(3, 8, 3).stride(2).padding(1), &[x]);
    let x = net.add("act1", Op::Silu, &[x]);
    let x = net.add("pool", Pool2d::max(3).stride(2).padding(1), &[x]);
    let depthwise = Conv2d::new(8, 8, 3).padding(2).dilation(2).groups(8).without_bias();
    let y = net.add("depthwise", depthwise, &[x]);
    let y = net.add("bn", BatchNorm2d::new(8), &[y]);
    let y = net.add("act2", Elementwise::Gelu, &[y]);
    let x = net.add("sum1", Op::Add, &[x, y]);
    let y = net.add("to_tokens", Rearrange::Permute(vec![0, 2, 3, 1]), &[x]);
    let y = net.add("norm", Norm::layer([8]), &[y]);
    let y = net.add("fc1", Linear::new(8, 16), &[y]);
    let y = net.add("act3", Elementwise::Gelu, &[y]);
    let y = net.add("fc2", Linear::new(16, 8), &[y]);
    let y = net.add("to_maps", Rearrange::Permute(vec![0, 3, 1, 2]), &[y]);
    let x = net.add("sum2", Op::Add, &[x, y]);
    let x = net.add("avgpool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(8, 6), &[x]);
    built(net)
}
