//! Gradients by another rule at the rectifiers: the graph walked backwards.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::{Model, NodeId, Op, Pass, with_grad};
use crate::error::{Error, Result};
use crate::tensor::{IntoResult, channels_last};

/// What passes backwards through a rectifier, `ReLU` and `ReLU6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The gradient where it and the rectifier's input are positive.
    Guided,
    /// The gradient where it is positive.
    Deconvolution,
}

impl Rule {
    /// From the gradient at the rectifier's output to that at its input `x`.
    fn through(self, op: &Op, x: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        let positive = gradient.f_relu().into_result()?;
        match self {
            Rule::Deconvolution => Ok(positive),
            Rule::Guided => {
                let open = match op {
                    Op::Relu6 => x.f_gt(0.0).and_then(|t| t.f_logical_and(&x.f_lt(6.0)?)),
                    _ => x.f_gt(0.0),
                };
                open.and_then(|open| positive.f_mul(&open)).into_result()
            }
        }
    }
}

fn is_rectifier(op: &Op) -> bool {
    matches!(op, Op::Relu | Op::Relu6)
}

impl Model {
    /// How many rectifiers there are for a changed rule to change.
    pub(crate) fn rectifiers(&self) -> usize {
        self.inner.nodes.iter().filter(|node| is_rectifier(&node.op)).count()
    }

    /// The names of the layers whose insides nobody sees.
    pub(crate) fn modules(&self) -> Vec<&str> {
        let nodes = self.inner.nodes.iter();
        let modules = nodes.filter(|node| matches!(node.op, Op::Module(_)));
        modules.map(|node| node.name.as_str()).collect()
    }

    /// The output for `input`, and the gradient of `score` of it with respect to the input, where
    /// every rectifier follows `rule`; `None` when the score does not depend on the input.
    ///
    /// The graph is cut behind every rectifier and behind every value with more than one reader.
    /// Between the cuts autograd works as ever, each piece on its own, from the last to the first;
    /// so a rectifier is met by its place in the graph, however its module is shared or called.
    pub(crate) fn gradient_by_rule(
        &self,
        rule: Rule,
        input: &Tensor,
        score: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<(Tensor, Option<Tensor>)> {
        with_grad(|| {
            let mut walk = Walk::forward(self, input)?;
            let output = walk.value(self.output())?;
            let total = score(&output)?;
            let gradient = walk.backward(rule, total)?;
            Ok((output, gradient))
        })
    }
}

struct Walk<'a> {
    model: &'a Model,
    /// What readers of each node get; behind a cut a leaf of its own.
    values: Vec<Option<Tensor>>,
    /// At cuts that are not rectifiers, the value that leads on backwards.
    roots: Vec<Option<Tensor>>,
    cut: Vec<bool>,
    gradients: BTreeMap<usize, Tensor>,
}

impl<'a> Walk<'a> {
    fn forward(model: &'a Model, input: &Tensor) -> Result<Walk<'a>> {
        let nodes = &model.inner.nodes;
        let mut readers = vec![0usize; nodes.len()];
        let mut needed = vec![false; nodes.len()];
        needed[model.output().0] = true;
        for (index, node) in
            nodes.iter().enumerate().rev().filter(|(_, node)| !node.inputs.is_empty())
        {
            if needed[index] {
                for id in &node.inputs {
                    needed[id.0] = true;
                    readers[id.0] += 1;
                }
            }
        }
        let cut = nodes.iter().enumerate().map(|(index, node)| {
            is_rectifier(&node.op) || readers[index] > 1 || index == model.input().0
        });
        let mut walk = Walk {
            model,
            values: nodes.iter().map(|_| None).collect(),
            roots: nodes.iter().map(|_| None).collect(),
            cut: cut.collect(),
            gradients: BTreeMap::new(),
        };
        for (index, node) in nodes.iter().enumerate().filter(|(index, _)| needed[*index]) {
            let value = match &node.op {
                Op::Input => channels_last(&input.f_to_device(model.device()).into_result()?)?,
                _ => {
                    let inputs = node.inputs.iter().map(|id| walk.value(*id));
                    let mut inputs = inputs.collect::<Result<Vec<_>>>()?;
                    let parameters = node.parameters_for(Pass::Gradient);
                    if is_rectifier(&node.op) {
                        inputs[0] = inputs[0].detach();
                    }
                    let output = node.op.forward(&mut inputs, &parameters, Pass::Gradient, false);
                    output.map_err(|e| e.while_doing(format!("layer {:?}", node.name)))?
                }
            };
            walk.values[index] = Some(match walk.cut[index] {
                true => value.f_detach().into_result()?.set_requires_grad(true),
                false => value.shallow_clone(),
            });
            walk.roots[index] = Some(value).filter(|_| walk.cut[index]);
        }
        Ok(walk)
    }

    fn value(&self, id: NodeId) -> Result<Tensor> {
        let value = self.values[id.0].as_ref().map(Tensor::shallow_clone);
        value.ok_or_else(|| Error::Argument("a layer ran before its input".into()))
    }

    fn backward(&mut self, rule: Rule, total: Tensor) -> Result<Option<Tensor>> {
        let nodes = &self.model.inner.nodes;
        let output = self.model.output();
        let start = self.leaves(&[output]);
        self.spread(&total, &start)?;
        let cuts: Vec<usize> = (1..nodes.len()).rev().filter(|&index| self.cut[index]).collect();
        for index in cuts {
            // What lies behind has been gone through: nobody needs it any more.
            self.values.truncate(index);
            let root = self.roots[index].take();
            let Some(gradient) = self.gradients.remove(&index) else { continue };
            let node = &nodes[index];
            let (root, gradient, start) = if is_rectifier(&node.op) {
                let before = node.inputs[0];
                let x = self.value(before)?;
                let gradient = rule.through(&node.op, &x.detach(), &gradient)?;
                if self.cut[before.0] {
                    self.add(before.0, gradient)?;
                    continue;
                }
                (x, gradient, self.leaves(&[before]))
            } else {
                let Some(root) = root else { continue };
                (root, gradient, self.leaves(&node.inputs))
            };
            if root.requires_grad() {
                let total = root.f_mul(&gradient).and_then(|t| t.f_sum(None::<Kind>));
                self.spread(&total.into_result()?, &start)?;
            }
        }
        Ok(self.gradients.remove(&self.model.input().0))
    }

    /// The cuts that a value at these nodes depends on without another cut in between.
    fn leaves(&self, from: &[NodeId]) -> Vec<usize> {
        let mut found = Vec::new();
        let mut open: Vec<NodeId> = from.to_vec();
        while let Some(id) = open.pop() {
            if self.cut[id.0] {
                found.push(id.0);
            } else {
                open.extend(&self.model.inner.nodes[id.0].inputs);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Adds the gradient of `total` to each of these leaves.
    fn spread(&mut self, total: &Tensor, leaves: &[usize]) -> Result<()> {
        let tensors: Vec<Tensor> =
            leaves.iter().map(|&leaf| self.value(NodeId(leaf))).collect::<Result<_>>()?;
        let gradients = Tensor::f_run_backward(&[total], &tensors, false, false).into_result()?;
        for (&leaf, gradient) in leaves.iter().zip(gradients) {
            self.add(leaf, gradient)?;
        }
        Ok(())
    }

    fn add(&mut self, leaf: usize, gradient: Tensor) -> Result<()> {
        let sum = match self.gradients.remove(&leaf) {
            None => gradient,
            Some(sum) => sum.f_add(&gradient).into_result()?,
        };
        self.gradients.insert(leaf, sum);
        Ok(())
    }
}
