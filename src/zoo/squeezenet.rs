//! SqueezeNet 1.0 and 1.1, Iandola et al. 2016, <https://arxiv.org/abs/1602.07360>.

use super::{Ends, imagenet, squeezenet1_1_with};
use crate::error::Result;
use crate::model::{AdaptiveAvgPool2d, Builder, Conv2d, Model, NodeId, Op, Pool2d, WeightInit};

const EMBEDDED: &[u8] = include_bytes!("../../assets/weights/squeezenet1_1.safetensors");

/// SqueezeNet 1.1 with ImageNet weights that are part of this crate: no network, no download.
///
/// 1,235,496 parameters, 224 × 224 pixels in, a thousand classes out; the layers have
/// torchvision's names. The weights are stored in half precision and computed with in single.
///
/// ```
/// let model = convlens::zoo::squeezenet1_1()?;
/// assert_eq!(model.summary()?.parameters(), 1_235_496);
/// assert_eq!(model.last_convolution()?, "classifier.1");
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// When libtorch has no memory for it.
pub fn squeezenet1_1() -> Result<Model> {
    let weights = crate::weights::from_bytes(EMBEDDED)?;
    squeezenet1_1_with(weights)
}

/// What stands at a place of `features`.
enum Feature {
    Pool,
    /// Squeezes to so many channels, then expands to twice so many.
    Fire(i64, i64),
}

pub(super) fn version_1_0(ends: Ends) -> Builder {
    use Feature::{Fire, Pool};
    let features = [
        Pool,
        Fire(16, 64),
        Fire(16, 64),
        Fire(32, 128),
        Pool,
        Fire(32, 128),
        Fire(48, 192),
        Fire(48, 192),
        Fire(64, 256),
        Pool,
        Fire(64, 256),
    ];
    squeezenet("squeezenet1_0", ends, conv(ends.channels, 96, 7).stride(2), features)
}

pub(super) fn version_1_1(ends: Ends) -> Builder {
    use Feature::{Fire, Pool};
    let features = [
        Pool,
        Fire(16, 64),
        Fire(16, 64),
        Pool,
        Fire(32, 128),
        Fire(32, 128),
        Pool,
        Fire(48, 192),
        Fire(48, 192),
        Fire(64, 256),
        Fire(64, 256),
    ];
    squeezenet("squeezenet1_1", ends, conv(ends.channels, 64, 3).stride(2), features)
}

fn squeezenet(name: &str, ends: Ends, first: Conv2d, features: [Feature; 11]) -> Builder {
    let mut net = imagenet(name, ends);
    let mut channels = first.out_channels;
    let x = net.input();
    let x = net.add("features.0", first, &[x]);
    let mut x = net.add("features.1", Op::Relu, &[x]);
    for (index, feature) in (2..).zip(features) {
        let name = format!("features.{index}");
        x = match feature {
            Feature::Pool => net.add(name, Pool2d::max(3).stride(2).ceil(), &[x]),
            Feature::Fire(squeeze, expand) => {
                let x = fire(&mut net, &name, x, [channels, squeeze, expand]);
                channels = 2 * expand;
                x
            }
        };
    }
    let x = net.add("classifier.0", Op::Dropout(0.5), &[x]);
    let last = conv(channels, ends.classes, 1).init(WeightInit::Normal(0.01));
    let x = net.add("classifier.1", last, &[x]);
    let x = net.add("classifier.2", Op::Relu, &[x]);
    let x = net.add("classifier.3", AdaptiveAvgPool2d::new(1), &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    net
}

fn conv(input: i64, output: i64, kernel: i64) -> Conv2d {
    Conv2d::new(input, output, kernel).init(WeightInit::KaimingUniform).zero_bias()
}

/// The fire module: squeeze to few channels, then expand by 1 × 1 and 3 × 3 kernels side by side.
fn fire(net: &mut Builder, name: &str, x: NodeId, [input, squeeze, expand]: [i64; 3]) -> NodeId {
    let layer = |part: &str| format!("{name}.{part}");
    let x = net.add(layer("squeeze"), conv(input, squeeze, 1), &[x]);
    let x = net.add(layer("squeeze_activation"), Op::Relu, &[x]);
    let a = net.add(layer("expand1x1"), conv(squeeze, expand, 1), &[x]);
    let a = net.add(layer("expand1x1_activation"), Op::Relu, &[a]);
    let b = net.add(layer("expand3x3"), conv(squeeze, expand, 3).padding(1), &[x]);
    let b = net.add(layer("expand3x3_activation"), Op::Relu, &[b]);
    net.add(layer("cat"), Op::Concat, &[a, b])
}
