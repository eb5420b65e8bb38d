//! U-Net, Ronneberger et al. 2015, <https://arxiv.org/abs/1505.04597>.

use super::Ends;
use super::outputs::Outputs;
use crate::error::{Error, Result};
use crate::model::{
    BatchNorm2d, Builder, Conv2d, ConvTranspose2d, Model, NodeId, Op, Pool2d, WeightInit, Weights,
};
use crate::ops;
use crate::photo::Preprocess;

/// A network that says of every pixel what it belongs to: down to few, wide feature maps and up
/// again, where each level joins what it had on the way down.
///
/// [`UNet::default`] has the paper's widths, 64 to 1024 channels, and 31,036,481 parameters, for
/// grey photos of 128 × 128 and one class: a logit a pixel, positive where salt is likelier than
/// not. (Photos of another size, such as the 101 × 101 tiles of the TGS salt challenge, are resized
/// to that; who would rather pad them feeds tensors.) As most do today it departs from the paper in
/// two things: convolutions are padded, so that outputs are as large as inputs, and followed by
/// batch norm. [`UNet::narrow`] is small enough to be trained on two processor cores.
///
/// ```text
/// [N, C, H, W] inc      2 × (conv 3 × 3, batch norm, ReLU)           [N, 64, H, W]
///              down1    maximum of 2 × 2, then the same              [N, 128, H/2, W/2]
///              ...      down4                                        [N, 1024, H/16, W/16]
///              up1      transposed conv 2 × 2, joined with down3's,  [N, 512, H/8, W/8]
///                       then 2 × (conv 3 × 3, batch norm, ReLU)
///              ...      up4                                          [N, 64, H, W]
///              outc     conv 1 × 1                                   [N, classes, H, W]
/// ```
///
/// Layers have the names of <https://github.com/milesial/Pytorch-UNet>, so that its weights load. Convolutions start by He's rule (normal, fan in), which is
/// the paper's.
///
/// ```
/// use convlens::zoo::segmentation::UNet;
/// let model = UNet::narrow().base_width(8).depth(3).build()?;
/// assert_eq!(model.output_shapes(&[4, 1, 128, 128])?.last(), Some(&vec![4, 1, 128, 128]));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct UNet {
    width: i64,
    depth: u32,
    bilinear: bool,
    /// 1 × 128 × 128 unless told.
    input: Option<[i64; 3]>,
    /// Salt alone unless told.
    outputs: Option<Outputs>,
    preprocess: Option<Preprocess>,
    seed: u64,
}

impl Default for UNet {
    fn default() -> Self {
        UNet {
            width: 64,
            depth: 4,
            bilinear: false,
            input: None,
            outputs: None,
            preprocess: None,
            seed: 0,
        }
    }
}

impl UNet {
    /// A quarter of the paper's widths, a sixteenth of its cost: 16 to 256 channels.
    pub fn narrow() -> Self {
        UNet::default().base_width(16)
    }

    /// The channels at full size, 64 by default; every level down doubles them.
    pub fn base_width(mut self, channels: i64) -> Self {
        self.width = channels;
        self
    }

    /// The levels below the full size, 4 by default. Height and width must be multiples of
    /// `2^depth`, unless [`bilinear`](UNet::bilinear).
    pub fn depth(mut self, levels: u32) -> Self {
        self.depth = levels;
        self
    }

    /// Goes up by bilinear interpolation to the size of the maps to join, and then a 1 × 1
    /// convolution, instead of transposed convolutions: no checkerboards, and photos of any size.
    pub fn bilinear(mut self) -> Self {
        self.bilinear = true;
        self
    }

    /// The shape of the photos, `[1, 128, 128]` by default.
    pub fn input(mut self, channels: i64, height: i64, width: i64) -> Self {
        self.input = Some([channels, height, width]);
        self
    }

