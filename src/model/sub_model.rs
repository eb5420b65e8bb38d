//! Parts of a network as networks of their own, which share its parameters.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::PoisonError;

use tch::nn::VarStore;
use tch::{Device, Tensor};

use super::{Inner, LayerRef, Model, Names, Node, NodeId, Op, Pass, device, place_of};
use crate::error::{Error, Result};
use crate::photo::Preprocess;
use crate::tensor::plain;

/// What another network is made of.
pub(super) struct Graph {
    pub(super) name: String,
    pub(super) nodes: Vec<Node>,
    /// By name.
    pub(super) inputs: Vec<(String, NodeId)>,
    pub(super) outputs: Vec<(String, NodeId)>,
}

impl Model {
    /// The outputs of several layers for one batch of inputs, `[N, C, H, W]`, in a single pass, by
    /// the names that were given.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let model = zoo::squeezenet1_1()?;
    /// let photos = Tensor::rand([2, 3, 224, 224], tch::kind::FLOAT_CPU);
    /// let features = model.activations(&photos, ["features.0", "features.12"])?;
    /// assert_eq!(features["features.12"].size(), [2, 512, 13, 13]);
    /// let all = model.activations(&photos, model.layers())?;
    /// assert_eq!(all.len(), model.layers().len());
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Model::run).
    pub fn activations(
        &self,
        input: &Tensor,
        layers: impl IntoIterator<Item = impl Into<LayerRef>>,
    ) -> Result<BTreeMap<String, Tensor>> {
        let found: Vec<(NodeId, String)> =
            layers.into_iter().map(|layer| self.find_named(layer)).collect::<Result<_>>()?;
        let (wanted, names): (Vec<NodeId>, Vec<String>) = found.into_iter().unzip();
        let input = plain(input).map_err(|error| error.while_doing("the input"))?;
        let values = self.run_nodes(Pass::Inference, &[(self.input(), &input)], &wanted)?;
        Ok(names.into_iter().zip(device::back(values)?).collect())
    }

    /// The network from its input to this layer, which is its output, as a network of its own.
    /// Layers that do not lead there are left out; names stay.
    ///
    /// The parameters are shared: training either trains both, and a
    /// [`Look`](crate::look::Look) at either forgets what it knew then.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let model = zoo::squeezenet1_1()?;
    /// let front = model.up_to("features.4")?;
    /// let back = model.between("features.4", "output")?;
    /// let photo = Tensor::rand([1, 3, 224, 224], tch::kind::FLOAT_CPU);
    /// let scores = back.forward(&front.forward(&photo)?)?;
    /// assert!((scores - model.forward(&photo)?).abs().max().double_value(&[]) < 1e-4);
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such layer, or it is the input.
    pub fn up_to(&self, layer: impl Into<LayerRef>) -> Result<Model> {
        let (end, name) = self.find_named(layer)?;
        self.cut(self.input(), end, format!("{} up to {name}", self.name()))
    }

    /// The network from one layer's output, which becomes the input, to another's, as
    /// [`up_to`](Model::up_to) makes one. Its input is no photo, so nothing but its size is
    /// prepared.
    ///
    /// # Errors
    /// When there is no such layer; when the end does not follow from the start; when a branch
    /// leads around the start: the error names the layer that reads what lies before; when the
    /// start's output is not feature maps.
    pub fn between(&self, start: impl Into<LayerRef>, end: impl Into<LayerRef>) -> Result<Model> {
        let (start, from) = self.find_named(start)?;
        let (end, to) = self.find_named(end)?;
        self.cut(start, end, format!("{} from {from} to {to}", self.name()))
    }

    fn cut(&self, start: NodeId, end: NodeId, name: String) -> Result<Model> {
        let nodes = &self.inner.nodes;
        let needed = self.needed_between(start, end)?;
        let whole_start = start == self.input();
        let (h, w) = match nodes[start.0].shape[..] {
            [_, _, h, w] => (h, w),
            [_, _] if whole_start => (1, 1),
            _ => {
                return Err(Error::Shape(format!(
                    "a network starts from feature maps, [photos, channels, height, width], but layer \
                     {:?} returns {:?}: start before the flattening",
                    nodes[start.0].name, nodes[start.0].shape
                )));
            }
        };
        const NOWHERE: NodeId = NodeId(usize::MAX);
        let mut places = vec![NOWHERE; nodes.len()];
        places[start.0] = NodeId(0);
        // Of several inputs, each keeps its name.
        let inputs = nodes.iter().zip(&needed).filter(|(node, _)| matches!(node.op, Op::Input));
        let taken = inputs.into_iter().any(|(node, needed)| *needed && node.name == "input");
        let own = if taken || whole_start { self.layer_name(start) } else { "input" };
        // Of one photo.
        let size = std::iter::once(1).chain(nodes[start.0].shape.iter().skip(1).copied()).collect();
        let mut kept = vec![Node::plain(own.into(), Op::Input, Vec::new(), size)];
        for (index, node) in nodes.iter().enumerate().filter(|(index, _)| needed[*index]) {
            places[index] = NodeId(kept.len());
            kept.push(node.shared(&places));
        }
        let preprocess = match whole_start {
            true => Rc::clone(&self.preprocess),
            false => Rc::new(Preprocess::exact(h, w)),
        };
        let called = self.output_name(end).unwrap_or_else(|| self.layer_name(end).to_owned());
        let outputs = vec![(called, places[end.0])];
        let mut inputs = vec![match whole_start {
            true => (self.end(start).0, NodeId(0)),
            false => (own.to_owned(), NodeId(0)),
        }];
        let others = self.inner.inputs.iter().filter(|(_, id)| needed[id.0]);
        inputs.extend(others.map(|(name, id)| (name.clone(), places[id.0])));
        let model = self.of_shared(Graph { name, nodes: kept, inputs, outputs }, &places);
        Ok(Model { preprocess, input: NodeId(0), output: places[end.0], ..model })
    }

    /// The same graph with other operators, which own no parameters, where `by` has some.
    pub(crate) fn with_ops(&self, by: impl Fn(&Op) -> Option<Op>) -> Model {
        let places: Vec<NodeId> = (0..self.inner.nodes.len()).map(NodeId).collect();
        let nodes = self.inner.nodes.iter().map(|node| match by(&node.op) {
            Some(op) => Node::plain(node.name.clone(), op, node.inputs.clone(), node.shape.clone()),
            None => node.shared(&places),
        });
        let graph = Graph {
            name: self.name().to_owned(),
            nodes: nodes.collect(),
            inputs: self.inner.inputs.clone(),
            outputs: self.inner.outputs.clone(),
        };
        self.of_shared(graph, &places)
    }

    /// A network of these layers, with which it shares parameters and the count of trainings; it takes photos as
    /// this one does, its classes have the same names, and its tokens stand for the same pixels. This one's layers
    /// stand at these places in it.
    pub(super) fn of_shared(&self, graph: Graph, places: &[NodeId]) -> Model {
        let variables = self.variables_of(&graph.nodes, self.device(), Tensor::shallow_clone);
        let mut model = self.of_graph(graph, places, variables);
        if let Some(inner) = Rc::get_mut(&mut model.inner) {
            inner.trainings = Rc::clone(&self.inner.trainings);
        }
        model
    }

    /// A network of these layers, whose variables these are, that is like this one otherwise.
    pub(super) fn of_graph(
        &self,
        Graph { name, nodes, inputs, outputs }: Graph,
        places: &[NodeId],
        variables: VarStore,
    ) -> Model {
        // What a part does not read is not there.
        let there = |id: NodeId| places[id.0].0 < nodes.len();
        let fixed = self.fixed.iter().filter(|(id, _)| there(*id));
        let fixed = fixed.map(|(id, value)| (places[id.0], value.shallow_clone())).collect();
        let features = self.features.iter().filter(|(id, _)| there(*id));
        let features = features.map(|(id, names)| (places[id.0], Rc::clone(names))).collect();
        let classes = self.classes.iter().filter(|(id, _)| there(*id));
        let classes = classes.map(|(id, names)| (places[id.0], Rc::clone(names))).collect();
        Model {
            classes,
            preprocess: Rc::clone(&self.preprocess),
            token_grids: Rc::clone(&self.token_grids),
            features,
            input: places[self.input.0],
            fixed,
            output: places[self.output.0],
            inner: Rc::new(Inner {
                name,
                inputs,
                outputs,
                variables,
                names: Names::of(&nodes),
                nodes,
                notes: Default::default(),
                fast: Default::default(),
                plan: Default::default(),
                trainings: Rc::default(),
                one_by_one: self.inner.one_by_one.clone(),
            }),
        }
    }

    /// Whether the network's output depends on a layer.
    pub(crate) fn leads_to_output(&self, layer: NodeId) -> bool {
        self.led_to_output()[layer.0]
    }

    /// Which nodes the network's output depends on, itself among them.
    pub(super) fn led_to_output(&self) -> Vec<bool> {
        let nodes = &self.inner.nodes;
        let mut leads = vec![false; nodes.len()];
        leads[self.output().0] = true;
        for (index, node) in nodes.iter().enumerate().rev() {
            if leads[index] {
                node.inputs.iter().for_each(|id| leads[id.0] = true);
            }
        }
        leads
    }

    /// What the output needs besides this layer: values that are read on the way from it, and do not
    /// follow from it, as where a skip leads around.
    pub(crate) fn around(&self, layer: NodeId) -> Vec<NodeId> {
        let (after, leads) = (self.depending_on(layer), self.led_to_output());
        let varies = self.varying();
        let mut around = BTreeSet::new();
        for (index, node) in self.inner.nodes.iter().enumerate().skip(layer.0 + 1) {
            if after[index] && leads[index] {
                let outside = node.inputs.iter().filter(|id| varies[id.0] && !after[id.0]);
                around.extend(outside.copied());
            }
        }
        around.into_iter().collect()
    }

    /// Which layers everything runs through on its way to the output: no value leads around them.
    pub(super) fn passes(&self) -> Vec<bool> {
        let nodes = &self.inner.nodes;
        let (leads, varies) = (self.led_to_output(), self.depending_on(self.input()));
        // The last reader of each layer, of those that lead to the output.
        let mut last = vec![0; nodes.len()];
        for (index, node) in nodes.iter().enumerate().filter(|(index, _)| leads[*index]) {
            node.inputs.iter().for_each(|id| last[id.0] = index);
        }
        let mut reach = 0;
        let passes = (0..nodes.len()).map(|index| {
            // What the input does not change leads nothing around.
            let passes = leads[index] && varies[index] && reach <= index;
            if varies[index] {
                reach = reach.max(last[index]);
            }
            passes
        });
        passes.collect()
    }

    /// Which nodes depend on any input.
    pub(crate) fn varying(&self) -> Vec<bool> {
        self.following(|_, op| matches!(op, Op::Input))
    }

    /// Which nodes depend on a layer, itself among them.
    pub(crate) fn depending_on(&self, layer: NodeId) -> Vec<bool> {
        self.following(|id, _| id == layer)
    }

    /// The nodes that begin something, and all that depend on them.
    pub(super) fn following(&self, begins: impl Fn(NodeId, &Op) -> bool) -> Vec<bool> {
        let mut follows = vec![false; self.inner.nodes.len()];
        // In the order of execution: what a node reads comes before it.
        for (index, node) in self.inner.nodes.iter().enumerate() {
            follows[index] =
                begins(NodeId(index), &node.op) || node.inputs.iter().any(|id| follows[id.0]);
        }
        follows
    }

    /// Which nodes lie between the two, the start aside.
    fn needed_between(&self, start: NodeId, end: NodeId) -> Result<Vec<bool>> {
        let nodes = &self.inner.nodes;
        let name = |id: NodeId| format!("{:?}", nodes[id.0].name);
        if start == end {
            return Err(Error::Argument(format!(
                "nothing lies between layer {} of {} and itself: choose a later layer as the end",
                name(start),
                self.name()
            )));
        }
        let after = self.depending_on(start);
        if !after[end.0] {
            let hint = if end < start { ": the order is start, end" } else { "" };
            return Err(Error::Argument(format!(
                "layer {} of {} does not follow from layer {}{hint}",
                name(end),
                self.name(),
                name(start)
            )));
        }
        let varies = self.depending_on(self.input());
        let mut needed = vec![false; nodes.len()];
        needed[end.0] = true;
        for index in (1..=end.0).rev().filter(|&index| index != start.0) {
            if !needed[index] {
                continue;
            }
            for id in &nodes[index].inputs {
                if varies[id.0] && !after[id.0] {
                    return Err(Error::Argument(format!(
                        "a branch leads around layer {} of {}: layer {} also reads {}, which does \
                         not follow from it; start at a layer through which everything passes",
                        name(start),
                        self.name(),
                        name(NodeId(index)),
                        name(*id)
                    )));
                }
                needed[id.0] = true;
            }
        }
        needed[start.0] = false;
        Ok(needed)
    }

    /// A store of the variables of these nodes on a device, under the same names: of each tensor, what it `becomes`.
    pub(super) fn variables_of(
        &self,
        nodes: &[Node],
        device: Device,
        becomes: impl Fn(&Tensor) -> Tensor,
    ) -> VarStore {
        let shared = VarStore::new(device);
        let add = |name: &str, tensor: &Tensor, group: Option<usize>| {
            let (path, name) = place_of(&shared, name);
            // `add` thaws what is frozen.
            let free = tensor.requires_grad();
            let path = path.set_group(group.unwrap_or(0));
            let added = path.add(name, becomes(tensor), group.is_some());
            let _ = added.set_requires_grad(free);
        };
        let mut named: HashMap<_, (String, &Tensor)> = nodes
            .iter()
            .flat_map(|node| &node.parameters)
            .map(|p| (p.tensor.data_ptr(), (p.full.clone(), &p.tensor)))
            .collect();
        // The trained ones first: optimisers go by their order and groups.
        let own = self.inner.variables.variables_.lock().unwrap_or_else(PoisonError::into_inner);
        for variable in &own.trainable_variables {
            if let Some((name, tensor)) = named.remove(&variable.tensor.data_ptr()) {
                add(&name, tensor, Some(variable.group));
            }
        }
        for (name, tensor) in named.values() {
            add(name, tensor, None);
        }
        shared
    }
}
