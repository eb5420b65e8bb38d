//! Networks in which channels of a layer are silenced or changed.

use tch::Tensor;

use super::op::{Arithmetic, Constant};
use super::sub_model::Graph;
use super::{LayerRef, Model, Node, NodeId, Op, free_name};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

impl Model {
    /// The same network with these channels of a layer silenced: what follows reads zeros in their place. The
    /// parameters are shared.
    ///
    /// What would it say without them?
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let model = zoo::squeezenet1_1()?;
    /// let cat = Photo::open("assets/photos/cat.png")?;
    /// let without = model.ablate("features.12", [7, 19])?;
    /// side_by_side([
    ///     ("whole", model.look(&cat)?.predictions(3)?),
    ///     ("without 7 and 19", without.look(&cat)?.predictions(3)?),
    /// ]);
    /// let heat = without.look(&cat)?.explain(&GradCam::default().class("tabby"))?; // a network like any other
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// The layer keeps its name and its values; the changed ones are those of a new layer behind it, whose name ends
    /// in `.ablated`. Where a group's name stands for its last layer, as `layer3` does, it stands for the new one
    /// from then on.
    ///
    /// # Errors
    /// An unknown layer or channel; a layer without channels, or on which the output does not depend.
    pub fn ablate(
        &self,
        layer: impl Into<LayerRef>,
        channels: impl IntoIterator<Item = usize>,
    ) -> Result<Model> {
        self.changed(layer.into(), channels, "ablated", (0.0, 0.0))
    }

    /// The same network with these channels of a layer multiplied by a factor. The new layer's name ends in
    /// `.scaled`; see [`ablate`](Model::ablate).
    ///
    /// # Errors
    /// As [`ablate`](Model::ablate); a factor that is not finite.
    pub fn scale(
        &self,
        layer: impl Into<LayerRef>,
        channels: impl IntoIterator<Item = usize>,
        factor: f64,
    ) -> Result<Model> {
        self.changed(layer.into(), channels, "scaled", (factor, 0.0))
    }

    /// The same network with one value in all pixels of these channels of a layer: their mean over photos, for
    /// instance. The new layer's name ends in `.replaced`; see [`ablate`](Model::ablate).
    ///
    /// # Errors
    /// As [`ablate`](Model::ablate); a value that is not finite.
    pub fn replace(
        &self,
        layer: impl Into<LayerRef>,
        channels: impl IntoIterator<Item = usize>,
        value: f64,
    ) -> Result<Model> {
        self.changed(layer.into(), channels, "replaced", (0.0, value))
    }

    /// The channels `c` become `factor · c + plus`.
    fn changed(
        &self,
        layer: LayerRef,
        channels: impl IntoIterator<Item = usize>,
        how: &str,
        (factor, plus): (f64, f64),
    ) -> Result<Model> {
        let (layer, called) = self.find_named(layer)?;
        if !factor.is_finite() || !plus.is_finite() {
            return Err(Error::Argument(format!(
                "channels cannot become {factor} times theirs plus {plus}: give finite numbers"
            )));
        }
        if !self.leads_to_output(layer) {
            return Err(Error::Argument(format!(
                "the output of {} does not depend on layer {called:?}: choose a layer on the way to it",
                self.name()
            )));
        }
        let sides = self.channel_sides(layer, &called)?;
        let count = sides.iter().product::<i64>();
        let mut channels: Vec<usize> = channels.into_iter().collect();
        channels.sort_unstable();
        channels.dedup();
        if let Some(beyond) = channels.iter().find(|&&channel| channel as i64 >= count) {
            return Err(Error::Argument(format!(
                "layer {called:?} has the channels 0 to {}, not {beyond}",
                count - 1
            )));
        }
        let values = |others: f32, these: f64| -> Result<Op> {
            let mut values = vec![others; count.max(0) as usize];
            for &channel in &channels {
                values[channel] = these as f32;
            }
            let values = Tensor::f_from_slice(&values).and_then(|t| t.f_reshape(&sides));
            let values = values.and_then(|t| t.f_to_device(self.device())).into_result()?;
            Ok(Op::Constant(Constant::new(&values)?))
        };
        let mut added = vec![("factors", values(1.0, factor)?, Arithmetic::Multiply)];
        if plus != 0.0 {
            added.push(("values", values(0.0, plus)?, Arithmetic::Add));
        }
        let name = match channels.as_slice() {
            [one] => format!("{} with channel {one} of {called} {how}", self.name()),
            some => format!("{} with {} channels of {called} {how}", self.name(), some.len()),
        };
        Ok(self.with_behind(layer, how, added, &sides, name))
    }

    /// The shape of one value a channel of a layer's output.
    fn channel_sides(&self, layer: NodeId, called: &str) -> Result<Vec<i64>> {
        let shape = self.shape_of(layer);
        let grid = self.grids_of(&[layer], &self.input_size(1))?.pop().flatten();
        let dim = match grid {
            Some(grid) => grid.channels(shape.len()),
            None => (shape.len() == 2).then_some(1),
        };
        let mut sides = vec![1; shape.len()];
        match dim.and_then(|dim| Some((sides.get_mut(dim)?, shape.get(dim)?))) {
            Some((side, &channels)) => *side = channels,
            None => {
                return Err(Error::Shape(format!(
                    "layer {called:?} has no channels that could be changed: its output is {shape:?}"
                )));
            }
        }
        Ok(sides)
    }

    /// The network with layers behind one, each of which takes its value and a constant.
    fn with_behind(
        &self,
        layer: NodeId,
        how: &str,
        added: Vec<(&str, Op, Arithmetic)>,
        sides: &[i64],
        name: String,
    ) -> Model {
        let nodes = &self.inner.nodes;
        let base = &nodes[layer.0].name;
        let is_free = |name: &str| self.inner.names.layer(name).is_none();
        let unique = |ending: &str| free_name(&format!("{base}.{ending}"), is_free);
        let mut kept: Vec<Node> = Vec::with_capacity(nodes.len() + 2 * added.len());
        let mut places: Vec<NodeId> = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            places.push(NodeId(kept.len()));
            kept.push(node.shared(&places));
            if index != layer.0 {
                continue;
            }
            let count = added.len();
            for (i, (what, constant, op)) in added.iter().enumerate() {
                let last =
                    if i + 1 == count { unique(how) } else { unique(&format!("{how}_to_0")) };
                kept.push(Node::plain(unique(what), constant.clone(), Vec::new(), sides.to_vec()));
                let inputs = vec![places[index], NodeId(kept.len() - 1)];
                kept.push(Node::plain(last, Op::Arithmetic(*op), inputs, node.shape.clone()));
                places[index] = NodeId(kept.len() - 1);
            }
        }
        let moved = |ends: &[(String, NodeId)]| {
            ends.iter().map(|(name, id)| (name.clone(), places[id.0])).collect()
        };
        let (inputs, outputs) = (moved(&self.inner.inputs), moved(&self.inner.outputs));
        self.of_shared(Graph { name, nodes: kept, inputs, outputs }, &places)
    }
}
