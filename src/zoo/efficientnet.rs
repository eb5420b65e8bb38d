//! EfficientNet-B0, Tan and Le 2019, <https://arxiv.org/abs/1905.11946>.

use super::{Ends, conv, imagenet, imagenet_photo};
use crate::model::{
    AdaptiveAvgPool2d, BatchNorm2d, Builder, Conv2d, Linear, NodeId, Op, WeightInit,
};
use crate::ops;

/// Expansion, kernel, stride of the first block, output channels, blocks: the paper's table 1, which
/// the Lites scale.
pub(super) const STAGES: [[i64; 5]; 7] = [
    [1, 3, 1, 16, 1],
    [6, 3, 2, 24, 2],
    [6, 5, 2, 40, 2],
    [6, 3, 2, 80, 3],
    [6, 5, 1, 112, 3],
    [6, 5, 2, 192, 4],
    [6, 3, 1, 320, 1],
];

pub(super) fn efficientnet_b0(ends: Ends) -> Builder {
    let mut net =
        imagenet("efficientnet_b0", ends).preprocess(imagenet_photo(ends.channels).bicubic());
    let x = net.input();
    let mut x = norm_silu(&mut net, "features.0", conv(ends.channels, 32, 3).stride(2), x);
    let all: i64 = STAGES.iter().map(|stage| stage[4]).sum();
    let (mut channels, mut before) = (32, 0);
    for (stage, [expansion, kernel, first_stride, output, blocks]) in STAGES.into_iter().enumerate()
    {
        for block in 0..blocks {
            let convolutions = MbConv {
                input: channels,
                output,
                expansion,
                kernel,
                stride: if block == 0 { first_stride } else { 1 },
                // From nothing at the first block towards a fifth at the end.
                drop: 0.2 * before as f64 / all as f64,
            };
            x = convolutions.add(&mut net, &format!("features.{}.{block}", stage + 1), x);
            (channels, before) = (output, before + 1);
        }
    }
    let x = norm_silu(&mut net, "features.8", conv(channels, 1280, 1), x);
    let x = net.add("avgpool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    let linear = Linear::new(1280, ends.classes).init(WeightInit::FanOut).zero_bias();
    net.chain("classifier", ops![Op::Dropout(0.2), linear], x);
    net
}

fn norm_silu(net: &mut Builder, name: &str, conv: Conv2d, x: NodeId) -> NodeId {
    let norm = BatchNorm2d::new(conv.out_channels);
    net.chain(name, ops![conv, norm, Op::Silu], x)
}

/// MobileNetV2's inverted residual with squeeze and excitation: 1 × 1 up to more channels, a
/// convolution on each alone, each scaled, 1 × 1 down again; added to the input where the shape
/// stays.
struct MbConv {
    input: i64,
    output: i64,
    expansion: i64,
    kernel: i64,
    stride: i64,
    drop: f64,
}

impl MbConv {
    fn add(&self, net: &mut Builder, name: &str, x: NodeId) -> NodeId {
        let layer = |part: usize| format!("{name}.block.{part}");
        let hidden = self.input * self.expansion;
        let (mut y, mut part) = (x, 0);
        if self.expansion != 1 {
            y = norm_silu(net, &layer(0), conv(self.input, hidden, 1), y);
            part = 1;
        }
        let depthwise = conv(hidden, hidden, self.kernel).stride(self.stride).groups(hidden);
        let y = norm_silu(net, &layer(part), depthwise, y);
        let y = excite(net, &layer(part + 1), y, [hidden, self.input / 4]);
        let project = ops![conv(hidden, self.output, 1), BatchNorm2d::new(self.output)];
        let y = net.chain(&layer(part + 2), project, y);
        if self.stride > 1 || self.input != self.output {
            return y;
        }
        let depth = Op::StochasticDepth(self.drop);
        let y = net.add(format!("{name}.stochastic_depth"), depth, &[y]);
        net.add(format!("{name}.add"), Op::Add, &[y, x])
    }
}

/// Each channel scaled by what the means of all channels make of it.
fn excite(net: &mut Builder, name: &str, x: NodeId, [channels, squeezed]: [i64; 2]) -> NodeId {
    let layer = |part: &str| format!("{name}.{part}");
    let pointwise = |input, output| {
        Conv2d::new(input, output, 1).init(WeightInit::KaimingNormalFanOut).zero_bias()
    };
    // [N, C, h, w] -> [N, C, 1, 1]
    let s = net.add(layer("avgpool"), AdaptiveAvgPool2d::new(1), &[x]);
    let s = net.add(layer("fc1"), pointwise(channels, squeezed), &[s]);
    let s = net.add(layer("activation"), Op::Silu, &[s]);
    let s = net.add(layer("fc2"), pointwise(squeezed, channels), &[s]);
    let s = net.add(layer("scale_activation"), Op::Sigmoid, &[s]);
    net.add(layer("mul"), Op::Multiply, &[x, s])
}
