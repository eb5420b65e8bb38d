//! ResNet-18, 34, 50, 101 and 152, He et al. 2015, <https://arxiv.org/abs/1512.03385>; the
//! bottlenecks stride in their 3 × 3 convolution, as torchvision's weights were trained.

use super::{Ends, conv, imagenet};
use crate::model::{AdaptiveAvgPool2d, BatchNorm2d, Builder, Conv2d, Linear, NodeId, Op, Pool2d};

/// What the stages are built from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Block {
    /// Two 3 × 3 convolutions.
    Basic,
    /// 1 × 1 down to a quarter of the channels, 3 × 3, and 1 × 1 up again.
    Bottleneck,
}

impl Block {
    /// Its convolutions, a batch norm behind each; the last one's channels are the block's.
    fn convolutions(self, channels: i64, planes: i64, stride: i64) -> Vec<Conv2d> {
        match self {
            Block::Basic => {
                vec![conv(channels, planes, 3).stride(stride), conv(planes, planes, 3)]
            }
            Block::Bottleneck => vec![
                conv(channels, planes, 1),
                conv(planes, planes, 3).stride(stride),
                conv(planes, 4 * planes, 1),
            ],
        }
    }

    /// The blocks of one stage, `layer1` for 0, from a layer and its channels to another.
    pub(super) fn stage(
        self,
        net: &mut Builder,
        stage: usize,
        (mut x, mut channels): (NodeId, i64),
        planes: i64,
        blocks: usize,
    ) -> (NodeId, i64) {
        for index in 0..blocks {
            let name = format!("layer{}.{index}", stage + 1);
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            let branch = self.convolutions(channels, planes, stride);
            (x, channels) = residual(net, &name, (x, channels), branch, stride);
        }
        (x, channels)
    }
}

/// `stages` counts the blocks of `layer1` to `layer4`.
pub(super) fn resnet(name: &str, ends: Ends, block: Block, stages: [usize; 4]) -> Builder {
    let mut net = imagenet(name, ends);
    let x = net.input();
    let x = net.add("conv1", conv(ends.channels, 64, 7).stride(2), &[x]);
    let x = net.add("bn1", BatchNorm2d::new(64), &[x]);
    let x = net.add("relu", Op::Relu, &[x]);
    let pooled = net.add("maxpool", Pool2d::max(3).stride(2).padding(1), &[x]);
    let (mut x, mut channels) = (pooled, 64);
    for (stage, (blocks, planes)) in stages.into_iter().zip([64, 128, 256, 512]).enumerate() {
        (x, channels) = block.stage(&mut net, stage, (x, channels), planes, blocks);
    }
    let x = net.add("avgpool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(channels, ends.classes), &[x]);
    net
}

/// A branch of convolutions with rectifiers between them, added to the input, and rectified.
fn residual(
    net: &mut Builder,
    name: &str,
    (x, channels): (NodeId, i64),
    branch: Vec<Conv2d>,
    stride: i64,
) -> (NodeId, i64) {
    // torchvision uses one rectifier again and again; torch.fx numbers its uses so.
    let relu = |nth: usize| match nth {
        0 => format!("{name}.relu"),
        _ => format!("{name}.relu_{nth}"),
    };
    let last = branch.len() - 1;
    let (mut y, mut output) = (x, channels);
    for (i, conv) in branch.into_iter().enumerate() {
        output = conv.out_channels;
        y = net.add(format!("{name}.conv{}", i + 1), conv, &[y]);
        y = net.add(format!("{name}.bn{}", i + 1), BatchNorm2d::new(output), &[y]);
        if i < last {
            y = net.add(relu(i), Op::Relu, &[y]);
        }
    }
    let x = shortcut(net, name, x, channels, output, stride);
    let sum = net.add(format!("{name}.add"), Op::Add, &[y, x]);
    (net.add(relu(last), Op::Relu, &[sum]), output)
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
