//! The one executor: computes the wanted nodes from the fed ones and nothing else.

use std::borrow::Borrow;
use std::rc::Rc;

use tch::{Device, Tensor};

use super::fast::{self, Asked, Chain, Chains, Read, Room, Slice};
use super::one_by_one::borrowed;
use super::op::{countable, too_many};
use super::{Model, Node, NodeId, Op, Pass, device, with_grad};
use crate::error::{Error, Result};
use crate::memory;
use crate::tensor::{IntoResult, channels_last, plain};

impl Model {
    /// Computes the `wanted` layers from the `feeds`, without recording gradients.
    ///
    /// A feed is any layer's output: `("input", photos)` for a whole pass, or an activation in
    /// the middle to go on from there. Only what lies between is computed, and every
    /// intermediate value is dropped as soon as its last reader has run. `"output"` is the network's
    /// output, the last layer unless it has several. Of several inputs, each is fed by its name. Feeds may be on
    /// any device; what comes back is on the CPU.
    ///
    /// # Errors
    /// Unknown layers; a wanted layer that the feeds do not lead to; shapes that do not fit.
    pub fn run(&self, feeds: &[(&str, &Tensor)], wanted: &[&str]) -> Result<Vec<Tensor>> {
        self.run_as(Pass::Inference, feeds, wanted)
    }

    /// The same as [`run`](Model::run), recording gradients or training as `pass` says.
    ///
    /// # Errors
    /// As [`run`](Model::run).
    pub fn run_as(
        &self,
        pass: Pass,
        feeds: &[(&str, &Tensor)],
        wanted: &[&str],
    ) -> Result<Vec<Tensor>> {
        device::back(self.run_there(pass, feeds, wanted)?)
    }

    /// The same, with values that stay on the network's device.
    pub(crate) fn run_there(
        &self,
        pass: Pass,
        feeds: &[(&str, &Tensor)],
        wanted: &[&str],
    ) -> Result<Vec<Tensor>> {
        let mut fed = Vec::with_capacity(feeds.len());
        for (name, tensor) in feeds {
            let tensor = plain(tensor).map_err(|e| e.while_doing(format!("the feed {name:?}")))?;
            fed.push((self.find_fed(name)?, tensor));
        }
        let fed: Vec<(NodeId, &Tensor)> = fed.iter().map(|(id, tensor)| (*id, tensor)).collect();
        let wanted: Vec<NodeId> =
            wanted.iter().map(|name| self.find(*name)).collect::<Result<_>>()?;
        self.run_nodes(pass, &fed, &wanted)
    }

