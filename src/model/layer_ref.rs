//! What a layer is addressed by: its name, or its place in the order of execution.

use std::fmt;

use super::{Model, NodeId};
use crate::error::{Error, Result};

/// A layer by its name or by its index. Whatever takes a layer takes either, and a
/// [`Layer`](super::Layer) of a list as well.
///
/// A group's name, `"features.3"`, stands for its output; `"input"` is the photo, whatever the network calls it, and
/// `"output"` the layer whose value counts as the network's. Where one of several inputs has the name `"input"`, that
/// is the one, here as in feeds, and the photo goes by its own name. Index 0 is the first input, as Keras counts, and
/// -1 the last layer.
///
/// ```
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// let look = model.look(&Photo::open("assets/photos/cat.png")?)?;
/// assert_eq!(look.layer("features.0")?.tensor(), look.layer(1)?.tensor());
/// assert_eq!(look.layer(-1)?.layer(), "flatten");
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LayerRef {
    /// The layer or group of this name.
    Name(String),
    /// The layer at this place, counted from the end where it is negative.
    Index(i64),
}

impl From<&str> for LayerRef {
    fn from(name: &str) -> Self {
        LayerRef::Name(name.to_owned())
    }
}

impl From<String> for LayerRef {
    fn from(name: String) -> Self {
        LayerRef::Name(name)
    }
}

impl<T: Clone + Into<LayerRef>> From<&T> for LayerRef {
    fn from(layer: &T) -> Self {
        layer.clone().into()
    }
}

macro_rules! layer_from_integer {
    ($($kind:ty),*) => {
        $(impl From<$kind> for LayerRef {
            fn from(index: $kind) -> Self {
                LayerRef::Index(i64::try_from(index).unwrap_or(i64::MAX))
            }
        })*
    };
}
layer_from_integer!(i32, i64, u32, usize);

impl fmt::Display for LayerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayerRef::Name(name) => f.write_str(name),
            LayerRef::Index(index) => write!(f, "{index}"),
        }
    }
}

/// The place in a list of `count` that an index from either end means.
pub(super) fn place(index: i64, count: usize) -> Option<usize> {
    let count = i64::try_from(count).ok()?;
    let from_start = if index < 0 { index.checked_add(count)? } else { index };
    (0..count).contains(&from_start).then_some(from_start as usize)
}

impl Model {
    /// The node that a name or an index means.
    pub(crate) fn find(&self, layer: impl Into<LayerRef>) -> Result<NodeId> {
        match layer.into() {
            LayerRef::Name(name) => self.find_name(&name),
            LayerRef::Index(index) => {
                let nodes = &self.inner.nodes;
                place(index, nodes.len()).map(NodeId).ok_or_else(|| {
                    let last = nodes.len() - 1;
                    Error::Argument(format!(
                        "no layer {index} in {}: its layers are numbered 0 ({:?}) to {last} \
                         ({:?}), or -1 to -{} from the end",
                        self.name(),
                        nodes[0].name,
                        nodes[last].name,
                        nodes.len()
                    ))
                })
            }
        }
    }

    /// The node, and what it is called in captions: a group keeps its name.
    pub(crate) fn find_named(&self, layer: impl Into<LayerRef>) -> Result<(NodeId, String)> {
        let layer = layer.into();
        let id = self.find(&layer)?;
        let name = match layer {
            LayerRef::Name(name) => name,
            LayerRef::Index(_) => self.layer_name(id).to_owned(),
        };
        Ok((id, name))
    }

    fn find_name(&self, layer: &str) -> Result<NodeId> {
        let (nodes, names) = (&self.inner.nodes, &self.inner.names);
        if layer == "output" {
            return Ok(self.output());
        }
        if layer == "input" {
            return Ok(self.input_called(layer).unwrap_or(self.input()));
        }
        let found = names.layer(layer).or_else(|| names.last_in(layer));
        found.map(NodeId).ok_or_else(|| {
            let place = format!("{} ({} layers)", self.name(), nodes.len());
            let names = nodes.iter().map(|node| node.name.as_str()).chain(self.group_names());
            Error::not_found("layer", layer, place, names)
        })
    }
}
