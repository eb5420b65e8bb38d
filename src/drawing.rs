//! A network's architecture as a picture: boxes for layers and groups, arrows for what flows.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;

use crate::chart::{FlowBox, flow_chart};
use crate::error::{Error, Result};
use crate::model::{Family, Layer, Layers, Model, gathered, last_depth, name_to_depth};
use crate::picture::Picture;
use crate::show::{MimeBundle, Show, debug_line, error_bundle, thousands};

/// The default depth is the deepest with at most so many boxes, ...
const MOST_BOXES: usize = 23;
/// ... unless that leaves fewer than this, ...
const FEWEST_BOXES: usize = 6;
/// ... and one deeper has no more than that.
const STILL_READABLE: usize = 60;
/// More boxes are not drawn, ...
const MOST_DRAWN: usize = 1000;
/// ... nor more arrows: nobody could follow them.
const MOST_ARROWS: usize = 4000;

/// The architecture of a network: a box for each layer or group of layers, with its output's
/// channels, height and width, and a slab as high as the output is large and as wide as it has
/// channels (by their logarithm); arrows for what each reads.
///
/// ```
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// let whole = model.drawing(); // its stages
/// let module = model.between("features.2", "features.3")?.drawing().depth(3); // one in detail
/// assert_eq!((whole.boxes(), module.boxes()), (19, 8));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Drawing {
    network: String,
    layers: Layers,
    depth: Option<usize>,
}

/// The layers that one box stands for.
struct Stage<'a> {
    name: &'a str,
    layers: Vec<&'a Layer>,
}

impl Model {
    /// The architecture as a picture.
    pub fn drawing(&self) -> Drawing {
        Drawing { network: self.name().to_owned(), layers: self.layers(), depth: None }
    }
}

impl Drawing {
    /// Draws groups so deep: 1 draws a box for each name without its dots, as `"layer1"`. A depth
    /// beyond the deepest name draws every layer. The default is the deepest that stays readable.
    pub fn depth(&self, depth: usize) -> Drawing {
        Drawing { depth: Some(depth.max(1)), ..self.clone() }
    }

    /// How many boxes there are.
    pub fn boxes(&self) -> usize {
        self.stages(self.shown_depth()).len()
    }

    fn shown_depth(&self) -> usize {
        if let Some(depth) = self.depth {
            return depth;
        }
        let deepest = self.layers.iter().map(|layer| layer.name.split('.').count()).max();
        let deepest = deepest.unwrap_or(1);
        let count = |depth: usize| self.stages(depth).len();
        let depth = last_depth(deepest, |depth| count(depth) <= MOST_BOXES);
        let coarse = count(depth) < FEWEST_BOXES;
        if coarse && depth < deepest && count(depth + 1) <= STILL_READABLE {
            depth + 1
        } else {
            depth
        }
    }

    /// The boxes in the order in which they begin to run.
    fn stages(&self, depth: usize) -> Vec<Stage<'_>> {
        let named = self.layers.iter().map(|layer| (name_to_depth(&layer.name, depth), layer));
        gathered(named).into_iter().map(|(name, layers)| Stage { name, layers }).collect()
    }

    /// The drawing; at most about 1,000 pixels wide, longer networks in columns.
    ///
    /// # Errors
    /// When there are more than 1,000 boxes or 4,000 arrows, or more than a picture can hold: choose a
    /// smaller depth, or draw a part of the network.
    pub fn picture(&self) -> Result<Picture> {
        let (chart, boxes) = self.chart()?;
        Ok(chart.titled(&self.title(boxes.len())))
    }

    /// The name of each box, and the layer whose output is its own.
    pub(crate) fn outputs(&self) -> Vec<(String, Layer)> {
        let stages = self.stages(self.shown_depth());
        stages.iter().map(|stage| (stage.name.to_owned(), stage.output().clone())).collect()
    }

    /// The drawing without its title, and the left, top, right and bottom of each box, in pixels.
    pub(crate) fn chart(&self) -> Result<(Picture, Vec<[i32; 4]>)> {
        let stages = self.stages(self.shown_depth());
        if stages.len() > MOST_DRAWN {
            return Err(self.unreadable(stages.len(), MOST_DRAWN, "boxes"));
        }
        let mut stage_of: HashMap<&str, usize> = HashMap::new();
        for (index, stage) in stages.iter().enumerate() {
            stage_of.extend(stage.layers.iter().map(|layer| (layer.name.as_str(), index)));
        }
        let stage = |name: &str| stage_of.get(name).copied().unwrap_or(0);
        let mut edges: BTreeSet<(usize, usize)> = BTreeSet::new();
        for layer in &self.layers {
            let to = stage(&layer.name);
            let from = layer.inputs.iter().map(|input| stage(input));
            edges.extend(from.filter(|from| *from != to).map(|from| (from, to)));
        }
        if edges.len() > MOST_ARROWS {
            return Err(self.unreadable(edges.len(), MOST_ARROWS, "arrows"));
        }
        let edges: Vec<(usize, usize)> = edges.into_iter().collect();
        let side = |layer: &Layer| spatial(layer).map_or(1, |[h, w]| h.max(w));
        let largest = self.layers.iter().map(side).max().unwrap_or(1) as f64;
        let channels = |layer: &Layer| (1.0 + layer.shape.get(1).copied().unwrap_or(1) as f64).ln();
        let most = self.layers.iter().map(channels).fold(1.0, f64::max);
        let boxes: Vec<FlowBox> = stages
            .iter()
            .map(|stage| {
                let output = stage.output();
                let slab = [channels(output) / most, (side(output) as f64 / largest).sqrt()];
                FlowBox { lines: stage.lines(), colour: stage.colour(), slab }
            })
            .collect();
        flow_chart(&boxes, &edges)
            .map_err(|e| e.while_doing(format!("drawing {}: choose a smaller depth", self.network)))
    }

    fn unreadable(&self, count: usize, most: usize, what: &str) -> Error {
        Error::Argument(format!(
            "a drawing of {} with {} {what} could not be read, and at most {} are drawn: choose a smaller \
             depth, or draw a part, model.between(from, to)?.drawing()",
            self.network,
            thousands(count as u64),
            thousands(most as u64)
        ))
    }

    /// Inputs are no layers, but have a box each.
    fn title(&self, boxes: usize) -> String {
        let layers = self.layers.iter().filter(|layer| !layer.is_input).count();
        match boxes == self.layers.len() {
            true => format!("{}: {layers} layers", self.network),
            false => format!("{}: {layers} layers, {boxes} boxes", self.network),
        }
    }
}