    /// The network's output for a batch of inputs, `[N, C, H, W]`.
    ///
    /// # Errors
    /// As [`run`](Model::run).
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let output = self.forward_as(Pass::Inference, input)?;
        output.f_to_device(Device::Cpu).into_result()
    }

    /// The same in any pass, with a value that stays on the network's device.
    pub(crate) fn forward_as(&self, pass: Pass, input: &Tensor) -> Result<Tensor> {
        let input = plain(input).map_err(|error| error.while_doing("the input"))?;
        let fed = [(self.input(), &input)];
        let outputs = self.run_nodes(pass, &fed, &[self.output()])?;
        outputs.into_iter().next().ok_or_else(|| Error::Shape("no output".into()))
    }

    pub(crate) fn run_nodes(
        &self,
        pass: Pass,
        feeds: &[(NodeId, &Tensor)],
        wanted: &[NodeId],
    ) -> Result<Vec<Tensor>> {
        if let Some(each) = self.apart(feeds)? {
            let run = |feeds| self.run_nodes(pass, &borrowed(feeds), wanted);
            let made = each.iter().map(run).collect::<Result<Vec<_>>>()?;
            let of = |i: usize| made.iter().map(|values| values[i].shallow_clone()).collect();
            return wanted.iter().enumerate().map(|(i, id)| self.joined(*id, of(i))).collect();
        }
        fast::prepare();
        let fixed = self.fixed_beside(feeds)?;
        let fixed = fixed.iter().map(|(id, value)| (*id, value));
        let feeds: Vec<(NodeId, &Tensor)> = feeds.iter().copied().chain(fixed).collect();
        let feeds = feeds.as_slice();
        let fuses = pass.infers() && fast::takes(feeds.iter().map(|(_, tensor)| *tensor))?;
        let plan = Plan::of(self, feeds, wanted, fuses)?;
        if pass == Pass::Training {
            self.inner.trainings.set(self.inner.trainings.get() + 1);
        }
        if pass.infers() {
            let _no_grad = tch::no_grad_guard();
            plan.execute(self, pass, feeds)
        } else {
            with_grad(|| plan.execute(self, pass, feeds))
        }
    }

    /// The output shape of every layer for an input of this shape, `[N, C, H, W]`, or `[N, F]` of rows of numbers.
    ///
    /// # Errors
    /// The first layer that cannot take what reaches it.
    pub fn output_shapes(&self, input: &[i64]) -> Result<Vec<Vec<i64>>> {
        let rank = self.shape_of(self.input()).len();
        if input.len() != rank || input.iter().any(|size| !(1..=1 << 20).contains(size)) {
            let shape = match self.takes_numbers() {
                true => "[rows, numbers]",
                false => "[photos, channels, height, width]",
            };
            return Err(Error::Shape(format!(
                "an input has the shape {shape}, each from 1 to 2^20; got {input:?}"
            )));
        }
        if !countable(input) {
            return Err(too_many(input).while_doing("an input"));
        }
        if let (true, &[photos @ 2..=i64::MAX, ref one @ ..]) = (self.takes_one_photo(), input) {
            let one = [&[1], one].concat();
            return Ok(self.repeated_shapes(self.output_shapes(&one)?, photos));
        }
        let mut shapes: Vec<Vec<i64>> = Vec::with_capacity(self.inner.nodes.len());
        for (index, node) in self.inner.nodes.iter().enumerate() {
            let shape = match node.op {
                Op::Input if NodeId(index) == self.input() => input.to_vec(),
                Op::Input => self.shape_beside(NodeId(index), input[0]),
                _ => {
                    let inputs: Vec<&[i64]> =
                        node.inputs.iter().map(|id| shapes[id.0].as_slice()).collect();
                    let shape = node.op.output_shape(&inputs);
                    shape.map_err(|e| e.while_doing(self.describe(node)))?
                }
            };
            shapes.push(shape);
        }
        Ok(shapes)
    }

    /// The least side of a square input that every layer can take, if it is at most 4,096. A row of numbers has none.
    pub fn minimum_side(&self) -> Option<i64> {
        if self.takes_numbers() {
            return None;
        }
        let [c, h, w] = self.input_shape();
        (1..=h.max(w).min(1 << 12)).find(|&side| self.output_shapes(&[1, c, side, side]).is_ok())
    }

    pub(crate) fn check_input(&self, input: &Tensor) -> Result<()> {
        let size = input.size();
        let [c, h, w] = self.input_shape();
        if self.takes_numbers() {
            if size.len() != 2 || size[1] != c {
                return Err(Error::Shape(format!(
                    "{} takes rows of {c} numbers, [rows, {c}]; got {size:?}",
                    self.name()
                )));
            }
            return self.output_shapes(&size).map(drop);
        }
        if size.len() != 4 || size[1] != c {
            return Err(Error::Shape(format!(
                "{} takes [photos, {c}, height, width], made for [1, {c}, {h}, {w}]; got {size:?}",
                self.name()
            )));
        }
        self.output_shapes(&size).map(drop).map_err(|error| match self.minimum_side() {
            Some(least) if size[2] < least || size[3] < least => Error::Shape(format!(
                "an input of {} x {} pixels is too small for {}, which needs at least {least} x \
                 {least}: resize it ({error})",
                size[3],
                size[2],
                self.name()
            )),
            // What was made for one size says which.
            _ => Error::Shape(format!(
                "{} does not take photos of {} × {} pixels (width × height), but for one of {w} × {h} it was \
                 made: resize them ({error})",
                self.name(),
                size[3],
                size[2]
            )),
        })
    }

    /// Refuses inputs of this shape where one layer alone, with what it reads, takes more memory than
    /// there is.
    pub(crate) fn check_memory(&self, input: &[i64]) -> Result<()> {
        let shapes = self.output_shapes(input)?;
        let values = |index: usize| shapes[index].iter().fold(1i64, |a, &b| a.saturating_mul(b));
        let nodes = self.inner.nodes.iter().enumerate();
        let most = nodes.map(|(index, node)| {
            node.inputs.iter().fold(values(index), |sum, id| sum.saturating_add(values(id.0)))
        });
        let bytes = most.max().unwrap_or(0).saturating_mul(4).max(0) as u64;
        let what = format!("{} for an input of {input:?}", self.name());
        let way_out = "make it smaller first, Preprocess::shorter(..), or give fewer at once";
        memory::check(&what, bytes, way_out)
    }

    fn describe(&self, node: &Node) -> String {
        format!("layer {:?} ({}) of {}", node.name, node.op.kind(), self.name())
    }
}

impl Node {
    pub(super) fn parameters_for(&self, pass: Pass) -> Vec<Tensor> {
        // Constants in a gradient pass: only what depends on the feeds is recorded. A module holds
        // its own, and freezes them itself.
        let constant = pass == Pass::Gradient && !matches!(self.op, Op::Module(_));
        let tensors = self.parameters.iter().map(|p| &p.tensor);
        tensors.map(|t| if constant { t.detach() } else { t.shallow_clone() }).collect()
    }
}

