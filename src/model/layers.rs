//! A network's layers as a list.

use std::fmt;

use super::layer_ref::place;
use super::{Family, LayerRef, Model, Op};
use crate::error::{Error, Result};
use crate::show::{MimeBundle, Row, Show, Table, count_or_dash, debug_line, thousands};

/// One layer of a network.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layer {
    /// Its place in the order of execution; the input is 0.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Its kind, as PyTorch has it.
    pub kind: &'static str,
    pub(crate) family: Family,
    pub(crate) is_input: bool,
    /// Its output's shape for one input of the size that the network was made for.
    pub shape: Vec<i64>,
    /// The kernel's height and width, where there is one.
    pub kernel: Option<[i64; 2]>,
    /// How many parameters it has; running statistics do not count.
    pub parameters: u64,
    /// How many of them are not frozen.
    pub trainable: u64,
    /// The names of the layers that it reads.
    pub inputs: Vec<String>,
}

impl Layer {
    /// Whether its output is feature maps, `[1, channels, height, width]`, of more than one pixel.
    pub fn is_spatial(&self) -> bool {
        matches!(self.shape.as_slice(), [_, _, h, w] if h * w > 1)
    }
}

impl From<Layer> for LayerRef {
    fn from(layer: Layer) -> Self {
        LayerRef::Name(layer.name)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({}) {:?}", self.index, self.name, self.kind, self.shape)?;
        match self.parameters {
            0 => Ok(()),
            count => write!(f, ", {} parameters", thousands(count)),
        }
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Layer {self}"))
    }
}

impl Show for Layer {
    fn bundle(&self) -> MimeBundle {
        MimeBundle::text(self.to_string())
    }
}

/// Layers of one network in the order in which they run: what Keras calls `model.layers`.
///
/// ```
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// let layers = model.layers();
/// assert_eq!(layers.at(1)?.name, "features.0");
/// assert_eq!(layers.at(-1)?.kind, "Flatten");
/// assert_eq!(layers.kind("Conv2d")?.len(), 26);
/// for layer in layers.kind("MaxPool2d")? {
///     println!("{}: {:?}", layer.name, layer.shape);
/// }
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Layers {
    network: String,
    /// `None`: all of them.
    choice: Option<String>,
    layers: Vec<Layer>,
}

impl Model {
    /// All layers in the order in which they run; `"input"` comes first.
    pub fn layers(&self) -> Layers {
        let layers = self.inner.nodes.iter().enumerate().map(|(index, node)| {
            let [parameters, trainable] = node.trained();
            let inputs = node.inputs.iter().map(|id| self.layer_name(*id).to_owned());
            Layer {
                index,
                name: node.name.clone(),
                kind: node.op.kind(),
                family: node.op.family(),
                is_input: matches!(node.op, Op::Input),
                shape: node.shape.clone(),
                kernel: node.op.kernel(),
                parameters,
                trainable,
                inputs: inputs.collect(),
            }
        });
        Layers { network: self.name().to_owned(), choice: None, layers: layers.collect() }
    }
}

impl Layers {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// One after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Layer> {
        self.layers.iter()
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        self.layers.iter().map(|layer| layer.name.clone()).collect()
    }

    /// Those of one kind, `"Conv2d"`, whatever the case.
    ///
    /// # Errors
    /// When there are none: the error lists the kinds that there are.
    pub fn kind(&self, kind: &str) -> Result<Layers> {
        let found = self.filtered(kind, |layer| layer.kind.eq_ignore_ascii_case(kind));
        if !found.is_empty() {
            return Ok(found);
        }
        let mut kinds: Vec<&str> = Vec::new();
        for layer in &self.layers {
            if !kinds.contains(&layer.kind) {
                kinds.push(layer.kind);
            }
        }
        Err(Error::Argument(format!(
            "{} has no layers of kind {kind:?}: they are of kind {}",
            self.place(),
            kinds.join(", ")
        )))
    }

    /// Those whose outputs are feature maps of more than one pixel.
    pub fn spatial(&self) -> Layers {
        self.filtered("spatial", Layer::is_spatial)
    }

    fn filtered(&self, choice: &str, keep: impl Fn(&Layer) -> bool) -> Layers {
        let before = self.choice.iter().map(|before| format!("{before}, "));
        Layers {
            network: self.network.clone(),
            choice: Some(before.collect::<String>() + choice),
            layers: self.layers.iter().filter(|layer| keep(layer)).cloned().collect(),
        }
    }

    /// The layer of this name.
    ///
    /// # Errors
    /// When there is none: the error lists the closest.
    pub fn get(&self, name: &str) -> Result<Layer> {
        let found = self.layers.iter().find(|layer| layer.name == name).cloned();
        found.ok_or_else(|| {
            let place = format!("{} ({} layers)", self.place(), self.len());
            Error::not_found("layer", name, place, self.layers.iter().map(|l| l.name.as_str()))
        })
    }

    /// The layer at this place of the list; -1 is the last.
    ///
    /// # Errors
    /// When the list is not so long.
    pub fn at(&self, index: i64) -> Result<Layer> {
        let found = place(index, self.len()).and_then(|place| self.layers.get(place)).cloned();
        found.ok_or_else(|| {
            let place = self.place();
            Error::Argument(match self.len() {
                0 => format!("no layer {index} in {place}: the list is empty"),
                count => format!(
                    "no layer {index} in {place}: the list goes from 0 to {}, or from -1 to \
                     -{count} from the end",
                    count - 1
                ),
            })
        })
    }

    fn place(&self) -> String {
        match &self.choice {
            None => self.network.clone(),
            Some(choice) => format!("{} ({choice})", self.network),
        }
    }

    fn table(&self) -> Table {
        let row = |layer: &Layer| {
            Row::flat(vec![
                layer.index.to_string(),
                layer.name.clone(),
                layer.kind.to_owned(),
                format!("{:?}", layer.shape),
                count_or_dash(layer.parameters),
            ])
        };
        let layers = if self.len() == 1 { "layer" } else { "layers" };
        Table {
            caption: format!("{}: {} {layers}", self.place(), self.len()),
            columns: vec![
                ("", true),
                ("Layer", false),
                ("Kind", false),
                ("Output shape", false),
                ("Parameters", true),
            ],
            rows: self.layers.iter().map(row).collect(),
            notes: Vec::new(),
        }
    }
}

impl IntoIterator for Layers {
    type Item = Layer;
    type IntoIter = std::vec::IntoIter<Layer>;

    fn into_iter(self) -> Self::IntoIter {
        self.layers.into_iter()
    }
}

impl<'a> IntoIterator for &'a Layers {
    type Item = &'a Layer;
    type IntoIter = std::slice::Iter<'a, Layer>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table().text())
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Layers of {}, {}", self.network, self.len()))
    }
}

impl Show for Layers {
    fn bundle(&self) -> MimeBundle {
        self.table().bundle()
    }
}
