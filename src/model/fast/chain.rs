//! Which layers are taken together: a convolution with the batch norm, the sum and the rectifier behind it.

use crate::model::{Node, NodeId, Op};

/// A convolution with what follows it, up to the node that has its output.
pub(in crate::model) struct Chain {
    pub(in crate::model) conv: NodeId,
    pub(in crate::model) norm: Option<NodeId>,
    /// What is added to it, and where.
    pub(in crate::model) other: Option<NodeId>,
    add: Option<NodeId>,
    pub(in crate::model) relu: Option<NodeId>,
}

impl Chain {
    /// Its layers, from the first to the last.
    pub(in crate::model) fn layers(&self) -> impl Iterator<Item = NodeId> + use<> {
        [Some(self.conv), self.norm, self.add, self.relu].into_iter().flatten()
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
}

impl Chains {
    /// Every layer by itself.
    pub(in crate::model) fn none(nodes: &[Node]) -> Chains {
        let ending = nodes.iter().map(|_| None).collect();
        Chains { ending, inside: vec![false; nodes.len()] }
    }

    pub(super) fn find(
        nodes: &[Node],
        runs: impl Fn(NodeId) -> bool,
        taken: impl Fn(NodeId) -> bool,
    ) -> Chains {
        let mut reader = vec![None; nodes.len()];
        for (index, node) in nodes.iter().enumerate().filter(|(index, _)| runs(NodeId(*index))) {
            for id in &node.inputs {
                reader[id.0] = Some(NodeId(index));
            }
        }
        let mut chains = Chains::none(nodes);
        for (index, node) in nodes.iter().enumerate() {
            let packable = match &node.op {
                Op::Conv2d(conv) if runs(NodeId(index)) => conv.zeros().is_some(),
                _ => continue,
            };
            let mut end = NodeId(index);
            let mut chain = Chain { conv: end, norm: None, other: None, add: None, relu: None };
            // The only reader of what the chain has so far, if the chain may take it along.
            while let Some(next) = reader[end.0].filter(|_| taken(end)) {
                let inputs = nodes[next.0].inputs.as_slice();
                match (&nodes[next.0].op, inputs) {
                    (Op::BatchNorm2d(_), _) if end == chain.conv => chain.norm = Some(next),
                    (Op::Add, &[first, other]) if first == end && chain.add.is_none() => {
                        (chain.other, chain.add) = (Some(other), Some(next));
                    }
                    (Op::Relu, _) => chain.relu = Some(next),
                    _ => break,
                }
                chains.inside[end.0] = true;
                end = next;
                if chain.relu.is_some() {
                    break;
                }
            }
            if packable || !chain.is_alone() {
                chains.ending[end.0] = Some(chain);
            }
        }
        chains
    }

    /// The chain whose last layer this is.
    pub(in crate::model) fn ending_at(&self, id: NodeId) -> Option<&Chain> {
        self.ending[id.0].as_ref()
    }

    /// Whether a layer's value is never seen, since the chain goes on.
    pub(in crate::model) fn is_inside(&self, id: NodeId) -> bool {
        self.inside[id.0]
    }
}
