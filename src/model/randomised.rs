//! Networks that have forgotten what some of their layers had learnt.

use std::collections::HashMap;
use std::rc::Rc;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::Tensor;

use super::sub_model::Graph;
use super::{LayerRef, Model, Node, NodeId, Op, Parameter};
use crate::error::{Error, Result};
use crate::tensor::{IntoResult, channels_last};

impl Model {
    /// The same network with the parameters of these layers as the layers start before any training, at random from a
    /// seed: what does it still see? A layer gets the same ones whichever others are chosen. All other parameters are
    /// shared with this network, which stays as it is.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let model = zoo::squeezenet1_1()?;
    /// let forgetful = model.randomised(["classifier.1"], 0)?;
    /// let cat = Photo::open("assets/photos/cat.png")?;
    /// side_by_side([("trained", &model), ("random end", &forgetful)].map(|(name, model)| {
    ///     (name, model.look(&cat).and_then(|look| look.explain(&GradCam::default().class("tabby"))))
    /// }));
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// An unknown layer; one without parameters; a module of tch with variables of its own, which cannot be copied.
    pub fn randomised(
        &self,
        layers: impl IntoIterator<Item = impl Into<LayerRef>>,
        seed: u64,
    ) -> Result<Model> {
        self.more_randomised(layers, seed, format!("{} with random layers", self.name()))
    }

    /// The same under this name.
    pub(crate) fn more_randomised(
        &self,
        layers: impl IntoIterator<Item = impl Into<LayerRef>>,
        seed: u64,
        name: String,
    ) -> Result<Model> {
        let _no_grad = tch::no_grad_guard();
        let nodes = &self.inner.nodes;
        // A tensor that two layers have is one here as well.
        let mut random: HashMap<_, Tensor> = HashMap::new();
        for layer in layers {
            let (id, called) = self.find_named(layer)?;
            let node = &nodes[id.0];
            if node.parameters.is_empty() {
                return Err(Error::Argument(format!(
                    "layer {called:?} of {} has no parameters that could be random",
                    self.name()
                )));
            }
            if matches!(node.op, Op::Module(_)) {
                return Err(Error::Argument(format!(
                    "layer {called:?} of {} holds its variables itself, and they cannot be replaced: leave it out, or build \
                     it of layers of this library",
                    self.name()
                )));
            }
            let before = nodes[..id.0].iter().filter(|node| !node.parameters.is_empty()).count();
            let mut numbers = StdRng::seed_from_u64(seed.wrapping_add(before as u64));
            for spec in node.op.parameters() {
                let Some(own) = node.parameters.iter().find(|own| own.name == spec.name) else {
                    continue;
                };
                let tensor = spec.init.tensor(&spec.shape, &mut numbers)?;
                let tensor = tensor
                    .f_to_kind(own.tensor.kind())
                    .and_then(|t| t.f_to_device(self.device()))
                    .into_result()?;
                random.insert(own.tensor.data_ptr(), channels_last(&tensor)?);
            }
        }
        let there = |tensor: &Tensor| match random.get(&tensor.data_ptr()) {
            Some(random) => random.shallow_clone(),
            None => tensor.shallow_clone(),
        };
        let places: Vec<NodeId> = (0..nodes.len()).map(NodeId).collect();
        let nodes = nodes.iter().map(|node| {
            let parameters = node.parameters.iter();
            let parameters =
                parameters.map(|p| Parameter { tensor: there(&p.tensor), ..p.shared() });
            Node { parameters: parameters.collect(), ..node.shared(&places) }
        });
        let nodes: Vec<Node> = nodes.collect();
        let variables = self.variables_of(&nodes, self.device(), Tensor::shallow_clone);
        let (inputs, outputs) = (self.inner.inputs.clone(), self.inner.outputs.clone());
        Ok(self.of_graph(Graph { name, nodes, inputs, outputs }, &places, variables))
    }

    /// The layers that have parameters, in their order.
    pub(crate) fn learnt(&self) -> Vec<String> {
        let learnt = self.inner.nodes.iter().filter(|node| !node.parameters.is_empty());
        learnt.map(|node| node.name.clone()).collect()
    }

    /// Whether both are one network, seen from the same input and output.
    pub(crate) fn is_same(&self, other: &Model) -> bool {
        Rc::ptr_eq(&self.inner, &other.inner)
            && (self.input, self.output) == (other.input, other.output)
    }
}
