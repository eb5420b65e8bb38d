//! The fully convolutional network that segments seismic facies after a pretext task:
//! Monteiro et al., *Self-Supervised Learning for Seismic Image Segmentation From Few-Labeled
//! Samples*, IEEE GRSL 19, 2022, <https://github.com/brunoaugustoam/SSL_Seismic_Images>.

use super::outputs::Outputs;
use super::resnet::Block;
use super::{Ends, conv};
use crate::error::{Error, Result};
use crate::model::{
    AdaptiveAvgPool2d, BatchNorm2d, Builder, Linear, Model, NodeId, Op, Pool2d, WeightInit,
    Weights, unwrapped,
};
use crate::ops;
use crate::photo::Preprocess;

/// The lithofacies of the F3 block in the Dutch North Sea, from the top down: the classes of the
/// published network.
pub const F3_FACIES: [&str; 10] = [
    "Sea bottom / rock interaction",
    "North Sea",
    "Chalk",
    "Rijnland",
    "Schieland-Scruff-Niedersachsen",
    "Altena",
    "Germanic Trias",
    "Zechstein",
    "Rotliegend",
    "Carboniferous",
];

/// What the tensors of the two heads begin with.
const CLASSIFIER: &str = "classifier.";
const SEGMENTER: &str = "segmenter.";

/// What an [`Fcn`] learns, and so which head it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Task {
    /// Which of so many permutations the tiles of the section were put in: a pretext task, which
    /// needs no labels. The published networks have 9.
    Jigsaw(i64),
    /// By which of so many angles the section was turned: a pretext task. The published networks
    /// have 5: −8°, −4°, 0°, 4°, 8°.
    Rotation(i64),
    /// Which class each pixel belongs to.
    Segmentation,
}

/// A ResNet encoder with a head for one [`Task`]: trained on a pretext task that needs no labels,
/// then given a new head and trained to segment with few of them.
///
/// [`Fcn::default`] is the published network: ResNet-50 for one grey channel with channel dropout
/// after its stem and stages, 448 × 448 pixels, [F3's ten facies](F3_FACIES), 28,833,728 parameters. Its
/// segmentation head joins the outputs of `layer1` and `layer4` at the input's size: at 448 × 448
/// the joined maps alone take 1.85 GB a section, and as much again while they are being joined.
/// [`Fcn::narrow`] is a small network of the same shape, which two processor cores train in
/// minutes.
///
/// ```text
/// [N, 1, H, W] conv1, bn1, relu, dropout, maxpool   [N, 64, H/4, W/4]
///              layer1, dropout_1                    [N, 256, H/4, W/4]
///              layer2, dropout_2                    [N, 512, H/8, W/8]
///              layer3, dropout_3                    [N, 1024, H/16, W/16]
///              layer4, dropout_4                    [N, 2048, H/32, W/32]
/// pretext      avgpool, flatten, classifier         [N, permutations or angles]
/// segmentation interpolate, interpolate_1, cat      [N, 256 + 2048, H, W]
///              segmenter.0 ... segmenter.3          [N, classes, H, W]
/// ```
///
/// Photos are scaled to `[-1, 1]`. Convolutions of the encoder start by He's rule (normal, fan out),
/// the classifier normal with deviation 0.01, the segmenter uniformly, all as published.
///
/// ```
/// use convlens::zoo::segmentation::{Fcn, Task};
/// let fcn = Fcn::narrow().input(64, 64).classes(["sea", "rock"]);
/// let pretext = fcn.build(Task::Jigsaw(9))?;
/// // ... train it on shuffled sections, then keep what the encoder has learnt:
/// let model = fcn.update_task(&pretext, Task::Segmentation)?;
/// assert_eq!(model.output_shapes(&[1, 1, 64, 64])?.last(), Some(&vec![1, 2, 64, 64]));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fcn {
    width: i64,
    blocks: [usize; 4],
    block: Block,
    head_width: i64,
    dropout: f64,
    height_and_width: [i64; 2],
    /// F3's facies unless told.
    outputs: Option<Outputs>,
    seed: u64,
}