    /// The names of the classes, one output channel each; "salt" by default.
    pub fn classes<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.outputs = Some(Outputs::named(names));
        self
    }

    /// So many classes without names.
    pub fn class_count(mut self, count: i64) -> Self {
        self.outputs = Some(Outputs::Counted(count));
        self
    }

    /// How a photo becomes the network's input; by default it is resized to the input's size and
    /// scaled to `[0, 1]`.
    pub fn preprocess(mut self, preprocess: Preprocess) -> Self {
        self.preprocess = Some(preprocess);
        self
    }

    /// The seed of the random start, 0 by default.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The network with randomly initialised parameters.
    ///
    /// # Errors
    /// Options that make no network: no channels or classes, more than 10 levels, an input that
    /// cannot be halved so often.
    pub fn build(&self) -> Result<Model> {
        self.graph(self.usual())?.seed(self.seed).build()
    }

    /// The network with trained parameters. The number of channels and that of the classes, as far as
    /// options do not tell them, are those of the weights.
    ///
    /// # Errors
    /// As [`build`](UNet::build); and one error that lists every missing, surplus and misshapen
    /// tensor.
    pub fn build_with(&self, weights: Weights) -> Result<Model> {
        Ends::build_with(self.usual(), weights, |ends| self.graph(ends))
    }

    fn usual(&self) -> Ends {
        let channels = self.input.map_or(1, |[channels, ..]| channels);
        Ends::new(channels, self.outputs.as_ref().map_or(1, Outputs::count))
    }

    /// What `ends` say counts where nobody told it.
    fn graph(&self, ends: Ends) -> Result<Builder> {
        if !(1..=10).contains(&self.depth) || !(1..=1 << 12).contains(&self.width) {
            return Err(Error::Argument(format!(
                "a U-Net has 1 to 10 levels and a base width of 1 to 4096 channels, got {} and {}",
                self.depth, self.width
            )));
        }
        let input = self.input.unwrap_or([ends.channels, 128, 128]);
        let [channels, height, width] = input;
        let salt = || match ends {
            Ends { classes: 1, named: false, .. } => Outputs::named(["salt"]),
            _ => Outputs::Counted(ends.classes),
        };
        let outputs = self.outputs.clone().unwrap_or_else(salt);
        let step = 1 << self.depth;
        if !self.bilinear && (height % step != 0 || width % step != 0) {
            return Err(Error::Argument(format!(
                "a U-Net of depth {} halves its input so often: {height} x {width} are no multiples \
                 of {step}; choose such a size, or .bilinear()",
                self.depth
            )));
        }
        let mut net = Model::builder("unet", input).classes(outputs.names().iter().cloned());
        if let Some(preprocess) = &self.preprocess {
            net = net.preprocess(preprocess.clone());
        }
        let input = net.input();
        let mut x = double_conv(&mut net, "inc", input, channels, self.width);
        let mut levels = Vec::new();
        let mut wide = self.width;
        for level in 1..=self.depth {
            levels.push((x, wide));
            let name = format!("down{level}");
            let pooled = net.add(format!("{name}.maxpool_conv.0"), Pool2d::max(2), &[x]);
            x = double_conv(&mut net, &format!("{name}.maxpool_conv.1"), pooled, wide, 2 * wide);
            wide *= 2;
        }
        for (number, (skip, narrow)) in (1..).zip(levels.into_iter().rev()) {
            let name = format!("up{number}");
            let up = match self.bilinear {
                true => {
                    let up = net.add(format!("{name}.resize"), Op::ResizeLike, &[x, skip]);
                    let halve = conv(2 * narrow, narrow, 1);
                    net.add(format!("{name}.up"), halve, &[up])
                }
                false => {
                    let up = ConvTranspose2d::new(2 * narrow, narrow, 2).stride(2);
                    net.add(format!("{name}.up"), up, &[x])
                }
            };
            let joined = net.add(format!("{name}.cat"), Op::Concat, &[skip, up]);
            x = double_conv(&mut net, &format!("{name}.conv"), joined, 2 * narrow, narrow);
        }
        net.add("outc.conv", conv(self.width, outputs.count(), 1), &[x]);
        Ok(net)
    }
}

fn conv(input: i64, output: i64, kernel: i64) -> Conv2d {
    let conv = Conv2d::new(input, output, kernel).padding(kernel / 2);
    conv.init(WeightInit::KaimingNormal)
}

fn double_conv(net: &mut Builder, name: &str, x: NodeId, input: i64, output: i64) -> NodeId {
    let first = conv(input, output, 3).without_bias();
    let second = conv(output, output, 3).without_bias();
    let norm = || BatchNorm2d::new(output);
    let layers = ops![first, norm(), Op::Relu, second, norm(), Op::Relu];
    net.chain(&format!("{name}.double_conv"), layers, x)
}
