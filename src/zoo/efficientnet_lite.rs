//! EfficientNet-Lite0 to 4: EfficientNet without squeeze and excitation, with ReLU6 instead of
//! SiLU, and with TensorFlow's "SAME" padding, Liu et al. 2020,
//! <https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite>.

use super::efficientnet::STAGES;
use super::{Ends, imagenet_names};
use crate::model::{
    AdaptiveAvgPool2d, BatchNorm2d, Builder, Conv2d, Linear, Model, NodeId, Op, WeightInit,
};
use crate::photo::Preprocess;

/// How one of the five is scaled, and how timm prepares its photos.
pub(super) struct Lite {
    pub(super) name: &'static str,
    /// What the channels are multiplied by, in percent: whole numbers round as they should.
    pub(super) width: i64,
    /// What the blocks of a stage are multiplied by, in percent.
    pub(super) depth: i64,
    /// The shorter side after resizing, bicubic up to Lite2, and the side of the crop.
    pub(super) sides: [i64; 2],
}

impl Lite {
    pub(super) fn builder(self, ends: Ends) -> Builder {
        let [resized, cropped] = self.sides;
        let photo = Preprocess::shorter(resized).crop(cropped).normalize([0.5; 3], [0.5; 3]);
        let photo = if cropped < 300 { photo.bicubic() } else { photo };
        let mut net = Model::builder(self.name, [ends.channels, cropped, cropped])
            .preprocess(photo)
            .classes(imagenet_names(ends));
        let x = net.input();
        let x = net.add("conv_stem", conv(ends.channels, 32, 3).stride(2), &[x]);
        let mut x = norm_relu6(&mut net, "bn1", 32, x);
        let mut channels = 32;
        let last = STAGES.len() - 1;
        for (stage, [expansion, kernel, first_stride, output, blocks]) in
            STAGES.into_iter().enumerate()
        {
            let output = self.channels(output);
            let inside = (1..last).contains(&stage);
            let blocks = if inside { (blocks * self.depth + 99) / 100 } else { blocks };
            for block in 0..blocks {
                let name = format!("blocks.{stage}.{block}");
                let stride = if block == 0 { first_stride } else { 1 };
                let depthwise = [kernel, stride];
                x = match expansion {
                    1 => separable(&mut net, &name, x, [channels, output], depthwise),
                    _ => inverted(&mut net, &name, x, [channels, output], expansion, depthwise),
                };
                channels = output;
            }
        }
        let x = net.add("conv_head", conv(channels, 1280, 1), &[x]);
        let x = norm_relu6(&mut net, "bn2", 1280, x);
        let x = net.add("global_pool.pool", AdaptiveAvgPool2d::new(1), &[x]);
        let x = net.add("global_pool.flatten", Op::Flatten, &[x]);
        let linear = Linear::new(1280, ends.classes).init(WeightInit::FanOut).zero_bias();
        net.add("classifier", linear, &[x]);
        net
    }

    /// Multiplied and rounded to a multiple of 8, but not down by more than a tenth.
    fn channels(&self, unscaled: i64) -> i64 {
        let hundredfold = unscaled * self.width;
        let rounded = (hundredfold + 400) / 800 * 8;
        if rounded * 1000 < 9 * hundredfold { rounded + 8 } else { rounded }
    }
}

fn conv(input: i64, output: i64, kernel: i64) -> Conv2d {
    // TensorFlow's fan-out.
    let deviation = (2.0 / (kernel * kernel * output) as f64).sqrt();
    Conv2d::new(input, output, kernel).same().without_bias().init(WeightInit::Normal(deviation))
}

/// Each channel alone.
fn depthwise(channels: i64, [kernel, stride]: [i64; 2]) -> Conv2d {
    let deviation = (2.0 / (kernel * kernel) as f64).sqrt();
    let conv = conv(channels, channels, kernel).stride(stride).groups(channels);
    conv.init(WeightInit::Normal(deviation))
}

fn norm(channels: i64) -> BatchNorm2d {
    BatchNorm2d::new(channels).eps(1e-3)
}

fn norm_relu6(net: &mut Builder, name: &str, channels: i64, x: NodeId) -> NodeId {
    let x = net.add(name, norm(channels), &[x]);
    net.add(format!("{name}.act"), Op::Relu6, &[x])
}

/// The first block: a convolution on each channel alone, then 1 × 1.
fn separable(
    net: &mut Builder,
    name: &str,
    x: NodeId,
    [input, output]: [i64; 2],
    kernel_and_stride: [i64; 2],
) -> NodeId {
    let layer = |part: &str| format!("{name}.{part}");
    let x = net.add(layer("conv_dw"), depthwise(input, kernel_and_stride), &[x]);
    let x = norm_relu6(net, &layer("bn1"), input, x);
    let x = net.add(layer("conv_pw"), conv(input, output, 1), &[x]);
    net.add(layer("bn2"), norm(output), &[x])
}

/// MobileNetV2's inverted residual: 1 × 1 up to more channels, a convolution on each alone, 1 × 1
/// down again without a rectifier; added to the input where the shape stays.
fn inverted(
    net: &mut Builder,
    name: &str,
    x: NodeId,
    [input, output]: [i64; 2],
    expansion: i64,
    kernel_and_stride: [i64; 2],
) -> NodeId {
    let layer = |part: &str| format!("{name}.{part}");
    let hidden = input * expansion;
    let y = net.add(layer("conv_pw"), conv(input, hidden, 1), &[x]);
    let y = norm_relu6(net, &layer("bn1"), hidden, y);
    let y = net.add(layer("conv_dw"), depthwise(hidden, kernel_and_stride), &[y]);
    let y = norm_relu6(net, &layer("bn2"), hidden, y);
    let y = net.add(layer("conv_pwl"), conv(hidden, output, 1), &[y]);
    let y = net.add(layer("bn3"), norm(output), &[y]);
    if kernel_and_stride[1] > 1 || input != output {
        return y;
    }
    net.add(layer("add"), Op::Add, &[y, x])
}