impl Default for Fcn {
    fn default() -> Self {
        Fcn {
            width: 64,
            blocks: [3, 4, 6, 3],
            block: Block::Bottleneck,
            head_width: 256,
            dropout: 0.5,
            height_and_width: [448, 448],
            outputs: None,
            seed: 0,
        }
    }
}

impl Fcn {
    /// A small network of the same shape: base width 12, one basic block a stage, head width 16,
    /// dropout 0.1 (few channels cannot spare half of them).
    pub fn narrow() -> Self {
        Fcn::default().base_width(12).blocks([1; 4]).basic_blocks().head_width(16).dropout(0.1)
    }

    /// The channels of `conv1`, 64 by default; every stage doubles them.
    pub fn base_width(mut self, channels: i64) -> Self {
        self.width = channels;
        self
    }

    /// Residual blocks in each of the four stages; 3, 4, 6, 3 by default.
    pub fn blocks(mut self, blocks: [usize; 4]) -> Self {
        self.blocks = blocks;
        self
    }

    /// Blocks of two 3 × 3 convolutions, as in ResNet-18, instead of bottlenecks, whose outputs have
    /// four times as many channels.
    pub fn basic_blocks(mut self) -> Self {
        self.block = Block::Basic;
        self
    }

    /// The channels between the two convolutions of the segmentation head, 256 by default. They
    /// work at the input's full size: most of the cost of a narrow network is here.
    pub fn head_width(mut self, channels: i64) -> Self {
        self.head_width = channels;
        self
    }

    /// The probability with which training drops each channel after the stem and the stages; 0.5
    /// by default.
    pub fn dropout(mut self, probability: f64) -> Self {
        self.dropout = probability;
        self
    }

    /// The size of the sections in pixels, 448 × 448 by default. Any size from 1 × 1 up runs.
    pub fn input(mut self, height: i64, width: i64) -> Self {
        self.height_and_width = [height, width];
        self
    }