/// What a pass has to do. It follows from which layers are fed with values of which sizes and which are wanted, so a network
/// keeps it for the next pass that is like this one.
pub(super) struct Plan {
    fed: Vec<(NodeId, Vec<i64>)>,
    wanted: Vec<NodeId>,
    fuses: bool,
    /// How many layers read each value.
    readers: Vec<usize>,
    /// What is wanted or fed, and so stays as it is.
    fixed: Vec<bool>,
    chains: Chains,
    /// The layers that have to run, and of those taken together the last.
    order: Vec<NodeId>,
}

impl Plan {
    /// `fuses` says whether layers may be taken together.
    fn of(
        model: &Model,
        feeds: &[(NodeId, &Tensor)],
        wanted: &[NodeId],
        fuses: bool,
    ) -> Result<Rc<Plan>> {
        let kept = &model.inner.plan;
        let alike = |plan: &&Rc<Plan>| {
            let mut fed = plan.fed.iter().zip(feeds);
            plan.fuses == fuses
                && plan.wanted == wanted
                && plan.fed.len() == feeds.len()
                && fed.all(|((id, size), (fed, tensor))| id == fed && *size == tensor.size())
        };
        if let Some(plan) = kept.borrow().as_ref().filter(alike) {
            return Ok(Rc::clone(plan));
        }
        let plan = Rc::new(Plan::new(model, feeds, wanted, fuses)?);
        *kept.borrow_mut() = Some(Rc::clone(&plan));
        Ok(plan)
    }

    fn new(
        model: &Model,
        feeds: &[(NodeId, &Tensor)],
        wanted: &[NodeId],
        fuses: bool,
    ) -> Result<Plan> {
        let nodes = &model.inner.nodes;
        let (mut needed, mut readers) = (vec![false; nodes.len()], vec![0; nodes.len()]);
        let mut fed = vec![false; nodes.len()];
        for (id, tensor) in feeds {
            fed[id.0] = true;
            if *id == model.input() {
                model.check_input(tensor)?;
            } else if matches!(nodes[id.0].op, Op::Input) {
                model.check_beside(*id, &tensor.size())?;
            }
        }
        let mut fixed = fed.clone();
        for id in wanted {
            (needed[id.0], fixed[id.0]) = (true, true);
        }
        for index in (0..nodes.len()).rev() {
            if !needed[index] || fed[index] {
                continue;
            }
            if matches!(nodes[index].op, Op::Input) {
                return Err(model.unfed(NodeId(index), &fed));
            }
            for id in &nodes[index].inputs {
                needed[id.0] = true;
                readers[id.0] += 1;
            }
        }
        let runs = |id: NodeId| needed[id.0] && !fed[id.0];
        let read = |id: NodeId| if fixed[id.0] { 0 } else { readers[id.0] };
        let chains = Chains::find(fuses, nodes, runs, read, |_| true);
        let order = (0..nodes.len()).map(NodeId).filter(|id| runs(*id) && !chains.is_inside(*id));
        Ok(Plan {
            order: order.collect(),
            fed: feeds.iter().map(|(id, tensor)| (*id, tensor.size())).collect(),
            wanted: wanted.to_vec(),
            fuses,
            readers,
            fixed,
            chains,
        })
    }

    fn execute(
        &self,
        model: &Model,
        pass: Pass,
        feeds: &[(NodeId, &Tensor)],
    ) -> Result<Vec<Tensor>> {
        let nodes = &model.inner.nodes;
        let mut values: Vec<Option<Tensor>> = Vec::new();
        values.resize_with(nodes.len(), || None);
        for (id, tensor) in feeds {
            let tensor = tensor.f_to_device(model.device()).into_result()?;
            values[id.0] = Some(match nodes[id.0].op {
                Op::Input => channels_last(&tensor)?,
                _ => tensor,
            });
        }
        let left = self.readers.clone();
        let mut running = Running { model, pass, plan: self, left, values };
        for &id in &self.order {
            match self.chains.ending_at(id) {
                Some(chain) => running.chain(chain, id, self.chains.slice(id))?,
                None if running.is_joined(id) => running.joined(id),
                None => running.layer(id)?,
            }
        }
        self.wanted
            .iter()
            .map(|id| {
                let value = running.values[id.0].as_ref().map(Tensor::shallow_clone);
                value.ok_or_else(|| Error::Argument("a wanted layer did not run".into()))
            })
            .collect()
    }
}

