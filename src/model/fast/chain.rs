//! Which layers are taken together: a convolution with the batch norm, or a linear layer, and the sum and the
//! function of each value behind it.

use convlens_fast::After;
use tch::Tensor;

use super::direct;
use crate::model::{Arithmetic, Elementwise, Node, NodeId, Op};

/// What a rectifier makes of values.
pub(super) const RECTIFIED: After = After::Between(0.0, f32::INFINITY);

/// A convolution, or a linear layer, with what follows it, up to the node that has its output.
pub(in crate::model) struct Chain {
    /// The product before it, of maps and, if it turns out so, a factor for each of their channels.
    pub(in crate::model) scaled: Option<NodeId>,
    pub(in crate::model) conv: NodeId,
    pub(in crate::model) norm: Option<NodeId>,
    /// What is added to it, and where.
    pub(in crate::model) other: Option<NodeId>,
    add: Option<NodeId>,
    /// The sigmoid that a function has as a layer of its own: `x · sigmoid(x)`.
    pub(super) gate: Option<NodeId>,
    /// The function of each value.
    pub(in crate::model) function: Option<NodeId>,
    pub(super) after: After,
}

impl Chain {
    /// Its layers, from the convolution to the last.
    pub(in crate::model) fn layers(&self) -> impl Iterator<Item = NodeId> + use<> {
        [Some(self.conv), self.norm, self.add, self.gate, self.function].into_iter().flatten()
    }

    /// Whether the convolution takes nothing along.
    pub(super) fn is_alone(&self) -> bool {
        self.layers().count() == 1
    }
}

/// The chains of a pass.
pub(in crate::model) struct Chains {
    /// By the node at which each ends.
    ending: Vec<Option<Chain>>,
    /// The nodes that others stand for.
    inside: Vec<bool>,
    /// By the node at which a chain ends, its place in a concatenation.
    slices: Vec<Option<Slice>>,
}

/// The place of a chain's output in a concatenation all of whose inputs are such, which it alone reads.
pub(in crate::model) struct Slice {
    pub(in crate::model) whole: NodeId,
    /// Its first channel there, and how many the whole has.
    pub(super) first: i64,
    pub(super) all: i64,
}

impl Slice {
    /// Whether a part of the whole lies in this place.
    pub(in crate::model) fn holds(&self, part: &Tensor, whole: &Tensor) -> bool {
        let first = whole.data_ptr().cast::<f32>().wrapping_add(self.first as usize);
        part.data_ptr().cast() == first
    }
}

impl Chains {
    /// Every layer by itself.
    pub(in crate::model) fn none(nodes: &[Node]) -> Chains {
        let ending = nodes.iter().map(|_| None).collect();
        let slices = nodes.iter().map(|_| None).collect();
        Chains { ending, inside: vec![false; nodes.len()], slices }
    }

    /// The layers that are taken together, none unless it `fuses`. `runs(id)` says whether a node has to run, `readers(id)` how many read it, 0 where
    /// somebody else wants its value, `takes(op)` whether a function of each value may be taken along.
    pub(in crate::model) fn find(
        fuses: bool,
        nodes: &[Node],
        runs: impl Fn(NodeId) -> bool,
        readers: impl Fn(NodeId) -> usize,
        takes: impl Fn(&Op) -> bool,
    ) -> Chains {
        let mut chains = Chains::none(nodes);
        if !fuses {
            return chains;
        }
        let mut reader = vec![None; nodes.len()];
        for (index, node) in nodes.iter().enumerate().filter(|(index, _)| runs(NodeId(*index))) {
            for id in &node.inputs {
                reader[id.0] = Some(NodeId(index));
            }
        }
        let mut summed = vec![false; nodes.len()];
        for (index, node) in nodes.iter().enumerate() {
            let (is_conv, packable) = match &node.op {
                Op::Conv2d(conv) if runs(NodeId(index)) => (true, conv.zeros().is_some()),
                Op::Linear(_) if runs(NodeId(index)) => (false, true),
                _ => continue,
            };
            let mut end = NodeId(index);
            let mut chain = Chain {
                scaled: scaled(nodes, end).filter(|id| {
                    let is_free = !chains.inside[id.0] && chains.ending[id.0].is_none();
                    is_free && runs(*id) && readers(*id) == 1 && takes(&Op::Multiply)
                }),
                conv: end,
                norm: None,
                other: None,
                add: None,
                gate: None,
                function: None,
                after: After::Nothing,
            };
            // The last reader of what the chain has so far; the only one, but for a gate.
            while let Some(next) = reader[end.0] {
                let gate = gate(nodes, end, next).filter(|gate| readers(*gate) == 1);
                if let Some(gate) = gate.filter(|_| readers(end) == 2 && takes(&Op::Silu)) {
                    chain.gate = Some(gate);
                    (chain.function, chain.after) = (Some(next), After::Silu);
                    (chains.inside[end.0], chains.inside[gate.0]) = (true, true);
                    end = next;
                    break;
                }
                if readers(end) != 1 {
                    break;
                }
                let inputs = nodes[next.0].inputs.as_slice();
                match (&nodes[next.0].op, inputs) {
                    (Op::BatchNorm2d(_), _) if end == chain.conv && is_conv => {
                        chain.norm = Some(next)
                    }
                    // Of two chains that meet, the first takes the sum.
                    (Op::Add, &[first, second])
                        if first != second && chain.add.is_none() && !summed[next.0] =>
                    {
                        let other = if first == end { second } else { first };
                        (chain.other, chain.add) = (Some(other), Some(next));
                        summed[next.0] = true;
                    }
                    (op, _) => match function(op).filter(|_| takes(op)) {
                        Some(after) => (chain.function, chain.after) = (Some(next), after),
                        None => break,
                    },
                }
                chains.inside[end.0] = true;
                end = next;
                if chain.function.is_some() {
                    break;
                }
            }
            if packable || !chain.is_alone() {
                if let Some(scaled) = chain.scaled {
                    chains.inside[scaled.0] = true;
                }
                chains.ending[end.0] = Some(chain);
            }
        }
        for (index, node) in nodes.iter().enumerate() {
            if matches!(node.op, Op::Concat) && runs(NodeId(index)) {
                chains.join(nodes, NodeId(index), &readers);
            }
        }
        chains
    }