    /// The names of the classes to segment, F3's ten facies by default.
    pub fn classes<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.outputs = Some(Outputs::named(names));
        self
    }

    /// So many classes without names.
    pub fn class_count(mut self, count: i64) -> Self {
        self.outputs = Some(Outputs::Counted(count));
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
    /// Options that make no network: no channels, no blocks, no classes, a dropout outside `0..=1`.
    pub fn build(&self, task: Task) -> Result<Model> {
        self.graph(task, self.usual(1))?.seed(self.seed).build()
    }

    /// The network with trained parameters, named as the published files name them. A head that
    /// another task has left in them (published segmentation networks still hold their pretext
    /// `classifier`) is passed over. The number of channels, and that of the classes to segment unless
    /// it was told, are those of the weights.
    ///
    /// # Errors
    /// As [`build`](Fcn::build); and one error that lists every missing, surplus and misshapen
    /// tensor.
    pub fn build_with(&self, task: Task, mut weights: Weights) -> Result<Model> {
        let other = if task == Task::Segmentation { CLASSIFIER } else { SEGMENTER };
        weights.retain(|name, _| !unwrapped(name).starts_with(other));
        Ends::build_with(self.usual(1), weights, |ends| self.graph(task, ends))
    }

    /// A new network for another task: the encoder's parameters are copies of `model`'s, the head
    /// starts anew. `model` stays as it is.
    ///
    /// # Errors
    /// As [`build`](Fcn::build); and one error that lists the tensors in which `model`'s encoder
    /// differs from the one that these options describe.
    pub fn update_task(&self, model: &Model, task: Task) -> Result<Model> {
        let is_head = |name: &String| name.starts_with(CLASSIFIER) || name.starts_with(SEGMENTER);
        let [channels, ..] = model.input_shape();
        let updated = self.graph(task, self.usual(channels))?.seed(self.seed).build()?;
        let mut weights = model.weights();
        weights.retain(|name, _| !is_head(name));
        weights.extend(updated.weights().into_iter().filter(|(name, _)| is_head(name)));
        updated.load(&weights)?;
        Ok(updated)
    }

    fn usual(&self, channels: i64) -> Ends {
        let facies = F3_FACIES.len() as i64;
        Ends::new(channels, self.outputs.as_ref().map_or(facies, Outputs::count))
    }

    /// The classes of `ends` count where nobody told them, and for a task that segments.
    fn graph(&self, task: Task, ends: Ends) -> Result<Builder> {
        if self.blocks.iter().any(|blocks| !(1..=100).contains(blocks)) {
            return Err(Error::Argument(format!(
                "each of the four stages needs 1 to 100 blocks, got {:?}",
                self.blocks
            )));
        }
        if !(1..=1 << 12).contains(&self.width) {
            return Err(Error::Argument(format!(
                "the base width must be 1 to 4096 channels, got {}",
                self.width
            )));
        }
        let facies = || match ends.classes == F3_FACIES.len() as i64 && !ends.named {
            true => Outputs::named(F3_FACIES),
            false => Outputs::Counted(ends.classes),
        };
        let outputs = self.outputs.clone().unwrap_or_else(facies);
        let [height, width] = self.height_and_width;
        let mut net = Model::builder("fcn", [ends.channels, height, width])
            .preprocess(Preprocess::exact(height, width).normalize([0.5; 3], [0.5; 3]));
        if task == Task::Segmentation {
            net = net.classes(outputs.names().iter().cloned());
        }
        let input = net.input();
        let stem = conv(ends.channels, self.width, 7).stride(2);
        let x = net.add("conv1", stem, &[input]);
        let x = net.add("bn1", BatchNorm2d::new(self.width), &[x]);
        let x = net.add("relu", Op::Relu, &[x]);
        let x = net.add("dropout", Op::Dropout2d(self.dropout), &[x]);
        let x = net.add("maxpool", Pool2d::max(3).stride(2).padding(1), &[x]);

        let (first, fine) = self.stage(&mut net, 0, (x, self.width));
        let second = self.stage(&mut net, 1, (first, fine));
        let third = self.stage(&mut net, 2, second);
        let (last, coarse) = self.stage(&mut net, 3, third);

        match task {
            Task::Jigsaw(classes) | Task::Rotation(classes) => {
                let x = net.add("avgpool", AdaptiveAvgPool2d::new(1), &[last]);
                let x = net.add("flatten", Op::Flatten, &[x]);
                let classifier = Linear::new(coarse, classes).init(WeightInit::Normal(0.01));
                net.add("classifier", classifier.zero_bias(), &[x]);
            }
            Task::Segmentation => {
                let first = net.add("interpolate", Op::ResizeLike, &[first, input]);
                let last = net.add("interpolate_1", Op::ResizeLike, &[last, input]);
                let x = net.add("cat", Op::Concat, &[first, last]);
                let plain = |input, output| conv(input, output, 3).init(WeightInit::FanIn);
                let head = self.head_width;
                let join = plain(fine + coarse, head);
                let score = plain(head, outputs.count());
                net.chain("segmenter", ops![join, BatchNorm2d::new(head), Op::Relu, score], x);
            }
        }
        Ok(net)
    }

    /// One of the four stages and the dropout behind it, from a layer and its channels to another.
    fn stage(&self, net: &mut Builder, index: usize, input: (NodeId, i64)) -> (NodeId, i64) {
        let planes = self.width << index;
        let (x, channels) = self.block.stage(net, index, input, planes, self.blocks[index]);
        let dropout = Op::Dropout2d(self.dropout);
        (net.add(format!("dropout_{}", index + 1), dropout, &[x]), channels)
    }
}
