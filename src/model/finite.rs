//! Where values that are not finite come from.

use tch::{Kind, Tensor};

use super::{Model, NodeId, Pass};
use crate::error::Result;
use crate::tensor::IntoResult;

impl Model {
    /// In words, the first layer in the order of execution whose output for `input` holds NaN or
    /// an infinity, and whether its parameters do; `None` when all is finite.
    pub(crate) fn first_not_finite(&self, input: &Tensor) -> Result<Option<String>> {
        if let Some(count) = odd(input)? {
            return Ok(Some(format!("the input holds {count}: look at another, or clean it")));
        }
        // One after the other, each from its inputs alone, so that little is kept.
        let nodes = &self.inner.nodes;
        let mut known: Vec<(NodeId, Tensor)> = vec![(self.input(), input.shallow_clone())];
        for (index, node) in nodes.iter().enumerate().skip(1) {
            let id = NodeId(index);
            let feeds: Vec<(NodeId, &Tensor)> = known.iter().map(|(id, t)| (*id, t)).collect();
            let mut outputs = self.run_nodes(Pass::Inference, &feeds, &[id])?;
            let Some(output) = outputs.pop() else { continue };
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
            known.push((id, output));
            known.retain(|(id, _)| nodes[index + 1..].iter().any(|node| node.inputs.contains(id)));
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