    /// Finds places for a concatenation's inputs, if they are chains of convolutions.
    fn join(&mut self, nodes: &[Node], whole: NodeId, readers: impl Fn(NodeId) -> usize) {
        let inputs = &nodes[whole.0].inputs;
        let channels = |id: &NodeId| match &nodes[self.ending_at(*id)?.conv.0].op {
            Op::Conv2d(conv) if readers(*id) == 1 => Some(conv.out_channels),
            _ => None,
        };
        let Some(channels) = inputs.iter().map(channels).collect::<Option<Vec<_>>>() else {
            return;
        };
        let (mut first, all) = (0, channels.iter().sum());
        for (id, channels) in inputs.iter().zip(channels) {
            self.slices[id.0] = Some(Slice { whole, first, all });
            first += channels;
        }
    }

    /// The chain whose last layer this is.
    pub(in crate::model) fn ending_at(&self, id: NodeId) -> Option<&Chain> {
        self.ending[id.0].as_ref()
    }

    /// The place in a concatenation of the chain that ends with this layer.
    pub(in crate::model) fn slice(&self, end: NodeId) -> Option<&Slice> {
        self.slices[end.0].as_ref()
    }

    /// Whether a layer's value is never seen, since the chain goes on.
    pub(in crate::model) fn is_inside(&self, id: NodeId) -> bool {
        self.inside[id.0]
    }
}

/// The product that a convolution of 1 × 1 reads.
fn scaled(nodes: &[Node], conv: NodeId) -> Option<NodeId> {
    let Op::Conv2d(op) = &nodes[conv.0].op else { return None };
    let id = *nodes[conv.0].inputs.first()?;
    (direct::reads_pixels(op) && matches!(nodes[id.0].op, Op::Multiply)).then_some(id)
}

/// The sigmoid by which `next` multiplies a layer's output, if that is what it does.
fn gate(nodes: &[Node], layer: NodeId, next: NodeId) -> Option<NodeId> {
    let (Op::Multiply | Op::Arithmetic(Arithmetic::Multiply)) = nodes[next.0].op else {
        return None;
    };
    let &[first, second] = nodes[next.0].inputs.as_slice() else { return None };
    let gate = if first == layer { second } else { first };
    let is_sigmoid = matches!(nodes[gate.0].op, Op::Sigmoid) && nodes[gate.0].inputs == [layer];
    is_sigmoid.then_some(gate)
}

/// What our loops compute of each value in the same pass over memory.
fn function(op: &Op) -> Option<After> {
    Some(match op {
        Op::Relu => RECTIFIED,
        Op::Relu6 => After::Between(0.0, 6.0),
        Op::Sigmoid => After::Sigmoid,
        Op::Silu => After::Silu,
        Op::Elementwise(Elementwise::Clamp { min, max }) => {
            After::Between(*min as f32, *max as f32)
        }
        Op::Elementwise(Elementwise::HardSwish) => After::HardSwish,
        Op::Elementwise(Elementwise::Gelu) => After::Gelu,
        _ => return None,
    })
}
