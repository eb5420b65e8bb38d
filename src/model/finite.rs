//! Where values that are not finite come from.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::{Model, NodeId, Op, Pass};
use crate::error::Result;
use crate::tensor::IntoResult;

impl Model {
    /// In words, the first layer in the order of execution whose output for `input` holds NaN or
    /// an infinity, and whether its parameters do; `None` when all is finite.
    pub(crate) fn first_not_finite(&self, input: &Tensor) -> Result<Option<String>> {
        if let Some(count) = odd(input)? {
            return Ok(Some(format!("the input holds {count}: look at another, or clean it")));
        }
        if let Some(each) = self.apart(&[(self.input(), input)])? {
            let mut photos = each.iter().flatten().map(|(_, photo)| self.first_not_finite(photo));
            return photos.find_map(Result::transpose).transpose();
        }
        // One after the other, each from its inputs alone, so that little is kept.
        let nodes = &self.inner.nodes;
        let mut last = vec![0; nodes.len()];
        for (index, node) in nodes.iter().enumerate() {
            node.inputs.iter().for_each(|id| last[id.0] = index);
        }
        let mut known: BTreeMap<NodeId, Tensor> =
            self.fixed_beside(&[(self.input(), input)])?.into_iter().collect();
        known.insert(self.input(), input.shallow_clone());
        for (index, node) in nodes.iter().enumerate() {
            let id = NodeId(index);
            if known.contains_key(&id) {
                continue;
            }
            let output = {
                let _no_grad = tch::no_grad_guard();
                let inputs = node.inputs.iter().filter_map(|id| known.get(id));
                // Copies, which somebody else's code may write to.
                let copies = inputs.map(|input| match node.op {
                    Op::Module(_) => input.f_alias_copy().into_result(),
                    _ => Ok(input.shallow_clone()),
                });
                let mut inputs = copies.collect::<Result<Vec<Tensor>>>()?;
                let parameters = node.parameters_for(Pass::Inference);
                let output = node.op.forward(&mut inputs, &parameters, Pass::Inference, false);
                output.map_err(|e| e.while_doing(format!("layer {:?}", node.name)))?
            };
            if let Some(count) = odd(&output)? {
                let mut text = format!(
                    "layer {:?} ({}) of {} is the first whose output holds {count}",
                    node.name,
                    node.op.kind(),
                    self.name()
                );
                for parameter in &node.parameters {
                    if let Some(count) = odd(&parameter.tensor)? {
                        text += &format!("; its {} holds {count}", parameter.name);
                    }
                }
                return Ok(Some(text));
            }
            for id in node.inputs.iter().filter(|id| last[id.0] == index) {
                known.remove(id);
            }
            if last[index] > index {
                known.insert(id, output);
            }
        }
        Ok(None)
    }
}

/// "2 NaN and 1 infinite of 27 values", or `None` when all are finite.
fn odd(values: &Tensor) -> Result<Option<String>> {
    let _no_grad = tch::no_grad_guard();
    let count = |flags: Result<Tensor, tch::TchError>| {
        flags.and_then(|t| t.f_sum(Kind::Int64)).and_then(|t| t.f_int64_value(&[])).into_result()
    };
    let (nan, infinite) = (count(values.f_isnan())?, count(values.f_isinf())?);
    let kinds: Vec<String> = [(nan, "NaN"), (infinite, "infinite")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    let total = values.numel();
    Ok((!kinds.is_empty()).then(|| format!("{} of {total} values", kinds.join(" and "))))
}
