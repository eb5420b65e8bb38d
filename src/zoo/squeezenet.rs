//! SqueezeNet 1.1, Iandola et al. 2016, <https://arxiv.org/abs/1602.07360>.

use super::imagenet_classes;
use crate::error::Result;
use crate::model::{AdaptiveAvgPool2d, Builder, Conv2d, Model, NodeId, Op, Pool2d, Weights};
use crate::photo::Preprocess;

const EMBEDDED: &[u8] = include_bytes!("../../assets/weights/squeezenet1_1.safetensors");

/// SqueezeNet 1.1 with ImageNet weights that are part of this crate: no network, no download.
///
/// 1,235,496 parameters, 224 × 224 pixels in, a thousand classes out; the layers have
/// torchvision's names. The weights are stored in half precision and computed with in single.
///
/// ```
/// # fn main() -> convlens::Result<()> {
/// let model = convlens::zoo::squeezenet1_1()?;
/// assert_eq!(model.summary()?.parameters(), 1_235_496);
/// assert_eq!(model.last_convolution()?, "classifier.1");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When libtorch has no memory for it.
pub fn squeezenet1_1() -> Result<Model> {
    let weights = crate::model::from_safetensors(EMBEDDED, "the embedded squeezenet1_1")?;
    squeezenet1_1_with(weights)
}

/// SqueezeNet 1.1 with weights of your own, named as torchvision names them.
///
/// # Errors
/// One error that lists every missing, surplus and misshapen tensor.
pub fn squeezenet1_1_with(weights: Weights) -> Result<Model> {
    let mut net = Model::builder("squeezenet1_1", [3, 224, 224])
        .preprocess(Preprocess::imagenet())
        .classes(imagenet_classes());
    let pool = || Pool2d::max(3).stride(2).ceil();
    let x = net.input();
    let x = net.add("features.0", Conv2d::new(3, 64, 3).stride(2), &[x]);
    let x = net.add("features.1", Op::Relu, &[x]);
    let x = net.add("features.2", pool(), &[x]);
    let x = fire(&mut net, "features.3", x, [64, 16, 64]);
    let x = fire(&mut net, "features.4", x, [128, 16, 64]);
    let x = net.add("features.5", pool(), &[x]);
    let x = fire(&mut net, "features.6", x, [128, 32, 128]);
    let x = fire(&mut net, "features.7", x, [256, 32, 128]);
    let x = net.add("features.8", pool(), &[x]);
    let x = fire(&mut net, "features.9", x, [256, 48, 192]);
    let x = fire(&mut net, "features.10", x, [384, 48, 192]);
    let x = fire(&mut net, "features.11", x, [384, 64, 256]);
    let x = fire(&mut net, "features.12", x, [512, 64, 256]);
    let x = net.add("classifier.0", Op::Dropout(0.5), &[x]);
    let x = net.add("classifier.1", Conv2d::new(512, 1000, 1), &[x]);
    let x = net.add("classifier.2", Op::Relu, &[x]);
    let x = net.add("classifier.3", AdaptiveAvgPool2d::new(1), &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    net.build_with(weights)
}

/// The fire module: squeeze to few channels, then expand by 1 × 1 and 3 × 3 kernels side by side.
fn fire(net: &mut Builder, name: &str, x: NodeId, [input, squeeze, expand]: [i64; 3]) -> NodeId {
    let layer = |part: &str| format!("{name}.{part}");
    let x = net.add(layer("squeeze"), Conv2d::new(input, squeeze, 1), &[x]);
    let x = net.add(layer("squeeze_activation"), Op::Relu, &[x]);
    let a = net.add(layer("expand1x1"), Conv2d::new(squeeze, expand, 1), &[x]);
    let a = net.add(layer("expand1x1_activation"), Op::Relu, &[a]);
    let b = net.add(layer("expand3x3"), Conv2d::new(squeeze, expand, 3).padding(1), &[x]);
    let b = net.add(layer("expand3x3_activation"), Op::Relu, &[b]);
    net.add(layer("cat"), Op::Concat, &[a, b])
}