impl Stage<'_> {
    /// The layer whose output is the group's.
    fn output(&self) -> &Layer {
        self.layers.last().copied().unwrap_or(self.layers[0])
    }

    fn is_group(&self) -> bool {
        self.layers.len() > 1 || self.layers[0].name != self.name
    }

    fn lines(&self) -> Vec<String> {
        let output = self.output();
        let kind = match (self.is_group(), output.kernel) {
            (true, _) => self.contents(),
            (false, Some([h, w])) => format!("{} {h} × {w}", output.kind),
            (false, None) => output.kind.to_owned(),
        };
        vec![self.name.to_owned(), kind, shape(output)]
    }

    /// "3 blocks" of layers, or "7 layers".
    fn contents(&self) -> String {
        let depth = self.name.split('.').count() + 1;
        let mut parts: HashSet<&str> = HashSet::new();
        let mut blocks = true;
        for layer in &self.layers {
            let part = name_to_depth(&layer.name, depth);
            blocks &= part != layer.name;
            parts.insert(part);
        }
        match (blocks && parts.len() > 1, self.layers.len()) {
            (true, _) => format!("{} blocks", parts.len()),
            (false, 1) => "1 layer".to_owned(),
            (false, count) => format!("{count} layers"),
        }
    }

    fn colour(&self) -> [u8; 3] {
        let layer = self.output();
        match layer.family {
            _ if self.is_group() => [0xff, 0xf4, 0xcf],
            Family::Convolution | Family::TransposedConvolution => [0xdb, 0xe9, 0xf6],
            Family::Pooling => [0xfd, 0xe4, 0xcb],
            Family::Linear => [0xd9, 0xef, 0xda],
            Family::Other => match layer.inputs.len() {
                0 => [0xff, 0xff, 0xff],
                1 => [0xf3, 0xf3, 0xf3],
                _ => [0xea, 0xdf, 0xf4],
            },
        }
    }
}

fn spatial(layer: &Layer) -> Option<[i64; 2]> {
    match *layer.shape.as_slice() {
        [_, _, h, w] => Some([h, w]),
        _ => None,
    }
}

/// `64 × 55 × 55`, without the batch.
fn shape(layer: &Layer) -> String {
    let sides: Vec<String> = layer.shape.iter().skip(1).map(i64::to_string).collect();
    sides.join(" × ")
}

impl fmt::Display for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stages = self.stages(self.shown_depth());
        f.write_str(&self.title(stages.len()))?;
        for stage in &stages {
            write!(f, "\n{}", stage.lines().join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Drawing of {}", self.network))
    }
}

impl Show for Drawing {
    fn bundle(&self) -> MimeBundle {
        match self.picture() {
            Ok(picture) => MimeBundle::picture(picture, self.to_string()),
            Err(error) => error_bundle(&error),
        }
    }
}