/// A pass while it runs.
struct Running<'a> {
    model: &'a Model,
    pass: Pass,
    plan: &'a Plan,
    /// How many layers that read each value have still to run.
    left: Vec<usize>,
    values: Vec<Option<Tensor>>,
}

impl Running<'_> {
    fn layer(&mut self, id: NodeId) -> Result<()> {
        let node = self.model.node(id);
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for &from in &node.inputs {
            let input = self.value(from, node)?;
            let last = self.release(from);
            // Another layer still reads it, and a module might write to it.
            let foreign = !last && matches!(node.op, Op::Module(_));
            inputs.push(if foreign { input.f_alias_copy().into_result()? } else { input });
        }
        let overwrite = self.pass.infers()
            && node.inputs.first().is_some_and(|from| {
                let source = self.model.node(*from);
                self.plan.readers[from.0] == 1
                    && !self.plan.fixed[from.0]
                    && source.op.makes_new_memory()
            });
        let parameters = node.parameters_for(self.pass);
        let output = node.op.forward(&mut inputs, &parameters, self.pass, overwrite);
        self.values[id.0] = Some(output.map_err(|error| self.failed(error, node, &inputs))?);
        Ok(())
    }

    /// Several layers at once, or, where the fast engine leaves them, one after the other.
    fn chain(&mut self, chain: &Chain, end: NodeId, slice: Option<&Slice>) -> Result<()> {
        if let Some(product) = chain.scaled {
            if self.is_taken(chain, end, slice, Some(product))? {
                return Ok(());
            }
            self.layer(product)?;
        }
        if self.is_taken(chain, end, slice, None)? {
            return Ok(());
        }
        chain.layers().try_for_each(|id| self.layer(id))
    }

    /// Whether the fast engine took them, and the product before them, if it is to.
    fn is_taken(
        &mut self,
        chain: &Chain,
        end: NodeId,
        slice: Option<&Slice>,
        product: Option<NodeId>,
    ) -> Result<bool> {
        let nodes = &self.model.inner.nodes;
        let first = self.model.node(product.unwrap_or(chain.conv));
        let reads: Vec<NodeId> = first.inputs.iter().copied().chain(chain.other).collect();
        // A concatenation's value is there before its turn, and so far unfinished.
        let mut whole = slice.and_then(|slice| self.values[slice.whole.0].take());
        let inputs =
            reads.iter().map(|id| self.value_of(*id, first)).collect::<Result<Vec<_>>>()?;
        let read = Read {
            input: inputs[0],
            scale: product.and_then(|_| inputs.get(1).copied()),
            other: chain.other.and_then(|_| inputs.last().copied()),
        };
        let again = self.pass == Pass::Repeated;
        let asked = Asked { trainings: self.model.trainings(), again };
        let engine = &self.model.inner.fast;
        let room = slice.map(|slice| Room { whole: &mut whole, slice });
        let output = engine.forwards(nodes, chain, read, room, asked);
        let output = output.map_err(|error| self.failed(error, first, &inputs))?;
        if let Some(slice) = slice {
            self.values[slice.whole.0] = whole;
        }
        let Some(output) = output else { return Ok(false) };
        for id in reads {
            self.release(id);
        }
        self.values[end.0] = Some(output);
        Ok(true)
    }

    /// Whether this is a concatenation that all inputs have been written into.
    fn is_joined(&self, id: NodeId) -> bool {
        let Some(whole) = &self.values[id.0] else { return false };
        self.model.node(id).inputs.iter().all(|from| {
            let part = self.values[from.0].as_ref().zip(self.plan.chains.slice(*from));
            part.is_some_and(|(part, slice)| slice.holds(part, whole))
        })
    }

    fn joined(&mut self, id: NodeId) {
        for &from in &self.model.node(id).inputs {
            self.release(from);
        }
    }

    fn value(&self, id: NodeId, reader: &Node) -> Result<Tensor> {
        self.value_of(id, reader).map(Tensor::shallow_clone)
    }

    fn value_of(&self, id: NodeId, reader: &Node) -> Result<&Tensor> {
        self.values[id.0].as_ref().ok_or_else(|| {
            Error::Argument(format!("{} ran before its input", self.model.describe(reader)))
        })
    }

    /// A reader of this value is done; it is dropped behind the last, which is told.
    fn release(&mut self, id: NodeId) -> bool {
        self.left[id.0] -= 1;
        let last = self.left[id.0] == 0 && !self.plan.fixed[id.0];
        if last {
            self.values[id.0] = None;
        }
        last
    }

    fn failed(&self, error: Error, node: &Node, inputs: &[impl Borrow<Tensor>]) -> Error {
        let shapes: Vec<Vec<i64>> = inputs.iter().map(|input| input.borrow().size()).collect();
        error.while_doing(format!("{} with input {shapes:?}", self.model.describe(node)))
    }
}
