//! What each token of a transformer takes from the others.

use tch::Tensor;

use super::{Grid, LayerRef, Model, NodeId, Op};
use crate::error::{Error, Result};

/// Tokens that stand for the pixels of a grid, and others before and behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tokens {
    /// Rows and columns.
    pub(crate) size: [i64; 2],
    /// How many stand before the first pixel's.
    pub(crate) before: i64,
}

impl Model {
    /// The layers that weigh tokens against each other, in order.
    pub(crate) fn attentions(&self) -> Vec<NodeId> {
        let nodes = self.inner.nodes.iter().enumerate();
        let attends = nodes.filter(|(_, node)| matches!(node.op, Op::Attention(_)));
        attends.map(|(index, _)| NodeId(index)).collect()
    }

    /// For each attention on the way to the output, in order, the layer that its block ends with: the last one before the
    /// next attention through which everything goes that the attention has a part in. Behind the last attention, where
    /// nothing says what is still of its block, it is the last of the same kind and shape as the ends before.
    pub(crate) fn block_ends(&self) -> Vec<(NodeId, NodeId)> {
        let leads = self.led_to_output();
        let attentions: Vec<NodeId> =
            self.attentions().into_iter().filter(|id| leads[id.0]).collect();
        let next = attentions.iter().skip(1).map(|id| id.0).chain([self.inner.nodes.len()]);
        let mut ends: Vec<(NodeId, NodeId)> = Vec::with_capacity(attentions.len());
        for (&attention, next) in attentions.iter().zip(next) {
            let gates = self.gates(attention, &leads);
            let alike = |gate: &&NodeId| {
                ends.first().is_none_or(|&(_, first)| {
                    let kind = |id| std::mem::discriminant(self.op_of(id));
                    kind(**gate) == kind(first) && self.shape_of(**gate) == self.shape_of(first)
                })
            };
            let end = gates.iter().filter(|gate| gate.0 < next).rfind(alike);
            ends.push((attention, end.copied().unwrap_or(attention)));
        }
        ends
    }

    /// The layers behind this one, itself among them, through which all of its ways to the output go.
    fn gates(&self, from: NodeId, leads: &[bool]) -> Vec<NodeId> {
        let behind = self.depending_on(from);
        let counts = |id: usize| leads[id] && behind[id];
        let mut last_reader = vec![0; self.inner.nodes.len()];
        for (index, node) in self.inner.nodes.iter().enumerate().filter(|(i, _)| counts(*i)) {
            node.inputs.iter().for_each(|id| last_reader[id.0] = index);
        }
        let mut furthest = 0;
        let mut gates = Vec::new();
        for id in (from.0..=self.output().0).filter(|id| counts(*id)) {
            // No way leads past it.
            if furthest <= id {
                gates.push(NodeId(id));
            }
            furthest = furthest.max(last_reader[id]);
        }
        gates
    }

    /// The attention that a layer is, or the last one in a group of this name.
    ///
    /// # Errors
    /// An unknown layer; one without attention: the error lists those with it.
    pub(crate) fn attention_in(&self, layer: impl Into<LayerRef>) -> Result<NodeId> {
        let (id, name) = self.find_named(layer)?;
        let all = self.attentions();
        let inside = format!("{name}.");
        let is_meant =
            |found: &&NodeId| **found == id || self.layer_name(**found).starts_with(&inside);
        all.iter().rev().find(is_meant).copied().ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|id| self.layer_name(*id)).collect();
            Error::Argument(match names.as_slice() {
                [] => format!("{} has no attention", self.name()),
                some => format!("there is no attention in {name:?}; it is in {}", some.join(", ")),
            })
        })
    }

    /// Its weights, `[N, heads, tokens, tokens]`, from the values of its inputs: each row is what one token
    /// takes from all, and adds up to 1.
    pub(crate) fn attention_weights(&self, attention: NodeId, inputs: &[Tensor]) -> Result<Tensor> {
        match self.op_of(attention) {
            Op::Attention(op) => op.weights(inputs),
            _ => Err(Error::Argument(format!(
                "layer {:?} is no attention",
                self.layer_name(attention)
            ))),
        }
    }

    /// Which pixels so many tokens of an attention stand for, for inputs of this shape.
    ///
    /// # Errors
    /// When none of the layers before has so many, one a pixel: windows, for instance.
    pub(crate) fn tokens_of(&self, attention: NodeId, count: i64, input: &[i64]) -> Result<Tokens> {
        let before: Vec<NodeId> = self.nodes_to(attention).collect();
        let grids = self.grids_of(&before, input)?;
        let found = grids.into_iter().rev().find_map(|grid| match grid {
            Some(Grid::Tokens { size, others: [before, behind], .. })
                if before + size[0] * size[1] + behind == count =>
            {
                Some(Tokens { size, before })
            }
            _ => None,
        });
        found.ok_or_else(|| {
            Error::Shape(format!(
                "the {count} tokens of layer {:?} are not those of all pixels of a layer before",
                self.layer_name(attention)
            ))
        })
    }
}
