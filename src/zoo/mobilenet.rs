//! MobileNetV2, Sandler et al. 2018, <https://arxiv.org/abs/1801.04381>.

use super::{Ends, conv, imagenet};
use crate::model::{
    AdaptiveAvgPool2d, BatchNorm2d, Builder, Conv2d, Linear, Model, NodeId, Op, WeightInit,
};
use crate::ops;
use crate::photo::Preprocess;

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

const BREEDS: [&str; 19] = [
    "Chihuahua",
    "Maltese dog",
    "Shih-Tzu",
    "papillon",
    "Yorkshire terrier",
    "West Highland white terrier",
    "golden retriever",
    "Labrador retriever",
    "Rottweiler",
    "German shepherd",
    "Doberman",
    "bull mastiff",
    "French bulldog",
    "Siberian husky",
    "pug",
    "Samoyed",
    "Pomeranian",
    "toy poodle",
    "miniature poodle",
];

/// Whose MobileNetV2 it is: they differ in what their layers leave unsaid.
#[derive(Clone, Copy)]
enum Style {
    Torchvision,
    /// Padding as TensorFlow's "SAME": where a stride of 2 needs one row only, at the bottom.
    Keras,
}

impl Style {
    fn conv(self, input: i64, output: i64, kernel: i64) -> Conv2d {
        let conv = conv(input, output, kernel);
        match self {
            Style::Torchvision => conv,
            Style::Keras => conv.same(),
        }
    }

    fn norm(self, channels: i64) -> BatchNorm2d {
        let norm = BatchNorm2d::new(channels);
        match self {
            Style::Torchvision => norm,
            Style::Keras => norm.eps(1e-3),
        }
    }

    fn norm_relu6(self, net: &mut Builder, name: &str, conv: Conv2d, x: NodeId) -> NodeId {
        let norm = self.norm(conv.out_channels);
        net.chain(name, ops![conv, norm, Op::Relu6], x)
    }
}

pub(super) fn mobilenet_v2(ends: Ends) -> Builder {
    let linear = Linear::new(1280, ends.classes).init(WeightInit::Normal(0.01)).zero_bias();
    let net = imagenet("mobilenet_v2", ends);
    layers(net, ends.channels, Style::Torchvision, ops![Op::Dropout(0.2), linear])
}

pub(super) fn dog_breeds() -> Builder {
    let photo = Preprocess::exact(160, 160).bicubic().normalize([0.5; 3], [0.5; 3]);
    let net = Model::builder("dog_breeds", [3, 160, 160]).preprocess(photo).classes(BREEDS);
    layers(net, 3, Style::Keras, ops![Op::Dropout(0.3), Linear::new(1280, 19)])
}

fn layers(mut net: Builder, photo: i64, style: Style, classifier: [Op; 2]) -> Builder {
    let x = net.input();
    let mut x = style.norm_relu6(&mut net, "features.0", style.conv(photo, 32, 3).stride(2), x);
    let (mut channels, mut number) = (32, 1);
    for [expansion, output, blocks, first_stride] in STAGES {
        for block in 0..blocks {
            let stride = if block == 0 { first_stride } else { 1 };
            let name = format!("features.{number}");
            let sizes = [channels, output];
            x = inverted_residual(&mut net, style, &name, x, sizes, expansion, stride);
            (channels, number) = (output, number + 1);
        }
    }
    let last = style.conv(channels, 1280, 1);
    let x = style.norm_relu6(&mut net, &format!("features.{number}"), last, x);
    let x = net.add("adaptive_avg_pool2d", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.chain("classifier", classifier, x);
    net
}

/// 1 × 1 up to more channels, 3 × 3 on each alone, 1 × 1 down again without a rectifier; added to
/// the input where the shape stays.
fn inverted_residual(
    net: &mut Builder,
    style: Style,
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
        y = style.norm_relu6(net, &layer(0), style.conv(input, hidden, 1), y);
        part = 1;
    }
    let depthwise = style.conv(hidden, hidden, 3).stride(stride).groups(hidden);
    let y = style.norm_relu6(net, &layer(part), depthwise, y);
    let y = net.add(layer(part + 1), style.conv(hidden, output, 1), &[y]);
    let y = net.add(layer(part + 2), style.norm(output), &[y]);
    if stride > 1 || input != output {
        return y;
    }
    net.add(format!("{name}.add"), Op::Add, &[y, x])
}
